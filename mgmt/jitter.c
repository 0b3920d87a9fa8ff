/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a CPU is taken away from a thread that never lets go of it. */
#include "mgmt/jitter.h"

#include <pthread.h>
#include <string.h>

#include "core/env.h"

struct jitter_thread {
	pthread_t thread;
	struct jitter *result;
	int64_t length_ns;
	bool started;
};

/* The loop alone: whatever it calls would look like lost time. */
static void
jitter_watch(struct jitter *result, int64_t length_ns)
{
	int64_t begin = env_wall_ns(), last = begin, now;

	do {
		int64_t gap;

		now = env_wall_ns();
		gap = now - last;
		last = now;
		/* Also passes over a clock that was set back. */
		if (gap < JITTER_GAP_NS) {
			continue;
		}
		result->gaps++;
		result->lost_ns += (uint64_t)gap;
		if ((uint64_t)gap > result->gap_ns_max) {
			result->gap_ns_max = (uint64_t)gap;
		}
	} while (now >= begin && now - begin < length_ns);
	result->total_ns = (uint64_t)(now - begin);
	result->measured = now > begin;
}

static void *
jitter_run(void *arg)
{
	struct jitter_thread *self = arg;
	struct jitter *result = self->result;
	cpu_set_t own;

	CPU_ZERO(&own);
	CPU_SET(result->cpu, &own);
	if (pthread_setaffinity_np(pthread_self(), sizeof(own), &own) != 0) {
		return NULL;
	}
	jitter_watch(result, self->length_ns);
	return NULL;
}

uint32_t
jitter_measure(const cpu_set_t *cpus, double seconds, struct jitter result[JITTER_CPUS_MAX])
{
	struct jitter_thread thread[JITTER_CPUS_MAX];
	uint32_t count = 0;

	for (uint32_t cpu = 0; cpu < CPUS_MAX && count < JITTER_CPUS_MAX; cpu++) {
		if (!cpus_has(cpus, cpu)) {
			continue;
		}
		memset(&result[count], 0, sizeof(result[count]));
		result[count].cpu = cpu;
		thread[count].result = &result[count];
		thread[count].length_ns = (int64_t)(seconds * 1e9);
		thread[count].started =
		    pthread_create(&thread[count].thread, NULL, jitter_run, &thread[count]) == 0;
		count++;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (thread[i].started) {
			pthread_join(thread[i].thread, NULL);
		}
	}
	return count;
}
