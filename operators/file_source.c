/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file_source: the lines of a file, or its rows of CSV or JSON, from its beginning to its end, once
 * or several times. One slice: a file has one order. Reading blocks, 256 KiB at a time and once a
 * turn, so an lcore that must never wait for a disk should not run it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/lm_op.h"
#include "core/lm_serial.h"
#include "core/registry_builtin.h"
#include "operators/text_rows.h"

#define FILE_BLOCK (256u * 1024u)
/* Bad lines that are told of by name; the others are only counted. */
#define FILE_TOLD_MAX 5u

enum { BAD_DROP, BAD_STOP };

struct file_config {
	char *path;
	uint32_t on_bad;
	uint64_t repeat; /* 0: for ever */
	struct text_format text;
};

struct file_source {
	struct text_reader reader;
	int file;
	bool opened;
	bool failed;     /* reading has */
	uint64_t offset; /* in the file: of what was read last */
	uint64_t passes; /* through the file, begun */
	uint64_t bytes;
	uint32_t told;
	int64_t time_max_ns;
};

static const char *const file_on_bad[] = { "drop", "stop", NULL };

static const struct lm_param file_params[] = {
	{ .name = "path", .type = LM_PARAM_TEXT, .required = true, .summary = "the file" },
	TEXT_PARAMS,
	{ .name = "repeat",
	  .type = LM_PARAM_U64,
	  .fallback = "1",
	  .summary = "how often the file is read; 0: without end" },
	{ .name = "bad_rows",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "drop",
	  .choices = file_on_bad,
	  .summary = "drop: count them and go on; stop: end at the first" },
	{ 0 }
};

static const char *const file_outputs[] = { "rows", NULL };
static const char *const file_drops[] = { TEXT_DROPS, NULL };

static void
file_unconfigure(void *config)
{
	free(((struct file_config *)config)->path);
}

static int
file_configure(struct lm_setup *setup, void *config)
{
	struct file_config *c = config;

	c->on_bad = lm_setup_choice(setup, "bad_rows");
	c->repeat = lm_setup_u64(setup, "repeat");
	if (text_configure(setup, &c->text) != 0) {
		return -1;
	}
	if (strcmp(lm_setup_text(setup, "path"), "/dev/stdin") != 0) {
		lm_setup_trait(setup, LM_TRAIT_REPLAYS);
	}
	c->path = strdup(lm_setup_text(setup, "path"));
	return c->path != NULL
	           ? 0
	           : lm_setup_error(setup, "path", LM_NONE, LM_NONE, NULL, "no memory left");
}

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
	f->offset = 0;
	f->passes++;
	text_begin(&f->reader);
	return 0;
}

/* Reads one block behind what is left. False when that failed. */
static bool
file_read(struct lm_op *op, struct file_source *f)
{
	const struct file_config *c = lm_op_config(op);
	size_t room;
	char *to = text_room(&f->reader, &room);
	ssize_t size = env_file_read(f->file, to, room);

	if (size < 0) {
		lm_op_error(op, "cannot read %s: %s; the rows behind line %llu are missing",
		            c->path, strerror((int)-size), (unsigned long long)f->reader.line);
		f->failed = true;
		return false;
	}
	text_took(&f->reader, (size_t)size);
	f->offset += (uint64_t)size;
	f->bytes += (uint64_t)size;
	lm_op_gauge(op, 0, "bytes_read", f->bytes);
	return true;
}

static void
file_bad(struct lm_op *op, struct text_reader *reader, const char *what)
{
	const struct file_config *c = lm_op_config(op);
	struct file_source *f = lm_op_context(op);

	reader->stopped |= c->on_bad == BAD_STOP;
	if (f->told < FILE_TOLD_MAX) {
		f->told++;
		lm_op_error(op, "%s:%llu: %s; %s", c->path, (unsigned long long)reader->line, what,
		            c->on_bad == BAD_STOP ? "stopped, as bad_rows says"
		                                  : "the row is dropped");
	}
}

/* Reads the first row of the file, which holds names. */
static int
file_read_header(struct lm_op *op, struct file_source *f)
{
	const struct file_config *c = lm_op_config(op);
	enum text_found found;
	char why[200];

	do {
		if (!file_read(op, f)) {
			return -EIO;
		}
		found = text_header(op, &f->reader, f->passes > 1, why, sizeof(why));
	} while (found == TEXT_MORE);
	if (found == TEXT_BAD) {
		lm_op_error(op, "%s:1: %s", c->path, why);
		return -EINVAL;
	}
	return 0;
}

/* ---- life ---- */

static int
file_open(struct lm_op *op)
{
	const struct file_config *c = lm_op_config(op);
	struct file_source *f = lm_op_context(op);
	size_t size = TEXT_BUFFER(&c->text, FILE_BLOCK);
	char *buffer = lm_op_alloc(op, size);
	int result;

	f->time_max_ns = INT64_MIN;
	if (buffer == NULL) {
		lm_op_error(op, "no memory for a buffer of %zu bytes", size);
		return -ENOMEM;
	}
	text_open(&f->reader, &c->text, buffer, size, file_bad);
	result = file_begin(op, f);
	if (result == 0 && c->text.header) {
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

/* The file is at its end and all of it was taken: once more, or over. */
static enum lm_poll
file_next_pass(struct lm_op *op, struct file_source *f)
{
	const struct file_config *c = lm_op_config(op);
	bool over = f->failed || f->reader.stopped || f->passes == c->repeat || f->bytes == 0;

	env_file_close(f->file);
	f->opened = false;
	if (over || file_begin(op, f) != 0) {
		return LM_POLL_END;
	}
	if (c->text.header && file_read_header(op, f) != 0) {
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
	count = text_fill(op, &f->reader, out, first, rows);
	lm_op_emit(op, 0, count);
	text_watermark(op, &c->text, out, first, count, &f->time_max_ns);
	if (count > 0 && !f->reader.stopped) {
		return LM_POLL_BUSY;
	}
	/* Not one row in what is there: more of the file, or its end. */
	if (f->reader.stopped || f->reader.at_end) {
		return file_next_pass(op, f);
	}
	return file_read(op, f) ? LM_POLL_BUSY : file_next_pass(op, f);
}

/* ---- snapshots ---- */

static void
file_serialize(struct lm_op *op, struct lm_writer *writer)
{
	const struct file_source *f = lm_op_context(op);
	uint64_t left = text_left(&f->reader);

	lm_write_u64(writer, f->opened);
	lm_write_u64(writer, f->offset - left);
	lm_write_u64(writer, f->passes);
	lm_write_u64(writer, f->reader.line);
	lm_write_u64(writer, f->bytes - left);
	lm_write_u64(writer, f->told);
	lm_write_u64(writer, f->reader.skipping);
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
	text_begin(&f->reader);
	f->reader.taken = f->offset;
	f->reader.line = lm_read_u64(reader);
	f->bytes = lm_read_u64(reader);
	f->told = (uint32_t)lm_read_u64(reader);
	f->reader.skipping = lm_read_u64(reader) != 0;
	f->time_max_ns = lm_read_i64(reader);
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
	.summary = "reads a file: lines of text, or typed columns of CSV or JSON lines",
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
