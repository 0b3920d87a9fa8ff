/* SPDX-License-Identifier: BSD-3-Clause */
/* The block format: header, checksums, lengths. Packing is codec.c's. */

#include "state/block.h"

#include <string.h>

#include <isa-l/crc.h>

#include "core/canary.h"
#include "state/codec.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "headers are written as they are");

const char *
block_fault_text(enum block_fault fault)
{
	static const char *const texts[] = {
#define BLOCK_FAULT_TEXT(name, text) text,
		BLOCK_FAULTS(BLOCK_FAULT_TEXT)
#undef BLOCK_FAULT_TEXT
	};

	assert(fault < BLOCK_FAULT_COUNT);
	return texts[fault];
}

uint32_t
block_crc(const void *bytes, size_t size)
{
	assert(size <= INT32_MAX);
	/* The library takes and returns the register; what the world calls CRC32C inverts both. */
	return ~crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)size, ~0u);
}

size_t
block_encode(struct block_coder *coder, struct block *block, const void *raw, uint8_t *out)
{
	uint8_t *payload = out + BLOCK_HEADER;

	assert(block->raw_size <= BLOCK_RAW_MAX);
	assert(block->kind != 0);
	block->magic = BLOCK_MAGIC;
	block->version = BLOCK_VERSION;
	block->zero = 0;
	block->codec = (uint8_t)coder->codec;
	block->stored_size = codec_pack(coder, raw, block->raw_size, payload);
	if (block->stored_size == 0) {
		block->codec = BLOCK_PLAIN;
		block->stored_size = block->raw_size;
		if (block->raw_size > 0 && raw != payload) {
			memcpy(payload, raw, block->raw_size);
		}
	}
	block->payload_crc = block_crc(payload, block->stored_size);
	block->header_crc = block_crc(block, offsetof(struct block, header_crc));
	memcpy(out, block, BLOCK_HEADER);
	return BLOCK_HEADER + block->stored_size;
}

/* Whether the fields that checksums do not speak for make sense together. */
static enum block_fault
check_fields(const struct block *block)
{
	if (block->version != BLOCK_VERSION) {
		return FAULT_VERSION;
	}
	if (block->zero != 0 || block->kind == 0 || block->raw_size > BLOCK_RAW_MAX) {
		return FAULT_FIELDS;
	}
	if (block->codec >= BLOCK_CODEC_COUNT) {
		return FAULT_CODEC;
	}
	if (block->codec == BLOCK_PLAIN) {
		return block->stored_size == block->raw_size ? FAULT_FINE : FAULT_FIELDS;
	}
	/* What was packed is smaller than what it was packed from, and not nothing. */
	return block->stored_size > 0 && block->stored_size < block->raw_size ? FAULT_FINE
	                                                                      : FAULT_FIELDS;
}

enum block_fault
block_check_header(const uint8_t *bytes, size_t size, struct block *block)
{
	struct block read;
	enum block_fault fault;

	if (size < BLOCK_HEADER) {
		return FAULT_SHORT;
	}
	memcpy(&read, bytes, BLOCK_HEADER);
	if (read.magic != BLOCK_MAGIC) {
		return FAULT_MAGIC;
	}
	if (read.header_crc != block_crc(bytes, offsetof(struct block, header_crc)) &&
	    !CANARY(CANARY_BLIND_CRC)) {
		return FAULT_HEADER;
	}
	fault = check_fields(&read);
	if (fault == FAULT_FINE) {
		*block = read;
	}
	return fault;
}

enum block_fault
block_check(const uint8_t *bytes, size_t size, const struct block_place *place, struct block *block)
{
	struct block read;
	enum block_fault fault = block_check_header(bytes, size, &read);

	if (fault != FAULT_FINE) {
		return fault;
	}
	if (place != NULL &&
	    (read.job != place->job || read.epoch != place->epoch || read.op != place->op ||
	     read.slice != place->slice || read.number != place->number)) {
		return FAULT_FOREIGN;
	}
	if (read.stored_size > size - BLOCK_HEADER) {
		return FAULT_SHORT;
	}
	if (read.payload_crc != block_crc(bytes + BLOCK_HEADER, read.stored_size) &&
	    !CANARY(CANARY_BLIND_CRC)) {
		return FAULT_PAYLOAD;
	}
	*block = read;
	return FAULT_FINE;
}

enum block_fault
block_unpack(struct block_coder *coder, const struct block *block, const uint8_t *stored,
             uint8_t *raw)
{
	if (block->codec == BLOCK_PLAIN) {
		if (block->raw_size > 0) {
			memcpy(raw, stored, block->raw_size);
		}
		return FAULT_FINE;
	}
	return codec_unpack(coder, block, stored, raw);
}
