/* SPDX-License-Identifier: BSD-3-Clause */
/* migrate_pause_us: how long a key waits when its slice moves to another lcore under full load. */

#include "bench/pause.h"
#include "core/env.h"

#define BETWEEN_NS 100000u
#define SLICE 1u

/* To the other lcore and, when it is there, to say so. */
static bool
move_once(struct snap_job *job, uint32_t at, struct pause_seen *seen)
{
	uint32_t to = 1 - lm_engine_slice_worker(job->engine, SLICE);
	struct pause_look look;
	struct move done;

	(void)at;
	pause_look(&look, 1);
	if (engine_migrate(job->engine, SLICE, to) == 0) {
		return false;
	}
	do {
		env_sleep_ns(BETWEEN_NS);
	} while (!engine_collect(job->engine, &done));
	if (done.result != MOVE_DONE) {
		return false;
	}
	seen->pause_ns = done.pause_ns;
	seen->align_ns = 0;
	seen->key_ns = pause_key(job, &look, 1);
	return true;
}

bool
bench_migrate_pause(uint32_t runs, bool small)
{
	static const struct pause_kind kind = { .name = "migrate_pause_us",
		                                .what = "moves between two lcores",
		                                .changes = 2000,
		                                .changes_few = 50,
		                                .change = move_once };

	return pause_bench(&kind, runs, small);
}
