/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PRINT_STREAM_H
#define PRINT_STREAM_H

/*
 * Writing to the terminal without ever waiting for it: pieces of text go into a bounded buffer and
 * out of it as far as the other side takes them. A piece goes out whole before anything of another
 * print operator does. Private to operators/print.c.
 *
 *     if (print_stream_begin(stream, &writer)) {
 *             row_put_… (&writer, …);
 *             fits = print_stream_commit(stream, &writer, rows);
 *     }
 *     written = print_stream_write(stream);
 *
 * Threads: a stream belongs to its slice; whose turn it is on stdout and stderr is an atomic
 * number.
 */

#include "operators/row_text.h"

#define PRINT_BUFFER (256u * 1024u)
#define PRINT_PIECES 512u

struct print_piece {
	uint32_t end; /* in the buffer */
	uint32_t rows;
};

struct print_stream {
	int file;
	uint32_t number; /* of the stream among all, from 1 */
	uint32_t target; /* 0: stdout, 1: stderr */
	bool own;        /* the file was opened here */
	bool terminal;
	bool broken;  /* the other side is gone */
	char *buffer; /* PRINT_BUFFER */
	uint32_t length;
	bool begun; /* part of the first piece is out */
	struct print_piece piece[PRINT_PIECES];
	uint32_t pieces;
};

/* `buffer` has PRINT_BUFFER bytes. Returns 0 or -errno. Control threads. */
int print_stream_open(struct print_stream *stream, bool to_stderr, char *buffer);
void print_stream_close(struct print_stream *stream);
/* Whether the lines of the terminal are this stream's alone, so that it may draw over its own. */
bool print_stream_is_alone(const struct print_stream *stream);
/* Columns and lines of the terminal, 0 when unknown. */
void print_stream_size(const struct print_stream *stream, uint32_t *columns, uint32_t *lines);

/* A writer behind what waits already; false when there are too many pieces. */
bool print_stream_begin(struct print_stream *stream, struct row_writer *writer);
/* What was written becomes a piece; false, and nothing happened, when it did not fit. */
bool print_stream_commit(struct print_stream *stream, const struct row_writer *writer,
                         uint32_t rows);
/* Writes out what can be written at once; returns the rows whose pieces went out whole. */
uint64_t print_stream_write(struct print_stream *stream);
/* Forgets what waits; returns its rows. */
uint64_t print_stream_discard(struct print_stream *stream);

#endif
