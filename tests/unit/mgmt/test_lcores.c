/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/lcores.c: -l, -c and --lcores as EAL 22.11 reads them; what it takes and refuses was tried.
 */
#include "mgmt/lcores.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void
check_map(enum lcores_form form, const char *text, const char *map)
{
	struct lcores lcores;
	struct lcores_problem problem;
	char out[256];

	if (lcores_parse(text, form, &lcores, &problem) != 0) {
		fail_msg("%s: %s", text, problem.message);
	}
	assert_true(lcores_map(&lcores, out, sizeof(out)));
	assert_string_equal(out, map);
}

static void
check_refused(enum lcores_form form, const char *text, uint32_t column, const char *message)
{
	struct lcores lcores;
	struct lcores_problem problem;

	assert_int_equal(lcores_parse(text, form, &lcores, &problem), -EINVAL);
	assert_string_equal(problem.message, message);
	assert_int_equal(problem.column, column);
}

static void
test_lists(void **state)
{
	(void)state;
	check_map(LCORES_LIST, "0", "0@0");
	check_map(LCORES_LIST, "0-2,5", "0@0,1@1,2@2,5@5");
	check_map(LCORES_LIST, " 5 , 1", "1@1,5@5");
	check_refused(LCORES_LIST, "", 0, "the lcore number is missing at the end");
	check_refused(LCORES_LIST, "0,", 2, "the lcore number is missing at the end");
	check_refused(LCORES_LIST, "0-", 2, "the lcore number is missing at the end");
	check_refused(LCORES_LIST, "-1", 0, "\"-\" in place of the lcore number");
	check_refused(LCORES_LIST, "2-1", 0, "2-1 goes backwards");
	check_refused(LCORES_LIST, "0,0", 2, "lcore 0 is named twice");
	check_refused(LCORES_LIST, "0-3,2", 4, "lcore 2 is named twice");
	check_refused(LCORES_LIST, "128", 0, "lcore 128 is too high: the highest is 127");
	check_refused(LCORES_LIST, "0@1", 1, "\"@\" in a list of lcores");
	check_refused(LCORES_LIST, "0 1", 2, "\"1\" is not expected there");
}

static void
test_masks(void **state)
{
	(void)state;
	check_map(LCORES_MASK, "3", "0@0,1@1");
	check_map(LCORES_MASK, "0x15", "0@0,2@2,4@4");
	check_map(LCORES_MASK, "0X8000000000000000", "63@63");
	check_refused(LCORES_MASK, "0x", 2, "not a mask");
	check_refused(LCORES_MASK, "0-1", 1, "not a mask");
	check_refused(LCORES_MASK, "0", 0, "no lcore is named");
	check_refused(LCORES_MASK, "100000000000000000000000000000000", 0,
	              "lcore 128 is too high: the highest is 127");
}

static void
test_maps(void **state)
{
	(void)state;
	check_map(LCORES_MAP, "0-1", "0@0,1@1");
	check_map(LCORES_MAP, "0@0,1@1", "0@0,1@1");
	check_map(LCORES_MAP, "5@0,2@1", "2@1,5@0");
	check_map(LCORES_MAP, "(0-3)@0", "0@0,1@0,2@0,3@0");
	check_map(LCORES_MAP, "0,(1-2)@1", "0@0,1@1,2@1");
	check_map(LCORES_MAP, "0@(0,1)", "0@(0-1)");
	/* These float: every one of them may run on all CPUs of the group. */
	check_map(LCORES_MAP, "(0,1)@(0-1)", "0@(0-1),1@(0-1)");
	check_map(LCORES_MAP, "(0,1)", "0@(0-1),1@(0-1)");
	check_map(LCORES_MAP, "0@128,1@200", "0@128,1@200");
	check_refused(LCORES_MAP, "0-1@0-1", 3, "a range of lcores before \"@\"");
	check_refused(LCORES_MAP, "0@0-1", 5, "a range of CPUs after \"@\"");
	check_refused(LCORES_MAP, "(0-1@0", 4, "a \")\" is missing");
	check_refused(LCORES_MAP, "(0-1)@0,1@1", 11, "lcore 1 is named twice");
	check_refused(LCORES_MAP, "128@0", 0, "lcore 128 is too high: the highest is 127");
	check_refused(LCORES_MAP, "0@", 2, "the CPU number is missing at the end");
	check_refused(LCORES_MAP, "0@5000", 2, "CPU 5000 is too high: the highest is 1023");
}

static void
test_located(void **state)
{
	static struct machine machine;
	struct machine_source source = { .host = { .root = "/nonexistent" },
		                         .topology = "numa:2 core:2 pu:1" };
	struct lcores lcores;
	struct lcores_problem problem;
	char text[64];
	cpu_set_t cpus;

	(void)state;
	assert_int_equal(machine_read(&machine, &source), 0);
	assert_int_equal(lcores_parse("(0-1)@0,2@(1,2),3@3", LCORES_MAP, &lcores, &problem), 0);
	lcores_locate(&lcores, &machine);
	assert_int_equal(lcores.lcore[0].node, 0);
	assert_true(lcores.lcore[0].shares_cpu);
	assert_true(lcores.lcore[1].shares_cpu);
	assert_int_equal(lcores.lcore[2].node, MACHINE_NONE);
	assert_false(lcores.lcore[2].shares_cpu);
	assert_int_equal(lcores.lcore[3].node, 1);
	assert_int_equal(lcores.main, 0);
	assert_null(lcores_find(&lcores, 4));
	assert_ptr_equal(lcores_find(&lcores, 3), &lcores.lcore[3]);
	assert_string_equal(lcores_numbers(&lcores, text, sizeof(text)), "0-3");
	lcores_cpus(&lcores, &cpus);
	assert_int_equal(cpus_count(&cpus), 4);
}

static void
test_assigned(void **state)
{
	static const uint32_t cpu[] = { 200, 7 };
	struct lcores lcores;
	char text[64];

	(void)state;
	lcores_assign(&lcores, 3, cpu, 2);
	assert_true(lcores_map(&lcores, text, sizeof(text)));
	assert_string_equal(text, "0@200,1@7,2@200");
	assert_false(lcores_map(&lcores, text, 8));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),    cmocka_unit_test(test_masks),
		cmocka_unit_test(test_maps),     cmocka_unit_test(test_located),
		cmocka_unit_test(test_assigned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
