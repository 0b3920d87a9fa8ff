/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ENGINE_H
#define ENGINE_H

/*
 * A built engine: everything a placed graph became. See lm_engine.h for its life.
 *
 * Threads: built and taken apart by one control thread; while it runs, that thread only sends mail
 * and reads counters.
 */

#include "core/layout.h"
#include "core/limits.h"
#include "core/migrate.h"
#include "core/worker.h"

/* New: built. Running: workers are launched. Joined: they are back. */
enum engine_state { ENGINE_NEW, ENGINE_RUNNING, ENGINE_JOINED };

struct lm_engine {
	enum engine_state state;
	struct lm_graph *graph;
	struct lm_placement placement; /* a copy */
	struct layout *layout;
	struct engine_shared *shared;
	struct worker **worker;
	uint32_t worker_count;
	uint32_t launched; /* of them */
	struct lm_op **slice;
	uint32_t slice_count;
	struct edge **edge; /* as in the layout */
	struct lm_pool **pool;
	struct route_table **table; /* [operator]: of its slots, NULL where nothing is keyed */
	uint64_t epoch;             /* the last one started; also read by the snapshots' thread */
	int64_t epoch_due_ns;
	bool snapshot_wanted; /* the next epoch is one; set by the snapshots' thread */
	bool suspending;      /* sources pause behind the next epoch */
	struct move move[MOVES_MAX];
	uint64_t move_id; /* the last one given out */
};

/* What a job goes on from that ran before. */
struct engine_origin {
	uint64_t secret;      /* of the hash; 0: a new one */
	uint64_t incarnation; /* of its state folder; 0: no snapshots */
	uint64_t epoch;       /* that was started last; new ones come behind it */
};
/* As lm_engine_create. */
struct lm_engine *engine_create(struct lm_graph *graph, const struct lm_placement *placement,
                                const struct engine_origin *origin, struct lm_errors *errors);

/* core/build.c: slices, edges and pools from the layout; false after reporting why not. */
bool engine_build(struct lm_engine *engine, struct lm_errors *errors);
void engine_unbuild(struct lm_engine *engine);

/* The control thread's step: starts an epoch when one is due. Never blocks. */
void engine_tick(struct lm_engine *engine);
/* Asks for a snapshot of the next epoch; any thread. */
void engine_want_snapshot(struct lm_engine *engine);
/* The control thread: the next epoch starts as soon as there can be a snapshot of it, and sources
 * send nothing behind it. Returns its number. */
uint64_t engine_suspend(struct lm_engine *engine);
/* The control thread: if a snapshot is wanted, the next epoch is due now. */
void engine_hurry_snapshot(struct lm_engine *engine);
/* The last epoch started that is a snapshot; 0: none yet. */
uint64_t engine_snapshot_epoch(const struct lm_engine *engine);
/*
 * The control thread: asks for a slice to go on on another worker, with the slices it calls and
 * those that call it directly. Returns the number of the move, which engine_collect gives back
 * once, whatever came of it; 0: MOVES_MAX are not collected, nothing was asked. Moves of different
 * slices may be under way at a time. Never blocks.
 */
uint64_t engine_migrate(struct lm_engine *engine, uint32_t slice, uint32_t worker);
/* The control thread: one move that is complete; false: none is. After the join all are. */
bool engine_collect(struct lm_engine *engine, struct move *done);
/* The same of the move with this number, for those who do not make all moves themselves. */
bool engine_collect_move(struct lm_engine *engine, uint64_t id, struct move *done);
/* Whether all slices have ended. */
bool engine_has_ended(const struct lm_engine *engine);
/* The last epoch that all living slices have passed on. */
uint64_t engine_epoch_done(const struct lm_engine *engine);

#endif
