/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_source: frames of a port, a slice per receive queue; or, when it is told columns, packets:
 * it then decodes each burst at once, while its buffers are in the nearest cache, gives them back,
 * and fills whole batches. Event time is the capture's where the driver knows it (net_pcap), else
 * the clock's; the watermark follows at a distance of `lag`.
 */

#include "net/port_source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/registry_builtin.h"
#include "net/packet_columns.h"
#include "net/port.h"

enum { TIME, FRAME, QUEUE };
enum { GAUGE_PACKETS, GAUGE_BYTES };

/* A quiet live port still moves event time on, this often. */
#define QUIET_NS 10000000
/* Frames decoded at a time: their buffers, twice over, fit the nearest cache. */
#define DECODE_BURST 64u
#define DECODE_AHEAD 4u

struct port_source_config {
	char port[64];
	uint32_t buffers;
	uint32_t descriptors;
	int64_t lag_ns;
	uint64_t limit;
	bool promiscuous;
	bool decodes;
	struct packet_columns columns;
};

struct port_source {
	int port;
	bool opened;
	uint64_t packets, bytes;
	int64_t newest_ns;
	int64_t told_ns;
};

static int
port_source_configure(struct lm_setup *setup, void *context)
{
	struct port_source_config *config = context;
	static const struct lm_field fields[] = {
		[TIME] = { "time", LM_TIME, 0 },
		[FRAME] = { "frame", LM_FRAME, 0 },
		[QUEUE] = { "queue", LM_U16, 0 },
	};

	snprintf(config->port, sizeof(config->port), "%s", lm_setup_text(setup, "port"));
	config->buffers = (uint32_t)lm_setup_u64(setup, "buffers");
	config->descriptors = (uint32_t)lm_setup_u64(setup, "descriptors");
	config->lag_ns = (int64_t)lm_setup_u64(setup, "lag");
	config->limit = lm_setup_u64(setup, "limit");
	config->promiscuous = lm_setup_bool(setup, "promiscuous");
	if (lm_setup_slices(setup) > PORT_QUEUES_MAX) {
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, "use fewer slices",
		                      "a port has at most %u queues, one for each slice",
		                      PORT_QUEUES_MAX);
	}
	config->decodes = lm_setup_has(setup, "emit");
	if (config->decodes) {
		return packet_columns_configure(setup, &config->columns, true);
	}
	return lm_setup_output(setup, 0, fields, 3);
}

static int
port_source_open(struct lm_op *op)
{
	const struct port_source_config *config = lm_op_config(op);
	struct port_source *source = lm_op_context(op);
	struct port_needs needs = {
		.name = config->port,
		.queues = lm_op_slices(op),
		.frames = config->buffers,
		.descriptors = config->descriptors,
		.promiscuous = config->promiscuous,
	};
	char why[300] = "";

	source->port = port_open(&needs, why, sizeof(why));
	if (source->port < 0) {
		lm_op_error(op, "%s", why);
		return source->port;
	}
	source->opened = true;
	source->newest_ns = INT64_MIN;
	if (!config->decodes) {
		lm_op_set_external(op, port_external(source->port));
	}
	return 0;
}

static void
port_source_close(struct lm_op *op)
{
	struct port_source *source = lm_op_context(op);

	if (source->opened) {
		port_close(source->port);
	}
}

static void
fill_queue(uint16_t *column, uint16_t queue, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		column[i] = queue;
	}
}

/* Counts what came and moves event time on. */
static void
port_source_account(struct lm_op *op, uint32_t packets, uint64_t bytes, int64_t newest_ns)
{
	const struct port_source_config *config = lm_op_config(op);
	struct port_source *source = lm_op_context(op);

	source->packets += packets;
	source->bytes += bytes;
	lm_op_absorb(op, packets);
	if (newest_ns > source->newest_ns) {
		source->newest_ns = newest_ns;
		lm_op_watermark(op, newest_ns - config->lag_ns);
	}
	lm_op_gauge(op, GAUGE_PACKETS, "packets", source->packets);
	lm_op_gauge(op, GAUGE_BYTES, "bytes", source->bytes);
}

static enum lm_poll
port_source_quiet(struct lm_op *op, bool end)
{
	const struct port_source_config *config = lm_op_config(op);
	struct port_source *source = lm_op_context(op);
	int64_t wall_ns = lm_op_wall_ns(op);

	if (end) {
		return LM_POLL_END;
	}
	if (!port_is_recording(source->port) && wall_ns - source->told_ns >= QUIET_NS) {
		source->told_ns = wall_ns;
		lm_op_watermark(op, wall_ns - config->lag_ns);
	}
	return LM_POLL_IDLE;
}

/* One read: frames, as they are. */
static uint32_t
port_source_frames(struct lm_op *op, uint32_t max, bool *end)
{
	struct port_source *source = lm_op_context(op);
	struct port_burst burst;
	uint32_t first, count;
	struct lm_batch *out;

	max = max < PORT_BURST ? max : PORT_BURST;
	out = lm_op_reserve(op, 0, max, &first);
	burst.time_ns = lm_batch_i64(out, TIME) + first;
	burst.frame = lm_batch_frame(out, FRAME) + first;
	burst.handle = lm_batch_handles(out) + first;
	count = port_read(source->port, lm_op_slice(op), max, lm_op_wall_ns(op), &burst);
	if (count > 0) {
		fill_queue(lm_batch_u16(out, QUEUE) + first, (uint16_t)lm_op_slice(op), count);
		port_source_account(op, count, burst.bytes, burst.newest_ns);
	}
	lm_op_emit(op, 0, count);
	*end = burst.end;
	return count;
}

/* Where decoded packets go, and what was seen of them. */
struct port_source_run {
	const struct packet_columns *columns;
	int port;
	uint32_t queue;
	int64_t wall_ns;
	struct lm_batch *out;
	uint32_t rows; /* the next one to write */
	uint32_t outcomes[DECODE_OUTCOME_COUNT];
	int64_t newest_ns;
	uint64_t bytes;
	bool is_over;
};

/* Decodes the packets of a burst. Their bytes are asked for a few packets ahead. */
static void
port_source_decode(struct port_source_run *run, void *const *handle, uint32_t count,
                   struct packet_chunk *chunk)
{
	uint32_t options = run->columns->options, rows = 0;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < count && i < DECODE_AHEAD; i++) {
		__builtin_prefetch(port_frame(handle[i]).data);
	}
	for (uint32_t i = 0; i < count; i++) {
		struct lm_frame frame = port_frame(handle[i]);

		if (i + DECODE_AHEAD < count) {
			__builtin_prefetch(port_frame(handle[i + DECODE_AHEAD]).data);
		}
		bytes += frame.length;
		packet_chunk_add(chunk, &frame, i, options, run->outcomes, &rows);
	}
	chunk->count = rows;
	run->bytes += bytes;
}

/* A burst that is decoded and given back at once; returns how many packets. */
static uint32_t
port_source_burst(struct port_source_run *run, uint32_t max)
{
	int64_t time_ns[DECODE_BURST];
	void *handle[DECODE_BURST];
	struct port_burst burst = {
		.time_ns = run->columns->needs_time ? time_ns : NULL,
		.handle = handle,
	};
	uint32_t count = port_read(run->port, run->queue, max, run->wall_ns, &burst);
	struct packet_chunk chunk;

	run->is_over = burst.end;
	if (count > 0) {
		chunk.time_ns = time_ns;
		port_source_decode(run, handle, count, &chunk);
		packet_columns_write(run->columns, &chunk, run->out, run->rows);
		port_give_back(run->port, run->queue, &burst, count);
		run->rows += chunk.count;
		run->newest_ns =
		    burst.newest_ns > run->newest_ns ? burst.newest_ns : run->newest_ns;
	}
	return count;
}

static uint32_t
least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Bursts, decoded, until the batch is full or the queue has no more. */
static uint32_t
port_source_packets(struct lm_op *op, uint32_t max, bool *end)
{
	const struct port_source_config *config = lm_op_config(op);
	const struct port_source *source = lm_op_context(op);
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity, packets = 0, first;
	struct port_source_run run = {
		.columns = &config->columns,
		.port = source->port,
		.queue = lm_op_slice(op),
		.wall_ns = lm_op_wall_ns(op),
		.newest_ns = INT64_MIN,
	};
	uint32_t want, count;

	run.out = lm_op_reserve(op, 0, capacity, &first);
	run.rows = first;
	do {
		want = least(DECODE_BURST, least(first + capacity - run.rows, max - packets));
		count = want == 0 ? 0 : port_source_burst(&run, want);
		packets += count;
	} while (count == DECODE_BURST);
	if (packets > 0) {
		port_source_account(op, packets, run.bytes, run.newest_ns);
		packet_count_drops(op, run.outcomes);
	}
	lm_op_emit(op, 0, run.rows - first);
	*end = run.is_over;
	return packets;
}

static enum lm_poll
port_source_poll(struct lm_op *op)
{
	const struct port_source_config *config = lm_op_config(op);
	struct port_source *source = lm_op_context(op);
	uint32_t max = lm_op_output_schema(op, 0)->capacity, count;
	bool end = false;

	if (config->limit != 0 && source->packets >= config->limit) {
		return LM_POLL_END;
	}
	if (config->limit != 0 && config->limit - source->packets < max) {
		max = (uint32_t)(config->limit - source->packets);
	}
	count = config->decodes ? port_source_packets(op, max, &end)
	                        : port_source_frames(op, max, &end);
	return count == 0 ? port_source_quiet(op, end) : LM_POLL_BUSY;
}

static const struct lm_param port_source_params[] = {
	{ "port", LM_PARAM_TEXT, true, NULL, 0, 0, NULL, "the port's number or device name" },
	{ "lag", LM_PARAM_DURATION, false, "1s", 0, 0, NULL,
	  "how far packets may be out of order in event time" },
	{ "buffers", LM_PARAM_U64, false, "16384", 512, 4194304, NULL, "packet buffers" },
	{ "descriptors", LM_PARAM_U64, false, "1024", 32, 32768, NULL, "of each receive queue" },
	{ "limit", LM_PARAM_U64, false, "0", 0, 0, NULL,
	  "end after so many packets a queue; 0: never" },
	{ "promiscuous", LM_PARAM_BOOL, false, "true", 0, 0, NULL,
	  "also take what is sent to others" },
	PACKET_COLUMNS_PARAMS("decode packets and write these columns instead of frames; as of "
	                      "packet_decode"),
	{ 0 },
};
static const char *const port_source_outputs[] = { "out", NULL };
static const char *const port_source_drops[] = { DECODE_DROPS(PACKET_DROP_TEXT) NULL };

static const struct lm_op_class port_source_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "port_source",
	.version = "1.0",
	.summary = "frames of a DPDK port, one slice a receive queue",
	.params = port_source_params,
	.outputs = port_source_outputs,
	.drops = port_source_drops,
	.rows = LM_ROWS_SOURCE,
	.config_size = sizeof(struct port_source_config),
	.context_size = sizeof(struct port_source),
	.configure = port_source_configure,
	.open = port_source_open,
	.close = port_source_close,
	.poll = port_source_poll,
};

REGISTER_CLASS(port_source_class)

const char *
port_source_port(const struct lm_op_class *class, const void *config)
{
	const struct port_source_config *source = config;

	return class == &port_source_class ? source->port : NULL;
}
