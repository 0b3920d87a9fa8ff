/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/placement.c: golden placements on synthetic machines, and what must hold for any graph. */
#include "mgmt/placement.h"
#include "mgmt/placement_few.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SLICES_MAX 4096u

static const struct lm_op_class source_class = { .name = "source", .rows = LM_ROWS_SOURCE };
static const struct lm_op_class map_class = { .name = "map", .rows = LM_ROWS_PASS };
static const struct lm_op_class count_class = { .name = "count",
	                                        .rows = LM_ROWS_ABSORB,
	                                        .flags = LM_OP_KEYED };
static const struct lm_op_class sink_class = { .name = "sink",
	                                       .rows = LM_ROWS_ABSORB,
	                                       .flags = LM_OP_SINK };

/* A graph under construction, and the machine it is placed on. */
struct bench {
	struct graph_operator op[32];
	struct graph_wire wire[64];
	uint32_t order[32];
	uint32_t pins[32][8];
	struct lm_graph graph;
	struct machine *machine;
	struct lcores lcores;
	uint32_t port_node[SLICES_MAX];
	bool ports;
	struct placement placement;
	struct lm_errors errors;
	char text[65536];
};

static struct bench *
bench_create(const char *topology, const char *lcores)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	struct lcores_problem problem;
	struct machine_source source = { .host = { .root = "/nonexistent" }, .topology = topology };

	assert_non_null(bench);
	bench->machine = calloc(1, sizeof(*bench->machine));
	assert_non_null(bench->machine);
	assert_int_equal(machine_read(bench->machine, &source), 0);
	assert_int_equal(lcores_parse(lcores, LCORES_MAP, &bench->lcores, &problem), 0);
	lcores_locate(&bench->lcores, bench->machine);
	for (uint32_t i = 0; i < SLICES_MAX; i++) {
		bench->port_node[i] = MACHINE_NONE;
	}
	bench->graph.op = bench->op;
	bench->graph.wire = bench->wire;
	bench->graph.order = bench->order;
	return bench;
}

static void
bench_free(struct bench *bench)
{
	placement_free(&bench->placement);
	lm_errors_free(&bench->errors);
	for (uint32_t o = 0; o < bench->graph.operator_count; o++) {
		free(bench->op[o].name);
	}
	free(bench->machine);
	free(bench);
}

static uint32_t
add(struct bench *bench, const char *name, const struct lm_op_class *class, uint32_t slices)
{
	uint32_t o = bench->graph.operator_count++;

	bench->op[o] = (struct graph_operator){ .name = strdup(name),
		                                .class = class,
		                                .slices = slices,
		                                .first_slice = bench->graph.slice_count };
	bench->order[o] = o;
	bench->graph.slice_count += slices;
	return o;
}

static void
wire(struct bench *bench, uint32_t from, uint32_t to, enum lm_grouping grouping)
{
	bench->wire[bench->graph.wire_count++] =
	    (struct graph_wire){ .from = from, .to = to, .grouping = grouping };
}

static void
pin(struct bench *bench, uint32_t o, uint32_t lcore)
{
	struct graph_operator *op = &bench->op[o];

	bench->pins[o][op->pin_count++] = lcore;
	op->pin = bench->pins[o];
	op->pin_place = (struct lm_place){ .line = 7, .column = 3, .length = 3 };
}

static struct placement_request
request_of(const struct bench *bench)
{
	return (struct placement_request){ .graph = &bench->graph,
		                           .lcores = &bench->lcores,
		                           .machine = bench->machine,
		                           .port_node = bench->ports ? bench->port_node : NULL };
}

static void
plan(struct bench *bench)
{
	struct placement_request request = request_of(bench);

	placement_free(&bench->placement);
	assert_int_equal(placement_plan(&bench->placement, &request, &bench->errors), 0);
	assert_int_equal(bench->errors.count, 0);
}

static uint32_t
crossings(const struct bench *bench)
{
	struct placement_request request = request_of(bench);

	return placement_crossings(&bench->placement, &request);
}

static uint32_t
lcore_of(const struct bench *bench, uint32_t o, uint32_t slice)
{
	uint32_t worker = bench->placement.lm.worker_of[bench->op[o].first_slice + slice];

	return bench->placement.lm.worker[worker].lcore;
}

/* One line a slice: "name[i] lcore: reason". */
static const char *
shown(struct bench *bench)
{
	size_t used = 0;

	for (uint32_t o = 0; o < bench->graph.operator_count; o++) {
		const struct graph_operator *op = &bench->op[o];

		for (uint32_t i = 0; i < op->slices; i++) {
			used +=
			    (size_t)snprintf(bench->text + used, sizeof(bench->text) - used,
			                     "%s[%u] %u: %s\n", op->name, i, lcore_of(bench, o, i),
			                     bench->placement.reason[op->first_slice + i]);
		}
	}
	return bench->text;
}

/* source -> map (forward) -> count (by key) -> sink (to one) */
static void
word_count(struct bench *bench, uint32_t sources, uint32_t counts)
{
	uint32_t source = add(bench, "source", &source_class, sources);
	uint32_t map = add(bench, "map", &map_class, sources);
	uint32_t count = add(bench, "count", &count_class, counts);
	uint32_t sink = add(bench, "sink", &sink_class, 1);

	wire(bench, source, map, LM_GROUP_FORWARD);
	wire(bench, map, count, LM_GROUP_KEY);
	wire(bench, count, sink, LM_GROUP_GLOBAL);
}

static void
test_one_lcore_takes_all(void **state)
{
	struct bench *bench = bench_create("numa:1 core:4 pu:1", "2");

	(void)state;
	word_count(bench, 1, 2);
	plan(bench);
	assert_string_equal(shown(bench), "source[0] 2: the only lcore there is\n"
	                                  "map[0] 2: the only lcore there is\n"
	                                  "count[0] 2: the only lcore there is\n"
	                                  "count[1] 2: the only lcore there is\n"
	                                  "sink[0] 2: the only lcore there is\n");
	assert_int_equal(bench->placement.lm.worker_count, 1);
	bench_free(bench);
}

static void
test_forward_chain_stays_together(void **state)
{
	struct bench *bench = bench_create("numa:1 l3:1 core:4 pu:1", "0-3");
	uint32_t last;

	(void)state;
	last = add(bench, "a", &source_class, 1);
	for (uint32_t i = 1; i < 5; i++) {
		char name[2] = { (char)('a' + i), '\0' };
		uint32_t o = add(bench, name, &map_class, 1);

		wire(bench, last, o, LM_GROUP_FORWARD);
		last = o;
	}
	plan(bench);
	assert_string_equal(shown(bench), "a[0] 0: an lcore with little else to do\n"
	                                  "b[0] 0: with a, so that they fuse\n"
	                                  "c[0] 0: with a, so that they fuse\n"
	                                  "d[0] 0: with a, so that they fuse\n"
	                                  "e[0] 0: with a, so that they fuse\n");
	bench_free(bench);
}

static void
test_forward_stages_pair_by_index(void **state)
{
	struct bench *bench = bench_create("numa:1 l3:1 core:8 pu:1", "0-7");

	(void)state;
	word_count(bench, 4, 4);
	plan(bench);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(lcore_of(bench, 0, i), lcore_of(bench, 1, i));
		for (uint32_t k = 0; k < i; k++) {
			assert_int_not_equal(lcore_of(bench, 0, i), lcore_of(bench, 0, k));
			assert_int_not_equal(lcore_of(bench, 2, i), lcore_of(bench, 2, k));
		}
		for (uint32_t k = 0; k < 4; k++) {
			assert_int_not_equal(lcore_of(bench, 0, i), lcore_of(bench, 2, k));
		}
	}
	bench_free(bench);
}

static void
test_two_lcores(void **state)
{
	struct bench *bench = bench_create("numa:1 l3:1 core:2 pu:1", "0-1");

	(void)state;
	word_count(bench, 1, 2);
	plan(bench);
	assert_string_equal(shown(bench), "source[0] 0: with count[1], which it talks to most\n"
	                                  "map[0] 0: with source, so that they fuse\n"
	                                  "count[0] 1: one of 2 slices spread over 2 lcores\n"
	                                  "count[1] 0: one of 2 slices spread over 2 lcores\n"
	                                  "sink[0] 1: with count[0], which it talks to most\n");
	bench_free(bench);
}

/* Two sockets of four: everything fits on one, so nothing crosses. */
static void
test_one_node_when_it_fits(void **state)
{
	struct bench *bench = bench_create("numa:2 l3:1 core:4 pu:1", "0-7");

	(void)state;
	word_count(bench, 1, 3);
	plan(bench);
	assert_int_equal(crossings(bench), 0);
	assert_string_equal(shown(bench), "source[0] 0: next to count[0] (same L3 cache)\n"
	                                  "map[0] 0: with source, so that they fuse\n"
	                                  "count[0] 1: one of 3 slices spread over 3 lcores\n"
	                                  "count[1] 2: one of 3 slices spread over 3 lcores\n"
	                                  "count[2] 3: one of 3 slices spread over 3 lcores\n"
	                                  "sink[0] 1: with count[0], which it talks to most\n");
	bench_free(bench);
}

/* Two jobs that do not talk to each other: one a socket. */
static void
test_two_jobs_two_nodes(void **state)
{
	struct bench *bench = bench_create("numa:2 l3:1 core:4 pu:1", "0-7");

	(void)state;
	word_count(bench, 1, 3);
	word_count(bench, 1, 3);
	plan(bench);
	assert_int_equal(crossings(bench), 0);
	for (uint32_t o = 0; o < 8; o++) {
		for (uint32_t i = 0; i < bench->op[o].slices; i++) {
			assert_int_equal(lcore_of(bench, o, i) / 4, o / 4);
		}
	}
	bench_free(bench);
}

/* Eight keyed slices need all eight lcores: then crossing cannot be helped, and is even. */
static void
test_both_nodes_when_full(void **state)
{
	struct bench *bench = bench_create("numa:2 l3:1 core:4 pu:1", "0-7");
	bool used[8] = { false };

	(void)state;
	word_count(bench, 8, 8);
	plan(bench);
	for (uint32_t i = 0; i < 8; i++) {
		assert_false(used[lcore_of(bench, 2, i)]);
		used[lcore_of(bench, 2, i)] = true;
		assert_int_equal(lcore_of(bench, 0, i), lcore_of(bench, 1, i));
	}
	assert_true(crossings(bench) > 0);
	bench_free(bench);
}

static void
test_source_next_to_its_port(void **state)
{
	struct bench *bench = bench_create("numa:2 l3:1 core:4 pu:1", "0-7");

	(void)state;
	word_count(bench, 1, 2);
	bench->ports = true;
	bench->port_node[0] = 1;
	plan(bench);
	assert_int_equal(crossings(bench), 0);
	assert_string_equal(shown(bench), "source[0] 4: on NUMA node 1, where its port is\n"
	                                  "map[0] 4: with source, so that they fuse\n"
	                                  "count[0] 5: one of 2 slices spread over 2 lcores\n"
	                                  "count[1] 6: one of 2 slices spread over 2 lcores\n"
	                                  "sink[0] 7: next to count[0] (same L3 cache)\n");
	bench_free(bench);
}

/* Each port's slice on the port's own node, and what it feeds beside it. */
static void
test_ports_on_two_nodes(void **state)
{
	struct bench *bench = bench_create("numa:2 l3:1 core:4 pu:1", "0-7");

	(void)state;
	word_count(bench, 1, 1);
	word_count(bench, 1, 1);
	bench->ports = true;
	bench->port_node[bench->op[0].first_slice] = 1;
	bench->port_node[bench->op[4].first_slice] = 0;
	plan(bench);
	assert_int_equal(crossings(bench), 0);
	for (uint32_t o = 0; o < 8; o++) {
		assert_int_equal(lcore_of(bench, o, 0) / 4, o < 4 ? 1 : 0);
	}
	bench_free(bench);
}

/* A pin wins over the port; without lcores on its node a port is far, and that is said. */
static void
test_away_from_its_port(void **state)
{
	struct bench *bench = bench_create("numa:2 l3:1 core:4 pu:1", "0-7");

	(void)state;
	word_count(bench, 1, 1);
	bench->ports = true;
	bench->port_node[0] = 1;
	pin(bench, 0, 2);
	plan(bench);
	assert_int_equal(lcore_of(bench, 0, 0), 2);
	assert_string_equal(bench->placement.reason[0], "pinned to lcore 2 in the topology");
	bench_free(bench);

	bench = bench_create("numa:2 l3:1 core:4 pu:1", "0-3");
	word_count(bench, 1, 1);
	bench->ports = true;
	bench->port_node[0] = 1;
	plan(bench);
	assert_string_equal(bench->placement.reason[0],
	                    "away from its port on NUMA node 1: there is no better lcore there");
	bench_free(bench);
}

static void
test_siblings_last(void **state)
{
	/* CPUs 0,1 are one core, 2,3 the next, and so on. */
	struct bench *bench = bench_create("numa:1 l3:1 core:4 pu:2", "0-7");
	bool core_used[4] = { false };

	(void)state;
	add(bench, "source", &source_class, 4);
	plan(bench);
	for (uint32_t i = 0; i < 4; i++) {
		assert_false(core_used[lcore_of(bench, 0, i) / 2]);
		core_used[lcore_of(bench, 0, i) / 2] = true;
	}
	bench_free(bench);

	bench = bench_create("numa:1 l3:1 core:4 pu:2", "0-7");
	add(bench, "source", &source_class, 5);
	plan(bench);
	assert_non_null(strstr(shown(bench), "; SMT sibling of lcore"));
	bench_free(bench);
}

static void
test_caches_before_distance(void **state)
{
	/* Two L3 of two cores on one node: a pair that talks shares one, here lcores 0,2 and 1,3.
	 */
	struct bench *bench = bench_create("numa:1 l3:2 core:2 pu:1", "0@0,1@2,2@1,3@3");
	uint32_t from[2], to[2];

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		from[i] = add(bench, i == 0 ? "in0" : "in1", &source_class, 1);
		to[i] = add(bench, i == 0 ? "out0" : "out1", &count_class, 1);
		wire(bench, from[i], to[i], LM_GROUP_SHUFFLE);
	}
	plan(bench);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(lcore_of(bench, from[i], 0) % 2, lcore_of(bench, to[i], 0) % 2);
		assert_int_not_equal(lcore_of(bench, from[i], 0), lcore_of(bench, to[i], 0));
	}
	assert_int_not_equal(lcore_of(bench, 0, 0) % 2, lcore_of(bench, 2, 0) % 2);
	bench_free(bench);
}

static void
test_pins_win(void **state)
{
	struct bench *bench = bench_create("numa:2 l3:1 core:4 pu:1", "0-7");

	(void)state;
	word_count(bench, 2, 2);
	pin(bench, 0, 6);
	pin(bench, 0, 1);
	plan(bench);
	assert_int_equal(lcore_of(bench, 0, 0), 6);
	assert_int_equal(lcore_of(bench, 0, 1), 1);
	/* What is fused with a pinned slice follows it. */
	assert_int_equal(lcore_of(bench, 1, 0), 6);
	assert_int_equal(lcore_of(bench, 1, 1), 1);
	assert_string_equal(bench->placement.reason[0], "pinned to lcore 6 in the topology");
	assert_string_equal(bench->placement.reason[2], "with source[0], so that they fuse");
	bench_free(bench);
}

static void
test_pins_tear_a_chain(void **state)
{
	struct bench *bench = bench_create("numa:1 l3:1 core:4 pu:1", "0-3");

	(void)state;
	word_count(bench, 1, 1);
	pin(bench, 0, 3);
	pin(bench, 1, 2);
	plan(bench);
	assert_int_equal(lcore_of(bench, 0, 0), 3);
	assert_int_equal(lcore_of(bench, 1, 0), 2);
	bench_free(bench);
}

/* As many lcores as are asked for and those that are pinned to; the others wait behind them. */
static void
test_few(void **state)
{
	struct bench *bench = bench_create("numa:1 l3:1 core:4 pu:1", "0-3");
	struct placement_request request;

	(void)state;
	word_count(bench, 4, 4);
	request = request_of(bench);
	assert_int_equal(placement_plan_few(&bench->placement, &request, 1, 0, &bench->errors), 0);
	assert_int_equal(bench->placement.lm.worker_count, 4);
	for (uint32_t w = 0; w < 4; w++) {
		assert_int_equal(bench->placement.lm.worker[w].lcore, w);
	}
	for (uint32_t s = 0; s < bench->graph.slice_count; s++) {
		assert_int_equal(bench->placement.lm.worker_of[s], 0);
	}
	placement_free(&bench->placement);
	pin(bench, 0, 2);
	assert_int_equal(placement_plan_few(&bench->placement, &request, 2, 3, &bench->errors), 0);
	assert_int_equal(bench->placement.lm.worker_count, 3);
	assert_int_equal(bench->placement.lm.worker[0].lcore, 0);
	assert_int_equal(bench->placement.lm.worker[1].lcore, 2);
	assert_int_equal(bench->placement.lm.worker[2].lcore, 1);
	assert_int_equal(lcore_of(bench, 0, 0), 2);
	placement_free(&bench->placement);
	pin(bench, 1, 9);
	assert_int_equal(placement_plan_few(&bench->placement, &request, 1, 0, &bench->errors),
	                 -EINVAL);
	assert_string_equal(bench->errors.error[0].hint, "the lcores are 0-3");
	bench_free(bench);
}

static void
test_pin_to_no_lcore(void **state)
{
	struct bench *bench = bench_create("numa:1 core:4 pu:1", "0-3");
	struct placement_request request;

	(void)state;
	word_count(bench, 1, 1);
	pin(bench, 2, 9);
	request = request_of(bench);
	assert_int_equal(placement_plan(&bench->placement, &request, &bench->errors), -EINVAL);
	assert_int_equal(bench->errors.count, 1);
	assert_string_equal(bench->errors.error[0].message,
	                    "operators.count.pin: there is no lcore 9");
	assert_string_equal(bench->errors.error[0].hint, "the lcores are 0-3");
	assert_int_equal(bench->errors.error[0].place.line, 7);
	bench_free(bench);
}

static void
test_shared_cpus(void **state)
{
	struct bench *bench = bench_create("numa:1 core:2 pu:1", "(0-3)@0,4@1");

	(void)state;
	add(bench, "source", &source_class, 2);
	plan(bench);
	/* One of them goes to the CPU that is its own. */
	assert_true(lcore_of(bench, 0, 0) == 4 || lcore_of(bench, 0, 1) == 4);
	assert_true(bench->placement.lm.worker[0].shares_cpu);
	assert_false(bench->placement.lm.worker[4].shares_cpu);
	assert_non_null(strstr(shown(bench), "; this lcore shares its CPU"));
	bench_free(bench);
}

static uint32_t
random_below(uint64_t *seed, uint32_t end)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 33) % end;
}

/* Of one operator, the lcore with most slices has no more than its share, whatever the graph. */
static void
check_even(const struct bench *bench, uint32_t o)
{
	uint32_t workers = bench->placement.lm.worker_count, count[LM_WORKERS_MAX] = { 0 };
	uint32_t slices = bench->op[o].slices;

	for (uint32_t i = 0; i < slices; i++) {
		uint32_t worker = bench->placement.lm.worker_of[bench->op[o].first_slice + i];

		assert_true(worker < workers);
		assert_true(++count[worker] <= (slices + workers - 1) / workers);
	}
}

static void
test_any_graph(void **state)
{
	static const struct lm_op_class *const classes[] = { &map_class, &count_class,
		                                             &sink_class };
	static const enum lm_grouping groupings[] = { LM_GROUP_FORWARD, LM_GROUP_KEY,
		                                      LM_GROUP_SHUFFLE, LM_GROUP_ALL,
		                                      LM_GROUP_GLOBAL,  LM_GROUP_LOCAL };
	uint64_t seed = 42;

	(void)state;
	for (uint32_t round = 0; round < 60; round++) {
		struct bench *bench = bench_create("numa:2 l3:2 core:2 pu:2", "0-15");
		struct placement_request request = request_of(bench);
		struct placement again;
		uint32_t operators = 2 + random_below(&seed, 8);

		add(bench, "source", &source_class, 1 + random_below(&seed, 20));
		for (uint32_t o = 1; o < operators; o++) {
			add(bench, "op", classes[random_below(&seed, 3)],
			    random_below(&seed, 2) == 0 ? bench->op[o - 1].slices
			                                : 1 + random_below(&seed, 20));
			wire(bench, random_below(&seed, o), o, groupings[random_below(&seed, 6)]);
		}
		plan(bench);
		for (uint32_t o = 0; o < operators; o++) {
			check_even(bench, o);
		}
		assert_int_equal(placement_plan(&again, &request, &bench->errors), 0);
		assert_memory_equal(again.lm.worker_of, bench->placement.lm.worker_of,
		                    bench->graph.slice_count * sizeof(uint16_t));
		placement_free(&again);
		bench_free(bench);
	}
}

static void
test_many_slices(void **state)
{
	struct bench *bench = bench_create("numa:2 l3:4 core:16 pu:1", "0-127");

	(void)state;
	word_count(bench, 256, 256);
	word_count(bench, 256, 256);
	plan(bench);
	for (uint32_t o = 0; o < 8; o++) {
		check_even(bench, o);
	}
	bench_free(bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_lcore_takes_all),
		cmocka_unit_test(test_forward_chain_stays_together),
		cmocka_unit_test(test_forward_stages_pair_by_index),
		cmocka_unit_test(test_two_lcores),
		cmocka_unit_test(test_one_node_when_it_fits),
		cmocka_unit_test(test_two_jobs_two_nodes),
		cmocka_unit_test(test_both_nodes_when_full),
		cmocka_unit_test(test_source_next_to_its_port),
		cmocka_unit_test(test_ports_on_two_nodes),
		cmocka_unit_test(test_away_from_its_port),
		cmocka_unit_test(test_siblings_last),
		cmocka_unit_test(test_caches_before_distance),
		cmocka_unit_test(test_pins_win),
		cmocka_unit_test(test_pins_tear_a_chain),
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_pin_to_no_lcore),
		cmocka_unit_test(test_shared_cpus),
		cmocka_unit_test(test_any_graph),
		cmocka_unit_test(test_many_slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
