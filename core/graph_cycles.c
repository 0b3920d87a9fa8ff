/* SPDX-License-Identifier: BSD-3-Clause */
/* Cycles, the order of operators, and what no source reaches. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/graph_check.h"

/* The wires that leave each operator: wire[start[op]] to wire[start[op + 1] - 1]. */
struct leaving {
	uint32_t start[LM_OPERATORS_MAX + 1];
	uint32_t wire[LM_WIRES_MAX];
};

/* The way from where a walk began to where it is. */
struct walk {
	enum { WALK_NEW, WALK_OPEN, WALK_DONE } state[LM_OPERATORS_MAX];
	uint32_t next[LM_OPERATORS_MAX]; /* wire to try, of an open operator */
	uint32_t step[LM_OPERATORS_MAX]; /* wires from the first to the last operator of the way */
	uint32_t step_count;
};

/* The wires of a cycle, the one that closes it last. */
struct cycle {
	uint32_t wire[LM_OPERATORS_MAX];
	uint32_t count;
};

static void
sort_leaving(const struct lm_graph *graph, struct leaving *leaving)
{
	uint32_t count = 0;

	for (uint32_t op = 0; op < graph->operator_count; op++) {
		leaving->start[op] = count;
		for (uint32_t i = 0; i < graph->wire_count; i++) {
			if (graph->wire[i].from == op) {
				leaving->wire[count++] = i;
			}
		}
	}
	leaving->start[graph->operator_count] = count;
}

static bool
is_source(const struct graph_operator *op)
{
	return op->class != NULL && op->input_count == 0;
}

/* What sources reach over wires without feedback and without wire `skip` (LM_NONE: with all). */
static void
mark_reached(const struct lm_graph *graph, const struct leaving *leaving, uint32_t skip,
             bool *reached)
{
	uint32_t stack[LM_OPERATORS_MAX], depth = 0;

	for (uint32_t i = 0; i < graph->operator_count; i++) {
		reached[i] = is_source(&graph->op[i]);
		if (reached[i]) {
			stack[depth++] = i;
		}
	}
	while (depth > 0) {
		uint32_t op = stack[--depth];

		for (uint32_t i = leaving->start[op]; i < leaving->start[op + 1]; i++) {
			const struct graph_wire *wire = &graph->wire[leaving->wire[i]];

			if (!wire->feedback && leaving->wire[i] != skip && !reached[wire->to]) {
				reached[wire->to] = true;
				stack[depth++] = wire->to;
			}
		}
	}
}

/* The end of the way that leads from the operator that `closing` goes back to, and `closing`. */
static void
take_cycle(const struct lm_graph *graph, const struct walk *walk, uint32_t closing,
           struct cycle *cycle)
{
	uint32_t begin = walk->step_count;

	while (begin > 0 && graph->wire[walk->step[begin - 1]].from != graph->wire[closing].to) {
		begin--;
	}
	/* A wire from an operator to itself is a cycle without a way. */
	begin = graph->wire[closing].from == graph->wire[closing].to ? walk->step_count : begin - 1;
	cycle->count = walk->step_count - begin;
	memcpy(cycle->wire, &walk->step[begin], cycle->count * sizeof(cycle->wire[0]));
	cycle->wire[cycle->count++] = closing;
}

/* Walks depth first from `op`; true when a cycle was found. */
static bool
walk_from(const struct lm_graph *graph, const struct leaving *leaving, struct walk *walk,
          uint32_t op, struct cycle *cycle)
{
	walk->state[op] = WALK_OPEN;
	walk->next[op] = leaving->start[op];
	walk->step_count = 0;
	for (;;) {
		if (walk->next[op] == leaving->start[op + 1]) {
			walk->state[op] = WALK_DONE;
			if (walk->step_count == 0) {
				return false;
			}
			op = graph->wire[walk->step[--walk->step_count]].from;
			continue;
		}
		uint32_t index = leaving->wire[walk->next[op]++];
		const struct graph_wire *wire = &graph->wire[index];
		if (wire->feedback || walk->state[wire->to] == WALK_DONE) {
			continue;
		}
		if (walk->state[wire->to] == WALK_OPEN) {
			take_cycle(graph, walk, index, cycle);
			return true;
		}
		walk->step[walk->step_count++] = index;
		op = wire->to;
		walk->state[op] = WALK_OPEN;
		walk->next[op] = leaving->start[op];
	}
}

/* From sources first, so that the wire that closes a cycle is one that leads back. */
static bool
find_cycle(const struct lm_graph *graph, const struct leaving *leaving, struct cycle *cycle)
{
	struct walk walk = { .step_count = 0 };

	for (uint32_t pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < graph->operator_count; i++) {
			bool begin = pass == 1 || is_source(&graph->op[i]);

			if (begin && walk.state[i] == WALK_NEW &&
			    walk_from(graph, leaving, &walk, i, cycle)) {
				return true;
			}
		}
	}
	return false;
}

static bool
may_lose(const struct graph_wire *wire)
{
	return wire->policy == LM_POLICY_SHED_NEWEST || wire->policy == LM_POLICY_SHED_OLDEST;
}

/* The wire to leave out: one that may lose rows, and without which a source still leads there. */
static uint32_t
choose_feedback(const struct lm_graph *graph, const struct leaving *leaving,
                const struct cycle *cycle)
{
	bool with[LM_OPERATORS_MAX], without[LM_OPERATORS_MAX];

	mark_reached(graph, leaving, LM_NONE, with);
	for (uint32_t i = cycle->count; i > 0; i--) {
		uint32_t index = cycle->wire[i - 1], to = graph->wire[index].to;

		if (!may_lose(&graph->wire[index])) {
			continue;
		}
		mark_reached(graph, leaving, index, without);
		if (without[to] || !with[to]) {
			return index;
		}
	}
	return LM_NONE;
}

static void
report_cycle(struct graph_check *check, const struct cycle *cycle)
{
	const struct lm_graph *graph = check->graph;
	const struct graph_wire *closing = &graph->wire[cycle->wire[cycle->count - 1]];
	char path[200], hint[200];
	size_t used;

	used = (size_t)snprintf(path, sizeof(path), "%s", graph->op[closing->to].name);
	for (uint32_t i = 0; i < cycle->count && used < sizeof(path); i++) {
		used += (size_t)snprintf(path + used, sizeof(path) - used, " -> %s",
		                         graph->op[graph->wire[cycle->wire[i]].to].name);
	}
	snprintf(hint, sizeof(hint),
	         "let the wire that leads back lose rows rather than wait: "
	         "{from: %s, policy: shed newest}",
	         graph->op[closing->from].name);
	lm_errors_add(check->errors, closing->place, hint,
	              "operators.%s: a cycle whose wires all wait would stand still: %s",
	              graph->op[closing->to].name, path);
	check->op[closing->to].blocked = true;
}

void
check_cycles(struct graph_check *check)
{
	struct lm_graph *graph = check->graph;
	struct leaving leaving;
	struct cycle cycle;

	sort_leaving(graph, &leaving);
	while (find_cycle(graph, &leaving, &cycle)) {
		uint32_t feedback = choose_feedback(graph, &leaving, &cycle);

		if (feedback == LM_NONE) {
			report_cycle(check, &cycle);
			feedback = cycle.wire[cycle.count - 1]; /* to go on with */
		}
		graph->wire[feedback].feedback = true;
	}
}

void
check_order(struct graph_check *check)
{
	struct lm_graph *graph = check->graph;
	uint32_t waits[LM_OPERATORS_MAX] = { 0 };
	bool placed[LM_OPERATORS_MAX] = { false };

	for (uint32_t i = 0; i < graph->wire_count; i++) {
		waits[graph->wire[i].to] += !graph->wire[i].feedback;
	}
	for (uint32_t count = 0; count < graph->operator_count; count++) {
		uint32_t op = 0;

		while (placed[op] || waits[op] > 0) {
			op++;
			assert(op < graph->operator_count); /* there is no cycle any more */
		}
		placed[op] = true;
		graph->order[count] = op;
		for (uint32_t i = 0; i < graph->wire_count; i++) {
			const struct graph_wire *wire = &graph->wire[i];

			waits[wire->to] -= wire->from == op && !wire->feedback;
		}
	}
}

void
check_reach(struct graph_check *check)
{
	const struct lm_graph *graph = check->graph;
	bool reached[LM_OPERATORS_MAX];
	struct leaving leaving;

	/* With a faulty operator or wire it cannot be told. */
	for (uint32_t i = 0; i < graph->operator_count; i++) {
		if (graph->op[i].class == NULL || check->op[i].blocked) {
			return;
		}
	}
	sort_leaving(graph, &leaving);
	mark_reached(graph, &leaving, LM_NONE, reached);
	for (uint32_t i = 0; i < graph->operator_count; i++) {
		if (!reached[i]) {
			lm_errors_add(check->errors, graph->op[i].place,
			              "feed it, or one before it, from a source",
			              "operators.%s: no source leads to it", graph->op[i].name);
			check->op[i].blocked = true;
		}
	}
}
