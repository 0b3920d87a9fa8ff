/* SPDX-License-Identifier: BSD-3-Clause */
/* Declaring a topology: keeps what was said, with its place; checks nothing but bounds. */
#include "core/topology.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Errors that are kept; a person fixes the first of more than that and tries again. */
#define ERRORS_MAX 1000u

/* Room for one more behind `count` elements; what it holds is undefined. Capacities are powers
 * of 2. */
static void *
topology_grow(void *array, uint32_t count, size_t size)
{
	if ((count & (count - 1)) != 0) {
		return array;
	}
	return realloc(array, (count == 0 ? 1 : 2 * (size_t)count) * size);
}

static int
topology_copy(char **copy, const char *text)
{
	if (text == NULL) {
		*copy = NULL;
		return 0;
	}
	if (strnlen(text, TOPOLOGY_TEXT_MAX) == TOPOLOGY_TEXT_MAX) {
		return -E2BIG;
	}
	*copy = strdup(text);
	return *copy == NULL ? -ENOMEM : 0;
}

struct lm_topology *
lm_topology_create(const char *name)
{
	struct lm_topology *topology = calloc(1, sizeof(*topology));

	if (topology == NULL) {
		return NULL;
	}
	if (topology_copy(&topology->name, name == NULL ? "" : name) != 0) {
		free(topology);
		return NULL;
	}
	topology->settings = (struct lm_settings){
		.epoch_ns = 1000000000u,
		.batch_rows = LM_BATCH_ROWS,
		.credit = 64,
		.slots = 1024,
		.partial_ns = 20000,
		.fuse = true,
		.idle = LM_IDLE_SLEEP,
	};
	topology->state = (struct lm_state){
		.keep = 2,
		.codec = LM_STATE_ZEROES,
		.timeout_ns = 10000000000u,
		.full_after = 16,
		.verify = 64000000u,
	};
	topology->elastic = (struct lm_elastic){
		.policy = LM_ELASTIC_OFF,
		.lcores_min = 1,
		.high = 0.85,
		.low = 0.6,
		.target = 0.7,
		.gain = 0.05,
		.interval_ns = 100000000u,
		.guard_ns = 300000000u,
		.hold = 2,
		.moves = 16,
	};
	return topology;
}

static void
topology_free_param(struct topology_param *param)
{
	for (uint32_t i = 0; i < param->item_count; i++) {
		free(param->item[i].key);
		free(param->item[i].text);
	}
	free(param->item);
	free(param->name);
}

static void
topology_free_operator(struct topology_operator *op)
{
	for (uint32_t i = 0; i < op->param_count; i++) {
		topology_free_param(&op->param[i]);
	}
	free(op->param);
	free(op->pin);
	free(op->type);
	free(op->name);
}

/* The texts of a wire, as pointers that may be written and freed. */
#define WIRE_TEXTS (5u + LM_KEY_FIELDS_MAX)

static void
topology_wire_texts(struct lm_wire *wire, const char **texts[WIRE_TEXTS])
{
	texts[0] = &wire->from;
	texts[1] = &wire->output;
	texts[2] = &wire->to;
	texts[3] = &wire->input;
	texts[4] = &wire->function;
	for (uint32_t i = 0; i < LM_KEY_FIELDS_MAX; i++) {
		texts[5 + i] = &wire->columns[i];
	}
}

static void
topology_free_wire(struct lm_wire *wire)
{
	const char **texts[WIRE_TEXTS];

	topology_wire_texts(wire, texts);
	for (uint32_t i = 0; i < WIRE_TEXTS; i++) {
		free((char *)(uintptr_t)*texts[i]);
	}
}

void
lm_topology_free(struct lm_topology *topology)
{
	if (topology == NULL) {
		return;
	}
	for (uint32_t i = 0; i < topology->operator_count; i++) {
		topology_free_operator(&topology->op[i]);
	}
	for (uint32_t i = 0; i < topology->wire_count; i++) {
		topology_free_wire(&topology->wire[i].wire);
	}
	for (uint32_t i = 0; i < topology->plugin_count; i++) {
		free(topology->plugin[i].text);
		free(topology->plugin[i].copy);
	}
	free(topology->op);
	free(topology->wire);
	free(topology->plugin);
	free(topology->state_folder);
	free(topology->source);
	free(topology->file);
	free(topology->name);
	free(topology);
}

int
lm_topology_file(struct lm_topology *topology, const char *file)
{
	char *copy;
	int rc = topology_copy(&copy, file);

	if (rc == 0) {
		free(topology->file);
		topology->file = copy;
	}
	return rc;
}

void
lm_topology_place(struct lm_topology *topology, struct lm_place place)
{
	topology->place = place;
}

struct topology_operator *
topology_find(const struct lm_topology *topology, const char *name)
{
	for (uint32_t i = 0; name != NULL && i < topology->operator_count; i++) {
		if (strcmp(topology->op[i].name, name) == 0) {
			return &topology->op[i];
		}
	}
	return NULL;
}

int
topology_operator_add(struct lm_topology *topology, const char *name, const char *type)
{
	struct topology_operator op = { .place = topology->place, .type_place = topology->place };
	struct topology_operator *grown;

	if (topology_find(topology, name) != NULL) {
		return -EEXIST;
	}
	if (topology->operator_count == LM_OPERATORS_MAX) {
		return -E2BIG;
	}
	int rc = topology_copy(&op.name, name);
	if (rc == 0) {
		rc = topology_copy(&op.type, type);
	}
	if (rc != 0) {
		topology_free_operator(&op);
		return rc;
	}
	grown = topology_grow(topology->op, topology->operator_count, sizeof(op));
	if (grown == NULL) {
		topology_free_operator(&op);
		return -ENOMEM;
	}
	topology->op = grown;
	topology->op[topology->operator_count++] = op;
	return 0;
}

int
lm_topology_operator(struct lm_topology *topology, const char *name, const char *type)
{
	return topology_operator_add(topology, name == NULL ? "" : name, type == NULL ? "" : type);
}

int
lm_topology_slices(struct lm_topology *topology, const char *name, uint32_t slices)
{
	struct topology_operator *op = topology_find(topology, name);

	if (op == NULL) {
		return -ENOENT;
	}
	if (slices == 0 || slices > LM_SLICES_MAX) {
		return -E2BIG;
	}
	op->slices = slices;
	op->slices_place = topology->place;
	return 0;
}

int
lm_topology_slices_between(struct lm_topology *topology, const char *name, uint32_t least,
                           uint32_t most)
{
	int result = most < least || most > LM_SLICES_MAX
	                 ? -E2BIG
	                 : lm_topology_slices(topology, name, least);

	if (result == 0) {
		struct topology_operator *op = topology_find(topology, name);

		op->slices_least = least;
		op->slices_most = most;
	}
	return result;
}

int
lm_topology_pin(struct lm_topology *topology, const char *name, const uint32_t *lcores,
                uint32_t count)
{
	struct topology_operator *op = topology_find(topology, name);
	uint32_t *pin;

	if (op == NULL) {
		return -ENOENT;
	}
	if (count == 0 || count > LM_SLICES_MAX) {
		return -E2BIG;
	}
	pin = calloc(count, sizeof(*pin));
	if (pin == NULL) {
		return -ENOMEM;
	}
	memcpy(pin, lcores, count * sizeof(*pin));
	free(op->pin);
	op->pin = pin;
	op->pin_count = count;
	op->pin_place = topology->place;
	return 0;
}

struct topology_param *
topology_param_add(struct lm_topology *topology, struct topology_operator *op, const char *name,
                   enum topology_shape shape)
{
	struct topology_param param = { .shape = shape, .place = topology->place };
	struct topology_param *grown;

	if (op->param_count == TOPOLOGY_PARAMS_MAX || topology_copy(&param.name, name) != 0) {
		return NULL;
	}
	grown = topology_grow(op->param, op->param_count, sizeof(param));
	if (grown == NULL) {
		free(param.name);
		return NULL;
	}
	op->param = grown;
	op->param[op->param_count] = param;
	return &op->param[op->param_count++];
}

int
topology_item_add(struct lm_topology *topology, struct topology_param *param, const char *key,
                  const char *text)
{
	struct topology_item item = { .place = topology->place };
	struct topology_item *grown;

	if (param->item_count == TOPOLOGY_ITEMS_MAX) {
		return -E2BIG;
	}
	int rc = topology_copy(&item.key, key);
	if (rc == 0) {
		rc = topology_copy(&item.text, text == NULL ? "" : text);
	}
	if (rc == 0) {
		grown = topology_grow(param->item, param->item_count, sizeof(item));
		rc = grown == NULL ? -ENOMEM : 0;
	}
	if (rc != 0) {
		free(item.key);
		free(item.text);
		return rc;
	}
	param->item = grown;
	param->item[param->item_count++] = item;
	return 0;
}

/* Adds to the list or map of that name, begun on first use; a text always begins a parameter. */
static int
topology_param_put(struct lm_topology *topology, const char *name, const char *param,
                   enum topology_shape shape, const char *key, const char *value)
{
	struct topology_operator *op = topology_find(topology, name);
	struct topology_param *to = NULL;

	if (op == NULL) {
		return -ENOENT;
	}
	for (uint32_t i = 0; shape != TOPOLOGY_TEXT && i < op->param_count; i++) {
		if (op->param[i].shape == shape && strcmp(op->param[i].name, param) == 0) {
			to = &op->param[i];
		}
	}
	if (to == NULL) {
		if (op->param_count == TOPOLOGY_PARAMS_MAX ||
		    strnlen(param, TOPOLOGY_TEXT_MAX) == TOPOLOGY_TEXT_MAX) {
			return -E2BIG;
		}
		to = topology_param_add(topology, op, param, shape);
		if (to == NULL) {
			return -ENOMEM;
		}
	}
	int rc = topology_item_add(topology, to, key, value);
	if (rc != 0 && to->item_count == 0) {
		topology_free_param(to); /* the one just begun, the last */
		op->param_count--;
	}
	return rc;
}

int
lm_topology_param(struct lm_topology *topology, const char *name, const char *param,
                  const char *value)
{
	return topology_param_put(topology, name, param, TOPOLOGY_TEXT, NULL, value);
}

int
lm_topology_param_item(struct lm_topology *topology, const char *name, const char *param,
                       const char *value)
{
	return topology_param_put(topology, name, param, TOPOLOGY_LIST, NULL, value);
}

int
lm_topology_param_entry(struct lm_topology *topology, const char *name, const char *param,
                        const char *key, const char *value)
{
	return topology_param_put(topology, name, param, TOPOLOGY_MAP, key == NULL ? "" : key,
	                          value);
}

int
lm_topology_wire(struct lm_topology *topology, const struct lm_wire *wire)
{
	struct topology_wire *grown, *added;
	const char **texts[WIRE_TEXTS];
	struct lm_wire copy = *wire;
	int rc = 0;

	if (topology->wire_count == LM_WIRES_MAX) {
		return -E2BIG;
	}
	copy.from = wire->from == NULL ? "" : wire->from;
	copy.to = wire->to == NULL ? "" : wire->to;
	topology_wire_texts(&copy, texts);
	for (uint32_t i = 0; i < WIRE_TEXTS; i++) {
		char *text = NULL;

		/* After a failure the rest becomes NULL, so that freeing sees only copies. */
		if (rc == 0) {
			rc = topology_copy(&text, *texts[i]);
		}
		*texts[i] = rc == 0 ? text : NULL;
	}
	grown =
	    rc == 0 ? topology_grow(topology->wire, topology->wire_count, sizeof(*grown)) : NULL;
	if (grown == NULL) {
		topology_free_wire(&copy);
		return rc == 0 ? -ENOMEM : rc;
	}
	topology->wire = grown;
	added = &topology->wire[topology->wire_count++];
	*added = (struct topology_wire){ .wire = copy, .place = topology->place };
	added->from_place = added->output_place = added->input_place = topology->place;
	added->policy_place = added->credit_place = added->rate_place = topology->place;
	added->function_place = topology->place;
	for (uint32_t i = 0; i < LM_KEY_FIELDS_MAX; i++) {
		added->column_place[i] = topology->place;
	}
	return 0;
}

struct lm_state *
lm_topology_state(struct lm_topology *topology)
{
	return &topology->state;
}

struct lm_elastic *
lm_topology_elastic(struct lm_topology *topology)
{
	return &topology->elastic;
}

int
lm_topology_state_folder(struct lm_topology *topology, const char *folder)
{
	char *copy = NULL;
	int result = folder == NULL ? 0 : topology_copy(&copy, folder);

	if (result == 0) {
		free(topology->state_folder);
		topology->state_folder = copy;
		topology->state.folder = copy;
	}
	return result;
}

struct lm_settings *
lm_topology_settings(struct lm_topology *topology)
{
	return &topology->settings;
}

int
lm_topology_plugin(struct lm_topology *topology, const char *path)
{
	struct topology_plugin plugin = { .place = topology->place };
	struct topology_plugin *grown;
	int rc;

	if (topology->plugin_count == TOPOLOGY_PLUGINS_MAX) {
		return -E2BIG;
	}
	rc = topology_copy(&plugin.text, path);
	if (rc != 0) {
		return rc;
	}
	grown = topology_grow(topology->plugin, topology->plugin_count, sizeof(plugin));
	if (grown == NULL) {
		free(plugin.text);
		return -ENOMEM;
	}
	topology->plugin = grown;
	topology->plugin[topology->plugin_count++] = plugin;
	return 0;
}

int
topology_plugin_want(struct lm_topology *topology, uint32_t index, const char *digest,
                     const char *copy)
{
	struct topology_plugin *plugin = &topology->plugin[index];
	char *text = strdup(copy);

	if (text == NULL) {
		return -ENOMEM;
	}
	free(plugin->copy);
	plugin->copy = text;
	snprintf(plugin->digest, sizeof(plugin->digest), "%s", digest);
	return 0;
}

static bool
errors_before(struct lm_place a, struct lm_place b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* Formats; what does not fit ends in "...". */
static void __attribute__((format(printf, 3, 0)))
errors_format(char *text, size_t size, const char *format, va_list arguments)
{
	int length = vsnprintf(text, size, format, arguments);

	if (length < 0) {
		text[0] = '\0';
	} else if ((size_t)length >= size) {
		size_t end = size - 4;

		/* Not in the middle of a character. */
		while (end > 0 && ((unsigned char)text[end] & 0xc0u) == 0x80u) {
			end--;
		}
		memcpy(text + end, "...", sizeof("..."));
	}
}

static void __attribute__((format(printf, 3, 4)))
errors_print(char *text, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	errors_format(text, size, format, arguments);
	va_end(arguments);
}

/* Puts it behind those of earlier places and of the same, unless it is there already. */
static void
errors_insert(struct lm_errors *errors, const struct lm_error *error)
{
	uint32_t at = errors->count;

	while (at > 0 && errors_before(error->place, errors->error[at - 1].place)) {
		at--;
	}
	for (uint32_t i = at; i > 0 && !errors_before(errors->error[i - 1].place, error->place);
	     i--) {
		if (strcmp(errors->error[i - 1].message, error->message) == 0) {
			return;
		}
	}
	memmove(&errors->error[at + 1], &errors->error[at],
	        (errors->count - at) * sizeof(*errors->error));
	errors->error[at] = *error;
	errors->count++;
}

void
lm_errors_add(struct lm_errors *errors, struct lm_place place, const char *hint, const char *format,
              ...)
{
	struct lm_error error = { .place = place };
	va_list arguments;

	if (errors->count > ERRORS_MAX) {
		return;
	}
	va_start(arguments, format);
	errors_format(error.message, sizeof(error.message), format, arguments);
	va_end(arguments);
	errors_print(error.hint, sizeof(error.hint), "%s", hint == NULL ? "" : hint);
	if (errors->count == ERRORS_MAX) {
		error = (struct lm_error){ .place = { .line = UINT32_MAX } };
		errors_print(error.message, sizeof(error.message), "more than %u errors",
		             ERRORS_MAX);
	}
	if (errors->count == errors->capacity) {
		uint32_t capacity = errors->capacity == 0 ? 8 : 2 * errors->capacity;
		struct lm_error *grown = realloc(errors->error, capacity * sizeof(*grown));

		if (grown == NULL) {
			/* The count alone must still say that something is wrong. */
			if (errors->count > 0) {
				return;
			}
			abort();
		}
		errors->error = grown;
		errors->capacity = capacity;
	}
	errors_insert(errors, &error);
}

void
lm_errors_free(struct lm_errors *errors)
{
	free(errors->error);
	*errors = (struct lm_errors){ 0 };
}
