/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FAKE_ENGINE_H
#define FAKE_ENGINE_H

/*
 * An engine that is only numbers: implements the read functions of core/lm_engine.h over a struct
 * that a test fills in. To be included once per test program. fake_engine_chain gives the one most
 * tests use:
 *
 *     packets (2 slices: lcore 1, 2) -> flows (2: 1, 2) -> talkers (1: 3) -> out (1: 3), a sink
 */

#include "core/lm_engine.h"
#include "mgmt/sample.h"

#include <stdlib.h>
#include <string.h>

enum { FAKE_PACKETS, FAKE_FLOWS, FAKE_TALKERS, FAKE_OUT, FAKE_OPERATORS };
enum { FAKE_SLICES = 6, FAKE_WORKERS = 3 };

struct lm_engine {
	uint32_t operator_count, slice_count, worker_count;
	const char *name[FAKE_OPERATORS];
	const struct lm_op_class *class[FAKE_OPERATORS];
	uint32_t operator_of[FAKE_SLICES];
	uint32_t worker_of[FAKE_SLICES];
	uint32_t lcore[FAKE_WORKERS];
	struct lm_slice_stats slice[FAKE_SLICES];
	struct lm_slice_load load[FAKE_SLICES];
	const char *gauge_name[FAKE_SLICES][SAMPLE_GAUGES];
	struct lm_worker_stats worker[FAKE_WORKERS];
	struct lm_hist latency; /* of the last operator */
};

uint32_t
lm_engine_operator_count(const struct lm_engine *engine)
{
	return engine->operator_count;
}

uint32_t
lm_engine_slice_count(const struct lm_engine *engine)
{
	return engine->slice_count;
}

uint32_t
lm_engine_worker_count(const struct lm_engine *engine)
{
	return engine->worker_count;
}

const char *
lm_engine_operator_name(const struct lm_engine *engine, uint32_t op)
{
	return engine->name[op];
}

const struct lm_op_class *
lm_engine_operator_class(const struct lm_engine *engine, uint32_t op)
{
	return engine->class[op];
}

const struct lm_op_class *
lm_engine_slice_class(const struct lm_engine *engine, uint32_t slice)
{
	return engine->class[engine->operator_of[slice]];
}

uint32_t
lm_engine_slice_operator(const struct lm_engine *engine, uint32_t slice)
{
	return engine->operator_of[slice];
}

uint32_t
lm_engine_slice_worker(const struct lm_engine *engine, uint32_t slice)
{
	return engine->worker_of[slice];
}

uint32_t
lm_engine_worker_lcore(const struct lm_engine *engine, uint32_t worker)
{
	return engine->lcore[worker];
}

void
lm_engine_slice_stats(const struct lm_engine *engine, uint32_t slice, struct lm_slice_stats *stats)
{
	*stats = engine->slice[slice];
}

void
lm_engine_slice_load(const struct lm_engine *engine, uint32_t slice, struct lm_slice_load *load)
{
	*load = engine->load[slice];
}

const char *
lm_engine_slice_gauge(const struct lm_engine *engine, uint32_t slice, uint32_t gauge)
{
	return engine->gauge_name[slice][gauge];
}

void
lm_engine_worker_stats(const struct lm_engine *engine, uint32_t worker,
                       struct lm_worker_stats *stats)
{
	*stats = engine->worker[worker];
}

void
lm_engine_latency(const struct lm_engine *engine, uint32_t op, struct lm_hist *hist)
{
	if (op == LM_NONE || op + 1 == engine->operator_count) {
		lm_hist_add(hist, &engine->latency);
	}
}

static const char *const fake_ports[] = { "rows", NULL };
static const char *const fake_flow_drops[] = { "not_ip", "bad_checksum", NULL };
static const char *const fake_talker_drops[] = { "late", NULL };

static const struct lm_op_class fake_class[FAKE_OPERATORS] = {
	[FAKE_PACKETS] = { .name = "port_source", .outputs = fake_ports },
	[FAKE_FLOWS] = { .name = "packet_decode",
	                 .inputs = fake_ports,
	                 .outputs = fake_ports,
	                 .drops = fake_flow_drops },
	[FAKE_TALKERS] = { .name = "window_aggregate",
	                   .inputs = fake_ports,
	                   .outputs = fake_ports,
	                   .drops = fake_talker_drops },
	[FAKE_OUT] = { .name = "print", .inputs = fake_ports, .flags = LM_OP_SINK },
};

static const struct sample_wire fake_wires[] = {
	{ .from = FAKE_PACKETS, .to = FAKE_FLOWS },
	{ .from = FAKE_FLOWS, .to = FAKE_TALKERS },
	{ .from = FAKE_TALKERS, .to = FAKE_OUT },
};

static const struct sample_about fake_about = {
	.wires = fake_wires,
	.wire_count = 3,
	.counters_max = 8,
	.start_ns = 1000000000,
};

static inline struct lm_engine *
fake_engine_chain(void)
{
	static const char *const names[] = { "packets", "flows", "talkers", "out" };
	static const uint32_t operators[] = { 0, 0, 1, 1, 2, 3 };
	static const uint32_t workers[] = { 0, 1, 0, 1, 2, 2 };
	struct lm_engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL) {
		abort();
	}
	engine->operator_count = FAKE_OPERATORS;
	engine->slice_count = FAKE_SLICES;
	engine->worker_count = FAKE_WORKERS;
	memcpy(engine->name, names, sizeof(names));
	memcpy(engine->operator_of, operators, sizeof(operators));
	memcpy(engine->worker_of, workers, sizeof(workers));
	for (uint32_t i = 0; i < FAKE_OPERATORS; i++) {
		engine->class[i] = &fake_class[i];
	}
	for (uint32_t i = 0; i < FAKE_WORKERS; i++) {
		engine->lcore[i] = i + 1;
	}
	for (uint32_t i = 0; i < FAKE_SLICES; i++) {
		engine->slice[i].watermark_ns = INT64_MIN;
	}
	return engine;
}

/*
 * One second passes: both packets slices send `rows` rows in full batches; flows drops 1 in 100 of
 * them and is fused with packets; talkers absorbs the rest and sends 10 rows; out takes them.
 */
static inline void
fake_engine_second(struct lm_engine *engine, uint64_t rows)
{
	for (uint32_t i = 0; i < 2; i++) {
		engine->slice[i].rows_out[0] += rows;
		engine->slice[i].batches_out[0] += (rows + LM_BATCH_ROWS - 1) / LM_BATCH_ROWS;
		engine->slice[i].busy_ns += 400000000;
		engine->slice[2 + i].rows_in += rows;
		engine->slice[2 + i].batches_in += (rows + LM_BATCH_ROWS - 1) / LM_BATCH_ROWS;
		engine->slice[2 + i].rows_out[0] += rows - rows / 100;
		engine->slice[2 + i].batches_out[0] += (rows + LM_BATCH_ROWS - 1) / LM_BATCH_ROWS;
		engine->slice[2 + i].drops[0] += rows / 100;
		engine->slice[4].rows_in += rows - rows / 100;
		engine->slice[4].batches_in += rows / 512;
		engine->slice[4].rows_absorbed += rows - rows / 100;
	}
	engine->slice[4].rows_out[0] += 10;
	engine->slice[4].batches_out[0] += 1;
	engine->slice[4].busy_ns += 850000000;
	engine->slice[5].rows_in += 10;
	engine->slice[5].batches_in += 1;
	engine->slice[5].busy_ns += 1000000;
	for (uint32_t i = 0; i < FAKE_WORKERS; i++) {
		uint64_t busy_ns = i < 2 ? 410000000 : 860000000;

		engine->worker[i].turns += 100000;
		engine->worker[i].turns_busy += 60000;
		engine->worker[i].busy_ns += busy_ns;
		engine->worker[i].idle_ns += 1000000000 - busy_ns;
		engine->worker[i].longest_turn_ns = 45000 + i;
	}
}

#endif
