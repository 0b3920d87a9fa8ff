/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXPR_KERNELS_H
#define EXPR_KERNELS_H

/*
 * Kernels: leaf loops over dense arrays, one for each operation and type. What an operation means
 * (wrapping, division by zero, NaN) is said here once: constants are folded by the same loops.
 *
 * `count` is the rows; `out` overlaps no input. Bools are bytes: 0 or 1 on the way out, and on the
 * way in as well, except that CONVERT and COPY take any byte of a bool column.
 */

#include "core/expr.h"

enum expr_shape {
	EXPR_VECTOR,  /* all operands are arrays */
	EXPR_CONSTANT /* the last operand (b) is one value, or a list: struct expr_list */
};

/* The constants of IN and WITHIN. */
struct expr_list {
	uint32_t count;
	uint32_t offset; /* of the values from the list's start, aligned for them */
};

/* A string column, or its selected rows. */
struct expr_strings {
	const uint32_t *offsets;
	const char *bytes;
	const uint16_t *rows; /* NULL: all, in order */
};

/*
 * The kernel of an operation on operands of a type (see `operands` of struct expr_node), or NULL
 * when there is none of that shape. FILL, COPY and IF depend on the width of the type alone.
 */
expr_kernel_fn *expr_kernel(enum expr_op op, uint8_t operands, enum expr_shape shape);
/* From a field's or value's type to a computed one; NULL when the bits stay as they are. */
expr_kernel_fn *expr_kernel_convert(enum lm_type from, enum lm_type to);
/* Whether an operand of the type is a struct expr_strings. Its part of expr_kernel; also frames. */
bool expr_kernel_reads_strings(uint8_t operands);
expr_kernel_fn *expr_kernel_strings(enum expr_op op, uint8_t operands, enum expr_shape shape);

#endif
