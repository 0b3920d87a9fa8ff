/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Included first in every file of a build with the thread sanitizer. Where several producers share
 * a ring, DPDK lets each wait for the one before it with a relaxed load. That orders enough on the
 * machines we run on, but not by the letter of C11, to which the sanitizer keeps: here the load
 * acquires. Who waits for a thread that waits for a CPU gives it its own: all that spin take the
 * sanitizer's lock of that word over and over, and nobody comes on for seconds.
 */
#ifndef TSAN_RINGS_H
#define TSAN_RINGS_H

/* Too late behind what is included here, for those that want it. */
#undef _GNU_SOURCE
#define _GNU_SOURCE

#if __has_include(<rte_pause.h>)
#include <rte_pause.h>
#include <sched.h>

static inline void
tsan_wait_until_equal_32(volatile uint32_t *address, uint32_t expected)
{
	while (__atomic_load_n(address, __ATOMIC_ACQUIRE) != expected) {
		sched_yield();
	}
}
#define rte_wait_until_equal_32(address, expected, order)                                          \
	((void)(order), tsan_wait_until_equal_32(address, expected))
#endif

#endif
