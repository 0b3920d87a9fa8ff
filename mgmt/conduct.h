/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONDUCT_H
#define CONDUCT_H

/*
 * The control thread's side of managing a job: shows the running engine to mgmt/control.h, carries
 * out what the manager orders. Without a socket the manager is there all the same.
 *
 *     conduct_open(&conduct, &options, prefix)            before EAL: the path may be taken
 *     conduct_recover(&conduct, &durability, …)           when the state folder is open
 *     conduct_start(&conduct, &job)                       when the engine is built
 *     conduct_show(&conduct);                             behind each live_tick
 *     order = conduct_step(&conduct, &limit_ns);          often
 *     conduct_end(&conduct, outcome); conduct_close(&conduct);
 */

#include "mgmt/bottleneck.h"
#include "mgmt/carry.h"
#include "mgmt/control.h"
#include "mgmt/durability.h"
#include "mgmt/host.h"
#include "mgmt/live.h"
#include "mgmt/resume.h"

struct conduct_options {
	const char *path; /* NULL: the default; "none": no socket */
	struct peer_grants grants;
	struct host_options loaded; /* a manager */
};

/* What is conducted; all of it outlives the conduct. */
struct conduct_job {
	struct lm_engine *engine;
	struct live *live;
	const struct durability *durability;
	const char *topology, *prefix;
	const struct lm_topology *declared; /* what `topology` names */
	const char *const *set;             /* as struct job_request */
	const char *policy;                 /* its `elastic` */
	const struct resume *resume;        /* what it goes on with */
	struct elastic *elastic;
};

struct conduct {
	struct control *control;
	struct conduct_job job;
	struct carry carry;
	struct lm_manager *loaded; /* NULL: none */
	struct bottleneck bottleneck;
	uint64_t elastic_action; /* that elasticity has asked for; 0: none */
	int64_t probe_due_ns;
};

/* False: a running job has the path, or one that was asked for cannot be made; said on stderr. */
bool conduct_open(struct conduct *conduct, const struct conduct_options *options,
                  const char *prefix);
/* With a state folder: goes on from the manager's journal there, and says what of it is undone.
 * False: it cannot be read or written; said on stderr. */
bool conduct_recover(struct conduct *conduct, const struct durability *durability,
                     const struct resume *resume, const char *topology);
/* False: no memory or no thread; said on stderr. */
bool conduct_start(struct conduct *conduct, const struct conduct_job *job);
void conduct_show(struct conduct *conduct);
/* The graph has changed, and all samples with it (live_follow). */
void conduct_changed(struct conduct *conduct);
/* STOP and DRAIN with their limit in *limit_ns: the caller ends the job. */
enum manager_order conduct_step(struct conduct *conduct, uint64_t *limit_ns);
/* The job is to end. False: not before what is watched has been taken back; see carry_may_end. */
bool conduct_may_end(struct conduct *conduct);
/* All slices have ended: what is carried out lets go of snapshots, so that there is a last one. */
void conduct_let_go(struct conduct *conduct);
/* The job ends for a reason of its own. */
void conduct_ending(struct conduct *conduct);
void conduct_end(struct conduct *conduct, enum manager_outcome outcome);
void conduct_close(struct conduct *conduct);

#endif
