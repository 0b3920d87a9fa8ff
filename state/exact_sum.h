/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXACT_SUM_H
#define EXACT_SUM_H

/*
 * A sum of doubles that does not depend on their order: rounding happens once, when it is read.
 *
 * The number line is cut into limbs of 64 bits at fixed places; a double covers at most two. Kept
 * are the limb of the greatest number so far and the one below, as wide integers whose carries are
 * never passed on, so what a number adds to a limb depends on nothing but the number. What lies
 * below both is dropped: less than 2^-64 of the greatest number each time. After the
 * "superaccumulator" of U. Kulisch, kept short. All zeroes is the empty sum.
 */

#include <stdint.h>
#include <string.h>

/* 128 bits that stand anywhere a word may. */
typedef __int128 exact_limb __attribute__((aligned(8)));

struct exact_sum {
	exact_limb high, low; /* limbs `top` - 1 and below, of units of 2^-1074 */
	uint32_t top;         /* index of the high limb + 1; 0: nothing added yet */
	uint32_t special;     /* enum exact_special */
};

enum exact_special { EXACT_INFINITE = 1, EXACT_MINUS_INFINITE = 2, EXACT_NAN = 4 };

double exact_sum_value(const struct exact_sum *sum);

static inline void
exact_sum_special(struct exact_sum *sum, uint64_t bits)
{
	if (bits << 12 != 0) {
		sum->special |= EXACT_NAN;
	} else {
		sum->special |= bits >> 63 ? EXACT_MINUS_INFINITE : EXACT_INFINITE;
	}
}

/* The part of a number in a limb: into one of the two that are kept, or nowhere. */
static inline void
exact_sum_part(struct exact_sum *sum, uint32_t limb, uint64_t part, int64_t sign)
{
	exact_limb value = ((__int128)part ^ sign) - sign;

	if (limb + 1 == sum->top) {
		sum->high += value;
	} else if (limb + 2 == sum->top) {
		sum->low += value;
	}
}

static inline void
exact_sum_add(struct exact_sum *sum, double number)
{
	uint64_t bits, mantissa;
	uint32_t exponent, place, limb, top;
	unsigned __int128 wide;
	int64_t sign;

	memcpy(&bits, &number, sizeof(bits));
	exponent = (uint32_t)(bits >> 52) & 0x7ff;
	if (exponent == 0x7ff) {
		exact_sum_special(sum, bits);
		return;
	}
	mantissa = (bits & 0xfffffffffffffu) | (uint64_t)(exponent != 0) << 52;
	if (mantissa == 0) {
		return;
	}
	sign = -(int64_t)(bits >> 63);
	place = exponent - (exponent != 0);
	limb = place / 64;
	wide = (unsigned __int128)mantissa << (place % 64);
	top = limb + 1 + ((uint64_t)(wide >> 64) != 0);
	if (top > sum->top) {
		sum->low = top == sum->top + 1 ? sum->high : 0;
		sum->high = 0;
		sum->top = top;
	}
	exact_sum_part(sum, limb, (uint64_t)wide, sign);
	exact_sum_part(sum, limb + 1, (uint64_t)(wide >> 64), sign);
}

#endif
