/* SPDX-License-Identifier: BSD-3-Clause */
/* Test builds: who writes to state without touching it is found out at the next flip; and so is a
 * count that is not what was counted. */

#include "state/arena_shadow.h"

#include <stdlib.h>
#include <string.h>

#include "core/env.h"

static uint64_t
shadow_words(uint64_t size)
{
	return (size / ARENA_GRANULE + 63) / 64;
}

static uint64_t
shadow_copy_offset(uint64_t size)
{
	uint64_t head = sizeof(struct arena_shadow) + shadow_words(size) * sizeof(uint64_t);

	return (head + 63) & ~UINT64_C(63);
}

size_t
arena_shadow_size(uint64_t size)
{
	return shadow_copy_offset(size) + size;
}

char *
arena_shadow_copy(const struct arena *arena)
{
	return (char *)arena->shadow + shadow_copy_offset(arena->size);
}

void
arena_shadow_touch(struct arena *arena, uint64_t offset, uint64_t size)
{
	uint64_t last = (offset + size - 1) / ARENA_GRANULE;

	for (uint64_t g = offset / ARENA_GRANULE; arena->shadow != NULL && g <= last; g++) {
		arena->shadow->touched[g / 64] |= UINT64_C(1) << g % 64;
	}
}

static void
shadow_take(struct arena *arena)
{
	arena->shadow->granules = arena->size / ARENA_GRANULE;
	memcpy(arena_shadow_copy(arena), arena->memory, arena->size);
	memset(arena->shadow->touched, 0, shadow_words(arena->size) * sizeof(uint64_t));
}

void
space_shadow_take(struct state_space *space)
{
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		for (uint32_t i = 0; i < part->arena_count; i++) {
			if (arena_nth(part, i)->shadow != NULL) {
				shadow_take(arena_nth(part, i));
			}
		}
	}
}

static void
shadow_check(const struct state_space *space, const struct arena_part *part,
             const struct arena *arena)
{
	const char *copy = arena_shadow_copy(arena);

	for (uint64_t g = 0; g < arena->shadow->granules; g++) {
		uint64_t offset = g * ARENA_GRANULE;

		if ((arena->shadow->touched[g / 64] >> g % 64 & 1) == 0 &&
		    memcmp(copy + offset, arena->memory + offset, ARENA_GRANULE) != 0) {
			env_log(2, "%s: part %u, slot %u: written without a touch near byte %lu",
			        space->name, part->index, arena->slot, (unsigned long)offset);
			abort();
		}
	}
}

void
space_check(struct state_space *space)
{
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		if (part->ops != NULL && part->ops->agrees != NULL && !part->ops->agrees(part)) {
			env_log(2, "%s: part %u: its counts are not those of its arenas",
			        space->name, part->index);
			abort();
		}
		for (uint32_t i = 0; i < part->arena_count; i++) {
			if (arena_nth(part, i)->shadow != NULL) {
				shadow_check(space, part, arena_nth(part, i));
			}
		}
	}
	space_shadow_take(space);
}
