/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WORKER_H
#define WORKER_H

/*
 * The per-lcore loop: mail, timers, slices; the only caller of slice_turn. A worker is stepped: one
 * step is bounded, never blocks except in the idle policy, and says whether to go on. The simulator
 * steps the same function. Slices come and go by mail (core/migrate.h); without any the worker
 * sleeps until there is mail.
 *
 * Threads: a worker's fields belong to its lcore; others send it mail.
 */

#include "core/idle.h"
#include "core/mail.h"
#include "core/slice.h"

/* Scratch of one lcore for exchanges: never on the stack, never per slice. */
struct worker_scratch {
	struct route_split split;
	uint16_t destination[LM_BATCH_ROWS];
	uint64_t hash[LM_BATCH_ROWS];
};

struct worker {
	uint32_t index;
	uint32_t lcore;
	int numa_node;
	struct engine_shared *shared;
	struct lm_op **slice; /* heads only, in the order of the graph */
	uint32_t slice_count;
	struct rewire *due; /* chains that wait to be switched in a change of the graph */
	struct worker_scratch *scratch;
	struct mailbox mailbox;
	struct idle idle;
	int64_t now_ns; /* the clock, read once a turn */
	int64_t wall_ns;
	int64_t timer_due_ns; /* the next timer of any slice */
	uint32_t expected;    /* slices on their way here: it does not sleep */
	bool has_given;       /* in this step, a slice to another worker */
	bool quit;
	struct lm_worker_stats stats;
} __attribute__((aligned(64)));

/* What all workers share; counters in it are the engine's only shared ones, touched at life-cycle
 * ends. */
struct engine_shared {
	uint64_t secret; /* of the hash */
	bool shuffle;    /* simulator: slices take their turns in random order */
	uint64_t shuffle_seed;
	uint64_t snapshot_epoch; /* slices flip their state at its marker; set before it starts */
	uint64_t incarnation;    /* of the state folder; 0: there is none */
	uint32_t ended_slices __attribute__((aligned(64)));
	/* While a change is under way no source ends. By control, read by all. */
	bool ends_wait;
};

/* One turn; the env_step_fn of a worker. */
bool worker_step(void *worker);

/* A head's slice to and from the list of those that get turns, between two turns. */
void worker_add(struct worker *worker, struct lm_op *head);
void worker_remove(struct worker *worker, struct lm_op *head);
/* Whether the worker runs the slice, by itself or in a chain. */
bool worker_has(const struct worker *worker, const struct lm_op *slice);

#endif
