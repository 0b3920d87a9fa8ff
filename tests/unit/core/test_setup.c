/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of core/setup.c and core/setup_parse.c: parameters of every type, and what configure may
 * ask. */
#include "core/setup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const in[] = { "in", NULL };
static const char *const out[] = { "out", NULL };
static const char *const colours[] = { "red", "green", "blue", NULL };

static const struct lm_param params[] = {
	{ .name = "number", .type = LM_PARAM_U64, .fallback = "7", .min = 1, .max = 65536 },
	{ .name = "real", .type = LM_PARAM_F64, .min = -1, .max = 0.5 },
	{ .name = "flag", .type = LM_PARAM_BOOL },
	{ .name = "text", .type = LM_PARAM_TEXT },
	{ .name = "colour", .type = LM_PARAM_CHOICE, .fallback = "green", .choices = colours },
	{ .name = "time", .type = LM_PARAM_DURATION, .min = 1e6, .max = 60e9 },
	{ .name = "size", .type = LM_PARAM_SIZE, .max = 65536 },
	{ .name = "rate", .type = LM_PARAM_RATE },
	{ .name = "column", .type = LM_PARAM_COLUMN },
	{ .name = "columns", .type = LM_PARAM_COLUMNS, .fallback = "b" },
	{ .name = "expr", .type = LM_PARAM_EXPR },
	{ .name = "list", .type = LM_PARAM_LIST },
	{ .name = "map", .type = LM_PARAM_MAP },
	{ .name = NULL },
};

/* What configure is to do, in one test after the other. */
typedef int configure_fn(struct lm_setup *setup);
static configure_fn *configure_now;

static int
configure(struct lm_setup *setup, void *config)
{
	*(int *)config = 1; /* there is room for it */
	return configure_now(setup);
}

static void
process(struct lm_op *op, const struct lm_batch *batch)
{
	(void)op;
	(void)batch;
}

static const struct lm_op_class picky = {
	.abi_version = LM_ABI_VERSION,
	.name = "picky",
	.params = params,
	.inputs = in,
	.outputs = out,
	.rows = LM_ROWS_PASS,
	.process = process,
	.config_size = sizeof(int),
	.configure = configure,
};

/* An operator "p" of that type with columns a (u32), b (string) and c (f64) before it. */
struct fixture {
	struct lm_topology *topology;
	struct lm_graph *graph;
	struct lm_schema schema;
	struct lm_setup setup;
	struct lm_errors errors;
	int rc;
};

static void
begin(struct fixture *f)
{
	static const struct lm_field fields[] = { { "a", LM_U32, 0 },
		                                  { "b", LM_STRING, 0 },
		                                  { "c", LM_F64, 0 } };

	*f = (struct fixture){ .topology = lm_topology_create("t") };
	assert_int_equal(lm_schema_init(&f->schema, fields, 3, 100), 0);
	lm_topology_place(f->topology, (struct lm_place){ 1, 1, 1 });
	lm_topology_operator(f->topology, "p", "picky");
}

static void
run(struct fixture *f, configure_fn *call)
{
	struct graph_operator *op;

	f->graph = calloc(1, sizeof(*f->graph));
	f->graph->settings.batch_rows = 256;
	f->graph->op = calloc(1, sizeof(*f->graph->op));
	f->graph->operator_count = 1;
	op = f->graph->op;
	op->name = strdup("p");
	op->class = &picky;
	op->slices = 3;
	op->input_count = op->output_count = 1;
	op->input[0] = &f->schema;
	configure_now = call;
	f->rc = setup_begin(&f->setup, f->graph, op, &f->topology->op[0], &f->errors);
	if (f->rc == 0) {
		f->rc = setup_configure(&f->setup);
	}
}

static void
end(struct fixture *f)
{
	setup_end(&f->setup);
	lm_graph_free(f->graph);
	lm_topology_free(f->topology);
	lm_errors_free(&f->errors);
}

static int
pass(struct lm_setup *setup)
{
	return lm_setup_output_like(setup, 0, lm_setup_input(setup, 0));
}

static int
see_absent(struct lm_setup *setup)
{
	assert_true(lm_setup_has(setup, "number"));
	assert_int_equal(lm_setup_u64(setup, "number"), 7);
	assert_false(lm_setup_has(setup, "real"));
	assert_true(lm_setup_f64(setup, "real") == 0);
	assert_false(lm_setup_bool(setup, "flag"));
	assert_null(lm_setup_text(setup, "text"));
	assert_int_equal(lm_setup_choice(setup, "colour"), 1);
	assert_int_equal(lm_setup_u64(setup, "time"), 0);
	assert_int_equal(lm_setup_column(setup, "column"), LM_NONE);
	assert_int_equal(lm_setup_count(setup, "columns"), 1);
	assert_int_equal(lm_setup_item_column(setup, "columns", 0), 1);
	assert_null(lm_setup_text(setup, "expr"));
	assert_int_equal(lm_setup_count(setup, "list"), 0);
	assert_int_equal(lm_setup_count(setup, "map"), 0);
	assert_int_equal(lm_setup_slices(setup), 3);
	return pass(setup);
}

static void
test_absent(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	run(&f, see_absent);
	assert_int_equal(f.rc, 0);
	assert_int_equal(f.errors.count, 0);
	assert_true(f.graph->op->configured);
	assert_non_null(f.graph->op->output[0]);
	assert_true(lm_schema_equal(f.graph->op->output[0], &f.schema));
	assert_int_equal(f.graph->op->output[0]->capacity, 256);
	end(&f);
}

static int
see_given(struct lm_setup *setup)
{
	assert_int_equal(lm_setup_u64(setup, "number"), 65536);
	assert_true(lm_setup_f64(setup, "real") == -0.25);
	assert_true(lm_setup_bool(setup, "flag"));
	assert_string_equal(lm_setup_text(setup, "text"), "any thing");
	assert_int_equal(lm_setup_choice(setup, "colour"), 2);
	assert_int_equal(lm_setup_u64(setup, "time"), 1500000000);
	assert_int_equal(lm_setup_u64(setup, "size"), 2048);
	assert_true(lm_setup_f64(setup, "rate") == 0.5);
	assert_int_equal(lm_setup_u64(setup, "rate"), 1);
	assert_int_equal(lm_setup_column(setup, "column"), 2);
	assert_string_equal(lm_setup_text(setup, "column"), "c");
	assert_int_equal(lm_setup_count(setup, "columns"), 2);
	assert_string_equal(lm_setup_item(setup, "columns", 1), "a");
	assert_int_equal(lm_setup_item_column(setup, "columns", 0), 2);
	assert_int_equal(lm_setup_item_column(setup, "columns", 1), 0);
	assert_string_equal(lm_setup_text(setup, "expr"), "a > 1");
	assert_int_equal(lm_setup_count(setup, "list"), 1);
	assert_string_equal(lm_setup_item(setup, "list", 0), "one, two");
	assert_int_equal(lm_setup_count(setup, "map"), 2);
	assert_string_equal(lm_setup_item_name(setup, "map", 1), "y");
	assert_string_equal(lm_setup_item(setup, "map", 1), "2");
	return pass(setup);
}

static void
test_given(void **state)
{
	static const char *const given[][2] = {
		{ "number", "64Ki" },    { "real", "-0.25" },  { "flag", "true" },
		{ "text", "any thing" }, { "colour", "blue" }, { "time", "1.5s" },
		{ "size", "2KiB" },      { "rate", "0.5" },    { "column", "c" },
		{ "columns", " c , a" }, { "expr", "a > 1" },  { "list", "one, two" },
	};
	struct fixture f;

	(void)state;
	begin(&f);
	for (size_t i = 0; i < COUNT(given); i++) {
		lm_topology_param(f.topology, "p", given[i][0], given[i][1]);
	}
	lm_topology_param_entry(f.topology, "p", "map", "x", "1");
	lm_topology_param_entry(f.topology, "p", "map", "y", "2");
	run(&f, see_given);
	assert_int_equal(f.rc, 0);
	assert_int_equal(f.errors.count, 0);
	end(&f);
}

/* One parameter is given at 5:10; there is one error, there, with this message and this hint. */
struct wrong_case {
	const char *param, *value, *message, *hint;
	uint32_t column, length;
};

static void
expect_error(const struct fixture *f, const char *message, const char *hint, uint32_t column,
             uint32_t length)
{
	const struct lm_error *error = f->errors.error;

	assert_int_equal(f->rc, -1);
	if (f->errors.count != 1) {
		fail_msg("%u errors instead of \"%s\"", f->errors.count, message);
	}
	if (strcmp(error->message, message) != 0 || strcmp(error->hint, hint) != 0) {
		fail_msg("\"%s\" (%s)\ninstead of\n\"%s\" (%s)", error->message, error->hint,
		         message, hint);
	}
	if (error->place.line != 5 || error->place.column != column ||
	    error->place.length != length) {
		fail_msg("%s: at %u:%u, %u long", message, error->place.line, error->place.column,
		         error->place.length);
	}
}

static const struct wrong_case wrong_cases[] = {
	{ "number", "ten", "operators.p.number: \"ten\" is not a whole number",
	  "write a number like 42, 1_000, 64Ki or 2M", 10, 3 },
	{ "number", "99999999999999999999",
	  "operators.p.number: \"99999999999999999999\" is too "
	  "large for a whole number",
	  "write a number like 42, 1_000, 64Ki or 2M", 10, 20 },
	{ "number", "0", "operators.p.number: 0 is below 1", "it may be 1 to 65536", 10, 1 },
	{ "number", "100k", "operators.p.number: 100k is above 65536", "it may be 1 to 65536", 10,
	  4 },
	{ "real", "0,5", "operators.p.real: \"0,5\" is not a number",
	  "write a number like 0.25, 3 or 1e6", 10, 3 },
	{ "real", "0.75", "operators.p.real: 0.75 is above 0.5", "it may be -1 to 0.5", 10, 4 },
	{ "flag", "yes", "operators.p.flag: \"yes\" is not true or false", "write true or false",
	  10, 3 },
	{ "colour", "grene", "operators.p.colour: \"grene\" is not one of its choices",
	  "did you mean \"green\"?", 10, 5 },
	{ "colour", "pink", "operators.p.colour: \"pink\" is not one of its choices",
	  "choices: red, green, blue", 10, 4 },
	{ "time", "10", "operators.p.time: \"10\" is not a duration",
	  "write a duration like 20us, 100ms, 1.5s, 5m or 1h30m", 10, 2 },
	{ "time", "500us", "operators.p.time: 500us is below 1ms", "it may be 1ms to 1m", 10, 5 },
	{ "time", "1h", "operators.p.time: 1h is above 1m", "it may be 1ms to 1m", 10, 2 },
	{ "size", "1 MB", "operators.p.size: \"1 MB\" is not a size",
	  "write a size like 100, 64KiB, 2MiB or 1GB", 10, 4 },
	{ "size", "1MB", "operators.p.size: 1MB is above 64KiB", "it may be 0 to 64KiB", 10, 3 },
	{ "rate", "-5", "operators.p.rate: \"-5\" is not a rate",
	  "write a rate per second like 100000, 1M or 2.5k", 10, 2 },
	{ "column", "aa", "operators.p.column: no column \"aa\"", "did you mean \"a\"?", 10, 2 },
	{ "column", "zzz", "operators.p.column: no column \"zzz\"", "columns: a, b, c", 10, 3 },
	{ "column", "", "operators.p.column: nothing stands there", "", 10, 0 },
	{ "columns", "a,  bc, c", "operators.p.columns[1]: no column \"bc\"", "did you mean \"b\"?",
	  14, 2 },
	{ "columns", "a,,c", "operators.p.columns[1]: nothing stands there", "", 10, 4 },
	{ "expr", "", "operators.p.expr: nothing stands there", "", 10, 0 },
	{ "numbr", "3", "operators.p: type \"picky\" has no parameter \"numbr\"",
	  "did you mean \"number\"?", 10, 1 },
	{ "q", "", "operators.p: type \"picky\" has no parameter \"q\"",
	  "inside {...} a comma ends a value: quote a text that has one, \"a, b\", or write a "
	  "list, [a, b]",
	  10, 0 },
};

static void
test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wrong_cases); i++) {
		const struct wrong_case *wrong = &wrong_cases[i];
		struct lm_place place = { 5, 10, (uint32_t)strlen(wrong->value) };
		struct fixture f;

		begin(&f);
		lm_topology_place(f.topology, place);
		lm_topology_param(f.topology, "p", wrong->param, wrong->value);
		run(&f, pass);
		expect_error(&f, wrong->message, wrong->hint, wrong->column, wrong->length);
		end(&f);
	}
}

static int
see_nameless(struct lm_setup *setup)
{
	assert_int_equal(lm_setup_count(setup, "map"), 2);
	assert_string_equal(lm_setup_item_name(setup, "map", 1), "b");
	assert_string_equal(lm_setup_item(setup, "map", 1), "b");
	return pass(setup);
}

static void
test_shapes(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	lm_topology_place(f.topology, (struct lm_place){ 5, 10, 4 });
	lm_topology_param_item(f.topology, "p", "text", "one");
	run(&f, pass);
	expect_error(&f, "operators.p.text: it takes one value, not a list", "write text: VALUE",
	             10, 4);
	end(&f);

	begin(&f);
	lm_topology_place(f.topology, (struct lm_place){ 5, 10, 4 });
	lm_topology_param_entry(f.topology, "p", "columns", "a", "b");
	run(&f, pass);
	expect_error(&f, "operators.p.columns: it takes a list, not a mapping",
	             "write columns: [ONE, TWO]", 10, 4);
	end(&f);

	/* A map may do without names. */
	begin(&f);
	lm_topology_param_item(f.topology, "p", "map", "a");
	lm_topology_param_item(f.topology, "p", "map", "b");
	run(&f, see_nameless);
	assert_int_equal(f.rc, 0);
	end(&f);

	begin(&f);
	lm_topology_place(f.topology, (struct lm_place){ 5, 10, 0 });
	lm_topology_param(f.topology, "p", "map", "");
	run(&f, pass);
	expect_error(&f, "operators.p.map[0]: nothing stands there", "", 10, 0);
	end(&f);
}

static void
test_twice(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	lm_topology_param(f.topology, "p", "number", "3");
	lm_topology_place(f.topology, (struct lm_place){ 5, 2, 6 });
	lm_topology_param(f.topology, "p", "number", "3");
	run(&f, pass);
	expect_error(&f, "operators.p.number: it is given twice", "keep one of them", 2, 6);
	end(&f);

	begin(&f);
	lm_topology_param_entry(f.topology, "p", "map", "k", "3");
	lm_topology_place(f.topology, (struct lm_place){ 5, 2, 6 });
	lm_topology_param_entry(f.topology, "p", "map", "k", "4");
	run(&f, pass);
	expect_error(&f, "operators.p.map.k: it is given twice", "keep one of them", 2, 6);
	end(&f);
}

static int
fail_expr(struct lm_setup *setup)
{
	return lm_setup_error(setup, "expr", LM_NONE, 5, "hint", "bad %s", "word");
}

static int
fail_item(struct lm_setup *setup)
{
	return lm_setup_error(setup, "list", 1, LM_NONE, NULL, "bad item");
}

static int
fail_operator(struct lm_setup *setup)
{
	return lm_setup_error(setup, NULL, LM_NONE, LM_NONE, NULL, "bad place");
}

static int
fail_silently(struct lm_setup *setup)
{
	(void)setup;
	return -1;
}

static int
fail_but_say_so(struct lm_setup *setup)
{
	pass(setup);
	lm_setup_error(setup, "expr", LM_NONE, LM_NONE, NULL, "bad");
	return 0;
}

static void
check_expr(const char *text, uint32_t length, configure_fn *call, const char *message,
           const char *hint, uint32_t column, uint32_t expected_length)
{
	struct fixture f;

	begin(&f);
	lm_topology_place(f.topology, (struct lm_place){ 5, 20, length });
	lm_topology_param(f.topology, "p", "expr", text);
	run(&f, call);
	expect_error(&f, message, hint, column, expected_length);
	end(&f);
}

static void
test_errors_of_class(void **state)
{
	struct fixture f;

	(void)state;
	/* Byte 5 is character 4: the caret goes under "word". */
	check_expr("ä > word", 8, fail_expr, "operators.p.expr: bad word", "hint", 24, 4);
	check_expr("abcd + 1", 8, fail_expr, "operators.p.expr: bad word", "hint", 25, 1);
	/* Not there letter by letter, as behind a variable: the whole text is meant. */
	check_expr("ä > word", 5, fail_expr, "operators.p.expr: bad word", "hint", 20, 5);
	check_expr("abc", 3, fail_expr, "operators.p.expr: bad word", "hint", 20, 3);
	check_expr("abc", 3, fail_but_say_so, "operators.p.expr: bad", "", 20, 3);

	begin(&f);
	lm_topology_param_item(f.topology, "p", "list", "one");
	lm_topology_place(f.topology, (struct lm_place){ 5, 7, 3 });
	lm_topology_param_item(f.topology, "p", "list", "two");
	run(&f, fail_item);
	expect_error(&f, "operators.p.list[1]: bad item", "", 7, 3);
	end(&f);

	begin(&f);
	f.topology->op[0].place = (struct lm_place){ 5, 3, 1 };
	run(&f, fail_operator);
	expect_error(&f, "operators.p: bad place", "", 3, 1);
	assert_false(f.graph->op->configured);
	end(&f);

	begin(&f);
	f.topology->op[0].place = (struct lm_place){ 5, 3, 1 };
	run(&f, fail_silently);
	expect_error(&f, "operators.p: type \"picky\" refused its parameters without saying why",
	             "", 3, 1);
	end(&f);
}

static int
declare_nothing(struct lm_setup *setup)
{
	(void)setup;
	return 0;
}

static int
declare_twice(struct lm_setup *setup)
{
	static const struct lm_field fields[] = { { "k", LM_U32, 0 }, { "k", LM_U64, 0 } };

	return lm_setup_output(setup, 0, fields, 2);
}

static int
declare_frames(struct lm_setup *setup)
{
	static const struct lm_field fields[] = { { "f", LM_FRAME, 0 }, { "g", LM_FRAME, 0 } };

	return lm_setup_output(setup, 0, fields, 2);
}

static int
declare_many(struct lm_setup *setup)
{
	struct lm_field fields[LM_FIELDS_MAX + 1] = { 0 };

	for (uint32_t i = 0; i <= LM_FIELDS_MAX; i++) {
		snprintf(fields[i].name, LM_NAME_MAX, "f%u", i);
	}
	return lm_setup_output(setup, 0, fields, LM_FIELDS_MAX + 1);
}

static void
test_outputs(void **state)
{
	static const struct {
		configure_fn *call;
		const char *message, *hint;
	} cases[] = {
		{ declare_nothing, "operators.p: type \"picky\" did not declare output \"out\"",
		  "the class must call lm_setup_output for it in configure" },
		{ declare_twice, "operators.p: output \"out\" has two columns called \"k\"",
		  "give one of them another name" },
		{ declare_frames, "operators.p: output \"out\" has more than one frame", "" },
		{ declare_many, "operators.p: output \"out\" has too many or too wide columns (33)",
		  "pass on fewer columns" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture f;

		begin(&f);
		f.topology->op[0].place = (struct lm_place){ 5, 3, 1 };
		run(&f, cases[i].call);
		expect_error(&f, cases[i].message, cases[i].hint, 3, 1);
		end(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absent),  cmocka_unit_test(test_given),
		cmocka_unit_test(test_wrong),   cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_twice),   cmocka_unit_test(test_errors_of_class),
		cmocka_unit_test(test_outputs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
