/* SPDX-License-Identifier: BSD-3-Clause */
/* A slice's part in a snapshot: its state is flipped, what else it remembers is written down. */

#include "core/state_ops.h"

#include <errno.h>

#include "core/lm_serial.h"
#include "core/slice.h"

struct op_state *
op_state(struct lm_op *op)
{
	return &op->state;
}

int
state_arm(struct lm_op *op)
{
	struct op_state *state = &op->state;

	if (op->class->serialize != NULL && state->bytes == NULL) {
		state->bytes = lm_op_alloc(op, LM_SERIAL_MAX);
		if (state->bytes == NULL) {
			return -ENOMEM;
		}
		state->bytes_max = LM_SERIAL_MAX;
	}
	return state->space == NULL ? 0 : state->ops->arm(op, state->space);
}

static bool
state_serialize(struct lm_op *op)
{
	struct op_state *state = &op->state;
	struct lm_writer writer = { .bytes = state->bytes, .max = state->bytes_max };

	if (op->class->serialize != NULL) {
		op->class->serialize(op, &writer);
		if (writer.failed) {
			lm_op_error(op, "what it serializes is more than %u bytes",
			            state->bytes_max);
			return false;
		}
	}
	state->bytes_size = writer.size;
	return true;
}

bool
state_flip(struct lm_op *op, uint64_t epoch)
{
	struct op_state *state = &op->state;

	if (__atomic_load_n(&state->finished, __ATOMIC_ACQUIRE) != state->flipped ||
	    !state_serialize(op) ||
	    (state->space != NULL && !state->ops->flip(state->space, epoch))) {
		__atomic_store_n(&state->refused, epoch, __ATOMIC_RELEASE);
		return false;
	}
	__atomic_store_n(&state->flipped, epoch, __ATOMIC_RELEASE);
	return true;
}

void
state_finish(struct lm_op *op)
{
	struct op_state *state = &op->state;

	__atomic_store_n(&state->finished, __atomic_load_n(&state->flipped, __ATOMIC_RELAXED),
	                 __ATOMIC_RELEASE);
}

int
state_deserialize(struct lm_op *op, const void *bytes, size_t size, uint32_t version)
{
	struct lm_reader reader = { .bytes = bytes, .size = size };

	if (op->class->deserialize == NULL) {
		return size == 0 ? 0 : -EINVAL;
	}
	op->class->deserialize(op, &reader, version);
	return reader.failed || reader.at != size ? -EINVAL : 0;
}
