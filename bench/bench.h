/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_H
#define BENCH_H

/*
 * Benchmarks: each runs a job in the engine and the same job as a baseline written by hand, in
 * turn, in one process, on the same data and the same lcore, and demands the same checksum from
 * both. What comes out is one JSON line: medians, their ratio, the spread of the ratio.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lm_engine.h"
#include "core/lm_op.h"

/* One timed run of a job. */
struct bench_run {
	double seconds;
	uint64_t items;    /* rows, words, packets: what the rate counts */
	uint64_t checksum; /* of the results; equal for equal jobs */
	/* Asked of bench_topology: time counts from the first row, not from the start. */
	bool from_first_row;
};

typedef bool bench_fn(void *context, struct bench_run *run);

struct bench {
	const char *name;
	const char *unit;          /* "rows/s", "cycles/row" */
	const char *baseline_name; /* "C loop" */
	bool is_cycles;            /* the value is cycles for an item, not items in a second */
	bench_fn *engine, *baseline;
	/* Makes the data; `small` for tests. False: it cannot run here; why is said. */
	bool (*prepare)(struct bench *bench, bool small);
	void (*discard)(struct bench *bench);
	void *context;
	uint32_t lcores;   /* needed */
	double port_value; /* what the port alone gives, if there is one: a bound for both sides */
	char note[200];    /* goes into the JSON line */
};

/* Runs both sides `runs` times in turn and prints the line; false if a run failed or sums differ.
 */
bool bench_compare(struct bench *bench, uint32_t runs, bool small);

/* The line of a benchmark: medians, and the ratio with its least and greatest. */
#define BENCH_RUNS_MAX 101u
struct bench_line {
	const char *name, *unit, *baseline_name, *note;
	int digits; /* behind the point, of value and baseline */
	uint32_t runs;
	double value[BENCH_RUNS_MAX], baseline[BENCH_RUNS_MAX], ratio[BENCH_RUNS_MAX];
	const char *more; /* further keys, each with a comma behind it; NULL: none */
};
void bench_line_print(const struct bench_line *line);
double bench_quantile(const double *values, uint32_t count, double share);

/*
 * Latency over load: searches the rate that a pipeline sustains, then runs it at 1, 10, 50 and 90 %
 * of that, beside a loop that does nothing but meet the same schedule. Prints one line.
 */
bool bench_latency(uint32_t runs, bool small);

/* Snapshots of a large state: bench/snapshot_*.c. Each prints one line; false: it failed. */
bool bench_snapshot_throughput(uint32_t runs, bool small);
bool bench_snapshot_throughput_uniform(uint32_t runs, bool small);
bool bench_snapshot_p99(uint32_t runs, bool small);
bool bench_snapshot_write(uint32_t runs, bool small);
bool bench_snapshot_incremental(uint32_t runs, bool small);
bool bench_restore(uint32_t runs, bool small);
/* A job that changes while it runs; each prints one line. */
bool bench_migrate_pause(uint32_t runs, bool small);
bool bench_rescale_pause(uint32_t runs, bool small);
bool bench_rescale_windows(uint32_t runs, bool small);
bool bench_change_throughput(uint32_t runs, bool small);
bool bench_update_pause(uint32_t runs, bool small);
bool bench_update_convert(uint32_t runs, bool small);
/* Bytes of state that they are asked to have; 0: as each likes. */
extern uint64_t bench_state_bytes;

/* Scenarios: whole jobs. */
extern struct bench bench_filter_count, bench_keyed_count, bench_state_log_idle, bench_ysb,
    bench_word_count, bench_exchange, bench_rx_decode, bench_rx_testpmd, bench_rx_decode_memif;
/* Micro benchmarks: one part of the engine alone, on the calling thread. */
extern struct bench bench_micro_batch, bench_micro_gather, bench_micro_edge, bench_micro_route,
    bench_micro_hash, bench_micro_hash_text, bench_micro_map, bench_micro_decode, bench_micro_mail;

/* Data that bench_replay sources hand out by reference: batches of one schema. */
struct bench_data {
	struct lm_schema schema;
	struct lm_batch **batch;
	uint32_t count;
	uint64_t rows;
};
/* Adds an empty batch; NULL when out of memory. */
struct lm_batch *bench_data_add(struct bench_data *data);
void bench_data_free(struct bench_data *data);
/* The data that sources with `data: 0` read. */
void bench_data_use(struct bench_data *data);

/*
 * Runs a topology (text of a topology file) with every slice on the worker that `worker_of` names
 * per operator (NULL: all on the first) until it ends. Adds the sums of all bench_sinks.
 */
bool bench_topology(const char *text, const uint16_t *worker_of, uint32_t workers,
                    struct bench_run *run);
/* The same, and looks at the engine: while it runs, every `period_ns`, and before it is gone. */
typedef void bench_look_fn(struct lm_engine *engine, void *context);
struct bench_looks {
	bench_look_fn *during; /* NULL: none */
	uint64_t period_ns;
	bench_look_fn *after;
	void *context;
};
bool bench_topology_look(const char *text, const uint16_t *worker_of, uint32_t workers,
                         struct bench_run *run, const struct bench_looks *looks);
/* What bench_sink adds up for a row of these values: order does not matter between rows. */
static inline uint64_t
bench_mix(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * 0x9e3779b97f4a7c15u;
	return sum ^ (sum >> 29);
}

/* Every slice on the first worker, or as `worker_of` says; false: there are not so many lcores. */
bool bench_place(struct lm_placement *placement, const uint16_t *worker_of, uint32_t workers,
                 uint32_t slices);
/* Seconds on the monotonic clock; a small generator of random numbers. */
double bench_seconds(void);
uint64_t bench_random(uint64_t *state);
/* Pins the calling thread where the lcore at `index` of EAL's list runs; its CPU, or -1. */
int bench_pin(uint32_t index);
int bench_cpu(uint32_t index);
void bench_register_classes(void);

#endif
