/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * latency_load: a pipeline on one lcore under 1, 10, 50 and 90 % of the rate it sustains. Open
 * loop: rows have a schedule, and latency counts from the moment a row was due, however late it was
 * made.
 *
 * The rate it sustains is searched, open loop too: the highest at which what is due and not yet
 * made does not grow. (The rate without a schedule, "peak", says less: what the machine takes away
 * for a moment it never has to catch up with.)
 *
 * Beside the engine two loops meet the same schedule on the same CPU. The bare one does nothing:
 * its latency is what the machine takes away, as long as it takes it. The ideal one is busy as long
 * as the engine would be at its best: at 90 % load, a stall is caught up with in nine times its
 * length, by any server.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "core/env.h"

static const double loads[] = { 0.01, 0.1, 0.5, 0.9 };
#define LOADS (sizeof(loads) / sizeof(loads[0]))

#define SAMPLES_MAX 4096u
#define SAMPLE_NS 5000000u
/* Growth of what is due and not made, as a share of the rate, that counts as none. */
#define GROWTH_MAX 0.005
/* The search: from this share of the peak up, each step halving what is left; then it is proven. */
#define SEARCH_LOW 0.5
#define SEARCH_HIGH 1.0
#define SEARCH_STEPS 6u
#define PROOFS_MAX 8u
#define PROOF_STEP 0.97

struct sample {
	double seconds;
	uint64_t rows;
};

/* One run, looked at. */
struct look {
	struct lm_hist hist;
	double fill;
	struct sample sample[SAMPLES_MAX];
	uint32_t samples;
};

static void
look_during(struct lm_engine *engine, void *context)
{
	struct look *look = context;
	struct lm_slice_stats stats;

	lm_engine_slice_stats(engine, 0, &stats); /* of the generator */
	if (stats.rows_out[0] > 0 && look->samples < SAMPLES_MAX) {
		look->sample[look->samples++] =
		    (struct sample){ bench_seconds(), stats.rows_out[0] };
	}
}

static void
look_after(struct lm_engine *engine, void *context)
{
	struct look *look = context;
	struct lm_slice_stats stats;

	lm_engine_latency(engine, LM_NONE, &look->hist);
	lm_engine_slice_stats(engine, 1, &stats); /* of the filter */
	look->fill = (double)stats.rows_in / (double)stats.batches_in / LM_BATCH_ROWS;
}

/* `rate` 0: as fast as it goes. */
static bool
run_at(uint64_t rows, double rate, struct bench_run *run, struct look *look)
{
	const struct bench_looks looks = { look_during, SAMPLE_NS, look_after, look };
	char text[700];

	memset(look, 0, sizeof(*look));
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
	*run = (struct bench_run){ .from_first_row = rate == 0 };
	return bench_topology_look(text, NULL, 1, run, &looks);
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median, over samples first to last - 1, of what was due and not made; all by one constant. */
static double
backlog(const struct look *look, uint32_t first, uint32_t last, double rate)
{
	double rows[SAMPLES_MAX];

	for (uint32_t i = first; i < last; i++) {
		rows[i - first] = (look->sample[i].seconds - look->sample[0].seconds) * rate -
		                  (double)look->sample[i].rows;
	}
	qsort(rows, last - first, sizeof(rows[0]), compare_doubles);
	return rows[(last - first) / 2];
}

/* By medians of the second and the last quarter: a stall that is caught up with is no growth. */
static bool
is_sustained(const struct look *look, double rate)
{
	uint32_t quarter = look->samples / 4;
	double seconds, growth;

	if (quarter == 0) {
		return true;
	}
	seconds = look->sample[3 * quarter].seconds - look->sample[quarter].seconds;
	growth = backlog(look, 3 * quarter, 4 * quarter, rate) -
	         backlog(look, quarter, 2 * quarter, rate);
	return growth < GROWTH_MAX * rate * seconds;
}

static bool
sustains(double rate, double seconds, struct look *look, bool *good)
{
	struct bench_run run;

	*good = *good && run_at((uint64_t)(rate * seconds), rate, &run, look);
	return *good && is_sustained(look, rate);
}

/* The highest rate that is sustained for `proof` seconds; 0: none, or a run failed. */
static double
search(double peak, double step, double proof, struct look *look)
{
	double low = SEARCH_LOW * peak, high = SEARCH_HIGH * peak;
	bool good = true;

	for (uint32_t i = 0; i < SEARCH_STEPS; i++) {
		double middle = (low + high) / 2;

		if (sustains(middle, step, look, &good)) {
			low = middle;
		} else {
			high = middle;
		}
	}
	for (uint32_t i = 0; good && i < PROOFS_MAX; i++) {
		if (sustains(low, proof, look, &good)) {
			return low;
		}
		low *= PROOF_STEP;
	}
	return 0;
}

/*
 * Is there when rows are due, a batch at most at a time, and takes `row_ns` for each of them: 0 is
 * the bare loop.
 */
static void
loop_at(double rate, double row_ns, double seconds, struct lm_hist *hist)
{
	double period_ns = 1e9 / rate;
	int64_t start = env_now_ns(), now = start;
	uint64_t made = 0;

	memset(hist, 0, sizeof(*hist));
	while ((double)(now - start) < seconds * 1e9) {
		uint64_t due = (uint64_t)((double)(now - start) / period_ns);
		uint64_t count = due - made < LM_BATCH_ROWS ? due - made : LM_BATCH_ROWS;
		int64_t intended = start + (int64_t)((double)made * period_ns);
		int64_t until = now + (int64_t)((double)count * row_ns);

		while ((now = env_now_ns()) < until) {
		}
		if (count > 0) {
			lm_hist_record(hist, (uint64_t)(now - intended), count);
			made += count;
		}
	}
}

static void
print_quantiles(const char *who, const struct lm_hist *hist)
{
	struct lm_hist_summary summary;

	lm_hist_summarize(hist, &summary);
	printf(", \"%sp50_ns\": %" PRIu64 ", \"%sp99_ns\": %" PRIu64 ", \"%sp99_9_ns\": %" PRIu64
	       ", \"%smax_ns\": %" PRIu64,
	       who, summary.p50, who, summary.p99, who, summary.p99_9, who, summary.max);
}

/* One load: the engine, then the two loops on the CPU of its lcore. */
static bool
measure(double sustainable, double load, double seconds, struct look *look, struct lm_hist *hist)
{
	double rate = sustainable * load;
	struct bench_run run;

	if (!run_at((uint64_t)(rate * seconds) + 1, rate, &run, look)) {
		return false;
	}
	printf("{\"load\": %.2f, \"rate\": %.0f, \"sustained\": %s, \"fill\": %.4f", load, rate,
	       is_sustained(look, rate) ? "true" : "false", look->fill);
	print_quantiles("", &look->hist);
	bench_pin(0);
	loop_at(rate, 0, seconds, hist);
	print_quantiles("bare_", hist);
	loop_at(rate, 1e9 / sustainable, seconds, hist);
	print_quantiles("ideal_", hist);
	bench_pin(1);
	printf("}");
	return true;
}

bool
bench_latency(uint32_t runs, bool small)
{
	struct look *look = calloc(1, sizeof(*look));
	struct lm_hist *hist = calloc(1, sizeof(*hist));
	double seconds = small ? 0.05 : 3, peak = 0, sustainable = 0;
	struct bench_run run;
	bool good = look != NULL && hist != NULL;

	(void)runs;
	/* Control floats where users run the engine: it must not stand in the lcore's way. */
	bench_pin(1);
	good = good && run_at(small ? 1000000 : 100000000, 0, &run, look);
	if (good) {
		peak = (double)run.items / run.seconds;
		sustainable = search(peak, small ? 0.02 : 0.7, small ? 0.05 : 10, look);
	}
	if (good && sustainable == 0) {
		printf(
		    "{\"name\": \"latency_load\", \"skipped\": \"no rate from %.0f rows/s up was "
		    "sustained: the CPU is shared with others\"}\n",
		    SEARCH_LOW * peak);
	} else if (good) {
		printf(
		    "{\"name\": \"latency_load\", \"value\": %.0f, \"unit\": \"rows/s sustained\", "
		    "\"peak\": %.0f, \"loads\": [",
		    sustainable, peak);
		for (size_t i = 0; good && i < LOADS; i++) {
			printf("%s", i == 0 ? "" : ", ");
			good = measure(sustainable, loads[i], seconds, look, hist);
		}
		printf("]}\n");
	}
	fflush(stdout);
	bench_pin(0);
	free(hist);
	free(look);
	return good;
}
