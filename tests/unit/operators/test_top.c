/* SPDX-License-Identifier: BSD-3-Clause */
/* top: by hand, and random rows in any order against sorting all of them. */
#include "tests/draw.h"
#include "tests/unit/operators/fake_op.h"
#include "tests/unit/operators/fake_restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DROP_LATE, DROP_KEYS_FULL, DROP_ROW_TOO_LONG };

#define LINE 120u

static struct fake_operator *
make(const struct fake_param *params, const struct lm_schema *schema)
{
	return fake_make("top", params, schema, 1);
}

static void
test_by_hand(void **state)
{
	static const struct fake_param params[] = { { "by", NULL, "n" },
		                                    { "k", NULL, "2" },
		                                    { 0 } };
	static const char *const rows[] = { "10|a|3", "10|b|-5", "20|c|1", "10|d|7",
		                            "10|e|3", "20|c|9",  NULL };
	struct lm_schema schema = fake_schema("t:time w:string n:i32");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_rows(&schema, rows);

	(void)state;
	fake_process(op, in);
	fake_watermark(op, 9);
	assert_int_equal(op->output[0].rows, 0);
	fake_watermark(op, 10);
	assert_int_equal(op->output[0].rows, 2);
	/* a and e are equal in n: the smaller row stands first. */
	fake_expect(op, 0, 0, "10|d|7");
	fake_expect(op, 0, 1, "10|a|3");
	fake_process(op, in);
	assert_int_equal(op->drops[DROP_LATE], 4);
	fake_end(op);
	assert_int_equal(op->output[0].rows, 4);
	fake_expect(op, 0, 2, "20|c|9");
	fake_expect(op, 0, 3, "20|c|9");
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

/* With one window, a later time lets the earlier go. */
static void
test_later_time(void **state)
{
	static const struct fake_param params[] = {
		{ "by", NULL, "n" }, { "windows", NULL, "1" }, { "k", NULL, "1" }, { 0 }
	};
	static const char *const rows[] = { "1|3", "1|4", "2|1", "3|9", "2|7", "5|1", NULL };
	struct lm_schema schema = fake_schema("t:time n:u8");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_rows(&schema, rows);

	(void)state;
	op->room = 1;
	fake_process(op, in);
	assert_int_equal(op->output[0].rows, 3);
	fake_expect(op, 0, 0, "1|4");
	fake_expect(op, 0, 1, "2|1");
	fake_expect(op, 0, 2, "3|9");
	assert_int_equal(op->drops[DROP_LATE], 1);
	fake_end(op);
	fake_expect(op, 0, 3, "5|1");
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

static void
test_bounds(void **state)
{
	static const struct fake_param params[] = {
		{ "by", NULL, "n" },           { "per", NULL, "w" }, { "keys", NULL, "2" },
		{ "string_bytes", NULL, "6" }, { "k", NULL, "1" },   { 0 }
	};
	static const char *const rows[] = { "a|3", "b|4", "c|5", "a|9", "a|1", NULL };
	struct lm_schema schema = fake_schema("w:string n:f32");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_rows(&schema, rows);
	struct lm_batch *more =
	    fake_rows(&schema, (const char *const[]){ "too long|4", "sixsix|1", NULL });

	(void)state;
	/* Without event time all is one window. */
	fake_process(op, in);
	assert_int_equal(op->drops[DROP_KEYS_FULL], 1);
	fake_watermark(op, 1000);
	assert_int_equal(op->output[0].rows, 0);
	fake_end(op);
	assert_int_equal(op->output[0].rows, 2);
	fake_expect(op, 0, 0, "a|9");
	fake_expect(op, 0, 1, "b|4");
	fake_close(op);
	op = fake_open(subject, 0);
	fake_process(op, more);
	assert_int_equal(op->drops[DROP_ROW_TOO_LONG], 1);
	fake_end(op);
	fake_expect(op, 0, 0, "sixsix|1");
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
	free(more);
}

/* A window that is used again knows nothing of before. */
static void
test_reuse(void **state)
{
	static const struct fake_param params[] = {
		{ "by", NULL, "n" },   { "per", NULL, "key" }, { "windows", NULL, "1" },
		{ "keys", NULL, "2" }, { "k", NULL, "1" },     { 0 }
	};
	static const char *const rows[] = { "1|10|3", "1|20|4", "2|30|5", "2|40|6",
		                            "2|30|7", "3|20|8", NULL };
	struct lm_schema schema = fake_schema("t:time key:u32 n:u8");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_rows(&schema, rows);

	(void)state;
	fake_process(op, in);
	fake_end(op);
	assert_int_equal(op->drops[DROP_KEYS_FULL], 0);
	assert_int_equal(op->output[0].rows, 5);
	fake_expect(op, 0, 0, "1|10|3");
	fake_expect(op, 0, 1, "1|20|4");
	fake_expect(op, 0, 2, "2|30|7");
	fake_expect(op, 0, 3, "2|40|6");
	fake_expect(op, 0, 4, "3|20|8");
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

/* Equal values: the rest of the row decides, column by column, each in its own order. */
static void
test_ties(void **state)
{
	static const struct fake_param params[] = { { "by", NULL, "n" },
		                                    { "k", NULL, "9" },
		                                    { 0 } };
	static const char *const ranked[] = {
		"a|b|1|-2|0.5|::1", "a|b|1|-2|0.5|::2",  "a|b|1|-1|-0.5|::1",
		"a|b|1|1|-1.5|::1", "a|b|1|1|0.5|::1",   "a|c|1|0|0.5|::1",
		"ab|a|1|0|0.5|::1", "ab|aa|1|0|0.5|::1", "abc||1|0|0.5|::1",
	};
	struct lm_schema schema = fake_schema("s:string t:string n:u8 i:i16 f:f32 a:ip6");
	struct fake_operator *subject = make(params, &schema);

	(void)state;
	for (uint32_t turn = 0; turn < 9; turn++) {
		struct lm_op *op = fake_open(subject, 0);
		struct lm_batch *in = fake_batch(&schema);
		char text[LINE];

		assert_true(fake_add(in, "zz|z|1|9|0.5|::1"));
		for (uint32_t i = 0; i < 9; i++) {
			assert_true(fake_add(in, ranked[(i * 4 + turn) % 9]));
		}
		fake_process(op, in);
		fake_end(op);
		assert_int_equal(op->output[0].rows, 9);
		for (uint32_t i = 0; i < 9; i++) {
			fake_output_text(op, 0, i, text, sizeof(text));
			assert_string_equal(text, ranked[i]);
		}
		fake_close(op);
		free(in);
	}
	fake_unconfigure(subject);
}

/* A NaN is worth less than any number. */
static void
test_nan(void **state)
{
	static const struct fake_param params[] = { { "by", NULL, "n" },
		                                    { "k", NULL, "3" },
		                                    { 0 } };
	static const char *const rows[] = { "nan", "-inf", "-nan", "2.5", NULL };
	struct lm_schema schema = fake_schema("n:f64");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_rows(&schema, rows);

	(void)state;
	fake_process(op, in);
	fake_end(op);
	fake_expect(op, 0, 0, "2.5");
	fake_expect(op, 0, 1, "-inf");
	assert_int_equal(op->output[0].rows, 3);
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

/*
 * Random rows of few values, so that many are equal, against sorting them.
 */

enum { COUNT = 2000, TIMES = 12 };

struct top_row {
	int64_t time;
	int32_t n;
	uint32_t key, id;
};

/* The order of the output: time, key, greatest n, smallest id. */
static int
compare_rows(const void *x, const void *y)
{
	const struct top_row *a = x, *b = y;

	if (a->time != b->time) {
		return a->time < b->time ? -1 : 1;
	}
	if (a->key != b->key) {
		return a->key < b->key ? -1 : 1;
	}
	if (a->n != b->n) {
		return a->n > b->n ? -1 : 1;
	}
	return (a->id > b->id) - (a->id < b->id);
}

static void
feed(struct lm_op *op, const struct lm_schema *schema, const struct top_row *row, uint64_t *seed)
{
	for (uint32_t done = 0; done < COUNT;) {
		uint32_t rows = 1 + (uint32_t)(draw(seed) % 300);
		struct lm_batch *in = fake_batch(schema);
		struct lm_select some;
		bool selected = draw(seed) % 2 == 0;

		lm_select_begin(&some, in);
		for (; rows > 0 && done < COUNT; rows--, done++) {
			char text[LINE];

			snprintf(text, sizeof(text), "%d|%u|id %04u|%lld", row[done].n,
			         row[done].key, row[done].id, (long long)row[done].time);
			if (selected) {
				assert_true(fake_add(in, "2000000000|0|unwanted|3"));
			}
			lm_select_add(&some, in->count);
			assert_true(fake_add(in, text));
		}
		if (selected) {
			fake_process_select(op, &some);
		} else {
			fake_process(op, in);
		}
		free(in);
	}
}

/* Checks the output, which may have the keys of a time in any order, against sorted rows. */
static void
check(const struct lm_op *op, const struct top_row *row, uint32_t k, bool per)
{
	uint64_t rows = op->output[0].rows, expected = 0;
	struct top_row *got = calloc(rows + 1, sizeof(*got));
	char text[LINE];

	assert_non_null(got);
	for (uint64_t i = 0; i < rows; i++) {
		long long time;
		const struct top_row *before = &got[i - 1];

		fake_output_text(op, 0, i, text, sizeof(text));
		assert_int_equal(
		    sscanf(text, "%d|%u|id %u|%lld", &got[i].n, &got[i].key, &got[i].id, &time), 4);
		got[i].time = time;
		if (i > 0 && got[i].time == before->time && (!per || got[i].key == before->key)) {
			assert_true(got[i].n <= before->n);
		}
		if (i > 0) {
			assert_true(got[i].time >= before->time);
		}
		if (!per) {
			got[i].key = 0;
		}
	}
	qsort(got, rows, sizeof(*got), compare_rows);
	for (uint32_t i = 0, rank = 0; i < COUNT; i++) {
		bool is_same =
		    i > 0 && row[i].time == row[i - 1].time && row[i].key == row[i - 1].key;

		rank = is_same ? rank + 1 : 0;
		if (rank < k) {
			assert_true(expected < rows);
			assert_int_equal(compare_rows(&got[expected], &row[i]), 0);
			expected++;
		}
	}
	assert_int_equal(rows, expected);
	free(got);
}

static void
run_random(uint32_t k, bool per, uint64_t seed)
{
	char k_text[16];
	const struct fake_param params[] = { { "by", NULL, "n" },
		                             { "k", NULL, k_text },
		                             { per ? "per" : NULL, NULL, "key" },
		                             { 0 } };
	struct lm_schema schema = fake_schema("n:i32 key:u32 id:string time:time");
	struct fake_operator *subject;
	struct top_row row[COUNT], sorted[COUNT];

	snprintf(k_text, sizeof(k_text), "%u", k);
	subject = make(params, &schema);
	for (uint32_t i = 0; i < COUNT; i++) {
		row[i].time = (int64_t)(draw(&seed) % TIMES) - 5;
		row[i].n = (int32_t)(draw(&seed) % 100) - 50;
		row[i].key = per ? (uint32_t)(draw(&seed) % 5) : 0;
		row[i].id = (uint32_t)(draw(&seed) % 1000);
	}
	memcpy(sorted, row, sizeof(sorted));
	qsort(sorted, COUNT, sizeof(sorted[0]), compare_rows);
	for (uint32_t round = 0; round < 3; round++) {
		struct lm_op *op = fake_open(subject, 0);

		op->room = round == 0 ? LM_BATCH_ROWS : round * 5;
		feed(op, &schema, row, &seed);
		for (int64_t time = -9; time < TIMES; time += 4) {
			fake_watermark(op, time);
		}
		fake_end(op);
		assert_int_equal(op->absorbed, COUNT);
		check(op, sorted, k, per);
		fake_close(op);
		for (uint32_t i = COUNT - 1; i > 0; i--) {
			uint32_t j = (uint32_t)(draw(&seed) % (i + 1));
			struct top_row swap = row[i];

			row[i] = row[j];
			row[j] = swap;
		}
	}
	fake_unconfigure(subject);
}

static void
test_random(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		run_random(1, false, seed);
		run_random(7, false, seed + 10);
		run_random(10, true, seed + 20);
		run_random(500, false, seed + 30);
	}
}

static void
test_refused(void **state)
{
	static const struct fake_param by_text[] = { { "by", NULL, "w" }, { 0 } };
	struct lm_schema schema = fake_schema("w:string n:u8");
	struct lm_schema frames = fake_schema("f:frame n:u8");
	static const struct fake_param by_n[] = { { "by", NULL, "n" }, { 0 } };

	(void)state;
	assert_null(fake_configure(fake_class("top"), by_text,
	                           (const struct lm_schema *const[]){ &schema }, 1));
	assert_string_equal(fake_failure.param, "by");
	assert_non_null(strstr(fake_failure.message, "string"));
	assert_null(fake_configure(fake_class("top"), by_n,
	                           (const struct lm_schema *const[]){ &frames }, 1));
	assert_non_null(strstr(fake_failure.message, "\"f\""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand), cmocka_unit_test(test_later_time),
		cmocka_unit_test(test_bounds),  cmocka_unit_test(test_nan),
		cmocka_unit_test(test_reuse),   cmocka_unit_test(test_ties),
		cmocka_unit_test(test_random),  cmocka_unit_test(test_refused),
		FAKE_RESTARTED(test_by_hand),   FAKE_RESTARTED(test_bounds),
		FAKE_RESTARTED(test_ties),      FAKE_RESTARTED(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
