/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target of what is read from a state directory. Input: a byte that says what, the bytes.
 * 0: a manifest; 1: a manifest without its digest line; 2: blocks, one after the other; 3: the same
 * with their checksums made right first, so that what lies behind them is reached.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/block.h"
#include "state/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* What is a manifest is one when it is written again. */
static void
fuzz_manifest(struct manifest *manifest, const char *why)
{
	char reason[MANIFEST_WHY];
	struct manifest *again;
	size_t size;
	char *text;

	if (manifest == NULL) {
		FUZZ_CHECK(why[0] != '\0');
		return;
	}
	for (uint32_t i = 0; i < manifest->part_count; i++) {
		const struct manifest_part *part = &manifest->part[i];

		FUZZ_CHECK(part->chain_count > 0 && part->chain_count <= MANIFEST_CHAIN_MAX);
		for (uint32_t k = 0; k < part->chain_count; k++) {
			FUZZ_CHECK(part->chain[k] < manifest->file_count);
			FUZZ_CHECK(strchr(manifest->file[part->chain[k]].name, '/') == NULL);
		}
	}
	text = manifest_write(manifest, &size);
	FUZZ_CHECK(text != NULL);
	again = manifest_read(text, size, reason);
	FUZZ_CHECK(again != NULL);
	FUZZ_CHECK(digest_equal(again->digest, manifest->digest));
	FUZZ_CHECK(again->file_count == manifest->file_count);
	FUZZ_CHECK(again->record_count == manifest->record_count);
	manifest_free(again);
	manifest_free(manifest);
	free(text);
}

/* Right checksums on whatever stands there, as far as it has lengths that fit. */
static void
fuzz_seal(uint8_t *bytes, size_t size)
{
	struct block block;

	if (size < BLOCK_HEADER) {
		return;
	}
	memcpy(&block, bytes, sizeof(block));
	block.magic = BLOCK_MAGIC;
	block.version = BLOCK_VERSION;
	if (block.stored_size <= size - BLOCK_HEADER) {
		block.payload_crc = block_crc(bytes + BLOCK_HEADER, block.stored_size);
	}
	block.header_crc = block_crc(&block, offsetof(struct block, header_crc));
	memcpy(bytes, &block, sizeof(block));
}

static void
fuzz_blocks(uint8_t *bytes, size_t size, int sealed)
{
	struct block_coder *coder = block_coder_open(BLOCK_PLAIN, 0);
	uint8_t *raw;

	for (;;) {
		struct block block;
		enum block_fault fault;

		if (sealed) {
			fuzz_seal(bytes, size);
		}
		fault = block_check(bytes, size, NULL, &block);
		FUZZ_CHECK(fault < BLOCK_FAULT_COUNT);
		if (fault != FAULT_FINE) {
			break;
		}
		FUZZ_CHECK(block.raw_size <= BLOCK_RAW_MAX);
		FUZZ_CHECK(block.stored_size <= size - BLOCK_HEADER);
		raw = malloc(block.raw_size + 1);
		fault = block_unpack(coder, &block, bytes + BLOCK_HEADER, raw);
		FUZZ_CHECK(fault == FAULT_FINE || block.codec != BLOCK_PLAIN);
		if (fault == FAULT_FINE && block.raw_size > 0) {
			/* Every byte was set, or the sanitizers see it. */
			FUZZ_CHECK(block_crc(raw, block.raw_size) ==
			           block_crc(raw, block.raw_size));
		}
		free(raw);
		bytes += BLOCK_HEADER + block.stored_size;
		size -= BLOCK_HEADER + block.stored_size;
	}
	block_coder_close(coder);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char why[MANIFEST_WHY] = "";
	uint8_t *copy;

	if (size == 0) {
		return 0;
	}
	/* In a piece of its own size, so that a sanitizer sees any overread. */
	copy = malloc(size);
	if (copy == NULL) {
		return 0;
	}
	memcpy(copy, bytes + 1, size - 1);
	copy = realloc(copy, size - 1 > 0 ? size - 1 : 1);
	switch (bytes[0] & 3) {
	case 0:
		fuzz_manifest(manifest_read((const char *)copy, size - 1, why), why);
		break;
	case 1:
		fuzz_manifest(manifest_read_json((const char *)copy, size - 1, why), why);
		break;
	default:
		fuzz_blocks(copy, size - 1, (bytes[0] & 1) != 0);
		break;
	}
	free(copy);
	return 0;
}
