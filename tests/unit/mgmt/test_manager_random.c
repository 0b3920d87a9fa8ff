/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/manager.c beside a plain model of it, through random sequences of all that can happen. */
#include "mgmt/manager.h"

#include "mgmt/journal_record.h"
#include "tests/unit/mgmt/manager_frame.h"
#include "tests/unit/rounds.h"

/*
 * The same rules in the plainest words: a list of what was asked for, and what each must have come
 * to. Random sequences of everything that can happen go through both, the end of the manager among
 * it: another one goes on from what was written down.
 */
/* More than are asked for. */
#define ROOM 200u

struct plain {
	struct {
		enum action_kind kind;
		bool is_open, is_done, has_begun;
		int64_t begun_ns;
		uint64_t epoch; /* EPOCH: behind which one it began; and SNAPSHOT's own */
		bool has_marker;
		uint64_t lost;
	} action[ROOM];
	uint64_t asked, first_open; /* ids from 1 */
	uint32_t waiting;
	uint64_t current;
	bool is_inactive, is_ending, has_ended;
};

static void
plain_close(struct plain *plain, uint64_t id, bool is_done)
{
	assert_true(plain->action[id].is_open);
	plain->action[id].is_open = false;
	plain->action[id].is_done = is_done;
	plain->waiting -= plain->action[id].has_begun ? 0 : 1;
	if (plain->current == id) {
		plain->current = 0;
	}
}

static void
plain_ask(struct plain *plain, uint64_t id, enum action_kind kind)
{
	plain->asked = id;
	plain->action[id].kind = kind;
	plain->action[id].is_open = true;
	plain->waiting++;
	if (plain->is_ending) {
		plain_close(plain, id, false);
	}
}

/* The current one, as the facts are. */
static void
plain_look(struct plain *plain, const struct manager_facts *facts)
{
	uint64_t id = plain->current;
	bool is_late;

	if (id == 0 || plain->action[id].kind == ACTION_STOP ||
	    plain->action[id].kind == ACTION_DRAIN) {
		return;
	}
	is_late = facts->now_ns - plain->action[id].begun_ns >= 5 * SECOND;
	if (plain->action[id].kind == ACTION_SYNCHRONIZE) {
		if (facts->epoch_done > plain->action[id].epoch || is_late) {
			plain_close(plain, id, facts->epoch_done > plain->action[id].epoch);
		}
	} else if (plain->action[id].kind == ACTION_SNAPSHOT) {
		bool is_lost = plain->action[id].has_marker && facts->lost > plain->action[id].lost;

		if (facts->durable > plain->action[id].epoch) {
			plain_close(plain, id, true);
		} else if (is_lost || is_late) {
			plain_close(plain, id, false);
		} else if (!plain->action[id].has_marker &&
		           facts->snapshot_epoch > plain->action[id].epoch) {
			plain->action[id].has_marker = true;
			plain->action[id].epoch = facts->snapshot_epoch - 1;
			plain->action[id].lost = facts->lost;
		}
	} else if (is_late) {
		plain_close(plain, id, false);
	}
}

static void
plain_begin(struct plain *plain, uint64_t id, const struct manager_facts *facts)
{
	enum action_kind kind = plain->action[id].kind;

	if (plain->is_ending || (kind == ACTION_ACTIVATE && !plain->is_inactive) ||
	    (kind == ACTION_DEACTIVATE && plain->is_inactive)) {
		plain_close(plain, id, false);
		return;
	}
	plain->action[id].has_begun = true;
	plain->waiting--;
	plain->current = id;
	plain->action[id].begun_ns = facts->now_ns;
	plain->action[id].epoch = facts->epoch;
	plain->is_ending |= kind == ACTION_STOP || kind == ACTION_DRAIN;
	if ((kind == ACTION_SNAPSHOT && !facts->has_snapshots) ||
	    (kind == ACTION_SYNCHRONIZE && !facts->has_epochs)) {
		plain_close(plain, id, false);
	}
}

static void
plain_step(struct plain *plain, const struct manager_facts *facts)
{
	plain_look(plain, facts);
	for (uint64_t id = 1; id <= plain->asked && plain->current == 0; id++) {
		if (plain->action[id].is_open) {
			plain_begin(plain, id, facts);
		}
	}
}

static void
plain_report(struct plain *plain, bool is_done)
{
	uint64_t id = plain->current;
	enum action_kind kind = plain->action[id].kind;

	if (is_done && (kind == ACTION_ACTIVATE || kind == ACTION_DEACTIVATE)) {
		plain->is_inactive = kind == ACTION_DEACTIVATE;
	}
	plain_close(plain, id, is_done);
}

static void
plain_fail_waiting(struct plain *plain)
{
	plain->is_ending = true;
	for (uint64_t id = 1; id <= plain->asked; id++) {
		if (plain->action[id].is_open && !plain->action[id].has_begun) {
			plain_close(plain, id, false);
		}
	}
}

static void
plain_end(struct plain *plain, const struct manager_facts *facts, bool is_whole)
{
	uint64_t id = plain->current;

	plain->has_ended = true;
	if (id != 0) {
		enum action_kind kind = plain->action[id].kind;
		bool ends = kind == ACTION_STOP || kind == ACTION_DRAIN;

		plain_close(plain, id,
		            ends ? is_whole
		                 : kind == ACTION_SNAPSHOT &&
		                       facts->durable > plain->action[id].epoch);
	}
	plain_fail_waiting(plain);
}

/* The manager is gone, whatever the job made so meanwhile; the next one goes on. */
static void
plain_restart(struct plain *plain, const struct manager_past *past)
{
	uint64_t id = plain->current;

	if (id != 0) {
		enum action_kind kind = plain->action[id].kind;
		uint64_t epoch = plain->action[id].epoch + 1;
		bool is_so = kind == ACTION_DRAIN      ? past->is_complete
		             : kind == ACTION_SNAPSHOT ? past->durable >= epoch
		             : kind == ACTION_APPLY || kind == ACTION_RESCALE
		                 ? past->changed_by >= id
		             : kind == ACTION_MIGRATE ? past->moved_by >= id
		                                      : false;

		plain_close(plain, id, is_so);
	}
	for (id = 1; id <= plain->asked; id++) {
		if (plain->action[id].is_open) {
			plain_close(plain, id, false);
		}
	}
	plain->is_ending = false;
}

static void
compare(const struct manager *manager, const struct plain *plain, uint64_t seed)
{
	uint64_t open = 0;

	for (uint64_t id = 1; id <= plain->asked; id++) {
		enum action_state want =
		    !plain->action[id].is_open
			? plain->action[id].is_done ? ACTION_DONE : ACTION_FAILED
		    : plain->action[id].has_begun ? ACTION_RUNNING
						  : ACTION_QUEUED;

		open += plain->action[id].is_open ? 1 : 0;
		if (state_of(manager, id) != want) {
			fail_msg("seed %u, action %u is %s, not %s", (unsigned int)seed,
			         (unsigned int)id, action_state_text(state_of(manager, id)),
			         action_state_text(want));
		}
	}
	assert_int_equal(manager->completed_count, plain->asked - open);
	assert_int_equal(manager->is_inactive, plain->is_inactive);
	assert_int_equal(manager->current, plain->current);
}

/* Something happens to the engine; the next step sees it. */
static void
change_facts(struct manager_facts *facts, uint64_t random)
{
	switch (random % 7) {
	case 0:
		facts->epoch++;
		break;
	case 1:
		facts->snapshot_epoch = ++facts->epoch;
		break;
	case 2:
		facts->durable = facts->snapshot_epoch;
		break;
	case 3:
		facts->lost++;
		break;
	case 4:
		facts->epoch_done = facts->epoch;
		break;
	case 5:
		facts->has_snapshots = random / 7 % 4 != 0;
		break;
	default:
		facts->has_epochs = random / 7 % 4 != 0;
		break;
	}
}

/* What was written down of each action, and last of all. */
static struct journal {
	char *text[ROOM];
	char *last;
} journal;

static const struct journal_clock journal_clock = { .now_ns = 0, .wall_ns = 0 };

static bool
write_down(void *arg, const struct manager *manager, const struct action *action)
{
	char **text = &journal.text[action->id];

	(void)arg;
	free(*text);
	*text = journal_record_write(manager, action, &journal_clock);
	assert_non_null(*text);
	journal.last = *text;
	return true;
}

static void
forget_journal(void)
{
	for (uint64_t id = 0; id < ROOM; id++) {
		free(journal.text[id]);
		journal.text[id] = NULL;
	}
	journal.last = NULL;
}

/* Another manager in its place, from what is written down. */
static void
restart(struct manager *manager, struct plain *plain, const struct manager_facts *facts,
        uint64_t random)
{
	struct manager_past past = { .next_id = 1 };
	struct action action;

	manager_init(manager);
	for (uint64_t id = 1; id < ROOM; id++) {
		struct manager_past seen = past;

		if (journal.text[id] != NULL) {
			assert_true(journal_record_read(journal.text[id], strlen(journal.text[id]),
			                                &journal_clock, &action, &seen));
			assert_int_equal(action.id, id);
			manager_restore(manager, &action);
		}
	}
	if (journal.last != NULL) {
		assert_true(journal_record_read(journal.last, strlen(journal.last), &journal_clock,
		                                &action, &past));
	}
	past.is_complete = (random & 1) != 0;
	past.durable = facts->durable;
	past.changed_by = (random >> 1) % (plain->asked + 1);
	past.moved_by = (random >> 9) % (plain->asked + 1);
	assert_int_equal(past.next_id, plain->asked + 1);
	manager_restored(manager, &past, facts->now_ns);
	plain_restart(plain, &past);
	manager->watch = write_down;
	/* The journal is written anew with what came of them. */
	for (uint64_t id = 1; id <= plain->asked; id++) {
		write_down(NULL, manager, manager_find(manager, id));
	}
}

static void
happen(struct manager *manager, struct plain *plain, struct manager_facts *facts, uint64_t random)
{
	enum action_kind kind = (random >> 8) % 40 == 0   ? ACTION_STOP
	                        : (random >> 8) % 40 == 1 ? ACTION_DRAIN
	                                                  : (random >> 16) % ACTION_KIND_COUNT;
	uint64_t id;

	if ((kind == ACTION_STOP || kind == ACTION_DRAIN) && (random >> 8) % 40 > 1) {
		kind = ACTION_MIGRATE;
	}
	switch (random % 5) {
	case 0:
		change_facts(facts, random >> 8);
		break;
	case 1:
		id = plain->waiting < MANAGER_QUEUE_MAX || plain->is_ending ? plain->asked + 1 : 0;
		assert_int_equal(ask(manager, kind, facts->now_ns), id);
		if (id != 0) {
			plain_ask(plain, id, kind);
		}
		break;
	case 2:
		id = plain->current;
		if (id != 0 && action_manner(plain->action[id].kind) == MANNER_ORDER) {
			report(manager, id, (random & 256) != 0 ? NULL : "no", facts->now_ns);
			plain_report(plain, (random & 256) != 0);
		}
		break;
	case 3:
		if ((random >> 8) % 40 == 0) {
			manager_ending(manager, facts->now_ns);
			plain_fail_waiting(plain);
		} else if ((random >> 8) % 40 == 1) {
			restart(manager, plain, facts, random >> 16);
		}
		break;
	default:
		manager_step(manager, facts);
		plain_step(plain, facts);
		break;
	}
}

/* Sequences of the short form; LODEMILL_LONG=1: ten times as many. */
#define SEQUENCES 10000u

static void
test_random(void **state)
{
	static struct manager manager;
	static struct plain plain;
	const char *text = getenv("LODEMILL_LONG");
	uint32_t sequences =
	    text != NULL && text[0] == '1' ? 10 * SEQUENCES : (uint32_t)rounds(SEQUENCES);

	(void)state;
	for (uint64_t seed = 1; seed <= sequences; seed++) {
		struct manager_facts facts = facts_at(1);
		uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15);

		manager_init(&manager);
		manager.watch = write_down;
		memset(&plain, 0, sizeof(plain));
		for (uint32_t i = 0; i < 150; i++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
			facts.now_ns += (int64_t)(random >> 34);
			happen(&manager, &plain, &facts, random >> 24);
		}
		compare(&manager, &plain, seed);
		manager_end(&manager, &facts, seed % 2 == 0 ? ENDED_WHOLE : ENDED_EARLY);
		plain_end(&plain, &facts, seed % 2 == 0);
		compare(&manager, &plain, seed);
		assert_int_equal(manager.completed_count, plain.asked);
		forget_journal();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
