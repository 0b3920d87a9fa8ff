/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef STATE_FOLDER_H
#define STATE_FOLDER_H

/*
 * A folder of epochs as the subcommands of `lodemill state` see it: read without taking it, with a
 * sentence about what is wrong and one about what to do. Any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "state/store.h"

/* Room for a sentence with a folder's name in it. */
#define STATE_TEXT_MAX (STORE_FOLDER_MAX + 200u)

struct state_trouble {
	char what[STATE_TEXT_MAX];
	char help[STATE_TEXT_MAX]; /* may be empty */
};

/* What is known of an epoch, in the order of how bad it is. */
enum state_health {
	STATE_COMPLETE,   /* as far as was looked */
	STATE_UNKNOWN,    /* this process could not look: permissions, memory */
	STATE_DAMAGED,    /* its manifest can be read, something that it names is not whole */
	STATE_UNREADABLE, /* no copy of its manifest can be read */
};
const char *state_health_name(enum state_health health);
/* What its list knows, nothing more is read. */
enum state_health state_health_of(const struct store_epoch *epoch);

/*
 * What the folder holds. 0, or -errno and the trouble: no such folder, no permission, no state in
 * it. store_list_free lets go of it.
 */
int state_folder_read(const char *folder, struct store_list *list, struct state_trouble *trouble);
/* Whether a process has taken it, a job above all. */
bool state_folder_in_use(const char *folder);
/*
 * Which of the folder's epochs: that of a number, or the newest with a manifest (`number` 0). NULL
 * and the trouble: there is none.
 */
struct store_epoch *state_folder_epoch(const char *folder, const struct store_list *list,
                                       uint64_t number, struct state_trouble *trouble);
/* Whether an epoch that was there has been removed since: a job that runs does that. */
bool state_folder_is_gone(const char *folder, uint64_t epoch);
/* Bytes that a file of the folder takes; 0: it is not there. */
uint64_t state_folder_file_size(const char *folder, const char *name);

/* "2026-11-25 08:39:47 UTC"; and how long before `now_ns`: "12.0 s", "-" if not before. */
#define STATE_TIME_MAX 32u
const char *state_time(int64_t wall_ns, char text[STATE_TIME_MAX]);
const char *state_age(int64_t wall_ns, int64_t now_ns, char text[STATE_TIME_MAX]);

#endif
