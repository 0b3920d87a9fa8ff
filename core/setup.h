/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SETUP_H
#define SETUP_H

/*
 * A class in a topology while it is configured: its parameters, parsed as its table says, and what
 * configure may ask and declare (the lm_setup_* functions of core/lm_op.h).
 *
 *     setup_begin      parses all parameters that need no schema, reports what is wrong with them
 *     setup_configure  once the inputs' schemas are known: resolves columns, calls configure
 *     setup_end        always
 */

#include "core/graph.h"
#include "core/topology.h"

struct setup_item {
	const char *name; /* of a map entry */
	const char *text;
	struct lm_place place;
	uint32_t column; /* COLUMN, COLUMNS: field of the first input */
};

struct setup_value {
	const struct lm_param *param;
	const struct topology_param *given; /* NULL: the fallback, or absent */
	bool present;
	uint64_t u64; /* BOOL: 0 or 1; CHOICE: the index */
	double f64;
	struct setup_item *item; /* one of a scalar */
	uint32_t item_count;
};

struct lm_setup {
	struct lm_graph *graph;
	struct graph_operator *op;
	const struct topology_operator *declared;
	struct lm_errors *errors;
	struct setup_value *value; /* in the order of the class's table */
	uint32_t value_count;
	uint32_t error_count; /* its own */
};

/* Both return 0, or -1 after reporting. */
int setup_begin(struct lm_setup *setup, struct lm_graph *graph, struct graph_operator *op,
                const struct topology_operator *declared, struct lm_errors *errors);
int setup_configure(struct lm_setup *setup);
void setup_end(struct lm_setup *setup);

/* Parsing one value (core/setup_parse.c): 0, or -1 after lm_setup_error. */
int setup_parse(struct lm_setup *setup, struct setup_value *value);
/* A copy that lives as long as the graph; NULL when there is no memory. */
const char *setup_keep(struct lm_graph *graph, const char *text, size_t length);

#endif
