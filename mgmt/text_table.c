/* SPDX-License-Identifier: BSD-3-Clause */
/* A small aligned table for terminals: cells are kept as text, widths are found when it is printed.
 */
#include "mgmt/text_table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TABLE_COLUMNS_MAX = 24, TABLE_GAP = 2, TABLE_CELL_MAX = 512 };

struct table_column {
	enum text_align align;
	char *heading;
};

struct table_cell {
	enum text_style style;
	char *text; /* NULL: empty */
};

struct text_table {
	bool colour;
	bool failed;
	uint32_t column_count;
	struct table_column column[TABLE_COLUMNS_MAX];
	struct table_cell *cell; /* row by row */
	size_t cell_count, cell_capacity;
};

/* Ranges of code points, both ends included. */
struct table_range {
	uint32_t first, last;
};

/* Marks that stand on the character before: Unicode's combining blocks, joiners, variation
 * selectors. */
static const struct table_range table_combining[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x064b, 0x065f },
	{ 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x200b, 0x200d }, { 0x20d0, 0x20ff },
	{ 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f },
};

/* Wide and full-width characters of Unicode's EastAsianWidth, by block. */
static const struct table_range table_wide[] = {
	{ 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0x33ff }, { 0x3400, 0x4dbf },
	{ 0x4e00, 0x9fff },   { 0xa000, 0xa4cf },   { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff },
	{ 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 }, { 0x1f300, 0x1f64f },
	{ 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
};

/* Characters that a terminal may act on although they are not controls: direction and line marks.
 */
static const struct table_range table_unsafe[] = {
	{ 0x0000, 0x001f }, { 0x007f, 0x009f }, { 0x200e, 0x200f },
	{ 0x2028, 0x202e }, { 0x2066, 0x2069 }, { 0xd800, 0xdfff },
};

#define TABLE_IN(ranges, code) table_in(ranges, sizeof(ranges) / sizeof((ranges)[0]), code)

static bool
table_in(const struct table_range *range, size_t count, uint32_t code)
{
	for (size_t i = 0; i < count; i++) {
		if (code >= range[i].first && code <= range[i].last) {
			return true;
		}
	}
	return false;
}

/* Bytes of the character that begins with `lead`, and the least code point of that length. */
static size_t
table_sequence(uint8_t lead, uint32_t *code, uint32_t *least)
{
	if (lead < 0x80) {
		*code = lead;
		*least = 0;
		return 1;
	}
	if ((lead & 0xe0) == 0xc0) {
		*code = lead & 0x1f;
		*least = 0x80;
		return 2;
	}
	if ((lead & 0xf0) == 0xe0) {
		*code = lead & 0x0f;
		*least = 0x800;
		return 3;
	}
	if ((lead & 0xf8) == 0xf0) {
		*code = lead & 0x07;
		*least = 0x10000;
		return 4;
	}
	*code = *least = 0;
	return 0;
}

size_t
text_character(const char *text, int *width)
{
	uint32_t code, least;
	size_t length = table_sequence((uint8_t)text[0], &code, &least);

	*width = -1;
	for (size_t i = 1; i < length; i++) {
		if (((uint8_t)text[i] & 0xc0) != 0x80) {
			return 1;
		}
		code = code << 6 | ((uint8_t)text[i] & 0x3f);
	}
	if (length == 0 || code < least || code > 0x10ffff) {
		return 1;
	}
	if (!TABLE_IN(table_unsafe, code)) {
		*width = TABLE_IN(table_combining, code) ? 0 : TABLE_IN(table_wide, code) ? 2 : 1;
	}
	return length;
}

size_t
text_width(const char *text)
{
	size_t columns = 0;

	while (*text != '\0') {
		int width;

		text += text_character(text, &width);
		columns += width < 0 ? 1 : (size_t)width;
	}
	return columns;
}

void
text_clean(char *text)
{
	char *to = text;

	while (*text != '\0') {
		int width;
		size_t length = text_character(text, &width);

		if (width < 0) {
			*to++ = '?';
		} else {
			memmove(to, text, length);
			to += length;
		}
		text += length;
	}
	*to = '\0';
}

struct text_table *
text_table_create(bool colour)
{
	struct text_table *table = calloc(1, sizeof(*table));

	if (table != NULL) {
		table->colour = colour;
	}
	return table;
}

void
text_table_free(struct text_table *table)
{
	if (table == NULL) {
		return;
	}
	for (uint32_t i = 0; i < table->column_count; i++) {
		free(table->column[i].heading);
	}
	for (size_t i = 0; i < table->cell_count; i++) {
		free(table->cell[i].text);
	}
	free(table->cell);
	free(table);
}

void
text_table_column(struct text_table *table, enum text_align align, const char *heading)
{
	struct table_column *column;

	if (table == NULL || table->column_count == TABLE_COLUMNS_MAX) {
		return;
	}
	column = &table->column[table->column_count];
	column->align = align;
	column->heading = strdup(heading);
	if (column->heading == NULL) {
		table->failed = true;
		return;
	}
	table->column_count++;
}

static struct table_cell *
table_push(struct text_table *table)
{
	struct table_cell *cell;

	if (table->cell_count == table->cell_capacity) {
		size_t capacity = table->cell_capacity == 0 ? 64 : 2 * table->cell_capacity;
		struct table_cell *grown = reallocarray(table->cell, capacity, sizeof(*grown));

		if (grown == NULL) {
			table->failed = true;
			return NULL;
		}
		table->cell = grown;
		table->cell_capacity = capacity;
	}
	cell = &table->cell[table->cell_count++];
	*cell = (struct table_cell){ .style = TEXT_PLAIN };
	return cell;
}

void
text_table_cell(struct text_table *table, enum text_style style, const char *format, ...)
{
	char text[TABLE_CELL_MAX];
	struct table_cell *cell;
	va_list args;

	if (table == NULL || table->failed || table->column_count == 0) {
		return;
	}
	cell = table_push(table);
	if (cell == NULL) {
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text_clean(text);
	cell->style = style;
	cell->text = strdup(text);
	table->failed = cell->text == NULL;
}

void
text_table_end_row(struct text_table *table)
{
	if (table == NULL || table->column_count == 0) {
		return;
	}
	while (!table->failed && table->cell_count % table->column_count != 0) {
		table_push(table);
	}
}

/* The widest cell of a column; 0 when all its cells are empty: the column is left out. */
static size_t
table_column_width(const struct text_table *table, uint32_t column)
{
	size_t widest = 0;

	for (size_t i = column; i < table->cell_count; i += table->column_count) {
		size_t width = table->cell[i].text == NULL ? 0 : text_width(table->cell[i].text);

		widest = width > widest ? width : widest;
	}
	if (widest > 0 || table->cell_count == 0) {
		size_t heading = text_width(table->column[column].heading);

		widest = heading > widest ? heading : widest;
	}
	return widest;
}

/* One line: spaces are owed until something follows them, so that no line ends with one. */
struct table_line {
	FILE *out;
	bool colour;
	size_t owed;
};

static void
table_put(struct table_line *line, const char *text, enum text_style style, size_t width,
          enum text_align align)
{
	size_t used = text_width(text);
	size_t padding = width > used ? width - used : 0;

	if (used == 0) {
		line->owed += width + TABLE_GAP;
		return;
	}
	line->owed += align == TEXT_RIGHT ? padding : 0;
	fprintf(line->out, "%*s%s%s%s", (int)line->owed, "", text_style_on(line->colour, style),
	        text, text_style_off(line->colour, style));
	line->owed = (align == TEXT_LEFT ? padding : 0) + TABLE_GAP;
}

static bool
table_has_heading(const struct text_table *table)
{
	for (uint32_t i = 0; i < table->column_count; i++) {
		if (table->column[i].heading[0] != '\0') {
			return true;
		}
	}
	return false;
}

int
text_table_print(const struct text_table *table, const char *indent, FILE *out)
{
	size_t width[TABLE_COLUMNS_MAX];
	struct table_line line = { .out = out };

	if (table == NULL || table->failed) {
		return -ENOMEM;
	}
	line.colour = table->colour;
	for (uint32_t i = 0; i < table->column_count; i++) {
		width[i] = table_column_width(table, i);
	}
	if (table_has_heading(table)) {
		fputs(indent, out);
		for (uint32_t i = 0; i < table->column_count; i++) {
			if (width[i] > 0) {
				table_put(&line, table->column[i].heading, TEXT_DIM, width[i],
				          table->column[i].align);
			}
		}
		fputc('\n', out);
	}
	for (size_t first = 0; first < table->cell_count; first += table->column_count) {
		fputs(indent, out);
		line.owed = 0;
		for (uint32_t i = 0; i < table->column_count && first + i < table->cell_count;
		     i++) {
			const struct table_cell *cell = &table->cell[first + i];

			if (width[i] > 0) {
				table_put(&line, cell->text == NULL ? "" : cell->text, cell->style,
				          width[i], table->column[i].align);
			}
		}
		fputc('\n', out);
	}
	return 0;
}

const char *
text_style_on(bool colour, enum text_style style)
{
	static const char *const on[TEXT_STYLE_COUNT] = {
		[TEXT_PLAIN] = "",        [TEXT_BOLD] = "\033[1m",   [TEXT_DIM] = "\033[2m",
		[TEXT_RED] = "\033[31m",  [TEXT_GREEN] = "\033[32m", [TEXT_YELLOW] = "\033[33m",
		[TEXT_CYAN] = "\033[36m",
	};

	return colour ? on[style] : "";
}

const char *
text_style_off(bool colour, enum text_style style)
{
	return colour && style != TEXT_PLAIN ? "\033[0m" : "";
}

bool
text_colour(FILE *out)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (no_color != NULL && no_color[0] != '\0') {
		return false;
	}
	return isatty(fileno(out)) == 1 && (term == NULL || strcmp(term, "dumb") != 0);
}
