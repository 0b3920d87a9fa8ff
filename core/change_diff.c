/* SPDX-License-Identifier: BSD-3-Clause */
/* What differs between two topologies. */

#include "core/change_diff.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool say(char *why, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Always false. */
static bool
say(char *why, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, size, format, args);
	va_end(args);
	return false;
}

static bool
texts_equal(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* ---- parameters ---- */

static const struct topology_param *
find_param(const struct topology_operator *op, const char *name)
{
	for (uint32_t i = 0; i < op->param_count; i++) {
		if (strcmp(op->param[i].name, name) == 0) {
			return &op->param[i];
		}
	}
	return NULL;
}

static bool
param_equal(const struct topology_param *was, const struct topology_param *is, char *why,
            size_t size)
{
	if (was->shape != is->shape || was->item_count != is->item_count) {
		return say(why, size, "parameter \"%s\" is another one", is->name);
	}
	for (uint32_t i = 0; i < is->item_count; i++) {
		const struct topology_item *a = &was->item[i], *b = &is->item[i];

		if (!texts_equal(a->key, b->key) || !texts_equal(a->text, b->text)) {
			return say(why, size, "parameter \"%s\": was \"%.40s\", is \"%.40s\"",
			           is->name, a->text, b->text);
		}
	}
	return true;
}

static bool
params_equal(const struct topology_operator *was, const struct topology_operator *is, char *why,
             size_t size)
{
	for (uint32_t i = 0; i < was->param_count; i++) {
		if (find_param(is, was->param[i].name) == NULL) {
			return say(why, size, "parameter \"%s\" is gone", was->param[i].name);
		}
	}
	for (uint32_t i = 0; i < is->param_count; i++) {
		const struct topology_param *before = find_param(was, is->param[i].name);

		if (before == NULL) {
			return say(why, size, "parameter \"%s\" is new", is->param[i].name);
		}
		if (!param_equal(before, &is->param[i], why, size)) {
			return false;
		}
	}
	return true;
}

/* ---- operators ---- */

static bool
schemas_equal(const struct lm_schema *was, const struct lm_schema *is)
{
	return was == NULL || is == NULL
	           ? was == is
	           : lm_schema_equal(was, is) && was->capacity == is->capacity &&
	                 was->size == is->size;
}

static bool
columns_equal(const struct graph_operator *was, const struct graph_operator *is, char *why,
              size_t size)
{
	for (uint32_t i = 0; i < is->input_count; i++) {
		if (!schemas_equal(was->input[i], is->input[i])) {
			return say(why, size, "the columns of input \"%s\" differ",
			           is->class->inputs[i]);
		}
	}
	for (uint32_t i = 0; i < is->output_count; i++) {
		if (!schemas_equal(was->output[i], is->output[i])) {
			return say(why, size, "the columns of output \"%s\" differ",
			           is->class->outputs[i]);
		}
	}
	return true;
}

/* Names of ports: the table of a class, ended by NULL. */
static bool
tables_equal(const char *const *was, const char *const *is)
{
	uint32_t i = 0;

	if (was == NULL || is == NULL) {
		return was == is;
	}
	while (was[i] != NULL && is[i] != NULL && strcmp(was[i], is[i]) == 0) {
		i++;
	}
	return was[i] == NULL && is[i] == NULL;
}

/* Whether rows come and go by the same ports, and are counted by the same rule. */
static bool
rows_alike(const struct lm_op_class *was, const struct lm_op_class *is)
{
	return was->rows == is->rows && tables_equal(was->inputs, is->inputs) &&
	       tables_equal(was->outputs, is->outputs);
}

/* Always false. */
static bool
say_code(const struct lm_op_class *was, const struct lm_op_class *is, char *why, size_t size)
{
	const char *before = was->version == NULL ? "?" : was->version;
	const char *now = is->version == NULL ? "?" : is->version;

	return strcmp(before, now) == 0
	           ? say(why, size, "other code: version %.40s, built anew", now)
	           : say(why, size, "other code: version was %.40s, is %.40s", before, now);
}

/* The wire by whose key rows come to the first input of an operator; NULL: they come otherwise. */
static const struct graph_wire *
key_wire(const struct lm_graph *graph, uint32_t op)
{
	for (uint32_t w = 0; w < graph->wire_count; w++) {
		const struct graph_wire *wire = &graph->wire[w];

		if (wire->to == op && wire->input == 0 && wire->grouping == LM_GROUP_KEY) {
			return wire;
		}
	}
	return NULL;
}

/* Whether keys are the same columns at the same places. */
static bool
keys_equal(const struct change_side *was, uint32_t old, const struct change_side *is, uint32_t op)
{
	const struct graph_wire *a = key_wire(was->graph, old), *b = key_wire(is->graph, op);

	if (a == NULL || b == NULL) {
		return a == b;
	}
	for (uint32_t i = 0; i < a->field_count && a->field_count == b->field_count; i++) {
		const struct lm_field *x = &was->graph->op[old].input[0]->field[a->field[i]];
		const struct lm_field *y = &is->graph->op[op].input[0]->field[b->field[i]];

		if (a->field[i] != b->field[i] || x->type != y->type ||
		    strcmp(x->name, y->name) != 0) {
			return false;
		}
	}
	return a->field_count == b->field_count;
}

static bool
goes_on(const struct change_side *was, uint32_t old, const struct change_side *is, uint32_t op,
        struct change_item *item)
{
	const struct graph_operator *a = &was->graph->op[old], *b = &is->graph->op[op];
	char *why = item->why;
	size_t size = sizeof(item->why);

	if (strcmp(a->class->name, b->class->name) != 0) {
		return say(why, size, "type was %s, is %s", a->class->name, b->class->name);
	}
	if (a->slots != b->slots) {
		return say(why, size, "slots were %u, are %u", a->slots, b->slots);
	}
	if (!params_equal(&was->topology->op[old], &is->topology->op[op], why, size)) {
		return false;
	}
	item->other_columns = !columns_equal(a, b, why, size);
	if (a->class == b->class) {
		return !item->other_columns;
	}
	/* Its input may bring other columns, and its output: what it knows of keys is the same. */
	item->is_code = rows_alike(a->class, b->class) &&
	                (!item->other_columns || keys_equal(was, old, is, op));
	return item->other_columns && !item->is_code ? false
	                                             : say_code(a->class, b->class, why, size);
}

static void
compare_operator(const struct change_side *was, const struct change_side *is, uint32_t op,
                 struct change_diff *diff)
{
	struct change_item *item = &diff->item[diff->count++];
	uint32_t old = graph_find_operator(was->graph, is->graph->op[op].name);

	item->was = old;
	item->is = op;
	diff->heir_of[op] = old;
	diff->kept[op] = LM_NONE;
	if (old == LM_NONE) {
		item->kind = CHANGE_ADDED;
	} else if (!goes_on(was, old, is, op, item)) {
		item->kind = CHANGE_REPLACED;
	} else {
		diff->kept[op] = old;
		item->kind = was->graph->op[old].slices == is->graph->op[op].slices
		                 ? CHANGE_KEPT
		                 : CHANGE_RESIZED;
	}
}

/* ---- wires ---- */

static bool
wire_stands_in(const struct lm_graph *in, const struct lm_graph *of, const struct graph_wire *wire)
{
	for (uint32_t w = 0; w < in->wire_count; w++) {
		const struct graph_wire *other = &in->wire[w];

		if (strcmp(in->op[other->from].name, of->op[wire->from].name) == 0 &&
		    strcmp(in->op[other->to].name, of->op[wire->to].name) == 0 &&
		    other->output == wire->output && other->input == wire->input &&
		    other->declared == wire->declared && other->policy == wire->policy &&
		    other->credit == wire->credit && other->rate == wire->rate &&
		    other->custom == wire->custom && other->field_count == wire->field_count &&
		    memcmp(other->field, wire->field, wire->field_count * sizeof(uint32_t)) == 0) {
			return true;
		}
	}
	return false;
}

static uint32_t
wires_missing(const struct lm_graph *in, const struct lm_graph *of)
{
	uint32_t missing = 0;

	for (uint32_t w = 0; w < of->wire_count; w++) {
		missing += !wire_stands_in(in, of, &of->wire[w]);
	}
	return missing;
}

/* ---- all ---- */

/* What slices that go on were built with. */
static void
compare_settings(const struct lm_settings *was, const struct lm_settings *is,
                 struct change_diff *diff)
{
	const char *which = NULL;

	if (was->batch_rows != is->batch_rows) {
		which = "batch_rows";
	} else if (was->seed != is->seed) {
		which = "seed";
	} else if (was->slots != is->slots) {
		which = "slots";
	} else if (was->idle != is->idle) {
		which = "idle";
	}
	diff->settings_differ = which != NULL;
	if (which != NULL) {
		say(diff->why, sizeof(diff->why), "settings.%s cannot change while the job runs",
		    which);
	}
}

void
change_compare(const struct change_side *was, const struct change_side *is,
               struct change_diff *diff)
{
	memset(diff, 0, sizeof(*diff));
	for (uint32_t i = 0; i < is->graph->operator_count; i++) {
		compare_operator(was, is, i, diff);
	}
	for (uint32_t i = 0; i < was->graph->operator_count; i++) {
		if (graph_find_operator(is->graph, was->graph->op[i].name) == LM_NONE) {
			diff->item[diff->count++] =
			    (struct change_item){ .kind = CHANGE_REMOVED, .was = i, .is = LM_NONE };
		}
	}
	diff->wires_added = wires_missing(was->graph, is->graph);
	diff->wires_removed = wires_missing(is->graph, was->graph);
	compare_settings(&was->graph->settings, &is->graph->settings, diff);
}
