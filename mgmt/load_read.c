/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the load of a running engine. */
#include "mgmt/load_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A source that loses more of its turns than this for want of room is held back. */
#define LOAD_BLOCKED 0.05
/* So is one on an lcore that is so full, if it has a part in that. */
#define LOAD_LCORE_FULL 0.95
#define LOAD_PART 0.02
/* What a row costs is a property of the slice: looked at over about five pictures, so that a time
 * in which the kernel ran something else does not count for much. */
#define LOAD_KEEP 0.8

int
load_reader_open(struct load_reader *reader, const struct lm_engine *engine)
{
	const struct lm_graph *graph = engine->graph;
	const char *why;

	memset(reader, 0, sizeof(*reader));
	reader->engine = engine;
	reader->slice_count = engine->slice_count;
	reader->operator_count = graph->operator_count;
	reader->before = calloc(engine->slice_count + 1, sizeof(*reader->before));
	reader->rows_in = calloc(graph->operator_count + 1, sizeof(*reader->rows_in));
	reader->rows_out = calloc(graph->operator_count + 1, sizeof(*reader->rows_out));
	if (reader->before == NULL || reader->rows_in == NULL || reader->rows_out == NULL ||
	    load_init(&reader->load, engine->slice_count, graph->operator_count,
	              graph->wire_count) != 0) {
		load_reader_close(reader);
		return -ENOMEM;
	}
	for (uint32_t o = 0; o < graph->operator_count; o++) {
		reader->load.op[o].name = graph->op[o].name;
		reader->load.op[o].slices = graph->op[o].slices;
		reader->load.op[o].slices_least = graph->op[o].slices_least;
		reader->load.op[o].slices_most = graph->op[o].slices_most;
		reader->load.op[o].has_slots =
		    engine->table[o] != NULL && op_can_rescale(graph->op[o].class, &why);
	}
	for (uint32_t w = 0; w < graph->wire_count; w++) {
		reader->load.wire[w] = (struct load_wire){ .from = graph->wire[w].from,
			                                   .to = graph->wire[w].to,
			                                   .is_feedback = graph->wire[w].feedback };
	}
	reader->load.worker_count = engine->worker_count;
	for (uint32_t w = 0; w < engine->worker_count; w++) {
		reader->load.worker[w].lcore = engine->worker[w]->lcore;
		reader->load.worker[w].node = engine->worker[w]->numa_node;
	}
	return 0;
}

void
load_reader_close(struct load_reader *reader)
{
	load_free(&reader->load);
	free(reader->before);
	free(reader->rows_in);
	free(reader->rows_out);
	memset(reader, 0, sizeof(*reader));
}

static double
share(uint64_t part, double whole)
{
	double of = whole > 0 ? (double)part / whole : 0;

	return of > 1 ? 1 : of;
}

/* The turns of each worker in the interval. */
static void
read_workers(struct load_reader *reader, double ns, uint64_t turns[LM_WORKERS_MAX])
{
	for (uint32_t w = 0; w < reader->load.worker_count; w++) {
		struct lm_worker_stats *before = &reader->worker_before[w], now;

		lm_engine_worker_stats(reader->engine, w, &now);
		reader->load.worker[w].busy = share(now.busy_ns - before->busy_ns, ns);
		turns[w] = now.turns - before->turns;
		*before = now;
	}
}

static uint64_t
rows_out_of(const struct lm_slice_stats *stats)
{
	uint64_t rows = 0;

	for (uint32_t port = 0; port < LM_PORTS_MAX; port++) {
		rows += stats->rows_out[port];
	}
	return rows;
}

/* Rows that a source should have sent; false: it does not say. */
static bool
find_offered(const struct lm_engine *engine, uint32_t slice, const struct lm_slice_stats *stats,
             uint64_t *offered)
{
	for (uint32_t g = 0; g < sizeof(stats->gauges) / sizeof(stats->gauges[0]); g++) {
		const char *name = lm_engine_slice_gauge(engine, slice, g);

		if (name != NULL && strcmp(name, LOAD_OFFERED) == 0) {
			*offered = stats->gauges[g];
			return true;
		}
	}
	return false;
}

/*
 * A source that is not asked for rows does not want to send any; the first thing that it says of
 * what was due, once it is asked again, is of all that time.
 */
static bool
wants_nothing(const struct lm_engine *engine, const struct lm_op *op,
              const struct load_before *before, struct load_before *now)
{
	bool is_told = now->offered != before->offered;

	now->is_paused = engine->activity % 2 == 1 || !engine_active_heard(engine) ||
	                 (before->is_paused && !is_told);
	return op->is_source && (now->is_paused || before->is_paused);
}

/* What a source that does not say would send. */
static double
guess_offered(const struct load_reader *reader, const struct load_slice *slice)
{
	bool is_held = slice->blocked >= LOAD_BLOCKED ||
	               (reader->load.worker[slice->worker].busy >= LOAD_LCORE_FULL &&
	                slice->busy >= LOAD_PART);

	return is_held && slice->busy > 0 ? slice->rows / slice->busy : slice->rows;
}

static bool
has_stalled(const struct load *load, const uint64_t turns[LM_WORKERS_MAX])
{
	for (uint32_t i = 0; i < load->slice_count; i++) {
		if (turns[load->slice[i].worker] == 0) {
			return true;
		}
	}
	return false;
}

/* Into the picture, if it has turns and has not ended. */
static void
read_slice(struct load_reader *reader, uint32_t number, double ns,
           const uint64_t turns[LM_WORKERS_MAX])
{
	const struct lm_op *op = reader->engine->slice[number];
	struct load_before *before = &reader->before[number], now;
	struct lm_slice_stats stats;
	struct load_slice *slice = NULL;
	bool says;

	lm_engine_slice_stats(reader->engine, number, &stats);
	now = (struct load_before){ .busy_ns = stats.busy_ns,
		                    .turns_blocked = stats.turns_blocked,
		                    .operator_in = stats.rows_in,
		                    .operator_out = rows_out_of(&stats) };
	now.rows = op->is_source ? now.operator_out : now.operator_in;
	says = find_offered(reader->engine, number, &stats, &now.offered);
	reader->rows_in[op->op] += now.operator_in - before->operator_in;
	reader->rows_out[op->op] += now.operator_out - before->operator_out;
	if (op->head == op && !__atomic_load_n(&op->ended, __ATOMIC_ACQUIRE)) {
		slice = &reader->load.slice[reader->load.slice_count++];
		*slice = (struct load_slice){
			.slice = number,
			.op = op->op,
			.worker = slice_worker(op)->index,
			.is_fixed = reader->engine->graph->op[op->op].pin_count > 0,
			.is_source = op->is_source,
			.busy = share(now.busy_ns - before->busy_ns, ns),
			.rows = (double)(now.rows - before->rows) / ns * 1e9,
		};
		slice->blocked =
		    share(now.turns_blocked - before->turns_blocked, (double)turns[slice->worker]);
		slice->offered =
		    !slice->is_source || (wants_nothing(reader->engine, op, before, &now) && says)
			? slice->rows
		    : says ? (double)(now.offered - before->offered) / ns * 1e9
			   : guess_offered(reader, slice);
	}
	now.busy_sum_ns = before->busy_sum_ns * LOAD_KEEP + (double)(now.busy_ns - before->busy_ns);
	now.rows_sum = before->rows_sum * LOAD_KEEP + (double)(now.rows - before->rows);
	if (slice != NULL && now.busy_sum_ns > 0) {
		slice->true_rate = now.rows_sum / now.busy_sum_ns * 1e9;
	}
	*before = now;
}

/* Packets that were lost would have been rows, of each port source by its share. */
static void
add_lost(struct load_reader *reader, double lost)
{
	const struct lm_graph *graph = reader->engine->graph;
	double taken = 0;

	for (uint32_t pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < reader->load.slice_count; i++) {
			struct load_slice *slice = &reader->load.slice[i];

			if (!slice->is_source ||
			    strcmp(graph->op[slice->op].class->name, "port_source") != 0) {
				continue;
			}
			if (pass == 0) {
				taken += slice->rows;
			} else if (taken > 0 &&
			           slice->rows + lost * slice->rows / taken > slice->offered) {
				slice->offered = slice->rows + lost * slice->rows / taken;
			}
		}
	}
}

void
load_read(struct load_reader *reader, int64_t now_ns, uint64_t lost)
{
	uint64_t turns[LM_WORKERS_MAX];
	struct load *load = &reader->load;
	double ns = (double)(now_ns - reader->now_ns);

	memset(reader->rows_in, 0, reader->operator_count * sizeof(*reader->rows_in));
	memset(reader->rows_out, 0, reader->operator_count * sizeof(*reader->rows_out));
	load->slice_count = 0;
	read_workers(reader, ns, turns);
	for (uint32_t i = 0; i < reader->slice_count; i++) {
		read_slice(reader, i, ns, turns);
	}
	for (uint32_t o = 0; o < reader->operator_count; o++) {
		load->op[o].rows_in = (double)reader->rows_in[o] / ns * 1e9;
		load->op[o].rows_out = (double)reader->rows_out[o] / ns * 1e9;
	}
	load->has_stalled = has_stalled(load, turns);
	add_lost(reader, (double)(lost - reader->lost_before) / ns * 1e9);
	load->seconds = reader->now_ns == 0 ? 0 : ns / 1e9;
	load->now_ns = now_ns;
	reader->now_ns = now_ns;
	reader->lost_before = lost;
	load_spread(load);
}
