/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/balance.c: plans for loads, good, bad and random. */
#include "mgmt/balance.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define UNITS 64u
#define WORKERS 16u

static void
test_largest_first(void **state)
{
	struct balance_unit unit[] = { { 0, 0, 0.1 }, { 1, 0, 0.4 }, { 2, 0, 0.3 }, { 3, 1, 0 } };
	struct balance_move move[4];

	(void)state;
	/* 0.8 and 0: the 0.4 goes, both have 0.4, and nothing else is worth it. */
	assert_int_equal(balance_plan(unit, 4, 2, move), 1);
	assert_int_equal(move[0].slice, 1);
	assert_int_equal(move[0].from, 0);
	assert_int_equal(move[0].to, 1);
	assert_int_equal(unit[1].worker, 1);
}

static void
test_content(void **state)
{
	struct balance_unit even[] = { { 0, 0, 0.5 }, { 1, 1, 0.52 }, { 2, 1, 0.01 } };
	struct balance_unit one[] = { { 0, 0, 1.0 } };
	struct balance_unit idle[] = { { 0, 0, 0 }, { 1, 0, 0 } };
	struct balance_move move[4];

	(void)state;
	assert_int_equal(balance_plan(even, 3, 2, move), 0);
	/* One that fills an lcore would only fill another. */
	assert_int_equal(balance_plan(one, 1, 4, move), 0);
	assert_int_equal(balance_plan(idle, 2, 2, move), 0);
	assert_int_equal(balance_plan(even, 3, 1, move), 0);
	assert_int_equal(balance_plan(even, 0, 8, move), 0);
}

static double
fullest(const struct balance_unit *unit, uint32_t count)
{
	double busy[WORKERS] = { 0 }, most = 0;

	for (uint32_t i = 0; i < count; i++) {
		busy[unit[i].worker] += unit[i].busy;
	}
	for (uint32_t i = 0; i < WORKERS; i++) {
		most = busy[i] > most ? busy[i] : most;
	}
	return most;
}

/* No move makes it worse, none is made twice, and what the plan says is what comes of it. */
static void
test_random(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (uint32_t round = 0; round < 20000; round++) {
		struct balance_unit unit[UNITS], after[UNITS];
		struct balance_move move[UNITS];
		bool moved[UNITS] = { false };
		uint32_t count, workers, moves;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		count = (uint32_t)(random >> 32) % UNITS;
		workers = 1 + (uint32_t)(random >> 40) % WORKERS;
		for (uint32_t i = 0; i < count; i++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
			unit[i] = (struct balance_unit){ i, (uint32_t)(random >> 33) % workers,
				                         (double)(random >> 54) / 1024 };
		}
		memcpy(after, unit, sizeof(after));
		moves = balance_plan(after, count, workers, move);
		assert_true(moves <= count);
		for (uint32_t i = 0; i < moves; i++) {
			double before = fullest(unit, count);

			assert_false(moved[move[i].slice]);
			assert_int_equal(unit[move[i].slice].worker, move[i].from);
			assert_true(move[i].from != move[i].to && move[i].to < workers);
			moved[move[i].slice] = true;
			unit[move[i].slice].worker = move[i].to;
			assert_true(fullest(unit, count) <= before);
		}
		assert_memory_equal(unit, after, count * sizeof(*unit));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_largest_first),
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
