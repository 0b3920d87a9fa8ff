/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EAL_VDEV_H
#define EAL_VDEV_H

/*
 * Checks what --vdev asks for: the driver, its parameters, and the files and interfaces they name.
 * EAL itself goes on without a port after most of these mistakes.
 */

#include "mgmt/eal_options.h"
#include "mgmt/machine.h"

/* `plugins`: drivers are loaded by -d, so an unknown name may be one of theirs. */
void eal_vdev_check(const struct eal_typed *typed, const struct machine *machine, bool plugins,
                    struct eal_report *report);

#endif
