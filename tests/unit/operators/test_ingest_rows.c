/* SPDX-License-Identifier: BSD-3-Clause */
/* operators/ingest_rows.c: rows to bytes and back, all or some, and bytes that are no rows. */
#include "operators/ingest_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/operators/fake_op.h"

#define TEXT_MAX 4096u

static const char *const schemas[] = {
	"a:i8 b:i16 c:i32 d:i64 e:u8 f:u16 g:u32 h:u64 i:f32 j:f64 k:bool l:time m:ip4 n:ip6 o:mac",
	"word:string",
	"time:time word:string key:u64 more:bytes flag:bool",
};

static uint64_t noise = 1;

static uint64_t
below(uint64_t bound)
{
	noise = noise * 6364136223846793005u + 1442695040888963407u;
	return (noise >> 33) % bound;
}

/* Random values of any type. */
static void
fill(struct lm_batch *batch, uint32_t rows)
{
	const struct lm_schema *schema = batch->schema;
	char word[64];

	for (uint32_t i = 0; i < schema->field_count; i++) {
		uint32_t width = lm_type_width(schema->field[i].type);

		for (uint32_t row = 0; row < rows; row++) {
			uint8_t *at = (uint8_t *)lm_batch_column(batch, i) + (size_t)row * width;
			uint32_t length = width == 0 ? (uint32_t)below(50) : width;

			for (uint32_t k = 0; k < length; k++) {
				word[k] = (char)below(schema->field[i].type == LM_BOOL ? 2 : 256);
			}
			if (width == 0) {
				if (row == 0) {
					lm_batch_offsets(batch, i)[0] = 0;
				}
				assert_true(lm_batch_put_string(batch, i, row, word, length));
			} else {
				memcpy(at, word, width);
			}
		}
	}
	batch->count = rows;
}

static void
expect_row(const struct lm_batch *want, uint32_t want_row, const struct lm_batch *got,
           uint32_t got_row)
{
	static char a[TEXT_MAX], b[TEXT_MAX];

	fake_row_text(want, want_row, a, sizeof(a));
	fake_row_text(got, got_row, b, sizeof(b));
	assert_string_equal(a, b);
}

static uint8_t *
to_bytes(const struct lm_batch *batch, uint32_t *size)
{
	uint8_t *bytes;

	*size = ingest_rows_size(batch);
	bytes = malloc(*size);
	assert_non_null(bytes);
	ingest_rows_write(batch, bytes);
	assert_true(ingest_rows_check(batch->schema, bytes, *size, batch->count));
	return bytes;
}

static void
test_there_and_back(void **state)
{
	(void)state;
	for (uint32_t s = 0; s < sizeof(schemas) / sizeof(schemas[0]); s++) {
		struct lm_schema schema = fake_schema(schemas[s]);

		for (uint32_t rows = 1; rows <= 200; rows += 1 + rows / 3) {
			struct lm_batch *in = fake_batch(&schema), *out = fake_batch(&schema);
			uint32_t size, at = 0;
			uint8_t *bytes;

			fill(in, rows);
			bytes = to_bytes(in, &size);
			while (at < rows) {
				struct ingest_range range = { rows, at,
					                      1 + (uint32_t)below(rows - at) };
				uint32_t got = ingest_rows_read(bytes, &range, out, at);

				assert_int_equal(got, range.count);
				at += got;
			}
			out->count = rows;
			for (uint32_t row = 0; row < rows; row++) {
				expect_row(in, row, out, row);
			}
			free(bytes);
			free(in);
			free(out);
		}
	}
}

/* A batch that takes fewer bytes of strings gets as many rows as fit, and not one byte more. */
static void
test_less_room(void **state)
{
	struct lm_schema wide = fake_schema("key:u64 word:string:2000 more:bytes:2000");
	struct lm_schema narrow = fake_schema("key:u64 word:string:300 more:bytes:200");
	struct lm_batch *in = fake_batch(&wide);
	uint32_t size, at = 0, batches = 0;
	uint8_t *bytes;

	(void)state;
	fill(in, 40);
	bytes = to_bytes(in, &size);
	while (at < 40) {
		struct lm_batch *out = fake_batch(&narrow);
		struct ingest_range range = { 40, at, 40 - at };
		uint32_t got = ingest_rows_read(bytes, &range, out, 0);

		assert_in_range(got, 1, 39);
		for (uint32_t row = 0; row < got; row++) {
			expect_row(in, at + row, out, row);
		}
		/* One more would not have fitted. */
		assert_true(
		    at + got == 40 ||
		    lm_batch_offsets(in, 1)[at + got + 1] - lm_batch_offsets(in, 1)[at] > 300 ||
		    lm_batch_offsets(in, 2)[at + got + 1] - lm_batch_offsets(in, 2)[at] > 200);
		at += got;
		range = (struct ingest_range){ 40, at, 40 - at };
		assert_true(at == 40 || ingest_rows_read(bytes, &range, out, got) == 0);
		batches++;
		free(out);
	}
	assert_true(batches > 3);
	free(bytes);
	free(in);
}

static void
test_no_rows(void **state)
{
	struct lm_schema schema = fake_schema(schemas[2]);
	struct lm_batch *in = fake_batch(&schema);
	uint32_t size, end = 0;
	uint8_t *bytes;

	(void)state;
	fill(in, 20);
	bytes = to_bytes(in, &size);
	assert_false(ingest_rows_check(&schema, bytes, size, 0));
	assert_false(ingest_rows_check(&schema, bytes, size, 19));
	assert_false(ingest_rows_check(&schema, bytes, size, 21));
	assert_false(ingest_rows_check(&schema, bytes, size, UINT32_MAX));
	for (uint32_t less = 1; less <= size; less++) {
		assert_false(ingest_rows_check(&schema, bytes, size - less, 20));
	}
	/* A string that ends before it begins. */
	memcpy(bytes + 20 * 8 + 4, &end, sizeof(end));
	memcpy(bytes + 20 * 8 + 8, &end, sizeof(end));
	memset(bytes + 20 * 8, 1, 4);
	assert_false(ingest_rows_check(&schema, bytes, size, 20));
	ingest_rows_write(in, bytes);
	bytes[size - 1] = 2; /* the flags are last */
	assert_false(ingest_rows_check(&schema, bytes, size, 20));
	free(bytes);
	free(in);
}

static void
test_schema_text(void **state)
{
	struct lm_schema schema = fake_schema(schemas[2]);
	char text[INGEST_SCHEMA_MAX];

	(void)state;
	ingest_rows_schema(&schema, text);
	assert_string_equal(text, schemas[2]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_less_room),
		cmocka_unit_test(test_no_rows),
		cmocka_unit_test(test_schema_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
