/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLACEMENT_H
#define PLACEMENT_H

/*
 * Which lcore runs which slice: graph + lcores + machine -> placement, with a sentence for every
 * slice that says why. A pure function, deterministic, used by `run` and shown by `plan`.
 *
 * The rules, in order:
 *   1. A pin in the topology wins.
 *   2. Slices i of forward-wired stages of equal count go together, so that they fuse.
 *   3. The slices of a stage are spread evenly over the lcores.
 *   4. A source goes to the NUMA node of its NIC; slices go near those they talk to. An edge
 * between NUMA nodes is taken only when the lcores of one node are full.
 *   5. Work is balanced over the lcores; SMT siblings and lcores that share a CPU count for less.
 * Traffic is not known before a run, so it is guessed from the graph: each slice of a source sends
 * one unit, a stage passes on what it gets, one that keeps its rows a tenth of it.
 */

#include "core/graph.h"
#include "core/lm_engine.h"
#include "mgmt/lcores.h"
#include "mgmt/machine.h"

#define PLACEMENT_REASON_MAX 160u

struct placement_request {
	const struct lm_graph *graph;
	const struct lcores *lcores; /* located; one worker each, in this order */
	const struct machine *machine;
	/* [slice]: the kernel's number of the NUMA node its port is on, MACHINE_NONE for none; or
	 * NULL. */
	const uint32_t *port_node;
};

struct placement {
	struct lm_placement lm;               /* worker_of is owned */
	char (*reason)[PLACEMENT_REASON_MAX]; /* [slice] */
};

/* Returns 0, -EINVAL (errors has what and where) or -ENOMEM; free with placement_free in any case.
 */
int placement_plan(struct placement *placement, const struct placement_request *request,
                   struct lm_errors *errors);
void placement_free(struct placement *placement);
/* Pairs of slices that talk to each other from different NUMA nodes. */
uint32_t placement_crossings(const struct placement *placement,
                             const struct placement_request *request);

#endif
