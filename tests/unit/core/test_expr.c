/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/expr.c and the steps behind it, by tables: values, types, errors with their place and hint,
 * bounds. Random expressions against an interpreter are in test_expr_eval.c.
 */
#include <arpa/inet.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lm_expr.h"
#include "core/lm_op.h"

#define ROWS 3u

static struct lm_schema schema;
static struct lm_batch *batch;

static const struct {
	const char *name;
	enum lm_type type;
} fields[] = {
	{ "i8", LM_I8 },          { "i16", LM_I16 },       { "i32", LM_I32 },
	{ "i64", LM_I64 },        { "u8", LM_U8 },         { "u16", LM_U16 },
	{ "u32", LM_U32 },        { "u64", LM_U64 },       { "f32", LM_F32 },
	{ "f64", LM_F64 },        { "flag", LM_BOOL },     { "time", LM_TIME },
	{ "src", LM_IP4 },        { "src6", LM_IP6 },      { "mac", LM_MAC },
	{ "host", LM_STRING },    { "payload", LM_BYTES }, { "frame", LM_FRAME },
	{ "sent_bytes", LM_U64 }, { "mapped", LM_IP6 },
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static struct lm_ip6
ip6_of(const char *text)
{
	struct lm_ip6 ip6;

	assert_int_equal(inet_pton(AF_INET6, text, ip6.byte), 1);
	return ip6;
}

/* What the tables below speak of is row 1; the others differ. */
static void
fill_row(uint32_t row)
{
	bool one = row == 1;

	lm_batch_i8(batch, 0)[row] = one ? -8 : 0;
	lm_batch_i16(batch, 1)[row] = one ? -16 : 0;
	lm_batch_i32(batch, 2)[row] = one ? -32 : 0;
	lm_batch_i64(batch, 3)[row] = one ? INT64_MIN : 0;
	lm_batch_u8(batch, 4)[row] = one ? 8 : 0;
	lm_batch_u16(batch, 5)[row] = one ? 16 : 0;
	lm_batch_u32(batch, 6)[row] = one ? UINT32_MAX : 0;
	lm_batch_u64(batch, 7)[row] = one ? UINT64_MAX : 0;
	lm_batch_f32(batch, 8)[row] = one ? 0.1f : 0;
	lm_batch_f64(batch, 9)[row] = one ? 2.5 : 0;
	lm_batch_bool(batch, 10)[row] = one ? 2 : 0; /* any byte but 0 is true */
	lm_batch_i64(batch, 11)[row] = one ? INT64_C(1580464801500000000) : 0;
	lm_batch_u32(batch, 12)[row] = one ? 0x0a010203 : 0;
	lm_batch_ip6(batch, 13)[row] = ip6_of(one ? "2001:db8::1" : "::");
	lm_batch_u64(batch, 14)[row] = one ? UINT64_C(0xaabbccddeeff) : 0;
	assert_true(lm_batch_put_string(batch, 15, row, one ? "www.example" : "", one ? 11 : 0));
	assert_true(lm_batch_put_string(batch, 16, row, one ? "a\0b" : "", one ? 3 : 0));
	lm_batch_frame(batch, 17)[row] = (struct lm_frame){ .length = one ? 1500 : 0 };
	lm_batch_u64(batch, 18)[row] = one ? 1000 : 0;
	lm_batch_ip6(batch, 19)[row] = ip6_of(one ? "::ffff:10.1.2.3" : "::");
}

static int
start(void **state)
{
	struct lm_field field[FIELDS];

	(void)state;
	memset(field, 0, sizeof(field));
	for (uint32_t i = 0; i < FIELDS; i++) {
		snprintf(field[i].name, LM_NAME_MAX, "%s", fields[i].name);
		field[i].type = fields[i].type;
	}
	assert_int_equal(lm_schema_init(&schema, field, FIELDS, ROWS), 0);
	batch = aligned_alloc(64, schema.size);
	assert_non_null(batch);
	memset(batch, 0xa5, schema.size);
	batch->schema = &schema;
	batch->count = ROWS;
	for (uint32_t i = 0; i < ROWS; i++) {
		fill_row(i);
	}
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	free(batch);
	return 0;
}

static struct lm_expr *
parse(const char *text)
{
	struct lm_expr_error error;
	struct lm_expr *expr = lm_expr_parse(text, &schema, &error);

	if (expr == NULL) {
		fail_msg("%s: %u: %s (%s)", text, error.column, error.message, error.hint);
	}
	return expr;
}

/* --- Values: of row 1, computed for all rows, and for rows 1 and 2 alone
 * -------------------------- */

union value {
	int64_t i64;
	uint64_t u64;
	double f64;
	uint8_t u8;
	uint32_t u32;
	struct lm_ip6 ip6;
};

static union value
value_of(const char *text, enum lm_type type)
{
	struct lm_expr *expr = parse(text);
	struct lm_expr_scratch *scratch = lm_expr_scratch_create(expr);
	uint32_t width = lm_type_width(type);
	char all[ROWS * 16], some[ROWS * 16];
	struct lm_select rows;
	union value value = { .u64 = 0 };

	if (lm_expr_type(expr) != type) {
		fail_msg("%s is %s", text, lm_type_text(lm_expr_type(expr)));
	}
	assert_non_null(scratch);
	lm_select_begin(&rows, batch);
	lm_select_add(&rows, 1);
	lm_select_add(&rows, 2);
	lm_expr_eval(expr, scratch, batch, NULL, all);
	lm_expr_eval(expr, scratch, batch, &rows, some);
	assert_memory_equal(some, all + width, 2 * width);
	memcpy(&value, all + width, width);
	lm_expr_scratch_free(scratch);
	lm_expr_free(expr);
	return value;
}

static const struct {
	const char *text;
	enum lm_type type;
	uint64_t value;
} integers[] = {
	{ "42", LM_I64, 42 },
	{ "0xff", LM_I64, 255 },
	{ "1_000", LM_I64, 1000 },
	{ "64Ki", LM_I64, 65536 },
	{ "10ms", LM_I64, 10000000 },
	{ "1h30m", LM_I64, UINT64_C(5400000000000) },
	{ "1.5s", LM_I64, 1500000000 },
	{ "18446744073709551615", LM_U64, UINT64_MAX },
	{ "-9223372036854775808", LM_I64, (uint64_t)INT64_MIN },
	{ "1 + 2 * 3", LM_I64, 7 },
	{ "(1 + 2) * 3", LM_I64, 9 },
	{ "10 - 4 - 3", LM_I64, 3 },
	{ "100 / 10 / 5", LM_I64, 2 },
	{ "7 % 4 * 2", LM_I64, 6 },
	{ "1 | 6 ^ 3 & 2", LM_I64, 5 },
	{ "1 << 2 + 1", LM_I64, 8 },
	{ "2 + 1 << 1", LM_I64, 6 },
	{ "1 | 2 == 3", LM_BOOL, 1 }, /* a comparison binds less than bits */
	{ "-2 * -3", LM_I64, 6 },
	{ "- - 5", LM_I64, 5 },
	{ "~0", LM_I64, UINT64_MAX },
	{ "-u8", LM_I64, (uint64_t)-8 },
	{ "~u8", LM_U64, ~UINT64_C(8) },
	{ "i8", LM_I8, (uint8_t)-8 },
	{ "(u16)", LM_U16, 16 },
	{ "u8 + 1", LM_U64, 9 },
	{ "i8 + 1", LM_I64, (uint64_t)-7 },
	{ "u8 - 9", LM_U64, UINT64_MAX },
	{ "u8 + -9", LM_I64, UINT64_MAX },
	{ "u8 + i8", LM_I64, 0 },
	{ "u8 | i8", LM_U64, (uint64_t)-8 },
	{ "u8 + i64(1)", LM_I64, 9 },
	{ "i8 + u64(1)", LM_I64, (uint64_t)-7 },
	{ "u8 + (u64(1) + 1)", LM_U64, 10 },
	{ "u8 + if(u8 < 300, 1, 2)", LM_I64, 9 },
	{ "u8 + if(u8 < 200, 1, 2)", LM_I64, 9 },
	{ "u8 + u64(flag or true)", LM_U64, 9 },
	{ "floor(u8, u64(3))", LM_U64, 6 },
	{ "u64 + 1", LM_U64, 0 },
	{ "i64 - 1", LM_I64, INT64_MAX },
	{ "i64 / -1", LM_I64, (uint64_t)INT64_MIN },
	{ "i64 % -1", LM_I64, 0 },
	{ "i64 / i8 / 0", LM_I64, 0 },
	{ "u8 / 0", LM_U64, 0 },
	{ "u8 % 0", LM_U64, 0 },
	{ "u8 / (u16 - 16)", LM_U64, 0 },
	{ "u8 % (u16 - 16)", LM_U64, 0 },
	{ "i8 / 3", LM_I64, (uint64_t)-2 },
	{ "i8 % 3", LM_I64, (uint64_t)-2 },
	{ "i8 >> 1", LM_I64, (uint64_t)-4 },
	{ "i8 >> 65", LM_I64, (uint64_t)-4 },
	{ "u64 >> 63", LM_U64, 1 },
	{ "1 << u8", LM_I64, 256 },
	{ "u32 * u32", LM_U64, UINT64_C(0xfffffffe00000001) },
	{ "min(u8, i8)", LM_I64, (uint64_t)-8 },
	{ "max(3, u8)", LM_U64, 8 },
	{ "abs(i64)", LM_I64, (uint64_t)INT64_MIN },
	{ "abs(i8)", LM_I64, 8 },
	{ "abs(u8)", LM_U64, 8 },
	{ "floor(i8, 3)", LM_I64, (uint64_t)-9 },
	{ "floor(i8, 4)", LM_I64, (uint64_t)-8 },
	{ "floor(u8, 3)", LM_U64, 6 },
	{ "floor(-7, 5)", LM_I64, (uint64_t)-10 },
	{ "u64(f64)", LM_U64, 2 },
	{ "u64(-f64)", LM_U64, 0 },
	{ "i64(-f64)", LM_I64, (uint64_t)-2 },
	{ "i64(1e300)", LM_I64, INT64_MAX },
	{ "i64(-1e300)", LM_I64, (uint64_t)INT64_MIN },
	{ "u64(1e300)", LM_U64, UINT64_MAX },
	{ "i64(f64 * 1e300 * 1e300)", LM_I64, INT64_MAX },
	{ "u64(0.0 / 0.0)", LM_U64, 0 },
	{ "i64((f64 - 2.5) / 0)", LM_I64, 0 },
	{ "max(u64, 1)", LM_U64, UINT64_MAX },
	{ "u64(flag)", LM_U64, 1 },
	{ "u64(src)", LM_U64, 0x0a010203 },
	{ "u64(mac)", LM_U64, UINT64_C(0xaabbccddeeff) },
	{ "i64(time)", LM_I64, UINT64_C(1580464801500000000) },
	{ "i64(f32 * 10)", LM_I64, 1 },
	{ "if(flag, u8, 5)", LM_U64, 8 },
	{ "if(not flag, u8, i8)", LM_I64, (uint64_t)-8 },
	{ "if(u8 == 300, u8, u16)", LM_U64, 16 },
	{ "length(host)", LM_U64, 11 },
	{ "length(payload)", LM_U64, 3 },
	{ "length(frame)", LM_U64, 1500 },
	{ "length(\"four\")", LM_U64, 4 },
	{ "time - 2020-01-31T10:00:00Z", LM_I64, 1500000000 },
	{ "2020-01-31T10:00:00Z - 2020-01-31T09:00:00Z", LM_I64, UINT64_C(3600000000000) },
	{ "src", LM_IP4, 0x0a010203 },
	{ "mac", LM_MAC, UINT64_C(0xaabbccddeeff) },
	{ "if(u8 > 100, 10.0.0.1, src)", LM_IP4, 0x0a010203 },
	{ "hash(u8) - hash(u64(i8 + 16))", LM_U64, 0 },
	{ "hash(8) - hash(u8)", LM_U64, 0 },
	{ "hash(host) - hash(\"www.example\")", LM_U64, 0 },
	{ "hash(0.0) - hash(-0.0)", LM_U64, 0 },
	{ "hash(src6) - hash(2001:db8::1)", LM_U64, 0 },
};

static void
test_integers(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
		uint64_t value = value_of(integers[i].text, integers[i].type).u64;

		if (value != integers[i].value) {
			fail_msg("%s: %#llx, not %#llx", integers[i].text,
			         (unsigned long long)value, (unsigned long long)integers[i].value);
		}
	}
}

static const struct {
	const char *text;
	double value;
} floats[] = {
	{ "0.5", 0.5 },
	{ "2.0", 2 },
	{ "1e-3", 0.001 },
	{ "1 / 2.0", 0.5 },
	{ "f64 * 2", 5 },
	{ "f32 + 0", (double)0.1f },
	{ "u64 + 0.0", 0x1p64 },
	{ "f64(u8) / 16", 0.5 },
	{ "f64(time)", 1580464801500000000.0 },
	{ "f64(flag)", 1 },
	{ "-f64", -2.5 },
	{ "abs(-f64)", 2.5 },
	{ "f64 % 2", 0.5 },
	{ "7.5 % u8", 7.5 },
	{ "min(f64, u8)", 2.5 },
	{ "max(f64, u8)", 8 },
	{ "1 / (f64 - 2.5)", INFINITY },
	{ "if(flag, u8, 0.5)", 8 },
	{ "if(f64 < 2, 1, 0.5)", 0.5 },
};

static void
test_floats(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++) {
		double value = value_of(floats[i].text, LM_F64).f64;

		if (value != floats[i].value) {
			fail_msg("%s: %.17g, not %.17g", floats[i].text, value, floats[i].value);
		}
	}
}

static void
test_times_and_addresses(void **state)
{
	struct lm_ip6 mapped = ip6_of("::ffff:10.1.2.3");
	union value value;

	(void)state;
	assert_int_equal(value_of("1970-01-01T00:00:00Z", LM_TIME).i64, 0);
	assert_int_equal(value_of("1969-12-31T23:59:59.999999999Z", LM_TIME).i64, -1);
	assert_int_equal(value_of("2000-02-29T00:00Z", LM_TIME).i64, 951782400000000000);
	assert_int_equal(value_of("2000-02-29T02:30+02:30", LM_TIME).i64, 951782400000000000);
	assert_int_equal(value_of("2262-04-11T23:47:16.854775807Z", LM_TIME).i64, INT64_MAX);
	assert_int_equal(value_of("1677-09-21T00:12:43.145224192Z", LM_TIME).i64, INT64_MIN);
	assert_int_equal(value_of("floor(time, 1s)", LM_TIME).i64, 1580464801000000000);
	assert_int_equal(value_of("floor(time, 1d)", LM_TIME).i64, 1580428800000000000);
	assert_int_equal(value_of("time + 10ms", LM_TIME).i64, 1580464801510000000);
	assert_int_equal(value_of("10ms + time", LM_TIME).i64, 1580464801510000000);
	assert_int_equal(value_of("time - u8", LM_TIME).i64, 1580464801499999992);
	assert_int_equal(value_of("max(time, 1970-01-01T00:00Z)", LM_TIME).i64,
	                 1580464801500000000);
	value = value_of("if(flag, src, src6)", LM_IP6);
	assert_memory_equal(&value.ip6, &mapped, sizeof(mapped));
	value = value_of("if(flag, ::ffff:10.1.2.3, src)", LM_IP6);
	assert_memory_equal(&value.ip6, &mapped, sizeof(mapped));
}

static const char *const truths[] = {
	"true",
	"flag",
	"flag == true",
	"flag != false",
	"true == flag",
	"not not flag",
	"!false",
	"flag == !false",
	"not false and true",
	"false and false or true",
	"true or false and false",
	"flag && !(u8 == 9) || false",
	"not u8 == 9",
	"u8 == 8",
	"8 == u8",
	"u8 < 300",
	"u8 > -1",
	"u8 != -1",
	"-1 < u8",
	"i8 < 128",
	"i8 < u64",
	"u8 >= i8",
	"i32 <= u32",
	"i8 + 16 <= u8",
	"i8 + 16 == u8",
	"u8 >= i8 + 16",
	"u64 > i64",
	"u64 != -1",
	"i64 < 0xffffffffffffffff",
	"u64 == 18446744073709551615",
	"u32 > i32",
	"i8 == -8.0",
	"u8 < 8.5",
	"u8 <= 8.0",
	"u8 > 7.5",
	"f32 != 0.1",
	"f32 > 0.1",
	"f64 == 2.5",
	"f64 > u32 - u32",
	"f64 < u8",
	"u8 * 2 == u16",
	"u16 == u16",
	"f32 == f32",
	"src == 10.1.2.3",
	"src > 10.0.0.0",
	"src in 10.0.0.0/8",
	"src in 10.1.2.3",
	"src in (192.168.0.0/16, 10.1.2.0/24)",
	"src not in (192.168.0.0/16, 11.0.0.0/8)",
	"src in ::ffff:10.0.0.0/104",
	"src in ::/0",
	"src in ::ffff:0:0/96",
	"src in ::/64",
	"src not in 2001:db8::/32",
	"src not in ::1",
	"src in 0.0.0.0/0",
	"src == mapped",
	"mapped == src",
	"mapped == 10.1.2.3",
	"mapped in 10.0.0.0/8",
	"mapped in 0.0.0.0/0",
	"mapped not in 11.0.0.0/8",
	"mapped in (::1, 10.1.2.3)",
	"src6 not in 0.0.0.0/0",
	"src6 in 2001:db8::/32",
	"src6 in 2001:db8::1",
	"src6 not in 2001:db8::2/127",
	"src6 == 2001:db8::1",
	"src6 > mapped",
	"src6 >= 2001:db8::1",
	"src != 2001:db8::1",
	"src < 2001:db8::1",
	"mac == aa:bb:cc:dd:ee:ff",
	"mac in (00:00:00:00:00:00, aa:bb:cc:dd:ee:ff)",
	"time == 2020-01-31T10:00:01.5Z",
	"time > 2020-01-31T10:00:00Z",
	"time in (1970-01-01T00:00Z, 2020-01-31T10:00:01.5Z)",
	"u8 in (1, 2, 8)",
	"u8 in (-8, 300, 4 * 2)",
	"u8 not in (-8, 300)",
	"u8 in 8",
	"i8 in (8, -8)",
	"u64 in (18446744073709551615, 1)",
	"u8 in (7.5, 8)",
	"u8 in (8.0, 9)",
	"u8 not in (7.5, 8.5)",
	"f64 in (1, 2.5)",
	"u8 + 1 in (9, 10)",
	"5 in (1, 5)",
	"5 not in (300, -5)",
	"10.1.2.3 in 10.0.0.0/8",
	"'a' in ('b', 'a')",
	"0.5 in (1, 0.5)",
	"u64(u8 < 300) in (1, 2)",
	"host == \"www.example\"",
	"'www.example' == host",
	"host != \"www\"",
	"host > \"www\"",
	"\"www\" < host",
	"host < \"www.f\"",
	"host >= \"www.example\"",
	"host in (\"a\", 'www.example')",
	"host == host",
	"host != payload",
	"payload <= host",
	"payload == \"a\\0b\"",
	"starts_with(host, \"www.\")",
	"starts_with(host, \"\")",
	"not starts_with(host, \"www.examples\")",
	"contains(host, \"example\")",
	"contains(host, \"\")",
	"not contains(host, \"Example\")",
	"contains(payload, \"\\0b\")",
	"host == \"www.example\" and u8 == 8",
	"u8 == 8 and host == \"www.example\" and i8 < 0 and contains(host, 'w')",
	"\"a\" < \"b\"",
	"contains(\"abc\", \"bc\")",
	"hash(u8) != hash(u16)",
	"hash(host) != hash(payload)",
};

static void
test_bools(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++) {
		char negated[256];
		struct lm_expr *expr = parse(truths[i]);

		/* A bare field keeps its bytes. */
		if (lm_expr_field(expr) == LM_NONE && value_of(truths[i], LM_BOOL).u8 != 1) {
			fail_msg("%s is not true", truths[i]);
		}
		lm_expr_free(expr);
		snprintf(negated, sizeof(negated), "not (%s)", truths[i]);
		if (value_of(negated, LM_BOOL).u8 != 0) {
			fail_msg("%s is not false", negated);
		}
	}
}

/* --- Errors ------------------------------------------------------------------------------------
 */

static const struct {
	const char *text;
	uint32_t column;
	const char *message;
	const char *hint;
} errors[] = {
	{ "", 0, "a value is missing at the end", "column" },
	{ "u8 +", 4, "a value is missing at the end", "column" },
	{ "u8 + * 2", 5, "a value is missing before \"*\"", "column" },
	{ "(u8", 3, "\")\" is missing", "every" },
	{ "u8)", 2, "an operator is missing before \")\"", "" },
	{ "u8 u16", 3, "an operator is missing before \"u16\"", "and, or" },
	{ "u8 = 1", 3, "\"=\" is not an operator", "==" },
	{ "1 < u8 < 3", 7, "chained", "a < b and b < c" },
	{ "u8 not 1", 7, "\"in\" is missing before \"1\"", "not in" },
	{ "u8 # 1", 3, "\"#\" has no meaning", "" },
	{ "host == \"\xc3\xa4\" \xc3\xa4", 12, "byte 0xc3", "quotes" },
	{ "\"abc", 0, "no end", "quote" },
	{ "host == \"a\\q\"", 10, "escape", "\\n" },
	{ "5x == 1", 0, "\"5x\" is not a number", "64Ki" },
	{ "u8 == 0xg", 6, "not a number", "" },
	{ "99999999999999999999", 0, "too large", "64 bits" },
	{ "u8 == 300000d", 6, "too large", "" },
	{ "src == 10.0.0.256", 7, "not an address", "10.0.0.1" },
	{ "src in 10.0.0.0/33", 7, "0 to 32 bits", "" },
	{ "src6 in ::/129", 8, "0 to 128 bits", "" },
	{ "mac == aa:bb:cc", 7, "not an address", "aa:bb" },
	{ "time > 2020-02-30T00:00Z", 7, "no such day", "2020-01-31T" },
	{ "time > 2020-02-03T24:00Z", 7, "not a time", "2020-01-31T" },
	{ "time > 2020-02-03T10:00", 7, "not a time", "2020-01-31T" },
	{ "time > 9999-01-01T00:00Z", 7, "out of range", "1677" },
	{ "sent_byte > 1", 0, "no column \"sent_byte\"", "did you mean \"sent_bytes\"?" },
	{ "u8 + sent_bites", 5, "no column \"sent_bites\"", "\"sent_bytes\"" },
	{ "qqqqqq", 0, "no column \"qqqqqq\"", "columns: i8, i16" },
	{ "min", 0, "no column \"min\"", "min is a function" },
	{ "1 + mim(1, 2)", 4, "no function \"mim\"", "did you mean \"min\"?" },
	{ "qqqqqq(1)", 0, "no function \"qqqqqq\"", "functions: min, max" },
	{ "min(1)", 0, "\"min(1)\": min takes 2 arguments, not 1", "min(a, b)" },
	{ "abs(1, 2)", 0, "takes 1 argument, not 2", "abs(x)" },
	{ "if(flag, 1, 2, 3)", 15, "more than 3 arguments", "" },
	{ "min(1 2)", 6, "\",\" is missing before \"2\"", "commas" },
	{ "abs(1", 5, "\",\" is missing at the end", "\")\"" },
	{ "1 + (src + 1) * 2", 4, "\"(src + 1)\": \"+\" works on", "u64(x)" },
	{ "1 * (time + time)", 4, "not on time and time", "time - time" },
	{ "time * 2", 0, "works on numbers, not on time", "floor" },
	{ "1s - time", 0, "not on i64 and time", "" },
	{ "time + 0.5", 0, "not on time and f64", "" },
	{ "flag & 1", 0, "works on integers, not on bool and i64", "and, or" },
	{ "f64 << 1", 0, "works on integers", "i64(x)" },
	{ "host + 1", 0, "string", "length" },
	{ "~f64", 1, "\"f64\": \"~\" works on integers", "" },
	{ "-flag", 1, "works on numbers, not on bool", "not x" },
	{ "u8 and flag", 0, "\"u8\": \"and\" works on bool, not on u8", "x != 0" },
	{ "flag or host", 8, "\"host\": \"or\" works on bool", "compare" },
	{ "not time", 4, "\"not\" works on bool", "" },
	{ "flag < true", 0, "does not work on bool", "== !=" },
	{ "flag == 1", 0, "bool does not compare with i64", "true or false" },
	{ "host == 1", 0, "string does not compare with i64", "quotes" },
	{ "u8 == \"1\"", 0, "u8 does not compare with string", "without quotes" },
	{ "src == \"10.0.0.1\"", 0, "ip4 does not compare", "without quotes" },
	{ "time > \"2020\"", 0, "time does not compare", "without quotes" },
	{ "mac == \"aa\"", 0, "mac does not compare", "aa:bb" },
	{ "time == 5", 0, "time does not compare with i64", "i64(time)" },
	{ "frame == 5", 0, "frame does not compare", "length(x)" },
	{ "mac == src", 0, "mac does not compare with ip4", "" },
	{ "src == 10.0.0.0/8", 7, "prefix", "in 10.0.0.0/8" },
	{ "10.0.0.0/8", 0, "prefix", "in 10.0.0.0/8" },
	{ "u8 in ()", 7, "a value is missing", "" },
	{ "u8 in (1, u16)", 10, "\"u16\": what stands in the list", "or" },
	{ "u8 in (1, \"a\")", 10, "does not compare with string", "" },
	{ "flag in (true)", 9, "bool does not compare with bool", "" },
	{ "src in (10.0.0.0/8", 18, "\")\" is missing", "list" },
	{ "floor(u8, 0)", 10, "above 0", "1s" },
	{ "floor(u8, u16)", 10, "constant", "1s" },
	{ "floor(f64, 2)", 6, "floor() takes a time or an integer, not f64", "i64(x)" },
	{ "f64(src)", 4, "f64() takes", "" },
	{ "u64(host)", 4, "u64() takes", "length" },
	{ "min(src, 1)", 0, "not ip4 and", "" },
	{ "if(u8, 1, 2)", 3, "bool as its condition", "x != 0" },
	{ "if(flag, host, 'a')", 0, "if() cannot give", "" },
	{ "if(flag, 1, time)", 0, "if() cannot give i64 or time", "" },
	{ "length(u8)", 7, "length() takes a string", "" },
	{ "contains(u8, 'a')", 9, "takes a string column", "" },
	{ "contains(host, host)", 15, "searches for a constant text", "quotes" },
	{ "hash(frame)", 5, "hash() takes a value", "decode" },
	{ "\"text\"", 0, "a text alone", "compare" },
	{ "5 + \"averyveryverylongtextthatdoesnotfitintothemessage\" + 1", 0, "...\": ", "" },
};

static void
test_errors(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct lm_expr_error error;
		struct lm_expr *expr = lm_expr_parse(errors[i].text, &schema, &error);

		if (expr != NULL) {
			fail_msg("%s is taken", errors[i].text);
		}
		if (error.column != errors[i].column ||
		    strstr(error.message, errors[i].message) == NULL ||
		    strstr(error.hint, errors[i].hint) == NULL) {
			fail_msg("%s: %u: %s (%s)", errors[i].text, error.column, error.message,
			         error.hint);
		}
	}
}

/* `count` times `text`, between `before` and `after`. */
static char *
repeat(const char *before, const char *text, uint32_t count, const char *after)
{
	size_t length = strlen(text);
	size_t head = strlen(before);
	char *made = malloc(head + length * count + strlen(after) + 1);

	assert_non_null(made);
	memcpy(made, before, head);
	for (uint32_t i = 0; i < count; i++) {
		memcpy(made + head + i * length, text, length);
	}
	memcpy(made + head + length * count, after, strlen(after) + 1);
	return made;
}

static void
bounded(char *fits, char *too_much, uint32_t column, const char *message)
{
	struct lm_expr_error error;

	lm_expr_free(parse(fits));
	assert_null(lm_expr_parse(too_much, &schema, &error));
	assert_non_null(strstr(error.message, message));
	assert_int_equal(error.column, column);
	free(fits);
	free(too_much);
}

static void
test_bounds(void **state)
{
	char *nested, *closed;

	(void)state;
	/* u8 + u8 … : two nodes a repetition, one before. */
	bounded(repeat("u8", "+u8", 127, ""), repeat("u8", "+u8", 128, ""), 0, "256 parts");
	bounded(repeat("", "-", 32, "u8"), repeat("", "-", 33, "u8"), 32, "32 deep");
	bounded(repeat("", " ", LM_EXPR_TEXT_MAX - 1, "1"), repeat("", " ", LM_EXPR_TEXT_MAX, "1"),
	        0, "4096 characters");
	nested = repeat("", "(", 32, "u8");
	closed = repeat(nested, ")", 32, "");
	lm_expr_free(parse(closed));
	free(nested);
	free(closed);
	nested = repeat("u8 in (0", ",1", 253, "");
	closed = repeat(nested, ")", 1, "");
	lm_expr_free(parse(closed));
	free(nested);
	free(closed);
}

/* Registers do not pile up where values are used at once, and do where they must wait. */
static void
test_long(void **state)
{
	char *text = repeat("u8", " + u16 * i8", 60, "");
	char *deep;

	(void)state;
	assert_int_equal(value_of(text, LM_I64).i64, 8 - 60 * 128);
	free(text);
	text = repeat("", "(u8 + u16) - (", 31, "u8");
	deep = repeat(text, ")", 31, "");
	assert_int_equal(value_of(deep, LM_U64).u64, 24 - 8);
	free(text);
	free(deep);
	text = repeat("flag", " and host == 'www.example' and u8 == 8", 30, "");
	assert_int_equal(value_of(text, LM_BOOL).u8, 1);
	free(text);
}

/* --- Selecting ---------------------------------------------------------------------------------
 */

static void
selects(const char *text, const struct lm_select *rows, uint32_t count, uint32_t first)
{
	struct lm_expr *expr = parse(text);
	struct lm_expr_scratch *scratch = lm_expr_scratch_create(expr);
	struct lm_select keep;

	lm_expr_select(expr, scratch, batch, rows, &keep);
	assert_ptr_equal(keep.batch, batch);
	assert_int_equal(keep.count, count);
	if (count > 0) {
		assert_int_equal(keep.row[0], first);
	}
	/* In place. */
	if (rows != NULL) {
		keep = *rows;
		lm_expr_select(expr, scratch, batch, &keep, &keep);
		assert_int_equal(keep.count, count);
		if (count > 0) {
			assert_int_equal(keep.row[0], first);
		}
	}
	lm_expr_scratch_free(scratch);
	lm_expr_free(expr);
}

static void
test_select(void **state)
{
	struct lm_select rows;

	(void)state;
	lm_select_begin(&rows, batch);
	lm_select_add(&rows, 1);
	lm_select_add(&rows, 2);
	selects("flag", NULL, 1, 1);
	selects("flag", &rows, 1, 1);
	selects("not flag", NULL, 2, 0);
	selects("not flag", &rows, 1, 2);
	selects("true", NULL, 3, 0);
	selects("true", &rows, 2, 1);
	selects("false", NULL, 0, 0);
	selects("u8 == 0", NULL, 2, 0);
	selects("u8 == 0", &rows, 1, 2);
	selects("u8 == 0 and host == ''", &rows, 1, 2);
	selects("host == '' and u8 == 0 and length(host) == 0", NULL, 2, 0);
	selects("u8 == 9 and host == ''", NULL, 0, 0);
	selects("host == 'x' and contains(host, 'x')", NULL, 0, 0);
	rows.count = 0;
	selects("true", &rows, 0, 0);
	selects("u8 == 0 and host == ''", &rows, 0, 0);
	batch->count = 0;
	selects("true", NULL, 0, 0);
	selects("u8 == 0", NULL, 0, 0);
	batch->count = ROWS;
}

static void
test_bare_fields(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < FIELDS; i++) {
		struct lm_expr *expr = parse(fields[i].name);

		assert_int_equal(lm_expr_field(expr), i);
		assert_int_equal(lm_expr_type(expr), fields[i].type);
		lm_expr_free(expr);
		if (lm_type_width(fields[i].type) != 0) {
			union value value = value_of(fields[i].name, fields[i].type);
			uint32_t width = lm_type_width(fields[i].type);

			assert_memory_equal(&value, (char *)lm_batch_column(batch, i) + width,
			                    width);
		}
	}
	lm_expr_free(NULL);
	lm_expr_scratch_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_floats),
		cmocka_unit_test(test_times_and_addresses),
		cmocka_unit_test(test_bools),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_select),
		cmocka_unit_test(test_bare_fields),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
