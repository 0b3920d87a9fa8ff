/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHANGE_H
#define CHANGE_H

/*
 * Changes of the graph while it runs. What comes is built beside what there is: slices, edges,
 * routing tables, pools, and for every slice its part (core/rewire.h). Then an epoch is started; at
 * its marker each chain of slices goes over by itself, and when all have, control puts away what is
 * not needed any more. Rows in front of the marker meet the old graph, rows behind it the new one.
 *
 *     announced    built; from now on no source ends, and each worker is told so: a slice whose
 *                  inputs have all ended could not go on with those that the change brings
 *     prepared     nobody is in a turn that began before; waits until no epoch, snapshot, move or
 *                  moving of pages is under way; may be given up
 *     switching    the marker is on its way; there is no way back
 *     sweeping     all are through; mail for slices that have retired is on its way
 *
 * Threads: the control thread.
 */

#include "core/engine.h"
#include "core/rewire.h"

enum change_phase { CHANGE_ANNOUNCED, CHANGE_PREPARED, CHANGE_SWITCHING, CHANGE_SWEEPING };

struct change {
	enum change_phase phase;
	struct lm_engine next; /* what will be; what stays is in both */
	uint32_t *old_of;      /* [next slice]: its number now; LM_NONE: it is new */
	struct rewire *part;   /* of all slices there are, then of those to come */
	uint32_t part_count;
	struct rewire_heads *heads; /* [worker] */
	uint32_t left;              /* parts and workers that are not through */
	uint32_t sweeps;            /* rounds of mail to come */
	int64_t began_ns;
	struct change_report report;
};

/* change_plan.c: NULL after reporting why not; the graph is then the caller's still. */
struct change *change_plan(struct lm_engine *engine, const struct change_ask *ask,
                           struct lm_errors *errors);
/* Frees all that was made for it: it never began, or nothing runs any more. */
void change_free(struct lm_engine *engine, struct change *change);

/*
 * core/keep.c: slices whose state others convert. Whether one still does, or could not; room for
 * those of a change, false: no memory; behind it they are kept; those nobody needs any more go.
 */
bool keep_converts(const struct lm_op *slice);
bool keep_make_room(struct lm_engine *engine, const struct change *change);
void keep_what_was(struct lm_engine *engine, struct change *change);
void keep_sweep(struct lm_engine *engine);

/* change_check.c: false after reporting why it cannot be; edges that stay are marked. */
bool change_is_possible(const struct lm_engine *engine, const struct change_ask *ask,
                        struct lm_errors *errors);

/*
 * Whether slice `index` of operator `op` to come goes on from the present graph as it is: its
 * operator is kept, or it was on trial for the one that comes.
 */
bool change_keeps(const struct lm_graph *was, const struct change_ask *ask, uint32_t op,
                  uint32_t index);

/* Whose state slice `index` of the operator in its place gets, by slots or all of it. */
static inline const struct graph_operator *
change_source(const struct graph_operator *was, uint32_t index)
{
	return index < was->slices ? graph_made_of(was, index) : was;
}

/* Of the same class it would be kept, or has other parameters and begins anew. */
static inline bool
change_is_code(const struct graph_operator *was, const struct graph_operator *is)
{
	return was->class != is->class;
}

/* Its slots come to other slices of it, as the asker says. */
static inline bool
change_is_dealt(const struct change_ask *ask, uint32_t op)
{
	return ask->slice_of != NULL && ask->dealt == op;
}

/* Its state is another one, which is to be converted. */
static inline bool
change_is_version(const struct graph_operator *was, const struct graph_operator *is)
{
	return was->class != is->class && was->class->state_version != is->class->state_version;
}

/* Of the workers with so many slices each, one with the fewest. */
uint16_t change_idlest_worker(const uint32_t *load, uint32_t count);

/* Whether a slice is no more, and must not be sent to. */
bool change_has_retired(const struct lm_engine *engine, const struct lm_op *slice);

/* The control thread's step. Whether other epochs must wait. */
bool change_tick(struct lm_engine *engine);
/* Nothing runs any more, whatever is under way: it is told; then it is freed. */
void change_end(struct lm_engine *engine);
void change_drop(struct lm_engine *engine);

#endif
