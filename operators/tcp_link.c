/* SPDX-License-Identifier: BSD-3-Clause */
/* One connection that comes again when it breaks. */
#include "operators/tcp_link.h"

#include <errno.h>
#include <string.h>

#define WAIT_MIN_NS UINT64_C(50000000)
#define WAIT_MAX_NS UINT64_C(5000000000)
/* A connection that lasted so long was a good one. */
#define LASTED_NS INT64_C(1000000000)
/* The kernel itself gives up later than anybody wants to wait. */
#define CONNECT_MAX_NS INT64_C(5000000000)

int
tcp_link_open(struct lm_op *op, struct tcp_link *link, const char *host, uint16_t port,
              bool listens)
{
	int result;

	*link = (struct tcp_link){ .host = host,
		                   .port = port,
		                   .listens = listens,
		                   .listener = -1,
		                   .socket = -1,
		                   .wait_ns = WAIT_MIN_NS };
	result = env_socket_resolve(host, port, &link->address);
	if (result != 0) {
		lm_op_error(op, "no address is known for the host %s (%s); check its name", host,
		            strerror(-result));
		return result;
	}
	if (!listens) {
		return 0;
	}
	result = env_socket_listen(&link->address);
	if (result < 0) {
		lm_op_error(op, "cannot listen on %s port %u: %s; choose another port or host",
		            host, port, strerror(-result));
		return result;
	}
	link->listener = result;
	return 0;
}

static void
wait_longer(struct tcp_link *link, int64_t now_ns)
{
	link->state = TCP_LINK_WAITS;
	link->retry_ns = now_ns + (int64_t)link->wait_ns;
	link->wait_ns = link->wait_ns * 2 < WAIT_MAX_NS ? link->wait_ns * 2 : WAIT_MAX_NS;
}

static void
is_open(struct tcp_link *link, int64_t now_ns)
{
	link->state = TCP_LINK_OPEN;
	link->since_ns = now_ns;
	link->error = 0;
	link->opened++;
}

static void
step_wait(struct tcp_link *link, int64_t now_ns)
{
	int result;

	if (link->listens) {
		result = env_socket_accept(link->listener);
		if (result >= 0) {
			link->socket = result;
			is_open(link, now_ns);
		} else if (result != -EAGAIN) {
			link->error = -result;
		}
		return;
	}
	if (now_ns < link->retry_ns) {
		return;
	}
	result = env_socket_connect(&link->address);
	if (result < 0) {
		link->error = -result;
		wait_longer(link, now_ns);
		return;
	}
	link->socket = result;
	link->state = TCP_LINK_CONNECTS;
	link->since_ns = now_ns;
}

static void
step_connect(struct tcp_link *link, int64_t now_ns)
{
	int result = env_socket_connected(link->socket);

	if (result == 0) {
		is_open(link, now_ns);
		return;
	}
	if (result == -EAGAIN && now_ns - link->since_ns < CONNECT_MAX_NS) {
		return;
	}
	env_socket_close(link->socket);
	link->socket = -1;
	link->error = result == -EAGAIN ? ETIMEDOUT : -result;
	wait_longer(link, now_ns);
}

bool
tcp_link_step(struct tcp_link *link, int64_t now_ns)
{
	if (link->state == TCP_LINK_WAITS) {
		step_wait(link, now_ns);
	}
	if (link->state == TCP_LINK_CONNECTS) {
		step_connect(link, now_ns);
	}
	return link->state == TCP_LINK_OPEN;
}

void
tcp_link_break(struct tcp_link *link, int64_t now_ns, int error)
{
	if (link->state != TCP_LINK_OPEN) {
		return;
	}
	env_socket_close(link->socket);
	link->socket = -1;
	link->error = error == 0 ? EPIPE : error;
	if (now_ns - link->since_ns >= LASTED_NS) {
		link->wait_ns = WAIT_MIN_NS;
	}
	wait_longer(link, now_ns);
}

void
tcp_link_close(struct tcp_link *link)
{
	if (link->socket >= 0) {
		env_socket_close(link->socket);
		link->socket = -1;
	}
	if (link->listener >= 0) {
		env_socket_close(link->listener);
		link->listener = -1;
	}
	link->state = TCP_LINK_WAITS;
}

void
tcp_link_hurry(struct tcp_link *link)
{
	link->retry_ns = 0;
	link->wait_ns = WAIT_MIN_NS;
}

void
tcp_link_complain(struct lm_op *op, struct tcp_link *link, const char *meanwhile)
{
	if (link->error == 0) {
		return;
	}
	lm_op_error(op, "no connection %s %s port %u: %s; it is tried again, %s",
	            link->listens ? "on" : "to", link->host, link->port,
	            link->error == EPIPE ? "the peer has closed it" : strerror(link->error),
	            meanwhile);
	link->error = 0;
}
