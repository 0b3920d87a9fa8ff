/* SPDX-License-Identifier: BSD-3-Clause */
/* The slow path of the decoder: any frame, from Ethernet over tags, labels and PPPoE to IP. */
#include "net/decode.h"
#include "net/decode_parts.h"

enum decode_ethertype {
	ETHERTYPE_FIRST = 0x0600, /* below: the length of an 802.3 frame */
	ETHERTYPE_LENGTH_MAX = 1500,
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_ETHERNET = 0x6558,
	ETHERTYPE_RARP = 0x8035,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_MPLS_MULTICAST = 0x8848,
	ETHERTYPE_PPPOE_SESSION = 0x8864,
	ETHERTYPE_VLAN_SERVICE = 0x88a8,
	ETHERTYPE_MACSEC = 0x88e5,
	ETHERTYPE_BACKBONE = 0x88e7,
	ETHERTYPE_VN_TAG = 0x8926,
	ETHERTYPE_HSR = 0x892f,
	ETHERTYPE_E_TAG = 0x893f,
	ETHERTYPE_VLAN_OLD = 0x9100,
	ETHERTYPE_R_TAG = 0xf1c1
};

enum decode_ppp {
	PPP_IPV4 = 0x0021,
	PPP_IPV6 = 0x0057,
	PPP_MPLS = 0x0281,
	PPP_MPLS_MULTICAST = 0x0283
};

#define MPLS_BOTTOM 0x100u
#define MPLS_LABEL_GAL 13u /* RFC 5586: an associated channel header follows */
#define MPLS_LABEL_OAM 14u

static const char *const outcome_texts[] = { "row",
#define OUTCOME_TEXT(suffix, text) text,
	                                     DECODE_DROPS(OUTCOME_TEXT)
#undef OUTCOME_TEXT
};

static const char *const anomaly_texts[] = {
#define ANOMALY_TEXT(suffix, text) text,
	DECODE_ANOMALIES(ANOMALY_TEXT)
#undef ANOMALY_TEXT
};

static const char *const tunnel_texts[] = {
#define TUNNEL_TEXT(suffix, text) text,
	DECODE_TUNNELS(TUNNEL_TEXT)
#undef TUNNEL_TEXT
};

const char *
decode_outcome_text(enum decode_outcome outcome)
{
	return outcome < DECODE_OUTCOME_COUNT ? outcome_texts[outcome] : "unknown";
}

const char *
decode_anomaly_text(enum decode_anomaly anomaly)
{
	return anomaly < DECODE_ANOMALY_COUNT ? anomaly_texts[anomaly] : "unknown";
}

const char *
decode_tunnel_text(enum decode_tunnel tunnel)
{
	return tunnel < DECODE_TUNNEL_COUNT ? tunnel_texts[tunnel] : "unknown";
}

enum decode_outcome
decode_any(const uint8_t *data, uint32_t contiguous, uint32_t captured, uint32_t options,
           struct decode_packet *packet)
{
	struct decode_cursor cursor = { .data = data, .contiguous = contiguous, .end = captured };
	enum decode_network network;
	enum decode_outcome outcome;

	/* One VLAN tag is common, too. */
	if (contiguous >= 14 && decode_load16(data + 12) == ETHERTYPE_VLAN &&
	    decode_quick(data, contiguous, captured, options, 18, packet)) {
		packet->vlan = decode_load16(data + 14) & 0xfff;
		return DECODE_ROW;
	}
	*packet = (struct decode_packet){ .data = data, .captured = captured };
	outcome = decode_ethernet(&cursor, packet, &network);
	if (outcome != DECODE_ROW || network == DECODE_NETWORK_NONE) {
		return outcome;
	}
	outcome = decode_ip(&cursor, packet, network);
	if (outcome == DECODE_ROW && (options & DECODE_INNER) != 0) {
		outcome = decode_tunnels(&cursor, packet);
	}
	return outcome;
}

/* A header that is not there in full: the reason to give. */
static enum decode_outcome
decode_unfit(enum decode_fit fit, enum decode_outcome cut)
{
	return fit == DECODE_FIT_CUT ? cut : DECODE_HEADER_SPLIT;
}

/*
 * The LLC header of an 802.3 frame whose length was `length`: IP by its service access point, or an
 * ethertype by SNAP. Anything else, and anything cut, is no ethertype (0).
 */
static enum decode_outcome
decode_llc(struct decode_cursor *cursor, uint32_t length, uint32_t *type)
{
	static const uint8_t snap[] = { 0xaa, 0xaa, 0x03, 0, 0, 0 };
	enum decode_fit fit;
	const uint8_t *llc;

	*type = 0;
	decode_limit(cursor, length);
	fit = decode_fits(cursor, 3);
	if (fit != DECODE_FIT_YES) {
		return decode_unfit(fit, DECODE_ROW);
	}
	llc = cursor->data + cursor->offset;
	if (llc[0] == 0x06 && llc[2] == 0x03) {
		cursor->offset += 3;
		*type = ETHERTYPE_IPV4;
	} else if (llc[0] == snap[0] && llc[1] == snap[1] && llc[2] == snap[2]) {
		fit = decode_fits(cursor, 8);
		if (fit != DECODE_FIT_YES) {
			return decode_unfit(fit, DECODE_ROW);
		}
		if (memcmp(llc, snap, sizeof(snap)) == 0) {
			uint32_t snap_type = decode_load16(llc + 6);

			cursor->offset += 8;
			*type = snap_type >= ETHERTYPE_FIRST ? snap_type : 0;
		}
	}
	return DECODE_ROW;
}

/* Moves over `size` bytes whose last two are an ethertype or the length of an 802.3 frame. */
static enum decode_outcome
decode_type(struct decode_cursor *cursor, uint32_t size, enum decode_outcome cut, uint32_t *type)
{
	enum decode_fit fit = decode_fits(cursor, size);

	if (fit != DECODE_FIT_YES) {
		return decode_unfit(fit, cut);
	}
	cursor->offset += size;
	*type = decode_load16(cursor->data + cursor->offset - 2);
	if (*type >= ETHERTYPE_FIRST) {
		return DECODE_ROW;
	}
	if (*type == 0 || *type > ETHERTYPE_LENGTH_MAX) {
		*type = 0;
		return DECODE_ROW;
	}
	return decode_llc(cursor, *type, type);
}

enum decode_outcome
decode_ethernet(struct decode_cursor *cursor, struct decode_packet *packet,
                enum decode_network *network)
{
	uint32_t type = 0;
	enum decode_outcome outcome = decode_type(cursor, 14, DECODE_ETHERNET_TRUNCATED, &type);

	*network = DECODE_NETWORK_NONE;
	return outcome != DECODE_ROW ? outcome : decode_links(cursor, packet, type, network);
}

/* The size of a tag that ends in an ethertype; 0: not a tag. */
static uint32_t
decode_tag_size(const struct decode_cursor *cursor, uint32_t type)
{
	switch (type) {
	case ETHERTYPE_VLAN:
	case ETHERTYPE_VLAN_SERVICE:
	case ETHERTYPE_VLAN_OLD:
		return 4;
	case ETHERTYPE_VN_TAG:
	case ETHERTYPE_HSR:
	case ETHERTYPE_R_TAG:
		return 6;
	case ETHERTYPE_E_TAG:
		return 8;
	case ETHERTYPE_ETHERNET:
		return 14;
	case ETHERTYPE_BACKBONE:
		return 18;
	case ETHERTYPE_MACSEC: {
		/* Neither encrypted nor changed (E, C): readable behind 6 bytes, 8 more with SC. */
		uint8_t control;

		if (decode_fits(cursor, 1) != DECODE_FIT_YES) {
			return 1; /* which does not fit either */
		}
		control = cursor->data[cursor->offset];
		if ((control & 0x0c) != 0) {
			return 0;
		}
		return (control & 0x20) != 0 ? 16 : 8;
	}
	default:
		return 0;
	}
}

static enum decode_outcome
decode_tag(struct decode_cursor *cursor, struct decode_packet *packet, uint32_t size,
           bool first_vlan, uint32_t *type)
{
	const uint8_t *tag = cursor->data + cursor->offset;
	enum decode_outcome outcome = decode_type(cursor, size, DECODE_VLAN_TRUNCATED, type);

	if (outcome == DECODE_ROW && first_vlan) {
		packet->vlan = decode_load16(tag) & 0xfff;
	}
	return outcome;
}

static enum decode_outcome
decode_arp(struct decode_cursor *cursor)
{
	enum decode_fit fit = decode_fits(cursor, 8);
	const uint8_t *arp = cursor->data + cursor->offset;

	if (fit != DECODE_FIT_YES) {
		return decode_unfit(fit, DECODE_ARP_TRUNCATED);
	}
	/* The addresses need not be contiguous: nobody reads them. */
	fit = decode_fits(cursor, 8 + 2 * ((uint32_t)arp[4] + arp[5]));
	return fit == DECODE_FIT_CUT ? DECODE_ARP_TRUNCATED : DECODE_ROW;
}

/* Whether this could be the type of an Ethernet frame in a pseudowire. */
static bool
decode_looks_like_type(uint32_t type)
{
	switch (type) {
	case ETHERTYPE_IPV4:
	case ETHERTYPE_IPV6:
	case ETHERTYPE_ARP:
	case ETHERTYPE_VLAN:
	case ETHERTYPE_VLAN_SERVICE:
	case ETHERTYPE_MPLS:
	case ETHERTYPE_PPPOE_SESSION:
		return true;
	default:
		return false;
	}
}

/*
 * A pseudowire of Ethernet, its control word 0 or left out: whichever has an ethertype where it
 * belongs. Not seen when the frame is cut before it.
 */
static enum decode_outcome
decode_pseudowire(struct decode_cursor *cursor, uint32_t *type)
{
	const uint8_t *payload = cursor->data + cursor->offset;
	enum decode_fit fit = decode_fits(cursor, 4 + 14);

	if (fit != DECODE_FIT_YES) {
		return decode_unfit(fit, DECODE_ROW);
	}
	if (decode_looks_like_type(decode_load16(payload + 4 + 12))) {
		cursor->offset += 4;
		*type = ETHERTYPE_ETHERNET;
	} else if (decode_looks_like_type(decode_load16(payload + 12))) {
		*type = ETHERTYPE_ETHERNET;
	}
	return DECODE_ROW;
}

/*
 * What is behind the labels says so itself, if at all (RFC 4928): the first four bits are 4 or 6
 * for IP, 1 for an associated channel, 0 for the control word of a pseudowire, which may be
 * missing. `type` becomes an ethertype, 0 when it cannot be told.
 */
static enum decode_outcome
decode_mpls_payload(struct decode_cursor *cursor, uint32_t label, uint32_t *type)
{
	enum decode_fit fit = decode_fits(cursor, 4);
	const uint8_t *payload = cursor->data + cursor->offset;

	*type = 0;
	if (fit != DECODE_FIT_YES) {
		return decode_unfit(fit, DECODE_ROW);
	}
	if (label == MPLS_LABEL_OAM) {
		return DECODE_ROW;
	}
	if (payload[0] >> 4 == 1 || label == MPLS_LABEL_GAL) {
		uint32_t channel = decode_load16(payload + 2);

		cursor->offset += 4;
		*type = channel == PPP_IPV4   ? ETHERTYPE_IPV4
		        : channel == PPP_IPV6 ? ETHERTYPE_IPV6
		                              : 0;
	} else if (payload[0] >> 4 == 4) {
		*type = ETHERTYPE_IPV4;
	} else if (payload[0] >> 4 == 6) {
		*type = ETHERTYPE_IPV6;
	} else if (payload[0] >> 4 == 0) {
		return decode_pseudowire(cursor, type);
	}
	return DECODE_ROW;
}

static enum decode_outcome
decode_mpls(struct decode_cursor *cursor, struct decode_packet *packet, uint32_t *type)
{
	for (uint32_t i = 0; i < DECODE_LABELS_MAX; i++) {
		enum decode_fit fit = decode_fits(cursor, 4);
		uint32_t entry;

		if (fit != DECODE_FIT_YES) {
			return decode_unfit(fit, DECODE_MPLS_TRUNCATED);
		}
		entry = decode_load32(cursor->data + cursor->offset);
		cursor->offset += 4;
		if (i == 0 && !cursor->inner) {
			packet->mpls = entry >> 12;
		}
		if ((entry & MPLS_BOTTOM) != 0) {
			return decode_mpls_payload(cursor, entry >> 12, type);
		}
	}
	return DECODE_TOO_MANY_HEADERS;
}

/* A session header and the PPP protocol behind it, which may be written in one byte. */
static enum decode_outcome
decode_pppoe(struct decode_cursor *cursor, uint32_t *type)
{
	enum decode_fit fit = decode_fits(cursor, 6);
	uint32_t protocol;

	*type = 0;
	if (fit != DECODE_FIT_YES) {
		return decode_unfit(fit, DECODE_PPPOE_TRUNCATED);
	}
	cursor->offset += 6;
	decode_limit(cursor, decode_load16(cursor->data + cursor->offset - 2));
	fit = decode_fits(cursor, 1);
	if (fit != DECODE_FIT_YES) {
		return decode_unfit(fit, DECODE_ROW);
	}
	protocol = cursor->data[cursor->offset];
	if ((protocol & 1) != 0) {
		cursor->offset += 1;
	} else {
		fit = decode_fits(cursor, 2);
		if (fit != DECODE_FIT_YES) {
			return decode_unfit(fit, DECODE_ROW);
		}
		protocol = decode_load16(cursor->data + cursor->offset);
		cursor->offset += 2;
	}
	switch (protocol) {
	case PPP_IPV4:
		*type = ETHERTYPE_IPV4;
		break;
	case PPP_IPV6:
		*type = ETHERTYPE_IPV6;
		break;
	case PPP_MPLS:
	case PPP_MPLS_MULTICAST:
		*type = ETHERTYPE_MPLS;
		break;
	default:
		break;
	}
	return DECODE_ROW;
}

enum decode_outcome
decode_links(struct decode_cursor *cursor, struct decode_packet *packet, uint32_t type,
             enum decode_network *network)
{
	bool tags_only = !cursor->inner; /* so far: VLAN id and ethertype are still to be noted */
	bool vlan_found = cursor->inner;

	*network = DECODE_NETWORK_NONE;
	for (uint32_t i = 0; i < DECODE_LINKS_MAX; i++) {
		bool is_vlan = type == ETHERTYPE_VLAN || type == ETHERTYPE_VLAN_SERVICE ||
		               type == ETHERTYPE_VLAN_OLD;
		uint32_t tag_size = decode_tag_size(cursor, type);
		enum decode_outcome outcome;

		if (tags_only && !is_vlan) {
			packet->ethertype = (uint16_t)type;
			tags_only = false;
		}
		if (tag_size != 0) {
			outcome =
			    decode_tag(cursor, packet, tag_size, is_vlan && !vlan_found, &type);
			vlan_found = vlan_found || is_vlan;
		} else if (type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6) {
			*network = type == ETHERTYPE_IPV4 ? DECODE_NETWORK_4 : DECODE_NETWORK_6;
			return DECODE_ROW;
		} else if (type == ETHERTYPE_MPLS || type == ETHERTYPE_MPLS_MULTICAST) {
			outcome = decode_mpls(cursor, packet, &type);
		} else if (type == ETHERTYPE_PPPOE_SESSION) {
			outcome = decode_pppoe(cursor, &type);
		} else {
			bool is_arp = type == ETHERTYPE_ARP || type == ETHERTYPE_RARP;

			return is_arp ? decode_arp(cursor) : DECODE_ROW;
		}
		if (outcome != DECODE_ROW) {
			return outcome;
		}
	}
	return DECODE_TOO_MANY_HEADERS;
}
