/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DRAW_H
#define DRAW_H

/*
 * Random numbers of tests: the same for the same seed. Steele, Lea, Flood: "Fast splittable
 * pseudorandom number generators" (2014), as SplitMix64.
 */

#include <stdint.h>

/* Each bit of what comes depends on each bit of what goes in. */
static inline uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* The next 64 bits. */
static inline uint64_t
draw(uint64_t *seed)
{
	uint64_t bits = mix(*seed);

	*seed += 0x9e3779b97f4a7c15u;
	return bits;
}

#endif
