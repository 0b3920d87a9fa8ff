/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts into arenas: several at once, each block where it belongs. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/snapshot_run.h"

/* Threads that read, the caller's among them. Each has reads of its own under way. */
#define READERS_MAX 4u

/* Where the arenas of an operator's slices are: by what was opened and by slot. */
struct arena_index {
	struct restore_part *part;
	struct arena ***of_slot; /* [part][slot] */
	bool *by_slot;           /* [part] */
	uint32_t part_count, slot_count;
};

static void
index_close_arenas(struct arena_index *index)
{
	for (uint32_t i = 0; index->of_slot != NULL && i < index->part_count; i++) {
		free(index->of_slot[i]);
	}
	free(index->of_slot);
	free(index->by_slot);
}

/* An arena for itself, like those of a part. */
static struct arena *
arena_alone(const struct arena_part *part)
{
	size_t footprint = arena_footprint(part->size);
	void *memory = aligned_alloc(ARENA_GRANULE, footprint);

	if (memory == NULL) {
		return NULL;
	}
	memset(memory, 0, footprint);
	return arena_init(memory, part->size, 0);
}

/* The arenas of one slice. */
static bool
index_add(struct arena_index *index, const struct state_space *space, bool is_first)
{
	bool is_dealt = index->part->is_dealt;
	uint32_t i = 0;

	for (struct arena_part *part = space->part; part != NULL; part = part->next, i++) {
		index->by_slot[i] = part->by_slot;
		for (uint32_t k = 0; (part->by_slot || !is_dealt) && k < part->arena_count; k++) {
			struct arena *arena = arena_nth(part, k);

			assert(arena->slot < index->slot_count);
			index->of_slot[i][arena->slot] = arena;
		}
		if (is_dealt && is_first && !part->by_slot) {
			index->part->value[i] = arena_alone(part);
			index->of_slot[i][0] = index->part->value[i];
			if (index->of_slot[i][0] == NULL) {
				return false;
			}
		}
	}
	return true;
}

static bool
index_open_arenas(struct arena_index *index, struct restore_part *part)
{
	const struct op_state *state = &part->slice[0]->state;
	bool good = true;

	*index = (struct arena_index){ .part = part,
		                       .part_count = state->space->part_count,
		                       .slot_count = 1u << state->slot_bits };
	index->of_slot = calloc(index->part_count + 1, sizeof(*index->of_slot));
	index->by_slot = calloc(index->part_count + 1, sizeof(*index->by_slot));
	part->value = calloc(index->part_count + 1, sizeof(*part->value));
	part->owned = calloc(index->slot_count, 1);
	if (index->of_slot == NULL || index->by_slot == NULL || part->value == NULL ||
	    part->owned == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < index->part_count; i++) {
		index->of_slot[i] = calloc(index->slot_count, sizeof(**index->of_slot));
		if (index->of_slot[i] == NULL) {
			return false;
		}
	}
	for (uint32_t i = 0; good && i < part->slices; i++) {
		good = index_add(index, part->slice[i]->state.space, i == 0);
	}
	return good;
}

void
restore_part_free(struct restore_part *part)
{
	const struct state_space *space = part->slice[0]->state.space;

	for (uint32_t i = 0; part->value != NULL && i < space->part_count; i++) {
		free(part->value[i]);
	}
	free(part->value);
	free(part->owned);
}

/* The arena that these bytes belong to; NULL: there is no such place. */
static struct arena *
find_place(struct arena_index *index, uint32_t part, uint32_t slot, uint64_t offset, uint32_t size)
{
	struct arena *arena;

	if (part >= index->part_count || slot >= index->slot_count) {
		return NULL;
	}
	arena = index->of_slot[part][slot];
	if (arena == NULL || size == 0 || offset > arena->size || size > arena->size - offset ||
	    offset % ARENA_GRANULE != 0 || size % ARENA_GRANULE != 0) {
		return NULL;
	}
	index->part->bytes += size;
	if (index->by_slot[part]) {
		index->part->owned[slot] = 1;
	}
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
	if (index_open_arenas(&index, part)) {
		part->result = store_part_read(s->folder, s->good->manifest, part->id, take_block,
		                               &index, part->why);
	}
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
