/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ENV_H
#define ENV_H

/*
 * The seam: everything the engine takes from the machine. Two implementations, chosen at link time:
 * core/env_dpdk.c (EAL's memory, clock and lcores) and tests/sim/env_sim.c (one thread, virtual
 * time, a seed, faults). Nothing in core, state, operators or net asks the machine past this
 * header.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Monotonic clock, ns. Cheap; still read once per batch, never per row. */
int64_t env_now_ns(void);
/* Nanoseconds since 1970-01-01 UTC. */
int64_t env_wall_ns(void);
/* 64 unpredictable bits (in the simulator: from the seed). Control threads. */
uint64_t env_random(void);

/*
 * Zeroed memory on a NUMA node (-1: any), aligned to `align` (a power of two, at least 64), from
 * hugepages where there are any. Control threads, before start; NULL when there is none.
 */
void *env_alloc(size_t size, size_t align, int numa_node);
void env_free(void *memory);

/* Runs step(arg) on a worker over and over until it returns false; joined by env_worker_join. */
typedef bool env_step_fn(void *arg);
int env_worker_launch(uint32_t lcore, env_step_fn *step, void *arg);
void env_worker_join(uint32_t lcore);
/* A worker with nothing to do: let the CPU rest, give it away, sleep. */
void env_pause(void);
void env_yield(void);
void env_sleep_ns(uint64_t ns);

/* Files, for operators that read and write them. Results: bytes or 0, else -errno. */
int env_file_open(const char *path, int flags, int mode);
ssize_t env_file_read(int file, void *bytes, size_t size);
ssize_t env_file_write(int file, const void *bytes, size_t size);
int env_file_seek(int file, uint64_t offset); /* from the beginning */
int env_file_sync(int file);
int env_file_close(int file);
int env_file_rename(const char *from, const char *to);

/* A line for people; level as in syslog (3 error, 4 warning, 6 info). Any thread, rate-limited. */
void env_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
