/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EPOCH_H
#define EPOCH_H

/*
 * What a slice with several inputs waits for: markers of an epoch on all of them, event time over
 * all of them, the end of all of them. An input that holds the marker is not read until all inputs
 * have it; alignment is per slice, never per lcore. Feedback inputs are not waited for; ended ones
 * have it all.
 *
 * Threads: the slice's own lcore.
 */

#include "core/slice.h"

/* The marker of `epoch` arrived by `edge`. */
void epoch_mark(struct lm_op *slice, struct edge *edge, uint64_t epoch);
/* Whether the epoch's marker is on every input (sources: was asked for) and its call is due. */
bool epoch_is_aligned(const struct lm_op *slice);
/* The call is through: the inputs are read again. */
void epoch_done(struct lm_op *slice);

/* Event time over all inputs that are neither idle nor ended; INT64_MIN if one has none yet. */
int64_t epoch_watermark(const struct lm_op *slice);
/* Whether every input is idle or ended. */
bool epoch_is_idle(const struct lm_op *slice);
/* Whether every input has ended and nothing waits on a feedback one. */
bool epoch_inputs_ended(const struct lm_op *slice);

#endif
