/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/units.c: texts as people should see them, and where a unit turns into the next. */
#include "mgmt/units.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
test_count(void **state)
{
	(void)state;
	assert_string_equal(units_count(0).text, "0");
	assert_string_equal(units_count(7).text, "7");
	assert_string_equal(units_count(0.4).text, "0.4");
	assert_string_equal(units_count(999).text, "999");
	assert_string_equal(units_count(999.6).text, "1.0k");
	assert_string_equal(units_count(1000).text, "1.0k");
	assert_string_equal(units_count(1234).text, "1.2k");
	assert_string_equal(units_count(99940).text, "99.9k");
	assert_string_equal(units_count(99960).text, "100k");
	assert_string_equal(units_count(12.3e6).text, "12.3M");
	assert_string_equal(units_count(123.4e6).text, "123M");
	assert_string_equal(units_count(999.6e6).text, "1.0G");
	assert_string_equal(units_count(1e18).text, "1.0E");
	assert_string_equal(units_count(1e22).text, "10000E");
}

static void
test_count_of_no_number(void **state)
{
	(void)state;
	assert_string_equal(units_count(NAN).text, "-");
	assert_string_equal(units_count(INFINITY).text, "-");
	assert_string_equal(units_count(-1).text, "-");
	assert_string_equal(units_percent(NAN).text, "-");
	assert_string_equal(units_duration(NAN).text, "-");
	assert_string_equal(units_duration(-1).text, "-");
}

static void
test_exact(void **state)
{
	(void)state;
	assert_string_equal(units_exact(0).text, "0");
	assert_string_equal(units_exact(999).text, "999");
	assert_string_equal(units_exact(1000).text, "1,000");
	assert_string_equal(units_exact(1234567).text, "1,234,567");
	assert_string_equal(units_exact(UINT64_MAX).text, "18,446,744,073,709,551,615");
}

static void
test_bytes(void **state)
{
	(void)state;
	assert_string_equal(units_bytes(0).text, "0 B");
	assert_string_equal(units_bytes(1023).text, "1023 B");
	assert_string_equal(units_bytes(1024).text, "1.0 KiB");
	assert_string_equal(units_bytes(1.2 * 1024 * 1024 * 1024).text, "1.2 GiB");
	assert_string_equal(units_bytes(867.4 * 1024 * 1024).text, "867 MiB");
	assert_string_equal(units_bytes(1048575).text, "1.0 MiB");
}

static void
test_ns(void **state)
{
	(void)state;
	assert_string_equal(units_ns(0).text, "0 ns");
	assert_string_equal(units_ns(850).text, "850 ns");
	assert_string_equal(units_ns(14200).text, "14.2 µs");
	assert_string_equal(units_ns(999960).text, "1.0 ms");
	assert_string_equal(units_ns(3400000000).text, "3.4 s");
	assert_string_equal(units_ns(4398046511104).text, "4398 s");
}

static void
test_duration(void **state)
{
	(void)state;
	assert_string_equal(units_duration(0.0142).text, "14.2 ms");
	assert_string_equal(units_duration(3.4).text, "3.4 s");
	assert_string_equal(units_duration(125).text, "2m 05s");
	assert_string_equal(units_duration(3723).text, "1h 02m 03s");
	assert_string_equal(units_duration(3 * 86400 + 4 * 3600 + 5 * 60).text, "3d 04h 05m");
}

static void
test_percent(void **state)
{
	(void)state;
	assert_string_equal(units_percent(0).text, "0.0 %");
	assert_string_equal(units_percent(0.123).text, "12.3 %");
	assert_string_equal(units_percent(1).text, "100 %");
	assert_string_equal(units_percent(0.9996).text, "100 %");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),   cmocka_unit_test(test_count_of_no_number),
		cmocka_unit_test(test_exact),   cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_ns),      cmocka_unit_test(test_duration),
		cmocka_unit_test(test_percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
