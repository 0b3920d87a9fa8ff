/* SPDX-License-Identifier: BSD-3-Clause */
/* Rebalancing by slot: for a while it is looked at which slots rows are of, then slots are dealt.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/carry_struct.h"
#include "mgmt/slots.h"

/* So long. */
#define LOOK_NS 500000000

void
deal_free(struct carry_deal *deal)
{
	free(deal->rows);
	free(deal->before);
	free(deal->slice_of);
	*deal = (struct carry_deal){ 0 };
}

/* False after saying why not. */
static bool
may_deal(const struct carry *carry, uint32_t op, struct manager_report *report)
{
	const struct lm_engine *engine = carry->engine;
	const struct graph_operator *o = &engine->graph->op[op];
	const char *why;

	if (engine->table[op] == NULL) {
		carry_fail(report, "%s has no slots: its rows do not come by key", o->name);
	} else if (o->slices == 1) {
		carry_fail(report, "%s has one slice, with all slots", o->name);
	} else if (!op_can_rescale(o->class, &why)) {
		carry_fail(report, "%s: it %s", o->name, why);
	}
	return !report->has_failed;
}

bool
deal_begin(struct carry *carry, struct manager_report *report)
{
	struct carry_deal *deal = &carry->change.deal;
	const struct lm_engine *engine = carry->engine;
	size_t slots;

	if (!carry_find_operator(carry, &deal->op, report) || !may_deal(carry, deal->op, report)) {
		return true;
	}
	slots = engine->graph->op[deal->op].slots;
	deal->rows = calloc(slots, sizeof(*deal->rows));
	deal->before = calloc(slots, sizeof(*deal->before));
	deal->slice_of = calloc(slots, sizeof(*deal->slice_of));
	if (deal->rows == NULL || deal->before == NULL || deal->slice_of == NULL) {
		deal_free(deal);
		return carry_fail(report, "no memory for a plan");
	}
	deal->generation = engine->generation;
	deal->until_ns = env_now_ns() + LOOK_NS;
	(void)engine_slot_rows(engine, deal->op, deal->before);
	return false;
}

enum deal_state
deal_look(struct carry *carry, struct manager_report *report)
{
	struct carry_deal *deal = &carry->change.deal;
	const struct lm_engine *engine = carry->engine;
	const struct graph_operator *o = &engine->graph->op[deal->op];
	struct slots_levelled levelled;

	if (env_now_ns() < deal->until_ns) {
		return DEAL_LOOKS;
	}
	if (engine->generation != deal->generation) {
		carry_fail(report, "the graph has changed meanwhile: ask again");
		return DEAL_OVER;
	}
	(void)engine_slot_rows(engine, deal->op, deal->rows);
	for (uint32_t s = 0; s < o->slots; s++) {
		deal->rows[s] -= deal->before[s];
	}
	memcpy(deal->slice_of, engine->table[deal->op]->slice_of,
	       o->slots * sizeof(*deal->slice_of));
	slots_level(deal->rows, o->slots, o->slices, deal->slice_of, &levelled);
	slots_describe(&levelled, report->reason, sizeof(report->reason));
	snprintf(carry->change.what, sizeof(carry->change.what), "%s: %.400s", o->name,
	         report->reason);
	return levelled.moved == 0 || carry->action.args.is_dry ? DEAL_OVER : DEAL_PLANNED;
}

uint64_t
deal_ask(struct carry *carry, struct lm_errors *errors, struct manager_report *report)
{
	struct carry_deal *deal = &carry->change.deal;

	if (carry->engine->generation != deal->generation) {
		carry_fail(report, "the graph has changed meanwhile: ask again");
		return 0;
	}
	return engine_deal(carry->engine, deal->op, deal->slice_of, errors);
}
