/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rescale_pause_us: how long a key waits when the slots of a keyed count are shared out anew, from
 * one slice to two and back, under full load.
 */

#include <stdio.h>

#include "bench/pause.h"

/* To so many slices and, when it is through, to say so. */
static bool
rescale_once(struct snap_job *job, uint32_t at, struct pause_seen *seen)
{
	uint32_t before = 1 + at % 2, slices = 3 - before;
	struct lm_errors errors = { 0 };
	struct pause_look look;
	uint64_t number;

	pause_look(&look, before);
	number = engine_rescale(job->engine, SNAP_COUNT, slices, NULL, &errors);
	if (number == 0) {
		fprintf(stderr, "rescale_pause_us: refused: %s\n", errors.error[0].message);
		lm_errors_free(&errors);
		return false;
	}
	return pause_change(job, number, &look, slices, seen);
}

bool
bench_rescale_pause(uint32_t runs, bool small)
{
	static const struct pause_kind kind = { .name = "rescale_pause_us",
		                                .what = "changes between one slice and two",
		                                .is_shared_out = true,
		                                .changes = 200,
		                                .changes_few = 20,
		                                .change = rescale_once };

	return pause_bench(&kind, runs, small);
}
