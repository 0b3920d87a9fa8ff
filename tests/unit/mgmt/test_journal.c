/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mgmt/journal.c and mgmt/kept.c on the simulated disk: a manager and what it writes down, killed
 * at every step, with the power gone, or a call failing, at every call of the disk in turn, for
 * every kind of action. Whatever was told stays so, what was open has come to its end once, no
 * number is given twice; and what the next life goes on with is what it says of the action.
 */
#include "mgmt/journal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/env.h"
#include "mgmt/kept.h"
#include "state/block.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/sim.h"
#include "tests/unit/rounds.h"

#define FOLDER "disk:/state"
#define JOURNAL FOLDER "/manager/journal"
#define K_MAX 400u
#define IDS 4000u
#define SECOND INT64_C(1000000000)

/* What people were told, over all lives. */
static struct {
	enum action_state state[IDS]; /* of an action; QUEUED: only that it is taken in */
	bool is_known[IDS];
	uint64_t highest; /* id */
	bool is_inactive;
} told;

/* A life of the manager. */
static struct {
	struct manager manager;
	struct journal *journal;
	struct kept kept;
	char why[JOURNAL_WHY];
	uint32_t steps_left; /* it is killed behind so many */
	bool is_killed;
} life;

/* The job that it manages: what its newest snapshot has. */
static struct {
	uint64_t epoch, durable; /* started; durable */
	uint64_t runs,
	    changed_by;      /* the last action that changed the graph: now; as of the snapshot */
	uint64_t runs_since; /* epoch */
} job;

/* Whoever was there to be told anything, or to do it. */
static bool
is_gone(void)
{
	return life.is_killed || disk_is_down();
}

/* One step more; false: it was killed before it. */
static bool
lives_on(void)
{
	if (!life.is_killed && life.steps_left-- == 0) {
		life.is_killed = true;
	}
	return !is_gone();
}

static void
begin(uint64_t seed)
{
	sim_reset(seed);
	disk_reset();
	memset(&told, 0, sizeof(told));
	memset(&job, 0, sizeof(job));
}

static int
open_life(bool is_complete)
{
	struct journal_options options = { .folder = FOLDER,
		                           .job = 7,
		                           .is_complete = is_complete,
		                           .durable = job.durable,
		                           .changed_by = job.changed_by };
	int result = kept_open(&life.kept, FOLDER, 7, life.why);

	life.is_killed = false;
	life.steps_left = UINT32_MAX;
	job.runs = job.changed_by;
	manager_init(&life.manager);
	options.moved_by = life.kept.moved_by;
	return result != 0 ? result
	                   : journal_open(&options, &life.manager, &life.journal, life.why);
}

static void
close_life(void)
{
	journal_close(life.journal);
	kept_close(&life.kept);
	life.journal = NULL;
}

/* All that can be seen of the manager is told to somebody, as long as the machine is there. */
static void
tell(void)
{
	for (uint64_t id = 1; id < life.manager.next_id && !is_gone(); id++) {
		const struct action *action = manager_find(&life.manager, id);

		if (action == NULL) {
			continue;
		}
		assert_true(id < IDS);
		if (told.is_known[id] && told.state[id] >= ACTION_DONE) {
			assert_int_equal(action->state, told.state[id]);
		}
		told.is_known[id] = true;
		told.state[id] = action->state;
		told.highest = id > told.highest ? id : told.highest;
		told.is_inactive = life.manager.is_inactive;
	}
}

static uint64_t
ask(enum action_kind kind)
{
	struct action_ask asked = { .kind = kind, .uid = 3, .limit_ns = 60 * SECOND };
	enum manager_refusal refusal;
	uint64_t id;

	if (!lives_on()) {
		return 0;
	}
	snprintf(asked.what, sizeof(asked.what), "what \"%d\"", (int)kind);
	id = manager_submit(&life.manager, &asked, env_now_ns(), &refusal);
	/* A number that was told belongs to one action for ever. */
	assert_true(id == 0 || id > told.highest);
	tell();
	return id;
}

static void
step(struct manager_facts *facts)
{
	if (lives_on()) {
		facts->now_ns = env_now_ns();
		facts->epoch = job.epoch;
		facts->durable = job.durable;
		manager_step(&life.manager, facts);
		tell();
	}
}

static void
report(uint64_t id, bool is_step, bool has_failed)
{
	struct manager_report report = { .id = id,
		                         .is_step = is_step,
		                         .has_failed = has_failed,
		                         .step = 1,
		                         .steps = 2,
		                         .epoch = job.runs == id ? job.runs_since : 0,
		                         .reason = "it is so" };

	if (lives_on()) {
		manager_report(&life.manager, &report, env_now_ns());
		tell();
	}
}

/* A snapshot becomes durable, of what runs. */
static void
take_snapshot(void)
{
	if (!is_gone()) {
		job.durable = ++job.epoch;
		job.changed_by = job.runs;
	}
}

/* What it asks for is made so, before it is told to be. */
static void
make_so(enum action_kind kind, uint64_t id, bool is_early)
{
	if (!lives_on() || id == 0) {
		return;
	}
	if (kind == ACTION_APPLY || kind == ACTION_RESCALE) {
		job.runs_since = ++job.epoch;
		job.runs = id;
	} else if (kind == ACTION_MIGRATE) {
		assert_int_equal(kept_place(&life.kept, "sums", 1, (uint32_t)id), 0);
		life.kept.moved_by = id;
		(void)kept_write(&life.kept);
	}
	if (is_early) {
		take_snapshot();
	}
}

/* An action of a kind from the call to its end, another one behind it; a snapshot behind that, or
 * before the end is told. Its number. */
static uint64_t
use(enum action_kind kind, bool is_early)
{
	struct manager_facts facts = { .has_snapshots = true, .has_epochs = true, .why = "" };
	uint64_t id = ask(kind);

	ask(ACTION_SYNCHRONIZE);
	step(&facts);
	facts.snapshot_epoch = job.epoch + 1;
	take_snapshot();
	facts.epoch_done = job.epoch;
	step(&facts);
	if (action_manner(kind) == MANNER_ORDER) {
		report(id, true, false);
		make_so(kind, id, is_early);
		report(id, false, kind == ACTION_REBALANCE);
		step(&facts);
		take_snapshot();
	} else if (action_manner(kind) == MANNER_END && !is_gone()) {
		facts.now_ns = env_now_ns();
		manager_end(&life.manager, &facts, ENDED_WHOLE);
		tell();
	}
	return id;
}

/* What the next life goes on with is what it says of the action. */
static void
check_effect(enum action_kind kind, uint64_t id)
{
	const struct action *action = id == 0 ? NULL : manager_find(&life.manager, id);
	bool is_done = action != NULL && action->state == ACTION_DONE;
	bool has_place = life.kept.place_count > 0 && life.kept.place[0].lcore == id;

	switch (kind) {
	case ACTION_MIGRATE:
		assert_int_equal(is_done, id != 0 && has_place);
		break;
	case ACTION_APPLY:
	case ACTION_RESCALE:
		is_done = is_done && !manager_is_undone(action, job.durable);
		assert_int_equal(is_done, id != 0 && job.changed_by == id);
		break;
	case ACTION_DEACTIVATE:
		assert_int_equal(is_done, life.manager.is_inactive);
		break;
	case ACTION_ACTIVATE:
		assert_int_equal(is_done, !life.manager.is_inactive);
		break;
	case ACTION_SNAPSHOT:
		assert_int_equal(is_done, action != NULL && action->epoch != 0 &&
		                              job.durable >= action->epoch);
		break;
	default:
		break;
	}
}

/* What a life finds must be what was told, with an end to everything. */
static void
check_life(void)
{
	for (uint64_t id = 1; id <= told.highest; id++) {
		const struct action *action = manager_find(&life.manager, id);

		if (!told.is_known[id] || life.manager.next_id - id > MANAGER_LOG) {
			continue;
		}
		if (action == NULL) {
			fail_msg("action %u is forgotten: %s", (unsigned int)id, life.why);
		}
		assert_true(action->state >= ACTION_DONE);
		if (told.state[id] >= ACTION_DONE) {
			assert_int_equal(action->state, told.state[id]);
		} else if (action->state == ACTION_FAILED) {
			assert_true(action->reason[0] != '\0');
		}
	}
	assert_true(life.manager.next_id > told.highest);
	assert_int_equal(life.manager.current, 0);
	assert_int_equal(life.manager.queue_count, 0);
	tell();
}

/* Each has one completion: those of one life and the next are the same ones. */
static void
check_completions(void)
{
	bool seen[IDS] = { false };

	for (uint64_t n = 0; n < life.manager.completed_count; n++) {
		const struct action *action = manager_completed(&life.manager, n);

		if (action != NULL) {
			assert_false(seen[action->id]);
			seen[action->id] = true;
		}
	}
}

/* Killed behind k steps, the machine goes on; false: it came to its end before. */
static bool
killed_at(uint32_t k, enum action_kind kind, bool is_early)
{
	bool is_killed;
	uint64_t id;

	begin(k);
	assert_int_equal(open_life(false), 0);
	use(kind == ACTION_ACTIVATE ? ACTION_DEACTIVATE : ACTION_SYNCHRONIZE, false);
	close_life();
	assert_int_equal(open_life(false), 0);
	life.steps_left = k;
	id = use(kind, is_early);
	is_killed = life.is_killed;
	close_life();
	assert_int_equal(open_life(false), 0);
	check_life();
	check_completions();
	check_effect(kind, id);
	close_life();
	return is_killed;
}

static void
test_killed_at_every_step(void **state)
{
	(void)state;
	for (enum action_kind kind = 0; kind < ACTION_KIND_COUNT; kind++) {
		for (int is_early = 0; is_early < 2; is_early++) {
			uint32_t k = 0;

			while (killed_at(k, kind, is_early != 0)) {
				k++;
			}
			assert_true(k >= 4);
		}
	}
}

/* The fault comes at call k; false: k is behind the last call. */
static bool
fault_at(uint64_t k, enum action_kind kind, enum disk_fault fault, uint64_t seed)
{
	uint64_t calls, next, id = 0;

	begin(seed);
	assert_int_equal(open_life(false), 0);
	use(kind == ACTION_ACTIVATE ? ACTION_DEACTIVATE : ACTION_SYNCHRONIZE, false);
	close_life();
	calls = disk_calls();
	disk_fail_at(k, fault);
	if (open_life(false) == 0) {
		id = use(kind, seed % 2 == 0);
	}
	calls = disk_calls() - calls;
	close_life();
	disk_fail_at(0, DISK_GOOD);
	disk_crash();
	assert_int_equal(open_life(false), 0);
	check_life();
	check_completions();
	if (fault == DISK_CRASH) {
		check_effect(kind, id);
	}
	next = life.manager.next_id;
	/* A second look changes nothing, and the next number is a new one. */
	close_life();
	disk_crash();
	assert_int_equal(open_life(false), 0);
	assert_string_equal(life.why, "");
	assert_int_equal(life.manager.next_id, next);
	check_life();
	ask(ACTION_SYNCHRONIZE);
	close_life();
	return k <= calls;
}

static void
sweep(enum disk_fault fault, const char *name)
{
	for (enum action_kind kind = 0; kind < ACTION_KIND_COUNT; kind++) {
		for (uint64_t seed = 1; seed <= rounds(5); seed++) {
			uint64_t k = 1;

			while (fault_at(k, kind, fault, seed)) {
				assert_true(++k < K_MAX);
			}
			assert_true(k > 15);
			if (seed == 1) {
				printf("# %s: %s at each of %u calls\n", action_kind_text(kind),
				       name, (unsigned int)k - 1);
			}
		}
	}
}

static void
test_power_gone_at_every_call(void **state)
{
	(void)state;
	sweep(DISK_CRASH, "the power gone");
}

static void
test_errors_at_every_call(void **state)
{
	(void)state;
	sweep(DISK_EIO, "an error");
	sweep(DISK_ENOSPC, "no room");
	sweep(DISK_SYNC_LOST, "a lost sync");
	sweep(DISK_SHORT, "a short call");
}

/* What is told and kept, in all its fields, and times that go on. */
static void
test_fields(void **state)
{
	struct manager_facts facts = { .has_epochs = true, .why = "" };
	const struct action *action;
	struct action before;
	uint64_t id;

	(void)state;
	begin(1);
	assert_int_equal(open_life(false), 0);
	id = ask(ACTION_REBALANCE);
	step(&facts);
	report(id, false, true);
	before = *manager_find(&life.manager, id);
	close_life();
	disk_crash();
	assert_int_equal(open_life(false), 0);
	action = manager_find(&life.manager, id);
	assert_non_null(action);
	assert_int_equal(action->kind, ACTION_REBALANCE);
	assert_int_equal(action->uid, 3);
	assert_int_equal(action->limit_ns, 60 * SECOND);
	assert_int_equal(action->step, 1);
	assert_int_equal(action->steps, 2);
	assert_string_equal(action->what, before.what);
	assert_string_equal(action->reason, "it is so");
	assert_int_equal(action->ended_ns - action->asked_ns, before.ended_ns - before.asked_ns);
	close_life();
}

/* The state of the sources outlives the process; that of an unfinished change does not. */
static void
test_inactive(void **state)
{
	struct manager_facts facts = { .why = "" };
	uint64_t id;

	(void)state;
	begin(1);
	assert_int_equal(open_life(false), 0);
	id = ask(ACTION_DEACTIVATE);
	step(&facts);
	report(id, false, false);
	close_life();
	assert_int_equal(open_life(false), 0);
	assert_int_equal(life.manager.state, MANAGER_INACTIVE);
	ask(ACTION_ACTIVATE);
	step(&facts);
	close_life();
	assert_int_equal(open_life(false), 0);
	assert_int_equal(life.manager.state, MANAGER_INACTIVE);
	close_life();
}

/* A drain whose job is complete is done, though nobody lived to write that down. */
static void
test_complete(void **state)
{
	struct manager_facts facts = { .why = "" };
	uint64_t id;

	(void)state;
	begin(1);
	assert_int_equal(open_life(false), 0);
	id = ask(ACTION_DRAIN);
	step(&facts);
	close_life();
	assert_int_equal(open_life(true), 0);
	assert_int_equal(manager_find(&life.manager, id)->state, ACTION_DONE);
	close_life();
}

/* A journal with actions, as a process leaves it that is killed; its size. */
static int64_t
leave_journal(void)
{
	begin(1);
	assert_int_equal(open_life(false), 0);
	for (uint32_t i = 0; i < 6; i++) {
		ask(ACTION_MIGRATE);
	}
	close_life();
	disk_settle(JOURNAL);
	return disk_size(JOURNAL);
}

/* Damage anywhere: what is in front of it is believed, what is behind is not, and is kept beside.
 */
static void
test_damage(void **state)
{
	int64_t size = leave_journal();

	(void)state;
	for (int64_t at = 0; at < size; at += 7) {
		uint64_t next;

		assert_int_equal(leave_journal(), size);
		next = life.manager.next_id;
		disk_bytes(JOURNAL)[at] ^= 16;
		assert_int_equal(open_life(false), 0);
		assert_non_null(strstr(life.why, "is cut"));
		assert_true(life.manager.next_id >= next);
		if (disk_size(JOURNAL ".damaged") < 0) {
			/* Only what may have been torn while it was written is not kept. */
			assert_non_null(strstr(life.why, "torn"));
			assert_true(at > size / 2);
		}
		for (uint64_t id = 1; id < next; id++) {
			const struct action *action = manager_find(&life.manager, id);

			assert_true(action == NULL || action->state == ACTION_FAILED);
		}
		next = life.manager.next_id;
		close_life();
		assert_int_equal(open_life(false), 0);
		assert_string_equal(life.why, "");
		assert_int_equal(life.manager.next_id, next);
		close_life();
	}
}

/* A file that was cut anywhere, to nothing at all too. */
static void
test_cut(void **state)
{
	int64_t size = leave_journal();
	uint32_t unseen = 0;

	(void)state;
	for (int64_t left = size - 1; left >= 0; left--) {
		leave_journal();
		disk_truncate(JOURNAL, (uint64_t)left);
		assert_int_equal(open_life(false), 0);
		unseen += life.why[0] == '\0' ? 1 : 0;
		close_life();
	}
	/* Where whole records are gone nobody can know of them: six that follow the first. */
	assert_int_equal(unseen, 6);
}

/* Of another job, or grown past its bound. */
static void
test_foreign_and_grown(void **state)
{
	struct journal_options options = { .folder = FOLDER, .job = 8 };
	struct manager_facts facts = { .has_epochs = true, .why = "" };
	int64_t largest = 0;

	(void)state;
	leave_journal();
	manager_init(&life.manager);
	assert_int_equal(journal_open(&options, &life.manager, &life.journal, life.why), 0);
	assert_non_null(strstr(life.why, "damaged"));
	assert_null(manager_find(&life.manager, 1));
	close_life();
	begin(2);
	assert_int_equal(open_life(false), 0);
	for (uint32_t i = 0; i < 1500; i++) {
		uint64_t id = ask(ACTION_REBALANCE);

		step(&facts);
		report(id, false, true);
		largest = disk_size(JOURNAL) > largest ? disk_size(JOURNAL) : largest;
	}
	assert_true(largest > (int64_t)JOURNAL_BYTES / 2);
	assert_true(largest < (int64_t)JOURNAL_BYTES + 4096);
	assert_true(disk_size(JOURNAL) < largest);
	close_life();
	disk_crash();
	assert_int_equal(open_life(false), 0);
	check_life();
	close_life();
}

/* No room for a while: only what ends the job is taken in; then all is again, and all is kept. */
static void
test_no_room(void **state)
{
	static const uint32_t full[DISK_FAULT_COUNT] = { [DISK_ENOSPC] = 1 };
	static const uint32_t good[DISK_FAULT_COUNT] = { 0 };
	struct action_ask asked = { .kind = ACTION_MIGRATE };
	struct manager_facts facts = { .why = "" };
	enum manager_refusal refusal;
	uint64_t before, stop;

	(void)state;
	begin(1);
	assert_int_equal(open_life(false), 0);
	before = ask(ACTION_MIGRATE);
	disk_faults(full);
	assert_int_equal(manager_submit(&life.manager, &asked, env_now_ns(), &refusal), 0);
	assert_int_equal(refusal, REFUSED_UNWRITTEN);
	disk_faults(good);
	assert_true(ask(ACTION_MIGRATE) > before);
	disk_faults(full);
	stop = ask(ACTION_STOP);
	assert_true(stop != 0);
	step(&facts);
	report(before, false, false);
	disk_faults(good);
	/* The next change writes down all that could not be. */
	step(&facts);
	close_life();
	disk_crash();
	assert_int_equal(open_life(false), 0);
	check_life();
	assert_int_equal(manager_find(&life.manager, before)->state, ACTION_DONE);
	assert_non_null(manager_find(&life.manager, stop));
	close_life();
}

/* Bytes beside the journal: whole, or as they were. */
static void
test_kept(void **state)
{
	uint64_t k = 0;
	bool is_through = false;
	uint32_t size;
	void *bytes;

	(void)state;
	while (!is_through) {
		int result;

		begin(++k);
		assert_int_equal(open_life(false), 0);
		assert_int_equal(journal_kept(FOLDER, "mine", 7, &bytes, &size), 0);
		assert_null(bytes);
		assert_int_equal(journal_keep(FOLDER, "mine", 7, "before", 6), 0);
		disk_fail_at(k, DISK_CRASH);
		result = journal_keep(FOLDER, "mine", 7, "behind it", 9);
		is_through = !disk_is_down();
		close_life();
		disk_crash();
		assert_int_equal(journal_kept(FOLDER, "mine", 7, &bytes, &size), 0);
		assert_true(size == 9 || (size == 6 && result != 0));
		assert_memory_equal(bytes, size == 9 ? "behind it" : "before", size);
		free(bytes);
	}
	assert_true(k > 4);
	disk_bytes(FOLDER "/manager/mine")[BLOCK_HEADER] ^= 1;
	assert_int_equal(journal_kept(FOLDER, "mine", 7, &bytes, &size), -EBADMSG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_inactive),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_killed_at_every_step),
		cmocka_unit_test(test_power_gone_at_every_call),
		cmocka_unit_test(test_errors_at_every_call),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_foreign_and_grown),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
