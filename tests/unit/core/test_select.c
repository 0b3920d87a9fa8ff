/* SPDX-License-Identifier: BSD-3-Clause */
/* core/select.c: against a loop with a branch, for all lengths and densities, in place too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lm_batch.h"

static uint64_t random_state = 1;

static uint64_t
random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Any byte but 0 keeps a row. */
static void
random_mask(uint8_t *mask, uint32_t count, uint32_t density)
{
	for (uint32_t i = 0; i < count; i++) {
		mask[i] = random_next() % 100 < density ? (uint8_t)(1 + random_next() % 255) : 0;
	}
}

static void
check(const uint8_t *mask, const uint16_t *candidates, uint32_t count)
{
	static struct lm_select got;
	struct lm_batch batch;
	uint32_t kept = 0;

	memset(&got, 0xee, sizeof(got));
	lm_select_begin(&got, &batch);
	lm_select_mask(&got, mask, candidates, count);
	assert_ptr_equal(got.batch, &batch);
	for (uint32_t i = 0; i < count; i++) {
		if (mask[i] != 0) {
			assert_true(kept < got.count);
			assert_int_equal(got.row[kept], candidates == NULL ? i : candidates[i]);
			kept++;
		}
	}
	assert_int_equal(got.count, kept);
}

static void
test_lengths(void **state)
{
	uint16_t candidates[LM_BATCH_ROWS];

	(void)state;
	for (uint32_t count = 0; count <= LM_BATCH_ROWS; count++) {
		/* Of its exact size, so that a sanitizer sees a byte too many. */
		uint8_t *mask = malloc(count + 1);
		uint16_t *exact = malloc(count * sizeof(*exact) + 1);
		uint32_t densities[] = { 0, 100, (uint32_t)(random_next() % 100) };

		for (uint32_t i = 0, row = 0; i < count; i++) {
			uint32_t spare = LM_BATCH_ROWS - count - (row - i);

			row += (uint32_t)(random_next() % (spare < 3 ? spare + 1 : 3));
			candidates[i] = (uint16_t)row++;
		}
		memcpy(exact, candidates, count * sizeof(*exact));
		for (uint32_t i = 0; i < 3; i++) {
			random_mask(mask, count, densities[i]);
			check(mask, NULL, count);
			check(mask, exact, count);
		}
		free(mask);
		free(exact);
	}
}

static void
test_in_place(void **state)
{
	static struct lm_select select;
	uint8_t mask[LM_BATCH_ROWS];

	(void)state;
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t count = (uint32_t)(random_next() % (LM_BATCH_ROWS + 1)), kept = 0;

		lm_select_begin(&select, NULL);
		for (uint32_t i = 0; i < count; i++) {
			lm_select_add(&select, i);
		}
		random_mask(mask, count, (uint32_t)(random_next() % 101));
		select.count = 0;
		lm_select_mask(&select, mask, select.row, count);
		for (uint32_t i = 0; i < count; i++) {
			if (mask[i] != 0) {
				assert_int_equal(select.row[kept], i);
				kept++;
			}
		}
		assert_int_equal(select.count, kept);
	}
}

static void
test_adds(void **state)
{
	static struct lm_select select;
	uint16_t candidates[LM_BATCH_ROWS];
	uint8_t mask[LM_BATCH_ROWS];

	(void)state;
	memset(mask, 1, sizeof(mask));
	lm_select_begin(&select, NULL);
	for (uint32_t i = 0; i < 24; i++) {
		lm_select_add(&select, i);
	}
	for (uint32_t i = 0; i < LM_BATCH_ROWS - 24; i++) {
		candidates[i] = (uint16_t)(i + 24);
	}
	lm_select_mask(&select, mask, candidates, LM_BATCH_ROWS - 24);
	assert_int_equal(select.count, LM_BATCH_ROWS);
	for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
		assert_int_equal(select.row[i], i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_adds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
