/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking a row of CSV apart: first where it ends, then its cells. Pure. */
#include "operators/csv.h"

#include <string.h>

/* Where a row ends: `end` is behind its last cell, `next` behind its line end. */
struct csv_extent {
	size_t end, next;
	uint32_t lines;
	bool bad;
};

/* Position behind the quoted cell that begins at `at`, or `size` + 1 when its end is not there. */
static size_t
csv_quoted_end(const char *bytes, size_t at, size_t size, uint32_t *lines)
{
	for (at++; at < size; at++) {
		if (bytes[at] == '\n') {
			(*lines)++;
		} else if (bytes[at] == '"') {
			if (at + 1 == size || bytes[at + 1] != '"') {
				return at + 1;
			}
			at++;
		}
	}
	return size + 1;
}

/* Behind a cell stands a separator, a line end or nothing. */
static bool
csv_cell_ends(const char *bytes, size_t at, size_t size, char separator)
{
	return at == size || bytes[at] == separator || bytes[at] == '\n' ||
	       (bytes[at] == '\r' && (at + 1 == size || bytes[at + 1] == '\n'));
}

/* Finds the end of a row that has quotes; false when the bytes end first. */
static bool
csv_extent_quoted(const char *bytes, size_t size, bool final, char separator,
                  struct csv_extent *extent)
{
	size_t at = 0;

	for (;;) {
		if (at < size && bytes[at] == '"') {
			at = csv_quoted_end(bytes, at, size, &extent->lines);
			if (at > size) {
				extent->bad = final;
				return final;
			}
			if (!final && (at == size || (at + 1 == size && bytes[at] == '\r'))) {
				return false;
			}
			extent->bad |= !csv_cell_ends(bytes, at, size, separator);
		}
		while (at < size && bytes[at] != separator && bytes[at] != '\n') {
			at++;
		}
		if (at == size || bytes[at] == '\n') {
			break;
		}
		at++;
	}
	if (at == size && !final) {
		return false;
	}
	extent->end = at;
	extent->next = at < size ? at + 1 : at;
	extent->lines += at < size;
	return true;
}

/* Replaces doubled quotes between the outer ones; returns the length without those. */
static uint32_t
csv_unescape(char *cell, size_t length)
{
	size_t to = 1;

	for (size_t from = 1; from + 1 < length; from++) {
		cell[to++] = cell[from];
		/* The extent was found: a quote in here has its double behind it. */
		from += cell[from] == '"';
	}
	return (uint32_t)(to - 1);
}

static void
csv_add_cell(struct csv_row *row, const char *text, size_t length)
{
	if (row->cell_count < CSV_CELLS_MAX) {
		row->cell[row->cell_count].text = text;
		row->cell[row->cell_count].length = (uint32_t)length;
	}
	row->cell_count++;
}

static void
csv_split_plain(const char *bytes, size_t end, char separator, struct csv_row *row)
{
	size_t start = 0;

	for (size_t at = 0; at < end; at++) {
		if (bytes[at] == separator) {
			csv_add_cell(row, bytes + start, at - start);
			start = at + 1;
		}
	}
	csv_add_cell(row, bytes + start, end - start);
}

static void
csv_split_quoted(char *bytes, size_t end, char separator, struct csv_row *row)
{
	size_t at = 0;

	for (;;) {
		size_t start = at;
		uint32_t lines = 0;

		if (at < end && bytes[at] == '"') {
			at = csv_quoted_end(bytes, at, end, &lines);
			csv_add_cell(row, bytes + start + 1,
			             csv_unescape(bytes + start, at - start));
		} else {
			while (at < end && bytes[at] != separator) {
				at++;
			}
			csv_add_cell(row, bytes + start, at - start);
		}
		if (at >= end) {
			return;
		}
		at++; /* the separator */
	}
}

enum csv_result
csv_take(char *bytes, size_t size, bool final, char separator, struct csv_row *row)
{
	const char *line_end = memchr(bytes, '\n', size);
	size_t line = line_end == NULL ? size : (size_t)(line_end - bytes);
	struct csv_extent extent = { .end = line,
		                     .next = line_end == NULL ? size : line + 1,
		                     .lines = line_end != NULL };
	bool quotes;

	row->cell_count = 0;
	if (line_end == NULL && !final) {
		return CSV_MORE;
	}
	quotes = memchr(bytes, '"', line) != NULL;
	if (quotes) {
		extent.lines = 0;
		if (!csv_extent_quoted(bytes, size, final, separator, &extent)) {
			return CSV_MORE;
		}
		if (extent.bad) {
			row->consumed = line_end == NULL ? size : line + 1;
			row->lines = line_end != NULL;
			return CSV_BAD;
		}
	}
	if (extent.end > 0 && bytes[extent.end - 1] == '\r') {
		extent.end--;
	}
	if (quotes) {
		csv_split_quoted(bytes, extent.end, separator, row);
	} else {
		csv_split_plain(bytes, extent.end, separator, row);
	}
	row->consumed = extent.next;
	row->lines = extent.lines;
	return CSV_ROW;
}
