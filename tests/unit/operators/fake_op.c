/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake engine's data side: calls the callbacks of one slice, keeps and counts what it emits. */
#include "tests/unit/operators/fake_op.h"
#include "tests/draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* core/ has its own of these; the fake's are for tests that do not link them. */
__attribute__((weak)) bool
lm_batch_put_string(struct lm_batch *batch, uint32_t field, uint32_t row, const char *bytes,
                    uint32_t length)
{
	uint32_t *offsets = lm_batch_offsets(batch, field);

	if (length > batch->schema->field[field].bytes_max - offsets[row]) {
		return false;
	}
	memcpy(lm_batch_bytes(batch, field) + offsets[row], bytes, length);
	offsets[row + 1] = offsets[row] + length;
	return true;
}

__attribute__((weak)) uint32_t
lm_batch_bytes_max(const struct lm_schema *schema, uint32_t field)
{
	return schema->field[field].bytes_max;
}

const void *
lm_op_config(const struct lm_op *op)
{
	return op->subject->config;
}

void *
lm_op_context(const struct lm_op *op)
{
	return op->context;
}

const char *
lm_op_name(const struct lm_op *op)
{
	(void)op;
	return "under_test";
}

uint32_t
lm_op_slice(const struct lm_op *op)
{
	return op->slice;
}

uint32_t
lm_op_slices(const struct lm_op *op)
{
	return op->subject->slices;
}

uint32_t
lm_op_input(const struct lm_op *op)
{
	return op->input;
}

const struct lm_schema *
lm_op_input_schema(const struct lm_op *op, uint32_t input)
{
	assert_true(input < op->subject->input_count);
	return op->subject->input[input];
}

const struct lm_schema *
lm_op_output_schema(const struct lm_op *op, uint32_t output)
{
	assert_true(output < op->subject->output_count);
	return &op->subject->output[output];
}

int64_t
lm_op_now_ns(const struct lm_op *op)
{
	return op->now_ns;
}

int64_t
lm_op_wall_ns(const struct lm_op *op)
{
	return op->wall_ns;
}

int64_t
lm_op_ingress_ns(const struct lm_op *op)
{
	return op->ingress_ns;
}

uint64_t
lm_op_incarnation(const struct lm_op *op)
{
	return op->incarnation;
}

bool
lm_op_had_ended(const struct lm_op *op)
{
	return op->had_ended;
}

uint64_t
lm_op_random(struct lm_op *op)
{
	return draw(&op->seed);
}

void
lm_op_error(struct lm_op *op, const char *format, ...)
{
	va_list args;

	op->errors++;
	va_start(args, format);
	vsnprintf(op->error, sizeof(op->error), format, args);
	va_end(args);
}

struct op_state *
op_state(struct lm_op *op)
{
	return &op->state;
}

void *
lm_op_alloc(struct lm_op *op, size_t size)
{
	size_t whole = (size + 63u) & ~(size_t)63;
	void *memory = aligned_alloc(64, whole == 0 ? 64 : whole);

	assert_int_equal(op->callback, FAKE_OPEN);
	assert_non_null(memory);
	memset(memory, 0, whole);
	op->memory = realloc(op->memory, (op->memory_count + 1) * sizeof(void *));
	assert_non_null(op->memory);
	op->memory[op->memory_count++] = memory;
	return memory;
}

/* Freed with the slice, whoever has it then: those of a test go together. */
void *
state_memory_alloc(struct lm_op *op, size_t size)
{
	return lm_op_alloc(op, size);
}

void
state_memory_free(void *memory)
{
	(void)memory;
}

static struct fake_output *
op_output(struct lm_op *op, uint32_t output)
{
	assert_true(output < op->subject->output_count);
	assert_int_equal(op->callback, FAKE_RUN);
	return &op->output[output];
}

/* The batch being filled, with room for `rows` more. */
static struct lm_batch *
op_filling(struct lm_op *op, uint32_t output, uint32_t rows)
{
	struct fake_output *out = &op->output[output];
	const struct lm_schema *schema = &op->subject->output[output];
	struct lm_batch *batch = out->batch_count == 0 ? NULL : out->batch[out->batch_count - 1];

	assert_true(rows <= schema->capacity);
	if (batch != NULL && !out->was_short && batch->count + rows <= schema->capacity) {
		return batch;
	}
	out->was_short = false;
	if (batch != NULL && op->discard) {
		batch->sequence = out->rows;
		batch->count = 0;
		return batch;
	}
	if (out->batch_count == out->batch_capacity) {
		out->batch_capacity = out->batch_capacity * 2 + 8;
		out->batch = realloc(out->batch, out->batch_capacity * sizeof(void *));
		assert_non_null(out->batch);
	}
	batch = fake_batch(schema);
	batch->sequence = out->rows;
	out->batch[out->batch_count++] = batch;
	return batch;
}

struct lm_batch *
lm_op_reserve(struct lm_op *op, uint32_t output, uint32_t rows, uint32_t *first)
{
	struct fake_output *out = op_output(op, output);
	struct lm_batch *batch;

	assert_true(rows >= 1);
	assert_true(rows <= LM_BATCH_ROWS);
	if ((op->subject->class->flags & LM_OP_AMPLIFIES) != 0) {
		assert_true(rows <= lm_op_room(op, output));
	}
	batch = op_filling(op, output, rows);
	out->reserved = rows;
	out->first = batch->count;
	*first = batch->count;
	return batch;
}

/* What a reader of the rows would trip over. */
static void
op_check_rows(const struct lm_batch *batch, uint32_t first, uint32_t rows)
{
	const struct lm_schema *schema = batch->schema;

	for (uint32_t f = 0; f < schema->field_count; f++) {
		if (lm_type_width(schema->field[f].type) == 0) {
			const uint32_t *offsets = lm_batch_offsets(batch, f);

			for (uint32_t i = first; i < first + rows; i++) {
				assert_true(offsets[i] <= offsets[i + 1]);
			}
			assert_true(offsets[first + rows] <= schema->field[f].bytes_max);
		} else if (schema->field[f].type == LM_BOOL) {
			for (uint32_t i = first; i < first + rows; i++) {
				assert_true(lm_batch_bool(batch, f)[i] <= 1);
			}
		}
	}
}

static void
op_keep(struct lm_op *op, uint32_t output, struct lm_batch *batch, uint32_t first, uint32_t rows)
{
	struct fake_output *out = &op->output[output];
	const int64_t *time_ns = lm_batch_time(batch);

	op_check_rows(batch, first, rows);
	for (uint32_t i = first; time_ns != NULL && i < first + rows; i++) {
		out->late += time_ns[i] <= op->watermark_ns;
	}
	batch->count += rows;
	if (op->ingress_ns < batch->ingress_ns) {
		batch->ingress_ns = op->ingress_ns;
	}
	if (!op->discard) {
		while (out->rows + rows > out->kept_capacity) {
			out->kept_capacity = out->kept_capacity * 2 + LM_BATCH_ROWS;
			out->ingress_ns =
			    realloc(out->ingress_ns, out->kept_capacity * sizeof(int64_t));
			assert_non_null(out->ingress_ns);
		}
		for (uint32_t i = 0; i < rows; i++) {
			out->ingress_ns[out->rows + i] = op->ingress_ns;
		}
	}
	out->rows += rows;
	out->emitted += rows;
	if ((op->subject->class->flags & LM_OP_AMPLIFIES) == 0) {
		assert_true(out->emitted <= LM_BATCH_ROWS);
	}
	if (op->seen != NULL) {
		op->seen(op, output, batch, first);
	}
}

void
lm_op_emit(struct lm_op *op, uint32_t output, uint32_t rows)
{
	struct fake_output *out = op_output(op, output);
	struct lm_batch *batch;

	assert_true(rows <= out->reserved);
	batch = out->batch[out->batch_count - 1];
	/* As the engine: who emits less than reserved ran out of bytes and gets an empty batch
	 * next. */
	out->was_short = rows < out->reserved && batch->count + rows > 0;
	out->reserved = 0;
	if (rows == 0) {
		return;
	}
	if (batch->schema->frame_field != LM_NONE) {
		assert_non_null(op->external);
		batch->external = op->external;
	}
	op_keep(op, output, batch, out->first, rows);
}

uint32_t
lm_op_room(struct lm_op *op, uint32_t output)
{
	const struct fake_output *out = op_output(op, output);

	return out->emitted >= op->room ? 0 : op->room - out->emitted;
}

void
lm_op_again(struct lm_op *op)
{
	assert_int_equal(op->callback, FAKE_RUN);
	op->again = true;
}

/* Keeps a copy as a batch of its own. */
static void
op_forward(struct lm_op *op, uint32_t output, const struct lm_select *select)
{
	struct fake_output *out = op_output(op, output);
	struct lm_batch *copy, *batch;
	uint32_t count = select->count;

	assert_false(out->forwarded);
	assert_true(lm_schema_equal(select->batch->schema, &op->subject->output[output]));
	out->forwarded = true;
	for (uint32_t i = 0; i < count; i++) {
		assert_true(select->row[i] < select->batch->count);
		assert_true(i == 0 || select->row[i - 1] < select->row[i]);
	}
	if (count == 0) {
		return;
	}
	batch = op_filling(op, output, op->subject->output[output].capacity);
	copy = fake_gather(select);
	copy->schema = batch->schema;
	copy->sequence = out->rows;
	copy->count = 0;
	out->batch[out->batch_count - 1] = copy;
	free(batch);
	if (copy->external != NULL) {
		copy->external->retain((void *const *)lm_batch_handles(copy), count);
	}
	op_keep(op, output, copy, 0, count);
}

void
lm_op_forward_select_to(struct lm_op *op, uint32_t output, const struct lm_select *in)
{
	op_forward(op, output, in);
}

void
lm_op_forward_to(struct lm_op *op, uint32_t output, const struct lm_batch *in)
{
	struct lm_select all;

	lm_select_begin(&all, in);
	for (uint32_t i = 0; i < in->count; i++) {
		lm_select_add(&all, i);
	}
	op_forward(op, output, &all);
}

void
lm_op_forward(struct lm_op *op, const struct lm_batch *in)
{
	lm_op_forward_to(op, 0, in);
}

void
lm_op_forward_select(struct lm_op *op, const struct lm_select *in)
{
	op_forward(op, 0, in);
}

void
lm_op_drop(struct lm_op *op, uint32_t reason, uint64_t rows)
{
	uint32_t count = 0;

	while (op->subject->class->drops != NULL && op->subject->class->drops[count] != NULL) {
		count++;
	}
	assert_true(reason < count);
	op->drops[reason] += rows;
}

void
lm_op_absorb(struct lm_op *op, uint64_t rows)
{
	op->absorbed += rows;
}

static uint64_t
op_hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < length; i++) {
		hash = (hash ^ p[i]) * 0x100000001b3u;
	}
	hash ^= hash >> 29;
	return hash * 0x9e3779b97f4a7c15u;
}

const uint64_t *
lm_op_hash(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows,
           const uint32_t *fields, uint32_t field_count)
{
	uint32_t count = rows == NULL ? in->count : rows->count;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = rows == NULL ? i : rows->row[i];
		uint64_t hash = 0xcbf29ce484222325u;

		for (uint32_t k = 0; k < field_count; k++) {
			uint32_t width = lm_type_width(in->schema->field[fields[k]].type);

			if (width != 0) {
				hash = op_hash_bytes(hash,
				                     (char *)lm_batch_column(in, fields[k]) +
				                         (size_t)row * width,
				                     width);
			} else {
				const uint32_t *offsets = lm_batch_offsets(in, fields[k]);

				hash = op_hash_bytes(hash,
				                     lm_batch_bytes(in, fields[k]) + offsets[row],
				                     offsets[row + 1] - offsets[row]);
			}
		}
		op->hash[row] = hash;
	}
	return op->hash;
}

void
lm_op_watermark(struct lm_op *op, int64_t time_ns)
{
	assert_null(op->subject->class->inputs);
	if (time_ns > op->watermark_ns) {
		op->watermark_ns = time_ns;
	}
}

void
lm_op_idle(struct lm_op *op)
{
	op->idle_count++;
}

void
lm_op_set_ingress(struct lm_op *op, int64_t ingress_ns)
{
	assert_true(op->subject->class->inputs == NULL ||
	            (op->subject->class->flags & LM_OP_DELAYS) != 0);
	op->ingress_ns = ingress_ns;
}

void
lm_op_set_external(struct lm_op *op, const struct lm_external *external)
{
	op->external = external;
}

void
lm_op_timer_start(struct lm_op *op, uint32_t timer, uint64_t period_ns)
{
	assert_true(timer < LM_TIMERS_MAX);
	assert_non_null(op->subject->class->timer);
	op->timer_on[timer] = true;
	op->timer_period_ns[timer] = period_ns;
	op->timer_due_ns[timer] = op->now_ns + (int64_t)period_ns;
}

void
lm_op_timer_stop(struct lm_op *op, uint32_t timer)
{
	assert_true(timer < LM_TIMERS_MAX);
	op->timer_on[timer] = false;
}

void
lm_op_gauge(struct lm_op *op, uint32_t gauge, const char *name, uint64_t value)
{
	assert_true(gauge < 8);
	if (name != NULL) {
		snprintf(op->gauge_name[gauge], LM_NAME_MAX, "%s", name);
	}
	op->gauge[gauge] = value;
}
