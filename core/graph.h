/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GRAPH_H
#define GRAPH_H

/*
 * A checked topology: classes found, parameters typed, schemas on every wire, slices numbered.
 * Pure: no memory pools, no lcores, nothing runs yet. Immutable once lm_graph_check has returned
 * it.
 *
 * Slices are numbered operator by operator in the order of declaration: those of operator o are
 * first_slice to first_slice + slices - 1.
 */

#include "core/lm_engine.h"
#include "core/lm_op.h"
#include "core/topology.h"

/* A custom grouping: writes the destination (0 to destinations - 1) of each row. */
typedef void graph_custom_fn(const struct lm_batch *in, const struct lm_select *rows,
                             uint32_t destinations, uint16_t *destination);

struct graph_operator {
	char *name;
	const struct lm_op_class *class;
	void *config; /* filled in by configure */
	uint32_t slices;
	/* Between these the number may change by itself; most 0: it does not. */
	uint32_t slices_least, slices_most;
	uint32_t first_slice;
	uint32_t slots;  /* a power of two: of its routing and of its state */
	uint32_t traits; /* enum lm_trait */
	uint32_t *pin;   /* lcores, or NULL */
	uint32_t pin_count;
	struct lm_place place, slices_place, pin_place;
	uint32_t input_count, output_count;
	const struct lm_schema *input[LM_PORTS_MAX]; /* NULL: not wired */
	struct lm_schema *output[LM_PORTS_MAX];      /* owned */
	bool configured;                             /* and to be unconfigured */
	bool counts_slices; /* its configuration asked how many slices it has */
	/*
	 * On trial: the last `trial_slices` of its slices are of this operator, which another graph
	 * has in its place, and get the rows of `trial_slots` slots (route_table_try). NULL: all
	 * are its own.
	 */
	const struct graph_operator *trial;
	uint32_t trial_slices, trial_slots;
};

/* What a slice of an operator is made of: its class, its configuration, its schemas. */
static inline const struct graph_operator *
graph_made_of(const struct graph_operator *op, uint32_t index)
{
	return op->trial != NULL && index >= op->slices - op->trial_slices ? op->trial : op;
}

struct graph_wire {
	uint32_t from, output; /* operator and its output */
	uint32_t to, input;
	enum lm_grouping grouping, declared;
	uint32_t field[LM_KEY_FIELDS_MAX]; /* in the schema of the wire */
	uint32_t field_count;
	graph_custom_fn *custom;
	enum lm_policy policy;
	uint32_t credit;
	bool credit_shared; /* nobody wrote it: the producers of a slice share it */
	uint64_t rate;
	bool feedback; /* closes a cycle: not waited for by markers, watermarks and the end of
	                  stream */
	struct lm_place place;
};

struct lm_graph {
	char *name;
	struct lm_settings settings;
	struct graph_operator *op;
	uint32_t operator_count;
	struct graph_wire *wire;
	uint32_t wire_count;
	uint32_t slice_count;
	uint32_t *order;        /* operators, upstream before downstream, feedback left out */
	struct plugin **plugin; /* held until the graph is freed */
	uint32_t plugin_count;
	char (*code)[PLUGIN_DIGEST]; /* [plugin of the topology] its content's digest */
	uint32_t code_count;
	char **text; /* of parameters: classes may point to them until unconfigure */
	uint32_t text_count;
	/* A view of another graph (graph_resize): operators, wires and their order are its own,
	 * what they point to is that graph's. */
	const struct lm_graph *base;
};

/*
 * The graph with another number of slices of one operator; what else there is, is `graph`'s, which
 * must outlive it. Freed by lm_graph_free. NULL after reporting why it cannot be.
 */
struct lm_graph *graph_resize(const struct lm_graph *graph, uint32_t op, uint32_t slices,
                              struct lm_errors *errors);
/* The same with numbers of slices that it has had, [operator] in `slices`, all at once; also those
 * that it has now. */
struct lm_graph *graph_view(const struct lm_graph *graph, const uint32_t *slices,
                            struct lm_errors *errors);
/*
 * The same as it is, but for operators that are to be tried: `trial` has for each operator the one
 * of another graph that replaces it, NULL: none does. Those get slices beside their own, for
 * `percent` of their slots, 1 to 99; at least one slot. The other graph must outlive it.
 */
struct lm_graph *graph_try(const struct lm_graph *graph, const struct graph_operator *const *trial,
                           uint32_t percent, struct lm_errors *errors);
/* The grouping FORWARD is what it says only where it can be: from what was declared to what is
 * done. */
enum lm_grouping graph_grouping(enum lm_grouping declared, uint32_t from_slices,
                                uint32_t to_slices);

/*
 * Of a graph that was: nothing uses what this operator holds any more. Its configuration goes, and
 * it has no class from then on; its names and schemas stay until the graph is freed.
 */
void graph_let_go(struct lm_graph *graph, uint32_t op);

/* The operator that a slice is of. */
uint32_t graph_operator_of(const struct lm_graph *graph, uint32_t slice);

/* The operator of that name; LM_NONE: there is none. */
uint32_t graph_find_operator(const struct lm_graph *graph, const char *name);

/* Slots for an operator of so many slices with so many keys; UINT64_MAX: as many as may be. */
uint32_t graph_slots(const struct lm_graph *graph, uint32_t slices, uint64_t keys);

/* Whether operators of the class can have another number of slices; if not, *why is the rest of a
 * sentence that begins with the operator's name. */
bool op_can_rescale(const struct lm_op_class *class, const char **why);
/* The same for another number of slices than in the snapshot that a job goes on from. */
bool op_can_resize(const struct lm_op_class *class, const char **why);

#endif
