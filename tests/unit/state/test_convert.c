/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One version's state becomes another's, and goes back, at any moment: maps of words, of texts, of
 * keys that grow old, lists, maps with labels, a value, and a map that stays what it is, against
 * tables of what was put in. Version 1 keeps a number; version 2 the number and one that follows
 * from it, so that what was not converted, or twice, is seen.
 */
#include "state/lm_convert.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/route.h"
#include "state/convert.h"
#include "state/lm_map_aging.h"
#include "state/space.h"
#include "tests/unit/state/state_rig.h"

#define SLOT_BITS 4u
#define SLOTS (1u << SLOT_BITS)
#define KEYS 200u
#define PANES 3u
#define LENGTH_MAX 5u

struct holder {
	struct lm_op op;
	uint32_t version;
	struct lm_map *counts, *texts, *ages, *seen, *pane[PANES];
	struct lm_lists *lists;
	struct lm_value *own;
};

static uint64_t seed;
/* Slots whose conversion fails; how often each was converted; how often what is of no slot was. */
static uint32_t fails;
static uint32_t converted[SLOTS], rests;
/* Steps that were over before their slot was; whether the class is deaf to that. */
static uint32_t pauses;
static bool ignores_pauses;

static struct {
	uint64_t count[KEYS], text[KEYS], age[KEYS], seen[KEYS], pane[PANES][KEYS], own;
	uint64_t item[KEYS][LENGTH_MAX], expired;
	uint32_t length[KEYS];
	bool listed[KEYS];
} known;

static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint32_t
draw(uint32_t below)
{
	return (uint32_t)(mix(seed++) % below);
}

static uint32_t
slot_of(uint64_t key)
{
	return route_slot(mix(key), SLOT_BITS);
}

static uint32_t
text_of(uint64_t key, char text[48])
{
	memset(text, (int)('a' + key % 26), 48);
	memcpy(text, &key, sizeof(key));
	return 8 + (uint32_t)(key % 30);
}

/* A value as the version has it. */
static void
write_value(uint32_t version, void *value, uint64_t number)
{
	uint64_t *word = value;

	word[0] = number;
	if (version == 2) {
		word[1] = mix(number);
	}
}

static uint64_t
read_value(uint32_t version, const void *value)
{
	const uint64_t *word = value;

	if (value == NULL) {
		return 0;
	}
	if (version == 2) {
		assert_true(word[1] == (word[0] == 0 ? 0 : mix(word[0])));
	}
	return word[0];
}

/*
 * Opening.
 */

static void
open_maps(struct holder *h)
{
	static const uint32_t field = 0;
	uint32_t size = 8 * h->version;
	struct lm_map_shape words = { .key_size = 8,
		                      .value_size = size,
		                      .keys_max = 4 * KEYS,
		                      .fields = &field,
		                      .field_count = 1 };
	struct lm_map_shape texts = words, seen = words, panes = words;
	struct lm_list_shape lists = { .keys = words,
		                       .item_size = size,
		                       .items_max = 4 * KEYS * LENGTH_MAX,
		                       .length_max = LENGTH_MAX };
	struct lm_map_aging aging = { .when_full = LM_MAP_EVICT_OLDEST, .ttl_ns = 1000000 };

	texts.key_size = 0;
	texts.bytes_max = 4 * KEYS * 64;
	seen.value_size = 8;
	h->counts = lm_map_open(&h->op, &words);
	h->seen = lm_map_open(&h->op, &seen);
	h->texts = lm_map_open(&h->op, &texts);
	h->own = lm_value_open(&h->op, 64 * h->version);
	h->ages = lm_map_open_aging(&h->op, &words, &aging);
	h->lists = lm_list_open(&h->op, &lists);
	panes.keep_hash = true;
	for (uint32_t p = 0; p < PANES; p++) {
		panes.alike = p == 0 ? NULL : h->pane[0];
		h->pane[p] = lm_map_open(&h->op, &panes);
		assert_non_null(h->pane[p]);
	}
	if (h->version == 2) {
		lm_map_unchanged_since(&h->op, h->seen, 1);
	}
}

static void
open_holder(struct holder *h, uint32_t version)
{
	memset(h, 0, sizeof(*h));
	h->version = version;
	state_rig_open(&h->op, SLOT_BITS);
	h->op.state.is_newer = version == 2;
	h->op.state.from_version = 1;
	open_maps(h);
	assert_int_equal(h->op.state.ops->arm(&h->op, h->op.state.space), 0);
}

/* What moved stands in memory of whoever had it first. */
static void
close_all(struct holder **h, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		h[i]->op.state.ops->close(&h[i]->op);
	}
	for (uint32_t i = 0; i < count; i++) {
		state_rig_close(&h[i]->op);
	}
}

/*
 * Converting.
 */

static int
twice(void *arg, const struct lm_map_entry *from, void *to)
{
	(void)arg;
	write_value(2, to, read_value(1, from->value));
	return 0;
}

static int
once(void *arg, const struct lm_map_entry *from, void *to)
{
	(void)arg;
	write_value(1, to, read_value(2, from->value));
	return 0;
}

static int
item_twice(void *arg, const void *from, void *to)
{
	(void)arg;
	write_value(2, to, read_value(1, from));
	return 0;
}

static int
item_once(void *arg, const void *from, void *to)
{
	(void)arg;
	write_value(1, to, read_value(2, from));
	return 0;
}

/* Maps with labels key by key: where windows are may differ. */
static void
panes_by_hand(uint32_t slot, const struct lm_map *from, struct lm_map *to, uint32_t version)
{
	struct lm_map_entry entry[7];
	uint64_t cursor = 0;
	uint32_t count;

	do {
		count = lm_map_scan_slot(from, slot, &cursor, entry, 7);
		for (uint32_t i = 0; i < count; i++) {
			void *value =
			    lm_map_put(to, entry[i].hash, entry[i].key, entry[i].length, NULL);

			assert_non_null(value);
			write_value(version, value, read_value(3 - version, entry[i].value));
		}
	} while (count > 0);
}

static void
rest(const struct lm_value *from, struct lm_value *to, uint32_t version)
{
	uint64_t number = read_value(3 - version, lm_value_data(from));

	lm_value_touch(to, lm_value_data(to), 16);
	write_value(version, lm_value_data(to), number);
	rests++;
}

/* The step is over, or a piece is through. */
#define GO_ON(what)                                                                                \
	do {                                                                                       \
		int result_ = (what);                                                              \
		if (result_ == LM_CONVERSION_MORE) {                                               \
			pauses++;                                                                  \
			return ignores_pauses ? 0 : result_;                                       \
		}                                                                                  \
		assert_int_equal(result_, 0);                                                      \
	} while (0)

static int
convert(struct lm_op *op, struct lm_conversion *from)
{
	struct holder *h = (struct holder *)op;

	assert_int_equal(from->version, 1);
	if (from->slot == LM_NONE) {
		rest(lm_conversion_value(from, 0), h->own, 2);
		return 0;
	}
	/* It came by pointer. */
	assert_null(lm_conversion_map(from, 1));
	assert_null(lm_conversion_map(from, 4 + PANES));
	GO_ON(lm_conversion_values(from, lm_conversion_map(from, 0), h->counts, twice, NULL));
	GO_ON(lm_conversion_values(from, lm_conversion_map(from, 2), h->texts, twice, NULL));
	converted[from->slot] += (fails >> from->slot & 1) != 0;
	if ((fails >> from->slot & 1) != 0) {
		snprintf(from->why, sizeof(from->why), "it was told to");
		return -EINVAL;
	}
	GO_ON(lm_conversion_values(from, lm_conversion_map(from, 3), h->ages, twice, NULL));
	GO_ON(lm_conversion_items(from, lm_conversion_list(from, 0), h->lists, item_twice, NULL));
	for (uint32_t p = 0; p < PANES; p++) {
		panes_by_hand(from->slot, lm_conversion_map(from, 4 + p), h->pane[p], 2);
	}
	converted[from->slot]++;
	return 0;
}

static int
convert_back(struct lm_op *op, struct lm_conversion *to)
{
	struct holder *h = (struct holder *)op;

	assert_int_equal(h->version, 2);
	if (to->slot == LM_NONE) {
		rest(h->own, lm_conversion_value(to, 0), 1);
		return 0;
	}
	/* By hand first, which is done anew in each step. */
	for (uint32_t p = 0; p < PANES; p++) {
		panes_by_hand(to->slot, h->pane[p], lm_conversion_map(to, 4 + p), 1);
	}
	GO_ON(lm_conversion_values(to, h->counts, lm_conversion_map(to, 0), once, NULL));
	GO_ON(lm_conversion_values(to, h->texts, lm_conversion_map(to, 2), once, NULL));
	GO_ON(lm_conversion_values(to, h->ages, lm_conversion_map(to, 3), once, NULL));
	GO_ON(lm_conversion_items(to, h->lists, lm_conversion_list(to, 0), item_once, NULL));
	converted[to->slot]++;
	return 0;
}

/* `to` is open and takes the place of `from`. */
static void
go_over(struct holder *from, struct holder *to)
{
	struct state_converter how = { .was = &from->op,
		                       .was_version = from->version,
		                       .version = to->version,
		                       .is_back = to->version == 1,
		                       .convert = to->version == 1 ? convert_back : convert };
	struct lm_conversion all = { .version = 1,
		                     .slot = LM_NONE,
		                     .other = to->version == 1 ? &to->op : &from->op };
	const struct state_ops *ops = to->op.state.ops;

	memset(converted, 0, sizeof(converted));
	assert_null(ops->can_convert(&to->op, &how));
	assert_int_equal(ops->prepare_conversion(&to->op, &how), 0);
	ops->convert(&to->op);
	assert_int_equal(state_converter_call(&how, &to->op, &all), 0);
}

/*
 * Steps.
 */

static void
put(struct holder *h, struct lm_map *map, uint64_t key, uint64_t *number)
{
	void *value = map == h->ages ? lm_map_put_at(map, mix(key), &key, 8, 1000, NULL)
	                             : lm_map_put(map, mix(key), &key, 8, NULL);

	assert_non_null(value);
	assert_true(read_value(map == h->seen ? 1 : h->version, value) == *number || *number == 0);
	*number = mix(seed) | 1;
	write_value(map == h->seen ? 1 : h->version, value, *number);
}

static void
step_text(struct holder *h, uint64_t key)
{
	char text[48];
	uint32_t length = text_of(key, text);

	if (draw(3) == 0) {
		assert_int_equal(lm_map_erase(h->texts, mix(key), text, length),
		                 known.text[key] != 0);
		known.text[key] = 0;
		return;
	}
	known.text[key] = mix(seed) | 1;
	write_value(h->version, lm_map_put(h->texts, mix(key), text, length, NULL),
	            known.text[key]);
}

static void
step_list(struct holder *h, uint64_t key)
{
	struct lm_list *list = lm_list_put(h->lists, mix(key), &key, 8, NULL);
	uint64_t item[2] = { 0, 0 };

	assert_non_null(list);
	assert_int_equal(lm_list_length(list), known.length[key]);
	known.listed[key] = true;
	if (known.length[key] == LENGTH_MAX) {
		assert_int_equal(lm_list_pop(h->lists, list, 2), 2);
		known.length[key] -= 2;
		memmove(known.item[key], known.item[key] + 2, known.length[key] * 8);
	}
	write_value(h->version, item, mix(seed) | 1);
	assert_non_null(lm_list_append(h->lists, list, item));
	known.item[key][known.length[key]++] = item[0];
}

/* A batch of keys, some of them twice. */
static void
step_batch(struct holder *h)
{
	uint64_t key[100], hash[100];
	void *value[100];

	for (uint32_t i = 0; i < 100; i++) {
		key[i] = draw(KEYS);
		hash[i] = mix(key[i]);
	}
	assert_int_equal(
	    lm_map_upsert(h->counts,
	                  &(struct lm_map_rows){ .hash = hash, .keys = key, .count = 100 }, value,
	                  NULL),
	    0);
	for (uint32_t i = 0; i < 100; i++) {
		assert_true(known.count[key[i]] == 0 ||
		            read_value(h->version, value[i]) == known.count[key[i]]);
		known.count[key[i]] = mix(seed++) | 1;
		write_value(h->version, value[i], known.count[key[i]]);
	}
}

/* Keys that wait count as those that are there. */
static void
check_counts(struct holder *h)
{
	uint32_t counts = 0, texts = 0, ages = 0, panes = 0;

	for (uint32_t key = 0; key < KEYS; key++) {
		counts += known.count[key] != 0;
		texts += known.text[key] != 0;
		ages += known.age[key] != 0;
		panes += known.pane[1][key] != 0;
	}
	assert_int_equal(lm_map_count(h->counts), counts);
	assert_int_equal(lm_map_count(h->texts), texts);
	assert_int_equal(lm_map_count(h->ages), ages);
	assert_int_equal(lm_map_count(h->pane[1]), panes);
}

static uint64_t
items_known(void)
{
	uint64_t items = 0;

	for (uint32_t key = 0; key < KEYS; key++) {
		items += known.length[key];
	}
	return items;
}

/* A walk through all, half of the times. */
static void
step_scan(struct holder *h)
{
	struct lm_map_entry entry[16];
	uint64_t cursor = 0;
	uint32_t count, keys = 0, all = 0;

	for (uint32_t key = 0; key < KEYS; key++) {
		all += known.pane[0][key] != 0;
	}
	do {
		count = lm_map_scan(h->pane[0], &cursor, entry, 16);
		for (uint32_t i = 0; i < count; i++) {
			assert_true(read_value(h->version, entry[i].value) ==
			            known.pane[0][*(const uint64_t *)entry[i].key]);
		}
		keys += count;
	} while (count > 0);
	assert_int_equal(keys, all);
}

static void
step(struct holder *h)
{
	uint64_t key = draw(KEYS);

	switch (draw(40)) {
	case 0:
		step_batch(h);
		break;
	case 1:
		if (draw(6) == 0) {
			step_scan(h);
		}
		break;
	case 2:
	case 3:
	case 4:
		put(h, h->ages, key, &known.age[key]);
		break;
	case 5:
	case 6:
	case 7:
		put(h, h->seen, key, &known.seen[key]);
		break;
	case 8:
	case 9:
	case 10:
		step_text(h, key);
		break;
	case 11:
	case 12:
	case 13:
		step_list(h, key);
		break;
	case 14:
	case 15:
	case 16: {
		uint32_t p = draw(PANES);

		put(h, h->pane[p], key, &known.pane[p][key]);
		break;
	}
	case 17:
		lm_value_touch(h->own, lm_value_data(h->own), 16);
		write_value(h->version, lm_value_data(h->own), known.own = mix(seed) | 1);
		break;
	case 18:
		if (h->op.state.space->conversion != NULL) {
			(void)h->op.state.ops->convert_some(&h->op);
			check_counts(h);
		}
		break;
	default:
		put(h, h->counts, key, &known.count[key]);
		break;
	}
}

static void
check_key(struct holder *h, uint64_t key)
{
	uint64_t hash = mix(key);
	char text[48];
	uint32_t length = text_of(key, text);
	const struct lm_list *list = lm_list_get(h->lists, hash, &key, 8);
	const void *item;

	assert_true(read_value(h->version, lm_map_get(h->counts, hash, &key, 8)) ==
	            known.count[key]);
	assert_true(read_value(h->version, lm_map_get(h->texts, hash, text, length)) ==
	            known.text[key]);
	assert_true(read_value(h->version, lm_map_get(h->ages, hash, &key, 8)) == known.age[key]);
	assert_true(read_value(1, lm_map_get(h->seen, hash, &key, 8)) == known.seen[key]);
	for (uint32_t p = 0; p < PANES; p++) {
		assert_true(read_value(h->version, lm_map_get(h->pane[p], hash, &key, 8)) ==
		            known.pane[p][key]);
	}
	assert_int_equal(list != NULL, known.listed[key]);
	item = list == NULL ? NULL : lm_list_first(h->lists, list);
	for (uint32_t i = 0; i < known.length[key]; i++) {
		assert_true(read_value(h->version, item) == known.item[key][i]);
		item = lm_list_next(h->lists, list, item);
	}
	assert_null(item);
}

static void
check(struct holder *h)
{
	check_counts(h);
	for (uint32_t key = 0; key < KEYS; key++) {
		check_key(h, key);
	}
	check_counts(h);
	assert_int_equal(lm_list_items(h->lists), items_known());
	assert_int_equal(lm_map_removed(h->ages, LM_MAP_EXPIRED), known.expired);
	assert_true(read_value(h->version, lm_value_data(h->own)) == known.own);
}

static void
begin(struct holder *h)
{
	memset(&known, 0, sizeof(known));
	fails = 0;
	open_holder(h, 1);
	known.own = 5;
	write_value(1, lm_value_data(h->own), 5);
	for (uint32_t p = 0; p < PANES; p++) {
		lm_map_set_label(h->pane[p], p + 7);
	}
	/* Keys that are gone, whose number stays. */
	known.expired = 20;
	for (uint64_t key = KEYS; key < KEYS + known.expired; key++) {
		assert_non_null(lm_map_put_at(h->ages, mix(key), &key, 8, -2000000, NULL));
	}
	assert_true(lm_map_expire(h->ages, 0, UINT32_MAX));
	for (uint32_t i = draw(2000); i > 0; i--) {
		step(h);
	}
	/* Steps as long as they are, or as short as can be. */
	conversion_step_ns = draw(2) == 0 ? 12000 : 0;
	ignores_pauses = draw(4) == 0;
}

/* To version 2, and back, and there again, at any moment; a snapshot has it all. */
static void
test_there_and_back(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 60; round++) {
		struct holder *all = calloc(6, sizeof(*all)), *h = all;
		struct snapshot shot;

		begin(h);
		for (uint32_t i = 1; i < 6; i++, h++) {
			open_holder(h + 1, 3 - h->version);
			go_over(h, h + 1);
			for (uint32_t steps = draw(60); steps > 0; steps--) {
				step(h + 1);
			}
			/* What waits while it goes on to the next is converted before, but on the
			 * way back: that is by pointer. */
			while (h[1].version == 1 && h[1].op.state.space->conversion != NULL &&
			       h[1].op.state.ops->convert_some(&h[1].op)) {
			}
			for (uint32_t s = 0; s < SLOTS; s++) {
				assert_true(converted[s] <= 1);
			}
			if (h[1].op.state.space->conversion == NULL) {
				check(h + 1);
			}
		}
		check(h);
		assert_int_equal(h->op.state.slots_waiting, 0);
		assert_null(h->op.state.space->conversion);
		snapshot_begin(&shot, &h->op);
		while (!snapshot_step(&shot)) {
			step(h);
		}
		snapshot_end(&shot);
		close_all((struct holder *[]){ all, all + 1, all + 2, all + 3, all + 4, all + 5 },
		          6);
		free(all);
	}
	assert_int_equal(rests, 60 * 5);
	assert_true(pauses > 1000);
}

/* A slot that cannot be converted has no keys for the new code, and all of them for the old. */
static void
test_fails(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 20; round++) {
		struct holder first, second, back;
		uint64_t key = 0;

		begin(&first);
		open_holder(&second, 2);
		fails = 1u << round % SLOTS;
		go_over(&first, &second);
		while (slot_of(key) != round % SLOTS || known.count[key] == 0) {
			if (++key == KEYS) {
				break;
			}
		}
		if (key < KEYS && round % 2 == 0) {
			assert_null(lm_map_put(second.counts, mix(key), &key, 8, NULL));
			assert_int_equal(second.op.state.slots_failed, 1);
		}
		while (second.op.state.ops->convert_some(&second.op)) {
		}
		assert_true(second.op.state.convert_failed);
		assert_int_equal(second.op.state.slots_failed, 1);
		assert_non_null(strstr(second.op.state.convert_why, "it was told to"));
		if (key < KEYS) {
			assert_null(lm_map_get(second.counts, mix(key), &key, 8));
			assert_null(lm_map_put(second.counts, mix(key), &key, 8, NULL));
			assert_null(lm_list_put(second.lists, mix(key), &key, 8, NULL));
		}
		assert_int_equal(converted[round % SLOTS], 1);
		open_holder(&back, 1);
		go_over(&second, &back);
		assert_int_equal(converted[round % SLOTS], 0);
		check(&back);
		for (uint32_t steps = 100; steps > 0; steps--) {
			step(&back);
		}
		check(&back);
		close_all((struct holder *[]){ &first, &second, &back }, 3);
	}
}

/* Another shape that is said to be none; no function to convert with. */
static void
test_refused(void **state)
{
	struct holder first, second;
	struct state_converter how = {
		.was = &first.op, .was_version = 1, .version = 2, .convert = convert
	};
	const struct state_ops *ops;

	(void)state;
	begin(&first);
	open_holder(&second, 2);
	ops = second.op.state.ops;
	assert_null(ops->can_convert(&second.op, &how));
	lm_map_unchanged_since(&second.op, second.texts, 2);
	assert_null(ops->can_convert(&second.op, &how));
	lm_map_unchanged_since(&second.op, second.texts, 1);
	assert_non_null(strstr(ops->can_convert(&second.op, &how), "another shape"));
	how.convert = NULL;
	lm_map_unchanged_since(&second.op, second.texts, 2);
	assert_non_null(strstr(ops->can_convert(&second.op, &how), "cannot convert"));
	close_all((struct holder *[]){ &first, &second }, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_fails),
		cmocka_unit_test(test_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
