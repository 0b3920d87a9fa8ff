/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of an expression: from its text through all steps to its programs, and its end. */
#include "core/expr.h"

#include <stdlib.h>
#include <string.h>

#include "core/expr_kernels.h"

/* Whether a value of the node is slow to make: it reads the bytes of strings. */
static bool
expr_is_costly(const struct expr_tree *tree, uint16_t node)
{
	const struct expr_node *at = &tree->node[node];
	bool operation = at->op != EXPR_CONST && at->op != EXPR_FIELD && at->op != EXPR_LENGTH;

	if (operation && expr_kernel_reads_strings(at->operands)) {
		return true;
	}
	for (uint32_t i = 0; i < at->arg_count; i++) {
		if (expr_is_costly(tree, at->arg[i])) {
			return true;
		}
	}
	return false;
}

/* An and-chain that is being taken apart: its terms, and its `and` nodes, to be used again. */
struct expr_chain {
	uint32_t term_count, join_count;
	uint16_t term[EXPR_TREE_MAX];
	uint16_t join[EXPR_TREE_MAX];
};

static void
expr_chain_collect(const struct expr_tree *tree, uint16_t node, struct expr_chain *chain)
{
	const struct expr_node *at = &tree->node[node];

	if (at->op != EXPR_AND) {
		chain->term[chain->term_count++] = node;
		return;
	}
	chain->join[chain->join_count++] = node;
	expr_chain_collect(tree, at->arg[0], chain);
	expr_chain_collect(tree, at->arg[1], chain);
}

/* Joins the terms that are costly, or those that are not, by `and`; EXPR_NONE when there are none.
 */
static uint16_t
expr_chain_join(struct expr_tree *tree, struct expr_chain *chain, bool costly)
{
	uint16_t joined = EXPR_NONE;

	for (uint32_t i = 0; i < chain->term_count; i++) {
		uint16_t term = chain->term[i];
		uint16_t left = joined;

		if (expr_is_costly(tree, term) != costly) {
			continue;
		}
		joined = term;
		if (left != EXPR_NONE) {
			joined = chain->join[--chain->join_count];
			tree->node[joined].arg[0] = left;
			tree->node[joined].arg[1] = term;
		}
	}
	return joined;
}

/* After the whole is compiled: the nodes are used up. False: no memory. */
static bool
expr_split(struct lm_expr *expr, struct expr_tree *tree)
{
	struct expr_chain *chain = calloc(1, sizeof(*chain));
	uint32_t costly_count = 0;
	uint16_t cheap, costly;

	if (chain == NULL) {
		return false;
	}
	expr_chain_collect(tree, tree->root, chain);
	for (uint32_t i = 0; i < chain->term_count; i++) {
		costly_count += expr_is_costly(tree, chain->term[i]);
	}
	if (costly_count == 0 || costly_count == chain->term_count) {
		free(chain);
		return true;
	}
	/* Two chains have one `and` less than one had: the nodes suffice. */
	cheap = expr_chain_join(tree, chain, false);
	costly = expr_chain_join(tree, chain, true);
	free(chain);
	expr->cheap = expr_compile(tree, cheap);
	expr->costly = expr_compile(tree, costly);
	return expr->cheap != NULL && expr->costly != NULL;
}

static bool
expr_programs(struct lm_expr *expr, struct expr_tree *tree)
{
	const struct expr_node *root = expr_at(tree, tree->root);

	expr->type = (enum lm_type)root->type;
	expr->field = LM_NONE;
	if (root->op == EXPR_FIELD) {
		expr->field = root->field;
		return true;
	}
	expr->whole = expr_compile(tree, tree->root);
	return expr->whole != NULL && (root->op != EXPR_AND || expr_split(expr, tree));
}

struct lm_expr *
lm_expr_parse(const char *text, const struct lm_schema *schema, struct lm_expr_error *error)
{
	struct expr_tree *tree = calloc(1, sizeof(*tree));
	struct lm_expr *expr = calloc(1, sizeof(*expr));
	char *strings = malloc(LM_EXPR_TEXT_MAX);
	bool made = false;

	memset(error, 0, sizeof(*error));
	if (tree != NULL && expr != NULL && strings != NULL) {
		tree->text = text;
		tree->error = error;
		tree->schema = schema;
		tree->strings = strings;
		made = expr_parse_tree(tree) && expr_check_tree(tree);
		if (made && !expr_programs(expr, tree)) {
			made = expr_fail_at(tree, 0, NULL, "there is no memory for the expression");
		}
	}
	if (made) {
		expr->strings = strings;
		strings = NULL;
	} else {
		lm_expr_free(expr);
		expr = NULL;
		if (error->message[0] == '\0') {
			memcpy(error->message, "out of memory", sizeof("out of memory"));
		}
	}
	free(strings);
	free(tree);
	return expr;
}

void
lm_expr_free(struct lm_expr *expr)
{
	if (expr == NULL) {
		return;
	}
	expr_program_free(expr->whole);
	expr_program_free(expr->cheap);
	expr_program_free(expr->costly);
	free(expr->strings);
	free(expr);
}

enum lm_type
lm_expr_type(const struct lm_expr *expr)
{
	return expr->type;
}

uint32_t
lm_expr_field(const struct lm_expr *expr)
{
	return expr->field;
}
