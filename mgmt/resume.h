/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RESUME_H
#define RESUME_H

/*
 * What a job goes on with when it is started again: the topology that ran, with the slices it had
 * by then. It stands in every snapshot as its note (state/snapshot.h), so that state and topology
 * always fit: of a change that no durable snapshot is behind, a crash leaves nothing.
 *
 *     resume_choose(&resume, &options, &job)             behind job_read: may put another topology
 *                                                        in its place; has code loaded
 *     durability_open(…, resume_note(&resume))           goes on from that snapshot, or says why
 *     resume_free(&resume)
 *
 * With the topology goes the code of its plugins, of which there are copies (mgmt/plugin_copies.h).
 *
 * The file on the command line is gone by when it has changed since the job ran: when it is neither
 * what it was at that start nor what was applied since. A parent that starts a job again after a
 * crash (--supervise) always has it go on with what ran.
 */

#include "mgmt/job.h"
#include "mgmt/resume_note.h"
#include "state/snapshot.h"

/* Starts by one parent, which its children share; all zeroes at first. */
struct resume_starts {
	uint64_t count;
	uint64_t passed_over; /* notes of epochs up to this one are forgotten */
};

struct resume_options {
	const struct job_request *request;
	const char *folder;           /* of --state; NULL: none was given */
	bool is_fresh;                /* --fresh-topology */
	struct resume_starts *starts; /* `count` is this one's number */
};

struct resume {
	struct snapshot_note note;
	bool is_kept;           /* the topology is the note's, or the same */
	bool is_forgotten;      /* there is another one, and it is passed over */
	char file[DIGEST_TEXT]; /* of the file on the command line, with its variables */
	uint64_t changed_by;    /* the last action that changed what is gone on with; 0: none */
};

/* False: reported. */
bool resume_choose(struct resume *resume, const struct resume_options *options, struct job *job);
/* What the epoch to go on from must have; NULL: it does not matter. */
const struct snapshot_note *resume_note(const struct resume *resume);
void resume_free(struct resume *resume); /* a zeroed one is fine */

#endif
