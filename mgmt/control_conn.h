/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_CONN_H
#define CONTROL_CONN_H

/*
 * A client's connection without its socket: bytes in become lines, texts out wait to be sent. Both
 * buffers are bounded.
 *
 *     room = conn_room(conn, &size); read into it; conn_filled(conn, got);
 *     while ((what = conn_line(conn, &line, &size)) != CONN_NONE) …
 *     if (!conn_put(conn, text, size)) …                    it does not read: cut it off
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONN_OUT_MAX (2u << 20) /* waiting to be sent */

struct conn {
	char *in;
	size_t in_begin, in_end;
	bool is_skipping; /* the rest of a line that is too long */
	char *out;
	size_t out_begin, out_end, out_size;
};

enum conn_what { CONN_NONE, CONN_LINE, CONN_OVERSIZED };

int conn_init(struct conn *conn); /* 0 or -ENOMEM */
void conn_free(struct conn *conn);
/* Where to put new bytes. Never 0 after conn_line has said CONN_NONE. */
char *conn_room(struct conn *conn, size_t *size);
void conn_filled(struct conn *conn, size_t size);
/* The next line, without its end; it stays until conn_room. */
enum conn_what conn_line(struct conn *conn, const char **line, size_t *size);
/* Behind what waits already; false: too much would wait, or no memory, and nothing was put. */
bool conn_put(struct conn *conn, const char *text, size_t size);
const char *conn_waiting(const struct conn *conn, size_t *size);
void conn_sent(struct conn *conn, size_t size);

#endif
