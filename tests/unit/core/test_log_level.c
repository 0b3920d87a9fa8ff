/* SPDX-License-Identifier: BSD-3-Clause */
/* core/log_level.c: which lines pass, for whom, and for how long. */
#include "core/log_level.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Forgets all. */
static int
setup(void **state)
{
	struct log_level list[LOG_LEVELS_MAX];
	uint32_t count = log_level_list(list, 0);

	(void)state;
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(log_level_set(list[i].module, 0, 0, 0), 0);
	}
	assert_int_equal(log_level_list(list, 0), 0);
	return 0;
}

static void
test_modules(void **state)
{
	(void)state;
	assert_true(log_level_passes("core", LOG_LEVEL_INFO, 0));
	assert_false(log_level_passes("core", LOG_LEVEL_DEBUG, 0));
	assert_int_equal(log_level_set("mgmt", LOG_LEVEL_ERROR, 0, 100), 0);
	assert_false(log_level_passes("../mgmt/host.c", LOG_LEVEL_INFO, 50));
	assert_false(log_level_passes("mgmt/host.c", LOG_LEVEL_INFO, 50));
	assert_false(log_level_passes("mgmt", LOG_LEVEL_INFO, 50));
	assert_true(log_level_passes("mgmt", LOG_LEVEL_ERROR, 50));
	assert_true(log_level_passes("core/mgmt.c", LOG_LEVEL_INFO, 50));
	assert_true(log_level_passes("mgmtx", LOG_LEVEL_INFO, 50));
	/* All others; a module's own level comes first. */
	assert_int_equal(log_level_set("all", LOG_LEVEL_DEBUG, 0, 100), 0);
	assert_true(log_level_passes("core", LOG_LEVEL_DEBUG, 50));
	assert_false(log_level_passes("mgmt", LOG_LEVEL_INFO, 50));
}

static void
test_expiry(void **state)
{
	struct log_level list[LOG_LEVELS_MAX];

	(void)state;
	assert_int_equal(log_level_set("net", LOG_LEVEL_DEBUG, 0, 100), 0);
	assert_true(log_level_passes("net", LOG_LEVEL_DEBUG, 99));
	assert_false(log_level_passes("net", LOG_LEVEL_DEBUG, 100));
	assert_int_equal(log_level_list(list, 99), 1);
	assert_string_equal(list[0].module, "net");
	assert_int_equal(log_level_list(list, 100), 0);
	/* Anew, and taken back. */
	assert_int_equal(log_level_set("net", LOG_LEVEL_DEBUG, 200, 300), 0);
	assert_true(log_level_passes("net", LOG_LEVEL_DEBUG, 250));
	assert_int_equal(log_level_set("net", LOG_LEVEL_INFO, 250, 250), 0);
	assert_false(log_level_passes("net", LOG_LEVEL_DEBUG, 251));
}

static void
test_bounds(void **state)
{
	char name[100];

	(void)state;
	for (uint32_t i = 0; i < LOG_LEVELS_MAX; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		assert_int_equal(log_level_set(name, LOG_LEVEL_ERROR, 0, 10 + i), 0);
	}
	assert_int_equal(log_level_set("more", LOG_LEVEL_ERROR, 0, 50), -ENOSPC);
	assert_int_equal(log_level_set("m3", LOG_LEVEL_DEBUG, 0, 50), 0);
	/* Room where a time is over. */
	assert_int_equal(log_level_set("more", LOG_LEVEL_ERROR, 10, 50), 0);
	assert_int_equal(log_level_set("", LOG_LEVEL_ERROR, 0, 50), -ENAMETOOLONG);
	memset(name, 'x', sizeof(name));
	name[LOG_MODULE_MAX] = '\0';
	assert_int_equal(log_level_set(name, LOG_LEVEL_ERROR, 0, 50), -ENAMETOOLONG);
}

static void
test_texts(void **state)
{
	(void)state;
	assert_string_equal(log_level_text(LOG_LEVEL_ERROR), "error");
	assert_string_equal(log_level_text(LOG_LEVEL_DEBUG), "debug");
	assert_null(log_level_text(8));
	assert_null(log_level_text(-1));
	assert_int_equal(log_level_find("info"), LOG_LEVEL_INFO);
	assert_int_equal(log_level_find("loud"), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_modules, setup),
		cmocka_unit_test_setup(test_expiry, setup),
		cmocka_unit_test_setup(test_bounds, setup),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
