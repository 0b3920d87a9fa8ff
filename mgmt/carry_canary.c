/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The canary of another topology: before it is the one that runs, operators of other code get
 * slices of that beside their own, for a share of their slots, with the state of these. Then there
 * are two ways, both in two changes, for slices change their code in place or their number, not
 * both at once:
 *
 *     what runs               counts: 2 slices
 *     on trial                counts: 2 slices, and 1 of the code to come
 *     all of it, or back      counts: 3 slices of one code
 *     fewer                   counts: as many as the topology says, or as there were
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/past.h"
#include "mgmt/carry_struct.h"
#include "mgmt/config_load.h"

/* ---- what is tried ---- */

/* False after saying why one of them cannot be tried; what stands for what goes into trial[]. */
static bool
find_trials(const struct lm_graph *was, const struct lm_graph *is, const struct change_diff *diff,
            const struct graph_operator *trial[LM_OPERATORS_MAX], struct manager_report *report)
{
	bool has = false;

	memset(trial, 0, LM_OPERATORS_MAX * sizeof(*trial));
	for (uint32_t i = 0; i < diff->count; i++) {
		const struct change_item *item = &diff->item[i];
		const char *why = NULL;

		if (item->kind != CHANGE_REPLACED) {
			continue;
		}
		if (!item->is_code) {
			why = item->why;
		} else if (item->other_columns) {
			why = "its columns differ";
		} else if (diff->heir_of[item->is] == LM_NONE) {
			why = "its state is given up";
		}
		if (why != NULL) {
			carry_fail(report,
			           "operators.%s: %s: a canary is for other code alone; change it "
			           "in another step, or go without --canary",
			           was->op[item->was].name, why);
			return false;
		}
		trial[item->was] = &is->op[item->is];
		has = true;
	}
	if (!has) {
		carry_fail(report, "no operator has other code: there is nothing for a canary to "
		                   "try; go without --canary");
	}
	return has;
}

/* The graph that runs, with operators on trial; NULL after saying why not. */
static struct lm_graph *
make_trial(const struct carry *carry, const struct change_diff *diff, struct manager_report *report)
{
	const struct graph_operator *trial[LM_OPERATORS_MAX];
	const struct lm_graph *was = carry->engine->graph;
	struct lm_errors errors = { 0 };
	struct lm_graph *graph = NULL;

	if (find_trials(was, carry->change.graph, diff, trial, report)) {
		graph = graph_try(was, trial, carry->action.args.canary, &errors);
	}
	if (graph == NULL && errors.count > 0) {
		report->has_failed = true;
		config_errors_line("", &errors, report->reason, sizeof(report->reason));
	}
	lm_errors_free(&errors);
	return graph;
}

bool
canary_may_be(const struct carry *carry, const struct change_diff *diff,
              struct manager_report *report)
{
	struct lm_graph *graph = make_trial(carry, diff, report);
	bool may = graph != NULL;

	lm_graph_free(graph);
	return may;
}

/* ---- asking ---- */

uint64_t
canary_ask(struct carry *carry, uint16_t **workers, struct lm_errors *errors,
           struct manager_report *report)
{
	struct carry_change *change = &carry->change;
	const struct change_side was = change_side_of_now(carry);
	const struct change_side is = { .topology = change->topology, .graph = change->graph };
	struct change_diff *diff = malloc(sizeof(*diff));
	struct lm_graph *graph = NULL;
	uint64_t number = 0;

	/* It may have been changed since it was looked at. */
	if (diff != NULL) {
		change_compare(&was, &is, diff);
	}
	if (diff != NULL && diff_allows(carry, &was, &is, diff, report)) {
		graph = make_trial(carry, diff, report);
	}
	free(diff);
	for (uint32_t i = 0; graph != NULL && i < graph->operator_count; i++) {
		change->before.is_tried[i] = graph->op[i].trial != NULL;
	}
	if (graph != NULL) {
		number = change_ask_same(carry, graph, workers, errors, report);
	}
	if (number == 0) {
		lm_graph_free(graph);
		return 0;
	}
	change->next = change->graph;
	change->graph = NULL;
	past_add(carry->engine, change->next);
	past_keep(carry->engine, change->next);
	return number;
}

/* How many slices an operator has now that is, or was, on trial; else 0. */
static uint32_t
slices_on_trial(const struct carry *carry, const char *name)
{
	const struct carry_past *before = &carry->change.before;
	const struct lm_graph *now = carry->engine->graph;

	for (uint32_t b = 0; b < before->graph->operator_count; b++) {
		for (uint32_t n = 0; n < now->operator_count; n++) {
			if (before->is_tried[b] && strcmp(before->graph->op[b].name, name) == 0 &&
			    strcmp(now->op[n].name, name) == 0) {
				return now->op[n].slices;
			}
		}
	}
	return 0;
}

struct lm_graph *
canary_whole(const struct carry *carry, struct lm_errors *errors)
{
	const struct lm_graph *next = carry->change.next;
	uint32_t slices[LM_OPERATORS_MAX];

	for (uint32_t i = 0; i < next->operator_count; i++) {
		uint32_t now = slices_on_trial(carry, next->op[i].name);

		slices[i] = now != 0 ? now : next->op[i].slices;
	}
	return graph_view(next, slices, errors);
}

uint64_t
canary_ask_fewer(struct carry *carry, uint16_t **workers, struct lm_errors *errors,
                 struct manager_report *report)
{
	const struct lm_graph *next = carry->change.next;
	uint32_t slices[LM_OPERATORS_MAX];
	struct lm_graph *graph;
	uint64_t number;

	for (uint32_t i = 0; i < next->operator_count; i++) {
		slices[i] = next->op[i].slices;
	}
	graph = graph_view(next, slices, errors);
	number = graph == NULL ? 0 : change_ask_same(carry, graph, workers, errors, report);
	if (number == 0) {
		lm_graph_free(graph);
	}
	return number;
}

/* ---- while it is tried ---- */

bool
canary_watch(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;

	if (watch_begin(carry, STAGE_CANARY, change->trial_soak)) {
		return update_step_to(report, PHASE_CANARY);
	}
	snprintf(change->bad, sizeof(change->bad), "nobody waits for it");
	return update_go_back(carry, report);
}

/* Snapshots stand back to the end: what goes on from the last one is the topology before. */
bool
canary_end(struct carry *carry, struct manager_report *report)
{
	if (!engine_has_ended(carry->engine)) {
		return false;
	}
	carry_fail(report, "the input ended while it was tried: %.400s", carry->change.what);
	change_drop_next(carry);
	update_free(carry);
	return change_tell(carry, report);
}

bool
canary_stays(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;

	report->has_failed = false;
	if (change->stage == STAGE_FEWER) {
		env_log(4, "%s: slices that were there for the canary stay: %s",
		        carry->engine->graph->name, report->reason);
		change->is_wide = false;
		return update_soaks(carry, report);
	}
	if (update_is_ending(carry->engine)) {
		change->stage = STAGE_CANARY;
	} else if (change->stage == STAGE_CHANGE) {
		snprintf(change->bad, sizeof(change->bad), "%.*s", (int)sizeof(change->bad) - 1,
		         report->reason);
		return update_go_back(carry, report);
	}
	/* It is asked to go back again and again: two versions at a time are in no snapshot. */
	return true;
}
