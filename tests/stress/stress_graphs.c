/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The random graphs of the simulator on real threads: two to four workers share what CPUs there
 * are, the control thread starts epochs, reads counters, and sometimes stops a run early. All the
 * while slices go from lcore to lcore, up to four every 200 us. What must arrive is known from the
 * graph, and in which order.
 *
 *     stress-graphs [SECONDS [SEED [MOVES]]]        so long, and until so many moves were made
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/env.h"
#include "core/engine.h"
#include "tests/draw.h"
#include "tests/sim/classes.h"
#include "tests/sim/random_graph.h"
#include "tests/sim/sim.h"

static uint64_t seconds = 15, first_seed = 1, moves_wanted = 2000;
static uint64_t moves_asked, moves_done, moves_refused;
static uint64_t changes_done;
static int64_t pause_max_ns;
static uint64_t random_state;

/* Of the graphs and their placement: drawn by the control thread alone. */
uint64_t
sim_random(void)
{
	return draw(&random_state);
}

uint64_t
sim_below(uint64_t bound)
{
	return bound == 0 ? 0 : sim_random() % bound;
}

/* Runs on real threads are not the same twice. */
void
sim_note(const void *bytes, size_t size)
{
	(void)bytes;
	(void)size;
}

static void
place(const struct random_graph *graph, struct lm_placement *placement)
{
	memset(placement, 0, sizeof(*placement));
	placement->worker_count = 2 + (uint32_t)sim_below(3);
	for (uint32_t i = 0; i < placement->worker_count; i++) {
		placement->worker[i].lcore = i;
		placement->worker[i].shares_cpu = placement->worker_count > 2 || sim_below(2) == 0;
	}
	placement->worker_of = calloc(graph->slices, sizeof(*placement->worker_of));
	assert_non_null(placement->worker_of);
	for (uint32_t i = 0; i < graph->slices; i++) {
		placement->worker_of[i] = (uint16_t)sim_below(placement->worker_count);
	}
}

/* Every counter there is, while its owner writes it. */
static void
read_all(const struct lm_engine *engine)
{
	static struct lm_hist hist;
	struct lm_slice_stats slice;
	struct lm_slice_load load;
	struct lm_worker_stats worker;

	for (uint32_t i = 0; i < lm_engine_slice_count(engine); i++) {
		lm_engine_slice_stats(engine, i, &slice);
		lm_engine_slice_load(engine, i, &load);
	}
	for (uint32_t i = 0; i < lm_engine_worker_count(engine); i++) {
		lm_engine_worker_stats(engine, i, &worker);
	}
	lm_engine_latency(engine, LM_NONE, &hist);
}

static void
collect_moves(struct lm_engine *engine)
{
	struct move move;

	while (engine_collect(engine, &move)) {
		if (move.result != MOVE_DONE) {
			moves_refused++;
			continue;
		}
		moves_done++;
		pause_max_ns = move.pause_ns > pause_max_ns ? move.pause_ns : pause_max_ns;
	}
}

/* Any slices to any workers, one or several at a time; now and then sources pause for a moment. */
static void
move_some(struct lm_engine *engine)
{
	collect_moves(engine);
	if (engine->activity % 2 == 1 || sim_below(16) == 0) {
		engine_set_active(engine, engine->activity % 2 == 1);
	}
	for (uint64_t some = 1 + sim_below(4); some > 0; some--) {
		uint32_t slice = (uint32_t)sim_below(engine->slice_count);
		uint32_t worker = (uint32_t)sim_below(engine->worker_count);

		moves_asked += engine_migrate(engine, slice, worker) != 0;
	}
}

/* Another number of slices for any operator, when nothing moves and nothing changes. */
static void
change_some(struct lm_engine *engine)
{
	uint32_t op = (uint32_t)sim_below(engine->graph->operator_count);
	struct lm_errors errors = { 0 };

	collect_moves(engine);
	if (random_graph_may_rescale(engine->graph, op)) {
		(void)engine_rescale(engine, op, 1 + (uint32_t)sim_below(6), NULL, &errors);
	}
	lm_errors_free(&errors);
}

/* Until it has ended; one run in five is stopped before. */
static void
wait_for_end(struct lm_engine *engine, struct random_graph *graph, uint64_t seed)
{
	uint64_t stop_after = sim_below(5) == 0 ? sim_below(20) : UINT64_MAX;

	for (uint64_t waits = 0; !lm_engine_wait(engine, 200000); waits++) {
		read_all(engine);
		if (waits / 16 % 2 == 0) {
			move_some(engine);
		} else {
			change_some(engine);
		}
		if (waits == stop_after) {
			lm_engine_stop(engine);
		}
		if (waits > 300000) {
			fail_msg("seed %" PRIu64 " did not end in a minute", seed);
		}
	}
	lm_engine_join(engine);
	collect_moves(engine);
	changes_done += engine->generation;
	assert_int_equal(moves_done + moves_refused, moves_asked);
	random_graph_stopped(graph, engine);
}

static void
run_graph(uint64_t seed)
{
	struct random_graph graph;
	struct lm_errors errors = { 0 };
	struct lm_placement placement;
	struct lm_graph *checked;
	struct lm_engine *engine;
	bool good;

	random_state = seed * 0x9e3779b97f4a7c15u;
	sim_collect_clear();
	random_graph_make(&graph, 4000, 40000);
	checked = lm_graph_check(graph.topology, &errors);
	assert_non_null(checked);
	place(&graph, &placement);
	engine = lm_engine_create(checked, &placement, &errors);
	assert_non_null(engine);
	assert_int_equal(lm_engine_start(engine), 0);
	wait_for_end(engine, &graph, seed);
	good = lm_engine_audit(engine, &errors) && random_graph_check(&graph);
	for (uint32_t i = 0; i < errors.count; i++) {
		fprintf(stderr, "# %s\n", errors.error[i].message);
	}
	lm_engine_free(engine);
	lm_graph_free(checked);
	lm_topology_free(graph.topology);
	lm_errors_free(&errors);
	free(placement.worker_of);
	if (!good) {
		fail_msg("stress-graphs 1 %" PRIu64 " shows it again, perhaps", seed);
	}
}

static void
test_graphs(void **state)
{
	int64_t until_ns = env_now_ns() + (int64_t)seconds * 1000000000;
	uint64_t seed = first_seed;

	(void)state;
	do {
		run_graph(seed++);
	} while (env_now_ns() < until_ns || moves_done < moves_wanted);
	sim_collect_clear();
	fprintf(stderr,
	        "# %" PRIu64 " graphs, %" PRIu64 " moves, the longest %" PRId64 " us, %" PRIu64
	        " changes of the number of slices\n",
	        seed - first_seed, moves_done, pause_max_ns / 1000, changes_done);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_graphs) };

	if (argc > 1) {
		seconds = strtoull(argv[1], NULL, 10);
	}
	if (argc > 2) {
		first_seed = strtoull(argv[2], NULL, 10);
	}
	if (argc > 3) {
		moves_wanted = strtoull(argv[3], NULL, 10);
	}
	sim_classes_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
