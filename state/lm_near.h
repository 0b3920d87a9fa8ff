/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_NEAR_H
#define LM_NEAR_H

/*
 * Tables by key: where keys are small numbers, or near each other, the state of a key stands at a
 * place that is the key less the first one. No hash, no comparison. Keys that have no place are
 * left to a map.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Places of a table. */
#define LM_NEAR_KEYS 4096u

/* Keys of `width` bytes (1, 2, 4, 8) without a sign, of these rows, or with `rows` NULL the first.
 */
struct lm_near_rows {
	const void *keys;
	uint32_t width;
	const uint16_t *rows;
	uint32_t count;
};

/*
 * Whether a table has a place for all of these keys; *first is then the key of place 0, chosen so
 * that there is space on both sides.
 */
bool lm_near_settle(const struct lm_near_rows *in, uint64_t *first);
/*
 * Writes where the states of the keys stand, `size` bytes each from `table` on. False: some keys
 * have no place; what is written for those is some place.
 */
bool lm_near_values(const struct lm_near_rows *in, uint64_t first, void *table, uint32_t size,
                    void **values);
struct lm_near_times {
	const int64_t *time_ns; /* by row */
	int64_t start;
	uint64_t size;
};
/*
 * Counts rows at their keys' places, up to the first whose key has none or whose time is not in
 * [start, start + size). Returns how many it counted.
 */
uint32_t lm_near_count(const struct lm_near_rows *in, const struct lm_near_times *times,
                       uint64_t first, uint64_t *table);

#ifdef __cplusplus
}
#endif

#endif
