/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SLOTS_H
#define SLOTS_H

/*
 * Skew: an operator of which one slice has far more rows than the others, because of the keys that
 * its slots hold. Slots go from the fullest slice to the emptiest, as few as do. Pure.
 *
 *     slots_level(rows, 1024, 4, slice_of, &levelled);
 *     slots_describe(&levelled, text);
 */

#include <stddef.h>
#include <stdint.h>

/* It is worth it from here on: so much less for the busiest slice, as a share of what it has. */
#define SLOTS_GAIN 0.05

struct slots_levelled {
	double rows;          /* all */
	double busiest, then; /* share of the rows that the busiest slice has; and would have */
	double fair;          /* share of each, were they equal */
	uint32_t hottest;     /* slot */
	double hottest_share; /* of all rows */
	uint32_t moved;       /* slots that get another slice */
	uint32_t slices;
};

/* From rows by slot: `slice_of` is brought to where they are level, or is left if that would gain
 * less than SLOTS_GAIN (then none are moved). */
void slots_level(const uint32_t *rows, uint32_t slots, uint32_t slices, uint16_t *slice_of,
                 struct slots_levelled *levelled);
/* What that comes to, in words; of what cannot be done, why. */
void slots_describe(const struct slots_levelled *levelled, char *text, size_t size);

#endif
