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

#include "core/change.h"
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
	uint32_t *arena_count; /* [part] */
	struct arena ***image; /* [part][arena], restored from what was copied */
};

static struct {
	struct watched *watched; /* [slice] */
	uint32_t count;
	uint64_t generation; /* of the graph */
	uint32_t left;       /* snapshots to come */
	bool failed;
} snapshots;

static struct arena *
image_of(const struct watched *w, const struct arena_part *part, const struct arena *arena)
{
	uint32_t index = 0;

	while (arena_nth(part, index) != arena) {
		index++;
	}
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

static struct arena *
image_open(const struct arena *arena)
{
	size_t footprint = arena_footprint(arena->size);
	void *memory = aligned_alloc(64, footprint);

	if (memory == NULL) {
		abort();
	}
	memset(memory, 0, footprint);
	return arena_init(memory, arena->size, arena->slot);
}

static void
watched_open(struct watched *w, struct lm_op *slice)
{
	const struct state_space *space = slice->state.space;

	memset(w, 0, sizeof(*w));
	w->slice = slice;
	if (slice->state.engine_text.bytes == NULL && state_arm(slice) != 0) {
		abort();
	}
	if (space == NULL) {
		return;
	}
	w->part_count = space->part_count;
	w->image = image_alloc(w->part_count, sizeof(*w->image));
	w->arena_count = image_alloc(w->part_count, sizeof(*w->arena_count));
	for (const struct arena_part *part = space->part; part != NULL; part = part->next) {
		w->image[part->index] = image_alloc(part->arena_count, sizeof(struct arena *));
		w->arena_count[part->index] = part->arena_count;
		for (uint32_t i = 0; i < part->arena_count; i++) {
			w->image[part->index][i] = image_open(arena_nth(part, i));
		}
	}
}

static void
watched_close(struct watched *w)
{
	for (uint32_t p = 0; p < w->part_count; p++) {
		for (uint32_t i = 0; i < w->arena_count[p]; i++) {
			free(w->image[p][i]);
		}
		free(w->image[p]);
	}
	free(w->image);
	free(w->arena_count);
}

static void
watch_all(struct lm_engine *engine)
{
	snapshots.generation = engine->generation;
	snapshots.count = engine->slice_count;
	snapshots.watched = image_alloc(engine->slice_count, sizeof(struct watched));
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		struct state_space *space = engine->slice[i]->state.space;

		watched_open(&snapshots.watched[i], engine->slice[i]);
		/* Its image is empty. */
		if (space != NULL) {
			__atomic_store_n(&space->base_next, 0, __ATOMIC_RELAXED);
		}
	}
}

static void
watch_none(void)
{
	for (uint32_t i = 0; i < snapshots.count; i++) {
		watched_close(&snapshots.watched[i]);
	}
	free(snapshots.watched);
	snapshots.watched = NULL;
	snapshots.count = 0;
}

static void
snapshots_begin(struct lm_engine *engine)
{
	snapshots.left = (uint32_t)sim_below(SNAPSHOTS_MAX + 1);
	snapshots.failed = false;
	watch_all(engine);
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
			struct arena *image = w->image[part->index][i];

			memset(image->memory, 0, image->size);
			memset(image->mark, 0, arena_marks_size(image->size));
		}
	}
}

static void
watched_compare(const struct watched *w)
{
	const struct state_space *space = w->slice->state.space;

	for (const struct arena_part *part = space->part; part != NULL; part = part->next) {
		for (uint32_t i = 0; i < part->arena_count; i++) {
			const struct arena *arena = arena_nth(part, i);

			if (memcmp(w->image[part->index][i]->memory, arena_shadow_copy(arena),
			           arena->size) != 0) {
				fprintf(stderr, "%s: part %u, slot %u: not what it was at %u\n",
				        space->name, part->index, arena->slot, w->copy.epoch);
				snapshots.failed = true;
			}
		}
	}
}

/* What the log holds. False: the snapshot is lost. */
static bool
watched_drain(struct watched *w)
{
	struct arena_logged logged;

	do {
		if (!arena_copy_log(&w->copy, &logged)) {
			return false;
		}
		for (uint32_t i = 0; i < logged.count; i++) {
			arena_restore_granule(
			    image_of(w, logged.place[i].arena->part, logged.place[i].arena),
			    logged.place[i].offset, logged.bytes + i * ARENA_GRANULE,
			    w->copy.epoch);
		}
		arena_copy_drain(&w->copy, logged.count);
	} while (logged.count > 0);
	return true;
}

static void
watched_end_copy(struct watched *w)
{
	w->copying = false;
	if (!watched_drain(w)) {
		arena_copy_end(&w->copy, 0);
		state_finish(w->slice);
		return;
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
			arena_restore(image_of(w, piece.part, piece.arena), piece.offset, bytes,
			              piece.size, w->copy.epoch);
		} else {
			watched_end_copy(w);
		}
		if (w->copying && (sim_below(8) == 0 || arena_copy_log_fills(&w->copy))) {
			(void)watched_drain(w);
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

static bool
is_changing(const struct lm_engine *engine)
{
	return engine->change != NULL && engine->change->phase == CHANGE_SWITCHING;
}

static void
snapshots_step(struct lm_engine *engine)
{
	/* The next change is under way already: state has yet to settle, and no snapshot is taken.
	 */
	if (snapshots.generation != engine->generation && is_changing(engine)) {
		return;
	}
	if (snapshots.generation != engine->generation) {
		/* Nothing was under way. */
		watch_none();
		watch_all(engine);
	}
	if (sim_below(6) != 0) {
		return;
	}
	if (sim_below(2) == 0) {
		watched_copy(&snapshots.watched[sim_below(snapshots.count)]);
	}
	if (snapshots.left > 0 && !engine->snapshot_wanted &&
	    engine_epoch_done(engine) == engine->epoch && snapshots_are_finished()) {
		engine_want_snapshot(engine);
		snapshots.left--;
	}
}

static bool
snapshots_end(struct lm_engine *engine)
{
	if (snapshots.generation != engine->generation) {
		watch_none();
		watch_all(engine);
	}
	for (uint32_t i = 0; i < snapshots.count; i++) {
		struct watched *w = &snapshots.watched[i];

		while (w->slice->state.flipped != w->slice->state.finished) {
			watched_copy(w);
		}
	}
	watch_none();
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
