/* SPDX-License-Identifier: BSD-3-Clause */
/* Comparing a job with its baseline, and running topologies for it. */

#define _GNU_SOURCE
#include "bench/bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "core/env.h"
#include "mgmt/config_load.h"

#define FIRST_ROW_STEP_NS 200000u
#define SILENCE_MAX_S 10.0

double
bench_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

uint64_t
bench_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* The lcore at `index` of EAL's list, or LM_NONE. */
static uint32_t
lcore_at(uint32_t index)
{
	uint32_t lcore, seen = 0;

	RTE_LCORE_FOREACH(lcore)
	{
		if (seen++ == index) {
			return lcore;
		}
	}
	return LM_NONE;
}

int
bench_cpu(uint32_t index)
{
	uint32_t lcore = lcore_at(index);
	rte_cpuset_t cpus;

	if (lcore == LM_NONE) {
		return -1;
	}
	cpus = rte_lcore_cpuset(lcore);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &cpus)) {
			return cpu;
		}
	}
	return -1;
}

int
bench_pin(uint32_t index)
{
	uint32_t lcore = lcore_at(index);

	if (lcore != LM_NONE) {
		rte_cpuset_t cpus = rte_lcore_cpuset(lcore);

		pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	}
	return bench_cpu(index);
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double
bench_quantile(const double *values, uint32_t count, double share)
{
	double sorted[BENCH_RUNS_MAX];

	memcpy(sorted, values, count * sizeof(*values));
	qsort(sorted, count, sizeof(*sorted), compare_doubles);
	return sorted[(uint32_t)((count - 1) * share + 0.5)];
}

static double
value_of(const struct bench *bench, const struct bench_run *run)
{
	return bench->is_cycles ? run->seconds * (double)rte_get_tsc_hz() / (double)run->items
	                        : (double)run->items / run->seconds;
}

static bool
run_pair(struct bench *bench, bool engine_first, double *value, double *baseline)
{
	struct bench_run engine_run = { 0 }, baseline_run = { 0 };
	bool good = true;

	if (engine_first) {
		good = bench->engine(bench->context, &engine_run);
	}
	good = good && bench->baseline(bench->context, &baseline_run);
	if (!engine_first) {
		good = good && bench->engine(bench->context, &engine_run);
	}
	if (!good) {
		fprintf(stderr, "%s: a run failed\n", bench->name);
		return false;
	}
	if (engine_run.checksum != baseline_run.checksum ||
	    engine_run.items != baseline_run.items) {
		fprintf(stderr,
		        "%s: results differ: %" PRIu64 " items with checksum %016" PRIx64
		        ", the baseline has %" PRIu64 " with %016" PRIx64 "\n",
		        bench->name, engine_run.items, engine_run.checksum, baseline_run.items,
		        baseline_run.checksum);
		return false;
	}
	*value = value_of(bench, &engine_run);
	*baseline = value_of(bench, &baseline_run);
	return true;
}

void
bench_line_print(const struct bench_line *line)
{
	int digits = line->digits;

	printf("{\"name\": \"%s\", \"value\": %.*f, \"unit\": \"%s\", \"baseline\": \"%s\", "
	       "\"baseline_value\": %.*f, ",
	       line->name, digits, bench_quantile(line->value, line->runs, 0.5), line->unit,
	       line->baseline_name, digits, bench_quantile(line->baseline, line->runs, 0.5));
	if (line->more != NULL) {
		printf("%s", line->more);
	}
	printf("\"ratio\": %.3f, \"runs\": %u, \"spread\": [%.3f, %.3f], \"note\": \"%s\"}\n",
	       bench_quantile(line->ratio, line->runs, 0.5), line->runs,
	       bench_quantile(line->ratio, line->runs, 0),
	       bench_quantile(line->ratio, line->runs, 1), line->note);
	fflush(stdout);
}

bool
bench_compare(struct bench *bench, uint32_t runs, bool small)
{
	static struct bench_line line;
	char more[80] = "";
	double warm;
	bool good;

	runs = runs > BENCH_RUNS_MAX ? BENCH_RUNS_MAX : runs;
	snprintf(bench->note, sizeof(bench->note), "there is no memory for it");
	if (!bench->prepare(bench, small)) {
		printf("{\"name\": \"%s\", \"skipped\": \"%s\"}\n", bench->name, bench->note);
		fflush(stdout);
		return true;
	}
	line = (struct bench_line){ .name = bench->name,
		                    .unit = bench->unit,
		                    .baseline_name = bench->baseline_name,
		                    .digits = bench->is_cycles ? 2 : 0,
		                    .runs = runs,
		                    .more = more,
		                    .note = bench->note };
	good = run_pair(bench, true, &warm, &warm);
	for (uint32_t i = 0; good && i < runs; i++) {
		good = run_pair(bench, i % 2 == 0, &line.value[i], &line.baseline[i]);
		line.ratio[i] = bench->is_cycles ? line.baseline[i] / line.value[i]
		                                 : line.value[i] / line.baseline[i];
	}
	if (bench->port_value > 0) {
		snprintf(more, sizeof(more), "\"port_value\": %.0f, ", bench->port_value);
	}
	if (good) {
		bench_line_print(&line);
	}
	bench->discard(bench);
	return good;
}

bool
bench_place(struct lm_placement *placement, const uint16_t *worker_of, uint32_t workers,
            uint32_t slices)
{
	uint32_t lcore, count = 0;

	memset(placement, 0, sizeof(*placement));
	RTE_LCORE_FOREACH(lcore)
	{
		if (count < workers) {
			placement->worker[count].lcore = lcore;
			placement->worker[count].numa_node = rte_lcore_to_socket_id(lcore);
			count++;
		}
	}
	placement->worker_count = count;
	placement->worker_of = calloc(slices + 1, sizeof(*placement->worker_of));
	for (uint32_t i = 0; worker_of != NULL && i < slices; i++) {
		placement->worker_of[i] = worker_of[i];
	}
	return count == workers;
}

static uint64_t
source_rows(struct lm_engine *engine)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < lm_engine_slice_count(engine); i++) {
		struct lm_slice_stats stats;

		if (lm_engine_operator_class(engine, lm_engine_slice_operator(engine, i))->rows ==
		    LM_ROWS_SOURCE) {
			lm_engine_slice_stats(engine, i, &stats);
			rows += stats.rows_out[0];
		}
	}
	return rows;
}

/* Waits for the first rows of a source: a port may take a while to come up. 0: none came. */
static uint64_t
wait_for_rows(struct lm_engine *engine)
{
	double start = bench_seconds();
	uint64_t rows = 0;

	while (rows == 0 && !lm_engine_wait(engine, FIRST_ROW_STEP_NS)) {
		rows = source_rows(engine);
		if (rows == 0 && bench_seconds() - start > SILENCE_MAX_S) {
			lm_engine_stop(engine);
			break;
		}
	}
	return rows;
}

/* False: the source was silent for long, and the engine was stopped. */
static bool
wait_for_end(struct lm_engine *engine, const struct bench_looks *looks, bool may_fall_silent)
{
	double since = bench_seconds();
	uint64_t rows = 0;
	bool good = true;

	while (!lm_engine_wait(engine, looks->during != NULL ? looks->period_ns : 1000000000)) {
		uint64_t now = source_rows(engine);

		if (looks->during != NULL) {
			looks->during(engine, looks->context);
		}
		since = now != rows ? bench_seconds() : since;
		rows = now;
		if (may_fall_silent && bench_seconds() - since > SILENCE_MAX_S) {
			lm_engine_stop(engine);
			good = false;
		}
	}
	return good;
}

/* Adds up what the sinks found, and takes their time where they know it better. */
static void
read_sinks(struct lm_engine *engine, struct bench_run *run)
{
	for (uint32_t i = 0; i < lm_engine_slice_count(engine); i++) {
		const char *class =
		    lm_engine_operator_class(engine, lm_engine_slice_operator(engine, i))->name;
		struct lm_slice_stats stats;

		lm_engine_slice_stats(engine, i, &stats);
		if (strcmp(class, "bench_sink") == 0) {
			run->checksum += stats.gauges[0];
			run->seconds =
			    stats.gauges[1] == 0 ? run->seconds : (double)stats.gauges[1] * 1e-9;
		} else if (strcmp(class, "bench_total") == 0) {
			run->checksum += stats.gauges[0];
		}
	}
}

static bool
run_engine(struct lm_engine *engine, struct bench_run *run, const struct bench_looks *looks,
           struct lm_errors *errors)
{
	double start = bench_seconds();
	uint64_t before = 0;
	bool good = true;

	if (lm_engine_start(engine) != 0) {
		return false;
	}
	if (run->from_first_row) {
		before = wait_for_rows(engine);
		/* A short run may be over before the first look: then it counts from its start. */
		good = before > 0 || source_rows(engine) > 0;
		start = before > 0 && before < source_rows(engine) ? bench_seconds() : start;
	}
	good = wait_for_end(engine, looks, run->from_first_row) && good;
	run->seconds = bench_seconds() - start;
	lm_engine_join(engine);
	run->items = source_rows(engine);
	if (before > 0 && before < run->items) {
		/* The time is that of the rows that came after the first look. */
		run->seconds *= (double)run->items / (double)(run->items - before);
	}
	read_sinks(engine, run);
	return lm_engine_audit(engine, errors) && good;
}

bool
bench_topology(const char *text, const uint16_t *worker_of, uint32_t workers, struct bench_run *run)
{
	static const struct bench_looks none = { 0 };

	return bench_topology_look(text, worker_of, workers, run, &none);
}

bool
bench_topology_look(const char *text, const uint16_t *worker_of, uint32_t workers,
                    struct bench_run *run, const struct bench_looks *looks)
{
	struct lm_errors errors = { 0 };
	struct lm_placement placement = { 0 };
	struct lm_topology *topology =
	    config_load_text("bench.yaml", text, strlen(text), NULL, &errors);
	struct lm_graph *graph = topology == NULL ? NULL : lm_graph_check(topology, &errors);
	struct lm_engine *engine = NULL;
	bool good = false;

	*run = (struct bench_run){ .from_first_row = run->from_first_row };
	if (graph != NULL && bench_place(&placement, worker_of, workers, LM_SLICES_MAX)) {
		engine = lm_engine_create(graph, &placement, &errors);
		good = engine != NULL && run_engine(engine, run, looks, &errors);
		if (good && looks->after != NULL) {
			looks->after(engine, looks->context);
		}
	}
	config_print_errors(stderr, "bench.yaml", text, strlen(text), &errors, false);
	lm_engine_free(engine);
	lm_graph_free(graph);
	lm_topology_free(topology);
	free(placement.worker_of);
	lm_errors_free(&errors);
	return good;
}
