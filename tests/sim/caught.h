/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CAUGHT_H
#define CAUGHT_H

/*
 * Which seed has caught a planted bug in a scenario: the one to try first, so that not every run
 * looks for it anew among hundreds. Where it does not do so any more, those are gone through again.
 * tests/sim/caught.py writes tests/sim/caught.c from what the scenarios say.
 */

#include <stdint.h>

#include "core/canary.h"

/* 0: none is known. */
uint64_t caught_before(const char *scenario, enum canary canary);

#endif
