/* SPDX-License-Identifier: BSD-3-Clause */
/* A graph with another number of slices of its operators, or with some on trial. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph.h"

static const struct lm_place nowhere;

bool
op_can_resize(const struct lm_op_class *class, const char **why)
{
	*why = NULL;
	if (class->poll != NULL) {
		*why = "is a source: which slice reads what is settled when the job starts";
	} else if ((class->flags & LM_OP_GLOBAL) != 0) {
		*why = "is of a class that has one slice only";
	} else if ((class->flags & LM_OP_RESCALES) == 0) {
		*why = "is of a class that does not say that its state can move (LM_OP_RESCALES)";
	}
	return *why == NULL;
}

bool
op_can_rescale(const struct lm_op_class *class, const char **why)
{
	if (!op_can_resize(class, why)) {
		return false;
	}
	if (class->prepare != NULL) {
		*why = "commits what it writes slice by slice: its number of slices changes with a "
		       "restart only";
	}
	return class->prepare == NULL;
}

enum lm_grouping
graph_grouping(enum lm_grouping declared, uint32_t from_slices, uint32_t to_slices)
{
	bool is_paired = from_slices == to_slices || to_slices == 1;

	return declared == LM_GROUP_FORWARD && !is_paired ? LM_GROUP_LOCAL : declared;
}

/* Rows of one key must meet one slice, and state must be found again by the key's slot. */
static bool
check_wires(const struct lm_graph *graph, uint32_t op, uint32_t slices, struct lm_errors *errors)
{
	const struct graph_operator *o = &graph->op[op];
	bool good = true;

	for (uint32_t w = 0; w < graph->wire_count; w++) {
		const struct graph_wire *wire = &graph->wire[w];

		if ((wire->from == op || wire->to == op) && wire->feedback) {
			lm_errors_add(errors, nowhere, "restart the job with the other number",
			              "operators.%s: it is part of a cycle, whose rows under way "
			              "would be lost",
			              o->name);
			good = false;
		}
		if (wire->to == op && (o->class->flags & LM_OP_KEYED) != 0 && slices > 1 &&
		    wire->grouping != LM_GROUP_KEY && wire->grouping != LM_GROUP_ALL) {
			lm_errors_add(errors, nowhere, "group its input \"by\" columns",
			              "operators.%s: %u slices of type \"%s\" need their rows "
			              "grouped by key",
			              o->name, slices, o->class->name);
			good = false;
		}
	}
	return good;
}

static bool
check(const struct lm_graph *graph, uint32_t op, uint32_t slices, struct lm_errors *errors)
{
	const struct graph_operator *o = &graph->op[op];
	uint32_t most = o->slots < LM_SLICES_MAX ? o->slots : LM_SLICES_MAX;
	const char *why;

	if (slices == 0 || slices > most) {
		lm_errors_add(errors, nowhere, NULL, "operators.%s: %u slices are not 1 to %u",
		              o->name, slices, most);
		return false;
	}
	if (o->trial != NULL) {
		lm_errors_add(errors, nowhere, "ask again later", "operators.%s: it is on trial",
		              o->name);
		return false;
	}
	if (!op_can_rescale(o->class, &why)) {
		lm_errors_add(errors, nowhere, "leave it as it is", "operators.%s: it %s", o->name,
		              why);
		return false;
	}
	return check_wires(graph, op, slices, errors);
}

struct lm_graph *
graph_view(const struct lm_graph *graph, const uint32_t *slices, struct lm_errors *errors)
{
	struct lm_graph *view = malloc(sizeof(*view));
	uint32_t first = 0;

	if (view != NULL) {
		*view = *graph;
		view->base = graph->base != NULL ? graph->base : graph;
		view->op = malloc((graph->operator_count + 1) * sizeof(*view->op));
		view->wire = malloc((graph->wire_count + 1) * sizeof(*view->wire));
	}
	if (view == NULL || view->op == NULL || view->wire == NULL) {
		lm_errors_add(errors, nowhere, NULL, "no memory left");
		lm_graph_free(view);
		return NULL;
	}
	memcpy(view->op, graph->op, graph->operator_count * sizeof(*view->op));
	memcpy(view->wire, graph->wire, graph->wire_count * sizeof(*view->wire));
	for (uint32_t i = 0; i < view->operator_count; i++) {
		view->op[i].slices = slices[i];
		view->op[i].first_slice = first;
		first += view->op[i].slices;
	}
	view->slice_count = first;
	for (uint32_t w = 0; w < view->wire_count; w++) {
		struct graph_wire *wire = &view->wire[w];

		wire->grouping = graph_grouping(wire->declared, view->op[wire->from].slices,
		                                view->op[wire->to].slices);
	}
	return view;
}

struct lm_graph *
graph_resize(const struct lm_graph *graph, uint32_t op, uint32_t slices, struct lm_errors *errors)
{
	uint32_t all[LM_OPERATORS_MAX];

	if (!check(graph, op, slices, errors)) {
		return NULL;
	}
	for (uint32_t i = 0; i < graph->operator_count; i++) {
		all[i] = i == op ? slices : graph->op[i].slices;
	}
	return graph_view(graph, all, errors);
}

/* ---- on trial ---- */

/* Always false. */
static bool
refuse(const struct graph_operator *op, struct lm_errors *errors, const char *hint, const char *why)
{
	lm_errors_add(errors, nowhere, hint,
	              "operators.%s: it cannot be tried on some of its keys: %s", op->name, why);
	return false;
}

/* Whether which slice gets a row depends on its key alone. */
static bool
is_by_slot(const struct lm_graph *graph, uint32_t op, struct lm_errors *errors)
{
	const char *const hint = "group its input \"by\" columns, or go over without a canary";
	bool is_keyed = false;

	for (uint32_t w = 0; w < graph->wire_count; w++) {
		const struct graph_wire *wire = &graph->wire[w];

		if (wire->to != op) {
			continue;
		}
		if (wire->grouping != LM_GROUP_KEY && wire->grouping != LM_GROUP_ALL) {
			return refuse(&graph->op[op], errors, hint, "its rows do not come by key");
		}
		is_keyed |= wire->grouping == LM_GROUP_KEY && wire->input == 0;
	}
	return is_keyed || refuse(&graph->op[op], errors, hint, "its rows do not come by key");
}

static bool
can_try(const struct lm_graph *graph, uint32_t op, const struct graph_operator *trial,
        uint32_t slices, struct lm_errors *errors)
{
	const char *const hint = "go over without a canary";
	const struct graph_operator *o = &graph->op[op];
	const char *why;

	if (!is_by_slot(graph, op, errors)) {
		return false;
	}
	if (!op_can_rescale(o->class, &why) || !op_can_rescale(trial->class, &why)) {
		char text[160];

		snprintf(text, sizeof(text), "it %s", why);
		return refuse(o, errors, hint, text);
	}
	if (o->slots < 2 || slices > o->slots || slices > LM_SLICES_MAX) {
		return refuse(o, errors, "give it fewer slices for the time being",
		              "there is no slice, or no slot, left for it");
	}
	if (trial->counts_slices) {
		return refuse(o, errors, hint, "the other code asks how many slices it has");
	}
	return check(graph, op, slices, errors);
}

struct lm_graph *
graph_try(const struct lm_graph *graph, const struct graph_operator *const *trial, uint32_t percent,
          struct lm_errors *errors)
{
	uint32_t slices[LM_OPERATORS_MAX], slots[LM_OPERATORS_MAX];
	struct lm_graph *view;

	for (uint32_t i = 0; i < graph->operator_count; i++) {
		const struct graph_operator *op = &graph->op[i];
		uint32_t more = (op->slices * percent + 99) / 100;

		slices[i] = op->slices;
		if (trial[i] == NULL) {
			continue;
		}
		slots[i] = op->slots * percent / 100;
		slots[i] = slots[i] == 0 ? 1 : slots[i];
		slices[i] += more < slots[i] ? more : slots[i];
		if (!can_try(graph, i, trial[i], slices[i], errors)) {
			return NULL;
		}
	}
	view = graph_view(graph, slices, errors);
	for (uint32_t i = 0; view != NULL && i < graph->operator_count; i++) {
		if (trial[i] != NULL) {
			view->op[i].trial = trial[i];
			view->op[i].trial_slices = slices[i] - graph->op[i].slices;
			view->op[i].trial_slots = slots[i];
		}
	}
	return view;
}
