/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_sink: writes rows to a file, as CSV or as JSON lines, through a buffer of 256 KiB that goes
 * out when it is full, every second and at the end. A row counts as absorbed once its last byte was
 * taken by the file; when the file takes no more, rows wait in the buffer, and what finds no room
 * there is dropped by name. Writing blocks, so an lcore that must never wait for a disk should not
 * run it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/lm_op.h"
#include "core/registry_builtin.h"
#include "operators/row_text.h"

#define SINK_BUFFER (256u * 1024u)
/* Rows in the buffer, at most: so that their ends can be remembered. */
#define SINK_ROWS 16384u
#define SINK_FLUSH_NS UINT64_C(1000000000)
#define SINK_TIMER 0u

enum { DROP_WRITE_FAILED, DROP_ROW_TOO_LONG };
enum { FORMAT_CSV, FORMAT_JSONL };

struct sink_config {
	char *path;
	uint32_t format;
	bool sync;
	uint32_t column[LM_FIELDS_MAX];
	uint32_t column_count;
};

struct sink {
	int file;
	bool opened;
	bool failing; /* the last write failed: nothing is tried until the timer says so */
	char *path;   /* with the slice's number */
	char *buffer;
	uint32_t length;   /* bytes in the buffer */
	uint32_t *row_end; /* [row]: where it ends in the buffer */
	uint32_t rows;
	uint64_t bytes; /* written to the file */
	bool dirty;     /* written since the last sync */
};

static const char *const sink_formats[] = { "csv", "jsonl", NULL };

static const struct lm_param sink_params[] = {
	{ .name = "path",
	  .type = LM_PARAM_TEXT,
	  .required = true,
	  .summary = "the file, emptied at the start; %s in it is the slice's number" },
	{ .name = "format",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "csv",
	  .choices = sink_formats,
	  .summary = "csv: a line of names, then rows; jsonl: an object a line" },
	{ .name = "columns",
	  .type = LM_PARAM_COLUMNS,
	  .summary = "what is written; all if absent" },
	{ .name = "sync",
	  .type = LM_PARAM_BOOL,
	  .fallback = "false",
	  .summary = "make sure every second that what was written survives a power cut" },
	{ 0 }
};

static const char *const sink_inputs[] = { "rows", NULL };
static const char *const sink_drops[] = { "write_failed", "row_too_long", NULL };

static int
sink_configure(struct lm_setup *setup, void *config)
{
	struct sink_config *c = config;
	const struct lm_schema *schema = lm_setup_input(setup, 0);
	const char *path = lm_setup_text(setup, "path");

	c->format = lm_setup_choice(setup, "format");
	c->sync = lm_setup_bool(setup, "sync");
	c->column_count = lm_setup_count(setup, "columns");
	if (c->column_count > LM_FIELDS_MAX) {
		return lm_setup_error(setup, "columns", LM_FIELDS_MAX, LM_NONE, NULL,
		                      "more than %u columns", LM_FIELDS_MAX);
	}
	for (uint32_t i = 0; i < c->column_count; i++) {
		c->column[i] = lm_setup_item_column(setup, "columns", i);
	}
	for (uint32_t i = 0; c->column_count == 0 && i < schema->field_count; i++) {
		c->column[i] = i;
	}
	c->column_count = c->column_count == 0 ? schema->field_count : c->column_count;
	if (lm_setup_slices(setup) > 1 && strstr(path, "%s") == NULL) {
		return lm_setup_error(
		    setup, "path", LM_NONE, LM_NONE,
		    "put %s into the path where the slice's number belongs, or use "
		    "one slice",
		    "%u slices cannot write to one file", lm_setup_slices(setup));
	}
	c->path = strdup(path);
	return c->path != NULL
	           ? 0
	           : lm_setup_error(setup, "path", LM_NONE, LM_NONE, NULL, "no memory left");
}

static void
sink_unconfigure(void *config)
{
	free(((struct sink_config *)config)->path);
}

/* ---- writing out ---- */

static void
sink_complain(struct lm_op *op, const struct sink *s, int error)
{
	lm_op_error(op,
	            "cannot write %s: %s; %s, it is tried again every second and rows are dropped "
	            "(write_failed) once 256 KiB wait",
	            s->path, strerror(error),
	            error == ENOSPC || error == EDQUOT ? "free some space" : "check the disk");
}

/* `written` bytes at the front of the buffer are in the file. */
static void
sink_consume(struct lm_op *op, struct sink *s, uint32_t written)
{
	uint32_t done = 0;

	while (done < s->rows && s->row_end[done] <= written) {
		done++;
	}
	for (uint32_t i = done; i < s->rows; i++) {
		s->row_end[i - done] = s->row_end[i] - written;
	}
	memmove(s->buffer, s->buffer + written, s->length - written);
	s->length -= written;
	s->rows -= done;
	s->bytes += written;
	s->dirty |= written > 0;
	lm_op_absorb(op, done);
	lm_op_gauge(op, 0, "bytes_written", s->bytes);
}

/* Writes out what is there; stops at the first failure. */
static void
sink_flush(struct lm_op *op, struct sink *s)
{
	uint32_t written = 0;

	while (written < s->length) {
		ssize_t result = env_file_write(s->file, s->buffer + written, s->length - written);

		if (result == -EINTR) {
			continue;
		}
		if (result <= 0) {
			s->failing = true;
			sink_complain(op, s, result == 0 ? ENOSPC : (int)-result);
			break;
		}
		s->failing = false;
		written += (uint32_t)result;
	}
	if (written > 0) {
		sink_consume(op, s, written);
	}
}

static void
sink_sync(struct lm_op *op, struct sink *s)
{
	const struct sink_config *c = lm_op_config(op);
	int result;

	if (!c->sync || !s->dirty) {
		return;
	}
	result = env_file_sync(s->file);
	if (result < 0) {
		sink_complain(op, s, -result);
		return;
	}
	s->dirty = false;
}

/* ---- life ---- */

/* The path with the slice's number for "%s"; on the slice's memory. */
static char *
sink_path(struct lm_op *op, const char *path)
{
	const char *mark = strstr(path, "%s");
	size_t size = strlen(path) + 16;
	char *whole = lm_op_alloc(op, size);

	if (whole == NULL) {
		return NULL;
	}
	if (mark == NULL) {
		memcpy(whole, path, strlen(path) + 1);
	} else {
		snprintf(whole, size, "%.*s%u%s", (int)(mark - path), path, lm_op_slice(op),
		         mark + 2);
	}
	return whole;
}

static int
sink_open(struct lm_op *op)
{
	const struct sink_config *c = lm_op_config(op);
	struct sink *s = lm_op_context(op);
	struct row_writer writer;

	s->path = sink_path(op, c->path);
	s->buffer = lm_op_alloc(op, SINK_BUFFER);
	s->row_end = lm_op_alloc(op, SINK_ROWS * sizeof(*s->row_end));
	if (s->path == NULL || s->buffer == NULL || s->row_end == NULL) {
		lm_op_error(op, "no memory for a buffer of %u bytes", SINK_BUFFER);
		return -ENOMEM;
	}
	s->file = env_file_open(s->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (s->file < 0) {
		lm_op_error(op,
		            "cannot open %s for writing: %s; check that its folder exists and "
		            "may be written to",
		            s->path, strerror(-s->file));
		return s->file;
	}
	s->opened = true;
	if (c->format == FORMAT_CSV) {
		writer = (struct row_writer){ s->buffer, s->buffer + SINK_BUFFER, false };
		row_put_csv_names(&writer, lm_op_input_schema(op, 0), c->column, c->column_count);
		s->length = (uint32_t)(writer.at - s->buffer);
	}
	lm_op_timer_start(op, SINK_TIMER, SINK_FLUSH_NS);
	return 0;
}

static void
sink_close(struct lm_op *op)
{
	struct sink *s = lm_op_context(op);

	if (s->opened) {
		env_file_close(s->file);
		s->opened = false;
	}
}

/* Puts a row behind the others; false when there is no room. */
static bool
sink_put(const struct sink_config *c, struct sink *s, const struct lm_batch *batch, uint32_t row)
{
	struct row_writer writer = { s->buffer + s->length, s->buffer + SINK_BUFFER, false };

	if (s->rows == SINK_ROWS) {
		return false;
	}
	if (c->format == FORMAT_CSV) {
		row_put_csv(&writer, batch, row, c->column, c->column_count);
	} else {
		row_put_json(&writer, batch, row, c->column, c->column_count);
	}
	if (writer.full) {
		return false;
	}
	s->length = (uint32_t)(writer.at - s->buffer);
	s->row_end[s->rows++] = s->length;
	return true;
}

static void
sink_row(struct lm_op *op, const struct sink_config *c, struct sink *s,
         const struct lm_batch *batch, uint32_t row)
{
	if (sink_put(c, s, batch, row)) {
		return;
	}
	if (!s->failing) {
		sink_flush(op, s);
		if (sink_put(c, s, batch, row)) {
			return;
		}
	}
	lm_op_drop(op, s->length == 0 ? DROP_ROW_TOO_LONG : DROP_WRITE_FAILED, 1);
}

static void
sink_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct sink_config *c = lm_op_config(op);
	struct sink *s = lm_op_context(op);

	for (uint32_t i = 0; i < in->count; i++) {
		sink_row(op, c, s, in, i);
	}
}

static void
sink_process_select(struct lm_op *op, const struct lm_select *in)
{
	const struct sink_config *c = lm_op_config(op);
	struct sink *s = lm_op_context(op);

	for (uint32_t i = 0; i < in->count; i++) {
		sink_row(op, c, s, in->batch, in->row[i]);
	}
}

static void
sink_timer(struct lm_op *op, uint32_t timer)
{
	struct sink *s = lm_op_context(op);

	(void)timer;
	sink_flush(op, s);
	sink_sync(op, s);
}

/* The last try: what is not written now never will be. */
static void
sink_end(struct lm_op *op)
{
	struct sink *s = lm_op_context(op);

	sink_flush(op, s);
	sink_sync(op, s);
	lm_op_drop(op, DROP_WRITE_FAILED, s->rows);
	s->rows = 0;
	s->length = 0;
}

static const struct lm_op_class file_sink_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_SINK,
	.name = "file_sink",
	.version = "1.0.0",
	.summary = "writes rows to a file as CSV or JSON lines",
	.params = sink_params,
	.inputs = sink_inputs,
	.drops = sink_drops,
	.rows = LM_ROWS_ABSORB,
	.config_size = sizeof(struct sink_config),
	.context_size = sizeof(struct sink),
	.configure = sink_configure,
	.unconfigure = sink_unconfigure,
	.open = sink_open,
	.close = sink_close,
	.process = sink_process,
	.process_select = sink_process_select,
	.timer = sink_timer,
	.end = sink_end,
};

REGISTER_CLASS(file_sink_class)
