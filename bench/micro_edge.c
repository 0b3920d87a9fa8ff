/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_edge: batches put on an edge and taken from it on one lcore, with credit, sequence numbers
 * and counts, beside the same 16-byte items through the same kind of rte_ring.
 */

#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "core/edge.h"
#include "core/env.h"
#include "core/worker.h"

/* Batches on the edge at a time. */
#define DEPTH 8u

static struct lm_schema schema;
static struct lm_pool *pool;
static struct lm_batch *batch[DEPTH];
static struct worker worker;
static struct lm_op producer = { .worker = &worker };
static struct rte_ring *ring;
static uint64_t rounds;

static bool
prepare(struct bench *bench, bool small)
{
	static const struct lm_field fields[] = { { "key", LM_U64, 0 } };

	rounds = small ? 1000 : 2000000;
	lm_schema_init(&schema, fields, 1, LM_BATCH_ROWS);
	pool = pool_create(&schema, 2 * DEPTH, 1, -1);
	ring = ring_create(edge_slots(EDGE_CREDIT_DEFAULT), sizeof(struct edge_item),
	                   RING_F_SP_ENQ | RING_F_SC_DEQ, -1);
	if (pool == NULL || ring == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < DEPTH; i++) {
		batch[i] = batch_take(pool, 0);
		batch[i]->count = LM_BATCH_ROWS - i;
	}
	snprintf(bench->note, sizeof(bench->note), "%u full batches put, then taken", DEPTH);
	return true;
}

static void
discard(struct bench *bench)
{
	(void)bench;
	for (uint32_t i = 0; i < DEPTH; i++) {
		batch_release(batch[i], 0);
	}
	pool_free(pool);
	env_free(ring);
}

/* As an output does it: a reference goes along, the producer's own is given up. */
static bool
run_edge(void *context, struct bench_run *run)
{
	struct edge edge = {
		.ring = ring,
		.from = &producer,
		.pool = pool,
		.schema = pool->schema,
		.credit = EDGE_CREDIT_DEFAULT,
		.policy = LM_POLICY_BLOCK,
		.watermark = INT64_MIN,
	};
	double start = bench_seconds();

	(void)context;
	for (uint64_t r = 0; r < rounds; r++) {
		struct edge_item item;

		for (uint32_t i = 0; i < DEPTH; i++) {
			if (edge_has_room(&edge, (int64_t)r)) {
				edge_send(&edge, batch[i], NULL, batch[i]->count, NULL, 0,
				          (int64_t)r);
				batch_release(batch[i], 0);
			}
		}
		while (edge_take(&edge, &item)) {
			run->checksum += ((const struct lm_batch *)item.word)->count;
			run->items++;
		}
	}
	run->seconds = bench_seconds() - start;
	return true;
}

static bool
run_ring(void *context, struct bench_run *run)
{
	double start = bench_seconds();

	(void)context;
	for (uint64_t r = 0; r < rounds; r++) {
		struct edge_item item = { .value = INT64_MIN };

		for (uint32_t i = 0; i < DEPTH; i++) {
			item.word = (uintptr_t)batch[i];
			rte_ring_sp_enqueue_elem(ring, &item, sizeof(item));
		}
		while (rte_ring_sc_dequeue_elem(ring, &item, sizeof(item)) == 0) {
			run->checksum += ((const struct lm_batch *)item.word)->count;
			run->items++;
		}
	}
	run->seconds = bench_seconds() - start;
	return true;
}

struct bench bench_micro_edge = {
	.name = "micro_edge",
	.unit = "cycles/batch",
	.baseline_name = "raw rte_ring, same items",
	.is_cycles = true,
	.engine = run_edge,
	.baseline = run_ring,
	.prepare = prepare,
	.discard = discard,
	.lcores = 1,
};
