/* SPDX-License-Identifier: BSD-3-Clause */
/* From text to a value of a column: numbers, times, addresses. Pure. */
#include "operators/value_text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Longest number that is taken to the C library: more digits than any value needs. */
#define VALUE_NUMBER_MAX 400u
#define VALUE_NS_PER_S INT64_C(1000000000)

/* A place in a text that is being read. */
struct value_cursor {
	const char *at, *end;
};

static bool value_parse_bool(const char *text, size_t length, uint8_t *value);
static bool value_parse_ip4(const char *text, size_t length, uint32_t *value);
static bool value_parse_ip6(const char *text, size_t length, struct lm_ip6 *value);
static bool value_parse_mac(const char *text, size_t length, uint64_t *value);
static bool value_parse_whole(enum lm_type type, const char *text, size_t length, void *value);

bool
value_parse(enum lm_type type, uint64_t unit_ns, const char *text, size_t length, void *value)
{
	double real;

	switch (type) {
	case LM_F32:
		if (!value_parse_f64(text, length, &real)) {
			return false;
		}
		*(float *)value = (float)real;
		return isinf(real) || !isinf(*(float *)value);
	case LM_F64:
		return value_parse_f64(text, length, value);
	case LM_BOOL:
		return value_parse_bool(text, length, value);
	case LM_TIME:
		return value_parse_time(text, length, unit_ns, value);
	case LM_IP4:
		return value_parse_ip4(text, length, value);
	case LM_IP6:
		return value_parse_ip6(text, length, value);
	case LM_MAC:
		return value_parse_mac(text, length, value);
	case LM_STRING:
	case LM_BYTES:
	case LM_FRAME:
	case LM_TYPE_COUNT:
		return false;
	default:
		return value_parse_whole(type, text, length, value);
	}
}

static bool
value_parse_hex(const char *text, size_t length, uint64_t *value)
{
	uint64_t sum = 0;

	if (length == 0 || length > 16) {
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		unsigned int digit;

		if (c >= '0' && c <= '9') {
			digit = (unsigned int)(c - '0');
		} else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
			digit = (unsigned int)((c | 32) - 'a') + 10;
		} else {
			return false;
		}
		sum = sum << 4 | digit;
	}
	*value = sum;
	return true;
}

bool
value_parse_u64(const char *text, size_t length, uint64_t *value)
{
	uint64_t sum = 0;

	if (length > 2 && text[0] == '0' && (text[1] | 32) == 'x') {
		return value_parse_hex(text + 2, length - 2, value);
	}
	if (length == 0) {
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		unsigned int digit = (unsigned int)((unsigned char)text[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(sum, 10u, &sum) ||
		    __builtin_add_overflow(sum, digit, &sum)) {
			return false;
		}
	}
	*value = sum;
	return true;
}

bool
value_parse_i64(const char *text, size_t length, int64_t *value)
{
	bool negative = length > 0 && text[0] == '-';
	size_t sign = length > 0 && (negative || text[0] == '+');
	uint64_t magnitude;

	if (!value_parse_u64(text + sign, length - sign, &magnitude) ||
	    !value_fits(LM_I64, negative, magnitude)) {
		return false;
	}
	*value = (int64_t)(negative ? -magnitude : magnitude);
	return true;
}

/* By the C library: what the short way cannot do exactly. */
static bool
value_parse_f64_long(const char *text, size_t length, double *value)
{
	char copy[VALUE_NUMBER_MAX + 1];
	char *end;

	if (length == 0 || length > VALUE_NUMBER_MAX || memchr(text, '\0', length) != NULL ||
	    (unsigned char)text[0] <= ' ') {
		return false;
	}
	memcpy(copy, text, length);
	copy[length] = '\0';
	*value = strtod(copy, &end);
	return end == copy + length;
}

bool
value_parse_f64(const char *text, size_t length, double *value)
{
	static const double power[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
		                        1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
		                        1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	uint64_t digits = 0;
	uint32_t count = 0, decimals = 0;
	bool point = false;
	size_t i = length > 0 && text[0] == '-';

	for (; i < length; i++) {
		unsigned int digit = (unsigned int)((unsigned char)text[i] - '0');

		if (digit <= 9) {
			digits = digits * 10 + digit;
			count++;
			decimals += point;
		} else if (text[i] == '.' && !point) {
			point = true;
		} else {
			break;
		}
	}
	/* Two doubles that are exact give a quotient that is rounded once. */
	if (i == length && count > 0 && count <= 19 && digits < (UINT64_C(1) << 53)) {
		*value = (double)digits / power[decimals];
		*value = text[0] == '-' ? -*value : *value;
		return true;
	}
	return value_parse_f64_long(text, length, value);
}

bool
value_fits(enum lm_type type, bool negative, uint64_t magnitude)
{
	uint32_t bits = 8 * lm_type_width(type);

	switch (type) {
	case LM_I8:
	case LM_I16:
	case LM_I32:
	case LM_I64:
	case LM_TIME:
		return magnitude <= (UINT64_C(1) << (bits - 1)) - !negative;
	case LM_BOOL:
		return !negative && magnitude <= 1;
	case LM_MAC:
		return !negative && magnitude >> 48 == 0;
	case LM_F32:
		return magnitude <= UINT64_C(1) << 24;
	case LM_F64:
		return magnitude <= UINT64_C(1) << 53;
	case LM_U8:
	case LM_U16:
	case LM_U32:
	case LM_U64:
	case LM_IP4:
		return (!negative || magnitude == 0) && (bits == 64 || magnitude >> bits == 0);
	default:
		return false;
	}
}

static bool
value_parse_whole(enum lm_type type, const char *text, size_t length, void *value)
{
	bool negative = length > 0 && text[0] == '-';
	size_t sign = length > 0 && (negative || text[0] == '+');
	uint64_t magnitude, whole;

	if (!value_parse_u64(text + sign, length - sign, &magnitude) ||
	    !value_fits(type, negative, magnitude)) {
		return false;
	}
	whole = negative ? -magnitude : magnitude;
	switch (lm_type_width(type)) {
	case 1:
		*(uint8_t *)value = (uint8_t)whole;
		return true;
	case 2:
		*(uint16_t *)value = (uint16_t)whole;
		return true;
	case 4:
		*(uint32_t *)value = (uint32_t)whole;
		return true;
	default:
		*(uint64_t *)value = whole;
		return true;
	}
}

static bool
value_parse_bool(const char *text, size_t length, uint8_t *value)
{
	*value = value_word_is(text, length, "true") || value_word_is(text, length, "1");
	return *value != 0 || value_word_is(text, length, "false") ||
	       value_word_is(text, length, "0");
}

/* Reads `count` digits, exactly. */
static bool
value_take_digits(struct value_cursor *cursor, uint32_t count, int64_t *number)
{
	*number = 0;
	if (cursor->end - cursor->at < (ptrdiff_t)count) {
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		unsigned int digit = (unsigned int)((unsigned char)*cursor->at++ - '0');

		if (digit > 9) {
			return false;
		}
		*number = *number * 10 + digit;
	}
	return true;
}

static bool
value_take(struct value_cursor *cursor, char wanted)
{
	if (cursor->at == cursor->end || *cursor->at != wanted) {
		return false;
	}
	cursor->at++;
	return true;
}

static bool
value_take_date(struct value_cursor *cursor, int64_t *days)
{
	static const uint8_t month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t year, month, day, shifted;
	bool leap;

	if (!value_take_digits(cursor, 4, &year) || !value_take(cursor, '-') ||
	    !value_take_digits(cursor, 2, &month) || !value_take(cursor, '-') ||
	    !value_take_digits(cursor, 2, &day)) {
		return false;
	}
	leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] ||
	    (month == 2 && day == 29 && !leap)) {
		return false;
	}
	/* Years begin in March here, so that the leap day is the last of its year. */
	year -= month <= 2;
	shifted = month <= 2 ? month + 9 : month - 3;
	*days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * shifted + 2) / 5 + day -
	        1 - 719468;
	return year >= 0;
}

/* .5, .000001: up to nine digits count, more are read over. */
static bool
value_take_fraction(struct value_cursor *cursor, int64_t *ns)
{
	int64_t scale = VALUE_NS_PER_S / 10;
	const char *start;

	*ns = 0;
	if (!value_take(cursor, '.')) {
		return true;
	}
	for (start = cursor->at;
	     cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++) {
		*ns += (*cursor->at - '0') * scale;
		scale /= 10;
	}
	return cursor->at > start;
}

static bool
value_take_clock(struct value_cursor *cursor, int64_t *seconds, int64_t *ns)
{
	int64_t hour, minute, second = 0;

	*ns = 0;
	if (!value_take_digits(cursor, 2, &hour) || !value_take(cursor, ':') ||
	    !value_take_digits(cursor, 2, &minute)) {
		return false;
	}
	if (value_take(cursor, ':') &&
	    (!value_take_digits(cursor, 2, &second) || !value_take_fraction(cursor, ns))) {
		return false;
	}
	*seconds = hour * 3600 + minute * 60 + second;
	return hour < 24 && minute < 60 && second <= 60;
}

/* Z, +02:00, -0530 or nothing. */
static bool
value_take_offset(struct value_cursor *cursor, int64_t *seconds)
{
	int64_t hour, minute;
	bool behind;

	*seconds = 0;
	if (cursor->at == cursor->end || value_take(cursor, 'Z')) {
		return true;
	}
	behind = *cursor->at == '-';
	if ((!behind && *cursor->at != '+') || (cursor->at++, false) ||
	    !value_take_digits(cursor, 2, &hour)) {
		return false;
	}
	value_take(cursor, ':');
	if (!value_take_digits(cursor, 2, &minute) || hour > 23 || minute > 59) {
		return false;
	}
	*seconds = (hour * 3600 + minute * 60) * (behind ? -1 : 1);
	return true;
}

bool
value_parse_time(const char *text, size_t length, uint64_t unit_ns, int64_t *time_ns)
{
	struct value_cursor cursor = { text, text + length };
	int64_t number, days, seconds = 0, ns = 0, offset = 0;

	if (value_parse_i64(text, length, &number)) {
		return !__builtin_mul_overflow(number, (int64_t)unit_ns, time_ns);
	}
	if (!value_take_date(&cursor, &days)) {
		return false;
	}
	if ((value_take(&cursor, 'T') || value_take(&cursor, ' ')) &&
	    (!value_take_clock(&cursor, &seconds, &ns) || !value_take_offset(&cursor, &offset))) {
		return false;
	}
	return cursor.at == cursor.end &&
	       !__builtin_mul_overflow(days * 86400 + seconds - offset, VALUE_NS_PER_S, time_ns) &&
	       !__builtin_add_overflow(*time_ns, ns, time_ns);
}

bool
value_parse_duration(const char *text, size_t length, uint64_t *ns)
{
	static const struct {
		const char *name;
		double ns;
	} unit[] = { { "ns", 1 },   { "us", 1e3 },   { "ms", 1e6 },   { "s", 1e9 },
		     { "m", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 } };
	size_t digits = 0;
	double number;

	if (value_parse_u64(text, length, ns)) {
		return true;
	}
	while (digits < length &&
	       ((text[digits] >= '0' && text[digits] <= '9') || text[digits] == '.')) {
		digits++;
	}
	if (!value_parse_f64(text, digits, &number)) {
		return false;
	}
	for (size_t i = 0; i < sizeof(unit) / sizeof(unit[0]); i++) {
		if (value_word_is(text + digits, length - digits, unit[i].name)) {
			bool fits = number * unit[i].ns < 9e18;

			*ns = fits ? (uint64_t)(number * unit[i].ns + 0.5) : 0;
			return fits;
		}
	}
	return false;
}

static bool
value_parse_address(int family, const char *text, size_t length, void *address)
{
	char copy[INET6_ADDRSTRLEN];

	if (length >= sizeof(copy) || memchr(text, '\0', length) != NULL) {
		return false;
	}
	memcpy(copy, text, length);
	copy[length] = '\0';
	return inet_pton(family, copy, address) == 1;
}

static bool
value_parse_ip4(const char *text, size_t length, uint32_t *value)
{
	struct in_addr address;

	if (!value_parse_address(AF_INET, text, length, &address)) {
		return false;
	}
	*value = ntohl(address.s_addr);
	return true;
}

static bool
value_parse_ip6(const char *text, size_t length, struct lm_ip6 *value)
{
	if (value_parse_address(AF_INET6, text, length, value)) {
		return true;
	}
	memset(value, 0, sizeof(*value));
	memset(value->byte + 10, 0xff, 2);
	return value_parse_address(AF_INET, text, length, value->byte + 12);
}

static bool
value_parse_mac(const char *text, size_t length, uint64_t *value)
{
	*value = 0;
	if (length != 17) {
		return false;
	}
	for (size_t i = 0; i < 6; i++) {
		uint64_t byte;

		if (!value_parse_hex(text + 3 * i, 2, &byte) ||
		    (i > 0 && text[3 * i - 1] != ':' && text[3 * i - 1] != '-')) {
			return false;
		}
		*value = *value << 8 | byte;
	}
	return true;
}

/* "s", "ms", … behind "time". */
static bool
value_read_unit(const char *word, size_t length, uint64_t *unit_ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} unit[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };

	for (size_t i = 0; i < sizeof(unit) / sizeof(unit[0]); i++) {
		if (value_word_is(word, length, unit[i].name)) {
			*unit_ns = unit[i].ns;
			return true;
		}
	}
	return false;
}

/* What may stand behind the type: "= VALUE". */
static const char *
value_read_fallback(const char **at, struct value_spec *spec)
{
	const char *start = *at + strspn(*at, " \t");
	size_t length;
	const char *word = value_word(at, &length);

	if (word == NULL) {
		return NULL;
	}
	if (!value_word_is(word, length, "=") || lm_type_width(spec->type) == 0) {
		*at = start;
		return "there is more than a type";
	}
	start = *at + strspn(*at, " \t");
	spec->has_fallback =
	    value_parse(spec->type, spec->unit_ns, start, strlen(start), &spec->fallback);
	*at = spec->has_fallback ? start + strlen(start) : start;
	return spec->has_fallback ? NULL : "the value for empty cells is not one of the type";
}

const char *
value_spec_read(const char **at, struct value_spec *spec)
{
	const char *start = *at + strspn(*at, " \t"), *rest;
	char type[16] = "";
	size_t length;
	const char *word = value_word(at, &length);

	*spec = (struct value_spec){ .unit_ns = 1 };
	if (word != NULL && length < sizeof(type)) {
		memcpy(type, word, length);
	}
	spec->type = lm_type_find(type);
	if (spec->type == LM_TYPE_COUNT || spec->type == LM_FRAME) {
		*at = start;
		return "no such type";
	}
	rest = *at;
	word = value_word(&rest, &length);
	if (word != NULL && spec->type == LM_TIME && !value_word_is(word, length, "=")) {
		if (!value_read_unit(word, length, &spec->unit_ns)) {
			*at = word;
			return "no such unit of time";
		}
		*at = rest;
	}
	return value_read_fallback(at, spec);
}

bool
value_spec_parse(const struct value_spec *spec, const char *text, size_t length, void *value)
{
	if (length == 0 && spec->has_fallback) {
		memcpy(value, &spec->fallback, lm_type_width(spec->type));
		return true;
	}
	return value_parse(spec->type, spec->unit_ns, text, length, value);
}

const char *
value_word(const char **at, size_t *length)
{
	const char *word = *at + strspn(*at, " \t");

	*length = strcspn(word, " \t");
	*at = word + *length;
	return *length == 0 ? NULL : word;
}

bool
value_word_is(const char *word, size_t length, const char *text)
{
	return strlen(text) == length && memcmp(word, text, length) == 0;
}
