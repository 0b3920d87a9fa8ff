/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/text_table.c: golden tables, widths of characters, and names that try to move the cursor. */
#include "mgmt/text_table.h"
#include "tests/unit/mgmt/print_to_text.h"

#include <errno.h>
#include <string.h>

static struct text_table *
table_new(bool colour)
{
	struct text_table *table = text_table_create(colour);

	assert_non_null(table);
	text_table_column(table, TEXT_LEFT, "OPERATOR");
	text_table_column(table, TEXT_RIGHT, "ROWS/S");
	text_table_column(table, TEXT_LEFT, "NOTE");
	return table;
}

static void
table_expect(struct text_table *table, const char *indent, const char *expected)
{
	struct print_to_text print;

	assert_int_equal(text_table_print(table, indent, print_to_text_begin(&print)), 0);
	print_to_text_expect(&print, expected);
	text_table_free(table);
}

static void
test_plain(void **state)
{
	struct text_table *table = table_new(false);

	(void)state;
	text_table_cell(table, TEXT_BOLD, "packets");
	text_table_cell(table, TEXT_PLAIN, "%.1fM", 12.3);
	text_table_cell(table, TEXT_PLAIN, "fast");
	text_table_cell(table, TEXT_PLAIN, "flows and more");
	text_table_cell(table, TEXT_RED, "7");
	text_table_end_row(table);
	table_expect(table, "  ",
	             "  OPERATOR        ROWS/S  NOTE\n"
	             "  packets          12.3M  fast\n"
	             "  flows and more       7\n");
}

static void
test_colour_does_not_move_columns(void **state)
{
	struct text_table *table = table_new(true);

	(void)state;
	text_table_cell(table, TEXT_BOLD, "a");
	text_table_cell(table, TEXT_RED, "1");
	text_table_cell(table, TEXT_PLAIN, "x");
	table_expect(table, "",
	             "\033[2mOPERATOR\033[0m  \033[2mROWS/S\033[0m  \033[2mNOTE\033[0m\n"
	             "\033[1ma\033[0m              \033[31m1\033[0m  x\n");
}

static void
test_columns_without_content_are_left_out(void **state)
{
	struct text_table *table = table_new(false);

	(void)state;
	text_table_cell(table, TEXT_PLAIN, "a");
	text_table_cell(table, TEXT_PLAIN, "%s", "");
	text_table_cell(table, TEXT_PLAIN, "x");
	text_table_cell(table, TEXT_PLAIN, "b");
	text_table_end_row(table);
	text_table_end_row(table);
	table_expect(table, "",
	             "OPERATOR  NOTE\n"
	             "a         x\n"
	             "b\n");
}

static void
test_no_heading(void **state)
{
	struct text_table *table = text_table_create(false);

	(void)state;
	text_table_column(table, TEXT_LEFT, "");
	text_table_column(table, TEXT_RIGHT, "");
	text_table_cell(table, TEXT_PLAIN, "packets");
	text_table_cell(table, TEXT_PLAIN, "7");
	text_table_cell(table, TEXT_PLAIN, "rows");
	text_table_cell(table, TEXT_PLAIN, "1,234");
	table_expect(table, "  ", "  packets      7\n  rows     1,234\n");
}

static void
test_heading_alone(void **state)
{
	(void)state;
	table_expect(table_new(false), "", "OPERATOR  ROWS/S  NOTE\n");
}

static void
test_widths(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("14.2 µs"), 7);
	assert_int_equal(text_width("日本"), 4);
	assert_int_equal(text_width("e\314\201"), 1);        /* e and a combining accent */
	assert_int_equal(text_width("\360\237\230\200"), 2); /* an emoji */
	assert_int_equal(text_width("\377\376"), 2);         /* not UTF-8 */
	assert_int_equal(text_width("\300\257"), 2);         /* an overlong form of "/" */
	assert_int_equal(text_width("\342\202"), 2);         /* cut short */
}

static void
test_wide_characters_align(void **state)
{
	struct text_table *table = table_new(false);

	(void)state;
	text_table_cell(table, TEXT_PLAIN, "日本語");
	text_table_cell(table, TEXT_PLAIN, "7 µs");
	text_table_cell(table, TEXT_PLAIN, "x");
	text_table_cell(table, TEXT_PLAIN, "abcdef");
	text_table_cell(table, TEXT_PLAIN, "7 us");
	text_table_cell(table, TEXT_PLAIN, "x");
	table_expect(table, "",
	             "OPERATOR  ROWS/S  NOTE\n"
	             "日本語      7 µs  x\n"
	             "abcdef      7 us  x\n");
}

static void
test_controls_do_not_reach_the_terminal(void **state)
{
	struct text_table *table = table_new(true);
	struct print_to_text print;
	char *text;

	(void)state;
	text_table_cell(table, TEXT_PLAIN, "a\033[2Jb\r\n\302\233c\342\200\256d\377");
	text_table_end_row(table);
	assert_int_equal(text_table_print(table, "", print_to_text_begin(&print)), 0);
	text = print_to_text_end(&print);
	assert_non_null(strstr(text, "a?[2Jb???c?d?\n"));
	free(text);
	text_table_free(table);
}

static void
test_bounds(void **state)
{
	struct text_table *table = text_table_create(false);
	char heading[16];

	(void)state;
	text_table_cell(table, TEXT_PLAIN, "no column yet");
	for (int i = 0; i < 40; i++) {
		snprintf(heading, sizeof(heading), "C%d", i);
		text_table_column(table, TEXT_LEFT, heading);
	}
	for (int i = 0; i < 10000; i++) {
		text_table_cell(table, TEXT_PLAIN, "%0600d", i);
	}
	assert_int_equal(text_table_print(NULL, "", stdout), -ENOMEM);
	text_table_cell(NULL, TEXT_PLAIN, "x");
	text_table_column(NULL, TEXT_LEFT, "x");
	text_table_end_row(NULL);
	text_table_free(NULL);
	text_table_free(table);
}

static void
test_no_color_wins(void **state)
{
	(void)state;
	setenv("NO_COLOR", "1", 1);
	assert_false(text_colour(stdout));
	unsetenv("NO_COLOR");
	assert_string_equal(text_style_on(false, TEXT_RED), "");
	assert_string_equal(text_style_off(false, TEXT_RED), "");
	assert_string_equal(text_style_off(true, TEXT_PLAIN), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_colour_does_not_move_columns),
		cmocka_unit_test(test_columns_without_content_are_left_out),
		cmocka_unit_test(test_no_heading),
		cmocka_unit_test(test_heading_alone),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_wide_characters_align),
		cmocka_unit_test(test_controls_do_not_reach_the_terminal),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_no_color_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
