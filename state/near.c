/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables by key: the loops, one a width of keys. */

#include "state/lm_near.h"

#include <assert.h>
#include <stddef.h>

/* What a function does for keys of one width. The loops are written twice so that each vectorises.
 */
#define NEAR_WIDTH(name, type)                                                                     \
	static void near_range_##name(const struct lm_near_rows *in, uint64_t *least,              \
	                              uint64_t *most)                                              \
	{                                                                                          \
		const type *restrict key = in->keys;                                               \
		const uint16_t *restrict rows = in->rows;                                          \
		uint32_t count = in->count;                                                        \
                                                                                                   \
		for (uint32_t i = 0; i < count; i++) {                                             \
			uint64_t k = key[rows == NULL ? i : rows[i]];                              \
                                                                                                   \
			*least = k < *least ? k : *least;                                          \
			*most = k > *most ? k : *most;                                             \
		}                                                                                  \
	}                                                                                          \
	static uint64_t near_values_##name(const struct lm_near_rows *in, uint64_t first,          \
	                                   char *table, uint32_t size, void **restrict values)     \
	{                                                                                          \
		const type *restrict key = in->keys;                                               \
		const uint16_t *restrict rows = in->rows;                                          \
		uint32_t count = in->count;                                                        \
		uint64_t outside = 0;                                                              \
                                                                                                   \
		if (rows == NULL) {                                                                \
			for (uint32_t i = 0; i < count; i++) {                                     \
				uint64_t place = key[i] - first;                                   \
                                                                                                   \
				outside |= place;                                                  \
				values[i] = table + place % LM_NEAR_KEYS * size;                   \
			}                                                                          \
		} else {                                                                           \
			for (uint32_t i = 0; i < count; i++) {                                     \
				uint64_t place = key[rows[i]] - first;                             \
                                                                                                   \
				outside |= place;                                                  \
				values[i] = table + place % LM_NEAR_KEYS * size;                   \
			}                                                                          \
		}                                                                                  \
		return outside / LM_NEAR_KEYS;                                                     \
	}                                                                                          \
	static uint32_t near_count_##name(const struct lm_near_rows *in,                           \
	                                  const struct lm_near_times *times, uint64_t first,       \
	                                  uint64_t *restrict table)                                \
	{                                                                                          \
		const type *restrict key = in->keys;                                               \
		const uint16_t *restrict rows = in->rows;                                          \
		const int64_t *restrict time_ns = times->time_ns;                                  \
		uint64_t start = (uint64_t)times->start, size = times->size;                       \
		uint32_t count = in->count, i;                                                     \
                                                                                                   \
		for (i = 0; rows == NULL && i < count; i++) {                                      \
			uint64_t place = key[i] - first;                                           \
                                                                                                   \
			if (place >= LM_NEAR_KEYS || (uint64_t)time_ns[i] - start >= size) {       \
				return i;                                                          \
			}                                                                          \
			table[place]++;                                                            \
		}                                                                                  \
		for (; i < count; i++) {                                                           \
			uint64_t place = key[rows[i]] - first;                                     \
                                                                                                   \
			if (place >= LM_NEAR_KEYS || (uint64_t)time_ns[rows[i]] - start >= size) { \
				return i;                                                          \
			}                                                                          \
			table[place]++;                                                            \
		}                                                                                  \
		return count;                                                                      \
	}
NEAR_WIDTH(u8, uint8_t)
NEAR_WIDTH(u16, uint16_t)
NEAR_WIDTH(u32, uint32_t)
NEAR_WIDTH(u64, uint64_t)
#undef NEAR_WIDTH

bool
lm_near_settle(const struct lm_near_rows *in, uint64_t *first)
{
	uint64_t least = UINT64_MAX, most = 0, spare;

	switch (in->width) {
	case 1:
		near_range_u8(in, &least, &most);
		break;
	case 2:
		near_range_u16(in, &least, &most);
		break;
	case 4:
		near_range_u32(in, &least, &most);
		break;
	default:
		assert(in->width == 8);
		near_range_u64(in, &least, &most);
		break;
	}
	if (in->count == 0 || most - least >= LM_NEAR_KEYS) {
		return false;
	}
	spare = (LM_NEAR_KEYS - (most - least)) / 2;
	*first = most < LM_NEAR_KEYS || least < spare ? 0 : least - spare;
	return true;
}

bool
lm_near_values(const struct lm_near_rows *in, uint64_t first, void *table, uint32_t size,
               void **values)
{
	switch (in->width) {
	case 1:
		return near_values_u8(in, first, table, size, values) == 0;
	case 2:
		return near_values_u16(in, first, table, size, values) == 0;
	case 4:
		return near_values_u32(in, first, table, size, values) == 0;
	default:
		assert(in->width == 8);
		return near_values_u64(in, first, table, size, values) == 0;
	}
}

uint32_t
lm_near_count(const struct lm_near_rows *in, const struct lm_near_times *times, uint64_t first,
              uint64_t *table)
{
	switch (in->width) {
	case 1:
		return near_count_u8(in, times, first, table);
	case 2:
		return near_count_u16(in, times, first, table);
	case 4:
		return near_count_u32(in, times, first, table);
	default:
		assert(in->width == 8);
		return near_count_u64(in, times, first, table);
	}
}
