/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef IDLE_H
#define IDLE_H

/*
 * What a worker does when nothing is to do. The default gives the CPU away in steps: spin while
 * work is likely, then yield, then sleep ever longer, so that a silent engine costs next to nothing
 * and the first event after silence still waits less than a millisecond.
 *
 * Workers that share a CPU neither spin nor yield for long: to one that yields the kernel gives a
 * turn again and again, and takes it from the one with work. They nap soon, and are late by a nap
 * at most.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/lm_topology.h"

/* Silence after which the default policy yields, naps, sleeps; and how long it naps and sleeps. On
 * a CPU that is shared it yields at once. */
#define IDLE_YIELD_AFTER_NS 50000
#define IDLE_NAP_AFTER_NS 1000000
#define IDLE_SHARED_NAP_AFTER_NS 2000
#define IDLE_SLEEP_AFTER_NS 200000000
#define IDLE_NAP_NS 50000u
#define IDLE_SLEEP_NS 600000u

struct idle {
	enum lm_idle policy;
	bool shares_cpu;  /* with another worker: never spins */
	int64_t since_ns; /* the first idle turn in a row; 0: the last one was busy */
};

/* After an idle turn at `now_ns`; returns true if it slept. */
bool idle_wait(struct idle *idle, int64_t now_ns);
/* After a busy turn. */
static inline void
idle_reset(struct idle *idle)
{
	idle->since_ns = 0;
}

#endif
