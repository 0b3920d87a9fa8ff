/* SPDX-License-Identifier: BSD-3-Clause */
/* core/idle.c: which rest a worker takes after how much silence, by what the simulated machine saw.
 */
#include "core/idle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/sim.h"

static struct idle idle;

static void
begin(enum lm_idle policy, bool shares_cpu)
{
	sim_reset(1);
	idle = (struct idle){ .policy = policy, .shares_cpu = shares_cpu };
}

/* 'p'ause, 'y'ield, 's'leep or nothing, after so much silence. */
static char
rest_after(int64_t silence_ns)
{
	struct sim_rests before = sim_rests(), after;
	bool slept = idle_wait(&idle, 1000000 + silence_ns);

	after = sim_rests();
	assert_int_equal(after.pauses + after.yields + after.sleeps -
	                         (before.pauses + before.yields + before.sleeps) <=
	                     1,
	                 1);
	assert_int_equal(after.sleeps - before.sleeps, slept ? 1 : 0);
	if (after.pauses > before.pauses) {
		return 'p';
	}
	if (after.yields > before.yields) {
		return 'y';
	}
	return after.sleeps > before.sleeps ? 's' : '-';
}

static uint64_t
slept_after(int64_t silence_ns)
{
	uint64_t before = sim_rests().slept_ns;

	assert_int_equal(rest_after(silence_ns), 's');
	return sim_rests().slept_ns - before;
}

/* Spin while work is likely, then yield, nap, sleep. */
static void
test_default(void **state)
{
	(void)state;
	begin(LM_IDLE_SLEEP, false);
	assert_int_equal(rest_after(0), 'p');
	assert_int_equal(rest_after(IDLE_YIELD_AFTER_NS - 1), 'p');
	assert_int_equal(rest_after(IDLE_YIELD_AFTER_NS), 'y');
	assert_int_equal(rest_after(IDLE_NAP_AFTER_NS - 1), 'y');
	assert_int_equal(slept_after(IDLE_NAP_AFTER_NS), IDLE_NAP_NS);
	assert_int_equal(slept_after(IDLE_SLEEP_AFTER_NS - 1), IDLE_NAP_NS);
	assert_int_equal(slept_after(IDLE_SLEEP_AFTER_NS), IDLE_SLEEP_NS);
	assert_int_equal(slept_after(1000000000000), IDLE_SLEEP_NS);
}

/* One busy turn and it begins again. */
static void
test_reset(void **state)
{
	(void)state;
	begin(LM_IDLE_SLEEP, false);
	rest_after(0);
	assert_int_equal(rest_after(IDLE_SLEEP_AFTER_NS), 's');
	idle_reset(&idle);
	assert_int_equal(rest_after(IDLE_SLEEP_AFTER_NS), 'p');
	assert_int_equal(rest_after(IDLE_SLEEP_AFTER_NS + IDLE_YIELD_AFTER_NS), 'y');
}

/* Who shares a CPU never burns it. */
static void
test_shared(void **state)
{
	(void)state;
	begin(LM_IDLE_SLEEP, true);
	assert_int_equal(rest_after(0), 'y');
	assert_int_equal(rest_after(IDLE_SHARED_NAP_AFTER_NS - 1), 'y');
	assert_int_equal(slept_after(IDLE_SHARED_NAP_AFTER_NS), IDLE_NAP_NS);
	assert_int_equal(slept_after(IDLE_SLEEP_AFTER_NS), IDLE_SLEEP_NS);
	for (uint32_t policy = LM_IDLE_SPIN; policy <= LM_IDLE_YIELD; policy++) {
		begin((enum lm_idle)policy, true);
		assert_int_equal(rest_after(0), 'y');
		assert_int_equal(rest_after(1000000000000), 'y');
	}
}

/* The others do one thing for ever. */
static void
test_fixed(void **state)
{
	static const struct {
		enum lm_idle policy;
		char rest;
	} cases[] = { { LM_IDLE_SPIN, '-' }, { LM_IDLE_PAUSE, 'p' }, { LM_IDLE_YIELD, 'y' } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(cases[i].policy, false);
		assert_int_equal(rest_after(0), cases[i].rest);
		assert_int_equal(rest_after(IDLE_NAP_AFTER_NS), cases[i].rest);
		assert_int_equal(rest_after(1000000000000), cases[i].rest);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_fixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
