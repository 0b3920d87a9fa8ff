/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_SIM_H
#define STORE_SIM_H

/* The store on a disk that fails. See store_sim.c. */

#include <stdbool.h>
#include <stdint.h>

/* Some dozen epochs of `seed`; false, with a reason on stderr, if anything is wrong. */
bool sim_store_run(uint64_t seed);

#endif
