/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_CRASH_TOPOLOGY_H
#define SIM_CRASH_TOPOLOGY_H

/*
 * What the scenario `crash` runs: crash.yaml, and a wider topology that gives the same rows, into
 * each of which a job may be changed as it runs. Notes of snapshots are those of real jobs.
 * Something that is wrong with the files ends the process.
 */

#include "tests/sim/topologies.h"

struct lm_graph;
struct lm_topology;
struct snapshot_note;
struct snapshots;

/* As the file is with the variables, or wider. To be freed. */
struct lm_topology *crash_load(const struct topo *topo, bool is_wider);
bool crash_is_wider(const struct lm_topology *topology);
/* What ran by the note, with the slices it had. To be freed. */
struct lm_topology *crash_load_note(const struct topo *topo, const struct snapshot_note *note);
/* That this runs goes into the snapshots from here on. False: no memory. */
bool crash_note(struct snapshots *snapshots, const struct lm_topology *runs,
                const struct lm_graph *graph);

#endif
