/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STATE_VERIFY_H
#define STATE_VERIFY_H

/*
 * Reads every byte of epochs with several threads, each file once however many epochs need it:
 *
 *     result = state_verify_begin(list, count, folder, jobs, &verify);
 *     while (!state_verify_wait(verify, 100000000)) … state_verify_progress
 *     for (i …) state_verify_file(verify, i)                  what was found
 *     health = state_verify_epoch(verify, epoch, &file)
 *     state_verify_end(verify)
 *
 * The folder is not taken: of a job that runs, an epoch may go while it is read.
 */

#include "mgmt/state_folder.h"

struct state_verify;

struct state_verify_file {
	const struct manifest_file *file;
	uint64_t job;
	enum state_health health; /* COMPLETE, UNKNOWN or DAMAGED */
	char why[MANIFEST_WHY];   /* which block, and what is wrong; "" if nothing */
};

struct state_verify_progress {
	uint64_t bytes, bytes_all;
	uint32_t files, files_all;
};

/* Files of the first `count` epochs, which must outlive it; 0 or -errno. */
int state_verify_begin(const struct store_epoch *epochs, uint32_t count, const char *folder,
                       uint32_t jobs, struct state_verify **verify);
/* Waits so long at most; true: all is read. */
bool state_verify_wait(struct state_verify *verify, uint64_t timeout_ns);
struct state_verify_progress state_verify_progress(const struct state_verify *verify);
/* When all is read. NULL behind the last. */
const struct state_verify_file *state_verify_file(const struct state_verify *verify, uint32_t i);
/* How an epoch is, by its manifest and by its files; `file`: the first bad one, or NULL. */
enum state_health state_verify_epoch(const struct state_verify *verify,
                                     const struct store_epoch *epoch,
                                     const struct state_verify_file **file);
/* Stops what still reads; NULL is fine. */
void state_verify_end(struct state_verify *verify);

#endif
