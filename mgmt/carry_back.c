/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices go back to where they were moved before the job was started again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/graph.h"
#include "mgmt/carry_struct.h"

int
carry_back(struct carry *carry, const struct kept_place *place, uint32_t count)
{
	carry->back = calloc(count + 1, sizeof(*place));
	if (carry->back == NULL) {
		return -ENOMEM;
	}
	if (count > 0) {
		memcpy(carry->back, place, count * sizeof(*place));
	}
	carry->back_count = count;
	carry->back_at = 0;
	return 0;
}

/* LM_NONE: there is no such slice. */
static uint32_t
find_slice(const struct lm_engine *engine, const struct kept_place *place)
{
	for (uint32_t i = 0; i < engine->graph->operator_count; i++) {
		const struct graph_operator *op = &engine->graph->op[i];

		if (strcmp(op->name, place->op) == 0 && place->slice < op->slices) {
			return op->first_slice + place->slice;
		}
	}
	return LM_NONE;
}

static uint32_t
find_worker(const struct lm_engine *engine, uint32_t lcore)
{
	for (uint32_t i = 0; i < engine->worker_count; i++) {
		if (engine->worker[i]->lcore == lcore) {
			return i;
		}
	}
	return LM_NONE;
}

/* The move of a slice that has to go; 0: it is there, or cannot. */
static uint64_t
send(struct carry *carry, const struct kept_place *place)
{
	uint32_t slice = find_slice(carry->engine, place);
	uint32_t worker = find_worker(carry->engine, place->lcore);

	if (slice == LM_NONE || worker == LM_NONE) {
		env_log(4, "%s/%u was moved to lcore %u: %s, so it stays where it is placed",
		        place->op, place->slice, place->lcore,
		        slice == LM_NONE ? "there is no such slice any more"
		                         : "that is none of this job's");
		return 0;
	}
	if (lm_engine_slice_worker(carry->engine, slice) == worker) {
		return 0;
	}
	return engine_migrate(carry->engine, slice, worker);
}

void
back_step(struct carry *carry)
{
	struct move move;

	if (carry->back_move != 0) {
		if (!engine_collect_move(carry->engine, carry->back_move, &move)) {
			return;
		}
		carry->back_move = 0;
	}
	/* A change waits until no slice moves; an action may move the same slice elsewhere. */
	if (carry->action.id != 0 || carry->change.holds || carry->engine->change != NULL) {
		return;
	}
	while (carry->back_move == 0 && carry->back_at < carry->back_count) {
		carry->back_move = send(carry, &carry->back[carry->back_at++]);
	}
}

void
back_end(struct carry *carry)
{
	free(carry->back);
	carry->back = NULL;
	carry->back_count = carry->back_at = 0;
}
