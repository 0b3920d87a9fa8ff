/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_H
#define CONTROL_H

/*
 * The control interface of a running job: JSON-RPC 2.0 over a Unix socket, one object per line, see
 * docs/control.md. One thread of its own, at the lowest priority, serves all clients from pictures
 * of the job that the control thread publishes; what is to be done it hands over to the manager.
 *
 *     control_open(&control, path, &grants, why);          before anything is started: a clash
 * shows control_start(control, &about, &sample);     calls are answered from here on
 *     control_publish(control, &picture);                  ten times a second
 *     control_publish_probe(control, &sample);             every CONTROL_PROBE_NS
 *     order = control_step(control, &facts);               the manager's turn
 *     control_end(control, &facts, outcome);               completes what is open
 *     control_close(control);                              tells the clients, removes the socket
 *
 * Threads: one control thread makes these calls.
 */

#include "mgmt/control_peer.h"
#include "mgmt/control_view.h"
#include "mgmt/journal.h"
#include "mgmt/kept.h"

#define CONTROL_CLIENTS_MAX 64u
#define CONTROL_PROBE_NS 500000000

struct control;

/* 0, or -errno and a sentence that says what to do. -EADDRINUSE: a running job has the path. `path`
 * NULL: no socket and no thread; the manager is there all the same. */
int control_open(struct control **control, const char *path, const struct peer_grants *grants,
                 char why[256]);
const char *control_path(const struct control *control);
/* From here on the manager writes down what it does, and it goes on from what is there. As
 * journal_open; before control_start. */
int control_journal(struct control *control, const struct journal_options *options,
                    char why[JOURNAL_WHY]);
/* What people have set goes on from what is there, and is written down. Before control_journal; as
 * kept_open. */
int control_settings(struct control *control, const char *folder, uint64_t job,
                     char why[JOURNAL_WHY]);
/* As it is; before control_start. */
struct kept *control_kept(struct control *control);
/* An action (0: none that is waited for) has brought slices where they are now. */
void control_moved(struct control *control, uint64_t action, const struct kept_place *place,
                   uint32_t count);
/* See kept_prune. */
void control_prune(struct control *control,
                   bool (*stays)(const struct kept_place *place, const void *arg), const void *arg);
/* `sample` is what is shown until something is published. 0 or -errno. */
int control_start(struct control *control, const struct view_about *about,
                  const struct sample *sample);

struct control_picture {
	const struct sample *sample;
	const struct snapshot_status *snapshots; /* may be NULL */
	const struct view_loaded *loaded;        /* may be NULL */
	struct plugin_counts plugins;
	struct engine_pages pages;
	const struct elastic_view *elastic; /* NULL: none */
	uint32_t bottleneck;                /* operator; LM_NONE: none */
};
/* What somebody has asked of elasticity since the last call; false: nothing. */
bool control_take_freeze(struct control *control, bool *is_frozen);
void control_publish(struct control *control, const struct control_picture *picture);
/* One whose graph is another one than that of the probe before is what the next compares with, and
 * nobody is told of it. */
void control_publish_probe(struct control *control, const struct sample *sample);

/* `snapshots` is what the facts were taken from: who is told of an end sees it in the status, too.
 */
enum manager_order control_step(struct control *control, const struct manager_facts *facts,
                                const struct snapshot_status *snapshots);
/* As a client's call: takes an action in and gives a copy of it; 0: see *refusal. */
uint64_t control_submit(struct control *control, const struct action_ask *ask,
                        struct action *action, enum manager_refusal *refusal);
/* A copy of an action; false: it is forgotten. */
bool control_find(struct control *control, uint64_t id, struct action *action);
/* The next completion behind *told, which counts them; false: none. */
bool control_completed(struct control *control, uint64_t *told, struct action *action);
/* How many there were in lives before. */
uint64_t control_completed_before(struct control *control);
/* What came of the order to carry one out. */
void control_report(struct control *control, const struct manager_report *report);
/* A copy of the action under way; false: there is none. */
bool control_current(struct control *control, struct action *action);
/* Whether an action waits that ends the job. */
bool control_end_waits(struct control *control);
/* Whether the sources are to be inactive, now or as the job goes on. */
bool control_is_inactive(struct control *control);
/* The job ends for a reason of its own. */
void control_ending(struct control *control, int64_t now_ns);
void control_end(struct control *control, const struct manager_facts *facts,
                 enum manager_outcome outcome);
void control_close(struct control *control); /* NULL is fine */

#endif
