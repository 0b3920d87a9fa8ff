/* SPDX-License-Identifier: BSD-3-Clause */
/* The space of a slice, and what core may ask of it. */

#include "state/space.h"

#include <errno.h>
#include <string.h>

#include "state/arena_shadow.h"

#define LOG_PAGE 4096u

bool space_bypass;

void
space_log_touch(void *memory, uint32_t entries)
{
	for (size_t at = 0; at < (size_t)entries * ARENA_ENTRY; at += LOG_PAGE) {
		*((volatile char *)memory + at) = 0;
	}
}

static int
space_arm(struct lm_op *op, struct state_space *space)
{
	uint32_t least = space_log_entries(space, 0), entries = least == 0 ? 1 : least;
	char *memory = lm_op_alloc(op, (size_t)entries * ARENA_ENTRY);

	if (memory == NULL) {
		return -ENOMEM;
	}
	space_log_touch(memory, entries);
	space_set_log(space, memory, entries);
	return 0;
}

static uint64_t
space_size(const struct state_space *space)
{
	return space->size;
}

/* Arenas that stand side by side in their chunk, each with its marks, are one stretch. */
static void
part_stretches(const struct arena_part *part, state_stretch_fn *stretch, void *arg)
{
	const struct arena_chunk *chunk = NULL;
	uintptr_t first = 0, end = 0;

	for (uint32_t i = 0; i < part->arena_count; i++) {
		const struct arena *arena = arena_nth(part, i);
		uintptr_t at = (uintptr_t)arena;

		if (chunk == arena->chunk && at == end) {
			end += chunk->stride;
			continue;
		}
		if (chunk != NULL) {
			stretch(arg, (void *)(uintptr_t)chunk, first, end - first);
		}
		chunk = arena->chunk;
		first = at == (uintptr_t)chunk->first ? (uintptr_t)chunk : at;
		end = at + chunk->stride;
	}
	if (chunk != NULL) {
		stretch(arg, (void *)(uintptr_t)chunk, first, end - first);
	}
}

void
space_stretches(const struct state_space *space, state_stretch_fn *stretch, void *arg)
{
	for (const struct arena_part *part = space->part; part != NULL; part = part->next) {
		part_stretches(part, stretch, arg);
	}
}

static const struct state_ops space_ops = {
	.arm = space_arm,
	.flip = space_flip,
	.size = space_size,
	.stretches = space_stretches,
	.prepare = space_prepare,
	.give = space_give,
	.take = space_take,
	.settle = space_settle,
	.close = space_close,
	.drop = space_drop,
	.moves = space_moves,
	.alike = space_alike,
	.take_over = space_take_over,
	.can_convert = space_can_convert,
	.prepare_conversion = space_prepare_conversion,
	.convert = space_convert,
	.convert_some = space_convert_some,
	.convert_none = space_convert_none,
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

/* Memory for `count` arenas, all zeroes. */
static struct arena_chunk *
chunk_open(struct lm_op *op, uint64_t size, uint32_t count)
{
	size_t head =
	    (sizeof(struct arena_chunk) + ARENA_GRANULE - 1) & ~(size_t)(ARENA_GRANULE - 1);
	size_t stride = arena_footprint(size);
	/* What no space knows goes with its slice. */
	struct arena_chunk *chunk = space_bypass ? lm_op_alloc(op, head + count * stride)
	                                         : state_memory_alloc(op, head + count * stride);

	if (chunk == NULL) {
		return NULL;
	}
	chunk->first = (char *)chunk + head;
	chunk->stride = stride;
	chunk->count = count;
	chunk->left = count;
#if CANARY_BUILD
	if (space_bypass) {
		return chunk;
	}
	chunk->shadow = state_memory_alloc(op, count * arena_shadow_size(stride));
	if (chunk->shadow == NULL) {
		state_memory_free(chunk);
		return NULL;
	}
#endif
	return chunk;
}

static void
chunk_close(struct arena_chunk *chunk)
{
	if (chunk != NULL && !space_bypass) {
		state_memory_free(chunk->shadow);
		state_memory_free(chunk);
	}
}

void
arena_chunk_leave(struct arena_chunk *chunk)
{
	assert(chunk->left > 0);
	if (--chunk->left == 0) {
		chunk_close(chunk);
	}
}

static struct arena *
chunk_arena(struct arena_chunk *chunk, uint32_t index, const struct space_shape *shape)
{
	uint32_t slot = shape->slot == NULL ? 0 : shape->slot[index];
	struct arena *arena = arena_init(chunk->first + index * chunk->stride, shape->size, slot);

	arena->chunk = chunk;
#if CANARY_BUILD
	arena->shadow =
	    space_bypass
		? NULL
		: (struct arena_shadow *)(void *)((char *)chunk->shadow +
	                                          index * arena_shadow_size(chunk->stride));
#endif
	return arena;
}

/* The slots of all parts that go by slot: the first of them says which. */
static bool
space_know_slots(struct lm_op *op, struct state_space *space, const struct space_shape *shape)
{
	if (space->slot != NULL) {
		assert(space->slot_max == shape->slots);
		assert(space->slot_count == shape->count);
		return true;
	}
	space->slot = lm_op_alloc(op, shape->slots * sizeof(*space->slot));
	space->has_slot = lm_op_alloc(op, shape->slots);
	space->given = lm_op_alloc(op, SPACE_GIVEN(shape->slots) * sizeof(*space->given));
	if (space->slot == NULL || space->has_slot == NULL || space->given == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < shape->count; i++) {
		space->slot[i] = (uint16_t)shape->slot[i];
		space->has_slot[shape->slot[i]] = 1;
	}
	memset(space->given, 0, SPACE_GIVEN(shape->slots) * sizeof(*space->given));
	space->slot_count = shape->count;
	space->slot_max = shape->slots;
	return true;
}

/* The part belongs to the family of another one, which begins with it if it had none. */
static void
part_join(struct arena_part *part, struct arena_part *alike)
{
	if (alike == NULL) {
		return;
	}
	assert(alike->size == part->size);
	alike->family = alike->family == NULL ? alike : alike->family;
	part->family = alike->family;
}

bool
space_open(struct lm_op *op, struct arena_part *part, const struct space_shape *shape)
{
	struct state_space *space = space_of(op);
	struct arena_chunk *chunk = NULL;

	part->arena_max = shape->slots == 0 ? shape->count : shape->slots;
	part->by_slot = shape->slots != 0;
	part->ops = shape->ops;
	part->kind = shape->kind;
	part->owner = shape->owner;
	part->size = arena_size_of(shape->size);
	if (part->at == NULL) {
		part->at = lm_op_alloc(op, part->arena_max * sizeof(*part->at));
	}
	if (shape->count > 0) {
		chunk = chunk_open(op, shape->size, shape->count);
		part->chunk[part->chunk_count++] = chunk;
	}
	if (space == NULL || part->at == NULL || (chunk == NULL && shape->count > 0) ||
	    (part->by_slot && !space_bypass && !space_know_slots(op, space, shape))) {
		chunk_close(chunk);
		return false;
	}
	for (uint32_t i = 0; i < part->arena_max; i++) {
		part->at[i] = part->nowhere;
	}
	for (uint32_t i = 0; i < shape->count; i++) {
		const struct arena *arena = chunk_arena(chunk, i, shape);

		part->at[part->by_slot ? arena->slot : i] =
		    (int64_t)((uintptr_t)arena - part->base);
	}
	part->arena_count = shape->count;
	part_join(part, shape->alike);
	if (!space_bypass) {
		space_add_part(space, part);
	}
	return true;
}
