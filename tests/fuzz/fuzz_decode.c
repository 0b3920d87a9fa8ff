/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target of the packet decoder. Input: a byte of options (bit 0: inner), a byte that says how
 * much of the frame is contiguous (255: all of it, else so many 255ths), the frame. The contiguous
 * part lies in a block of its own size, so that a sanitizer sees any overread.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* What can be read at l4_offset. */
static uint32_t
fuzz_l4_size(const struct decode_packet *packet)
{
	switch (packet->l4) {
	case DECODE_L4_PORTS:
		return 4;
	case DECODE_L4_TCP:
		return 14;
	case DECODE_L4_ICMP:
		return 2;
	default:
		return 0;
	}
}

static void
fuzz_check_row(const struct decode_packet *packet, uint32_t contiguous, uint32_t captured,
               uint32_t options)
{
	uint8_t address[16];

	FUZZ_CHECK(packet->captured == captured);
	FUZZ_CHECK(packet->vlan <= 0xfff);
	FUZZ_CHECK(packet->mpls <= 0xfffff);
	FUZZ_CHECK(packet->anomaly < DECODE_ANOMALY_COUNT);
	FUZZ_CHECK(packet->tunnel < DECODE_TUNNEL_COUNT);
	FUZZ_CHECK(packet->fragment <= 1);
	FUZZ_CHECK((options & DECODE_INNER) != 0 || packet->tunnel == DECODE_TUNNEL_NONE);
	FUZZ_CHECK(packet->l4 == DECODE_L4_PORTS || packet->l4 == DECODE_L4_TCP ||
	           (packet->sport == 0 && packet->dport == 0));
	FUZZ_CHECK(packet->l4 != DECODE_L4_TCP || packet->proto == DECODE_TCP);
	if (packet->ip_version == 0) {
		FUZZ_CHECK(packet->proto == 0 && packet->l4 == DECODE_L4_NONE);
		FUZZ_CHECK(packet->anomaly == DECODE_ANOMALY_NONE);
	} else {
		uint32_t header = packet->ip_version == 4 ? 20 : 40;
		uint32_t width = packet->ip_version == 4 ? 4 : 16;

		FUZZ_CHECK(packet->ip_version == 4 || packet->ip_version == 6);
		FUZZ_CHECK(packet->ip_offset >= 14);
		FUZZ_CHECK(packet->data[packet->ip_offset] >> 4 == packet->ip_version);
		FUZZ_CHECK(packet->ip_offset + header <= contiguous);
		FUZZ_CHECK(packet->dst_offset + width <= contiguous);
		FUZZ_CHECK(packet->dst_offset >= packet->ip_offset + header - width);
		FUZZ_CHECK(packet->l4_offset >= packet->ip_offset + header);
		FUZZ_CHECK(packet->l4_offset <= captured);
		FUZZ_CHECK(packet->l4_offset + fuzz_l4_size(packet) <= contiguous ||
		           packet->l4 == DECODE_L4_NONE);
	}
	/* Everything that reads the frame: for the sanitizers. */
	decode_src6(packet, address);
	decode_dst6(packet, address);
	FUZZ_CHECK(decode_src4(packet) == 0 || packet->ip_version == 4);
	FUZZ_CHECK(decode_dst4(packet) == 0 || packet->ip_version == 4);
	FUZZ_CHECK(decode_eth_src(packet) >> 48 == 0 && decode_eth_dst(packet) >> 48 == 0);
	FUZZ_CHECK(decode_ttl(packet) == 0 || packet->ip_version != 0);
	FUZZ_CHECK(decode_dscp(packet) <= 63);
	FUZZ_CHECK(decode_tcp_flags(packet) == 0 || packet->l4 == DECODE_L4_TCP);
	FUZZ_CHECK(decode_tcp_seq(packet) == 0 || packet->l4 == DECODE_L4_TCP);
	FUZZ_CHECK(decode_icmp_type(packet) == 0 || packet->l4 == DECODE_L4_ICMP);
	FUZZ_CHECK(decode_icmp_code(packet) == 0 || packet->l4 == DECODE_L4_ICMP);
}

static void
fuzz_check_same(const struct decode_packet *a, const struct decode_packet *b)
{
	FUZZ_CHECK(a->ip_version == b->ip_version);
	FUZZ_CHECK(a->ethertype == b->ethertype && a->vlan == b->vlan && a->mpls == b->mpls);
	FUZZ_CHECK(a->anomaly == b->anomaly && a->tunnel == b->tunnel);
	if (a->ip_version != 0) {
		FUZZ_CHECK(a->ip_offset == b->ip_offset && a->dst_offset == b->dst_offset);
		FUZZ_CHECK(a->l4_offset == b->l4_offset && a->l4 == b->l4);
		FUZZ_CHECK(a->ip_length == b->ip_length);
		FUZZ_CHECK(a->payload_length == b->payload_length);
		FUZZ_CHECK(a->proto == b->proto && a->fragment == b->fragment);
		FUZZ_CHECK(a->sport == b->sport && a->dport == b->dport);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct decode_packet packet, slow, whole;
	enum decode_outcome outcome, whole_outcome;
	uint32_t options, captured, contiguous;
	uint8_t *copy;

	if (size < 2) {
		return 0;
	}
	options = bytes[0] & DECODE_INNER;
	captured = (uint32_t)size - 2;
	contiguous = bytes[1] == 255 ? captured : (uint32_t)((uint64_t)captured * bytes[1] / 255);
	copy = malloc(contiguous == 0 ? 1 : contiguous);
	if (copy == NULL) {
		return 0;
	}
	memcpy(copy, bytes + 2, contiguous);
	outcome = decode_frame(copy, contiguous, captured, options, &packet);
	FUZZ_CHECK(outcome < DECODE_OUTCOME_COUNT);
	if (outcome == DECODE_ROW) {
		fuzz_check_row(&packet, contiguous, captured, options);
	}
	/* The inline way and the other one agree. */
	FUZZ_CHECK(decode_any(copy, contiguous, captured, options, &slow) == outcome);
	if (outcome == DECODE_ROW) {
		fuzz_check_same(&packet, &slow);
	}
	/* Where the frame is split makes no difference, unless a header is. */
	whole_outcome = decode_frame(bytes + 2, captured, captured, options, &whole);
	FUZZ_CHECK(contiguous < captured || outcome != DECODE_HEADER_SPLIT);
	if (outcome != DECODE_HEADER_SPLIT) {
		FUZZ_CHECK(whole_outcome == outcome);
		if (outcome == DECODE_ROW) {
			fuzz_check_same(&packet, &whole);
		}
	}
	free(copy);
	return 0;
}
