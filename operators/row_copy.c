/* SPDX-License-Identifier: BSD-3-Clause */
/* Copying columns from batch to batch, row by row or in one piece. Pure. */
#include "operators/row_copy.h"

#include <assert.h>
#include <string.h>

#define ROW_GATHER(name, ctype)                                                                    \
	static void row_gather_##name(ctype *to, const ctype *from, const uint32_t *index,         \
	                              uint32_t count)                                              \
	{                                                                                          \
		for (uint32_t i = 0; i < count; i++) {                                             \
			to[i] = from[index[i]];                                                    \
		}                                                                                  \
	}
ROW_GATHER(u8, uint8_t)
ROW_GATHER(u16, uint16_t)
ROW_GATHER(u32, uint32_t)
ROW_GATHER(u64, uint64_t)
ROW_GATHER(ip6, struct lm_ip6)
#undef ROW_GATHER

void
row_gather(void *to, const void *values, const uint32_t *index, uint32_t count, uint32_t width)
{
	switch (width) {
	case 1:
		row_gather_u8(to, values, index, count);
		break;
	case 2:
		row_gather_u16(to, values, index, count);
		break;
	case 4:
		row_gather_u32(to, values, index, count);
		break;
	case 8:
		row_gather_u64(to, values, index, count);
		break;
	default:
		row_gather_ip6(to, values, index, count);
		break;
	}
}

/* Neighbours: their bytes stand together, so one copy does. */
static void
row_copy_string_piece(const uint32_t *offsets, const char *bytes, uint32_t first, uint32_t count,
                      uint32_t *to_offsets, char *to_bytes)
{
	uint32_t start = offsets[first], by = to_offsets[0] - start;

	memcpy(to_bytes + to_offsets[0], bytes + start, offsets[first + count] - start);
	for (uint32_t i = 1; i <= count; i++) {
		to_offsets[i] = offsets[first + i] + by;
	}
}

static void
row_copy_strings(const struct lm_batch *from, uint32_t field, const struct row_range *range,
                 struct lm_batch *to, uint32_t to_field, uint32_t at)
{
	const uint32_t *offsets = lm_batch_offsets(from, field);
	const char *bytes = lm_batch_bytes(from, field);
	uint32_t *to_offsets = lm_batch_offsets(to, to_field) + at;
	char *to_bytes = lm_batch_bytes(to, to_field);

	if (at == 0) {
		to_offsets[0] = 0;
	}
	if (range->rows == NULL) {
		row_copy_string_piece(offsets, bytes, range->first, range->count, to_offsets,
		                      to_bytes);
	} else {
		for (uint32_t i = 0; i < range->count; i++) {
			uint32_t start = offsets[range->rows[i]];
			uint32_t length = offsets[range->rows[i] + 1] - start;

			memcpy(to_bytes + to_offsets[i], bytes + start, length);
			to_offsets[i + 1] = to_offsets[i] + length;
		}
	}
	assert(to_offsets[range->count] <= to->schema->field[to_field].bytes_max);
}

void
row_copy(const struct lm_batch *from, uint32_t field, const struct row_range *range,
         struct lm_batch *to, uint32_t to_field, uint32_t at)
{
	uint32_t width = lm_type_width(from->schema->field[field].type);
	char *target = (char *)lm_batch_column(to, to_field) + (size_t)at * width;
	const char *source = lm_batch_column(from, field);

	assert(from->schema->field[field].type == to->schema->field[to_field].type);
	if (width == 0) {
		row_copy_strings(from, field, range, to, to_field, at);
	} else if (range->rows == NULL) {
		memcpy(target, source + (size_t)range->first * width, (size_t)range->count * width);
	} else {
		lm_gather(target, source, width, range->rows, range->count);
	}
}
