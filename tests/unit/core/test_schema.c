/* SPDX-License-Identifier: BSD-3-Clause */
/* core/schema.c: layout of every type, what is refused, wide rows, strings. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lm_batch.h"
#include "core/lm_op.h"

static struct lm_field
field_of(const char *name, enum lm_type type, uint32_t bytes_max)
{
	struct lm_field field;

	memset(&field, 0, sizeof(field));
	snprintf(field.name, sizeof(field.name), "%s", name);
	field.type = type;
	field.bytes_max = bytes_max;
	return field;
}

static struct lm_batch *
batch_of(const struct lm_schema *schema)
{
	struct lm_batch *batch = aligned_alloc(64, schema->size);

	assert_non_null(batch);
	memset(batch, 0xa5, schema->size);
	batch->schema = schema;
	return batch;
}

static uint32_t
every_type(struct lm_field *field)
{
	for (uint32_t i = 0; i < LM_TYPE_COUNT; i++) {
		char name[LM_NAME_MAX];

		snprintf(name, sizeof(name), "f_%s", lm_type_text((enum lm_type)i));
		field[i] = field_of(name, (enum lm_type)i, 0);
	}
	return LM_TYPE_COUNT;
}

/* Columns are aligned, in order, and none reaches into the next. */
static void
check_layout(const struct lm_schema *schema)
{
	uint32_t rows = schema->capacity;
	uint64_t end = sizeof(struct lm_batch) + 8ull * rows;

	for (uint32_t i = 0; i < schema->field_count; i++) {
		uint32_t width = lm_type_width(schema->field[i].type);

		assert_int_equal(schema->offset[i] % 64, 0);
		assert_true(schema->offset[i] >= end);
		assert_true(schema->offset[i] < end + 64);
		end = schema->offset[i] + (uint64_t)rows * width;
		if (width == 0) {
			end += 4ull * (rows + 1);
			assert_int_equal(schema->bytes_offset[i] % 64, 0);
			assert_true(schema->bytes_offset[i] >= end);
			assert_true(schema->field[i].bytes_max > 0);
			end = (uint64_t)schema->bytes_offset[i] + schema->field[i].bytes_max +
			      LM_BYTES_SLACK;
		} else {
			assert_int_equal(schema->bytes_offset[i], 0);
			assert_int_equal(schema->field[i].bytes_max, 0);
		}
	}
	if (schema->frame_field != LM_NONE) {
		assert_int_equal(schema->handle_offset % 64, 0);
		assert_true(schema->handle_offset >= end);
		end = schema->handle_offset + 8ull * rows;
	} else {
		assert_int_equal(schema->handle_offset, 0);
	}
	assert_int_equal(schema->size % 64, 0);
	assert_true(schema->size >= end);
	assert_true(schema->size < end + 64);
	assert_true(schema->size <= LM_BATCH_SIZE_MAX);
}

static void
test_layout(void **state)
{
	struct lm_field field[LM_FIELDS_MAX];
	struct lm_schema schema;
	uint32_t count = every_type(field);

	(void)state;
	for (uint32_t rows = 1; rows <= LM_BATCH_ROWS; rows++) {
		assert_int_equal(lm_schema_init(&schema, field, count, rows), 0);
		assert_int_equal(schema.capacity, rows);
		assert_int_equal(schema.field_count, count);
		check_layout(&schema);
	}
	assert_int_equal(schema.time_field, LM_TIME);
	assert_int_equal(schema.frame_field, LM_FRAME);
	assert_int_equal(schema.field[LM_STRING].bytes_max, 64 * LM_BATCH_ROWS);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(lm_schema_find(&schema, field[i].name), i);
	}
	assert_int_equal(lm_schema_find(&schema, "f_"), LM_NONE);
	assert_int_equal(lm_schema_find(&schema, ""), LM_NONE);
}

static void
test_first_time(void **state)
{
	struct lm_field field[] = { field_of("a", LM_U8, 0), field_of("b", LM_TIME, 0),
		                    field_of("c", LM_TIME, 0) };
	struct lm_schema schema;

	(void)state;
	assert_int_equal(lm_schema_init(&schema, field, 3, 10), 0);
	assert_int_equal(schema.time_field, 1);
	assert_int_equal(schema.frame_field, LM_NONE);
	assert_int_equal(lm_schema_init(&schema, field, 1, 10), 0);
	assert_int_equal(schema.time_field, LM_NONE);
}

static void
test_refused(void **state)
{
	static const char *const names[] = { "", "1a", "a-b", "a b", "a.b", "\xc3\xa9", "a\n" };
	struct lm_field good = field_of("_aZ09", LM_U8, 0);
	struct lm_field many[LM_FIELDS_MAX + 1];
	struct lm_field pair[2];
	struct lm_schema schema;

	(void)state;
	assert_int_equal(lm_schema_init(&schema, &good, 1, 1), 0);
	assert_int_equal(lm_schema_init(&schema, &good, 0, 1), -EINVAL);
	assert_int_equal(lm_schema_init(&schema, &good, 1, 0), -EINVAL);
	assert_int_equal(lm_schema_init(&schema, &good, 1, LM_BATCH_ROWS + 1), -EINVAL);
	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct lm_field bad = field_of(names[i], LM_U8, 0);

		assert_int_equal(lm_schema_init(&schema, &bad, 1, 1), -EINVAL);
	}
	memset(pair[0].name, 'a', sizeof(pair[0].name)); /* without an end */
	pair[0].type = LM_U8;
	assert_int_equal(lm_schema_init(&schema, pair, 1, 1), -EINVAL);
	pair[0].name[LM_NAME_MAX - 1] = '\0';
	assert_int_equal(lm_schema_init(&schema, pair, 1, 1), 0);

	good.type = LM_TYPE_COUNT;
	assert_int_equal(lm_schema_init(&schema, &good, 1, 1), -EINVAL);
	pair[0] = pair[1] = field_of("same", LM_U8, 0);
	assert_int_equal(lm_schema_init(&schema, pair, 2, 1), -EINVAL);
	pair[0] = field_of("x", LM_FRAME, 0);
	pair[1] = field_of("y", LM_FRAME, 0);
	assert_int_equal(lm_schema_init(&schema, pair, 2, 1), -EINVAL);
	for (uint32_t i = 0; i <= LM_FIELDS_MAX; i++) {
		char name[LM_NAME_MAX];

		snprintf(name, sizeof(name), "f%u", i);
		many[i] = field_of(name, LM_U64, 0);
	}
	assert_int_equal(lm_schema_init(&schema, many, LM_FIELDS_MAX, LM_BATCH_ROWS), 0);
	assert_int_equal(lm_schema_init(&schema, many, LM_FIELDS_MAX + 1, 1), -E2BIG);
}

static void
test_wide_rows(void **state)
{
	struct lm_field field[LM_FIELDS_MAX];
	struct lm_schema schema;

	(void)state;
	for (uint32_t i = 0; i < LM_FIELDS_MAX; i++) {
		char name[LM_NAME_MAX];

		snprintf(name, sizeof(name), "s%u", i);
		field[i] = field_of(name, LM_STRING, 0);
	}
	/* 32 fields of 68 bytes a row: 1024 and 512 rows are too many. */
	assert_int_equal(lm_schema_init(&schema, field, LM_FIELDS_MAX, LM_BATCH_ROWS), 0);
	assert_int_equal(schema.capacity, 128);
	assert_int_equal(schema.field[0].bytes_max, 64 * 128);
	check_layout(&schema);

	field[0] = field_of("wide", LM_BYTES, LM_BATCH_SIZE_MAX - 1024);
	assert_int_equal(lm_schema_init(&schema, field, 1, LM_BATCH_ROWS), 0);
	assert_int_equal(schema.capacity, 64);
	assert_int_equal(lm_batch_bytes_max(&schema, 0), LM_BATCH_SIZE_MAX - 1024);
	check_layout(&schema);
	field[0] = field_of("wide", LM_BYTES, LM_BATCH_SIZE_MAX);
	assert_int_equal(lm_schema_init(&schema, field, 1, 1), -E2BIG);
	field[0] = field_of("wide", LM_BYTES, UINT32_MAX);
	assert_int_equal(lm_schema_init(&schema, field, 1, LM_BATCH_ROWS), -E2BIG);
	field[1] = field_of("wider", LM_BYTES, UINT32_MAX);
	assert_int_equal(lm_schema_init(&schema, field, 2, LM_BATCH_ROWS), -E2BIG);
}

static void
test_equal(void **state)
{
	struct lm_field field[] = { field_of("a", LM_U8, 0), field_of("b", LM_STRING, 0) };
	struct lm_schema a, b;

	(void)state;
	assert_int_equal(lm_schema_init(&a, field, 2, 10), 0);
	field[1].bytes_max = 100;
	assert_int_equal(lm_schema_init(&b, field, 2, 20), 0);
	assert_true(lm_schema_equal(&a, &b));
	assert_int_equal(lm_schema_init(&b, field, 1, 10), 0);
	assert_false(lm_schema_equal(&a, &b));
	field[1].type = LM_BYTES;
	assert_int_equal(lm_schema_init(&b, field, 2, 10), 0);
	assert_false(lm_schema_equal(&a, &b));
	field[1] = field_of("c", LM_STRING, 0);
	assert_int_equal(lm_schema_init(&b, field, 2, 10), 0);
	assert_false(lm_schema_equal(&a, &b));
	/* From its own fields, in place. */
	assert_int_equal(lm_schema_init(&b, b.field, 2, 10), 0);
	assert_int_equal(lm_schema_find(&b, "c"), 1);
}

static void
test_types(void **state)
{
	(void)state;
	assert_string_equal(lm_type_text(LM_I8), "i8");
	assert_string_equal(lm_type_text(LM_FRAME), "frame");
	assert_non_null(lm_type_text(LM_TYPE_COUNT));
	assert_int_equal(lm_type_width(LM_IP6), 16);
	assert_int_equal(lm_type_width(LM_BYTES), 0);
	assert_int_equal(lm_type_width(LM_TYPE_COUNT), 0);
	for (uint32_t i = 0; i < LM_TYPE_COUNT; i++) {
		assert_int_equal(lm_type_find(lm_type_text((enum lm_type)i)), i);
	}
	assert_int_equal(lm_type_find("u128"), LM_TYPE_COUNT);
	assert_int_equal(lm_type_find(""), LM_TYPE_COUNT);
}

static void
test_strings(void **state)
{
	struct lm_field field[] = { field_of("s", LM_STRING, 10), field_of("t", LM_BYTES, 4) };
	struct lm_schema schema;
	struct lm_batch *batch;

	(void)state;
	assert_int_equal(lm_schema_init(&schema, field, 2, 3), 0);
	batch = batch_of(&schema);
	assert_true(lm_batch_put_string(batch, 0, 0, "hello", 5));
	assert_true(lm_batch_put_string(batch, 0, 1, NULL, 0));
	assert_false(lm_batch_put_string(batch, 0, 2, "worlds", 6));
	assert_false(lm_batch_put_string(batch, 0, 2, "w", UINT32_MAX));
	assert_true(lm_batch_put_string(batch, 0, 2, "world", 5));
	assert_true(lm_batch_put_string(batch, 1, 0, "\0\0\0\0", 4));
	assert_int_equal(lm_batch_offsets(batch, 0)[0], 0);
	assert_int_equal(lm_batch_offsets(batch, 0)[1], 5);
	assert_int_equal(lm_batch_offsets(batch, 0)[2], 5);
	assert_int_equal(lm_batch_offsets(batch, 0)[3], 10);
	assert_memory_equal(lm_batch_bytes(batch, 0), "helloworld", 10);
	/* A batch that is used again starts over. */
	assert_true(lm_batch_put_string(batch, 0, 0, "0123456789", 10));
	free(batch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),  cmocka_unit_test(test_first_time),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_wide_rows),
		cmocka_unit_test(test_equal),   cmocka_unit_test(test_types),
		cmocka_unit_test(test_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
