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
 *
 * Going on from a snapshot, behind state_arm and before the slice runs: what the space held, then
 * state_restore with what the others wrote.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lm_op;
struct state_space;

struct state_ops {
	/* Makes what a snapshot needs. 0, or -ENOMEM. */
	int (*arm)(struct lm_op *op, struct state_space *space);
	/* The state of `epoch` is what it is now; constant time. False: one is still under way. */
	bool (*flip)(struct state_space *space, uint64_t epoch);
	uint64_t (*size)(const struct state_space *space); /* bytes */
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

/* core/slice_state.c: what the engine remembers of a slice: event time, timers, randomness. */
uint32_t slice_state_max(const struct lm_op *slice); /* bytes */
void slice_state_write(const struct lm_op *slice, struct op_text *text);
/* Before the slice runs. 0, or -EINVAL: it is of another slice. */
int slice_state_read(struct lm_op *slice, const void *bytes, size_t size);

#endif
