/* SPDX-License-Identifier: BSD-3-Clause */
/* The space of a slice, and what core may ask of it. */

#include "state/space.h"

#include <errno.h>

#include "state/arena_shadow.h"

#define LOG_PAGE 4096u

bool space_bypass;

static int
space_arm(struct lm_op *op, struct state_space *space)
{
	uint32_t entries = space_log_entries(space);
	size_t size = (size_t)entries * ARENA_ENTRY;
	char *memory = lm_op_alloc(op, size);

	if (memory == NULL) {
		return -ENOMEM;
	}
	/* Its pages are there before the stream is: the first writes behind a flip are many. */
	for (size_t at = 0; at < size; at += LOG_PAGE) {
		*(volatile char *)(memory + at) = 0;
	}
	space_set_log(space, memory, entries);
	return 0;
}

static uint64_t
space_size(const struct state_space *space)
{
	return space->size;
}

static const struct state_ops space_ops = {
	.arm = space_arm,
	.flip = space_flip,
	.size = space_size,
};

struct state_space *
space_of(struct lm_op *op)
{
	struct op_state *state = op_state(op);

	if (state->space == NULL) {
		state->space = lm_op_alloc(op, sizeof(*state->space));
		if (state->space == NULL) {
			return NULL;
		}
		space_init(state->space, lm_op_name(op));
		state->ops = &space_ops;
	}
	return state->space;
}

bool
space_open(struct lm_op *op, struct arena_part *part, uint64_t size, const uint32_t *slot,
           uint32_t count)
{
	struct state_space *space = space_of(op);
	size_t footprint = arena_footprint(size);
	char *memory;

	part->arena = lm_op_alloc(op, count * sizeof(struct arena *));
	memory = lm_op_alloc(op, count * footprint);
	if (space == NULL || part->arena == NULL || memory == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		part->arena[i] =
		    arena_init(memory + i * footprint, size, slot == NULL ? 0 : slot[i]);
#ifdef LODEMILL_CANARY
		part->arena[i]->shadow = lm_op_alloc(op, arena_shadow_size(part->arena[i]->size));
		if (part->arena[i]->shadow == NULL) {
			return false;
		}
#endif
	}
	part->arena_count = count;
	if (!space_bypass) {
		space_add_part(space, part);
	}
	return true;
}
