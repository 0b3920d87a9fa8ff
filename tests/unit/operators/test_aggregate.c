/* SPDX-License-Identifier: BSD-3-Clause */
/* aggregate: update, end and every; keys of all kinds, bounds, little room, order that must not
 * matter. */
#include "tests/draw.h"
#include "tests/unit/operators/fake_op.h"
#include "tests/unit/operators/fake_restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DROP_KEYS_FULL };

#define LINE 160u

static struct fake_operator *
make(const struct fake_param *params, const struct lm_schema *schema, uint32_t slices)
{
	return fake_make("aggregate", params, schema, slices);
}

/* The output in one order, one row a line; free(). */
static int
compare_lines(const void *a, const void *b)
{
	return strcmp(a, b);
}

static char (*sorted_output(const struct lm_op *op, uint64_t *count))[LINE]
{
	char(*line)[LINE];

	*count = op->output[0].rows;
	line = calloc(*count + 1, LINE);
	assert_non_null(line);
	for (uint64_t i = 0; i < *count; i++) {
		fake_output_text(op, 0, i, line[i], LINE);
	}
	qsort(line, *count, LINE, compare_lines);
	return line;
}

static void
test_update(void **state)
{
	static const struct fake_param params[] = {
		{ "by", NULL, "word" },
		{ "count", NULL, "rows" },
		{ "sum", "total", "v" },
		{ "emit", NULL, "update" },
		{ 0 },
	};
	static const char *const rows[] = { "10|apple|5", "11|pear|1", "12|apple|-7",
		                            "13|apple|1", "9|pear|2",  NULL };
	struct lm_schema schema = fake_schema("time:time word:string v:i32");
	struct fake_operator *subject = make(params, &schema, 4);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_rows(&schema, rows);

	(void)state;
	fake_process(op, in);
	fake_end(op);
	assert_int_equal(op->output[0].rows, 5);
	fake_expect(op, 0, 0, "apple|1|5|10");
	fake_expect(op, 0, 1, "pear|1|1|11");
	fake_expect(op, 0, 2, "apple|2|-2|12");
	fake_expect(op, 0, 3, "apple|3|-1|13");
	fake_expect(op, 0, 4, "pear|2|3|9");
	assert_int_equal(op->absorbed, 5);
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

/* A key that is the event time is not written twice; no key at all is one group. */
static void
test_update_columns(void **state)
{
	static const struct fake_param by_time[] = {
		{ "by", NULL, "time" }, { "count", NULL, "n" }, { "emit", NULL, "update" }, { 0 }
	};
	static const struct fake_param alone[] = { { "max", "max_v", "v" },
		                                   { "mean", "mean_v", "v" },
		                                   { "emit", NULL, "update" },
		                                   { 0 } };
	struct lm_schema schema = fake_schema("time:time v:u8");
	struct lm_batch *in =
	    fake_rows(&schema, (const char *const[]){ "5|1", "5|4", "6|2", NULL });
	struct fake_operator *subject = make(by_time, &schema, 1);
	struct lm_op *op = fake_open(subject, 0);

	(void)state;
	fake_process(op, in);
	fake_expect(op, 0, 0, "5|1");
	fake_expect(op, 0, 1, "5|2");
	fake_expect(op, 0, 2, "6|1");
	fake_close(op);
	fake_unconfigure(subject);
	subject = make(alone, &schema, 1);
	op = fake_open(subject, 0);
	fake_process(op, in);
	fake_expect(op, 0, 0, "1|1|5");
	fake_expect(op, 0, 1, "2.5|4|5");
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

static void
test_one_group(void **state)
{
	static const struct fake_param params[] = {
		{ "count", NULL, "n" },
		{ "min", "least", "v" },
		{ "first", "first_v", "v" },
		{ 0 },
	};
	struct lm_schema schema = fake_schema("t:time v:i8");
	struct fake_operator *subject = make(params, &schema, 1);
	struct lm_batch *in =
	    fake_rows(&schema, (const char *const[]){ "5|1", "3|-4", "3|9", "7|2", NULL });
	struct lm_op *op = fake_open(subject, 0);

	(void)state;
	fake_process(op, in);
	fake_process(op, in);
	fake_end(op);
	assert_int_equal(op->output[0].rows, 1);
	fake_expect(op, 0, 0, "8|-4|-4");
	fake_close(op);
	op = fake_open(subject, 0);
	fake_end(op);
	assert_int_equal(op->output[0].rows, 0);
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

static void
test_bound(void **state)
{
	static const char *const emits[] = { "end", "update" };

	(void)state;
	for (uint32_t e = 0; e < 2; e++) {
		const struct fake_param params[] = { { "by", NULL, "k" },
			                             { "keys", NULL, "2" },
			                             { "count", NULL, "n" },
			                             { "emit", NULL, emits[e] },
			                             { 0 } };
		struct lm_schema schema = fake_schema("k:u16");
		struct fake_operator *subject = make(params, &schema, 1);
		struct lm_batch *in =
		    fake_rows(&schema, (const char *const[]){ "1", "2", "3", "2", "4", "1", NULL });
		struct lm_op *op = fake_open(subject, 0);
		struct lm_select some;

		fake_process(op, in);
		assert_int_equal(op->drops[DROP_KEYS_FULL], 2);
		lm_select_begin(&some, in);
		lm_select_add(&some, 2);
		lm_select_add(&some, 5);
		fake_process_select(op, &some);
		fake_end(op);
		assert_int_equal(op->drops[DROP_KEYS_FULL], 3);
		assert_int_equal(op->absorbed, 5);
		assert_int_equal(op->output[0].rows, e == 0 ? 2 : 5);
		if (e == 1) {
			fake_expect(op, 0, 2, "2|2");
			fake_expect(op, 0, 4, "1|3");
		}
		fake_close(op);
		fake_unconfigure(subject);
		free(in);
	}
}

static void
test_every(void **state)
{
	static const struct fake_param params[] = {
		{ "by", NULL, "k" },
		{ "count", NULL, "n" },
		{ "emit", NULL, "every" },
		{ "period", NULL, "1ms" },
		{ 0 },
	};
	struct lm_schema schema = fake_schema("k:u16");
	struct fake_operator *subject = make(params, &schema, 1);
	struct lm_batch *first = fake_rows(&schema, (const char *const[]){ "1", "2", "1", NULL });
	struct lm_batch *second = fake_rows(&schema, (const char *const[]){ "2", "3", NULL });
	struct lm_op *op = fake_open(subject, 0);

	(void)state;
	op->room = 1;
	fake_process(op, first);
	assert_int_equal(op->output[0].rows, 0);
	fake_advance(op, 1000000);
	assert_int_equal(op->output[0].rows, 2);
	fake_expect(op, 0, 0, "1|2");
	fake_expect(op, 0, 1, "2|1");
	fake_advance(op, 5000000);
	assert_int_equal(op->output[0].rows, 2);
	fake_process(op, second);
	fake_process(op, second);
	fake_advance(op, 1000000);
	assert_int_equal(op->output[0].rows, 4);
	fake_expect(op, 0, 2, "2|3");
	fake_expect(op, 0, 3, "3|2");
	fake_process(op, first);
	fake_end(op);
	assert_int_equal(op->output[0].rows, 6);
	fake_expect(op, 0, 4, "1|4");
	fake_close(op);
	fake_unconfigure(subject);
	free(first);
	free(second);
}

static const struct fake_param all_params[] = {
	{ "by", NULL, "k" },         { "by", NULL, "word" },    { "count", NULL, "n" },
	{ "sum", "sum_i", "i" },     { "sum", "sum_f", "f" },   { "mean", "mean_f", "f" },
	{ "mean", "mean_i", "i" },   { "min", "min_f", "f" },   { "max", "max_i", "i" },
	{ "first", "first_f", "f" }, { "last", "last_i", "i" }, { 0 },
};

/* Feeds rows in an order of its own, in batches and selections of any size. */
static void
feed(struct lm_op *op, const struct lm_schema *schema, const char (*row)[LINE],
     const uint32_t *order, uint32_t count, uint64_t *seed)
{
	for (uint32_t done = 0; done < count;) {
		uint32_t rows = 1 + (uint32_t)(draw(seed) % 300);
		struct lm_batch *in = fake_batch(schema);
		struct lm_select some;

		rows = rows < count - done ? rows : count - done;
		lm_select_begin(&some, in);
		/* Now and then each row stands behind one that is not selected. */
		for (uint32_t i = 0; i < rows; i++) {
			if (done % 2 != 0) {
				assert_true(fake_add(in, "7|9|unwanted|1|1"));
			}
			lm_select_add(&some, in->count);
			assert_true(fake_add(in, row[order[done + i]]));
		}
		if (in->count == rows) {
			fake_process(op, in);
		} else {
			fake_process_select(op, &some);
		}
		done += rows;
		free(in);
	}
}

/* The same rows in any order, cut in any way, with any room: the same result. */
static void
test_order(void **state)
{
	enum { COUNT = 1500 };
	struct lm_schema schema = fake_schema("time:time k:i16 word:string i:i64 f:f64");
	struct fake_operator *subject = make(all_params, &schema, 1);
	static char row[COUNT][LINE];
	uint32_t order[COUNT];
	uint64_t seed = 3, count[2];
	char(*line[2])[LINE];

	(void)state;
	for (uint32_t i = 0; i < COUNT; i++) {
		int exponent = (int)(draw(&seed) % 60) - 30;

		snprintf(row[i], LINE, "%u|%d|%s%u|%lld|%de%d", (uint32_t)(draw(&seed) % 90),
		         (int)(draw(&seed) % 7) - 3, i % 2 == 0 ? "w" : "a quite long word ",
		         (uint32_t)(draw(&seed) % 10), (long long)draw(&seed),
		         (int)(draw(&seed) % 2000) - 1000, exponent);
		order[i] = i;
	}
	for (uint32_t round = 0; round < 8; round++) {
		struct lm_op *op = fake_open(subject, 0);

		op->room = round % 3 == 0 ? LM_BATCH_ROWS : 1 + round * 3;
		feed(op, &schema, (const char(*)[LINE])row, order, COUNT, &seed);
		fake_end(op);
		line[round > 0] = sorted_output(op, &count[round > 0]);
		if (round > 0) {
			assert_int_equal(count[1], count[0]);
			assert_true(count[0] > 60);
			for (uint64_t i = 0; i < count[0]; i++) {
				assert_string_equal(line[1][i], line[0][i]);
			}
			free(line[1]);
		}
		fake_close(op);
		for (uint32_t i = COUNT - 1; i > 0; i--) {
			uint32_t j = (uint32_t)(draw(&seed) % (i + 1)), swap = order[i];

			order[i] = order[j];
			order[j] = swap;
		}
	}
	free(line[0]);
	fake_unconfigure(subject);
}

/* Update with little room: the rows are the same as with much. */
static void
test_update_room(void **state)
{
	static const struct fake_param params[] = { { "by", NULL, "word" },
		                                    { "count", NULL, "n" },
		                                    { "sum", "s", "f" },
		                                    { "emit", NULL, "update" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("time:time k:i16 word:string i:i64 f:f64");
	struct fake_operator *subject = make(params, &schema, 1);
	struct lm_op *wide = fake_open(subject, 0), *narrow = fake_open(subject, 0);
	struct lm_batch *in = fake_batch(&schema);
	char a[LINE], b[LINE];

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		snprintf(a, sizeof(a), "%u|0|word %u|1|0.%u", i, i % 17, i);
		assert_true(fake_add(in, a));
	}
	narrow->room = 7;
	fake_process(wide, in);
	fake_process(narrow, in);
	fake_process(wide, in);
	fake_process(narrow, in);
	assert_int_equal(wide->output[0].rows, 600);
	assert_int_equal(narrow->output[0].rows, 600);
	assert_true(narrow->again_count > 50);
	for (uint64_t i = 0; i < 600; i++) {
		fake_output_text(wide, 0, i, a, sizeof(a));
		fake_output_text(narrow, 0, i, b, sizeof(b));
		assert_string_equal(a, b);
	}
	fake_close(wide);
	fake_close(narrow);
	fake_unconfigure(subject);
	free(in);
}

/* Long strings fill the byte area of an output batch before its rows: more batches then. */
static void
test_long_strings(void **state)
{
	static const struct fake_param params[] = {
		{ "by", NULL, "word" }, { "count", NULL, "n" }, { "emit", NULL, "update" }, { 0 }
	};
	static const struct fake_param at_end[] = { { "by", NULL, "word" },
		                                    { "count", NULL, "n" },
		                                    { "key_bytes", NULL, "4KiB" },
		                                    { "keys", NULL, "100" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("word:string:4096");
	char word[3001];

	(void)state;
	memset(word, 'w', sizeof(word));
	word[3000] = '\0';
	for (uint32_t mode = 0; mode < 2; mode++) {
		struct fake_operator *subject = make(mode == 0 ? params : at_end, &schema, 1);
		struct lm_op *op = fake_open(subject, 0);

		for (uint32_t i = 0; i < 30; i++) {
			struct lm_batch *in = fake_batch(&schema);

			snprintf(word, 4, "%03u", i % 20);
			word[3] = 'w';
			assert_true(fake_add(in, word));
			assert_true(fake_add(in, "short"));
			fake_process(op, in);
			free(in);
		}
		fake_end(op);
		assert_int_equal(op->output[0].rows, mode == 0 ? 60 : 21);
		assert_int_equal(op->absorbed, 60);
		fake_close(op);
		fake_unconfigure(subject);
	}
}

static void
refuse(const struct fake_param *params, const char *schema_text, uint32_t slices, const char *param,
       const char *message)
{
	struct lm_schema schema = fake_schema(schema_text);

	assert_null(fake_configure(fake_class("aggregate"), params,
	                           (const struct lm_schema *const[]){ &schema }, slices));
	assert_string_equal(fake_failure.param, param);
	if (strstr(fake_failure.message, message) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", fake_failure.message, message);
	}
}

static void
test_refused(void **state)
{
	static const struct fake_param nothing[] = { { "by", NULL, "k" }, { 0 } };
	static const struct fake_param column[] = { { "sum", "s", "vv" }, { 0 } };
	static const struct fake_param strings[] = { { "sum", "s", "word" }, { 0 } };
	static const struct fake_param name[] = { { "sum", "a b", "k" }, { 0 } };
	static const struct fake_param twice[] = { { "sum", "s", "k" },
		                                   { "min", "s", "k" },
		                                   { 0 } };
	static const struct fake_param slices[] = { { "count", NULL, "n" }, { 0 } };
	static const struct fake_param period[] = { { "count", NULL, "n" },
		                                    { "emit", NULL, "every" },
		                                    { 0 } };
	static const struct fake_param no_period[] = { { "count", NULL, "n" },
		                                       { "period", NULL, "1s" },
		                                       { 0 } };
	static const struct fake_param time[] = { { "last", "l", "k" }, { 0 } };

	(void)state;
	refuse(nothing, "k:u8", 1, "", "no aggregate");
	refuse(column, "k:u8 v:u8", 1, "sum", "no column \"vv\"");
	assert_non_null(strstr(fake_failure.hint, "v"));
	refuse(strings, "k:u8 word:string", 1, "sum", "numbers");
	refuse(name, "k:u8", 1, "sum", "\"a b\" cannot be the name");
	refuse(twice, "k:u8", 1, "min", "another aggregate");
	refuse(slices, "k:u8", 2, "", "2 slices");
	refuse(period, "k:u8", 1, "emit", "period");
	refuse(no_period, "k:u8", 1, "period", "only for");
	refuse(time, "k:u8", 1, "last", "event time");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_update),      cmocka_unit_test(test_update_columns),
		cmocka_unit_test(test_one_group),   cmocka_unit_test(test_bound),
		cmocka_unit_test(test_every),       cmocka_unit_test(test_order),
		cmocka_unit_test(test_update_room), cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_refused),     FAKE_RESTARTED(test_update_columns),
		FAKE_RESTARTED(test_one_group),     FAKE_RESTARTED(test_bound),
		FAKE_RESTARTED(test_every),         FAKE_RESTARTED(test_order),
		FAKE_RESTARTED(test_update_room),   FAKE_RESTARTED(test_long_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
