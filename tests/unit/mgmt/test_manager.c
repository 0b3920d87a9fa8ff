/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/manager.c: every action in every state of the job, and random sequences of all of it. */
#include "mgmt/manager.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000000)

static uint64_t
ask(struct manager *manager, enum action_kind kind, int64_t now_ns)
{
	return manager_submit(
	    manager, &(struct action_ask){ .kind = kind, .uid = 7, .limit_ns = 5 * SECOND },
	    now_ns);
}

static enum action_state
state_of(const struct manager *manager, uint64_t id)
{
	const struct action *action = manager_find(manager, id);

	assert_non_null(action);
	return action->state;
}

static const char *
reason_of(const struct manager *manager, uint64_t id)
{
	return manager_find(manager, id)->reason;
}

/* A job whose epochs are at 10. */
static struct manager_facts
facts_at(int64_t now_ns)
{
	return (struct manager_facts){ .now_ns = now_ns,
		                       .has_snapshots = true,
		                       .epoch = 10,
		                       .snapshot_epoch = 10,
		                       .durable = 9,
		                       .why = "the disk is full" };
}

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
	default:
		break;
	}
	assert_int_equal(manager->state, state);
}

/* What each action comes to where the job is so: its order, or why it fails. */
static void
test_every_pair(void **state)
{
	static const enum manager_order orders[] = { ORDER_SNAPSHOT, ORDER_STOP, ORDER_DRAIN };
	static const char *const why[] = { "", "stopping", "draining", "ended" };
	struct manager manager;

	(void)state;
	for (int job = 0; job < MANAGER_STATE_COUNT; job++) {
		for (int kind = 0; kind < ACTION_KIND_COUNT; kind++) {
			struct manager_facts facts = facts_at(SECOND);
			uint64_t id;

			bring_to(&manager, (enum manager_state)job);
			id = ask(&manager, (enum action_kind)kind, SECOND);
			assert_true(id != 0);
			if (job == MANAGER_RUNNING) {
				assert_int_equal(state_of(&manager, id), ACTION_QUEUED);
				assert_int_equal(manager_step(&manager, &facts), orders[kind]);
				assert_int_equal(state_of(&manager, id), ACTION_RUNNING);
				assert_ptr_equal(manager_current(&manager),
				                 manager_find(&manager, id));
			} else {
				assert_int_equal(state_of(&manager, id), ACTION_FAILED);
				assert_non_null(strstr(reason_of(&manager, id), why[job]));
				assert_int_equal(manager_step(&manager, &facts), ORDER_NONE);
			}
		}
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

/* Whatever happens in whatever order: each action is completed once, in the end all are. */
static void
test_random(void **state)
{
	static struct manager manager;

	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct manager_facts facts = facts_at(0);
		uint64_t random = seed, asked = 0, completed = 0;

		manager_init(&manager);
		for (uint32_t i = 0; i < 200; i++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
			facts.now_ns += (int64_t)(random >> 33);
			switch (random >> 60) {
			case 0:
			case 1:
				facts.epoch++;
				break;
			case 2:
				facts.snapshot_epoch = ++facts.epoch;
				break;
			case 3:
			case 4:
				facts.durable = facts.snapshot_epoch;
				break;
			case 5:
				facts.lost++;
				break;
			case 6:
				asked += ask(&manager,
				             (random >> 40) % 16 == 0   ? ACTION_STOP
				             : (random >> 40) % 16 == 1 ? ACTION_DRAIN
				                                        : ACTION_SNAPSHOT,
				             facts.now_ns) != 0;
				break;
			default:
				manager_step(&manager, &facts);
				break;
			}
			assert_true(manager.completed_count >= completed);
			completed = manager.completed_count;
			assert_true(manager.queue_count + completed +
			                (manager.current != 0 ? 1 : 0) ==
			            asked);
		}
		manager_end(&manager, &facts, ENDED_WHOLE);
		assert_int_equal(manager.completed_count, asked);
		for (uint64_t id = 1; id <= asked; id++) {
			assert_true(state_of(&manager, id) >= ACTION_DONE);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),
		cmocka_unit_test(test_snapshot_durable),
		cmocka_unit_test(test_snapshot_lost),
		cmocka_unit_test(test_snapshot_deadline),
		cmocka_unit_test(test_snapshot_without_folder),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_queue_full),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_ends_by_itself),
		cmocka_unit_test(test_log_forgets),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
