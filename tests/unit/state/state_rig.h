/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STATE_RIG_H
#define STATE_RIG_H

/*
 * For tests of what keeps state: a slice that owns all slots of its operator, and snapshots of it
 * that are taken bit by bit while it goes on. What a snapshot has in the end must be, byte by byte,
 * what the state was when it began, so whatever is written without a touch is found; and a new
 * slice can be made from it.
 *
 *     state_rig_open(&slice, 3);          slots: 8; then the test opens what it is about
 *     snapshot_begin(&shot, &slice);      behind that and between two calls
 *     while (!snapshot_step(&shot)) ...   now and then; fails the test
 *     state_rig_open(&other, 3); ...      the same opened again
 *     snapshot_restore(&shot, &other);
 *     snapshot_end(&shot);
 *     state_rig_close(&slice);
 */

#include "state/arena_copy.h"
#include "tests/unit/operators/fake_op.h"

#define SNAPSHOT_ARENAS_MAX 256u

struct snapshot {
	struct lm_op *slice;
	struct arena_copy copy;
	struct arena *arena[SNAPSHOT_ARENAS_MAX];
	char *cut[SNAPSHOT_ARENAS_MAX], *image[SNAPSHOT_ARENAS_MAX];
	uint32_t arena_count;
};

/* Rows are routed by field 0; the slice is the only one. */
void state_rig_open(struct lm_op *slice, uint32_t slot_bits);
void state_rig_close(struct lm_op *slice);

void snapshot_begin(struct snapshot *shot, struct lm_op *slice);
/* True once it is complete. */
bool snapshot_step(struct snapshot *shot);
void snapshot_restore(const struct snapshot *shot, struct lm_op *slice);
void snapshot_end(struct snapshot *shot);

#endif
