/* SPDX-License-Identifier: BSD-3-Clause */
/* Showing the engine to the control interface, and carrying out the manager's orders. */
#include "mgmt/conduct.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/engine.h"
#include "mgmt/control_socket.h"

bool
conduct_open(struct conduct *conduct, const struct conduct_options *options, const char *prefix)
{
	char path[CONTROL_PATH_MAX], why[256];
	const char *wanted = options->path;
	int result = 0;

	if (wanted != NULL && strcmp(wanted, "none") == 0) {
		return true;
	}
	if (wanted == NULL) {
		result = control_socket_path(path, prefix, why);
		wanted = path;
	}
	result =
	    result != 0 ? result : control_open(&conduct->control, wanted, &options->grants, why);
	if (result == 0) {
		return true;
	}
	if (options->path != NULL || result == -EADDRINUSE) {
		fprintf(stderr, "error: no control socket: %s\n", why);
		return false;
	}
	env_log(4, "no control socket, lodectl will not find this job: %s", why);
	return true;
}

bool
conduct_start(struct conduct *conduct, const struct conduct_job *job)
{
	struct view_about about = { .pid = (uint32_t)getpid(),
		                    .has_snapshots = job->durability->snapshots != NULL };
	int result;

	if (conduct->control == NULL) {
		return true;
	}
	snprintf(about.topology, sizeof(about.topology), "%s", job->topology);
	snprintf(about.version, sizeof(about.version), "%s", LODEMILL_VERSION);
	snprintf(about.prefix, sizeof(about.prefix), "%s", job->prefix);
	snprintf(about.folder, sizeof(about.folder), "%s",
	         about.has_snapshots ? job->durability->folder : "");
	conduct->queue = calloc(job->engine->slice_count + 1, sizeof(*conduct->queue));
	result = conduct->queue == NULL ||
	                 bottleneck_init(&conduct->bottleneck, &job->live->now.shape) != 0
	             ? -ENOMEM
	             : control_start(conduct->control, &about, &job->live->now);
	if (result != 0) {
		fprintf(stderr, "error: no control socket: %s\n", strerror(-result));
		return false;
	}
	conduct->job = *job;
	return true;
}

/* What waits before each slice. */
static void
look_at_queues(struct conduct *conduct)
{
	const struct lm_engine *engine = conduct->job.engine;

	memset(conduct->queue, 0, engine->slice_count * sizeof(*conduct->queue));
	for (uint32_t i = 0; i < engine->layout->edge_count; i++) {
		const struct edge *edge = engine->edge[i];

		if (!edge->fused) {
			conduct->queue[edge->to->number].waiting += edge_count(edge);
			conduct->queue[edge->to->number].room += edge->credit;
		}
	}
}

/* Half a second of the job, for those who listen; and who held it up meanwhile. */
static void
show_probe(struct conduct *conduct)
{
	struct live *live = conduct->job.live;
	const struct sample *probe = live_probe(live);

	if (live->probe_before.head->now_ns != 0) {
		bottleneck_window(&conduct->bottleneck, probe, &live->probe_before);
	}
	control_publish_probe(conduct->control, probe);
}

void
conduct_show(struct conduct *conduct)
{
	struct snapshot_status status;
	struct control_picture picture = { .queue = conduct->queue };
	int64_t now_ns = env_now_ns();

	if (conduct->control == NULL) {
		return;
	}
	look_at_queues(conduct);
	picture.sample = &conduct->job.live->now;
	if (conduct->job.durability->snapshots != NULL) {
		snapshots_status(conduct->job.durability->snapshots, &status);
		picture.snapshots = &status;
	}
	picture.elastic = elastic_view(conduct->job.elastic);
	picture.bottleneck = conduct->bottleneck.op;
	control_publish(conduct->control, &picture);
	if (now_ns >= conduct->probe_due_ns) {
		conduct->probe_due_ns = now_ns + CONTROL_PROBE_NS;
		show_probe(conduct);
	}
}

static void
look_at_facts(const struct conduct *conduct, struct manager_facts *facts,
              struct snapshot_status *status)
{
	const struct lm_engine *engine = conduct->job.engine;
	struct snapshots *snapshots = conduct->job.durability->snapshots;

	*facts = (struct manager_facts){ .now_ns = env_now_ns(),
		                         .has_snapshots = snapshots != NULL,
		                         .why = "" };
	if (snapshots != NULL) {
		snapshots_status(snapshots, status);
		facts->lost = status->lost;
		facts->durable = snapshots_durable(snapshots);
		facts->why = status->why;
	}
	facts->epoch = engine->epoch;
	facts->snapshot_epoch = engine_snapshot_epoch(engine);
}

static void
take_freeze(struct conduct *conduct)
{
	bool is_frozen;

	if (control_take_freeze(conduct->control, &is_frozen)) {
		elastic_freeze(conduct->job.elastic, is_frozen);
	}
}

enum manager_order
conduct_step(struct conduct *conduct, uint64_t *limit_ns)
{
	struct snapshot_status status;
	struct manager_facts facts;
	enum manager_order order;
	struct action action;

	if (conduct->control == NULL) {
		return ORDER_NONE;
	}
	take_freeze(conduct);
	look_at_facts(conduct, &facts, &status);
	order = control_step(conduct->control, &facts, &status);
	if (order == ORDER_SNAPSHOT) {
		engine_hurry_snapshot(conduct->job.engine);
		return ORDER_NONE;
	}
	if (order != ORDER_NONE && control_current(conduct->control, &action)) {
		*limit_ns = action.limit_ns;
	}
	return order;
}

void
conduct_ending(struct conduct *conduct)
{
	if (conduct->control != NULL) {
		control_ending(conduct->control, env_now_ns());
	}
}

void
conduct_end(struct conduct *conduct, enum manager_outcome outcome)
{
	struct snapshot_status status;
	struct manager_facts facts;

	/* Where it never started, there is nothing to end. */
	if (conduct->control != NULL && conduct->job.engine != NULL) {
		look_at_facts(conduct, &facts, &status);
		control_end(conduct->control, &facts, outcome);
		conduct_show(conduct);
	}
}

void
conduct_close(struct conduct *conduct)
{
	control_close(conduct->control);
	bottleneck_free(&conduct->bottleneck);
	free(conduct->queue);
	*conduct = (struct conduct){ 0 };
}
