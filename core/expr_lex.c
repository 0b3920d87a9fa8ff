/* SPDX-License-Identifier: BSD-3-Clause */
/* Characters to tokens: names, signs and strings here; numbers, times, addresses in expr_literal.c.
 */
#include "core/expr.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

const char *
expr_op_text(enum expr_op op)
{
	static const char *const text[] = {
#define LEX_OP_TEXT(suffix, text) text,
		EXPR_OPS(LEX_OP_TEXT)
#undef LEX_OP_TEXT
	};

	return text[op];
}

static void
lex_report(struct expr_tree *tree, uint32_t column, const char *hint)
{
	tree->error->column = text_characters(tree->text, column);
	snprintf(tree->error->hint, sizeof(tree->error->hint), "%s", hint == NULL ? "" : hint);
}

bool
expr_fail_at(struct expr_tree *tree, uint32_t column, const char *hint, const char *format, ...)
{
	va_list args;

	lex_report(tree, column, hint);
	va_start(args, format);
	vsnprintf(tree->error->message, sizeof(tree->error->message), format, args);
	va_end(args);
	return false;
}

bool
expr_fail_node(struct expr_tree *tree, uint16_t node, const char *hint, const char *format, ...)
{
	const struct expr_node *at = &tree->node[node];
	const size_t size = sizeof(tree->error->message);
	const int shown_max = 48;
	int length = at->end - at->begin;
	va_list args;

	lex_report(tree, at->begin, hint);
	length = snprintf(tree->error->message, size,
	                  length > shown_max ? "\"%.*s...\": " : "\"%.*s\": ",
	                  length > shown_max ? shown_max : length, tree->text + at->begin);
	va_start(args, format);
	vsnprintf(tree->error->message + length, size - (size_t)length, format, args);
	va_end(args);
	return false;
}

/* Longer signs come before their beginnings. */
static const struct {
	char text[3];
	uint8_t op;
} lex_signs[] = {
	{ "||", EXPR_OR },     { "&&", EXPR_AND }, { "==", EXPR_EQ },    { "!=", EXPR_NE },
	{ "<=", EXPR_LE },     { ">=", EXPR_GE },  { "<<", EXPR_SHL },   { ">>", EXPR_SHR },
	{ "<", EXPR_LT },      { ">", EXPR_GT },   { "|", EXPR_BIT_OR }, { "^", EXPR_BIT_XOR },
	{ "&", EXPR_BIT_AND }, { "+", EXPR_ADD },  { "-", EXPR_SUB },    { "*", EXPR_MUL },
	{ "/", EXPR_DIV },     { "%", EXPR_MOD },
};

static bool
lex_sign(struct expr_tree *tree, struct expr_token *token)
{
	const char *text = tree->text + token->begin;

	for (uint32_t i = 0; i < sizeof(lex_signs) / sizeof(lex_signs[0]); i++) {
		size_t length = strlen(lex_signs[i].text);

		if (strncmp(text, lex_signs[i].text, length) == 0) {
			token->kind = EXPR_TOKEN_OP;
			token->op = (enum expr_op)lex_signs[i].op;
			token->end = token->begin + (uint32_t)length;
			return true;
		}
	}
	if (strchr("(),!~", *text) != NULL) {
		token->kind = EXPR_TOKEN_MARK;
		token->mark = *text;
		token->end = token->begin + 1;
		return true;
	}
	if (*text == '=') {
		return expr_fail_at(tree, token->begin, "write == to compare",
		                    "\"=\" is not an operator");
	}
	if (isprint((unsigned char)*text)) {
		return expr_fail_at(tree, token->begin, "texts stand in quotes: \"...\"",
		                    "\"%c\" has no meaning here", *text);
	}
	return expr_fail_at(tree, token->begin, "texts stand in quotes: \"...\"",
	                    "a character that has no meaning here (byte 0x%02x)",
	                    (unsigned char)*text);
}

/* The byte that the escape at `text` (behind the backslash) stands for, or -1. */
static int
lex_escape(char escape)
{
	switch (escape) {
	case '\\':
	case '"':
	case '\'':
		return escape;
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case '0':
		return '\0';
	default:
		return -1;
	}
}

/* "text" or 'text', with escapes. The bytes go behind those of the strings before. */
static bool
lex_string(struct expr_tree *tree, struct expr_token *token)
{
	const char *text = tree->text;
	const char quote = text[token->begin];
	uint32_t start = tree->string_size;
	uint32_t at = token->begin + 1;

	while (text[at] != quote) {
		int byte = text[at];

		if (byte == '\\') {
			byte = lex_escape(text[++at]);
			if (byte < 0) {
				return expr_fail_at(tree, at - 1,
				                    "there are \\\\ \\\" \\' \\n \\r \\t \\0",
				                    "no such escape in a text");
			}
		} else if (byte == '\0') {
			return expr_fail_at(tree, token->begin,
			                    "texts end with the quote they began with",
			                    "this text has no end");
		}
		/* Never more than the characters of the expression, which is how long the area is.
		 */
		tree->strings[tree->string_size++] = (char)byte;
		at++;
	}
	token->kind = EXPR_TOKEN_VALUE;
	token->type = LM_STRING;
	token->prefix = EXPR_NOT_PREFIX;
	token->value.text.bytes = tree->strings + start;
	token->value.text.length = tree->string_size - start;
	token->end = at + 1;
	return true;
}

bool
expr_lex(struct expr_tree *tree, uint32_t from, struct expr_token *token)
{
	const char *text = tree->text;

	while (isspace((unsigned char)text[from])) {
		from++;
	}
	*token = (struct expr_token){ .kind = EXPR_TOKEN_END, .begin = from, .end = from };
	if (text[from] == '\0') {
		return true;
	}
	if (text[from] == '"' || text[from] == '\'') {
		return lex_string(tree, token);
	}
	if (!expr_lex_value(tree, from, token)) {
		return false;
	}
	if (token->kind == EXPR_TOKEN_VALUE) {
		return true;
	}
	if (isalpha((unsigned char)text[from]) || text[from] == '_') {
		token->kind = EXPR_TOKEN_NAME;
		while (isalnum((unsigned char)text[token->end]) || text[token->end] == '_') {
			token->end++;
		}
		return true;
	}
	return lex_sign(tree, token);
}
