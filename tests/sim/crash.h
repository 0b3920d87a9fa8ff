/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_CRASH_H
#define SIM_CRASH_H

/* A whole job on a disk that fails, crashed and started again until it is done. See crash.c. */

#include <stdbool.h>
#include <stdint.h>

bool sim_crash_run(uint64_t seed);

#endif
