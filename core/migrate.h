/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MIGRATE_H
#define MIGRATE_H

/*
 * A slice changes lcores while the stream runs. It is handed over as it stands, with the slices it
 * calls, between two turns: its edges, its state, its timers and a call that is not through go with
 * it, nothing is drained and nobody waits.
 *
 *     control   tells B to expect it                               (B rests no more)
 *     B         asks whoever runs it                               (A)
 *     A         takes it out of its list, it is B's from here on   (released_ns)
 *     B         puts it into its list, at its place in the order; its first turn completes the move
 *
 * Threads: control makes a move and collects it; in between it belongs to whoever has its mail.
 */

#include <stdbool.h>
#include <stdint.h>

struct lm_op;
struct worker;

enum move_result {
	MOVE_DONE,
	MOVE_NO_SLICE,    /* there is none of that number */
	MOVE_NO_WORKER,   /* nor such a worker */
	MOVE_SAME_WORKER, /* it is there */
	MOVE_ENDED,       /* the slice has; it stays where it is */
	MOVE_UNDER_WAY,   /* the slice, or the one that calls it, is being moved */
	MOVE_CHANGING,    /* the graph is being changed: later */
	MOVE_NOT_RUNNING, /* the engine does not, or not any more */
};

/* One that was asked for. */
struct move {
	uint64_t id; /* 0: free */
	uint32_t slice, to;
	struct lm_op *head; /* of the slice's chain: all of it goes */
	struct worker *worker;
	int64_t released_ns;
	int64_t pause_ns; /* from there to the first turn */
	enum move_result result;
	bool is_done; /* set last, by whoever completes it */
};

/* Mail to the worker that the slice shall go to. */
void migrate_expect(struct worker *self, void *move, uint64_t value);
/* The first turn of a slice that has arrived is about to start. */
void migrate_arrive(struct lm_op *head);
/* A move is complete: nobody but control touches it any more. */
void move_complete(struct move *move, enum move_result result);
/* For people: "slice has ended". */
const char *move_result_text(enum move_result result);

#endif
