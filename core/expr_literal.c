/* SPDX-License-Identifier: BSD-3-Clause */
/* Constants as people write them: numbers, durations, times, addresses and prefixes. */
#include "core/expr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

#define LITERAL_SIZE 64u /* of a number or address, with its end */
#define LITERAL_NS_PER_S INT64_C(1000000000)

static bool literal_time(struct expr_tree *tree, struct expr_token *token);
static bool literal_address(struct expr_tree *tree, struct expr_token *token);
static bool literal_number(struct expr_tree *tree, struct expr_token *token);

static bool
literal_is_time(const char *text)
{
	static const char form[] = "dddd-dd-ddT";

	for (uint32_t i = 0; form[i] != '\0'; i++) {
		if (form[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != form[i]) {
			return false;
		}
	}
	return true;
}

/* A run of hexadecimal digits, dots and colons with a colon in it, or two dots among digits. */
static bool
literal_is_address(const char *text)
{
	size_t whole = strspn(text, "0123456789abcdefABCDEF.:");
	size_t decimal = strspn(text, "0123456789.");
	const char *dot = memchr(text, '.', decimal);

	if (memchr(text, ':', whole) != NULL) {
		return true;
	}
	return dot != NULL && isdigit((unsigned char)*text) &&
	       memchr(dot + 1, '.', decimal - (size_t)(dot + 1 - text)) != NULL;
}

bool
expr_lex_value(struct expr_tree *tree, uint32_t from, struct expr_token *token)
{
	const char *text = tree->text + from;

	token->begin = from;
	token->prefix = EXPR_NOT_PREFIX;
	if (literal_is_time(text)) {
		return literal_time(tree, token);
	}
	if (literal_is_address(text)) {
		return literal_address(tree, token);
	}
	if (isdigit((unsigned char)*text)) {
		return literal_number(tree, token);
	}
	token->kind = EXPR_TOKEN_END;
	return true;
}

static void
literal_done(struct expr_token *token, uint32_t length, enum lm_type type)
{
	token->kind = EXPR_TOKEN_VALUE;
	token->end = token->begin + length;
	token->type = (uint8_t)type;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; years are counted from March. */
static int64_t
literal_days(int64_t year, int64_t month, int64_t day)
{
	int64_t from_march = month > 2 ? month - 3 : month + 9;

	year -= month <= 2;
	return year * 365 + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5 + day -
	       1 - 719468;
}

static int64_t
literal_month_days(int64_t year, int64_t month)
{
	static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29 : days[month - 1];
}

/* `count` digits at *at as a number, or -1; moves behind them. */
static int64_t
literal_digits(const char **at, uint32_t count)
{
	int64_t value = 0;

	for (uint32_t i = 0; i < count; i++, (*at)++) {
		if (!isdigit((unsigned char)**at)) {
			return -1;
		}
		value = value * 10 + (**at - '0');
	}
	return value;
}

/* One to nine decimals of a second at *at as nanoseconds, or -1. */
static int64_t
literal_fraction(const char **at)
{
	int64_t value = 0;
	uint32_t count = 0;

	for (; isdigit((unsigned char)**at); (*at)++, count++) {
		if (count == 9) {
			return -1;
		}
		value = value * 10 + (**at - '0');
	}
	for (uint32_t i = count; i < 9; i++) {
		value *= 10;
	}
	return count == 0 ? -1 : value;
}

/* Z, +hh:mm or -hh:mm at *at: seconds east of Greenwich, or INT64_MIN. */
static int64_t
literal_offset(const char **at)
{
	char sign = *(*at)++;
	int64_t hour, minute;

	if (sign == 'Z') {
		return 0;
	}
	if (sign != '+' && sign != '-') {
		return INT64_MIN;
	}
	hour = literal_digits(at, 2);
	if (hour < 0 || hour > 23 || *(*at)++ != ':') {
		return INT64_MIN;
	}
	minute = literal_digits(at, 2);
	if (minute < 0 || minute > 59) {
		return INT64_MIN;
	}
	return (sign == '-' ? -60 : 60) * (hour * 60 + minute);
}

/* hh:mm[:ss[.fraction]] and the offset at *at, in ns since midnight in Greenwich, or INT64_MIN. */
static int64_t
literal_clock(const char **at)
{
	int64_t hour = literal_digits(at, 2);
	int64_t minute, second = 0, fraction = 0, offset;

	if (hour < 0 || hour > 23 || *(*at)++ != ':') {
		return INT64_MIN;
	}
	minute = literal_digits(at, 2);
	if (minute < 0 || minute > 59) {
		return INT64_MIN;
	}
	if (**at == ':') {
		(*at)++;
		second = literal_digits(at, 2);
		if (second < 0 || second > 59) {
			return INT64_MIN;
		}
		if (**at == '.') {
			(*at)++;
			fraction = literal_fraction(at);
		}
	}
	if (fraction < 0) {
		return INT64_MIN;
	}
	offset = literal_offset(at);
	if (offset == INT64_MIN) {
		return INT64_MIN;
	}
	return ((hour * 60 + minute) * 60 + second - offset) * LITERAL_NS_PER_S + fraction;
}

static bool
literal_time(struct expr_tree *tree, struct expr_token *token)
{
	static const char hint[] = "write it as 2020-01-31T10:00:00Z, with up to nine decimals";
	const char *text = tree->text + token->begin;
	const char *at = text;
	int64_t year = literal_digits(&at, 4);
	int64_t month = (at++, literal_digits(&at, 2));
	int64_t day = (at++, literal_digits(&at, 2));
	int64_t clock_ns;
	__int128 time_ns;

	at++;
	if (month < 1 || month > 12 || day < 1 || day > literal_month_days(year, month)) {
		return expr_fail_at(tree, token->begin, hint, "there is no such day");
	}
	clock_ns = literal_clock(&at);
	if (clock_ns == INT64_MIN || isalnum((unsigned char)*at)) {
		return expr_fail_at(tree, token->begin, hint, "this is not a time");
	}
	time_ns = (__int128)literal_days(year, month, day) * 86400 * LITERAL_NS_PER_S + clock_ns;
	if (time_ns < INT64_MIN || time_ns > INT64_MAX) {
		return expr_fail_at(tree, token->begin, "times reach from 1677-09-21 to 2262-04-11",
		                    "this time is out of range");
	}
	token->value.i64 = (int64_t)time_ns;
	literal_done(token, (uint32_t)(at - text), LM_TIME);
	return true;
}

/* aa:bb:cc:dd:ee:ff */
static bool
literal_mac(const char *text, uint64_t *mac)
{
	*mac = 0;
	for (uint32_t i = 0; i < 17; i++) {
		char digit = (char)tolower((unsigned char)text[i]);

		if (i % 3 == 2) {
			if (digit != ':') {
				return false;
			}
			continue;
		}
		if (!isxdigit((unsigned char)digit)) {
			return false;
		}
		*mac = *mac << 4 | (uint64_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
	}
	return text[17] == '\0';
}

/* "/24" at `text`, if there: its characters; *bits stays what it was without. 0 bits_max + 1:
 * wrong. */
static uint32_t
literal_prefix(const char *text, uint32_t bits_max, uint8_t *bits)
{
	uint32_t value = 0;
	uint32_t length = 1;

	if (text[0] != '/' || !isdigit((unsigned char)text[1])) {
		return 0;
	}
	for (; isdigit((unsigned char)text[length]) && value <= bits_max; length++) {
		value = value * 10 + (uint32_t)(text[length] - '0');
	}
	*bits = (uint8_t)(value > bits_max ? bits_max + 1 : value);
	return length;
}

static bool
literal_address(struct expr_tree *tree, struct expr_token *token)
{
	const char *text = tree->text + token->begin;
	size_t length = strspn(text, "0123456789abcdefABCDEF.:");
	char address[LITERAL_SIZE] = "";
	struct in_addr ip4;
	uint32_t bits_max = 128;
	enum lm_type type;

	/* Too long, or into a word: no address, as the empty text is none. */
	if (length < sizeof(address) && !isalnum((unsigned char)text[length]) &&
	    text[length] != '_') {
		memcpy(address, text, length);
	}
	if (literal_mac(address, &token->value.u64)) {
		type = LM_MAC;
	} else if (inet_pton(AF_INET, address, &ip4) == 1) {
		type = LM_IP4;
		bits_max = 32;
		token->value.u32 = ntohl(ip4.s_addr);
	} else if (inet_pton(AF_INET6, address, token->value.ip6.byte) == 1) {
		type = LM_IP6;
	} else {
		return expr_fail_at(tree, token->begin,
		                    "addresses look like 10.0.0.1, 2001:db8::1, aa:bb:cc:dd:ee:ff",
		                    "\"%.*s\" is not an address", (int)(length < 60 ? length : 60),
		                    text);
	}
	if (type != LM_MAC) {
		length += literal_prefix(text + length, bits_max, &token->prefix);
	}
	if (token->prefix != EXPR_NOT_PREFIX && token->prefix > bits_max) {
		return expr_fail_at(tree, token->begin, NULL,
		                    "the prefix of such an address has 0 to %u bits", bits_max);
	}
	literal_done(token, (uint32_t)length, type);
	return true;
}

/* Characters of the number or duration at `text`: what looks like a word, and 1e-3. */
static size_t
literal_number_length(const char *text)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	size_t length = 0;

	for (;; length++) {
		char c = text[length];
		bool exponent = length > 0 && !hex && (c == '+' || c == '-') &&
		                isdigit((unsigned char)text[length + 1]) &&
		                (text[length - 1] == 'e' || text[length - 1] == 'E') &&
		                strspn(text, "0123456789.") == length - 1;

		if (!isalnum((unsigned char)c) && c != '_' && c != '.' && !exponent) {
			return length;
		}
	}
}

static bool
literal_number(struct expr_tree *tree, struct expr_token *token)
{
	const char *text = tree->text + token->begin;
	size_t length = literal_number_length(text);
	char number[LITERAL_SIZE];
	enum lm_type type = LM_I64;
	int rc = -EINVAL;

	if (length < sizeof(number)) {
		memcpy(number, text, length);
		number[length] = '\0';
		/* A number with a point is a float even where it is whole: 2.0. */
		if (strspn(number, "0123456789.") < length || memchr(number, '.', length) == NULL) {
			rc = text_u64(number, &token->value.u64);
			type = token->value.u64 > INT64_MAX ? LM_U64 : LM_I64;
		}
		if (rc == -EINVAL) {
			rc = text_duration(number, &token->value.u64);
			rc = rc == 0 && token->value.u64 > INT64_MAX ? -ERANGE : rc;
			type = LM_I64;
		}
		if (rc == -EINVAL) {
			rc = text_f64(number, &token->value.f64);
			type = LM_F64;
		}
	}
	if (rc == -ERANGE) {
		return expr_fail_at(tree, token->begin, "integers have 64 bits",
		                    "the number \"%.*s\" is too large", (int)length, text);
	}
	if (rc != 0) {
		return expr_fail_at(tree, token->begin,
		                    "there are 42, 0xff, 64Ki, 0.5, 1e6 and, with units ns us ms s "
		                    "m h d, durations",
		                    "\"%.*s\" is not a number", (int)(length < 60 ? length : 60),
		                    text);
	}
	literal_done(token, (uint32_t)length, type);
	return true;
}
