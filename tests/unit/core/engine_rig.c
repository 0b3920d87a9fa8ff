/* SPDX-License-Identifier: BSD-3-Clause */
/* Building, stepping and taking apart a small engine for a test. */

#include "tests/unit/core/engine_rig.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

void
rig_begin(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	sim_reset(1);
	rig_log_clear();
	rig_log_rows(true);
	rig->memory = sim_memory();
	rig->topology = lm_topology_create("rig");
	assert_non_null(rig->topology);
	rig->settings = lm_topology_settings(rig->topology);
	rig->settings->seed = 1;
	rig->settings->epoch_ns = 0;
	rig->settings->batch_rows = 8;
	rig->settings->idle = LM_IDLE_SPIN;
}

void
rig_add(struct rig *rig, const char *name, const char *type, uint32_t slices)
{
	assert_int_equal(lm_topology_operator(rig->topology, name, type), 0);
	assert_int_equal(lm_topology_slices(rig->topology, name, slices), 0);
}

void
rig_param(struct rig *rig, const char *name, const char *param, const char *value)
{
	assert_int_equal(lm_topology_param(rig->topology, name, param, value), 0);
}

void
rig_wire(struct rig *rig, const struct lm_wire *wire)
{
	assert_int_equal(lm_topology_wire(rig->topology, wire), 0);
}

void
rig_link(struct rig *rig, const char *from, const char *to)
{
	rig_wire(rig, &(struct lm_wire){ .from = from, .to = to });
}

void
rig_place(struct rig *rig, const char *name, uint32_t slice, uint32_t worker)
{
	struct rig_place *place = &rig->place[rig->place_count++];

	assert_true(rig->place_count <= sizeof(rig->place) / sizeof(rig->place[0]));
	*place = (struct rig_place){ .name = name, .slice = slice, .worker = worker };
}

static uint32_t
find_operator(const struct rig *rig, const char *name)
{
	for (uint32_t i = 0; i < rig->graph->operator_count; i++) {
		if (strcmp(rig->graph->op[i].name, name) == 0) {
			return i;
		}
	}
	fail_msg("no operator %s", name);
	return 0;
}

void
rig_check(struct rig *rig, uint32_t workers)
{
	struct lm_placement *placement = &rig->placement;

	rig->graph = lm_graph_check(rig->topology, &rig->errors);
	if (rig->graph == NULL) {
		fail_msg("%s", rig->errors.error[0].message);
	}
	placement->worker_count = workers;
	for (uint32_t i = 0; i < workers; i++) {
		placement->worker[i].lcore = i;
	}
	placement->worker_of = calloc(rig->graph->slice_count + 1, sizeof(uint16_t));
	assert_non_null(placement->worker_of);
	for (uint32_t i = 0; i < rig->place_count; i++) {
		const struct rig_place *place = &rig->place[i];
		uint32_t first = rig->graph->op[find_operator(rig, place->name)].first_slice;

		placement->worker_of[first + place->slice] = (uint16_t)place->worker;
	}
}

void
rig_build(struct rig *rig, uint32_t workers)
{
	rig_check(rig, workers);
	rig->engine = lm_engine_create(rig->graph, &rig->placement, &rig->errors);
	if (rig->engine == NULL) {
		fail_msg("%s", rig->errors.count == 0 ? "?" : rig->errors.error[0].message);
	}
	assert_int_equal(lm_engine_start(rig->engine), 0);
}

void
rig_end(struct rig *rig)
{
	if (rig->engine != NULL) {
		lm_engine_join(rig->engine);
	}
	lm_engine_free(rig->engine);
	lm_graph_free(rig->graph);
	lm_topology_free(rig->topology);
	lm_errors_free(&rig->errors);
	free(rig->placement.worker_of);
	assert_int_equal(sim_memory(), rig->memory);
}

struct lm_op *
rig_slice(const struct rig *rig, const char *name, uint32_t slice)
{
	const struct graph_operator *op = &rig->graph->op[find_operator(rig, name)];

	assert_true(slice < op->slices);
	return rig->engine->slice[op->first_slice + slice];
}

struct edge *
rig_edge(const struct rig *rig, const char *from, uint32_t from_slice, const char *to,
         uint32_t to_slice)
{
	const struct lm_op *producer = rig_slice(rig, from, from_slice);
	const struct lm_op *consumer = rig_slice(rig, to, to_slice);

	for (uint32_t i = 0; i < rig->engine->layout->edge_count; i++) {
		struct edge *edge = rig->engine->edge[i];

		if (edge->from == producer && edge->to == consumer) {
			return edge;
		}
	}
	fail_msg("no edge from %s to %s", from, to);
	return NULL;
}

void
rig_step(struct rig *rig, uint32_t worker)
{
	worker_step(rig->engine->worker[worker]);
}

void
rig_rounds(struct rig *rig, uint32_t rounds)
{
	for (uint32_t i = 0; i < rounds; i++) {
		for (uint32_t w = 0; w < rig->engine->worker_count; w++) {
			rig_step(rig, w);
		}
		engine_tick(rig->engine);
		sim_advance(1000);
	}
}

void
rig_run(struct rig *rig, uint32_t rounds_max)
{
	for (uint32_t i = 0; !engine_has_ended(rig->engine); i++) {
		if (i == rounds_max) {
			fail_msg("did not end in %u rounds; log: %s", rounds_max, rig_log());
		}
		rig_rounds(rig, 1);
	}
}

const char *
rig_audit(struct rig *rig)
{
	if (lm_engine_audit(rig->engine, &rig->errors)) {
		return "";
	}
	assert_true(rig->errors.count > 0);
	return rig->errors.error[rig->errors.count - 1].message;
}

bool
rig_aborts(void (*run)(void *arg), void *arg)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		if (freopen("/dev/null", "w", stderr) == NULL) {
			_exit(0);
		}
		/* cmocka's handler would report a failure of its own. */
		signal(SIGABRT, SIG_DFL);
		run(arg);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

double
rig_chi_square(const uint64_t *count, uint32_t counts)
{
	double sum = 0, mean, square = 0;

	for (uint32_t i = 0; i < counts; i++) {
		sum += (double)count[i];
	}
	mean = sum / counts;
	for (uint32_t i = 0; i < counts; i++) {
		square += ((double)count[i] - mean) * ((double)count[i] - mean) / mean;
	}
	return square / (counts - 1);
}
