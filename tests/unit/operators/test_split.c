/* SPDX-License-Identifier: BSD-3-Clause */
/* split: against a naive one on random strings, with little room, kept columns, selections; a real
 * book. */
#include "tests/unit/operators/fake_op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;

static uint32_t
draw(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % below);
}

static struct fake_operator *
make(const struct fake_param *params, const struct lm_schema *input)
{
	return fake_make("split", params, input, 1);
}

static void
test_plain(void **state)
{
	static const struct fake_param params[] = { { "column", NULL, "line" },
		                                    { "as", NULL, "word" },
		                                    { "keep", NULL, "t" },
		                                    { "keep", NULL, "name" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("t:time line:string name:string");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_rows(
	    &schema, (const char *[]){ "1|a bc def|x", "2||y", "3| two  blanks |", NULL });

	(void)state;
	assert_string_equal(subject->output[0].field[2].name, "word");
	fake_process(op, in);
	assert_int_equal(op->output[0].rows, 9);
	fake_expect(op, 0, 0, "1|x|a");
	fake_expect(op, 0, 1, "1|x|bc");
	fake_expect(op, 0, 2, "1|x|def");
	fake_expect(op, 0, 3, "2|y|");
	fake_expect(op, 0, 4, "3||");
	fake_expect(op, 0, 5, "3||two");
	fake_expect(op, 0, 6, "3||");
	fake_expect(op, 0, 7, "3||blanks");
	fake_expect(op, 0, 8, "3||");
	assert_int_equal(op->absorbed, 3);
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

static void
test_drop_empty(void **state)
{
	static const struct fake_param params[] = {
		{ "column", NULL, "line" }, { "by", NULL, ", " }, { "empty", NULL, "drop" }, { 0 }
	};
	struct lm_schema schema = fake_schema("line:string");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in =
	    fake_rows(&schema, (const char *[]){ ", a, , b,c, ", ", ", "", "d", NULL });

	(void)state;
	fake_process(op, in);
	assert_int_equal(op->output[0].rows, 3);
	fake_expect(op, 0, 0, "a");
	fake_expect(op, 0, 1, "b,c");
	fake_expect(op, 0, 2, "d");
	assert_int_equal(op->absorbed, 2);
	assert_int_equal(op->drops[0], 2);
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

/* Rows of random length of few different letters, so that separators are everywhere. */
static struct lm_batch *
random_batch(const struct lm_schema *schema, uint32_t rows, uint32_t length_max)
{
	struct lm_batch *in = fake_batch(schema);
	char *row = malloc(length_max + 32);

	assert_non_null(row);
	for (uint32_t i = 0; i < rows; i++) {
		uint32_t length = draw(length_max + 1), letters = 1 + draw(9);
		int at = sprintf(row, "%u|", i);

		for (uint32_t k = 0; k < length; k++) {
			row[at++] = " abcdefgh"[draw(letters)];
		}
		sprintf(row + at, "|%0*u", (int)draw(20), i);
		if (!fake_add(in, row)) {
			break;
		}
	}
	free(row);
	return in;
}

/* The rows that should come out of row `row`; checks them from *next on. */
static void
check_row(const struct lm_op *op, const struct lm_batch *in, uint32_t row, const char *by,
          bool drop_empty, bool keep, uint64_t *next, uint64_t *none)
{
	const uint32_t *offsets = lm_batch_offsets(in, 1), *names = lm_batch_offsets(in, 2);
	char *text = strndup(lm_batch_bytes(in, 1) + offsets[row], offsets[row + 1] - offsets[row]);
	char *at = text, expected[70000];
	uint64_t before = *next;

	while (at != NULL) {
		char *end = strstr(at, by);
		int length = end == NULL ? (int)strlen(at) : (int)(end - at);

		if (length > 0 || !drop_empty) {
			if (keep) {
				snprintf(expected, sizeof(expected), "%.*s|%u|%.*s",
				         (int)(names[row + 1] - names[row]),
				         lm_batch_bytes(in, 2) + names[row],
				         lm_batch_u32(in, 0)[row], length, at);
			} else {
				snprintf(expected, sizeof(expected), "%.*s", length, at);
			}
			fake_expect(op, 0, (*next)++, expected);
		}
		at = end == NULL ? NULL : end + strlen(by);
	}
	*none += *next == before;
	free(text);
}

static void
check_case(const char *by, bool drop_empty, bool keep, uint32_t room, uint32_t length_max,
           uint32_t bytes_max, bool select_some)
{
	struct fake_param params[6] = { { "column", NULL, "line" },
		                        { "by", NULL, by },
		                        { "empty", NULL, drop_empty ? "drop" : "keep" } };
	char types[64];
	struct lm_schema schema;
	struct fake_operator *subject;
	struct lm_op *op;
	uint64_t next = 0, none = 0, rows_in = 0;

	if (keep) {
		params[3] = (struct fake_param){ "keep", NULL, "name" };
		params[4] = (struct fake_param){ "keep", NULL, "i" };
	}
	snprintf(types, sizeof(types), "i:u32 line:string:%u name:string:%u", bytes_max, bytes_max);
	schema = fake_schema(types);
	subject = make(params, &schema);
	op = fake_open(subject, 0);
	op->room = room;
	for (uint32_t b = 0; b < 3; b++) {
		struct lm_batch *in = random_batch(&schema, 1 + draw(200), length_max);
		struct lm_select select;

		lm_select_begin(&select, in);
		for (uint32_t i = 0; i < in->count; i++) {
			if (!select_some || draw(3) == 0 || i == 0) {
				lm_select_add(&select, i);
			}
		}
		rows_in += select.count;
		if (select_some) {
			fake_process_select(op, &select);
		} else {
			fake_process(op, in);
		}
		for (uint32_t i = 0; i < select.count; i++) {
			check_row(op, in, select.row[i], by, drop_empty, keep, &next, &none);
		}
		free(in);
	}
	assert_int_equal(op->output[0].rows, next);
	assert_int_equal(op->drops[0], none);
	assert_int_equal(op->absorbed, rows_in - none);
	fake_close(op);
	fake_unconfigure(subject);
}

static void
test_random(void **state)
{
	static const char *const separators[] = { " ", "a", "  ", "ab" };
	static const uint32_t rooms[] = { 1, 3, 63, 64, 65, 1000, 1024 };
	static const uint32_t lengths[] = { 10, 64, 300 };

	(void)state;
	seed = 1;
	for (uint32_t i = 0; i < 300; i++) {
		/* Byte areas just larger than the longest string, and wide ones. */
		uint32_t length_max = lengths[draw(3)];
		uint32_t bytes_max = draw(2) == 0 ? length_max + 20 : 65536;

		check_case(separators[draw(4)], draw(2) == 0, draw(2) == 0, rooms[draw(7)],
		           length_max, bytes_max, draw(2) == 0);
	}
}

/* One string as large as a batch, of separators only: many times the rows that fit. */
static void
test_all_separators(void **state)
{
	static const struct fake_param params[] = { { "column", NULL, "line" }, { 0 } };
	struct lm_schema schema = fake_schema("line:string");
	struct fake_operator *subject = make(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_batch(&schema);

	(void)state;
	memset(lm_batch_bytes(in, 0), ' ', 65536);
	lm_batch_offsets(in, 0)[1] = 65536;
	in->count = 1;
	fake_process(op, in);
	assert_int_equal(op->output[0].rows, 65537);
	assert_int_equal(op->again_count, 64);
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

static void
test_mistakes(void **state)
{
	struct fake_param params[] = { { "column", NULL, "k" }, { "by", NULL, " " }, { 0 } };
	struct lm_schema schema = fake_schema("k:u64 s:string");
	const struct lm_schema *input = &schema;

	(void)state;
	assert_null(fake_configure(fake_class("split"), params, &input, 1));
	assert_string_equal(fake_failure.param, "column");
	params[0].text = "s";
	params[1].text = "";
	assert_null(fake_configure(fake_class("split"), params, &input, 1));
	assert_string_equal(fake_failure.param, "by");
}

/* book.dat: 83,779 words by single blanks. */
static void
test_book(void **state)
{
	static const struct fake_param params[] = { { "column", NULL, "line" }, { 0 } };
	const char *shared = getenv("LODEMILL_SHARED");
	struct lm_schema schema = fake_schema("line:string");
	struct fake_operator *subject;
	struct lm_batch *in;
	struct lm_op *op;
	char path[512], line[4096];
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/data/dspbench/book.dat",
	         shared == NULL ? "../shared" : shared);
	file = fopen(path, "r");
	if (file == NULL) {
		skip();
		return;
	}
	subject = make(params, &schema);
	op = fake_open(subject, 0);
	in = fake_batch(&schema);
	while (fgets(line, sizeof(line), file) != NULL) {
		uint32_t length = (uint32_t)strcspn(line, "\n");

		if (!lm_batch_put_string(in, 0, in->count, line, length)) {
			fake_process(op, in);
			in->count = 0;
			assert_true(lm_batch_put_string(in, 0, 0, line, length));
		}
		in->count++;
	}
	fake_process(op, in);
	fclose(file);
	assert_int_equal(op->output[0].rows, 83779);
	assert_int_equal(op->absorbed, 1964);
	fake_expect(op, 0, 0, "The");
	fake_expect(op, 0, 83778, "END");
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),    cmocka_unit_test(test_drop_empty),
		cmocka_unit_test(test_random),   cmocka_unit_test(test_all_separators),
		cmocka_unit_test(test_mistakes), cmocka_unit_test(test_book),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
