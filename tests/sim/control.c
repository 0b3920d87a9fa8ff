/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control thread of a run in the simulator: it starts epochs and stops sources; in two seeds of
 * three it moves slices from lcore to lcore at any moment, in one of two it has the sources pause
 * and go on, in one of two it gives operators another number of slices, or other code, or goes over
 * to another topology and back. What it asks for must come: a source hears of an epoch, of a pause
 * and of the stop within a few turns of the lcores, wherever it is by then, and sends nothing while
 * it pauses; every move is told once, and the slice is where it was moved to; no lcore sleeps on
 * its mail.
 */

#include "tests/sim/control.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/change_diff.h"
#include "core/env.h"
#include "core/past.h"
#include "core/ring.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/sim.h"

/*
 * Rounds in which every worker has a turn, or is parked, in which mail arrives. One or two do, but
 * mail may run after a slice that is moved again and again: each time it comes too late is less
 * likely than the one before.
 */
#define ROUNDS_MAX 30u

/* What all sources must have heard of after so many rounds. */
struct hearing {
	uint32_t rounds_left; /* 0: nothing */
	uint64_t turns[LM_WORKERS_MAX];
	bool has_turned[LM_WORKERS_MAX];
};

#define SLICES_MAX 6u

static struct {
	uint64_t moves_every;   /* chances between two moves, about; 0: none are made */
	uint64_t changes_every; /* the same of changes of the number of slices */
	uint64_t asked, collected;
	struct control_changes changes; /* that may be made; zeroes: none */
	struct lm_topology *other;      /* that it goes over to, or runs */
	bool runs_other, goes_over, holds;
	/* The other one's graph, the engine's own by then, whose code is on trial, or comes to be,
	 * or goes back; NULL: nothing is tried. */
	struct lm_graph *tried;
	bool is_on_trial, comes_back;
	bool looks; /* somebody was asked to */
	bool wants_change;
	uint64_t change; /* the last one asked for */
	uint64_t epoch;
	struct hearing epoch_heard, stop_heard, pause_heard;
	uint64_t pauses_every; /* chances between two pauses, about; 0: none are made */
	uint64_t pauses_left;  /* so many, so that the stream comes to its end */
	/* Rows by the sources of this graph when all had heard of this pause. */
	uint64_t sent, of, of_graph;
	bool is_stopping, has_failed;
} control;

static void
hearing_next_round(struct hearing *hearing, const struct lm_engine *engine)
{
	for (uint32_t i = 0; i < engine->worker_count; i++) {
		hearing->turns[i] = engine->worker[i]->stats.turns;
		hearing->has_turned[i] = false;
	}
}

static void
hearing_begin(struct hearing *hearing, const struct lm_engine *engine)
{
	hearing->rounds_left = ROUNDS_MAX;
	hearing_next_round(hearing, engine);
}

/* True once, after the last round. */
static bool
hearing_is_over(struct hearing *hearing, const struct lm_engine *engine)
{
	bool all = hearing->rounds_left > 0;

	for (uint32_t i = 0; i < engine->worker_count; i++) {
		const struct worker *worker = engine->worker[i];

		hearing->has_turned[i] |= worker->stats.turns != hearing->turns[i] ||
		                          sim_is_parked(&worker->mailbox.parked);
		all &= hearing->has_turned[i];
	}
	if (!all) {
		return false;
	}
	hearing_next_round(hearing, engine);
	return --hearing->rounds_left == 0;
}

static void
check_sources(const struct lm_engine *engine, bool of_stop)
{
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		const struct lm_op *slice = engine->slice[i];
		bool heard =
		    of_stop ? slice->stopping
			    : slice->marker == engine->epoch || slice->stats.epoch >= engine->epoch;

		if (slice->is_source && !heard && !slice->ended && !slice->ending) {
			fprintf(stderr, "%s slice %u has not heard of the %s\n", slice->name,
			        slice->index, of_stop ? "stop" : "epoch");
			control.has_failed = true;
		}
	}
}

static uint64_t
rows_sent(const struct lm_engine *engine)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < engine->slice_count; i++) {
		const struct lm_op *slice = engine->slice[i];

		for (uint32_t o = 0; slice->is_source && o < LM_PORTS_MAX; o++) {
			rows += slice->stats.rows_out[o];
		}
	}
	return rows;
}

static void
fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	control.has_failed = true;
}

/* Who has heard of a pause sends nothing; all hear of it, and of its end. */
static void
check_pause(const struct lm_engine *engine)
{
	if (hearing_is_over(&control.pause_heard, engine) && !engine_active_heard(engine)) {
		fail("a source has not heard that it is to pause, or to go on");
	}
	if (!control_is_paused(engine) || !engine_active_heard(engine)) {
		return;
	}
	/* What came with a change is told behind it: until then it may send. */
	if (control.of != engine->activity || control.of_graph != engine->generation) {
		control.of = engine->activity;
		control.of_graph = engine->generation;
		control.sent = rows_sent(engine);
	} else if (!control.is_stopping && control.sent != rows_sent(engine)) {
		fail("a source that pauses sends rows");
	}
}

/* Who retires is not told any more, and who comes in its place is when the change is done. */
static void
hear_again(const struct lm_engine *engine)
{
	struct hearing *hearing[] = { &control.epoch_heard, &control.stop_heard,
		                      &control.pause_heard };
	bool has_retired = false;

	for (uint32_t i = 0; i < engine->slice_count; i++) {
		has_retired |= engine->slice[i]->is_source && engine->slice[i]->retired;
	}
	for (uint32_t i = 0; i < sizeof(hearing) / sizeof(hearing[0]); i++) {
		if (has_retired && hearing[i]->rounds_left > 0) {
			hearing_begin(hearing[i], engine);
		}
	}
}

void
control_check(const struct lm_engine *engine)
{
	hear_again(engine);
	check_pause(engine);
	if (control.epoch != engine->epoch) {
		control.epoch = engine->epoch;
		hearing_begin(&control.epoch_heard, engine);
	}
	if (hearing_is_over(&control.epoch_heard, engine)) {
		check_sources(engine, false);
	}
	if (hearing_is_over(&control.stop_heard, engine)) {
		check_sources(engine, true);
	}
	for (uint32_t i = 0; i < engine->worker_count; i++) {
		const struct mailbox *mailbox = &engine->worker[i]->mailbox;

		if (sim_is_parked(&mailbox->parked) && ring_count(mailbox->ring) > 0) {
			fprintf(stderr, "worker %u sleeps on its mail\n", i);
			control.has_failed = true;
		}
	}
}

static void
collect(struct lm_engine *engine)
{
	struct move done;

	while (engine_collect(engine, &done)) {
		control.collected++;
		if (done.result == MOVE_DONE && engine->state == ENGINE_RUNNING &&
		    lm_engine_slice_worker(engine, done.slice) != done.to) {
			fprintf(stderr, "slice %u was moved to worker %u and is not there\n",
			        done.slice, done.to);
			control.has_failed = true;
		}
	}
}

/* Any slice to any worker, now and then one that does not exist; often with more mail behind it. */
static void
move(struct lm_engine *engine)
{
	uint32_t slice = (uint32_t)sim_below(engine->slice_count + sim_below(16) / 15);
	uint32_t worker = (uint32_t)sim_below(engine->worker_count + sim_below(16) / 15);

	control.asked += engine_migrate(engine, slice, worker) != 0;
	if (sim_below(2) == 0) {
		engine->epoch_due_ns = env_now_ns();
	}
}

/* Whether nothing stands in the way of a change that is wanted. */
static bool
may_change(const struct lm_engine *engine)
{
	const struct control_changes *changes = &control.changes;

	if (!control.wants_change || engine_moves(engine) || engine->change != NULL ||
	    engine_is_checking(engine)) {
		return false;
	}
	if (changes->hold != NULL && !control.holds) {
		changes->hold(changes->holder);
		control.holds = true;
	}
	return !control.holds || changes->is_held(changes->holder);
}

static const struct lm_topology *
running_topology(void)
{
	return control.runs_other ? control.other : control.changes.topology;
}

static void
go_on(const struct lm_engine *engine)
{
	if (control.holds && engine->change == NULL &&
	    control.changes.resume(control.changes.holder, running_topology(), engine->graph)) {
		control.holds = false;
	}
}

static enum control_part
change_part(const struct lm_engine *engine)
{
	if (engine->change != NULL) {
		return CONTROL_CHANGES;
	}
	if (control.wants_change && control.holds) {
		return CONTROL_HOLDS;
	}
	return control.change == 0 || control.wants_change ? CONTROL_PARTS : CONTROL_BEHIND;
}

/* Whether the power goes now, in the middle of a change or behind it. */
static void
cut_power(const struct lm_engine *engine)
{
	if (control.changes.power_left > 0 && control.change >= control.changes.power_from &&
	    change_part(engine) == control.changes.power_part &&
	    --control.changes.power_left == 0) {
		disk_power_off();
	}
}

/* Some of an operator's slots go to other slices, any. */
static uint64_t
deal(struct lm_engine *engine, uint32_t op, struct lm_errors *errors)
{
	static uint16_t slice_of[SLOTS_MAX];
	uint64_t one_in = 1 + sim_below(8);

	memcpy(slice_of, engine->table[op]->slice_of,
	       engine->graph->op[op].slots * sizeof(*slice_of));
	for (uint32_t s = 0; s < engine->graph->op[op].slots; s++) {
		if (sim_below(one_in) == 0) {
			slice_of[s] = (uint16_t)sim_below(engine->graph->op[op].slices);
		}
	}
	return engine_deal(engine, op, slice_of, errors);
}

/* Any operator that may have another number of slices; none is fine, too. */
static void
rescale(struct lm_engine *engine)
{
	uint32_t count = engine->graph->operator_count, first = (uint32_t)sim_below(count);
	struct lm_errors errors = { 0 };

	for (uint32_t i = 0; i < count && control.wants_change; i++) {
		uint32_t op = (first + i) % count;

		if (control.changes.may_rescale(engine->graph, op)) {
			bool deals = engine->table[op] != NULL && sim_below(3) == 0;
			uint64_t number =
			    deals ? deal(engine, op, &errors)
				  : engine_rescale(engine, op, 1 + (uint32_t)sim_below(SLICES_MAX),
			                           NULL, &errors);

			control.change = number != 0 ? number : control.change;
			control.wants_change = false;
		}
	}
	control.wants_change = false;
	lm_errors_free(&errors);
}

/* Of each operator on trial, as many slots as are to be have slices of the code that is tried; all
 * slices are of the code that they are to be of. */
static void
check_trial(const struct lm_engine *engine)
{
	for (uint32_t o = 0; o < engine->graph->operator_count; o++) {
		const struct graph_operator *op = &engine->graph->op[o];
		uint32_t slots = 0;

		for (uint32_t s = 0; op->trial != NULL && s < op->slots; s++) {
			slots += graph_made_of(op, engine->table[o]->slice_of[s]) == op->trial;
		}
		for (uint32_t i = 0; i < op->slices; i++) {
			if (engine->slice[op->first_slice + i]->class !=
			    graph_made_of(op, i)->class) {
				fail("a slice is not of the code that it is to be of");
			}
		}
		if (op->trial != NULL && slots != op->trial_slots) {
			fail("not as many slots are on trial as are to be");
		}
	}
}

/* The trial has begun, or is over. True: what ran before still runs. */
static bool
note_trial(const struct lm_engine *engine)
{
	bool is_done = engine->changed.result == CHANGE_DONE;

	check_trial(engine);
	if (!control.is_on_trial && is_done) {
		control.is_on_trial = true;
		return true;
	}
	control.tried = NULL;
	control.is_on_trial = false;
	return control.comes_back;
}

/* A change to another topology is through: that one runs, or still the one before. */
static void
note_topology(struct lm_engine *engine)
{
	if (!control.goes_over || engine->change != NULL) {
		return;
	}
	control.goes_over = false;
	if (control.tried != NULL && note_trial(engine)) {
		if (control.tried == NULL && !control.runs_other) {
			lm_topology_free(control.other);
			control.other = NULL;
		}
		return;
	}
	if (engine->changed.result == CHANGE_DONE) {
		control.runs_other = !control.runs_other;
	}
	if (!control.runs_other) {
		lm_topology_free(control.other);
		control.other = NULL;
	}
}

/* Its operators that are others are tried on some slots. The number of the change; 0: it cannot be.
 */
static uint64_t
begin_trial(struct lm_engine *engine, struct lm_errors *errors)
{
	static const struct graph_operator *trial[LM_OPERATORS_MAX];
	static struct change_diff diff;
	struct lm_graph *next = lm_graph_check(control.other, errors);
	struct change_side was = { control.changes.topology, engine->graph };
	struct change_side is = { control.other, next };
	uint32_t same[LM_OPERATORS_MAX];
	struct change_ask ask = { .kept = same, .heir_of = same };
	uint64_t number = 0;

	if (next == NULL) {
		return 0;
	}
	change_compare(&was, &is, &diff);
	for (uint32_t i = 0; i < next->operator_count; i++) {
		trial[i] = diff.item[i].is_code ? &next->op[i] : NULL;
		same[i] = i;
	}
	ask.graph = graph_try(engine->graph, trial, 1 + (uint32_t)sim_below(99), errors);
	number = ask.graph == NULL ? 0 : engine_change(engine, &ask, errors);
	if (number == 0) {
		lm_graph_free(ask.graph);
		lm_graph_free(next);
		return 0;
	}
	past_add(engine, next);
	past_keep(engine, next);
	control.tried = next;
	control.comes_back = true;
	return number;
}

/* What is on trial comes to be all, or goes back. */
static uint64_t
end_trial(struct lm_engine *engine, struct lm_errors *errors)
{
	static struct change_diff diff;
	struct change_ask ask = { .kept = diff.kept, .heir_of = diff.heir_of };
	bool comes_back = sim_below(2) == 0;
	struct change_side was = { control.changes.topology, engine->graph }, is = was;
	uint32_t slices[LM_OPERATORS_MAX];
	uint64_t number;

	for (uint32_t i = 0; i < engine->graph->operator_count; i++) {
		slices[i] = engine->graph->op[i].slices;
	}
	ask.graph = graph_view(comes_back ? engine->graph->base : control.tried, slices, errors);
	if (ask.graph == NULL) {
		return 0;
	}
	is.topology = comes_back ? is.topology : control.other;
	is.graph = ask.graph;
	change_compare(&was, &is, &diff);
	number = engine_change(engine, &ask, errors);
	if (number == 0) {
		lm_graph_free(ask.graph);
		return 0;
	}
	past_keep(engine, NULL);
	control.comes_back = comes_back;
	return number;
}

/* Other code on some slots first. */
static void
go_on_trial(struct lm_engine *engine)
{
	struct lm_errors errors = { 0 };
	uint64_t number;

	control.wants_change = false;
	if (control.tried != NULL) {
		number = end_trial(engine, &errors);
	} else {
		control.other = control.changes.other(control.changes.topology, engine->graph);
		control.changes.code(true);
		number = begin_trial(engine, &errors);
	}
	if (number == 0 && control.tried == NULL) {
		lm_topology_free(control.other);
		control.other = NULL;
	}
	control.goes_over = number != 0;
	control.change = number != 0 ? number : control.change;
	lm_errors_free(&errors);
}

/* To another topology, or back. */
static void
go_over(struct lm_engine *engine)
{
	static struct change_diff diff;
	struct change_ask ask = { .kept = diff.kept, .heir_of = diff.heir_of };
	struct lm_errors errors = { 0 };
	const struct lm_topology *from = running_topology(), *to = control.changes.topology;
	uint64_t number = 0;

	if (!control.runs_other) {
		control.other = control.changes.other(from, engine->graph);
		to = control.other;
	}
	control.wants_change = false;
	if (control.changes.code != NULL) {
		control.changes.code(!control.runs_other);
	}
	ask.graph = to == NULL ? NULL : lm_graph_check(to, &errors);
	if (ask.graph != NULL) {
		struct change_side was = { from, engine->graph }, is = { to, ask.graph };

		change_compare(&was, &is, &diff);
		number = engine_change(engine, &ask, &errors);
		control.goes_over = number != 0;
		control.change = number != 0 ? number : control.change;
	}
	if (number == 0) {
		lm_graph_free(ask.graph);
	}
	if (number == 0 && !control.runs_other) {
		lm_topology_free(control.other);
		control.other = NULL;
	}
	lm_errors_free(&errors);
}

/* A class as somebody built it anew: in a place of its own, which is not where the present one is.
 */
static const struct lm_op_class *
built_anew(const struct lm_op_class *class)
{
	static struct lm_op_class copy[2][LM_OPERATORS_MAX];
	static uint32_t count;
	uint32_t i = 0;

	while (i < count && strcmp(copy[0][i].name, class->name) != 0) {
		i++;
	}
	if (i == count) {
		copy[0][i] = copy[1][i] = *class;
		count++;
	}
	return class == &copy[0][i] ? &copy[1][i] : &copy[0][i];
}

/* Other code in the place of some operators, all at once. */
static void
renew(struct lm_engine *engine)
{
	static struct change_diff diff;
	struct change_ask ask = { .kept = diff.kept, .heir_of = diff.heir_of };
	struct change_side was = { running_topology(), engine->graph }, is = was;
	struct lm_errors errors = { 0 };
	uint64_t number = 0;

	control.wants_change = false;
	ask.graph = lm_graph_check(was.topology, &errors);
	for (uint32_t o = 0; ask.graph != NULL && o < ask.graph->operator_count; o++) {
		const struct lm_op_class *class = engine->graph->op[o].class;

		ask.graph->op[o].class =
		    control.changes.may_renew(engine->graph, o) && sim_below(2) == 0
			? built_anew(class)
			: class;
	}
	if (ask.graph != NULL) {
		is.graph = ask.graph;
		change_compare(&was, &is, &diff);
		number = engine_change(engine, &ask, &errors);
	}
	if (number == 0) {
		lm_graph_free(ask.graph);
	}
	control.change = number != 0 ? number : control.change;
	lm_errors_free(&errors);
}

bool
control_is_paused(const struct lm_engine *engine)
{
	return engine->activity % 2 == 1;
}

/* Pause, or go on: often again before everybody has heard. */
static void
pause_or_go_on(struct lm_engine *engine)
{
	uint64_t every = control_is_paused(engine) ? 8 : control.pauses_every;

	if (control.pauses_every == 0 || sim_below(every) != 0) {
		return;
	}
	if (control_is_paused(engine)) {
		engine_set_active(engine, true);
	} else if (control.pauses_left > 0) {
		control.pauses_left--;
		engine_set_active(engine, false);
	} else {
		return;
	}
	hearing_begin(&control.pause_heard, engine);
}

/* Operators look at their state, in the midst of all else. */
static void
look(struct lm_engine *engine)
{
	bool all[LM_OPERATORS_MAX];
	struct check_report report;

	if (!control.changes.may_check || engine_is_checking(engine)) {
		return;
	}
	if (control.looks) {
		control.looks = false;
		engine_checked(engine, &report);
		if (report.has_failed) {
			fprintf(stderr, "%s/%u is not content: %s\n", report.op, report.slice,
			        report.why);
			control.has_failed = true;
		}
	} else if (engine->change == NULL && engine->state == ENGINE_RUNNING &&
	           !control.wants_change && sim_below(4) == 0) {
		memset(all, true, sizeof(all));
		control.looks = engine_check(engine, all);
	}
}

void
control_act(struct lm_engine *engine)
{
	look(engine);
	pause_or_go_on(engine);
	note_topology(engine);
	cut_power(engine);
	if (control.changes_every != 0 && sim_below(control.changes_every) == 0) {
		control.wants_change = true;
	}
	if (may_change(engine)) {
		if (control.tried != NULL ||
		    (control.changes.tries && !control.runs_other && sim_below(2) == 0)) {
			go_on_trial(engine);
		} else if (control.changes.other != NULL && sim_below(3) == 0) {
			go_over(engine);
		} else if (control.changes.may_renew != NULL && sim_below(2) == 0) {
			renew(engine);
		} else {
			rescale(engine);
		}
	} else if (!control.wants_change) {
		go_on(engine);
	}
	if (sim_below(4) == 0) {
		engine_tick(engine);
	}
	if (control.moves_every != 0) {
		collect(engine);
	}
	if (control.moves_every != 0 && !control.wants_change &&
	    sim_below(control.moves_every) == 0) {
		move(engine);
	}
}

void
control_stop(struct lm_engine *engine)
{
	for (uint32_t i = 0; control.moves_every != 0 && i < 4; i++) {
		move(engine);
	}
	control.is_stopping = true;
	lm_engine_stop(engine);
	hearing_begin(&control.stop_heard, engine);
}

void
control_begin(struct lm_engine *engine)
{
	control.moves_every = 0;
	if (sim_below(3) != 0) {
		control.moves_every = 1 + sim_below(sim_below(2) == 0 ? 6 : 300);
	}
	control.pauses_every = sim_below(2) == 0 ? 1 + sim_below(200) : 0;
	control.pauses_left = 1 + sim_below(20);
	control.pause_heard.rounds_left = 0;
	control.sent = control.of = 0;
	control.is_stopping = false;
	control.changes_every = 0;
	if (control.changes.may_rescale != NULL && sim_below(2) != 0) {
		control.changes_every = 1 + sim_below(sim_below(2) == 0 ? 4 : 60);
	}
	if (control.changes.every != 0) {
		control.changes_every = control.changes.every;
	}
	control.asked = control.collected = control.change = 0;
	control.tried = NULL;
	control.is_on_trial = control.comes_back = false;
	control.looks = false;
	control.wants_change = control.goes_over = control.holds = false;
	control.other = control.changes.begins_with;
	control.runs_other = control.other != NULL;
	control.epoch = engine->epoch;
	control.epoch_heard.rounds_left = control.stop_heard.rounds_left = 0;
	control.has_failed = false;
}

void
control_let_change(const struct control_changes *changes)
{
	control.changes = *changes;
}

bool
control_end(struct lm_engine *engine)
{
	note_topology(engine);
	if (control.holds) {
		control.changes.resume(control.changes.holder, running_topology(), engine->graph);
	}
	memset(&control.changes, 0, sizeof(control.changes));
	lm_topology_free(control.other);
	control.other = NULL;
	collect(engine);
	if (control.asked != control.collected) {
		fprintf(stderr, "%" PRIu64 " moves were asked for, %" PRIu64 " came back\n",
		        control.asked, control.collected);
		return false;
	}
	if (engine->changed.number != control.change) {
		fprintf(stderr, "change %" PRIu64 " was asked for, %" PRIu64 " came to its end\n",
		        control.change, engine->changed.number);
		return false;
	}
	return !control.has_failed;
}
