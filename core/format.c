/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One value of a batch as text for people: lm_batch_format. Pure. Not for speed: sinks that print
 * every row at rate have writers of their own.
 */
#include "core/lm_batch.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_SIZE 64u /* the longest text of a value of fixed width, with its end */
#define FORMAT_NS_PER_S INT64_C(1000000000)
#define FORMAT_S_PER_DAY INT64_C(86400)

static size_t format_copy(char *text, size_t size, const char *from, size_t length);
static size_t format_bytes(char *text, size_t size, const uint8_t *bytes, size_t length);
static int format_fixed(const struct lm_batch *batch, uint32_t field, uint32_t row, char *text);
static int format_float(double value, int digits, bool single, char *text);
static int format_time(int64_t time_ns, char *text);
static int format_ip4(uint32_t address, char *text);
static int format_ip6(const struct lm_ip6 *address, char *text);
static int format_mac(uint64_t mac, char *text);

size_t
lm_batch_format(const struct lm_batch *batch, uint32_t field, uint32_t row, char *text, size_t size)
{
	char fixed[FORMAT_SIZE];
	int length;

	assert(field < batch->schema->field_count);
	assert(row < batch->schema->capacity);
	if (lm_type_width(batch->schema->field[field].type) == 0) {
		const uint32_t *offsets = lm_batch_offsets(batch, field);
		const char *bytes = lm_batch_bytes(batch, field) + offsets[row];
		size_t count = offsets[row + 1] - offsets[row];

		if (batch->schema->field[field].type == LM_BYTES) {
			return format_bytes(text, size, (const uint8_t *)bytes, count);
		}
		return format_copy(text, size, bytes, count);
	}
	length = format_fixed(batch, field, row, fixed);
	assert(length > 0);
	assert((size_t)length < sizeof(fixed));
	return format_copy(text, size, fixed, (size_t)length);
}

/* As snprintf: cut to the size, ended, and the whole length returned. */
static size_t
format_copy(char *text, size_t size, const char *from, size_t length)
{
	if (size > 0) {
		size_t fits = length < size - 1 ? length : size - 1;

		memcpy(text, from, fits);
		text[fits] = '\0';
	}
	return length;
}

/* Two hexadecimal digits a byte. */
static size_t
format_bytes(char *text, size_t size, const uint8_t *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	if (size > 0) {
		size_t fits = 2 * length < size - 1 ? 2 * length : size - 1;

		for (size_t i = 0; i < fits; i++) {
			text[i] = digits[i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15];
		}
		text[fits] = '\0';
	}
	return 2 * length;
}

static int
format_fixed(const struct lm_batch *batch, uint32_t field, uint32_t row, char *text)
{
	switch (batch->schema->field[field].type) {
	case LM_I8:
		return snprintf(text, FORMAT_SIZE, "%d", lm_batch_i8(batch, field)[row]);
	case LM_I16:
		return snprintf(text, FORMAT_SIZE, "%d", lm_batch_i16(batch, field)[row]);
	case LM_I32:
		return snprintf(text, FORMAT_SIZE, "%" PRId32, lm_batch_i32(batch, field)[row]);
	case LM_I64:
		return snprintf(text, FORMAT_SIZE, "%" PRId64, lm_batch_i64(batch, field)[row]);
	case LM_U8:
		return snprintf(text, FORMAT_SIZE, "%u", lm_batch_u8(batch, field)[row]);
	case LM_U16:
		return snprintf(text, FORMAT_SIZE, "%u", lm_batch_u16(batch, field)[row]);
	case LM_U32:
		return snprintf(text, FORMAT_SIZE, "%" PRIu32, lm_batch_u32(batch, field)[row]);
	case LM_U64:
		return snprintf(text, FORMAT_SIZE, "%" PRIu64, lm_batch_u64(batch, field)[row]);
	case LM_F32:
		return format_float((double)lm_batch_f32(batch, field)[row], 6, true, text);
	case LM_F64:
		return format_float(lm_batch_f64(batch, field)[row], 15, false, text);
	case LM_BOOL:
		return snprintf(text, FORMAT_SIZE, "%s",
		                lm_batch_bool(batch, field)[row] != 0 ? "true" : "false");
	case LM_TIME:
		return format_time(lm_batch_i64(batch, field)[row], text);
	case LM_IP4:
		return format_ip4(lm_batch_u32(batch, field)[row], text);
	case LM_IP6:
		return format_ip6(&lm_batch_ip6(batch, field)[row], text);
	case LM_MAC:
		return format_mac(lm_batch_u64(batch, field)[row], text);
	case LM_FRAME:
		return snprintf(text, FORMAT_SIZE, "frame of %" PRIu32 " bytes",
		                lm_batch_frame(batch, field)[row].length);
	case LM_STRING:
	case LM_BYTES:
	case LM_TYPE_COUNT:
		break;
	}
	return 0;
}

/*
 * The fewest digits that read back as the same value. `digits` of them always survive a trip
 * through a normal number of that width, so shorter texts come out of it by themselves (%g drops
 * zeros); a subnormal number has fewer bits and is tried from one digit on.
 */
static int
format_float(double value, int digits, bool single, char *text)
{
	double smallest = single ? 0x1p-126 : 0x1p-1022;
	int length;

	if (isnan(value)) {
		return snprintf(text, FORMAT_SIZE, "nan");
	}
	if (value < smallest && value > -smallest) {
		digits = 1;
	}
	do {
		double back;

		length = snprintf(text, FORMAT_SIZE, "%.*g", digits, value);
		back = single ? (double)strtof(text, NULL) : strtod(text, NULL);
		if (back == value) {
			break;
		}
	} while (++digits <= 17);
	return length;
}

/*
 * ISO 8601 in UTC. The calendar counts years from March, so that a leap day comes last, in eras of
 * 400 years (146097 days).
 */
static int
format_time(int64_t time_ns, char *text)
{
	int64_t fraction = time_ns % FORMAT_NS_PER_S;
	int64_t seconds = time_ns / FORMAT_NS_PER_S - (fraction < 0);
	int64_t second = seconds % FORMAT_S_PER_DAY;
	int64_t days = seconds / FORMAT_S_PER_DAY - (second < 0);
	/* Days since 0000-03-01: never negative, for 64 bits of ns begin in 1677. */
	int64_t day = days + 719468;
	int64_t era = day / 146097;
	int64_t of_era = day % 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153; /* 0 is March */
	int length;

	fraction += fraction < 0 ? FORMAT_NS_PER_S : 0;
	second += second < 0 ? FORMAT_S_PER_DAY : 0;
	length = snprintf(text, FORMAT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d",
	                  (int)(era * 400 + year + (month >= 10)),
	                  (int)(month < 10 ? month + 3 : month - 9),
	                  (int)(of_year - (153 * month + 2) / 5 + 1), (int)(second / 3600),
	                  (int)(second / 60 % 60), (int)(second % 60));
	if (fraction != 0) {
		length +=
		    snprintf(text + length, FORMAT_SIZE - (size_t)length, ".%09d", (int)fraction);
		for (uint32_t i = 0; i < 3 && text[length - 1] == '0'; i++) {
			length--;
		}
	}
	text[length++] = 'Z';
	text[length] = '\0';
	return length;
}

static int
format_ip4(uint32_t address, char *text)
{
	return snprintf(text, FORMAT_SIZE, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
	                address >> 8 & 255, address & 255);
}

/* RFC 5952: the longest run of zero groups (two at least, the first of equals) becomes "::". */
static int
format_ip6(const struct lm_ip6 *address, char *text)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	const uint8_t *byte = address->byte;
	uint32_t run_start = 8;
	uint32_t run = 1;
	int length = 0;

	if (memcmp(byte, mapped, sizeof(mapped)) == 0) {
		return format_ip4((uint32_t)byte[12] << 24 | (uint32_t)byte[13] << 16 |
		                      (uint32_t)byte[14] << 8 | byte[15],
		                  text);
	}
	for (uint32_t i = 0, zeros = 0; i < 8; i++) {
		zeros = byte[2 * i] == 0 && byte[2 * i + 1] == 0 ? zeros + 1 : 0;
		if (zeros > run) {
			run = zeros;
			run_start = i + 1 - zeros;
		}
	}
	for (uint32_t i = 0; i < 8; i++) {
		if (i == run_start) {
			length += snprintf(text + length, FORMAT_SIZE - (size_t)length, "::");
			i += run - 1;
			continue;
		}
		length += snprintf(text + length, FORMAT_SIZE - (size_t)length, "%s%x",
		                   i == 0 || i == run_start + run ? "" : ":",
		                   (unsigned int)byte[2 * i] << 8 | byte[2 * i + 1]);
	}
	return length;
}

static int
format_mac(uint64_t mac, char *text)
{
	return snprintf(text, FORMAT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x",
	                (unsigned int)(mac >> 40 & 255), (unsigned int)(mac >> 32 & 255),
	                (unsigned int)(mac >> 24 & 255), (unsigned int)(mac >> 16 & 255),
	                (unsigned int)(mac >> 8 & 255), (unsigned int)(mac & 255));
}
