/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernels of expressions over fixed-width values, and the table of all of them. Every loop is a
 * leaf with plain arguments that the compiler vectorises; loops over strings are in expr_strings.c.
 */
#include "core/expr_kernels.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define KERNEL_ARGS                                                                                \
	const void *a __attribute__((unused)), const void *b __attribute__((unused)),              \
	    const void *c __attribute__((unused)), void *out, uint32_t count

/* out[i] = expression of x, one operand. */
#define KERNEL_UNARY(name, from, to, expression)                                                   \
	static void kernel_##name(KERNEL_ARGS)                                                     \
	{                                                                                          \
		const from *restrict xs = a;                                                       \
		to *restrict results = out;                                                        \
                                                                                                   \
		for (uint32_t i = 0; i < count; i++) {                                             \
			const from x = xs[i];                                                      \
                                                                                                   \
			results[i] = (to)(expression);                                             \
		}                                                                                  \
	}

/* out[i] = expression of x and y: both arrays (_vv), y a constant (_vk). */
#define KERNEL_VECTOR(name, left, right, to, expression)                                           \
	static void kernel_##name##_vv(KERNEL_ARGS)                                                \
	{                                                                                          \
		const left *restrict xs = a;                                                       \
		const right *restrict ys = b;                                                      \
		to *restrict results = out;                                                        \
                                                                                                   \
		for (uint32_t i = 0; i < count; i++) {                                             \
			const left x = xs[i];                                                      \
			const right y = ys[i];                                                     \
                                                                                                   \
			results[i] = (to)(expression);                                             \
		}                                                                                  \
	}

#define KERNEL_CONSTANT(name, left, right, to, expression)                                         \
	static void kernel_##name##_vk(KERNEL_ARGS)                                                \
	{                                                                                          \
		const left *restrict xs = a;                                                       \
		const right y = *(const right *)b;                                                 \
		to *restrict results = out;                                                        \
                                                                                                   \
		for (uint32_t i = 0; i < count; i++) {                                             \
			const left x = xs[i];                                                      \
                                                                                                   \
			results[i] = (to)(expression);                                             \
		}                                                                                  \
	}

#define KERNEL_BINARY(name, type, expression)                                                      \
	KERNEL_VECTOR(name, type, type, type, expression)                                          \
	KERNEL_CONSTANT(name, type, type, type, expression)

/* --- Comparisons. What is greater is what is less, read from the other side (see the checker). ---
 */

#define KERNEL_COMPARE(suffix, type)                                                               \
	KERNEL_VECTOR(lt_##suffix, type, type, uint8_t, x < y)                                     \
	KERNEL_VECTOR(le_##suffix, type, type, uint8_t, x <= y)                                    \
	KERNEL_CONSTANT(lt_##suffix, type, type, uint8_t, x < y)                                   \
	KERNEL_CONSTANT(le_##suffix, type, type, uint8_t, x <= y)                                  \
	KERNEL_CONSTANT(gt_##suffix, type, type, uint8_t, x > y)                                   \
	KERNEL_CONSTANT(ge_##suffix, type, type, uint8_t, x >= y)

#define KERNEL_EQUAL(suffix, type)                                                                 \
	KERNEL_VECTOR(eq_##suffix, type, type, uint8_t, x == y)                                    \
	KERNEL_VECTOR(ne_##suffix, type, type, uint8_t, x != y)                                    \
	KERNEL_CONSTANT(eq_##suffix, type, type, uint8_t, x == y)                                  \
	KERNEL_CONSTANT(ne_##suffix, type, type, uint8_t, x != y)

/* x is one of a list: a pass over the rows for each of its constants. */
#define KERNEL_IN(suffix, type)                                                                    \
	static void kernel_in_##suffix(KERNEL_ARGS)                                                \
	{                                                                                          \
		const struct expr_list *list = b;                                                  \
		const type *ys = (const type *)((const char *)list + list->offset);                \
		const type *restrict xs = a;                                                       \
		uint8_t *restrict results = out;                                                   \
                                                                                                   \
		memset(out, 0, count);                                                             \
		for (uint32_t k = 0; k < list->count; k++) {                                       \
			const type y = ys[k];                                                      \
                                                                                                   \
			for (uint32_t i = 0; i < count; i++) {                                     \
				results[i] |= xs[i] == y;                                          \
			}                                                                          \
		}                                                                                  \
	}

KERNEL_COMPARE(i8, int8_t)
KERNEL_COMPARE(i16, int16_t)
KERNEL_COMPARE(i32, int32_t)
KERNEL_COMPARE(i64, int64_t)
KERNEL_COMPARE(u8, uint8_t)
KERNEL_COMPARE(u16, uint16_t)
KERNEL_COMPARE(u32, uint32_t)
KERNEL_COMPARE(u64, uint64_t)
KERNEL_COMPARE(f32, float)
KERNEL_COMPARE(f64, double)
KERNEL_EQUAL(u8, uint8_t)
KERNEL_EQUAL(u16, uint16_t)
KERNEL_EQUAL(u32, uint32_t)
KERNEL_EQUAL(u64, uint64_t)
KERNEL_EQUAL(f32, float)
KERNEL_EQUAL(f64, double)
KERNEL_IN(u8, uint8_t)
KERNEL_IN(u16, uint16_t)
KERNEL_IN(u32, uint32_t)
KERNEL_IN(u64, uint64_t)
KERNEL_IN(f64, double)

/* Signed with unsigned, exactly. */
KERNEL_VECTOR(eq_mixed, int64_t, uint64_t, uint8_t, (x >= 0) & ((uint64_t)x == y))
KERNEL_VECTOR(ne_mixed, int64_t, uint64_t, uint8_t, (x < 0) | ((uint64_t)x != y))
KERNEL_VECTOR(lt_mixed, int64_t, uint64_t, uint8_t, (x < 0) | ((uint64_t)x < y))
KERNEL_VECTOR(le_mixed, int64_t, uint64_t, uint8_t, (x < 0) | ((uint64_t)x <= y))
KERNEL_VECTOR(gt_mixed, int64_t, uint64_t, uint8_t, (x >= 0) & ((uint64_t)x > y))
KERNEL_VECTOR(ge_mixed, int64_t, uint64_t, uint8_t, (x >= 0) & ((uint64_t)x >= y))

/* --- Addresses. --------------------------------------------------------------------------------
 */

struct kernel_ip6 {
	uint64_t half[2]; /* memory order */
} __attribute__((may_alias));

static inline uint8_t
kernel_ip6_equal(struct kernel_ip6 x, struct kernel_ip6 y)
{
	return ((x.half[0] ^ y.half[0]) | (x.half[1] ^ y.half[1])) == 0;
}

static inline uint8_t
kernel_ip6_less(struct kernel_ip6 x, struct kernel_ip6 y)
{
	uint64_t x_high = __builtin_bswap64(x.half[0]);
	uint64_t y_high = __builtin_bswap64(y.half[0]);

	return (x_high < y_high) |
	       ((x_high == y_high) & (__builtin_bswap64(x.half[1]) < __builtin_bswap64(y.half[1])));
}

/* Every column and register starts aligned, and so do the halves of all its addresses. */
KERNEL_VECTOR(eq_ip6, struct kernel_ip6, struct kernel_ip6, uint8_t, kernel_ip6_equal(x, y))
KERNEL_VECTOR(ne_ip6, struct kernel_ip6, struct kernel_ip6, uint8_t, kernel_ip6_equal(x, y) ^ 1)
KERNEL_VECTOR(lt_ip6, struct kernel_ip6, struct kernel_ip6, uint8_t, kernel_ip6_less(x, y))
KERNEL_VECTOR(le_ip6, struct kernel_ip6, struct kernel_ip6, uint8_t, kernel_ip6_less(y, x) ^ 1)
KERNEL_CONSTANT(eq_ip6, struct kernel_ip6, struct kernel_ip6, uint8_t, kernel_ip6_equal(x, y))
KERNEL_CONSTANT(ne_ip6, struct kernel_ip6, struct kernel_ip6, uint8_t, kernel_ip6_equal(x, y) ^ 1)
KERNEL_CONSTANT(lt_ip6, struct kernel_ip6, struct kernel_ip6, uint8_t, kernel_ip6_less(x, y))
KERNEL_CONSTANT(le_ip6, struct kernel_ip6, struct kernel_ip6, uint8_t, kernel_ip6_less(y, x) ^ 1)
KERNEL_CONSTANT(gt_ip6, struct kernel_ip6, struct kernel_ip6, uint8_t, kernel_ip6_less(y, x))
KERNEL_CONSTANT(ge_ip6, struct kernel_ip6, struct kernel_ip6, uint8_t, kernel_ip6_less(x, y) ^ 1)

/* x is under one of a list of prefixes. */
static void
kernel_within_ip4(KERNEL_ARGS)
{
	const struct expr_list *list = b;
	const struct expr_prefix4 *prefix =
	    (const struct expr_prefix4 *)((const char *)list + list->offset);
	const uint32_t *restrict xs = a;
	uint8_t *restrict results = out;

	memset(out, 0, count);
	for (uint32_t k = 0; k < list->count; k++) {
		const uint32_t net = prefix[k].net;
		const uint32_t mask = prefix[k].mask;

		for (uint32_t i = 0; i < count; i++) {
			results[i] |= (xs[i] & mask) == net;
		}
	}
}

static void
kernel_within_ip6(KERNEL_ARGS)
{
	const struct expr_list *list = b;
	const struct expr_prefix6 *prefix =
	    (const struct expr_prefix6 *)((const char *)list + list->offset);
	const struct kernel_ip6 *restrict xs = a;
	uint8_t *restrict results = out;

	memset(out, 0, count);
	for (uint32_t k = 0; k < list->count; k++) {
		const struct expr_prefix6 y = prefix[k];

		for (uint32_t i = 0; i < count; i++) {
			results[i] |= (((xs[i].half[0] & y.mask[0]) ^ y.net[0]) |
			               ((xs[i].half[1] & y.mask[1]) ^ y.net[1])) == 0;
		}
	}
}

/* --- Arithmetic: unsigned inside, so that it wraps; u64 serves i64 wherever the bits agree.
 * ------- */

KERNEL_BINARY(or_u64, uint64_t, x | y)
KERNEL_BINARY(xor_u64, uint64_t, x ^ y)
KERNEL_BINARY(and_u64, uint64_t, (x & y))
KERNEL_BINARY(shl_u64, uint64_t, x << (y & 63))
KERNEL_BINARY(shr_u64, uint64_t, x >> (y & 63))
KERNEL_BINARY(shr_i64, int64_t, x >> (y & 63))
KERNEL_BINARY(add_u64, uint64_t, x + y)
KERNEL_BINARY(sub_u64, uint64_t, x - y)
KERNEL_BINARY(mul_u64, uint64_t, (x * y))
KERNEL_BINARY(min_u64, uint64_t, y < x ? y : x)
KERNEL_BINARY(max_u64, uint64_t, y > x ? y : x)
KERNEL_BINARY(min_i64, int64_t, y < x ? y : x)
KERNEL_BINARY(max_i64, int64_t, y > x ? y : x)
KERNEL_UNARY(neg_u64, uint64_t, uint64_t, 0 - x)
KERNEL_UNARY(inv_u64, uint64_t, uint64_t, ~x)
KERNEL_UNARY(abs_i64, int64_t, uint64_t, x < 0 ? 0 - (uint64_t)x : (uint64_t)x)

KERNEL_BINARY(add_f64, double, x + y)
KERNEL_BINARY(sub_f64, double, x - y)
KERNEL_BINARY(mul_f64, double, (x * y))
KERNEL_BINARY(div_f64, double, x / y)
KERNEL_BINARY(mod_f64, double, fmod(x, y))
KERNEL_BINARY(min_f64, double, y < x ? y : x)
KERNEL_BINARY(max_f64, double, y > x ? y : x)
KERNEL_UNARY(neg_f64, double, double, -x)
KERNEL_UNARY(abs_f64, double, double, fabs(x))

KERNEL_VECTOR(or_bool, uint8_t, uint8_t, uint8_t, x | y)
KERNEL_VECTOR(and_bool, uint8_t, uint8_t, uint8_t, (x & y))
KERNEL_UNARY(not_bool, uint8_t, uint8_t, x ^ 1)

/* A division by 0 is 0; the one signed quotient that does not fit wraps. */
KERNEL_VECTOR(div_u64, uint64_t, uint64_t, uint64_t, y == 0 ? 0 : x / y)
KERNEL_VECTOR(mod_u64, uint64_t, uint64_t, uint64_t, y == 0 ? 0 : x % y)
KERNEL_VECTOR(div_i64, int64_t, int64_t, uint64_t,
              y == 0 ? 0 : (y == -1 ? 0 - (uint64_t)x : (uint64_t)(x / y)))
KERNEL_VECTOR(mod_i64, int64_t, int64_t, uint64_t, y == 0 || y == -1 ? 0 : x % y)

/*
 * Division by a constant as a multiplication (Granlund and Montgomery, "Division by invariant
 * integers using multiplication", 1994, figure 4.1): exact for every 64-bit dividend and divisor
 * but 0.
 */
struct kernel_divisor {
	uint64_t multiplier;
	uint32_t shift_first, shift_last;
};

static struct kernel_divisor
kernel_divisor(uint64_t divisor)
{
	uint32_t bits = divisor == 1 ? 0 : 64 - (uint32_t)__builtin_clzll(divisor - 1);
	uint64_t above = bits == 64 ? 0 - divisor : (UINT64_C(1) << bits) - divisor;

	assert(divisor != 0);
	return (struct kernel_divisor){
		.multiplier = (uint64_t)(((unsigned __int128)above << 64) / divisor + 1),
		.shift_first = bits > 0 ? 1 : 0,
		.shift_last = bits > 0 ? bits - 1 : 0,
	};
}

static inline uint64_t
kernel_divide(uint64_t x, struct kernel_divisor by)
{
	uint64_t high = (uint64_t)(((unsigned __int128)x * by.multiplier) >> 64);

	return (high + ((x - high) >> by.shift_first)) >> by.shift_last;
}

/*
 * A kernel of x and a constant divisor y, not 0, whose magnitude is `by`. Powers of two of unsigned
 * values have a loop of their own, for that one vectorises.
 */
#define KERNEL_DIVISION(name, power_of_two, easy, expression)                                      \
	static void kernel_##name##_vk(KERNEL_ARGS)                                                \
	{                                                                                          \
		const uint64_t *restrict xs = a;                                                   \
		const uint64_t y = *(const uint64_t *)b;                                           \
		uint64_t *restrict results = out;                                                  \
                                                                                                   \
		if (y == 0) {                                                                      \
			memset(out, 0, count * sizeof(uint64_t));                                  \
		} else if ((power_of_two) && (y & (y - 1)) == 0) {                                 \
			const uint32_t bits = (uint32_t)__builtin_ctzll(y);                        \
                                                                                                   \
			for (uint32_t i = 0; i < count; i++) {                                     \
				const uint64_t x = xs[i];                                          \
                                                                                                   \
				(void)bits;                                                        \
				results[i] = (easy);                                               \
			}                                                                          \
		} else {                                                                           \
			const uint64_t y_sign = (power_of_two) ? 0 : (uint64_t)((int64_t)y >> 63); \
			const struct kernel_divisor by = kernel_divisor((y ^ y_sign) - y_sign);    \
                                                                                                   \
			for (uint32_t i = 0; i < count; i++) {                                     \
				const uint64_t x = xs[i];                                          \
				const uint64_t sign = (uint64_t)((int64_t)x >> 63);                \
                                                                                                   \
				(void)sign;                                                        \
				results[i] = (expression);                                         \
			}                                                                          \
		}                                                                                  \
	}

#define KERNEL_QUOTIENT_I64                                                                        \
	((kernel_divide((x ^ sign) - sign, by) ^ (sign ^ y_sign)) - (sign ^ y_sign))

KERNEL_DIVISION(div_u64, true, x >> bits, kernel_divide(x, by))
KERNEL_DIVISION(mod_u64, true, (x & (y - 1)), x - kernel_divide(x, by) * y)
KERNEL_DIVISION(div_i64, false, x, KERNEL_QUOTIENT_I64)
KERNEL_DIVISION(mod_i64, false, x, x - KERNEL_QUOTIENT_I64 * y)
/* Rounding down, to a positive step: of -1 - x for a negative x, turned round again. */
KERNEL_DIVISION(floor_u64, true, x & ~(y - 1), kernel_divide(x, by) * y)
KERNEL_DIVISION(floor_i64, true, x & ~(y - 1), (kernel_divide(x ^ sign, by) ^ sign) * y)

/* --- Conversions. ------------------------------------------------------------------------------
 */

/* Saturates; NaN is 0. The cast only ever sees what fits. */
static inline int64_t
kernel_to_i64(double x)
{
	double low = x > -0x1p63 ? x : -0x1p63;
	double fits = low < 0x1p63 ? low : 0;
	int64_t value = x >= 0x1p63 ? INT64_MAX : (int64_t)fits;

	return x == x ? value : 0;
}

static inline uint64_t
kernel_to_u64(double x)
{
	double low = x > 0 ? x : 0;
	double fits = low < 0x1p64 ? low : 0;

	return x >= 0x1p64 ? UINT64_MAX : (uint64_t)fits;
}

KERNEL_UNARY(i8_i64, int8_t, int64_t, x)
KERNEL_UNARY(i16_i64, int16_t, int64_t, x)
KERNEL_UNARY(i32_i64, int32_t, int64_t, x)
KERNEL_UNARY(u8_u64, uint8_t, uint64_t, x)
KERNEL_UNARY(u16_u64, uint16_t, uint64_t, x)
KERNEL_UNARY(u32_u64, uint32_t, uint64_t, x)
KERNEL_UNARY(i8_f64, int8_t, double, x)
KERNEL_UNARY(i16_f64, int16_t, double, x)
KERNEL_UNARY(i32_f64, int32_t, double, x)
KERNEL_UNARY(i64_f64, int64_t, double, x)
KERNEL_UNARY(u8_f64, uint8_t, double, x)
KERNEL_UNARY(u16_f64, uint16_t, double, x)
KERNEL_UNARY(u32_f64, uint32_t, double, x)
KERNEL_UNARY(u64_f64, uint64_t, double, x)
KERNEL_UNARY(f32_f64, float, double, x)
KERNEL_UNARY(f32_i64, float, int64_t, kernel_to_i64((double)x))
KERNEL_UNARY(f32_u64, float, uint64_t, kernel_to_u64((double)x))
KERNEL_UNARY(f64_i64, double, int64_t, kernel_to_i64(x))
KERNEL_UNARY(f64_u64, double, uint64_t, kernel_to_u64(x))
KERNEL_UNARY(bool_bool, uint8_t, uint8_t, x != 0)
KERNEL_UNARY(bool_u64, uint8_t, uint64_t, x != 0)
KERNEL_UNARY(bool_f64, uint8_t, double, x != 0)

static inline struct kernel_ip6
kernel_map(uint32_t address)
{
	return (struct kernel_ip6){
		.half = { 0, (uint64_t)__builtin_bswap32(address) << 32 | UINT64_C(0xffff0000) },
	};
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "kernel_map and halves of addresses");
KERNEL_UNARY(ip4_ip6, uint32_t, struct kernel_ip6, kernel_map(x))

/* --- Hashes: well mixed and the same everywhere and always; not keyed.
 * ---------------------------- */

static inline uint64_t
kernel_mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* Values that are equal hash alike: both zeros; and all NaNs, which are none. */
static inline uint64_t
kernel_float_bits(double x)
{
	uint64_t bits;

	x = x == 0 ? 0 : x;
	memcpy(&bits, &x, sizeof(bits));
	return x == x ? bits : UINT64_C(0x7ff8000000000000);
}

KERNEL_UNARY(hash_u64, uint64_t, uint64_t, kernel_mix(x))
KERNEL_UNARY(hash_f64, double, uint64_t, kernel_mix(kernel_float_bits(x)))
KERNEL_UNARY(hash_ip6, struct kernel_ip6, uint64_t, kernel_mix(x.half[1] ^ kernel_mix(x.half[0])))

/* --- By width alone. ---------------------------------------------------------------------------
 */

#define KERNEL_WIDTH(width, type)                                                                  \
	static void kernel_if_##width(KERNEL_ARGS)                                                 \
	{                                                                                          \
		const uint8_t *restrict conditions = a;                                            \
		const type *restrict xs = b;                                                       \
		const type *restrict ys = c;                                                       \
		type *restrict results = out;                                                      \
                                                                                                   \
		for (uint32_t i = 0; i < count; i++) {                                             \
			const type x = xs[i];                                                      \
			const type y = ys[i];                                                      \
                                                                                                   \
			results[i] = conditions[i] != 0 ? x : y;                                   \
		}                                                                                  \
	}                                                                                          \
	static void kernel_fill_##width(KERNEL_ARGS)                                               \
	{                                                                                          \
		const type x = *(const type *)a;                                                   \
		type *restrict results = out;                                                      \
                                                                                                   \
		for (uint32_t i = 0; i < count; i++) {                                             \
			results[i] = x;                                                            \
		}                                                                                  \
	}                                                                                          \
	static void kernel_copy_##width(KERNEL_ARGS)                                               \
	{                                                                                          \
		memcpy(out, a, count * sizeof(type));                                              \
	}

KERNEL_WIDTH(1, uint8_t)
KERNEL_WIDTH(4, uint32_t)
KERNEL_WIDTH(8, uint64_t)
KERNEL_WIDTH(16, struct kernel_ip6)

/* --- The table. --------------------------------------------------------------------------------
 */

struct kernel_entry {
	uint8_t op;
	uint8_t operands;
	uint8_t shape;
	expr_kernel_fn *run;
};

#define KERNEL_ROWS(op, operands, name)                                                            \
	{ EXPR_##op, operands, EXPR_VECTOR, kernel_##name##_vv },                                  \
	{                                                                                          \
		EXPR_##op, operands, EXPR_CONSTANT, kernel_##name##_vk                             \
	}
#define KERNEL_ROWS_ORDER(operands, suffix)                                                        \
	KERNEL_ROWS(LT, operands, lt_##suffix), KERNEL_ROWS(LE, operands, le_##suffix),            \
	    { EXPR_GT, operands, EXPR_CONSTANT, kernel_gt_##suffix##_vk },                         \
	{                                                                                          \
		EXPR_GE, operands, EXPR_CONSTANT, kernel_ge_##suffix##_vk                          \
	}
#define KERNEL_ROWS_EQUAL(operands, suffix)                                                        \
	KERNEL_ROWS(EQ, operands, eq_##suffix), KERNEL_ROWS(NE, operands, ne_##suffix)
#define KERNEL_ROW_IN(operands, suffix)                                                            \
	{                                                                                          \
		EXPR_IN, operands, EXPR_CONSTANT, kernel_in_##suffix                               \
	}
#define KERNEL_ROW(op, operands, name)                                                             \
	{                                                                                          \
		EXPR_##op, operands, EXPR_VECTOR, kernel_##name                                    \
	}
#define KERNEL_ROW_MIXED(op, name) KERNEL_ROW(op, EXPR_MIXED, name##_mixed_vv)

static const struct kernel_entry kernel_table[] = {
	KERNEL_ROWS_ORDER(LM_I8, i8),
	KERNEL_ROWS_ORDER(LM_I16, i16),
	KERNEL_ROWS_ORDER(LM_I32, i32),
	KERNEL_ROWS_ORDER(LM_I64, i64),
	KERNEL_ROWS_ORDER(LM_U8, u8),
	KERNEL_ROWS_ORDER(LM_U16, u16),
	KERNEL_ROWS_ORDER(LM_U32, u32),
	KERNEL_ROWS_ORDER(LM_U64, u64),
	KERNEL_ROWS_ORDER(LM_F32, f32),
	KERNEL_ROWS_ORDER(LM_F64, f64),
	KERNEL_ROWS_ORDER(LM_IP6, ip6),
	KERNEL_ROWS_EQUAL(LM_I8, u8),
	KERNEL_ROWS_EQUAL(LM_I16, u16),
	KERNEL_ROWS_EQUAL(LM_I32, u32),
	KERNEL_ROWS_EQUAL(LM_I64, u64),
	KERNEL_ROWS_EQUAL(LM_U8, u8),
	KERNEL_ROWS_EQUAL(LM_U16, u16),
	KERNEL_ROWS_EQUAL(LM_U32, u32),
	KERNEL_ROWS_EQUAL(LM_U64, u64),
	KERNEL_ROWS_EQUAL(LM_F32, f32),
	KERNEL_ROWS_EQUAL(LM_F64, f64),
	KERNEL_ROWS_EQUAL(LM_IP6, ip6),
	KERNEL_ROW_MIXED(EQ, eq),
	KERNEL_ROW_MIXED(NE, ne),
	KERNEL_ROW_MIXED(LT, lt),
	KERNEL_ROW_MIXED(LE, le),
	KERNEL_ROW_MIXED(GT, gt),
	KERNEL_ROW_MIXED(GE, ge),
	KERNEL_ROW_IN(LM_I8, u8),
	KERNEL_ROW_IN(LM_I16, u16),
	KERNEL_ROW_IN(LM_I32, u32),
	KERNEL_ROW_IN(LM_I64, u64),
	KERNEL_ROW_IN(LM_U8, u8),
	KERNEL_ROW_IN(LM_U16, u16),
	KERNEL_ROW_IN(LM_U32, u32),
	KERNEL_ROW_IN(LM_U64, u64),
	KERNEL_ROW_IN(LM_F64, f64),
	{ EXPR_WITHIN, LM_U32, EXPR_CONSTANT, kernel_within_ip4 },
	{ EXPR_WITHIN, LM_IP6, EXPR_CONSTANT, kernel_within_ip6 },
	KERNEL_ROWS(BIT_OR, LM_I64, or_u64),
	KERNEL_ROWS(BIT_OR, LM_U64, or_u64),
	KERNEL_ROWS(BIT_XOR, LM_I64, xor_u64),
	KERNEL_ROWS(BIT_XOR, LM_U64, xor_u64),
	KERNEL_ROWS(BIT_AND, LM_I64, and_u64),
	KERNEL_ROWS(BIT_AND, LM_U64, and_u64),
	KERNEL_ROWS(SHL, LM_I64, shl_u64),
	KERNEL_ROWS(SHL, LM_U64, shl_u64),
	KERNEL_ROWS(SHR, LM_I64, shr_i64),
	KERNEL_ROWS(SHR, LM_U64, shr_u64),
	KERNEL_ROWS(ADD, LM_I64, add_u64),
	KERNEL_ROWS(ADD, LM_U64, add_u64),
	KERNEL_ROWS(ADD, LM_F64, add_f64),
	KERNEL_ROWS(SUB, LM_I64, sub_u64),
	KERNEL_ROWS(SUB, LM_U64, sub_u64),
	KERNEL_ROWS(SUB, LM_F64, sub_f64),
	KERNEL_ROWS(MUL, LM_I64, mul_u64),
	KERNEL_ROWS(MUL, LM_U64, mul_u64),
	KERNEL_ROWS(MUL, LM_F64, mul_f64),
	KERNEL_ROWS(DIV, LM_I64, div_i64),
	KERNEL_ROWS(DIV, LM_U64, div_u64),
	KERNEL_ROWS(DIV, LM_F64, div_f64),
	KERNEL_ROWS(MOD, LM_I64, mod_i64),
	KERNEL_ROWS(MOD, LM_U64, mod_u64),
	KERNEL_ROWS(MOD, LM_F64, mod_f64),
	KERNEL_ROWS(MIN, LM_I64, min_i64),
	KERNEL_ROWS(MIN, LM_U64, min_u64),
	KERNEL_ROWS(MIN, LM_F64, min_f64),
	KERNEL_ROWS(MAX, LM_I64, max_i64),
	KERNEL_ROWS(MAX, LM_U64, max_u64),
	KERNEL_ROWS(MAX, LM_F64, max_f64),
	{ EXPR_FLOOR, LM_I64, EXPR_CONSTANT, kernel_floor_i64_vk },
	{ EXPR_FLOOR, LM_U64, EXPR_CONSTANT, kernel_floor_u64_vk },
	KERNEL_ROW(NEGATE, LM_I64, neg_u64),
	KERNEL_ROW(NEGATE, LM_F64, neg_f64),
	KERNEL_ROW(INVERT, LM_I64, inv_u64),
	KERNEL_ROW(INVERT, LM_U64, inv_u64),
	KERNEL_ROW(ABS, LM_I64, abs_i64),
	KERNEL_ROW(ABS, LM_F64, abs_f64),
	KERNEL_ROW(OR, LM_U8, or_bool_vv),
	KERNEL_ROW(AND, LM_U8, and_bool_vv),
	KERNEL_ROW(NOT, LM_U8, not_bool),
	KERNEL_ROW(HASH, LM_I64, hash_u64),
	KERNEL_ROW(HASH, LM_U64, hash_u64),
	KERNEL_ROW(HASH, LM_F64, hash_f64),
	KERNEL_ROW(HASH, LM_IP6, hash_ip6),
};

#define KERNEL_BY_WIDTH(op, name)                                                                  \
	KERNEL_ROW(op, 1, name##_1), KERNEL_ROW(op, 4, name##_4), KERNEL_ROW(op, 8, name##_8),     \
	    KERNEL_ROW(op, 16, name##_16)

/* Here `operands` is the width in bytes. */
static const struct kernel_entry kernel_width_table[] = {
	KERNEL_BY_WIDTH(IF, if),
	KERNEL_BY_WIDTH(FILL, fill),
	KERNEL_BY_WIDTH(COPY, copy),
};

static const struct {
	uint8_t from;
	uint8_t to;
	expr_kernel_fn *run;
} kernel_convert_table[] = {
	{ LM_I8, LM_I64, kernel_i8_i64 },       { LM_I16, LM_I64, kernel_i16_i64 },
	{ LM_I32, LM_I64, kernel_i32_i64 },     { LM_U8, LM_I64, kernel_u8_u64 },
	{ LM_U16, LM_I64, kernel_u16_u64 },     { LM_U32, LM_I64, kernel_u32_u64 },
	{ LM_I8, LM_F64, kernel_i8_f64 },       { LM_I16, LM_F64, kernel_i16_f64 },
	{ LM_I32, LM_F64, kernel_i32_f64 },     { LM_I64, LM_F64, kernel_i64_f64 },
	{ LM_TIME, LM_F64, kernel_i64_f64 },    { LM_U8, LM_F64, kernel_u8_f64 },
	{ LM_U16, LM_F64, kernel_u16_f64 },     { LM_U32, LM_F64, kernel_u32_f64 },
	{ LM_U64, LM_F64, kernel_u64_f64 },     { LM_F32, LM_F64, kernel_f32_f64 },
	{ LM_F32, LM_I64, kernel_f32_i64 },     { LM_F32, LM_U64, kernel_f32_u64 },
	{ LM_F64, LM_I64, kernel_f64_i64 },     { LM_F64, LM_U64, kernel_f64_u64 },
	{ LM_BOOL, LM_I64, kernel_bool_u64 },   { LM_BOOL, LM_F64, kernel_bool_f64 },
	{ LM_BOOL, LM_BOOL, kernel_bool_bool }, { LM_IP4, LM_I64, kernel_u32_u64 },
	{ LM_IP4, LM_IP6, kernel_ip4_ip6 },
};

/* The type that a type is stored and computed as. */
static uint8_t
kernel_storage(uint8_t operands)
{
	switch (operands) {
	case LM_TIME:
		return LM_I64;
	case LM_MAC:
		return LM_U64;
	case LM_IP4:
		return LM_U32;
	case LM_BOOL:
		return LM_U8;
	default:
		return operands;
	}
}

expr_kernel_fn *
expr_kernel(enum expr_op op, uint8_t operands, enum expr_shape shape)
{
	const struct kernel_entry *entry = kernel_table;
	uint32_t count = sizeof(kernel_table) / sizeof(kernel_table[0]);

	if (expr_kernel_reads_strings(operands) || (operands == LM_FRAME && op == EXPR_LENGTH)) {
		return expr_kernel_strings(op, operands, shape);
	}
	operands = kernel_storage(operands);
	if (op == EXPR_IF || op == EXPR_FILL || op == EXPR_COPY) {
		entry = kernel_width_table;
		count = sizeof(kernel_width_table) / sizeof(kernel_width_table[0]);
		operands = (uint8_t)lm_type_width((enum lm_type)operands);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (entry[i].op == op && entry[i].operands == operands && entry[i].shape == shape) {
			return entry[i].run;
		}
	}
	return NULL;
}

expr_kernel_fn *
expr_kernel_convert(enum lm_type from, enum lm_type to)
{
	uint32_t count = sizeof(kernel_convert_table) / sizeof(kernel_convert_table[0]);
	/* Widening is a matter of where it comes from. */
	enum lm_type target = to == LM_U64 && from != LM_F32 && from != LM_F64 ? LM_I64 : to;

	for (uint32_t i = 0; i < count; i++) {
		if (kernel_convert_table[i].from == from && kernel_convert_table[i].to == target) {
			return kernel_convert_table[i].run;
		}
	}
	return NULL;
}
