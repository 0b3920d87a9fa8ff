/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_source: frames of a port, a slice per receive queue. Event time is the capture's where the
 * driver knows it (net_pcap), else the clock's; the watermark follows at a distance of `lag`.
 */

#include "net/port_source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/registry_builtin.h"
#include "net/port.h"

enum { TIME, FRAME, QUEUE };
enum { GAUGE_PACKETS, GAUGE_BYTES };

/* A quiet live port still moves event time on, this often. */
#define QUIET_NS 10000000

struct port_source_config {
	char port[64];
	uint32_t buffers;
	uint32_t descriptors;
	int64_t lag_ns;
	uint64_t limit;
	bool promiscuous;
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
	lm_op_set_external(op, port_external(source->port));
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
port_source_account(struct lm_op *op, const struct port_burst *burst, uint32_t count)
{
	const struct port_source_config *config = lm_op_config(op);
	struct port_source *source = lm_op_context(op);

	source->packets += count;
	source->bytes += burst->bytes;
	if (burst->newest_ns > source->newest_ns) {
		source->newest_ns = burst->newest_ns;
		lm_op_watermark(op, burst->newest_ns - config->lag_ns);
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

static enum lm_poll
port_source_poll(struct lm_op *op)
{
	const struct port_source_config *config = lm_op_config(op);
	struct port_source *source = lm_op_context(op);
	uint32_t max = lm_op_output_schema(op, 0)->capacity;
	uint32_t first, count;
	struct lm_batch *out;
	struct port_burst burst;

	if (config->limit != 0 && source->packets >= config->limit) {
		return LM_POLL_END;
	}
	max = max < PORT_BURST ? max : PORT_BURST;
	if (config->limit != 0 && config->limit - source->packets < max) {
		max = (uint32_t)(config->limit - source->packets);
	}
	out = lm_op_reserve(op, 0, max, &first);
	burst.time_ns = lm_batch_i64(out, TIME) + first;
	burst.frame = lm_batch_frame(out, FRAME) + first;
	burst.handle = lm_batch_handles(out) + first;
	count = port_read(source->port, lm_op_slice(op), max, lm_op_wall_ns(op), &burst);
	if (count == 0) {
		lm_op_emit(op, 0, 0);
		return port_source_quiet(op, burst.end);
	}
	fill_queue(lm_batch_u16(out, QUEUE) + first, (uint16_t)lm_op_slice(op), count);
	port_source_account(op, &burst, count);
	lm_op_emit(op, 0, count);
	return LM_POLL_BUSY;
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
	{ 0 },
};
static const char *const port_source_outputs[] = { "out", NULL };

static const struct lm_op_class port_source_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "port_source",
	.version = "1.0",
	.summary = "frames of a DPDK port, one slice a receive queue",
	.params = port_source_params,
	.outputs = port_source_outputs,
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
