/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking at the load, asking the policy, moving slices, and the log of all that. */
#include "mgmt/elastic.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An operator of which a change was refused is left as it is for so long. */
#define AGAIN_NS INT64_C(10000000000)

static const struct lm_graph *
root_of(const struct lm_graph *graph)
{
	return graph->base != NULL ? graph->base : graph;
}

static int
elastic_allocate(struct elastic *elastic)
{
	const struct lm_engine *engine = elastic->engine;

	elastic->root = root_of(engine->graph);
	for (uint32_t o = 0; o < engine->graph->operator_count; o++) {
		elastic->slices[o] = engine->graph->op[o].slices;
		elastic->first_slice[o] = engine->graph->op[o].first_slice;
	}

	elastic->generation = engine->generation;
	elastic->expected = calloc(engine->slice_count + 1, sizeof(*elastic->expected));
	elastic->by_hand = calloc(engine->slice_count + 1, sizeof(*elastic->by_hand));
	if (elastic->expected == NULL || elastic->by_hand == NULL ||
	    plan_init(&elastic->plan, engine->slice_count) != 0) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		elastic->expected[i] = slice_worker(engine->slice[i])->index;
	}
	return load_reader_open(&elastic->reader, engine);
}

int
elastic_open(struct elastic *elastic, struct lm_engine *engine, const struct lm_elastic *rules)
{
	memset(elastic, 0, sizeof(*elastic));
	elastic->engine = engine;
	elastic->rules = *rules;
	elastic->view.rules = *rules;
	elastic->view.version = 1;
	elastic->view.lcores_max = policy_lcores_max(rules, engine->worker_count);
	if (rules->policy == LM_ELASTIC_OFF) {
		return 0;
	}
	if (elastic_allocate(elastic) != 0) {
		elastic_close(elastic);
		return -ENOMEM;
	}
	return 0;
}

void
elastic_close(struct elastic *elastic)
{
	load_reader_close(&elastic->reader);
	plan_free(&elastic->plan);
	free(elastic->expected);
	free(elastic->by_hand);
	elastic->expected = NULL;
	elastic->by_hand = NULL;
}

const struct elastic_view *
elastic_view(const struct elastic *elastic)
{
	return &elastic->view;
}

static struct elastic_move *
move_of(struct elastic *elastic, uint64_t n)
{
	return &elastic->view.move[n % ELASTIC_MOVES];
}

static void
land(struct elastic *elastic, struct elastic_flight *flight, const struct move *done)
{
	struct elastic_move *move = move_of(elastic, flight->n);

	move->is_done = true;
	move->result = done->result;
	move->pause_ns = done->pause_ns;
	if (done->result == MOVE_DONE) {
		elastic->expected[flight->slice] = move->to;
	}
	flight->id = 0;
}

/* Takes back what has arrived; how many are still on their way. */
static uint32_t
collect(struct elastic *elastic)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < MOVES_MAX; i++) {
		struct elastic_flight *flight = &elastic->flight[i];
		struct move done = { .result = MOVE_UNDER_WAY };

		if (flight->id == 0) {
			continue;
		}
		if (engine_collect_move(elastic->engine, flight->id, &done)) {
			land(elastic, flight, &done);
		} else {
			left++;
		}
	}
	return left;
}

static struct elastic_flight *
free_flight(struct elastic *elastic)
{
	for (uint32_t i = 0; i < MOVES_MAX; i++) {
		if (elastic->flight[i].id == 0) {
			return &elastic->flight[i];
		}
	}
	return NULL;
}

static struct elastic_move
move_as_planned(const struct elastic *elastic, const struct plan_move *planned)
{
	const struct lm_op *slice = elastic->engine->slice[planned->slice];

	return (struct elastic_move){ .op = slice->op,
		                      .index = slice->index,
		                      .from = planned->from,
		                      .to = planned->to,
		                      .demand = planned->demand };
}

/* The plan's next moves, as many as an interval may have. */
static void
send_moves(struct elastic *elastic)
{
	struct plan *plan = &elastic->plan;

	for (uint32_t sent = 0;
	     sent < elastic->rules.moves && elastic->next_move < plan->move_count; sent++) {
		const struct plan_move *planned = &plan->move[elastic->next_move];
		struct elastic_flight *flight = free_flight(elastic);
		uint64_t id = flight == NULL
		                  ? 0
		                  : engine_migrate(elastic->engine, planned->slice, planned->to);

		if (id == 0) {
			return; /* too many are under way: in the next interval */
		}
		*flight = (struct elastic_flight){ id, elastic->view.move_count++, planned->slice };
		*move_of(elastic, flight->n) = move_as_planned(elastic, planned);
		elastic->next_move++;
	}
}

static bool
is_in_flight(const struct elastic *elastic, uint32_t slice)
{
	for (uint32_t i = 0; i < MOVES_MAX; i++) {
		const struct elastic_flight *flight = &elastic->flight[i];

		if (flight->id != 0 && flight->slice == slice) {
			return true;
		}
	}
	return false;
}

/* Operators whose number of slices stays: somebody gave it to them, or another one was refused. */
static void
keep_numbers(struct elastic *elastic)
{
	struct load *load = &elastic->reader.load;
	const struct lm_graph *graph = elastic->engine->graph;

	elastic->view.scaled_by_hand = 0;
	for (uint32_t o = 0; o < load->op_count; o++) {
		bool is_kept = elastic->keeps_slices[o] || load->now_ns < elastic->again_ns[o];

		load->op[o].slices_most = is_kept ? 0 : graph->op[o].slices_most;
		elastic->view.scaled_by_hand += elastic->keeps_slices[o] ? 1 : 0;
	}
}

/* A slice that is elsewhere than it was put was moved by somebody else. */
static void
look_for_hands(struct elastic *elastic)
{
	struct load *load = &elastic->reader.load;

	elastic->view.by_hand = 0;
	for (uint32_t i = 0; i < load->slice_count; i++) {
		struct load_slice *slice = &load->slice[i];

		if (slice->worker != elastic->expected[slice->slice] &&
		    !is_in_flight(elastic, slice->slice)) {
			elastic->by_hand[slice->slice] = true;
			elastic->expected[slice->slice] = slice->worker;
		}
		slice->is_fixed |= elastic->by_hand[slice->slice];
		elastic->view.by_hand += elastic->by_hand[slice->slice] ? 1 : 0;
	}
}

static bool
is_quiet(enum plan_verdict verdict)
{
	return verdict == PLAN_STEADY || verdict == PLAN_WAITING;
}

static bool
changes_graph(enum plan_verdict verdict)
{
	return verdict == PLAN_RESCALING || verdict == PLAN_LEVELLING;
}

/* Whether a look came to what the last one did: then it is told with that one. */
static bool
is_the_same(const struct elastic *elastic, const struct elastic_decision *last)
{
	enum plan_verdict verdict = elastic->plan.verdict;

	if (is_quiet(verdict)) {
		return is_quiet(last->verdict);
	}
	return verdict == last->verdict &&
	       ((elastic->plan.move_count == 0 && !changes_graph(verdict)) ||
	        elastic->rules.dry_run);
}

/* In a dry run the moves are told, once. */
static void
log_dry_moves(struct elastic *elastic)
{
	for (uint32_t i = 0; elastic->rules.dry_run && i < elastic->plan.move_count; i++) {
		*move_of(elastic, elastic->view.move_count++) =
		    move_as_planned(elastic, &elastic->plan.move[i]);
	}
}

static void
log_decision(struct elastic *elastic)
{
	struct elastic_view *view = &elastic->view;
	const struct plan *plan = &elastic->plan;
	int64_t now_ns = elastic->reader.load.now_ns;
	struct elastic_decision *last = &view->decision[view->decision_count % ELASTIC_LOG];

	if (view->decision_count == 0 || !is_the_same(elastic, last)) {
		view->decision_count++;
		last = &view->decision[view->decision_count % ELASTIC_LOG];
		*last = (struct elastic_decision){ .number = view->decision_count,
			                           .first_ns = now_ns,
			                           .first_move = view->move_count,
			                           .move_count = plan->move_count };
		log_dry_moves(elastic);
	}
	last->last_ns = now_ns;
	last->looks++;
	last->verdict = plan->verdict;
	last->lcores = plan->lcores;
	last->lcores_wanted = plan->lcores_wanted;
	last->load = plan->load;
	last->busiest = plan->busiest;
	last->scale_count = plan->scale_count;
	memcpy(last->scale, plan->scale, sizeof(last->scale));
	memcpy(last->why, plan->why, sizeof(last->why));
	view->lcores = plan->lcores;
	view->version++;
}

static void
begin(struct elastic *elastic)
{
	const struct plan *plan = &elastic->plan;

	elastic->next_move = 0;
	elastic->is_under_way = true;
	elastic->view.changes += plan->lcores_wanted != plan->lcores ? 1 : 0;
	if (plan->verdict == PLAN_RESCALING) {
		elastic->changes = (struct elastic_changes){ .count = plan->scale_count };
		memcpy(elastic->changes.scale, plan->scale, sizeof(plan->scale));
		memcpy(elastic->places, plan->takes, sizeof(elastic->places));
	} else if (plan->verdict == PLAN_LEVELLING) {
		elastic->changes = (struct elastic_changes){ .count = 1 };
		elastic->changes.scale[0].op = plan->level_op;
	}
	send_moves(elastic);
}

/* ---- changes of the graph ---- */

/* Of a graph with other slices: which were moved by hand, and whose number somebody else gave. */
static void
look_for_others(struct elastic *elastic, const bool *by_hand, const uint32_t *slices,
                const uint32_t *first_slice)
{
	const struct lm_graph *graph = elastic->engine->graph;
	const struct elastic_changes *changes = &elastic->changes;
	const struct plan_scale *mine = changes->is_asked ? &changes->scale[changes->at] : NULL;

	for (uint32_t o = 0; o < graph->operator_count; o++) {
		uint32_t now = graph->op[o].slices, kept = now < slices[o] ? now : slices[o];

		for (uint32_t i = 0; i < kept; i++) {
			elastic->by_hand[graph->op[o].first_slice + i] =
			    by_hand[first_slice[o] + i];
		}
		if (now != slices[o] && (mine == NULL || mine->op != o || mine->slices != now)) {
			elastic->keeps_slices[o] = true;
		}
	}
}

/* Another topology: what was decided before speaks of operators that are no more. */
static void
begin_anew(struct elastic *elastic)
{
	elastic->view.move_count = elastic->view.decision_count = 0;
	elastic->changes.count = 0;
	memset(elastic->keeps_slices, 0, sizeof(elastic->keeps_slices));
	memset(elastic->again_ns, 0, sizeof(elastic->again_ns));
	memset(&elastic->memory, 0, sizeof(elastic->memory));
}

/*
 * The graph has changed: slices have other numbers, all is counted anew. A change waits for moves,
 * so none is on its way; a plan of moves is given up.
 */
static bool
fit(struct elastic *elastic)
{
	bool is_other = root_of(elastic->engine->graph) != elastic->root;
	uint32_t slices[LM_OPERATORS_MAX], first_slice[LM_OPERATORS_MAX];
	bool *by_hand = elastic->by_hand;

	if (elastic->generation == elastic->engine->generation) {
		return true;
	}
	memcpy(slices, elastic->slices, sizeof(slices));
	memcpy(first_slice, elastic->first_slice, sizeof(first_slice));
	elastic->by_hand = NULL;
	elastic_close(elastic);
	elastic->is_under_way = elastic->changes.at < elastic->changes.count;
	elastic->next_move = 0;
	elastic->due_ns = 0; /* what is counted from now on */
	elastic->view.version++;
	if (elastic_allocate(elastic) != 0) {
		free(by_hand);
		elastic_close(elastic);
		elastic->rules.policy = LM_ELASTIC_OFF;
		return false;
	}
	if (is_other) {
		begin_anew(elastic);
	} else {
		look_for_others(elastic, by_hand, slices, first_slice);
	}
	free(by_hand);
	return true;
}

bool
elastic_take(struct elastic *elastic, struct action_ask *ask)
{
	struct elastic_changes *changes = &elastic->changes;
	const struct plan_scale *scale = &changes->scale[changes->at];

	if (changes->is_asked || changes->at >= changes->count || elastic->engine->change != NULL) {
		return false;
	}
	changes->is_asked = true;
	*ask = (struct action_ask){ .kind = ACTION_RESCALE, .args.slices = scale->slices };
	snprintf(ask->args.operator, sizeof(ask->args.operator), "%s",
	         elastic->engine->graph->op[scale->op].name);
	if (scale->slices == 0) {
		ask->kind = ACTION_REBALANCE;
		snprintf(ask->what, sizeof(ask->what), "slots of %.80s, as the load wants",
		         ask->args.operator);
		return true;
	}
	snprintf(ask->what, sizeof(ask->what), "%.80s from %u to %u slices, as the load wants",
	         ask->args.operator, scale->was, scale->slices);
	return true;
}

static void
note_outcome(struct elastic *elastic, bool is_done, const char *reason)
{
	struct elastic_view *view = &elastic->view;
	struct elastic_decision *last = &view->decision[view->decision_count % ELASTIC_LOG];
	size_t length;

	if (view->decision_count == 0 || !changes_graph(last->verdict)) {
		return; /* another topology has come in between */
	}
	length = strlen(last->outcome);
	snprintf(last->outcome + length, sizeof(last->outcome) - length, "%s%s%s",
	         length > 0 ? "; " : "", is_done ? "" : "failed: ", reason);
	view->version++;
}

void
elastic_told(struct elastic *elastic, bool is_done, const char *reason, int64_t now_ns)
{
	struct elastic_changes *changes = &elastic->changes;
	uint32_t op = changes->scale[changes->at].op;

	assert(changes->is_asked);
	(void)fit(elastic);
	changes->is_asked = false;
	if (changes->count > 0 && !is_done && changes->scale[changes->at].slices > 0) {
		elastic->again_ns[op] = now_ns + AGAIN_NS;
	}
	if (changes->count > 0 && changes->scale[changes->at].slices == 0) {
		elastic->memory.level_ns[op] = now_ns + AGAIN_NS;
	}
	note_outcome(elastic, is_done, reason);
	changes->at++;
	if (changes->at >= changes->count) {
		elastic->is_under_way = false;
		policy_changed(&elastic->memory, now_ns);
	}
}

const bool *
elastic_places(struct elastic *elastic)
{
	const struct lm_engine *engine = elastic->engine;

	if (elastic->rules.policy <= LM_ELASTIC_STATIC || elastic->rules.dry_run) {
		return NULL;
	}
	if (!elastic->changes.is_asked) {
		memset(elastic->places, 0, sizeof(elastic->places));
	}
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		elastic->places[slice_worker(engine->slice[i])->index] = true;
	}
	return elastic->places;
}

static void
look(struct elastic *elastic, int64_t now_ns, uint64_t lost)
{
	load_read(&elastic->reader, now_ns, lost);
	keep_numbers(elastic);
	look_for_hands(elastic);
	if (elastic->is_under_way) {
		send_moves(elastic);
		return;
	}
	policy_plan(&elastic->rules, &elastic->reader.load, &elastic->memory, &elastic->plan);
	if (elastic->view.is_frozen) {
		elastic->plan.verdict = PLAN_FROZEN;
		elastic->plan.lcores_wanted = elastic->plan.lcores;
		elastic->plan.move_count = 0;
	}
	log_decision(elastic);
	if ((elastic->plan.move_count > 0 || changes_graph(elastic->plan.verdict)) &&
	    !elastic->rules.dry_run) {
		begin(elastic);
	}
}

void
elastic_tick(struct elastic *elastic, int64_t now_ns, uint64_t lost)
{
	uint32_t left;

	if (elastic->rules.policy == LM_ELASTIC_OFF) {
		return;
	}
	/* What has arrived goes by the numbers that it was sent by. */
	left = collect(elastic);
	if (!fit(elastic)) {
		return;
	}
	if (elastic->is_under_way && elastic->changes.at >= elastic->changes.count && left == 0 &&
	    elastic->next_move >= elastic->plan.move_count) {
		elastic->is_under_way = false;
		policy_changed(&elastic->memory, now_ns);
		elastic->view.version++;
	}
	/* Nothing moves while the graph changes: it is looked at behind that. */
	if (now_ns >= elastic->due_ns && elastic->engine->change == NULL) {
		elastic->due_ns = now_ns + (int64_t)elastic->rules.interval_ns;
		look(elastic, now_ns, lost);
	}
}

/* What was not asked for is not. */
static void
stop_changes(struct elastic *elastic)
{
	struct elastic_changes *changes = &elastic->changes;

	changes->count = changes->is_asked ? changes->at + 1 : changes->at;
}

void
elastic_freeze(struct elastic *elastic, bool is_frozen)
{
	elastic->view.is_frozen = is_frozen;
	elastic->view.version++;
	if (is_frozen) {
		elastic->next_move = elastic->plan.move_count; /* what is not sent is not made */
		stop_changes(elastic);
	}
	if (!is_frozen && elastic->by_hand != NULL) {
		memset(elastic->by_hand, 0, elastic->reader.slice_count * sizeof(bool));
		memset(elastic->keeps_slices, 0, sizeof(elastic->keeps_slices));
		elastic->view.by_hand = elastic->view.scaled_by_hand = 0;
	}
}
