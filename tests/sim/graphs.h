/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_GRAPHS_H
#define SIM_GRAPHS_H

/* Random graphs against what must arrive. See graphs.c. */

#include <stdbool.h>
#include <stdint.h>

/* Makes and runs the graph of `seed`; false, with a reason on stderr, if anything is wrong. */
bool sim_graphs_run(uint64_t seed);
/* The same, stopped somewhere on the way: what the sources have made until then must arrive. */
bool sim_stops_run(uint64_t seed);

#endif
