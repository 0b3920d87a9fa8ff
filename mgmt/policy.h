/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POLICY_H
#define POLICY_H

/*
 * Policies: how many lcores the load needs, how many slices each operator does (policy_slices.h),
 * and which slice goes where. Pure functions: a picture of
 * the load and what was remembered of the pictures before go in, a plan comes out, with its reason
 * in words. Carrying it out is elsewhere (mgmt/elastic.h), so a dry run costs nothing.
 *
 *     plan_init(&plan, slices);
 *     load_spread(&load);
 *     policy_plan(&rules, &load, &memory, &plan);          every interval
 *     … the plan's moves are made …
 *     policy_changed(&memory, now_ns);                     the guard time begins
 *
 * Both policies want more lcores once the busiest one stays above `high` for `hold` intervals, and
 * fewer once all together stay below `low` for three times as long and the rest would stay below
 * `target`. They differ in what they take for the load. `threshold`: how busy the slices are; while
 * an lcore is full nobody sees how much more would come, so it may take several changes. `model`:
 * how busy the slices would be at the rate the sources want, so one change is enough.
 *
 * The number of lcores is the smallest at which the slices can be packed with at most `target` on
 * each. Between `target` and `high` nothing happens: that is the hysteresis. More slices come
 * before more lcores, which take them; fewer slices before fewer lcores.
 */

#include "core/lm_topology.h"
#include "mgmt/load.h"

#define PLAN_WHY 240u
/* Giving lcores back waits so many times longer than taking more. */
#define POLICY_GIVE_HOLDS 3u
#define PLAN_SCALES_MAX 8u
/* An lcore that is so busy may have more waiting than it shows. */
#define POLICY_FULL 0.95

#define PLAN_VERDICTS(X)                                                                           \
	X(STEADY, "steady")       /* nothing is to be done */                                      \
	X(WAITING, "waiting")     /* something may be, not yet */                                  \
	X(STUCK, "stuck")         /* something should be, and cannot */                            \
	X(GROWING, "growing")     /* more lcores */                                                \
	X(GIVING, "giving")       /* lcores are given back */                                      \
	X(BALANCING, "balancing") /* as many, spread anew */                                       \
	X(RESCALING, "rescaling") /* operators get more slices, or fewer */                        \
	X(LEVELLING, "levelling") /* slots of an operator go to other slices of it */              \
	X(FROZEN, "frozen")       /* somebody said so (mgmt/elastic.h) */

enum plan_verdict {
#define PLAN_VERDICT_ENUM(suffix, text) PLAN_##suffix,
	PLAN_VERDICTS(PLAN_VERDICT_ENUM)
#undef PLAN_VERDICT_ENUM
	    PLAN_VERDICT_COUNT
};

/* A slice to another worker. */
struct plan_move {
	uint32_t slice; /* in the graph */
	uint32_t from, to;
	double demand;
};

/* Another number of slices for an operator. */
struct plan_scale {
	uint32_t op;
	uint32_t was, slices;
	bool is_planned; /* else: it would help, but its number does not change by itself */
};

/* What an operator needs at one look. */
struct plan_need {
	double all, busiest; /* demand of its slices, in lcores */
	uint32_t slices;
};

struct plan {
	enum plan_verdict verdict;
	uint32_t lcores;        /* in use now */
	uint32_t lcores_wanted; /* when the plan is carried out; else as now */
	double load, busiest;   /* in lcores, all together; of the busiest one */
	struct plan_move *move; /* [slices] */
	uint32_t move_count;
	struct plan_scale scale[PLAN_SCALES_MAX];
	uint32_t scale_count;
	bool takes[LM_WORKERS_MAX]; /* RESCALING: workers that new slices may go to */
	uint32_t level_op;          /* LEVELLING: the operator */
	char why[PLAN_WHY];
};

/* Of the intervals before. Zeroed at the start. */
struct policy_memory {
	uint32_t above, below; /* intervals in a row */
	uint32_t op_above[LM_OPERATORS_MAX],
	    op_below[LM_OPERATORS_MAX]; /* that need other slices */
	uint32_t op_skewed[LM_OPERATORS_MAX];
	int64_t level_ns[LM_OPERATORS_MAX]; /* slots of it are not levelled before */
	int64_t changed_ns;                 /* the last change was through */
	bool has_changed;
};

int plan_init(struct plan *plan, uint32_t slices); /* 0 or -ENOMEM */
void plan_free(struct plan *plan);                 /* a zeroed one is fine */
const char *plan_verdict_text(enum plan_verdict verdict);

/* `load` is spread. */
void policy_plan(const struct lm_elastic *rules, const struct load *load,
                 struct policy_memory *memory, struct plan *plan);
/* The plan is carried out. */
void policy_changed(struct policy_memory *memory, int64_t now_ns);

/* Lcores that may be used, of those there are. */
uint32_t policy_lcores_max(const struct lm_elastic *rules, uint32_t workers);
const char *policy_name(uint32_t policy); /* enum lm_elastic_policy */

#endif
