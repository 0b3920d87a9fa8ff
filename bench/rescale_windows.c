/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rescale_windows_us: how long keys wait when the slots of a count by window are shared out anew,
 * from one slice to two and back, under full load: from the moment the last of the slices is at the
 * marker until the one that got slots goes on. 64 windows of 4096 slots each, all of them open;
 * beside it the same with one window.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/snap_classes.h"
#include "bench/snap_job.h"
#include "core/env.h"

#define CHANGES 200u
#define CHANGES_FEW 20u
#define WINDOWS 64u
#define WINDOWS_KEYS (UINT64_C(1) << 20) /* for 4096 slots */
#define BATCH_ROWS 64u
#define STEP_S 1e-4

/* What a state of one size came to, run by run. */
struct waits {
	double p50_us[BENCH_RUNS_MAX], p99_us[BENCH_RUNS_MAX], align_us[BENCH_RUNS_MAX];
	uint64_t changes;
};

/* To so many slices and, when it is through, to say so. False: it was refused. */
static bool
change_once(struct snap_job *job, uint32_t slices, double *pause_us, double *align_us)
{
	struct lm_engine *engine = job->engine;
	struct lm_errors errors = { 0 };
	uint64_t number = engine_rescale(engine, SNAP_COUNT, slices, NULL, &errors);

	if (number == 0) {
		fprintf(stderr, "rescale_windows_us: refused: %s\n", errors.error[0].message);
		lm_errors_free(&errors);
		return false;
	}
	while (engine->changed.number != number) {
		snap_job_run(job, STEP_S);
	}
	*pause_us = (double)engine->changed.pause_ns / 1e3;
	*align_us = (double)engine->changed.align_ns / 1e3;
	return engine->changed.result == CHANGE_DONE;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool
change_often(struct snap_job *job, uint32_t changes, struct waits *waits, uint32_t run)
{
	static double pause_us[CHANGES], align_us[CHANGES];

	for (uint32_t i = 0; i < changes; i++) {
		if (!change_once(job, 2 - i % 2, &pause_us[i], &align_us[i])) {
			return false;
		}
	}
	qsort(pause_us, changes, sizeof(*pause_us), compare);
	qsort(align_us, changes, sizeof(*align_us), compare);
	waits->p50_us[run] = pause_us[changes / 2];
	waits->p99_us[run] = pause_us[changes - 1 - changes / 100];
	waits->align_us[run] = align_us[changes - 1 - changes / 100];
	waits->changes += changes;
	return true;
}

/* Every row that was sent is counted, in whichever slice. */
static bool
rows_are_right(struct snap_job *job, uint32_t changes)
{
	double ignored;
	uint64_t sent;

	snap_job_feed(job, SNAP_SOME, job->shape.keys);
	for (uint32_t i = 0; i < changes; i++) {
		if (!change_once(job, 2 - i % 2, &ignored, &ignored)) {
			return false;
		}
	}
	snap_job_drain(job);
	sent = __atomic_load_n(&snap_source.sent, __ATOMIC_ACQUIRE);
	if (snap_job_rows(job) != sent) {
		fprintf(stderr, "rescale_windows_us: %" PRIu64 " rows sent, %" PRIu64 " counted\n",
		        sent, snap_job_rows(job));
	}
	return snap_job_rows(job) == sent;
}

static bool
run_shape(uint64_t keys, uint32_t windows, uint32_t changes, uint32_t runs, struct waits *waits)
{
	static struct snap_job job;
	struct snap_shape shape = { .keys = keys,
		                    .windows = windows,
		                    .is_uniform = true,
		                    .is_shared_out = true,
		                    .batch_rows = BATCH_ROWS,
		                    .epoch_ns = 1000000000,
		                    .workers = 2 };
	bool good = snap_job_open(&job, &shape, NULL) && snap_job_fill(&job);

	snap_job_feed(&job, SNAP_KEYS, 0);
	for (uint32_t run = 0; good && run < runs; run++) {
		good = change_often(&job, changes, waits, run);
	}
	good = good && rows_are_right(&job, changes / 10);
	snap_job_close(&job);
	return good;
}

/* `title`: a line whose name, baseline and note are filled in. */
static void
print_line(const struct bench_line *title, uint32_t runs, const struct waits *large,
           const struct waits *little)
{
	static struct bench_line line;
	char more[300];

	line = *title;
	line.unit = "us, p99 of a change";
	line.digits = 3;
	line.runs = runs;
	line.more = more;
	for (uint32_t run = 0; run < runs; run++) {
		line.value[run] = large->p99_us[run];
		line.baseline[run] = little->p99_us[run];
		line.ratio[run] = little->p99_us[run] / large->p99_us[run];
	}
	snprintf(more, sizeof(more),
	         "\"p50_us\": {\"large\": %.3f, \"small\": %.3f}, "
	         "\"align_p99_us\": {\"large\": %.3f, \"small\": %.3f}, ",
	         bench_quantile(large->p50_us, runs, 0.5),
	         bench_quantile(little->p50_us, runs, 0.5),
	         bench_quantile(large->align_us, runs, 0.5),
	         bench_quantile(little->align_us, runs, 0.5));
	bench_line_print(&line);
}

static struct waits large, little;

bool
bench_rescale_windows(uint32_t runs, bool small)
{
	uint64_t keys = small ? WINDOWS_KEYS / 16 : WINDOWS_KEYS;
	uint32_t changes = small ? CHANGES_FEW : CHANGES;
	struct bench_line title = { .name = "rescale_windows_us",
		                    .baseline_name = "the same with one window" };
	char note[200];

	runs = runs < BENCH_RUNS_MAX ? runs : BENCH_RUNS_MAX;
	memset(&large, 0, sizeof(large));
	memset(&little, 0, sizeof(little));
	if (!run_shape(keys, 1, changes, runs, &little) ||
	    !run_shape(keys, WINDOWS, changes, runs, &large)) {
		return false;
	}
	snprintf(note, sizeof(note),
	         "%u windows of %" PRIu64 " slots, batches of %u, %" PRIu64
	         " changes between one slice and two under full load",
	         WINDOWS, keys / 256, BATCH_ROWS, large.changes);
	title.note = note;
	print_line(&title, runs, &large, &little);
	return true;
}
