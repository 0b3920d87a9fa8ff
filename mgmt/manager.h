/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MANAGER_H
#define MANAGER_H

/*
 * The manager: actions on a running job, one at a time, each with an id and exactly one completion.
 * A pure state machine: facts about the engine and reports of what was carried out go in, orders
 * come out, and mgmt/conduct.c sees to them on the control thread. Whoever watches is told of every
 * change of an action before anybody can see it: mgmt/journal.c writes it down.
 *
 *     id = manager_submit(manager, &ask, now_ns, &refusal);  0: not taken in
 *     order = manager_step(manager, &facts);                 again and again
 *     manager_report(manager, &report, now_ns);              of what ORDER_CARRY_OUT came to
 *     manager_end(manager, &facts, outcome);                 the job is over: nothing stays open
 *
 * The job: RUNNING or, while its sources are deactivated, INACTIVE, until a stop or a drain begins
 * (or a signal, or the sources end), then STOPPING or DRAINING, then ENDED. An action that the
 * job's state does not allow is taken in and fails, with the reason. What may begin when:
 *
 *                 RUNNING   INACTIVE   STOPPING, DRAINING, ENDED
 *     deactivate  yes       fails      fails
 *     activate    fails     yes        fails
 *     all others  yes       yes        fails
 *
 * Threads: none of its own; whoever calls it holds the lock of mgmt/control.c.
 */

#include <stdbool.h>
#include <stdint.h>

#define MANAGER_QUEUE_MAX 16u
#define MANAGER_LOG 256u
#define MANAGER_REASON 512u
#define MANAGER_NAME 64u
#define MANAGER_WHAT 128u
#define MANAGER_FILE 512u

/* How an action that has begun comes to its end. */
enum action_manner {
	MANNER_EPOCH, /* an epoch that starts behind it is durable, or has passed all slices */
	MANNER_END,   /* with the job */
	MANNER_ORDER, /* it is carried out, and what came of it is reported */
};

/* Suffix, text, manner. The texts are methods of mgmt/control.json. */
#define ACTION_KINDS(X)                                                                            \
	X(SNAPSHOT, "snapshot", EPOCH)                                                             \
	X(SYNCHRONIZE, "synchronize", EPOCH)                                                       \
	X(STOP, "stop", END)                                                                       \
	X(DRAIN, "drain", END)                                                                     \
	X(MIGRATE, "migrate", ORDER)                                                               \
	X(REBALANCE, "rebalance", ORDER)                                                           \
	X(DEACTIVATE, "deactivate", ORDER)                                                         \
	X(ACTIVATE, "activate", ORDER)                                                             \
	X(RESCALE, "rescale", ORDER)                                                               \
	X(APPLY, "apply", ORDER)

enum action_kind {
#define ACTION_KIND_ENUM(suffix, text, manner) ACTION_##suffix,
	ACTION_KINDS(ACTION_KIND_ENUM)
#undef ACTION_KIND_ENUM
	    ACTION_KIND_COUNT
};

#define ACTION_STATES(X)                                                                           \
	X(QUEUED, "queued")   /* waits for the one before it */                                    \
	X(RUNNING, "running") /* under way */                                                      \
	X(DONE, "done")                                                                            \
	X(FAILED, "failed")

enum action_state {
#define ACTION_STATE_ENUM(suffix, text) ACTION_##suffix,
	ACTION_STATES(ACTION_STATE_ENUM)
#undef ACTION_STATE_ENUM
	    ACTION_STATE_COUNT
};

/* How far an action is that lets other code in; all others have none. */
#define ACTION_PHASES(X)                                                                           \
	X(NONE, "")                                                                                \
	X(PROPOSED, "proposed")         /* nothing is known of it yet */                           \
	X(LOADED, "loaded")             /* its topology and its code are, and it may be */         \
	X(REHEARSED, "rehearsed")       /* a child process has tried it */                         \
	X(ALIGNING, "aligning")         /* slices go over, each at the marker */                   \
	X(CONVERTING, "converting")     /* slot by slot it makes state into its own */             \
	X(CANARY, "canary")             /* a share of the keys has it, and is watched */           \
	X(SOAK, "soak")                 /* it runs, and is watched */                              \
	X(COMMITTED, "committed")       /* it stays */                                             \
	X(ROLLING_BACK, "rolling back") /* what was before it comes again */                       \
	X(ROLLED_BACK, "rolled back")

enum action_phase {
#define ACTION_PHASE_ENUM(suffix, text) PHASE_##suffix,
	ACTION_PHASES(ACTION_PHASE_ENUM)
#undef ACTION_PHASE_ENUM
	    ACTION_PHASE_COUNT
};

#define MANAGER_STATES(X)                                                                          \
	X(RUNNING, "running")                                                                      \
	X(INACTIVE, "inactive")                                                                    \
	X(STOPPING, "stopping")                                                                    \
	X(DRAINING, "draining")                                                                    \
	X(ENDED, "ended")

enum manager_state {
#define MANAGER_STATE_ENUM(suffix, text) MANAGER_##suffix,
	MANAGER_STATES(MANAGER_STATE_ENUM)
#undef MANAGER_STATE_ENUM
	    MANAGER_STATE_COUNT
};

const char *action_kind_text(enum action_kind kind);
/* ACTION_KIND_COUNT: there is no such kind. */
enum action_kind action_kind_find(const char *text);
enum action_manner action_manner(enum action_kind kind);
const char *action_state_text(enum action_state state);
const char *action_phase_text(enum action_phase phase);
const char *manager_state_text(enum manager_state state);

#define ACTION_REHEARSES(X)                                                                        \
	X(AUTO, "auto")     /* if operators begin with code of plugins */                          \
	X(ALWAYS, "always") /* if anything is replaced or added */                                 \
	X(NEVER, "never")

enum action_rehearse {
#define ACTION_REHEARSE_ENUM(suffix, text) REHEARSE_##suffix,
	ACTION_REHEARSES(ACTION_REHEARSE_ENUM)
#undef ACTION_REHEARSE_ENUM
	    REHEARSE_COUNT
};

/* What an action is about; each kind uses some of it. */
struct action_args {
	char operator[MANAGER_NAME];
	uint32_t slice; /* of the operator */
	uint32_t lcore; /* EAL's number */
	uint32_t slices;
	bool is_dry;                   /* say what would be done, and do nothing */
	char file[MANAGER_FILE];       /* a topology */
	char drop_state[MANAGER_WHAT]; /* operators, with commas between them */
	uint64_t soak_ns;              /* it is watched for so long; 0: it is not */
	uint32_t canary;      /* percent of the slots that have it first; 0: it is not tried */
	bool is_irreversible; /* it may be watched though there is no way back */
	enum action_rehearse rehearse;
};

/* For how long it is watched, one with the other. */
static inline uint64_t
action_soaks_ns(const struct action_args *args)
{
	return args->canary == 0 ? args->soak_ns : 2 * args->soak_ns;
}

struct action {
	uint64_t id;
	enum action_kind kind;
	enum action_state state;
	uint32_t uid;      /* who asked */
	uint64_t limit_ns; /* from its begin */
	int64_t asked_ns, begun_ns, ended_ns;
	struct action_args args;
	char what[MANAGER_WHAT]; /* the same for people: "sums/1 to lcore 3"; may be empty */
	uint64_t epoch;          /* EPOCH: that must come so far, or a later one; of a change of
	                            the graph: behind which it came */
	bool has_marker;         /* SNAPSHOT: it is under way */
	uint64_t lost;           /* … so many were lost before */
	uint32_t step, steps;    /* ORDER: through, of so many */
	enum action_phase phase; /* … of one that lets code in */
	uint64_t pause_ns;       /* the longest that a slice stood still */
	char reason[MANAGER_REASON];
};

struct action_ask {
	enum action_kind kind;
	uint32_t uid;
	uint64_t limit_ns;
	struct action_args args;
	char what[MANAGER_WHAT];
};

/* Why an action is not taken in. */
enum manager_refusal {
	REFUSED_NOT,
	REFUSED_FULL,      /* the queue is */
	REFUSED_UNWRITTEN, /* whoever watches could not write it down */
};

/* What the engine is like now. */
struct manager_facts {
	int64_t now_ns;
	bool has_snapshots, has_epochs;
	uint64_t lost;           /* snapshots; to be read before snapshot_epoch */
	uint64_t epoch;          /* the last one started */
	uint64_t epoch_done;     /* the last one that all slices have passed on */
	uint64_t snapshot_epoch; /* the last one started that is a snapshot */
	uint64_t durable;        /* the last durable one */
	const char *why;         /* the last one was lost; may be empty */
};

enum manager_order {
	ORDER_NONE,
	ORDER_SNAPSHOT, /* an epoch with a snapshot as soon as there can be one; given again and
	                   again */
	ORDER_EPOCH,    /* an epoch as soon as there can be one; given again and again */
	ORDER_STOP,     /* a last snapshot, then the end; given once */
	ORDER_DRAIN,    /* the sources end; given once */
	ORDER_CARRY_OUT /* what manager_current says; given once, and reported */
};

/* What carrying out an action has come to. */
struct manager_report {
	uint64_t id;          /* of the action; what is not the current one is passed over */
	bool is_step;         /* it goes on */
	bool has_failed;      /* else: it is done */
	uint32_t step, steps; /* as in struct action */
	enum action_phase phase;
	uint64_t pause_ns;
	uint64_t epoch;              /* a change of the graph came behind it; 0: none did */
	char reason[MANAGER_REASON]; /* why it failed; of one that is done a remark, or empty */
};

/* How the job ended. */
enum manager_outcome {
	ENDED_WHOLE, /* all that was to be done is done */
	ENDED_EARLY, /* time was up, or a second Ctrl-C came */
	ENDED_BADLY, /* something was not sound */
};

struct manager;
/*
 * An action has changed: is new, has begun, is a step farther, has ended. False: that could not be
 * written down; one that is new is then not taken in, unless it ends the job.
 */
typedef bool manager_watch_fn(void *arg, const struct manager *manager,
                              const struct action *action);

struct manager {
	enum manager_state state;
	bool is_inactive;        /* the sources are, whatever else the job does */
	manager_watch_fn *watch; /* NULL: nobody */
	void *watch_arg;
	uint64_t changes; /* of actions, since manager_init */
	uint64_t next_id; /* of the next action, from 1 */
	uint64_t current; /* id; 0: none runs */
	uint64_t queue[MANAGER_QUEUE_MAX];
	uint32_t queue_count;
	struct action log[MANAGER_LOG];  /* [id % MANAGER_LOG] */
	uint64_t completed[MANAGER_LOG]; /* ids in the order of their completion */
	uint64_t completed_count;        /* ever */
};

void manager_init(struct manager *manager);
/* The new action's id; 0: see *refusal. It may have failed at once: see its state. */
uint64_t manager_submit(struct manager *manager, const struct action_ask *ask, int64_t now_ns,
                        enum manager_refusal *refusal);
/* What is to be done now; for STOP and DRAIN, the action's limit is in manager_current. */
enum manager_order manager_step(struct manager *manager, const struct manager_facts *facts);
void manager_report(struct manager *manager, const struct manager_report *report, int64_t now_ns);
/* The job ends for another reason: a signal, its duration, the end of its sources. */
void manager_ending(struct manager *manager, int64_t now_ns);
/* The job is over: what is open is completed, and nothing can begin any more. */
void manager_end(struct manager *manager, const struct manager_facts *facts,
                 enum manager_outcome outcome);

/*
 * Of a life before this one: each action as it was written down last, in the order of their ids,
 * and then, once, what else there is to know. To be called before anybody watches. Those that were
 * open are done if the job goes on with what they made of it, and have failed if it does not.
 */
struct manager_past {
	uint64_t next_id; /* above all that were ever given */
	bool is_inactive;
	bool is_complete; /* the job */
	uint64_t durable; /* epoch that the job goes on from; 0: none */
	/* The last actions that changed the graph and moved a slice as it is gone on with; 0: none.
	 */
	uint64_t changed_by, moved_by;
};
void manager_restore(struct manager *manager, const struct action *action);
void manager_restored(struct manager *manager, const struct manager_past *past, int64_t now_ns);

/* Of a life before: it was done, and the job goes on from before it. */
bool manager_is_undone(const struct action *action, uint64_t durable);

/* NULL: it never was, or is forgotten. */
const struct action *manager_find(const struct manager *manager, uint64_t id);
const struct action *manager_current(const struct manager *manager); /* NULL: none runs */
/* Whether a stop or a drain is in the queue. */
bool manager_end_waits(const struct manager *manager);
/* The n-th completion, from 0; NULL: not yet, or forgotten. */
const struct action *manager_completed(const struct manager *manager, uint64_t n);

#endif
