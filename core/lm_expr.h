/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_EXPR_H
#define LM_EXPR_H

/*
 * Typed expressions over the columns of a batch, evaluated a column at a time: for operators that
 * take them as parameters ("bytes > 1500 and proto == 6").
 *
 * An expression is parsed and checked against a schema once (control threads); evaluating it is
 * free of allocation and of errors, and may run on any lcore, each with a scratch of its own.
 *
 *     struct lm_expr *expr = lm_expr_parse("bytes > 1500", schema, &error);
 *     struct lm_expr_scratch *scratch = lm_expr_scratch_create(expr);
 *     lm_expr_select(expr, scratch, in, NULL, &keep);
 *
 * Integers are i64 or u64 inside and wrap; comparing signed with unsigned is exact. A division by
 * zero is 0 for integers. Literals: 42, 0xff, 1_000, 0.5, "text", true, 10.0.0.0/8, 192.168.1.1,
 * ::1, 10ms (a duration in ns), a time 2020-01-31T10:00:00Z.
 */

#include "core/lm_batch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Length of an expression's text, nodes of its tree, depth of nesting: at most. */
#define LM_EXPR_TEXT_MAX 4096u
#define LM_EXPR_NODES_MAX 256u
#define LM_EXPR_DEPTH_MAX 32u

struct lm_expr;
struct lm_expr_scratch;

struct lm_expr_error {
	uint32_t column;   /* character of the text, from 0 */
	char message[160]; /* a sentence */
	char hint[160];    /* what to do, or empty */
};

/* Returns the expression, or NULL with `error` filled in. The schema need not outlive the call. */
struct lm_expr *lm_expr_parse(const char *text, const struct lm_schema *schema,
                              struct lm_expr_error *error);
void lm_expr_free(struct lm_expr *expr); /* NULL is fine */

/* The type of its value: i64, u64, f64, bool, time, ip4, ip6, mac or, for a bare field, the
 * field's. */
enum lm_type lm_expr_type(const struct lm_expr *expr);
/* The field when the expression is nothing but a field, else LM_NONE. */
uint32_t lm_expr_field(const struct lm_expr *expr);

/* Working memory for LM_BATCH_ROWS rows; NULL when there is none left. One a slice. */
struct lm_expr_scratch *lm_expr_scratch_create(const struct lm_expr *expr);
void lm_expr_scratch_free(struct lm_expr_scratch *scratch);

/*
 * The values for all rows of `in`, or only for those of `rows` (may be NULL), dense, in `out`: an
 * array of the expression's type. Not for string values (bare fields: copy them).
 */
void lm_expr_eval(const struct lm_expr *expr, struct lm_expr_scratch *scratch,
                  const struct lm_batch *in, const struct lm_select *rows, void *out);

/* The rows for which a bool expression is true, out of all or of those of `rows`. */
void lm_expr_select(const struct lm_expr *expr, struct lm_expr_scratch *scratch,
                    const struct lm_batch *in, const struct lm_select *rows,
                    struct lm_select *keep);

#ifdef __cplusplus
}
#endif

#endif
