/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of mgmt/config_load.c and its parts: files a person writes, and what is said about bad
 * ones. */
#include "mgmt/config_load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/graph.h"
#include "core/topology.h"
#include "tests/unit/core/small_classes.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct lm_errors errors;
static struct lm_topology *topology;
static struct lm_graph *graph;

static void
load(const char *name, const char *text, const char *const *set)
{
	errors = (struct lm_errors){ 0 }; /* of a test that failed before */
	topology = config_load_text(name, text, strlen(text), set, &errors);
	graph = lm_graph_check(topology, &errors);
}

static void
unload(void)
{
	lm_graph_free(graph);
	lm_topology_free(topology);
	lm_errors_free(&errors);
}

/* All errors, "LINE:COLUMN+LENGTH MESSAGE" and, where there is one, " | HINT", a line each. */
static char *
errors_text(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	for (uint32_t i = 0; i < errors.count; i++) {
		const struct lm_error *error = &errors.error[i];

		fprintf(stream, "%u:%u+%u %s%s%s\n", error->place.line, error->place.column,
		        error->place.length, error->message, error->hint[0] == '\0' ? "" : " | ",
		        error->hint);
	}
	fclose(stream);
	return text;
}

/* False, after showing both, when a file's errors are others than these. */
static bool
has_errors(const char *name, const char *file, const char *const *set, const char *expected)
{
	char *text;
	bool same;

	load(name, file, set);
	text = errors_text();
	same = strcmp(text, expected) == 0 && graph == NULL;
	if (!same) {
		fprintf(stderr, "%s\nfound:\n%sexpected:\n%s\n", file, text, expected);
	}
	free(text);
	unload();
	return same;
}

static void
load_sound(const char *name, const char *file, const char *const *set)
{
	load(name, file, set);
	if (graph == NULL) {
		config_print_errors(stderr, name, file, strlen(file), &errors, false);
		fail();
	}
}

static const char top_talkers[] =
    "name: top-talkers\n"
    "operators:\n"
    "  packets: {type: port_source, port: 0, queues: 2}\n"
    "  flows:   {type: packet_decode, input: packets, emit: [time, src, dst, proto, bytes]}\n"
    "  talkers: {type: window_aggregate, input: flows by src, window: tumbling 1s, sum: bytes, "
    "count: rows, slices: 4}\n"
    "  top:     {type: top, input: talkers all to one, by: bytes, k: 10}\n"
    "  out:     {type: print, input: top}\n";

static void
test_top_talkers(void **state)
{
	(void)state;
	load_sound("dir/top.yaml", top_talkers, NULL);
	assert_string_equal(graph->name, "top-talkers");
	assert_string_equal(topology->file, "dir/top.yaml");
	assert_int_equal(graph->operator_count, 5);
	assert_int_equal(graph->slice_count, 8);
	assert_int_equal(graph->wire_count, 4);
	assert_int_equal(graph->wire[1].grouping, LM_GROUP_KEY);
	assert_int_equal(graph->wire[1].field[0], 1);
	assert_int_equal(graph->wire[2].grouping, LM_GROUP_GLOBAL);
	assert_int_equal(graph->op[2].place.line, 5);
	assert_int_equal(graph->op[2].place.column, 3);
	unload();
}

static void
test_json(void **state)
{
	static const char file[] =
	    "{\n\t\"operators\": {\n\t\t\"in\": {\"type\": \"source\", \"queues\": 3},\n"
	    "\t\t\"out\": {\"type\": \"print\", \"input\": \"in by src, dst\", "
	    "\"columns\": [\"src\"]}\n\t}\n}\n";

	(void)state;
	/* Named after the file, without what may not be in a name. */
	load_sound("a dir/a job.v2.json", file, NULL);
	assert_string_equal(graph->name, "a_job.v2");
	assert_int_equal(graph->wire[0].field_count, 2);
	unload();
	load_sound("x.yaml", file, NULL);
	unload();
	assert_true(
	    has_errors("x.json", "{\"operators\": {\"in\": {\"type\": \"sorce\"}}}", NULL,
	               "1:32+5 operators.in.type: no operator type \"sorce\" | did you mean "
	               "\"source\"?\n"));
}

static void
test_inputs(void **state)
{
	static const char file[] =
	    "operators:\n"
	    "  a: {type: source}\n"
	    "  b: {type: source, slices: 2}\n"
	    "  s: {type: split, inputs: [a, b shuffle]}\n"
	    "  j:\n"
	    "    type: join\n"
	    "    slices: 3\n"
	    "    inputs:\n"
	    "      left: a by src\n"
	    "      right: [s.out by dst, {from: s.late by dst, policy: shed newest, credit: 8}]\n"
	    "  p: {type: pass, slices: 2, inputs: {from: b, policy: throttle, rate: 100k}}\n"
	    "  q: {type: print, input: {from: p partly by src, input: in}}\n"
	    "  r: {type: print, input: p round robin}\n"
	    "  t: {type: print, input: p local or shuffle}\n"
	    "  u: {type: print, input: p forward}\n"
	    "  v: {type: print, input: p to all}\n"
	    "  w: {type: print, input: p direct by proto}\n"
	    "  x: {type: print, input: \" p   to  one \"}\n";
	static const enum lm_grouping groupings[] = {
		LM_GROUP_FORWARD, LM_GROUP_SHUFFLE, LM_GROUP_KEY,         LM_GROUP_KEY,
		LM_GROUP_KEY,     LM_GROUP_FORWARD, LM_GROUP_PARTIAL_KEY, LM_GROUP_ROUND_ROBIN,
		LM_GROUP_LOCAL,   LM_GROUP_FORWARD, LM_GROUP_ALL,         LM_GROUP_DIRECT,
		LM_GROUP_GLOBAL,
	};

	(void)state;
	load_sound("t.yaml", file, NULL);
	assert_int_equal(graph->wire_count, COUNT(groupings));
	for (uint32_t i = 0; i < COUNT(groupings); i++) {
		assert_int_equal(graph->wire[i].grouping, groupings[i]);
	}
	assert_int_equal(graph->wire[3].input, 1);
	assert_int_equal(graph->wire[3].output, 0);
	assert_int_equal(graph->wire[4].output, 1);
	assert_int_equal(graph->wire[4].policy, LM_POLICY_SHED_NEWEST);
	assert_int_equal(graph->wire[4].credit, 8);
	assert_int_equal(graph->wire[5].rate, 100000);
	unload();
}

static void
test_settings(void **state)
{
	static const char file[] =
	    "name: x\n"
	    "description: |\n"
	    "  Any text, also {this}.\n"
	    "settings: {epoch: 100ms, batch_rows: 128, credit: 16, slots: 256, partial: 1ms,\n"
	    "           seed: 42, fuse: false, idle: yield}\n"
	    "operators:\n"
	    "  in: {type: source, lcores: [1, 3-5, \"7, 9\"], slices: 6}\n"
	    "  b: {type: print, input: in, lcores: 2}\n"
	    "  c: {type: print, input: in, slices: 3, lcores: 2-4}\n";
	static const uint32_t lcores[] = { 1, 3, 4, 5, 7, 9 };
	const struct lm_settings *settings;

	(void)state;
	load_sound("t.yaml", file, NULL);
	settings = &graph->settings;
	assert_int_equal(settings->epoch_ns, 100000000);
	assert_int_equal(settings->batch_rows, 128);
	assert_int_equal(settings->credit, 16);
	assert_int_equal(settings->slots, 256);
	assert_int_equal(settings->partial_ns, 1000000);
	assert_int_equal(settings->seed, 42);
	assert_false(settings->fuse);
	assert_int_equal(settings->idle, LM_IDLE_YIELD);
	assert_int_equal(graph->wire[0].credit, 16);
	assert_int_equal(graph->op[0].pin_count, 6);
	assert_memory_equal(graph->op[0].pin, lcores, sizeof(lcores));
	assert_int_equal(graph->op[1].pin[0], 2);
	assert_int_equal(graph->op[2].pin[2], 4);
	unload();
}

static void
test_elastic(void **state)
{
	static const char file[] =
	    "elastic: {policy: threshold, lcores: 2-8, high: 0.9, low: 0.4, target: 0.6, gain: "
	    "0.1,\n"
	    "          interval: 200ms, guard: 1s, hold: 3, moves: 4, dry_run: true}\n"
	    "operators: {in: {type: source}, a: {type: pass, input: in, slices: 2-8}}\n";
	const struct lm_elastic *elastic;

	(void)state;
	load_sound("t.yaml", file, NULL);
	elastic = lm_topology_elastic(topology);
	assert_int_equal(elastic->policy, LM_ELASTIC_THRESHOLD);
	assert_int_equal(elastic->lcores_min, 2);
	assert_int_equal(elastic->lcores_max, 8);
	assert_true(elastic->high > 0.89 && elastic->high < 0.91);
	assert_true(elastic->low > 0.39 && elastic->low < 0.41);
	assert_true(elastic->target > 0.59 && elastic->target < 0.61);
	assert_true(elastic->gain > 0.09 && elastic->gain < 0.11);
	assert_int_equal(elastic->interval_ns, 200000000);
	assert_int_equal(elastic->guard_ns, 1000000000);
	assert_int_equal(elastic->hold, 3);
	assert_int_equal(elastic->moves, 4);
	assert_true(elastic->dry_run);
	assert_int_equal(graph->op[1].slices_most, 8);
	lm_graph_free(graph);
	topology_find(topology, "a")->slices = 5; /* as where it goes on (mgmt/resume.c) */
	graph = lm_graph_check(topology, &errors);
	assert_int_equal(graph->op[1].slices_least, 2);
	unload();
	/* The section alone asks for the model; without it nothing moves. */
	load_sound("t.yaml", "elastic: {lcores: 4}\noperators: {in: {type: source}}\n", NULL);
	elastic = lm_topology_elastic(topology);
	assert_int_equal(elastic->policy, LM_ELASTIC_MODEL);
	assert_int_equal(elastic->lcores_min, 1);
	assert_int_equal(elastic->lcores_max, 4);
	unload();
	load_sound("t.yaml", "operators: {in: {type: source}}\n", NULL);
	assert_int_equal(lm_topology_elastic(topology)->policy, LM_ELASTIC_OFF);
	unload();
}

static void
test_variables(void **state)
{
	static const char file[] =
	    "operators:\n"
	    "  in: {type: \"${TYPE}\", path: \"$${X} costs $5 ${DIR:-/tmp}/${FILE}\"}\n"
	    "  out:\n"
	    "    type: print\n"
	    "    input: ${FROM:-in} by src\n";
	static const char *const set[] = { "TYPE=none", "TYPE=source", "FILE=a b", NULL };

	(void)state;
	load_sound("t.yaml", file, set);
	assert_string_equal(topology->op[0].param[0].item[0].text, "${X} costs $5 /tmp/a b");
	assert_int_equal(graph->wire[0].grouping, LM_GROUP_KEY);
	unload();
	/* What depends on one that is not set is not judged: no "type is missing", no columns. */
	assert_true(has_errors(
	    "t.yaml",
	    "operators:\n"
	    "  in: {type: source, path: \"a${NO}b\"}\n"
	    "  x: {type: \"${T}\", bad: 1}\n"
	    "  out: {type: print, input: \"${WHERE}\", format: \"x${\", bad: 1}\n",
	    set,
	    "2:30+5 variable \"NO\" is not set | run with --set NO=VALUE, or write "
	    "${NO:-VALUE}\n"
	    "3:14+4 variable \"T\" is not set | run with --set T=VALUE, or write "
	    "${T:-VALUE}\n"
	    "4:30+8 variable \"WHERE\" is not set | run with --set WHERE=VALUE, or write "
	    "${WHERE:-VALUE}\n"
	    "4:51+2 a variable without its } | close it with }, or write $${ for the "
	    "characters ${\n"));
}

static void
test_aliases(void **state)
{
	static const char file[] = "operators:\n"
				   "  in: {type: source}\n"
				   "  a: &a\n"
				   "    type: filter\n"
				   "    input: &from in\n"
				   "    where: bytes > 1\n"
				   "  b: *a\n"
				   "  out: {type: print, inputs: [a, b, *from]}\n";

	(void)state;
	load_sound("t.yaml", file, NULL);
	assert_int_equal(graph->wire_count, 5);
	assert_string_equal(graph->op[2].name, "b");
	unload();
}

struct bad_file {
	const char *file, *expected;
};

/* Not well formed at all. */
static const struct bad_file bad_yaml[] = {
	{ "", "1:1+0 the file is empty | begin with name: NAME and operators:\n" },
	{ "# nothing\n", "1:1+0 the file is empty | begin with name: NAME and operators:\n" },
	{ "hello\n",
	  "1:1+5 the file: it must be a mapping | begin with name: NAME and operators:\n" },
	{ "a: [1, 2\n", "1:9+1 not well formed: flow sequence without a closing bracket | end the "
	                "list with ]\n" },
	{ "operators: {a: {type: b\n",
	  "1:24+1 not well formed: missing comma in flow mapping | put "
	  "a comma between two entries, and quote a text that has { } "
	  "[ ] or ,\n" },
	{ "operators:\n  a: {path: ${DIR}/x}\n",
	  "2:14+1 not well formed: missing comma in flow mapping | inside {...} a variable is "
	  "quoted: \"${NAME}\"\n" },
	{ "name: a: b\n", "1:8+1 not well formed: invalid nested block mapping on the same line | "
	                  "quote a text that has a colon, or begin a new line\n" },
	{ "name: x\n\toperators: 3\n", "1:7+1 not well formed: invalid multiline plain key | "
	                               "indent with spaces, and keys of one "
	                               "mapping alike; never with tabs\n" },
	{ "name: @x\n", "1:7+1 not well formed: plain scalar cannot start with '@' | quote the "
	                "text\n" },
	{ "name: \"x\n", "1:8+1 not well formed: double-quoted scalar without closing quote | end "
	                 "the text with the quote it begins with\n" },
	{ "name: x\xff\n", "1:8+1 byte 0xff is not UTF-8 | save the file as UTF-8\n" },
	{ "name: \xc3\xa4\x01\n", "1:8+1 a control character, U+0001 | take it out\n" },
	{ "name: \xe2\x80\xa8x\n", "1:7+1 a control character, U+2028 | take it out\n" },
	{ "name: x\ry\n", "1:8+1 a control character, U+000D | take it out\n" },
	{ "name: \xed\xa0\x80\n", "1:7+1 byte 0xed is not UTF-8 | save the file as UTF-8\n" },
	{ "name: \xc0\x80\n", "1:7+1 byte 0xc0 is not UTF-8 | save the file as UTF-8\n" },
	{ "name: \"a\\0b\"\n", "1:8+4 a text with the character 0 | take it out\n" },
	{ "name: x\n---\nname: y\n",
	  "2:1+3 a second document begins here | put the second topology "
	  "into a file of its own\n" },
	{ "name: *x\n", "1:8+1 an alias of an anchor that is not there | put an anchor, &NAME, "
	                "before what it repeats\n" },
	{ "operators: &x [*x]\n", "1:17+1 an alias inside its own anchor | write it out\n" },
	{ "a: [[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]\n",
	  "1:19+1 nested deeper than 16 levels | a topology needs five levels at most\n" },
	{ "%YAML 7.0\n---\nname: x\n", "3:8+1 not well formed: something is wrong before this\n" },
};

/* Keys and values that a topology file does not have. */
static const struct bad_file bad_keys[] = {
	{ "name: x\n", "1:1+0 there is no key \"operators\" | write operators: and a line for "
	               "each\n" },
	{ "name: [x]\noperatos: {}\nname: y\n",
	  "1:1+0 there is no key \"operators\" | write operators: and a line for each\n"
	  "1:7+1 name: it takes one value, not a list\n"
	  "2:1+8 unknown key \"operatos\" | did you mean \"operators\"?\n"
	  "3:1+4 name: it is given twice | keep one of them\n" },
	{ "name: a/b\noperators: {}\n",
	  "1:7+3 name: \"a/b\" cannot be the name of a topology | use letters, digits, _, - and ., "
	  "at "
	  "most 63\n"
	  "2:12+1 operators: there are none | write NAME: {type: TYPE, input: OPERATOR, ...}\n" },
	{ "operators: [a]\n", "1:12+1 operators: it must be a mapping | write NAME: {type: TYPE, "
	                      "input: OPERATOR, ...}\n" },
	{ "operators:\n  a: source\n  b: {typ: source}\n  c: {type: [source]}\n  d: {type: }\n"
	  "  a: {type: source}\n  [e]: {type: source}\n",
	  "2:6+6 operators.a: it must be a mapping | write NAME: {type: TYPE, input: OPERATOR, "
	  "...}\n"
	  "3:3+1 operators.b: it has no type | did you mean \"type\" by \"typ\"?\n"
	  "4:13+1 operators.c.type: it takes one value, not a list\n"
	  "5:7+4 operators.d.type: it has no value | write a value behind it, or leave it out\n"
	  "6:3+1 operators: there are two called \"a\" | the other is on line 2; rename one\n"
	  "7:3+1 operators: the name of an operator must be a plain text | write NAME: {type: "
	  "TYPE, "
	  "input: OPERATOR, ...}\n" },
	{ "elastic: {policy: modle, lcores: 8-2, high: 1.5, low: x, interval: 1ms, guard: 5, hold: "
	  "0,\n"
	  "  moves: 300, dry_run: maybe, treshold: 1}\noperators: {in: {type: source}}\n",
	  "1:19+5 elastic.policy: \"modle\" is not a policy | did you mean \"model\"?\n"
	  "1:34+3 elastic.lcores: \"8-2\" is not a number of lcores, or the least and the most | "
	  "write 8 or 2-8\n"
	  "1:45+3 elastic.high: \"1.5\" is not a number above 0, 1 at most | write a share of an "
	  "lcore like 0.8\n"
	  "1:55+1 elastic.low: \"x\" is not a number above 0, 1 at most | write a share of an "
	  "lcore like 0.8\n"
	  "1:68+3 elastic.interval: \"1ms\" is not 10ms or more | counters say nothing about less\n"
	  "1:80+1 elastic.guard: \"5\" is not a duration | write a duration like 20us, 100ms, 1.5s "
	  "or 5m\n"
	  "1:89+1 elastic.hold: \"0\" is not a number from 1 to 1000\n"
	  "2:10+3 elastic.moves: \"300\" is not a number from 1 to 256\n"
	  "2:24+5 elastic.dry_run: \"maybe\" is not true or false | write true or false\n"
	  "2:31+8 elastic: unknown key \"treshold\" | keys: policy, lcores, high, low, "
	  "target, gain, interval, guard, hold, moves, dry_run\n" },
	{ "elastic: {low: 0.8}\noperators: {in: {type: source}}\n",
	  "1:10+1 elastic: low (0.8) must not be above target (0.7), and target must be below "
	  "high (0.85) | write low: 0.6, target: 0.7, high: 0.85\n" },
	{ "settings: {epoch: 10, batch_rows: 2000, credit: 3, slots: x, seed: -1, fuse: yes,\n"
	  "  idle: slep, partial: [1], epoc: 1}\nplugins: {a: b}\noperators: {in: {type: "
	  "source}}\n",
	  "1:19+2 settings.epoch: \"10\" is not a duration | write a duration like 20us, 100ms, "
	  "1.5s "
	  "or 5m\n"
	  "1:35+4 settings.batch_rows: \"2000\" is not a number from 1 to 1024\n"
	  "1:49+1 settings.credit: \"3\" is not a power of two from 2 to 4096\n"
	  "1:59+1 settings.slots: \"x\" is not a power of two from 64 to 65536\n"
	  "1:68+2 settings.seed: \"-1\" is not a whole number | write a number; 0 takes a random "
	  "one\n"
	  "1:78+3 settings.fuse: \"yes\" is not true or false | write true or false\n"
	  "2:9+4 settings.idle: \"slep\" is not an idle policy | did you mean \"sleep\"?\n"
	  "2:24+1 settings.partial: it takes one value, not a list\n"
	  "2:29+4 settings: unknown key \"epoc\" | did you mean \"epoch\"?\n"
	  "3:10+1 plugins: it takes a list of paths, not a mapping | write plugins: [PATH, "
	  "PATH]\n" },
	{ "operators:\n  a: {type: source, slices: 1-4}\n",
	  "2:29+3 operators.a.slices: it is a source: which slice reads what is settled when the "
	  "job "
	  "starts | write one number\n" },
	{ "operators:\n  a: {type: source, slices: 8-2}\n  b: {type: pass, input: a, slices: "
	  "1-257}\n",
	  "2:29+3 operators.a.slices: \"8-2\" is not a number from 1 to 256 | write 4 or 1-8\n"
	  "3:37+5 operators.b.slices: \"1-257\" is not a number from 1 to 256 | write 4 or 1-8\n" },
	{ "operators:\n  a: {type: source, slices: 0, lcores: 5-3, queues: 65, raet: 1, queues: "
	  "1}\n"
	  "  b: {type: source, slices: 257, lcores: [1, x], type: print}\n"
	  "  c: {type: source, slices: {a: b}, lcores: [], path: {a: b}}\n"
	  "  d: {type: source, path: [[a]]}\n",
	  "2:29+1 operators.a.slices: \"0\" is not a number from 1 to 256\n"
	  "2:40+3 operators.a.lcores: \"5-3\" is not an lcore or a range of them | write lcores: "
	  "[2, "
	  "3] or lcores: 2-5\n"
	  "2:53+2 operators.a.queues: 65 is above 64 | it may be 1 to 64\n"
	  "2:57+4 operators.a: type \"source\" has no parameter \"raet\" | did you mean \"rate\"?\n"
	  "2:66+6 operators.a.queues: it is given twice | keep one of them\n"
	  "3:29+3 operators.b.slices: \"257\" is not a number from 1 to 256\n"
	  "3:46+1 operators.b.lcores: \"x\" is not an lcore or a range of them | write lcores: [2, "
	  "3] "
	  "or lcores: 2-5\n"
	  "3:50+4 operators.b.type: it is given twice | keep one of them\n"
	  "4:29+1 operators.c.slices: it takes one value, not a mapping\n"
	  "4:45+1 operators.c.lcores: an empty list | name an lcore, or leave it out\n"
	  "4:49+4 operators.c.path: it takes one value, not a mapping | write path: VALUE\n"
	  "5:21+4 operators.d.path: it takes one value, not a list | write path: VALUE\n"
	  "5:28+1 operators.d.path: a list inside a parameter's list | write it as one text\n" },
};

/* Inputs, groupings, and what only the whole graph shows. */
static const struct bad_file bad_inputs[] = {
	{ "operators:\n"
	  "  in: {type: source}\n"
	  "  a: {type: print, input: inn}\n"
	  "  b: {type: print, input: in.late}\n"
	  "  c: {type: print, input: \"in by src, dts\"}\n"
	  "  d: {type: print, input: in buy src}\n"
	  "  e: {type: print, input: in by}\n"
	  "  f: {type: print, input: in by src dst}\n"
	  "  g: {type: print, input: in to many}\n"
	  "  h: {type: print, input: in shuffle it}\n"
	  "  i: {type: print, input: \"in, a\"}\n"
	  "  j: {type: print, input: in.}\n"
	  "  k: {type: print, input: in using}\n"
	  "  l: {type: print, input: in using magic}\n"
	  "  m: {type: print, input: }\n"
	  "  n: {type: print, inputs: []}\n"
	  "  o: {type: print, inputs: [[in]]}\n"
	  "  p: {type: print}\n",
	  "3:27+3 operators.a.input: no operator \"inn\" | did you mean \"in\"?\n"
	  "4:30+4 operators.b.input: operator \"in\" of type \"source\" has no output \"late\" | "
	  "outputs: out\n"
	  "5:39+3 operators.c.input: no column \"dts\" in what \"in\" emits | did you mean "
	  "\"dst\"?\n"
	  "6:30+7 operators.d.input: no grouping \"buy src\" | did you mean \"by\"?\n"
	  "7:32+0 operators.e.input: the name of a column is missing | write by COLUMN, or by "
	  "COLUMN, "
	  "COLUMN\n"
	  "8:37+3 operators.f.input: more stands behind column \"src\" | put a comma between two "
	  "columns\n"
	  "9:30+7 operators.g.input: no grouping \"to many\" | groupings: by COLUMN, partly by "
	  "COLUMN, "
	  "shuffle, round robin, local or shuffle, forward, to all, to one, direct by COLUMN, "
	  "using "
	  "FUNCTION\n"
	  "10:38+2 operators.h.input: more stands behind \"shuffle\" | leave it out\n"
	  "11:28+3 operators.i.input: \"in,\" cannot be the name of an operator | write several as "
	  "a "
	  "list: inputs: [a, b by x]\n"
	  "12:27+3 operators.j.input: \"in.\" names no operator's output | write OPERATOR.OUTPUT\n"
	  "13:35+0 operators.k.input: the name of a function is missing | write using FUNCTION\n"
	  "14:36+5 operators.l.input: no grouping function \"magic\" | load the plugin that has "
	  "it: "
	  "plugins: [PATH]\n"
	  "15:20+5 operators.m.input.from: it has no value | write a value behind it, or leave it "
	  "out\n"
	  "16:28+1 operators.n.inputs: an empty list | name an operator\n"
	  "17:29+1 operators.o.input: a list inside a list | write [a, b by x]\n"
	  "18:3+1 operators.p: nothing feeds input \"in\" of type \"print\" | write input: "
	  "OPERATOR\n" },
	{ "operators:\n"
	  "  in: {type: source, input: in}\n"
	  "  a: {type: print, input: {form: in}}\n"
	  "  b: {type: print, input: {from: in, policy: shed, credit: x, rate: 0}}\n"
	  "  c: {type: print, input: {from: in, credit: 3}}\n"
	  "  d: {type: print, input: {from: in, policy: throttle}}\n"
	  "  e: {type: print, input: {from: in, rate: 1k}}\n"
	  "  f: {type: print, input: {from: in, input: inn}}\n"
	  "  g: {type: join, inputs: {left: {from: in, input: right}, rigth: in}}\n"
	  "  h: {type: print, inputs: [in, in]}\n"
	  "  i: {type: print, input: [{from: [in]}]}\n",
	  "2:29+2 operators.in.input: operator \"in\" of type \"source\" has no input | leave its "
	  "input out, or choose another type\n"
	  "3:27+1 operators.a.input: \"from\" is missing | write {from: OPERATOR by COLUMN, "
	  "policy: "
	  "...}\n"
	  "3:28+4 operators.a.input: unknown key \"form\" | did you mean \"from\"?\n"
	  "4:46+4 operators.b.input: no policy \"shed\" | did you mean \"shed newest\"?\n"
	  "4:60+1 operators.b.input: credit \"x\" is not a number | write a power of two from 2 to "
	  "4096\n"
	  "4:69+1 operators.b.input: rate \"0\" is not a rate | write rows per second, like "
	  "100000, "
	  "100k or 1M\n"
	  "5:46+1 operators.c.input: credit 3 is not a power of two from 2 to 4096 | write a power "
	  "of "
	  "two, like 64\n"
	  "6:46+8 operators.d.input: policy throttle needs a rate | write rate: 100k\n"
	  "7:44+2 operators.e.input: a rate means nothing without policy throttle | write policy: "
	  "throttle beside it\n"
	  "8:45+3 operators.f.inputs.inn: operator \"f\" of type \"print\" has no input \"inn\" | "
	  "did "
	  "you mean \"in\"?\n"
	  "9:52+5 operators.g.inputs.left: the input is named before already | leave \"input\" "
	  "out\n"
	  "9:60+5 operators.g.inputs.rigth: operator \"g\" of type \"join\" has no input \"rigth\" "
	  "| "
	  "did you mean \"right\"?\n"
	  "10:33+2 operators.h.input: \"in\" feeds it twice, so every row would come twice | keep "
	  "one "
	  "of them\n"
	  "11:35+1 operators.i.input.from: it takes one value, not a list\n" },
	{ "operators:\n"
	  "  in: {type: source}\n"
	  "  keep:\n"
	  "    type: filter\n"
	  "    input: in\n"
	  "    where: \"bytes > 10 and\n"
	  "      nope == 1\"\n"
	  "  big: {type: filter, input: in, where: 'bytes > nope' }\n"
	  "  sum: {type: window_aggregate, input: in shuffle, slices: 2, window: 1s}\n"
	  "  a: {type: pass, inputs: [in, {from: b, policy: shed newest}]}\n"
	  "  b: {type: pass, input: a}\n"
	  "  c: {type: pass, inputs: [in, d]}\n"
	  "  d: {type: pass, input: c}\n"
	  "  p: {type: print, input: in by src, dst}\n",
	  "6:13+14 operators.keep.where: \"nope\" is no column | say yes\n"
	  "8:50+4 operators.big.where: \"nope\" is no column | say yes\n"
	  "9:40+10 operators.sum.input: 2 slices of type \"window_aggregate\" need their rows "
	  "grouped "
	  "by key, not \"shuffle\" | write \"in by COLUMN\", or give it one slice\n"
	  "12:32+1 operators.c: a cycle whose wires all wait would stand still: c -> d -> c | let "
	  "the "
	  "wire that leads back lose rows rather than wait: {from: d, policy: shed newest}\n"
	  "14:38+3 operators.p: type \"print\" has no parameter \"dst\" | inside {...} a comma "
	  "ends a "
	  "value: quote a text that has one, \"a, b\", or write a list, [a, b]\n" },
};

static void
expect_all(const struct bad_file *files, size_t count)
{
	size_t same = 0;

	for (size_t i = 0; i < count; i++) {
		same += has_errors("t.yaml", files[i].file, NULL, files[i].expected);
	}
	assert_int_equal(same, count);
}

static void
test_bad_yaml(void **state)
{
	(void)state;
	expect_all(bad_yaml, COUNT(bad_yaml));
}

static void
test_bad_keys(void **state)
{
	(void)state;
	expect_all(bad_keys, COUNT(bad_keys));
}

static void
test_bad_inputs(void **state)
{
	(void)state;
	expect_all(bad_inputs, COUNT(bad_inputs));
}

/* A list of `count` pieces, each preceded by `before`. */
static char *
repeat(const char *begin, const char *piece, uint32_t count, const char *end)
{
	size_t length = strlen(begin) + count * strlen(piece) + strlen(end), used = 0;
	char *text = malloc(length + 1);

	used += (size_t)sprintf(text, "%s", begin);
	for (uint32_t i = 0; i < count; i++) {
		memcpy(text + used, piece, strlen(piece));
		used += strlen(piece);
	}
	memcpy(text + used, end, strlen(end) + 1);
	return text;
}

static void
expect_first(const char *file, const char *message)
{
	load("t.yaml", file, NULL);
	assert_null(graph);
	assert_true(errors.count > 0);
	if (strstr(errors.error[0].message, message) == NULL) {
		fail_msg("\"%s\" instead of \"%s\"", errors.error[0].message, message);
	}
	unload();
}

static void
test_bounds(void **state)
{
	char *text = repeat("a: [", "x,", 70000, "x]\n");
	bool found = false;

	(void)state;
	expect_first(text, "the file has more than 65536 values");
	free(text);
	text = repeat("#", "x", 1u << 20, "\n");
	expect_first(text, "too long a file");
	free(text);
	text = repeat("", "[", 100000, "\n");
	expect_first(text, "nested deeper than 16 levels");
	free(text);
	text = repeat("", "? x\n", 3000, "\n");
	load("t.yaml", text, NULL);
	assert_string_equal(errors.error[errors.count - 1].message, "more than 256 keys");
	unload();
	free(text);
	/* A list of 2000 in each of 100 operators, by an alias: more than a topology holds. */
	text = repeat("operators:\n  a: &a {type: packet_decode, emit: &l [", "x,", 2000, "x]}\n");
	for (uint32_t i = 0; i < 100; i++) {
		char *more = malloc(strlen(text) + 20);

		sprintf(more, "%s  o%u: *a\n", text, i);
		free(text);
		text = more;
	}
	load("t.yaml", text, NULL);
	assert_null(graph);
	for (uint32_t i = 0; i < errors.count; i++) {
		found |= strncmp(errors.error[i].message, "more than 131072 values", 23) == 0;
	}
	assert_true(found);
	unload();
	free(text);
	/* Billions of them, if they were followed to the end. */
	expect_first("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
	             "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
	             "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
	             "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n"
	             "i: &i [*h,*h,*h,*h,*h,*h,*h,*h,*h]\n"
	             "operators: {x: {type: source, path: *i, y: \"${N}\"}}\n",
	             "unknown key \"a\"");
}

static void
test_plugins(void **state)
{
	static const char file[] =
	    "plugins: [one.so, /opt/two.so]\noperators: {in: {type: source}}\n";

	(void)state;
	topology = config_load_text("a/b/t.yaml", file, strlen(file), NULL, &errors);
	assert_int_equal(errors.count, 0);
	assert_int_equal(topology->plugin_count, 2);
	assert_string_equal(topology->plugin[0].text, "a/b/one.so");
	assert_string_equal(topology->plugin[1].text, "/opt/two.so");
	assert_int_equal(topology->plugin[1].place.column, 19);
	graph = NULL;
	unload();
	topology = config_load_text("t.yaml", file, strlen(file), NULL, &errors);
	assert_string_equal(topology->plugin[0].text, "./one.so");
	graph = lm_graph_check(topology, &errors);
	assert_null(graph);
	assert_int_equal(errors.count, 2);
	assert_int_equal(errors.error[0].place.column, 11);
	unload();
}

static void
test_files(void **state)
{
	char path[] = "/tmp/lodemill-config-XXXXXX";
	int file = mkstemp(path);

	(void)state;
	assert_true(file >= 0);
	assert_int_equal(write(file, top_talkers, strlen(top_talkers)), strlen(top_talkers));
	close(file);
	topology = config_load(path, NULL, &errors);
	graph = lm_graph_check(topology, &errors);
	assert_non_null(graph);
	unload();
	unlink(path);
	assert_null(config_load(path, NULL, &errors));
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.error[0].message, "cannot read it: No such file or directory");
	lm_errors_free(&errors);
	assert_null(config_load("/", NULL, &errors));
	assert_string_equal(errors.error[0].message, "cannot read it: Is a directory");
	lm_errors_free(&errors);
}

static void
expect_print(const char *file, bool colour, const char *expected)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	config_print_errors(stream, "dir/t.yaml", file, file == NULL ? 0 : strlen(file), &errors,
	                    colour);
	fclose(stream);
	assert_string_equal(text, expected);
	free(text);
	lm_errors_free(&errors);
}

static void
test_print(void **state)
{
	char *line = repeat("operators: {", "a123456789", 30, "}");

	(void)state;
	load("dir/t.yaml", "operators:\r\n\tö: \"x\r\n", NULL);
	unload();
	lm_errors_add(&errors, (struct lm_place){ 2, 5, 4 }, "do this", "no \"wörd\"");
	lm_errors_add(&errors, (struct lm_place){ 2, 10, 40 }, NULL, "too far");
	lm_errors_add(&errors, (struct lm_place){ 9, 1, 1 }, NULL, "no such line");
	lm_errors_add(&errors, (struct lm_place){ 0, 0, 0 }, "hint", "nowhere");
	expect_print("first\r\n\tä: wörd é\033[31m\r\n", false,
	             "dir/t.yaml: error: nowhere\n"
	             "  hint: hint\n"
	             "dir/t.yaml:2:5: error: no \"wörd\"\n"
	             "  \tä: wörd é?[31m\n"
	             "  \t   ^~~~\n"
	             "  hint: do this\n"
	             "dir/t.yaml:2:10: error: too far\n"
	             "  \tä: wörd é?[31m\n"
	             "  \t        ^~~~~~\n"
	             "dir/t.yaml: error: no such line\n");
	lm_errors_add(&errors, (struct lm_place){ 1, 1, 2 }, NULL, "a\033[0m");
	expect_print("ab", true,
	             "\033[1mdir/t.yaml:1:1: \033[31merror: \033[0m\033[1ma?[0m\033[0m\n"
	             "  ab\n"
	             "  \033[32m^~\033[0m\n");
	lm_errors_add(&errors, (struct lm_place){ 4, 7, 1 }, NULL, "without the text");
	expect_print(NULL, false, "dir/t.yaml:4:7: error: without the text\n");
	/* Of a long line, what is around the place. */
	lm_errors_add(&errors, (struct lm_place){ 1, 203, 10 }, NULL, "far right");
	expect_print(line, false,
	             "dir/t.yaml:1:203: error: far right\n"
	             "  ...a123456789a123456789a123456789a123456789a123456789a123456789a123456789"
	             "a123456789a123456789a123456789a123456789a123456789...\n"
	             "                                                                 "
	             "^~~~~~~~~~\n");
	free(line);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_top_talkers), cmocka_unit_test(test_json),
		cmocka_unit_test(test_inputs),      cmocka_unit_test(test_settings),
		cmocka_unit_test(test_elastic),     cmocka_unit_test(test_variables),
		cmocka_unit_test(test_aliases),     cmocka_unit_test(test_bad_yaml),
		cmocka_unit_test(test_bad_keys),    cmocka_unit_test(test_bad_inputs),
		cmocka_unit_test(test_bounds),      cmocka_unit_test(test_plugins),
		cmocka_unit_test(test_files),       cmocka_unit_test(test_print),
	};

	small_classes_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
