/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of net/decode_tunnel.c: what tunnels carry, when asked for, and when it does not decode. */
#include "tests/unit/net/decode_checks.h"

#define INNER_SPORT 1111
#define INNER_DPORT 2222

/* Decodes both ways: not asked for, the outer header counts. */
static struct decode_packet
decode_inner_row(const struct frame *frame, uint8_t outer_proto)
{
	struct decode_packet packet;

	assert_int_equal(decode_row(frame).proto, outer_proto);
	assert_int_equal(decode_row(frame).tunnel, DECODE_TUNNEL_NONE);
	assert_int_equal(decode_row(frame).anomaly, DECODE_ANOMALY_NONE);
	assert_int_equal(decode_copy(frame->byte, frame->size, frame->size, DECODE_INNER, &packet),
	                 DECODE_ROW);
	return packet;
}

static void
expect_inner(const struct frame *frame, uint8_t outer_proto, const char *tunnel)
{
	struct decode_packet packet = decode_inner_row(frame, outer_proto);

	assert_string_equal(decode_tunnel_text(packet.tunnel), tunnel);
	assert_string_equal(decode_anomaly_text(packet.anomaly), "none");
	assert_int_equal(packet.proto, DECODE_TCP);
	assert_int_equal(packet.sport, INNER_SPORT);
	assert_int_equal(packet.dport, INNER_DPORT);
	assert_int_equal(packet.payload_length, 3);
	assert_int_equal(packet.ethertype, 0x0800);
	assert_int_equal(decode_tcp_flags(&packet), 0x18);
	assert_int_equal(decode_eth_src(&packet), FRAME_MAC_SRC);
}

/* The outer header, and what was wrong. */
static void
expect_outer(const struct frame *frame, uint8_t outer_proto, const char *anomaly)
{
	struct decode_packet packet = decode_inner_row(frame, outer_proto);

	assert_int_equal(packet.proto, outer_proto);
	assert_int_equal(packet.tunnel, DECODE_TUNNEL_NONE);
	assert_string_equal(decode_anomaly_text(packet.anomaly), anomaly);
	assert_int_equal(decode_src4(&packet), FRAME_SRC4);
}

/* Ethernet and IPv4 whose payload is to be written up to build_end. */
static void
build_outer(struct frame *frame, uint8_t proto)
{
	frame->size = 0;
	frame_ethernet(frame, 0x0800);
	frame_ip4(frame, proto, 0);
}

static void
build_outer_udp(struct frame *frame, uint16_t dport)
{
	build_outer(frame, 17);
	frame_udp(frame, 50000, dport, 0);
}

/* Sets the outer lengths. */
static void
build_end(struct frame *frame)
{
	uint32_t total = frame->size - 14;

	frame->byte[16] = (uint8_t)(total >> 8);
	frame->byte[17] = (uint8_t)total;
	if (frame->byte[23] == 17) {
		frame->byte[38] = (uint8_t)((total - 20) >> 8);
		frame->byte[39] = (uint8_t)(total - 20);
	}
}

/* What the tunnels carry. */
static void
build_inner4(struct frame *frame)
{
	frame_ip4(frame, 6, 23);
	frame_tcp(frame, INNER_SPORT, INNER_DPORT);
	frame_zeros(frame, 3);
	build_end(frame);
}

static void
build_inner6(struct frame *frame)
{
	frame_ip6(frame, 6, 23);
	frame_tcp(frame, INNER_SPORT, INNER_DPORT);
	frame_zeros(frame, 3);
	build_end(frame);
}

static void
test_ip_in_ip(void **state)
{
	struct frame frame;
	struct decode_packet packet;

	(void)state;
	build_outer(&frame, 4);
	build_inner4(&frame);
	expect_inner(&frame, 4, "ip");
	build_outer(&frame, 41);
	build_inner6(&frame);
	expect_inner(&frame, 41, "ip");
	packet = decode_inner_row(&frame, 41);
	assert_int_equal(packet.ip_version, 6);
	build_outer(&frame, 4);
	frame_zeros(&frame, 40); /* not IP */
	build_end(&frame);
	expect_outer(&frame, 4, "tunnel");
	build_outer(&frame, 4);
	build_inner4(&frame);
	frame.byte[20] = 0x20; /* the first fragment still has the inner header */
	expect_inner(&frame, 4, "ip");
	frame.byte[21] = 0x10;
	expect_outer(&frame, 4, "none");
}

static void
test_gre(void **state)
{
	static const uint16_t flags[] = { 0x0000, 0x8000, 0x2000, 0x1000, 0xb000 };
	struct frame frame;

	(void)state;
	for (uint32_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		for (uint32_t kind = 0; kind < 3; kind++) {
			uint32_t more =
			    !!(flags[i] & 0x8000) + !!(flags[i] & 0x2000) + !!(flags[i] & 0x1000);

			build_outer(&frame, 47);
			frame_16(&frame, flags[i]);
			frame_16(&frame, kind == 0 ? 0x0800 : kind == 1 ? 0x86dd : 0x6558);
			frame_zeros(&frame, more * 4);
			if (kind == 2) {
				frame_ethernet(&frame, 0x8100);
				frame_vlan(&frame, 99, 0x0800);
			}
			kind == 1 ? build_inner6(&frame) : build_inner4(&frame);
			expect_inner(&frame, 47, "gre");
			assert_int_equal(decode_inner_row(&frame, 47).vlan, 0);
		}
	}
	frame.byte[34] = 0x40; /* source routing */
	expect_outer(&frame, 47, "tunnel");
	frame.byte[34] = 0;
	frame.byte[35] = 2; /* a version nobody knows */
	expect_outer(&frame, 47, "tunnel");
	build_outer(&frame, 47);
	frame_32(&frame, 0x0806); /* ARP inside is fine, and no row of its own */
	frame_zeros(&frame, 28);
	build_end(&frame);
	expect_outer(&frame, 47, "none");
}

static void
test_pptp(void **state)
{
	struct frame frame;

	(void)state;
	build_outer(&frame, 47);
	frame_32(&frame, 0x3081880b); /* key, sequence, acknowledgement, version 1, PPP */
	frame_zeros(&frame, 12);
	frame_32(&frame, 0xff030021);
	build_inner4(&frame);
	expect_inner(&frame, 47, "gre");
	build_outer(&frame, 47);
	frame_32(&frame, 0x2081880b); /* an acknowledgement alone */
	frame_zeros(&frame, 8);
	build_end(&frame);
	expect_outer(&frame, 47, "none");
}

static void
test_vxlan(void **state)
{
	struct frame frame;

	(void)state;
	build_outer_udp(&frame, 4789);
	frame_32(&frame, 0x08000000);
	frame_32(&frame, 42u << 8);
	frame_ethernet(&frame, 0x0800);
	build_inner4(&frame);
	expect_inner(&frame, 17, "vxlan");
	frame.byte[42] = 0; /* no network identifier */
	expect_outer(&frame, 17, "tunnel");
	frame.byte[42] = 0x08;
	frame.byte[37] = 0xb6; /* another port */
	expect_outer(&frame, 17, "none");
	build_outer_udp(&frame, 4789);
	frame_32(&frame, 0x08000000);
	build_end(&frame);
	expect_outer(&frame, 17, "tunnel");
}

static void
build_gtpu(struct frame *frame, uint8_t flags, uint8_t kind)
{
	build_outer_udp(frame, 2152);
	frame_16(frame, (uint32_t)flags << 8 | kind);
	frame_16(frame, 200);
	frame_32(frame, 0x1234);
}

static void
test_gtpu(void **state)
{
	struct frame frame;

	(void)state;
	build_gtpu(&frame, 0x30, 255);
	build_inner4(&frame);
	expect_inner(&frame, 17, "gtpu");
	build_gtpu(&frame, 0x30, 255);
	build_inner6(&frame);
	expect_inner(&frame, 17, "gtpu");
	build_gtpu(&frame, 0x34, 255); /* two extension headers of 4 and 8 bytes */
	frame_32(&frame, 0x00000085);
	frame_32(&frame, 0x01000085);
	frame_32(&frame, 0x02000000);
	frame_32(&frame, 0x00000000);
	build_inner4(&frame);
	expect_inner(&frame, 17, "gtpu");
	frame.byte[54] = 0; /* an extension of no length */
	expect_outer(&frame, 17, "tunnel");
	build_gtpu(&frame, 0x32, 1); /* an echo request */
	frame_zeros(&frame, 4);
	build_end(&frame);
	expect_outer(&frame, 17, "none");
	build_gtpu(&frame, 0x50, 255);
	build_inner4(&frame);
	expect_outer(&frame, 17, "tunnel");
}

static void
test_nested(void **state)
{
	struct frame frame;
	struct decode_packet packet;

	(void)state;
	for (uint32_t depth = 1; depth <= DECODE_TUNNELS_MAX + 2; depth++) {
		uint32_t left = depth;

		frame.size = 0;
		frame_ethernet(&frame, 0x0800);
		for (; left > 0; left--) {
			frame_ip4(&frame, 4, 20 * left + 20);
		}
		frame_ip4(&frame, 6, 20);
		frame_tcp(&frame, INNER_SPORT, INNER_DPORT);
		assert_int_equal(
		    decode_copy(frame.byte, frame.size, frame.size, DECODE_INNER, &packet),
		    DECODE_ROW);
		assert_int_equal(packet.tunnel, DECODE_TUNNEL_IP);
		assert_int_equal(packet.dport, depth <= DECODE_TUNNELS_MAX ? INNER_DPORT : 0);
		assert_int_equal(packet.proto, depth <= DECODE_TUNNELS_MAX ? 6 : 4);
	}
	/* GRE in VXLAN: the outermost tunnel is the one that is named. */
	build_outer_udp(&frame, 4789);
	frame_32(&frame, 0x08000000);
	frame_32(&frame, 42u << 8);
	frame_ethernet(&frame, 0x0800);
	frame_ip4(&frame, 47, 4 + 43);
	frame_32(&frame, 0x0800);
	build_inner4(&frame);
	expect_inner(&frame, 17, "vxlan");
}

/* Cut or split anywhere behind the outer UDP header there is a row, or header_split. */
static void
test_cut(void **state)
{
	struct frame frame;
	struct decode_packet packet, whole;

	(void)state;
	build_outer_udp(&frame, 4789);
	frame_32(&frame, 0x08000000);
	frame_32(&frame, 42u << 8);
	frame_ethernet(&frame, 0x0800);
	build_inner4(&frame);
	whole = decode_inner_row(&frame, 17);
	whole.data = frame.byte;
	for (uint32_t size = 42; size < frame.size; size++) {
		enum decode_outcome outcome =
		    decode_copy(frame.byte, size, size, DECODE_INNER, &packet);

		assert_int_equal(outcome, DECODE_ROW);
		assert_int_equal(packet.tunnel,
		                 size < 84 ? DECODE_TUNNEL_NONE : DECODE_TUNNEL_VXLAN);
		assert_int_equal(packet.anomaly, size < 84    ? DECODE_ANOMALY_TUNNEL
		                                 : size < 104 ? DECODE_ANOMALY_L4_TRUNCATED
		                                              : DECODE_ANOMALY_NONE);
		outcome = decode_copy(frame.byte, size, frame.size, DECODE_INNER, &packet);
		assert_int_equal(outcome, size < 104 ? DECODE_HEADER_SPLIT : DECODE_ROW);
		if (outcome == DECODE_ROW) {
			expect_same(&whole, &packet);
		}
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip_in_ip), cmocka_unit_test(test_gre),
		cmocka_unit_test(test_pptp),     cmocka_unit_test(test_vxlan),
		cmocka_unit_test(test_gtpu),     cmocka_unit_test(test_nested),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
