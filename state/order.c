/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of columns as words and as keys whose unsigned order is theirs. */

#include "state/lm_order.h"

#include <assert.h>
#include <string.h>

/* Bits of an infinite double without its sign: above are the NaNs. */
#define ORDER_INFINITY UINT64_C(0x7ff0000000000000)

#define ORDER_LOAD(name, type)                                                                     \
	static void order_load_##name(uint64_t *restrict word, const type *restrict value,         \
	                              const uint16_t *restrict rows, uint32_t count)               \
	{                                                                                          \
		if (rows == NULL) {                                                                \
			for (uint32_t i = 0; i < count; i++) {                                     \
				word[i] = (uint64_t)value[i];                                      \
			}                                                                          \
		} else {                                                                           \
			for (uint32_t i = 0; i < count; i++) {                                     \
				word[i] = (uint64_t)value[rows[i]];                                \
			}                                                                          \
		}                                                                                  \
	}
ORDER_LOAD(i8, int8_t)
ORDER_LOAD(i16, int16_t)
ORDER_LOAD(i32, int32_t)
ORDER_LOAD(u8, uint8_t)
ORDER_LOAD(u16, uint16_t)
ORDER_LOAD(u32, uint32_t)
ORDER_LOAD(u64, uint64_t)
#undef ORDER_LOAD

static void
order_load_f32(uint64_t *word, const float *value, const uint16_t *rows, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		double wide = (double)value[rows == NULL ? i : rows[i]];

		memcpy(&word[i], &wide, sizeof(wide));
	}
}

void
lm_order_words(uint64_t *word, const struct lm_batch *in, uint32_t field, const uint16_t *rows,
               uint32_t count)
{
	switch (in->schema->field[field].type) {
	case LM_I8:
		order_load_i8(word, lm_batch_i8(in, field), rows, count);
		break;
	case LM_I16:
		order_load_i16(word, lm_batch_i16(in, field), rows, count);
		break;
	case LM_I32:
		order_load_i32(word, lm_batch_i32(in, field), rows, count);
		break;
	case LM_U8:
	case LM_BOOL:
		order_load_u8(word, lm_batch_u8(in, field), rows, count);
		break;
	case LM_U16:
		order_load_u16(word, lm_batch_u16(in, field), rows, count);
		break;
	case LM_U32:
	case LM_IP4:
		order_load_u32(word, lm_batch_u32(in, field), rows, count);
		break;
	case LM_F32:
		order_load_f32(word, lm_batch_f32(in, field), rows, count);
		break;
	default:
		assert(lm_type_width(in->schema->field[field].type) == 8);
		order_load_u64(word, lm_batch_u64(in, field), rows, count);
		break;
	}
}

static inline uint64_t
order_key_of_real(uint64_t bits)
{
	return bits ^ ((uint64_t)((int64_t)bits >> 63) | LM_ORDER_SIGN);
}

void
lm_order_keys(uint64_t *word, enum lm_type type, uint32_t count, bool turned, bool numbers)
{
	uint64_t turn = turned ? UINT64_MAX : 0;

	if (lm_order_is_real(type)) {
		for (uint32_t i = 0; i < count; i++) {
			bool is_nan = (word[i] & ~LM_ORDER_SIGN) > ORDER_INFINITY;
			uint64_t key = order_key_of_real(word[i]) ^ turn;

			word[i] = is_nan && numbers ? 0 : key;
		}
		return;
	}
	turn ^= lm_order_is_signed(type) ? LM_ORDER_SIGN : 0;
	for (uint32_t i = 0; i < count; i++) {
		word[i] ^= turn;
	}
}
