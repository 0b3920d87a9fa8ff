/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ROW_TEXT_H
#define ROW_TEXT_H

/*
 * Rows as text, for the operators that write them: CSV (RFC 4180), JSON lines (RFC 8259), plain
 * values. Everything goes into a bounded writer. What does not fit sets `full`; the caller then
 * goes back to where it was:
 *
 *     char *before = writer.at;
 *     row_put_csv(&writer, batch, row, columns, count);
 *     if (writer.full)
 *             row_writer_back(&writer, before);
 *
 * Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/lm_batch.h"

struct row_writer {
	char *at, *end;
	bool full;
};

static inline void
row_put(struct row_writer *writer, const char *bytes, size_t length)
{
	if ((size_t)(writer->end - writer->at) < length) {
		writer->full = true;
		return;
	}
	memcpy(writer->at, bytes, length);
	writer->at += length;
}

static inline void
row_put_char(struct row_writer *writer, char byte)
{
	row_put(writer, &byte, 1);
}

static inline void
row_put_text(struct row_writer *writer, const char *text)
{
	row_put(writer, text, strlen(text));
}

static inline void
row_writer_back(struct row_writer *writer, char *before)
{
	writer->at = before;
	writer->full = false;
}

/* The value as lm_batch_format writes it, without quotes. */
void row_put_value(struct row_writer *writer, const struct lm_batch *batch, uint32_t field,
                   uint32_t row);

/* A row with its line end; the line of names. `columns` are fields of the schema. */
void row_put_csv(struct row_writer *writer, const struct lm_batch *batch, uint32_t row,
                 const uint32_t *columns, uint32_t count);
void row_put_csv_names(struct row_writer *writer, const struct lm_schema *schema,
                       const uint32_t *columns, uint32_t count);
/*
 * An object a line. Numbers and bools are JSON's; numbers that JSON lacks (nan, inf) are null;
 * bytes that are not UTF-8 become U+FFFD.
 */
void row_put_json(struct row_writer *writer, const struct lm_batch *batch, uint32_t row,
                  const uint32_t *columns, uint32_t count);

/*
 * The length of the character (RFC 3629) that begins at `text`, 0 when it is none or cut off.
 * `length` is at least 1.
 */
uint32_t row_utf8_length(const char *text, size_t length);

#endif
