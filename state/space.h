/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SPACE_H
#define SPACE_H

/*
 * The space of a slice: made when its operator opens the first map or value, and told to core. For
 * map.c and value.c.
 */

#include "core/lm_op.h"
#include "core/state_ops.h"
#include "state/arena.h"

/* In open: the space of the slice; NULL when there is no memory. */
struct state_space *space_of(struct lm_op *op);
/* In open: makes the arenas of a part, `size` bytes each, for the slots in slot[0] to [count - 1];
 * NULL: slot 0. Fills in all of the part but `restored`. False: no memory. */
bool space_open(struct lm_op *op, struct arena_part *part, uint64_t size, const uint32_t *slot,
                uint32_t count);

/* Benchmarks: maps and values opened while this is set are not part of the space, and a touch does
 * nothing. */
extern bool space_bypass;

#endif
