/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FAKE_SOCKET_H
#define FAKE_SOCKET_H

/*
 * The sockets of core/env.h for tests of operators that use them: the test is the other end. One
 * thread.
 *
 *     fake_socket_reset();
 *     …                                          the operator listens or connects
 *     peer = fake_peer_connect();                to the listener; or the socket it has opened last:
 *     peer = fake_peer_last();
 *     fake_peer_send(peer, "a line\n");          what the operator receives
 *     fake_peer_expect(peer, "ack 1\n");         what it has sent since the last look
 */

#include <stdbool.h>
#include <stdint.h>

struct fake_socket_order {
	int refuse;          /* errno of connecting and listening; 0: none */
	bool is_pending;     /* connecting takes its time */
	uint32_t send_max;   /* bytes that a send takes at most; 0: no bound */
	int64_t send_budget; /* bytes until sends have to wait; negative: none */
	uint32_t receive_max;
	uint64_t connects, opened, closed;
};
extern struct fake_socket_order fake_socket;

void fake_socket_reset(void);

struct fake_peer;
struct fake_peer *fake_peer_connect(void);
/* The one that the operator opened or took last. */
struct fake_peer *fake_peer_last(void);
bool fake_peer_is_open(const struct fake_peer *peer); /* the operator has not closed it */
void fake_peer_send(struct fake_peer *peer, const char *text);
/* No more comes; with `error`, an errno: it breaks. */
void fake_peer_close(struct fake_peer *peer, int error);
const char *fake_peer_got(struct fake_peer *peer);
void fake_peer_expect(struct fake_peer *peer, const char *text);

#endif
