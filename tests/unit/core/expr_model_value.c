/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interpreter of the model: what an expression means, written for clearness: a row at a time,
 * integers in 128 bits, addresses bit by bit.
 */
#include "tests/unit/core/expr_model.h"

#include <math.h>
#include <string.h>

/* --- The interpreter -----------------------------------------------------------------------------
 */

static struct value
field_at(uint32_t field, uint32_t row)
{
	enum lm_type type = model_schema.field[field].type;
	struct value value = { .type = type };
	uint32_t width = lm_type_width(type);
	const char *at = (const char *)lm_batch_column(model_batch, field) + row * width;
	float f32;

	if (type == LM_STRING || type == LM_BYTES) {
		value.type = LM_STRING;
		value.text =
		    lm_batch_bytes(model_batch, field) + lm_batch_offsets(model_batch, field)[row];
		value.length = lm_batch_offsets(model_batch, field)[row + 1] -
		               lm_batch_offsets(model_batch, field)[row];
	} else if (type == LM_F32) {
		memcpy(&f32, at, sizeof(f32));
		value.f64 = (double)f32;
		value.type = LM_F64;
	} else if (type == LM_F64) {
		memcpy(&value.f64, at, sizeof(value.f64));
	} else if (type == LM_IP6) {
		memcpy(&value.ip6, at, sizeof(value.ip6));
	} else {
		memcpy(&value.bits, at, width);
		if (type <= LM_I64) {
			value.bits = (uint64_t)((int64_t)(value.bits << (64 - 8 * width)) >>
			                        (64 - 8 * width));
			value.type = LM_I64;
		} else if (type <= LM_U64) {
			value.type = LM_U64;
		} else if (type == LM_BOOL) {
			value.bits = value.bits != 0;
		}
	}
	return value;
}

static bool
is_number(enum lm_type type)
{
	return type == LM_I64 || type == LM_U64 || type == LM_F64;
}

static __int128
whole(struct value value)
{
	return value.type == LM_U64 ? (__int128)value.bits : (__int128)(int64_t)value.bits;
}

static double
as_float(struct value value)
{
	return value.type == LM_F64 ? value.f64 : (double)whole(value);
}

/* Both to the type in which they are computed. */
static enum lm_type
meet(struct value *a, struct value *b, bool bits)
{
	enum lm_type type = a->type;

	if (a->type == LM_F64 || b->type == LM_F64) {
		type = LM_F64;
		a->f64 = as_float(*a);
		b->f64 = as_float(*b);
	} else if (a->type != b->type) {
		type = a->constant && (int64_t)a->bits >= 0   ? b->type
		       : b->constant && (int64_t)b->bits >= 0 ? a->type
		       : bits                                 ? LM_U64
		                                              : LM_I64;
	}
	a->type = b->type = type;
	return type;
}

static struct value
float_arithmetic(char op, double a, double b)
{
	double value = op == '+'   ? a + b
	               : op == '-' ? a - b
	               : op == '*' ? a * b
	               : op == '/' ? a / b
	                           : fmod(a, b);

	return (struct value){ .type = LM_F64, .f64 = value };
}

static struct value
arithmetic(const char *op, struct value a, struct value b)
{
	bool bits = strchr("|^&", op[0]) != NULL;
	bool shift = op[0] == '<' || op[0] == '>';
	bool time = a.type == LM_TIME && b.type != LM_TIME;
	bool span = a.type == LM_TIME && b.type == LM_TIME;
	struct value made = { .constant = a.constant && b.constant };
	__int128 x, y;

	if (time || span) {
		a.type = b.type = LM_I64;
	}
	made.type = shift ? a.type : time ? LM_TIME : meet(&a, &b, bits);
	if (made.type == LM_F64) {
		struct value value = float_arithmetic(op[0], a.f64, b.f64);

		value.constant = made.constant;
		return value;
	}
	x = whole(a);
	y = whole(b);
	switch (op[0]) {
	case '|':
		made.bits = a.bits | b.bits;
		break;
	case '^':
		made.bits = a.bits ^ b.bits;
		break;
	case '&':
		made.bits = a.bits & b.bits;
		break;
	case '<':
		made.bits = a.bits << (b.bits % 64);
		break;
	case '>':
		made.bits = (uint64_t)(x >> (b.bits % 64));
		break;
	case '+':
		made.bits = (uint64_t)(x + y);
		break;
	case '-':
		made.bits = (uint64_t)(x - y);
		break;
	case '*':
		made.bits = a.bits * b.bits;
		break;
	case '/':
		made.bits = y == 0 ? 0 : (uint64_t)(x / y);
		break;
	default:
		made.bits = y == 0 ? 0 : (uint64_t)(x % y);
		break;
	}
	return made;
}

static struct lm_ip6
as_ip6(struct value value)
{
	struct lm_ip6 ip6 = { .byte = { [10] = 0xff, [11] = 0xff } };

	for (uint32_t i = 0; i < 4; i++) {
		ip6.byte[12 + i] = (uint8_t)(value.bits >> (24 - 8 * i));
	}
	return value.type == LM_IP6 ? value.ip6 : ip6;
}

/* -1, 0, 1; 2: not ordered. */
static int
order(struct value a, struct value b)
{
	if (a.type == LM_STRING) {
		int first = memcmp(a.text, b.text, a.length < b.length ? a.length : b.length);

		return first != 0 ? (first > 0) - (first < 0)
		                  : (a.length > b.length) - (a.length < b.length);
	}
	if (a.type == LM_F64 || b.type == LM_F64) {
		double x = as_float(a), y = as_float(b);

		return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
	}
	if (a.type == LM_IP6 || b.type == LM_IP6) {
		struct lm_ip6 x = as_ip6(a), y = as_ip6(b);
		int first = memcmp(&x, &y, sizeof(x));

		return (first > 0) - (first < 0);
	}
	if (is_number(a.type)) {
		return (whole(a) > whole(b)) - (whole(a) < whole(b));
	}
	if (a.type == LM_TIME) {
		return ((int64_t)a.bits > (int64_t)b.bits) - ((int64_t)a.bits < (int64_t)b.bits);
	}
	return (a.bits > b.bits) - (a.bits < b.bits);
}

static struct value
compare(const char *op, struct value a, struct value b)
{
	int sign = order(a, b);
	bool equal = op[1] == '=';
	bool value = op[0] == '='   ? sign == 0
	             : op[0] == '!' ? sign != 0
	             : op[0] == '<' ? sign == -1 || (equal && sign == 0)
	                            : sign == 1 || (equal && sign == 0);

	return (struct value){ .type = LM_BOOL, .bits = value };
}

static bool
in_prefix(struct value value, struct value net, uint32_t prefix)
{
	struct lm_ip6 x = as_ip6(value), y = as_ip6(net);

	prefix += net.type == LM_IP4 ? 96 : 0;
	for (uint32_t i = 0; i < prefix; i++) {
		if (((x.byte[i / 8] ^ y.byte[i / 8]) >> (7 - i % 8) & 1) != 0) {
			return false;
		}
	}
	return true;
}

static struct value
in_list(const struct node *node, uint32_t row)
{
	struct value value = model_value(node->arg[0], row);
	bool found = false;

	for (uint32_t i = 0; i < node->item_count; i++) {
		found |= value.type == LM_IP4 || value.type == LM_IP6
		             ? in_prefix(value, node->item[i], node->prefix[i])
		             : order(value, node->item[i]) == 0;
	}
	return (struct value){ .type = LM_BOOL, .bits = found };
}

static struct value
convert(enum lm_type type, struct value value)
{
	struct value made = { .type = type, .bits = value.bits };

	if (type == LM_F64) {
		made.f64 = as_float(value);
	} else if (value.type == LM_F64) {
		double least = type == LM_U64 ? 0 : -0x1p63;
		double above = type == LM_U64 ? 0x1p64 : 0x1p63;

		made.bits = isnan(value.f64)     ? 0
		            : value.f64 <= least ? (uint64_t)(__int128)least
		            : value.f64 >= above ? (uint64_t)((__int128)above - 1)
		                                 : (uint64_t)(__int128)value.f64;
	}
	return made;
}

static struct value
least(const char *op, struct value a, struct value b)
{
	bool constant = a.constant && b.constant;
	bool take_b;

	if (is_number(a.type)) {
		meet(&a, &b, false);
	}
	take_b = order(b, a) == (op[1] == 'i' ? -1 : 1);
	a = take_b ? b : a;
	a.constant = constant;
	return a;
}

static struct value
round_down(struct value value, struct value step)
{
	__int128 x = whole(value), y = whole(step);
	__int128 rest = (x % y + y) % y;

	value.bits = (uint64_t)(x - rest);
	return value;
}

static bool
contains(struct value text, struct value part, bool start)
{
	for (uint32_t i = 0; i + part.length <= text.length && (i == 0 || !start); i++) {
		if (memcmp(text.text + i, part.text, part.length) == 0) {
			return true;
		}
	}
	return false;
}

static struct value
call(const struct node *node, uint32_t row)
{
	struct value a = model_value(node->arg[0], row), b = { .bits = 0 }, c = { .bits = 0 };
	struct value made = { .type = LM_BOOL };

	if (node->arg[1] != NULL) {
		b = model_value(node->arg[1], row);
	}
	if (strcmp(node->op, "if") == 0) {
		c = model_value(node->arg[2], row);
		if (is_number(b.type)) {
			meet(&b, &c, false);
		} else if (b.type != c.type) {
			b.ip6 = as_ip6(b);
			c.ip6 = as_ip6(c);
			b.type = c.type = LM_IP6;
		}
		b.constant = c.constant = false;
		return a.bits != 0 ? b : c;
	}
	if (node->op[0] == 'm') {
		return least(node->op, a, b);
	}
	if (strcmp(node->op, "abs") == 0) {
		a.f64 = fabs(a.f64);
		a.bits = a.type == LM_I64 && (int64_t)a.bits < 0 ? 0 - a.bits : a.bits;
		return a;
	}
	if (strcmp(node->op, "floor") == 0) {
		return round_down(a, b);
	}
	if (strcmp(node->op, "length") == 0) {
		return (struct value){ .type = LM_U64, .bits = a.length };
	}
	if (strcmp(node->op, "starts_with") == 0 || strcmp(node->op, "contains") == 0) {
		made.bits = contains(a, b, node->op[0] == 's');
		return made;
	}
	return convert(lm_type_find(node->op), a);
}

struct value
model_value(const struct node *node, uint32_t row)
{
	struct value a, b;

	switch (node->kind) {
	case FIELD:
		return field_at(node->field, row);
	case LITERAL:
		return node->value;
	case IN:
		return in_list(node, row);
	case CALL:
		return call(node, row);
	default:
		break;
	}
	a = model_value(node->arg[0], row);
	if (node->kind == UNARY) {
		a.f64 = -a.f64;
		if (node->op[0] == 'n') {
			a.bits = a.bits == 0;
		} else if (node->op[0] == '~') {
			a.bits = ~a.bits;
		} else {
			a.bits = 0 - a.bits;
			a.type = a.type == LM_U64 ? LM_I64 : a.type;
		}
		return a;
	}
	b = model_value(node->arg[1], row);
	if (strchr(node->op, 'r') != NULL || strcmp(node->op, "||") == 0) {
		a.bits |= b.bits;
		return a;
	}
	if (strchr(node->op, 'd') != NULL || strcmp(node->op, "&&") == 0) {
		a.bits &= b.bits;
		return a;
	}
	if (node->op[1] == '=' ||
	    ((node->op[0] == '<' || node->op[0] == '>') && node->op[1] == 0)) {
		return compare(node->op, a, b);
	}
	return arithmetic(node->op, a, b);
}
