/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * latency_load: a pipeline of three operators on one lcore under 1, 10, 50 and 90 % of the rate it
 * sustains. Open loop: latency is counted from the intended time of each row. The bare loop beside
 * it meets the same schedule and does nothing else: its latency is the machine's.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "core/env.h"

static const double loads[] = { 0.01, 0.1, 0.5, 0.9 };
#define LOADS (sizeof(loads) / sizeof(loads[0]))

struct look {
	struct lm_hist *hist;
	double fill, rows_per_s;
	double seconds;
};

static void
look_at(struct lm_engine *engine, void *context)
{
	struct look *look = context;

	lm_engine_latency(engine, LM_NONE, look->hist);
	for (uint32_t i = 0; i < lm_engine_slice_count(engine); i++) {
		struct lm_slice_stats stats;

		lm_engine_slice_stats(engine, i, &stats);
		if (stats.batches_in > 0) {
			look->fill =
			    (double)stats.rows_in / (double)stats.batches_in / LM_BATCH_ROWS;
			look->rows_per_s = (double)stats.rows_in / look->seconds;
			return;
		}
	}
}

/* `rate` 0: as fast as it goes. */
static bool
run_at(uint64_t rows, double rate, struct look *look)
{
	struct bench_run run;
	char text[700];
	double start = bench_seconds();

	memset(look->hist, 0, sizeof(*look->hist));
	snprintf(text, sizeof(text),
	         "name: latency\n"
	         "settings: {idle: spin}\n"
	         "operators:\n"
	         "  events: {type: generator, rows: %" PRIu64 ", rate: %.0f,"
	         " fields: {key: u64 = sequence, value: u64 = uniform 0 999}}\n"
	         "  some:   {type: filter, input: events, where: value < 900}\n"
	         "  more:   {type: map, input: some, set: {twice: value * 2}}\n"
	         "  out:    {type: null_sink, input: more}\n",
	         rows, rate);
	look->seconds = 1;
	if (!bench_topology_look(text, NULL, 1, &run, look_at, look)) {
		return false;
	}
	look->seconds = bench_seconds() - start;
	look->rows_per_s = (double)rows / look->seconds;
	return true;
}

/* A loop that does nothing but be there when a batch of rows is due. */
static void
bare_loop(double rate, double seconds, struct lm_hist *hist)
{
	double period_ns = 1e9 / rate;
	int64_t start = env_now_ns(), now = start;
	uint64_t due = 0;

	memset(hist, 0, sizeof(*hist));
	while ((double)(now - start) < seconds * 1e9) {
		uint64_t there = (uint64_t)((double)(now - start) / period_ns);

		if (there > due) {
			int64_t intended = start + (int64_t)((double)due * period_ns);

			lm_hist_record(hist, (uint64_t)(env_now_ns() - intended), there - due);
			due = there;
		}
		now = env_now_ns();
	}
}

bool
bench_latency(bool small)
{
	struct look look = { .hist = calloc(1, sizeof(struct lm_hist)) };
	struct lm_hist *bare = calloc(1, sizeof(*bare));
	double seconds = small ? 0.05 : 3, sustainable;
	bool good =
	    look.hist != NULL && bare != NULL && run_at(small ? 1000000 : 100000000, 0, &look);

	sustainable = look.rows_per_s;
	if (good) {
		printf(
		    "{\"name\": \"latency_load\", \"value\": %.0f, \"unit\": \"rows/s sustained\", "
		    "\"loads\": [",
		    sustainable);
	}
	for (size_t i = 0; good && i < LOADS; i++) {
		double rate = sustainable * loads[i];
		struct lm_hist_summary engine, machine;

		good = run_at((uint64_t)(rate * seconds) + 1, rate, &look);
		bare_loop(rate, seconds, bare);
		lm_hist_summarize(look.hist, &engine);
		lm_hist_summarize(bare, &machine);
		printf("%s{\"load\": %.2f, \"rate\": %.0f, \"fill\": %.4f, \"p50_ns\": %" PRIu64
		       ", \"p99_ns\": %" PRIu64 ", \"p99_9_ns\": %" PRIu64
		       ", \"bare_p50_ns\": %" PRIu64 ", \"bare_p99_ns\": %" PRIu64
		       ", \"bare_p99_9_ns\": %" PRIu64 "}",
		       i == 0 ? "" : ", ", loads[i], rate, look.fill, engine.p50, engine.p99,
		       engine.p99_9, machine.p50, machine.p99, machine.p99_9);
	}
	if (good) {
		printf("]}\n");
	}
	free(bare);
	free(look.hist);
	return good;
}
