/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PORT_H
#define PORT_H

/*
 * Ports: packets from a NIC queue as frames. net/port_dpdk.c is the real one, on any poll mode
 * driver; the simulator links tests/sim/port_sim.c in its place, which hands out the frames of a
 * capture.
 *
 * Threads: opening and closing on a control thread before start and after the end; a queue is read
 * by one lcore; frames may be given back on any.
 */

#include <rte_mbuf.h>

#include "core/lm_batch.h"

#define PORTS_MAX 32u
#define PORT_QUEUES_MAX 64u
/* Frames that one read returns at most. */
#define PORT_BURST 256u

struct port_needs {
	const char *name; /* "0" (a number) or a device's name, "net_pcap0" */
	uint32_t queues;  /* 1 to PORT_QUEUES_MAX: one per source slice */
	uint32_t frames;  /* buffers; 0: enough for the default */
	uint32_t descriptors;
	uint32_t frame_max; /* longest frame that fits one buffer; longer ones come in pieces */
	bool promiscuous;
};

/*
 * Configures and starts a port. Returns its index, or -errno with a sentence for people in `why`.
 * Opening the same port again (the other slices) returns the same index when the needs are the
 * same.
 */
int port_open(const struct port_needs *needs, char *why, size_t why_size);
/* Gives the port up; the last one stops it. */
void port_close(int port);

/* Where a read writes, and what it says of all it read. */
struct port_burst {
	int64_t *time_ns;       /* event times: of capture where known, else the clock's; NULL: not
	                           wanted */
	struct lm_frame *frame; /* NULL: not wanted, nor the bytes; see port_frame */
	void **handle;          /* struct rte_mbuf * */
	uint64_t bytes;
	int64_t newest_ns; /* of the event times */
	bool end;          /* a file that has no more */
};

/* Reads up to `max` frames of a queue into the columns of `burst`. Returns how many. */
uint32_t port_read(int port, uint32_t queue, uint32_t max, int64_t wall_ns,
                   struct port_burst *burst);
/* The frame of a handle, for who asked for none. */
static inline struct lm_frame
port_frame(const void *handle)
{
	const struct rte_mbuf *mbuf = handle;

	return (struct lm_frame){ .data = rte_pktmbuf_mtod(mbuf, const uint8_t *),
		                  .contiguous = rte_pktmbuf_data_len(mbuf),
		                  .length = rte_pktmbuf_pkt_len(mbuf) };
}
/* Gives back at once what the last read of the queue returned, all of it. */
void port_give_back(int port, uint32_t queue, struct port_burst *burst, uint32_t count);
/* Who takes frames back. */
const struct lm_external *port_external(int port);
/* Whether event times are those of a recording rather than the clock's. */
bool port_is_recording(int port);

/* For people: driver, name. */
const char *port_label(int port);
/* The node of a port that need not be open, by number or name; -1: unknown. */
int port_find_node(const char *name);

/* Counters of all open ports, by name ("port0.imissed"): the driver's own and ours. */
struct port_counter {
	char name[48];
	uint64_t value;
	bool is_drop; /* packets that did not get in */
};
uint32_t port_counters(struct port_counter *counters, uint32_t max);

#endif
