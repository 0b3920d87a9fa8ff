/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_count: keep a third of the rows, compute a column from another, count and sum it. */

#include <stdio.h>
#include <string.h>

#include "bench/bench.h"

enum { KEY, VALUE, KIND };

static struct bench_data data;
static uint64_t times;
static char text[600];

static bool
prepare(struct bench *bench, bool small)
{
	static const struct lm_field fields[] = { { "key", LM_U64, 0 },
		                                  { "value", LM_U64, 0 },
		                                  { "kind", LM_U32, 0 } };
	uint32_t batches = small ? 16 : 3400;
	uint64_t random = 1;

	lm_schema_init(&data.schema, fields, 3, LM_BATCH_ROWS);
	for (uint32_t b = 0; b < batches; b++) {
		struct lm_batch *batch = bench_data_add(&data);

		if (batch == NULL) {
			return false;
		}
		for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
			lm_batch_u64(batch, KEY)[i] = bench_random(&random);
			lm_batch_u64(batch, VALUE)[i] = bench_random(&random) >> 32;
			lm_batch_u32(batch, KIND)[i] = (uint32_t)(bench_random(&random) % 3);
		}
		batch->count = LM_BATCH_ROWS;
		data.rows += LM_BATCH_ROWS;
	}
	times = small ? 2 : 60;
	snprintf(text, sizeof(text),
	         "name: filter_count\n"
	         "operators:\n"
	         "  events: {type: bench_replay, times: %lu}\n"
	         "  some:   {type: filter, input: events, where: kind == 0}\n"
	         "  some2:  {type: map, input: some, keep: [key], set: {twice: value * 2 + 1}}\n"
	         "  count:  {type: aggregate, input: some2, count: rows, sum: twice, emit: end}\n"
	         "  out:    {type: bench_sink, input: count}\n",
	         (unsigned long)times);
	snprintf(bench->note, sizeof(bench->note), "%u MiB replayed", batches * 20 / 1024);
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

/* The rows that pass, written side by side as the next stage would want them, then counted. */
static uint32_t
select_and_project(const struct lm_batch *batch, uint64_t *key, uint64_t *twice)
{
	const uint64_t *keys = lm_batch_u64(batch, KEY), *values = lm_batch_u64(batch, VALUE);
	const uint32_t *kinds = lm_batch_u32(batch, KIND);
	uint16_t rows[LM_BATCH_ROWS];
	uint32_t count = 0;

	for (uint32_t i = 0; i < batch->count; i++) {
		rows[count] = (uint16_t)i;
		count += kinds[i] == 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		key[i] = keys[rows[i]];
		twice[i] = values[rows[i]] * 2 + 1;
	}
	return count;
}

static bool
run_baseline(void *context, struct bench_run *run)
{
	uint64_t key[LM_BATCH_ROWS], twice[LM_BATCH_ROWS], rows = 0, sum = 0;
	double start = bench_seconds();

	(void)context;
	for (uint64_t t = 0; t < times; t++) {
		for (uint32_t b = 0; b < data.count; b++) {
			uint32_t count = select_and_project(data.batch[b], key, twice);

			/* The projected columns are an output: they must be there. */
			__asm__ volatile("" : : "r"(key), "r"(twice) : "memory");
			rows += count;
			for (uint32_t i = 0; i < count; i++) {
				sum += twice[i];
			}
		}
	}
	run->seconds = bench_seconds() - start;
	run->items = data.rows * times;
	run->checksum = bench_mix(bench_mix(0, rows), sum);
	return true;
}

struct bench bench_filter_count = {
	.name = "filter_count",
	.unit = "rows/s",
	.baseline_name = "C loop over columns",
	.engine = run_engine,
	.baseline = run_baseline,
	.prepare = prepare,
	.discard = discard,
	.lcores = 1,
};
