/* SPDX-License-Identifier: BSD-3-Clause */
/* core/op.c: what an operator can ask and do, from within its callbacks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/env.h"
#include "core/hash.h"
#include "core/registry.h"
#include "core/worker.h"
#include "tests/unit/core/engine_rig.h"

static struct rig rig;

/* test_probe: does with each batch what the test says. */
static void (*probe)(struct lm_op *op, const struct lm_batch *in);
static uint32_t probes;

static int
probe_configure(struct lm_setup *setup, void *config)
{
	*(uint32_t *)config = lm_setup_slices(setup);
	lm_setup_output_like(setup, 0, lm_setup_input(setup, 0));
	return lm_setup_output_like(setup, 1, lm_setup_input(setup, 0));
}

static void
probe_process(struct lm_op *op, const struct lm_batch *in)
{
	probes++;
	probe(op, in);
	lm_op_absorb(op, in->count);
}

static const char *const port_in[] = { "in", NULL };
static const char *const ports_out[] = { "out", "side", NULL };
static const struct lm_op_class probe_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_AMPLIFIES,
	.name = "test_probe",
	.version = "1",
	.summary = "does what the test says",
	.inputs = port_in,
	.outputs = ports_out,
	.rows = LM_ROWS_SPLIT,
	.config_size = sizeof(uint32_t),
	.context_size = 40,
	.configure = probe_configure,
	.process = probe_process,
};

/* in -> probe -> out (worker 1), probe.side -> side (worker 1); 8 rows go in. */
static void
begin(void (*what)(struct lm_op *op, const struct lm_batch *in))
{
	probe = what;
	probes = 0;
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "probe", "test_probe", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_add(&rig, "side", "rig_sink", 1);
	rig_link(&rig, "in", "probe");
	rig_wire(&rig, &(struct lm_wire){ .from = "probe", .to = "out", .credit = 2 });
	rig_wire(&rig,
	         &(struct lm_wire){ .from = "probe", .output = "side", .to = "side", .credit = 2 });
	rig_place(&rig, "out", 0, 1);
	rig_place(&rig, "side", 0, 1);
	rig_build(&rig, 2);
	rig_feed(&rig, "in", 0)->until = 8;
}

static void
finish(const char *log)
{
	rig_rounds(&rig, 20);
	assert_true(probes > 0);
	assert_string_equal(rig_log(), log);
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 1000);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

static void
put(struct lm_op *op, uint32_t output, uint64_t from, uint32_t count)
{
	uint32_t first;
	struct lm_batch *out = lm_op_reserve(op, output, count, &first);

	for (uint32_t i = 0; i < count; i++) {
		lm_batch_u64(out, RIG_NUMBER)[first + i] = from + i;
		lm_batch_u64(out, RIG_KEY)[first + i] = 0;
		lm_batch_i64(out, RIG_TIME)[first + i] = 0;
	}
	lm_op_emit(op, output, count);
}

static void
ask_all(struct lm_op *op, const struct lm_batch *in)
{
	assert_int_equal(*(const uint32_t *)lm_op_config(op), 1);
	for (uint32_t i = 0; i < 40; i++) {
		assert_int_equal(((const char *)lm_op_context(op))[i], 0);
	}
	assert_string_equal(lm_op_name(op), "probe");
	assert_int_equal(lm_op_slice(op), 0);
	assert_int_equal(lm_op_slices(op), 1);
	assert_int_equal(lm_op_input(op), 0);
	assert_true(lm_schema_equal(lm_op_input_schema(op, 0), in->schema));
	assert_true(lm_schema_equal(lm_op_output_schema(op, 1), in->schema));
	assert_int_equal(lm_op_now_ns(op), env_now_ns());
	assert_int_equal(lm_op_wall_ns(op), env_wall_ns());
	assert_int_equal(lm_op_ingress_ns(op), env_now_ns());
	assert_int_not_equal(lm_op_random(op), lm_op_random(op));
}

static void
test_asking(void **state)
{
	(void)state;
	begin(ask_all);
	finish("");
}

/* Rows come out in the order they were emitted, forwarded ones included. */
static void
emit_and_forward(struct lm_op *op, const struct lm_batch *in)
{
	put(op, 0, 100, 3);
	lm_op_forward(op, in);
	put(op, 0, 200, 2);
	put(op, 0, 202, 1);
}

static void
test_order(void **state)
{
	(void)state;
	begin(emit_and_forward);
	finish("out 100-102; out 0-7; out 200-202; ");
}

static void
both_outputs(struct lm_op *op, const struct lm_batch *in)
{
	struct lm_select odd;

	put(op, 1, 50, 2);
	lm_op_forward_to(op, 0, in);
	lm_select_begin(&odd, in);
	for (uint32_t row = 1; row < in->count; row += 2) {
		lm_select_add(&odd, row);
	}
	lm_op_forward_select_to(op, 1, &odd);
}

static void
test_outputs(void **state)
{
	(void)state;
	begin(both_outputs);
	finish("out 0-7; side 50-51; side 1,3,5,7; ");
}

/* Fewer than were reserved; what comes next goes into another batch, since its bytes may be full.
 */
static void
emit_short(struct lm_op *op, const struct lm_batch *in)
{
	uint32_t first;
	struct lm_batch *a = lm_op_reserve(op, 0, 5, &first), *b;

	(void)in;
	lm_batch_u64(a, RIG_NUMBER)[first] = 1;
	lm_op_emit(op, 0, 1);
	b = lm_op_reserve(op, 0, 5, &first);
	assert_ptr_not_equal(a, b);
	assert_int_equal(first, 0);
	lm_op_emit(op, 0, 0);
	b = lm_op_reserve(op, 0, 2, &first);
	assert_int_equal(first, 0);
	lm_batch_u64(b, RIG_NUMBER)[0] = 2;
	lm_batch_u64(b, RIG_NUMBER)[1] = 3;
	lm_op_emit(op, 0, 2);
	/* No room left for eight in this one either. */
	b = lm_op_reserve(op, 0, 8, &first);
	assert_int_equal(first, 0);
	lm_op_emit(op, 0, 0);
}

static void
test_short(void **state)
{
	(void)state;
	begin(emit_short);
	finish("out 1; out 2-3; ");
}

/* Room falls as rows are emitted, a batch at a time, and there is none past the last credit. */
static void
fill_up(struct lm_op *op, const struct lm_batch *in)
{
	uint32_t room;

	(void)in;
	assert_int_equal(lm_op_room(op, 0), 8);
	put(op, 0, 0, 3);
	assert_int_equal(lm_op_room(op, 0), 5);
	put(op, 0, 3, 5);
	assert_int_equal(lm_op_room(op, 0), 8);
	put(op, 0, 8, 8);
	room = lm_op_room(op, 0);
	assert_int_equal(room, 0);
	/* A side that is full holds up the other as well: a callback has room on all or none. */
	assert_int_equal(lm_op_room(op, 1), 0);
}

static void
test_room(void **state)
{
	(void)state;
	begin(fill_up);
	finish("out 0-7; out 8-15; ");
}

static void
reserve_too_much(void *arg)
{
	uint32_t first;

	lm_op_reserve(arg, 0, 9, &first);
}

static void
emit_too_much(void *arg)
{
	uint32_t first;

	lm_op_reserve(arg, 0, 3, &first);
	lm_op_emit(arg, 0, 4);
}

static void
overdo(struct lm_op *op, const struct lm_batch *in)
{
	(void)in;
	assert_true(rig_aborts(reserve_too_much, op));
	assert_true(rig_aborts(emit_too_much, op));
}

/* What does not fit the batch, or was not reserved, is a bug of the operator: caught. */
static void
test_too_much(void **state)
{
	(void)state;
	begin(overdo);
	finish("");
}

static void
count_things(struct lm_op *op, const struct lm_batch *in)
{
	(void)in;
	lm_op_gauge(op, 2, "things", 77);
	lm_op_gauge(op, 8, "too many", 1);
	lm_op_error(op, "number %d", 1);
	lm_op_error(op, "number %d", 2);
}

static void
test_counts(void **state)
{
	(void)state;
	begin(count_things);
	rig_rounds(&rig, 3);
	assert_int_equal(rig_slice(&rig, "probe", 0)->stats.gauges[2], 77);
	assert_string_equal(rig_slice(&rig, "probe", 0)->gauge_name[2], "things");
	assert_int_equal(rig_slice(&rig, "probe", 0)->stats.errors, 2);
	finish("");
}

/* Computed here, when none came with the rows; of the selected ones only. */
static void
hash_here(struct lm_op *op, const struct lm_batch *in)
{
	static const uint32_t fields[] = { RIG_NUMBER, RIG_KEY };
	const uint64_t *hash = lm_op_hash(op, in, NULL, fields, 2);
	uint64_t expected[8];

	hash_rows(expected, in, NULL, fields, 2, op->shared->secret);
	assert_memory_equal(hash, expected, sizeof(expected));
}

static void
test_hash(void **state)
{
	(void)state;
	begin(hash_here);
	finish("");
}

/* Each slice has random numbers of its own, the same again with the same seed. */
static uint64_t drawn[4];

static void
draw(struct lm_op *op, const struct lm_batch *in)
{
	(void)in;
	drawn[0] = lm_op_random(op);
}

static void
test_random(void **state)
{
	uint64_t first;

	(void)state;
	begin(draw);
	finish("");
	first = drawn[0];
	begin(draw);
	finish("");
	assert_int_equal(drawn[0], first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asking),  cmocka_unit_test(test_order),
		cmocka_unit_test(test_outputs), cmocka_unit_test(test_short),
		cmocka_unit_test(test_room),    cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_counts),  cmocka_unit_test(test_hash),
		cmocka_unit_test(test_random),
	};
	const char *why;

	rig_classes_register();
	if (registry_add(&probe_class, &why) != 0) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
