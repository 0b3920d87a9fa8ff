/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CARRY_H
#define CARRY_H

/*
 * Carrying out actions on the engine: those whose manner is MANNER_ORDER, one at a time, in steps
 * that never block.
 *
 *     carry_begin(&carry, &action);
 *     while (carry_step(&carry, &report)) …       each is for manager_report
 *     carry_abandon(&carry);                      the manager waits for it no more
 *     carry_end(&carry);                          frees what it holds
 *
 * To add one: a line in ACTION_KINDS (mgmt/manager.h) and one in the table of mgmt/carry.c with its
 * two or three functions.
 *
 * Threads: the control thread.
 */

#include "core/engine.h"
#include "mgmt/balance.h"
#include "mgmt/kept.h"
#include "mgmt/manager.h"
#include "mgmt/rehearse.h"
#include "mgmt/sample.h"
#include "mgmt/soak.h"
#include "state/snapshot.h"

/* Slots of an operator that are dealt anew. */
struct carry_deal {
	uint32_t op;
	uint32_t *rows, *before; /* [slot]; NULL: nothing is looked at */
	uint16_t *slice_of;      /* [slot] */
	uint64_t generation;     /* of the graph that it is for */
	int64_t until_ns;        /* it is looked at */
	bool is_planned;
};

/* Names of all operators, with commas between them. */
#define CARRY_NAMES (LM_OPERATORS_MAX * 32u)

/* How far apply is. */
enum carry_stage {
	STAGE_CODE,      /* rehearsed before this process loads its code */
	STAGE_TRY,       /* rehearsed when it is known what differs */
	STAGE_TRIAL,     /* with a canary: the engine is asked to try it, and does */
	STAGE_CHANGE,    /* the engine is asked, and goes over */
	STAGE_CONVERT,   /* what has come makes state into its own */
	STAGE_CANARY,    /* what is tried is watched */
	STAGE_FEWER,     /* behind a canary: slices that there were for it go */
	STAGE_SOAK,      /* what has come is watched */
	STAGE_BACK,      /* what was before it comes again */
	STAGE_RECONVERT, /* … and makes state into its own */
	STAGE_RESIZE,    /* … and has as many slices as before */
};

/* What ran before. */
struct carry_past {
	const struct lm_topology *topology; /* NULL: it is not kept */
	struct lm_topology *owned;
	uint64_t changed_by;
	const struct lm_graph *graph; /* the engine keeps it */
	uint32_t *slices;             /* [operator of it] */
	bool *is_tried;               /* … with a canary */
};

/* New operators look at their state while they soak. */
struct carry_check {
	bool is_asked, is_last; /* the one behind the soak is asked for */
	int64_t due_ns;         /* the next one */
	uint32_t count;         /* that were content, or the last one was not */
};

/* A change of the graph. */
struct carry_change {
	bool holds;                   /* snapshots stand back for it */
	bool is_left;                 /* nobody waits for it any more */
	bool is_told;                 /* `report` is what came of it */
	uint64_t number;              /* of the engine; 0: it is not asked */
	uint64_t by;                  /* the action that asks for it */
	struct lm_topology *topology; /* that is to come; NULL: the same */
	struct lm_graph *graph;       /* … until the engine has it */
	struct lm_topology *owned;    /* that runs; NULL: the one at the start does */
	struct carry_deal deal;
	char what[MANAGER_REASON];
	struct manager_report report;

	/* apply */
	enum carry_stage stage;
	struct rehearse rehearse;
	bool is_apply; /* else it is a rescale */
	bool is_rehearsed, is_irreversible;
	bool may_return; /* what was before is kept until it is known that this stays */
	uint64_t soak_ns;
	char rehearsed[REHEARSE_LINE]; /* what was tried; empty: nothing */
	bool is_cut;                   /* the job is to end: no more soaking */
	uint64_t content;              /* of the plugins that are rehearsed */
	uint64_t epoch;                /* at which this one came */
	uint64_t since; /* the epoch at which the topology came that runs; 0: it is the first */
	char operators[CARRY_NAMES]; /* that are rehearsed */
	struct soak *soak;           /* NULL: it is not wanted */
	struct carry_check check;
	struct soak_count *then;  /* [operator that was] when it began */
	char bad[SOAK_WHY];       /* why it goes back */
	struct carry_past before; /* to go back to, as long as it soaks */
	/* With a canary. */
	struct lm_graph *next;   /* the one to come, the engine's by now; NULL: it is not tried */
	struct soak *trial_soak; /* of what runs while it is tried */
	bool is_wide;  /* slices are there, beside the operators' own, for what is tried */
	bool has_come; /* the topology that was to come runs */
};

struct carry {
	struct lm_engine *engine;
	struct snapshots *snapshots;        /* NULL: none are taken */
	const struct lm_topology *topology; /* what runs */
	const char *const *set;             /* "NAME=value" for files, ended by NULL */
	const char *policy;                 /* goes before that of files; NULL: none does */
	const char *folder;                 /* of the snapshots */
	const char *file;                   /* as in struct resume */
	bool has_spare_copies;              /* of plugins: some may have to go */
	uint64_t tidied;                    /* at this epoch those that could, went */
	uint64_t changed_by;                /* the last action that changed what runs; 0: none */
	const struct sample *now, *before;  /* how busy slices are: what lies between the two */
	const bool *places;                 /* [worker]: new slices may go there; NULL: anywhere */

	struct action action; /* id 0: nothing is carried out */
	bool has_begun;
	uint64_t move;                 /* of the engine; 0: none is under way */
	uint64_t left[MOVES_MAX];      /* moves that nobody waits for any more, to be collected */
	uint32_t moved[MOVES_MAX + 1]; /* slices that have come where they were to go */
	uint32_t moved_count;          /* … since somebody set it to 0 */
	struct balance_move *plan;
	uint32_t plan_count, plan_at;
	struct carry_change change;
	struct kept_place *back; /* slices that are to go back to where they were moved */
	uint32_t back_count, back_at;
	uint64_t back_move; /* of the engine; 0: none is under way */
};

/* What runs is from here on in the snapshots, to be gone on with: before they start. 0 or -ENOMEM.
 */
int carry_note(struct carry *carry);
/* Slices go back to where they were moved in a life before, one after the other, by carry_step. 0
 * or -ENOMEM. */
int carry_back(struct carry *carry, const struct kept_place *place, uint32_t count);
void carry_begin(struct carry *carry, const struct action *action);
/* False: nothing to tell. Behind a report that is no step it is over. */
bool carry_step(struct carry *carry, struct manager_report *report);
/* What cannot be taken back goes on by itself. */
void carry_abandon(struct carry *carry);
/*
 * The job is to end. False: what soaks is taken back first, unless it is irreversible; ask again
 * behind the next step.
 */
bool carry_may_end(struct carry *carry);
/* Copies of plugins that no snapshot needs any more go; now and then, `durable` is the last epoch.
 */
void carry_tidy(struct carry *carry, uint64_t durable);
/* Whether snapshots stand back for it. */
bool carry_holds(const struct carry *carry);
/* Nothing is carried out any more, and the engine is joined. A zeroed one is fine. */
void carry_end(struct carry *carry);

#endif
