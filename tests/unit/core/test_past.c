/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * core/past.c: code comes and goes while an engine runs, and nothing is left of it. With the shared
 * objects of plugin_sample.c, as test_plugin.c. LODEMILL_CYCLES says how often (default 60).
 */
#include "core/past.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/change_diff.h"
#include "core/plugin.h"
#include "core/registry.h"
#include "tests/unit/core/engine_rig.h"
#include "tests/unit/core/plugin_samples.h"

/* Cycles until all that comes to be once is there; what may come to be behind that. */
#define CYCLES_FIRST 30u
#define PAGES_MORE 512
#define HEAP_MORE (64u << 10)

#if defined(__SANITIZE_ADDRESS__)
size_t __sanitizer_get_current_allocated_bytes(void);
#define heap_bytes() __sanitizer_get_current_allocated_bytes()
/* It remembers every object that ever was: some hundred bytes for each, of its own. */
#define IS_RESIDENT_FLAT 0
/* What is freed is not kept back for long: else memory grows for a while. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64";
}
#else
#define heap_bytes() ((size_t)mallinfo2().uordblks)
#define IS_RESIDENT_FLAT 1
#endif

static struct rig rig;
static struct lm_errors errors;
static struct lm_topology *now; /* that runs */

/* in -> pass, of a plugin -> out. */
static void
declare(struct lm_topology *topology, const char *plugin, const char *type)
{
	lm_topology_plugin(topology, plugin);
	lm_topology_operator(topology, "in", "rig_source");
	lm_topology_operator(topology, "pass", type);
	lm_topology_operator(topology, "out", "rig_sink");
	lm_topology_wire(topology, &(struct lm_wire){ .from = "in", .to = "pass" });
	lm_topology_wire(topology, &(struct lm_wire){ .from = "pass", .to = "out" });
}

static void
begin(const char *plugin)
{
	rig_begin(&rig);
	declare(rig.topology, plugin, "sample_one");
	rig_build(&rig, 1);
	rig_log_rows(false);
	now = rig.topology;
}

static void
rounds(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		engine_tick(rig.engine);
		rig_rounds(&rig, 1);
	}
	engine_tick(rig.engine);
}

static void
feed(uint64_t rows)
{
	rig_feed(&rig, "in", 0)->until += rows;
}

/* Goes over to a topology, which is `now` from then on; the one before is freed. */
static void
go_over(struct lm_topology *to)
{
	static struct change_diff diff;
	struct change_ask ask = { .kept = diff.kept, .heir_of = diff.heir_of };
	struct change_side was = { now, rig.engine->graph }, is = { to, NULL };

	*lm_topology_settings(to) = *rig.settings;
	ask.graph = lm_graph_check(to, &errors);
	if (ask.graph == NULL) {
		fail_msg("%s", errors.error[0].message);
	}
	is.graph = ask.graph;
	change_compare(&was, &is, &diff);
	assert_int_not_equal(engine_change(rig.engine, &ask, &errors), 0);
	rounds(8);
	assert_null(rig.engine->change);
	assert_int_equal(rig.engine->changed.result, CHANGE_DONE);
	if (now != rig.topology) {
		lm_topology_free(now);
	}
	now = to;
}

static void
go_over_to(const char *plugin, const char *type)
{
	struct lm_topology *to = lm_topology_create("rig");

	declare(to, plugin, type);
	go_over(to);
}

static void
finish(void)
{
	rig_feed(&rig, "in", 0)->end = true;
	rounds(50);
	assert_true(engine_has_ended(rig.engine));
	assert_string_equal(rig_audit(&rig), "");
	if (now != rig.topology) {
		lm_topology_free(now);
	}
	rig_end(&rig);
	assert_int_equal(plugin_count().loaded, 0);
}

/* Code goes with the change behind which nobody uses it: that of the first graph, too. */
static void
test_goes(void **state)
{
	(void)state;
	begin(sample("good"));
	feed(20);
	rounds(3);
	assert_int_equal(plugin_count().loaded, 1);
	go_over_to(sample("newer"), "sample_one");
	assert_int_equal(plugin_count().loaded, 1);
	assert_string_equal(rig.engine->slice[1]->class->version, "1.1");
	/* Of the first graph the source is left, and the sink. */
	assert_non_null(rig.graph->op[0].class);
	assert_null(rig.graph->op[1].class);
	assert_int_equal(rig.graph->plugin_count, 0);
	/* Other slices of the same code: it stays. */
	assert_int_not_equal(engine_rescale(rig.engine, 1, 1, NULL, &errors), 1);
	lm_errors_free(&errors);
	/* The same content under another type: the file is the same, the class is not. */
	go_over_to(sample("newer"), "sample_two");
	assert_int_equal(plugin_count().loaded, 1);
	/* Nobody names it any more. */
	go_over_to(sample("other"), "rig_pass");
	assert_int_equal(plugin_count().loaded, 1);
	feed(20);
	rounds(5);
	assert_int_equal(rig_rows(&rig, "out", 0), 40);
	finish();
}

/* What may come back stays whole, until it may not. */
static void
test_may_come_back(void **state)
{
	(void)state;
	begin(sample("good"));
	past_keep(rig.engine, rig.graph);
	go_over_to(sample("newer"), "sample_one");
	assert_int_equal(plugin_count().loaded, 2);
	assert_non_null(rig.graph->op[1].class);
	past_keep(rig.engine, NULL);
	rounds(1);
	assert_int_equal(plugin_count().loaded, 1);
	finish();
}

/* A kept operator needs its code, though the graph in which it came is long gone. */
static void
test_stays(void **state)
{
	(void)state;
	begin(sample("good"));
	for (uint32_t i = 0; i < 5; i++) {
		struct lm_topology *to = lm_topology_create("rig");

		declare(to, sample("good"), "sample_one");
		if (i % 2 == 0) {
			lm_topology_operator(to, "more", "rig_sink");
			lm_topology_wire(to, &(struct lm_wire){ .from = "pass", .to = "more" });
		}
		go_over(to);
		feed(10);
		rounds(5);
		assert_int_equal(plugin_count().loaded, 1);
		/* Of what came between nothing is needed but what runs. */
		assert_true(rig.engine->past_count <= 1);
	}
	assert_int_equal(rig_rows(&rig, "out", 0), 50);
	finish();
}

/* ---- frames ---- */

static struct lm_batch *held;

static void
holder_process(struct lm_op *op, const struct lm_batch *in)
{
	if (held == NULL) {
		held = (struct lm_batch *)(uintptr_t)in;
		batch_retain(held);
	}
	lm_op_absorb(op, in->count);
}

static const char *const holder_inputs[] = { "in", NULL };
static const struct lm_op_class holder_class = { .abi_version = LM_ABI_VERSION,
	                                         .name = "rig_holder",
	                                         .inputs = holder_inputs,
	                                         .rows = LM_ROWS_ABSORB,
	                                         .process = holder_process };

static void
declare_frames(struct lm_topology *topology, const char *plugin)
{
	lm_topology_plugin(topology, plugin);
	lm_topology_operator(topology, "frames", "sample_frames");
	lm_topology_operator(topology, "out", "rig_holder");
	lm_topology_wire(topology, &(struct lm_wire){ .from = "frames", .to = "out" });
}

/* Frames that only a plugin's code can give back are out: it is not unloaded before they are. */
static void
test_frames(void **state)
{
	struct lm_topology *to = lm_topology_create("rig");

	(void)state;
	rig_begin(&rig);
	declare_frames(rig.topology, sample("frames"));
	rig_build(&rig, 1);
	now = rig.topology;
	held = NULL;
	rounds(5);
	assert_non_null(held);
	declare_frames(to, sample("frames_too"));
	go_over(to);
	rounds(20);
	assert_int_equal(plugin_count().loaded, 2);
	assert_true(rig.engine->past_waits);
	batch_release(held, 0);
	rounds(1);
	assert_int_equal(plugin_count().loaded, 1);
	assert_false(rig.engine->past_waits);
	lm_engine_stop(rig.engine);
	rounds(50);
	assert_string_equal(rig_audit(&rig), "");
	lm_topology_free(now);
	rig_end(&rig);
	assert_int_equal(plugin_count().loaded, 0);
}

/* ---- again and again ---- */

static long
pages(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long all = 0, resident = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%ld %ld", &all, &resident), 2);
	fclose(file);
	return resident;
}

/* A file of its own content in each cycle: something behind the end of an object changes nothing
 * else. */
static const char *
built_anew(const char *name, uint32_t cycle)
{
	static char path[600];
	FILE *from = fopen(sample(name), "rb"), *to;
	static char bytes[1 << 18];
	size_t size;

	assert_non_null(from);
	size = fread(bytes, 1, sizeof(bytes), from);
	fclose(from);
	assert_true(size < sizeof(bytes));
	snprintf(path, sizeof(path), "%.500s/plugin_anew_%d.so", getenv("LODEMILL_TEST_PLUGINS"),
	         (int)getpid());
	to = fopen(path, "wb");
	assert_non_null(to);
	fwrite(bytes, 1, size, to);
	fwrite(&cycle, sizeof(cycle), 1, to);
	fclose(to);
	return path;
}

/* What is refused leaves nothing either. */
static void
refuse_one(uint32_t cycle)
{
	static const char *const bad[] = { "malformed", "twice", "needy", "minor" };
	struct lm_topology *topology = lm_topology_create("rig");

	declare(topology, sample(bad[cycle % 4]), "sample_one");
	assert_null(lm_graph_check(topology, &errors));
	assert_true(errors.count > 0);
	lm_errors_free(&errors);
	lm_topology_free(topology);
}

/* Load, update, unload: memory stands still, and the files that are open. */
static void
test_cycles(void **state)
{
	const char *asked = getenv("LODEMILL_CYCLES");
	uint32_t cycles = asked == NULL ? 60 : (uint32_t)strtoul(asked, NULL, 10);
	long first_pages = 0;
	size_t first_memory = 0, first_heap = 0;
	int first_file = 0;

	(void)state;
	begin(sample("good"));
	for (uint32_t i = 0; i < cycles; i++) {
		const char *path = built_anew(i % 2 == 0 ? "newer" : "good", i);
		int file;

		go_over_to(path, "sample_one");
		remove(path);
		refuse_one(i);
		feed(10);
		rounds(4);
		assert_int_equal(plugin_count().loaded, 1);
		assert_true(rig.engine->past_count <= 2);
		file = dup(0);
		close(file);
		if (i == CYCLES_FIRST) {
			first_pages = pages();
			first_memory = sim_memory();
			first_heap = heap_bytes();
			first_file = file;
		} else if (i > CYCLES_FIRST) {
			assert_int_equal(sim_memory(), first_memory);
			assert_true(file <= first_file + 1);
		}
	}
	assert_int_equal(rig_rows(&rig, "out", 0), 10 * cycles);
	print_message("# %u cycles: %ld pages and %ld bytes of heap more\n", cycles,
	              pages() - first_pages, (long)(heap_bytes() - first_heap));
	if (cycles > CYCLES_FIRST) {
		assert_true((long)(heap_bytes() - first_heap) < (long)HEAP_MORE);
		assert_true(!IS_RESIDENT_FLAT || pages() - first_pages < PAGES_MORE);
	}
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes),   cmocka_unit_test(test_may_come_back),
		cmocka_unit_test(test_stays),  cmocka_unit_test(test_frames),
		cmocka_unit_test(test_cycles),
	};
	const char *why;

	rig_classes_register();
	if (registry_add(&holder_class, &why) != 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
