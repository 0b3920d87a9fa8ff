/* SPDX-License-Identifier: BSD-3-Clause */
/* window_aggregate: by hand, and random rows, watermarks and room against the slow way. */
#include "tests/draw.h"
#include "tests/unit/operators/fake_op.h"
#include "tests/unit/operators/fake_restart.h"
#include "tests/unit/rounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DROP_KEYS_FULL, DROP_WINDOWS_FULL };
enum { OUT, LATE };

#define LINE 160u
#define KEY 60u

static struct fake_operator *
make(const struct fake_param *params, const struct lm_schema *schema)
{
	return fake_make("window_aggregate", params, schema, 1);
}

static int64_t
hold(struct lm_op *op, int64_t time_ns)
{
	return op->subject->class->hold(op, time_ns);
}

static void
test_by_hand(void **state)
{
	static const struct fake_param params[] = { { "window", NULL, "tumbling 10ns" },
		                                    { "by", NULL, "k" },
		                                    { "count", NULL, "n" },
		                                    { "sum", "v", "v" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("t:time k:u8 v:u16");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *first =
	    fake_rows(&schema, (const char *const[]){ "3|1|5", "12|1|6", "9|2|7", "3|1|1", NULL });
	struct lm_batch *second =
	    fake_rows(&schema, (const char *const[]){ "9|1|5", "10|1|6", "0|1|8", NULL });

	(void)state;
	fake_process(op, first);
	fake_watermark(op, 8);
	assert_int_equal(op->output[OUT].rows, 0);
	fake_watermark(op, 9);
	assert_int_equal(op->output[OUT].rows, 2);
	fake_expect(op, OUT, 0, "0|1|2|6");
	fake_expect(op, OUT, 1, "0|2|1|7");
	fake_process(op, second);
	assert_int_equal(op->output[LATE].rows, 2);
	fake_expect(op, LATE, 0, "9|1|5");
	fake_expect(op, LATE, 1, "0|1|8");
	assert_int_equal(op->gauge[0], 2);
	assert_string_equal(op->gauge_name[0], "late");
	fake_end(op);
	assert_int_equal(op->output[OUT].rows, 3);
	fake_expect(op, OUT, 2, "10|1|2|12");
	fake_close(op);
	fake_unconfigure(subject);
	free(first);
	free(second);
}

/* Event time that goes on stays before the windows that are still to come. */
static void
test_hold(void **state)
{
	static const struct fake_param params[] = { { "window", NULL, "tumbling 10ns" },
		                                    { "lateness", NULL, "3ns" },
		                                    { "count", NULL, "n" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("t:time");
	struct fake_operator *subject = make(params, &schema);
	struct lm_batch *in = fake_rows(&schema, (const char *const[]){ "3", "-8", "14", NULL });
	struct lm_op *op = fake_open(subject, 0);

	(void)state;
	assert_true(hold(op, 5) == INT64_MIN);
	fake_process(op, in);
	fake_watermark(op, 1);
	assert_int_equal(op->output[OUT].rows, 0);
	assert_true(hold(op, 1) == -11);
	fake_watermark(op, 2);
	assert_int_equal(op->output[OUT].rows, 1);
	fake_expect(op, OUT, 0, "-10|1");
	assert_true(hold(op, 2) == -1);
	fake_watermark(op, 11);
	assert_int_equal(op->output[OUT].rows, 1);
	assert_true(hold(op, 11) == -1);
	fake_watermark(op, 12);
	assert_int_equal(op->output[OUT].rows, 2);
	assert_true(hold(op, 12) == 9);
	fake_watermark(op, INT64_MAX);
	assert_int_equal(op->output[OUT].rows, 3);
	fake_process(op, in);
	assert_int_equal(op->output[LATE].rows, 3);
	fake_end(op);
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

static void
test_windows_full(void **state)
{
	static const struct fake_param params[] = { { "window", NULL, "tumbling  10ns" },
		                                    { "windows", NULL, "2" },
		                                    { "count", NULL, "n" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("t:time");
	struct fake_operator *subject = make(params, &schema);
	struct lm_batch *in =
	    fake_rows(&schema, (const char *const[]){ "3", "15", "25", "16", "37", "5", NULL });
	struct lm_op *op = fake_open(subject, 0);

	(void)state;
	fake_process(op, in);
	assert_int_equal(op->drops[DROP_WINDOWS_FULL], 2);
	fake_watermark(op, 9);
	fake_process(op, in);
	assert_int_equal(op->drops[DROP_WINDOWS_FULL], 3);
	assert_int_equal(op->output[LATE].rows, 2);
	fake_end(op);
	assert_int_equal(op->output[OUT].rows, 3);
	fake_expect(op, OUT, 0, "0|2");
	fake_expect(op, OUT, 1, "10|4");
	fake_expect(op, OUT, 2, "20|1");
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

/*
 * Keys around the table by key: where it begins, past its end, and the bound on all of them,
 * exactly.
 */
static void
test_near_and_far(void **state)
{
	static const struct fake_param params[] = { { "window", NULL, "tumbling 1us" },
		                                    { "by", NULL, "k" },
		                                    { "keys", NULL, "4096" },
		                                    { "sum", "v", "v" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("t:time k:u64 v:u8");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	uint64_t groups = 0;

	(void)state;
	/* The first batch is near; then come 40 keys a batch, half of them far away. */
	for (uint64_t b = 0; b < 130; b++) {
		struct lm_batch *in = fake_batch(&schema);
		char row[LINE];

		for (uint64_t i = 0; i < 40; i++) {
			uint64_t key =
			    1000000 + b * 20 + i / 2 + (b > 0 && i % 2 != 0 ? UINT64_MAX / 2 : 0);

			snprintf(row, sizeof(row), "5|%llu|1", (unsigned long long)key);
			assert_true(fake_add(in, row));
		}
		/* In the first batch every key comes twice. */
		groups += b == 0 ? 20 : 40;
		fake_process(op, in);
		free(in);
		assert_int_equal(op->drops[DROP_KEYS_FULL], groups > 4096 ? groups - 4096 : 0);
	}
	assert_true(groups > 4500);
	fake_end(op);
	assert_int_equal(op->output[OUT].rows, 4096);
	assert_int_equal(op->absorbed, 130 * 40 - op->drops[DROP_KEYS_FULL]);
	fake_close(op);
	fake_unconfigure(subject);
}

/* Keys that all have a place, but are too many. */
static void
test_near_bound(void **state)
{
	static const struct fake_param sums[] = { { "window", NULL, "tumbling 10ns" },
		                                  { "by", NULL, "k" },
		                                  { "keys", NULL, "100" },
		                                  { "sum", "v", "v" },
		                                  { 0 } };
	static const struct fake_param counts[] = { { "window", NULL, "tumbling 10ns" },
		                                    { "by", NULL, "k" },
		                                    { "keys", NULL, "100" },
		                                    { "count", NULL, "n" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("t:time k:u16 v:u8");

	(void)state;
	for (uint32_t mode = 0; mode < 2; mode++) {
		struct fake_operator *subject = make(mode == 0 ? sums : counts, &schema);
		struct lm_op *op = fake_open(subject, 0);

		/* 30 keys a batch, 10 of them new, so 130 in all; in each batch the last come
		 * twice. */
		for (uint32_t b = 0; b < 11; b++) {
			struct lm_batch *in = fake_batch(&schema);
			uint32_t full = b * 10 + 30 > 100 ? b * 10 + 30 - 100 : 0;
			uint64_t before = op->drops[DROP_KEYS_FULL];
			char row[LINE];

			full = full < 30 ? full : 30;
			for (uint32_t i = 0; i < 60; i++) {
				snprintf(row, sizeof(row), "5|%u|1", b * 10 + i % 30);
				assert_true(fake_add(in, row));
			}
			fake_process(op, in);
			fake_process(op, in);
			assert_int_equal(op->drops[DROP_KEYS_FULL] - before, full * 4);
			free(in);
		}
		fake_end(op);
		assert_int_equal(op->output[OUT].rows, 100);
		fake_close(op);
		fake_unconfigure(subject);
	}
}

/* Some keys have a place in the table, some are left to the map; counts alone take another way. */
static void
test_mixed(void **state)
{
	static const struct fake_param sums[] = {
		{ "window", NULL, "tumbling 10ns" }, { "by", NULL, "k" }, { "sum", "v", "v" }, { 0 }
	};
	static const struct fake_param counts[] = { { "window", NULL, "tumbling 10ns" },
		                                    { "by", NULL, "k" },
		                                    { "count", NULL, "n" },
		                                    { 0 } };
	static const char *const near[] = { "5|7|1", "6|4000|1", "5|7|1", NULL };
	static const char *const far[] = { "5|7|1", "9|900000|1", "9|4096|1", "1|4000|1", NULL };
	static const char *const later[] = { "12|7|1", "5|900000|1", "5|7|1", NULL };
	static const char *const expected[] = { "0|7|9", "0|4000|5", "0|4096|3", "0|900000|5",
		                                "10|7|2" };
	struct lm_schema schema = fake_schema("t:time k:u32 v:u8");
	char text[LINE];

	(void)state;
	for (uint32_t mode = 0; mode < 4; mode++) {
		struct fake_operator *subject = make(mode % 2 == 0 ? sums : counts, &schema);
		struct lm_op *op = fake_open(subject, 0);
		const char *const *const table[] = { near, far, near, far, later, later, far };

		for (uint32_t i = 0; i < 7; i++) {
			struct lm_batch *in = fake_rows(&schema, table[i]);
			struct lm_select all;

			lm_select_begin(&all, in);
			for (uint32_t r = 0; r < in->count; r++) {
				lm_select_add(&all, r);
			}
			if (mode < 2) {
				fake_process(op, in);
			} else {
				fake_process_select(op, &all);
			}
			free(in);
		}
		fake_end(op);
		assert_int_equal(op->output[OUT].rows, 5);
		for (uint32_t i = 0; i < 5; i++) {
			bool found = false;

			for (uint32_t row = 0; row < 5; row++) {
				fake_output_text(op, OUT, row, text, sizeof(text));
				found |= strcmp(text, expected[i]) == 0;
			}
			if (!found) {
				fail_msg("mode %u: no row %s", mode, expected[i]);
			}
		}
		fake_close(op);
		fake_unconfigure(subject);
	}
}

/*
 * Random streams against the slow way. A row: time, key (as number), word, value.
 */

enum { COUNT = 3000, KEYS = 60 };

struct stream_row {
	int64_t time;
	uint32_t key;
	int32_t value;
	double real;
	bool late, dropped;
};

struct stream_case {
	const char *schema;  /* key column: `k` */
	const char *by;      /* NULL: one group */
	bool word;           /* the key is written as a word */
	uint64_t key_factor; /* spreads keys out */
	uint64_t key_offset;
	const char *windows;
	const char *keys;
	uint32_t lateness;
	bool small_time_steps;
	bool only_counts;
};

static const struct stream_case stream_cases[] = {
	{ "t:time k:u32 v:i32 f:f64", "k", false, 1, 0, "80", "4096", 0, true, false },
	{ "t:time k:u32 v:i32 f:f64", "k", false, 1, 0, "80", "4096", 35, false, false },
	{ "t:time k:u64 v:i32 f:f64", "k", false, 1, 1u << 30, "80", "4096", 0, true, false },
	{ "t:time k:u64 v:i32 f:f64", "k", false, 500, 77, "80", "4096", 12, false, false },
	{ "t:time k:u64 v:i32 f:f64", "k", false, 1, 0, "80", "100", 0, false, false },
	{ "t:time k:i64 v:i32 f:f64", "k", false, 1000003, 5, "80", "5000", 0, false, false },
	{ "t:time k:string v:i32 f:f64", "k", true, 1, 0, "80", "4096", 20, false, false },
	{ "t:time k:u32 v:i32 f:f64", "k", false, 1, 0, "80", "8192", 0, true, true },
	{ "t:time k:u8 v:i32 f:f64", "k", false, 1, 9, "80", "8192", 20, false, true },
	{ "t:time k:u16 v:i32 f:f64", "k", false, 50, 9, "80", "8192", 0, true, true },
	{ "t:time k:u32 v:i32 f:f64", "k", false, 500, 9, "80", "8192", 0, true, true },
	{ "t:time k:u32 v:i32 f:f64", NULL, false, 1, 0, "80", "4096", 0, true, false },
	{ "t:time k:u32 v:i32 f:f64", NULL, false, 1, 0, "80", "4096", 100, false, false },
};

static void
key_text(const struct stream_case *c, uint32_t key, char *text)
{
	if (c->word) {
		snprintf(text, KEY, "%s %u", key % 2 == 0 ? "key" : "a much longer key", key);
	} else {
		snprintf(text, KEY, "%llu",
		         (unsigned long long)(key * c->key_factor + c->key_offset));
	}
}

static void
stream_make(const struct stream_case *c, struct stream_row *row, uint64_t *seed)
{
	int64_t now = -500;

	for (uint32_t i = 0; i < COUNT; i++) {
		now += c->small_time_steps ? draw(seed) % 40 == 0 : (int64_t)(draw(seed) % 3);
		row[i].time = now - (int64_t)(draw(seed) % (c->small_time_steps ? 3 : 120));
		row[i].key = (uint32_t)(draw(seed) % KEYS) * (uint32_t)(draw(seed) % 4 != 0);
		row[i].value = (int32_t)draw(seed) >> (draw(seed) % 31);
		row[i].real = (double)(int64_t)draw(seed) / (double)(1 + draw(seed) % 1000);
		row[i].late = false;
	}
}

/* What the rows that were not late come to, one line a group, sorted. */
static int
compare_lines(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int64_t
floor_to(int64_t time, int64_t size)
{
	return (time >= 0 ? time / size : -((-time + size - 1) / size)) * size;
}

/* The slow way: every row with every earlier one. */
static uint64_t
stream_expected(const struct stream_case *c, const struct stream_row *row, char (*line)[LINE])
{
	uint64_t lines = 0;

	for (uint32_t i = 0; i < COUNT; i++) {
		int64_t start = floor_to(row[i].time, 10), sum = 0;
		int32_t least = INT32_MAX, last = 0;
		int64_t last_time = INT64_MIN;
		uint32_t count = 0;
		bool seen = row[i].late;
		char key[KEY];

		for (uint32_t j = 0; j < COUNT && !seen; j++) {
			if (row[j].late || floor_to(row[j].time, 10) != start ||
			    (c->by != NULL && row[j].key != row[i].key)) {
				continue;
			}
			seen = j < i;
			count++;
			sum += row[j].value;
			least = row[j].value < least ? row[j].value : least;
			if (row[j].time > last_time ||
			    (row[j].time == last_time && row[j].value > last)) {
				last_time = row[j].time;
				last = row[j].value;
			}
		}
		if (seen) {
			continue;
		}
		key_text(c, row[i].key, key);
		snprintf(line[lines++], LINE,
		         c->only_counts ? "%lld%s%s|%u" : "%lld%s%s|%u|%lld|%d|%d",
		         (long long)start, c->by == NULL ? "" : "|", c->by == NULL ? "" : key,
		         count, (long long)sum, least, last);
	}
	qsort(line, lines, LINE, compare_lines);
	return lines;
}

/* Feeds the rows from `done` on: as a batch, or as a selection of one. */
static uint32_t
stream_feed(struct lm_op *op, const struct stream_case *c, const struct lm_schema *schema,
            struct stream_row *row, uint32_t done, int64_t complete, uint64_t *seed)
{
	uint32_t rows = 1 + (uint32_t)(draw(seed) % 80), selected = draw(seed) % 2 == 0;
	struct lm_batch *in = fake_batch(schema);
	struct lm_select some;

	rows = rows < COUNT - done ? rows : COUNT - done;
	lm_select_begin(&some, in);
	for (uint32_t i = 0; i < rows; i++) {
		struct stream_row *r = &row[done + i];
		char key[KEY], text[2 * LINE];

		key_text(c, r->key, key);
		snprintf(text, sizeof(text), "%lld|%s|%d|%.17g", (long long)r->time, key, r->value,
		         r->real);
		while (selected && draw(seed) % 3 == 0) {
			assert_true(fake_add(in, draw(seed) % 8 == 0 ? "999999|1|1|1" : text));
		}
		lm_select_add(&some, in->count);
		assert_true(fake_add(in, text));
		r->late = floor_to(r->time, 10) < complete;
	}
	if (selected) {
		fake_process_select(op, &some);
	} else {
		fake_process(op, in);
	}
	free(in);
	return rows;
}

static void
check_order(const struct lm_op *op)
{
	int64_t before = INT64_MIN;

	for (uint64_t i = 0; i < op->output[OUT].rows; i++) {
		int64_t start = (int64_t)fake_output_u64(op, OUT, i, 0);

		assert_true(start >= before);
		before = start;
	}
}

static void
run_stream(const struct stream_case *c, uint64_t seed)
{
	char lateness[LINE];
	const struct fake_param params[] = { { "window", NULL, "tumbling 10ns" },
		                             { "windows", NULL, c->windows },
		                             { "keys", NULL, c->keys },
		                             { "lateness", NULL, lateness },
		                             { "count", NULL, "n" },
		                             { c->by == NULL ? "count" : "by", NULL,
		                               c->by == NULL ? "n" : c->by },
		                             { c->only_counts ? NULL : "sum", "sum", "v" },
		                             { "min", "min", "v" },
		                             { "last", "last", "v" },
		                             { 0 } };
	static struct stream_row row[COUNT];
	static char expected[COUNT][LINE], got[COUNT][LINE];
	struct lm_schema schema = fake_schema(c->schema);
	struct fake_operator *subject;
	int64_t complete = INT64_MIN, highest = INT64_MIN;
	uint64_t lines, late = 0;
	struct lm_op *op;

	snprintf(lateness, sizeof(lateness), "%uns", c->lateness);
	subject = make(params, &schema);
	op = fake_open(subject, 0);
	op->room = draw(&seed) % 2 == 0 ? LM_BATCH_ROWS : 1 + (uint32_t)(draw(&seed) % 20);
	stream_make(c, row, &seed);
	for (uint32_t done = 0; done < COUNT;) {
		done += stream_feed(op, c, &schema, row, done, complete, &seed);
		highest = row[done - 1].time > highest ? row[done - 1].time : highest;
		if (draw(&seed) % 6 != 0) {
			int64_t watermark = highest - (int64_t)(draw(&seed) % 60);
			int64_t next = floor_to(watermark - (int64_t)c->lateness + 1, 10);

			complete = next > complete ? next : complete;
			fake_watermark(op, watermark);
			assert_true(hold(op, watermark) < complete);
			assert_true(hold(op, watermark) <= highest);
		}
	}
	fake_end(op);
	lines = stream_expected(c, row, expected);
	assert_int_equal(op->output[OUT].rows, lines);
	for (uint64_t i = 0; i < lines; i++) {
		fake_output_text(op, OUT, i, got[i], LINE);
	}
	qsort(got, lines, LINE, compare_lines);
	for (uint64_t i = 0; i < lines; i++) {
		assert_string_equal(got[i], expected[i]);
	}
	for (uint32_t i = 0; i < COUNT; i++) {
		late += row[i].late;
	}
	assert_int_equal(op->output[LATE].rows, late);
	assert_int_equal(op->gauge[0], late);
	assert_int_equal(op->absorbed, COUNT);
	check_order(op);
	fake_close(op);
	fake_unconfigure(subject);
}

static void
test_random(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(stream_cases) / sizeof(stream_cases[0]); i++) {
		for (uint64_t seed = 1; seed <= rounds(6); seed++) {
			run_stream(&stream_cases[i], seed * 1000 + i);
		}
	}
}

static void
refuse(const struct fake_param *params, const char *schema_text, const char *param,
       const char *message)
{
	struct lm_schema schema = fake_schema(schema_text);

	assert_null(fake_configure(fake_class("window_aggregate"), params,
	                           (const struct lm_schema *const[]){ &schema }, 1));
	assert_string_equal(fake_failure.param, param);
	if (strstr(fake_failure.message, message) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", fake_failure.message, message);
	}
}

static void
test_refused(void **state)
{
	static const struct fake_param sliding[] = { { "window", NULL, "sliding 10s 1s" },
		                                     { "count", NULL, "n" },
		                                     { 0 } };
	static const struct fake_param size[] = { { "window", NULL, "tumbling 10x" },
		                                  { "count", NULL, "n" },
		                                  { 0 } };
	static const struct fake_param zero[] = { { "window", NULL, "tumbling 0s" },
		                                  { "count", NULL, "n" },
		                                  { 0 } };
	static const struct fake_param bare[] = { { "window", NULL, "tumbling" },
		                                  { "count", NULL, "n" },
		                                  { 0 } };
	static const struct fake_param good[] = { { "window", NULL, "tumbling 1s" },
		                                  { "count", NULL, "n" },
		                                  { 0 } };

	(void)state;
	refuse(sliding, "t:time", "window", "no \"sliding\" windows");
	assert_non_null(strstr(fake_failure.hint, "tumbling 1s"));
	refuse(size, "t:time", "window", "\"10x\" is not a duration");
	assert_int_equal(fake_failure.column, 9);
	refuse(zero, "t:time", "window", "0s");
	refuse(bare, "t:time", "window", "not a duration");
	refuse(good, "k:u64", "", "event time");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand),      cmocka_unit_test(test_hold),
		cmocka_unit_test(test_windows_full), cmocka_unit_test(test_near_and_far),
		cmocka_unit_test(test_near_bound),   cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_random),       cmocka_unit_test(test_refused),
		FAKE_RESTARTED(test_by_hand),        FAKE_RESTARTED(test_hold),
		FAKE_RESTARTED(test_windows_full),   FAKE_RESTARTED(test_near_and_far),
		FAKE_RESTARTED(test_near_bound),     FAKE_RESTARTED(test_mixed),
		FAKE_RESTARTED(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
