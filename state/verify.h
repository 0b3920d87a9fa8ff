/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VERIFY_H
#define VERIFY_H

/*
 * Reads epochs back while the job runs, so that damage is found before somebody needs them. On the
 * store's thread, a little at a time and no faster than it was told:
 *
 *     verify_begin(verify, epoch);
 *     busy = verify_step(verify);                 over and over; false: nothing to do now
 *     if (verify_take(verify, &verified)) …       once for each epoch
 *
 * A damaged epoch is marked in the store, which then counts it no more as one of those to keep.
 */

#include "state/store.h"

struct verify;

struct verified {
	uint64_t epoch, files, bytes;
	bool is_gone;    /* it was removed in the meantime: nothing is known */
	bool is_damaged; /* `why` says how */
	char why[MANIFEST_WHY];
};

/* NULL: no memory. bytes_per_s 0: as fast as steps are made. */
struct verify *verify_open(struct store *store, uint64_t bytes_per_s);
void verify_close(struct verify *verify);
/* In place of what is under way, if anything is. */
void verify_begin(struct verify *verify, uint64_t epoch);
bool verify_step(struct verify *verify);
bool verify_take(struct verify *verify, struct verified *verified);

#endif
