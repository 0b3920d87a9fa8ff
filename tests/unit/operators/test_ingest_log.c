/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ingest_log on real files: rows that come when they are durable, that come again after a restart,
 * from where a snapshot was, in the same order; event time that waits for them; what is refused.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/lm_serial.h"
#include "tests/unit/operators/fake_env.h"
#include "tests/unit/operators/fake_op.h"

#define SCHEMA "time:time key:u64 word:string"
#define MS UINT64_C(1000000)

static struct lm_schema schema;
static struct fake_operator *subject;
static struct lm_op *op;
static uint64_t fed; /* rows that were ever put in */
static char folder[128];

static void
configure(const char *eager)
{
	const struct fake_param params[] = { { "folder", NULL, folder },
		                             { "eager", NULL, eager },
		                             { "segment", NULL, "4MiB" },
		                             { 0 } };
	static struct fake_param kept[4];

	memcpy(kept, params, sizeof(params));
	subject = fake_configure(fake_class("ingest_log"), kept,
	                         &(const struct lm_schema *){ &schema }, 1);
	if (subject == NULL) {
		fail_msg("%s: %s", fake_failure.param, fake_failure.message);
	}
}

static void
open_slice(void)
{
	op = fake_open(subject, 0);
	if (op == NULL) {
		fail_msg("%s", fake_failure.message);
	}
}

static int
begin(void **state)
{
	static uint32_t tests;

	(void)state;
	fake_env_reset();
	schema = fake_schema(SCHEMA);
	fed = 0;
	snprintf(folder, sizeof(folder), "%s", fake_env_path("log"));
	snprintf(folder + strlen(folder), 16, "%u", tests++);
	return 0;
}

/* Row i: time i + 1 seconds, key i, a word of it. */
static void
row_text(uint64_t row, char *text, size_t size)
{
	snprintf(text, size, "%llu000000000|%llu|w%llu", (unsigned long long)row + 1,
	         (unsigned long long)row, (unsigned long long)(row * row));
}

static struct lm_batch *
make_batch(uint32_t rows)
{
	struct lm_batch *in = fake_batch(&schema);
	char text[100];

	for (uint32_t i = 0; i < rows; i++) {
		row_text(fed++, text, sizeof(text));
		fake_add(in, text);
	}
	return in;
}

static void
feed(uint32_t rows)
{
	struct lm_batch *in = make_batch(rows);

	fake_process(op, in);
	free(in);
}

/* Time passes until all rows that were fed behind `from` have come, and they are those. */
static void
expect_all(uint64_t from)
{
	char text[100];

	for (uint32_t i = 0; i < 5000 && op->output[0].rows < fed - from; i++) {
		fake_advance(op, MS);
		usleep(100);
	}
	assert_int_equal(op->output[0].rows, fed - from);
	for (uint64_t row = from; row < fed; row++) {
		row_text(row, text, sizeof(text));
		fake_expect(op, 0, row - from, text);
	}
}

/* A slice that goes on from what the one before wrote down. */
struct written {
	char bytes[LM_SERIAL_MAX];
	struct lm_writer writer;
};

static void
serialize(struct written *written)
{
	written->writer = (struct lm_writer){ .bytes = written->bytes, .max = LM_SERIAL_MAX };
	op->subject->class->serialize(op, &written->writer);
	assert_false(written->writer.failed);
}

static bool
go_on(const struct written *written)
{
	struct lm_reader reader = { .bytes = written->bytes, .size = written->writer.size };

	open_slice();
	op->subject->class->deserialize(op, &reader, op->subject->class->state_version);
	return !reader.failed && reader.at == reader.size;
}

static void
close_slice(void)
{
	fake_close(op);
}

static void
test_rows_pass_when_durable(void **state)
{
	(void)state;
	configure("false");
	open_slice();
	assert_false(op->timer_on[0]);
	feed(10);
	/* They wait for others. */
	assert_int_equal(op->output[0].rows, 0);
	assert_int_equal(op->absorbed, 10);
	assert_true(op->timer_on[0]);
	fake_advance(op, MS);
	assert_int_equal(op->output[0].rows, 0);
	expect_all(0);
	/* Nothing waits: nothing is looked at any more. */
	fake_advance(op, MS);
	assert_false(op->timer_on[0]);
	feed(700);
	feed(1000);
	feed(3);
	fake_end(op);
	expect_all(0);
	assert_int_equal(op->gauge[0], fed);
	close_slice();
	fake_unconfigure(subject);
}

/* Without a snapshot all rows come again; with one, those behind it; new ones come last. */
static void
test_restarts(void **state)
{
	struct written first, middle, last;

	(void)state;
	configure("false");
	open_slice();
	serialize(&first);
	feed(1000);
	feed(24);
	expect_all(0);
	feed(100);
	serialize(&middle);
	expect_all(0);
	fake_advance(op, MS);
	serialize(&last);
	close_slice();

	open_slice();
	assert_true(op->timer_on[0]);
	feed(5); /* and these are behind them */
	expect_all(0);
	assert_int_equal(op->gauge[2], 1124);
	close_slice();

	assert_true(go_on(&middle));
	feed(7);
	expect_all(1024);
	close_slice();

	assert_true(go_on(&last));
	expect_all(1124);
	close_slice();

	assert_true(go_on(&first));
	expect_all(0);
	close_slice();
	fake_unconfigure(subject);
}

/* What did not become durable was not passed on, and is gone; its number is given again. */
static void
test_death_in_between(void **state)
{
	struct written written;

	(void)state;
	configure("false");
	open_slice();
	feed(100);
	expect_all(0);
	serialize(&written);
	feed(50);
	assert_int_equal(op->output[0].rows, 100);
	close_slice();
	fed -= 50;
	assert_true(go_on(&written));
	feed(20);
	expect_all(100);
	close_slice();
	fake_unconfigure(subject);
}

static int64_t
hold(int64_t time_ns)
{
	return op->subject->class->hold(op, time_ns);
}

/* Event time never goes past rows that wait, nor past those that come again. */
static void
test_event_time(void **state)
{
	struct written written;

	(void)state;
	configure("false");
	open_slice();
	serialize(&written);
	assert_int_equal(hold(5), 5);
	assert_true(hold(INT64_MAX) == INT64_MAX);
	feed(10);
	assert_true(hold(INT64_MAX) == INT64_MIN);
	fake_watermark(op, 9000000000);
	assert_true(hold(9000000000) == INT64_MIN);
	feed(10);
	assert_true(hold(9000000000) == INT64_MIN);
	fake_watermark(op, 19000000000);
	expect_all(0);
	assert_int_equal(hold(19000000000), 19000000000);
	feed(10);
	assert_int_equal(hold(INT64_MAX), 19000000000);
	expect_all(0);
	close_slice();

	assert_true(go_on(&written));
	assert_true(hold(50000000000) == INT64_MIN);
	expect_all(0);
	assert_int_equal(hold(50000000000), 50000000000);
	close_slice();
	fake_unconfigure(subject);
}

/* Little room behind it, and then none: rows come as they can, in order. */
static void
test_little_room(void **state)
{
	(void)state;
	configure("false");
	open_slice();
	op->room = 7;
	for (uint32_t i = 0; i < 20; i++) {
		feed(100);
	}
	expect_all(0);
	op->room = 0;
	feed(100);
	fake_advance(op, 20 * MS);
	usleep(20000);
	fake_advance(op, 20 * MS);
	assert_int_equal(op->output[0].rows, fed - 100);
	assert_true(op->timer_on[0]);
	op->room = 1000;
	expect_all(0);
	close_slice();
	fake_unconfigure(subject);
}

/* Rows that were eager pass at once; an epoch waits until they are safe. */
static void
test_eager(void **state)
{
	struct written written;

	(void)state;
	configure("true");
	open_slice();
	feed(100);
	assert_int_equal(op->output[0].rows, 100);
	assert_true(op->gauge[0] < 100);
	fake_epoch(op, 1);
	assert_int_equal(op->gauge[0], 100);
	serialize(&written);
	feed(50);
	fake_end(op);
	assert_int_equal(op->output[0].rows, 150);
	close_slice();
	assert_true(go_on(&written));
	feed(10); /* they wait for those that come again */
	expect_all(100);
	close_slice();
	fake_unconfigure(subject);
}

/* Memory for rows that wait is bounded: a row that finds none waits outside. */
static void
test_a_lot(void **state)
{
	uint64_t again;

	(void)state;
	configure("false");
	open_slice();
	op->discard = true;
	again = op->again_count;
	for (uint32_t i = 0; i < 1000; i++) {
		feed(1000);
	}
	fake_end(op);
	assert_true(op->again_count > again);
	assert_int_equal(op->output[0].rows, 1000000);
	assert_int_equal(op->gauge[1], 0);
	assert_true(op->gauge[3] > 20000000);
	close_slice();
	fake_unconfigure(subject);
}

static void
test_ingress(void **state)
{
	struct lm_batch *in;

	(void)state;
	configure("false");
	open_slice();
	in = make_batch(3);
	in->ingress_ns = 77;
	fake_process(op, in);
	free(in);
	expect_all(0);
	assert_int_equal(op->output[0].ingress_ns[0], 77);
	assert_int_equal(op->output[0].ingress_ns[2], 77);
	close_slice();
	fake_unconfigure(subject);
}

static void
test_trim(void **state)
{
	struct written written;
	char why[200] = "";

	(void)state;
	configure("false");
	open_slice();
	op->discard = true;
	for (uint32_t i = 0; i < 400; i++) {
		feed(1000);
	}
	for (uint32_t i = 0; i < 5000 && op->gauge[1] > 0; i++) {
		fake_advance(op, MS);
		usleep(100);
	}
	assert_true(op->gauge[3] > 3 * (4u << 20));
	serialize(&written);
	assert_int_equal(op->subject->class->trim(op, written.bytes, 15, why, sizeof(why)), -22);
	assert_string_equal(why, "these bytes are not of this log");
	assert_int_equal(
	    op->subject->class->trim(op, written.bytes, written.writer.size, why, sizeof(why)), 0);
	feed(1);
	assert_true(op->gauge[3] < 2 * (4u << 20));
	close_slice();
	assert_true(go_on(&written));
	assert_int_equal(op->errors, 0);
	close_slice();
	/* Whoever does not go on from the snapshot is told that there was something before. */
	open_slice();
	fake_advance(op, MS);
	assert_int_equal(op->errors, 1);
	assert_non_null(strstr(op->error, "begins with row"));
	close_slice();
	fake_unconfigure(subject);
}

static void
test_refused_positions(void **state)
{
	struct written written;

	(void)state;
	configure("false");
	open_slice();
	feed(10);
	expect_all(0);
	serialize(&written);
	close_slice();
	written.bytes[8] = 11;
	assert_false(go_on(&written));
	assert_non_null(strstr(op->error, "row 11"));
	close_slice();
	written.bytes[8] = 10;
	written.bytes[0] ^= 1;
	assert_false(go_on(&written));
	assert_non_null(strstr(op->error, "was taken with log"));
	close_slice();
	written.writer.size = 9;
	assert_false(go_on(&written));
	close_slice();
	fake_unconfigure(subject);
}

static void
test_refused_settings(void **state)
{
	struct lm_schema frames = fake_schema("time:time frame:frame queue:u16");
	const struct lm_schema *input = &frames;
	struct fake_param params[] = { { "folder", NULL, folder },
		                       { "max_bytes", NULL, "100MiB" },
		                       { 0 } };

	(void)state;
	assert_null(fake_configure(fake_class("ingest_log"), params, &input, 1));
	assert_non_null(strstr(fake_failure.message, "\"frame\""));
	assert_non_null(strstr(fake_failure.hint, "emit: [time, length, src, dst]"));
	input = &schema;
	assert_null(fake_configure(fake_class("ingest_log"), params, &input, 1));
	assert_string_equal(fake_failure.param, "max_bytes");
	params[1].text = "128MiB";
	subject = fake_configure(fake_class("ingest_log"), params, &input, 1);
	assert_non_null(subject);
	fake_unconfigure(subject);
	snprintf(folder, sizeof(folder), "%s", fake_env_path("no/such/folder"));
	subject = fake_configure(fake_class("ingest_log"), params, &input, 1);
	assert_non_null(subject);
	assert_null(fake_open(subject, 0));
	assert_non_null(strstr(fake_failure.message, "No such file"));
	fake_unconfigure(subject);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_rows_pass_when_durable, begin),
		cmocka_unit_test_setup(test_restarts, begin),
		cmocka_unit_test_setup(test_death_in_between, begin),
		cmocka_unit_test_setup(test_event_time, begin),
		cmocka_unit_test_setup(test_little_room, begin),
		cmocka_unit_test_setup(test_eager, begin),
		cmocka_unit_test_setup(test_a_lot, begin),
		cmocka_unit_test_setup(test_ingress, begin),
		cmocka_unit_test_setup(test_trim, begin),
		cmocka_unit_test_setup(test_refused_positions, begin),
		cmocka_unit_test_setup(test_refused_settings, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
