/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHANGE_DIFF_H
#define CHANGE_DIFF_H

/*
 * From one topology to another: which operators go on as they are, which take over from others,
 * which are new, which are no more. Pure.
 *
 * An operator goes on as it is if it has the name, the type, the code, the parameters and the
 * columns that it had; it may have another number of slices and other wires. One that has the name
 * of another takes its place. Code is the same if it is of the same plugin, that is of a file with
 * the same content, wherever it stands.
 */

#include "core/graph.h"
#include "core/topology.h"

enum change_kind {
	CHANGE_KEPT,     /* the same slices */
	CHANGE_RESIZED,  /* the same, more or fewer of them */
	CHANGE_REPLACED, /* others in its place */
	CHANGE_ADDED,
	CHANGE_REMOVED
};

struct change_item {
	enum change_kind kind;
	uint32_t was, is; /* operators of the two graphs; LM_NONE: not there */
	bool is_code;     /* REPLACED: by other code, and nothing else differs */
	bool with_state;  /* … which goes on with the state that there is; the asker's */
	char why[160];    /* REPLACED: "parameter \"rows\" was 5, is 6" */
};

struct change_diff {
	uint32_t kept[LM_OPERATORS_MAX], heir_of[LM_OPERATORS_MAX]; /* of struct change_ask */
	struct change_item item[2 * LM_OPERATORS_MAX]; /* of the new graph in order, then removed */
	uint32_t count;
	uint32_t wires_added, wires_removed; /* between operators that stay */
	bool settings_differ;                /* in what must not while it runs; `why` says which */
	char why[160];
};

struct change_side {
	const struct lm_topology *topology;
	const struct lm_graph *graph;
};

void change_compare(const struct change_side *was, const struct change_side *is,
                    struct change_diff *diff);

#endif
