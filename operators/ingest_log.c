/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ingest_log: stands behind a source that cannot send anything again, as a port. Each row is
 * appended to a log (state/log.h), a folder for each slice, and goes on once it is durable, or at
 * once where that was asked for. After a restart the rows behind the position of the snapshot come
 * again, in the same order and with the same values, before anything new: what stands behind this
 * operator can count on each row exactly once. While the disk fails rows wait, here and then at the
 * source.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/lm_serial.h"
#include "core/registry_builtin.h"
#include "operators/ingest_rows.h"
#include "state/log.h"

#define INGEST_TIMER 0u
/* How soon the disk is looked at again while something waits for it. */
#define INGEST_POLL_NS UINT64_C(20000)
/* Rows that one callback passes on, about: others on the lcore want their turn. */
#define INGEST_ROWS_PER_CALL (4u * LM_BATCH_ROWS)
#define INGEST_VERSION 1u

enum {
	GAUGE_LOGGED,
	GAUGE_WAITING,
	GAUGE_REPEATED,
	GAUGE_BYTES,
	GAUGE_GROUPS,
	GAUGE_FAILURES,
	GAUGE_STOPS
};

struct ingest_config {
	char *folder;
	uint64_t commit_ns, segment_bytes, max_bytes, memory_size;
	bool eager;
	char schema[INGEST_SCHEMA_MAX];
};

struct ingest {
	struct log *log;
	int64_t watermark; /* the last that came */
	bool polls;        /* the timer runs */
	bool has_begun;
	bool was_sought; /* a snapshot said where to go on */
	bool is_stuck;   /* what is in the log cannot be passed on: nothing passes any more */
	uint64_t told;   /* failures and stops that were told */
	uint64_t repeated;
};

static const struct lm_param ingest_params[] = {
	{ .name = "folder",
	  .type = LM_PARAM_TEXT,
	  .required = true,
	  .summary =
	      "where the log is kept, a folder in it for each slice; made if it is not there" },
	{ .name = "commit",
	  .type = LM_PARAM_DURATION,
	  .fallback = "2ms",
	  .max = 1e9,
	  .summary = "rows wait so long for others before they are made durable together" },
	{ .name = "eager",
	  .type = LM_PARAM_BOOL,
	  .fallback = "false",
	  .summary =
	      "pass rows on before they are durable: a crash may lose what others have seen" },
	{ .name = "segment",
	  .type = LM_PARAM_SIZE,
	  .fallback = "64MiB",
	  .min = 2.0 * LOG_GROUP_BYTES,
	  .max = 4294967296.0,
	  .summary = "size of a file of the log; old ones are removed whole" },
	{ .name = "max_bytes",
	  .type = LM_PARAM_SIZE,
	  .fallback = "0",
	  .summary = "of the log of a slice: with so much on disk rows wait; 0: no bound" },
	{ .name = "buffer",
	  .type = LM_PARAM_SIZE,
	  .fallback = "8MiB",
	  .min = LOG_MEMORY_MIN,
	  .max = 4294967296.0,
	  .summary = "memory of a slice for rows that wait for the disk" },
	{ 0 }
};

static const char *const ingest_inputs[] = { "rows", NULL };
static const char *const ingest_outputs[] = { "rows", NULL };

static int
ingest_configure(struct lm_setup *setup, void *config)
{
	struct ingest_config *c = config;
	const struct lm_schema *schema = lm_setup_input(setup, 0);

	if (schema->frame_field != LM_NONE) {
		return lm_setup_error(
		    setup, NULL, LM_NONE, LM_NONE,
		    "let the port decode: give port_source columns, as in "
		    "emit: [time, length, src, dst]",
		    "a log cannot keep frames (\"%s\"): their bytes are the port's",
		    schema->field[schema->frame_field].name);
	}
	c->commit_ns = lm_setup_u64(setup, "commit");
	c->segment_bytes = lm_setup_u64(setup, "segment");
	c->max_bytes = lm_setup_u64(setup, "max_bytes");
	c->memory_size = lm_setup_u64(setup, "buffer") / 64 * 64;
	c->eager = lm_setup_bool(setup, "eager");
	if (c->max_bytes != 0 && c->max_bytes < 2 * c->segment_bytes) {
		return lm_setup_error(setup, "max_bytes", LM_NONE, LM_NONE,
		                      "only whole segments are removed: make it larger, or "
		                      "segment smaller",
		                      "it must be at least twice the size of a segment");
	}
	if (lm_setup_output_like(setup, 0, schema) != 0) {
		return -1;
	}
	ingest_rows_schema(schema, c->schema);
	lm_setup_trait(setup, LM_TRAIT_LOGS);
	c->folder = strdup(lm_setup_text(setup, "folder"));
	return c->folder != NULL
	           ? 0
	           : lm_setup_error(setup, "folder", LM_NONE, LM_NONE, NULL, "no memory left");
}

static void
ingest_unconfigure(void *config)
{
	free(((struct ingest_config *)config)->folder);
}

/* ---- life ---- */

static void
ingest_start_polling(struct lm_op *op, struct ingest *s)
{
	if (!s->polls) {
		s->polls = true;
		lm_op_timer_start(op, INGEST_TIMER, INGEST_POLL_NS);
	}
}

static int
ingest_open(struct lm_op *op)
{
	const struct ingest_config *c = lm_op_config(op);
	struct ingest *s = lm_op_context(op);
	struct log_options options = {
		.folder = c->folder,
		.slice = lm_op_slice(op),
		.slices = lm_op_slices(op),
		.schema = c->schema,
		.segment_bytes = c->segment_bytes,
		.max_bytes = c->max_bytes,
		.commit_ns = c->commit_ns,
		.eager = c->eager,
		.memory = lm_op_alloc(op, c->memory_size),
		.memory_size = c->memory_size,
	};
	char why[LOG_WHY] = "";
	int result;

	s->watermark = INT64_MIN;
	if (options.memory == NULL) {
		lm_op_error(op, "no memory for a buffer of %llu bytes",
		            (unsigned long long)c->memory_size);
		return -ENOMEM;
	}
	result = log_open(&options, &s->log, why);
	if (result != 0) {
		lm_op_error(op, "%s", why);
		return result;
	}
	if (log_has_rows(s->log)) {
		ingest_start_polling(op, s);
	}
	return 0;
}

static void
ingest_close(struct lm_op *op)
{
	struct ingest *s = lm_op_context(op);

	log_close(s->log);
	s->log = NULL;
}

static void
ingest_serialize(struct lm_op *op, struct lm_writer *writer)
{
	const struct ingest *s = lm_op_context(op);

	lm_write_u64(writer, log_id(s->log));
	lm_write_u64(writer, log_row(s->log));
}

static void
ingest_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	struct ingest *s = lm_op_context(op);
	uint64_t id = lm_read_u64(reader), row = lm_read_u64(reader);
	char why[LOG_WHY];

	if (version != INGEST_VERSION) {
		lm_op_error(op, "the snapshot has version %u of a position in the log, not %u",
		            version, INGEST_VERSION);
		reader->failed = true;
	} else if (!reader->failed && log_seek(s->log, id, row, why) != 0) {
		lm_op_error(op, "%s", why);
		reader->failed = true;
	}
	s->was_sought = true;
}

static int
ingest_trim(struct lm_op *op, const void *written, size_t size, char *why, size_t why_size)
{
	struct ingest *s = lm_op_context(op);
	struct lm_reader reader = { .bytes = written, .size = size };
	uint64_t id = lm_read_u64(&reader), row = lm_read_u64(&reader);
	char reason[LOG_WHY] = "";
	int result;

	if (reader.failed || id != log_id(s->log)) {
		snprintf(why, why_size, "these bytes are not of this log");
		return -EINVAL;
	}
	result = log_trim(s->log, row, reason);
	snprintf(why, why_size, "%s", reason);
	return result;
}

/* ---- passing on ---- */

/* Once, before anything else. */
static void
ingest_begin(struct lm_op *op, struct ingest *s)
{
	s->has_begun = true;
	if (!s->was_sought && log_first_row(s->log) > 0) {
		lm_op_error(
		    op,
		    "the log begins with row %llu, for what was before stood in a snapshot; "
		    "this run did not go on from one, and begins with that row",
		    (unsigned long long)log_first_row(s->log));
	}
}

static void
ingest_stuck(struct lm_op *op, struct ingest *s, const char *what)
{
	s->is_stuck = true;
	lm_op_error(op, "row %llu of the log %s; nothing passes any more, and rows wait",
	            (unsigned long long)log_row(s->log), what);
}

/* Some rows of a record; false: there is no room for more now, or there is something wrong. */
static bool
ingest_emit(struct lm_op *op, struct ingest *s, const struct log_record *record)
{
	uint32_t room = lm_op_room(op, 0), capacity = lm_op_output_schema(op, 0)->capacity;
	struct ingest_range range = { .rows = record->rows, .from = record->skip };
	struct lm_batch *out;
	uint32_t first, count;

	if (room == 0) {
		return false;
	}
	if (record->is_from_disk && record->skip == 0 &&
	    !ingest_rows_check(lm_op_output_schema(op, 0), record->payload, record->size,
	                       record->rows)) {
		ingest_stuck(op, s, "is whole but does not fit its columns");
		return false;
	}
	room = room < capacity ? room : capacity;
	range.count = record->rows - record->skip;
	range.count = range.count < room ? range.count : room;
	lm_op_set_ingress(op, record->ingress_ns);
	out = lm_op_reserve(op, 0, range.count, &first);
	count = ingest_rows_read(record->payload, &range, out, first);
	lm_op_emit(op, 0, count);
	log_pass(s->log, count);
	s->repeated += record->is_from_disk ? count : 0;
	if (count == 0 && first == 0) {
		ingest_stuck(op, s,
		             "is longer than a batch takes now (settings.batch_rows was larger)");
		return false;
	}
	return true;
}

static void
ingest_pass_on(struct lm_op *op, struct ingest *s)
{
	uint64_t until = log_row(s->log) + INGEST_ROWS_PER_CALL;
	struct log_record record;

	while (!s->is_stuck && log_row(s->log) < until && log_peek(s->log, &record)) {
		if (!ingest_emit(op, s, &record)) {
			break;
		}
	}
}

static void
ingest_tell(struct lm_op *op, struct ingest *s)
{
	struct log_stats stats;

	log_read_stats(s->log, &stats);
	if (stats.failures + stats.stops > s->told) {
		s->told = stats.failures + stats.stops;
		lm_op_error(op, "%s", log_why(s->log));
	}
	lm_op_gauge(op, GAUGE_LOGGED, "rows_logged", log_durable_row(s->log));
	lm_op_gauge(op, GAUGE_WAITING, "rows_waiting", log_end_row(s->log) - log_row(s->log));
	lm_op_gauge(op, GAUGE_REPEATED, "rows_repeated", s->repeated);
	lm_op_gauge(op, GAUGE_BYTES, "bytes", stats.bytes);
	lm_op_gauge(op, GAUGE_GROUPS, "groups", stats.groups);
	lm_op_gauge(op, GAUGE_FAILURES, "failures", stats.failures);
	lm_op_gauge(op, GAUGE_STOPS, "stops", stats.stops);
}

/* Whatever can go on goes on; true if something waits for the disk or for room. */
static bool
ingest_go_on(struct lm_op *op, struct ingest *s, bool flush)
{
	bool busy;

	if (!s->has_begun) {
		ingest_begin(op, s);
	}
	busy = log_step(s->log, lm_op_now_ns(op), flush);
	ingest_pass_on(op, s);
	ingest_tell(op, s);
	return busy || log_has_rows(s->log);
}

static void
ingest_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct ingest_config *c = lm_op_config(op);
	struct ingest *s = lm_op_context(op);
	uint32_t size = ingest_rows_size(in);
	/*
	 * Rows that come again go first: then those that are here may still be passed on as they
	 * are.
	 */
	bool waits = c->eager && log_has_rows(s->log);
	uint8_t *payload = waits ? NULL : log_reserve(s->log, size);

	if (payload == NULL) {
		ingest_go_on(op, s, false);
		lm_op_again(op);
		return;
	}
	ingest_rows_write(in, payload);
	log_append(s->log, &(struct log_record){ .rows = in->count,
	                                         .size = size,
	                                         .watermark = s->watermark,
	                                         .ingress_ns = lm_op_ingress_ns(op) });
	lm_op_absorb(op, in->count);
	if (c->eager) {
		log_pass_new(s->log);
		lm_op_forward(op, in);
	}
	if (ingest_go_on(op, s, false)) {
		ingest_start_polling(op, s);
	}
}

static void
ingest_timer(struct lm_op *op, uint32_t timer)
{
	struct ingest *s = lm_op_context(op);

	if (!ingest_go_on(op, s, false)) {
		s->polls = false;
		lm_op_timer_stop(op, timer);
	}
}

static void
ingest_watermark(struct lm_op *op, int64_t time_ns)
{
	struct ingest *s = lm_op_context(op);

	s->watermark = time_ns;
	ingest_go_on(op, s, false);
}

/* No row that still waits is overtaken. */
static int64_t
ingest_hold(struct lm_op *op, int64_t time_ns)
{
	const struct ingest *s = lm_op_context(op);
	int64_t held_ns = log_watermark(s->log);

	return held_ns < time_ns ? held_ns : time_ns;
}

/* What was passed on stands in the state of others: a snapshot of them needs it to be durable. */
static void
ingest_epoch(struct lm_op *op, uint64_t epoch)
{
	const struct ingest_config *c = lm_op_config(op);
	struct ingest *s = lm_op_context(op);

	(void)epoch;
	ingest_go_on(op, s, c->eager);
	if (log_durable_row(s->log) < log_row(s->log)) {
		lm_op_again(op);
	}
}

static void
ingest_end(struct lm_op *op)
{
	if (ingest_go_on(op, lm_op_context(op), true)) {
		lm_op_again(op);
	}
}

static const struct lm_op_class ingest_log_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_AMPLIFIES | LM_OP_DELAYS,
	.name = "ingest_log",
	.version = "1.0.0",
	.summary = "keeps rows in a durable log, so that they come again after a restart",
	.params = ingest_params,
	.inputs = ingest_inputs,
	.outputs = ingest_outputs,
	.rows = LM_ROWS_ABSORB,
	.config_size = sizeof(struct ingest_config),
	.context_size = sizeof(struct ingest),
	.configure = ingest_configure,
	.unconfigure = ingest_unconfigure,
	.open = ingest_open,
	.close = ingest_close,
	.process = ingest_process,
	.watermark = ingest_watermark,
	.timer = ingest_timer,
	.epoch = ingest_epoch,
	.end = ingest_end,
	.hold = ingest_hold,
	.serialize = ingest_serialize,
	.deserialize = ingest_deserialize,
	.state_version = INGEST_VERSION,
	.trim = ingest_trim,
};

REGISTER_CLASS(ingest_log_class)
