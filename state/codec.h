/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CODEC_H
#define CODEC_H

/* Packing of payloads, for block.c only. */

#include "state/block.h"

struct block_coder {
	enum block_codec codec; /* for packing; unpacking goes by the block */
	int level;
	void *packer, *unpacker; /* zstd's; made when first needed */
};

/* The packed size, smaller than `size`; 0: it does not become smaller, store it plainly. */
uint32_t codec_pack(struct block_coder *coder, const void *raw, uint32_t size, uint8_t *out);
/* Fills raw_size bytes, or says why not. */
enum block_fault codec_unpack(struct block_coder *coder, const struct block *block,
                              const uint8_t *stored, uint8_t *raw);

#endif
