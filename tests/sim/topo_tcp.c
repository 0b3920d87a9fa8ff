/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rows over TCP: an eager tcp_sink to a receiver that follows the protocol, over connections that
 * break and with a receiver that closes them; and a plain one to a tcp_source of the same engine.
 * Every row must be there once.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "tests/sim/classes.h"
#include "tests/sim/sim.h"
#include "tests/sim/socket_sim.h"
#include "tests/sim/topologies.h"

#define EAGER_PORT 9000u
#define SENDERS_MAX 16u
#define CONNECTIONS_MAX 64u
#define ANSWER_MAX 256u
/* So often a connection breaks or is closed in a run: each costs waiting. */
#define BREAKS_MAX 3u

/* What the receiver has of a slice. */
struct stream {
	char run[20];
	uint64_t last;
	bool has_ended;
};

struct connection {
	int socket; /* -1: none */
	struct stream *stream;
	char line[512];
	uint32_t length;
	char answer[ANSWER_MAX]; /* to be sent */
	uint32_t answer_length;
	uint64_t acknowledged;
};

struct tcp {
	uint32_t count;
	int listener;
	struct stream stream[SENDERS_MAX];
	struct connection connection[CONNECTIONS_MAX];
	uint32_t closes_left;
	uint32_t closes_one_in;
	struct sim_lines got;
	bool is_wrong;
};

static void
tcp_wrong(struct tcp *tcp, const struct connection *connection, const char *why)
{
	if (!tcp->is_wrong) {
		fprintf(stderr, "%s: %.*s\n", why, (int)connection->length, connection->line);
	}
	tcp->is_wrong = true;
}

static void
tcp_start(struct tcp *tcp, struct connection *connection)
{
	unsigned long long incarnation, epoch, next;
	unsigned int slice;
	char run[20];

	if (sscanf(connection->line, "#start,eager,%u,%llu,%llu,%19[0-9a-f],%llu", &slice,
	           &incarnation, &epoch, run, &next) != 5 ||
	    slice >= SENDERS_MAX || incarnation != 0 || epoch != 0) {
		tcp_wrong(tcp, connection, "no start of this job");
		return;
	}
	connection->stream = &tcp->stream[slice];
	if (connection->stream->run[0] == '\0') {
		snprintf(connection->stream->run, sizeof(run), "%s", run);
	} else if (strcmp(connection->stream->run, run) != 0) {
		tcp_wrong(tcp, connection, "another run");
	}
	if (next > connection->stream->last + 1) {
		tcp_wrong(tcp, connection, "lines are missing");
	}
}

/* A numbered line, and what stands behind its id. */
static void
tcp_numbered(struct tcp *tcp, struct connection *connection)
{
	struct stream *stream = connection->stream;
	const char *id = connection->line, *rest;
	unsigned long long number, epoch;
	unsigned int slice;
	char word[16] = "";

	if (id[0] == '#' && sscanf(id, "#%15[a-z]", word) == 1) {
		id += strlen(word) + 2;
	}
	if (stream == NULL || sscanf(id, "%u-0-%llu-%llu", &slice, &epoch, &number) != 3 ||
	    stream != &tcp->stream[slice]) {
		tcp_wrong(tcp, connection, "no id of this stream");
		return;
	}
	if (number > stream->last + 1) {
		tcp_wrong(tcp, connection, "lines are missing in front of");
	}
	if (number <= stream->last) {
		return;
	}
	stream->last = number;
	stream->has_ended |= strcmp(word, "end") == 0;
	rest = strchr(id, ',');
	if (word[0] == '\0' && rest != NULL) {
		sim_lines_add(&tcp->got, rest + 1);
	}
}

static void
tcp_line(struct tcp *tcp, struct connection *connection)
{
	connection->line[connection->length] = '\0';
	if (strncmp(connection->line, "#start,", 7) == 0) {
		tcp_start(tcp, connection);
	} else {
		tcp_numbered(tcp, connection);
	}
	connection->length = 0;
}

static void
tcp_drop(struct connection *connection)
{
	env_socket_close(connection->socket);
	connection->socket = -1;
}

static void
tcp_receive(struct tcp *tcp, struct connection *connection)
{
	char bytes[4096];
	ssize_t size = env_socket_receive(connection->socket, bytes, sizeof(bytes));

	if (size == -EAGAIN) {
		return;
	}
	if (size <= 0) {
		tcp_drop(connection);
		return;
	}
	for (ssize_t i = 0; i < size; i++) {
		if (bytes[i] == '\n') {
			tcp_line(tcp, connection);
		} else if (connection->length + 1 < sizeof(connection->line)) {
			connection->line[connection->length++] = bytes[i];
		} else {
			tcp_wrong(tcp, connection, "a line without end");
		}
	}
}

/* Now and then: what was received is acknowledged. */
static void
tcp_answer(struct connection *connection)
{
	const struct stream *stream = connection->stream;
	ssize_t size;

	if (connection->answer_length == 0 && stream != NULL &&
	    stream->last > connection->acknowledged && sim_below(4) == 0) {
		connection->answer_length = (uint32_t)snprintf(connection->answer, ANSWER_MAX,
		                                               "ack %" PRIu64 "\n", stream->last);
		connection->acknowledged = stream->last;
	}
	if (connection->answer_length == 0) {
		return;
	}
	size = env_socket_send(connection->socket, connection->answer, connection->answer_length);
	if (size > 0) {
		connection->answer_length -= (uint32_t)size;
		memmove(connection->answer, connection->answer + size, connection->answer_length);
	}
}

/* The receiver's turn. */
static void
tcp_step(void *arg)
{
	struct tcp *tcp = arg;
	struct connection *connection = &tcp->connection[sim_below(CONNECTIONS_MAX)];
	struct env_address address;

	if (tcp->listener < 0) {
		/* The sinks may come first. */
		if (sim_below(20) == 0) {
			env_socket_resolve("", EAGER_PORT, &address);
			tcp->listener = env_socket_listen(&address);
		}
		return;
	}
	if (connection->socket < 0) {
		memset(connection, 0, sizeof(*connection));
		connection->socket = env_socket_accept(tcp->listener);
		connection->socket = connection->socket < 0 ? -1 : connection->socket;
	}
	for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
		connection = &tcp->connection[i];
		if (connection->socket >= 0) {
			tcp_receive(tcp, connection);
		}
		if (connection->socket >= 0) {
			tcp_answer(connection);
		}
		if (connection->socket >= 0 && connection->stream != NULL && tcp->closes_left > 0 &&
		    sim_below(tcp->closes_one_in) == 0) {
			tcp->closes_left--;
			tcp_drop(connection);
		}
	}
}

static bool
tcp_begin(struct topo *topo)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));

	if (tcp == NULL) {
		abort();
	}
	/* Every connection that is refused or breaks would be told. */
	setenv("SIM_QUIET", "1", 0);
	topo->data = tcp;
	return true;
}

static void
tcp_draw(struct topo *topo)
{
	static const char *const formats[] = { "csv", "jsonl" };
	struct tcp *tcp = topo->data;

	sockets_reset();
	memset(tcp, 0, sizeof(*tcp));
	tcp->listener = -1;
	tcp->count = (uint32_t)sim_below(sim_below(2) == 0 ? 50 : 6000);
	tcp->closes_left = (uint32_t)sim_below(BREAKS_MAX);
	tcp->closes_one_in = 50 + (uint32_t)sim_below(1000);
	for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
		tcp->connection[i].socket = -1;
	}
	sockets_program(tcp_step, tcp);
	sockets_break(EAGER_PORT, 10 + sim_below(300), (uint32_t)sim_below(BREAKS_MAX));
	topo_set(topo, "count", "%u", 1 + tcp->count);
	topo_set(topo, "format", "%s", formats[sim_below(2)]);
	topo_set(topo, "header", "%s", sim_below(2) == 0 ? "true" : "false");
	topo_set(topo, "connections", "%u", 16 + (uint32_t)sim_below(3));
	topo_set_slices(topo, "senders");
	topo_set_slices(topo, "outs");
	topo_set_spread(topo, "to_eager");
	topo_set_spread(topo, "to_plain");
	topo_set_spread(topo, "to_out");
}

static bool
tcp_check(struct topo *topo, const struct lm_engine *engine)
{
	struct tcp *tcp = topo->data;
	struct sim_lines expected = { 0 }, again = { 0 };
	const struct sim_lines *collected = sim_collected("again");
	bool good = !tcp->is_wrong;

	for (uint32_t i = 0; i <= tcp->count; i++) {
		topo_expect(&expected, "%u", i);
	}
	for (uint32_t i = 0; i < collected->count; i++) {
		topo_expect(&again, "%.*s", (int)strcspn(collected->line[i], ","),
		            collected->line[i]);
	}
	for (uint32_t reason = 0; reason < 3; reason++) {
		good &= topo_equal(0, topo_drops(engine, "eager", reason), "rows dropped");
		good &= topo_equal(0, topo_drops(engine, "again", reason), "rows not understood");
	}
	sim_lines_sort(&expected);
	sim_lines_sort(&tcp->got);
	good &= sim_lines_equal(&expected, &tcp->got, "rows that the receiver has");
	good &= topo_compare(&expected, &again, "rows out and in again");
	sim_lines_clear(&again);
	return good;
}

static void
tcp_end(struct topo *topo)
{
	struct tcp *tcp = topo->data;

	sockets_reset();
	sim_lines_clear(&tcp->got);
	free(tcp);
}

static const struct topo_scenario tcp_scenario = { "tcp.yaml", tcp_begin, tcp_draw,
	                                           tcp_check,  tcp_end,   NULL };

bool
topo_tcp_run(uint64_t seed)
{
	return topo_run(&tcp_scenario, seed);
}
