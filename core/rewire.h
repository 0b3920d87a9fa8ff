/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef REWIRE_H
#define REWIRE_H

/*
 * A slice's part in a change of the running graph (core/change.h). Behind the marker of the
 * change's epoch, between two turns, a chain of slices is exchanged for what comes after it: other
 * wires, other inputs, other slices that are called. Those that are not needed any more retire.
 * What a slice gives to another one (the state of slots, its counters when it retires) is put into
 * the hands of the receiver, who takes no row until it has all that it awaits.
 *
 *     the marker has passed the chain        all that was sent over old edges is in front of it
 *     rewire_switch                          gives, puts in the new wiring, retires
 *     all awaited has come                   takes it; event time is told on new edges; goes on
 *     state has settled                      is through
 *
 * Nobody waits in a circle: producers send their markers on all edges in one turn, so whoever has
 * yet to give something has its marker waiting, and needs only room downstream, where nobody waits
 * for it but for its own marker.
 *
 * Threads: control makes a part and reads it when `left` says that all are through; in between it
 * belongs to the slice's lcore, but for `arrived`, where givers put what they give.
 */

#include "core/slice.h"

/* What goes from one slice to another. */
struct rewire_hand {
	struct rewire_hand *next; /* that has arrived */
	struct lm_op *from, *to;
	bool with_state;   /* slots; not of one that has ended */
	bool is_whole;     /* `to` is other code in the place of `from`: all of its state */
	bool is_broken;    /* … but what the class wrote down */
	bool from_retires; /* its counters come along */
	int64_t began_ns;  /* when its chain was switched: from then on nobody has it */
	struct state_bundle bundle;
	struct op_text text; /* whole: what the class wrote down, if it does */
	int64_t watermark;   /* of `from` */
};

struct rewire {
	struct lm_op *slice;
	uint64_t epoch; /* behind whose marker it switches */
	uint32_t *left; /* parts that are not through yet */
	bool retires;
	bool leaves;      /* … with rows in hand that it puts out first, as at its end */
	bool is_due;      /* heads: waits for the worker to switch it */
	bool is_switched; /* new slices: from the start */
	bool is_settling; /* heads: the chain has all it awaits and goes on */
	bool is_heir;     /* slots come to it from others */
	/*
	 * Its code is of another state_version than that of the slice whose place it takes, and
	 * converts what `was` has: that slice itself, or, where there is another number of them
	 * now, one of the old code that is made for this and gets its slots (a twin). NULL:
	 * neither.
	 */
	struct lm_op *was;
	bool is_twin;
	struct op_text was_text; /* room for what a twin writes down */
	struct rewire *next_due;
	struct wiring wiring; /* to come; then: what was */
	struct edge **fresh;  /* edges that leave it and were not there before */
	uint32_t fresh_count;
	bool was_idle;             /* nothing came for a while when it switched */
	bool took_over;            /* it is other code, and goes on where a slice was */
	struct op_text text;       /* for what the engine remembers, where it grows */
	struct rewire_hand **hand; /* to give */
	uint32_t hand_count;
	uint32_t awaits;             /* hands that have yet to come */
	uint32_t chain_awaits;       /* heads: slices of the chain that await some */
	struct rewire_hand *arrived; /* not taken yet, a stack */
	int64_t watermark;           /* the greatest that came */
	int64_t began_ns;            /* when its own chain was switched; new slices: 0 */
	int64_t first_ns, last_ns;   /* of the hands that came, when they began; 0: none came */
	int64_t pause_ns, align_ns;  /* see struct change_report */
};

/* For one worker: a longer list, and heads that are new. */
struct rewire_heads {
	uint32_t *left;
	struct lm_op **list; /* room for all it may come to have; then: the old one */
	struct lm_op **head;
	uint32_t count;
};

/* Mail to a worker. */
void rewire_add_heads(struct worker *self, void *heads, uint64_t value);
/* Whether a head with a part in a change may have its turn, or its timers, now. */
bool rewire_lets(struct lm_op *head);
/* The worker, between two turns: switches the chains that are due. */
void rewire_switch_due(struct worker *worker);

static inline struct rewire *
slice_rewire(const struct lm_op *slice)
{
	return __atomic_load_n(&slice->rewire, __ATOMIC_ACQUIRE);
}

#endif
