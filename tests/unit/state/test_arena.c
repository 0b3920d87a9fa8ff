/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arenas, their log and their copier on one thread: random writes, flips and steps of the copier,
 * and what comes out against the state at each flip; in full and as increments.
 */
#include "state/arena_copy.h"
#include "tests/draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARENAS 5u
#define LOG_MAX 4000u

static const uint64_t arena_size[ARENAS] = { 64, 4096, 4160, 100000, 20 };

/* Arenas in a space, what each was at the last flip, and what snapshots have made of it. */
struct rig {
	struct state_space space;
	struct arena_part part[2];
	int64_t at[ARENAS]; /* of the list */
	struct arena *list[ARENAS];
	char *cut[ARENAS];
	struct arena *restored[ARENAS];
	void *log;
	struct arena_copy copy;
	bool copying;
	uint64_t seed, snapshots, increments, lost;
	uint64_t drained,
	    wrapped; /* of this snapshot; snapshots that filled the log more than once */
};

static uint64_t
draw_below(struct rig *rig, uint64_t below)
{
	return mix(rig->seed++) % below;
}

static struct arena *
make_arena(uint32_t index)
{
	size_t footprint = arena_footprint(arena_size[index]);
	void *memory = aligned_alloc(64, footprint);

	assert_non_null(memory);
	memset(memory, 0, footprint);
	return arena_init(memory, arena_size[index], index);
}

static void
rig_open(struct rig *rig, uint64_t seed, uint32_t log_max)
{
	memset(rig, 0, sizeof(*rig));
	rig->seed = seed;
	space_init(&rig->space, "rig");
	for (uint32_t i = 0; i < ARENAS; i++) {
		rig->list[i] = make_arena(i);
		rig->restored[i] = make_arena(i);
		rig->cut[i] = calloc(1, rig->list[i]->size);
		rig->at[i] = (int64_t)(uintptr_t)rig->list[i];
	}
	rig->part[0] = (struct arena_part){ .arena_count = 3, .at = rig->at };
	rig->part[1] = (struct arena_part){ .arena_count = ARENAS - 3, .at = rig->at + 3 };
	space_add_part(&rig->space, &rig->part[0]);
	space_add_part(&rig->space, &rig->part[1]);
	assert_false(space_flip(&rig->space, 1));
	rig->log = aligned_alloc(64, (log_max * ARENA_ENTRY + 63) / 64 * 64);
	space_set_log(&rig->space, rig->log, log_max);
}

static void
rig_close(struct rig *rig)
{
	for (uint32_t i = 0; i < ARENAS; i++) {
		free(rig->list[i]);
		free(rig->cut[i]);
		free(rig->restored[i]);
	}
	free(rig->log);
}

/* A write of up to 300 bytes, touched before. */
static void
rig_write(struct rig *rig)
{
	struct arena *arena = rig->list[draw_below(rig, ARENAS)];
	uint64_t offset = draw_below(rig, arena->size), size = 1 + draw_below(rig, 300);

	size = size < arena->size - offset ? size : arena->size - offset;
	arena_touch(&rig->space, arena->part, arena, arena->memory + offset, size);
	memset(arena->memory + offset, (int)draw_below(rig, 256), size);
}

static void
rig_check(struct rig *rig)
{
	for (uint32_t i = 0; i < ARENAS; i++) {
		assert_memory_equal(rig->restored[i]->memory, rig->cut[i], rig->list[i]->size);
	}
}

/* What is in the log, in one piece; a granule may be there once. False: it is lost. */
static bool
rig_drain(struct rig *rig, uint32_t *count)
{
	struct arena_logged logged;

	if (!arena_copy_log(&rig->copy, &logged)) {
		return false;
	}
	for (uint32_t i = 0; i < logged.count; i++) {
		const struct arena_place *place = &logged.place[i];
		struct arena *restored = rig->restored[place->arena->slot];
		const struct arena_mark *mark = &restored->mark[place->offset / ARENA_CHUNK];
		uint64_t granule = UINT64_C(1) << (place->offset / ARENA_GRANULE % 64);

		assert_false(mark->before == rig->copy.epoch && (mark->logged & granule) != 0);
		arena_restore_granule(restored, place->offset, logged.bytes + i * ARENA_GRANULE,
		                      rig->copy.epoch);
	}
	*count = logged.count;
	arena_copy_drain(&rig->copy, *count);
	rig->drained += *count;
	return true;
}

static void
rig_begin_copy(struct rig *rig)
{
	rig->copying = arena_copy_begin(&rig->copy, &rig->space);
	rig->drained = 0;
	for (uint32_t i = 0; rig->copying && rig->copy.base == 0 && i < ARENAS; i++) {
		struct arena *restored = rig->restored[i];

		memset(restored->memory, 0, restored->size);
		memset(restored->mark, 0, arena_marks_size(restored->size));
	}
}

/* One step of the copier; at the end, what it has must be what was there at the flip. */
static void
rig_copy(struct rig *rig)
{
	char bytes[3 * ARENA_CHUNK];
	struct arena_piece piece;
	uint32_t count = 1;

	if (!rig->copying) {
		rig_begin_copy(rig);
		return;
	}
	if ((arena_copy_log_fills(&rig->copy) || draw_below(rig, 8) == 0) &&
	    rig_drain(rig, &count)) {
		return;
	}
	if (arena_copy_next(&rig->copy, &piece, bytes, (1 + draw_below(rig, 3)) * ARENA_CHUNK)) {
		assert_true(piece.offset + piece.size <= piece.arena->size);
		arena_restore(rig->restored[piece.arena->slot], piece.offset, bytes, piece.size,
		              rig->copy.epoch);
		return;
	}
	rig->copying = false;
	while (count > 0) {
		if (!rig_drain(rig, &count)) {
			rig->lost++;
			arena_copy_end(&rig->copy, 0);
			return;
		}
	}
	rig_check(rig);
	rig->snapshots++;
	rig->increments += rig->copy.base != 0;
	rig->wrapped += rig->drained > rig->space.log_max;
	arena_copy_end(&rig->copy, draw_below(rig, 4) == 0 ? 0 : rig->copy.epoch);
}

static void
rig_run(struct rig *rig, uint32_t steps)
{
	uint64_t epoch = 0, pace = 1 + draw_below(rig, 40);

	for (uint32_t i = 0; i < steps; i++) {
		uint64_t step = draw_below(rig, pace + 4);

		if (step == 0) {
			epoch += 1 + draw_below(rig, 3);
			if (space_flip(&rig->space, epoch)) {
				assert_false(rig->copying);
				for (uint32_t k = 0; k < ARENAS; k++) {
					memcpy(rig->cut[k], rig->list[k]->memory,
					       rig->list[k]->size);
				}
			}
		} else if (step < 4) {
			rig_copy(rig);
		} else {
			rig_write(rig);
		}
	}
}

static void
test_snapshots(void **state)
{
	uint64_t snapshots = 0, increments = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct rig rig;

		rig_open(&rig, seed << 32, LOG_MAX);
		rig_run(&rig, 6000);
		assert_int_equal(rig.lost, 0);
		snapshots += rig.snapshots;
		increments += rig.increments;
		rig_close(&rig);
	}
	assert_true(snapshots > 1000);
	assert_true(increments > 500);
}

/* A log that is full costs the snapshot; the one after it is good again. */
static void
test_log_full(void **state)
{
	uint64_t lost = 0, snapshots = 0, wrapped = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rig rig;

		rig_open(&rig, seed << 32, 60);
		rig_run(&rig, 6000);
		lost += rig.lost;
		snapshots += rig.snapshots;
		wrapped += rig.wrapped;
		rig_close(&rig);
	}
	assert_true(lost > 50);
	assert_true(snapshots > 50);
	assert_true(wrapped > 5);
}

/* While no snapshot is under way a chunk is looked at once an epoch, and nothing is logged. */
static void
test_idle(void **state)
{
	struct rig rig;
	struct arena *arena;

	(void)state;
	rig_open(&rig, 1, LOG_MAX);
	arena = rig.list[1];
	arena_touch(&rig.space, arena->part, arena, arena->memory + 130, 1);
	assert_int_equal(arena->mark[0].stamp, 1);
	assert_true(arena->mark[0].logged == UINT64_MAX);
	assert_int_equal(rig.space.log_count, 0);
	/* Flipped: the granule is saved once, and only the granule. */
	assert_true(space_flip(&rig.space, 7));
	assert_false(space_flip(&rig.space, 8));
	arena_touch(&rig.space, arena->part, arena, arena->memory + 130, 1);
	arena_touch(&rig.space, arena->part, arena, arena->memory + 128, 64);
	assert_int_equal(rig.space.log_count, 1);
	assert_int_equal(rig.space.log_place[0].offset, 128);
	arena_touch(&rig.space, arena->part, arena, arena->memory + 191, 2);
	assert_int_equal(rig.space.log_count, 2);
	/* A chunk that was all zeroes needs no copy and no log. */
	arena_touch(&rig.space, &rig.part[1], rig.list[3], rig.list[3]->memory, 1);
	assert_int_equal(rig.space.log_count, 2);
	rig_close(&rig);
}

/* What was restored is what an increment starts from: it has only what was written since. */
static void
test_restore(void **state)
{
	struct arena_copy copy;
	struct arena_piece piece;
	char bytes[3 * ARENA_CHUNK];
	struct rig rig;

	(void)state;
	rig_open(&rig, 1, LOG_MAX);
	memset(bytes, 7, sizeof(bytes));
	arena_restore(rig.list[3], 0, bytes, 4096, 9);
	arena_restore(rig.list[3], 4096 + 64, bytes, 64, 9);
	assert_true(space_restored(&rig.space, 9));
	assert_false(arena_copy_begin(&copy, &rig.space));
	arena_touch(&rig.space, &rig.part[1], rig.list[3], rig.list[3]->memory + 4096, 1);
	rig.list[3]->memory[4096] = 1;
	assert_true(space_flip(&rig.space, 10));
	assert_true(arena_copy_begin(&copy, &rig.space));
	assert_int_equal(copy.base, 9);
	assert_true(arena_copy_next(&copy, &piece, bytes, sizeof(bytes)));
	assert_ptr_equal(piece.arena, rig.list[3]);
	assert_int_equal(piece.offset, 4096);
	assert_int_equal(bytes[0], 1);
	assert_int_equal(bytes[64], 7);
	assert_false(arena_copy_next(&copy, &piece, bytes, sizeof(bytes)));
	arena_copy_end(&copy, 10);
	rig_close(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_snapshots),
		cmocka_unit_test(test_log_full),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
