/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of core/text.c: what people type, and what they meant. */
#include "core/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct number_case {
	const char *text;
	int rc;
	uint64_t value;
};

static void
check_numbers(int (*parse)(const char *, uint64_t *), const struct number_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value = 77;
		int rc = parse(cases[i].text, &value);
		uint64_t expected = cases[i].rc == 0 ? cases[i].value : 77;

		if (rc != cases[i].rc || value != expected) {
			fail_msg("\"%s\": %d, %llu", cases[i].text, rc, (unsigned long long)value);
		}
	}
}

static void
test_u64(void **state)
{
	static const struct number_case cases[] = {
		{ "0", 0, 0 },
		{ "42", 0, 42 },
		{ "007", 0, 7 },
		{ "1_000", 0, 1000 },
		{ "1_000_000", 0, 1000000 },
		{ "0xff", 0, 255 },
		{ "0xFFFF_FFFF_FFFF_FFFF", 0, UINT64_MAX },
		{ "64Ki", 0, 65536 },
		{ "2M", 0, 2000000 },
		{ "1.5k", 0, 1500 },
		{ "2.5Ki", 0, 2560 },
		{ "3.0", 0, 3 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "0x1_0000_0000_0000_0000", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "20000000T", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "1__0", -EINVAL, 0 },
		{ "_1", -EINVAL, 0 },
		{ "1_", -EINVAL, 0 },
		{ "1.", -EINVAL, 0 },
		{ ".5", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "1.0005k", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ "0xg", -EINVAL, 0 },
		{ "0x1_", -EINVAL, 0 },
		{ "10kB", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "ten", -EINVAL, 0 },
	};

	(void)state;
	check_numbers(text_u64, cases, COUNT(cases));
}

static void
test_duration(void **state)
{
	static const struct number_case cases[] = {
		{ "0", 0, 0 },
		{ "1ns", 0, 1 },
		{ "20us", 0, 20000 },
		{ "20µs", 0, 20000 },
		{ "100ms", 0, 100000000 },
		{ "1.5s", 0, 1500000000 },
		{ "5m", 0, 300000000000 },
		{ "1h30m", 0, 5400000000000 },
		{ "1d", 0, 86400000000000 },
		{ "1m0.5s", 0, 60500000000 },
		{ "10", -EINVAL, 0 },
		{ "10q", -EINVAL, 0 },
		{ "30m1h", -EINVAL, 0 },
		{ "1s1s", -EINVAL, 0 },
		{ "1h30", -EINVAL, 0 },
		{ "0.5ns", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "300000d", -ERANGE, 0 },
		{ "200000d2400000h", -ERANGE, 0 },
	};

	(void)state;
	check_numbers(text_duration, cases, COUNT(cases));
}

static void
test_size(void **state)
{
	static const struct number_case cases[] = {
		{ "100", 0, 100 },
		{ "100B", 0, 100 },
		{ "64KiB", 0, 65536 },
		{ "64Ki", 0, 65536 },
		{ "2MB", 0, 2000000 },
		{ "2MiB", 0, 2097152 },
		{ "1GB", 0, 1000000000 },
		{ "1.5KiB", 0, 1536 },
		{ "4kB", 0, 4000 },
		{ "16777215TiB", 0, 16777215ull << 40 },
		{ "16777216TiB", -ERANGE, 0 },
		{ "1.5B", -EINVAL, 0 },
		{ "64kib", -EINVAL, 0 },
		{ "64 KiB", -EINVAL, 0 },
		{ "KiB", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	(void)state;
	check_numbers(text_size, cases, COUNT(cases));
}

static void
test_f64(void **state)
{
	static const struct {
		const char *text;
		int rc;
		double value;
	} cases[] = {
		{ "0.25", 0, 0.25 },     { "-3", 0, -3 },       { "1e6", 0, 1e6 },
		{ "2.5E-3", 0, 2.5e-3 }, { ".5", 0, 0.5 },      { "+1", 0, 1 },
		{ "1_000", 0, 1000 },    { "2.5k", 0, 2500 },   { "1e999", -ERANGE, 0 },
		{ "nan", -EINVAL, 0 },   { "inf", -EINVAL, 0 }, { "", -EINVAL, 0 },
		{ ".", -EINVAL, 0 },     { "1e", -EINVAL, 0 },  { "0x1p3", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },    { "1,5", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		double value = 77;
		int rc = text_f64(cases[i].text, &value);

		if (rc != cases[i].rc || value != (rc == 0 ? cases[i].value : 77)) {
			fail_msg("\"%s\": %d, %f", cases[i].text, rc, value);
		}
	}
}

static void
test_bool(void **state)
{
	bool value = false;

	(void)state;
	assert_int_equal(text_bool("true", &value), 0);
	assert_true(value);
	assert_int_equal(text_bool("yes", &value), -EINVAL);
	assert_true(value);
	assert_int_equal(text_bool("false", &value), 0);
	assert_false(value);
	assert_int_equal(text_bool("", &value), -EINVAL);
}

static void
test_distance(void **state)
{
	char long_a[200], long_b[300];

	(void)state;
	assert_int_equal(text_distance("", ""), 0);
	assert_int_equal(text_distance("abc", "abc"), 0);
	assert_int_equal(text_distance("", "abc"), 3);
	assert_int_equal(text_distance("abc", ""), 3);
	assert_int_equal(text_distance("abc", "abd"), 1);
	assert_int_equal(text_distance("abc", "acb"), 1);
	assert_int_equal(text_distance("ab", "ba"), 1);
	assert_int_equal(text_distance("kitten", "sitting"), 3);
	assert_int_equal(text_distance("cuont", "count"), 1);
	assert_int_equal(text_distance("sorce", "source"), 1);
	memset(long_a, 'x', sizeof(long_a));
	memset(long_b, 'x', sizeof(long_b));
	long_a[sizeof(long_a) - 1] = '\0';
	long_b[sizeof(long_b) - 1] = '\0';
	assert_int_equal(text_distance(long_a, long_b), 100);
}

static void
test_nearest(void **state)
{
	static const char *const names[] = { "filter",           "map", "print", "top",
		                             "window_aggregate", "k" };
	static const struct {
		const char *text, *nearest;
	} cases[] = {
		{ "fitler", "filter" },
		{ "filters", "filter" },
		{ "Print", "print" },
		{ "MAP", "map" },
		{ "window", "window_aggregate" },
		{ "windw_agregate", "window_aggregate" },
		{ "tap", "map" },
		{ "x", NULL },
		{ "", NULL },
		{ "source", NULL },
		{ "wi", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *nearest = text_nearest(cases[i].text, names, COUNT(names));
		bool same =
		    nearest == cases[i].nearest || (nearest != NULL && cases[i].nearest != NULL &&
		                                    strcmp(nearest, cases[i].nearest) == 0);

		if (!same) {
			fail_msg("\"%s\": %s", cases[i].text, nearest == NULL ? "none" : nearest);
		}
	}
	assert_null(text_nearest("a", NULL, 0));
}

static void
test_hint(void **state)
{
	static const char *const names[] = { "alpha", "beta", "gamma" };
	char hint[64], small[16];

	(void)state;
	assert_string_equal(text_hint("gama", "columns", names, 3, hint, sizeof(hint)),
	                    "did you mean \"gamma\"?");
	assert_string_equal(text_hint("zzz", "columns", names, 3, hint, sizeof(hint)),
	                    "columns: alpha, beta, gamma");
	assert_string_equal(text_hint("zzz", "columns", names, 0, hint, sizeof(hint)),
	                    "there are no columns");
	assert_string_equal(text_hint("zzz", "of", names, 3, small, sizeof(small)),
	                    "of: alpha ...");
}

static void
test_name(void **state)
{
	(void)state;
	assert_true(text_is_name("a", false));
	assert_true(text_is_name("_top_10", false));
	assert_true(text_is_name("top-10", true));
	assert_true(text_is_name("abcdefghijabcdefghijabcdefghija", true));
	assert_false(text_is_name("abcdefghijabcdefghijabcdefghijab", true));
	assert_false(text_is_name("top-10", false));
	assert_false(text_is_name("", true));
	assert_false(text_is_name("-a", true));
	assert_false(text_is_name("1a", true));
	assert_false(text_is_name("a.b", true));
	assert_false(text_is_name("a b", true));
	assert_false(text_is_name("größe", true));
	assert_int_equal(text_characters("größe", strlen("größe")), 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),     cmocka_unit_test(test_duration),
		cmocka_unit_test(test_size),    cmocka_unit_test(test_f64),
		cmocka_unit_test(test_bool),    cmocka_unit_test(test_distance),
		cmocka_unit_test(test_nearest), cmocka_unit_test(test_hint),
		cmocka_unit_test(test_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
