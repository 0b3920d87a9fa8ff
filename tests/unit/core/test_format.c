/* SPDX-License-Identifier: BSD-3-Clause */
/* core/format.c: a table of values and their texts, cutting, and floats that must read back. */
#include <arpa/inet.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/lm_batch.h"
#include "core/lm_op.h"

static struct lm_schema schema;
static struct lm_batch *batch;
static uint64_t random_state = 88172645463325252u;

static uint64_t
random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* One row of every type; fields are numbered like types. */
static int
start(void **state)
{
	struct lm_field field[LM_TYPE_COUNT];

	(void)state;
	memset(field, 0, sizeof(field));
	for (uint32_t i = 0; i < LM_TYPE_COUNT; i++) {
		snprintf(field[i].name, LM_NAME_MAX, "%s", lm_type_text((enum lm_type)i));
		field[i].type = (enum lm_type)i;
	}
	assert_int_equal(lm_schema_init(&schema, field, LM_TYPE_COUNT, 4), 0);
	batch = aligned_alloc(64, schema.size);
	assert_non_null(batch);
	memset(batch, 0, schema.size);
	batch->schema = &schema;
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	free(batch);
	return 0;
}

static const char *
format(enum lm_type type)
{
	static char text[512];
	size_t length = lm_batch_format(batch, type, 1, text, sizeof(text));

	assert_int_equal(length, strlen(text));
	return text;
}

#define FORMATS(type, column, value, text)                                                         \
	do {                                                                                       \
		lm_batch_##column(batch, type)[1] = (value);                                       \
		assert_string_equal(format(type), text);                                           \
	} while (0)

static void
test_integers(void **state)
{
	(void)state;
	FORMATS(LM_I8, i8, INT8_MIN, "-128");
	FORMATS(LM_I16, i16, INT16_MIN, "-32768");
	FORMATS(LM_I32, i32, INT32_MIN, "-2147483648");
	FORMATS(LM_I64, i64, INT64_MIN, "-9223372036854775808");
	FORMATS(LM_U8, u8, UINT8_MAX, "255");
	FORMATS(LM_U16, u16, UINT16_MAX, "65535");
	FORMATS(LM_U32, u32, UINT32_MAX, "4294967295");
	FORMATS(LM_U64, u64, UINT64_MAX, "18446744073709551615");
	FORMATS(LM_BOOL, bool, 0, "false");
	FORMATS(LM_BOOL, bool, 1, "true");
	FORMATS(LM_BOOL, bool, 2, "true");
}

static void
test_floats(void **state)
{
	(void)state;
	FORMATS(LM_F64, f64, 0, "0");
	FORMATS(LM_F64, f64, -0.0, "-0");
	FORMATS(LM_F64, f64, 1, "1");
	FORMATS(LM_F64, f64, 0.1, "0.1");
	FORMATS(LM_F64, f64, 0.1 + 0.2, "0.30000000000000004");
	FORMATS(LM_F64, f64, 1.0 / 3, "0.3333333333333333");
	FORMATS(LM_F64, f64, 5e-324, "5e-324");
	FORMATS(LM_F64, f64, 1e300, "1e+300");
	FORMATS(LM_F64, f64, DBL_MAX, "1.7976931348623157e+308");
	FORMATS(LM_F64, f64, (double)NAN, "nan");
	FORMATS(LM_F64, f64, -(double)NAN, "nan");
	FORMATS(LM_F64, f64, (double)INFINITY, "inf");
	FORMATS(LM_F64, f64, -(double)INFINITY, "-inf");
	FORMATS(LM_F32, f32, 0.1f, "0.1");
	FORMATS(LM_F32, f32, 16777216.0f, "16777216");
	FORMATS(LM_F32, f32, 1e-45f, "1e-45");
	FORMATS(LM_F32, f32, FLT_MAX, "3.4028235e+38");
	for (uint32_t i = 0; i < 20000; i++) {
		uint64_t bits = random_next();
		uint32_t half = (uint32_t)random_next();
		double f64;
		float f32;

		memcpy(&f64, &bits, sizeof(f64));
		memcpy(&f32, &half, sizeof(f32));
		if (!isnan(f64)) {
			lm_batch_f64(batch, LM_F64)[1] = f64;
			assert_true(strtod(format(LM_F64), NULL) == f64);
		}
		if (!isnan(f32)) {
			lm_batch_f32(batch, LM_F32)[1] = f32;
			assert_true(strtof(format(LM_F32), NULL) == f32);
		}
	}
}

static void
test_times(void **state)
{
	(void)state;
	FORMATS(LM_TIME, i64, 0, "1970-01-01T00:00:00Z");
	FORMATS(LM_TIME, i64, -1, "1969-12-31T23:59:59.999999999Z");
	FORMATS(LM_TIME, i64, 1, "1970-01-01T00:00:00.000000001Z");
	FORMATS(LM_TIME, i64, 500000000, "1970-01-01T00:00:00.500000Z");
	FORMATS(LM_TIME, i64, 123456000, "1970-01-01T00:00:00.123456Z");
	FORMATS(LM_TIME, i64, 123456700, "1970-01-01T00:00:00.1234567Z");
	FORMATS(LM_TIME, i64, 123456780, "1970-01-01T00:00:00.12345678Z");
	FORMATS(LM_TIME, i64, INT64_C(951782399999999999), "2000-02-28T23:59:59.999999999Z");
	FORMATS(LM_TIME, i64, INT64_C(951782400000000000), "2000-02-29T00:00:00Z");
	FORMATS(LM_TIME, i64, INT64_MAX, "2262-04-11T23:47:16.854775807Z");
	FORMATS(LM_TIME, i64, INT64_MIN, "1677-09-21T00:12:43.145224192Z");
	for (uint32_t i = 0; i < 20000; i++) {
		int64_t time_ns = (int64_t)random_next();
		time_t seconds = (time_t)(time_ns / 1000000000 - (time_ns % 1000000000 < 0));
		char want[64];
		struct tm tm;

		lm_batch_i64(batch, LM_TIME)[1] = time_ns;
		assert_non_null(gmtime_r(&seconds, &tm));
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
		assert_memory_equal(format(LM_TIME), want, strlen(want));
	}
}

static void
ip6_is(const char *address, const char *text)
{
	struct lm_ip6 ip6;

	assert_int_equal(inet_pton(AF_INET6, address, ip6.byte), 1);
	lm_batch_ip6(batch, LM_IP6)[1] = ip6;
	assert_string_equal(format(LM_IP6), text);
}

static void
test_addresses(void **state)
{
	(void)state;
	FORMATS(LM_IP4, u32, 0x0a000102, "10.0.1.2");
	FORMATS(LM_IP4, u32, UINT32_MAX, "255.255.255.255");
	FORMATS(LM_MAC, u64, UINT64_C(0xaabbcc00010f), "aa:bb:cc:00:01:0f");
	ip6_is("::", "::");
	ip6_is("::1", "::1");
	ip6_is("1::", "1::");
	ip6_is("2001:0DB8::0001", "2001:db8::1");
	ip6_is("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");    /* the first of equals */
	ip6_is("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");          /* the longest */
	ip6_is("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"); /* one group is not shortened */
	ip6_is("0:0:1:1:1:1:0:0", "::1:1:1:1:0:0");
	ip6_is("1:1:1:1:1:1:0:0", "1:1:1:1:1:1::");
	ip6_is("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	ip6_is("::ffff:10.1.2.3", "10.1.2.3");
	ip6_is("::fffe:10.1.2.3", "::fffe:a01:203");
	for (uint32_t i = 0; i < 5000; i++) {
		struct lm_ip6 ip6, back;

		for (uint32_t j = 0; j < 16; j++) {
			ip6.byte[j] = random_next() % 3 == 0 ? (uint8_t)random_next() : 0;
		}
		lm_batch_ip6(batch, LM_IP6)[1] = ip6;
		assert_int_equal(inet_pton(AF_INET6, format(LM_IP6), back.byte), 1);
		assert_memory_equal(&back, &ip6, sizeof(ip6));
	}
}

static void
test_strings(void **state)
{
	struct lm_frame frame = { .data = NULL, .contiguous = 60, .length = 1500 };
	char text[8];

	(void)state;
	assert_true(lm_batch_put_string(batch, LM_STRING, 0, "zero", 4));
	assert_true(lm_batch_put_string(batch, LM_STRING, 1, "hello world", 11));
	assert_true(lm_batch_put_string(batch, LM_STRING, 2, "", 0));
	assert_true(lm_batch_put_string(batch, LM_BYTES, 0, "", 0));
	assert_true(lm_batch_put_string(batch, LM_BYTES, 1, "\x00\xff\x1a", 3));
	lm_batch_frame(batch, LM_FRAME)[1] = frame;
	assert_string_equal(format(LM_STRING), "hello world");
	assert_string_equal(format(LM_BYTES), "00ff1a");
	assert_string_equal(format(LM_FRAME), "frame of 1500 bytes");
	assert_int_equal(lm_batch_format(batch, LM_STRING, 2, text, sizeof(text)), 0);
	assert_string_equal(text, "");
}

static void
test_cut(void **state)
{
	(void)state;
	test_strings(NULL);
	lm_batch_i64(batch, LM_TIME)[1] = 1;
	for (enum lm_type type = 0; type < LM_TYPE_COUNT; type++) {
		char whole[128];
		size_t length = lm_batch_format(batch, type, 1, whole, sizeof(whole));

		assert_true(length > 0);
		for (size_t size = 0; size <= length + 1; size++) {
			char *text = malloc(size + 1);

			memset(text, 'x', size + 1);
			assert_int_equal(lm_batch_format(batch, type, 1, text, size), length);
			assert_int_equal(text[size], 'x');
			if (size > 0) {
				assert_int_equal(strlen(text), size - 1);
				assert_memory_equal(text, whole, size - 1);
			}
			free(text);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers), cmocka_unit_test(test_floats),
		cmocka_unit_test(test_times),    cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_strings),  cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
