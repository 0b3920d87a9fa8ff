/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SNAP_CLASSES_H
#define SNAP_CLASSES_H

/*
 * What bench/snap_job.c and its classes on the worker share: what keys are asked for, what was
 * timed.
 *
 * Threads: the worker writes all but `feed`, `some` (while the source pauses) and the probe while
 * it is off.
 */

#include "bench/snap_job.h"

struct snap_source {
	uint64_t keys;
	uint32_t *draw; /* ranks, Zipf 1.0; NULL: uniform ones, made as they are sent */
	uint64_t draws, at;
	uint64_t random;
	uint64_t filled, some;
	enum snap_feed feed; /* atomic */
	uint32_t windows;    /* 0: rows have no time; else a row is in one of so many, by turns */
	bool is_done;        /* atomic: all of SNAP_FILL or SNAP_SOME is sent */
	uint64_t sent;       /* atomic */
};
extern struct snap_source snap_source;

struct snap_probe {
	bool is_on; /* atomic */
	int64_t start_ns;
	uint32_t intervals; /* flips since it is on */
	struct snap_interval *interval;
	struct snap_bucket *bucket;
	struct snap_seen *seen; /* [SNAP_SEEN_MAX]; NULL: not traced */
	/* Of state that became another version's: steps, and slots that rows waited for. */
	struct lm_hist step_ns, slot_ns;
};
extern struct snap_probe snap_probe;

/* False: no memory. `draws`: a multiple of LM_BATCH_ROWS. */
bool snap_source_open(const struct snap_shape *shape, uint32_t draws);
void snap_source_close(void);
void snap_register_classes(void);
/* A slice that counts has had a batch, if it is traced. */
void snap_note_batch(const struct lm_op *op, int64_t start_ns, int64_t end_ns);

/*
 * snap_tally.c: a keyed count in two versions, [0] and [1], each of which converts the other's
 * state.
 */
extern const struct lm_op_class snap_tally[2];

#endif
