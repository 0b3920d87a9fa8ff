/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MAP_GROUP_H
#define MAP_GROUP_H

/*
 * A group of tags, tested at once: as wide as the compiler may make it. The last byte of a group is
 * no tag but the count of keys that went on to the next group.
 */

#include <stdint.h>
#include <string.h>

/*
 * 16, 32 or 64, where the compiler may use vectors as wide (else slow, but right). 16 is the best
 * where all of them are there: a wider group is seldom full, but its tags match by chance more
 * often. Maps of builds with different widths cannot read each other.
 */
#ifndef MAP_WIDTH
#define MAP_WIDTH 16
#endif

#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* Slots of a group, and the bits of a mask that stand for them. */
#define MAP_SLOTS (MAP_WIDTH - 1u)
#define MAP_SLOT_BITS (UINT64_MAX >> (64 - MAP_SLOTS))

/* A bit for every slot whose tag is `tag`. */
static inline uint64_t
map_group_match(const uint8_t *group, uint8_t tag)
{
#if MAP_WIDTH == 64 && defined(__AVX512BW__)
	__m512i tags = _mm512_load_si512((const void *)group);

	return _mm512_cmpeq_epi8_mask(tags, _mm512_set1_epi8((char)tag)) & MAP_SLOT_BITS;
#elif MAP_WIDTH == 32 && defined(__AVX512BW__) && defined(__AVX512VL__)
	__m256i tags = _mm256_load_si256((const __m256i *)(const void *)group);

	return _mm256_cmpeq_epi8_mask(tags, _mm256_set1_epi8((char)tag)) & MAP_SLOT_BITS;
#elif MAP_WIDTH == 32 && defined(__AVX2__)
	__m256i tags = _mm256_load_si256((const __m256i *)(const void *)group);
	__m256i same = _mm256_cmpeq_epi8(tags, _mm256_set1_epi8((char)tag));

	return (uint32_t)_mm256_movemask_epi8(same) & MAP_SLOT_BITS;
#elif MAP_WIDTH == 16 && defined(__SSE2__)
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)group);
	__m128i same = _mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag));

	return (uint32_t)_mm_movemask_epi8(same) & MAP_SLOT_BITS;
#else
	uint64_t mask = 0;

	for (uint32_t i = 0; i < MAP_SLOTS; i++) {
		mask |= (uint64_t)(group[i] == tag) << i;
	}
	return mask;
#endif
}

#endif
