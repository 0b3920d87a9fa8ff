/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of a lookup: filling it from text, indexing its keys, finding a batch of them. */
#include "operators/lookup_table.h"

#include <stdlib.h>
#include <string.h>

#include "operators/row_copy.h"

bool
lookup_key_type(enum lm_type type)
{
	return type != LM_F32 && type != LM_F64 && type != LM_FRAME && type != LM_TYPE_COUNT;
}

/* Keys of up to 8 bytes are numbers, wider ones are bytes. */
static bool
lookup_key_is_number(const struct lookup_table *table)
{
	uint32_t width = lm_type_width(table->key_type);

	return width != 0 && width <= 8;
}

/* ---- filling ---- */

/* Makes room for item `index` of an array that doubles; new memory is zero. */
static bool
lookup_grow(void *array, uint32_t index, size_t width)
{
	void **pointer = array;
	size_t room = index == 0 ? 2 : (size_t)index * 2;
	void *grown;

	if ((index & (index - 1)) != 0) {
		return true;
	}
	grown = realloc(*pointer, room * width);
	if (grown == NULL) {
		return false;
	}
	memset((char *)grown + index * width, 0, (room - index) * width);
	*pointer = grown;
	return true;
}

/* Makes room for `wanted` items of `width` bytes in an array of *room. */
static bool
lookup_reserve(void *array, uint32_t *room, uint64_t wanted, size_t width)
{
	void **pointer = array;
	uint64_t larger = *room == 0 ? 64 : *room;
	void *grown;

	if (wanted <= *room) {
		return true;
	}
	while (larger < wanted) {
		larger *= 2;
	}
	grown = larger > UINT32_MAX ? NULL : realloc(*pointer, larger * width);
	if (grown == NULL) {
		return false;
	}
	*pointer = grown;
	*room = (uint32_t)larger;
	return true;
}

static bool
lookup_append(struct lookup_strings *strings, struct lookup_text text)
{
	uint32_t start = strings->count == 0 ? 0 : strings->offsets[strings->count];

	if (!lookup_reserve(&strings->offsets, &strings->offsets_room, strings->count + 2u,
	                    sizeof(*strings->offsets)) ||
	    !lookup_reserve(&strings->bytes, &strings->bytes_room, (uint64_t)start + text.length,
	                    1)) {
		return false;
	}
	strings->offsets[strings->count] = start;
	if (text.length > 0) {
		memcpy(strings->bytes + start, text.text, text.length);
	}
	strings->offsets[++strings->count] = start + text.length;
	strings->longest = text.length > strings->longest ? text.length : strings->longest;
	return true;
}

static struct lookup_text
lookup_string(const struct lookup_strings *strings, uint32_t index)
{
	uint32_t start = strings->offsets[index];

	return (struct lookup_text){ strings->bytes + start, strings->offsets[index + 1] - start };
}

static void
lookup_strings_free(struct lookup_strings *strings)
{
	free(strings->offsets);
	free(strings->bytes);
}

static enum lookup_result
lookup_add_key(struct lookup_table *table, struct lookup_text key)
{
	uint64_t number = 0;

	if (lm_type_width(table->key_type) == 0) {
		return lookup_append(&table->key_strings, key) ? LOOKUP_OK : LOOKUP_NO_MEMORY;
	}
	if (table->key_type == LM_IP6) {
		struct lm_ip6 address;

		if (!value_parse(LM_IP6, 1, key.text, key.length, &address)) {
			return LOOKUP_BAD_KEY;
		}
		key = (struct lookup_text){ (const char *)address.byte, 16 };
		return lookup_append(&table->key_strings, key) ? LOOKUP_OK : LOOKUP_NO_MEMORY;
	}
	/* Little endian: narrower keys leave the high bytes 0, as lookup_table_find reads them. */
	if (!value_parse(table->key_type, 1, key.text, key.length, &number)) {
		return LOOKUP_BAD_KEY;
	}
	if (!lookup_grow(&table->key, table->count, sizeof(*table->key))) {
		return LOOKUP_NO_MEMORY;
	}
	table->key[table->count] = number;
	return LOOKUP_OK;
}

static enum lookup_result
lookup_add_value(struct lookup_column *column, uint32_t index, struct lookup_text value)
{
	uint32_t width = lm_type_width(column->spec.type);

	if (width == 0) {
		if (value.length > LOOKUP_STRING_MAX) {
			return LOOKUP_TOO_LONG;
		}
		return lookup_append(&column->strings, value) ? LOOKUP_OK : LOOKUP_NO_MEMORY;
	}
	if (!lookup_grow(&column->values, index, width)) {
		return LOOKUP_NO_MEMORY;
	}
	return value_spec_parse(&column->spec, value.text, value.length,
	                        (char *)column->values + (size_t)index * width)
	           ? LOOKUP_OK
	           : LOOKUP_BAD_VALUE;
}

enum lookup_result
lookup_table_add(struct lookup_table *table, struct lookup_text key,
                 const struct lookup_text *values, uint32_t line, uint32_t *wrong)
{
	enum lookup_result result = lookup_add_key(table, key);

	if (result != LOOKUP_OK) {
		return result;
	}
	if (table->count == LOOKUP_ENTRIES_MAX) {
		return LOOKUP_TOO_MANY;
	}
	for (uint32_t i = 0; i < table->column_count; i++) {
		*wrong = i;
		result = lookup_add_value(&table->column[i], table->count, values[i]);
		if (result != LOOKUP_OK) {
			return result;
		}
	}
	if (!lookup_grow(&table->line, table->count, sizeof(*table->line))) {
		return LOOKUP_NO_MEMORY;
	}
	table->line[table->count++] = line;
	return LOOKUP_OK;
}

/* ---- indexing ---- */

static uint64_t
lookup_hash_number(uint64_t key)
{
	key = (key ^ (key >> 32)) * UINT64_C(0x9fb21c651e98df25);
	return key ^ (key >> 29);
}

static uint64_t
lookup_hash_text(struct lookup_text text)
{
	uint64_t hash = text.length, word;

	for (; text.length >= 8; text.length -= 8, text.text += 8) {
		memcpy(&word, text.text, 8);
		hash = lookup_hash_number(hash ^ word);
	}
	word = 0;
	memcpy(&word, text.text, text.length);
	return lookup_hash_number(hash ^ word);
}

/* The value for a missing key, as entry `count` of every column. */
static bool
lookup_add_default(struct lookup_table *table)
{
	for (uint32_t i = 0; i < table->column_count; i++) {
		struct lookup_column *column = &table->column[i];
		uint32_t width = lm_type_width(column->spec.type);

		if (width == 0) {
			if (!lookup_append(&column->strings, (struct lookup_text){ "", 0 })) {
				return false;
			}
			continue;
		}
		if (!lookup_grow(&column->values, table->count, width)) {
			return false;
		}
		memcpy((char *)column->values + (size_t)table->count * width,
		       &column->spec.fallback, width);
	}
	return true;
}

/* A column in the order of its keys, holes and the last entry filled with the default. */
static bool
lookup_spread(const struct lookup_table *table, struct lookup_column *column, uint32_t size)
{
	uint32_t width = lm_type_width(column->spec.type);
	uint32_t *from = malloc((size + 1) * sizeof(*from));
	struct lookup_column spread = { .spec = column->spec };
	bool done = from != NULL;

	for (uint32_t key = 0; done && key <= size; key++) {
		from[key] = table->count;
	}
	for (uint32_t i = 0; done && i < table->count; i++) {
		from[table->key[i]] = i;
	}
	if (done && width != 0) {
		spread.values = malloc((size_t)(size + 1) * width);
		done = spread.values != NULL;
		if (done) {
			row_gather(spread.values, column->values, from, size + 1, width);
		}
	}
	for (uint32_t key = 0; done && width == 0 && key <= size; key++) {
		done = lookup_append(&spread.strings, lookup_string(&column->strings, from[key]));
	}
	free(from);
	free(done ? column->values : spread.values);
	lookup_strings_free(done ? &column->strings : &spread.strings);
	if (done) {
		*column = spread;
	}
	return done;
}

/* Makes the keys index the columns: `size` is one more than the highest. */
static enum lookup_result
lookup_index_direct(struct lookup_table *table, uint32_t size, uint32_t *wrong)
{
	table->present = calloc(size + 1, 1);
	if (table->present == NULL) {
		return LOOKUP_NO_MEMORY;
	}
	for (uint32_t i = 0; i < table->count; i++) {
		if (table->present[table->key[i]]++ != 0) {
			*wrong = i;
			return LOOKUP_TWICE;
		}
	}
	for (uint32_t i = 0; i < table->column_count; i++) {
		if (!lookup_spread(table, &table->column[i], size)) {
			return LOOKUP_NO_MEMORY;
		}
	}
	table->count = size;
	table->direct = size;
	return LOOKUP_OK;
}

/* The entry of a key, `count` when there is none. */
static inline uint32_t
lookup_find_number(const struct lookup_table *table, uint64_t key)
{
	uint32_t at = (uint32_t)(lookup_hash_number(key) >> 20) & table->mask;

	while (table->slot[at] != 0 && table->key[table->slot[at] - 1] != key) {
		at = (at + 1) & table->mask;
	}
	return table->slot[at] == 0 ? table->count : table->slot[at] - 1;
}

static uint32_t
lookup_find_text(const struct lookup_table *table, struct lookup_text text)
{
	uint32_t at = (uint32_t)(lookup_hash_text(text) >> 20) & table->mask;

	for (; table->slot[at] != 0; at = (at + 1) & table->mask) {
		struct lookup_text key = lookup_string(&table->key_strings, table->slot[at] - 1);

		if (key.length == text.length && memcmp(key.text, text.text, key.length) == 0) {
			return table->slot[at] - 1;
		}
	}
	return table->count;
}

static enum lookup_result
lookup_index_hash(struct lookup_table *table, uint32_t *wrong)
{
	size_t slots = 16;

	while (slots < (size_t)table->count * 2) {
		slots *= 2;
	}
	table->mask = (uint32_t)(slots - 1);
	table->slot = calloc(slots, sizeof(*table->slot));
	table->present = malloc((size_t)table->count + 1);
	if (table->slot == NULL || table->present == NULL) {
		return LOOKUP_NO_MEMORY;
	}
	memset(table->present, 1, table->count);
	table->present[table->count] = 0;
	for (uint32_t i = 0; i < table->count; i++) {
		bool number = lookup_key_is_number(table);
		struct lookup_text text = { NULL, 0 };
		uint64_t hash;
		uint32_t at;

		if (!number) {
			text = lookup_string(&table->key_strings, i);
		}
		hash = number ? lookup_hash_number(table->key[i]) : lookup_hash_text(text);
		at = (uint32_t)(hash >> 20) & table->mask;
		if ((number ? lookup_find_number(table, table->key[i])
		            : lookup_find_text(table, text)) != table->count) {
			*wrong = i;
			return LOOKUP_TWICE;
		}
		while (table->slot[at] != 0) {
			at = (at + 1) & table->mask;
		}
		table->slot[at] = i + 1;
	}
	return LOOKUP_OK;
}

enum lookup_result
lookup_table_index(struct lookup_table *table, uint32_t *wrong)
{
	uint64_t highest = 0;

	if (!lookup_add_default(table)) {
		return LOOKUP_NO_MEMORY;
	}
	if (!lookup_key_is_number(table)) {
		return lookup_index_hash(table, wrong);
	}
	for (uint32_t i = 0; i < table->count; i++) {
		highest = table->key[i] > highest ? table->key[i] : highest;
	}
	return table->count > 0 && highest < LOOKUP_DIRECT_MAX
	           ? lookup_index_direct(table, (uint32_t)highest + 1, wrong)
	           : lookup_index_hash(table, wrong);
}

void
lookup_table_free(struct lookup_table *table)
{
	for (uint32_t i = 0; i < table->column_count; i++) {
		free(table->column[i].values);
		lookup_strings_free(&table->column[i].strings);
	}
	free(table->present);
	free(table->key);
	lookup_strings_free(&table->key_strings);
	free(table->line);
	free(table->slot);
}

/* ---- looking up ---- */

/* By the width of the key; signed ones are taken as unsigned, which no small key collides with. */
#define LOOKUP_FIND(name, ctype)                                                                   \
	static void lookup_direct_##name(uint32_t *entry, const ctype *key, const uint16_t *rows,  \
	                                 uint32_t count, uint32_t size)                            \
	{                                                                                          \
		if (rows == NULL) {                                                                \
			for (uint32_t i = 0; i < count; i++) {                                     \
				entry[i] = key[i] < size ? (uint32_t)key[i] : size;                \
			}                                                                          \
			return;                                                                    \
		}                                                                                  \
		for (uint32_t i = 0; i < count; i++) {                                             \
			entry[i] = key[rows[i]] < size ? (uint32_t)key[rows[i]] : size;            \
		}                                                                                  \
	}                                                                                          \
	static void lookup_hashed_##name(const struct lookup_table *table, uint32_t *entry,        \
	                                 const ctype *key, const uint16_t *rows, uint32_t count)   \
	{                                                                                          \
		for (uint32_t i = 0; i < count; i++) {                                             \
			entry[i] = lookup_find_number(table, key[rows == NULL ? i : rows[i]]);     \
		}                                                                                  \
	}                                                                                          \
	static void lookup_find_##name(const struct lookup_table *table, uint32_t *entry,          \
	                               const void *column, const uint16_t *rows, uint32_t count)   \
	{                                                                                          \
		if (table->direct != 0) {                                                          \
			lookup_direct_##name(entry, column, rows, count, table->direct);           \
		} else {                                                                           \
			lookup_hashed_##name(table, entry, column, rows, count);                   \
		}                                                                                  \
	}
LOOKUP_FIND(u8, uint8_t)
LOOKUP_FIND(u16, uint16_t)
LOOKUP_FIND(u32, uint32_t)
LOOKUP_FIND(u64, uint64_t)
#undef LOOKUP_FIND

static void
lookup_find_wide(const struct lookup_table *table, uint32_t *entry, const struct lm_batch *in,
                 uint32_t field, const uint16_t *rows, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = rows == NULL ? i : rows[i];
		struct lookup_text text;

		if (table->key_type == LM_IP6) {
			text = (struct lookup_text){ (char *)&lm_batch_ip6(in, field)[row], 16 };
		} else {
			const uint32_t *offsets = lm_batch_offsets(in, field);

			text = (struct lookup_text){ lm_batch_bytes(in, field) + offsets[row],
				                     offsets[row + 1] - offsets[row] };
		}
		entry[i] = lookup_find_text(table, text);
	}
}

void
lookup_table_find(const struct lookup_table *table, const struct lm_batch *in, uint32_t field,
                  const uint16_t *rows, uint32_t count, uint32_t *entry)
{
	const void *column = lm_batch_column(in, field);

	switch (lm_type_width(table->key_type)) {
	case 1:
		lookup_find_u8(table, entry, column, rows, count);
		break;
	case 2:
		lookup_find_u16(table, entry, column, rows, count);
		break;
	case 4:
		lookup_find_u32(table, entry, column, rows, count);
		break;
	case 8:
		lookup_find_u64(table, entry, column, rows, count);
		break;
	default:
		lookup_find_wide(table, entry, in, field, rows, count);
		break;
	}
}

void
lookup_table_put(const struct lookup_table *table, uint32_t column, const uint32_t *entry,
                 uint32_t count, struct lm_batch *out, uint32_t field, uint32_t first)
{
	const struct lookup_column *from = &table->column[column];
	uint32_t width = lm_type_width(from->spec.type);
	uint32_t *offsets;
	char *bytes;

	if (width != 0) {
		row_gather((char *)lm_batch_column(out, field) + (size_t)first * width,
		           from->values, entry, count, width);
		return;
	}
	offsets = lm_batch_offsets(out, field) + first;
	bytes = lm_batch_bytes(out, field);
	if (first == 0) {
		offsets[0] = 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct lookup_text text = lookup_string(&from->strings, entry[i]);

		memcpy(bytes + offsets[i], text.text, text.length);
		offsets[i + 1] = offsets[i] + text.length;
	}
}
