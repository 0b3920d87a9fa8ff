/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HOST_H
#define HOST_H

/*
 * Where a manager that was loaded (mgmt/lm_manager.h) lives: calls it, times it, keeps what it
 * remembers, and takes what it asks for to the job's own manager.
 *
 *     if (host_load(&options, &manager, why) != 0) …   before EAL: a wrong file shows
 *     if (!host_open(manager, &job)) …                 when the engine is built
 *     host_step(manager);                              often
 *     host_probe(manager, now, before);         twice a second
 *     host_close(manager);
 *
 * Threads: the control thread.
 */

#include "mgmt/control.h"

#define HOST_WHY 400u

struct lm_manager;

struct host_options {
	const char *path;     /* NULL: none is to be loaded */
	const char *argument; /* for the manager; NULL: "" */
};

struct host_job {
	struct control *control;
	const char *topology;
	const char *folder; /* of the job's state; NULL: nothing outlives the process */
	uint64_t job;       /* that the folder is of */
};

/* 0, or -errno and a sentence. *manager is NULL where there is nothing to load. */
int host_load(const struct host_options *options, struct lm_manager **manager, char why[HOST_WHY]);
/* Opens it, with what it remembers. False: said on stderr. */
bool host_open(struct lm_manager *manager, const struct host_job *job);
/* What has come to its end, and the timer. */
void host_step(struct lm_manager *manager);
void host_probe(struct lm_manager *manager, const struct sample *now, const struct sample *before);
const char *host_name(const struct lm_manager *manager);
const char *host_version(const struct lm_manager *manager);
void host_counts(const struct lm_manager *manager, struct view_loaded *counts);
/* The functions above do nothing for NULL but host_name and host_version, which are "". */
void host_close(struct lm_manager *manager);

#endif
