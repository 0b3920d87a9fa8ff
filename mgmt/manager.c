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
#define ACTION_KIND_TEXT(suffix, text, manner) [ACTION_##suffix] = text,
		ACTION_KINDS(ACTION_KIND_TEXT)
#undef ACTION_KIND_TEXT
	};

	assert(kind < ACTION_KIND_COUNT);
	return text[kind];
}

enum action_kind
action_kind_find(const char *text)
{
	enum action_kind kind = 0;

	while (kind < ACTION_KIND_COUNT && strcmp(action_kind_text(kind), text) != 0) {
		kind++;
	}
	return kind;
}

enum action_manner
action_manner(enum action_kind kind)
{
	static const enum action_manner manner[] = {
#define ACTION_KIND_MANNER(suffix, text, manner) [ACTION_##suffix] = MANNER_##manner,
		ACTION_KINDS(ACTION_KIND_MANNER)
#undef ACTION_KIND_MANNER
	};

	assert(kind < ACTION_KIND_COUNT);
	return manner[kind];
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
action_phase_text(enum action_phase phase)
{
	static const char *const text[] = {
#define ACTION_PHASE_TEXT(suffix, text) [PHASE_##suffix] = text,
		ACTION_PHASES(ACTION_PHASE_TEXT)
#undef ACTION_PHASE_TEXT
	};

	assert(phase < ACTION_PHASE_COUNT);
	return text[phase];
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

static bool
tell(struct manager *manager, const struct action *action)
{
	manager->changes++;
	return manager->watch == NULL || manager->watch(manager->watch_arg, manager, action);
}

static bool
is_open(const struct action *action)
{
	return action->state == ACTION_QUEUED || action->state == ACTION_RUNNING;
}

static void
complete(struct manager *manager, struct action *action, enum action_state state,
         const char *reason, int64_t now_ns)
{
	assert(is_open(action));
	assert(state == ACTION_DONE || state == ACTION_FAILED);
	action->state = state;
	action->ended_ns = now_ns;
	snprintf(action->reason, sizeof(action->reason), "%s", reason);
	manager->completed[manager->completed_count++ % MANAGER_LOG] = action->id;
	if (manager->current == action->id) {
		manager->current = 0;
	}
	(void)tell(manager, action);
}

/* Why nothing can begin any more; NULL: something can. */
static const char *
end_refusal(enum manager_state state)
{
	switch (state) {
	case MANAGER_RUNNING:
	case MANAGER_INACTIVE:
		return NULL;
	case MANAGER_STOPPING:
		return "the job is stopping";
	case MANAGER_DRAINING:
		return "the job is draining: it ends when all is through";
	default:
		return "the job has ended";
	}
}

/* Why it cannot begin while the job is so; NULL: it can. */
static const char *
refusal(enum action_kind kind, enum manager_state state)
{
	if (kind == ACTION_ACTIVATE && state == MANAGER_RUNNING) {
		return "the sources are active";
	}
	if (kind == ACTION_DEACTIVATE && state == MANAGER_INACTIVE) {
		return "the sources are inactive already";
	}
	return end_refusal(state);
}

/* The end of a job must not depend on a disk. */
static bool
must_be_written(const struct action *action)
{
	return action_manner(action->kind) != MANNER_END;
}

uint64_t
manager_submit(struct manager *manager, const struct action_ask *ask, int64_t now_ns,
               enum manager_refusal *refused)
{
	const char *why = end_refusal(manager->state);
	struct action *action = &manager->log[manager->next_id % MANAGER_LOG], before = *action;

	/* Open ones are the newest but a few that failed at once, so none is written over. */
	*refused = REFUSED_FULL;
	if ((why == NULL && manager->queue_count == MANAGER_QUEUE_MAX) ||
	    (action->id != 0 && is_open(action))) {
		return 0;
	}
	*action = (struct action){ .id = manager->next_id++,
		                   .kind = ask->kind,
		                   .state = ACTION_QUEUED,
		                   .uid = ask->uid,
		                   .limit_ns = ask->limit_ns,
		                   .asked_ns = now_ns,
		                   .phase = ask->kind == ACTION_APPLY ? PHASE_PROPOSED : PHASE_NONE,
		                   .args = ask->args };
	snprintf(action->what, sizeof(action->what), "%s", ask->what);
	if (why == NULL && !tell(manager, action) && must_be_written(action)) {
		/* It may be on the disk all the same: its number is gone. */
		*refused = REFUSED_UNWRITTEN;
		*action = before;
		return 0;
	}
	*refused = REFUSED_NOT;
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

/* Begins what waits for an epoch. */
static enum manager_order
begin_epoch(struct manager *manager, struct action *action, const struct manager_facts *facts)
{
	bool is_snapshot = action->kind == ACTION_SNAPSHOT;
	const char *why = NULL;

	if (is_snapshot && !facts->has_snapshots) {
		why = "the job takes no snapshots: run it with --state FOLDER, or write state: "
		      "{folder: …} in its topology";
	} else if (!is_snapshot && !facts->has_epochs) {
		why = "the job has no epochs: write settings: {epoch: 1s} in its topology";
	}
	if (why != NULL) {
		action->epoch = 0;
		complete(manager, action, ACTION_FAILED, why, facts->now_ns);
		return ORDER_NONE;
	}
	return is_snapshot ? ORDER_SNAPSHOT : ORDER_EPOCH;
}

static enum manager_order
begin(struct manager *manager, struct action *action, const struct manager_facts *facts)
{
	action->state = ACTION_RUNNING;
	action->begun_ns = facts->now_ns;
	action->epoch = action_manner(action->kind) == MANNER_EPOCH ? facts->epoch + 1 : 0;
	manager->current = action->id;
	(void)tell(manager, action);
	switch (action_manner(action->kind)) {
	case MANNER_END:
		manager->state = action->kind == ACTION_STOP ? MANAGER_STOPPING : MANAGER_DRAINING;
		return action->kind == ACTION_STOP ? ORDER_STOP : ORDER_DRAIN;
	case MANNER_ORDER:
		return ORDER_CARRY_OUT;
	default:
		return begin_epoch(manager, action, facts);
	}
}

static bool
is_late(const struct action *action, const struct manager_facts *facts)
{
	return facts->now_ns - action->begun_ns >= (int64_t)action->limit_ns;
}

/* Its epoch: asked for, on its way, through. */
static enum manager_order
step_epoch(struct manager *manager, struct action *action, const struct manager_facts *facts)
{
	if (facts->epoch_done >= action->epoch) {
		action->epoch = facts->epoch_done;
		complete(manager, action, ACTION_DONE, "", facts->now_ns);
		return ORDER_NONE;
	}
	if (is_late(action, facts)) {
		complete(manager, action, ACTION_FAILED,
		         "no epoch has passed all slices within the deadline: see the epochs of "
		         "slices in stats",
		         facts->now_ns);
		return ORDER_NONE;
	}
	return facts->epoch < action->epoch ? ORDER_EPOCH : ORDER_NONE;
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
	if (is_late(action, facts)) {
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

/* What the action under way needs now. */
static enum manager_order
step(struct manager *manager, struct action *action, const struct manager_facts *facts)
{
	switch (action_manner(action->kind)) {
	case MANNER_END:
		return ORDER_NONE; /* the end of the job completes it */
	case MANNER_ORDER:
		if (is_late(action, facts)) {
			complete(manager, action, ACTION_FAILED,
			         "it is not done within the deadline", facts->now_ns);
		}
		return ORDER_NONE;
	default:
		return action->kind == ACTION_SNAPSHOT ? step_snapshot(manager, action, facts)
		                                       : step_epoch(manager, action, facts);
	}
}

enum manager_order
manager_step(struct manager *manager, const struct manager_facts *facts)
{
	enum manager_order order = ORDER_NONE;
	struct action *action;

	if (manager->current != 0) {
		order = step(manager, action_of(manager, manager->current), facts);
	}
	while (manager->current == 0 && (action = take_next(manager)) != NULL) {
		const char *why = refusal(action->kind, manager->state);

		if (why != NULL) {
			complete(manager, action, ACTION_FAILED, why, facts->now_ns);
		} else {
			order = begin(manager, action, facts);
		}
	}
	return order;
}

/* What an action that is done makes of the job. */
static void
turn_job(struct manager *manager, enum action_kind kind)
{
	if (kind == ACTION_DEACTIVATE || kind == ACTION_ACTIVATE) {
		manager->is_inactive = kind == ACTION_DEACTIVATE;
	}
	if (end_refusal(manager->state) == NULL) {
		manager->state = manager->is_inactive ? MANAGER_INACTIVE : MANAGER_RUNNING;
	}
}

void
manager_report(struct manager *manager, const struct manager_report *report, int64_t now_ns)
{
	struct action *action;

	if (report->id == 0 || report->id != manager->current) {
		return;
	}
	action = action_of(manager, report->id);
	action->step = report->step;
	action->steps = report->steps;
	action->phase = report->phase != PHASE_NONE ? report->phase : action->phase;
	action->epoch = report->epoch;
	if (report->pause_ns > action->pause_ns) {
		action->pause_ns = report->pause_ns;
	}
	if (report->is_step) {
		(void)tell(manager, action);
		return;
	}
	if (!report->has_failed) {
		turn_job(manager, action->kind);
	}
	complete(manager, action, report->has_failed ? ACTION_FAILED : ACTION_DONE, report->reason,
	         now_ns);
}

static void
fail_queue(struct manager *manager, int64_t now_ns)
{
	struct action *action;

	while ((action = take_next(manager)) != NULL) {
		complete(manager, action, ACTION_FAILED, end_refusal(manager->state), now_ns);
	}
}

void
manager_ending(struct manager *manager, int64_t now_ns)
{
	if (end_refusal(manager->state) == NULL) {
		manager->state = MANAGER_STOPPING;
	}
	manager->changes++;
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

static void
end_current(struct manager *manager, struct action *action, const struct manager_facts *facts,
            enum manager_outcome outcome)
{
	bool is_done = outcome == ENDED_WHOLE;
	const char *reason = end_reason(action, outcome);

	if (action->kind == ACTION_SNAPSHOT) {
		is_done = facts->durable >= action->epoch;
		reason = is_done ? "" : "the job ended before it was durable";
	} else if (action_manner(action->kind) != MANNER_END) {
		is_done = false;
		reason = "the job ended before it was done";
	}
	complete(manager, action, is_done ? ACTION_DONE : ACTION_FAILED, reason, facts->now_ns);
}

void
manager_end(struct manager *manager, const struct manager_facts *facts,
            enum manager_outcome outcome)
{
	manager->state = MANAGER_ENDED;
	manager->changes++;
	if (manager->current != 0) {
		end_current(manager, action_of(manager, manager->current), facts, outcome);
	}
	fail_queue(manager, facts->now_ns);
}

void
manager_restore(struct manager *manager, const struct action *action)
{
	manager->log[action->id % MANAGER_LOG] = *action;
	if (!is_open(action)) {
		manager->completed[manager->completed_count++ % MANAGER_LOG] = action->id;
	}
}

static bool
is_change(enum action_kind kind)
{
	return kind == ACTION_RESCALE || kind == ACTION_APPLY;
}

/* Why what was under way is done all the same; NULL: it is not. */
static const char *
done_past(const struct action *action, const struct manager_past *past)
{
	if (action->state != ACTION_RUNNING) {
		return NULL;
	}
	if (action->kind == ACTION_DRAIN && past->is_complete) {
		return "the job is complete";
	}
	if (action->kind == ACTION_SNAPSHOT && action->epoch != 0 &&
	    past->durable >= action->epoch) {
		return "it was durable when the job broke off";
	}
	if (is_change(action->kind) && past->changed_by >= action->id) {
		return "it was through when the job broke off: the job goes on with it";
	}
	if (action->kind == ACTION_MIGRATE && past->moved_by >= action->id) {
		return "it was through when the job broke off: the slice goes back there";
	}
	return NULL;
}

bool
manager_is_undone(const struct action *action, uint64_t durable)
{
	return is_change(action->kind) && action->state == ACTION_DONE && action->epoch != 0 &&
	       action->epoch >= durable;
}

/* Nobody goes on with what was under way: it is as if it had never begun, or through. */
static void
complete_past(struct manager *manager, struct action *action, const struct manager_past *past,
              int64_t now_ns)
{
	const char *done = done_past(action, past);

	if (done != NULL) {
		complete(manager, action, ACTION_DONE, done, now_ns);
	} else if (action->state == ACTION_QUEUED) {
		complete(manager, action, ACTION_FAILED, "the job broke off before it began",
		         now_ns);
	} else if (action->kind == ACTION_REBALANCE && past->moved_by >= action->id) {
		complete(manager, action, ACTION_FAILED,
		         "the job broke off while it was under way: the moves that were made hold",
		         now_ns);
	} else {
		complete(manager, action, ACTION_FAILED, "the job broke off while it was under way",
		         now_ns);
	}
}

void
manager_restored(struct manager *manager, const struct manager_past *past, int64_t now_ns)
{
	uint64_t first = past->next_id > MANAGER_LOG ? past->next_id - MANAGER_LOG : 1;

	assert(manager->watch == NULL);
	manager->next_id = past->next_id;
	manager->is_inactive = past->is_inactive;
	manager->state = past->is_inactive ? MANAGER_INACTIVE : MANAGER_RUNNING;
	for (uint64_t id = first; id < past->next_id; id++) {
		struct action *action = &manager->log[id % MANAGER_LOG];

		if (action->id == id && is_open(action)) {
			complete_past(manager, action, past, now_ns);
		}
	}
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

bool
manager_end_waits(const struct manager *manager)
{
	for (uint32_t i = 0; i < manager->queue_count; i++) {
		if (action_manner(manager_find(manager, manager->queue[i])->kind) == MANNER_END) {
			return true;
		}
	}
	return false;
}

const struct action *
manager_completed(const struct manager *manager, uint64_t n)
{
	if (n >= manager->completed_count || manager->completed_count - n > MANAGER_LOG) {
		return NULL;
	}
	return manager_find(manager, manager->completed[n % MANAGER_LOG]);
}
