/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/screen.c: what is cut to fit a terminal. The screen itself is tested with mgmt/cli_top.c. */
#include "mgmt/screen.h"
#include "tests/unit/mgmt/print_to_text.h"

#define CLEAR "\033[K"
#define NEXT "\r\n\033[K"
#define BELOW "\r\n\033[J"

static void
cut_expect(const char *text, size_t columns, size_t rows, const char *expected)
{
	struct print_to_text print;

	screen_cut(print_to_text_begin(&print), text, columns, rows);
	print_to_text_expect(&print, expected);
}

static void
test_what_fits_stays(void **state)
{
	(void)state;
	cut_expect("one\n\ntwo\n", 80, 24, CLEAR "one" NEXT NEXT "two" BELOW);
	cut_expect("one", 80, 24, CLEAR "one" BELOW);
	cut_expect("", 80, 24, BELOW);
}

static void
test_too_many_lines(void **state)
{
	(void)state;
	cut_expect("one\ntwo\nthree\n", 80, 2, CLEAR "one" NEXT "two");
	cut_expect("one\n", 80, 0, "");
}

static void
test_too_wide(void **state)
{
	(void)state;
	cut_expect("abcdef\nxyz\n", 4, 2, CLEAR "abcd" NEXT "xyz");
	cut_expect("12 µs long\n", 5, 1, CLEAR "12 µs");
	cut_expect("a日本b\n", 4, 1, CLEAR "a日"); /* no b where half a character is missing */
	cut_expect("abc\n", 0, 1, CLEAR);
}

static void
test_colour_takes_no_room(void **state)
{
	(void)state;
	cut_expect("\033[31mabcdef\033[0mgh\n", 4, 1, CLEAR "\033[31mabcd\033[0m");
	cut_expect("ab\033[", 4, 1, CLEAR "ab\033[");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_fits_stays),
		cmocka_unit_test(test_too_many_lines),
		cmocka_unit_test(test_too_wide),
		cmocka_unit_test(test_colour_takes_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
