/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots from the fullest slice to the emptiest. */
#include "mgmt/slots.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/limits.h"

/* What is sampled is not that exact: slices are level when the fullest and the emptiest are so
 * close, as a share of what each should have. */
#define SLOTS_LEVEL 0.02
/* One slot is the reason if the busiest slice has little but that. */
#define SLOTS_ALONE 0.8

struct levelling {
	const uint32_t *rows;
	uint32_t slots, slices;
	uint16_t slice_of[SLOTS_MAX];
	double load[LM_SLICES_MAX]; /* rows */
};

static void
extremes(const struct levelling *l, uint32_t *fullest, uint32_t *emptiest)
{
	*fullest = *emptiest = 0;
	for (uint32_t i = 1; i < l->slices; i++) {
		*fullest = l->load[i] > l->load[*fullest] ? i : *fullest;
		*emptiest = l->load[i] < l->load[*emptiest] ? i : *emptiest;
	}
}

/* The slot whose going brings two slices nearest to each other; LM_NONE: none does. */
static uint32_t
choose(const struct levelling *l, uint32_t from, double gap)
{
	double best = gap;
	uint32_t slot = LM_NONE;

	for (uint32_t s = 0; s < l->slots; s++) {
		double left = gap - 2 * (double)l->rows[s];

		left = left < 0 ? -left : left;
		if (l->slice_of[s] == from && left < best) {
			best = left;
			slot = s;
		}
	}
	return slot;
}

static void
level(struct levelling *l, double fair)
{
	uint32_t from, to, slot;

	/* Each slot that goes makes the difference less: a bound all the same. */
	for (uint32_t moves = 0; moves < l->slots; moves++) {
		extremes(l, &from, &to);
		slot = l->load[from] - l->load[to] <= SLOTS_LEVEL * fair
		           ? LM_NONE
		           : choose(l, from, l->load[from] - l->load[to]);
		if (slot == LM_NONE) {
			return;
		}
		l->load[from] -= l->rows[slot];
		l->load[to] += l->rows[slot];
		l->slice_of[slot] = (uint16_t)to;
	}
}

static void
find_hottest(const struct levelling *l, struct slots_levelled *levelled)
{
	for (uint32_t s = 0; s < l->slots; s++) {
		levelled->rows += l->rows[s];
		levelled->hottest = l->rows[s] > l->rows[levelled->hottest] ? s : levelled->hottest;
	}
}

void
slots_level(const uint32_t *rows, uint32_t slots, uint32_t slices, uint16_t *slice_of,
            struct slots_levelled *levelled)
{
	struct levelling l = { .rows = rows, .slots = slots, .slices = slices };
	uint32_t fullest, emptiest;

	assert(slots <= SLOTS_MAX && slices <= LM_SLICES_MAX && slices > 0);
	*levelled = (struct slots_levelled){ .slices = slices, .fair = 1.0 / slices };
	memcpy(l.slice_of, slice_of, slots * sizeof(*slice_of));
	for (uint32_t s = 0; s < slots; s++) {
		l.load[slice_of[s]] += rows[s];
	}
	find_hottest(&l, levelled);
	if (levelled->rows <= 0) {
		return;
	}
	levelled->hottest_share = rows[levelled->hottest] / levelled->rows;
	extremes(&l, &fullest, &emptiest);
	levelled->busiest = l.load[fullest] / levelled->rows;
	level(&l, levelled->rows / slices);
	extremes(&l, &fullest, &emptiest);
	levelled->then = l.load[fullest] / levelled->rows;
	if (levelled->then > levelled->busiest * (1 - SLOTS_GAIN)) {
		return;
	}
	for (uint32_t s = 0; s < slots; s++) {
		levelled->moved += slice_of[s] != l.slice_of[s];
	}
	memcpy(slice_of, l.slice_of, slots * sizeof(*slice_of));
}

void
slots_describe(const struct slots_levelled *levelled, char *text, size_t size)
{
	bool is_alone = levelled->hottest_share > levelled->fair &&
	                levelled->hottest_share > SLOTS_ALONE * levelled->then;
	char alone[160] = "";

	if (levelled->rows <= 0) {
		snprintf(text, size, "no rows came by which slots could be told apart");
		return;
	}
	if (is_alone) {
		snprintf(alone, sizeof(alone),
		         "; slot %u alone has %.0f %% of the rows, and a slot cannot be divided",
		         levelled->hottest, 100 * levelled->hottest_share);
	}
	if (levelled->moved == 0) {
		snprintf(
		    text, size,
		    "the busiest of %u slices has %.0f %% of the rows; no slot that went would "
		    "gain %.0f %% of that%s",
		    levelled->slices, 100 * levelled->busiest, 100 * SLOTS_GAIN, alone);
		return;
	}
	snprintf(text, size,
	         "%u slots go: the busiest of %u slices had %.0f %% of the rows, then %.0f %%%s",
	         levelled->moved, levelled->slices, 100 * levelled->busiest, 100 * levelled->then,
	         alone);
}
