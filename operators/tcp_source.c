/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_source: rows that come over TCP, as lines, CSV or JSON lines: from all who connect to it, or
 * from the one it connects to. Each connection is a text of its own; rows keep the order of theirs.
 * When the stream waits, nothing is read, and the peers wait, too.
 *
 * What was read cannot be read again after a crash: it replays nothing. An operator that logs
 * (LM_TRAIT_LOGS) behind it can.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/lm_op.h"
#include "core/registry_builtin.h"
#include "operators/tcp_link.h"
#include "operators/text_rows.h"

/* What is read at once. */
#define SOURCE_BLOCK (64u * 1024u)
#define SOURCE_CONNECTIONS_MAX 256u
/* Without a row for so long, others do not wait for this source's event time. */
#define SOURCE_IDLE_NS INT64_C(1000000000)

enum { ENDS_NEVER, ENDS_CLOSED };

struct source_config {
	char *host;
	uint16_t port;
	bool listens;
	uint32_t connections;
	uint32_t ends;
	struct text_format text;
};

struct source_connection {
	int socket; /* -1: none */
	bool has_header;
	struct text_reader reader;
};

struct source {
	struct tcp_link link; /* listens: its listener alone is used */
	struct source_connection *connection;
	uint32_t count;   /* of them */
	uint32_t open;    /* of them */
	uint32_t current; /* whose turn it is */
	uint64_t taken;   /* connections so far */
	uint64_t bytes, bad;
	int64_t time_max_ns;
	int64_t rows_ns; /* when the last row came */
	bool is_idle;    /* and that was told */
};

static const char *const source_ends[] = { "never", "closed", NULL };

static const struct lm_param source_params[] = {
	TCP_LINK_PARAMS("wait for peers to connect, instead of connecting to one"),
	TEXT_PARAMS,
	{ .name = "connections",
	  .type = LM_PARAM_U64,
	  .fallback = "16",
	  .min = 1,
	  .max = SOURCE_CONNECTIONS_MAX,
	  .summary = "listen: peers at once, others wait" },
	{ .name = "ends",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "never",
	  .choices = source_ends,
	  .summary = "never: peers may come again; closed: when no peer is left and none waits" },
	{ 0 }
};

static const char *const source_outputs[] = { "rows", NULL };
static const char *const source_drops[] = { TEXT_DROPS, NULL };

static int
source_configure(struct lm_setup *setup, void *config)
{
	struct source_config *c = config;
	uint32_t slices = lm_setup_slices(setup);

	c->port = (uint16_t)lm_setup_u64(setup, "port");
	c->listens = lm_setup_bool(setup, "listen");
	c->connections = c->listens ? (uint32_t)lm_setup_u64(setup, "connections") : 1;
	c->ends = lm_setup_choice(setup, "ends");
	if (text_configure(setup, &c->text) != 0) {
		return -1;
	}
	if (c->listens && c->port + slices - 1 > UINT16_MAX) {
		return lm_setup_error(setup, "port", LM_NONE, LM_NONE, NULL,
		                      "%u slices do not find a port each from %u on", slices,
		                      c->port);
	}
	c->host = strdup(lm_setup_text(setup, "host"));
	return c->host != NULL
	           ? 0
	           : lm_setup_error(setup, "host", LM_NONE, LM_NONE, NULL, "no memory left");
}

static void
source_unconfigure(void *config)
{
	free(((struct source_config *)config)->host);
}

/* ---- connections ---- */

static void
source_bad(struct lm_op *op, struct text_reader *reader, const char *what)
{
	struct source *s = lm_op_context(op);

	s->bad++;
	lm_op_error(op, "line %llu of a connection: %s; the row is dropped",
	            (unsigned long long)reader->line, what);
}

static void
source_begin(struct lm_op *op, struct source *s, struct source_connection *connection, int socket)
{
	const struct source_config *c = lm_op_config(op);

	connection->socket = socket;
	connection->has_header = !c->text.header;
	text_begin(&connection->reader);
	s->open++;
	s->taken++;
}

/* Takes those who connect, as many as there is place for. */
static void
source_accept(struct lm_op *op, struct source *s)
{
	for (uint32_t i = 0; i < s->count && s->open < s->count; i++) {
		struct source_connection *connection = &s->connection[i];
		int socket;

		if (connection->socket >= 0) {
			continue;
		}
		socket = env_socket_accept(s->link.listener);
		if (socket == -EAGAIN) {
			return;
		}
		if (socket < 0) {
			lm_op_error(op, "cannot take a connection on port %u: %s", s->link.port,
			            strerror(-socket));
			return;
		}
		source_begin(op, s, connection, socket);
	}
}

static void
source_connect(struct lm_op *op, struct source *s)
{
	const struct source_config *c = lm_op_config(op);

	if (s->open > 0 || (c->ends == ENDS_CLOSED && s->taken > 0)) {
		return;
	}
	if (tcp_link_step(&s->link, lm_op_now_ns(op))) {
		source_begin(op, s, &s->connection[0], s->link.socket);
	}
	tcp_link_complain(op, &s->link, "until then no rows come");
}

static void
source_drop(struct lm_op *op, struct source *s, struct source_connection *connection, int error)
{
	const struct source_config *c = lm_op_config(op);

	if (c->listens) {
		env_socket_close(connection->socket);
	} else {
		tcp_link_break(&s->link, lm_op_now_ns(op), error);
		s->link.error = c->ends == ENDS_CLOSED ? 0 : s->link.error;
	}
	connection->socket = -1;
	s->open--;
}

/* ---- rows ---- */

/* Reads what has come. False: nothing has. */
static bool
source_receive(struct lm_op *op, struct source *s, struct source_connection *connection)
{
	struct text_reader *reader = &connection->reader;
	size_t room;
	char *to = text_room(reader, &room);
	/* No room: lines of others have filled the batch, and it is not this one's turn. */
	ssize_t size = room == 0 ? -EAGAIN : env_socket_receive(connection->socket, to, room);

	if (size == -EAGAIN) {
		return false;
	}
	if (size < 0) {
		lm_op_error(op, "a connection broke in its line %llu: %s",
		            (unsigned long long)reader->line, strerror((int)-size));
		/* Half a line is no row. */
		text_begin(reader);
		size = 0;
	}
	text_took(reader, (size_t)size);
	s->bytes += (uint64_t)size;
	return true;
}

/* The first line, if it holds names. False: it is not there yet, or not what it should be. */
static bool
source_header(struct lm_op *op, struct source *s, struct source_connection *connection)
{
	enum text_found found;
	char why[200];

	if (connection->has_header) {
		return true;
	}
	if (connection->reader.at_end && text_left(&connection->reader) == 0) {
		return false;
	}
	found = text_header(op, &connection->reader, false, why, sizeof(why));
	connection->has_header = found == TEXT_READY;
	if (found == TEXT_BAD) {
		lm_op_error(op, "a connection's first line: %s; it is closed", why);
		source_drop(op, s, connection, 0);
	}
	return connection->has_header;
}

/* Rows of one connection behind the others in the batch; *busy: something was there. */
static uint32_t
source_fill(struct lm_op *op, struct source *s, struct source_connection *connection,
            struct lm_batch *out, uint32_t first, uint32_t rows, bool *busy)
{
	struct text_reader *reader = &connection->reader;
	uint32_t count = 0;

	if (source_header(op, s, connection)) {
		count = text_fill(op, reader, out, first, rows);
	}
	/* Without one row in what is there, there is room for more. */
	if (count == 0 && connection->socket >= 0 && !reader->row_taken) {
		if (reader->at_end && text_left(reader) == 0) {
			source_drop(op, s, connection, 0);
			*busy = true;
		} else if (!reader->at_end && source_receive(op, s, connection)) {
			*busy = true;
			if (source_header(op, s, connection)) {
				count = text_fill(op, reader, out, first, rows);
			}
		}
	}
	*busy |= count > 0;
	return count;
}

/* Rows of all connections, in turn, into one batch. */
static bool
source_fill_all(struct lm_op *op, struct source *s)
{
	const struct source_config *c = lm_op_config(op);
	uint32_t rows = lm_op_output_schema(op, 0)->capacity, first, count = 0;
	struct lm_batch *out;
	bool busy = false;

	/* All the rows of a batch are asked for, so it is an empty one: the next row fits. */
	out = lm_op_reserve(op, 0, rows, &first);
	for (uint32_t i = 0; i < s->count && count < rows; i++) {
		struct source_connection *connection = &s->connection[(s->current + i) % s->count];

		if (connection->socket < 0) {
			continue;
		}
		count += source_fill(op, s, connection, out, first + count, rows - count, &busy);
		if (connection->reader.row_taken) {
			s->current +=
			    i; /* the batch's strings are full: it is first the next time */
			break;
		}
	}
	s->current = (s->current + (count < rows)) % s->count;
	lm_op_emit(op, 0, count);
	text_watermark(op, &c->text, out, first, count, &s->time_max_ns);
	s->rows_ns = count > 0 ? lm_op_now_ns(op) : s->rows_ns;
	s->is_idle &= count == 0;
	return busy;
}

static enum lm_poll
source_poll(struct lm_op *op)
{
	const struct source_config *c = lm_op_config(op);
	struct source *s = lm_op_context(op);
	int64_t now_ns = lm_op_now_ns(op);
	bool busy = false;

	if (c->listens) {
		source_accept(op, s);
	} else {
		source_connect(op, s);
	}
	lm_op_gauge(op, 1, "connections", s->taken);
	if (c->ends == ENDS_CLOSED && s->taken > 0 && s->open == 0) {
		return LM_POLL_END;
	}
	if (s->open > 0) {
		lm_op_set_ingress(op, now_ns);
		busy = source_fill_all(op, s);
		lm_op_gauge(op, 0, "bytes_received", s->bytes);
	}
	s->rows_ns = s->rows_ns == 0 ? now_ns : s->rows_ns;
	if (!s->is_idle && now_ns - s->rows_ns >= SOURCE_IDLE_NS) {
		s->is_idle = true;
		lm_op_idle(op);
	}
	return busy ? LM_POLL_BUSY : LM_POLL_IDLE;
}

/* ---- life ---- */

static int
source_open(struct lm_op *op)
{
	const struct source_config *c = lm_op_config(op);
	struct source *s = lm_op_context(op);
	size_t size = TEXT_BUFFER(&c->text, SOURCE_BLOCK);
	char *buffer = lm_op_alloc(op, size * c->connections);
	uint32_t port = c->listens ? c->port + lm_op_slice(op) : c->port;

	s->connection = lm_op_alloc(op, c->connections * sizeof(*s->connection));
	if (buffer == NULL || s->connection == NULL) {
		lm_op_error(op, "no memory for %u connections", c->connections);
		return -ENOMEM;
	}
	s->count = c->connections;
	s->time_max_ns = INT64_MIN;
	for (uint32_t i = 0; i < s->count; i++) {
		s->connection[i].socket = -1;
		text_open(&s->connection[i].reader, &c->text, buffer + i * size, size, source_bad);
	}
	return tcp_link_open(op, &s->link, c->host, (uint16_t)port, c->listens);
}

static void
source_close(struct lm_op *op)
{
	const struct source_config *c = lm_op_config(op);
	struct source *s = lm_op_context(op);

	for (uint32_t i = 0; c->listens && i < s->count; i++) {
		if (s->connection[i].socket >= 0) {
			env_socket_close(s->connection[i].socket);
		}
	}
	tcp_link_close(&s->link);
}

static const struct lm_op_class tcp_source_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "tcp_source",
	.version = "1.0.0",
	.summary = "rows that come over TCP: lines of text, or typed columns of CSV or JSON lines",
	.params = source_params,
	.outputs = source_outputs,
	.drops = source_drops,
	.rows = LM_ROWS_SOURCE,
	.config_size = sizeof(struct source_config),
	.context_size = sizeof(struct source),
	.configure = source_configure,
	.unconfigure = source_unconfigure,
	.open = source_open,
	.close = source_close,
	.poll = source_poll,
};

REGISTER_CLASS(tcp_source_class)
