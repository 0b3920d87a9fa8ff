/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of a parameter -> its value, by the type that the class's table gives it. */
#include "core/setup.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

struct parse_form {
	const char *what; /* "… is not WHAT" */
	const char *hint;
};

/* By enum lm_param_type. */
static const struct parse_form parse_forms[] = {
	[LM_PARAM_U64] = { "a whole number", "write a number like 42, 1_000, 64Ki or 2M" },
	[LM_PARAM_F64] = { "a number", "write a number like 0.25, 3 or 1e6" },
	[LM_PARAM_BOOL] = { "true or false", "write true or false" },
	[LM_PARAM_TEXT] = { "a text", NULL },
	[LM_PARAM_CHOICE] = { "a choice", NULL },
	[LM_PARAM_DURATION] = { "a duration",
	                        "write a duration like 20us, 100ms, 1.5s, 5m or 1h30m" },
	[LM_PARAM_SIZE] = { "a size", "write a size like 100, 64KiB, 2MiB or 1GB" },
	[LM_PARAM_RATE] = { "a rate", "write a rate per second like 100000, 1M or 2.5k" },
	[LM_PARAM_COLUMN] = { "a column", NULL },
	[LM_PARAM_COLUMNS] = { "a list of columns", NULL },
	[LM_PARAM_EXPR] = { "an expression", NULL },
	[LM_PARAM_LIST] = { "a list", NULL },
	[LM_PARAM_MAP] = { "a mapping", NULL },
};

const char *
setup_keep(struct lm_graph *graph, const char *text, size_t length)
{
	uint32_t count = graph->text_count;

	if ((count & (count - 1)) == 0) {
		size_t room = count == 0 ? 1 : 2 * (size_t)count;
		char **grown = realloc(graph->text, room * sizeof(*grown));

		if (grown == NULL) {
			return NULL;
		}
		graph->text = grown;
	}
	graph->text[count] = strndup(text, length);
	if (graph->text[count] == NULL) {
		return NULL;
	}
	graph->text_count++;
	return graph->text[count];
}

struct parse_unit {
	double factor;
	const char *unit;
};

static const struct parse_unit parse_durations[] = { { 3600e9, "h" }, { 60e9, "m" }, { 1e9, "s" },
	                                             { 1e6, "ms" },   { 1e3, "us" }, { 1, "ns" } };
static const struct parse_unit parse_sizes[] = {
	{ 0x1p40, "TiB" }, { 0x1p30, "GiB" }, { 0x1p20, "MiB" }, { 0x1p10, "KiB" }, { 1, "" }
};

/* A bound as a person would write it: 1000000 ns is 1ms, 65536 bytes are 64KiB. */
static void
parse_print(enum lm_param_type type, double number, char *text, size_t size)
{
	const struct parse_unit *unit = type == LM_PARAM_DURATION ? parse_durations : parse_sizes;

	if ((type == LM_PARAM_DURATION || type == LM_PARAM_SIZE) && number > 0 &&
	    number == floor(number)) {
		while (fmod(number, unit->factor) != 0) {
			unit++; /* the last one divides every whole number */
		}
		snprintf(text, size, "%.0f%s", number / unit->factor, unit->unit);
	} else if (fabs(number) < 1e15 && number == floor(number)) {
		snprintf(text, size, "%.0f", number);
	} else {
		snprintf(text, size, "%g", number);
	}
}

static int
parse_check_bounds(struct lm_setup *setup, const struct setup_value *value)
{
	const struct lm_param *param = value->param;
	bool small = value->f64 < param->min;
	char min[48], max[48], hint[128];

	if ((param->min == 0 && param->max == 0) || (!small && value->f64 <= param->max)) {
		return 0;
	}
	parse_print(param->type, param->min, min, sizeof(min));
	parse_print(param->type, param->max, max, sizeof(max));
	snprintf(hint, sizeof(hint), "it may be %s to %s", min, max);
	return lm_setup_error(setup, param->name, 0, LM_NONE, hint, "%.60s is %s %s",
	                      value->item[0].text, small ? "below" : "above", small ? min : max);
}

static int
parse_choice(struct lm_setup *setup, struct setup_value *value)
{
	const char *const *choices = value->param->choices;
	const char *text = value->item[0].text;
	char hint[200];
	uint32_t count;

	for (count = 0; choices[count] != NULL; count++) {
		if (strcmp(choices[count], text) == 0) {
			value->u64 = count;
			return 0;
		}
	}
	text_hint(text, "choices", choices, count, hint, sizeof(hint));
	return lm_setup_error(setup, value->param->name, 0, LM_NONE, hint,
	                      "\"%.60s\" is not one of its choices", text);
}

/* A rate may be a fraction; its whole number is never 0 then, since 0 may mean "none". */
static int
parse_rate(const char *text, struct setup_value *value)
{
	int rc = text_u64(text, &value->u64);

	if (rc == 0) {
		value->f64 = (double)value->u64;
		return 0;
	}
	rc = text_f64(text, &value->f64);
	if (rc == 0 && (value->f64 < 0 || value->f64 >= 0x1p64)) {
		return value->f64 < 0 ? -EINVAL : -ERANGE;
	}
	if (rc == 0) {
		value->u64 = (uint64_t)ceil(value->f64);
	}
	return rc;
}

static int
parse_number(struct lm_setup *setup, struct setup_value *value)
{
	enum lm_param_type type = value->param->type;
	const char *text = value->item[0].text;
	bool flag = false;
	int rc;

	switch (type) {
	case LM_PARAM_F64:
		rc = text_f64(text, &value->f64);
		break;
	case LM_PARAM_BOOL:
		rc = text_bool(text, &flag);
		value->u64 = flag;
		break;
	case LM_PARAM_RATE:
		rc = parse_rate(text, value);
		break;
	case LM_PARAM_DURATION:
		rc = text_duration(text, &value->u64);
		value->f64 = (double)value->u64;
		break;
	case LM_PARAM_SIZE:
		rc = text_size(text, &value->u64);
		value->f64 = (double)value->u64;
		break;
	default:
		rc = text_u64(text, &value->u64);
		value->f64 = (double)value->u64;
		break;
	}
	if (rc != 0) {
		return lm_setup_error(setup, value->param->name, 0, LM_NONE, parse_forms[type].hint,
		                      rc == -ERANGE ? "\"%.60s\" is too large for %s"
		                                    : "\"%.60s\" is not %s",
		                      text, parse_forms[type].what);
	}
	return type == LM_PARAM_BOOL ? 0 : parse_check_bounds(setup, value);
}

/* Columns may be written as one text, with commas: each becomes an item with a place of its own. */
static int
parse_split(struct lm_setup *setup, struct setup_value *value)
{
	struct setup_item whole = value->item[0];
	bool verbatim = whole.place.length == text_characters(whole.text, strlen(whole.text));
	uint32_t count = 1;

	for (const char *at = whole.text; *at != '\0'; at++) {
		count += *at == ',';
	}
	struct setup_item *items = calloc(count, sizeof(*items));
	if (items == NULL) {
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, NULL, "no memory left");
	}
	const char *at = whole.text;
	for (uint32_t i = 0; i < count; i++) {
		const char *end = at + strcspn(at, ",");
		size_t length;

		at += strspn(at, " \t\n");
		length = at < end ? (size_t)(end - at) : 0;
		while (length > 0 && strchr(" \t\n", at[length - 1]) != NULL) {
			length--;
		}
		items[i] = whole;
		items[i].text = setup_keep(setup->graph, length > 0 ? at : "", length);
		if (items[i].text == NULL) {
			free(items);
			return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, NULL,
			                      "no memory left");
		}
		if (verbatim && length > 0) {
			items[i].place.column +=
			    text_characters(whole.text, (size_t)(at - whole.text));
			items[i].place.length = text_characters(at, length);
		}
		at = *end == ',' ? end + 1 : end;
	}
	free(value->item);
	value->item = items;
	value->item_count = count;
	return 0;
}

/* A list or a mapping where a text belongs, and the like. */
static int
parse_check_shape(struct lm_setup *setup, const struct setup_value *value)
{
	static const char *const shapes[] = { "one value", "a list", "a mapping" };
	enum topology_shape shape = value->given == NULL ? TOPOLOGY_TEXT : value->given->shape;
	enum topology_shape wanted = TOPOLOGY_TEXT;

	if (value->param->type == LM_PARAM_LIST || value->param->type == LM_PARAM_COLUMNS) {
		wanted = TOPOLOGY_LIST;
	} else if (value->param->type == LM_PARAM_MAP) {
		wanted = TOPOLOGY_MAP;
	}
	/* One item is a list of one; a map may do without names: a is {a: a}. */
	if (shape == wanted || (shape == TOPOLOGY_TEXT && wanted == TOPOLOGY_LIST) ||
	    wanted == TOPOLOGY_MAP) {
		return 0;
	}
	static const char *const forms[] = { "VALUE", "[ONE, TWO]", "{NAME: VALUE, OTHER: VALUE}" };
	char hint[120];

	snprintf(hint, sizeof(hint), "write %s: %s", value->param->name, forms[wanted]);
	return lm_setup_error(setup, value->param->name, LM_NONE, LM_NONE, hint,
	                      "it takes %s, not %s", shapes[wanted], shapes[shape]);
}

static int
parse_check_map(struct lm_setup *setup, const struct setup_value *value)
{
	int rc = 0;

	for (uint32_t i = 0; i < value->item_count; i++) {
		if (value->item[i].name == NULL) {
			value->item[i].name = value->item[i].text;
		}
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(value->item[i].name, value->item[j].name) == 0) {
				rc = lm_setup_error(setup, value->param->name, i, LM_NONE,
				                    "keep one of them", "it is given twice");
				break;
			}
		}
	}
	return rc;
}

/* COLUMN, EXPR and the items of COLUMNS need something to stand there. */
static int
parse_check_empty(struct lm_setup *setup, const struct setup_value *value)
{
	if (value->param->required && value->item_count == 0) {
		return lm_setup_error(setup, value->param->name, LM_NONE, LM_NONE,
		                      value->param->summary, "it needs at least one");
	}
	for (uint32_t i = 0; i < value->item_count; i++) {
		if (value->item[i].text[0] == '\0') {
			return lm_setup_error(setup, value->param->name, i, LM_NONE,
			                      value->param->summary, "nothing stands there");
		}
	}
	return 0;
}

int
setup_parse(struct lm_setup *setup, struct setup_value *value)
{
	if (parse_check_shape(setup, value) != 0) {
		return -1;
	}
	switch (value->param->type) {
	case LM_PARAM_TEXT:
		return 0;
	case LM_PARAM_LIST:
		return value->given != NULL && value->given->shape == TOPOLOGY_LIST &&
		               value->item_count > 0
		           ? 0
		           : parse_check_empty(setup, value);
	case LM_PARAM_MAP:
		if (parse_check_map(setup, value) != 0) {
			return -1;
		}
		return value->item_count > 0 && value->given->shape == TOPOLOGY_MAP
		           ? 0
		           : parse_check_empty(setup, value);
	case LM_PARAM_COLUMNS:
		if ((value->given == NULL || value->given->shape == TOPOLOGY_TEXT) &&
		    parse_split(setup, value) != 0) {
			return -1;
		}
		return parse_check_empty(setup, value);
	case LM_PARAM_COLUMN:
	case LM_PARAM_EXPR:
		return parse_check_empty(setup, value);
	case LM_PARAM_CHOICE:
		return parse_choice(setup, value);
	default:
		return parse_number(setup, value);
	}
}
