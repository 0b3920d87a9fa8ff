/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulated port behind net/port.h: a capture's frames, in bursts of any size, over any queues.
 */

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/port.h"
#include "tests/sim/sim.h"

struct sim_frame {
	struct rte_mbuf mbuf; /* what a handle points at: says where the bytes are, and how many */
	uint8_t *bytes;
	uint32_t length;
	int64_t time_ns;
};

static struct sim_frame *frames;
static uint64_t frame_count;
static uint32_t queue_count;
static uint64_t at[PORT_QUEUES_MAX]; /* the next frame of each queue */
static int64_t held;                 /* frames out: must be 0 at the end */

int
sim_port_load(const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(path, error);
	struct pcap_pkthdr *header;
	const u_char *bytes;
	uint64_t capacity = 0;

	if (pcap == NULL) {
		return -EINVAL;
	}
	for (uint64_t i = 0; i < frame_count; i++) {
		free(frames[i].bytes);
	}
	frame_count = 0;
	while (pcap_next_ex(pcap, &header, &bytes) == 1) {
		struct sim_frame *frame;

		if (frame_count == capacity) {
			capacity = capacity == 0 ? 1024 : capacity * 2;
			frames = realloc(frames, capacity * sizeof(*frames));
			if (frames == NULL) {
				abort();
			}
		}
		frame = &frames[frame_count++];
		/* A block of its own size: reading past a frame is seen by the sanitizer. */
		frame->bytes = malloc(header->caplen + (header->caplen == 0));
		if (frame->bytes == NULL) {
			abort();
		}
		frame->length = header->caplen;
		frame->time_ns = header->ts.tv_sec * 1000000000l + header->ts.tv_usec * 1000l;
		memcpy(frame->bytes, bytes, header->caplen);
		memset(&frame->mbuf, 0, sizeof(frame->mbuf));
		frame->mbuf.buf_addr = frame->bytes;
		frame->mbuf.data_len = (uint16_t)RTE_MIN(header->caplen, (uint32_t)UINT16_MAX);
		frame->mbuf.pkt_len = header->caplen;
	}
	pcap_close(pcap);
	return 0;
}

uint64_t
sim_port_frames(void)
{
	return frame_count;
}

const uint8_t *
sim_port_frame(uint64_t index, uint32_t *length, int64_t *time_ns)
{
	*length = frames[index].length;
	*time_ns = frames[index].time_ns;
	return frames[index].bytes;
}

int
port_open(const struct port_needs *needs, char *why, size_t why_size)
{
	if (needs->queues > PORT_QUEUES_MAX) {
		snprintf(why, why_size, "too many queues");
		return -EINVAL;
	}
	queue_count = needs->queues;
	memset(at, 0, sizeof(at));
	held = 0;
	return 0;
}

void
port_close(int port)
{
	(void)port;
	if (held != 0) {
		fprintf(stderr, "sim: %lld frames were not given back exactly once\n",
		        (long long)held);
		abort();
	}
}

static void
sim_retain(void *const *handles, uint32_t count)
{
	(void)handles;
	held += count;
}

static void
sim_release(void *const *handles, uint32_t count)
{
	(void)handles;
	held -= count;
}

static const struct lm_external sim_external = { sim_retain, sim_release };

const struct lm_external *
port_external(int port)
{
	(void)port;
	return &sim_external;
}

uint32_t
port_read(int port, uint32_t queue, uint32_t max, int64_t wall_ns, struct port_burst *burst)
{
	uint32_t want = (uint32_t)sim_below(max + 1), count = 0;

	(void)port;
	(void)wall_ns;
	burst->bytes = 0;
	burst->newest_ns = INT64_MIN;
	for (; count < want; count++) {
		uint64_t index = at[queue] * queue_count + queue;

		if (index >= frame_count) {
			break;
		}
		at[queue]++;
		if (burst->time_ns != NULL) {
			burst->time_ns[count] = frames[index].time_ns;
		}
		if (burst->frame != NULL) {
			burst->frame[count] = port_frame(&frames[index].mbuf);
		}
		burst->handle[count] = &frames[index].mbuf;
		burst->bytes += frames[index].length;
		if (frames[index].time_ns > burst->newest_ns) {
			burst->newest_ns = frames[index].time_ns;
		}
	}
	held += count;
	burst->end = count == 0 && at[queue] * queue_count + queue >= frame_count;
	return count;
}

void
port_give_back(int port, uint32_t queue, struct port_burst *burst, uint32_t count)
{
	(void)port;
	(void)queue;
	(void)burst;
	held -= count;
}

bool
port_is_recording(int port)
{
	(void)port;
	return true;
}

const char *
port_label(int port)
{
	(void)port;
	return "sim";
}

/* It has no devices. */
int
port_find_node(const char *name)
{
	(void)name;
	return -1;
}

uint32_t
port_counters(struct port_counter *counters, uint32_t max)
{
	(void)counters;
	(void)max;
	return 0;
}
