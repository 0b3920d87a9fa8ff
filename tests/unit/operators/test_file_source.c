/* SPDX-License-Identifier: BSD-3-Clause */
/* file_source: lines and CSV, ends of files and of batches, bad rows by name, real files. */
#include "tests/unit/operators/fake_env.h"
#include "tests/unit/operators/fake_op.h"
#include "tests/unit/operators/fake_restart.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { DROP_LINE_TOO_LONG, DROP_COLUMN_COUNT, DROP_BAD_VALUE, DROP_BAD_QUOTES };

/* The operator under test and its slice. */
struct source {
	struct fake_operator *subject;
	struct lm_op *op;
};

static struct source
source_open(const struct fake_param *params)
{
	struct source s;

	s.subject = fake_configure(fake_class("file_source"), params, NULL, 1);
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
source_close(struct source *s)
{
	fake_close(s->op);
	fake_unconfigure(s->subject);
	assert_int_equal(fake_env.opened, fake_env.closed);
}

static int
setup(void **state)
{
	(void)state;
	fake_env_reset();
	return 0;
}

static void
test_lines(void **state)
{
	struct fake_param params[] = { { "path", NULL,
		                         fake_env_write("lines",
		                                        "\xef\xbb\xbf"
		                                        "one\ntwo words\r\n\nlast",
		                                        -1) },
		                       { "as", NULL, "text" },
		                       { 0 } };

	(void)state;
	/* However the bytes come in. */
	for (uint32_t read_max = 3; read_max < 30; read_max++) {
		struct source s;

		fake_env.read_max = read_max;
		s = source_open(params);
		fake_run(s.op, 100);
		assert_string_equal(s.subject->output[0].field[0].name, "text");
		assert_int_equal(s.op->output[0].rows, 4);
		fake_expect(s.op, 0, 0, "one");
		fake_expect(s.op, 0, 1, "two words");
		fake_expect(s.op, 0, 2, "");
		fake_expect(s.op, 0, 3, "last");
		assert_int_equal(s.op->gauge[0], 23);
		source_close(&s);
	}
}

static void
test_empty_and_missing(void **state)
{
	struct fake_param empty[] = { { "path", NULL, fake_env_write("empty", "", 0) },
		                      { "repeat", NULL, "0" },
		                      { 0 } };
	struct fake_param missing[] = { { "path", NULL, fake_env_path("nowhere") }, { 0 } };
	struct source s = source_open(empty);

	(void)state;
	fake_run(s.op, 10);
	assert_int_equal(s.op->output[0].rows, 0);
	source_close(&s);

	s.subject = fake_configure(fake_class("file_source"), missing, NULL, 1);
	assert_null(fake_open(s.subject, 0));
	assert_non_null(strstr(fake_failure.message, "nowhere: No such file"));
	fake_unconfigure(s.subject);
}

static void
test_long_lines(void **state)
{
	char *text = malloc(300000);
	struct fake_param params[] = { { "path", NULL, NULL }, { "line_max", NULL, "100" }, { 0 } };
	struct source s;

	(void)state;
	/* One just fits, one is a byte too long, one spans blocks, one follows. */
	memset(text, 'a', 100);
	memcpy(text + 100, "\r\n", 2);
	memset(text + 102, 'b', 101);
	text[203] = '\n';
	memset(text + 204, 'c', 299000 - 204);
	memcpy(text + 299000, "\nend\n", 5);
	params[0].text = fake_env_write("long", text, 299005);
	for (uint32_t read_max = 0; read_max <= 1000; read_max += 500) {
		fake_env.read_max = read_max;
		s = source_open(params);
		fake_run(s.op, 10000);
		assert_int_equal(s.op->output[0].rows, 2);
		assert_int_equal(s.op->drops[DROP_LINE_TOO_LONG], 2);
		fake_expect(s.op, 0, 1, "end");
		assert_int_equal(s.op->errors, 2);
		assert_non_null(strstr(s.op->error, "/long:3: "));
		source_close(&s);
	}
	free(text);
}

/* More bytes than a batch takes: the rest comes in the next one, nothing is lost. */
static void
test_batch_bytes_full(void **state)
{
	size_t size = 0;
	char *text = malloc(2000 * 301);
	struct fake_param params[] = { { "path", NULL, NULL }, { "repeat", NULL, "2" }, { 0 } };
	struct source s;
	char row[400];

	(void)state;
	for (uint32_t i = 0; i < 2000; i++) {
		size += (size_t)sprintf(text + size, "%0*u\n", 100 + (int)(i % 200), i);
	}
	params[0].text = fake_env_write("wide", text, (int64_t)size);
	s = source_open(params);
	fake_run(s.op, 1000);
	assert_int_equal(s.op->output[0].rows, 4000);
	for (uint32_t i = 0; i < 4000; i++) {
		fake_output_text(s.op, 0, i, row, sizeof(row));
		assert_int_equal(strtoul(row, NULL, 10), i % 2000);
		assert_int_equal(strlen(row), 100 + i % 2000 % 200);
	}
	source_close(&s);
	free(text);
}

static void
test_csv(void **state)
{
	struct fake_param params[] = { { "path", NULL,
		                         fake_env_write("a.csv",
		                                        "7,x y,2020-01-01T00:00:00Z,,1.5\n"
		                                        "\n"
		                                        "8,\"a,\"\"b\"\"\n2\",1577836801,3,-2\r\n"
		                                        "9,,1577836802,0,1e3",
		                                        -1) },
		                       { "format", NULL, "csv" },
		                       { "time", NULL, "at" },
		                       { "lag", NULL, "1s" },
		                       { "fields", "id", "u16" },
		                       { "fields", "name", "string" },
		                       { "fields", "at", "time s" },
		                       { "fields", "count", "i32 = -1" },
		                       { "fields", "share", "f64" },
		                       { 0 } };

	(void)state;
	for (uint32_t read_max = 0; read_max < 20; read_max++) {
		struct source s;

		fake_env.read_max = read_max;
		s = source_open(params);
		fake_run(s.op, 1000);
		assert_int_equal(s.op->output[0].rows, 3);
		fake_expect(s.op, 0, 0, "1577836800000000000|7|x y|-1|1.5");
		fake_expect(s.op, 0, 1, "1577836801000000000|8|a,\"b\"\n2|3|-2");
		fake_expect(s.op, 0, 2, "1577836802000000000|9||0|1000");
		assert_int_equal(s.op->watermark_ns, 1577836801000000000 - 1);
		assert_int_equal(s.op->errors, 0);
		assert_int_equal(s.op->output[0].late, 0);
		source_close(&s);
	}
}

static void
test_csv_header(void **state)
{
	struct fake_param params[] = {
		{ "path", NULL,
		  fake_env_write("h.csv", "id;other;\"na;me\";size\n1;x;a;10\n2;y;b;20\n", -1) },
		{ "format", NULL, "csv" },
		{ "header", NULL, "true" },
		{ "separator", NULL, ";" },
		{ "repeat", NULL, "2" },
		{ "fields", "size", "u32" },
		{ "fields", "id", "u8" },
		{ 0 }
	};
	struct source s = source_open(params);

	(void)state;
	fake_run(s.op, 100);
	assert_int_equal(s.op->output[0].rows, 4);
	fake_expect(s.op, 0, 0, "10|1");
	fake_expect(s.op, 0, 3, "20|2");
	source_close(&s);

	params[6].key = "ident";
	s.subject = fake_configure(fake_class("file_source"), params, NULL, 1);
	assert_null(fake_open(s.subject, 0));
	assert_non_null(
	    strstr(fake_failure.message, "h.csv:1: the header has no column \"ident\""));
	fake_unconfigure(s.subject);
}

static void
test_csv_bad_rows(void **state)
{
	struct fake_param params[] = { { "path", NULL,
		                         fake_env_write("bad.csv",
		                                        "1,a,x\n"
		                                        "2,b\n"
		                                        "300,c,x\n"
		                                        "\"4\"x,d,x\n"
		                                        "5,e,x,x\n"
		                                        ",f,x\n"
		                                        "7,g,x\n"
		                                        "8,\"never closed,x\n"
		                                        "9,i,x\n",
		                                        -1) },
		                       { "format", NULL, "csv" },
		                       { "fields", "id", "u8" },
		                       { "fields", "name", "string" },
		                       { "fields", "rest", "skip" },
		                       { 0 },
		                       { 0 } };
	struct source s = source_open(params);

	(void)state;
	fake_run(s.op, 100);
	assert_int_equal(s.op->output[0].rows, 3);
	fake_expect(s.op, 0, 0, "1|a");
	fake_expect(s.op, 0, 1, "7|g");
	fake_expect(s.op, 0, 2, "9|i");
	assert_int_equal(s.op->drops[DROP_COLUMN_COUNT], 2);
	assert_int_equal(s.op->drops[DROP_BAD_VALUE], 2);
	assert_int_equal(s.op->drops[DROP_BAD_QUOTES], 2);
	/* Five are told of, the sixth is only counted. */
	assert_int_equal(s.op->errors, 5);
	assert_non_null(
	    strstr(s.op->error, "bad.csv:6: \"\" in column id is not a value of type u8"));
	source_close(&s);

	params[5] = (struct fake_param){ "bad_rows", NULL, "stop" };
	s = source_open(params);
	fake_run(s.op, 100);
	assert_int_equal(s.op->output[0].rows, 1);
	assert_int_equal(s.op->drops[DROP_COLUMN_COUNT], 1);
	assert_non_null(strstr(s.op->error, "bad.csv:2: 2 columns instead of 3; stopped"));
	source_close(&s);
}

/* Strings of 3 columns share a batch; a value no batch could hold is dropped. */
static void
test_csv_wide_values(void **state)
{
	char *text = malloc(400000);
	size_t size = 0;
	struct fake_param params[] = { { "path", NULL, NULL },
		                       { "format", NULL, "csv" },
		                       { "line_max", NULL, "256KiB" },
		                       { "fields", "a", "string" },
		                       { "fields", "b", "string" },
		                       { "fields", "c", "bytes" },
		                       { 0 } };
	struct source s;

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		size += (size_t)sprintf(text + size, "%u,%0600u,z\n", i, i);
	}
	memset(text + size, 'w', 140000);
	size += 140000;
	size += (size_t)sprintf(text + size, ",x,y\nlast,x,y\n");
	params[0].text = fake_env_write("wide.csv", text, (int64_t)size);
	s = source_open(params);
	fake_run(s.op, 1000);
	assert_int_equal(s.op->output[0].rows, 301);
	assert_int_equal(s.op->drops[DROP_LINE_TOO_LONG], 1);
	fake_expect(s.op, 0, 300, "last|x|y");
	source_close(&s);
	free(text);
}

static void
test_read_error(void **state)
{
	struct fake_param params[] = { { "path", NULL, fake_env_write("err", "a\nb\n", -1) },
		                       { 0 } };
	struct source s = source_open(params);

	(void)state;
	fake_env.read_error = EIO;
	fake_run(s.op, 10);
	assert_int_equal(s.op->output[0].rows, 0);
	assert_non_null(strstr(s.op->error, "Input/output error"));
	source_close(&s);
}

static void
expect_refused(const struct fake_param *params, const char *param, const char *message)
{
	assert_null(fake_configure(fake_class("file_source"), params, NULL, 1));
	assert_string_equal(fake_failure.param, param);
	if (strstr(fake_failure.message, message) == NULL) {
		fail_msg("\"%s\" instead of \"%s\"", fake_failure.message, message);
	}
}

static void
test_mistakes(void **state)
{
	struct fake_param params[] = { { "path", NULL, "x" },
		                       { "format", NULL, "csv" },
		                       { "fields", "a", "u64" },
		                       { "fields", "b", "u65" },
		                       { 0 },
		                       { 0 } };

	(void)state;
	expect_refused(params, "fields", "no such type");
	assert_int_equal(fake_failure.item, 1);
	params[3].text = "time ns = yesterday";
	expect_refused(params, "fields", "the value for empty cells is not one of the type");
	assert_int_equal(fake_failure.column, 10);
	params[3].text = "time fortnights";
	expect_refused(params, "fields", "no such unit of time");
	params[3].text = "string = x";
	expect_refused(params, "fields", "there is more than a type");
	params[3].text = "f64";
	params[4] = (struct fake_param){ "time", NULL, "b" };
	expect_refused(params, "time", "no column \"b\" of type time");
	params[4] = (struct fake_param){ "separator", NULL, "::" };
	expect_refused(params, "separator", "\"::\" cannot separate cells");
	params[4] = (struct fake_param){ "time", NULL, "b" };
	params[1].text = "lines";
	expect_refused(params, "time", "a text read as lines has no columns");
}

/* Of the shared data: how many lines and bytes there are is known. */
static void
test_book(void **state)
{
	const char *shared = getenv("LODEMILL_SHARED");
	char path[512];
	struct fake_param params[] = { { "path", NULL, path }, { 0 } };
	struct source s;
	uint64_t bytes = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/data/dspbench/book.dat",
	         shared == NULL ? "../shared" : shared);
	if (access(path, R_OK) != 0) {
		skip();
	}
	s = source_open(params);
	fake_run(s.op, 1000);
	assert_int_equal(s.op->output[0].rows, 1964);
	for (uint32_t b = 0; b < s.op->output[0].batch_count; b++) {
		const struct lm_batch *batch = s.op->output[0].batch[b];

		bytes += lm_batch_offsets(batch, 0)[batch->count];
	}
	assert_int_equal(bytes + 1963, 430665);
	source_close(&s);
}

static void
test_taxi(void **state)
{
	const char *shared = getenv("LODEMILL_SHARED");
	char path[512];
	struct fake_param params[] = { { "path", NULL, path },         { "format", NULL, "csv" },
		                       { "fields", "id", "u32" },      { "fields", "taxi", "u32" },
		                       { "fields", "at", "time" },     { "fields", "lat", "f64" },
		                       { "fields", "lon", "f64" },     { "fields", "speed", "f64" },
		                       { "fields", "bearing", "i32" }, { 0 } };
	struct source s;

	(void)state;
	snprintf(path, sizeof(path), "%s/data/dspbench/taxi-traces.csv",
	         shared == NULL ? "../shared" : shared);
	if (access(path, R_OK) != 0) {
		skip();
	}
	s = source_open(params);
	fake_run(s.op, 1000);
	assert_int_equal(s.op->output[0].rows, 75000);
	fake_expect(s.op, 0, 0, "4186585|33556|1231218907000000000|40.0423|116.61|0|0");
	assert_int_equal(s.op->errors, 0);
	source_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_lines, setup),
		cmocka_unit_test_setup(test_empty_and_missing, setup),
		cmocka_unit_test_setup(test_long_lines, setup),
		cmocka_unit_test_setup(test_batch_bytes_full, setup),
		cmocka_unit_test_setup(test_csv, setup),
		cmocka_unit_test_setup(test_csv_header, setup),
		cmocka_unit_test_setup(test_csv_bad_rows, setup),
		cmocka_unit_test_setup(test_csv_wide_values, setup),
		cmocka_unit_test_setup(test_read_error, setup),
		cmocka_unit_test_setup(test_mistakes, setup),
		cmocka_unit_test_setup(test_book, setup),
		cmocka_unit_test_setup(test_taxi, setup),
		FAKE_RESTARTED(test_lines),
		FAKE_RESTARTED(test_long_lines),
		FAKE_RESTARTED(test_csv),
		FAKE_RESTARTED(test_csv_header),
		FAKE_RESTARTED(test_csv_bad_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
