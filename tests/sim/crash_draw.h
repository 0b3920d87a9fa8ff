/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_CRASH_DRAW_H
#define SIM_CRASH_DRAW_H

/* What the scenario `crash` leaves to the seed: the variables of crash.yaml. */

#include "tests/sim/topologies.h"

/* Of each source. */
#define CRASH_ROWS_MAX 600u

/* All but `out`. */
void crash_draw(struct topo *topo);
/* Another number for what was set before, from `least` to `most`. */
void crash_draw_again(struct topo *topo, const char *name, uint64_t least, uint64_t most,
                      const char *unit);
/* It runs for so long that snapshots and changes come one behind the other, many times. */
void crash_draw_long(struct topo *topo);

#endif
