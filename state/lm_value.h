/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_VALUE_H
#define LM_VALUE_H

/*
 * A value: one block of memory of a slice, kept by snapshots. For what has no key: totals, tables,
 * lists of what is open. It stays with its slice.
 *
 *     s->total = lm_value_open(op, sizeof(struct total));      in open; zeroed, aligned to 64
 *     struct total *total = lm_value_data(s->total);
 *
 *     lm_value_touch(s->total, &total->rows, sizeof(total->rows));   before it is written
 *     total->rows++;
 *
 * A touch holds until the callback returns. Inside the block there may be no pointers: it is copied
 * to a file and back, to wherever it then stands.
 */

#include "core/lm_op.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lm_value;

/* In open: a value in memory of the slice, or NULL when there is none left. */
struct lm_value *lm_value_open(struct lm_op *op, size_t size);
void *lm_value_data(const struct lm_value *value);
/* `size` bytes of the value, at least 1, are about to be written. */
void lm_value_touch(struct lm_value *value, const void *at, size_t size);
/* The same for `count` places of `size` bytes each. */
void lm_value_touch_all(struct lm_value *value, void *const *at, uint32_t count, size_t size);

#ifdef __cplusplus
}
#endif

#endif
