/* SPDX-License-Identifier: BSD-3-Clause */
/* CSV rows: RFC 4180 and what is found in the wild, whole and cut at every byte. */
#include "operators/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Takes the first row of a text apart and writes its cells as [a][b]. */
static enum csv_result
take(const char *text, size_t size, bool final, struct csv_row *row, char *cells)
{
	char *copy = malloc(size);
	enum csv_result result;

	assert_non_null(copy);
	memcpy(copy, text, size);
	result = csv_take(copy, size, final, ',', row);
	cells[0] = '\0';
	for (uint32_t i = 0; result == CSV_ROW && i < row->cell_count; i++) {
		strcat(cells, "[");
		strncat(cells, row->cell[i].text, row->cell[i].length);
		strcat(cells, "]");
	}
	free(copy);
	return result;
}

static const struct {
	const char *text;
	enum csv_result result;
	size_t consumed;
	uint32_t lines;
	const char *cells;
} cases[] = {
	{ "a,b,c\nx", CSV_ROW, 6, 1, "[a][b][c]" },
	{ "a,b,c\r\nx", CSV_ROW, 7, 1, "[a][b][c]" },
	{ "a,b", CSV_ROW, 3, 0, "[a][b]" },
	{ "a,b\r", CSV_ROW, 4, 0, "[a][b]" },
	{ "\nx", CSV_ROW, 1, 1, "[]" },
	{ "\r\nx", CSV_ROW, 2, 1, "[]" },
	{ ",\n", CSV_ROW, 2, 1, "[][]" },
	{ ",,\n", CSV_ROW, 3, 1, "[][][]" },
	{ "a,\n", CSV_ROW, 3, 1, "[a][]" },
	{ "\"a\",b\n", CSV_ROW, 6, 1, "[a][b]" },
	{ "\"a,b\",c\n", CSV_ROW, 8, 1, "[a,b][c]" },
	{ "\"a\nb\",c\nd", CSV_ROW, 8, 2, "[a\nb][c]" },
	{ "\"a\r\nb\",c\r\nd", CSV_ROW, 10, 2, "[a\r\nb][c]" },
	{ "\"say \"\"hi\"\"\",x\n", CSV_ROW, 15, 1, "[say \"hi\"][x]" },
	{ "\"\"\"\"\n", CSV_ROW, 5, 1, "[\"]" },
	{ "\"\",\"\"\n", CSV_ROW, 6, 1, "[][]" },
	{ "x,\"\"\n", CSV_ROW, 5, 1, "[x][]" },
	{ "a,\"b\"", CSV_ROW, 5, 0, "[a][b]" },
	{ "a,\"b\"\r", CSV_ROW, 6, 0, "[a][b]" },
	{ "5\" disk,b\n", CSV_ROW, 10, 1, "[5\" disk][b]" },
	{ "a\"b\",c\"\n", CSV_ROW, 8, 1, "[a\"b\"][c\"]" },
	{ "\"a\"b,c\nd\n", CSV_BAD, 7, 1, "" },
	{ "\"a\rb\" x,c\nd\n", CSV_BAD, 10, 1, "" },
	{ "\"never closed,b\nc,d\n", CSV_BAD, 16, 1, "" },
	{ "\"", CSV_BAD, 1, 0, "" },
	{ "a\rb,c\n", CSV_ROW, 6, 1, "[a\rb][c]" },
};

static void
test_rows(void **state)
{
	struct csv_row row;
	char cells[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum csv_result result =
		    take(cases[i].text, strlen(cases[i].text), true, &row, cells);

		if (result != cases[i].result || strcmp(cells, cases[i].cells) != 0 ||
		    row.consumed != cases[i].consumed || row.lines != cases[i].lines) {
			fail_msg("case %zu: result %d, %zu bytes, %u lines, %s", i, result,
			         row.consumed, row.lines, cells);
		}
	}
}

/* Of a part of the bytes: the same row, or the answer that more is needed. */
static void
test_cut_anywhere(void **state)
{
	struct csv_row row;
	char cells[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t size = 1; size <= strlen(cases[i].text); size++) {
			enum csv_result result = take(cases[i].text, size, false, &row, cells);

			if (result == CSV_ROW) {
				assert_string_equal(cells, cases[i].cells);
				assert_int_equal(row.consumed, cases[i].consumed);
			} else if (cases[i].result == CSV_ROW && cases[i].lines > 0) {
				assert_int_equal(result, CSV_MORE);
				assert_true(size < cases[i].consumed);
			}
		}
	}
}

static void
test_many_cells(void **state)
{
	char text[1024];
	struct csv_row row;

	(void)state;
	memset(text, ',', 600);
	text[600] = '\n';
	assert_int_equal(csv_take(text, 601, false, ',', &row), CSV_ROW);
	assert_int_equal(row.cell_count, 601);
	assert_int_equal(row.consumed, 601);
	memset(text, ',', 600);
	memcpy(text, "\"a\",", 4);
	assert_int_equal(csv_take(text, 601, false, ',', &row), CSV_ROW);
	assert_int_equal(row.cell_count, 598);
	assert_int_equal(row.cell[0].length, 1);
}

static void
test_other_separator(void **state)
{
	char text[] = "a,b;\"c;d\"\n";
	struct csv_row row;

	(void)state;
	assert_int_equal(csv_take(text, sizeof(text) - 1, false, ';', &row), CSV_ROW);
	assert_int_equal(row.cell_count, 2);
	assert_memory_equal(row.cell[0].text, "a,b", 3);
	assert_memory_equal(row.cell[1].text, "c;d", 3);
	assert_int_equal(row.cell[1].length, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_many_cells),
		cmocka_unit_test(test_other_separator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
