/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEXT_TABLE_H
#define TEXT_TABLE_H

/*
 * A small aligned table for terminals.
 *
 *     struct text_table *t = text_table_create(text_colour(stdout));
 *     text_table_column(t, TEXT_LEFT, "OPERATOR");
 *     text_table_column(t, TEXT_RIGHT, "ROWS");
 *     text_table_cell(t, TEXT_BOLD, "%s", name);
 *     text_table_cell(t, TEXT_PLAIN, "%s", units_count(rows).text);     the row is full: the next
 * begins text_table_print(t, "  ", stdout); text_table_free(t);
 *
 * Widths count characters on the screen (UTF-8; wide East Asian ones take two columns, combining
 * marks none). Control characters and bytes that are not UTF-8 are shown as "?", so a name from
 * elsewhere cannot move the cursor. A column without cells in any row, or with empty ones only, is
 * left out. When memory runs out the table remembers it and prints nothing but says -ENOMEM.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum text_align { TEXT_LEFT, TEXT_RIGHT };

enum text_style {
	TEXT_PLAIN,
	TEXT_BOLD,
	TEXT_DIM,
	TEXT_RED,
	TEXT_GREEN,
	TEXT_YELLOW,
	TEXT_CYAN,
	TEXT_STYLE_COUNT
};

struct text_table;

struct text_table *text_table_create(bool colour);
void text_table_free(struct text_table *table); /* NULL is fine */
/* All columns before the first cell; an empty heading in every column means no heading line. */
void text_table_column(struct text_table *table, enum text_align align, const char *heading);
/* The next cell, cut to 511 bytes: left to right, then the next row. */
void text_table_cell(struct text_table *table, enum text_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Ends the row early; the cells that are missing are empty. Nothing at the beginning of a row. */
void text_table_end_row(struct text_table *table);
/* Prints, each line after `indent`. Returns 0 or -ENOMEM. */
int text_table_print(const struct text_table *table, const char *indent, FILE *out);

/* What turns a style on; "" for the plain one and where there is no colour. TEXT_PLAIN turns all
 * off. */
const char *text_style_on(bool colour, enum text_style style);
const char *text_style_off(bool colour, enum text_style style);
/* Colour is right: a terminal, and NO_COLOR (https://no-color.org) is not set. */
bool text_colour(FILE *out);

/*
 * The character at `text` (at least one byte): its length in bytes, and its columns through *width;
 * -1 when it is a control character or not UTF-8.
 */
size_t text_character(const char *text, int *width);
/* Puts a "?" for every byte or character that is bad; a text never gets longer. */
void text_clean(char *text);
/* Columns that a text takes, with every bad byte as one. */
size_t text_width(const char *text);

#endif
