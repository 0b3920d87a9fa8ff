/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Types and schemas: their names, and where the columns of a batch stand. Also the two functions
 * with which operators fill and size string columns. Pure.
 */
#include "core/lm_batch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/lm_op.h"

#define SCHEMA_ALIGN 64u
#define SCHEMA_STRING_BYTES 64u /* of the byte area, a row, when the field does not say */

static_assert(sizeof(struct lm_batch) % SCHEMA_ALIGN == 0, "the hash column is aligned");
static_assert(sizeof(struct lm_ip6) == 16 && sizeof(struct lm_frame) == 16, "as LM_TYPES says");
static_assert(LM_BATCH_ROWS <= UINT16_MAX, "a selection holds rows in 16 bits");

static bool schema_name_valid(const char *name);
static bool schema_fields_valid(const struct lm_field *fields, uint32_t count);
static uint64_t schema_lay_out(struct lm_schema *schema, uint32_t rows,
                               const struct lm_field *fields);

int
lm_schema_init(struct lm_schema *schema, const struct lm_field *fields, uint32_t count,
               uint32_t rows)
{
	struct lm_schema made = { .field_count = count,
		                  .time_field = LM_NONE,
		                  .frame_field = LM_NONE };

	if (count == 0 || rows == 0 || rows > LM_BATCH_ROWS) {
		return -EINVAL;
	}
	if (count > LM_FIELDS_MAX) {
		return -E2BIG;
	}
	if (!schema_fields_valid(fields, count)) {
		return -EINVAL;
	}
	for (uint32_t i = 0; i < count; i++) {
		/* Copied with its length: what follows a name's end is always zero here. */
		memcpy(made.field[i].name, fields[i].name, strlen(fields[i].name));
		made.field[i].type = fields[i].type;
		if (fields[i].type == LM_TIME && made.time_field == LM_NONE) {
			made.time_field = i;
		}
		if (fields[i].type == LM_FRAME) {
			made.frame_field = i;
		}
	}
	while (schema_lay_out(&made, rows, fields) > LM_BATCH_SIZE_MAX) {
		rows /= 2;
		if (rows == 0) {
			return -E2BIG;
		}
	}
	*schema = made;
	return 0;
}

uint32_t
lm_schema_find(const struct lm_schema *schema, const char *name)
{
	assert(schema->field_count <= LM_FIELDS_MAX);
	for (uint32_t i = 0; i < schema->field_count; i++) {
		if (strcmp(schema->field[i].name, name) == 0) {
			return i;
		}
	}
	return LM_NONE;
}

bool
lm_schema_equal(const struct lm_schema *a, const struct lm_schema *b)
{
	if (a->field_count != b->field_count) {
		return false;
	}
	for (uint32_t i = 0; i < a->field_count; i++) {
		if (a->field[i].type != b->field[i].type ||
		    strcmp(a->field[i].name, b->field[i].name) != 0) {
			return false;
		}
	}
	return true;
}

const char *
lm_type_text(enum lm_type type)
{
	static const char *const text[] = {
#define SCHEMA_TEXT(suffix, text, width) text,
		LM_TYPES(SCHEMA_TEXT)
#undef SCHEMA_TEXT
	};

	return (uint32_t)type < LM_TYPE_COUNT ? text[type] : "none";
}

enum lm_type
lm_type_find(const char *text)
{
	for (uint32_t i = 0; i < LM_TYPE_COUNT; i++) {
		if (strcmp(lm_type_text((enum lm_type)i), text) == 0) {
			return (enum lm_type)i;
		}
	}
	return LM_TYPE_COUNT;
}

uint32_t
lm_type_width(enum lm_type type)
{
	static const uint8_t widths[] = {
#define SCHEMA_WIDTH(suffix, text, width) width,
		LM_TYPES(SCHEMA_WIDTH)
#undef SCHEMA_WIDTH
	};

	return (uint32_t)type < LM_TYPE_COUNT ? widths[type] : 0;
}

bool
lm_batch_put_string(struct lm_batch *batch, uint32_t field, uint32_t row, const char *bytes,
                    uint32_t length)
{
	const struct lm_schema *schema = batch->schema;
	uint32_t *offsets = lm_batch_offsets(batch, field);
	uint32_t start;

	assert(field < schema->field_count);
	assert(row < schema->capacity);
	assert(schema->bytes_offset[field] != 0);
	if (row == 0) {
		offsets[0] = 0;
	}
	start = offsets[row];
	assert(start <= schema->field[field].bytes_max);
	if (length > schema->field[field].bytes_max - start) {
		return false;
	}
	if (length > 0) {
		memcpy(lm_batch_bytes(batch, field) + start, bytes, length);
	}
	offsets[row + 1] = start + length;
	return true;
}

uint32_t
lm_batch_bytes_max(const struct lm_schema *schema, uint32_t field)
{
	assert(field < schema->field_count);
	return schema->field[field].bytes_max;
}

static bool
schema_name_valid(const char *name)
{
	uint32_t length = 0;

	for (; length < LM_NAME_MAX && name[length] != '\0'; length++) {
		char c = name[length];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && (length == 0 || c < '0' || c > '9')) {
			return false;
		}
	}
	return length > 0 && length < LM_NAME_MAX;
}

static bool
schema_fields_valid(const struct lm_field *fields, uint32_t count)
{
	uint32_t frames = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (!schema_name_valid(fields[i].name) ||
		    (uint32_t)fields[i].type >= LM_TYPE_COUNT) {
			return false;
		}
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(fields[i].name, fields[j].name) == 0) {
				return false;
			}
		}
		frames += fields[i].type == LM_FRAME;
	}
	return frames <= 1;
}

/* Takes `size` bytes at the end of the batch laid out so far and returns where they start. */
static uint64_t
schema_take(uint64_t *end, uint64_t size)
{
	uint64_t start = *end;

	*end = (start + size + SCHEMA_ALIGN - 1) / SCHEMA_ALIGN * SCHEMA_ALIGN;
	return start;
}

/* Returns the size of a batch of `rows` rows; the offsets are right when it fits in 32 bits. */
static uint64_t
schema_lay_out(struct lm_schema *schema, uint32_t rows, const struct lm_field *fields)
{
	uint64_t end = sizeof(struct lm_batch);

	schema_take(&end, rows * sizeof(uint64_t)); /* hashes */
	for (uint32_t i = 0; i < schema->field_count; i++) {
		struct lm_field *field = &schema->field[i];
		uint32_t width = lm_type_width(field->type);

		if (width != 0) {
			schema->offset[i] = (uint32_t)schema_take(&end, (uint64_t)width * rows);
			continue;
		}
		field->bytes_max =
		    fields[i].bytes_max != 0 ? fields[i].bytes_max : SCHEMA_STRING_BYTES * rows;
		schema->offset[i] = (uint32_t)schema_take(&end, (rows + 1) * sizeof(uint32_t));
		/* In 64 bits: a byte area may be asked for that no batch could hold. */
		schema->bytes_offset[i] =
		    (uint32_t)schema_take(&end, (uint64_t)field->bytes_max + LM_BYTES_SLACK);
	}
	if (schema->frame_field != LM_NONE) {
		schema->handle_offset = (uint32_t)schema_take(&end, rows * sizeof(void *));
	}
	schema->capacity = rows;
	schema->size = (uint32_t)end;
	return end;
}
