/* SPDX-License-Identifier: BSD-3-Clause */
/* A slice's part in a snapshot: its state is flipped, what else it remembers is written down. */

#include "core/state_ops.h"

#include <errno.h>

#include "core/canary.h"
#include "core/lm_serial.h"
#include "core/slice.h"
#include "core/worker.h"

struct op_state *
op_state(struct lm_op *op)
{
	return &op->state;
}

static bool
text_open(struct lm_op *op, struct op_text *text, uint32_t max)
{
	text->bytes = lm_op_alloc(op, max);
	text->max = max;
	return text->bytes != NULL;
}

int
state_arm(struct lm_op *op)
{
	struct op_state *state = &op->state;
	bool good = text_open(op, &state->engine_text, slice_state_max(op->input_count));

	if (op->class->serialize != NULL) {
		good = good && text_open(op, &state->class_text, LM_SERIAL_MAX);
	}
	if (op->class->prepare != NULL) {
		good = good && text_open(op, &state->txn, LM_SERIAL_MAX) &&
		       text_open(op, &state->last_txn, LM_SERIAL_MAX);
	}
	if (!good) {
		return -ENOMEM;
	}
	return state->space == NULL ? 0 : state->ops->arm(op, state->space);
}

/* What a class writes down by itself; false: it is too much. */
static bool
state_write(struct lm_op *op, const struct lm_writer *writer, struct op_text *text)
{
	text->size = writer->failed ? 0 : writer->size;
	if (writer->failed) {
		lm_op_error(op, "what it writes for a snapshot is more than %u bytes", text->max);
	}
	return !writer->failed;
}

/*
 * The sink's transaction is closed even where the rest fails: its number is then that of a snapshot
 * that never is, and it is committed with the next one.
 */
static bool
state_prepare(struct lm_op *op, uint64_t number, struct op_text *text)
{
	struct lm_writer writer = { .bytes = text->bytes, .max = text->max };

	if (text->bytes == NULL) {
		return true;
	}
	op->class->prepare(op, number, &writer);
	return state_write(op, &writer, text);
}

static bool
state_serialize(struct lm_op *op, struct op_text *text)
{
	struct lm_writer writer = { .bytes = text->bytes, .max = text->max };

	if (text->bytes == NULL || (CANARY(CANARY_LOST_POSITION) && text->size != 0)) {
		return true;
	}
	op->class->serialize(op, &writer);
	return state_write(op, &writer, text);
}

#define LINE 64u
/* Bytes of code that are asked for, from where a function begins. */
#define CODE_BYTES (6u * LINE)
#define CLASS_CODE_BYTES (2u * LINE)

static void
warm_data(const void *at, size_t size)
{
	uintptr_t end = (uintptr_t)at + size;

	for (uintptr_t line = (uintptr_t)at / LINE * LINE; at != NULL && line < end; line += LINE) {
		__builtin_prefetch((const void *)line, 1);
	}
}

static void
warm_code(const void *at, size_t size)
{
	uintptr_t end = (uintptr_t)at + size;

	for (uintptr_t line = (uintptr_t)at / LINE * LINE; at != NULL && line < end; line += LINE) {
		__builtin_prefetch((const void *)line, 0);
	}
}

void
state_warm(const struct lm_op *op)
{
	const struct op_state *state = &op->state;

	if (state->engine_text.bytes == NULL) {
		return;
	}
	warm_data(state, sizeof(*state));
	warm_data(state->engine_text.bytes, state->engine_text.max);
	warm_data(state->class_text.bytes, LINE);
	warm_data(state->txn.bytes, LINE);
	warm_data(&op->watermark, offsetof(struct lm_op, hash) - offsetof(struct lm_op, watermark));
	warm_data(op->context, 2 * LINE);
	for (uint32_t i = 0; i < op->input_count; i++) {
		__builtin_prefetch(op->input[i]);
	}
	warm_code((const void *)(uintptr_t)state_flip, CODE_BYTES);
	warm_code((const void *)(uintptr_t)slice_state_write, CODE_BYTES);
	warm_code((const void *)(uintptr_t)op->class->serialize, CLASS_CODE_BYTES);
	warm_code((const void *)(uintptr_t)op->class->prepare, CLASS_CODE_BYTES);
	if (state->space != NULL) {
		warm_data(state->space, 4 * LINE);
		warm_code((const void *)(uintptr_t)state->ops->flip, CODE_BYTES);
	}
}

bool
state_flip(struct lm_op *op, uint64_t epoch)
{
	struct op_state *state = &op->state;
	bool good;

	if (__atomic_load_n(&state->finished, __ATOMIC_ACQUIRE) != state->flipped ||
	    state->engine_text.bytes == NULL || op->had_ended ||
	    (op->shared->incarnation != 0 && BUGGIFY(BUGGIFY_FLIP_REFUSED))) {
		__atomic_store_n(&state->refused, epoch, __ATOMIC_RELEASE);
		return false;
	}
	/* Whatever else goes wrong, the transaction is there for whoever collects it. */
	good = state_prepare(op, epoch, &state->txn);
	good = state_serialize(op, &state->class_text) && good;
	slice_state_write(op, &state->engine_text);
	good = (state->space == NULL || state->ops->flip(state->space, epoch)) && good;
	if (!good) {
		__atomic_store_n(&state->refused, epoch, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&state->flipped, epoch, __ATOMIC_RELEASE);
	return good;
}

bool
state_hand_over(struct lm_op *was, struct op_text *text)
{
	return state_serialize(was, text);
}

void
state_finish(struct lm_op *op)
{
	struct op_state *state = &op->state;

	__atomic_store_n(&state->finished, __atomic_load_n(&state->flipped, __ATOMIC_RELAXED),
	                 __ATOMIC_RELEASE);
}

void
state_end(struct lm_op *op)
{
	struct op_state *state = &op->state;

	if (!op->had_ended) {
		state->last_txn_number = op->stats.epoch + 1;
		(void)state_prepare(op, state->last_txn_number, &state->last_txn);
	}
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

int
state_adopt(struct lm_op *op, struct lm_adoption *from)
{
	if (op->class->adopt == NULL) {
		return from->reader->size == 0 && from->value_count == 0 ? 0 : -EINVAL;
	}
	op->class->adopt(op, from);
	return from->reader->failed || from->reader->at != from->reader->size ? -EINVAL : 0;
}
