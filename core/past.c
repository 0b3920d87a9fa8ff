/* SPDX-License-Identifier: BSD-3-Clause */
/* Graphs that were: what is freed of them, and when. */

#include "core/past.h"

#include <stdlib.h>

#include "core/batch.h"
#include "core/plugin.h"

/* A slice has the name of the operator that it was made of: of that graph, and of no other. */
static bool
is_operator_used(const struct lm_engine *engine, const struct graph_operator *op)
{
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		if (engine->slice[i]->name == op->name) {
			return true;
		}
	}
	return false;
}

static bool
is_external_of(const struct lm_external *external, const void *plugin)
{
	return plugin_has(plugin, external);
}

/* Whether frames that only this code can give back are on their way. */
static bool
has_frames_out(const struct lm_engine *engine, const struct plugin *plugin)
{
	bool has = false;

	for (uint32_t i = 0; !has && i < engine->layout->pool_count; i++) {
		has = pool_has_external(engine->pool[i], is_external_of, plugin);
	}
	for (uint32_t i = 0; !has && i < engine->spare_count; i++) {
		has = pool_has_external(engine->spare[i], is_external_of, plugin);
	}
	return has;
}

/* Whether an operator is left whose class is of the plugin. */
static bool
is_plugin_used(const struct lm_graph *graph, const struct plugin *plugin)
{
	const struct lm_op_class *class;

	for (uint32_t i = 0; (class = plugin_class_at(plugin, i)) != NULL; i++) {
		for (uint32_t o = 0; o < graph->operator_count; o++) {
			if (graph->op[o].class == class) {
				return true;
			}
		}
	}
	return false;
}

static bool
has_schema(const struct lm_graph *graph, const struct lm_schema *schema)
{
	for (uint32_t o = 0; o < graph->operator_count; o++) {
		for (uint32_t i = 0; i < graph->op[o].output_count; i++) {
			if (graph->op[o].output[i] == schema) {
				return true;
			}
		}
	}
	return false;
}

static bool
is_schema_used(const struct lm_engine *engine, const struct lm_graph *graph)
{
	for (uint32_t i = 0; i < engine->layout->pool_count; i++) {
		if (has_schema(graph, engine->pool[i]->schema)) {
			return true;
		}
	}
	for (uint32_t i = 0; i < engine->spare_count; i++) {
		if (has_schema(graph, engine->spare[i]->schema)) {
			return true;
		}
	}
	return false;
}

/* Gives up what it can of a graph; true if nothing of it is in use any more. */
static bool
let_go(struct lm_engine *engine, struct lm_graph *graph)
{
	bool is_used = false;

	for (uint32_t o = 0; o < graph->operator_count; o++) {
		if (graph->op[o].class == NULL) {
			continue;
		}
		if (is_operator_used(engine, &graph->op[o])) {
			is_used = true;
		} else {
			graph_let_go(graph, o);
		}
	}
	for (uint32_t i = 0; i < graph->plugin_count;) {
		struct plugin *plugin = graph->plugin[i];

		if (is_plugin_used(graph, plugin)) {
			i++;
		} else if (plugin_is_last(plugin) && has_frames_out(engine, plugin)) {
			engine->past_waits = true;
			is_used = true;
			i++;
		} else {
			graph->plugin[i] = graph->plugin[--graph->plugin_count];
			plugin_release(plugin);
		}
	}
	return !is_used && !is_schema_used(engine, graph);
}

void
past_tick(struct lm_engine *engine)
{
	const struct lm_graph *now =
	    engine->graph->base != NULL ? engine->graph->base : engine->graph;
	uint32_t count = 0;

	if (engine->change != NULL) {
		return;
	}
	engine->past_waits = false;
	if (engine->first != now && engine->first != engine->past_kept) {
		(void)let_go(engine, engine->first); /* the rest is the caller's */
	}
	for (uint32_t i = 0; i < engine->past_count; i++) {
		struct lm_graph *graph = engine->past[i];

		if (graph != now && graph != engine->past_kept && let_go(engine, graph)) {
			lm_graph_free(graph);
		} else {
			engine->past[count++] = graph;
		}
	}
	engine->past_count = count;
}

void
past_keep(struct lm_engine *engine, const struct lm_graph *graph)
{
	engine->past_kept = graph;
	engine->past_waits = true;
}

void
past_add(struct lm_engine *engine, struct lm_graph *graph)
{
	struct lm_graph **grown;

	if (graph->base != NULL) {
		lm_graph_free(graph); /* but a view */
		return;
	}
	if (graph == engine->first) {
		return;
	}
	grown = realloc(engine->past, (engine->past_count + 1) * sizeof(*grown));
	if (grown != NULL) {
		engine->past = grown;
		engine->past[engine->past_count++] = graph;
	}
}

void
past_free(struct lm_engine *engine)
{
	while (engine->past_count > 0) {
		lm_graph_free(engine->past[--engine->past_count]);
	}
	free(engine->past);
}
