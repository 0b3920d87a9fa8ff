/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RANDOM_GRAPH_H
#define RANDOM_GRAPH_H

/*
 * Random graphs: sources, operators that pass and multiply rows, every grouping, any number of
 * slices. What must arrive is computed from the graph alone: each row of a source reaches a
 * collector once per path, times what the path multiplies it by. Made of sim_below; run by whoever
 * likes, on one thread or on many.
 */

#include "core/lm_engine.h"

#define RANDOM_GRAPH_OPERATORS_MAX 24u
#define RANDOM_GRAPH_SLICES_MAX 16u

struct random_node {
	enum { SOURCE, PASS, BURST, COLLECT } kind;
	char name[16];
	uint32_t slices;
	uint64_t rows, keys, copies;
	uint64_t made[RANDOM_GRAPH_SLICES_MAX]; /* rows of each slice of a source, at most */
	uint64_t
	    times[RANDOM_GRAPH_OPERATORS_MAX]; /* [source]: how often each of its rows comes out */
	bool sheds;   /* something upstream may lose rows: at most these come */
	bool affine;  /* all rows of a key must meet one slice */
	bool ordered; /* rows of a key still come in the order of their numbers */
};

struct random_graph {
	struct lm_topology *topology; /* the caller frees it */
	struct random_node node[RANDOM_GRAPH_OPERATORS_MAX];
	uint32_t count;
	uint32_t slices; /* of all of them */
	bool line;       /* one operator behind the other, a slice each: mostly fused */
	bool idles;
	bool sheds;
};

/* One whose collectors get at most `rows_max` rows; `rows` is the most that a source makes. */
void random_graph_make(struct random_graph *graph, uint64_t rows, uint64_t rows_max);
/* The run was stopped: what its sources have made until then must arrive, and nothing else. */
void random_graph_stopped(struct random_graph *graph, const struct lm_engine *engine);
/* After the end: whether all collectors have what they must; else says what not on stderr. */
bool random_graph_check(const struct random_graph *graph);
/*
 * The topology with a detour on one of its wires, of which `may` chooses: an operator that passes
 * all on, in as many slices as chance says. What must come out is what came out of `topology`.
 * NULL: no wire is fit for it. Freed by the caller.
 */
struct lm_topology *random_graph_detour(const struct lm_topology *topology,
                                        const struct lm_graph *graph);
/* Of a graph that is made of the simulator's classes: whether what must come out is the same
 * however many slices the operator has. */
bool random_graph_may_rescale(const struct lm_graph *graph, uint32_t op);

#endif
