/* SPDX-License-Identifier: BSD-3-Clause */
/* The key `operators:` of a topology file: types, slices, lcores, parameters. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "mgmt/config_build.h"

enum {
	OPERATOR_TYPE,
	OPERATOR_INPUT,
	OPERATOR_INPUTS,
	OPERATOR_SLICES,
	OPERATOR_LCORES,
	OPERATOR_KEYS
};
static const char *const operator_keys[OPERATOR_KEYS] = { "type", "input", "inputs", "slices",
	                                                  "lcores" };

static const char operator_form[] = "write NAME: {type: TYPE, input: OPERATOR, ...}";

/* The value of key `name` of a mapping, or NULL. */
static const struct config_node *
find_value(const struct config_node *map, const char *name)
{
	for (uint32_t i = 0; i < map->child_count; i += 2) {
		if (map->child[i]->kind == CONFIG_TEXT && strcmp(map->child[i]->text, name) == 0) {
			return map->child[i + 1];
		}
	}
	return NULL;
}

/*
 * A variable that is not set was reported; what depends on it cannot be judged. Each node is walked
 * once and to the depth that an operator has, however often aliases repeat it.
 */
static bool
has_broken(struct config_node *node, uint32_t depth)
{
	for (uint32_t i = 0; !node->seen && depth < 6 && i < node->child_count; i++) {
		node->broken |= has_broken(node->child[i], depth + 1);
	}
	node->seen = true;
	return node->broken;
}

/* No `type:`, or one that looks like it. */
static void
missing_type(struct build *build, const struct config_node *name, const struct config_node *map)
{
	const char *hint = operator_form;
	char meant[100];

	for (uint32_t i = 0; i < map->child_count; i += 2) {
		const char *key = map->child[i]->kind == CONFIG_TEXT ? map->child[i]->text : "";

		if (text_nearest(key, operator_keys, 1) != NULL) {
			snprintf(meant, sizeof(meant), "did you mean \"type\" by \"%.40s\"?", key);
			hint = meant;
		}
	}
	lm_errors_add(build->errors, name->place, hint, "operators.%.60s: it has no type",
	              name->text);
}

/* The type of an operator and its place; NULL when it was reported why there is none. */
static const char *
read_type(struct build *build, const struct config_node *name, struct config_node *value,
          struct lm_place *place)
{
	const struct config_node *type;
	char path[120];

	snprintf(path, sizeof(path), "operators.%.60s", name->text);
	if (!build_is_map(build, value, path, operator_form)) {
		return NULL;
	}
	type = find_value(value, operator_keys[OPERATOR_TYPE]);
	if (type == NULL) {
		missing_type(build, name, value);
		return NULL;
	}
	*place = type->place;
	snprintf(path, sizeof(path), "operators.%.60s.type", name->text);
	const char *text = build_scalar(build, type, path);
	return text == NULL || has_broken(value, 0) ? NULL : text;
}

/* Takes the operator in, so that others can name it whatever is wrong with it. */
static bool
declare_operator(struct build *build, const struct config_node *name, struct config_node *value)
{
	const struct topology_operator *other;
	struct topology_operator *op;
	struct lm_place type_place = name->place;
	const char *type;
	char hint[80];
	int rc;

	if (name->kind != CONFIG_TEXT) {
		lm_errors_add(build->errors, name->place, operator_form,
		              "operators: the name of an operator must be a plain text");
		return false;
	}
	other = topology_find(build->topology, name->text);
	if (other != NULL) {
		snprintf(hint, sizeof(hint), "the other is on line %u; rename one",
		         other->place.line);
		lm_errors_add(build->errors, name->place, hint,
		              "operators: there are two called \"%.60s\"", name->text);
		return false;
	}
	type = read_type(build, name, value, &type_place);
	lm_topology_place(build->topology, name->place);
	rc = topology_operator_add(build->topology, name->text, type);
	build_result(build, rc, name, "operators");
	if (rc != 0) {
		return false;
	}
	op = topology_find(build->topology, name->text);
	op->type_place = type_place;
	op->inputs_reported = value->kind != CONFIG_MAP;
	return true;
}

/* "4", or "1-8" for what elasticity may make of it; false: neither. */
static bool
slices_between(const char *text, uint64_t *least, uint64_t *most)
{
	const char *dash = strchr(text, '-');
	char first[8];
	size_t length = dash == NULL ? 0 : (size_t)(dash - text);

	if (dash == NULL) {
		*most = 0;
		return text_u64(text, least) == 0 && *least > 0 && *least <= LM_SLICES_MAX;
	}
	if (length == 0 || length >= sizeof(first)) {
		return false;
	}
	memcpy(first, text, length);
	first[length] = '\0';
	return text_u64(first, least) == 0 && text_u64(dash + 1, most) == 0 && *least > 0 &&
	       *most >= *least && *most <= LM_SLICES_MAX;
}

static void
read_slices(struct build *build, const struct topology_operator *op, const struct config_node *node)
{
	uint64_t least, most;
	char path[80];

	snprintf(path, sizeof(path), "operators.%.40s.slices", op->name);
	if (build_scalar(build, node, path) == NULL) {
		return;
	}
	if (!slices_between(node->text, &least, &most)) {
		lm_errors_add(build->errors, node->place,
		              strchr(node->text, '-') == NULL ? NULL : "write 4 or 1-8",
		              "%s: \"%.60s\" is not a number from 1 to %u", path, node->text,
		              LM_SLICES_MAX);
		return;
	}
	lm_topology_place(build->topology, node->place);
	if (most == 0) {
		lm_topology_slices(build->topology, op->name, (uint32_t)least);
	} else {
		lm_topology_slices_between(build->topology, op->name, (uint32_t)least,
		                           (uint32_t)most);
	}
}

/* "3" or "2-5", added behind `count` lcores; false if it is neither. */
static bool
read_range(const char *text, uint32_t length, uint32_t *lcores, uint32_t *count)
{
	char first[16], *last;
	uint64_t from, to;

	if (length == 0 || length >= sizeof(first)) {
		return false;
	}
	memcpy(first, text, length);
	first[length] = '\0';
	last = strchr(first, '-');
	if (last != NULL) {
		*last++ = '\0';
	}
	if (text_u64(first, &from) != 0 || text_u64(last == NULL ? first : last, &to) != 0 ||
	    from > to || to - from >= LM_SLICES_MAX - *count || to > UINT32_MAX) {
		return false;
	}
	for (; from <= to; from++) {
		lcores[(*count)++] = (uint32_t)from;
	}
	return true;
}

/* Ranges with commas between them. */
static bool
read_ranges(struct build *build, const struct config_node *node, const char *path, uint32_t *lcores,
            uint32_t *count)
{
	const char *text = build_scalar(build, node, path);
	uint32_t at = 0;

	if (text == NULL) {
		return false;
	}
	for (;;) {
		uint32_t length;

		at += (uint32_t)strspn(text + at, " ");
		length = (uint32_t)strcspn(text + at, ", ");
		if (!read_range(text + at, length, lcores, count)) {
			lm_errors_add(build->errors, build_place(node, at, length),
			              "write lcores: [2, 3] or lcores: 2-5",
			              "%s: \"%.*s\" is not an lcore or a range of them", path,
			              (int)(length > 60 ? 60 : length), text + at);
			return false;
		}
		at += length;
		at += (uint32_t)strspn(text + at, " ");
		if (text[at] == '\0') {
			return true;
		}
		at += text[at] == ',';
	}
}

static void
read_lcores(struct build *build, const struct topology_operator *op, const struct config_node *node)
{
	uint32_t lcores[LM_SLICES_MAX], count = 0, read = 0;
	char path[80];

	snprintf(path, sizeof(path), "operators.%.40s.lcores", op->name);
	if (node->kind != CONFIG_LIST) {
		read += read_ranges(build, node, path, lcores, &count);
	}
	for (uint32_t i = 0; node->kind == CONFIG_LIST && i < node->child_count; i++) {
		read += read_ranges(build, node->child[i], path, lcores, &count);
	}
	if (read != (node->kind == CONFIG_LIST ? node->child_count : 1)) {
		return;
	}
	if (count == 0) {
		lm_errors_add(build->errors, node->place, "name an lcore, or leave it out",
		              "%s: an empty list", path);
		return;
	}
	lm_topology_place(build->topology, node->place);
	build_result(build, lm_topology_pin(build->topology, op->name, lcores, count), node, path);
}

/* One text of a parameter; what is no text is reported. False when nothing more is to be read. */
static bool
add_item(struct build *build, struct topology_param *param, const struct config_node *key,
         const struct config_node *node, const char *path)
{
	int rc;

	if (!build_count(build, node)) {
		return false;
	}
	if (node->kind != CONFIG_TEXT) {
		lm_errors_add(build->errors, node->place, "write it as one text",
		              "%s: a %s inside a parameter's %s", path,
		              node->kind == CONFIG_LIST ? "list" : "mapping",
		              key == NULL ? "list" : "mapping");
		return true;
	}
	if (key != NULL && key->kind != CONFIG_TEXT) {
		lm_errors_add(build->errors, key->place, "write NAME: VALUE",
		              "%s: a key must be a plain text", path);
		return true;
	}
	lm_topology_place(build->topology, node->place);
	rc = topology_item_add(build->topology, param, key == NULL ? NULL : key->text, node->text);
	build_result(build, rc, node, path);
	return rc == 0;
}

static void
read_param(struct build *build, struct topology_operator *op, const struct config_node *key,
           const struct config_node *node)
{
	static const enum topology_shape shapes[] = { TOPOLOGY_TEXT, TOPOLOGY_LIST, TOPOLOGY_MAP };
	struct topology_param *param;
	bool going = true;
	char path[120];

	snprintf(path, sizeof(path), "operators.%.40s.%.60s", op->name, key->text);
	lm_topology_place(build->topology, key->place);
	param = topology_param_add(build->topology, op, key->text, shapes[node->kind]);
	if (param == NULL) {
		build_result(build, -E2BIG, key, path);
		return;
	}
	if (node->kind == CONFIG_TEXT) {
		if (!add_item(build, param, NULL, node, path)) {
			topology_item_add(build->topology, param, NULL, "");
		}
		return;
	}
	for (uint32_t i = 0; going && i < node->child_count; i++) {
		const struct config_node *name = NULL;

		if (node->kind == CONFIG_MAP) {
			name = node->child[i++];
		}
		going = add_item(build, param, name, node->child[i], path);
	}
}

static void
read_operator(struct build *build, struct topology_operator *op, const struct config_node *map)
{
	for (uint32_t i = 0; i < map->child_count; i += 2) {
		const struct config_node *key = map->child[i], *value = map->child[i + 1];
		char path[80];
		uint32_t which = 0;

		snprintf(path, sizeof(path), "operators.%.40s", op->name);
		while (key->kind == CONFIG_TEXT && which < OPERATOR_KEYS &&
		       strcmp(operator_keys[which], key->text) != 0) {
			which++;
		}
		if (which == OPERATOR_KEYS) {
			read_param(build, op, key, value);
		} else if (build_key(build, map, i, path, operator_keys, OPERATOR_KEYS) ==
		           LM_NONE) {
			continue;
		} else if (which == OPERATOR_INPUT || which == OPERATOR_INPUTS) {
			build_inputs(build, op, value, which == OPERATOR_INPUTS);
		} else if (which == OPERATOR_SLICES) {
			read_slices(build, op, value);
		} else if (which == OPERATOR_LCORES) {
			read_lcores(build, op, value);
		}
	}
}

void
build_operators(struct build *build, const struct config_node *node)
{
	bool declared[LM_OPERATORS_MAX] = { false };
	uint32_t count = node->child_count / 2;

	if (!build_is_map(build, node, "operators", operator_form)) {
		return;
	}
	if (count == 0) {
		lm_errors_add(build->errors, node->place, operator_form,
		              "operators: there are none");
	}
	if (count > LM_OPERATORS_MAX) {
		lm_errors_add(build->errors, node->place, "split the topology",
		              "operators: there are %u, more than %u", count, LM_OPERATORS_MAX);
		count = LM_OPERATORS_MAX;
	}
	for (uint32_t i = 0; i < count; i++) {
		declared[i] = declare_operator(build, node->child[2 * i], node->child[2 * i + 1]);
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct config_node *value = node->child[2 * i + 1];

		if (declared[i] && value->kind == CONFIG_MAP) {
			read_operator(
			    build, topology_find(build->topology, node->child[2 * i]->text), value);
		}
	}
}
