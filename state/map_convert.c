/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A slot of a map made from that of another map with the same keys: tags, keys and ages are taken
 * as they stand, so that nothing is hashed or looked for; values are made anew.
 *
 * Tags come last. Until then nobody finds anything in the block, and what is there of it may stay
 * for another step.
 */

#include <errno.h>
#include <stdio.h>

#include "state/lm_convert.h"
#include "state/map.h"
#include "state/space.h"

/* Bytes that are copied between two looks at the clock. */
#define COPY_BYTES UINT64_C(4096)
/* How many groups ahead entries are asked for, and how much of a group at most. */
#define FETCH_AHEAD 2u
#define FETCH_MAX 1024u

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

/* A block that is made from another one. */
struct copy {
	const struct lm_map *from;
	struct lm_map *to;
	const struct map_block *old;
	struct map_block *block;
	struct map_progress *progress;
	lm_conversion_one *one;
	void *arg;
};

/* ---- what nobody finds yet ---- */

static int
copy_entry(const struct copy *copy, char *was, char *is)
{
	struct lm_map_entry entry;

	/* A size that the compiler knows: a call for 8 bytes takes longer than all else here. */
	if (copy->to->value_offset == 8) {
		memcpy(is, was, 8);
	} else {
		memcpy(is, was, copy->to->value_offset);
	}
	map_describe(copy->from, copy->old, was, &entry);
	return copy->one(copy->arg, &entry, is + copy->to->value_offset);
}

/* Asks for the entries of a group that comes soon, and for where its tags will be. */
static void
fetch_group(const struct copy *copy, uint32_t group)
{
	uint64_t base = (uint64_t)group * MAP_SLOTS;
	const char *was = map_entry(copy->from, copy->old, base);
	const char *is = map_entry(copy->to, copy->block, base);

	__builtin_prefetch(map_tags(copy->block, group), 1);
	for (uint32_t at = 0; at < MAP_SLOTS * copy->from->entry_size && at < FETCH_MAX; at += 64) {
		__builtin_prefetch(was + at);
	}
	for (uint32_t at = 0; at < MAP_SLOTS * copy->to->entry_size && at < FETCH_MAX; at += 64) {
		__builtin_prefetch(is + at, 1);
	}
}

/* Touched and zeroed once for the group. */
static int
copy_group(const struct copy *copy, uint32_t group)
{
	uint64_t used = ~map_group_match(map_tags(copy->old, group), 0) & MAP_SLOT_BITS;
	uint64_t base = (uint64_t)group * MAP_SLOTS;
	uint32_t first, last;
	uint64_t size;
	char *entries;
	int result = 0;

	if (used == 0) {
		return 0;
	}
	first = (uint32_t)__builtin_ctzll(used);
	last = 63 - (uint32_t)__builtin_clzll(used);
	entries = map_entry(copy->to, copy->block, base + first);
	size = (uint64_t)(last - first + 1) * copy->to->entry_size;
	map_touch(copy->to, copy->block, entries, size);
	memset(entries, 0, size);
	for (; used != 0 && result == 0; used &= used - 1) {
		uint64_t index = base + (uint32_t)__builtin_ctzll(used);

		result = copy_entry(copy, map_entry(copy->from, copy->old, index),
		                    map_entry(copy->to, copy->block, index));
	}
	return result;
}

static int
copy_entries(const struct copy *copy)
{
	struct map_progress *progress = copy->progress;
	int result = 0;

	while (progress->group < copy->to->groups && result == 0) {
		if (progress->group + FETCH_AHEAD < copy->to->groups) {
			fetch_group(copy, progress->group + FETCH_AHEAD);
		}
		result = copy_group(copy, progress->group++);
		if (result == 0 && conversion_pauses(copy->to->waits)) {
			result = LM_CONVERSION_MORE;
		}
	}
	return result;
}

/* Of the bytes behind the entries, which are the same in both. */
static int
copy_bytes(const struct copy *copy, char *to, const char *from, uint64_t size, uint64_t *done)
{
	while (*done < size) {
		uint64_t some = size - *done < COPY_BYTES ? size - *done : COPY_BYTES;

		map_touch(copy->to, copy->block, to + *done, some);
		memcpy(to + *done, from + *done, some);
		*done += some;
		if (conversion_pauses(copy->to->waits)) {
			return LM_CONVERSION_MORE;
		}
	}
	return 0;
}

static int
copy_records_and_ages(const struct copy *copy)
{
	const struct lm_map *from = copy->from, *to = copy->to;
	int result;

	result = copy_bytes(copy, (char *)map_record(to, copy->block, 0),
	                    (const char *)map_record(from, copy->old, 0), copy->old->bytes_used,
	                    &copy->progress->bytes);
	if (result == 0 && to->aging != NULL) {
		/* But for their head, which counts. */
		result = copy_bytes(
		    copy, (char *)copy->block + to->aging->ages_offset + sizeof(struct map_ages),
		    (const char *)copy->old + from->aging->ages_offset + sizeof(struct map_ages),
		    map_ages_size(to) - sizeof(struct map_ages), &copy->progress->ages);
	}
	return result;
}

/* ---- what lets it be found ---- */

static void
show(const struct copy *copy, uint32_t slot)
{
	struct map_block *block = copy->block;
	const struct map_block *old = copy->old;
	struct lm_map *to = copy->to;
	size_t tags_size = (size_t)to->groups * MAP_WIDTH;

	map_touch(to, block, block, sizeof(*block) + tags_size);
	map_begin_block(to, block);
	memcpy(map_tags(block, 0), map_tags(old, 0), tags_size);
	block->bytes_used = old->bytes_used;
	map_count_keys(to, block, slot, (int32_t)old->count, (int64_t)old->bytes_live);
	if (to->aging != NULL) {
		char *ages = (char *)block + to->aging->ages_offset;

		map_touch(to, block, ages, sizeof(struct map_ages));
		memcpy(ages, (const char *)old + copy->from->aging->ages_offset,
		       sizeof(struct map_ages));
		map_age_restored(to, block, slot);
	}
}

/* ---- a slot ---- */

/* Where it goes on; `own` where it begins, and comes to its end or to none. */
static struct map_progress *
find_progress(const struct lm_map *from, struct lm_map *to, uint32_t slot, struct map_progress *own)
{
	struct map_progress *progress = &to->progress;
	bool goes_on =
	    progress->from == from && (progress->slot == slot || CANARY(CANARY_SLOT_SKIPPED));

	if (!goes_on && !conversion_may_pause(to->waits)) {
		progress = own;
	}
	if (!goes_on) {
		*progress = (struct map_progress){ .from = from, .slot = slot };
	}
	return progress;
}

int
lm_conversion_values(struct lm_conversion *conversion, const struct lm_map *from, struct lm_map *to,
                     lm_conversion_one *one, void *arg)
{
	uint32_t slot = from->slot_bits == 0 ? 0 : conversion->slot;
	struct copy copy = { .from = from, .to = to, .one = one, .arg = arg };
	struct map_progress own;
	int result;

	if (from->slot_bits != to->slot_bits || !keys_alike(from, to)) {
		return refuse(conversion, "the keys or bounds of the two maps differ");
	}
	copy.old = map_block_at(from, slot);
	copy.block = map_block_at(to, slot);
	if (copy.old->magic == 0) {
		return 0;
	}
	if (copy.block->count != 0) {
		return refuse(conversion, "the map has keys in the slot already");
	}
	copy.progress = find_progress(from, to, slot, &own);
	result = copy_entries(&copy);
	if (result == 0) {
		result = copy_records_and_ages(&copy);
	}
	if (result == 0) {
		show(&copy, slot);
	}
	return result;
}

void
lm_map_unchanged_since(struct lm_op *op, struct lm_map *map, uint32_t version)
{
	(void)op;
	space_part_unchanged(&map->part, version);
}
