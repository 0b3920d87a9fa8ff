/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hashes of key columns, a column at a time. Numbers go through two multiply-xorshift rounds (the
 * finaliser of S. Vigna's SplitMix64, keyed before and between the rounds), which vectorise;
 * strings of up to 16 bytes through one folded product, longer ones through XXH3 (Y. Collet) seeded
 * with the secret.
 */

#include "core/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint32_t
hash_key_id(const uint32_t *fields, uint32_t field_count)
{
	uint32_t id = 2166136261u;

	for (uint32_t i = 0; i < field_count; i++) {
		id = (id ^ (fields[i] + 1)) * 16777619u;
	}
	return id == 0 ? 1 : id;
}

static inline uint64_t
mix(uint64_t x, uint64_t secret)
{
	x ^= secret;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x += secret;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* One column into the hashes: the first starts them, each later one is mixed on top. */
#define HASH_COLUMN(name, type)                                                                    \
	static void hash_all_##name(uint64_t *restrict hash, const type *restrict value,           \
	                            uint32_t count, uint64_t secret, bool first)                   \
	{                                                                                          \
		if (first) {                                                                       \
			for (uint32_t i = 0; i < count; i++) {                                     \
				hash[i] = mix(value[i], secret);                                   \
			}                                                                          \
		} else {                                                                           \
			for (uint32_t i = 0; i < count; i++) {                                     \
				hash[i] = mix(hash[i] ^ value[i], secret);                         \
			}                                                                          \
		}                                                                                  \
	}                                                                                          \
	static void hash_some_##name(uint64_t *restrict hash, const type *restrict value,          \
	                             const uint16_t *restrict rows, uint32_t count,                \
	                             uint64_t secret, bool first)                                  \
	{                                                                                          \
		for (uint32_t i = 0; i < count; i++) {                                             \
			uint64_t before = first ? 0 : hash[rows[i]];                               \
                                                                                                   \
			hash[rows[i]] = mix(before ^ value[rows[i]], secret);                      \
		}                                                                                  \
	}
HASH_COLUMN(u8, uint8_t)
HASH_COLUMN(u16, uint16_t)
HASH_COLUMN(u32, uint32_t)
HASH_COLUMN(u64, uint64_t)
#undef HASH_COLUMN

static uint64_t
hash_ip6(const struct lm_ip6 *value, uint64_t before, uint64_t secret)
{
	uint64_t half[2];

	memcpy(half, value, sizeof(half));
	return mix(mix(before ^ half[0], secret) ^ half[1], secret);
}

/* The 128-bit product, folded: how wyhash (Wang Yi) and XXH3 mix 16 bytes. */
static inline uint64_t
fold(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Up to 16 bytes in two loads: the byte area may be read past its end (LM_BYTES_SLACK). */
static inline uint64_t
hash_short(const char *bytes, uint32_t length, uint64_t secret)
{
	uint64_t low, high;

	memcpy(&low, bytes, sizeof(low));
	memcpy(&high, bytes + 8, sizeof(high));
	/* Bytes behind the string are cut off; a shift by 64 would be undefined. */
	if (length < 8) {
		low &= (1ul << (8 * length)) - 1;
		high = 0;
	} else if (length < 16) {
		high &= (1ul << (8 * (length - 8))) - 1;
	}
	low ^= secret;
	high ^= 0x9e3779b97f4a7c15u + length;
	return mix(fold(low, high ^ (secret >> 32 | secret << 32)), secret);
}

static inline uint64_t
hash_string(const char *bytes, uint32_t length, uint64_t secret)
{
	return length <= 16 ? hash_short(bytes, length, secret)
	                    : XXH3_64bits_withSeed(bytes, length, secret);
}

static void
hash_strings(uint64_t *hash, const struct lm_batch *in, const struct lm_select *rows,
             uint32_t field, uint64_t secret, bool first)
{
	const uint32_t *offsets = lm_batch_offsets(in, field);
	const char *bytes = lm_batch_bytes(in, field);
	uint32_t count = rows == NULL ? in->count : rows->count;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = rows == NULL ? i : rows->row[i];

		hash[row] = hash_string(bytes + offsets[row], offsets[row + 1] - offsets[row],
		                        first ? secret : secret ^ hash[row]);
	}
}

static void
hash_addresses(uint64_t *hash, const struct lm_batch *in, const struct lm_select *rows,
               uint32_t field, uint64_t secret, bool first)
{
	const struct lm_ip6 *value = lm_batch_ip6(in, field);
	uint32_t count = rows == NULL ? in->count : rows->count;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = rows == NULL ? i : rows->row[i];

		hash[row] = hash_ip6(&value[row], first ? 0 : hash[row], secret);
	}
}

#define HASH_CASE(name)                                                                            \
	if (rows == NULL) {                                                                        \
		hash_all_##name(hash, lm_batch_##name(in, field), in->count, secret, first);       \
	} else {                                                                                   \
		hash_some_##name(hash, lm_batch_##name(in, field), rows->row, rows->count, secret, \
		                 first);                                                           \
	}                                                                                          \
	break

void
hash_rows(uint64_t *hash, const struct lm_batch *in, const struct lm_select *rows,
          const uint32_t *fields, uint32_t field_count, uint64_t secret)
{
	for (uint32_t i = 0; i < field_count; i++) {
		uint32_t field = fields[i];
		bool first = i == 0;

		switch (lm_type_width(in->schema->field[field].type)) {
		case 1:
			HASH_CASE(u8);
		case 2:
			HASH_CASE(u16);
		case 4:
			HASH_CASE(u32);
		case 8:
			HASH_CASE(u64);
		case 0:
			hash_strings(hash, in, rows, field, secret, first);
			break;
		default:
			hash_addresses(hash, in, rows, field, secret, first);
			break;
		}
	}
}
#undef HASH_CASE
