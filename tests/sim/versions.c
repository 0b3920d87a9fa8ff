/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A job whose operators get other code while it runs, and the code before again, at any moment and
 * with other numbers of slices: two versions whose state is of another form, and whose columns
 * between two of the operators are others. Each key's rows must have counted on, one after the
 * other, must have met one version at a time in both operators, and must have changed over as often
 * as the job did. Where their columns are the same, the other code is tried on some slots first. In
 * some runs one slot cannot be converted: nothing that it had is lost.
 */

#include "tests/sim/versions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "core/topology.h"
#include "state/convert.h"
#include "tests/sim/class_versions.h"
#include "tests/sim/classes.h"
#include "tests/sim/control.h"
#include "tests/sim/sim.h"

struct run {
	struct lm_topology *topology;
	uint64_t rows, keys;
	uint32_t fails;
	bool tries;
};

static void
number(struct lm_topology *topology, const char *op, const char *param, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	lm_topology_param(topology, op, param, text);
}

/* numbers -> tally by key -> follow by key -> total -> seen. */
static struct lm_topology *
make(uint64_t rows, uint64_t keys, uint32_t tallies, uint32_t follows)
{
	struct lm_topology *topology = lm_topology_create("versions");

	lm_topology_operator(topology, "numbers", "sim_source");
	number(topology, "numbers", "rows", rows);
	number(topology, "numbers", "keys", keys);
	lm_topology_operator(topology, "tally", "sim_tally");
	lm_topology_param(topology, "tally", "by", "key");
	lm_topology_slices(topology, "tally", tallies);
	lm_topology_operator(topology, "follow", "sim_follow");
	lm_topology_param(topology, "follow", "by", "key");
	lm_topology_slices(topology, "follow", follows);
	lm_topology_operator(topology, "total", "sim_total");
	lm_topology_operator(topology, "seen", "sim_switches");
	lm_topology_wire(topology, &(struct lm_wire){ .from = "numbers",
	                                              .to = "tally",
	                                              .grouping = LM_GROUP_KEY,
	                                              .columns = { "key" } });
	lm_topology_wire(topology, &(struct lm_wire){ .from = "tally",
	                                              .to = "follow",
	                                              .grouping = LM_GROUP_KEY,
	                                              .columns = { "key" } });
	lm_topology_wire(
	    topology,
	    &(struct lm_wire){ .from = "follow", .to = "total", .grouping = LM_GROUP_GLOBAL });
	lm_topology_wire(topology, &(struct lm_wire){ .from = "total", .to = "seen" });
	return topology;
}

static uint32_t
any_slices(void)
{
	return 1 + (uint32_t)sim_below(sim_below(3) == 0 ? 6 : 3);
}

static struct lm_topology *
other(const struct lm_topology *topology, const struct lm_graph *graph)
{
	uint64_t rows = strtoull(topology->op[0].param[0].item[0].text, NULL, 10);
	uint64_t keys = strtoull(topology->op[0].param[1].item[0].text, NULL, 10);
	bool same = sim_below(2) == 0;
	struct lm_topology *next;

	(void)graph;
	next = make(rows, keys, same ? topology->op[1].slices : any_slices(),
	            same ? topology->op[2].slices : any_slices());
	*lm_topology_settings(next) = topology->settings;
	return next;
}

static void
code(bool is_other)
{
	versions_put_in(is_other ? 2 : 1);
}

static bool
may_rescale(const struct lm_graph *graph, uint32_t op)
{
	return (graph->op[op].class->flags & LM_OP_KEYED) != 0;
}

static bool
is(uint64_t want, uint64_t got, const char *what)
{
	if (want != got) {
		fprintf(stderr, "%s: %" PRIu64 ", not %" PRIu64 "\n", what, got, want);
	}
	return want == got;
}

static bool
check(const struct run *run, const struct lm_engine *engine)
{
	const struct versions_seen *seen = &versions_seen;
	uint64_t count = 0, of_total = run->rows - seen->refused;
	struct conversion_report report;
	bool good = true;

	engine_conversion(engine, 0, &report);
	for (uint32_t key = 0; key < VERSIONS_KEYS; key++) {
		count += seen->count[key];
		if (seen->switches[key] > engine->generation) {
			good = is(engine->generation, seen->switches[key], "changes of a key");
		}
	}
	good &= is(0, seen->disorder, "counts out of order");
	good &= is(0, seen->damage, "numbers of another version");
	good &= is(of_total, count, "rows");
	good &= is(of_total, seen->in_value, "in the value");
	good &= is(of_total, seen->in_map, "in the map");
	good &= is(of_total, seen->in_text, "in what was serialized");
	if (run->fails == UINT32_MAX) {
		good &= is(0, seen->refused, "rows refused");
		good &= is(0, report.has_failed, report.why);
	}
	return good;
}

static bool
run_job(struct run *run, struct lm_errors *errors)
{
	struct lm_graph *graph = lm_graph_check(run->topology, errors);
	struct lm_placement placement;
	struct lm_engine *engine;
	bool good = false;

	if (graph == NULL) {
		return false;
	}
	sim_place(graph->slice_count, &placement);
	engine = lm_engine_create(graph, &placement, errors);
	if (engine != NULL) {
		control_let_change(&(struct control_changes){ .may_rescale = may_rescale,
		                                              .other = other,
		                                              .code = code,
		                                              .tries = run->tries,
		                                              .may_check = true,
		                                              .topology = run->topology });
		good = sim_run(engine, 30000000);
		if (!good) {
			fprintf(stderr, "did not end within %" PRIu64 " steps\n", sim_steps());
		}
		good = good && lm_engine_audit(engine, errors) && check(run, engine);
	}
	lm_engine_free(engine);
	lm_graph_free(graph);
	free(placement.worker_of);
	return good;
}

bool
sim_versions_run(uint64_t seed)
{
	struct run run = { 0 };
	struct lm_errors errors = { 0 };
	struct lm_settings *settings;
	enum versions_form form;
	size_t before;
	bool good;

	sim_reset(seed);
	before = sim_memory();
	/* No time passes while a slot is converted: it has one step, or as many as can be. */
	conversion_step_ns = (int64_t)(seed % 2);
	run.rows = sim_below(sim_below(3) == 0 ? 20000 : 3000);
	run.keys = 1 + sim_below(VERSIONS_KEYS);
	run.fails = sim_below(4) == 0 ? (uint32_t)sim_below(16) : UINT32_MAX;
	form = sim_below(2) == 0 ? VERSIONS_MARKED : (enum versions_form)(1 + sim_below(2));
	versions_begin(run.fails, form);
	run.tries = form != VERSIONS_MARKED;
	run.topology = make(run.rows, run.keys, any_slices(), any_slices());
	settings = lm_topology_settings(run.topology);
	settings->seed = 1 + sim_below(1000);
	settings->batch_rows = 1 + (uint32_t)sim_below(sim_below(2) == 0 ? 8 : 200);
	settings->slots = 64u << sim_below(2);
	settings->credit = 2u << sim_below(4);
	settings->epoch_ns = 1000 + sim_below(300000);
	settings->partial_ns = sim_below(50000);
	settings->fuse = sim_below(3) != 0;
	good = run_job(&run, &errors);
	good = sim_conclude(seed, good, before, &errors);
	lm_topology_free(run.topology);
	return good;
}
