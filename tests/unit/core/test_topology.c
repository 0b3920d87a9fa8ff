/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of core/topology.c: what is declared is kept with its place, bounds hold, errors are
 * ordered. */
#include "core/topology.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_defaults(void **state)
{
	struct lm_topology *t = lm_topology_create("count");
	const struct lm_settings *settings = lm_topology_settings(t);

	(void)state;
	assert_string_equal(t->name, "count");
	assert_int_equal(settings->epoch_ns, 1000000000);
	assert_int_equal(settings->batch_rows, LM_BATCH_ROWS);
	assert_int_equal(settings->credit, 64);
	assert_int_equal(settings->slots, 1024);
	assert_int_equal(settings->partial_ns, 20000);
	assert_int_equal(settings->seed, 0);
	assert_true(settings->fuse);
	assert_int_equal(settings->idle, LM_IDLE_SLEEP);
	lm_topology_free(t);
	lm_topology_free(NULL);
}

static void
test_operators(void **state)
{
	struct lm_topology *t = lm_topology_create("t");
	uint32_t lcores[] = { 3, 5 };
	char name[] = "source";

	(void)state;
	lm_topology_place(t, (struct lm_place){ 7, 3, 6 });
	assert_int_equal(lm_topology_operator(t, name, "generator"), 0);
	name[0] = 'X'; /* it keeps a copy */
	assert_int_equal(lm_topology_operator(t, "source", "other"), -EEXIST);
	assert_int_equal(lm_topology_operator(t, NULL, NULL), 0);
	assert_int_equal(t->operator_count, 2);
	assert_string_equal(t->op[0].name, "source");
	assert_string_equal(t->op[0].type, "generator");
	assert_int_equal(t->op[0].place.line, 7);
	assert_string_equal(t->op[1].name, "");

	lm_topology_place(t, (struct lm_place){ 8, 1, 1 });
	assert_int_equal(lm_topology_slices(t, "none", 2), -ENOENT);
	assert_int_equal(lm_topology_slices(t, "source", 0), -E2BIG);
	assert_int_equal(lm_topology_slices(t, "source", LM_SLICES_MAX + 1), -E2BIG);
	assert_int_equal(lm_topology_slices(t, "source", LM_SLICES_MAX), 0);
	assert_int_equal(t->op[0].slices, LM_SLICES_MAX);
	assert_int_equal(t->op[0].slices_place.line, 8);

	assert_int_equal(lm_topology_pin(t, "none", lcores, 2), -ENOENT);
	assert_int_equal(lm_topology_pin(t, "source", lcores, 0), -E2BIG);
	assert_int_equal(lm_topology_pin(t, "source", lcores, 2), 0);
	lcores[1] = 0;
	assert_int_equal(lm_topology_pin(t, "source", (uint32_t[]){ 9 }, 1), 0);
	assert_int_equal(t->op[0].pin_count, 1);
	assert_int_equal(t->op[0].pin[0], 9);
	lm_topology_free(t);
}

static void
test_params(void **state)
{
	struct lm_topology *t = lm_topology_create("t");
	const struct topology_param *param;

	(void)state;
	lm_topology_operator(t, "a", "x");
	assert_int_equal(lm_topology_param(t, "b", "p", "1"), -ENOENT);
	assert_int_equal(lm_topology_param(t, "a", "p", "1"), 0);
	assert_int_equal(lm_topology_param_item(t, "a", "q", "one"), 0);
	assert_int_equal(lm_topology_param_entry(t, "a", "m", "k", "v"), 0);
	lm_topology_place(t, (struct lm_place){ 2, 5, 3 });
	assert_int_equal(lm_topology_param_item(t, "a", "q", "two"), 0);
	assert_int_equal(lm_topology_param_entry(t, "a", "m", "k", "w"), 0);
	assert_int_equal(lm_topology_param(t, "a", "p", "2"), 0);

	/* The text twice is two parameters, for the check to refuse. */
	assert_int_equal(t->op[0].param_count, 4);
	param = t->op[0].param;
	assert_int_equal(param[0].shape, TOPOLOGY_TEXT);
	assert_string_equal(param[0].item[0].text, "1");
	assert_int_equal(param[1].shape, TOPOLOGY_LIST);
	assert_int_equal(param[1].item_count, 2);
	assert_string_equal(param[1].item[1].text, "two");
	assert_null(param[1].item[1].key);
	assert_int_equal(param[1].place.line, 0);
	assert_int_equal(param[1].item[1].place.line, 2);
	assert_int_equal(param[2].shape, TOPOLOGY_MAP);
	assert_string_equal(param[2].item[1].key, "k");
	assert_string_equal(param[2].item[1].text, "w");
	assert_string_equal(param[3].item[0].text, "2");
	lm_topology_free(t);
}

static void
test_bounds(void **state)
{
	struct lm_topology *t = lm_topology_create("t");
	char *text = malloc(TOPOLOGY_TEXT_MAX + 1), name[16];
	struct lm_wire wire = { .from = "a", .to = "b" };

	(void)state;
	memset(text, 'x', TOPOLOGY_TEXT_MAX);
	text[TOPOLOGY_TEXT_MAX] = '\0';
	for (uint32_t i = 0; i < LM_OPERATORS_MAX; i++) {
		snprintf(name, sizeof(name), "o%u", i);
		assert_int_equal(lm_topology_operator(t, name, "x"), 0);
	}
	assert_int_equal(lm_topology_operator(t, "more", "x"), -E2BIG);
	for (uint32_t i = 0; i < LM_WIRES_MAX; i++) {
		assert_int_equal(lm_topology_wire(t, &wire), 0);
	}
	assert_int_equal(lm_topology_wire(t, &wire), -E2BIG);
	assert_int_equal(lm_topology_param(t, "o0", "p", text), -E2BIG);
	assert_int_equal(t->op[0].param_count, 0); /* not half of it */
	assert_int_equal(lm_topology_param(t, "o0", text, "v"), -E2BIG);
	for (uint32_t i = 0; i < TOPOLOGY_ITEMS_MAX; i++) {
		assert_int_equal(lm_topology_param_item(t, "o0", "p", "v"), 0);
	}
	assert_int_equal(lm_topology_param_item(t, "o0", "p", "v"), -E2BIG);
	for (uint32_t i = 1; i < TOPOLOGY_PARAMS_MAX; i++) {
		assert_int_equal(lm_topology_param(t, "o0", "q", "v"), 0);
	}
	assert_int_equal(lm_topology_param(t, "o0", "q", "v"), -E2BIG);
	assert_int_equal(lm_topology_plugin(t, text), -E2BIG);
	for (uint32_t i = 0; i < TOPOLOGY_PLUGINS_MAX; i++) {
		assert_int_equal(lm_topology_plugin(t, "x.so"), 0);
	}
	assert_int_equal(lm_topology_plugin(t, "x.so"), -E2BIG);
	assert_int_equal(lm_topology_file(t, "a.yaml"), 0);
	assert_int_equal(lm_topology_file(t, "b.yaml"), 0);
	assert_string_equal(t->file, "b.yaml");
	lm_topology_free(t);
	free(text);
}

static void
test_wires(void **state)
{
	struct lm_topology *t = lm_topology_create("t");
	char column[] = "src";
	struct lm_wire wire = { .from = "a",
		                .to = "b",
		                .grouping = LM_GROUP_KEY,
		                .columns = { column, "dst" },
		                .credit = 8 };

	(void)state;
	lm_topology_place(t, (struct lm_place){ 4, 2, 1 });
	assert_int_equal(lm_topology_wire(t, &wire), 0);
	column[0] = 'X';
	assert_string_equal(t->wire[0].wire.columns[0], "src");
	assert_string_equal(t->wire[0].wire.columns[1], "dst");
	assert_null(t->wire[0].wire.columns[2]);
	assert_null(t->wire[0].wire.output);
	assert_int_equal(t->wire[0].wire.credit, 8);
	assert_int_equal(t->wire[0].column_place[1].line, 4);
	assert_int_equal(lm_topology_wire(t, &(struct lm_wire){ 0 }), 0);
	assert_string_equal(t->wire[1].wire.from, "");
	lm_topology_free(t);
}

static struct lm_place
at(uint32_t line, uint32_t column)
{
	return (struct lm_place){ line, column, 1 };
}

static void
test_errors_order(void **state)
{
	struct lm_errors errors = { 0 };
	static const char *const order[] = { "nowhere", "first",       "second",
		                             "third",   "third again", "last" };

	(void)state;
	lm_errors_add(&errors, at(3, 5), NULL, "%s", "third");
	lm_errors_add(&errors, at(1, 1), "do this", "first");
	lm_errors_add(&errors, at(9, 1), NULL, "last");
	lm_errors_add(&errors, at(3, 5), NULL, "third again");
	lm_errors_add(&errors, at(3, 2), NULL, "second");
	lm_errors_add(&errors, at(0, 0), NULL, "nowhere");
	lm_errors_add(&errors, at(3, 5), NULL, "third"); /* said before */
	assert_int_equal(errors.count, 6);
	for (uint32_t i = 0; i < 6; i++) {
		assert_string_equal(errors.error[i].message, order[i]);
	}
	assert_string_equal(errors.error[1].hint, "do this");
	assert_string_equal(errors.error[2].hint, "");
	lm_errors_free(&errors);
	assert_int_equal(errors.count, 0);
	assert_null(errors.error);
}

static void
test_errors_bounds(void **state)
{
	struct lm_errors errors = { 0 };
	char longer[600];

	(void)state;
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	memcpy(&longer[235], "\xe2\x82\xac\xe2\x82\xac", 6); /* two characters of three bytes */
	lm_errors_add(&errors, at(1, 1), longer, "%s", longer);
	assert_int_equal(strlen(errors.error[0].message), 235 + 3);
	assert_string_equal(&errors.error[0].message[235], "...");
	assert_string_equal(&errors.error[0].hint[235], "...");
	for (uint32_t i = 0; i < 3000; i++) {
		lm_errors_add(&errors, at(2, i), NULL, "error %u", i);
	}
	assert_int_equal(errors.count, 1001);
	assert_string_equal(errors.error[1000].message, "more than 1000 errors");
	lm_errors_free(&errors);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),      cmocka_unit_test(test_operators),
		cmocka_unit_test(test_params),        cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_wires),         cmocka_unit_test(test_errors_order),
		cmocka_unit_test(test_errors_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
