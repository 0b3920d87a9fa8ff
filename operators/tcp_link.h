/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TCP_LINK_H
#define TCP_LINK_H

/*
 * One connection that comes again when it breaks: it connects, or listens for one peer at a time.
 * Nothing here blocks but tcp_link_open, which may have to ask the network for the host's address:
 *
 *     tcp_link_open(op, &link, host, port, listens)  on a control thread; 0, or -errno
 *     if (tcp_link_step(&link, now_ns))              each turn: whether it is open
 *             result = env_socket_send(link.socket, …);
 *     tcp_link_break(&link, now_ns, error)           it is of no use any more; it comes again
 *
 * Connecting again waits 50 ms, and twice as long each time up to 5 s, until a connection has
 * lasted for a second.
 *
 * Threads: one at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/env.h"
#include "core/lm_op.h"

enum tcp_link_state { TCP_LINK_WAITS, TCP_LINK_CONNECTS, TCP_LINK_OPEN };

struct tcp_link {
	struct env_address address;
	const char *host;
	uint16_t port;
	bool listens;
	int listener, socket; /* -1: none */
	enum tcp_link_state state;
	int64_t since_ns; /* open since; connecting since */
	int64_t retry_ns; /* not to be tried before */
	uint64_t wait_ns;
	uint64_t opened; /* so often */
	int error;       /* why there is none, until told; 0: nothing to tell */
};

/* Parameters that classes with such a connection have: host, port, listen. */
#define TCP_LINK_PARAMS(summary_of_listen)                                                         \
	{ .name = "host",                                                                          \
	  .type = LM_PARAM_TEXT,                                                                   \
	  .fallback = "127.0.0.1",                                                                 \
	  .summary = "a name or an address; its address is looked up once, at the start" },        \
	    { .name = "port",                                                                      \
	      .type = LM_PARAM_U64,                                                                \
	      .required = true,                                                                    \
	      .min = 1,                                                                            \
	      .max = 65535,                                                                        \
	      .summary = "where the peer listens, or where to listen: each slice on the next" },   \
	{                                                                                          \
		.name = "listen", .type = LM_PARAM_BOOL, .summary = summary_of_listen              \
	}

/* Of a slice; what is wrong has been said to lm_op_error. */
int tcp_link_open(struct lm_op *op, struct tcp_link *link, const char *host, uint16_t port,
                  bool listens);
bool tcp_link_step(struct tcp_link *link, int64_t now_ns);
/* `error` 0: the peer closed it. */
void tcp_link_break(struct tcp_link *link, int64_t now_ns, int error);
void tcp_link_close(struct tcp_link *link);
/* Tries at once, as if it had never failed. */
void tcp_link_hurry(struct tcp_link *link);
/* Tells people, once for each failure, why there is no connection. */
void tcp_link_complain(struct lm_op *op, struct tcp_link *link, const char *meanwhile);

#endif
