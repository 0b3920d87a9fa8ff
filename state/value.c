/* SPDX-License-Identifier: BSD-3-Clause */
/* Values: an arena each. */

#include "state/lm_value.h"

#include "core/canary.h"
#include "state/space.h"

struct lm_value {
	struct state_space *space; /* NULL: no snapshot knows it */
	struct arena *arena;
	struct arena_part part;
	uint32_t whole; /* see arena_watch */
};

struct lm_value *
lm_value_open(struct lm_op *op, size_t size)
{
	struct lm_value *value = lm_op_alloc(op, sizeof(*value));

	if (value == NULL || size == 0 ||
	    !space_open(op, &value->part, &(struct space_shape){ .size = size, .count = 1 })) {
		return NULL;
	}
	value->arena = arena_at(&value->part, 0);
	value->part.is_value = true;
	value->space = space_bypass ? NULL : space_of(op);
	arena_watch(&value->part, 0, size, &value->whole);
	return value;
}

void *
lm_value_data(const struct lm_value *value)
{
	return value->arena->memory;
}

/* Whether anything of it may need a touch. */
static bool
value_needs_touch(const struct lm_value *value)
{
	return value->space != NULL && (CANARY_BUILD || value->whole != value->space->epoch) &&
	       !CANARY(CANARY_UNTOUCHED_VALUE);
}

void
lm_value_touch(struct lm_value *value, const void *at, size_t size)
{
	if (value_needs_touch(value)) {
		arena_touch(value->space, &value->part, value->arena, at, size);
	}
}

void
lm_value_touch_all(struct lm_value *value, void *const *at, uint32_t count, size_t size)
{
	if (!value_needs_touch(value)) {
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		arena_touch(value->space, &value->part, value->arena, at[i], size);
	}
}
