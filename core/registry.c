/* SPDX-License-Identifier: BSD-3-Clause */
/* Built-in operator classes and groupings by name, and the check that a class table is well formed.
 */
#include "core/registry.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

#define REGISTRY_CLASSES_MAX 256u
#define REGISTRY_GROUPINGS_MAX 64u
#define REGISTRY_PARAMS_MAX 64u
#define REGISTRY_CHOICES_MAX 64u
/* Characters of a text in a table, with its end. */
#define REGISTRY_TEXT_MAX 512u
/* Of a configuration, of a slice's struct: sizes in bytes. Larger things belong into lm_op_alloc.
 */
#define REGISTRY_STRUCT_MAX (64u << 20)

/* In order of name. */
static const struct lm_op_class *registry_class[REGISTRY_CLASSES_MAX];
static uint32_t registry_class_count;
static const struct lm_grouping_function *registry_grouping[REGISTRY_GROUPINGS_MAX];
static uint32_t registry_grouping_count;

/* What `why` points to; good until the next call. */
static char registry_why[200];

static int __attribute__((format(printf, 2, 3))) refuse(int rc, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(registry_why, sizeof(registry_why), format, arguments);
	va_end(arguments);
	return rc;
}

static bool
is_lower_name(const char *name)
{
	if (name == NULL || !text_is_name(name, false) || name[0] == '_') {
		return false;
	}
	return strpbrk(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL;
}

/* Elements of a NULL-ended table (NULL: none), or max + 1 when it does not end. */
static uint32_t
table_count(const char *const *table, uint32_t max)
{
	uint32_t count = 0;

	while (table != NULL && count <= max && table[count] != NULL) {
		count++;
	}
	return count;
}

static int
check_ports(const char *what, const char *const *ports)
{
	uint32_t count = table_count(ports, LM_PORTS_MAX);

	if (count > LM_PORTS_MAX) {
		return refuse(-EINVAL, "more than %u %ss, or no NULL ends them", LM_PORTS_MAX,
		              what);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!is_lower_name(ports[i])) {
			return refuse(-EINVAL, "%s %u: \"%.40s\" is not a name [a-z][a-z0-9_]*",
			              what, i, ports[i]);
		}
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(ports[i], ports[j]) == 0) {
				return refuse(-EINVAL, "%s \"%s\" is there twice", what, ports[i]);
			}
		}
	}
	return 0;
}

static int
check_drops(const char *const *drops)
{
	uint32_t count = table_count(drops, LM_DROPS_MAX);

	if (count > LM_DROPS_MAX) {
		return refuse(-EINVAL, "more than %u drop reasons, or no NULL ends them",
		              LM_DROPS_MAX);
	}
	for (uint32_t i = 0; i < count; i++) {
		size_t length = strnlen(drops[i], 64);

		if (length == 0 || length == 64) {
			return refuse(-EINVAL, "drop reason %u is empty or too long", i);
		}
	}
	return 0;
}

static int
check_choices(const struct lm_param *param)
{
	uint32_t count = table_count(param->choices, REGISTRY_CHOICES_MAX);

	if (count == 0 || count > REGISTRY_CHOICES_MAX) {
		return refuse(-EINVAL, "parameter \"%s\" needs 1 to %u choices, ended by NULL",
		              param->name, REGISTRY_CHOICES_MAX);
	}
	return 0;
}

static bool
needs_schema(enum lm_param_type type)
{
	return type == LM_PARAM_COLUMN || type == LM_PARAM_COLUMNS || type == LM_PARAM_EXPR;
}

static int
check_param(const struct lm_op_class *class, const struct lm_param *param)
{
	/* What every operator has in a topology file. */
	static const char *const reserved[] = { "type", "input", "inputs", "slices", "lcores" };

	if (!is_lower_name(param->name)) {
		return refuse(-EINVAL, "parameter \"%.40s\" is not a name [a-z][a-z0-9_]*",
		              param->name);
	}
	for (uint32_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (strcmp(param->name, reserved[i]) == 0) {
			return refuse(-EINVAL, "parameter \"%s\" has a reserved name", param->name);
		}
	}
	if ((unsigned int)param->type > LM_PARAM_MAP) {
		return refuse(-EINVAL, "parameter \"%s\" is of no known type", param->name);
	}
	if (param->required && param->fallback != NULL) {
		return refuse(-EINVAL, "parameter \"%s\" is required and has a fallback",
		              param->name);
	}
	if (param->type == LM_PARAM_MAP && param->fallback != NULL) {
		return refuse(-EINVAL, "parameter \"%s\": a map has no fallback", param->name);
	}
	if (param->fallback != NULL &&
	    strnlen(param->fallback, REGISTRY_TEXT_MAX) == REGISTRY_TEXT_MAX) {
		return refuse(-EINVAL, "parameter \"%s\": the fallback is too long", param->name);
	}
	if (!(param->min <= param->max)) {
		return refuse(-EINVAL, "parameter \"%s\": min is above max", param->name);
	}
	if (needs_schema(param->type) && table_count(class->inputs, 1) == 0) {
		return refuse(-EINVAL, "parameter \"%s\" is about an input, which a source lacks",
		              param->name);
	}
	return param->type == LM_PARAM_CHOICE ? check_choices(param) : 0;
}

static int
check_params(const struct lm_op_class *class)
{
	for (uint32_t i = 0; class->params != NULL && class->params[i].name != NULL; i++) {
		if (i == REGISTRY_PARAMS_MAX) {
			return refuse(-EINVAL, "more than %u parameters, or no NULL name ends them",
			              REGISTRY_PARAMS_MAX);
		}
		int rc = check_param(class, &class->params[i]);
		if (rc != 0) {
			return rc;
		}
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(class->params[i].name, class->params[j].name) == 0) {
				return refuse(-EINVAL, "parameter \"%s\" is there twice",
				              class->params[i].name);
			}
		}
	}
	return 0;
}

static int
check_source(const struct lm_op_class *class)
{
	if (class->poll == NULL || class->process != NULL || class->process_select != NULL) {
		return refuse(-EINVAL, "without inputs it is a source: it needs poll, not process");
	}
	if (class->rows != LM_ROWS_SOURCE) {
		return refuse(-EINVAL, "without inputs it is a source: rows must be "
		                       "LM_ROWS_SOURCE");
	}
	if (table_count(class->outputs, 1) == 0 || class->configure == NULL) {
		return refuse(-EINVAL, "a source needs an output, and configure to declare it");
	}
	return 0;
}

static int
check_functions(const struct lm_op_class *class)
{
	if (table_count(class->inputs, 1) == 0) {
		return check_source(class);
	}
	if (class->process == NULL || class->poll != NULL) {
		return refuse(-EINVAL, "with inputs it needs process, not poll");
	}
	if ((unsigned int)class->rows > LM_ROWS_SPLIT || class->rows == LM_ROWS_SOURCE) {
		return refuse(-EINVAL, "with inputs, rows must be LM_ROWS_PASS, ABSORB or SPLIT");
	}
	if (class->rows == LM_ROWS_PASS && table_count(class->outputs, 1) == 0) {
		return refuse(-EINVAL, "LM_ROWS_PASS needs an output; a sink is LM_ROWS_ABSORB");
	}
	if ((class->flags & LM_OP_DELAYS) != 0 && class->hold == NULL) {
		return refuse(-EINVAL, "LM_OP_DELAYS needs hold, to tell what waits");
	}
	return 0;
}

static int
check_abi(const struct lm_op_class *class)
{
	uint32_t major = class->abi_version >> 16, minor = class->abi_version & 0xffffu;

	if (major != LM_ABI_MAJOR || minor > LM_ABI_MINOR) {
		return refuse(-EINVAL, "it is of ABI %u.%u, this engine has %u.%u", major, minor,
		              LM_ABI_MAJOR, LM_ABI_MINOR);
	}
	return 0;
}

/* Nothing past abi_version is read before that is known to be right. */
static int
check_class(const struct lm_op_class *class)
{
	int rc;

	if (class == NULL) {
		return refuse(-EINVAL, "there is no class table");
	}
	rc = check_abi(class);
	if (rc != 0) {
		return rc;
	}
	if (!is_lower_name(class->name)) {
		return refuse(-EINVAL, "\"%.40s\" is not a name [a-z][a-z0-9_]*",
		              class->name == NULL ? "" : class->name);
	}
	if (class->config_size > REGISTRY_STRUCT_MAX || class->context_size > REGISTRY_STRUCT_MAX) {
		return refuse(-EINVAL, "config_size or context_size is above %u MiB",
		              REGISTRY_STRUCT_MAX >> 20);
	}
	rc = check_ports("input", class->inputs);
	if (rc == 0) {
		rc = check_ports("output", class->outputs);
	}
	if (rc == 0) {
		rc = check_drops(class->drops);
	}
	if (rc == 0) {
		rc = check_functions(class);
	}
	return rc == 0 ? check_params(class) : rc;
}

/* Where `name` stands among the classes, or would stand. */
static uint32_t
class_index(const char *name, bool *found)
{
	uint32_t at = 0;
	int order = 1;

	while (at < registry_class_count) {
		order = strcmp(name, registry_class[at]->name);
		if (order <= 0) {
			break;
		}
		at++;
	}
	*found = at < registry_class_count && order == 0;
	return at;
}

/* Bytes of a table of a minor. */
static size_t
class_length(uint32_t minor)
{
	static const size_t length[] = { offsetof(struct lm_op_class, serialize),
		                         offsetof(struct lm_op_class, prepare),
		                         offsetof(struct lm_op_class, give) };

	return minor < LM_ABI_MINOR ? length[minor] : sizeof(struct lm_op_class);
}

/* What its minor did not know is absent. */
const struct lm_op_class *
registry_at_length(const struct lm_op_class *class, struct lm_op_class *room)
{
	if ((class->abi_version & 0xffffu) == LM_ABI_MINOR) {
		return class;
	}
	memset(room, 0, sizeof(*room));
	memcpy(room, class, class_length(class->abi_version & 0xffffu));
	return room;
}

int
registry_check(const struct lm_op_class *class, const char **why)
{
	*why = registry_why;
	return check_class(class);
}

int
registry_add(const struct lm_op_class *class, const char **why)
{
	uint32_t at;
	bool found;
	int rc;

	*why = registry_why;
	rc = check_class(class);
	if (rc != 0) {
		return rc;
	}
	at = class_index(class->name, &found);
	if (found) {
		return refuse(-EEXIST, "there is already an operator type \"%s\"", class->name);
	}
	if (registry_class_count == REGISTRY_CLASSES_MAX) {
		return refuse(-E2BIG, "there are already %u operator types", REGISTRY_CLASSES_MAX);
	}
	memmove(&registry_class[at + 1], &registry_class[at],
	        (registry_class_count - at) * sizeof(registry_class[0]));
	registry_class[at] = class;
	registry_class_count++;
	return 0;
}

const struct lm_op_class *
registry_find(const char *name)
{
	bool found;
	uint32_t at = class_index(name, &found);

	return found ? registry_class[at] : NULL;
}

const struct lm_op_class *
registry_at(uint32_t index)
{
	return index < registry_class_count ? registry_class[index] : NULL;
}

const char *
registry_nearest(const char *name)
{
	const char *names[REGISTRY_CLASSES_MAX];

	for (uint32_t i = 0; i < registry_class_count; i++) {
		names[i] = registry_class[i]->name;
	}
	return text_nearest(name, names, registry_class_count);
}

void
registry_remove(const struct lm_op_class *class)
{
	for (uint32_t i = 0; i < registry_class_count; i++) {
		if (registry_class[i] == class) {
			registry_class_count--;
			memmove(&registry_class[i], &registry_class[i + 1],
			        (registry_class_count - i) * sizeof(registry_class[0]));
			return;
		}
	}
}

static uint32_t
grouping_index(const char *name)
{
	uint32_t at = 0;

	while (at < registry_grouping_count && strcmp(registry_grouping[at]->name, name) != 0) {
		at++;
	}
	return at;
}

int
registry_check_grouping(const struct lm_grouping_function *grouping, const char **why)
{
	*why = registry_why;
	if (grouping == NULL || !is_lower_name(grouping->name)) {
		return refuse(-EINVAL, "a grouping needs a name [a-z][a-z0-9_]*");
	}
	if (grouping->destinations == NULL) {
		return refuse(-EINVAL, "grouping \"%s\" has no function", grouping->name);
	}
	return 0;
}

int
registry_add_grouping(const struct lm_grouping_function *grouping, const char **why)
{
	int rc = registry_check_grouping(grouping, why);

	if (rc != 0) {
		return rc;
	}
	if (grouping_index(grouping->name) < registry_grouping_count) {
		return refuse(-EEXIST, "there is already a grouping \"%s\"", grouping->name);
	}
	if (registry_grouping_count == REGISTRY_GROUPINGS_MAX) {
		return refuse(-E2BIG, "there are already %u groupings", REGISTRY_GROUPINGS_MAX);
	}
	registry_grouping[registry_grouping_count++] = grouping;
	return 0;
}

graph_custom_fn *
registry_find_grouping(const char *name)
{
	uint32_t at = grouping_index(name);

	return at < registry_grouping_count ? registry_grouping[at]->destinations : NULL;
}

const char *
registry_nearest_grouping(const char *name)
{
	const char *names[REGISTRY_GROUPINGS_MAX];

	for (uint32_t i = 0; i < registry_grouping_count; i++) {
		names[i] = registry_grouping[i]->name;
	}
	return text_nearest(name, names, registry_grouping_count);
}

void
registry_remove_grouping(const struct lm_grouping_function *grouping)
{
	for (uint32_t i = 0; i < registry_grouping_count; i++) {
		if (registry_grouping[i] == grouping) {
			registry_grouping[i] = registry_grouping[--registry_grouping_count];
			return;
		}
	}
}
