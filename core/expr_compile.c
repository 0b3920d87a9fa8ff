/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A checked tree to a program: kernel calls in the order in which they run, each operand a slot.
 * Registers are handed out so that the one let go last, the warmest, is taken next.
 */
#include "core/expr.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/expr_kernels.h"

#define COMPILE_ALIGN 64u
/* Constants stand where any of them may. */
#define COMPILE_CONSTANT_ALIGN 16u

/* Registers come in the widths of values: bools, ip4, most, ip6. */
static const uint8_t compile_widths[] = { 1, 4, 8, 16 };
#define COMPILE_WIDTHS 4u

struct compile_pool {
	uint32_t free_count;
	uint16_t
	    free[EXPR_TREE_MAX]; /* slots of registers of the width that nobody reads any more */
};

struct compile {
	struct expr_tree *tree;
	struct expr_program *program;
	struct compile_pool pool[COMPILE_WIDTHS];
	uint8_t width[2 * EXPR_TREE_MAX]; /* of the register that a slot is; 0: it is none */
};

static uint16_t compile_node(struct compile *compile, uint16_t node);

/* Slots: the result, and for each node a value or a filled register, and a list. */
static uint32_t
compile_slots_max(const struct expr_tree *tree)
{
	return 1 + 2 * tree->count;
}

static uint32_t
compile_constants_max(const struct expr_tree *tree)
{
	uint32_t size = 0;

	/* A value, or what it takes in a list, and the list's head. */
	for (uint32_t i = 0; i < tree->count; i++) {
		size += sizeof(struct expr_prefix6) + COMPILE_CONSTANT_ALIGN;
	}
	return size;
}

static struct expr_program *
compile_create(const struct expr_tree *tree)
{
	struct expr_program *program = calloc(1, sizeof(*program));
	uint32_t slots = compile_slots_max(tree);
	size_t constants = (compile_constants_max(tree) + COMPILE_ALIGN - 1) / COMPILE_ALIGN;

	if (program == NULL) {
		return NULL;
	}
	program->call = calloc(slots, sizeof(*program->call));
	program->slot = calloc(slots, sizeof(*program->slot));
	program->constant = aligned_alloc(COMPILE_ALIGN, constants * COMPILE_ALIGN);
	if (program->call == NULL || program->slot == NULL || program->constant == NULL) {
		expr_program_free(program);
		return NULL;
	}
	memset(program->constant, 0, constants * COMPILE_ALIGN);
	program->slot[0].space = EXPR_SPACE_RESULT;
	program->slot_count = 1;
	return program;
}

void
expr_program_free(struct expr_program *program)
{
	if (program == NULL) {
		return;
	}
	free(program->call);
	free(program->slot);
	free(program->constant);
	free(program);
}

static uint16_t
compile_slot(struct compile *compile, enum expr_space space, uint32_t offset)
{
	struct expr_program *program = compile->program;

	assert(program->slot_count < compile_slots_max(compile->tree));
	program->slot[program->slot_count] =
	    (struct expr_slot){ .space = (uint32_t)space, .offset = offset };
	return (uint16_t)program->slot_count++;
}

static struct compile_pool *
compile_pool(struct compile *compile, uint32_t width)
{
	for (uint32_t i = 0; i < COMPILE_WIDTHS; i++) {
		if (compile_widths[i] == width) {
			return &compile->pool[i];
		}
	}
	assert(false);
	return NULL;
}

static uint16_t
compile_register(struct compile *compile, uint32_t width)
{
	struct compile_pool *pool = compile_pool(compile, width);
	struct expr_program *program = compile->program;
	uint16_t slot;

	if (pool->free_count > 0) {
		return pool->free[--pool->free_count];
	}
	slot = compile_slot(compile, EXPR_SPACE_REGISTER, program->register_size);
	program->register_size += width * LM_BATCH_ROWS;
	compile->width[slot] = (uint8_t)width;
	return slot;
}

/* The slot has been read for the last time. */
static void
compile_release(struct compile *compile, uint16_t slot)
{
	if (compile->width[slot] != 0) {
		struct compile_pool *pool = compile_pool(compile, compile->width[slot]);

		pool->free[pool->free_count++] = slot;
	}
}

static uint16_t
compile_constant(struct compile *compile, const void *value, uint32_t size)
{
	struct expr_program *program = compile->program;
	uint32_t offset = program->constant_size;

	assert(offset + size <= compile_constants_max(compile->tree));
	memcpy(program->constant + offset, value, size);
	program->constant_size = (offset + size + COMPILE_CONSTANT_ALIGN - 1) /
	                         COMPILE_CONSTANT_ALIGN * COMPILE_CONSTANT_ALIGN;
	return compile_slot(compile, EXPR_SPACE_CONSTANT, offset);
}

static uint16_t
compile_list(struct compile *compile, uint16_t node)
{
	struct expr_program *program = compile->program;
	uint32_t offset = program->constant_size;
	uint32_t size = expr_list_write(compile->tree, node, NULL);

	assert(offset + size <= compile_constants_max(compile->tree));
	expr_list_write(compile->tree, node, program->constant + offset);
	program->constant_size = (offset + size + COMPILE_CONSTANT_ALIGN - 1) /
	                         COMPILE_CONSTANT_ALIGN * COMPILE_CONSTANT_ALIGN;
	return compile_slot(compile, EXPR_SPACE_CONSTANT, offset);
}

static void
compile_call(struct compile *compile, expr_kernel_fn *run, const uint16_t *operand, uint16_t out)
{
	struct expr_program *program = compile->program;

	assert(run != NULL);
	assert(program->call_count < compile_slots_max(compile->tree));
	program->call[program->call_count++] = (struct expr_call){
		.run = run, .a = operand[0], .b = operand[1], .c = operand[2], .out = out
	};
}

/* The column of a field: one for all its uses. */
static uint16_t
compile_column(struct compile *compile, const struct expr_node *node)
{
	struct expr_program *program = compile->program;
	uint32_t width = lm_type_width((enum lm_type)node->type);

	for (uint32_t i = 0; i < program->slot_count; i++) {
		const struct expr_slot *slot = &program->slot[i];

		if (slot->space == EXPR_SPACE_COLUMN &&
		    program->column[slot->offset].field == node->field) {
			return (uint16_t)i;
		}
	}
	assert(program->column_count < LM_FIELDS_MAX);
	program->column[program->column_count] = (struct expr_column){
		.field = node->field, .width = width, .gather = program->gather_size
	};
	program->gather_size += width * LM_BATCH_ROWS;
	program->reads_strings |= width == 0;
	return compile_slot(compile, EXPR_SPACE_COLUMN, program->column_count++);
}

/* A constant where a kernel wants an array. */
static uint16_t
compile_fill(struct compile *compile, uint16_t node)
{
	const struct expr_node *at = expr_at(compile->tree, node);
	uint16_t operand[3] = { 0 };
	uint16_t out = compile_register(compile, lm_type_width((enum lm_type)at->type));

	operand[0] = compile_constant(compile, &at->value, sizeof(at->value));
	compile_call(compile, expr_kernel(EXPR_FILL, at->type, EXPR_VECTOR), operand, out);
	return out;
}

static uint16_t
compile_operand(struct compile *compile, uint16_t node)
{
	return expr_is_const(compile->tree, node) ? compile_fill(compile, node)
	                                          : compile_node(compile, node);
}

static uint16_t
compile_convert(struct compile *compile, const struct expr_node *at)
{
	uint16_t operand[3] = { 0 };
	uint16_t out;
	expr_kernel_fn *run =
	    expr_kernel_convert((enum lm_type)at->operands, (enum lm_type)at->type);

	operand[0] = compile_operand(compile, at->arg[0]);
	if (run == NULL) {
		return operand[0];
	}
	out = compile_register(compile, lm_type_width((enum lm_type)at->type));
	compile_call(compile, run, operand, out);
	compile_release(compile, operand[0]);
	return out;
}

/* Calls the kernels of a node's value; returns the slot where it is then. Not for constants. */
static uint16_t
compile_node(struct compile *compile, uint16_t node)
{
	const struct expr_node *at = expr_at(compile->tree, node);
	uint16_t operand[3] = { 0 };
	expr_kernel_fn *run = NULL;
	uint16_t out;

	if (at->op == EXPR_FIELD) {
		return compile_column(compile, at);
	}
	if (at->op == EXPR_CONVERT) {
		return compile_convert(compile, at);
	}
	operand[0] = compile_operand(compile, at->arg[0]);
	if (at->op == EXPR_IN || at->op == EXPR_WITHIN) {
		operand[1] = compile_list(compile, node);
		run = expr_kernel((enum expr_op)at->op, at->operands, EXPR_CONSTANT);
	} else if (at->arg_count == 2 && expr_is_const(compile->tree, at->arg[1])) {
		const union expr_value *value = &compile->tree->node[at->arg[1]].value;

		operand[1] = compile_constant(compile, value, sizeof(*value));
		run = expr_kernel((enum expr_op)at->op, at->operands, EXPR_CONSTANT);
	} else {
		for (uint32_t i = 1; i < at->arg_count; i++) {
			operand[i] = compile_operand(compile, at->arg[i]);
		}
		run = expr_kernel((enum expr_op)at->op, at->operands, EXPR_VECTOR);
	}
	out = compile_register(compile, lm_type_width((enum lm_type)at->type));
	compile_call(compile, run, operand, out);
	for (uint32_t i = at->arg_count; i-- > 0;) {
		compile_release(compile, operand[i]);
	}
	return out;
}

struct expr_program *
expr_compile(struct expr_tree *tree, uint16_t root)
{
	struct compile *compile = calloc(1, sizeof(*compile));
	struct expr_program *program = compile == NULL ? NULL : compile_create(tree);
	uint16_t operand[3] = { 0 };

	if (program == NULL) {
		free(compile);
		return NULL;
	}
	compile->tree = tree;
	compile->program = program;
	operand[0] = compile_operand(compile, root);
	if (compile->width[operand[0]] != 0) {
		/* The last call made it, and nothing else reads it: let it write the result. */
		program->call[program->call_count - 1].out = 0;
	} else {
		compile_call(compile, expr_kernel(EXPR_COPY, tree->node[root].type, EXPR_VECTOR),
		             operand, 0);
	}
	free(compile);
	return program;
}
