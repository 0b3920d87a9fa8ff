/* SPDX-License-Identifier: BSD-3-Clause */
/* Maps of several slots: which slice has which, what each may hold, and what a restore refuses. */
#include "state/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "state/arena_copy.h"
#include "tests/draw.h"
#include "tests/unit/operators/fake_op.h"

#define SLOT_BITS 6u
#define SLICES 3u
#define KEYS 20000u

static const uint32_t field = 4;
static const struct lm_map_shape shape = {
	.key_size = 8, .value_size = 8, .keys_max = KEYS, .fields = &field, .field_count = 1
};
static uint16_t slice_of[1 << SLOT_BITS];
static struct lm_op slice[SLICES];
static struct fake_operator subject;

static int
begin(void **state)
{
	static const struct lm_op_class class = { .name = "fake" };

	(void)state;
	subject.class = &class;
	for (uint32_t s = 0; s < 1u << SLOT_BITS; s++) {
		slice_of[s] = (uint16_t)(s * SLICES >> SLOT_BITS);
	}
	memset(slice, 0, sizeof(slice));
	for (uint32_t i = 0; i < SLICES; i++) {
		struct op_state *op = op_state(&slice[i]);

		slice[i].callback = FAKE_OPEN;
		slice[i].subject = &subject;
		op->slot_bits = SLOT_BITS;
		op->slice_of = slice_of;
		op->index = i;
		op->key = &field;
		op->key_count = 1;
	}
	return 0;
}

static int
end(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SLICES; i++) {
		for (uint32_t k = 0; k < slice[i].memory_count; k++) {
			free(slice[i].memory[k]);
		}
		free(slice[i].memory);
	}
	return 0;
}

/* Each key goes to the slice of its slot; together they hold `keys_max`, each no more than that. */
static void
test_slices(void **state)
{
	struct lm_map *map[SLICES];
	uint32_t sum = 0;

	(void)state;
	for (uint32_t i = 0; i < SLICES; i++) {
		map[i] = lm_map_open(&slice[i], &shape);
		assert_non_null(map[i]);
		assert_in_range(map[i]->part.arena_count, 21, 22);
	}
	for (uint64_t k = 0; k < KEYS; k++) {
		uint64_t hash = mix(k);
		uint32_t owner = slice_of[route_slot(hash, SLOT_BITS)];
		uint64_t *value = lm_map_put(map[owner], hash, &k, 8, NULL);

		assert_non_null(value);
		*value = k;
		/* The others do not have it, and say so. */
		assert_null(lm_map_get(map[(owner + 1) % SLICES], hash, &k, 8));
	}
	for (uint32_t i = 0; i < SLICES; i++) {
		struct lm_map_entry entry[100];
		uint64_t cursor = 0;
		uint32_t seen = 0, count;

		while ((count = lm_map_scan(map[i], &cursor, entry, 100)) > 0) {
			struct lm_map_entry again;

			assert_int_equal(*(uint64_t *)entry[0].value,
			                 *(const uint64_t *)entry[0].key);
			lm_map_entry_of(map[i], entry[count - 1].value, &again);
			assert_ptr_equal(again.key, entry[count - 1].key);
			seen += count;
		}
		assert_int_equal(seen, lm_map_count(map[i]));
		sum += seen;
	}
	assert_int_equal(sum, KEYS);
}

/* The only slice of an operator holds exactly `keys_max`; a slot some more than its share. */
static void
test_bounds(void **state)
{
	struct lm_map *map;
	uint64_t hash = 5;
	uint32_t taken = 0, share = KEYS >> SLOT_BITS;

	(void)state;
	slice[0].state.slice_of = NULL;
	slice[0].state.is_alone = true;
	map = lm_map_open(&slice[0], &shape);
	for (uint64_t k = 0; k < KEYS + 10; k++) {
		taken += lm_map_put(map, mix(k), &k, 8, NULL) != NULL;
	}
	assert_int_equal(taken, KEYS);
	lm_map_clear(map);
	assert_int_equal(lm_map_count(map), 0);
	for (taken = 0; lm_map_put(map, hash, &(uint64_t){ taken }, 8, NULL) != NULL; taken++) {
	}
	assert_in_range(taken, share + 6 * 17, share + 6 * 18 + 10);
}

/* A map whose key is not what rows are routed by is one slot. */
static void
test_not_routed(void **state)
{
	static const uint32_t other = 5;
	struct lm_map_shape odd = shape;

	(void)state;
	odd.fields = &other;
	assert_int_equal(lm_map_open(&slice[0], &odd)->slot_bits, 0);
	odd.fields = NULL;
	assert_int_equal(lm_map_open(&slice[0], &odd)->slot_bits, 0);
	assert_int_equal(lm_map_open(&slice[0], &shape)->slot_bits, SLOT_BITS);
}

/* Counts are made anew from the blocks; blocks of another shape are refused. */
static void
test_restored(void **state)
{
	struct lm_map_shape wide = shape;
	struct lm_map *from, *to, *other;
	uint64_t key;

	(void)state;
	slice[0].state.slice_of = NULL;
	slice[1].state.slice_of = NULL;
	slice[2].state.slice_of = NULL;
	wide.value_size = 16;
	from = lm_map_open(&slice[0], &shape);
	to = lm_map_open(&slice[1], &shape);
	other = lm_map_open(&slice[2], &wide);
	for (key = 0; key < 500; key++) {
		*(uint64_t *)lm_map_put(from, mix(key), &key, 8, NULL) = key * 3;
	}
	for (uint32_t i = 0; i < from->part.arena_count; i++) {
		const struct arena *arena = arena_nth(&from->part, i);

		arena_restore(arena_nth(&to->part, i), 0, arena->memory, (uint32_t)arena->size, 4);
		arena_restore(arena_nth(&other->part, i), 0, arena->memory, (uint32_t)arena->size,
		              4);
	}
	assert_true(space_restored(slice[1].state.space, 4));
	assert_int_equal(lm_map_count(to), 500);
	key = 123;
	assert_int_equal(*(const uint64_t *)lm_map_get(to, mix(key), &key, 8), 369);
	assert_false(space_restored(slice[2].state.space, 4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_slices, begin, end),
		cmocka_unit_test_setup_teardown(test_bounds, begin, end),
		cmocka_unit_test_setup_teardown(test_not_routed, begin, end),
		cmocka_unit_test_setup_teardown(test_restored, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
