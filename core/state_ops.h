/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STATE_OPS_H
#define STATE_OPS_H

/*
 * What a slice knows of the state that its operator keeps: that it can be flipped for a snapshot,
 * how large it is, and which slots of the operator the slice owns. The layer above fills it in when
 * the operator opens its first map or value; core depends on nothing of how state is kept.
 *
 *     state_arm(slice)            on a control thread, after open, where snapshots are wanted
 *     state_warm(slice)           the owner, when the first marker has arrived
 *     state_flip(slice, epoch)    the owner, when the marker of the epoch has arrived everywhere
 *     state_end(slice)            the owner, when the slice has ended
 *     state_finish(slice)         the copier, when it looks at that snapshot no more
 *     state_close(slice)          a control thread, behind close: what it still has of slots goes
 *
 * Going on from a snapshot, behind state_arm and before the slice runs: what the space held, then
 * state_deserialize with what the class wrote; or, for a snapshot of another number of slices,
 * state_adopt for each of those.
 *
 * Slots of a running operator go from slice to slice, at an epoch that no snapshot is of, behind
 * the marker. The order of things:
 *
 *     op_can_rescale(class, &why)            before anything else
 *     slice->state.is_heir = true, open      of the slices that are added; state_arm if the others
 *                                            are armed
 *     state_prepare_move(slice, slots, n)    of each slice that gets or gives some, in n bundles,
 *                                            also one that runs
 *     state_give(slice, slice_of, to, &b)    the owner; a bundle, zeroed, for each pair of slices
 *     state_take(slice, &b)                  the new owner, of each bundle that is for it, before
 *                                            its first row by the new table
 *     state_settle(slice)                    its owner, again and again until it says that all is
 *                                            done: what giving and taking left for later. The
 *                                            slice runs meanwhile; the next snapshot or move
 *                                            waits, and so does whoever frees one of the two
 *     state.slice_of, state.is_alone         the engine writes them anew; nothing here reads them
 *                                            while the slice runs
 *
 * Where a slice of other code takes the place of one, as many as there were, all of it goes:
 *
 *     state.is_heir = true, open, arm; state_prepare_move
 *     state_alike(was, slice)                nothing was changed yet
 *     state_hand_over(was, &text)            the owner of `was`, its last call of the class
 *     state_take_over(slice, was, &text)     the new owner, before its first row
 *
 * At that moment no copier is under way. The slices' next snapshots are full by themselves, and
 * stay so until one is durable. Slices may have flipped at different epochs (one was refused): who
 * takes goes on with the later one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lm_op.h"

struct state_space;

/* Slots on their way from one slice to another. Zeroed, then given to, then taken. */
struct state_bundle {
	struct lm_move move;      /* as the class sees it */
	struct state_space *from; /* in whose tables they are until they are taken; NULL: nothing */
	const uint16_t *slot;     /* [slot_count] */
	uint32_t slot_count;
	uint32_t arena_count; /* of all maps and lists */
	uint32_t epoch;       /* of what was written last in them */
	uint64_t size;        /* bytes */
	const struct state_ops *ops;
	bool is_given; /* else there is nothing to take */
};

/* How the state of one version is made into that of another: the newer one's class knows. */
struct state_converter {
	struct lm_op *was; /* the slice before, of the other version */
	uint32_t was_version, version;
	bool is_back; /* `version` is the older one */
	/* Of the newer class: convert, or convert_back. NULL: it has none. */
	int (*convert)(struct lm_op *op, struct lm_conversion *conversion);
};
/* `op`: the slice that comes in the place of `was`. */
static inline int
state_converter_call(const struct state_converter *how, struct lm_op *op,
                     struct lm_conversion *conversion)
{
	return how->convert(how->is_back ? how->was : op, conversion);
}

/* Bytes that stand together, in a block of state_memory_alloc, from its beginning or not. */
typedef void state_stretch_fn(void *arg, void *block, uintptr_t first, size_t size);

struct state_ops {
	/* Makes what a snapshot needs. 0, or -ENOMEM. */
	int (*arm)(struct lm_op *op, struct state_space *space);
	/* The state of `epoch` is what it is now; constant time. False: one is still under way. */
	bool (*flip)(struct state_space *space, uint64_t epoch);
	uint64_t (*size)(const struct state_space *space); /* bytes */
	/* The memory of its maps, lists and values. A control thread, when no slots are on their
	 * way, nor waiting. */
	void (*stretches)(const struct state_space *space, state_stretch_fn *stretch, void *arg);

	/*
	 * A control thread, before a change, while the slice runs or before it does: memory for
	 * what giving and taking so many bundles, with up to so many slots more, needs; nothing is
	 * allocated when they come. 0, or -ENOMEM: nothing is changed, and the change must not
	 * begin.
	 */
	int (*prepare)(struct lm_op *op, uint32_t slots_max, uint32_t bundles);
	/*
	 * The owner, between two callbacks: all slots s with slice_of[s] == to leave its space.
	 * Constant time for a slot and for a map, whatever is in them. From then on the slice may
	 * go on; its space stays until who takes the bundle has settled.
	 */
	void (*give)(struct lm_op *op, const uint16_t *slice_of, uint32_t to,
	             struct state_bundle *into);
	/* The new owner, between two callbacks. The bundle is empty then. */
	void (*take)(struct lm_op *op, struct state_bundle *bundle);
	/* The owner, between two callbacks: one step of what is left to do; true: nothing is. */
	bool (*settle)(struct lm_op *op);
	/* Whether all that it keeps goes with slots, or is seen to by the class. */
	bool (*moves)(struct lm_op *op);
	/*
	 * Other code in the place of `was`, a slice of the same index. A control thread: whether
	 * both keep the same things in the same form. Then the owner of `op`, when `was` runs no
	 * more: all that it kept comes, maps and lists by pointer, values by copy.
	 */
	bool (*alike)(struct lm_op *was, struct lm_op *op);
	void (*take_over)(struct lm_op *op, struct lm_op *was);
	/*
	 * The same for code of another version, see state/convert.h. A control thread, when both
	 * are open: why its state cannot become that of `op`, NULL: it can; then memory, 0 or
	 * -ENOMEM.
	 */
	const char *(*can_convert)(struct lm_op *op, const struct state_converter *how);
	int (*prepare_conversion)(struct lm_op *op, const struct state_converter *how);
	/*
	 * The owner of `op`, when the other one runs no more: what did not change comes, slots wait
	 * (op_state.slots_waiting). Then, between two callbacks, while some do: one step of some
	 * 12 us. False: none is left. Or none is to be, for this reason.
	 */
	void (*convert)(struct lm_op *op);
	bool (*convert_some)(struct lm_op *op);
	void (*convert_none)(struct lm_op *op, const char *why);
	/* A control thread: the slice, or a bundle that nobody will take, is no more; memory of
	 * slots is freed when none of its neighbours is left. */
	void (*close)(struct lm_op *op);
	void (*drop)(struct state_bundle *bundle);
};

/* What a slice wrote down. */
struct op_text {
	char *bytes;
	uint32_t size, max;
};

struct op_state {
	/* Filled in by the layer above, in open. */
	struct state_space *space; /* NULL: it keeps none */
	const struct state_ops *ops;

	/*
	 * Filled in by the engine, before open. The operator has 2^slot_bits slots; this slice owns
	 * those that slice_of gives to `index`, all of them if it is NULL. `key`: the columns that
	 * rows are routed by, none if they are not routed by key.
	 */
	uint32_t slot_bits;
	const uint16_t *slice_of;
	uint32_t index;
	const uint32_t *key;
	uint32_t key_count;
	bool is_alone; /* the operator's only slice */
	bool is_heir;  /* added while the job runs: opens without slots, they come from others */

	/*
	 * On the way from another version. `is_newer`: open finds that it takes the place of an
	 * older one, of that state_version. Slots that are not converted yet, the owner's, read by
	 * control: as long as there are any, or one failed, the slice before is kept.
	 */
	bool is_newer;
	uint32_t from_version;
	uint32_t slots_waiting, slots_failed;
	bool convert_failed;
	bool rest_failed;  /* nothing was converted: what belongs to no slot could not be */
	struct lm_op *was; /* the slice before */
	char convert_why[240];

	/* As of the last flip: what the class serialized, what the engine remembers of the slice,
	 * what the sink's transaction is; and the sink's last one, once it has ended. */
	struct op_text class_text, engine_text, txn, last_txn;
	uint64_t last_txn_number;

	/* Epochs: the owner's last flip, and the last that it could not make; the copier's last. */
	uint64_t flipped, refused;
	uint64_t finished;
};

struct op_state *op_state(struct lm_op *op);

/* 0, or -ENOMEM. Once; before the slice runs. */
int state_arm(struct lm_op *op);
/* A flip is near. What it reads, writes and runs was last used an epoch ago: all of it is asked for
 * at once, while what comes before the flip goes on. */
void state_warm(const struct lm_op *op);
/* False: the last snapshot is not finished, or the slice is not armed; `refused` then says so. */
bool state_flip(struct lm_op *op, uint64_t epoch);
void state_finish(struct lm_op *op);
void state_end(struct lm_op *op);
/* Before the slice runs: hands what was serialized to the class. 0, or -EINVAL. */
int state_deserialize(struct lm_op *op, const void *bytes, size_t size, uint32_t version);
/* The same with what a slice of the operator wrote when there were more or fewer of them. */
int state_adopt(struct lm_op *op, struct lm_adoption *from);

/* core/state_move.c: with the class's part in it; an operator without state gives nothing. */
bool state_moves(struct lm_op *op);
int state_prepare_move(struct lm_op *op, uint32_t slots_max, uint32_t bundles);
void state_give(struct lm_op *op, const uint16_t *slice_of, uint32_t to, struct state_bundle *into);
void state_take(struct lm_op *op, struct state_bundle *bundle);
bool state_settle(struct lm_op *op);
/* Whether state of one slice can be that of another one, of other code, as it is. */
bool state_alike(struct lm_op *was, struct lm_op *op);
/* What the class writes down of itself for other code. False: it is too much. */
bool state_hand_over(struct lm_op *was, struct op_text *text);
/* False: what was written is not what the class of `op` reads. */
bool state_take_over(struct lm_op *op, struct lm_op *was, const struct op_text *text);
/* What the class does not know of: timers, the source's event time, randomness. */
void state_take_timers(struct lm_op *op, const struct lm_op *was);
/* Slots are of the same keys: as many, routed by the same columns. */
bool state_has_same_key(const struct op_state *a, const struct op_state *b);

/*
 * core/state_convert.c: code of another state_version, in the order of things.
 *
 *     state_versions_fit(class, class, why)    before anything else; false: the rest of a sentence
 *     is_newer, from_version, open, arm        is_heir only of what has nothing of its own
 *     state_can_convert(was, slice)            NULL, or the rest of "the other code …"
 *     state_prepare_conversion(was, slice)     0, or -ENOMEM
 *     state_hand_over(was, &text)              the owner of `was`, its last call of the class
 *     state_convert(slice, was, &text)         the new owner, before its first row
 *     state_convert_some(slice)                the owner, between two callbacks: a step; false:
 *                                              there is none left
 *
 * `was` stays until slots_waiting is 0, and as long as convert_failed says so: op_state has what
 * control may read of it. `text` has room for what the older class serializes.
 */
bool state_versions_fit(const struct lm_op_class *was, const struct lm_op_class *is, char *why,
                        size_t size);
struct state_converter state_converter_of(struct lm_op *was, const struct lm_op *op);
const char *state_can_convert(struct lm_op *was, struct lm_op *op);
int state_prepare_conversion(struct lm_op *was, struct lm_op *op);
void state_convert(struct lm_op *op, struct lm_op *was, struct op_text *text);
bool state_convert_some(struct lm_op *op);

/* A bundle that will not be taken, for the engine goes. */
void state_drop(struct state_bundle *bundle);
void state_close(struct lm_op *op);
/* Zeroed memory like lm_op_alloc's that outlives the slice, for what moves. Control threads. */
void *state_memory_alloc(struct lm_op *op, size_t size);
void state_memory_free(void *memory);

/* core/slice_state.c: what the engine remembers of a slice: event time, timers, randomness. */
uint32_t slice_state_max(uint32_t inputs); /* bytes, of a slice with so many */
void slice_state_write(const struct lm_op *slice, struct op_text *text);
/* What was written of a slice. */
struct slice_text {
	const void *bytes;
	size_t size;
};
/*
 * Before the slice runs: goes on where `count` slices of its operator were, at least 1: event time
 * is the least of theirs, a timer is due when the first of theirs is. [operator] in `is_dealt`:
 * there are more or fewer slices of it now, NULL: of none. 0, or -EINVAL: it has other inputs.
 */
int slice_state_read(struct lm_op *slice, const struct slice_text *text, uint32_t count,
                     const bool *is_dealt);

#endif
