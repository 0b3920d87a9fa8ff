/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tokens to a tree, by precedence climbing: each level reads what binds tighter, then its own
 * operators. Knows no schema; names stay names.
 */
#include "core/expr.h"

#include <string.h>

struct parse {
	struct expr_tree *tree;
	struct expr_token token; /* the one in hand, not yet consumed */
	uint32_t depth;          /* of parentheses, calls and signs in front */
	uint16_t end;            /* of the token consumed last */
};

/* How tight operators bind, from loose to tight. Comparisons do not chain: a < b < c is an error.
 */
enum parse_level {
	PARSE_OR = 1,
	PARSE_AND,
	PARSE_NOT,
	PARSE_COMPARE,
	PARSE_BIT_OR,
	PARSE_BIT_XOR,
	PARSE_BIT_AND,
	PARSE_SHIFT,
	PARSE_SUM,
	PARSE_PRODUCT
};

static bool parse_level(struct parse *parse, enum parse_level level, uint16_t *node);

static enum parse_level
parse_level_of(enum expr_op op)
{
	static const uint8_t levels[EXPR_OP_COUNT] = {
		[EXPR_OR] = PARSE_OR,           [EXPR_AND] = PARSE_AND,
		[EXPR_EQ] = PARSE_COMPARE,      [EXPR_NE] = PARSE_COMPARE,
		[EXPR_LT] = PARSE_COMPARE,      [EXPR_LE] = PARSE_COMPARE,
		[EXPR_GT] = PARSE_COMPARE,      [EXPR_GE] = PARSE_COMPARE,
		[EXPR_IN] = PARSE_COMPARE,      [EXPR_BIT_OR] = PARSE_BIT_OR,
		[EXPR_BIT_XOR] = PARSE_BIT_XOR, [EXPR_BIT_AND] = PARSE_BIT_AND,
		[EXPR_SHL] = PARSE_SHIFT,       [EXPR_SHR] = PARSE_SHIFT,
		[EXPR_ADD] = PARSE_SUM,         [EXPR_SUB] = PARSE_SUM,
		[EXPR_MUL] = PARSE_PRODUCT,     [EXPR_DIV] = PARSE_PRODUCT,
		[EXPR_MOD] = PARSE_PRODUCT,
	};

	return (enum parse_level)levels[op];
}

/* Consumes the token in hand. The words that are operators become their signs. */
static bool
parse_next(struct parse *parse)
{
	static const struct {
		const char *word;
		enum expr_op op;
	} words[] = {
		{ "or", EXPR_OR }, { "and", EXPR_AND }, { "not", EXPR_NOT }, { "in", EXPR_IN }
	};
	struct expr_token *token = &parse->token;
	const char *text = parse->tree->text;

	parse->end = (uint16_t)token->end;
	if (!expr_lex(parse->tree, token->end, token)) {
		return false;
	}
	for (uint32_t i = 0; token->kind == EXPR_TOKEN_NAME && i < 4; i++) {
		size_t length = strlen(words[i].word);

		if (token->end - token->begin == length &&
		    memcmp(text + token->begin, words[i].word, length) == 0) {
			token->kind = EXPR_TOKEN_OP;
			token->op = words[i].op;
		}
	}
	if (token->kind == EXPR_TOKEN_MARK && token->mark == '!') {
		token->kind = EXPR_TOKEN_OP;
		token->op = EXPR_NOT;
	}
	if (token->kind == EXPR_TOKEN_MARK && token->mark == '~') {
		token->kind = EXPR_TOKEN_OP;
		token->op = EXPR_INVERT;
	}
	return true;
}

static bool
parse_is_mark(const struct parse *parse, char mark)
{
	return parse->token.kind == EXPR_TOKEN_MARK && parse->token.mark == mark;
}

static bool
parse_is_op(const struct parse *parse, enum expr_op op)
{
	return parse->token.kind == EXPR_TOKEN_OP && parse->token.op == op;
}

static bool
parse_expected(struct parse *parse, const char *what, const char *hint)
{
	const struct expr_token *token = &parse->token;
	int length = (int)(token->end - token->begin);

	if (token->kind == EXPR_TOKEN_END) {
		return expr_fail_at(parse->tree, token->begin, hint, "%s is missing at the end",
		                    what);
	}
	return expr_fail_at(parse->tree, token->begin, hint, "%s is missing before \"%.*s\"", what,
	                    length > 48 ? 48 : length, parse->tree->text + token->begin);
}

static bool
parse_take_mark(struct parse *parse, char mark, const char *hint)
{
	const char what[] = { '"', mark, '"', '\0' };

	return parse_is_mark(parse, mark) ? parse_next(parse) : parse_expected(parse, what, hint);
}

static bool
parse_add(struct parse *parse, enum expr_op op, uint32_t begin, uint16_t *node)
{
	struct expr_tree *tree = parse->tree;

	if (tree->count == LM_EXPR_NODES_MAX) {
		return expr_fail_at(tree, begin, "split it, or compute a part of it upstream",
		                    "the expression has more than %u parts", LM_EXPR_NODES_MAX);
	}
	*node = (uint16_t)tree->count++;
	tree->node[*node] = (struct expr_node){ .op = (uint8_t)op,
		                                .prefix = EXPR_NOT_PREFIX,
		                                .list = EXPR_NONE,
		                                .next = EXPR_NONE,
		                                .begin = (uint16_t)begin,
		                                .end = parse->end };
	return true;
}

static bool
parse_nest(struct parse *parse)
{
	if (parse->depth == LM_EXPR_DEPTH_MAX) {
		return expr_fail_at(
		    parse->tree, parse->token.begin, "write it with fewer parentheses",
		    "the expression is nested more than %u deep", LM_EXPR_DEPTH_MAX);
	}
	parse->depth++;
	return true;
}

/* name(a, b, c), with the name consumed and known by `node`. Which function it is, the checker
 * says. */
static bool
parse_call(struct parse *parse, uint16_t node)
{
	static const char hint[] = "a call ends with \")\" and has commas between its arguments";
	struct expr_tree *tree = parse->tree;

	tree->node[node].op = EXPR_FUNCTION_FIRST;
	if (!parse_nest(parse) || !parse_next(parse)) {
		return false;
	}
	while (!parse_is_mark(parse, ')')) {
		uint8_t index = tree->node[node].arg_count;
		uint16_t arg;

		if (index > 0 && !parse_take_mark(parse, ',', hint)) {
			return false;
		}
		if (index == EXPR_ARGS_MAX) {
			return expr_fail_at(tree, parse->token.begin, NULL,
			                    "no function takes more than %u arguments",
			                    EXPR_ARGS_MAX);
		}
		if (!parse_level(parse, PARSE_OR, &arg)) {
			return false;
		}
		tree->node[node].arg[index] = arg;
		tree->node[node].arg_count++;
	}
	if (!parse_next(parse)) {
		return false;
	}
	parse->depth--;
	tree->node[node].end = parse->end;
	return true;
}

/* true, false, a column, a call. */
static bool
parse_name(struct parse *parse, uint16_t *node)
{
	uint32_t begin = parse->token.begin;
	uint32_t length = parse->token.end - begin;
	const char *text = parse->tree->text + begin;
	struct expr_node *made;

	if (!parse_next(parse) || !parse_add(parse, EXPR_FIELD, begin, node)) {
		return false;
	}
	made = expr_at(parse->tree, *node);
	made->value.text = (struct expr_text){ .bytes = text, .length = length };
	if (parse_is_mark(parse, '(')) {
		return parse_call(parse, *node);
	}
	if ((length == 4 && memcmp(text, "true", 4) == 0) ||
	    (length == 5 && memcmp(text, "false", 5) == 0)) {
		made->op = EXPR_CONST;
		made->type = LM_BOOL;
		made->value.u8 = length == 4;
	}
	return true;
}

static bool
parse_primary(struct parse *parse, uint16_t *node)
{
	struct expr_token token = parse->token;

	if (token.kind == EXPR_TOKEN_VALUE) {
		if (!parse_next(parse) || !parse_add(parse, EXPR_CONST, token.begin, node)) {
			return false;
		}
		parse->tree->node[*node].type = token.type;
		parse->tree->node[*node].prefix = token.prefix;
		parse->tree->node[*node].value = token.value;
		return true;
	}
	if (token.kind == EXPR_TOKEN_NAME) {
		return parse_name(parse, node);
	}
	if (parse_is_mark(parse, '(')) {
		if (!parse_nest(parse) || !parse_next(parse) ||
		    !parse_level(parse, PARSE_OR, node) ||
		    !parse_take_mark(parse, ')', "every \"(\" needs a \")\"")) {
			return false;
		}
		/* Errors show a part with its parentheses. */
		parse->tree->node[*node].begin = (uint16_t)token.begin;
		parse->tree->node[*node].end = parse->end;
		parse->depth--;
		return true;
	}
	return parse_expected(parse, "a value", "a value is a column, a constant or a call");
}

/* -x, ~x, !x; a `not` in front of a comparison is of the whole comparison. */
static bool
parse_prefixed(struct parse *parse, enum expr_op op, enum parse_level level, uint16_t *node)
{
	uint32_t begin = parse->token.begin;
	uint16_t arg;

	if (!parse_nest(parse) || !parse_next(parse) || !parse_level(parse, level, &arg) ||
	    !parse_add(parse, op, begin, node)) {
		return false;
	}
	parse->tree->node[*node].arg[0] = arg;
	parse->tree->node[*node].arg_count = 1;
	parse->depth--;
	return true;
}

static bool
parse_unary(struct parse *parse, uint16_t *node)
{
	if (parse_is_op(parse, EXPR_SUB)) {
		return parse_prefixed(parse, EXPR_NEGATE, PARSE_PRODUCT + 1, node);
	}
	if (parse_is_op(parse, EXPR_INVERT) || parse_is_op(parse, EXPR_NOT)) {
		return parse_prefixed(parse, parse->token.op, PARSE_PRODUCT + 1, node);
	}
	return parse_primary(parse, node);
}

/* What follows `in`: a prefix or address, or constants in parentheses. */
static bool
parse_in(struct parse *parse, uint16_t left, uint16_t *node)
{
	struct expr_tree *tree = parse->tree;
	bool list = parse_is_mark(parse, '(');
	uint16_t item, last = EXPR_NONE;
	uint32_t begin = tree->node[left].begin;

	if (list && !parse_next(parse)) {
		return false;
	}
	if (!parse_add(parse, EXPR_IN, begin, node)) {
		return false;
	}
	do {
		if (last != EXPR_NONE && !parse_next(parse)) {
			return false;
		}
		if (!parse_level(parse, PARSE_BIT_OR, &item)) {
			return false;
		}
		*(last == EXPR_NONE ? &tree->node[*node].list : &tree->node[last].next) = item;
		last = item;
	} while (list && parse_is_mark(parse, ','));
	if (list && !parse_take_mark(parse, ')', "a list looks like (1, 2, 3)")) {
		return false;
	}
	tree->node[*node].arg[0] = left;
	tree->node[*node].arg_count = 1;
	tree->node[*node].end = parse->end;
	return true;
}

/* One operator of a level and what stands right of it; *node is what stands left, then the whole.
 */
static bool
parse_operator(struct parse *parse, enum parse_level level, uint16_t *node)
{
	enum expr_op op = parse->token.op;
	uint16_t left = *node, right;
	uint32_t begin = parse->tree->node[left].begin;

	if (!parse_next(parse)) {
		return false;
	}
	if (op == EXPR_IN) {
		return parse_in(parse, left, node);
	}
	if (!parse_level(parse, level + 1, &right) || !parse_add(parse, op, begin, node)) {
		return false;
	}
	parse->tree->node[*node].arg[0] = left;
	parse->tree->node[*node].arg[1] = right;
	parse->tree->node[*node].arg_count = 2;
	return true;
}

/* x not in …, with the `not` in hand. */
static bool
parse_not_in(struct parse *parse, uint16_t *node)
{
	uint32_t begin = parse->tree->node[*node].begin;
	uint16_t in = *node;

	if (!parse_next(parse)) {
		return false;
	}
	if (!parse_is_op(parse, EXPR_IN)) {
		return parse_expected(parse, "\"in\"", "behind a value, not starts \"not in\"");
	}
	if (!parse_operator(parse, PARSE_COMPARE, &in) ||
	    !parse_add(parse, EXPR_NOT, begin, node)) {
		return false;
	}
	parse->tree->node[*node].arg[0] = in;
	parse->tree->node[*node].arg_count = 1;
	return true;
}

static bool
parse_level(struct parse *parse, enum parse_level level, uint16_t *node)
{
	uint32_t compared = 0;

	if (level > PARSE_PRODUCT) {
		return parse_unary(parse, node);
	}
	if (level == PARSE_NOT && parse_is_op(parse, EXPR_NOT)) {
		return parse_prefixed(parse, EXPR_NOT, PARSE_NOT, node);
	}
	if (!parse_level(parse, level + 1, node)) {
		return false;
	}
	for (;;) {
		bool not_in = level == PARSE_COMPARE && parse_is_op(parse, EXPR_NOT);

		if (!not_in && (parse->token.kind != EXPR_TOKEN_OP ||
		                parse_level_of(parse->token.op) != level)) {
			return true;
		}
		if (level == PARSE_COMPARE && compared++ > 0) {
			return expr_fail_at(parse->tree, parse->token.begin,
			                    "write a < b and b < c",
			                    "comparisons cannot be chained");
		}
		if (!(not_in ? parse_not_in(parse, node) : parse_operator(parse, level, node))) {
			return false;
		}
	}
}

bool
expr_parse_tree(struct expr_tree *tree)
{
	struct parse parse = { .tree = tree };

	if (strnlen(tree->text, LM_EXPR_TEXT_MAX + 1) > LM_EXPR_TEXT_MAX) {
		return expr_fail_at(tree, 0, "split it, or compute a part of it upstream",
		                    "the expression is longer than %u characters",
		                    LM_EXPR_TEXT_MAX);
	}
	if (!parse_next(&parse) || !parse_level(&parse, PARSE_OR, &tree->root)) {
		return false;
	}
	if (parse.token.kind != EXPR_TOKEN_END) {
		return parse_expected(&parse, "an operator",
		                      "and, or, == and others stand between two values");
	}
	return true;
}
