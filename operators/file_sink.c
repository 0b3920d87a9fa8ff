/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_sink: writes rows to a file, as CSV or as JSON lines, through a buffer of 256 KiB that goes
 * out when it is full, every second and at the end. A row counts as absorbed once its last byte was
 * taken by the file. Writing blocks, so an lcore that must never wait for a disk should not run it.
 *
 * Eager: one file. When it takes no more, rows wait in the buffer, and what finds no room there is
 * dropped by name.
 * Committed: a file for each snapshot, seen once that is durable (operators/file_txn.h). When the
 * disk takes no more, the slice waits, and with it the stream: nothing is dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/lm_op.h"
#include "core/registry_builtin.h"
#include "operators/file_txn.h"
#include "operators/row_text.h"
#include "operators/sink_columns.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SINK_BUFFER (256u * 1024u)
/* Rows in the buffer, at most: so that their ends can be remembered. */
#define SINK_ROWS 16384u
#define SINK_FLUSH_NS UINT64_C(1000000000)
#define SINK_TIMER 0u
/* Committed: a disk that took no more is asked again after. */
#define SINK_RETRY_NS UINT64_C(100000000)

enum { DROP_WRITE_FAILED, DROP_ROW_TOO_LONG };
enum { FORMAT_CSV, FORMAT_JSONL };

struct sink_config {
	char *path;
	uint32_t format;
	bool sync;
	bool is_committed;
	struct sink_columns columns;
};

struct sink {
	int file;     /* -1: none is open */
	bool failing; /* the last write failed: nothing is tried until the timer says so */
	char *path;   /* with the slice's number */
	char *buffer;
	uint32_t length;   /* bytes in the buffer */
	uint32_t *row_end; /* [row]: where it ends in the buffer */
	uint32_t rows;
	uint64_t bytes; /* written to the file */
	bool dirty;     /* written since the last sync */

	/* Committed: the file of the transaction under way; `file` is -1 while it has no rows. */
	uint32_t taken; /* rows of the batch in hand that are in the buffer already */
	int64_t retry_ns;
	uint64_t files; /* made by this process */
	uint64_t length_written;
	XXH3_state_t *digest;
	char *pending;
};

static const char *const sink_formats[] = { "csv", "jsonl", NULL };
static const char *const sink_modes[] = { "eager", "committed", NULL };

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
	SINK_COLUMNS_PARAM,
	{ .name = "sync",
	  .type = LM_PARAM_BOOL,
	  .fallback = "false",
	  .summary = "make sure every second that what was written survives a power cut" },
	{ .name = "mode",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "eager",
	  .choices = sink_modes,
	  .summary = "eager: one file, rows are seen at once; committed: a file for each snapshot "
	             "(name-<number>.csv), seen once that is durable, exactly once" },
	{ 0 }
};

static const char *const sink_inputs[] = { "rows", NULL };
static const char *const sink_drops[] = { "write_failed", "row_too_long", NULL };

static int
sink_configure(struct lm_setup *setup, void *config)
{
	struct sink_config *c = config;
	const char *path = lm_setup_text(setup, "path");

	c->format = lm_setup_choice(setup, "format");
	c->sync = lm_setup_bool(setup, "sync");
	c->is_committed = lm_setup_choice(setup, "mode") == 1;
	if (c->is_committed) {
		lm_setup_trait(setup, LM_TRAIT_COMMITS);
	}
	if (sink_columns_configure(setup, &c->columns) != 0) {
		return -1;
	}
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
sink_complain(struct lm_op *op, struct sink *s, int error)
{
	const struct sink_config *c = lm_op_config(op);

	s->retry_ns = lm_op_now_ns(op) + (int64_t)SINK_RETRY_NS;
	lm_op_error(op, "cannot write %s: %s; %s, it is tried again and %s", s->path,
	            strerror(error),
	            error == ENOSPC || error == EDQUOT ? "free some space" : "check the disk",
	            c->is_committed ? "the stream waits once 256 KiB do"
	                            : "rows are dropped (write_failed) once 256 KiB wait");
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

/* The file of a transaction's first row. Its name was never used before. */
static bool
sink_open_pending(struct lm_op *op, struct sink *s)
{
	if (s->file >= 0) {
		return true;
	}
	if (!file_txn_pending(s->path, lm_op_incarnation(op), ++s->files, s->pending)) {
		s->pending[0] = '\0';
	}
	s->file = env_file_open(s->pending, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (s->file < 0) {
		s->failing = true;
		sink_complain(op, s, -s->file);
		s->file = -1;
		return false;
	}
	s->length_written = 0;
	XXH3_64bits_reset(s->digest);
	return true;
}

/* Writes out what is there; stops at the first failure. */
static void
sink_flush(struct lm_op *op, struct sink *s)
{
	const struct sink_config *c = lm_op_config(op);
	uint32_t written = 0;

	if (c->is_committed && s->length > 0 && !sink_open_pending(op, s)) {
		return;
	}

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
		if (c->is_committed) {
			XXH3_64bits_update(s->digest, s->buffer, written);
			s->length_written += written;
		}
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

/* Committed: what is there of others, whose names this job would want. */
static int
sink_check_folder(struct lm_op *op, const struct sink *s)
{
	int64_t count;

	if (lm_op_incarnation(op) == 0) {
		lm_op_error(op, "mode: committed needs snapshots: name a folder for them with "
		                "state: {folder: …} in the topology or --state");
		return -EINVAL;
	}
	count = file_txn_count(s->path);
	if (count < 0) {
		lm_op_error(op, "cannot read the folder of %s: %s; check that it exists", s->path,
		            strerror((int)-count));
		return (int)count;
	}
	if (count > 0 && lm_op_incarnation(op) == 1) {
		lm_op_error(op,
		            "there are %lld files of another job beside %s: move them elsewhere, "
		            "or bring that job's state folder back",
		            (long long)count, s->path);
		return -EEXIST;
	}
	return 0;
}

static int
sink_open_eager(struct lm_op *op, struct sink *s)
{
	s->file = env_file_open(s->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (s->file < 0) {
		lm_op_error(op,
		            "cannot open %s for writing: %s; check that its folder exists and "
		            "may be written to",
		            s->path, strerror(-s->file));
		return s->file;
	}
	return 0;
}

/* The line of names, in front of a file's rows. */
static void
sink_put_names(struct lm_op *op, struct sink *s)
{
	const struct sink_config *c = lm_op_config(op);
	struct row_writer writer = { s->buffer, s->buffer + SINK_BUFFER, false };

	if (c->format == FORMAT_CSV) {
		row_put_csv_names(&writer, lm_op_input_schema(op, 0), c->columns.field,
		                  c->columns.count);
		s->length = (uint32_t)(writer.at - s->buffer);
	}
}

static int
sink_open(struct lm_op *op)
{
	const struct sink_config *c = lm_op_config(op);
	struct sink *s = lm_op_context(op);
	int result;

	s->file = -1;
	s->path = lm_op_alloc(op, FILE_TXN_PATH);
	s->pending = lm_op_alloc(op, FILE_TXN_PATH);
	s->digest = lm_op_alloc(op, sizeof(*s->digest));
	s->buffer = lm_op_alloc(op, SINK_BUFFER);
	s->row_end = lm_op_alloc(op, SINK_ROWS * sizeof(*s->row_end));
	if (s->path == NULL || s->pending == NULL || s->digest == NULL || s->buffer == NULL ||
	    s->row_end == NULL) {
		lm_op_error(op, "no memory for a buffer of %u bytes", SINK_BUFFER);
		return -ENOMEM;
	}
	if (!file_txn_path(c->path, lm_op_slice(op), s->path)) {
		lm_op_error(op, "the path is longer than %u characters", FILE_TXN_PATH);
		return -ENAMETOOLONG;
	}
	result = c->is_committed ? sink_check_folder(op, s) : sink_open_eager(op, s);
	if (result != 0) {
		return result;
	}
	if (!c->is_committed) {
		sink_put_names(op, s);
	}
	lm_op_timer_start(op, SINK_TIMER, SINK_FLUSH_NS);
	return 0;
}

static void
sink_close(struct lm_op *op)
{
	struct sink *s = lm_op_context(op);

	if (s->file >= 0) {
		env_file_close(s->file);
		s->file = -1;
	}
}

/* Whether the next row is the first of a file. */
static bool
sink_is_empty(const struct sink *s)
{
	return s->file < 0 && s->length == 0;
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
		row_put_csv(&writer, batch, row, c->columns.field, c->columns.count);
	} else {
		row_put_json(&writer, batch, row, c->columns.field, c->columns.count);
	}
	if (writer.full) {
		return false;
	}
	s->length = (uint32_t)(writer.at - s->buffer);
	s->row_end[s->rows++] = s->length;
	return true;
}

/* Committed: false when the disk takes no more and the row has to wait. */
static bool
sink_row_or_wait(struct lm_op *op, const struct sink_config *c, struct sink *s,
                 const struct lm_batch *batch, uint32_t row)
{
	if (sink_is_empty(s)) {
		sink_put_names(op, s);
	}
	if (sink_put(c, s, batch, row)) {
		return true;
	}
	if (!s->failing || lm_op_now_ns(op) >= s->retry_ns) {
		sink_flush(op, s);
		if (sink_put(c, s, batch, row)) {
			return true;
		}
	}
	if (s->length == 0) {
		lm_op_drop(op, DROP_ROW_TOO_LONG, 1);
		return true;
	}
	return false;
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

/* rows NULL: all of the batch. */
static void
sink_rows(struct lm_op *op, const struct lm_batch *batch, const uint16_t *rows, uint32_t count)
{
	const struct sink_config *c = lm_op_config(op);
	struct sink *s = lm_op_context(op);

	if (!c->is_committed) {
		for (uint32_t i = 0; i < count; i++) {
			sink_row(op, c, s, batch, rows == NULL ? i : rows[i]);
		}
		return;
	}
	while (s->taken < count) {
		uint32_t row = rows == NULL ? s->taken : rows[s->taken];

		if (!sink_row_or_wait(op, c, s, batch, row)) {
			lm_op_again(op);
			return;
		}
		s->taken++;
	}
	s->taken = 0;
}

static void
sink_process(struct lm_op *op, const struct lm_batch *in)
{
	sink_rows(op, in, NULL, in->count);
}

static void
sink_process_select(struct lm_op *op, const struct lm_select *in)
{
	sink_rows(op, in->batch, in->row, in->count);
}

static void
sink_timer(struct lm_op *op, uint32_t timer)
{
	struct sink *s = lm_op_context(op);

	(void)timer;
	sink_flush(op, s);
	sink_sync(op, s);
}

/* Committed: everything is in the file, or the slice is asked again. */
static bool
sink_is_flushed(struct lm_op *op, struct sink *s)
{
	if (s->length > 0 && (!s->failing || lm_op_now_ns(op) >= s->retry_ns)) {
		sink_flush(op, s);
	}
	if (s->length > 0) {
		lm_op_again(op);
	}
	return s->length == 0;
}

static void
sink_epoch(struct lm_op *op, uint64_t epoch)
{
	const struct sink_config *c = lm_op_config(op);

	(void)epoch;
	if (c->is_committed) {
		(void)sink_is_flushed(op, lm_op_context(op));
	}
}

/* The last try: what is not written now never will be. */
static void
sink_end(struct lm_op *op)
{
	const struct sink_config *c = lm_op_config(op);
	struct sink *s = lm_op_context(op);

	if (c->is_committed) {
		(void)sink_is_flushed(op, s);
		return;
	}
	sink_flush(op, s);
	sink_sync(op, s);
	lm_op_drop(op, DROP_WRITE_FAILED, s->rows);
	s->rows = 0;
	s->length = 0;
}

/* Everything is in the file (sink_epoch, sink_end): only its names are left to say. */
static void
sink_prepare(struct lm_op *op, uint64_t number, struct lm_writer *writer)
{
	const struct sink_config *c = lm_op_config(op);
	struct sink *s = lm_op_context(op);
	char final[FILE_TXN_PATH];
	struct file_txn txn = { .length = s->length_written };

	if (!c->is_committed || s->file < 0) {
		return;
	}
	if (!file_txn_final(s->path, number, final)) {
		writer->failed = true;
		return;
	}
	env_file_close(s->file);
	s->file = -1;
	txn.digest = XXH3_64bits_digest(s->digest);
	txn.pending = file_txn_name(s->pending);
	txn.final = file_txn_name(final);
	file_txn_write(writer, &txn);
}

static int
sink_secure(const void *config, struct lm_transaction *txn)
{
	return file_txn_secure(((const struct sink_config *)config)->path, txn);
}

static int
sink_commit(const void *config, struct lm_transaction *txn)
{
	return file_txn_commit(((const struct sink_config *)config)->path, txn);
}

static int
sink_fence(const void *config, struct lm_transaction *txn)
{
	const struct sink_config *c = config;

	return c->is_committed ? file_txn_fence(c->path, txn) : 0;
}

static const struct lm_op_class file_sink_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_SINK | LM_OP_RESCALES,
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
	.epoch = sink_epoch,
	.end = sink_end,
	.prepare = sink_prepare,
	.secure = sink_secure,
	.commit = sink_commit,
	.fence = sink_fence,
};

REGISTER_CLASS(file_sink_class)
