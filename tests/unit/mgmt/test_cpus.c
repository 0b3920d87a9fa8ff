/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/cpus.c: lists of CPUs, there and back. */
#include "mgmt/cpus.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
check_both_ways(const char *text, uint32_t count, const char *written)
{
	cpu_set_t set;
	char out[128];

	assert_int_equal(cpus_parse(text, &set), 0);
	assert_int_equal(cpus_count(&set), count);
	assert_string_equal(cpus_format(&set, out, sizeof(out)), written);
}

static void
test_there_and_back(void **state)
{
	(void)state;
	check_both_ways("", 0, "");
	check_both_ways("0", 1, "0");
	check_both_ways("0-3,8", 5, "0-3,8");
	check_both_ways("3,2,1", 3, "1-3");
	check_both_ways("0-30/10", 4, "0,10,20,30");
	check_both_ways("1023", 1, "1023");
}

static void
test_not_of_the_form(void **state)
{
	static const char *const wrong[] = { "a",   "1-",  "-1",  "1,",   ",1",
		                             "3-1", "1 2", "0x3", "1-2/0" };
	cpu_set_t set;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(cpus_parse(wrong[i], &set), -EINVAL);
		assert_int_equal(cpus_count(&set), 0);
	}
	assert_int_equal(cpus_parse("1024", &set), -ERANGE);
	assert_int_equal(cpus_parse("0-99999999999999999999", &set), -ERANGE);
}

static void
test_cut_when_it_does_not_fit(void **state)
{
	cpu_set_t set;
	char out[16];

	(void)state;
	assert_int_equal(cpus_parse("0,2,4,6,8,10,12,14", &set), 0);
	assert_string_equal(cpus_format(&set, out, sizeof(out)), "0,2,4,6,8,10...");
}

static void
test_members(void **state)
{
	cpu_set_t a, b;

	(void)state;
	assert_int_equal(cpus_parse("2-4", &a), 0);
	assert_int_equal(cpus_parse("5", &b), 0);
	assert_true(cpus_has(&a, 2));
	assert_false(cpus_has(&a, 5));
	assert_false(cpus_has(&a, 4096));
	assert_int_equal(cpus_first(&a), 2);
	assert_false(cpus_overlap(&a, &b));
	assert_int_equal(cpus_parse("4-5", &b), 0);
	assert_true(cpus_overlap(&a, &b));
	CPU_ZERO(&a);
	assert_int_equal(cpus_first(&a), CPUS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_not_of_the_form),
		cmocka_unit_test(test_cut_when_it_does_not_fit),
		cmocka_unit_test(test_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
