/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TOP_FRAME_H
#define TOP_FRAME_H

/*
 * One picture of a running engine, as `lodemill top` shows it: tables for people, or one line of
 * JSON. Pure: made from two readings of a statistics segment.
 *
 * The JSON object, one line: state ("running", "stopped", "crashed"), prefix, pid, topology,
 * version, seconds (since the engine started), interval_s (what the rates are over), rows_per_s,
 * latency_ns (recent: p50, p90, p99, p99_9, p99_99, max, count), backpressure_root (an operator's
 * name or null), operators [{name, type, slices, rows_in_per_s, rows_out_per_s, drops_per_s,
 * busy_share (null: its time is in the one that calls it), blocked_share, fill, queue_share (of its
 * fullest slice's rings), latency_ns (sinks only), lcores [{lcore, slices, busy_share}]}], lcores
 * [{lcore, numa_node (if known), busy_share, turns_per_s, longest_turn_ns}],
 * counters {name: {total, per_s}}.
 */

#include <stdio.h>

#include "mgmt/rates.h"
#include "mgmt/stats_read.h"

struct top_view {
	const struct stats_info *info;
	enum stats_life life;
	const struct sample *now;
	const struct rates *rates; /* of `now` and an earlier one, or since the start */
	double silent_s;           /* how long nothing new was published; 0: not worth telling */
};

/* 0, -ENOMEM or -EIO. */
int top_frame_text(FILE *out, const struct top_view *view, bool colour);
int top_frame_json(FILE *out, const struct top_view *view);
const char *top_life_text(enum stats_life life);

#endif
