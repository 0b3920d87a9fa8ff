/* SPDX-License-Identifier: BSD-3-Clause */
/* A slice with state, and snapshots that are taken of it while it goes on. */

#include "tests/unit/state/state_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void
state_rig_open(struct lm_op *slice, uint32_t slot_bits)
{
	static const struct lm_op_class class = { .name = "fake" };
	static struct fake_operator subject = { .class = &class };
	static const uint32_t field = 0;
	struct op_state *state = op_state(slice);

	memset(slice, 0, sizeof(*slice));
	slice->callback = FAKE_OPEN;
	slice->subject = &subject;
	state->slot_bits = slot_bits;
	state->is_alone = true;
	state->key = &field;
	state->key_count = 1;
}

void
state_rig_close(struct lm_op *slice)
{
	for (uint32_t i = 0; i < slice->memory_count; i++) {
		free(slice->memory[i]);
	}
	free(slice->memory);
}

static void
snapshot_arm(struct lm_op *slice)
{
	struct state_space *space = slice->state.space;
	uint32_t entries = space_log_entries(space, 0);

	if (space->log_max == 0) {
		space_set_log(space, lm_op_alloc(slice, entries * ARENA_ENTRY), entries);
	}
}

void
snapshot_begin(struct snapshot *shot, struct lm_op *slice)
{
	struct state_space *space = slice->state.space;

	memset(shot, 0, sizeof(*shot));
	shot->slice = slice;
	snapshot_arm(slice);
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		for (uint32_t i = 0; i < part->arena_count; i++) {
			uint32_t index = shot->arena_count++;
			struct arena *arena = arena_nth(part, i);

			assert_true(index < SNAPSHOT_ARENAS_MAX);
			shot->arena[index] = arena;
			shot->cut[index] = malloc(arena->size);
			shot->image[index] = calloc(1, arena->size);
			memcpy(shot->cut[index], arena->memory, arena->size);
		}
	}
	space->base_next = 0;
	assert_true(space_flip(space, space->epoch));
	assert_true(arena_copy_begin(&shot->copy, space));
}

static char *
snapshot_image(const struct snapshot *shot, const struct arena *arena)
{
	uint32_t index = 0;

	while (shot->arena[index] != arena) {
		index++;
	}
	return shot->image[index];
}

bool
snapshot_step(struct snapshot *shot)
{
	static char bytes[2 * ARENA_CHUNK];
	struct arena_piece piece;
	struct arena_logged logged;

	if (arena_copy_next(&shot->copy, &piece, bytes, sizeof(bytes))) {
		memcpy(snapshot_image(shot, piece.arena) + piece.offset, bytes, piece.size);
		return false;
	}
	assert_true(arena_copy_log(&shot->copy, &logged));
	for (uint32_t i = 0; i < logged.count; i++) {
		memcpy(snapshot_image(shot, logged.place[i].arena) + logged.place[i].offset,
		       logged.bytes + i * ARENA_GRANULE, ARENA_GRANULE);
	}
	for (uint32_t i = 0; i < shot->arena_count; i++) {
		assert_memory_equal(shot->image[i], shot->cut[i], shot->arena[i]->size);
	}
	arena_copy_end(&shot->copy, 0);
	return true;
}

void
snapshot_restore(const struct snapshot *shot, struct lm_op *slice)
{
	struct state_space *space = slice->state.space;
	uint32_t index = 0;

	snapshot_arm(slice);
	for (struct arena_part *part = space->part; part != NULL; part = part->next) {
		for (uint32_t i = 0; i < part->arena_count; i++, index++) {
			assert_int_equal(arena_nth(part, i)->size, shot->arena[index]->size);
			arena_restore(arena_nth(part, i), 0, shot->image[index],
			              (uint32_t)arena_nth(part, i)->size, shot->copy.epoch);
		}
	}
	assert_int_equal(index, shot->arena_count);
	assert_true(space_restored(space, shot->copy.epoch));
}

void
snapshot_end(struct snapshot *shot)
{
	for (uint32_t i = 0; i < shot->arena_count; i++) {
		free(shot->cut[i]);
		free(shot->image[i]);
	}
}
