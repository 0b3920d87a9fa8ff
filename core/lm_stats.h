/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_STATS_H
#define LM_STATS_H

/*
 * Reading a running engine's numbers. Counters are written by the lcore that owns them, plainly;
 * any thread may read them at any time without a lock or a message: each value is whole and never
 * goes back, two values may be of slightly different moments.
 */

#include "core/lm_op.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Log-linear histogram: values 0 to 2^42 (73 minutes in ns), 64 sub-buckets per octave, so a
 * recorded value is known to 1/64. What lies above is counted in the last bucket. After G. Tene's
 * HdrHistogram.
 */
#define LM_HIST_SUB_BITS 6u
#define LM_HIST_BITS 42u
#define LM_HIST_BUCKETS (((LM_HIST_BITS - LM_HIST_SUB_BITS) + 1u) << LM_HIST_SUB_BITS)

struct lm_hist {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint64_t bucket[LM_HIST_BUCKETS];
};

struct lm_hist_summary {
	uint64_t count, mean, p50, p90, p99, p99_9, p99_99, max;
};

void lm_hist_record(struct lm_hist *hist, uint64_t value, uint64_t times);
/* Adds `from`, which another lcore may be writing, to `to`. */
void lm_hist_add(struct lm_hist *to, const struct lm_hist *from);
/* The value below or at which `share` (0 to 1) of the recorded ones lie; the bucket's upper edge.
 */
uint64_t lm_hist_quantile(const struct lm_hist *hist, double share);
void lm_hist_summarize(const struct lm_hist *hist, struct lm_hist_summary *summary);

/* One slice. */
struct lm_slice_stats {
	uint64_t rows_in, batches_in;
	uint64_t rows_absorbed;
	uint64_t rows_out[LM_PORTS_MAX], batches_out[LM_PORTS_MAX];
	uint64_t rows_unwired[LM_PORTS_MAX]; /* emitted to an output that nothing is wired to */
	uint64_t drops[LM_DROPS_MAX];
	uint64_t busy_ns; /* in callbacks, the fused ones downstream included */
	uint64_t epoch;   /* the last marker passed on */
	uint64_t errors;
	uint64_t gauges[LM_OP_GAUGES];
	int64_t watermark_ns;   /* INT64_MIN: none yet */
	uint64_t turns_blocked; /* turns that could not start: downstream had no room */
};

/*
 * What lies around a slice: bytes of values in rows that were sent to it and that it sent, over
 * rings (a direct call moves none); what its maps and values take; items that wait in the rings
 * before it, and their credit.
 */
struct lm_slice_load {
	uint64_t bytes_in, bytes_out, state_bytes;
	uint32_t waiting, room;
};

/* One lcore. */
struct lm_worker_stats {
	uint64_t turns, turns_busy;
	uint64_t busy_ns, idle_ns;
	uint64_t longest_turn_ns;
	uint64_t sleeps;
};

#ifdef __cplusplus
}
#endif

#endif
