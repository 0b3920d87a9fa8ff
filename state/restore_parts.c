/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts into arenas: several at once, each block where it belongs. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/snapshot_run.h"

/* Threads that read, the caller's among them. Each has reads of its own under way. */
#define READERS_MAX 4u

/* Where the arenas of a slice are: by what was opened and by slot. */
struct arena_index {
	struct arena_part **part;
	uint32_t **of_slot; /* [part][slot]: its arena + 1 */
	uint32_t part_count, slot_count;
	uint64_t bytes;
};

static void
index_close_arenas(struct arena_index *index)
{
	for (uint32_t i = 0; index->of_slot != NULL && i < index->part_count; i++) {
		free(index->of_slot[i]);
	}
	free(index->of_slot);
	free(index->part);
}

static bool
index_open_arenas(struct arena_index *index, struct lm_op *slice)
{
	struct state_space *space = slice->state.space;
	uint32_t i = 0;

	*index = (struct arena_index){ .part_count = space->part_count,
		                       .slot_count = 1u << slice->state.slot_bits };
	index->part = calloc(space->part_count + 1, sizeof(*index->part));
	index->of_slot = calloc(space->part_count + 1, sizeof(*index->of_slot));
	if (index->part == NULL || index->of_slot == NULL) {
		return false;
	}
	for (struct arena_part *part = space->part; part != NULL; part = part->next, i++) {
		index->part[i] = part;
		index->of_slot[i] = calloc(index->slot_count, sizeof(**index->of_slot));
		if (index->of_slot[i] == NULL) {
			return false;
		}
		for (uint32_t k = 0; k < part->arena_count; k++) {
			assert(part->arena[k]->slot < index->slot_count);
			index->of_slot[i][part->arena[k]->slot] = k + 1;
		}
	}
	return true;
}

/* The arena that these bytes belong to; NULL: there is no such place. */
static struct arena *
find_place(struct arena_index *index, uint32_t part, uint32_t slot, uint64_t offset, uint32_t size)
{
	struct arena *arena;
	uint32_t at;

	if (part >= index->part_count || slot >= index->slot_count) {
		return NULL;
	}
	at = index->of_slot[part][slot];
	arena = at == 0 ? NULL : index->part[part]->arena[at - 1];
	if (arena == NULL || size == 0 || offset > arena->size || size > arena->size - offset ||
	    offset % ARENA_GRANULE != 0 || size % ARENA_GRANULE != 0) {
		return NULL;
	}
	index->bytes += size;
	return arena;
}

static int
take_image(struct arena_index *index, const struct block *block, const uint8_t *payload)
{
	uint64_t offset = SNAPSHOT_PLACE_OFFSET(block->offset);
	struct arena *arena = find_place(index, SNAPSHOT_PLACE_PART(block->offset), block->slot,
	                                 offset, block->raw_size);

	if (arena == NULL) {
		return -EINVAL;
	}
	arena_restore(arena, offset, payload, block->raw_size, (uint32_t)block->epoch);
	return 0;
}

static int
take_granules(struct arena_index *index, const struct block *block, const uint8_t *payload)
{
	struct snapshot_granule granule;

	if (block->raw_size % sizeof(granule) != 0) {
		return -EINVAL;
	}
	for (uint32_t at = 0; at < block->raw_size; at += (uint32_t)sizeof(granule)) {
		struct arena *arena;

		memcpy(&granule, payload + at, sizeof(granule));
		arena =
		    find_place(index, granule.part, granule.slot, granule.offset, ARENA_GRANULE);
		if (arena == NULL) {
			return -EINVAL;
		}
		arena_restore_granule(arena, granule.offset, granule.bytes, (uint32_t)block->epoch);
	}
	return 0;
}

static int
take_block(void *arg, const struct block *block, const uint8_t *payload)
{
	struct arena_index *index = arg;

	switch (block->kind) {
	case SNAPSHOT_BYTES:
		return take_image(index, block, payload);
	case SNAPSHOT_GRANULES:
		return take_granules(index, block, payload);
	default:
		return -EINVAL;
	}
}

/* ---- readers ---- */

struct readers {
	const struct snapshots *s;
	struct restore_part *part;
	uint32_t count;
	uint32_t next; /* part; taken by whoever comes first */
};

static void
read_part(const struct snapshots *s, struct restore_part *part)
{
	struct arena_index index;

	part->result = -ENOMEM;
	snprintf(part->why, sizeof(part->why), "%s", strerror(ENOMEM));
	if (index_open_arenas(&index, part->slice)) {
		part->result = store_part_read(s->folder, s->good->manifest, part->id, take_block,
		                               &index, part->why);
	}
	part->bytes = index.bytes;
	index_close_arenas(&index);
}

/* One part. False: there is none left. */
static bool
read_next(void *arg)
{
	struct readers *readers = arg;
	uint32_t at = __atomic_fetch_add(&readers->next, 1, __ATOMIC_RELAXED);

	if (at >= readers->count) {
		return false;
	}
	read_part(readers->s, &readers->part[at]);
	return true;
}

void
restore_parts(const struct snapshots *s, struct restore_part *part, uint32_t count)
{
	struct readers readers = { .s = s, .part = part, .count = count };
	struct env_thread *thread[READERS_MAX] = { NULL };

	/* A thread that cannot be had is one reader less. */
	for (uint32_t i = 1; i < READERS_MAX && i < count; i++) {
		(void)env_thread_start(&thread[i], "lm-restore", read_next, &readers);
	}
	while (read_next(&readers)) {
	}
	for (uint32_t i = 1; i < READERS_MAX; i++) {
		env_thread_join(thread[i]);
	}
}
