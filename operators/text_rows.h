/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEXT_ROWS_H
#define TEXT_ROWS_H

/*
 * From text to rows, for the sources that read it: lines, CSV or JSON objects a line, out of a
 * buffer into the columns of a batch. operators/text_setup.c reads what the topology says of the
 * columns, text_rows.c follows it. A source reads bytes and asks for rows:
 *
 *     char *room = text_room(reader, &size);          where the next bytes belong
 *     text_took(reader, read(room, size));            0: they were the last
 *     count = text_fill(op, reader, out, first, rows);
 *
 * What is not a row is dropped by one of TEXT_DROPS, and `bad` is told, which may stop the reader.
 */

#include "core/lm_op.h"
#include "operators/csv.h"
#include "operators/value_text.h"

/* Bytes of a reader's buffer. */
#define TEXT_BUFFER(format, block) ((size_t)(block) + (format)->line_max)

enum text_kind { TEXT_LINES, TEXT_CSV, TEXT_JSONL };
/* The first drops of a class that reads rows of text. */
enum {
	DROP_LINE_TOO_LONG,
	DROP_COLUMN_COUNT,
	DROP_BAD_VALUE,
	DROP_BAD_QUOTES,
	DROP_BAD_JSON,
	TEXT_DROP_COUNT
};
#define TEXT_DROPS "line_too_long", "column_count", "bad_value", "bad_quotes", "bad_json"

/* A column of the text: which field it fills and how. */
struct text_column {
	uint32_t field; /* LM_NONE: skipped */
	bool skipped;   /* as declared */
	struct value_spec spec;
	char name[LM_NAME_MAX];
};

/* What the topology says. */
struct text_format {
	enum text_kind kind;
	bool header;
	char separator;
	uint64_t lag_ns;
	uint32_t line_max;
	uint32_t column_count; /* as declared, skipped ones included */
	struct text_column column[CSV_CELLS_MAX];
};

/* Parameters of a class that reads rows of text: what text_configure asks for. */
extern const char *const text_kinds[];
#define TEXT_PARAMS                                                                                \
	{ .name = "format",                                                                        \
	  .type = LM_PARAM_CHOICE,                                                                 \
	  .fallback = "lines",                                                                     \
	  .choices = text_kinds,                                                                   \
	  .summary = "lines: one string a line; csv: the columns of `fields`; jsonl: an object "   \
		     "a line, the columns of `fields` by name" },                                  \
	    { .name = "as",                                                                        \
	      .type = LM_PARAM_TEXT,                                                               \
	      .fallback = "line",                                                                  \
	      .summary = "name of the column of format lines" },                                   \
	    { .name = "fields",                                                                    \
	      .type = LM_PARAM_MAP,                                                                \
	      .summary = "columns of format csv, in the text's order: name to type, as in f64, "   \
		         "\"time ms\" (numbers in ms), \"u32 = 0\" (empty cells are 0), skip" },   \
	    { .name = "header",                                                                    \
	      .type = LM_PARAM_BOOL,                                                               \
	      .fallback = "false",                                                                 \
	      .summary =                                                                           \
		  "the first row of format csv holds names: columns are found by them, the "       \
		  "others skipped" },                                                              \
	    { .name = "separator",                                                                 \
	      .type = LM_PARAM_TEXT,                                                               \
	      .fallback = ",",                                                                     \
	      .summary = "one character between the cells; \\t is a tab" },                        \
	    { .name = "time",                                                                      \
	      .type = LM_PARAM_TEXT,                                                               \
	      .summary = "the column that is the event time; it becomes the first column" },       \
	    { .name = "lag",                                                                       \
	      .type = LM_PARAM_DURATION,                                                           \
	      .fallback = "0s",                                                                    \
	      .summary = "how far rows may be behind the highest time before them" },              \
	{                                                                                          \
		.name = "line_max", .type = LM_PARAM_SIZE, .fallback = "64KiB", .min = 16,         \
		.max = 256 * 1024, .summary = "longer lines are dropped"                           \
	}

/* Reads them and declares the output. 0, or -1 after lm_setup_error. */
int text_configure(struct lm_setup *setup, struct text_format *format);

struct text_reader;
/* A row was dropped, and why; it has been counted. */
typedef void text_bad_fn(struct lm_op *op, struct text_reader *reader, const char *what);

struct text_reader {
	const struct text_format *format;
	text_bad_fn *bad;
	char *buffer;
	size_t size;                              /* of it: TEXT_BUFFER */
	size_t start, end;                        /* what of it is still to be taken apart */
	uint64_t line;                            /* the current one, from 1 */
	uint64_t taken;                           /* bytes of the text so far */
	bool at_end;                              /* nothing follows */
	bool skipping;                            /* within a line that is too long */
	bool stopped;                             /* set by `bad`: no more rows are wanted */
	uint32_t columns;                         /* cells a row must have */
	struct text_column column[CSV_CELLS_MAX]; /* by cell */
	struct csv_row row;
	bool row_taken; /* `row` did not fit into the last batch */
};

/* `buffer` is of TEXT_BUFFER bytes. Once; then text_begin for each text. */
void text_open(struct text_reader *reader, const struct text_format *format, char *buffer,
               size_t size, text_bad_fn *bad);
void text_begin(struct text_reader *reader);

/* Where the next bytes belong and how many; at least the block's when text_fill had no more. */
char *text_room(struct text_reader *reader, size_t *size);
/* So many were put there; 0: the text is at its end. */
void text_took(struct text_reader *reader, size_t size);
/* Bytes of rows that were read and not given out: those of a snapshot begin so far back. */
uint64_t text_left(const struct text_reader *reader);

enum text_found { TEXT_READY, TEXT_MORE, TEXT_BAD };

/*
 * Takes the first row, which holds names, and finds the columns by them, or only takes it
 * (`is_known`: they were found in another text). TEXT_BAD: `why` is a sentence without a place.
 */
enum text_found text_header(struct lm_op *op, struct text_reader *reader, bool is_known, char *why,
                            size_t size);

/*
 * Fills up to `rows` rows from `first` on; returns how many. Fewer: more bytes are needed, the
 * batch's strings are full, or it has stopped.
 */
uint32_t text_fill(struct lm_op *op, struct text_reader *reader, struct lm_batch *out,
                   uint32_t first, uint32_t rows);

/* Raises *time_max_ns to the rows' highest event time, and tells the watermark that follows. */
void text_watermark(struct lm_op *op, const struct text_format *format, const struct lm_batch *out,
                    uint32_t first, uint32_t count, int64_t *time_max_ns);

#endif
