/* SPDX-License-Identifier: BSD-3-Clause */
/* Idle policies: from the first empty turn to a sleeping lcore. */

#include "core/idle.h"

#include "core/env.h"

static bool
idle_sleep(int64_t silence_ns)
{
	env_sleep_ns(silence_ns < IDLE_SLEEP_AFTER_NS ? IDLE_NAP_NS : IDLE_SLEEP_NS);
	return true;
}

bool
idle_wait(struct idle *idle, int64_t now_ns)
{
	int64_t silence_ns;

	if (idle->since_ns == 0) {
		idle->since_ns = now_ns;
	}
	silence_ns = now_ns - idle->since_ns;
	/* Workers that share a CPU always give it away; the one with work must get it now. */
	if (idle->shares_cpu && silence_ns < IDLE_NAP_AFTER_NS) {
		env_yield();
		return false;
	}
	switch (idle->policy) {
	case LM_IDLE_SPIN:
		if (idle->shares_cpu) {
			env_yield();
		}
		return false;
	case LM_IDLE_PAUSE:
		idle->shares_cpu ? env_yield() : env_pause();
		return false;
	case LM_IDLE_YIELD:
		env_yield();
		return false;
	default:
		break;
	}
	if (silence_ns < IDLE_YIELD_AFTER_NS) {
		env_pause();
		return false;
	}
	if (silence_ns < IDLE_NAP_AFTER_NS) {
		env_yield();
		return false;
	}
	return idle_sleep(silence_ns);
}
