/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PAGES_SIM_H
#define PAGES_SIM_H

/*
 * The simulated machine's NUMA nodes: pages are small, so that little state has many; they move, or
 * do not: one in some is busy, a node is full for a while. Blocks stand in pages of their own, or,
 * in some runs, count as if they did not.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/engine.h"

#define SIM_PAGE 1024u

/* How many nodes there are from here on, until the next reset: 1 or 2. Only then blocks are known.
 */
void sim_set_nodes(unsigned int nodes);
unsigned int sim_nodes(void);
/* A block that came, of whole pages, and one that goes. */
void pages_sim_add(void *base, size_t size, void *block, int node);
void pages_sim_remove(const void *block);
/* From here on nothing is busy or full any more. */
void pages_sim_ease(void);
/* Whether all pages of the slices' state are on the nodes of their slices; said on stderr. */
bool pages_sim_check(struct lm_engine *engine);

#endif
