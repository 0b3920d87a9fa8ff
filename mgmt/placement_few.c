/* SPDX-License-Identifier: BSD-3-Clause */
/* A placement on few lcores, with others that wait. */
#include "mgmt/placement_few.h"

#include <errno.h>
#include <stdlib.h>

/* Lcores that slices are pinned to; false: one of them is not there. */
static bool
mark_pinned(const struct placement_request *request, bool is_taken[LM_WORKERS_MAX])
{
	for (uint32_t o = 0; o < request->graph->operator_count; o++) {
		const struct graph_operator *op = &request->graph->op[o];

		for (uint32_t i = 0; i < op->pin_count; i++) {
			const struct lcore *lcore = lcores_find(request->lcores, op->pin[i]);

			if (lcore == NULL) {
				return false;
			}
			is_taken[lcore - request->lcores->lcore] = true;
		}
	}
	return true;
}

static uint32_t
count_taken(const struct placement_request *request, const bool is_taken[LM_WORKERS_MAX])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < request->lcores->count; i++) {
		count += is_taken[i] ? 1 : 0;
	}
	return count;
}

static void
add_spare(struct placement *placement, const struct placement_request *request,
          const bool is_taken[LM_WORKERS_MAX], uint32_t most)
{
	const struct lcores *lcores = request->lcores;

	for (uint32_t i = 0; i < lcores->count; i++) {
		uint32_t node = lcores->lcore[i].node;
		uint32_t w = placement->lm.worker_count;

		if (is_taken[i] || (most != 0 && w >= most)) {
			continue;
		}
		placement->lm.worker[w].lcore = lcores->lcore[i].number;
		placement->lm.worker[w].numa_node =
		    request->machine->node[node == MACHINE_NONE ? 0 : node].number;
		placement->lm.worker[w].shares_cpu = lcores->lcore[i].shares_cpu;
		placement->lm.worker_count++;
	}
}

int
placement_plan_few(struct placement *placement, const struct placement_request *request,
                   uint32_t least, uint32_t most, struct lm_errors *errors)
{
	struct placement_request few_request = *request;
	bool is_taken[LM_WORKERS_MAX] = { false };
	struct lcores *few;
	int error;

	/* Without, or without all of, the lcores it names, the error is told of all there are. */
	if (!mark_pinned(request, is_taken)) {
		return placement_plan(placement, request, errors);
	}
	few = calloc(1, sizeof(*few));
	if (few == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < request->lcores->count && count_taken(request, is_taken) < least;
	     i++) {
		is_taken[i] = true;
	}
	few->main = request->lcores->main;
	for (uint32_t i = 0; i < request->lcores->count; i++) {
		if (is_taken[i]) {
			few->lcore[few->count++] = request->lcores->lcore[i];
		}
	}
	few_request.lcores = few;
	error = placement_plan(placement, &few_request, errors);
	if (error == 0) {
		add_spare(placement, request, is_taken, most);
	}
	free(few);
	return error;
}
