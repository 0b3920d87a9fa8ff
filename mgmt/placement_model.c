/* SPDX-License-Identifier: BSD-3-Clause */
/* What a placement costs: work, the rows' way, and a fine for uneven stages. */
#include "mgmt/placement_model.h"

#include <stdlib.h>
#include <string.h>

/* Work per row of an operator that looks up state, against one that does not. */
#define MODEL_KEYED_WORK 2.0
/* Rows that leave an operator for each that enters, by how its rows add up. */
#define MODEL_ABSORB_SHARE 0.1
#define MODEL_SPLIT_SHARE 2.0
/* Even an operator that nothing reaches takes a turn of its worker. */
#define MODEL_LOAD_MIN 0.01

/*
 * The way of a row between two workers, in units of the work on it. The step to another NUMA node
 * is made higher than it is in time, so that balance alone never takes it: a node must be full.
 */
#define MODEL_WAY_SAME_CPU 0.10
#define MODEL_WAY_CORE 0.12
#define MODEL_WAY_L2 0.15
#define MODEL_WAY_L3 0.25
#define MODEL_WAY_NODE 0.35
#define MODEL_WAY_OTHER 0.30 /* times the kernel's distance, 10 for the node itself */

/* How much work on one thread of a core slows the other: two threads do 1.25 times the work of one.
 */
#define MODEL_SMT_COUPLE 0.6
#define MODEL_UNEVEN_FINE 1000.0

static double
model_way(const struct machine *machine, const struct lcore *a, const struct lcore *b)
{
	uint32_t cpu_a = cpus_first(&a->cpus), cpu_b = cpus_first(&b->cpus);
	const struct machine_cpu *facts_a = &machine->cpu[cpu_a], *facts_b = &machine->cpu[cpu_b];

	switch (machine_distance(machine, cpu_a, cpu_b)) {
	case MACHINE_SAME_CPU:
		return MODEL_WAY_SAME_CPU;
	case MACHINE_SAME_CORE:
		return MODEL_WAY_CORE;
	case MACHINE_SAME_L2:
		return MODEL_WAY_L2;
	case MACHINE_SAME_L3:
		return MODEL_WAY_L3;
	case MACHINE_SAME_NODE:
		return MODEL_WAY_NODE;
	case MACHINE_OTHER_NODE:
		break;
	}
	return MODEL_WAY_OTHER * machine->node[facts_a->node].distance[facts_b->node];
}

/* Two lcores on the same CPU slow each other fully; floating ones by the share of CPUs in common.
 */
static double
model_coupling(const struct machine *machine, const struct lcore *a, const struct lcore *b)
{
	cpu_set_t both;

	CPU_AND(&both, &a->cpus, &b->cpus);
	if (cpus_count(&both) > 0) {
		return (double)cpus_count(&both) / (cpus_count(&a->cpus) * cpus_count(&b->cpus));
	}
	return machine_distance(machine, cpus_first(&a->cpus), cpus_first(&b->cpus)) ==
	               MACHINE_SAME_CORE
	           ? MODEL_SMT_COUPLE
	           : 0.0;
}

static void
model_read_workers(struct model *model)
{
	const struct lcores *lcores = model->request->lcores;
	const struct machine *machine = model->request->machine;

	model->workers = lcores->count;
	for (uint32_t a = 0; a < model->workers; a++) {
		model->node[a] = machine->cpu[cpus_first(&lcores->lcore[a].cpus)].node;
		for (uint32_t b = 0; b < model->workers; b++) {
			if (a == b) {
				model->couple[a][b] = 1.0;
				continue;
			}
			model->distance[a][b] =
			    model_way(machine, &lcores->lcore[a], &lcores->lcore[b]);
			model->couple[a][b] =
			    model_coupling(machine, &lcores->lcore[a], &lcores->lcore[b]);
		}
	}
}

static double
model_out_share(const struct lm_op_class *class)
{
	switch (class->rows) {
	case LM_ROWS_ABSORB:
		return MODEL_ABSORB_SHARE;
	case LM_ROWS_SPLIT:
		return MODEL_SPLIT_SHARE;
	case LM_ROWS_SOURCE:
	case LM_ROWS_PASS:
		break;
	}
	return 1.0;
}

/* Follows the rows from the sources down; wires that close a cycle come last, with what is known.
 */
static void
model_read_rates(struct model *model)
{
	const struct lm_graph *graph = model->graph;

	for (uint32_t k = 0; k < graph->operator_count; k++) {
		uint32_t o = graph->order[k];
		const struct graph_operator *op = &graph->op[o];
		bool source = op->class->rows == LM_ROWS_SOURCE;
		double work = (op->class->flags & LM_OP_KEYED) != 0 ? MODEL_KEYED_WORK : 1.0;
		double in = source ? op->slices : 0.0;

		for (uint32_t i = 0; i < graph->wire_count; i++) {
			const struct graph_wire *wire = &graph->wire[i];

			if (wire->to == o && !wire->feedback) {
				in += model->rate[wire->from] *
				      (wire->grouping == LM_GROUP_ALL ? op->slices : 1.0);
			}
		}
		model->rate[o] = in * model_out_share(op->class);
		for (uint32_t i = 0; i < op->slices; i++) {
			double load = in * work / op->slices;

			model->slice_load[op->first_slice + i] =
			    load > MODEL_LOAD_MIN ? load : MODEL_LOAD_MIN;
			model->operator_of[op->first_slice + i] = o;
		}
	}
	for (uint32_t i = 0; i < graph->wire_count; i++) {
		const struct graph_wire *wire = &graph->wire[i];

		model->wire[i] = (struct model_wire){
			.from = wire->from,
			.to = wire->to,
			.grouping = wire->grouping,
			.rate = model->rate[wire->from],
			.paired = wire->grouping == LM_GROUP_FORWARD &&
			          graph->op[wire->from].slices == graph->op[wire->to].slices,
		};
	}
}

/* Each operator's wires, so that a cost looks at no others. */
static void
model_read_adjacency(struct model *model)
{
	uint32_t used = 0;

	for (uint32_t o = 0; o < model->graph->operator_count; o++) {
		model->wires_of[o] = &model->wires_room[used];
		for (uint32_t i = 0; i < model->wire_count; i++) {
			if (model->wire[i].from == o || model->wire[i].to == o) {
				model->wires_room[used++] = i;
			}
		}
		model->wires_room[used++] = MODEL_UNPLACED;
	}
}

static uint32_t
model_root(const uint32_t *parent, uint32_t slice)
{
	while (parent[slice] != slice) {
		slice = parent[slice];
	}
	return slice;
}

/* Joins slice i with slice i along forward wires, unless pins tear them apart. */
static void
model_join(struct model *model, uint32_t *parent, uint32_t *pin)
{
	for (uint32_t w = 0; w < model->wire_count; w++) {
		const struct graph_wire *wire = &model->graph->wire[w];
		const struct graph_operator *from = &model->graph->op[wire->from];
		const struct graph_operator *to = &model->graph->op[wire->to];

		for (uint32_t i = 0; model->wire[w].paired && !wire->feedback && i < from->slices;
		     i++) {
			uint32_t a = model_root(parent, from->first_slice + i);
			uint32_t b = model_root(parent, to->first_slice + i);
			uint32_t low = a < b ? a : b, high = a < b ? b : a;

			if (a == b || (pin[a] != MODEL_UNPLACED && pin[b] != MODEL_UNPLACED &&
			               pin[a] != pin[b])) {
				continue;
			}
			pin[low] = pin[low] != MODEL_UNPLACED ? pin[low] : pin[high];
			parent[high] = low;
		}
	}
}

/* Clusters in topological order of their operators, so that a greedy walk follows the rows. */
static void
model_make_clusters(struct model *model, const uint32_t *parent, const uint32_t *pin)
{
	const struct lm_graph *graph = model->graph;

	for (uint32_t s = 0; s < graph->slice_count; s++) {
		model->cluster_of[s] = MODEL_UNPLACED;
	}
	for (uint32_t k = 0; k < graph->operator_count; k++) {
		const struct graph_operator *op = &graph->op[graph->order[k]];

		for (uint32_t i = 0; i < op->slices; i++) {
			uint32_t slice = op->first_slice + i;
			uint32_t root = model_root(parent, slice);
			struct model_cluster *cluster;
			uint32_t *link;

			if (model->cluster_of[root] == MODEL_UNPLACED) {
				model->cluster[model->cluster_count] = (struct model_cluster){
					.first = MODEL_UNPLACED,
					.pin = pin[root],
					.worker = MODEL_UNPLACED,
				};
				model->cluster_of[root] = model->cluster_count++;
			}
			model->cluster_of[slice] = model->cluster_of[root];
			cluster = &model->cluster[model->cluster_of[root]];
			link = &cluster->first;
			while (*link != MODEL_UNPLACED) {
				link = &model->next[*link];
			}
			*link = slice;
			model->next[slice] = MODEL_UNPLACED;
			cluster->load += model->slice_load[slice];
		}
	}
}

/* Clusters that talk to each other, over however many others, are one component: its lowest
 * cluster. */
static void
model_make_components(struct model *model, uint32_t *parent)
{
	const struct lm_graph *graph = model->graph;

	for (uint32_t c = 0; c < model->cluster_count; c++) {
		parent[c] = c;
	}
	for (uint32_t w = 0; w < model->wire_count; w++) {
		const struct graph_operator *from = &graph->op[model->wire[w].from];
		const struct graph_operator *to = &graph->op[model->wire[w].to];
		bool paired = model->wire[w].paired;
		uint32_t links = from->slices > to->slices ? from->slices : to->slices;

		/* All to all: joining each slice with slice 0 of the other side joins them all. */
		for (uint32_t i = 0; i < links; i++) {
			uint32_t f = from->first_slice + (i < from->slices ? i : 0);
			uint32_t t = to->first_slice + (i < to->slices ? i : 0);
			uint32_t a = model_root(parent, model->cluster_of[f]);
			uint32_t b = model_root(parent, model->cluster_of[t]);
			uint32_t z;

			parent[a < b ? b : a] = a < b ? a : b;
			if (!paired) {
				a = model_root(parent, a);
				z = model_root(parent, model->cluster_of[from->first_slice]);
				parent[a < z ? z : a] = a < z ? a : z;
			}
		}
	}
	for (uint32_t c = 0; c < model->cluster_count; c++) {
		model->cluster[c].component = model_root(parent, c);
	}
}

static bool
model_allocate(struct model *model, uint32_t slices, uint32_t operators, uint32_t wires)
{
	model->wire = calloc(wires + 1, sizeof(*model->wire));
	model->wires_of = calloc(operators + 1, sizeof(*model->wires_of));
	model->wires_room = calloc(2 * wires + operators + 1, sizeof(*model->wires_room));
	model->operator_of = calloc(slices + 1, sizeof(*model->operator_of));
	model->slice_load = calloc(slices + 1, sizeof(*model->slice_load));
	model->rate = calloc(operators + 1, sizeof(*model->rate));
	model->count = calloc((size_t)operators * LM_WORKERS_MAX + 1, sizeof(*model->count));
	model->cluster = calloc(slices + 1, sizeof(*model->cluster));
	model->cluster_of = calloc(slices + 1, sizeof(*model->cluster_of));
	model->next = calloc(slices + 1, sizeof(*model->next));
	return model->wire != NULL && model->wires_of != NULL && model->wires_room != NULL &&
	       model->operator_of != NULL && model->slice_load != NULL && model->rate != NULL &&
	       model->count != NULL && model->cluster != NULL && model->cluster_of != NULL &&
	       model->next != NULL;
}

/* The load that counts as one: what a worker has at best, or the heaviest cluster. */
static void
model_read_unit(struct model *model)
{
	double sum = 0.0;

	for (uint32_t c = 0; c < model->cluster_count; c++) {
		sum += model->cluster[c].load;
		if (model->cluster[c].load > model->unit) {
			model->unit = model->cluster[c].load;
		}
	}
	if (sum / model->workers > model->unit) {
		model->unit = sum / model->workers;
	}
}

struct model *
model_create(const struct placement_request *request, const uint32_t *pin)
{
	const struct lm_graph *graph = request->graph;
	struct model *model = calloc(1, sizeof(*model));
	uint32_t *parent = calloc(graph->slice_count + 1, sizeof(*parent));
	uint32_t *pins = calloc(graph->slice_count + 1, sizeof(*pins));

	if (model == NULL || parent == NULL || pins == NULL ||
	    !model_allocate(model, graph->slice_count, graph->operator_count, graph->wire_count)) {
		free(parent);
		free(pins);
		model_free(model);
		return NULL;
	}
	model->request = request;
	model->graph = graph;
	model->wire_count = graph->wire_count;
	for (uint32_t s = 0; s < graph->slice_count; s++) {
		parent[s] = s;
		pins[s] = pin[s];
	}
	model_read_workers(model);
	model_read_rates(model);
	model_read_adjacency(model);
	model_join(model, parent, pins);
	model_make_clusters(model, parent, pins);
	model_make_components(model, parent);
	model_read_unit(model);
	free(parent);
	free(pins);
	return model;
}

void
model_free(struct model *model)
{
	if (model == NULL) {
		return;
	}
	free(model->wire);
	free(model->wires_of);
	free(model->wires_room);
	free(model->operator_of);
	free(model->slice_load);
	free(model->rate);
	free(model->count);
	free(model->cluster);
	free(model->cluster_of);
	free(model->next);
	free(model);
}

void
model_reset(struct model *model)
{
	for (uint32_t c = 0; c < model->cluster_count; c++) {
		model->cluster[c].worker = MODEL_UNPLACED;
	}
	memset(model->load, 0, sizeof(model->load));
	memset(model->count, 0,
	       (size_t)model->graph->operator_count * LM_WORKERS_MAX * sizeof(*model->count));
}

double
model_traffic(const struct model *model, const struct model_wire *wire, uint32_t from_index,
              uint32_t to_index)
{
	double senders = model->graph->op[wire->from].slices;
	double receivers = model->graph->op[wire->to].slices;

	if (wire->paired) {
		return from_index == to_index ? wire->rate / senders : 0.0;
	}
	if (wire->grouping == LM_GROUP_ALL) {
		return wire->rate / senders;
	}
	if (wire->grouping == LM_GROUP_GLOBAL) {
		return to_index == 0 ? wire->rate / senders : 0.0;
	}
	return wire->rate / senders / receivers;
}

uint32_t
model_worker(const struct model *model, uint32_t slice)
{
	return model->cluster[model->cluster_of[slice]].worker;
}

static void
model_add_way(const struct model *model, uint32_t other, double rows, double cost[LM_WORKERS_MAX])
{
	const double *distance = model->distance[other];

	for (uint32_t w = 0; w < model->workers; w++) {
		cost[w] += rows * distance[w];
	}
}

/* The rows between a slice and the placed slices at the other end of one of its wires. */
static void
model_add_wire(const struct model *model, const struct model_wire *wire, uint32_t slice,
               bool sending, double cost[LM_WORKERS_MAX])
{
	uint32_t other = sending ? wire->to : wire->from;
	const struct graph_operator *own = &model->graph->op[sending ? wire->from : wire->to];
	const struct graph_operator *far = &model->graph->op[other];
	uint32_t index = slice - own->first_slice;
	const uint16_t *count = &model->count[(size_t)other * LM_WORKERS_MAX];

	if (wire->paired || (sending && wire->grouping == LM_GROUP_GLOBAL)) {
		uint32_t end = wire->paired ? index : 0;
		uint32_t worker = model_worker(model, far->first_slice + end);

		if (worker != MODEL_UNPLACED) {
			model_add_way(model, worker,
			              sending ? model_traffic(model, wire, index, end)
			                      : model_traffic(model, wire, end, index),
			              cost);
		}
		return;
	}
	for (uint32_t w = 0; w < model->workers; w++) {
		double rows = sending ? model_traffic(model, wire, index, 0)
		                      : model_traffic(model, wire, 0, index);

		if (count[w] > 0 && rows > 0.0) {
			model_add_way(model, w, rows * count[w], cost);
		}
	}
}

/* A port's frames come from the memory of its NUMA node. */
static void
model_add_port(const struct model *model, uint32_t slice, double cost[LM_WORKERS_MAX])
{
	const struct machine *machine = model->request->machine;
	uint32_t node = MACHINE_NONE;

	if (model->request->port_node != NULL && model->request->port_node[slice] != MACHINE_NONE) {
		node = machine_node_index(machine, model->request->port_node[slice]);
	}
	for (uint32_t w = 0; node != MACHINE_NONE && w < model->workers; w++) {
		if (model->node[w] != node) {
			cost[w] += model->slice_load[slice] * MODEL_WAY_OTHER *
			           machine->node[node].distance[model->node[w]];
		}
	}
}

void
model_costs(const struct model *model, uint32_t cluster, double cost[LM_WORKERS_MAX])
{
	double load = model->cluster[cluster].load / model->unit;

	memset(cost, 0, sizeof(double) * LM_WORKERS_MAX);
	for (uint32_t slice = model->cluster[cluster].first; slice != MODEL_UNPLACED;
	     slice = model->next[slice]) {
		const uint32_t *at = model->wires_of[model->operator_of[slice]];

		for (; *at != MODEL_UNPLACED; at++) {
			const struct model_wire *wire = &model->wire[*at];

			if (wire->from == model->operator_of[slice]) {
				model_add_wire(model, wire, slice, true, cost);
			}
			if (wire->to == model->operator_of[slice]) {
				model_add_wire(model, wire, slice, false, cost);
			}
		}
		model_add_port(model, slice, cost);
	}
	for (uint32_t w = 0; w < model->workers; w++) {
		double beside = 0.0;

		cost[w] /= model->unit;
		for (uint32_t other = 0; other < model->workers; other++) {
			beside += model->couple[w][other] * model->load[other] / model->unit;
		}
		cost[w] += load * load + 2.0 * load * beside;
	}
	for (uint32_t slice = model->cluster[cluster].first; slice != MODEL_UNPLACED;
	     slice = model->next[slice]) {
		uint32_t o = model->operator_of[slice];
		uint32_t most = (model->graph->op[o].slices + model->workers - 1) / model->workers;

		for (uint32_t w = 0; w < model->workers; w++) {
			if (model->count[(size_t)o * LM_WORKERS_MAX + w] >= most) {
				cost[w] += MODEL_UNEVEN_FINE;
			}
		}
	}
}

void
model_place(struct model *model, uint32_t cluster, uint32_t worker)
{
	model->cluster[cluster].worker = worker;
	model->load[worker] += model->cluster[cluster].load;
	for (uint32_t slice = model->cluster[cluster].first; slice != MODEL_UNPLACED;
	     slice = model->next[slice]) {
		model->count[(size_t)model->operator_of[slice] * LM_WORKERS_MAX + worker]++;
	}
}

void
model_remove(struct model *model, uint32_t cluster)
{
	uint32_t worker = model->cluster[cluster].worker;

	model->cluster[cluster].worker = MODEL_UNPLACED;
	model->load[worker] -= model->cluster[cluster].load;
	for (uint32_t slice = model->cluster[cluster].first; slice != MODEL_UNPLACED;
	     slice = model->next[slice]) {
		model->count[(size_t)model->operator_of[slice] * LM_WORKERS_MAX + worker]--;
	}
}
