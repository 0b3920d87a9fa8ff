/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_map: a count for each key in a map far larger than the caches, updated batch by batch,
 * beside one random access to memory for each key: an array of the same entries that the key itself
 * indexes, prefetched.
 */

#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "core/env.h"
#include "core/hash.h"
#include "state/lm_map.h"

#define SECRET 0x243f6a8885a308d3u
#define AHEAD 32u

/* As an entry of the map: key and value. */
struct entry {
	uint64_t key;
	uint64_t count;
};

static struct bench_data data;
static struct lm_map *map;
static struct entry *array;
static uint32_t keys;

static bool
make_batches(uint32_t batches)
{
	static const struct lm_field fields[] = { { "key", LM_U64, 0 } };
	uint64_t random = 17;

	lm_schema_init(&data.schema, fields, 1, LM_BATCH_ROWS);
	for (uint32_t b = 0; b < batches; b++) {
		struct lm_batch *batch = bench_data_add(&data);

		if (batch == NULL) {
			return false;
		}
		for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
			lm_batch_u64(batch, 0)[i] = bench_random(&random) % keys;
		}
		batch->count = LM_BATCH_ROWS;
	}
	return true;
}

static void
update_map(const struct lm_batch *batch)
{
	static const uint32_t key = 0;
	static uint64_t hash[LM_BATCH_ROWS];
	void *value[LM_BATCH_ROWS];

	hash_rows(hash, batch, NULL, &key, 1, SECRET);
	lm_map_upsert(map,
	              &(struct lm_map_rows){
			  .hash = hash, .keys = lm_batch_u64(batch, 0), .count = batch->count },
	              value, NULL);
	for (uint32_t i = 0; i < batch->count; i++) {
		++*(uint64_t *)value[i];
	}
}

/* Every key once, so that what is measured only finds. */
static void
fill_both(void)
{
	struct lm_batch *batch = data.batch[0];
	uint64_t kept[LM_BATCH_ROWS];

	memcpy(kept, lm_batch_u64(batch, 0), sizeof(kept));
	for (uint32_t first = 0; first < keys; first += LM_BATCH_ROWS) {
		for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
			lm_batch_u64(batch, 0)[i] = first + i;
			array[first + i] = (struct entry){ .key = first + i, .count = 1 };
		}
		update_map(batch);
	}
	memcpy(lm_batch_u64(batch, 0), kept, sizeof(kept));
}

static bool
prepare(struct bench *bench, bool small)
{
	struct lm_map_shape shape = { .key_size = 8, .value_size = sizeof(uint64_t) };
	void *memory;
	size_t size;

	keys = small ? 1u << 14 : 1u << 23;
	shape.keys_max = keys;
	size = lm_map_size(&shape);
	memory = env_alloc(size, 64, -1);
	array = env_alloc(keys * sizeof(*array), 64, -1);
	if (memory == NULL || array == NULL || !make_batches(small ? 16 : 2048)) {
		return false;
	}
	map = lm_map_init(memory, &shape);
	fill_both();
	snprintf(bench->note, sizeof(bench->note),
	         "%u keys of 8 bytes, a map of %zu MiB, an array of %zu MiB", keys, size >> 20,
	         keys * sizeof(*array) >> 20);
	return true;
}

static void
discard(struct bench *bench)
{
	(void)bench;
	env_free(map);
	env_free(array);
	bench_data_free(&data);
}

static uint64_t
sum_map(void)
{
	struct lm_map_entry entry[64];
	uint64_t cursor = 0, sum = 0;
	uint32_t count;

	while ((count = lm_map_scan(map, &cursor, entry, 64)) > 0) {
		for (uint32_t i = 0; i < count; i++) {
			sum += bench_mix(bench_mix(0, *(const uint64_t *)entry[i].key),
			                 *(const uint64_t *)entry[i].value);
		}
	}
	return sum;
}

static bool
run_map(void *context, struct bench_run *run)
{
	double start = bench_seconds();

	(void)context;
	for (uint32_t b = 0; b < data.count; b++) {
		update_map(data.batch[b]);
		run->items += data.batch[b]->count;
	}
	run->seconds = bench_seconds() - start;
	run->checksum = sum_map();
	return true;
}

static bool
run_array(void *context, struct bench_run *run)
{
	double start = bench_seconds();

	(void)context;
	for (uint32_t b = 0; b < data.count; b++) {
		const uint64_t *key = lm_batch_u64(data.batch[b], 0);
		uint32_t count = data.batch[b]->count;

		for (uint32_t i = 0; i < count; i++) {
			__builtin_prefetch(&array[key[i + AHEAD < count ? i + AHEAD : i]], 1);
			array[key[i]].count++;
		}
		run->items += count;
	}
	run->seconds = bench_seconds() - start;
	for (uint32_t i = 0; i < keys; i++) {
		run->checksum += bench_mix(bench_mix(0, array[i].key), array[i].count);
	}
	return true;
}

struct bench bench_micro_map = {
	.name = "micro_map",
	.unit = "cycles/row",
	.baseline_name = "one random access for each key",
	.is_cycles = true,
	.engine = run_map,
	.baseline = run_array,
	.prepare = prepare,
	.discard = discard,
	.lcores = 1,
};
