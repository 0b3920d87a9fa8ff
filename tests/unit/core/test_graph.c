/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of core/graph.c and its parts: what a check makes of a topology, and all it can find wrong.
 */
#include "core/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/core/small_classes.h"

#include "core/topology.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A topology under way. Each thing declared gets a line of its own, from 1. */
struct fixture {
	struct lm_topology *topology;
	struct lm_graph *graph;
	struct lm_errors errors;
	uint32_t line;
};

static void
begin(struct fixture *f)
{
	*f = (struct fixture){ .topology = lm_topology_create("test") };
	small_configured = small_configures = 0;
}

static void
next_line(struct fixture *f)
{
	lm_topology_place(f->topology, (struct lm_place){ ++f->line, 1, 1 });
}

static void
add_op(struct fixture *f, const char *name, const char *type)
{
	next_line(f);
	assert_int_equal(lm_topology_operator(f->topology, name, type), 0);
}

static void
wire(struct fixture *f, const struct lm_wire *wire)
{
	next_line(f);
	assert_int_equal(lm_topology_wire(f->topology, wire), 0);
}

static void
link(struct fixture *f, const char *from, const char *to)
{
	wire(f, &(struct lm_wire){ .from = from, .to = to });
}

static void
check(struct fixture *f)
{
	f->graph = lm_graph_check(f->topology, &f->errors);
}

static void
end(struct fixture *f)
{
	lm_graph_free(f->graph);
	lm_topology_free(f->topology);
	lm_errors_free(&f->errors);
	assert_int_equal(small_configured, 0); /* all that was configured was unconfigured */
}

/* Ends with these errors and no others: "LINE message | hint". */
static void
expect(struct fixture *f, const char *const *lines, size_t count)
{
	char text[600];
	bool same;

	check(f);
	assert_null(f->graph);
	same = f->errors.count == count;
	for (size_t i = 0; i < f->errors.count; i++) {
		const struct lm_error *error = &f->errors.error[i];

		snprintf(text, sizeof(text), "%u %s | %s", error->place.line, error->message,
		         error->hint);
		if (i >= count || strcmp(text, lines[i]) != 0) {
			print_message("found    %s\nexpected %s\n", text,
			              i < count ? lines[i] : "(nothing)");
			same = false;
		}
	}
	if (!same) {
		fail_msg("%u errors, %zu expected", f->errors.count, count);
	}
	end(f);
}

#define EXPECT(f, ...)                                                                             \
	do {                                                                                       \
		static const char *const lines[] = { __VA_ARGS__ };                                \
		expect(f, lines, COUNT(lines));                                                    \
	} while (0)

static void
test_sound(void **state)
{
	struct fixture f;
	const struct graph_operator *op;

	(void)state;
	begin(&f);
	/* Declared out of order on purpose. */
	add_op(&f, "out", "print");
	add_op(&f, "sum", "window_aggregate");
	lm_topology_param(f.topology, "sum", "window", "tumbling 1s");
	lm_topology_param(f.topology, "sum", "sum", "bytes");
	lm_topology_slices(f.topology, "sum", 4);
	lm_topology_pin(f.topology, "sum", (uint32_t[]){ 2, 3 }, 2);
	add_op(&f, "in", "source");
	lm_topology_slices(f.topology, "in", 2);
	wire(&f, &(struct lm_wire){ .from = "in",
	                            .to = "sum",
	                            .grouping = LM_GROUP_KEY,
	                            .columns = { "dst", "src" },
	                            .credit = 8 });
	wire(&f, &(struct lm_wire){
		     .from = "sum", .to = "out", .policy = LM_POLICY_THROTTLE, .rate = 1000 });
	check(&f);
	assert_int_equal(f.errors.count, 0);
	assert_non_null(f.graph);
	assert_string_equal(f.graph->name, "test");
	assert_int_equal(f.graph->operator_count, 3);
	assert_int_equal(f.graph->slice_count, 7);
	op = f.graph->op;
	assert_int_equal(op[0].first_slice, 0);
	assert_int_equal(op[1].first_slice, 1);
	assert_int_equal(op[2].first_slice, 5);
	assert_int_equal(op[1].pin_count, 2);
	assert_int_equal(op[1].pin[1], 3);
	assert_int_equal(graph_operator_of(f.graph, 0), 0);
	assert_int_equal(graph_operator_of(f.graph, 1), 1);
	assert_int_equal(graph_operator_of(f.graph, 4), 1);
	assert_int_equal(graph_operator_of(f.graph, 5), 2);
	assert_int_equal(graph_operator_of(f.graph, 6), 2);
	assert_int_equal(f.graph->order[0], 2);
	assert_int_equal(f.graph->order[1], 1);
	assert_int_equal(f.graph->order[2], 0);
	assert_ptr_equal(op[1].input[0], op[2].output[0]);
	assert_string_equal(op[1].output[0]->field[1].name, "bytes");
	assert_int_equal(f.graph->wire[0].field_count, 2);
	assert_int_equal(f.graph->wire[0].field[0], 2);
	assert_int_equal(f.graph->wire[0].field[1], 1);
	assert_int_equal(f.graph->wire[0].credit, 8);
	assert_int_equal(f.graph->wire[1].credit, 64);
	assert_int_equal(f.graph->wire[1].rate, 1000);
	assert_int_equal(f.graph->wire[1].grouping, LM_GROUP_FORWARD); /* to a single one */
	assert_int_equal(small_configures, 2);
	/* The texts of parameters outlive the topology. */
	lm_topology_free(f.topology);
	f.topology = NULL;
	end(&f);
}

static void
test_default_grouping(void **state)
{
	static const struct {
		uint32_t from, to;
		enum lm_grouping grouping;
	} cases[] = {
		{ 1, 1, LM_GROUP_FORWARD }, { 3, 3, LM_GROUP_FORWARD }, { 3, 1, LM_GROUP_FORWARD },
		{ 1, 3, LM_GROUP_LOCAL },   { 2, 3, LM_GROUP_LOCAL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture f;

		begin(&f);
		add_op(&f, "in", "source");
		add_op(&f, "out", "print");
		lm_topology_slices(f.topology, "in", cases[i].from);
		lm_topology_slices(f.topology, "out", cases[i].to);
		link(&f, "in", "out");
		check(&f);
		assert_non_null(f.graph);
		assert_int_equal(f.graph->wire[0].grouping, cases[i].grouping);
		end(&f);
	}
}

static void
test_operators(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	EXPECT(&f, "0 operators: there are none | declare a source, what works on its rows, and a "
	           "sink");
	begin(&f);
	add_op(&f, "in", "sorce");
	add_op(&f, "a.b", "pass");
	link(&f, "in", "a.b");
	add_op(&f, "out", "blah");
	link(&f, "a.b", "out");
	EXPECT(&f, "1 operators.in.type: no operator type \"sorce\" | did you mean \"source\"?",
	       "2 operators: \"a.b\" cannot be the name of an operator | use letters, digits, _ "
	       "and -, a letter first, at most 31",
	       "4 operators.out.type: no operator type \"blah\" | types: filter, join, "
	       "packet_decode, pass, port_source, print, source, split, top, window_aggregate");
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "top", "top");
	lm_topology_param(f.topology, "top", "by", "bytes");
	next_line(&f);
	lm_topology_slices(f.topology, "top", 4);
	next_line(&f);
	lm_topology_pin(f.topology, "in", (uint32_t[]){ 1, 128 }, 2);
	link(&f, "in", "top");
	EXPECT(&f,
	       "3 operators.top.slices: type \"top\" is always one slice, not 4 | leave slices "
	       "out; what feeds it may have several",
	       "4 operators.in.lcores: 128 is above 127, the last there can be | lcores are "
	       "counted from 0",
	       "4 operators.in.lcores: 2 lcores for 1 slice | name fewer lcores or ask for more "
	       "slices");
}

static void
test_settings(void **state)
{
	struct lm_settings *settings;
	struct fixture f;

	(void)state;
	begin(&f);
	add_op(&f, "in", "source");
	settings = lm_topology_settings(f.topology);
	settings->batch_rows = 1025;
	settings->credit = 48;
	settings->slots = 32;
	settings->idle = 4;
	EXPECT(&f, "0 settings.batch_rows: 1025 is not 1 to 1024 | ",
	       "0 settings.credit: 48 is not a power of two from 2 to 4096 | ",
	       "0 settings.slots: 32 is not a power of two from 64 to 65536 | ",
	       "0 settings.idle: there is no idle policy 4 | ");
	*(&f) = (struct fixture){ .topology = lm_topology_create("a b") };
	add_op(&f, "in", "source");
	EXPECT(&f, "0 name: \"a b\" cannot be the name of a topology | use letters, digits, _, - "
	           "and ., at most 63");
}

static void
test_ends(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "split", "split");
	add_op(&f, "out", "print");
	add_op(&f, "join", "join");
	link(&f, "inn", "split");
	link(&f, "out", "split");
	link(&f, "split", "in");
	wire(&f, &(struct lm_wire){ .from = "split", .output = "lat", .to = "out" });
	wire(&f, &(struct lm_wire){ .from = "split", .to = "join", .input = "lefty" });
	link(&f, "in", "nowhere");
	EXPECT(&f, "5 operators.split.input: no operator \"inn\" | did you mean \"in\"?",
	       "6 operators.split.input: operator \"out\" of type \"print\" has no output | take "
	       "the rows from the operator before it",
	       "7 operators.in.input: operator \"in\" of type \"source\" has no input | leave its "
	       "input out, or choose another type",
	       "8 operators.out.input: operator \"split\" of type \"split\" has no output \"lat\" "
	       "| did you mean \"late\"?",
	       "9 operators.join.inputs.lefty: operator \"join\" of type \"join\" has no input "
	       "\"lefty\" | did you mean \"left\"?",
	       "10 operators.nowhere.input: no operator \"nowhere\" | operators: in, split, out, "
	       "join");
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "join", "join");
	wire(&f, &(struct lm_wire){ .from = "in", .to = "join", .input = "left" });
	EXPECT(&f,
	       "2 operators.join: nothing feeds input \"right\" of type \"join\" | write inputs: "
	       "{left: OPERATOR, right: OPERATOR}");
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "out", "print");
	EXPECT(&f, "2 operators.out: nothing feeds input \"in\" of type \"print\" | write input: "
	           "OPERATOR");
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "out", "print");
	link(&f, "in", "out");
	link(&f, "in", "out");
	EXPECT(&f, "4 operators.out.input: \"in\" feeds it twice, so every row would come twice | "
	           "keep one of them");
}

static void
test_policies(void **state)
{
	static const struct {
		struct lm_wire wire;
		const char *expected;
	} cases[] = {
		{ { .credit = 3 },
		  "3 operators.out.input: credit 3 is not a power of two from 2 to "
		  "4096 | write a power of two, like 64" },
		{ { .credit = 1 },
		  "3 operators.out.input: credit 1 is not a power of two from 2 to "
		  "4096 | write a power of two, like 64" },
		{ { .credit = 8192 },
		  "3 operators.out.input: credit 8192 is not a power of two from "
		  "2 to 4096 | write a power of two, like 64" },
		{ { .policy = LM_POLICY_THROTTLE },
		  "3 operators.out.input: policy throttle needs a rate | write rate: 100k" },
		{ { .rate = 5 },
		  "3 operators.out.input: a rate means nothing without policy "
		  "throttle | write policy: throttle beside it" },
		{ { .policy = LM_POLICY_COUNT }, "3 operators.out.input: there is no policy 4 | " },
		{ { .grouping = LM_GROUPING_COUNT },
		  "3 operators.out.input: there is no grouping 10 | " },
		{ { .grouping = LM_GROUP_KEY },
		  "3 operators.out.input: grouping \"by\" needs a "
		  "column | name it behind \"by\"" },
		{ { .grouping = LM_GROUP_DIRECT, .columns = { "proto", "bytes" } },
		  "3 operators.out.input: grouping \"direct by\" takes one column | keep one" },
		{ { .grouping = LM_GROUP_ALL, .columns = { "proto" } },
		  "3 operators.out.input: grouping \"to all\" takes no columns | leave them out, "
		  "or "
		  "group \"by\" them" },
		{ { .grouping = LM_GROUP_DIRECT, .columns = { "x" } },
		  "3 operators.out.input: \"direct by\" cannot take column \"x\" of type f64 | "
		  "take "
		  "an integer column: its value is the slice" },
		{ { .grouping = LM_GROUP_KEY, .columns = { "src", "bites" } },
		  "3 operators.out.input: no column \"bites\" in what \"in\" emits | did you mean "
		  "\"bytes\"?" },
		{ { .grouping = LM_GROUP_CUSTOM, .function = "lengthwise" },
		  "3 operators.out.input: no grouping function \"lengthwise\" | load the plugin "
		  "that has it: plugins: [PATH]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct lm_wire given = cases[i].wire;
		struct fixture f;

		begin(&f);
		add_op(&f, "in", "source");
		add_op(&f, "out", "print");
		given.from = "in";
		given.to = "out";
		wire(&f, &given);
		expect(&f, &cases[i].expected, 1);
	}
}

static void
custom(const struct lm_batch *in, const struct lm_select *rows, uint32_t destinations,
       uint16_t *destination)
{
	(void)in;
	(void)rows;
	(void)destinations;
	(void)destination;
}

static void
test_custom(void **state)
{
	static const struct lm_grouping_function grouping = { "lengthwise", custom };
	struct fixture f;
	const char *why;

	(void)state;
	assert_int_equal(registry_add_grouping(&grouping, &why), 0);
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "out", "print");
	wire(&f, &(struct lm_wire){ .from = "in",
	                            .to = "out",
	                            .grouping = LM_GROUP_CUSTOM,
	                            .function = "lengthwise" });
	check(&f);
	assert_non_null(f.graph);
	assert_ptr_equal(f.graph->wire[0].custom, custom);
	end(&f);
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "out", "print");
	wire(&f, &(struct lm_wire){ .from = "in",
	                            .to = "out",
	                            .grouping = LM_GROUP_CUSTOM,
	                            .function = "lenghtwise" });
	EXPECT(&f, "3 operators.out.input: no grouping function \"lenghtwise\" | did you mean "
	           "\"lengthwise\"?");
	registry_remove_grouping(&grouping);
}

static void
keyed(struct fixture *f, enum lm_grouping grouping, uint32_t slices)
{
	begin(f);
	add_op(f, "in", "source");
	add_op(f, "sum", "window_aggregate");
	lm_topology_param(f->topology, "sum", "window", "1s");
	lm_topology_slices(f->topology, "sum", slices);
	wire(f, &(struct lm_wire){ .from = "in",
	                           .to = "sum",
	                           .grouping = grouping,
	                           .columns = { grouping == LM_GROUP_KEY ||
	                                                grouping == LM_GROUP_PARTIAL_KEY ||
	                                                grouping == LM_GROUP_DIRECT
	                                            ? "proto"
	                                            : NULL } });
	check(f);
}

static void
test_keyed(void **state)
{
	struct fixture f;

	(void)state;
	for (uint32_t grouping = 0; grouping < LM_GROUP_CUSTOM; grouping++) {
		bool by_chance = grouping == LM_GROUP_FORWARD || grouping == LM_GROUP_LOCAL ||
		                 grouping == LM_GROUP_SHUFFLE || grouping == LM_GROUP_ROUND_ROBIN;

		keyed(&f, (enum lm_grouping)grouping, 2);
		assert_int_equal(f.errors.count, by_chance);
		if (grouping == LM_GROUP_SHUFFLE) {
			assert_string_equal(f.errors.error[0].message,
			                    "operators.sum.input: 2 slices of type "
			                    "\"window_aggregate\" need their rows grouped by key, "
			                    "not \"shuffle\"");
			assert_string_equal(f.errors.error[0].hint,
			                    "write \"in by COLUMN\", or give it one slice");
		}
		end(&f);
		keyed(&f, (enum lm_grouping)grouping, 1);
		assert_int_equal(f.errors.count, 0);
		end(&f);
	}
	/* Two inputs with keys that do not hash alike. */
	begin(&f);
	add_op(&f, "a", "source");
	add_op(&f, "join", "join");
	lm_topology_slices(f.topology, "join", 2);
	wire(&f, &(struct lm_wire){ .from = "a",
	                            .to = "join",
	                            .input = "left",
	                            .grouping = LM_GROUP_KEY,
	                            .columns = { "src" } });
	wire(&f, &(struct lm_wire){ .from = "a",
	                            .to = "join",
	                            .input = "right",
	                            .grouping = LM_GROUP_KEY,
	                            .columns = { "bytes" } });
	EXPECT(&f,
	       "4 operators.join.inputs.right: key column \"bytes\" is of type u32 here, of ip4 "
	       "elsewhere | group by columns of equal types");
	begin(&f);
	add_op(&f, "a", "source");
	add_op(&f, "join", "join");
	lm_topology_slices(f.topology, "join", 2);
	wire(&f, &(struct lm_wire){ .from = "a",
	                            .to = "join",
	                            .input = "left",
	                            .grouping = LM_GROUP_KEY,
	                            .columns = { "src", "dst" } });
	wire(&f, &(struct lm_wire){ .from = "a",
	                            .to = "join",
	                            .input = "right",
	                            .grouping = LM_GROUP_KEY,
	                            .columns = { "dst" } });
	EXPECT(&f,
	       "4 operators.join.inputs.right: the number of key columns is 1 here, 2 elsewhere "
	       "| group all its inputs by the same key");
	begin(&f);
	add_op(&f, "a", "port_source");
	add_op(&f, "out", "print");
	wire(&f, &(struct lm_wire){
		     .from = "a", .to = "out", .grouping = LM_GROUP_KEY, .columns = { "frame" } });
	EXPECT(&f, "3 operators.out.input: rows cannot be grouped by the frame \"frame\" | decode "
	           "the packets first and group by a field");
}

static void
test_schemas(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	add_op(&f, "a", "source");
	add_op(&f, "b", "port_source");
	add_op(&f, "out", "print");
	link(&f, "a", "out");
	link(&f, "b", "out");
	EXPECT(&f,
	       "5 operators.out.input: \"b\" does not have the columns of what else feeds input "
	       "\"in\" | column 2 is \"frame\" (frame) here, \"src\" (ip4) there");
	begin(&f);
	add_op(&f, "a", "source");
	add_op(&f, "b", "source");
	add_op(&f, "out", "print");
	link(&f, "a", "out");
	link(&f, "b", "out");
	check(&f);
	assert_non_null(f.graph);
	end(&f);
}

/* What stands behind an operator that failed is not judged, what stands beside it is. */
static void
test_cascade(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "keep", "filter");
	lm_topology_param(f.topology, "keep", "where", "nope");
	add_op(&f, "top", "top");
	lm_topology_param(f.topology, "top", "by", "no_such_column");
	add_op(&f, "out", "print");
	wire(&f, &(struct lm_wire){ .from = "in", .to = "keep" });
	wire(&f,
	     &(struct lm_wire){
		 .from = "keep", .to = "top", .grouping = LM_GROUP_KEY, .columns = { "neither" } });
	link(&f, "top", "out");
	add_op(&f, "other", "top");
	lm_topology_param(f.topology, "other", "by", "byts");
	link(&f, "in", "other");
	EXPECT(&f, "2 operators.keep.where: \"nope\" is no column | say yes",
	       "8 operators.other.by: no column \"byts\" | did you mean \"bytes\"?");
	/* Neither if it had declared what it emits before it failed. */
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "keep", "filter");
	lm_topology_param(f.topology, "keep", "where", "later");
	add_op(&f, "top", "top");
	lm_topology_param(f.topology, "top", "by", "no_such_column");
	link(&f, "in", "keep");
	link(&f, "keep", "top");
	EXPECT(&f, "2 operators.keep.where: too late | ");
}

static void
test_cycles(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "a", "pass");
	add_op(&f, "b", "pass");
	add_op(&f, "c", "pass");
	link(&f, "in", "a");
	link(&f, "a", "b");
	link(&f, "b", "c");
	link(&f, "c", "a");
	link(&f, "b", "b");
	EXPECT(&f,
	       "8 operators.a: a cycle whose wires all wait would stand still: a -> b -> c -> a | "
	       "let the wire that leads back lose rows rather than wait: {from: c, policy: shed "
	       "newest}",
	       "9 operators.b: a cycle whose wires all wait would stand still: b -> b | let the "
	       "wire that leads back lose rows rather than wait: {from: b, policy: shed newest}");
}

/* The wire that is named leads back, whatever was declared first. */
static void
test_cycle_order(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	add_op(&f, "b", "pass");
	add_op(&f, "a", "pass");
	add_op(&f, "in", "source");
	link(&f, "a", "b");
	link(&f, "b", "a");
	link(&f, "in", "a");
	EXPECT(&f,
	       "5 operators.a: a cycle whose wires all wait would stand still: a -> b -> a | let "
	       "the wire that leads back lose rows rather than wait: {from: b, policy: shed "
	       "newest}");
}

static void
test_feedback(void **state)
{
	struct fixture f;

	(void)state;
	/* The wire that leads back is the feedback, although both of the cycle may lose rows. */
	begin(&f);
	add_op(&f, "b", "pass");
	add_op(&f, "a", "pass");
	add_op(&f, "in", "source");
	wire(&f, &(struct lm_wire){ .from = "a", .to = "b", .policy = LM_POLICY_SHED_OLDEST });
	wire(&f, &(struct lm_wire){ .from = "b", .to = "a", .policy = LM_POLICY_SHED_NEWEST });
	link(&f, "in", "a");
	check(&f);
	assert_int_equal(f.errors.count, 0);
	assert_false(f.graph->wire[0].feedback);
	assert_true(f.graph->wire[1].feedback);
	assert_int_equal(f.graph->order[0], 2);
	assert_int_equal(f.graph->order[1], 1);
	assert_int_equal(f.graph->order[2], 0);
	end(&f);

	/* A wire of the cycle may lose rows, but it is the only way in: not without it. */
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "a", "pass");
	add_op(&f, "b", "pass");
	link(&f, "in", "a");
	wire(&f, &(struct lm_wire){ .from = "a", .to = "b", .policy = LM_POLICY_SHED_NEWEST });
	link(&f, "b", "a");
	EXPECT(&f,
	       "6 operators.a: a cycle whose wires all wait would stand still: a -> b -> a | let "
	       "the wire that leads back lose rows rather than wait: {from: b, policy: shed "
	       "newest}");

	/* Rows that come back must have the same columns. */
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "a", "pass");
	add_op(&f, "sum", "window_aggregate");
	lm_topology_param(f.topology, "sum", "window", "1s");
	link(&f, "in", "a");
	link(&f, "a", "sum");
	wire(&f, &(struct lm_wire){ .from = "sum", .to = "a", .policy = LM_POLICY_SHED_NEWEST });
	EXPECT(&f,
	       "6 operators.a.input: \"sum\" does not have the columns of what else feeds input "
	       "\"in\" | column 1 is \"key\" (u64) here, \"time\" (time) there");

	/* An input of its own for them cannot know its columns. */
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "join", "join");
	wire(&f, &(struct lm_wire){ .from = "in", .to = "join", .input = "left" });
	wire(&f,
	     &(struct lm_wire){
		 .from = "join", .to = "join", .input = "right", .policy = LM_POLICY_SHED_NEWEST });
	EXPECT(&f, "2 operators.join: input \"right\" has only a feedback wire, so its columns are "
	           "not known | lead the rows that come back into an input that others feed too");
}

static void
test_reach(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	add_op(&f, "in", "source");
	add_op(&f, "a", "pass");
	add_op(&f, "out", "print");
	wire(&f, &(struct lm_wire){ .from = "a", .to = "a", .policy = LM_POLICY_SHED_NEWEST });
	link(&f, "a", "out");
	EXPECT(&f,
	       "2 operators.a: no source leads to it | feed it, or one before it, from a source",
	       "3 operators.out: no source leads to it | feed it, or one before it, from a source");
}

/* As many operators and wires as there may be, all of them cycles. */
static void
test_bounds(void **state)
{
	struct fixture f;
	char name[16], before[16];

	(void)state;
	begin(&f);
	add_op(&f, "in", "source");
	for (uint32_t i = 1; i < LM_OPERATORS_MAX; i++) {
		snprintf(name, sizeof(name), "o%u", i);
		snprintf(before, sizeof(before), i == 1 ? "in" : "o%u", i - 1);
		add_op(&f, name, "pass");
		lm_topology_slices(f.topology, name, LM_SLICES_MAX);
		link(&f, before, name);
		for (uint32_t j = 1; j <= 3 && j <= i; j++) {
			snprintf(before, sizeof(before), "o%u", i + 1 - j);
			if (f.topology->wire_count < LM_WIRES_MAX) {
				wire(&f, &(struct lm_wire){ .from = name,
				                            .to = before,
				                            .policy = LM_POLICY_SHED_OLDEST });
			}
		}
	}
	check(&f);
	assert_int_equal(f.errors.count, 0);
	assert_int_equal(f.graph->slice_count, 255 * 256 + 1);
	assert_int_equal(graph_operator_of(f.graph, f.graph->slice_count - 1), 255);
	for (uint32_t i = 0; i < f.graph->operator_count; i++) {
		assert_int_equal(f.graph->order[i], i);
	}
	end(&f);
	lm_graph_free(NULL);
	assert_null(lm_graph_check(NULL, &f.errors));
	assert_int_equal(f.errors.count, 1);
	lm_errors_free(&f.errors);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),     cmocka_unit_test(test_default_grouping),
		cmocka_unit_test(test_operators), cmocka_unit_test(test_settings),
		cmocka_unit_test(test_ends),      cmocka_unit_test(test_policies),
		cmocka_unit_test(test_custom),    cmocka_unit_test(test_keyed),
		cmocka_unit_test(test_schemas),   cmocka_unit_test(test_cascade),
		cmocka_unit_test(test_cycles),    cmocka_unit_test(test_cycle_order),
		cmocka_unit_test(test_feedback),  cmocka_unit_test(test_reach),
		cmocka_unit_test(test_bounds),
	};

	small_classes_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
