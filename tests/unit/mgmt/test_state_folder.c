/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/state_folder.c: what is there, who has it, and what to do where nothing is. */
#include "mgmt/state_folder.h"

#include "tests/unit/mgmt/folder_rig.h"

#include <errno.h>
#include <sys/stat.h>

#define SECOND INT64_C(1000000000)

static struct state_trouble trouble;

static void
expect_trouble(const char *folder, int result, const char *what, const char *help)
{
	struct store_list list;

	assert_int_equal(state_folder_read(folder, &list, &trouble), result);
	assert_non_null(strstr(trouble.what, what));
	assert_non_null(strstr(trouble.help, help));
}

static void
test_no_state(void **state)
{
	char longer[STORE_FOLDER_MAX + 1], path[256];
	FILE *file;

	(void)state;
	expect_trouble(rig_folder, -ENOENT, "No such file", "run --state");
	expect_trouble(rig_above, -ENODATA, "there is no state in it", "MANIFEST");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	expect_trouble(longer, -ENAMETOOLONG, "too long", "899 bytes");
	snprintf(path, sizeof(path), "%s/file", rig_above);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	expect_trouble(path, -ENOTDIR, "Not a directory", "not a file that is in it");
}

static void
test_permission(void **state)
{
	(void)state;
	if (geteuid() == 0) {
		skip(); /* nobody keeps root out; tests/system/test_state.py asks as somebody else
		         */
	}
	rig_make(1, 1);
	assert_int_equal(chmod(rig_folder, 0), 0);
	expect_trouble(rig_folder, -EACCES, "Permission denied", "run this as");
	assert_int_equal(chmod(rig_folder, 0700), 0);
}

static void
test_epochs(void **state)
{
	struct store_list list;

	(void)state;
	rig_make(5, 3);
	assert_int_equal(state_folder_read(rig_folder, &list, &trouble), 0);
	assert_int_equal(list.count, 3);
	assert_int_equal(state_folder_epoch(rig_folder, &list, 0, &trouble)->epoch, 5);
	assert_int_equal(state_folder_epoch(rig_folder, &list, 3, &trouble)->epoch, 3);
	assert_null(state_folder_epoch(rig_folder, &list, 2, &trouble));
	assert_non_null(strstr(trouble.what, "there is no epoch 2"));
	assert_non_null(strstr(trouble.help, "from 3 to 5"));
	store_list_free(&list);

	/* The newest that can be read, where the newest cannot. */
	rig_flip("MANIFEST.5.a", 10);
	rig_flip("MANIFEST.5.b", 10);
	assert_int_equal(state_folder_read(rig_folder, &list, &trouble), 0);
	assert_int_equal(state_health_of(&list.epoch[0]), STATE_UNREADABLE);
	assert_int_equal(state_health_of(&list.epoch[1]), STATE_COMPLETE);
	assert_int_equal(state_folder_epoch(rig_folder, &list, 0, &trouble)->epoch, 4);
	assert_int_equal(state_folder_epoch(rig_folder, &list, 5, &trouble)->epoch, 5);
	store_list_free(&list);
}

static void
test_no_epoch(void **state)
{
	struct store_list list;

	(void)state;
	rig_make(0, 1);
	assert_int_equal(state_folder_read(rig_folder, &list, &trouble), 0);
	assert_null(state_folder_epoch(rig_folder, &list, 0, &trouble));
	assert_non_null(strstr(trouble.what, "no epoch was ever committed"));
	store_list_free(&list);
}

static void
test_in_use(void **state)
{
	struct state_writer writer = { .folder = rig_folder, .keep = 1 };
	char why[MANIFEST_WHY];
	struct store *store;

	(void)state;
	assert_false(state_folder_in_use(rig_folder)); /* it is not even there */
	store = state_writer_add(&writer, 1, why);
	assert_non_null(store);
	assert_true(state_folder_in_use(rig_folder));
	store_close(store);
	assert_false(state_folder_in_use(rig_folder));
}

static void
test_gone(void **state)
{
	(void)state;
	rig_make(2, 1);
	assert_true(state_folder_is_gone(rig_folder, 1));
	assert_false(state_folder_is_gone(rig_folder, 2));
	rig_remove("MANIFEST.2.a");
	assert_false(state_folder_is_gone(rig_folder, 2));
	rig_remove("MANIFEST.2.b");
	assert_true(state_folder_is_gone(rig_folder, 2));
}

static void
test_sizes(void **state)
{
	(void)state;
	rig_make(1, 1);
	assert_int_equal(state_folder_file_size(rig_folder, "LOCK"), 0);
	assert_true(state_folder_file_size(rig_folder, "MANIFEST.1.a") > 500);
	assert_int_equal(state_folder_file_size(rig_folder, "nothing"), 0);
}

static void
test_times(void **state)
{
	char text[STATE_TIME_MAX];

	(void)state;
	assert_string_equal(state_time(0, text), "1970-01-01 00:00:00 UTC");
	assert_string_equal(state_time(1764059987 * SECOND + 5, text), "2025-11-25 08:39:47 UTC");
	assert_string_equal(state_age(10 * SECOND, 22 * SECOND, text), "12.0 s");
	assert_string_equal(state_age(0, 7200 * SECOND, text), "2h 00m 00s");
	assert_string_equal(state_age(10 * SECOND, 9 * SECOND, text), "-");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_state, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(test_permission, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(test_epochs, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(test_no_epoch, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(test_in_use, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(test_gone, rig_begin, rig_end),
		cmocka_unit_test_setup_teardown(test_sizes, rig_begin, rig_end),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
