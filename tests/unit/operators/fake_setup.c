/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake engine's control side: parameters from a table of texts, schemas of the outputs. */
#include "tests/unit/operators/fake_op.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/registry.h"
#include "core/text.h"

struct lm_setup {
	struct fake_operator *subject;
};

struct fake_failure fake_failure;

static const struct lm_param *setup_find(const struct lm_op_class *class, const char *name);

int
lm_setup_error(struct lm_setup *setup, const char *param, uint32_t item, uint32_t column,
               const char *hint, const char *format, ...)
{
	va_list args;

	/* The real one looks it up, to point at its place. */
	assert_true(param == NULL || fake_failure.count > 0 ||
	            setup_find(setup->subject->class, param) != NULL);
	fake_failure.count++;
	fake_failure.item = item;
	fake_failure.column = column;
	snprintf(fake_failure.param, sizeof(fake_failure.param), "%s", param == NULL ? "" : param);
	snprintf(fake_failure.hint, sizeof(fake_failure.hint), "%s", hint == NULL ? "" : hint);
	va_start(args, format);
	vsnprintf(fake_failure.message, sizeof(fake_failure.message), format, args);
	va_end(args);
	return -1;
}

static const struct lm_param *
setup_find(const struct lm_op_class *class, const char *name)
{
	for (const struct lm_param *p = class->params; p != NULL && p->name != NULL; p++) {
		if (strcmp(p->name, name) == 0) {
			return p;
		}
	}
	return NULL;
}

static const struct lm_param *
setup_param(const struct lm_setup *setup, const char *name)
{
	const struct lm_param *param = setup_find(setup->subject->class, name);

	if (param == NULL) {
		fail_msg("%s asks for a parameter that its table lacks: %s",
		         setup->subject->class->name, name);
	}
	return param;
}

/* The item at `index` of a parameter, or NULL. */
static const struct fake_param *
setup_given(const struct lm_setup *setup, const char *name, uint32_t index)
{
	for (const struct fake_param *p = setup->subject->params; p != NULL && p->name != NULL;
	     p++) {
		if (strcmp(p->name, name) == 0 && index-- == 0) {
			return p;
		}
	}
	return NULL;
}

bool
lm_setup_has(const struct lm_setup *setup, const char *name)
{
	return setup_given(setup, name, 0) != NULL || setup_param(setup, name)->fallback != NULL;
}

const char *
lm_setup_text(const struct lm_setup *setup, const char *name)
{
	const struct fake_param *given = setup_given(setup, name, 0);

	return given != NULL ? given->text : setup_param(setup, name)->fallback;
}

static int
setup_number(const struct lm_param *param, const char *text, uint64_t *whole, double *real)
{
	int result;

	*whole = 0;
	switch (param->type) {
	case LM_PARAM_DURATION:
		result = text_duration(text, whole);
		break;
	case LM_PARAM_SIZE:
		result = text_size(text, whole);
		break;
	case LM_PARAM_F64:
		return text_f64(text, real);
	case LM_PARAM_RATE:
		if (text_u64(text, whole) == 0) {
			*real = (double)*whole;
			return 0;
		}
		result = text_f64(text, real);
		*whole = result == 0 && *real > 0 ? (uint64_t)*real : 0;
		return result;
	default:
		result = text_u64(text, whole);
		break;
	}
	*real = (double)*whole;
	return result;
}

uint64_t
lm_setup_u64(const struct lm_setup *setup, const char *name)
{
	const char *text = lm_setup_text(setup, name);
	uint64_t whole = 0;
	double real;

	if (text != NULL) {
		setup_number(setup_param(setup, name), text, &whole, &real);
	}
	return whole;
}

double
lm_setup_f64(const struct lm_setup *setup, const char *name)
{
	const char *text = lm_setup_text(setup, name);
	uint64_t whole;
	double real = 0;

	if (text != NULL) {
		setup_number(setup_param(setup, name), text, &whole, &real);
	}
	return real;
}

bool
lm_setup_bool(const struct lm_setup *setup, const char *name)
{
	const char *text = lm_setup_text(setup, name);
	bool value = false;

	if (text != NULL) {
		text_bool(text, &value);
	}
	return value;
}

static uint32_t
setup_choice(const struct lm_param *param, const char *text)
{
	for (uint32_t i = 0; param->choices[i] != NULL; i++) {
		if (strcmp(param->choices[i], text) == 0) {
			return i;
		}
	}
	return LM_NONE;
}

uint32_t
lm_setup_choice(const struct lm_setup *setup, const char *name)
{
	const char *text = lm_setup_text(setup, name);

	return text == NULL ? 0 : setup_choice(setup_param(setup, name), text);
}

uint32_t
lm_setup_column(const struct lm_setup *setup, const char *name)
{
	const char *text = lm_setup_text(setup, name);

	return text == NULL ? LM_NONE : lm_schema_find(setup->subject->input[0], text);
}

uint32_t
lm_setup_count(const struct lm_setup *setup, const char *name)
{
	uint32_t count = 0;

	while (setup_given(setup, name, count) != NULL) {
		if (setup_given(setup, name, count)->text == NULL) {
			return count;
		}
		count++;
	}
	return count == 0 && setup_param(setup, name)->fallback != NULL ? 1 : count;
}

const char *
lm_setup_item(const struct lm_setup *setup, const char *name, uint32_t index)
{
	const struct fake_param *given = setup_given(setup, name, index);

	assert_true(index < lm_setup_count(setup, name));
	return given != NULL ? given->text : setup_param(setup, name)->fallback;
}

uint32_t
lm_setup_item_column(const struct lm_setup *setup, const char *name, uint32_t index)
{
	return lm_schema_find(setup->subject->input[0], lm_setup_item(setup, name, index));
}

const char *
lm_setup_item_name(const struct lm_setup *setup, const char *name, uint32_t index)
{
	const struct fake_param *given = setup_given(setup, name, index);

	assert_non_null(given);
	return given->key;
}

const struct lm_schema *
lm_setup_input(const struct lm_setup *setup, uint32_t input)
{
	assert_true(input < setup->subject->input_count);
	return setup->subject->input[input];
}

uint32_t
lm_setup_slices(const struct lm_setup *setup)
{
	return setup->subject->slices;
}

void
lm_setup_keys(struct lm_setup *setup, uint64_t keys)
{
	(void)setup;
	assert_true(keys > 0);
}

void
lm_setup_trait(struct lm_setup *setup, uint32_t traits)
{
	(void)setup;
	assert_true(traits != 0);
}

int
lm_setup_output(struct lm_setup *setup, uint32_t output, const struct lm_field *fields,
                uint32_t count)
{
	struct fake_operator *subject = setup->subject;
	int result;

	assert_true(output < subject->output_count);
	assert_false(subject->declared[output]);
	result = lm_schema_init(&subject->output[output], fields, count, LM_BATCH_ROWS);
	if (result != 0) {
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, NULL,
		                      "the schema of output %u cannot be laid out: %s", output,
		                      strerror(-result));
	}
	subject->declared[output] = true;
	return 0;
}

int
lm_setup_output_like(struct lm_setup *setup, uint32_t output, const struct lm_schema *schema)
{
	assert_true(output < setup->subject->output_count);
	assert_false(setup->subject->declared[output]);
	setup->subject->output[output] = *schema;
	setup->subject->declared[output] = true;
	return 0;
}

/* One value against its row in the table of parameters. */
static int
setup_check_value(struct lm_setup *setup, const struct lm_param *param, const char *text,
                  uint32_t item)
{
	uint64_t whole;
	double real = 0;
	bool flag;
	int result = 0;

	switch (param->type) {
	case LM_PARAM_U64:
	case LM_PARAM_F64:
	case LM_PARAM_DURATION:
	case LM_PARAM_SIZE:
	case LM_PARAM_RATE:
		result = setup_number(param, text, &whole, &real);
		if (result == 0 && (param->min != 0 || param->max != 0) &&
		    (real < param->min || real > param->max)) {
			result = -ERANGE;
		}
		break;
	case LM_PARAM_BOOL:
		result = text_bool(text, &flag);
		break;
	case LM_PARAM_CHOICE:
		result = setup_choice(param, text) == LM_NONE ? -EINVAL : 0;
		break;
	case LM_PARAM_COLUMN:
	case LM_PARAM_COLUMNS:
		result = lm_schema_find(setup->subject->input[0], text) == LM_NONE ? -EINVAL : 0;
		break;
	default:
		break;
	}
	return result == 0 ? 0
	                   : lm_setup_error(setup, param->name, item, LM_NONE, NULL,
	                                    "\"%s\" is not a value of %s: %s", text, param->name,
	                                    strerror(-result));
}

static int
setup_check(struct lm_setup *setup)
{
	const struct lm_op_class *class = setup->subject->class;
	int result = 0;

	for (const struct fake_param *g = setup->subject->params; g != NULL && g->name != NULL;
	     g++) {
		const struct lm_param *param = setup_find(class, g->name);

		if (param == NULL) {
			result = lm_setup_error(setup, g->name, LM_NONE, LM_NONE, NULL,
			                        "no parameter \"%s\"", g->name);
		} else if (g->text != NULL &&
		           setup_check_value(setup, param, g->text, LM_NONE) != 0) {
			result = -1;
		}
	}
	for (const struct lm_param *p = class->params; p != NULL && p->name != NULL; p++) {
		if (p->required && setup_given(setup, p->name, 0) == NULL) {
			result = lm_setup_error(setup, p->name, LM_NONE, LM_NONE, NULL,
			                        "parameter \"%s\" is missing", p->name);
		} else if (p->fallback != NULL) {
			assert_int_equal(setup_check_value(setup, p, p->fallback, LM_NONE), 0);
		}
	}
	return result;
}

static uint32_t
setup_names(const char *const *names)
{
	uint32_t count = 0;

	while (names != NULL && names[count] != NULL) {
		count++;
	}
	return count;
}

const struct lm_op_class *
fake_class(const char *name)
{
	const struct lm_op_class *class = registry_find(name);

	if (class == NULL) {
		fail_msg("no class \"%s\" is registered", name);
	}
	return class;
}

struct fake_operator *
fake_configure(const struct lm_op_class *class, const struct fake_param *params,
               const struct lm_schema *const *inputs, uint32_t slices)
{
	struct fake_operator *subject = calloc(1, sizeof(*subject));
	struct lm_setup setup = { subject };
	int result;

	memset(&fake_failure, 0, sizeof(fake_failure));
	assert_non_null(subject);
	subject->class = class;
	subject->params = params;
	subject->slices = slices;
	subject->input_count = setup_names(class->inputs);
	subject->output_count = setup_names(class->outputs);
	assert_true(subject->input_count <= LM_PORTS_MAX);
	assert_true(subject->output_count <= LM_PORTS_MAX);
	for (uint32_t i = 0; i < subject->input_count; i++) {
		assert_non_null(inputs[i]);
		subject->input[i] = inputs[i];
	}
	subject->config = calloc(1, class->config_size + 1);
	assert_non_null(subject->config);
	result = setup_check(&setup);
	if (result == 0 && class->configure != NULL) {
		result = class->configure(&setup, subject->config);
	}
	if (result != 0) {
		/* A failed configure says why, and has cleaned up after itself. */
		assert_int_equal(result, -1);
		assert_true(fake_failure.count > 0);
		free(subject->config);
		free(subject);
		return NULL;
	}
	assert_int_equal(fake_failure.count, 0);
	for (uint32_t o = 0; o < subject->output_count; o++) {
		if (!subject->declared[o]) {
			assert_true(subject->input_count > 0);
			subject->output[o] = *subject->input[0];
		}
	}
	return subject;
}

struct fake_operator *
fake_make(const char *class, const struct fake_param *params, const struct lm_schema *input,
          uint32_t slices)
{
	struct fake_operator *subject = fake_configure(fake_class(class), params, &input, slices);

	if (subject == NULL) {
		fail_msg("%s: %s", fake_failure.param, fake_failure.message);
	}
	return subject;
}

void
fake_unconfigure(struct fake_operator *subject)
{
	if (subject == NULL) {
		return;
	}
	if (subject->class->unconfigure != NULL) {
		subject->class->unconfigure(subject->config);
	}
	free(subject->config);
	free(subject);
}
