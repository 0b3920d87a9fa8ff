/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * aggregate with groups that expire and are evicted: what is emitted when, with much room and with
 * little, and rows at random against a table that is searched from end to end.
 */
#include "tests/unit/operators/fake_op.h"
#include "tests/unit/operators/fake_restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINE 160u
#define KEYS 60u

enum { DROP_KEYS_FULL };
enum { GAUGE_EXPIRED, GAUGE_EVICTED };

static void
expect_rows(const struct lm_op *op, const char *const *rows)
{
	uint64_t count = 0;

	for (; rows[count] != NULL; count++) {
		fake_expect(op, 0, count, rows[count]);
	}
	assert_int_equal(op->output[0].rows, count);
}

static struct fake_operator *
make(const struct fake_param *params, const struct lm_schema *schema)
{
	return fake_make("aggregate", params, schema, 1);
}

static void
process(struct lm_op *op, const struct lm_schema *schema, const char *const *rows)
{
	struct lm_batch *in = fake_rows(schema, rows);

	fake_process(op, in);
	free(in);
}

/* A group goes when event time is past it, or when a row finds it over; what is left, at the end.
 */
static void
test_expire(void **state)
{
	static const struct fake_param params[] = {
		{ "by", NULL, "k" },     { "count", NULL, "n" },  { "sum", "s", "v" },
		{ "emit", NULL, "end" }, { "ttl", NULL, "10ns" }, { 0 },
	};
	struct lm_schema schema = fake_schema("t:time k:u32 v:i32");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);

	(void)state;
	process(op, &schema, (const char *const[]){ "100|1|5", "101|2|7", "104|1|1", NULL });
	fake_watermark(op, 110);
	assert_int_equal(op->output[0].rows, 0);
	fake_watermark(op, 111);
	expect_rows(op, (const char *const[]){ "2|1|7", NULL });
	/* Ten after the last is not over, eleven is; the second time within one batch. */
	process(
	    op, &schema,
	    (const char *const[]){ "114|1|2", "125|1|3", "136|1|4", "136|3|1", "136|1|1", NULL });
	expect_rows(op, (const char *const[]){ "2|1|7", "1|3|8", "1|1|3", NULL });
	assert_int_equal(op->gauge[GAUGE_EXPIRED], 3);
	assert_int_equal(op->gauge[GAUGE_EVICTED], 0);
	fake_end(op);
	assert_int_equal(op->output[0].rows, 5);
	assert_int_equal(op->absorbed, 8);
	fake_close(op);
	fake_unconfigure(subject);
}

/* With every row out, a group that was over or had to go counts from one again. */
static void
test_update(void **state)
{
	static const struct fake_param params[] = {
		{ "by", NULL, "k" },
		{ "count", NULL, "n" },
		{ "emit", NULL, "update" },
		{ "ttl", NULL, "10ns" },
		{ "keys", NULL, "2" },
		{ "when_full", NULL, "evict_oldest" },
		{ 0 },
	};
	struct lm_schema schema = fake_schema("t:time k:u32");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);

	(void)state;
	op->room = 3;
	process(op, &schema,
	        (const char *const[]){ "1|1", "2|2", "3|1", "4|3", "5|1", "6|2", "7|3", "40|3",
	                               "41|3", NULL });
	expect_rows(op, (const char *const[]){ "1|1|1", "2|1|2", "1|2|3", "3|1|4", "1|3|5", "2|1|6",
	                                       "3|1|7", "3|1|40", "3|2|41", NULL });
	assert_int_equal(op->gauge[GAUGE_EVICTED], 3);
	assert_int_equal(op->gauge[GAUGE_EXPIRED], 1);
	assert_int_equal(op->drops[DROP_KEYS_FULL], 0);
	fake_close(op);
	fake_unconfigure(subject);
}

/* What changed and has to go is told before its time, and once; what did not change is not. */
static void
test_every(void **state)
{
	static const struct fake_param params[] = {
		{ "by", NULL, "k" },
		{ "count", NULL, "n" },
		{ "emit", NULL, "every" },
		{ "period", NULL, "1s" },
		{ "keys", NULL, "3" },
		{ "when_full", NULL, "evict_oldest" },
		{ 0 },
	};
	struct lm_schema schema = fake_schema("k:u32");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);

	(void)state;
	process(op, &schema, (const char *const[]){ "1", "2", "3", "4", "1", NULL });
	expect_rows(op, (const char *const[]){ "1|1", "2|1", NULL });
	fake_timer(op, 0);
	assert_int_equal(op->output[0].rows, 5);
	/* 3, the oldest, was told as it is. */
	process(op, &schema, (const char *const[]){ "5", NULL });
	assert_int_equal(op->output[0].rows, 5);
	assert_int_equal(op->gauge[GAUGE_EVICTED], 3);
	fake_timer(op, 0);
	fake_timer(op, 0);
	assert_int_equal(op->output[0].rows, 6);
	fake_expect(op, 0, 5, "5|1");
	fake_close(op);
	fake_unconfigure(subject);
}

/* Keys so long that few of those removed can wait for room, and room for one row at a time. */
static void
test_long_keys(void **state)
{
	static const struct fake_param params[] = {
		{ "by", NULL, "word" },
		{ "count", NULL, "n" },
		{ "emit", NULL, "end" },
		{ "key_bytes", NULL, "4KiB" },
		{ "keys", NULL, "1000" },
		{ "ttl", NULL, "10ns" },
		{ 0 },
	};
	struct lm_schema schema = fake_schema("t:time word:string:4096");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	char row[3100];

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		struct lm_batch *in = fake_batch(&schema);

		snprintf(row, sizeof(row), "%u|%03u", i % 5, i);
		memset(row + strlen(row), 'w', 3000);
		row[3006] = '\0';
		assert_true(fake_add(in, row));
		fake_process(op, in);
		free(in);
	}
	op->room = 1;
	fake_watermark(op, 100);
	assert_int_equal(op->output[0].rows, 300);
	assert_true(op->again_count > 250);
	assert_int_equal(op->gauge[GAUGE_EXPIRED], 300);
	fake_end(op);
	assert_int_equal(op->output[0].rows, 300);
	fake_close(op);
	fake_unconfigure(subject);
}

/*
 * At random.
 */

struct group {
	bool present, changed;
	uint64_t rows, use;
	int64_t used_ns;
};

struct table {
	struct group group[KEYS];
	uint64_t ttl_ns, uses;
	uint32_t keys_max, lines, running, told;
	char line[20000][LINE]; /* of groups at their end */
	char update[20000][LINE];
	char every[20000][LINE]; /* of groups that changed, now and then and at their end */
};

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
table_tell(struct table *t, uint32_t key)
{
	if (t->group[key].present && t->group[key].changed) {
		snprintf(t->every[t->told++], LINE, "%u|%lu", key,
		         (unsigned long)t->group[key].rows);
		t->group[key].changed = false;
	}
}

static void
table_tell_all(struct table *t)
{
	for (uint32_t key = 0; key < KEYS; key++) {
		table_tell(t, key);
	}
}

static void
table_remove(struct table *t, uint32_t key)
{
	table_tell(t, key);
	snprintf(t->line[t->lines++], LINE, "%u|%lu", key, (unsigned long)t->group[key].rows);
	t->group[key].present = false;
}

static void
table_take(struct table *t, uint32_t key, int64_t time_ns)
{
	struct group *group = &t->group[key];
	uint32_t count = 0, oldest = KEYS;

	for (uint32_t k = 0; k < KEYS; k++) {
		count += t->group[k].present;
		if (t->group[k].present &&
		    (oldest == KEYS || t->group[k].use < t->group[oldest].use)) {
			oldest = k;
		}
	}
	if (group->present && time_ns - group->used_ns > (int64_t)t->ttl_ns) {
		table_remove(t, key);
	} else if (!group->present && count == t->keys_max) {
		table_remove(t, oldest);
	}
	group->rows = group->present ? group->rows + 1 : 1;
	group->present = true;
	group->changed = true;
	group->used_ns = time_ns;
	group->use = ++t->uses;
	snprintf(t->update[t->running++], LINE, "%u|%lu|%ld", key, (unsigned long)group->rows,
	         (long)time_ns);
}

/* The output in order, one row a line. */
static void
compare_output(const struct lm_op *op, char (*want)[LINE], uint64_t count)
{
	char(*line)[LINE] = calloc(count + 1, LINE);

	assert_non_null(line);
	assert_int_equal(op->output[0].rows, count);
	for (uint64_t i = 0; i < count; i++) {
		fake_output_text(op, 0, i, line[i], LINE);
	}
	qsort(line, count, LINE, compare_lines);
	qsort(want, count, LINE, compare_lines);
	for (uint64_t i = 0; i < count; i++) {
		assert_string_equal(line[i], want[i]);
	}
	free(line);
}

/* Rows in order of time into the operator and the table. */
static void
add_rows(struct lm_op *op, const struct lm_schema *schema, struct table *t, int64_t *time_ns)
{
	struct lm_batch *in = fake_batch(schema);
	uint32_t rows = 1 + (uint32_t)rand() % 200, range = 1 + (uint32_t)rand() % KEYS;
	char row[LINE];

	for (uint32_t i = 0; i < rows; i++) {
		uint32_t key = (uint32_t)rand() % range;

		*time_ns += rand() % 4;
		snprintf(row, sizeof(row), "%ld|%u", (long)*time_ns, key);
		assert_true(fake_add(in, row));
		table_take(t, key, *time_ns);
	}
	op->room = rand() % 2 == 0 ? 1 + (uint32_t)rand() % 9 : LM_BATCH_ROWS;
	fake_process(op, in);
	free(in);
}

/* What came out, by what was asked for. */
static void
check_random(const struct lm_op *op, struct table *t, const char *emit)
{
	table_tell_all(t);
	for (uint32_t k = 0; k < KEYS; k++) {
		if (t->group[k].present) {
			table_remove(t, k);
		}
	}
	if (strcmp(emit, "end") == 0) {
		compare_output(op, t->line, t->lines);
	} else if (strcmp(emit, "every") == 0) {
		compare_output(op, t->every, t->told);
	} else {
		compare_output(op, t->update, t->running);
	}
	assert_true(op->gauge[GAUGE_EXPIRED] + op->gauge[GAUGE_EVICTED] > 100);
}

static void
run_random(const char *emit, const char *keys, uint32_t seed)
{
	bool every = strcmp(emit, "every") == 0;
	const struct fake_param params[] = {
		{ "by", NULL, "k" },
		{ "count", NULL, "n" },
		{ "emit", NULL, emit },
		{ "ttl", NULL, "60ns" },
		{ "keys", NULL, keys },
		{ "when_full", NULL, "evict_oldest" },
		{ every ? "period" : NULL, NULL, "1h" },
		{ 0 },
	};
	struct lm_schema schema = fake_schema("t:time k:u32");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct table *t = calloc(1, sizeof(*t));
	int64_t time_ns = 0;

	srand(seed);
	t->ttl_ns = 60;
	t->keys_max = (uint32_t)atoi(keys);
	for (uint32_t batch = 0; batch < 80; batch++) {
		add_rows(op, &schema, t, &time_ns);
		if (rand() % 2 == 0) {
			fake_watermark(op, time_ns - 1 - rand() % 20);
		}
		if (every && rand() % 3 == 0) {
			fake_timer(op, 0);
			table_tell_all(t);
		}
		time_ns += rand() % 100;
	}
	fake_end(op);
	check_random(op, t, emit);
	fake_close(op);
	fake_unconfigure(subject);
	free(t);
}

static void
test_random(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 3; seed++) {
		run_random("end", "7", seed);
		run_random("end", "60", seed);
		run_random("every", "7", seed);
		run_random("every", "50", seed);
		run_random("update", "1", seed);
		run_random("update", "40", seed);
	}
}

static void
refuse(const struct fake_param *params, const char *schema_text, const char *param,
       const char *message)
{
	struct lm_schema schema = fake_schema(schema_text);

	assert_null(fake_configure(fake_class("aggregate"), params,
	                           (const struct lm_schema *const[]){ &schema }, 1));
	assert_string_equal(fake_failure.param, param);
	if (strstr(fake_failure.message, message) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", fake_failure.message, message);
	}
}

static void
test_refused(void **state)
{
	static const struct fake_param ttl[] = {
		{ "by", NULL, "k" }, { "count", NULL, "n" }, { "ttl", NULL, "1s" }, { 0 }
	};
	static const struct fake_param one_ttl[] = { { "count", NULL, "n" },
		                                     { "ttl", NULL, "1s" },
		                                     { 0 } };
	static const struct fake_param one_full[] = { { "count", NULL, "n" },
		                                      { "when_full", NULL, "evict_oldest" },
		                                      { 0 } };

	(void)state;
	refuse(ttl, "k:u8", "ttl", "event time");
	refuse(one_ttl, "t:time k:u8", "ttl", "without `by`");
	refuse(one_full, "k:u8", "when_full", "without `by`");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expire), cmocka_unit_test(test_update),
		cmocka_unit_test(test_every),  cmocka_unit_test(test_long_keys),
		cmocka_unit_test(test_random), cmocka_unit_test(test_refused),
		FAKE_RESTARTED(test_every),    FAKE_RESTARTED(test_long_keys),
		FAKE_RESTARTED(test_random),   FAKE_RESTARTED(test_expire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
