/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys of columns: equal rows give equal keys and others do not; keys go back to columns. */
#include "state/lm_key.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/operators/fake_op.h"

#include <cmocka.h>

#define ROWS 60u

/* Rows with many repeats; widths 1 to 16 and two strings. */
static struct lm_batch *
some_rows(const struct lm_schema *schema)
{
	struct lm_batch *batch = fake_batch(schema);
	char row[200];

	for (uint32_t i = 0; i < ROWS; i++) {
		snprintf(row, sizeof(row), "%u|%u|%d|%u|%u|2001::%x|%.*s|%.*s", i % 3, i % 2,
		         -(int)(i % 4), i % 5 + 70000, i % 2, i % 3, (int)(i % 3), "abc",
		         (int)(i % 2 * 30), "a string that is longer than 12 bytes");
		assert_true(fake_add(batch, row));
	}
	return batch;
}

static const char schema_text[] = "a:u8 b:u16 c:i32 d:u64 e:bool f:ip6 s:string t:string";

/* The i-th key as lm_map would see it. */
static const char *
key_at(const struct lm_key *key, const struct lm_map_rows *packed, uint32_t row, uint32_t *length)
{
	if (key->size == 0) {
		*length = packed->offsets[row + 1] - packed->offsets[row];
		return (const char *)packed->keys + packed->offsets[row];
	}
	*length = key->size;
	return (const char *)packed->keys + (size_t)row * key->size;
}

static bool
rows_equal(const struct lm_batch *in, const uint32_t *fields, uint32_t count, uint32_t a,
           uint32_t b)
{
	char x[100], y[100];

	for (uint32_t i = 0; i < count; i++) {
		lm_batch_format(in, fields[i], a, x, sizeof(x));
		lm_batch_format(in, fields[i], b, y, sizeof(y));
		if (strcmp(x, y) != 0) {
			return false;
		}
	}
	return true;
}

/* Keys of these fields: compared with the rows, unpacked, copied; all rows or every third. */
static void
check_key(const struct lm_schema *schema, const uint32_t *fields, uint32_t count, uint32_t size)
{
	struct lm_batch *in = some_rows(schema), *out, *copy;
	struct lm_map_entry entry[ROWS];
	struct lm_schema out_schema;
	struct lm_select some;
	struct lm_key key;
	void *scratch;

	assert_int_equal(lm_key_init(&key, schema, fields, count), 0);
	assert_int_equal(key.size, size);
	assert_int_equal(lm_schema_init(&out_schema, key.column, count, ROWS), 0);
	scratch = malloc(lm_key_scratch_size(&key));
	out = fake_batch(&out_schema);
	copy = fake_batch(&out_schema);
	for (uint32_t step = 1; step <= 3; step += 2) {
		struct lm_map_rows packed;
		uint32_t kept;

		lm_select_begin(&some, in);
		for (uint32_t i = 0; i < ROWS; i += step) {
			lm_select_add(&some, i);
		}
		/* What stood there before must not matter. */
		for (size_t i = 0; i < lm_key_scratch_size(&key); i++) {
			((unsigned char *)scratch)[i] = (unsigned char)(i * i / 7);
		}
		lm_key_pack(&key, scratch, in, step == 1 ? NULL : &some, &packed);
		kept = step == 1 ? ROWS : some.count;
		assert_int_equal(packed.count, kept);
		for (uint32_t i = 0; i < kept; i++) {
			entry[i].key = key_at(&key, &packed, some.row[i], &entry[i].length);
			for (uint32_t j = 0; j < i; j++) {
				bool same =
				    entry[i].length == entry[j].length &&
				    memcmp(entry[i].key, entry[j].key, entry[i].length) == 0;

				assert_int_equal(
				    same, rows_equal(in, fields, count, some.row[i], some.row[j]));
			}
		}
		assert_int_equal(lm_key_unpack(&key, entry, kept, out, 0, 0), kept);
		assert_int_equal(lm_key_copy(&key, in, some.row, kept, copy, 0, 0), kept);
		for (uint32_t i = 0; i < kept; i++) {
			for (uint32_t f = 0; f < count; f++) {
				char x[100], y[100];

				lm_batch_format(in, fields[f], some.row[i], x, sizeof(x));
				lm_batch_format(out, f, i, y, sizeof(y));
				assert_string_equal(x, y);
				lm_batch_format(copy, f, i, y, sizeof(y));
				assert_string_equal(x, y);
			}
		}
	}
	free(scratch);
	free(in);
	free(out);
	free(copy);
}

static void
test_fixed(void **state)
{
	struct lm_schema schema = fake_schema_rows(schema_text, ROWS);

	(void)state;
	check_key(&schema, (uint32_t[]){ 0 }, 1, 8);
	check_key(&schema, (uint32_t[]){ 1 }, 1, 8);
	check_key(&schema, (uint32_t[]){ 2 }, 1, 8);
	check_key(&schema, (uint32_t[]){ 3 }, 1, 8);
	check_key(&schema, (uint32_t[]){ 5 }, 1, 16);
	check_key(&schema, (uint32_t[]){ 0, 1, 2, 4 }, 4, 8);
	check_key(&schema, (uint32_t[]){ 2, 3 }, 2, 16);
	check_key(&schema, (uint32_t[]){ 0, 5, 3 }, 3, 32);
}

static void
test_strings(void **state)
{
	struct lm_schema schema = fake_schema_rows(schema_text, ROWS);

	(void)state;
	check_key(&schema, (uint32_t[]){ 6 }, 1, 0);
	check_key(&schema, (uint32_t[]){ 7 }, 1, 0);
	check_key(&schema, (uint32_t[]){ 6, 7 }, 2, 0);
	check_key(&schema, (uint32_t[]){ 7, 0, 6, 5 }, 4, 0);
}

/* Strings that do not fit any more: as many rows as do. */
static void
test_no_space(void **state)
{
	struct lm_schema schema = fake_schema("s:string k:u8"), small;
	struct lm_batch *in = fake_batch(&schema), *out;
	struct lm_map_rows packed;
	struct lm_map_entry entry[3];
	struct lm_key key;
	const uint16_t rows[] = { 0, 1, 2 };

	(void)state;
	assert_true(fake_add(in, "four|1"));
	assert_true(fake_add(in, "five5|2"));
	assert_true(fake_add(in, "x|3"));
	assert_int_equal(lm_key_init(&key, &schema, (uint32_t[]){ 0 }, 1), 0);
	small = fake_schema_rows("s:string:8", 3);
	out = fake_batch(&small);
	lm_key_pack(&key, NULL, in, NULL, &packed);
	for (uint32_t i = 0; i < 3; i++) {
		entry[i].key = key_at(&key, &packed, i, &entry[i].length);
	}
	assert_int_equal(lm_key_unpack(&key, entry, 3, out, 0, 0), 1);
	assert_int_equal(lm_key_copy(&key, in, rows, 3, out, 0, 0), 1);
	assert_int_equal(lm_key_copy(&key, in, rows + 1, 2, out, 0, 0), 2);
	free(in);
	free(out);
}

static void
test_refused(void **state)
{
	struct lm_schema schema = fake_schema("a:ip6 b:ip6 c:ip6 d:ip6 e:u8 f:frame");
	const uint32_t five[] = { 0, 1, 2, 3, 4 }, frame[] = { 5 }, nine[9] = { 0 };
	struct lm_key key;

	(void)state;
	assert_int_equal(lm_key_init(&key, &schema, five, 4), 0);
	assert_int_equal(key.size, 64);
	assert_int_equal(lm_key_init(&key, &schema, five, 5), -E2BIG);
	assert_int_equal(lm_key_init(&key, &schema, frame, 1), -EINVAL);
	assert_int_equal(lm_key_init(&key, &schema, nine, 9), -EINVAL);
	assert_int_equal(lm_key_init(&key, &schema, nine, 0), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_no_space),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
