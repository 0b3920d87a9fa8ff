/* SPDX-License-Identifier: BSD-3-Clause */
/* json_row: objects taken apart into cells, and what is none. */
#include "operators/json_row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char names[][8] = { "a", "b", "long" };
static struct csv_row row;

/* Out of a block of its own, so that a step over its end is seen. */
static bool
take(const char *text, char *got, size_t size)
{
	size_t length = strlen(text), at = 0;
	char *line = malloc(length + 1);
	bool good;

	assert_non_null(line);
	memcpy(line, text, length);
	line[length] = '\0';
	line = realloc(line, length == 0 ? 1 : length);
	assert_non_null(line);
	good = json_take(line, length, names[0], sizeof(names[0]), 3, &row);
	got[0] = '\0';
	for (uint32_t i = 0; good && i < 3; i++) {
		at += (size_t)snprintf(got + at, size - at, "%s%.*s", i == 0 ? "" : "|",
		                       (int)row.cell[i].length, row.cell[i].text);
	}
	free(line);
	return good;
}

#define EXPECT(text, cells)                                                                        \
	do {                                                                                       \
		char cells_got[256];                                                               \
                                                                                                   \
		assert_true(take(text, cells_got, sizeof(cells_got)));                             \
		assert_string_equal(cells_got, cells);                                             \
	} while (0)

static void
test_values(void **state)
{
	(void)state;
	EXPECT("{}", "||");
	EXPECT(" { } ", "||");
	EXPECT("{\"a\":1,\"b\":\"x\",\"long\":true}", "1|x|true");
	EXPECT("{ \"long\" : -0.5e+10 , \"b\" : false }\r", "|false|-0.5e+10");
	EXPECT("{\"b\":null,\"other\":7,\"a\":\"\"}", "||");
	EXPECT("{\"a\":1,\"a\":22,\"along\":3}", "22||");
	EXPECT("{\"a\":0,\"b\":10,\"long\":-0}", "0|10|-0");
}

static void
test_strings(void **state)
{
	(void)state;
	EXPECT("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"b\":\"\\u0041\\u00e9\\u20ac\"}",
	       "\"\\/\b\f\n\r\t|A\xc3\xa9\xe2\x82\xac|");
	EXPECT("{\"a\":\"\\ud83d\\ude00\",\"b\":\"\\ud83d\",\"long\":\"\\ude00x\\ud83d\\u0041\"}",
	       "\xf0\x9f\x98\x80|\xef\xbf\xbd|\xef\xbf\xbdx\xef\xbf\xbd"
	       "A");
	EXPECT("{\"\\u0061\":\"by another name\"}", "by another name||");
	EXPECT("{\"a\":\"\xc3\xa9}{\"}", "\xc3\xa9}{||");
}

static void
test_nested(void **state)
{
	char deep[400], got[512];

	(void)state;
	EXPECT("{\"x\":{\"a\":[1,\"}\\\"\",{}]},\"a\":[1,{\"b\":\"]\"}],\"b\":{}}",
	       "[1,{\"b\":\"]\"}]|{}|");
	memset(deep, 0, sizeof(deep));
	memcpy(deep, "{\"a\":", 5);
	memset(deep + 5, '[', JSON_DEPTH_MAX);
	memset(deep + 5 + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	deep[5 + 2 * JSON_DEPTH_MAX] = '}';
	assert_true(take(deep, got, sizeof(got)));
	memmove(deep + 6, deep + 5, sizeof(deep) - 6);
	deep[5] = '[';
	deep[6 + 2 * JSON_DEPTH_MAX] = ']';
	deep[7 + 2 * JSON_DEPTH_MAX] = '}';
	assert_false(take(deep, got, sizeof(got)));
}

static void
test_mistakes(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"x",
		"[]",
		"1",
		"{}x",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1",
		"{\"a\":1,}",
		"{\"a\":1 \"b\":2}",
		"{a:1}",
		"{\"a\":01}",
		"{\"a\":-}",
		"{\"a\":1.}",
		"{\"a\":1e}",
		"{\"a\":.5}",
		"{\"a\":tru}",
		"{\"a\":nul",
		"{\"a\":\"}",
		"{\"a\":\"\\",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12\"}",
		"{\"a\":\"\\u12g4\"}",
		"{\"a\":\"\\ud83d\\u\"}",
		"{\"a\":\"\t\"}",
		"{\"a\":[}",
		"{\"a\":[}]}",
		"{\"a\":[\"]}",
		"{\"a\":{\"b\":\"\\",
		"{} {}",
	};
	char got[256];

	(void)state;
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (take(bad[i], got, sizeof(got))) {
			fail_msg("%s was taken for an object: %s", bad[i], got);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
