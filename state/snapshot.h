/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

/*
 * Snapshots of a running engine: what flips, files and commits come to. One thread, off the data
 * path, asks for a snapshot of the next epoch, copies each slice's state as soon as the slice has
 * flipped it, makes the epoch durable and then lets the sinks commit what belongs to it. The
 * stream never waits for any of it: what cannot be done in time is abandoned and tried again with a
 * later epoch.
 *
 *     result = snapshots_open(&options, &snapshots, why);       takes the folder, looks what is in
 * it snapshots_origin(snapshots, &origin);                     for engine_create result =
 * snapshots_attach(snapshots, engine, why);        arms it; restores what there is result =
 * snapshots_start(snapshots);                      with the engine; until
 *     snapshots_stop(snapshots);                                it has ended, or is not wanted
 *     snapshots_close(snapshots);
 *
 * Order of things, for each epoch e (docs/reliability.md says why):
 *
 *     slice flips        state, positions and transactions of e are what they are at its marker
 *     copied             parts are written, records are noted
 *     secured            what sinks wrote up to e survives a crash
 *     store_commit       e is durable
 *     sinks commit       what they wrote up to e is seen
 *
 * Threads: one control thread calls these; snapshots_status and snapshots_durable any.
 */

#include "state/store.h"

struct lm_engine;
struct engine_origin;

#define SNAPSHOT_WHY 400u

struct snapshots;
struct snapshot_note;

struct snapshot_options {
	const char *folder;
	uint64_t job; /* see store_options */
	uint32_t keep;
	enum block_codec codec;
	int level;
	uint64_t pace;       /* bytes per second that are copied, at most; 0: no bound */
	uint64_t timeout_ns; /* from the marker until everything is copied; 0: 10 s */
	uint32_t full_after; /* files of a chain; 0: 16 */
	uint64_t verify;     /* bytes per second that are read back; 0: none are */
	bool has_index;      /* a catalogue for people (index.h) */
	bool has_thread;     /* false: whoever opened it calls snapshots_step */
	/* The caller goes by this note: what has another one is not gone on from. NULL: any will
	 * do. */
	const struct snapshot_note *note;
};

/*
 * A note that goes into every epoch, and so always fits what it goes with: what whoever runs the
 * job has to know to go on from there.
 */
struct snapshot_note {
	uint64_t epoch; /* that it is of; 0: there is no epoch to go on from */
	void *bytes;    /* NULL: it has none */
	size_t size;
};
/*
 * That of the epoch in the folder that a job goes on from, before anything is opened: `bytes` is to
 * be freed. Where notes differ from epoch to epoch all bytes of the newest are read, so that it is
 * known that it will do. No folder, no epoch, one of another job: there is none. 0, or -errno and
 * why. Without EAL.
 */
int snapshots_read_note(const char *folder, uint64_t job, struct snapshot_note *note,
                        char why[SNAPSHOT_WHY]);
/* Of the epochs from here on. Before snapshots_start, or while they are held. 0, or -ENOMEM: it is
 * what it was. */
int snapshots_set_note(struct snapshots *snapshots, const void *bytes, size_t size);

/* Failures in a row after which people are told that the state is degraded. */
#define SNAPSHOT_DEGRADED 3u

struct snapshot_status {
	uint64_t epoch;         /* the last durable one; 0: none yet */
	int64_t wall_ns;        /* when it became durable */
	uint64_t bytes;         /* that it wrote */
	uint64_t bytes_all;     /* that all of them wrote, since the start */
	int64_t copy_ns;        /* from its marker to durable */
	uint64_t durable, lost; /* epochs since the start */
	uint32_t failures;      /* in a row */
	uint64_t wait_ns;       /* until it is tried again */
	char why[SNAPSHOT_WHY]; /* what went wrong last */
	uint64_t uncommitted;   /* transactions of sinks */
};

/* 0, or -errno and a sentence that says what to do. */
int snapshots_open(const struct snapshot_options *options, struct snapshots **snapshots,
                   char why[SNAPSHOT_WHY]);
/* NULL is fine; not before snapshots_stop. */
void snapshots_close(struct snapshots *snapshots);
/* There is an epoch to go on from; its number, and when it became durable. */
bool snapshots_resumes(const struct snapshots *snapshots, uint64_t *epoch, int64_t *wall_ns);
/* The job had ended, and there is nothing to do. After snapshots_attach. */
bool snapshots_had_ended(const struct snapshots *snapshots);
void snapshots_origin(const struct snapshots *snapshots, struct engine_origin *origin);

/* The engine is new. Restores, commits what was durable and not yet seen, fences. 0, or -errno and
 * why: then nothing may run. */
int snapshots_attach(struct snapshots *snapshots, struct lm_engine *engine, char why[SNAPSHOT_WHY]);
/* Bytes that were restored, and slices; after snapshots_attach. */
struct snapshot_restored {
	uint64_t bytes;
	int64_t took_ns;
	uint32_t slices, fresh;  /* went on; started with nothing */
	uint64_t skipped_epochs; /* newer ones that are damaged */
};
void snapshots_restored(const struct snapshots *snapshots, struct snapshot_restored *restored);

/*
 * For a change of the engine's graph. hold: no snapshot begins any more; is_held: none is under way
 * either, so that the change may be asked for; resume: it is through, or will not be: snapshots go
 * on, of the slices that there are now, each a full one at first. 0, or -ENOMEM: try again.
 */
void snapshots_hold(struct snapshots *snapshots);
bool snapshots_is_held(const struct snapshots *snapshots);
int snapshots_resume(struct snapshots *snapshots);

/*
 * For a rehearsal, in a process beside the one that has the folder: nothing is taken, written or
 * committed.
 *
 *     result = snapshots_look(folder, &snapshots, why);             the newest whole epoch
 *     snapshots_resumes, snapshots_origin                           as above
 *     result = snapshots_try(snapshots, engine, wanted, why);       restores those [operator]
 *     snapshots_restored, snapshots_close
 *
 * 0, or -errno and why. -EAGAIN: the job has removed that epoch meanwhile; look again, and build
 * the engine anew.
 */
int snapshots_look(const char *folder, struct snapshots **snapshots, char why[SNAPSHOT_WHY]);
int snapshots_try(struct snapshots *snapshots, struct lm_engine *engine, const bool *wanted,
                  char why[SNAPSHOT_WHY]);
/* The note of the epoch; NULL: it has none. */
const void *snapshots_note(const struct snapshots *snapshots, size_t *size);

int snapshots_start(struct snapshots *snapshots);
/* One step; false: it is over. For those who have no thread. */
bool snapshots_step(void *snapshots);
/*
 * If the engine has ended: a last epoch, with which the sinks commit everything. Else no more are
 * made; an engine that ends meanwhile may get one or not. Waits. Returns whether everything is
 * committed that sinks handed over, and of an engine that had ended all that they wrote; else the
 * status says how many transactions are left, and why.
 */
bool snapshots_stop(struct snapshots *snapshots);

/* The last durable epoch. */
uint64_t snapshots_durable(const struct snapshots *snapshots);
void snapshots_status(struct snapshots *snapshots, struct snapshot_status *status);

#endif
