/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ELASTIC_H
#define ELASTIC_H

/*
 * Elasticity: the running engine uses as many lcores as its load needs. Looks at the load every
 * interval, asks the policy, moves the slices that the plan says, and keeps a log of what was
 * decided and why, also of what was not done.
 *
 *     elastic_open(&elastic, engine, &rules);
 *     elastic_tick(&elastic, now_ns, lost);         often; never blocks
 *     if (elastic_take(&elastic, &ask)) …           it wants the graph changed: an action
 *     elastic_told(&elastic, is_done, reason);      what came of that
 *     view = elastic_view(&elastic);                plain data, for others to copy
 *     elastic_close(&elastic);
 *
 * A slice that somebody else moves stays where it was put, and an operator keeps the number of
 * slices that somebody else gives it, until elastic_freeze(…, false) or another topology. Nothing
 * is moved while the graph changes; behind it all is looked at anew. Behind another topology the
 * log begins anew, since its operators have other numbers.
 *
 * Threads: the control thread.
 */

#include "mgmt/load_read.h"
#include "mgmt/manager.h"
#include "mgmt/policy.h"

#define ELASTIC_LOG 64u
#define ELASTIC_MOVES 256u

/* A slice that was moved, or would have been. */
struct elastic_move {
	uint32_t op, index;      /* the slice */
	uint32_t from, to;       /* workers */
	double demand;           /* share of an lcore */
	bool is_done;            /* it was told */
	enum move_result result; /* of one that is done */
	int64_t pause_ns;
};

struct elastic_decision {
	uint64_t number; /* from 1 on */
	int64_t first_ns, last_ns;
	uint64_t looks; /* that came to the same; the figures are of the last one */
	enum plan_verdict verdict;
	uint32_t lcores, lcores_wanted;
	double load, busiest;
	uint64_t first_move; /* in `move` of the view */
	uint32_t move_count;
	struct plan_scale scale[PLAN_SCALES_MAX];
	uint32_t scale_count;
	char why[PLAN_WHY];
	char outcome[PLAN_WHY]; /* of changes of the graph; empty: there is none yet */
};

struct elastic_view {
	uint64_t version; /* grows with every look */
	struct lm_elastic rules;
	bool is_frozen;
	uint32_t lcores, lcores_max; /* in use; that may be */
	uint32_t by_hand;            /* slices that stay where somebody put them */
	uint32_t scaled_by_hand;     /* operators that keep their number */
	uint64_t changes;            /* of the number of lcores */
	struct elastic_decision decision[ELASTIC_LOG]; /* [number % ELASTIC_LOG] */
	uint64_t decision_count;                       /* ever */
	struct elastic_move move[ELASTIC_MOVES];       /* [n % ELASTIC_MOVES] */
	uint64_t move_count;                           /* ever */
};

/* A move under way. */
struct elastic_flight {
	uint64_t id; /* the engine's; 0: free */
	uint64_t n;  /* in the view */
	uint32_t slice;
};

/* Changes of the graph that a plan has, one after the other; of one to 0 slices the slots are
 * levelled. */
struct elastic_changes {
	struct plan_scale scale[PLAN_SCALES_MAX];
	uint32_t count, at;
	bool is_asked; /* the one at `at` is taken, and not told yet */
};

struct elastic {
	struct lm_engine *engine;
	struct lm_elastic rules;
	uint64_t generation; /* of the engine's graph that sizes below are for */
	struct load_reader reader;
	struct policy_memory memory;
	struct plan plan;
	uint32_t next_move; /* of the plan */
	bool is_under_way;  /* it is being carried out */
	struct elastic_flight flight[MOVES_MAX];
	uint32_t *expected; /* [slice]: the worker that it should be on */
	bool *by_hand;      /* [slice] */
	struct elastic_changes changes;
	const struct lm_graph *root; /* that the graph is, or is a view of */
	/* [operator] */
	uint32_t slices[LM_OPERATORS_MAX], first_slice[LM_OPERATORS_MAX];
	bool keeps_slices[LM_OPERATORS_MAX]; /* somebody else gave it their number */
	int64_t again_ns[LM_OPERATORS_MAX];  /* a change of it was refused: not before */
	bool places[LM_WORKERS_MAX];
	int64_t due_ns;
	struct elastic_view view;
};

/* 0 or -ENOMEM. */
int elastic_open(struct elastic *elastic, struct lm_engine *engine, const struct lm_elastic *rules);
void elastic_close(struct elastic *elastic); /* a zeroed one is fine */
/* `lost`: packets that ports have lost since their start. */
void elastic_tick(struct elastic *elastic, int64_t now_ns, uint64_t lost);
/* A change of the graph that is to be made now, as an action; false: none. One at a time: the next
 * one once it was told what came of it. */
bool elastic_take(struct elastic *elastic, struct action_ask *ask);
void elastic_told(struct elastic *elastic, bool is_done, const char *reason, int64_t now_ns);
/* [worker]: where new slices may go, whoever wants them, so that lcores that are not in use stay
 * so; NULL: anywhere. */
const bool *elastic_places(struct elastic *elastic);
/* Nothing is moved while it is frozen. Its end also gives back what was done by hand. */
void elastic_freeze(struct elastic *elastic, bool is_frozen);
const struct elastic_view *elastic_view(const struct elastic *elastic);

#endif
