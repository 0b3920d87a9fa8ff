/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PORT_SOCKET_H
#define PORT_SOCKET_H

/*
 * What the kernel drops in front of an AF_PACKET port, because nobody has emptied its ring: the
 * driver does not say (DPDK 22.11), but the sockets it has opened can be asked.
 *
 *     port_sockets_find(&sockets, "eth0");
 *     missed += port_sockets_dropped(&sockets);
 *
 * Control thread. The sockets are the driver's: nothing is closed here.
 */

#include <stdint.h>

#define PORT_SOCKETS_MAX 64u

struct port_sockets {
	int fd[PORT_SOCKETS_MAX];
	uint32_t count;
	uint64_t dropped; /* so far: the kernel counts from 0 again each time it is asked */
};

/* The packet sockets of this process that are bound to an interface. */
void port_sockets_find(struct port_sockets *sockets, const char *interface);
/* Frames dropped since EAL has opened the device. */
uint64_t port_sockets_dropped(struct port_sockets *sockets);

#endif
