/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DECODE_H
#define DECODE_H

/*
 * A frame's bytes to what its headers say. Pure: no DPDK, no memory of its own, no state; any
 * thread. Every length is checked before a byte behind it is read, so any bytes may be given.
 *
 *     struct decode_packet packet;
 *     enum decode_outcome outcome = decode_frame(data, contiguous, captured, 0, &packet);
 *
 *     if (outcome == DECODE_ROW && packet.ip_version != 0)
 *             count(decode_src6(&packet), decode_dst6(&packet), packet.sport, packet.dport);
 *
 * `contiguous` bytes can be read at `data`; `captured` (at least as many) are all that was
 * captured. A frame without IP (ARP, LLDP, an unknown ethertype) is a row, too: its ip_version is
 * 0. A frame that gives no row has a reason in DECODE_DROPS. When the IP header is good and
 * something behind it is not, there is a row, and `anomaly` says what was wrong first.
 *
 * Without DECODE_INNER the outermost IP header counts and nothing looks into tunnels. With it the
 * innermost IP header does, as long as the tunnels decode (at most DECODE_TUNNELS_MAX of them); the
 * link fields (MACs, ethertype, VLAN, MPLS) stay those of the frame.
 *
 * The rules are those of tshark without reassembly, which is what the differential test compares
 * with (tests/system/decode_differential.py).
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Link headers up to IP's (tags, PPPoE, …), labels of an MPLS stack, IPv6 extensions, tunnels. */
#define DECODE_LINKS_MAX 21u
#define DECODE_LABELS_MAX 64u
#define DECODE_EXTENSIONS_MAX 64u
#define DECODE_TUNNELS_MAX 4u

enum decode_options {
	DECODE_INNER = 1 /* decode tunnels and report the innermost IP header */
};

/* Why a frame gives no row. */
#define DECODE_DROPS(X)                                                                            \
	X(ETHERNET_TRUNCATED, "ethernet_truncated") /* fewer than 14 bytes */                      \
	X(VLAN_TRUNCATED, "vlan_truncated")         /* a VLAN or similar tag is cut */             \
	X(MPLS_TRUNCATED, "mpls_truncated")         /* the label stack is cut */                   \
	X(PPPOE_TRUNCATED, "pppoe_truncated")       /* the session header is cut */                \
	X(ARP_TRUNCATED, "arp_truncated")           /* shorter than its address lengths say */     \
	X(IPV4_TRUNCATED, "ipv4_truncated")         /* the addresses or options are cut */         \
	X(IPV4_VERSION, "ipv4_version")             /* neither 4 nor 6 where IPv4 was announced */ \
	X(IPV4_HEADER_LENGTH, "ipv4_header_length") /* below 20 bytes */                           \
	X(IPV4_TOTAL_LENGTH, "ipv4_total_length")   /* below the header length */                  \
	X(IPV4_SOURCE_ROUTE, "ipv4_source_route") /* no last hop: where it goes cannot be told */  \
	X(IPV6_TRUNCATED, "ipv6_truncated")       /* the header is cut */                          \
	X(IPV6_VERSION, "ipv6_version")           /* not 6 where IPv6 was announced */             \
	X(TOO_MANY_HEADERS, "too_many_headers")   /* one of the bounds above */                    \
	X(HEADER_SPLIT, "header_split") /* captured, but not within the contiguous bytes */

enum decode_outcome {
	DECODE_ROW,
#define DECODE_DROP_ENUM(suffix, text) DECODE_##suffix,
	DECODE_DROPS(DECODE_DROP_ENUM)
#undef DECODE_DROP_ENUM
	    DECODE_OUTCOME_COUNT
};

/* What is wrong behind a good IP header. */
#define DECODE_ANOMALIES(X)                                                                        \
	X(NONE, "none")                                                                            \
	X(L4_TRUNCATED, "l4_truncated") /* the transport header is cut */                          \
	X(IPV4_OPTION, "ipv4_option")   /* an option is too short for its type */                  \
	X(EXTENSION_TRUNCATED, "ipv6_extension_truncated")                                         \
	X(EXTENSION_COUNT, "ipv6_extension_count") /* more than DECODE_EXTENSIONS_MAX */           \
	X(TCP_HEADER_LENGTH, "tcp_header_length")  /* below 20 bytes or past the datagram */       \
	X(UDP_LENGTH, "udp_length")                /* below 8 bytes or past the datagram */        \
	X(TUNNEL, "tunnel") /* the inside does not decode: the outside counts */

enum decode_anomaly {
#define DECODE_ANOMALY_ENUM(suffix, text) DECODE_ANOMALY_##suffix,
	DECODE_ANOMALIES(DECODE_ANOMALY_ENUM)
#undef DECODE_ANOMALY_ENUM
	    DECODE_ANOMALY_COUNT
};

/* The outermost tunnel that was looked into. */
#define DECODE_TUNNELS(X)                                                                          \
	X(NONE, "none")                                                                            \
	X(IP, "ip") /* IPv4 or IPv6 right inside IPv4 or IPv6 */                                   \
	X(GRE, "gre")                                                                              \
	X(VXLAN, "vxlan")                                                                          \
	X(GTPU, "gtpu")

enum decode_tunnel {
#define DECODE_TUNNEL_ENUM(suffix, text) DECODE_TUNNEL_##suffix,
	DECODE_TUNNELS(DECODE_TUNNEL_ENUM)
#undef DECODE_TUNNEL_ENUM
	    DECODE_TUNNEL_COUNT
};

enum decode_protocol {
	DECODE_ICMP = 1,
	DECODE_IPIP = 4,
	DECODE_TCP = 6,
	DECODE_UDP = 17,
	DECODE_DCCP = 33,
	DECODE_IPV6 = 41,
	DECODE_GRE = 47,
	DECODE_ICMPV6 = 58,
	DECODE_SCTP = 132,
	DECODE_UDPLITE = 136
};

/* What can be read at l4_offset. */
enum decode_l4 {
	DECODE_L4_NONE,  /* nothing: a later fragment, no transport, cut off */
	DECODE_L4_PORTS, /* sport and dport */
	DECODE_L4_TCP,   /* the same, and 14 bytes: sequence number, header length, flags */
	DECODE_L4_ICMP   /* type and code */
};

struct decode_packet {
	const uint8_t *data;
	uint32_t captured;
	uint32_t ip_offset;      /* where IP starts: ip_version says whether it does */
	uint32_t dst_offset;     /* where the destination stands: in a source route, its last hop */
	uint32_t l4_offset;      /* behind IP and its extension headers */
	uint32_t payload_length; /* behind TCP, UDP, UDP-Lite; else behind IP; as the lengths say */
	uint32_t mpls;           /* top label; 0: none */
	uint16_t vlan;           /* outermost tag's id; 0: none */
	uint16_t ethertype;      /* behind the tags; 0: a length and no SNAP */
	uint16_t sport, dport;   /* 0: none */
	uint16_t ip_length;      /* header and payload, 65535 at most */
	uint8_t ip_version;      /* 0, 4, 6 */
	uint8_t proto;           /* IPv6: behind the extension headers */
	uint8_t l4;              /* enum decode_l4 */
	uint8_t fragment;        /* a part of a datagram, 0 or 1 */
	uint8_t tunnel;          /* enum decode_tunnel */
	uint8_t anomaly;         /* enum decode_anomaly */
} __attribute__((aligned(64)));  /* written whole, in one cache line */

/* The text of an outcome, an anomaly, a tunnel. */
const char *decode_outcome_text(enum decode_outcome outcome);
const char *decode_anomaly_text(enum decode_anomaly anomaly);
const char *decode_tunnel_text(enum decode_tunnel tunnel);

/* Any frame; what decode_frame calls for all but the commonest. */
enum decode_outcome decode_any(const uint8_t *data, uint32_t contiguous, uint32_t captured,
                               uint32_t options, struct decode_packet *packet);

static inline uint16_t
decode_load16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t
decode_load32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Fills in what is the same for IPv4 and IPv6 with a TCP or UDP header right behind them. */
static inline void
decode_fill(const uint8_t *data, uint32_t captured, uint32_t ip, uint32_t l4,
            struct decode_packet *packet)
{
	packet->data = data;
	packet->captured = captured;
	packet->ip_offset = ip;
	packet->dst_offset = l4 == ip + 20 ? ip + 16 : ip + 24;
	packet->l4_offset = l4;
	packet->mpls = 0;
	packet->vlan = 0;
	packet->ethertype = l4 == ip + 20 ? 0x0800 : 0x86dd;
	packet->sport = decode_load16(data + l4);
	packet->dport = decode_load16(data + l4 + 2);
	packet->ip_version = l4 == ip + 20 ? 4 : 6;
	packet->fragment = 0;
	packet->tunnel = DECODE_TUNNEL_NONE;
	packet->anomaly = DECODE_ANOMALY_NONE;
}

/*
 * TCP or UDP whose header is whole and whose length can be true; 20 bytes can be read at `l4`.
 * `length` is what IP says it carries. False: not filled in.
 */
static inline bool
decode_quick_l4(const uint8_t *data, uint32_t captured, uint32_t options, uint32_t ip, uint32_t l4,
                uint8_t proto, int32_t length, struct decode_packet *packet)
{
	/* TCP and UDP come mixed: no branch tells them apart. */
	bool is_tcp = proto == DECODE_TCP;
	int32_t header = is_tcp ? (data[l4 + 12] >> 4) * 4 : 8;
	int32_t least = is_tcp ? header : decode_load16(data + l4 + 4);

	if (!((is_tcp | (proto == DECODE_UDP && (options & DECODE_INNER) == 0)) &
	      (least >= (is_tcp ? 20 : 8)) & (least <= length))) {
		return false;
	}
	decode_fill(data, captured, ip, l4, packet);
	packet->proto = proto;
	packet->l4 = is_tcp ? DECODE_L4_TCP : DECODE_L4_PORTS;
	packet->payload_length = (uint32_t)(length - header);
	return true;
}

/*
 * The common cases, with IP at `ip` behind an ethertype: IPv4 without options, not a fragment, or
 * IPv6 without extension headers, and TCP or UDP (not when tunnels are asked for). False: see
 * decode_any.
 */
static inline bool
decode_quick(const uint8_t *data, uint32_t contiguous, uint32_t captured, uint32_t options,
             uint32_t ip, struct decode_packet *packet)
{
	uint32_t type, length;

	if (__builtin_expect(contiguous < ip + 40, 0)) {
		return false;
	}
	type = decode_load16(data + ip - 2);
	if (type == 0x0800) {
		length = decode_load16(data + ip + 2);
		packet->ip_length = (uint16_t)length;
		return data[ip] == 0x45 && (decode_load16(data + ip + 6) & 0x3fff) == 0 &&
		       decode_quick_l4(data, captured, options, ip, ip + 20, data[ip + 9],
		                       (int32_t)length - 20, packet);
	}
	if (type == 0x86dd && contiguous >= ip + 60) {
		length = decode_load16(data + ip + 4);
		packet->ip_length = (uint16_t)(length > UINT16_MAX - 40 ? UINT16_MAX : length + 40);
		return data[ip] >> 4 == 6 && decode_quick_l4(data, captured, options, ip, ip + 40,
		                                             data[ip + 6], (int32_t)length, packet);
	}
	return false;
}

/* Decodes a frame: the common cases inline, all others by decode_any. */
static inline enum decode_outcome
decode_frame(const uint8_t *data, uint32_t contiguous, uint32_t captured, uint32_t options,
             struct decode_packet *packet)
{
	if (__builtin_expect(decode_quick(data, contiguous, captured, options, 14, packet), 1)) {
		return DECODE_ROW;
	}
	return decode_any(data, contiguous, captured, options, packet);
}

/* The rest is read from the frame when it is wanted, 0 where there is none. */

/* An address as 16 bytes, IPv4 as ::ffff:a.b.c.d: two stores of 8 bytes. */
static inline void
decode_address6(const struct decode_packet *packet, uint32_t offset, uint8_t *address)
{
	uint64_t half[2] = { 0, 0 };

	if (packet->ip_version == 4) {
		uint32_t last;

		memcpy(&last, packet->data + offset, 4);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		half[1] = (uint64_t)last << 32 | 0xffff0000u;
#else
		half[1] = (uint64_t)0xffff << 32 | last;
#endif
	} else if (packet->ip_version == 6) {
		memcpy(half, packet->data + offset, 16);
	}
	memcpy(address, &half[0], 8);
	memcpy(address + 8, &half[1], 8);
}

static inline void
decode_src6(const struct decode_packet *packet, uint8_t *address)
{
	decode_address6(packet, packet->ip_offset + (packet->ip_version == 4 ? 12 : 8), address);
}

static inline void
decode_dst6(const struct decode_packet *packet, uint8_t *address)
{
	decode_address6(packet, packet->dst_offset, address);
}

/* IPv4 addresses in host order; 0 for IPv6. */
static inline uint32_t
decode_src4(const struct decode_packet *packet)
{
	return packet->ip_version == 4 ? decode_load32(packet->data + packet->ip_offset + 12) : 0;
}

static inline uint32_t
decode_dst4(const struct decode_packet *packet)
{
	return packet->ip_version == 4 ? decode_load32(packet->data + packet->dst_offset) : 0;
}

/* MACs of the frame, first byte on the wire highest. */
static inline uint64_t
decode_mac(const uint8_t *at)
{
	return (uint64_t)decode_load16(at) << 32 | decode_load32(at + 2);
}

static inline uint64_t
decode_eth_src(const struct decode_packet *packet)
{
	return decode_mac(packet->data + 6);
}

static inline uint64_t
decode_eth_dst(const struct decode_packet *packet)
{
	return decode_mac(packet->data);
}

/* Time to live or hop limit. */
static inline uint8_t
decode_ttl(const struct decode_packet *packet)
{
	const uint8_t *ip = packet->data + packet->ip_offset;

	return packet->ip_version == 4 ? ip[8] : packet->ip_version == 6 ? ip[7] : 0;
}

static inline uint8_t
decode_dscp(const struct decode_packet *packet)
{
	const uint8_t *ip = packet->data + packet->ip_offset;

	if (packet->ip_version == 4) {
		return ip[1] >> 2;
	}
	return packet->ip_version == 6 ? (uint8_t)(decode_load16(ip) >> 6 & 0x3f) : 0;
}

static inline uint8_t
decode_tcp_flags(const struct decode_packet *packet)
{
	return packet->l4 == DECODE_L4_TCP ? packet->data[packet->l4_offset + 13] : 0;
}

static inline uint32_t
decode_tcp_seq(const struct decode_packet *packet)
{
	return packet->l4 == DECODE_L4_TCP ? decode_load32(packet->data + packet->l4_offset + 4)
	                                   : 0;
}

static inline uint8_t
decode_icmp_type(const struct decode_packet *packet)
{
	return packet->l4 == DECODE_L4_ICMP ? packet->data[packet->l4_offset] : 0;
}

static inline uint8_t
decode_icmp_code(const struct decode_packet *packet)
{
	return packet->l4 == DECODE_L4_ICMP ? packet->data[packet->l4_offset + 1] : 0;
}

#endif
