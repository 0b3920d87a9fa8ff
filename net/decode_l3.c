/* SPDX-License-Identifier: BSD-3-Clause */
/* The decoder's part for IPv4 and its options, IPv6 and its extension headers. */
#include "net/decode_parts.h"

#define IPV4_HEADER 20u
#define IPV6_HEADER 40u
#define ROUTE_BROKEN 0u /* no offset of a destination */
#define IPV4_MORE 0x2000u
#define IPV4_OFFSET 0x1fffu

enum decode_option4 { OPTION4_END = 0, OPTION4_NOP = 1, OPTION4_LSRR = 131, OPTION4_SSRR = 137 };

enum decode_option6 { OPTION6_PAD1 = 0, OPTION6_JUMBO = 0xc2 };

enum decode_extension {
	EXTENSION_HOP = 0,
	EXTENSION_ROUTING = 43,
	EXTENSION_FRAGMENT = 44,
	EXTENSION_AH = 51,
	EXTENSION_NONE = 59,
	EXTENSION_DESTINATION = 60,
	EXTENSION_SHIM6 = 140
};

/* What an extension header came to. */
enum decode_step { STEP_ON, STEP_TRANSPORT, STEP_STOP, STEP_SPLIT };

/* Sums up where IP starts and ends. `length` is header and payload, by the header. */
static void
decode_begin(struct decode_cursor *cursor, struct decode_packet *packet, uint8_t version,
             uint32_t length)
{
	packet->ip_version = version;
	packet->ip_offset = cursor->offset;
	packet->ip_length = (uint16_t)(length > UINT16_MAX ? UINT16_MAX : length);
	packet->sport = 0;
	packet->dport = 0;
	packet->fragment = 0;
	packet->l4 = DECODE_L4_NONE;
	packet->anomaly = DECODE_ANOMALY_NONE;
	decode_limit(cursor, length);
	cursor->whole = (uint64_t)cursor->offset + length;
}

/* The cursor stands behind IP; its payload may still be cut by the transport header. */
static void
decode_payload(const struct decode_cursor *cursor, struct decode_packet *packet)
{
	packet->l4_offset = cursor->offset;
	packet->payload_length =
	    cursor->whole > cursor->offset ? (uint32_t)(cursor->whole - cursor->offset) : 0;
}

/*
 * Finds the destination: in a source route (RFC 791) the header holds the next hop and the option's
 * last address is the destination, which it has to end with. Reads no further than an option's type
 * and length unless it is a route, so a header that is cut behind those still gives a row.
 */
static enum decode_fit
decode_route(const struct decode_cursor *cursor, uint32_t header, uint32_t *dst_offset)
{
	const uint8_t *ip = cursor->data + cursor->offset;
	enum decode_fit fit = DECODE_FIT_YES;

	for (uint32_t at = IPV4_HEADER; at < header;) {
		uint32_t length;

		fit = decode_fits(cursor, at + 1);
		if (fit != DECODE_FIT_YES || ip[at] == OPTION4_END) {
			return fit;
		}
		if (ip[at] == OPTION4_NOP) {
			at++;
			continue;
		}
		if (at + 2 > header) {
			return DECODE_FIT_YES;
		}
		fit = decode_fits(cursor, at + 2);
		if (fit != DECODE_FIT_YES) {
			return fit;
		}
		length = ip[at + 1];
		if (length < 2 || at + length > header) {
			return DECODE_FIT_YES;
		}
		if (ip[at] == OPTION4_LSRR || ip[at] == OPTION4_SSRR) {
			uint32_t pointer;

			fit = decode_fits(cursor, at + 3);
			pointer = fit == DECODE_FIT_YES ? ip[at + 2] : 0;
			if (pointer < 4 || pointer % 4 != 0 || pointer > length) {
				return fit; /* the route is done */
			}
			*dst_offset =
			    length % 4 == 3 ? cursor->offset + at + length - 4 : ROUTE_BROKEN;
			return decode_fits(cursor, header);
		}
		at += length;
	}
	return fit;
}

/* Whether every option of a known type is long enough; the header can be read. */
static bool
decode_options4_good(const uint8_t *ip, uint32_t header)
{
	static const uint8_t least[256] = {
		[7] = 3,   [11] = 4,  [12] = 4,  [25] = 8,  [68] = 4,  [82] = 12, [130] = 3,
		[131] = 3, [133] = 3, [134] = 6, [136] = 4, [137] = 3, [148] = 4,
	};

	for (uint32_t at = IPV4_HEADER; at < header && ip[at] != OPTION4_END;) {
		if (ip[at] == OPTION4_NOP) {
			at++;
			continue;
		}
		if (at + 1 >= header || ip[at + 1] < 2 || at + ip[at + 1] > header) {
			return true; /* no option any more */
		}
		if (ip[at + 1] < least[ip[at]]) {
			return false;
		}
		at += ip[at + 1];
	}
	return true;
}

/* Behind the addresses of IPv4: options, and the transport header unless this is a later fragment.
 */
static enum decode_outcome
decode_behind4(struct decode_cursor *cursor, struct decode_packet *packet, uint32_t header)
{
	const uint8_t *ip = cursor->data + cursor->offset;
	enum decode_fit fit = decode_fits(cursor, header);
	uint32_t fragment = decode_load16(ip + 6) & (IPV4_MORE | IPV4_OFFSET);

	packet->proto = ip[9];
	packet->fragment = fragment != 0;
	if (fit != DECODE_FIT_YES) {
		cursor->offset = cursor->end;
		decode_payload(cursor, packet);
		decode_note(packet, DECODE_ANOMALY_L4_TRUNCATED);
		return fit == DECODE_FIT_SPLIT ? DECODE_HEADER_SPLIT : DECODE_ROW;
	}
	cursor->offset += header;
	decode_payload(cursor, packet);
	if (header > IPV4_HEADER && !decode_options4_good(ip, header)) {
		decode_note(packet, DECODE_ANOMALY_IPV4_OPTION);
		return DECODE_ROW;
	}
	return (fragment & IPV4_OFFSET) != 0 ? DECODE_ROW : decode_transport(cursor, packet);
}

static enum decode_outcome
decode_ip4(struct decode_cursor *cursor, struct decode_packet *packet)
{
	const uint8_t *ip = cursor->data + cursor->offset;
	uint32_t header = (uint32_t)(ip[0] & 0x0f) * 4;
	enum decode_fit fit = decode_fits(cursor, IPV4_HEADER);
	uint32_t length, dst_offset = cursor->offset + 16;

	if (header < IPV4_HEADER) {
		return DECODE_IPV4_HEADER_LENGTH;
	}
	if (fit != DECODE_FIT_YES) {
		return fit == DECODE_FIT_SPLIT ? DECODE_HEADER_SPLIT : DECODE_IPV4_TRUNCATED;
	}
	length = decode_load16(ip + 2);
	if (length == 0) {
		/* Segmentation offload: the NIC was to fill it in. All that is there belongs. */
		length = cursor->end - cursor->offset;
	} else if (length < header) {
		return DECODE_IPV4_TOTAL_LENGTH;
	}
	if (header > IPV4_HEADER) {
		fit = decode_route(cursor, header, &dst_offset);
		if (fit != DECODE_FIT_YES) {
			return fit == DECODE_FIT_SPLIT ? DECODE_HEADER_SPLIT
			                               : DECODE_IPV4_TRUNCATED;
		}
		if (dst_offset == ROUTE_BROKEN) {
			return DECODE_IPV4_SOURCE_ROUTE;
		}
	}
	decode_begin(cursor, packet, 4, length);
	packet->dst_offset = dst_offset;
	return decode_behind4(cursor, packet, header);
}

/* Whether the addresses of a routing header have room in its `words` of 8 bytes behind the first.
 */
static bool
decode_routing_good(const uint8_t *header, uint32_t words)
{
	if (header[2] == 2) { /* RFC 6275: one home address */
		return words >= 2;
	}
	if (header[2] == 4) { /* RFC 8754: the segments up to the last entry */
		return words >= ((uint32_t)header[4] + 1) * 2;
	}
	return true;
}

/* The size of an extension header whose first two bytes can be read. */
static uint32_t
decode_extension_size(uint8_t kind, const uint8_t *header)
{
	return kind == EXTENSION_AH ? (header[1] + 2u) * 4 : (header[1] + 1u) * 8;
}

static enum decode_step
decode_cut(struct decode_packet *packet, enum decode_fit fit)
{
	decode_note(packet, DECODE_ANOMALY_EXTENSION_TRUNCATED);
	return fit == DECODE_FIT_SPLIT ? STEP_SPLIT : STEP_STOP;
}

static enum decode_step
decode_fragment6(struct decode_cursor *cursor, struct decode_packet *packet)
{
	const uint8_t *header = cursor->data + cursor->offset;
	enum decode_fit fit = decode_fits(cursor, 8);
	uint32_t field;

	if (fit != DECODE_FIT_YES) {
		return decode_cut(packet, fit);
	}
	field = decode_load16(header + 2);
	packet->proto = header[0];
	packet->fragment = packet->fragment || (field & 0xfff9) != 0;
	cursor->offset += 8;
	return (field & 0xfff8) != 0 ? STEP_STOP : STEP_ON;
}

/* One header of the chain: `proto` is its kind and becomes that of the next one. */
static enum decode_step
decode_extension(struct decode_cursor *cursor, struct decode_packet *packet)
{
	const uint8_t *header = cursor->data + cursor->offset;
	uint8_t kind = packet->proto;
	enum decode_fit fit;
	uint32_t size;

	switch (kind) {
	case EXTENSION_HOP:
	case EXTENSION_DESTINATION:
	case EXTENSION_ROUTING:
	case EXTENSION_AH:
	case EXTENSION_SHIM6:
		break;
	case EXTENSION_FRAGMENT:
		return decode_fragment6(cursor, packet);
	default:
		return kind == EXTENSION_NONE ? STEP_STOP : STEP_TRANSPORT;
	}
	fit = decode_fits(cursor, 2);
	if (fit != DECODE_FIT_YES) {
		return decode_cut(packet, fit);
	}
	size = decode_extension_size(kind, header);
	packet->proto = header[0];
	fit = decode_fits(cursor, size);
	if (kind == EXTENSION_ROUTING && fit == DECODE_FIT_YES &&
	    !decode_routing_good(header, size / 8 - 1)) {
		fit = DECODE_FIT_CUT;
	}
	if (fit != DECODE_FIT_YES) {
		return decode_cut(packet, fit);
	}
	cursor->offset += size;
	return STEP_ON;
}

/* The extension headers and the transport header; the cursor stands behind the IPv6 header. */
static enum decode_outcome
decode_behind6(struct decode_cursor *cursor, struct decode_packet *packet)
{
	for (uint32_t i = 0; i < DECODE_EXTENSIONS_MAX; i++) {
		enum decode_step step = decode_extension(cursor, packet);

		if (step == STEP_ON) {
			continue;
		}
		decode_payload(cursor, packet);
		if (step == STEP_SPLIT) {
			return DECODE_HEADER_SPLIT;
		}
		return step == STEP_TRANSPORT ? decode_transport(cursor, packet) : DECODE_ROW;
	}
	decode_payload(cursor, packet);
	decode_note(packet, DECODE_ANOMALY_EXTENSION_COUNT);
	return DECODE_ROW;
}

/*
 * The payload length of a datagram that gives 0: a jumbogram (RFC 2675) says it in a hop-by-hop
 * option; else it stays 0.
 */
static enum decode_fit
decode_jumbo(const struct decode_cursor *cursor, uint32_t *length)
{
	const uint8_t *ip = cursor->data + cursor->offset;
	uint32_t at = IPV6_HEADER + 2;
	uint32_t size;
	enum decode_fit fit = ip[6] == EXTENSION_HOP ? decode_fits(cursor, at) : DECODE_FIT_CUT;

	if (fit != DECODE_FIT_YES) {
		return fit;
	}
	size = IPV6_HEADER + decode_extension_size(EXTENSION_HOP, ip + IPV6_HEADER);
	while (at + 6 <= size) {
		fit = decode_fits(cursor, at + 6);
		if (fit != DECODE_FIT_YES) {
			return fit;
		}
		if (ip[at] == OPTION6_JUMBO && ip[at + 1] == 4) {
			uint32_t value = decode_load32(ip + at + 2);

			*length = value > UINT16_MAX ? value : 0;
			return fit;
		}
		at += ip[at] == OPTION6_PAD1 ? 1 : 2u + ip[at + 1];
	}
	return fit;
}

static enum decode_outcome
decode_ip6(struct decode_cursor *cursor, struct decode_packet *packet)
{
	const uint8_t *ip = cursor->data + cursor->offset;
	enum decode_fit fit = decode_fits(cursor, IPV6_HEADER);
	uint32_t length;

	if (fit != DECODE_FIT_YES) {
		return fit == DECODE_FIT_SPLIT ? DECODE_HEADER_SPLIT : DECODE_IPV6_TRUNCATED;
	}
	length = decode_load16(ip + 4);
	if (length == 0 && decode_jumbo(cursor, &length) == DECODE_FIT_SPLIT) {
		return DECODE_HEADER_SPLIT;
	}
	length = length > UINT32_MAX - IPV6_HEADER ? UINT32_MAX : length + IPV6_HEADER;
	decode_begin(cursor, packet, 6, length);
	packet->dst_offset = cursor->offset + 24;
	packet->proto = ip[6];
	cursor->offset += IPV6_HEADER;
	return decode_behind6(cursor, packet);
}

enum decode_outcome
decode_ip(struct decode_cursor *cursor, struct decode_packet *packet, enum decode_network network)
{
	enum decode_fit fit = decode_fits(cursor, 1);
	uint8_t version;

	if (fit == DECODE_FIT_SPLIT) {
		return DECODE_HEADER_SPLIT;
	}
	if (fit == DECODE_FIT_CUT) {
		return network == DECODE_NETWORK_4 ? DECODE_IPV4_TRUNCATED : DECODE_IPV6_TRUNCATED;
	}
	version = cursor->data[cursor->offset] >> 4;
	if (version == 6) {
		return decode_ip6(cursor, packet); /* also where IPv4 was announced */
	}
	if (network == DECODE_NETWORK_6) {
		return DECODE_IPV6_VERSION;
	}
	return version == 4 ? decode_ip4(cursor, packet) : DECODE_IPV4_VERSION;
}
