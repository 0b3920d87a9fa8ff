/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_H
#define JOURNAL_H

/*
 * The journal: what the manager of a job was asked for and what came of it, on disk, so that after
 * a crash ids are not given twice, what was told stays so, and what was under way comes to an end.
 *
 *     result = journal_open(&options, &manager, &journal, why);   the manager is new
 *     …                                                           from here on it watches
 *     journal_close(journal);
 *
 * In FOLDER/manager/journal, one block (state/block.h: a length, two checksums) for every change of
 * an action: asked, begun, a step farther, done or failed. The payload is one object of JSON with
 * the action as it then is, the next id, and whether the sources are inactive. A change is durable
 * before anybody can see it, and nobody goes on before it is.
 *
 * Opening reads the records up to the first that is not sound. What is behind that one is not
 * trusted: it is cut, and `why` says so; if it is more than a torn end it is kept beside as
 * "journal.damaged", and ids go on above all that it can have held. The file is then written anew,
 * whole or not at all, as it also is when it has grown to JOURNAL_BYTES and when a write has
 * failed: a file in which one has failed is never written again.
 *
 * Threads: those of the manager.
 */

#include "mgmt/manager.h"

#define JOURNAL_WHY 400u
#define JOURNAL_BYTES (1u << 20)
#define JOURNAL_FOLDER_MAX 800u

struct journal;

struct journal_options {
	const char *folder;                     /* of the job's state; it is there */
	uint64_t job;                           /* that the folder is of */
	bool is_complete;                       /* there is nothing left to do */
	uint64_t durable, changed_by, moved_by; /* as in struct manager_past */
};

/* 0, or -errno and a sentence. With 0 `why` is a warning, or empty. */
int journal_open(const struct journal_options *options, struct manager *manager,
                 struct journal **journal, char why[JOURNAL_WHY]);
/* NULL is fine. */
void journal_close(struct journal *journal);

/* What stands beside the journal in its folder: a file of `size` bytes, whole or as it was before.
 * 0 or -errno. */
int journal_keep(const char *folder, const char *name, uint64_t job, const void *bytes,
                 uint32_t size);
/* Bytes that were kept; to be freed. NULL and 0 in *size: none, or they are not sound (-EBADMSG).
 */
int journal_kept(const char *folder, const char *name, uint64_t job, void **bytes, uint32_t *size);

#endif
