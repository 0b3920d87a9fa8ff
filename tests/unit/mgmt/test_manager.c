/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/manager.c: every action in every state of the job, and what each comes to. */
#include "mgmt/manager.h"

#include "tests/unit/mgmt/manager_frame.h"

static void
bring_to(struct manager *manager, enum manager_state state)
{
	struct manager_facts facts = facts_at(0);

	manager_init(manager);
	switch (state) {
	case MANAGER_STOPPING:
		assert_int_equal(ask(manager, ACTION_STOP, 0), 1);
		assert_int_equal(manager_step(manager, &facts), ORDER_STOP);
		break;
	case MANAGER_DRAINING:
		assert_int_equal(ask(manager, ACTION_DRAIN, 0), 1);
		assert_int_equal(manager_step(manager, &facts), ORDER_DRAIN);
		break;
	case MANAGER_ENDED:
		manager_end(manager, &facts, ENDED_WHOLE);
		break;
	case MANAGER_INACTIVE:
		assert_int_equal(ask(manager, ACTION_DEACTIVATE, 0), 1);
		assert_int_equal(manager_step(manager, &facts), ORDER_CARRY_OUT);
		report(manager, 1, NULL, 0);
		break;
	default:
		break;
	}
	assert_int_equal(manager->state, state);
}

/* What each action comes to where the job is so: its order, or why it fails. */
static void
test_every_pair(void **state)
{
	static const enum manager_order orders[ACTION_KIND_COUNT] = {
		[ACTION_SNAPSHOT] = ORDER_SNAPSHOT,
		[ACTION_SYNCHRONIZE] = ORDER_EPOCH,
		[ACTION_STOP] = ORDER_STOP,
		[ACTION_DRAIN] = ORDER_DRAIN,
		[ACTION_MIGRATE] = ORDER_CARRY_OUT,
		[ACTION_REBALANCE] = ORDER_CARRY_OUT,
		[ACTION_DEACTIVATE] = ORDER_CARRY_OUT,
		[ACTION_ACTIVATE] = ORDER_CARRY_OUT,
		[ACTION_RESCALE] = ORDER_CARRY_OUT,
		[ACTION_APPLY] = ORDER_CARRY_OUT,
	};
	static const char *const why[MANAGER_STATE_COUNT][ACTION_KIND_COUNT] = {
		[MANAGER_RUNNING] = { [ACTION_ACTIVATE] = "are active" },
		[MANAGER_INACTIVE] = { [ACTION_DEACTIVATE] = "inactive already" },
	};
	static const char *const over[] = { NULL, NULL, "stopping", "draining", "ended" };
	struct manager manager;

	(void)state;
	for (int job = 0; job < MANAGER_STATE_COUNT; job++) {
		for (int kind = 0; kind < ACTION_KIND_COUNT; kind++) {
			const char *reason = over[job] != NULL ? over[job] : why[job][kind];
			struct manager_facts facts = facts_at(SECOND);
			uint64_t id;

			bring_to(&manager, (enum manager_state)job);
			id = ask(&manager, (enum action_kind)kind, SECOND);
			assert_true(id != 0);
			assert_int_equal(state_of(&manager, id),
			                 over[job] != NULL ? ACTION_FAILED : ACTION_QUEUED);
			assert_int_equal(manager_step(&manager, &facts),
			                 reason == NULL ? orders[kind] : ORDER_NONE);
			if (reason == NULL) {
				assert_int_equal(state_of(&manager, id), ACTION_RUNNING);
				assert_ptr_equal(manager_current(&manager),
				                 manager_find(&manager, id));
			} else {
				assert_int_equal(state_of(&manager, id), ACTION_FAILED);
				assert_non_null(strstr(reason_of(&manager, id), reason));
			}
		}
	}
}

/* ---- an action's own states: what each event makes of it in each of them ---- */

enum event {
	EVENT_STEP,     /* time passes */
	EVENT_LATE,     /* … its deadline, too */
	EVENT_THROUGH,  /* what it waits for has come, or it is told to be done */
	EVENT_FAILURE,  /* it is lost, or told to have failed */
	EVENT_PROGRESS, /* it is told to be a step farther */
	EVENT_ENDING,   /* the job begins to end */
	EVENT_WHOLE,    /* it has ended, with all done */
	EVENT_EARLY,    /* … without */
	EVENT_RESTART,  /* the manager is gone, what it made so is not */
	EVENT_UNDONE,   /* the manager is gone, and with it what was made so */
	EVENT_COUNT
};

static void
carry_out_event(struct manager *manager, uint64_t id, enum event event)
{
	struct manager_facts facts = facts_at(1);
	struct manager_report told = { .id = id, .has_failed = event == EVENT_FAILURE };

	told.is_step = event == EVENT_PROGRESS;
	if (event == EVENT_LATE) {
		facts.now_ns = 6 * SECOND;
	}
	if (event == EVENT_THROUGH) {
		facts.epoch = facts.epoch_done = facts.snapshot_epoch = facts.durable = 12;
	}
	if (event == EVENT_FAILURE) {
		/* Under way first, then lost. */
		facts.epoch = facts.snapshot_epoch = 12;
		manager_step(manager, &facts);
		facts.lost = 1;
	}
	if (action_manner(manager_find(manager, id)->kind) == MANNER_ORDER &&
	    (event == EVENT_THROUGH || event == EVENT_FAILURE || event == EVENT_PROGRESS)) {
		manager_report(manager, &told, 1);
	}
	manager_step(manager, &facts);
}

static void
restart(struct manager *manager, uint64_t id, bool is_so)
{
	struct manager_past past = { .next_id = manager->next_id };
	struct action action = *manager_find(manager, id);

	if (is_so) {
		past.is_complete = true;
		past.durable = action.epoch + 1;
		past.changed_by = past.moved_by = id;
	}
	manager_init(manager);
	manager_restore(manager, &action);
	manager_restored(manager, &past, 1);
}

static void
happen(struct manager *manager, uint64_t id, enum event event)
{
	struct manager_facts facts = facts_at(1);

	switch (event) {
	case EVENT_ENDING:
		manager_ending(manager, 1);
		break;
	case EVENT_WHOLE:
	case EVENT_EARLY:
		manager_end(manager, &facts, event == EVENT_WHOLE ? ENDED_WHOLE : ENDED_EARLY);
		break;
	case EVENT_RESTART:
	case EVENT_UNDONE:
		restart(manager, id, event == EVENT_RESTART);
		break;
	default:
		carry_out_event(manager, id, event);
		break;
	}
}

/* An action of the kind in the state; where it is to wait, behind one that runs. */
static uint64_t
action_in(struct manager *manager, enum action_kind kind, enum action_state state)
{
	struct manager_facts facts = facts_at(0);
	uint64_t id;

	bring_to(manager, kind == ACTION_ACTIVATE ? MANAGER_INACTIVE : MANAGER_RUNNING);
	if (state == ACTION_QUEUED) {
		ask(manager, ACTION_REBALANCE, 0);
		manager_step(manager, &facts);
		return ask(manager, kind, 0);
	}
	id = ask(manager, kind, 0);
	manager_step(manager, &facts);
	if (state == ACTION_DONE || state == ACTION_FAILED) {
		if (action_manner(kind) == MANNER_END) {
			manager_end(manager, &facts,
			            state == ACTION_DONE ? ENDED_WHOLE : ENDED_EARLY);
		} else {
			carry_out_event(manager, id,
			                state == ACTION_DONE ? EVENT_THROUGH : EVENT_LATE);
		}
	}
	assert_int_equal(state_of(manager, id), state);
	return id;
}

/* What has begun, by its manner. */
static enum action_state
expected_of_running(enum action_kind kind, enum event event)
{
	bool ends_job = action_manner(kind) == MANNER_END;
	bool is_found = kind == ACTION_SNAPSHOT || kind == ACTION_DRAIN || kind == ACTION_APPLY ||
	                kind == ACTION_RESCALE || kind == ACTION_MIGRATE;

	switch (event) {
	case EVENT_LATE:
		return ends_job ? ACTION_RUNNING : ACTION_FAILED;
	case EVENT_THROUGH:
		return ends_job ? ACTION_RUNNING : ACTION_DONE;
	case EVENT_FAILURE:
		return ends_job || kind == ACTION_SYNCHRONIZE ? ACTION_RUNNING : ACTION_FAILED;
	case EVENT_WHOLE:
		return ends_job ? ACTION_DONE : ACTION_FAILED;
	case EVENT_RESTART:
		return is_found ? ACTION_DONE : ACTION_FAILED;
	case EVENT_EARLY:
	case EVENT_UNDONE:
		return ACTION_FAILED;
	default:
		return ACTION_RUNNING;
	}
}

/* What has not begun waits, unless the job ends or the manager goes; an end is for good. */
static enum action_state
expected(enum action_kind kind, enum action_state state, enum event event)
{
	if (state == ACTION_RUNNING) {
		return expected_of_running(kind, event);
	}
	if (state == ACTION_QUEUED && event >= EVENT_ENDING) {
		return ACTION_FAILED;
	}
	/* The one in front of it is late: its turn has come. */
	return state == ACTION_QUEUED && event == EVENT_LATE ? ACTION_RUNNING : state;
}

static void
test_every_event(void **state)
{
	static struct manager manager;

	(void)state;
	for (int i = 0; i < ACTION_KIND_COUNT * ACTION_STATE_COUNT * EVENT_COUNT; i++) {
		enum action_kind kind = (enum action_kind)(i / (ACTION_STATE_COUNT * EVENT_COUNT));
		enum action_state was = (enum action_state)(i / EVENT_COUNT % ACTION_STATE_COUNT);
		enum event event = (enum event)(i % EVENT_COUNT);
		uint64_t id = action_in(&manager, kind, was);
		enum action_state want = expected(kind, was, event);

		happen(&manager, id, event);
		if (state_of(&manager, id) != want) {
			fail_msg("%s, %s, event %d: %s, not %s", action_kind_text(kind),
			         action_state_text(was), (int)event,
			         action_state_text(state_of(&manager, id)),
			         action_state_text(want));
		}
	}
}

/* What is carried out: given as an order once, told in steps, completed by its last report. */
static void
test_carried_out(void **state)
{
	struct manager_report step = { .is_step = true, .step = 1, .steps = 2, .pause_ns = 70 };
	struct manager_facts facts = facts_at(0);
	struct manager manager;
	uint64_t id, next;

	(void)state;
	bring_to(&manager, MANAGER_RUNNING);
	id = ask(&manager, ACTION_REBALANCE, 0);
	next = ask(&manager, ACTION_MIGRATE, 0);
	assert_int_equal(manager_step(&manager, &facts), ORDER_CARRY_OUT);
	assert_int_equal(manager_step(&manager, &facts), ORDER_NONE);
	/* What is told of another one is passed over. */
	report(&manager, next, NULL, 1);
	assert_int_equal(state_of(&manager, next), ACTION_QUEUED);
	step.id = id;
	manager_report(&manager, &step, 1);
	assert_int_equal(state_of(&manager, id), ACTION_RUNNING);
	assert_int_equal(manager_find(&manager, id)->step, 1);
	report(&manager, id, NULL, 2);
	assert_int_equal(state_of(&manager, id), ACTION_DONE);
	assert_int_equal(manager_find(&manager, id)->pause_ns, 70);
	report(&manager, id, "too late", 3);
	assert_int_equal(state_of(&manager, id), ACTION_DONE);
	assert_int_equal(manager_step(&manager, &facts), ORDER_CARRY_OUT);
	report(&manager, next, "the slice has ended", 4);
	assert_int_equal(state_of(&manager, next), ACTION_FAILED);
	assert_string_equal(reason_of(&manager, next), "the slice has ended");
	assert_int_equal(manager.completed_count, 2);
	/* At its deadline it is waited for no more. */
	id = ask(&manager, ACTION_MIGRATE, 5);
	manager_step(&manager, &facts);
	facts.now_ns += 5 * SECOND;
	assert_int_equal(manager_step(&manager, &facts), ORDER_NONE);
	assert_int_equal(state_of(&manager, id), ACTION_FAILED);
	assert_non_null(strstr(reason_of(&manager, id), "deadline"));
	report(&manager, id, NULL, facts.now_ns);
	assert_int_equal(manager.completed_count, 3);
}

/* Sources that did not hear of it in time stay as they were; the end of the job changes nothing. */
static void
test_inactive(void **state)
{
	struct manager_facts facts = facts_at(0);
	struct manager manager;

	(void)state;
	bring_to(&manager, MANAGER_RUNNING);
	ask(&manager, ACTION_DEACTIVATE, 0);
	manager_step(&manager, &facts);
	assert_int_equal(manager.state, MANAGER_RUNNING);
	facts.now_ns = 5 * SECOND;
	manager_step(&manager, &facts);
	assert_int_equal(manager.state, MANAGER_RUNNING);
	bring_to(&manager, MANAGER_INACTIVE);
	manager_ending(&manager, 0);
	assert_int_equal(manager.state, MANAGER_STOPPING);
	assert_true(manager.is_inactive);
	bring_to(&manager, MANAGER_INACTIVE);
	ask(&manager, ACTION_ACTIVATE, 0);
	assert_int_equal(manager_step(&manager, &facts), ORDER_CARRY_OUT);
	report(&manager, 2, NULL, 0);
	assert_int_equal(manager.state, MANAGER_RUNNING);
	/* A signal came before all had heard. */
	ask(&manager, ACTION_DEACTIVATE, 0);
	manager_step(&manager, &facts);
	manager_ending(&manager, 0);
	report(&manager, 3, NULL, 0);
	assert_int_equal(manager.state, MANAGER_STOPPING);
	assert_true(manager.is_inactive);
}

static void
test_synchronize(void **state)
{
	struct manager_facts facts = facts_at(0);
	struct manager manager;
	uint64_t id;

	(void)state;
	bring_to(&manager, MANAGER_RUNNING);
	id = ask(&manager, ACTION_SYNCHRONIZE, 0);
	assert_int_equal(manager_step(&manager, &facts), ORDER_EPOCH);
	/* The one that was under way passes: that is not it. */
	facts.epoch_done = 10;
	assert_int_equal(manager_step(&manager, &facts), ORDER_EPOCH);
	facts.epoch = 11;
	assert_int_equal(manager_step(&manager, &facts), ORDER_NONE);
	assert_int_equal(state_of(&manager, id), ACTION_RUNNING);
	facts.epoch_done = 11;
	manager_step(&manager, &facts);
	assert_int_equal(state_of(&manager, id), ACTION_DONE);
	assert_int_equal(manager_find(&manager, id)->epoch, 11);
	id = ask(&manager, ACTION_SYNCHRONIZE, 0);
	manager_step(&manager, &facts);
	facts.now_ns = 5 * SECOND;
	manager_step(&manager, &facts);
	assert_non_null(strstr(reason_of(&manager, id), "deadline"));
	facts.has_epochs = false;
	id = ask(&manager, ACTION_SYNCHRONIZE, 0);
	manager_step(&manager, &facts);
	assert_non_null(strstr(reason_of(&manager, id), "settings: {epoch"));
}

/* Who watches is told of every change, and what cannot be written down is not taken in. */
struct watcher {
	uint32_t told, completed;
	bool fails;
	enum action_state last;
};

static bool
watch(void *arg, const struct manager *manager, const struct action *action)
{
	struct watcher *watcher = arg;

	assert_ptr_equal(manager_find(manager, action->id), action);
	watcher->told++;
	watcher->completed += action->state >= ACTION_DONE;
	watcher->last = action->state;
	return !watcher->fails;
}

static void
test_watched(void **state)
{
	struct action_ask asked = { .kind = ACTION_MIGRATE, .limit_ns = SECOND };
	struct manager_facts facts = facts_at(0);
	struct watcher watcher = { 0 };
	enum manager_refusal refusal;
	struct manager manager;
	uint64_t id;

	(void)state;
	manager_init(&manager);
	manager.watch = watch;
	manager.watch_arg = &watcher;
	id = ask(&manager, ACTION_MIGRATE, 0);
	assert_int_equal(watcher.last, ACTION_QUEUED);
	manager_step(&manager, &facts);
	assert_int_equal(watcher.last, ACTION_RUNNING);
	report(&manager, id, NULL, 0);
	assert_int_equal(watcher.last, ACTION_DONE);
	assert_int_equal(watcher.told, 3);
	watcher.fails = true;
	assert_int_equal(manager_submit(&manager, &asked, 0, &refusal), 0);
	assert_int_equal(refusal, REFUSED_UNWRITTEN);
	/* Its number may be on the disk: it is not given again, and nobody finds it. */
	assert_null(manager_find(&manager, id + 1));
	assert_int_equal(manager.queue_count, 0);
	/* The end of the job does not depend on it. */
	assert_int_equal(ask(&manager, ACTION_STOP, 0), id + 2);
	assert_int_equal(manager_step(&manager, &facts), ORDER_STOP);
	manager_end(&manager, &facts, ENDED_WHOLE);
	assert_int_equal(watcher.completed, 2);
}

/* A life behind another one: what was open has come to its end, numbers go on. */
static void
test_restored(void **state)
{
	static const struct {
		enum action_kind kind;
		enum action_state was, is;
		struct manager_past past;
		const char *reason;
	} lives[] = {
		{ ACTION_MIGRATE, ACTION_DONE, ACTION_DONE, { 0 }, "kept" },
		{ ACTION_MIGRATE, ACTION_FAILED, ACTION_FAILED, { 0 }, "kept" },
		{ ACTION_MIGRATE, ACTION_QUEUED, ACTION_FAILED, { 0 }, "before it began" },
		{ ACTION_MIGRATE, ACTION_RUNNING, ACTION_FAILED, { 0 }, "under way" },
		{ ACTION_REBALANCE, ACTION_RUNNING, ACTION_FAILED, { 0 }, "under way" },
		{ ACTION_DRAIN, ACTION_RUNNING, ACTION_FAILED, { 0 }, "under way" },
		{ ACTION_DRAIN, ACTION_RUNNING, ACTION_DONE, { .is_complete = true }, "complete" },
		{ ACTION_DRAIN,
		  ACTION_QUEUED,
		  ACTION_FAILED,
		  { .is_complete = true },
		  "before it began" },
		{ ACTION_STOP, ACTION_RUNNING, ACTION_FAILED, { .is_complete = true }, "under" },
		{ ACTION_SNAPSHOT, ACTION_RUNNING, ACTION_FAILED, { .durable = 39 }, "under way" },
		{ ACTION_SNAPSHOT, ACTION_RUNNING, ACTION_DONE, { .durable = 40 }, "was durable" },
		{ ACTION_SNAPSHOT, ACTION_QUEUED, ACTION_FAILED, { .durable = 41 }, "before it" },
		{ ACTION_SYNCHRONIZE, ACTION_RUNNING, ACTION_FAILED, { .durable = 41 }, "under" },
		{ ACTION_APPLY, ACTION_RUNNING, ACTION_FAILED, { .changed_by = 299 }, "under way" },
		{ ACTION_APPLY, ACTION_RUNNING, ACTION_DONE, { .changed_by = 300 }, "through" },
		{ ACTION_RESCALE, ACTION_RUNNING, ACTION_DONE, { .changed_by = 301 }, "through" },
		{ ACTION_RESCALE, ACTION_QUEUED, ACTION_FAILED, { .changed_by = 301 }, "before" },
		{ ACTION_RESCALE, ACTION_FAILED, ACTION_FAILED, { .changed_by = 301 }, "kept" },
		{ ACTION_MIGRATE, ACTION_RUNNING, ACTION_FAILED, { .changed_by = 301 }, "under" },
		{ ACTION_MIGRATE, ACTION_RUNNING, ACTION_FAILED, { .moved_by = 299 }, "under way" },
		{ ACTION_MIGRATE, ACTION_RUNNING, ACTION_DONE, { .moved_by = 300 }, "goes back" },
		{ ACTION_REBALANCE, ACTION_RUNNING, ACTION_FAILED, { .moved_by = 300 }, "hold" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		struct action action = { .id = 300,
			                 .kind = lives[i].kind,
			                 .state = lives[i].was,
			                 .epoch = 40,
			                 .reason = "kept" };
		struct manager_past past = lives[i].past;
		struct manager manager;

		past.next_id = 302;
		manager_init(&manager);
		manager_restore(&manager, &action);
		manager_restored(&manager, &past, 5);
		assert_int_equal(state_of(&manager, 300), lives[i].is);
		assert_non_null(strstr(reason_of(&manager, 300), lives[i].reason));
		assert_int_equal(manager.completed_count, 1);
		assert_int_equal(ask(&manager, ACTION_SNAPSHOT, 6), 302);
		assert_int_equal(manager.state, MANAGER_RUNNING);
	}
}

/* What was told to be done, and the snapshot that is gone on from does not have. */
static void
test_undone(void **state)
{
	static const struct {
		struct action action;
		uint64_t durable;
		bool is_undone;
	} lives[] = {
		{ { .kind = ACTION_APPLY, .state = ACTION_DONE, .epoch = 40 }, 41, false },
		{ { .kind = ACTION_APPLY, .state = ACTION_DONE, .epoch = 40 }, 40, true },
		{ { .kind = ACTION_RESCALE, .state = ACTION_DONE, .epoch = 40 }, 0, true },
		{ { .kind = ACTION_RESCALE, .state = ACTION_FAILED, .epoch = 40 }, 0, false },
		{ { .kind = ACTION_APPLY, .state = ACTION_DONE }, 0, false }, /* a dry run */
		{ { .kind = ACTION_SNAPSHOT, .state = ACTION_DONE, .epoch = 40 }, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		assert_int_equal(manager_is_undone(&lives[i].action, lives[i].durable),
		                 lives[i].is_undone);
	}
}

/* Each order and each step of a snapshot. */
static void
test_snapshot_durable(void **state)
{
	struct manager_facts facts = facts_at(0);
	struct manager manager;
	uint64_t id;

	(void)state;
	bring_to(&manager, MANAGER_RUNNING);
	id = ask(&manager, ACTION_SNAPSHOT, 0);
	assert_int_equal(manager_step(&manager, &facts), ORDER_SNAPSHOT);
	/* One that had begun before becomes durable: that is not it. */
	facts.durable = 10;
	assert_int_equal(manager_step(&manager, &facts), ORDER_SNAPSHOT);
	/* An epoch without a snapshot passes. */
	facts.epoch = 11;
	assert_int_equal(manager_step(&manager, &facts), ORDER_SNAPSHOT);
	facts.epoch = facts.snapshot_epoch = 12;
	assert_int_equal(manager_step(&manager, &facts), ORDER_NONE);
	assert_int_equal(state_of(&manager, id), ACTION_RUNNING);
	facts.durable = 12;
	facts.now_ns = SECOND;
	assert_int_equal(manager_step(&manager, &facts), ORDER_NONE);
	assert_int_equal(state_of(&manager, id), ACTION_DONE);
	assert_int_equal(manager_find(&manager, id)->epoch, 12);
	assert_int_equal(manager_find(&manager, id)->ended_ns, SECOND);
	assert_int_equal(manager.completed_count, 1);
	assert_ptr_equal(manager_completed(&manager, 0), manager_find(&manager, id));
	assert_null(manager_completed(&manager, 1));
	assert_null(manager_current(&manager));
}

static void
test_snapshot_lost(void **state)
{
	struct manager_facts facts = facts_at(0);
	struct manager manager;
	uint64_t id;

	(void)state;
	bring_to(&manager, MANAGER_RUNNING);
	id = ask(&manager, ACTION_SNAPSHOT, 0);
	manager_step(&manager, &facts);
	/* The one before is lost: that is not it either. */
	facts.lost = 1;
	manager_step(&manager, &facts);
	assert_int_equal(state_of(&manager, id), ACTION_RUNNING);
	facts.epoch = facts.snapshot_epoch = 11;
	manager_step(&manager, &facts);
	assert_int_equal(state_of(&manager, id), ACTION_RUNNING);
	facts.lost = 2;
	manager_step(&manager, &facts);
	assert_int_equal(state_of(&manager, id), ACTION_FAILED);
	assert_string_equal(reason_of(&manager, id),
	                    "the snapshot of epoch 11 is lost: the disk is full");
}

static void
test_snapshot_deadline(void **state)
{
	struct manager_facts facts = facts_at(0);
	struct manager manager;
	uint64_t id;

	(void)state;
	bring_to(&manager, MANAGER_RUNNING);
	id = ask(&manager, ACTION_SNAPSHOT, 0);
	/* It counts from its begin. */
	facts.now_ns = 10 * SECOND;
	manager_step(&manager, &facts);
	facts.now_ns = 15 * SECOND - 1;
	manager_step(&manager, &facts);
	assert_int_equal(state_of(&manager, id), ACTION_RUNNING);
	facts.now_ns++;
	manager_step(&manager, &facts);
	assert_int_equal(state_of(&manager, id), ACTION_FAILED);
	assert_non_null(strstr(reason_of(&manager, id), "deadline"));
}

static void
test_snapshot_without_folder(void **state)
{
	struct manager_facts facts = facts_at(0);
	struct manager manager;
	uint64_t first, second;

	(void)state;
	bring_to(&manager, MANAGER_RUNNING);
	first = ask(&manager, ACTION_SNAPSHOT, 0);
	second = ask(&manager, ACTION_STOP, 0);
	facts.has_snapshots = false;
	/* It fails at once, and the next one begins in the same step. */
	assert_int_equal(manager_step(&manager, &facts), ORDER_STOP);
	assert_int_equal(state_of(&manager, first), ACTION_FAILED);
	assert_non_null(strstr(reason_of(&manager, first), "--state"));
	assert_int_equal(state_of(&manager, second), ACTION_RUNNING);
}

static void
test_one_at_a_time(void **state)
{
	struct manager_facts facts = facts_at(0);
	struct manager manager;
	uint64_t id[4];

	(void)state;
	bring_to(&manager, MANAGER_RUNNING);
	id[0] = ask(&manager, ACTION_SNAPSHOT, 0);
	id[1] = ask(&manager, ACTION_SNAPSHOT, 0);
	id[2] = ask(&manager, ACTION_STOP, 0);
	id[3] = ask(&manager, ACTION_SNAPSHOT, 0);
	assert_int_equal(manager_step(&manager, &facts), ORDER_SNAPSHOT);
	assert_int_equal(state_of(&manager, id[0]), ACTION_RUNNING);
	assert_int_equal(state_of(&manager, id[1]), ACTION_QUEUED);
	facts.epoch = facts.snapshot_epoch = facts.durable = 11;
	/* The first is done, the second asks for one that begins behind it. */
	assert_int_equal(manager_step(&manager, &facts), ORDER_SNAPSHOT);
	assert_int_equal(state_of(&manager, id[0]), ACTION_DONE);
	assert_int_equal(manager_find(&manager, id[1])->epoch, 12);
	facts.epoch = facts.snapshot_epoch = facts.durable = 12;
	assert_int_equal(manager_step(&manager, &facts), ORDER_STOP);
	/* Once is enough. */
	assert_int_equal(manager_step(&manager, &facts), ORDER_NONE);
	manager_end(&manager, &facts, ENDED_WHOLE);
	assert_int_equal(state_of(&manager, id[2]), ACTION_DONE);
	assert_int_equal(state_of(&manager, id[3]), ACTION_FAILED);
	assert_int_equal(manager.completed_count, 4);
}

static void
test_queue_full(void **state)
{
	struct manager_facts facts = facts_at(0);
	struct manager manager;

	(void)state;
	bring_to(&manager, MANAGER_RUNNING);
	for (uint32_t i = 0; i < MANAGER_QUEUE_MAX; i++) {
		assert_int_equal(ask(&manager, ACTION_SNAPSHOT, 0), i + 1);
	}
	assert_int_equal(ask(&manager, ACTION_SNAPSHOT, 0), 0);
	manager_step(&manager, &facts);
	assert_int_equal(ask(&manager, ACTION_SNAPSHOT, 0), MANAGER_QUEUE_MAX + 1);
	assert_int_equal(ask(&manager, ACTION_SNAPSHOT, 0), 0);
}

/* The end of the job: what each open action comes to. */
static void
test_ends(void **state)
{
	static const struct {
		enum action_kind kind;
		enum manager_outcome outcome;
		enum action_state state;
		const char *reason;
	} ends[] = {
		{ ACTION_STOP, ENDED_WHOLE, ACTION_DONE, "" },
		{ ACTION_STOP, ENDED_EARLY, ACTION_FAILED, "without a last snapshot" },
		{ ACTION_STOP, ENDED_BADLY, ACTION_FAILED, "not sound" },
		{ ACTION_DRAIN, ENDED_WHOLE, ACTION_DONE, "" },
		{ ACTION_DRAIN, ENDED_EARLY, ACTION_FAILED, "drained" },
		{ ACTION_DRAIN, ENDED_BADLY, ACTION_FAILED, "not sound" },
		{ ACTION_SNAPSHOT, ENDED_WHOLE, ACTION_FAILED, "before it was durable" },
	};
	struct manager_facts facts = facts_at(0);
	struct manager manager;

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		uint64_t id;

		bring_to(&manager, MANAGER_RUNNING);
		id = ask(&manager, ends[i].kind, 0);
		manager_step(&manager, &facts);
		manager_end(&manager, &facts, ends[i].outcome);
		assert_int_equal(state_of(&manager, id), ends[i].state);
		assert_non_null(strstr(reason_of(&manager, id), ends[i].reason));
		assert_int_equal(manager.completed_count, 1);
	}
	/* A snapshot that the end itself made durable. */
	bring_to(&manager, MANAGER_RUNNING);
	ask(&manager, ACTION_SNAPSHOT, 0);
	manager_step(&manager, &facts);
	facts.durable = 11;
	manager_end(&manager, &facts, ENDED_WHOLE);
	assert_int_equal(state_of(&manager, 1), ACTION_DONE);
}

static void
test_ends_by_itself(void **state)
{
	struct manager manager;
	uint64_t id;

	(void)state;
	bring_to(&manager, MANAGER_RUNNING);
	id = ask(&manager, ACTION_SNAPSHOT, 0);
	manager_ending(&manager, 3);
	assert_int_equal(state_of(&manager, id), ACTION_FAILED);
	assert_int_equal(manager_find(&manager, id)->ended_ns, 3);
	assert_int_equal(state_of(&manager, ask(&manager, ACTION_STOP, 4)), ACTION_FAILED);
	/* Draining stays draining. */
	bring_to(&manager, MANAGER_DRAINING);
	manager_ending(&manager, 3);
	assert_int_equal(manager.state, MANAGER_DRAINING);
	assert_int_equal(state_of(&manager, 1), ACTION_RUNNING);
}

static void
test_log_forgets(void **state)
{
	struct manager manager;

	(void)state;
	bring_to(&manager, MANAGER_ENDED);
	for (uint32_t i = 0; i < MANAGER_LOG + 5; i++) {
		assert_int_equal(ask(&manager, ACTION_SNAPSHOT, 0), i + 1);
	}
	assert_null(manager_find(&manager, 5));
	assert_non_null(manager_find(&manager, 6));
	assert_null(manager_find(&manager, MANAGER_LOG + 6));
	assert_null(manager_find(&manager, 0));
	assert_null(manager_completed(&manager, 4));
	assert_int_equal(manager_completed(&manager, 5)->id, 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),
		cmocka_unit_test(test_every_event),
		cmocka_unit_test(test_snapshot_durable),
		cmocka_unit_test(test_snapshot_lost),
		cmocka_unit_test(test_snapshot_deadline),
		cmocka_unit_test(test_snapshot_without_folder),
		cmocka_unit_test(test_carried_out),
		cmocka_unit_test(test_inactive),
		cmocka_unit_test(test_synchronize),
		cmocka_unit_test(test_watched),
		cmocka_unit_test(test_restored),
		cmocka_unit_test(test_undone),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_queue_full),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_ends_by_itself),
		cmocka_unit_test(test_log_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
