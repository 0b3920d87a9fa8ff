/* SPDX-License-Identifier: BSD-3-Clause */
/* Following a running engine: read, publish, sum up. */

#include "mgmt/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "core/env.h"
#include "core/graph.h"
#include "net/port.h"

#define SNAPSHOT_COUNTERS 5u
#define PAGES_COUNTERS 3u
#define COUNTERS_MAX (PORTS_MAX * 5u + SNAPSHOT_COUNTERS + PAGES_COUNTERS)

_Static_assert(sizeof(((struct port_counter *)0)->name) < SAMPLE_NAME,
               "a port counter's name fits");

/* Whether the samples are of the graph that runs. */
static bool
is_current(const struct live *live)
{
	return live->now.head->generation == live->engine->generation;
}

static void
free_samples(struct live *live)
{
	sample_free(&live->now);
	sample_free(&live->before);
	sample_free(&live->probe);
	sample_free(&live->probe_before);
}

/* Four alike, of the graph that runs. 0 or -ENOMEM: then none of them. */
static int
make_samples(struct live *live)
{
	const struct lm_engine *engine = live->engine;
	const struct lm_graph *graph = engine->graph;
	struct sample_wire wires[LM_WIRES_MAX] = { 0 };
	struct sample_about about = { .placement = &engine->placement,
		                      .wires = wires,
		                      .wire_count = graph->wire_count,
		                      .counters_max = COUNTERS_MAX,
		                      .batch_rows = graph->settings.batch_rows,
		                      .start_ns = live->start_ns,
		                      .generation = engine->generation };
	int result;

	for (uint32_t w = 0; w < graph->wire_count; w++) {
		wires[w].from = graph->wire[w].from;
		wires[w].to = graph->wire[w].to;
		wires[w].feedback = graph->wire[w].feedback ? 1 : 0;
	}
	result = sample_init(&live->now, engine, &about);
	result = result != 0 ? result : sample_init(&live->before, engine, &about);
	result = result != 0 ? result : sample_init(&live->probe, engine, &about);
	result = result != 0 ? result : sample_init(&live->probe_before, engine, &about);
	if (result != 0) {
		free_samples(live);
	}
	return result;
}

/* Those who read the one before are told to look here. */
static void
make_segment(struct live *live)
{
	struct stats_about about = { .prefix = live->prefix,
		                     .topology = live->engine->graph->name,
		                     .version = LODEMILL_VERSION,
		                     .start_wall_ns = live->start_wall_ns };
	struct stats_shm *fresh;
	int result = stats_shm_create(&fresh, &about, &live->now.shape);

	if (result != 0) {
		env_log(4, "no statistics for `lodemill top`: %s", strerror(-result));
		stats_shm_close(live->shm, false);
	} else {
		stats_shm_move(live->shm);
	}
	live->shm = result != 0 ? NULL : fresh;
}

/* What is removed again and again under one name is one. NULL: no memory, or too many. */
static struct sample_operator *
find_gone(struct live *live, const char *name, const char *type)
{
	struct sample_operator *grown;

	for (uint32_t i = 0; i < live->gone_count; i++) {
		if (strcmp(live->gone[i].name, name) == 0 &&
		    strcmp(live->gone[i].type, type) == 0) {
			return &live->gone[i];
		}
	}
	grown = live->gone_count == LM_OPERATORS_MAX
	            ? NULL
	            : realloc(live->gone, (live->gone_count + 1) * sizeof(*grown));
	if (grown == NULL) {
		return NULL;
	}
	live->gone = grown;
	grown += live->gone_count++;
	memset(grown, 0, sizeof(*grown));
	snprintf(grown->name, sizeof(grown->name), "%s", name);
	snprintf(grown->type, sizeof(grown->type), "%s", type);
	return grown;
}

static void
count_gone(void *arg, const struct lm_op *slice)
{
	const struct lm_slice_stats *stats = &slice->stats;
	struct sample_operator *to = find_gone(arg, slice->name, slice->class->name);

	if (to == NULL) {
		env_log(4, "%s/%u is gone with all that it counted", slice->name, slice->index);
		return;
	}
	to->slices++;
	to->is_source = slice->class->inputs == NULL;
	to->rows_in += stats->rows_in;
	to->batches_in += stats->batches_in;
	to->rows_absorbed += stats->rows_absorbed;
	to->errors += stats->errors;
	for (uint32_t i = 0; i < LM_PORTS_MAX; i++) {
		to->rows_out += stats->rows_out[i];
		to->batches_out += stats->batches_out[i];
	}
	for (uint32_t i = 0; i < LM_DROPS_MAX; i++) {
		to->rows_dropped += stats->drops[i];
	}
}

int
live_open(struct live *live, struct lm_engine *engine, const char *prefix)
{
	int result;

	live->engine = engine;
	engine->on_gone = count_gone;
	engine->on_gone_arg = live;
	live->prefix = prefix;
	live->start_ns = env_now_ns();
	live->start_wall_ns = env_wall_ns();
	result = make_samples(live);
	if (result == 0) {
		make_segment(live);
	}
	return result;
}

/* How snapshots are doing, as counters: for `lodemill top`. Returns how many. */
static uint32_t
put_snapshots(const struct live *live, struct sample_counter counters[SNAPSHOT_COUNTERS])
{
	struct snapshot_status status;

	if (live->snapshots == NULL) {
		return 0;
	}
	snapshots_status(live->snapshots, &status);
	counters[0] = (struct sample_counter){ .name = "snapshots.epoch", .value = status.epoch };
	counters[1] =
	    (struct sample_counter){ .name = "snapshots.durable", .value = status.durable };
	counters[2] =
	    (struct sample_counter){ .name = "snapshots.bytes", .value = status.bytes_all };
	counters[3] = (struct sample_counter){ .name = "snapshots.lost", .value = status.lost };
	counters[4] = (struct sample_counter){
		.name = SAMPLE_DEGRADED,
		.value = status.failures >= SNAPSHOT_DEGRADED ? status.failures : 0,
	};
	return SNAPSHOT_COUNTERS;
}

/* Memory of state that follows its slices, where there are several NUMA nodes. */
static uint32_t
put_pages(const struct live *live, struct sample_counter counters[PAGES_COUNTERS])
{
	struct engine_pages pages;

	engine_pages(live->engine, &pages);
	if (!pages.is_there) {
		return 0;
	}
	counters[0] = (struct sample_counter){ .name = "pages.left", .value = pages.left };
	counters[1] = (struct sample_counter){ .name = "pages.moved", .value = pages.moved };
	counters[2] = (struct sample_counter){ .name = "pages.far", .value = pages.far };
	return PAGES_COUNTERS;
}

/* What no slice counts. Returns how many. */
static uint32_t
put_counters(const struct live *live, struct sample_counter counters[COUNTERS_MAX])
{
	struct port_counter ports[COUNTERS_MAX];
	uint32_t count = port_counters(ports, COUNTERS_MAX - SNAPSHOT_COUNTERS - PAGES_COUNTERS);

	memset(counters, 0, COUNTERS_MAX * sizeof(*counters));
	for (uint32_t i = 0; i < count; i++) {
		memcpy(counters[i].name, ports[i].name, sizeof(ports[i].name));
		counters[i].value = ports[i].value;
	}
	count += put_snapshots(live, counters + count);
	return count + put_pages(live, counters + count);
}

static void
read_now(struct live *live, struct sample *sample, const struct sample *before)
{
	struct sample_counter counters[COUNTERS_MAX];
	uint32_t count = put_counters(live, counters);

	sample_read(sample, live->engine, before, env_now_ns(), counters, count);
}

bool
live_follow(struct live *live)
{
	struct live next = *live;

	if (is_current(live) || make_samples(&next) != 0) {
		return false;
	}
	free_samples(live);
	*live = next;
	make_segment(live);
	read_now(live, &live->before, NULL);
	read_now(live, &live->now, &live->before);
	read_now(live, &live->probe_before, NULL);
	read_now(live, &live->probe, &live->probe_before);
	if (live->shm != NULL) {
		stats_shm_write(live->shm, &live->now);
	}
	return true;
}

void
live_tick(struct live *live)
{
	if (!is_current(live)) {
		return;
	}
	sample_swap(&live->now, &live->before);
	read_now(live, &live->now, &live->before);
	if (live->shm != NULL) {
		stats_shm_write(live->shm, &live->now);
	}
}

const struct sample *
live_probe(struct live *live)
{
	if (is_current(live)) {
		sample_swap(&live->probe, &live->probe_before);
		read_now(live, &live->probe, &live->probe_before);
	}
	return &live->probe;
}

void
live_packets(const struct live *live, uint64_t *packets, uint64_t *bytes)
{
	*packets = 0;
	*bytes = 0;
	for (uint32_t i = 0; i < lm_engine_slice_count(live->engine); i++) {
		uint32_t op = lm_engine_slice_operator(live->engine, i);
		struct lm_slice_stats stats;

		if (strcmp(lm_engine_operator_class(live->engine, op)->name, "port_source") == 0) {
			lm_engine_slice_stats(live->engine, i, &stats);
			*packets += stats.gauges[0];
			*bytes += stats.gauges[1];
		}
	}
}

uint64_t
live_lost(const struct live *live)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; i < live->now.head->counter_count; i++) {
		const struct sample_counter *counter = &live->now.counter[i];

		lost += sample_counter_is_loss(counter->name) ? counter->value : 0;
	}
	return lost;
}

void
live_close(struct live *live)
{
	stats_shm_close(live->shm, false);
	free_samples(live);
	free(live->gone);
	if (live->engine != NULL) {
		live->engine->on_gone = NULL;
	}
}
