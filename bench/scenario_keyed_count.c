/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keyed_count: how often each of a million keys occurs. state_log_idle: the same, beside the same
 * engine with state that snapshots do not know.
 */

#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "core/env.h"
#include "state/space.h"

static struct bench_data data;
static uint64_t times;
static uint64_t keys;
static char text[600];

static bool
prepare(struct bench *bench, bool small)
{
	static const struct lm_field fields[] = { { "key", LM_U64, 0 } };
	uint32_t batches = small ? 16 : 8192;
	uint64_t random = 7;

	keys = small ? 1000 : 1000000;
	lm_schema_init(&data.schema, fields, 1, LM_BATCH_ROWS);
	for (uint32_t b = 0; b < batches; b++) {
		struct lm_batch *batch = bench_data_add(&data);

		if (batch == NULL) {
			return false;
		}
		for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
			lm_batch_u64(batch, 0)[i] =
			    bench_random(&random) % keys * 0x9e3779b97f4a7c15u;
		}
		batch->count = LM_BATCH_ROWS;
		data.rows += LM_BATCH_ROWS;
	}
	times = small ? 2 : 4;
	snprintf(text, sizeof(text),
	         "name: keyed_count\n"
	         "operators:\n"
	         "  events: {type: bench_replay, times: %lu}\n"
	         "  count:  {type: aggregate, input: events, by: key, count: rows, emit: end, "
	         "keys: %lu}\n"
	         "  out:    {type: bench_sink, input: count}\n",
	         (unsigned long)times, (unsigned long)keys);
	snprintf(bench->note, sizeof(bench->note), "%lu keys, uniform", (unsigned long)keys);
	return true;
}

static void
discard(struct bench *bench)
{
	(void)bench;
	bench_data_free(&data);
}

static bool
run_engine(void *context, struct bench_run *run)
{
	(void)context;
	bench_data_use(&data);
	return bench_topology(text, NULL, 1, run);
}

struct entry {
	uint64_t key;
	uint64_t count; /* 0: empty */
};

static inline uint64_t
hash_of(uint64_t key)
{
	key = (key ^ (key >> 32)) * 0xd6e8feb86659fd93u;
	return key ^ (key >> 32);
}

/* Open addressing, linear probing, entries inline; a batch is hashed and prefetched before it
 * counts. */
static void
count_batch(struct entry *table, uint64_t mask, const uint64_t *key, uint32_t count)
{
	uint64_t at[LM_BATCH_ROWS];

	for (uint32_t i = 0; i < count; i++) {
		at[i] = hash_of(key[i]) & mask;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint64_t slot = at[i];

		__builtin_prefetch(&table[at[i + 16 < count ? i + 16 : i]], 1);
		while (table[slot].count != 0 && table[slot].key != key[i]) {
			slot = (slot + 1) & mask;
		}
		table[slot].key = key[i];
		table[slot].count++;
	}
}

static bool
run_baseline(void *context, struct bench_run *run)
{
	uint64_t size = 1;
	struct entry *table;
	double start;

	(void)context;
	while (size < keys * 2) {
		size *= 2;
	}
	/* The same kind of memory as the engine's. */
	table = env_alloc(size * sizeof(*table), 64, -1);
	if (table == NULL) {
		return false;
	}
	start = bench_seconds();
	for (uint64_t t = 0; t < times; t++) {
		for (uint32_t b = 0; b < data.count; b++) {
			count_batch(table, size - 1, lm_batch_u64(data.batch[b], 0),
			            data.batch[b]->count);
		}
	}
	for (uint64_t i = 0; i < size; i++) {
		if (table[i].count != 0) {
			run->checksum += bench_mix(bench_mix(0, table[i].key), table[i].count);
		}
	}
	run->seconds = bench_seconds() - start;
	run->items = data.rows * times;
	env_free(table);
	return true;
}

/* The same without marks and log: what they cost while no snapshot is under way. */
static bool
run_bypass(void *context, struct bench_run *run)
{
	bool good;

	space_bypass = true;
	good = run_engine(context, run);
	space_bypass = false;
	return good;
}

struct bench bench_state_log_idle = {
	.name = "state_log_idle",
	.unit = "rows/s",
	.baseline_name = "the engine without marks and log",
	.engine = run_engine,
	.baseline = run_bypass,
	.prepare = prepare,
	.discard = discard,
	.lcores = 1,
};

struct bench bench_keyed_count = {
	.name = "keyed_count",
	.unit = "rows/s",
	.baseline_name = "C loop, open addressing with prefetch",
	.engine = run_engine,
	.baseline = run_baseline,
	.prepare = prepare,
	.discard = discard,
	.lcores = 1,
};
