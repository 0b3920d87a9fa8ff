/* SPDX-License-Identifier: BSD-3-Clause */
/* Which lcore runs which slice: a greedy walk along the rows, then improvement step by step. */
#include "mgmt/placement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/placement_model.h"
#include "mgmt/placement_reason.h"

/* A step must gain this much: rounding must not decide, nor two equal places alternate for ever. */
#define PLACEMENT_GAIN_MIN 1e-6
#define PLACEMENT_PASSES_MAX 16u
/* Above these counts of clusters, searching would take seconds and the greedy walk does well
 * enough. */
#define PLACEMENT_SEARCH_MAX 1024u
#define PLACEMENT_SWAP_MAX 96u

struct placement_search {
	struct model *model;
	uint32_t
	    node_order[MACHINE_NODES_MAX]; /* nodes with workers, home first, then the nearest */
	uint32_t node_count;
	uint32_t *order; /* clusters, in the order to be placed */
	uint32_t *best;  /* [cluster]: worker */
	double best_cost;
};

/* The pins as workers. False and an error where a pin names an lcore that is not there. */
static bool
placement_read_pins(const struct placement_request *request, uint32_t *pin,
                    struct lm_errors *errors)
{
	const struct lm_graph *graph = request->graph;
	char list[256], hint[280];
	bool good = true;

	for (uint32_t o = 0; o < graph->operator_count; o++) {
		const struct graph_operator *op = &graph->op[o];

		for (uint32_t i = 0; i < op->slices; i++) {
			pin[op->first_slice + i] = MODEL_UNPLACED;
		}
		for (uint32_t i = 0; i < op->pin_count; i++) {
			const struct lcore *lcore = lcores_find(request->lcores, op->pin[i]);

			if (lcore == NULL) {
				snprintf(hint, sizeof(hint), "the lcores are %s",
				         lcores_numbers(request->lcores, list, sizeof(list)));
				lm_errors_add(errors, op->pin_place, hint,
				              "operators.%s.pin: there is no lcore %u", op->name,
				              op->pin[i]);
				good = false;
				continue;
			}
			for (uint32_t s = i; s < op->slices; s += op->pin_count) {
				pin[op->first_slice + s] =
				    (uint32_t)(lcore - request->lcores->lcore);
			}
		}
	}
	return good;
}

/* Home is the node of most ports, else of most workers; the others follow by distance from it. */
static void
placement_order_nodes(struct placement_search *search)
{
	const struct placement_request *request = search->model->request;
	const struct machine *machine = request->machine;
	uint32_t workers[MACHINE_NODES_MAX] = { 0 }, ports[MACHINE_NODES_MAX] = { 0 };
	uint32_t home = MACHINE_NONE;

	for (uint32_t w = 0; w < search->model->workers; w++) {
		workers[search->model->node[w]]++;
	}
	for (uint32_t s = 0; request->port_node != NULL && s < request->graph->slice_count; s++) {
		uint32_t node = machine_node_index(machine, request->port_node[s]);

		if (node != MACHINE_NONE) {
			ports[node]++;
		}
	}
	for (uint32_t n = 0; n < machine->node_count; n++) {
		if (workers[n] > 0 && (home == MACHINE_NONE || ports[n] > ports[home] ||
		                       (ports[n] == ports[home] && workers[n] > workers[home]))) {
			home = n;
		}
	}
	for (uint32_t n = 0; n < machine->node_count; n++) {
		uint32_t at = search->node_count;

		if (workers[n] == 0) {
			continue;
		}
		while (at > 0 && machine->node[home].distance[n] <
		                     machine->node[home].distance[search->node_order[at - 1]]) {
			search->node_order[at] = search->node_order[at - 1];
			at--;
		}
		search->node_order[at] = n;
		search->node_count++;
	}
}

/* Components one after the other, each from its sources down (or the heaviest first). */
static void
placement_order_clusters(struct placement_search *search, bool heavy_first)
{
	const struct model *model = search->model;
	uint32_t used = 0;

	for (uint32_t component = 0; component < model->cluster_count; component++) {
		uint32_t begin = used;

		if (model->cluster[component].component != component) {
			continue;
		}
		for (uint32_t c = component; c < model->cluster_count; c++) {
			uint32_t at = used;

			if (model->cluster[c].component != component) {
				continue;
			}
			while (heavy_first && at > begin &&
			       model->cluster[c].load > model->cluster[search->order[at - 1]].load +
			                                    PLACEMENT_GAIN_MIN) {
				search->order[at] = search->order[at - 1];
				at--;
			}
			search->order[at] = c;
			used++;
		}
	}
}

/* The node with the least work for each of its workers: where a component begins. */
static uint32_t
placement_emptiest(const struct placement_search *search, uint32_t nodes)
{
	const struct model *model = search->model;
	uint32_t best = 0;
	double best_load = 0.0;

	for (uint32_t k = 0; k < nodes; k++) {
		double load = 0.0;
		uint32_t workers = 0;

		for (uint32_t w = 0; w < model->workers; w++) {
			if (model->node[w] == search->node_order[k]) {
				load += model->load[w];
				workers++;
			}
		}
		load /= workers;
		if (k == 0 || load < best_load - PLACEMENT_GAIN_MIN) {
			best = search->node_order[k];
			best_load = load;
		}
	}
	return best;
}

/* The cheapest worker on one of the first `nodes` nodes, or on node `only`. */
static uint32_t
placement_cheapest(const struct placement_search *search, const double *cost, uint32_t nodes,
                   uint32_t only)
{
	const struct model *model = search->model;
	uint32_t best = MODEL_UNPLACED;

	for (uint32_t w = 0; w < model->workers; w++) {
		bool open = only != MACHINE_NONE && model->node[w] == only;

		for (uint32_t k = 0; only == MACHINE_NONE && k < nodes; k++) {
			open = open || model->node[w] == search->node_order[k];
		}
		if (open && (best == MODEL_UNPLACED || cost[w] < cost[best] - PLACEMENT_GAIN_MIN)) {
			best = w;
		}
	}
	return best;
}

/* Something says already where a component belongs: a port, or a pin. */
static bool
placement_anchored(const struct model *model, uint32_t component)
{
	for (uint32_t c = component; c < model->cluster_count; c++) {
		if (model->cluster[c].component != component) {
			continue;
		}
		if (model->cluster[c].worker != MODEL_UNPLACED) {
			return true;
		}
		for (uint32_t slice = model->cluster[c].first;
		     model->request->port_node != NULL && slice != MODEL_UNPLACED;
		     slice = model->next[slice]) {
			if (model->request->port_node[slice] != MACHINE_NONE) {
				return true;
			}
		}
	}
	return false;
}

static void
placement_greedy(struct placement_search *search, uint32_t nodes)
{
	struct model *model = search->model;
	uint32_t component = MODEL_UNPLACED;
	double cost[LM_WORKERS_MAX];

	model_reset(model);
	for (uint32_t c = 0; c < model->cluster_count; c++) {
		if (model->cluster[c].pin != MODEL_UNPLACED) {
			model_place(model, c, model->cluster[c].pin);
		}
	}
	for (uint32_t i = 0; i < model->cluster_count; i++) {
		uint32_t c = search->order[i], only = MACHINE_NONE;

		if (model->cluster[c].component != component) {
			component = model->cluster[c].component;
			if (!placement_anchored(model, component)) {
				only = placement_emptiest(search, nodes);
			}
		}
		if (model->cluster[c].worker != MODEL_UNPLACED) {
			continue;
		}
		model_costs(model, c, cost);
		model_place(model, c, placement_cheapest(search, cost, nodes, only));
	}
}

/* Moves each cluster to the best place there is. Returns whether one moved. */
static bool
placement_move(struct placement_search *search)
{
	struct model *model = search->model;
	double cost[LM_WORKERS_MAX];
	bool moved = false;

	for (uint32_t c = 0; c < model->cluster_count; c++) {
		uint32_t from = model->cluster[c].worker, to;

		if (model->cluster[c].pin != MODEL_UNPLACED) {
			continue;
		}
		model_remove(model, c);
		model_costs(model, c, cost);
		to = placement_cheapest(search, cost, search->node_count, MACHINE_NONE);
		to = cost[to] < cost[from] - PLACEMENT_GAIN_MIN ? to : from;
		model_place(model, c, to);
		moved = moved || to != from;
	}
	return moved;
}

/* Exchanges two clusters if that is cheaper: what even stages do not let a single move do. */
static bool
placement_try_swap(struct model *model, uint32_t a, uint32_t b)
{
	uint32_t at_a = model->cluster[a].worker, at_b = model->cluster[b].worker;
	double cost[LM_WORKERS_MAX], now, then;

	if (at_a == at_b) {
		return false;
	}
	model_remove(model, a);
	model_remove(model, b);
	model_costs(model, a, cost);
	now = cost[at_a];
	then = cost[at_b];
	model_place(model, a, at_a);
	model_costs(model, b, cost);
	now += cost[at_b];
	model_remove(model, a);
	model_place(model, a, at_b);
	model_costs(model, b, cost);
	then += cost[at_a];
	if (then < now - PLACEMENT_GAIN_MIN) {
		model_place(model, b, at_a);
		return true;
	}
	model_remove(model, a);
	model_place(model, a, at_a);
	model_place(model, b, at_b);
	return false;
}

static bool
placement_swap(struct placement_search *search)
{
	struct model *model = search->model;
	bool swapped = false;

	for (uint32_t a = 0; a < model->cluster_count; a++) {
		for (uint32_t b = a + 1; b < model->cluster_count; b++) {
			if (model->cluster[a].pin == MODEL_UNPLACED &&
			    model->cluster[b].pin == MODEL_UNPLACED) {
				swapped = placement_try_swap(model, a, b) || swapped;
			}
		}
	}
	return swapped;
}

/* What the placement in hand costs as a whole: each cluster against those placed before it. */
static double
placement_cost(struct placement_search *search, uint32_t *worker)
{
	struct model *model = search->model;
	double cost[LM_WORKERS_MAX], sum = 0.0;

	for (uint32_t c = 0; c < model->cluster_count; c++) {
		worker[c] = model->cluster[c].worker;
	}
	model_reset(model);
	for (uint32_t c = 0; c < model->cluster_count; c++) {
		model_costs(model, c, cost);
		sum += cost[worker[c]];
		model_place(model, c, worker[c]);
	}
	return sum;
}

static int
placement_search_all(struct placement_search *search)
{
	struct model *model = search->model;
	bool small = model->cluster_count <= PLACEMENT_SEARCH_MAX;
	uint32_t *worker = calloc(model->cluster_count + 1, sizeof(*worker));
	bool found = false;

	if (worker == NULL) {
		return -ENOMEM;
	}
	for (uint32_t nodes = small ? 1 : search->node_count; nodes <= search->node_count;
	     nodes++) {
		for (uint32_t heavy_first = 0; heavy_first < (small ? 2u : 1u); heavy_first++) {
			double cost;

			placement_order_clusters(search, heavy_first == 1);
			placement_greedy(search, nodes);
			for (uint32_t pass = 0; small && pass < PLACEMENT_PASSES_MAX; pass++) {
				bool better = placement_move(search);

				if (!better && model->cluster_count <= PLACEMENT_SWAP_MAX) {
					better = placement_swap(search);
				}
				if (!better) {
					break;
				}
			}
			cost = placement_cost(search, worker);
			if (!found || cost < search->best_cost - PLACEMENT_GAIN_MIN) {
				found = true;
				search->best_cost = cost;
				memcpy(search->best, worker,
				       model->cluster_count * sizeof(*worker));
			}
		}
	}
	free(worker);
	model_reset(model);
	for (uint32_t c = 0; c < model->cluster_count; c++) {
		model_place(model, c, search->best[c]);
	}
	return 0;
}

static void
placement_write(struct placement *placement, const struct placement_request *request,
                const struct model *model, const uint32_t *pin)
{
	placement->lm.worker_count = request->lcores->count;
	for (uint32_t w = 0; w < request->lcores->count; w++) {
		placement->lm.worker[w].lcore = request->lcores->lcore[w].number;
		placement->lm.worker[w].numa_node = request->machine->node[model->node[w]].number;
		placement->lm.worker[w].shares_cpu = request->lcores->lcore[w].shares_cpu;
	}
	for (uint32_t s = 0; s < request->graph->slice_count; s++) {
		placement->lm.worker_of[s] = (uint16_t)model_worker(model, s);
		placement_reason(model, pin, s, placement->reason[s]);
	}
}

int
placement_plan(struct placement *placement, const struct placement_request *request,
               struct lm_errors *errors)
{
	uint32_t slices = request->graph->slice_count;
	uint32_t *pin = calloc(slices + 1, sizeof(*pin));
	struct placement_search search = { 0 };
	int error = -ENOMEM;

	memset(placement, 0, sizeof(*placement));
	placement->lm.worker_of = calloc(slices + 1, sizeof(*placement->lm.worker_of));
	placement->reason = calloc(slices + 1, sizeof(*placement->reason));
	search.order = calloc(slices + 1, sizeof(*search.order));
	search.best = calloc(slices + 1, sizeof(*search.best));
	if (pin == NULL || placement->lm.worker_of == NULL || placement->reason == NULL ||
	    search.order == NULL || search.best == NULL) {
		goto out;
	}
	error = -EINVAL;
	if (request->lcores->count == 0) {
		lm_errors_add(errors, (struct lm_place){ 0 }, "name one: -l 0",
		              "no lcore to run on");
		goto out;
	}
	if (!placement_read_pins(request, pin, errors)) {
		goto out;
	}
	search.model = model_create(request, pin);
	error = search.model != NULL ? 0 : -ENOMEM;
	if (error == 0) {
		placement_order_nodes(&search);
		error = placement_search_all(&search);
	}
	if (error == 0) {
		placement_write(placement, request, search.model, pin);
	}
out:
	model_free(search.model);
	free(search.order);
	free(search.best);
	free(pin);
	return error;
}

void
placement_free(struct placement *placement)
{
	free(placement->lm.worker_of);
	free(placement->reason);
	memset(placement, 0, sizeof(*placement));
}

uint32_t
placement_crossings(const struct placement *placement, const struct placement_request *request)
{
	const struct lm_graph *graph = request->graph;
	uint32_t crossings = 0;

	for (uint32_t i = 0; i < graph->wire_count; i++) {
		const struct graph_operator *from = &graph->op[graph->wire[i].from];
		const struct graph_operator *to = &graph->op[graph->wire[i].to];
		bool paired =
		    graph->wire[i].grouping == LM_GROUP_FORWARD && from->slices == to->slices;
		uint32_t ends = graph->wire[i].grouping == LM_GROUP_GLOBAL ? 1 : to->slices;

		for (uint32_t f = 0; f < from->slices; f++) {
			for (uint32_t t = 0; t < ends; t++) {
				uint32_t a = placement->lm.worker_of[from->first_slice + f];
				uint32_t b = placement->lm.worker_of[to->first_slice + t];

				crossings +=
				    (!paired || f == t) && placement->lm.worker[a].numa_node !=
							       placement->lm.worker[b].numa_node;
			}
		}
	}
	return crossings;
}
