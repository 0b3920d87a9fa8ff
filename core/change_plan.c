/* SPDX-License-Identifier: BSD-3-Clause */
/* A change of the graph, before anything of it happens: what is built, what stays, who gives what
 * to whom. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/canary.h"
#include "core/change.h"
#include "core/env.h"
#include "core/lm_serial.h"
#include "core/wiring.h"

static const struct lm_place nowhere;

/* ---- slices ---- */

bool
change_keeps(const struct lm_graph *was, const struct change_ask *ask, uint32_t op, uint32_t index)
{
	const struct graph_operator *is = &ask->graph->op[op], *before, *a, *b;
	uint32_t old = ask->heir_of[op];

	if (old == LM_NONE || index >= was->op[old].slices || index >= is->slices) {
		return false;
	}
	before = &was->op[old];
	a = graph_made_of(before, index);
	b = graph_made_of(is, index);
	/* A view of a graph has the names of that graph's operators. */
	if (ask->kept[op] == old && a == before && b == is) {
		return true;
	}
	return before->trial != NULL && ((a == before->trial && a->name == b->name) ||
	                                 (CANARY(CANARY_TRIAL_MIXED) && index == 0));
}

/* What stays is found by its place: the same operator, the same index. */
static bool
find_old(const struct lm_engine *engine, struct change *change, const struct change_ask *ask)
{
	const struct lm_graph *graph = change->next.graph;

	change->old_of = malloc((graph->slice_count + 1) * sizeof(*change->old_of));
	if (change->old_of == NULL) {
		return false;
	}
	for (uint32_t o = 0; o < graph->operator_count; o++) {
		const struct graph_operator *op = &graph->op[o];

		for (uint32_t i = 0; i < op->slices; i++) {
			change->old_of[op->first_slice + i] =
			    change_keeps(engine->graph, ask, o, i)
				? engine->graph->op[ask->heir_of[o]].first_slice + i
				: LM_NONE;
		}
	}
	return true;
}

uint16_t
change_idlest_worker(const uint32_t *load, uint32_t count)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < count; i++) {
		best = load[i] < load[best] ? i : best;
	}
	return (uint16_t)best;
}

/* Who runs stays where it is; who is new goes where it was told to, or where the least is. */
static bool
place(struct lm_engine *engine, struct change *change, const uint16_t *workers)
{
	struct lm_engine *next = &change->next;
	uint32_t load[LM_WORKERS_MAX] = { 0 }, fresh = 0;

	next->placement = engine->placement;
	next->placement.worker_of = malloc((next->slice_count + 1) * sizeof(uint16_t));
	if (next->placement.worker_of == NULL) {
		return false;
	}
	for (uint32_t s = 0; s < next->slice_count; s++) {
		if (change->old_of[s] != LM_NONE) {
			uint32_t worker = slice_worker(engine->slice[change->old_of[s]])->index;

			next->placement.worker_of[s] = (uint16_t)worker;
			load[worker]++;
		}
	}
	for (uint32_t s = 0; s < next->slice_count; s++) {
		if (change->old_of[s] == LM_NONE) {
			uint16_t worker = workers != NULL
			                      ? workers[fresh++]
			                      : change_idlest_worker(load, next->worker_count);

			next->placement.worker_of[s] = worker;
			load[worker]++;
		}
	}
	return true;
}

static bool
lay_out(const struct lm_engine *engine, struct change *change)
{
	struct lm_engine *next = &change->next;
	uint32_t *chain = malloc((next->slice_count + 1) * sizeof(*chain));

	for (uint32_t s = 0; chain != NULL && s < next->slice_count; s++) {
		chain[s] = change->old_of[s] == LM_NONE
		               ? LM_NONE
		               : engine->slice[change->old_of[s]]->head->number;
	}
	next->layout = chain == NULL ? NULL : layout_create(next->graph, &next->placement, chain);
	free(chain);
	return next->layout != NULL;
}

/* ---- what stays of the rest ---- */

/* Which slices have the slots of an operator that has an heir. The present one, if it stays. */
static struct route_table *
make_table(const struct lm_engine *engine, const struct change_ask *ask, uint32_t op)
{
	const struct graph_operator *is = &ask->graph->op[op];
	const struct graph_operator *was = &engine->graph->op[ask->heir_of[op]];
	struct route_table *table = engine->table[ask->heir_of[op]];

	if (change_is_dealt(ask, op)) {
		return route_table_deal(table, ask->slice_of);
	}
	if (is->trial != NULL && was->trial == NULL) {
		return route_table_try(table, is->slices, is->trial_slices, is->trial_slots);
	}
	return is->slices == was->slices ? table : route_table_resize(table, is->slices);
}

static bool
keep_tables(const struct lm_engine *engine, struct change *change, const struct change_ask *ask)
{
	struct lm_engine *next = &change->next;

	for (uint32_t o = 0; o < next->graph->operator_count; o++) {
		uint32_t was = ask->heir_of[o];

		if (was == LM_NONE || engine->table[was] == NULL ||
		    engine->graph->op[was].slots != next->graph->op[o].slots) {
			continue;
		}
		next->table[o] = make_table(engine, ask, o);
		if (next->table[o] == NULL) {
			return false;
		}
	}
	return true;
}

static struct edge *
find_edge(const struct lm_op *from, const struct lm_op *to, const struct graph_wire *wire,
          const struct layout_edge *plan)
{
	const struct output *out = &from->output[wire->output];

	for (uint32_t w = 0; w < out->wire_count; w++) {
		for (uint32_t d = 0; d < out->wire[w].edge_count; d++) {
			struct edge *edge = out->wire[w].edge[d];

			if (edge->to == to && edge->input == wire->input &&
			    edge->fused == plan->fused && edge->credit == plan->credit &&
			    edge->policy == wire->policy && edge->rate == wire->rate &&
			    edge->feedback == wire->feedback) {
				return edge;
			}
		}
	}
	return NULL;
}

static void
keep_edges(const struct lm_engine *engine, struct change *change)
{
	struct lm_engine *next = &change->next;

	for (uint32_t e = 0; e < next->layout->edge_count; e++) {
		const struct layout_edge *plan = &next->layout->edge[e];
		uint32_t from = change->old_of[plan->from], to = change->old_of[plan->to];

		if (from != LM_NONE && to != LM_NONE) {
			next->edge[e] = find_edge(engine->slice[from], engine->slice[to],
			                          &next->graph->wire[plan->wire], plan);
		}
		if (next->edge[e] != NULL) {
			next->edge[e]->stays = true;
		}
	}
}

static bool
pool_fits(const struct lm_pool *pool, const struct layout_pool *plan)
{
	return lm_schema_equal(pool->schema, plan->schema) &&
	       pool->schema->size == plan->schema->size && pool->numa_node == (int)plan->numa_node;
}

/*
 * Batches of a pool that both graphs use may be in either: it must do for the sum. One that is
 * spare need only do for the new graph.
 */
static struct lm_pool *
find_pool(const struct lm_engine *engine, const struct layout_pool *plan, uint32_t *needed)
{
	*needed = plan->batches;
	for (uint32_t i = 0; i < engine->layout->pool_count; i++) {
		if (pool_fits(engine->pool[i], plan)) {
			*needed += engine->layout->pool[i].batches;
			if (engine->pool[i]->count >= *needed) {
				return engine->pool[i];
			}
		}
	}
	for (uint32_t i = 0; i < engine->spare_count; i++) {
		if (pool_fits(engine->spare[i], plan) && engine->spare[i]->count >= *needed) {
			return engine->spare[i];
		}
	}
	return NULL;
}

static bool
keep_pools(const struct lm_engine *engine, struct change *change)
{
	struct lm_engine *next = &change->next;

	for (uint32_t i = 0; i < next->layout->pool_count; i++) {
		const struct layout_pool *plan = &next->layout->pool[i];
		uint32_t needed;

		next->pool[i] = find_pool(engine, plan, &needed);
		if (next->pool[i] == NULL) {
			next->pool[i] = pool_create(plan->schema, needed, next->worker_count,
			                            (int)plan->numa_node);
		}
		if (next->pool[i] == NULL) {
			return false;
		}
	}
	return true;
}

/* ---- parts ---- */

static void
begin_part(struct change *change, struct rewire *part, struct lm_op *slice)
{
	part->slice = slice;
	part->left = &change->left;
	part->watermark = INT64_MIN;
}

/* Of those there are, in their order, then of new ones; new ones are wired here and now. */
static bool
make_parts(const struct lm_engine *engine, struct change *change)
{
	struct lm_engine *next = &change->next;
	uint32_t count = engine->slice_count;

	change->part = calloc(engine->slice_count + next->slice_count, sizeof(*change->part));
	if (change->part == NULL) {
		return false;
	}
	for (uint32_t s = 0; s < engine->slice_count; s++) {
		begin_part(change, &change->part[s], engine->slice[s]);
		change->part[s].retires = true;
	}
	for (uint32_t s = 0; s < next->slice_count; s++) {
		struct rewire *part;

		if (change->old_of[s] != LM_NONE) {
			part = &change->part[change->old_of[s]];
			part->retires = false;
			part->wiring = next->wiring[s];
			memset(&next->wiring[s], 0, sizeof(next->wiring[s]));
			continue;
		}
		part = &change->part[count++];
		begin_part(change, part, next->slice[s]);
		slice_exchange_wiring(next->slice[s], &next->wiring[s]);
		part->is_switched = true;
		next->slice[s]->rewire = part;
	}
	change->part_count = count;
	return true;
}

/* Of a slice that there is, by its number; a new one knows it. */
static struct rewire *
part_of(const struct change *change, const struct lm_op *slice)
{
	return slice->rewire != NULL ? slice->rewire : &change->part[slice->number];
}

/* New edges of slices that have told things on old ones. */
static bool
find_fresh(struct change *change)
{
	struct lm_engine *next = &change->next;

	for (uint32_t e = 0; e < next->layout->edge_count; e++) {
		const struct layout_edge *plan = &next->layout->edge[e];
		uint32_t from = change->old_of[plan->from];
		struct rewire *part;
		struct edge **grown;

		if (from == LM_NONE || next->edge[e]->stays) {
			continue;
		}
		part = &change->part[from];
		grown = realloc(part->fresh, (part->fresh_count + 1) * sizeof(*grown));
		if (grown == NULL) {
			return false;
		}
		part->fresh = grown;
		part->fresh[part->fresh_count++] = next->edge[e];
	}
	return true;
}

/* ---- hands ---- */

/* Old slices of one operator and those to come. */
struct heirs {
	struct lm_op **from, **to;
	uint32_t from_count, to_count;
	const struct route_table *was, *is; /* NULL: rows do not come by key */
	/* [to]: other code, which has all of the state of the one that it replaces. */
	bool is_whole[LM_SLICES_MAX];
	bool gives[LM_SLICES_MAX][LM_SLICES_MAX];
};

/* Room for what either writes down of itself. */
static bool
make_text(const struct lm_op *giver, const struct lm_op *taker, struct op_text *text)
{
	if (giver->class->serialize == NULL && taker->class->serialize == NULL) {
		return true;
	}
	text->bytes = malloc(LM_SERIAL_MAX);
	text->max = LM_SERIAL_MAX;
	return text->bytes != NULL;
}

/* Slices of another state_version: whose state each of them is to convert. */
static bool
find_converted(struct change *change, const struct graph_operator *was,
               const struct graph_operator *is, struct heirs *heirs)
{
	for (uint32_t i = 0; i < heirs->to_count; i++) {
		const struct graph_operator *source = change_source(was, i);
		struct lm_op *slice = heirs->to[i];
		struct rewire *part = part_of(change, slice);

		if (slice->stays || !change_is_version(source, graph_made_of(is, i))) {
			continue;
		}
		if (heirs->is_whole[i]) {
			part->was = heirs->from[i];
			continue;
		}
		part->was = engine_build_twin(source, slice);
		part->is_twin = part->was != NULL;
		if (part->was == NULL || !make_text(part->was, slice, &part->was_text)) {
			return false;
		}
	}
	return true;
}

static bool
add_hand(struct change *change, struct heirs *heirs, uint32_t from, uint32_t to)
{
	struct lm_op *giver = heirs->from[from], *taker = heirs->to[to];
	struct rewire *part = part_of(change, giver);
	struct rewire_hand *hand = calloc(1, sizeof(*hand)), **grown;

	grown = hand == NULL ? NULL : realloc(part->hand, (part->hand_count + 1) * sizeof(*grown));
	if (grown == NULL) {
		free(hand);
		return false;
	}
	part->hand = grown;
	part->hand[part->hand_count++] = hand;
	hand->from = giver;
	hand->to = taker;
	hand->with_state =
	    heirs->gives[from][to] &&
	    !(CANARY(CANARY_TRIAL_LEFT) && to >= heirs->from_count && giver->class != taker->class);
	hand->is_whole = heirs->is_whole[to];
	hand->from_retires = part->retires && from % heirs->to_count == to;
	part_of(change, taker)->awaits++;
	part_of(change, taker)->is_heir |= hand->with_state && giver->state.space != NULL;
	return !hand->is_whole || make_text(giver, taker, &hand->text);
}

static bool
add_hands(struct change *change, struct heirs *heirs)
{
	memset(heirs->gives, 0, sizeof(heirs->gives));
	for (uint32_t s = 0; heirs->was != NULL && s < 1u << heirs->was->slot_bits; s++) {
		heirs->gives[heirs->was->slice_of[s]][heirs->is->slice_of[s]] = true;
	}
	for (uint32_t i = 0; i < heirs->to_count; i++) {
		heirs->gives[i][i] |= heirs->is_whole[i];
	}
	for (uint32_t i = 0; i < heirs->from_count; i++) {
		for (uint32_t k = 0; k < heirs->to_count; k++) {
			bool is_heir =
			    part_of(change, heirs->from[i])->retires && i % heirs->to_count == k;

			if (heirs->from[i] != heirs->to[k] && (heirs->gives[i][k] || is_heir) &&
			    !add_hand(change, heirs, i, k)) {
				return false;
			}
		}
	}
	return true;
}

/* Who had the state and who is to have it. */
static void
find_heirs(const struct lm_engine *engine, struct change *change, const struct change_ask *ask,
           uint32_t op, struct heirs *heirs)
{
	const struct graph_operator *is = &ask->graph->op[op];
	const struct graph_operator *was = &engine->graph->op[ask->heir_of[op]];

	heirs->from = engine->slice + was->first_slice;
	heirs->from_count = was->slices;
	heirs->to = change->next.slice + is->first_slice;
	heirs->to_count = is->slices;
	heirs->was = engine->table[ask->heir_of[op]];
	heirs->is = change->next.table[op];
	if (heirs->is == NULL || heirs->was == NULL ||
	    heirs->is->slot_bits != heirs->was->slot_bits) {
		heirs->is = heirs->was = NULL;
	}
	for (uint32_t i = 0; i < is->slices; i++) {
		heirs->is_whole[i] = is->slices == was->slices && !heirs->to[i]->stays &&
		                     change_is_code(change_source(was, i), graph_made_of(is, i));
	}
}

/* All slices of an operator stay, with the slots that they have. */
static bool
is_untouched(const struct lm_engine *engine, const struct change_ask *ask, uint32_t op)
{
	const struct graph_operator *is = &ask->graph->op[op], *was;

	if (ask->kept[op] == LM_NONE || change_is_dealt(ask, op)) {
		return false;
	}
	was = &engine->graph->op[ask->kept[op]];
	return is->slices == was->slices && is->trial == was->trial;
}

static bool
make_hands(struct lm_engine *engine, struct change *change, const struct change_ask *ask)
{
	struct heirs *heirs = malloc(sizeof(*heirs));
	bool good = heirs != NULL;

	for (uint32_t o = 0; good && o < ask->graph->operator_count; o++) {
		const struct graph_operator *was;

		if (ask->heir_of[o] == LM_NONE || is_untouched(engine, ask, o)) {
			continue;
		}
		was = &engine->graph->op[ask->heir_of[o]];
		find_heirs(engine, change, ask, o, heirs);
		good = add_hands(change, heirs) &&
		       find_converted(change, was, &ask->graph->op[o], heirs);
		for (uint32_t i = 0; good && heirs->is != NULL && i < was->slices; i++) {
			part_of(change, heirs->from[i])->wiring.slice_of = heirs->is->slice_of;
		}
	}
	free(heirs);
	return good;
}

static bool
gives_state(const struct rewire *part)
{
	const struct lm_op *slice = part->slice;
	bool gives = false;

	for (uint32_t h = 0; h < part->hand_count; h++) {
		gives |= part->hand[h]->with_state;
	}
	return gives && (slice->state.space != NULL || slice->class->serialize != NULL);
}

/* Sinks that nobody goes on for. One that commits has what it has in hand in its transactions. */
static void
mark_leaving(const struct lm_engine *engine, struct change *change)
{
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		struct rewire *part = &change->part[i];
		const struct graph_operator *op = &engine->graph->op[part->slice->op];

		part->leaves = part->retires && op->class->outputs == NULL &&
		               (op->traits & LM_TRAIT_COMMITS) == 0 && !gives_state(part);
	}
}

/* Memory for the slots that slices come to have. */
static bool
make_room(struct change *change)
{
	for (uint32_t i = 0; i < change->part_count; i++) {
		struct lm_op *slice = change->part[i].slice;
		const uint16_t *slice_of = change->part[i].is_switched
		                               ? slice->state.slice_of
		                               : change->part[i].wiring.slice_of;
		uint32_t bundles = change->part[i].awaits + change->part[i].hand_count;
		uint32_t slots = 0;

		if (bundles == 0) {
			continue;
		}
		for (uint32_t s = 0; s < 1u << slice->state.slot_bits; s++) {
			slots += slice_of == NULL || slice_of[s] == slice->index;
		}
		if (change->part[i].is_twin &&
		    state_prepare_move(change->part[i].was, slots, bundles) != 0) {
			return false;
		}
		if (state_prepare_move(slice, slots, bundles) != 0 ||
		    (change->part[i].was != NULL &&
		     state_prepare_conversion(change->part[i].was, slice) != 0)) {
			return false;
		}
	}
	return true;
}

/* Where snapshots are taken: a slice with more inputs has more to write down. */
static bool
make_texts(struct change *change)
{
	for (uint32_t i = 0; i < change->part_count; i++) {
		struct rewire *part = &change->part[i];
		struct lm_op *slice = part->slice;
		uint32_t max = slice_state_max(part->wiring.input_count);

		if (part->is_switched || slice->state.engine_text.max >= max ||
		    slice->state.engine_text.bytes == NULL) {
			continue;
		}
		part->text.bytes = lm_op_alloc(slice, max);
		part->text.max = max;
		if (part->text.bytes == NULL) {
			return false;
		}
	}
	return true;
}

/* ---- workers ---- */

static bool
make_heads(const struct lm_engine *engine, struct change *change)
{
	uint32_t most = engine->slice_count + change->next.slice_count;

	change->heads = calloc(engine->worker_count, sizeof(*change->heads));
	if (change->heads == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < engine->worker_count; i++) {
		change->heads[i].left = &change->left;
		change->heads[i].list = calloc(most + 1, sizeof(struct lm_op *));
		change->heads[i].head = calloc(most + 1, sizeof(struct lm_op *));
		if (change->heads[i].list == NULL || change->heads[i].head == NULL) {
			return false;
		}
	}
	for (uint32_t i = engine->slice_count; i < change->part_count; i++) {
		struct lm_op *slice = change->part[i].slice;
		struct rewire_heads *heads = &change->heads[slice->worker->index];

		if (slice->head == slice) {
			heads->head[heads->count++] = slice;
		}
	}
	return true;
}

/* ---- all of it ---- */

/* What is converted needs a place; a twin gets what it is to have. */
static int
open_one(struct lm_engine *engine, struct change *change, struct rewire *part,
         struct lm_errors *errors)
{
	struct lm_op *slice = part->slice;
	int result;

	slice->state.is_heir = part->is_heir && part->was == NULL;
	if (part->was != NULL) {
		slice->state.is_newer =
		    slice->class->state_version > part->was->class->state_version;
		slice->state.from_version = part->was->class->state_version;
	}
	result = engine_open_slice(&change->next, slice, errors);
	if (result == 0 && engine->slice[0]->state.engine_text.bytes != NULL) {
		result = state_arm(slice);
	}
	if (result == 0 && part->is_twin) {
		struct worker *worker = part->was->worker;

		part->was->worker = slice->worker;
		part->was->state.is_heir = true;
		result = engine_open_slice(&change->next, part->was, errors);
		part->was->worker = worker;
	}
	return result;
}

/* Their worker runs already: while they open they have one of their own. */
static bool
open_new(struct lm_engine *engine, struct change *change, struct lm_errors *errors)
{
	struct worker limbo = { .now_ns = env_now_ns(), .timer_due_ns = INT64_MAX };
	int result = 0;

	limbo.wall_ns = env_wall_ns();
	for (uint32_t i = engine->slice_count; result == 0 && i < change->part_count; i++) {
		struct lm_op *slice = change->part[i].slice;
		struct worker *worker = slice->worker;

		limbo.index = worker->index;
		limbo.lcore = worker->lcore;
		limbo.numa_node = worker->numa_node;
		slice->worker = &limbo;
		result = open_one(engine, change, &change->part[i], errors);
		slice->worker = worker;
	}
	return result == 0;
}

/* Whether a slice of other code, which is open now, keeps what the code before it kept. */
static bool
keeps_form(const struct change *change, const struct graph_operator *was, struct lm_op *first,
           const struct graph_operator *is, struct lm_op *slice, struct lm_errors *errors)
{
	if (change_is_version(was, is)) {
		const char *why = state_can_convert(part_of(change, slice)->was, slice);

		if (why != NULL) {
			lm_errors_add(errors, is->place, "give its state up",
			              "operators.%s: the other code %s", is->name, why);
			return false;
		}
	} else if (change_is_code(was, is) && !state_alike(first, slice)) {
		lm_errors_add(errors, is->place,
		              "give its state another state_version, or give it up",
		              "operators.%s: the other code keeps its state in another form, but "
		              "says that it is of the same version, %u",
		              is->name, is->class->state_version);
		return false;
	}
	return true;
}

static bool
keep_form(const struct lm_engine *engine, const struct change *change, const struct change_ask *ask,
          struct lm_errors *errors)
{
	for (uint32_t o = 0; o < ask->graph->operator_count; o++) {
		const struct graph_operator *is = &ask->graph->op[o], *was;
		bool good = true;

		if (ask->heir_of[o] == LM_NONE) {
			continue;
		}
		was = &engine->graph->op[ask->heir_of[o]];
		for (uint32_t i = 0; good && i < is->slices; i++) {
			struct lm_op *slice = change->next.slice[is->first_slice + i];

			good = slice->stays ||
			       keeps_form(change, change_source(was, i),
			                  engine->slice[was->first_slice + i % was->slices],
			                  graph_made_of(is, i), slice, errors);
		}
		if (!good) {
			return false;
		}
	}
	return true;
}

static bool
build(struct lm_engine *engine, struct change *change, const struct change_ask *ask)
{
	struct lm_engine *next = &change->next;

	if (!find_old(engine, change, ask) || !place(engine, change, ask->workers) ||
	    !lay_out(engine, change) || !engine_allocate(next) ||
	    !keep_tables(engine, change, ask) || !keep_pools(engine, change)) {
		return false;
	}
	for (uint32_t s = 0; s < next->slice_count; s++) {
		if (change->old_of[s] != LM_NONE) {
			next->slice[s] = engine->slice[change->old_of[s]];
			next->slice[s]->stays = true; /* whatever fails from here on */
		}
	}
	keep_edges(engine, change);
	return engine_build_parts(next) && make_parts(engine, change) && find_fresh(change) &&
	       make_hands(engine, change, ask) && make_heads(engine, change);
}

struct change *
change_plan(struct lm_engine *engine, const struct change_ask *ask, struct lm_errors *errors)
{
	struct change *change = calloc(1, sizeof(*change));
	bool good = change != NULL;

	if (good) {
		change->next.graph = ask->graph;
		change->next.slice_count = ask->graph->slice_count;
		change->next.shared = engine->shared;
		change->next.worker = engine->worker;
		change->next.worker_count = engine->worker_count;
		change->next.epoch = engine->epoch;
		good = build(engine, change, ask);
	}
	if (good && !change_is_possible(engine, ask, errors)) {
		change_free(engine, change);
		return NULL;
	}
	if (good &&
	    (!open_new(engine, change, errors) || !keep_form(engine, change, ask, errors))) {
		change_free(engine, change);
		return NULL;
	}
	if (!good || !make_texts(change) || !make_room(change) || !keep_make_room(engine, change)) {
		lm_errors_add(errors, nowhere, "give the process more memory, or change less",
		              "not enough memory for the change");
		change_free(engine, change);
		return NULL;
	}
	mark_leaving(engine, change);
	return change;
}
