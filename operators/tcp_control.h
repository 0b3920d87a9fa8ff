/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TCP_CONTROL_H
#define TCP_CONTROL_H

/*
 * What tcp_sink writes besides the values of its rows, when each line carries an id: see
 * docs/tcp.md, which is the protocol.
 *
 *     jsonl    {"_id":"0-3-41-17","word":"x"}       a row: slice, incarnation, epoch, number
 *              {"_control":"epoch","_id":"0-3-42-18"}
 *     csv      0-3-41-17,x
 *              #epoch,0-3-42-18
 *
 * Pure.
 */

#include "operators/row_text.h"

enum tcp_format { TCP_CSV, TCP_JSONL };

struct tcp_id {
	uint32_t slice;
	uint64_t incarnation, epoch, number;
};

/* In front of a row's values; jsonl: in place of their brace stands a comma. */
void tcp_put_id(struct row_writer *writer, enum tcp_format format, const struct tcp_id *id);

/* The first line of a connection: who sends, and behind which epoch this process goes on. */
struct tcp_start {
	const char *sink;
	uint64_t run;  /* of this process alone */
	uint64_t next; /* number of the line that follows */
};
void tcp_put_start(struct row_writer *writer, enum tcp_format format, const struct tcp_id *id,
                   const struct tcp_start *start);
/* The only line that says so: what was sent in all is durable. */
void tcp_put_complete(struct row_writer *writer, enum tcp_format format, const struct tcp_id *id,
                      const char *sink);
/* "epoch", "end": numbered. */
void tcp_put_control(struct row_writer *writer, enum tcp_format format, const char *word,
                     const struct tcp_id *id);
void tcp_put_durable(struct row_writer *writer, enum tcp_format format, const struct tcp_id *id,
                     uint64_t epoch);

/* What the peer answers. */
#define TCP_ACK_COMPLETE UINT64_MAX
/* "ack 17", "ack complete"; false: it is neither. */
bool tcp_read_ack(const char *text, size_t length, uint64_t *number);

#endif
