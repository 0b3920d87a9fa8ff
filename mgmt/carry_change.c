/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changes of the graph: snapshots stand back, the engine is asked, and when it is through, or has
 * refused, snapshots go on.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/change.h"
#include "core/past.h"
#include "mgmt/carry_struct.h"
#include "mgmt/config_load.h"
#include "mgmt/plugin_copies.h"
#include "mgmt/resume_note.h"
#include "mgmt/units.h"

/* ---- where new slices go ---- */

/* False: the lcore is none of this job's. */
static bool
find_lcore(const struct lm_engine *engine, uint32_t lcore, uint16_t *worker)
{
	for (uint32_t i = 0; i < engine->worker_count; i++) {
		if (engine->worker[i]->lcore == lcore) {
			*worker = (uint16_t)i;
			return true;
		}
	}
	return false;
}

/* How many slices each worker has; those where none may come seem to be full. */
static void
count_slices(const struct carry *carry, uint32_t load[LM_WORKERS_MAX])
{
	const struct lm_engine *engine = carry->engine;

	for (uint32_t w = 0; w < engine->worker_count; w++) {
		load[w] = carry->places == NULL || carry->places[w] ? 0 : UINT32_MAX / 2;
	}
	for (uint32_t s = 0; s < engine->slice_count; s++) {
		load[lm_engine_slice_worker(engine, s)]++;
	}
}

/* Where the slice is that this one takes the place of; LM_NONE: it takes none's. */
static uint32_t
worker_before(const struct lm_engine *engine, uint32_t heir_of, uint32_t index)
{
	const struct graph_operator *was;

	if (heir_of == LM_NONE) {
		return LM_NONE;
	}
	was = &engine->graph->op[heir_of];
	return index < was->slices ? lm_engine_slice_worker(engine, was->first_slice + index)
	                           : LM_NONE;
}

/*
 * Slices that are pinned go to their lcores, those that take the place of others to where these
 * are, all others where the fewest are. In the order of new slices, to be freed; NULL after saying
 * why not.
 */
static uint16_t *
place_new(const struct carry *carry, const struct change_ask *ask, struct manager_report *report)
{
	const struct lm_engine *engine = carry->engine;
	const struct lm_graph *graph = ask->graph;
	uint16_t *workers = calloc(graph->slice_count + 1, sizeof(*workers));
	uint32_t load[LM_WORKERS_MAX], count = 0;

	if (workers == NULL) {
		carry_fail(report, "no memory for the change");
		return NULL;
	}
	count_slices(carry, load);
	for (uint32_t o = 0; o < graph->operator_count; o++) {
		const struct graph_operator *op = &graph->op[o];

		for (uint32_t i = 0; i < op->slices; i++) {
			uint32_t before = worker_before(engine, ask->heir_of[o], i);

			if (change_keeps(engine->graph, ask, o, i)) {
				continue;
			}
			workers[count] = before != LM_NONE
			                     ? (uint16_t)before
			                     : change_idlest_worker(load, engine->worker_count);
			if (op->pin_count > 0 &&
			    !find_lcore(engine, op->pin[i % op->pin_count], &workers[count])) {
				carry_fail(report, "operators.%s: lcore %u is not one of this job",
				           op->name, op->pin[i % op->pin_count]);
				free(workers);
				return NULL;
			}
			load[workers[count++]]++;
		}
	}
	return workers;
}

/* ---- the topology to come ---- */

void
change_drop_next(struct carry *carry)
{
	struct carry_change *change = &carry->change;

	lm_graph_free(change->graph);
	lm_topology_free(change->topology);
	change->graph = NULL;
	change->topology = NULL;
}

/* ---- asking ---- */

struct change_side
change_side_of_now(const struct carry *carry)
{
	return (struct change_side){ .topology = carry->topology, .graph = carry->engine->graph };
}

static uint64_t
ask_rescale(struct carry *carry, uint16_t **workers, struct lm_errors *errors,
            struct manager_report *report)
{
	struct lm_engine *engine = carry->engine;
	uint32_t slices = carry->action.args.slices, op, kept[LM_OPERATORS_MAX];
	struct change_ask ask = { .kept = kept, .heir_of = kept };

	if (!carry_find_operator(carry, &op, report)) {
		return 0;
	}
	for (uint32_t i = 0; i < engine->graph->operator_count; i++) {
		kept[i] = i;
	}
	ask.graph = graph_resize(engine->graph, op, slices, errors);
	*workers = ask.graph == NULL ? NULL : place_new(carry, &ask, report);
	lm_graph_free(ask.graph);
	return *workers == NULL ? 0 : engine_rescale(engine, op, slices, *workers, errors);
}

uint64_t
change_ask_same(struct carry *carry, struct lm_graph *graph, uint16_t **workers,
                struct lm_errors *errors, struct manager_report *report)
{
	uint32_t same[LM_OPERATORS_MAX];
	struct change_ask ask = { .graph = graph, .kept = same, .heir_of = same };

	for (uint32_t i = 0; i < graph->operator_count; i++) {
		same[i] = i;
	}
	*workers = place_new(carry, &ask, report);
	ask.workers = *workers;
	return *workers == NULL ? 0 : engine_change(carry->engine, &ask, errors);
}

/* To a topology; its graph is the engine's if there is a number. */
static uint64_t
ask_topology(struct carry *carry, const struct change_side *is, struct lm_graph *graph,
             uint16_t **workers, struct lm_errors *errors, struct manager_report *report)
{
	const struct change_side was = change_side_of_now(carry);
	struct change_diff *diff = malloc(sizeof(*diff));
	struct change_ask ask = { .graph = graph };
	uint64_t number = 0;

	if (diff == NULL) {
		carry_fail(report, "no memory for the change");
		return 0;
	}
	/* It may have been changed since it was looked at. */
	change_compare(&was, is, diff);
	if (diff_allows(carry, &was, is, diff, report)) {
		ask.kept = diff->kept;
		ask.heir_of = diff->heir_of;
		*workers = place_new(carry, &ask, report);
		ask.workers = *workers;
		number = *workers == NULL ? 0 : engine_change(carry->engine, &ask, errors);
	}
	free(diff);
	return number;
}

/* What was tried comes to be all. */
static uint64_t
ask_whole(struct carry *carry, uint16_t **workers, struct lm_errors *errors,
          struct manager_report *report)
{
	struct carry_change *change = &carry->change;
	struct lm_graph *graph = canary_whole(carry, errors);
	const struct change_side is = { .topology = change->topology, .graph = graph };
	uint64_t number = 0;

	if (graph != NULL) {
		number = ask_topology(carry, &is, graph, workers, errors, report);
	}
	if (number == 0) {
		lm_graph_free(graph);
	} else {
		past_keep(carry->engine, change->before.graph);
	}
	return number;
}

static uint64_t
ask_apply(struct carry *carry, uint16_t **workers, struct lm_errors *errors,
          struct manager_report *report)
{
	struct carry_change *change = &carry->change;
	const struct change_side is = { .topology = change->topology, .graph = change->graph };
	uint64_t number;

	if (change->next != NULL) {
		return ask_whole(carry, workers, errors, report);
	}
	if (!update_asks(carry)) {
		carry_fail(report, "no memory for the change");
		return 0;
	}
	if (change->stage == STAGE_TRIAL) {
		return canary_ask(carry, workers, errors, report);
	}
	number = ask_topology(carry, &is, change->graph, workers, errors, report);
	if (number != 0) {
		change->graph = NULL; /* it is the engine's */
	}
	return number;
}

/* What was before comes again, with as many slices as it had; or, where state is not converted yet,
 * as there are now. */
static uint64_t
ask_back(struct carry *carry, uint16_t **workers, struct lm_errors *errors,
         struct manager_report *report)
{
	const struct carry_past *before = &carry->change.before;
	struct change_side is = { .topology =
		                      carry->change.has_come ? before->topology : carry->topology };
	uint32_t slices[LM_OPERATORS_MAX];
	struct lm_graph *graph;
	uint64_t number = 0;

	for (uint32_t i = 0; i < before->graph->operator_count; i++) {
		uint32_t now = update_slices_now(carry, before, i);

		slices[i] = now != 0 ? now : before->slices[i];
	}
	graph = graph_view(before->graph, slices, errors);
	is.graph = graph;
	if (graph != NULL) {
		number = ask_topology(carry, &is, graph, workers, errors, report);
	}
	if (number == 0) {
		lm_graph_free(graph);
	}
	return number;
}

/* False after saying why not. */
static bool
ask_engine(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;
	struct lm_errors errors = { 0 };
	uint16_t *workers = NULL;

	if (change->deal.is_planned) {
		change->number = deal_ask(carry, &errors, report);
	} else if (!change->is_apply) {
		change->number = ask_rescale(carry, &workers, &errors, report);
	} else if (change->stage == STAGE_BACK || change->stage == STAGE_RESIZE) {
		change->number = ask_back(carry, &workers, &errors, report);
	} else if (change->stage == STAGE_FEWER) {
		change->number = canary_ask_fewer(carry, &workers, &errors, report);
	} else {
		change->number = ask_apply(carry, &workers, &errors, report);
	}
	if (change->number == 0 && errors.count > 0) {
		report->has_failed = true;
		config_errors_line("", &errors, report->reason, sizeof(report->reason));
	} else if (change->number == 0 && !report->has_failed) {
		carry_fail(report, "no memory for the change");
	}
	free(workers);
	lm_errors_free(&errors);
	return change->number != 0;
}

/* ---- its life ---- */

int
carry_note(struct carry *carry)
{
	const struct resume_running running = { .topology = carry->topology,
		                                .graph = carry->engine->graph,
		                                .set = carry->set,
		                                .file = carry->file,
		                                .changed_by = carry->changed_by };
	char *note = NULL;
	size_t size;
	int result = 0;

	if (carry->snapshots != NULL) {
		note = resume_write(&running, &size);
		result = note == NULL ? -ENOMEM : snapshots_set_note(carry->snapshots, note, size);
		free(note);
	}
	return result;
}

/* Snapshots go on, if they stood back, of what runs now. False: not yet. */
static bool
let_go(struct carry *carry)
{
	if (!carry->change.holds) {
		return true;
	}
	/* They may have been asked and not have heard: then they would stand back behind this. */
	if (!snapshots_is_held(carry->snapshots) || carry_note(carry) != 0 ||
	    snapshots_resume(carry->snapshots) != 0) {
		return false;
	}
	carry->change.holds = false;
	return true;
}

/* False after saying that one is under way that nobody waits for. */
bool
change_may_begin(struct carry *carry, struct manager_report *report)
{
	if (carry->change.is_left) {
		carry_fail(report,
		           "the change before this one is not through yet: ask again later");
	}
	return !carry->change.is_left;
}

void
change_hold(struct carry *carry)
{
	carry->change.by = carry->action.id;
	if (carry->snapshots != NULL) {
		snapshots_hold(carry->snapshots);
		carry->change.holds = true;
	}
}

bool
rescale_begin(struct carry *carry, struct manager_report *report)
{
	uint32_t op, slices = carry->action.args.slices;

	if (!change_may_begin(carry, report) || !carry_find_operator(carry, &op, report)) {
		return true;
	}
	if (carry->engine->graph->op[op].slices == slices) {
		return carry_fail(report, "%s has %u slices already", carry->action.args.operator,
		                  slices);
	}
	snprintf(carry->change.what, sizeof(carry->change.what), "%s: %u to %u slices",
	         carry->action.args.operator, carry->engine->graph->op[op].slices, slices);
	carry->change.is_apply = false;
	change_hold(carry);
	return false;
}

bool
slots_begin(struct carry *carry, struct manager_report *report)
{
	if (!change_may_begin(carry, report) || deal_begin(carry, report)) {
		return true;
	}
	carry->change.is_apply = false;
	return false;
}

/* Before the engine is asked. True: it is over; else it may wait for a step. */
static bool
plan_deal(struct carry *carry, struct manager_report *report)
{
	struct carry_deal *deal = &carry->change.deal;
	enum deal_state state = deal_look(carry, report);

	deal->is_planned = state == DEAL_PLANNED;
	if (deal->is_planned) {
		change_hold(carry);
	}
	return state == DEAL_OVER;
}

static void
tell(const struct carry *carry, const struct change_report *changed, struct manager_report *report)
{
	const struct carry_change *change = &carry->change;
	bool is_rehearsed = change->is_apply && change->rehearsed[0] != '\0';

	if (changed->result == CHANGE_JOB_ENDS) {
		carry_fail(report,
		           "the job began to end before the change did: nothing was changed");
		return;
	}
	report->pause_ns = (uint64_t)changed->pause_ns;
	report->epoch = changed->epoch;
	snprintf(report->reason, sizeof(report->reason),
	         "%.260s%s%.140s; behind epoch %" PRIu64 ", within %s", change->what,
	         is_rehearsed ? "; rehearsed: " : "", is_rehearsed ? change->rehearsed : "",
	         changed->epoch, units_ns((uint64_t)changed->took_ns).text);
}

/* Whether the engine is through with it. */
static bool
is_through(const struct carry *carry)
{
	return carry->engine->change == NULL &&
	       carry->engine->changed.number == carry->change.number;
}

/* Whether nothing else is under way that it would have to wait for. */
static bool
may_ask(const struct carry *carry)
{
	return carry->engine->change == NULL && !engine_moves(carry->engine) &&
	       !engine_is_checking(carry->engine) &&
	       (!carry->change.holds || snapshots_is_held(carry->snapshots));
}

/* It is told as soon as snapshots go on. */
bool
change_tell(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;

	change->stage = STAGE_CHANGE;
	if (let_go(carry)) {
		return true;
	}
	change->is_told = true;
	change->report = *report;
	return false;
}

/* What was asked for is so, or is not to be. True: it goes on, perhaps with a step to report. */
static bool
settle(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;
	const struct change_report *changed = &carry->engine->changed;
	bool goes_on = false, is_done = change->number != 0 && changed->number == change->number &&
	                                changed->result == CHANGE_DONE;

	if (is_done && !change->is_apply) {
		carry->changed_by = change->by;
	}
	if (change->is_apply && !is_done) {
		goes_on = update_stays(carry, report);
	} else if (change->is_apply) {
		goes_on = update_went_over(carry, report);
	}
	change->number = 0;
	if (!goes_on) {
		change_drop_next(carry);
	}
	deal_free(&change->deal);
	return goes_on;
}

bool
change_step(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;

	if (change->is_told) {
		*report = change->report;
		return let_go(carry);
	}
	if (change->deal.rows != NULL && !change->deal.is_planned) {
		bool is_over = plan_deal(carry, report);

		if (is_over) {
			deal_free(&change->deal);
		}
		return is_over;
	}
	if (change->number == 0) {
		if (carry->engine->suspending) {
			carry_fail(report, "the job is ending");
		} else if (!may_ask(carry)) {
			return false;
		} else if (ask_engine(carry, report)) {
			return change->is_apply && update_aligns(carry, report);
		}
	} else if (is_through(carry)) {
		tell(carry, &carry->engine->changed, report);
	} else {
		return false;
	}
	return settle(carry, report) ? report->is_step : change_tell(carry, report);
}

void
change_abandon(struct carry *carry)
{
	struct carry_change *change = &carry->change;

	change->is_told = false;
	change->is_left = true;
	if (change->is_apply) {
		update_abandon(carry);
	} else if (change->number == 0) {
		change_drop_next(carry);
		deal_free(&change->deal);
	}
	change_look(carry);
}

void
change_look(struct carry *carry)
{
	struct carry_change *change = &carry->change;
	struct manager_report unheard = { 0 };

	if (!change->is_left || !rehearse_step(&change->rehearse)) {
		return;
	}
	if (change->number != 0 || update_goes_on(carry)) {
		if (!(change->is_apply ? apply_step(carry, &unheard)
		                       : change_step(carry, &unheard)) ||
		    unheard.is_step) {
			return;
		}
	}
	change->is_told = false;
	change->is_left = !let_go(carry);
}

void
carry_tidy(struct carry *carry, uint64_t durable)
{
	bool is_changing = carry->action.id != 0 || carry->change.holds || carry->change.is_left;

	/* What is to come needs its copies, too, and is in no snapshot yet. */
	if (carry->folder != NULL && carry->has_spare_copies && !is_changing &&
	    durable != carry->tidied) {
		carry->tidied = durable;
		carry->has_spare_copies =
		    plugin_copies_prune(carry->folder, carry->engine->graph) != 0;
	}
}

bool
carry_holds(const struct carry *carry)
{
	return carry->change.holds;
}

void
carry_end(struct carry *carry)
{
	back_end(carry);
	deal_free(&carry->change.deal);
	rehearse_close(&carry->change.rehearse);
	change_drop_next(carry);
	update_free(carry);
	lm_topology_free(carry->change.owned);
	carry->change.owned = NULL;
}
