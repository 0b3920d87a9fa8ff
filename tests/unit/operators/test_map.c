/* SPDX-License-Identifier: BSD-3-Clause */
/* map: computed, kept, replaced and renamed columns, of batches and selections, also wider than the
 * input. */
#include "tests/unit/operators/fake_op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct fake_operator *
make(const struct fake_param *params, const struct lm_schema *input)
{
	return fake_make("map", params, input, 1);
}

static void
test_keep_all(void **state)
{
	static const struct fake_param params[] = { { "set", "k", "k + 1" },
		                                    { "set", "twice", "2 * k" },
		                                    { "set", "name", "word" },
		                                    { "set", "long", "k > 5" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("t:time k:u32 word:string");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in =
	    fake_rows(&schema, (const char *[]){ "10|4|four", "20|5|", "30|6|six six", NULL });
	struct lm_select select;

	(void)state;
	assert_int_equal(subject->output[0].field_count, 6);
	assert_string_equal(subject->output[0].field[1].name, "k");
	assert_string_equal(subject->output[0].field[4].name, "name");
	fake_process(op, in);
	fake_expect(op, 0, 0, "10|5|four|8|four|false");
	fake_expect(op, 0, 1, "20|6||10||false");
	fake_expect(op, 0, 2, "30|7|six six|12|six six|true");
	lm_select_begin(&select, in);
	lm_select_add(&select, 0);
	lm_select_add(&select, 2);
	fake_process_select(op, &select);
	assert_int_equal(op->output[0].rows, 5);
	fake_expect(op, 0, 3, "10|5|four|8|four|false");
	fake_expect(op, 0, 4, "30|7|six six|12|six six|true");
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

static void
test_keep_some_and_none(void **state)
{
	static const struct fake_param some[] = {
		{ "keep", NULL, "word" }, { "keep", NULL, "t" }, { "set", "x", "k / 2" }, { 0 }
	};
	static const struct fake_param none[] = { { "keep", NULL, NULL },
		                                  { "set", "k", "k * 10" },
		                                  { 0 } };
	struct lm_schema schema = fake_schema("t:time k:u32 word:string");
	struct lm_batch *in = fake_rows(&schema, (const char *[]){ "10|4|four", NULL });
	struct fake_operator *subject = make(some, &schema);
	struct lm_op *op = fake_open(subject, 0);

	(void)state;
	fake_process(op, in);
	fake_expect(op, 0, 0, "four|10|2");
	fake_close(op);
	fake_unconfigure(subject);
	subject = make(none, &schema);
	op = fake_open(subject, 0);
	fake_process(op, in);
	fake_expect(op, 0, 0, "40");
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

/* Every batch is full of rows or of bytes, and so is what comes out; output batches may be smaller.
 */
static void
test_full_batches(void **state)
{
	static const struct fake_param params[] = { { "set", "i", "i + 1" }, { 0 } };
	struct lm_schema schema = fake_schema("i:u32 word:string:20000");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op;
	uint64_t next = 0;

	(void)state;
	subject->output[0] = fake_schema_rows("i:u64 word:string:20000", 300);
	op = fake_open(subject, 0);
	for (uint32_t b = 0; b < 5; b++) {
		struct lm_batch *in = fake_batch(&schema);
		char row[64];

		do {
			snprintf(row, sizeof(row), "%u|%0*u", (uint32_t)next, b % 2 == 0 ? 10 : 30,
			         (uint32_t)next);
			next++;
		} while (fake_add(in, row) && in->count < LM_BATCH_ROWS);
		next -= in->count < LM_BATCH_ROWS;
		fake_process(op, in);
		free(in);
	}
	assert_int_equal(op->output[0].rows, next);
	for (uint64_t row = 0; row < next; row++) {
		char text[64];

		fake_output_text(op, 0, row, text, sizeof(text));
		assert_int_equal(strtoull(text, NULL, 10), row + 1);
		assert_int_equal(strtoull(strchr(text, '|') + 1, NULL, 10), row);
	}
	fake_close(op);
	fake_unconfigure(subject);
}

/* A few rows of many bytes: what two batches hold need not fit into one. */
static void
test_few_long_strings(void **state)
{
	static const struct fake_param params[] = { { "set", "i", "i + 1" }, { 0 } };
	struct lm_schema schema = fake_schema("i:u32 word:string:20000");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	char row[10000];

	(void)state;
	for (uint32_t b = 0; b < 5; b++) {
		snprintf(row, sizeof(row), "%u|%08999u", b, b);
		for (uint32_t k = 0; k < 2; k++) {
			struct lm_batch *in = fake_rows(&schema, (const char *[]){ row, NULL });

			fake_process(op, in);
			free(in);
		}
		snprintf(row, sizeof(row), "%u|%08999u", b + 1, b);
		fake_expect(op, 0, 2 * b + 1, row);
	}
	fake_close(op);
	fake_unconfigure(subject);
}

static void
test_mistakes(void **state)
{
	struct fake_param params[] = { { "set", "x", "kk + 1" }, { 0 }, { 0 } };
	struct lm_schema schema = fake_schema("k:u32 packet:frame");
	const struct lm_schema *input = &schema;
	struct fake_operator *subject;

	(void)state;
	assert_null(fake_configure(fake_class("map"), params, &input, 1));
	assert_string_equal(fake_failure.param, "set");
	assert_int_equal(fake_failure.item, 0);
	assert_int_equal(fake_failure.column, 0);
	params[0].text = "k + 1";
	params[1] = (struct fake_param){ "keep", NULL, "packet" };
	assert_null(fake_configure(fake_class("map"), params, &input, 1));
	assert_string_equal(fake_failure.param, "keep");
	/* Without `keep` the frame is left out. */
	params[1].name = NULL;
	subject = make(params, &schema);
	assert_int_equal(subject->output[0].field_count, 2);
	fake_unconfigure(subject);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep_all),     cmocka_unit_test(test_keep_some_and_none),
		cmocka_unit_test(test_full_batches), cmocka_unit_test(test_few_long_strings),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
