/* SPDX-License-Identifier: BSD-3-Clause */
/* A job's snapshots, for people. */

#include "mgmt/durability.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/graph.h"
#include "core/xxh.h"
#include "mgmt/units.h"

static void
complain(const struct durability *durability, const char *why)
{
	fprintf(stderr, "error: snapshots in %s: %s\n", durability->folder, why);
}

/* What the topology says that no snapshot could keep up with. */
static bool
check_topology(const struct durability *durability, const struct lm_graph *graph)
{
	if (graph->settings.epoch_ns == 0) {
		complain(durability, "there is one each epoch, and settings.epoch is 0: write "
		                     "settings: {epoch: 1s}");
		return false;
	}
	for (uint32_t i = 0; i < graph->wire_count; i++) {
		if (graph->wire[i].feedback) {
			fprintf(
			    stderr,
			    "error: snapshots in %s: the wire from %s back to %s closes a "
			    "cycle, and rows on it are in no snapshot: take the wire out, or the "
			    "state folder\n",
			    durability->folder, graph->op[graph->wire[i].from].name,
			    graph->op[graph->wire[i].to].name);
			return false;
		}
	}
	return true;
}

uint64_t
durability_job(const char *topology)
{
	return XXH3_64bits(topology, strlen(topology)) | 1;
}

const char *
durability_folder(const struct lm_topology *topology, const char *folder)
{
	folder = folder != NULL ? folder : topology->state.folder;
	return folder == NULL || strcmp(folder, "none") == 0 ? NULL : folder;
}

bool
durability_open(struct durability *durability, const struct lm_topology *topology,
                const struct lm_graph *graph, const char *folder, const struct snapshot_note *note)
{
	const struct lm_state *state = &topology->state;
	struct snapshot_options options = {
		.keep = state->keep,
		.codec = (enum block_codec)state->codec,
		.level = state->level,
		.pace = state->pace,
		.timeout_ns = state->timeout_ns,
		.full_after = state->full_after,
		.verify = state->verify,
		.has_index = true,
		.has_thread = true,
	};
	char why[SNAPSHOT_WHY];
	int64_t wall_ns;

	*durability = (struct durability){ .folder = durability_folder(topology, folder) };
	if (durability->folder == NULL) {
		return true;
	}
	if (!check_topology(durability, graph)) {
		return false;
	}
	options.folder = durability->folder;
	options.job = durability_job(graph->name);
	options.note = note;
	if (snapshots_open(&options, &durability->snapshots, why) != 0) {
		complain(durability, why);
		return false;
	}
	durability->resumed =
	    snapshots_resumes(durability->snapshots, &durability->epoch, &wall_ns);
	durability->gap_ns = durability->resumed ? env_wall_ns() - wall_ns : 0;
	return true;
}

void
durability_origin(const struct durability *durability, struct engine_origin *origin)
{
	*origin = (struct engine_origin){ 0 };
	if (durability->snapshots != NULL) {
		snapshots_origin(durability->snapshots, origin);
	}
}

/* What of a source's input nobody has seen. */
static void
tell_gaps(const struct durability *durability, const struct lm_graph *graph)
{
	struct units_text gap = units_duration((double)durability->gap_ns / 1e9);

	for (uint32_t i = 0; i < graph->operator_count; i++) {
		const struct graph_operator *op = &graph->op[i];

		if (op->class->poll != NULL && (op->traits & LM_TRAIT_REPLAYS) == 0) {
			fprintf(stderr,
			        "%s cannot be asked again: what it was given in the %s since that "
			        "snapshot is lost\n",
			        op->name, gap.text);
		}
	}
}

bool
durability_attach(struct durability *durability, struct lm_engine *engine)
{
	struct snapshot_restored restored;
	char why[SNAPSHOT_WHY];

	if (durability->snapshots == NULL) {
		return true;
	}
	if (snapshots_attach(durability->snapshots, engine, why) != 0) {
		complain(durability, why);
		return false;
	}
	durability->had_ended = snapshots_had_ended(durability->snapshots);
	if (durability->had_ended) {
		fprintf(
		    stderr,
		    "the job in %s is complete: all its rows are committed and there is nothing "
		    "left to do; name another folder to run it anew\n",
		    durability->folder);
	} else if (durability->resumed) {
		snapshots_restored(durability->snapshots, &restored);
		fprintf(stderr,
		        "going on from epoch %" PRIu64 " in %s, %s old: %s of state in %u slices, "
		        "restored in %s\n",
		        durability->epoch, durability->folder,
		        units_duration((double)durability->gap_ns / 1e9).text,
		        units_bytes((double)restored.bytes).text, restored.slices,
		        units_ns((uint64_t)restored.took_ns).text);
		tell_gaps(durability, engine->graph);
	}
	return true;
}

bool
durability_start(struct durability *durability)
{
	if (durability->snapshots != NULL && snapshots_start(durability->snapshots) != 0) {
		complain(durability, "no thread could be started for them");
		return false;
	}
	return true;
}

bool
durability_stop(struct durability *durability)
{
	struct snapshot_status status;
	bool committed;

	if (durability->snapshots == NULL) {
		return true;
	}
	committed = snapshots_stop(durability->snapshots);
	if (!committed) {
		snapshots_status(durability->snapshots, &status);
		fprintf(
		    stderr,
		    "error: snapshots in %s: %" PRIu64
		    " transactions of sinks are not committed (%s): run the job again to finish\n",
		    durability->folder, status.uncommitted, status.why);
	}
	return committed;
}

void
durability_close(struct durability *durability)
{
	snapshots_close(durability->snapshots);
	durability->snapshots = NULL;
}
