/* SPDX-License-Identifier: BSD-3-Clause */
/* Making random graphs, and knowing what must arrive at their collectors. */

#include "tests/sim/random_graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/engine.h"
#include "core/topology.h"
#include "tests/sim/classes.h"
#include "tests/sim/sim.h"

static const enum lm_grouping any_grouping[] = {
	LM_GROUP_FORWARD, LM_GROUP_LOCAL,  LM_GROUP_SHUFFLE,     LM_GROUP_ROUND_ROBIN,
	LM_GROUP_KEY,     LM_GROUP_GLOBAL, LM_GROUP_PARTIAL_KEY, LM_GROUP_ALL,
	LM_GROUP_KEY,     LM_GROUP_KEY,    LM_GROUP_KEY,
};

static struct random_node *
add_node(struct random_graph *graph, int kind, const char *type)
{
	struct random_node *node = &graph->node[graph->count];

	memset(node, 0, sizeof(*node));
	node->kind = kind;
	snprintf(node->name, sizeof(node->name), "op%u", graph->count);
	node->slices =
	    graph->line ? 1
			: 1 + (uint32_t)sim_below(sim_below(3) == 0 ? RANDOM_GRAPH_SLICES_MAX : 3);
	lm_topology_operator(graph->topology, node->name, type);
	lm_topology_slices(graph->topology, node->name, node->slices);
	graph->count++;
	return node;
}

static void
set_number(struct random_graph *graph, struct random_node *node, const char *param, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	lm_topology_param(graph->topology, node->name, param, text);
}

static void
add_source(struct random_graph *graph, uint64_t rows)
{
	struct random_node *node = add_node(graph, SOURCE, "sim_source");

	node->rows = sim_below(rows);
	node->keys = 1 + sim_below(50);
	node->times[graph->count - 1] = 1;
	node->ordered = node->slices == 1;
	memset(node->made, 0xff, sizeof(node->made));
	set_number(graph, node, "rows", node->rows);
	set_number(graph, node, "keys", node->keys);
	lm_topology_param(graph->topology, node->name, "idles", graph->idles ? "true" : "false");
}

/* Wires `to` behind `from` and carries over what is known of the rows. */
static void
connect(struct random_graph *graph, struct random_node *from, struct random_node *to, bool first)
{
	struct lm_wire wire = { .from = from->name, .to = to->name };
	uint64_t factor = 1;

	wire.grouping = any_grouping[sim_below(sizeof(any_grouping) / sizeof(any_grouping[0]))];
	if (wire.grouping == LM_GROUP_ALL && to->slices > 3) {
		wire.grouping = LM_GROUP_KEY;
	}
	wire.columns[0] = wire.grouping == LM_GROUP_KEY || wire.grouping == LM_GROUP_PARTIAL_KEY
	                      ? (sim_below(3) != 0 ? "key" : "number")
	                      : NULL;
	if (sim_below(12) == 0) {
		wire.policy = sim_below(2) == 0 ? LM_POLICY_SHED_NEWEST : LM_POLICY_SHED_OLDEST;
	} else if (sim_below(20) == 0) {
		wire.policy = LM_POLICY_THROTTLE;
		wire.rate = 1000000;
	}
	wire.credit = 2u << sim_below(4);
	lm_topology_wire(graph->topology, &wire);
	factor = wire.grouping == LM_GROUP_ALL ? to->slices : 1;
	for (uint32_t s = 0; s < graph->count; s++) {
		to->times[s] += from->times[s] * factor * (to->kind == BURST ? to->copies : 1);
	}
	to->sheds |= from->sheds || wire.policy == LM_POLICY_SHED_NEWEST ||
	             wire.policy == LM_POLICY_SHED_OLDEST;
	to->affine = first && wire.grouping == LM_GROUP_KEY && strcmp(wire.columns[0], "key") == 0;
	/* Order holds along one path whose every hop keeps a key's rows on one edge. */
	to->ordered = first && from->ordered &&
	              (to->slices == 1 || wire.grouping == LM_GROUP_GLOBAL ||
	               (wire.grouping == LM_GROUP_KEY && strcmp(wire.columns[0], "key") == 0) ||
	               (wire.grouping == LM_GROUP_FORWARD && from->slices == to->slices));
}

static void
add_operator(struct random_graph *graph, int kind, const char *type)
{
	uint32_t upstream = graph->count, wires = 1 + (uint32_t)sim_below(2);
	struct random_node *node = add_node(graph, kind, type);
	uint32_t last = RANDOM_GRAPH_OPERATORS_MAX;

	if (kind == BURST) {
		node->copies = sim_below(6);
		set_number(graph, node, "copies", node->copies);
	}
	for (uint32_t i = 0; i < wires; i++) {
		uint32_t from = graph->line ? upstream - 1 : (uint32_t)sim_below(upstream);

		if (graph->node[from].kind != COLLECT && from != last) {
			connect(graph, &graph->node[from], node,
			        last == RANDOM_GRAPH_OPERATORS_MAX);
			last = from;
		}
	}
	if (last == RANDOM_GRAPH_OPERATORS_MAX) {
		connect(graph, &graph->node[0], node, true);
	}
}

static void
make_any(struct random_graph *graph, uint64_t rows)
{
	struct lm_settings *settings;
	bool line = sim_below(5) == 0;
	uint32_t sources = line ? 1 : 1 + (uint32_t)sim_below(3);
	uint32_t middle = (uint32_t)sim_below(line ? 12 : 7);
	uint32_t sinks = 1 + (uint32_t)sim_below(3);

	memset(graph, 0, sizeof(*graph));
	graph->line = line;
	graph->topology = lm_topology_create("random");
	graph->idles = sim_below(4) == 0;
	settings = lm_topology_settings(graph->topology);
	settings->batch_rows = 1 + (uint32_t)sim_below(sim_below(2) == 0 ? 8 : 200);
	settings->epoch_ns = sim_below(4) == 0 ? 0 : 1000 + sim_below(3000000);
	settings->partial_ns = sim_below(50000);
	settings->fuse = sim_below(3) != 0;
	settings->slots = 64u << sim_below(5);
	settings->idle = (uint32_t)sim_below(4);
	settings->seed = 1 + sim_below(1000);
	for (uint32_t i = 0; i < sources; i++) {
		add_source(graph, rows);
	}
	for (uint32_t i = 0; i < middle; i++) {
		bool burst = sim_below(3) == 0;

		add_operator(graph, burst ? BURST : PASS, burst ? "sim_burst" : "sim_pass");
	}
	for (uint32_t i = 0; i < sinks; i++) {
		struct random_node *node = &graph->node[graph->count];

		add_operator(graph, COLLECT, "sim_collect");
		lm_topology_param(graph->topology, node->name, "name", node->name);
		if (node->affine) {
			lm_topology_param(graph->topology, node->name, "affinity", "true");
		}
		if (node->ordered) {
			lm_topology_param(graph->topology, node->name, "order", "true");
		}
	}
}

/* Rows that all operators together emit: too many take too long to compare. */
static uint64_t
count_rows(const struct random_graph *graph)
{
	uint64_t rows = 0;

	for (uint32_t n = 0; n < graph->count; n++) {
		for (uint32_t s = 0; s < graph->count; s++) {
			rows += graph->node[n].times[s] * graph->node[s].rows;
		}
	}
	return rows;
}

void
random_graph_make(struct random_graph *graph, uint64_t rows, uint64_t rows_max)
{
	make_any(graph, rows);
	while (count_rows(graph) > rows_max) {
		lm_topology_free(graph->topology);
		make_any(graph, rows);
	}
	for (uint32_t n = 0; n < graph->count; n++) {
		graph->slices += graph->node[n].slices;
		graph->sheds |= graph->node[n].sheds;
	}
}

/* Row k of slice s is number k * slices + s. */
static bool
was_made(const struct random_node *source, uint64_t number)
{
	return number / source->slices < source->made[number % source->slices];
}

static void
expect(const struct random_graph *graph, const struct random_node *node, struct sim_lines *lines)
{
	for (uint32_t s = 0; s < graph->count; s++) {
		const struct random_node *source = &graph->node[s];

		for (uint64_t number = 0; source->kind == SOURCE && number < source->rows;
		     number++) {
			uint64_t times = was_made(source, number) ? node->times[s] : 0;
			char text[128];

			snprintf(text, sizeof(text), "%" PRIu64 ",%" PRIu64,
			         sim_source_key(number, source->keys), number);
			for (uint64_t i = 0; i < times; i++) {
				sim_lines_add(lines, text);
			}
		}
	}
	sim_lines_sort(lines);
}

/* Key and number say all; the time is cut off. */
static void
cut_times(struct sim_lines *lines)
{
	for (uint32_t i = 0; i < lines->count; i++) {
		*strrchr(lines->line[i], ',') = '\0';
	}
	sim_lines_sort(lines);
}

static bool
check_node(const struct random_graph *graph, const struct random_node *node)
{
	struct sim_lines expected = { 0 };
	struct sim_lines *got = sim_collected(node->name);
	bool good;

	expect(graph, node, &expected);
	cut_times(got);
	if (node->sheds) {
		good = sim_lines_within(got, &expected, node->name);
	} else {
		good = sim_lines_equal(&expected, got, node->name);
	}
	sim_lines_clear(&expected);
	return good;
}

void
random_graph_stopped(struct random_graph *graph, const struct lm_engine *engine)
{
	for (uint32_t n = 0; n < graph->count; n++) {
		uint32_t first = engine->graph->op[n].first_slice;

		for (uint32_t i = 0; graph->node[n].kind == SOURCE && i < graph->node[n].slices;
		     i++) {
			struct lm_slice_stats stats;

			lm_engine_slice_stats(engine, first + i, &stats);
			graph->node[n].made[i] = stats.rows_out[0];
		}
	}
}

bool
random_graph_check(const struct random_graph *graph)
{
	for (uint32_t n = 0; n < graph->count; n++) {
		if (graph->node[n].kind == COLLECT && !check_node(graph, &graph->node[n])) {
			return false;
		}
	}
	if (!graph->idles && !graph->sheds && sim_disorder() != 0) {
		fprintf(stderr, "%" PRIu64 " rows or epochs out of order\n", sim_disorder());
		return false;
	}
	return true;
}

/*
 * Whether rows arrive in the order that the scenario expects, however many slices it has: by its
 * key, which is the first column, or in any order.
 */
bool
random_graph_may_rescale(const struct lm_graph *graph, uint32_t op)
{
	const struct lm_graph *base = graph->base == NULL ? graph : graph->base;
	bool by_key = true, to_all = false, forward = false, in_order = base->op[op].slices == 1;
	uint32_t inputs = 0;

	for (uint32_t w = 0; w < graph->wire_count; w++) {
		const struct graph_wire *wire = &graph->wire[w];

		if (wire->to == op) {
			inputs++;
			by_key &= wire->grouping == LM_GROUP_KEY && wire->field[0] == 0;
			to_all |= wire->grouping == LM_GROUP_ALL;
			in_order |= wire->declared == LM_GROUP_KEY ||
			            wire->declared == LM_GROUP_GLOBAL ||
			            wire->declared == LM_GROUP_FORWARD;
		}
		forward |= wire->from == op && wire->declared == LM_GROUP_FORWARD;
	}
	return strncmp(graph->op[op].class->name, "sim_", 4) == 0 &&
	       graph->op[op].output_count > 0 && inputs > 0 && !to_all &&
	       ((by_key && !forward) || !in_order || inputs > 1);
}

/* Where order is by key, or nobody's, and nothing is shed or copied. */
static bool
may_go_round(const struct lm_graph *graph, const struct graph_wire *wire)
{
	bool by_key = wire->declared == LM_GROUP_KEY && wire->field[0] == 0;

	return wire->policy == LM_POLICY_BLOCK && !wire->feedback && by_key &&
	       graph->op[wire->to].class->outputs != NULL;
}

static void
copy_operators(struct lm_topology *to, const struct lm_topology *from)
{
	for (uint32_t i = 0; i < from->operator_count; i++) {
		const struct topology_operator *op = &from->op[i];

		lm_topology_operator(to, op->name, op->type);
		lm_topology_slices(to, op->name, op->slices);
		for (uint32_t p = 0; p < op->param_count; p++) {
			lm_topology_param(to, op->name, op->param[p].name,
			                  op->param[p].item[0].text);
		}
	}
}

struct lm_topology *
random_graph_detour(const struct lm_topology *topology, const struct lm_graph *graph)
{
	uint32_t chosen = (uint32_t)sim_below(topology->wire_count), tried = 0;
	struct lm_topology *copy;

	while (!may_go_round(graph, &graph->wire[chosen])) {
		chosen = (chosen + 1) % topology->wire_count;
		if (++tried == topology->wire_count) {
			return NULL;
		}
	}
	copy = lm_topology_create(topology->name);
	*lm_topology_settings(copy) = topology->settings;
	copy_operators(copy, topology);
	lm_topology_operator(copy, "detour", "sim_pass");
	lm_topology_slices(copy, "detour", 1 + (uint32_t)sim_below(4));
	for (uint32_t w = 0; w < topology->wire_count; w++) {
		struct lm_wire wire = topology->wire[w].wire;

		if (w == chosen) {
			struct lm_wire there = wire;

			there.to = "detour";
			wire.from = "detour";
			wire.output = NULL;
			lm_topology_wire(copy, &there);
		}
		lm_topology_wire(copy, &wire);
	}
	return copy;
}
