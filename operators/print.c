/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * print: rows for people to read. Rows of one event time (a window's result) form one table,
 * printed when the next one begins, when the watermark says that no more rows come for it, or at
 * the end; on a terminal it is drawn over the last one. Never waits for the terminal: what that
 * does not take in time is dropped and counted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/lm_op.h"
#include "core/registry_builtin.h"
#include "operators/print_stream.h"
#include "operators/print_table.h"
#include "operators/value_text.h"

#define PRINT_ROWS_MAX 1000u
#define PRINT_TITLE_MAX 128u
/* How often a slow terminal is tried again, and for how long at the end. */
#define PRINT_RETRY_NS UINT64_C(20000000)
#define PRINT_LINGER_NS INT64_C(1000000000)
#define PRINT_SECOND_NS UINT64_C(1000000000)

enum { DROP_TERMINAL_SLOW };
enum { TIMER_RETRY, TIMER_SECOND };
enum { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSONL };
enum { EVERY_WINDOW, EVERY_SECOND };

struct print_config {
	char title[PRINT_TITLE_MAX];
	uint32_t format;
	uint32_t every;
	uint32_t rows; /* of a table, shown */
	bool to_stderr;
	struct print_column column[LM_FIELDS_MAX];
	uint32_t field[LM_FIELDS_MAX]; /* the same, for csv and jsonl */
	uint32_t column_count;
};

struct print {
	struct print_stream stream;
	struct print_cell *cell; /* [row * columns + column] of the table that is filling */
	uint32_t shown;
	uint64_t total;
	int64_t time_ns; /* of the table, where it has one */
	char time_text[40];
	uint32_t drawn; /* lines of the last table, to go back over */
	bool retrying;
	bool lingering; /* at the end, until `linger_ns` */
	int64_t linger_ns;
};

static const char *const print_formats[] = { "table", "csv", "jsonl", NULL };
static const char *const print_every[] = { "window", "second", NULL };
static const char *const print_files[] = { "stdout", "stderr", NULL };

static const struct lm_param print_params[] = {
	{ .name = "title",
	  .type = LM_PARAM_TEXT,
	  .summary = "above the table; the operator's name if absent" },
	{ .name = "columns",
	  .type = LM_PARAM_LIST,
	  .summary =
	      "what is shown, a unit may follow: [src, bytes bytes, speed rate]; all if absent" },
	{ .name = "rows",
	  .type = LM_PARAM_U64,
	  .fallback = "20",
	  .min = 1,
	  .max = PRINT_ROWS_MAX,
	  .summary = "rows of a table that are shown; the others are counted below it" },
	{ .name = "every",
	  .type = LM_PARAM_CHOICE,
	  .choices = print_every,
	  .summary = "window: a table for each event time; second: for what came in a second; "
	             "window if absent and there is a time" },
	{ .name = "format",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "table",
	  .choices = print_formats,
	  .summary = "table, or rows as they come: csv, jsonl" },
	{ .name = "file",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "stdout",
	  .choices = print_files,
	  .summary = "stdout or stderr" },
	{ 0 }
};

static const char *const print_inputs[] = { "rows", NULL };
static const char *const print_drops[] = { "terminal_slow", NULL };

/* ---- configure ---- */

static bool
print_read_unit(const char *word, size_t length, enum print_unit *unit)
{
	*unit = value_word_is(word, length, "bytes") ? PRINT_BYTES : PRINT_RATE;
	return *unit == PRINT_BYTES || value_word_is(word, length, "rate");
}

static void
print_add_column(struct print_config *c, const struct lm_schema *in, uint32_t field,
                 enum print_unit unit)
{
	struct print_column *column = &c->column[c->column_count];

	memcpy(column->name, in->field[field].name, LM_NAME_MAX);
	column->field = field;
	column->unit = unit;
	column->right = in->field[field].type <= LM_F64;
	c->field[c->column_count++] = field;
}

static int
print_configure_column(struct lm_setup *setup, struct print_config *c, uint32_t item)
{
	const struct lm_schema *in = lm_setup_input(setup, 0);
	const char *text = lm_setup_item(setup, "columns", item), *at = text;
	char name[LM_NAME_MAX] = "";
	enum print_unit unit = PRINT_PLAIN;
	size_t length;
	const char *word = value_word(&at, &length);
	uint32_t field;

	if (word != NULL && length < sizeof(name)) {
		memcpy(name, word, length);
	}
	field = lm_schema_find(in, name);
	if (field == LM_NONE) {
		return lm_setup_error(setup, "columns", item, 0,
		                      "write the name of a column, a unit may follow it",
		                      "no column \"%s\"", name);
	}
	word = value_word(&at, &length);
	if (word != NULL && !print_read_unit(word, length, &unit)) {
		return lm_setup_error(setup, "columns", item, (uint32_t)(word - text),
		                      "a unit is bytes or rate", "no such unit");
	}
	if (unit != PRINT_PLAIN && in->field[field].type > LM_F64) {
		return lm_setup_error(setup, "columns", item, (uint32_t)(word - text),
		                      "leave the unit out", "\"%s\" is not a number", name);
	}
	if (c->column_count == LM_FIELDS_MAX) {
		return lm_setup_error(setup, "columns", item, LM_NONE, NULL, "more than %u columns",
		                      LM_FIELDS_MAX);
	}
	print_add_column(c, in, field, unit);
	return 0;
}

static int
print_configure(struct lm_setup *setup, void *config)
{
	struct print_config *c = config;
	const struct lm_schema *in = lm_setup_input(setup, 0);
	const char *title = lm_setup_text(setup, "title");

	snprintf(c->title, sizeof(c->title), "%s", title == NULL ? "" : title);
	c->format = lm_setup_choice(setup, "format");
	c->rows = (uint32_t)lm_setup_u64(setup, "rows");
	c->to_stderr = lm_setup_choice(setup, "file") == 1;
	c->every = lm_setup_has(setup, "every") ? lm_setup_choice(setup, "every")
	           : in->time_field == LM_NONE  ? EVERY_SECOND
	                                        : EVERY_WINDOW;
	if (c->every == EVERY_WINDOW && in->time_field == LM_NONE) {
		return lm_setup_error(setup, "every", LM_NONE, LM_NONE, "write every: second",
		                      "the rows have no event time, so there are no windows");
	}
	for (uint32_t i = 0; i < lm_setup_count(setup, "columns"); i++) {
		if (print_configure_column(setup, c, i) != 0) {
			return -1;
		}
	}
	for (uint32_t i = 0; !lm_setup_has(setup, "columns") && i < in->field_count; i++) {
		/* The time of a window stands beside the title. */
		if (c->format != FORMAT_TABLE || c->every != EVERY_WINDOW || i != in->time_field ||
		    in->field_count == 1) {
			print_add_column(c, in, i, PRINT_PLAIN);
		}
	}
	return 0;
}

/* ---- writing ---- */

/* Hands on what waits; while something is left, a timer tries again. */
static void
print_write(struct lm_op *op, struct print *p)
{
	lm_op_absorb(op, print_stream_write(&p->stream));
	if (p->stream.broken) {
		lm_op_drop(op, DROP_TERMINAL_SLOW, print_stream_discard(&p->stream));
	}
	if (p->stream.length > 0 && !p->retrying) {
		p->retrying = true;
		lm_op_timer_start(op, TIMER_RETRY, PRINT_RETRY_NS);
	} else if (p->stream.length == 0 && p->retrying) {
		p->retrying = false;
		lm_op_timer_stop(op, TIMER_RETRY);
	}
}

/* Puts the table that is full behind what waits; false when there is no room for it. */
static bool
print_put_table(struct lm_op *op, const struct print_config *c, struct print *p)
{
	bool over = print_stream_is_alone(&p->stream);
	struct print_table table = { .title = c->title[0] != '\0' ? c->title : lm_op_name(op),
		                     .time = p->time_text,
		                     .column = c->column,
		                     .column_count = c->column_count,
		                     .cell = p->cell,
		                     .rows = p->shown };
	struct row_writer writer;
	uint32_t lines, screen;
	char back[32];

	print_stream_size(&p->stream, &table.width, &screen);
	/* What is higher than the screen could not be gone back over: title, names, "more", cursor.
	 */
	if (over && screen > 4 && table.rows > screen - 4) {
		table.rows = screen - 4;
	}
	do {
		if (!print_stream_begin(&p->stream, &writer)) {
			return false;
		}
		if (over && p->drawn > 0) {
			snprintf(back, sizeof(back), "\x1b[%uA\x1b[J", p->drawn);
			row_put_text(&writer, back);
		}
		table.more = p->total - table.rows;
		lines = print_table_put(&writer, &table);
		row_put_text(&writer, over ? "" : "\n");
		/* A table too large for an empty buffer is shown in part. */
		table.rows /= 2;
	} while (writer.full && p->stream.length == 0 && table.rows > 0);
	if (!print_stream_commit(&p->stream, &writer, (uint32_t)p->total)) {
		return false;
	}
	p->drawn = over ? lines : 0;
	return true;
}

static void
print_finish(struct lm_op *op, const struct print_config *c, struct print *p)
{
	if (p->total == 0) {
		return;
	}
	if (!print_put_table(op, c, p)) {
		lm_op_drop(op, DROP_TERMINAL_SLOW, p->total);
	}
	p->total = 0;
	p->shown = 0;
	print_write(op, p);
}

/* ---- rows ---- */

static void
print_add_row(const struct print_config *c, struct print *p, const struct lm_batch *in,
              uint32_t row)
{
	if (p->total == 0 && c->every == EVERY_WINDOW) {
		p->time_ns = lm_batch_time(in)[row];
		lm_batch_format(in, in->schema->time_field, row, p->time_text,
		                sizeof(p->time_text));
	}
	p->total++;
	if (p->shown == c->rows) {
		return;
	}
	for (uint32_t i = 0; i < c->column_count; i++) {
		print_cell_value(&p->cell[p->shown * c->column_count + i], in, c->field[i], row,
		                 c->column[i].unit);
	}
	p->shown++;
}

static void
print_tables(struct lm_op *op, const struct print_config *c, struct print *p,
             const struct lm_batch *in, const uint16_t *rows, uint32_t count)
{
	const int64_t *time_ns = c->every == EVERY_WINDOW ? lm_batch_time(in) : NULL;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = rows == NULL ? i : rows[i];

		/* A piece counts its rows in 32 bits. */
		if ((time_ns != NULL && p->total > 0 && time_ns[row] != p->time_ns) ||
		    p->total == UINT32_MAX) {
			print_finish(op, c, p);
		}
		print_add_row(c, p, in, row);
	}
}

/* Rows as they come: as many as fit are a piece. Returns how many, from `first` on. */
static uint32_t
print_put_lines(const struct print_config *c, struct print *p, const struct lm_batch *in,
                const uint16_t *rows, uint32_t first, uint32_t count)
{
	struct row_writer writer;
	uint32_t put = first;

	if (!print_stream_begin(&p->stream, &writer)) {
		return 0;
	}
	for (; put < count; put++) {
		uint32_t row = rows == NULL ? put : rows[put];
		char *before = writer.at;

		if (c->format == FORMAT_CSV) {
			row_put_csv(&writer, in, row, c->field, c->column_count);
		} else {
			row_put_json(&writer, in, row, c->field, c->column_count);
		}
		if (writer.full) {
			row_writer_back(&writer, before);
			break;
		}
	}
	if (put > first) {
		print_stream_commit(&p->stream, &writer, put - first);
	}
	return put - first;
}

static void
print_lines(struct lm_op *op, const struct print_config *c, struct print *p,
            const struct lm_batch *in, const uint16_t *rows, uint32_t count)
{
	for (uint32_t done = 0; done < count;) {
		uint32_t put = print_put_lines(c, p, in, rows, done, count);

		if (put == 0) {
			/* A row that an empty buffer does not hold, or no room for this one and the
			 * rest. */
			put = p->stream.length == 0 ? 1 : count - done;
			lm_op_drop(op, DROP_TERMINAL_SLOW, put);
		}
		done += put;
		print_write(op, p);
	}
}

static void
print_rows(struct lm_op *op, const struct lm_batch *in, const uint16_t *rows, uint32_t count)
{
	const struct print_config *c = lm_op_config(op);
	struct print *p = lm_op_context(op);

	if (p->stream.broken) {
		lm_op_drop(op, DROP_TERMINAL_SLOW, count);
	} else if (c->format == FORMAT_TABLE) {
		print_tables(op, c, p, in, rows, count);
	} else {
		print_lines(op, c, p, in, rows, count);
	}
}

static void
print_process(struct lm_op *op, const struct lm_batch *in)
{
	print_rows(op, in, NULL, in->count);
}

static void
print_process_select(struct lm_op *op, const struct lm_select *in)
{
	print_rows(op, in->batch, in->row, in->count);
}

/* ---- life ---- */

static int
print_open(struct lm_op *op)
{
	const struct print_config *c = lm_op_config(op);
	struct print *p = lm_op_context(op);
	char *buffer = lm_op_alloc(op, PRINT_BUFFER);
	struct row_writer writer;
	int result;

	p->cell = lm_op_alloc(op, (size_t)c->rows * c->column_count * sizeof(*p->cell));
	if (buffer == NULL || p->cell == NULL) {
		lm_op_error(op, "no memory for a table of %u rows", c->rows);
		return -ENOMEM;
	}
	result = print_stream_open(&p->stream, c->to_stderr, buffer);
	if (result != 0) {
		lm_op_error(op, "cannot write to %s: %s; give it something to write to",
		            c->to_stderr ? "stderr" : "stdout", strerror(-result));
		return result;
	}
	if (c->format == FORMAT_CSV) {
		print_stream_begin(&p->stream, &writer);
		row_put_csv_names(&writer, lm_op_input_schema(op, 0), c->field, c->column_count);
		print_stream_commit(&p->stream, &writer, 0);
	}
	if (c->format == FORMAT_TABLE && c->every == EVERY_SECOND) {
		lm_op_timer_start(op, TIMER_SECOND, PRINT_SECOND_NS);
	}
	return 0;
}

static void
print_close(struct lm_op *op)
{
	struct print *p = lm_op_context(op);

	print_stream_close(&p->stream);
}

static void
print_watermark(struct lm_op *op, int64_t time_ns)
{
	const struct print_config *c = lm_op_config(op);
	struct print *p = lm_op_context(op);

	if (c->every == EVERY_WINDOW && p->total > 0 && p->time_ns <= time_ns) {
		print_finish(op, c, p);
	}
}

static void
print_timer(struct lm_op *op, uint32_t timer)
{
	const struct print_config *c = lm_op_config(op);
	struct print *p = lm_op_context(op);

	if (timer == TIMER_SECOND) {
		print_finish(op, c, p);
	} else {
		print_write(op, p);
	}
}

/* What the terminal has not taken yet gets a second more; after that it is dropped. */
static void
print_end(struct lm_op *op)
{
	const struct print_config *c = lm_op_config(op);
	struct print *p = lm_op_context(op);

	print_finish(op, c, p);
	print_write(op, p);
	if (p->stream.length == 0) {
		return;
	}
	if (!p->lingering) {
		p->lingering = true;
		p->linger_ns = lm_op_now_ns(op) + PRINT_LINGER_NS;
	}
	if (lm_op_now_ns(op) < p->linger_ns) {
		lm_op_again(op);
		return;
	}
	lm_op_drop(op, DROP_TERMINAL_SLOW, print_stream_discard(&p->stream));
}

static const struct lm_op_class print_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_SINK | LM_OP_GLOBAL,
	.name = "print",
	.version = "1.0.0",
	.summary = "shows rows on the terminal: live tables, CSV or JSON lines",
	.params = print_params,
	.inputs = print_inputs,
	.drops = print_drops,
	.rows = LM_ROWS_ABSORB,
	.config_size = sizeof(struct print_config),
	.context_size = sizeof(struct print),
	.configure = print_configure,
	.open = print_open,
	.close = print_close,
	.process = print_process,
	.process_select = print_process_select,
	.watermark = print_watermark,
	.timer = print_timer,
	.end = print_end,
};

REGISTER_CLASS(print_class)
