/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of net/decode.h and net/decode.c: the short ways, the link layers, split and cut frames. */
#include "tests/unit/net/decode_checks.h"

static void
test_tcp4(void **state)
{
	struct frame frame = { 0 };
	struct decode_packet packet;
	uint8_t address[16];
	static const uint8_t src[16] = { [10] = 0xff, [11] = 0xff, 10, 1, 2, 3 };
	static const uint8_t dst[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 77 };

	(void)state;
	frame_tcp4(&frame, 4000, 443, 5);
	packet = decode_row(&frame);
	assert_int_equal(packet.ip_version, 4);
	assert_int_equal(packet.captured, frame.size);
	assert_int_equal(packet.ip_offset, 14);
	assert_int_equal(packet.l4_offset, 34);
	assert_int_equal(packet.ethertype, 0x0800);
	assert_int_equal(packet.vlan, 0);
	assert_int_equal(packet.mpls, 0);
	assert_int_equal(packet.proto, 6);
	assert_int_equal(packet.sport, 4000);
	assert_int_equal(packet.dport, 443);
	assert_int_equal(packet.ip_length, 45);
	assert_int_equal(packet.payload_length, 5);
	assert_int_equal(packet.fragment, 0);
	assert_int_equal(packet.anomaly, DECODE_ANOMALY_NONE);
	assert_int_equal(decode_src4(&packet), FRAME_SRC4);
	assert_int_equal(decode_dst4(&packet), FRAME_DST4);
	decode_src6(&packet, address);
	assert_memory_equal(address, src, 16);
	decode_dst6(&packet, address);
	assert_memory_equal(address, dst, 16);
	assert_int_equal(decode_eth_src(&packet), FRAME_MAC_SRC);
	assert_int_equal(decode_eth_dst(&packet), FRAME_MAC_DST);
	assert_int_equal(decode_ttl(&packet), 63);
	assert_int_equal(decode_dscp(&packet), 46);
	assert_int_equal(decode_tcp_flags(&packet), 0x18);
	assert_int_equal(decode_tcp_seq(&packet), 0x11223344);
	assert_int_equal(decode_icmp_type(&packet), 0);
}

static void
test_udp6(void **state)
{
	struct frame frame = { 0 };
	struct decode_packet packet;
	uint8_t address[16];

	(void)state;
	frame_ethernet(&frame, 0x86dd);
	frame_ip6(&frame, 17, 8 + 30);
	frame_udp(&frame, 5353, 53, 30);
	frame_zeros(&frame, 30);
	packet = decode_row(&frame);
	assert_int_equal(packet.ip_version, 6);
	assert_int_equal(packet.proto, 17);
	assert_int_equal(packet.sport, 5353);
	assert_int_equal(packet.dport, 53);
	assert_int_equal(packet.ip_length, 78);
	assert_int_equal(packet.payload_length, 30);
	assert_int_equal(packet.ethertype, 0x86dd);
	decode_src6(&packet, address);
	assert_memory_equal(address, frame_src6, 16);
	decode_dst6(&packet, address);
	assert_memory_equal(address, frame_dst6, 16);
	assert_int_equal(decode_src4(&packet), 0);
	assert_int_equal(decode_dst4(&packet), 0);
	assert_int_equal(decode_ttl(&packet), 62);
	assert_int_equal(decode_dscp(&packet), 46);
	assert_int_equal(decode_tcp_flags(&packet), 0);
	assert_int_equal(decode_tcp_seq(&packet), 0);
}

/* What a frame cut to each length comes to. */
static void
test_every_length(void **state)
{
	struct frame frame = { 0 };
	struct decode_packet packet;

	(void)state;
	frame_tcp4(&frame, 4000, 443, 5);
	for (uint32_t size = 0; size <= frame.size; size++) {
		enum decode_outcome outcome = decode_copy(frame.byte, size, size, 0, &packet);

		if (size < 34) {
			assert_string_equal(decode_outcome_text(outcome),
			                    size < 14 ? "ethernet_truncated" : "ipv4_truncated");
			continue;
		}
		assert_int_equal(outcome, DECODE_ROW);
		assert_int_equal(packet.sport, size < 38 ? 0 : 4000);
		assert_int_equal(packet.dport, size < 38 ? 0 : 443);
		assert_int_equal(packet.proto, 6);
		assert_int_equal(decode_tcp_flags(&packet), size < 48 ? 0 : 0x18);
		assert_int_equal(packet.anomaly,
		                 size < 54 ? DECODE_ANOMALY_L4_TRUNCATED : DECODE_ANOMALY_NONE);
	}
}

static void
test_tags(void **state)
{
	static const uint16_t types[] = { 0x8100, 0x88a8, 0x9100 };
	struct frame frame;
	struct decode_packet packet;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		frame.size = 0;
		frame_ethernet(&frame, types[i]);
		frame_vlan(&frame, 0xe005, 0x8100);
		frame_vlan(&frame, 6, 0x0800);
		frame_ip4(&frame, 17, 8);
		frame_udp(&frame, 7, 9, 0);
		packet = decode_row(&frame);
		assert_int_equal(packet.vlan, 5);
		assert_int_equal(packet.ethertype, 0x0800);
		assert_int_equal(packet.dport, 9);
		frame.size = 21;
		expect_drop(&frame, "vlan_truncated");
	}
	/* One tag before a whole header takes a short way. */
	frame.size = 0;
	frame_ethernet(&frame, 0x8100);
	frame_vlan(&frame, 0x2fff, 0x0800);
	frame_ip4(&frame, 6, 20);
	frame_tcp(&frame, 4000, 443);
	packet = decode_row(&frame);
	assert_int_equal(packet.vlan, 0xfff);
	assert_int_equal(packet.dport, 443);
	assert_int_equal(packet.ethertype, 0x0800);
}

static void
test_tags_rare(void **state)
{
	static const struct {
		uint16_t type;
		uint8_t before; /* bytes of the tag before its ethertype */
	} rows[] = { { 0x8926, 4 },  { 0x892f, 4 },  { 0xf1c1, 4 }, { 0x893f, 6 },
		     { 0x6558, 12 }, { 0x88e7, 16 }, { 0x88e5, 6 } };
	struct frame frame;

	(void)state;
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		frame.size = 0;
		frame_ethernet(&frame, rows[i].type);
		frame_zeros(&frame, rows[i].before);
		frame_16(&frame, 0x0800);
		frame_ip4(&frame, 17, 8);
		frame_udp(&frame, 7, 9, 0);
		expect_ports(&frame, 17, 7, 9);
		assert_int_equal(decode_row(&frame).ethertype, rows[i].type);
		frame.size = 14u + rows[i].before + 1;
		expect_drop(&frame, "vlan_truncated");
	}
	frame.size = 0;
	frame_ethernet(&frame, 0x88e5); /* MACsec, encrypted */
	frame_32(&frame, 0x0c000000);
	frame_zeros(&frame, 60);
	assert_int_equal(decode_row(&frame).ip_version, 0);
}

static void
test_too_many_tags(void **state)
{
	struct frame frame;

	(void)state;
	for (uint32_t tags = DECODE_LINKS_MAX - 1; tags <= DECODE_LINKS_MAX; tags++) {
		frame.size = 0;
		frame_ethernet(&frame, 0x8100);
		for (uint32_t i = 0; i < tags; i++) {
			frame_vlan(&frame, i, i + 1 < tags ? 0x8100 : 0x0800);
		}
		frame_ip4(&frame, 17, 8);
		frame_udp(&frame, 7, 9, 0);
		expect_drop(&frame, tags < DECODE_LINKS_MAX ? "row" : "too_many_headers");
	}
	for (uint32_t labels = DECODE_LABELS_MAX; labels <= DECODE_LABELS_MAX + 1; labels++) {
		frame.size = 0;
		frame_ethernet(&frame, 0x8847);
		for (uint32_t i = 0; i < labels; i++) {
			frame_mpls(&frame, 100, i + 1 == labels);
		}
		frame_ip4(&frame, 17, 8);
		frame_udp(&frame, 7, 9, 0);
		expect_drop(&frame, labels <= DECODE_LABELS_MAX ? "row" : "too_many_headers");
	}
}

/* Labels up to the bottom, then `before` bytes of zeros, then Ethernet or not, then IPv4. */
static void
build_mpls(struct frame *frame, uint32_t label, uint32_t before, bool ethernet)
{
	frame->size = 0;
	frame_ethernet(frame, 0x8847);
	frame_mpls(frame, 77, 0);
	frame_mpls(frame, label, 1);
	frame_zeros(frame, before);
	if (ethernet) {
		frame_ethernet(frame, 0x0800);
	}
	frame_ip4(frame, 17, 8);
	frame_udp(frame, 7, 9, 0);
}

static void
test_mpls(void **state)
{
	struct frame frame;
	struct decode_packet packet;

	(void)state;
	build_mpls(&frame, 100, 0, false);
	packet = decode_row(&frame);
	assert_int_equal(packet.mpls, 77);
	assert_int_equal(packet.ethertype, 0x8847);
	assert_int_equal(packet.dport, 9);
	frame.size = 21;
	expect_drop(&frame, "mpls_truncated");
	build_mpls(&frame, 100, 4, true); /* a pseudowire with its control word */
	expect_ports(&frame, 17, 7, 9);
	build_mpls(&frame, 100, 0, true); /* without */
	expect_ports(&frame, 17, 7, 9);
	build_mpls(&frame, 100, 4, false); /* an associated channel for IPv4 */
	frame.byte[22] = 0x10;
	frame.byte[25] = 0x21;
	expect_ports(&frame, 17, 7, 9);
	build_mpls(&frame, 14, 0, false); /* operation and maintenance */
	assert_int_equal(decode_row(&frame).ip_version, 0);
	build_mpls(&frame, 100, 0, false);
	frame.byte[22] = 0xf5;
	assert_int_equal(decode_row(&frame).ip_version, 0);
}

static void
test_pppoe(void **state)
{
	static const uint16_t protocols[] = { 0x0021, 0x0057, 0xc021 };
	struct frame frame;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		frame.size = 0;
		frame_ethernet(&frame, 0x8864);
		frame_32(&frame, 0x11000007);
		frame_16(&frame, 70);
		frame_16(&frame, protocols[i]);
		if (i == 1) {
			frame_ip6(&frame, 17, 28);
		} else {
			frame_ip4(&frame, 17, 28);
		}
		frame_udp(&frame, 7, 9, 20);
		frame_zeros(&frame, 20);
		expect_ports(&frame, i < 2 ? 17 : 0, i < 2 ? 7 : 0, i < 2 ? 9 : 0);
	}
	frame.byte[20] = 0;
	frame.byte[21] = 0x21;
	frame.byte[19] = 2 + 20 + 3; /* the session says where it ends */
	expect_ports(&frame, 17, 0, 0);
	frame.byte[19] = 2 + 19;
	expect_drop(&frame, "ipv4_truncated");
	frame.size = 19;
	expect_drop(&frame, "pppoe_truncated");
	frame.size = 0;
	frame_ethernet(&frame, 0x8864);
	frame_32(&frame, 0x11000007);
	frame_16(&frame, 29);
	frame_8(&frame, 0x21); /* the protocol in one byte */
	frame_ip4(&frame, 17, 8);
	frame_udp(&frame, 7, 9, 0);
	expect_ports(&frame, 17, 7, 9);
}

static void
test_llc(void **state)
{
	struct frame frame = { 0 };

	(void)state;
	frame_ethernet(&frame, 8 + 28);
	frame_32(&frame, 0xaaaa0300);
	frame_32(&frame, 0x00000800);
	frame_ip4(&frame, 17, 8);
	frame_udp(&frame, 7, 9, 0);
	frame_zeros(&frame, 4);
	expect_ports(&frame, 17, 7, 9);
	assert_int_equal(decode_row(&frame).ethertype, 0x0800);
	frame.byte[13] = 8 + 20 + 3; /* the frame says where it ends */
	expect_ports(&frame, 17, 0, 0);
	frame.byte[13] = 8 + 19;
	expect_drop(&frame, "ipv4_truncated");
	frame.byte[13] = 7;
	assert_int_equal(decode_row(&frame).ip_version, 0);
	frame.byte[13] = 8 + 28;
	frame.byte[19] = 1; /* another organisation's type */
	assert_int_equal(decode_row(&frame).ip_version, 0);
	assert_int_equal(decode_row(&frame).ethertype, 0);
	frame.size = 0;
	frame_ethernet(&frame, 3 + 28);
	frame_16(&frame, 0x0606);
	frame_8(&frame, 0x03);
	frame_ip4(&frame, 17, 8);
	frame_udp(&frame, 7, 9, 0);
	expect_ports(&frame, 17, 7, 9);
	frame.byte[14] = 0x42; /* spanning tree */
	assert_int_equal(decode_row(&frame).ip_version, 0);
	frame.byte[12] = 0x05; /* neither a length nor a type */
	frame.byte[13] = 0xff;
	assert_int_equal(decode_row(&frame).ethertype, 0);
}

static void
test_no_ip(void **state)
{
	static const uint16_t types[] = { 0x88cc, 0x9000, 0x888e, 0x1234 };
	struct frame frame;
	struct decode_packet packet;
	uint8_t address[16], zeros[16] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		frame.size = 0;
		frame_ethernet(&frame, types[i]);
		packet = decode_row(&frame);
		assert_int_equal(packet.ip_version, 0);
		assert_int_equal(packet.ethertype, types[i]);
		assert_int_equal(packet.proto, 0);
		decode_src6(&packet, address);
		assert_memory_equal(address, zeros, 16);
		decode_dst6(&packet, address);
		assert_memory_equal(address, zeros, 16);
		assert_int_equal(decode_ttl(&packet), 0);
		assert_int_equal(decode_dscp(&packet), 0);
	}
	frame.size = 0;
	frame_ethernet(&frame, 0x0806);
	frame_32(&frame, 0x00010800);
	frame_32(&frame, 0x06040001);
	frame_zeros(&frame, 20);
	assert_int_equal(decode_row(&frame).ethertype, 0x0806);
	frame.size--;
	expect_drop(&frame, "arp_truncated");
	frame.size = 14 + 7;
	expect_drop(&frame, "arp_truncated");
}

/* Frames of the common kinds, one after another. */
static bool
build_common(struct frame *frame, uint32_t kind)
{
	uint32_t proto = kind & 1 ? 6 : 17;

	frame->size = 0;
	if (kind >= 12) {
		return false;
	}
	if (kind % 3 == 1) {
		frame_ethernet(frame, 0x8100);
		frame_vlan(frame, 5, kind < 6 ? 0x0800 : 0x86dd);
	} else {
		frame_ethernet(frame, kind < 6 ? 0x0800 : 0x86dd);
	}
	if (kind < 6) {
		frame_ip4(frame, proto, kind % 3 == 2 ? 60 : 40);
	} else {
		frame_ip6(frame, proto, kind % 3 == 2 ? 60 : 40);
	}
	if (proto == 6) {
		frame_tcp(frame, 4000, 443);
	} else {
		frame_udp(frame, 7, 9, 32);
	}
	frame_zeros(frame, 40);
	return true;
}

/* Takes the first IP header or what is behind the tags out of the short way: pads with a tag. */
static enum decode_outcome
decode_long_way(const struct frame *frame, uint32_t size, struct decode_packet *packet)
{
	static uint8_t bytes[16384 + 4];

	/* The same behind two tags goes the long way; then the offsets are moved back. */
	memcpy(bytes, frame->byte, 12);
	memcpy(bytes + 12, "\x88\xa8\x0f\xff", 4);
	memcpy(bytes + 16, frame->byte + 12, size - 12);

	enum decode_outcome outcome = decode_any(bytes, size + 4, size + 4, 0, packet);

	packet->ip_offset -= 4;
	packet->dst_offset -= 4;
	packet->l4_offset -= 4;
	packet->data = frame->byte;
	packet->vlan = 0;
	return outcome;
}

/* The short ways give what the long way gives, for any single wrong byte and any length. */
static void
test_short_ways(void **state)
{
	static const uint8_t values[] = {
		0x00, 0x04, 0x05, 0x14, 0x20, 0x45, 0x46, 0x60, 0x7f, 0xff
	};
	struct decode_packet quick, slow;
	struct frame frame;

	(void)state;
	for (uint32_t kind = 0; build_common(&frame, kind); kind++) {
		for (uint32_t at = 12; at < frame.size; at++) {
			uint8_t saved = frame.byte[at];

			for (uint32_t i = 0; i < sizeof(values) + 3; i++) {
				uint32_t size = i == 0 && at >= 14 ? at : frame.size;

				/* As it is, but cut; one more; one less; the values. */
				frame.byte[at] =
				    i < 3 ? (uint8_t)(saved + (i == 1) - (i == 2)) : values[i - 3];
				enum decode_outcome outcome =
				    decode_frame(frame.byte, size, size, 0, &quick);

				assert_int_equal(decode_long_way(&frame, size, &slow), outcome);
				if (outcome == DECODE_ROW) {
					quick.vlan = 0;
					expect_same(&quick, &slow);
				}
			}
			frame.byte[at] = saved;
		}
	}
}

/* With fewer bytes contiguous than captured: the same row, or header_split. */
static void
test_split(void **state)
{
	struct decode_packet whole, split;
	struct frame frame;

	(void)state;
	for (uint32_t kind = 0; build_common(&frame, kind); kind++) {
		uint32_t rows = 0;

		assert_int_equal(decode_frame(frame.byte, frame.size, frame.size, 0, &whole),
		                 DECODE_ROW);
		for (uint32_t contiguous = 0; contiguous <= frame.size; contiguous++) {
			enum decode_outcome outcome =
			    decode_copy(frame.byte, contiguous, frame.size, 0, &split);

			if (outcome == DECODE_ROW) {
				expect_same(&whole, &split);
				rows++;
			} else {
				assert_int_equal(outcome, DECODE_HEADER_SPLIT);
				assert_int_equal(rows, 0);
			}
		}
		assert_true(rows > 30);
	}
}

static void
test_texts(void **state)
{
	(void)state;
	assert_string_equal(decode_outcome_text(DECODE_ROW), "row");
	assert_string_equal(decode_outcome_text(DECODE_HEADER_SPLIT), "header_split");
	assert_string_equal(decode_outcome_text(DECODE_OUTCOME_COUNT), "unknown");
	assert_string_equal(decode_anomaly_text(DECODE_ANOMALY_TUNNEL), "tunnel");
	assert_string_equal(decode_anomaly_text(DECODE_ANOMALY_COUNT), "unknown");
	assert_string_equal(decode_tunnel_text(DECODE_TUNNEL_GTPU), "gtpu");
	assert_string_equal(decode_tunnel_text(DECODE_TUNNEL_COUNT), "unknown");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp4),         cmocka_unit_test(test_udp6),
		cmocka_unit_test(test_every_length), cmocka_unit_test(test_tags),
		cmocka_unit_test(test_tags_rare),    cmocka_unit_test(test_too_many_tags),
		cmocka_unit_test(test_mpls),         cmocka_unit_test(test_pppoe),
		cmocka_unit_test(test_llc),          cmocka_unit_test(test_no_ip),
		cmocka_unit_test(test_short_ways),   cmocka_unit_test(test_split),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
