/* SPDX-License-Identifier: BSD-3-Clause */
/* Replacing ${NAME} in the texts of a topology file. */
#include "mgmt/config_vars.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

/* Characters of a text with its variables replaced, and of all of them: at most. */
#define VARS_TEXT_MAX 65536u
#define VARS_TOTAL_MAX (4u << 20)

struct vars {
	const char *const *set;
	struct lm_errors *errors;
	struct config_node *node;
	char *out;
	size_t used, total;
};

/* The value of the variable, or NULL. */
static const char *
vars_find(const char *const *set, const char *name, size_t length)
{
	const char *value = NULL;

	for (; set != NULL && *set != NULL; set++) {
		if (strncmp(*set, name, length) == 0 && (*set)[length] == '=') {
			value = *set + length + 1;
		}
	}
	return value;
}

/* The place of `length` bytes at byte `at` of the node's text, where it stands letter by letter. */
static struct lm_place
vars_place(const struct config_node *node, size_t at, size_t length)
{
	struct lm_place place = node->place;

	if (place.length == text_characters(node->text, strlen(node->text))) {
		place.column += text_characters(node->text, at);
		place.length = text_characters(node->text + at, length);
	}
	return place;
}

static void
vars_fail(struct vars *vars, size_t at, size_t length, const char *hint, const char *message)
{
	lm_errors_add(vars->errors, vars_place(vars->node, at, length), hint, "%s", message);
	vars->node->broken = true;
}

static void
vars_put(struct vars *vars, const char *text, size_t length)
{
	if (length > VARS_TEXT_MAX - 1 - vars->used || length > VARS_TOTAL_MAX - vars->total) {
		if (!vars->node->broken) {
			vars_fail(vars, 0, 0, "set shorter values",
			          "too long with its variables replaced");
		}
		return;
	}
	memcpy(vars->out + vars->used, text, length);
	vars->used += length;
	vars->total += length;
}

/* "${NAME}" or "${NAME:-what else}" at byte `at`; returns where it ends. */
static size_t
vars_replace(struct vars *vars, size_t at)
{
	const char *text = vars->node->text, *name = text + at + 2, *value;
	const char *close = strchr(name, '}');
	char hint[160], message[100];
	size_t length = 0, whole;

	if (close == NULL) {
		vars_fail(vars, at, 2, "close it with }, or write $${ for the characters ${",
		          "a variable without its }");
		return strlen(text);
	}
	whole = (size_t)(close + 1 - (text + at));
	while (isalnum((unsigned char)name[length]) || name[length] == '_') {
		length++;
	}
	if (length == 0 || length > 60 || isdigit((unsigned char)name[0]) ||
	    (name + length != close && strncmp(name + length, ":-", 2) != 0)) {
		vars_fail(vars, at, whole,
		          "write ${NAME} or ${NAME:-what else}, or $${ for the characters ${",
		          "not the name of a variable");
		return at + whole;
	}
	value = vars_find(vars->set, name, length);
	if (value != NULL) {
		vars_put(vars, value, strlen(value));
	} else if (name + length != close) {
		vars_put(vars, name + length + 2, (size_t)(close - (name + length + 2)));
	} else {
		snprintf(message, sizeof(message), "variable \"%.*s\" is not set", (int)length,
		         name);
		snprintf(hint, sizeof(hint), "run with --set %.*s=VALUE, or write ${%.*s:-VALUE}",
		         (int)length, name, (int)length, name);
		vars_fail(vars, at, whole, hint, message);
	}
	return at + whole;
}

static void
vars_expand(struct vars *vars)
{
	const char *text = vars->node->text;
	size_t at = 0, length = strlen(text);

	vars->used = 0;
	while (at < length && !vars->node->broken) {
		const char *dollar = strchr(text + at, '$');
		size_t plain = dollar == NULL ? length - at : (size_t)(dollar - (text + at));

		vars_put(vars, text + at, plain);
		at += plain;
		if (strncmp(text + at, "$${", 3) == 0) {
			vars_put(vars, "${", 2);
			at += 3;
		} else if (strncmp(text + at, "${", 2) == 0) {
			at = vars_replace(vars, at);
		} else if (at < length) {
			vars_put(vars, "$", 1);
			at++;
		}
	}
}

void
config_vars_expand(struct config_tree *tree, const char *const *set, struct lm_errors *errors)
{
	struct vars vars = { .set = set, .errors = errors, .out = malloc(VARS_TEXT_MAX) };

	for (uint32_t i = 0; i < tree->node_count; i++) {
		char *replaced;

		vars.node = tree->node[i];
		if (vars.node->kind != CONFIG_TEXT || vars.node->key ||
		    strstr(vars.node->text, "${") == NULL) {
			continue;
		}
		replaced = NULL;
		if (vars.out != NULL) {
			vars_expand(&vars);
			replaced = strndup(vars.out, vars.used);
		}
		if (replaced == NULL) {
			vars_fail(&vars, 0, 0, NULL, "no memory left");
		} else {
			free(vars.node->text);
			vars.node->text = replaced;
		}
	}
	free(vars.out);
}
