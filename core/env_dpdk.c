/* SPDX-License-Identifier: BSD-3-Clause */
/* The real machine behind core/env.h: EAL's lcores and hugepages, the TSC, the kernel's files. */

#define _GNU_SOURCE
#include "core/env.h"

#include "core/log_level.h"

#include <errno.h>
#include <numa.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_pause.h>

#define HUGE_PAGE (2ul << 20)

/* Without EAL nobody knows how fast the cycle counter is: programs that are not an engine. */
static int64_t
now_without_eal(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + 1;
}

int64_t
env_now_ns(void)
{
	static double ns_per_cycle;
	static uint64_t start;

	/* The first call is made by the control thread, before there are workers. */
	if (ns_per_cycle == 0) {
		if (rte_get_tsc_hz() == 0) {
			return now_without_eal();
		}
		start = rte_rdtsc();
		ns_per_cycle = 1e9 / (double)rte_get_tsc_hz();
	}
	/* One ns is never 0: "not yet" elsewhere. */
	return (int64_t)((double)(rte_rdtsc() - start) * ns_per_cycle) + 1;
}

int64_t
env_wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000l + now.tv_nsec;
}

uint64_t
env_random(void)
{
	uint64_t value;

	if (getrandom(&value, sizeof(value), 0) != sizeof(value)) {
		abort();
	}
	return value;
}

/*
 * Memory comes from EAL's hugepages where there are some, else from ordinary pages that the kernel
 * is asked to make huge. A header in front of the block says which.
 */
struct block {
	void *base;
	size_t size; /* of the mapping; 0: from EAL */
};

static void *
block_set(char *base, size_t align, size_t size)
{
	char *memory = base + align;
	struct block block = { .base = base, .size = size };

	memcpy(memory - sizeof(block), &block, sizeof(block));
	return memory;
}

static void *
alloc_pages(size_t size, size_t align, int numa_node)
{
	size_t whole = size + align;
	char *base;

	whole = (whole + 4095) & ~4095ul;
	base = mmap(NULL, whole, PROT_READ | PROT_WRITE,
	            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		return NULL;
	}
	if (whole >= HUGE_PAGE) {
		madvise(base, whole, MADV_HUGEPAGE);
	}
	if (numa_node >= 0 && numa_available() >= 0 && numa_max_node() > 0) {
		numa_tonode_memory(base, whole, numa_node);
	}
	return block_set(base, align, whole);
}

/* Once: that a node has run out of hugepages and others stand in. */
static void
tell_far_memory(int node)
{
	static bool told;

	if (!__atomic_exchange_n(&told, true, __ATOMIC_RELAXED)) {
		env_log(4,
		        "NUMA node %d is short of free hugepages: memory of another node is taken, "
		        "which is slower",
		        node);
	}
}

/*
 * The smallest size that EAL had no memory for. What is as large is not asked for again until
 * something is freed: EAL goes through every kind of page each time, and thousands of blocks made
 * that seconds.
 */
static size_t huge_refused = SIZE_MAX;

static void *
alloc_huge(size_t size, size_t align, int numa_node)
{
	char *base = NULL;

	if (size + align >= huge_refused) {
		return NULL;
	}
	if (numa_node >= 0) {
		base = rte_zmalloc_socket("lodemill", size + align, (unsigned int)align, numa_node);
	}
	if (base == NULL) {
		base = rte_zmalloc_socket("lodemill", size + align, (unsigned int)align,
		                          SOCKET_ID_ANY);
		if (base != NULL && numa_node >= 0) {
			tell_far_memory(numa_node);
		}
	}
	if (base == NULL) {
		huge_refused = size + align;
		return NULL;
	}
	return block_set(base, align, 0);
}

void *
env_alloc(size_t size, size_t align, int numa_node)
{
	void *memory = NULL;

	size = size == 0 ? 1 : size;
	if (rte_eal_has_hugepages()) {
		memory = alloc_huge(size, align, numa_node);
	}
	return memory != NULL ? memory : alloc_pages(size, align, numa_node);
}

void
env_free(void *memory)
{
	struct block block;

	if (memory == NULL) {
		return;
	}
	memcpy(&block, (char *)memory - sizeof(block), sizeof(block));
	if (block.size == 0) {
		rte_free(block.base);
		huge_refused = SIZE_MAX;
	} else {
		munmap(block.base, block.size);
	}
}

/*
 * Devices reach EAL's memory by addresses that it has noted. Physical ones are wrong once a page
 * has moved; virtual ones are not, and where a device has a page mapped the kernel does not move
 * it.
 */
void
env_pages_of(void *memory, struct env_pages *pages)
{
	struct block block;

	memcpy(&block, (char *)memory - sizeof(block), sizeof(block));
	*pages = (struct env_pages){ .page = (size_t)sysconf(_SC_PAGESIZE), .group = HUGE_PAGE };
	if (block.size != 0) {
		pages->first = (uintptr_t)block.base;
		pages->end = pages->first + block.size;
		return;
	}
	if (rte_eal_has_hugepages()) {
		const struct rte_memseg_list *list = rte_mem_virt2memseg_list(memory);

		pages->page = list == NULL ? HUGE_PAGE : list->page_sz;
	}
	pages->fixed = rte_eal_iova_mode() == RTE_IOVA_VA ? 0 : -ENOTSUP;
	/* Whoever writes to it would wait for a tenth of a second. */
	pages->fixed = pages->page > HUGE_PAGE ? -E2BIG : pages->fixed;
}

/*
 * Every lcore of EAL's list works, the main one too. EAL has no thread to give for that one, since
 * the process's first thread stays free for control: it gets one of its own, pinned where the main
 * lcore is.
 */
struct launch {
	env_step_fn *step;
	void *arg;
	pthread_t thread;
	rte_cpuset_t cpus;
	bool is_thread;
};

static struct launch launches[RTE_MAX_LCORE];

static int
run_worker(void *arg)
{
	struct launch *launch = arg;

	while (launch->step(launch->arg)) {
	}
	return 0;
}

static void *
run_main_worker(void *arg)
{
	struct launch *launch = arg;

	pthread_setaffinity_np(pthread_self(), sizeof(launch->cpus), &launch->cpus);
	/* An lcore id of its own: caches of mempools are found by it. */
	if (rte_thread_register() != 0) {
		env_log(4,
		        "no lcore id is free for the main lcore's worker: its mbuf cache is off");
	}
	run_worker(arg);
	rte_thread_unregister();
	return NULL;
}

int
env_worker_launch(uint32_t lcore, env_step_fn *step, void *arg)
{
	struct launch *launch = &launches[lcore];
	int result;

	launch->step = step;
	launch->arg = arg;
	launch->is_thread = lcore == rte_get_main_lcore();
	if (!launch->is_thread) {
		return rte_eal_remote_launch(run_worker, launch, lcore);
	}
	launch->cpus = rte_lcore_cpuset(lcore);
	result = pthread_create(&launch->thread, NULL, run_main_worker, launch);
	if (result == 0) {
		pthread_setname_np(launch->thread, "lodemill-main");
	}
	return -result;
}

void
env_worker_join(uint32_t lcore)
{
	if (launches[lcore].is_thread) {
		pthread_join(launches[lcore].thread, NULL);
	} else {
		rte_eal_wait_lcore(lcore);
	}
}

void
env_pause(void)
{
	rte_pause();
}

/* At most a hundred lines a second; how many were left out is said when the flood is over. */
static bool
log_may_pass(uint32_t *left_out)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static time_t second;
	static uint32_t lines, dropped;
	time_t now = time(NULL);
	bool may;

	pthread_mutex_lock(&lock);
	*left_out = 0;
	if (now != second) {
		second = now;
		lines = 0;
		*left_out = dropped;
		dropped = 0;
	}
	may = lines++ < 100;
	dropped += may ? 0 : 1;
	pthread_mutex_unlock(&lock);
	return may;
}

void
env_log_of(const char *module, int level, const char *format, ...)
{
	char text[512];
	uint32_t left_out;
	va_list args;

	if (!log_level_passes(module, level, env_now_ns()) || !log_may_pass(&left_out)) {
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (left_out > 0) {
		fprintf(stderr, "lodemill: %u messages left out\n", left_out);
	}
	fprintf(stderr, "lodemill: %s: %s\n", log_level_text(level & 7), text);
}
