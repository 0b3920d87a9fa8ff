/* SPDX-License-Identifier: BSD-3-Clause */
/* Schemas, batches and rows from text and back, for the tests of operators. */
#include "tests/unit/operators/fake_op.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct lm_schema
fake_schema_rows(const char *text, uint32_t rows)
{
	struct lm_schema schema;
	struct lm_field field[LM_FIELDS_MAX];
	char copy[1024], *rest = copy, *word;
	uint32_t count = 0;

	memset(field, 0, sizeof(field));
	assert_true(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	while ((word = strsep(&rest, " ")) != NULL) {
		char *name = strsep(&word, ":"), *type = strsep(&word, ":");

		assert_non_null(type);
		assert_true(count < LM_FIELDS_MAX);
		snprintf(field[count].name, LM_NAME_MAX, "%s", name);
		field[count].type = lm_type_find(type);
		assert_int_not_equal(field[count].type, LM_TYPE_COUNT);
		field[count].bytes_max = word == NULL ? 0 : (uint32_t)strtoul(word, NULL, 10);
		count++;
	}
	assert_int_equal(lm_schema_init(&schema, field, count, rows), 0);
	return schema;
}

struct lm_schema
fake_schema(const char *text)
{
	return fake_schema_rows(text, LM_BATCH_ROWS);
}

struct lm_batch *
fake_batch(const struct lm_schema *schema)
{
	struct lm_batch *batch = aligned_alloc(64, (schema->size + 63u) & ~63u);

	assert_non_null(batch);
	/* What nobody writes must not look like a value. */
	memset(batch, 0xa5, schema->size);
	memset(batch, 0, sizeof(*batch));
	batch->schema = schema;
	batch->ingress_ns = INT64_MAX;
	batch->references = 1;
	for (uint32_t f = 0; f < schema->field_count; f++) {
		if (lm_type_width(schema->field[f].type) == 0) {
			lm_batch_offsets(batch, f)[0] = 0;
		}
	}
	return batch;
}

static uint64_t
batch_parse_mac(const char *text)
{
	uint64_t value = 0;

	if (strchr(text, ':') == NULL) {
		return strtoull(text, NULL, 0);
	}
	for (const char *p = text; p != NULL; p = strchr(p, ':')) {
		p += *p == ':';
		value = value << 8 | strtoul(p, NULL, 16);
	}
	return value;
}

static uint32_t
batch_parse_ip4(const char *text)
{
	struct in_addr address;

	if (strchr(text, '.') == NULL) {
		return (uint32_t)strtoul(text, NULL, 0);
	}
	assert_int_equal(inet_pton(AF_INET, text, &address), 1);
	return ntohl(address.s_addr);
}

static void
batch_parse_ip6(const char *text, struct lm_ip6 *value)
{
	if (strchr(text, ':') != NULL) {
		assert_int_equal(inet_pton(AF_INET6, text, value), 1);
		return;
	}
	memset(value, 0, sizeof(*value));
	memset(value->byte + 10, 0xff, 2);
	assert_int_equal(inet_pton(AF_INET, text, value->byte + 12), 1);
}

static bool
batch_parse(struct lm_batch *batch, uint32_t field, uint32_t row, const char *text)
{
	enum lm_type type = batch->schema->field[field].type;
	int64_t whole = text[0] == '-' ? strtoll(text, NULL, 0) : (int64_t)strtoull(text, NULL, 0);

	switch (type) {
	case LM_STRING:
	case LM_BYTES:
		return lm_batch_put_string(batch, field, row, text, (uint32_t)strlen(text));
	case LM_F32:
		lm_batch_f32(batch, field)[row] = strtof(text, NULL);
		return true;
	case LM_F64:
		lm_batch_f64(batch, field)[row] = strtod(text, NULL);
		return true;
	case LM_BOOL:
		lm_batch_bool(batch, field)[row] = strcmp(text, "true") == 0;
		return true;
	case LM_IP4:
		lm_batch_u32(batch, field)[row] = batch_parse_ip4(text);
		return true;
	case LM_IP6:
		batch_parse_ip6(text, &lm_batch_ip6(batch, field)[row]);
		return true;
	case LM_MAC:
		lm_batch_u64(batch, field)[row] = batch_parse_mac(text);
		return true;
	case LM_FRAME:
		fail_msg("frames cannot be written as text");
		return false;
	default: /* Little endian: the low bytes come first. */
		memcpy((char *)lm_batch_column(batch, field) + (size_t)row * lm_type_width(type),
		       &whole, lm_type_width(type));
		return true;
	}
}

bool
fake_add(struct lm_batch *batch, const char *row)
{
	char *copy = strdup(row), *rest = copy;
	bool fits = true;

	assert_true(batch->count < batch->schema->capacity);
	for (uint32_t f = 0; f < batch->schema->field_count && fits; f++) {
		char *value = strsep(&rest, "|");

		if (value == NULL) {
			fail_msg("\"%s\" has fewer than %u values", row,
			         batch->schema->field_count);
			break;
		}
		fits = batch_parse(batch, f, batch->count, value);
	}
	assert_true(!fits || rest == NULL);
	free(copy);
	batch->count += fits;
	return fits;
}

struct lm_batch *
fake_rows(const struct lm_schema *schema, const char *const *rows)
{
	struct lm_batch *batch = fake_batch(schema);

	for (; *rows != NULL; rows++) {
		assert_true(fake_add(batch, *rows));
	}
	return batch;
}

static void
batch_gather_strings(struct lm_batch *to, const struct lm_select *select, uint32_t field)
{
	const uint32_t *offsets = lm_batch_offsets(select->batch, field);
	const char *bytes = lm_batch_bytes(select->batch, field);

	for (uint32_t i = 0; i < select->count; i++) {
		uint32_t start = offsets[select->row[i]];

		assert_true(lm_batch_put_string(to, field, i, bytes + start,
		                                offsets[select->row[i] + 1] - start));
	}
}

struct lm_batch *
fake_gather(const struct lm_select *select)
{
	const struct lm_batch *from = select->batch;
	struct lm_batch *to = fake_batch(from->schema);

	to->count = select->count;
	to->ingress_ns = from->ingress_ns;
	to->epoch = from->epoch;
	to->external = from->external;
	for (uint32_t f = 0; f < from->schema->field_count; f++) {
		uint32_t width = lm_type_width(from->schema->field[f].type);

		if (width == 0) {
			batch_gather_strings(to, select, f);
			continue;
		}
		for (uint32_t i = 0; i < select->count; i++) {
			memcpy((char *)lm_batch_column(to, f) + (size_t)i * width,
			       (char *)lm_batch_column(from, f) + (size_t)select->row[i] * width,
			       width);
		}
	}
	for (uint32_t i = 0; from->schema->frame_field != LM_NONE && i < select->count; i++) {
		lm_batch_handles(to)[i] = lm_batch_handles(from)[select->row[i]];
	}
	return to;
}

static int
batch_value_text(const struct lm_batch *batch, uint32_t field, uint32_t row, char *text,
                 size_t size)
{
	enum lm_type type = batch->schema->field[field].type;
	const char *column = lm_batch_column(batch, field);
	char address[INET6_ADDRSTRLEN];
	struct in_addr ip4;
	const uint32_t *offsets;

	switch (type) {
	case LM_I8:
		return snprintf(text, size, "%d", lm_batch_i8(batch, field)[row]);
	case LM_I16:
		return snprintf(text, size, "%d", lm_batch_i16(batch, field)[row]);
	case LM_I32:
		return snprintf(text, size, "%d", lm_batch_i32(batch, field)[row]);
	case LM_I64:
	case LM_TIME:
		return snprintf(text, size, "%lld", (long long)lm_batch_i64(batch, field)[row]);
	case LM_U8:
		return snprintf(text, size, "%u", lm_batch_u8(batch, field)[row]);
	case LM_U16:
		return snprintf(text, size, "%u", lm_batch_u16(batch, field)[row]);
	case LM_U32:
		return snprintf(text, size, "%u", lm_batch_u32(batch, field)[row]);
	case LM_U64:
		return snprintf(text, size, "%llu",
		                (unsigned long long)lm_batch_u64(batch, field)[row]);
	case LM_F32:
		return snprintf(text, size, "%g", (double)lm_batch_f32(batch, field)[row]);
	case LM_F64:
		return snprintf(text, size, "%.15g", lm_batch_f64(batch, field)[row]);
	case LM_BOOL:
		return snprintf(text, size, "%s",
		                lm_batch_bool(batch, field)[row] != 0 ? "true" : "false");
	case LM_IP4:
		ip4.s_addr = htonl(lm_batch_u32(batch, field)[row]);
		return snprintf(text, size, "%s", inet_ntoa(ip4));
	case LM_IP6:
		inet_ntop(AF_INET6, column + 16u * row, address, sizeof(address));
		return snprintf(text, size, "%s", address);
	case LM_MAC:
		return snprintf(text, size, "%02x:%02x:%02x:%02x:%02x:%02x",
		                column[8 * row + 5] & 255, column[8 * row + 4] & 255,
		                column[8 * row + 3] & 255, column[8 * row + 2] & 255,
		                column[8 * row + 1] & 255, column[8 * row] & 255);
	case LM_STRING:
	case LM_BYTES:
		offsets = lm_batch_offsets(batch, field);
		return snprintf(text, size, "%.*s", (int)(offsets[row + 1] - offsets[row]),
		                lm_batch_bytes(batch, field) + offsets[row]);
	default:
		return snprintf(text, size, "frame of %u",
		                lm_batch_frame(batch, field)[row].length);
	}
}

void
fake_row_text(const struct lm_batch *batch, uint32_t row, char *text, size_t size)
{
	size_t length = 0;

	text[0] = 0;
	for (uint32_t f = 0; f < batch->schema->field_count && length < size; f++) {
		if (f > 0) {
			length += (size_t)snprintf(text + length, size - length, "|");
		}
		if (length < size) {
			length +=
			    (size_t)batch_value_text(batch, f, row, text + length, size - length);
		}
	}
}
