/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Another topology, from its file to where it stays or is taken back:
 *
 *     proposed   its file is read; code that the job has not run is rehearsed before it is loaded
 *     loaded     what differs is known, and may be
 *     rehearsed  a child process has opened it, with the state of the newest snapshot
 *     aligning   the engine goes over (carry_change.c)
 *     converting state of another version becomes its own, slot by slot
 *     canary     with one: a share of the keys has it and is watched (carry_canary.c), then all do
 *     soak       it is watched; snapshots stand back, so that a crash goes back to what was
 *     committed  or rolling back, then rolled back
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/past.h"
#include "core/state_ops.h"
#include "core/topology.h"
#include "mgmt/carry_struct.h"
#include "mgmt/config_load.h"
#include "mgmt/plugin_copies.h"
#include "mgmt/units.h"

bool
update_step_to(struct manager_report *report, enum action_phase phase)
{
	report->is_step = true;
	report->phase = phase;
	return true;
}

void
update_free(struct carry *carry)
{
	struct carry_change *change = &carry->change;

	watch_free(&change->soak);
	watch_free(&change->trial_soak);
	free(change->then);
	free(change->before.slices);
	free(change->before.is_tried);
	lm_topology_free(change->before.owned);
	change->then = NULL;
	change->next = NULL;
	change->is_wide = change->has_come = false;
	change->before = (struct carry_past){ 0 };
	if (change->may_return) {
		change->may_return = false;
		past_keep(carry->engine, NULL);
		past_tick(carry->engine);
	}
}

/* ---- loading ---- */

/* False after saying what is wrong with it. */
static bool
read_file(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;
	const char *file = carry->action.args.file;
	struct lm_errors errors = { 0 };
	bool good;

	change->topology = config_load(file, carry->set, &errors);
	if (change->topology != NULL && carry->policy != NULL) {
		config_elastic_policy(carry->policy, &change->topology->elastic.policy);
	}
	good = change->topology != NULL && errors.count == 0;
	if (!good && errors.count > 0) {
		report->has_failed = true;
		config_errors_line(file, &errors, report->reason, sizeof(report->reason));
	} else if (!good) {
		carry_fail(report, "%s: no memory for it", file);
	}
	lm_errors_free(&errors);
	return good;
}

static bool
check_graph(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;
	const char *file = carry->action.args.file;
	struct lm_errors errors = { 0 };

	change->graph = lm_graph_check(change->topology, &errors);
	if (change->graph == NULL && errors.count > 0) {
		report->has_failed = true;
		config_errors_line(file, &errors, report->reason, sizeof(report->reason));
	} else if (change->graph == NULL) {
		carry_fail(report, "%s: no memory for it", file);
	}
	lm_errors_free(&errors);
	return change->graph != NULL;
}

/* ---- the way back ---- */

/* The operator that would lose something for good, with what that is; NULL: nobody would. */
static const char *
who_loses(const struct carry *carry, const struct change_side *was, const struct change_side *is,
          const struct change_diff *diff, const struct change_item *item, char *why, size_t size)
{
	const struct graph_operator *old,
	    *new = item->is == LM_NONE ? NULL : &is->graph->op[item->is];

	if (item->was == LM_NONE) {
		snprintf(why, size, "what it writes before a snapshot commits it would be lost");
		return (new->traits &LM_TRAIT_COMMITS) != 0 ? new->name : NULL;
	}
	old = &was->graph->op[item->was];
	if (!diff_has_state(carry, item->was)) {
		return NULL;
	}
	if (item->kind == CHANGE_REMOVED ||
	    (item->kind == CHANGE_REPLACED && diff->heir_of[item->is] == LM_NONE)) {
		snprintf(why, size, "its state would be lost");
		return old->name;
	}
	return item->converts && !state_versions_fit(new->class, old->class, why, size) ? old->name
	                                                                                : NULL;
}

/* False after saying what would be lost for good. */
static bool
has_way_back(const struct carry *carry, const struct change_side *was, const struct change_side *is,
             const struct change_diff *diff, struct manager_report *report)
{
	char why[160] = "";

	for (uint32_t i = 0; i < diff->count; i++) {
		const char *name =
		    who_loses(carry, was, is, diff, &diff->item[i], why, sizeof(why));

		if (name == NULL) {
			continue;
		}
		carry_fail(report,
		           "operators.%s: %s, and there would be no way back from the soak; with "
		           "--irreversible it is watched all the same",
		           name, why);
		return false;
	}
	return true;
}

/* Whether state of another version is to be converted, which may fail. */
static bool
converts_any(const struct change_diff *diff)
{
	for (uint32_t i = 0; i < diff->count; i++) {
		if (diff->item[i].converts) {
			return true;
		}
	}
	return false;
}

/* ---- from the file to the engine ---- */

/* Forgets what was to come. Always true: it is over. */
static bool
give_up(struct carry *carry)
{
	change_drop_next(carry);
	update_free(carry);
	return true;
}

/* What differs: true: there is nothing to do, or it may not be; said so. */
static bool
look_at_next(struct carry *carry, struct manager_report *report, struct change_diff *diff)
{
	struct carry_change *change = &carry->change;
	const struct action_args *args = &carry->action.args;
	const struct change_side was = change_side_of_now(carry);
	const struct change_side is = { .topology = change->topology, .graph = change->graph };

	change_compare(&was, &is, diff);
	if (!diff_allows(carry, &was, &is, diff, report)) {
		return true;
	}
	if (!diff_describe(&was, &is, diff, change->what) || args->is_dry) {
		snprintf(report->reason, sizeof(report->reason), "%s", change->what);
		return true;
	}
	if (args->canary > 0 && !canary_may_be(carry, diff, report)) {
		return true;
	}
	if (args->soak_ns > 0 && !args->is_irreversible &&
	    !has_way_back(carry, &was, &is, diff, report)) {
		return true;
	}
	if (args->soak_ns > 0) {
		change->soak = watch_plan(is.graph, NULL, diff);
		change->trial_soak =
		    args->canary > 0 ? watch_plan(was.graph, is.graph, diff) : NULL;
		if (change->soak == NULL || (args->canary > 0 && change->trial_soak == NULL)) {
			return carry_fail(report, "no memory for the soak");
		}
	}
	change->may_return = args->soak_ns > 0 || converts_any(diff);
	if (!change->is_rehearsed && args->rehearse != REHEARSE_NEVER) {
		rehearsal_name_others(change, &is, diff, args->rehearse == REHEARSE_ALWAYS);
	}
	return false;
}

static bool
go_over(struct carry *carry, enum action_phase phase, struct manager_report *report)
{
	char why[PLUGIN_COPIES_WHY];

	/* Before a snapshot can need them. */
	if (carry->folder != NULL &&
	    plugin_copies_put(carry->folder, carry->change.graph, why) != 0) {
		carry_fail(report, "%s", why);
		return give_up(carry);
	}
	carry->has_spare_copies = true;
	carry->change.stage = carry->action.args.canary > 0 ? STAGE_TRIAL : STAGE_CHANGE;
	change_hold(carry);
	return update_step_to(report, phase);
}

/* Its code comes into this process, and it is known what differs. */
static bool
load(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;
	struct change_diff *diff = malloc(sizeof(*diff));
	uint64_t content;
	bool is_over;

	if (diff == NULL) {
		carry_fail(report, "no memory for the change");
		return give_up(carry);
	}
	if (change->is_rehearsed && rehearsal_has_news(change->topology, &content) &&
	    content != change->content) {
		carry_fail(report, "a plugin was written to during the rehearsal: ask again");
		free(diff);
		return give_up(carry);
	}
	change->operators[0] = '\0';
	is_over = !check_graph(carry, report) || look_at_next(carry, report, diff);
	free(diff);
	if (is_over) {
		return give_up(carry);
	}
	if (change->operators[0] != '\0') {
		return rehearsal_begin(carry, STAGE_TRY, report)
		           ? update_step_to(report, PHASE_LOADED)
		           : give_up(carry);
	}
	return go_over(carry, change->is_rehearsed ? PHASE_REHEARSED : PHASE_LOADED, report);
}

/* What is now, to be compared with what will be. False: no memory. */
static bool
read_then(struct carry *carry)
{
	const struct lm_engine *engine = carry->engine;
	uint32_t count = engine->graph->operator_count;
	struct carry_change *change = &carry->change;

	change->then = calloc(count + 1, sizeof(*change->then));
	for (uint32_t i = 0; change->then != NULL && i < count; i++) {
		soak_read(engine, i, &change->then[i]);
	}
	return change->then != NULL;
}

bool
apply_begin(struct carry *carry, struct manager_report *report)
{
	const struct action_args *args = &carry->action.args;
	struct carry_change *change = &carry->change;

	if (!change_may_begin(carry, report)) {
		return true;
	}
	if (args->rehearse == REHEARSE_COUNT) {
		return carry_fail(report, "rehearse is auto, always or never");
	}
	if (args->canary > 0 && (args->soak_ns == 0 || args->is_irreversible)) {
		return carry_fail(report,
		                  "a canary is watched, and goes back where it does worse: "
		                  "%s",
		                  args->soak_ns == 0 ? "say for how long with --soak"
		                                     : "it cannot be irreversible");
	}
	change->is_apply = true;
	change->is_rehearsed = change->is_cut = false;
	change->is_irreversible = args->is_irreversible;
	change->soak_ns = args->soak_ns;
	change->bad[0] = change->rehearsed[0] = '\0';
	if (!read_file(carry, report)) {
		return give_up(carry);
	}
	if (args->soak_ns > 0 && !read_then(carry)) {
		carry_fail(report, "no memory for the soak");
		return give_up(carry);
	}
	if (args->rehearse == REHEARSE_NEVER ||
	    !rehearsal_has_news(change->topology, &change->content)) {
		return load(carry, report);
	}
	rehearsal_name_plugins(change);
	return !rehearsal_begin(carry, STAGE_CODE, report) && give_up(carry);
}

/* The child is listened to. */
static bool
step_rehearsal(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;

	if (!rehearse_step(&change->rehearse)) {
		return false;
	}
	if (!change->rehearse.has_passed) {
		carry_fail(report, "%s", change->rehearse.text);
		return give_up(carry);
	}
	change->is_rehearsed = true;
	snprintf(change->rehearsed, sizeof(change->rehearsed), "%s", change->rehearse.good);
	return change->stage == STAGE_CODE ? load(carry, report)
	                                   : go_over(carry, PHASE_REHEARSED, report);
}

/* ---- going over ---- */

bool
update_asks(struct carry *carry)
{
	struct lm_engine *engine = carry->engine;
	const struct lm_graph *was = engine->graph, *is = carry->change.graph;
	struct carry_past *before = &carry->change.before;
	struct soak *soak = carry->change.soak, *trial = carry->change.trial_soak;

	if (!carry->change.may_return) {
		return true;
	}
	free(before->slices);
	free(before->is_tried);
	before->slices = calloc(was->operator_count + 1, sizeof(*before->slices));
	before->is_tried = calloc(was->operator_count + 1, sizeof(*before->is_tried));
	if (before->slices == NULL || before->is_tried == NULL) {
		return false;
	}
	before->graph = was->base != NULL ? was->base : was;
	past_keep(engine, before->graph);
	for (uint32_t o = 0; o < was->operator_count; o++) {
		struct soak_count now;

		before->slices[o] = was->op[o].slices;
		soak_read(engine, o, &now);
		if (trial != NULL) {
			soak_expect(&trial->op[o], was->op[o].class->drops, &carry->change.then[o],
			            &now);
		}
		for (uint32_t n = 0; soak != NULL && n < is->operator_count; n++) {
			if (strcmp(is->op[n].name, was->op[o].name) == 0) {
				soak_expect(&soak->op[n], was->op[o].class->drops,
				            &carry->change.then[o], &now);
			}
		}
	}
	return true;
}

bool
update_aligns(struct carry *carry, struct manager_report *report)
{
	const struct carry_change *change = &carry->change;
	bool is_first =
	    change->stage == STAGE_TRIAL || (change->stage == STAGE_CHANGE && !change->is_wide);

	return is_first && update_step_to(report, PHASE_ALIGNING);
}

/* It stays as it is. */
static void
commit(struct carry *carry, struct manager_report *report)
{
	report->phase = PHASE_COMMITTED;
	report->epoch = carry->change.epoch;
	carry->change.since = carry->change.epoch;
	update_free(carry);
}

/* The topology that is to come is the one that runs; the one before is kept, for it may come back.
 */
static void
exchange_topology(struct carry *carry)
{
	struct carry_change *change = &carry->change;

	change->before.topology = carry->topology;
	change->before.owned = change->owned;
	change->before.changed_by = carry->changed_by;
	change->owned = change->topology;
	change->topology = NULL;
	change->epoch = carry->engine->changed.epoch;
	change->has_come = true;
	carry->topology = change->owned;
	carry->changed_by = change->by;
}

static void
put_back(struct carry *carry)
{
	struct carry_change *change = &carry->change;

	if (!change->has_come) {
		return;
	}
	change->has_come = false;
	lm_topology_free(change->owned);
	change->owned = change->before.owned;
	carry->topology = change->before.topology;
	carry->changed_by = change->before.changed_by;
	change->before.owned = NULL;
}

static void
rolled_back(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;

	carry_fail(report, "rolled back behind epoch %" PRIu64 ", since %s: %.200s",
	           carry->engine->changed.epoch, change->bad, change->what);
	report->phase = PHASE_ROLLED_BACK;
	change_drop_next(carry);
	update_free(carry);
}

uint32_t
update_slices_now(const struct carry *carry, const struct carry_past *before, uint32_t op)
{
	const struct lm_graph *graph = carry->engine->graph;
	bool is_tried = carry->change.is_wide && before->is_tried[op];

	for (uint32_t i = 0; i < graph->operator_count; i++) {
		if (strcmp(graph->op[i].name, before->graph->op[op].name) == 0) {
			return is_tried ? graph->op[i].slices
			                : engine_conversion_slices(carry->engine, i);
		}
	}
	return 0;
}

/* Of the topology before, which runs again. */
static bool
has_its_slices(const struct carry *carry)
{
	const struct lm_graph *graph = carry->engine->graph;

	for (uint32_t i = 0; i < graph->operator_count; i++) {
		if (graph->op[i].slices != carry->change.before.slices[i]) {
			return false;
		}
	}
	return true;
}

/* What was before runs, and has its state. True: the report is a step. */
static bool
is_back(struct carry *carry, struct manager_report *report)
{
	if (carry->change.stage != STAGE_RESIZE && !has_its_slices(carry)) {
		carry->change.stage = STAGE_RESIZE;
		return update_step_to(report, PHASE_ROLLING_BACK);
	}
	rolled_back(carry, report);
	return false;
}

bool
update_soaks(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;

	snprintf(report->reason, sizeof(report->reason), "%s", change->what);
	if (!watch_begin(carry, STAGE_SOAK, change->soak)) {
		commit(carry, report);
		return false;
	}
	check_begin(carry);
	return update_step_to(report, PHASE_SOAK);
}

/* All state is there. True: this goes on, perhaps with a step to report. */
static bool
has_state(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;

	if (!change->is_wide) {
		return update_soaks(carry, report);
	}
	if (!change->has_come) {
		return canary_watch(carry, report);
	}
	change->stage = STAGE_FEWER;
	return true;
}

bool
update_went_over(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;
	enum carry_stage stage = change->stage;
	bool goes_back = stage >= STAGE_BACK;
	struct conversion_report conversion;

	engine_conversion(carry->engine, carry->engine->changed.number, &conversion);
	if (stage == STAGE_BACK) {
		put_back(carry);
	} else if (stage == STAGE_CHANGE) {
		exchange_topology(carry);
		snprintf(change->what, sizeof(change->what), "%.480s%s", report->reason,
		         change->is_wide ? "; by a canary" : "");
	}
	change->is_wide = stage == STAGE_TRIAL || (change->is_wide && stage == STAGE_CHANGE);
	if (conversion.slices > 0) {
		change->stage = goes_back ? STAGE_RECONVERT : STAGE_CONVERT;
		return update_step_to(report, goes_back ? PHASE_ROLLING_BACK : PHASE_CONVERTING);
	}
	return goes_back ? is_back(carry, report) : has_state(carry, report);
}

bool
update_stays(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;

	if (change->is_wide) {
		return canary_stays(carry, report);
	}
	if (change->stage == STAGE_RESIZE) {
		rolled_back(carry, report);
	} else if (change->stage == STAGE_BACK) {
		char why[MANAGER_REASON];

		snprintf(why, sizeof(why), "%s", report->reason);
		carry_fail(report, "%s; it stays, for there is no way back: %.200s", change->bad,
		           why);
		commit(carry, report);
	}
	update_free(carry);
	return false;
}

/* ---- converting, soaking ---- */

bool
update_is_ending(const struct lm_engine *engine)
{
	return engine->suspending || engine->stopping ||
	       __atomic_load_n(&engine->shared->ended_slices, __ATOMIC_ACQUIRE) > 0;
}

static bool
end_soak(struct carry *carry, struct manager_report *report, const char *remark)
{
	snprintf(report->reason, sizeof(report->reason), "%.440s; %s", carry->change.what, remark);
	commit(carry, report);
	return change_tell(carry, report);
}

bool
update_go_back(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;

	env_log(4, "%s: going back to what was before: %s", carry->engine->graph->name,
	        change->bad);
	change->stage = STAGE_BACK;
	return update_step_to(report, PHASE_ROLLING_BACK);
}

/* It does worse, or is to end. */
static bool
break_off(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;

	if (!change->is_irreversible) {
		return update_go_back(carry, report);
	}
	carry_fail(report, "%s; it stays, as it is irreversible: %.200s", change->bad,
	           change->what);
	commit(carry, report);
	return change_tell(carry, report);
}

/* Going back, some slots could not be made into what they were. */
static bool
step_reconversion(struct carry *carry, const struct conversion_report *conversion,
                  struct manager_report *report)
{
	char why[MANAGER_REASON];

	if (!conversion->has_failed) {
		return is_back(carry, report) || change_tell(carry, report);
	}
	rolled_back(carry, report);
	snprintf(why, sizeof(why), "%s", report->reason);
	carry_fail(
	    report, "%.200s; and %s/%u could not make %u slots of its state what it was: %.120s",
	    why, conversion->op, conversion->slice, conversion->slots_failed, conversion->why);
	return change_tell(carry, report);
}

static bool
step_conversion(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;
	struct conversion_report conversion;

	engine_conversion(carry->engine, carry->engine->changed.number, &conversion);
	if (conversion.slices > 0 && !conversion.has_failed && !update_is_ending(carry->engine)) {
		return false;
	}
	if (change->stage == STAGE_RECONVERT) {
		return step_reconversion(carry, &conversion, report);
	}
	if (!conversion.has_failed) {
		return has_state(carry, report) ? report->is_step : change_tell(carry, report);
	}
	snprintf(change->bad, sizeof(change->bad), "%s/%u could not convert its state: %.120s",
	         conversion.op, conversion.slice, conversion.why);
	if (change->is_wide && update_is_ending(carry->engine)) {
		change->stage = STAGE_CANARY;
		return false;
	}
	if (update_is_ending(carry->engine)) {
		carry_fail(report, "%s; the job is ending", change->bad);
		commit(carry, report);
		return change_tell(carry, report);
	}
	return break_off(carry, report);
}

static bool
step_soak(struct carry *carry, struct manager_report *report)
{
	struct carry_change *change = &carry->change;
	bool is_canary = change->stage == STAGE_CANARY;
	struct soak *soak = is_canary ? change->trial_soak : change->soak;
	int64_t now_ns = env_now_ns();
	bool is_over = soak_is_over(soak, now_ns), is_bad;
	enum check_state checked;
	char remark[64] = "soaked";
	struct soak_count *now;

	if (is_canary && update_is_ending(carry->engine)) {
		return canary_end(carry, report);
	}
	if (update_is_ending(carry->engine)) {
		return end_soak(carry, report, "not soaked to the end, for the input ended");
	}
	if (change->is_cut && change->is_irreversible) {
		return end_soak(carry, report, "not soaked to the end, for the job ends");
	}
	if (change->is_cut) {
		snprintf(change->bad, sizeof(change->bad), "the job is to end before it is soaked");
		return break_off(carry, report);
	}
	now = watch_read(carry);
	if (now == NULL) {
		return false; /* the next look may have memory */
	}
	is_bad = soak_look(soak, now_ns, now, is_over, change->bad);
	free(now);
	checked = is_bad ? CHECK_BAD : is_canary ? CHECK_GOOD : check_step(carry, now_ns, is_over);
	if (checked == CHECK_BAD) {
		return break_off(carry, report);
	}
	if (is_canary && is_over) {
		change->stage = STAGE_CHANGE;
	}
	if (change->check.count > 0) {
		snprintf(remark, sizeof(remark), "soaked, state checked %u times",
		         change->check.count);
	}
	return is_over && !is_canary && checked == CHECK_GOOD && end_soak(carry, report, remark);
}

bool
apply_step(struct carry *carry, struct manager_report *report)
{
	if (carry->change.is_told) {
		return change_step(carry, report);
	}
	switch (carry->change.stage) {
	case STAGE_CODE:
	case STAGE_TRY:
		return step_rehearsal(carry, report);
	case STAGE_CONVERT:
	case STAGE_RECONVERT:
		return step_conversion(carry, report);
	case STAGE_CANARY:
	case STAGE_SOAK:
		return step_soak(carry, report);
	default:
		return change_step(carry, report);
	}
}

/* ---- nobody waits for it, or the job is to end ---- */

void
update_abandon(struct carry *carry)
{
	struct carry_change *change = &carry->change;

	rehearse_abandon(&change->rehearse);
	change->is_cut = true;
	if (change->number == 0 && !update_goes_on(carry)) {
		give_up(carry);
	}
}

bool
update_goes_on(const struct carry *carry)
{
	const struct carry_change *change = &carry->change;

	return change->is_apply && (change->stage >= STAGE_CONVERT || change->is_wide);
}

bool
carry_may_end(struct carry *carry)
{
	struct carry_change *change = &carry->change;
	bool soaks = update_goes_on(carry) ||
	             (change->is_apply && change->soak != NULL && change->number != 0);

	/* What is tried cannot go back any more: who ends the job need not wait for that. */
	soaks &= !(change->is_wide && update_is_ending(carry->engine));
	change->is_cut |= soaks;
	return !soaks;
}
