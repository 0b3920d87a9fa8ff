/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SPACE_H
#define SPACE_H

/*
 * The space of a slice: made when its operator opens the first map or value, and told to core. For
 * map.c, list.c and value.c; and how slots go from one space to another (state/space_move.c).
 */

#include "core/lm_op.h"
#include "core/state_ops.h"
#include "state/arena.h"

/* In open: the space of the slice; NULL when there is no memory. */
struct state_space *space_of(struct lm_op *op);
/*
 * What a part is to be: arenas of `size` bytes for slot[0] to [count - 1] (NULL: one, of slot 0).
 * `slots`: that it may ever have, 0: they stay with the slice. `alike`: of the family that it
 * belongs to, see struct arena_part.
 */
struct space_shape {
	enum arena_part_kind kind;
	void *owner;
	uint64_t size;
	const uint32_t *slot;
	uint32_t count, slots;
	struct arena_part *alike;
	const struct arena_part_ops *ops;
};
/* Room in the ring of slots that were given away: those of one change, behind those of the last. */
#define SPACE_GIVEN(slots) (2 * (slots) + 1)
/* In open: makes the arenas of a part, and fills in all of it but base, at and nowhere, which who
 * has a table of its own fills in before. False: no memory. */
bool space_open(struct lm_op *op, struct arena_part *part, const struct space_shape *shape);

/* Its pages are there before the stream is: the first writes behind a flip are many. */
void space_log_touch(void *memory, uint32_t entries);

/* See struct state_ops. */
int space_prepare(struct lm_op *op, uint32_t slots_max, uint32_t bundles);
void space_give(struct lm_op *op, const uint16_t *slice_of, uint32_t to, struct state_bundle *into);
void space_take(struct lm_op *op, struct state_bundle *bundle);
bool space_settle(struct lm_op *op);
void space_close(struct lm_op *op);
/*
 * Behind a restore from a snapshot of other slices: arenas of slots with leaves[slot] == 1 came
 * from one of those, in which parts had these labels; they come to the parts of the same label.
 * Adds up in *lost the keys that have no place. `was`: room for a pointer for each part.
 */
void space_sort(struct lm_op *op, const uint16_t *leaves, const struct arena_label *label,
                struct arena **was, uint64_t *lost);
void space_drop(struct state_bundle *bundle);
bool space_alike(struct lm_op *was, struct lm_op *op);
void space_take_over(struct lm_op *op, struct lm_op *was);
/* state/convert.c. */
const char *space_can_convert(struct lm_op *op, const struct state_converter *how);
int space_prepare_conversion(struct lm_op *op, const struct state_converter *how);
void space_convert(struct lm_op *op);
bool space_convert_some(struct lm_op *op);
void space_convert_none(struct lm_op *op, const char *why);
/* In open: the part is what it was in that version. */
void space_part_unchanged(struct arena_part *part, uint32_t version);
/* Of two parts of different spaces: whether all of one can be the other's; it becomes so; what is
 * of slots with mine[slot] == 1 becomes so, arenas go both ways. */
bool space_parts_alike(const struct arena_part *was, const struct arena_part *part);
void space_part_take_over(struct state_space *space, struct arena_part *part,
                          struct state_space *old, struct arena_part *was);
void space_part_take_slots(struct state_space *space, struct arena_part *part,
                           struct arena_part *was, const uint16_t *mine);
/* What comes from the other space was written last in its epoch. */
void space_follow(struct state_space *space, struct state_space *old);
void space_stretches(const struct state_space *space, state_stretch_fn *stretch, void *arg);
bool space_moves(struct lm_op *op);
/* The arenas that are in it come from the slots of a part; the chunk is freed behind the last. */
void arena_chunk_leave(struct arena_chunk *chunk);

/* Benchmarks: maps and values opened while this is set are not part of the space, and a touch does
 * nothing. */
extern bool space_bypass;

#endif
