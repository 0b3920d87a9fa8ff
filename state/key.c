/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys of maps made of columns: packing rows, a column at a time, and writing keys back to columns.
 */

#include "state/lm_key.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int
lm_key_init(struct lm_key *key, const struct lm_schema *schema, const uint32_t *fields,
            uint32_t count)
{
	memset(key, 0, sizeof(*key));
	if (count == 0 || count > LM_KEY_COLUMNS_MAX) {
		return -EINVAL;
	}
	key->field_count = count;
	key->capacity = schema->capacity;
	for (uint32_t i = 0; i < count; i++) {
		const struct lm_field *field = &schema->field[fields[i]];

		assert(fields[i] < schema->field_count);
		if (field->type == LM_FRAME) {
			return -EINVAL;
		}
		key->field[i] = fields[i];
		key->column[i] = *field;
		key->width[i] = lm_type_width(field->type);
		key->offset[i] = key->fixed;
		key->fixed += key->width[i];
		key->strings += key->width[i] == 0;
		key->bytes_max += key->width[i] == 0 ? lm_batch_bytes_max(schema, fields[i]) : 0;
	}
	if (key->fixed > LM_MAP_KEY_MAX) {
		return -E2BIG;
	}
	key->size = key->strings == 0 ? (key->fixed + 7) & ~7u : 0;
	return 0;
}

/* Whether the column serves as the packed keys. */
static bool
key_stands(const struct lm_key *key)
{
	return key->field_count == 1 && (key->strings == 1 || key->size == key->fixed);
}

static size_t
key_offsets_size(const struct lm_key *key)
{
	return (key->capacity + 1) * sizeof(uint32_t);
}

size_t
lm_key_scratch_size(const struct lm_key *key)
{
	if (key->field_count == 0 || key_stands(key)) {
		return 1;
	}
	if (key->strings == 0) {
		return (size_t)key->capacity * key->size;
	}
	return key_offsets_size(key) + key->bytes_max +
	       (size_t)key->capacity * (key->fixed + key->strings * sizeof(uint32_t));
}

/*
 * Packing.
 */

/* A column into words: the first starts them, each later one goes above the ones before. */
#define KEY_WORDS(name, type)                                                                      \
	static void key_words_##name(uint64_t *restrict word, const type *restrict value,          \
	                             const uint16_t *restrict rows, uint32_t count,                \
	                             uint32_t shift)                                               \
	{                                                                                          \
		if (rows == NULL && shift == 0) {                                                  \
			for (uint32_t i = 0; i < count; i++) {                                     \
				word[i] = value[i];                                                \
			}                                                                          \
		} else if (rows == NULL) {                                                         \
			for (uint32_t i = 0; i < count; i++) {                                     \
				word[i] |= (uint64_t)value[i] << shift;                            \
			}                                                                          \
		} else {                                                                           \
			for (uint32_t i = 0; i < count; i++) {                                     \
				uint64_t before = shift == 0 ? 0 : word[rows[i]];                  \
                                                                                                   \
				word[rows[i]] = before | (uint64_t)value[rows[i]] << shift;        \
			}                                                                          \
		}                                                                                  \
	}
KEY_WORDS(u8, uint8_t)
KEY_WORDS(u16, uint16_t)
KEY_WORDS(u32, uint32_t)
#undef KEY_WORDS

static void
key_pack_word(const struct lm_key *key, uint64_t *word, const struct lm_batch *in,
              const uint16_t *rows, uint32_t count)
{
	for (uint32_t i = 0; i < key->field_count; i++) {
		uint32_t field = key->field[i], shift = 8 * key->offset[i];

		switch (key->width[i]) {
		case 1:
			key_words_u8(word, lm_batch_u8(in, field), rows, count, shift);
			break;
		case 2:
			key_words_u16(word, lm_batch_u16(in, field), rows, count, shift);
			break;
		default:
			assert(key->width[i] == 4);
			key_words_u32(word, lm_batch_u32(in, field), rows, count, shift);
			break;
		}
	}
}

/* `width` is a constant after inlining, so each copy is a move. */
static inline __attribute__((always_inline)) void
key_pack_width(char *restrict to, uint32_t size, const char *restrict from, uint32_t width,
               const uint16_t *restrict rows, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t row = rows == NULL ? i : rows[i];

		memcpy(to + row * size, from + row * width, width);
	}
}

static void
key_pack_wide(const struct lm_key *key, char *to, const struct lm_batch *in, const uint16_t *rows,
              uint32_t count)
{
	for (uint32_t i = 0; key->fixed != key->size && i < count; i++) {
		uint64_t row = rows == NULL ? i : rows[i];

		memset(to + (row + 1) * key->size - 8, 0, 8);
	}
	for (uint32_t i = 0; i < key->field_count; i++) {
		const char *from = lm_batch_column(in, key->field[i]);
		char *at = to + key->offset[i];

		switch (key->width[i]) {
		case 1:
			key_pack_width(at, key->size, from, 1, rows, count);
			break;
		case 2:
			key_pack_width(at, key->size, from, 2, rows, count);
			break;
		case 4:
			key_pack_width(at, key->size, from, 4, rows, count);
			break;
		case 8:
			key_pack_width(at, key->size, from, 8, rows, count);
			break;
		default:
			assert(key->width[i] == 16);
			key_pack_width(at, key->size, from, 16, rows, count);
			break;
		}
	}
}

/* A row of fixed columns and strings; returns where the next one goes. */
static char *
key_pack_row(const struct lm_key *key, char *to, const struct lm_batch *in, uint32_t row)
{
	for (uint32_t i = 0; i < key->field_count; i++) {
		const char *column = lm_batch_column(in, key->field[i]);

		memcpy(to + key->offset[i], column + (uint64_t)row * key->width[i], key->width[i]);
	}
	to += key->fixed;
	for (uint32_t i = 0; i < key->field_count; i++) {
		const uint32_t *offsets = lm_batch_offsets(in, key->field[i]);
		uint32_t length;

		if (key->width[i] != 0) {
			continue;
		}
		length = offsets[row + 1] - offsets[row];
		memcpy(to, &length, sizeof(length));
		memcpy(to + sizeof(length), lm_batch_bytes(in, key->field[i]) + offsets[row],
		       length);
		to += sizeof(length) + length;
	}
	return to;
}

static void
key_pack_mixed(const struct lm_key *key, void *scratch, const struct lm_batch *in,
               const uint16_t *rows, uint32_t count)
{
	uint32_t *offsets = scratch;
	char *bytes = (char *)scratch + key_offsets_size(key), *to = bytes;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = rows == NULL ? i : rows[i];

		offsets[row] = (uint32_t)(to - bytes);
		to = key_pack_row(key, to, in, row);
		offsets[row + 1] = (uint32_t)(to - bytes);
	}
}

void
lm_key_pack(const struct lm_key *key, void *scratch, const struct lm_batch *in,
            const struct lm_select *select, struct lm_map_rows *to)
{
	const uint16_t *rows = select == NULL ? NULL : select->row;
	uint32_t count = select == NULL ? in->count : select->count;

	assert(count <= key->capacity);
	*to = (struct lm_map_rows){ .keys = scratch, .rows = rows, .count = count };
	if (key_stands(key) && key->strings == 1) {
		to->keys = lm_batch_bytes(in, key->field[0]);
		to->offsets = lm_batch_offsets(in, key->field[0]);
	} else if (key_stands(key)) {
		to->keys = lm_batch_column(in, key->field[0]);
	} else if (key->strings > 0) {
		key_pack_mixed(key, scratch, in, rows, count);
		to->offsets = scratch;
		to->keys = (char *)scratch + key_offsets_size(key);
	} else if (key->size == 8) {
		key_pack_word(key, scratch, in, rows, count);
	} else {
		key_pack_wide(key, scratch, in, rows, count);
	}
}

/*
 * Back to columns.
 */

/* The strings of one key; false when one does not fit. */
static bool
key_unpack_strings(const struct lm_key *key, const struct lm_map_entry *entry, struct lm_batch *out,
                   uint32_t out_field, uint32_t row)
{
	const char *from = (const char *)entry->key + key->fixed;
	uint32_t length = entry->length;

	for (uint32_t i = 0; i < key->field_count; i++) {
		if (key->width[i] != 0) {
			continue;
		}
		if (key->field_count > 1) {
			memcpy(&length, from, sizeof(length));
			from += sizeof(length);
		}
		if (!lm_batch_put_string(out, out_field + i, row, from, length)) {
			return false;
		}
		from += length;
	}
	return true;
}

uint32_t
lm_key_unpack(const struct lm_key *key, const struct lm_map_entry *entries, uint32_t count,
              struct lm_batch *out, uint32_t out_field, uint32_t first)
{
	uint32_t rows = 0;

	while (rows < count) {
		if (key->strings > 0 &&
		    !key_unpack_strings(key, &entries[rows], out, out_field, first + rows)) {
			break;
		}
		rows++;
	}
	for (uint32_t i = 0; i < key->field_count; i++) {
		uint32_t width = key->width[i];
		char *to = (char *)lm_batch_column(out, out_field + i) + (uint64_t)first * width;

		for (uint32_t r = 0; width != 0 && r < rows; r++) {
			memcpy(to + (uint64_t)r * width,
			       (const char *)entries[r].key + key->offset[i], width);
		}
	}
	return rows;
}

static bool
key_copy_strings(const struct lm_key *key, const struct lm_batch *in, uint32_t from,
                 struct lm_batch *out, uint32_t out_field, uint32_t row)
{
	for (uint32_t i = 0; i < key->field_count; i++) {
		const uint32_t *offsets = lm_batch_offsets(in, key->field[i]);

		if (key->width[i] == 0 &&
		    !lm_batch_put_string(out, out_field + i, row,
		                         lm_batch_bytes(in, key->field[i]) + offsets[from],
		                         offsets[from + 1] - offsets[from])) {
			return false;
		}
	}
	return true;
}

/* Rows that stand one behind the other: the bytes of their strings do, too. */
static bool
key_rows_run(const uint16_t *row, uint32_t count)
{
	return (uint32_t)(row[count - 1] - row[0]) == count - 1;
}

/* The strings of a run of rows in one piece; false, with nothing copied, when they do not fit. */
static bool
key_copy_run(const struct lm_key *key, const struct lm_batch *in, uint32_t from, uint32_t count,
             struct lm_batch *out, uint32_t out_field, uint32_t first)
{
	for (uint32_t i = 0; i < key->field_count; i++) {
		const uint32_t *offsets = lm_batch_offsets(in, key->field[i]) + from;
		uint32_t used = first == 0 ? 0 : lm_batch_offsets(out, out_field + i)[first];

		if (key->width[i] == 0 &&
		    offsets[count] - offsets[0] >
		        lm_batch_bytes_max(out->schema, out_field + i) - used) {
			return false;
		}
	}
	for (uint32_t i = 0; i < key->field_count; i++) {
		const uint32_t *offsets = lm_batch_offsets(in, key->field[i]) + from;
		uint32_t *to = lm_batch_offsets(out, out_field + i) + first;
		uint32_t used = first == 0 ? 0 : to[0];

		if (key->width[i] != 0) {
			continue;
		}
		to[0] = used;
		for (uint32_t r = 1; r <= count; r++) {
			to[r] = used + (offsets[r] - offsets[0]);
		}
		memcpy(lm_batch_bytes(out, out_field + i) + used,
		       lm_batch_bytes(in, key->field[i]) + offsets[0], offsets[count] - offsets[0]);
	}
	return true;
}

uint32_t
lm_key_copy(const struct lm_key *key, const struct lm_batch *in, const uint16_t *row,
            uint32_t count, struct lm_batch *out, uint32_t out_field, uint32_t first)
{
	uint32_t rows = 0;

	if (key->strings != 0 && count > 0 && key_rows_run(row, count) &&
	    key_copy_run(key, in, row[0], count, out, out_field, first)) {
		rows = count;
	}

	while (rows < count) {
		if (key->strings > 0 &&
		    !key_copy_strings(key, in, row[rows], out, out_field, first + rows)) {
			break;
		}
		rows++;
	}
	for (uint32_t i = 0; i < key->field_count; i++) {
		uint32_t width = key->width[i];
		const char *from = lm_batch_column(in, key->field[i]);
		char *to = (char *)lm_batch_column(out, out_field + i) + (uint64_t)first * width;

		for (uint32_t r = 0; width != 0 && r < rows; r++) {
			memcpy(to + (uint64_t)r * width, from + (uint64_t)row[r] * width, width);
		}
	}
	return rows;
}
