/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/guarantee.c: a table of graphs, with what each promises and why. */
#include "mgmt/guarantee.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static const struct lm_op_class source_class = { .name = "source", .rows = LM_ROWS_SOURCE };
static const struct lm_op_class pass_class = { .name = "pass", .rows = LM_ROWS_PASS };
static const struct lm_op_class window_class = { .name = "window", .rows = LM_ROWS_ABSORB };
static const struct lm_op_class split_class = { .name = "split", .rows = LM_ROWS_SPLIT };
static const struct lm_op_class sink_class = { .name = "sink",
	                                       .rows = LM_ROWS_ABSORB,
	                                       .flags = LM_OP_SINK };

/*
 * Operators are "name:K name:K …", K being S a source, R one that replays, P passes rows on, W
 * keeps them, X splits them, L logs them, E a sink, C one that commits, T a sink that passes rows
 * on, too. Wires are "a>b", "a!b" sheds, "a^b" closes a cycle. What is expected is a line for each
 * pair.
 */
struct example {
	const char *operators, *wires;
	const char *expected;
	bool no_folder, no_epochs;
};

static const struct example examples[] = {
	{ .operators = "rows:R out:C",
	  .wires = "rows>out",
	  .expected = "rows out: exactly once: rows replays, out commits\n" },
	{ .operators = "rows:R out:E",
	  .wires = "rows>out",
	  .expected = "rows out: at least once: rows replays, out gives rows out at once: those "
	              "since the last epoch come again\n" },
	{ .operators = "packets:S out:C",
	  .wires = "packets>out",
	  .expected = "packets out: at most once: packets cannot be asked for again: put an "
	              "ingest_log behind it; out commits\n" },
	{ .operators = "packets:S out:E",
	  .wires = "packets>out",
	  .expected = "packets out: may lose and repeat within one epoch: packets cannot be asked "
	              "for again: put an ingest_log behind it; out gives rows out at once: those "
	              "since the last epoch come again\n" },
	/* Through operators that remember: their state is in the epoch. */
	{ .operators = "rows:R win:W top:W out:C",
	  .wires = "rows>win win>top top>out",
	  .expected = "rows out: exactly once: rows replays, out commits\n" },
	/* A log. */
	{ .operators = "packets:S log:L win:W out:C",
	  .wires = "packets>log log>win win>out",
	  .expected =
	      "packets out: exactly once: log logs what comes from packets, out commits\n" },
	{ .operators = "packets:S decode:P log:L out:E",
	  .wires = "packets>decode decode>log log>out",
	  .expected =
	      "packets out: at least once: log logs what comes from packets, out gives rows "
	      "out at once: those since the last epoch come again\n" },
	/* One that comes too late for what was kept before it. */
	{ .operators = "packets:S win:W log:L out:C",
	  .wires = "packets>win win>log log>out",
	  .expected = "packets out: at most once: win keeps rows of packets that are not logged "
	              "yet: put the log before it; out commits\n" },
	{ .operators = "packets:S words:X log:L out:C",
	  .wires = "packets>words words>log log>out",
	  .expected = "packets out: at most once: words keeps rows of packets that are not logged "
	              "yet: put the log before it; out commits\n" },
	/* One that a path goes past. */
	{ .operators = "packets:S log:L out:C",
	  .wires = "packets>log log>out packets>out",
	  .expected =
	      "packets out: at most once: log logs what comes from packets, but a path goes "
	      "past it; out commits\n" },
	/* The path past it leads elsewhere. */
	{ .operators = "packets:S log:L out:C view:E",
	  .wires = "packets>log log>out packets>view",
	  .expected = "packets out: exactly once: log logs what comes from packets, out commits\n"
	              "packets view: may lose and repeat within one epoch: packets cannot be asked "
	              "for again: put an ingest_log behind it; view gives rows out at once: those "
	              "since the last epoch come again\n" },
	/* The weakest of two paths. */
	{ .operators = "rows:R a:P b:P out:C",
	  .wires = "rows>a rows>b a>out b!out",
	  .expected = "rows out: at most once: rows replays, out commits; the wire from b to out "
	              "drops rows when it is full\n" },
	{ .operators = "rows:R a:P out:E other:C",
	  .wires = "rows>a a!out rows>other",
	  .expected =
	      "rows out: may lose and repeat within one epoch: rows replays, out gives rows out at "
	      "once: those since the last epoch come again; the wire from a to out drops rows when "
	      "it is full\n"
	      "rows other: exactly once: rows replays, other commits\n" },
	/* Before a log, too: what is shed was never logged. */
	{ .operators = "packets:S log:L out:C",
	  .wires = "packets!log log>out",
	  .expected =
	      "packets out: at most once: log logs what comes from packets, out commits; the "
	      "wire from packets to log drops rows when it is full\n" },
	/* A cycle. */
	{ .operators = "rows:R a:P b:P out:C",
	  .wires = "rows>a a>b b^a b>out",
	  .expected = "rows out: may lose and repeat within one epoch: rows replays, out commits; "
	              "the wire from b back to a is not waited for when an epoch is cut\n" },
	/* A cycle that is on no path to the other sink. */
	{ .operators = "rows:R a:P b:P out:C other:C",
	  .wires = "rows>a a>b b^a b>out rows>other",
	  .expected = "rows out: may lose and repeat within one epoch: rows replays, out commits; "
	              "the wire from b back to a is not waited for when an epoch is cut\n"
	              "rows other: exactly once: rows replays, other commits\n" },
	/* Two sources, each judged alone; one that is not connected is no pair. */
	{ .operators = "packets:S rows:R join:W out:C alone:C",
	  .wires = "packets>join rows>join join>out rows>alone",
	  .expected = "packets out: at most once: packets cannot be asked for again: put an "
	              "ingest_log behind it; out commits\n"
	              "rows out: exactly once: rows replays, out commits\n"
	              "rows alone: exactly once: rows replays, alone commits\n" },
	/* A sink that passes on. */
	{ .operators = "rows:R tee:T out:C",
	  .wires = "rows>tee tee>out",
	  .expected = "rows tee: at least once: rows replays, tee gives rows out at once: those "
	              "since the last epoch come again\n"
	              "rows out: exactly once: rows replays, out commits\n" },
	/* Nothing to go on from. */
	{ .operators = "rows:R out:C",
	  .wires = "rows>out",
	  .no_folder = true,
	  .expected = "rows out: at most once: no state folder: what is under way at a crash is "
	              "lost, the next run begins anew\n" },
	{ .operators = "rows:R out:C",
	  .wires = "rows>out",
	  .no_epochs = true,
	  .expected = "rows out: at most once: settings.epoch is 0: there are no epochs to go on "
	              "from\n" },
	{ .operators = "", .wires = "", .expected = "" },
};

struct bench {
	struct graph_operator op[16];
	struct graph_wire wire[32];
	struct lm_graph graph;
};

static void
add_operator(struct bench *bench, const char *word)
{
	uint32_t o = bench->graph.operator_count++;
	struct graph_operator *op = &bench->op[o];
	const char *colon = strchr(word, ':');

	op->name = strndup(word, (size_t)(colon - word));
	op->input_count = op->output_count = 1;
	op->class = &pass_class;
	switch (colon[1]) {
	case 'R':
		op->traits = LM_TRAIT_REPLAYS;
		/* fall through */
	case 'S':
		op->class = &source_class;
		op->input_count = 0;
		break;
	case 'L':
		op->traits = LM_TRAIT_LOGS;
		break;
	case 'W':
		op->class = &window_class;
		break;
	case 'X':
		op->class = &split_class;
		break;
	case 'C':
		op->traits = LM_TRAIT_COMMITS;
		/* fall through */
	case 'E':
		op->class = &sink_class;
		op->output_count = 0;
		break;
	case 'T':
		op->class = &sink_class;
		break;
	default:
		assert_int_equal(colon[1], 'P');
	}
}

static uint32_t
find_operator(const struct bench *bench, const char *name, size_t length)
{
	for (uint32_t o = 0; o < bench->graph.operator_count; o++) {
		if (strlen(bench->op[o].name) == length &&
		    memcmp(bench->op[o].name, name, length) == 0) {
			return o;
		}
	}
	fail_msg("no operator %.*s", (int)length, name);
	return 0;
}

static void
add_wire(struct bench *bench, const char *word)
{
	const char *sign = strpbrk(word, ">!^");
	struct graph_wire *wire = &bench->wire[bench->graph.wire_count++];

	wire->from = find_operator(bench, word, (size_t)(sign - word));
	wire->to = find_operator(bench, sign + 1, strlen(sign + 1));
	wire->policy = *sign == '!' ? LM_POLICY_SHED_NEWEST : LM_POLICY_BLOCK;
	wire->feedback = *sign == '^';
}

static void
for_words(struct bench *bench, const char *text, void add(struct bench *, const char *))
{
	char *copy = strdup(text), *rest = NULL;

	for (char *word = strtok_r(copy, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		add(bench, word);
	}
	free(copy);
}

static void
check_example(const struct example *example)
{
	struct bench bench = { .graph = { .settings = { .epoch_ns = SECOND } } };
	struct guarantees found;
	char text[4096] = "";

	bench.graph.op = bench.op;
	bench.graph.wire = bench.wire;
	for_words(&bench, example->operators, add_operator);
	for_words(&bench, example->wires, add_wire);
	bench.graph.settings.epoch_ns = example->no_epochs ? 0 : SECOND;
	assert_int_equal(guarantee_find(&bench.graph, !example->no_folder, &found), 0);
	for (uint32_t i = 0; i < found.count; i++) {
		const struct guarantee *pair = &found.pair[i];
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s %s: %s: %s\n",
		         bench.op[pair->source].name, bench.op[pair->sink].name,
		         guarantee_text(pair->level), pair->why);
	}
	assert_string_equal(text, example->expected);
	guarantees_free(&found);
	for (uint32_t o = 0; o < bench.graph.operator_count; o++) {
		free(bench.op[o].name);
	}
}

static void
test_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		check_example(&examples[i]);
	}
}

/* The longest names there are: the reason is cut, not more. */
static void
test_long_names(void **state)
{
	static char operators[256], wires[256], name[4][32];

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		memset(name[i], 'a' + (int)i, 31);
	}
	snprintf(operators, sizeof(operators), "%s:S %s:P %s:P %s:E", name[0], name[1], name[2],
	         name[3]);
	snprintf(wires, sizeof(wires), "%s!%s %s>%s %s^%s %s>%s", name[0], name[1], name[1],
	         name[2], name[2], name[1], name[2], name[3]);
	{
		struct bench bench = { .graph = { .settings = { .epoch_ns = SECOND } } };
		struct guarantees found;

		bench.graph.op = bench.op;
		bench.graph.wire = bench.wire;
		for_words(&bench, operators, add_operator);
		for_words(&bench, wires, add_wire);
		assert_int_equal(guarantee_find(&bench.graph, true, &found), 0);
		assert_int_equal(found.count, 1);
		assert_int_equal(found.pair[0].level, GUARANTEE_WITHIN_EPOCH);
		assert_true(strlen(found.pair[0].why) < sizeof(found.pair[0].why));
		assert_non_null(
		    strstr(found.pair[0].why, "is not waited for when an epoch is cut"));
		guarantees_free(&found);
		for (uint32_t o = 0; o < bench.graph.operator_count; o++) {
			free(bench.op[o].name);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
