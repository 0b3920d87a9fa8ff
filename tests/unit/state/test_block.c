/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks: what is packed comes back, and whatever is changed in one is found. */
#include "state/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct block_place place = {
	.job = 7, .epoch = 8, .op = 9, .slice = 10, .number = 11
};

static uint8_t raw[BLOCK_RAW_MAX], out[BLOCK_SIZE_MAX], back[BLOCK_RAW_MAX];

static void
fill(uint32_t size, bool packs)
{
	uint32_t random = size + 1;

	for (uint32_t i = 0; i < size; i++) {
		random = random * 1103515245u + 12345u;
		raw[i] = packs ? (uint8_t)(i / 300) : (uint8_t)(random >> 16);
	}
}

/* Words of 0 to 8 bytes, the first of which are as many as asked for. */
static void
fill_words(uint32_t size, const uint8_t *bytes, uint32_t count)
{
	fill(size, false);
	for (uint32_t i = 0; i + 8 <= size; i += 8) {
		uint32_t kept = i / 8 < count ? bytes[i / 8] : raw[i] % 4;

		raw[i + (kept == 0 ? 0 : kept - 1)] |= kept != 0;
		memset(raw + i + kept, 0, 8 - kept);
	}
}

static size_t
encode(struct block_coder *coder, uint32_t size)
{
	struct block block = { .kind = 1,
		               .job = place.job,
		               .epoch = place.epoch,
		               .op = place.op,
		               .slice = place.slice,
		               .number = place.number,
		               .slot = 12,
		               .offset = 1ull << 40,
		               .raw_size = size };

	return block_encode(coder, &block, raw, out);
}

static void
test_crc_is_crc32c(void **state)
{
	(void)state;
	assert_int_equal(block_crc("123456789", 9), 0xe3069283);
	assert_int_equal(block_crc("", 0), 0);
}

static void
test_round_trip(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 2, 63, 64, 4096, 4097, 40000, BLOCK_RAW_MAX };

	(void)state;
	for (int codec = 0; codec < BLOCK_CODEC_COUNT; codec++) {
		struct block_coder *coder = block_coder_open((enum block_codec)codec, 1);

		for (uint32_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
			uint32_t size = sizes[i / 2];
			struct block block;
			size_t length;

			fill(size, i % 2 == 0);
			length = encode(coder, size);
			assert_true(length <= BLOCK_HEADER + size);
			assert_int_equal(block_check(out, length, &place, &block), FAULT_FINE);
			assert_int_equal(block.raw_size, size);
			assert_int_equal(block.slot, 12);
			assert_int_equal(block.offset, 1ull << 40);
			memset(back, 0xee, sizeof(back));
			assert_int_equal(block_unpack(coder, &block, out + BLOCK_HEADER, back),
			                 FAULT_FINE);
			assert_memory_equal(back, raw, size);
			if (i % 2 == 0 && size >= 4096 &&
			    block_codec_has((enum block_codec)codec) && codec != BLOCK_PLAIN &&
			    codec != BLOCK_ZEROES) {
				assert_int_equal(block.codec, codec);
				assert_true(length < size / 2);
			}
		}
		block_coder_close(coder);
	}
}

/* Unpacks a payload in a piece of its own size, for the sanitizer. */
static enum block_fault
unpack(struct block_coder *coder, const struct block *block)
{
	uint8_t *piece = malloc(block->stored_size);
	enum block_fault fault;

	memcpy(piece, out + BLOCK_HEADER, block->stored_size);
	memset(back, 0xee, sizeof(back));
	fault = block_unpack(coder, block, piece, back);
	free(piece);
	return fault;
}

static void
test_zeroes_are_left_out(void **state)
{
	/* Of each length at each of the last places: what is read must end there. */
	static const uint8_t lengths[][4] = { { 8, 8, 8, 8 }, { 8, 8, 0, 0 }, { 0, 0, 0, 0 },
		                              { 1, 2, 3, 4 }, { 5, 6, 7, 8 }, { 0, 1, 0, 8 },
		                              { 8, 0, 1, 0 }, { 7, 7, 7, 7 } };
	static const uint32_t sizes[] = { 32, 64, 80, 4096, 65520, BLOCK_RAW_MAX };
	struct block_coder *coder = block_coder_open(BLOCK_ZEROES, 0);

	(void)state;
	for (uint32_t i = 0; i < 8 * 6; i++) {
		uint32_t size = sizes[i / 8], kept = 0;
		struct block block;
		size_t length;

		fill_words(size, lengths[i % 8], 4);
		for (uint32_t at = 0; at < size; at += 8) {
			uint32_t bytes = 8;

			while (bytes > 0 && raw[at + bytes - 1] == 0) {
				bytes--;
			}
			kept += bytes;
		}
		length = encode(coder, size);
		assert_int_equal(block_check(out, length, &place, &block), FAULT_FINE);
		if (block.codec == BLOCK_ZEROES) {
			assert_int_equal(block.stored_size, kept + size / 16);
		} else {
			/* It would not, or hardly, be smaller. */
			assert_true(kept + size / 16 + 16 > size);
		}
		assert_int_equal(unpack(coder, &block), FAULT_FINE);
		assert_memory_equal(back, raw, size);
	}
	block_coder_close(coder);
}

static void
test_lies_about_zeroes(void **state)
{
	static const uint8_t lengths[] = { 3, 4 };
	struct block_coder *coder = block_coder_open(BLOCK_ZEROES, 0);
	struct block good, bad;
	uint8_t first;

	(void)state;
	fill_words(256, lengths, 2);
	assert_int_equal(block_check(out, encode(coder, 256), NULL, &good), FAULT_FINE);
	assert_int_equal(good.codec, BLOCK_ZEROES);
	assert_int_equal(unpack(coder, &good), FAULT_FINE);
	first = out[BLOCK_HEADER];
	assert_int_equal(first, 3 | 4 << 4);
	/* Longer than a word; more or less than there is; more than fits. */
	for (uint32_t lie = 0; lie < 256; lie++) {
		bool is_same = (lie & 15) + (lie >> 4) == 7 && (lie & 15) <= 8 && lie >> 4 <= 8;

		out[BLOCK_HEADER] = (uint8_t)lie;
		assert_int_equal(unpack(coder, &good), is_same ? FAULT_FINE : FAULT_PACKED);
	}
	out[BLOCK_HEADER] = first;
	for (uint32_t size = 1; size < good.stored_size; size++) {
		bad = good;
		bad.stored_size = size;
		assert_int_equal(unpack(coder, &bad), FAULT_PACKED);
	}
	bad = good;
	bad.raw_size += 8;
	assert_int_equal(unpack(coder, &bad), FAULT_PACKED);
	bad = good;
	bad.raw_size += 16;
	assert_int_equal(unpack(coder, &bad), FAULT_PACKED);
	block_coder_close(coder);
}

static void
test_every_flipped_bit_is_found(void **state)
{
	struct block_coder *coder = block_coder_open(BLOCK_LZ4, 0);
	struct block block;
	size_t length;

	(void)state;
	fill(3000, true);
	length = encode(coder, 3000);
	for (size_t bit = 0; bit < 8 * length; bit++) {
		out[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(block_check(out, length, &place, &block), FAULT_FINE);
		out[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(block_check(out, length, &place, &block), FAULT_FINE);
	block_coder_close(coder);
}

static void
test_every_cut_is_found(void **state)
{
	struct block_coder *coder = block_coder_open(BLOCK_PLAIN, 0);
	struct block block;
	size_t length;

	(void)state;
	fill(500, false);
	length = encode(coder, 500);
	for (size_t cut = 0; cut < length; cut++) {
		/* In a piece of its own size, for the sanitizer. */
		uint8_t *piece = malloc(cut + 1);

		memcpy(piece, out, cut);
		assert_int_equal(block_check(piece, cut, &place, &block), FAULT_SHORT);
		free(piece);
	}
	block_coder_close(coder);
}

static void
test_of_another_place(void **state)
{
	struct block_coder *coder = block_coder_open(BLOCK_PLAIN, 0);
	struct block_place other[5] = { place, place, place, place, place };
	struct block block;
	size_t length;

	(void)state;
	other[0].job++;
	other[1].epoch--;
	other[2].op++;
	other[3].slice++;
	other[4].number++;
	fill(100, false);
	length = encode(coder, 100);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(block_check(out, length, &other[i], &block), FAULT_FOREIGN);
	}
	assert_int_equal(block_check(out, length, NULL, &block), FAULT_FINE);
	block_coder_close(coder);
}

/* A header that is whole by its checksum and lies. */
static enum block_fault
lie(struct block block)
{
	struct block read;

	block.header_crc = block_crc(&block, offsetof(struct block, header_crc));
	memcpy(out, &block, sizeof(block));
	return block_check(out, sizeof(out), NULL, &read);
}

static void
test_headers_that_lie(void **state)
{
	struct block_coder *coder = block_coder_open(BLOCK_LZ4, 0);
	struct block good, bad;

	(void)state;
	fill(1000, true);
	encode(coder, 1000);
	memcpy(&good, out, sizeof(good));
	assert_int_equal(lie(good), FAULT_FINE);
	bad = good;
	bad.magic++;
	assert_int_equal(lie(bad), FAULT_MAGIC);
	bad = good;
	bad.version++;
	assert_int_equal(lie(bad), FAULT_VERSION);
	bad = good;
	bad.codec = BLOCK_CODEC_COUNT;
	assert_int_equal(lie(bad), FAULT_CODEC);
	bad = good;
	bad.kind = 0;
	assert_int_equal(lie(bad), FAULT_FIELDS);
	bad = good;
	bad.raw_size = BLOCK_RAW_MAX + 1;
	assert_int_equal(lie(bad), FAULT_FIELDS);
	bad = good;
	bad.stored_size = bad.raw_size;
	assert_int_equal(lie(bad), FAULT_FIELDS);
	bad = good;
	bad.codec = BLOCK_PLAIN;
	assert_int_equal(lie(bad), FAULT_FIELDS);
	/* Right in all its checksums, and still not what was packed. */
	bad = good;
	bad.raw_size++;
	assert_int_equal(lie(bad), FAULT_FINE);
	assert_int_equal(block_unpack(coder, &bad, out + BLOCK_HEADER, back), FAULT_PACKED);
	block_coder_close(coder);
}

static void
test_faults_have_texts(void **state)
{
	(void)state;
	for (int fault = 0; fault < BLOCK_FAULT_COUNT; fault++) {
		assert_true(strlen(block_fault_text((enum block_fault)fault)) > 3);
	}
	assert_string_equal(block_codec_name(BLOCK_LZ4), "lz4");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc_is_crc32c),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_zeroes_are_left_out),
		cmocka_unit_test(test_lies_about_zeroes),
		cmocka_unit_test(test_every_flipped_bit_is_found),
		cmocka_unit_test(test_every_cut_is_found),
		cmocka_unit_test(test_of_another_place),
		cmocka_unit_test(test_headers_that_lie),
		cmocka_unit_test(test_faults_have_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
