/* SPDX-License-Identifier: BSD-3-Clause */
/* An object of JSON on a line, taken apart into cells. Pure. */
#include "operators/json_row.h"

#include <string.h>

struct json {
	char *at, *end;
};

static void
json_blank(struct json *json)
{
	while (json->at < json->end &&
	       (*json->at == ' ' || *json->at == '\t' || *json->at == '\r' || *json->at == '\n')) {
		json->at++;
	}
}

/* Takes the character, and blanks around it. */
static bool
json_is(struct json *json, char wanted)
{
	json_blank(json);
	if (json->at == json->end || *json->at != wanted) {
		return false;
	}
	json->at++;
	json_blank(json);
	return true;
}

/* ---- strings ---- */

static int
json_hex(char digit)
{
	if (digit >= '0' && digit <= '9') {
		return digit - '0';
	}
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* The four digits behind \u. */
static bool
json_unit(struct json *json, uint32_t *unit)
{
	*unit = 0;
	if (json->end - json->at < 4) {
		return false;
	}
	for (uint32_t i = 0; i < 4; i++) {
		int digit = json_hex(*json->at++);

		if (digit < 0) {
			return false;
		}
		*unit = *unit << 4 | (uint32_t)digit;
	}
	return true;
}

/* As UTF-8, which is never longer than what it was written as. */
static char *
json_put_character(char *to, uint32_t character)
{
	if (character < 0x80) {
		*to++ = (char)character;
	} else if (character < 0x800) {
		*to++ = (char)(0xc0 | character >> 6);
		*to++ = (char)(0x80 | (character & 0x3f));
	} else if (character < 0x10000) {
		*to++ = (char)(0xe0 | character >> 12);
		*to++ = (char)(0x80 | (character >> 6 & 0x3f));
		*to++ = (char)(0x80 | (character & 0x3f));
	} else {
		*to++ = (char)(0xf0 | character >> 18);
		*to++ = (char)(0x80 | (character >> 12 & 0x3f));
		*to++ = (char)(0x80 | (character >> 6 & 0x3f));
		*to++ = (char)(0x80 | (character & 0x3f));
	}
	return to;
}

/* Behind \u: a character, or two halves of one; a half alone is U+FFFD. NULL: bad digits. */
static char *
json_put_unit(struct json *json, char *to)
{
	uint32_t unit, low;

	if (!json_unit(json, &unit)) {
		return NULL;
	}
	if (unit >= 0xd800 && unit < 0xdc00 && json->end - json->at >= 6 && json->at[0] == '\\' &&
	    json->at[1] == 'u') {
		struct json ahead = { json->at + 2, json->end };

		if (!json_unit(&ahead, &low)) {
			return NULL;
		}
		if (low >= 0xdc00 && low < 0xe000) {
			json->at = ahead.at;
			unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
		}
	}
	return json_put_character(to, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
}

static char *
json_put_escape(struct json *json, char *to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (json->at == json->end) {
		return NULL;
	}
	if (*json->at == 'u') {
		json->at++;
		return json_put_unit(json, to);
	}
	found = memchr(from, *json->at++, sizeof(from) - 1);
	if (found == NULL) {
		return NULL;
	}
	*to++ = into[found - from];
	return to;
}

/* A string, unescaped in place; behind its opening quote. */
static bool
json_string(struct json *json, const char **text, uint32_t *length)
{
	char *to = json->at;

	*text = to;
	while (json->at < json->end) {
		char byte = *json->at++;

		if (byte == '"') {
			*length = (uint32_t)(to - *text);
			return true;
		}
		if ((unsigned char)byte < 0x20) {
			return false;
		}
		if (byte != '\\') {
			*to++ = byte;
			continue;
		}
		to = json_put_escape(json, to);
		if (to == NULL) {
			return false;
		}
	}
	return false;
}

/* ---- values ---- */

static uint32_t
json_digits(struct json *json)
{
	const char *from = json->at;

	while (json->at < json->end && *json->at >= '0' && *json->at <= '9') {
		json->at++;
	}
	return (uint32_t)(json->at - from);
}

static bool
json_number(struct json *json)
{
	bool zero;

	json->at += *json->at == '-';
	zero = json->at < json->end && *json->at == '0';
	if (json_digits(json) != 1 && zero) {
		return false;
	}
	if (json->at[-1] < '0' || json->at[-1] > '9') {
		return false;
	}
	if (json->at < json->end && *json->at == '.') {
		json->at++;
		if (json_digits(json) == 0) {
			return false;
		}
	}
	if (json->at < json->end && (*json->at == 'e' || *json->at == 'E')) {
		json->at++;
		if (json->at < json->end && (*json->at == '+' || *json->at == '-')) {
			json->at++;
		}
		return json_digits(json) > 0;
	}
	return true;
}

static bool
json_word(struct json *json, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(json->end - json->at) < length || memcmp(json->at, word, length) != 0) {
		return false;
	}
	json->at += length;
	return true;
}

/* A string that is passed over as it stands; behind its opening quote. */
static bool
json_skip_string(struct json *json)
{
	while (json->at < json->end) {
		char byte = *json->at++;

		if (byte == '"') {
			return true;
		}
		if (byte == '\\') {
			json->at++;
		}
	}
	return false;
}

/*
 * An object or an array, passed over: its brackets close in order, its strings end. What stands
 * between is not looked at: it is text to its reader.
 */
static bool
json_skip_nested(struct json *json)
{
	char closing[JSON_DEPTH_MAX];
	uint32_t depth = 0;

	do {
		char byte;

		if (json->at >= json->end) {
			return false;
		}
		byte = *json->at++;
		if (byte == '{' || byte == '[') {
			if (depth == JSON_DEPTH_MAX) {
				return false;
			}
			closing[depth++] = byte == '{' ? '}' : ']';
		} else if (byte == '}' || byte == ']') {
			if (byte != closing[--depth]) {
				return false;
			}
		} else if (byte == '"' && !json_skip_string(json)) {
			return false;
		}
	} while (depth > 0);
	return true;
}

static bool
json_value(struct json *json, const char **text, uint32_t *length)
{
	bool good;

	if (json->at == json->end) {
		return false;
	}
	*text = json->at;
	if (*json->at == '"') {
		json->at++;
		return json_string(json, text, length);
	}
	if (*json->at == 'n') {
		*length = 0;
		return json_word(json, "null");
	}
	if (*json->at == '{' || *json->at == '[') {
		good = json_skip_nested(json);
	} else if (*json->at == 't' || *json->at == 'f') {
		good = json_word(json, *json->at == 't' ? "true" : "false");
	} else {
		good = (*json->at == '-' || (*json->at >= '0' && *json->at <= '9')) &&
		       json_number(json);
	}
	*length = (uint32_t)(json->at - *text);
	return good;
}

/* ---- the object ---- */

/* Which of the names it is, most likely the `guess`-th; `count`: none. */
static uint32_t
json_find(const char *text, uint32_t length, const char *names, size_t stride, uint32_t count,
          uint32_t guess)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = (guess + i) % count;
		const char *name = names + at * stride;

		if (strncmp(name, text, length) == 0 && name[length] == '\0') {
			return at;
		}
	}
	return count;
}

bool
json_take(char *line, size_t length, const char *names, size_t stride, uint32_t count,
          struct csv_row *row)
{
	struct json json = { line, line + length };
	uint32_t next = 0;

	row->cell_count = count;
	for (uint32_t i = 0; i < count; i++) {
		row->cell[i].text = line;
		row->cell[i].length = 0;
	}
	if (!json_is(&json, '{')) {
		return false;
	}
	if (json_is(&json, '}')) {
		return json.at == json.end;
	}
	do {
		const char *name, *text;
		uint32_t name_length, text_length, cell;

		if (json.at == json.end || *json.at++ != '"' ||
		    !json_string(&json, &name, &name_length) || !json_is(&json, ':') ||
		    !json_value(&json, &text, &text_length)) {
			return false;
		}
		cell = json_find(name, name_length, names, stride, count, next);
		if (cell < count) {
			row->cell[cell].text = text;
			row->cell[cell].length = text_length;
			next = cell + 1;
		}
	} while (json_is(&json, ','));
	return json_is(&json, '}') && json.at == json.end;
}
