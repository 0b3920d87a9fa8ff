/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BALANCE_H
#define BALANCE_H

/*
 * Spreading load over lcores: which units should go where, by how busy each is. A unit is what
 * moves as one: a slice and those that it calls. Pure, greedy, and content with little: while there
 * is a move that helps, the fullest lcore gives away the largest unit whose going makes it the less
 * full of the two, to the emptiest; no unit moves twice, and a move that gains less than
 * BALANCE_GAIN of an lcore is not worth its pause.
 */

#include <stdint.h>

#define BALANCE_GAIN 0.05

struct balance_unit {
	uint32_t slice, worker; /* any slice of it; where it is */
	double busy;            /* of an lcore, 0 to 1 */
};

struct balance_move {
	uint32_t slice, from, to; /* workers */
	double busy;
};

/*
 * Writes the moves, in the order to make them, at most `count`, and returns how many; `unit` is
 * changed to how things are then. Workers are 0 to worker_count - 1.
 */
uint32_t balance_plan(struct balance_unit *unit, uint32_t count, uint32_t worker_count,
                      struct balance_move *move);

#endif
