/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuring a class in a topology: its parameters, its questions, the schemas it declares. */
#include "core/setup.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

/* Parameters of a class: what the registry lets pass. */
#define SETUP_PARAMS_MAX 64u

#define SETUP_TYPE(type) (1u << LM_PARAM_##type)
#define SETUP_WHOLE (SETUP_TYPE(U64) | SETUP_TYPE(DURATION) | SETUP_TYPE(SIZE) | SETUP_TYPE(RATE))
#define SETUP_MANY (SETUP_TYPE(LIST) | SETUP_TYPE(COLUMNS) | SETUP_TYPE(MAP))
#define SETUP_ANY UINT32_MAX

/* The value called `name`, or NULL. */
static struct setup_value *
setup_find(const struct lm_setup *setup, const char *name)
{
	for (uint32_t i = 0; i < setup->value_count; i++) {
		if (strcmp(setup->value[i].param->name, name) == 0) {
			return &setup->value[i];
		}
	}
	return NULL;
}

/* The value a class asks for: one of its table, and of a type that the question fits. */
static const struct setup_value *
setup_ask(const struct lm_setup *setup, const char *name, uint32_t types)
{
	const struct setup_value *value = setup_find(setup, name);

	if (value == NULL || (1u << value->param->type & types) == 0) {
		fprintf(stderr,
		        "operator type \"%s\" asks for parameter \"%s\", which its table %s\n",
		        setup->op->class->name, name,
		        value == NULL ? "does not have" : "gives another type");
		abort();
	}
	return value;
}

bool
lm_setup_has(const struct lm_setup *setup, const char *name)
{
	return setup_ask(setup, name, SETUP_ANY)->present;
}

uint64_t
lm_setup_u64(const struct lm_setup *setup, const char *name)
{
	return setup_ask(setup, name, SETUP_WHOLE)->u64;
}

double
lm_setup_f64(const struct lm_setup *setup, const char *name)
{
	return setup_ask(setup, name, SETUP_WHOLE | SETUP_TYPE(F64))->f64;
}

bool
lm_setup_bool(const struct lm_setup *setup, const char *name)
{
	return setup_ask(setup, name, SETUP_TYPE(BOOL))->u64 != 0;
}

uint32_t
lm_setup_choice(const struct lm_setup *setup, const char *name)
{
	return (uint32_t)setup_ask(setup, name, SETUP_TYPE(CHOICE))->u64;
}

const char *
lm_setup_text(const struct lm_setup *setup, const char *name)
{
	const struct setup_value *value = setup_ask(setup, name, SETUP_ANY & ~SETUP_MANY);

	return value->present ? value->item[0].text : NULL;
}

uint32_t
lm_setup_column(const struct lm_setup *setup, const char *name)
{
	const struct setup_value *value = setup_ask(setup, name, SETUP_TYPE(COLUMN));

	return value->present ? value->item[0].column : LM_NONE;
}

uint32_t
lm_setup_count(const struct lm_setup *setup, const char *name)
{
	return setup_ask(setup, name, SETUP_MANY)->item_count;
}

static const struct setup_item *
setup_ask_item(const struct lm_setup *setup, const char *name, uint32_t index, uint32_t types)
{
	const struct setup_value *value = setup_ask(setup, name, types);

	assert(index < value->item_count);
	return &value->item[index];
}

const char *
lm_setup_item(const struct lm_setup *setup, const char *name, uint32_t index)
{
	return setup_ask_item(setup, name, index, SETUP_MANY)->text;
}

uint32_t
lm_setup_item_column(const struct lm_setup *setup, const char *name, uint32_t index)
{
	return setup_ask_item(setup, name, index, SETUP_TYPE(COLUMNS))->column;
}

const char *
lm_setup_item_name(const struct lm_setup *setup, const char *name, uint32_t index)
{
	return setup_ask_item(setup, name, index, SETUP_TYPE(MAP))->name;
}

const struct lm_schema *
lm_setup_input(const struct lm_setup *setup, uint32_t input)
{
	assert(input < setup->op->input_count);
	return setup->op->input[input];
}

uint32_t
lm_setup_slices(const struct lm_setup *setup)
{
	setup->op->counts_slices = true;
	return setup->op->slices;
}

void
lm_setup_keys(struct lm_setup *setup, uint64_t keys)
{
	setup->op->slots = graph_slots(setup->graph, setup->op->slices, keys);
}

void
lm_setup_trait(struct lm_setup *setup, uint32_t traits)
{
	setup->op->traits |= traits;
}

/* Why lm_schema_init refused these fields. */
static int
setup_output_error(struct lm_setup *setup, uint32_t output, const struct lm_field *fields,
                   uint32_t count, int rc)
{
	const char *name = setup->op->class->outputs[output];
	uint32_t frames = 0;

	if (rc == -E2BIG || count > LM_FIELDS_MAX) {
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, "pass on fewer columns",
		                      "output \"%s\" has too many or too wide columns (%u)", name,
		                      count);
	}
	for (uint32_t i = 0; i < count; i++) {
		frames += fields[i].type == LM_FRAME;
		for (uint32_t j = 0; j < i; j++) {
			if (strncmp(fields[i].name, fields[j].name, LM_NAME_MAX) == 0) {
				return lm_setup_error(setup, NULL, LM_NONE, LM_NONE,
				                      "give one of them another name",
				                      "output \"%s\" has two columns called "
				                      "\"%.32s\"",
				                      name, fields[i].name);
			}
		}
	}
	return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, NULL, "output \"%s\" %s", name,
	                      count == 0   ? "has no column"
	                      : frames > 1 ? "has more than one frame"
	                                   : "has a column with a malformed name or type");
}

int
lm_setup_output(struct lm_setup *setup, uint32_t output, const struct lm_field *fields,
                uint32_t count)
{
	struct lm_schema *schema;
	int rc;

	assert(output < setup->op->output_count);
	schema = calloc(1, sizeof(*schema));
	if (schema == NULL) {
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, NULL, "no memory left");
	}
	rc = lm_schema_init(schema, fields, count, setup->graph->settings.batch_rows);
	if (rc != 0) {
		free(schema);
		return setup_output_error(setup, output, fields, count, rc);
	}
	free(setup->op->output[output]);
	setup->op->output[output] = schema;
	return 0;
}

int
lm_setup_output_like(struct lm_setup *setup, uint32_t output, const struct lm_schema *schema)
{
	return lm_setup_output(setup, output, schema->field, schema->field_count);
}

/* "operators.talkers.by[1]", "operators.talkers.sums.total" */
static void
setup_path(const struct lm_setup *setup, const struct setup_value *value, uint32_t item, char *path,
           size_t size)
{
	/* A name may still be too long: that is reported and the check goes on. */
	int used = snprintf(path, size, "operators.%.40s", setup->op->name);

	if (value == NULL) {
		return;
	}
	used += snprintf(path + used, size - (size_t)used, ".%.40s", value->param->name);
	if (item >= value->item_count) {
		return;
	}
	const char *name = value->item[item].name;
	if (name != NULL && name[0] != '\0') {
		snprintf(path + used, size - (size_t)used, ".%.60s", name);
	} else if (1u << value->param->type & SETUP_MANY) {
		snprintf(path + used, size - (size_t)used, "[%u]", item);
	}
}

/* The part of the text at byte `column`: a word if one begins there, else a character. */
static struct lm_place
setup_place_within(const struct setup_item *item, uint32_t column)
{
	size_t size = strlen(item->text), length = 0;
	struct lm_place place = item->place;

	if (column > size || place.length != text_characters(item->text, size)) {
		return place; /* not there letter by letter */
	}
	while (column + length < size &&
	       strchr(" \t\n()[]{},\"'<>=!+-*/%&|", item->text[column + length]) == NULL) {
		length++;
	}
	place.column += text_characters(item->text, column);
	place.length = length == 0 ? 1 : text_characters(item->text + column, length);
	return place;
}

static struct lm_place
setup_place(const struct lm_setup *setup, const struct setup_value *value, uint32_t item,
            uint32_t column)
{
	if (value == NULL || value->given == NULL) {
		return setup->declared->place;
	}
	if (value->given->shape == TOPOLOGY_TEXT && item >= value->item_count) {
		item = 0;
	}
	if (item >= value->item_count) {
		return value->given->place;
	}
	return column == LM_NONE ? value->item[item].place
	                         : setup_place_within(&value->item[item], column);
}

int
lm_setup_error(struct lm_setup *setup, const char *param, uint32_t item, uint32_t column,
               const char *hint, const char *format, ...)
{
	const struct setup_value *value = param == NULL ? NULL : setup_ask(setup, param, SETUP_ANY);
	char message[256], path[160];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	setup_path(setup, value, item, path, sizeof(path));
	lm_errors_add(setup->errors, setup_place(setup, value, item, column), hint, "%s: %s", path,
	              message);
	setup->error_count++;
	return -1;
}

/* What was given for a parameter, or its fallback, as items. */
static int
setup_fill(struct lm_setup *setup, struct setup_value *value)
{
	const struct topology_param *given = value->given;
	uint32_t count = given == NULL ? 1 : given->item_count;

	value->item = calloc(count == 0 ? 1 : count, sizeof(*value->item));
	if (value->item == NULL) {
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, NULL, "no memory left");
	}
	value->present = true;
	value->item_count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct setup_item *item = &value->item[i];

		item->column = LM_NONE;
		if (given == NULL) {
			item->text = value->param->fallback;
			continue;
		}
		item->place = given->item[i].place;
		item->text =
		    setup_keep(setup->graph, given->item[i].text, strlen(given->item[i].text));
		item->name = given->item[i].key;
		if (item->name != NULL) {
			item->name = setup_keep(setup->graph, item->name, strlen(item->name));
		}
		if (item->text == NULL || (given->item[i].key != NULL && item->name == NULL)) {
			return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, NULL,
			                      "no memory left");
		}
	}
	return 0;
}

static int
setup_missing(struct lm_setup *setup, const struct lm_param *param)
{
	char hint[200];

	snprintf(hint, sizeof(hint),
	         param->summary == NULL ? "write %s: ..." : "write %s: ... (%s)", param->name,
	         param->summary);
	return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, hint, "parameter \"%s\" is missing",
	                      param->name);
}

/* Finds what was given for a parameter: at most one of its name. */
static void
setup_match(struct lm_setup *setup, struct setup_value *value)
{
	for (uint32_t i = 0; i < setup->declared->param_count; i++) {
		const struct topology_param *given = &setup->declared->param[i];

		if (strcmp(given->name, value->param->name) != 0) {
			continue;
		}
		if (value->given == NULL) {
			value->given = given;
			continue;
		}
		lm_errors_add(setup->errors, given->place, "keep one of them",
		              "operators.%s.%s: it is given twice", setup->op->name, given->name);
		setup->error_count++;
	}
}

static void
setup_check_unknown(struct lm_setup *setup)
{
	const char *names[SETUP_PARAMS_MAX];
	char hint[220];

	for (uint32_t i = 0; i < setup->value_count; i++) {
		names[i] = setup->value[i].param->name;
	}
	for (uint32_t i = 0; i < setup->declared->param_count; i++) {
		const struct topology_param *given = &setup->declared->param[i];

		if (setup_find(setup, given->name) != NULL) {
			continue;
		}
		text_hint(given->name, "parameters", names, setup->value_count, hint, sizeof(hint));
		if (given->shape == TOPOLOGY_TEXT && given->item[0].text[0] == '\0' &&
		    text_nearest(given->name, names, setup->value_count) == NULL) {
			snprintf(hint, sizeof(hint),
			         "inside {...} a comma ends a value: quote a text that has one, "
			         "\"a, b\", or write a list, [a, b]");
		}
		lm_errors_add(setup->errors, given->place, hint,
		              "operators.%s: type \"%s\" has no parameter \"%.60s\"",
		              setup->op->name, setup->op->class->name, given->name);
		setup->error_count++;
	}
}

int
setup_begin(struct lm_setup *setup, struct lm_graph *graph, struct graph_operator *op,
            const struct topology_operator *declared, struct lm_errors *errors)
{
	const struct lm_param *params = op->class->params;

	*setup =
	    (struct lm_setup){ .graph = graph, .op = op, .declared = declared, .errors = errors };
	while (params != NULL && params[setup->value_count].name != NULL) {
		setup->value_count++;
	}
	assert(setup->value_count <= SETUP_PARAMS_MAX);
	setup->value = calloc(setup->value_count + 1, sizeof(*setup->value));
	if (setup->value == NULL) {
		setup->value_count = 0;
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, NULL, "no memory left");
	}
	for (uint32_t i = 0; i < setup->value_count; i++) {
		setup->value[i].param = &params[i];
		setup_match(setup, &setup->value[i]);
	}
	for (uint32_t i = 0; i < setup->value_count; i++) {
		struct setup_value *value = &setup->value[i];

		if (value->given == NULL && params[i].required) {
			setup_missing(setup, &params[i]);
		} else if ((value->given != NULL || params[i].fallback != NULL) &&
		           setup_fill(setup, value) == 0) {
			setup_parse(setup, value);
		}
	}
	setup_check_unknown(setup);
	return setup->error_count == 0 ? 0 : -1;
}

static void
setup_resolve_column(struct lm_setup *setup, struct setup_value *value, uint32_t index)
{
	const struct lm_schema *schema = setup->op->input[0];
	struct setup_item *item = &value->item[index];
	const char *names[LM_FIELDS_MAX];
	char hint[220];

	item->column = lm_schema_find(schema, item->text);
	if (item->column != LM_NONE) {
		return;
	}
	for (uint32_t i = 0; i < schema->field_count; i++) {
		names[i] = schema->field[i].name;
	}
	text_hint(item->text, "columns", names, schema->field_count, hint, sizeof(hint));
	lm_setup_error(setup, value->param->name, index, LM_NONE, hint, "no column \"%.60s\"",
	               item->text);
}

static void
setup_resolve_columns(struct lm_setup *setup)
{
	for (uint32_t i = 0; i < setup->value_count; i++) {
		struct setup_value *value = &setup->value[i];
		bool columns =
		    value->param->type == LM_PARAM_COLUMN || value->param->type == LM_PARAM_COLUMNS;

		for (uint32_t j = 0; columns && j < value->item_count; j++) {
			setup_resolve_column(setup, value, j);
		}
	}
}

/* Outputs that the class did not declare: like the first input if it has no configure. */
static void
setup_complete_outputs(struct lm_setup *setup)
{
	struct graph_operator *op = setup->op;

	for (uint32_t i = 0; i < op->output_count; i++) {
		if (op->class->configure == NULL) {
			lm_setup_output_like(setup, i, op->input[0]);
		} else if (op->output[i] == NULL) {
			lm_setup_error(setup, NULL, LM_NONE, LM_NONE,
			               "the class must call lm_setup_output for it in configure",
			               "type \"%s\" did not declare output \"%s\"", op->class->name,
			               op->class->outputs[i]);
		}
	}
}

static void
setup_call(struct lm_setup *setup)
{
	struct graph_operator *op = setup->op;
	int rc;

	op->config = calloc(1, op->class->config_size == 0 ? 1 : op->class->config_size);
	if (op->config == NULL) {
		lm_setup_error(setup, NULL, LM_NONE, LM_NONE, NULL, "no memory left");
		return;
	}
	if (op->class->configure == NULL) {
		return;
	}
	rc = op->class->configure(setup, op->config);
	op->configured = rc == 0;
	if (rc != 0 && setup->error_count == 0) {
		lm_setup_error(setup, NULL, LM_NONE, LM_NONE, NULL,
		               "type \"%s\" refused its parameters without saying why",
		               op->class->name);
	}
}

int
setup_configure(struct lm_setup *setup)
{
	setup_resolve_columns(setup);
	if (setup->error_count == 0) {
		setup_call(setup);
	}
	if (setup->error_count == 0) {
		setup_complete_outputs(setup);
	}
	return setup->error_count == 0 ? 0 : -1;
}

void
setup_end(struct lm_setup *setup)
{
	for (uint32_t i = 0; i < setup->value_count; i++) {
		free(setup->value[i].item);
	}
	free(setup->value);
	setup->value = NULL;
	setup->value_count = 0;
}
