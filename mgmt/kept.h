/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef KEPT_H
#define KEPT_H

/*
 * What people have set of a running job and its next start takes up: whether elasticity is frozen,
 * log levels for as long as they hold, and where slices were moved by hand. With a state folder it
 * stands in FOLDER/manager/settings (journal_keep): whole, or as it was before.
 *
 *     kept_open(&kept, folder, job, why)      sets the log levels that still hold
 *     kept_place(&kept, "sums", 1, 3);        … and what else is set
 *     kept_write(&kept)                       before anybody is told
 *     kept_close(&kept);
 *
 * Threads: whoever calls it holds the lock of mgmt/control.c.
 */

#include <stdbool.h>
#include <stdint.h>

#include "mgmt/journal.h"

struct kept_place {
	char op[MANAGER_NAME];
	uint32_t slice; /* of the operator */
	uint32_t lcore; /* EAL's number */
};

struct kept {
	char *folder; /* NULL: nothing is written down */
	uint64_t job;
	bool is_frozen;
	uint64_t moved_by; /* the last action that a place is of; 0: none */
	struct kept_place *place;
	uint32_t place_count, place_room;
	uint32_t levels; /* log levels that were set by kept_open */
};

/* 0 or -errno; with 0 `why` is a warning, or empty. What is damaged is begun anew. A zeroed one,
 * that is not opened, writes nothing down. */
int kept_open(struct kept *kept, const char *folder, uint64_t job, char why[JOURNAL_WHY]);
void kept_close(struct kept *kept);
/* In place of where the slice was moved before. 0 or -ENOMEM. */
int kept_place(struct kept *kept, const char *op, uint32_t slice, uint32_t lcore);
/* Leaves those for which `stays` is true. */
void kept_prune(struct kept *kept, bool (*stays)(const struct kept_place *place, const void *arg),
                const void *arg);
void kept_forget_places(struct kept *kept);
/* All of it, log levels as they are now. 0 or -errno. */
int kept_write(const struct kept *kept);

#endif
