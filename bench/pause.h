/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PAUSE_H
#define PAUSE_H

/*
 * How long a key waits while the job changes: the frame of migrate_pause_us, rescale_pause_us and
 * whatever else changes a running keyed count. For states of 1 MiB, 1 GiB and 8 GiB (as much as
 * there is memory for) it fills the count of bench/snap_job.h, and has it changed again and again
 * under full load, with a look at it as it is before each change. In the end every row that was
 * sent must have been counted once.
 *
 * What a key sees is from the end of the last batch before the change to the start of the first one
 * behind it, as the slices noted them (struct snap_seen): of all keys the one that waits longest.
 *
 * Threads: the control thread of the job.
 */

#include "bench/snap_job.h"

#define PAUSE_SLICES_MAX 8u

/* What one change came to. */
struct pause_seen {
	int64_t key_ns;   /* what the key that waited longest saw */
	int64_t pause_ns; /* what the engine says that it was */
	int64_t align_ns; /* and how far apart the slices were at the marker; 0: there was none */
};

struct pause_kind {
	const char *name;              /* of the benchmark */
	const char *what;              /* "moves between two lcores" */
	bool is_shared_out, is_tally;  /* as in struct snap_shape */
	uint32_t slots;                /* likewise */
	uint32_t memory_halves;        /* it takes so many halves of the state; 0: two */
	uint32_t changes, changes_few; /* in a run; with little data */
	/*
	 * Makes the change `at`, 0 and up, and waits until it is through. Fills in `seen`, with
	 * key_ns by pause_look and pause_key. False: it was refused or lost; it has said why.
	 */
	bool (*change)(struct snap_job *job, uint32_t at, struct pause_seen *seen);
};

/* Runs it and prints its line; false: it failed. */
bool pause_bench(const struct pause_kind *kind, uint32_t runs, bool small);

/*
 * What a key saw of the last change, from the notes of the slices that had the keys before it (0 to
 * `before` - 1) and those that have them now (0 to `now` - 1). Waits, and keeps the engine's time,
 * until the latter have had a batch behind the change.
 */
struct pause_look {
	uint32_t before;
	uint64_t crossings[PAUSE_SLICES_MAX]; /* of each slice, when the change was asked for */
};
void pause_look(struct pause_look *look, uint32_t before);
int64_t pause_key(struct snap_job *job, const struct pause_look *look, uint32_t now);

/* A change of the graph that was asked for under this number: waits for its end, and fills `seen`.
 * False: the job was ending. */
bool pause_change(struct snap_job *job, uint64_t number, const struct pause_look *look,
                  uint32_t now, struct pause_seen *seen);

#endif
