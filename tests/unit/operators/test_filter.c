/* SPDX-License-Identifier: BSD-3-Clause */
/* filter: which rows pass, of batches and of selections, and that all others are counted. */
#include "tests/unit/operators/fake_op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_rows(void **state)
{
	static const struct fake_param params[] = { { "where", NULL, "k > 3 and word != \"no\"" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("k:u64 word:string");
	const struct lm_schema *input = &schema;
	struct fake_operator *subject = fake_configure(fake_class("filter"), params, &input, 1);
	struct lm_batch *in =
	    fake_rows(&schema, (const char *[]){ "1|a", "4|b", "5|no", "9|c", "3|d", NULL });
	struct lm_select select;
	struct lm_op *op;

	(void)state;
	assert_non_null(subject);
	op = fake_open(subject, 0);
	fake_process(op, in);
	assert_int_equal(op->output[0].rows, 2);
	fake_expect(op, 0, 0, "4|b");
	fake_expect(op, 0, 1, "9|c");
	assert_int_equal(op->drops[0], 3);
	/* Only what was selected is looked at. */
	lm_select_begin(&select, in);
	lm_select_add(&select, 0);
	lm_select_add(&select, 2);
	lm_select_add(&select, 3);
	fake_process_select(op, &select);
	assert_int_equal(op->output[0].rows, 3);
	fake_expect(op, 0, 2, "9|c");
	assert_int_equal(op->drops[0], 5);
	assert_int_equal(op->rows_in, 8);
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

/* All and none: the batch goes on whole, or nothing does. */
static void
test_all_and_none(void **state)
{
	static const struct fake_param params[] = { { "where", NULL, "k < 100" }, { 0 } };
	struct lm_schema schema = fake_schema("k:u8");
	const struct lm_schema *input = &schema;
	struct fake_operator *subject = fake_configure(fake_class("filter"), params, &input, 1);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *all = fake_rows(&schema, (const char *[]){ "1", "2", NULL });
	struct lm_batch *none = fake_rows(&schema, (const char *[]){ "100", "200", "250", NULL });

	(void)state;
	fake_process(op, all);
	assert_int_equal(op->output[0].rows, 2);
	assert_int_equal(op->drops[0], 0);
	fake_process(op, none);
	assert_int_equal(op->output[0].rows, 2);
	assert_int_equal(op->drops[0], 3);
	fake_close(op);
	fake_unconfigure(subject);
	free(all);
	free(none);
}

static void
test_mistakes(void **state)
{
	struct fake_param params[] = { { "where", NULL, "k + 1" }, { 0 } };
	struct lm_schema schema = fake_schema("k:u8");
	const struct lm_schema *input = &schema;

	(void)state;
	assert_null(fake_configure(fake_class("filter"), params, &input, 1));
	assert_string_equal(fake_failure.param, "where");
	assert_non_null(strstr(fake_failure.message, "not true or false"));
	params[0].text = "k > 1 and kk > 2";
	assert_null(fake_configure(fake_class("filter"), params, &input, 1));
	assert_int_equal(fake_failure.column, 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_all_and_none),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
