/* SPDX-License-Identifier: BSD-3-Clause */
/* Says in a sentence why a slice is where it is. */
#include "mgmt/placement_reason.h"

#include <stdio.h>
#include <string.h>

#define REASON_NAME_MAX 48u

struct reason_neighbour {
	uint32_t slice; /* MODEL_UNPLACED: it talks to nobody */
	double traffic, distance;
};

/* "flows" or "flows[2]". */
static const char *
reason_name(const struct model *model, uint32_t slice, char name[REASON_NAME_MAX])
{
	const struct graph_operator *op = &model->graph->op[model->operator_of[slice]];

	if (op->slices > 1) {
		snprintf(name, REASON_NAME_MAX, "%.32s[%u]", op->name, slice - op->first_slice);
	} else {
		snprintf(name, REASON_NAME_MAX, "%.32s", op->name);
	}
	return name;
}

static void
reason_consider(const struct model *model, uint32_t slice, uint32_t other, double traffic,
                struct reason_neighbour *best)
{
	double distance = model->distance[model_worker(model, slice)][model_worker(model, other)];

	if (traffic <= 0.0 || model->cluster_of[slice] == model->cluster_of[other]) {
		return;
	}
	if (best->slice == MODEL_UNPLACED || traffic > best->traffic * 1.001 ||
	    (traffic > best->traffic * 0.999 && distance < best->distance)) {
		*best = (struct reason_neighbour){ other, traffic, distance };
	}
}

static void
reason_consider_wires(const struct model *model, uint32_t slice, struct reason_neighbour *best)
{
	uint32_t o = model->operator_of[slice];
	uint32_t index = slice - model->graph->op[o].first_slice;

	for (const uint32_t *at = model->wires_of[o]; *at != MODEL_UNPLACED; at++) {
		const struct model_wire *wire = &model->wire[*at];
		bool sending = wire->from == o;
		const struct graph_operator *far =
		    &model->graph->op[sending ? wire->to : wire->from];

		for (uint32_t i = 0; i < far->slices; i++) {
			double traffic = sending ? model_traffic(model, wire, index, i)
			                         : model_traffic(model, wire, i, index);

			reason_consider(model, slice, far->first_slice + i, traffic, best);
		}
	}
}

/* The slice that its cluster talks to most; of several the nearest. */
static struct reason_neighbour
reason_neighbour(const struct model *model, uint32_t slice)
{
	struct reason_neighbour best = { .slice = MODEL_UNPLACED };

	slice = model->cluster[model->cluster_of[slice]].first;
	for (; slice != MODEL_UNPLACED; slice = model->next[slice]) {
		reason_consider_wires(model, slice, &best);
	}
	return best;
}

/* How many lcores of a node have slices, and how many it has. */
static void
reason_node_use(const struct model *model, uint32_t node, uint32_t *used, uint32_t *all)
{
	*used = *all = 0;
	for (uint32_t w = 0; w < model->workers; w++) {
		*all += model->node[w] == node;
		*used += model->node[w] == node && model->load[w] > 0.0;
	}
}

static void
reason_near(const struct model *model, uint32_t slice, uint32_t other,
            char reason[PLACEMENT_REASON_MAX])
{
	const struct placement_request *request = model->request;
	uint32_t own = model_worker(model, slice), far = model_worker(model, other);
	const char *shared = "NUMA node";
	char name[REASON_NAME_MAX];
	uint32_t used, all;

	reason_name(model, other, name);
	if (own == far) {
		snprintf(reason, PLACEMENT_REASON_MAX, "with %s, which it talks to most", name);
		return;
	}
	switch (machine_distance(request->machine, cpus_first(&request->lcores->lcore[own].cpus),
	                         cpus_first(&request->lcores->lcore[far].cpus))) {
	case MACHINE_SAME_CPU:
		shared = "CPU";
		break;
	case MACHINE_SAME_CORE:
		shared = "core";
		break;
	case MACHINE_SAME_L2:
		shared = "L2 cache";
		break;
	case MACHINE_SAME_L3:
		shared = "L3 cache";
		break;
	case MACHINE_SAME_NODE:
		break;
	case MACHINE_OTHER_NODE:
		reason_node_use(model, model->node[far], &used, &all);
		snprintf(reason, PLACEMENT_REASON_MAX,
		         "away from %s: %u of the %u lcores of its NUMA node %u are taken", name,
		         used, all, request->machine->node[model->node[far]].number);
		return;
	}
	snprintf(reason, PLACEMENT_REASON_MAX, "next to %s (same %s)", name, shared);
}

static bool
reason_port(const struct model *model, uint32_t slice, char reason[PLACEMENT_REASON_MAX])
{
	const struct placement_request *request = model->request;
	uint32_t number, own;

	if (request->port_node == NULL || request->port_node[slice] == MACHINE_NONE) {
		return false;
	}
	number = request->port_node[slice];
	own = request->machine->node[model->node[model_worker(model, slice)]].number;
	if (own == number) {
		snprintf(reason, PLACEMENT_REASON_MAX, "on NUMA node %u, where its port is",
		         number);
	} else {
		snprintf(reason, PLACEMENT_REASON_MAX,
		         "away from its port on NUMA node %u: there is no better lcore there",
		         number);
	}
	return true;
}

static uint32_t
reason_spread(const struct model *model, uint32_t o)
{
	uint32_t lcores = 0;

	for (uint32_t w = 0; w < model->workers; w++) {
		lcores += model->count[(size_t)o * LM_WORKERS_MAX + w] > 0;
	}
	return lcores;
}

/* What is true of the lcore itself: a sibling that works as well, a CPU that is shared. */
static void
reason_add_lcore(const struct model *model, uint32_t slice, char reason[PLACEMENT_REASON_MAX])
{
	uint32_t own = model_worker(model, slice);
	size_t used = strlen(reason);

	if (model->request->lcores->lcore[own].shares_cpu) {
		snprintf(reason + used, PLACEMENT_REASON_MAX - used, "; this lcore shares its CPU");
		return;
	}
	for (uint32_t w = 0; w < model->workers; w++) {
		if (w != own && model->couple[own][w] > 0.0 && model->load[w] > 0.0) {
			snprintf(reason + used, PLACEMENT_REASON_MAX - used,
			         "; SMT sibling of lcore %u",
			         model->request->lcores->lcore[w].number);
			return;
		}
	}
}

void
placement_reason(const struct model *model, const uint32_t *pin, uint32_t slice,
                 char reason[PLACEMENT_REASON_MAX])
{
	uint32_t o = model->operator_of[slice];
	const struct graph_operator *op = &model->graph->op[o];
	uint32_t first = model->cluster[model->cluster_of[slice]].first;
	struct reason_neighbour neighbour = reason_neighbour(model, slice);
	char name[REASON_NAME_MAX];

	if (pin[slice] != MODEL_UNPLACED) {
		snprintf(reason, PLACEMENT_REASON_MAX, "pinned to lcore %u in the topology",
		         model->request->lcores->lcore[pin[slice]].number);
	} else if (model->workers == 1) {
		snprintf(reason, PLACEMENT_REASON_MAX, "the only lcore there is");
	} else if (first != slice) {
		snprintf(reason, PLACEMENT_REASON_MAX, "with %s, so that they fuse",
		         reason_name(model, first, name));
	} else if (reason_port(model, slice, reason)) {
		/* Said. */
	} else if (op->slices > 1) {
		snprintf(reason, PLACEMENT_REASON_MAX, "one of %u slices spread over %u lcores",
		         op->slices, reason_spread(model, o));
	} else if (neighbour.slice != MODEL_UNPLACED) {
		reason_near(model, slice, neighbour.slice, reason);
	} else {
		snprintf(reason, PLACEMENT_REASON_MAX, "an lcore with little else to do");
	}
	if (model->workers > 1) {
		reason_add_lcore(model, slice, reason);
	}
}
