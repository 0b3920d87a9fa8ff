/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of net/decode_l3.c: IPv4, its options and fragments; IPv6 and its extension headers. */
#include "tests/unit/net/decode_checks.h"

static void
test_ip4_lengths(void **state)
{
	struct frame frame = { 0 };
	struct decode_packet packet;

	(void)state;
	frame_tcp4(&frame, 4000, 443, 5);
	frame.byte[14] = 0x44;
	expect_drop(&frame, "ipv4_header_length");
	frame.byte[14] = 0x45;
	frame.byte[17] = 19;
	expect_drop(&frame, "ipv4_total_length");
	frame.byte[17] = 20;
	expect_ports(&frame, 6, 0, 0); /* what follows is not the datagram's */
	expect_anomaly(&frame, "l4_truncated");
	frame.byte[17] = 23;
	expect_ports(&frame, 6, 0, 0);
	frame.byte[17] = 24;
	expect_ports(&frame, 6, 4000, 443);
	frame.byte[17] = 0; /* segmentation offload */
	packet = decode_row(&frame);
	assert_int_equal(packet.dport, 443);
	assert_int_equal(packet.ip_length, 45);
	assert_int_equal(packet.payload_length, 5);
	frame.byte[16] = 0xff; /* captured with a short snap length */
	frame.byte[17] = 0xff;
	packet = decode_row(&frame);
	assert_int_equal(packet.dport, 443);
	assert_int_equal(packet.payload_length, 65535 - 40);
	assert_int_equal(packet.anomaly, DECODE_ANOMALY_NONE);
	frame.byte[14] = 0x65;
	expect_drop(&frame, "row"); /* decodes as IPv6 */
	frame.byte[14] = 0x55;
	expect_drop(&frame, "ipv4_version");
	frame.byte[12] = 0x86;
	frame.byte[13] = 0xdd;
	expect_drop(&frame, "ipv6_version");
}

/* Ethernet, IPv4 with `options` (a multiple of 4 bytes), UDP from 7 to 9. */
static void
build_options(struct frame *frame, const uint8_t *options, uint32_t size)
{
	frame->size = 0;
	frame_ethernet(frame, 0x0800);
	frame_ip4(frame, 17, size + 8);
	frame->byte[14] = (uint8_t)(0x45 + size / 4);
	memcpy(frame->byte + frame->size, options, size);
	frame->size += size;
	frame_udp(frame, 7, 9, 0);
}

static void
test_ip4_options(void **state)
{
	static const uint8_t alert[] = { 148, 4, 0, 0 };
	static const uint8_t alert_short[] = { 148, 3, 0, 0 };
	static const uint8_t record[] = { 1, 1, 1, 7, 7, 4, 0, 0 };
	static const uint8_t route[] = { 1, 131, 11, 8, 1, 1, 1, 1, 2, 2, 2, 2 };
	static const uint8_t broken[] = { 1, 137, 10, 8, 1, 1, 1, 1, 2, 2, 2, 2 };
	static const uint8_t done[] = { 1, 131, 11, 12, 1, 1, 1, 1, 2, 2, 2, 2 };
	struct frame frame;
	struct decode_packet packet;

	(void)state;
	build_options(&frame, alert, sizeof(alert));
	expect_ports(&frame, 17, 7, 9);
	frame.size = 36; /* cut behind type and length: the destination is known */
	expect_anomaly(&frame, "l4_truncated");
	frame.size = 35;
	expect_drop(&frame, "ipv4_truncated");
	build_options(&frame, alert_short, sizeof(alert_short));
	expect_ports(&frame, 17, 0, 0);
	expect_anomaly(&frame, "ipv4_option");
	build_options(&frame, record, sizeof(record));
	expect_ports(&frame, 17, 7, 9);
	build_options(&frame, route, sizeof(route));
	packet = decode_row(&frame);
	assert_int_equal(decode_dst4(&packet), 0x02020202);
	assert_int_equal(packet.dport, 9);
	frame.size = 45;
	expect_drop(&frame, "ipv4_truncated");
	build_options(&frame, done, sizeof(done));
	packet = decode_row(&frame);
	assert_int_equal(decode_dst4(&packet), FRAME_DST4);
	build_options(&frame, broken, sizeof(broken));
	expect_drop(&frame, "ipv4_source_route");
}

static void
test_fragments(void **state)
{
	struct frame frame = { 0 };
	struct decode_packet packet;

	(void)state;
	frame_udp4(&frame, 7, 9, 100);
	frame.byte[20] = 0x20; /* the first of several; the length is that of all of them */
	frame.byte[38] = 0x04;
	packet = decode_row(&frame);
	assert_int_equal(packet.fragment, 1);
	assert_int_equal(packet.dport, 9);
	assert_int_equal(packet.anomaly, DECODE_ANOMALY_NONE);
	frame.byte[21] = 0x01;
	packet = decode_row(&frame);
	assert_int_equal(packet.fragment, 1);
	assert_int_equal(packet.dport, 0);
	assert_int_equal(packet.anomaly, DECODE_ANOMALY_NONE);
	assert_int_equal(packet.payload_length, 108);
	frame.byte[20] = 0x40; /* do not fragment */
	frame.byte[21] = 0;
	packet = decode_row(&frame);
	assert_int_equal(packet.fragment, 0);
	assert_int_equal(packet.anomaly, DECODE_ANOMALY_UDP_LENGTH);
}

static void
test_ip6_extensions(void **state)
{
	struct frame frame;
	struct decode_packet packet;

	(void)state;
	build_ip6(&frame, 0, 8 + 16 + 24 + 24 + 8 + 8 + 20);
	frame_32(&frame, 60u << 24 | 0x000104); /* hop-by-hop: 8 bytes */
	frame_zeros(&frame, 4);
	frame_32(&frame, 43u << 24 | 1u << 16 | 0x010c); /* destination: 16 bytes */
	frame_zeros(&frame, 12);
	frame_32(&frame, 51u << 24 | 2u << 16 | 0x0400); /* segment routing: 24 bytes */
	frame_zeros(&frame, 20);
	frame_32(&frame, 44u << 24 | 4u << 16); /* authentication: 24 bytes */
	frame_zeros(&frame, 20);
	frame_32(&frame, 140u << 24 | 6); /* atomic fragment, reserved bits */
	frame_zeros(&frame, 4);
	frame_32(&frame, 6u << 24 | 0x8000); /* shim6 */
	frame_zeros(&frame, 4);
	frame_tcp(&frame, 4000, 443);
	packet = decode_row(&frame);
	assert_int_equal(packet.proto, 6);
	assert_int_equal(packet.dport, 443);
	assert_int_equal(packet.fragment, 0);
	assert_int_equal(packet.l4_offset, frame.size - 20);
	assert_int_equal(packet.anomaly, DECODE_ANOMALY_NONE);
	/* Cut in every place behind IPv6: a row, no ports until they are there. */
	for (uint32_t size = 54; size < frame.size; size++) {
		assert_int_equal(decode_copy(frame.byte, size, size, 0, &packet), DECODE_ROW);
		assert_int_equal(packet.dport, size < frame.size - 16 ? 0 : 443);
		assert_int_not_equal(packet.anomaly, DECODE_ANOMALY_NONE);
	}
}

static void
test_ip6_endings(void **state)
{
	static const uint8_t finals[] = { 50, 59, 135, 139, 253 };
	struct frame frame;
	struct decode_packet packet;

	(void)state;
	for (uint32_t i = 0; i < sizeof(finals); i++) {
		build_ip6(&frame, finals[i], 16);
		frame_32(&frame, 17u << 24);
		frame_zeros(&frame, 12);
		expect_ports(&frame, finals[i], 0, 0);
	}
	build_ip6(&frame, 43, 8 + 8); /* one address announced, room for none */
	frame_32(&frame, 17u << 24 | 0x0400);
	frame_zeros(&frame, 4);
	frame_udp(&frame, 7, 9, 0);
	expect_anomaly(&frame, "ipv6_extension_truncated");
	build_ip6(&frame, 44, 8 + 8);
	frame_32(&frame, 17u << 24 | 0x0009);
	frame_32(&frame, 99);
	frame_udp(&frame, 7, 9, 0);
	packet = decode_row(&frame);
	assert_int_equal(packet.fragment, 1);
	assert_int_equal(packet.proto, 17);
	assert_int_equal(packet.dport, 0);
	frame.byte[57] = 0x01; /* the first one */
	packet = decode_row(&frame);
	assert_int_equal(packet.fragment, 1);
	assert_int_equal(packet.dport, 9);
}

static void
test_ip6_many_extensions(void **state)
{
	struct frame frame;

	(void)state;
	for (uint32_t count = DECODE_EXTENSIONS_MAX - 1; count <= DECODE_EXTENSIONS_MAX; count++) {
		build_ip6(&frame, 60, count * 8 + 8);
		for (uint32_t i = 0; i < count; i++) {
			frame_32(&frame, (i + 1 == count ? 17u : 60u) << 24 | 0x0104);
			frame_zeros(&frame, 4);
		}
		frame_udp(&frame, 7, 9, 0);
		expect_anomaly(&frame,
		               count < DECODE_EXTENSIONS_MAX ? "none" : "ipv6_extension_count");
	}
}

static void
test_jumbogram(void **state)
{
	struct frame frame;
	struct decode_packet packet;

	(void)state;
	build_ip6(&frame, 0, 0);
	frame_32(&frame, 17u << 24 | 0xc204);
	frame_32(&frame, 70000);
	frame_udp(&frame, 7, 9, 0);
	frame.byte[frame.size - 3] = 0; /* the length of UDP is 0, too */
	packet = decode_row(&frame);
	assert_int_equal(packet.dport, 9);
	assert_int_equal(packet.ip_length, 65535);
	assert_int_equal(packet.payload_length, 70000 - 8 - 8);
	assert_int_equal(packet.anomaly, DECODE_ANOMALY_NONE);
	frame.byte[59] = 0; /* below 65536: no jumbogram, and so no payload */
	expect_ports(&frame, 0, 0, 0);
	expect_anomaly(&frame, "ipv6_extension_truncated");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip4_lengths), cmocka_unit_test(test_ip4_options),
		cmocka_unit_test(test_fragments),   cmocka_unit_test(test_ip6_extensions),
		cmocka_unit_test(test_ip6_endings), cmocka_unit_test(test_ip6_many_extensions),
		cmocka_unit_test(test_jumbogram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
