/* SPDX-License-Identifier: BSD-3-Clause */
/* null_sink: a checksum that knows rows but not their order, and slowness that never waits. */
#include "tests/unit/operators/fake_op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct fake_param with_checksum[] = { { "checksum", NULL, "true" }, { 0 } };

/* The checksum of a table of rows. */
static uint64_t
checksum(const char *types, const char *const *rows)
{
	struct lm_schema schema = fake_schema(types);
	const struct lm_schema *input = &schema;
	struct fake_operator *subject =
	    fake_configure(fake_class("null_sink"), with_checksum, &input, 1);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_rows(&schema, rows);
	uint64_t sum;

	fake_process(op, in);
	sum = op->gauge[0];
	assert_string_equal(op->gauge_name[0], "checksum");
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
	return sum;
}

#define SUM(types, ...) checksum(types, (const char *[]){ __VA_ARGS__, NULL })

static void
test_checksum(void **state)
{
	static const char types[] = "a:u8 b:u16 c:i32 d:f64 s:string e:ip6 z:bytes";
	uint64_t sum = SUM(types, "1|2|3|4.5|six|::7|x", "8|9|10|11|twelve|::d|");

	(void)state;
	assert_int_equal(sum, SUM(types, "8|9|10|11|twelve|::d|", "1|2|3|4.5|six|::7|x"));
	assert_int_not_equal(sum, SUM(types, "1|2|3|4.5|six|::7|x", "8|9|10|11|twelv|::d|e"));
	assert_int_not_equal(sum, SUM(types, "1|2|3|4.5|six|::7|x", "8|9|10|11|twelve|::e|"));
	assert_int_not_equal(sum, SUM(types, "2|1|3|4.5|six|::7|x", "8|9|10|11|twelve|::d|"));
	/* Columns of two rows swapped. */
	assert_int_not_equal(SUM("a:u8 b:u8", "1|2", "3|4"), SUM("a:u8 b:u8", "1|4", "3|2"));
	assert_int_not_equal(SUM("a:string", "abcdefgh", "i"), SUM("a:string", "abcdefghi", ""));
	assert_int_not_equal(SUM("a:u8", "0"), SUM("a:u8", "0", "0"));
}

static void
test_selection(void **state)
{
	struct lm_schema schema = fake_schema("a:u64");
	const struct lm_schema *input = &schema;
	struct fake_operator *subject =
	    fake_configure(fake_class("null_sink"), with_checksum, &input, 1);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_rows(&schema, (const char *[]){ "1", "2", "3", NULL });
	struct lm_select select;

	(void)state;
	lm_select_begin(&select, in);
	lm_select_add(&select, 1);
	lm_select_add(&select, 2);
	fake_process_select(op, &select);
	assert_int_equal(op->absorbed, 2);
	assert_int_equal(op->gauge[0], SUM("a:u64", "3", "2"));
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

static void
test_delay(void **state)
{
	static const struct fake_param params[] = { { "delay", NULL, "50us" },
		                                    { "checksum", NULL, "true" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("a:u64");
	const struct lm_schema *input = &schema;
	struct fake_operator *subject = fake_configure(fake_class("null_sink"), params, &input, 1);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_rows(&schema, (const char *[]){ "1", "2", "3", "4", NULL });
	int64_t start = op->now_ns;

	(void)state;
	op->turn_ns = 20000;
	fake_process(op, in);
	/* The last row is through 200 us after the first was begun: seen in the turn at 200 us. */
	assert_int_equal(op->now_ns - start, 220000);
	assert_int_equal(op->absorbed, 4);
	assert_int_equal(op->again_count, 10);
	assert_int_equal(op->gauge[0], SUM("a:u64", "1", "2", "3", "4"));
	/* Idle time is not saved up. */
	fake_advance(op, 1000000000);
	start = op->now_ns;
	fake_process(op, in);
	assert_int_equal(op->now_ns - start, 220000);
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

static void
test_bounds(void **state)
{
	static const struct fake_param params[] = { { "delay", NULL, "2s" }, { 0 } };
	struct lm_schema schema = fake_schema("a:u64");
	const struct lm_schema *input = &schema;

	(void)state;
	assert_null(fake_configure(fake_class("null_sink"), params, &input, 1));
	assert_string_equal(fake_failure.param, "delay");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_selection),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
