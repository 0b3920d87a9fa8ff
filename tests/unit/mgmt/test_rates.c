/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/rates.c: differences of two samples; the root of backpressure at every place of a chain. */
#include "mgmt/rates.h"
#include "tests/unit/mgmt/fake_engine.h"
#include "tests/unit/mgmt/print_to_text.h"

#define SECOND INT64_C(1000000000)

struct fixture {
	struct lm_engine *engine;
	struct sample now, before;
	struct rates rates;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->engine = fake_engine_chain();
	assert_int_equal(sample_init(&f->now, f->engine, &fake_about), 0);
	assert_int_equal(sample_init(&f->before, f->engine, &fake_about), 0);
	assert_int_equal(rates_init(&f->rates, &f->now.shape), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	rates_free(&f->rates);
	sample_free(&f->now);
	sample_free(&f->before);
	free(f->engine);
	free(f);
	return 0;
}

static bool
is_near(double a, double b)
{
	return a - b < 1e-6 && b - a < 1e-6;
}

static void
test_rates_between_two(void **state)
{
	struct fixture *f = *state;
	struct sample_counter counter = { .name = "port0.ipackets", .value = 1000 };

	fake_engine_second(f->engine, 1000000);
	sample_read(&f->before, f->engine, NULL, 2 * SECOND, &counter, 1);
	fake_engine_second(f->engine, 10240);
	fake_engine_second(f->engine, 10240);
	counter.value = 41960;
	sample_read(&f->now, f->engine, &f->before, 4 * SECOND, &counter, 1);
	rates_compute(&f->rates, &f->now, &f->before);
	assert_true(is_near(f->rates.seconds, 2));
	assert_true(is_near(f->rates.rows, 20480));
	assert_true(is_near(f->rates.counter[0], 20480));
	assert_true(is_near(f->rates.op[FAKE_FLOWS].rows_in, 20480));
	assert_true(is_near(f->rates.op[FAKE_FLOWS].rows_out, 20276));
	assert_true(is_near(f->rates.op[FAKE_FLOWS].rows_dropped, 204));
	assert_true(is_near(f->rates.op[FAKE_PACKETS].fill, 1));
	assert_true(is_near(f->rates.op[FAKE_OUT].fill, 10.0 / 1024));
	assert_true(is_near(f->rates.op[FAKE_PACKETS].busy, 0.4));
	assert_true(is_near(f->rates.op[FAKE_TALKERS].busy, 0.85));
	assert_true(is_near(f->rates.worker[2].busy, 0.86));
	assert_true(is_near(f->rates.worker[2].turns, 100000));
	assert_true(f->rates.op[FAKE_FLOWS].is_fused);
	assert_false(f->rates.op[FAKE_TALKERS].is_fused);
	assert_int_equal(f->rates.root, LM_NONE); /* nobody waits for room */
}

static void
test_since_the_start(void **state)
{
	struct fixture *f = *state;

	fake_engine_second(f->engine, 1024);
	sample_read(&f->now, f->engine, NULL, 3 * SECOND, NULL, 0);
	rates_compute(&f->rates, &f->now, NULL);
	assert_true(is_near(f->rates.seconds, 2));
	assert_true(is_near(f->rates.rows, 1024));
	assert_true(is_near(f->rates.worker[0].busy, 0.205));
}

static void
test_no_time_between(void **state)
{
	struct fixture *f = *state;

	fake_engine_second(f->engine, 1024);
	sample_read(&f->before, f->engine, NULL, 2 * SECOND, NULL, 0);
	sample_read(&f->now, f->engine, NULL, 2 * SECOND, NULL, 0);
	rates_compute(&f->rates, &f->now, &f->before);
	assert_true(is_near(f->rates.rows, 0));
	assert_true(is_near(f->rates.op[FAKE_FLOWS].fill, 0));
	assert_true(is_near(f->rates.worker[0].busy, 0));
}

static void
test_a_counter_that_began_anew(void **state)
{
	struct fixture *f = *state;

	fake_engine_second(f->engine, 1000000);
	sample_read(&f->before, f->engine, NULL, 2 * SECOND, NULL, 0);
	memset(f->engine->slice, 0, sizeof(f->engine->slice));
	fake_engine_second(f->engine, 1000);
	sample_read(&f->now, f->engine, NULL, 3 * SECOND, NULL, 0);
	rates_compute(&f->rates, &f->now, &f->before);
	assert_true(is_near(f->rates.rows, 2000));
}

/* A second in which each operator's slices were busy and blocked so much. */
static void
second_with(struct lm_engine *engine, const double *busy, const double *blocked)
{
	for (uint32_t i = 0; i < FAKE_SLICES; i++) {
		uint32_t op = engine->operator_of[i];

		engine->slice[i].rows_in += op == FAKE_PACKETS ? 0 : 1000;
		engine->slice[i].busy_ns += (uint64_t)(busy[op] * 1e9);
		engine->slice[i].turns_blocked += (uint64_t)(blocked[op] * 1000);
		engine->worker[engine->worker_of[i]].busy_ns += (uint64_t)(busy[op] * 1e9);
	}
	for (uint32_t i = 0; i < FAKE_WORKERS; i++) {
		engine->worker[i].turns += 1000;
	}
}

static uint32_t
root_of(struct fixture *f, const double *busy, const double *blocked)
{
	memset(f->engine->slice, 0, sizeof(f->engine->slice));
	memset(f->engine->worker, 0, sizeof(f->engine->worker));
	second_with(f->engine, busy, blocked);
	sample_read(&f->now, f->engine, NULL, 2 * SECOND, NULL, 0);
	rates_compute(&f->rates, &f->now, NULL);
	return f->rates.root;
}

static void
test_root_at_every_place(void **state)
{
	struct fixture *f = *state;
	static const struct {
		double busy[FAKE_OPERATORS], blocked[FAKE_OPERATORS];
		uint32_t root;
	} cases[] = {
		/* All idle; all busy, but nobody is blocked; the source is the limit. */
		{ { 0.01, 0.01, 0.01, 0.01 }, { 0, 0, 0, 0 }, LM_NONE },
		{ { 0.5, 0.5, 0.9, 0.1 }, { 0, 0, 0, 0 }, LM_NONE },
		{ { 0.99, 0.1, 0.2, 0.1 }, { 0, 0, 0, 0 }, LM_NONE },
		/* One slow operator, all before it blocked. */
		{ { 0.1, 0.9, 0.1, 0.1 }, { 0.9, 0, 0, 0 }, FAKE_FLOWS },
		{ { 0.1, 0.2, 0.9, 0.1 }, { 0.9, 0.8, 0, 0 }, FAKE_TALKERS },
		{ { 0.1, 0.1, 0.2, 0.8 }, { 0.9, 0.9, 0.7, 0 }, FAKE_OUT },
		/* Busy behind the slow one, but nobody waits for it. */
		{ { 0.1, 0.95, 0.75, 0.1 }, { 0.9, 0, 0, 0 }, FAKE_FLOWS },
		/* Blocked now and then only. */
		{ { 0.1, 0.2, 0.9, 0.1 }, { 0.01, 0.01, 0, 0 }, LM_NONE },
		/* Two share a full lcore, none has most of it. */
		{ { 0.1, 0.2, 0.5, 0.45 }, { 0.5, 0.5, 0, 0 }, FAKE_TALKERS },
		/* The fused one passes on that its caller is blocked. */
		{ { 0.3, 0, 0.9, 0.1 }, { 0.6, 0, 0, 0 }, FAKE_TALKERS },
	};

	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(root_of(f, cases[i].busy, cases[i].blocked), cases[i].root);
	}
}

static void
test_cycles_end(void **state)
{
	struct fixture *f = *state;
	static const double busy[FAKE_OPERATORS] = { 0.9, 0.9, 0.9, 0.9 };
	static const double blocked[FAKE_OPERATORS] = { 0.9, 0.9, 0.9, 0.9 };

	f->now.wire[2] = (struct sample_wire){ .from = FAKE_TALKERS, .to = FAKE_FLOWS };
	assert_int_not_equal(root_of(f, busy, blocked), LM_NONE);
	f->now.wire[2].feedback = 1;
	assert_int_equal(root_of(f, busy, blocked), FAKE_TALKERS);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_rates_between_two),   TEST(test_since_the_start),
		TEST(test_no_time_between),     TEST(test_a_counter_that_began_anew),
		TEST(test_root_at_every_place), TEST(test_cycles_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
