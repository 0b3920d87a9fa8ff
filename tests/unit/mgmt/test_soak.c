/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/soak.c: what counts as worse, and what does not. */
#include "mgmt/soak.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS INT64_C(1000000)
#define SECOND UINT64_C(1000000000)

/* A source, one that is other code now, one behind it; each runs by itself. */
enum { SOURCE, OTHER, BEHIND, OPERATORS };

static const char *const reasons[] = { "late", "lost", NULL };
static const char *const reasons_before[] = { "lost", NULL };

struct fixture {
	struct soak_op op[OPERATORS];
	struct soak soak;
	struct soak_count now[OPERATORS];
	int64_t now_ns;
	char why[SOAK_WHY];
};

/* Before: 1 % of the rows are lost, a row takes 100 ns. */
static int
setup(void **state)
{
	static const char *const names[] = { "source", "other", "behind" };
	struct fixture *f = calloc(1, sizeof(*f));

	f->soak.op = f->op;
	f->soak.count = OPERATORS;
	for (uint32_t i = 0; i < OPERATORS; i++) {
		struct soak_count then = { .rows = 1000000, .busy_ns = 100000000, .head = i };

		f->op[i].name = names[i];
		f->op[i].drops = reasons;
		f->op[i].is_other = i == OTHER;
		f->op[i].is_watched = i >= OTHER;
		then.drops[0] = 10000;
		soak_expect(&f->op[i], reasons_before, &(struct soak_count){ 0 }, &then);
		f->now[i].head = i;
	}
	soak_begin(&f->soak, SECOND, 0, f->now);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	free(*state);
	return 0;
}

/* A tenth of the time passes; rows take so long. */
static bool
pass(struct fixture *f, uint64_t other_ns, uint64_t all_ns)
{
	f->now_ns += 100 * MS;
	for (uint32_t i = 0; i < OPERATORS; i++) {
		f->now[i].rows += 100000;
		f->now[i].busy_ns += 100000 * (i == OTHER ? other_ns : all_ns);
	}
	return soak_look(&f->soak, f->now_ns, f->now, soak_is_over(&f->soak, f->now_ns), f->why);
}

static void
test_as_good(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 10; i++) {
		assert_false(soak_is_over(&f->soak, f->now_ns));
		assert_false(pass(f, 900, 100));
	}
	assert_true(soak_is_over(&f->soak, f->now_ns));
}

static void
test_slow(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 4; i++) {
		assert_false(pass(f, 1100, 100));
	}
	assert_true(pass(f, 1100, 100));
	assert_string_equal(f->why, "other: a row takes 1.1 µs, and took 100 ns");
}

/* A stall now and then is none of its business; all of the time is. */
static void
test_slow_on_and_off(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 9; i++) {
		assert_false(pass(f, i % 3 == 0 ? 100 : 1100, 100));
	}
	assert_false(pass(f, 1100, 100));
	setup(state);
	free(f);
	f = *state;
	for (int i = 0; i < 9; i++) {
		assert_false(pass(f, i % 3 == 0 ? 100 : 2000, 100));
	}
	assert_true(pass(f, 2000, 100));
}

/* A thread that waits for its CPU once, however long, is none of its business either. */
static void
test_stall(void **state)
{
	struct fixture *f = *state;

	for (int when = 0; when < 10; when++) {
		setup(state);
		free(f);
		f = *state;
		for (int i = 0; i < 10; i++) {
			assert_false(pass(f, i == when ? 50000 : 900, 100));
		}
	}
	/* Rows that come in one window are all there is to judge by. */
	setup(state);
	free(f);
	f = *state;
	assert_false(pass(f, 1100, 100));
	f->now_ns += 900 * MS;
	assert_true(soak_look(&f->soak, f->now_ns, f->now, true, f->why));
}

/* The machine has less to give: allowed for, but not without end. */
static void
test_machine(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 10; i++) {
		assert_false(pass(f, 1900, 200));
	}
	setup(state);
	free(f);
	f = *state;
	for (int i = 0; i < 4; i++) {
		assert_false(pass(f, 4000, 500));
	}
	assert_true(pass(f, 4000, 500));
}

/* Who is fused to it takes as long as it does, and says nothing about the machine. */
static void
test_fused(void **state)
{
	struct fixture *f = *state;

	f->now[BEHIND].head = f->now[SOURCE].head = OTHER;
	for (int i = 0; i < 4; i++) {
		assert_false(pass(f, 1100, 1100));
	}
	assert_true(pass(f, 1100, 1100));
}

static void
test_unknown(void **state)
{
	struct fixture *f = *state;
	struct soak_count young = { .rows = 1000, .busy_ns = 100000 };

	soak_expect(&f->op[OTHER], reasons_before, &(struct soak_count){ 0 }, &young);
	for (int i = 0; i < 10; i++) {
		assert_false(pass(f, 100000, 100));
	}
}

static void
test_drops(void **state)
{
	struct fixture *f = *state;

	/* One that was there may double; one that was not may have a thousandth. */
	f->now[OTHER].drops[1] = 2000;
	f->now[BEHIND].drops[0] = 100;
	assert_false(pass(f, 100, 100));
	f->now[BEHIND].drops[0] = 250;
	assert_true(pass(f, 100, 100));
	assert_string_equal(f->why, "behind: 0.1 % of the rows are dropped (late), it was 0.0 %");
	f->now[BEHIND].drops[0] = 0;
	f->now[OTHER].drops[1] = 7000;
	assert_true(pass(f, 100, 100));
	assert_non_null(strstr(f->why, "(lost), it was 1.0 %"));
	/* Nobody asks the source. */
	f->now[OTHER].drops[1] = 0;
	f->now[SOURCE].drops[1] = 100000;
	assert_false(pass(f, 100, 100));
}

static void
test_errors(void **state)
{
	struct fixture *f = *state;

	f->op[BEHIND].errors = 0.01;
	f->now[BEHIND].errors = 1000;
	assert_false(pass(f, 100, 100));
	f->now[OTHER].errors = 1;
	assert_true(pass(f, 100, 100));
	assert_string_equal(f->why, "other: 1 errors in 200000 rows, more than there were");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_as_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_on_and_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stall, setup, teardown),
		cmocka_unit_test_setup_teardown(test_machine, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
