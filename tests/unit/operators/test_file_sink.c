/* SPDX-License-Identifier: BSD-3-Clause */
/* file_sink: what stands in the file, when it gets there, and disks that fill up. */
#include "tests/unit/operators/fake_env.h"
#include "tests/unit/operators/fake_op.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DROP_WRITE_FAILED, DROP_ROW_TOO_LONG };

static struct lm_schema schema;

struct sink {
	struct fake_operator *subject;
	struct lm_op *op;
};

static struct sink
sink_open(const struct fake_param *params)
{
	struct sink s;

	s.subject = fake_configure(fake_class("file_sink"), params,
	                           &(const struct lm_schema *){ &schema }, 1);
	if (s.subject == NULL) {
		fail_msg("%s: %s", fake_failure.param, fake_failure.message);
	}
	s.op = fake_open(s.subject, 0);
	if (s.op == NULL) {
		fail_msg("%s", fake_failure.message);
	}
	return s;
}

static void
sink_close(struct sink *s)
{
	fake_close(s->op);
	fake_unconfigure(s->subject);
	assert_int_equal(fake_env.opened, fake_env.closed);
}

static void
sink_expect(const char *path, const char *text)
{
	char *found = fake_env_read(path);

	assert_string_equal(found, text);
	free(found);
}

static int
setup(void **state)
{
	(void)state;
	fake_env_reset();
	schema = fake_schema("k:u64 word:string");
	return 0;
}

static void
test_csv(void **state)
{
	const char *path = fake_env_path("out.csv");
	struct fake_param params[] = { { "path", NULL, path }, { 0 } };
	struct sink s = sink_open(params);
	struct lm_batch *in =
	    fake_rows(&schema, (const char *[]){ "1|one", "2|t,wo", "3|th\"ree", NULL });
	struct lm_select select;

	(void)state;
	fake_process(s.op, in);
	lm_select_begin(&select, in);
	lm_select_add(&select, 0);
	lm_select_add(&select, 2);
	fake_process_select(s.op, &select);
	/* Nothing is written, or counted, before there is a reason to. */
	sink_expect(path, "");
	assert_int_equal(s.op->absorbed, 0);
	fake_advance(s.op, 1000000000);
	sink_expect(path, "k,word\n1,one\n2,\"t,wo\"\n3,\"th\"\"ree\"\n1,one\n3,\"th\"\"ree\"\n");
	assert_int_equal(s.op->absorbed, 5);
	assert_int_equal(fake_env.syncs, 0);
	fake_process(s.op, in);
	fake_end(s.op);
	assert_int_equal(s.op->absorbed, 8);
	assert_int_equal(s.op->gauge[0], 7 + 27 + 18 + 27);
	sink_close(&s);
	free(in);
}

static void
test_jsonl_columns_sync(void **state)
{
	const char *path = fake_env_path("out.jsonl");
	struct fake_param params[] = { { "path", NULL, path },      { "format", NULL, "jsonl" },
		                       { "columns", NULL, "word" }, { "columns", NULL, "k" },
		                       { "sync", NULL, "true" },    { 0 } };
	struct sink s = sink_open(params);
	struct lm_batch *in = fake_rows(&schema, (const char *[]){ "1|one", NULL });

	(void)state;
	fake_process(s.op, in);
	fake_advance(s.op, 3000000000);
	sink_expect(path, "{\"word\":\"one\",\"k\":1}\n");
	/* Once for what was written, not every second. */
	assert_int_equal(fake_env.syncs, 1);
	fake_end(s.op);
	sink_close(&s);
	free(in);
}

static void
test_slices(void **state)
{
	const struct lm_schema *input = &schema;
	struct fake_param params[] = { { "path", NULL, fake_env_path("part-%s.csv") }, { 0 } };
	struct fake_operator *subject = fake_configure(fake_class("file_sink"), params, &input, 3);
	struct lm_op *op;

	(void)state;
	assert_non_null(subject);
	op = fake_open(subject, 2);
	fake_end(op);
	fake_close(op);
	fake_unconfigure(subject);
	sink_expect(fake_env_path("part-2.csv"), "k,word\n");

	params[0].text = fake_env_path("all.csv");
	assert_null(fake_configure(fake_class("file_sink"), params, &input, 2));
	assert_string_equal(fake_failure.param, "path");
	assert_non_null(strstr(fake_failure.hint, "%s"));
}

static void
test_cannot_open(void **state)
{
	const struct lm_schema *input = &schema;
	struct fake_param params[] = { { "path", NULL, fake_env_path("no/folder") }, { 0 } };
	struct fake_operator *subject = fake_configure(fake_class("file_sink"), params, &input, 1);

	(void)state;
	assert_null(fake_open(subject, 0));
	assert_non_null(strstr(fake_failure.message, "No such file"));
	fake_unconfigure(subject);
}

/* Rows of 101 bytes, numbered, in batches; the file takes what it takes. */
static void
feed(struct lm_op *op, uint32_t *number, uint32_t rows)
{
	while (rows > 0) {
		struct lm_batch *in = fake_batch(&schema);
		char row[200];

		while (in->count < 512 && rows > 0) {
			snprintf(row, sizeof(row), "%06u|%093u", 100000 + *number, *number);
			(*number)++;
			rows--;
			assert_true(fake_add(in, row));
		}
		fake_process(op, in);
		free(in);
	}
}

/* Rows below the line of names: whole, in order. */
static uint32_t
count_rows(const char *path)
{
	char *text = fake_env_read(path);
	uint32_t lines = 0, number, last = 0;

	for (char *at = text + 7; *at != '\0';) {
		char *end = strchr(at, '\n');

		assert_non_null(end);
		assert_int_equal(end - at, 100);
		number = (uint32_t)strtoul(at, NULL, 10);
		assert_true(number > last);
		assert_int_equal(strtoul(at + 7, NULL, 10), number - 100000);
		last = number;
		lines++;
		at = end + 1;
	}
	free(text);
	return lines;
}

/* The disk is full for a while: rows wait, then are dropped by name; the file has whole rows only.
 */
static void
test_full_disk(void **state)
{
	const char *path = fake_env_path("full.csv");
	struct fake_param params[] = { { "path", NULL, path }, { 0 } };
	struct sink s = sink_open(params);
	uint32_t number = 0;

	(void)state;
	fake_advance(s.op, 1000000000);
	fake_env.write_budget = 150000; /* ends within a row */
	fake_env.write_error = ENOSPC;
	feed(s.op, &number, 8000);
	assert_true(s.op->errors > 0);
	assert_non_null(strstr(s.op->error, "full.csv: No space left on device; free some space"));
	assert_int_equal(s.op->absorbed, 150000 / 101);
	/* 256 KiB wait, all beyond is gone. */
	assert_int_equal(s.op->drops[DROP_WRITE_FAILED], 8000 - (150000 + 262144) / 101);
	assert_true(fake_env.writes < 10);
	fake_env.write_budget = -1;
	fake_advance(s.op, 1000000000);
	feed(s.op, &number, 10);
	fake_end(s.op);
	assert_int_equal(s.op->absorbed + s.op->drops[DROP_WRITE_FAILED], 8010);
	assert_int_equal(count_rows(path), s.op->absorbed);
	sink_close(&s);
}

/* The same to the end: what never got out is counted, also of a row that got out in part. */
static void
test_full_disk_at_the_end(void **state)
{
	const char *path = fake_env_path("end.csv");
	struct fake_param params[] = { { "path", NULL, path }, { 0 } };
	struct sink s = sink_open(params);
	uint32_t number = 0;

	(void)state;
	fake_env.write_budget = 7 + 101 * 20 + 50;
	fake_env.write_error = EDQUOT;
	feed(s.op, &number, 100);
	fake_end(s.op);
	assert_int_equal(s.op->absorbed, 20);
	assert_int_equal(s.op->drops[DROP_WRITE_FAILED], 80);
	sink_close(&s);
}

/* Writes that take a few bytes each, and buffers that fill within a batch. */
static void
test_short_writes(void **state)
{
	const char *path = fake_env_path("short.csv");
	struct fake_param params[] = { { "path", NULL, path }, { 0 } };
	struct sink s = sink_open(params);
	uint32_t number = 0;

	(void)state;
	fake_advance(s.op, 1000000000);
	fake_env.write_max = 1000;
	feed(s.op, &number, 6000);
	fake_end(s.op);
	assert_int_equal(s.op->absorbed, 6000);
	sink_close(&s);
	assert_int_equal(count_rows(path), 6000);
}

static void
test_row_too_long(void **state)
{
	const char *path = fake_env_path("long.jsonl");
	struct fake_param params[] = { { "path", NULL, path }, { "format", NULL, "jsonl" }, { 0 } };
	struct sink s;
	struct lm_batch *in;
	char *row = malloc(70000);

	(void)state;
	schema = fake_schema("k:u64 word:string:65536");
	s = sink_open(params);
	in = fake_batch(&schema);
	/* 60000 bytes that become six times as many. */
	memset(row, 1, 60002);
	memcpy(row, "1|", 2);
	row[60002] = '\0';
	assert_true(fake_add(in, row));
	assert_true(fake_add(in, "2|two"));
	fake_process(s.op, in);
	fake_end(s.op);
	assert_int_equal(s.op->drops[DROP_ROW_TOO_LONG], 1);
	sink_expect(path, "{\"k\":2,\"word\":\"two\"}\n");
	sink_close(&s);
	free(in);
	free(row);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_csv, setup),
		cmocka_unit_test_setup(test_jsonl_columns_sync, setup),
		cmocka_unit_test_setup(test_slices, setup),
		cmocka_unit_test_setup(test_cannot_open, setup),
		cmocka_unit_test_setup(test_full_disk, setup),
		cmocka_unit_test_setup(test_full_disk_at_the_end, setup),
		cmocka_unit_test_setup(test_short_writes, setup),
		cmocka_unit_test_setup(test_row_too_long, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
