/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

/* The control thread of a run in the simulator: see control.c. */

#include "core/engine.h"

void control_begin(struct lm_engine *engine);
/* What the control thread does next, if anything; at any moment, also within steps of others. */
void control_act(struct lm_engine *engine);
/* Sources pause, for a moment: nothing comes nearer to its end. */
bool control_is_paused(const struct lm_engine *engine);
/* Asks the sources to end. */
void control_stop(struct lm_engine *engine);
/* Between two steps: whether all that was sent has arrived in time. */
void control_check(const struct lm_engine *engine);
/* Behind the join. False: something did not come back, or came too late; said on stderr. */
bool control_end(struct lm_engine *engine);

/* What may be done to the graph of the next run: what comes out of it stays the same. */
struct control_changes {
	/* Whether the operator may have another number of slices. */
	bool (*may_rescale)(const struct lm_graph *graph, uint32_t op);
	/* Another topology, which the run goes over to and from there back to this one; NULL: there
	 * is none. */
	struct lm_topology *(*other)(const struct lm_topology *topology,
	                             const struct lm_graph *graph);
	/* What names of classes mean from here on: in the other topology, or in this one; NULL:
	 * what they always do. */
	void (*code)(bool is_other);
	/* Whether other code may take the place of the operator's; NULL: of none. */
	bool (*may_renew)(const struct lm_graph *graph, uint32_t op);
	/* The code of the other topology is tried on some slots first, now and then. */
	bool tries;
	/* Operators look at their state now and then, and must be content. */
	bool may_check;
	const struct lm_topology *topology; /* for `other` and `may_renew` */
	/* The run begins with the other one, which goes to the control thread: `topology` is what
	 * it goes over to. NULL: it begins with `topology`. */
	struct lm_topology *begins_with;
	/* What must stand back for a change, and go on behind it, with what runs by then; NULL:
	 * nothing must. */
	void (*hold)(void *holder);
	bool (*is_held)(void *holder);
	bool (*resume)(void *holder, const struct lm_topology *runs, const struct lm_graph *graph);
	void *holder;
	/* Chances between two changes, about; 0: any number, or none are made. */
	uint64_t every;
	/* The disk's power goes when so many turns were taken in that part of changes, from this
	 * change on; 0: it stays. */
	enum control_part {
		CONTROL_HOLDS,   /* what must stand back is told so; nothing is asked for yet */
		CONTROL_CHANGES, /* from there until it is through, or has failed */
		CONTROL_BEHIND,  /* from there until the next one is wanted */
		CONTROL_PARTS
	} power_part;
	uint64_t power_left, power_from;
};
void control_let_change(const struct control_changes *changes);

#endif
