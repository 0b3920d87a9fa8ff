/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet sockets of this process, found among its descriptors, and what the kernel says of them. */

#include "net/port_socket.h"

#include <dirent.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool
is_bound_to(int fd, int index)
{
	struct sockaddr_ll address = { 0 };
	socklen_t size = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
	       address.sll_family == AF_PACKET && address.sll_ifindex == index;
}

static uint64_t
take_drops(int fd)
{
	struct tpacket_stats stats = { 0 };
	socklen_t size = sizeof(stats);

	return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0 ? stats.tp_drops
	                                                                         : 0;
}

void
port_sockets_find(struct port_sockets *sockets, const char *interface)
{
	int index = (int)if_nametoindex(interface);
	struct dirent *entry;
	DIR *folder = opendir("/proc/self/fd");

	memset(sockets, 0, sizeof(*sockets));
	while (folder != NULL && index > 0 && sockets->count < PORT_SOCKETS_MAX &&
	       (entry = readdir(folder)) != NULL) {
		int fd = (int)strtol(entry->d_name, NULL, 10);

		if (entry->d_name[0] != '.' && is_bound_to(fd, index)) {
			sockets->fd[sockets->count++] = fd;
		}
	}
	if (folder != NULL) {
		closedir(folder);
	}
}

uint64_t
port_sockets_dropped(struct port_sockets *sockets)
{
	for (uint32_t i = 0; i < sockets->count; i++) {
		sockets->dropped += take_drops(sockets->fd[i]);
	}
	return sockets->dropped;
}
