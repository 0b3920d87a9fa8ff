/* SPDX-License-Identifier: BSD-3-Clause */
/* The variables of crash.yaml. */

#include "tests/sim/crash_draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

static void
draw_source(struct topo *topo, const char *name, uint64_t rows)
{
	static const unsigned rates[] = { 0, 20000, 1000000 };
	char text[32];

	snprintf(text, sizeof(text), "%s_rows", name);
	topo_set(topo, text, "%" PRIu64, rows);
	snprintf(text, sizeof(text), "%s_rate", name);
	topo_set(topo, text, "%u", rates[sim_below(3)]);
	snprintf(text, sizeof(text), "%s_batch", name);
	topo_set(topo, text, "%" PRIu64, 1 + sim_below(sim_below(2) == 0 ? 16 : LM_BATCH_ROWS));
	snprintf(text, sizeof(text), "%s_seed", name);
	topo_set(topo, text, "%" PRIu64, sim_below(1000));
	snprintf(text, sizeof(text), "%s_slices", name);
	topo_set(topo, text, "%" PRIu64, 1 + sim_below(3));
	snprintf(text, sizeof(text), "%s_time", name);
	topo_set(topo, text, "time %" PRIu64 " %" PRIu64 "ns", sim_below(1000),
	         1 + sim_below(1000));
}

void
crash_draw(struct topo *topo)
{
	/* Near each other, and so in tables by key; far apart; some of both. */
	static const char *const keys[] = { "sequence 1000 7", "uniform 0 40",
		                            "uniform 0 99999999" };

	topo->set_count = 0;
	topo_draw_settings(topo, true);
	draw_source(topo, "a", 1 + sim_below(CRASH_ROWS_MAX));
	draw_source(topo, "b", 1 + sim_below(CRASH_ROWS_MAX));
	topo_set(topo, "lag", "%" PRIu64 "ns", sim_below(2000));
	topo_set(topo, "window", "%" PRIu64 "ns", 20000 + sim_below(200000));
	topo_set(topo, "windows", "%u", 64u);
	topo_set(topo, "key", "%s", keys[sim_below(3)]);
	topo_set(topo, "keys", "%u", 2 * CRASH_ROWS_MAX);
	topo_set(topo, "slices", "%" PRIu64, 1 + sim_below(3));
	topo_set(topo, "somes", "%" PRIu64, 1 + sim_below(3));
	topo_set(topo, "outs", "%" PRIu64, 1 + sim_below(2));
	topo_set_spread(topo, "to_some");
	topo_set_spread(topo, "to_out");
}

/* Something else for what was set before. */
static void
set_again(struct topo *topo, const char *name, const char *text)
{
	size_t length = strlen(name);

	for (uint32_t i = 0; i < topo->set_count; i++) {
		if (strncmp(topo->set[i], name, length) == 0 && topo->set[i][length] == '=') {
			snprintf(topo->set[i], TOPO_TEXT_MAX, "%s=%s", name, text);
		}
	}
}

void
crash_draw_again(struct topo *topo, const char *name, uint64_t least, uint64_t most,
                 const char *unit)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "%s", least + sim_below(most - least + 1), unit);
	set_again(topo, name, text);
}

void
crash_draw_long(struct topo *topo)
{
	static const char *const sources[] = { "a", "b" };
	char name[16];

	for (uint32_t i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "%s_rows", sources[i]);
		crash_draw_again(topo, name, CRASH_ROWS_MAX / 4, CRASH_ROWS_MAX, "");
		snprintf(name, sizeof(name), "%s_rate", sources[i]);
		crash_draw_again(topo, name, 4000, 20000, "");
		snprintf(name, sizeof(name), "%s_batch", sources[i]);
		crash_draw_again(topo, name, 1, 8, "");
	}
	crash_draw_again(topo, "epoch", 20, 1000, "us");
	set_again(topo, "idle", "sleep");
}
