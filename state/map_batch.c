/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hash map of keyed state, a batch at a time. Three stages that run a stretch of rows
 * apart: fetch the tags; match them and fetch the entry and its mark; compare and, if need be,
 * insert.
 */

#include "state/map.h"

/* Rows of a stage. Three stages are under way, so prefetches are 1 and 2 of them ahead. */
#define MAP_STAGE 32u
/* Maps that use up to this many bytes sit in cache: one stage is enough for them. */
#define MAP_NEAR_BYTES (512u * 1024u)

/* What the stages hand on: a stretch of rows. */
struct map_stage {
	char *entry[MAP_STAGE]; /* the first whose tag matches, or NULL */
	struct map_block *block[MAP_STAGE];
	uint32_t group[MAP_STAGE];
	uint32_t needs_touch; /* a bit for each row */
};
static_assert(MAP_STAGE == 32, "a bit of a word for each row");

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
	uint32_t groups, key_size, entry_size, group_size, value_offset, value_size;
	uint64_t entries_offset, marks_size;
	struct state_space *space;
	uint32_t slot_bits, epoch;
	const uint32_t *whole;
	bool touches; /* a snapshot knows the map, and values are handed out for writing */
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

/* The first entry of the group whose tag matches; NULL: none. */
static inline __attribute__((always_inline)) char *
run_match(const struct map_run *run, struct map_block *block, uint32_t group, uint64_t hash)
{
	uint64_t mask = map_group_match(map_tags(block, group), map_tag(hash));
	uint32_t place = (uint32_t)__builtin_ctzll(mask | (1ull << MAP_SLOTS));
	char *entry = (char *)block + run->entries_offset + (uint64_t)group * run->group_size +
	              (uint64_t)place * run->entry_size;

	return mask == 0 ? NULL : entry;
}

static inline __attribute__((always_inline)) struct arena_mark *
run_mark(const struct map_run *run, struct map_block *block, const char *at)
{
	return (struct arena_mark *)(void *)((char *)block - run->marks_size) +
	       (uint64_t)(at - (char *)block) / ARENA_CHUNK;
}

/* A bit, at place i, if values in the slot need a touch. */
static inline __attribute__((always_inline)) uint32_t
run_needs_touch(const struct map_run *run, uint32_t slot, uint32_t i)
{
	return (uint32_t)(CANARY_BUILD || run->whole[slot] != run->epoch) << i;
}

/*
 * The values of a stretch of rows from `first` on are handed out for writing: those of the rows in
 * the mask `needs` are touched, before run_publish. See arena_touch; here without a way to the
 * arena.
 */
static inline __attribute__((always_inline)) void
run_touch(const struct map_run *run, struct map_block *const *blocks, uint32_t first,
          uint32_t needs)
{
	for (; needs != 0 && !CANARY(CANARY_UNTOUCHED_VALUE); needs &= needs - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(needs);
		struct map_block *block = blocks[i];
		const char *value = run->values[first + i];
		uint64_t offset = (uint64_t)(value - (char *)block), size = run->value_size;

		if (value == NULL) {
			continue;
		}
		if (CANARY_BUILD || !arena_range_is_touched(run_mark(run, block, value), offset,
		                                            size, run->epoch)) {
			arena_touch_later(run->space, &run->map->part, map_arena(run->map, block),
			                  offset, size);
		}
	}
}

/* A row whose key is not behind the first tag that matches; returns its entry or NULL. */
static __attribute__((noinline)) char *
run_miss(struct lm_map *map, struct map_block *block, uint64_t hash, const struct map_key *key,
         uint8_t *inserted, bool insert)
{
	char *entry = map_search(map, block, hash, key);

	if (entry == NULL && insert) {
		/* It writes at once: also to granules that rows before this one have saved. */
		if (map->space != NULL && !CANARY(CANARY_LATE_INSERT)) {
			arena_publish(map->space);
		}
		entry = map_insert(map, block, hash, key);
		if (entry != NULL && inserted != NULL) {
			*inserted = 1;
		}
	}
	return entry;
}

/* Compares the key of the i-th row with what its tag led to; returns 1 if it has no value. */
static inline __attribute__((always_inline)) uint32_t
run_resolve(const struct map_run *run, struct map_block *block, uint32_t i, uint32_t row,
            char *entry)
{
	struct map_key key;

	run_key(run, row, &key);
	if (__builtin_expect(entry == NULL || !map_equal(run->map, block, run->kind, entry, &key),
	                     0)) {
		struct map_key copy = key;

		entry = run_miss(run->map, block, run->hash[row], &copy,
		                 run->inserted == NULL ? NULL : run->inserted + i, run->insert);
		if (entry == NULL) {
			run->values[i] = NULL;
			return 1;
		}
	}
	run->values[i] = entry + run->value_offset;
	return 0;
}

static inline __attribute__((always_inline)) void
run_fetch_tags(const struct map_run *run, struct map_stage *stage, uint32_t first, uint32_t count)
{
	stage->needs_touch = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t hash = run->hash[run_row(run, first + i)];
		uint32_t slot = route_slot(hash, run->slot_bits);
		struct map_block *block = map_block_at(run->map, slot);
		uint32_t group = map_home(run->groups, hash);

		if (run->touches) {
			stage->needs_touch |= run_needs_touch(run, slot, i);
		}
		stage->block[i] = block;
		stage->group[i] = group;
		__builtin_prefetch(map_tags(block, group));
	}
}

static inline __attribute__((always_inline)) void
run_fetch_entries(const struct map_run *run, struct map_stage *stage, uint32_t first,
                  uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct map_block *block = stage->block[i];
		uint64_t hash = run->hash[run_row(run, first + i)];
		char *entry = run_match(run, block, stage->group[i], hash);

		stage->entry[i] = entry;
		__builtin_prefetch(entry, 1);
		if (run->touches && (stage->needs_touch >> i & 1) != 0) {
			__builtin_prefetch(
			    run_mark(run, block, entry == NULL ? (char *)block : entry));
		}
	}
}

static inline __attribute__((always_inline)) uint32_t
run_stage_rows(uint32_t count, uint32_t stage)
{
	uint32_t left = count - stage * MAP_STAGE;

	return left < MAP_STAGE ? left : MAP_STAGE;
}

/* The map lies in memory: three stages, each a stretch of rows behind the one before. */
static inline __attribute__((always_inline)) uint32_t
run_far(const struct map_run *run)
{
	uint32_t stages = (run->count + MAP_STAGE - 1) / MAP_STAGE, absent = 0;
	struct map_stage stage[3];

	for (uint32_t s = 0; s < stages + 2; s++) {
		if (s < stages) {
			run_fetch_tags(run, &stage[s % 3], s * MAP_STAGE,
			               run_stage_rows(run->count, s));
		}
		if (s >= 1 && s - 1 < stages) {
			run_fetch_entries(run, &stage[(s - 1) % 3], (s - 1) * MAP_STAGE,
			                  run_stage_rows(run->count, s - 1));
		}
		if (s >= 2) {
			const struct map_stage *last = &stage[(s - 2) % 3];
			uint32_t first = (s - 2) * MAP_STAGE;
			uint32_t rows = run_stage_rows(run->count, s - 2);

			for (uint32_t i = 0; i < rows; i++) {
				absent += run_resolve(run, last->block[i], first + i,
				                      run_row(run, first + i), last->entry[i]);
			}
			if (run->touches) {
				run_touch(run, last->block, first, last->needs_touch);
			}
		}
	}
	return absent;
}

/* The map lies in the nearest cache: a row at a time. */
static inline __attribute__((always_inline)) uint32_t
run_near(const struct map_run *run)
{
	struct map_block *blocks[MAP_STAGE];
	uint32_t absent = 0, needs = 0;

	for (uint32_t i = 0; i < run->count; i++) {
		uint32_t row = run_row(run, i);
		uint64_t hash = run->hash[row];
		uint32_t slot = route_slot(hash, run->slot_bits);
		struct map_block *block = map_block_at(run->map, slot);
		char *entry = run_match(run, block, map_home(run->groups, hash), hash);

		absent += run_resolve(run, block, i, row, entry);
		if (run->touches) {
			blocks[i % MAP_STAGE] = block;
			needs |= run_needs_touch(run, slot, i % MAP_STAGE);
			if (i % MAP_STAGE == MAP_STAGE - 1 || i == run->count - 1) {
				run_touch(run, blocks, i - i % MAP_STAGE, needs);
				needs = 0;
			}
		}
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

/* Whether any value of the map may need a touch. */
static bool
map_needs_touch(const struct lm_map *map)
{
	const struct arena_part *part = &map->part;

	return map->space != NULL && map->value_size > 0 &&
	       (CANARY_BUILD || part->whole_epoch != map->space->epoch ||
	        part->whole_count != part->arena_count);
}

static inline __attribute__((always_inline)) uint32_t
run_all(struct lm_map *map, const struct lm_map_rows *in, void **values, uint8_t *inserted,
        bool insert)
{
	bool dense = in->rows == NULL;
	struct map_run run;

	map_settle(map);
	run = (struct map_run){
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
		.value_size = map->value_size,
		.entries_offset = map->entries_offset,
		.marks_size = map->marks_size,
		.slot_bits = map->slot_bits,
		.whole = map->whole,
		.touches = insert && map_needs_touch(map),
		.space = map->space,
		.epoch = map->space == NULL ? 0 : map->space->epoch,
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
	switch (map->kind) {
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
	uint32_t absent;

	assert(map->aging == NULL);
	absent = run_all(map, in, values, inserted, true);
	if (map->space != NULL && !CANARY(CANARY_LATE_LOG)) {
		arena_publish(map->space);
	}
	return absent;
}

uint32_t
lm_map_find(const struct lm_map *map, const struct lm_map_rows *in, const void **values)
{
	return run_all((struct lm_map *)(uintptr_t)map, in, (void **)(uintptr_t)values, NULL,
	               false);
}
