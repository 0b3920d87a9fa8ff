/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/state_verify.c: with one thread and with many, every damage is found and put to the right
 * epochs. */
#include "mgmt/state_verify.h"

#include "tests/unit/mgmt/folder_rig.h"

static struct state_trouble trouble;
static struct store_list list;
static struct state_verify *verify;

static void
read_all(uint32_t jobs)
{
	assert_int_equal(state_folder_read(rig_folder, &list, &trouble), 0);
	assert_int_equal(state_verify_begin(list.epoch, list.count, rig_folder, jobs, &verify), 0);
	while (!state_verify_wait(verify, 1000000)) {
		continue;
	}
}

static void
end_all(void)
{
	state_verify_end(verify);
	store_list_free(&list);
}

/* The health of the epoch of a number, by its first letter, and what it says. */
static enum state_health
health_of(uint64_t number, const char **why)
{
	const struct store_epoch *epoch = state_folder_epoch(rig_folder, &list, number, &trouble);
	const struct state_verify_file *file;
	enum state_health health;

	assert_non_null(epoch);
	health = state_verify_epoch(verify, epoch, &file);
	*why = file == NULL ? epoch->why : file->why;
	return health;
}

static void
expect(uint64_t number, enum state_health health, const char *why)
{
	const char *said;

	assert_int_equal(health_of(number, &said), health);
	assert_non_null(strstr(said, why));
}

static void
test_good(void **state)
{
	(void)state;
	rig_make(4, 3);
	for (uint32_t jobs = 1; jobs <= 8; jobs *= 2) {
		struct state_verify_progress all;

		read_all(jobs);
		all = state_verify_progress(verify);
		/* Slice 0: full and three deltas; slice 1: one file, kept. Each once. */
		assert_int_equal(all.files_all, 5);
		assert_int_equal(all.files, 5);
		assert_true(all.bytes_all > 0);
		assert_int_equal(all.bytes, all.bytes_all);
		for (uint64_t epoch = 2; epoch <= 4; epoch++) {
			expect(epoch, STATE_COMPLETE, "");
		}
		assert_null(state_verify_file(verify, 5));
		end_all();
	}
}

/* The longest file is begun first, so that no thread is left alone with it at the end. */
static void
test_longest_first(void **state)
{
	struct manifest_file files[3] = { { .name = "E1-O1-S0-1.part", .length = 4096 },
		                          { .name = "E2-O1-S0-1.part", .length = 12288 },
		                          { .name = "E3-O1-S0-1.part", .length = 8192 } };
	struct manifest manifest = { .file = files, .file_count = 3 };
	struct store_epoch epoch = { .epoch = 3, .manifest = &manifest };

	(void)state;
	assert_int_equal(state_verify_begin(&epoch, 1, rig_folder, 1, &verify), 0);
	while (!state_verify_wait(verify, 1000000)) {
		continue;
	}
	assert_int_equal(state_verify_file(verify, 0)->file->length, 12288);
	assert_int_equal(state_verify_file(verify, 1)->file->length, 8192);
	assert_int_equal(state_verify_file(verify, 2)->file->length, 4096);
	assert_int_equal(state_verify_file(verify, 0)->health, STATE_DAMAGED);
	state_verify_end(verify);
}

/* A file of the newest epoch alone. */
static void
test_one_epoch(void **state)
{
	(void)state;
	rig_make(3, 3);
	rig_flip("E3-O1-S0-1.part", 100);
	read_all(2);
	expect(3, STATE_DAMAGED, "E3-O1-S0-1.part: block 0 has a damaged payload");
	expect(2, STATE_COMPLETE, "");
	expect(1, STATE_COMPLETE, "");
	end_all();
}

/* A file that all build on. */
static void
test_all_epochs(void **state)
{
	struct state_verify_progress all;

	(void)state;
	rig_make(3, 3);
	rig_remove("E1-O1-S1-2.part");
	read_all(3);
	for (uint64_t epoch = 1; epoch <= 3; epoch++) {
		expect(epoch, STATE_DAMAGED, "E1-O1-S1-2.part: No such file");
	}
	/* What is not there counts as read: the line of progress reaches its end. */
	all = state_verify_progress(verify);
	assert_int_equal(all.bytes, all.bytes_all);
	end_all();
}

static void
test_manifests(void **state)
{
	(void)state;
	rig_make(3, 3);
	rig_flip("MANIFEST.2.a", 100);
	rig_flip("MANIFEST.3.a", 100);
	rig_flip("MANIFEST.3.b", 100);
	read_all(1);
	expect(3, STATE_UNREADABLE, "MANIFEST.3.b");
	expect(2, STATE_COMPLETE, "MANIFEST.2.a"); /* the other copy is whole */
	expect(1, STATE_COMPLETE, "");
	end_all();
}

/* Nothing to read, and nobody waits for it. */
static void
test_nothing(void **state)
{
	(void)state;
	rig_make(0, 1);
	read_all(4);
	assert_int_equal(state_verify_progress(verify).files_all, 0);
	end_all();
	state_verify_end(NULL);
}

/* It may be ended at any time. */
static void
test_early_end(void **state)
{
	(void)state;
	rig_make(3, 3);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(state_folder_read(rig_folder, &list, &trouble), 0);
		assert_int_equal(state_verify_begin(list.epoch, list.count, rig_folder, 4, &verify),
		                 0);
		end_all();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(test_longest_first, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(test_one_epoch, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(test_all_epochs, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(test_manifests, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(test_nothing, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(test_early_end, rig_begin, rig_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
