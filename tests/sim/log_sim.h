/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOG_SIM_H
#define LOG_SIM_H

/* ingest_log over crashes and restarts. See log_sim.c. */

#include <stdbool.h>
#include <stdint.h>

/* Some runs of `seed` on one disk; false, with a reason on stderr, if anything is wrong. */
bool sim_log_run(uint64_t seed);

#endif
