/* SPDX-License-Identifier: BSD-3-Clause */
/* The lines that tcp_sink writes between its rows, and the answers. Pure. */
#include "operators/tcp_control.h"

#include <inttypes.h>
#include <stdio.h>

#include "operators/value_text.h"

static void
put_number(struct row_writer *writer, const char *format, uint64_t value)
{
	char text[64];

	snprintf(text, sizeof(text), format, value);
	row_put_text(writer, text);
}

static void
put_id(struct row_writer *writer, const struct tcp_id *id)
{
	char text[96];
	int length = snprintf(text, sizeof(text), "%u-%" PRIu64 "-%" PRIu64 "-%" PRIu64, id->slice,
	                      id->incarnation, id->epoch, id->number);

	row_put(writer, text, (size_t)length);
}

/* Names hold nothing that would have to be escaped. */
static void
put_name(struct row_writer *writer, const char *name)
{
	for (; *name != '\0'; name++) {
		bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
		             (*name >= '0' && *name <= '9') || *name == '_' || *name == '-' ||
		             *name == '.';

		row_put_char(writer, plain ? *name : '_');
	}
}

void
tcp_put_id(struct row_writer *writer, enum tcp_format format, const struct tcp_id *id)
{
	row_put_text(writer, format == TCP_CSV ? "" : "{\"_id\":\"");
	put_id(writer, id);
	row_put_text(writer, format == TCP_CSV ? "," : "\"");
}

static void
put_word(struct row_writer *writer, enum tcp_format format, const char *word)
{
	row_put_text(writer, format == TCP_CSV ? "#" : "{\"_control\":\"");
	row_put_text(writer, word);
	row_put_text(writer, format == TCP_CSV ? "," : "\",");
}

static void
put_sink(struct row_writer *writer, enum tcp_format format, const char *sink,
         const struct tcp_id *id)
{
	row_put_text(writer, format == TCP_CSV ? "" : "\"sink\":\"");
	put_name(writer, sink);
	put_number(writer, format == TCP_CSV ? ",%" PRIu64 : "\",\"slice\":%" PRIu64, id->slice);
	put_number(writer, format == TCP_CSV ? ",%" PRIu64 : ",\"incarnation\":%" PRIu64,
	           id->incarnation);
}

static void
put_end(struct row_writer *writer, enum tcp_format format)
{
	row_put_text(writer, format == TCP_CSV ? "\n" : "}\n");
}

void
tcp_put_start(struct row_writer *writer, enum tcp_format format, const struct tcp_id *id,
              const struct tcp_start *start)
{
	put_word(writer, format, "start");
	put_sink(writer, format, start->sink, id);
	put_number(writer, format == TCP_CSV ? ",%" PRIu64 : ",\"epoch\":%" PRIu64, id->epoch);
	put_number(writer, format == TCP_CSV ? ",%016" PRIx64 : ",\"run\":\"%016" PRIx64 "\"",
	           start->run);
	put_number(writer, format == TCP_CSV ? ",%" PRIu64 : ",\"next\":%" PRIu64, start->next);
	put_end(writer, format);
}

void
tcp_put_complete(struct row_writer *writer, enum tcp_format format, const struct tcp_id *id,
                 const char *sink)
{
	put_word(writer, format, "complete");
	put_sink(writer, format, sink, id);
	put_end(writer, format);
}

static void
put_numbered(struct row_writer *writer, enum tcp_format format, const char *word,
             const struct tcp_id *id)
{
	put_word(writer, format, word);
	row_put_text(writer, format == TCP_CSV ? "" : "\"_id\":\"");
	put_id(writer, id);
	row_put_text(writer, format == TCP_CSV ? "" : "\"");
}

void
tcp_put_control(struct row_writer *writer, enum tcp_format format, const char *word,
                const struct tcp_id *id)
{
	put_numbered(writer, format, word, id);
	put_end(writer, format);
}

void
tcp_put_durable(struct row_writer *writer, enum tcp_format format, const struct tcp_id *id,
                uint64_t epoch)
{
	put_numbered(writer, format, "durable", id);
	put_number(writer, format == TCP_CSV ? ",%" PRIu64 : ",\"epoch\":%" PRIu64, epoch);
	put_end(writer, format);
}

bool
tcp_read_ack(const char *text, size_t length, uint64_t *number)
{
	if (length > 0 && text[length - 1] == '\r') {
		length--;
	}
	if (length < 5 || memcmp(text, "ack ", 4) != 0) {
		return false;
	}
	if (length == 12 && memcmp(text + 4, "complete", 8) == 0) {
		*number = TCP_ACK_COMPLETE;
		return true;
	}
	return value_parse_u64(text + 4, length - 4, number) && *number != TCP_ACK_COMPLETE;
}
