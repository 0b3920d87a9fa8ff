/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXPR_MODEL_H
#define EXPR_MODEL_H

/*
 * Random expressions with a model of what they mean, for test_expr_eval.c: a batch with two columns
 * of every type (expr_model_batch.c), trees and their text (expr_model_tree.c), and an interpreter
 * that computes one row at a time in 128 bits (expr_model_value.c).
 */

#include "core/lm_expr.h"

/* Fields of a type are 2 * type and the one behind; of string, the second is bytes. */
#define MODEL_COPIES 2u
#define MODEL_TEXT_SIZE 4096u

extern struct lm_schema model_schema;
extern struct lm_batch *model_batch;

void model_start(uint64_t seed);
void model_stop(void);
/* New rows, of a random number. */
void model_fill(void);
uint64_t model_random(void);
uint32_t model_below(uint32_t bound);
/* Often small, often at an edge, sometimes anything. */
uint64_t model_bits(void);
struct lm_ip6 model_ip6(void);
const char *model_word(void);

enum kind { FIELD, LITERAL, UNARY, BINARY, CALL, IN };

struct value {
	enum lm_type type; /* as computed: i64, u64, f64, bool, time, ip4, ip6, mac, string */
	bool constant;     /* of literals alone: integers take the side of what they meet */
	uint64_t bits;     /* i64, u64, bool, time, ip4, mac */
	double f64;
	struct lm_ip6 ip6;
	const char *text;
	uint32_t length;
};

struct node {
	enum kind kind;
	char op[12];
	struct node *arg[3];
	uint32_t field;
	struct value value; /* LITERAL */
	char text[64];      /* LITERAL, and the list of IN */
	uint32_t item_count;
	struct value item[4];
	uint32_t prefix[4];
};

/* What kinds of values trees are made of; numbers come in any type. */
enum want { NUMBER, INTEGER, BOOL, TIME, ADDRESS, MAC };

/* Random trees; `columns`: no constant alone. All trees are gone at the next model_clear. */
void model_clear(void);
struct node *model_grow(enum want want, uint32_t depth, bool columns);
struct node *model_field(enum lm_type type);
struct node *model_literal(enum lm_type type);
struct node *model_node(enum kind kind, const char *op, struct node *a, struct node *b,
                        struct node *c);
/* Its text, with all parentheses or as few as precedence needs. */
void model_write(const struct node *node, bool minimal, char text[MODEL_TEXT_SIZE]);

struct value model_value(const struct node *node, uint32_t row);

#endif
