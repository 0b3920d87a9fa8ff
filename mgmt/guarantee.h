/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUARANTEE_H
#define GUARANTEE_H

/*
 * What may happen, over crashes, to a row on its way from a source to a sink: a pure function of
 * the graph and of what its operators can do.
 *
 *     result = guarantee_find(graph, traits, state, &guarantees);
 *     guarantees_free(&guarantees);
 *
 * After a crash the engine goes on from the newest epoch on disk. What came in since then is lost
 * unless somebody can give it again: a source that replays, or a log that stands right behind the
 * source. What went out since then comes out again unless the sink holds it back until its epoch is
 * on disk: a sink that commits. The weakest path between the two decides, and a path is weakened by
 * wires that shed and by wires that close a cycle, which the cut of an epoch does not wait for.
 */

#include <stdint.h>

#include "core/graph.h"

/* What an operator can do. */
enum guarantee_trait {
	GUARANTEE_REPLAYS = 1, /* a source: it gives again what came behind a position */
	GUARANTEE_COMMITS = 2, /* a sink: what it gives out counts when its epoch is on disk */
	GUARANTEE_LOGS = 4     /* what it has passed on it can give again */
};

/* Where snapshots go. */
enum guarantee_state {
	GUARANTEE_NO_FOLDER,
	GUARANTEE_FOLDER, /* settings.epoch of the graph says whether there are epochs */
};

/* The best first. */
enum guarantee_level {
	GUARANTEE_EXACTLY_ONCE,
	GUARANTEE_AT_LEAST_ONCE,
	GUARANTEE_AT_MOST_ONCE,
	GUARANTEE_WITHIN_EPOCH, /* may lose and repeat what is of one epoch */
	GUARANTEE_LEVELS
};
const char *guarantee_text(enum guarantee_level level);

struct guarantee {
	uint32_t source, sink; /* operators */
	enum guarantee_level level;
	char why[480]; /* "rows replays, out commits" */
};

/* Pairs that are connected, by source and then by sink, as they were declared. */
struct guarantees {
	struct guarantee *pair;
	uint32_t count;
};

/* `traits`: bits of each operator of the graph. 0 or -ENOMEM. */
int guarantee_find(const struct lm_graph *graph, const uint32_t *traits, enum guarantee_state state,
                   struct guarantees *guarantees);
void guarantees_free(struct guarantees *guarantees);

#endif
