/* SPDX-License-Identifier: BSD-3-Clause */
/* core/epoch.c: a slice with several inputs; the test is what feeds them. */
#include "core/epoch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/core/engine_rig.h"

static struct rig rig;
static struct edge *left, *right;
static struct lm_op *merge;
static uint64_t next_row;

/* a -> left, b -> right of a merge on worker 1; then a sink. The sources themselves do nothing. */
static void
begin(void)
{
	rig_begin(&rig);
	rig_add(&rig, "a", "rig_source", 1);
	rig_add(&rig, "b", "rig_source", 1);
	rig_add(&rig, "merge", "rig_merge", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_wire(&rig, &(struct lm_wire){ .from = "a", .to = "merge", .input = "left" });
	rig_wire(&rig, &(struct lm_wire){ .from = "b", .to = "merge", .input = "right" });
	rig_link(&rig, "merge", "out");
	rig_place(&rig, "merge", 0, 1);
	rig_place(&rig, "out", 0, 2);
	rig_build(&rig, 3);
	left = rig_edge(&rig, "a", 0, "merge", 0);
	right = rig_edge(&rig, "b", 0, "merge", 0);
	merge = rig_slice(&rig, "merge", 0);
	next_row = 0;
}

static void
send(struct edge *edge, uint32_t count)
{
	struct lm_batch *batch = batch_take(edge->pool, 0);

	for (uint32_t i = 0; i < count; i++) {
		lm_batch_u64(batch, RIG_NUMBER)[i] = next_row++;
	}
	batch->count = count;
	edge_send(edge, batch, NULL, count, NULL, 0, 0);
	batch_release(batch, 0);
	edge_flush(edge, EDGE_FLUSH_FORCE, 0);
}

static void
tell(struct edge *edge, int64_t watermark)
{
	edge_tell_watermark(edge, watermark);
	edge_send_control(edge, EDGE_WATERMARK, 0);
}

static void
turns(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		rig_step(&rig, 1);
		rig_step(&rig, 2);
	}
}

static void
expect(const char *log)
{
	turns(4);
	assert_string_equal(rig_log(), log);
	rig_log_clear();
}

/* An input that has the marker is not read until the other has it; the other is read on. */
static void
test_marker_waits(void **state)
{
	(void)state;
	begin();
	send(left, 2);
	edge_send_control(left, EDGE_MARKER, 1);
	send(left, 2);
	send(right, 1);
	expect("merge 0-1; merge 4; out 0-1; out 4; ");
	assert_true(left->blocked);
	assert_false(right->blocked);
	assert_int_equal(merge->marker, 1);
	assert_false(epoch_is_aligned(merge));
	send(right, 1);
	expect("merge 5; out 5; ");
	edge_send_control(right, EDGE_MARKER, 1);
	send(right, 1);
	expect("merge epoch 1; merge 2-3; merge 6; out epoch 1; out 2-3,6; ");
	assert_int_equal(merge->marker, 0);
	assert_int_equal(merge->stats.epoch, 1);
	assert_false(left->blocked);
	rig_end(&rig);
}

/* An input that has ended has all markers. */
static void
test_marker_and_end(void **state)
{
	(void)state;
	begin();
	edge_send_control(left, EDGE_MARKER, 1);
	turns(2);
	assert_false(epoch_is_aligned(merge));
	edge_send_control(right, EDGE_END, 0);
	expect("merge epoch 1; out epoch 1; ");
	edge_send_control(left, EDGE_MARKER, 2);
	expect("merge epoch 2; out epoch 2; ");
	edge_send_control(left, EDGE_END, 0);
	expect("merge end; out end; ");
	rig_end(&rig);
}

static void
mark_again(void *arg)
{
	(void)arg;
	edge_send_control(left, EDGE_MARKER, 2);
	edge_send_control(right, EDGE_MARKER, 3);
	turns(2);
}

static void
test_two_epochs_at_once_are_a_bug(void **state)
{
	(void)state;
	begin();
	assert_true(rig_aborts(mark_again, NULL));
	rig_end(&rig);
}

/* Event time is that of the slowest input. */
static void
test_watermark(void **state)
{
	(void)state;
	begin();
	assert_int_equal(epoch_watermark(merge), INT64_MIN);
	tell(left, 10);
	expect("");
	tell(right, 5);
	expect("merge w 5; out w 5; ");
	tell(right, 8);
	tell(right, 20);
	expect("merge w 8; merge w 10; out w 10; ");
	tell(left, 15);
	expect("merge w 15; out w 15; ");
	rig_end(&rig);
}

/* One that rests or has ended is not waited for; when it comes back it does not turn time back. */
static void
test_idle(void **state)
{
	(void)state;
	begin();
	tell(left, 10);
	edge_send_control(right, EDGE_IDLE, 0);
	expect("merge w 10; out w 10; ");
	assert_false(epoch_is_idle(merge));
	tell(right, 7);
	expect("");
	assert_int_equal(epoch_watermark(merge), 7);
	tell(left, 12);
	expect("");
	edge_send_control(right, EDGE_END, 0);
	expect("merge w 12; out w 12; ");
	assert_int_equal(epoch_watermark(merge), 12);
	rig_end(&rig);
}

/* When all rest the slice rests, and says so further down; rows wake it up. */
static void
test_all_idle(void **state)
{
	struct edge *down;

	(void)state;
	begin();
	down = rig_edge(&rig, "merge", 0, "out", 0);
	tell(left, 3);
	tell(right, 3);
	expect("merge w 3; out w 3; ");
	edge_send_control(left, EDGE_IDLE, 0);
	expect("");
	assert_false(down->idle);
	edge_send_control(right, EDGE_IDLE, 0);
	expect("");
	assert_true(epoch_is_idle(merge));
	assert_true(down->idle);
	assert_int_equal(epoch_watermark(merge), INT64_MIN);
	send(left, 1);
	expect("merge 0; out 0; ");
	assert_false(epoch_is_idle(merge));
	assert_false(down->idle);
	rig_end(&rig);
}

/* One rests, the other ends: nothing is to be waited for, as if both rested. */
static void
test_idle_and_end(void **state)
{
	struct edge *down;

	(void)state;
	begin();
	down = rig_edge(&rig, "merge", 0, "out", 0);
	edge_send_control(left, EDGE_IDLE, 0);
	expect("");
	assert_false(down->idle);
	edge_send_control(right, EDGE_END, 0);
	expect("");
	assert_true(down->idle);
	assert_false(epoch_inputs_ended(merge));
	edge_send_control(left, EDGE_END, 0);
	expect("merge end; out end; ");
	assert_true(epoch_inputs_ended(merge));
	rig_end(&rig);
}

/* The end comes once, behind the last rows of both, and the last event time before it. */
static void
test_end(void **state)
{
	(void)state;
	begin();
	tell(left, 4);
	send(right, 1);
	edge_send_control(right, EDGE_END, 0);
	send(left, 2);
	expect("merge 0; merge 1-2; merge w 4; out 0; out 1-2; out w 4; ");
	assert_false(epoch_inputs_ended(merge));
	send(left, 1);
	edge_send_control(left, EDGE_END, 0);
	expect("merge 3; merge end; out 3; out end; ");
	assert_true(merge->ended);
	expect("");
	rig_end(&rig);
}

/* A cycle: merge -> loop -> merge, which sheds. */
static void
begin_cycle(void)
{
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "merge", "rig_tap", 1);
	rig_add(&rig, "loop", "rig_odd", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_link(&rig, "in", "merge");
	rig_link(&rig, "merge", "loop");
	rig_wire(&rig,
	         &(struct lm_wire){
		     .from = "loop", .to = "merge", .policy = LM_POLICY_SHED_NEWEST, .credit = 2 });
	rig_link(&rig, "merge", "out");
	rig_place(&rig, "out", 0, 1);
	rig_build(&rig, 2);
	merge = rig_slice(&rig, "merge", 0);
	right = rig_edge(&rig, "loop", 0, "merge", 0);
	assert_true(right->feedback);
}

/* None of the three is waited for on a feedback wire; at the end what is on it is still taken. */
static void
test_feedback(void **state)
{
	(void)state;
	begin_cycle();
	rig_log_rows(false);
	rig_feed(&rig, "in", 0)->until = 1;
	rig_feed(&rig, "in", 0)->follow = true;
	rig_rounds(&rig, 10);
	assert_string_equal(rig_log(), "merge w 0; out w 0; ");
	rig_slice(&rig, "in", 0)->marker = 1;
	rig_rounds(&rig, 10);
	assert_string_equal(rig_log(), "merge w 0; out w 0; merge epoch 1; out epoch 1; ");
	assert_int_equal(edge_count(right), 0);
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 100);
	assert_string_equal(rig_log(), "merge w 0; out w 0; merge epoch 1; out epoch 1; "
	                               "merge end; out end; ");
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

/* What leads back to a slice that has ended still gets markers from another source: for ever. */
static void
test_feedback_to_ended(void **state)
{
	(void)state;
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "late", "rig_source", 1);
	rig_add(&rig, "merge", "rig_tap", 1);
	rig_add(&rig, "loop", "rig_merge", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_link(&rig, "in", "merge");
	rig_wire(&rig, &(struct lm_wire){ .from = "merge", .to = "loop", .input = "left" });
	rig_wire(&rig, &(struct lm_wire){ .from = "late", .to = "loop", .input = "right" });
	rig_wire(&rig,
	         &(struct lm_wire){
		     .from = "loop", .to = "merge", .policy = LM_POLICY_SHED_OLDEST, .credit = 2 });
	rig_link(&rig, "loop", "out");
	rig.settings->epoch_ns = 5000;
	rig_build(&rig, 2);
	rig_log_rows(false);
	rig_feed(&rig, "in", 0)->end = true;
	rig_feed(&rig, "late", 0)->follow = true;
	for (uint32_t i = 0; i < 200; i++) {
		rig_feed(&rig, "late", 0)->until += 3;
		rig_rounds(&rig, 5);
	}
	assert_true(rig_slice(&rig, "merge", 0)->ended);
	assert_true(rig_slice(&rig, "loop", 0)->stats.epoch > 50);
	rig_feed(&rig, "late", 0)->end = true;
	rig_run(&rig, 1000);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marker_waits),
		cmocka_unit_test(test_marker_and_end),
		cmocka_unit_test(test_two_epochs_at_once_are_a_bug),
		cmocka_unit_test(test_watermark),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_all_idle),
		cmocka_unit_test(test_idle_and_end),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_feedback),
		cmocka_unit_test(test_feedback_to_ended),
	};

	rig_classes_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
