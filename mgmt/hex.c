/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes for people. */
#include "mgmt/hex.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/text_table.h"

#define HEX_LINE 16u
/* Bytes of a character, at most. */
#define HEX_CHARACTER 4u

char *
hex_digits(const void *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *byte = bytes;
	char *text = malloc(2 * size + 1);

	if (text == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < size; i++) {
		text[2 * i] = digits[byte[i] >> 4];
		text[2 * i + 1] = digits[byte[i] & 15];
	}
	text[2 * size] = '\0';
	return text;
}

static void
hex_line(FILE *out, const char *indent, uint64_t offset, const uint8_t *byte, size_t count)
{
	fprintf(out, "%s%08" PRIx64 " ", indent, offset);
	for (size_t i = 0; i < HEX_LINE; i++) {
		if (i < count) {
			fprintf(out, "%s%02x", i == HEX_LINE / 2 ? "  " : " ", byte[i]);
		} else {
			fprintf(out, "%s  ", i == HEX_LINE / 2 ? "  " : " ");
		}
	}
	fprintf(out, "  |");
	for (size_t i = 0; i < count; i++) {
		fputc(byte[i] >= 0x20 && byte[i] < 0x7f ? byte[i] : '.', out);
	}
	fprintf(out, "|\n");
}

void
hex_dump(FILE *out, const char *indent, uint64_t offset, const void *bytes, size_t size)
{
	const uint8_t *byte = bytes;
	bool starred = false;

	for (size_t at = 0; at < size; at += HEX_LINE) {
		size_t count = size - at < HEX_LINE ? size - at : HEX_LINE;
		bool is_last = at + HEX_LINE >= size;

		if (at > 0 && !is_last && memcmp(byte + at, byte + at - HEX_LINE, HEX_LINE) == 0) {
			if (!starred) {
				fprintf(out, "%s*\n", indent);
			}
			starred = true;
			continue;
		}
		starred = false;
		hex_line(out, indent, offset + at, byte + at, count);
	}
}

bool
hex_is_text(const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		char character[HEX_CHARACTER + 1] = { 0 };
		size_t length;
		int width;

		memcpy(character, at, size < HEX_CHARACTER ? size : HEX_CHARACTER);
		length = text_character(character, &width);
		if (width < 0 && (character[0] == '\0' || strchr("\n\r\t", character[0]) == NULL)) {
			return false;
		}
		assert(length <= size); /* what follows the end is zero and continues nothing */
		at += length;
		size -= length;
	}
	return true;
}

void
hex_quote(FILE *out, const void *bytes, size_t size)
{
	static const char special[] = "\n\r\t\"\\", letter[] = "nrt\"\\";
	const char *text = bytes;

	fputc('"', out);
	for (size_t i = 0; i < size; i++) {
		const char *found = text[i] == '\0' ? NULL : strchr(special, text[i]);

		if (found != NULL) {
			fprintf(out, "\\%c", letter[found - special]);
		} else {
			fputc(text[i], out);
		}
	}
	fputc('"', out);
}
