/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine remembers of a slice over a crash: event time, timers, randomness. */

#include <errno.h>

#include "core/lm_serial.h"
#include "core/slice.h"
#include "core/worker.h"

#define SLICE_STATE_FORMAT 1u
/* Words of 8 bytes: of the slice, of a timer, of an input. */
#define SLICE_WORDS 7u
#define TIMER_WORDS 3u
#define INPUT_WORDS 3u

uint32_t
slice_state_max(uint32_t inputs)
{
	return 8u * (SLICE_WORDS + LM_TIMERS_MAX * TIMER_WORDS + inputs * INPUT_WORDS);
}

/* Timers stand as the time that is left: the clock of the next process is another one. */
static void
write_timers(const struct lm_op *slice, struct lm_writer *writer)
{
	for (uint32_t i = 0; i < LM_TIMERS_MAX; i++) {
		const struct slice_timer *timer = &slice->timer[i];

		lm_write_u64(writer, timer->active);
		lm_write_u64(writer, timer->period_ns);
		lm_write_i64(writer, timer->active ? timer->due_ns - slice->worker->now_ns : 0);
	}
}

void
slice_state_write(const struct lm_op *slice, struct op_text *text)
{
	struct lm_writer writer = { .bytes = text->bytes, .max = text->max };

	lm_write_u64(&writer, SLICE_STATE_FORMAT);
	lm_write_i64(&writer, slice->watermark);
	lm_write_i64(&writer, slice->source_watermark);
	lm_write_i64(&writer, slice->watermark_told);
	lm_write_u64(&writer, slice->random);
	lm_write_u64(&writer, slice->timer_count);
	lm_write_u64(&writer, slice->input_count);
	write_timers(slice, &writer);
	for (uint32_t i = 0; i < slice->input_count; i++) {
		const struct edge *edge = slice->input[i];

		lm_write_u64(&writer, (uint64_t)edge->from->op << 32 | edge->from->index);
		lm_write_i64(&writer, edge->watermark_in);
		lm_write_u64(&writer, edge->idle);
	}
	assert(!writer.failed);
	text->size = writer.size;
}

static void
read_timers(struct lm_op *slice, struct lm_reader *reader)
{
	for (uint32_t i = 0; i < LM_TIMERS_MAX; i++) {
		struct slice_timer *timer = &slice->timer[i];

		timer->active = lm_read_u64(reader) != 0;
		timer->period_ns = lm_read_u64(reader);
		timer->due_ns = slice->worker->now_ns + lm_read_i64(reader);
		if (timer->active && timer->due_ns < slice->worker->timer_due_ns) {
			slice->worker->timer_due_ns = timer->due_ns;
		}
	}
}

int
slice_state_read(struct lm_op *slice, const void *bytes, size_t size)
{
	struct lm_reader reader = { .bytes = bytes, .size = size };
	uint64_t timer_count;

	if (size != slice_state_max(slice->input_count) || lm_read_u64(&reader) != SLICE_STATE_FORMAT) {
		return -EINVAL;
	}
	slice->watermark = lm_read_i64(&reader);
	slice->source_watermark = lm_read_i64(&reader);
	slice->watermark_told = lm_read_i64(&reader);
	slice->random = lm_read_u64(&reader);
	timer_count = lm_read_u64(&reader);
	if (timer_count > LM_TIMERS_MAX || lm_read_u64(&reader) != slice->input_count) {
		return -EINVAL;
	}
	slice->timer_count = (uint32_t)timer_count;
	slice->stats.watermark_ns = slice->watermark;
	read_timers(slice, &reader);
	for (uint32_t i = 0; i < slice->input_count; i++) {
		struct edge *edge = slice->input[i];

		if (lm_read_u64(&reader) != ((uint64_t)edge->from->op << 32 | edge->from->index)) {
			return -EINVAL;
		}
		edge->watermark_in = lm_read_i64(&reader);
		edge->idle = lm_read_u64(&reader) != 0;
	}
	return 0;
}
