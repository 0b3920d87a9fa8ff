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
};

typedef bool bench_fn(void *context, struct bench_run *run);

struct bench {
	const char *name;
	const char *unit;          /* of the rate: "rows/s" */
	const char *baseline_name; /* "C loop" */
	bool lower_is_better;      /* the rate is a time */
	bench_fn *engine, *baseline;
	/* Makes the data; `small` for tests. False: it cannot run here; why is said. */
	bool (*prepare)(struct bench *bench, bool small);
	void (*discard)(struct bench *bench);
	void *context;
	uint32_t lcores; /* needed */
	char note[200];  /* goes into the JSON line */
};

/* Runs both sides `runs` times in turn and prints the line; false if a run failed or sums differ.
 */
bool bench_compare(struct bench *bench, uint32_t runs, bool small);

/*
 * Latency over load: a generator at 1, 10, 50 and 90 % of the rate that the pipeline sustains,
 * beside a bare loop that only meets the same schedule: what this machine's noise alone does.
 * Prints one line.
 */
bool bench_latency(bool small);

extern struct bench bench_filter_count, bench_keyed_count, bench_state_log_idle, bench_ysb,
    bench_word_count, bench_exchange, bench_rx_decode;

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
/* The same, and a look at the engine before it is gone. */
typedef void bench_look_fn(struct lm_engine *engine, void *context);
bool bench_topology_look(const char *text, const uint16_t *worker_of, uint32_t workers,
                         struct bench_run *run, bench_look_fn *look, void *context);
/* What bench_sink adds up for a row of these values: order does not matter between rows. */
static inline uint64_t
bench_mix(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * 0x9e3779b97f4a7c15u;
	return sum ^ (sum >> 29);
}

/* Seconds on the monotonic clock; a small generator of random numbers. */
double bench_seconds(void);
uint64_t bench_random(uint64_t *state);
/* Pins the calling thread where the first lcore of EAL's list runs. */
void bench_pin(uint32_t index);
void bench_register_classes(void);

#endif
