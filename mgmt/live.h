/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LIVE_H
#define LIVE_H

/*
 * A running engine as the control thread follows it: samples, the statistics segment, port
 * counters, and the summary at the end. When the graph changes, all of it begins anew with the new
 * operators and slices; what is counted since the start goes on.
 */

#include "mgmt/sample.h"
#include "mgmt/stats_shm.h"
#include "mgmt/summary.h"
#include "state/snapshot.h"

struct live {
	struct lm_engine *engine;
	const char *prefix; /* of the statistics segment */
	int64_t start_ns, start_wall_ns;
	struct sample now, before;
	struct sample probe, probe_before;
	struct sample_operator *gone; /* that were removed: what they had counted */
	uint32_t gone_count;
	struct stats_shm *shm;       /* NULL: could not be made; the run goes on without */
	struct snapshots *snapshots; /* NULL: none are taken */
};

/* `prefix` names the statistics segment, and outlives it. Does not move while it is open. 0 or
 * -ENOMEM. */
int live_open(struct live *live, struct lm_engine *engine, const char *prefix);
/* Often, behind each step of the engine. True: its graph has changed, and all samples are new, read
 * at this moment. Without memory for them they stay what they were, and it is tried again. */
bool live_follow(struct live *live);
/* Reads the engine and publishes. */
void live_tick(struct live *live);
/* Reads the engine once more, for what is told every so often: recent means since the last call. */
const struct sample *live_probe(struct live *live);
/* Packets and bytes that all port sources took. */
void live_packets(const struct live *live, uint64_t *packets, uint64_t *bytes);
/* Packets that ports have lost, as of the last reading. */
uint64_t live_lost(const struct live *live);
void live_close(struct live *live);

#endif
