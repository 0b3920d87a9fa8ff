/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXPR_H
#define EXPR_H

/*
 * Expressions inside: what the steps hand to each other. Only core/expr_*.c include this.
 *
 *     text    -> tree      expr_lex.c, expr_parse.c   characters to tokens to nodes; knows no
 * schema tree    -> typed     expr_check.c, expr_call.c  names, types, conversions; constants are
 * folded typed   -> program   expr_compile.c             a flat list of kernel calls over slots
 *     program -> values    expr_eval.c                one leaf loop a call (expr_kernels.c)
 *
 * Threads: all but the last run on a control thread. A program is read-only once made and shared by
 * all lcores; each slice has a scratch of its own.
 *
 * Types of values. A field has its own type until something is computed with it; then i8…i64 are
 * i64, u8…u64 are u64, f32 is f64. Constants are i64 where they fit, else u64, and become u64
 * beside one. Otherwise i64 with u64 gives i64, or u64 for & | ^. All of it wraps.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/lm_expr.h"

/* Nodes after checking: the parsed ones and at most a conversion above each, and a `not`. */
#define EXPR_TREE_MAX (3 * LM_EXPR_NODES_MAX)
#define EXPR_NONE UINT16_MAX
#define EXPR_ARGS_MAX 3u

/*
 * Every operation: enum suffix, how a person writes it. Those from MIN on are functions.
 * IN takes a list of constants, WITHIN a list of prefixes; CONVERT is put in by the checker.
 */
#define EXPR_OPS(X)                                                                                \
	X(CONST, "constant")                                                                       \
	X(FIELD, "column")                                                                         \
	X(CONVERT, "conversion")                                                                   \
	X(FILL, "fill")                                                                            \
	X(COPY, "copy")                                                                            \
	X(OR, "or")                                                                                \
	X(AND, "and")                                                                              \
	X(NOT, "not")                                                                              \
	X(EQ, "==")                                                                                \
	X(NE, "!=")                                                                                \
	X(LT, "<")                                                                                 \
	X(LE, "<=")                                                                                \
	X(GT, ">")                                                                                 \
	X(GE, ">=")                                                                                \
	X(IN, "in")                                                                                \
	X(WITHIN, "in")                                                                            \
	X(BIT_OR, "|")                                                                             \
	X(BIT_XOR, "^")                                                                            \
	X(BIT_AND, "&")                                                                            \
	X(SHL, "<<")                                                                               \
	X(SHR, ">>")                                                                               \
	X(ADD, "+")                                                                                \
	X(SUB, "-")                                                                                \
	X(MUL, "*")                                                                                \
	X(DIV, "/")                                                                                \
	X(MOD, "%")                                                                                \
	X(NEGATE, "-")                                                                             \
	X(INVERT, "~")                                                                             \
	X(MIN, "min")                                                                              \
	X(MAX, "max")                                                                              \
	X(ABS, "abs")                                                                              \
	X(FLOOR, "floor")                                                                          \
	X(F64, "f64")                                                                              \
	X(U64, "u64")                                                                              \
	X(I64, "i64")                                                                              \
	X(IF, "if")                                                                                \
	X(LENGTH, "length")                                                                        \
	X(STARTS_WITH, "starts_with")                                                              \
	X(CONTAINS, "contains")                                                                    \
	X(HASH, "hash")

enum expr_op {
#define EXPR_OP_ENUM(suffix, text) EXPR_##suffix,
	EXPR_OPS(EXPR_OP_ENUM)
#undef EXPR_OP_ENUM
	    EXPR_OP_COUNT
};
#define EXPR_FUNCTION_FIRST EXPR_MIN

/* A string constant. The bytes belong to the tree and then to the expression; not ended. */
struct expr_text {
	const char *bytes;
	uint32_t length;
};

/* An address matches when its bits under the mask are those of the net. Memory order for ip6. */
struct expr_prefix4 {
	uint32_t net;
	uint32_t mask;
};

struct expr_prefix6 {
	uint64_t net[2];
	uint64_t mask[2];
};

union expr_value {
	int64_t i64;
	uint64_t u64;
	double f64;
	float f32;
	uint8_t u8; /* also bool */
	uint16_t u16;
	uint32_t u32; /* also ip4 */
	struct lm_ip6 ip6;
	struct expr_text text;
};

#define EXPR_NOT_PREFIX UINT8_MAX

/* Nodes are named by their index in the tree. */
struct expr_node {
	uint8_t op;     /* enum expr_op */
	uint8_t type;   /* enum lm_type of the value, once checked (constants: at once) */
	uint8_t prefix; /* constant ip4, ip6: bits of a prefix, or EXPR_NOT_PREFIX */
	uint8_t arg_count;
	bool fixed; /* constant of an integer type that was asked for: stays what it is */
	uint16_t arg[EXPR_ARGS_MAX];
	uint16_t list;  /* IN, WITHIN: first item */
	uint16_t next;  /* items: the one behind */
	uint16_t begin; /* characters of the text: first, and behind the last */
	uint16_t end;
	uint16_t field; /* FIELD */
	/* Once checked: the type its kernel works on (arguments, or what CONVERT comes from), or
	 * EXPR_MIXED: i64 with u64. */
	uint8_t operands;
	union expr_value value; /* CONST; names (before checking): the text */
};
#define EXPR_MIXED LM_TYPE_COUNT

struct expr_tree {
	const char *text;
	struct lm_expr_error *error;
	const struct lm_schema *schema; /* while it is checked */
	uint32_t count;
	uint16_t root;
	uint32_t string_size;
	char *strings; /* of string constants: LM_EXPR_TEXT_MAX bytes */
	struct expr_node node[EXPR_TREE_MAX];
};

static inline struct expr_node *
expr_at(struct expr_tree *tree, uint16_t index)
{
	return &tree->node[index];
}

static inline bool
expr_is_const(const struct expr_tree *tree, uint16_t index)
{
	return tree->node[index].op == EXPR_CONST;
}

/* The operation as a person writes it. */
const char *expr_op_text(enum expr_op op);

/* --- Reporting: each fills in the tree's error and returns false. ------------------------------
 */

bool expr_fail_at(struct expr_tree *tree, uint32_t column, const char *hint, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
/* The same, led by the text of the node: "src + 1": … */
bool expr_fail_node(struct expr_tree *tree, uint16_t node, const char *hint, const char *format,
                    ...) __attribute__((format(printf, 4, 5)));

/* --- Text to tree ------------------------------------------------------------------------------
 */

enum expr_token_kind {
	EXPR_TOKEN_END,
	EXPR_TOKEN_NAME,
	EXPR_TOKEN_VALUE, /* a literal: `value`, `type` and `prefix` are set */
	EXPR_TOKEN_OP,    /* one of enum expr_op, or `(`, `)`, `,`, `!` by its character */
	EXPR_TOKEN_MARK
};

struct expr_token {
	enum expr_token_kind kind;
	uint32_t begin, end;
	enum expr_op op; /* OP */
	char mark;       /* MARK: ( ) , ! ~ */
	uint8_t type;
	uint8_t prefix;
	union expr_value value;
};

/* Reads the token at or behind character `from`. False: reported. */
bool expr_lex(struct expr_tree *tree, uint32_t from, struct expr_token *token);
/* A value at `from`: its token, with `kind` END when there is none there. False: reported. */
bool expr_lex_value(struct expr_tree *tree, uint32_t from, struct expr_token *token);

/* Fills in the nodes of the tree and its root. False: reported. */
bool expr_parse_tree(struct expr_tree *tree);

/* --- Types -------------------------------------------------------------------------------------
 */

/* Finds names, sets types, puts in conversions, folds constants. False: reported. */
bool expr_check_tree(struct expr_tree *tree);

/*
 * The steps of it that its files share. A step replaces *node where something simpler has the same
 * value. Before the step of a call or of `in`, the arguments are not checked.
 */
bool expr_check_node(struct expr_tree *tree, uint16_t *node);
bool expr_check_args(struct expr_tree *tree, uint16_t node);
bool expr_check_compare(struct expr_tree *tree, uint16_t *node); /* arguments checked */
bool expr_check_in(struct expr_tree *tree, uint16_t *node);
bool expr_check_call(struct expr_tree *tree, uint16_t *node);

/* What a type is computed in: i64, u64, f64, or the type itself. */
enum lm_type expr_computed(enum lm_type type);
bool expr_is_integer(enum lm_type type);
bool expr_is_number(enum lm_type type); /* integer or float */
bool expr_is_text(enum lm_type type);   /* string or bytes */
enum lm_type expr_type(const struct expr_tree *tree, uint16_t node);
/* Puts a conversion above *node unless it has the type; constants are converted at once. */
void expr_coerce(struct expr_tree *tree, uint16_t *node, enum lm_type type);
/* The same to an argument of a node. */
void expr_coerce_arg(struct expr_tree *tree, uint16_t node, uint32_t arg, enum lm_type type);
/* The type in which two numbers are computed; `bits`: for & | ^. */
enum lm_type expr_unify(const struct expr_tree *tree, uint16_t a, uint16_t b, bool bits);
/* Gives a checked node its types, and its value when all its arguments are constant. True. */
bool expr_finish(struct expr_tree *tree, uint16_t node, uint8_t operands, enum lm_type type);
bool expr_set_bool(struct expr_tree *tree, uint16_t node, bool value); /* true */
void expr_swap_args(struct expr_tree *tree, uint16_t node);
/* Turns an integer constant into one of an integer type: 0, or -1 or 1: it is below or above all.
 */
int expr_narrow(struct expr_node *constant, enum lm_type type);
struct lm_ip6 expr_map_ip4(uint32_t address);
bool expr_unmap_ip4(const struct lm_ip6 *address, uint32_t *ip4); /* false: it is not one */
/* Room for a list: its head and at most that many items. */
#define EXPR_LIST_SIZE_MAX (16 + LM_EXPR_NODES_MAX * sizeof(struct expr_prefix6))
/* Writes the struct expr_list of an `in`; returns its size. NULL: only the size. */
uint32_t expr_list_write(const struct expr_tree *tree, uint16_t node, void *list);

/* --- Programs ----------------------------------------------------------------------------------
 */

/* Where an operand of a kernel lives. */
enum expr_space {
	EXPR_SPACE_COLUMN,   /* the batch, or its selected rows, gathered; strings: struct
	                        expr_strings */
	EXPR_SPACE_CONSTANT, /* the program */
	EXPR_SPACE_REGISTER, /* the scratch */
	EXPR_SPACE_RESULT    /* what the caller wants filled */
};

struct expr_slot {
	uint32_t space;  /* enum expr_space */
	uint32_t offset; /* CONSTANT, REGISTER: bytes; COLUMN: index */
};

typedef void expr_kernel_fn(const void *a, const void *b, const void *c, void *out, uint32_t count);

struct expr_call {
	expr_kernel_fn *run;
	uint16_t a, b, c, out; /* slots */
};

struct expr_column {
	uint32_t field;
	uint32_t width;  /* 0: strings */
	uint32_t gather; /* offset in the scratch of its selected rows */
};

struct expr_program {
	uint32_t call_count;
	uint32_t slot_count;
	uint32_t column_count;
	uint32_t register_size; /* bytes of scratch: registers, gathered columns */
	uint32_t gather_size;
	bool reads_strings;
	uint32_t constant_size;
	struct expr_call *call;
	struct expr_slot *slot; /* the first is RESULT */
	char *constant;
	struct expr_column column[LM_FIELDS_MAX];
};

/*
 * `whole` is the program of the value; a bare field has none. An and-chain with terms that read
 * strings has two more for selecting: `cheap` for the other terms, `costly` for those, on what
 * `cheap` kept.
 */
struct lm_expr {
	enum lm_type type;
	uint32_t field;
	struct expr_program *whole, *cheap, *costly;
	char *strings; /* of constants */
};

/* A program for the value of a node of a checked tree; NULL when there is no memory. */
struct expr_program *expr_compile(struct expr_tree *tree, uint16_t root);
void expr_program_free(struct expr_program *program);

#endif
