/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOCKET_SIM_H
#define SOCKET_SIM_H

/*
 * The simulator's network behind the sockets of core/env.h: streams between ports of one host.
 * What is sent arrives later, in order; sends and receives take as much as they like; a connection
 * may break, and then part of what was on its way is lost, at both ends. Everything random comes
 * from sim_random. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

/* Starts with no sockets, no faults and no program. */
void sockets_reset(void);
/* One send in so many to this port, or from it, breaks the connection, at most `most` times. */
void sockets_break(uint16_t port, uint64_t one_in, uint32_t most);
/*
 * A program on the same host, which uses sockets as everybody does: it gets a turn now and then
 * when others use theirs. NULL: none.
 */
void sockets_program(void (*step)(void *arg), void *arg);

#endif
