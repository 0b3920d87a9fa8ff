/* SPDX-License-Identifier: BSD-3-Clause */
/* What the engine remembers of a slice over a crash: event time, timers, randomness. */

#include <errno.h>
#include <stdlib.h>

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

/* Of several slices the first that is due counts. */
static void
read_timers(struct lm_op *slice, struct lm_reader *reader, bool is_first)
{
	for (uint32_t i = 0; i < LM_TIMERS_MAX; i++) {
		struct slice_timer *timer = &slice->timer[i];
		bool active = lm_read_u64(reader) != 0;
		uint64_t period_ns = lm_read_u64(reader);
		int64_t due_ns = slice->worker->now_ns + lm_read_i64(reader);

		if (is_first || (active && (!timer->active || due_ns < timer->due_ns))) {
			*timer = (struct slice_timer){ .active = active,
				                       .period_ns = period_ns,
				                       .due_ns = due_ns };
		}
		if (timer->active && timer->due_ns < slice->worker->timer_due_ns) {
			slice->worker->timer_due_ns = timer->due_ns;
		}
	}
}

/* An input as some slice had it. */
struct input_state {
	uint64_t from; /* operator, slice */
	int64_t watermark;
	bool idle;
};

/* Whether an edge goes on where that input was: that of the same slice, or, where there are more or
 * fewer of them now, of any. */
static bool
edge_is_like(const struct edge *edge, const struct input_state *input, const bool *is_dealt)
{
	uint32_t op = edge->from->op;

	return is_dealt != NULL && is_dealt[op]
	           ? input->from >> 32 == op
	           : input->from == ((uint64_t)op << 32 | edge->from->index);
}

/* False: no edge is like it. */
static bool
read_input(struct lm_op *slice, struct lm_reader *reader, const bool *is_dealt, uint8_t *met)
{
	bool found = false;
	struct input_state input = { .from = lm_read_u64(reader),
		                     .watermark = lm_read_i64(reader),
		                     .idle = lm_read_u64(reader) != 0 };

	for (uint32_t i = 0; i < slice->input_count; i++) {
		struct edge *edge = slice->input[i];

		if (!edge_is_like(edge, &input, is_dealt)) {
			continue;
		}
		edge->watermark_in = met[i] == 0 || input.watermark < edge->watermark_in
		                         ? input.watermark
		                         : edge->watermark_in;
		edge->idle = (met[i] == 0 || edge->idle) && input.idle;
		met[i] = 1;
		found = true;
	}
	return found;
}

/*
 * Whether the slice may have other inputs than it had: there are more or fewer slices of its
 * operator, or of one that it gets rows of. What no slice of then knew starts anew.
 */
static bool
may_differ(const struct lm_op *slice, const bool *is_dealt)
{
	bool may = is_dealt != NULL && is_dealt[slice->op];

	for (uint32_t i = 0; is_dealt != NULL && i < slice->input_count; i++) {
		may |= is_dealt[slice->input[i]->from->op];
	}
	return may;
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int
read_text(struct lm_op *slice, const struct slice_text *text, bool is_first, const bool *is_dealt,
          uint8_t *met)
{
	struct lm_reader reader = { .bytes = text->bytes, .size = text->size };
	uint64_t timer_count, input_count, random;

	if (lm_read_u64(&reader) != SLICE_STATE_FORMAT) {
		return -EINVAL;
	}
	slice->watermark = least(lm_read_i64(&reader), is_first ? INT64_MAX : slice->watermark);
	slice->source_watermark =
	    least(lm_read_i64(&reader), is_first ? INT64_MAX : slice->source_watermark);
	slice->watermark_told =
	    least(lm_read_i64(&reader), is_first ? INT64_MAX : slice->watermark_told);
	random = lm_read_u64(&reader);
	/* Slices of one operator draw different numbers. */
	slice->random = is_dealt == NULL || !is_dealt[slice->op] ? random : slice->random;
	timer_count = lm_read_u64(&reader);
	input_count = lm_read_u64(&reader);
	if (timer_count > LM_TIMERS_MAX ||
	    text->size !=
	        8u * (SLICE_WORDS + LM_TIMERS_MAX * TIMER_WORDS) + 8u * INPUT_WORDS * input_count ||
	    (input_count != slice->input_count && !may_differ(slice, is_dealt))) {
		return -EINVAL;
	}
	slice->timer_count = (uint32_t)timer_count;
	read_timers(slice, &reader, is_first);
	for (uint64_t i = 0; i < input_count; i++) {
		if (!read_input(slice, &reader, is_dealt, met) && !may_differ(slice, is_dealt)) {
			return -EINVAL;
		}
	}
	return reader.failed ? -EINVAL : 0;
}

int
slice_state_read(struct lm_op *slice, const struct slice_text *text, uint32_t count,
                 const bool *is_dealt)
{
	uint8_t *met = calloc(slice->input_count + 1, 1);
	int result = met == NULL ? -ENOMEM : 0;

	assert(count > 0);
	for (uint32_t i = 0; result == 0 && i < count; i++) {
		result = read_text(slice, &text[i], i == 0, is_dealt, met);
	}
	slice->stats.watermark_ns = slice->watermark;
	for (uint32_t i = 0; result == 0 && i < slice->input_count; i++) {
		result = met[i] != 0 || may_differ(slice, is_dealt) ? 0 : -EINVAL;
	}
	free(met);
	return result;
}
