/* SPDX-License-Identifier: BSD-3-Clause */
/* What is to be watched while another topology, or a canary of it, soaks. */
#include <stdlib.h>

#include "core/env.h"
#include "mgmt/carry_struct.h"

/* Whoever gets rows of those that are watched is watched as well. */
static void
watch_behind(struct soak *soak, const struct lm_graph *graph)
{
	bool has_grown = true;

	while (has_grown) {
		has_grown = false;
		for (uint32_t w = 0; w < graph->wire_count; w++) {
			const struct graph_wire *wire = &graph->wire[w];

			if (soak->op[wire->from].is_watched && !soak->op[wire->to].is_watched) {
				soak->op[wire->to].is_watched = has_grown = true;
			}
		}
	}
}

static void
watch_others(struct soak *soak, const struct lm_graph *trial, const struct change_diff *diff)
{
	for (uint32_t i = 0; i < diff->count; i++) {
		const struct change_item *item = &diff->item[i];
		struct soak_op *op;

		if (item->kind == CHANGE_REPLACED ||
		    (item->kind == CHANGE_ADDED && trial == NULL)) {
			op = &soak->op[trial != NULL ? item->was : item->is];
			op->is_other = op->is_watched = true;
			op->drops = trial != NULL ? trial->op[item->is].class->drops : op->drops;
		}
	}
}

struct soak *
watch_plan(const struct lm_graph *graph, const struct lm_graph *trial,
           const struct change_diff *diff)
{
	struct soak *soak = calloc(1, sizeof(*soak));

	if (soak == NULL) {
		return NULL;
	}
	soak->count = graph->operator_count;
	soak->op = calloc(graph->operator_count + 1, sizeof(*soak->op));
	if (soak->op == NULL) {
		free(soak);
		return NULL;
	}
	for (uint32_t i = 0; i < graph->operator_count; i++) {
		soak->op[i].name = graph->op[i].name;
		soak->op[i].drops = graph->op[i].class->drops;
	}
	watch_others(soak, trial, diff);
	watch_behind(soak, graph);
	return soak;
}

void
watch_free(struct soak **soak)
{
	if (*soak != NULL) {
		free((*soak)->op);
	}
	free(*soak);
	*soak = NULL;
}

struct soak_count *
watch_read(const struct carry *carry)
{
	uint32_t count = carry->engine->graph->operator_count;
	struct soak_count *now = calloc(count + 1, sizeof(*now));

	for (uint32_t i = 0; now != NULL && i < count; i++) {
		soak_read(carry->engine, i, &now[i]);
	}
	return now;
}

bool
watch_begin(struct carry *carry, enum carry_stage stage, struct soak *soak)
{
	struct carry_change *change = &carry->change;
	struct soak_count *now = soak == NULL || change->is_left ? NULL : watch_read(carry);

	if (now == NULL) {
		return false;
	}
	change->stage = stage;
	soak_begin(soak, change->soak_ns, env_now_ns(), now);
	free(now);
	return true;
}
