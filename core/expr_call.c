/* SPDX-License-Identifier: BSD-3-Clause */
/* Types of function calls: which functions there are, and what each takes and gives. */
#include "core/expr.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"

/* A step for a call whose arguments are checked and counted. */
typedef bool call_fn(struct expr_tree *tree, uint16_t *node);

static call_fn call_least, call_abs, call_floor, call_convert, call_if, call_length, call_search,
    call_hash;

static const struct call_form {
	uint8_t op;
	uint8_t arg_count;
	const char *form; /* how it is written */
	call_fn *check;
} call_forms[] = {
	{ EXPR_MIN, 2, "min(a, b)", call_least },
	{ EXPR_MAX, 2, "max(a, b)", call_least },
	{ EXPR_ABS, 1, "abs(x)", call_abs },
	{ EXPR_FLOOR, 2, "floor(x, step), as in floor(time, 1s)", call_floor },
	{ EXPR_F64, 1, "f64(x)", call_convert },
	{ EXPR_U64, 1, "u64(x)", call_convert },
	{ EXPR_I64, 1, "i64(x)", call_convert },
	{ EXPR_IF, 3, "if(condition, then, else)", call_if },
	{ EXPR_LENGTH, 1, "length(string)", call_length },
	{ EXPR_STARTS_WITH, 2, "starts_with(string, \"text\")", call_search },
	{ EXPR_CONTAINS, 2, "contains(string, \"text\")", call_search },
	{ EXPR_HASH, 1, "hash(x)", call_hash },
};
#define CALL_FORMS (sizeof(call_forms) / sizeof(call_forms[0]))

static bool
call_unknown(struct expr_tree *tree, uint16_t node, const char *name)
{
	const char *names[CALL_FORMS];
	char hint[sizeof(tree->error->hint)];

	for (uint32_t i = 0; i < CALL_FORMS; i++) {
		names[i] = expr_op_text((enum expr_op)call_forms[i].op);
	}
	text_hint(name, "functions", names, CALL_FORMS, hint, sizeof(hint));
	return expr_fail_at(tree, tree->node[node].begin, hint, "no function \"%s\"", name);
}

bool
expr_check_call(struct expr_tree *tree, uint16_t *node)
{
	const struct call_form *form = NULL;
	struct expr_node *at = expr_at(tree, *node);
	char name[64]; /* longer than any function's: a longer one is not found, and is cut */

	snprintf(name, sizeof(name), "%.*s", (int)at->value.text.length, at->value.text.bytes);
	for (uint32_t i = 0; i < CALL_FORMS; i++) {
		if (strcmp(expr_op_text((enum expr_op)call_forms[i].op), name) == 0) {
			form = &call_forms[i];
		}
	}
	if (form == NULL) {
		return call_unknown(tree, *node, name);
	}
	if (at->arg_count != form->arg_count) {
		char hint[80];

		snprintf(hint, sizeof(hint), "write %s", form->form);
		return expr_fail_node(tree, *node, hint, "%s takes %u argument%s, not %u", name,
		                      form->arg_count, form->arg_count == 1 ? "" : "s",
		                      at->arg_count);
	}
	at->op = form->op;
	return expr_check_args(tree, *node) && form->check(tree, node);
}

/* An argument has a type that the function does not take. */
static bool
call_refuse(struct expr_tree *tree, uint16_t node, uint32_t arg, const char *takes,
            const char *hint)
{
	uint16_t at = tree->node[node].arg[arg];

	return expr_fail_node(tree, at, hint, "%s() takes %s, not %s",
	                      expr_op_text((enum expr_op)tree->node[node].op), takes,
	                      lm_type_text(expr_type(tree, at)));
}

/*
 * The type in which two arguments, from `first` on, can stand for each other, or LM_TYPE_COUNT.
 * Both are converted to it.
 */
static enum lm_type
call_common(struct expr_tree *tree, uint16_t node, uint32_t first)
{
	const uint16_t *arg = tree->node[node].arg;
	enum lm_type a = expr_computed(expr_type(tree, arg[first]));
	enum lm_type b = expr_computed(expr_type(tree, arg[first + 1]));
	enum lm_type type = a == b ? a : LM_TYPE_COUNT;

	if (expr_is_number(a) && expr_is_number(b)) {
		type = expr_unify(tree, arg[first], arg[first + 1], false);
	} else if ((a == LM_IP4 || a == LM_IP6) && (b == LM_IP4 || b == LM_IP6) && a != b) {
		type = LM_IP6;
	}
	if (type != LM_TYPE_COUNT) {
		expr_coerce_arg(tree, node, first, type);
		expr_coerce_arg(tree, node, first + 1, type);
	}
	return type;
}

/* min, max. Of floats the first is taken unless the second is less (greater): NaN makes a
 * difference. */
static bool
call_least(struct expr_tree *tree, uint16_t *node)
{
	enum lm_type type = call_common(tree, *node, 0);

	if (type != LM_I64 && type != LM_U64 && type != LM_F64 && type != LM_TIME) {
		const uint16_t *arg = tree->node[*node].arg;

		return expr_fail_node(
		    tree, *node, NULL, "%s() takes two numbers or two times, not %s and %s",
		    expr_op_text((enum expr_op)tree->node[*node].op),
		    lm_type_text(expr_type(tree, arg[0])), lm_type_text(expr_type(tree, arg[1])));
	}
	if (type != LM_F64 && expr_is_const(tree, tree->node[*node].arg[0])) {
		expr_swap_args(tree, *node);
	}
	return expr_finish(tree, *node, (uint8_t)type, type);
}

static bool
call_abs(struct expr_tree *tree, uint16_t *node)
{
	enum lm_type type = expr_computed(expr_type(tree, tree->node[*node].arg[0]));

	if (!expr_is_number(type)) {
		return call_refuse(tree, *node, 0, "a number", NULL);
	}
	expr_coerce_arg(tree, *node, 0, type);
	if (type == LM_U64) {
		*node = tree->node[*node].arg[0];
		return true;
	}
	return expr_finish(tree, *node, (uint8_t)type, type);
}

static bool
call_floor(struct expr_tree *tree, uint16_t *node)
{
	const uint16_t *arg = tree->node[*node].arg;
	enum lm_type type = expr_computed(expr_type(tree, arg[0]));

	if (type != LM_TIME && !expr_is_integer(type)) {
		return call_refuse(tree, *node, 0, "a time or an integer",
		                   type == LM_F64 ? "write: floor(i64(x), step)" : NULL);
	}
	if (!expr_is_const(tree, arg[1]) || !expr_is_integer(expr_type(tree, arg[1])) ||
	    tree->node[arg[1]].value.i64 <= 0) {
		return expr_fail_node(tree, arg[1], "write it as in floor(time, 1s)",
		                      "the step of floor() is a constant integer above 0");
	}
	expr_coerce_arg(tree, *node, 0, type);
	expr_coerce_arg(tree, *node, 1, type == LM_U64 ? LM_U64 : LM_I64);
	return expr_finish(tree, *node, (uint8_t)type, type);
}

/* f64, u64, i64. */
static bool
call_convert(struct expr_tree *tree, uint16_t *node)
{
	const struct expr_node *at = expr_at(tree, *node);
	enum lm_type to = at->op == EXPR_F64 ? LM_F64 : at->op == EXPR_U64 ? LM_U64 : LM_I64;
	enum lm_type from = expr_type(tree, at->arg[0]);

	if (!expr_is_number(from) && from != LM_BOOL && from != LM_TIME &&
	    (to == LM_F64 || (from != LM_IP4 && from != LM_MAC))) {
		return call_refuse(
		    tree, *node, 0,
		    to == LM_F64 ? "a number, bool or time" : "a number, bool, time, ip4 or mac",
		    expr_is_text(from) ? "length(x) is the number of bytes of a string" : NULL);
	}
	expr_coerce_arg(tree, *node, 0, to);
	*node = at->arg[0];
	tree->node[*node].fixed = true;
	return true;
}

static bool
call_if(struct expr_tree *tree, uint16_t *node)
{
	const uint16_t *arg = tree->node[*node].arg;
	enum lm_type type;

	if (expr_type(tree, arg[0]) != LM_BOOL) {
		return call_refuse(tree, *node, 0, "a bool as its condition",
		                   "compare it, as in: if(x != 0, a, b)");
	}
	expr_coerce_arg(tree, *node, 0, LM_BOOL);
	type = call_common(tree, *node, 1);
	if (type == LM_TYPE_COUNT || lm_type_width(type) == 0 || type == LM_FRAME) {
		return expr_fail_node(
		    tree, *node, "both are numbers, or have the same type, no text",
		    "if() cannot give %s or %s", lm_type_text(expr_type(tree, arg[1])),
		    lm_type_text(expr_type(tree, arg[2])));
	}
	if (expr_is_const(tree, arg[0])) {
		*node = tree->node[arg[0]].value.u8 != 0 ? arg[1] : arg[2];
		/* The type does not depend on whether the condition is known by now. */
		tree->node[*node].fixed = true;
		return true;
	}
	return expr_finish(tree, *node, (uint8_t)type, type);
}

static bool
call_length(struct expr_tree *tree, uint16_t *node)
{
	enum lm_type type = expr_type(tree, tree->node[*node].arg[0]);

	if (!expr_is_text(type) && type != LM_FRAME) {
		return call_refuse(tree, *node, 0, "a string, bytes or a frame", NULL);
	}
	return expr_finish(tree, *node, (uint8_t)type, LM_U64);
}

/* starts_with, contains. */
static bool
call_search(struct expr_tree *tree, uint16_t *node)
{
	const uint16_t *arg = tree->node[*node].arg;

	if (!expr_is_text(expr_type(tree, arg[0]))) {
		return call_refuse(tree, *node, 0, "a string column", NULL);
	}
	if (!expr_is_const(tree, arg[1]) || expr_type(tree, arg[1]) != LM_STRING) {
		return expr_fail_node(tree, arg[1], "write it in quotes: \"text\"",
		                      "%s() searches for a constant text",
		                      expr_op_text((enum expr_op)tree->node[*node].op));
	}
	return expr_finish(tree, *node, LM_STRING, LM_BOOL);
}

static bool
call_hash(struct expr_tree *tree, uint16_t *node)
{
	enum lm_type type = expr_computed(expr_type(tree, tree->node[*node].arg[0]));

	if (type == LM_FRAME) {
		return call_refuse(tree, *node, 0, "a value", "decode the frame first");
	}
	if (type == LM_BOOL || type == LM_IP4 || type == LM_MAC || type == LM_TIME) {
		type = LM_U64;
	}
	if (!expr_is_text(type)) {
		expr_coerce_arg(tree, *node, 0, type);
	}
	return expr_finish(tree, *node, (uint8_t)type, LM_U64);
}
