/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONVERT_H
#define CONVERT_H

/*
 * Slots of a space that another version's slice left, until they are converted: for map.c, whose
 * misses come here, and for core (struct state_ops). The other space stays as it is, and only its
 * slots whose parts did not change come by pointer, at once.
 *
 * A map of the new version has a block for each slot, of zeroes. A key that is looked for in one
 * is not there: the miss asks, and the slot is converted. Where a key is found nothing is asked, so
 * that what is the most frequent costs what it cost.
 *
 * Threads: the slice's lcore.
 */

#include <stdbool.h>
#include <stdint.h>

struct space_conversion;

/* Whether the slot has what it should have; it is converted if it has yet to be. False: it cannot
 * be, or another one is being. */
bool conversion_lets(struct space_conversion *conversion, uint32_t slot);
/* All that can be. */
void conversion_let_all(struct space_conversion *conversion);

/*
 * What is converted in the background is so in steps: how long one lasts, in ns, but for what is
 * between two questions whether it is over. Tests make it 0: each lasts until the first question.
 */
extern int64_t conversion_step_ns;
/*
 * For what a class's function calls, NULL: nothing waits for slots. Whether what is under way may
 * go on in another step; and whether it has to: who asked says LM_CONVERSION_MORE. The slot is then
 * emptied and waits as before, and what is called next for it goes on where it was.
 */
bool conversion_may_pause(const struct space_conversion *conversion);
bool conversion_pauses(struct space_conversion *conversion);

#endif
