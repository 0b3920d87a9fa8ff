/* SPDX-License-Identifier: BSD-3-Clause */
/* The decoder's part for tunnels: from the outer packet's transport to the inner IP header. */
#include "net/decode_parts.h"

#define TUNNEL_VXLAN_PORT 4789u
#define TUNNEL_GTPU_PORT 2152u
#define TUNNEL_GTPU_EXTENSIONS_MAX 16u

enum decode_gre {
	GRE_CHECKSUM = 0x8000,
	GRE_ROUTING = 0x4000,
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_ACKNOWLEDGE = 0x0080,
	GRE_VERSION = 0x0007
};

#define ETHERTYPE_PPP 0x880bu

/* What a tunnel header leads to: the cursor then stands there. */
enum decode_inside {
	INSIDE_NOTHING, /* not a tunnel, or nothing in it that could be IP */
	INSIDE_BAD,     /* does not decode */
	INSIDE_SPLIT,   /* continues past the contiguous bytes */
	INSIDE_IP4,
	INSIDE_IP6,
	INSIDE_ETHERNET,
	INSIDE_TYPE /* what *type says */
};

static enum decode_inside
decode_inside_unfit(enum decode_fit fit)
{
	return fit == DECODE_FIT_SPLIT ? INSIDE_SPLIT : INSIDE_BAD;
}

/* PPTP (RFC 2637): PPP, perhaps with the address and control bytes of HDLC, behind GRE. */
static enum decode_inside
decode_inside_ppp(struct decode_cursor *cursor)
{
	enum decode_fit fit = decode_fits(cursor, 4);
	const uint8_t *ppp = cursor->data + cursor->offset;
	uint32_t size = 0, protocol;

	if (fit == DECODE_FIT_CUT) {
		return INSIDE_NOTHING; /* an acknowledgement */
	}
	if (fit == DECODE_FIT_SPLIT) {
		return INSIDE_SPLIT;
	}
	if (ppp[0] == 0xff && ppp[1] == 0x03) {
		size = 2;
	}
	protocol = ppp[size++];
	if ((protocol & 1) == 0) {
		protocol = protocol << 8 | ppp[size++];
	}
	cursor->offset += size;
	return protocol == 0x21 ? INSIDE_IP4 : protocol == 0x57 ? INSIDE_IP6 : INSIDE_NOTHING;
}

/* GRE (RFC 2784, 2890), NVGRE (RFC 7637) and the GRE of PPTP. */
static enum decode_inside
decode_inside_gre(struct decode_cursor *cursor, uint32_t *type)
{
	enum decode_fit fit = decode_fits(cursor, 4);
	uint32_t flags, size = 4;

	if (fit != DECODE_FIT_YES) {
		return decode_inside_unfit(fit);
	}
	flags = decode_load16(cursor->data + cursor->offset);
	*type = decode_load16(cursor->data + cursor->offset + 2);
	if ((flags & GRE_ROUTING) != 0) {
		return INSIDE_BAD; /* RFC 1701 only; nobody sends it */
	}
	size += (flags & GRE_CHECKSUM) != 0 ? 4 : 0;
	size += (flags & GRE_KEY) != 0 ? 4 : 0;
	size += (flags & GRE_SEQUENCE) != 0 ? 4 : 0;
	if ((flags & GRE_VERSION) == 1 && *type == ETHERTYPE_PPP) {
		size += (flags & GRE_ACKNOWLEDGE) != 0 ? 4 : 0;
	} else if ((flags & GRE_VERSION) != 0) {
		return INSIDE_BAD;
	}
	fit = decode_fits(cursor, size);
	if (fit != DECODE_FIT_YES) {
		return decode_inside_unfit(fit);
	}
	cursor->offset += size;
	return (flags & GRE_VERSION) == 1 ? decode_inside_ppp(cursor) : INSIDE_TYPE;
}

static enum decode_inside
decode_inside_vxlan(struct decode_cursor *cursor)
{
	enum decode_fit fit = decode_fits(cursor, 8);

	if (fit != DECODE_FIT_YES) {
		return decode_inside_unfit(fit);
	}
	if ((cursor->data[cursor->offset] & 0x08) == 0) {
		return INSIDE_BAD; /* RFC 7348: the I flag must be set */
	}
	cursor->offset += 8;
	return INSIDE_ETHERNET;
}

/* The extension headers of GTP-U: a length in words of 4 bytes first, the next one's type last. */
static enum decode_inside
decode_gtpu_extensions(struct decode_cursor *cursor, uint8_t next)
{
	for (uint32_t i = 0; next != 0; i++) {
		enum decode_fit fit = decode_fits(cursor, 4);
		uint32_t size;

		if (fit != DECODE_FIT_YES) {
			return decode_inside_unfit(fit);
		}
		size = cursor->data[cursor->offset] * 4u;
		fit = decode_fits(cursor, size);
		if (size == 0 || i == TUNNEL_GTPU_EXTENSIONS_MAX) {
			return INSIDE_BAD;
		}
		if (fit != DECODE_FIT_YES) {
			return decode_inside_unfit(fit);
		}
		cursor->offset += size;
		next = cursor->data[cursor->offset - 1];
	}
	return INSIDE_IP4;
}

/* A G-PDU of GTP-U version 1 (TS 29.281); other messages carry no packet. */
static enum decode_inside
decode_inside_gtpu(struct decode_cursor *cursor)
{
	enum decode_fit fit = decode_fits(cursor, 8);
	const uint8_t *gtp = cursor->data + cursor->offset;
	enum decode_inside inside = INSIDE_IP4;

	if (fit != DECODE_FIT_YES) {
		return decode_inside_unfit(fit);
	}
	if (gtp[0] >> 5 != 1 || (gtp[0] & 0x10) == 0) {
		return INSIDE_BAD;
	}
	if (gtp[1] != 255) {
		return INSIDE_NOTHING;
	}
	cursor->offset += 8;
	decode_limit(cursor, decode_load16(gtp + 2));
	if ((gtp[0] & 0x07) != 0) {
		fit = decode_fits(cursor, 4);
		if (fit != DECODE_FIT_YES) {
			return decode_inside_unfit(fit);
		}
		cursor->offset += 4;
		if ((gtp[0] & 0x04) != 0) {
			inside = decode_gtpu_extensions(cursor, gtp[11]);
		}
	}
	fit = decode_fits(cursor, 1);
	if (inside != INSIDE_IP4 || fit != DECODE_FIT_YES) {
		return inside != INSIDE_IP4 ? inside : decode_inside_unfit(fit);
	}
	switch (cursor->data[cursor->offset] >> 4) {
	case 4:
		return INSIDE_IP4;
	case 6:
		return INSIDE_IP6;
	default:
		return INSIDE_NOTHING; /* a bearer may carry Ethernet or anything else */
	}
}

/* Moves the cursor from the packet's transport header into what it carries. */
static enum decode_inside
decode_inside(struct decode_cursor *cursor, const struct decode_packet *packet,
              enum decode_tunnel *tunnel, uint32_t *type)
{
	cursor->offset = packet->l4_offset;
	switch (packet->proto) {
	case DECODE_IPIP:
		*tunnel = DECODE_TUNNEL_IP;
		return INSIDE_IP4;
	case DECODE_IPV6:
		*tunnel = DECODE_TUNNEL_IP;
		return INSIDE_IP6;
	case DECODE_GRE:
		*tunnel = DECODE_TUNNEL_GRE;
		return decode_inside_gre(cursor, type);
	case DECODE_UDP:
		if (packet->l4 != DECODE_L4_PORTS || decode_fits(cursor, 8) != DECODE_FIT_YES) {
			return INSIDE_NOTHING;
		}
		cursor->offset += 8;
		if (packet->dport == TUNNEL_VXLAN_PORT) {
			*tunnel = DECODE_TUNNEL_VXLAN;
			return decode_inside_vxlan(cursor);
		}
		if (packet->dport == TUNNEL_GTPU_PORT) {
			*tunnel = DECODE_TUNNEL_GTPU;
			return decode_inside_gtpu(cursor);
		}
		return INSIDE_NOTHING;
	default:
		return INSIDE_NOTHING;
	}
}

/* Decodes what is inside into `packet`. False in *found: nothing there that has IP. */
static enum decode_outcome
decode_inner(struct decode_cursor *cursor, struct decode_packet *packet, enum decode_inside inside,
             uint32_t type, bool *found)
{
	enum decode_outcome outcome = DECODE_ROW;
	enum decode_network network = inside == INSIDE_IP6 ? DECODE_NETWORK_6 : DECODE_NETWORK_4;

	if (inside == INSIDE_ETHERNET) {
		outcome = decode_ethernet(cursor, packet, &network);
	} else if (inside == INSIDE_TYPE) {
		outcome = decode_links(cursor, packet, type, &network);
	}
	*found = outcome == DECODE_ROW && network != DECODE_NETWORK_NONE;
	return *found ? decode_ip(cursor, packet, network) : outcome;
}

/* Whether the transport of a packet was reached: not behind a later fragment or a cut header. */
static bool
decode_reached(const struct decode_cursor *cursor, const struct decode_packet *packet)
{
	const uint8_t *ip = cursor->data + packet->ip_offset;

	if (packet->anomaly == DECODE_ANOMALY_L4_TRUNCATED ||
	    packet->anomaly == DECODE_ANOMALY_IPV4_OPTION ||
	    packet->anomaly == DECODE_ANOMALY_EXTENSION_TRUNCATED ||
	    packet->anomaly == DECODE_ANOMALY_EXTENSION_COUNT) {
		return false;
	}
	if (packet->fragment == 0) {
		return true;
	}
	/* Of fragments the first; IPv6: not worth finding the header again. */
	return packet->ip_version == 4 && (decode_load16(ip + 6) & 0x1fff) == 0;
}

enum decode_outcome
decode_tunnels(struct decode_cursor *cursor, struct decode_packet *packet)
{
	enum decode_tunnel first = DECODE_TUNNEL_NONE;

	cursor->inner = true;
	for (uint32_t i = 0; i < DECODE_TUNNELS_MAX && decode_reached(cursor, packet); i++) {
		struct decode_packet outer = *packet;
		enum decode_tunnel tunnel = DECODE_TUNNEL_NONE;
		uint32_t type = 0;
		enum decode_inside inside = decode_inside(cursor, packet, &tunnel, &type);
		enum decode_outcome outcome = DECODE_ROW;
		bool found = false;

		if (inside == INSIDE_SPLIT) {
			return DECODE_HEADER_SPLIT;
		}
		if (inside != INSIDE_NOTHING && inside != INSIDE_BAD) {
			outcome = decode_inner(cursor, packet, inside, type, &found);
		}
		if (outcome == DECODE_HEADER_SPLIT) {
			return outcome;
		}
		if (outcome != DECODE_ROW || !found) {
			*packet = outer;
			if (outcome != DECODE_ROW || inside == INSIDE_BAD) {
				decode_note(packet, DECODE_ANOMALY_TUNNEL);
			}
			return DECODE_ROW;
		}
		first = first == DECODE_TUNNEL_NONE ? tunnel : first;
		packet->tunnel = (uint8_t)first;
	}
	return DECODE_ROW;
}
