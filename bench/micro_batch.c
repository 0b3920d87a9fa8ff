/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_batch: taking batches from a pool and releasing them, beside a linked list of free ones.
 * micro_gather: appending rows of one batch to another, beside a memcpy of each value.
 */

#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "core/batch.h"
#include "core/env.h"

/* Batches held at a time, as along a chain of operators. */
#define HELD 8u
#define BATCHES 64u

static struct lm_schema schema;
static struct lm_pool *pool;
static uint64_t rounds;

/* What is free, linked through the memory itself. */
struct node {
	struct node *next;
	uint64_t sequence;
	uint32_t count;
};
static struct node *free_nodes;
static char *node_memory;

static const struct lm_field fields[] = {
	{ "key", LM_U64, 0 },
	{ "bytes", LM_U64, 0 },
	{ "address", LM_IP4, 0 },
	{ "port", LM_U16, 0 },
};
enum { KEY, BYTES, ADDRESS, PORT, FIELDS };

static bool
open_pool(void)
{
	lm_schema_init(&schema, fields, FIELDS, LM_BATCH_ROWS);
	pool = pool_create(&schema, BATCHES, 1, -1);
	return pool != NULL;
}

static bool
prepare_batch(struct bench *bench, bool small)
{
	size_t stride;

	rounds = small ? 1000 : 4000000;
	if (!open_pool()) {
		return false;
	}
	stride = schema.size + 64;
	node_memory = env_alloc(BATCHES * stride, 64, -1);
	if (node_memory == NULL) {
		return false;
	}
	free_nodes = NULL;
	for (uint32_t i = 0; i < BATCHES; i++) {
		struct node *node = (struct node *)(node_memory + i * stride);

		node->next = free_nodes;
		free_nodes = node;
	}
	snprintf(bench->note, sizeof(bench->note), "%u taken, then released", HELD);
	return true;
}

static void
discard_batch(struct bench *bench)
{
	(void)bench;
	pool_free(pool);
	env_free(node_memory);
}

static bool
run_batch(void *context, struct bench_run *run)
{
	struct lm_batch *held[HELD];
	double start = bench_seconds();

	(void)context;
	for (uint64_t r = 0; r < rounds; r++) {
		for (uint32_t i = 0; i < HELD; i++) {
			held[i] = batch_take(pool, 0);
			held[i]->sequence = r + i;
		}
		for (uint32_t i = 0; i < HELD; i++) {
			run->checksum += held[i]->sequence + held[i]->count;
			batch_release(held[i], 0);
		}
	}
	run->seconds = bench_seconds() - start;
	run->items = rounds * HELD;
	return true;
}

static __attribute__((noinline)) struct node *
node_take(void)
{
	struct node *node = free_nodes;

	free_nodes = node->next;
	node->count = 0;
	return node;
}

static __attribute__((noinline)) void
node_release(struct node *node)
{
	node->next = free_nodes;
	free_nodes = node;
}

static bool
run_list(void *context, struct bench_run *run)
{
	struct node *held[HELD];
	double start = bench_seconds();

	(void)context;
	for (uint64_t r = 0; r < rounds; r++) {
		for (uint32_t i = 0; i < HELD; i++) {
			held[i] = node_take();
			held[i]->sequence = r + i;
		}
		for (uint32_t i = 0; i < HELD; i++) {
			run->checksum += held[i]->sequence + held[i]->count;
			node_release(held[i]);
		}
	}
	run->seconds = bench_seconds() - start;
	run->items = rounds * HELD;
	return true;
}

struct bench bench_micro_batch = {
	.name = "micro_batch",
	.unit = "cycles/batch",
	.baseline_name = "linked free list",
	.is_cycles = true,
	.engine = run_batch,
	.baseline = run_list,
	.prepare = prepare_batch,
	.discard = discard_batch,
	.lcores = 1,
};

/* Every other row or so, so that no run of rows is long. */
static uint16_t chosen[LM_BATCH_ROWS];
static uint32_t chosen_count;
static struct lm_batch *source, *target;

static bool
prepare_gather(struct bench *bench, bool small)
{
	uint64_t random = 3;

	rounds = small ? 100 : 200000;
	if (!open_pool()) {
		return false;
	}
	source = batch_take(pool, 0);
	target = batch_take(pool, 0);
	chosen_count = 0;
	for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
		uint64_t value = bench_random(&random);

		lm_batch_u64(source, KEY)[i] = value;
		lm_batch_u64(source, BYTES)[i] = value >> 50;
		lm_batch_u32(source, ADDRESS)[i] = (uint32_t)value;
		lm_batch_u16(source, PORT)[i] = (uint16_t)value;
		chosen[chosen_count] = (uint16_t)i;
		chosen_count += value >> 63;
	}
	source->count = LM_BATCH_ROWS;
	snprintf(bench->note, sizeof(bench->note), "%u of %u rows, columns of 8, 8, 4 and 2 bytes",
	         chosen_count, LM_BATCH_ROWS);
	return true;
}

static void
discard_gather(struct bench *bench)
{
	(void)bench;
	batch_release(source, 0);
	batch_release(target, 0);
	pool_free(pool);
}

/* Of what is there after the last round: all rounds copy the same. */
static uint64_t
sum_target(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < chosen_count; i++) {
		sum = bench_mix(sum, lm_batch_u64(target, KEY)[i]);
		sum = bench_mix(sum, lm_batch_u64(target, BYTES)[i]);
		sum = bench_mix(sum, lm_batch_u32(target, ADDRESS)[i]);
		sum = bench_mix(sum, lm_batch_u16(target, PORT)[i]);
	}
	return sum;
}

static void
clear_target(void)
{
	memset(lm_batch_hashes(target), 0, schema.size - sizeof(struct lm_batch));
}

static bool
run_gather(void *context, struct bench_run *run)
{
	double start;

	(void)context;
	clear_target();
	start = bench_seconds();
	for (uint64_t r = 0; r < rounds; r++) {
		target->count = 0;
		run->items += batch_append(target, source, chosen, 0, chosen_count);
	}
	run->seconds = bench_seconds() - start;
	run->checksum = sum_target();
	return true;
}

#define COPY(type)                                                                                 \
	static inline void copy_##type(type *to, const type *from)                                 \
	{                                                                                          \
		for (uint32_t i = 0; i < chosen_count; i++) {                                      \
			memcpy(&to[i], &from[chosen[i]], sizeof(*to));                             \
		}                                                                                  \
	}
COPY(uint64_t)
COPY(uint32_t)
COPY(uint16_t)
#undef COPY

static __attribute__((noinline)) void
copy_values(void)
{
	copy_uint64_t(lm_batch_u64(target, KEY), lm_batch_u64(source, KEY));
	copy_uint64_t(lm_batch_u64(target, BYTES), lm_batch_u64(source, BYTES));
	copy_uint32_t(lm_batch_u32(target, ADDRESS), lm_batch_u32(source, ADDRESS));
	copy_uint16_t(lm_batch_u16(target, PORT), lm_batch_u16(source, PORT));
}

static bool
run_copy(void *context, struct bench_run *run)
{
	double start;

	(void)context;
	clear_target();
	start = bench_seconds();
	for (uint64_t r = 0; r < rounds; r++) {
		copy_values();
		run->items += chosen_count;
	}
	run->seconds = bench_seconds() - start;
	run->checksum = sum_target();
	return true;
}

struct bench bench_micro_gather = {
	.name = "micro_gather",
	.unit = "cycles/row",
	.baseline_name = "memcpy of each value",
	.is_cycles = true,
	.engine = run_gather,
	.baseline = run_copy,
	.prepare = prepare_gather,
	.discard = discard_gather,
	.lcores = 1,
};
