/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots go from one slice of a running operator to another: both halves. */

#include <errno.h>

#include "core/env.h"
#include "core/slice.h"
#include "core/worker.h"

bool
state_moves(struct lm_op *op)
{
	return op->state.space == NULL || op->state.ops->moves(op);
}

int
state_prepare_move(struct lm_op *op, uint32_t slots_max, uint32_t bundles)
{
	struct op_state *state = &op->state;

	return state->space == NULL ? 0 : state->ops->prepare(op, slots_max, bundles);
}

void
state_give(struct lm_op *op, const uint16_t *slice_of, uint32_t to, struct state_bundle *into)
{
	struct op_state *state = &op->state;

	into->move.slice_of = slice_of;
	into->move.slot_bits = state->slot_bits;
	into->move.to = to;
	into->ops = state->ops;
	into->is_given = true;
	if (op->class->give != NULL) {
		op->class->give(op, &into->move);
	}
	if (state->space != NULL) {
		state->ops->give(op, slice_of, to, into);
	}
}

void
state_take(struct lm_op *op, struct state_bundle *bundle)
{
	struct op_state *state = &op->state;

	if (!bundle->is_given) {
		return;
	}
	if (state->space != NULL) {
		state->ops->take(op, bundle);
	}
	if (op->class->take != NULL) {
		op->class->take(op, &bundle->move);
	}
}

bool
state_settle(struct lm_op *op)
{
	return op->state.space == NULL || op->state.ops->settle(op);
}

void
state_drop(struct state_bundle *bundle)
{
	if (bundle->from != NULL) {
		bundle->ops->drop(bundle);
	}
}

void
state_close(struct lm_op *op)
{
	struct op_state *state = &op->state;

	if (state->space != NULL) {
		state->ops->close(op);
		state->space = NULL;
	}
}

void *
state_memory_alloc(struct lm_op *op, size_t size)
{
	return env_alloc(size, 64, op->worker == NULL ? -1 : op->worker->numa_node);
}

void
state_memory_free(void *memory)
{
	env_free(memory);
}
