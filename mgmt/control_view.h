/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_VIEW_H
#define CONTROL_VIEW_H

/*
 * What the control interface shows of a job, as JSON: results and notifications with the fields
 * that mgmt/control.json names. Made from samples (mgmt/sample.h) and the manager's log; no engine
 * is touched. Each returns a new value, or NULL when memory ran out.
 */

#include <jansson.h>

#include "core/engine.h"
#include "core/plugin.h"
#include "mgmt/elastic.h"
#include "mgmt/manager.h"
#include "mgmt/rates.h"
#include "mgmt/sample.h"
#include "state/snapshot.h"

#define VIEW_TEXT 256u

/* What stays the same while the job runs. */
struct view_about {
	char topology[VIEW_TEXT], version[VIEW_TEXT], prefix[VIEW_TEXT], folder[VIEW_TEXT];
	char manager[VIEW_TEXT], manager_version[VIEW_TEXT]; /* that was loaded; empty: none */
	uint32_t pid;
	bool has_snapshots;
};

/* What the socket counts. X-macro: field. */
#define VIEW_COUNTS(X)                                                                             \
	X(connected)                                                                               \
	X(accepted)                                                                                \
	X(turned_away)                                                                             \
	X(cut_off)                                                                                 \
	X(calls)                                                                                   \
	X(malformed)                                                                               \
	X(oversized)                                                                               \
	X(unknown)                                                                                 \
	X(wrong_params)                                                                            \
	X(forbidden)                                                                               \
	X(failed)

struct view_counts {
#define VIEW_COUNT_FIELD(name) uint64_t name;
	VIEW_COUNTS(VIEW_COUNT_FIELD)
#undef VIEW_COUNT_FIELD
};

/* What a manager that was loaded has done. */
struct view_loaded {
	uint64_t calls, late, asked, refused;
	int64_t longest_ns;
};

/* One picture of the job. */
struct view {
	const struct view_about *about;
	const struct sample *sample;
	const struct snapshot_status *snapshots;
	const struct view_loaded *loaded;
	struct plugin_counts plugins;
	struct engine_pages pages;
	const struct manager *manager;
	const struct rates *rates; /* of a probe: between it and the one before */
	const struct view_counts *counts;
	const struct elastic_view *elastic;
	uint32_t bottleneck; /* operator; LM_NONE: none */
	int64_t now_ns;
};

/* Of the process between two probes. */
struct view_process {
	uint64_t number;
	double cpu;
	uint64_t memory;
};

json_t *view_status(const struct view *view);
/* `op`: of this operator alone; LM_NONE: of all. */
json_t *view_stats(const struct view *view, uint32_t op);
json_t *view_action(const struct action *action, int64_t now_ns);
/* control_view_elastic.c: at most `count` decisions. */
json_t *view_elastic(const struct view *view, uint64_t count);
json_t *view_probe(const struct view *view, const struct sample *before,
                   const struct view_process *process);

#endif
