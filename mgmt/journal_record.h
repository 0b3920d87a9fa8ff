/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_RECORD_H
#define JOURNAL_RECORD_H

/*
 * A record of the journal: an action, the next id, and whether the sources are inactive, as JSON.
 * Pure; times are turned from the monotonic clock to that of the world and back, since the first
 * begins anew with the machine.
 */

#include <stddef.h>

#include "mgmt/manager.h"

struct journal_clock {
	int64_t now_ns, wall_ns;
};

/* The text, to be freed; NULL: no memory. `action` NULL: only the rest, as in front of a file. */
char *journal_record_write(const struct manager *manager, const struct action *action,
                           const struct journal_clock *clock);
/* False: it is no record. Of one without an action, or of a kind that this build does not know, the
 * action's id is 0. */
bool journal_record_read(const char *text, size_t size, const struct journal_clock *clock,
                         struct action *action, struct manager_past *past);

#endif
