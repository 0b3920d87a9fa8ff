/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MANAGER_H
#define MANAGER_H

/*
 * The manager: actions on a running job, one at a time, each with an id and exactly one completion.
 * A pure state machine: facts about the engine go in, orders come out, and mgmt/conduct.c carries
 * them out on the control thread.
 *
 *     id = manager_submit(manager, &ask, now_ns);          0: the queue is full
 *     order = manager_step(manager, &facts);               again and again
 *     manager_end(manager, &facts, outcome);               the job is over: nothing stays open
 *
 * The job: RUNNING until a stop or a drain begins (or a signal, or the sources end), then STOPPING
 * or DRAINING, then ENDED. An action that the job's state does not allow is taken in and fails,
 * with the reason. What may begin when:
 *
 *                RUNNING   STOPPING, DRAINING, ENDED
 *     snapshot   yes       fails
 *     stop       yes       fails
 *     drain      yes       fails
 *
 * Threads: none of its own; whoever calls it holds the lock of mgmt/control.c.
 */

#include <stdbool.h>
#include <stdint.h>

#define MANAGER_QUEUE_MAX 16u
#define MANAGER_LOG 256u
#define MANAGER_REASON 256u

#define ACTION_KINDS(X)                                                                            \
	X(SNAPSHOT, "snapshot")                                                                    \
	X(STOP, "stop")                                                                            \
	X(DRAIN, "drain")

enum action_kind {
#define ACTION_KIND_ENUM(suffix, text) ACTION_##suffix,
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

#define MANAGER_STATES(X)                                                                          \
	X(RUNNING, "running")                                                                      \
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
const char *action_state_text(enum action_state state);
const char *manager_state_text(enum manager_state state);

struct action {
	uint64_t id;
	enum action_kind kind;
	enum action_state state;
	uint32_t uid;      /* who asked */
	uint64_t limit_ns; /* from its begin */
	int64_t asked_ns, begun_ns, ended_ns;
	uint64_t epoch;  /* SNAPSHOT: a durable one of at least this number */
	bool has_marker; /* … and it is under way */
	uint64_t lost;   /* … so many were lost before */
	char reason[MANAGER_REASON];
};

struct action_ask {
	enum action_kind kind;
	uint32_t uid;
	uint64_t limit_ns;
};

/* What the engine is like now. */
struct manager_facts {
	int64_t now_ns;
	bool has_snapshots;
	uint64_t lost;           /* snapshots; to be read before snapshot_epoch */
	uint64_t epoch;          /* the last one started */
	uint64_t snapshot_epoch; /* the last one started that is a snapshot */
	uint64_t durable;        /* the last durable one */
	const char *why;         /* the last one was lost; may be empty */
};

enum manager_order {
	ORDER_NONE,
	ORDER_SNAPSHOT, /* an epoch with a snapshot as soon as there can be one; given again and
	                   again */
	ORDER_STOP,     /* a last snapshot, then the end; given once */
	ORDER_DRAIN,    /* the sources end; given once */
};

/* How the job ended. */
enum manager_outcome {
	ENDED_WHOLE, /* all that was to be done is done */
	ENDED_EARLY, /* time was up, or a second Ctrl-C came */
	ENDED_BADLY, /* something was not sound */
};

struct manager {
	enum manager_state state;
	uint64_t next_id; /* of the next action, from 1 */
	uint64_t current; /* id; 0: none runs */
	uint64_t queue[MANAGER_QUEUE_MAX];
	uint32_t queue_count;
	struct action log[MANAGER_LOG];  /* [id % MANAGER_LOG] */
	uint64_t completed[MANAGER_LOG]; /* ids in the order of their completion */
	uint64_t completed_count;        /* ever */
};

void manager_init(struct manager *manager);
/* The new action's id; 0: the queue is full. It may have failed at once: see its state. */
uint64_t manager_submit(struct manager *manager, const struct action_ask *ask, int64_t now_ns);
/* What is to be done now; for STOP and DRAIN, the action's limit is in manager_current. */
enum manager_order manager_step(struct manager *manager, const struct manager_facts *facts);
/* The job ends for another reason: a signal, its duration, the end of its sources. */
void manager_ending(struct manager *manager, int64_t now_ns);
/* The job is over: what is open is completed, and nothing can begin any more. */
void manager_end(struct manager *manager, const struct manager_facts *facts,
                 enum manager_outcome outcome);

/* NULL: it never was, or is forgotten. */
const struct action *manager_find(const struct manager *manager, uint64_t id);
const struct action *manager_current(const struct manager *manager); /* NULL: none runs */
/* The n-th completion, from 0; NULL: not yet, or forgotten. */
const struct action *manager_completed(const struct manager *manager, uint64_t n);

#endif
