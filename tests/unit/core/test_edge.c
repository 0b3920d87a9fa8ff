/* SPDX-License-Identifier: BSD-3-Clause */
/* core/edge.c: the test is both ends of one edge of a built engine, and its clock. */
#include "core/edge.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/slice.h"
#include "tests/unit/core/engine_rig.h"

#define ROWS 8u /* of a full batch */
#define CREDIT 4u

static struct rig rig;
static struct edge *edge;
static uint64_t next_row;
static int64_t now_ns;

static void
begin_wire(const struct lm_wire *wire)
{
	rig_begin(&rig);
	rig.settings->batch_rows = ROWS;
	rig.settings->partial_ns = 20000;
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_wire(&rig, wire);
	rig_place(&rig, "out", 0, 1);
	rig_build(&rig, 2);
	edge = rig_edge(&rig, "in", 0, "out", 0);
	next_row = 0;
	now_ns = 1000;
}

static void
begin(enum lm_policy policy)
{
	begin_wire(
	    &(struct lm_wire){ .from = "in", .to = "out", .policy = policy, .credit = CREDIT });
}

/* A batch of the next `count` rows. */
static struct lm_batch *
make(uint32_t count)
{
	struct lm_batch *batch = batch_take(edge->pool, 0);

	for (uint32_t i = 0; i < count; i++) {
		lm_batch_u64(batch, RIG_NUMBER)[i] = next_row++;
		lm_batch_u64(batch, RIG_KEY)[i] = 0;
		lm_batch_i64(batch, RIG_TIME)[i] = 0;
	}
	batch->count = count;
	return batch;
}

static void
send(uint32_t count)
{
	struct lm_batch *batch = make(count);

	edge_send(edge, batch, NULL, count, NULL, 0, now_ns);
	batch_release(batch, 0);
}

/* The next item, as text; "" when there is none. */
static const char *
take(void)
{
	static char text[100];
	struct edge_item item;
	struct lm_batch *batch;
	int used;

	if (!edge_take(edge, &item)) {
		return "";
	}
	switch (edge_item_kind(&item)) {
	case EDGE_WATERMARK:
		snprintf(text, sizeof(text), "w %" PRId64, item.value);
		return text;
	case EDGE_MARKER:
		snprintf(text, sizeof(text), "marker %" PRId64, item.value);
		return text;
	case EDGE_END:
		return "end";
	case EDGE_IDLE:
		return "idle";
	default:
		break;
	}
	batch = (struct lm_batch *)item.word;
	used = snprintf(text, sizeof(text), "%" PRIu64 "-%" PRIu64, lm_batch_u64(batch, 0)[0],
	                lm_batch_u64(batch, 0)[batch->count - 1]);
	for (uint32_t i = 1; i < batch->count; i++) {
		assert_int_equal(lm_batch_u64(batch, 0)[i], lm_batch_u64(batch, 0)[0] + i);
	}
	if (item.value != INT64_MIN) {
		snprintf(text + used, sizeof(text) - (size_t)used, " w %" PRId64, item.value);
	}
	batch_release(batch, 1);
	return text;
}

static void
expect(const char *text)
{
	assert_string_equal(take(), text);
}

/* Nothing is left anywhere. */
static void
finish(void)
{
	struct edge_item item;

	if (edge->open != NULL) {
		batch_release(edge->open, 0);
		edge->open = NULL;
	}
	while (edge_take(edge, &item)) {
		if (edge_item_kind(&item) == EDGE_DATA) {
			batch_release((struct lm_batch *)item.word, 1);
		}
	}
	assert_int_equal(pool_available(edge->pool), edge->pool->count);
	rig_end(&rig);
}

static void
test_credit(void **state)
{
	(void)state;
	begin(LM_POLICY_BLOCK);
	assert_int_equal(edge->credit, CREDIT);
	for (uint32_t i = 0; i < CREDIT; i++) {
		assert_true(edge_has_room(edge, now_ns));
		send(ROWS);
	}
	assert_false(edge_has_room(edge, now_ns));
	assert_int_equal(edge_count(edge), CREDIT);
	expect("0-7");
	assert_true(edge_has_room(edge, now_ns));
	assert_int_equal(edge->rows_sent, CREDIT * ROWS);
	assert_int_equal(edge->bytes_sent, CREDIT * ROWS * 24); /* three columns */
	assert_int_equal(edge->rows_taken, ROWS);
	finish();
}

/* One with credit left may send what a callback sends, in pieces as awkward as they come. */
static void
test_overflow_slots(void **state)
{
	(void)state;
	begin(LM_POLICY_BLOCK);
	for (uint32_t i = 0; i + 1 < CREDIT; i++) {
		send(ROWS);
	}
	send(ROWS / 2 - 1); /* waits for more */
	assert_non_null(edge->open);
	assert_true(edge_has_room(edge, now_ns));
	/* At most ROWS rows in two pieces. */
	send(ROWS / 2);
	send(ROWS / 2);
	assert_int_equal(edge->rows_overflow, 0);
	assert_true(edge_count(edge) <= CREDIT + EDGE_OVERFLOW);
	finish();
}

/* One that sends more than its room loses it, counted; the pool and the engine stand. */
static void
test_overflow_counted(void **state)
{
	uint32_t most = CREDIT + EDGE_OVERFLOW;

	(void)state;
	begin(LM_POLICY_BLOCK);
	for (uint32_t i = 0; i < 500; i++) {
		send(ROWS);
	}
	assert_int_equal(edge_count(edge), most);
	assert_int_equal(edge->rows_sent, most * ROWS);
	assert_int_equal(edge->rows_overflow, (500 - most) * ROWS);
	/* What is lost has no numbers: those that come later follow those that came before. */
	expect("0-7");
	send(ROWS);
	assert_int_equal(edge->rows_sent, (most + 1) * ROWS);
	finish();
}

/* Behind a full edge there is still a slot for every control item that can be under way. */
static void
test_control_slots(void **state)
{
	(void)state;
	begin(LM_POLICY_BLOCK);
	for (uint32_t i = 0; i < 100; i++) {
		send(ROWS);
	}
	edge_tell_watermark(edge, 1);
	edge_send_control(edge, EDGE_MARKER, 1);
	edge_tell_watermark(edge, 2);
	for (uint32_t i = 0; i < 100; i++) {
		edge_send_control(edge, EDGE_IDLE, 0);
	}
	edge_tell_watermark(edge, 3);
	edge_send_control(edge, EDGE_END, 0);
	for (uint32_t i = 0; i < CREDIT + EDGE_OVERFLOW; i++) {
		take();
	}
	expect("w 1");
	expect("marker 1");
	expect("w 2");
	expect("idle");
	expect("w 3");
	expect("end");
	expect("");
	finish();
}

/* A producer that sheds and falls idle again and again: it is told in the end, and once. */
static void
test_idle_waits(void **state)
{
	static const enum lm_policy policies[] = { LM_POLICY_SHED_NEWEST, LM_POLICY_SHED_OLDEST };

	(void)state;
	for (uint32_t p = 0; p < 2; p++) {
		struct edge_item item, last = { 0 };
		uint32_t idles = 0;

		begin(policies[p]);
		for (uint32_t i = 0; i < 100; i++) {
			edge_tell_watermark(edge, i + 1);
			send(3);
			edge_send_control(edge, EDGE_IDLE, 0);
		}
		edge_send_control(edge, EDGE_MARKER, 1);
		edge_flush(edge, EDGE_FLUSH_IDLE, now_ns);
		while (edge_take(edge, &item)) {
			edge_flush(edge, EDGE_FLUSH_IDLE, now_ns);
			last = item;
			idles += edge_item_kind(&item) == EDGE_IDLE;
			if (edge_item_kind(&item) == EDGE_DATA) {
				batch_release((struct lm_batch *)item.word, 1);
			}
		}
		assert_int_equal(edge_item_kind(&last), EDGE_IDLE);
		assert_true(idles <= CREDIT + EDGE_OVERFLOW);
		finish();
	}
}

/* Idleness is told once, and again when rows or event time have come in between. */
static void
test_idle_told_once(void **state)
{
	(void)state;
	begin(LM_POLICY_BLOCK);
	edge_send_control(edge, EDGE_IDLE, 0);
	edge_send_control(edge, EDGE_IDLE, 0);
	expect("idle");
	expect("");
	send(ROWS);
	edge_send_control(edge, EDGE_IDLE, 0);
	expect("0-7");
	expect("idle");
	edge_tell_watermark(edge, 5);
	edge_flush(edge, EDGE_FLUSH_IDLE, now_ns);
	expect("w 5");
	edge_send_control(edge, EDGE_IDLE, 0);
	expect("idle");
	expect("");
	finish();
}

static void
test_shed_newest(void **state)
{
	(void)state;
	begin(LM_POLICY_SHED_NEWEST);
	for (uint32_t i = 0; i < CREDIT + 3; i++) {
		assert_true(edge_has_room(edge, now_ns));
		send(ROWS);
	}
	assert_int_equal(edge->rows_shed, 3 * ROWS);
	assert_int_equal(edge->rows_sent, CREDIT * ROWS);
	expect("0-7");
	send(ROWS);
	expect("8-15");
	expect("16-23");
	expect("24-31");
	/* The shed ones had no sequence: the next row is the next number of the edge. */
	expect("56-63");
	assert_int_equal(edge->expected, edge->sequence);
	assert_int_equal(edge->rows_missed, 0);
	finish();
}

static void
test_shed_oldest(void **state)
{
	(void)state;
	begin(LM_POLICY_SHED_OLDEST);
	for (uint32_t i = 0; i < CREDIT + 3; i++) {
		edge_tell_watermark(edge, i);
		assert_true(edge_has_room(edge, now_ns));
		send(ROWS);
	}
	assert_int_equal(edge->rows_shed, 0);
	assert_int_equal(edge->rows_discarded, 3 * ROWS);
	assert_int_equal(edge->rows_sent, (CREDIT + 3) * ROWS);
	expect("24-31 w 3");
	assert_int_equal(edge->rows_missed, 3 * ROWS);
	expect("32-39 w 4");
	expect("40-47 w 5");
	expect("48-55 w 6");
	expect("");
	assert_int_equal(edge->rows_missed, edge->rows_discarded);
	finish();
}

/* The event time that a discarded batch carried is not lost with it. */
static void
test_shed_oldest_watermark(void **state)
{
	(void)state;
	begin(LM_POLICY_SHED_OLDEST);
	edge_tell_watermark(edge, 7);
	for (uint32_t i = 0; i < CREDIT + 1; i++) {
		send(ROWS);
	}
	expect("8-15");
	expect("16-23");
	expect("24-31");
	expect("32-39 w 7");
	finish();
}

static void
test_shed_oldest_spares_control(void **state)
{
	(void)state;
	begin(LM_POLICY_SHED_OLDEST);
	edge_send_control(edge, EDGE_MARKER, 1);
	for (uint32_t i = 0; i < CREDIT + 2; i++) {
		send(ROWS);
	}
	/* The marker is the oldest: the newest rows go instead. */
	assert_int_equal(edge->rows_discarded, 0);
	assert_int_equal(edge->rows_shed, 3 * ROWS);
	expect("marker 1");
	expect("0-7");
	expect("8-15");
	expect("16-23");
	expect("");
	finish();
}

/* Control items that wait behind the rows take their place: the edge stays within its bound. */
static void
test_shed_oldest_behind_control(void **state)
{
	(void)state;
	begin(LM_POLICY_SHED_OLDEST);
	for (uint32_t i = 0; i < CREDIT; i++) {
		send(ROWS);
	}
	edge_tell_watermark(edge, 1);
	edge_send_control(edge, EDGE_IDLE, 0);
	edge_tell_watermark(edge, 2);
	edge_send_control(edge, EDGE_MARKER, 1);
	assert_int_equal(edge_count(edge), CREDIT + 4);
	send(ROWS);
	/* All rows before the first of them are gone, and then the new ones. */
	assert_int_equal(edge->rows_overflow, 0);
	assert_int_equal(edge->rows_discarded, CREDIT * ROWS);
	assert_int_equal(edge->rows_shed, ROWS);
	expect("w 1");
	expect("idle");
	send(ROWS);
	expect("w 2");
	expect("marker 1");
	expect("40-47");
	expect("");
	finish();
}

/* Rows that pass in `ns` of a producer that always has some. */
static uint64_t
throttled(int64_t ns, int64_t step_ns)
{
	uint64_t before = edge->rows_sent;

	for (int64_t until_ns = now_ns + ns; now_ns < until_ns; now_ns += step_ns) {
		while (edge_has_room(edge, now_ns)) {
			send(ROWS);
			take();
		}
	}
	return edge->rows_sent - before;
}

static void
test_throttle(void **state)
{
	const uint64_t rate = 100000;
	uint64_t rows;

	(void)state;
	begin_wire(&(struct lm_wire){ .from = "in",
	                              .to = "out",
	                              .policy = LM_POLICY_THROTTLE,
	                              .rate = rate,
	                              .credit = CREDIT });
	throttled(100000000, 10000);
	/* From then on the rate, to a batch, however often one asks. */
	rows = throttled(1000000000, 10000);
	assert_in_range(rows, rate - 100, rate + 100);
	rows = throttled(1000000000, 800000);
	assert_in_range(rows, rate - 100, rate + 100);
	/* After a pause 10 ms worth of rows or a batch's are made up for, not all of them. */
	now_ns += 60000000000;
	rows = throttled(1, 1);
	assert_in_range(rows, LM_BATCH_ROWS, LM_BATCH_ROWS + ROWS);
	/* Credit counts as well. */
	now_ns += 1000000000;
	for (uint32_t i = 0; i < CREDIT; i++) {
		assert_true(edge_has_room(edge, now_ns));
		send(ROWS);
	}
	assert_false(edge_has_room(edge, now_ns));
	finish();
}

/* Any pieces, in the order of their rows, numbered without a gap. */
static void
test_sequence(void **state)
{
	uint64_t expected = 0;

	(void)state;
	begin(LM_POLICY_BLOCK);
	for (uint32_t i = 0; i < 2000; i++) {
		struct edge_item item;

		if (edge_has_room(edge, now_ns)) {
			send(1 + (uint32_t)sim_below(ROWS));
		}
		edge_flush(edge, (enum edge_flush)sim_below(3), now_ns);
		now_ns += (int64_t)sim_below(30000);
		while (sim_below(2) == 0 && edge_take(edge, &item)) {
			struct lm_batch *batch = (struct lm_batch *)item.word;

			assert_int_equal(batch->sequence, expected);
			assert_true(batch->count > 0);
			assert_true(batch->count <= ROWS);
			for (uint32_t row = 0; row < batch->count; row++) {
				assert_int_equal(lm_batch_u64(batch, 0)[row], expected++);
			}
			batch_release(batch, 1);
		}
	}
	assert_true(expected > 2000);
	assert_int_equal(edge->rows_taken, expected);
	finish();
}

static void
take_after_gap(void *arg)
{
	(void)arg;
	edge->expected++;
	take();
}

static void
test_gap_is_caught(void **state)
{
	(void)state;
	begin(LM_POLICY_BLOCK);
	send(ROWS);
	send(ROWS);
	assert_true(rig_aborts(take_after_gap, NULL));
	finish();
}

/* Full batches travel as they are; small ones wait for company. */
static void
test_whole_or_copied(void **state)
{
	struct lm_batch *batch;
	struct edge_item item;

	(void)state;
	begin(LM_POLICY_BLOCK);
	batch = make(ROWS);
	edge_send(edge, batch, NULL, ROWS, NULL, 0, now_ns);
	assert_int_equal(batch->references, 2);
	assert_true(edge_take(edge, &item));
	assert_ptr_equal((struct lm_batch *)item.word, batch);
	batch_release(batch, 1);
	/* One that others hold is copied: each edge gives it numbers of its own. */
	batch_retain(batch);
	edge_send(edge, batch, NULL, ROWS, NULL, 0, now_ns);
	assert_true(edge_take(edge, &item));
	assert_ptr_not_equal((struct lm_batch *)item.word, batch);
	batch_release((struct lm_batch *)item.word, 1);
	batch_release(batch, 1);
	batch_release(batch, 0);
	/* A small one goes at once while nothing waits, then they collect. */
	send(1);
	assert_int_equal(edge_count(edge), 1);
	send(1);
	send(2);
	assert_int_equal(edge_count(edge), 1);
	assert_int_equal(edge->open->count, 3);
	/* A large one pushes out what is open before it. */
	send(ROWS);
	assert_null(edge->open);
	expect("8-8");
	expect("9-11");
	expect("12-19");
	finish();
}

/* Rows of a selection are copied behind what is open, and a full batch leaves by itself. */
static void
test_selected_rows(void **state)
{
	static const uint16_t rows[] = { 1, 2, 3, 4, 5, 6 };
	struct lm_batch *batch;

	(void)state;
	begin(LM_POLICY_BLOCK);
	batch = make(ROWS);
	edge_send(edge, batch, rows, 6, NULL, 0, now_ns);
	assert_int_equal(edge_count(edge), 0);
	assert_int_equal(edge->open->count, 6);
	edge_send(edge, batch, rows, 6, NULL, 0, now_ns);
	assert_int_equal(edge_count(edge), 1);
	assert_int_equal(edge->open->count, 4);
	batch_release(batch, 0);
	finish();
}

/* The hashes that routed the rows are still with them when a batch was put together from many. */
static void
test_hashes(void **state)
{
	static const uint16_t rows[] = { 2, 3 };
	uint64_t hash[ROWS];
	struct lm_batch *batch, *got;
	struct edge_item item;

	(void)state;
	begin(LM_POLICY_BLOCK);
	batch = make(ROWS);
	for (uint32_t i = 0; i < ROWS; i++) {
		hash[i] = 100 + i;
	}
	for (uint32_t i = 0; i < ROWS / 2; i++) {
		edge_send(edge, batch, rows, 2, hash, 77, now_ns);
	}
	assert_true(edge_take(edge, &item));
	got = (struct lm_batch *)item.word;
	assert_int_equal(got->count, ROWS);
	assert_int_equal(got->hash_key, 77);
	for (uint32_t i = 0; i < ROWS; i++) {
		assert_int_equal(lm_batch_hashes(got)[i], 102 + i % 2);
	}
	batch_release(got, 1);
	/* Of another key, or without: none at all rather than wrong ones. */
	edge_send(edge, batch, rows, 2, hash, 77, now_ns);
	edge_send(edge, batch, rows, 2, hash, 78, now_ns);
	assert_int_equal(edge->open->hash_key, 0);
	edge_send(edge, batch, rows, 2, hash, 78, now_ns);
	assert_int_equal(edge->open->hash_key, 0);
	batch_release(batch, 0);
	finish();
}

/* What is open leaves when it is old enough, when both sides are idle, or when it must. */
static void
test_flush(void **state)
{
	(void)state;
	begin(LM_POLICY_BLOCK);
	send(1);
	send(1);
	assert_int_equal(edge_count(edge), 1);
	edge_flush(edge, EDGE_FLUSH_AGED, now_ns + 19999);
	assert_non_null(edge->open);
	edge_flush(edge, EDGE_FLUSH_IDLE, now_ns + 19999);
	assert_non_null(edge->open); /* the consumer has something to do */
	edge_flush(edge, EDGE_FLUSH_AGED, now_ns + 20000);
	assert_null(edge->open);
	expect("0-0");
	expect("1-1");
	send(1);
	send(1);
	expect("2-2");
	edge_flush(edge, EDGE_FLUSH_AGED, now_ns);
	assert_non_null(edge->open);
	edge_flush(edge, EDGE_FLUSH_IDLE, now_ns);
	expect("3-3");
	send(1);
	send(1);
	edge_flush(edge, EDGE_FLUSH_FORCE, now_ns);
	assert_int_equal(edge_count(edge), 2);
	/* Age is that of the first row. */
	send(1);
	now_ns += 15000;
	send(1);
	edge_flush(edge, EDGE_FLUSH_AGED, now_ns + 5000);
	assert_null(edge->open);
	finish();
}

/* Without credit it stays open for more rows, unless it must go. */
static void
test_flush_without_credit(void **state)
{
	(void)state;
	begin(LM_POLICY_BLOCK);
	for (uint32_t i = 0; i < CREDIT; i++) {
		send(ROWS);
	}
	send(1);
	edge_flush(edge, EDGE_FLUSH_AGED, now_ns + 1000000);
	edge_flush(edge, EDGE_FLUSH_IDLE, now_ns + 1000000);
	assert_non_null(edge->open);
	edge_flush(edge, EDGE_FLUSH_FORCE, now_ns);
	assert_null(edge->open);
	assert_int_equal(edge->rows_overflow, 0);
	finish();
}

/* Event time rides on the next batch, or goes alone when there is none. */
static void
test_watermark(void **state)
{
	(void)state;
	begin(LM_POLICY_BLOCK);
	edge_tell_watermark(edge, 10);
	edge_tell_watermark(edge, 30);
	edge_tell_watermark(edge, 20);
	assert_int_equal(edge_count(edge), 0);
	send(ROWS);
	send(ROWS);
	expect("0-7 w 30");
	expect("8-15");
	edge_tell_watermark(edge, 40);
	edge_flush(edge, EDGE_FLUSH_IDLE, now_ns);
	edge_flush(edge, EDGE_FLUSH_IDLE, now_ns);
	expect("w 40");
	expect("");
	/* While the consumer has something to do it can wait. */
	send(ROWS);
	edge_tell_watermark(edge, 50);
	edge_flush(edge, EDGE_FLUSH_IDLE, now_ns);
	expect("16-23");
	expect("");
	edge_flush(edge, EDGE_FLUSH_IDLE, now_ns);
	expect("w 50");
	/* It does not overtake the rows that are open. */
	send(1);
	send(1);
	edge_tell_watermark(edge, 60);
	expect("24-24");
	edge_flush(edge, EDGE_FLUSH_IDLE, now_ns);
	expect("25-25 w 60");
	finish();
}

/* A producer that is never idle still tells event time on an edge that gets no rows. */
static void
test_watermark_of_busy_producer(void **state)
{
	(void)state;
	begin(LM_POLICY_BLOCK);
	edge_tell_watermark(edge, 10);
	edge_flush(edge, EDGE_FLUSH_AGED, now_ns);
	expect("w 10");
	edge_flush(edge, EDGE_FLUSH_AGED, now_ns);
	expect("");
	finish();
}

static void
test_control_after_data(void **state)
{
	(void)state;
	begin(LM_POLICY_BLOCK);
	send(ROWS);
	send(2);
	edge_tell_watermark(edge, 5);
	edge_send_control(edge, EDGE_MARKER, 1);
	send(1);
	edge_tell_watermark(edge, 6);
	edge_send_control(edge, EDGE_END, 0);
	expect("0-7");
	expect("8-9 w 5");
	expect("marker 1");
	expect("10-10 w 6");
	expect("end");
	expect("");
	finish();
}

/* Behind the end nothing comes any more; rows are counted. */
static void
test_closed(void **state)
{
	(void)state;
	begin(LM_POLICY_BLOCK);
	edge_send_control(edge, EDGE_END, 0);
	send(3);
	edge_tell_watermark(edge, 5);
	edge_send_control(edge, EDGE_MARKER, 1);
	edge_send_control(edge, EDGE_END, 0);
	assert_int_equal(edge->rows_shed, 3);
	expect("end");
	expect("");
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_credit),
		cmocka_unit_test(test_overflow_slots),
		cmocka_unit_test(test_overflow_counted),
		cmocka_unit_test(test_control_slots),
		cmocka_unit_test(test_idle_waits),
		cmocka_unit_test(test_idle_told_once),
		cmocka_unit_test(test_shed_newest),
		cmocka_unit_test(test_shed_oldest),
		cmocka_unit_test(test_shed_oldest_watermark),
		cmocka_unit_test(test_shed_oldest_spares_control),
		cmocka_unit_test(test_shed_oldest_behind_control),
		cmocka_unit_test(test_throttle),
		cmocka_unit_test(test_sequence),
		cmocka_unit_test(test_gap_is_caught),
		cmocka_unit_test(test_whole_or_copied),
		cmocka_unit_test(test_selected_rows),
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_flush_without_credit),
		cmocka_unit_test(test_watermark),
		cmocka_unit_test(test_watermark_of_busy_producer),
		cmocka_unit_test(test_control_after_data),
		cmocka_unit_test(test_closed),
	};

	rig_classes_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
