/* SPDX-License-Identifier: BSD-3-Clause */
/* Edges and pools of a placed graph: the sum that memory is. */

#include "core/layout.h"

#include <stdlib.h>

#include "core/batch.h"
#include "core/edge.h"

/* Batches that a slice itself may hold: in hand, pending, one gathered, in its inbox, staged. */
static uint32_t
held_by_slice(const struct graph_operator *op)
{
	return 3 + SLICE_INBOX + 2 * op->output_count;
}

bool
layout_is_paired(const struct lm_graph *graph, const struct graph_wire *wire)
{
	return wire->grouping == LM_GROUP_FORWARD &&
	       graph->op[wire->from].slices == graph->op[wire->to].slices;
}

/* How many slices of the receiver one producer is wired to. */
static uint32_t
wire_fan(const struct lm_graph *graph, const struct graph_wire *wire)
{
	if (layout_is_paired(graph, wire) || wire->grouping == LM_GROUP_GLOBAL) {
		return 1;
	}
	return graph->op[wire->to].slices;
}

/* Edges that end in one slice of the operator, over all its wires. */
static uint32_t
edges_into_slice(const struct lm_graph *graph, uint32_t op)
{
	uint32_t count = 0;

	for (uint32_t w = 0; w < graph->wire_count; w++) {
		const struct graph_wire *wire = &graph->wire[w];

		if (wire->to == op) {
			count += layout_is_paired(graph, wire) ? 1 : graph->op[wire->from].slices;
		}
	}
	return count;
}

/* The default is shared out among the producers of a slice, so that wide exchanges stay affordable.
 */
static uint32_t
wire_credit(const struct lm_graph *graph, const struct graph_wire *wire)
{
	uint32_t credit = wire->credit;
	uint32_t producers = edges_into_slice(graph, wire->to);

	while (wire->credit_shared && producers > 1 && credit > 8) {
		credit /= 2;
		producers /= 2;
	}
	return credit;
}

/* What may have another number of slices by itself is measured by itself. */
static bool
is_elastic(const struct lm_graph *graph, uint32_t op)
{
	return graph->op[op].slices_most > 0;
}

/*
 * A slice is called directly when all that comes to it comes from one slice on its lcore by one
 * edge that always chooses it.
 */
static bool
edge_is_fused(const struct layout *layout, const struct graph_wire *wire,
              const struct layout_edge *edge)
{
	const struct lm_graph *graph = layout->graph;

	return graph->settings.fuse && !wire->feedback && wire->policy == LM_POLICY_BLOCK &&
	       !is_elastic(graph, wire->from) && !is_elastic(graph, wire->to) &&
	       wire_fan(graph, wire) == 1 && edges_into_slice(graph, wire->to) == 1 &&
	       layout->placement->worker_of[edge->from] == layout->placement->worker_of[edge->to];
}

static void
add_wire(struct layout *layout, uint32_t w)
{
	const struct lm_graph *graph = layout->graph;
	const struct graph_wire *wire = &graph->wire[w];
	const struct graph_operator *from = &graph->op[wire->from];
	const struct graph_operator *to = &graph->op[wire->to];
	uint32_t fan = wire_fan(graph, wire);

	layout->first_edge[w] = layout->edge_count;
	for (uint32_t p = 0; p < from->slices; p++) {
		for (uint32_t d = 0; d < fan; d++) {
			struct layout_edge *edge = &layout->edge[layout->edge_count++];

			edge->wire = w;
			edge->from = from->first_slice + p;
			edge->to = to->first_slice + (layout_is_paired(graph, wire) ? p : d);
			edge->credit = wire_credit(graph, wire);
		}
	}
}

/* Producers before consumers: whom a slice is called by says which chain it is in. */
static bool
fuse_edges(struct layout *layout, const uint32_t *chain)
{
	const struct lm_graph *graph = layout->graph;
	uint32_t *chain_of = malloc((graph->slice_count + 1) * sizeof(*chain_of));

	if (chain_of == NULL) {
		return false;
	}
	for (uint32_t s = 0; s < graph->slice_count; s++) {
		chain_of[s] = chain == NULL ? LM_NONE : chain[s];
	}
	for (uint32_t i = 0; i < graph->operator_count; i++) {
		for (uint32_t e = 0; e < layout->edge_count; e++) {
			struct layout_edge *edge = &layout->edge[e];
			const struct graph_wire *wire = &graph->wire[edge->wire];

			if (wire->from != graph->order[i] || !edge_is_fused(layout, wire, edge) ||
			    (chain_of[edge->to] != LM_NONE &&
			     chain_of[edge->to] != chain_of[edge->from])) {
				continue;
			}
			edge->fused = true;
			chain_of[edge->to] = chain_of[edge->from];
		}
	}
	free(chain_of);
	return true;
}

static void
add_ring_bytes(struct layout *layout)
{
	for (uint32_t e = 0; e < layout->edge_count; e++) {
		const struct layout_edge *edge = &layout->edge[e];

		if (!edge->fused) {
			layout->bytes += sizeof(struct edge) + ring_size(edge_slots(edge->credit),
			                                                 sizeof(struct edge_item));
		}
	}
}

static uint32_t
find_pool(struct layout *layout, const struct lm_schema *schema, uint32_t numa_node)
{
	for (uint32_t i = 0; i < layout->pool_count; i++) {
		if (layout->pool[i].numa_node == numa_node &&
		    lm_schema_equal(layout->pool[i].schema, schema) &&
		    layout->pool[i].schema->size == schema->size) {
			return i;
		}
	}
	layout->pool[layout->pool_count].schema = schema;
	layout->pool[layout->pool_count].numa_node = numa_node;
	return layout->pool_count++;
}

/* One pool per schema and node: forwarded batches then stay within what was counted for it. */
static void
find_pools(struct layout *layout)
{
	const struct lm_graph *graph = layout->graph;

	for (uint32_t o = 0; o < graph->operator_count; o++) {
		const struct graph_operator *op = &graph->op[o];

		for (uint32_t s = 0; s < op->slices; s++) {
			uint32_t slice = op->first_slice + s;
			uint32_t worker = layout->placement->worker_of[slice];

			for (uint32_t i = 0; i < op->output_count; i++) {
				layout->pool_of[slice * LM_PORTS_MAX + i] =
				    find_pool(layout, op->output[i],
				              layout->placement->worker[worker].numa_node);
			}
		}
	}
}

/* Adds `batches` to every pool of this schema, on whichever node: batches may travel between nodes.
 */
static void
add_batches(struct layout *layout, const struct lm_schema *schema, uint32_t batches)
{
	for (uint32_t i = 0; i < layout->pool_count; i++) {
		if (lm_schema_equal(layout->pool[i].schema, schema)) {
			layout->pool[i].batches += batches;
		}
	}
}

static void
size_pools(struct layout *layout)
{
	const struct lm_graph *graph = layout->graph;
	uint32_t workers = layout->placement->worker_count;

	for (uint32_t e = 0; e < layout->edge_count; e++) {
		const struct layout_edge *edge = &layout->edge[e];
		const struct graph_wire *wire = &graph->wire[edge->wire];

		if (!edge->fused) {
			add_batches(layout, graph->op[wire->from].output[wire->output],
			            edge->credit + EDGE_OVERFLOW + 1);
		}
	}
	for (uint32_t o = 0; o < graph->operator_count; o++) {
		const struct graph_operator *op = &graph->op[o];
		uint32_t held = held_by_slice(op) * op->slices;

		for (uint32_t i = 0; i < op->output_count; i++) {
			add_batches(layout, op->output[i], held);
		}
		for (uint32_t i = 0; i < op->input_count; i++) {
			if (op->input[i] != NULL) {
				add_batches(layout, op->input[i], held);
			}
		}
	}
	for (uint32_t i = 0; i < layout->pool_count; i++) {
		layout->pool[i].batches += workers * POOL_CACHE;
		layout->pool[i].bytes =
		    pool_size(layout->pool[i].schema, layout->pool[i].batches, workers);
		layout->bytes += layout->pool[i].bytes;
	}
}

struct layout *
layout_create(const struct lm_graph *graph, const struct lm_placement *placement,
              const uint32_t *chain)
{
	struct layout *layout = calloc(1, sizeof(*layout));
	uint32_t edges = 0;

	if (layout == NULL) {
		return NULL;
	}
	layout->graph = graph;
	layout->placement = placement;
	for (uint32_t w = 0; w < graph->wire_count; w++) {
		edges += graph->op[graph->wire[w].from].slices * wire_fan(graph, &graph->wire[w]);
	}
	layout->edge = calloc(edges + 1, sizeof(*layout->edge));
	layout->first_edge = calloc(graph->wire_count + 1, sizeof(*layout->first_edge));
	layout->pool = calloc(graph->slice_count * LM_PORTS_MAX + 1, sizeof(*layout->pool));
	layout->pool_of = calloc(graph->slice_count * LM_PORTS_MAX + 1, sizeof(*layout->pool_of));
	if (layout->edge == NULL || layout->first_edge == NULL || layout->pool == NULL ||
	    layout->pool_of == NULL) {
		layout_free(layout);
		return NULL;
	}
	for (uint32_t w = 0; w < graph->wire_count; w++) {
		add_wire(layout, w);
	}
	if (!fuse_edges(layout, chain)) {
		layout_free(layout);
		return NULL;
	}
	add_ring_bytes(layout);
	find_pools(layout);
	size_pools(layout);
	return layout;
}

void
layout_free(struct layout *layout)
{
	if (layout == NULL) {
		return;
	}
	free(layout->edge);
	free(layout->first_edge);
	free(layout->pool);
	free(layout->pool_of);
	free(layout);
}
