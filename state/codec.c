/* SPDX-License-Identifier: BSD-3-Clause */
/* Packing of payloads by LZ4 or Zstandard; the second is there if the build found it. */

#include "state/codec.h"

#include <stdlib.h>

#include <lz4.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
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
	return codec == BLOCK_PLAIN || codec == BLOCK_LZ4 || (codec == BLOCK_ZSTD && ZSTD_IS_HERE);
}

const char *
block_codec_name(enum block_codec codec)
{
	static const char *const names[] = { "none", "lz4", "zstd" };

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
	assert(block->codec == BLOCK_LZ4);
	return LZ4_decompress_safe((const char *)stored, (char *)raw, (int)block->stored_size,
	                           (int)block->raw_size) == (int)block->raw_size
	           ? FAULT_FINE
	           : FAULT_PACKED;
}
