/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PACKET_COLUMNS_H
#define PACKET_COLUMNS_H

/*
 * From frames to columns, a chunk at a time: first every frame of the chunk into a struct, then
 * every column from those, so that each loop is short and the frames' bytes are still near. Frames
 * that give no row are counted by the decoder's reasons.
 *
 *     packet_chunk_decode(&chunk, frames, NULL, at, end, count, columns->options, outcomes);
 *     out = lm_op_reserve(op, 0, chunk.count, &first);
 *     packet_columns_write(columns, &chunk, out, first);
 *     lm_op_emit(op, 0, chunk.count);
 *     packet_count_drops(op, outcomes);
 *
 * Threads: the slice's own lcore.
 */

#include "core/lm_op.h"
#include "net/decode.h"

/* Frames decoded before their columns are written. */
#define PACKET_CHUNK 128u

struct packet_chunk {
	struct decode_packet packet[PACKET_CHUNK];
	uint16_t row[PACKET_CHUNK]; /* of the input */
	const int64_t *time_ns;     /* of the input, by row; NULL without one */
	uint32_t count;
};

/* Writes a column, rows from `first` on, for all packets of a chunk. */
typedef void packet_store_fn(const struct packet_chunk *chunk, void *column, uint32_t first);

struct packet_columns {
	uint32_t options; /* enum decode_options */
	uint32_t count;
	bool needs_time; /* one of them is the time */
	packet_store_fn *store[LM_FIELDS_MAX];
};

/* The parameters that packet_columns_configure reads, for a class's table. */
#define PACKET_COLUMNS_PARAMS(emit_summary)                                                        \
	{ .name = "emit", .type = LM_PARAM_LIST, .summary = emit_summary },                        \
	{                                                                                          \
		.name = "inner", .type = LM_PARAM_BOOL, .fallback = "false",                       \
		.summary = "look into GRE, VXLAN, GTP-U and IP in IP: the innermost IP header "    \
			   "counts"                                                                \
	}

/* For a class's drops: the decoder's reasons, in the order of enum decode_outcome. */
#define PACKET_DROP_TEXT(suffix, text) text,

/* Takes the columns that `emit` names and declares output 0. Returns 0, or -1 after reporting. */
int packet_columns_configure(struct lm_setup *setup, struct packet_columns *columns, bool has_time);

/* Input rows: all of the batch, or those selected. */
static inline uint32_t
packet_row(const uint16_t *selected, uint32_t index)
{
	return selected == NULL ? index : selected[index];
}

/* Decodes a frame that stands in row `row` of the input into the chunk, or counts why not. */
static inline void
packet_chunk_add(struct packet_chunk *chunk, const struct lm_frame *frame, uint32_t row,
                 uint32_t options, uint32_t outcomes[DECODE_OUTCOME_COUNT], uint32_t *rows)
{
	enum decode_outcome outcome = decode_frame(frame->data, frame->contiguous, frame->length,
	                                           options, &chunk->packet[*rows]);

	chunk->row[*rows] = (uint16_t)row;
	if (__builtin_expect(outcome == DECODE_ROW, 1)) {
		(*rows)++;
	} else {
		outcomes[outcome]++;
	}
}

/*
 * Decodes the rows from `at` up to `end` (PACKET_CHUNK of them at most) and adds what became of
 * them to `outcomes`. Inline, so that the common frames are decoded without a call.
 */
static inline void
packet_chunk_decode(struct packet_chunk *chunk, const struct lm_frame *frames,
                    const uint16_t *selected, uint32_t at, uint32_t end, uint32_t options,
                    uint32_t outcomes[DECODE_OUTCOME_COUNT])
{
	uint32_t rows = 0;

	for (; at < end; at++) {
		uint32_t row = packet_row(selected, at);

		packet_chunk_add(chunk, &frames[row], row, options, outcomes, &rows);
	}
	chunk->count = rows;
}

/* Asks for the bytes of the rows from `at` up to `end`. */
static inline void
packet_prefetch(const struct lm_frame *frames, const uint16_t *selected, uint32_t at, uint32_t end)
{
	for (; at < end; at++) {
		__builtin_prefetch(frames[packet_row(selected, at)].data);
	}
}

/* Writes the chosen columns of the chunk's packets into rows from `first` on. */
void packet_columns_write(const struct packet_columns *columns, const struct packet_chunk *chunk,
                          struct lm_batch *out, uint32_t first);
/* Counts the frames that gave no row, by reason. */
void packet_count_drops(struct lm_op *op, const uint32_t outcomes[DECODE_OUTCOME_COUNT]);

#endif
