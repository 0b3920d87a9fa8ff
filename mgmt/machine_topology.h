/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MACHINE_TOPOLOGY_H
#define MACHINE_TOPOLOGY_H

/* Cores, caches and NUMA nodes of a machine, by hwloc. */

#include "mgmt/machine.h"

/*
 * Fills in what hwloc knows: online CPUs with core, smt, l2, l3 and node; the nodes' numbers, CPUs,
 * memory and distances. Returns 0, or -errno with nothing filled in.
 */
int machine_topology_read(struct machine *machine, const struct machine_source *source);

#endif
