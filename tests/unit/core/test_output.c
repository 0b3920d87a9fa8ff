/* SPDX-License-Identifier: BSD-3-Clause */
/* core/output.c: rows that leave a slice by every grouping, through a built engine. */
#include "core/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/hash.h"
#include "core/registry.h"
#include "core/worker.h"
#include "tests/unit/core/engine_rig.h"

static struct rig rig;

/* in -> out, which has `slices` of which each is on a worker of its own. */
static void
begin(enum lm_grouping grouping, const char *column, uint32_t slices)
{
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "out", "rig_sink", slices);
	rig_wire(&rig, &(struct lm_wire){ .from = "in",
	                                  .to = "out",
	                                  .grouping = grouping,
	                                  .columns = { column },
	                                  .function = "test_thirds",
	                                  .credit = 8 });
	for (uint32_t i = 0; i < slices; i++) {
		rig_place(&rig, "out", i, i + 1);
	}
	rig_build(&rig, slices + 1);
}

static void
run(uint64_t rows)
{
	rig_feed(&rig, "in", 0)->until = rows;
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 100000);
	assert_string_equal(rig_audit(&rig), "");
}

static uint64_t
count_rows(uint64_t *count, uint32_t slices)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < slices; i++) {
		count[i] = rig_rows(&rig, "out", i);
		sum += count[i];
	}
	return sum;
}

/* F07: shuffled rows are spread as evenly as chance would, or better. */
static void
check_even(enum lm_grouping grouping)
{
	uint64_t count[5];

	begin(grouping, NULL, 5);
	rig_log_rows(false);
	rig_feed(&rig, "in", 0)->per_poll = 3;
	run(30000);
	assert_int_equal(count_rows(count, 5), 30000);
	/* 4 degrees of freedom: 1 +- 0.7. */
	assert_true(rig_chi_square(count, 5) < 4.6);
	rig_end(&rig);
}

static void
test_even(void **state)
{
	(void)state;
	check_even(LM_GROUP_SHUFFLE);
	check_even(LM_GROUP_ROUND_ROBIN);
}

static void
test_round_robin(void **state)
{
	uint64_t count[4];

	(void)state;
	begin(LM_GROUP_ROUND_ROBIN, NULL, 4);
	run(8 * 12);
	assert_int_equal(count_rows(count, 4), 8 * 12);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(count[i], 8 * 3);
	}
	rig_end(&rig);
}

/* A slice that takes nothing gets what its edge holds, and the others get the rest. */
static void
test_shuffle_by_load(void **state)
{
	(void)state;
	begin(LM_GROUP_SHUFFLE, NULL, 3);
	rig_log_rows(false);
	rig_feed(&rig, "in", 0)->until = 8 * 1000;
	for (uint32_t i = 0; i < 600; i++) {
		rig_step(&rig, 0);
		rig_step(&rig, 1);
		rig_step(&rig, 3);
	}
	assert_int_equal(rig_rows(&rig, "out", 1), 0);
	assert_true(edge_count(rig_edge(&rig, "in", 0, "out", 1)) <= 8);
	assert_true(rig_rows(&rig, "out", 0) + rig_rows(&rig, "out", 2) >= 8 * 990);
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 100);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

/* Nothing passes a slice that stands still where it is not for the engine to choose. */
static void
test_round_robin_waits(void **state)
{
	(void)state;
	begin(LM_GROUP_ROUND_ROBIN, NULL, 2);
	rig_feed(&rig, "in", 0)->until = 8 * 1000;
	for (uint32_t i = 0; i < 100; i++) {
		rig_step(&rig, 0);
		rig_step(&rig, 1);
	}
	assert_in_range(rig_slice(&rig, "in", 0)->stats.batches_out[0], 2 * 8 - 1, 2 * 8);
	rig_end(&rig);
}

static void
test_all(void **state)
{
	(void)state;
	begin(LM_GROUP_ALL, NULL, 3);
	run(100);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(rig_rows(&rig, "out", i), 100);
	}
	rig_end(&rig);
}

static void
test_global(void **state)
{
	(void)state;
	begin(LM_GROUP_GLOBAL, NULL, 3);
	run(100);
	assert_int_equal(rig_rows(&rig, "out", 0), 100);
	rig_end(&rig);
}

/* A slice on the same lcore as long as it has room. */
static void
test_local(void **state)
{
	static const enum lm_grouping groupings[] = { LM_GROUP_LOCAL, LM_GROUP_FORWARD };

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		rig_begin(&rig);
		rig_add(&rig, "in", "rig_source", 2);
		rig_add(&rig, "out", "rig_sink", 3);
		rig_wire(&rig,
		         &(struct lm_wire){
			     .from = "in", .to = "out", .grouping = groupings[i], .credit = 4 });
		rig_place(&rig, "in", 1, 1);
		rig_place(&rig, "out", 0, 1);
		rig_place(&rig, "out", 2, 2);
		rig_build(&rig, 3); /* out.1 is with in.0, out.0 with in.1 */
		rig_feed(&rig, "in", 0)->until = 8 * 3;
		rig_feed(&rig, "in", 1)->until = 8 * 2;
		rig_rounds(&rig, 10);
		assert_int_equal(rig_rows(&rig, "out", 1), 8 * 3);
		assert_int_equal(rig_rows(&rig, "out", 0), 8 * 2);
		assert_int_equal(rig_rows(&rig, "out", 2), 0);
		/* No turn of worker 1, so out.0 fills up and the others help. */
		rig_feed(&rig, "in", 0)->until += 8 * 100;
		for (uint32_t k = 0; k < 100; k++) {
			rig_slice(&rig, "out", 1)->input[0]->blocked = true;
			rig_step(&rig, 0);
			rig_step(&rig, 2);
		}
		rig_slice(&rig, "out", 1)->input[0]->blocked = false;
		assert_true(rig_rows(&rig, "out", 2) > 8 * 80);
		rig_feed(&rig, "in", 0)->end = true;
		rig_feed(&rig, "in", 1)->end = true;
		rig_run(&rig, 1000);
		assert_string_equal(rig_audit(&rig), "");
		rig_end(&rig);
	}
}

/* Where it was asked for, or nowhere and counted. */
static void
test_direct(void **state)
{
	(void)state;
	begin(LM_GROUP_DIRECT, "key", 3);
	rig_feed(&rig, "in", 0)->keys = 5;
	run(100);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(rig_rows(&rig, "out", i), 20);
	}
	assert_int_equal(rig_slice(&rig, "in", 0)->stats.rows_out[0], 100);
	assert_int_equal(rig_slice(&rig, "in", 0)->stats.rows_unwired[0], 40);
	rig_end(&rig);
}

static void
by_thirds(const struct lm_batch *in, const struct lm_select *rows, uint32_t destinations,
          uint16_t *destination)
{
	uint32_t count = rows == NULL ? in->count : rows->count;

	assert_int_equal(destinations, 3);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t number = lm_batch_u64(in, RIG_NUMBER)[rows == NULL ? i : rows->row[i]];

		destination[i] = number < 30 ? 0 : number < 60 ? 1 : 2;
	}
}

static void
test_custom(void **state)
{
	(void)state;
	begin(LM_GROUP_CUSTOM, NULL, 3);
	run(100);
	assert_int_equal(rig_rows(&rig, "out", 0), 30);
	assert_int_equal(rig_rows(&rig, "out", 1), 30);
	assert_int_equal(rig_rows(&rig, "out", 2), 40);
	rig_end(&rig);
}

/* test_owner: each key has one slice; the hash that comes with the rows is theirs. */
static uint32_t owner[100];
static uint64_t carried, computed;

static void
owner_process(struct lm_op *op, const struct lm_batch *in)
{
	static const uint32_t key[] = { RIG_KEY };
	const uint64_t *hash = lm_op_hash(op, in, NULL, key, 1);
	bool was_carried = hash == lm_batch_hashes(in);
	uint64_t expected[LM_BATCH_ROWS];

	carried += was_carried ? in->count : 0;
	computed += was_carried ? 0 : in->count;
	hash_rows(expected, in, NULL, key, 1, op->shared->secret);
	assert_memory_equal(expected, hash, in->count * sizeof(hash[0]));
	for (uint32_t row = 0; row < in->count; row++) {
		uint64_t k = lm_batch_u64(in, RIG_KEY)[row];

		assert_true(owner[k] == 0 || owner[k] == 1 + lm_op_slice(op));
		owner[k] = 1 + lm_op_slice(op);
	}
	lm_op_absorb(op, in->count);
}

static const char *const port_in[] = { "in", NULL };
static const struct lm_op_class owner_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_KEYED,
	.name = "test_owner",
	.version = "1",
	.summary = "owns keys",
	.inputs = port_in,
	.rows = LM_ROWS_ABSORB,
	.process = owner_process,
};

/* Two producers, each key at one slice, and its hash is not computed a second time. */
static void
test_key(void **state)
{
	(void)state;
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 2);
	rig_add(&rig, "out", "test_owner", 7);
	rig_wire(&rig,
	         &(struct lm_wire){
		     .from = "in", .to = "out", .grouping = LM_GROUP_KEY, .columns = { "key" } });
	rig_build(&rig, 1);
	memset(owner, 0, sizeof(owner));
	carried = computed = 0;
	for (uint32_t i = 0; i < 2; i++) {
		rig_feed(&rig, "in", i)->keys = 100;
		rig_feed(&rig, "in", i)->until = 5000;
		rig_feed(&rig, "in", i)->end = true;
	}
	rig_run(&rig, 10000);
	assert_string_equal(rig_audit(&rig), "");
	for (uint32_t key = 0; key < 100; key++) {
		assert_int_not_equal(owner[key], 0);
	}
	assert_int_equal(carried, 10000);
	assert_int_equal(computed, 0);
	rig_end(&rig);
}

/* An output that nothing is wired to: counted, not an error. */
static void
test_unwired(void **state)
{
	(void)state;
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_build(&rig, 1);
	rig_feed(&rig, "in", 0)->until = 10;
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 10);
	assert_int_equal(rig_slice(&rig, "in", 0)->stats.rows_out[0], 10);
	assert_int_equal(rig_slice(&rig, "in", 0)->stats.rows_unwired[0], 10);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

/* Several wires: each gets all rows, by its own grouping. */
static void
test_several_wires(void **state)
{
	(void)state;
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "a", "rig_sink", 1);
	rig_add(&rig, "b", "rig_sink", 2);
	rig_add(&rig, "c", "rig_sink", 1);
	rig_link(&rig, "in", "a");
	rig_wire(&rig, &(struct lm_wire){ .from = "in", .to = "b", .grouping = LM_GROUP_ALL });
	rig_link(&rig, "in", "c");
	rig_place(&rig, "b", 0, 1);
	rig_place(&rig, "b", 1, 1);
	rig_place(&rig, "c", 0, 1);
	rig_build(&rig, 2);
	rig_feed(&rig, "in", 0)->until = 50;
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 100);
	assert_int_equal(rig_rows(&rig, "a", 0), 50);
	assert_int_equal(rig_rows(&rig, "b", 0), 50);
	assert_int_equal(rig_rows(&rig, "b", 1), 50);
	assert_int_equal(rig_rows(&rig, "c", 0), 50);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_even),
		cmocka_unit_test(test_round_robin),
		cmocka_unit_test(test_shuffle_by_load),
		cmocka_unit_test(test_round_robin_waits),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_global),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_direct),
		cmocka_unit_test(test_custom),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_unwired),
		cmocka_unit_test(test_several_wires),
	};
	static const struct lm_grouping_function thirds = { "test_thirds", by_thirds };
	const char *why;

	rig_classes_register();
	if (registry_add(&owner_class, &why) != 0 || registry_add_grouping(&thirds, &why) != 0) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
