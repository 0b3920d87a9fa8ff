/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ROW_COPY_H
#define ROW_COPY_H

/*
 * Copying columns from batch to batch, for operators whose output has columns of their input. Pure.
 */

#include "core/lm_batch.h"

/*
 * Which rows are copied: rows[0] to rows[count - 1] (in any order, also repeated), or, when `rows`
 * is NULL, those from `first` on.
 */
struct row_range {
	const uint16_t *rows;
	uint32_t first, count;
};

/* Part of a range: `count` rows from its row `start` on. */
static inline struct row_range
row_range_part(const struct row_range *range, uint32_t start, uint32_t count)
{
	return (struct row_range){ range->rows == NULL ? NULL : range->rows + start,
		                   range->first + start, count };
}

/*
 * Copies column `field` of `from` into column `to_field` of `to`, from row `at` on; no frames.
 * Strings: the bytes must fit, which they do in an empty batch whose byte area is not smaller than
 * that of `from`, as long as no row is repeated.
 */
void row_copy(const struct lm_batch *from, uint32_t field, const struct row_range *range,
              struct lm_batch *to, uint32_t to_field, uint32_t at);

/* values[index[i]] for every i: `width` bytes each. */
void row_gather(void *to, const void *values, const uint32_t *index, uint32_t count,
                uint32_t width);

#endif
