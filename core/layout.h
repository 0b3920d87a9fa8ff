/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LAYOUT_H
#define LAYOUT_H

/*
 * What a placed graph is made of, before any of it exists: its edges with their credit, which of
 * them are fused, its pools with their size. Pure: `plan` prints it and the engine builds it. The
 * number of batches is a sum, so pools cannot run dry and memory is known before start.
 */

#include "core/graph.h"

struct layout_edge {
	uint32_t wire;
	uint32_t from, to; /* slices */
	uint32_t credit;
	bool fused;
};

struct layout_pool {
	const struct lm_schema *schema; /* of the first output with it */
	uint32_t numa_node;
	uint32_t batches;
	size_t bytes;
};

struct layout {
	const struct lm_graph *graph;
	const struct lm_placement *placement;
	struct layout_edge
	    *edge; /* wire by wire, producer by producer, destination by destination */
	uint32_t edge_count;
	uint32_t *first_edge; /* [wire] */
	struct layout_pool *pool;
	uint32_t pool_count;
	uint32_t *pool_of; /* [slice * LM_PORTS_MAX + output] */
	size_t bytes;      /* pools and rings */
};

/*
 * NULL when out of memory. The graph and the placement must outlive it. `chain`: where some of the
 * slices run already, the number of the chain that each is in, LM_NONE for new ones: those go on
 * in their chain or without one, since two chains cannot become one while they run. NULL: nothing
 * runs.
 */
struct layout *layout_create(const struct lm_graph *graph, const struct lm_placement *placement,
                             const uint32_t *chain);
void layout_free(struct layout *layout); /* NULL is fine */

/* Whether every producer has one fixed partner instead of a choice. */
bool layout_is_paired(const struct lm_graph *graph, const struct graph_wire *wire);

#endif
