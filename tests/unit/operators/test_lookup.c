/* SPDX-License-Identifier: BSD-3-Clause */
/* lookup: tables from files and from the topology, every kind of key, missing keys, selections. */
#include "tests/unit/operators/fake_env.h"
#include "tests/unit/operators/fake_op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct lookup {
	struct fake_operator *subject;
	struct lm_op *op;
};

static struct lookup
lookup_open(const struct fake_param *params, const struct lm_schema *input)
{
	struct lookup l;

	l.subject = fake_configure(fake_class("lookup"), params, &input, 1);
	if (l.subject == NULL) {
		fail_msg("%s: %s", fake_failure.param, fake_failure.message);
	}
	l.op = fake_open(l.subject, 0);
	return l;
}

static void
lookup_close(struct lookup *l)
{
	fake_close(l->op);
	fake_unconfigure(l->subject);
}

static int
setup(void **state)
{
	(void)state;
	fake_env_reset();
	return 0;
}

static void
test_file(void **state)
{
	struct fake_param params[] = { { "key", NULL, "ad" },
		                       { "table", NULL,
		                         fake_env_write("ads.csv",
		                                        "name,ad,campaign,price\r\n"
		                                        "\"a, one\",1,100,0.5\r\n"
		                                        "three,3,300,\r\n"
		                                        "\r\n"
		                                        "seven,7,700,7.5\r\n",
		                                        -1) },
		                       { "add", "campaign", "campaign u32" },
		                       { "add", "what", "name string" },
		                       { "add", "cost", "price f64 = -1" },
		                       { 0 } };
	struct lm_schema schema = fake_schema("ad:u64 user:string");
	struct lookup l = lookup_open(params, &schema);
	struct lm_batch *in =
	    fake_rows(&schema, (const char *[]){ "3|x", "1|yy", "2|z", "7|", "8|w",
	                                         "18446744073709551615|v", NULL });
	struct lm_select select;

	(void)state;
	fake_process(l.op, in);
	assert_int_equal(l.op->output[0].rows, 3);
	fake_expect(l.op, 0, 0, "3|x|300|three|-1");
	fake_expect(l.op, 0, 1, "1|yy|100|a, one|0.5");
	fake_expect(l.op, 0, 2, "7||700|seven|7.5");
	assert_int_equal(l.op->drops[0], 3);
	lm_select_begin(&select, in);
	lm_select_add(&select, 1);
	lm_select_add(&select, 2);
	lm_select_add(&select, 3);
	fake_process_select(l.op, &select);
	assert_int_equal(l.op->output[0].rows, 5);
	fake_expect(l.op, 0, 3, "1|yy|100|a, one|0.5");
	fake_expect(l.op, 0, 4, "7||700|seven|7.5");
	assert_int_equal(l.op->drops[0], 4);
	lookup_close(&l);
	assert_int_equal(fake_env.opened, fake_env.closed);
	free(in);
}

static void
test_missing_default(void **state)
{
	static const struct fake_param params[] = { { "key", NULL, "proto" },
		                                    { "values", "6", "tcp" },
		                                    { "values", "17", "udp" },
		                                    { "add", "name", "string" },
		                                    { "missing", NULL, "default" },
		                                    { "keep", NULL, NULL },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("proto:u8 bytes:u64");
	struct lookup l = lookup_open(params, &schema);
	struct lm_batch *in = fake_rows(&schema, (const char *[]){ "17|1", "1|2", "6|3", NULL });

	(void)state;
	fake_process(l.op, in);
	assert_int_equal(l.op->output[0].rows, 3);
	fake_expect(l.op, 0, 0, "udp");
	fake_expect(l.op, 0, 1, "");
	fake_expect(l.op, 0, 2, "tcp");
	lookup_close(&l);
	free(in);
}

/* Keys that index and keys that are hashed, of every type; the answer is the key's number. */
static void
test_key_types(void **state)
{
	static const struct {
		const char *type;
		const char *key[3], *other;
	} cases[] = {
		{ "u8", { "0", "255", "7" }, "8" },
		{ "i8", { "-128", "-1", "127" }, "1" },
		{ "u16", { "0", "65535", "7" }, "8" },
		{ "i16", { "-32768", "-1", "5" }, "65" },
		{ "u32", { "0", "4294967295", "65536" }, "1" },
		{ "u32", { "0", "5", "4" }, "3" },
		{ "i32", { "-1", "1", "0" }, "-2" },
		{ "u64", { "0", "18446744073709551615", "4294967296" }, "4294967295" },
		{ "i64", { "-1", "3", "-9223372036854775808" }, "4294967295" },
		{ "i64", { "1", "3", "2" }, "-1" },
		{ "ip4", { "10.0.0.1", "0.0.0.0", "255.255.255.255" }, "10.0.0.2" },
		{ "ip6", { "::1", "2001:db8::1", "10.0.0.1" }, "::2" },
		{ "mac",
		  { "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00" },
		  "02:00:00:00:00:02" },
		{ "string", { "", "a", "a string of some length" }, "b" },
		{ "bytes", { "x", "y", "xy" }, "yx" },
		{ "time", { "0", "1000", "-1" }, "1" },
		{ "bool", { "true", "false", NULL }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_param params[] = { { "key", NULL, "k" },
			                       { "add", "n", "u16 = 99" },
			                       { "missing", NULL, "default" },
			                       { "values", cases[i].key[0], "1" },
			                       { "values", cases[i].key[1], "2" },
			                       { cases[i].key[2] == NULL ? NULL : "values",
			                         cases[i].key[2], "3" },
			                       { 0 } };
		char types[32], expected[80];
		struct lm_schema schema;
		struct lookup l;
		struct lm_batch *in;

		snprintf(types, sizeof(types), "k:%s", cases[i].type);
		schema = fake_schema(types);
		l = lookup_open(params, &schema);
		in = fake_batch(&schema);
		for (uint32_t k = 0; k < 3 && cases[i].key[k] != NULL; k++) {
			assert_true(fake_add(in, cases[i].key[k]));
		}
		if (cases[i].other != NULL) {
			assert_true(fake_add(in, cases[i].other));
		}
		fake_process(l.op, in);
		for (uint32_t k = 0; k < in->count; k++) {
			char key[60];

			fake_row_text(in, k, key, sizeof(key));
			snprintf(expected, sizeof(expected), "%s|%u", key, k == 3 ? 99 : k + 1);
			fake_expect(l.op, 0, k, expected);
		}
		lookup_close(&l);
		free(in);
	}
}

/* Many keys, also such that collide, all found again; batches of all sizes. */
static void
test_many(void **state)
{
	enum { KEYS = 20000 };
	size_t size = 0;
	char *text = malloc(KEYS * 64);
	struct fake_param params[] = { { "key", NULL, "k" },          { "table", NULL, NULL },
		                       { "table_key", NULL, "key" },  { "add", "v", "value u32" },
		                       { "add", "s", "text string" }, { 0 } };

	(void)state;
	for (uint32_t kind = 0; kind < 3; kind++) {
		/* Direct; hashed with regular gaps; strings. */
		uint64_t step = kind == 0 ? 3 : 1ull << 36;
		struct lm_schema schema = fake_schema(kind == 2 ? "k:string" : "k:u64");
		struct lookup l;
		uint64_t next = 0, missing = 0;

		size = (size_t)sprintf(text, "value,key,text\n");
		for (uint64_t i = 0; i < KEYS; i++) {
			size += (size_t)sprintf(
			    text + size, "%llu,%llu,t%llu\n", (unsigned long long)i,
			    (unsigned long long)(i * step), (unsigned long long)i % 1000);
		}
		params[1].text = fake_env_write("many.csv", text, (int64_t)size);
		l = lookup_open(params, &schema);
		for (uint32_t count = 1; next < KEYS; count = count % 1024 + 31) {
			struct lm_batch *in = fake_batch(&schema);
			char row[64];

			for (uint32_t i = 0; i < count && next < KEYS; i++, next++) {
				missing += next % 7 == 0;
				snprintf(row, sizeof(row), "%llu",
				         (unsigned long long)(next * step + (next % 7 == 0)));
				assert_true(fake_add(in, row));
			}
			fake_process(l.op, in);
			free(in);
		}
		assert_int_equal(l.op->drops[0], missing);
		assert_int_equal(l.op->output[0].rows, KEYS - missing);
		for (uint64_t row = 0, key = 0; key < KEYS; key++) {
			char expected[80];

			if (key % 7 == 0) {
				continue;
			}
			snprintf(expected, sizeof(expected), "%llu|%llu|t%llu",
			         (unsigned long long)(key * step), (unsigned long long)key,
			         (unsigned long long)key % 1000);
			fake_expect(l.op, 0, row++, expected);
		}
		lookup_close(&l);
	}
	free(text);
}

/* Output batches that hold fewer rows than the input's. */
static void
test_small_output(void **state)
{
	static const struct fake_param params[] = { { "key", NULL, "k" },
		                                    { "values", "1", "one" },
		                                    { "values", "2", "two" },
		                                    { "add", "s", "string" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema("k:u64");
	struct fake_operator *subject =
	    fake_configure(fake_class("lookup"), params, &(const struct lm_schema *){ &schema }, 1);
	struct lm_batch *in = fake_batch(&schema);
	struct lm_op *op;

	(void)state;
	subject->output[0] = fake_schema_rows("k:u64 s:string:4000", 100);
	op = fake_open(subject, 0);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_true(fake_add(in, i % 3 == 0 ? "1" : i % 3 == 1 ? "2" : "3"));
	}
	fake_process(op, in);
	assert_int_equal(op->output[0].rows, 667);
	assert_int_equal(op->drops[0], 333);
	for (uint64_t row = 0; row < 667; row++) {
		fake_expect(op, 0, row, row % 2 == 0 ? "1|one" : "2|two");
	}
	fake_close(op);
	fake_unconfigure(subject);
	free(in);
}

static void
expect_refused(const struct fake_param *params, const char *param, const char *message)
{
	struct lm_schema schema = fake_schema("k:u16 x:f64");
	const struct lm_schema *input = &schema;

	if (fake_configure(fake_class("lookup"), params, &input, 1) != NULL) {
		fail_msg("\"%s\" was expected", message);
	}
	assert_string_equal(fake_failure.param, param);
	if (strstr(fake_failure.message, message) == NULL) {
		fail_msg("\"%s\" instead of \"%s\"", fake_failure.message, message);
	}
}

static void
test_mistakes(void **state)
{
	struct fake_param params[] = { { "key", NULL, "k" },
		                       { "add", "v", "value u32" },
		                       { "table", NULL, "?" },
		                       { 0 },
		                       { 0 },
		                       { 0 } };

	(void)state;
	expect_refused(params, "table", "cannot read ?: No such file");
	params[2].text = fake_env_write("t.csv", "k,value\n1,2\n3,x\n", -1);
	expect_refused(params, "table", "t.csv:3: \"x\" is not a value of type u32");
	params[2].text = fake_env_write("t.csv", "k,value\n1,2\n70000,4\n", -1);
	expect_refused(params, "table", "t.csv:3: the key \"70000\" is not a value of type u16");
	params[2].text = fake_env_write("t.csv", "k,value\n1,2\n\n2,3\n1,4\n", -1);
	expect_refused(params, "table", "t.csv:5: the key was there before");
	params[2].text = fake_env_write("t.csv", "k,value\n1,2,3\n", -1);
	expect_refused(params, "table", "t.csv:2: 3 cells instead of 2");
	params[2].text = fake_env_write("t.csv", "k,value\n1,\"2\n", -1);
	expect_refused(params, "table", "t.csv:2: the quotes are wrong");
	params[2].text = fake_env_write("t.csv", "", -1);
	expect_refused(params, "table", "t.csv is empty");
	params[2].text = fake_env_write("t.csv", "key,value\n", -1);
	expect_refused(params, "key", "t.csv has no column \"k\"");
	params[3] = (struct fake_param){ "table_key", NULL, "key" };
	params[1].text = "val u32";
	expect_refused(params, "add", "t.csv has no column \"val\"");
	params[1].text = "value u33";
	expect_refused(params, "add", "no such type");
	assert_int_equal(fake_failure.column, 6);
	params[2] = (struct fake_param){ "values", "1", "2" };
	params[1].text = "u8";
	params[3] = (struct fake_param){ "values", "2", "300" };
	expect_refused(params, "values", "\"300\" is not a value of type u8");
	assert_int_equal(fake_failure.item, 1);
	params[3] = (struct fake_param){ "add", "w", "u8" };
	expect_refused(params, "add", "2 columns to add");
	params[3] = (struct fake_param){ "table", NULL, "both" };
	expect_refused(params, "table", "one of `table` and `values` is needed, not both");
	params[0].text = "x";
	expect_refused(params, "key", "keys of type f64 cannot be looked up");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_file, setup),
		cmocka_unit_test_setup(test_missing_default, setup),
		cmocka_unit_test_setup(test_key_types, setup),
		cmocka_unit_test_setup(test_many, setup),
		cmocka_unit_test_setup(test_small_output, setup),
		cmocka_unit_test_setup(test_mistakes, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
