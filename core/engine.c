/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of an engine, and reading it. Building is in core/build.c, the audit in core/audit.c. */

#include "core/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/change.h"
#include "core/env.h"
#include "core/pages.h"
#include "core/past.h"

#define WAIT_STEP_NS 2000000u

static bool
copy_placement(struct lm_engine *engine, const struct lm_placement *placement)
{
	size_t size = engine->graph->slice_count * sizeof(*placement->worker_of);

	engine->placement = *placement;
	engine->placement.worker_of = malloc(size + 1);
	if (engine->placement.worker_of == NULL) {
		return false;
	}
	memcpy(engine->placement.worker_of, placement->worker_of, size);
	return true;
}

static uint64_t
new_secret(const struct lm_graph *graph)
{
	return graph->settings.seed != 0 ? graph->settings.seed * 0x9e3779b97f4a7c15u
	                                 : env_random() | 1;
}

struct lm_engine *
engine_create(struct lm_graph *graph, const struct lm_placement *placement,
              const struct engine_origin *origin, struct lm_errors *errors)
{
	struct lm_engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL) {
		return NULL;
	}
	engine->graph = graph;
	engine->first = graph;
	engine->worker_count = placement->worker_count;
	engine->slice_count = graph->slice_count;
	engine->shared = env_alloc(sizeof(*engine->shared), 64, -1);
	if (engine->shared == NULL || !copy_placement(engine, placement)) {
		lm_engine_free(engine);
		return NULL;
	}
	engine->shared->secret = origin->secret != 0 ? origin->secret : new_secret(graph);
	engine->shared->incarnation = origin->incarnation;
	engine->epoch = origin->epoch;
	engine->layout = layout_create(graph, &engine->placement, NULL);
	if (engine->layout == NULL || !engine_build(engine, errors)) {
		lm_engine_free(engine);
		return NULL;
	}
	engine->pages = pages_open(engine);
	return engine;
}

struct lm_engine *
lm_engine_create(struct lm_graph *graph, const struct lm_placement *placement,
                 struct lm_errors *errors)
{
	struct engine_origin origin = { 0 };

	return engine_create(graph, placement, &origin, errors);
}

void
lm_engine_free(struct lm_engine *engine)
{
	if (engine == NULL) {
		return;
	}
	assert(engine->state != ENGINE_RUNNING);
	change_drop(engine);
	pages_close(engine);
	if (engine->layout != NULL) {
		engine_unbuild(engine);
	}
	layout_free(engine->layout);
	free(engine->placement.worker_of);
	if (engine->graph != engine->first) {
		lm_graph_free(engine->graph);
	}
	past_free(engine);
	free(engine->check);
	env_free(engine->shared);
	free(engine);
}

int
lm_engine_start(struct lm_engine *engine)
{
	assert(engine->state == ENGINE_NEW);
	engine->state = ENGINE_RUNNING;
	engine->epoch_due_ns = env_now_ns() + (int64_t)engine->graph->settings.epoch_ns;
	for (uint32_t i = 0; i < engine->worker_count; i++) {
		int result =
		    env_worker_launch(engine->worker[i]->lcore, worker_step, engine->worker[i]);

		if (result != 0) {
			return result;
		}
		engine->launched++;
	}
	return 0;
}

bool
engine_has_ended(const struct lm_engine *engine)
{
	return engine->change == NULL && __atomic_load_n(&engine->shared->ended_slices,
	                                                 __ATOMIC_ACQUIRE) == engine->slice_count;
}

uint64_t
engine_epoch_done(const struct lm_engine *engine)
{
	uint64_t least = __atomic_load_n(&engine->epoch, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < engine->slice_count; i++) {
		const struct lm_op *slice = engine->slice[i];
		uint64_t epoch = __atomic_load_n(&slice->stats.epoch, __ATOMIC_ACQUIRE);

		if (epoch < least && !__atomic_load_n(&slice->ended, __ATOMIC_ACQUIRE)) {
			least = epoch;
		}
	}
	return least;
}

/* Mail to a source: put the marker of epoch `value` on every output. Also of one that is to end: a
 * change may have it wait with that, and waits for the marker. */
static void
source_start_epoch(struct worker *self, void *arg, uint64_t value)
{
	struct lm_op *slice = arg;

	(void)self;
	if (!slice->ended) {
		slice_warm(slice, value);
		slice->marker = value;
	}
}

/* The same, and nothing more behind it. */
static void
source_start_last_epoch(struct worker *self, void *arg, uint64_t value)
{
	struct lm_op *slice = arg;

	slice->pausing = true;
	source_start_epoch(self, arg, value);
}

/* Mail to a source: nothing more is wanted. */
static void
source_stop(struct worker *self, void *arg, uint64_t value)
{
	struct lm_op *slice = arg;

	(void)self;
	(void)value;
	slice->stopping = true;
}

/* Those that have ended need none: their lcore may not look at its mail for many epochs. */
static void
mail_to_sources(struct lm_engine *engine, mail_fn *function, uint64_t value)
{
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		struct lm_op *slice = engine->slice[i];

		if (slice->is_source && !change_has_retired(engine, slice) &&
		    !__atomic_load_n(&slice->ended, __ATOMIC_ACQUIRE)) {
			mail_send_to_slice(slice, function, slice, value);
		}
	}
}

void
engine_start_epoch(struct lm_engine *engine, bool may_snapshot)
{
	uint64_t epoch = engine->epoch + 1;

	engine->epoch_due_ns = env_now_ns() + (int64_t)engine->graph->settings.epoch_ns;
	if (may_snapshot &&
	    __atomic_exchange_n(&engine->snapshot_wanted, false, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&engine->shared->snapshot_epoch, epoch, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&engine->epoch, epoch, __ATOMIC_RELEASE);
	mail_to_sources(engine, engine->suspending ? source_start_last_epoch : source_start_epoch,
	                epoch);
}

void
engine_tick(struct lm_engine *engine)
{
	uint64_t period_ns = engine->graph->settings.epoch_ns;

	if (engine->kept_count > 0) {
		keep_sweep(engine);
	}
	if (engine->past_waits) {
		past_tick(engine);
	}
	pages_tick(engine);
	if (engine->state != ENGINE_RUNNING || (engine->change != NULL && change_tick(engine)) ||
	    period_ns == 0 || env_now_ns() < engine->epoch_due_ns) {
		return;
	}
	/* One epoch is under way at a time. */
	if (engine_epoch_done(engine) < engine->epoch) {
		return;
	}
	if (engine->suspending && (engine->kept_count > 0 ||
	                           !__atomic_load_n(&engine->snapshot_wanted, __ATOMIC_RELAXED))) {
		return;
	}
	/* A snapshot that is wanted waits until all state is of one version. */
	engine_start_epoch(engine, engine->kept_count == 0);
}

void
engine_want_snapshot(struct lm_engine *engine)
{
	__atomic_store_n(&engine->snapshot_wanted, true, __ATOMIC_RELEASE);
}

uint64_t
engine_suspend(struct lm_engine *engine)
{
	engine->suspending = true;
	engine->epoch_due_ns = env_now_ns();
	return engine->epoch + 1;
}

void
engine_hurry_snapshot(struct lm_engine *engine)
{
	int64_t now_ns = env_now_ns();

	if (__atomic_load_n(&engine->snapshot_wanted, __ATOMIC_RELAXED) &&
	    engine->epoch_due_ns > now_ns) {
		engine->epoch_due_ns = now_ns;
	}
}

void
engine_hurry_epoch(struct lm_engine *engine)
{
	int64_t now_ns = env_now_ns();

	if (engine->epoch_due_ns > now_ns) {
		engine->epoch_due_ns = now_ns;
	}
}

/* Mail to a source: whether rows are wanted. One that a move has held up may come behind a later
 * one. */
static void
source_set_activity(struct worker *self, void *arg, uint64_t value)
{
	struct lm_op *slice = arg;

	(void)self;
	if (value > slice->activity) {
		__atomic_store_n(&slice->activity, value, __ATOMIC_RELEASE);
	}
}

void
engine_set_active(struct lm_engine *engine, bool is_active)
{
	uint64_t activity = engine->activity + 1;

	activity += (activity % 2 == 1) == is_active ? 1 : 0;
	engine->activity = activity;
	if (engine->state == ENGINE_RUNNING) {
		mail_to_sources(engine, source_set_activity, activity);
		return;
	}
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		engine->slice[i]->activity = activity;
	}
}

void
engine_tell_sources(struct lm_engine *engine)
{
	if (engine->stopping) {
		mail_to_sources(engine, source_stop, 0);
	}
	if (!engine_active_heard(engine)) {
		mail_to_sources(engine, source_set_activity, engine->activity);
	}
}

bool
engine_slot_rows(const struct lm_engine *engine, uint32_t op, uint32_t *rows)
{
	const struct graph_operator *o = &engine->graph->op[op];

	if (engine->table[op] == NULL) {
		return false;
	}
	memset(rows, 0, o->slots * sizeof(*rows));
	for (uint32_t i = 0; i < o->slices; i++) {
		const uint32_t *of = engine->slice[o->first_slice + i]->slot_rows;

		for (uint32_t s = 0; of != NULL && s < o->slots; s++) {
			rows[s] += __atomic_load_n(&of[s], __ATOMIC_RELAXED);
		}
	}
	return true;
}

bool
engine_active_heard(const struct lm_engine *engine)
{
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		const struct lm_op *slice = engine->slice[i];

		if (slice->is_source && !__atomic_load_n(&slice->ended, __ATOMIC_ACQUIRE) &&
		    __atomic_load_n(&slice->activity, __ATOMIC_ACQUIRE) != engine->activity) {
			return false;
		}
	}
	return true;
}

uint64_t
engine_snapshot_epoch(const struct lm_engine *engine)
{
	return __atomic_load_n(&engine->shared->snapshot_epoch, __ATOMIC_ACQUIRE);
}

bool
lm_engine_wait(struct lm_engine *engine, uint64_t timeout_ns)
{
	int64_t until_ns = env_now_ns() + (int64_t)timeout_ns;

	while (!engine_has_ended(engine)) {
		int64_t left_ns = until_ns - env_now_ns();

		if (left_ns <= 0) {
			return false;
		}
		engine_tick(engine);
		env_sleep_ns(left_ns < WAIT_STEP_NS ? (uint64_t)left_ns : WAIT_STEP_NS);
	}
	return true;
}

void
lm_engine_stop(struct lm_engine *engine)
{
	engine->stopping = true;
	mail_to_sources(engine, source_stop, 0);
}

static void
worker_quit(struct worker *self, void *arg, uint64_t value)
{
	(void)arg;
	(void)value;
	self->quit = true;
}

void
lm_engine_join(struct lm_engine *engine)
{
	if (engine->state != ENGINE_RUNNING) {
		return;
	}
	pages_stop(engine);
	for (uint32_t i = 0; i < engine->launched; i++) {
		mail_send(engine->worker[i], worker_quit, NULL, 0);
	}
	for (uint32_t i = 0; i < engine->launched; i++) {
		env_worker_join(engine->worker[i]->lcore);
	}
	engine->state = ENGINE_JOINED;
	change_end(engine);
}

/* An entry that is free, NULL if there is none; its number is the next. */
static struct move *
new_move(struct lm_engine *engine)
{
	for (uint32_t i = 0; i < MOVES_MAX; i++) {
		struct move *move = &engine->move[i];

		if (move->id == 0) {
			memset(move, 0, sizeof(*move));
			move->id = ++engine->move_id;
			return move;
		}
	}
	return NULL;
}

static bool
is_under_way(const struct lm_engine *engine, const struct lm_op *head)
{
	for (uint32_t i = 0; i < MOVES_MAX; i++) {
		const struct move *move = &engine->move[i];

		if (move->id != 0 && move->head == head &&
		    !__atomic_load_n(&move->is_done, __ATOMIC_ACQUIRE)) {
			return true;
		}
	}
	return false;
}

bool
engine_moves(const struct lm_engine *engine)
{
	for (uint32_t i = 0; i < MOVES_MAX; i++) {
		const struct move *move = &engine->move[i];

		if (move->id != 0 && !__atomic_load_n(&move->is_done, __ATOMIC_ACQUIRE)) {
			return true;
		}
	}
	return false;
}

/* Why a move need not even be tried; MOVE_DONE: it must be. */
static enum move_result
refuse_move(const struct lm_engine *engine, uint32_t slice, uint32_t worker)
{
	const struct lm_op *head;

	if (slice >= engine->slice_count) {
		return MOVE_NO_SLICE;
	}
	if (worker >= engine->worker_count) {
		return MOVE_NO_WORKER;
	}
	if (engine->state != ENGINE_RUNNING) {
		return MOVE_NOT_RUNNING;
	}
	if (engine->change != NULL) {
		return MOVE_CHANGING;
	}
	head = engine->slice[slice]->head;
	if (is_under_way(engine, head)) {
		return MOVE_UNDER_WAY;
	}
	return slice_worker(head) == engine->worker[worker] ? MOVE_SAME_WORKER : MOVE_DONE;
}

uint64_t
engine_migrate(struct lm_engine *engine, uint32_t slice, uint32_t worker)
{
	enum move_result refused = refuse_move(engine, slice, worker);
	struct move *move = new_move(engine);

	if (move == NULL) {
		return 0;
	}
	move->slice = slice;
	move->to = worker;
	if (refused != MOVE_DONE) {
		move_complete(move, refused);
		return move->id;
	}
	move->head = engine->slice[slice]->head;
	move->worker = engine->worker[worker];
	mail_send(move->worker, migrate_expect, move, 0);
	return move->id;
}

/* Whether it can be collected. */
static bool
is_complete(const struct lm_engine *engine, struct move *move)
{
	/* Nobody is there any more who would complete it. */
	if (move->id != 0 && engine->state == ENGINE_JOINED && !move->is_done) {
		move_complete(move, MOVE_NOT_RUNNING);
	}
	return move->id != 0 && __atomic_load_n(&move->is_done, __ATOMIC_ACQUIRE);
}

bool
engine_collect(struct lm_engine *engine, struct move *done)
{
	struct move *first = NULL;

	for (uint32_t i = 0; i < MOVES_MAX; i++) {
		struct move *move = &engine->move[i];

		if (is_complete(engine, move) && (first == NULL || move->id < first->id)) {
			first = move;
		}
	}
	if (first == NULL) {
		return false;
	}
	*done = *first;
	first->id = 0;
	return true;
}

bool
engine_collect_move(struct lm_engine *engine, uint64_t id, struct move *done)
{
	for (uint32_t i = 0; i < MOVES_MAX; i++) {
		struct move *move = &engine->move[i];

		if (move->id == id && is_complete(engine, move)) {
			*done = *move;
			move->id = 0;
			return true;
		}
	}
	return false;
}

uint32_t
lm_engine_operator_count(const struct lm_engine *engine)
{
	return engine->graph->operator_count;
}

uint32_t
lm_engine_slice_count(const struct lm_engine *engine)
{
	return engine->slice_count;
}

uint32_t
lm_engine_worker_count(const struct lm_engine *engine)
{
	return engine->worker_count;
}

const char *
lm_engine_operator_name(const struct lm_engine *engine, uint32_t op)
{
	return engine->graph->op[op].name;
}

const struct lm_op_class *
lm_engine_operator_class(const struct lm_engine *engine, uint32_t op)
{
	return engine->graph->op[op].class;
}

const struct lm_op_class *
lm_engine_slice_class(const struct lm_engine *engine, uint32_t slice)
{
	return engine->slice[slice]->class;
}

uint32_t
lm_engine_slice_operator(const struct lm_engine *engine, uint32_t slice)
{
	return graph_operator_of(engine->graph, slice);
}

uint32_t
lm_engine_slice_worker(const struct lm_engine *engine, uint32_t slice)
{
	return slice_worker(engine->slice[slice])->index;
}

uint32_t
lm_engine_worker_lcore(const struct lm_engine *engine, uint32_t worker)
{
	return engine->worker[worker]->lcore;
}

/* Word by word, so that each value is whole whoever writes it meanwhile. */
static void
copy_counters(void *to, const void *from, size_t size)
{
	uint64_t *out = to;
	const uint64_t *in = from;

	for (size_t i = 0; i < size / sizeof(uint64_t); i++) {
		out[i] = __atomic_load_n(&in[i], __ATOMIC_RELAXED);
	}
}

void
lm_engine_slice_stats(const struct lm_engine *engine, uint32_t slice, struct lm_slice_stats *stats)
{
	copy_counters(stats, &engine->slice[slice]->stats, sizeof(*stats));
}

static uint64_t
bytes_sent(const struct edge *edge)
{
	return edge->fused ? 0 : __atomic_load_n(&edge->bytes_sent, __ATOMIC_RELAXED);
}

/* By the layout: what a slice itself knows of its edges it may be about to exchange. */
void
lm_engine_slice_load(const struct lm_engine *engine, uint32_t slice, struct lm_slice_load *load)
{
	const struct lm_op *op = engine->slice[slice];

	*load = (struct lm_slice_load){ .bytes_in = op->bytes_in_before,
		                        .bytes_out = op->bytes_out_before };
	for (uint32_t i = 0; i < engine->layout->edge_count; i++) {
		const struct layout_edge *plan = &engine->layout->edge[i];
		const struct edge *edge = engine->edge[i];

		if (plan->to == slice) {
			load->bytes_in += bytes_sent(edge);
			load->waiting += edge->fused ? 0 : edge_count(edge);
			load->room += edge->fused ? 0 : edge->credit;
		}
		if (plan->from == slice) {
			load->bytes_out += bytes_sent(edge);
		}
	}
	if (op->state.space != NULL) {
		load->state_bytes = op->state.ops->size(op->state.space);
	}
}

const char *
lm_engine_slice_gauge(const struct lm_engine *engine, uint32_t slice, uint32_t gauge)
{
	assert(gauge < sizeof(engine->slice[slice]->gauge_name) / sizeof(char *));
	return engine->slice[slice]->gauge_name[gauge];
}

void
lm_engine_worker_stats(const struct lm_engine *engine, uint32_t worker,
                       struct lm_worker_stats *stats)
{
	copy_counters(stats, &engine->worker[worker]->stats, sizeof(*stats));
}

void
lm_engine_latency(const struct lm_engine *engine, uint32_t op, struct lm_hist *hist)
{
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		const struct lm_op *slice = engine->slice[i];

		if (slice->latency != NULL && (op == LM_NONE || slice->op == op)) {
			lm_hist_add(hist, slice->latency);
		}
	}
}
