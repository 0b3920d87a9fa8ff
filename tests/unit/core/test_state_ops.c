/* SPDX-License-Identifier: BSD-3-Clause */
/* core/state_ops.c: flips at the marker of the epoch that was asked for, what is serialized. */
#include "core/state_ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lm_serial.h"
#include "core/registry.h"
#include "tests/unit/core/engine_rig.h"

/* Passes rows on and remembers how many; serializes `extra` bytes more than it should. */
struct counter {
	uint64_t rows;
};

static uint32_t extra;

static void
counter_process(struct lm_op *op, const struct lm_batch *in)
{
	struct counter *counter = lm_op_context(op);

	counter->rows += in->count;
	lm_op_forward(op, in);
}

static void
counter_serialize(struct lm_op *op, struct lm_writer *writer)
{
	static const char more[LM_SERIAL_MAX];
	const struct counter *counter = lm_op_context(op);

	lm_write_u64(writer, counter->rows);
	lm_write_bytes(writer, more, extra);
}

static void
counter_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	struct counter *counter = lm_op_context(op);

	counter->rows = lm_read_u64(reader) * version;
}

static const char *const port_in[] = { "in", NULL };
static const char *const port_out[] = { "out", NULL };
static const struct lm_op_class counter_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "test_counter",
	.version = "1",
	.summary = "counts the rows that it passes on",
	.inputs = port_in,
	.outputs = port_out,
	.rows = LM_ROWS_PASS,
	.context_size = sizeof(struct counter),
	.process = counter_process,
	.serialize = counter_serialize,
	.deserialize = counter_deserialize,
};

static struct rig rig;

static void
pass(uint64_t rows, uint64_t epoch)
{
	rig_feed(&rig, "in", 0)->until += rows;
	rig_rounds(&rig, 20);
	rig_slice(&rig, "in", 0)->marker = epoch;
	rig.engine->epoch = epoch;
	rig_rounds(&rig, 20);
}

static void
begin(void)
{
	extra = 0;
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "count", "test_counter", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_link(&rig, "in", "count");
	rig_link(&rig, "count", "out");
	rig_build(&rig, 1);
	assert_int_equal(state_arm(rig_slice(&rig, "count", 0)), 0);
}

static void
finish(void)
{
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 10000);
	rig_end(&rig);
}

/* Only at the epoch asked for, with what came before it; again when that one is finished. */
static void
test_flip(void **state)
{
	struct op_state *count;
	uint64_t rows;

	(void)state;
	begin();
	count = op_state(rig_slice(&rig, "count", 0));
	rig.engine->shared->snapshot_epoch = 2;
	pass(16, 1);
	assert_int_equal(count->flipped, 0);
	pass(8, 2);
	assert_int_equal(count->flipped, 2);
	assert_int_equal(count->class_text.size, 8);
	memcpy(&rows, count->class_text.bytes, sizeof(rows));
	assert_int_equal(rows, 24);
	/* It is still being copied. */
	rig.engine->shared->snapshot_epoch = 3;
	pass(8, 3);
	assert_int_equal(count->flipped, 2);
	assert_int_equal(count->refused, 3);
	state_finish(rig_slice(&rig, "count", 0));
	rig.engine->shared->snapshot_epoch = 4;
	pass(0, 4);
	assert_int_equal(count->flipped, 4);
	memcpy(&rows, count->class_text.bytes, sizeof(rows));
	assert_int_equal(rows, 32);
	finish();
}

/* What does not fit costs the snapshot. */
static void
test_too_much(void **state)
{
	(void)state;
	begin();
	extra = LM_SERIAL_MAX - 7;
	assert_false(state_flip(rig_slice(&rig, "count", 0), 1));
	assert_int_equal(op_state(rig_slice(&rig, "count", 0))->refused, 1);
	state_finish(rig_slice(&rig, "count", 0));
	extra--;
	assert_true(state_flip(rig_slice(&rig, "count", 0), 2));
	finish();
}

static void
test_deserialize(void **state)
{
	struct counter *counter;
	uint64_t words[2] = { 7, 0 };
	struct lm_op *op;

	(void)state;
	begin();
	op = rig_slice(&rig, "count", 0);
	counter = lm_op_context(op);
	assert_int_equal(state_deserialize(op, words, 8, 3), 0);
	assert_int_equal(counter->rows, 21);
	assert_true(state_deserialize(op, words, 7, 3) < 0);
	assert_true(state_deserialize(op, words, 16, 3) < 0);
	/* A class that keeps nothing is given nothing. */
	assert_int_equal(state_deserialize(rig_slice(&rig, "out", 0), words, 0, 1), 0);
	assert_true(state_deserialize(rig_slice(&rig, "out", 0), words, 8, 1) < 0);
	finish();
}

/* What the engine remembers of two slices comes to one: the least event time, the first timer. */
static void
test_merged(void **state)
{
	bool dealt[3] = { false };
	struct slice_text text[2];
	char bytes[2][400];
	struct lm_op *op;
	int64_t now_ns;

	(void)state;
	begin();
	op = rig_slice(&rig, "count", 0);
	now_ns = op->worker->now_ns;
	for (uint32_t i = 0; i < 2; i++) {
		struct op_text to = { .bytes = bytes[i], .max = sizeof(bytes[i]) };

		op->watermark = i == 0 ? 90 : 70;
		op->watermark_told = i == 0 ? 60 : 65;
		op->input[0]->watermark_in = i == 0 ? 90 : 70;
		op->input[0]->idle = i == 0;
		op->timer[0] = (struct slice_timer){ .active = i == 0,
			                             .period_ns = 50,
			                             .due_ns = now_ns + 40 };
		op->timer[1] = (struct slice_timer){ .active = true,
			                             .period_ns = 50,
			                             .due_ns = now_ns + (i == 0 ? 30 : 20) };
		slice_state_write(op, &to);
		text[i] = (struct slice_text){ bytes[i], to.size };
	}
	dealt[op->op] = true;
	assert_int_equal(slice_state_read(op, text, 2, dealt), 0);
	assert_int_equal(op->watermark, 70);
	assert_int_equal(op->watermark_told, 60);
	assert_int_equal(op->input[0]->watermark_in, 70);
	assert_false(op->input[0]->idle);
	assert_true(op->timer[0].active);
	assert_int_equal(op->timer[0].due_ns, now_ns + 40);
	assert_int_equal(op->timer[1].due_ns, now_ns + 20);
	/* A slice of its input that is no more: it is of the same operator, if that was dealt anew.
	 */
	dealt[op->op] = false;
	assert_int_equal(slice_state_read(op, text, 1, dealt), 0);
	assert_int_equal(op->watermark, 90);
	assert_true(op->input[0]->idle);
	bytes[0][8 * (7 + 3 * LM_TIMERS_MAX)] ^= 5;
	assert_true(slice_state_read(op, text, 1, dealt) < 0);
	assert_true(slice_state_read(op, text, 1, NULL) < 0);
	dealt[op->input[0]->from->op] = true;
	assert_int_equal(slice_state_read(op, text, 1, dealt), 0);
	assert_int_equal(op->input[0]->watermark_in, 90);
	/* It is too short. */
	text[1].size -= 8;
	assert_true(slice_state_read(op, &text[1], 1, dealt) < 0);
	op->timer[0].active = false;
	op->timer[1].active = false;
	op->input[0]->idle = false;
	op->watermark = INT64_MIN;
	op->watermark_told = INT64_MIN;
	op->input[0]->watermark_in = INT64_MIN;
	finish();
}

/* Which classes may have another number of slices, and why not. */
static void
test_can_rescale(void **state)
{
	struct lm_op_class class = counter_class;
	const char *why;

	(void)state;
	assert_false(op_can_rescale(&class, &why));
	assert_non_null(strstr(why, "LM_OP_RESCALES"));
	class.flags = LM_OP_RESCALES;
	assert_true(op_can_rescale(&class, &why));
	assert_true(op_can_resize(&class, &why));
	class.prepare = (void (*)(struct lm_op *, uint64_t, struct lm_writer *))(uintptr_t)1;
	assert_false(op_can_rescale(&class, &why));
	assert_non_null(strstr(why, "restart"));
	assert_true(op_can_resize(&class, &why));
	class.flags |= LM_OP_GLOBAL;
	assert_false(op_can_resize(&class, &why));
	assert_non_null(strstr(why, "one slice"));
	assert_false(op_can_resize(registry_find("rig_source"), &why));
	assert_non_null(strstr(why, "source"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flip),        cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_deserialize), cmocka_unit_test(test_merged),
		cmocka_unit_test(test_can_rescale),
	};
	const char *why;

	rig_classes_register();
	if (registry_add(&counter_class, &why) != 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
