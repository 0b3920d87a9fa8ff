/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SAMPLE_H
#define SAMPLE_H

/*
 * Sample: one reading of a running engine's numbers, as plain data. It is taken through the read
 * API of core/lm_engine.h, so it costs the lcores nothing; it is what the closing summary,
 * `lodemill top`, the statistics segment and the metrics are made from. Rates are differences of
 * two: see mgmt/rates.h.
 *
 *     struct sample now, before;
 *     sample_init(&now, engine, &about);                  both alike
 *     sample_read(&now, engine, NULL, clock_ns, ports, port_count);
 *     …
 *     sample_read(&now, engine, &before, clock_ns, ports, port_count);
 *     sample_swap(&now, &before);                         the newest is `before` of the next
 *     sample_free(&now);
 *
 * All arrays but `hist` lie in one block of memory, in the order of enum sample_part, and hold
 * neither pointers nor padding that matters: a block can be copied to another process as it is.
 *
 * Threads: one at a time per sample; any number of readers of one engine.
 */

#include "core/lm_engine.h"

/* Bytes of a name with its end; what is longer is cut, what is not clean text is replaced. */
#define SAMPLE_NAME 64u
#define SAMPLE_COUNTERS_MAX 4096u
/* The same of the version of a slice's code. */
#define SAMPLE_VERSION 24u
/* What an operator counts of its own, at most; see lm_op_gauge. */
#define SAMPLE_GAUGES 8u
/* `reason` of the drops that no name in the class table belongs to. */
#define SAMPLE_DROP_OTHER LM_DROPS_MAX

/* How many snapshots in a row failed, once people have to know: the name of a counter. */
#define SAMPLE_DEGRADED "snapshots.degraded"

/* A port's counter, named by the caller, such as "port0.imissed". */
struct sample_counter {
	char name[SAMPLE_NAME];
	uint64_t value;
};

struct sample_wire {
	uint32_t from, to; /* operators */
	uint32_t feedback; /* 1: closes a cycle */
	uint32_t padding;
};

struct sample_head {
	int64_t now_ns;                 /* of the reading; monotonic clock */
	int64_t start_ns;               /* of the engine; same clock */
	uint32_t batch_rows;            /* rows of a full batch */
	uint32_t counter_count;         /* of `counter` that are in use */
	uint64_t generation;            /* of the graph: only samples of the same one compare */
	struct lm_hist_summary latency; /* of all sinks, since the start */
	struct lm_hist_summary recent;  /* … since the sample before */
};

struct sample_operator {
	char name[SAMPLE_NAME];
	char type[SAMPLE_NAME];
	uint32_t slices;
	uint32_t is_source;  /* 1: has no input */
	uint32_t is_sink;    /* 1: latency is recorded here */
	uint32_t first_drop; /* of its entries in `drop` */
	uint64_t rows_in, batches_in;
	uint64_t rows_out, batches_out; /* of all outputs */
	uint64_t rows_absorbed, rows_unwired, rows_dropped;
	uint64_t errors, busy_ns;
	char gauge_name[SAMPLE_GAUGES][SAMPLE_NAME]; /* empty: it has none of that number */
	uint64_t gauges[SAMPLE_GAUGES];
	struct lm_hist_summary latency, recent;
};

struct sample_slice {
	uint32_t op, worker;
	char version[SAMPLE_VERSION]; /* of its code; empty: it has none */
	uint64_t rows_in, batches_in;
	uint64_t rows_out, batches_out;
	uint64_t rows_absorbed, rows_unwired, rows_dropped;
	uint64_t bytes_in, bytes_out, state_bytes; /* as in struct lm_slice_load */
	uint32_t waiting, room;
	uint64_t errors, busy_ns, turns_blocked;
	uint64_t epoch;
	int64_t watermark_ns;
	uint64_t gauges[SAMPLE_GAUGES];
};

struct sample_worker {
	uint32_t lcore;
	int32_t numa_node; /* -1: unknown */
	uint64_t turns, turns_busy;
	uint64_t busy_ns, idle_ns;
	uint64_t longest_turn_ns;
	uint64_t sleeps;
};

/* One for every reason that a class names, and one per operator for all the others. */
struct sample_drop {
	char name[SAMPLE_NAME];
	uint32_t op, reason;
	uint64_t rows;
};

enum sample_part {
	SAMPLE_HEAD,
	SAMPLE_OPERATORS,
	SAMPLE_SLICES,
	SAMPLE_WORKERS,
	SAMPLE_DROPS,
	SAMPLE_WIRES,
	SAMPLE_COUNTERS,
	SAMPLE_PARTS
};

/* How many there are of each part; the same until the graph changes. */
struct sample_shape {
	uint32_t count[SAMPLE_PARTS]; /* [SAMPLE_HEAD]: 1; [SAMPLE_COUNTERS]: room for so many */
};

struct sample {
	struct sample_shape shape;
	void *block;
	size_t size; /* of the block */
	struct sample_head *head;
	struct sample_operator *op;
	struct sample_slice *slice;
	struct sample_worker *worker;
	struct sample_drop *drop;
	struct sample_wire *wire;
	struct sample_counter *counter;
	struct lm_hist *hist;  /* [0] of all sinks, then of each one; NULL in a copy of the block */
	struct lm_hist *spare; /* for differences */
};

/* What the read API does not tell. Arrays are copied; NULL and 0 are fine everywhere. */
struct sample_about {
	const struct lm_placement *placement; /* for NUMA nodes */
	const struct sample_wire *wires;      /* for the root of backpressure */
	uint32_t wire_count;
	uint32_t counters_max; /* room for port counters; at most SAMPLE_COUNTERS_MAX */
	uint32_t batch_rows;   /* 0: LM_BATCH_ROWS */
	int64_t start_ns;      /* monotonic */
	uint64_t generation;   /* of the graph */
};

/*
 * Takes memory for samples of this engine and writes what stays the same until its graph changes.
 * 0, -ENOMEM or -E2BIG.
 */
int sample_init(struct sample *sample, const struct lm_engine *engine,
                const struct sample_about *about);
void sample_free(struct sample *sample); /* a zeroed one is fine */

/* Reads everything. `before` (may be NULL: the start) only serves the recent latency. */
void sample_read(struct sample *sample, const struct lm_engine *engine, const struct sample *before,
                 int64_t now_ns, const struct sample_counter *counters, uint32_t counter_count);
void sample_swap(struct sample *a, struct sample *b);
/* Copies the block, taking other memory where the shape is another one; without histograms. 0 or
 * -ENOMEM: then `to` is what it was. */
int sample_copy(struct sample *to, const struct sample *from);
/* Whether the difference of the two says anything: the same operators, the same slices. */
bool sample_compares(const struct sample *a, const struct sample *b);

/* Bytes of an entry of a part; where a part begins in the block, and (SAMPLE_PARTS) its size. */
size_t sample_entry_size(enum sample_part part);
size_t sample_offset(const struct sample_shape *shape, enum sample_part part);
/* Bounds of what an engine can have. */
bool sample_shape_valid(const struct sample_shape *shape);
/* Takes a zeroed block of this shape, without histograms. 0, -ENOMEM or -E2BIG (not valid). */
int sample_alloc(struct sample *sample, const struct sample_shape *shape);
/* Whether indices, counts and names of a block that came from elsewhere are in bounds. */
bool sample_valid(const struct sample *sample);

/* Rows that came in by the sources; seconds since the engine started. */
uint64_t sample_rows(const struct sample *sample);
double sample_seconds(const struct sample *sample);
/* Rows per batch of an operator as a share of a full batch: of what it takes, a source of what it
 * sends. */
double sample_fill(const struct sample *sample, uint32_t op);
/* Whether the counter of this name counts packets that were lost: imissed, ierrors, … */
bool sample_counter_is_loss(const char *name);

#endif
