/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packing of payloads by LZ4 or Zstandard, which is there if the build found it, or by leaving out
 * zeroes.
 *
 * State has many: room in maps that is free, counts that are small. BLOCK_ZEROES takes words of 8
 * bytes, little endian, without the zeroes that they begin with: half a byte for each word, how
 * many bytes of it there are (two to a byte, the first in the low half), then those bytes, one word
 * behind the other. That is as quick as copying, where LZ4 is slower than a disk.
 */

#include "state/codec.h"

#include <stdlib.h>
#include <string.h>

#include <lz4.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef __SSE2__
#include <immintrin.h>
#endif

#ifdef HAVE_ZSTD
#define ZSTD_IS_HERE 1
#else
#define ZSTD_IS_HERE 0
#endif

struct block_coder *
block_coder_open(enum block_codec codec, int level)
{
	struct block_coder *coder = calloc(1, sizeof(*coder));

	if (coder == NULL) {
		return NULL;
	}
	coder->codec = block_codec_has(codec) ? codec : BLOCK_PLAIN;
	coder->level = level;
	return coder;
}

void
block_coder_close(struct block_coder *coder)
{
	if (coder == NULL) {
		return;
	}
#ifdef HAVE_ZSTD
	ZSTD_freeCCtx(coder->packer);
	ZSTD_freeDCtx(coder->unpacker);
#endif
	free(coder);
}

int
block_codec_has(enum block_codec codec)
{
	return codec < BLOCK_CODEC_COUNT && (codec != BLOCK_ZSTD || ZSTD_IS_HERE);
}

const char *
block_codec_name(enum block_codec codec)
{
	static const char *const names[] = { "none", "lz4", "zstd", "zeroes" };

	assert(codec < BLOCK_CODEC_COUNT);
	return names[codec];
}

static uint32_t
zstd_pack(struct block_coder *coder, const void *raw, uint32_t size, uint8_t *out)
{
#ifdef HAVE_ZSTD
	size_t packed;

	if (coder->packer == NULL) {
		coder->packer = ZSTD_createCCtx();
	}
	if (coder->packer == NULL) {
		return 0;
	}
	packed = ZSTD_compressCCtx(coder->packer, out, size - 1, raw, size, coder->level);
	return ZSTD_isError(packed) ? 0 : (uint32_t)packed;
#else
	(void)coder;
	(void)raw;
	(void)size;
	(void)out;
	return 0;
#endif
}

static enum block_fault
zstd_unpack(struct block_coder *coder, const struct block *block, const uint8_t *stored,
            uint8_t *raw)
{
#ifdef HAVE_ZSTD
	if (coder->unpacker == NULL) {
		coder->unpacker = ZSTD_createDCtx();
	}
	if (coder->unpacker == NULL) {
		return FAULT_PACKED;
	}
	return ZSTD_decompressDCtx(coder->unpacker, raw, block->raw_size, stored,
	                           block->stored_size) == block->raw_size
	           ? FAULT_FINE
	           : FAULT_PACKED;
#else
	(void)coder;
	(void)block;
	(void)stored;
	(void)raw;
	return FAULT_CODEC;
#endif
}

/* Two words at a time, or a line of eight. */
#define PAIR 16u
#define LINE 64u

#if defined(__AVX512VBMI2__) && defined(__AVX512BW__) && defined(__AVX512CD__) && defined(__BMI2__)
/* Bytes: a processor that looks ahead by itself stops where a page ends. */
#define AHEAD 2048u
#define NIBBLES UINT64_C(0x0f0f0f0f0f0f0f0f)

/* The bytes of eight words that are kept, from how many of each: a byte of `lengths`. */
static inline __mmask64
line_mask(__m128i lengths)
{
	const __m512i index = _mm512_set1_epi64(0x0706050403020100);
	const __m512i first = _mm512_set4_epi64(0x0808080808080808, 0, 0x0808080808080808, 0);

	return _mm512_cmplt_epu8_mask(index,
	                              _mm512_shuffle_epi8(_mm512_cvtepu8_epi64(lengths), first));
}

/* Lines as long as there is room for whole ones; returns bytes of raw, *at goes on. */
static size_t
pack_lines(const uint8_t *raw, size_t size, uint8_t *out, size_t *at)
{
	size_t done = 0;

	for (; done + LINE <= size && *at + LINE <= size; done += LINE) {
		/* Read once: it may be an arena, whose owner goes on. */
		__m512i words = _mm512_loadu_si512(raw + done);
		__m512i count = _mm512_srli_epi64(
		    _mm512_sub_epi64(_mm512_set1_epi64(71), _mm512_lzcnt_epi64(words)), 3);
		__m128i lengths = _mm512_cvtepi64_epi8(count);
		__mmask64 kept = line_mask(lengths);
		uint32_t halves =
		    (uint32_t)_pext_u64((uint64_t)_mm_cvtsi128_si64(lengths), NIBBLES);

		__builtin_prefetch(raw + done + AHEAD);
		memcpy(out + done / PAIR, &halves, sizeof(halves));
		_mm512_storeu_si512(out + *at, _mm512_maskz_compress_epi8(kept, words));
		*at += (size_t)__builtin_popcountll(kept);
	}
	return done;
}

/* The same way back; stops before a line that cannot be read whole or that lies. */
static size_t
unpack_lines(const uint8_t *stored, size_t end, uint8_t *raw, size_t size, size_t *at)
{
	size_t done = 0;

	for (; done + LINE <= size && *at + LINE <= end; done += LINE) {
		uint32_t halves;
		uint64_t lengths;
		__mmask64 kept;

		memcpy(&halves, stored + done / PAIR, sizeof(halves));
		lengths = _pdep_u64(halves, NIBBLES);
		/* Longer than a word. */
		if (((lengths + UINT64_C(0x7777777777777777)) & UINT64_C(0x8080808080808080)) !=
		    0) {
			break;
		}
		kept = line_mask(_mm_cvtsi64_si128((int64_t)lengths));
		_mm512_storeu_si512(
		    raw + done, _mm512_maskz_expand_epi8(kept, _mm512_loadu_si512(stored + *at)));
		*at += (size_t)__builtin_popcountll(kept);
	}
	return done;
}
#else
static size_t
pack_lines(const uint8_t *raw, size_t size, uint8_t *out, size_t *at)
{
	(void)raw;
	(void)size;
	(void)out;
	(void)at;
	return 0;
}

static size_t
unpack_lines(const uint8_t *stored, size_t end, uint8_t *raw, size_t size, size_t *at)
{
	(void)stored;
	(void)end;
	(void)raw;
	(void)size;
	(void)at;
	return 0;
}
#endif

static inline uint64_t
load_word(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* Bytes of a word without the zeroes that it begins with. */
static inline uint32_t
word_bytes(uint64_t word)
{
	/* No branch: whether a place of a map is free cannot be guessed. */
	return 8 - (uint32_t)__builtin_clzll(word | 1) / 8 - (word == 0);
}

static uint32_t
zeroes_pack(const uint8_t *raw, uint32_t size, uint8_t *out)
{
	size_t at = size / PAIR;

	if (size % PAIR != 0) {
		return 0;
	}
	for (size_t i = pack_lines(raw, size, out, &at); i < size; i += PAIR) {
		uint64_t low = load_word(raw + i), high = load_word(raw + i + 8);
		uint32_t low_bytes = word_bytes(low), high_bytes = word_bytes(high);

		/* Words are stored whole, the next one over what is too much of this one. */
		if (at > size - PAIR) {
			return 0;
		}
		out[i / PAIR] = (uint8_t)(low_bytes | high_bytes << 4);
		memcpy(out + at, &low, sizeof(low));
		at += low_bytes;
		memcpy(out + at, &high, sizeof(high));
		at += high_bytes;
	}
	return at < size ? (uint32_t)at : 0;
}

/* The first `count` bytes of a word, of `left` that there are. */
static inline uint64_t
load_part(const uint8_t *at, uint32_t count, size_t left)
{
	static const uint64_t mask[] = { 0,          0xff,         0xffff,         0xffffff,
		                         0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
		                         UINT64_MAX };
	uint64_t word = 0;

	if (__builtin_expect(left >= sizeof(word), 1)) {
		return load_word(at) & mask[count];
	}
	memcpy(&word, at, count);
	return word;
}

static enum block_fault
zeroes_unpack(const struct block *block, const uint8_t *stored, uint8_t *raw)
{
	size_t size = block->raw_size, end = block->stored_size, at = size / PAIR;

	if (size % PAIR != 0 || at > end) {
		return FAULT_PACKED;
	}
	for (size_t i = unpack_lines(stored, end, raw, size, &at); i < size; i += PAIR) {
		uint32_t low_bytes = stored[i / PAIR] & 15u, high_bytes = stored[i / PAIR] >> 4;
		uint64_t word;

		if (low_bytes > 8 || high_bytes > 8 || low_bytes + high_bytes > end - at) {
			return FAULT_PACKED;
		}
		word = load_part(stored + at, low_bytes, end - at);
		memcpy(raw + i, &word, sizeof(word));
		at += low_bytes;
		word = load_part(stored + at, high_bytes, end - at);
		memcpy(raw + i + 8, &word, sizeof(word));
		at += high_bytes;
	}
	return at == end ? FAULT_FINE : FAULT_PACKED;
}

uint32_t
codec_pack(struct block_coder *coder, const void *raw, uint32_t size, uint8_t *out)
{
	int packed;

	if (size < 2 || coder->codec == BLOCK_PLAIN) {
		return 0;
	}
	if (coder->codec == BLOCK_ZSTD) {
		return zstd_pack(coder, raw, size, out);
	}
	if (coder->codec == BLOCK_ZEROES) {
		return zeroes_pack(raw, size, out);
	}
	packed = LZ4_compress_default(raw, (char *)out, (int)size, (int)size - 1);
	return packed > 0 ? (uint32_t)packed : 0;
}

enum block_fault
codec_unpack(struct block_coder *coder, const struct block *block, const uint8_t *stored,
             uint8_t *raw)
{
	if (block->codec == BLOCK_ZSTD) {
		return zstd_unpack(coder, block, stored, raw);
	}
	if (block->codec == BLOCK_ZEROES) {
		return zeroes_unpack(block, stored, raw);
	}
	assert(block->codec == BLOCK_LZ4);
	return LZ4_decompress_safe((const char *)stored, (char *)raw, (int)block->stored_size,
	                           (int)block->raw_size) == (int)block->raw_size
	           ? FAULT_FINE
	           : FAULT_PACKED;
}
