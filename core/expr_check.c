/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From names to types: looks up columns, checks what operators are applied to, puts in conversions,
 * folds constants. Comparisons are in expr_compare.c, functions in expr_call.c.
 */
#include "core/expr.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/expr_kernels.h"
#include "core/text.h"

static bool check_field(struct expr_tree *tree, uint16_t node);
static bool check_logic(struct expr_tree *tree, uint16_t *node);
static bool check_bits(struct expr_tree *tree, uint16_t node);
static bool check_shift(struct expr_tree *tree, uint16_t node);
static bool check_arithmetic(struct expr_tree *tree, uint16_t node);
static bool check_sign(struct expr_tree *tree, uint16_t node);

bool
expr_check_tree(struct expr_tree *tree)
{
	const struct expr_node *root;

	if (!expr_check_node(tree, &tree->root)) {
		return false;
	}
	root = expr_at(tree, tree->root);
	if (root->op == EXPR_CONST && root->type == LM_STRING) {
		return expr_fail_node(tree, tree->root, "compare a column with it",
		                      "a text alone is not an expression");
	}
	return true;
}

bool
expr_check_args(struct expr_tree *tree, uint16_t node)
{
	for (uint32_t i = 0; i < tree->node[node].arg_count; i++) {
		uint16_t arg = tree->node[node].arg[i];

		if (!expr_check_node(tree, &arg)) {
			return false;
		}
		tree->node[node].arg[i] = arg;
	}
	return true;
}

bool
expr_check_node(struct expr_tree *tree, uint16_t *node)
{
	enum expr_op op = (enum expr_op)tree->node[*node].op;

	if (op == EXPR_CONST) {
		return tree->node[*node].prefix == EXPR_NOT_PREFIX ||
		       expr_fail_node(tree, *node, "write: column in 10.0.0.0/8",
		                      "a prefix stands only behind \"in\"");
	}
	if (op == EXPR_FIELD) {
		return check_field(tree, *node);
	}
	if (op == EXPR_IN) {
		return expr_check_in(tree, node);
	}
	if (op >= EXPR_FUNCTION_FIRST) {
		return expr_check_call(tree, node);
	}
	if (!expr_check_args(tree, *node)) {
		return false;
	}
	if (op == EXPR_OR || op == EXPR_AND || op == EXPR_NOT) {
		return check_logic(tree, node);
	}
	if (op >= EXPR_EQ && op <= EXPR_GE) {
		return expr_check_compare(tree, node);
	}
	if (op >= EXPR_BIT_OR && op <= EXPR_BIT_AND) {
		return check_bits(tree, *node);
	}
	if (op == EXPR_SHL || op == EXPR_SHR) {
		return check_shift(tree, *node);
	}
	return op >= EXPR_NEGATE ? check_sign(tree, *node) : check_arithmetic(tree, *node);
}

/* --- Types and constants -----------------------------------------------------------------------
 */

enum lm_type
expr_computed(enum lm_type type)
{
	switch (type) {
	case LM_I8:
	case LM_I16:
	case LM_I32:
		return LM_I64;
	case LM_U8:
	case LM_U16:
	case LM_U32:
		return LM_U64;
	case LM_F32:
		return LM_F64;
	default:
		return type;
	}
}

bool
expr_is_integer(enum lm_type type)
{
	return expr_computed(type) == LM_I64 || expr_computed(type) == LM_U64;
}

bool
expr_is_number(enum lm_type type)
{
	return expr_is_integer(type) || expr_computed(type) == LM_F64;
}

bool
expr_is_text(enum lm_type type)
{
	return type == LM_STRING || type == LM_BYTES;
}

enum lm_type
expr_type(const struct expr_tree *tree, uint16_t node)
{
	return (enum lm_type)tree->node[node].type;
}

void
expr_coerce(struct expr_tree *tree, uint16_t *node, enum lm_type type)
{
	struct expr_node *from = expr_at(tree, *node);
	expr_kernel_fn *convert = expr_kernel_convert((enum lm_type)from->type, type);
	/* A bool column may hold any byte. */
	bool normalise = from->op == EXPR_FIELD && from->type == LM_BOOL;

	if (from->type == type && !normalise) {
		return;
	}
	if (from->op == EXPR_CONST) {
		union expr_value value = from->value;

		if (convert != NULL) {
			convert(&value, NULL, NULL, &from->value, 1);
		}
		from->type = (uint8_t)type;
		return;
	}
	assert(tree->count < EXPR_TREE_MAX);
	tree->node[tree->count] = (struct expr_node){ .op = EXPR_CONVERT,
		                                      .type = (uint8_t)type,
		                                      .operands = from->type,
		                                      .prefix = EXPR_NOT_PREFIX,
		                                      .arg_count = 1,
		                                      .arg = { *node },
		                                      .list = EXPR_NONE,
		                                      .next = EXPR_NONE,
		                                      .begin = from->begin,
		                                      .end = from->end };
	*node = (uint16_t)tree->count++;
}

void
expr_coerce_arg(struct expr_tree *tree, uint16_t node, uint32_t arg, enum lm_type type)
{
	uint16_t from = tree->node[node].arg[arg];

	expr_coerce(tree, &from, type);
	tree->node[node].arg[arg] = from;
}

/* An integer that both i64 and u64 hold, made of literals alone, takes the side of what it meets.
 */
static bool
check_either_sign(const struct expr_tree *tree, uint16_t node)
{
	const struct expr_node *at = &tree->node[node];

	return at->op == EXPR_CONST && !at->fixed && at->value.i64 >= 0;
}

enum lm_type
expr_unify(const struct expr_tree *tree, uint16_t a, uint16_t b, bool bits)
{
	enum lm_type a_type = expr_computed(expr_type(tree, a));
	enum lm_type b_type = expr_computed(expr_type(tree, b));

	if (a_type == b_type) {
		return a_type;
	}
	if (a_type == LM_F64 || b_type == LM_F64) {
		return LM_F64;
	}
	if (check_either_sign(tree, a)) {
		return b_type;
	}
	if (check_either_sign(tree, b)) {
		return a_type;
	}
	return bits ? LM_U64 : LM_I64;
}

void
expr_swap_args(struct expr_tree *tree, uint16_t node)
{
	uint16_t first = tree->node[node].arg[0];

	tree->node[node].arg[0] = tree->node[node].arg[1];
	tree->node[node].arg[1] = first;
}

bool
expr_set_bool(struct expr_tree *tree, uint16_t node, bool value)
{
	struct expr_node *at = expr_at(tree, node);

	at->op = EXPR_CONST;
	at->type = LM_BOOL;
	at->arg_count = 0;
	at->list = EXPR_NONE;
	at->value = (union expr_value){ .u8 = value };
	return true;
}

/* Constants are folded by the kernels, one row long: there is one meaning of every operation. */
bool
expr_finish(struct expr_tree *tree, uint16_t node, uint8_t operands, enum lm_type type)
{
	struct expr_node *at = expr_at(tree, node);
	const void *arg[EXPR_ARGS_MAX] = { NULL };
	_Alignas(16) char list[EXPR_LIST_SIZE_MAX];
	union expr_value value = { .u64 = 0 };
	uint32_t offsets[2] = { 0 };
	struct expr_strings strings = { .offsets = offsets };
	expr_kernel_fn *run = NULL;
	bool fixed = false;

	at->operands = operands;
	at->type = (uint8_t)type;
	for (uint32_t i = 0; i < at->arg_count; i++) {
		if (!expr_is_const(tree, at->arg[i])) {
			return true;
		}
		arg[i] = &tree->node[at->arg[i]].value;
		fixed |= tree->node[at->arg[i]].fixed;
	}
	if (expr_kernel_reads_strings(operands)) {
		const struct expr_text *text = arg[0];

		strings.bytes = text->bytes;
		offsets[1] = text->length;
		arg[0] = &strings;
	}
	if (at->list != EXPR_NONE) {
		expr_list_write(tree, node, list);
		arg[1] = list;
	}
	if (arg[1] != NULL) {
		run = expr_kernel((enum expr_op)at->op, operands, EXPR_CONSTANT);
	}
	if (run == NULL) {
		run = expr_kernel((enum expr_op)at->op, operands, EXPR_VECTOR);
	}
	assert(run != NULL);
	run(arg[0], arg[1], arg[2], &value, 1);
	at->op = EXPR_CONST;
	at->arg_count = 0;
	at->list = EXPR_NONE;
	at->fixed = fixed;
	at->value = value;
	return true;
}

/* --- Columns and operators ---------------------------------------------------------------------
 */

static bool
check_field(struct expr_tree *tree, uint16_t node)
{
	const struct lm_schema *schema = tree->schema;
	struct expr_node *at = expr_at(tree, node);
	const char *names[LM_FIELDS_MAX];
	char name[64]; /* names are shorter than LM_NAME_MAX: a longer one is not found, and is cut
	                */
	char hint[sizeof(tree->error->hint)];
	uint32_t field;

	snprintf(name, sizeof(name), "%.*s", (int)at->value.text.length, at->value.text.bytes);
	field = lm_schema_find(schema, name);
	if (field != LM_NONE) {
		at->field = (uint16_t)field;
		at->type = (uint8_t)schema->field[field].type;
		return true;
	}
	for (enum expr_op op = EXPR_FUNCTION_FIRST; op < EXPR_OP_COUNT; op++) {
		if (strcmp(expr_op_text(op), name) == 0) {
			snprintf(hint, sizeof(hint), "%s is a function: %s(...)", name, name);
			return expr_fail_at(tree, at->begin, hint, "no column \"%s\"", name);
		}
	}
	for (uint32_t i = 0; i < schema->field_count; i++) {
		names[i] = schema->field[i].name;
	}
	text_hint(name, "columns", names, schema->field_count, hint, sizeof(hint));
	return expr_fail_at(tree, at->begin, hint, "no column \"%s\"", name);
}

static bool
check_logic(struct expr_tree *tree, uint16_t *node)
{
	const enum expr_op op = (enum expr_op)tree->node[*node].op;

	for (uint32_t i = 0; i < tree->node[*node].arg_count; i++) {
		uint16_t arg = tree->node[*node].arg[i];
		enum lm_type type = expr_type(tree, arg);

		if (type != LM_BOOL) {
			return expr_fail_node(tree, arg,
			                      expr_is_number(type) ? "compare it, as in: x != 0"
			                                           : "compare it with something",
			                      "\"%s\" works on bool, not on %s", expr_op_text(op),
			                      lm_type_text(type));
		}
		expr_coerce_arg(tree, *node, i, LM_BOOL);
	}
	if (op == EXPR_NOT) {
		return expr_finish(tree, *node, LM_BOOL, LM_BOOL);
	}
	for (uint32_t i = 0; i < 2; i++) {
		uint16_t one = tree->node[*node].arg[i];
		uint16_t other = tree->node[*node].arg[1 - i];

		if (expr_is_const(tree, one)) {
			/* true and x is x, false and x is false; or: the other way round. */
			*node = (tree->node[one].value.u8 != 0) == (op == EXPR_AND) ? other : one;
			return true;
		}
	}
	return expr_finish(tree, *node, LM_BOOL, LM_BOOL);
}

/* Both arguments have types that the operator does not take: says so, with what might be meant. */
static bool
check_refuse(struct expr_tree *tree, uint16_t node, const char *takes)
{
	const struct expr_node *at = expr_at(tree, node);
	enum lm_type a = expr_type(tree, at->arg[0]);
	enum lm_type b = expr_type(tree, at->arg[1]);
	const char *hint = NULL;

	if (a == LM_BOOL || b == LM_BOOL) {
		hint = "for bools there are and, or, not; u64(x) makes a bool 0 or 1";
	} else if (a == LM_TIME || b == LM_TIME) {
		hint = "there are time - time, time + 10ms, floor(time, 1s); i64(time) is ns since "
		       "1970";
	} else if (expr_is_text(a) || expr_is_text(b)) {
		hint = "length(x) is the number of bytes of a string";
	} else if (a == LM_IP4 || b == LM_IP4 || a == LM_MAC || b == LM_MAC) {
		hint = "u64(x) makes a number of an address";
	} else if (a == LM_F64 || b == LM_F64 || a == LM_F32 || b == LM_F32) {
		hint = "i64(x) makes an integer of a float";
	}
	return expr_fail_node(tree, node, hint, "\"%s\" works on %s, not on %s and %s",
	                      expr_op_text((enum expr_op)at->op), takes, lm_type_text(a),
	                      lm_type_text(b));
}

/* The constant of an operation that can be turned round stands right, where kernels want it. */
static void
check_constant_right(struct expr_tree *tree, uint16_t node)
{
	if (expr_is_const(tree, tree->node[node].arg[0])) {
		expr_swap_args(tree, node);
	}
}

static bool
check_bits(struct expr_tree *tree, uint16_t node)
{
	const struct expr_node *at = expr_at(tree, node);
	enum lm_type type;

	if (!expr_is_integer(expr_type(tree, at->arg[0])) ||
	    !expr_is_integer(expr_type(tree, at->arg[1]))) {
		return check_refuse(tree, node, "integers");
	}
	type = expr_unify(tree, at->arg[0], at->arg[1], true);
	expr_coerce_arg(tree, node, 0, type);
	expr_coerce_arg(tree, node, 1, type);
	check_constant_right(tree, node);
	return expr_finish(tree, node, (uint8_t)type, type);
}

/* As what stands left; the kernels take the low six bits of what stands right. */
static bool
check_shift(struct expr_tree *tree, uint16_t node)
{
	const struct expr_node *at = expr_at(tree, node);
	enum lm_type type = expr_computed(expr_type(tree, at->arg[0]));

	if (!expr_is_integer(type) || !expr_is_integer(expr_type(tree, at->arg[1]))) {
		return check_refuse(tree, node, "integers");
	}
	expr_coerce_arg(tree, node, 0, type);
	expr_coerce_arg(tree, node, 1, type);
	return expr_finish(tree, node, (uint8_t)type, type);
}

static bool
check_arithmetic(struct expr_tree *tree, uint16_t node)
{
	const struct expr_node *at = expr_at(tree, node);
	const enum expr_op op = (enum expr_op)at->op;
	enum lm_type a = expr_type(tree, at->arg[0]);
	enum lm_type b = expr_type(tree, at->arg[1]);
	enum lm_type computed, type;

	if (expr_is_number(a) && expr_is_number(b)) {
		type = computed = expr_unify(tree, at->arg[0], at->arg[1], false);
	} else if (op == EXPR_SUB && a == LM_TIME && b == LM_TIME) {
		type = computed = LM_I64;
	} else if (((op == EXPR_ADD || op == EXPR_SUB) && a == LM_TIME && expr_is_integer(b)) ||
	           (op == EXPR_ADD && expr_is_integer(a) && b == LM_TIME)) {
		computed = LM_I64;
		type = LM_TIME;
	} else {
		return check_refuse(tree, node,
		                    op == EXPR_ADD || op == EXPR_SUB ? "numbers and on times"
		                                                     : "numbers");
	}
	expr_coerce_arg(tree, node, 0, computed);
	expr_coerce_arg(tree, node, 1, computed);
	if (op == EXPR_ADD || op == EXPR_MUL) {
		check_constant_right(tree, node);
	}
	return expr_finish(tree, node, (uint8_t)computed, type);
}

static bool
check_sign(struct expr_tree *tree, uint16_t node)
{
	const struct expr_node *at = expr_at(tree, node);
	enum lm_type type = expr_computed(expr_type(tree, at->arg[0]));
	bool negate = at->op == EXPR_NEGATE;

	if (negate ? !expr_is_number(type) : !expr_is_integer(type)) {
		return expr_fail_node(tree, at->arg[0], type == LM_BOOL ? "write: not x" : NULL,
		                      "\"%s\" works on %s, not on %s",
		                      expr_op_text((enum expr_op)at->op),
		                      negate ? "numbers" : "integers", lm_type_text(type));
	}
	type = negate && type == LM_U64 ? LM_I64 : type;
	expr_coerce_arg(tree, node, 0, type);
	return expr_finish(tree, node, (uint8_t)type, type);
}
