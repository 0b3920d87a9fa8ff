/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cycle whose wire back sheds: it ends, adds up, and loses only what may be lost. Every row comes
 * by once from its source; its later hops come in turn, once each, until one was shed.
 */

#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/classes.h"
#include "tests/sim/sim.h"
#include "tests/sim/topologies.h"

#define ROWS_MAX 2000u
#define HOPS_MAX 12u

struct cycle {
	uint64_t rows, hops;
	bool seen[ROWS_MAX + 1][HOPS_MAX + 1];
};

static bool
cycle_begin(struct topo *topo)
{
	struct cycle *cycle = calloc(1, sizeof(*cycle));

	if (cycle == NULL) {
		abort();
	}
	cycle->rows = sim_below(sim_below(2) == 0 ? 50 : ROWS_MAX);
	cycle->hops = 1 + sim_below(HOPS_MAX);
	topo->data = cycle;
	return true;
}

static void
cycle_end(struct topo *topo)
{
	free(topo->data);
}

static void
cycle_draw(struct topo *topo)
{
	static const char *const back[] = { "by number", "shuffle", "round robin", "to one", "" };
	const struct cycle *cycle = topo->data;

	/* 0 rows would be endless: one then. */
	topo_set(topo, "count", "%llu", (unsigned long long)cycle->rows + 1);
	topo_set(topo, "hops", "%llu", (unsigned long long)cycle->hops);
	topo_set(topo, "rate", "%u", sim_below(2) == 0 ? 0 : 1000000);
	topo_set(topo, "batch", "%llu", (unsigned long long)(1 + sim_below(LM_BATCH_ROWS)));
	topo_set(topo, "policy", "%s", sim_below(2) == 0 ? "shed newest" : "shed oldest");
	topo_set(topo, "back_credit", "%u", 2u << sim_below(6));
	topo_set(topo, "back", "%s", back[sim_below(5)]);
	topo_set_slices(topo, "sources");
	topo_set_slices(topo, "loops");
	topo_set_slices(topo, "agains");
	topo_set_slices(topo, "collects");
	topo_set_spread(topo, "to_loop");
	topo_set_spread(topo, "to_again");
	topo_set_spread(topo, "to_seen");
}

static bool
cycle_take(struct cycle *cycle, const char *line)
{
	unsigned long long number, hop;

	if (sscanf(line, "%llu,%llu", &number, &hop) != 2 || number > cycle->rows || hop == 0 ||
	    hop > cycle->hops || cycle->seen[number][hop]) {
		fprintf(stderr, "row and hop %s: never sent, or sent once and here twice\n", line);
		return false;
	}
	cycle->seen[number][hop] = true;
	return true;
}

static bool
cycle_check(struct topo *topo, const struct lm_engine *engine)
{
	struct cycle *cycle = topo->data;
	const struct sim_lines *seen = sim_collected("seen");

	for (uint32_t i = 0; i < seen->count; i++) {
		if (!cycle_take(cycle, seen->line[i])) {
			return false;
		}
	}
	for (uint64_t number = 0; number <= cycle->rows; number++) {
		for (uint64_t hop = 1; hop <= cycle->hops; hop++) {
			if (hop == 1 ? !cycle->seen[number][1]
			             : cycle->seen[number][hop] && !cycle->seen[number][hop - 1]) {
				fprintf(stderr, "row %llu: hop %llu is missing\n",
				        (unsigned long long)number,
				        (unsigned long long)(hop == 1 ? 1 : hop - 1));
				return false;
			}
		}
	}
	return topo_equal(topo_rows_in(engine, "loop"), seen->count, "rows that went by");
}

static const struct topo_scenario cycle_scenario = { "cycle.yaml", cycle_begin, cycle_draw,
	                                             cycle_check,  cycle_end,   NULL };

bool
topo_cycle_run(uint64_t seed)
{
	return topo_run(&cycle_scenario, seed);
}
