/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_MAP_H
#define LM_MAP_H

/*
 * A hash map from a packed key to a value of fixed size, for one slice, kept by snapshots.
 *
 * The map is cut into the operator's slots: a key's slot is the top bits of its hash, the same that
 * routed its rows, so that the state of a slot can go where its rows go. Each slot is one block of
 * memory whose size is known before start; nothing is ever allocated or rehashed afterwards, so a
 * value stays where it is until its key is erased. Inside a block are offsets only: it may be moved
 * by pointer or copied with memcpy.
 *
 * `keys_max` is of the operator, all slices together. A slice has its share of it, and a slot its
 * own: six standard deviations above what falls to it by chance, and eight keys (the only slice of
 * an operator has exactly keys_max). At the bound of either a new key is refused; keys that are
 * there are found as ever.
 *
 * Snapshots take the state as it is at a moment while it goes on changing. So whoever writes to a
 * value has to say so first. lm_map_upsert and lm_map_put do, for the values they return, until the
 * callback returns. Values got in any other way, or kept, are written after lm_map_touch:
 *
 *     lm_map_touch(map, entry.value);
 *     ++*(uint64_t *)entry.value;
 *
 * The batch calls are the ones to use: they overlap the cache misses of many rows. Keys are made by
 * state/lm_key.h, hashes by lm_op_hash: all bits mixed; the low 40 place a key in its slot.
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
	/*
	 * lm_map_open: the columns of the first input that the key is made of. Where rows are
	 * routed by the same ones, or there is one slice, the map is cut into slots. NULL: it is
	 * one slot, which stays with its slice.
	 */
	const uint32_t *fields;
	uint32_t field_count;
	/* lm_map_open: the first of a family that this map belongs to, see lm_map_set_label. */
	struct lm_map *alike;
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

/* In open: a map in memory of the slice, or NULL when there is none left. */
struct lm_map *lm_map_open(struct lm_op *op, const struct lm_map_shape *shape);
/* The value is about to be written, all of it: until the callback returns. */
void lm_map_touch(struct lm_map *map, void *value);

/* The slot that the key of a value is in. */
uint32_t lm_map_slot(const struct lm_map *map, const void *value);

/*
 * Maps of one shape that stand for one another, one for each window say, are a family: `alike` in
 * the shape of all but the first. Which of them is used for what differs between slices. So one
 * that is in use says for what: when slots come from another slice, keys go to the map of the same
 * label, or to one without, which then has that label: look at the labels in take and adopt. When
 * there is no such map the keys are lost, and lm_move.lost counts them; a snapshot is then refused.
 * Keys in a map of a family that has no label are lost, too. Two maps never have the same label.
 */
void lm_map_set_label(struct lm_map *map, int64_t label);
void lm_map_drop_label(struct lm_map *map);
/* False: it has none. */
bool lm_map_label(const struct lm_map *map, int64_t *label);

/*
 * A map that no snapshot knows, of one slot, in memory of one's own. Bytes that it takes, 0 when
 * the shape is not a possible one; and an empty map of zeroed memory of that size, aligned to 64.
 * Memory is not touched until used; the whole may be copied with memcpy.
 */
size_t lm_map_size(const struct lm_map_shape *shape);
struct lm_map *lm_map_init(void *memory, const struct lm_map_shape *shape);

/*
 * Finds the key of every row, or inserts it with a value of zeroes. values[i] is the value of the
 * i-th row asked for, NULL where the map is full; inserted[i] (may be NULL) is 1 for the row that
 * inserted its key. Returns how many rows were refused.
 */
uint32_t lm_map_upsert(struct lm_map *map, const struct lm_map_rows *in, void **values,
                       uint8_t *inserted);
/* The same without inserting, to read only: values[i] is NULL where the key is not there. Returns
 * how many. */
uint32_t lm_map_find(const struct lm_map *map, const struct lm_map_rows *in, const void **values);

/* One key; `length` is key_size for keys of fixed width. */
void *lm_map_put(struct lm_map *map, uint64_t hash, const void *key, uint32_t length,
                 bool *inserted);
/* To read only: what is to be written comes from lm_map_put. */
const void *lm_map_get(const struct lm_map *map, uint64_t hash, const void *key, uint32_t length);
/* False: it was not there. Erasing long keys may, now and then, compact all of them. */
bool lm_map_erase(struct lm_map *map, uint64_t hash, const void *key, uint32_t length);
/* Erases all. Takes time by keys_max, not by the keys that are there: a byte each, in slots with
 * keys. */
void lm_map_clear(struct lm_map *map);

uint32_t lm_map_count(const struct lm_map *map);
/* The entry that a value handed out before belongs to. */
void lm_map_entry_of(const struct lm_map *map, void *value, struct lm_map_entry *entry);

/*
 * Walks the entries, slot by slot: writes up to `max` of them from *cursor (0: the
 * start) and moves it on; returns how many, 0 at the end. Between two calls nothing may be
 * inserted; what was returned may be erased.
 */
uint32_t lm_map_scan(const struct lm_map *map, uint64_t *cursor, struct lm_map_entry *entries,
                     uint32_t max);

#ifdef __cplusplus
}
#endif

#endif
