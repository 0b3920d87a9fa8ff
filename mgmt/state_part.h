/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STATE_PART_H
#define STATE_PART_H

/*
 * What the blocks of a part say about memory, summed up slot by slot. Feed it the blocks of
 * store_part_read:
 *
 *     struct state_part part = { 0 };
 *     result = store_part_read(folder, manifest, id, state_part_block, &part, why);
 *     … part.slot[0 … part.slot_count - 1], in order of map or value, then slot
 *     state_part_free(&part);
 *
 * All files of the chain count: what a later one says over again is counted again.
 */

#include "state/block.h"

struct state_part_slot {
	uint32_t opened; /* which map or value of the slice, in the order they were opened */
	uint32_t slot;
	uint64_t blocks, granules; /* blocks of bytes; single granules */
	uint64_t bytes;            /* of both */
};

struct state_part {
	struct state_part_slot *slot;
	uint32_t slot_count, slot_room;
	uint64_t blocks, bytes; /* all */
	uint64_t unknown;       /* blocks of a kind that this program does not know, or cut short */
};

/* A store_block_fn; 0 or -ENOMEM. */
int state_part_block(void *arg, const struct block *block, const uint8_t *payload);
void state_part_free(struct state_part *part);

#endif
