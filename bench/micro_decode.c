/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_decode: decode_frame over the frames of the sample capture, beside a loop by hand that
 * reads ports behind Ethernet, IPv4 or IPv6, and TCP or UDP, and checks that they are there. Frames
 * that such a loop gets wrong (tags, fragments, extension headers, cut ones) are left out, counted.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "bench/bench.h"
#include "net/decode.h"

struct frame {
	const uint8_t *data;
	uint32_t length;
};

/* What both sides tell of a frame. */
struct told {
	uint16_t sport, dport;
	uint8_t proto;
};

static uint8_t *bytes;
static struct frame *frame;
static uint32_t frame_count;
static uint64_t rounds;

static inline bool
told_by_hand(const uint8_t *data, uint32_t length, struct told *told)
{
	uint32_t type, l4;

	if (length < 14 + 20 + 8) {
		return false;
	}
	type = decode_load16(data + 12);
	if (type == 0x0800) {
		l4 = 14 + (data[14] & 15u) * 4;
		told->proto = data[14 + 9];
	} else if (type == 0x86dd) {
		l4 = 14 + 40;
		told->proto = data[14 + 6];
	} else {
		return false;
	}
	if ((told->proto != DECODE_TCP && told->proto != DECODE_UDP) || length < l4 + 4) {
		return false;
	}
	told->sport = decode_load16(data + l4);
	told->dport = decode_load16(data + l4 + 2);
	return true;
}

static inline bool
told_by_engine(const uint8_t *data, uint32_t length, struct told *told)
{
	struct decode_packet packet;

	if (decode_frame(data, length, length, 0, &packet) != DECODE_ROW) {
		return false;
	}
	told->sport = packet.sport;
	told->dport = packet.dport;
	told->proto = packet.proto;
	return packet.l4 == DECODE_L4_PORTS || packet.l4 == DECODE_L4_TCP;
}

static bool
told_alike(const uint8_t *data, uint32_t length)
{
	struct told hand = { 0 }, engine = { 0 };

	return told_by_hand(data, length, &hand) && told_by_engine(data, length, &engine) &&
	       hand.sport == engine.sport && hand.dport == engine.dport &&
	       hand.proto == engine.proto;
}

/* Adds a frame behind those that are there, at an odd place, as in a buffer of its own. */
static bool
add_frame(const uint8_t *data, uint32_t length, size_t *used, size_t *size)
{
	size_t at = (*used + 63) & ~(size_t)63;
	struct frame *grown = realloc(frame, (frame_count + 1) * sizeof(*frame));

	frame = grown != NULL ? grown : frame;
	if (grown == NULL || at + length > *size) {
		return false;
	}
	memcpy(bytes + at, data, length);
	frame[frame_count++] = (struct frame){ bytes + at, length };
	*used = at + length;
	return true;
}

/* Returns how many frames the capture has; those that serve are kept. */
static uint32_t
read_capture(pcap_t *capture, size_t size)
{
	struct pcap_pkthdr *header;
	const u_char *data;
	size_t used = 0;
	uint32_t all = 0;

	while (pcap_next_ex(capture, &header, &data) == 1) {
		all++;
		if (header->caplen == header->len && told_alike(data, header->caplen) &&
		    !add_frame(data, header->caplen, &used, &size)) {
			break;
		}
	}
	return all;
}

static bool
prepare(struct bench *bench, bool small)
{
	const char *path = getenv("LODEMILL_BENCH_CAPTURE");
	char why[PCAP_ERRBUF_SIZE] = "";
	size_t size = (size_t)64 << 20;
	pcap_t *capture;
	uint32_t all;

	if (path == NULL) {
		snprintf(bench->note, sizeof(bench->note),
		         "LODEMILL_BENCH_CAPTURE names no capture; bench/run sets it");
		return false;
	}
	capture = pcap_open_offline(path, why);
	bytes = malloc(size);
	if (capture == NULL || bytes == NULL) {
		snprintf(bench->note, sizeof(bench->note), "the capture cannot be read: %.100s",
		         why);
		return false;
	}
	frame_count = 0;
	all = read_capture(capture, size);
	pcap_close(capture);
	rounds = frame_count == 0 ? 0 : (small ? 100000u : 40000000u) / frame_count + 1;
	snprintf(bench->note, sizeof(bench->note), "%u of the %u frames of %s", frame_count, all,
	         strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1);
	return frame_count > 0;
}

static void
discard(struct bench *bench)
{
	(void)bench;
	free(bytes);
	free(frame);
	bytes = NULL;
	frame = NULL;
}

#define RUN(side)                                                                                  \
	static bool run_##side(void *context, struct bench_run *run)                               \
	{                                                                                          \
		double start = bench_seconds();                                                    \
		uint64_t sum = 0;                                                                  \
                                                                                                   \
		(void)context;                                                                     \
		for (uint64_t r = 0; r < rounds; r++) {                                            \
			for (uint32_t i = 0; i < frame_count; i++) {                               \
				struct told told = { 0 };                                          \
                                                                                                   \
				if (told_by_##side(frame[i].data, frame[i].length, &told)) {       \
					sum += told.sport * 3u + told.dport * 5u + told.proto;     \
				}                                                                  \
			}                                                                          \
		}                                                                                  \
		run->seconds = bench_seconds() - start;                                            \
		run->items = rounds * frame_count;                                                 \
		run->checksum = sum;                                                               \
		return true;                                                                       \
	}
RUN(engine)
RUN(hand)
#undef RUN

struct bench bench_micro_decode = {
	.name = "micro_decode",
	.unit = "cycles/packet",
	.baseline_name = "loop by hand that reads ports",
	.is_cycles = true,
	.engine = run_engine,
	.baseline = run_hand,
	.prepare = prepare,
	.discard = discard,
	.lcores = 1,
};
