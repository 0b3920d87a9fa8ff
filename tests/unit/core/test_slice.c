/* SPDX-License-Identifier: BSD-3-Clause */
/* core/slice.c: what a slice is asked, in which order, and what waits until there is room. */
#include "core/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/registry.h"
#include "tests/unit/core/engine_rig.h"

static struct rig rig;

/* in -> NAMES... -> out, all but `out` on worker 0, and fused but for the last wire. */
static void
begin_chain(const char *const *types, uint32_t credit)
{
	char name[32], before[32] = "in";

	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	for (uint32_t i = 0; types[i] != NULL; i++) {
		snprintf(name, sizeof(name), "op%u", i);
		rig_add(&rig, name, types[i], 1);
		rig_link(&rig, before, name);
		snprintf(before, sizeof(before), "%s", name);
	}
	rig_add(&rig, "out", "rig_sink", 1);
	rig_wire(&rig, &(struct lm_wire){ .from = before, .to = "out", .credit = credit });
	rig_place(&rig, "out", 0, 1);
	rig_build(&rig, 2);
}

static void
feed(uint64_t rows)
{
	rig_feed(&rig, "in", 0)->until += rows;
}

/* The end comes, all rows have, in order, and nothing is left. */
static void
finish(uint64_t rows)
{
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 10000);
	assert_int_equal(rig_rows(&rig, "out", 0), rows);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

static void
test_fused_chain(void **state)
{
	(void)state;
	begin_chain((const char *const[]){ "rig_pass", "rig_odd", "rig_copy", NULL }, 4);
	assert_int_equal(rig_slice(&rig, "in", 0)->chain_count, 4);
	assert_int_equal(rig_slice(&rig, "in", 0)->exit_count, 1);
	assert_ptr_equal(rig_slice(&rig, "op2", 0)->head, rig_slice(&rig, "in", 0));
	assert_int_equal(rig.engine->worker[0]->slice_count, 1);
	feed(20);
	rig_rounds(&rig, 3);
	/* 8 rows a batch: 4 odd ones of it, whole because nothing waits, then together. */
	assert_string_equal(rig_log(), "out 1,3,5,7; out 9,11,13,15; out 17,19; ");
	assert_int_equal(rig_slice(&rig, "op1", 0)->stats.rows_in, 20);
	assert_int_equal(rig_slice(&rig, "op1", 0)->stats.drops[0], 10);
	assert_int_equal(rig_slice(&rig, "op2", 0)->stats.rows_in, 10);
	finish(10);
}

/* A slice that takes selections sees the rows where they are, one that does not gets them gathered.
 */
static void
test_selections(void **state)
{
	(void)state;
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "odd", "rig_odd", 1);
	rig_add(&rig, "pass", "rig_pass", 1);
	rig_add(&rig, "a", "rig_select", 1);
	rig_add(&rig, "b", "rig_sink", 1);
	rig_link(&rig, "in", "odd");
	rig_link(&rig, "odd", "pass");
	rig_link(&rig, "pass", "a");
	rig_link(&rig, "odd", "b");
	rig_build(&rig, 1);
	feed(8);
	rig_step(&rig, 0);
	assert_string_equal(rig_log(), "a 1,3,5,7; b 1,3,5,7; ");
	assert_int_equal(rig_slice(&rig, "a", 0)->stats.batches_in, 1);
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 10);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

/* A turn starts only with room at every exit; blocked turns are counted. */
static void
test_blocked(void **state)
{
	(void)state;
	begin_chain((const char *const[]){ "rig_pass", NULL }, 2);
	feed(8 * 10);
	for (uint32_t i = 0; i < 5; i++) {
		rig_step(&rig, 0);
	}
	assert_int_equal(rig_slice(&rig, "in", 0)->stats.rows_out[0], 16);
	assert_true(rig_slice(&rig, "in", 0)->stats.turns_blocked >= 4);
	rig_step(&rig, 1);
	rig_step(&rig, 0);
	assert_int_equal(rig_slice(&rig, "in", 0)->stats.rows_out[0], 32);
	finish(80);
}

/* An operator that stops for room is called again with the same rows, and nothing overtakes it. */
static void
test_again(void **state)
{
	(void)state;
	begin_chain((const char *const[]){ "rig_burst", NULL }, 2);
	feed(8);
	rig_feed(&rig, "in", 0)->watermark = 7;
	rig_step(&rig, 0);
	/* 24 rows out: two batches fit, the rest waits. */
	assert_int_equal(rig_slice(&rig, "op0", 0)->pending.call, CALL_BATCH);
	assert_int_equal(rig_slice(&rig, "op0", 0)->stats.rows_out[0], 16);
	rig_step(&rig, 0);
	assert_int_equal(rig_slice(&rig, "op0", 0)->stats.rows_out[0], 16);
	rig_step(&rig, 1);
	rig_step(&rig, 0);
	assert_int_equal(rig_slice(&rig, "op0", 0)->pending.call, CALL_NONE);
	rig_rounds(&rig, 3);
	assert_string_equal(rig_log(), "out 0,0,0-1,1,1-2,2; out 2-3,3,3-4,4,4-5; "
	                               "out 5,5-6,6,6-7,7,7; out w 7; ");
	finish(24);
}

/* Pieces that every link of a chain doubles, before one that stops at the first of them. */
static void
test_many_pieces(void **state)
{
	static const char *const halves[] = { "rig_halves", "rig_halves", "rig_halves",
		                              "rig_halves", "rig_burst",  NULL };

	(void)state;
	for (uint32_t from = 0; from < 5; from++) {
		begin_chain(halves + from, 2);
		rig_feed(&rig, "in", 0)->follow = true;
		rig_log_rows(false);
		for (uint32_t i = 0; i < 20; i++) {
			feed(8);
			for (uint32_t k = 0; k < 3; k++) {
				rig_step(&rig, 0);
			}
			rig_step(&rig, 1);
		}
		finish(20 * 8 * 3);
	}
}

/* test_state: keeps the numbers of rows and emits as many at event time, epochs, timers and the
 * end. */
struct keeper {
	uint64_t rows;
};

static void
keeper_emit(struct lm_op *op)
{
	uint32_t count = lm_op_output_schema(op, 0)->capacity, first;
	struct lm_batch *out = lm_op_reserve(op, 0, count, &first);

	for (uint32_t i = 0; i < count; i++) {
		lm_batch_u64(out, RIG_NUMBER)[first + i] = 1000 + i;
		lm_batch_u64(out, RIG_KEY)[first + i] = 0;
		lm_batch_i64(out, RIG_TIME)[first + i] = 0;
	}
	lm_op_emit(op, 0, count);
}

static void
keeper_process(struct lm_op *op, const struct lm_batch *in)
{
	((struct keeper *)lm_op_context(op))->rows += in->count;
	lm_op_absorb(op, in->count);
	keeper_emit(op);
}

static void
keeper_watermark(struct lm_op *op, int64_t time_ns)
{
	(void)time_ns;
	keeper_emit(op);
}

static void
keeper_epoch(struct lm_op *op, uint64_t epoch)
{
	(void)epoch;
	keeper_emit(op);
}

static const char *const port_in[] = { "in", NULL };
static const char *const port_out[] = { "out", NULL };

static const struct lm_op_class keeper_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "test_keeper",
	.version = "1",
	.summary = "a full batch at every occasion",
	.inputs = port_in,
	.outputs = port_out,
	.rows = LM_ROWS_ABSORB,
	.context_size = sizeof(struct keeper),
	.process = keeper_process,
	.watermark = keeper_watermark,
	.epoch = keeper_epoch,
	.end = keeper_emit,
};

/* test_delay: keeps a batch of rows back, until the next comes or there is an occasion to let go.
 */
struct delay {
	uint64_t number[8];
	uint32_t count;
};

static void
delay_let_go(struct lm_op *op)
{
	struct delay *delay = lm_op_context(op);
	uint32_t first;
	struct lm_batch *out;

	if (delay->count == 0) {
		return;
	}
	out = lm_op_reserve(op, 0, delay->count, &first);
	for (uint32_t i = 0; i < delay->count; i++) {
		lm_batch_u64(out, RIG_NUMBER)[first + i] = delay->number[i];
		lm_batch_u64(out, RIG_KEY)[first + i] = 0;
		lm_batch_i64(out, RIG_TIME)[first + i] = 0;
	}
	lm_op_emit(op, 0, delay->count);
	delay->count = 0;
}

static void
delay_process(struct lm_op *op, const struct lm_batch *in)
{
	struct delay *delay = lm_op_context(op);

	delay_let_go(op);
	memcpy(delay->number, lm_batch_u64(in, RIG_NUMBER), in->count * sizeof(uint64_t));
	delay->count = in->count;
}

static const struct lm_op_class delay_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "test_delay",
	.version = "1",
	.summary = "lets rows go later",
	.inputs = port_in,
	.outputs = port_out,
	.rows = LM_ROWS_PASS,
	.context_size = sizeof(struct delay),
	.process = delay_process,
	.end = delay_let_go,
};

/* The same of a class that passes rows on, but not at once. */
static void
test_all_links_let_go(void **state)
{
	static const char *const delays[] = { "test_delay", "test_delay", "test_delay",
		                              "test_delay", "test_delay", "test_delay",
		                              "test_delay", "test_delay", "test_delay",
		                              "test_delay", NULL };

	(void)state;
	begin_chain(delays, 2);
	rig_log_rows(false);
	feed(8 * 10);
	for (uint32_t i = 0; i < 20; i++) {
		rig_step(&rig, 0);
	}
	rig_feed(&rig, "in", 0)->end = true;
	for (uint32_t i = 0; i < 20; i++) {
		rig_step(&rig, 0);
	}
	finish(8 * 10);
}

/* Each link of a chain emits a full batch of its own at the same occasion: all of them arrive. */
static void
test_all_links_emit(void **state)
{
	static const char *const keepers[] = { "test_keeper", "test_keeper", "test_keeper",
		                               "test_keeper", "test_keeper", "test_keeper",
		                               "test_keeper", "test_keeper", NULL };
	uint64_t rows = 0;

	(void)state;
	/* What link i lets out: a batch for each batch in, and one each for event time, epoch, end.
	 */
	for (uint32_t i = 0, batches = 1; i < 8; i++) {
		batches += 3;
		rows = batches * 8;
	}
	begin_chain(keepers, 2);
	rig_log_rows(false);
	feed(8);
	rig_feed(&rig, "in", 0)->watermark = 5;
	rig_rounds(&rig, 60);
	assert_string_equal(rig_log(), "out w 5; ");
	rig_slice(&rig, "in", 0)->marker = 1;
	rig.engine->epoch = 1;
	rig_rounds(&rig, 60);
	finish(rows);
	assert_string_equal(rig_log(), "out w 5; out epoch 1; out end; ");
}

/* Idleness comes behind the rows and the event time that came before it. */
static void
test_idle_in_order(void **state)
{
	struct edge_item item;
	struct edge *edge;
	uint32_t kinds[20], count = 0;

	(void)state;
	begin_chain((const char *const[]){ "rig_burst", NULL }, 2);
	edge = rig_edge(&rig, "op0", 0, "out", 0);
	feed(8);
	rig_feed(&rig, "in", 0)->watermark = 7;
	rig_feed(&rig, "in", 0)->idle = true;
	for (uint32_t i = 0; i < 10; i++) {
		rig_step(&rig, 0);
		while (edge_take(edge, &item)) {
			kinds[count++] = edge_item_kind(&item);
			assert_true(count < 20);
			if (kinds[count - 1] == EDGE_DATA) {
				kinds[count - 1] += item.value == INT64_MIN ? 0 : 100;
				batch_release((struct lm_batch *)item.word, 1);
			}
		}
		rig_step(&rig, 0);
	}
	assert_true(count > 0);
	assert_int_equal(kinds[count - 1], EDGE_IDLE);
	for (uint32_t i = 0; i + 2 < count; i++) {
		assert_int_equal(kinds[i], EDGE_DATA);
	}
	assert_true(kinds[count - 2] == EDGE_WATERMARK || kinds[count - 2] == EDGE_DATA + 100);
	rig_end(&rig);
}

/* A source that is idle at every poll says so once, and its lcore comes to rest. */
static void
test_idle_rests(void **state)
{
	uint64_t busy;

	(void)state;
	begin_chain((const char *const[]){ "rig_pass", NULL }, 2);
	for (uint32_t i = 0; i < 20; i++) {
		rig_feed(&rig, "in", 0)->idle = true;
		rig_step(&rig, 0);
	}
	busy = rig.engine->worker[0]->stats.turns_busy;
	assert_true(busy <= 2);
	assert_int_equal(edge_count(rig_edge(&rig, "op0", 0, "out", 0)), 1);
	finish(0);
}

/* Telling it takes slots: rows that the same turn would send ask for room anew. */
static void
test_idle_takes_room(void **state)
{
	(void)state;
	begin_chain((const char *const[]){ "rig_pass", NULL }, 2);
	feed(80);
	rig_feed(&rig, "in", 0)->watermark = 7;
	rig_feed(&rig, "in", 0)->idle = true;
	rig_step(&rig, 0);
	/* A batch, event time, idleness: no credit is left. */
	assert_int_equal(edge_count(rig_edge(&rig, "op0", 0, "out", 0)), 3);
	assert_int_equal(rig_slice(&rig, "in", 0)->stats.rows_out[0], 8);
	finish(80);
}

/* test_hold: passes event time on 10 behind, and the first 10 not at all. */
static int64_t
hold_back(struct lm_op *op, int64_t time_ns)
{
	(void)op;
	return time_ns < 10 ? INT64_MIN : (time_ns - 10) / 10 * 10;
}

static void
hold_process(struct lm_op *op, const struct lm_batch *in)
{
	lm_op_forward(op, in);
}

static const struct lm_op_class hold_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "test_hold",
	.version = "1",
	.summary = "event time goes on later",
	.inputs = port_in,
	.outputs = port_out,
	.rows = LM_ROWS_PASS,
	.process = hold_process,
	.hold = hold_back,
};

static void
test_hold(void **state)
{
	static const int64_t times[] = { 5, 12, 19, 25, 31, 32, 39, 47 };

	(void)state;
	begin_chain((const char *const[]){ "test_hold", NULL }, 2);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		rig_feed(&rig, "in", 0)->watermark = times[i];
		rig_rounds(&rig, 4);
	}
	assert_string_equal(rig_log(), "out w 0; out w 10; out w 20; out w 30; ");
	finish(0);
}

/* Event time never goes back, and a source's is told behind its rows. */
static void
test_event_time(void **state)
{
	(void)state;
	begin_chain((const char *const[]){ "rig_pass", NULL }, 4);
	rig_feed(&rig, "in", 0)->watermark = 5;
	feed(2);
	rig_rounds(&rig, 2);
	rig_feed(&rig, "in", 0)->watermark = 3;
	rig_rounds(&rig, 2);
	rig_feed(&rig, "in", 0)->watermark = 5;
	rig_rounds(&rig, 2);
	rig_feed(&rig, "in", 0)->watermark = 6;
	rig_rounds(&rig, 2);
	assert_string_equal(rig_log(), "out 0-1; out w 5; out w 6; ");
	finish(2);
}

/* test_queue: keeps rows until the test lets them go; then event time and idleness may follow. */
static bool queue_lets_go, queue_is_full, queue_is_eager;

struct queue {
	uint64_t number[64];
	int64_t before[64]; /* event time that had come when the row did */
	uint32_t count;
	int64_t time_ns;
};

static int
queue_open(struct lm_op *op)
{
	((struct queue *)lm_op_context(op))->time_ns = INT64_MIN;
	lm_op_timer_start(op, 0, 0);
	return 0;
}

static void
queue_process(struct lm_op *op, const struct lm_batch *in)
{
	struct queue *queue = lm_op_context(op);

	if (queue_is_full) {
		lm_op_again(op);
		return;
	}
	lm_op_absorb(op, in->count);
	if (queue_is_eager) {
		lm_op_forward(op, in);
		return;
	}
	for (uint32_t i = 0; i < in->count; i++) {
		queue->number[queue->count] = lm_batch_u64(in, RIG_NUMBER)[i];
		queue->before[queue->count++] = queue->time_ns;
	}
}

static void
queue_watermark(struct lm_op *op, int64_t time_ns)
{
	((struct queue *)lm_op_context(op))->time_ns = time_ns;
}

/* One row each time. */
static void
queue_timer(struct lm_op *op, uint32_t timer)
{
	struct queue *queue = lm_op_context(op);
	struct lm_batch *out;
	uint32_t first;

	(void)timer;
	if (!queue_lets_go || queue->count == 0) {
		return;
	}
	out = lm_op_reserve(op, 0, 1, &first);
	lm_batch_u64(out, RIG_NUMBER)[first] = queue->number[0];
	lm_batch_u64(out, RIG_KEY)[first] = 0;
	lm_batch_i64(out, RIG_TIME)[first] = 0;
	lm_op_emit(op, 0, 1);
	queue->count--;
	memmove(queue->number, queue->number + 1, sizeof(queue->number) - sizeof(uint64_t));
	memmove(queue->before, queue->before + 1, sizeof(queue->before) - sizeof(int64_t));
}

static void
queue_end(struct lm_op *op)
{
	if (((struct queue *)lm_op_context(op))->count > 0 && lm_op_room(op, 0) > 0) {
		queue_lets_go = true;
		queue_timer(op, 0);
	}
	if (((struct queue *)lm_op_context(op))->count > 0) {
		lm_op_again(op);
	}
}

static int64_t
queue_hold(struct lm_op *op, int64_t time_ns)
{
	const struct queue *queue = lm_op_context(op);

	return queue->count > 0 && queue->before[0] < time_ns ? queue->before[0] : time_ns;
}

static const struct lm_op_class queue_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_DELAYS | LM_OP_AMPLIFIES,
	.name = "test_queue",
	.version = "1",
	.summary = "rows wait",
	.inputs = port_in,
	.outputs = port_out,
	.rows = LM_ROWS_ABSORB,
	.context_size = sizeof(struct queue),
	.open = queue_open,
	.process = queue_process,
	.watermark = queue_watermark,
	.timer = queue_timer,
	.end = queue_end,
	.hold = queue_hold,
};

/* Event time that came behind rows is told when those have gone, though nothing new comes. */
static void
test_event_time_waits(void **state)
{
	(void)state;
	queue_lets_go = false;
	begin_chain((const char *const[]){ "test_queue", NULL }, 4);
	rig_feed(&rig, "in", 0)->watermark = 1;
	rig_rounds(&rig, 4);
	feed(2);
	rig_rounds(&rig, 4);
	rig_feed(&rig, "in", 0)->watermark = 5;
	rig_rounds(&rig, 4);
	feed(1);
	rig_rounds(&rig, 4);
	rig_feed(&rig, "in", 0)->watermark = 9;
	rig_rounds(&rig, 4);
	assert_string_equal(rig_log(), "out w 1; ");
	queue_lets_go = true;
	rig_rounds(&rig, 30);
	/* What holds behind a row travels with the next batch. */
	assert_string_equal(rig_log(), "out w 1; out 0; out 1; out 2; out w 5; out w 9; ");
	finish(3);
}

/* Everything that is on the edge, as letters. */
static void
take_all(struct edge *edge, char *text)
{
	struct edge_item item;

	while (edge_take(edge, &item)) {
		enum edge_item_kind kind = edge_item_kind(&item);

		strcat(text, kind == EDGE_DATA ? "d" : kind == EDGE_IDLE ? "i" : "w");
		if (kind == EDGE_DATA) {
			batch_release((struct lm_batch *)item.word, 1);
		}
	}
}

/* So is idleness, unless rows or event time have come since. */
static void
test_idle_waits(void **state)
{
	struct edge *edge;
	char text[100] = "";

	(void)state;
	queue_lets_go = false;
	begin_chain((const char *const[]){ "test_queue", NULL }, 8);
	edge = rig_edge(&rig, "op0", 0, "out", 0);
	/* With nothing kept it goes on at once. */
	rig_feed(&rig, "in", 0)->idle = true;
	rig_step(&rig, 0);
	rig_step(&rig, 0);
	take_all(edge, text);
	assert_string_equal(text, "i");
	feed(1);
	rig_step(&rig, 0);
	rig_feed(&rig, "in", 0)->idle = true;
	for (uint32_t i = 0; i < 5; i++) {
		rig_step(&rig, 0);
	}
	take_all(edge, text);
	assert_string_equal(text, "i");
	queue_lets_go = true;
	for (uint32_t i = 0; i < 5; i++) {
		rig_step(&rig, 0);
	}
	take_all(edge, text);
	assert_string_equal(text, "idi");
	queue_lets_go = false;
	feed(1);
	rig_step(&rig, 0);
	rig_feed(&rig, "in", 0)->idle = true;
	rig_step(&rig, 0);
	rig_step(&rig, 0);
	feed(1);
	rig_step(&rig, 0);
	queue_lets_go = true;
	for (uint32_t i = 0; i < 5; i++) {
		rig_step(&rig, 0);
		take_all(edge, text);
	}
	assert_string_equal(text, "ididd");
	rig_end(&rig);
}

/* test_twice: event time makes it emit two batches, in front of it. */
static void
twice_process(struct lm_op *op, const struct lm_batch *in)
{
	lm_op_absorb(op, in->count);
}

static void
twice_watermark(struct lm_op *op, int64_t time_ns)
{
	for (uint64_t number = 0; number < 10; number += 5) {
		uint32_t first;
		struct lm_batch *out = lm_op_reserve(op, 0, 5, &first);

		for (uint32_t i = 0; i < 5; i++) {
			lm_batch_u64(out, RIG_NUMBER)[first + i] = number + i;
			lm_batch_u64(out, RIG_KEY)[first + i] = 0;
			lm_batch_i64(out, RIG_TIME)[first + i] = time_ns;
		}
		lm_op_emit(op, 0, 5);
	}
}

static const struct lm_op_class twice_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "test_twice",
	.version = "1",
	.summary = "two batches for event time",
	.inputs = port_in,
	.outputs = port_out,
	.rows = LM_ROWS_ABSORB,
	.process = twice_process,
	.watermark = twice_watermark,
};

/* Event time that waits behind rows which the class has not been given yet is not told for it. */
static void
test_event_time_behind_rows(void **state)
{
	(void)state;
	queue_is_eager = true;
	begin_chain((const char *const[]){ "test_twice", "test_queue", "rig_tap", NULL }, 8);
	rig_feed(&rig, "in", 0)->watermark = 1;
	rig_step(&rig, 0);
	assert_string_equal(rig_log(), "op2 0-4; op2 5-9; op2 w 1; ");
	rig_log_clear();
	queue_is_full = true;
	rig_feed(&rig, "in", 0)->watermark = 7;
	rig_step(&rig, 0);
	rig_step(&rig, 0);
	assert_string_equal(rig_log(), "");
	queue_is_full = false;
	for (uint32_t i = 0; i < 5; i++) {
		rig_step(&rig, 0);
	}
	assert_string_equal(rig_log(), "op2 0-4; op2 5-9; op2 w 7; ");
	finish(20);
	queue_is_eager = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fused_chain),
		cmocka_unit_test(test_selections),
		cmocka_unit_test(test_blocked),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_many_pieces),
		cmocka_unit_test(test_all_links_emit),
		cmocka_unit_test(test_all_links_let_go),
		cmocka_unit_test(test_idle_in_order),
		cmocka_unit_test(test_idle_rests),
		cmocka_unit_test(test_idle_takes_room),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_event_time),
		cmocka_unit_test(test_event_time_waits),
		cmocka_unit_test(test_idle_waits),
		cmocka_unit_test(test_event_time_behind_rows),
	};
	const char *why;

	rig_classes_register();
	if (registry_add(&keeper_class, &why) != 0 || registry_add(&hold_class, &why) != 0 ||
	    registry_add(&delay_class, &why) != 0 || registry_add(&queue_class, &why) != 0 ||
	    registry_add(&twice_class, &why) != 0) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
