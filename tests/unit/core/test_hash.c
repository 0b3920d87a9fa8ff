/* SPDX-License-Identifier: BSD-3-Clause */
/* core/hash.c: equal keys have equal hashes however they are asked for, and all else is spread out.
 */
#include "core/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/route.h"
#include "tests/unit/core/batch_rig.h"
#include "tests/unit/core/engine_rig.h"

#define SECRET 0x0123456789abcdefu
#define SLOT_BITS 10u

static const uint32_t one[] = { 0 };

/* A pool and a batch of it, filled at random. */
struct filled {
	struct lm_schema schema;
	struct lm_pool *pool;
	struct lm_batch *batch;
};

static void
fill(struct filled *f, uint32_t rows)
{
	f->pool = pool_create(&f->schema, 2, 1, -1);
	assert_non_null(f->pool);
	f->batch = batch_take(f->pool, 0);
	batch_rig_fill(f->batch, rows < f->schema.capacity ? rows : f->schema.capacity);
}

static void
drop(struct filled *f)
{
	batch_release(f->batch, 0);
	pool_free(f->pool);
}

static bool
is_key_type(enum lm_type type)
{
	return type != LM_FRAME;
}

/* Every type, alone and after another column: all rows at once, selected rows, one row. */
static void
test_dense_and_selected(void **state)
{
	(void)state;
	for (uint32_t type = 0; type < LM_TYPE_COUNT; type++) {
		struct lm_field fields[2] = { { .name = "a", .type = (enum lm_type)type },
			                      { .name = "b", .type = LM_U32 } };
		static const uint32_t lists[4][2] = { { 0 }, { 0, 1 }, { 1, 0 }, { 1 } };
		static const uint32_t counts[4] = { 1, 2, 2, 1 };
		struct filled f;

		if (!is_key_type((enum lm_type)type)) {
			continue;
		}
		batch_rig_seed(type + 1);
		assert_int_equal(lm_schema_init(&f.schema, fields, 2, LM_BATCH_ROWS), 0);
		fill(&f, LM_BATCH_ROWS);
		for (uint32_t list = 0; list < 4; list++) {
			uint64_t all[LM_BATCH_ROWS], some[LM_BATCH_ROWS];
			static struct lm_select rows;

			hash_rows(all, f.batch, NULL, lists[list], counts[list], SECRET);
			memset(some, 0xee, sizeof(some));
			lm_select_begin(&rows, f.batch);
			for (uint32_t row = 0; row < f.batch->count; row += 1 + row % 3) {
				lm_select_add(&rows, row);
			}
			hash_rows(some, f.batch, &rows, lists[list], counts[list], SECRET);
			for (uint32_t i = 0; i < rows.count; i++) {
				assert_int_equal(some[rows.row[i]], all[rows.row[i]]);
				some[rows.row[i]] = 0xeeeeeeeeeeeeeeeeu;
			}
			/* Nothing is written for the others. */
			for (uint32_t row = 0; row < f.batch->count; row++) {
				assert_int_equal(some[row], 0xeeeeeeeeeeeeeeeeu);
			}
		}
		drop(&f);
	}
}

/* The same value in another row of another batch. */
static void
test_equal_keys(void **state)
{
	(void)state;
	for (uint32_t type = 0; type < LM_TYPE_COUNT; type++) {
		struct filled f;
		struct lm_batch *copy;
		uint64_t a[LM_BATCH_ROWS], b[LM_BATCH_ROWS];
		uint16_t rows[LM_BATCH_ROWS];

		if (!is_key_type((enum lm_type)type)) {
			continue;
		}
		batch_rig_seed(type + 1);
		batch_rig_column(&f.schema, (enum lm_type)type, LM_BATCH_ROWS);
		fill(&f, 100);
		copy = batch_take(f.pool, 0);
		for (uint32_t i = 0; i < f.batch->count; i++) {
			rows[i] = (uint16_t)(f.batch->count - 1 - i);
		}
		assert_int_equal(batch_append(copy, f.batch, rows, 0, f.batch->count),
		                 f.batch->count);
		hash_rows(a, f.batch, NULL, one, 1, SECRET);
		hash_rows(b, copy, NULL, one, 1, SECRET);
		for (uint32_t i = 0; i < copy->count; i++) {
			assert_int_equal(b[i], a[rows[i]]);
		}
		batch_release(copy, 0);
		drop(&f);
	}
}

/* Different values, order of columns, secrets: different hashes. */
static void
test_different(void **state)
{
	static const uint32_t there[] = { 0, 1 }, back[] = { 1, 0 };
	struct lm_field fields[2] = { { .name = "a", .type = LM_U64 },
		                      { .name = "b", .type = LM_U64 } };
	uint64_t ab[LM_BATCH_ROWS], ba[LM_BATCH_ROWS], other[LM_BATCH_ROWS];
	struct filled f;

	(void)state;
	batch_rig_seed(1);
	assert_int_equal(lm_schema_init(&f.schema, fields, 2, LM_BATCH_ROWS), 0);
	fill(&f, LM_BATCH_ROWS);
	for (uint32_t row = 0; row < f.batch->count; row++) {
		lm_batch_u64(f.batch, 0)[row] = row / 32;
		lm_batch_u64(f.batch, 1)[row] = 1000 + row % 32;
	}
	hash_rows(ab, f.batch, NULL, there, 2, SECRET);
	hash_rows(ba, f.batch, NULL, back, 2, SECRET);
	hash_rows(other, f.batch, NULL, there, 2, SECRET + 1);
	for (uint32_t row = 0; row < f.batch->count; row++) {
		assert_int_not_equal(ab[row], ba[row]);
		assert_int_not_equal(ab[row], other[row]);
		for (uint32_t before = 0; before < row; before++) {
			assert_int_not_equal(ab[row], ab[before]);
		}
	}
	drop(&f);
}

/* Writes value `number` of a kind that people have as keys. */
static void
write_key(struct lm_batch *batch, uint32_t row, uint64_t number, uint32_t kind)
{
	char text[32];

	switch (kind) {
	case 0:
		lm_batch_u64(batch, 0)[row] = number;
		break;
	case 1:
		lm_batch_u64(batch, 0)[row] = number << 32;
		break;
	case 2:
		lm_batch_u64(batch, 0)[row] = number * 1000000007u;
		break;
	case 3:
		lm_batch_u32(batch, 0)[row] = 0x0a000000u + (uint32_t)number;
		break;
	case 4:
		memset(&lm_batch_ip6(batch, 0)[row], 0x20, sizeof(struct lm_ip6));
		memcpy(&lm_batch_ip6(batch, 0)[row].byte[8], &number, sizeof(number));
		break;
	case 5:
		memset(&lm_batch_ip6(batch, 0)[row], 0, sizeof(struct lm_ip6));
		memcpy(&lm_batch_ip6(batch, 0)[row].byte[0], &number, sizeof(number));
		break;
	default:
		snprintf(text, sizeof(text), "user-%llu", (unsigned long long)number);
		assert_true(lm_batch_put_string(batch, 0, row, text, (uint32_t)strlen(text)));
		break;
	}
}

static const enum lm_type kind_type[] = {
	LM_U64, LM_U64, LM_U64, LM_IP4, LM_IP6, LM_IP6, LM_STRING
};
#define KINDS (sizeof(kind_type) / sizeof(kind_type[0]))

/* The top bits, which choose the slot, and the low ones, which tables use. */
static void
test_distribution(void **state)
{
	(void)state;
	for (uint32_t kind = 0; kind < KINDS; kind++) {
		static uint64_t high[1u << SLOT_BITS], low[1u << SLOT_BITS];
		uint64_t hash[LM_BATCH_ROWS];
		struct filled f;

		memset(high, 0, sizeof(high));
		memset(low, 0, sizeof(low));
		batch_rig_seed(1);
		batch_rig_column(&f.schema, kind_type[kind], LM_BATCH_ROWS);
		fill(&f, 0);
		for (uint32_t i = 0; i < 200; i++) {
			for (uint32_t row = 0; row < LM_BATCH_ROWS; row++) {
				write_key(f.batch, row, (uint64_t)i * LM_BATCH_ROWS + row, kind);
			}
			f.batch->count = LM_BATCH_ROWS;
			hash_rows(hash, f.batch, NULL, one, 1, SECRET);
			for (uint32_t row = 0; row < LM_BATCH_ROWS; row++) {
				high[route_slot(hash[row], SLOT_BITS)]++;
				low[hash[row] & ((1u << SLOT_BITS) - 1)]++;
			}
		}
		/* 1,023 degrees of freedom: 1 +- 0.044; six times that is not by chance. */
		assert_true(rig_chi_square(high, 1u << SLOT_BITS) < 1.27);
		assert_true(rig_chi_square(low, 1u << SLOT_BITS) < 1.27);
		drop(&f);
	}
}

/* The secret is not merely added to the key: else who knows it once knows which keys collide for
 * ever. */
static void
test_secret_is_mixed(void **state)
{
	uint64_t a[LM_BATCH_ROWS], b[LM_BATCH_ROWS];
	struct filled f;

	(void)state;
	batch_rig_seed(1);
	batch_rig_column(&f.schema, LM_U64, LM_BATCH_ROWS);
	fill(&f, LM_BATCH_ROWS);
	hash_rows(a, f.batch, NULL, one, 1, SECRET);
	for (uint32_t row = 0; row < f.batch->count; row++) {
		lm_batch_u64(f.batch, 0)[row] ^= 12345;
	}
	hash_rows(b, f.batch, NULL, one, 1, SECRET ^ 12345);
	for (uint32_t row = 0; row < f.batch->count; row++) {
		assert_int_not_equal(a[row], b[row]);
	}
	drop(&f);
}

static void
test_key_id(void **state)
{
	static const uint32_t a[] = { 0 }, b[] = { 1 }, ab[] = { 0, 1 }, ba[] = { 1, 0 };

	(void)state;
	assert_int_equal(hash_key_id(ab, 2), hash_key_id((const uint32_t[]){ 0, 1 }, 2));
	assert_int_not_equal(hash_key_id(a, 1), hash_key_id(b, 1));
	assert_int_not_equal(hash_key_id(ab, 2), hash_key_id(ba, 2));
	assert_int_not_equal(hash_key_id(ab, 2), hash_key_id(a, 1));
	for (uint32_t field = 0; field < LM_FIELDS_MAX; field++) {
		assert_int_not_equal(hash_key_id(&field, 1), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dense_and_selected), cmocka_unit_test(test_equal_keys),
		cmocka_unit_test(test_different),          cmocka_unit_test(test_distribution),
		cmocka_unit_test(test_secret_is_mixed),    cmocka_unit_test(test_key_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
