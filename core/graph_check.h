/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GRAPH_CHECK_H
#define GRAPH_CHECK_H

/*
 * What the steps of a check share. In order: graph.c takes the operators in, graph_wires.c the
 * wires, graph_cycles.c finds feedback and an order, graph.c configures in that order,
 * graph_wires.c resolves the columns of groupings. What cannot be judged because of an error
 * already reported is passed over.
 */

#include "core/graph.h"
#include "core/setup.h"
#include "core/topology.h"

struct check_operator {
	const struct topology_operator *declared;
	struct lm_setup setup;
	bool blocked;             /* an error was reported, here or upstream: not configured */
	bool wired[LM_PORTS_MAX]; /* a wire goes there, be it a faulty one */
	bool astray;              /* a wire goes to an input that there is not */
};

struct graph_check {
	const struct lm_topology *topology;
	struct lm_graph *graph;
	struct lm_errors *errors;
	struct check_operator *op;             /* as in the graph */
	const struct topology_wire **declared; /* as the wires of the graph */
	const char
	    *plugin_text[TOPOLOGY_PLUGINS_MAX]; /* as the plugins of the graph: their paths */
};

/* graph_wires.c */
void check_wires(struct graph_check *check);
void check_inputs(struct graph_check *check);
void check_groupings(struct graph_check *check);
/* The schema of what a wire carries; NULL when its producer is not configured. */
const struct lm_schema *check_wire_schema(const struct graph_check *check, uint32_t wire);
/* Reports that a wire does not carry what the input of its receiver was found to be. */
void check_wire_differs(struct graph_check *check, uint32_t wire);

/* graph_cycles.c */
void check_cycles(struct graph_check *check);
void check_order(struct graph_check *check);
void check_reach(struct graph_check *check);

/* graph.c: the operator called `name`, or LM_NONE. */
uint32_t check_find(const struct graph_check *check, const char *name);

#endif
