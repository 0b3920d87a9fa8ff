/* SPDX-License-Identifier: BSD-3-Clause */
/* What the blocks of a part say about memory. */
#include "mgmt/state_part.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "state/snapshot_format.h"

#define PART_SLOTS_FIRST 64u

/* Where the slot is, or belongs. */
static uint32_t
find_slot(const struct state_part *part, uint32_t opened, uint32_t slot)
{
	uint32_t low = 0, high = part->slot_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct state_part_slot *at = &part->slot[middle];

		if (at->opened < opened || (at->opened == opened && at->slot < slot)) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* NULL: no memory. */
static struct state_part_slot *
take_slot(struct state_part *part, uint32_t opened, uint32_t slot)
{
	uint32_t at = find_slot(part, opened, slot);

	if (at < part->slot_count && part->slot[at].opened == opened &&
	    part->slot[at].slot == slot) {
		return &part->slot[at];
	}
	if (part->slot_count == part->slot_room) {
		uint32_t room = part->slot_room == 0 ? PART_SLOTS_FIRST : 2 * part->slot_room;
		struct state_part_slot *grown =
		    reallocarray(part->slot, room, sizeof(part->slot[0]));

		if (grown == NULL) {
			return NULL;
		}
		part->slot = grown;
		part->slot_room = room;
	}
	memmove(part->slot + at + 1, part->slot + at,
	        (part->slot_count - at) * sizeof(part->slot[0]));
	part->slot[at] = (struct state_part_slot){ .opened = opened, .slot = slot };
	part->slot_count++;
	return &part->slot[at];
}

static int
take_granules(struct state_part *part, const struct block *block, const uint8_t *payload)
{
	struct snapshot_granule granule;

	if (block->raw_size % sizeof(granule) != 0) {
		part->unknown++;
		return 0;
	}
	for (uint32_t at = 0; at < block->raw_size; at += (uint32_t)sizeof(granule)) {
		struct state_part_slot *slot;

		memcpy(&granule, payload + at, sizeof(granule));
		slot = take_slot(part, granule.part, granule.slot);
		if (slot == NULL) {
			return -ENOMEM;
		}
		slot->granules++;
		slot->bytes += sizeof(granule.bytes);
	}
	return 0;
}

int
state_part_block(void *arg, const struct block *block, const uint8_t *payload)
{
	struct state_part *part = arg;
	struct state_part_slot *slot;

	part->blocks++;
	part->bytes += block->raw_size;
	if (block->kind == SNAPSHOT_GRANULES) {
		return take_granules(part, block, payload);
	}
	if (block->kind != SNAPSHOT_BYTES) {
		part->unknown++;
		return 0;
	}
	slot = take_slot(part, SNAPSHOT_PLACE_PART(block->offset), block->slot);
	if (slot == NULL) {
		return -ENOMEM;
	}
	slot->blocks++;
	slot->bytes += block->raw_size;
	return 0;
}

void
state_part_free(struct state_part *part)
{
	free(part->slot);
	*part = (struct state_part){ 0 };
}
