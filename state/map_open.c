/* SPDX-License-Identifier: BSD-3-Clause */
/* Making the map of a slice: which slots it has, how large each is, and what a restore checks. */

#include "state/map.h"

#include <math.h>
#include <stdlib.h>

#include "state/space.h"

/* What every slot may have of long keys above its share. */
#define MAP_BLOCK_BYTES_MORE 4096u

/* Whether rows of a slot of the map are rows of the same slot of the routing. */
static bool
map_is_routed(const struct op_state *state, const struct lm_map_shape *shape)
{
	if (shape->fields == NULL || shape->field_count == 0) {
		return false;
	}
	if (state->key_count == 0) {
		return state->is_alone;
	}
	return state->key_count == shape->field_count &&
	       memcmp(state->key, shape->fields, shape->field_count * sizeof(uint32_t)) == 0;
}

uint32_t
map_share(uint32_t whole, uint32_t part, uint32_t of)
{
	double mean = (double)whole * part / of;
	double most = ceil(mean + 6 * sqrt(mean) + 8);

	return part == of || most >= whole ? whole : (uint32_t)most;
}

static bool
map_owns(const struct op_state *state, uint32_t slot)
{
	return !state->is_heir &&
	       (state->slice_of == NULL || state->slice_of[slot] == state->index);
}

/* A slot that the slice does not own has no keys: an empty block, shared by all of them. */
static size_t
map_nowhere_size(const struct lm_map *map)
{
	return sizeof(struct map_block) + (size_t)map->groups * MAP_WIDTH;
}

static bool
map_is_like(const struct lm_map *map, const struct map_block *block)
{
	return block->magic == MAP_MAGIC && block->width == MAP_WIDTH && block->kind == map->kind &&
	       block->key_size == map->key_size && block->value_offset == map->value_offset &&
	       block->entry_size == map->entry_size && block->groups == map->groups &&
	       block->keys_max == map->block_keys_max && block->bytes_max == map->block_bytes_max &&
	       block->count <= block->keys_max && block->has_ages == (map->aging != NULL);
}

/* A block is there whose keys were not counted yet. */
static void
map_found(struct arena_part *part, uint32_t slot)
{
	struct lm_map *map = map_of_part(part);
	struct map_block *block = map_block_at(map, slot);

	map->count += block->count;
	map->bytes_live += block->bytes_live;
	map->held[slot] = block->count;
	if (map->held_bytes != NULL) {
		map->held_bytes[slot] = block->bytes_live;
	}
	if (map->aging != NULL) {
		map_age_restored(map, block, slot);
	}
}

/* The blocks were filled from a snapshot. False: they are of another shape. */
static bool
map_restored(struct arena_part *part)
{
	struct lm_map *map = map_of_part(part);
	uint64_t count = 0;

	map->count = 0;
	map->bytes_live = 0;
	map_age_begin(map);
	for (uint32_t i = 0; i < part->arena_count; i++) {
		const struct arena *arena = arena_nth(part, i);
		const struct map_block *block = (const void *)arena->memory;

		if (block->magic != 0 && !map_is_like(map, block)) {
			return false;
		}
		count += block->count;
		map_found(part, arena->slot);
	}
	return count <= LM_MAP_KEYS_MAX;
}

/* What the slice may hold follows from how many slots it has. */
static void
map_bound(struct arena_part *part)
{
	struct lm_map *map = map_of_part(part);

	map->keys_max = map_share(map->asked_max, map->part.arena_count, map->part.arena_max);
}

/*
 * Blocks that leave for another slice, or come from one. What is counted over all blocks follows.
 */
static void
map_gave(struct arena_part *part, const struct arena_slots *slots)
{
	struct lm_map *map = map_of_part(part);
	uint64_t keys = 0, bytes = 0;

	for (uint32_t i = 0; map->count > 0 && i < slots->count; i++) {
		keys += map->held[slots->slot[i]];
	}
	for (uint32_t i = 0; map->held_bytes != NULL && i < slots->count; i++) {
		bytes += map->held_bytes[slots->slot[i]];
	}
	for (uint32_t i = 0; map->aging != NULL && i < slots->count; i++) {
		map_age_gone(map, map_block_at(map, slots->slot[i]), slots->slot[i]);
	}
	map->count -= (uint32_t)keys;
	map->bytes_live -= bytes;
}

static void
map_took(struct arena_part *part, struct arena_part *from, const struct arena_slots *slots)
{
	struct lm_map *map = map_of_part(part), *was = map_of_part(from);
	uint64_t keys = 0, bytes = 0;

	for (uint32_t i = 0; i < slots->count; i++) {
		uint32_t slot = slots->slot[i];

		map->held[slot] = was->held[slot];
		keys += map->held[slot];
	}
	for (uint32_t i = 0; map->held_bytes != NULL && i < slots->count; i++) {
		uint32_t slot = slots->slot[i];

		map->held_bytes[slot] = was->held_bytes[slot];
		bytes += map->held_bytes[slot];
	}
	if (CANARY(CANARY_COUNT_LEFT)) {
		return;
	}
	map->count += (uint32_t)keys;
	map->bytes_live += bytes;
	for (uint32_t i = 0; map->aging != NULL && i < slots->count; i++) {
		map_age_restored(map, map_block_at(map, slots->slot[i]), slots->slot[i]);
	}
}

static uint64_t
map_empty(struct arena_part *part, uint32_t slot)
{
	struct lm_map *map = map_of_part(part);
	uint64_t keys = map->held[slot];

	if (keys > 0) {
		map_clear_block(map, map_block_at(map, slot), slot);
	}
	return keys;
}

static bool
map_agrees(const struct arena_part *part)
{
	const struct lm_map *map = map_of_part((struct arena_part *)(uintptr_t)part);
	uint64_t count = 0, bytes = 0;

	for (uint32_t i = 0; i < part->arena_count; i++) {
		const struct arena *arena = arena_nth(part, i);
		const struct map_block *block = (const void *)arena->memory;

		if (map->held[arena->slot] != block->count) {
			return false;
		}
		count += block->count;
		bytes += block->bytes_live;
	}
	return count == map->count && bytes == map->bytes_live;
}

static bool
map_alike(const struct arena_part *was, const struct arena_part *part)
{
	const struct lm_map *a = map_of_part((struct arena_part *)(uintptr_t)was);
	const struct lm_map *b = map_of_part((struct arena_part *)(uintptr_t)part);

	return a->kind == b->kind && a->key_size == b->key_size &&
	       a->value_offset == b->value_offset && a->value_size == b->value_size &&
	       a->entry_size == b->entry_size && a->hash_offset == b->hash_offset &&
	       a->groups == b->groups && a->block_keys_max == b->block_keys_max &&
	       a->block_bytes_max == b->block_bytes_max && (a->aging == NULL) == (b->aging == NULL);
}

/* So that what waits keeps its room: it counts as if it were here. */
static void
map_waits(struct arena_part *part, const struct arena_part *was,
          struct space_conversion *conversion)
{
	struct lm_map *map = map_of_part(part);
	const struct lm_map *old = was != NULL && was->kind == part->kind ? was->owner : NULL;

	map->waits = conversion;
	map->waiting = conversion == NULL || old == NULL ? 0 : old->count;
	map->waiting_bytes = conversion == NULL || old == NULL ? 0 : old->bytes_live;
}

static void
map_slot_waits(struct arena_part *part, const struct arena_part *was, uint32_t slot, bool waits)
{
	struct lm_map *map = map_of_part(part);

	if (was != NULL && was->kind == part->kind && was->by_slot) {
		const struct map_block *block = map_block_at(was->owner, slot);

		map->waiting += waits ? block->count : -block->count;
		map->waiting_bytes += waits ? block->bytes_live : -block->bytes_live;
	}
	if (waits && map->aging != NULL) {
		map_age_undone(map, map_block_at(map, slot));
	}
}

static const struct arena_part_ops map_part_ops = { .alike = map_alike,
	                                            .waits = map_waits,
	                                            .slot_waits = map_slot_waits,
	                                            .restored = map_restored,
	                                            .gave = map_gave,
	                                            .took = map_took,
	                                            .moved = map_bound,
	                                            .found = map_found,
	                                            .agrees = map_agrees,
	                                            .empty = map_empty };

/* The slots of the slice; returns how many. A map that is not routed is one, which stays. */
static uint32_t
map_slots(const struct op_state *state, uint32_t slots, bool is_routed, uint32_t *slot)
{
	uint32_t count = 0;

	for (uint32_t s = 0; s < slots; s++) {
		if (!is_routed || map_owns(state, s)) {
			slot[count++] = s;
		}
	}
	return count;
}

/* Blocks in arenas, and where they stand. */
static bool
map_open_blocks(struct lm_op *op, struct lm_map *map, struct space_shape *shape)
{
	shape->size = map->block_size;
	shape->ops = &map_part_ops;
	shape->kind = PART_MAP;
	shape->owner = map;
	/* What ages is looked at all over by who looks for what expires. */
	map->part.can_wait = map->aging == NULL;
	map->marks_size = arena_marks_size(map->block_size);
	map->part.at = map->at;
	map->part.nowhere = map->nowhere;
	map->part.base = (uintptr_t)map - map->marks_size - sizeof(struct arena);
	arena_watch(&map->part, map->entries_offset, map->bytes_offset - map->entries_offset,
	            map->whole);
	if (!space_open(op, &map->part, shape)) {
		return false;
	}
	map->space = space_bypass ? NULL : space_of(op);
	map_bound(&map->part);
	return true;
}

/* What a map whose keys grow old has beside its blocks; and, in these, the ages. */
static bool
map_open_ages(struct lm_op *op, struct lm_map *map, const struct lm_map_aging *asked)
{
	uint32_t slots = 1u << map->slot_bits;
	struct map_aging *aging = lm_op_alloc(op, sizeof(*aging) + slots * sizeof(aging->slot[0]));

	if (aging == NULL) {
		return false;
	}
	aging->asked = *asked;
	aging->ages_offset = map->block_size;
	map->block_size += map_ages_size(map);
	map->aging = aging;
	map_age_begin(map);
	return true;
}

static struct lm_map *
map_open(struct lm_op *op, const struct lm_map_shape *shape, const struct lm_map_aging *asked,
         uint32_t slot_bits, struct space_shape *blocks)
{
	uint32_t slots = 1u << slot_bits;
	uint32_t keys = map_share(shape->keys_max, 1, slots);
	uint64_t bytes = shape->bytes_max * keys / shape->keys_max + MAP_BLOCK_BYTES_MORE;
	size_t head = sizeof(struct lm_map) + slots * (sizeof(int64_t) + 2 * sizeof(uint32_t));
	struct lm_map layout, *map;

	head += shape->key_size == 0 ? slots * sizeof(uint64_t) : 0;
	head = (head + 63) & ~(size_t)63;
	map_lay_out(&layout, shape, keys, bytes < shape->bytes_max ? bytes : shape->bytes_max);
	map = lm_op_alloc(op, head + map_nowhere_size(&layout));
	if (map == NULL) {
		return NULL;
	}
	map_lay_out(map, shape, layout.block_keys_max, layout.block_bytes_max);
	map->slot_bits = slot_bits;
	map->whole = (uint32_t *)(void *)(map->at + slots);
	map->held = map->whole + slots;
	map->held_bytes = map->kind == MAP_BYTES ? (uint64_t *)(void *)(map->held + slots) : NULL;
	map->nowhere = (int64_t)head;
	/* Their pages are there before slots come: those are many then, and rows wait for them. */
	memset(map->whole, 0, head - (size_t)((char *)map->whole - (char *)map));
	if (asked != NULL && !map_open_ages(op, map, asked)) {
		return NULL;
	}
	return map_open_blocks(op, map, blocks) ? map : NULL;
}

/* `asked`: NULL: keys do not grow old. */
static struct lm_map *
map_open_any(struct lm_op *op, const struct lm_map_shape *shape, const struct lm_map_aging *asked)
{
	const struct op_state *state = op_state(op);
	bool is_routed = map_is_routed(state, shape);
	uint32_t slot_bits = is_routed ? state->slot_bits : 0, slots = 1u << slot_bits;
	struct space_shape blocks = { .slots = is_routed ? slots : 0,
		                      .alike = shape->alike == NULL ? NULL : &shape->alike->part };
	struct lm_map *map;
	uint32_t *slot;

	if (!map_is_possible(shape)) {
		return NULL;
	}
	slot = malloc(slots * sizeof(*slot));
	if (slot == NULL) {
		return NULL;
	}
	blocks.slot = slot;
	blocks.count = map_slots(state, slots, is_routed, slot);
	map = map_open(op, shape, asked, slot_bits, &blocks);
	free(slot);
	return map;
}

struct lm_map *
lm_map_open(struct lm_op *op, const struct lm_map_shape *shape)
{
	return map_open_any(op, shape, NULL);
}

struct lm_map *
lm_map_open_aging(struct lm_op *op, const struct lm_map_shape *shape,
                  const struct lm_map_aging *aging)
{
	struct lm_map_shape with_hash = *shape;

	if (!lm_map_aging_is_on(aging)) {
		return lm_map_open(op, shape);
	}
	/* Who is removed is found in its block by its hash. */
	with_hash.keep_hash = true;
	return map_open_any(op, &with_hash, aging);
}
