/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of net/decode_l4.c: ports, ICMP, and lengths that cannot be true. */
#include "tests/unit/net/decode_checks.h"

static void
test_transport(void **state)
{
	struct frame frame = { 0 };

	(void)state;
	frame_tcp4(&frame, 4000, 443, 0);
	frame.byte[46] = 0x40;
	expect_anomaly(&frame, "tcp_header_length");
	frame.byte[46] = 0x60;
	expect_anomaly(&frame, "tcp_header_length");
	expect_ports(&frame, 6, 4000, 443);
	frame.size = 0;
	frame_udp4(&frame, 7, 9, 4);
	expect_anomaly(&frame, "none");
	frame.byte[39] = 7;
	expect_anomaly(&frame, "udp_length");
	frame.byte[39] = 13;
	expect_anomaly(&frame, "udp_length");
	expect_ports(&frame, 17, 7, 9);
	frame.byte[23] = 136; /* UDP-Lite: the length is a coverage */
	expect_ports(&frame, 136, 7, 9);
	expect_anomaly(&frame, "none");
	frame.byte[23] = 33;
	expect_ports(&frame, 33, 7, 9);
	frame.byte[23] = 132;
	expect_ports(&frame, 132, 7, 9);
	frame.size--; /* SCTP: ports of a whole common header only */
	expect_ports(&frame, 132, 0, 0);
	expect_anomaly(&frame, "l4_truncated");
}

static void
test_icmp(void **state)
{
	struct frame frame = { 0 };
	struct decode_packet packet;

	(void)state;
	frame_ethernet(&frame, 0x0800);
	frame_ip4(&frame, 1, 2);
	frame_16(&frame, 0x0301);
	packet = decode_row(&frame);
	assert_int_equal(decode_icmp_type(&packet), 3);
	assert_int_equal(decode_icmp_code(&packet), 1);
	assert_int_equal(packet.sport, 0);
	frame.size--;
	expect_anomaly(&frame, "l4_truncated");
	build_ip6(&frame, 58, 4);
	frame_32(&frame, 0x87050000);
	packet = decode_row(&frame);
	assert_int_equal(decode_icmp_type(&packet), 135);
	assert_int_equal(decode_icmp_code(&packet), 5);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transport),
		cmocka_unit_test(test_icmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
