/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_KEY_H
#define LM_KEY_H

/*
 * Keys of maps made of columns: rows -> packed bytes -> columns again.
 *
 * Columns of fixed width are packed one behind the other, zeroes behind the last up to a multiple
 * of 8: one integer is a word, two addresses of IPv4 are a word. As soon as one column is of
 * strings the key is of any length: a lone string as it is, else the fixed columns and then each
 * string behind its length. A lone column of the right width is used where it stands, without a
 * copy. Equal means the same bytes: 0.0 and -0.0 are two keys.
 *
 *     lm_key_init(&c->key, schema, fields, count)                     in configure
 *     c->map = lm_map_open(op, &shape with lm_key_size(&c->key));     in open
 *     c->scratch = lm_op_alloc(op, lm_key_scratch_size(&c->key));
 *     lm_key_upsert(&c->key, op, c->map, c->scratch, in, NULL, value, inserted);
 *
 * Threads: a struct lm_key is read-only once set up; the scratch is one slice's.
 */

#include "state/lm_map.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LM_KEY_COLUMNS_MAX 8u

struct lm_key {
	uint32_t field_count;
	uint32_t size;      /* of a packed key, as in struct lm_map_shape; 0: any length */
	uint32_t fixed;     /* bytes of the fixed columns */
	uint32_t strings;   /* columns of strings */
	uint32_t capacity;  /* rows of a batch */
	uint64_t bytes_max; /* of the string columns of a batch, together */
	uint32_t field[LM_KEY_COLUMNS_MAX];
	uint32_t width[LM_KEY_COLUMNS_MAX];  /* 0: strings */
	uint32_t offset[LM_KEY_COLUMNS_MAX]; /* in the packed key; of fixed columns */
	struct lm_field column[LM_KEY_COLUMNS_MAX];
};

/*
 * The key of these fields of a schema. Returns 0; -EINVAL: no field, too many, or a frame; -E2BIG:
 * more than LM_MAP_KEY_MAX bytes of fixed columns.
 */
int lm_key_init(struct lm_key *key, const struct lm_schema *schema, const uint32_t *fields,
                uint32_t count);
/* Bytes of working memory to pack a batch; at least 1. */
size_t lm_key_scratch_size(const struct lm_key *key);

/*
 * Packs the key of every row of `in`, or of those in `rows` (may be NULL), and describes them in
 * `to`, all but the hashes. What it describes is valid as long as `in`, `rows` and the scratch are.
 */
void lm_key_pack(const struct lm_key *key, void *scratch, const struct lm_batch *in,
                 const struct lm_select *rows, struct lm_map_rows *to);

/*
 * Writes the keys of entries (copies those of rows `row[0]` to `row[count - 1]` of a batch) into
 * the key's columns of an output batch: fields out_field, out_field + 1, …, rows from `first` on.
 * Returns how many rows it wrote: fewer than `count` only when the strings of the next do not fit.
 */
uint32_t lm_key_unpack(const struct lm_key *key, const struct lm_map_entry *entries, uint32_t count,
                       struct lm_batch *out, uint32_t out_field, uint32_t first);
uint32_t lm_key_copy(const struct lm_key *key, const struct lm_batch *in, const uint16_t *row,
                     uint32_t count, struct lm_batch *out, uint32_t out_field, uint32_t first);

/* In a callback: hashes and packs the rows and finds or inserts them all; see lm_map_upsert. */
static inline uint32_t
lm_key_upsert(const struct lm_key *key, struct lm_op *op, struct lm_map *map, void *scratch,
              const struct lm_batch *in, const struct lm_select *rows, void **values,
              uint8_t *inserted)
{
	struct lm_map_rows packed;

	lm_key_pack(key, scratch, in, rows, &packed);
	packed.hash = lm_op_hash(op, in, rows, key->field, key->field_count);
	return lm_map_upsert(map, &packed, values, inserted);
}

#ifdef __cplusplus
}
#endif

#endif
