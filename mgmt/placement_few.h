/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLACEMENT_FEW_H
#define PLACEMENT_FEW_H

/*
 * The placement of a job that takes lcores as it needs them: all slices on the first `least` lcores
 * and on those that the topology pins slices to; behind them, as workers without slices, others up
 * to `most` in all. Pure; the rules are those of mgmt/placement.h.
 */

#include "mgmt/placement.h"

/* As placement_plan. `most` 0: all there are. */
int placement_plan_few(struct placement *placement, const struct placement_request *request,
                       uint32_t least, uint32_t most, struct lm_errors *errors);

#endif
