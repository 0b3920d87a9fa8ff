/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading back in the background: all of it, no faster than told, and damage is found and said. */
#include "state/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/env.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/sim.h"
#include "tests/sim/store_model.h"

static struct model model;
static struct store *store;
static struct verify *verify;
static struct verified verified;
static uint64_t epoch;

static int
one_epoch(void **state)
{
	struct store_pick pick;

	(void)state;
	sim_reset(2);
	disk_reset();
	model_begin(&model, false);
	assert_int_equal(model_open(&store, 1, BLOCK_PLAIN), 0);
	assert_int_equal(store_pick(store, STORE_ALL, &pick), 0);
	do {
		model_change(&model);
		assert_int_equal(model_write(&model, store, &epoch), 0);
	} while (epoch < 3);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	verify_close(verify);
	verify = NULL;
	store_close(store);
	model_end(&model);
	disk_reset();
	return 0;
}

static void
run(void)
{
	while (!verify_take(verify, &verified)) {
		if (!verify_step(verify)) {
			sim_advance(1000000);
		}
	}
}

static void
test_all_is_read(void **state)
{
	uint32_t count;

	(void)state;
	verify = verify_open(store, 0);
	assert_false(verify_step(verify));
	assert_false(verify_take(verify, &verified));
	verify_begin(verify, epoch);
	run();
	assert_false(verified.is_damaged);
	assert_false(verified.is_gone);
	assert_int_equal(verified.epoch, epoch);
	assert_int_equal(verified.files, store_epochs(store, &count)->manifest->file_count);
	assert_true(verified.bytes > 300000);
	assert_false(verify_take(verify, &verified));
}

static void
test_pace(void **state)
{
	int64_t begun_ns = env_now_ns();
	int64_t expected_ns;

	(void)state;
	verify = verify_open(store, 1000000);
	verify_begin(verify, epoch);
	run();
	expected_ns = (int64_t)verified.bytes * 1000;
	/* The last step is not waited for. */
	assert_in_range(env_now_ns() - begun_ns, expected_ns - 400000000, expected_ns + 10000000);
}

static void
test_damage_is_found(void **state)
{
	uint32_t count;
	const struct store_epoch *newest = store_epochs(store, &count);
	char path[200];

	(void)state;
	snprintf(path, sizeof(path), MODEL_FOLDER "/%s",
	         newest->manifest->file[newest->manifest->file_count - 1].name);
	disk_bytes(path)[70] ^= 4;
	verify = verify_open(store, 0);
	verify_begin(verify, epoch);
	run();
	assert_true(verified.is_damaged);
	assert_non_null(
	    strstr(verified.why, newest->manifest->file[newest->manifest->file_count - 1].name));
	assert_true(newest->is_damaged);
	assert_string_equal(newest->why, verified.why);
}

/* The epoch is removed under its reader. */
static void
test_epoch_goes(void **state)
{
	uint64_t next;

	(void)state;
	verify = verify_open(store, 0);
	verify_begin(verify, epoch);
	assert_true(verify_step(verify));
	model_change(&model);
	assert_int_equal(model_write(&model, store, &next), 0);
	run();
	assert_true(verified.is_gone);
	assert_false(verified.is_damaged);
}

/* The disk fails to be read: that is damage for whoever needs the epoch. */
static void
test_disk_error(void **state)
{
	(void)state;
	verify = verify_open(store, 0);
	verify_begin(verify, epoch);
	assert_true(verify_step(verify));
	disk_fail_at(1, DISK_EIO);
	run();
	assert_true(verified.is_damaged);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, one_epoch, end)
	const struct CMUnitTest tests[] = {
		CASE(test_all_is_read), CASE(test_pace),       CASE(test_damage_is_found),
		CASE(test_epoch_goes),  CASE(test_disk_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
