/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernels of expressions that read strings, bytes and frames: in place, whole columns or
 * selected rows, for strings are not gathered.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* memmem */
#endif
#include "core/expr_kernels.h"

#include <string.h>

static inline struct expr_text
strings_at(const struct expr_strings *strings, uint32_t i)
{
	uint32_t row = strings->rows == NULL ? i : strings->rows[i];
	uint32_t start = strings->offsets[row];

	return (struct expr_text){ .bytes = strings->bytes + start,
		                   .length = strings->offsets[row + 1] - start };
}

static inline bool
strings_equal(struct expr_text x, struct expr_text y)
{
	return x.length == y.length && memcmp(x.bytes, y.bytes, x.length) == 0;
}

/* By bytes, a start before what it starts. Below 0: x comes first. */
static inline int
strings_order(struct expr_text x, struct expr_text y)
{
	int order = memcmp(x.bytes, y.bytes, x.length < y.length ? x.length : y.length);

	return order != 0 ? order : (x.length > y.length) - (x.length < y.length);
}

static inline bool
strings_start(struct expr_text x, struct expr_text y)
{
	return x.length >= y.length && memcmp(x.bytes, y.bytes, y.length) == 0;
}

/*
 * memmem is linear but slow to start. In a short string, going from first byte to first byte is
 * faster and, because it is short, never slow.
 */
#define STRINGS_SHORT 256u

static bool
strings_contain(struct expr_text x, struct expr_text y)
{
	const char *at = x.bytes;
	const char *last;

	if (y.length == 0 || x.length < y.length) {
		return y.length == 0;
	}
	last = x.bytes + x.length - y.length; /* where it may begin */
	if (x.length > STRINGS_SHORT) {
		return memmem(x.bytes, x.length, y.bytes, y.length) != NULL;
	}
	while ((at = memchr(at, y.bytes[0], (size_t)(last - at) + 1)) != NULL) {
		if (memcmp(at, y.bytes, y.length) == 0) {
			return true;
		}
		if (at++ == last) {
			return false;
		}
	}
	return false;
}

/* The last bytes of a string as one number: eight, or all of fewer. */
static inline uint64_t
strings_tail(struct expr_text x)
{
	uint64_t eight = 0;
	uint32_t low = 0, high = 0;

	if (x.length >= sizeof(eight)) {
		memcpy(&eight, x.bytes + x.length - sizeof(eight), sizeof(eight));
		return eight;
	}
	if (x.length >= sizeof(low)) {
		memcpy(&low, x.bytes, sizeof(low));
		memcpy(&high, x.bytes + x.length - sizeof(high), sizeof(high));
		return (uint64_t)high << 32 | low;
	}
	for (uint32_t i = 0; i < x.length; i++) {
		low = low << 8 | (uint8_t)x.bytes[i];
	}
	return low;
}

static inline uint64_t
strings_hash(struct expr_text x)
{
	uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ x.length;
	uint64_t part;

	for (uint32_t i = 0; i + sizeof(part) < x.length; i += sizeof(part)) {
		memcpy(&part, x.bytes + i, sizeof(part));
		hash = (hash ^ part) * UINT64_C(0xff51afd7ed558ccd);
		hash ^= hash >> 32;
	}
	hash = (hash ^ strings_tail(x)) * UINT64_C(0xff51afd7ed558ccd);
	hash = (hash ^ (hash >> 29)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return hash ^ (hash >> 32);
}

#define STRINGS_ARGS                                                                               \
	const void *a, const void *b __attribute__((unused)),                                      \
	    const void *c __attribute__((unused)), void *out, uint32_t count

#define STRINGS_UNARY(name, to, expression)                                                        \
	static void strings_##name##_kernel(STRINGS_ARGS)                                          \
	{                                                                                          \
		to *results = out;                                                                 \
                                                                                                   \
		for (uint32_t i = 0; i < count; i++) {                                             \
			struct expr_text x = strings_at(a, i);                                     \
                                                                                                   \
			results[i] = (expression);                                                 \
		}                                                                                  \
	}

#define STRINGS_VECTOR(name, expression)                                                           \
	static void strings_##name##_vv(STRINGS_ARGS)                                              \
	{                                                                                          \
		uint8_t *results = out;                                                            \
                                                                                                   \
		for (uint32_t i = 0; i < count; i++) {                                             \
			struct expr_text x = strings_at(a, i);                                     \
			struct expr_text y = strings_at(b, i);                                     \
                                                                                                   \
			results[i] = (expression);                                                 \
		}                                                                                  \
	}

#define STRINGS_CONSTANT(name, expression)                                                         \
	static void strings_##name##_vk(STRINGS_ARGS)                                              \
	{                                                                                          \
		const struct expr_text y = *(const struct expr_text *)b;                           \
		uint8_t *results = out;                                                            \
                                                                                                   \
		for (uint32_t i = 0; i < count; i++) {                                             \
			struct expr_text x = strings_at(a, i);                                     \
                                                                                                   \
			results[i] = (expression);                                                 \
		}                                                                                  \
	}

STRINGS_VECTOR(eq, strings_equal(x, y))
STRINGS_VECTOR(ne, !strings_equal(x, y))
STRINGS_VECTOR(lt, strings_order(x, y) < 0)
STRINGS_VECTOR(le, strings_order(x, y) <= 0)
STRINGS_CONSTANT(eq, strings_equal(x, y))
STRINGS_CONSTANT(ne, !strings_equal(x, y))
STRINGS_CONSTANT(lt, strings_order(x, y) < 0)
STRINGS_CONSTANT(le, strings_order(x, y) <= 0)
STRINGS_CONSTANT(gt, strings_order(x, y) > 0)
STRINGS_CONSTANT(ge, strings_order(x, y) >= 0)
STRINGS_CONSTANT(starts_with, strings_start(x, y))
STRINGS_CONSTANT(contains, strings_contain(x, y))
STRINGS_UNARY(length, uint64_t, x.length)
STRINGS_UNARY(hash, uint64_t, strings_hash(x))

static void
strings_in(STRINGS_ARGS)
{
	const struct expr_list *list = b;
	const struct expr_text *texts =
	    (const struct expr_text *)((const char *)list + list->offset);
	uint8_t *results = out;

	for (uint32_t i = 0; i < count; i++) {
		struct expr_text x = strings_at(a, i);
		bool found = false;

		for (uint32_t k = 0; k < list->count && !found; k++) {
			found = strings_equal(x, texts[k]);
		}
		results[i] = found;
	}
}

/* Of a frame column, gathered as any other: the length of the packet. */
static void
strings_frame_length(STRINGS_ARGS)
{
	const struct lm_frame *frames = a;
	uint64_t *results = out;

	for (uint32_t i = 0; i < count; i++) {
		results[i] = frames[i].length;
	}
}

static const struct {
	uint8_t op;
	uint8_t shape;
	expr_kernel_fn *run;
} strings_table[] = {
	{ EXPR_EQ, EXPR_VECTOR, strings_eq_vv },
	{ EXPR_NE, EXPR_VECTOR, strings_ne_vv },
	{ EXPR_LT, EXPR_VECTOR, strings_lt_vv },
	{ EXPR_LE, EXPR_VECTOR, strings_le_vv },
	{ EXPR_EQ, EXPR_CONSTANT, strings_eq_vk },
	{ EXPR_NE, EXPR_CONSTANT, strings_ne_vk },
	{ EXPR_LT, EXPR_CONSTANT, strings_lt_vk },
	{ EXPR_LE, EXPR_CONSTANT, strings_le_vk },
	{ EXPR_GT, EXPR_CONSTANT, strings_gt_vk },
	{ EXPR_GE, EXPR_CONSTANT, strings_ge_vk },
	{ EXPR_STARTS_WITH, EXPR_CONSTANT, strings_starts_with_vk },
	{ EXPR_CONTAINS, EXPR_CONSTANT, strings_contains_vk },
	{ EXPR_IN, EXPR_CONSTANT, strings_in },
	{ EXPR_LENGTH, EXPR_VECTOR, strings_length_kernel },
	{ EXPR_HASH, EXPR_VECTOR, strings_hash_kernel },
};

bool
expr_kernel_reads_strings(uint8_t operands)
{
	return operands == LM_STRING || operands == LM_BYTES;
}

expr_kernel_fn *
expr_kernel_strings(enum expr_op op, uint8_t operands, enum expr_shape shape)
{
	if (operands == LM_FRAME) {
		return op == EXPR_LENGTH && shape == EXPR_VECTOR ? strings_frame_length : NULL;
	}
	for (uint32_t i = 0; i < sizeof(strings_table) / sizeof(strings_table[0]); i++) {
		if (strings_table[i].op == op && strings_table[i].shape == shape) {
			return strings_table[i].run;
		}
	}
	return NULL;
}
