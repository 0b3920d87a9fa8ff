/* SPDX-License-Identifier: BSD-3-Clause */
/* What each slice is connected to. */

#include "core/wiring.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"

static bool
build_route(struct lm_engine *engine, struct route *route, const struct graph_wire *wire)
{
	route->grouping = wire->grouping;
	route->destinations = engine->graph->op[wire->to].slices;
	route->fields = wire->field;
	route->field_count = wire->field_count;
	route->key_id = hash_key_id(wire->field, wire->field_count);
	route->secret = engine->shared->secret;
	route->custom = wire->custom;
	route->table = engine->table[wire->to];
	if (wire->grouping == LM_GROUP_PARTIAL_KEY) {
		route->load = calloc(route->destinations, sizeof(*route->load));
		return route->load != NULL;
	}
	return true;
}

/* The edges by which a slice sends over a wire: [*first] to [*first + *count - 1] of the layout. */
static void
edges_of(const struct lm_engine *engine, uint32_t slice, uint32_t w, uint32_t *first,
         uint32_t *count)
{
	const struct layout *layout = engine->layout;
	const struct lm_graph *graph = engine->graph;
	const struct graph_operator *from = &graph->op[graph->wire[w].from];
	uint32_t last = w + 1 < graph->wire_count ? layout->first_edge[w + 1] : layout->edge_count;

	*count = (last - layout->first_edge[w]) / from->slices;
	*first = layout->first_edge[w] + (slice - from->first_slice) * *count;
}

/* One wire that leaves a slice, with its edges. */
static bool
add_wire(struct lm_engine *engine, uint32_t slice, uint32_t w)
{
	const struct graph_wire *wire = &engine->graph->wire[w];
	struct wiring *wiring = &engine->wiring[slice];
	uint32_t *wires = &wiring->output[wire->output].wire_count, first;
	struct output_wire *to,
	    *grown = realloc(wiring->output[wire->output].wire, (*wires + 1) * sizeof(*grown));

	if (grown == NULL) {
		return false;
	}
	wiring->output[wire->output].wire = grown;
	to = &grown[(*wires)++];
	memset(to, 0, sizeof(*to));
	edges_of(engine, slice, w, &first, &to->edge_count);
	to->edge = calloc(to->edge_count + 1, sizeof(*to->edge));
	if (to->edge == NULL) {
		return false;
	}
	memcpy(to->edge, &engine->edge[first], to->edge_count * sizeof(*to->edge));
	to->any = to->edge_count > 1 &&
	          (wire->grouping == LM_GROUP_SHUFFLE || wire->grouping == LM_GROUP_LOCAL ||
	           wire->grouping == LM_GROUP_FORWARD);
	return build_route(engine, &to->route, wire);
}

/* The wires that leave one slice, in the order of the graph. */
static bool
add_outputs(struct lm_engine *engine, uint32_t slice)
{
	const struct lm_graph *graph = engine->graph;
	struct wiring *wiring = &engine->wiring[slice];

	for (uint32_t w = 0; w < graph->wire_count; w++) {
		if (graph->wire[w].from == wiring->op && !add_wire(engine, slice, w)) {
			return false;
		}
	}
	for (uint32_t i = 0; i < graph->op[wiring->op].output_count; i++) {
		wiring->output[i].pool =
		    engine->pool[engine->layout->pool_of[slice * LM_PORTS_MAX + i]];
	}
	return true;
}

static bool
begin(struct lm_engine *engine, uint32_t slice)
{
	struct wiring *wiring = &engine->wiring[slice];
	uint32_t op = graph_operator_of(engine->graph, slice);

	wiring->number = slice;
	wiring->op = op;
	wiring->slices = engine->graph->op[op].slices;
	wiring->head = engine->slice[slice];
	wiring->slice_of =
	    engine->slice[slice]->state.slice_of == NULL ? NULL : engine->table[op]->slice_of;
	return add_outputs(engine, slice);
}

/* One more at the end of an array of pointers. */
static bool
add_pointer(void *array, uint32_t *count, void *pointer)
{
	void **old, **grown;

	memcpy(&old, array, sizeof(old));
	grown = realloc(old, (*count + 1) * sizeof(*grown));
	if (grown == NULL) {
		return false;
	}
	grown[(*count)++] = pointer;
	memcpy(array, &grown, sizeof(grown));
	return true;
}

static bool
add_inputs(struct lm_engine *engine)
{
	for (uint32_t e = 0; e < engine->layout->edge_count; e++) {
		struct wiring *wiring = &engine->wiring[engine->layout->edge[e].to];

		if (!add_pointer(&wiring->input, &wiring->input_count, engine->edge[e])) {
			return false;
		}
	}
	return true;
}

/* Walks what `slice` calls, callers first, into `into`'s chain and exits. */
static bool
walk_chain(struct lm_engine *engine, struct wiring *into, uint32_t slice, struct lm_op *head)
{
	struct wiring *wiring = &engine->wiring[slice];
	const struct lm_graph *graph = engine->graph;
	uint32_t at[LM_PORTS_MAX] = { 0 };
	bool good = add_pointer(&into->chain, &into->chain_count, engine->slice[slice]);

	if (head != NULL) {
		wiring->head = head;
	}
	for (uint32_t w = 0; good && w < graph->wire_count; w++) {
		uint32_t output = graph->wire[w].output, first, count;

		if (graph->wire[w].from != wiring->op) {
			continue;
		}
		edges_of(engine, slice, w, &first, &count);
		if (count == 1 && engine->layout->edge[first].fused) {
			good = walk_chain(engine, into, engine->layout->edge[first].to, head);
		} else {
			good = add_pointer(&into->exit, &into->exit_count,
			                   &wiring->output[output].wire[at[output]]);
		}
		at[output]++;
	}
	return good;
}

/* Heads come in the order of the graph: producers before consumers. */
static bool
find_chains(struct lm_engine *engine)
{
	const struct lm_graph *graph = engine->graph;
	uint32_t turn = 0;

	for (uint32_t i = 0; i < graph->operator_count; i++) {
		const struct graph_operator *op = &graph->op[graph->order[i]];

		for (uint32_t s = op->first_slice; s < op->first_slice + op->slices; s++) {
			struct wiring *wiring = &engine->wiring[s];
			bool is_head = wiring->input_count != 1 || !wiring->input[0]->fused;

			wiring->turn = turn++;
			if (!walk_chain(engine, wiring, s, is_head ? engine->slice[s] : NULL)) {
				return false;
			}
		}
	}
	return true;
}

bool
wiring_build(struct lm_engine *engine)
{
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		if (!begin(engine, i)) {
			return false;
		}
	}
	return add_inputs(engine) && find_chains(engine);
}

void
wiring_clear(struct wiring *wiring)
{
	for (uint32_t i = 0; i < LM_PORTS_MAX; i++) {
		for (uint32_t w = 0; w < wiring->output[i].wire_count; w++) {
			free(wiring->output[i].wire[w].route.load);
			free(wiring->output[i].wire[w].edge);
		}
		free(wiring->output[i].wire);
	}
	free(wiring->input);
	free(wiring->chain);
	free(wiring->exit);
	memset(wiring, 0, sizeof(*wiring));
}

void
wiring_free(struct lm_engine *engine)
{
	for (uint32_t i = 0; engine->wiring != NULL && i < engine->slice_count; i++) {
		wiring_clear(&engine->wiring[i]);
	}
	free(engine->wiring);
	engine->wiring = NULL;
}
