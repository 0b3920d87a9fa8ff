/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_source: the lines of a file, or the rows of a CSV file, from its beginning to its end, once
 * or several times. One slice: a file has one order. Reading blocks, 256 KiB at a time and once a
 * turn, so an lcore that must never wait for a disk should not run it.
 */
#include "operators/file_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/lm_op.h"
#include "core/lm_serial.h"
#include "core/registry_builtin.h"

#define FILE_BLOCK (256u * 1024u)
/* Bad lines that are told of by name; the others are only counted. */
#define FILE_TOLD_MAX 5u

enum { DROP_LINE_TOO_LONG, DROP_COLUMN_COUNT, DROP_BAD_VALUE, DROP_BAD_QUOTES };

struct file_source {
	int file;
	bool opened;
	bool at_end;       /* of the file: nothing more to read */
	bool failed;       /* stop: reading failed, or a bad row and the wish to stop */
	bool skipping;     /* within a line that is too long */
	char *buffer;      /* FILE_BLOCK + line_max */
	size_t start, end; /* what of it is still to be taken apart */
	uint64_t offset;   /* in the file: of `end` */
	uint64_t line;     /* the current one, from 1 */
	uint64_t passes;   /* through the file, begun */
	uint64_t bytes;
	uint32_t told;
	int64_t time_max_ns;
	uint32_t file_columns;                    /* cells a row must have */
	struct file_column column[CSV_CELLS_MAX]; /* by cell */
	struct csv_row row;
	bool row_taken; /* `row` did not fit into the last batch */
};

static const char *const file_formats[] = { "lines", "csv", NULL };
static const char *const file_on_bad[] = { "drop", "stop", NULL };

static const struct lm_param file_params[] = {
	{ .name = "path", .type = LM_PARAM_TEXT, .required = true, .summary = "the file" },
	{ .name = "format",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "lines",
	  .choices = file_formats,
	  .summary = "lines: one string a line; csv: the columns of `fields`" },
	{ .name = "as",
	  .type = LM_PARAM_TEXT,
	  .fallback = "line",
	  .summary = "name of the column of format lines" },
	{ .name = "fields",
	  .type = LM_PARAM_MAP,
	  .summary =
	      "columns of format csv, in the file's order: name to type, as in f64, \"time ms\" "
	      "(numbers in ms), \"u32 = 0\" (empty cells are 0), skip" },
	{ .name = "header",
	  .type = LM_PARAM_BOOL,
	  .fallback = "false",
	  .summary = "the first row holds names: columns are found by them, the others skipped" },
	{ .name = "separator",
	  .type = LM_PARAM_TEXT,
	  .fallback = ",",
	  .summary = "one character between the cells; \\t is a tab" },
	{ .name = "time",
	  .type = LM_PARAM_TEXT,
	  .summary = "the column that is the event time; it becomes the first column" },
	{ .name = "lag",
	  .type = LM_PARAM_DURATION,
	  .fallback = "0s",
	  .summary = "how far rows may be behind the highest time before them" },
	{ .name = "repeat",
	  .type = LM_PARAM_U64,
	  .fallback = "1",
	  .summary = "how often the file is read; 0: without end" },
	{ .name = "bad_rows",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "drop",
	  .choices = file_on_bad,
	  .summary = "drop: count them and go on; stop: end at the first" },
	{ .name = "line_max",
	  .type = LM_PARAM_SIZE,
	  .fallback = "64KiB",
	  .min = 16,
	  .max = 256 * 1024,
	  .summary = "longer lines are dropped" },
	{ 0 }
};

static const char *const file_outputs[] = { "rows", NULL };
static const char *const file_drops[] = { "line_too_long", "column_count", "bad_value",
	                                  "bad_quotes", NULL };

/* ---- reading ---- */

static int
file_begin(struct lm_op *op, struct file_source *f)
{
	const struct file_config *c = lm_op_config(op);
	int file = env_file_open(c->path, O_RDONLY | O_CLOEXEC, 0);

	if (file < 0) {
		lm_op_error(op, "cannot open %s: %s; check the path and its permissions", c->path,
		            strerror(-file));
		return file;
	}
	f->file = file;
	f->opened = true;
	f->at_end = false;
	f->skipping = false;
	f->start = 0;
	f->end = 0;
	f->offset = 0;
	f->line = 1;
	f->passes++;
	return 0;
}

/* Reads one block behind what is left. False when that failed. */
static bool
file_read(struct lm_op *op, struct file_source *f)
{
	const struct file_config *c = lm_op_config(op);
	ssize_t size;

	memmove(f->buffer, f->buffer + f->start, f->end - f->start);
	f->end -= f->start;
	f->start = 0;
	size = env_file_read(f->file, f->buffer + f->end, FILE_BLOCK + c->line_max - f->end);
	if (size < 0) {
		lm_op_error(op, "cannot read %s: %s; the rows behind line %llu are missing",
		            c->path, strerror((int)-size), (unsigned long long)f->line);
		f->failed = true;
		return false;
	}
	f->at_end = size == 0;
	if (f->line == 1 && f->end == 0 && size >= 3 && memcmp(f->buffer, "\xef\xbb\xbf", 3) == 0) {
		f->start = 3; /* a byte order mark */
	}
	f->end += (size_t)size;
	f->offset += (uint64_t)size;
	f->bytes += (uint64_t)size;
	lm_op_gauge(op, 0, "bytes_read", f->bytes);
	return true;
}

static void
file_drop(struct lm_op *op, struct file_source *f, uint32_t reason, const char *what)
{
	const struct file_config *c = lm_op_config(op);

	lm_op_drop(op, reason, 1);
	f->failed |= c->on_bad == BAD_STOP;
	if (f->told < FILE_TOLD_MAX) {
		f->told++;
		lm_op_error(op, "%s:%llu: %s; %s", c->path, (unsigned long long)f->line, what,
		            c->on_bad == BAD_STOP ? "stopped, as bad_rows says"
		                                  : "the row is dropped");
	}
}

/* Behind a line that is too long: its end is looked for in what comes. True once it was found. */
static bool
file_skip(struct file_source *f)
{
	const char *from = f->buffer + f->start;
	const char *line_end = memchr(from, '\n', f->end - f->start);

	f->start = line_end == NULL ? f->end : (size_t)(line_end + 1 - f->buffer);
	f->line += line_end != NULL;
	f->skipping = line_end == NULL;
	return !f->skipping;
}

enum file_line { LINE_READY, LINE_MORE, LINE_BAD };

/*
 * Finds the next line; *length is that of its text, *whole includes the line end. Nothing is taken.
 */
static enum file_line
file_find_line(struct lm_op *op, struct file_source *f, uint32_t *length, uint32_t *whole)
{
	const struct file_config *c = lm_op_config(op);
	const char *from = f->buffer + f->start;
	size_t left = f->end - f->start;
	const char *line_end;

	if (f->skipping && !file_skip(f)) {
		return LINE_MORE;
	}
	from = f->buffer + f->start;
	left = f->end - f->start;
	line_end = left == 0 ? NULL : memchr(from, '\n', left);
	if (line_end == NULL && left <= c->line_max + 1 && (!f->at_end || left == 0)) {
		return LINE_MORE;
	}
	*length = (uint32_t)(line_end == NULL ? left : (size_t)(line_end - from));
	*whole = *length + (line_end != NULL);
	if (*length > 0 && from[*length - 1] == '\r') {
		(*length)--;
	}
	if (*length > c->line_max) {
		file_drop(op, f, DROP_LINE_TOO_LONG, "the line is longer than line_max");
		file_skip(f);
		return LINE_BAD;
	}
	return LINE_READY;
}

/* Fills rows from `first` on; returns how many. */
static uint32_t
file_fill_lines(struct lm_op *op, struct file_source *f, struct lm_batch *out, uint32_t first,
                uint32_t rows)
{
	uint32_t count = 0, length, whole;

	while (count < rows && !f->failed) {
		enum file_line found = file_find_line(op, f, &length, &whole);

		if (found == LINE_MORE) {
			break;
		}
		if (found == LINE_BAD) {
			continue;
		}
		if (!lm_batch_put_string(out, 0, first + count, f->buffer + f->start, length)) {
			break;
		}
		f->start += whole;
		f->line++;
		count++;
	}
	return count;
}

/* Takes the next row apart into f->row; its bytes are taken with it. */
static enum file_line
file_find_row(struct lm_op *op, struct file_source *f)
{
	const struct file_config *c = lm_op_config(op);
	size_t left;
	enum csv_result result;

	if (f->row_taken) {
		f->row_taken = false;
		return LINE_READY;
	}
	if (f->skipping && !file_skip(f)) {
		return LINE_MORE;
	}
	left = f->end - f->start;
	if (left == 0) {
		return LINE_MORE;
	}
	result = csv_take(f->buffer + f->start, left, f->at_end, c->separator, &f->row);
	if (result == CSV_MORE && left <= c->line_max) {
		return LINE_MORE;
	}
	if (result == CSV_MORE) {
		file_drop(op, f, DROP_LINE_TOO_LONG,
		          "the row is longer than line_max, or a quote is not closed");
		file_skip(f); /* only this line: the quote may be the mistake */
		return LINE_BAD;
	}
	f->start += f->row.consumed;
	if (f->row.consumed > c->line_max + 2) {
		file_drop(op, f, DROP_LINE_TOO_LONG, "the row is longer than line_max");
		f->line += f->row.lines;
		return LINE_BAD;
	}
	if (result == CSV_BAD) {
		file_drop(op, f, DROP_BAD_QUOTES,
		          "text behind a closing quote, or a quote that is not closed");
		f->line += f->row.lines;
		return LINE_BAD;
	}
	return LINE_READY;
}

/* What became of a row. */
enum file_put { PUT_DONE, PUT_FULL, PUT_BAD };

static enum file_put
file_put_string(struct lm_op *op, struct file_source *f, const struct file_column *column,
                struct lm_batch *out, uint32_t row, const char *text, uint32_t length)
{
	if (lm_batch_put_string(out, column->field, row, text, length)) {
		return PUT_DONE;
	}
	if (length <= lm_batch_bytes_max(out->schema, column->field)) {
		return PUT_FULL;
	}
	file_drop(op, f, DROP_LINE_TOO_LONG, "a value is longer than a batch can hold");
	return PUT_BAD;
}

static enum file_put
file_put_cell(struct lm_op *op, struct file_source *f, const struct file_column *column,
              struct lm_batch *out, uint32_t row, const char *text, uint32_t length)
{
	uint32_t width = lm_type_width(column->spec.type);
	char *value = (char *)lm_batch_column(out, column->field) + (size_t)row * width;
	char what[160];

	if (width == 0) {
		return file_put_string(op, f, column, out, row, text, length);
	}
	if (value_spec_parse(&column->spec, text, length, value)) {
		return PUT_DONE;
	}
	snprintf(what, sizeof(what), "\"%.*s\" in column %s is not a value of type %s",
	         (int)(length < 40 ? length : 40), text, column->name,
	         lm_type_text(column->spec.type));
	file_drop(op, f, DROP_BAD_VALUE, what);
	return PUT_BAD;
}

static enum file_put
file_put_row(struct lm_op *op, struct file_source *f, struct lm_batch *out, uint32_t row)
{
	char what[160];

	if (f->row.cell_count != f->file_columns) {
		snprintf(what, sizeof(what), "%u columns instead of %u", f->row.cell_count,
		         f->file_columns);
		file_drop(op, f, DROP_COLUMN_COUNT, what);
		return PUT_BAD;
	}
	for (uint32_t i = 0; i < f->file_columns; i++) {
		const struct file_column *column = &f->column[i];
		enum file_put put;

		if (column->field == LM_NONE) {
			continue;
		}
		put = file_put_cell(op, f, column, out, row, f->row.cell[i].text,
		                    f->row.cell[i].length);
		if (put != PUT_DONE) {
			return put;
		}
	}
	return PUT_DONE;
}

static bool
file_row_is_blank(const struct csv_row *row)
{
	return row->cell_count == 1 && row->cell[0].length == 0;
}

static uint32_t
file_fill_rows(struct lm_op *op, struct file_source *f, struct lm_batch *out, uint32_t first,
               uint32_t rows)
{
	uint32_t count = 0;

	while (count < rows && !f->failed) {
		enum file_line found = file_find_row(op, f);
		enum file_put put;

		if (found == LINE_MORE) {
			break;
		}
		if (found == LINE_BAD) {
			continue;
		}
		if (file_row_is_blank(&f->row) && f->file_columns > 1) {
			f->line += f->row.lines;
			continue;
		}
		put = file_put_row(op, f, out, first + count);
		if (put == PUT_FULL) {
			f->row_taken = true;
			break;
		}
		f->line += f->row.lines;
		count += put == PUT_DONE;
	}
	return count;
}

/* ---- header ---- */

/* Finds the column that the header calls by the name of cell `cell`. */
static void
file_match_cell(const struct file_config *c, struct file_source *f, uint32_t cell, bool *found)
{
	f->column[cell].field = LM_NONE;
	for (uint32_t i = 0; i < c->column_count; i++) {
		if (!found[i] && value_word_is(f->row.cell[cell].text, f->row.cell[cell].length,
		                               c->column[i].name)) {
			f->column[cell] = c->column[i];
			found[i] = true;
			return;
		}
	}
}

static int
file_match_header(struct lm_op *op, struct file_source *f)
{
	const struct file_config *c = lm_op_config(op);
	bool found[CSV_CELLS_MAX] = { false };

	if (f->row.cell_count > CSV_CELLS_MAX) {
		lm_op_error(op, "%s:1: %u columns, more than %u", c->path, f->row.cell_count,
		            CSV_CELLS_MAX);
		return -EINVAL;
	}
	f->file_columns = f->row.cell_count;
	for (uint32_t i = 0; i < f->file_columns; i++) {
		file_match_cell(c, f, i, found);
	}
	for (uint32_t i = 0; i < c->column_count; i++) {
		if (!found[i] && c->column[i].field != LM_NONE) {
			lm_op_error(op,
			            "%s:1: the header has no column \"%s\"; write the names of "
			            "`fields` as in the file",
			            c->path, c->column[i].name);
			return -EINVAL;
		}
	}
	return 0;
}

/* Reads the first row of the file, which holds names. */
static int
file_read_header(struct lm_op *op, struct file_source *f)
{
	const struct file_config *c = lm_op_config(op);
	enum file_line found;

	do {
		if (!file_read(op, f)) {
			return -EIO;
		}
		found = file_find_row(op, f);
	} while (found == LINE_MORE && !f->at_end);
	if (found != LINE_READY) {
		lm_op_error(op, "%s: no header; the file is empty or its first line is too long",
		            c->path);
		return -EINVAL;
	}
	f->line += f->row.lines;
	return f->passes == 1 ? file_match_header(op, f) : 0;
}

/* ---- life ---- */

static int
file_open(struct lm_op *op)
{
	const struct file_config *c = lm_op_config(op);
	struct file_source *f = lm_op_context(op);
	int result;

	f->time_max_ns = INT64_MIN;
	f->buffer = lm_op_alloc(op, FILE_BLOCK + c->line_max);
	if (f->buffer == NULL) {
		lm_op_error(op, "no memory for a buffer of %u bytes", FILE_BLOCK + c->line_max);
		return -ENOMEM;
	}
	memcpy(f->column, c->column, sizeof(f->column));
	f->file_columns = c->column_count;
	result = file_begin(op, f);
	if (result == 0 && c->header && c->format == FORMAT_CSV) {
		result = file_read_header(op, f);
	}
	if (result != 0 && f->opened) {
		env_file_close(f->file);
		f->opened = false;
	}
	return result;
}

static void
file_close(struct lm_op *op)
{
	struct file_source *f = lm_op_context(op);

	if (f->opened) {
		env_file_close(f->file);
		f->opened = false;
	}
}

/* No row at or before the highest time less the lag follows. */
static void
file_watermark(struct lm_op *op, struct file_source *f, const struct lm_batch *out, uint32_t first,
               uint32_t count)
{
	const struct file_config *c = lm_op_config(op);
	const int64_t *time_ns = lm_batch_time(out);
	int64_t reached;

	if (time_ns == NULL || count == 0) {
		return;
	}
	for (uint32_t i = first; i < first + count; i++) {
		f->time_max_ns = time_ns[i] > f->time_max_ns ? time_ns[i] : f->time_max_ns;
	}
	if (!__builtin_sub_overflow(f->time_max_ns, (int64_t)c->lag_ns + 1, &reached)) {
		lm_op_watermark(op, reached);
	}
}

/* The file is at its end and all of it was taken: once more, or over. */
static enum lm_poll
file_next_pass(struct lm_op *op, struct file_source *f)
{
	const struct file_config *c = lm_op_config(op);
	bool over = f->failed || f->passes == c->repeat || f->bytes == 0;

	env_file_close(f->file);
	f->opened = false;
	if (over || file_begin(op, f) != 0) {
		return LM_POLL_END;
	}
	if (c->header && c->format == FORMAT_CSV && file_read_header(op, f) != 0) {
		return LM_POLL_END;
	}
	return LM_POLL_BUSY;
}

static enum lm_poll
file_poll(struct lm_op *op)
{
	const struct file_config *c = lm_op_config(op);
	struct file_source *f = lm_op_context(op);
	uint32_t rows = lm_op_output_schema(op, 0)->capacity;
	uint32_t first, count;
	struct lm_batch *out;

	if (!f->opened) {
		return LM_POLL_END;
	}
	lm_op_set_ingress(op, lm_op_now_ns(op));
	/* All the rows of a batch are asked for, so it is an empty one: the next row fits. */
	out = lm_op_reserve(op, 0, rows, &first);
	count = c->format == FORMAT_CSV ? file_fill_rows(op, f, out, first, rows)
	                                : file_fill_lines(op, f, out, first, rows);
	lm_op_emit(op, 0, count);
	file_watermark(op, f, out, first, count);
	if (count > 0 && !f->failed) {
		return LM_POLL_BUSY;
	}
	/* Not one row in what is there: more of the file, or its end. */
	if (f->failed || f->at_end) {
		return file_next_pass(op, f);
	}
	return file_read(op, f) ? LM_POLL_BUSY : file_next_pass(op, f);
}

/* ---- snapshots ---- */

static void
file_serialize(struct lm_op *op, struct lm_writer *writer)
{
	const struct file_source *f = lm_op_context(op);
	uint64_t left = f->end - f->start + (f->row_taken ? f->row.consumed : 0);

	lm_write_u64(writer, f->opened);
	lm_write_u64(writer, f->offset - left);
	lm_write_u64(writer, f->passes);
	lm_write_u64(writer, f->line);
	lm_write_u64(writer, f->bytes - left);
	lm_write_u64(writer, f->told);
	lm_write_u64(writer, f->skipping);
	lm_write_i64(writer, f->time_max_ns);
}

/* The file stands open at its beginning, its header was read. */
static void
file_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	const struct file_config *c = lm_op_config(op);
	struct file_source *f = lm_op_context(op);
	bool was_open = lm_read_u64(reader) != 0;
	int result;

	(void)version;
	f->offset = lm_read_u64(reader);
	f->passes = lm_read_u64(reader);
	f->line = lm_read_u64(reader);
	f->bytes = lm_read_u64(reader);
	f->told = (uint32_t)lm_read_u64(reader);
	f->skipping = lm_read_u64(reader) != 0;
	f->time_max_ns = lm_read_i64(reader);
	f->start = 0;
	f->end = 0;
	f->at_end = false;
	f->row_taken = false;
	result = env_file_seek(f->file, f->offset);
	if (result != 0) {
		lm_op_error(op, "cannot go on in %s at byte %llu: %s", c->path,
		            (unsigned long long)f->offset, strerror(-result));
		reader->failed = true;
	}
	if (!was_open) {
		env_file_close(f->file);
		f->opened = false;
	}
}

static const struct lm_op_class file_source_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_GLOBAL,
	.name = "file_source",
	.version = "1.0.0",
	.summary = "reads a file: lines of text, or typed columns of CSV",
	.params = file_params,
	.outputs = file_outputs,
	.drops = file_drops,
	.rows = LM_ROWS_SOURCE,
	.config_size = sizeof(struct file_config),
	.context_size = sizeof(struct file_source),
	.configure = file_configure,
	.unconfigure = file_unconfigure,
	.open = file_open,
	.close = file_close,
	.poll = file_poll,
	.serialize = file_serialize,
	.deserialize = file_deserialize,
};

REGISTER_CLASS(file_source_class)
