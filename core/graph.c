/* SPDX-License-Identifier: BSD-3-Clause */
/* A topology -> a checked graph: settings, plugins, operators, and their configuration in order. */
#include "core/graph.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph_check.h"
#include "core/limits.h"
#include "core/plugin.h"
#include "core/registry.h"
#include "core/text.h"

/* Operator types that a hint can choose from. */
#define CHECK_TYPES_MAX 256u

static const struct lm_place check_nowhere;

static bool
is_power_of_two(uint32_t number)
{
	return number != 0 && (number & (number - 1)) == 0;
}

static bool
is_topology_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";
	size_t length = strnlen(name, 64);

	return length > 0 && length < 64 && strspn(name, allowed) == length && name[0] != '.' &&
	       name[0] != '-';
}

static void
check_settings(struct graph_check *check)
{
	const struct lm_settings *settings = &check->topology->settings;

	if (!is_topology_name(check->topology->name)) {
		lm_errors_add(check->errors, check->topology->name_place,
		              "use letters, digits, _, - and ., at most 63",
		              "name: \"%.70s\" cannot be the name of a topology",
		              check->topology->name);
	}
	if (settings->batch_rows == 0 || settings->batch_rows > LM_BATCH_ROWS) {
		lm_errors_add(check->errors, check_nowhere, NULL,
		              "settings.batch_rows: %u is not 1 to %u", settings->batch_rows,
		              LM_BATCH_ROWS);
		check->graph->settings.batch_rows = LM_BATCH_ROWS; /* to go on with */
	}
	if (!is_power_of_two(settings->credit) || settings->credit < EDGE_CREDIT_MIN ||
	    settings->credit > EDGE_CREDIT_MAX) {
		lm_errors_add(check->errors, check_nowhere, NULL,
		              "settings.credit: %u is not a power of two from %u to %u",
		              settings->credit, EDGE_CREDIT_MIN, EDGE_CREDIT_MAX);
		check->graph->settings.credit = EDGE_CREDIT_DEFAULT;
	}
	if (!is_power_of_two(settings->slots) || settings->slots < SLOTS_MIN ||
	    settings->slots > SLOTS_MAX) {
		lm_errors_add(check->errors, check_nowhere, NULL,
		              "settings.slots: %u is not a power of two from %u to %u",
		              settings->slots, SLOTS_MIN, SLOTS_MAX);
	}
	if (settings->idle > LM_IDLE_YIELD) {
		lm_errors_add(check->errors, check_nowhere, NULL,
		              "settings.idle: there is no idle policy %u", settings->idle);
	}
}

/* A name of this plugin that another one of the topology has, too; NULL: there is none. */
static const char *
name_in_both(const struct plugin *plugin, const struct plugin *other, const char **what)
{
	const struct lm_op_class *class;
	const struct lm_grouping_function *grouping, *its;

	*what = "operator type";
	for (uint32_t i = 0; (class = plugin_class_at(plugin, i)) != NULL; i++) {
		if (plugin_class(other, class->name) != NULL) {
			return class->name;
		}
	}
	*what = "grouping";
	for (uint32_t i = 0; (grouping = plugin_grouping_at(plugin, i)) != NULL; i++) {
		for (uint32_t k = 0; (its = plugin_grouping_at(other, k)) != NULL; k++) {
			if (strcmp(grouping->name, its->name) == 0) {
				return grouping->name;
			}
		}
	}
	return NULL;
}

/* Each of them is held once, whatever paths it stands at. False: it is there already. */
static bool
add_plugin(struct graph_check *check, uint32_t index, struct plugin *plugin)
{
	const struct topology_plugin *declared = &check->topology->plugin[index];
	struct lm_graph *graph = check->graph;

	for (uint32_t i = 0; i < graph->plugin_count; i++) {
		const char *what, *name;

		if (graph->plugin[i] == plugin) {
			return false;
		}
		name = name_in_both(plugin, graph->plugin[i], &what);
		if (name != NULL) {
			lm_errors_add(check->errors, declared->place,
			              "leave one of them out, or rename it in one",
			              "plugins \"%.150s\" and \"%.150s\" both have the %s \"%s\"",
			              check->plugin_text[i], declared->text, what, name);
		}
	}
	check->plugin_text[graph->plugin_count] = declared->text;
	graph->plugin[graph->plugin_count++] = plugin;
	return true;
}

static void
check_plugins(struct graph_check *check)
{
	const struct lm_topology *topology = check->topology;

	for (uint32_t i = 0; i < topology->plugin_count; i++) {
		struct plugin *plugin = plugin_load_declared(&topology->plugin[i], check->errors);

		if (plugin != NULL) {
			plugin_digest(plugin, check->graph->code[i]);
		}
		if (plugin != NULL && !add_plugin(check, i, plugin)) {
			plugin_release(plugin);
		}
	}
}

/* In the plugins of the topology first; NULL: nowhere. */
static const struct lm_op_class *
find_class(const struct lm_graph *graph, const char *name)
{
	for (uint32_t i = 0; i < graph->plugin_count; i++) {
		const struct lm_op_class *class = plugin_class(graph->plugin[i], name);

		if (class != NULL) {
			return class;
		}
	}
	return registry_find(name);
}

/* Names of all types that there are. */
static uint32_t
type_names(const struct lm_graph *graph, const char *names[CHECK_TYPES_MAX])
{
	const struct lm_op_class *class;
	uint32_t count = 0;

	for (uint32_t i = 0; count < CHECK_TYPES_MAX && registry_at(i) != NULL; i++) {
		names[count++] = registry_at(i)->name;
	}
	for (uint32_t p = 0; p < graph->plugin_count; p++) {
		for (uint32_t i = 0; count < CHECK_TYPES_MAX &&
		                     (class = plugin_class_at(graph->plugin[p], i)) != NULL;
		     i++) {
			names[count++] = class->name;
		}
	}
	return count;
}

static uint32_t
count_ports(const char *const *ports)
{
	uint32_t count = 0;

	while (ports != NULL && ports[count] != NULL) {
		count++;
	}
	return count;
}

static void
check_type(struct graph_check *check, uint32_t index)
{
	const struct topology_operator *declared = check->op[index].declared;
	struct graph_operator *op = &check->graph->op[index];
	const char *names[CHECK_TYPES_MAX];
	char hint[220];

	if (declared->type == NULL) {
		check->op[index].blocked = true;
		return;
	}
	op->class = find_class(check->graph, declared->type);
	if (op->class != NULL) {
		op->input_count = count_ports(op->class->inputs);
		op->output_count = count_ports(op->class->outputs);
		return;
	}
	check->op[index].blocked = true;
	text_hint(declared->type, "types", names, type_names(check->graph, names), hint,
	          sizeof(hint));
	lm_errors_add(check->errors, declared->type_place, hint,
	              "operators.%s.type: no operator type \"%.60s\"", op->name, declared->type);
}

uint32_t
graph_slots(const struct lm_graph *graph, uint32_t slices, uint64_t keys)
{
	uint32_t slots = graph->settings.slots < SLOTS_MIN ? SLOTS_MIN : graph->settings.slots;

	while (slots > SLOTS_MIN && keys / slots < SLOT_KEYS_MIN) {
		slots /= 2;
	}
	while (slots < slices) {
		slots *= 2;
	}
	return slots;
}

static void
check_slices(struct graph_check *check, uint32_t index)
{
	const struct topology_operator *declared = check->op[index].declared;
	struct graph_operator *op = &check->graph->op[index];
	const char *why;

	op->slices = declared->slices == 0 ? 1 : declared->slices;
	/* One that goes on from a snapshot begins with as many as it had. */
	op->slices_least = declared->slices_most > 0 ? declared->slices_least : op->slices;
	op->slices_most = declared->slices_most;
	op->slots = graph_slots(
	    check->graph, op->slices_most > op->slices ? op->slices_most : op->slices, UINT64_MAX);
	op->slices_place = declared->slices_place;
	op->first_slice = check->graph->slice_count;
	check->graph->slice_count += op->slices;
	if (op->class != NULL && (op->class->flags & LM_OP_GLOBAL) != 0 && op->slices > 1) {
		lm_errors_add(check->errors, declared->slices_place,
		              "leave slices out; what feeds it may have several",
		              "operators.%s.slices: type \"%s\" is always one slice, not %u",
		              op->name, op->class->name, op->slices);
	}
	if (op->class != NULL && op->slices_most > 0 && !op_can_rescale(op->class, &why)) {
		lm_errors_add(check->errors, declared->slices_place, "write one number",
		              "operators.%s.slices: it %s", op->name, why);
	}
}

/* False when there is no memory. */
static bool
check_pin(struct graph_check *check, uint32_t index)
{
	const struct topology_operator *declared = check->op[index].declared;
	struct graph_operator *op = &check->graph->op[index];

	op->pin_place = declared->pin_place;
	if (declared->pin_count == 0) {
		return true;
	}
	op->pin = calloc(declared->pin_count, sizeof(*op->pin));
	if (op->pin == NULL) {
		return false;
	}
	op->pin_count = declared->pin_count;
	for (uint32_t i = 0; i < op->pin_count; i++) {
		op->pin[i] = declared->pin[i];
		if (op->pin[i] >= LM_WORKERS_MAX) {
			lm_errors_add(check->errors, op->pin_place, "lcores are counted from 0",
			              "operators.%s.lcores: %u is above %u, the last there can be",
			              op->name, op->pin[i], LM_WORKERS_MAX - 1);
		}
	}
	if (op->pin_count > op->slices) {
		lm_errors_add(check->errors, op->pin_place,
		              "name fewer lcores or ask for more "
		              "slices",
		              "operators.%s.lcores: %u lcores for %u slice%s", op->name,
		              op->pin_count, op->slices, op->slices == 1 ? "" : "s");
	}
	return true;
}

static bool
check_operator(struct graph_check *check, uint32_t index)
{
	const struct topology_operator *declared = &check->topology->op[index];
	struct graph_operator *op = &check->graph->op[index];

	check->op[index].declared = declared;
	op->place = declared->place;
	op->name = strdup(declared->name);
	check->graph->operator_count++;
	if (op->name == NULL) {
		return false;
	}
	if (!text_is_name(op->name, true)) {
		lm_errors_add(check->errors, op->place,
		              "use letters, digits, _ and -, a letter first, at most 31",
		              "operators: \"%.40s\" cannot be the name of an operator", op->name);
	}
	check_type(check, index);
	check_slices(check, index);
	if (!check_pin(check, index)) {
		return false;
	}
	if (op->class != NULL &&
	    setup_begin(&check->op[index].setup, check->graph, op, declared, check->errors) != 0) {
		check->op[index].blocked = true;
	}
	return true;
}

static bool
check_operators(struct graph_check *check)
{
	if (check->topology->operator_count == 0 && check->errors->count == 0) {
		lm_errors_add(check->errors, check_nowhere,
		              "declare a source, what works on its rows, and a sink",
		              "operators: there are none");
	}
	for (uint32_t i = 0; i < check->topology->operator_count; i++) {
		if (!check_operator(check, i)) {
			return false;
		}
	}
	return true;
}

uint32_t
check_find(const struct graph_check *check, const char *name)
{
	for (uint32_t i = 0; i < check->graph->operator_count; i++) {
		if (strcmp(check->graph->op[i].name, name) == 0) {
			return i;
		}
	}
	return LM_NONE;
}

/* Takes the schemas of what comes over wires without feedback; false if that cannot be judged. */
static bool
configure_inputs(struct graph_check *check, uint32_t index)
{
	const struct lm_graph *graph = check->graph;
	struct graph_operator *op = &check->graph->op[index];
	bool known = true;

	for (uint32_t i = 0; i < graph->wire_count; i++) {
		const struct graph_wire *wire = &graph->wire[i];
		const struct lm_schema *schema;

		if (wire->to != index || wire->feedback) {
			continue;
		}
		schema = check_wire_schema(check, i);
		if (schema == NULL) {
			known = false;
		} else if (op->input[wire->input] == NULL) {
			op->input[wire->input] = schema;
		} else if (!lm_schema_equal(op->input[wire->input], schema)) {
			check_wire_differs(check, i);
			known = false;
		}
	}
	for (uint32_t i = 0; known && i < op->input_count; i++) {
		if (op->input[i] == NULL) {
			lm_errors_add(check->errors, op->place,
			              "lead the rows that come back into an input that others "
			              "feed too",
			              "operators.%s: input \"%s\" has only a feedback wire, so its "
			              "columns are not known",
			              op->name, op->class->inputs[i]);
			known = false;
		}
	}
	return known;
}

/* Upstream before downstream; behind one that failed everything is skipped silently. */
static void
configure_operators(struct graph_check *check)
{
	const struct lm_graph *graph = check->graph;

	for (uint32_t i = 0; i < graph->operator_count; i++) {
		struct check_operator *op = &check->op[graph->order[i]];

		if (op->blocked || !configure_inputs(check, graph->order[i]) ||
		    setup_configure(&op->setup) != 0) {
			op->blocked = true;
		}
	}
	for (uint32_t i = 0; i < graph->wire_count; i++) {
		const struct graph_wire *wire = &graph->wire[i];
		const struct lm_schema *schema = check_wire_schema(check, i);

		if (wire->feedback && schema != NULL && !check->op[wire->to].blocked &&
		    !lm_schema_equal(schema, graph->op[wire->to].input[wire->input])) {
			check_wire_differs(check, i);
		}
	}
}

/* Room for everything the topology declares; false when there is no memory. */
static bool
check_begin(struct graph_check *check)
{
	const struct lm_topology *topology = check->topology;
	struct lm_graph *graph = calloc(1, sizeof(*graph));

	check->graph = graph;
	check->op = calloc(topology->operator_count + 1, sizeof(*check->op));
	check->declared = calloc(topology->wire_count + 1, sizeof(*check->declared));
	if (graph == NULL || check->op == NULL || check->declared == NULL) {
		return false;
	}
	graph->settings = topology->settings;
	graph->name = strdup(topology->name);
	graph->op = calloc(topology->operator_count + 1, sizeof(*graph->op));
	graph->wire = calloc(topology->wire_count + 1, sizeof(*graph->wire));
	graph->order = calloc(topology->operator_count + 1, sizeof(*graph->order));
	graph->plugin = calloc(topology->plugin_count + 1, sizeof(struct plugin *));
	graph->code = calloc(topology->plugin_count + 1, sizeof(*graph->code));
	graph->code_count = topology->plugin_count;
	return graph->name != NULL && graph->op != NULL && graph->wire != NULL &&
	       graph->order != NULL && graph->plugin != NULL && graph->code != NULL;
}

static void
check_all(struct graph_check *check)
{
	if (!check_begin(check)) {
		lm_errors_add(check->errors, check_nowhere, NULL, "no memory left");
		return;
	}
	check_settings(check);
	check_plugins(check);
	if (!check_operators(check)) {
		lm_errors_add(check->errors, check_nowhere, NULL, "no memory left");
		return;
	}
	check_wires(check);
	check_inputs(check);
	check_cycles(check);
	check_order(check);
	check_reach(check);
	configure_operators(check);
	check_groupings(check);
}

/*
 * Batches of all schemas hold equally many rows, as many as the widest rows allow: whatever comes
 * in as one batch then fits one batch on the way out.
 */
static void
equalize_capacity(struct lm_graph *graph)
{
	uint32_t least = LM_BATCH_ROWS;

	for (uint32_t o = 0; o < graph->operator_count; o++) {
		for (uint32_t i = 0; i < graph->op[o].output_count; i++) {
			uint32_t capacity = graph->op[o].output[i]->capacity;

			least = capacity < least ? capacity : least;
		}
	}
	for (uint32_t o = 0; o < graph->operator_count; o++) {
		for (uint32_t i = 0; i < graph->op[o].output_count; i++) {
			graph->op[o].output[i]->capacity = least;
		}
	}
}

struct lm_graph *
lm_graph_check(const struct lm_topology *topology, struct lm_errors *errors)
{
	struct graph_check check = { .topology = topology, .errors = errors };

	if (topology == NULL) {
		if (errors->count == 0) {
			lm_errors_add(errors, check_nowhere, NULL, "there is no topology");
		}
		return NULL;
	}
	check_all(&check);
	for (uint32_t i = 0; check.op != NULL && i < topology->operator_count; i++) {
		setup_end(&check.op[i].setup);
	}
	free(check.op);
	free(check.declared);
	if (errors->count > 0) {
		lm_graph_free(check.graph);
		return NULL;
	}
	equalize_capacity(check.graph);
	return check.graph;
}

static void
unconfigure(struct graph_operator *op)
{
	if (op->configured && op->class->unconfigure != NULL) {
		op->class->unconfigure(op->config);
	}
	op->configured = false;
	free(op->config);
	op->config = NULL;
}

void
graph_let_go(struct lm_graph *graph, uint32_t op)
{
	unconfigure(&graph->op[op]);
	graph->op[op].class = NULL;
}

static void
free_operator(struct graph_operator *op)
{
	unconfigure(op);
	for (uint32_t i = 0; i < op->output_count; i++) {
		free(op->output[i]);
	}
	free(op->pin);
	free(op->name);
}

void
lm_graph_free(struct lm_graph *graph)
{
	if (graph == NULL) {
		return;
	}
	if (graph->base != NULL) {
		free(graph->wire);
		free(graph->op);
		free(graph);
		return;
	}
	for (uint32_t i = 0; i < graph->operator_count; i++) {
		free_operator(&graph->op[i]);
	}
	/* Only now is the code of plugins not needed any more. */
	for (uint32_t i = 0; i < graph->plugin_count; i++) {
		plugin_release(graph->plugin[i]);
	}
	for (uint32_t i = 0; i < graph->text_count; i++) {
		free(graph->text[i]);
	}
	free(graph->text);
	free(graph->plugin);
	free(graph->code);
	free(graph->order);
	free(graph->wire);
	free(graph->op);
	free(graph->name);
	free(graph);
}

uint32_t
graph_find_operator(const struct lm_graph *graph, const char *name)
{
	for (uint32_t i = 0; i < graph->operator_count; i++) {
		if (strcmp(graph->op[i].name, name) == 0) {
			return i;
		}
	}
	return LM_NONE;
}

uint32_t
graph_operator_of(const struct lm_graph *graph, uint32_t slice)
{
	uint32_t low = 0, high = graph->operator_count;

	assert(slice < graph->slice_count);
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (graph->op[middle].first_slice <= slice) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return low;
}
