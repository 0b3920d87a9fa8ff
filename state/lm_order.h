/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_ORDER_H
#define LM_ORDER_H

/*
 * Values of a column as 64-bit words and as keys: unsigned numbers in the order of the values, so
 * that one comparison serves all types of up to 8 bytes.
 */

#include "core/lm_batch.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LM_ORDER_SIGN (UINT64_C(1) << 63)

static inline bool
lm_order_is_real(enum lm_type type)
{
	return type == LM_F32 || type == LM_F64;
}

/* Integers with a sign; all other types of up to 8 bytes, fractions aside, have none. */
static inline bool
lm_order_is_signed(enum lm_type type)
{
	return type == LM_I8 || type == LM_I16 || type == LM_I32 || type == LM_I64 ||
	       type == LM_TIME;
}

/*
 * Loads a column of up to 8 bytes a value: of the rows given or, with `rows` NULL, of the first
 * `count`. Integers are extended to 64 bits, fractions are the bits of doubles.
 */
void lm_order_words(uint64_t *word, const struct lm_batch *in, uint32_t field, const uint16_t *rows,
                    uint32_t count);
/*
 * Turns such words into keys. `turned`: the smallest value has the greatest key. `numbers`: NaN has
 * key 0 either way; else it has its place beyond infinity, by its sign. -0.0 is below 0.0.
 */
void lm_order_keys(uint64_t *word, enum lm_type type, uint32_t count, bool turned, bool numbers);

#ifdef __cplusplus
}
#endif

#endif
