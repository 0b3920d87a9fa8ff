/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_hash, micro_hash_text: the hash of a key column, of numbers and of strings, beside XXH3
 * called row by row. The two functions give different hashes, so there is no checksum to compare;
 * that no two different keys of the data meet is checked instead, on either side.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bench/bench.h"
#include "core/hash.h"

#define BATCHES 16u
#define SECRET 0x243f6a8885a308d3u
#define TEXT_LEAST 4u
#define TEXT_MOST 24u

static struct bench_data data;
static uint64_t rounds;
static uint64_t hash[LM_BATCH_ROWS];

static bool
fill(struct lm_batch *batch, uint64_t *random)
{
	bool is_text = batch->schema->field[0].type == LM_STRING;

	for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
		uint64_t word[3] = { bench_random(random), bench_random(random),
			             bench_random(random) };
		uint32_t length = TEXT_LEAST + (uint32_t)(word[2] % (TEXT_MOST - TEXT_LEAST + 1));

		if (!is_text) {
			lm_batch_u64(batch, 0)[i] = word[0];
		} else if (!lm_batch_put_string(batch, 0, i, (const char *)word, length)) {
			return false;
		}
	}
	batch->count = LM_BATCH_ROWS;
	return true;
}

static bool
prepare(struct bench *bench, enum lm_type type, uint64_t times)
{
	struct lm_field field = { "key", type, 0 };
	uint64_t random = 13;

	rounds = times;
	lm_schema_init(&data.schema, &field, 1, LM_BATCH_ROWS);
	for (uint32_t b = 0; b < BATCHES; b++) {
		struct lm_batch *batch = bench_data_add(&data);

		if (batch == NULL || !fill(batch, &random)) {
			return false;
		}
	}
	snprintf(bench->note, sizeof(bench->note), "%s",
	         type == LM_STRING ? "strings of 4 to 24 bytes" : "a column of u64");
	return true;
}

static bool
prepare_numbers(struct bench *bench, bool small)
{
	return prepare(bench, LM_U64, small ? 10 : 400000);
}

static bool
prepare_texts(struct bench *bench, bool small)
{
	return prepare(bench, LM_STRING, small ? 10 : 40000);
}

static void
discard(struct bench *bench)
{
	(void)bench;
	bench_data_free(&data);
}

static int
compare_words(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Values in the hashes of the last batch; its keys all differ but for the shortest. */
static uint64_t
distinct(void)
{
	uint64_t sorted[LM_BATCH_ROWS], count = 1;

	memcpy(sorted, hash, sizeof(sorted));
	qsort(sorted, LM_BATCH_ROWS, sizeof(sorted[0]), compare_words);
	for (uint32_t i = 1; i < LM_BATCH_ROWS; i++) {
		count += sorted[i] != sorted[i - 1];
	}
	return count;
}

static bool
run_hash(void *context, struct bench_run *run)
{
	static const uint32_t key = 0;
	double start = bench_seconds();

	(void)context;
	for (uint64_t r = 0; r < rounds; r++) {
		hash_rows(hash, data.batch[r % BATCHES], NULL, &key, 1, SECRET);
		run->items += LM_BATCH_ROWS;
	}
	run->seconds = bench_seconds() - start;
	run->checksum = distinct();
	return true;
}

static __attribute__((noinline)) void
hash_numbers(const uint64_t *key)
{
	for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
		hash[i] = XXH3_64bits_withSeed(&key[i], sizeof(key[i]), SECRET);
	}
}

static __attribute__((noinline)) void
hash_texts(const uint32_t *offsets, const char *bytes)
{
	for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
		hash[i] =
		    XXH3_64bits_withSeed(bytes + offsets[i], offsets[i + 1] - offsets[i], SECRET);
	}
}

static bool
run_xxh3(void *context, struct bench_run *run)
{
	bool is_text = data.schema.field[0].type == LM_STRING;
	double start = bench_seconds();

	(void)context;
	for (uint64_t r = 0; r < rounds; r++) {
		const struct lm_batch *batch = data.batch[r % BATCHES];

		if (is_text) {
			hash_texts(lm_batch_offsets(batch, 0), lm_batch_bytes(batch, 0));
		} else {
			hash_numbers(lm_batch_u64(batch, 0));
		}
		run->items += LM_BATCH_ROWS;
	}
	run->seconds = bench_seconds() - start;
	run->checksum = distinct();
	return true;
}

struct bench bench_micro_hash = {
	.name = "micro_hash",
	.unit = "cycles/row",
	.baseline_name = "XXH3 row by row",
	.is_cycles = true,
	.engine = run_hash,
	.baseline = run_xxh3,
	.prepare = prepare_numbers,
	.discard = discard,
	.lcores = 1,
};

struct bench bench_micro_hash_text = {
	.name = "micro_hash_text",
	.unit = "cycles/row",
	.baseline_name = "XXH3 row by row",
	.is_cycles = true,
	.engine = run_hash,
	.baseline = run_xxh3,
	.prepare = prepare_texts,
	.discard = discard,
	.lcores = 1,
};
