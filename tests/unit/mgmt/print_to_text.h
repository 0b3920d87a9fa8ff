/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PRINT_TO_TEXT_H
#define PRINT_TO_TEXT_H

/* What a function prints to a FILE, as one text; and a comparison that shows both sides. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct print_to_text {
	char *text;
	size_t size;
	FILE *out;
};

static inline FILE *
print_to_text_begin(struct print_to_text *print)
{
	print->text = NULL;
	print->out = open_memstream(&print->text, &print->size);
	assert_non_null(print->out);
	return print->out;
}

/* The text; free it. */
static inline char *
print_to_text_end(struct print_to_text *print)
{
	assert_int_equal(fclose(print->out), 0);
	assert_non_null(print->text);
	return print->text;
}

/* Compares with what was expected and lets go of the text. */
static inline void
print_to_text_expect(struct print_to_text *print, const char *expected)
{
	char *text = print_to_text_end(print);

	assert_string_equal(text, expected);
	free(text);
}

#endif
