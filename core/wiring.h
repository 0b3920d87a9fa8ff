/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WIRING_H
#define WIRING_H

/*
 * From slices and edges to what each slice is connected to: its inputs, the wires that leave it,
 * the chain of slices that it calls, the exits of that chain.
 *
 * Threads: one control thread; slices that run already are only looked at.
 */

#include "core/engine.h"

/* Fills in engine->wiring for all of its slices, from its slices, edges, pools and tables. False:
 * no memory. */
bool wiring_build(struct lm_engine *engine);
/* Frees the arrays of one; the edges stay. */
void wiring_clear(struct wiring *wiring);
/* Frees engine->wiring with all that is in it. */
void wiring_free(struct lm_engine *engine);

#endif
