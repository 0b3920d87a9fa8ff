/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading what people type: numbers with units, durations, sizes, near misses. */
#include "core/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TEXT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Texts longer than this are compared by their common beginning only. */
#define TEXT_DISTANCE_MAX 64u
/* Of a name, with its end. */
#define TEXT_NAME_MAX 32u

struct text_unit {
	const char *name;
	uint64_t factor;
};

static const struct text_unit text_multiples[] = {
	{ "k", 1000ull },       { "K", 1000ull },          { "M", 1000000ull },
	{ "G", 1000000000ull }, { "T", 1000000000000ull }, { "Ki", 1ull << 10 },
	{ "Mi", 1ull << 20 },   { "Gi", 1ull << 30 },      { "Ti", 1ull << 40 },
};

static const struct text_unit text_sizes[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "k", 1000ull },
	{ "K", 1000ull },
	{ "kB", 1000ull },
	{ "KB", 1000ull },
	{ "M", 1000000ull },
	{ "MB", 1000000ull },
	{ "G", 1000000000ull },
	{ "GB", 1000000000ull },
	{ "T", 1000000000000ull },
	{ "TB", 1000000000000ull },
	{ "Ki", 1ull << 10 },
	{ "KiB", 1ull << 10 },
	{ "Mi", 1ull << 20 },
	{ "MiB", 1ull << 20 },
	{ "Gi", 1ull << 30 },
	{ "GiB", 1ull << 30 },
	{ "Ti", 1ull << 40 },
	{ "TiB", 1ull << 40 },
};

/* From small to large: the parts of a duration come in falling order. */
static const struct text_unit text_durations[] = {
	{ "ns", 1 },
	{ "us", 1000ull },
	{ "µs", 1000ull },
	{ "ms", 1000000ull },
	{ "s", 1000000000ull },
	{ "m", 60000000000ull },
	{ "h", 3600000000000ull },
	{ "d", 86400000000000ull },
};

/* A decimal number as it was written: digits / 10^decimals. */
struct text_decimal {
	uint64_t digits;
	uint32_t decimals;
	bool large; /* more digits than fit */
};

/* Adds digits, with single underscores between them; returns what follows, NULL if there are none.
 */
static const char *
text_digits(const char *text, struct text_decimal *decimal, bool fraction)
{
	const char *at = text;

	if (!isdigit((unsigned char)*at)) {
		return NULL;
	}
	while (isdigit((unsigned char)*at) || (*at == '_' && isdigit((unsigned char)at[1]))) {
		if (*at != '_') {
			uint64_t digit = (uint64_t)(*at - '0');

			decimal->large |=
			    __builtin_mul_overflow(decimal->digits, 10u, &decimal->digits);
			decimal->large |=
			    __builtin_add_overflow(decimal->digits, digit, &decimal->digits);
			decimal->decimals += fraction;
		}
		at++;
	}
	return at;
}

static const char *
text_decimal(const char *text, struct text_decimal *decimal)
{
	*decimal = (struct text_decimal){ 0 };
	text = text_digits(text, decimal, false);
	if (text != NULL && *text == '.') {
		text = text_digits(text + 1, decimal, true);
	}
	return text;
}

/* decimal * factor, if that is a whole number. */
static int
text_scale(const struct text_decimal *decimal, uint64_t factor, uint64_t *value)
{
	unsigned __int128 product = (unsigned __int128)decimal->digits * factor;

	if (decimal->large) {
		return -ERANGE;
	}
	for (uint32_t i = 0; i < decimal->decimals; i++) {
		if (product % 10u != 0) {
			return -EINVAL;
		}
		product /= 10u;
	}
	if (product > UINT64_MAX) {
		return -ERANGE;
	}
	*value = (uint64_t)product;
	return 0;
}

/* The unit that is written in `length` characters, or NULL. */
static const struct text_unit *
text_unit(const struct text_unit *units, size_t count, const char *text, size_t length)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(units[i].name) == length && memcmp(units[i].name, text, length) == 0) {
			return &units[i];
		}
	}
	return NULL;
}

static int
text_hex(const char *text, uint64_t *value)
{
	uint64_t sum = 0;

	if (!isxdigit((unsigned char)*text)) {
		return -EINVAL;
	}
	for (; *text != '\0'; text++) {
		int digit = tolower((unsigned char)*text);

		if (*text == '_' && isxdigit((unsigned char)text[1])) {
			continue;
		}
		if (!isxdigit((unsigned char)*text)) {
			return -EINVAL;
		}
		if (sum >> 60 != 0) {
			return -ERANGE;
		}
		sum = sum << 4 | (uint64_t)(isdigit(digit) ? digit - '0' : digit - 'a' + 10);
	}
	*value = sum;
	return 0;
}

int
text_u64(const char *text, uint64_t *value)
{
	const struct text_unit *unit;
	struct text_decimal decimal;
	const char *rest;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		return text_hex(text + 2, value);
	}
	rest = text_decimal(text, &decimal);
	if (rest == NULL) {
		return -EINVAL;
	}
	if (*rest == '\0') {
		return text_scale(&decimal, 1, value);
	}
	unit = text_unit(text_multiples, TEXT_COUNT(text_multiples), rest, strlen(rest));
	return unit == NULL ? -EINVAL : text_scale(&decimal, unit->factor, value);
}

/* [-+]digits[.digits][e[-+]digits], the form that strtod reads alike everywhere. */
static bool
text_is_float(const char *text)
{
	size_t whole, decimals = 0;

	text += *text == '-' || *text == '+';
	whole = strspn(text, "0123456789");
	text += whole;
	if (*text == '.') {
		decimals = strspn(text + 1, "0123456789");
		text += 1 + decimals;
	}
	if (whole + decimals == 0) {
		return false;
	}
	if (*text == 'e' || *text == 'E') {
		size_t exponent;

		text++;
		text += *text == '-' || *text == '+';
		exponent = strspn(text, "0123456789");
		text += exponent;
		return exponent > 0 && *text == '\0';
	}
	return *text == '\0';
}

int
text_f64(const char *text, double *value)
{
	uint64_t whole;
	double number;
	char *end;
	int rc;

	if (!text_is_float(text)) {
		rc = text_u64(text, &whole); /* 64Ki, 1_000 */
		if (rc == 0) {
			*value = (double)whole;
		}
		return rc;
	}
	number = strtod(text, &end);
	if (*end != '\0') {
		return -EINVAL; /* a locale with another decimal point */
	}
	if (!isfinite(number)) {
		return -ERANGE;
	}
	*value = number;
	return 0;
}

int
text_bool(const char *text, bool *value)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
		return -EINVAL;
	}
	*value = text[0] == 't';
	return 0;
}

int
text_duration(const char *text, uint64_t *value)
{
	uint64_t sum = 0, last = UINT64_MAX;

	if (strcmp(text, "0") == 0) {
		*value = 0;
		return 0;
	}
	do {
		const struct text_unit *unit;
		struct text_decimal decimal;
		const char *rest = text_decimal(text, &decimal);
		uint64_t part = 0;
		size_t length;
		int rc;

		if (rest == NULL) {
			return -EINVAL;
		}
		length = strcspn(rest, "0123456789");
		unit = text_unit(text_durations, TEXT_COUNT(text_durations), rest, length);
		if (unit == NULL || unit->factor >= last) {
			return -EINVAL;
		}
		rc = text_scale(&decimal, unit->factor, &part);
		if (rc != 0) {
			return rc;
		}
		if (__builtin_add_overflow(sum, part, &sum)) {
			return -ERANGE;
		}
		last = unit->factor;
		text = rest + length;
	} while (*text != '\0');
	*value = sum;
	return 0;
}

int
text_size(const char *text, uint64_t *value)
{
	const struct text_unit *unit;
	struct text_decimal decimal;
	const char *rest = text_decimal(text, &decimal);

	if (rest == NULL) {
		return -EINVAL;
	}
	unit = text_unit(text_sizes, TEXT_COUNT(text_sizes), rest, strlen(rest));
	return unit == NULL ? -EINVAL : text_scale(&decimal, unit->factor, value);
}

static uint32_t
text_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Every character behind the common beginning counts: an upper bound, for long texts. */
static uint32_t
text_distance_long(const char *a, const char *b)
{
	size_t same = 0, a_length = strlen(a), b_length = strlen(b);
	size_t longer = a_length > b_length ? a_length : b_length;

	while (a[same] != '\0' && a[same] == b[same]) {
		same++;
	}
	return longer - same > UINT32_MAX ? UINT32_MAX : (uint32_t)(longer - same);
}

uint32_t
text_distance(const char *a, const char *b)
{
	/* Rows i - 2, i - 1 and i of the table of distances between beginnings. */
	uint32_t table[3][TEXT_DISTANCE_MAX + 1];
	size_t a_length = strlen(a), b_length = strlen(b);

	if (a_length > TEXT_DISTANCE_MAX || b_length > TEXT_DISTANCE_MAX) {
		return text_distance_long(a, b);
	}
	for (uint32_t j = 0; j <= b_length; j++) {
		table[0][j] = j;
	}
	for (uint32_t i = 1; i <= a_length; i++) {
		const uint32_t *above = table[(i - 1) % 3], *before = table[(i + 1) % 3];
		uint32_t *row = table[i % 3];

		row[0] = i;
		for (uint32_t j = 1; j <= b_length; j++) {
			uint32_t replaced = above[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = text_min(replaced, text_min(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
				row[j] = text_min(row[j], before[j - 2] + 1);
			}
		}
	}
	return table[a_length % 3][b_length];
}

/* How far `candidate` is from `text`, UINT32_MAX if it can hardly be meant. */
static uint32_t
text_miss(const char *text, const char *candidate)
{
	size_t length = strlen(text), candidate_length = strlen(candidate);
	size_t longer = length > candidate_length ? length : candidate_length;
	uint32_t allowed = longer < 6 ? 1 : (uint32_t)longer / 3;
	uint32_t distance;

	if (strcasecmp(text, candidate) == 0) {
		return 0;
	}
	distance = text_distance(text, candidate);
	if (distance <= allowed && distance < longer) {
		return distance;
	}
	/* A beginning long enough to be recognised: "window" for "window_aggregate". */
	return length >= 3 && strncasecmp(text, candidate, length) == 0 ? allowed + 1 : UINT32_MAX;
}

const char *
text_nearest(const char *text, const char *const *candidates, uint32_t count)
{
	const char *nearest = NULL;
	uint32_t least = UINT32_MAX;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t miss = text_miss(text, candidates[i]);

		if (miss < least) {
			least = miss;
			nearest = candidates[i];
		}
	}
	return nearest;
}

const char *
text_hint(const char *text, const char *what, const char *const *candidates, uint32_t count,
          char *hint, size_t size)
{
	const char *nearest = text_nearest(text, candidates, count);
	size_t used;

	if (nearest != NULL) {
		snprintf(hint, size, "did you mean \"%s\"?", nearest);
		return hint;
	}
	snprintf(hint, size, count == 0 ? "there are no %s" : "%s:", what);
	for (uint32_t i = 0; i < count; i++) {
		used = strlen(hint);
		if (used + strlen(candidates[i]) + 6 > size) {
			snprintf(hint + used, size - used, " ...");
			break;
		}
		snprintf(hint + used, size - used, "%s %s", i == 0 ? "" : ",", candidates[i]);
	}
	return hint;
}

bool
text_is_name(const char *text, bool dashes)
{
	size_t length = strnlen(text, TEXT_NAME_MAX);

	if (length == 0 || length == TEXT_NAME_MAX || isdigit((unsigned char)text[0]) ||
	    text[0] == '-') {
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte >= 0x80 || !(isalnum(byte) || byte == '_' || (dashes && byte == '-'))) {
			return false;
		}
	}
	return true;
}

uint32_t
text_characters(const char *text, size_t size)
{
	uint32_t count = 0;

	for (size_t i = 0; i < size; i++) {
		count += ((unsigned char)text[i] & 0xc0u) != 0x80u;
	}
	return count;
}

bool
text_in_list(const char *list, const char *name)
{
	size_t length = strlen(name);

	while (*list != '\0') {
		size_t one = strcspn(list, ",");

		if (one == length && memcmp(list, name, length) == 0) {
			return true;
		}
		list += one + (list[one] == ',');
	}
	return false;
}
