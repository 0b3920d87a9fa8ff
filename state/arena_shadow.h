/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ARENA_SHADOW_H
#define ARENA_SHADOW_H

/*
 * Test builds only: a copy of every arena as it was at the last flip, and a bit for every granule
 * that was touched since. What differs from the copy without a touch was written by code that
 * forgot it: the run stops and says where. Between two flips the copy is what a snapshot must be.
 */

#include "state/arena.h"

struct arena_shadow {
	uint64_t granules;
	uint64_t touched[]; /* a bit for each; then the copy */
};

size_t arena_shadow_size(uint64_t size);
char *arena_shadow_copy(const struct arena *arena);
/* Takes the arenas as they are: a restore writes without touching. */
void space_shadow_take(struct state_space *space);

#endif
