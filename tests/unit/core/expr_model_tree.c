/* SPDX-License-Identifier: BSD-3-Clause */
/* The trees of the model: grown at random, and written as text. */
#include "tests/unit/core/expr_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES_MAX 40u

/* --- Trees --------------------------------------------------------------------------------------
 */

static struct node nodes[256];
static uint32_t node_count;

static struct node *
node_new(enum kind kind, const char *op)
{
	struct node *node = &nodes[node_count++];

	assert_true(node_count < sizeof(nodes) / sizeof(nodes[0]));
	memset(node, 0, sizeof(*node));
	node->kind = kind;
	snprintf(node->op, sizeof(node->op), "%s", op);
	return node;
}

struct node *
model_field(enum lm_type type)
{
	struct node *node = node_new(FIELD, "");

	node->field = (uint32_t)type * MODEL_COPIES + model_below(MODEL_COPIES);
	return node;
}

static struct value
int_literal(char *text, size_t size)
{
	static const char *const forms[] = { "%llu", "0x%llx" };
	uint64_t bits = model_bits() & (model_below(3) == 0 ? UINT64_MAX : INT64_MAX);
	struct value value = { .type = bits > INT64_MAX ? LM_U64 : LM_I64, .constant = true };

	bits = model_below(2) == 0 ? bits & 15 : bits;
	value.type = bits > INT64_MAX ? LM_U64 : LM_I64;
	value.bits = bits;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, size, forms[model_below(2)], (unsigned long long)bits);
#pragma GCC diagnostic pop
	return value;
}

static struct value
literal_of(enum lm_type type, char *text, size_t size)
{
	struct value value = { .type = type, .constant = true };
	const char *word = model_word();

	switch (type) {
	case LM_F64:
		value.f64 =
		    model_below(3) == 0 ? (double)model_below(1000) : model_below(100) / 8.0;
		snprintf(text, size, "%.3f", value.f64);
		break;
	case LM_BOOL:
		value.bits = model_below(2);
		snprintf(text, size, "%s", value.bits != 0 ? "true" : "false");
		break;
	case LM_TIME:
		value.bits = model_below(100);
		snprintf(text, size, "1970-01-01T00:00:00.%09uZ", (unsigned int)value.bits);
		break;
	case LM_IP4:
		value.bits = 0x0a000000 * model_below(2) + model_below(4);
		snprintf(text, size, "%u.0.0.%u", (unsigned int)(value.bits >> 24),
		         (unsigned int)(value.bits & 255));
		break;
	case LM_IP6:
		value.ip6 = model_ip6();
		snprintf(text, size, "%x:0:0:0:0:%x:%x:%x", (unsigned int)value.ip6.byte[0] << 8,
		         (unsigned int)value.ip6.byte[10] << 8 | value.ip6.byte[11],
		         (unsigned int)value.ip6.byte[12] << 8, (unsigned int)value.ip6.byte[15]);
		break;
	case LM_MAC:
		value.bits = model_below(12);
		snprintf(text, size, "00:00:00:00:00:%02x", (unsigned int)value.bits);
		break;
	case LM_STRING:
		value.text = word;
		value.length = (uint32_t)strlen(word);
		snprintf(text, size, "\"%s\"", word);
		break;
	default:
		return int_literal(text, size);
	}
	return value;
}

struct node *
model_literal(enum lm_type type)
{
	struct node *node = node_new(LITERAL, "");

	node->value = literal_of(type, node->text, sizeof(node->text));
	return node;
}

struct node *
model_node(enum kind kind, const char *op, struct node *a, struct node *b, struct node *c)
{
	struct node *node = node_new(kind, op);

	node->arg[0] = a;
	node->arg[1] = b;
	node->arg[2] = c;
	return node;
}

static struct node *
leaf(enum want want, bool columns)
{
	static const enum lm_type integers[] = { LM_I8, LM_I16, LM_I32, LM_I64,
		                                 LM_U8, LM_U16, LM_U32, LM_U64 };
	enum lm_type type = integers[model_below(8)];
	bool literal = !columns && model_below(3) == 0;

	if (want == NUMBER && model_below(3) == 0) {
		type = model_below(2) == 0 && !literal ? LM_F32 : LM_F64;
	} else if (want == BOOL) {
		type = LM_BOOL;
	} else if (want == TIME) {
		type = LM_TIME;
	} else if (want == ADDRESS) {
		type = model_below(2) == 0 ? LM_IP4 : LM_IP6;
	} else if (want == MAC) {
		type = LM_MAC;
	}
	return literal ? model_literal(type) : model_field(type);
}

static const char *
one_of(const char *const *ops, uint32_t count)
{
	return ops[model_below(count)];
}
#define ONE_OF(...)                                                                                \
	one_of((const char *const[]){ __VA_ARGS__ },                                               \
	       sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static struct node *
grow_number(enum want want, uint32_t depth, bool columns)
{
	struct node *step;

	switch (model_below(want == NUMBER ? 11 : 10)) {
	case 0:
		return model_node(BINARY, ONE_OF("|", "^", "&"),
		                  model_grow(INTEGER, depth, columns),
		                  model_grow(INTEGER, depth, false), NULL);
	case 1:
		return model_node(BINARY, ONE_OF("<<", ">>"), model_grow(INTEGER, depth, columns),
		                  model_grow(INTEGER, depth, false), NULL);
	case 2:
		return model_node(UNARY, want == NUMBER ? "-" : ONE_OF("-", "~"),
		                  model_grow(want, depth, columns), NULL, NULL);
	case 3:
		return model_node(CALL, ONE_OF("min", "max"), model_grow(want, depth, columns),
		                  model_grow(want, depth, false), NULL);
	case 4:
		return model_node(CALL, "abs", model_grow(want, depth, columns), NULL, NULL);
	case 5:
		step = model_literal(LM_I64);
		step->value.bits = 1 + model_below(3) * model_below(5000);
		step->value.type = LM_I64;
		snprintf(step->text, sizeof(step->text), "%u", (unsigned int)step->value.bits);
		return model_node(CALL, "floor", model_grow(INTEGER, depth, columns), step, NULL);
	case 6:
		return model_node(CALL, ONE_OF("u64", "i64"),
		                  model_grow((enum want)model_below(TIME + 1), depth, columns),
		                  NULL, NULL);
	case 7:
		/* Both with columns: a constant would change its type by being alone. */
		return model_node(CALL, "if", model_grow(BOOL, depth, columns),
		                  model_grow(want, depth, true), model_grow(want, depth, true));
	case 8:
		return columns || model_below(2) == 0
		           ? model_node(CALL, "length", model_field(LM_STRING), NULL, NULL)
		           : model_node(BINARY, "-", model_grow(TIME, depth, columns),
		                        model_grow(TIME, depth, columns), NULL);
	case 10:
		return model_node(CALL, "f64",
		                  model_grow((enum want)model_below(TIME + 1), depth, columns),
		                  NULL, NULL);
	default:
		return model_node(BINARY, ONE_OF("+", "-", "*", "/", "%"),
		                  model_grow(want, depth, columns), model_grow(want, depth, false),
		                  NULL);
	}
}

/* x in (…): of what kind the items are follows from x. */
static struct node *
grow_in(uint32_t depth)
{
	static const enum lm_type literals[] = { LM_I64, LM_I64, LM_BOOL, LM_TIME, LM_IP4, LM_MAC };
	enum want want = ONE_OF("", "x")[0] == 'x' ? INTEGER : model_below(2) == 0 ? ADDRESS : TIME;
	struct node *node = node_new(IN, "in");
	enum lm_type type = literals[want];

	node->arg[0] = model_below(6) == 0 ? model_field(LM_STRING) : model_grow(want, depth, true);
	if (node->arg[0]->kind == FIELD && node->arg[0]->field / MODEL_COPIES == LM_STRING) {
		type = LM_STRING;
	}
	node->item_count = 1 + model_below(3);
	snprintf(node->text, sizeof(node->text), "(");
	for (uint32_t i = 0; i < node->item_count; i++) {
		size_t used = strlen(node->text);

		if (type == LM_IP4 || type == LM_IP6) {
			type = model_below(4) == 0 ? LM_IP6 : LM_IP4;
		}
		node->item[i] = literal_of(type, node->text + used, sizeof(node->text) - used);
		node->prefix[i] = type == LM_IP4 ? 32 : 128;
		if ((type == LM_IP4 || type == LM_IP6) && model_below(2) == 0) {
			node->prefix[i] = model_below(node->prefix[i] + 1);
			used = strlen(node->text);
			snprintf(node->text + used, sizeof(node->text) - used, "/%u",
			         node->prefix[i]);
		}
		used = strlen(node->text);
		if (used > 30) {
			node->item_count = i + 1;
		}
		snprintf(node->text + used, sizeof(node->text) - used, "%s",
		         i + 1 < node->item_count ? ", " : ")");
	}
	return node;
}

static struct node *
grow_bool(uint32_t depth, bool columns)
{
	static const enum want wants[] = { NUMBER, INTEGER, NUMBER, TIME, ADDRESS, MAC };
	enum want want = wants[model_below(6)];

	switch (model_below(8)) {
	case 0:
		return model_node(UNARY, "not ", model_grow(BOOL, depth, columns), NULL, NULL);
	case 1:
	case 2:
		return model_node(BINARY, ONE_OF(" or ", " and ", "||", "&&"),
		                  model_grow(BOOL, depth, columns),
		                  model_grow(BOOL, depth, columns), NULL);
	case 3:
		return grow_in(depth);
	case 4:
		return model_below(2) == 0
		           ? model_node(BINARY, ONE_OF("==", "!=", "<", "<=", ">", ">="),
		                        model_field(LM_STRING),
		                        model_below(2) == 0 ? model_field(LM_STRING)
		                                            : model_literal(LM_STRING),
		                        NULL)
		           : model_node(CALL, ONE_OF("starts_with", "contains"),
		                        model_field(LM_STRING), model_literal(LM_STRING), NULL);
	case 5:
		return model_node(BINARY, ONE_OF("==", "!="), model_grow(BOOL, depth, columns),
		                  model_grow(BOOL, depth, columns), NULL);
	default:
		/* Either side may be the constant. */
		return model_below(2) == 0
		           ? model_node(BINARY, ONE_OF("==", "!=", "<", "<=", ">", ">="),
		                        model_grow(want, depth, columns),
		                        model_grow(want, depth, false), NULL)
		           : model_node(BINARY, ONE_OF("==", "!=", "<", "<=", ">", ">="),
		                        model_grow(want, depth, false),
		                        model_grow(want, depth, columns), NULL);
	}
}

struct node *
model_grow(enum want want, uint32_t depth, bool columns)
{
	if (depth == 0 || model_below(5) == 0 || node_count > NODES_MAX) {
		return leaf(want, columns);
	}
	depth--;
	switch (want) {
	case BOOL:
		return grow_bool(depth, columns);
	case TIME:
		return model_below(3) == 0
		           ? model_node(CALL, ONE_OF("min", "max"),
		                        model_grow(TIME, depth, columns),
		                        model_grow(TIME, depth, false), NULL)
		           : model_node(BINARY, ONE_OF("+", "-"), model_grow(TIME, depth, columns),
		                        model_grow(INTEGER, depth, false), NULL);
	case ADDRESS:
	case MAC:
		return model_node(CALL, "if", model_grow(BOOL, depth, false),
		                  model_grow(want, depth, true), model_grow(want, depth, true));
	default:
		return grow_number(want, depth, columns);
	}
}

/* --- Text ----------------------------------------------------------------------------------------
 */

static uint32_t
binding(const struct node *node)
{
	static const char *const levels[] = { "or||", "and&&", "not",  "==!=<=>=in", "|",
		                              "^",    "&",     "<<>>", "+-",         "*/%" };
	char op[12];
	uint32_t length = 0;

	for (uint32_t i = 0; node->op[i] != '\0'; i++) {
		if (node->op[i] != ' ') {
			op[length++] = node->op[i];
		}
	}
	op[length] = '\0';
	if (node->kind == UNARY) {
		return strcmp(op, "not") == 0 ? 2 : 10;
	}
	if (node->kind != BINARY && node->kind != IN) {
		return 11;
	}
	if (length == 1 && strchr("<>", op[0]) != NULL) {
		return 3;
	}
	for (uint32_t i = 10; i-- > 0;) {
		if (length > 1 ? i < 4 && strstr(levels[i], op) != NULL
		               : i >= 4 && i != 7 && strchr(levels[i], op[0]) != NULL) {
			return i;
		}
	}
	return 7; /* << and >> */
}

static void
put(char *text, const char *more)
{
	size_t used = strlen(text);

	assert_true(used + strlen(more) < MODEL_TEXT_SIZE);
	memcpy(text + used, more, strlen(more) + 1);
}

/* `least`: how tight the node must bind to stand without parentheses. */
static void
write_node(const struct node *node, bool minimal, uint32_t least, char *text)
{
	uint32_t level = binding(node);
	bool parentheses = minimal ? level < least : level < 11;

	put(text, parentheses ? "(" : "");
	if (node->kind == FIELD) {
		put(text, model_schema.field[node->field].name);
	} else if (node->kind == LITERAL) {
		put(text, node->text);
	} else if (node->kind == UNARY) {
		put(text, node->op);
		write_node(node->arg[0], minimal, level, text);
	} else if (node->kind == CALL) {
		put(text, node->op);
		put(text, "(");
		for (uint32_t i = 0; i < 3 && node->arg[i] != NULL; i++) {
			put(text, i > 0 ? ", " : "");
			write_node(node->arg[i], minimal, 0, text);
		}
		put(text, ")");
	} else {
		/* Comparisons do not chain; of the others the left side may be of the same level.
		 */
		write_node(node->arg[0], minimal, level == 3 ? 4 : level, text);
		put(text, node->kind == IN ? " in " : node->op);
		if (node->kind == IN) {
			put(text, node->text);
		} else {
			write_node(node->arg[1], minimal, level + 1, text);
		}
	}
	put(text, parentheses ? ")" : "");
}

void
model_write(const struct node *node, bool minimal, char text[MODEL_TEXT_SIZE])
{
	text[0] = '\0';
	write_node(node, minimal, 0, text);
}

void
model_clear(void)
{
	node_count = 0;
}
