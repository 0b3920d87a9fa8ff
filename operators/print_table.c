/* SPDX-License-Identifier: BSD-3-Clause */
/* A table of text for people: cells from values, lines from cells. Pure. */
#include "operators/print_table.h"

#include <stdio.h>

#define PRINT_CUT "\xe2\x80\xa6" /* an ellipsis */
#define PRINT_GAP 2u
/* Longest line: more columns than this holds are not shown. */
#define PRINT_LINE_MAX 2400u

/* A line being put together, as wide as it may be. */
struct print_line {
	struct row_writer *writer;
	uint32_t width, width_max;
};

/* Control characters of both halves of Latin-1, which a terminal would obey. */
static bool
print_is_control(const char *text, uint32_t length)
{
	uint8_t first = (uint8_t)text[0];

	return first < 0x20 || first == 0x7f ||
	       (length == 2 && first == 0xc2 && (uint8_t)text[1] < 0xa0);
}

void
print_cell_text(struct print_cell *cell, const char *text, size_t length)
{
	size_t at = 0;

	cell->length = 0;
	cell->width = 0;
	while (at < length) {
		uint32_t size = row_utf8_length(text + at, length - at);
		bool good = size > 0 && !print_is_control(text + at, size);
		uint32_t need = good ? size : 1;

		if (cell->length + need + (at + need < length ? sizeof(PRINT_CUT) - 1 : 0) >
		    PRINT_CELL_MAX) {
			memcpy(cell->text + cell->length, PRINT_CUT, sizeof(PRINT_CUT) - 1);
			cell->length += sizeof(PRINT_CUT) - 1;
			cell->width++;
			return;
		}
		memcpy(cell->text + cell->length, good ? text + at : ".", need);
		cell->length = (uint8_t)(cell->length + need);
		cell->width++;
		at += size == 0 ? 1 : size;
	}
}

/* The value as a number, where it is one. */
static bool
print_number(const struct lm_batch *batch, uint32_t field, uint32_t row, double *number)
{
	switch (batch->schema->field[field].type) {
	case LM_I8:
		*number = lm_batch_i8(batch, field)[row];
		return true;
	case LM_I16:
		*number = lm_batch_i16(batch, field)[row];
		return true;
	case LM_I32:
		*number = lm_batch_i32(batch, field)[row];
		return true;
	case LM_I64:
		*number = (double)lm_batch_i64(batch, field)[row];
		return true;
	case LM_U8:
		*number = lm_batch_u8(batch, field)[row];
		return true;
	case LM_U16:
		*number = lm_batch_u16(batch, field)[row];
		return true;
	case LM_U32:
		*number = lm_batch_u32(batch, field)[row];
		return true;
	case LM_U64:
		*number = (double)lm_batch_u64(batch, field)[row];
		return true;
	case LM_F32:
		*number = (double)lm_batch_f32(batch, field)[row];
		return true;
	case LM_F64:
		*number = lm_batch_f64(batch, field)[row];
		return true;
	default:
		return false;
	}
}

/* Three digits and a prefix: 999, 1.23k, 45.6M. */
static int
print_scaled(char *text, size_t size, double number, double step, const char *const *prefix,
             const char *unit)
{
	double magnitude = number < 0 ? -number : number;
	uint32_t steps = 0;

	/* What would be rounded up to the next prefix takes that. */
	while (magnitude >= step * 0.9995 && prefix[steps + 1] != NULL) {
		magnitude /= step;
		steps++;
	}
	return snprintf(text, size, "%s%.*f%s%s", number < 0 ? "-" : "",
	                steps == 0 && magnitude == (double)(uint64_t)magnitude ? 0
	                : magnitude < 9.995                                    ? 2
	                : magnitude < 99.95                                    ? 1
	                                                                       : 0,
	                magnitude, prefix[steps], unit);
}

void
print_cell_value(struct print_cell *cell, const struct lm_batch *batch, uint32_t field,
                 uint32_t row, enum print_unit unit)
{
	static const char *const bytes[] = { " B",   " KiB", " MiB", " GiB",
		                             " TiB", " PiB", " EiB", NULL };
	static const char *const rates[] = { "", "k", "M", "G", "T", "P", "E", NULL };
	enum lm_type type = batch->schema->field[field].type;
	char text[PRINT_CELL_MAX * 4];
	size_t length = 0;
	double number;

	if (unit == PRINT_BYTES && print_number(batch, field, row, &number)) {
		length = (size_t)print_scaled(text, sizeof(text), number, 1024, bytes, "");
	} else if (unit == PRINT_RATE && print_number(batch, field, row, &number)) {
		length = (size_t)print_scaled(text, sizeof(text), number, 1000, rates, "/s");
	} else if ((type == LM_F32 || type == LM_F64) && print_number(batch, field, row, &number)) {
		length = (size_t)snprintf(text, sizeof(text), "%.6g", number);
	} else {
		length = lm_batch_format(batch, field, row, text, sizeof(text));
	}
	print_cell_text(cell, text, length < sizeof(text) ? length : sizeof(text) - 1);
}

/* ---- lines ---- */

static void
print_blanks(struct print_line *line, uint32_t count)
{
	for (uint32_t i = 0; i < count && line->width < line->width_max; i++) {
		row_put_char(line->writer, ' ');
		line->width++;
	}
}

/* Characters as far as the line goes. */
static void
print_characters(struct print_line *line, const char *text, size_t length)
{
	for (size_t at = 0; at < length && line->width < line->width_max; line->width++) {
		uint32_t size = row_utf8_length(text + at, length - at);

		size = size == 0 ? 1 : size;
		row_put(line->writer, text + at, size);
		at += size;
	}
}

static void
print_padded(struct print_line *line, const char *text, size_t length, uint32_t width,
             uint32_t column_width, bool right, bool last)
{
	if (right) {
		print_blanks(line, column_width - width);
	}
	print_characters(line, text, length);
	if (!right && !last) {
		print_blanks(line, column_width - width);
	}
	if (!last) {
		print_blanks(line, PRINT_GAP);
	}
}

static struct print_line
print_line_begin(struct row_writer *writer, const struct print_table *table)
{
	uint32_t width =
	    table->width == 0 || table->width > PRINT_LINE_MAX ? PRINT_LINE_MAX : table->width;

	return (struct print_line){ writer, 0, width };
}

static void
print_title(struct row_writer *writer, const struct print_table *table)
{
	struct print_line line = print_line_begin(writer, table);

	print_characters(&line, table->title, strlen(table->title));
	if (table->time[0] != '\0') {
		print_blanks(&line, PRINT_GAP);
		print_characters(&line, table->time, strlen(table->time));
	}
	row_put_char(writer, '\n');
}

static uint32_t
print_column_width(const struct print_table *table, uint32_t column)
{
	uint32_t width = (uint32_t)strlen(table->column[column].name);

	for (uint32_t row = 0; row < table->rows; row++) {
		uint32_t cell = table->cell[row * table->column_count + column].width;

		width = cell > width ? cell : width;
	}
	return width;
}

uint32_t
print_table_put(struct row_writer *writer, const struct print_table *table)
{
	uint32_t width[LM_FIELDS_MAX], lines = 2;
	char more[48];
	struct print_line line;

	print_title(writer, table);
	line = print_line_begin(writer, table);
	for (uint32_t i = 0; i < table->column_count; i++) {
		const char *name = table->column[i].name;

		width[i] = print_column_width(table, i);
		print_padded(&line, name, strlen(name), (uint32_t)strlen(name), width[i],
		             table->column[i].right, i + 1 == table->column_count);
	}
	row_put_char(writer, '\n');
	for (uint32_t row = 0; row < table->rows; row++, lines++) {
		line = print_line_begin(writer, table);
		for (uint32_t i = 0; i < table->column_count; i++) {
			const struct print_cell *cell = &table->cell[row * table->column_count + i];

			print_padded(&line, cell->text, cell->length, cell->width, width[i],
			             table->column[i].right, i + 1 == table->column_count);
		}
		row_put_char(writer, '\n');
	}
	if (table->more > 0) {
		line = print_line_begin(writer, table);
		snprintf(more, sizeof(more), PRINT_CUT " %llu more",
		         (unsigned long long)table->more);
		print_characters(&line, more, strlen(more));
		row_put_char(writer, '\n');
		lines++;
	}
	return lines;
}
