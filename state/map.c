/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hash map of keyed state, one key at a time: layout, inserting, erasing, walking. Whatever is
 * written in a block is touched before.
 */

#include "state/map.h"

#include <stdlib.h>

#include "state/lm_convert.h"

/* A group is sized for 5 of 8 slots: few keys then find theirs full. */
#define MAP_LOAD_OF 8u
#define MAP_LOAD 5u
/* A count of passing keys that reached this is no longer known and stays. */
#define MAP_PASSED_MAX 255u
/* "No entry" of a record of the byte area: its key was erased. */
#define MAP_DEAD UINT32_MAX

/*
 * Sizes.
 */

static uint64_t
map_align(uint64_t size, uint64_t align)
{
	return (size + align - 1) & ~(align - 1);
}

static enum map_kind
map_kind_of(uint32_t key_size)
{
	switch (key_size) {
	case 0:
		return MAP_BYTES;
	case 8:
		return MAP_WORD;
	case 16:
		return MAP_PAIR;
	default:
		return MAP_WORDS;
	}
}

void
map_lay_out(struct lm_map *map, const struct lm_map_shape *shape, uint32_t block_keys_max,
            uint64_t block_bytes_max)
{
	uint64_t load = (uint64_t)MAP_SLOTS * MAP_LOAD;
	uint64_t tags_size;

	map->magic = MAP_MAGIC;
	map->kind = map_kind_of(shape->key_size);
	map->key_size = map->kind == MAP_BYTES ? sizeof(struct map_bytes) : shape->key_size;
	map->key_words = map->key_size / 8;
	map->hash_offset = shape->keep_hash ? map->key_size : 0;
	map->value_offset = map->key_size + (shape->keep_hash ? 8 : 0);
	map->value_size = shape->value_size;
	map->entry_size = map->value_offset + map->value_size;
	map->block_keys_max = block_keys_max;
	map->groups = (uint32_t)((block_keys_max * (uint64_t)MAP_LOAD_OF + load - 1) / load);
	tags_size = map_align((uint64_t)map->groups * MAP_WIDTH, 64);
	map->entries_offset = sizeof(struct map_block) + tags_size;
	map->bytes_offset = map->entries_offset +
	                    map_align((uint64_t)map->groups * MAP_SLOTS * map->entry_size, 64);
	/* A quarter more than may live at once: compacting then always frees a good part. */
	map->block_bytes_max = map->kind == MAP_BYTES ? block_bytes_max : 0;
	map->bytes_size = map_align(map->block_bytes_max + map->block_bytes_max / 4, 64);
	map->block_size = map->bytes_offset + map->bytes_size;
	map->keys_max = shape->keys_max;
	map->asked_max = shape->keys_max;
	map->bytes_max = map->kind == MAP_BYTES ? shape->bytes_max : 0;
}

bool
map_is_possible(const struct lm_map_shape *shape)
{
	return shape->key_size % 8 == 0 && shape->key_size <= LM_MAP_KEY_MAX &&
	       shape->value_size % 8 == 0 && shape->value_size <= UINT16_MAX &&
	       shape->keys_max != 0 && shape->keys_max <= LM_MAP_KEYS_MAX &&
	       shape->bytes_max <= UINT64_MAX / 4;
}

/* The block that a value is in. */
static struct map_block *
map_block_holding(const struct lm_map *map, const void *value)
{
	struct map_block *block = map_block_at(map, 0);

	if (map->part.arena_max > 0) {
		block = (struct map_block *)(void *)arena_holding(&map->part, value)->memory;
	}
	assert((uintptr_t)value - (uintptr_t)block < map->block_size);
	return block;
}

/* Bytes of a map of one slot in front of its block. */
#define MAP_ALONE_SIZE (((sizeof(struct lm_map) + sizeof(int64_t)) + 63) & ~(size_t)63)

size_t
lm_map_size(const struct lm_map_shape *shape)
{
	struct lm_map map;

	if (!map_is_possible(shape)) {
		return 0;
	}
	map_lay_out(&map, shape, shape->keys_max, shape->bytes_max);
	return MAP_ALONE_SIZE + map.block_size;
}

struct lm_map *
lm_map_init(void *memory, const struct lm_map_shape *shape)
{
	struct lm_map *map = memory;

	assert(map_is_possible(shape));
	assert((uintptr_t)memory % 64 == 0);
	map_lay_out(map, shape, shape->keys_max, shape->bytes_max);
	map->count = 0;
	map->bytes_live = 0;
	map->space = NULL;
	map->whole = NULL;
	map->held = NULL;
	map->held_bytes = NULL;
	map->aging = NULL;
	map->waits = NULL;
	map->waiting = 0;
	map->waiting_bytes = 0;
	map->progress = (struct map_progress){ .from = NULL };
	map->slot_bits = 0;
	map->part.arena_count = 0;
	map->part.arena_max = 0;
	map->nowhere = 0;
	map->at[0] = MAP_ALONE_SIZE;
	return map;
}

uint32_t
lm_map_count(const struct lm_map *map)
{
	map_settle(map);
	return map->count + map->waiting;
}

void
lm_map_touch(struct lm_map *map, void *value)
{
	map_check(map);
	map_settle(map);
	if (map->space != NULL && map->value_size > 0) {
		map_touch(map, map_block_holding(map, value), value, map->value_size);
	}
}

void
map_count_keys(struct lm_map *map, struct map_block *block, uint32_t slot, int32_t keys,
               int64_t bytes)
{
	block->count += (uint32_t)keys;
	block->bytes_live += (uint64_t)bytes;
	map->count += (uint32_t)keys;
	map->bytes_live += (uint64_t)bytes;
	if (map->held != NULL) {
		map->held[slot] = block->count;
	}
	if (map->held_bytes != NULL) {
		map->held_bytes[slot] = block->bytes_live;
	}
}

void
map_begin_block(struct lm_map *map, struct map_block *block)
{
	block->magic = MAP_MAGIC;
	block->width = MAP_WIDTH;
	block->kind = (uint16_t)map->kind;
	block->key_size = (uint16_t)map->key_size;
	block->value_offset = (uint16_t)map->value_offset;
	block->entry_size = map->entry_size;
	block->groups = map->groups;
	block->keys_max = map->block_keys_max;
	block->bytes_max = map->block_bytes_max;
	block->has_ages = map->aging != NULL;
}

/*
 * The byte area: records one behind the other; erased ones stay until the end is reached, then the
 * others move up.
 */

static uint64_t
map_record_size(uint32_t length)
{
	return map_align(sizeof(struct map_record) + length, 8);
}

static void
map_compact(struct lm_map *map, struct map_block *block)
{
	uint64_t to = 0;

	for (uint64_t from = 0; from < block->bytes_used;) {
		struct map_record *record = map_record(map, block, from);
		uint64_t size = map_record_size(record->length);

		if (record->entry != MAP_DEAD) {
			char *at = map_entry(map, block, record->entry) + 8;

			map_touch(map, block, at, sizeof(to));
			memcpy(at, &to, sizeof(to));
			map_touch(map, block, map_record(map, block, to), size);
			memmove(map_record(map, block, to), record, size);
			to += size;
		}
		from += size;
	}
	assert(to == block->bytes_live);
	block->bytes_used = to;
}

/* The head is touched. */
static void
map_keep_bytes(struct lm_map *map, struct map_block *block, uint32_t index,
               const struct map_key *key, char *entry)
{
	uint64_t size = map_record_size(key->length);
	struct map_record *record;

	if (size > map->bytes_size - block->bytes_used) {
		map_compact(map, block);
	}
	assert(size <= map->bytes_size - block->bytes_used);
	record = map_record(map, block, block->bytes_used);
	map_touch(map, block, record, size);
	record->length = key->length;
	record->entry = index;
	memcpy(record + 1, key->bytes, key->length);
	memcpy(entry, &key->word[0], 8);
	memcpy(entry + 8, &block->bytes_used, 8);
	block->bytes_used += size;
}

static bool
map_is_long(const struct lm_map *map, const struct map_key *key)
{
	return map->kind == MAP_BYTES && key->length > LM_MAP_SHORT_MAX;
}

uint64_t
map_key_bytes(const struct lm_map *map, const struct map_key *key)
{
	return map_is_long(map, key) ? map_record_size(key->length) : 0;
}

/*
 * One key.
 */

static inline __attribute__((always_inline)) char *
map_search_kind(const struct lm_map *map, const struct map_block *block, enum map_kind kind,
                uint64_t hash, const struct map_key *key)
{
	uint32_t group = map_home(map->groups, hash);
	uint8_t tag = map_tag(hash);

	/* Counts that were lost may lead all the way round: never further. */
	for (uint32_t passed = 0; passed < map->groups; passed++) {
		const uint8_t *tags = map_tags(block, group);
		uint64_t mask = map_group_match(tags, tag);

		for (; mask != 0; mask &= mask - 1) {
			uint32_t slot = (uint32_t)__builtin_ctzll(mask);
			char *entry = map_entry(map, block, (uint64_t)group * MAP_SLOTS + slot);

			if (map_equal(map, block, kind, entry, key)) {
				return entry;
			}
		}
		if (tags[MAP_SLOTS] == 0) {
			return NULL;
		}
		group = map_next(map, group);
	}
	return NULL;
}

/* The index of a free place for the hash, its tag set; every full group on the way counts it. */
static uint32_t
map_take_place(struct lm_map *map, struct map_block *block, uint64_t hash)
{
	uint32_t group = map_home(map->groups, hash);
	uint64_t empty = map_group_match(map_tags(block, group), 0);
	uint32_t place;

	while (empty == 0) {
		uint8_t *passed = map_tags(block, group) + MAP_SLOTS;

		map_touch(map, block, passed, 1);
		*passed = (uint8_t)(*passed + (*passed < MAP_PASSED_MAX));
		group = map_next(map, group);
		empty = map_group_match(map_tags(block, group), 0);
	}
	place = (uint32_t)__builtin_ctzll(empty);
	map_touch(map, block, map_tags(block, group) + place, 1);
	map_tags(block, group)[place] = map_tag(hash);
	return group * MAP_SLOTS + place;
}

bool
map_block_has_room(const struct lm_map *map, const struct map_block *block, uint64_t bytes)
{
	return block->count < map->block_keys_max &&
	       bytes <= map->block_bytes_max - block->bytes_live;
}

bool
map_has_room(const struct lm_map *map, const struct map_block *block, uint64_t bytes)
{
	return map->count + map->waiting < map->keys_max &&
	       bytes + map->bytes_live + map->waiting_bytes <= map->bytes_max &&
	       map_block_has_room(map, block, bytes);
}

char *
map_insert(struct lm_map *map, struct map_block *block, uint64_t hash, const struct map_key *key)
{
	uint32_t slot = route_slot(hash, map->slot_bits), index;
	uint64_t bytes = map_key_bytes(map, key);
	char *entry;

	/* A row in a slot of another slice was routed wrongly. */
	assert((char *)block - (char *)map != map->nowhere);
	assert(map->space == NULL || !map->part.by_slot || map->space->has_slot[slot] != 0);
	if (!map_has_room(map, block, bytes)) {
		return NULL;
	}
	map_touch(map, block, block, sizeof(*block));
	if (block->magic == 0) {
		map_begin_block(map, block);
	}
	index = map_take_place(map, block, hash);
	entry = map_entry(map, block, index);
	if (!CANARY(CANARY_UNTOUCHED_KEY)) {
		map_touch(map, block, entry, map->entry_size);
	}
	if (bytes > 0) {
		map_keep_bytes(map, block, index, key, entry);
	} else {
		memcpy(entry, map->kind == MAP_BYTES ? (const void *)key->word : key->bytes,
		       map->key_size);
	}
	if (map->hash_offset != 0) {
		memcpy(entry + map->hash_offset, &hash, sizeof(hash));
	}
	memset(entry + map->value_offset, 0, map->value_size);
	map_count_keys(map, block, slot, 1, (int64_t)bytes);
	return entry;
}

struct map_key
map_key_of(const struct lm_map *map, const void *bytes, uint32_t length)
{
	struct map_key key = { .bytes = bytes, .length = length };

	map_check(map);
	map_settle(map);
	if (map->kind == MAP_BYTES) {
		map_key_of_bytes(&key, bytes, length);
	} else {
		assert(length == map->key_size);
	}
	return key;
}

char *
map_search(const struct lm_map *map, const struct map_block *block, uint64_t hash,
           const struct map_key *key)
{
	switch (map->kind) {
	case MAP_WORD:
		return map_search_kind(map, block, MAP_WORD, hash, key);
	case MAP_PAIR:
		return map_search_kind(map, block, MAP_PAIR, hash, key);
	case MAP_WORDS:
		return map_search_kind(map, block, MAP_WORDS, hash, key);
	default:
		return map_search_kind(map, block, MAP_BYTES, hash, key);
	}
}

bool
map_search_settled(const struct lm_map *map, const struct map_block *block, uint64_t hash,
                   const struct map_key *key, char **entry)
{
	if (__builtin_expect(map->waits == NULL, 1)) {
		return true;
	}
	if (!conversion_lets(map->waits, route_slot(hash, map->slot_bits))) {
		return false;
	}
	*entry = map_search(map, block, hash, key);
	return true;
}

void *
lm_map_put(struct lm_map *map, uint64_t hash, const void *key_bytes, uint32_t length,
           bool *inserted)
{
	struct map_key key = map_key_of(map, key_bytes, length);
	struct map_block *block = map_block_of(map, hash);
	char *entry = map_search(map, block, hash, &key);
	bool may = entry != NULL || map_search_settled(map, block, hash, &key, &entry);
	bool is_new = may && entry == NULL;

	assert(map->aging == NULL);
	if (is_new) {
		entry = map_insert(map, block, hash, &key);
	} else if (!may) {
		entry = NULL;
	} else if (map->value_size > 0) {
		map_touch(map, block, entry + map->value_offset, map->value_size);
	}
	if (inserted != NULL) {
		*inserted = is_new && entry != NULL;
	}
	return entry == NULL ? NULL : entry + map->value_offset;
}

const void *
lm_map_get(const struct lm_map *map, uint64_t hash, const void *key_bytes, uint32_t length)
{
	struct map_key key = map_key_of(map, key_bytes, length);
	const struct map_block *block = map_block_of(map, hash);
	char *entry = map_search(map, block, hash, &key);

	if (entry == NULL) {
		(void)map_search_settled(map, block, hash, &key, &entry);
	}
	return entry == NULL ? NULL : entry + map->value_offset;
}

void
map_erase_entry(struct lm_map *map, struct map_block *block, char *entry, uint64_t hash)
{
	uint32_t place = map_place(map, block, entry), group = map_home(map->groups, hash);
	uint32_t length = map->kind == MAP_BYTES ? map_load_half(entry) : 0;
	uint64_t bytes = 0;

	map_touch(map, block, block, sizeof(*block));
	if (length > LM_MAP_SHORT_MAX) {
		struct map_record *record = map_record(map, block, map_load(entry + 8));

		map_touch(map, block, record, sizeof(*record));
		record->entry = MAP_DEAD;
		bytes = map_record_size(length);
	}
	for (; group != place / MAP_SLOTS; group = map_next(map, group)) {
		uint8_t *passed = map_tags(block, group) + MAP_SLOTS;

		assert(*passed > 0);
		map_touch(map, block, passed, 1);
		*passed = (uint8_t)(*passed - (*passed < MAP_PASSED_MAX));
	}
	map_touch(map, block, map_tags(block, group), MAP_WIDTH);
	map_tags(block, group)[place % MAP_SLOTS] = 0;
	map_count_keys(map, block, route_slot(hash, map->slot_bits), -1, -(int64_t)bytes);
}

bool
lm_map_erase(struct lm_map *map, uint64_t hash, const void *key_bytes, uint32_t length)
{
	struct map_key key = map_key_of(map, key_bytes, length);
	struct map_block *block = map_block_of(map, hash);
	char *entry = map_search(map, block, hash, &key);

	if (entry == NULL) {
		(void)map_search_settled(map, block, hash, &key, &entry);
	}
	if (entry == NULL) {
		return false;
	}
	if (map->aging != NULL) {
		map_age_forget(map, block, route_slot(hash, map->slot_bits), entry);
	}
	map_erase_entry(map, block, entry, hash);
	return true;
}

void
map_clear_block(struct lm_map *map, struct map_block *block, uint32_t slot)
{
	size_t tags_size = (size_t)map->groups * MAP_WIDTH;

	map_touch(map, block, block, sizeof(*block) + tags_size);
	memset(map_tags(block, 0), 0, tags_size);
	map_count_keys(map, block, slot, -(int32_t)block->count, -(int64_t)block->bytes_live);
	block->bytes_used = 0;
	if (map->aging != NULL) {
		map_age_clear(map, block, slot);
	}
}

void
lm_map_clear(struct lm_map *map)
{
	map_check(map);
	map_settle(map);
	if (map->waits != NULL) {
		conversion_let_all(map->waits);
	}
	for (uint32_t slot = 0; map->count > 0 && slot < 1u << map->slot_bits; slot++) {
		if (map_slot_has_keys(map, slot)) {
			map_clear_block(map, map_block_at(map, slot), slot);
		}
	}
	assert(map->count == 0);
	assert(map->bytes_live == 0);
}

/*
 * Maps that stand for one another.
 */

void
lm_map_set_label(struct lm_map *map, int64_t label)
{
	map_check(map);
	if (map->space != NULL) {
		arena_label(map->space, &map->part,
		            &(struct arena_label){ .of = label, .is_set = true });
	}
}

void
lm_map_drop_label(struct lm_map *map)
{
	map_check(map);
	if (map->space != NULL) {
		arena_label(map->space, &map->part, &(struct arena_label){ 0 });
	}
}

bool
lm_map_label(const struct lm_map *map, int64_t *label)
{
	*label = map->part.label.of;
	return map->part.label.is_set;
}

uint32_t
lm_map_slot(const struct lm_map *map, const void *value)
{
	map_settle(map);
	return map->part.arena_max == 0 ? 0 : arena_holding(&map->part, value)->slot;
}

/*
 * Walking.
 */

/* The number of a slot and of a place in it, as a cursor. */
#define MAP_CURSOR_BITS 40u

void
lm_map_entry_of(const struct lm_map *map, void *value, struct lm_map_entry *entry)
{
	const struct map_block *block = NULL;

	map_check(map);
	map_settle(map);
	if (map->kind == MAP_BYTES) {
		block = map_block_holding(map, value);
	}
	map_describe(map, block, (char *)value - map->value_offset, entry);
}

/* The entries of one block, from place *place on. */
static uint32_t
map_scan_block(const struct lm_map *map, const struct map_block *block, uint64_t *place,
               struct lm_map_entry *entries, uint32_t max)
{
	uint64_t group = *place / MAP_SLOTS;
	uint32_t count = 0, skip = *place % MAP_SLOTS;

	for (; group < map->groups; group++, skip = 0) {
		uint64_t used = ~map_group_match(map_tags(block, (uint32_t)group), 0);

		used &= MAP_SLOT_BITS & (UINT64_MAX << skip);
		for (; used != 0; used &= used - 1) {
			uint64_t index = group * MAP_SLOTS + (uint32_t)__builtin_ctzll(used);

			if (count == max) {
				*place = index;
				return count;
			}
			map_describe(map, block, map_entry(map, block, index), &entries[count++]);
		}
	}
	*place = group * MAP_SLOTS;
	return count;
}

uint32_t
lm_map_scan(const struct lm_map *map, uint64_t *cursor, struct lm_map_entry *entries, uint32_t max)
{
	uint32_t slot = (uint32_t)(*cursor >> MAP_CURSOR_BITS), count = 0;
	uint64_t place = *cursor & ((UINT64_C(1) << MAP_CURSOR_BITS) - 1);

	map_check(map);
	map_settle(map);
	for (; slot < 1u << map->slot_bits; slot++, place = 0) {
		/* An unused block is not looked at: it may not be there yet. */
		if (map_is_settled(map, slot) && map_slot_has_keys(map, slot)) {
			count += map_scan_block(map, map_block_at(map, slot), &place,
			                        entries + count, max - count);
		}
		if (count == max) {
			break;
		}
	}
	*cursor = (uint64_t)slot << MAP_CURSOR_BITS | place;
	return count;
}

uint32_t
lm_map_scan_slot(const struct lm_map *map, uint32_t slot, uint64_t *cursor,
                 struct lm_map_entry *entries, uint32_t max)
{
	const struct map_block *block = map_block_at(map, slot);

	map_check(map);
	if (!map_is_settled(map, slot) || block->count == 0) {
		return 0;
	}
	return map_scan_block(map, block, cursor, entries, max);
}
