/* SPDX-License-Identifier: BSD-3-Clause */
/* core/migrate.c, and the moves of core/engine.c: slices go from lcore to lcore with all they have.
 */
#include "core/migrate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/registry.h"
#include "tests/unit/core/engine_rig.h"

static struct rig rig;

/* in -> pass -> out, the two last where they are told. */
static void
begin_line(uint32_t pass, uint32_t out, uint32_t workers)
{
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "pass", "rig_copy", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_link(&rig, "in", "pass");
	rig_link(&rig, "pass", "out");
	rig_place(&rig, "pass", 0, pass);
	rig_place(&rig, "out", 0, out);
	rig_build(&rig, workers);
}

static void
finish(void)
{
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 1000);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

static uint32_t
number_of(const char *name)
{
	return rig_slice(&rig, name, 0)->number;
}

static struct worker *
worker(uint32_t index)
{
	return rig.engine->worker[index];
}

/* What came of the only move there is. */
static enum move_result
collect(uint64_t id)
{
	struct move done, more;

	assert_true(engine_collect(rig.engine, &done));
	assert_int_equal(done.id, id);
	assert_false(engine_collect(rig.engine, &more));
	return done.result;
}

/* Asked for, let go, taken: each of the three lcores' steps does one of it. */
static void
test_steps(void **state)
{
	struct move done;
	uint64_t id;

	(void)state;
	begin_line(1, 2, 4);
	rig_feed(&rig, "in", 0)->until = 5;
	rig_step(&rig, 0);
	id = engine_migrate(rig.engine, number_of("pass"), 3);
	assert_true(id != 0);
	rig_step(&rig, 3);
	assert_int_equal(worker(3)->expected, 1);
	assert_ptr_equal(rig_slice(&rig, "pass", 0)->worker, worker(1));
	sim_advance(1000);
	rig_step(&rig, 1);
	assert_ptr_equal(rig_slice(&rig, "pass", 0)->worker, worker(3));
	assert_int_equal(worker(1)->slice_count, 0);
	assert_false(worker_has(worker(3), rig_slice(&rig, "pass", 0)));
	assert_int_equal(rig_rows(&rig, "pass", 0), 0);
	assert_false(engine_collect(rig.engine, &done));
	sim_advance(700);
	rig_step(&rig, 3);
	assert_true(worker_has(worker(3), rig_slice(&rig, "pass", 0)));
	assert_int_equal(worker(3)->expected, 0);
	assert_true(engine_collect(rig.engine, &done));
	assert_int_equal(done.id, id);
	assert_int_equal(done.result, MOVE_DONE);
	assert_int_equal(done.pause_ns, 700);
	assert_int_equal(lm_engine_slice_worker(rig.engine, number_of("pass")), 3);
	rig_step(&rig, 2);
	assert_string_equal(rig_log(), "out 0-4; ");
	finish();
}

/* Whichever slice of a chain is named: all of it goes, and is called directly as before. */
static void
test_chain(void **state)
{
	(void)state;
	begin_line(0, 0, 2);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t to = (i + 1) % 2;
		uint64_t id = engine_migrate(rig.engine, i, to);

		rig_rounds(&rig, 3);
		assert_int_equal(collect(id), MOVE_DONE);
		for (uint32_t k = 0; k < 3; k++) {
			assert_int_equal(lm_engine_slice_worker(rig.engine, k), to);
		}
		assert_int_equal(worker(to)->slice_count, 1);
		assert_int_equal(worker(1 - to)->slice_count, 0);
		rig_feed(&rig, "in", 0)->until += 3;
		rig_step(&rig, to);
	}
	assert_string_equal(rig_log(), "out 0-2; out 3-5; out 6-8; ");
	finish();
}

static void
test_refused(void **state)
{
	uint64_t id, other;
	struct move done;

	(void)state;
	begin_line(1, 1, 2);
	assert_int_equal(collect(engine_migrate(rig.engine, 3, 0)), MOVE_NO_SLICE);
	assert_int_equal(collect(engine_migrate(rig.engine, 0, 2)), MOVE_NO_WORKER);
	assert_int_equal(collect(engine_migrate(rig.engine, 2, 1)), MOVE_SAME_WORKER);
	/* The same chain by another of its slices. */
	id = engine_migrate(rig.engine, number_of("pass"), 0);
	other = engine_migrate(rig.engine, number_of("out"), 0);
	assert_int_equal(collect(other), MOVE_UNDER_WAY);
	rig_rounds(&rig, 3);
	assert_int_equal(collect(id), MOVE_DONE);
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 100);
	id = engine_migrate(rig.engine, number_of("in"), 1);
	rig_rounds(&rig, 3);
	assert_int_equal(collect(id), MOVE_ENDED);
	assert_int_equal(worker(1)->expected, 0);
	assert_int_equal(lm_engine_slice_worker(rig.engine, number_of("in")), 0);
	/* What is under way when the engine is joined comes back, too. */
	id = engine_migrate(rig.engine, number_of("in"), 1);
	lm_engine_join(rig.engine);
	assert_true(engine_collect(rig.engine, &done));
	assert_int_equal(done.id, id);
	assert_true(done.result == MOVE_ENDED || done.result == MOVE_NOT_RUNNING);
	assert_int_equal(collect(engine_migrate(rig.engine, 0, 1)), MOVE_NOT_RUNNING);
	for (int i = MOVE_DONE; i <= MOVE_NOT_RUNNING; i++) {
		assert_true(strlen(move_result_text((enum move_result)i)) > 3);
	}
	rig_end(&rig);
}

static void
test_too_many(void **state)
{
	struct move done;
	uint64_t last = 0;

	(void)state;
	begin_line(0, 0, 1);
	for (uint32_t i = 0; i < MOVES_MAX; i++) {
		assert_true(engine_migrate(rig.engine, 0, 0) != 0);
	}
	assert_int_equal(engine_migrate(rig.engine, 0, 0), 0);
	for (uint32_t i = 0; i < MOVES_MAX; i++) {
		assert_true(engine_collect(rig.engine, &done));
		assert_true(done.id > last);
		last = done.id;
	}
	assert_true(engine_migrate(rig.engine, 0, 0) > last);
	finish();
}

/* A call that asks again for room goes on where it stopped, on another lcore. */
static void
test_pending_call(void **state)
{
	(void)state;
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "burst", "rig_burst", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_param(&rig, "burst", "copies", "50");
	rig_link(&rig, "in", "burst");
	rig_wire(&rig, &(struct lm_wire){ .from = "burst", .to = "out", .credit = 2 });
	rig_place(&rig, "out", 0, 1);
	rig_build(&rig, 3);
	rig_log_rows(false);
	rig_feed(&rig, "in", 0)->until = 8;
	rig_step(&rig, 0);
	assert_true(rig_slice(&rig, "burst", 0)->pending.call != CALL_NONE);
	for (uint32_t i = 0; i < 6; i++) {
		uint64_t id = engine_migrate(rig.engine, number_of("burst"), i % 2 == 0 ? 2 : 0);

		rig_step(&rig, i % 2 == 0 ? 2 : 0);
		rig_step(&rig, i % 2 == 0 ? 0 : 2);
		rig_step(&rig, i % 2 == 0 ? 2 : 0);
		assert_int_equal(collect(id), MOVE_DONE);
		assert_true(rig_slice(&rig, "burst", 0)->pending.call != CALL_NONE);
		rig_step(&rig, 1);
	}
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 1000);
	assert_int_equal(rig_rows(&rig, "out", 0), 400);
	finish();
}

/* Wherever slices come from: producers have their turns before consumers. */
static void
test_order(void **state)
{
	static const char *const names[] = { "in", "pass", "out" };
	static const uint32_t orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 2, 0 }, { 2, 0, 1 } };

	(void)state;
	for (uint32_t o = 0; o < 4; o++) {
		rig_begin(&rig);
		rig.settings->fuse = false;
		for (uint32_t i = 0; i < 3; i++) {
			rig_add(&rig, names[i],
			        i == 0   ? "rig_source"
			        : i == 1 ? "rig_pass"
			                 : "rig_sink",
			        1);
		}
		rig_link(&rig, "in", "pass");
		rig_link(&rig, "pass", "out");
		rig_build(&rig, 2);
		for (uint32_t i = 0; i < 3; i++) {
			assert_true(engine_migrate(rig.engine, orders[o][i], 1) != 0);
			rig_rounds(&rig, 3);
		}
		for (uint32_t i = 0; i < 3; i++) {
			assert_string_equal(worker(1)->slice[i]->name, names[i]);
		}
		finish();
	}
}

/* Mail that lies behind the order to let go is heard before that is followed. */
static void
test_mail_follows(void **state)
{
	(void)state;
	begin_line(2, 2, 3);
	rig_feed(&rig, "in", 0)->until = 1000000;
	assert_true(engine_migrate(rig.engine, number_of("in"), 1) != 0);
	rig_step(&rig, 1);
	lm_engine_stop(rig.engine);
	rig_step(&rig, 0);
	assert_true(rig_slice(&rig, "in", 0)->stopping);
	assert_ptr_equal(rig_slice(&rig, "in", 0)->worker, worker(0));
	rig_run(&rig, 100);
	finish();
}

static void
stop_source(struct worker *self, void *arg, uint64_t value)
{
	(void)value;
	assert_ptr_equal(((struct lm_op *)arg)->worker, self);
	((struct lm_op *)arg)->stopping = true;
}

/* Mail that is there before the slice is. */
static void
test_mail_waits(void **state)
{
	struct lm_op *in;

	(void)state;
	begin_line(2, 2, 3);
	in = rig_slice(&rig, "in", 0);
	worker_remove(worker(0), in);
	in->worker = worker(1);
	mail_send_to_slice(in, stop_source, in, 0);
	for (uint32_t i = 0; i < 5; i++) {
		rig_step(&rig, 1);
		assert_false(in->stopping);
	}
	worker_add(worker(1), in);
	rig_step(&rig, 1);
	assert_true(in->stopping);
	finish();
}

static uint32_t heard;

static void
hear(struct worker *self, void *arg, uint64_t value)
{
	(void)value;
	assert_ptr_equal(((struct lm_op *)arg)->worker, self);
	heard++;
}

/* A slice that moves again and again: its mail is run before it goes, nothing is passed on. */
static void
test_mail_first(void **state)
{
	struct lm_op *in;

	(void)state;
	begin_line(2, 2, 3);
	in = rig_slice(&rig, "in", 0);
	for (uint32_t i = 0; i < 8; i++) {
		uint32_t from = i % 2, to = 1 - from;
		uint64_t id = engine_migrate(rig.engine, in->number, to);

		rig_step(&rig, to);
		heard = 0;
		mail_send_to_slice(in, hear, in, 0);
		assert_true(mail_is_under_way(in));
		rig_step(&rig, from);
		assert_int_equal(heard, 1);
		assert_ptr_equal(in->worker, worker(from));
		rig_step(&rig, from);
		assert_ptr_equal(in->worker, worker(to));
		rig_step(&rig, to);
		assert_int_equal(collect(id), MOVE_DONE);
		assert_false(mail_is_under_way(in));
	}
	finish();
}

/* Mail that went to where the slice was keeps it where it is until it has come there. */
static void
test_mail_late(void **state)
{
	struct lm_op *in;
	uint64_t id;

	(void)state;
	begin_line(2, 2, 4);
	in = rig_slice(&rig, "in", 0);
	heard = 0;
	/* As if the sender had looked where the slice is before it went to lcore 0. */
	in->worker = worker(3);
	mail_send_to_slice(in, hear, in, 0);
	in->worker = worker(0);
	id = engine_migrate(rig.engine, in->number, 1);
	rig_step(&rig, 1);
	for (uint32_t i = 0; i < 5; i++) {
		rig_step(&rig, 0);
		assert_ptr_equal(in->worker, worker(0));
		assert_int_equal(heard, 0);
	}
	rig_step(&rig, 3);
	rig_step(&rig, 0);
	assert_int_equal(heard, 1);
	rig_rounds(&rig, 3);
	assert_int_equal(collect(id), MOVE_DONE);
	assert_ptr_equal(in->worker, worker(1));
	finish();
}

/* A worker without slices sleeps until there is mail, whatever the policy; who sends knows. */
static void
test_parked(void **state)
{
	uint64_t sleeps;

	(void)state;
	begin_line(0, 0, 2);
	sleeps = sim_rests().sleeps;
	rig_step(&rig, 1);
	assert_int_equal(sim_rests().sleeps, sleeps + 1);
	assert_int_equal(worker(1)->stats.sleeps, 1);
	assert_int_equal(worker(1)->mailbox.parked, 1);
	/* Spinning, as the policy says. */
	rig_step(&rig, 0);
	assert_int_equal(worker(0)->stats.sleeps, 0);
	/* Nor does it sleep while a slice is on its way. */
	assert_true(engine_migrate(rig.engine, 0, 1) != 0);
	assert_int_equal(worker(1)->mailbox.parked, 0);
	rig_step(&rig, 1);
	rig_step(&rig, 1);
	assert_int_equal(worker(1)->stats.sleeps, 1);
	rig_step(&rig, 0);
	assert_int_equal(worker(0)->slice_count, 0);
	rig_step(&rig, 0);
	assert_int_equal(worker(0)->stats.sleeps, 1);
	rig_step(&rig, 1);
	assert_int_equal(worker(1)->slice_count, 1);
	finish();
}

/* test_clock: a timer of 1 us, and what time it saw. */
static uint32_t fired;
static int64_t clock_ns;

static int
clock_configure(struct lm_setup *setup, void *config)
{
	(void)config;
	return lm_setup_output_like(setup, 0, lm_setup_input(setup, 0));
}

static int
clock_open(struct lm_op *op)
{
	lm_op_timer_start(op, 0, 1000);
	return 0;
}

static void
clock_process(struct lm_op *op, const struct lm_batch *in)
{
	(void)in;
	lm_op_forward(op, 0);
}

static void
clock_fire(struct lm_op *op, uint32_t timer)
{
	(void)timer;
	fired++;
	clock_ns = lm_op_now_ns(op);
}

static const char *const port_in[] = { "in", NULL };
static const char *const port_out[] = { "out", NULL };
static const struct lm_op_class clock_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "test_clock",
	.version = "1",
	.summary = "a timer",
	.inputs = port_in,
	.outputs = port_out,
	.rows = LM_ROWS_PASS,
	.configure = clock_configure,
	.open = clock_open,
	.process = clock_process,
	.timer = clock_fire,
};

/* Timers go with their slice, and its time does not go back. */
static void
test_timers(void **state)
{
	(void)state;
	fired = 0;
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "clock", "test_clock", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_link(&rig, "in", "clock");
	rig_link(&rig, "clock", "out");
	rig_build(&rig, 2);
	sim_advance(1500);
	rig_step(&rig, 0);
	assert_int_equal(fired, 1);
	assert_true(engine_migrate(rig.engine, number_of("clock"), 1) != 0);
	rig_step(&rig, 1);
	rig_step(&rig, 0);
	rig_step(&rig, 1);
	assert_int_equal(fired, 1);
	for (uint32_t i = 2; i < 6; i++) {
		int64_t before_ns = clock_ns;

		sim_advance(1000);
		rig_step(&rig, 0);
		assert_int_equal(fired, i - 1);
		rig_step(&rig, 1);
		assert_int_equal(fired, i);
		assert_true(clock_ns > before_ns);
	}
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),        cmocka_unit_test(test_chain),
		cmocka_unit_test(test_refused),      cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_pending_call), cmocka_unit_test(test_order),
		cmocka_unit_test(test_mail_follows), cmocka_unit_test(test_mail_waits),
		cmocka_unit_test(test_mail_first),   cmocka_unit_test(test_mail_late),
		cmocka_unit_test(test_parked),       cmocka_unit_test(test_timers),
	};
	const char *why;

	rig_classes_register();
	if (registry_add(&clock_class, &why) != 0) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
