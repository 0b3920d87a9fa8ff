/* SPDX-License-Identifier: BSD-3-Clause */
/* Windows: where times fall, what a watermark completes. The texts: see test_window_aggregate.c. */
#include "state/lm_window.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
test_start(void **state)
{
	struct lm_window window = { .size_ns = 10 };

	(void)state;
	assert_true(lm_window_start(&window, 0) == 0);
	assert_true(lm_window_start(&window, 9) == 0);
	assert_true(lm_window_start(&window, 10) == 10);
	assert_true(lm_window_start(&window, -1) == -10);
	assert_true(lm_window_start(&window, -10) == -10);
	assert_true(lm_window_start(&window, -11) == -20);
	/* The first and the last window of all time: comparisons that wrap still find them. */
	for (int64_t time_ns = INT64_MIN; time_ns < INT64_MIN + 30; time_ns++) {
		int64_t start = lm_window_start(&window, time_ns);

		assert_true((uint64_t)time_ns - (uint64_t)start < 10);
	}
	assert_true(lm_window_start(&window, INT64_MAX) <= INT64_MAX);
}

static void
test_complete(void **state)
{
	struct lm_window window = { .size_ns = 10 };

	(void)state;
	/* [0, 10) is complete when no row at or before 9 follows. */
	assert_true(lm_window_complete(&window, 8, 0) == 0);
	assert_true(lm_window_complete(&window, 9, 0) == 10);
	assert_true(lm_window_complete(&window, 18, 0) == 10);
	assert_true(lm_window_complete(&window, 19, 0) == 20);
	assert_true(lm_window_complete(&window, 23, 5) == 10);
	assert_true(lm_window_complete(&window, 24, 5) == 20);
	assert_true(lm_window_complete(&window, -1, 0) == 0);
	assert_true(lm_window_complete(&window, INT64_MIN, 0) <= INT64_MIN + 10);
	assert_true(lm_window_complete(&window, INT64_MIN + 5, 6) == INT64_MIN);
	assert_true(lm_window_complete(&window, INT64_MAX, 1000) == INT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
