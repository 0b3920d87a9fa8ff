/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hash map of keyed state, one key at a time: layout, inserting, erasing, walking. One block of
 * memory: groups of tags, then slots of entries, then the bytes of long keys.
 */

#include "state/map.h"

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

/* Fills in everything that follows from the shape. */
static void
map_lay_out(struct lm_map *map, const struct lm_map_shape *shape)
{
	uint64_t load = (uint64_t)MAP_SLOTS * MAP_LOAD;
	uint64_t tags_size;

	map->magic = MAP_MAGIC;
	map->width = MAP_WIDTH;
	map->kind = map_kind_of(shape->key_size);
	map->key_size = map->kind == MAP_BYTES ? sizeof(struct map_bytes) : shape->key_size;
	map->key_words = map->key_size / 8;
	map->hash_offset = shape->keep_hash ? map->key_size : 0;
	map->value_offset = map->key_size + (shape->keep_hash ? 8 : 0);
	map->value_size = shape->value_size;
	map->entry_size = map->value_offset + map->value_size;
	map->keys_max = shape->keys_max;
	map->groups = (uint32_t)((shape->keys_max * (uint64_t)MAP_LOAD_OF + load - 1) / load);
	tags_size = map_align((uint64_t)map->groups * MAP_WIDTH, 64);
	map->entries_offset = sizeof(*map) + tags_size;
	map->bytes_offset = map->entries_offset +
	                    map_align((uint64_t)map->groups * MAP_SLOTS * map->entry_size, 64);
	/* A quarter more than may live at once: compacting then always frees a good part. */
	map->bytes_max = map->kind == MAP_BYTES ? shape->bytes_max : 0;
	map->bytes_size = map_align(map->bytes_max + map->bytes_max / 4, 64);
	map->size = map->bytes_offset + map->bytes_size;
}

size_t
lm_map_size(const struct lm_map_shape *shape)
{
	struct lm_map map;

	if (shape->key_size % 8 != 0 || shape->key_size > LM_MAP_KEY_MAX ||
	    shape->value_size % 8 != 0 || shape->value_size > UINT16_MAX || shape->keys_max == 0 ||
	    shape->keys_max > LM_MAP_KEYS_MAX || shape->bytes_max > UINT64_MAX / 4) {
		return 0;
	}
	map_lay_out(&map, shape);
	return map.size;
}

struct lm_map *
lm_map_init(void *memory, const struct lm_map_shape *shape)
{
	struct lm_map *map = memory;

	assert(lm_map_size(shape) != 0);
	assert((uintptr_t)memory % 64 == 0);
	map_lay_out(map, shape);
	map->count = 0;
	map->bytes_used = 0;
	map->bytes_live = 0;
	return map;
}

uint32_t
lm_map_count(const struct lm_map *map)
{
	return map->count;
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
map_compact(struct lm_map *map)
{
	uint64_t to = 0;

	for (uint64_t from = 0; from < map->bytes_used;) {
		struct map_record *record = map_record(map, from);
		uint64_t size = map_record_size(record->length);

		if (record->entry != MAP_DEAD) {
			memcpy(map_entry(map, record->entry) + 8, &to, sizeof(to));
			memmove(map_record(map, to), record, size);
			to += size;
		}
		from += size;
	}
	assert(to == map->bytes_live);
	map->bytes_used = to;
}

static void
map_keep_bytes(struct lm_map *map, uint32_t index, const struct map_key *key, char *entry)
{
	uint64_t size = map_record_size(key->length);
	struct map_record *record;

	if (size > map->bytes_size - map->bytes_used) {
		map_compact(map);
	}
	assert(size <= map->bytes_size - map->bytes_used);
	record = map_record(map, map->bytes_used);
	record->length = key->length;
	record->entry = index;
	memcpy(record + 1, key->bytes, key->length);
	memcpy(entry, &key->word[0], 8);
	memcpy(entry + 8, &map->bytes_used, 8);
	map->bytes_used += size;
	map->bytes_live += size;
}

static bool
map_is_long(const struct lm_map *map, const struct map_key *key)
{
	return map->kind == MAP_BYTES && key->length > LM_MAP_SHORT_MAX;
}

/*
 * One key.
 */

static inline __attribute__((always_inline)) char *
map_search_kind(const struct lm_map *map, enum map_kind kind, uint64_t hash,
                const struct map_key *key)
{
	uint32_t group = map_home(map->groups, hash);
	uint8_t tag = map_tag(hash);

	/* Counts that were lost may lead all the way round: never further. */
	for (uint32_t passed = 0; passed < map->groups; passed++) {
		const uint8_t *tags = map_tags(map, group);
		uint64_t mask = map_group_match(tags, tag);

		for (; mask != 0; mask &= mask - 1) {
			uint32_t slot = (uint32_t)__builtin_ctzll(mask);
			char *entry = map_entry(map, (uint64_t)group * MAP_SLOTS + slot);

			if (map_equal(map, kind, entry, key)) {
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

/* The index of a free slot for the hash, its tag set; every full group on the way counts it. */
static uint32_t
map_take_slot(struct lm_map *map, uint64_t hash)
{
	uint32_t group = map_home(map->groups, hash);
	uint64_t empty = map_group_match(map_tags(map, group), 0);
	uint32_t slot;

	while (empty == 0) {
		uint8_t *passed = map_tags(map, group) + MAP_SLOTS;

		*passed = (uint8_t)(*passed + (*passed < MAP_PASSED_MAX));
		group = map_next(map, group);
		empty = map_group_match(map_tags(map, group), 0);
	}
	slot = (uint32_t)__builtin_ctzll(empty);
	map_tags(map, group)[slot] = map_tag(hash);
	return group * MAP_SLOTS + slot;
}

char *
map_insert(struct lm_map *map, uint64_t hash, const struct map_key *key)
{
	bool is_long = map_is_long(map, key);
	uint32_t index;
	char *entry;

	if (map->count >= map->keys_max ||
	    (is_long && map_record_size(key->length) > map->bytes_max - map->bytes_live)) {
		return NULL;
	}
	index = map_take_slot(map, hash);
	entry = map_entry(map, index);
	if (is_long) {
		map_keep_bytes(map, index, key, entry);
	} else {
		memcpy(entry, map->kind == MAP_BYTES ? (const void *)key->word : key->bytes,
		       map->key_size);
	}
	if (map->hash_offset != 0) {
		memcpy(entry + map->hash_offset, &hash, sizeof(hash));
	}
	memset(entry + map->value_offset, 0, map->value_size);
	map->count++;
	return entry;
}

static struct map_key
map_key_of(const struct lm_map *map, const void *bytes, uint32_t length)
{
	struct map_key key = { .bytes = bytes, .length = length };

	map_check(map);
	if (map->kind == MAP_BYTES) {
		map_key_of_bytes(&key, bytes, length);
	} else {
		assert(length == map->key_size);
	}
	return key;
}

char *
map_search(const struct lm_map *map, uint64_t hash, const struct map_key *key)
{
	switch ((enum map_kind)map->kind) {
	case MAP_WORD:
		return map_search_kind(map, MAP_WORD, hash, key);
	case MAP_PAIR:
		return map_search_kind(map, MAP_PAIR, hash, key);
	case MAP_WORDS:
		return map_search_kind(map, MAP_WORDS, hash, key);
	default:
		return map_search_kind(map, MAP_BYTES, hash, key);
	}
}

void *
lm_map_put(struct lm_map *map, uint64_t hash, const void *key_bytes, uint32_t length,
           bool *inserted)
{
	struct map_key key = map_key_of(map, key_bytes, length);
	char *entry = map_search(map, hash, &key);
	bool is_new = entry == NULL;

	if (is_new) {
		entry = map_insert(map, hash, &key);
	}
	if (inserted != NULL) {
		*inserted = is_new && entry != NULL;
	}
	return entry == NULL ? NULL : entry + map->value_offset;
}

void *
lm_map_get(const struct lm_map *map, uint64_t hash, const void *key_bytes, uint32_t length)
{
	struct map_key key = map_key_of(map, key_bytes, length);
	char *entry = map_search(map, hash, &key);

	return entry == NULL ? NULL : entry + map->value_offset;
}

bool
lm_map_erase(struct lm_map *map, uint64_t hash, const void *key_bytes, uint32_t length)
{
	struct map_key key = map_key_of(map, key_bytes, length);
	char *entry = map_search(map, hash, &key);
	uint64_t index;
	uint32_t group = map_home(map->groups, hash);

	if (entry == NULL) {
		return false;
	}
	if (map_is_long(map, &key)) {
		map_record(map, map_load(entry + 8))->entry = MAP_DEAD;
		map->bytes_live -= map_record_size(length);
	}
	index = (uint64_t)(entry - map_entry(map, 0)) / map->entry_size;
	for (; group != index / MAP_SLOTS; group = map_next(map, group)) {
		uint8_t *passed = map_tags(map, group) + MAP_SLOTS;

		assert(*passed > 0);
		*passed = (uint8_t)(*passed - (*passed < MAP_PASSED_MAX));
	}
	map_tags(map, group)[index % MAP_SLOTS] = 0;
	map->count--;
	return true;
}

void
lm_map_clear(struct lm_map *map)
{
	assert(map->magic == MAP_MAGIC);
	if (map->count > 0) {
		memset(map_tags(map, 0), 0, (size_t)map->groups * MAP_WIDTH);
	}
	map->count = 0;
	map->bytes_used = 0;
	map->bytes_live = 0;
}

/*
 * Walking.
 */

static void
map_describe(const struct lm_map *map, char *entry, struct lm_map_entry *to)
{
	to->key = entry;
	to->length = map->key_size;
	if (map->kind == MAP_BYTES) {
		struct map_bytes bytes;

		memcpy(&bytes, entry, sizeof(bytes));
		to->length = bytes.length;
		to->key = bytes.length <= LM_MAP_SHORT_MAX
		              ? (const void *)(entry + offsetof(struct map_bytes, head))
		              : (const void *)(map_record(map, bytes.record) + 1);
	}
	to->hash = map->hash_offset == 0 ? 0 : map_load(entry + map->hash_offset);
	to->value = entry + map->value_offset;
}

void
lm_map_entry_of(const struct lm_map *map, void *value, struct lm_map_entry *entry)
{
	map_check(map);
	map_describe(map, (char *)value - map->value_offset, entry);
}

uint32_t
lm_map_scan(const struct lm_map *map, uint64_t *cursor, struct lm_map_entry *entries, uint32_t max)
{
	uint64_t group = *cursor / MAP_SLOTS;
	uint32_t count = 0, skip = *cursor % MAP_SLOTS;

	assert(map->magic == MAP_MAGIC);
	for (; group < map->groups; group++, skip = 0) {
		uint64_t used = ~map_group_match(map_tags(map, (uint32_t)group), 0);

		used &= MAP_SLOT_BITS & (UINT64_MAX << skip);
		for (; used != 0; used &= used - 1) {
			uint64_t index = group * MAP_SLOTS + (uint32_t)__builtin_ctzll(used);

			if (count == max) {
				*cursor = index;
				return count;
			}
			map_describe(map, map_entry(map, index), &entries[count++]);
		}
	}
	*cursor = group * MAP_SLOTS;
	return count;
}
