/* SPDX-License-Identifier: BSD-3-Clause */
/* Building an engine from its layout: workers, pools, slices, edges, chains; and taking it apart.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "core/env.h"
#include "core/hash.h"
#include "core/wiring.h"

static struct worker *
build_worker(struct lm_engine *engine, uint32_t index)
{
	int node = (int)engine->placement.worker[index].numa_node;
	struct worker *worker = env_alloc(sizeof(*worker), 64, node);

	if (worker == NULL) {
		return NULL;
	}
	engine->worker[index] = worker;
	worker->index = index;
	worker->lcore = engine->placement.worker[index].lcore;
	worker->numa_node = node;
	worker->shared = engine->shared;
	worker->timer_due_ns = INT64_MAX;
	worker->idle.policy = (enum lm_idle)engine->graph->settings.idle;
	worker->idle.shares_cpu = engine->placement.worker[index].shares_cpu;
	worker->slice = calloc(engine->slice_count + 1, sizeof(*worker->slice));
	worker->scratch = env_alloc(sizeof(*worker->scratch), 64, node);
	if (worker->slice == NULL || worker->scratch == NULL ||
	    mailbox_open(&worker->mailbox, node) != 0) {
		return NULL;
	}
	return worker;
}

static void
build_slice_inputs(struct lm_op *slice, const struct graph_operator *op)
{
	slice->is_source = op->class->poll != NULL;
	for (uint32_t i = 0; i < op->input_count; i++) {
		slice->input_schema[i] = op->input[i];
	}
	slice->watermark = INT64_MIN;
	slice->source_watermark = INT64_MIN;
	slice->watermark_told = INT64_MIN;
	slice->watermark_seen = INT64_MIN;
	slice->deferred_watermark = INT64_MIN;
	slice->stats.watermark_ns = INT64_MIN;
}

/* The slots of the slice: those that the wire to its first input brings it rows of. False: no
 * memory. */
static bool
build_slice_slots(struct lm_engine *engine, struct lm_op *slice)
{
	const struct lm_graph *graph = engine->graph;
	struct op_state *state = &slice->state;

	state->slot_bits = (uint32_t)__builtin_ctz(graph->op[slice->op].slots);
	state->index = slice->index;
	state->is_alone = slice->slices == 1;
	for (uint32_t w = 0; w < graph->wire_count; w++) {
		const struct graph_wire *wire = &graph->wire[w];

		if (wire->to == slice->op && wire->grouping == LM_GROUP_KEY) {
			slice->slot_key[wire->input] = hash_key_id(wire->field, wire->field_count);
		}
		if (wire->to == slice->op && wire->input == 0 && wire->grouping == LM_GROUP_KEY) {
			state->slice_of = engine->table[wire->to]->slice_of;
			memcpy(slice->key, wire->field, sizeof(slice->key));
			state->key = slice->key;
			state->key_count = wire->field_count;
		}
	}
	if (state->slice_of != NULL) {
		slice->slot_rows = env_alloc(sizeof(*slice->slot_rows) << state->slot_bits, 64,
		                             slice->worker->numa_node);
	}
	return state->slice_of == NULL || slice->slot_rows != NULL;
}

/* What its class and its operator say of it, and memory. False: there is none. */
static bool
build_slice_class(struct lm_op *slice, const struct graph_operator *op)
{
	const struct worker *worker = slice->worker;

	slice->class = op->class;
	slice->config = op->config;
	slice->name = op->name;
	slice->head = slice;
	build_slice_inputs(slice, op);
	slice->output_count = op->output_count;
	for (uint32_t i = 0; i < op->output_count; i++) {
		slice->output[i].schema = op->output[i];
	}
	slice->context = env_alloc(op->class->context_size + 1, 64, worker->numa_node);
	slice->hash = env_alloc(LM_BATCH_ROWS * sizeof(uint64_t), 64, worker->numa_node);
	slice->inbox = env_alloc(SLICE_INBOX * sizeof(*slice->inbox), 64, worker->numa_node);
	if ((op->class->flags & LM_OP_SINK) != 0) {
		slice->latency = env_alloc(sizeof(*slice->latency), 64, worker->numa_node);
		if (slice->latency == NULL) {
			return false;
		}
	}
	return slice->context != NULL && slice->hash != NULL && slice->inbox != NULL;
}

static struct lm_op *
build_slice(struct lm_engine *engine, uint32_t number)
{
	uint32_t o = graph_operator_of(engine->graph, number);
	const struct graph_operator *op = &engine->graph->op[o];
	struct worker *worker = engine->worker[engine->placement.worker_of[number]];
	struct lm_op *slice = env_alloc(sizeof(*slice), 64, worker->numa_node);

	if (slice == NULL) {
		return NULL;
	}
	engine->slice[number] = slice;
	slice->worker = worker;
	slice->shared = engine->shared;
	slice->number = number;
	slice->index = number - op->first_slice;
	slice->slices = op->slices;
	slice->op = o;
	slice->stats.epoch = engine->epoch;
	slice->random = engine->shared->secret ^ (number + 1) * 0x9e3779b97f4a7c15u;
	if (!build_slice_slots(engine, slice)) {
		return NULL;
	}
	return build_slice_class(slice, graph_made_of(op, slice->index)) ? slice : NULL;
}

struct lm_op *
engine_build_twin(const struct graph_operator *op, const struct lm_op *like)
{
	struct lm_op *twin = env_alloc(sizeof(*twin), 64, like->worker->numa_node);

	if (twin == NULL) {
		return NULL;
	}
	twin->worker = like->worker;
	twin->shared = like->shared;
	twin->number = like->number;
	twin->index = like->index;
	twin->slices = like->slices;
	twin->op = like->op;
	twin->random = like->random;
	twin->state.slot_bits = like->state.slot_bits;
	twin->state.slice_of = like->state.slice_of;
	twin->state.index = like->state.index;
	twin->state.is_alone = like->state.is_alone;
	twin->state.key_count = like->state.key_count;
	memcpy(twin->key, like->key, sizeof(twin->key));
	twin->state.key = like->state.key == NULL ? NULL : twin->key;
	if (!build_slice_class(twin, op)) {
		engine_free_slice(twin);
		return NULL;
	}
	return twin;
}

static struct edge *
build_edge(struct lm_engine *engine, uint32_t index)
{
	const struct layout_edge *plan = &engine->layout->edge[index];
	const struct graph_wire *wire = &engine->graph->wire[plan->wire];
	struct lm_op *from = engine->slice[plan->from];
	struct edge *edge = env_alloc(sizeof(*edge), 64, from->worker->numa_node);
	unsigned int flags = RING_F_SP_ENQ | RING_F_SC_DEQ;

	if (edge == NULL) {
		return NULL;
	}
	engine->edge[index] = edge;
	if (wire->policy == LM_POLICY_SHED_OLDEST) {
		/* The producer also takes, after a look: only head-tail sync can. */
		flags = RING_F_SP_ENQ | RING_F_MC_HTS_DEQ;
	}
	edge->from = from;
	edge->to = engine->slice[plan->to];
	edge->schema = from->output[wire->output].schema;
	edge->credit = plan->credit;
	edge->input = wire->input;
	edge->policy = wire->policy;
	edge->rate = wire->rate;
	edge->feedback = wire->feedback;
	edge->fused = plan->fused;
	edge->partial_ns = (int64_t)engine->graph->settings.partial_ns;
	edge->watermark = INT64_MIN;
	edge->watermark_in = INT64_MIN;
	edge->tokens_at_ns = env_now_ns();
	if (edge->fused) {
		return edge;
	}
	edge->ring = ring_create(edge_slots(edge->credit), sizeof(struct edge_item), flags,
	                         from->worker->numa_node);
	if (edge->ring != NULL && rte_ring_get_capacity(edge->ring) < edge_slots(edge->credit)) {
		return NULL;
	}
	return edge->ring == NULL ? NULL : edge;
}

static bool
build_tables(struct lm_engine *engine)
{
	const struct lm_graph *graph = engine->graph;

	for (uint32_t w = 0; w < graph->wire_count; w++) {
		const struct graph_wire *wire = &graph->wire[w];
		const struct graph_operator *to = &graph->op[wire->to];

		if (wire->grouping != LM_GROUP_KEY || engine->table[wire->to] != NULL) {
			continue;
		}
		engine->table[wire->to] = route_table_create(to->slots, to->slices);
		if (engine->table[wire->to] == NULL) {
			return false;
		}
	}
	return true;
}

static bool
build_pools(struct lm_engine *engine)
{
	for (uint32_t i = 0; i < engine->layout->pool_count; i++) {
		const struct layout_pool *plan = &engine->layout->pool[i];

		if (engine->pool[i] != NULL) {
			continue;
		}
		engine->pool[i] = pool_create(plan->schema, plan->batches, engine->worker_count,
		                              (int)plan->numa_node);
		if (engine->pool[i] == NULL) {
			return false;
		}
	}
	return true;
}

static bool
build_workers(struct lm_engine *engine)
{
	for (uint32_t i = 0; i < engine->worker_count; i++) {
		if (build_worker(engine, i) == NULL) {
			return false;
		}
	}
	return true;
}

bool
engine_build_parts(struct lm_engine *engine)
{
	if (!build_pools(engine) || !build_tables(engine)) {
		return false;
	}
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		if (engine->slice[i] == NULL && build_slice(engine, i) == NULL) {
			return false;
		}
	}
	for (uint32_t i = 0; i < engine->layout->edge_count; i++) {
		if (engine->edge[i] == NULL && build_edge(engine, i) == NULL) {
			return false;
		}
	}
	return wiring_build(engine);
}

/* Everything is wired before anything runs; heads get turns on their worker. */
static void
put_in(struct lm_engine *engine)
{
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		slice_exchange_wiring(engine->slice[i], &engine->wiring[i]);
	}
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		struct lm_op *slice = engine->slice[i];

		if (slice->head == slice) {
			worker_add(slice->worker, slice);
		}
	}
	wiring_free(engine);
}

int
engine_open_slice(struct lm_engine *engine, struct lm_op *slice, struct lm_errors *errors)
{
	struct lm_place place = engine->graph->op[slice->op].place;
	int result = slice->class->open == NULL ? 0 : slice->class->open(slice);

	if (result != 0) {
		lm_errors_add(errors, place, "", "operators.%s: %s", slice->name,
		              slice->open_error[0] != '\0' ? slice->open_error : strerror(-result));
		return result;
	}
	slice->opened = true;
	return 0;
}

bool
engine_allocate(struct lm_engine *engine)
{
	engine->slice = calloc(engine->slice_count + 1, sizeof(*engine->slice));
	engine->wiring = calloc(engine->slice_count + 1, sizeof(*engine->wiring));
	engine->edge = calloc(engine->layout->edge_count + 1, sizeof(*engine->edge));
	engine->pool = calloc(engine->layout->pool_count + 1, sizeof(*engine->pool));
	engine->table = calloc(engine->graph->operator_count + 1, sizeof(*engine->table));
	return engine->slice != NULL && engine->wiring != NULL && engine->edge != NULL &&
	       engine->pool != NULL && engine->table != NULL;
}

bool
engine_build(struct lm_engine *engine, struct lm_errors *errors)
{
	struct lm_place nowhere = { 0 };

	engine->worker = calloc(engine->worker_count, sizeof(*engine->worker));
	if (engine->worker == NULL || !engine_allocate(engine) || !build_workers(engine) ||
	    !engine_build_parts(engine)) {
		lm_errors_add(
		    errors, nowhere,
		    "lower `settings.credit`, use fewer slices, or give the process more memory",
		    "not enough memory: the batches and edges take %zu MiB",
		    engine->layout->bytes >> 20);
		return false;
	}
	put_in(engine);
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		if (engine_open_slice(engine, engine->slice[i], errors) != 0) {
			return false;
		}
	}
	return true;
}

void
engine_free_edge(struct edge *edge)
{
	env_free(edge->ring);
	env_free(edge);
}

void
engine_free_slice(struct lm_op *slice)
{
	struct wiring last = { 0 };

	if (slice->opened && slice->class->close != NULL) {
		slice->class->close(slice);
	}
	state_close(slice);
	for (uint32_t i = 0; i < slice->memory_count; i++) {
		env_free(slice->memory[i]);
	}
	slice_exchange_wiring(slice, &last);
	wiring_clear(&last);
	free(slice->memory);
	env_free(slice->context);
	env_free(slice->hash);
	env_free(slice->inbox);
	env_free(slice->latency);
	env_free(slice->slot_rows);
	env_free(slice);
}

static void
unbuild_worker(struct worker *worker)
{
	mailbox_close(&worker->mailbox);
	free(worker->slice);
	env_free(worker->scratch);
	env_free(worker);
}

void
engine_unbuild(struct lm_engine *engine)
{
	for (uint32_t i = 0; i < engine->kept_count; i++) {
		engine_free_slice(engine->kept[i].was);
	}
	for (uint32_t i = 0; engine->slice != NULL && i < engine->slice_count; i++) {
		if (engine->slice[i] != NULL) {
			engine_free_slice(engine->slice[i]);
		}
	}
	for (uint32_t i = 0; engine->edge != NULL && i < engine->layout->edge_count; i++) {
		if (engine->edge[i] != NULL) {
			engine_free_edge(engine->edge[i]);
		}
	}
	for (uint32_t i = 0; engine->pool != NULL && i < engine->layout->pool_count; i++) {
		pool_free(engine->pool[i]);
	}
	for (uint32_t i = 0; i < engine->spare_count; i++) {
		pool_free(engine->spare[i]);
	}
	for (uint32_t i = 0; engine->table != NULL && i < engine->graph->operator_count; i++) {
		route_table_free(engine->table[i]);
	}
	for (uint32_t i = 0; engine->worker != NULL && i < engine->worker_count; i++) {
		if (engine->worker[i] != NULL) {
			unbuild_worker(engine->worker[i]);
		}
	}
	wiring_free(engine);
	free(engine->slice);
	free(engine->edge);
	free(engine->pool);
	free(engine->spare);
	free(engine->kept);
	free(engine->table);
	free(engine->worker);
}
