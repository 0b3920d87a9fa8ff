/* SPDX-License-Identifier: BSD-3-Clause */
/* What a folder holds, as anybody can find out: epochs, files, strangers, stories that do not fit.
 */
#include "state/store_list.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/env.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/sim.h"
#include "tests/sim/store_model.h"

static struct model model;
static struct store *store;
static struct store_list list;

static int
three_epochs(void **state)
{
	struct store_pick pick;
	uint64_t epoch;

	(void)state;
	sim_reset(1);
	disk_reset();
	model_begin(&model, true);
	assert_int_equal(model_open(&store, 9, BLOCK_PLAIN), 0);
	assert_int_equal(store_pick(store, STORE_ALL, &pick), 0);
	for (uint32_t i = 0; i < 3; i++) {
		model_change(&model);
		assert_int_equal(model_write(&model, store, &epoch), 0);
	}
	return 0;
}

static int
end(void **state)
{
	(void)state;
	store_list_free(&list);
	store_close(store);
	model_end(&model);
	disk_reset();
	return 0;
}

static void
put_file(const char *path, const void *bytes, size_t size)
{
	int file = env_file_open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(file >= 0);
	assert_int_equal(env_file_write(file, bytes, size), size);
	env_file_close(file);
}

static void
test_all_is_listed(void **state)
{
	(void)state;
	put_file(MODEL_FOLDER "/notes.txt", "x", 1);
	put_file(MODEL_FOLDER "/" STORE_INDEX, "x", 1);
	put_file(MODEL_FOLDER "/E7-O1-S1-1.part", "x", 1);
	assert_int_equal(store_list_read(MODEL_FOLDER, &list), 0);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.epoch[0].epoch, 3);
	assert_int_equal(list.epoch[2].epoch, 1);
	assert_int_equal(list.epoch[0].copies, 2);
	assert_int_equal(list.newest, 7);
	assert_int_equal(list.incarnation, 1);
	assert_int_equal(list.strays, 1);
	for (uint32_t i = 1; i < list.file_count; i++) {
		assert_true(strcmp(list.file[i - 1], list.file[i]) < 0);
	}
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(store_epoch_check(MODEL_FOLDER, STORE_ALL, &list.epoch[i]), 0);
		assert_false(list.epoch[i].is_damaged);
	}
}

static void
test_no_folder(void **state)
{
	char *longer = calloc(1, STORE_FOLDER_MAX + 1);

	(void)state;
	assert_int_equal(store_list_read(DISK_ROOT "/nothing", &list), -ENOENT);
	memset(longer, 'x', STORE_FOLDER_MAX);
	assert_int_equal(store_list_read(longer, &list), -ENAMETOOLONG);
	free(longer);
}

static void
test_damage_is_said(void **state)
{
	char path[200];
	struct store_epoch *epoch;
	uint32_t index = 0;

	(void)state;
	assert_int_equal(store_list_read(MODEL_FOLDER, &list), 0);
	epoch = &list.epoch[0];
	while (epoch->manifest->file[index].length == 0) {
		index++;
	}
	snprintf(path, sizeof(path), MODEL_FOLDER "/%s", epoch->manifest->file[index].name);
	disk_bytes(path)[80] ^= 1;
	assert_int_equal(store_epoch_check(MODEL_FOLDER, STORE_ALL, epoch), 0);
	assert_true(epoch->is_damaged);
	assert_non_null(strstr(epoch->why, "damaged"));
}

/* The manifest of one epoch under the name of another. */
static void
test_swapped_manifests(void **state)
{
	(void)state;
	assert_int_equal(
	    env_file_rename(MODEL_FOLDER "/MANIFEST.2.a", MODEL_FOLDER "/MANIFEST.3.a"), 0);
	assert_int_equal(
	    env_file_rename(MODEL_FOLDER "/MANIFEST.2.b", MODEL_FOLDER "/MANIFEST.3.b"), 0);
	assert_int_equal(store_list_read(MODEL_FOLDER, &list), 0);
	assert_int_equal(list.count, 2);
	assert_null(list.epoch[0].manifest);
	assert_non_null(strstr(list.epoch[0].why, "it is that of epoch 2"));
}

/* A whole epoch 2 of another story in the place of the one that epoch 3 was built on. */
static void
test_another_story(void **state)
{
	const struct manifest *before;
	struct manifest *other;
	size_t size;
	char *text;
	uint32_t index;

	(void)state;
	assert_int_equal(store_list_read(MODEL_FOLDER, &list), 0);
	before = list.epoch[1].manifest;
	other = manifest_new();
	other->job = before->job;
	other->epoch = 2;
	text = manifest_write(other, &size);
	for (index = 0; index < 2; index++) {
		char path[200];

		snprintf(path, sizeof(path), MODEL_FOLDER "/MANIFEST.2.%c", "ab"[index]);
		disk_truncate(path, 0);
		put_file(path, text, size);
		if (index == 0) {
			store_list_free(&list);
			assert_int_equal(store_list_read(MODEL_FOLDER, &list), 0);
			assert_non_null(strstr(list.epoch[1].why, "differ"));
		}
	}
	free(text);
	manifest_free(other);
	store_list_free(&list);
	assert_int_equal(store_list_read(MODEL_FOLDER, &list), 0);
	assert_true(list.epoch[0].is_damaged);
	assert_non_null(strstr(list.epoch[0].why, "built on another epoch 2"));
	assert_false(list.epoch[1].is_damaged);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, three_epochs, end)
	const struct CMUnitTest tests[] = {
		CASE(test_all_is_listed),     CASE(test_no_folder),     CASE(test_damage_is_said),
		CASE(test_swapped_manifests), CASE(test_another_story),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
