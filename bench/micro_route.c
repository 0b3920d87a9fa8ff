/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_route: the rows of a batch sorted by the slice that gets them, hash -> slot -> slice,
 * beside a loop by hand with the same hash.
 */

#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "core/route.h"

#define SLOTS 4096u
#define SLICES 8u
#define BATCHES 16u
#define SECRET 0x243f6a8885a308d3u

static struct bench_data data;
static struct route_table *table;
static uint64_t rounds;

static bool
prepare(struct bench *bench, bool small)
{
	static const struct lm_field fields[] = { { "key", LM_U64, 0 } };
	uint64_t random = 11;

	rounds = small ? 10 : 8000;
	lm_schema_init(&data.schema, fields, 1, LM_BATCH_ROWS);
	table = route_table_create(SLOTS, SLICES);
	if (table == NULL) {
		return false;
	}
	for (uint32_t b = 0; b < BATCHES; b++) {
		struct lm_batch *batch = bench_data_add(&data);

		if (batch == NULL) {
			return false;
		}
		for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
			lm_batch_u64(batch, 0)[i] = bench_random(&random);
		}
		batch->count = LM_BATCH_ROWS;
	}
	snprintf(bench->note, sizeof(bench->note), "%u slots, %u slices, a key of 8 bytes", SLOTS,
	         SLICES);
	return true;
}

static void
discard(struct bench *bench)
{
	(void)bench;
	route_table_free(table);
	bench_data_free(&data);
}

/* How many rows each slice got, and its last one: enough to tell splits apart, nearly free. */
static uint64_t
sum_slice(uint64_t sum, uint32_t count, const uint16_t *row)
{
	return bench_mix(sum, count == 0 ? 0 : count + ((uint64_t)row[count - 1] << 32));
}

static bool
run_route(void *context, struct bench_run *run)
{
	static const uint32_t key = 0;
	static uint64_t hash[LM_BATCH_ROWS];
	static uint16_t destination[LM_BATCH_ROWS];
	static struct route_split split;
	struct route route = {
		.grouping = LM_GROUP_KEY,
		.destinations = SLICES,
		.fields = &key,
		.field_count = 1,
		.secret = SECRET,
		.table = table,
	};
	double start = bench_seconds();

	(void)context;
	for (uint64_t r = 0; r < rounds; r++) {
		const struct lm_batch *batch = data.batch[r % BATCHES];

		route_rows(&route, batch, NULL, hash, destination, &split);
		for (uint32_t d = 0; d < SLICES; d++) {
			run->checksum =
			    sum_slice(run->checksum, split.start[d + 1] - split.start[d],
			              split.row + split.start[d]);
		}
		run->items += batch->count;
	}
	run->seconds = bench_seconds() - start;
	return true;
}

/* The engine's hash of a number: see core/hash.c. */
static inline uint64_t
hash_of(uint64_t key)
{
	key ^= SECRET;
	key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9u;
	key += SECRET;
	key = (key ^ (key >> 27)) * 0x94d049bb133111ebu;
	return key ^ (key >> 31);
}

static bool
run_loop(void *context, struct bench_run *run)
{
	static uint16_t list[SLICES][LM_BATCH_ROWS];
	double start = bench_seconds();

	(void)context;
	for (uint64_t r = 0; r < rounds; r++) {
		const struct lm_batch *batch = data.batch[r % BATCHES];
		const uint64_t *key = lm_batch_u64(batch, 0);
		uint32_t count[SLICES] = { 0 };

		for (uint32_t i = 0; i < batch->count; i++) {
			uint32_t d = table->slice_of[route_slot(hash_of(key[i]), table->slot_bits)];

			list[d][count[d]++] = (uint16_t)i;
		}
		for (uint32_t d = 0; d < SLICES; d++) {
			run->checksum = sum_slice(run->checksum, count[d], list[d]);
		}
		run->items += batch->count;
	}
	run->seconds = bench_seconds() - start;
	return true;
}

struct bench bench_micro_route = {
	.name = "micro_route",
	.unit = "cycles/row",
	.baseline_name = "C loop, a list for each slice",
	.is_cycles = true,
	.engine = run_route,
	.baseline = run_loop,
	.prepare = prepare,
	.discard = discard,
	.lcores = 1,
};
