/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Types of comparisons and of `in`. An integer column is compared in its own width: a constant that
 * does not fit makes the answer the same for every row, so that comparing is exact and never
 * widens.
 */
#include "core/expr.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/expr_kernels.h"

static enum expr_op
compare_mirror(enum expr_op op)
{
	switch (op) {
	case EXPR_LT:
		return EXPR_GT;
	case EXPR_LE:
		return EXPR_GE;
	case EXPR_GT:
		return EXPR_LT;
	case EXPR_GE:
		return EXPR_LE;
	default:
		return op;
	}
}

static void
compare_swap(struct expr_tree *tree, uint16_t node)
{
	expr_swap_args(tree, node);
	tree->node[node].op = (uint8_t)compare_mirror((enum expr_op)tree->node[node].op);
}

/* The answer when what stands right is above (1) or below (-1) whatever stands left. */
static bool
compare_outcome(enum expr_op op, int side)
{
	return op == EXPR_NE ||
	       (side > 0 ? op == EXPR_LT || op == EXPR_LE : op == EXPR_GT || op == EXPR_GE);
}

/* Both arguments have the type. Two arrays have no kernels for > and >=: they are < and <= turned.
 */
static bool
compare_finish(struct expr_tree *tree, uint16_t node, enum lm_type operands)
{
	const struct expr_node *at = expr_at(tree, node);

	if (!expr_is_const(tree, at->arg[1]) && (at->op == EXPR_GT || at->op == EXPR_GE)) {
		compare_swap(tree, node);
	}
	return expr_finish(tree, node, (uint8_t)operands, LM_BOOL);
}

static bool
compare_finish_as(struct expr_tree *tree, uint16_t node, enum lm_type type)
{
	expr_coerce_arg(tree, node, 0, type);
	expr_coerce_arg(tree, node, 1, type);
	return compare_finish(tree, node, type);
}

int
expr_narrow(struct expr_node *constant, enum lm_type type)
{
	uint32_t bits = 8 * lm_type_width(type);
	bool is_signed = expr_computed(type) == LM_I64;
	uint64_t max = UINT64_MAX >> (64 - bits + is_signed);
	bool negative = constant->type == LM_I64 && constant->value.i64 < 0;

	assert(constant->op == EXPR_CONST);
	assert(expr_is_integer(type));
	if (negative && (!is_signed || constant->value.i64 < -(int64_t)max - 1)) {
		return -1;
	}
	if (!negative && constant->value.u64 > max) {
		return 1;
	}
	/* The low bytes stand first: nothing to move. */
	constant->type = (uint8_t)type;
	return 0;
}

static bool
compare_integers(struct expr_tree *tree, uint16_t node)
{
	const struct expr_node *at = expr_at(tree, node);
	enum lm_type a = expr_type(tree, at->arg[0]);
	enum lm_type b = expr_type(tree, at->arg[1]);

	if (expr_is_const(tree, at->arg[1])) {
		int side = expr_narrow(expr_at(tree, at->arg[1]), a);

		if (side != 0) {
			return expr_set_bool(tree, node,
			                     compare_outcome((enum expr_op)at->op, side));
		}
		return compare_finish(tree, node, a);
	}
	if (a == b) {
		return compare_finish(tree, node, a);
	}
	a = expr_computed(a);
	b = expr_computed(b);
	expr_coerce_arg(tree, node, 0, a);
	expr_coerce_arg(tree, node, 1, b);
	if (a == b) {
		return compare_finish(tree, node, a);
	}
	if (a == LM_U64) {
		compare_swap(tree, node);
	}
	return expr_finish(tree, node, EXPR_MIXED, LM_BOOL);
}

/* A whole float this small stands for the same integer, whatever it is compared with. */
static bool
compare_is_whole(const struct expr_node *constant)
{
	return constant->op == EXPR_CONST && constant->type == LM_F64 &&
	       fabs(constant->value.f64) < 0x1p53 &&
	       constant->value.f64 == floor(constant->value.f64);
}

static bool
compare_numbers(struct expr_tree *tree, uint16_t node)
{
	const struct expr_node *at = expr_at(tree, node);
	struct expr_node *b = expr_at(tree, at->arg[1]);
	enum lm_type a_type = expr_type(tree, at->arg[0]);

	if (expr_is_integer(a_type) && compare_is_whole(b)) {
		expr_coerce_arg(tree, node, 1, LM_I64);
	}
	if (expr_is_integer(a_type) && expr_is_integer((enum lm_type)b->type)) {
		return compare_integers(tree, node);
	}
	/* A float column is compared in its own width with what has a value there. */
	if (a_type == LM_F32 && b->type == LM_F32) {
		return compare_finish(tree, node, LM_F32);
	}
	if (a_type == LM_F32 && b->op == EXPR_CONST) {
		expr_coerce_arg(tree, node, 1, LM_F64);
		if (fabs(b->value.f64) <= 0x1.fffffep127 &&
		    (double)(float)b->value.f64 == b->value.f64) {
			b->value.f32 = (float)b->value.f64;
			b->type = LM_F32;
			return compare_finish(tree, node, LM_F32);
		}
	}
	return compare_finish_as(tree, node, LM_F64);
}

static bool
compare_bools(struct expr_tree *tree, uint16_t *node)
{
	struct expr_node *at = expr_at(tree, *node);
	const struct expr_node *b = expr_at(tree, at->arg[1]);

	if (at->op != EXPR_EQ && at->op != EXPR_NE) {
		return expr_fail_node(tree, *node, "for bools there are == != and or not",
		                      "\"%s\" does not work on bool",
		                      expr_op_text((enum expr_op)at->op));
	}
	if (b->op != EXPR_CONST) {
		return compare_finish_as(tree, *node, LM_BOOL);
	}
	expr_coerce_arg(tree, *node, 0, LM_BOOL);
	if ((b->value.u8 != 0) == (at->op == EXPR_EQ)) {
		*node = at->arg[0];
		return true;
	}
	at->op = EXPR_NOT;
	at->arg_count = 1;
	return expr_finish(tree, *node, LM_BOOL, LM_BOOL);
}

struct lm_ip6
expr_map_ip4(uint32_t address)
{
	return (struct lm_ip6){ .byte = { [10] = 0xff,
		                          [11] = 0xff,
		                          [12] = (uint8_t)(address >> 24),
		                          [13] = (uint8_t)(address >> 16),
		                          [14] = (uint8_t)(address >> 8),
		                          [15] = (uint8_t)address } };
}

bool
expr_unmap_ip4(const struct lm_ip6 *address, uint32_t *ip4)
{
	struct lm_ip6 mapped;

	*ip4 = (uint32_t)address->byte[12] << 24 | (uint32_t)address->byte[13] << 16 |
	       (uint32_t)address->byte[14] << 8 | address->byte[15];
	mapped = expr_map_ip4(*ip4);
	return memcmp(&mapped, address, sizeof(mapped)) == 0;
}

static bool
compare_addresses(struct expr_tree *tree, uint16_t node)
{
	const struct expr_node *at = expr_at(tree, node);
	struct expr_node *b = expr_at(tree, at->arg[1]);
	enum lm_type a_type = expr_type(tree, at->arg[0]);
	uint32_t ip4;

	if (a_type == LM_IP4 && b->type == LM_IP6 && b->op == EXPR_CONST) {
		if (expr_unmap_ip4(&b->value.ip6, &ip4)) {
			b->value.u32 = ip4;
			b->type = LM_IP4;
		} else if (at->op == EXPR_EQ || at->op == EXPR_NE) {
			return expr_set_bool(tree, node, at->op == EXPR_NE);
		}
	}
	return compare_finish_as(tree, node,
	                         a_type == LM_IP4 && b->type == LM_IP4 ? LM_IP4 : LM_IP6);
}

/* What may be meant by comparing these, or NULL. */
static const char *
compare_hint(enum lm_type a, enum lm_type b)
{
	bool text = a == LM_STRING || b == LM_STRING;

	if (text && (a == LM_TIME || b == LM_TIME)) {
		return "write times without quotes: 2020-01-31T10:00:00Z";
	}
	if (text && (a == LM_MAC || b == LM_MAC)) {
		return "write addresses without quotes: aa:bb:cc:dd:ee:ff";
	}
	if (text && (a == LM_IP4 || b == LM_IP4 || a == LM_IP6 || b == LM_IP6)) {
		return "write addresses without quotes: 10.0.0.1";
	}
	if (text && (expr_is_number(a) || expr_is_number(b))) {
		return "write numbers without quotes, texts in quotes";
	}
	if (a == LM_TIME || b == LM_TIME) {
		return "write a time as 2020-01-31T10:00:00Z; i64(time) is ns since 1970";
	}
	if (a == LM_BOOL || b == LM_BOOL) {
		return "a bool is true or false; u64(x) makes it 0 or 1";
	}
	if (a == LM_FRAME || b == LM_FRAME) {
		return "length(x) is the length of a frame";
	}
	return NULL;
}

bool
expr_check_compare(struct expr_tree *tree, uint16_t *node)
{
	const struct expr_node *at = expr_at(tree, *node);
	enum lm_type a, b;

	if (expr_is_const(tree, at->arg[0])) {
		compare_swap(tree, *node);
	}
	a = expr_type(tree, at->arg[0]);
	b = expr_type(tree, at->arg[1]);
	if (expr_is_number(a) && expr_is_number(b)) {
		return compare_numbers(tree, *node);
	}
	if (expr_is_text(a) && expr_is_text(b)) {
		return compare_finish(tree, *node, LM_STRING);
	}
	if (a == LM_BOOL && b == LM_BOOL) {
		return compare_bools(tree, node);
	}
	if ((a == LM_TIME && b == LM_TIME) || (a == LM_MAC && b == LM_MAC)) {
		return compare_finish(tree, *node, a);
	}
	if ((a == LM_IP4 || a == LM_IP6) && (b == LM_IP4 || b == LM_IP6)) {
		return compare_addresses(tree, *node);
	}
	return expr_fail_node(tree, *node, compare_hint(a, b), "%s does not compare with %s",
	                      lm_type_text(a), lm_type_text(b));
}

/* --- in ----------------------------------------------------------------------------------------
 */

/* Drops the items for which `keep` is false, after it has made them what the kernel wants. */
typedef bool compare_item_fn(struct expr_node *item, enum lm_type left);

static void
in_filter(struct expr_tree *tree, uint16_t node, enum lm_type left, compare_item_fn *keep)
{
	uint16_t *link = &tree->node[node].list;

	while (*link != EXPR_NONE) {
		struct expr_node *item = expr_at(tree, *link);

		if (keep(item, left)) {
			link = &item->next;
		} else {
			*link = item->next;
		}
	}
}

static bool
in_keep_integer(struct expr_node *item, enum lm_type left)
{
	return expr_narrow(item, left) == 0;
}

/* Every address becomes a prefix of the kind of what stands left. */
static bool
in_keep_address(struct expr_node *item, enum lm_type left)
{
	static const struct lm_ip6 mapped = { .byte = { [10] = 0xff, [11] = 0xff } };
	uint32_t ip4 = 0;

	if (item->prefix == EXPR_NOT_PREFIX) {
		item->prefix = item->type == LM_IP4 ? 32 : 128;
	}
	if (left == LM_IP6 && item->type == LM_IP4) {
		item->value.ip6 = expr_map_ip4(item->value.u32);
		item->prefix = (uint8_t)(item->prefix + 96);
	} else if (left == LM_IP4 && item->type == LM_IP6) {
		uint8_t whole = item->prefix / 8;
		const uint8_t *byte = item->value.ip6.byte;

		if (item->prefix >= 96) {
			if (!expr_unmap_ip4(&item->value.ip6, &ip4)) {
				return false;
			}
		} else if (memcmp(byte, mapped.byte, whole) != 0 ||
		           (byte[whole] ^ mapped.byte[whole]) >> (8 - item->prefix % 8) != 0) {
			return false;
		}
		item->prefix = item->prefix >= 96 ? (uint8_t)(item->prefix - 96) : 0;
		item->value.u32 = ip4;
	}
	item->type = (uint8_t)left;
	return true;
}

static bool
in_keep(struct expr_node *item, enum lm_type left)
{
	item->type = (uint8_t)left;
	return true;
}

/* Checks the items: constants, of a kind that compares with what stands left. */
static bool
in_check_items(struct expr_tree *tree, uint16_t node, enum lm_type left, bool *floats,
               bool *prefixes)
{
	for (uint16_t *link = &tree->node[node].list; *link != EXPR_NONE;
	     link = &tree->node[*link].next) {
		uint16_t next = tree->node[*link].next;
		enum lm_type type = expr_type(tree, *link);
		bool prefix =
		    expr_is_const(tree, *link) && tree->node[*link].prefix != EXPR_NOT_PREFIX;

		if (!prefix && !expr_check_node(tree, link)) {
			return false;
		}
		if (!expr_is_const(tree, *link)) {
			return expr_fail_node(tree, *link, "compare columns with ==, joined by or",
			                      "what stands in the list of \"in\" is constant");
		}
		tree->node[*link].next = next;
		type = expr_type(tree, *link);
		if (!(expr_is_number(left) && expr_is_number(type)) &&
		    !(expr_is_text(left) && type == LM_STRING) &&
		    !((left == LM_IP4 || left == LM_IP6) && (type == LM_IP4 || type == LM_IP6)) &&
		    !((left == LM_TIME || left == LM_MAC) && type == left)) {
			return expr_fail_node(tree, *link, compare_hint(left, type),
			                      "%s does not compare with %s", lm_type_text(left),
			                      lm_type_text(type));
		}
		*floats |= type == LM_F64 && !compare_is_whole(&tree->node[*link]);
		*prefixes |= prefix;
	}
	return true;
}

static bool
in_finish(struct expr_tree *tree, uint16_t node, enum lm_type left)
{
	if (tree->node[node].list == EXPR_NONE) {
		return expr_set_bool(tree, node, false);
	}
	return expr_finish(tree, node, (uint8_t)left, LM_BOOL);
}

static bool
in_numbers(struct expr_tree *tree, uint16_t node, bool floats)
{
	enum lm_type left = expr_type(tree, tree->node[node].arg[0]);
	enum lm_type to = expr_is_integer(left) && !floats ? LM_I64 : LM_F64;

	for (uint16_t *link = &tree->node[node].list; *link != EXPR_NONE;
	     link = &tree->node[*link].next) {
		/* Of integers only what is a whole float needs it: u64 stays. */
		if (to == LM_F64 || !expr_is_integer(expr_type(tree, *link))) {
			expr_coerce(tree, link, to);
		}
	}
	if (to == LM_F64) {
		expr_coerce_arg(tree, node, 0, LM_F64);
		return in_finish(tree, node, LM_F64);
	}
	in_filter(tree, node, left, in_keep_integer);
	return in_finish(tree, node, left);
}

bool
expr_check_in(struct expr_tree *tree, uint16_t *node)
{
	bool floats = false, prefixes = false;
	enum lm_type left;

	if (!expr_check_args(tree, *node)) {
		return false;
	}
	left = expr_type(tree, tree->node[*node].arg[0]);
	if (!in_check_items(tree, *node, left, &floats, &prefixes)) {
		return false;
	}
	if (expr_is_number(left)) {
		return in_numbers(tree, *node, floats);
	}
	if (left == LM_IP4 || left == LM_IP6) {
		tree->node[*node].op = EXPR_WITHIN;
		in_filter(tree, *node, left, in_keep_address);
		return in_finish(tree, *node, left);
	}
	in_filter(tree, *node, left, in_keep);
	return in_finish(tree, *node, left);
}

/* --- Lists as the kernels read them ------------------------------------------------------------
 */

static void
list_write_prefix6(const struct expr_node *item, void *to)
{
	struct expr_prefix6 prefix;
	uint8_t mask[16] = { 0 };
	uint8_t net[16];

	for (uint32_t i = 0; i < 16; i++) {
		uint32_t bits = item->prefix <= 8 * i ? 0 : item->prefix - 8 * i;

		mask[i] = bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);
		net[i] = item->value.ip6.byte[i] & mask[i];
	}
	memcpy(prefix.mask, mask, sizeof(mask));
	memcpy(prefix.net, net, sizeof(net));
	memcpy(to, &prefix, sizeof(prefix));
}

static void
list_write_prefix4(const struct expr_node *item, void *to)
{
	struct expr_prefix4 prefix;

	prefix.mask = item->prefix == 0 ? 0 : UINT32_MAX << (32 - item->prefix);
	prefix.net = item->value.u32 & prefix.mask;
	memcpy(to, &prefix, sizeof(prefix));
}

uint32_t
expr_list_write(const struct expr_tree *tree, uint16_t node, void *list)
{
	const struct expr_node *at = &tree->node[node];
	struct expr_list head = { .count = 0, .offset = 16 };
	uint32_t width = lm_type_width((enum lm_type)at->operands);

	if (at->op == EXPR_WITHIN) {
		width = at->operands == LM_IP4 ? sizeof(struct expr_prefix4)
		                               : sizeof(struct expr_prefix6);
	} else if (width == 0) {
		width = sizeof(struct expr_text);
	}
	for (uint16_t i = at->list; i != EXPR_NONE; i = tree->node[i].next) {
		const struct expr_node *item = &tree->node[i];

		if (list != NULL) {
			char *to = (char *)list + head.offset + (size_t)head.count * width;

			if (at->op != EXPR_WITHIN) {
				memcpy(to, &item->value, width);
			} else if (at->operands == LM_IP4) {
				list_write_prefix4(item, to);
			} else {
				list_write_prefix6(item, to);
			}
		}
		head.count++;
	}
	if (list != NULL) {
		memcpy(list, &head, sizeof(head));
	}
	return head.offset + head.count * width;
}
