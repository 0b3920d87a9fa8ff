/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows as text: CSV, JSON lines, plain values, into a bounded writer. Pure. */
#include "operators/row_text.h"

#include <math.h>

/* Longest text of a value of fixed width, with its end. */
#define ROW_VALUE_MAX 80u

static void
row_put_u64(struct row_writer *writer, uint64_t value)
{
	char digits[20];
	uint32_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	row_put(writer, digits + at, sizeof(digits) - at);
}

static void
row_put_i64(struct row_writer *writer, int64_t value)
{
	if (value < 0) {
		row_put_char(writer, '-');
	}
	row_put_u64(writer, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static void
row_put_hex(struct row_writer *writer, const char *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length && !writer->full; i++) {
		row_put_char(writer, digits[(unsigned char)bytes[i] >> 4]);
		row_put_char(writer, digits[bytes[i] & 15]);
	}
}

/* A string's bytes. */
static const char *
row_bytes(const struct lm_batch *batch, uint32_t field, uint32_t row, size_t *length)
{
	const uint32_t *offsets = lm_batch_offsets(batch, field);

	*length = offsets[row + 1] - offsets[row];
	return lm_batch_bytes(batch, field) + offsets[row];
}

void
row_put_value(struct row_writer *writer, const struct lm_batch *batch, uint32_t field, uint32_t row)
{
	char text[ROW_VALUE_MAX];
	const char *bytes;
	size_t length;

	switch (batch->schema->field[field].type) {
	case LM_U8:
		row_put_u64(writer, lm_batch_u8(batch, field)[row]);
		break;
	case LM_U16:
		row_put_u64(writer, lm_batch_u16(batch, field)[row]);
		break;
	case LM_U32:
		row_put_u64(writer, lm_batch_u32(batch, field)[row]);
		break;
	case LM_U64:
		row_put_u64(writer, lm_batch_u64(batch, field)[row]);
		break;
	case LM_I32:
		row_put_i64(writer, lm_batch_i32(batch, field)[row]);
		break;
	case LM_I64:
		row_put_i64(writer, lm_batch_i64(batch, field)[row]);
		break;
	case LM_STRING:
		bytes = row_bytes(batch, field, row, &length);
		row_put(writer, bytes, length);
		break;
	case LM_BYTES:
		bytes = row_bytes(batch, field, row, &length);
		row_put_hex(writer, bytes, length);
		break;
	default:
		length = lm_batch_format(batch, field, row, text, sizeof(text));
		row_put(writer, text, length < sizeof(text) ? length : sizeof(text) - 1);
		break;
	}
}

/* A cell that holds a separator, a quote or a line end stands in quotes. */
static void
row_put_cell(struct row_writer *writer, const char *text, size_t length)
{
	bool quotes = false;

	for (size_t i = 0; i < length && !quotes; i++) {
		quotes = text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
	}
	if (!quotes) {
		row_put(writer, text, length);
		return;
	}
	row_put_char(writer, '"');
	for (size_t i = 0; i < length && !writer->full; i++) {
		if (text[i] == '"') {
			row_put_char(writer, '"');
		}
		row_put_char(writer, text[i]);
	}
	row_put_char(writer, '"');
}

void
row_put_csv(struct row_writer *writer, const struct lm_batch *batch, uint32_t row,
            const uint32_t *columns, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0) {
			row_put_char(writer, ',');
		}
		if (batch->schema->field[columns[i]].type == LM_STRING) {
			size_t length;
			const char *bytes = row_bytes(batch, columns[i], row, &length);

			row_put_cell(writer, bytes, length);
		} else {
			row_put_value(writer, batch, columns[i], row);
		}
	}
	row_put_char(writer, '\n');
}

void
row_put_csv_names(struct row_writer *writer, const struct lm_schema *schema,
                  const uint32_t *columns, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		row_put_text(writer, i == 0 ? "" : ",");
		row_put_text(writer, schema->field[columns[i]].name);
	}
	row_put_char(writer, '\n');
}

uint32_t
row_utf8_length(const char *text, size_t length)
{
	const uint8_t *byte = (const uint8_t *)text;
	uint32_t need = byte[0] < 0x80                       ? 1
	                : byte[0] >= 0xc2 && byte[0] <= 0xdf ? 2
	                : byte[0] >= 0xe0 && byte[0] <= 0xef ? 3
	                : byte[0] >= 0xf0 && byte[0] <= 0xf4 ? 4
	                                                     : 0;

	if (need == 0 || need > length) {
		return 0;
	}
	for (uint32_t i = 1; i < need; i++) {
		if ((byte[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	/* No longer forms than needed, no surrogates, nothing past U+10FFFF. */
	if ((byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xed && byte[1] > 0x9f) ||
	    (byte[0] == 0xf0 && byte[1] < 0x90) || (byte[0] == 0xf4 && byte[1] > 0x8f)) {
		return 0;
	}
	return need;
}

static void
row_put_json_escape(struct row_writer *writer, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";
	char text[] = { '\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15] };

	switch (byte) {
	case '\n':
		row_put(writer, "\\n", 2);
		break;
	case '\t':
		row_put(writer, "\\t", 2);
		break;
	case '\r':
		row_put(writer, "\\r", 2);
		break;
	case '"':
	case '\\':
		row_put_char(writer, '\\');
		row_put_char(writer, (char)byte);
		break;
	default:
		row_put(writer, text, sizeof(text));
		break;
	}
}

static void
row_put_json_string(struct row_writer *writer, const char *text, size_t length)
{
	row_put_char(writer, '"');
	for (size_t i = 0; i < length && !writer->full;) {
		uint8_t byte = (uint8_t)text[i];
		uint32_t character = row_utf8_length(text + i, length - i);

		if (byte < 0x20 || byte == '"' || byte == '\\') {
			row_put_json_escape(writer, byte);
		} else if (character == 0) {
			row_put_text(writer, "\xef\xbf\xbd");
		} else {
			row_put(writer, text + i, character);
		}
		i += character == 0 ? 1 : character;
	}
	row_put_char(writer, '"');
}

static void
row_put_json_value(struct row_writer *writer, const struct lm_batch *batch, uint32_t field,
                   uint32_t row)
{
	enum lm_type type = batch->schema->field[field].type;
	bool bare = type <= LM_U64 || type == LM_BOOL;

	if (type == LM_F32 || type == LM_F64) {
		double value = type == LM_F32 ? (double)lm_batch_f32(batch, field)[row]
		                              : lm_batch_f64(batch, field)[row];

		if (!isfinite(value)) {
			row_put_text(writer, "null");
			return;
		}
		bare = true;
	}
	if (type == LM_STRING) {
		size_t length;
		const char *bytes = row_bytes(batch, field, row, &length);

		row_put_json_string(writer, bytes, length);
		return;
	}
	/* Everything else has no character that JSON would escape. */
	row_put_text(writer, bare ? "" : "\"");
	row_put_value(writer, batch, field, row);
	row_put_text(writer, bare ? "" : "\"");
}

void
row_put_json(struct row_writer *writer, const struct lm_batch *batch, uint32_t row,
             const uint32_t *columns, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		row_put_text(writer, i == 0 ? "{\"" : ",\"");
		row_put_text(writer, batch->schema->field[columns[i]].name);
		row_put_text(writer, "\":");
		row_put_json_value(writer, batch, columns[i], row);
	}
	row_put_text(writer, "}\n");
}
