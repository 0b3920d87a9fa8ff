/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log with a fault at every call of the disk in turn: the power goes, or a call fails, at the
 * first, at the second, and so on until nothing is left to fail. What comes after the restart is
 * all that had come before, and perhaps more, in order, each row once, from wherever one goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/disk_sim.h"
#include "tests/sim/log_model.h"
#include "tests/sim/sim.h"
#include "tests/unit/rounds.h"

#define K_MAX 2000u
#define ROUNDS 9u

static struct log_model model;

static void
begin(uint64_t seed, bool eager)
{
	sim_reset(seed);
	disk_reset();
	log_model_begin(&model);
	model.options.eager = eager;
	model.options.segment_bytes = 128u << 10;
	model.more_max = 70000;
}

static void
open_well(uint64_t row)
{
	int result = log_model_open(&model, row);

	if (result != 0) {
		fail_msg("cannot open it at row %u: %d, %s", (unsigned int)row, result, model.why);
	}
}

/* Small and large groups, so many that a segment is cut. */
static void
use(void)
{
	for (uint32_t i = 0; i < ROUNDS && !disk_is_down(); i++) {
		log_model_put_some(&model);
		if (i % 2 == 0) {
			log_model_put(&model, 100, 60000);
			log_model_put(&model, 100, 60000);
		}
		assert_true(log_model_run(&model, 30, false));
	}
	if (!disk_is_down()) {
		assert_true(log_model_drain(&model));
	}
}

/* The power goes at call k; false: k is behind the last one. */
static bool
crash_at(uint64_t k, uint64_t seed, bool eager)
{
	uint64_t position;
	bool crashed;

	begin(seed, eager);
	open_well(0);
	use();
	/*
	 * From here on it is a log with something in it, whose segment is cut, that has restarted.
	 */
	log_model_close(&model);
	open_well(model.shown / 2);
	disk_fail_at(k, DISK_CRASH);
	use();
	crashed = disk_is_down();
	log_model_close(&model);
	disk_crash();
	/* A snapshot has seen what was durable. */
	position = sim_below(model.safe + 1);
	open_well(position);
	use();
	log_model_close(&model);
	disk_crash();
	open_well(sim_below(model.safe + 1));
	assert_true(log_model_drain(&model));
	log_model_end(&model);
	return crashed;
}

static void
sweep_crashes(bool eager)
{
	for (uint64_t seed = 1; seed <= rounds(2); seed++) {
		uint64_t k = 1;

		while (crash_at(k, seed, eager)) {
			assert_true(++k < K_MAX);
		}
		assert_true(k > 30);
		printf("# seed %u: a crash at each of %u calls\n", (unsigned int)seed,
		       (unsigned int)k - 1);
	}
}

static void
test_crash_at_every_call(void **state)
{
	(void)state;
	sweep_crashes(false);
}

static void
test_crash_at_every_call_eager(void **state)
{
	(void)state;
	sweep_crashes(true);
}

/* Call k of opening what a crash has left goes wrong; then it is opened again. */
static bool
crash_opening(uint64_t k, uint64_t seed)
{
	bool crashed;

	begin(seed, false);
	open_well(0);
	log_model_put_some(&model);
	use();
	disk_fail_at(1 + sim_below(30), DISK_CRASH);
	use();
	log_model_close(&model);
	disk_crash();
	disk_fail_at(k, DISK_CRASH);
	if (log_model_open(&model, 0) == 0) {
		use();
	}
	crashed = disk_is_down();
	log_model_close(&model);
	disk_crash();
	open_well(0);
	use();
	log_model_close(&model);
	disk_crash();
	open_well(0);
	assert_true(log_model_drain(&model));
	log_model_end(&model);
	return crashed;
}

static void
test_crash_behind_a_crash(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= rounds(2); seed++) {
		uint64_t k = 1;

		while (crash_opening(k, seed)) {
			assert_true(++k < K_MAX);
		}
		assert_true(k > 20);
	}
}

/* Call k fails, then the disk is well again; false: k is behind the last call. */
static bool
fail_at(uint64_t k, enum disk_fault fault, uint64_t seed)
{
	struct log_stats stats;
	uint64_t calls;
	bool failed;

	begin(seed, false);
	open_well(0);
	calls = disk_calls();
	disk_fail_at(k, fault);
	use();
	failed = disk_calls() - calls >= k;
	log_read_stats(model.log, &stats);
	assert_true(stats.failures <= 1);
	assert_true(fault != DISK_EIO || !failed || stats.failures == 1);
	/* All of it is durable, whatever the power does now. */
	assert_int_equal(model.next, log_end_row(model.log));
	log_model_close(&model);
	disk_crash();
	open_well(0);
	assert_int_equal(log_end_row(model.log), model.shown);
	assert_true(log_model_drain(&model));
	log_model_end(&model);
	return failed;
}

static void
sweep_fault(enum disk_fault fault)
{
	for (uint64_t seed = 1; seed <= rounds(2); seed++) {
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

/* The sync says EIO, and what was not safe then looks well and is lost. */
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

/*
 * A sync fails, and the process dies before it writes the rows anew: what looks well is not safe.
 */
static bool
die_behind_lost_sync(uint64_t k, uint64_t seed)
{
	struct log_stats stats;
	uint64_t calls;
	bool failed;

	begin(seed, false);
	open_well(0);
	use();
	calls = disk_calls();
	disk_fail_at(k, DISK_SYNC_LOST);
	log_model_put_some(&model);
	log_model_put(&model, 10, 0);
	do {
		assert_true(log_model_run(&model, 1, true));
		log_read_stats(model.log, &stats);
	} while (stats.failures == 0 && log_has_rows(model.log));
	failed = disk_calls() - calls >= k;
	log_model_close(&model);
	/* Only the process: the next one shows what it finds, then the power goes. */
	open_well(0);
	assert_true(log_model_drain(&model));
	log_model_close(&model);
	disk_crash();
	open_well(0);
	assert_true(log_model_drain(&model));
	log_model_end(&model);
	return failed;
}

static void
test_death_behind_lost_sync(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= rounds(8); seed++) {
		uint64_t k = 1;

		while (die_behind_lost_sync(k, seed)) {
			assert_true(++k < K_MAX);
		}
	}
}

/* The power goes at call k of trimming: what is left has no gap, and what is needed is there. */
static bool
crash_trimming(uint64_t k, uint64_t seed)
{
	char why[LOG_WHY];
	uint64_t row;
	bool crashed;

	begin(seed, false);
	open_well(0);
	for (uint32_t i = 0; i < 12; i++) {
		assert_true(log_model_put(&model, 100, 70000));
		assert_true(log_model_put(&model, 100, 70000));
		assert_true(log_model_drain(&model));
	}
	row = model.shown - sim_below(model.shown / 2);
	disk_fail_at(k, DISK_CRASH);
	log_trim(model.log, row, why);
	crashed = disk_is_down();
	log_model_close(&model);
	disk_crash();
	open_well(row);
	assert_true(log_model_drain(&model));
	log_model_end(&model);
	return crashed;
}

static void
test_crash_while_trimming(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= rounds(3); seed++) {
		uint64_t k = 1;

		while (crash_trimming(k, seed)) {
			assert_true(++k < K_MAX);
		}
		assert_true(k > 5);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crash_at_every_call),
		cmocka_unit_test(test_crash_at_every_call_eager),
		cmocka_unit_test(test_crash_behind_a_crash),
		cmocka_unit_test(test_eio_at_every_call),
		cmocka_unit_test(test_enospc_at_every_call),
		cmocka_unit_test(test_lost_sync_at_every_call),
		cmocka_unit_test(test_short_write_at_every_call),
		cmocka_unit_test(test_death_behind_lost_sync),
		cmocka_unit_test(test_crash_while_trimming),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
