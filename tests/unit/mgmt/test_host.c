/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/host.c: which shared objects are taken for managers, and what is said of those that are not.
 */
#include "mgmt/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The sample's folder is that of the tests; 0 or -errno, and what was said. */
static int
load(const char *sample, struct lm_manager **manager, char why[HOST_WHY])
{
	const char *folder = getenv("LODEMILL_TEST_PLUGINS");
	char path[500];

	snprintf(path, sizeof(path), "%s/%s.so", folder == NULL ? "build/tests" : folder, sample);
	why[0] = '\0';
	return host_load(&(struct host_options){ .path = path }, manager, why);
}

static void
test_good(void **state)
{
	struct lm_manager *manager;
	struct view_loaded counts;
	char why[HOST_WHY];

	(void)state;
	assert_int_equal(load("manager_good", &manager, why), 0);
	assert_string_equal(host_name(manager), "sample");
	assert_string_equal(host_version(manager), "2");
	host_counts(manager, &counts);
	assert_int_equal(counts.calls, 0);
	/* It was never opened: nothing is asked of it. */
	host_step(manager);
	host_close(manager);
}

static void
test_bad(void **state)
{
	static const char *const bad[][2] = {
		{ "manager_major", "another ABI" },        { "manager_minor", "newer ABI" },
		{ "manager_nameless", "no name" },         { "manager_half", "not both" },
		{ "manager_empty", "returns NULL" },       { "plugin_good", "no function" },
		{ "manager_that_is_not_there", "cannot" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lm_manager *manager;
		char why[HOST_WHY];

		assert_true(load(bad[i][0], &manager, why) < 0);
		assert_null(manager);
		if (strstr(why, bad[i][1]) == NULL) {
			fail_msg("%s: %s", bad[i][0], why);
		}
	}
}

/* Most jobs have none. */
static void
test_none(void **state)
{
	struct view_loaded counts;
	struct lm_manager *manager;
	char why[HOST_WHY];

	(void)state;
	assert_int_equal(host_load(&(struct host_options){ 0 }, &manager, why), 0);
	assert_null(manager);
	assert_true(host_open(NULL, NULL));
	host_step(NULL);
	host_probe(NULL, NULL, NULL);
	host_counts(NULL, &counts);
	assert_int_equal(counts.calls, 0);
	assert_string_equal(host_name(NULL), "");
	assert_string_equal(host_version(NULL), "");
	host_close(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
