/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbered lines on their way to a peer, kept until they are let go. Pure. */
#include "operators/tcp_outbox.h"

#include <assert.h>
#include <string.h>

void
outbox_open(struct tcp_outbox *box, char *bytes, uint32_t size, uint64_t *line)
{
	*box = (struct tcp_outbox){
		.bytes = bytes, .size = size, .line = line, .first = 1, .unsent = 1, .next = 1
	};
}

bool
outbox_put(struct tcp_outbox *box, const char *text, uint32_t length, bool is_row)
{
	uint32_t at = (uint32_t)(box->end % box->size);
	uint32_t before_wrap = box->size - at;

	if (length > box->size - (box->end - box->from) || box->next - box->first == OUTBOX_LINES) {
		return false;
	}
	if (length <= before_wrap) {
		memcpy(box->bytes + at, text, length);
	} else {
		memcpy(box->bytes + at, text, before_wrap);
		memcpy(box->bytes, text + before_wrap, length - before_wrap);
	}
	box->end += length;
	box->line[box->next % OUTBOX_LINES] = box->end << 1 | is_row;
	box->next++;
	return true;
}

const char *
outbox_unsent(const struct tcp_outbox *box, size_t *size)
{
	uint32_t at = (uint32_t)(box->sent % box->size);
	uint64_t left = box->end - box->sent;

	*size = left < box->size - at ? left : box->size - at;
	return left == 0 ? NULL : box->bytes + at;
}

void
outbox_sent(struct tcp_outbox *box, size_t size)
{
	box->sent += size;
	assert(box->sent <= box->end);
	while (box->unsent < box->next && box->line[box->unsent % OUTBOX_LINES] >> 1 <= box->sent) {
		box->unsent++;
	}
}

uint32_t
outbox_forget(struct tcp_outbox *box, uint64_t number)
{
	uint32_t rows = 0;

	while (box->first < box->next && box->first <= number) {
		uint64_t line = box->line[box->first % OUTBOX_LINES];

		rows += (uint32_t)(line & 1);
		box->from = line >> 1;
		box->first++;
	}
	/* Let go unsent, which happens at the end only. */
	if (box->sent < box->from) {
		box->sent = box->from;
		box->unsent = box->first;
	}
	return rows;
}

void
outbox_rewind(struct tcp_outbox *box)
{
	box->sent = box->from;
	box->unsent = box->first;
}
