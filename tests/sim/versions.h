/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_VERSIONS_H
#define SIM_VERSIONS_H

/* Jobs that get other code, whose state is of another version: see versions.c. */

#include <stdbool.h>
#include <stdint.h>

bool sim_versions_run(uint64_t seed);

#endif
