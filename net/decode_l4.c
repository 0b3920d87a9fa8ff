/* SPDX-License-Identifier: BSD-3-Clause */
/* The decoder's part for transport headers: ports, and whether the lengths can be true. */
#include "net/decode_parts.h"

/*
 * Reads the ports if `size` bytes are there. True: go on. Else *outcome is what to return, the
 * anomaly is noted.
 */
static bool
decode_ports(const struct decode_cursor *cursor, struct decode_packet *packet, uint32_t size,
             enum decode_outcome *outcome)
{
	enum decode_fit fit = decode_fits(cursor, size);
	const uint8_t *l4 = cursor->data + cursor->offset;

	*outcome = fit == DECODE_FIT_SPLIT ? DECODE_HEADER_SPLIT : DECODE_ROW;
	if (fit != DECODE_FIT_YES) {
		decode_note(packet, DECODE_ANOMALY_L4_TRUNCATED);
		return false;
	}
	packet->sport = decode_load16(l4);
	packet->dport = decode_load16(l4 + 2);
	packet->l4 = DECODE_L4_PORTS;
	return true;
}

/* Takes the transport header off the payload. */
static void
decode_shorten(struct decode_packet *packet, uint32_t header)
{
	packet->payload_length =
	    packet->payload_length > header ? packet->payload_length - header : 0;
}

static enum decode_outcome
decode_tcp(const struct decode_cursor *cursor, struct decode_packet *packet)
{
	const uint8_t *tcp = cursor->data + cursor->offset;
	enum decode_outcome outcome;
	enum decode_fit fit;
	uint32_t header;

	if (!decode_ports(cursor, packet, 4, &outcome)) {
		return outcome;
	}
	fit = decode_fits(cursor, 20);
	if (fit == DECODE_FIT_CUT) {
		decode_note(packet, DECODE_ANOMALY_L4_TRUNCATED);
		fit = decode_fits(cursor, 14);
	}
	if (fit != DECODE_FIT_YES) {
		decode_shorten(packet, 20);
		return fit == DECODE_FIT_SPLIT ? DECODE_HEADER_SPLIT : DECODE_ROW;
	}
	packet->l4 = DECODE_L4_TCP;
	header = (uint32_t)(tcp[12] >> 4) * 4;
	if (header < 20 || cursor->offset + (uint64_t)header > cursor->whole) {
		decode_note(packet, DECODE_ANOMALY_TCP_HEADER_LENGTH);
	}
	decode_shorten(packet, header < 20 ? 20 : header);
	return DECODE_ROW;
}

static enum decode_outcome
decode_udp(const struct decode_cursor *cursor, struct decode_packet *packet)
{
	enum decode_outcome outcome;
	enum decode_fit fit;
	uint32_t length;

	if (!decode_ports(cursor, packet, 4, &outcome)) {
		return outcome;
	}
	decode_shorten(packet, 8);
	fit = decode_fits(cursor, 8);
	if (fit != DECODE_FIT_YES) {
		decode_note(packet, DECODE_ANOMALY_L4_TRUNCATED);
		return fit == DECODE_FIT_SPLIT ? DECODE_HEADER_SPLIT : DECODE_ROW;
	}
	length = decode_load16(cursor->data + cursor->offset + 4);
	/* The length is that of the whole datagram, of which a fragment holds a part; 0 in a
	 * jumbogram. */
	if ((length < 8 && !(length == 0 && packet->payload_length > UINT16_MAX - 8)) ||
	    (packet->fragment == 0 && cursor->offset + (uint64_t)length > cursor->whole)) {
		decode_note(packet, DECODE_ANOMALY_UDP_LENGTH);
	}
	return DECODE_ROW;
}

enum decode_outcome
decode_transport(struct decode_cursor *cursor, struct decode_packet *packet)
{
	enum decode_outcome outcome = DECODE_ROW;

	switch (packet->proto) {
	case DECODE_TCP:
		return decode_tcp(cursor, packet);
	case DECODE_UDP:
		return decode_udp(cursor, packet);
	case DECODE_UDPLITE:
		if (decode_ports(cursor, packet, 4, &outcome)) {
			decode_shorten(packet, 8);
		}
		return outcome;
	case DECODE_SCTP:
		decode_ports(cursor, packet, 12, &outcome);
		return outcome;
	case DECODE_DCCP:
		decode_ports(cursor, packet, 4, &outcome);
		return outcome;
	case DECODE_ICMP:
	case DECODE_ICMPV6: {
		enum decode_fit fit = decode_fits(cursor, 2);

		if (fit == DECODE_FIT_YES) {
			packet->l4 = DECODE_L4_ICMP;
			return DECODE_ROW;
		}
		decode_note(packet, DECODE_ANOMALY_L4_TRUNCATED);
		return fit == DECODE_FIT_SPLIT ? DECODE_HEADER_SPLIT : DECODE_ROW;
	}
	default:
		return DECODE_ROW;
	}
}
