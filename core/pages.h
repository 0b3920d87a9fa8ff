/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PAGES_H
#define PAGES_H

/*
 * Memory that follows slices. A slice that goes on on an lcore of another NUMA node, or gets slots
 * of one, works on far memory at first; a thread beside the data path brings it there, page by page
 * and paced, while the slice runs. docs/migration.md says how fast, and what holds meanwhile.
 *
 *     engine->pages = pages_open(engine)    NULL: all lcores are of one node, or no memory
 *     pages_tick(engine)                    finds what has to be moved, tells the thread
 *     pages_hold(engine)                    before a change of the graph: the thread looks at no
 *                                           memory until the change is through; false: not yet
 *     pages_stop(engine)                    waits for the page that is under way
 *     pages_close(engine)
 *
 * What there is to move is a list of stretches of memory, made by control from what the slices have
 * when nothing changes. A slice that goes back, or on, before its pages have moved makes the list
 * anew: no order is queued behind another one. A page has one slice that it follows, that of its
 * first byte; so what stands in pages smaller than it may be on the node of a neighbour.
 *
 * Threads: all of these are the control thread's, and never block, but for pages_stop and
 * pages_close; engine_pages any.
 */

#include "core/engine.h"

/* Bytes a second that are moved, at most. */
#define PAGES_PACE (UINT64_C(128) << 20)

struct pages;

struct pages *pages_open(struct lm_engine *engine);
void pages_tick(struct lm_engine *engine);
bool pages_hold(struct lm_engine *engine);
void pages_stop(struct lm_engine *engine);
void pages_close(struct lm_engine *engine);
/* Whether nothing is left to do: what can move is where its slices are now. */
bool pages_are_through(const struct lm_engine *engine);

#endif
