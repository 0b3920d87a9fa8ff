/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Snapshots on two threads: an owner that updates an arena as fast as it can and flips it now and
 * then, and a copier that takes every snapshot. What it has must be what the arena was at the flip;
 * and the check must see it when a copier says too early that it has passed the arena.
 *
 * The state is words, each of which is only ever written as a function of the number of updates it
 * had. So the owner need not keep a copy of the whole arena at a flip, only the sum of its words.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "state/arena_copy.h"
#include "tests/draw.h"

#define ARENAS 4u
#define WORDS 65536u /* of an arena */
#define SNAPSHOTS 120u
#define LOST_MAX 5000u
#define BURST                                                                                      \
	64u /* updates of a batch, and as many one at a time, between two looks at whether to flip \
	     */
#define LATE 100u /* batches */

enum bug {
	BUG_NONE,
	BUG_PASSES_EARLY, /* arenas count as copied before they are */
	BUG_TELLS_LATE    /* what batches saved is published when they have written */
};

struct race {
	struct state_space space;
	struct arena_part part;
	struct arena *list[ARENAS];
	int64_t at[ARENAS]; /* of the list */
	void *log;
	enum bug bug;
	bool stop;

	/* The owner's. */
	uint64_t random, updates;
	uint64_t sum;    /* of all words, each mixed with its place */
	uint64_t cut[2]; /* the sum at the flip of an epoch, even and odd */

	/* The copier's. */
	struct arena *image[ARENAS]; /* restored from what was copied */
	uint64_t bad, lost, taken, increments, logged;
	uint32_t pieces;
};

/* What a word at a place adds to the sum; one that is zero adds nothing. */
static uint64_t
term(uint64_t place, uint64_t word)
{
	return word == 0 ? 0 : mix(place * 0x2545f4914f6cdd1du ^ word);
}

/* Half of the updates go to few places. */
static uint64_t
place_of(uint64_t draw)
{
	return ((draw & 1) != 0 ? draw >> 40 : (draw >> 40) % 512 * 8) % (WORDS * ARENAS);
}

static uint64_t *
word_at(struct race *race, uint64_t place)
{
	return (uint64_t *)(void *)race->list[place / WORDS]->memory + place % WORDS;
}

static void
add(struct race *race, uint64_t place, uint64_t draw)
{
	uint64_t *word = word_at(race, place);

	race->sum -= term(place, *word);
	*word += draw | 1;
	race->sum += term(place, *word);
	race->updates++;
}

/* One at a time. */
static void
update_some(struct race *race)
{
	for (uint32_t i = 0; i < BURST; i++) {
		uint64_t draw = mix(race->random++), place = place_of(draw);

		arena_touch(&race->space, &race->part, race->list[place / WORDS],
		            word_at(race, place), sizeof(uint64_t));
		add(race, place, draw);
	}
}

/* All is touched before any of it is written. */
static void
update_batch(struct race *race)
{
	uint64_t first = race->random;

	for (uint32_t i = 0; i < BURST; i++) {
		uint64_t place = place_of(mix(race->random++));

		arena_touch_later(&race->space, &race->part, race->list[place / WORDS],
		                  place % WORDS * sizeof(uint64_t), sizeof(uint64_t));
	}
	if (race->bug != BUG_TELLS_LATE) {
		arena_publish(&race->space);
	}
	for (uint32_t i = 0; i < BURST; i++) {
		uint64_t draw = mix(first + i);

		add(race, place_of(draw), draw);
	}
}

static void
update(struct race *race)
{
	if (race->bug != BUG_TELLS_LATE) {
		update_some(race);
		update_batch(race);
		return;
	}
	for (uint32_t i = 0; i < LATE; i++) {
		update_batch(race);
	}
	arena_publish(&race->space);
}

static void *
own(void *arg)
{
	struct race *race = arg;
	uint64_t epoch = 0;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		update(race);
		/* The copier reads the sum once it has seen the flip. */
		__atomic_store_n(&race->cut[(epoch + 1) % 2], race->sum, __ATOMIC_RELAXED);
		epoch += space_flip(&race->space, epoch + 1);
	}
	return NULL;
}

static void
compare(struct race *race, uint64_t epoch)
{
	uint64_t sum = 0;

	for (uint32_t a = 0; a < ARENAS; a++) {
		for (uint64_t i = 0; i < WORDS; i++) {
			const uint64_t *word = (const uint64_t *)(void *)race->image[a]->memory;

			sum += term(a * WORDS + i, word[i]);
		}
	}
	race->bad += sum != race->cut[epoch % 2];
}

/* What the log holds. False: the snapshot is lost. */
static bool
drain(struct race *race, struct arena_copy *copy)
{
	struct arena_logged logged;

	do {
		if (!arena_copy_log(copy, &logged)) {
			return false;
		}
		for (uint32_t i = 0; i < logged.count; i++) {
			const struct arena_place *place = &logged.place[i];

			arena_restore_granule(race->image[place->arena->slot], place->offset,
			                      logged.bytes + (size_t)i * ARENA_GRANULE,
			                      copy->epoch);
		}
		arena_copy_drain(copy, logged.count);
		race->logged += logged.count;
	} while (logged.count > 0);
	return true;
}

/* Takes one snapshot. */
static void
take(struct race *race)
{
	static char bytes[16 * ARENA_CHUNK];
	struct arena_piece piece;
	struct arena_copy copy;

	while (!arena_copy_begin(&copy, &race->space)) {
		sched_yield();
	}
	for (uint32_t a = 0; copy.base == 0 && a < ARENAS; a++) {
		memset(race->image[a]->memory, 0, race->image[a]->size);
		memset(race->image[a]->mark, 0, arena_marks_size(race->image[a]->size));
	}
	for (uint32_t a = 0; race->bug == BUG_PASSES_EARLY && a < ARENAS; a++) {
		__atomic_store_n(&race->list[a]->copied, copy.epoch, __ATOMIC_RELEASE);
	}
	/* Pieces of one chunk to sixteen. */
	while (arena_copy_next(&copy, &piece, bytes, (1 + race->pieces % 16) * ARENA_CHUNK)) {
		arena_restore(race->image[piece.arena->slot], piece.offset, bytes, piece.size,
		              copy.epoch);
		if (arena_copy_log_fills(&copy)) {
			(void)drain(race, &copy);
		}
		/* Where both share a CPU, the owner is to get its turns in between. */
		if (++race->pieces % 4 == 0) {
			sched_yield();
		}
	}
	if (!drain(race, &copy)) {
		race->lost++;
		arena_copy_end(&copy, 0);
		return;
	}
	compare(race, copy.epoch);
	race->taken++;
	race->increments += copy.base != 0;
	arena_copy_end(&copy, race->taken % 4 == 0 ? 0 : copy.epoch);
}

static struct arena *
make_arena(uint32_t index)
{
	size_t footprint = arena_footprint(WORDS * sizeof(uint64_t));
	void *memory = aligned_alloc(64, footprint);

	assert_non_null(memory);
	memset(memory, 0, footprint);
	return arena_init(memory, WORDS * sizeof(uint64_t), index);
}

static void
run(struct race *race, enum bug bug)
{
	uint32_t entries;
	pthread_t owner;

	memset(race, 0, sizeof(*race));
	race->bug = bug;
	space_init(&race->space, "race");
	for (uint32_t a = 0; a < ARENAS; a++) {
		race->list[a] = make_arena(a);
		race->image[a] = make_arena(a);
		race->at[a] = (int64_t)(uintptr_t)race->list[a];
	}
	race->part = (struct arena_part){ .arena_count = ARENAS, .at = race->at };
	space_add_part(&race->space, &race->part);
	/* Half of it, so that it must be drained. Some snapshots are lost: the owner may have the
	 * CPU to itself for long. */
	entries = (uint32_t)(race->space.size / ARENA_GRANULE / 2);
	race->log = aligned_alloc(64, (entries * ARENA_ENTRY + 63) / 64 * 64);
	assert_non_null(race->log);
	space_set_log(&race->space, race->log, entries);
	assert_int_equal(pthread_create(&owner, NULL, own, race), 0);
	while (race->taken < SNAPSHOTS && race->lost < LOST_MAX) {
		take(race);
	}
	__atomic_store_n(&race->stop, true, __ATOMIC_RELAXED);
	pthread_join(owner, NULL);
	free(race->log);
	for (uint32_t a = 0; a < ARENAS; a++) {
		free(race->list[a]);
		free(race->image[a]);
	}
}

static struct race race;

static void
test_race(void **state)
{
	(void)state;
	run(&race, BUG_NONE);
	print_message("%lu snapshots, %lu of them increments, %lu lost, of %lu updates with %lu "
	              "granules saved\n",
	              (unsigned long)race.taken, (unsigned long)race.increments,
	              (unsigned long)race.lost, (unsigned long)race.updates,
	              (unsigned long)race.logged);
	assert_int_equal(race.bad, 0);
	assert_int_equal(race.taken, SNAPSHOTS);
	assert_true(race.logged > 0);
}

/* The check sees what it is there for. */
static void
test_bug(enum bug bug)
{
	run(&race, bug);
	print_message("%lu of %lu snapshots were seen to be wrong\n", (unsigned long)race.bad,
	              (unsigned long)race.taken);
	assert_true(race.bad > 0);
}

static void
test_passed_early(void **state)
{
	(void)state;
	test_bug(BUG_PASSES_EARLY);
}

static void
test_told_late(void **state)
{
	(void)state;
	test_bug(BUG_TELLS_LATE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_race),
		cmocka_unit_test(test_passed_early),
		cmocka_unit_test(test_told_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
