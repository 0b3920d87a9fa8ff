/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STATE_OPS_H
#define STATE_OPS_H

/*
 * What a slice knows of the state that its operator keeps: that it can be flipped for a snapshot,
 * how large it is, and which slots of the operator the slice owns. The layer above fills it in when
 * the operator opens its first map or value; core depends on nothing of how state is kept.
 *
 *     state_arm(slice)            on a control thread, after open, where snapshots are wanted
 *     state_flip(slice, epoch)    the owner, when the marker of the epoch has arrived everywhere
 *     state_finish(slice)         the copier, when it looks at that snapshot no more
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lm_op;
struct state_space;

struct state_ops {
	/* Makes what a snapshot needs. 0, or -ENOMEM. */
	int (*arm)(struct lm_op *op, struct state_space *space);
	/* The state of `epoch` is what it is now; constant time. False: one is still under way. */
	bool (*flip)(struct state_space *space, uint64_t epoch);
	uint64_t (*size)(const struct state_space *space); /* bytes */
};

struct op_state {
	/* Filled in by the layer above, in open. */
	struct state_space *space; /* NULL: it keeps none */
	const struct state_ops *ops;

	/*
	 * Filled in by the engine, before open. The operator has 2^slot_bits slots; this slice owns
	 * those that slice_of gives to `index`, all of them if it is NULL. `key`: the columns that
	 * rows are routed by, none if they are not routed by key.
	 */
	uint32_t slot_bits;
	const uint16_t *slice_of;
	uint32_t index;
	const uint32_t *key;
	uint32_t key_count;
	bool is_alone; /* the operator's only slice */

	/* What the class serialized at the last flip. */
	char *bytes;
	uint32_t bytes_size, bytes_max;

	/* Epochs: the owner's last flip, and the last that it could not make; the copier's last. */
	uint64_t flipped, refused;
	uint64_t finished;
};

struct op_state *op_state(struct lm_op *op);

/* 0, or -ENOMEM. */
int state_arm(struct lm_op *op);
/* False: the last snapshot is not finished, or the slice is not armed; `refused` then says so. */
bool state_flip(struct lm_op *op, uint64_t epoch);
void state_finish(struct lm_op *op);
/* Before the slice runs: hands what was serialized to the class. 0, or -EINVAL. */
int state_deserialize(struct lm_op *op, const void *bytes, size_t size, uint32_t version);

#endif
