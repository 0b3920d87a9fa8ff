/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums of doubles: exact where doubles of one size are added, the same in any order always. */
#include "state/exact_sum.h"
#include "tests/draw.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define NUMBERS 1000u

static double
sum_of(const double *number, uint32_t count)
{
	struct exact_sum sum = { 0 };

	for (uint32_t i = 0; i < count; i++) {
		exact_sum_add(&sum, number[i]);
	}
	return exact_sum_value(&sum);
}

static void
assert_same(double a, double b)
{
	assert_memory_equal(&a, &b, sizeof(a));
}

static void
test_known(void **state)
{
	const double cancel[] = { 1e16, 1, -1e16 }, tiny[] = { 5e-324, 5e-324, -1e-310 };
	const double halves[] = { 9007199254740992.0, 1, 0.25 };
	const double big[] = { 1e308, 1e308 }, back[] = { 1e308, 1e308, -1e308 };
	const double minus[] = { -0.1, -0.2, -0.7 };
	const double far_bit[] = { 0x1p53, 1, 0x1p-40 };
	const double carried[] = { 0x1p77, 0x1p77, 0x1p25, 0x1p-40 };

	(void)state;
	assert_same(sum_of(NULL, 0), 0);
	assert_same(sum_of(cancel, 3), 1);
	assert_same(sum_of(tiny, 3), 2 * 5e-324 - 1e-310);
	/* Beyond a tie: rounded once, up. */
	assert_same(sum_of(halves, 3), 9007199254740994.0);
	assert_same(sum_of(halves, 2), 9007199254740992.0);
	assert_same(sum_of(big, 2), INFINITY);
	assert_same(sum_of(back, 3), 1e308);
	assert_same(sum_of(minus, 3), -1.0);
	/* What decides is more than 64 bits below the first. */
	assert_same(sum_of(far_bit, 3), 0x1p53 + 2);
	assert_same(sum_of(carried, 4), 0x1p78 + 0x1p26);
	assert_same(sum_of(carried, 3), 0x1p78);
}

static void
test_special(void **state)
{
	const double plus[] = { 1, INFINITY, 2 }, minus[] = { -INFINITY, 5 };
	const double both[] = { INFINITY, -INFINITY }, none[] = { 1, NAN, INFINITY };

	(void)state;
	assert_same(sum_of(plus, 3), INFINITY);
	assert_same(sum_of(minus, 2), -INFINITY);
	assert_true(isnan(sum_of(both, 2)));
	assert_true(isnan(sum_of(none, 3)));
}

/* Integers times a power of two, across limbs: against wide integers. */
static void
test_against_integers(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int scale = -1074; scale < 960; scale += 7) {
		struct exact_sum sum = { 0 };
		__int128 expected = 0;

		for (uint32_t i = 0; i < 200; i++) {
			int64_t number = (int64_t)draw(&seed) >> (11 + draw(&seed) % 3);

			expected += number;
			exact_sum_add(&sum, ldexp((double)number, scale));
		}
		assert_same(exact_sum_value(&sum), ldexp((double)expected, scale));
	}
}

static void
test_any_order(void **state)
{
	double number[NUMBERS];
	uint64_t seed = 7;

	(void)state;
	for (uint32_t round = 0; round < 50; round++) {
		double first;

		for (uint32_t i = 0; i < NUMBERS; i++) {
			uint64_t bits = draw(&seed);

			/* All sizes, or only some that lie within a few limbs. */
			if (round % 2 != 0) {
				bits = (bits & ~(UINT64_C(0x7ff) << 52)) | (950 + draw(&seed) % 160)
				                                               << 52;
			} else if ((bits >> 52 & 0x7ff) == 0x7ff) {
				bits ^= UINT64_C(1) << 60;
			}
			memcpy(&number[i], &bits, sizeof(bits));
		}
		first = sum_of(number, NUMBERS);
		for (uint32_t shuffle = 0; shuffle < 20; shuffle++) {
			for (uint32_t i = NUMBERS - 1; i > 0; i--) {
				uint32_t j = (uint32_t)(draw(&seed) % (i + 1));
				double swap = number[i];

				number[i] = number[j];
				number[j] = swap;
			}
			assert_same(sum_of(number, NUMBERS), first);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_special),
		cmocka_unit_test(test_against_integers),
		cmocka_unit_test(test_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
