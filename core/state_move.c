/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots go from one slice of a running operator to another: both halves. */

#include <errno.h>
#include <string.h>

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

/* Slots are of the same keys: as many, routed by the same columns. */
static bool
has_same_key(const struct op_state *a, const struct op_state *b)
{
	return a->slot_bits == b->slot_bits && a->key_count == b->key_count &&
	       (a->key_count == 0 || memcmp(a->key, b->key, a->key_count * sizeof(*a->key)) == 0);
}

/* One that kept nothing has nothing that would not fit. */
bool
state_alike(struct lm_op *was, struct lm_op *op)
{
	if (was->state.space == NULL) {
		return true;
	}
	return op->state.space != NULL && has_same_key(&was->state, &op->state) &&
	       op->state.ops->alike(was, op);
}

bool
state_take_over(struct lm_op *op, struct lm_op *was, const struct op_text *text)
{
	if (was->state.space != NULL) {
		op->state.ops->take_over(op, was);
	}
	for (uint32_t i = 0; i < LM_TIMERS_MAX; i++) {
		op->timer[i] = was->timer[i];
	}
	op->timer_count = was->timer_count;
	op->random = was->random;
	return text->bytes == NULL ||
	       state_deserialize(op, text->bytes, text->size, was->class->state_version) == 0;
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
