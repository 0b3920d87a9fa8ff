/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ROUNDS_H
#define ROUNDS_H

/*
 * How many of so many rounds to go, in what is random or breaks at each call: all of them, and a
 * sixth under sanitizers, where each takes ten times as long. LODEMILL_LONG=1: all there, too.
 */

#include <stdint.h>
#include <stdlib.h>

static inline uint64_t
rounds(uint64_t all)
{
#if defined(__SANITIZE_ADDRESS__)
	const char *is_long = getenv("LODEMILL_LONG");

	return is_long != NULL && is_long[0] == '1' ? all : (all + 5) / 6;
#else
	return all;
#endif
}

#endif
