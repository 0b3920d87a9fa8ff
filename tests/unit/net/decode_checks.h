/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DECODE_CHECKS_H
#define DECODE_CHECKS_H

/* What the tests of the decoder's parts share: decoding a frame and saying what has to come out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/decode.h"
#include "tests/unit/net/frame_builder.h"

/* Decodes a copy in a block of its own size, so that ASan sees a step over its end. */
static inline enum decode_outcome
decode_copy(const uint8_t *bytes, uint32_t contiguous, uint32_t captured, uint32_t options,
            struct decode_packet *packet)
{
	static uint8_t *copy;
	enum decode_outcome outcome;

	free(copy);
	copy = malloc(contiguous == 0 ? 1 : contiguous);
	assert_non_null(copy);
	memcpy(copy, bytes, contiguous);
	outcome = decode_frame(copy, contiguous, captured, options, packet);
	return outcome;
}

static inline struct decode_packet
decode_row(const struct frame *frame)
{
	struct decode_packet packet;
	enum decode_outcome outcome =
	    decode_copy(frame->byte, frame->size, frame->size, 0, &packet);

	assert_string_equal(decode_outcome_text(outcome), "row");
	return packet;
}

static inline void
expect_drop(const struct frame *frame, const char *reason)
{
	struct decode_packet packet;
	enum decode_outcome outcome =
	    decode_copy(frame->byte, frame->size, frame->size, 0, &packet);

	assert_string_equal(decode_outcome_text(outcome), reason);
}

static inline void
expect_anomaly(const struct frame *frame, const char *anomaly)
{
	struct decode_packet packet = decode_row(frame);

	assert_string_equal(decode_anomaly_text(packet.anomaly), anomaly);
}

static inline void
expect_ports(const struct frame *frame, uint8_t proto, uint16_t sport, uint16_t dport)
{
	struct decode_packet packet = decode_row(frame);

	assert_int_equal(packet.proto, proto);
	assert_int_equal(packet.sport, sport);
	assert_int_equal(packet.dport, dport);
}

static inline void
expect_same(const struct decode_packet *a, const struct decode_packet *b)
{
	uint8_t left[16], right[16];

	assert_int_equal(a->ip_version, b->ip_version);
	assert_int_equal(a->ethertype, b->ethertype);
	assert_int_equal(a->vlan, b->vlan);
	assert_int_equal(a->mpls, b->mpls);
	assert_int_equal(a->anomaly, b->anomaly);
	assert_int_equal(a->tunnel, b->tunnel);
	if (a->ip_version == 0) {
		return;
	}
	decode_dst6(a, left);
	decode_dst6(b, right);
	assert_memory_equal(left, right, 16);
	assert_int_equal(a->ip_offset, b->ip_offset);
	assert_int_equal(a->l4_offset, b->l4_offset);
	assert_int_equal(a->ip_length, b->ip_length);
	assert_int_equal(a->payload_length, b->payload_length);
	assert_int_equal(a->proto, b->proto);
	assert_int_equal(a->fragment, b->fragment);
	assert_int_equal(a->l4, b->l4);
	assert_int_equal(a->sport, b->sport);
	assert_int_equal(a->dport, b->dport);
}

/* Ethernet and IPv6 whose first header is `next`, `payload` bytes to follow. */
static inline void
build_ip6(struct frame *frame, uint32_t next, uint32_t payload)
{
	frame->size = 0;
	frame_ethernet(frame, 0x86dd);
	frame_ip6(frame, next, payload);
}

#endif
