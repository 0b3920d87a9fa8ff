/* SPDX-License-Identifier: BSD-3-Clause */
/* core/gather.c: rows copied from batch to batch, against a loop over the values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/batch.h"
#include "tests/unit/core/batch_rig.h"

static struct lm_pool *
make_pool(struct lm_schema *schema, bool frames)
{
	struct lm_pool *pool;

	do {
		batch_rig_schema(schema, 1 + (uint32_t)(batch_rig_random() % LM_BATCH_ROWS),
		                 frames);
	} while (schema->field_count == 0);
	pool = pool_create(schema, 8, 1, -1);
	assert_non_null(pool);
	return pool;
}

/* Whether one more row of `from` would have fitted. */
static bool
row_fits(const struct lm_batch *to, const struct lm_batch *from, uint32_t row)
{
	for (uint32_t field = 0; field < to->schema->field_count; field++) {
		const uint32_t *from_offsets = lm_batch_offsets(from, field);
		uint32_t used;

		if (lm_type_width(to->schema->field[field].type) != 0) {
			continue;
		}
		used = to->count == 0 ? 0 : lm_batch_offsets(to, field)[to->count];
		if (used + from_offsets[row + 1] - from_offsets[row] >
		    lm_batch_bytes_max(to->schema, field)) {
			return false;
		}
	}
	return to->count < to->schema->capacity;
}

/* Increasing rows of a batch, any number of them. */
static uint32_t
pick_rows(uint16_t *rows, uint32_t count)
{
	uint64_t share = batch_rig_random() % 101;
	uint32_t picked = 0;

	for (uint32_t row = 0; row < count; row++) {
		if (batch_rig_random() % 100 < share) {
			rows[picked++] = (uint16_t)row;
		}
	}
	return picked;
}

/* One append of random rows; what `to` had and what it gets are compared row by row. */
static void
check_append(struct lm_pool *pool, struct lm_batch *to)
{
	static uint16_t rows[LM_BATCH_ROWS];
	struct lm_batch *from = batch_take(pool, 0), *before = batch_take(pool, 0);
	bool dense = batch_rig_random() % 2 == 0;
	uint32_t first = 0, count, fitted, had = to->count;

	batch_append(before, to, NULL, 0, had);
	batch_rig_fill(from, (uint32_t)(batch_rig_random() % (from->schema->capacity + 1)));
	if (dense) {
		first = (uint32_t)(batch_rig_random() % (from->count + 1));
		count = (uint32_t)(batch_rig_random() % (from->count - first + 1));
	} else {
		count = pick_rows(rows, from->count);
	}
	fitted = batch_append(to, from, dense ? NULL : rows, first, count);
	assert_true(fitted <= count);
	assert_int_equal(to->count, had + fitted);
	for (uint32_t i = 0; i < had; i++) {
		assert_true(batch_rig_row_equal(to, i, before, i));
	}
	for (uint32_t i = 0; i < fitted; i++) {
		assert_true(batch_rig_row_equal(to, had + i, from, dense ? first + i : rows[i]));
	}
	if (fitted < count) {
		assert_false(row_fits(to, from, dense ? first + fitted : rows[fitted]));
	}
	batch_release(from, 0);
	batch_release(before, 0);
}

static void
test_random(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 150; seed++) {
		struct lm_schema schema;
		struct lm_pool *pool;
		struct lm_batch *to;

		batch_rig_seed(seed);
		pool = make_pool(&schema, false);
		to = batch_take(pool, 0);
		for (uint32_t i = 0; i < 5; i++) {
			check_append(pool, to);
		}
		batch_release(to, 0);
		assert_int_equal(pool_available(pool), pool->count);
		pool_free(pool);
	}
}

/* The frame of a row has as many holders as there are rows that show it. */
static void
test_frames(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		static uint16_t rows[LM_BATCH_ROWS];
		struct lm_schema schema;
		struct lm_pool *pool;
		struct lm_batch *from, *to;
		uint32_t count;

		batch_rig_seed(seed);
		pool = make_pool(&schema, true);
		from = batch_take(pool, 0);
		to = batch_take(pool, 0);
		batch_rig_fill(from, schema.capacity);
		count = pick_rows(rows, from->count);
		count = batch_append(to, from, rows, 0, count);
		for (uint32_t i = 0; i < count; i++) {
			assert_int_equal(batch_rig_holders[(uintptr_t)lm_batch_handles(to)[i]], 2);
		}
		batch_release(from, 0);
		for (uint32_t i = 0; i < count; i++) {
			assert_int_equal(batch_rig_holders[(uintptr_t)lm_batch_handles(to)[i]], 1);
		}
		batch_release(to, 0);
		for (uint32_t i = 0; i < BATCH_RIG_FRAMES; i++) {
			assert_int_equal(batch_rig_holders[i], 0);
		}
		pool_free(pool);
	}
}

/* Strings fill the byte area to its last byte and not beyond. */
static void
test_bytes_full(void **state)
{
	struct lm_field field = { .name = "s", .type = LM_STRING, .bytes_max = 100 };
	struct lm_schema schema;
	struct lm_pool *pool;
	struct lm_batch *from, *to;

	(void)state;
	assert_int_equal(lm_schema_init(&schema, &field, 1, 16), 0);
	pool = pool_create(&schema, 4, 1, -1);
	from = batch_take(pool, 0);
	to = batch_take(pool, 0);
	for (uint32_t row = 0; row < 4; row++) {
		assert_true(lm_batch_put_string(from, 0, row, "0123456789012345678901234", 25));
	}
	from->count = 4;
	assert_int_equal(lm_batch_bytes_max(&schema, 0), 100);
	assert_int_equal(batch_append(to, from, NULL, 0, 3), 3);
	assert_int_equal(batch_append(to, from, (const uint16_t[]){ 1, 2 }, 0, 2), 1);
	assert_int_equal(to->count, 4);
	assert_int_equal(batch_append(to, from, NULL, 0, 1), 0);
	/* Empty strings still fit: rows are left. */
	lm_batch_offsets(from, 0)[0] = 0;
	lm_batch_offsets(from, 0)[1] = 0;
	from->count = 1;
	assert_int_equal(batch_append(to, from, NULL, 0, 1), 1);
	batch_release(from, 0);
	batch_release(to, 0);
	pool_free(pool);
}

static void
fill_hashes(struct lm_batch *batch, uint32_t key)
{
	for (uint32_t row = 0; row < batch->count; row++) {
		lm_batch_hashes(batch)[row] = key * 1000 + row;
	}
	batch->hash_key = key;
}

/* Hashes travel while all rows have one of the same key. */
static void
test_hashes(void **state)
{
	struct lm_schema schema;
	struct lm_pool *pool;
	struct lm_batch *from, *to;

	(void)state;
	batch_rig_seed(1);
	batch_rig_column(&schema, LM_U32, 64);
	pool = pool_create(&schema, 4, 1, -1);
	from = batch_take(pool, 0);
	to = batch_take(pool, 0);
	batch_rig_fill(from, 10);
	fill_hashes(from, 7);
	batch_append(to, from, (const uint16_t[]){ 2, 5 }, 0, 2);
	batch_append(to, from, NULL, 8, 2);
	assert_int_equal(to->hash_key, 7);
	assert_int_equal(lm_batch_hashes(to)[0], 7002);
	assert_int_equal(lm_batch_hashes(to)[1], 7005);
	assert_int_equal(lm_batch_hashes(to)[2], 7008);
	assert_int_equal(lm_batch_hashes(to)[3], 7009);
	fill_hashes(from, 8);
	batch_append(to, from, NULL, 0, 1);
	assert_int_equal(to->hash_key, 0);
	/* None from now on, whatever comes: the first rows have lost theirs. */
	batch_append(to, from, NULL, 0, 1);
	assert_int_equal(to->hash_key, 0);
	batch_release(from, 0);
	batch_release(to, 0);
	pool_free(pool);
}

static void
test_ingress(void **state)
{
	struct lm_schema schema;
	struct lm_pool *pool;
	struct lm_batch *from, *to;

	(void)state;
	batch_rig_seed(1);
	batch_rig_column(&schema, LM_U8, 64);
	pool = pool_create(&schema, 4, 1, -1);
	from = batch_take(pool, 0);
	to = batch_take(pool, 0);
	batch_rig_fill(from, 1);
	batch_append(to, from, NULL, 0, 1);
	assert_int_equal(to->ingress_ns, INT64_MAX);
	from->ingress_ns = 20;
	batch_append(to, from, NULL, 0, 1);
	from->ingress_ns = 10;
	batch_append(to, from, NULL, 0, 1);
	from->ingress_ns = 30;
	batch_append(to, from, NULL, 0, 1);
	assert_int_equal(to->ingress_ns, 10);
	/* Of rows that did not come along nothing is taken over. */
	from->ingress_ns = 5;
	assert_int_equal(batch_append(to, from, NULL, 0, 0), 0);
	assert_int_equal(to->ingress_ns, 10);
	batch_release(from, 0);
	batch_release(to, 0);
	pool_free(pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),     cmocka_unit_test(test_frames),
		cmocka_unit_test(test_bytes_full), cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_ingress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
