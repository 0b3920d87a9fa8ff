/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake engine's driver: life of a slice, its callbacks, its clock, its sums and its output. */
#include "tests/unit/operators/fake_op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Calls in a row that neither emit nor count a row: more than that is a slice that hangs. */
#define FAKE_STUCK_MAX 1000000u

void (*fake_before_open)(struct lm_op *op);

struct lm_op *
fake_open(struct fake_operator *subject, uint32_t slice)
{
	struct lm_op *op = calloc(1, sizeof(*op));
	int result = 0;

	assert_non_null(op);
	assert_true(slice < subject->slices);
	op->subject = subject;
	op->slice = slice;
	op->room = LM_BATCH_ROWS;
	op->now_ns = 1000000000;
	op->wall_ns = 1600000000000000000;
	op->turn_ns = 1000;
	op->incarnation = 1;
	op->ingress_ns = INT64_MAX;
	op->watermark_ns = INT64_MIN;
	op->state.slot_bits = 6;
	op->state.is_alone = subject->slices == 1;
	if (fake_before_open != NULL) {
		fake_before_open(op);
	}
	op->context = aligned_alloc(64, (subject->class->context_size + 64) & ~(size_t)63);
	assert_non_null(op->context);
	memset(op->context, 0, (subject->class->context_size + 64) & ~(size_t)63);
	op->callback = FAKE_OPEN;
	if (subject->class->open != NULL) {
		result = subject->class->open(op);
	}
	op->callback = FAKE_NONE;
	if (result == 0) {
		return op;
	}
	assert_true(result < 0);
	assert_true(op->errors > 0);
	memcpy(fake_failure.message, op->error, sizeof(op->error));
	for (uint32_t i = 0; i < op->memory_count; i++) {
		free(op->memory[i]);
	}
	free(op->memory);
	free(op->context);
	free(op);
	return NULL;
}

void
fake_check_rows(const struct lm_op *op)
{
	uint64_t counted = op->absorbed;

	for (uint32_t i = 0; i < LM_DROPS_MAX; i++) {
		counted += op->drops[i];
	}
	switch (op->subject->class->rows) {
	case LM_ROWS_SOURCE:
		counted = op->rows_in;
		break;
	case LM_ROWS_PASS:
		counted += op->output[0].rows;
		break;
	default:
		break;
	}
	if (counted != op->rows_in) {
		fail_msg("%s: %llu rows in, but %llu accounted for", op->subject->class->name,
		         (unsigned long long)op->rows_in, (unsigned long long)counted);
	}
}

void
fake_close(struct lm_op *op)
{
	op->callback = FAKE_CLOSE;
	if (op->subject->class->close != NULL) {
		op->subject->class->close(op);
	}
	fake_check_rows(op);
	for (uint32_t o = 0; o < op->subject->output_count; o++) {
		for (uint32_t b = 0; b < op->output[o].batch_count; b++) {
			struct lm_batch *batch = op->output[o].batch[b];

			if (batch->external != NULL && batch->count > 0) {
				batch->external->release((void *const *)lm_batch_handles(batch),
				                         batch->count);
			}
			free(batch);
		}
		free(op->output[o].batch);
		free(op->output[o].ingress_ns);
	}
	for (uint32_t i = 0; i < op->memory_count; i++) {
		free(op->memory[i]);
	}
	free(op->memory);
	free(op->context);
	free(op);
}

/* What one callback is called with. */
struct run_call {
	enum {
		RUN_POLL,
		RUN_PROCESS,
		RUN_SELECT,
		RUN_WATERMARK,
		RUN_TIMER,
		RUN_EPOCH,
		RUN_END
	} kind;
	const struct lm_batch *batch;
	const struct lm_select *select;
	int64_t time_ns;
	uint64_t number;
};

static enum lm_poll
run_once(struct lm_op *op, const struct run_call *call)
{
	const struct lm_op_class *class = op->subject->class;

	switch (call->kind) {
	case RUN_POLL:
		return class->poll(op);
	case RUN_PROCESS:
		class->process(op, call->batch);
		break;
	case RUN_SELECT:
		class->process_select(op, call->select);
		break;
	case RUN_WATERMARK:
		class->watermark(op, call->time_ns);
		break;
	case RUN_TIMER:
		class->timer(op, (uint32_t)call->number);
		break;
	case RUN_EPOCH:
		class->epoch(op, call->number);
		break;
	case RUN_END:
		class->end(op);
		break;
	}
	return LM_POLL_BUSY;
}

/* Grows with everything that counts as getting on. */
static uint64_t
run_progress(const struct lm_op *op)
{
	uint64_t sum = op->absorbed;

	for (uint32_t i = 0; i < LM_DROPS_MAX; i++) {
		sum += op->drops[i];
	}
	for (uint32_t i = 0; i < LM_PORTS_MAX; i++) {
		sum += op->output[i].rows;
	}
	return sum;
}

void (*fake_after)(struct lm_op *op);

static enum lm_poll
run_call(struct lm_op *op, const struct run_call *call)
{
	uint64_t before = run_progress(op), stuck = 0;
	enum lm_poll result;

	assert_false(op->ended);
	assert_int_equal(op->callback, FAKE_NONE);
	do {
		for (uint32_t o = 0; o < LM_PORTS_MAX; o++) {
			op->output[o].emitted = 0;
			op->output[o].forwarded = false;
			op->output[o].reserved = 0;
		}
		op->again = false;
		op->callback = FAKE_RUN;
		op->call_count++;
		result = run_once(op, call);
		op->callback = FAKE_NONE;
		op->again_count += op->again;
		op->now_ns += op->turn_ns;
		op->wall_ns += op->turn_ns;
		stuck = run_progress(op) == before ? stuck + 1 : 0;
		before = run_progress(op);
		assert_true(stuck < FAKE_STUCK_MAX);
	} while (op->again);
	if (fake_after != NULL && call->kind != RUN_END) {
		fake_after(op);
	}
	return result;
}

void
fake_process_input(struct lm_op *op, uint32_t input, const struct lm_batch *in)
{
	assert_true(in->count > 0);
	op->input = input;
	op->ingress_ns = in->ingress_ns;
	op->rows_in += in->count;
	op->batches_in++;
	run_call(op, &(struct run_call){ .kind = RUN_PROCESS, .batch = in });
}

void
fake_process(struct lm_op *op, const struct lm_batch *in)
{
	fake_process_input(op, 0, in);
}

void
fake_process_select(struct lm_op *op, const struct lm_select *in)
{
	struct lm_batch *dense;

	assert_true(in->count > 0);
	op->input = 0;
	if (op->subject->class->process_select != NULL) {
		op->ingress_ns = in->batch->ingress_ns;
		op->rows_in += in->count;
		op->batches_in++;
		run_call(op, &(struct run_call){ .kind = RUN_SELECT, .select = in });
		return;
	}
	dense = fake_gather(in);
	fake_process(op, dense);
	free(dense);
}

enum lm_poll
fake_poll(struct lm_op *op)
{
	return run_call(op, &(struct run_call){ .kind = RUN_POLL });
}

void
fake_run(struct lm_op *op, uint64_t polls_max)
{
	for (uint64_t i = 0; i < polls_max; i++) {
		if (fake_poll(op) == LM_POLL_END) {
			fake_end(op);
			return;
		}
	}
	fail_msg("%s has not ended after %llu polls", op->subject->class->name,
	         (unsigned long long)polls_max);
}

void
fake_watermark(struct lm_op *op, int64_t time_ns)
{
	if (op->subject->class->watermark != NULL) {
		run_call(op, &(struct run_call){ .kind = RUN_WATERMARK, .time_ns = time_ns });
	}
}

void
fake_timer(struct lm_op *op, uint32_t timer)
{
	run_call(op, &(struct run_call){ .kind = RUN_TIMER, .number = timer });
}

void
fake_epoch(struct lm_op *op, uint64_t epoch)
{
	if (op->subject->class->epoch != NULL) {
		run_call(op, &(struct run_call){ .kind = RUN_EPOCH, .number = epoch });
	}
}

void
fake_end(struct lm_op *op)
{
	if (op->subject->class->end != NULL) {
		run_call(op, &(struct run_call){ .kind = RUN_END });
	}
	op->ended = true;
}

/* The timer that is due first, at `until` at the latest; LM_TIMERS_MAX when none is. */
static uint32_t
run_due(const struct lm_op *op, int64_t until)
{
	uint32_t due = LM_TIMERS_MAX;

	for (uint32_t i = 0; i < LM_TIMERS_MAX; i++) {
		if (op->timer_on[i] && op->timer_due_ns[i] <= until &&
		    (due == LM_TIMERS_MAX || op->timer_due_ns[i] < op->timer_due_ns[due])) {
			due = i;
		}
	}
	return due;
}

void
fake_advance(struct lm_op *op, uint64_t ns)
{
	int64_t until = op->now_ns + (int64_t)ns, wall_ahead = op->wall_ns - op->now_ns;
	uint32_t timer;

	while ((timer = run_due(op, until)) != LM_TIMERS_MAX) {
		uint64_t period = op->timer_period_ns[timer];

		if (op->timer_due_ns[timer] > op->now_ns) {
			op->now_ns = op->timer_due_ns[timer];
		}
		op->wall_ns = op->now_ns + wall_ahead;
		op->timer_due_ns[timer] = op->now_ns + (int64_t)(period == 0 ? 1000 : period);
		fake_timer(op, timer);
	}
	if (op->now_ns < until) {
		op->now_ns = until;
	}
	op->wall_ns = op->now_ns + wall_ahead;
}

const struct lm_batch *
fake_output_row(const struct lm_op *op, uint32_t output, uint64_t row, uint32_t *index)
{
	const struct fake_output *out = &op->output[output];
	uint32_t low = 0, high = out->batch_count;

	assert_true(row < out->rows);
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (out->batch[middle]->sequence <= row) {
			low = middle;
		} else {
			high = middle;
		}
	}
	*index = (uint32_t)(row - out->batch[low]->sequence);
	assert_true(*index < out->batch[low]->count);
	return out->batch[low];
}

uint64_t
fake_output_u64(const struct lm_op *op, uint32_t output, uint64_t row, uint32_t field)
{
	uint32_t index;
	const struct lm_batch *batch = fake_output_row(op, output, row, &index);
	uint32_t width = lm_type_width(batch->schema->field[field].type);
	uint64_t value = 0;

	assert_in_range(width, 1, 8);
	memcpy(&value, (char *)lm_batch_column(batch, field) + (size_t)index * width, width);
	return value;
}

void
fake_output_text(const struct lm_op *op, uint32_t output, uint64_t row, char *text, size_t size)
{
	uint32_t index;
	const struct lm_batch *batch = fake_output_row(op, output, row, &index);

	fake_row_text(batch, index, text, size);
}

void
fake_expect_at(const struct lm_op *op, uint32_t output, uint64_t row, const char *text,
               const char *file, int line)
{
	static char found[1 << 17];

	if (row >= op->output[output].rows) {
		fail_msg("%s:%d: no row %llu, only %llu", file, line, (unsigned long long)row,
		         (unsigned long long)op->output[output].rows);
	}
	fake_output_text(op, output, row, found, sizeof(found));
	if (strcmp(found, text) != 0) {
		fail_msg("%s:%d: row %llu is \"%s\", not \"%s\"", file, line,
		         (unsigned long long)row, found, text);
	}
}
