/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/carry_diff.c: what a topology would change, in words, and what may not be changed. */
#include "mgmt/carry_struct.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/graph.h"
#include "core/slice.h"

enum { OPERATORS = 40 };

static const struct lm_op_class plain = { .name = "plain" };
static const struct lm_op_class other = { .name = "other" };

/* A running job and what is to come: operators of `plain` with a slice each, all kept. */
struct fixture {
	char name[OPERATORS][32];
	struct graph_operator op[2][OPERATORS];
	struct lm_graph graph[2];
	struct lm_topology topology[2];
	struct lm_op slice[OPERATORS];
	struct lm_op *slices[OPERATORS];
	struct lm_engine engine;
	struct carry carry;
	struct change_side was, is;
	struct change_diff diff;
	struct manager_report report;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	for (uint32_t i = 0; i < OPERATORS; i++) {
		snprintf(f->name[i], sizeof(f->name[i]), "an_operator_with_a_long_name_%u", i);
		for (int side = 0; side < 2; side++) {
			f->op[side][i] = (struct graph_operator){
				.name = f->name[i], .class = &plain, .slices = 1, .first_slice = i
			};
		}
		f->slices[i] = &f->slice[i];
		f->diff.item[i] = (struct change_item){ .kind = CHANGE_KEPT, .was = i, .is = i };
		f->diff.heir_of[i] = f->diff.kept[i] = i;
	}
	for (int side = 0; side < 2; side++) {
		f->graph[side] = (struct lm_graph){ .name = f->name[0],
			                            .settings.epoch_ns = 1,
			                            .op = f->op[side],
			                            .operator_count = OPERATORS };
	}
	f->diff.count = OPERATORS;
	f->engine = (struct lm_engine){ .graph = &f->graph[0], .slice = f->slices };
	f->carry.engine = &f->engine;
	f->was = (struct change_side){ &f->topology[0], &f->graph[0] };
	f->is = (struct change_side){ &f->topology[1], &f->graph[1] };
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	free(*state);
	return 0;
}

static bool
allows(struct fixture *f)
{
	f->report = (struct manager_report){ 0 };
	return diff_allows(&f->carry, &f->was, &f->is, &f->diff, &f->report);
}

static void
refuses(struct fixture *f, const char *why)
{
	assert_false(allows(f));
	assert_true(f->report.has_failed);
	assert_non_null(strstr(f->report.reason, why));
}

static void
test_in_words(void **state)
{
	struct fixture *f = *state;
	char text[MANAGER_REASON];

	f->diff.count = 3;
	assert_false(diff_describe(&f->was, &f->is, &f->diff, text));
	assert_string_equal(text, "nothing differs");
	f->diff.wires_added = 2;
	assert_true(diff_describe(&f->was, &f->is, &f->diff, text));
	assert_string_equal(text, "wires: 2 added, 0 removed; 3 kept as they are");
	f->diff.item[0].kind = CHANGE_RESIZED;
	f->op[1][0].slices = 4;
	f->diff.item[1].kind = CHANGE_REPLACED;
	snprintf(f->diff.item[1].why, sizeof(f->diff.item[1].why), "slots were 1, are 2");
	f->diff.item[2] = (struct change_item){ .kind = CHANGE_ADDED, .was = LM_NONE, .is = 2 };
	f->diff.item[3] = (struct change_item){ .kind = CHANGE_REMOVED, .was = 3, .is = LM_NONE };
	f->diff.count = 4;
	for (uint32_t i = 0; i < 4; i++) {
		snprintf(f->name[i], sizeof(f->name[i]), "%c", 'a' + (int)i);
	}
	assert_true(diff_describe(&f->was, &f->is, &f->diff, text));
	assert_string_equal(text,
	                    "a: 1 to 4 slices; b: replaced, slots were 1, are 2; c: added; d: "
	                    "removed; wires: 2 added, 0 removed; 0 kept as they are");
}

/* What there is no room for is counted. */
static void
test_more_than_fits(void **state)
{
	struct fixture *f = *state;
	char text[MANAGER_REASON];
	uint32_t shown = 0, more;

	f->diff.wires_added = f->diff.wires_removed = LM_WIRES_MAX;
	for (uint32_t i = 0; i < OPERATORS; i++) {
		f->diff.item[i].kind = CHANGE_ADDED;
	}
	assert_true(diff_describe(&f->was, &f->is, &f->diff, text));
	for (const char *at = text; (at = strstr(at, ": added; ")) != NULL; at++) {
		shown++;
	}
	assert_int_equal(sscanf(strstr(text, "and "), "and %u more; wires: 1024 added", &more), 1);
	assert_int_equal(shown + more, OPERATORS);
	assert_non_null(strstr(text, "0 kept as they are"));
}

static void
test_what_stays(void **state)
{
	struct fixture *f = *state;
	struct graph_wire back = { .from = 1, .to = 0, .feedback = true };
	int snapshots;

	assert_true(allows(f));
	f->graph[1].name = f->name[1];
	refuses(f, "the name of a job stays");
	f->graph[1].name = f->name[0];
	f->topology[1].state.keep = 3;
	refuses(f, "state cannot change");
	f->topology[1].state.keep = 0;
	f->topology[0].state.folder = "a";
	refuses(f, "state cannot change");
	f->topology[1].state.folder = "a";
	assert_true(allows(f));
	f->diff.settings_differ = true;
	snprintf(f->diff.why, sizeof(f->diff.why), "settings.seed");
	refuses(f, "settings.seed");
	f->diff.settings_differ = false;
	f->graph[1].wire = &back;
	f->graph[1].wire_count = 1;
	f->graph[1].settings.epoch_ns = 0;
	assert_true(allows(f));
	f->carry.snapshots = (void *)&snapshots; /* only looked for */
	refuses(f, "settings.epoch cannot be 0");
	f->graph[1].settings.epoch_ns = 1;
	refuses(f, "closes a cycle");
}

/* State goes only where it is said to go. */
static void
test_state(void **state)
{
	struct fixture *f = *state;
	char *drop = f->carry.action.args.drop_state;

	f->diff.item[1].kind = f->diff.item[12].kind = CHANGE_REPLACED;
	f->op[1][12].class = &other;
	assert_true(allows(f));
	assert_int_equal(f->diff.heir_of[1], 1);        /* it counts on */
	assert_int_equal(f->diff.heir_of[12], LM_NONE); /* it counts other things */
	f->slice[1].state.space = (void *)f;            /* only looked for */
	refuses(f, "its state would be lost");
	strcpy(drop, f->name[12]);
	refuses(f, "its state would be lost");
	snprintf(drop, MANAGER_WHAT, "%s,%s", f->name[12], f->name[1]);
	assert_true(allows(f));
	assert_int_equal(f->diff.heir_of[1], LM_NONE);
	/* A name that is none of those is a mistake, and so is the beginning of one. */
	snprintf(drop, MANAGER_WHAT, "%s,%s", f->name[1], f->name[2]);
	refuses(f, "no operator of that name is replaced");
	snprintf(drop, MANAGER_WHAT, "%.10s", f->name[1]);
	refuses(f, "no operator of that name is replaced");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_in_words),
		TEST(test_more_than_fits),
		TEST(test_what_stays),
		TEST(test_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
