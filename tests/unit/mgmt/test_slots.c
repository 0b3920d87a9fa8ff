/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/slots.c: rows by slot in, slots to slices out. */
#include "mgmt/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SLOTS 256u

static uint32_t rows[SLOTS];
static uint16_t slice_of[SLOTS], was[SLOTS];
static struct slots_levelled levelled;

/* Slots in runs over the slices, with so many rows each. */
static void
make(uint32_t slices, uint32_t each)
{
	for (uint32_t s = 0; s < SLOTS; s++) {
		rows[s] = each;
		slice_of[s] = was[s] = (uint16_t)(s * slices / SLOTS);
	}
}

static double
busiest(uint32_t slices, const uint16_t *of)
{
	double load[8] = { 0 }, all = 0, most = 0;

	for (uint32_t s = 0; s < SLOTS; s++) {
		assert_true(of[s] < slices);
		load[of[s]] += rows[s];
		all += rows[s];
	}
	for (uint32_t i = 0; i < slices; i++) {
		most = load[i] > most ? load[i] : most;
	}
	return most / all;
}

static void
run(uint32_t slices)
{
	uint32_t moved = 0;

	slots_level(rows, SLOTS, slices, slice_of, &levelled);
	for (uint32_t s = 0; s < SLOTS; s++) {
		moved += slice_of[s] != was[s];
	}
	assert_int_equal(levelled.moved, moved);
	if (moved > 0) {
		assert_true(busiest(slices, slice_of) < busiest(slices, was));
		assert_float_equal(levelled.then, busiest(slices, slice_of), 1e-9);
	}
	assert_float_equal(levelled.busiest, busiest(slices, was), 1e-9);
}

/* Some hot slots of one slice: they part, and few others go. */
static void
test_hot_slots(void **state)
{
	char text[200];

	(void)state;
	make(4, 10);
	for (uint32_t s = 0; s < 8; s++) {
		rows[s] = 400;
	}
	run(4);
	assert_true(levelled.busiest > 0.6);
	assert_true(levelled.then < 0.27);
	assert_true(levelled.moved < 64);
	slots_describe(&levelled, text, sizeof(text));
	assert_non_null(strstr(text, "the busiest of 4 slices had"));
	assert_null(strstr(text, "cannot be divided"));
	/* A second time there is nothing to gain. */
	memcpy(was, slice_of, sizeof(was));
	run(4);
	assert_int_equal(levelled.moved, 0);
}

/* What is level stays, and so does what has no rows. */
static void
test_level(void **state)
{
	char text[200];

	(void)state;
	make(3, 7);
	run(3);
	assert_int_equal(levelled.moved, 0);
	memset(rows, 0, sizeof(rows));
	slots_level(rows, SLOTS, 3, slice_of, &levelled);
	assert_int_equal(levelled.moved, 0);
	slots_describe(&levelled, text, sizeof(text));
	assert_non_null(strstr(text, "no rows came"));
}

/* One hot slot: the others leave its slice, it cannot be divided, and that is said. */
static void
test_one_hot_slot(void **state)
{
	char text[300];

	(void)state;
	make(4, 1);
	rows[5] = 1000;
	run(4);
	assert_true(levelled.then < levelled.busiest);
	assert_int_equal(levelled.hottest, 5);
	slots_describe(&levelled, text, sizeof(text));
	assert_non_null(strstr(text, "cannot be divided"));
	memset(rows, 0, sizeof(rows));
	rows[5] = 1000;
	memcpy(slice_of, was, sizeof(was));
	run(4);
	assert_int_equal(levelled.moved, 0);
	slots_describe(&levelled, text, sizeof(text));
	assert_non_null(strstr(text, "slot 5 alone has 100 %"));
}

/* Any rows: never worse, always slices that there are. */
static void
test_any(void **state)
{
	(void)state;
	srand(7);
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t slices = 2 + round % 7;

		make(slices, 0);
		for (uint32_t s = 0; s < SLOTS; s++) {
			slice_of[s] = was[s] = (uint16_t)((uint32_t)rand() % slices);
			rows[s] = rand() % 4 == 0 ? (uint32_t)rand() % 5000 : (uint32_t)rand() % 20;
		}
		run(slices);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hot_slots),
		cmocka_unit_test(test_level),
		cmocka_unit_test(test_one_hot_slot),
		cmocka_unit_test(test_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
