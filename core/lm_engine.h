/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_ENGINE_H
#define LM_ENGINE_H

/*
 * Embedding: from a topology to a running engine and its end.
 *
 *     graph  = lm_graph_check(topology, &errors);     all errors at once
 *     engine = lm_engine_create(graph, &placement, &errors);
 *     lm_engine_start(engine);
 *     lm_engine_wait(engine, 100 ms) …                true when every slice has ended
 *     lm_engine_stop(engine);                         sources end; what is under way is drained
 *     lm_engine_free(engine);
 *
 * Threads: one control thread makes these calls. The real engine runs inside a process that has
 * called rte_eal_init.
 */

#include "core/lm_stats.h"
#include "core/lm_topology.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LM_WORKERS_MAX 128u

struct lm_error {
	struct lm_place place;
	char message[240]; /* "operators.flows.by: no column \"sorce\"" */
	char hint[240];    /* what to do; may be empty */
};

/* All that was found wrong, in order of place. Zero-initialise; free with lm_errors_free. */
struct lm_errors {
	struct lm_error *error;
	uint32_t count, capacity;
};

void lm_errors_add(struct lm_errors *errors, struct lm_place place, const char *hint,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
void lm_errors_free(struct lm_errors *errors);

/* A checked topology: classes found, parameters parsed, schemas on every wire. */
struct lm_graph;
struct lm_graph *lm_graph_check(const struct lm_topology *topology, struct lm_errors *errors);
void lm_graph_free(struct lm_graph *graph); /* NULL is fine */

/* Which worker runs which slice. */
struct lm_placement {
	uint32_t worker_count;
	struct {
		uint32_t lcore; /* EAL's number */
		uint32_t numa_node;
		bool shares_cpu; /* with another worker: never spins */
	} worker[LM_WORKERS_MAX];
	uint16_t *worker_of; /* [slice], in the order operators were declared, slice by slice */
};

struct lm_engine;
struct lm_engine *lm_engine_create(struct lm_graph *graph, const struct lm_placement *placement,
                                   struct lm_errors *errors);
int lm_engine_start(struct lm_engine *engine);
/* Waits until all slices have ended, at most `timeout_ns`; true if they have. */
bool lm_engine_wait(struct lm_engine *engine, uint64_t timeout_ns);
/* Asks the sources to end; everything under way is drained. lm_engine_wait tells when. */
void lm_engine_stop(struct lm_engine *engine);
/* Stops at once what still runs (rows under way are counted as lost), joins the workers. */
void lm_engine_join(struct lm_engine *engine);
void lm_engine_free(struct lm_engine *engine); /* NULL is fine */
/* After the end: checks that rows, batches and epochs add up; false and a message if not. */
bool lm_engine_audit(const struct lm_engine *engine, struct lm_errors *errors);

/* Reading. Indices are 0 to count - 1; pointers stay valid until lm_engine_free. */
uint32_t lm_engine_operator_count(const struct lm_engine *engine);
uint32_t lm_engine_slice_count(const struct lm_engine *engine);
uint32_t lm_engine_worker_count(const struct lm_engine *engine);
const char *lm_engine_operator_name(const struct lm_engine *engine, uint32_t op);
const struct lm_op_class *lm_engine_operator_class(const struct lm_engine *engine, uint32_t op);
uint32_t lm_engine_slice_operator(const struct lm_engine *engine, uint32_t slice);
/* That of its operator, but for slices of other code that is tried. */
const struct lm_op_class *lm_engine_slice_class(const struct lm_engine *engine, uint32_t slice);
uint32_t lm_engine_slice_worker(const struct lm_engine *engine, uint32_t slice);
uint32_t lm_engine_worker_lcore(const struct lm_engine *engine, uint32_t worker);
void lm_engine_slice_stats(const struct lm_engine *engine, uint32_t slice,
                           struct lm_slice_stats *stats);
void lm_engine_slice_load(const struct lm_engine *engine, uint32_t slice,
                          struct lm_slice_load *load);
/* What the slice calls a gauge of its statistics (lm_op_gauge); NULL: it has none of that number.
 */
const char *lm_engine_slice_gauge(const struct lm_engine *engine, uint32_t slice, uint32_t gauge);
void lm_engine_worker_stats(const struct lm_engine *engine, uint32_t worker,
                            struct lm_worker_stats *stats);
/* Latency at the sinks, rows weighed: of one operator, or of all (LM_NONE). Adds to `hist`. */
void lm_engine_latency(const struct lm_engine *engine, uint32_t op, struct lm_hist *hist);

#ifdef __cplusplus
}
#endif

#endif
