/* SPDX-License-Identifier: BSD-3-Clause */
/* core/engine.c: the life of an engine from one end to the other, and what it promises under load.
 */
#include "core/engine.h"

#include <errno.h>
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

/* in -> pass -> out, on a worker each. */
static void
declare_line(enum lm_policy policy, uint32_t credit)
{
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "pass", "rig_pass", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_link(&rig, "in", "pass");
	rig_wire(&rig, &(struct lm_wire){
			   .from = "pass", .to = "out", .policy = policy, .credit = credit });
	rig_place(&rig, "pass", 0, 1);
	rig_place(&rig, "out", 0, 2);
}

static void
test_life(void **state)
{
	(void)state;
	declare_line(LM_POLICY_BLOCK, 4);
	rig_check(&rig, 3);
	rig.engine = lm_engine_create(rig.graph, &rig.placement, &rig.errors);
	assert_non_null(rig.engine);
	assert_int_equal(rig.engine->state, ENGINE_NEW);
	/* One that never ran can be freed, joined and read. */
	lm_engine_join(rig.engine);
	assert_true(lm_engine_audit(rig.engine, &rig.errors));
	assert_int_equal(lm_engine_start(rig.engine), 0);
	assert_int_equal(rig.engine->state, ENGINE_RUNNING);
	rig_feed(&rig, "in", 0)->until = 5;
	rig_feed(&rig, "in", 0)->end = true;
	assert_false(engine_has_ended(rig.engine));
	rig_run(&rig, 100);
	assert_true(lm_engine_wait(rig.engine, 0));
	lm_engine_join(rig.engine);
	assert_int_equal(rig.engine->state, ENGINE_JOINED);
	lm_engine_join(rig.engine);
	assert_string_equal(rig_audit(&rig), "");
	assert_string_equal(rig_log(), "out 0-4; out end; ");
	rig_end(&rig);
	lm_engine_free(NULL);
}

static void
test_names(void **state)
{
	(void)state;
	declare_line(LM_POLICY_BLOCK, 4);
	rig_build(&rig, 3);
	assert_int_equal(lm_engine_operator_count(rig.engine), 3);
	assert_int_equal(lm_engine_slice_count(rig.engine), 3);
	assert_int_equal(lm_engine_worker_count(rig.engine), 3);
	assert_string_equal(lm_engine_operator_name(rig.engine, 1), "pass");
	assert_string_equal(lm_engine_operator_class(rig.engine, 2)->name, "rig_sink");
	assert_int_equal(lm_engine_slice_operator(rig.engine, 2), 2);
	assert_int_equal(lm_engine_slice_worker(rig.engine, 2), 2);
	assert_int_equal(lm_engine_worker_lcore(rig.engine, 1), 1);
	rig_end(&rig);
}

/* A reader sees the counters of slices and workers, and latency at the sinks. */
static void
test_reading(void **state)
{
	struct lm_slice_stats slice;
	struct lm_worker_stats worker;
	static struct lm_hist hist;

	(void)state;
	declare_line(LM_POLICY_BLOCK, 4);
	rig_build(&rig, 3);
	rig_feed(&rig, "in", 0)->until = 20;
	rig_step(&rig, 0);
	rig_step(&rig, 1);
	sim_advance(123456);
	rig_rounds(&rig, 5);
	lm_engine_slice_stats(rig.engine, 1, &slice);
	assert_int_equal(slice.rows_in, 20);
	assert_int_equal(slice.rows_out[0], 20);
	assert_int_equal(slice.watermark_ns, INT64_MIN);
	lm_engine_worker_stats(rig.engine, 2, &worker);
	assert_int_equal(worker.turns, 5);
	memset(&hist, 0, sizeof(hist));
	lm_engine_latency(rig.engine, 2, &hist);
	assert_int_equal(hist.count, 20);
	assert_in_range(hist.max, 123456, 123456 + 5000);
	memset(&hist, 0, sizeof(hist));
	lm_engine_latency(rig.engine, 1, &hist);
	assert_int_equal(hist.count, 0);
	lm_engine_latency(rig.engine, LM_NONE, &hist);
	assert_int_equal(hist.count, 20);
	rig_end(&rig);
}

/* Asked to stop, sources end; all that they sent before arrives. */
static void
test_stop_drains(void **state)
{
	(void)state;
	declare_line(LM_POLICY_BLOCK, 4);
	rig_build(&rig, 3);
	rig_log_rows(false);
	rig_feed(&rig, "in", 0)->until = UINT64_MAX;
	rig_feed(&rig, "in", 0)->follow = true;
	for (uint32_t i = 0; i < 500; i++) {
		rig_step(&rig, (uint32_t)sim_below(3));
	}
	lm_engine_stop(rig.engine);
	lm_engine_stop(rig.engine);
	rig_run(&rig, 100);
	assert_int_equal(rig_rows(&rig, "out", 0), rig_feed(&rig, "in", 0)->next);
	assert_true(rig_rows(&rig, "out", 0) > 100);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

/* Sources pause from the first turn, go on, pause: what is under way arrives, a stop is heard. */
static void
test_pause(void **state)
{
	struct rig_feed *feed;
	uint64_t sent;

	(void)state;
	declare_line(LM_POLICY_BLOCK, 4);
	rig_check(&rig, 3);
	rig.engine = lm_engine_create(rig.graph, &rig.placement, &rig.errors);
	assert_non_null(rig.engine);
	engine_set_active(rig.engine, false);
	assert_true(engine_active_heard(rig.engine));
	assert_int_equal(lm_engine_start(rig.engine), 0);
	rig_log_rows(false);
	feed = rig_feed(&rig, "in", 0);
	feed->until = UINT64_MAX;
	rig_rounds(&rig, 20);
	assert_int_equal(feed->next, 0);
	engine_set_active(rig.engine, true);
	assert_false(engine_active_heard(rig.engine));
	rig_rounds(&rig, 20);
	assert_true(engine_active_heard(rig.engine));
	assert_true(feed->next > 0);
	engine_set_active(rig.engine, false);
	rig_rounds(&rig, 20);
	sent = feed->next;
	rig_rounds(&rig, 20);
	assert_int_equal(feed->next, sent);
	assert_int_equal(rig_rows(&rig, "out", 0), sent);
	lm_engine_stop(rig.engine);
	rig_run(&rig, 100);
	assert_true(engine_has_ended(rig.engine));
	assert_true(engine_active_heard(rig.engine));
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

/* A run of a given time: by lm_engine_wait, then a stop. */
static void
test_duration(void **state)
{
	int64_t before_ns, after_ns;

	(void)state;
	declare_line(LM_POLICY_BLOCK, 4);
	rig_build(&rig, 3);
	before_ns = env_now_ns();
	assert_false(lm_engine_wait(rig.engine, 5000000));
	after_ns = env_now_ns();
	assert_in_range(after_ns - before_ns, 5000000, 5000001);
	lm_engine_stop(rig.engine);
	rig_run(&rig, 10);
	assert_true(lm_engine_wait(rig.engine, 5000000));
	assert_true(env_now_ns() - after_ns <= 10 * 1000);
	rig_end(&rig);
}

/* Joined while rows are under way: nothing is left behind, and nothing is claimed to add up. */
static void
test_join_at_once(void **state)
{
	(void)state;
	declare_line(LM_POLICY_BLOCK, 4);
	rig_build(&rig, 3);
	rig_feed(&rig, "in", 0)->until = 1000;
	rig_step(&rig, 0);
	rig_step(&rig, 1);
	rig_step(&rig, 0);
	assert_true(edge_count(rig_edge(&rig, "in", 0, "pass", 0)) > 0);
	lm_engine_join(rig.engine);
	assert_false(engine_has_ended(rig.engine));
	assert_true(lm_engine_audit(rig.engine, &rig.errors));
	rig_end(&rig);
}

/* F53: when the stream has ended every batch is back in its pool. */
static void
test_end_returns_memory(void **state)
{
	(void)state;
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 3);
	rig_add(&rig, "burst", "rig_burst", 2);
	rig_add(&rig, "odd", "rig_odd", 2);
	rig_add(&rig, "out", "rig_sink", 3);
	rig_wire(&rig, &(struct lm_wire){ .from = "in", .to = "burst", .credit = 2 });
	rig_wire(&rig, &(struct lm_wire){ .from = "burst", .to = "odd", .credit = 2 });
	rig_wire(&rig, &(struct lm_wire){ .from = "odd",
	                                  .to = "out",
	                                  .grouping = LM_GROUP_KEY,
	                                  .columns = { "number" },
	                                  .credit = 2 });
	for (uint32_t i = 0; i < 3; i++) {
		rig_place(&rig, "in", i, i);
		rig_place(&rig, "out", i, 2 - i);
	}
	rig_place(&rig, "burst", 1, 1);
	rig_place(&rig, "odd", 1, 1);
	rig_build(&rig, 3);
	rig_log_rows(false);
	for (uint32_t i = 0; i < 3; i++) {
		rig_feed(&rig, "in", i)->until = 1000;
		rig_feed(&rig, "in", i)->end = true;
	}
	rig_run(&rig, 10000);
	for (uint32_t i = 0; i < rig.engine->layout->pool_count; i++) {
		assert_int_equal(pool_available(rig.engine->pool[i]), rig.engine->pool[i]->count);
	}
	assert_int_equal(rig_rows(&rig, "out", 0) + rig_rows(&rig, "out", 1) +
	                     rig_rows(&rig, "out", 2),
	                 3 * 3 * 500);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

/* in -> work (2) -> back -> work, and work -> out; every edge as short as asked. */
static void
begin_cycle(const char *back, uint32_t credit, enum lm_policy policy)
{
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "work", "rig_pass", 2);
	rig_add(&rig, "back", back, 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_wire(&rig,
	         &(struct lm_wire){
		     .from = "in", .to = "work", .grouping = LM_GROUP_SHUFFLE, .credit = credit });
	rig_wire(&rig, &(struct lm_wire){ .from = "work", .to = "back", .credit = credit });
	rig_wire(&rig, &(struct lm_wire){ .from = "back",
	                                  .to = "work",
	                                  .grouping = LM_GROUP_KEY,
	                                  .columns = { "number" },
	                                  .policy = policy,
	                                  .credit = credit });
	rig_wire(&rig, &(struct lm_wire){ .from = "work", .to = "out", .credit = credit });
	rig_place(&rig, "work", 1, 1);
	rig_place(&rig, "back", 0, 2);
	rig_place(&rig, "out", 0, 1);
	rig.settings->epoch_ns = 10000;
	rig_build(&rig, 3);
	rig_log_rows(false);
}

/* F18: cycles of short edges, in which more comes back than there is room for, do not stand still.
 */
static void
check_cycle(uint32_t credit, enum lm_policy policy)
{
	begin_cycle("rig_burst", credit, policy);
	rig_feed(&rig, "in", 0)->until = UINT64_MAX;
	for (uint32_t i = 0; i < 30; i++) {
		uint64_t before = rig_feed(&rig, "in", 0)->next;

		rig_rounds(&rig, 100);
		assert_true(rig_feed(&rig, "in", 0)->next > before + 100);
	}
	assert_true(rig.engine->epoch > 100);
	rig_end(&rig);
}

/* test_halve: the number's half, until nothing is left of it. */
static void
halve_process(struct lm_op *op, const struct lm_batch *in)
{
	uint32_t first, kept = 0;
	struct lm_batch *out = lm_op_reserve(op, 0, in->count, &first);

	for (uint32_t i = 0; i < in->count; i++) {
		uint64_t number = lm_batch_u64(in, RIG_NUMBER)[i];

		lm_batch_u64(out, RIG_NUMBER)[first + kept] = number / 2;
		lm_batch_u64(out, RIG_KEY)[first + kept] = 0;
		lm_batch_i64(out, RIG_TIME)[first + kept] = 0;
		kept += number == 0 ? 0 : 1;
	}
	lm_op_emit(op, 0, kept);
	lm_op_drop(op, 0, in->count - kept);
}

static const char *const port_in[] = { "in", NULL };
static const char *const port_out[] = { "out", NULL };
static const char *const halve_drops[] = { "nothing_left", NULL };
static const struct lm_op_class halve_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "test_halve",
	.version = "1",
	.summary = "halves numbers",
	.inputs = port_in,
	.outputs = port_out,
	.drops = halve_drops,
	.rows = LM_ROWS_PASS,
	.process = halve_process,
};

/* A cycle that comes to rest has done every round of every row; its end waits for none. */
static void
check_cycle_end(uint32_t rows, uint32_t credit, bool loses)
{
	uint64_t expected = 0;

	begin_cycle("test_halve", credit, LM_POLICY_SHED_NEWEST);
	for (uint32_t i = 0; i < rows; i++) {
		expected += i == 0 ? 1 : 33 - (uint32_t)__builtin_clz(i);
	}
	rig_feed(&rig, "in", 0)->until = rows;
	rig_rounds(&rig, 1000);
	if (loses) {
		assert_in_range(rig_rows(&rig, "out", 0), rows, expected - 1);
	} else {
		assert_int_equal(rig_rows(&rig, "out", 0), expected);
	}
	/* Rows that go round when the end comes are not waited for. */
	rig_feed(&rig, "in", 0)->until += 100;
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 1000);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

static void
test_cycle_ends(void **state)
{
	(void)state;
	check_cycle_end(5, 64, false);
	check_cycle_end(5000, 2, true);
}

static void
test_cycles(void **state)
{
	(void)state;
	check_cycle(8, LM_POLICY_SHED_NEWEST);
	check_cycle(8, LM_POLICY_SHED_OLDEST);
	check_cycle(2, LM_POLICY_SHED_NEWEST);
	check_cycle(2, LM_POLICY_SHED_OLDEST);
}

/* F17: how many rows reach the sink in `rounds` when its worker has a turn in every `slowness`. */
static uint64_t
rows_in_rounds(uint32_t rounds, uint32_t slowness)
{
	uint64_t before = rig_rows(&rig, "out", 0);

	for (uint32_t i = 0; i < rounds; i++) {
		rig_step(&rig, 0);
		rig_step(&rig, 1);
		if (i % slowness == 0) {
			rig_step(&rig, 2);
		}
		sim_advance(1000);
	}
	return rig_rows(&rig, "out", 0) - before;
}

/* A sink 100 times slower: nothing is lost, memory has its bound, and full speed comes back at
 * once. */
static void
test_slow_sink(void **state)
{
	uint64_t fast, slow, again, in_flight;
	size_t memory;

	(void)state;
	declare_line(LM_POLICY_BLOCK, 16);
	rig_build(&rig, 3);
	rig_log_rows(false);
	rig_feed(&rig, "in", 0)->until = UINT64_MAX;
	rows_in_rounds(100, 1);
	memory = sim_memory();
	fast = rows_in_rounds(2000, 1);
	slow = rows_in_rounds(20000, 100);
	assert_in_range(slow, fast / 100 * 10 / 2, fast / 100 * 10 * 2);
	/* What is under way is at most what the edges hold. */
	in_flight = rig_feed(&rig, "in", 0)->next - rig_rows(&rig, "out", 0);
	assert_true(in_flight <= 8 * (64 + 16 + 8));
	assert_int_equal(sim_memory(), memory);
	/* Within 100 us of virtual time. */
	rows_in_rounds(100, 1);
	again = rows_in_rounds(2000, 1);
	assert_true(again >= fast - fast / 50);
	lm_engine_stop(rig.engine);
	rig_run(&rig, 1000);
	assert_int_equal(rig_rows(&rig, "out", 0), rig_feed(&rig, "in", 0)->next);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

/* What a slow sink does not get was shed, counted to the row. */
static void
test_shed_counters(void **state)
{
	static const enum lm_policy policies[] = { LM_POLICY_SHED_NEWEST, LM_POLICY_SHED_OLDEST };

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		const struct edge *edge;
		uint64_t made, missing;

		declare_line(policies[i], 4);
		rig_build(&rig, 3);
		edge = rig_edge(&rig, "pass", 0, "out", 0);
		rig_log_rows(false);
		rig_feed(&rig, "in", 0)->until = UINT64_MAX;
		rig_feed(&rig, "in", 0)->per_poll = 5;
		rig_feed(&rig, "in", 0)->follow = true;
		rows_in_rounds(20000, 100);
		lm_engine_stop(rig.engine);
		rig_run(&rig, 1000);
		made = rig_feed(&rig, "in", 0)->next;
		missing = made - rig_rows(&rig, "out", 0);
		assert_true(missing > made / 2);
		assert_int_equal(edge->rows_shed + edge->rows_discarded, missing);
		assert_int_equal(edge->rows_discarded > 0, policies[i] == LM_POLICY_SHED_OLDEST);
		assert_string_equal(rig_audit(&rig), "");
		/* The source was never held up. */
		assert_int_equal(rig_slice(&rig, "pass", 0)->stats.turns_blocked, 0);
		rig_end(&rig);
	}
}

/* Epochs go by one at a time, each is told to all, and a slow one holds up the next. */
static void
test_epochs(void **state)
{
	(void)state;
	declare_line(LM_POLICY_BLOCK, 4);
	rig.settings->epoch_ns = 10000;
	rig_build(&rig, 3);
	rig_log_rows(false);
	rig_rounds(&rig, 9);
	assert_int_equal(rig.engine->epoch, 0);
	rig_rounds(&rig, 3);
	assert_int_equal(rig.engine->epoch, 1);
	for (uint32_t i = 0; i < 50; i++) {
		rig_step(&rig, 0);
		rig_step(&rig, 1);
		engine_tick(rig.engine);
		sim_advance(1000);
	}
	assert_int_equal(rig.engine->epoch, 2);
	assert_int_equal(engine_epoch_done(rig.engine), 1);
	rig_rounds(&rig, 3);
	assert_int_equal(rig.engine->epoch, 3);
	assert_true(engine_epoch_done(rig.engine) >= 2);
	rig_rounds(&rig, 95);
	assert_in_range(rig.engine->epoch, 11, 13);
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 100);
	/* Those that have ended are not waited for. */
	assert_int_equal(engine_epoch_done(rig.engine), rig.engine->epoch);
	rig_end(&rig);
}

/* Without memory: said, and nothing kept, wherever it runs out. */
static void
test_no_memory(void **state)
{
	struct lm_engine *engine = NULL;
	uint64_t left = 0;

	(void)state;
	declare_line(LM_POLICY_BLOCK, 4);
	rig_check(&rig, 3);
	for (; engine == NULL; left++) {
		struct lm_errors errors = { 0 };

		assert_int_equal(sim_memory(), rig.memory);
		sim_fail_after(left, UINT64_MAX);
		engine = lm_engine_create(rig.graph, &rig.placement, &errors);
		if (engine == NULL && left > 0) {
			assert_non_null(strstr(errors.error[0].message, "not enough memory"));
		}
		lm_errors_free(&errors);
		assert_true(left < 1000);
	}
	assert_true(left > 20);
	lm_engine_free(engine);
	sim_fail_after(UINT64_MAX, UINT64_MAX);
	rig_end(&rig);
}

/* A worker that cannot be launched: an error, and those that run are brought back. */
static void
test_no_worker(void **state)
{
	(void)state;
	for (uint64_t launches = 0; launches < 3; launches++) {
		declare_line(LM_POLICY_BLOCK, 4);
		rig_check(&rig, 3);
		rig.engine = lm_engine_create(rig.graph, &rig.placement, &rig.errors);
		assert_non_null(rig.engine);
		sim_fail_after(UINT64_MAX, launches);
		assert_int_equal(lm_engine_start(rig.engine), -EAGAIN);
		sim_fail_after(UINT64_MAX, UINT64_MAX);
		rig_end(&rig);
	}
}

/* test_picky: fails to open as it is told to. */
static int picky_slice, picky_closed;
static const char *picky_why;

static int
picky_open(struct lm_op *op)
{
	if (lm_op_alloc(op, 1000) == NULL) {
		return -ENOMEM;
	}
	if ((int)lm_op_slice(op) != picky_slice) {
		return 0;
	}
	if (picky_why != NULL) {
		lm_op_error(op, "%s", picky_why);
	}
	return -ENOSPC;
}

static void
picky_close(struct lm_op *op)
{
	(void)op;
	picky_closed++;
}

static void
picky_process(struct lm_op *op, const struct lm_batch *in)
{
	lm_op_absorb(op, in->count);
}

static const struct lm_op_class picky_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "test_picky",
	.version = "1",
	.summary = "fails to open",
	.inputs = port_in,
	.rows = LM_ROWS_ABSORB,
	.open = picky_open,
	.close = picky_close,
	.process = picky_process,
};

/* An operator that cannot open says why, and those that were opened are closed. */
static void
test_open_fails(void **state)
{
	static const char *const whys[] = { "no such file", NULL };

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		rig_begin(&rig);
		rig_add(&rig, "in", "rig_source", 1);
		rig_add(&rig, "out", "test_picky", 3);
		rig_wire(&rig, &(struct lm_wire){
				   .from = "in", .to = "out", .grouping = LM_GROUP_SHUFFLE });
		rig_check(&rig, 1);
		picky_slice = 2;
		picky_closed = 0;
		picky_why = whys[i];
		assert_null(lm_engine_create(rig.graph, &rig.placement, &rig.errors));
		assert_string_equal(rig.errors.error[0].message,
		                    i == 0 ? "operators.out: no such file"
		                           : "operators.out: No space left on device");
		assert_int_equal(picky_closed, 2);
		rig_end(&rig);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),         cmocka_unit_test(test_names),
		cmocka_unit_test(test_reading),      cmocka_unit_test(test_stop_drains),
		cmocka_unit_test(test_pause),        cmocka_unit_test(test_duration),
		cmocka_unit_test(test_join_at_once), cmocka_unit_test(test_end_returns_memory),
		cmocka_unit_test(test_cycles),       cmocka_unit_test(test_cycle_ends),
		cmocka_unit_test(test_slow_sink),    cmocka_unit_test(test_shed_counters),
		cmocka_unit_test(test_epochs),       cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_no_worker),    cmocka_unit_test(test_open_fails),
	};
	const char *why;

	rig_classes_register();
	if (registry_add(&picky_class, &why) != 0 || registry_add(&halve_class, &why) != 0) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
