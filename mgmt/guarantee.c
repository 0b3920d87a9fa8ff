/* SPDX-License-Identifier: BSD-3-Clause */
/* What may happen to a row over crashes, for each source and sink that are connected. */
#include "mgmt/guarantee.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
guarantee_text(enum guarantee_level level)
{
	static const char *const texts[GUARANTEE_LEVELS] = {
		[GUARANTEE_EXACTLY_ONCE] = "exactly once",
		[GUARANTEE_AT_LEAST_ONCE] = "at least once",
		[GUARANTEE_AT_MOST_ONCE] = "at most once",
		[GUARANTEE_WITHIN_EPOCH] = "may lose and repeat within one epoch",
	};

	assert(level < GUARANTEE_LEVELS);
	return texts[level];
}

static bool
is_source(const struct graph_operator *op)
{
	return op->input_count == 0;
}

static bool
is_sink(const struct graph_operator *op)
{
	return op->input_count > 0 &&
	       (op->output_count == 0 || (op->class->flags & LM_OP_SINK) != 0);
}

/* Whether rows out are made from what it has kept of rows in, rather than passed on. */
static bool
keeps_rows(const struct graph_operator *op)
{
	return op->class->rows == LM_ROWS_ABSORB || op->class->rows == LM_ROWS_SPLIT;
}

/* What is reached over wires from `start` on, or backwards; with `start`. */
static void
mark_reached(const struct lm_graph *graph, uint32_t start, bool backwards, bool *reached)
{
	bool grown = true;

	memset(reached, 0, LM_OPERATORS_MAX * sizeof(reached[0]));
	reached[start] = true;
	while (grown) {
		grown = false;
		for (uint32_t w = 0; w < graph->wire_count; w++) {
			uint32_t from = graph->wire[w].from, to = graph->wire[w].to;

			if (backwards) {
				uint32_t swap = from;

				from = to;
				to = swap;
			}
			if (reached[from] && !reached[to]) {
				reached[to] = true;
				grown = true;
			}
		}
	}
}

/* A pair while it is judged. */
struct pair {
	const struct lm_graph *graph;
	uint32_t source, sink;
	bool down[LM_OPERATORS_MAX]; /* reached from the source */
	bool up[LM_OPERATORS_MAX];   /* reaches the sink */

	/* Found; LM_NONE: nothing of that kind. */
	uint32_t log;      /* on some path */
	uint32_t bare;     /* the sink, if a path leads to it without a log */
	uint32_t keeper;   /* keeps rows that no log has seen, on a path to the sink */
	uint32_t shedding; /* wire */
	uint32_t feedback; /* wire */
};

static bool
is_between(const struct pair *pair, uint32_t op)
{
	return pair->down[op] && pair->up[op];
}

static bool
has_trait(const struct pair *pair, uint32_t op, enum lm_trait trait)
{
	return (pair->graph->op[op].traits & (uint32_t)trait) != 0;
}

/*
 * Walks from the source through whatever only passes rows on, up to logs and to what keeps rows.
 * Rows that are logged in time meet nothing but the former.
 */
static void
find_logs(struct pair *pair)
{
	const struct lm_graph *graph = pair->graph;
	bool open[LM_OPERATORS_MAX] = { false };
	bool grown = true;

	for (uint32_t o = graph->operator_count; o-- > 0;) {
		if (is_between(pair, o) && has_trait(pair, o, LM_TRAIT_LOGS)) {
			pair->log = o;
		}
	}
	open[pair->source] = true;
	while (grown) {
		grown = false;
		for (uint32_t w = 0; w < graph->wire_count; w++) {
			uint32_t to = graph->wire[w].to;

			if (!open[graph->wire[w].from] || open[to] || !is_between(pair, to) ||
			    has_trait(pair, to, LM_TRAIT_LOGS)) {
				continue;
			}
			if (to == pair->sink) {
				pair->bare = to;
			} else if (keeps_rows(&graph->op[to])) {
				pair->keeper = to;
			} else {
				open[to] = true;
				grown = true;
			}
		}
	}
}

static void
find_wires(struct pair *pair)
{
	for (uint32_t w = pair->graph->wire_count; w-- > 0;) {
		const struct graph_wire *wire = &pair->graph->wire[w];

		if (!is_between(pair, wire->from) || !is_between(pair, wire->to)) {
			continue;
		}
		if (wire->policy == LM_POLICY_SHED_NEWEST ||
		    wire->policy == LM_POLICY_SHED_OLDEST) {
			pair->shedding = w;
		}
		if (wire->feedback) {
			pair->feedback = w;
		}
	}
}

/* A clause more, behind what stands there already. */
static void __attribute__((format(printf, 3, 4)))
say(struct guarantee *out, const char *between, const char *format, ...)
{
	size_t used = strlen(out->why);
	va_list args;

	if (used > 0) {
		used += (size_t)snprintf(out->why + used, sizeof(out->why) - used, "%s", between);
	}
	if (used >= sizeof(out->why)) {
		return;
	}
	va_start(args, format);
	vsnprintf(out->why + used, sizeof(out->why) - used, format, args);
	va_end(args);
}

/* Whether what the source gave can be given again, and why. */
static bool
say_replay(const struct pair *pair, struct guarantee *out)
{
	const struct graph_operator *op = pair->graph->op;
	const char *source = op[pair->source].name;

	if (has_trait(pair, pair->source, LM_TRAIT_REPLAYS)) {
		say(out, "", "%s replays", source);
		return true;
	}
	if (pair->log == LM_NONE) {
		say(out, "", "%s cannot be asked for again: put an ingest_log behind it", source);
		return false;
	}
	if (pair->keeper != LM_NONE) {
		say(out, "", "%s keeps rows of %s that are not logged yet: put the log before it",
		    op[pair->keeper].name, source);
		return false;
	}
	if (pair->bare != LM_NONE) {
		say(out, "", "%s logs what comes from %s, but a path goes past it",
		    op[pair->log].name, source);
		return false;
	}
	say(out, "", "%s logs what comes from %s", op[pair->log].name, source);
	return true;
}

static bool
say_commit(const struct pair *pair, struct guarantee *out, const char *between)
{
	const char *sink = pair->graph->op[pair->sink].name;

	if (has_trait(pair, pair->sink, LM_TRAIT_COMMITS)) {
		say(out, between, "%s commits", sink);
		return true;
	}
	say(out, between, "%s gives rows out at once: those since the last epoch come again", sink);
	return false;
}

static void
say_wires(const struct pair *pair, struct guarantee *out)
{
	const struct lm_graph *graph = pair->graph;
	const struct graph_wire *wire;

	if (pair->shedding != LM_NONE) {
		wire = &graph->wire[pair->shedding];
		say(out, "; ", "the wire from %s to %s drops rows when it is full",
		    graph->op[wire->from].name, graph->op[wire->to].name);
	}
	if (pair->feedback != LM_NONE) {
		wire = &graph->wire[pair->feedback];
		say(out, "; ", "the wire from %s back to %s is not waited for when an epoch is cut",
		    graph->op[wire->from].name, graph->op[wire->to].name);
	}
}

static enum guarantee_level
level_of(bool loses, bool repeats)
{
	if (loses) {
		return repeats ? GUARANTEE_WITHIN_EPOCH : GUARANTEE_AT_MOST_ONCE;
	}
	return repeats ? GUARANTEE_AT_LEAST_ONCE : GUARANTEE_EXACTLY_ONCE;
}

static void
judge(struct pair *pair, struct guarantee *out)
{
	bool replays, commits;

	pair->log = pair->bare = pair->keeper = pair->shedding = pair->feedback = LM_NONE;
	find_logs(pair);
	find_wires(pair);
	replays = say_replay(pair, out);
	commits = say_commit(pair, out, replays ? ", " : "; ");
	say_wires(pair, out);
	out->level = level_of(!replays || pair->shedding != LM_NONE || pair->feedback != LM_NONE,
	                      !commits || pair->feedback != LM_NONE);
}

/* Without epochs on disk nothing is gone on from. */
static void
judge_without_state(bool has_folder, struct guarantee *out)
{
	out->level = GUARANTEE_AT_MOST_ONCE;
	if (has_folder) {
		say(out, "", "settings.epoch is 0: there are no epochs to go on from");
	} else {
		say(out, "",
		    "no state folder: what is under way at a crash is lost, the next run "
		    "begins anew");
	}
}

static int
add_pair(struct guarantees *guarantees, uint32_t source, uint32_t sink)
{
	struct guarantee *grown =
	    reallocarray(guarantees->pair, guarantees->count + 1ul, sizeof(guarantees->pair[0]));

	if (grown == NULL) {
		return -ENOMEM;
	}
	guarantees->pair = grown;
	grown[guarantees->count++] = (struct guarantee){ .source = source, .sink = sink };
	return 0;
}

/* All sinks that a source reaches. */
static int
judge_source(struct pair *pair, bool has_folder, struct guarantees *guarantees)
{
	const struct lm_graph *graph = pair->graph;
	bool durable = has_folder && graph->settings.epoch_ns > 0;

	mark_reached(graph, pair->source, false, pair->down);
	for (uint32_t o = 0; o < graph->operator_count; o++) {
		struct guarantee *out;

		if (!is_sink(&graph->op[o]) || !pair->down[o]) {
			continue;
		}
		if (add_pair(guarantees, pair->source, o) != 0) {
			return -ENOMEM;
		}
		out = &guarantees->pair[guarantees->count - 1];
		pair->sink = o;
		mark_reached(graph, o, true, pair->up);
		if (durable) {
			judge(pair, out);
		} else {
			judge_without_state(has_folder, out);
		}
	}
	return 0;
}

int
guarantee_find(const struct lm_graph *graph, bool has_folder, struct guarantees *guarantees)
{
	struct pair pair = { .graph = graph };
	int result = 0;

	*guarantees = (struct guarantees){ 0 };
	assert(graph->operator_count <= LM_OPERATORS_MAX);
	for (uint32_t o = 0; result == 0 && o < graph->operator_count; o++) {
		if (is_source(&graph->op[o])) {
			pair.source = o;
			result = judge_source(&pair, has_folder, guarantees);
		}
	}
	if (result != 0) {
		guarantees_free(guarantees);
	}
	return result;
}

void
guarantees_free(struct guarantees *guarantees)
{
	free(guarantees->pair);
	*guarantees = (struct guarantees){ 0 };
}
