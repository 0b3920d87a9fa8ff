/* SPDX-License-Identifier: BSD-3-Clause */
/* Random graphs in the simulator: placed anywhere, run to their end, checked, nothing left behind.
 */

#include "tests/sim/graphs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/classes.h"
#include "tests/sim/control.h"
#include "tests/sim/random_graph.h"
#include "tests/sim/sim.h"

static bool
run_graph(struct random_graph *graph, bool stops, struct lm_errors *errors)
{
	struct lm_graph *checked = lm_graph_check(graph->topology, errors);
	struct lm_engine *engine;
	struct lm_placement placement;
	bool good = false;

	if (checked == NULL) {
		return false;
	}
	sim_place(graph->slices, &placement);
	if (stops) {
		sim_stop_after(1 + sim_below(2000));
	}
	engine = lm_engine_create(checked, &placement, errors);
	if (engine != NULL) {
		control_let_change(
		    &(struct control_changes){ .may_rescale = random_graph_may_rescale,
		                               .other = random_graph_detour,
		                               .topology = graph->topology });
		good = sim_run(engine, 30000000);
		if (!good) {
			fprintf(stderr, "did not end within %" PRIu64 " steps\n", sim_steps());
		}
		if (stops) {
			random_graph_stopped(graph, engine);
		}
		good = good && lm_engine_audit(engine, errors) && random_graph_check(graph);
	}
	lm_engine_free(engine);
	lm_graph_free(checked);
	free(placement.worker_of);
	return good;
}

static bool
run_seed(uint64_t seed, bool stops)
{
	struct random_graph graph;
	struct lm_errors errors = { 0 };
	size_t before;
	bool good;

	sim_reset(seed);
	sim_collect_clear();
	before = sim_memory();
	random_graph_make(&graph, 400, 60000);
	good = run_graph(&graph, stops, &errors);
	good = sim_conclude(seed, good, before, &errors);
	lm_topology_free(graph.topology);
	return good;
}

bool
sim_graphs_run(uint64_t seed)
{
	return run_seed(seed, false);
}

bool
sim_stops_run(uint64_t seed)
{
	return run_seed(seed, true);
}
