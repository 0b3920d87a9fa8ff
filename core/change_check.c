/* SPDX-License-Identifier: BSD-3-Clause */
/* What may change while a graph runs, before anything is opened for it. */

#include <string.h>

#include "core/change.h"

static const struct lm_place nowhere;

/* What is on its way round has no marker behind it. */
static bool
keeps_cycles(const struct lm_engine *engine, struct lm_errors *errors)
{
	for (uint32_t i = 0; i < engine->layout->edge_count; i++) {
		const struct edge *edge = engine->edge[i];

		if (edge->feedback && !edge->stays) {
			lm_errors_add(errors, nowhere, "restart the job instead",
			              "operators.%s: it is part of a cycle, whose rows under way "
			              "would be lost",
			              edge->from->name);
			return false;
		}
	}
	return true;
}

/*
 * Slices that get the rows of one slice each have come to different event times, and have told
 * them: from then on none can take rows of another.
 */
static bool
keeps_time(const struct lm_engine *engine, const struct change_ask *ask, struct lm_errors *errors)
{
	const struct lm_graph *was = engine->graph, *is = ask->graph;

	for (uint32_t w = 0; w < is->wire_count; w++) {
		const struct graph_wire *wire = &is->wire[w];
		uint32_t from = ask->heir_of[wire->from], to = ask->heir_of[wire->to];

		for (uint32_t o = 0; o < was->wire_count; o++) {
			const struct graph_wire *old = &was->wire[o];

			if (old->from == from && old->to == to && old->output == wire->output &&
			    old->input == wire->input && layout_is_paired(was, old) &&
			    was->op[from].slices > 1 &&
			    (!layout_is_paired(is, wire) ||
			     was->op[from].slices != is->op[wire->from].slices)) {
				lm_errors_add(
				    errors, nowhere,
				    "group the wire by something, or restart the job",
				    "operators.%s: its slices belong to those of %s one to "
				    "one, so their number stays",
				    is->op[wire->to].name, is->op[wire->from].name);
				return false;
			}
		}
	}
	return true;
}

/*
 * Whether slices that still convert what another version left let the change come: who goes on as
 * it is, or back to the older version, or gives its state up.
 */
static bool
lets_convert(const struct lm_engine *engine, const struct change_ask *ask, struct lm_errors *errors)
{
	for (uint32_t o = 0; o < ask->graph->operator_count; o++) {
		const struct graph_operator *is = &ask->graph->op[o], *was;
		bool is_same, good = true;

		if (ask->heir_of[o] == LM_NONE) {
			continue;
		}
		was = &engine->graph->op[ask->heir_of[o]];
		is_same = was->slices == is->slices && !change_is_dealt(ask, o);
		for (uint32_t i = 0; i < was->slices; i++) {
			good &= !keep_converts(engine->slice[was->first_slice + i]) ||
			        (is_same && (change_keeps(engine->graph, ask, o, i) ||
			                     graph_made_of(was, i)->class->state_version >
			                         graph_made_of(is, i)->class->state_version));
		}
		if (!good) {
			lm_errors_add(errors, is->place, "ask again later, or go back",
			              "operators.%s: its state is still being converted", is->name);
			return false;
		}
	}
	return true;
}

/* Whether code of another version knows what to do with its state. */
static bool
keeps_version(const struct lm_engine *engine, const struct change_ask *ask,
              struct lm_errors *errors)
{
	for (uint32_t o = 0; o < ask->graph->operator_count; o++) {
		const struct graph_operator *is = &ask->graph->op[o];
		uint32_t old = ask->heir_of[o];
		char why[160];

		for (uint32_t i = 0; old != LM_NONE && i < is->slices; i++) {
			const struct graph_operator *from =
			    change_source(&engine->graph->op[old], i);
			const struct graph_operator *to = graph_made_of(is, i);

			if (change_is_version(from, to) &&
			    !change_keeps(engine->graph, ask, o, i) &&
			    !state_versions_fit(from->class, to->class, why, sizeof(why))) {
				lm_errors_add(errors, is->place, "give its state up",
				              "operators.%s: %s", is->name, why);
				return false;
			}
		}
	}
	return true;
}

/* Slices on trial come beside the others, and stay, or become what the others are. */
static bool
keeps_trial(const struct lm_engine *engine, const struct change_ask *ask, struct lm_errors *errors)
{
	for (uint32_t o = 0; o < ask->graph->operator_count; o++) {
		const struct graph_operator *is = &ask->graph->op[o], *was;
		bool good;

		if (ask->heir_of[o] == LM_NONE) {
			continue;
		}
		was = &engine->graph->op[ask->heir_of[o]];
		good = was->trial == NULL
		           ? is->trial == NULL || (ask->kept[o] != LM_NONE &&
		                                   is->slices == was->slices + is->trial_slices)
		           : is->trial == NULL && is->slices == was->slices &&
		                 !change_is_dealt(ask, o);
		if (!good) {
			lm_errors_add(errors, is->place, "ask again later",
			              "operators.%s: it is on trial", is->name);
			return false;
		}
	}
	return true;
}

/* Whether the state of every operator can come along. */
static bool
keeps_state(const struct lm_engine *engine, const struct change_ask *ask, struct lm_errors *errors)
{
	for (uint32_t o = 0; o < ask->graph->operator_count; o++) {
		const struct graph_operator *is = &ask->graph->op[o], *was;
		const char *why;

		if (ask->heir_of[o] == LM_NONE) {
			continue;
		}
		was = &engine->graph->op[ask->heir_of[o]];
		if (is->slices == was->slices && !change_is_dealt(ask, o)) {
			continue;
		}
		if (is->class != was->class && !op_can_rescale(was->class, &why)) {
			/* Its code cannot give slots. */
		} else if (op_can_rescale(is->class, &why) && is->counts_slices &&
		           !change_is_dealt(ask, o)) {
			why = "was configured for as many slices as it has";
		} else if (why == NULL && !state_moves(engine->slice[was->first_slice])) {
			why = "keeps state by another key than its rows are shared out by";
		}
		if (why != NULL) {
			lm_errors_add(errors, is->place, "leave `slices` as it is",
			              "operators.%s: it %s", is->name, why);
			return false;
		}
	}
	return true;
}

bool
change_is_possible(const struct lm_engine *engine, const struct change_ask *ask,
                   struct lm_errors *errors)
{
	return keeps_cycles(engine, errors) && keeps_time(engine, ask, errors) &&
	       keeps_trial(engine, ask, errors) && lets_convert(engine, ask, errors) &&
	       keeps_version(engine, ask, errors) && keeps_state(engine, ask, errors);
}
