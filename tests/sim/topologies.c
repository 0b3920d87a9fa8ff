/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a topology file in the simulator: draws, loads, places, runs, audits, checks. */

#include "tests/sim/topologies.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/graph.h"
#include "core/layout.h"
#include "mgmt/config_load.h"
#include "tests/sim/classes.h"
#include "tests/sim/control.h"
#include "tests/sim/sim.h"

/* A run that needs more for its batches is drawn anew: filling memory is no test. */
#define TOPO_BYTES_MAX (48u << 20)
#define TOPO_DRAWS_MAX 200u
#define TOPO_STEPS_MAX UINT64_C(60000000)

void
topo_set(struct topo *topo, const char *name, const char *format, ...)
{
	char *text = topo->set[topo->set_count++];
	int length = snprintf(text, TOPO_TEXT_MAX, "%s=", name);
	va_list args;

	if (topo->set_count >= TOPO_SETS_MAX) {
		abort();
	}
	va_start(args, format);
	vsnprintf(text + length, TOPO_TEXT_MAX - (size_t)length, format, args);
	va_end(args);
}

bool
topo_may_rescale_keyed(const struct lm_graph *graph, uint32_t op)
{
	const char *why;

	return (graph->op[op].class->flags & LM_OP_KEYED) != 0 &&
	       op_can_rescale(graph->op[op].class, &why);
}

void
topo_set_slices(struct topo *topo, const char *name)
{
	topo_set(topo, name, "%" PRIu64, 1 + sim_below(sim_below(3) == 0 ? 16 : 3));
}

void
topo_set_spread(struct topo *topo, const char *name)
{
	static const char *const spread[] = {
		"", "forward", "shuffle", "round robin", "local or shuffle", "to one"
	};

	topo_set(topo, name, "%s", spread[sim_below(sizeof(spread) / sizeof(spread[0]))]);
}

/* The settings that every file leaves open. */
void
topo_draw_settings(struct topo *topo, bool has_epochs)
{
	static const char *const idle[] = { "sleep", "spin", "pause", "yield" };
	bool none = sim_below(4) == 0 && !has_epochs;

	topo_set(topo, "epoch", "%" PRIu64 "us",
	         none ? 0 : 1 + sim_below(sim_below(2) == 0 ? 100 : 3000));
	topo_set(topo, "rows", "%" PRIu64,
	         1 + sim_below(sim_below(3) == 0   ? 8
	                       : sim_below(2) == 0 ? 100
	                                           : 1024));
	topo_set(topo, "credit", "%u", 2u << sim_below(6));
	topo_set(topo, "slots", "%u", 64u << sim_below(5));
	topo_set(topo, "partial", "%" PRIu64 "us", sim_below(50));
	topo_set(topo, "fuse", "%s", sim_below(3) == 0 ? "false" : "true");
	topo_set(topo, "idle", "%s", idle[sim_below(4)]);
	topo_set(topo, "seed", "%" PRIu64, 1 + sim_below(1000));
}

struct lm_topology *
topo_load(const char *file, const struct topo *topo, struct lm_errors *errors)
{
	const char *source = getenv("LODEMILL_SOURCE");
	const char *set[TOPO_SETS_MAX + 1] = { NULL };
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/sim/topologies/%s", source == NULL ? "." : source,
	         file);
	for (uint32_t i = 0; i < topo->set_count; i++) {
		set[i] = topo->set[i];
	}
	return config_load(path, set, errors);
}

bool
topo_is_affordable(const struct lm_graph *graph, const struct lm_placement *placement)
{
	struct layout *layout = layout_create(graph, placement, NULL);
	bool affordable = layout != NULL && layout->bytes <= TOPO_BYTES_MAX;

	layout_free(layout);
	return affordable;
}

/* What can be gone on with from a snapshot, and has nothing that there is once. */
bool
topo_may_renew(const struct lm_graph *graph, uint32_t op)
{
	static const char *const not_these[] = { "sim_", "port_", "tcp_", "ingest_" };
	const struct lm_op_class *class = graph->op[op].class;

	for (uint32_t i = 0; i < sizeof(not_these) / sizeof(not_these[0]); i++) {
		if (strncmp(class->name, not_these[i], strlen(not_these[i])) == 0) {
			return false;
		}
	}
	return class->prepare == NULL;
}

static bool
topo_run_engine(const struct topo_scenario *scenario, struct topo *topo, struct lm_graph *graph,
                const struct lm_topology *topology, const struct lm_placement *placement,
                struct lm_errors *errors)
{
	struct lm_engine *engine = lm_engine_create(graph, placement, errors);
	bool good = engine != NULL;

	if (scenario->may_rescale != NULL) {
		control_let_change(&(struct control_changes){ .may_rescale = scenario->may_rescale,
		                                              .may_renew = topo_may_renew,
		                                              .topology = topology });
	}
	if (good && !sim_run(engine, TOPO_STEPS_MAX)) {
		fprintf(stderr, "not over, or not as it should be, after %" PRIu64 " steps\n",
		        sim_steps());
		good = false;
	}
	good = good && lm_engine_audit(engine, errors);
	good = good && topo_equal(0, sim_disorder(), "rows, epochs or event times out of order");
	good = good && scenario->check(topo, engine);
	lm_engine_free(engine);
	return good;
}

/* One draw. False: what it says is in *good; true: too large, draw again. */
static bool
topo_try(const struct topo_scenario *scenario, struct topo *topo, struct lm_errors *errors,
         bool *good)
{
	struct lm_placement placement = { 0 };
	struct lm_topology *topology;
	struct lm_graph *graph;
	bool again = false;

	topo->set_count = 0;
	topo_draw_settings(topo, false);
	scenario->draw(topo);
	topology = topo_load(scenario->file, topo, errors);
	graph = topology == NULL ? NULL : lm_graph_check(topology, errors);
	if (graph != NULL) {
		sim_place(graph->slice_count, &placement);
		again = !topo_is_affordable(graph, &placement);
		*good =
		    !again && topo_run_engine(scenario, topo, graph, topology, &placement, errors);
	}
	free(placement.worker_of);
	lm_graph_free(graph);
	lm_topology_free(topology);
	return again;
}

static bool
topo_make_folder(struct topo *topo)
{
	const char *parent = getenv("TMPDIR");

	snprintf(topo->folder, sizeof(topo->folder), "%s/sim-XXXXXX",
	         parent == NULL || strlen(parent) > 60 ? "/tmp" : parent);
	if (mkdtemp(topo->folder) == NULL) {
		perror(topo->folder);
		return false;
	}
	return true;
}

static void
topo_complain(const struct topo *topo, const struct topo_scenario *scenario,
              const struct lm_errors *errors)
{
	for (uint32_t i = 0; i < errors->count; i++) {
		fprintf(stderr, "seed %" PRIu64 ": %s:%u: %s\n", topo->seed, scenario->file,
		        errors->error[i].place.line, errors->error[i].message);
	}
	fprintf(stderr, "seed %" PRIu64 ": %s with", topo->seed, scenario->file);
	for (uint32_t i = 0; i < topo->set_count; i++) {
		fprintf(stderr, " %s", topo->set[i]);
	}
	fprintf(stderr, "\n");
}

bool
topo_run(const struct topo_scenario *scenario, uint64_t seed)
{
	struct topo topo = { .seed = seed };
	struct lm_errors errors = { 0 };
	size_t before;
	bool good = false;

	sim_reset(seed);
	sim_collect_clear();
	before = sim_memory();
	if (!topo_make_folder(&topo)) {
		return false;
	}
	if (scenario->begin == NULL || scenario->begin(&topo)) {
		uint32_t draws = 0;

		while (topo_try(scenario, &topo, &errors, &good)) {
			if (++draws == TOPO_DRAWS_MAX) {
				fprintf(stderr, "no draw is small enough\n");
				break;
			}
		}
	}
	if (scenario->end != NULL) {
		scenario->end(&topo);
	}
	good = good && topo_equal(before, sim_memory(), "bytes of memory in use");
	if (!good) {
		topo_complain(&topo, scenario, &errors);
	}
	rmdir(topo.folder);
	lm_errors_free(&errors);
	return good;
}

static uint32_t
topo_find(const struct lm_engine *engine, const char *name)
{
	for (uint32_t op = 0; op < lm_engine_operator_count(engine); op++) {
		if (strcmp(lm_engine_operator_name(engine, op), name) == 0) {
			return op;
		}
	}
	fprintf(stderr, "there is no operator %s\n", name);
	abort();
}

/* The sum over the slices of an operator. */
static void
topo_stats(const struct lm_engine *engine, const char *name, struct lm_slice_stats *sum)
{
	uint32_t op = topo_find(engine, name);

	memset(sum, 0, sizeof(*sum));
	for (uint32_t slice = 0; slice < lm_engine_slice_count(engine); slice++) {
		struct lm_slice_stats stats;

		if (lm_engine_slice_operator(engine, slice) != op) {
			continue;
		}
		lm_engine_slice_stats(engine, slice, &stats);
		sum->rows_in += stats.rows_in;
		sum->rows_absorbed += stats.rows_absorbed;
		for (uint32_t i = 0; i < LM_DROPS_MAX; i++) {
			sum->drops[i] += stats.drops[i];
		}
		for (uint32_t i = 0; i < sizeof(sum->gauges) / sizeof(sum->gauges[0]); i++) {
			sum->gauges[i] += stats.gauges[i];
		}
	}
}

uint64_t
topo_drops(const struct lm_engine *engine, const char *name, uint32_t reason)
{
	struct lm_slice_stats sum;

	topo_stats(engine, name, &sum);
	return sum.drops[reason];
}

uint64_t
topo_rows_in(const struct lm_engine *engine, const char *name)
{
	struct lm_slice_stats sum;

	topo_stats(engine, name, &sum);
	return sum.rows_in;
}

uint64_t
topo_rows_absorbed(const struct lm_engine *engine, const char *name)
{
	struct lm_slice_stats sum;

	topo_stats(engine, name, &sum);
	return sum.rows_absorbed;
}

uint64_t
topo_gauge(const struct lm_engine *engine, const char *name, uint32_t gauge)
{
	struct lm_slice_stats sum;

	topo_stats(engine, name, &sum);
	return sum.gauges[gauge];
}

void
topo_expect(struct sim_lines *lines, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	sim_lines_add(lines, text);
}

bool
topo_compare(struct sim_lines *expected, struct sim_lines *got, const char *what)
{
	bool equal;

	sim_lines_sort(expected);
	sim_lines_sort(got);
	equal = sim_lines_equal(expected, got, what);
	sim_lines_clear(expected);
	return equal;
}

bool
topo_equal(uint64_t want, uint64_t got, const char *what)
{
	if (want != got) {
		fprintf(stderr, "%s: expected %" PRIu64 ", got %" PRIu64 "\n", what, want, got);
	}
	return want == got;
}

const char *
topo_text(enum lm_type type, const void *value, char *text, size_t size)
{
	static char memory[32768] __attribute__((aligned(64)));
	struct lm_field field = { "value", type, 0 };
	struct lm_batch *batch = (struct lm_batch *)memory;
	struct lm_schema schema;

	if (lm_schema_init(&schema, &field, 1, 1) != 0 || schema.size > sizeof(memory)) {
		abort();
	}
	batch->schema = &schema;
	memcpy(lm_batch_column(batch, 0), value, lm_type_width(type));
	lm_batch_format(batch, 0, 0, text, size);
	return text;
}
