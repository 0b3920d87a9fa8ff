/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PEER_H
#define PEER_H

/*
 * dpdk-testpmd as a process beside the benchmark: what receives on a port of the same kind, or what
 * sends to one of ours. It polls without rest, so it lives only as long as it is needed and dies
 * with its parent.
 */

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct peer {
	pid_t pid;
	FILE *out;
};

/* Whether there is a dpdk-testpmd to start. */
bool peer_exists(void);
/* Starts it in a forwarding mode ("rxonly", "txonly") on one virtual port and one CPU. */
bool peer_start(struct peer *peer, int cpu, const char *vdev, const char *mode);
/*
 * Waits for the next of its reports, which come once a second, that has a rate in it: packets a
 * second received, or, if `sent`, sent; 0 may be one of the latter. Negative: it has ended.
 */
double peer_rate(struct peer *peer, bool sent);
void peer_stop(struct peer *peer);

#endif
