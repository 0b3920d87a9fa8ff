/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slots go from slice to slice: maps, lists, keys that grow old and maps with labels, on up to
 * eight slices, against tables of what was put in. Now and then all slots are dealt anew, and a
 * snapshot is taken; what a slice has, counts, and tells the stretches of is what its slots have.
 */
#include "state/space.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/route.h"
#include "state/lm_list.h"
#include "state/lm_value.h"
#include "state/map.h"
#include "tests/draw.h"
#include "tests/unit/state/state_rig.h"

#define SLOT_BITS 4u
#define SLOTS (1u << SLOT_BITS)
#define SLICES 8u
#define KEYS 200u
#define LABELS 6u
#define PANES 4u
#define LENGTH_MAX 6u
#define STEPS 3000u

struct holder {
	struct lm_op op;
	struct lm_map *counts, *texts, *ages;
	struct lm_lists *lists;
	struct lm_map *pane[PANES]; /* a family */
	struct lm_value *own;
	struct snapshot shot;
	bool shooting;
	uint32_t stretched; /* arenas that were found in stretches of its state */
};

static struct holder holder[SLICES];
static uint16_t slice_of[SLOTS];
static uint64_t seed;

/* What was put in: 0 is none. */
static struct {
	uint64_t count[KEYS], text[KEYS], age[KEYS];
	uint64_t item[KEYS][LENGTH_MAX];
	uint32_t length[KEYS];
	bool listed[KEYS];
	int64_t label[PANES]; /* that are in use now; 0: none */
	uint64_t pane[PANES][KEYS];
} known;

static uint32_t
draw_below(uint32_t below)
{
	return (uint32_t)(mix(seed++) % below);
}

static uint32_t
slot_of(uint64_t key)
{
	return route_slot(mix(key), SLOT_BITS);
}

static struct holder *
owner_of(uint64_t key)
{
	return &holder[slice_of[slot_of(key)]];
}

/* A key of 1 to 40 bytes. */
static uint32_t
text_of(uint64_t key, char text[48])
{
	uint32_t length = 1 + (uint32_t)(key % 40);

	memset(text, (int)('a' + key % 26), 48);
	memcpy(text, &key, length < sizeof(key) ? 1 : sizeof(key));
	return length < 2 ? 2 : length;
}

/*
 * Opening.
 */

static void
open_holder(struct holder *h, uint32_t index, bool is_heir)
{
	static const uint32_t field = 0;
	struct lm_map_shape words = { .key_size = 8,
		                      .value_size = 8,
		                      .keys_max = 4 * KEYS,
		                      .fields = &field,
		                      .field_count = 1 };
	struct lm_map_shape bytes = words;
	struct lm_list_shape lists = { .keys = words,
		                       .item_size = 8,
		                       .items_max = 4 * KEYS * LENGTH_MAX,
		                       .length_max = LENGTH_MAX,
		                       .when_full = LM_LIST_REFUSE };
	struct lm_map_aging aging = { .when_full = LM_MAP_EVICT_OLDEST, .ttl_ns = 1000000 };

	state_rig_open(&h->op, SLOT_BITS);
	h->op.state.is_alone = false;
	h->op.state.is_heir = is_heir;
	h->op.state.slice_of = slice_of;
	h->op.state.index = index;
	bytes.key_size = 0;
	bytes.bytes_max = 4 * KEYS * 64;
	bytes.keep_hash = true;
	h->counts = lm_map_open(&h->op, &words);
	h->texts = lm_map_open(&h->op, &bytes);
	h->own = lm_value_open(&h->op, 128);
	h->ages = lm_map_open_aging(&h->op, &words, &aging);
	h->lists = lm_list_open(&h->op, &lists);
	for (uint32_t p = 0; p < PANES; p++) {
		words.alike = p == 0 ? NULL : h->pane[0];
		h->pane[p] = lm_map_open(&h->op, &words);
		assert_non_null(h->pane[p]);
	}
	assert_non_null(h->counts);
	assert_non_null(h->texts);
	assert_non_null(h->ages);
	assert_non_null(h->lists);
	assert_int_equal(h->op.state.ops->arm(&h->op, h->op.state.space), 0);
	lm_value_touch(h->own, lm_value_data(h->own), 128);
	memset(lm_value_data(h->own), (int)index + 1, 128);
}

/* The first `before` slices begin with all slots, the others without any. */
static void
begin(uint32_t before)
{
	memset(&known, 0, sizeof(known));
	memset(holder, 0, sizeof(holder));
	for (uint32_t s = 0; s < SLOTS; s++) {
		slice_of[s] = (uint16_t)(s * before / SLOTS);
	}
	for (uint32_t i = 0; i < SLICES; i++) {
		open_holder(&holder[i], i, i >= before);
	}
}

static void
settle_all(void)
{
	for (uint32_t i = 0; i < SLICES; i++) {
		while (!holder[i].op.state.ops->settle(&holder[i].op)) {
		}
	}
}

static void
end(void)
{
	settle_all();
	for (uint32_t i = 0; i < SLICES; i++) {
		holder[i].op.state.ops->close(&holder[i].op);
	}
	for (uint32_t i = 0; i < SLICES; i++) {
		state_rig_close(&holder[i].op);
	}
}

/*
 * Steps.
 */

static void
step_put(uint64_t key)
{
	struct holder *h = owner_of(key);
	uint64_t hash = mix(key), next = mix(seed) | 1;
	char text[48];
	uint32_t length = text_of(key, text);

	switch (draw_below(6)) {
	case 0:
		*(uint64_t *)lm_map_put(h->texts, hash, text, length, NULL) = next;
		known.text[key] = next;
		break;
	case 1:
		assert_int_equal(lm_map_erase(h->texts, hash, text, length), known.text[key] != 0);
		known.text[key] = 0;
		break;
	case 2:
		*(uint64_t *)lm_map_put_at(h->ages, hash, &key, 8, 1000, NULL) = next;
		known.age[key] = next;
		break;
	case 3:
		assert_int_equal(lm_map_erase(h->counts, hash, &key, 8), known.count[key] != 0);
		known.count[key] = 0;
		break;
	default:
		*(uint64_t *)lm_map_put(h->counts, hash, &key, 8, NULL) = next;
		known.count[key] = next;
		break;
	}
}

/* A value that is found and written later: it is looked for by its address. */
static void
step_touch(uint64_t key)
{
	struct holder *h = owner_of(key);
	uint64_t *value = (uint64_t *)(uintptr_t)lm_map_get(h->counts, mix(key), &key, 8);

	if (value != NULL) {
		assert_int_equal(lm_map_slot(h->counts, value), slot_of(key));
		lm_map_touch(h->counts, value);
		known.count[key] = *value = mix(*value) | 1;
	}
}

static void
step_list(uint64_t key)
{
	struct lm_lists *lists = owner_of(key)->lists;
	struct lm_list *list = lm_list_put(lists, mix(key), &key, 8, NULL);
	uint64_t item = mix(seed);

	assert_non_null(list);
	known.listed[key] = true;
	if (known.length[key] == LENGTH_MAX || draw_below(3) == 0) {
		uint32_t popped = lm_list_pop(lists, list, 2);

		assert_int_equal(popped, known.length[key] < 2 ? known.length[key] : 2);
		known.length[key] -= popped;
		memmove(known.item[key], known.item[key] + popped, known.length[key] * 8);
	}
	assert_non_null(lm_list_append(lists, list, &item));
	known.item[key][known.length[key]++] = item;
}

/* The map of a slice that has the label, or gets it; NULL: all have other ones. */
static struct lm_map *
pane_at(struct holder *h, int64_t label)
{
	struct lm_map *unused = NULL;
	int64_t of;

	for (uint32_t p = 0; p < PANES; p++) {
		if (!lm_map_label(h->pane[p], &of)) {
			/* Not always the first: the slices are to differ. */
			unused = unused == NULL || draw_below(2) == 0 ? h->pane[p] : unused;
		} else if (of == label) {
			return h->pane[p];
		}
	}
	if (unused != NULL) {
		lm_map_set_label(unused, label);
	}
	return unused;
}

/* As many labels as there are maps are in use over all slices: so no slice ever lacks a map. */
static void
step_pane(uint64_t key)
{
	uint32_t p = draw_below(PANES);
	struct lm_map *map;

	if (known.label[p] == 0) {
		known.label[p] = 1 + (int64_t)mix(seed);
		known.label[p] += known.label[p] == 0;
	}
	map = pane_at(owner_of(key), known.label[p]);
	assert_non_null(map);
	known.pane[p][key] = mix(seed) | 1;
	*(uint64_t *)lm_map_put(map, mix(key), &key, 8, NULL) = known.pane[p][key];
}

/* A window is over, for all slices. */
static void
step_pane_over(void)
{
	uint32_t p = draw_below(PANES);
	int64_t of;

	for (uint32_t i = 0; i < SLICES * PANES; i++) {
		struct lm_map *map = holder[i / PANES].pane[i % PANES];

		if (lm_map_label(map, &of) && of == known.label[p]) {
			lm_map_clear(map);
			lm_map_drop_label(map);
		}
	}
	known.label[p] = 0;
	memset(known.pane[p], 0, sizeof(known.pane[p]));
}

/*
 * Moves and snapshots.
 */

static void
finish_shots(void)
{
	settle_all();
	for (uint32_t i = 0; i < SLICES; i++) {
		while (holder[i].shooting && !snapshot_step(&holder[i].shot)) {
		}
		if (holder[i].shooting) {
			snapshot_end(&holder[i].shot);
			holder[i].shooting = false;
		}
	}
}

static void
step_shot(void)
{
	uint32_t epoch = 0;

	finish_shots();
	for (uint32_t i = 0; i < SLICES; i++) {
		uint32_t now = holder[i].op.state.space->epoch;

		epoch = now > epoch ? now : epoch;
	}
	for (uint32_t i = 0; i < SLICES; i++) {
		/* One or the other cannot flip: it stays behind. */
		if (draw_below(6) != 0) {
			holder[i].op.state.space->epoch = epoch;
			snapshot_begin(&holder[i].shot, &holder[i].op);
			holder[i].shooting = true;
		}
	}
}

/* All slots are dealt to `slices` of them, in runs or one by one. */
static void
deal(uint16_t to[SLOTS])
{
	uint32_t slices = 1 + draw_below(SLICES), first = draw_below(SLICES - slices + 1);
	bool in_runs = draw_below(2) == 0;

	for (uint32_t s = 0; s < SLOTS; s++) {
		to[s] = (uint16_t)(first + (in_runs ? s * slices / SLOTS : draw_below(slices)));
	}
}

static uint32_t
slots_of(const uint16_t of[SLOTS], uint32_t index)
{
	uint32_t count = 0;

	for (uint32_t s = 0; s < SLOTS; s++) {
		count += of[s] == index;
	}
	return count;
}

/* What is left for later is left. */
static void
begin_move(const uint16_t to[SLOTS])
{
	static struct state_bundle bundle[SLICES][SLICES];
	uint32_t moved = 0;

	memset(bundle, 0, sizeof(bundle));
	for (uint32_t i = 0; i < SLICES; i++) {
		holder[i].op.callback = FAKE_OPEN; /* where memory may be had */
		assert_int_equal(
		    holder[i].op.state.ops->prepare(&holder[i].op, slots_of(to, i), 2 * SLICES), 0);
		holder[i].op.callback = FAKE_NONE;
	}
	for (uint32_t i = 0; i < SLICES * SLICES; i++) {
		uint32_t from = i / SLICES, target = i % SLICES;

		if (from != target) {
			holder[from].op.state.ops->give(&holder[from].op, to, target,
			                                &bundle[from][target]);
			moved += bundle[from][target].arena_count;
		}
	}
	for (uint32_t i = 0; i < SLICES * SLICES; i++) {
		struct state_bundle *b = &bundle[(i * 5 + 3) % SLICES][i / SLICES];

		if (b->from != NULL) {
			holder[i / SLICES].op.state.ops->take(&holder[i / SLICES].op, b);
			assert_int_equal(b->move.lost, 0);
			assert_null(b->from);
		}
	}
	for (uint32_t s = 0, due = 0; s < SLOTS; s++) {
		due += slice_of[s] != to[s];
		if (s == SLOTS - 1) {
			assert_int_equal(moved, due * (5 + PANES));
		}
	}
	memcpy(slice_of, to, sizeof(slice_of));
}

static void
move_to(const uint16_t to[SLOTS])
{
	begin_move(to);
	settle_all();
}

static void
step_move(void)
{
	uint16_t to[SLOTS];

	finish_shots();
	deal(to);
	begin_move(to);
}

/*
 * Checking.
 */

static void
check_value(const void *value, uint64_t want)
{
	if (want == 0) {
		assert_null(value);
	} else {
		assert_non_null(value);
		assert_int_equal(*(const uint64_t *)value, want);
	}
}

static void
check_key(uint64_t key)
{
	struct holder *h = owner_of(key);
	uint64_t hash = mix(key);
	char text[48];
	uint32_t length = text_of(key, text);
	const struct lm_list *list = lm_list_get(h->lists, hash, &key, 8);
	const uint64_t *item;

	check_value(lm_map_get(h->counts, hash, &key, 8), known.count[key]);
	check_value(lm_map_get(h->texts, hash, text, length), known.text[key]);
	check_value(lm_map_get(h->ages, hash, &key, 8), known.age[key]);
	for (uint32_t p = 0; p < PANES; p++) {
		if (known.pane[p][key] != 0) {
			check_value(lm_map_get(pane_at(h, known.label[p]), hash, &key, 8),
			            known.pane[p][key]);
		}
	}
	assert_int_equal(list != NULL, known.listed[key]);
	item = list == NULL ? NULL : lm_list_first(h->lists, list);
	for (uint32_t i = 0; i < known.length[key]; i++) {
		assert_int_equal(*item, known.item[key][i]);
		item = lm_list_next(h->lists, list, item);
	}
	assert_null(item);
}

/* What a slice counts is what the tables have of its slots. */
static void
check_counts(uint32_t index)
{
	const struct holder *h = &holder[index];
	uint32_t counts = 0, texts = 0, ages = 0, lists = 0, slots = slots_of(slice_of, index);
	uint64_t items = 0, size = 128, longs = 0;

	for (uint64_t key = 0; key < KEYS; key++) {
		char text[48];
		uint32_t length = text_of(key, text);

		if (slice_of[slot_of(key)] != index) {
			continue;
		}
		counts += known.count[key] != 0;
		texts += known.text[key] != 0;
		ages += known.age[key] != 0;
		lists += known.listed[key];
		items += known.length[key];
		longs += known.text[key] != 0 && length > LM_MAP_SHORT_MAX ? 8 + length : 0;
	}
	assert_int_equal(lm_map_count(h->counts), counts);
	assert_int_equal(lm_map_count(h->texts), texts);
	assert_in_range(h->texts->bytes_live, longs, longs + 7u * texts);
	assert_int_equal(lm_map_count(h->ages), ages);
	assert_int_equal(lm_list_keys(h->lists), lists);
	assert_int_equal(lm_list_items(h->lists), items);
	assert_int_equal(lm_map_bound(h->counts),
	                 slots == SLOTS ? 4 * KEYS : map_share(4 * KEYS, slots, SLOTS));
	for (struct arena_part *part = h->op.state.space->part; part != NULL; part = part->next) {
		size += part->by_slot ? slots * part->size : 0;
		assert_int_equal(part->arena_count, part->by_slot ? slots : 1);
	}
	assert_int_equal(h->op.state.ops->size(h->op.state.space), size);
	assert_true(h->op.state.space->log_max >=
	            size / ARENA_GRANULE / (size / ARENA_GRANULE > 16384 ? 4 : 1));
	/* What has no key stays. */
	assert_int_equal(*(const char *)lm_value_data(h->own), index + 1);
}

/* A stretch is made of arenas of the slice, and of the head of their chunk if it begins there. */
static void
check_stretch(void *slice, void *block, uintptr_t first, size_t size)
{
	struct holder *h = slice;
	const struct arena_chunk *chunk = block;
	size_t head = first == (uintptr_t)block ? (uintptr_t)chunk->first - first : 0;
	uint32_t found = 0;

	for (struct arena_part *part = h->op.state.space->part; part != NULL; part = part->next) {
		for (uint32_t i = 0; i < part->arena_count; i++) {
			uintptr_t at = (uintptr_t)arena_nth(part, i);

			found += at >= first && at < first + size;
		}
	}
	assert_int_equal(head + found * chunk->stride, size);
	h->stretched += found;
}

static void
check_stretches(struct holder *h)
{
	uint32_t arenas = 0;

	while (!space_settle(&h->op)) {
	}
	space_stretches(h->op.state.space, check_stretch, h);
	for (struct arena_part *part = h->op.state.space->part; part != NULL; part = part->next) {
		arenas += part->arena_count;
	}
	assert_int_equal(h->stretched, arenas);
}

static void
check_all(void)
{
	for (uint64_t key = 0; key < KEYS; key++) {
		check_key(key);
	}
	for (uint32_t i = 0; i < SLICES; i++) {
		check_counts(i);
	}
}

static void
test_random(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 4; round++) {
		seed = round * 1000003;
		begin(1 + draw_below(SLICES));
		for (uint32_t i = 0; i < STEPS; i++) {
			uint64_t key = draw_below(KEYS);

			switch (draw_below(40)) {
			case 0:
				step_move();
				check_all();
				break;
			case 1:
				step_shot();
				break;
			case 2:
				step_pane_over();
				break;
			case 3 ... 10:
				step_list(key);
				break;
			case 11 ... 18:
				step_pane(key);
				break;
			case 19 ... 22:
				step_touch(key);
				break;
			default:
				step_put(key);
				break;
			}
			if (holder[i % SLICES].shooting &&
			    snapshot_step(&holder[i % SLICES].shot)) {
				snapshot_end(&holder[i % SLICES].shot);
				holder[i % SLICES].shooting = false;
			}
		}
		finish_shots();
		check_all();
		for (uint32_t i = 0; i < SLICES; i++) {
			check_stretches(&holder[i]);
		}
		end();
	}
}

static uint32_t
flip(uint32_t index, uint64_t epoch, bool is_durable)
{
	struct state_space *space = holder[index].op.state.space;
	struct arena_copy copy;

	assert_true(space_flip(space, epoch));
	assert_true(arena_copy_begin(&copy, space));
	/* As the copier would: it builds on what was durable last. */
	arena_copy_end(&copy, is_durable ? (uint32_t)epoch : space->base_next);
	return copy.base;
}

/* Behind a move a snapshot is full, until one was durable. */
static void
test_base(void **state)
{
	uint16_t to[SLOTS] = { 1 };

	(void)state;
	begin(2);
	assert_int_equal(flip(0, 5, true), 0);
	assert_int_equal(flip(1, 5, true), 0);
	assert_int_equal(flip(0, 6, true), 5);
	assert_int_equal(flip(1, 6, true), 5);
	memcpy(to, slice_of, sizeof(to));
	to[0] = 1;
	to[SLOTS - 1] = 2;
	move_to(to);
	/* The heir goes on with the others' epochs. */
	assert_int_equal(holder[2].op.state.space->epoch, 7);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(flip(i, 9, false), 0);
		assert_int_equal(flip(i, 10, true), 0);
		assert_int_equal(flip(i, 11, true), 10);
	}
	end();
}

/* A map whose chunks all carry the epoch needs no touches; that goes along. */
static void
test_whole(void **state)
{
	uint16_t to[SLOTS];
	struct arena_part *part, *heir;

	(void)state;
	begin(1);
	part = &holder[0].counts->part;
	heir = &holder[1].counts->part;
	(void)flip(0, 5, true);
	for (uint32_t i = 0; i < 2; i++) {
		for (uint64_t key = 0; key < KEYS; key++) {
			*(uint64_t *)lm_map_put(holder[0].counts, mix(key), &key, 8, NULL) = 1;
			known.count[key] = 1;
		}
	}
	assert_int_equal(part->whole_epoch, 6);
	assert_int_equal(part->whole_count, SLOTS);
	for (uint32_t s = 0; s < SLOTS; s++) {
		to[s] = s % 4 == 0;
	}
	move_to(to);
	assert_int_equal(part->whole_count, SLOTS - SLOTS / 4);
	assert_int_equal(heir->whole_epoch, 6);
	assert_int_equal(heir->whole_count, SLOTS / 4);
	check_all();
	/* And with another flip it is over. */
	(void)flip(1, 6, true);
	assert_int_not_equal(heir->whole_epoch, holder[1].op.state.space->epoch);
	end();
}

/* Keys go on growing old where they have come to, and what was removed is counted there. */
static void
test_ages(void **state)
{
	uint16_t to[SLOTS] = { 0 };
	uint64_t removed;

	(void)state;
	begin(2);
	for (uint64_t key = 0; key < KEYS; key++) {
		*(uint64_t *)lm_map_put_at(owner_of(key)->ages, mix(key), &key, 8,
		                           (int64_t)key * 10, NULL) = 1;
	}
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(lm_map_expire(holder[i].ages, 1000000 + KEYS * 5, KEYS));
	}
	removed = lm_map_removed(holder[0].ages, LM_MAP_EXPIRED);
	assert_in_range(removed, 1, KEYS / 2);
	move_to(to);
	assert_int_equal(lm_map_removed(holder[0].ages, LM_MAP_EXPIRED), KEYS / 2 + 1);
	assert_int_equal(lm_map_removed(holder[1].ages, LM_MAP_EXPIRED), 0);
	/* Nothing is left to expire where they were. */
	assert_true(lm_map_expire(holder[1].ages, INT64_MAX - 1, KEYS));
	assert_false(lm_map_expire(holder[0].ages, 1000000 + KEYS * 7, 1));
	assert_true(lm_map_expire(holder[0].ages, 1000000 + KEYS * 10, KEYS));
	assert_int_equal(lm_map_count(holder[0].ages), 0);
	assert_int_equal(lm_map_removed(holder[0].ages, LM_MAP_EXPIRED), KEYS);
	end();
}

/* More labels than a slice has maps: what has no place is emptied, and counted. */
static void
test_lost(void **state)
{
	struct state_bundle bundle = { 0 };
	uint16_t to[SLOTS] = { 0 };
	uint32_t lost = 0;

	(void)state;
	begin(2);
	for (uint64_t key = 0; key < KEYS; key++) {
		struct holder *h = owner_of(key);
		bool is_second = h == &holder[1];
		struct lm_map *map =
		    pane_at(h, 1 + (int64_t)(key % (PANES - 1)) + (is_second ? 2 : 0));

		*(uint64_t *)lm_map_put(map, mix(key), &key, 8, NULL) = 1;
		/* Labels 1 to 3 are the first slice's, 3 to 5 the other's: 4 finds a place, 5 none.
		 */
		lost += is_second && key % (PANES - 1) == 2;
	}
	holder[0].op.callback = FAKE_OPEN;
	assert_int_equal(holder[0].op.state.ops->prepare(&holder[0].op, SLOTS / 2, 1), 0);
	holder[1].op.callback = FAKE_OPEN;
	assert_int_equal(holder[1].op.state.ops->prepare(&holder[1].op, 0, 1), 0);
	holder[1].op.state.ops->give(&holder[1].op, to, 0, &bundle);
	holder[0].op.state.ops->take(&holder[0].op, &bundle);
	assert_int_equal(bundle.move.lost + lm_map_count(holder[0].pane[0]) +
	                     lm_map_count(holder[0].pane[1]) + lm_map_count(holder[0].pane[2]) +
	                     lm_map_count(holder[0].pane[3]),
	                 KEYS);
	assert_true(bundle.move.lost > 0);
	memset(slice_of, 0, sizeof(slice_of));
	check_counts(0);
	end();
}

/* Ten thousand times dealt anew, nothing has grown. */
static void
test_memory(void **state)
{
	uint32_t before = 0, after = 0;

	(void)state;
	seed = 7;
	begin(3);
	for (uint64_t key = 0; key < KEYS; key++) {
		step_list(key);
		step_pane(key);
	}
	for (uint32_t i = 0; i < 10000; i++) {
		step_move();
		for (uint32_t k = 0; i == 200 && k < SLICES; k++) {
			before += holder[k].op.memory_count;
		}
	}
	for (uint32_t k = 0; k < SLICES; k++) {
		after += holder[k].op.memory_count;
	}
	/* A log that is longer than all before it may still have been needed. */
	assert_in_range(after, before, before + SLICES);
	check_all();
	end();
}

/* What nobody takes goes with the bundle. */
static void
test_drop(void **state)
{
	struct state_bundle bundle = { 0 };
	uint16_t to[SLOTS] = { 0 };
	uint32_t left = 0;

	(void)state;
	begin(2);
	to[0] = 5;
	holder[0].op.callback = FAKE_OPEN;
	assert_int_equal(holder[0].op.state.ops->prepare(&holder[0].op, 0, 1), 0);
	holder[0].op.state.ops->give(&holder[0].op, to, 5, &bundle);
	assert_int_equal(bundle.arena_count, 5 + PANES);
	assert_int_equal(bundle.slot_count, 1);
	for (const struct arena_part *part = bundle.from->part; part != NULL; part = part->next) {
		left += part->by_slot && arena_at(part, 0)->chunk->left == SLOTS / 2;
	}
	assert_int_equal(left, 5 + PANES);
	bundle.ops = holder[0].op.state.ops;
	bundle.ops->drop(&bundle);
	assert_null(bundle.from);
	assert_int_equal(arena_nth(&holder[0].counts->part, 0)->chunk->left, SLOTS / 2 - 1);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random), cmocka_unit_test(test_base),
		cmocka_unit_test(test_whole),  cmocka_unit_test(test_ages),
		cmocka_unit_test(test_lost),   cmocka_unit_test(test_drop),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
