/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef JITTER_H
#define JITTER_H

/*
 * How long a CPU is taken away from a thread that never lets go of it: one thread per CPU reads the
 * clock over and over; a step between two readings that is longer than reading takes was somebody
 * else's time. It needs no EAL, so the clock is that of the wall.
 */

#include <stdbool.h>

#include "mgmt/cpus.h"

#define JITTER_CPUS_MAX 128u
/* Shorter steps are the clock itself. */
#define JITTER_GAP_NS 1000

struct jitter {
	uint32_t cpu;
	bool measured; /* false: the thread could not be started there */
	uint64_t gap_ns_max;
	uint64_t lost_ns; /* in gaps, together */
	uint64_t gaps;
	uint64_t total_ns; /* the time it ran */
};

/* Runs on all CPUs of the set at once for `seconds`. Returns how many entries were filled in. */
uint32_t jitter_measure(const cpu_set_t *cpus, double seconds,
                        struct jitter result[JITTER_CPUS_MAX]);

#endif
