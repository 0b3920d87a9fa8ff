/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running the programs of expressions on batches. The only file of theirs that runs on lcores,
 * besides the kernels.
 */
#include "core/lm_expr.h"

#include <assert.h>
#include <string.h>

#include "core/env.h"
#include "core/expr.h"
#include "core/expr_kernels.h"

static_assert(LM_FIELDS_MAX <= UINT16_MAX, "slots of columns");

/* What a slice needs for one program. */
struct eval_state {
	const void **slot; /* where the operands are; of columns and the result: in this call */
	struct expr_strings *strings; /* of the columns that are strings */
};

struct lm_expr_scratch {
	struct eval_state whole, cheap, costly;
	char *registers; /* shared by the programs: one runs at a time */
	char *gathered;
	uint8_t *mask;
	uint8_t *picked; /* of the mask, the candidates */
};

/* --- Scratches ---------------------------------------------------------------------------------
 */

static size_t
eval_take(size_t *size, size_t more)
{
	size_t start = *size;

	*size = (start + more + 63) & ~(size_t)63;
	return start;
}

static uint32_t
eval_max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* Lays out, or, with memory, sets up the state of a program. */
static void
eval_state_place(struct eval_state *state, const struct expr_program *program, char *memory,
                 size_t *size)
{
	size_t slots, strings;

	if (program == NULL) {
		return;
	}
	slots = eval_take(size, program->slot_count * sizeof(*state->slot));
	strings = eval_take(size, program->column_count * sizeof(*state->strings));
	if (memory != NULL) {
		state->slot = (const void **)(memory + slots);
		state->strings = (struct expr_strings *)(memory + strings);
	}
}

static void
eval_state_start(struct eval_state *state, const struct expr_program *program, char *registers)
{
	for (uint32_t i = 0; program != NULL && i < program->slot_count; i++) {
		const struct expr_slot *slot = &program->slot[i];

		if (slot->space == EXPR_SPACE_CONSTANT) {
			state->slot[i] = program->constant + slot->offset;
		} else if (slot->space == EXPR_SPACE_REGISTER) {
			state->slot[i] = registers + slot->offset;
		}
	}
}

static size_t
eval_scratch_place(const struct lm_expr *expr, struct lm_expr_scratch *scratch)
{
	const struct expr_program *programs[] = { expr->whole, expr->cheap, expr->costly };
	struct lm_expr_scratch none;
	struct lm_expr_scratch *at = scratch == NULL ? &none : scratch;
	struct eval_state *states[] = { &at->whole, &at->cheap, &at->costly };
	size_t size = 0, registers, gathered, mask, picked;
	uint32_t register_size = 0, gather_size = 0;

	eval_take(&size, sizeof(*scratch));
	for (uint32_t i = 0; i < 3; i++) {
		eval_state_place(states[i], programs[i], (char *)scratch, &size);
		if (programs[i] != NULL) {
			register_size = eval_max(register_size, programs[i]->register_size);
			gather_size = eval_max(gather_size, programs[i]->gather_size);
		}
	}
	registers = eval_take(&size, register_size);
	gathered = eval_take(&size, gather_size);
	mask = eval_take(&size, LM_BATCH_ROWS);
	picked = eval_take(&size, LM_BATCH_ROWS);
	if (scratch != NULL) {
		scratch->registers = (char *)scratch + registers;
		scratch->gathered = (char *)scratch + gathered;
		scratch->mask = (uint8_t *)scratch + mask;
		scratch->picked = (uint8_t *)scratch + picked;
		for (uint32_t i = 0; i < 3; i++) {
			eval_state_start(states[i], programs[i], scratch->registers);
		}
	}
	return size;
}

struct lm_expr_scratch *
lm_expr_scratch_create(const struct lm_expr *expr)
{
	struct lm_expr_scratch *scratch = env_alloc(eval_scratch_place(expr, NULL), 64, -1);

	if (scratch != NULL) {
		eval_scratch_place(expr, scratch);
	}
	return scratch;
}

void
lm_expr_scratch_free(struct lm_expr_scratch *scratch)
{
	env_free(scratch);
}

/* --- Running -----------------------------------------------------------------------------------
 */

/* Points the slots of columns at the batch, or gathers the rows first. */
static void
eval_columns(const struct expr_program *program, struct eval_state *state, char *gathered,
             const struct lm_batch *in, const uint16_t *rows, uint32_t count)
{
	for (uint32_t i = 1; i < program->slot_count; i++) {
		const struct expr_column *column;

		if (program->slot[i].space != EXPR_SPACE_COLUMN) {
			continue;
		}
		column = &program->column[program->slot[i].offset];
		if (column->width == 0) {
			struct expr_strings *strings = &state->strings[program->slot[i].offset];

			strings->offsets = lm_batch_offsets(in, column->field);
			strings->bytes = lm_batch_bytes(in, column->field);
			strings->rows = rows;
			state->slot[i] = strings;
		} else if (rows == NULL) {
			state->slot[i] = lm_batch_column(in, column->field);
		} else {
			lm_gather(gathered + column->gather, lm_batch_column(in, column->field),
			          column->width, rows, count);
			state->slot[i] = gathered + column->gather;
		}
	}
}

static void
eval_run(const struct expr_program *program, struct eval_state *state, char *gathered,
         const struct lm_batch *in, const uint16_t *rows, uint32_t count, void *out)
{
	const void **slot = state->slot;

	eval_columns(program, state, gathered, in, rows, count);
	slot[0] = out;
	for (uint32_t i = 0; i < program->call_count; i++) {
		const struct expr_call *call = &program->call[i];

		call->run(slot[call->a], slot[call->b], slot[call->c],
		          (void *)(uintptr_t)slot[call->out], count);
	}
}

void
lm_expr_eval(const struct lm_expr *expr, struct lm_expr_scratch *scratch, const struct lm_batch *in,
             const struct lm_select *rows, void *out)
{
	uint32_t count = rows == NULL ? in->count : rows->count;
	uint32_t width = lm_type_width(expr->type);

	assert(width != 0);
	assert(count <= LM_BATCH_ROWS);
	if (expr->whole != NULL) {
		eval_run(expr->whole, &scratch->whole, scratch->gathered, in,
		         rows == NULL ? NULL : rows->row, count, out);
	} else if (rows != NULL) {
		lm_gather(out, lm_batch_column(in, expr->field), width, rows->row, count);
	} else {
		memcpy(out, lm_batch_column(in, expr->field), (size_t)count * width);
	}
}

/*
 * Keeps, out of the candidates (NULL: all), the rows for which the program says true. Where they
 * are many, it is faster to compute all rows and pick from the answers than to gather each column
 * first.
 */
static void
eval_filter(const struct expr_program *program, struct eval_state *state,
            struct lm_expr_scratch *scratch, const struct lm_batch *in, const uint16_t *candidates,
            uint32_t count, struct lm_select *keep)
{
	const uint8_t *mask = scratch->mask;

	if (candidates != NULL && program->column_count > 1 && !program->reads_strings &&
	    count >= in->count / 4) {
		eval_run(program, state, scratch->gathered, in, NULL, in->count, scratch->mask);
		lm_gather(scratch->picked, mask, 1, candidates, count);
		mask = scratch->picked;
	} else {
		eval_run(program, state, scratch->gathered, in, candidates, count, scratch->mask);
	}
	lm_select_begin(keep, in);
	lm_select_mask(keep, mask, candidates, count);
}

void
lm_expr_select(const struct lm_expr *expr, struct lm_expr_scratch *scratch,
               const struct lm_batch *in, const struct lm_select *rows, struct lm_select *keep)
{
	const uint16_t *candidates = rows == NULL ? NULL : rows->row;
	uint32_t count = rows == NULL ? in->count : rows->count;

	assert(expr->type == LM_BOOL);
	assert(count <= LM_BATCH_ROWS);
	if (expr->whole == NULL) {
		lm_expr_eval(expr, scratch, in, rows, scratch->mask);
		lm_select_begin(keep, in);
		lm_select_mask(keep, scratch->mask, candidates, count);
		return;
	}
	if (expr->cheap == NULL) {
		eval_filter(expr->whole, &scratch->whole, scratch, in, candidates, count, keep);
		return;
	}
	/* The terms that are fast at once for all rows; those that are slow for the rows that are
	 * left. */
	eval_filter(expr->cheap, &scratch->cheap, scratch, in, candidates, count, keep);
	if (keep->count > 0) {
		eval_filter(expr->costly, &scratch->costly, scratch, in, keep->row, keep->count,
		            keep);
	}
}
