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
	int64_t nap_after_ns = idle->shares_cpu ? IDLE_SHARED_NAP_AFTER_NS : IDLE_NAP_AFTER_NS;
	int64_t silence_ns;

	if (idle->since_ns == 0) {
		idle->since_ns = now_ns;
	}
	silence_ns = now_ns - idle->since_ns;
	if (idle->policy == LM_IDLE_SLEEP && silence_ns >= nap_after_ns) {
		return idle_sleep(silence_ns);
	}
	if (idle->shares_cpu || idle->policy == LM_IDLE_YIELD ||
	    (idle->policy == LM_IDLE_SLEEP && silence_ns >= IDLE_YIELD_AFTER_NS)) {
		env_yield();
	} else if (idle->policy != LM_IDLE_SPIN) {
		env_pause();
	}
	return false;
}
