/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole engine on real threads, at full speed, in many shapes: slices on any of four workers,
 * all groupings, short edges, every idle policy, epochs every 100 us, and a reader of the counters
 * beside it. Every row must arrive exactly as often as the graph says; the sum of what arrived is
 * compared. Meant for the thread sanitizer; good without it as well.
 */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lm_engine.h"
#include "core/registry.h"

#define ROWS 30000u /* of each slice of the source */
#define WORKERS 4u

static const char *const port_in[] = { "in", NULL };
static const char *const port_out[] = { "out", NULL };
static const struct lm_field row_fields[] = { { "key", LM_U64, 0 }, { "time", LM_TIME, 0 } };

/* What the closed sinks of each kind took, by the fan they stand behind. */
static struct {
	uint64_t rows, sum;
} taken[2];

static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	return x ^ (x >> 27);
}

/* The source: rows numbered through over its slices. */
struct source {
	uint64_t next;
};

static int
source_configure(struct lm_setup *setup, void *config)
{
	(void)config;
	return lm_setup_output(setup, 0, row_fields, 2);
}

static enum lm_poll
source_poll(struct lm_op *op)
{
	struct source *source = lm_op_context(op);
	uint32_t want = 1 + (uint32_t)(lm_op_random(op) % lm_op_output_schema(op, 0)->capacity);
	uint32_t first;
	struct lm_batch *out;

	if (source->next == ROWS) {
		return LM_POLL_END;
	}
	if (want > ROWS - source->next) {
		want = (uint32_t)(ROWS - source->next);
	}
	out = lm_op_reserve(op, 0, want, &first);
	for (uint32_t i = 0; i < want; i++, source->next++) {
		lm_batch_u64(out, 0)[first + i] = source->next * lm_op_slices(op) + lm_op_slice(op);
		lm_batch_i64(out, 1)[first + i] = (int64_t)source->next;
	}
	lm_op_emit(op, 0, want);
	lm_op_watermark(op, (int64_t)source->next - 1);
	return LM_POLL_BUSY;
}

static const struct lm_op_class source_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "stress_source",
	.version = "1",
	.summary = "numbered rows",
	.outputs = port_out,
	.rows = LM_ROWS_SOURCE,
	.context_size = sizeof(struct source),
	.configure = source_configure,
	.poll = source_poll,
};

/* In the middle: passes rows on, whole, by selection or copied. */
static void
pass_process(struct lm_op *op, const struct lm_batch *in)
{
	uint64_t way = lm_op_random(op) % 3;
	struct lm_select all;
	struct lm_batch *out;
	uint32_t first;

	if (way == 0) {
		lm_op_forward(op, in);
	} else if (way == 1) {
		lm_select_begin(&all, in);
		for (uint32_t i = 0; i < in->count; i++) {
			lm_select_add(&all, i);
		}
		lm_op_forward_select(op, &all);
	} else {
		out = lm_op_reserve(op, 0, in->count, &first);
		memcpy(&lm_batch_u64(out, 0)[first], lm_batch_u64(in, 0), in->count * 8);
		memcpy(&lm_batch_i64(out, 1)[first], lm_batch_i64(in, 1), in->count * 8);
		lm_op_emit(op, 0, in->count);
	}
}

static const struct lm_op_class pass_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "stress_pass",
	.version = "1",
	.summary = "passes rows on",
	.inputs = port_in,
	.outputs = port_out,
	.rows = LM_ROWS_PASS,
	.process = pass_process,
};

/* At the end: counts and sums; closed after all workers were joined. */
struct sink {
	uint64_t rows, sum;
};

static void
sink_process(struct lm_op *op, const struct lm_batch *in)
{
	struct sink *sink = lm_op_context(op);

	for (uint32_t i = 0; i < in->count; i++) {
		sink->sum += mix(lm_batch_u64(in, 0)[i]);
	}
	sink->rows += in->count;
	lm_op_absorb(op, in->count);
}

static void
sink_close(struct lm_op *op)
{
	const struct sink *sink = lm_op_context(op);
	int which = strcmp(lm_op_name(op), "near") == 0;

	taken[which].rows += sink->rows;
	taken[which].sum += sink->sum;
}

static const struct lm_op_class sink_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_SINK,
	.name = "stress_sink",
	.version = "1",
	.summary = "adds rows up",
	.inputs = port_in,
	.rows = LM_ROWS_ABSORB,
	.context_size = sizeof(struct sink),
	.process = sink_process,
	.close = sink_close,
};

/* A run: how it differs from the others, and from what random start. */
struct shape {
	enum lm_grouping grouping;
	uint32_t credit, idle, batch_rows;
	bool fuse;
	uint64_t seed;
};

static const uint32_t slices_of[] = { 2, 3, 2, 3 };
static const char *const name_of[] = { "source", "middle", "far", "near" };

static struct lm_topology *
declare(const struct shape *shape)
{
	static const char *const type_of[] = { "stress_source", "stress_pass", "stress_sink",
		                               "stress_sink" };
	struct lm_wire first = { .from = "source",
		                 .to = "middle",
		                 .grouping = shape->grouping,
		                 .columns = { "key" },
		                 .credit = shape->credit };
	struct lm_wire second = {
		.from = "middle", .to = "far", .grouping = LM_GROUP_SHUFFLE, .credit = shape->credit
	};
	struct lm_wire third = { .from = "source",
		                 .to = "near",
		                 .grouping = LM_GROUP_KEY,
		                 .columns = { "key" },
		                 .credit = 2 };
	struct lm_topology *topology = lm_topology_create("stress");
	struct lm_settings *settings = lm_topology_settings(topology);

	if (shape->grouping != LM_GROUP_KEY && shape->grouping != LM_GROUP_PARTIAL_KEY) {
		first.columns[0] = NULL;
	}
	settings->epoch_ns = 100000;
	settings->batch_rows = shape->batch_rows;
	settings->fuse = shape->fuse;
	settings->idle = shape->idle;
	settings->seed = shape->seed;
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(lm_topology_operator(topology, name_of[i], type_of[i]), 0);
		assert_int_equal(lm_topology_slices(topology, name_of[i], slices_of[i]), 0);
	}
	assert_int_equal(lm_topology_wire(topology, &first), 0);
	assert_int_equal(lm_topology_wire(topology, &second), 0);
	assert_int_equal(lm_topology_wire(topology, &third), 0);
	return topology;
}

static void
place(const struct lm_graph *graph, uint64_t seed, struct lm_placement *placement)
{
	uint32_t slices = 0;

	(void)graph;
	memset(placement, 0, sizeof(*placement));
	placement->worker_count = WORKERS;
	for (uint32_t i = 0; i < WORKERS; i++) {
		placement->worker[i].lcore = i;
		placement->worker[i].shares_cpu = i % 2 == 0;
	}
	for (uint32_t i = 0; i < 4; i++) {
		slices += slices_of[i];
	}
	placement->worker_of = calloc(slices, sizeof(*placement->worker_of));
	assert_non_null(placement->worker_of);
	for (uint32_t i = 0; i < slices; i++) {
		seed = mix(seed + i + 1);
		placement->worker_of[i] = (uint16_t)(seed % WORKERS);
	}
}

/* Reads while the workers write; what it sees must never go back. */
static void
read_beside(const struct lm_engine *engine, uint64_t *seen)
{
	static struct lm_hist hist;
	struct lm_slice_stats stats;
	struct lm_worker_stats worker;

	for (uint32_t i = 0; i < lm_engine_slice_count(engine); i++) {
		lm_engine_slice_stats(engine, i, &stats);
		assert_true(stats.rows_in >= seen[i]);
		seen[i] = stats.rows_in;
	}
	for (uint32_t i = 0; i < lm_engine_worker_count(engine); i++) {
		lm_engine_worker_stats(engine, i, &worker);
	}
	memset(&hist, 0, sizeof(hist));
	lm_engine_latency(engine, LM_NONE, &hist);
}

static void
check_sums(const struct shape *shape)
{
	uint64_t copies = shape->grouping == LM_GROUP_ALL ? slices_of[1] : 1;
	uint64_t rows = (uint64_t)ROWS * slices_of[0], sum = 0;

	for (uint64_t number = 0; number < rows; number++) {
		sum += mix(number);
	}
	assert_int_equal(taken[1].rows, rows);
	assert_int_equal(taken[1].sum, sum);
	assert_int_equal(taken[0].rows, rows * copies);
	assert_int_equal(taken[0].sum, sum * copies);
}

static void
run(const struct shape *shape)
{
	struct lm_topology *topology = declare(shape);
	struct lm_errors errors = { 0 };
	struct lm_graph *graph = lm_graph_check(topology, &errors);
	struct lm_placement placement;
	struct lm_engine *engine;
	uint64_t seen[64] = { 0 };
	uint32_t waits = 0;
	bool good;

	memset(taken, 0, sizeof(taken));
	if (graph == NULL) {
		fail_msg("%s", errors.error[0].message);
	}
	place(graph, shape->seed, &placement);
	engine = lm_engine_create(graph, &placement, &errors);
	assert_non_null(engine);
	assert_int_equal(lm_engine_start(engine), 0);
	while (!lm_engine_wait(engine, 5000000)) {
		read_beside(engine, seen);
		if (++waits > 20000) {
			fail_msg("seed %" PRIu64 " did not end in 100 s", shape->seed);
		}
	}
	lm_engine_join(engine);
	good = lm_engine_audit(engine, &errors);
	lm_engine_free(engine);
	lm_graph_free(graph);
	lm_topology_free(topology);
	free(placement.worker_of);
	if (!good) {
		fail_msg("seed %" PRIu64 ": %s", shape->seed, errors.error[0].message);
	}
	lm_errors_free(&errors);
	check_sums(shape);
}

static void
run_grouping(enum lm_grouping grouping)
{
	for (uint64_t i = 0; i < 4; i++) {
		run(&(struct shape){ .grouping = grouping,
		                     .credit = 2u << i,
		                     .idle = (uint32_t)i,
		                     .batch_rows = i == 0 ? 7 : 256,
		                     .fuse = i % 2 == 1,
		                     .seed = grouping * 100 + i + 1 });
	}
}

#define GROUPING_TEST(name, suffix)                                                                \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		(void)state;                                                                       \
		run_grouping(LM_GROUP_##suffix);                                                   \
	}
GROUPING_TEST(forward, FORWARD)
GROUPING_TEST(local, LOCAL)
GROUPING_TEST(shuffle, SHUFFLE)
GROUPING_TEST(round_robin, ROUND_ROBIN)
GROUPING_TEST(key, KEY)
GROUPING_TEST(partial_key, PARTIAL_KEY)
GROUPING_TEST(all, ALL)
GROUPING_TEST(global, GLOBAL)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward), cmocka_unit_test(test_local),
		cmocka_unit_test(test_shuffle), cmocka_unit_test(test_round_robin),
		cmocka_unit_test(test_key),     cmocka_unit_test(test_partial_key),
		cmocka_unit_test(test_all),     cmocka_unit_test(test_global),
	};
	const struct lm_op_class *const classes[] = { &source_class, &pass_class, &sink_class };
	const char *why;

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (registry_add(classes[i], &why) != 0) {
			fprintf(stderr, "%s: %s\n", classes[i]->name, why);
			return 1;
		}
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
