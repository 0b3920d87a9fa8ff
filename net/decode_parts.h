/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DECODE_PARTS_H
#define DECODE_PARTS_H

/* What the parts of the decoder share: a cursor over a frame, and what each part takes. decode*.c
 * only. */

#include "net/decode.h"

/* What stands at the cursor, once the link headers are behind it. */
enum decode_network { DECODE_NETWORK_NONE, DECODE_NETWORK_4, DECODE_NETWORK_6 };

struct decode_cursor {
	const uint8_t *data;
	uint32_t contiguous; /* bytes that can be read */
	uint32_t end; /* bytes that belong: captured, cut by every length so far; offset <= end */
	uint32_t offset; /* where the next header starts */
	uint64_t whole;  /* where the datagram ends by its own length, captured or not */
	bool inner;      /* inside a tunnel: link fields are already those of the frame */
};

enum decode_fit { DECODE_FIT_YES, DECODE_FIT_CUT, DECODE_FIT_SPLIT };

/* Whether `size` bytes can be read at the cursor. */
static inline enum decode_fit
decode_fits(const struct decode_cursor *cursor, uint32_t size)
{
	uint64_t end = (uint64_t)cursor->offset + size;

	if (end <= cursor->contiguous && end <= cursor->end) {
		return DECODE_FIT_YES;
	}
	return end > cursor->end ? DECODE_FIT_CUT : DECODE_FIT_SPLIT;
}

/* Lets nothing behind `size` bytes from the cursor belong any more. */
static inline void
decode_limit(struct decode_cursor *cursor, uint32_t size)
{
	uint64_t end = (uint64_t)cursor->offset + size;

	if (end < cursor->end) {
		cursor->end = (uint32_t)end;
	}
}

/* Notes the first thing that is wrong. */
static inline void
decode_note(struct decode_packet *packet, enum decode_anomaly anomaly)
{
	if (packet->anomaly == DECODE_ANOMALY_NONE) {
		packet->anomaly = (uint8_t)anomaly;
	}
}

/* decode.c: an Ethernet header and what follows; what follows an ethertype; up to the network
 * header. */
enum decode_outcome decode_ethernet(struct decode_cursor *cursor, struct decode_packet *packet,
                                    enum decode_network *network);
enum decode_outcome decode_links(struct decode_cursor *cursor, struct decode_packet *packet,
                                 uint32_t type, enum decode_network *network);

/* decode_l3.c: an IP header, its options or extensions, and the transport header. */
enum decode_outcome decode_ip(struct decode_cursor *cursor, struct decode_packet *packet,
                              enum decode_network network);

/* decode_l4.c: the transport header at the cursor. DECODE_ROW or DECODE_HEADER_SPLIT. */
enum decode_outcome decode_transport(struct decode_cursor *cursor, struct decode_packet *packet);

/* decode_tunnel.c: what the packet at hand carries, and so on. DECODE_ROW or DECODE_HEADER_SPLIT.
 */
enum decode_outcome decode_tunnels(struct decode_cursor *cursor, struct decode_packet *packet);

#endif
