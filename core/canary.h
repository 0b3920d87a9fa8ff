/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CANARY_H
#define CANARY_H

/*
 * Planted bugs, for the simulator only: each must be caught, or the simulator checks nothing.
 * Outside of the simulator's build CANARY is the constant false and leaves no trace. Files that
 * include this are built twice: their folder's meson.build has them in a list of their own.
 */

#ifdef LODEMILL_NO_CANARY
#error                                                                                             \
    "this file is not listed as one with planted bugs: move it there in the meson.build beside it"
#endif

enum canary {
	CANARY_NONE,
	CANARY_LOSE_PARTIAL,    /* a partial batch is forgotten at the end of stream */
	CANARY_EARLY_MARKER,    /* a marker passes before all inputs have it */
	CANARY_EARLY_WATERMARK, /* event time follows the fastest input, not the slowest */
	CANARY_WRONG_SLOT,      /* one row in 64 goes to the first slice */
	CANARY_LEAK_BATCH,      /* a batch is not given back */
	CANARY_DOUBLE_RESUME,   /* a call that was through is made again */
	CANARY_UNTOUCHED_KEY,   /* a new key is written without a touch */
	CANARY_UNTOUCHED_VALUE, /* a value is handed out for writing without a touch */
	CANARY_UNTOUCHED_LINK,  /* so is the age of a key, or the link of an item */
	CANARY_LATE_LOG, /* a copier is not told what a batch saved when its values are written */
	CANARY_LATE_INSERT,   /* nor when a key is inserted into what it saved */
	CANARY_COPY_PASSED,   /* an arena counts as copied before it is */
	CANARY_IMAGE_WINS,    /* an image that is restored goes over what the log had */
	CANARY_LOST_POSITION, /* a snapshot has what was serialized for an earlier one */
	CANARY_COUNT_LEFT,    /* keys that come from another slice are not counted */
	CANARY_EARLY_COMMIT,  /* a sink commits before its snapshot is durable */
	CANARY_EARLY_EPOCH,   /* a slice counts as through with an epoch before it is */
	CANARY_LOST_MAIL,     /* mail for a slice that has moved on is dropped */
	CANARY_TWO_OWNERS,    /* an lcore keeps the slice that it has handed over */
	CANARY_LOST_CALL,     /* a call that is not through is forgotten in the hand-over */
	CANARY_EARLY_SWITCH,  /* wires are exchanged before the marker has passed */
	CANARY_EARLY_TURN,    /* a slice goes on before it has all that it is to be given */
	CANARY_LOST_HAND,     /* other code begins with nothing */
	CANARY_DEAF_SOURCE,   /* a source that is to pause sends on */
	CANARY_NOTE_STALE,    /* snapshots behind a change have the topology of before */
	CANARY_LATE_END,      /* a job that ends while it is stopped counts as one that had ended */
	CANARY_SLOT_TWICE,    /* a slot of another version is converted twice */
	CANARY_SLOT_FORGOTTEN, /* one never is */
	CANARY_SLOT_OLD,       /* the new code goes on with one that is not */
	CANARY_SLOT_SKIPPED,   /* one that has several steps begins where another one stopped */
	CANARY_TRIAL_LEFT,     /* what is tried on a slot begins without its state */
	CANARY_TRIAL_FEW,      /* a slot that is to be tried is not */
	CANARY_TRIAL_MIXED,    /* a slice that is to be replaced behind a trial goes on */
	CANARY_EARLY_CHECK,    /* state is looked at while its slice runs */
	CANARY_PAGE_LEFT,      /* of a stretch, a page does not follow its slice to another node */
	/* Of the store. */
	CANARY_SKIP_SYNC,        /* a file counts though it was not synced */
	CANARY_SKIP_DIR_SYNC,    /* so does a manifest whose name was not */
	CANARY_EARLY_RENAME,     /* a manifest gets its name before its bytes are safe */
	CANARY_BLIND_CRC,        /* checksums are not compared */
	CANARY_PRUNE_REFERENCED, /* a file goes with its epoch, whoever else needs it */
	/* Of the policies. */
	CANARY_NO_HYSTERESIS, /* lcores come and go at the same mark */
	CANARY_FEW_SLICES,    /* no operator gets more slices */
	CANARY_COUNT
};

#define CANARY_STORE_FIRST CANARY_SKIP_SYNC

/*
 * Places where the simulator may have what seldom happens happen often, though nothing is wrong:
 * everything must go on as it should. A run of a seed has a quarter of them, and there a quarter of
 * the times (FoundationDB's BUGGIFY).
 */
enum buggify {
	BUGGIFY_NO_ROOM,      /* a callback does not start: there seems to be no room */
	BUGGIFY_FLIP_REFUSED, /* a slice cannot flip */
	BUGGIFY_LOG_FULL,     /* a side log is full */
	BUGGIFY_LOG_DRAINED,  /* it is emptied though there is room */
	BUGGIFY_LOG_SHORT,    /* it is short, and must be drained */
	BUGGIFY_COPY_LATE,    /* copying takes too long */
	BUGGIFY_CHAIN_LONG,   /* an increment is not worth it */
	BUGGIFY_COUNT
};
int buggify(enum buggify place); /* the simulator's */
/*
 * Between two accesses to what other threads use, too: they may be scheduled here; SELDOM: where
 * that is for every batch.
 */
void sim_preempt(unsigned int one_in);

#ifdef LODEMILL_CANARY
extern enum canary canary_planted;
#define CANARY(which) (canary_planted == (which))
#define CANARY_BUILD 1
#define BUGGIFY(place) buggify(place)
#define PREEMPT() sim_preempt(8)
#define PREEMPT_SELDOM() sim_preempt(200)
#else
#define CANARY(which) (0)
#define CANARY_BUILD 0
#define BUGGIFY(place) (0)
#define PREEMPT() ((void)0)
#define PREEMPT_SELDOM() ((void)0)
#endif

#endif
