/* SPDX-License-Identifier: BSD-3-Clause */
/* lodemill plan: what `run` would do on this machine, and why, without doing it. */

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "core/topology.h"
#include "mgmt/cli.h"
#include "mgmt/guarantee.h"
#include "mgmt/job.h"
#include "mgmt/policy.h"
#include "mgmt/text_table.h"
#include "mgmt/units.h"

static const char *const grouping_text[] = {
#define PLAN_GROUPING(suffix, text) text,
	LM_GROUPINGS(PLAN_GROUPING)
#undef PLAN_GROUPING
};
static const char *const policy_text[] = {
#define PLAN_POLICY(suffix, text) text,
	LM_POLICIES(PLAN_POLICY)
#undef PLAN_POLICY
};

static bool colour;

static uint32_t
worker_of(const struct job *job, uint32_t slice)
{
	return job->placement.lm.worker_of[slice];
}

static void
print_slices(const struct job *job)
{
	struct text_table *table = text_table_create(colour);

	text_table_column(table, TEXT_LEFT, "slice");
	text_table_column(table, TEXT_LEFT, "type");
	text_table_column(table, TEXT_RIGHT, "lcore");
	text_table_column(table, TEXT_RIGHT, "node");
	text_table_column(table, TEXT_LEFT, "why there");
	for (uint32_t s = 0; s < job->graph->slice_count; s++) {
		const struct graph_operator *op = &job->graph->op[graph_operator_of(job->graph, s)];
		uint32_t worker = worker_of(job, s);

		text_table_cell(table, TEXT_PLAIN, "%s.%u", op->name, s - op->first_slice);
		text_table_cell(table, TEXT_DIM, "%s", op->class->name);
		text_table_cell(table, TEXT_PLAIN, "%u", job->placement.lm.worker[worker].lcore);
		text_table_cell(table, TEXT_PLAIN, "%u",
		                job->placement.lm.worker[worker].numa_node);
		text_table_cell(table, TEXT_DIM, "%s", job->placement.reason[s]);
	}
	text_table_print(table, "  ", stdout);
	text_table_free(table);
}

/* Edges of a wire, how many of them are direct calls, and the credit of the others. */
static void
print_wires(const struct job *job)
{
	struct text_table *table = text_table_create(colour);

	text_table_column(table, TEXT_LEFT, "wire");
	text_table_column(table, TEXT_LEFT, "grouping");
	text_table_column(table, TEXT_LEFT, "when full");
	text_table_column(table, TEXT_RIGHT, "direct calls");
	text_table_column(table, TEXT_RIGHT, "rings");
	text_table_column(table, TEXT_RIGHT, "batches each");
	for (uint32_t w = 0; w < job->graph->wire_count; w++) {
		const struct graph_wire *wire = &job->graph->wire[w];
		uint32_t fused = 0, rings = 0, credit = 0;

		for (uint32_t e = 0; e < job->layout->edge_count; e++) {
			if (job->layout->edge[e].wire == w) {
				fused += job->layout->edge[e].fused ? 1 : 0;
				rings += job->layout->edge[e].fused ? 0 : 1;
				credit = job->layout->edge[e].credit;
			}
		}
		text_table_cell(table, TEXT_PLAIN, "%s -> %s", job->graph->op[wire->from].name,
		                job->graph->op[wire->to].name);
		text_table_cell(table, TEXT_PLAIN, "%s", grouping_text[wire->grouping]);
		text_table_cell(table, TEXT_PLAIN, "%s", policy_text[wire->policy]);
		text_table_cell(table, TEXT_PLAIN, "%u", fused);
		text_table_cell(table, TEXT_PLAIN, "%u", rings);
		text_table_cell(table, TEXT_PLAIN, "%u", rings == 0 ? 0 : credit);
	}
	text_table_print(table, "  ", stdout);
	text_table_free(table);
}

/* "time,frame,queue" */
static const char *
pool_fields(const struct layout_pool *pool, char text[96])
{
	text[0] = '\0';
	for (uint32_t f = 0; f < pool->schema->field_count; f++) {
		size_t used = strlen(text);

		snprintf(text + used, 96 - used, "%s%s", f == 0 ? "" : ",",
		         pool->schema->field[f].name);
	}
	return text;
}

static void
print_memory(const struct job *job)
{
	struct text_table *table = text_table_create(colour);

	text_table_column(table, TEXT_LEFT, "pool of");
	text_table_column(table, TEXT_RIGHT, "node");
	text_table_column(table, TEXT_RIGHT, "batches");
	text_table_column(table, TEXT_RIGHT, "rows each");
	text_table_column(table, TEXT_RIGHT, "memory");
	for (uint32_t p = 0; p < job->layout->pool_count; p++) {
		const struct layout_pool *pool = &job->layout->pool[p];
		char fields[96];

		text_table_cell(table, TEXT_PLAIN, "%s", pool_fields(pool, fields));
		text_table_cell(table, TEXT_PLAIN, "%u", pool->numa_node);
		text_table_cell(table, TEXT_PLAIN, "%u", pool->batches);
		text_table_cell(table, TEXT_PLAIN, "%u", pool->schema->capacity);
		text_table_cell(table, TEXT_PLAIN, "%s", units_bytes((double)pool->bytes).text);
	}
	text_table_print(table, "  ", stdout);
	text_table_free(table);
	printf("\n  %s for batches and rings, known before start; operators' state comes on top\n",
	       units_bytes((double)job->layout->bytes).text);
}

/* What a run promises. False: no memory. */
static bool
find_guarantees(const struct job *job, const char *state, struct guarantees *guarantees)
{
	const char *folder = state != NULL ? state : job->topology->state.folder;
	bool has_folder = folder != NULL && strcmp(folder, "none") != 0;

	return guarantee_find(job->graph, has_folder, guarantees) == 0;
}

static void
print_guarantees(const struct job *job, const char *state)
{
	static const enum text_style styles[GUARANTEE_LEVELS] = {
		[GUARANTEE_EXACTLY_ONCE] = TEXT_GREEN,
		[GUARANTEE_AT_LEAST_ONCE] = TEXT_CYAN,
		[GUARANTEE_AT_MOST_ONCE] = TEXT_CYAN,
		[GUARANTEE_WITHIN_EPOCH] = TEXT_YELLOW,
	};
	struct text_table *table = text_table_create(colour);
	struct guarantees guarantees;

	text_table_column(table, TEXT_LEFT, "source");
	text_table_column(table, TEXT_LEFT, "sink");
	text_table_column(table, TEXT_LEFT, "over a crash");
	text_table_column(table, TEXT_LEFT, "why");
	if (find_guarantees(job, state, &guarantees)) {
		for (uint32_t i = 0; i < guarantees.count; i++) {
			const struct guarantee *pair = &guarantees.pair[i];

			text_table_cell(table, TEXT_PLAIN, "%s", job->graph->op[pair->source].name);
			text_table_cell(table, TEXT_PLAIN, "%s", job->graph->op[pair->sink].name);
			text_table_cell(table, styles[pair->level], "%s",
			                guarantee_text(pair->level));
			text_table_cell(table, TEXT_DIM, "%s", pair->why);
		}
		guarantees_free(&guarantees);
	}
	text_table_print(table, "  ", stdout);
	text_table_free(table);
}

static json_t *
json_guarantees(const struct job *job, const char *state)
{
	json_t *pairs = json_array();
	struct guarantees guarantees;

	if (!find_guarantees(job, state, &guarantees)) {
		return pairs;
	}
	for (uint32_t i = 0; i < guarantees.count; i++) {
		const struct guarantee *pair = &guarantees.pair[i];

		json_array_append_new(pairs,
		                      json_pack("{s:s, s:s, s:s, s:s}", "source",
		                                job->graph->op[pair->source].name, "sink",
		                                job->graph->op[pair->sink].name, "guarantee",
		                                guarantee_text(pair->level), "why", pair->why));
	}
	guarantees_free(&guarantees);
	return pairs;
}

static json_t *
json_slices(const struct job *job)
{
	json_t *slices = json_array();

	for (uint32_t s = 0; s < job->graph->slice_count; s++) {
		const struct graph_operator *op = &job->graph->op[graph_operator_of(job->graph, s)];
		uint32_t worker = worker_of(job, s);

		json_array_append_new(
		    slices, json_pack("{s:s, s:i, s:s, s:i, s:i, s:s}", "operator", op->name,
		                      "slice", (int)(s - op->first_slice), "type", op->class->name,
		                      "lcore", (int)job->placement.lm.worker[worker].lcore,
		                      "numa_node", (int)job->placement.lm.worker[worker].numa_node,
		                      "why", job->placement.reason[s]));
	}
	return slices;
}

static json_t *
json_edges(const struct job *job)
{
	json_t *edges = json_array();

	for (uint32_t e = 0; e < job->layout->edge_count; e++) {
		const struct layout_edge *edge = &job->layout->edge[e];
		const struct graph_wire *wire = &job->graph->wire[edge->wire];

		json_array_append_new(edges,
		                      json_pack("{s:s, s:s, s:s, s:b, s:i}", "from",
		                                job->graph->op[wire->from].name, "to",
		                                job->graph->op[wire->to].name, "grouping",
		                                grouping_text[wire->grouping], "direct",
		                                (int)edge->fused, "credit", (int)edge->credit));
	}
	return edges;
}

static json_t *
json_pools(const struct job *job)
{
	json_t *pools = json_array();

	for (uint32_t p = 0; p < job->layout->pool_count; p++) {
		const struct layout_pool *pool = &job->layout->pool[p];
		char fields[96];

		json_array_append_new(pools,
		                      json_pack("{s:s, s:i, s:i, s:i, s:I}", "fields",
		                                pool_fields(pool, fields), "numa_node",
		                                (int)pool->numa_node, "batches", (int)pool->batches,
		                                "rows", (int)pool->schema->capacity, "bytes",
		                                (json_int_t)pool->bytes));
	}
	return pools;
}

/* When lcores come and go. */
static void
print_elastic(const struct job *job)
{
	const struct lm_elastic *elastic = &job->topology->elastic;
	uint32_t workers = job->placement.lm.worker_count;

	printf("\nElastic\n");
	if (elastic->policy == LM_ELASTIC_OFF) {
		printf("  off: slices stay where they are\n");
		return;
	}
	printf("  %s%s, %u to %u lcores, looked at every %s\n", policy_name(elastic->policy),
	       elastic->dry_run ? " (dry run: nothing is moved)" : "",
	       elastic->lcores_min < workers ? elastic->lcores_min : workers,
	       policy_lcores_max(elastic, workers),
	       units_duration((double)elastic->interval_ns / 1e9).text);
	if (elastic->policy == LM_ELASTIC_STATIC) {
		return;
	}
	printf("  more once the busiest is above %.2f for %u looks, fewer once all are below %.2f "
	       "for %u;\n  each then has %.2f at most; %s between changes, %u moves per look\n",
	       elastic->high, elastic->hold, elastic->low, elastic->hold * POLICY_GIVE_HOLDS,
	       elastic->target, units_duration((double)elastic->guard_ns / 1e9).text,
	       elastic->moves);
}

static json_t *
json_elastic(const struct job *job)
{
	const struct lm_elastic *elastic = &job->topology->elastic;
	uint32_t workers = job->placement.lm.worker_count;

	return json_pack("{s:s, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:b}", "policy",
	                 policy_name(elastic->policy), "lcores_min", (int)elastic->lcores_min,
	                 "lcores_max", (int)policy_lcores_max(elastic, workers), "high",
	                 elastic->high, "low", elastic->low, "target", elastic->target, "gain",
	                 elastic->gain, "interval_s", (double)elastic->interval_ns / 1e9, "guard_s",
	                 (double)elastic->guard_ns / 1e9, "hold", (int)elastic->hold, "moves",
	                 (int)elastic->moves, "dry_run", (int)elastic->dry_run);
}

static void
print_json(const struct job *job, const char *state)
{
	char line[2048];
	json_t *root = json_pack(
	    "{s:s, s:s, s:o, s:o, s:o, s:I, s:o, s:o}", "topology", job->graph->name, "eal",
	    eal_args_line(&job->eal, line, sizeof(line)), "slices", json_slices(job), "edges",
	    json_edges(job), "pools", json_pools(job), "bytes", (json_int_t)job->layout->bytes,
	    "guarantees", json_guarantees(job, state), "elastic", json_elastic(job));

	json_dumpf(root, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(root);
}

static void
print_plan(const struct job *job, const char *state)
{
	char line[2048];

	colour = text_colour(stdout);
	eal_report_print(&job->report, true, colour, stdout);
	printf("EAL: %s\n\n", eal_args_line(&job->eal, line, sizeof(line)));
	printf("Slices\n");
	print_slices(job);
	printf("\nWires\n");
	print_wires(job);
	printf("\nMemory\n");
	print_memory(job);
	printf("\nGuarantees\n");
	print_guarantees(job, state);
	print_elastic(job);
}

int
cli_plan(const struct cli *cli)
{
	struct job_request request = { 0 };
	struct job job = { 0 };
	const char *state = NULL; /* as for run: in place of what the file says */
	bool json = false, good;

	for (int i = 1; i < cli->argc;) {
		int used = 1;

		if (strcmp(cli->argv[i], "--json") == 0) {
			json = true;
		} else if (strcmp(cli->argv[i], "--state") == 0 && i + 1 < cli->argc) {
			state = cli->argv[i + 1];
			used = 2;
		} else {
			used = job_word(&request, cli->argc, cli->argv, i);
		}
		if (used < 0) {
			return CLI_USAGE;
		}
		i += used;
	}
	good = job_load(&job, &request) && job_place(&job, &request, cli);
	if (good) {
		json ? print_json(&job, state) : print_plan(&job, state);
	}
	job_free(&job);
	return good ? CLI_OK : CLI_USAGE;
}
