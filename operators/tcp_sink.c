/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_sink: sends rows over TCP as CSV or JSON lines, at once. docs/tcp.md is the protocol.
 *
 * Plain: the rows and nothing else. A row counts as absorbed when the kernel has taken its last
 * byte; what a connection that breaks takes with it is lost, or comes half.
 * Eager: each line has an id, and is kept until the peer has said that it has it; over another
 * connection it is sent again. So a row counts as absorbed when the peer has it, and no snapshot is
 * taken before the peer has all that belongs to it. Control lines tell the peer what a crash makes
 * this sink send again, and what is durable.
 *
 * When the buffer is full the slice waits, and with it the stream; or rows are dropped by name.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/lm_op.h"
#include "core/lm_serial.h"
#include "core/registry_builtin.h"
#include "operators/row_text.h"
#include "operators/sink_columns.h"
#include "operators/tcp_control.h"
#include "operators/tcp_link.h"
#include "operators/tcp_outbox.h"

/* The longest line. */
#define SINK_LINE (64u * 1024u)
/* Lines in front of a connection's first: a start, names. */
#define SINK_HEAD 4096u
#define SINK_ANSWER 64u
#define SINK_TIMER 0u
#define SINK_TICK_NS UINT64_C(2000000)
/* when_slow: drop: for so long the end waits for a peer. */
#define SINK_LINGER_NS INT64_C(5000000000)
/* For so long, at the very end, the peer is told that everything is durable. */
#define SINK_CLOSE_NS INT64_C(3000000000)
#define SINK_CLOSE_STEP_NS 1000000u
/* One that cannot be reached is not tried much longer: the link waits so long, which is its fifth.
 */
#define SINK_CLOSE_WAIT_NS UINT64_C(800000000)

enum { DROP_ROW_TOO_LONG, DROP_PEER_SLOW, DROP_PEER_GONE };

/* Of a slice, written by commit on a control thread, read by the slice. */
#define DURABLE_ALL UINT64_MAX

struct sink_config {
	char *host;
	uint16_t port;
	bool listens, is_eager, is_dropping, has_names;
	enum tcp_format format;
	uint64_t buffer;
	struct sink_columns columns;
	uint32_t slices;
	uint64_t *durable; /* [slice]: the last epoch that is; DURABLE_ALL: and all that follows */
};

struct sink {
	struct tcp_link link;
	struct tcp_outbox box;
	char *line; /* SINK_LINE: where a row is written first */
	char *head; /* SINK_HEAD: what a connection begins with */
	uint32_t head_length, head_sent;
	char answer[SINK_ANSWER];
	uint32_t answer_length;
	uint64_t greeted; /* the connection whose head was written */
	uint64_t run;
	uint64_t epoch;  /* rows belong to it */
	uint64_t behind; /* the epoch that this process goes on behind */
	uint64_t told;   /* that is durable */
	uint64_t waited; /* number of the line that the peer must have before the slice goes on */
	uint32_t taken;  /* rows of the batch in hand that are in the box already */
	bool is_ending, is_complete;
	int64_t stepped_ns;
	int64_t linger_ns; /* when the end waits no longer */
	uint64_t bytes;
};

static const char *const sink_formats[] = { "csv", "jsonl", NULL };
static const char *const sink_modes[] = { "plain", "eager", NULL };
static const char *const sink_slow[] = { "wait", "drop", NULL };

static const struct lm_param sink_params[] = {
	TCP_LINK_PARAMS("wait for the peer to connect, instead of connecting to it"),
	{ .name = "format",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "jsonl",
	  .choices = sink_formats,
	  .summary = "csv: cells with commas; jsonl: an object a line" },
	{ .name = "header",
	  .type = LM_PARAM_BOOL,
	  .summary = "format csv: each connection begins with a line of names" },
	SINK_COLUMNS_PARAM,
	{ .name = "mode",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "eager",
	  .choices = sink_modes,
	  .summary = "eager: lines have ids, the peer acknowledges them and can drop what a crash "
	             "repeats; plain: the rows alone, to whoever reads them" },
	{ .name = "when_slow",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "wait",
	  .choices = sink_slow,
	  .summary = "the buffer is full since the peer is slow or gone: the stream waits, or rows "
	             "are dropped" },
	{ .name = "buffer",
	  .type = LM_PARAM_SIZE,
	  .fallback = "1MiB",
	  .min = 2.0 * SINK_LINE,
	  .max = 64.0 * 1024 * 1024,
	  .summary = "what is kept until the peer has it" },
	{ 0 }
};

static const char *const sink_inputs[] = { "rows", NULL };
static const char *const sink_drops[] = { "row_too_long", "peer_slow", "peer_gone", NULL };

static int
sink_configure(struct lm_setup *setup, void *config)
{
	struct sink_config *c = config;

	c->port = (uint16_t)lm_setup_u64(setup, "port");
	c->listens = lm_setup_bool(setup, "listen");
	c->format = lm_setup_choice(setup, "format") == 0 ? TCP_CSV : TCP_JSONL;
	c->has_names = lm_setup_bool(setup, "header") && c->format == TCP_CSV;
	c->is_eager = lm_setup_choice(setup, "mode") == 1;
	c->is_dropping = lm_setup_choice(setup, "when_slow") == 1;
	c->buffer = lm_setup_u64(setup, "buffer");
	c->slices = lm_setup_slices(setup);
	if (sink_columns_configure(setup, &c->columns) != 0) {
		return -1;
	}
	if (c->listens && c->port + c->slices - 1 > UINT16_MAX) {
		return lm_setup_error(setup, "port", LM_NONE, LM_NONE, NULL,
		                      "%u slices do not find a port each from %u on", c->slices,
		                      c->port);
	}
	c->host = strdup(lm_setup_text(setup, "host"));
	c->durable = calloc(c->slices, sizeof(*c->durable));
	if (c->host == NULL || c->durable == NULL) {
		free(c->host);
		free(c->durable);
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, NULL, "no memory left");
	}
	return 0;
}

static void
sink_unconfigure(void *config)
{
	struct sink_config *c = config;

	free(c->host);
	free(c->durable);
}

/* ---- lines ---- */

static struct tcp_id
sink_id(const struct lm_op *op, const struct sink *s)
{
	return (struct tcp_id){ .slice = lm_op_slice(op),
		                .incarnation = lm_op_incarnation(op),
		                .epoch = s->epoch,
		                .number = s->box.next };
}

/* A numbered control line; false: no room. */
static bool
sink_put_control(struct lm_op *op, struct sink *s, const char *word, uint64_t durable)
{
	const struct sink_config *c = lm_op_config(op);
	struct row_writer writer = { s->line, s->line + SINK_LINE, false };
	struct tcp_id id = sink_id(op, s);

	if (word != NULL) {
		tcp_put_control(&writer, c->format, word, &id);
	} else {
		tcp_put_durable(&writer, c->format, &id, durable);
	}
	return outbox_put(&s->box, s->line, (uint32_t)(writer.at - s->line), false);
}

enum sink_put { PUT_DONE, PUT_FULL, PUT_TOO_LONG };

static enum sink_put
sink_put_row(struct lm_op *op, struct sink *s, const struct lm_batch *batch, uint32_t row)
{
	const struct sink_config *c = lm_op_config(op);
	struct row_writer writer = { s->line, s->line + SINK_LINE, false };
	struct tcp_id id = sink_id(op, s);
	char *values;

	if (c->is_eager) {
		tcp_put_id(&writer, c->format, &id);
	}
	values = writer.at;
	if (c->format == TCP_CSV) {
		row_put_csv(&writer, batch, row, c->columns.field, c->columns.count);
	} else {
		row_put_json(&writer, batch, row, c->columns.field, c->columns.count);
	}
	if (writer.full) {
		return PUT_TOO_LONG;
	}
	if (c->is_eager && c->format == TCP_JSONL) {
		*values = ','; /* the brace stands in front of the id */
	}
	return outbox_put(&s->box, s->line, (uint32_t)(writer.at - s->line), true) ? PUT_DONE
	                                                                           : PUT_FULL;
}

/* What a new connection begins with. */
static void
sink_greet(struct lm_op *op, struct sink *s)
{
	const struct sink_config *c = lm_op_config(op);
	struct row_writer writer = { s->head, s->head + SINK_HEAD, false };
	struct tcp_id id = sink_id(op, s);
	struct tcp_start start = { .sink = lm_op_name(op), .run = s->run, .next = s->box.first };

	s->greeted = s->link.opened;
	s->answer_length = 0;
	outbox_rewind(&s->box);
	if (c->is_eager) {
		id.epoch = s->behind;
		tcp_put_start(&writer, c->format, &id, &start);
	}
	if (c->has_names) {
		row_put_text(&writer, c->is_eager ? "_id," : "");
		row_put_csv_names(&writer, lm_op_input_schema(op, 0), c->columns.field,
		                  c->columns.count);
	}
	s->head_length = (uint32_t)(writer.at - s->head);
	s->head_sent = 0;
}

/* ---- the connection ---- */

static void
sink_complain(struct lm_op *op, struct sink *s)
{
	const struct sink_config *c = lm_op_config(op);

	tcp_link_complain(op, &s->link,
	                  c->is_dropping ? "meanwhile rows are dropped once the buffer is full"
	                                 : "meanwhile the stream waits once the buffer is full");
}

static void
sink_forget(struct lm_op *op, struct sink *s, uint64_t number)
{
	lm_op_absorb(op, outbox_forget(&s->box, number));
}

/* A line of the peer; false: it makes no sense. */
static bool
sink_take_answer(struct lm_op *op, struct sink *s)
{
	uint64_t number;

	if (!tcp_read_ack(s->answer, s->answer_length, &number)) {
		return false;
	}
	if (number == TCP_ACK_COMPLETE) {
		s->is_complete = true;
		return true;
	}
	if (number >= s->box.unsent) {
		return false;
	}
	sink_forget(op, s, number);
	return true;
}

static bool
sink_take_answers(struct lm_op *op, struct sink *s, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n') {
			if (!sink_take_answer(op, s)) {
				return false;
			}
			s->answer_length = 0;
		} else if (s->answer_length == SINK_ANSWER) {
			return false;
		} else {
			s->answer[s->answer_length++] = bytes[i];
		}
	}
	return true;
}

/* What the peer says. A plain one has nothing to say, but its end is heard. */
static void
sink_receive(struct lm_op *op, struct sink *s, int64_t now_ns)
{
	const struct sink_config *c = lm_op_config(op);
	char bytes[2048];
	ssize_t result = env_socket_receive(s->link.socket, bytes, sizeof(bytes));

	if (result == -EAGAIN) {
		return;
	}
	if (result <= 0) {
		tcp_link_break(&s->link, now_ns, (int)-result);
	} else if (c->is_eager && !sink_take_answers(op, s, bytes, (size_t)result)) {
		lm_op_error(op,
		            "the peer answers with something that is no acknowledgement of what "
		            "it was sent; receive with a program that knows the protocol, or "
		            "write mode: plain");
		tcp_link_break(&s->link, now_ns, EPROTO);
	}
}

static const char *
sink_unsent(const struct sink *s, size_t *size)
{
	*size = s->head_length - s->head_sent;
	return *size > 0 ? s->head + s->head_sent : outbox_unsent(&s->box, size);
}

static void
sink_send(struct lm_op *op, struct sink *s, int64_t now_ns)
{
	const struct sink_config *c = lm_op_config(op);
	const char *bytes;
	size_t size;

	while ((bytes = sink_unsent(s, &size)) != NULL) {
		ssize_t result = env_socket_send(s->link.socket, bytes, size);

		if (result == -EAGAIN) {
			break;
		}
		if (result < 0) {
			tcp_link_break(&s->link, now_ns, (int)-result);
			break;
		}
		s->bytes += (uint64_t)result;
		if (s->head_sent < s->head_length) {
			s->head_sent += (uint32_t)result;
		} else {
			outbox_sent(&s->box, (size_t)result);
		}
	}
	if (!c->is_eager) {
		sink_forget(op, s, s->box.unsent - 1);
	}
}

static void
sink_tell_durable(struct lm_op *op, struct sink *s)
{
	const struct sink_config *c = lm_op_config(op);
	uint64_t epoch = __atomic_load_n(&c->durable[lm_op_slice(op)], __ATOMIC_ACQUIRE);

	if (c->is_eager && epoch != DURABLE_ALL && epoch > s->told &&
	    sink_put_control(op, s, NULL, epoch)) {
		s->told = epoch;
	}
}

/* All that can be done now without waiting. */
static void
sink_step(struct lm_op *op, struct sink *s, int64_t now_ns)
{
	s->stepped_ns = now_ns;
	sink_tell_durable(op, s);
	if (tcp_link_step(&s->link, now_ns)) {
		if (s->greeted != s->link.opened) {
			sink_greet(op, s);
		}
		sink_receive(op, s, now_ns);
	}
	if (s->link.state == TCP_LINK_OPEN) {
		sink_send(op, s, now_ns);
	}
	sink_complain(op, s);
	lm_op_gauge(op, 0, "bytes_sent", s->bytes);
	lm_op_gauge(op, 1, "connections", s->link.opened);
	lm_op_gauge(op, 2, "lines_kept", s->box.next - s->box.first);
}

/* ---- rows ---- */

/* False: the row has to wait. */
static bool
sink_row(struct lm_op *op, struct sink *s, const struct lm_batch *batch, uint32_t row)
{
	const struct sink_config *c = lm_op_config(op);
	enum sink_put put = sink_put_row(op, s, batch, row);

	/* The clock stands still within a turn: one look at the connection is enough for it. */
	if (put == PUT_FULL && s->stepped_ns != lm_op_now_ns(op)) {
		sink_step(op, s, lm_op_now_ns(op));
		put = sink_put_row(op, s, batch, row);
	}
	if (put == PUT_TOO_LONG) {
		lm_op_drop(op, DROP_ROW_TOO_LONG, 1);
	} else if (put == PUT_FULL && c->is_dropping) {
		lm_op_drop(op, s->link.state == TCP_LINK_OPEN ? DROP_PEER_SLOW : DROP_PEER_GONE, 1);
	}
	return put != PUT_FULL || c->is_dropping;
}

/* rows NULL: all of the batch. */
static void
sink_rows(struct lm_op *op, const struct lm_batch *batch, const uint16_t *rows, uint32_t count)
{
	struct sink *s = lm_op_context(op);

	while (s->taken < count) {
		if (!sink_row(op, s, batch, rows == NULL ? s->taken : rows[s->taken])) {
			lm_op_again(op);
			return;
		}
		s->taken++;
	}
	s->taken = 0;
	sink_step(op, s, lm_op_now_ns(op));
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
	(void)timer;
	sink_step(op, lm_op_context(op), lm_op_now_ns(op));
}

/* ---- epochs and the end ---- */

/*
 * With snapshots, what belongs to one must not be lost when this process is: the slice waits until
 * the peer has it, or, when it sends no answers, until the kernel has. Who would rather drop rows
 * than wait does not wait here either.
 */
static void
sink_epoch(struct lm_op *op, uint64_t epoch)
{
	const struct sink_config *c = lm_op_config(op);
	struct sink *s = lm_op_context(op);
	bool waits = lm_op_incarnation(op) != 0 && !c->is_dropping;

	s->epoch = epoch;
	if (c->is_eager && s->waited == 0) {
		if (sink_put_control(op, s, "epoch", 0)) {
			s->waited = s->box.next - 1;
		} else if (waits) {
			sink_step(op, s, lm_op_now_ns(op));
			lm_op_again(op);
			return;
		}
	} else if (s->waited == 0) {
		s->waited = s->box.next - 1;
	}
	sink_step(op, s, lm_op_now_ns(op));
	if (waits && s->box.first <= s->waited) {
		lm_op_again(op);
		return;
	}
	s->waited = 0;
}

/* Everything is out, or the slice is asked again. */
static void
sink_end(struct lm_op *op)
{
	const struct sink_config *c = lm_op_config(op);
	struct sink *s = lm_op_context(op);

	if (!s->is_ending) {
		s->linger_ns = s->linger_ns == 0 ? lm_op_now_ns(op) + SINK_LINGER_NS : s->linger_ns;
		s->is_ending = !c->is_eager || sink_put_control(op, s, "end", 0);
	}
	sink_step(op, s, lm_op_now_ns(op));
	if (s->is_ending && outbox_is_empty(&s->box)) {
		if (!c->is_eager) {
			tcp_link_close(&s->link); /* so that the peer knows that this is all */
		}
		return;
	}
	if (!c->is_dropping || lm_op_now_ns(op) < s->linger_ns) {
		lm_op_again(op);
		return;
	}
	s->is_ending = true;
	lm_op_drop(op, s->link.state == TCP_LINK_OPEN ? DROP_PEER_SLOW : DROP_PEER_GONE,
	           outbox_forget(&s->box, UINT64_MAX));
	tcp_link_break(&s->link, lm_op_now_ns(op), ETIMEDOUT);
}

/* The transaction of an eager sink is empty but for its name: commit tells that it is durable. */
static void
sink_prepare(struct lm_op *op, uint64_t number, struct lm_writer *writer)
{
	const struct sink_config *c = lm_op_config(op);
	const struct sink *s = lm_op_context(op);

	if (c->is_eager) {
		lm_write_u64(writer, s->is_ending ? DURABLE_ALL : number);
	}
}

static int
sink_secure(const void *config, struct lm_transaction *txn)
{
	(void)config;
	(void)txn;
	return 0;
}

static int
sink_commit(const void *config, struct lm_transaction *txn)
{
	const struct sink_config *c = config;
	struct lm_reader reader = { .bytes = txn->bytes, .size = txn->size };
	uint64_t epoch = lm_read_u64(&reader);

	if (reader.failed || txn->slice >= c->slices) {
		snprintf(txn->why, sizeof(txn->why), "this is no transaction of a tcp_sink");
		return -EINVAL;
	}
	__atomic_store_n(&c->durable[txn->slice], epoch, __ATOMIC_RELEASE);
	return 0;
}

static int
sink_fence(const void *config, struct lm_transaction *txn)
{
	(void)config;
	(void)txn;
	return 0;
}

static void
sink_serialize(struct lm_op *op, struct lm_writer *writer)
{
	const struct sink *s = lm_op_context(op);

	lm_write_u64(writer, s->epoch);
}

static void
sink_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	struct sink *s = lm_op_context(op);

	(void)version;
	s->epoch = lm_read_u64(reader);
	s->behind = s->epoch;
	s->told = s->epoch;
}

/* ---- life ---- */

static int
sink_open(struct lm_op *op)
{
	const struct sink_config *c = lm_op_config(op);
	struct sink *s = lm_op_context(op);
	char *bytes = lm_op_alloc(op, c->buffer);
	uint64_t *line = lm_op_alloc(op, OUTBOX_LINES * sizeof(*line));
	uint32_t port = c->listens ? c->port + lm_op_slice(op) : c->port;

	s->line = lm_op_alloc(op, SINK_LINE);
	s->head = lm_op_alloc(op, SINK_HEAD);
	if (bytes == NULL || line == NULL || s->line == NULL || s->head == NULL) {
		lm_op_error(op, "no memory for a buffer of %llu bytes",
		            (unsigned long long)c->buffer);
		return -ENOMEM;
	}
	outbox_open(&s->box, bytes, (uint32_t)c->buffer, line);
	s->run = env_random();
	lm_op_timer_start(op, SINK_TIMER, SINK_TICK_NS);
	return tcp_link_open(op, &s->link, c->host, (uint16_t)port, c->listens);
}

/* The connection's last line, once nothing else is under way on it. */
static void
sink_put_complete(struct lm_op *op, struct sink *s)
{
	const struct sink_config *c = lm_op_config(op);
	struct row_writer writer = { s->head, s->head + SINK_HEAD, false };
	struct tcp_id id = sink_id(op, s);

	s->greeted = s->link.opened;
	s->answer_length = 0;
	tcp_put_complete(&writer, c->format, &id, lm_op_name(op));
	s->head_length = (uint32_t)(writer.at - s->head);
	s->head_sent = 0;
}

/* The job is complete: the peer is told, over a new connection if there is none. */
static void
sink_say_complete(struct lm_op *op, struct sink *s)
{
	int64_t until_ns = env_now_ns() + SINK_CLOSE_NS;
	uint64_t put = UINT64_MAX;

	tcp_link_hurry(&s->link);
	while (!s->is_complete && env_now_ns() < until_ns && s->link.wait_ns < SINK_CLOSE_WAIT_NS) {
		if (tcp_link_step(&s->link, env_now_ns())) {
			if (put != s->link.opened) {
				put = s->link.opened;
				sink_put_complete(op, s);
			}
			sink_send(op, s, env_now_ns());
		}
		if (s->link.state == TCP_LINK_OPEN) {
			sink_receive(op, s, env_now_ns());
		}
		env_sleep_ns(SINK_CLOSE_STEP_NS);
	}
	if (!s->is_complete) {
		lm_op_error(op,
		            "the peer at %s port %u was not told that the last rows are "
		            "durable: run the job again, which tells it",
		            s->link.host, s->link.port);
	}
}

/* What is durable by now and was not told. */
static void
sink_say_last(struct lm_op *op, struct sink *s)
{
	int64_t until_ns = env_now_ns() + SINK_CLOSE_NS;

	sink_step(op, s, env_now_ns());
	while (s->link.state == TCP_LINK_OPEN && !outbox_is_empty(&s->box) &&
	       env_now_ns() < until_ns) {
		env_sleep_ns(SINK_CLOSE_STEP_NS);
		sink_step(op, s, env_now_ns());
	}
}

static void
sink_close(struct lm_op *op)
{
	const struct sink_config *c = lm_op_config(op);
	struct sink *s = lm_op_context(op);
	uint64_t durable = __atomic_load_n(&c->durable[lm_op_slice(op)], __ATOMIC_ACQUIRE);
	bool is_all = durable == DURABLE_ALL || lm_op_had_ended(op);

	if (c->is_eager && is_all && outbox_is_empty(&s->box)) {
		sink_say_complete(op, s);
	} else if (c->is_eager && durable > s->told && s->link.state == TCP_LINK_OPEN) {
		sink_say_last(op, s);
	}
	tcp_link_close(&s->link);
}

static const struct lm_op_class tcp_sink_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_SINK,
	.name = "tcp_sink",
	.version = "1.0.0",
	.summary = "sends rows over TCP as CSV or JSON lines, with ids to drop repeats by",
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
	.serialize = sink_serialize,
	.deserialize = sink_deserialize,
	.prepare = sink_prepare,
	.secure = sink_secure,
	.commit = sink_commit,
	.fence = sink_fence,
};

REGISTER_CLASS(tcp_sink_class)
