/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * update_pause_us: how long a key waits when other code takes a keyed count over, with its state,
 * again and again under full load. update_convert_us: the same where the state is of another
 * version, and how long slots of it take that are converted, one by one.
 */

#include "bench/pause.h"
#include "bench/snap_classes.h"
#include "core/graph.h"

#define STEP_S 1e-4

static bool
update_once(struct snap_job *job, uint32_t at, struct pause_seen *seen)
{
	/* The count's code once more: to the engine another one. */
	static struct lm_op_class other;
	struct pause_look look;
	uint64_t number;

	if (at % 2 == 0) {
		other = *job->class;
	}
	pause_look(&look, 1);
	number = snap_job_update(job, at % 2 == 0 ? &other : job->class);
	return number != 0 && pause_change(job, number, &look, 1, seen);
}

/* To the other version and, when the last slot is through, to say so. */
static bool
convert_once(struct snap_job *job, uint32_t at, struct pause_seen *seen)
{
	struct conversion_report report;
	struct pause_look look;
	uint64_t number;

	pause_look(&look, 1);
	number = snap_job_update(job, &snap_tally[1 - at % 2]);
	if (number == 0 || !pause_change(job, number, &look, 1, seen)) {
		return false;
	}
	do {
		snap_job_run(job, STEP_S);
		engine_conversion(job->engine, number, &report);
	} while (report.slots_waiting > 0 && !report.has_failed);
	return !report.has_failed;
}

bool
bench_update_pause(uint32_t runs, bool small)
{
	static const struct pause_kind kind = { .name = "update_pause_us",
		                                .what = "changes between two versions",
		                                .is_shared_out = true,
		                                .changes = 200,
		                                .changes_few = 20,
		                                .change = update_once };

	return pause_bench(&kind, runs, small);
}

bool
bench_update_convert(uint32_t runs, bool small)
{
	static const struct pause_kind kind = { .name = "update_convert_us",
		                                .what = "changes to another version's state",
		                                .is_shared_out = true,
		                                .is_tally = true,
		                                .slots = 65536,
		                                .memory_halves = 5,
		                                .changes = 4,
		                                .changes_few = 2,
		                                .change = convert_once };

	return pause_bench(&kind, runs, small);
}
