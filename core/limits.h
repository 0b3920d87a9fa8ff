/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LIMITS_H
#define LIMITS_H

/* Every bound of the engine that is not public, with the asserts that relate them. */

#include <assert.h>

#include "core/lm_engine.h"
#include "core/lm_op.h"

/* Batches an edge holds when nothing else is said; shared out where many producers meet one slice.
 */
#define EDGE_CREDIT_DEFAULT 64u
#define EDGE_CREDIT_MIN 2u
#define EDGE_CREDIT_MAX 4096u
/*
 * Slots of an edge beyond its credit. A callback that starts with one credit free sends at most
 * LM_BATCH_ROWS rows per output, in at most two pieces: a piece may push out a started batch and be
 * a batch itself, so 4; and at a time idle, a marker, idle again and the end, each behind a
 * watermark.
 */
#define EDGE_OVERFLOW 4u
#define EDGE_CONTROL 8u

/* Batches that wait in front of a fused slice while it is asked again. */
#define SLICE_INBOX 4u
/* Batches a slice takes in one turn before the others on its lcore get theirs. */
#define SLICE_BATCHES_PER_TURN 4u

/* Batches in an lcore's own stack of a pool; half of them move to or from the shared ring at once.
 */
#define POOL_CACHE 16u

/* Functions in the mailbox of a worker. */
#define MAIL_SLOTS 1024u
/* Workers that pass on mail for a slice that has gone: see mail.h. */
#define MAIL_HOPS_MAX 1u
/* How long a worker without slices sleeps at a time when there is no mail. */
#define MAIL_WAIT_NS 100000000u
/* Slices that may be on their way between workers, or have arrived untold, at a time. */
#define MOVES_MAX 16u

#define SLOTS_MIN 64u
#define SLOTS_MAX 65536u
/* Keys that a slot should be for, where an operator says how many it has: fewer are not worth a
 * slot's bound, which is some deviations above its share. */
#define SLOT_KEYS_MIN 256u

static_assert(EDGE_CREDIT_MIN >= 1, "an edge needs credit");
static_assert(LM_BATCH_ROWS <= UINT16_MAX + 1u, "a row of a selection is 16 bits");
static_assert(LM_SLICES_MAX <= UINT16_MAX, "a destination is 16 bits");
static_assert(LM_OPERATORS_MAX * LM_SLICES_MAX <= UINT16_MAX + 1u, "a slice's number is 16 bits");
static_assert(POOL_CACHE % 2 == 0, "half of a cache moves");

#endif
