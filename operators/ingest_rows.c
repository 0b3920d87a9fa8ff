/* SPDX-License-Identifier: BSD-3-Clause */
/* Batches to bytes and back, for the ingest log. */
#include "operators/ingest_rows.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/lm_op.h"

static_assert(LM_FIELDS_MAX * (LM_NAME_MAX + 8) <= INGEST_SCHEMA_MAX, "any schema fits");

void
ingest_rows_schema(const struct lm_schema *schema, char text[INGEST_SCHEMA_MAX])
{
	size_t length = 0;

	for (uint32_t i = 0; i < schema->field_count; i++) {
		length += (size_t)snprintf(text + length, INGEST_SCHEMA_MAX - length, "%s%s:%s",
		                           i == 0 ? "" : " ", schema->field[i].name,
		                           lm_type_text(schema->field[i].type));
	}
	assert(length < INGEST_SCHEMA_MAX);
}

uint32_t
ingest_rows_size(const struct lm_batch *batch)
{
	const struct lm_schema *schema = batch->schema;
	uint32_t size = 0;

	for (uint32_t i = 0; i < schema->field_count; i++) {
		uint32_t width = lm_type_width(schema->field[i].type);

		if (width == 0) {
			const uint32_t *offsets = lm_batch_offsets(batch, i);

			size += offsets[batch->count] - offsets[0];
			width = sizeof(uint32_t);
		}
		size += width * batch->count;
	}
	return size;
}

static uint8_t *
write_strings(const struct lm_batch *batch, uint32_t field, uint8_t *bytes)
{
	const uint32_t *offsets = lm_batch_offsets(batch, field);
	uint32_t length = offsets[batch->count] - offsets[0];

	for (uint32_t row = 0; row < batch->count; row++) {
		uint32_t end = offsets[row + 1] - offsets[0];

		memcpy(bytes, &end, sizeof(end));
		bytes += sizeof(end);
	}
	memcpy(bytes, lm_batch_bytes(batch, field) + offsets[0], length);
	return bytes + length;
}

void
ingest_rows_write(const struct lm_batch *batch, uint8_t *bytes)
{
	const struct lm_schema *schema = batch->schema;

	for (uint32_t i = 0; i < schema->field_count; i++) {
		uint32_t width = lm_type_width(schema->field[i].type);

		if (width == 0) {
			bytes = write_strings(batch, i, bytes);
		} else {
			memcpy(bytes, lm_batch_column(batch, i), (size_t)width * batch->count);
			bytes += (size_t)width * batch->count;
		}
	}
}

/* Where the string of a row ends, in the bytes of its column. */
static uint32_t
end_of(const uint8_t *ends, uint32_t row)
{
	uint32_t end;

	memcpy(&end, ends + (size_t)row * sizeof(end), sizeof(end));
	return end;
}

/* The bytes of a column of a record that is known to be good. */
static size_t
column_size(enum lm_type type, const uint8_t *bytes, uint32_t rows)
{
	uint32_t width = lm_type_width(type);

	return width != 0 ? (size_t)width * rows
	                  : (size_t)rows * sizeof(uint32_t) + end_of(bytes, rows - 1);
}

static bool
check_strings(const uint8_t *bytes, uint64_t left, uint32_t rows)
{
	uint32_t before = 0;

	if (left < (uint64_t)rows * sizeof(uint32_t)) {
		return false;
	}
	for (uint32_t row = 0; row < rows; row++) {
		uint32_t end = end_of(bytes, row);

		if (end < before) {
			return false;
		}
		before = end;
	}
	return before <= left - (uint64_t)rows * sizeof(uint32_t);
}

static bool
check_bools(const uint8_t *bytes, uint32_t rows)
{
	uint8_t all = 0;

	for (uint32_t row = 0; row < rows; row++) {
		all |= bytes[row];
	}
	return all <= 1;
}

bool
ingest_rows_check(const struct lm_schema *schema, const uint8_t *bytes, uint32_t size,
                  uint32_t rows)
{
	uint64_t left = size;

	for (uint32_t i = 0; rows > 0 && i < schema->field_count; i++) {
		enum lm_type type = schema->field[i].type;
		uint32_t width = lm_type_width(type);
		size_t taken;

		if (width == 0 ? !check_strings(bytes, left, rows)
		               : left < (uint64_t)width * rows) {
			return false;
		}
		if (type == LM_BOOL && !check_bools(bytes, rows)) {
			return false;
		}
		taken = column_size(type, bytes, rows);
		bytes += taken;
		left -= taken;
	}
	return rows > 0 && left == 0;
}

/* How many of the strings fit behind those that are in the batch. */
static uint32_t
strings_that_fit(const uint8_t *ends, const struct ingest_range *range, uint32_t count,
                 uint32_t room)
{
	uint32_t start = range->from == 0 ? 0 : end_of(ends, range->from - 1);
	uint32_t none = count + 1, most = 0;

	/* Ends only grow: the last one that fits is found by halves. */
	while (none - most > 1) {
		uint32_t middle = most + (none - most) / 2;

		if (end_of(ends, range->from + middle - 1) - start <= room) {
			most = middle;
		} else {
			none = middle;
		}
	}
	return most;
}

static uint32_t
rows_that_fit(const uint8_t *bytes, const struct ingest_range *range, const struct lm_batch *out,
              uint32_t first)
{
	const struct lm_schema *schema = out->schema;
	uint32_t count = range->count;

	for (uint32_t i = 0; i < schema->field_count; i++) {
		if (lm_type_width(schema->field[i].type) == 0) {
			uint32_t used = first == 0 ? 0 : lm_batch_offsets(out, i)[first];

			count = strings_that_fit(bytes, range, count,
			                         lm_batch_bytes_max(schema, i) - used);
		}
		bytes += column_size(schema->field[i].type, bytes, range->rows);
	}
	return count;
}

static void
read_strings(const uint8_t *bytes, const struct ingest_range *range, uint32_t count,
             struct lm_batch *out, uint32_t field, uint32_t first)
{
	uint32_t *offsets = lm_batch_offsets(out, field);
	uint32_t start = range->from == 0 ? 0 : end_of(bytes, range->from - 1);
	const uint8_t *strings = bytes + (size_t)range->rows * sizeof(uint32_t);
	uint32_t at;

	if (first == 0) {
		offsets[0] = 0;
	}
	at = offsets[first];
	for (uint32_t row = 0; row < count; row++) {
		offsets[first + row + 1] = at + end_of(bytes, range->from + row) - start;
	}
	memcpy(lm_batch_bytes(out, field) + at, strings + start, offsets[first + count] - at);
}

uint32_t
ingest_rows_read(const uint8_t *bytes, const struct ingest_range *range, struct lm_batch *out,
                 uint32_t first)
{
	const struct lm_schema *schema = out->schema;
	uint32_t count = rows_that_fit(bytes, range, out, first);

	assert(range->from + range->count <= range->rows);
	for (uint32_t i = 0; count > 0 && i < schema->field_count; i++) {
		uint32_t width = lm_type_width(schema->field[i].type);

		if (width == 0) {
			read_strings(bytes, range, count, out, i, first);
		} else {
			memcpy((uint8_t *)lm_batch_column(out, i) + (size_t)first * width,
			       bytes + (size_t)range->from * width, (size_t)count * width);
		}
		bytes += column_size(schema->field[i].type, bytes, range->rows);
	}
	return count;
}
