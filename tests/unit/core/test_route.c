/* SPDX-License-Identifier: BSD-3-Clause */
/* core/route.c: which slice of the receiver gets a row, for every grouping that looks at rows. */
#include "core/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/hash.h"
#include "tests/unit/core/batch_rig.h"
#include "tests/unit/core/engine_rig.h"

static const uint32_t first_field[] = { 0 };
static uint64_t hash[LM_BATCH_ROWS];
static uint16_t destination[LM_BATCH_ROWS];
static struct route_split split;

/* One slice more or less of slots, and the same slots for the same numbers. */
static void
test_table(void **state)
{
	(void)state;
	for (uint32_t bits = 6; bits <= 16; bits += 2) {
		for (uint32_t slices = 1; slices <= LM_SLICES_MAX && slices <= 1u << bits;
		     slices += 1 + slices / 8) {
			struct route_table *table = route_table_create(1u << bits, slices);
			uint32_t count[LM_SLICES_MAX] = { 0 }, least = UINT32_MAX, most = 0;

			assert_non_null(table);
			assert_int_equal(table->slot_bits, bits);
			for (uint32_t slot = 0; slot < 1u << bits; slot++) {
				assert_true(table->slice_of[slot] < slices);
				count[table->slice_of[slot]]++;
			}
			for (uint32_t slice = 0; slice < slices; slice++) {
				least = count[slice] < least ? count[slice] : least;
				most = count[slice] > most ? count[slice] : most;
			}
			assert_true(least > 0);
			assert_true(most - least <= 1);
			route_table_free(table);
		}
	}
	route_table_free(NULL);
}

static void
test_slot(void **state)
{
	(void)state;
	assert_int_equal(route_slot(0, 10), 0);
	assert_int_equal(route_slot(UINT64_MAX, 10), 1023);
	assert_int_equal(route_slot(1ull << 54, 10), 1);
	assert_int_equal(route_slot((1ull << 54) - 1, 10), 0);
}

/* Batches of one integer column of a type, routed by it. */
struct routed {
	struct lm_schema schema;
	struct lm_pool *pool;
	struct lm_batch *batch;
	struct route route;
	uint64_t load[LM_SLICES_MAX];
};

static void
begin(struct routed *r, enum lm_grouping grouping, enum lm_type type, uint32_t destinations)
{
	memset(r, 0, sizeof(*r));
	batch_rig_seed(1);
	batch_rig_column(&r->schema, type, LM_BATCH_ROWS);
	r->pool = pool_create(&r->schema, 2, 1, -1);
	r->batch = batch_take(r->pool, 0);
	r->route = (struct route){ .grouping = grouping,
		                   .destinations = destinations,
		                   .fields = first_field,
		                   .field_count = 1,
		                   .key_id = hash_key_id(first_field, 1),
		                   .secret = 42,
		                   .load = r->load };
	if (grouping == LM_GROUP_KEY) {
		r->route.table = route_table_create(1024, destinations);
	}
}

static void
end(struct routed *r)
{
	route_table_free((struct route_table *)(uintptr_t)r->route.table);
	batch_release(r->batch, 0);
	pool_free(r->pool);
}

/* Every row is in one group, groups keep the order of rows, what is lost is counted. */
static void
check_split(const struct routed *r, const struct lm_select *rows, uint32_t lost)
{
	uint32_t count = rows == NULL ? r->batch->count : rows->count;
	bool seen[LM_BATCH_ROWS] = { false };

	assert_int_equal(split.start[0], 0);
	assert_int_equal(split.start[r->route.destinations] + lost, count);
	for (uint32_t d = 0; d < r->route.destinations; d++) {
		for (uint32_t i = split.start[d]; i < split.start[d + 1]; i++) {
			assert_true(i == split.start[d] || split.row[i] > split.row[i - 1]);
			assert_false(seen[split.row[i]]);
			seen[split.row[i]] = true;
		}
	}
	for (uint32_t i = 0; lost == 0 && i < count; i++) {
		assert_true(seen[rows == NULL ? i : rows->row[i]]);
	}
}

static uint32_t
destination_of(const struct routed *r, uint32_t row)
{
	for (uint32_t d = 0; d < r->route.destinations; d++) {
		for (uint32_t i = split.start[d]; i < split.start[d + 1]; i++) {
			if (split.row[i] == row) {
				return d;
			}
		}
	}
	return LM_NONE;
}

/* A key always goes to one slice, whatever else is in the batch and however it is asked for. */
static void
test_key(void **state)
{
	struct routed r;
	uint32_t slice_of[500];

	(void)state;
	begin(&r, LM_GROUP_KEY, LM_U64, 7);
	memset(slice_of, 0xff, sizeof(slice_of));
	for (uint32_t round = 0; round < 50; round++) {
		static struct lm_select some;
		bool selected = round % 2 == 1;

		r.batch->count = 1 + (uint32_t)(batch_rig_random() % LM_BATCH_ROWS);
		lm_select_begin(&some, r.batch);
		for (uint32_t row = 0; row < r.batch->count; row++) {
			lm_batch_u64(r.batch, 0)[row] = batch_rig_random() % 500;
			if (batch_rig_random() % 2 == 0) {
				lm_select_add(&some, row);
			}
		}
		assert_int_equal(route_rows(&r.route, r.batch, selected ? &some : NULL, hash,
		                            destination, &split),
		                 0);
		check_split(&r, selected ? &some : NULL, 0);
		for (uint32_t row = 0; row < r.batch->count; row++) {
			uint64_t key = lm_batch_u64(r.batch, 0)[row];
			uint32_t d = destination_of(&r, row);

			if (d == LM_NONE) {
				continue;
			}
			assert_true(slice_of[key] == LM_NONE || slice_of[key] == d);
			slice_of[key] = d;
			assert_int_equal(d, r.route.table->slice_of[route_slot(hash[row], 10)]);
		}
	}
	end(&r);
}

/* Key k with probability proportional to 1 / (k + 1). */
static uint64_t
zipf(const double *sum, uint32_t keys)
{
	double u = (double)(batch_rig_random() >> 11) / 9007199254740992.0 * sum[keys - 1];
	uint32_t low = 0, high = keys - 1;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (sum[middle] < u) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* F07: the load of 5 slices under Zipf 1.0, and at most two slices for a key. */
static void
test_partial_key(void **state)
{
	enum { KEYS = 10000, SLICES = 5 };
	static double sum[KEYS];
	static uint8_t slices_of[KEYS];
	uint64_t most = 0, total = 0;
	struct routed r;

	(void)state;
	begin(&r, LM_GROUP_PARTIAL_KEY, LM_U64, SLICES);
	for (uint32_t k = 0; k < KEYS; k++) {
		sum[k] = (k == 0 ? 0 : sum[k - 1]) + 1.0 / (k + 1);
	}
	for (uint32_t i = 0; i < 300; i++) {
		for (uint32_t row = 0; row < LM_BATCH_ROWS; row++) {
			lm_batch_u64(r.batch, 0)[row] = zipf(sum, KEYS);
		}
		r.batch->count = LM_BATCH_ROWS;
		assert_int_equal(route_rows(&r.route, r.batch, NULL, hash, destination, &split), 0);
		check_split(&r, NULL, 0);
		for (uint32_t row = 0; row < LM_BATCH_ROWS; row++) {
			slices_of[lm_batch_u64(r.batch, 0)[row]] |=
			    (uint8_t)(1u << destination[row]);
		}
	}
	for (uint32_t d = 0; d < SLICES; d++) {
		most = r.load[d] > most ? r.load[d] : most;
		total += r.load[d];
	}
	assert_int_equal(total, 300 * LM_BATCH_ROWS);
	assert_true((double)most / ((double)total / SLICES) < 1.1);
	for (uint32_t k = 0; k < KEYS; k++) {
		assert_true(__builtin_popcount(slices_of[k]) <= 2);
	}
	assert_int_equal(__builtin_popcount(slices_of[0]), 2);
	end(&r);
}

/* Writes an integer of any type; false if it does not hold the value. */
static bool
write_integer(struct lm_batch *batch, enum lm_type type, uint32_t row, int64_t value)
{
	int64_t low = 0, high = INT64_MAX;

	switch (type) {
	case LM_I8:
		lm_batch_i8(batch, 0)[row] = (int8_t)value;
		low = INT8_MIN, high = INT8_MAX;
		break;
	case LM_I16:
		lm_batch_i16(batch, 0)[row] = (int16_t)value;
		low = INT16_MIN, high = INT16_MAX;
		break;
	case LM_I32:
		lm_batch_i32(batch, 0)[row] = (int32_t)value;
		low = INT32_MIN, high = INT32_MAX;
		break;
	case LM_I64:
		lm_batch_i64(batch, 0)[row] = value;
		low = INT64_MIN;
		break;
	case LM_U8:
		lm_batch_u8(batch, 0)[row] = (uint8_t)value;
		high = UINT8_MAX;
		break;
	case LM_U16:
		lm_batch_u16(batch, 0)[row] = (uint16_t)value;
		high = UINT16_MAX;
		break;
	case LM_U32:
		lm_batch_u32(batch, 0)[row] = (uint32_t)value;
		high = UINT32_MAX;
		break;
	default:
		assert_int_equal(type, LM_U64);
		lm_batch_u64(batch, 0)[row] = (uint64_t)value;
		break;
	}
	return value >= low && value <= high;
}

/* The value is the slice; what is negative or too large is in no group and counted. */
static void
check_direct(enum lm_type type, uint32_t destinations)
{
	static const int64_t values[] = { 0,   1,    2,    63,        64,        127,       128,
		                          255, 256,  257,  32767,     32768,     65535,     65536,
		                          -1,  -2,   -128, -129,      -32768,    INT32_MAX, -256,
		                          254, -255, 3,    INT32_MIN, INT64_MAX, INT64_MIN };
	struct routed r;
	uint32_t lost = 0, count = 0;

	begin(&r, LM_GROUP_DIRECT, type, destinations);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (write_integer(r.batch, type, count, values[i])) {
			lost += values[i] < 0 || values[i] >= (int64_t)destinations ? 1 : 0;
			count++;
		}
	}
	r.batch->count = count;
	assert_int_equal(route_rows(&r.route, r.batch, NULL, hash, destination, &split), lost);
	check_split(&r, NULL, lost);
	for (size_t i = 0, row = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (write_integer(r.batch, type, (uint32_t)row, values[i])) {
			bool inside = values[i] >= 0 && values[i] < (int64_t)destinations;

			assert_int_equal(destination_of(&r, (uint32_t)row),
			                 inside ? (uint32_t)values[i] : LM_NONE);
			row++;
		}
	}
	end(&r);
}

static void
test_direct(void **state)
{
	(void)state;
	for (uint32_t type = LM_I8; type <= LM_U64; type++) {
		check_direct((enum lm_type)type, 3);
		check_direct((enum lm_type)type, 64);
		check_direct((enum lm_type)type, LM_SLICES_MAX);
	}
}

static void
by_last_digit(const struct lm_batch *in, const struct lm_select *rows, uint32_t destinations,
              uint16_t *to)
{
	uint32_t count = rows == NULL ? in->count : rows->count;

	(void)destinations;
	for (uint32_t i = 0; i < count; i++) {
		to[i] = (uint16_t)(lm_batch_u64(in, 0)[rows == NULL ? i : rows->row[i]] % 10);
	}
}

/* A function of one's own; what it sends beyond the last slice is counted, not followed. */
static void
test_custom(void **state)
{
	static struct lm_select odd;
	struct routed r;

	(void)state;
	begin(&r, LM_GROUP_CUSTOM, LM_U64, 8);
	r.route.custom = by_last_digit;
	lm_select_begin(&odd, r.batch);
	for (uint32_t row = 0; row < 100; row++) {
		lm_batch_u64(r.batch, 0)[row] = 1000 + row;
		if (row % 2 == 1) {
			lm_select_add(&odd, row);
		}
	}
	r.batch->count = 100;
	assert_int_equal(route_rows(&r.route, r.batch, NULL, hash, destination, &split), 20);
	check_split(&r, NULL, 20);
	for (uint32_t row = 0; row < 100; row++) {
		assert_int_equal(destination_of(&r, row), row % 10 < 8 ? row % 10 : LM_NONE);
	}
	assert_int_equal(route_rows(&r.route, r.batch, &odd, hash, destination, &split), 10);
	check_split(&r, &odd, 10);
	assert_int_equal(split.start[2] - split.start[1], 10);
	assert_int_equal(split.start[1] - split.start[0], 0);
	end(&r);
}

static void
test_by_row(void **state)
{
	(void)state;
	for (uint32_t grouping = 0; grouping < LM_GROUPING_COUNT; grouping++) {
		assert_int_equal(route_is_by_row((enum lm_grouping)grouping),
		                 grouping == LM_GROUP_KEY || grouping == LM_GROUP_PARTIAL_KEY ||
		                     grouping == LM_GROUP_DIRECT || grouping == LM_GROUP_CUSTOM);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),  cmocka_unit_test(test_slot),
		cmocka_unit_test(test_key),    cmocka_unit_test(test_partial_key),
		cmocka_unit_test(test_direct), cmocka_unit_test(test_custom),
		cmocka_unit_test(test_by_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
