/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BLOCK_H
#define BLOCK_H

/*
 * The block: how every byte of a snapshot stands on disk. A header of 64 bytes that says what the
 * payload is and where it belongs, then the payload, plain or compressed. Pure functions over
 * memory: no file, no clock, no allocation but that of a coder; nothing read is believed before it
 * is checked, and no length is used before it is known to lie inside of the bytes at hand.
 *
 *     struct block block = { .kind = 1, .job = job, … , .raw_size = size };
 *     out_size = block_encode(coder, &block, bytes, out);
 *     …
 *     fault = block_check(out, out_size, &place, &block);
 *     fault = block_unpack(coder, &block, out + BLOCK_HEADER, raw);
 *
 * The header says the job, the epoch, the part and the block's number in its file, so that a block
 * that was written to or read from a wrong place is found out although its checksums are right.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_HEADER 64u
#define BLOCK_RAW_MAX (64u << 10)
/* What does not become smaller is stored plainly. */
#define BLOCK_SIZE_MAX (BLOCK_HEADER + BLOCK_RAW_MAX)
#define BLOCK_MAGIC 0x424d444cu /* "LDMB" */
#define BLOCK_VERSION 1u

/* BLOCK_ZEROES: words without the zeroes that they begin with, see codec.c. */
enum block_codec { BLOCK_PLAIN, BLOCK_LZ4, BLOCK_ZSTD, BLOCK_ZEROES, BLOCK_CODEC_COUNT };

/* The header as it stands on disk, little-endian. */
struct block {
	uint32_t magic;
	uint8_t version;
	uint8_t kind;  /* what the payload is; the owner of the part knows; never 0 */
	uint8_t codec; /* enum block_codec */
	uint8_t zero;
	uint64_t job;
	uint64_t epoch;
	uint32_t op; /* the part: which operator, which slice of it */
	uint32_t slice;
	uint32_t number; /* in its file, from 0 */
	uint32_t slot;
	uint64_t offset;      /* where the payload belongs in its slot */
	uint32_t raw_size;    /* of the payload as it was put */
	uint32_t stored_size; /* of the payload as it stands here */
	uint32_t payload_crc; /* CRC32C of the payload as it stands here */
	uint32_t header_crc;  /* CRC32C of the 60 bytes before */
};
static_assert(sizeof(struct block) == BLOCK_HEADER, "the header is written as it is");
static_assert(offsetof(struct block, header_crc) == BLOCK_HEADER - 4, "its checksum is last");

/* Where a block must say that it belongs. */
struct block_place {
	uint64_t job, epoch;
	uint32_t op, slice, number;
};

/* What can be wrong with a block, and how to say it. */
#define BLOCK_FAULTS(X)                                                                            \
	X(FINE, "fine")                                                                            \
	X(SHORT, "ends early")                                                                     \
	X(MAGIC, "is no block")                                                                    \
	X(HEADER, "has a damaged header")                                                          \
	X(VERSION, "is of another format")                                                         \
	X(FIELDS, "has a header that makes no sense")                                              \
	X(FOREIGN, "belongs elsewhere")                                                            \
	X(PAYLOAD, "has a damaged payload")                                                        \
	X(CODEC, "is compressed in a way that this build cannot read")                             \
	X(PACKED, "does not unpack")
enum block_fault {
#define BLOCK_FAULT_NAME(name, text) FAULT_##name,
	BLOCK_FAULTS(BLOCK_FAULT_NAME)
#undef BLOCK_FAULT_NAME
	    BLOCK_FAULT_COUNT
};
const char *block_fault_text(enum block_fault fault);

/* What packs and unpacks payloads; one thread at a time. */
struct block_coder;
/* NULL: no memory. For a codec that this build lacks it packs nothing: see block_codec_has. */
struct block_coder *block_coder_open(enum block_codec codec, int level);
void block_coder_close(struct block_coder *coder);
/* Whether this build packs and unpacks it. */
int block_codec_has(enum block_codec codec);
const char *block_codec_name(enum block_codec codec);

uint32_t block_crc(const void *bytes, size_t size);

/*
 * Writes header and payload to `out`, which has room for BLOCK_HEADER + raw_size; fills in the rest
 * of `block`. Returns their size. What is not packed may stand at out + BLOCK_HEADER already.
 */
size_t block_encode(struct block_coder *coder, struct block *block, const void *raw, uint8_t *out);
/* The header alone: `block` is set whenever it is FAULT_FINE. */
enum block_fault block_check_header(const uint8_t *bytes, size_t size, struct block *block);
/* Header, place (NULL: any) and payload. */
enum block_fault block_check(const uint8_t *bytes, size_t size, const struct block_place *place,
                             struct block *block);
/* The payload of a checked block, stored_size bytes, to `raw`, which has room for raw_size. */
enum block_fault block_unpack(struct block_coder *coder, const struct block *block,
                              const uint8_t *stored, uint8_t *raw);

#endif
