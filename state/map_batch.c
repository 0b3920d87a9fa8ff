/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hash map of keyed state, a batch at a time. Three stages that run a block of rows apart:
 * touch the tags; match them and touch the entry; compare and, if need be, insert.
 */

#include "state/map.h"

/* Rows of a stage. Three stages are under way, so prefetches are 1 and 2 blocks ahead. */
#define MAP_BLOCK 32u
/* Maps that use up to this many bytes sit in cache: one stage is enough for them. */
#define MAP_NEAR_BYTES (512u * 1024u)

/* What the stages hand on: a block of rows. */
struct map_block {
	char *entry[MAP_BLOCK]; /* the first whose tag matches, or NULL */
	uint32_t group[MAP_BLOCK];
};

/*
 * A batch under way. Copied out of the map and the request so that the loops need not read them
 * again after every store; `kind`, `insert` and whether there are `rows` are constants.
 */
struct map_run {
	struct lm_map *map;
	enum map_kind kind;
	bool insert;
	const uint64_t *hash;
	const char *keys;
	const uint32_t *offsets;
	const uint16_t *rows;
	uint32_t count;
	uint32_t groups, key_size, entry_size, group_size, value_offset;
	const uint8_t *tags;
	char *entries;
	void **values;
	uint8_t *inserted;
};

static inline __attribute__((always_inline)) uint32_t
run_row(const struct map_run *run, uint32_t i)
{
	return run->rows == NULL ? i : run->rows[i];
}

static inline __attribute__((always_inline)) void
run_key(const struct map_run *run, uint32_t row, struct map_key *key)
{
	if (run->kind == MAP_BYTES) {
		uint32_t start = run->offsets[row];

		map_key_of_bytes(key, run->keys + start, run->offsets[row + 1] - start);
	} else {
		key->bytes = run->keys + (uint64_t)row * run->key_size;
		key->length = run->key_size;
	}
}

static inline __attribute__((always_inline)) const uint8_t *
run_tags(const struct map_run *run, uint32_t group)
{
	return run->tags + (uint64_t)group * MAP_WIDTH;
}

/* The first entry of the group whose tag matches; NULL: none. */
static inline __attribute__((always_inline)) char *
run_match(const struct map_run *run, uint32_t group, uint64_t hash)
{
	uint64_t mask = map_group_match(run_tags(run, group), map_tag(hash));
	uint32_t slot = (uint32_t)__builtin_ctzll(mask | (1ull << MAP_SLOTS));
	char *entry =
	    run->entries + (uint64_t)group * run->group_size + (uint64_t)slot * run->entry_size;

	return mask == 0 ? NULL : entry;
}

/* A row whose key is not behind the first tag that matches; returns its entry or NULL. */
static __attribute__((noinline)) char *
run_miss(struct lm_map *map, uint64_t hash, const struct map_key *key, uint8_t *inserted,
         bool insert)
{
	char *entry = map_search(map, hash, key);

	if (entry == NULL && insert) {
		entry = map_insert(map, hash, key);
		if (entry != NULL && inserted != NULL) {
			*inserted = 1;
		}
	}
	return entry;
}

/* Compares the key of the i-th row with what its tag led to; returns 1 if it has no value. */
static inline __attribute__((always_inline)) uint32_t
run_resolve(const struct map_run *run, uint32_t i, uint32_t row, char *entry)
{
	struct map_key key;

	run_key(run, row, &key);
	if (__builtin_expect(entry == NULL || !map_equal(run->map, run->kind, entry, &key), 0)) {
		struct map_key copy = key;

		entry = run_miss(run->map, run->hash[row], &copy,
		                 run->inserted == NULL ? NULL : run->inserted + i, run->insert);
		run->values[i] = entry == NULL ? NULL : entry + run->value_offset;
		return entry == NULL;
	}
	run->values[i] = entry + run->value_offset;
	return 0;
}

static inline __attribute__((always_inline)) void
run_touch_tags(const struct map_run *run, struct map_block *block, uint32_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t group = map_home(run->groups, run->hash[run_row(run, first + i)]);

		block->group[i] = group;
		__builtin_prefetch(run_tags(run, group));
	}
}

static inline __attribute__((always_inline)) void
run_touch_entries(const struct map_run *run, struct map_block *block, uint32_t first,
                  uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		char *entry = run_match(run, block->group[i], run->hash[run_row(run, first + i)]);

		block->entry[i] = entry;
		__builtin_prefetch(entry, 1);
	}
}

static inline __attribute__((always_inline)) uint32_t
run_block_rows(uint32_t count, uint32_t block)
{
	uint32_t left = count - block * MAP_BLOCK;

	return left < MAP_BLOCK ? left : MAP_BLOCK;
}

/* The map lies in memory: three stages, each a block of rows behind the one before. */
static inline __attribute__((always_inline)) uint32_t
run_far(const struct map_run *run)
{
	uint32_t blocks = (run->count + MAP_BLOCK - 1) / MAP_BLOCK, absent = 0;
	struct map_block block[3];

	for (uint32_t b = 0; b < blocks + 2; b++) {
		if (b < blocks) {
			run_touch_tags(run, &block[b % 3], b * MAP_BLOCK,
			               run_block_rows(run->count, b));
		}
		if (b >= 1 && b - 1 < blocks) {
			run_touch_entries(run, &block[(b - 1) % 3], (b - 1) * MAP_BLOCK,
			                  run_block_rows(run->count, b - 1));
		}
		if (b >= 2) {
			uint32_t first = (b - 2) * MAP_BLOCK;
			uint32_t rows = run_block_rows(run->count, b - 2);

			for (uint32_t i = 0; i < rows; i++) {
				absent += run_resolve(run, first + i, run_row(run, first + i),
				                      block[(b - 2) % 3].entry[i]);
			}
		}
	}
	return absent;
}

/* The map lies in the nearest cache: a row at a time. */
static inline __attribute__((always_inline)) uint32_t
run_near(const struct map_run *run)
{
	uint32_t absent = 0;

	for (uint32_t i = 0; i < run->count; i++) {
		uint32_t row = run_row(run, i);
		uint64_t hash = run->hash[row];
		char *entry = run_match(run, map_home(run->groups, hash), hash);

		absent += run_resolve(run, i, row, entry);
	}
	return absent;
}

static inline __attribute__((always_inline)) uint32_t
run_kind(struct map_run run, enum map_kind kind)
{
	bool near = (uint64_t)run.map->count * run.entry_size <= MAP_NEAR_BYTES;

	run.kind = kind;
	if (kind == MAP_WORD || kind == MAP_PAIR || kind == MAP_BYTES) {
		run.key_size = kind == MAP_WORD ? 8 : 16;
	}
	if (run.rows != NULL) {
		return near ? run_near(&run) : run_far(&run);
	}
	run.rows = NULL;
	return near ? run_near(&run) : run_far(&run);
}

static inline __attribute__((always_inline)) uint32_t
run_all(struct lm_map *map, const struct lm_map_rows *in, void **values, uint8_t *inserted,
        bool insert)
{
	bool dense = in->rows == NULL;
	struct map_run run = {
		.map = map,
		.insert = insert,
		.hash = in->hash + (dense ? in->first : 0),
		.keys = in->keys,
		.offsets = in->offsets,
		.rows = dense ? NULL : in->rows + in->first,
		.count = in->count,
		.groups = map->groups,
		.key_size = map->key_size,
		.entry_size = map->entry_size,
		.group_size = map->entry_size * MAP_SLOTS,
		.value_offset = map->value_offset,
		.tags = map_tags(map, 0),
		.entries = map_entry(map, 0),
		.values = values,
		.inserted = inserted,
	};

	map_check(map);
	if (dense && map->kind == MAP_BYTES) {
		run.offsets += in->first;
	} else if (dense) {
		run.keys += (uint64_t)in->first * map->key_size;
	}
	if (inserted != NULL) {
		memset(inserted, 0, in->count);
	}
	switch ((enum map_kind)map->kind) {
	case MAP_WORD:
		return run_kind(run, MAP_WORD);
	case MAP_PAIR:
		return run_kind(run, MAP_PAIR);
	case MAP_WORDS:
		return run_kind(run, MAP_WORDS);
	default:
		return run_kind(run, MAP_BYTES);
	}
}

uint32_t
lm_map_upsert(struct lm_map *map, const struct lm_map_rows *in, void **values, uint8_t *inserted)
{
	return run_all(map, in, values, inserted, true);
}

uint32_t
lm_map_find(const struct lm_map *map, const struct lm_map_rows *in, void **values)
{
	return run_all((struct lm_map *)(uintptr_t)map, in, values, NULL, false);
}
