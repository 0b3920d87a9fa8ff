/* SPDX-License-Identifier: BSD-3-Clause */
/* core/worker.c: workers stepped by hand on one thread, in any order the test likes. */
#include "core/worker.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/env.h"
#include "core/registry.h"
#include "tests/unit/core/engine_rig.h"

static struct rig rig;

/* in (worker 0) -> pass (worker 1) -> out (worker 2) */
static void
begin_line(void)
{
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "pass", "rig_pass", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_link(&rig, "in", "pass");
	rig_link(&rig, "pass", "out");
	rig_place(&rig, "pass", 0, 1);
	rig_place(&rig, "out", 0, 2);
	rig_build(&rig, 3);
}

static void
finish(void)
{
	for (uint32_t i = 0; i < rig.engine->slice_count; i++) {
		if (rig.engine->slice[i]->is_source) {
			rig_feed(&rig, rig.engine->slice[i]->name, rig.engine->slice[i]->index)
			    ->end = true;
		}
	}
	rig_run(&rig, 1000);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

static void
test_steps(void **state)
{
	(void)state;
	begin_line();
	rig_feed(&rig, "in", 0)->until = 3;
	rig_step(&rig, 2);
	rig_step(&rig, 1);
	assert_string_equal(rig_log(), "");
	rig_step(&rig, 0);
	assert_int_equal(edge_count(rig_edge(&rig, "in", 0, "pass", 0)), 1);
	rig_step(&rig, 2);
	assert_string_equal(rig_log(), "");
	rig_step(&rig, 1);
	rig_step(&rig, 2);
	assert_string_equal(rig_log(), "out 0-2; ");
	finish();
}

/* Three operators on one lcore with nothing else to do: a row that came in a turn has left in it.
 */
static void
check_leaves_in_its_turn(bool fuse)
{
	rig_begin(&rig);
	rig.settings->fuse = fuse;
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "pass", "rig_copy", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_link(&rig, "in", "pass");
	rig_link(&rig, "pass", "out");
	rig_build(&rig, 1);
	/* Three batches of a row: the first leaves whole, the others meet it on its way. */
	rig_feed(&rig, "in", 0)->per_poll = 1;
	for (uint64_t rows = 3; rows < 60; rows += 3) {
		rig_feed(&rig, "in", 0)->until = rows;
		rig_step(&rig, 0);
		assert_int_equal(rig_rows(&rig, "out", 0), rows);
	}
	finish();
}

static void
test_partial_leaves_at_once(void **state)
{
	(void)state;
	check_leaves_in_its_turn(true);
	check_leaves_in_its_turn(false);
}

/* A worker takes a few batches of a slice, then the others have their turn. */
static void
test_turns_are_short(void **state)
{
	(void)state;
	begin_line();
	rig_feed(&rig, "in", 0)->until = 1000;
	rig_step(&rig, 0);
	assert_int_equal(rig_slice(&rig, "in", 0)->stats.batches_out[0], SLICE_BATCHES_PER_TURN);
	rig_step(&rig, 1);
	assert_int_equal(rig_slice(&rig, "pass", 0)->stats.batches_in, SLICE_BATCHES_PER_TURN);
	finish();
}

/* Busy and idle turns are told apart, and together they are the time that passed. */
static void
test_account(void **state)
{
	const struct lm_worker_stats *stats;

	(void)state;
	begin_line();
	stats = &rig.engine->worker[0]->stats;
	rig_step(&rig, 0);
	rig_step(&rig, 0);
	assert_int_equal(stats->turns, 2);
	assert_int_equal(stats->turns_busy, 0);
	rig_feed(&rig, "in", 0)->until = 3;
	rig_step(&rig, 0);
	rig_step(&rig, 0);
	assert_int_equal(stats->turns, 4);
	assert_int_equal(stats->turns_busy, 1);
	assert_int_equal(rig.engine->worker[0]->idle.since_ns != 0, 1);
	finish();
}

static void
test_idle_time(void **state)
{
	const struct lm_worker_stats *stats;

	(void)state;
	rig_begin(&rig);
	rig.settings->idle = LM_IDLE_SLEEP;
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_link(&rig, "in", "out");
	rig_build(&rig, 1);
	stats = &rig.engine->worker[0]->stats;
	rig_step(&rig, 0);
	sim_advance(2000000);
	for (uint32_t i = 0; i < 10; i++) {
		rig_step(&rig, 0);
	}
	/* In the simulator only sleep takes time. */
	assert_int_equal(stats->sleeps, 10);
	assert_int_equal(stats->idle_ns, 10 * 50000);
	assert_int_equal(stats->busy_ns, 0);
	finish();
}

/* Any order of the slices gives the same rows; the simulator tries them all. */
static void
test_shuffled_turns(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 20; seed++) {
		rig_begin(&rig);
		rig.settings->fuse = false;
		rig_add(&rig, "in", "rig_source", 1);
		rig_add(&rig, "a", "rig_pass", 1);
		rig_add(&rig, "b", "rig_copy", 1);
		rig_add(&rig, "out", "rig_sink", 1);
		rig_link(&rig, "in", "a");
		rig_link(&rig, "a", "b");
		rig_link(&rig, "b", "out");
		rig_build(&rig, 1);
		assert_int_equal(rig.engine->worker[0]->slice_count, 4);
		rig.engine->shared->shuffle = true;
		rig.engine->shared->shuffle_seed = seed;
		rig_feed(&rig, "in", 0)->until = 100;
		rig_log_rows(false);
		finish();
	}
}

/* test_timer: starts its timers at open as the test says, logs them. */
static struct {
	uint64_t period_ns[LM_TIMERS_MAX]; /* UINT64_MAX: not started */
	bool emits;
	uint32_t again;        /* so many times it says again */
	uint32_t stop_after;   /* stops timer 0 after so many; 0: never */
	uint32_t starts_timer; /* timer 1 starts this one, once; LM_NONE: none */
} timers;

struct timed {
	uint32_t fired[LM_TIMERS_MAX];
	uint32_t again;
	bool started;
};

static int
timer_open(struct lm_op *op)
{
	for (uint32_t i = 0; i < LM_TIMERS_MAX; i++) {
		if (timers.period_ns[i] != UINT64_MAX) {
			lm_op_timer_start(op, i, timers.period_ns[i]);
		}
	}
	return 0;
}

static void
timer_fire(struct lm_op *op, uint32_t timer)
{
	struct timed *timed = lm_op_context(op);
	uint32_t first;

	if (timers.emits) {
		struct lm_batch *out = lm_op_reserve(op, 0, 1, &first);

		lm_batch_u64(out, RIG_NUMBER)[first] = timed->fired[timer];
		lm_batch_u64(out, RIG_KEY)[first] = timer;
		lm_batch_i64(out, RIG_TIME)[first] = lm_op_now_ns(op);
		lm_op_emit(op, 0, 1);
	}
	if (timed->again < timers.again) {
		timed->again++;
		lm_op_again(op);
		return;
	}
	timed->fired[timer]++;
	if (timer == 0 && timed->fired[0] == timers.stop_after) {
		lm_op_timer_stop(op, 0);
	}
	if (timer == 1 && timers.starts_timer != LM_NONE && !timed->started) {
		timed->started = true;
		lm_op_timer_start(op, timers.starts_timer, 1000);
	}
}

static void
timer_process(struct lm_op *op, const struct lm_batch *in)
{
	lm_op_forward(op, in);
}

static int
timer_configure(struct lm_setup *setup, void *config)
{
	(void)config;
	return lm_setup_output_like(setup, 0, lm_setup_input(setup, 0));
}

static const char *const port_in[] = { "in", NULL };
static const char *const port_out[] = { "out", NULL };
static const struct lm_op_class timer_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "test_timer",
	.version = "1",
	.summary = "timers",
	.inputs = port_in,
	.outputs = port_out,
	.rows = LM_ROWS_SPLIT,
	.context_size = sizeof(struct timed),
	.configure = timer_configure,
	.open = timer_open,
	.process = timer_process,
	.timer = timer_fire,
};

static void
no_timers(void)
{
	memset(&timers, 0, sizeof(timers));
	timers.starts_timer = LM_NONE;
	for (uint32_t i = 0; i < LM_TIMERS_MAX; i++) {
		timers.period_ns[i] = UINT64_MAX;
	}
}

/* in -> pass -> timer -> out; the three first on worker 0, fused. */
static void
begin_timers(void)
{
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "pass", "rig_pass", 1);
	rig_add(&rig, "timer", "test_timer", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_link(&rig, "in", "pass");
	rig_link(&rig, "pass", "timer");
	rig_wire(&rig, &(struct lm_wire){ .from = "timer", .to = "out", .credit = 2 });
	rig_place(&rig, "out", 0, 1);
	rig_build(&rig, 2);
}

static uint32_t
fired(uint32_t timer)
{
	return ((const struct timed *)lm_op_context(rig_slice(&rig, "timer", 0)))->fired[timer];
}

/* Steps worker 0 every `step_ns` until `ns` have passed. */
static void
run_timers(int64_t ns, int64_t step_ns)
{
	for (int64_t passed = 0; passed < ns; passed += step_ns) {
		sim_advance(step_ns);
		rig_step(&rig, 0);
	}
}

static void
end_timers(void)
{
	rig_log_rows(false);
	finish();
}

/* Exactly once a period, whatever the steps; several beside each other. */
static void
test_timer_counts(void **state)
{
	(void)state;
	no_timers();
	timers.period_ns[0] = 10000;
	timers.period_ns[1] = 35000;
	timers.period_ns[3] = 1000000;
	begin_timers();
	run_timers(9000, 1000);
	assert_int_equal(fired(0), 0);
	run_timers(1000, 1000);
	assert_int_equal(fired(0), 1);
	run_timers(990000, 1000);
	assert_int_equal(fired(0), 100);
	assert_int_equal(fired(1), 28);
	assert_int_equal(fired(2), 0);
	assert_int_equal(fired(3), 1);
	end_timers();
}

/* An hour of turns that come late by something else each time: not a tick too few. */
static void
test_timer_drift(void **state)
{
	const int64_t hour_ns = 3600000000000, period_ns = 1000000000;
	int64_t passed = 0;

	(void)state;
	no_timers();
	timers.period_ns[0] = (uint64_t)period_ns;
	begin_timers();
	while (passed < hour_ns) {
		int64_t step_ns = (int64_t)sim_below((uint64_t)period_ns / 3);

		step_ns = passed + step_ns > hour_ns ? hour_ns - passed : step_ns;
		sim_advance(step_ns);
		passed += step_ns;
		rig_step(&rig, 0);
	}
	assert_int_equal(fired(0), 3600);
	end_timers();
}

/* What a long turn missed is not made up for, and later ones come when they would have. */
static void
test_timer_after_stall(void **state)
{
	(void)state;
	no_timers();
	timers.period_ns[0] = 10000;
	begin_timers();
	run_timers(10000, 1000);
	assert_int_equal(fired(0), 1);
	sim_advance(35000);
	rig_step(&rig, 0);
	rig_step(&rig, 0);
	assert_int_equal(fired(0), 2);
	run_timers(5000, 1000); /* at 50,000 */
	assert_int_equal(fired(0), 3);
	run_timers(9000, 1000);
	assert_int_equal(fired(0), 3);
	run_timers(1000, 1000);
	assert_int_equal(fired(0), 4);
	end_timers();
}

static void
test_timer_every_turn(void **state)
{
	(void)state;
	no_timers();
	timers.period_ns[2] = 0;
	begin_timers();
	for (uint32_t i = 1; i <= 10; i++) {
		rig_step(&rig, 0);
		assert_int_equal(fired(2), i);
	}
	sim_advance(5000000);
	rig_step(&rig, 0);
	assert_int_equal(fired(2), 11);
	end_timers();
}

static void
test_timer_stops(void **state)
{
	(void)state;
	no_timers();
	timers.period_ns[0] = 1000;
	timers.stop_after = 3;
	begin_timers();
	run_timers(100000, 1000);
	assert_int_equal(fired(0), 3);
	/* Started anew it counts from then. */
	lm_op_timer_start(rig_slice(&rig, "timer", 0), 0, 50000);
	run_timers(49000, 1000);
	assert_int_equal(fired(0), 3);
	run_timers(1000, 1000);
	assert_int_equal(fired(0), 4);
	end_timers();
}

/* A timer that a timer starts, of a lower or a higher number, and sooner than any other. */
static void
test_timer_starts_timer(void **state)
{
	(void)state;
	for (uint32_t other = 0; other < LM_TIMERS_MAX; other++) {
		no_timers();
		timers.period_ns[1] = 1000000;
		timers.starts_timer = other == 1 ? LM_NONE : other;
		begin_timers();
		run_timers(1000000, 1000);
		assert_int_equal(fired(1), 1);
		run_timers(10000, 1000);
		assert_int_equal(fired(other), other == 1 ? 1 : 10);
		end_timers();
	}
}

/* Without room for what it emits a timer waits, then fires once. */
static void
test_timer_waits_for_room(void **state)
{
	uint32_t before;

	(void)state;
	no_timers();
	timers.period_ns[0] = 1000;
	timers.emits = true;
	begin_timers();
	run_timers(300000, 1000);
	before = fired(0);
	assert_true(before < 30);
	run_timers(300000, 1000);
	assert_int_equal(fired(0), before);
	rig_step(&rig, 1);
	rig_step(&rig, 0);
	assert_int_equal(fired(0), before + 1);
	end_timers();
}

/* Calls that say again go on in later turns; no tick comes on top. */
static void
test_timer_again(void **state)
{
	(void)state;
	no_timers();
	timers.period_ns[0] = 10000;
	timers.again = 100;
	begin_timers();
	/* Four calls a turn: through after 25 turns, while two ticks are due. */
	for (uint32_t i = 0; i < 33; i++) {
		run_timers(1000, 1000);
		assert_int_equal(fired(0), 0);
		assert_int_equal(rig_slice(&rig, "timer", 0)->inbox_count, 0);
	}
	run_timers(3000, 1000);
	assert_int_equal(fired(0), 2);
	run_timers(3000, 1000);
	assert_int_equal(fired(0), 2);
	run_timers(1000, 1000);
	assert_int_equal(fired(0), 3);
	assert_int_equal(((struct timed *)lm_op_context(rig_slice(&rig, "timer", 0)))->again, 100);
	end_timers();
}

/* Two sources on two workers, markers by mail, one merge on a third: aligned whatever the order. */
static void
test_markers_aligned(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		rig_begin(&rig);
		sim_reset(seed);
		rig_add(&rig, "a", "rig_source", 1);
		rig_add(&rig, "b", "rig_source", 1);
		rig_add(&rig, "merge", "rig_merge", 1);
		rig_add(&rig, "out", "rig_sink", 1);
		rig_wire(&rig, &(struct lm_wire){
				   .from = "a", .to = "merge", .input = "left", .credit = 2 });
		rig_wire(&rig, &(struct lm_wire){
				   .from = "b", .to = "merge", .input = "right", .credit = 2 });
		rig_link(&rig, "merge", "out");
		rig_place(&rig, "b", 0, 1);
		rig_place(&rig, "merge", 0, 2);
		rig.settings->epoch_ns = 20000;
		rig_build(&rig, 3);
		rig_log_rows(false);
		rig_feed(&rig, "a", 0)->until = 200;
		rig_feed(&rig, "b", 0)->until = 100;
		for (uint32_t i = 0; i < 600; i++) {
			rig_step(&rig, (uint32_t)sim_below(3));
			engine_tick(rig.engine);
			sim_advance(1000);
		}
		/* Each epoch once, at the merge and behind it. */
		for (uint64_t epoch = 1; epoch <= rig_slice(&rig, "out", 0)->stats.epoch; epoch++) {
			char at[40], behind[40];

			snprintf(at, sizeof(at), "merge epoch %" PRIu64 "; ", epoch);
			snprintf(behind, sizeof(behind), "out epoch %" PRIu64 "; ", epoch);
			assert_non_null(strstr(rig_log(), at));
			assert_non_null(strstr(strstr(rig_log(), at), behind));
			assert_null(strstr(strstr(rig_log(), behind) + 1, behind));
		}
		assert_true(rig_slice(&rig, "out", 0)->stats.epoch >= 3);
		finish();
	}
}

/* The end: sources, then all downstream, each slice once its inputs are through. */
static void
test_end_of_stream(void **state)
{
	(void)state;
	begin_line();
	rig_feed(&rig, "in", 0)->until = 5;
	rig_feed(&rig, "in", 0)->end = true;
	rig_step(&rig, 0);
	assert_true(rig_slice(&rig, "in", 0)->ended);
	assert_false(rig_slice(&rig, "pass", 0)->ended);
	assert_int_equal(rig.engine->shared->ended_slices, 1);
	rig_step(&rig, 1);
	assert_true(rig_slice(&rig, "pass", 0)->ended);
	assert_false(engine_has_ended(rig.engine));
	rig_step(&rig, 2);
	assert_true(engine_has_ended(rig.engine));
	assert_string_equal(rig_log(), "out 0-4; out end; ");
	finish();
}

/* Mail of any order is run before slices have their turn; the last one ends the loop. */
static void
stop_feeding(struct worker *self, void *arg, uint64_t value)
{
	(void)self;
	((struct rig_feed *)arg)->until = value;
}

static void
test_mail_first(void **state)
{
	(void)state;
	begin_line();
	rig_feed(&rig, "in", 0)->until = 100;
	mail_send(rig.engine->worker[0], stop_feeding, rig_feed(&rig, "in", 0), 7);
	assert_true(worker_step(rig.engine->worker[0]));
	assert_int_equal(rig_slice(&rig, "in", 0)->stats.rows_out[0], 7);
	rig.engine->worker[0]->quit = true;
	assert_false(worker_step(rig.engine->worker[0]));
	rig.engine->worker[0]->quit = false;
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_partial_leaves_at_once),
		cmocka_unit_test(test_turns_are_short),
		cmocka_unit_test(test_account),
		cmocka_unit_test(test_idle_time),
		cmocka_unit_test(test_shuffled_turns),
		cmocka_unit_test(test_timer_counts),
		cmocka_unit_test(test_timer_drift),
		cmocka_unit_test(test_timer_after_stall),
		cmocka_unit_test(test_timer_every_turn),
		cmocka_unit_test(test_timer_stops),
		cmocka_unit_test(test_timer_starts_timer),
		cmocka_unit_test(test_timer_waits_for_room),
		cmocka_unit_test(test_timer_again),
		cmocka_unit_test(test_markers_aligned),
		cmocka_unit_test(test_end_of_stream),
		cmocka_unit_test(test_mail_first),
	};
	const char *why;

	rig_classes_register();
	if (registry_add(&timer_class, &why) != 0) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
