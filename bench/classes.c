/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two ends of every scenario: bench_replay hands out batches made beforehand, by reference, and
 * bench_sink adds up an order-free checksum of what arrives. The sink also measures: from the first
 * poll of a source to its own end, so that starting threads does not count.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "core/env.h"
#include "core/registry.h"

static struct bench_data *current;
static int64_t started_ns;

struct lm_batch *
bench_data_add(struct bench_data *data)
{
	struct lm_batch **grown = realloc(data->batch, (data->count + 1) * sizeof(*grown));
	/* Odd lines apart, as in a pool, so that columns of batches do not share cache sets. */
	struct lm_batch *batch = env_alloc(data->schema.size + 64 * (data->count % 7), 64, -1);

	if (grown == NULL || batch == NULL) {
		return NULL;
	}
	data->batch = grown;
	data->batch[data->count++] = batch;
	batch->schema = &data->schema;
	batch->references = 1;
	batch->ingress_ns = INT64_MAX;
	return batch;
}

void
bench_data_free(struct bench_data *data)
{
	for (uint32_t i = 0; i < data->count; i++) {
		env_free(data->batch[i]);
	}
	free(data->batch);
	memset(data, 0, sizeof(*data));
}

void
bench_data_use(struct bench_data *data)
{
	current = data;
}

struct replay_config {
	uint64_t times;
};

struct replay {
	uint32_t at;
	uint64_t time;
};

static int
replay_configure(struct lm_setup *setup, void *context)
{
	struct replay_config *config = context;

	config->times = lm_setup_u64(setup, "times");
	return lm_setup_output_like(setup, 0, &current->schema);
}

static enum lm_poll
replay_poll(struct lm_op *op)
{
	const struct replay_config *config = lm_op_config(op);
	struct replay *replay = lm_op_context(op);
	const struct lm_batch *batch;

	if (replay->at == 0 && replay->time == 0) {
		started_ns = env_now_ns();
	}
	if (replay->at == current->count) {
		replay->at = 0;
		replay->time++;
	}
	if (replay->time == config->times) {
		return LM_POLL_END;
	}
	batch = current->batch[replay->at++];
	if (replay->at < current->count) {
		lm_batch_prefetch(current->batch[replay->at], &current->schema);
	}
	lm_op_forward(op, batch);
	if (batch->schema->time_field != LM_NONE && replay->time + 1 == config->times) {
		lm_op_watermark(op, lm_batch_time(batch)[batch->count - 1] - 1);
	}
	return LM_POLL_BUSY;
}

struct sink {
	uint64_t sum;
};

/* Strings count by their length and first bytes: enough to tell results apart, cheap for both
 * sides. */
static uint64_t
string_of(const struct lm_batch *in, uint32_t field, uint32_t row)
{
	const uint32_t *offsets = lm_batch_offsets(in, field);
	uint32_t length = offsets[row + 1] - offsets[row];
	uint64_t value;

	/* Past the end of the string if it is short: what is there is cut off. */
	memcpy(&value, lm_batch_bytes(in, field) + offsets[row], sizeof(value));
	value &= length < 8 ? (1ul << (8 * length)) - 1 : UINT64_MAX;
	return value ^ ((uint64_t)length << 56);
}

#define SUM_FIXED(type)                                                                            \
	for (uint32_t row = 0; row < in->count; row++) {                                           \
		sums[row] = bench_mix(sums[row], ((const type *)lm_batch_column(in, field))[row]); \
	}                                                                                          \
	break

static void
sum_field(uint64_t *sums, const struct lm_batch *in, uint32_t field)
{
	switch (lm_type_width(in->schema->field[field].type)) {
	case 0:
		for (uint32_t row = 0; row < in->count; row++) {
			sums[row] = bench_mix(sums[row], string_of(in, field, row));
		}
		break;
	case 1:
		SUM_FIXED(uint8_t);
	case 2:
		SUM_FIXED(uint16_t);
	case 4:
		SUM_FIXED(uint32_t);
	default:
		SUM_FIXED(uint64_t);
	}
}
#undef SUM_FIXED

static void
sink_process(struct lm_op *op, const struct lm_batch *in)
{
	struct sink *sink = lm_op_context(op);
	uint64_t sums[LM_BATCH_ROWS] = { 0 };

	for (uint32_t field = 0; field < in->schema->field_count; field++) {
		sum_field(sums, in, field);
	}
	for (uint32_t row = 0; row < in->count; row++) {
		sink->sum += sums[row];
	}
	lm_op_absorb(op, in->count);
}

static void
sink_end(struct lm_op *op)
{
	struct sink *sink = lm_op_context(op);

	lm_op_gauge(op, 0, "checksum", sink->sum);
	lm_op_gauge(op, 1, "ns", started_ns == 0 ? 0 : (uint64_t)(env_now_ns() - started_ns));
	started_ns = 0;
}

static const char *const port_in[] = { "in", NULL };
static const char *const port_out[] = { "out", NULL };
static const struct lm_param replay_params[] = {
	{ "times", LM_PARAM_U64, false, "1", 0, 0, NULL, "how often the data is handed out" },
	{ 0 },
};
static const struct lm_op_class replay_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "bench_replay",
	.version = "1.0",
	.summary = "batches made beforehand",
	.params = replay_params,
	.outputs = port_out,
	.rows = LM_ROWS_SOURCE,
	.config_size = sizeof(struct replay_config),
	.context_size = sizeof(struct replay),
	.configure = replay_configure,
	.poll = replay_poll,
};
static const struct lm_op_class sink_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "bench_sink",
	.version = "1.0",
	.summary = "an order-free checksum",
	.inputs = port_in,
	.rows = LM_ROWS_ABSORB,
	.context_size = sizeof(struct sink),
	.process = sink_process,
	.end = sink_end,
};

void
bench_register_classes(void)
{
	const char *why = "";

	if (registry_add(&replay_class, &why) != 0 || registry_add(&sink_class, &why) != 0) {
		fprintf(stderr, "bench: %s\n", why);
		abort();
	}
}
