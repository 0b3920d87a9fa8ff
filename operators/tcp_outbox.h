/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TCP_OUTBOX_H
#define TCP_OUTBOX_H

/*
 * Numbered lines on their way to a peer, kept until they are let go, so that they can be sent again
 * over another connection. Bounded in bytes and lines. Pure.
 *
 *     outbox_put(box, text, length, true)        false: no room
 *     bytes = outbox_unsent(box, &size)          what is to be sent next; NULL: nothing is
 *     outbox_sent(box, taken)                    so many bytes of it were
 *     rows = outbox_forget(box, number)          lines up to this one need not be kept
 *     outbox_rewind(box)                         another connection: from the first one kept
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines kept, at most. */
#define OUTBOX_LINES 32768u

struct tcp_outbox {
	char *bytes; /* a ring */
	uint32_t size;
	uint64_t from, sent, end; /* places in the stream: kept from, sent up to, its end */
	uint64_t *line;           /* a ring of OUTBOX_LINES: twice its end, and 1 if it is a row */
	uint64_t first;           /* number of the first line kept */
	uint64_t unsent;          /* of the first that is not wholly sent */
	uint64_t next;            /* that the next line gets */
};

/* `bytes` of `size`, `line` of OUTBOX_LINES. Numbers begin with 1. */
void outbox_open(struct tcp_outbox *box, char *bytes, uint32_t size, uint64_t *line);
bool outbox_put(struct tcp_outbox *box, const char *text, uint32_t length, bool is_row);
const char *outbox_unsent(const struct tcp_outbox *box, size_t *size);
void outbox_sent(struct tcp_outbox *box, size_t size);
/* How many of the lines were rows. */
uint32_t outbox_forget(struct tcp_outbox *box, uint64_t number);
void outbox_rewind(struct tcp_outbox *box);

static inline bool
outbox_is_empty(const struct tcp_outbox *box)
{
	return box->first == box->next;
}

#endif
