/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulator's network: streams between ports of one host, with delay, short sends and breaks.
 */
#include "tests/sim/socket_sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "tests/sim/sim.h"

#define ENDS_MAX 512u
#define WINDOW (24u << 10) /* bytes that were sent and not received */
#define FLIGHTS_MAX 64u
#define DELAY_NS 150000u
/* Sockets are numbered from here. */
#define FIRST 200000

/* What has not arrived: bytes of the stream up to `end` do at a time. */
struct flight {
	uint64_t end;
	int64_t at_ns;
};

/* One end of a connection, or a listener. */
struct end {
	bool is_used, is_listener, is_accepted;
	uint16_t port;
	struct end *other; /* NULL: it has closed */
	int error;         /* broken, or refused */
	int64_t open_ns;
	char bytes[WINDOW]; /* on the way to here, or here */
	uint64_t from, to;  /* places in the stream: received up to, sent up to */
	struct flight flight[FLIGHTS_MAX];
	uint32_t flights;
	int64_t close_ns; /* when it is known here that the other end has closed; 0: it has not */
};

static struct {
	struct end *end[ENDS_MAX];
	uint32_t count;
	uint16_t break_port;
	uint64_t break_one_in;
	uint32_t breaks_left;
	void (*step)(void *arg);
	void *arg;
	bool in_program;
} net;

void
sockets_reset(void)
{
	for (uint32_t i = 0; i < net.count; i++) {
		free(net.end[i]);
	}
	memset(&net, 0, sizeof(net));
}

void
sockets_break(uint16_t port, uint64_t one_in, uint32_t most)
{
	net.break_port = port;
	net.break_one_in = one_in;
	net.breaks_left = most;
}

void
sockets_program(void (*step)(void *arg), void *arg)
{
	net.step = step;
	net.arg = arg;
}

static void
run_program(void)
{
	if (net.step != NULL && !net.in_program && sim_below(3) == 0) {
		net.in_program = true;
		net.step(net.arg);
		net.in_program = false;
	}
}

static int64_t
later_ns(void)
{
	return env_now_ns() + (int64_t)sim_below(sim_below(4) == 0 ? DELAY_NS : 3000);
}

static struct end *
new_end(uint16_t port)
{
	struct end *end = calloc(1, sizeof(*end));

	if (end == NULL || net.count == ENDS_MAX) {
		fprintf(stderr, "sim: more sockets than there can be\n");
		abort();
	}
	net.end[net.count++] = end;
	end->is_used = true;
	end->port = port;
	return end;
}

static int
number_of(const struct end *end)
{
	uint32_t i = 0;

	while (net.end[i] != end) {
		i++;
	}
	return FIRST + (int)i;
}

static struct end *
end_of(int socket)
{
	struct end *end = NULL;

	if (socket >= FIRST && socket < FIRST + (int)net.count) {
		end = net.end[socket - FIRST];
	}
	if (end == NULL || !end->is_used) {
		fprintf(stderr, "sim: socket %d is none\n", socket);
		abort();
	}
	return end;
}

static struct end *
listener_of(uint16_t port)
{
	for (uint32_t i = 0; i < net.count; i++) {
		if (net.end[i]->is_used && net.end[i]->is_listener && net.end[i]->port == port) {
			return net.end[i];
		}
	}
	return NULL;
}

int
env_socket_resolve(const char *host, uint16_t port, struct env_address *address)
{
	(void)host;
	memset(address, 0, sizeof(*address));
	address->size = sizeof(port);
	memcpy(address->bytes, &port, sizeof(port));
	return 0;
}

static uint16_t
port_of(const struct env_address *address)
{
	uint16_t port;

	memcpy(&port, address->bytes, sizeof(port));
	return port;
}

int
env_socket_listen(const struct env_address *address)
{
	struct end *end;

	if (listener_of(port_of(address)) != NULL) {
		return -EADDRINUSE;
	}
	end = new_end(port_of(address));
	end->is_listener = true;
	return number_of(end);
}

int
env_socket_accept(int listener)
{
	uint16_t port = end_of(listener)->port;

	run_program();
	for (uint32_t i = 0; i < net.count; i++) {
		struct end *end = net.end[i];

		if (end->is_used && !end->is_listener && !end->is_accepted && end->port == port &&
		    end->open_ns <= env_now_ns()) {
			end->is_accepted = true;
			return FIRST + (int)i;
		}
	}
	return -EAGAIN;
}

int
env_socket_connect(const struct env_address *address)
{
	uint16_t port = port_of(address);
	struct end *here;

	run_program();
	here = new_end(port);
	here->is_accepted = true;
	here->open_ns = later_ns();
	if (listener_of(port) == NULL) {
		here->error = ECONNREFUSED;
	} else {
		struct end *there = new_end(port);

		here->other = there;
		there->other = here;
		there->open_ns = here->open_ns;
	}
	return number_of(here);
}

int
env_socket_connected(int socket)
{
	const struct end *end = end_of(socket);

	run_program();
	return end->open_ns > env_now_ns() ? -EAGAIN : -end->error;
}

/* Some of what is on its way never arrives. */
static void
break_end(struct end *end)
{
	end->error = ECONNRESET;
	end->to -= sim_below(end->to - end->from + 1);
}

static bool
is_to_break(const struct end *end)
{
	if (end->port != net.break_port || net.breaks_left == 0 || net.break_one_in == 0 ||
	    sim_below(net.break_one_in) != 0) {
		return false;
	}
	net.breaks_left--;
	return true;
}

static void
put_bytes(struct end *to, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		to->bytes[to->to++ % WINDOW] = bytes[i];
	}
	if (to->flights == FLIGHTS_MAX) {
		to->flights--; /* with the one before, later */
	}
	to->flight[to->flights++] = (struct flight){ .end = to->to, .at_ns = later_ns() };
}

ssize_t
env_socket_send(int socket, const void *bytes, size_t size)
{
	struct end *end = end_of(socket), *to = end->other;
	uint64_t room;

	run_program();
	if (end->error == 0 && to != NULL && is_to_break(end)) {
		break_end(end);
		break_end(to);
	}
	if (end->error != 0 || to == NULL) {
		return end->error != 0 ? -end->error : -EPIPE;
	}
	room = WINDOW - (to->to - to->from);
	if (room == 0 || sim_below(8) == 0) {
		return -EAGAIN;
	}
	size = size < room ? size : room;
	size = sim_below(2) == 0 ? size : 1 + sim_below(size);
	put_bytes(to, bytes, size);
	return (ssize_t)size;
}

/* Up to where the stream has arrived. Nothing overtakes. */
static uint64_t
arrived(struct end *end)
{
	uint32_t gone = 0;
	uint64_t to = end->from;

	while (gone < end->flights && end->flight[gone].at_ns <= env_now_ns()) {
		to = end->flight[gone++].end;
	}
	if (gone > 0) {
		/* The last one stays: it says how far. */
		end->flights -= gone - 1;
		memmove(end->flight, end->flight + gone - 1, end->flights * sizeof(*end->flight));
	}
	return to < end->to ? to : end->to;
}

ssize_t
env_socket_receive(int socket, void *bytes, size_t size)
{
	struct end *end = end_of(socket);
	uint64_t to;

	run_program();
	to = arrived(end);
	if (to == end->from) {
		bool all = end->from == end->to;

		if (all && end->error != 0) {
			return -end->error;
		}
		return all && end->close_ns != 0 && end->close_ns <= env_now_ns() ? 0 : -EAGAIN;
	}
	size = size < to - end->from ? size : to - end->from;
	size = sim_below(2) == 0 ? size : 1 + sim_below(size);
	for (size_t i = 0; i < size; i++) {
		((char *)bytes)[i] = end->bytes[end->from++ % WINDOW];
	}
	return (ssize_t)size;
}

void
env_socket_close(int socket)
{
	struct end *end = end_of(socket);

	if (end->other != NULL) {
		end->other->close_ns = later_ns();
		end->other->other = NULL;
	}
	end->is_used = false;
}
