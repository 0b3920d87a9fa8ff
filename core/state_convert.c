/* SPDX-License-Identifier: BSD-3-Clause */
/* State goes on under code of another version: who converts it, and a slice's first steps. */

#include <errno.h>
#include <stdio.h>

#include "core/env.h"
#include "core/lm_serial.h"
#include "core/slice.h"
#include "core/worker.h"

bool
state_versions_fit(const struct lm_op_class *was, const struct lm_op_class *is, char *why,
                   size_t size)
{
	bool is_back = is->state_version < was->state_version;
	const struct lm_op_class *newer = is_back ? was : is, *older = is_back ? is : was;

	if (was->state_version == is->state_version) {
		return true;
	}
	if (newer->converts == NULL || !newer->converts(older->state_version)) {
		snprintf(why, size,
		         "its state is of version %u, the other code's of %u, and that of %u does "
		         "not convert it",
		         was->state_version, is->state_version, newer->state_version);
		return false;
	}
	if (is_back && newer->convert_back == NULL) {
		snprintf(why, size, "version %u of its state has no way back to %u (convert_back)",
		         newer->state_version, older->state_version);
		return false;
	}
	return true;
}

struct state_converter
state_converter_of(struct lm_op *was, const struct lm_op *op)
{
	bool is_back = op->class->state_version < was->class->state_version;

	return (struct state_converter){ .was = was,
		                         .was_version = was->class->state_version,
		                         .version = op->class->state_version,
		                         .is_back = is_back,
		                         .convert = is_back ? was->class->convert_back
		                                            : op->class->convert };
}

const char *
state_can_convert(struct lm_op *was, struct lm_op *op)
{
	struct state_converter how = state_converter_of(was, op);

	if (was->state.space != NULL && op->state.space != NULL &&
	    !state_has_same_key(&was->state, &op->state)) {
		return "has another key, or other slots";
	}
	if (op->state.space == NULL) {
		return was->state.space != NULL && how.convert == NULL ? "cannot convert it" : NULL;
	}
	return op->state.ops->can_convert(op, &how);
}

int
state_prepare_conversion(struct lm_op *was, struct lm_op *op)
{
	struct state_converter how = state_converter_of(was, op);

	return op->state.space == NULL ? 0 : op->state.ops->prepare_conversion(op, &how);
}

/* Nothing is converted any more; control sees it. */
static void
give_up(struct lm_op *op, const char *why)
{
	struct op_state *state = &op->state;

	state->rest_failed = true;
	if (state->space != NULL) {
		state->ops->convert_none(op, why);
		return;
	}
	snprintf(state->convert_why, sizeof(state->convert_why), "%s", why);
	__atomic_store_n(&state->convert_failed, true, __ATOMIC_RELEASE);
}

/* What belongs to no slot, and what was serialized. */
static bool
convert_rest(struct lm_op *op, const struct state_converter *how, struct op_text *text,
             struct lm_conversion *call)
{
	struct lm_writer writer = { .bytes = text->bytes, .max = text->max };
	int result = 0;

	call->writer = how->is_back ? &writer : NULL;
	if (how->convert != NULL) {
		result = state_converter_call(how, op, call);
	}
	if (result == 0 && how->is_back) {
		text->size = writer.size;
		result = writer.failed ? -E2BIG : 0;
	}
	if (result == 0) {
		result = state_deserialize(op, text->bytes, text->size,
		                           how->is_back ? how->version : how->was_version);
	}
	return result == 0;
}

/* Back from code that could not even begin: from the slice before it, as it was then. */
static bool
take_back(struct lm_op *op, const struct state_converter *how, struct op_text *text)
{
	struct lm_op *first = how->was->state.was;

	return state_hand_over(first, text) &&
	       state_deserialize(op, text->bytes, text->size, how->version) == 0;
}

void
state_convert(struct lm_op *op, struct lm_op *was, struct op_text *text)
{
	struct state_converter how = state_converter_of(was, op);
	struct lm_conversion call = { .version = how.is_back ? how.version : how.was_version,
		                      .slot = LM_NONE,
		                      .other = how.is_back ? op : was };
	bool good;

	op->state.was = was;
	if (op->state.space != NULL) {
		op->state.ops->convert(op);
	}
	state_take_timers(op, was);
	if (how.is_back && was->state.rest_failed) {
		good = take_back(op, &how, text);
	} else {
		good = convert_rest(op, &how, text, &call);
	}
	if (!good) {
		give_up(op, call.why[0] == '\0' ? "what belongs to no slot" : call.why);
	}
}

bool
state_convert_some(struct lm_op *op)
{
	return op->state.slots_waiting > 0 && op->state.ops->convert_some(op);
}
