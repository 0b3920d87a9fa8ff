/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ysb: the Yahoo Streaming Benchmark over 48-byte integer events (docs/benchmarking.md): views of
 * ads, joined to campaigns, counted per campaign and 10 s of event time.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"

#define ADS 1000u
#define CAMPAIGNS 100u
#define WINDOW_NS 10000000000
#define WINDOWS 64u

enum { USER, PAGE, AD, AD_TYPE, EVENT_TYPE, IP, TIME };

static struct bench_data data;
static uint64_t times;
static char text[1200];
static char table_path[64];

static bool
write_table(void)
{
	FILE *file;

	snprintf(table_path, sizeof(table_path), "/tmp/lodemill-ysb-%d.csv", (int)getpid());
	file = fopen(table_path, "w");
	if (file == NULL) {
		return false;
	}
	fprintf(file, "ad,campaign\n");
	for (uint32_t ad = 0; ad < ADS; ad++) {
		fprintf(file, "%u,%u\n", ad, ad / (ADS / CAMPAIGNS));
	}
	return fclose(file) == 0;
}

static void
fill(struct lm_batch *batch, uint64_t first, uint64_t *random)
{
	for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
		uint64_t r = bench_random(random);

		lm_batch_u64(batch, USER)[i] = r & 127;
		lm_batch_u64(batch, PAGE)[i] = (r >> 7) & 127;
		lm_batch_u64(batch, AD)[i] = (r >> 14) % ADS;
		lm_batch_u32(batch, AD_TYPE)[i] = (uint32_t)((r >> 32) % 5);
		lm_batch_u32(batch, EVENT_TYPE)[i] = (uint32_t)((r >> 40) % 3);
		lm_batch_u32(batch, IP)[i] = 0x01020304;
		lm_batch_i64(batch, TIME)[i] = (int64_t)(first + i) * 20000;
	}
	batch->count = LM_BATCH_ROWS;
}

static bool
prepare(struct bench *bench, bool small)
{
	static const struct lm_field fields[] = {
		{ "user", LM_U64, 0 },    { "page", LM_U64, 0 },       { "ad", LM_U64, 0 },
		{ "ad_type", LM_U32, 0 }, { "event_type", LM_U32, 0 }, { "ip", LM_U32, 0 },
		{ "time", LM_TIME, 0 },
	};
	uint32_t batches = small ? 16 : 1500;
	uint64_t random = 3;

	lm_schema_init(&data.schema, fields, 7, LM_BATCH_ROWS);
	for (uint32_t b = 0; b < batches; b++) {
		struct lm_batch *batch = bench_data_add(&data);

		if (batch == NULL) {
			return false;
		}
		fill(batch, data.rows, &random);
		data.rows += LM_BATCH_ROWS;
	}
	times = small ? 2 : 60;
	snprintf(text, sizeof(text),
	         "name: ysb\n"
	         "operators:\n"
	         "  events:    {type: bench_replay, times: %lu}\n"
	         "  views:     {type: filter, input: events, where: event_type == 0}\n"
	         "  projected: {type: map, input: views, keep: [ad, time]}\n"
	         "  joined:    {type: lookup, input: projected, key: ad, table: %s, add: "
	         "{campaign: campaign u64}}\n"
	         "  counts:    {type: window_aggregate, input: joined, window: tumbling 10s, by: "
	         "campaign, count: seen}\n"
	         "  out:       {type: bench_sink, input: counts}\n",
	         (unsigned long)times, table_path);
	snprintf(bench->note, sizeof(bench->note), "ysb-bin, %u MiB replayed", batches * 44 / 1024);
	return true;
}

static bool
prepare_all(struct bench *bench, bool small)
{
	return write_table() && prepare(bench, small);
}

static void
discard(struct bench *bench)
{
	(void)bench;
	bench_data_free(&data);
	unlink(table_path);
}

static bool
run_engine(void *context, struct bench_run *run)
{
	(void)context;
	bench_data_use(&data);
	return bench_topology(text, NULL, 1, run);
}

/* One batch: select the views, look up their campaigns, find their windows, count. */
static void
count_batch(const struct lm_batch *batch, const uint64_t *campaign_of,
            uint64_t counts[WINDOWS][CAMPAIGNS])
{
	const uint32_t *type = lm_batch_u32(batch, EVENT_TYPE);
	const uint64_t *ad = lm_batch_u64(batch, AD);
	const int64_t *time = lm_batch_i64(batch, TIME);
	uint16_t rows[LM_BATCH_ROWS];
	uint64_t campaign[LM_BATCH_ROWS];
	int64_t first = INT64_MAX, last = INT64_MIN;
	uint32_t count = 0;

	for (uint32_t i = 0; i < batch->count; i++) {
		rows[count] = (uint16_t)i;
		count += type[i] == 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		campaign[i] = campaign_of[ad[rows[i]]];
	}
	for (uint32_t i = 0; i < count; i++) {
		first = time[rows[i]] < first ? time[rows[i]] : first;
		last = time[rows[i]] > last ? time[rows[i]] : last;
	}
	if (first / WINDOW_NS == last / WINDOW_NS) {
		uint64_t *window = counts[first / WINDOW_NS];

		for (uint32_t i = 0; i < count; i++) {
			window[campaign[i]]++;
		}
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		counts[time[rows[i]] / WINDOW_NS][campaign[i]]++;
	}
}

static bool
run_baseline(void *context, struct bench_run *run)
{
	static uint64_t counts[WINDOWS][CAMPAIGNS];
	uint64_t campaign_of[ADS];
	double start = bench_seconds();

	(void)context;
	memset(counts, 0, sizeof(counts));
	for (uint32_t ad = 0; ad < ADS; ad++) {
		campaign_of[ad] = ad / (ADS / CAMPAIGNS);
	}
	for (uint64_t t = 0; t < times; t++) {
		for (uint32_t b = 0; b < data.count; b++) {
			count_batch(data.batch[b], campaign_of, counts);
		}
	}
	for (uint64_t w = 0; w < WINDOWS; w++) {
		for (uint64_t c = 0; c < CAMPAIGNS; c++) {
			if (counts[w][c] != 0) {
				uint64_t sum = bench_mix(0, w * WINDOW_NS);

				run->checksum += bench_mix(bench_mix(sum, c), counts[w][c]);
			}
		}
	}
	run->seconds = bench_seconds() - start;
	run->items = data.rows * times;
	return true;
}

struct bench bench_ysb = {
	.name = "ysb",
	.unit = "events/s",
	.baseline_name = "C loop over columns",
	.engine = run_engine,
	.baseline = run_baseline,
	.prepare = prepare_all,
	.discard = discard,
	.lcores = 1,
};
