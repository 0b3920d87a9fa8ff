/* SPDX-License-Identifier: BSD-3-Clause */
/* The batch of the model: columns of every type, filled with what is likely to go wrong. */
#include "tests/unit/core/expr_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lm_op.h"

static uint64_t model_random_state;

uint64_t
model_random(void)
{
	model_random_state ^= model_random_state << 13;
	model_random_state ^= model_random_state >> 7;
	model_random_state ^= model_random_state << 17;
	return model_random_state * UINT64_C(0x2545f4914f6cdd1d);
}

uint32_t
model_below(uint32_t bound)
{
	return (uint32_t)((model_random() >> 32) % bound);
}

/* --- The model_batch: two columns of every type but frame
 * ---------------------------------------------
 */

struct lm_schema model_schema;
struct lm_batch *model_batch;

/* Often small, often at an edge, sometimes anything. */
uint64_t
model_bits(void)
{
	static const uint64_t edges[] = { 0,
		                          1,
		                          UINT64_MAX,
		                          (uint64_t)INT64_MAX,
		                          (uint64_t)INT64_MIN,
		                          INT32_MAX,
		                          UINT32_MAX,
		                          0x8000,
		                          0x80,
		                          0xffff,
		                          10000000,
		                          UINT64_C(0x20000000000001) };

	switch (model_below(4)) {
	case 0:
		return edges[model_below(sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return model_random();
	default:
		return (uint64_t)((int64_t)model_below(20) - 8);
	}
}

static double
random_float(void)
{
	static const double edges[] = { 0,     -0.0,   0.5,    1,      -1,    2.5,
		                        1e300, -1e300, 0x1p63, 0x1p64, 1e-300 };

	switch (model_below(6)) {
	case 0:
		return edges[model_below(sizeof(edges) / sizeof(edges[0]))];
	case 1:
		return model_below(4) == 0 ? (double)NAN : (double)-INFINITY;
	case 2:
		return (double)(int64_t)model_random();
	default:
		return (double)model_below(100) / 4 - 5;
	}
}

static const char *const words[] = {
	"", "a", "b", "ab", "abc", "www.example", "ww", "a longer one"
};
#define WORDS (sizeof(words) / sizeof(words[0]))

const char *
model_word(void)
{
	return words[model_below(WORDS)];
}

struct lm_ip6
model_ip6(void)
{
	struct lm_ip6 ip6 = { .byte = { 0 } };
	bool mapped = model_below(2) == 0;

	ip6.byte[10] = ip6.byte[11] = mapped ? 0xff : 0;
	ip6.byte[0] = mapped ? 0 : (uint8_t)model_below(3);
	ip6.byte[12] = (uint8_t)(model_below(2) * 10);
	ip6.byte[15] = (uint8_t)model_below(4);
	return ip6;
}

static void
fill_field(uint32_t field, enum lm_type type, uint32_t row)
{
	struct lm_ip6 ip6 = model_ip6();
	uint64_t bits = model_bits();
	const char *word = model_word();
	double f64 = random_float();
	float f32 = fabs(f64) > 1e38 ? (float)(f64 > 0 ? INFINITY : -INFINITY) : (float)f64;
	uint32_t width = lm_type_width(type);
	char *column = lm_batch_column(model_batch, field);

	switch (type) {
	case LM_F32:
		memcpy(column + row * width, &f32, sizeof(f32));
		break;
	case LM_F64:
		memcpy(column + row * width, &f64, sizeof(f64));
		break;
	case LM_IP6:
		memcpy(column + row * width, &ip6, sizeof(ip6));
		break;
	case LM_IP4:
		bits = 0x0a000000 * model_below(2) + model_below(4);
		memcpy(column + row * width, &bits, width);
		break;
	case LM_STRING:
	case LM_BYTES:
		assert_true(
		    lm_batch_put_string(model_batch, field, row, word, (uint32_t)strlen(word)));
		break;
	case LM_BOOL:
		column[row] = (char)(model_below(2) * model_below(256));
		break;
	default:
		memcpy(column + row * width, &bits, width);
		break;
	}
}

void
model_fill(void)
{
	static const uint32_t counts[] = { 1, 31, 32, 33, 100, 1023, 1024 };

	model_batch->count = counts[model_below(sizeof(counts) / sizeof(counts[0]))];
	for (uint32_t field = 0; field < model_schema.field_count; field++) {
		for (uint32_t row = 0; row < model_batch->count; row++) {
			fill_field(field, model_schema.field[field].type, row);
		}
	}
}

void
model_start(uint64_t seed)
{
	struct lm_field field[LM_FIELDS_MAX];

	model_random_state = seed;
	memset(field, 0, sizeof(field));
	for (uint32_t i = 0; i < LM_FIELDS_MAX; i++) {
		enum lm_type type = (enum lm_type)(i / MODEL_COPIES);

		type = i == LM_FIELDS_MAX - 1 ? LM_BYTES : type;
		snprintf(field[i].name, LM_NAME_MAX, "%s_%u", lm_type_text(type), i % MODEL_COPIES);
		field[i].type = type;
	}
	assert_int_equal(field[LM_FIELDS_MAX - 2].type, LM_STRING);
	assert_int_equal(lm_schema_init(&model_schema, field, LM_FIELDS_MAX, LM_BATCH_ROWS), 0);
	assert_int_equal(model_schema.capacity, LM_BATCH_ROWS);
	model_batch = aligned_alloc(64, model_schema.size);
	assert_non_null(model_batch);
	memset(model_batch, 0xa5, model_schema.size);
	model_batch->schema = &model_schema;
}

void
model_stop(void)
{
	free(model_batch);
}
