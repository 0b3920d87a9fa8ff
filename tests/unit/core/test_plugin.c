/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of core/plugin.c with the shared objects of plugin_sample.c, in the folder that the
 * environment variable LODEMILL_TEST_PLUGINS names; without it they are skipped.
 */
#include "core/plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/registry.h"

static const struct lm_place place = { 3, 11, 4 };

static const char *
sample(const char *name)
{
	static char path[600];
	const char *folder = getenv("LODEMILL_TEST_PLUGINS");

	if (folder == NULL) {
		skip();
	}
	snprintf(path, sizeof(path), "%.500s/plugin_%s.so", folder, name);
	return path;
}

static void
test_count(void **state)
{
	struct lm_errors errors = { 0 };
	struct plugin *once = plugin_load(sample("good"), place, &errors);
	struct plugin *again = plugin_load(sample("good"), place, &errors);
	const struct lm_op_class *class;

	(void)state;
	assert_int_equal(errors.count, 0);
	assert_non_null(once);
	assert_ptr_equal(once, again);
	class = registry_find("sample_one");
	assert_non_null(class);
	assert_non_null(registry_find("sample_two"));
	assert_non_null(registry_find_grouping("sample_turns"));
	plugin_release(once);
	assert_ptr_equal(registry_find("sample_one"), class);
	plugin_release(again);
	assert_null(registry_find("sample_one"));
	assert_null(registry_find("sample_two"));
	assert_null(registry_find_grouping("sample_turns"));
	plugin_release(NULL);
}

static void
test_two(void **state)
{
	struct lm_errors errors = { 0 };
	struct plugin *good = plugin_load(sample("good"), place, &errors);
	struct plugin *other = plugin_load(sample("other"), place, &errors);

	(void)state;
	assert_int_equal(errors.count, 0);
	plugin_release(good);
	assert_null(registry_find("sample_one"));
	assert_non_null(registry_find("sample_other"));
	plugin_release(other);
	assert_null(registry_find("sample_other"));
}

/* Loading fails with one error that holds these words; nothing of the plugin stays. */
static void
refused(const char *path, const char *message, const char *hint)
{
	struct lm_errors errors = { 0 };

	assert_null(plugin_load(path, place, &errors));
	assert_int_equal(errors.count, 1);
	assert_int_equal(errors.error[0].place.line, place.line);
	if (strstr(errors.error[0].message, message) == NULL ||
	    strstr(errors.error[0].hint, hint) == NULL) {
		fail_msg("\"%s\" (%s)", errors.error[0].message, errors.error[0].hint);
	}
	assert_null(registry_find("sample_one"));
	assert_null(registry_find("sample_free"));
	assert_null(registry_at(0));
	lm_errors_free(&errors);
}

static void
test_refused(void **state)
{
	(void)state;
	refused(sample("none"), "cannot load plugin", "check the path");
	refused(sample("none"), "No such file", "check the path");
	refused("", "without a path", "name a shared object");
	refused(sample("entryless"), "has no function lm_plugin_class", "must export");
	refused(sample("major"), "is of ABI 2.0, this engine has 1.3", "build it again");
	refused(sample("minor"), "is of ABI 1.10, this engine has 1.3", "newer engine");
	refused(sample("endless"), "more than 64 classes", "must return NULL");
	refused(sample("empty"), "has no class", "must return its first class");
	refused(sample("malformed"), "class 1: with inputs it needs process", "repair");
}

static void
test_taken(void **state)
{
	struct lm_errors errors = { 0 };
	struct plugin *good = plugin_load(sample("good"), place, &errors);
	const char *end;

	(void)state;
	assert_non_null(good);
	assert_null(plugin_load(sample("taken"), place, &errors));
	assert_int_equal(errors.count, 1);
	end = strstr(errors.error[0].message, "class 1: there is already an operator type ");
	assert_non_null(end);
	/* The class before it went again, the one that was there stays. */
	assert_null(registry_find("sample_free"));
	assert_non_null(registry_find("sample_two"));
	plugin_release(good);
	lm_errors_free(&errors);
}

static void
test_graph(void **state)
{
	struct lm_topology *topology = lm_topology_create("t");
	struct lm_errors errors = { 0 };

	(void)state;
	lm_topology_plugin(topology, sample("good"));
	lm_topology_operator(topology, "a", "sample_one");
	lm_topology_wire(topology, &(struct lm_wire){ .from = "a", .to = "a" });
	/* The type is known; what is wrong is the cycle. The plugin is unloaded with the graph. */
	assert_null(lm_graph_check(topology, &errors));
	assert_int_equal(errors.count, 1);
	assert_non_null(strstr(errors.error[0].message, "a -> a"));
	assert_null(registry_find("sample_one"));
	lm_errors_free(&errors);
	lm_topology_free(topology);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),   cmocka_unit_test(test_two),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_taken),
		cmocka_unit_test(test_graph),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
