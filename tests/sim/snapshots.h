/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_SNAPSHOTS_H
#define SIM_SNAPSHOTS_H

/* Snapshots in the simulator: see snapshots.c. */

/* From now on runs are flipped, copied and compared. */
void sim_snapshots_watch(void);

#endif
