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

/*
 * A change that is asked for. By operator of the new graph: `kept`, its number in the present one
 * if its slices go on as they are, as many as there are in both; `heir_of`, that of the one whose
 * counters it takes over (its own where it is kept), and its state, if it is kept or of another
 * class: other code of the same name and state_version; LM_NONE.
 */
struct change_ask {
	struct lm_graph *graph;
	const uint32_t *kept, *heir_of;
	const uint16_t *workers; /* of new slices, in their order; NULL: where the least is */
	/* [slot] -> slice: of operator `dealt`, which is kept, with as many slices; NULL: none. */
	const uint16_t *slice_of;
	uint32_t dealt;
};

/* What came of a change of the graph. */
enum change_result {
	CHANGE_DONE,
	CHANGE_JOB_ENDS, /* the job began to end before the change did: nothing was changed */
};
struct change_report {
	uint64_t number; /* of the change, from 1 */
	enum change_result result;
	uint64_t epoch;  /* at whose marker it was */
	int64_t took_ns; /* from the marker to the last slice */
	/* Keys whose state went from slice to slice waited: `align` until the last of the slices
	 * was at the marker, then `pause` until the new one went on; the longest of each. */
	int64_t align_ns, pause_ns;
	uint32_t added, retired; /* slices */
};

/*
 * How far slices are that go on from the state of another version: slots that wait, slots that
 * could not be converted; has_failed: some could not, or what belongs to no slot, of this slice,
 * and why.
 */
struct conversion_report {
	uint32_t slices, slots_waiting, slots_failed;
	bool has_failed;
	const char *op;
	uint32_t slice;
	char why[240];
};

/* What slices found that looked at their state: the first that is not content, and why; the longest
 * that one took. */
#define CHECK_WHY 160u
struct check_report {
	bool has_failed;
	const char *op;
	uint32_t slice;
	char why[CHECK_WHY];
	int64_t took_ns;
};
struct engine_check;

/* A slice that is no more, but for what another one has yet to convert of it. */
struct engine_kept {
	struct lm_op *slice, *was;
	uint64_t change; /* with which the slice came */
};

/*
 * Memory of state that follows its slices to other NUMA nodes, in bytes: `left` to be looked at,
 * `moved` since the start, `far` on another node than its slice when all had been looked at, and
 * why
 * (-errno, see engine_pages_why; 0: there is none). is_there: lcores are on several nodes; else all
 * is 0. is_through: nothing is left to do.
 */
struct engine_pages {
	bool is_there, is_through;
	int why;
	uint64_t left, moved, far;
};

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
	struct wiring *wiring; /* [slice], until it is put in */
	uint32_t slice_count;
	struct edge **edge; /* as in the layout */
	struct lm_pool **pool;
	struct route_table **table; /* [operator]: of its slots, NULL where nothing is keyed */
	uint64_t epoch;             /* the last one started; also read by the snapshots' thread */
	int64_t epoch_due_ns;
	bool snapshot_wanted; /* the next epoch is one; set by the snapshots' thread */
	bool suspending;      /* sources pause behind the next epoch */
	uint64_t activity;    /* grows with every engine_set_active; odd: sources are inactive */
	struct move move[MOVES_MAX];
	uint64_t move_id;             /* the last one given out */
	struct change *change;        /* of the graph, under way; NULL: none */
	struct change_report changed; /* the last one that came to its end */
	uint64_t change_number;       /* the last one given out */
	uint64_t generation;          /* changes of the graph that were done */
	struct lm_pool **spare;       /* pools of earlier graphs: for later ones */
	uint32_t spare_count;
	/* Graphs that were, of which something may be in use (core/past.h). */
	struct lm_graph **past;
	uint32_t past_count;
	bool past_waits;                  /* something may go with the next tick */
	const struct lm_graph *past_kept; /* may come back; NULL: none */
	struct lm_graph *first;           /* the caller's, who frees it */
	struct engine_check *check;       /* the last that was asked for; NULL: none was */
	struct engine_kept *kept;
	uint32_t kept_count;
	struct pages *pages; /* NULL: all lcores are on one NUMA node */
	bool stopping;       /* sources are asked to end: those that come as well */
	bool change_failed;  /* rows were lost on edges that are gone */
	/* NULL, or told of each slice that retires without an heir, with all that it has counted;
	 * on the control thread. */
	void (*on_gone)(void *arg, const struct lm_op *slice);
	void *on_gone_arg;
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
/* Room for what the graph and the layout need; then all of it that is not there yet, and the
 * wiring. False: no memory. */
bool engine_allocate(struct lm_engine *engine);
bool engine_build_parts(struct lm_engine *engine);
/* Beside a slice that is built: one of another operator, that nobody runs, for the same slots.
 * NULL: no memory. */
struct lm_op *engine_build_twin(const struct graph_operator *op, const struct lm_op *like);
/* 0, or -errno after reporting why. */
int engine_open_slice(struct lm_engine *engine, struct lm_op *slice, struct lm_errors *errors);
void engine_free_slice(struct lm_op *slice);
void engine_free_edge(struct edge *edge);

/* The control thread's step: starts an epoch when one is due. Never blocks. */
void engine_tick(struct lm_engine *engine);
/* Asks for a snapshot of the next epoch; any thread. */
void engine_want_snapshot(struct lm_engine *engine);
/* The control thread: the next epoch starts as soon as there can be a snapshot of it, and sources
 * send nothing behind it. Returns its number. */
uint64_t engine_suspend(struct lm_engine *engine);
/* The control thread: if a snapshot is wanted, the next epoch is due now. */
void engine_hurry_snapshot(struct lm_engine *engine);
/* The control thread: the next epoch is due now, unless one is under way: then behind that. */
void engine_hurry_epoch(struct lm_engine *engine);
/*
 * The control thread: sources are asked for rows no more, or again. Everything else goes on: what
 * they sent flows to the sinks, timers run, markers pass, a stop is heard. Of an engine that is not
 * started it holds from the first turn.
 */
void engine_set_active(struct lm_engine *engine, bool is_active);
/* Whether all sources that live have heard the last one. */
bool engine_active_heard(const struct lm_engine *engine);
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
/*
 * The control thread: asks for another number of slices of an operator; `workers` (NULL: any) says
 * where the additional ones go. Behind the marker of an epoch of its own, as soon as no other epoch
 * or move is under way. Returns its number, engine->changed tells when it is through; 0 after
 * reporting why not. One change at a time; nothing moves meanwhile. After it all numbers of slices
 * may be others: engine->generation has grown.
 */
uint64_t engine_rescale(struct lm_engine *engine, uint32_t op, uint32_t slices,
                        const uint16_t *workers, struct lm_errors *errors);
/*
 * The same with the slots of an operator dealt anew over the slices that it has: slot s, with its
 * state, goes to slice_of[s]. Of operators whose rows come by key.
 */
uint64_t engine_deal(struct lm_engine *engine, uint32_t op, const uint16_t *slice_of,
                     struct lm_errors *errors);
/*
 * The control thread: rows that each slot of the operator had, roughly (one row of each batch
 * stands for all of it): rows[slot] is their sum over its slices, and counts round at 2^32. Counts
 * are comparable as long as engine->generation stays. False: its rows do not come by key.
 */
bool engine_slot_rows(const struct lm_engine *engine, uint32_t op, uint32_t *rows);
/*
 * The same to another graph, whose settings, where they matter to what runs on, are as they were.
 * The engine keeps it from here on and frees it; if 0 comes back, the caller does.
 */
uint64_t engine_change(struct lm_engine *engine, const struct change_ask *ask,
                       struct lm_errors *errors);
/*
 * The control thread: while slices convert state no snapshot can be taken, and only a change back
 * to what was is possible. What failed stays as it is until then. Of the slices that came with this
 * change, by its number; 0: of all. All zeroes: nothing is converted.
 */
void engine_conversion(const struct lm_engine *engine, uint64_t change,
                       struct conversion_report *report);
/* How many slices an operator must have to go back to what was, for some convert its state, or
 * could not; 0: any number. */
uint32_t engine_conversion_slices(const struct lm_engine *engine, uint32_t op);
/*
 * The control thread: has slices of the [operator]s that are wanted look at their state, if their
 * class can (lm_op_class.check), each on its lcore, between two callbacks. Not while another such
 * look or a change is under way; no change may be asked for until all have looked. False: nobody
 * looks, for none can, state is being converted, or there is no memory.
 */
bool engine_check(struct lm_engine *engine, const bool *wanted);
bool engine_is_checking(const struct lm_engine *engine);
/* Once it is not any more, and before the graph changes. */
void engine_checked(const struct lm_engine *engine, struct check_report *report);
/* Any thread. What can be done about a reason, with what it is: the rest of a sentence. */
void engine_pages(const struct lm_engine *engine, struct engine_pages *report);
const char *engine_pages_why(int result);
/* core/engine.c: starts an epoch now; it may be one of a snapshot if one is wanted. */
void engine_start_epoch(struct lm_engine *engine, bool may_snapshot);
/* core/engine.c: sources that have come meanwhile hear of what the others have been told. */
void engine_tell_sources(struct lm_engine *engine);
/* Whether a move is not complete. */
bool engine_moves(const struct lm_engine *engine);
/* The same of the move with this number, for those who do not make all moves themselves. */
bool engine_collect_move(struct lm_engine *engine, uint64_t id, struct move *done);
/* Whether all slices have ended. */
bool engine_has_ended(const struct lm_engine *engine);
/* The last epoch that all living slices have passed on. */
uint64_t engine_epoch_done(const struct lm_engine *engine);

#endif
