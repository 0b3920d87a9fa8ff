/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_WINDOW_H
#define LM_WINDOW_H

/*
 * Windows of event time: which one a row is in, which ones a watermark completes. Windows are
 * tumbling: [start, start + size), starts are multiples of the size from 1970-01-01T00:00:00Z on.
 */

#include "core/lm_op.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lm_window {
	int64_t size_ns; /* at least 1 */
};

/* Reads "tumbling 1s" from a parameter. Returns 0, or -1 after reporting what is wrong. */
int lm_window_configure(struct lm_window *window, struct lm_setup *setup, const char *param);

/* The start of the window that a time is in. */
static inline int64_t
lm_window_start(const struct lm_window *window, int64_t time_ns)
{
	int64_t past = time_ns % window->size_ns;

	past += past < 0 ? window->size_ns : 0;
	/* In the last window before the beginning of time the start wraps; so do comparisons. */
	return (int64_t)((uint64_t)time_ns - (uint64_t)past);
}

/*
 * Windows that start before this are complete: the watermark, less the lateness allowed, has
 * reached their last instant.
 */
static inline int64_t
lm_window_complete(const struct lm_window *window, int64_t watermark_ns, uint64_t lateness_ns)
{
	int64_t next_ns, start_ns;

	if (watermark_ns == INT64_MAX) {
		return INT64_MAX;
	}
	if ((uint64_t)watermark_ns - (uint64_t)INT64_MIN < lateness_ns) {
		return INT64_MIN;
	}
	next_ns = (int64_t)((uint64_t)watermark_ns - lateness_ns + 1);
	start_ns = lm_window_start(window, next_ns);
	return start_ns <= next_ns ? start_ns : INT64_MIN;
}

#ifdef __cplusplus
}
#endif

#endif
