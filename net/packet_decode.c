/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet_decode: frames in, the columns asked for out, a chunk at a time (net/packet_columns.h).
 */
#include "core/lm_op.h"
#include "core/registry_builtin.h"
#include "net/packet_columns.h"

struct packet_decode_config {
	struct packet_columns columns;
	uint32_t frame_field;
};

static const struct lm_param packet_decode_params[] = {
	PACKET_COLUMNS_PARAMS("columns to write; [time, length, ip_version, src, dst, proto, "
	                      "sport, dport] unless given"),
	{ 0 }
};

static const char *const packet_decode_inputs[] = { "frames", NULL };
static const char *const packet_decode_outputs[] = { "packets", NULL };
static const char *const packet_decode_drops[] = { DECODE_DROPS(PACKET_DROP_TEXT) NULL };

static int
packet_decode_configure(struct lm_setup *setup, void *memory)
{
	struct packet_decode_config *config = memory;
	const struct lm_schema *in = lm_setup_input(setup, 0);

	config->frame_field = in->frame_field;
	if (config->frame_field == LM_NONE) {
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE,
		                      "wire it to a port_source or another source of frames",
		                      "the input has no column of frames");
	}
	return packet_columns_configure(setup, &config->columns, in->time_field != LM_NONE);
}

static void
packet_decode_rows(struct lm_op *op, const struct lm_batch *in, const uint16_t *selected,
                   uint32_t count)
{
	const struct packet_decode_config *config = lm_op_config(op);
	const struct packet_columns *columns = &config->columns;
	const struct lm_frame *frames = lm_batch_frame(in, config->frame_field);
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity;
	uint32_t step = capacity < PACKET_CHUNK ? capacity : PACKET_CHUNK;
	uint32_t outcomes[DECODE_OUTCOME_COUNT] = { 0 };
	struct packet_chunk chunk;

	chunk.time_ns = lm_batch_time(in);
	packet_prefetch(frames, selected, 0, count < step ? count : step);
	for (uint32_t at = 0; at < count; at += step) {
		uint32_t end = count - at < step ? count : at + step;
		struct lm_batch *out;
		uint32_t first;

		/* The next chunk's bytes come while this one is decoded. */
		packet_prefetch(frames, selected, end, count - end < step ? count : end + step);
		packet_chunk_decode(&chunk, frames, selected, at, end, columns->options, outcomes);
		if (chunk.count == 0) {
			continue;
		}
		out = lm_op_reserve(op, 0, chunk.count, &first);
		packet_columns_write(columns, &chunk, out, first);
		lm_op_emit(op, 0, chunk.count);
	}
	packet_count_drops(op, outcomes);
}

static void
packet_decode_process(struct lm_op *op, const struct lm_batch *in)
{
	packet_decode_rows(op, in, NULL, in->count);
}

static void
packet_decode_process_select(struct lm_op *op, const struct lm_select *in)
{
	packet_decode_rows(op, in->batch, in->row, in->count);
}

static const struct lm_op_class packet_decode_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_RESCALES,
	.name = "packet_decode",
	.version = "1.0.0",
	.summary = "turns frames into columns: addresses, ports, protocol and other header fields",
	.params = packet_decode_params,
	.inputs = packet_decode_inputs,
	.outputs = packet_decode_outputs,
	.drops = packet_decode_drops,
	.rows = LM_ROWS_PASS,
	.config_size = sizeof(struct packet_decode_config),
	.configure = packet_decode_configure,
	.process = packet_decode_process,
	.process_select = packet_decode_process_select,
};

REGISTER_CLASS(packet_decode_class)
