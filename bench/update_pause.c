/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * update_pause_us: how long a key waits when other code takes a keyed count over, with its state,
 * again and again under full load.
 */

#include <stdio.h>

#include "bench/pause.h"
#include "core/graph.h"

/* The count's code, and the same once more: to the engine another one. */
static struct lm_op_class other;

/* The job's graph with that code, or with the first; NULL: said why not. */
static struct lm_graph *
next_graph(struct snap_job *job, bool is_other)
{
	struct lm_errors errors = { 0 };
	struct lm_graph *graph = lm_graph_check(job->topology, &errors);

	if (graph == NULL) {
		fprintf(stderr, "update_pause_us: %s\n", errors.error[0].message);
	} else if (is_other) {
		other = *graph->op[SNAP_COUNT].class;
		graph->op[SNAP_COUNT].class = &other;
	}
	lm_errors_free(&errors);
	return graph;
}

static bool
update_once(struct snap_job *job, uint32_t at, struct pause_seen *seen)
{
	struct lm_graph *graph = next_graph(job, at % 2 == 0);
	uint32_t kept[LM_OPERATORS_MAX], heir_of[LM_OPERATORS_MAX];
	const struct lm_graph *was = job->engine->graph;
	uint16_t worker =
	    (uint16_t)lm_engine_slice_worker(job->engine, was->op[SNAP_COUNT].first_slice);
	struct change_ask ask = {
		.graph = graph, .kept = kept, .heir_of = heir_of, .workers = &worker
	};
	struct lm_errors errors = { 0 };
	struct pause_look look;
	uint64_t number;

	if (graph == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < graph->operator_count; i++) {
		heir_of[i] = i;
		kept[i] = i == SNAP_COUNT ? LM_NONE : i;
	}
	pause_look(&look, 1);
	number = engine_change(job->engine, &ask, &errors);
	if (number == 0) {
		fprintf(stderr, "update_pause_us: refused: %s\n", errors.error[0].message);
		lm_errors_free(&errors);
		lm_graph_free(graph);
		return false;
	}
	return pause_change(job, number, &look, 1, seen);
}

bool
bench_update_pause(uint32_t runs, bool small)
{
	static const struct pause_kind kind = { .name = "update_pause_us",
		                                .what = "changes between two versions",
		                                .is_shared_out = true,
		                                .changes = 200,
		                                .changes_few = 20,
		                                .change = update_once };

	return pause_bench(&kind, runs, small);
}
