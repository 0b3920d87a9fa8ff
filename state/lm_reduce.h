/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_REDUCE_H
#define LM_REDUCE_H

/*
 * Reducers: what aggregating operators keep for a group of rows, and the columns made of it.
 *
 * The state of a group is `size` bytes, all zeroes for a group without rows: the value of a map. No
 * result depends on the order in which rows come: sums of integers wrap, sums of fractions are
 * rounded once (state/exact_sum.h), `first` and `last` go by event time and, where times are equal,
 * by the smallest and the greatest value. NaN counts for min and max only where there is nothing
 * else.
 *
 * The columns stand in the order count, sum, mean, min, max, first, last.
 *
 *     static const struct lm_param params[] = { LM_REDUCE_PARAMS, { 0 } };
 *     lm_reduce_configure(&c->reduce, setup)              in configure: reads them, reports errors
 *     count += lm_reduce_fields(&c->reduce, fields + count)       columns of the output
 *     lm_reduce_rows(&c->reduce, in, rows, n, value)      rows into groups
 *     lm_reduce_write(&c->reduce, entries, n, out, column, first) groups into columns
 */

#include "state/lm_map.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LM_REDUCERS_MAX 24u

/* X-macro: enum suffix, parameter. */
#define LM_REDUCTIONS(X)                                                                           \
	X(COUNT, "count")                                                                          \
	X(SUM, "sum")                                                                              \
	X(MEAN, "mean")                                                                            \
	X(MIN, "min")                                                                              \
	X(MAX, "max")                                                                              \
	X(FIRST, "first")                                                                          \
	X(LAST, "last")

enum lm_reduction {
#define LM_REDUCTION_ENUM(suffix, text) LM_REDUCE_##suffix,
	LM_REDUCTIONS(LM_REDUCTION_ENUM)
#undef LM_REDUCTION_ENUM
	    LM_REDUCTION_COUNT
};

struct lm_reducer {
	enum lm_reduction reduction;
	uint32_t field;      /* of the input; count: LM_NONE */
	enum lm_type type;   /* of that field */
	uint32_t offset;     /* in the state of a group */
	struct lm_field out; /* the column it makes */
};

struct lm_reduce {
	uint32_t count;
	uint32_t size;       /* of the state of a group, a multiple of 8 */
	uint32_t time_field; /* of the input, or LM_NONE */
	struct lm_reducer reducer[LM_REDUCERS_MAX];
};

/* The parameters that lm_reduce_configure reads, for a class's table. */
#define LM_REDUCE_PARAM(text, what)                                                                \
	{                                                                                          \
		.name = text, .type = LM_PARAM_MAP, .summary = what                                \
	}
#define LM_REDUCE_PARAMS                                                                           \
	{ .name = "count", .type = LM_PARAM_TEXT, .summary = "name of a column: rows" },           \
	    LM_REDUCE_PARAM("sum", "NAME: COLUMN, the sum of that column"),                        \
	    LM_REDUCE_PARAM("mean", "NAME: COLUMN, the mean of that column"),                      \
	    LM_REDUCE_PARAM("min", "NAME: COLUMN, the smallest value of that column"),             \
	    LM_REDUCE_PARAM("max", "NAME: COLUMN, the greatest value of that column"),             \
	    LM_REDUCE_PARAM("first", "NAME: COLUMN, its value in the earliest row"),               \
	    LM_REDUCE_PARAM("last", "NAME: COLUMN, its value in the latest row")

/* Returns 0, or -1 after reporting what is wrong. */
int lm_reduce_configure(struct lm_reduce *reduce, struct lm_setup *setup);
/* Adds one by hand. Returns NULL, or a sentence that says why it cannot be. */
const char *lm_reduce_add(struct lm_reduce *reduce, const struct lm_schema *schema,
                          enum lm_reduction reduction, uint32_t field, const char *name);
/* Writes the columns it makes; returns how many. */
uint32_t lm_reduce_fields(const struct lm_reduce *reduce, struct lm_field *fields);

/* Adds rows (`rows` NULL: the first `count`; else those) of a batch, the i-th to state value[i]. */
void lm_reduce_rows(const struct lm_reduce *reduce, const struct lm_batch *in, const uint16_t *rows,
                    uint32_t count, void *const *value);
/* Adds them all to one state. */
void lm_reduce_one(const struct lm_reduce *reduce, const struct lm_batch *in, const uint16_t *rows,
                   uint32_t count, void *value);
/*
 * Adds them like lm_reduce_rows and writes for each the results as they stand with it: into the
 * columns out_field, out_field + 1, … of an output batch, rows from `first` on.
 */
void lm_reduce_running(const struct lm_reduce *reduce, const struct lm_batch *in,
                       const uint16_t *rows, uint32_t count, void *const *value,
                       struct lm_batch *out, uint32_t out_field, uint32_t first);
/* Writes the results of groups, the states being the entries' values. */
void lm_reduce_write(const struct lm_reduce *reduce, const struct lm_map_entry *entries,
                     uint32_t count, struct lm_batch *out, uint32_t out_field, uint32_t first);

#ifdef __cplusplus
}
#endif

#endif
