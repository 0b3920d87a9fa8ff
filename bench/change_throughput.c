/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * change_throughput: rows a second of a keyed count on two lcores, in the second that begins with a
 * change, beside the second behind it, in which nothing changes, again and again in one run. Two
 * slices of the count exchange their lcores; or it goes from two slices to three, and back; or
 * other code takes it over, with its state.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/snap_classes.h"
#include "core/env.h"

#define STATE_BYTES (UINT64_C(1) << 30)
#define STATE_SMALL (UINT64_C(8) << 20)
#define PAIRS 4u     /* of seconds, in a run: an even number */
#define STEP_MS 20u  /* of the series */
#define STEPS 50u    /* in a second */
#define STEPS_FEW 5u /* of a test: a tenth */
#define WAIT_NS INT64_C(60000000000)
#define SHOWN (2u * PAIRS * STEPS)

struct kind {
	const char *what;
	/* Asks for the change `at`; false: it was refused. */
	bool (*ask)(struct snap_job *job, uint32_t at);
	/* Whether it is through; looks once. */
	bool (*is_through)(struct snap_job *job);
	double change[BENCH_RUNS_MAX], control[BENCH_RUNS_MAX], ratio[BENCH_RUNS_MAX];
	uint32_t count;
	double series[SHOWN]; /* rows a second of the last run, step by step */
	uint32_t shown;
};

/* ---- moves ---- */

static uint32_t moves_left;

/* Slices 0 and 1 of the count exchange their lcores. */
static bool
ask_exchange(struct snap_job *job, uint32_t at)
{
	(void)at;
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t slice = SNAP_COUNT + i;
		uint32_t to = 1 - lm_engine_slice_worker(job->engine, slice);

		if (engine_migrate(job->engine, slice, to) == 0) {
			return false;
		}
		moves_left++;
	}
	return true;
}

static bool
exchange_is_through(struct snap_job *job)
{
	struct move done;

	while (engine_collect(job->engine, &done)) {
		moves_left -= done.result == MOVE_DONE;
	}
	return moves_left == 0;
}

/* ---- slices ---- */

static uint64_t change_number;

static bool
ask_rescale(struct snap_job *job, uint32_t at)
{
	struct lm_errors errors = { 0 };

	change_number = engine_rescale(job->engine, SNAP_COUNT, 3 - at % 2, NULL, &errors);
	if (change_number == 0) {
		fprintf(stderr, "change_throughput: refused: %s\n", errors.error[0].message);
		lm_errors_free(&errors);
	}
	return change_number != 0;
}

static bool
change_is_through(struct snap_job *job)
{
	return job->engine->changed.number == change_number &&
	       job->engine->changed.result == CHANGE_DONE;
}

/* ---- code ---- */

/* The same class once more, which to the engine is another one, and back. */
static bool
ask_update(struct snap_job *job, uint32_t at)
{
	static struct lm_op_class other;

	if (at % 2 == 0) {
		other = *job->class;
	}
	change_number = snap_job_update(job, at % 2 == 0 ? &other : job->class);
	return change_number != 0;
}

/* ---- seconds ---- */

static uint64_t
sent(void)
{
	return __atomic_load_n(&snap_source.sent, __ATOMIC_ACQUIRE);
}

/* Rows a second over so many steps, by the clock; each step goes into the series. */
static double
measure(struct snap_job *job, struct kind *kind, uint32_t steps)
{
	int64_t begun_ns = env_now_ns(), at_ns = begun_ns;
	uint64_t first = sent(), rows = first;

	for (uint32_t i = 1; i <= steps; i++) {
		int64_t due_ns = begun_ns + (int64_t)i * STEP_MS * 1000000, now_ns;
		uint64_t now;

		snap_job_run(job, (double)(due_ns - env_now_ns()) / 1e9);
		now = sent();
		now_ns = env_now_ns();
		if (kind->shown < SHOWN) {
			kind->series[kind->shown++] =
			    (double)(now - rows) * 1e9 / (double)(now_ns - at_ns);
		}
		rows = now;
		at_ns = now_ns;
	}
	return (double)(rows - first) * 1e9 / (double)(at_ns - begun_ns);
}

/* The second without a change begins when the change is through. False: it is not in a minute. */
static bool
wait_for(struct snap_job *job, const struct kind *kind)
{
	int64_t until_ns = env_now_ns() + WAIT_NS;

	while (!kind->is_through(job)) {
		if (env_now_ns() > until_ns) {
			return false;
		}
		snap_job_run(job, 1e-3);
	}
	return true;
}

static bool
run_kind(struct snap_job *job, struct kind *kind, uint32_t steps)
{
	double change = 0, control = 0;

	kind->shown = 0;
	for (uint32_t at = 0; at < PAIRS; at++) {
		if (!kind->ask(job, at)) {
			return false;
		}
		change += measure(job, kind, steps);
		if (!wait_for(job, kind)) {
			fprintf(stderr, "change_throughput: a change is not through\n");
			return false;
		}
		control += measure(job, kind, steps);
	}
	kind->change[kind->count] = change / PAIRS;
	kind->control[kind->count] = control / PAIRS;
	kind->ratio[kind->count++] = change / control;
	return true;
}

/* Every row that was sent is counted. */
static bool
rows_are_right(struct snap_job *job)
{
	snap_job_feed(job, SNAP_SOME, job->shape.keys);
	snap_job_drain(job);
	if (snap_job_rows(job) != sent()) {
		fprintf(stderr, "change_throughput: %" PRIu64 " rows sent, %" PRIu64 " counted\n",
		        sent(), snap_job_rows(job));
	}
	return snap_job_rows(job) == sent();
}

/* ---- the line ---- */

static void
print_more(char *to, size_t room, const struct kind *kind, uint32_t kinds)
{
	size_t used = 0;

	for (uint32_t k = 0; k < kinds; k++) {
		const struct kind *it = &kind[k];

		used += (size_t)snprintf(
		    to + used, room - used,
		    "%s{\"what\": \"%s\", \"ratio\": %.4f, \"spread\": [%.4f, %.4f], "
		    "\"step_ms\": %u, \"change_every\": %.3f, \"rows_s\": [",
		    k == 0 ? "\"timelines\": [" : ", ", it->what,
		    bench_quantile(it->ratio, it->count, 0.5),
		    bench_quantile(it->ratio, it->count, 0),
		    bench_quantile(it->ratio, it->count, 1), STEP_MS,
		    (double)it->shown / PAIRS * STEP_MS / 1e3);
		for (uint32_t i = 0; i < it->shown; i++) {
			used += (size_t)snprintf(to + used, room - used, "%s%.0f",
			                         i == 0 ? "" : ", ", it->series[i]);
		}
		used += (size_t)snprintf(to + used, room - used, "]}");
	}
	snprintf(to + used, room - used, "], ");
}

/* The line is that of the kind that costs more. */
static void
print_line(const struct kind *kind, uint32_t kinds, uint64_t bytes)
{
	static struct bench_line line;
	static char more[24576];
	const struct kind *worst = &kind[0];
	char note[200];

	for (uint32_t k = 1; k < kinds; k++) {
		if (bench_quantile(kind[k].ratio, kind[k].count, 0.5) <
		    bench_quantile(worst->ratio, worst->count, 0.5)) {
			worst = &kind[k];
		}
	}
	print_more(more, sizeof(more), kind, kinds);
	snprintf(note, sizeof(note), "%s; state of %.2f GiB, %u changes", worst->what,
	         (double)bytes / (double)(1u << 30), worst->count * PAIRS);
	line = (struct bench_line){ .name = "change_throughput",
		                    .unit = "rows/s",
		                    .baseline_name = "the seconds without a change, in turn",
		                    .runs = worst->count,
		                    .note = note,
		                    .more = more };
	memcpy(line.value, worst->change, sizeof(line.value));
	memcpy(line.baseline, worst->control, sizeof(line.baseline));
	memcpy(line.ratio, worst->ratio, sizeof(line.ratio));
	bench_line_print(&line);
}

bool
bench_change_throughput(uint32_t runs, bool small)
{
	static struct kind kind[] = {
		{ .what = "two slices exchange lcores",
		  .ask = ask_exchange,
		  .is_through = exchange_is_through },
		{ .what = "two slices become three, and two again",
		  .ask = ask_rescale,
		  .is_through = change_is_through },
		{ .what = "other code takes the count over",
		  .ask = ask_update,
		  .is_through = change_is_through },
	};
	static struct snap_job job;
	uint32_t kinds = sizeof(kind) / sizeof(kind[0]), steps = small ? STEPS_FEW : STEPS;
	uint64_t wanted = bench_state_bytes != 0 ? bench_state_bytes : STATE_BYTES;
	uint64_t bytes = small && bench_state_bytes == 0 ? STATE_SMALL
	                                                 : snap_bytes_that_fit(wanted, STATE_SMALL);
	struct snap_shape shape = { .keys = snap_keys(bytes),
		                    .is_uniform = true,
		                    .is_shared_out = true,
		                    .batch_rows = LM_BATCH_ROWS,
		                    .epoch_ns = 1000000000,
		                    .slices = 2,
		                    .workers = 2 };
	bool good = snap_job_open(&job, &shape, NULL) && snap_job_fill(&job);

	snap_job_feed(&job, SNAP_KEYS, 0);
	(void)measure(&job, &kind[0], steps);
	for (uint32_t run = 0; good && run < runs; run++) {
		for (uint32_t k = 0; good && k < kinds; k++) {
			good = run_kind(&job, &kind[k], steps);
		}
	}
	good = good && rows_are_right(&job);
	snap_job_close(&job);
	if (good) {
		print_line(kind, kinds, bytes);
	}
	return good;
}
