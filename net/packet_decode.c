/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet_decode: frames in, the columns asked for out. A batch is decoded a chunk at a time: first
 * every frame of the chunk into a struct, then every column from those, so that each loop is short
 * and the frames' bytes are still near. Frames that give no row are dropped by the decoder's
 * reasons.
 */
#include <string.h>

#include "core/lm_op.h"
#include "core/registry_builtin.h"
#include "core/text.h"
#include "net/decode.h"

/* Frames decoded before their columns are written; how far ahead their bytes are fetched. */
#define CHUNK_ROWS 128u
#define PREFETCH_ROWS 16u

struct chunk {
	struct decode_packet packet[CHUNK_ROWS];
	uint16_t row[CHUNK_ROWS]; /* of the input */
	const int64_t *time_ns;   /* of the input, by row; NULL without one */
	uint32_t count;
};

typedef void packet_decode_store_fn(const struct chunk *chunk, void *column, uint32_t first);

struct packet_decode_config {
	uint32_t options; /* enum decode_options */
	uint32_t frame_field;
	uint32_t column_count;
	packet_decode_store_fn *store[LM_FIELDS_MAX];
};

/*
 * The columns: name, type, type in C, what writes a value. `p` is the packet, `i` its place in the
 * chunk and in the column `out`.
 */
#define PACKET_DECODE_COLUMNS(X)                                                                   \
	X(time, TIME, int64_t, out[i] = chunk->time_ns[chunk->row[i]])                             \
	X(length, U32, uint32_t, out[i] = p->captured)                                             \
	X(eth_src, MAC, uint64_t, out[i] = decode_eth_src(p))                                      \
	X(eth_dst, MAC, uint64_t, out[i] = decode_eth_dst(p))                                      \
	X(ethertype, U16, uint16_t, out[i] = p->ethertype)                                         \
	X(vlan, U16, uint16_t, out[i] = p->vlan)                                                   \
	X(mpls, U32, uint32_t, out[i] = p->mpls)                                                   \
	X(ip_version, U8, uint8_t, out[i] = p->ip_version)                                         \
	X(src, IP6, struct lm_ip6, decode_src6(p, out[i].byte))                                    \
	X(dst, IP6, struct lm_ip6, decode_dst6(p, out[i].byte))                                    \
	X(src4, IP4, uint32_t, out[i] = decode_src4(p))                                            \
	X(dst4, IP4, uint32_t, out[i] = decode_dst4(p))                                            \
	X(proto, U8, uint8_t, out[i] = p->proto)                                                   \
	X(sport, U16, uint16_t, out[i] = p->sport)                                                 \
	X(dport, U16, uint16_t, out[i] = p->dport)                                                 \
	X(tcp_flags, U8, uint8_t, out[i] = decode_tcp_flags(p))                                    \
	X(tcp_seq, U32, uint32_t, out[i] = decode_tcp_seq(p))                                      \
	X(icmp_type, U8, uint8_t, out[i] = decode_icmp_type(p))                                    \
	X(icmp_code, U8, uint8_t, out[i] = decode_icmp_code(p))                                    \
	X(ttl, U8, uint8_t, out[i] = decode_ttl(p))                                                \
	X(dscp, U8, uint8_t, out[i] = decode_dscp(p))                                              \
	X(fragment, BOOL, uint8_t, out[i] = p->fragment)                                           \
	X(ip_length, U16, uint16_t, out[i] = p->ip_length)                                         \
	X(payload_length, U32, uint32_t, out[i] = p->payload_length)                               \
	X(tunnel, U8, uint8_t, out[i] = p->tunnel)                                                 \
	X(anomaly, U8, uint8_t, out[i] = p->anomaly)

/* One leaf a column: writes it for all packets of a chunk. */
#define STORE(name, type, ctype, write)                                                            \
	static void store_##name(const struct chunk *chunk, void *column, uint32_t first)          \
	{                                                                                          \
		ctype *out = (ctype *)column + first;                                              \
                                                                                                   \
		for (uint32_t i = 0; i < chunk->count; i++) {                                      \
			const struct decode_packet *p = &chunk->packet[i];                         \
                                                                                                   \
			(void)p;                                                                   \
			write;                                                                     \
		}                                                                                  \
	}
PACKET_DECODE_COLUMNS(STORE)
#undef STORE

struct packet_decode_column {
	const char *name;
	enum lm_type type;
	packet_decode_store_fn *store;
};

static const struct packet_decode_column columns[] = {
#define COLUMN(name, type, ctype, write) { #name, LM_##type, store_##name },
	PACKET_DECODE_COLUMNS(COLUMN)
#undef COLUMN
};

static const char *const column_names[] = {
#define NAME(name, type, ctype, write) #name,
	PACKET_DECODE_COLUMNS(NAME)
#undef NAME
};

#define COLUMN_COUNT (sizeof(columns) / sizeof(columns[0]))
_Static_assert(COLUMN_COUNT <= LM_FIELDS_MAX, "all columns must fit into one schema");

static const char *const emit_default[] = { "time", "length", "ip_version", "src",
	                                    "dst",  "proto",  "sport",      "dport" };
#define EMIT_DEFAULT_COUNT (sizeof(emit_default) / sizeof(emit_default[0]))

static const struct lm_param packet_decode_params[] = {
	{ .name = "emit",
	  .type = LM_PARAM_LIST,
	  .summary = "columns to write; [time, length, ip_version, src, dst, proto, sport, dport] "
	             "unless given" },
	{ .name = "inner",
	  .type = LM_PARAM_BOOL,
	  .fallback = "false",
	  .summary = "look into GRE, VXLAN, GTP-U and IP in IP: the innermost IP header counts" },
	{ 0 }
};

static const char *const packet_decode_inputs[] = { "frames", NULL };
static const char *const packet_decode_outputs[] = { "packets", NULL };
static const char *const packet_decode_drops[] = {
#define DROP(suffix, text) text,
	DECODE_DROPS(DROP)
#undef DROP
	    NULL
};

/* ---- configure ---- */

static const struct packet_decode_column *
packet_decode_find(const char *name)
{
	for (uint32_t i = 0; i < COLUMN_COUNT; i++) {
		if (strcmp(columns[i].name, name) == 0) {
			return &columns[i];
		}
	}
	return NULL;
}

/* Takes item `item` of emit, called `name`, as the next column. */
static int
packet_decode_add(struct lm_setup *setup, struct packet_decode_config *config,
                  struct lm_field *fields, const char *name, uint32_t item)
{
	const struct packet_decode_column *column = packet_decode_find(name);
	char hint[512];

	if (column == NULL) {
		text_hint(name, "columns", column_names, COLUMN_COUNT, hint, sizeof(hint));
		return lm_setup_error(setup, "emit", item, LM_NONE, hint,
		                      "packet_decode has no column \"%s\"", name);
	}
	for (uint32_t i = 0; i < config->column_count; i++) {
		if (config->store[i] == column->store) {
			return lm_setup_error(setup, "emit", item, LM_NONE, "keep one of them",
			                      "column \"%s\" is there twice", name);
		}
	}
	if (column->type == LM_TIME && lm_setup_input(setup, 0)->time_field == LM_NONE) {
		return lm_setup_error(setup, "emit", item, LM_NONE,
		                      "leave it out of emit, or wire a source that has one",
		                      "the input has no time");
	}
	/* Names of columns are shorter than LM_NAME_MAX, which lm_schema_init checks. */
	strncpy(fields[config->column_count].name, column->name, LM_NAME_MAX - 1);
	fields[config->column_count].type = column->type;
	config->store[config->column_count++] = column->store;
	return 0;
}

static int
packet_decode_configure(struct lm_setup *setup, void *memory)
{
	struct packet_decode_config *config = memory;
	bool given = lm_setup_has(setup, "emit");
	uint32_t count = given ? lm_setup_count(setup, "emit") : EMIT_DEFAULT_COUNT;
	struct lm_field fields[LM_FIELDS_MAX];

	memset(fields, 0, sizeof(fields));
	config->options = lm_setup_bool(setup, "inner") ? DECODE_INNER : 0;
	config->frame_field = lm_setup_input(setup, 0)->frame_field;
	if (config->frame_field == LM_NONE) {
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE,
		                      "wire it to a port_source or another source of frames",
		                      "the input has no column of frames");
	}
	if (count == 0) {
		return lm_setup_error(setup, "emit", LM_NONE, LM_NONE,
		                      "name columns, or leave emit out", "it names no column");
	}
	for (uint32_t i = 0; i < count; i++) {
		const char *name = given ? lm_setup_item(setup, "emit", i) : emit_default[i];

		if (packet_decode_add(setup, config, fields, name, i) != 0) {
			return -1;
		}
	}
	return lm_setup_output(setup, 0, fields, config->column_count);
}

/* ---- rows ---- */

/* Input rows: all of the batch, or those selected. */
static inline uint32_t
packet_decode_row(const uint16_t *selected, uint32_t index)
{
	return selected == NULL ? index : selected[index];
}

/* Decodes the rows from `at` up to `end` into the chunk and counts the outcomes. */
static inline void
packet_decode_chunk(struct chunk *chunk, const struct lm_frame *frames, const uint16_t *selected,
                    uint32_t at, uint32_t end, uint32_t count, uint32_t options,
                    uint32_t outcomes[DECODE_OUTCOME_COUNT])
{
	uint32_t rows = 0;

	for (; at < end; at++) {
		uint32_t row = packet_decode_row(selected, at);
		const struct lm_frame *frame = &frames[row];
		enum decode_outcome outcome;

		if (at + PREFETCH_ROWS < count) {
			uint32_t ahead = packet_decode_row(selected, at + PREFETCH_ROWS);

			__builtin_prefetch(frames[ahead].data);
		}
		outcome = decode_frame(frame->data, frame->contiguous, frame->length, options,
		                       &chunk->packet[rows]);
		chunk->row[rows] = (uint16_t)row;
		if (__builtin_expect(outcome == DECODE_ROW, 1)) {
			rows++;
		} else {
			outcomes[outcome]++;
		}
	}
	chunk->count = rows;
}

static void
packet_decode_rows(struct lm_op *op, const struct lm_batch *in, const uint16_t *selected,
                   uint32_t count)
{
	const struct packet_decode_config *config = lm_op_config(op);
	const struct lm_frame *frames = lm_batch_frame(in, config->frame_field);
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity;
	uint32_t step = capacity < CHUNK_ROWS ? capacity : CHUNK_ROWS;
	uint32_t outcomes[DECODE_OUTCOME_COUNT] = { 0 };
	struct chunk chunk;

	chunk.time_ns = lm_batch_time(in);
	for (uint32_t at = 0; at < count; at += step) {
		uint32_t end = count - at < step ? count : at + step;
		struct lm_batch *out;
		uint32_t first;

		packet_decode_chunk(&chunk, frames, selected, at, end, count, config->options,
		                    outcomes);
		if (chunk.count == 0) {
			continue;
		}
		out = lm_op_reserve(op, 0, chunk.count, &first);
		for (uint32_t i = 0; i < config->column_count; i++) {
			config->store[i](&chunk, lm_batch_column(out, i), first);
		}
		lm_op_emit(op, 0, chunk.count);
	}
	for (uint32_t i = DECODE_ROW + 1; i < DECODE_OUTCOME_COUNT; i++) {
		if (outcomes[i] != 0) {
			lm_op_drop(op, i - 1, outcomes[i]);
		}
	}
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
