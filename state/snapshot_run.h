/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SNAPSHOT_RUN_H
#define SNAPSHOT_RUN_H

/* Snapshots from the inside; snapshot*.c and restore.c only. One thread at a time. */

#include <pthread.h>

#include "core/engine.h"
#include "core/env.h"
#include "state/arena_copy.h"
#include "state/index.h"
#include "state/snapshot.h"
#include "state/snapshot_format.h"
#include "state/verify.h"

/* A transaction of a sink that is not committed yet. */
struct txn {
	struct txn *next; /* in the order of their numbers, slice by slice */
	struct lm_op *slice;
	uint64_t number;
	bool is_secure;
	uint32_t attempts; /* to secure it, that failed */
	size_t size;
	char bytes[];
};

enum slice_phase {
	SLICE_WAITS,   /* for its flip */
	SLICE_COPYING, /* it is */
	SLICE_COPIED,  /* and is to be finished when the epoch is through */
	SLICE_FREE     /* nothing of it is held */
};

struct snap_slice {
	struct lm_op *slice;
	enum slice_phase phase;
	struct arena_copy copy;
	struct part *part; /* NULL: nothing to write so far */
	uint32_t base;     /* the next increment builds on this epoch; 0: it is to be full */
	bool has_last_txn; /* it was taken */
};

enum snapshot_phase {
	PHASE_IDLE,   /* until it is time to ask */
	PHASE_ASKED,  /* for a snapshot of the next epoch */
	PHASE_COPY,   /* its marker is on its way */
	PHASE_DRAIN,  /* it is lost: waits until its marker has passed everywhere */
	PHASE_ABANDON /* and until the store knows that it never was */
};

enum snapshot_hold { HOLD_NONE, HOLD_ASKED, HOLD_HELD };

struct snapshots {
	struct snapshot_options options;
	char folder[STORE_FOLDER_MAX];
	struct store *store;
	struct verify *verify;
	struct index *index;
	struct lm_engine *engine;
	struct env_thread *thread;
	uint64_t topology;
	uint64_t secret;
	const struct store_epoch *good; /* to go on from; until the first epoch is written */
	uint64_t good_epoch;
	int64_t good_wall_ns;
	uint64_t skipped;
	bool had_ended;
	struct snapshot_restored restored;
	const bool *wanted;      /* [operator] that are restored; NULL: all */
	struct store_list aside; /* of a folder that somebody else has */
	void *note;              /* NULL: none */
	size_t note_size;

	struct snap_slice *slice;
	uint32_t slice_count;
	struct txn *txn, **txn_end;

	enum snapshot_phase phase;
	uint64_t epoch;   /* the one under way, or the last */
	uint32_t current; /* slice that is copied */
	int64_t began_ns, deadline_ns, retry_ns;
	uint64_t copied_bytes; /* of this epoch */
	bool hurries;          /* this epoch knows no pace */
	int failed;            /* -errno of the epoch under way */
	bool is_final;         /* the last one, all slices have ended */
	bool is_over;
	bool stopping;       /* set by the control thread */
	uint32_t hold;       /* enum snapshot_hold: by the control thread, HELD by this one */
	uint64_t generation; /* of the engine's graph that `slice` is of */
	bool is_complete;    /* the last epoch is durable and committed */
	uint32_t stop_tries; /* to come to an end */
	char why[SNAPSHOT_WHY];
	char piece[BLOCK_RAW_MAX]; /* of an arena, where it cannot go straight into the part */
	struct snapshot_granule granules[BLOCK_RAW_MAX / sizeof(struct snapshot_granule)];

	uint64_t durable; /* read by others */
	pthread_mutex_t lock;
	struct snapshot_status status; /* under the lock */
};

/* Keeps what went wrong; the first thing counts. Returns `result`. */
int snapshots_fail(struct snapshots *s, int result, const char *what);

/* snapshot_slices.c */
/* One step of copying the epoch. 1: there is more; 0: all are copied; 2: nothing to do until more
 * slices flip; -errno: it is lost. */
enum copy_result { COPY_ALL, COPY_MORE, COPY_WAIT };
int snapshots_copy(struct snapshots *s);
/* Lets go of all slices that have flipped; they build on `epoch` next if it is durable. */
void snapshots_release(struct snapshots *s, bool is_durable);
/* The next snapshot of every slice is full. */
void snapshots_start_anew(struct snapshots *s);
/* Whether some slice has yet to see the marker of the lost epoch. */
bool snapshots_drain(struct snapshots *s);
/* "<kind><operator>/<slice>" */
int snapshots_name(const char *kind, const struct lm_op *slice, char name[MANIFEST_RECORD_MAX]);

/* snapshot_sinks.c */
int sinks_take(struct snapshots *s, struct lm_op *slice, uint64_t number,
               const struct op_text *text);
int sinks_secure(struct snapshots *s);
int sinks_record(struct snapshots *s);
/* Everything that is secure. 0, or -errno: some are left. */
int sinks_commit(struct snapshots *s);
void sinks_free(struct snapshots *s);
uint64_t sinks_count(const struct snapshots *s);
/* As the store's epoch has them: commits them again, then fences. */
int sinks_recover(struct snapshots *s, const struct manifest *manifest, char why[SNAPSHOT_WHY]);

/* snapshot_slices.c: those that keep a log drop what no kept epoch needs. */
void snapshots_trim(struct snapshots *s);

/* snapshot_slices.c: see snapshot_owned. */
uint64_t snapshots_owned(const struct state_space *space);

/*
 * restore_parts.c: a part, and what came of it. Its arenas are in the spaces of `slices` slices of
 * its operator: by slot, and the others in the first. With `is_dealt` slots are in other slices
 * than when it was written: `owned` says which it had bytes of, and what is not by slot comes to
 * stand by itself, in `value`.
 */
struct restore_part {
	struct lm_op **slice;
	uint32_t slices;
	bool is_dealt;
	struct part_id id;
	uint64_t bytes;
	uint8_t *owned;       /* [slot] */
	struct arena **value; /* [part]; NULL: by slot */
	int result;           /* 0; -EINVAL: it does not fit the arenas; else see store_part_read */
	char why[MANIFEST_WHY];
};
/* Reads all of them, several at once; those of an operator have different slots. */
void restore_parts(const struct snapshots *s, struct restore_part *part, uint32_t count);
void restore_part_free(struct restore_part *part);

/* restore_slices.c: what an epoch has of the slices of an operator, and handing it to them. */
struct slice_record {
	struct snapshot_slice head;
	const uint8_t *engine, *class, *shape;
	struct restore_part *part; /* NULL: it has none */
};
struct restore_op {
	const struct graph_operator *op;
	uint32_t number;          /* of the operator */
	struct slice_record *old; /* NULL: the epoch does not know the operator */
	uint32_t old_count;
	bool is_dealt; /* its slots are in other slices now, or there are more or fewer of them */
};
/* Finds and checks them; `restore_ops_free` behind success and failure. */
int restore_ops_find(struct snapshots *s, struct restore_op *ops, char why[SNAPSHOT_WHY]);
void restore_ops_free(const struct snapshots *s, struct restore_op *ops);
/* The parts that are to be read; `part` has room for all of them. */
uint32_t restore_ops_parts(struct snapshots *s, struct restore_op *ops, struct restore_part *part);
/* Everything but the bytes in arenas, which are there. */
int restore_ops_resume(struct snapshots *s, struct restore_op *ops, char why[SNAPSHOT_WHY]);
int restore_say(char why[SNAPSHOT_WHY], int result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* snapshot_note.c: 0, or -ENOENT and why: the epoch to go on from has another one than is wanted.
 */
int snapshots_check_note(const struct snapshots *s, char why[SNAPSHOT_WHY]);

/* restore.c */
int restore_engine(struct snapshots *s, char why[SNAPSHOT_WHY]);
/* All slices, or those wanted, from the good epoch. -EBADMSG: it is damaged, and nothing was
 * restored. */
int restore_epoch(struct snapshots *s, char why[SNAPSHOT_WHY]);
/* The epoch to go on from, and what it says of the job. 0, or -errno and why. */
int restore_choose(struct snapshots *s, const struct store_epoch *epoch, char why[SNAPSHOT_WHY]);
/* The store's newest good epoch into `good`, or NULL. */
int restore_pick(struct snapshots *s, char why[SNAPSHOT_WHY]);

#endif
