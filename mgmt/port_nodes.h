/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PORT_NODES_H
#define PORT_NODES_H

/*
 * Which NUMA node the port of each source slice is on: foretold before EAL starts, since lcores and
 * places are chosen before. EAL numbers ports in the order of the PCI addresses it takes, one for
 * each, and then those of --vdev. A device with more ports than one would shift what is behind it:
 * port_nodes_differ tells when EAL runs.
 *
 * Control thread.
 */

#include "core/graph.h"
#include "mgmt/machine.h"

/*
 * For each slice the kernel's number of the node its port is on; MACHINE_NONE: no port, or nobody
 * knows. `argv` is what was typed for EAL. NULL without memory; the caller frees.
 */
uint32_t *port_nodes_find(const struct lm_graph *graph, int argc, char *const *argv,
                          const struct machine *machine);
/* The node (its index) of most slices with a port, MACHINE_NONE: none has a node. */
uint32_t port_nodes_home(const struct lm_graph *graph, const uint32_t *port_node,
                         const struct machine *machine);
/*
 * Compares with what EAL says now that it runs. Returns the first operator whose port is elsewhere,
 * and in `node` where; NULL: none.
 */
const struct graph_operator *port_nodes_differ(const struct lm_graph *graph,
                                               const uint32_t *port_node, int *node);

#endif
