/* SPDX-License-Identifier: BSD-3-Clause */
/* Carrying out actions on the engine, step by step. */
#include "mgmt/carry.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph.h"
#include "core/text.h"
#include "mgmt/carry_struct.h"

/* What a kind of action does. */
struct carry_class {
	/* True: there is something to report already. */
	bool (*begin)(struct carry *carry, struct manager_report *report);
	bool (*step)(struct carry *carry, struct manager_report *report);
	void (*abandon)(struct carry *carry); /* NULL: what is under way goes on by itself */
};

bool
carry_fail(struct manager_report *report, const char *format, ...)
{
	va_list args;

	report->has_failed = true;
	va_start(args, format);
	vsnprintf(report->reason, sizeof(report->reason), format, args);
	va_end(args);
	return true;
}

/* Names to numbers: false after saying why not. */

bool
carry_find_operator(const struct carry *carry, uint32_t *op, struct manager_report *report)
{
	const struct action_args *args = &carry->action.args;
	const struct lm_graph *graph = carry->engine->graph;
	const char *names[LM_OPERATORS_MAX];
	char hint[240];

	for (*op = 0; *op < graph->operator_count; (*op)++) {
		names[*op] = graph->op[*op].name;
		if (strcmp(names[*op], args->operator) == 0) {
			return true;
		}
	}
	carry_fail(report, "there is no operator \"%s\"; %s", args->operator,
	           text_hint(args->operator, "operators", names, graph->operator_count, hint,
	                     sizeof(hint)));
	return false;
}

static bool
find_slice(const struct carry *carry, uint32_t *slice, struct manager_report *report)
{
	const struct graph_operator *op;
	uint32_t number;

	if (!carry_find_operator(carry, &number, report)) {
		return false;
	}
	op = &carry->engine->graph->op[number];
	*slice = op->first_slice + carry->action.args.slice;
	if (carry->action.args.slice >= op->slices) {
		carry_fail(report, "%s has no slice %u: it has 0 to %u", op->name,
		           carry->action.args.slice, op->slices - 1);
		return false;
	}
	return true;
}

static bool
find_worker(const struct carry *carry, uint32_t *worker, struct manager_report *report)
{
	const struct lm_engine *engine = carry->engine;
	char lcores[200] = "";
	size_t length = 0;

	for (*worker = 0; *worker < engine->worker_count; (*worker)++) {
		if (engine->worker[*worker]->lcore == carry->action.args.lcore) {
			return true;
		}
	}
	for (uint32_t i = 0; i < engine->worker_count && length < sizeof(lcores) - 8; i++) {
		length += (size_t)snprintf(lcores + length, sizeof(lcores) - length, " %u",
		                           engine->worker[i]->lcore);
	}
	carry_fail(report, "lcore %u is not one of this job: it has%s", carry->action.args.lcore,
	           lcores);
	return false;
}

/* Moves. */

/* False after saying why not. */
static bool
start_move(struct carry *carry, uint32_t slice, uint32_t worker, struct manager_report *report)
{
	carry->move = engine_migrate(carry->engine, slice, worker);
	if (carry->move == 0) {
		carry_fail(report, "%u moves are under way: try again", MOVES_MAX);
	}
	return carry->move != 0;
}

static void
note_moved(struct carry *carry, const struct move *move)
{
	if (move->result == MOVE_DONE && carry->moved_count <= MOVES_MAX) {
		carry->moved[carry->moved_count++] = move->slice;
	}
}

/* What the move under way has come to; false: it goes on. */
static bool
take_move(struct carry *carry, struct move *move)
{
	if (!engine_collect_move(carry->engine, carry->move, move)) {
		return false;
	}
	carry->move = 0;
	note_moved(carry, move);
	return true;
}

/* Nobody waits for it: its place among the moves is given back when it is through. */
static void
move_abandon(struct carry *carry)
{
	uint32_t at = 0;

	while (carry->left[at] != 0) {
		at++;
		assert(at < MOVES_MAX);
	}
	carry->left[at] = carry->move;
}

static void
collect_left(struct carry *carry)
{
	struct move move;

	for (uint32_t i = 0; i < MOVES_MAX; i++) {
		if (carry->left[i] != 0 &&
		    engine_collect_move(carry->engine, carry->left[i], &move)) {
			carry->left[i] = 0;
			note_moved(carry, &move);
		}
	}
}

static bool
migrate_begin(struct carry *carry, struct manager_report *report)
{
	uint32_t slice, worker;

	return !find_slice(carry, &slice, report) || !find_worker(carry, &worker, report) ||
	       !start_move(carry, slice, worker, report);
}

static bool
migrate_step(struct carry *carry, struct manager_report *report)
{
	struct move move;

	if (!take_move(carry, &move)) {
		return false;
	}
	report->pause_ns = (uint64_t)move.pause_ns;
	return move.result == MOVE_DONE || carry_fail(report, "%s", move_result_text(move.result));
}

/* Spreading. */

/* How much of an lcore a slice took, with those that it calls. */
static double
busy_of(const struct carry *carry, uint32_t slice)
{
	int64_t for_ns = carry->now->head->now_ns - carry->before->head->now_ns;
	uint64_t busy_ns = carry->now->slice[slice].busy_ns - carry->before->slice[slice].busy_ns;

	return for_ns <= 0 ? 0 : (double)busy_ns / (double)for_ns;
}

/* What would be moved where, as far as there is room to say it. */
static void
describe_plan(const struct carry *carry, char text[MANAGER_REASON])
{
	size_t length = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < carry->plan_count; i++) {
		const struct balance_move *move = &carry->plan[i];
		const struct lm_op *slice = carry->engine->slice[move->slice];
		char one[200];
		size_t size =
		    (size_t)snprintf(one, sizeof(one), "%s%s/%u (%.0f %%) from lcore %u to %u",
		                     i == 0 ? "" : ", ", slice->name, slice->index,
		                     100 * move->busy, carry->engine->worker[move->from]->lcore,
		                     carry->engine->worker[move->to]->lcore);

		if (length + size + 16 > MANAGER_REASON) {
			snprintf(text + length, MANAGER_REASON - length, " and %u more",
			         carry->plan_count - i);
			return;
		}
		memcpy(text + length, one, size + 1);
		length += size;
	}
}

/* True: the plan is made; false after saying why not. */
static bool
make_plan(struct carry *carry, struct manager_report *report)
{
	const struct lm_engine *engine = carry->engine;
	struct balance_unit *unit = calloc(engine->slice_count, sizeof(*unit));
	uint32_t count = 0;

	carry->plan = calloc(engine->slice_count, sizeof(*carry->plan));
	if (unit == NULL || carry->plan == NULL) {
		free(unit);
		carry_fail(report, "no memory for a plan");
		return false;
	}
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		if (engine->slice[i]->head == engine->slice[i]) {
			unit[count++] =
			    (struct balance_unit){ .slice = i,
				                   .worker = lm_engine_slice_worker(engine, i),
				                   .busy = busy_of(carry, i) };
		}
	}
	carry->plan_count = balance_plan(unit, count, engine->worker_count, carry->plan);
	free(unit);
	return true;
}

/* Of an operator: its slots, over the slices that it has. Else: slices, over the lcores. */
static bool
is_of_slots(const struct carry *carry)
{
	return carry->action.args.operator[0] != '\0';
}

static bool
rebalance_begin(struct carry *carry, struct manager_report *report)
{
	if (is_of_slots(carry)) {
		return slots_begin(carry, report);
	}
	if (carry->now->head->generation != carry->engine->generation ||
	    !sample_compares(carry->now, carry->before)) {
		return carry_fail(report,
		                  "the graph has just changed: ask again when there are probes");
	}
	if (!make_plan(carry, report)) {
		return true;
	}
	report->steps = carry->plan_count;
	if (carry->plan_count == 0) {
		snprintf(report->reason, sizeof(report->reason),
		         "no move would gain %.0f %% of an lcore", 100 * BALANCE_GAIN);
		return true;
	}
	describe_plan(carry, report->reason);
	return carry->action.args.is_dry ||
	       !start_move(carry, carry->plan[0].slice, carry->plan[0].to, report);
}

static bool
rebalance_step(struct carry *carry, struct manager_report *report)
{
	const struct balance_move *next;
	struct move move;

	if (is_of_slots(carry)) {
		return change_step(carry, report);
	}
	if (!take_move(carry, &move)) {
		return false;
	}
	report->steps = carry->plan_count;
	report->step = carry->plan_at;
	if (move.result != MOVE_DONE) {
		return carry_fail(report, "move %u of %u: %s", carry->plan_at + 1,
		                  carry->plan_count, move_result_text(move.result));
	}
	report->step = ++carry->plan_at;
	report->pause_ns = (uint64_t)move.pause_ns;
	if (carry->plan_at == carry->plan_count) {
		describe_plan(carry, report->reason);
		return true;
	}
	next = &carry->plan[carry->plan_at];
	report->is_step = start_move(carry, next->slice, next->to, report);
	return true;
}

static void
rebalance_abandon(struct carry *carry)
{
	if (is_of_slots(carry)) {
		change_abandon(carry);
	} else {
		move_abandon(carry);
	}
}

/* Sources. */

static bool
activity_begin(struct carry *carry, struct manager_report *report)
{
	(void)report;
	engine_set_active(carry->engine, carry->action.kind == ACTION_ACTIVATE);
	return false;
}

static bool
activity_step(struct carry *carry, struct manager_report *report)
{
	(void)report;
	return engine_active_heard(carry->engine);
}

/* As it was. */
static void
activity_abandon(struct carry *carry)
{
	engine_set_active(carry->engine, carry->action.kind != ACTION_ACTIVATE);
}

static const struct carry_class classes[ACTION_KIND_COUNT] = {
	[ACTION_MIGRATE] = { migrate_begin, migrate_step, move_abandon },
	[ACTION_REBALANCE] = { rebalance_begin, rebalance_step, rebalance_abandon },
	[ACTION_DEACTIVATE] = { activity_begin, activity_step, activity_abandon },
	[ACTION_ACTIVATE] = { activity_begin, activity_step, activity_abandon },
	[ACTION_RESCALE] = { rescale_begin, change_step, change_abandon },
	[ACTION_APPLY] = { apply_begin, apply_step, change_abandon },
};

static void
finish(struct carry *carry)
{
	free(carry->plan);
	carry->plan = NULL;
	carry->plan_count = carry->plan_at = 0;
	carry->move = 0;
	carry->change.is_told = false;
	carry->action.id = 0;
	carry->has_begun = false;
}

void
carry_begin(struct carry *carry, const struct action *action)
{
	assert(carry->action.id == 0);
	assert(classes[action->kind].begin != NULL);
	carry->action = *action;
}

bool
carry_step(struct carry *carry, struct manager_report *report)
{
	const struct carry_class *class = &classes[carry->action.kind];
	bool has_report;

	collect_left(carry);
	change_look(carry);
	back_step(carry);
	if (carry->action.id == 0) {
		return false;
	}
	*report = (struct manager_report){ .id = carry->action.id };
	has_report = carry->has_begun ? class->step(carry, report) : class->begin(carry, report);
	carry->has_begun = true;
	if (has_report && !report->is_step) {
		finish(carry);
	}
	return has_report;
}

void
carry_abandon(struct carry *carry)
{
	if (carry->action.id == 0) {
		return;
	}
	if (carry->has_begun && classes[carry->action.kind].abandon != NULL) {
		classes[carry->action.kind].abandon(carry);
	}
	finish(carry);
}
