/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_GROUP_H
#define LM_GROUP_H

/*
 * Groups of rows: key columns and reducers together, as aggregating operators use them. The state
 * of a group is the value of a map; its row is the key's columns, then the reducers'. Without key
 * columns there is one group and no map.
 */

#include "state/lm_key.h"
#include "state/lm_map_aging.h"
#include "state/lm_reduce.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Groups on their way out at a time. */
#define LM_GROUP_READY 256u

struct lm_group {
	struct lm_key key; /* no field: one group */
	struct lm_reduce reduce;
	uint32_t keys_max;
	uint64_t bytes_max; /* of keys of strings, together */
};

/* The parameters that lm_group_configure reads, for a class's table; `keys` is the default. */
#define LM_GROUP_PARAMS(keys_text)                                                                 \
	{ .name = "by",                                                                            \
	  .type = LM_PARAM_COLUMNS,                                                                \
	  .summary = "columns that make up the key; without it all rows are one group" },          \
	    LM_REDUCE_PARAMS,                                                                      \
	    { .name = "keys",                                                                      \
	      .type = LM_PARAM_U64,                                                                \
	      .fallback = keys_text,                                                               \
	      .min = 1,                                                                            \
	      .max = LM_MAP_KEYS_MAX,                                                              \
	      .summary = "groups at most; rows of more are dropped as keys_full" },                \
	{                                                                                          \
		.name = "key_bytes", .type = LM_PARAM_SIZE, .fallback = "32", .min = 1,            \
		.max = 65536, .summary = "bytes of memory for a key with strings, on average"      \
	}

/* Rows that have a group: the i-th is rows[i] (NULL: i), its group's state value[i]. */
struct lm_group_rows {
	const uint16_t *rows;
	uint32_t count;
	uint16_t row[LM_BATCH_ROWS]; /* where `rows` points if some had no group */
	void *value[LM_BATCH_ROWS];
};

/* Groups to emit: `done` of `count` are. */
struct lm_group_ready {
	uint32_t count, done;
	struct lm_map_entry entry[LM_GROUP_READY];
};

/* Reads the parameters. Returns 0, or -1 after reporting what is wrong. */
int lm_group_configure(struct lm_group *group, struct lm_setup *setup);
/* Writes the columns of a group's row; returns how many. */
uint32_t lm_group_fields(const struct lm_group *group, struct lm_field *fields);

/*
 * In open: the map of the groups, whose values are the states and `more` bytes (a multiple of 8);
 * NULL after lm_op_error. Only with key columns.
 */
struct lm_map *lm_group_open(const struct lm_group *group, struct lm_op *op, uint32_t more);

/* The same for a map of the family that `alike` is the first of, NULL: it is; see lm_map.h. */
struct lm_map *lm_group_open_alike(const struct lm_group *group, struct lm_op *op, uint32_t more,
                                   struct lm_map *alike);
/* The same for groups that grow old. */
struct lm_map *lm_group_open_aging(const struct lm_group *group, struct lm_op *op, uint32_t more,
                                   const struct lm_map_aging *aging);

/* In a callback: finds or makes the groups of rows; returns how many rows found the map full. */
uint32_t lm_group_find(const struct lm_group *group, struct lm_op *op, struct lm_map *map,
                       void *scratch, const struct lm_batch *in, const struct lm_select *rows,
                       struct lm_group_rows *to);
/*
 * The same where groups grow old, for rows that were packed and hashed; returns how many of them,
 * from packed->first on, were looked up: see lm_map_upsert_part. *refused of those have no group.
 */
uint32_t lm_group_find_part(struct lm_map *map, const struct lm_map_rows *packed,
                            const int64_t *time_ns, struct lm_group_rows *to, uint32_t *refused);
/* Takes out the rows whose value is NULL. */
void lm_group_pack(struct lm_group_rows *rows);

/*
 * In a callback: emits what is ready, with *time_ns (may be NULL) in a first column. False: there
 * was no room for all, and the callback will be called again.
 */
bool lm_group_emit(const struct lm_group *group, struct lm_op *op, uint32_t output,
                   const int64_t *time_ns, struct lm_group_ready *ready);

#ifdef __cplusplus
}
#endif

#endif
