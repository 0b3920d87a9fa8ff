/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * migrate_pause_us: how long a key waits when its slice moves to another lcore: from the moment the
 * one lets go of it until its first turn on the other, under full load. The slice is a keyed count
 * with 1 GiB of state; beside it the same with 1 MiB, since how much there is should not matter.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/snap_classes.h"
#include "bench/snap_job.h"
#include "core/env.h"

#define STATE_LARGE (UINT64_C(1) << 30)
#define STATE_SMALL (UINT64_C(1) << 20)
#define MOVES 2000u
#define MOVES_FEW 50u
#define BATCH_ROWS 64u
#define BETWEEN_NS 100000u
#define SLICE 0u

/* What a state of one size came to, run by run. */
struct pauses {
	double p50_us[BENCH_RUNS_MAX], p99_us[BENCH_RUNS_MAX], max_us[BENCH_RUNS_MAX];
	double turn_us; /* the longest turn of an lcore: what may have been in hand */
	uint64_t moves;
};

/* To the other lcore and, when it is there, to say so. False: it was refused. */
static bool
move_once(struct lm_engine *engine, double *pause_us)
{
	uint32_t to = 1 - lm_engine_slice_worker(engine, SLICE);
	struct move done;

	if (engine_migrate(engine, SLICE, to) == 0) {
		return false;
	}
	do {
		env_sleep_ns(BETWEEN_NS);
	} while (!engine_collect(engine, &done));
	*pause_us = (double)done.pause_ns / 1e3;
	return done.result == MOVE_DONE;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool
move_often(struct lm_engine *engine, uint32_t moves, struct pauses *pauses, uint32_t run)
{
	static double pause_us[MOVES];

	for (uint32_t i = 0; i < moves; i++) {
		if (!move_once(engine, &pause_us[i])) {
			fprintf(stderr, "migrate_pause_us: a move was refused\n");
			return false;
		}
	}
	qsort(pause_us, moves, sizeof(*pause_us), compare);
	pauses->p50_us[run] = pause_us[moves / 2];
	pauses->p99_us[run] = pause_us[moves - 1 - moves / 100];
	pauses->max_us[run] = pause_us[moves - 1];
	pauses->moves += moves;
	return true;
}

/* Every row that was sent is counted, however often it was on its way when the slice moved. */
static bool
rows_are_right(struct snap_job *job, uint32_t moves)
{
	double ignored;
	uint64_t sent;

	snap_job_feed(job, SNAP_SOME, job->shape.keys);
	for (uint32_t i = 0; i < moves; i++) {
		if (!move_once(job->engine, &ignored)) {
			return false;
		}
	}
	snap_job_drain(job);
	sent = __atomic_load_n(&snap_source.sent, __ATOMIC_ACQUIRE);
	if (snap_job_rows(job) != sent) {
		fprintf(stderr, "migrate_pause_us: %" PRIu64 " rows sent, %" PRIu64 " counted\n",
		        sent, snap_job_rows(job));
	}
	return snap_job_rows(job) == sent;
}

static bool
run_size(uint64_t bytes, uint32_t runs, bool small, struct pauses *pauses)
{
	static struct snap_job job;
	uint32_t moves = small ? MOVES_FEW : MOVES;
	struct snap_shape shape = { .keys = snap_keys(bytes),
		                    .is_uniform = true,
		                    .batch_rows = BATCH_ROWS,
		                    .epoch_ns = 1000000000,
		                    .workers = 2 };
	bool good = snap_job_open(&job, &shape, NULL) && snap_job_fill(&job);

	snap_job_feed(&job, SNAP_KEYS, 0);
	for (uint32_t run = 0; good && run < runs; run++) {
		good = move_often(job.engine, moves, pauses, run);
	}
	good = good && rows_are_right(&job, moves / 10);
	for (uint32_t w = 0; good && w < 2; w++) {
		struct lm_worker_stats stats;
		double turn_us;

		lm_engine_worker_stats(job.engine, w, &stats);
		turn_us = (double)stats.longest_turn_ns / 1e3;
		pauses->turn_us = turn_us > pauses->turn_us ? turn_us : pauses->turn_us;
	}
	snap_job_close(&job);
	return good;
}

static void
print_line(uint32_t runs, uint64_t bytes, const struct pauses *large, const struct pauses *little)
{
	static struct bench_line line;
	char note[200], more[300];

	line = (struct bench_line){ .name = "migrate_pause_us",
		                    .unit = "us, p99 of a move",
		                    .baseline_name = "the same with 1 MiB of state",
		                    .digits = 3,
		                    .runs = runs,
		                    .note = note,
		                    .more = more };
	for (uint32_t run = 0; run < runs; run++) {
		line.value[run] = large->p99_us[run];
		line.baseline[run] = little->p99_us[run];
		line.ratio[run] = little->p99_us[run] / large->p99_us[run];
	}
	snprintf(more, sizeof(more),
	         "\"p50_us\": {\"large\": %.3f, \"small\": %.3f}, "
	         "\"max_us\": {\"large\": %.3f, \"small\": %.3f}, ",
	         bench_quantile(large->p50_us, runs, 0.5),
	         bench_quantile(little->p50_us, runs, 0.5), bench_quantile(large->max_us, runs, 1),
	         bench_quantile(little->max_us, runs, 1));
	snprintf(note, sizeof(note),
	         "state of %.2f GiB, batches of %u, %" PRIu64
	         " moves under full load; longest turn %.0f us",
	         (double)bytes / (double)(1u << 30), BATCH_ROWS, large->moves, large->turn_us);
	bench_line_print(&line);
}

bool
bench_migrate_pause(uint32_t runs, bool small)
{
	static struct pauses large, little;
	uint64_t bytes = bench_state_bytes != 0 ? bench_state_bytes : STATE_LARGE;

	bytes = small && bench_state_bytes == 0 ? STATE_SMALL * 8 : bytes;
	runs = runs < BENCH_RUNS_MAX ? runs : BENCH_RUNS_MAX;
	memset(&large, 0, sizeof(large));
	memset(&little, 0, sizeof(little));
	if (!run_size(STATE_SMALL, runs, small, &little) || !run_size(bytes, runs, small, &large)) {
		return false;
	}
	print_line(runs, bytes, &large, &little);
	return true;
}
