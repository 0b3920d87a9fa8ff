/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/expr_eval.c and the kernels: random expressions of every type over random batches, all rows
 * and random selections, against a model (expr_model.h). The seed can be set: LODEMILL_SEED=123.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lm_expr.h"
#include "tests/unit/core/expr_model.h"

#define TREES 6000u
#define BATCHES 24u /* a new one every TREES / BATCHES trees */

/* --- The comparison ------------------------------------------------------------------------------
 */

static bool
same(enum lm_type type, const char *got, struct value want)
{
	double f64;

	if (type == LM_F64) {
		memcpy(&f64, got, sizeof(f64));
		return isnan(f64) ? isnan(want.f64)
		                  : f64 == want.f64 && signbit(f64) == signbit(want.f64);
	}
	return type == LM_IP6 ? memcmp(got, &want.ip6, sizeof(want.ip6)) == 0
	                      : memcmp(got, &want.bits, lm_type_width(type)) == 0;
}

static void
random_rows(struct lm_select *rows)
{
	uint32_t share = model_below(5);

	lm_select_begin(rows, model_batch);
	for (uint32_t i = 0; i < model_batch->count; i++) {
		if (model_below(4) < share) {
			lm_select_add(rows, i);
		}
	}
}

static void
check_values(const char *text, const struct node *root, const struct lm_expr *expr,
             struct lm_expr_scratch *scratch, const struct lm_select *rows)
{
	static char out[LM_BATCH_ROWS * 16] __attribute__((aligned(64)));
	enum lm_type type = lm_expr_type(expr);
	uint32_t count = rows == NULL ? model_batch->count : rows->count;
	uint32_t width = lm_type_width(type);

	memset(out, 0x5a, sizeof(out));
	lm_expr_eval(expr, scratch, model_batch, rows, out);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = rows == NULL ? i : rows->row[i];
		struct value want = model_value(root, row);

		if (want.type != type || !same(type, out + i * width, want)) {
			fail_msg("%s\nrow %u of %u: %s %#llx, not %s %#llx %g", text, row,
			         model_batch->count, lm_type_text(type),
			         *(unsigned long long *)(out + i * width), lm_type_text(want.type),
			         (unsigned long long)want.bits, want.f64);
		}
	}
	for (uint32_t i = 0; i < 16 && count * width + i < sizeof(out); i++) {
		assert_int_equal(out[count * width + i], 0x5a);
	}
}

static void
check_select(const char *text, const struct node *root, const struct lm_expr *expr,
             struct lm_expr_scratch *scratch, const struct lm_select *rows)
{
	static struct lm_select keep;
	uint32_t count = rows == NULL ? model_batch->count : rows->count;
	uint32_t kept = 0;

	lm_expr_select(expr, scratch, model_batch, rows, &keep);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = rows == NULL ? i : rows->row[i];

		if (model_value(root, row).bits != 0) {
			if (kept >= keep.count || keep.row[kept] != row) {
				fail_msg("%s\nrow %u of %u is not selected", text, row,
				         model_batch->count);
			}
			kept++;
		}
	}
	if (keep.count != kept) {
		fail_msg("%s\n%u rows are selected, not %u", text, keep.count, kept);
	}
}

static void
check_tree(const struct node *root, bool minimal)
{
	static char text[MODEL_TEXT_SIZE];
	static struct lm_select rows;
	struct lm_expr_error error;
	struct lm_expr_scratch *scratch;
	struct lm_expr *expr;

	model_write(root, minimal, text);
	expr = lm_expr_parse(text, &model_schema, &error);
	if (expr == NULL) {
		fail_msg("%s\n%u: %s (%s)", text, error.column, error.message, error.hint);
	}
	scratch = lm_expr_scratch_create(expr);
	assert_non_null(scratch);
	random_rows(&rows);
	if (lm_expr_field(expr) == LM_NONE) {
		check_values(text, root, expr, scratch, NULL);
		check_values(text, root, expr, scratch, &rows);
	}
	if (lm_expr_type(expr) == LM_BOOL) {
		check_select(text, root, expr, scratch, NULL);
		check_select(text, root, expr, scratch, &rows);
	}
	lm_expr_scratch_free(scratch);
	lm_expr_free(expr);
}

static void
test_random_trees(void **state)
{
	static const enum want wants[] = { BOOL, BOOL, BOOL, NUMBER, INTEGER, TIME, ADDRESS, MAC };

	(void)state;
	for (uint32_t i = 0; i < TREES; i++) {
		if (i % (TREES / BATCHES) == 0) {
			model_fill();
		}
		model_clear();
		check_tree(model_grow(wants[model_below(8)], 1 + model_below(5), false),
		           model_below(2) == 0);
	}
}

/* Chains, as filters are: cheap terms and costly ones in any order. */
static void
test_and_chains(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < TREES / 10; i++) {
		struct node *root;
		uint32_t terms = 2 + model_below(5);

		if (i % (TREES / BATCHES) == 0) {
			model_fill();
		}
		model_clear();
		root = model_grow(BOOL, 1, true);
		for (uint32_t j = 1; j < terms; j++) {
			struct node *term = model_grow(BOOL, 1, true);

			root = model_below(2) == 0 ? model_node(BINARY, " and ", root, term, NULL)
			                           : model_node(BINARY, " and ", term, root, NULL);
		}
		check_tree(root, true);
	}
}

/* Every divisor that may go wrong with every dividend that may. */
static void
test_division(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 2000; i++) {
		struct node *divisor = (model_clear(), model_literal(LM_I64));
		enum lm_type type = model_below(2) == 0 ? LM_I64 : LM_U64;
		const char *op = model_below(2) == 0 ? "/" : "%";
		struct node *by = divisor;

		if (i % 100 == 0) {
			model_fill();
		}
		divisor->value.bits = i < 64    ? UINT64_C(1) << i
		                      : i < 127 ? (UINT64_C(1) << (i - 63)) - 1
		                      : i < 190 ? (UINT64_C(1) << (i - 126)) + 1
		                                : model_random() >> model_below(64);
		divisor->value.type = divisor->value.bits > INT64_MAX ? LM_U64 : LM_I64;
		snprintf(divisor->text, sizeof(divisor->text), "%llu",
		         (unsigned long long)divisor->value.bits);
		if (model_below(3) == 0) {
			by = model_node(UNARY, "-", divisor, NULL, NULL);
		}
		check_tree(model_node(BINARY, op, model_field(type), by, NULL), false);
		if (divisor->value.type == LM_I64 && divisor->value.bits != 0) {
			check_tree(model_node(CALL, "floor", model_field(type), divisor, NULL),
			           false);
		}
	}
}

static int
start(void **state)
{
	const char *seed = getenv("LODEMILL_SEED");

	(void)state;
	model_start(seed == NULL ? 20200131 : strtoull(seed, NULL, 0));
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	model_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_trees),
		cmocka_unit_test(test_and_chains),
		cmocka_unit_test(test_division),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
