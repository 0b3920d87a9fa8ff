/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a sum that does not depend on order: carries, rounding to the nearest double. */

#include "state/exact_sum.h"

#include <math.h>
#include <stdbool.h>

double
exact_sum_value(const struct exact_sum *sum)
{
	__int128 high = sum->high + (sum->low >> 64);
	uint64_t word[3] = { (uint64_t)sum->low, (uint64_t)high, (uint64_t)(high >> 64) };
	bool is_negative = high < 0;
	uint32_t index = 2, shift;
	uint64_t top, rest;
	double value;

	if ((sum->special & EXACT_NAN) != 0 ||
	    sum->special == (EXACT_INFINITE | EXACT_MINUS_INFINITE)) {
		return NAN;
	}
	if (sum->special != 0) {
		return sum->special == EXACT_INFINITE ? INFINITY : -INFINITY;
	}
	/* Sign and magnitude of the 192 bits. */
	for (uint32_t i = 0, carry = 1; is_negative && i < 3; i++) {
		word[i] = ~word[i] + carry;
		carry = carry && word[i] == 0;
	}
	while (index > 0 && word[index] == 0) {
		index--;
	}
	if (word[index] == 0) {
		return 0;
	}
	/* The top 64 bits, with what is below them squeezed into the last one: rounded once. */
	shift = (uint32_t)__builtin_clzll(word[index]);
	top = word[index] << shift;
	rest = index == 0 ? 0 : index == 1 ? word[0] : word[1];
	if (shift != 0) {
		top |= rest >> (64 - shift);
		rest <<= shift;
	}
	top |= (rest | (index == 2 ? word[0] : 0)) != 0;
	value = ldexp((double)top, 64 * ((int)sum->top - 2 + (int)index) - (int)shift - 1074);
	return is_negative ? -value : value;
}
