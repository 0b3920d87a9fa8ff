/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking rows out of a buffer of text: lines, CSV, JSON objects; what is none is dropped by name.
 */
#include "operators/text_rows.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "operators/json_row.h"

const char *const text_kinds[] = { "lines", "csv", "jsonl", NULL };

/* ---- the buffer ---- */

void
text_open(struct text_reader *reader, const struct text_format *format, char *buffer, size_t size,
          text_bad_fn *bad)
{
	reader->format = format;
	reader->bad = bad;
	reader->buffer = buffer;
	reader->size = size;
	reader->columns = format->column_count;
	memcpy(reader->column, format->column, sizeof(reader->column));
	text_begin(reader);
}

void
text_begin(struct text_reader *reader)
{
	reader->start = 0;
	reader->end = 0;
	reader->taken = 0;
	reader->line = 1;
	reader->at_end = false;
	reader->skipping = false;
	reader->stopped = false;
	reader->row_taken = false;
}

char *
text_room(struct text_reader *reader, size_t *size)
{
	/* A row taken apart points into the buffer. */
	assert(!reader->row_taken);
	memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
	reader->end -= reader->start;
	reader->start = 0;
	*size = reader->size - reader->end;
	return reader->buffer + reader->end;
}

void
text_took(struct text_reader *reader, size_t size)
{
	uint64_t before = reader->taken;

	reader->at_end = size == 0;
	reader->end += size;
	reader->taken += size;
	/* A byte order mark, however few bytes of it came at once. */
	if (before < 3 && reader->taken >= 3 && reader->end - reader->start == reader->taken &&
	    memcmp(reader->buffer, "\xef\xbb\xbf", 3) == 0) {
		reader->start = 3;
	}
}

uint64_t
text_left(const struct text_reader *reader)
{
	return reader->end - reader->start + (reader->row_taken ? reader->row.consumed : 0);
}

/* ---- rows ---- */

static void
text_drop(struct lm_op *op, struct text_reader *reader, uint32_t reason, const char *what)
{
	lm_op_drop(op, reason, 1);
	reader->bad(op, reader, what);
}

/* Behind a line that is too long: its end is looked for in what comes. True once it was found. */
static bool
text_skip(struct text_reader *reader)
{
	const char *from = reader->buffer + reader->start;
	const char *line_end = memchr(from, '\n', reader->end - reader->start);

	reader->start = line_end == NULL ? reader->end : (size_t)(line_end + 1 - reader->buffer);
	reader->line += line_end != NULL;
	reader->skipping = line_end == NULL;
	return !reader->skipping;
}

/*
 * Finds the next line; *length is that of its text, *whole includes the line end. Nothing is taken.
 */
static enum text_found
text_find_line(struct lm_op *op, struct text_reader *reader, uint32_t *length, uint32_t *whole)
{
	const struct text_format *c = reader->format;
	const char *from = reader->buffer + reader->start;
	size_t left = reader->end - reader->start;
	const char *line_end;

	if (reader->skipping && !text_skip(reader)) {
		return TEXT_MORE;
	}
	from = reader->buffer + reader->start;
	left = reader->end - reader->start;
	line_end = left == 0 ? NULL : memchr(from, '\n', left);
	if (line_end == NULL && left <= c->line_max + 1 && (!reader->at_end || left == 0)) {
		return TEXT_MORE;
	}
	*length = (uint32_t)(line_end == NULL ? left : (size_t)(line_end - from));
	*whole = *length + (line_end != NULL);
	if (*length > 0 && from[*length - 1] == '\r') {
		(*length)--;
	}
	if (*length > c->line_max) {
		text_drop(op, reader, DROP_LINE_TOO_LONG, "the line is longer than line_max");
		text_skip(reader);
		return TEXT_BAD;
	}
	return TEXT_READY;
}

/* Fills rows from `first` on; returns how many. */
static uint32_t
text_fill_lines(struct lm_op *op, struct text_reader *reader, struct lm_batch *out, uint32_t first,
                uint32_t rows)
{
	uint32_t count = 0, length, whole;

	while (count < rows && !reader->stopped) {
		enum text_found found = text_find_line(op, reader, &length, &whole);

		if (found == TEXT_MORE) {
			break;
		}
		if (found == TEXT_BAD) {
			continue;
		}
		if (!lm_batch_put_string(out, 0, first + count, reader->buffer + reader->start,
		                         length)) {
			break;
		}
		reader->start += whole;
		reader->line++;
		count++;
	}
	return count;
}

/* Takes the next row apart into reader->row; its bytes are taken with it. */
static enum text_found
text_find_csv(struct lm_op *op, struct text_reader *reader)
{
	const struct text_format *c = reader->format;
	size_t left;
	enum csv_result result;

	if (reader->skipping && !text_skip(reader)) {
		return TEXT_MORE;
	}
	left = reader->end - reader->start;
	if (left == 0) {
		return TEXT_MORE;
	}
	result = csv_take(reader->buffer + reader->start, left, reader->at_end, c->separator,
	                  &reader->row);
	if (result == CSV_MORE && left <= c->line_max) {
		return TEXT_MORE;
	}
	if (result == CSV_MORE) {
		text_drop(op, reader, DROP_LINE_TOO_LONG,
		          "the row is longer than line_max, or a quote is not closed");
		text_skip(reader); /* only this line: the quote may be the mistake */
		return TEXT_BAD;
	}
	reader->start += reader->row.consumed;
	if (reader->row.consumed > c->line_max + 2) {
		text_drop(op, reader, DROP_LINE_TOO_LONG, "the row is longer than line_max");
		reader->line += reader->row.lines;
		return TEXT_BAD;
	}
	if (result == CSV_BAD) {
		text_drop(op, reader, DROP_BAD_QUOTES,
		          "text behind a closing quote, or a quote that is not closed");
		reader->line += reader->row.lines;
		return TEXT_BAD;
	}
	return TEXT_READY;
}

/* The same of a line that holds an object. Its cells are in the order of the declared columns. */
static enum text_found
text_find_json(struct lm_op *op, struct text_reader *reader)
{
	uint32_t length, whole;
	enum text_found found = text_find_line(op, reader, &length, &whole);
	char *line = reader->buffer + reader->start;

	if (found != TEXT_READY) {
		return found;
	}
	reader->start += whole;
	reader->row.consumed = whole;
	reader->row.lines = 1;
	if (length == 0) {
		reader->row.cell_count = 1;
		reader->row.cell[0].length = 0;
		return TEXT_READY;
	}
	if (!json_take(line, length, reader->column[0].name, sizeof(reader->column[0]),
	               reader->columns, &reader->row)) {
		text_drop(op, reader, DROP_BAD_JSON, "the line is not an object of JSON");
		reader->line++;
		return TEXT_BAD;
	}
	return TEXT_READY;
}

static enum text_found
text_find_row(struct lm_op *op, struct text_reader *reader)
{
	if (reader->row_taken) {
		reader->row_taken = false;
		return TEXT_READY;
	}
	return reader->format->kind == TEXT_CSV ? text_find_csv(op, reader)
	                                        : text_find_json(op, reader);
}

/* What became of a row. */
enum text_put { PUT_DONE, PUT_FULL, PUT_BAD };

static enum text_put
text_put_string(struct lm_op *op, struct text_reader *reader, const struct text_column *column,
                struct lm_batch *out, uint32_t row, const char *text, uint32_t length)
{
	if (lm_batch_put_string(out, column->field, row, text, length)) {
		return PUT_DONE;
	}
	if (length <= lm_batch_bytes_max(out->schema, column->field)) {
		return PUT_FULL;
	}
	text_drop(op, reader, DROP_LINE_TOO_LONG, "a value is longer than a batch can hold");
	return PUT_BAD;
}

static enum text_put
text_put_cell(struct lm_op *op, struct text_reader *reader, const struct text_column *column,
              struct lm_batch *out, uint32_t row, const char *text, uint32_t length)
{
	uint32_t width = lm_type_width(column->spec.type);
	char *value = (char *)lm_batch_column(out, column->field) + (size_t)row * width;
	char what[160];

	if (width == 0) {
		return text_put_string(op, reader, column, out, row, text, length);
	}
	if (value_spec_parse(&column->spec, text, length, value)) {
		return PUT_DONE;
	}
	snprintf(what, sizeof(what), "\"%.*s\" in column %s is not a value of type %s",
	         (int)(length < 40 ? length : 40), text, column->name,
	         lm_type_text(column->spec.type));
	text_drop(op, reader, DROP_BAD_VALUE, what);
	return PUT_BAD;
}

static enum text_put
text_put_row(struct lm_op *op, struct text_reader *reader, struct lm_batch *out, uint32_t row)
{
	char what[160];

	if (reader->row.cell_count != reader->columns) {
		snprintf(what, sizeof(what), "%u columns instead of %u", reader->row.cell_count,
		         reader->columns);
		text_drop(op, reader, DROP_COLUMN_COUNT, what);
		return PUT_BAD;
	}
	for (uint32_t i = 0; i < reader->columns; i++) {
		const struct text_column *column = &reader->column[i];
		enum text_put put;

		if (column->field == LM_NONE) {
			continue;
		}
		put = text_put_cell(op, reader, column, out, row, reader->row.cell[i].text,
		                    reader->row.cell[i].length);
		if (put != PUT_DONE) {
			return put;
		}
	}
	return PUT_DONE;
}

static bool
text_row_is_blank(const struct text_reader *reader)
{
	return reader->row.cell_count == 1 && reader->row.cell[0].length == 0 &&
	       (reader->columns > 1 || reader->format->kind == TEXT_JSONL);
}

static uint32_t
text_fill_rows(struct lm_op *op, struct text_reader *reader, struct lm_batch *out, uint32_t first,
               uint32_t rows)
{
	uint32_t count = 0;

	while (count < rows && !reader->stopped) {
		enum text_found found = text_find_row(op, reader);
		enum text_put put;

		if (found == TEXT_MORE) {
			break;
		}
		if (found == TEXT_BAD) {
			continue;
		}
		if (text_row_is_blank(reader)) {
			reader->line += reader->row.lines;
			continue;
		}
		put = text_put_row(op, reader, out, first + count);
		if (put == PUT_FULL) {
			reader->row_taken = true;
			break;
		}
		reader->line += reader->row.lines;
		count += put == PUT_DONE;
	}
	return count;
}

uint32_t
text_fill(struct lm_op *op, struct text_reader *reader, struct lm_batch *out, uint32_t first,
          uint32_t rows)
{
	return reader->format->kind == TEXT_LINES ? text_fill_lines(op, reader, out, first, rows)
	                                          : text_fill_rows(op, reader, out, first, rows);
}

/* ---- header ---- */

/* Finds the column that the header calls by the name of cell `cell`. */
static void
text_match_cell(struct text_reader *reader, uint32_t cell, bool *found)
{
	const struct text_format *c = reader->format;

	reader->column[cell].field = LM_NONE;
	for (uint32_t i = 0; i < c->column_count; i++) {
		if (!found[i] && value_word_is(reader->row.cell[cell].text,
		                               reader->row.cell[cell].length, c->column[i].name)) {
			reader->column[cell] = c->column[i];
			found[i] = true;
			return;
		}
	}
}

static bool
text_match_header(struct text_reader *reader, char *why, size_t size)
{
	const struct text_format *c = reader->format;
	bool found[CSV_CELLS_MAX] = { false };

	if (reader->row.cell_count > CSV_CELLS_MAX) {
		snprintf(why, size, "%u columns, more than %u", reader->row.cell_count,
		         CSV_CELLS_MAX);
		return false;
	}
	reader->columns = reader->row.cell_count;
	for (uint32_t i = 0; i < reader->columns; i++) {
		text_match_cell(reader, i, found);
	}
	for (uint32_t i = 0; i < c->column_count; i++) {
		if (!found[i] && c->column[i].field != LM_NONE) {
			snprintf(why, size,
			         "the header has no column \"%s\"; write the names of `fields` as "
			         "in the header",
			         c->column[i].name);
			return false;
		}
	}
	return true;
}

enum text_found
text_header(struct lm_op *op, struct text_reader *reader, bool is_known, char *why, size_t size)
{
	enum text_found found = text_find_row(op, reader);

	if (found == TEXT_BAD || (found == TEXT_MORE && reader->at_end)) {
		snprintf(why, size, "no header; it is empty or its first line is too long");
		return TEXT_BAD;
	}
	if (found == TEXT_MORE) {
		return TEXT_MORE;
	}
	reader->line += reader->row.lines;
	return is_known || text_match_header(reader, why, size) ? TEXT_READY : TEXT_BAD;
}

/* ---- event time ---- */

void
text_watermark(struct lm_op *op, const struct text_format *format, const struct lm_batch *out,
               uint32_t first, uint32_t count, int64_t *time_max_ns)
{
	const int64_t *time_ns = lm_batch_time(out);
	int64_t reached;

	if (time_ns == NULL || count == 0) {
		return;
	}
	for (uint32_t i = first; i < first + count; i++) {
		*time_max_ns = time_ns[i] > *time_max_ns ? time_ns[i] : *time_max_ns;
	}
	if (!__builtin_sub_overflow(*time_max_ns, (int64_t)format->lag_ns + 1, &reached)) {
		lm_op_watermark(op, reached);
	}
}
