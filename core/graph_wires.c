/* SPDX-License-Identifier: BSD-3-Clause */
/* Checking wires: that their ends exist, that groupings fit, that every input is fed. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/graph_check.h"
#include "core/limits.h"
#include "core/plugin.h"
#include "core/registry.h"
#include "core/text.h"

/* Groupings of plugins that a hint can choose from. */
#define CHECK_GROUPINGS_MAX 64u

static const char *const grouping_text[] = {
#define GROUPING_TEXT(suffix, text) text,
	LM_GROUPINGS(GROUPING_TEXT)
#undef GROUPING_TEXT
};

/* Reports what is wrong with a wire; always returns false. */
static bool __attribute__((format(printf, 5, 6)))
wire_error(struct graph_check *check, const struct topology_wire *wire, struct lm_place place,
           const char *hint, const char *format, ...)
{
	const char *input = wire->wire.input;
	char message[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	lm_errors_add(check->errors, place, hint, "operators.%.40s.%s%.40s: %s", wire->wire.to,
	              input == NULL ? "input" : "inputs.", input == NULL ? "" : input, message);
	return false;
}

/* The operator called `name`, or LM_NONE after reporting. */
static uint32_t
find_operator(struct graph_check *check, const struct topology_wire *wire, const char *name)
{
	const char *names[LM_OPERATORS_MAX];
	uint32_t index = check_find(check, name), count = check->graph->operator_count;
	char hint[220];

	if (index != LM_NONE) {
		return index;
	}
	for (uint32_t i = 0; i < count; i++) {
		names[i] = check->graph->op[i].name;
	}
	text_hint(name, "operators", names, count, hint, sizeof(hint));
	wire_error(check, wire, wire->from_place, hint, "no operator \"%.60s\"", name);
	return LM_NONE;
}

/* The port called `name`, the first for NULL; LM_NONE after reporting. */
static uint32_t
find_port(struct graph_check *check, const struct topology_wire *wire,
          const struct graph_operator *op, const char *name, bool input)
{
	const char *const *ports = input ? op->class->inputs : op->class->outputs;
	uint32_t count = input ? op->input_count : op->output_count;
	const char *what = input ? "input" : "output";
	char hint[220];

	if (count == 0) {
		wire_error(check, wire, input ? wire->place : wire->from_place,
		           input ? "leave its input out, or choose another type"
		                 : "take the rows from the operator before it",
		           "operator \"%s\" of type \"%s\" has no %s", op->name, op->class->name,
		           what);
		return LM_NONE;
	}
	if (name == NULL) {
		return 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(ports[i], name) == 0) {
			return i;
		}
	}
	text_hint(name, input ? "inputs" : "outputs", ports, count, hint, sizeof(hint));
	wire_error(check, wire, input ? wire->input_place : wire->output_place, hint,
	           "operator \"%s\" of type \"%s\" has no %s \"%.60s\"", op->name, op->class->name,
	           what, name);
	return LM_NONE;
}

/* Both ends; what is known of a faulty wire still counts as feeding its input. */
static bool
resolve_ends(struct graph_check *check, const struct topology_wire *declared,
             struct graph_wire *wire)
{
	wire->to = find_operator(check, declared, declared->wire.to);
	wire->from = find_operator(check, declared, declared->wire.from);
	if (wire->to == LM_NONE) {
		return false;
	}
	const struct graph_operator *to = &check->graph->op[wire->to];
	if (to->class != NULL) {
		wire->input = find_port(check, declared, to, declared->wire.input, true);
		if (wire->input == LM_NONE) {
			check->op[wire->to].astray = true;
			return false;
		}
		check->op[wire->to].wired[wire->input] = true;
	}
	if (wire->from == LM_NONE) {
		return false;
	}
	const struct graph_operator *from = &check->graph->op[wire->from];
	if (from->class != NULL) {
		wire->output = find_port(check, declared, from, declared->wire.output, false);
	}
	return to->class != NULL && from->class != NULL && wire->output != LM_NONE;
}

static bool
resolve_policy(struct graph_check *check, const struct topology_wire *declared,
               struct graph_wire *wire)
{
	uint32_t credit = declared->wire.credit;
	bool throttle = declared->wire.policy == LM_POLICY_THROTTLE;

	wire->policy = declared->wire.policy;
	wire->rate = declared->wire.rate;
	wire->credit = credit == 0 ? check->graph->settings.credit : credit;
	wire->credit_shared = credit == 0;
	if ((unsigned int)wire->policy >= LM_POLICY_COUNT) {
		return wire_error(check, declared, declared->policy_place, NULL,
		                  "there is no policy %u", (unsigned int)wire->policy);
	}
	if (wire->credit < EDGE_CREDIT_MIN || wire->credit > EDGE_CREDIT_MAX ||
	    (wire->credit & (wire->credit - 1)) != 0) {
		return wire_error(check, declared, declared->credit_place,
		                  "write a power of two, like 64",
		                  "credit %u is not a power of two from %u to %u", wire->credit,
		                  EDGE_CREDIT_MIN, EDGE_CREDIT_MAX);
	}
	if (throttle && wire->rate == 0) {
		return wire_error(check, declared, declared->policy_place, "write rate: 100k",
		                  "policy throttle needs a rate");
	}
	if (!throttle && wire->rate != 0) {
		return wire_error(check, declared, declared->rate_place,
		                  "write policy: throttle beside it",
		                  "a rate means nothing without policy throttle");
	}
	return true;
}

static bool
takes_columns(enum lm_grouping grouping)
{
	return grouping == LM_GROUP_KEY || grouping == LM_GROUP_PARTIAL_KEY ||
	       grouping == LM_GROUP_DIRECT;
}

/* In the plugins of the topology first; NULL: nowhere. Names of all there are come along. */
static graph_custom_fn *
find_custom(const struct lm_graph *graph, const char *name, const char **nearest)
{
	const char *names[CHECK_GROUPINGS_MAX];
	const struct lm_grouping_function *grouping;
	uint32_t count = 0;

	for (uint32_t p = 0; p < graph->plugin_count; p++) {
		for (uint32_t i = 0; count < CHECK_GROUPINGS_MAX &&
		                     (grouping = plugin_grouping_at(graph->plugin[p], i)) != NULL;
		     i++) {
			if (strcmp(grouping->name, name) == 0) {
				return grouping->destinations;
			}
			names[count++] = grouping->name;
		}
	}
	*nearest = text_nearest(name, names, count);
	if (*nearest == NULL) {
		*nearest = registry_nearest_grouping(name);
	}
	return registry_find_grouping(name);
}

static bool
resolve_custom(struct graph_check *check, const struct topology_wire *declared,
               struct graph_wire *wire)
{
	const char *name = declared->wire.function == NULL ? "" : declared->wire.function;
	const char *nearest = NULL;
	char hint[120] = "load the plugin that has it: plugins: [PATH]";

	wire->custom = find_custom(check->graph, name, &nearest);
	if (wire->custom != NULL) {
		return true;
	}
	if (nearest != NULL) {
		snprintf(hint, sizeof(hint), "did you mean \"%s\"?", nearest);
	}
	return wire_error(check, declared, declared->function_place, hint,
	                  "no grouping function \"%.60s\"", name);
}

static bool
resolve_grouping(struct graph_check *check, const struct topology_wire *declared,
                 struct graph_wire *wire)
{
	const struct graph_operator *from = &check->graph->op[wire->from];
	const struct graph_operator *to = &check->graph->op[wire->to];
	enum lm_grouping grouping = declared->wire.grouping;

	wire->grouping = grouping;
	if ((unsigned int)grouping >= LM_GROUPING_COUNT) {
		return wire_error(check, declared, declared->place, NULL, "there is no grouping %u",
		                  (unsigned int)grouping);
	}
	while (wire->field_count < LM_KEY_FIELDS_MAX &&
	       declared->wire.columns[wire->field_count] != NULL) {
		wire->field_count++;
	}
	if (takes_columns(grouping) && wire->field_count == 0) {
		return wire_error(check, declared, declared->place, "name it behind \"by\"",
		                  "grouping \"%s\" needs a column", grouping_text[grouping]);
	}
	if (grouping == LM_GROUP_DIRECT && wire->field_count > 1) {
		return wire_error(check, declared, declared->column_place[1], "keep one",
		                  "grouping \"direct by\" takes one column");
	}
	if (!takes_columns(grouping) && wire->field_count > 0) {
		return wire_error(check, declared, declared->column_place[0],
		                  "leave them out, or group \"by\" them",
		                  "grouping \"%s\" takes no columns", grouping_text[grouping]);
	}
	wire->declared = grouping;
	wire->grouping = graph_grouping(grouping, from->slices, to->slices);
	return grouping != LM_GROUP_CUSTOM || resolve_custom(check, declared, wire);
}

/* State is kept by key: rows of one key must not meet different slices by chance. */
static bool
check_keyed(struct graph_check *check, const struct topology_wire *declared,
            const struct graph_wire *wire)
{
	const struct graph_operator *to = &check->graph->op[wire->to];
	char hint[120];

	if ((to->class->flags & LM_OP_KEYED) == 0 || to->slices == 1) {
		return true;
	}
	if (wire->grouping != LM_GROUP_FORWARD && wire->grouping != LM_GROUP_LOCAL &&
	    wire->grouping != LM_GROUP_SHUFFLE && wire->grouping != LM_GROUP_ROUND_ROBIN) {
		return true;
	}
	snprintf(hint, sizeof(hint), "write \"%.40s by COLUMN\", or give it one slice",
	         declared->wire.from);
	return wire_error(check, declared, declared->place, hint,
	                  "%u slices of type \"%s\" need their rows grouped by key, not \"%s\"",
	                  to->slices, to->class->name, grouping_text[wire->grouping]);
}

static bool
check_twice(struct graph_check *check, const struct topology_wire *declared,
            const struct graph_wire *wire)
{
	for (uint32_t i = 0; i < check->graph->wire_count; i++) {
		const struct graph_wire *other = &check->graph->wire[i];

		if (other->from == wire->from && other->output == wire->output &&
		    other->to == wire->to && other->input == wire->input) {
			return wire_error(check, declared, declared->place, "keep one of them",
			                  "\"%s\" feeds it twice, so every row would come twice",
			                  declared->wire.from);
		}
	}
	return true;
}

static void
check_wire(struct graph_check *check, const struct topology_wire *declared)
{
	struct graph_wire wire = { .place = declared->place };
	bool sound = resolve_ends(check, declared, &wire);

	if (sound) {
		/* All of them, so that each says its part. */
		sound &= check_twice(check, declared, &wire);
		sound &= resolve_policy(check, declared, &wire);
		if (resolve_grouping(check, declared, &wire)) {
			sound &= check_keyed(check, declared, &wire);
		} else {
			sound = false;
		}
	}
	if (sound) {
		check->declared[check->graph->wire_count] = declared;
		check->graph->wire[check->graph->wire_count++] = wire;
	} else if (wire.to != LM_NONE) {
		check->op[wire.to].blocked = true;
	}
}

void
check_wires(struct graph_check *check)
{
	for (uint32_t i = 0; i < check->topology->wire_count; i++) {
		check_wire(check, &check->topology->wire[i]);
	}
}

static void
check_input(struct graph_check *check, uint32_t index, uint32_t input)
{
	const struct graph_operator *op = &check->graph->op[index];
	const char *const *names = op->class->inputs;
	char hint[200];

	if (op->input_count == 1) {
		snprintf(hint, sizeof(hint), "write input: OPERATOR");
	} else {
		snprintf(hint, sizeof(hint), "write inputs: {%s: OPERATOR, %s: OPERATOR%s}",
		         names[0], names[1], op->input_count > 2 ? ", ..." : "");
	}
	lm_errors_add(check->errors, op->place, hint,
	              "operators.%s: nothing feeds input \"%s\" of type \"%s\"", op->name,
	              names[input], op->class->name);
	check->op[index].blocked = true;
}

void
check_inputs(struct graph_check *check)
{
	for (uint32_t i = 0; i < check->graph->operator_count; i++) {
		const struct graph_operator *op = &check->graph->op[i];
		struct check_operator *state = &check->op[i];

		state->blocked |= state->declared->inputs_reported;
		for (uint32_t input = 0; op->class != NULL && input < op->input_count; input++) {
			/* The one that is missing may be meant by what was reported. */
			if (!state->wired[input] && !state->astray &&
			    !state->declared->inputs_reported) {
				check_input(check, i, input);
			}
		}
	}
}

const struct lm_schema *
check_wire_schema(const struct graph_check *check, uint32_t wire)
{
	const struct graph_wire *carries = &check->graph->wire[wire];

	if (check->op[carries->from].blocked) {
		return NULL;
	}
	return check->graph->op[carries->from].output[carries->output];
}

void
check_wire_differs(struct graph_check *check, uint32_t wire)
{
	const struct graph_wire *carries = &check->graph->wire[wire];
	const struct graph_operator *to = &check->graph->op[carries->to];
	const struct lm_schema *here = check_wire_schema(check, wire);
	const struct lm_schema *there = to->input[carries->input];
	uint32_t i = 0;
	char hint[220];

	while (i < here->field_count && i < there->field_count &&
	       here->field[i].type == there->field[i].type &&
	       strcmp(here->field[i].name, there->field[i].name) == 0) {
		i++;
	}
	if (i < here->field_count && i < there->field_count) {
		snprintf(hint, sizeof(hint), "column %u is \"%s\" (%s) here, \"%s\" (%s) there",
		         i + 1, here->field[i].name, lm_type_text(here->field[i].type),
		         there->field[i].name, lm_type_text(there->field[i].type));
	} else {
		snprintf(hint, sizeof(hint), "there are %u columns here, %u there",
		         here->field_count, there->field_count);
	}
	wire_error(check, check->declared[wire], carries->place, hint,
	           "\"%s\" does not have the columns of what else feeds input \"%s\"",
	           check->graph->op[carries->from].name, to->class->inputs[carries->input]);
}

static bool
resolve_column(struct graph_check *check, uint32_t index, const struct lm_schema *schema,
               uint32_t column)
{
	const struct topology_wire *declared = check->declared[index];
	struct graph_wire *wire = &check->graph->wire[index];
	const char *name = declared->wire.columns[column];
	uint32_t field = lm_schema_find(schema, name);
	const char *names[LM_FIELDS_MAX];
	char hint[220];

	wire->field[column] = field;
	if (field == LM_NONE) {
		for (uint32_t i = 0; i < schema->field_count; i++) {
			names[i] = schema->field[i].name;
		}
		text_hint(name, "columns", names, schema->field_count, hint, sizeof(hint));
		return wire_error(check, declared, declared->column_place[column], hint,
		                  "no column \"%.60s\" in what \"%s\" emits", name,
		                  declared->wire.from);
	}
	enum lm_type type = schema->field[field].type;
	if (wire->grouping == LM_GROUP_DIRECT && (type < LM_I8 || type > LM_U64)) {
		return wire_error(check, declared, declared->column_place[column],
		                  "take an integer column: its value is the slice",
		                  "\"direct by\" cannot take column \"%s\" of type %s", name,
		                  lm_type_text(type));
	}
	if (type == LM_FRAME) {
		return wire_error(check, declared, declared->column_place[column],
		                  "decode the packets first and group by a field",
		                  "rows cannot be grouped by the frame \"%s\"", name);
	}
	return true;
}

static enum lm_type
key_type(const struct graph_check *check, uint32_t wire, uint32_t column)
{
	const struct lm_schema *schema = check_wire_schema(check, wire);

	return schema->field[check->graph->wire[wire].field[column]].type;
}

/* Equal keys that come over different wires must meet: the same number and types of columns. */
static void
check_same_key(struct graph_check *check, uint32_t first, uint32_t other)
{
	const struct graph_wire *a = &check->graph->wire[first], *b = &check->graph->wire[other];
	const struct topology_wire *declared = check->declared[other];

	if (a->field_count != b->field_count) {
		wire_error(check, declared, declared->place, "group all its inputs by the same key",
		           "the number of key columns is %u here, %u elsewhere", b->field_count,
		           a->field_count);
		return;
	}
	for (uint32_t i = 0; i < a->field_count; i++) {
		enum lm_type here = key_type(check, other, i), there = key_type(check, first, i);

		if (here != there) {
			wire_error(check, declared, declared->column_place[i],
			           "group by columns of equal types",
			           "key column \"%s\" is of type %s here, of %s elsewhere",
			           declared->wire.columns[i], lm_type_text(here),
			           lm_type_text(there));
		}
	}
}

static void
check_keys(struct graph_check *check, const bool *resolved)
{
	const struct lm_graph *graph = check->graph;
	uint32_t first[LM_OPERATORS_MAX];

	memset(first, 0xff, sizeof(first));
	for (uint32_t i = 0; i < graph->wire_count; i++) {
		const struct graph_wire *wire = &graph->wire[i];
		const struct graph_operator *to = &graph->op[wire->to];

		if (!resolved[i] || wire->grouping != LM_GROUP_KEY || to->slices == 1 ||
		    (to->class->flags & LM_OP_KEYED) == 0) {
			continue;
		}
		if (first[wire->to] == LM_NONE) {
			first[wire->to] = i;
		} else {
			check_same_key(check, first[wire->to], i);
		}
	}
}

void
check_groupings(struct graph_check *check)
{
	bool resolved[LM_WIRES_MAX] = { false };

	for (uint32_t i = 0; i < check->graph->wire_count; i++) {
		const struct lm_schema *schema = check_wire_schema(check, i);

		resolved[i] = schema != NULL;
		for (uint32_t column = 0;
		     schema != NULL && column < check->graph->wire[i].field_count; column++) {
			resolved[i] &= resolve_column(check, i, schema, column);
		}
	}
	check_keys(check, resolved);
}
