/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables by key: which keys have a place, where it is, where counting stops. */
#include "state/lm_near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool
settle(const uint64_t *keys, uint32_t count, uint64_t *first)
{
	struct lm_near_rows in = { .keys = keys, .width = 8, .count = count };

	return lm_near_settle(&in, first);
}

static void
test_settle(void **state)
{
	const uint64_t small[] = { 5, 4095 }, wide[] = { 5, 4101 }, just[] = { 10006, 14101 };
	const uint64_t one[] = { 1000000 }, low[] = { 3000, 4096 }, high[] = { UINT64_MAX };
	uint64_t first = 1;

	(void)state;
	assert_true(settle(small, 2, &first));
	assert_true(first == 0);
	assert_false(settle(wide, 2, &first));
	assert_true(settle(just, 2, &first));
	assert_true(first == 10006);
	assert_true(settle(one, 1, &first));
	assert_true(first == 1000000 - 2048);
	assert_true(settle(low, 2, &first));
	assert_true(first == 3000 - 1500);
	assert_true(settle(high, 1, &first));
	assert_true(first == UINT64_MAX - 2048);
	assert_false(settle(one, 0, &first));
}

/* All widths, with and without rows. */
static void
test_values(void **state)
{
	const uint8_t keys8[] = { 7, 250, 9 };
	const uint16_t keys16[] = { 7, 250, 9 };
	const uint32_t keys32[] = { 7, 250, 9 };
	const uint64_t keys64[] = { 7, 250, 9 };
	const void *const keys[] = { keys8, keys16, keys32, keys64 };
	const uint16_t rows[] = { 0, 2 };
	char table[1];
	void *values[3];

	(void)state;
	for (uint32_t w = 0; w < 4; w++) {
		struct lm_near_rows in = { .keys = keys[w], .width = 1u << w, .count = 3 };

		assert_true(lm_near_values(&in, 5, table, 24, values));
		assert_true((uintptr_t)values[1] - (uintptr_t)table == 245 * 24);
		in.rows = rows;
		in.count = 2;
		assert_true(lm_near_values(&in, 7, table, 8, values));
		assert_true(values[0] == table);
		assert_true((uintptr_t)values[1] - (uintptr_t)table == 16);
		assert_false(lm_near_values(&in, 8, table, 8, values));
	}
}

static void
test_count(void **state)
{
	const uint32_t keys[] = { 1, 2, 2, 4095, 4096, 2 };
	int64_t time_ns[] = { 10, 19, 15, 10, 10, 10 };
	const uint16_t rows[] = { 2, 3, 5, 4 };
	struct lm_near_rows in = { .keys = keys, .width = 4, .count = 6 };
	struct lm_near_times times = { .time_ns = time_ns, .start = 10, .size = 10 };
	static uint64_t table[LM_NEAR_KEYS];

	(void)state;
	assert_int_equal(lm_near_count(&in, &times, 0, table), 4);
	assert_int_equal(table[2], 2);
	assert_int_equal(table[4095], 1);
	in.rows = rows;
	in.count = 4;
	assert_int_equal(lm_near_count(&in, &times, 0, table), 3);
	assert_int_equal(table[2], 4);
	assert_int_equal(lm_near_count(&in, &times, 1, table), 4);
	time_ns[3] = 20;
	assert_int_equal(lm_near_count(&in, &times, 0, table), 1);
	time_ns[2] = 9;
	assert_int_equal(lm_near_count(&in, &times, 0, table), 0);
	assert_int_equal(table[0], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settle),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
