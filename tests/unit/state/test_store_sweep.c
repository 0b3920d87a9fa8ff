/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store with a fault at every call in turn: while an epoch is written on top of two, the k-th
 * call fails or the power goes; k counts up until nothing happens any more. What is there
 * afterwards is the epoch before or the new one, whole, and the next epoch can be written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "state/store.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/sim.h"
#include "tests/sim/store_model.h"

#define K_MAX 2000u

/* Two epochs, the second one partly on top of the first. */
static struct store *
begin(struct model *model, uint64_t seed)
{
	struct store_pick pick;
	struct store *store;
	uint64_t epoch;

	sim_reset(seed);
	disk_reset();
	model_begin(model, true);
	assert_int_equal(model_open(&store, 2, seed % 2 == 0 ? BLOCK_LZ4 : BLOCK_PLAIN), 0);
	assert_int_equal(store_pick(store, STORE_ALL, &pick), 0);
	assert_null(pick.newest);
	for (uint32_t i = 0; i < 2; i++) {
		model_change(model);
		assert_int_equal(model_write(model, store, &epoch), 0);
		assert_int_equal(epoch, i + 1);
	}
	model_change(model);
	return store;
}

static void
reload(struct store **store, struct store_pick *pick)
{
	assert_int_equal(model_open(store, 2, BLOCK_PLAIN), 0);
	assert_int_equal(store_pick(*store, STORE_ALL, pick), 0);
	assert_non_null(pick->good);
	assert_ptr_equal(pick->good, pick->newest);
}

/* The power goes at call k of writing epoch 3; false: k is behind its last call. */
static bool
crash_at(uint64_t k, uint64_t seed)
{
	struct model model;
	struct store_pick pick;
	struct store *store = begin(&model, seed);
	uint64_t epoch, calls = disk_calls();
	bool crashed;
	int result;

	disk_fail_at(k, DISK_CRASH);
	result = model_write(&model, store, &epoch);
	crashed = disk_is_down();
	assert_true(crashed || result == 0);
	assert_true(crashed || disk_calls() - calls < k);
	store_close(store);
	disk_crash();
	reload(&store, &pick);
	if (pick.good->epoch != 3) {
		assert_int_equal(pick.good->epoch, 2);
		assert_int_not_equal(result, 0);
	}
	assert_true(model_check(&model, pick.good));
	/* And on: the next epoch builds on what was found. */
	model_restart(&model, pick.good->epoch);
	model_change(&model);
	assert_int_equal(model_write(&model, store, &epoch), 0);
	store_close(store);
	disk_crash();
	reload(&store, &pick);
	assert_int_equal(pick.good->epoch, epoch);
	assert_true(model_check(&model, pick.good));
	store_close(store);
	model_end(&model);
	return crashed;
}

static void
test_crash_at_every_call(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		uint64_t k = 1;

		while (crash_at(k, seed)) {
			assert_true(++k < K_MAX);
		}
		assert_true(k > 20);
		printf("# seed %u: a crash at each of %u calls\n", (unsigned int)seed,
		       (unsigned int)k - 1);
	}
}

/* Call k of writing epoch 3 fails, then the disk is well again; false: k is behind the last call.
 */
static bool
fail_at(uint64_t k, enum disk_fault fault, uint64_t seed)
{
	struct model model;
	struct store_pick pick;
	struct store *store = begin(&model, seed);
	uint64_t epoch, calls = disk_calls();
	bool failed;
	int result;

	disk_fail_at(k, fault);
	result = model_write(&model, store, &epoch);
	failed = disk_calls() - calls >= k;
	if (result != 0) {
		/* It is known never to have been, and what was open is tried again as the next. */
		assert_int_equal(store_abandon(store), 0);
		assert_int_equal(model_write(&model, store, &epoch), 0);
	}
	store_close(store);
	disk_crash();
	reload(&store, &pick);
	assert_int_equal(pick.good->epoch, epoch);
	assert_true(model_check(&model, pick.good));
	store_close(store);
	model_end(&model);
	return failed;
}

static void
sweep_fault(enum disk_fault fault)
{
	for (uint64_t seed = 1; seed <= 2; seed++) {
		uint64_t k = 1;

		while (fail_at(k, fault, seed)) {
			assert_true(++k < K_MAX);
		}
		assert_true(k > 20);
	}
}

static void
test_eio_at_every_call(void **state)
{
	(void)state;
	sweep_fault(DISK_EIO);
}

static void
test_enospc_at_every_call(void **state)
{
	(void)state;
	sweep_fault(DISK_ENOSPC);
}

/* The sync says EIO, and later ones say that all is well. */
static void
test_lost_sync_at_every_call(void **state)
{
	(void)state;
	sweep_fault(DISK_SYNC_LOST);
}

static void
test_short_write_at_every_call(void **state)
{
	(void)state;
	sweep_fault(DISK_SHORT);
}

/* The power goes at call k of opening; false: k is behind the last one. */
static bool
crash_opening(uint64_t k)
{
	struct model model;
	struct store_pick pick;
	struct store *store = begin(&model, 3);
	bool crashed;

	store_close(store);
	disk_fail_at(k, DISK_CRASH);
	if (model_open(&store, 2, BLOCK_PLAIN) == 0) {
		store_pick(store, STORE_ALL, &pick);
		store_close(store);
	}
	crashed = disk_is_down();
	disk_crash();
	reload(&store, &pick);
	assert_int_equal(pick.good->epoch, 2);
	assert_true(model_check(&model, pick.good));
	store_close(store);
	model_end(&model);
	return crashed;
}

static void
test_crash_while_opening(void **state)
{
	uint64_t k = 1;

	(void)state;
	while (crash_opening(k)) {
		assert_true(++k < K_MAX);
	}
	assert_true(k > 5);
}

/* The very first epoch: afterwards there is none, or this one. */
static bool
crash_first(uint64_t k)
{
	struct model model;
	struct store_pick pick;
	struct store *store;
	uint64_t epoch = 0;
	bool crashed;
	int result;

	sim_reset(k);
	disk_reset();
	model_begin(&model, true);
	model_change(&model);
	disk_fail_at(k, DISK_CRASH);
	result = model_open(&store, 2, BLOCK_PLAIN);
	if (result == 0) {
		result = store_pick(store, STORE_ALL, &pick);
		result = result == 0 ? model_write(&model, store, &epoch) : result;
		store_close(store);
	}
	crashed = disk_is_down();
	disk_crash();
	assert_int_equal(model_open(&store, 2, BLOCK_PLAIN), 0);
	assert_int_equal(store_pick(store, STORE_ALL, &pick), 0);
	assert_ptr_equal(pick.good, pick.newest);
	assert_true(pick.good != NULL || result != 0);
	assert_true(pick.good == NULL || model_check(&model, pick.good));
	store_close(store);
	model_end(&model);
	return crashed;
}

static void
test_crash_in_first_epoch(void **state)
{
	uint64_t k = 1;

	(void)state;
	while (crash_first(k)) {
		assert_true(++k < K_MAX);
	}
	assert_true(k > 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crash_at_every_call),
		cmocka_unit_test(test_eio_at_every_call),
		cmocka_unit_test(test_enospc_at_every_call),
		cmocka_unit_test(test_lost_sync_at_every_call),
		cmocka_unit_test(test_short_write_at_every_call),
		cmocka_unit_test(test_crash_while_opening),
		cmocka_unit_test(test_crash_in_first_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
