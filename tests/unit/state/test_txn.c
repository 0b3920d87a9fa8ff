/* SPDX-License-Identifier: BSD-3-Clause */
/* Values that know their transaction, by the examples of Trident's manual, and a replay at random.
 */
#include "state/lm_txn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct count {
	struct lm_txn txn;
	uint64_t count;
};

struct counts {
	struct lm_txn txn;
	uint64_t count, before;
};

static void
add(struct count *value, uint64_t rows, uint64_t id)
{
	if (lm_txn_begin(&value->txn, id)) {
		value->count += rows;
	}
}

static void
add_opaque(struct counts *value, uint64_t rows, uint64_t id)
{
	if (lm_opaque_begin(&value->txn, &value->count, &value->before, sizeof(value->count), id)) {
		value->count += rows;
	}
}

/* man, man, dog come as transaction 3: dog has them already, man has not. */
static void
test_transactional(void **state)
{
	struct count man = { { 1 }, 3 }, dog = { { 3 }, 4 }, apple = { { 2 }, 10 };

	(void)state;
	add(&man, 2, 3);
	add(&dog, 1, 3);
	assert_int_equal(man.count, 5);
	assert_int_equal(man.txn.id, 3);
	assert_int_equal(dog.count, 4);
	assert_int_equal(dog.txn.id, 3);
	assert_int_equal(apple.count, 10);
	assert_int_equal(apple.txn.id, 2);
	/* All of it once more: nothing changes. */
	add(&man, 2, 3);
	add(&dog, 1, 3);
	assert_int_equal(man.count, 5);
	assert_int_equal(dog.count, 4);
}

/* 4, before that 1, changed last by 2; then two rows. */
static void
test_opaque(void **state)
{
	struct counts next = { { 2 }, 4, 1 }, again = { { 2 }, 4, 1 };

	(void)state;
	add_opaque(&next, 2, 3);
	assert_int_equal(next.count, 6);
	assert_int_equal(next.before, 4);
	assert_int_equal(next.txn.id, 3);
	add_opaque(&again, 2, 2);
	assert_int_equal(again.count, 3);
	assert_int_equal(again.before, 1);
	assert_int_equal(again.txn.id, 2);
	/* What a later one has built on cannot be taken back. */
	add_opaque(&next, 50, 2);
	assert_int_equal(next.count, 6);
	assert_int_equal(next.before, 4);
}

static void
test_first(void **state)
{
	struct counts opaque = { 0 };
	struct count value = { 0 };

	(void)state;
	add(&value, 7, 1);
	add(&value, 7, 1);
	assert_int_equal(value.count, 7);
	add_opaque(&opaque, 7, 1);
	add_opaque(&opaque, 8, 1);
	assert_int_equal(opaque.count, 8);
	assert_int_equal(opaque.before, 0);
}

/* Transactions that fail and come again any number of times: each counts once, as it came last. */
static void
test_replay(void **state)
{
	struct counts opaque = { 0 };
	struct count value = { 0 };
	uint64_t sum = 0, opaque_sum = 0;

	(void)state;
	srand(1);
	for (uint64_t id = 1; id < 2000; id++) {
		uint64_t rows = (uint64_t)rand() % 100, opaque_rows = 0;

		for (int tries = 1 + rand() % 4; tries > 0; tries--) {
			opaque_rows = (uint64_t)rand() % 100;
			add(&value, rows, id);
			add_opaque(&opaque, opaque_rows, id);
		}
		sum += rows;
		opaque_sum += opaque_rows;
		assert_int_equal(value.count, sum);
		assert_int_equal(opaque.count, opaque_sum);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transactional),
		cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_replay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
