/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_MAP_H
#define LM_MAP_H

/*
 * A hash map from a packed key to a value of fixed size, for one slice.
 *
 * The whole map is one block of memory whose size is known before start; nothing is ever allocated
 * or rehashed afterwards, so a value stays where it is until its key is erased. At `keys_max` keys
 * (or `bytes_max` bytes of long keys) a new key is refused; keys that are there are found as ever.
 * Inside the block are offsets only: it may be moved by pointer or copied with memcpy.
 *
 * The batch calls are the ones to use: they overlap the cache misses of many rows. Keys are made by
 * state/lm_key.h, hashes by lm_op_hash: all bits mixed; a map looks at the low 40.
 *
 *     struct lm_map *map = lm_map_open(op, &(struct lm_map_shape){
 *             .key_size = 8, .value_size = sizeof(uint64_t), .keys_max = 65536 });
 *     void *value[LM_BATCH_ROWS];
 *
 *     refused = lm_map_upsert(map, &(struct lm_map_rows){
 *             .hash = hash, .keys = keys, .count = in->count }, value, NULL);
 *     for (uint32_t i = 0; i < in->count; i++)
 *             if (value[i] != NULL)
 *                     ++*(uint64_t *)value[i];
 *
 * Threads: one at a time. Layout: tags of one byte in groups that one vector compare tests at once
 * (after M. Kulukundis' "Swiss tables", 2017), entries {key, value} in slots that correspond; the
 * last byte of a group counts the keys that found it full and went on (after Facebook's F14), so
 * erasing leaves no tombstones behind.
 */

#include "core/lm_op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a key of fixed width, at most; keys that a map may hold, at most. */
#define LM_MAP_KEY_MAX 64u
#define LM_MAP_KEYS_MAX (1u << 30)
/* A key of variable length up to this one is kept in its entry and takes nothing of bytes_max. */
#define LM_MAP_SHORT_MAX 12u

struct lm_map;

struct lm_map_shape {
	uint32_t key_size;   /* bytes, a multiple of 8, at most LM_MAP_KEY_MAX; 0: of any length */
	uint32_t value_size; /* bytes, a multiple of 8; 0: a set */
	uint32_t keys_max;   /* 1 to LM_MAP_KEYS_MAX */
	bool keep_hash; /* lm_map_scan returns the hash, so that what it returns can be erased */
	/*
	 * Keys of any length: those longer than LM_MAP_SHORT_MAX each take their length + 8,
	 * rounded up to a multiple of 8, out of this.
	 */
	uint64_t bytes_max;
};

/*
 * Rows to look up: first to first + count - 1, or, where `rows` is given, the rows that stand there
 * in `rows`. Hashes, keys and offsets are indexed by row.
 */
struct lm_map_rows {
	const uint64_t *hash;
	const void *keys; /* key_size bytes a row; of any length: the bytes */
	const uint32_t
	    *offsets;         /* of any length: row r is keys[offsets[r]] to keys[offsets[r + 1]] */
	const uint16_t *rows; /* NULL: all */
	uint32_t first, count;
};

struct lm_map_entry {
	const void *key;
	uint32_t length; /* of the key, bytes */
	uint64_t hash;   /* 0 unless the map keeps hashes */
	void *value;
};

/* Bytes of the block of a map; 0 when the shape is not a possible one. */
size_t lm_map_size(const struct lm_map_shape *shape);
/* Makes an empty map of zeroed memory of that size, aligned to 64. Memory is not touched until
 * used. */
struct lm_map *lm_map_init(void *memory, const struct lm_map_shape *shape);

/* In open: a map in memory of the slice, or NULL when there is none left. */
static inline struct lm_map *
lm_map_open(struct lm_op *op, const struct lm_map_shape *shape)
{
	size_t size = lm_map_size(shape);
	void *memory = size == 0 ? NULL : lm_op_alloc(op, size);

	return memory == NULL ? NULL : lm_map_init(memory, shape);
}

/*
 * Finds the key of every row, or inserts it with a value of zeroes. values[i] is the value of the
 * i-th row asked for, NULL where the map is full; inserted[i] (may be NULL) is 1 for the row that
 * inserted its key. Returns how many rows were refused.
 */
uint32_t lm_map_upsert(struct lm_map *map, const struct lm_map_rows *in, void **values,
                       uint8_t *inserted);
/* The same without inserting: values[i] is NULL where the key is not there. Returns how many. */
uint32_t lm_map_find(const struct lm_map *map, const struct lm_map_rows *in, void **values);

/* One key; `length` is key_size for keys of fixed width. */
void *lm_map_put(struct lm_map *map, uint64_t hash, const void *key, uint32_t length,
                 bool *inserted);
void *lm_map_get(const struct lm_map *map, uint64_t hash, const void *key, uint32_t length);
/* False: it was not there. Erasing long keys may, now and then, compact all of them. */
bool lm_map_erase(struct lm_map *map, uint64_t hash, const void *key, uint32_t length);
/* Erases all. Takes time by keys_max, not by the keys that are there: a byte each. */
void lm_map_clear(struct lm_map *map);

uint32_t lm_map_count(const struct lm_map *map);
/* The entry that a value handed out before belongs to. */
void lm_map_entry_of(const struct lm_map *map, void *value, struct lm_map_entry *entry);

/*
 * Walks the entries in the order of their slots: writes up to `max` of them from *cursor (0: the
 * start) and moves it on; returns how many, 0 at the end. Between two calls nothing may be
 * inserted; what was returned may be erased.
 */
uint32_t lm_map_scan(const struct lm_map *map, uint64_t *cursor, struct lm_map_entry *entries,
                     uint32_t max);

#ifdef __cplusplus
}
#endif

#endif
