/* SPDX-License-Identifier: BSD-3-Clause */
/* Reducers against plain loops: all of them over all types, in any order, running, NaNs. */
#include "state/lm_reduce.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/draw.h"
#include "tests/unit/operators/fake_op.h"

#include <cmocka.h>

#define ROWS 400u
#define GROUPS 7u

static const char schema_text[] =
    "i8:i8 i16:i16 i32:i32 i64:i64 u8:u8 u16:u16 u32:u32 u64:u64 f32:f32 f64:f64 bool:bool "
    "time:time ip4:ip4 mac:mac";

/* Random bytes, fewer of them now and then; event times repeat. */
static void
fill(struct lm_batch *batch, uint64_t seed)
{
	for (uint32_t f = 0; f < batch->schema->field_count; f++) {
		enum lm_type type = batch->schema->field[f].type;

		for (uint32_t r = 0; r < ROWS; r++) {
			uint64_t bits = draw(&seed) & (draw(&seed) % 2 == 0 ? UINT64_MAX : 3);

			if (type == LM_F32) {
				lm_batch_f32(batch, f)[r] = (float)(int64_t)bits * 0.1f;
			} else if (type == LM_F64) {
				lm_batch_f64(batch, f)[r] = (double)(int64_t)bits * 0.1;
			} else {
				bits = type == LM_BOOL   ? bits & 1
				       : type == LM_TIME ? bits % 50
				                         : bits;
				memcpy((char *)lm_batch_column(batch, f) +
				           (size_t)r * lm_type_width(type),
				       &bits, lm_type_width(type));
			}
		}
	}
	batch->count = ROWS;
}

/* A value as the widest type there is; all of ours fit it exactly. */
static long double
value_at(const struct lm_batch *batch, uint32_t field, uint32_t row)
{
	switch (batch->schema->field[field].type) {
	case LM_I8:
		return lm_batch_i8(batch, field)[row];
	case LM_I16:
		return lm_batch_i16(batch, field)[row];
	case LM_I32:
		return lm_batch_i32(batch, field)[row];
	case LM_I64:
	case LM_TIME:
		return lm_batch_i64(batch, field)[row];
	case LM_U8:
	case LM_BOOL:
		return lm_batch_u8(batch, field)[row];
	case LM_U16:
		return lm_batch_u16(batch, field)[row];
	case LM_U32:
	case LM_IP4:
		return lm_batch_u32(batch, field)[row];
	case LM_F32:
		return lm_batch_f32(batch, field)[row];
	case LM_F64:
		return lm_batch_f64(batch, field)[row];
	default:
		return lm_batch_u64(batch, field)[row];
	}
}

/* Whether row a counts rather than b, NULL: any, for this reduction. */
static bool
is_chosen(const struct lm_reducer *reducer, const struct lm_batch *in, uint32_t a, uint32_t b)
{
	uint32_t time = in->schema->time_field;
	long double va = value_at(in, reducer->field, a), vb = value_at(in, reducer->field, b);
	int64_t ta = lm_batch_i64(in, time)[a], tb = lm_batch_i64(in, time)[b];

	switch (reducer->reduction) {
	case LM_REDUCE_MIN:
		return va < vb;
	case LM_REDUCE_MAX:
		return va > vb;
	case LM_REDUCE_FIRST:
		return ta != tb ? ta < tb : va < vb;
	default:
		return ta != tb ? ta > tb : va > vb;
	}
}

/* The result of one reducer over the rows of a group, the slow way. */
static long double
expected(const struct lm_reducer *reducer, const struct lm_batch *in, const uint32_t *group,
         uint32_t wanted)
{
	unsigned __int128 whole = 0;
	long double sum = 0;
	uint32_t count = 0, best = LM_NONE;
	bool is_real = reducer->type == LM_F32 || reducer->type == LM_F64;

	for (uint32_t r = 0; r < ROWS; r++) {
		if (group[r] != wanted) {
			continue;
		}
		count++;
		if (reducer->reduction == LM_REDUCE_COUNT) {
			continue;
		}
		sum += value_at(in, reducer->field, r);
		whole += is_real ? 0 : (unsigned __int128)(__int128)value_at(in, reducer->field, r);
		if (best == LM_NONE || is_chosen(reducer, in, r, best)) {
			best = r;
		}
	}
	switch (reducer->reduction) {
	case LM_REDUCE_COUNT:
		return count;
	case LM_REDUCE_SUM:
		return is_real                       ? (double)sum
		       : reducer->out.type == LM_I64 ? (long double)(int64_t)whole
		                                     : (long double)(uint64_t)whole;
	case LM_REDUCE_MEAN:
		return is_real ? (double)((double)sum / count)
		               : (double)((double)(__int128)whole / count);
	default:
		return value_at(in, reducer->field, best);
	}
}

/* All reducers that a column may have. */
static void
make(struct lm_reduce *reduce, const struct lm_schema *schema, uint32_t field)
{
	char name[LM_NAME_MAX];

	memset(reduce, 0, sizeof(*reduce));
	for (uint32_t r = 0; r < LM_REDUCTION_COUNT; r++) {
		bool takes = (r != LM_REDUCE_SUM && r != LM_REDUCE_MEAN) ||
		             schema->field[field].type <= LM_BOOL;
		const char *refusal;

		snprintf(name, sizeof(name), "c%u", r);
		refusal = lm_reduce_add(reduce, schema, (enum lm_reduction)r,
		                        r == LM_REDUCE_COUNT ? LM_NONE : field, name);
		assert_int_equal(refusal == NULL, takes);
	}
}

static void
check_column(const struct lm_schema *schema, const struct lm_batch *in, uint32_t field)
{
	struct lm_field fields[LM_REDUCERS_MAX];
	uint32_t group[ROWS], count, columns;
	struct lm_map_entry entry[GROUPS];
	struct lm_schema out_schema;
	struct lm_reduce reduce;
	struct lm_batch *out;
	void *value[ROWS];
	uint16_t rows[ROWS];
	uint64_t seed = field + 1;

	make(&reduce, schema, field);
	columns = lm_reduce_fields(&reduce, fields);
	assert_int_equal(lm_schema_init(&out_schema, fields, columns, ROWS), 0);
	out = fake_batch(&out_schema);
	for (uint32_t g = 0; g < GROUPS; g++) {
		entry[g].value = calloc(1, reduce.size);
		assert_non_null(entry[g].value);
	}
	/* Group 0 gets its rows as one, the others row by row, in two parts by selections. */
	for (uint32_t r = 0; r < ROWS; r++) {
		group[r] = (uint32_t)(draw(&seed) % GROUPS);
	}
	for (uint32_t part = 0; part < 3; part++) {
		count = 0;
		for (uint32_t r = 0; r < ROWS; r++) {
			if (part == 2 ? group[r] == 0 : group[r] != 0 && r % 2 == part) {
				rows[count] = (uint16_t)r;
				value[count++] = entry[group[r]].value;
			}
		}
		if (part == 2) {
			lm_reduce_one(&reduce, in, rows, count, entry[0].value);
		} else {
			lm_reduce_rows(&reduce, in, rows, count, value);
		}
	}
	lm_reduce_write(&reduce, entry, GROUPS, out, 0, 0);
	for (uint32_t g = 0; g < GROUPS; g++) {
		for (uint32_t c = 0; c < columns; c++) {
			long double want = expected(&reduce.reducer[c], in, group, g);
			long double got = value_at(out, c, g);
			/* The sum to compare with is itself rounded, to 64 bits. */
			long double slack = reduce.reducer[c].out.type == LM_F64 &&
			                            reduce.reducer[c].reduction <= LM_REDUCE_MEAN
			                        ? fabsl(want) * 1e-14L
			                        : 0;

			if (fabsl(want - got) > slack) {
				fail_msg("%s, reduction %u, group %u: %.20Lg, not %.20Lg",
				         in->schema->field[field].name, reduce.reducer[c].reduction,
				         g, got, want);
			}
		}
	}
	for (uint32_t g = 0; g < GROUPS; g++) {
		free(entry[g].value);
	}
	free(out);
}

static void
test_all_types(void **state)
{
	struct lm_schema schema = fake_schema_rows(schema_text, ROWS);
	struct lm_batch *in = fake_batch(&schema);

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		fill(in, seed * 1000);
		for (uint32_t f = 0; f < schema.field_count; f++) {
			check_column(&schema, in, f);
		}
	}
	free(in);
}

/* The running result of row i is the result of rows 0 to i. */
static void
test_running(void **state)
{
	struct lm_schema schema = fake_schema_rows(schema_text, ROWS), out_schema;
	struct lm_batch *in = fake_batch(&schema), *running, *at_once;
	struct lm_field fields[LM_REDUCERS_MAX];
	struct lm_reduce reduce;
	void *value[ROWS];
	char text[2][1000];

	(void)state;
	fill(in, 5);
	for (uint32_t f = 0; f < schema.field_count; f++) {
		uint32_t columns;
		void *group;

		make(&reduce, &schema, f);
		columns = lm_reduce_fields(&reduce, fields);
		assert_int_equal(lm_schema_init(&out_schema, fields, columns, ROWS), 0);
		running = fake_batch(&out_schema);
		at_once = fake_batch(&out_schema);
		group = calloc(1, reduce.size);
		for (uint32_t r = 0; r < ROWS; r++) {
			value[r] = group;
		}
		lm_reduce_running(&reduce, in, NULL, 100, value, running, 0, 0);
		for (uint32_t r = 1; r <= 100; r++) {
			struct lm_map_entry entry = { .value = calloc(1, reduce.size) };

			lm_reduce_one(&reduce, in, NULL, r, entry.value);
			lm_reduce_write(&reduce, &entry, 1, at_once, 0, 0);
			fake_row_text(running, r - 1, text[0], sizeof(text[0]));
			fake_row_text(at_once, 0, text[1], sizeof(text[1]));
			assert_string_equal(text[0], text[1]);
			free(entry.value);
		}
		free(group);
		free(running);
		free(at_once);
	}
	free(in);
}

static void
test_nan(void **state)
{
	struct lm_schema schema = fake_schema("f:f64 g:f32 t:time"), out_schema;
	struct lm_batch *in = fake_batch(&schema), *out;
	struct lm_map_entry entry = { 0 };
	struct lm_field fields[8];
	struct lm_reduce reduce = { 0 };

	(void)state;
	assert_true(fake_add(in, "nan|nan|3"));
	assert_true(fake_add(in, "-0.0|0.5|2"));
	assert_true(fake_add(in, "0.0|-nan|1"));
	assert_null(lm_reduce_add(&reduce, &schema, LM_REDUCE_MIN, 0, "a"));
	assert_null(lm_reduce_add(&reduce, &schema, LM_REDUCE_MAX, 0, "b"));
	assert_null(lm_reduce_add(&reduce, &schema, LM_REDUCE_MIN, 1, "c"));
	assert_null(lm_reduce_add(&reduce, &schema, LM_REDUCE_SUM, 1, "d"));
	assert_null(lm_reduce_add(&reduce, &schema, LM_REDUCE_LAST, 0, "e"));
	assert_int_equal(lm_schema_init(&out_schema, fields, lm_reduce_fields(&reduce, fields), 2),
	                 0);
	out = fake_batch(&out_schema);
	entry.value = calloc(1, reduce.size);
	lm_reduce_one(&reduce, in, NULL, 3, entry.value);
	lm_reduce_write(&reduce, &entry, 1, out, 0, 0);
	assert_true(lm_batch_f64(out, 0)[0] == 0 && signbit(lm_batch_f64(out, 0)[0]));
	assert_true(lm_batch_f64(out, 1)[0] == 0 && !signbit(lm_batch_f64(out, 1)[0]));
	assert_true(lm_batch_f32(out, 2)[0] == 0.5f);
	assert_true(isnan(lm_batch_f64(out, 3)[0]));
	assert_true(isnan(lm_batch_f64(out, 4)[0]));
	memset(entry.value, 0, reduce.size);
	lm_reduce_one(&reduce, in, NULL, 1, entry.value);
	lm_reduce_write(&reduce, &entry, 1, out, 0, 1);
	assert_true(isnan(lm_batch_f64(out, 0)[1]));
	assert_true(isnan(lm_batch_f64(out, 1)[1]));
	free(entry.value);
	free(in);
	free(out);
}

static void
test_refused(void **state)
{
	struct lm_schema schema = fake_schema("s:string v:ip6 k:u64 a:ip4");
	struct lm_reduce reduce = { 0 };

	(void)state;
	assert_non_null(lm_reduce_add(&reduce, &schema, LM_REDUCE_SUM, 0, "x"));
	assert_non_null(lm_reduce_add(&reduce, &schema, LM_REDUCE_MIN, 0, "x"));
	assert_non_null(lm_reduce_add(&reduce, &schema, LM_REDUCE_MAX, 1, "x"));
	assert_non_null(lm_reduce_add(&reduce, &schema, LM_REDUCE_MEAN, 3, "x"));
	assert_non_null(lm_reduce_add(&reduce, &schema, LM_REDUCE_FIRST, 2, "x"));
	assert_null(lm_reduce_add(&reduce, &schema, LM_REDUCE_SUM, 2, "x"));
	assert_non_null(lm_reduce_add(&reduce, &schema, LM_REDUCE_MIN, 2, "x"));
	assert_non_null(
	    lm_reduce_add(&reduce, &schema, LM_REDUCE_MIN, 2, "a_name_of_thirty_two_characters__"));
	assert_int_equal(reduce.count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_types),
		cmocka_unit_test(test_running),
		cmocka_unit_test(test_nan),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
