/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows as CSV and JSON: every type, quoting, escapes, broken UTF-8, writers that run full anywhere.
 */
#include "operators/row_text.h"
#include "tests/unit/operators/fake_op.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint32_t all[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

typedef void put_fn(struct row_writer *writer, const struct lm_batch *batch, uint32_t row,
                    const uint32_t *columns, uint32_t count);

static void
expect(put_fn *put, const struct lm_batch *batch, uint32_t row, const char *text)
{
	char line[1024];
	struct row_writer writer = { line, line + sizeof(line) - 1, false };

	put(&writer, batch, row, all, batch->schema->field_count);
	assert_false(writer.full);
	*writer.at = '\0';
	assert_string_equal(line, text);
	/* In every smaller room: full, and not a byte past the end. */
	for (size_t size = 0; size < strlen(text); size++) {
		char *small = malloc(size + 1);

		assert_non_null(small);
		small[size] = '#';
		writer = (struct row_writer){ small, small + size, false };
		put(&writer, batch, row, all, batch->schema->field_count);
		assert_true(writer.full);
		assert_true(writer.at <= small + size);
		assert_int_equal(small[size], '#');
		row_writer_back(&writer, small);
		assert_false(writer.full);
		free(small);
	}
}

static void
test_types(void **state)
{
	struct lm_schema schema =
	    fake_schema("a:i8 b:i16 c:i32 d:i64 e:u8 f:u16 g:u32 h:u64 i:f32 j:f64 k:bool l:time "
	                "m:ip4 n:ip6 o:mac p:string q:bytes");
	struct lm_batch *batch = fake_batch(&schema);

	(void)state;
	assert_true(fake_add(batch, "-128|-32768|-2147483648|-9223372036854775808|255|65535|"
	                            "4294967295|18446744073709551615|0.5|-1e300|true|0|10.0.0.1|"
	                            "::1|02:00:00:00:00:ff|text|AZ"));
	expect(row_put_csv, batch, 0,
	       "-128,-32768,-2147483648,-9223372036854775808,255,65535,4294967295,"
	       "18446744073709551615,0.5,-1e+300,true,1970-01-01T00:00:00Z,10.0.0.1,::1,"
	       "02:00:00:00:00:ff,text,415a\n");
	expect(row_put_json, batch, 0,
	       "{\"a\":-128,\"b\":-32768,\"c\":-2147483648,\"d\":-9223372036854775808,\"e\":255,"
	       "\"f\":65535,\"g\":4294967295,\"h\":18446744073709551615,\"i\":0.5,\"j\":-1e+300,"
	       "\"k\":true,\"l\":\"1970-01-01T00:00:00Z\",\"m\":\"10.0.0.1\",\"n\":\"::1\","
	       "\"o\":\"02:00:00:00:00:ff\",\"p\":\"text\",\"q\":\"415a\"}\n");
	free(batch);
}

static void
test_strings(void **state)
{
	static const struct {
		const char *text, *csv, *json;
	} cases[] = {
		{ "plain", "plain\n", "{\"s\":\"plain\"}\n" },
		{ "", "\n", "{\"s\":\"\"}\n" },
		{ "a,b", "\"a,b\"\n", "{\"s\":\"a,b\"}\n" },
		{ "say \"hi\"", "\"say \"\"hi\"\"\"\n", "{\"s\":\"say \\\"hi\\\"\"}\n" },
		{ "two\nlines\r", "\"two\nlines\r\"\n", "{\"s\":\"two\\nlines\\r\"}\n" },
		{ "tab\there\\", "tab\there\\\n", "{\"s\":\"tab\\there\\\\\"}\n" },
		{ "\x01\x1f", "\x01\x1f\n", "{\"s\":\"\\u0001\\u001f\"}\n" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8a", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8a\n",
		  "{\"s\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8a\"}\n" },
		/* Alone, too long, surrogate, past the end, cut off. */
		{ "\x80.", "\x80.\n", "{\"s\":\"\xef\xbf\xbd.\"}\n" },
		{ "\xc0\xaf.", "\xc0\xaf.\n", "{\"s\":\"\xef\xbf\xbd\xef\xbf\xbd.\"}\n" },
		{ "\xed\xa0\x80", "\xed\xa0\x80\n",
		  "{\"s\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}\n" },
		{ "\xf4\x90\x80\x80", "\xf4\x90\x80\x80\n",
		  "{\"s\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}\n" },
		{ "x\xe2\x82", "x\xe2\x82\n", "{\"s\":\"x\xef\xbf\xbd\xef\xbf\xbd\"}\n" },
	};
	struct lm_schema schema = fake_schema("s:string");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lm_batch *batch = fake_batch(&schema);

		assert_true(fake_add(batch, cases[i].text));
		expect(row_put_csv, batch, 0, cases[i].csv);
		expect(row_put_json, batch, 0, cases[i].json);
		free(batch);
	}
}

static void
test_not_a_number(void **state)
{
	struct lm_schema schema = fake_schema("x:f64 y:f32");
	struct lm_batch *batch = fake_rows(&schema, (const char *[]){ "nan|-inf", NULL });

	(void)state;
	expect(row_put_json, batch, 0, "{\"x\":null,\"y\":null}\n");
	free(batch);
}

static void
test_names(void **state)
{
	struct lm_schema schema = fake_schema("one:u8 two:string three:f64");
	char line[64];
	struct row_writer writer = { line, line + sizeof(line), false };

	(void)state;
	row_put_csv_names(&writer, &schema, (const uint32_t[]){ 2, 0 }, 2);
	assert_int_equal(writer.at - line, 10);
	assert_memory_equal(line, "three,one\n", 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_not_a_number),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
