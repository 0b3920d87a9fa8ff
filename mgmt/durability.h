/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DURABILITY_H
#define DURABILITY_H

/*
 * A job's snapshots, for people: where they go, what a start goes on from, what is said about it.
 *
 *     if (!durability_open(&durability, topology, graph, NULL)) …    before the engine is built
 *     durability_origin(&durability, &origin);
 *     if (!durability_attach(&durability, engine)) …                 before it starts
 *     durability_start(&durability);
 *     durability_stop(&durability);                                  when it has ended, or is to
 * stop durability_close(&durability);
 *
 * Everything that goes wrong is said on stderr, with what to do about it. Without a folder all of
 * it does nothing.
 */

#include <stdbool.h>

#include "core/engine.h"
#include "core/topology.h"
#include "state/snapshot.h"

struct durability {
	struct snapshots *snapshots; /* NULL: the job takes none */
	const char *folder;
	bool resumed;   /* it goes on from `epoch` */
	bool had_ended; /* there was nothing left to do */
	uint64_t epoch;
	int64_t gap_ns; /* since that epoch, until now */
};

/* What tells the files of a job, which has the name of its topology, from those of another one. */
uint64_t durability_job(const char *topology);
/* Where snapshots go: `folder`, or as the topology says; NULL: nowhere, or `folder` is "none". */
const char *durability_folder(const struct lm_topology *topology, const char *folder);
/* `folder` as there; `note`: as in snapshot_options. False: reported. */
bool durability_open(struct durability *durability, const struct lm_topology *topology,
                     const struct lm_graph *graph, const char *folder,
                     const struct snapshot_note *note);
void durability_origin(const struct durability *durability, struct engine_origin *origin);
bool durability_attach(struct durability *durability, struct lm_engine *engine);
bool durability_start(struct durability *durability);
/* Whether everything that sinks wrote is committed; says so if it is not. */
bool durability_stop(struct durability *durability);
void durability_close(struct durability *durability);

#endif
