/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PAST_H
#define PAST_H

/*
 * Graphs that were. Behind a change an operator that was kept still is what the graph made of it
 * in which it came: its slices have that graph's names, schemas and configuration, and the code of
 * its plugin. So a graph that was goes bit by bit: an operator's configuration when none of its
 * slices is left, a plugin when no operator needs it and none of its frames is on its way, and the
 * rest when no pool has its schemas either. By then no snapshot and no commit is under way, since
 * changes wait for both.
 *
 * Threads: the control thread.
 */

#include "core/engine.h"

/* The engine goes on without it. */
void past_add(struct lm_engine *engine, struct lm_graph *graph);
/* This one may come back: nothing of it goes until another one, or NULL, is named instead. */
void past_keep(struct lm_engine *engine, const struct lm_graph *graph);
/* What can go by now goes; while something waits, again with each tick. */
void past_tick(struct lm_engine *engine);
/* All of it: nothing is left of the engine but this. */
void past_free(struct lm_engine *engine);

#endif
