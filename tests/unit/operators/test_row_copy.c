/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of columns: every width, whole and picked, behind rows that are there already. */
#include "operators/row_copy.h"
#include "tests/unit/operators/fake_op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
expect(const struct lm_batch *batch, uint32_t row, const char *text)
{
	char found[256];

	fake_row_text(batch, row, found, sizeof(found));
	assert_string_equal(found, text);
}

static void
test_copy(void **state)
{
	struct lm_schema schema = fake_schema("a:u8 b:i16 c:u32 d:f64 e:ip6 f:string");
	struct lm_batch *from = fake_rows(
	    &schema, (const char *[]){ "1|-1|10|0.5|::1|one", "2|-2|20|1.5|::2|",
	                               "3|-3|30|2.5|::3|three", "4|-4|40|3.5|::4|four", NULL });
	struct lm_batch *to = fake_batch(&schema);
	struct row_range whole = { NULL, 0, 4 }, part = row_range_part(&whole, 1, 2);
	struct row_range picked = { (const uint16_t[]){ 3, 0, 2, 2 }, 0, 4 };
	struct row_range last = row_range_part(&picked, 2, 2);

	(void)state;
	for (uint32_t f = 0; f < 6; f++) {
		row_copy(from, f, &part, to, f, 0);
		row_copy(from, f, &picked, to, f, 2);
		row_copy(from, f, &whole, to, f, 6);
		row_copy(from, f, &last, to, f, 10);
	}
	expect(to, 0, "2|-2|20|1.5|::2|");
	expect(to, 1, "3|-3|30|2.5|::3|three");
	expect(to, 2, "4|-4|40|3.5|::4|four");
	expect(to, 3, "1|-1|10|0.5|::1|one");
	expect(to, 5, "3|-3|30|2.5|::3|three");
	expect(to, 6, "1|-1|10|0.5|::1|one");
	expect(to, 9, "4|-4|40|3.5|::4|four");
	expect(to, 11, "3|-3|30|2.5|::3|three");
	free(from);
	free(to);
}

static void
test_gather(void **state)
{
	static const uint32_t index[] = { 2, 0, 2 };
	static const uint8_t bytes[] = { 5, 6, 7 };
	static const uint16_t shorts[] = { 500, 600, 700 };
	static const struct lm_ip6 addresses[] = { { { 1 } }, { { 2 } }, { { 3 } } };
	uint8_t a[3];
	uint16_t b[3];
	struct lm_ip6 c[3];

	(void)state;
	row_gather(a, bytes, index, 3, 1);
	assert_int_equal(a[0], 7);
	assert_int_equal(a[1], 5);
	row_gather(b, shorts, index, 3, 2);
	assert_int_equal(b[2], 700);
	row_gather(c, addresses, index, 3, 16);
	assert_int_equal(c[0].byte[0], 3);
	assert_int_equal(c[1].byte[0], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_gather),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
