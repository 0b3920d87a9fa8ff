/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Snapshots of whatever runs: at some markers the slices flip their state; a copier takes it in
 * small steps while they go on; and what it has in the end, byte by byte, must be what the state
 * was at the flip, of which test builds keep a copy (state/arena_shadow.h).
 */

#include "tests/sim/snapshots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "state/arena_copy.h"
#include "state/arena_shadow.h"
#include "tests/sim/sim.h"

#define SNAPSHOTS_MAX 6u

/* A slice with state, as its snapshots have it. */
struct watched {
	struct lm_op *slice;
	struct arena_copy copy;
	bool copying;
	uint32_t part_count;
	char ***image; /* [part][arena] */
};

static struct {
	struct watched *watched; /* [slice] */
	uint32_t count;
	uint32_t left; /* snapshots to come */
	bool failed;
} snapshots;

static char *
image_of(const struct watched *w, const struct arena *arena)
{
	const struct arena_part *part = arena->part;
	size_t footprint = arena_footprint(arena->size);
	size_t index = (size_t)((const char *)arena - (const char *)part->arena[0]) / footprint;

	return w->image[part->index][index];
}

static void *
image_alloc(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);

	if (memory == NULL) {
		abort();
	}
	return memory;
}

static void
watched_open(struct watched *w, struct lm_op *slice)
{
	const struct state_space *space = slice->state.space;

	w->slice = slice;
	if (state_arm(slice) != 0) {
		abort();
	}
	if (space == NULL) {
		return;
	}
	w->part_count = space->part_count;
	w->image = image_alloc(w->part_count, sizeof(*w->image));
	for (const struct arena_part *part = space->part; part != NULL; part = part->next) {
		w->image[part->index] = image_alloc(part->arena_count, sizeof(char *));
		for (uint32_t i = 0; i < part->arena_count; i++) {
			w->image[part->index][i] = image_alloc(part->arena[i]->size, 1);
		}
	}
}

static void
watched_close(struct watched *w)
{
	const struct state_space *space = w->slice->state.space;

	for (const struct arena_part *part = w->image == NULL ? NULL : space->part; part != NULL;
	     part = part->next) {
		for (uint32_t i = 0; i < part->arena_count; i++) {
			free(w->image[part->index][i]);
		}
		free(w->image[part->index]);
	}
	free(w->image);
}

static void
snapshots_begin(struct lm_engine *engine)
{
	snapshots.count = engine->slice_count;
	snapshots.watched = image_alloc(engine->slice_count, sizeof(struct watched));
	snapshots.left = (uint32_t)sim_below(SNAPSHOTS_MAX + 1);
	snapshots.failed = false;
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		watched_open(&snapshots.watched[i], engine->slice[i]);
	}
}

/* A full snapshot starts from zeroes. */
static void
watched_begin_copy(struct watched *w)
{
	const struct state_space *space = w->slice->state.space;

	w->copying = arena_copy_begin(&w->copy, w->slice->state.space);
	if (!w->copying || w->copy.base != 0) {
		return;
	}
	for (const struct arena_part *part = space->part; part != NULL; part = part->next) {
		for (uint32_t i = 0; i < part->arena_count; i++) {
			memset(w->image[part->index][i], 0, part->arena[i]->size);
		}
	}
}

static void
watched_compare(const struct watched *w)
{
	const struct state_space *space = w->slice->state.space;

	for (const struct arena_part *part = space->part; part != NULL; part = part->next) {
		for (uint32_t i = 0; i < part->arena_count; i++) {
			const struct arena *arena = part->arena[i];

			if (memcmp(w->image[part->index][i], arena_shadow_copy(arena),
			           arena->size) != 0) {
				fprintf(stderr, "%s: part %u, slot %u: not what it was at %u\n",
				        space->name, part->index, arena->slot, w->copy.epoch);
				snapshots.failed = true;
			}
		}
	}
}

static void
watched_end_copy(struct watched *w)
{
	const struct arena_entry *entry;
	uint32_t count;

	w->copying = false;
	if (!arena_copy_log(&w->copy, &entry, &count)) {
		arena_copy_end(&w->copy, 0);
		state_finish(w->slice);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		memcpy(image_of(w, entry[i].arena) + entry[i].offset, entry[i].bytes,
		       ARENA_GRANULE);
	}
	watched_compare(w);
	arena_copy_end(&w->copy, sim_below(3) == 0 ? 0 : w->copy.epoch);
	state_finish(w->slice);
}

/* A few steps of the copier. */
static void
watched_copy(struct watched *w)
{
	static char bytes[4 * ARENA_CHUNK];
	struct arena_piece piece;

	if (w->slice->state.flipped == w->slice->state.finished) {
		return;
	}
	if (w->slice->state.space == NULL) {
		state_finish(w->slice);
		return;
	}
	if (!w->copying) {
		watched_begin_copy(w);
	}
	for (uint64_t steps = 1 + sim_below(40); steps > 0 && w->copying; steps--) {
		uint32_t room = (uint32_t)(1 + sim_below(4)) * ARENA_CHUNK;

		if (arena_copy_next(&w->copy, &piece, bytes, room)) {
			memcpy(image_of(w, piece.arena) + piece.offset, bytes, piece.size);
		} else {
			watched_end_copy(w);
		}
	}
}

static bool
snapshots_are_finished(void)
{
	for (uint32_t i = 0; i < snapshots.count; i++) {
		const struct op_state *state = &snapshots.watched[i].slice->state;

		snapshots.failed |= state->refused != 0;
		if (state->flipped != state->finished) {
			return false;
		}
	}
	return true;
}

static void
snapshots_step(struct lm_engine *engine)
{
	struct engine_shared *shared = engine->shared;

	if (sim_below(6) != 0) {
		return;
	}
	if (sim_below(2) == 0) {
		watched_copy(&snapshots.watched[sim_below(snapshots.count)]);
	}
	if (snapshots.left > 0 && shared->snapshot_epoch <= engine->epoch &&
	    engine_epoch_done(engine) == engine->epoch && snapshots_are_finished()) {
		shared->snapshot_epoch = engine->epoch + 1;
		snapshots.left--;
	}
}

static bool
snapshots_end(struct lm_engine *engine)
{
	(void)engine;
	for (uint32_t i = 0; i < snapshots.count; i++) {
		struct watched *w = &snapshots.watched[i];

		while (w->slice->state.flipped != w->slice->state.finished) {
			watched_copy(w);
		}
		watched_close(w);
	}
	free(snapshots.watched);
	snapshots.watched = NULL;
	return !snapshots.failed;
}

void
sim_snapshots_watch(void)
{
	static const struct sim_watch watch = {
		.begin = snapshots_begin,
		.step = snapshots_step,
		.end = snapshots_end,
	};

	sim_watch(&watch);
}
