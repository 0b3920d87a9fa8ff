/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ELASTIC_SIM_H
#define ELASTIC_SIM_H

/* Scenarios in which time passes while rows are worked on: elasticity, and what holds a job up. */

#include <stdbool.h>
#include <stdint.h>

/* Elasticity over one to sixteen lcores, in virtual time: see elastic_sim.c. */
bool sim_elastic_run(uint64_t seed);
/* Five operators, one of them slow, is named in time. */
bool sim_bottleneck_run(uint64_t seed);

#endif
