/* SPDX-License-Identifier: BSD-3-Clause */
/* Checking calls of the control interface against the tables made from its schema. */
#include "mgmt/rpc_decode.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "mgmt/text_table.h"

#define MEMBERS_MAX 8u

static const char *const members[] = { "jsonrpc", "id", "method", "params" };

bool
rpc_refuse(struct rpc_error *error, enum control_error code, const char *field, const char *hint,
           const char *format, ...)
{
	va_list args;

	error->code = code;
	snprintf(error->field, sizeof(error->field), "%s", field);
	snprintf(error->hint, sizeof(error->hint), "%s", hint);
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	/* Cut in the middle of a character, it would be no text any more. */
	text_clean(error->field);
	text_clean(error->hint);
	text_clean(error->message);
	return false;
}

static const char *
type_text(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a text";
	case JSON_INTEGER:
		return "a whole number";
	case JSON_REAL:
		return "a number that is not whole";
	case JSON_NULL:
		return "null";
	default:
		return "true or false";
	}
}

static const char *
method_names(const char **names)
{
	for (uint32_t i = 0; i < CONTROL_METHOD_COUNT; i++) {
		names[i] = control_methods[i].name;
	}
	return "methods";
}

/* The field of a parameter, for people. */
static void
param_field(char *field, size_t size, const char *name)
{
	snprintf(field, size, "params.%.60s", name);
}

static bool
wrong_type(struct rpc_error *error, const struct rpc_param *param, const json_t *value,
           const char *wanted)
{
	char field[96];

	param_field(field, sizeof(field), param->name);
	return rpc_refuse(error, CONTROL_ERROR_BAD_PARAMS, field, wanted, "%s is %s", field,
	                  type_text(value));
}

static bool
take_integer(void *to, const struct rpc_param *param, const json_t *value, struct rpc_error *error)
{
	char wanted[128], field[96];
	uint64_t number;

	snprintf(wanted, sizeof(wanted), "give a whole number from %" PRIu64 " to %" PRIu64,
	         param->min, param->max);
	if (!json_is_integer(value)) {
		return wrong_type(error, param, value, wanted);
	}
	number = (uint64_t)json_integer_value(value);
	if (json_integer_value(value) < 0 || number < param->min || number > param->max) {
		param_field(field, sizeof(field), param->name);
		return rpc_refuse(error, CONTROL_ERROR_BAD_PARAMS, field, wanted,
		                  "%s is %" JSON_INTEGER_FORMAT ", out of bounds", field,
		                  json_integer_value(value));
	}
	memcpy(to, &number, sizeof(number));
	return true;
}

static bool
take_text(void *to, const struct rpc_param *param, const json_t *value, struct rpc_error *error)
{
	char field[96], wanted[128];

	snprintf(wanted, sizeof(wanted), "give a text of at most %u bytes", param->size - 1);
	if (!json_is_string(value)) {
		return wrong_type(error, param, value, wanted);
	}
	if (json_string_length(value) >= param->size) {
		param_field(field, sizeof(field), param->name);
		return rpc_refuse(error, CONTROL_ERROR_BAD_PARAMS, field, wanted, "%s is too long",
		                  field);
	}
	memcpy(to, json_string_value(value), json_string_length(value) + 1);
	return true;
}

static bool
take_set(void *to, const struct rpc_param *param, const json_t *value, struct rpc_error *error)
{
	char field[96], hint[200];
	uint64_t bits = 0;
	const json_t *item;
	size_t i;

	if (!json_is_array(value)) {
		return wrong_type(error, param, value, "give a list of texts");
	}
	json_array_foreach(value, i, item)
	{
		const char *text = json_is_string(item) ? json_string_value(item) : "";
		uint32_t at = 0;

		while (at < param->value_count && strcmp(param->values[at], text) != 0) {
			at++;
		}
		if (at == param->value_count) {
			param_field(field, sizeof(field), param->name);
			return rpc_refuse(error, CONTROL_ERROR_BAD_PARAMS, field,
			                  text_hint(text, "values", param->values,
			                            param->value_count, hint, sizeof(hint)),
			                  "%s: there is no \"%.60s\"", field, text);
		}
		bits |= UINT64_C(1) << at;
	}
	memcpy(to, &bits, sizeof(bits));
	return true;
}

static bool
take_param(void *to, const struct rpc_param *param, const json_t *value, struct rpc_error *error)
{
	bool flag = json_is_true(value);

	switch (param->type) {
	case RPC_INTEGER:
		return take_integer(to, param, value, error);
	case RPC_TEXT:
		return take_text(to, param, value, error);
	case RPC_SET:
		return take_set(to, param, value, error);
	case RPC_FLAG:
		break;
	}
	if (!json_is_boolean(value)) {
		return wrong_type(error, param, value, "give true or false");
	}
	memcpy(to, &flag, sizeof(flag));
	return true;
}

static void
set_default(void *to, const struct rpc_param *param)
{
	bool flag = param->initial != 0;

	if (param->type == RPC_TEXT) {
		assert(strlen(param->text) < param->size);
		memcpy(to, param->text, strlen(param->text) + 1);
	} else if (param->type == RPC_FLAG) {
		memcpy(to, &flag, sizeof(flag));
	} else {
		memcpy(to, &param->initial, sizeof(param->initial));
	}
}

/* Names that the method does not know. */
static bool
check_names(const struct rpc_method *method, const json_t *params, struct rpc_error *error)
{
	const char *names[MEMBERS_MAX];
	char field[96], hint[200];
	const char *key;
	const json_t *value;

	assert(method->param_count <= MEMBERS_MAX);
	for (uint32_t i = 0; i < method->param_count; i++) {
		names[i] = method->params[i].name;
	}
	json_object_foreach((json_t *)params, key, value)
	{
		uint32_t i = 0;

		while (i < method->param_count && strcmp(names[i], key) != 0) {
			i++;
		}
		if (i < method->param_count) {
			continue;
		}
		param_field(field, sizeof(field), key);
		snprintf(hint, sizeof(hint), "%s takes none", method->name);
		if (method->param_count > 0) {
			text_hint(key, "parameters", names, method->param_count, hint,
			          sizeof(hint));
		}
		return rpc_refuse(error, CONTROL_ERROR_BAD_PARAMS, field, hint,
		                  "%s has no parameter \"%.60s\"", method->name, key);
	}
	return true;
}

static bool
missing(const struct rpc_method *method, const struct rpc_param *param, struct rpc_error *error)
{
	char field[96], hint[128];

	param_field(field, sizeof(field), param->name);
	snprintf(hint, sizeof(hint), "%s cannot do without; see describe", method->name);
	return rpc_refuse(error, CONTROL_ERROR_BAD_PARAMS, field, hint, "%s is missing", field);
}

static bool
take_params(struct rpc_call *call, const json_t *params, struct rpc_error *error)
{
	const struct rpc_method *method = &control_methods[call->method];

	if (params != NULL && !json_is_object(params)) {
		return rpc_refuse(error, CONTROL_ERROR_BAD_PARAMS, "params",
		                  "give an object, by name: {\"deadline_ms\": 5000}",
		                  "params is %s", type_text(params));
	}
	if (params != NULL && !check_names(method, params, error)) {
		return false;
	}
	for (uint32_t i = 0; i < method->param_count; i++) {
		const struct rpc_param *param = &method->params[i];
		const json_t *value = json_object_get(params, param->name);
		void *to = (char *)&call->params + param->offset;

		if (value == NULL && param->is_required) {
			return missing(method, param, error);
		}
		set_default(to, param);
		if (value != NULL && !take_param(to, param, value, error)) {
			return false;
		}
	}
	return true;
}

/* The id first, so that whatever else is wrong is answered under it. */
static bool
take_id(struct rpc_call *call, const json_t *object, struct rpc_error *error)
{
	json_t *id = json_object_get(object, "id");

	call->is_silent = id == NULL;
	if (id == NULL || json_is_integer(id) || json_is_null(id) ||
	    (json_is_string(id) && json_string_length(id) <= RPC_ID_MAX)) {
		call->id = json_incref(id);
		return true;
	}
	return rpc_refuse(error, CONTROL_ERROR_INVALID, "id",
	                  "give a whole number or a text of at most 128 bytes", "id is %s",
	                  json_is_string(id) ? "too long" : type_text(id));
}

static bool
check_members(const json_t *object, struct rpc_error *error)
{
	const json_t *version = json_object_get(object, "jsonrpc");
	const char *key;
	const json_t *value;
	char hint[200];

	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0) {
		return rpc_refuse(error, CONTROL_ERROR_INVALID, "jsonrpc",
		                  "give \"jsonrpc\": \"2.0\"", "it is no call of JSON-RPC 2.0");
	}
	json_object_foreach((json_t *)object, key, value)
	{
		uint32_t i = 0;

		while (i < 4 && strcmp(members[i], key) != 0) {
			i++;
		}
		if (i == 4) {
			return rpc_refuse(error, CONTROL_ERROR_INVALID, key,
			                  text_hint(key, "members", members, 4, hint, sizeof(hint)),
			                  "a call has no member \"%.60s\"", key);
		}
	}
	return true;
}

static bool
take_method(struct rpc_call *call, const json_t *object, struct rpc_error *error)
{
	const char *names[CONTROL_METHOD_COUNT];
	const char *what = method_names(names);
	const json_t *method = json_object_get(object, "method");
	char hint[200];

	if (!json_is_string(method)) {
		return rpc_refuse(error, CONTROL_ERROR_INVALID, "method",
		                  "give \"method\": \"status\"; describe lists them",
		                  "method is %s", method == NULL ? "missing" : type_text(method));
	}
	for (uint32_t i = 0; i < CONTROL_METHOD_COUNT; i++) {
		if (strcmp(names[i], json_string_value(method)) == 0) {
			call->method = (enum control_method)i;
			return true;
		}
	}
	return rpc_refuse(error, CONTROL_ERROR_UNKNOWN_METHOD, "method",
	                  text_hint(json_string_value(method), what, names, CONTROL_METHOD_COUNT,
	                            hint, sizeof(hint)),
	                  "there is no method \"%.60s\"", json_string_value(method));
}

bool
rpc_decode(const char *line, size_t size, struct rpc_call *call, struct rpc_error *error)
{
	json_error_t at;
	json_t *object;
	bool good;

	assert(size < RPC_LINE_MAX);
	memset(call, 0, sizeof(*call));
	memset(error, 0, sizeof(*error));
	object = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at);
	if (object == NULL) {
		return rpc_refuse(error, CONTROL_ERROR_PARSE, "",
		                  "send one JSON object per line, with a newline behind it",
		                  "no JSON at column %d: %.150s", at.column, at.text);
	}
	if (!json_is_object(object)) {
		good = rpc_refuse(error, CONTROL_ERROR_INVALID, "",
		                  "send one object per line; batches are not taken, calls may "
		                  "follow each other without waiting",
		                  "a call is an object, this is %s", type_text(object));
	} else {
		good = take_id(call, object, error) && check_members(object, error) &&
		       take_method(call, object, error) &&
		       take_params(call, json_object_get(object, "params"), error);
	}
	/* Who sent what is no call waits for an answer. */
	if (!good && error->code == CONTROL_ERROR_INVALID) {
		call->is_silent = false;
	}
	json_decref(object);
	return good;
}

void
rpc_call_free(struct rpc_call *call)
{
	json_decref(call->id);
	call->id = NULL;
}
