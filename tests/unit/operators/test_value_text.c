/* SPDX-License-Identifier: BSD-3-Clause */
/* Text to values: bounds of every type, exact doubles, calendars, declarations of columns. */
#include "operators/value_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parses from a block of exactly the text's length, so that ASan sees a byte read too many. */
static bool
parse(enum lm_type type, const char *text, void *value)
{
	size_t length = strlen(text);
	char *copy = malloc(length == 0 ? 1 : length);
	bool result;

	assert_non_null(copy);
	memcpy(copy, text, length);
	result = value_parse(type, 1, length == 0 ? copy + 1 : copy, length, value);
	free(copy);
	return result;
}

static void
test_whole_numbers(void **state)
{
	static const struct {
		enum lm_type type;
		const char *text;
		bool good;
		uint64_t value;
	} cases[] = {
		{ LM_U8, "0", true, 0 },
		{ LM_U8, "255", true, 255 },
		{ LM_U8, "256", false, 0 },
		{ LM_U8, "-1", false, 0 },
		{ LM_U8, "-0", true, 0 },
		{ LM_I8, "127", true, 127 },
		{ LM_I8, "128", false, 0 },
		{ LM_I8, "-128", true, 0x80 },
		{ LM_I8, "-129", false, 0 },
		{ LM_U16, "65535", true, 65535 },
		{ LM_U16, "0xffff", true, 65535 },
		{ LM_U16, "65536", false, 0 },
		{ LM_I16, "-32768", true, 0x8000 },
		{ LM_U32, "4294967295", true, 4294967295 },
		{ LM_U32, "4294967296", false, 0 },
		{ LM_I32, "-2147483648", true, 0x80000000 },
		{ LM_I32, "2147483648", false, 0 },
		{ LM_U64, "18446744073709551615", true, UINT64_MAX },
		{ LM_U64, "18446744073709551616", false, 0 },
		{ LM_U64, "99999999999999999999", false, 0 },
		{ LM_U64, "0xFFFFffffFFFFffff", true, UINT64_MAX },
		{ LM_U64, "0x10000000000000000", false, 0 },
		{ LM_I64, "-9223372036854775808", true, UINT64_C(1) << 63 },
		{ LM_I64, "9223372036854775808", false, 0 },
		{ LM_I64, "+5", true, 5 },
		{ LM_U64, "", false, 0 },
		{ LM_I64, "-", false, 0 },
		{ LM_U64, "0x", false, 0 },
		{ LM_U64, "12a", false, 0 },
		{ LM_U64, " 1", false, 0 },
		{ LM_U64, "1 ", false, 0 },
		{ LM_BOOL, "true", true, 1 },
		{ LM_BOOL, "false", true, 0 },
		{ LM_BOOL, "1", true, 1 },
		{ LM_BOOL, "yes", false, 0 },
		{ LM_BOOL, "", false, 0 },
		{ LM_IP4, "10.0.0.1", true, 0x0a000001 },
		{ LM_IP4, "10.0.0.256", false, 0 },
		{ LM_IP4, "10.0.0", false, 0 },
		{ LM_MAC, "02:00:00:00:00:ff", true, 0x0200000000ff },
		{ LM_MAC, "02-00-00-00-00-FF", true, 0x0200000000ff },
		{ LM_MAC, "02:00:00:00:00:fg", false, 0 },
		{ LM_MAC, "02:00:00:00:00", false, 0 },
		{ LM_FRAME, "1", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value[2] = { 0, 0 };
		bool good = parse(cases[i].type, cases[i].text, value);

		if (good != cases[i].good || (good && value[0] != cases[i].value)) {
			fail_msg("%s of type %s gives %d, %llx", cases[i].text,
			         lm_type_text(cases[i].type), good, (unsigned long long)value[0]);
		}
	}
}

/* As the C library reads them, to the last bit. */
static void
test_doubles(void **state)
{
	static const char *const good[] = { "0",
		                            "-0",
		                            "1.5",
		                            "-2.25",
		                            ".5",
		                            "5.",
		                            "0.1",
		                            "40.0423",
		                            "9007199254740993",
		                            "9007199254740991.5",
		                            "0.30000000000000004",
		                            "123456789012345678901234567890",
		                            "0.0000000000000000000001",
		                            "1e3",
		                            "1E-320",
		                            "1.7976931348623157e308",
		                            "inf",
		                            "-3.9e5" };
	static const char *const bad[] = { "",  "-",  ".",  "1.2.3", "1e",
		                           "x", " 1", "1 ", "1,5",   "--1" };
	double value;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		double expected = strtod(good[i], NULL);

		assert_true(parse(LM_F64, good[i], &value));
		assert_memory_equal(&value, &expected, sizeof(value));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(LM_F64, bad[i], &value)) {
			fail_msg("\"%s\" is taken for %g", bad[i], value);
		}
	}
	srandom(1);
	for (uint32_t i = 0; i < 20000; i++) {
		char text[40];
		double expected;

		snprintf(text, sizeof(text), "%s%ld.%0*ld", i % 3 == 0 ? "-" : "",
		         random() >> random() % 31, (int)(random() % 12),
		         random() >> random() % 31);
		expected = strtod(text, NULL);
		assert_true(parse(LM_F64, text, &value));
		assert_memory_equal(&value, &expected, sizeof(value));
	}
}

static void
test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds, ns;
	} good[] = {
		{ "1970-01-01", 0, 0 },
		{ "1970-01-01T00:00:00Z", 0, 0 },
		{ "2000-02-29T12:34:56Z", 951827696, 0 },
		{ "2009-01-06T05:15:07", 1231218907, 0 },
		{ "2009-01-06 05:15", 1231218900, 0 },
		{ "2009-01-06T05:15:07.000001Z", 1231218907, 1000 },
		{ "2009-01-06T05:15:07.1234567891", 1231218907, 123456789 },
		{ "2009-01-06T05:15:07+01:30", 1231218907 - 5400, 0 },
		{ "2009-01-06T05:15:07-0800", 1231218907 + 28800, 0 },
		{ "1969-12-31T23:59:59.5Z", -1, 500000000 },
		{ "1700-03-01T00:00:00Z", -8515238400, 0 },
		{ "2262-04-11T23:47:16Z", 9223372036, 0 },
		{ "12", 0, 12 },
		{ "-12", 0, -12 },
	};
	static const char *const bad[] = { "",
		                           "2009-02-29",
		                           "2009-13-01",
		                           "2009-00-01",
		                           "2009-01-32",
		                           "2009-01-06T24:00",
		                           "2009-1-6",
		                           "2009-01-06T05:60",
		                           "2009-01-06T05:15:07.",
		                           "2009-01-06T",
		                           "2009-01-06T05:15:07X",
		                           "2009-01-06Z",
		                           "9999-01-01",
		                           "2009-01-06T05:15:07+1",
		                           "noon" };
	int64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!parse(LM_TIME, good[i].text, &value) ||
		    value != good[i].seconds * 1000000000 + good[i].ns) {
			fail_msg("%s is %lld", good[i].text, (long long)value);
		}
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(LM_TIME, bad[i], &value)) {
			fail_msg("\"%s\" is taken for %lld", bad[i], (long long)value);
		}
	}
	assert_true(value_parse_time("5", 1, 1000000, &value));
	assert_int_equal(value, 5000000);
	assert_false(value_parse_time("9223372036854775807", 19, 1000, &value));
}

static void
test_durations(void **state)
{
	uint64_t ns;

	(void)state;
	assert_true(value_parse_duration("10us", 4, &ns));
	assert_int_equal(ns, 10000);
	assert_true(value_parse_duration("1.5s", 4, &ns));
	assert_int_equal(ns, 1500000000);
	assert_true(value_parse_duration("7", 1, &ns));
	assert_int_equal(ns, 7);
	assert_false(value_parse_duration("7y", 2, &ns));
	assert_false(value_parse_duration("s", 1, &ns));
	assert_false(value_parse_duration("1000000d", 8, &ns));
}

static void
test_specs(void **state)
{
	struct value_spec spec;
	const char *text = "time ms = 5", *at = text;
	int64_t value;

	(void)state;
	assert_null(value_spec_read(&at, &spec));
	assert_int_equal(spec.type, LM_TIME);
	assert_int_equal(spec.unit_ns, 1000000);
	assert_true(value_spec_parse(&spec, "", 0, &value));
	assert_int_equal(value, 5000000);
	assert_true(value_spec_parse(&spec, "7", 1, &value));
	assert_int_equal(value, 7000000);
	at = text = "u8";
	assert_null(value_spec_read(&at, &spec));
	assert_false(value_spec_parse(&spec, "", 0, &value));
	at = text = "  u9";
	assert_string_equal(value_spec_read(&at, &spec), "no such type");
	assert_int_equal(at - text, 2);
	at = text = "u8 = 256";
	assert_string_equal(value_spec_read(&at, &spec),
	                    "the value for empty cells is not one of the type");
	assert_int_equal(at - text, 5);
	at = text = "u8 5";
	assert_string_equal(value_spec_read(&at, &spec), "there is more than a type");
	assert_int_equal(at - text, 3);
	at = text = "time weeks";
	assert_string_equal(value_spec_read(&at, &spec), "no such unit of time");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_numbers), cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_times),         cmocka_unit_test(test_durations),
		cmocka_unit_test(test_specs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
