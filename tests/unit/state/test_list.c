/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists by key against arrays: items at random, bounds of lists and of slots, snapshots taken on
 * the way and gone back to.
 */
#include "state/lm_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/route.h"
#include "tests/draw.h"
#include "tests/unit/state/state_rig.h"

#define KEYS 80u
#define ROWS 100u
#define LENGTH_MAX 40u
#define WORDS_MAX 5u
#define STEPS 2500u

struct list_case {
	uint32_t slot_bits;
	uint32_t keys_max, items_max, length_max;
	uint32_t words; /* of an item */
	enum lm_list_full when_full;
};

static const struct list_case list_cases[] = {
	{ 0, KEYS, KEYS * 4, 4, 1, LM_LIST_DROP_OLDEST },
	{ 0, KEYS, KEYS * 4, 4, 1, LM_LIST_REFUSE },
	{ 0, KEYS, 150, LENGTH_MAX, 3, LM_LIST_DROP_OLDEST },
	{ 0, KEYS, 150, LENGTH_MAX, 3, LM_LIST_REFUSE },
	{ 0, 30, 1, 1, 1, LM_LIST_DROP_OLDEST },
	{ 3, KEYS, 60, 3, 2, LM_LIST_DROP_OLDEST },
	{ 2, 40, 600, LENGTH_MAX, WORDS_MAX, LM_LIST_REFUSE },
};

/* A list as it should be: words of items, oldest first. */
struct known {
	bool present;
	uint32_t length;
	uint64_t item[LENGTH_MAX];
};

struct table {
	struct known key[KEYS];
	uint64_t dropped, next;
};

static struct model {
	const struct list_case *c;
	struct lm_op slice[2];
	uint32_t current;
	struct lm_lists *lists;
	struct table now, cut;
	struct snapshot shot;
	bool shot_under_way, shot_done;
	uint64_t seed, refused;
} m;

static uint32_t
draw_below(uint32_t below)
{
	return (uint32_t)(mix(m.seed++) % below);
}

static void
open_slice(void)
{
	static const uint32_t field = 0;
	struct lm_list_shape shape = { .keys = { .key_size = 8,
		                                 .keys_max = m.c->keys_max,
		                                 .fields = &field,
		                                 .field_count = 1 },
		                       .item_size = m.c->words * 8,
		                       .items_max = m.c->items_max,
		                       .length_max = m.c->length_max,
		                       .when_full = m.c->when_full };
	struct lm_op *slice = &m.slice[m.current];

	state_rig_open(slice, m.c->slot_bits);
	m.lists = lm_list_open(slice, &shape);
	assert_non_null(m.lists);
}

/*
 * The table.
 */

static uint64_t
table_items(uint32_t slot, bool all)
{
	uint64_t items = 0;

	for (uint32_t k = 0; k < KEYS; k++) {
		if (all || route_slot(mix(k), m.c->slot_bits) == slot) {
			items += m.now.key[k].present ? m.now.key[k].length : 0;
		}
	}
	return items;
}

static void
table_pop(struct known *key, uint32_t count)
{
	key->length -= count;
	memmove(key->item, key->item + count, key->length * sizeof(key->item[0]));
}

/* False: refused. */
static bool
table_append(uint32_t k, uint64_t word)
{
	struct known *key = &m.now.key[k];

	if (key->length == m.c->length_max ||
	    table_items(route_slot(mix(k), m.c->slot_bits), false) == m.c->items_max) {
		if (m.c->when_full == LM_LIST_REFUSE || key->length == 0) {
			return false;
		}
		table_pop(key, 1);
		m.now.dropped++;
	}
	key->item[key->length++] = word;
	return true;
}

static void
item_write(uint64_t *item, uint64_t word)
{
	for (uint32_t w = 0; w < m.c->words; w++) {
		item[w] = word + w;
	}
}

static void
check_list(uint32_t k, const struct lm_list *list)
{
	const struct known *key = &m.now.key[k];
	const uint64_t *item = lm_list_first(m.lists, list);

	assert_true(key->present);
	assert_int_equal(lm_list_length(list), key->length);
	for (uint32_t i = 0; i < key->length; i++) {
		assert_non_null(item);
		for (uint32_t w = 0; w < m.c->words; w++) {
			assert_int_equal(item[w], key->item[i] + w);
		}
		item = lm_list_next(m.lists, list, item);
	}
	assert_null(item);
}

/*
 * Steps.
 */

/* A batch of keys, some of them one and the same, and an item for each. */
static void
step_append(void)
{
	uint64_t key[ROWS], hash[ROWS], items[ROWS * WORDS_MAX];
	uint32_t count = 1 + draw_below(ROWS), range = 1 + draw_below(KEYS), refused = 0;
	struct lm_map_rows in = { .hash = hash, .keys = key, .count = count };
	struct lm_list *list[ROWS];

	for (uint32_t i = 0; i < count; i++) {
		key[i] = draw_below(range);
		hash[i] = mix(key[i]);
		item_write(items + i * m.c->words, m.now.next + i * 100);
	}
	(void)lm_list_upsert(m.lists, &in, list, NULL);
	for (uint32_t i = 0; i < count; i++) {
		struct known *known = &m.now.key[key[i]];

		known->present |= list[i] != NULL;
		refused += !known->present || !table_append((uint32_t)key[i], m.now.next + i * 100);
	}
	m.now.next += count * 100;
	assert_int_equal(lm_list_append_all(m.lists, list, items, count), refused);
	m.refused += refused;
}

static void
step_find(void)
{
	uint64_t key[KEYS], hash[KEYS];
	struct lm_map_rows in = { .hash = hash, .keys = key, .count = KEYS };
	struct lm_list *list[KEYS];

	for (uint32_t k = 0; k < KEYS; k++) {
		key[k] = k;
		hash[k] = mix(k);
	}
	(void)lm_list_find(m.lists, &in, list);
	for (uint32_t k = 0; k < KEYS; k++) {
		assert_int_equal(list[k] != NULL, m.now.key[k].present);
		if (list[k] != NULL) {
			check_list(k, list[k]);
		}
	}
}

/* One key: an item more, items less, an item written again, or gone altogether. */
static void
step_one(void)
{
	uint64_t key = draw_below(KEYS), item[WORDS_MAX], *place;
	struct known *known = &m.now.key[key];
	uint32_t count = draw_below(8), length;
	struct lm_list *list;

	switch (draw_below(5)) {
	case 0:
		assert_int_equal(lm_list_erase(m.lists, mix(key), &key, 8), known->present);
		*known = (struct known){ 0 };
		return;
	case 1:
		list = lm_list_put(m.lists, mix(key), &key, 8, NULL);
		assert_true(list != NULL || !known->present);
		if (list != NULL) {
			known->present = true;
			item_write(item, 7);
			assert_int_equal(lm_list_append(m.lists, list, item) != NULL,
			                 table_append((uint32_t)key, 7));
		}
		return;
	default:
		break;
	}
	list = lm_list_get(m.lists, mix(key), &key, 8);
	if (list == NULL) {
		return;
	}
	length = known->length;
	if (draw_below(2) == 0 && length > 0) {
		place = lm_list_first(m.lists, list);
		lm_list_touch(m.lists, list, place);
		item_write(place, 9);
		known->item[0] = 9;
	} else if (draw_below(2) == 0) {
		count = count < length ? count : length;
		assert_int_equal(lm_list_pop(m.lists, list, count + (count == length)), count);
		table_pop(known, count);
	} else {
		count = length > count ? length - count : 0;
		assert_int_equal(lm_list_trim(m.lists, list, length - count), count);
		table_pop(known, count);
	}
	check_list((uint32_t)key, list);
}

static void
step_scan(void)
{
	struct lm_map_entry entry[9], again;
	uint64_t cursor = 0;
	uint32_t count, seen = 0;

	while ((count = lm_list_scan(m.lists, &cursor, entry, 9)) > 0) {
		for (uint32_t i = 0; i < count; i++) {
			check_list((uint32_t) * (const uint64_t *)entry[i].key, entry[i].value);
		}
		lm_list_entry_of(m.lists, entry[0].value, &again);
		assert_ptr_equal(again.key, entry[0].key);
		seen += count;
	}
	assert_int_equal(seen, lm_list_keys(m.lists));
}

static void
go_back(void)
{
	uint32_t before = m.current;

	m.current = 1 - m.current;
	open_slice();
	snapshot_restore(&m.shot, &m.slice[m.current]);
	snapshot_end(&m.shot);
	state_rig_close(&m.slice[before]);
	m.now = m.cut;
	m.shot_done = false;
}

static void
step_snapshot(void)
{
	if (m.shot_under_way) {
		for (uint32_t steps = draw_below(6); steps > 0 && m.shot_under_way; steps--) {
			m.shot_under_way = !snapshot_step(&m.shot);
			m.shot_done = !m.shot_under_way;
		}
	} else if (m.shot_done && draw_below(4) == 0) {
		go_back();
	} else if (draw_below(5) == 0) {
		if (m.shot_done) {
			snapshot_end(&m.shot);
		}
		m.cut = m.now;
		snapshot_begin(&m.shot, &m.slice[m.current]);
		m.shot_under_way = true;
		m.shot_done = false;
	}
}

static void
run_case(const struct list_case *c, uint64_t seed)
{
	memset(&m, 0, sizeof(m));
	m.c = c;
	m.seed = seed;
	open_slice();
	for (uint32_t i = 0; i < STEPS; i++) {
		switch (draw_below(10)) {
		case 0:
			step_find();
			break;
		case 1:
			step_scan();
			break;
		case 2:
		case 3:
			step_append();
			break;
		default:
			step_one();
			break;
		}
		assert_int_equal(lm_list_items(m.lists), table_items(0, true));
		assert_int_equal(lm_list_dropped(m.lists), m.now.dropped);
		step_snapshot();
	}
	while (m.shot_under_way) {
		m.shot_under_way = !snapshot_step(&m.shot);
		m.shot_done = true;
	}
	if (m.shot_done) {
		snapshot_end(&m.shot);
	}
	assert_true(m.refused + m.now.dropped > 0);
	state_rig_close(&m.slice[m.current]);
}

static void
test_model(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(list_cases) / sizeof(list_cases[0]); i++) {
		for (uint64_t seed = 1; seed <= 2; seed++) {
			run_case(&list_cases[i], seed << 32 | i << 20);
		}
	}
}

static void
test_shapes(void **state)
{
	struct lm_list_shape good = { .keys = { .key_size = 8, .keys_max = 10 },
		                      .item_size = 8,
		                      .items_max = 20,
		                      .length_max = 5 },
			     bad;
	struct lm_op slice;

	(void)state;
	state_rig_open(&slice, 0);
	assert_non_null(lm_list_open(&slice, &good));
	bad = good;
	bad.item_size = 12;
	assert_null(lm_list_open(&slice, &bad));
	bad = good;
	bad.item_size = 0;
	assert_null(lm_list_open(&slice, &bad));
	bad = good;
	bad.length_max = 21;
	assert_null(lm_list_open(&slice, &bad));
	bad = good;
	bad.length_max = 0;
	assert_null(lm_list_open(&slice, &bad));
	bad = good;
	bad.keys.key_size = 7;
	assert_null(lm_list_open(&slice, &bad));
	state_rig_close(&slice);
}

/* What is known before start: no more memory than items, links and keys come to. */
static void
test_memory(void **state)
{
	struct lm_list_shape shape = { .keys = { .key_size = 8, .keys_max = 100000 },
		                       .item_size = 56,
		                       .items_max = 1000000,
		                       .length_max = 100 };
	struct lm_op slice;

	(void)state;
	state_rig_open(&slice, 0);
	assert_non_null(lm_list_open(&slice, &shape));
	assert_in_range(slice.state.ops->size(slice.state.space), 1000000 * 64 + 100000 * 24,
	                1000000 * 64 + 100000 * 48);
	state_rig_close(&slice);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
