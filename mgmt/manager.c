/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of actions: taken in, begun, completed once. */
#include "mgmt/manager.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static_assert(MANAGER_LOG > MANAGER_QUEUE_MAX + 1, "what is open is never forgotten");

const char *
action_kind_text(enum action_kind kind)
{
	static const char *const text[] = {
#define ACTION_KIND_TEXT(suffix, text) [ACTION_##suffix] = text,
		ACTION_KINDS(ACTION_KIND_TEXT)
#undef ACTION_KIND_TEXT
	};

	assert(kind < ACTION_KIND_COUNT);
	return text[kind];
}

const char *
action_state_text(enum action_state state)
{
	static const char *const text[] = {
#define ACTION_STATE_TEXT(suffix, text) [ACTION_##suffix] = text,
		ACTION_STATES(ACTION_STATE_TEXT)
#undef ACTION_STATE_TEXT
	};

	assert(state < ACTION_STATE_COUNT);
	return text[state];
}

const char *
manager_state_text(enum manager_state state)
{
	static const char *const text[] = {
#define MANAGER_STATE_TEXT(suffix, text) [MANAGER_##suffix] = text,
		MANAGER_STATES(MANAGER_STATE_TEXT)
#undef MANAGER_STATE_TEXT
	};

	assert(state < MANAGER_STATE_COUNT);
	return text[state];
}

void
manager_init(struct manager *manager)
{
	memset(manager, 0, sizeof(*manager));
	manager->next_id = 1;
}

static struct action *
action_of(struct manager *manager, uint64_t id)
{
	struct action *action = &manager->log[id % MANAGER_LOG];

	assert(action->id == id);
	return action;
}

static void
complete(struct manager *manager, struct action *action, enum action_state state,
         const char *reason, int64_t now_ns)
{
	assert(action->state == ACTION_QUEUED || action->state == ACTION_RUNNING);
	assert(state == ACTION_DONE || state == ACTION_FAILED);
	action->state = state;
	action->ended_ns = now_ns;
	snprintf(action->reason, sizeof(action->reason), "%s", reason);
	manager->completed[manager->completed_count++ % MANAGER_LOG] = action->id;
	if (manager->current == action->id) {
		manager->current = 0;
	}
}

/* Why it cannot begin while the job is so; NULL: it can. */
static const char *
refusal(enum manager_state state)
{
	switch (state) {
	case MANAGER_RUNNING:
		return NULL;
	case MANAGER_STOPPING:
		return "the job is stopping";
	case MANAGER_DRAINING:
		return "the job is draining: it ends when all is through";
	default:
		return "the job has ended";
	}
}

uint64_t
manager_submit(struct manager *manager, const struct action_ask *ask, int64_t now_ns)
{
	const char *why = refusal(manager->state);
	struct action *action;

	if (why == NULL && manager->queue_count == MANAGER_QUEUE_MAX) {
		return 0;
	}
	action = &manager->log[manager->next_id % MANAGER_LOG];
	/* Open ones are the newest but a few that failed at once, so none is written over. */
	if (action->id != 0 &&
	    (action->state == ACTION_QUEUED || action->state == ACTION_RUNNING)) {
		return 0;
	}
	*action = (struct action){ .id = manager->next_id++,
		                   .kind = ask->kind,
		                   .state = ACTION_QUEUED,
		                   .uid = ask->uid,
		                   .limit_ns = ask->limit_ns,
		                   .asked_ns = now_ns };
	if (why != NULL) {
		complete(manager, action, ACTION_FAILED, why, now_ns);
	} else {
		manager->queue[manager->queue_count++] = action->id;
	}
	return action->id;
}

/* Takes the next one out of the queue; NULL: it is empty. */
static struct action *
take_next(struct manager *manager)
{
	uint64_t id;

	if (manager->queue_count == 0) {
		return NULL;
	}
	id = manager->queue[0];
	manager->queue_count--;
	memmove(manager->queue, manager->queue + 1, manager->queue_count * sizeof(id));
	return action_of(manager, id);
}

static enum manager_order
begin(struct manager *manager, struct action *action, const struct manager_facts *facts)
{
	action->state = ACTION_RUNNING;
	action->begun_ns = facts->now_ns;
	manager->current = action->id;
	switch (action->kind) {
	case ACTION_STOP:
		manager->state = MANAGER_STOPPING;
		return ORDER_STOP;
	case ACTION_DRAIN:
		manager->state = MANAGER_DRAINING;
		return ORDER_DRAIN;
	default:
		break;
	}
	if (!facts->has_snapshots) {
		complete(manager, action, ACTION_FAILED,
		         "the job takes no snapshots: run it with --state FOLDER, or write state: "
		         "{folder: …} in its topology",
		         facts->now_ns);
		return ORDER_NONE;
	}
	action->epoch = facts->epoch + 1;
	return ORDER_SNAPSHOT;
}

/* Its snapshot: asked for, on its way, durable or lost. */
static enum manager_order
step_snapshot(struct manager *manager, struct action *action, const struct manager_facts *facts)
{
	char reason[MANAGER_REASON];

	if (facts->durable >= action->epoch) {
		action->epoch = facts->durable;
		complete(manager, action, ACTION_DONE, "", facts->now_ns);
		return ORDER_NONE;
	}
	if (action->has_marker && facts->lost > action->lost) {
		snprintf(reason, sizeof(reason),
		         "the snapshot of epoch %" PRIu64 " is lost: %.160s", action->epoch,
		         facts->why);
		complete(manager, action, ACTION_FAILED, reason, facts->now_ns);
		return ORDER_NONE;
	}
	if (facts->now_ns - action->begun_ns >= (int64_t)action->limit_ns) {
		complete(manager, action, ACTION_FAILED,
		         "it is not durable within the deadline; the snapshot goes on by itself",
		         facts->now_ns);
		return ORDER_NONE;
	}
	if (!action->has_marker && facts->snapshot_epoch >= action->epoch) {
		action->has_marker = true;
		action->epoch = facts->snapshot_epoch;
		action->lost = facts->lost;
	}
	return action->has_marker ? ORDER_NONE : ORDER_SNAPSHOT;
}

enum manager_order
manager_step(struct manager *manager, const struct manager_facts *facts)
{
	enum manager_order order = ORDER_NONE;
	struct action *action;

	if (manager->current != 0) {
		action = action_of(manager, manager->current);
		if (action->kind != ACTION_SNAPSHOT) {
			return ORDER_NONE; /* the end of the job completes it */
		}
		order = step_snapshot(manager, action, facts);
	}
	while (manager->current == 0 && (action = take_next(manager)) != NULL) {
		const char *why = refusal(manager->state);

		if (why != NULL) {
			complete(manager, action, ACTION_FAILED, why, facts->now_ns);
		} else {
			order = begin(manager, action, facts);
		}
	}
	return order;
}

static void
fail_queue(struct manager *manager, int64_t now_ns)
{
	struct action *action;

	while ((action = take_next(manager)) != NULL) {
		complete(manager, action, ACTION_FAILED, refusal(manager->state), now_ns);
	}
}

void
manager_ending(struct manager *manager, int64_t now_ns)
{
	if (manager->state == MANAGER_RUNNING) {
		manager->state = MANAGER_STOPPING;
	}
	fail_queue(manager, now_ns);
}

static const char *
end_reason(const struct action *action, enum manager_outcome outcome)
{
	if (outcome == ENDED_BADLY) {
		return "the job ended, and something was not sound: see what it wrote";
	}
	if (outcome == ENDED_WHOLE) {
		return "";
	}
	return action->kind == ACTION_STOP
	           ? "the job ended before everything was through, or without a last snapshot"
	           : "the job ended before everything was drained";
}

void
manager_end(struct manager *manager, const struct manager_facts *facts,
            enum manager_outcome outcome)
{
	struct action *action;

	manager->state = MANAGER_ENDED;
	if (manager->current != 0) {
		action = action_of(manager, manager->current);
		if (action->kind == ACTION_SNAPSHOT) {
			bool is_durable = facts->durable >= action->epoch;

			complete(manager, action, is_durable ? ACTION_DONE : ACTION_FAILED,
			         is_durable ? "" : "the job ended before it was durable",
			         facts->now_ns);
		} else {
			complete(manager, action,
			         outcome == ENDED_WHOLE ? ACTION_DONE : ACTION_FAILED,
			         end_reason(action, outcome), facts->now_ns);
		}
	}
	fail_queue(manager, facts->now_ns);
}

const struct action *
manager_find(const struct manager *manager, uint64_t id)
{
	const struct action *action = &manager->log[id % MANAGER_LOG];

	return id != 0 && action->id == id ? action : NULL;
}

const struct action *
manager_current(const struct manager *manager)
{
	return manager_find(manager, manager->current);
}

const struct action *
manager_completed(const struct manager *manager, uint64_t n)
{
	if (n >= manager->completed_count || manager->completed_count - n > MANAGER_LOG) {
		return NULL;
	}
	return manager_find(manager, manager->completed[n % MANAGER_LOG]);
}
