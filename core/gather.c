/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copying rows from batch to batch, a column at a time: what an exchange between slices costs. The
 * loops are leaves with plain arguments so that they vectorise and can be measured alone.
 */

#include <string.h>

#include "core/batch.h"

/*
 * The rows of a column from another lcore, or from memory, are asked for so many rows ahead: the
 * hardware's own prefetching stops at each page of 4 KiB, which is half a column.
 */
#define GATHER_AHEAD 64u

#define GATHER(bits, type)                                                                         \
	static void gather_##bits(type *restrict to, const type *restrict from,                    \
	                          const uint16_t *restrict rows, uint32_t count)                   \
	{                                                                                          \
		uint32_t i = 0;                                                                    \
                                                                                                   \
		for (; i + GATHER_AHEAD < count; i++) {                                            \
			__builtin_prefetch(&from[rows[i + GATHER_AHEAD]]);                         \
			to[i] = from[rows[i]];                                                     \
		}                                                                                  \
		for (; i < count; i++) {                                                           \
			to[i] = from[rows[i]];                                                     \
		}                                                                                  \
	}
GATHER(8, uint8_t)
GATHER(16, uint16_t)
GATHER(32, uint32_t)
GATHER(64, uint64_t)
GATHER(128, struct lm_ip6)
#undef GATHER

void
lm_gather(void *to, const void *from, uint32_t width, const uint16_t *rows, uint32_t count)
{
	switch (width) {
	case 1:
		gather_8(to, from, rows, count);
		break;
	case 2:
		gather_16(to, from, rows, count);
		break;
	case 4:
		gather_32(to, from, rows, count);
		break;
	case 8:
		gather_64(to, from, rows, count);
		break;
	default:
		assert(width == 16);
		gather_128(to, from, rows, count);
		break;
	}
}

/* Fixed-width values: `to` and `from` are the columns' starts. */
static void
gather_column(char *to, const char *from, uint32_t width, const uint16_t *rows, uint32_t first,
              uint32_t count)
{
	if (rows == NULL) {
		memcpy(to, from + (size_t)first * width, (size_t)count * width);
	} else {
		lm_gather(to, from, width, rows, count);
	}
}

/* How many of the rows fit the byte area of a string column of `to`. */
static uint32_t
strings_that_fit(const struct lm_batch *to, const struct lm_batch *from, uint32_t field,
                 const uint16_t *rows, uint32_t first, uint32_t count)
{
	const uint32_t *offsets = lm_batch_offsets(from, field);
	uint32_t used = to->count == 0 ? 0 : lm_batch_offsets(to, field)[to->count];
	uint32_t room = lm_batch_bytes_max(to->schema, field) - used;
	uint32_t n = 0;

	for (; n < count; n++) {
		uint32_t row = rows == NULL ? first + n : rows[n];
		uint32_t length = offsets[row + 1] - offsets[row];

		if (length > room) {
			break;
		}
		room -= length;
	}
	return n;
}

/* Copies 16 bytes at a time where both sides have them: words are short. */
static inline void
copy_short(char *to, const char *from, uint32_t length, bool may_overrun)
{
	if (length <= 16 && may_overrun) {
		memcpy(to, from, 16);
	} else {
		memcpy(to, from, length);
	}
}

static void
gather_strings(struct lm_batch *to, const struct lm_batch *from, uint32_t field,
               const uint16_t *rows, uint32_t first, uint32_t count)
{
	const uint32_t *from_offsets = lm_batch_offsets(from, field);
	const char *from_bytes = lm_batch_bytes(from, field);
	uint32_t *offsets = lm_batch_offsets(to, field) + to->count;
	char *bytes = lm_batch_bytes(to, field);
	uint32_t from_safe = lm_batch_bytes_max(from->schema, field);
	uint32_t to_safe = lm_batch_bytes_max(to->schema, field);
	uint32_t at = to->count == 0 ? 0 : *offsets;

	*offsets = at;
	if (rows == NULL) {
		uint32_t start = from_offsets[first];

		for (uint32_t i = 1; i <= count; i++) {
			offsets[i] = at + (from_offsets[first + i] - start);
		}
		memcpy(bytes + at, from_bytes + start, from_offsets[first + count] - start);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t start = from_offsets[rows[i]];
		uint32_t length = from_offsets[rows[i] + 1u] - start;

		copy_short(bytes + at, from_bytes + start, length,
		           start + 16 <= from_safe && at + 16 <= to_safe);
		at += length;
		offsets[i + 1] = at;
	}
}

static void
gather_frames(struct lm_batch *to, const struct lm_batch *from, const uint16_t *rows,
              uint32_t first, uint32_t count)
{
	void **handles = lm_batch_handles(to) + to->count;

	gather_column((char *)handles, (const char *)lm_batch_handles(from), sizeof(void *), rows,
	              first, count);
	to->external = from->external;
	if (from->external != NULL) {
		from->external->retain(handles, count);
	}
}

uint32_t
batch_append(struct lm_batch *to, const struct lm_batch *from, const uint16_t *rows, uint32_t first,
             uint32_t count)
{
	const struct lm_schema *schema = to->schema;
	uint32_t room = schema->capacity - to->count;

	count = count < room ? count : room;
	for (uint32_t field = 0; field < schema->field_count; field++) {
		if (lm_type_width(schema->field[field].type) == 0) {
			count = strings_that_fit(to, from, field, rows, first, count);
		}
	}
	if (count == 0) {
		return 0;
	}
	for (uint32_t field = 0; field < schema->field_count; field++) {
		uint32_t width = lm_type_width(schema->field[field].type);

		if (width == 0) {
			gather_strings(to, from, field, rows, first, count);
		} else {
			gather_column((char *)lm_batch_column(to, field) +
			                  (size_t)to->count * width,
			              lm_batch_column(from, field), width, rows, first, count);
		}
	}
	if (schema->frame_field != LM_NONE) {
		gather_frames(to, from, rows, first, count);
	}
	if (from->hash_key != 0 && (to->count == 0 || to->hash_key == from->hash_key)) {
		gather_column((char *)(lm_batch_hashes(to) + to->count),
		              (const char *)lm_batch_hashes(from), sizeof(uint64_t), rows, first,
		              count);
		to->hash_key = from->hash_key;
	} else {
		to->hash_key = 0;
	}
	to->ingress_ns = from->ingress_ns < to->ingress_ns ? from->ingress_ns : to->ingress_ns;
	to->count += count;
	return count;
}
