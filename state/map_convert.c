/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A slot of a map made from that of another map with the same keys: tags, keys and ages are taken
 * as they stand, so that nothing is hashed or looked for; values are made anew.
 */

#include <errno.h>
#include <stdio.h>

#include "state/lm_convert.h"
#include "state/map.h"
#include "state/space.h"

static int
refuse(struct lm_conversion *conversion, const char *why)
{
	snprintf(conversion->why, sizeof(conversion->why), "%s", why);
	return -EINVAL;
}

/* Whether places and keys of one are places and keys of the other. */
static bool
keys_alike(const struct lm_map *a, const struct lm_map *b)
{
	return a->kind == b->kind && a->key_size == b->key_size &&
	       a->hash_offset == b->hash_offset && a->groups == b->groups &&
	       a->block_keys_max == b->block_keys_max && a->bytes_size == b->bytes_size &&
	       (a->aging == NULL) == (b->aging == NULL);
}

/* Everything of a block but entries. */
static void
copy_frame(struct lm_map *to, struct map_block *block, uint32_t slot, const struct lm_map *from,
           const struct map_block *old)
{
	size_t tags_size = (size_t)to->groups * MAP_WIDTH;

	map_touch(to, block, block, sizeof(*block) + tags_size);
	map_begin_block(to, block);
	memcpy(map_tags(block, 0), map_tags(old, 0), tags_size);
	block->bytes_used = old->bytes_used;
	map_count_keys(to, block, slot, 0, (int64_t)old->bytes_live);
	if (old->bytes_used > 0) {
		map_touch(to, block, map_record(to, block, 0), old->bytes_used);
		memcpy(map_record(to, block, 0), map_record(from, old, 0), old->bytes_used);
	}
	if (to->aging != NULL) {
		char *ages = (char *)block + to->aging->ages_offset;

		map_touch(to, block, ages, map_ages_size(to));
		memcpy(ages, (const char *)old + from->aging->ages_offset, map_ages_size(to));
	}
}

static int
copy_entry(const struct lm_map *to, const struct map_block *block, const struct lm_map *from,
           const struct map_block *old, uint64_t index, lm_conversion_one *one, void *arg)
{
	char *was = map_entry(from, old, index), *is = map_entry(to, block, index);
	struct lm_map_entry entry;

	memcpy(is, was, to->value_offset);
	memset(is + to->value_offset, 0, to->value_size);
	map_describe(from, old, was, &entry);
	return one(arg, &entry, is + to->value_offset);
}

/* Touched and counted once for the group. */
static int
copy_group(struct lm_map *to, struct map_block *block, uint32_t slot, const struct lm_map *from,
           const struct map_block *old, uint32_t group, lm_conversion_one *one, void *arg)
{
	uint64_t used = ~map_group_match(map_tags(old, group), 0) & MAP_SLOT_BITS;
	uint64_t base = (uint64_t)group * MAP_SLOTS;
	uint32_t first, last;
	int result = 0;

	if (used == 0) {
		return 0;
	}
	first = (uint32_t)__builtin_ctzll(used);
	last = 63 - (uint32_t)__builtin_clzll(used);
	map_touch(to, block, map_entry(to, block, base + first),
	          (uint64_t)(last - first + 1) * to->entry_size);
	map_count_keys(to, block, slot, __builtin_popcountll(used), 0);
	for (; used != 0 && result == 0; used &= used - 1) {
		uint64_t index = base + (uint32_t)__builtin_ctzll(used);

		result = copy_entry(to, block, from, old, index, one, arg);
	}
	return result;
}

static int
copy_entries(struct lm_map *to, struct map_block *block, uint32_t slot, const struct lm_map *from,
             const struct map_block *old, lm_conversion_one *one, void *arg)
{
	int result = 0;

	for (uint32_t group = 0; group < to->groups && result == 0; group++) {
		result = copy_group(to, block, slot, from, old, group, one, arg);
	}
	return result;
}

int
lm_conversion_values(struct lm_conversion *conversion, const struct lm_map *from, struct lm_map *to,
                     lm_conversion_one *one, void *arg)
{
	uint32_t slot = from->slot_bits == 0 ? 0 : conversion->slot;
	const struct map_block *old;
	struct map_block *block;
	int result;

	if (from->slot_bits != to->slot_bits || !keys_alike(from, to)) {
		return refuse(conversion, "the keys or bounds of the two maps differ");
	}
	old = map_block_at(from, slot);
	block = map_block_at(to, slot);
	if (old->count == 0) {
		return 0;
	}
	if (block->count != 0) {
		return refuse(conversion, "the map has keys in the slot already");
	}
	copy_frame(to, block, slot, from, old);
	result = copy_entries(to, block, slot, from, old, one, arg);
	if (to->aging != NULL) {
		map_age_restored(to, block, slot);
	}
	return result;
}

void
lm_map_unchanged_since(struct lm_op *op, struct lm_map *map, uint32_t version)
{
	(void)op;
	space_part_unchanged(&map->part, version);
}
