/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers of a client: lines of bounded length in, a bounded backlog out. */
#include "mgmt/control_conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/rpc_decode.h"

/* An idle client keeps no larger buffer than this. */
#define OUT_KEEP 65536u

int
conn_init(struct conn *conn)
{
	*conn = (struct conn){ .in = malloc(RPC_LINE_MAX) };
	return conn->in == NULL ? -ENOMEM : 0;
}

void
conn_free(struct conn *conn)
{
	free(conn->in);
	free(conn->out);
	*conn = (struct conn){ 0 };
}

char *
conn_room(struct conn *conn, size_t *size)
{
	if (conn->in_begin > 0) {
		memmove(conn->in, conn->in + conn->in_begin, conn->in_end - conn->in_begin);
		conn->in_end -= conn->in_begin;
		conn->in_begin = 0;
	}
	*size = RPC_LINE_MAX - conn->in_end;
	return conn->in + conn->in_end;
}

void
conn_filled(struct conn *conn, size_t size)
{
	conn->in_end += size;
	assert(conn->in_end <= RPC_LINE_MAX);
}

enum conn_what
conn_line(struct conn *conn, const char **line, size_t *size)
{
	char *begin = conn->in + conn->in_begin;
	size_t count = conn->in_end - conn->in_begin;
	const char *end = count == 0 ? NULL : memchr(begin, '\n', count);
	bool was_skipping = conn->is_skipping;

	if (end == NULL) {
		if (count < RPC_LINE_MAX && !was_skipping) {
			return CONN_NONE;
		}
		/* Said once, when it is known; its end comes some time. */
		conn->in_begin = conn->in_end = 0;
		conn->is_skipping = true;
		return was_skipping ? CONN_NONE : CONN_OVERSIZED;
	}
	conn->in_begin += (size_t)(end - begin) + 1;
	conn->is_skipping = false;
	if (was_skipping) {
		return conn_line(conn, line, size);
	}
	*line = begin;
	*size = (size_t)(end - begin);
	return CONN_LINE;
}

bool
conn_put(struct conn *conn, const char *text, size_t size)
{
	size_t waiting = conn->out_end - conn->out_begin;

	if (size > CONN_OUT_MAX - waiting) {
		return false;
	}
	if (conn->out_begin > 0) {
		memmove(conn->out, conn->out + conn->out_begin, waiting);
		conn->out_begin = 0;
		conn->out_end = waiting;
	}
	if (waiting + size > conn->out_size) {
		size_t larger = conn->out_size == 0 ? 4096 : conn->out_size;
		char *out;

		while (larger < waiting + size) {
			larger *= 2;
		}
		out = realloc(conn->out, larger);
		if (out == NULL) {
			return false;
		}
		conn->out = out;
		conn->out_size = larger;
	}
	memcpy(conn->out + waiting, text, size);
	conn->out_end = waiting + size;
	return true;
}

const char *
conn_waiting(const struct conn *conn, size_t *size)
{
	*size = conn->out_end - conn->out_begin;
	return *size == 0 ? "" : conn->out + conn->out_begin;
}

void
conn_sent(struct conn *conn, size_t size)
{
	assert(size <= conn->out_end - conn->out_begin);
	conn->out_begin += size;
	if (conn->out_begin < conn->out_end) {
		return;
	}
	conn->out_begin = conn->out_end = 0;
	if (conn->out_size > OUT_KEEP) {
		free(conn->out);
		conn->out = NULL;
		conn->out_size = 0;
	}
}
