/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/hex.c: digits, dumps, and what counts as text. */
#include "mgmt/hex.h"
#include "tests/unit/mgmt/print_to_text.h"

#include <string.h>

static void
test_digits(void **state)
{
	char *text = hex_digits("\x00\x7f\xff\x1a", 4);

	(void)state;
	assert_string_equal(text, "007fff1a");
	free(text);
	text = hex_digits(NULL, 0);
	assert_string_equal(text, "");
	free(text);
}

static void
test_dump(void **state)
{
	struct print_to_text print;
	uint8_t bytes[100];

	(void)state;
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, "Hello, \x01world|", 14);
	bytes[99] = 0xff;
	hex_dump(print_to_text_begin(&print), "  ", 0x1000, bytes, sizeof(bytes));
	print_to_text_expect(
	    &print,
	    "  00001000  48 65 6c 6c 6f 2c 20 01  77 6f 72 6c 64 7c 00 00  |Hello, .world|..|\n"
	    "  00001010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n"
	    "  *\n"
	    "  00001060  00 00 00 ff                                       |....|\n");
}

/* The last line is always there, so that the end can be seen. */
static void
test_dump_of_zeros(void **state)
{
	struct print_to_text print;
	uint8_t bytes[64] = { 0 };

	(void)state;
	hex_dump(print_to_text_begin(&print), "", 0, bytes, sizeof(bytes));
	print_to_text_expect(
	    &print,
	    "00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n"
	    "*\n"
	    "00000030  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n");
	hex_dump(print_to_text_begin(&print), "", 0, bytes, 0);
	print_to_text_expect(&print, "");
}

static void
test_text(void **state)
{
	(void)state;
	assert_true(hex_is_text("", 0));
	assert_true(hex_is_text("a line\n\tand \xc3\xa4", 14));
	assert_false(hex_is_text("a\0b", 3));
	assert_false(hex_is_text("\x1b[2J", 4));
	/* Cut in the middle of a character. */
	assert_false(hex_is_text("a\xc3", 2));
	assert_false(hex_is_text("\xe2\x82", 2));
	/* Only as far as it goes. */
	assert_true(hex_is_text("ab\x00", 2));
}

static void
test_quote(void **state)
{
	struct print_to_text print;

	(void)state;
	hex_quote(print_to_text_begin(&print), "a \"b\"\\\n\tc", 9);
	print_to_text_expect(&print, "\"a \\\"b\\\"\\\\\\n\\tc\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digits),        cmocka_unit_test(test_dump),
		cmocka_unit_test(test_dump_of_zeros), cmocka_unit_test(test_text),
		cmocka_unit_test(test_quote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
