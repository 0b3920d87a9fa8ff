/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUARANTEE_H
#define GUARANTEE_H

/*
 * What may happen, over crashes, to a row on its way from a source to a sink: a pure function of
 * the graph and of what its operators can do.
 *
 *     result = guarantee_find(graph, has_folder, &guarantees);
 *     guarantees_free(&guarantees);
 *
 * After a crash the engine goes on from the newest epoch on disk. What came in since then is lost
 * unless somebody can give it again: a source that replays, or a log that stands right behind the
 * source. What went out since then comes out again unless the sink holds it back until its epoch is
 * on disk: a sink that commits (enum lm_trait says who can what). The weakest path between the two
 * decides, and a path is weakened by wires that shed and by wires that close a cycle, which the cut
 * of an epoch does not wait for.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/graph.h"

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

/* `has_folder`: the job takes snapshots. 0 or -ENOMEM. */
int guarantee_find(const struct lm_graph *graph, bool has_folder, struct guarantees *guarantees);
void guarantees_free(struct guarantees *guarantees);

#endif
