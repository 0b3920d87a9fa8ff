/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/env.h by POSIX threads and malloc, without EAL: every access to memory is seen by the
 * sanitizers. Workers run for real, at the same time, as many as there are on however few CPUs.
 */
#include "core/env.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORKERS_MAX 64u

static struct {
	pthread_t thread;
	env_step_fn *step;
	void *arg;
} workers[WORKERS_MAX];

static int64_t
clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t
env_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t
env_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

uint64_t
env_random(void)
{
	static uint64_t state;
	uint64_t x = __atomic_add_fetch(&state, 0x9e3779b97f4a7c15u, __ATOMIC_RELAXED);

	return (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
}

void *
env_alloc(size_t size, size_t align, int numa_node)
{
	size_t whole = (size + align) / align * align;
	void *memory = aligned_alloc(align, whole);

	(void)numa_node;
	if (memory != NULL) {
		memset(memory, 0, whole);
	}
	return memory;
}

void
env_free(void *memory)
{
	free(memory);
}

static void *
run_worker(void *index)
{
	uintptr_t i = (uintptr_t)index;

	while (workers[i].step(workers[i].arg)) {
	}
	return NULL;
}

/* There is one node. */
void
env_pages_of(void *block, struct env_pages *pages)
{
	(void)block;
	*pages = (struct env_pages){ .page = 4096 };
}

int
env_pages_follow(const struct env_pages *pages)
{
	(void)pages;
	return -ENOSYS;
}

int
env_pages_move(const uintptr_t *page, uint32_t count, int node, int *where)
{
	(void)page;
	(void)count;
	(void)node;
	(void)where;
	return -ENOSYS;
}

int
env_worker_launch(uint32_t lcore, env_step_fn *step, void *arg)
{
	if (lcore >= WORKERS_MAX) {
		return -E2BIG;
	}
	workers[lcore].step = step;
	workers[lcore].arg = arg;
	return -pthread_create(&workers[lcore].thread, NULL, run_worker, (void *)(uintptr_t)lcore);
}

void
env_worker_join(uint32_t lcore)
{
	pthread_join(workers[lcore].thread, NULL);
}

void
env_pause(void)
{
	sched_yield();
}

void
env_log_of(const char *module, int level, const char *format, ...)
{
	va_list args;

	(void)module;
	if (level <= 4) {
		va_start(args, format);
		fprintf(stderr, "# ");
		vfprintf(stderr, format, args);
		fprintf(stderr, "\n");
		va_end(args);
	}
}
