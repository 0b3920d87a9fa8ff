/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys `input:` and `inputs:` of an operator -> wires. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "mgmt/config_build.h"
#include "mgmt/config_wire.h"

enum { WIRE_FROM, WIRE_POLICY, WIRE_CREDIT, WIRE_RATE, WIRE_INPUT, WIRE_KEYS };
static const char *const wire_keys[WIRE_KEYS] = { "from", "policy", "credit", "rate", "input" };

static const char *const wire_policies[] = {
#define WIRE_POLICY_TEXT(suffix, text) text,
	LM_POLICIES(WIRE_POLICY_TEXT)
#undef WIRE_POLICY_TEXT
};

/* Where a wire is being read: the operator it leads to, and what is said so far. */
struct wire_reader {
	struct build *build;
	struct topology_operator *op;
	const struct config_node *input; /* its name, if it was said */
	const struct config_node *value[WIRE_KEYS];
	char path[120];
};

static void
wire_fail(struct wire_reader *reader, struct lm_place place, const char *hint, const char *message)
{
	lm_errors_add(reader->build->errors, place, hint, "%s: %s", reader->path, message);
	reader->op->inputs_reported = true;
}

/* A value of the long form; NULL after reporting, or when it is not there. */
static const char *
wire_text(struct wire_reader *reader, uint32_t key)
{
	const struct config_node *node = reader->value[key];
	const char *text;
	char path[140];

	if (node == NULL) {
		return NULL;
	}
	snprintf(path, sizeof(path), "%s.%s", reader->path, wire_keys[key]);
	text = build_scalar(reader->build, node, path);
	reader->op->inputs_reported |= text == NULL;
	return text;
}

static void
wire_policy(struct wire_reader *reader, struct lm_wire *wire)
{
	const char *text = wire_text(reader, WIRE_POLICY);
	char hint[120], message[100];

	for (uint32_t i = 0; text != NULL && i < LM_POLICY_COUNT; i++) {
		if (strcmp(wire_policies[i], text) == 0) {
			wire->policy = (enum lm_policy)i;
			return;
		}
	}
	if (text != NULL) {
		text_hint(text, "policies", wire_policies, LM_POLICY_COUNT, hint, sizeof(hint));
		snprintf(message, sizeof(message), "no policy \"%.60s\"", text);
		wire_fail(reader, reader->value[WIRE_POLICY]->place, hint, message);
	}
}

static void
wire_numbers(struct wire_reader *reader, struct lm_wire *wire)
{
	const char *credit = wire_text(reader, WIRE_CREDIT), *rate = wire_text(reader, WIRE_RATE);
	uint64_t number;
	char message[120];

	if (credit != NULL) {
		if (text_u64(credit, &number) != 0 || number == 0 || number > UINT32_MAX) {
			snprintf(message, sizeof(message), "credit \"%.60s\" is not a number",
			         credit);
			wire_fail(reader, reader->value[WIRE_CREDIT]->place,
			          "write a power of two from 2 to 4096", message);
		} else {
			wire->credit = (uint32_t)number;
		}
	}
	if (rate != NULL && (text_u64(rate, &wire->rate) != 0 || wire->rate == 0)) {
		snprintf(message, sizeof(message), "rate \"%.60s\" is not a rate", rate);
		wire_fail(reader, reader->value[WIRE_RATE]->place,
		          "write rows per second, like 100000, 100k or 1M", message);
	}
}

/* The exact places of what the texts of the wire said. */
static void
wire_places(struct wire_reader *reader, const struct config_wire *parsed)
{
	struct lm_topology *topology = reader->build->topology;
	struct topology_wire *wire = &topology->wire[topology->wire_count - 1];
	const struct config_node *from = reader->value[WIRE_FROM];

	wire->from_place = build_place(from, parsed->from.at, parsed->from.length);
	wire->output_place = build_place(from, parsed->output.at, parsed->output.length);
	wire->function_place = build_place(from, parsed->function.at, parsed->function.length);
	for (uint32_t i = 0; i < LM_KEY_FIELDS_MAX; i++) {
		wire->column_place[i] =
		    build_place(from, parsed->column[i].at, parsed->column[i].length);
	}
	if (reader->input != NULL) {
		wire->input_place = reader->input->place;
	}
	if (reader->value[WIRE_POLICY] != NULL) {
		wire->policy_place = reader->value[WIRE_POLICY]->place;
	}
	if (reader->value[WIRE_CREDIT] != NULL) {
		wire->credit_place = reader->value[WIRE_CREDIT]->place;
	}
	if (reader->value[WIRE_RATE] != NULL) {
		wire->rate_place = reader->value[WIRE_RATE]->place;
	}
}

static void
wire_add(struct wire_reader *reader)
{
	const struct config_node *from = reader->value[WIRE_FROM];
	const char *text = wire_text(reader, WIRE_FROM);
	struct config_wire parsed;
	int rc;

	if (text == NULL || !build_count(reader->build, from)) {
		reader->op->inputs_reported = true;
		return;
	}
	if (!config_wire_parse(&parsed, text)) {
		wire_fail(reader, build_place(from, parsed.wrong.at, parsed.wrong.length),
		          parsed.hint, parsed.message);
		return;
	}
	parsed.wire.to = reader->op->name;
	parsed.wire.input = reader->input == NULL ? NULL : reader->input->text;
	wire_policy(reader, &parsed.wire);
	wire_numbers(reader, &parsed.wire);
	lm_topology_place(reader->build->topology, from->place);
	rc = lm_topology_wire(reader->build->topology, &parsed.wire);
	build_result(reader->build, rc, from, reader->path);
	if (rc == 0) {
		wire_places(reader, &parsed);
	}
}

/* {from: OPERATOR by COLUMN, policy: ..., credit: ..., rate: ..., input: ...} */
static void
wire_long(struct wire_reader *reader, const struct config_node *node)
{
	for (uint32_t i = 0; i < node->child_count; i += 2) {
		uint32_t key =
		    build_key(reader->build, node, i, reader->path, wire_keys, WIRE_KEYS);

		if (key == LM_NONE) {
			reader->op->inputs_reported = true;
		} else {
			reader->value[key] = node->child[i + 1];
		}
	}
	if (reader->value[WIRE_INPUT] != NULL) {
		if (reader->input != NULL) {
			wire_fail(reader, reader->value[WIRE_INPUT]->place, "leave \"input\" out",
			          "the input is named before already");
		} else if (wire_text(reader, WIRE_INPUT) != NULL) {
			reader->input = reader->value[WIRE_INPUT];
		}
	}
	if (reader->value[WIRE_FROM] == NULL) {
		wire_fail(reader, node->place, "write {from: OPERATOR by COLUMN, policy: ...}",
		          "\"from\" is missing");
		return;
	}
	wire_add(reader);
}

static void
wire_read(struct build *build, struct topology_operator *op, const struct config_node *input,
          const struct config_node *node)
{
	struct wire_reader reader = { .build = build, .op = op, .input = input };

	snprintf(reader.path, sizeof(reader.path), "operators.%.40s.%s%.40s", op->name,
	         input == NULL ? "input" : "inputs.", input == NULL ? "" : input->text);
	if (node->kind == CONFIG_LIST) {
		wire_fail(&reader, node->place, "write [a, b by x]", "a list inside a list");
	} else if (node->kind == CONFIG_MAP) {
		wire_long(&reader, node);
	} else {
		reader.value[WIRE_FROM] = node;
		wire_add(&reader);
	}
}

/* One input or a list of them. */
static void
wire_read_all(struct build *build, struct topology_operator *op, const struct config_node *input,
              const struct config_node *node)
{
	if (node->kind != CONFIG_LIST) {
		wire_read(build, op, input, node);
		return;
	}
	for (uint32_t i = 0; i < node->child_count; i++) {
		wire_read(build, op, input, node->child[i]);
	}
	if (node->child_count == 0) {
		lm_errors_add(build->errors, node->place, "name an operator",
		              "operators.%s.inputs: an empty list", op->name);
		op->inputs_reported = true;
	}
}

static bool
has_from(const struct config_node *map)
{
	for (uint32_t i = 0; i < map->child_count; i += 2) {
		if (map->child[i]->kind == CONFIG_TEXT &&
		    strcmp(map->child[i]->text, wire_keys[WIRE_FROM]) == 0) {
			return true;
		}
	}
	return false;
}

void
build_inputs(struct build *build, struct topology_operator *op, const struct config_node *node,
             bool named)
{
	if (!named || node->kind != CONFIG_MAP || has_from(node)) {
		wire_read_all(build, op, NULL, node);
		return;
	}
	for (uint32_t i = 0; i < node->child_count; i += 2) {
		const struct config_node *name = node->child[i];

		if (name->kind != CONFIG_TEXT) {
			lm_errors_add(build->errors, name->place, "write {NAME: OPERATOR}",
			              "operators.%s.inputs: a key must be a plain text", op->name);
			op->inputs_reported = true;
			continue;
		}
		wire_read_all(build, op, name, node->child[i + 1]);
	}
}
