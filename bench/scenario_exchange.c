/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exchange: batches from one lcore to another. One side fills a column, the other adds it up; the
 * baseline passes the same memory through a raw rte_ring and back through a second one.
 */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <rte_pause.h>
#include <rte_ring.h>

#include "bench/bench.h"
#include "core/env.h"
#include "core/registry.h"
#include "core/ring.h"

#define BUFFERS 64u
#define COLUMNS 4u

static uint64_t batches;
static char text[500];

/* What both producers write into a batch, what both consumers read of it. */
static void
fill_column(uint64_t *value, uint64_t first)
{
	for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
		value[i] = first + i;
	}
}

static uint64_t
sum_column(const uint64_t *value, uint32_t count)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++) {
		sum += value[i];
	}
	return sum;
}

/* The engine's side: a source that fills, a sink that adds up. */

struct make {
	uint64_t batch;
};

static int
make_configure(struct lm_setup *setup, void *config)
{
	static const struct lm_field fields[COLUMNS] = {
		{ "a", LM_U64, 0 }, { "b", LM_U64, 0 }, { "c", LM_U64, 0 }, { "d", LM_U64, 0 }
	};

	*(uint64_t *)config = lm_setup_u64(setup, "batches");
	return lm_setup_output(setup, 0, fields, COLUMNS);
}

static enum lm_poll
make_poll(struct lm_op *op)
{
	struct make *make = lm_op_context(op);
	struct lm_batch *out;
	uint32_t first;

	if (make->batch == *(const uint64_t *)lm_op_config(op)) {
		return LM_POLL_END;
	}
	out = lm_op_reserve(op, 0, LM_BATCH_ROWS, &first);
	for (uint32_t c = 0; c < COLUMNS; c++) {
		fill_column(lm_batch_u64(out, c) + first, make->batch + c);
	}
	lm_op_emit(op, 0, LM_BATCH_ROWS);
	make->batch++;
	return LM_POLL_BUSY;
}

static void
total_process(struct lm_op *op, const struct lm_batch *in)
{
	uint64_t *sum = lm_op_context(op);

	for (uint32_t c = 0; c < COLUMNS; c++) {
		*sum += sum_column(lm_batch_u64(in, c), in->count);
	}
	lm_op_absorb(op, in->count);
}

static void
total_end(struct lm_op *op)
{
	lm_op_gauge(op, 0, "sum", *(uint64_t *)lm_op_context(op));
}

static const char *const port_in[] = { "in", NULL };
static const char *const port_out[] = { "out", NULL };
static const struct lm_param make_params[] = {
	{ "batches", LM_PARAM_U64, true, NULL, 0, 0, NULL, "how many" },
	{ 0 },
};
static const struct lm_op_class make_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "bench_make",
	.version = "1.0",
	.summary = "filled batches",
	.params = make_params,
	.outputs = port_out,
	.rows = LM_ROWS_SOURCE,
	.config_size = sizeof(uint64_t),
	.context_size = sizeof(struct make),
	.configure = make_configure,
	.poll = make_poll,
};
static const struct lm_op_class total_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "bench_total",
	.version = "1.0",
	.summary = "the sum of all columns",
	.inputs = port_in,
	.rows = LM_ROWS_ABSORB,
	.context_size = sizeof(uint64_t),
	.process = total_process,
	.end = total_end,
};

static bool
prepare(struct bench *bench, bool small)
{
	static bool registered;
	const char *why;

	if (!registered &&
	    (registry_add(&make_class, &why) != 0 || registry_add(&total_class, &why) != 0)) {
		return false;
	}
	registered = true;
	batches = small ? 1000 : 400000;
	snprintf(text, sizeof(text),
	         "name: exchange\n"
	         "operators:\n"
	         "  make:  {type: bench_make, batches: %lu}\n"
	         "  total: {type: bench_total, input: make}\n",
	         (unsigned long)batches);
	snprintf(bench->note, sizeof(bench->note), "batches of %u rows x %u columns of 8 bytes",
	         LM_BATCH_ROWS, COLUMNS);
	return true;
}

static void
discard(struct bench *bench)
{
	(void)bench;
}

static bool
run_engine(void *context, struct bench_run *run)
{
	static const uint16_t worker_of[] = { 0, 1 };

	(void)context;
	return bench_topology(text, worker_of, 2, run);
}

/* The baseline's side: two threads, a ring there and a ring back. */

struct raw {
	struct rte_ring *there, *back;
	uint64_t sum;
};

static void *
raw_produce(void *arg)
{
	struct raw *raw = arg;

	bench_pin(0);
	for (uint64_t b = 0; b < batches; b++) {
		void *buffer;

		while (rte_ring_sc_dequeue(raw->back, &buffer) != 0) {
			rte_pause();
		}
		for (uint32_t c = 0; c < COLUMNS; c++) {
			fill_column((uint64_t *)buffer + (size_t)c * LM_BATCH_ROWS, b + c);
		}
		while (rte_ring_sp_enqueue(raw->there, buffer) != 0) {
			rte_pause();
		}
	}
	return NULL;
}

static void *
raw_consume(void *arg)
{
	struct raw *raw = arg;

	bench_pin(1);
	for (uint64_t b = 0; b < batches; b++) {
		void *buffer;

		while (rte_ring_sc_dequeue(raw->there, &buffer) != 0) {
			rte_pause();
		}
		for (uint32_t c = 0; c < COLUMNS; c++) {
			raw->sum += sum_column((uint64_t *)buffer + (size_t)c * LM_BATCH_ROWS,
			                       LM_BATCH_ROWS);
		}
		while (rte_ring_sp_enqueue(raw->back, buffer) != 0) {
			rte_pause();
		}
	}
	return NULL;
}

static bool
run_baseline(void *context, struct bench_run *run)
{
	size_t size = (size_t)COLUMNS * LM_BATCH_ROWS * sizeof(uint64_t) + 64;
	char *memory = env_alloc(BUFFERS * size, 64, -1);
	struct raw raw = { 0 };
	pthread_t producer, consumer;
	double start;

	(void)context;
	raw.there = ring_create(BUFFERS, sizeof(void *), RING_F_SP_ENQ | RING_F_SC_DEQ, -1);
	raw.back = ring_create(BUFFERS, sizeof(void *), RING_F_SP_ENQ | RING_F_SC_DEQ, -1);
	if (memory == NULL || raw.there == NULL || raw.back == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < BUFFERS; i++) {
		rte_ring_enqueue(raw.back, memory + i * size);
	}
	start = bench_seconds();
	pthread_create(&consumer, NULL, raw_consume, &raw);
	pthread_create(&producer, NULL, raw_produce, &raw);
	pthread_join(producer, NULL);
	pthread_join(consumer, NULL);
	run->seconds = bench_seconds() - start;
	run->items = batches * LM_BATCH_ROWS;
	run->checksum = raw.sum;
	env_free(raw.there);
	env_free(raw.back);
	env_free(memory);
	return true;
}

struct bench bench_exchange = {
	.name = "exchange",
	.unit = "rows/s",
	.baseline_name = "raw rte_ring, same memory",
	.engine = run_engine,
	.baseline = run_baseline,
	.prepare = prepare,
	.discard = discard,
	.lcores = 2,
};
