/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLACEMENT_REASON_H
#define PLACEMENT_REASON_H

/* Says in a sentence why a slice is where it is. */

#include "mgmt/placement_model.h"

/* `pin` is [slice]: the worker asked for in the topology, or MODEL_UNPLACED. All must be placed. */
void placement_reason(const struct model *model, const uint32_t *pin, uint32_t slice,
                      char reason[PLACEMENT_REASON_MAX]);

#endif
