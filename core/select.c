/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Selections: from a mask, one byte a row, to the list of the rows it picks, with no branch on the
 * data. Three ways to do it, chosen by what the compiler may use. The only hot loop of a filter
 * besides its comparison.
 */
#include "core/lm_batch.h"

#include <assert.h>
#include <string.h>

#if defined(__AVX512VBMI2__) && defined(__AVX512BW__) && defined(__AVX512VL__) &&                  \
    defined(__BMI2__) && defined(__POPCNT__)
#define SELECT_AVX512 1
#elif defined(__AVX2__) && defined(__BMI2__) && defined(__POPCNT__)
#define SELECT_AVX2 1
#endif

#if defined(SELECT_AVX512) || defined(SELECT_AVX2)
#include <immintrin.h>
#endif

/*
 * Each returns how many rows it wrote to `out`. `candidates` and `out` may be the same array: a
 * block is read before anything at or past it is written. `out` has room for `count` rows.
 */
static uint32_t select_rows(uint16_t *out, const uint8_t *mask, uint32_t count);
static uint32_t select_candidates(uint16_t *out, const uint8_t *mask, const uint16_t *candidates,
                                  uint32_t count);

void
lm_select_mask(struct lm_select *select, const uint8_t *mask, const uint16_t *candidates,
               uint32_t count)
{
	uint16_t *out = select->row + select->count;

	assert(select->count <= LM_BATCH_ROWS);
	assert(count <= LM_BATCH_ROWS - select->count);
	select->count += candidates == NULL ? select_rows(out, mask, count)
	                                    : select_candidates(out, mask, candidates, count);
}

#if !defined(SELECT_AVX512)

/* Every row is written; the place moves on only behind a row that is kept. */
static uint32_t
select_rows_from(uint16_t *out, const uint8_t *mask, uint32_t from, uint32_t count, uint32_t kept)
{
	for (uint32_t i = from; i < count; i++) {
		out[kept] = (uint16_t)i;
		kept += mask[i] != 0;
	}
	return kept;
}

static uint32_t
select_candidates_from(uint16_t *out, const uint8_t *mask, const uint16_t *candidates,
                       uint32_t from, uint32_t count, uint32_t kept)
{
	for (uint32_t i = from; i < count; i++) {
		out[kept] = candidates[i];
		kept += mask[i] != 0;
	}
	return kept;
}

#endif

#if defined(SELECT_AVX512)

/*
 * 32 rows a step: the mask becomes a k register, which compresses the row numbers. A block is
 * stored whole (what lies behind the kept rows is overwritten next), for a compressing store to
 * memory is microcode on some CPUs; only the last block, which may be short, is stored under a
 * mask.
 */
#define SELECT_STEP 32u

static inline __mmask32
select_lanes(uint32_t rows)
{
	return (__mmask32)_bzhi_u32(UINT32_MAX, rows);
}

static inline uint32_t
select_tail(uint16_t *out, __mmask32 keep, __m512i rows)
{
	uint32_t kept = (uint32_t)_mm_popcnt_u32(keep);

	_mm512_mask_storeu_epi16(out, select_lanes(kept), _mm512_maskz_compress_epi16(keep, rows));
	return kept;
}

static uint32_t
select_rows(uint16_t *out, const uint8_t *mask, uint32_t count)
{
	const __m512i step = _mm512_set1_epi16(SELECT_STEP);
	__m512i rows = _mm512_cvtepu8_epi16(
	    _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
	                     20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31));
	uint32_t kept = 0;
	uint32_t i = 0;

	for (; i + SELECT_STEP <= count; i += SELECT_STEP) {
		__m256i bytes = _mm256_loadu_si256((const __m256i *)(mask + i));
		__mmask32 keep = _mm256_test_epi8_mask(bytes, bytes);

		_mm512_storeu_si512(out + kept, _mm512_maskz_compress_epi16(keep, rows));
		kept += (uint32_t)_mm_popcnt_u32(keep);
		rows = _mm512_add_epi16(rows, step);
	}
	if (i < count) {
		__m256i bytes = _mm256_maskz_loadu_epi8(select_lanes(count - i), mask + i);

		kept += select_tail(out + kept, _mm256_test_epi8_mask(bytes, bytes), rows);
	}
	return kept;
}

static uint32_t
select_candidates(uint16_t *out, const uint8_t *mask, const uint16_t *candidates, uint32_t count)
{
	uint32_t kept = 0;
	uint32_t i = 0;

	for (; i + SELECT_STEP <= count; i += SELECT_STEP) {
		__m256i bytes = _mm256_loadu_si256((const __m256i *)(mask + i));
		__mmask32 keep = _mm256_test_epi8_mask(bytes, bytes);
		__m512i rows = _mm512_loadu_si512(candidates + i);

		_mm512_storeu_si512(out + kept, _mm512_maskz_compress_epi16(keep, rows));
		kept += (uint32_t)_mm_popcnt_u32(keep);
	}
	if (i < count) {
		__mmask32 lanes = select_lanes(count - i);
		__m256i bytes = _mm256_maskz_loadu_epi8(lanes, mask + i);
		__m512i rows = _mm512_maskz_loadu_epi16(lanes, candidates + i);

		kept += select_tail(out + kept, _mm256_test_epi8_mask(bytes, bytes), rows);
	}
	return kept;
}

#elif defined(SELECT_AVX2)

/*
 * 8 rows a step: the mask's bytes, made 0x00 or 0xff, extract from the bytes 0 to 7 the places of
 * the kept rows; those pick 16-bit rows.
 */
#define SELECT_STEP 8u

static inline uint64_t
select_spread(const uint8_t *mask)
{
	__m128i bytes = _mm_loadl_epi64((const __m128i *)mask);

	return ~(uint64_t)_mm_cvtsi128_si64(_mm_cmpeq_epi8(bytes, _mm_setzero_si128()));
}

static inline __m128i
select_places(uint64_t spread)
{
	return _mm_cvtepu8_epi16(
	    _mm_cvtsi64_si128((long long)_pext_u64(0x0706050403020100, spread)));
}

static uint32_t
select_rows(uint16_t *out, const uint8_t *mask, uint32_t count)
{
	uint32_t kept = 0;
	uint32_t i = 0;

	for (; i + SELECT_STEP <= count; i += SELECT_STEP) {
		uint64_t spread = select_spread(mask + i);
		__m128i rows = _mm_add_epi16(select_places(spread), _mm_set1_epi16((short)i));

		_mm_storeu_si128((__m128i *)(out + kept), rows);
		kept += (uint32_t)_mm_popcnt_u64(spread) / 8;
	}
	return select_rows_from(out, mask, i, count, kept);
}

static uint32_t
select_candidates(uint16_t *out, const uint8_t *mask, const uint16_t *candidates, uint32_t count)
{
	const __m128i twice = _mm_set1_epi16(0x0202);
	const __m128i halves = _mm_set1_epi16(0x0100);
	uint32_t kept = 0;
	uint32_t i = 0;

	for (; i + SELECT_STEP <= count; i += SELECT_STEP) {
		uint64_t spread = select_spread(mask + i);
		__m128i rows = _mm_loadu_si128((const __m128i *)(candidates + i));
		/* Place p of 16 bits is bytes 2p and 2p + 1. */
		__m128i bytes =
		    _mm_add_epi16(_mm_mullo_epi16(select_places(spread), twice), halves);

		_mm_storeu_si128((__m128i *)(out + kept), _mm_shuffle_epi8(rows, bytes));
		kept += (uint32_t)_mm_popcnt_u64(spread) / 8;
	}
	return select_candidates_from(out, mask, candidates, i, count, kept);
}

#else

static uint32_t
select_rows(uint16_t *out, const uint8_t *mask, uint32_t count)
{
	return select_rows_from(out, mask, 0, count, 0);
}

static uint32_t
select_candidates(uint16_t *out, const uint8_t *mask, const uint16_t *candidates, uint32_t count)
{
	return select_candidates_from(out, mask, candidates, 0, count, 0);
}

#endif
