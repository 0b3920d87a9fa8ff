/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FRAME_BUILDER_H
#define FRAME_BUILDER_H

/*
 * Frames for tests, written front to back:
 *
 *     struct frame f = { 0 };
 *     frame_ethernet(&f, 0x0800);
 *     frame_ip4(&f, 6, 20 + 5);
 *     frame_tcp(&f, 4000, 443);
 *     frame_zeros(&f, 5);
 *
 * Lengths are given by hand, so that wrong ones can be.
 */

#include <assert.h>
#include <stdint.h>
#include <string.h>

struct frame {
	uint8_t byte[16384];
	uint32_t size;
};

static const uint8_t frame_src6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x01 };
static const uint8_t frame_dst6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0xff };

#define FRAME_SRC4 0x0a010203u
#define FRAME_DST4 0xc000024du
#define FRAME_MAC_DST 0x020000000002u
#define FRAME_MAC_SRC 0x020000000001u

static inline void
frame_zeros(struct frame *frame, uint32_t count)
{
	assert(frame->size + count <= sizeof(frame->byte));
	memset(frame->byte + frame->size, 0, count);
	frame->size += count;
}

static inline void
frame_8(struct frame *frame, uint32_t value)
{
	assert(frame->size < sizeof(frame->byte));
	frame->byte[frame->size++] = (uint8_t)value;
}

static inline void
frame_16(struct frame *frame, uint32_t value)
{
	frame_8(frame, value >> 8);
	frame_8(frame, value & 0xff);
}

static inline void
frame_32(struct frame *frame, uint32_t value)
{
	frame_16(frame, value >> 16);
	frame_16(frame, value & 0xffff);
}

static inline void
frame_ethernet(struct frame *frame, uint32_t type)
{
	frame_16(frame, FRAME_MAC_DST >> 32);
	frame_32(frame, (uint32_t)FRAME_MAC_DST);
	frame_16(frame, FRAME_MAC_SRC >> 32);
	frame_32(frame, (uint32_t)FRAME_MAC_SRC);
	frame_16(frame, type);
}

/* A tag of `id` in front of `type`. */
static inline void
frame_vlan(struct frame *frame, uint32_t id, uint32_t type)
{
	frame_16(frame, id);
	frame_16(frame, type);
}

static inline void
frame_mpls(struct frame *frame, uint32_t label, int bottom)
{
	frame_32(frame, label << 12 | (bottom ? 0x100u : 0) | 64);
}

/* IPv4 without options; `payload` bytes are to follow. */
static inline void
frame_ip4(struct frame *frame, uint32_t proto, uint32_t payload)
{
	frame_16(frame, 0x4500 | 0xb8); /* expedited forwarding */
	frame_16(frame, 20 + payload);
	frame_32(frame, 0x00070000);
	frame_16(frame, 63 << 8 | proto);
	frame_16(frame, 0);
	frame_32(frame, FRAME_SRC4);
	frame_32(frame, FRAME_DST4);
}

static inline void
frame_ip6(struct frame *frame, uint32_t next, uint32_t payload)
{
	frame_32(frame, 0x60000000 | 0xb8u << 20);
	frame_16(frame, payload);
	frame_16(frame, next << 8 | 62);
	memcpy(frame->byte + frame->size, frame_src6, 16);
	memcpy(frame->byte + frame->size + 16, frame_dst6, 16);
	frame->size += 32;
}

/* 20 bytes. */
static inline void
frame_tcp(struct frame *frame, uint32_t sport, uint32_t dport)
{
	frame_16(frame, sport);
	frame_16(frame, dport);
	frame_32(frame, 0x11223344);
	frame_32(frame, 5);
	frame_16(frame, 0x5018);
	frame_zeros(frame, 6);
}

/* 8 bytes; `payload` bytes are to follow. */
static inline void
frame_udp(struct frame *frame, uint32_t sport, uint32_t dport, uint32_t payload)
{
	frame_16(frame, sport);
	frame_16(frame, dport);
	frame_16(frame, 8 + payload);
	frame_16(frame, 0);
}

/* Ethernet, IPv4, TCP and `payload` bytes. */
static inline void
frame_tcp4(struct frame *frame, uint32_t sport, uint32_t dport, uint32_t payload)
{
	frame_ethernet(frame, 0x0800);
	frame_ip4(frame, 6, 20 + payload);
	frame_tcp(frame, sport, dport);
	frame_zeros(frame, payload);
}

static inline void
frame_udp4(struct frame *frame, uint32_t sport, uint32_t dport, uint32_t payload)
{
	frame_ethernet(frame, 0x0800);
	frame_ip4(frame, 17, 8 + payload);
	frame_udp(frame, sport, dport, payload);
	frame_zeros(frame, payload);
}

#endif
