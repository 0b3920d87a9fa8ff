/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a change of the graph. */

#include "core/change.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/audit.h"
#include "core/env.h"
#include "core/pages.h"
#include "core/past.h"
#include "core/wiring.h"

static const struct lm_place nowhere;

static bool
has(void *const *array, uint32_t count, const void *what)
{
	for (uint32_t i = 0; array != NULL && i < count; i++) {
		if (array[i] == what) {
			return true;
		}
	}
	return false;
}
#define HAS(array, count, what) has((void *const *)(array), (count), (what))

/* ---- putting away ---- */

static void
free_parts(struct lm_engine *engine, struct change *change)
{
	for (uint32_t i = 0; i < change->part_count; i++) {
		struct rewire *part = &change->part[i];

		for (uint32_t h = 0; h < part->hand_count; h++) {
			state_drop(&part->hand[h]->bundle);
			free(part->hand[h]->text.bytes);
			free(part->hand[h]);
		}
		free(part->hand);
		free(part->fresh);
		free(part->was_text.bytes);
		if (part->was != NULL && part->is_twin) {
			engine_free_slice(part->was);
		}
		wiring_clear(&part->wiring);
	}
	for (uint32_t i = 0; change->heads != NULL && i < engine->worker_count; i++) {
		free(change->heads[i].list);
		free(change->heads[i].head);
	}
	free(change->part);
	free(change->heads);
	free(change->old_of);
}

/* Pools that are in `of` and not in `but` become spare ones. Those of a change that never began had
 * no batch out, and their schemas go with its graph. */
static void
put_away_pools(struct lm_engine *engine, const struct lm_engine *of, const struct lm_engine *but,
               bool has_begun)
{
	for (uint32_t i = 0; of->pool != NULL && i < of->layout->pool_count; i++) {
		struct lm_pool **grown;

		if (of->pool[i] == NULL || HAS(but->pool, but->layout->pool_count, of->pool[i]) ||
		    HAS(engine->spare, engine->spare_count, of->pool[i])) {
			continue;
		}
		if (!has_begun) {
			pool_free(of->pool[i]);
			continue;
		}
		grown = realloc(engine->spare, (engine->spare_count + 1) * sizeof(*grown));
		if (grown != NULL) {
			engine->spare = grown;
			engine->spare[engine->spare_count++] = of->pool[i];
		}
	}
}

/* What is in `of` and not in `but`: slices, edges, tables. */
static void
free_rest(struct lm_engine *of, const struct lm_engine *but)
{
	for (uint32_t i = 0; of->edge != NULL && i < of->layout->edge_count; i++) {
		if (of->edge[i] != NULL && !of->edge[i]->stays) {
			engine_free_edge(of->edge[i]);
		}
	}
	for (uint32_t i = 0; of->slice != NULL && i < of->slice_count; i++) {
		if (of->slice[i] != NULL && !of->slice[i]->stays) {
			engine_free_slice(of->slice[i]);
		}
	}
	for (uint32_t i = 0; of->table != NULL && i < of->graph->operator_count; i++) {
		if (!HAS(but->table, but->graph->operator_count, of->table[i])) {
			route_table_free(of->table[i]);
		}
	}
}

/* The next change finds its own. */
static void
forget_what_stays(struct lm_engine *engine)
{
	for (uint32_t i = 0; i < engine->layout->edge_count; i++) {
		engine->edge[i]->stays = false;
	}
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		engine->slice[i]->stays = false;
	}
}

static void
free_frame(struct lm_engine *frame)
{
	wiring_free(frame);
	layout_free(frame->layout);
	free(frame->placement.worker_of);
	free(frame->slice);
	free(frame->edge);
	free(frame->pool);
	free(frame->table);
}

void
change_free(struct lm_engine *engine, struct change *change)
{
	if (change == NULL) {
		return;
	}
	if (change->next.layout != NULL) {
		free_rest(&change->next, engine);
		put_away_pools(engine, &change->next, engine, change->phase > CHANGE_PREPARED);
	}
	forget_what_stays(engine);
	free_parts(engine, change);
	free_frame(&change->next);
	free(change);
}

/* ---- asking ---- */

/* Why a change cannot even be tried now; NULL: it can. */
static const char *
refuse(const struct lm_engine *engine)
{
	if (engine->state != ENGINE_RUNNING || engine->suspending ||
	    __atomic_load_n(&engine->shared->ended_slices, __ATOMIC_ACQUIRE) > 0) {
		return "the job is ending";
	}
	if (engine->change != NULL) {
		return "another change is under way";
	}
	if (engine_is_checking(engine)) {
		return "a slice is looking at its state";
	}
	return engine_moves(engine) ? "a slice is being moved" : NULL;
}

static void
mark_through(struct worker *self, void *left, uint64_t value)
{
	(void)self;
	(void)value;
	__atomic_sub_fetch((uint32_t *)left, 1, __ATOMIC_RELEASE);
}

/* A round of mail: whoever has answered is through with the turn it was in. */
static void
mail_round(struct lm_engine *engine)
{
	engine->change->left = engine->worker_count;
	for (uint32_t i = 0; i < engine->worker_count; i++) {
		mail_send(engine->worker[i], mark_through, &engine->change->left, 0);
	}
}

/* All ends begin at a source. */
static void
announce(struct lm_engine *engine)
{
	__atomic_store_n(&engine->shared->ends_wait, true, __ATOMIC_RELEASE);
	engine->change->phase = CHANGE_ANNOUNCED;
	mail_round(engine);
}

uint64_t
engine_change(struct lm_engine *engine, const struct change_ask *ask, struct lm_errors *errors)
{
	const char *why = refuse(engine);

	if (why != NULL) {
		lm_errors_add(errors, nowhere, "ask again later", "%s", why);
		return 0;
	}
	engine->change = change_plan(engine, ask, errors);
	if (engine->change == NULL) {
		return 0;
	}
	engine->change->report.number = ++engine->change_number;
	announce(engine);
	return engine->change_number;
}

/* Every operator goes on as itself. */
static uint64_t
change_alike(struct lm_engine *engine, struct change_ask *ask, struct lm_errors *errors)
{
	uint32_t same[LM_OPERATORS_MAX];
	uint64_t number;

	if (ask->graph == NULL) {
		return 0;
	}
	for (uint32_t i = 0; i < ask->graph->operator_count; i++) {
		same[i] = i;
	}
	ask->kept = ask->heir_of = same;
	number = engine_change(engine, ask, errors);
	if (number == 0) {
		lm_graph_free(ask->graph);
	}
	return number;
}

uint64_t
engine_deal(struct lm_engine *engine, uint32_t op, const uint16_t *slice_of,
            struct lm_errors *errors)
{
	const struct graph_operator *o = &engine->graph->op[op];
	struct change_ask ask = { .slice_of = slice_of, .dealt = op };

	if (engine->table[op] == NULL) {
		lm_errors_add(errors, nowhere, "group its input \"by\" columns",
		              "operators.%s: its rows do not come by key, so it has no slots",
		              o->name);
		return 0;
	}
	for (uint32_t s = 0; s < o->slots; s++) {
		assert(slice_of[s] < o->slices);
	}
	ask.graph = graph_resize(engine->graph, op, o->slices, errors);
	return change_alike(engine, &ask, errors);
}

uint64_t
engine_rescale(struct lm_engine *engine, uint32_t op, uint32_t slices, const uint16_t *workers,
               struct lm_errors *errors)
{
	struct change_ask ask = { .workers = workers };

	if (engine->graph->op[op].slices == slices) {
		lm_errors_add(errors, nowhere, NULL, "operators.%s: it has %u slices already",
		              engine->graph->op[op].name, slices);
		return 0;
	}
	ask.graph = graph_resize(engine->graph, op, slices, errors);
	return change_alike(engine, &ask, errors);
}

/* ---- its steps ---- */

static void
give_up(struct lm_engine *engine, enum change_result result)
{
	struct change *change = engine->change;
	struct lm_graph *graph;

	engine->changed = change->report;
	engine->changed.result = result;
	engine->change = NULL;
	__atomic_store_n(&engine->shared->ends_wait, false, __ATOMIC_RELEASE);
	graph = change->next.graph;
	change_free(engine, change);
	past_add(engine, graph);
	past_tick(engine);
}

/* Whether somebody still copies what a slice flipped. */
static bool
is_copied(const struct lm_engine *engine)
{
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		const struct op_state *state = &engine->slice[i]->state;

		if (__atomic_load_n(&state->flipped, __ATOMIC_ACQUIRE) !=
		    __atomic_load_n(&state->finished, __ATOMIC_ACQUIRE)) {
			return true;
		}
	}
	return false;
}

/* Each slice finds its part when it has passed the marker; workers get room for more slices. */
static void
begin(struct lm_engine *engine)
{
	struct change *change = engine->change;
	uint64_t epoch = engine->epoch + 1;

	change->phase = CHANGE_SWITCHING;
	change->report.epoch = epoch;
	change->began_ns = env_now_ns();
	change->left = change->part_count + engine->worker_count;
	for (uint32_t i = 0; i < change->part_count; i++) {
		struct rewire *part = &change->part[i];

		part->epoch = epoch;
		if (part->is_switched) {
			part->slice->stats.epoch = epoch;
			part->slice->activity = engine->activity;
			change->report.added++;
		} else {
			change->report.retired += part->retires;
			__atomic_store_n(&part->slice->rewire, part, __ATOMIC_RELEASE);
		}
	}
	for (uint32_t i = 0; i < engine->worker_count; i++) {
		mail_send(engine->worker[i], rewire_add_heads, &change->heads[i], 0);
	}
	engine_start_epoch(engine, false);
}

/* All of `next` but what is the engine's own. */
static void
exchange(struct lm_engine *engine, struct lm_engine *next)
{
	EXCHANGE(engine->graph, next->graph);
	EXCHANGE(engine->placement, next->placement);
	EXCHANGE(engine->layout, next->layout);
	EXCHANGE(engine->slice, next->slice);
	EXCHANGE(engine->slice_count, next->slice_count);
	EXCHANGE(engine->wiring, next->wiring);
	EXCHANGE(engine->edge, next->edge);
	EXCHANGE(engine->pool, next->pool);
	EXCHANGE(engine->table, next->table);
	engine->layout->placement = &engine->placement;
	next->layout->placement = &next->placement;
}

/* A pool that comes into use again is not spare. */
static void
take_spare(struct lm_engine *engine)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < engine->spare_count; i++) {
		if (!HAS(engine->pool, engine->layout->pool_count, engine->spare[i])) {
			engine->spare[count++] = engine->spare[i];
		}
	}
	engine->spare_count = count;
}

static void
check_edges(struct lm_engine *engine, const struct lm_engine *was, struct lm_errors *errors)
{
	for (uint32_t i = 0; i < was->layout->edge_count; i++) {
		if (!was->edge[i]->stays && !audit_edge(was->edge[i], errors)) {
			engine->change_failed = true;
		}
	}
}

/* Who counts on for a slice: itself, or its heir; NULL: nobody. */
static struct lm_op *
counts_on(const struct change *change, struct lm_op *slice)
{
	if (slice->stays) {
		return slice;
	}
	for (uint32_t i = 0; i < change->part_count; i++) {
		const struct rewire *part = &change->part[i];

		for (uint32_t h = 0; part->slice == slice && h < part->hand_count; h++) {
			if (part->hand[h]->from_retires) {
				return part->hand[h]->to;
			}
		}
	}
	return NULL;
}

static void
add_bytes(const struct change *change, struct lm_op *slice, uint64_t in, uint64_t out)
{
	struct lm_op *heir = counts_on(change, slice);

	if (heir != NULL) {
		heir->bytes_in_before += in;
		heir->bytes_out_before += out;
	}
}

/* What went over edges that are gone, and what slices that are gone had counted so. */
static void
keep_bytes(const struct change *change, const struct lm_engine *was)
{
	for (uint32_t i = 0; i < was->layout->edge_count; i++) {
		const struct edge *edge = was->edge[i];

		if (!edge->stays && !edge->fused) {
			add_bytes(change, edge->from, 0, edge->bytes_sent);
			add_bytes(change, edge->to, edge->bytes_sent, 0);
		}
	}
	for (uint32_t i = 0; i < was->slice_count; i++) {
		struct lm_op *slice = was->slice[i];

		if (!slice->stays) {
			add_bytes(change, slice, slice->bytes_in_before, slice->bytes_out_before);
		}
	}
}

static void
tell_failures(struct lm_errors *errors)
{
	for (uint32_t i = 0; i < errors->count; i++) {
		env_log(3, "behind a change of the graph: %s", errors->error[i].message);
	}
	lm_errors_free(errors);
}

/* It retires without an heir: what it has counted must add up, and nobody goes on counting. */
static void
put_away_slice(struct lm_engine *engine, const struct lm_op *slice, struct lm_errors *errors)
{
	if (!audit_slice(slice, errors)) {
		engine->change_failed = true;
	}
	if (engine->on_gone != NULL) {
		engine->on_gone(engine->on_gone_arg, slice);
	}
}

/* Slices that retire, or whose engine does not run any more, do it no more. */
static void
settle_rest(const struct change *change)
{
	for (uint32_t i = 0; i < change->part_count; i++) {
		while (!state_settle(change->part[i].slice)) {
		}
	}
}

/* What other code could not read is lost. */
static void
check_hands(struct lm_engine *engine, const struct rewire *part, struct lm_errors *errors)
{
	for (uint32_t h = 0; h < part->hand_count; h++) {
		if (part->hand[h]->is_broken) {
			lm_errors_add(
			    errors, nowhere, NULL,
			    "%s/%u: the other code cannot read what it had written down of "
			    "itself",
			    part->slice->name, part->slice->index);
			engine->change_failed = true;
		}
	}
}

/* All are through: nobody but control knows what was. */
static void
commit(struct lm_engine *engine)
{
	struct change *change = engine->change;
	struct lm_errors errors = { 0 };
	struct lm_graph *graph;
	uint32_t ended = 0;

	settle_rest(change);
	exchange(engine, &change->next);
	take_spare(engine);
	check_edges(engine, &change->next, &errors);
	keep_bytes(change, &change->next);
	for (uint32_t i = 0; i < change->part_count; i++) {
		const struct rewire *part = &change->part[i];

		ended += part->retires && part->slice->ended;
		if (part->pause_ns > change->report.pause_ns) {
			change->report.pause_ns = part->pause_ns;
		}
		if (part->align_ns > change->report.align_ns) {
			change->report.align_ns = part->align_ns;
		}
		if (part->retires && part->hand_count == 0) {
			put_away_slice(engine, part->slice, &errors);
		}
		check_hands(engine, part, &errors);
	}
	keep_what_was(engine, change);
	tell_failures(&errors);
	__atomic_sub_fetch(&engine->shared->ended_slices, ended, __ATOMIC_RELEASE);
	engine->changed = change->report;
	engine->changed.took_ns = env_now_ns() - change->began_ns;
	engine->generation++;
	engine->change = NULL;
	__atomic_store_n(&engine->shared->ends_wait, false, __ATOMIC_RELEASE);
	graph = change->next.graph;
	change_free(engine, change);
	past_add(engine, graph);
	past_tick(engine);
	engine_tell_sources(engine);
}

/* ---- mail that is late ---- */

/*
 * Rounds of mail to all workers until none is left for a slice that has retired: it may stand in
 * the mailbox of a worker that has to pass it on once more.
 */
#define SWEEPS 2u

/* Only sources are sent to. */
static bool
has_retired_source(const struct change *change)
{
	for (uint32_t i = 0; i < change->part_count; i++) {
		if (change->part[i].retires && change->part[i].slice->is_source) {
			return true;
		}
	}
	return false;
}

bool
change_has_retired(const struct lm_engine *engine, const struct lm_op *slice)
{
	return engine->change != NULL && engine->change->phase == CHANGE_SWEEPING && !slice->stays;
}

/* All that were to be through in this phase are. */
static void
go_on(struct lm_engine *engine)
{
	struct change *change = engine->change;

	if (change->phase == CHANGE_ANNOUNCED) {
		change->phase = CHANGE_PREPARED;
		return;
	}
	if (change->phase == CHANGE_SWITCHING) {
		change->phase = CHANGE_SWEEPING;
		change->sweeps = has_retired_source(change) ? SWEEPS : 0;
	}
	if (change->sweeps > 0) {
		change->sweeps--;
		mail_round(engine);
	} else {
		commit(engine);
	}
}

bool
change_tick(struct lm_engine *engine)
{
	struct change *change = engine->change;

	if (change->phase != CHANGE_PREPARED) {
		if (__atomic_load_n(&change->left, __ATOMIC_ACQUIRE) == 0) {
			go_on(engine);
		}
		return true;
	}
	if (engine->suspending ||
	    __atomic_load_n(&engine->shared->ended_slices, __ATOMIC_ACQUIRE) > 0) {
		give_up(engine, CHANGE_JOB_ENDS);
		return false;
	}
	if (engine_epoch_done(engine) == engine->epoch && !is_copied(engine) &&
	    pages_hold(engine)) {
		begin(engine);
	}
	return true;
}

void
change_end(struct lm_engine *engine)
{
	if (engine->change != NULL) {
		engine->changed = engine->change->report;
		engine->changed.result = CHANGE_JOB_ENDS;
	}
}

void
change_drop(struct lm_engine *engine)
{
	struct lm_graph *graph;

	if (engine->change != NULL) {
		settle_rest(engine->change);
		graph = engine->change->next.graph;
		change_free(engine, engine->change);
		engine->change = NULL;
		lm_graph_free(graph);
	}
}
