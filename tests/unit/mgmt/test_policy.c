/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/policy.c, policy_pack.c, load.c: pictures of a load in, plans out. */
#include "mgmt/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mgmt/policy_pack.h"

#define SLICES_MAX 64u
#define LOOK_NS 100000000

/* source -> work -> out: one source, `work` slices that work, one sink, on up to 16 lcores. */
struct fixture {
	struct load load;
	struct plan plan;
	struct policy_memory memory;
	struct lm_elastic rules;
};

enum { OP_SOURCE, OP_WORK, OP_OUT };

static int
setup(void **state)
{
	static const char *const names[] = { "source", "work", "out" };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(load_init(&f->load, SLICES_MAX, 3, 2), 0);
	assert_int_equal(plan_init(&f->plan, SLICES_MAX), 0);
	for (uint32_t i = 0; i < 3; i++) {
		f->load.op[i].name = names[i];
		f->load.op[i].slices = 1;
	}
	f->load.wire[0] = (struct load_wire){ .from = OP_SOURCE, .to = OP_WORK };
	f->load.wire[1] = (struct load_wire){ .from = OP_WORK, .to = OP_OUT };
	f->load.worker_count = 16;
	f->load.seconds = 0.1;
	f->load.now_ns = 1000000000;
	f->rules = (struct lm_elastic){ .policy = LM_ELASTIC_MODEL,
		                        .lcores_min = 1,
		                        .high = 0.85,
		                        .low = 0.6,
		                        .target = 0.7,
		                        .gain = 0.05,
		                        .interval_ns = LOOK_NS,
		                        .guard_ns = 400000000,
		                        .hold = 2,
		                        .moves = 8 };
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	load_free(&f->load);
	plan_free(&f->plan);
	free(f);
	return 0;
}

/* A source that sends `rows` a second and would send `offered`, and `count` slices that share them,
 * each busy for `busy`; all on lcore 0. */
static void
make_load(struct fixture *f, uint32_t count, double busy, double rows, double offered)
{
	f->load.slice_count = count + 1;
	f->load.op[OP_WORK].slices = count;
	f->load.slice[0] = (struct load_slice){ .op = OP_SOURCE,
		                                .is_source = true,
		                                .busy = 0.01,
		                                .rows = rows,
		                                .offered = offered,
		                                .true_rate = rows / 0.01 };
	for (uint32_t i = 1; i <= count; i++) {
		f->load.slice[i] = (struct load_slice){ .slice = i,
			                                .op = OP_WORK,
			                                .busy = busy,
			                                .rows = rows / count,
			                                .offered = rows / count,
			                                .true_rate = rows / count / busy };
	}
	f->load.op[OP_SOURCE].rows_out = rows;
	f->load.op[OP_WORK].rows_in = f->load.op[OP_WORK].rows_out = rows;
	f->load.op[OP_OUT].rows_in = rows;
	load_spread(&f->load);
}

static void
look(struct fixture *f)
{
	policy_plan(&f->rules, &f->load, &f->memory, &f->plan);
	f->load.now_ns += LOOK_NS;
}

/* Slices go where the plan says. */
static void
carry_out(struct fixture *f)
{
	for (uint32_t m = 0; m < f->plan.move_count; m++) {
		struct load_slice *slice = &f->load.slice[f->plan.move[m].slice];

		assert_int_equal(slice->worker, f->plan.move[m].from);
		assert_false(slice->is_fixed);
		slice->worker = f->plan.move[m].to;
	}
	policy_changed(&f->memory, f->load.now_ns);
}

static double
on_worker(const struct fixture *f, uint32_t worker)
{
	double sum = 0;

	for (uint32_t i = 0; i < f->load.slice_count; i++) {
		sum += f->load.slice[i].worker == worker ? load_demand(&f->load, &f->load.slice[i])
		                                         : 0;
	}
	return sum;
}

/* What sources want reaches every operator behind them, by the rows that each sends. */
static void
test_spread(void **state)
{
	struct fixture *f = *state;

	make_load(f, 10, 0.05, 1000, 4000);
	assert_true(f->load.op[OP_SOURCE].factor > 3.99 && f->load.op[OP_SOURCE].factor < 4.01);
	assert_true(f->load.op[OP_OUT].factor > 3.99 && f->load.op[OP_OUT].factor < 4.01);
	assert_true(load_demand(&f->load, &f->load.slice[1]) > 0.199);
	assert_true(load_demand(&f->load, &f->load.slice[1]) < 0.201);
	/* A sender that wants no more counts by its share. */
	f->load.wire[1] = (struct load_wire){ .from = OP_OUT, .to = OP_WORK };
	f->load.op[OP_OUT].rows_out = 3000;
	f->load.op[OP_OUT].factor = 1;
	load_spread(&f->load);
	assert_true(f->load.op[OP_WORK].factor > 1.7 && f->load.op[OP_WORK].factor < 1.8);
}

/* The model needs one step; the number is that at which each has the target at most. */
static void
test_model_grows(void **state)
{
	struct fixture *f = *state;

	make_load(f, 40, 0.02, 1000, 8000);
	look(f);
	assert_int_equal(f->plan.verdict, PLAN_WAITING);
	assert_int_equal(f->plan.move_count, 0);
	look(f);
	assert_int_equal(f->plan.verdict, PLAN_GROWING);
	/* Four of 0.16 on each; with one more for the source they would be below `low`. */
	assert_int_equal(f->plan.lcores_wanted, 10);
	carry_out(f);
	assert_int_equal(pack_used(&f->load), 10);
	for (uint32_t w = 0; w < 10; w++) {
		assert_true(on_worker(f, w) < 0.75);
	}
	look(f);
	assert_int_equal(f->plan.verdict, PLAN_WAITING); /* the guard */
	assert_non_null(strstr(f->plan.why, "guard"));
	for (uint32_t i = 0; i < 20; i++) {
		look(f);
		assert_int_equal(f->plan.move_count, 0);
	}
	assert_int_equal(f->plan.verdict, PLAN_STEADY);
}

/* Threshold sees a full lcore, not what is behind it. */
static void
test_threshold_grows(void **state)
{
	struct fixture *f = *state;

	f->rules.policy = LM_ELASTIC_THRESHOLD;
	make_load(f, 40, 0.024, 1000, 8000);
	look(f);
	look(f);
	assert_int_equal(f->plan.verdict, PLAN_GROWING);
	assert_int_equal(f->plan.lcores_wanted, 2);
	carry_out(f);
	assert_true(on_worker(f, 0) > 0);
	assert_int_equal(pack_used(&f->load), 2);
}

/* Lcores go back when the rest stays below the target, slowly, with as few moves as do. */
static void
test_gives_back(void **state)
{
	struct fixture *f = *state;

	make_load(f, 12, 0.1, 1000, 1000);
	for (uint32_t i = 0; i < 13; i++) {
		f->load.slice[i].worker = i % 4;
	}
	for (uint32_t i = 0; i < 5; i++) {
		look(f);
		assert_int_equal(f->plan.verdict, PLAN_WAITING);
	}
	look(f);
	assert_int_equal(f->plan.verdict, PLAN_GIVING);
	assert_int_equal(f->plan.lcores_wanted, 2);
	/* Those of two lcores, and no others. */
	assert_true(f->plan.move_count <= 7);
	carry_out(f);
	assert_int_equal(pack_used(&f->load), 2);
	for (uint32_t i = 0; i < 20; i++) {
		look(f);
		assert_int_equal(f->plan.move_count, 0);
	}
}

/* As long as sources are behind, lcores do not rest for want of load. */
static void
test_behind(void **state)
{
	struct fixture *f = *state;

	f->rules.policy = LM_ELASTIC_THRESHOLD;
	make_load(f, 12, 0.1, 1000, 1500);
	for (uint32_t i = 0; i < 13; i++) {
		f->load.slice[i].worker = i % 4;
	}
	for (uint32_t i = 0; i < 20; i++) {
		look(f);
		assert_int_equal(f->plan.move_count, 0);
	}
}

/* Between the marks nothing happens, whichever way it came there. */
static void
test_hysteresis(void **state)
{
	struct fixture *f = *state;

	for (double busy = 0.065; busy < 0.08; busy += 0.002) {
		make_load(f, 20, busy, 1000, 1000);
		for (uint32_t i = 0; i < 21; i++) {
			f->load.slice[i].worker = i % 2;
		}
		for (uint32_t i = 0; i < 30; i++) {
			look(f);
			assert_int_equal(f->plan.move_count, 0);
		}
	}
}

/* A slice that fills an lcore is not moved to and fro; what would help is said. */
static void
test_indivisible(void **state)
{
	struct fixture *f = *state;

	make_load(f, 1, 0.9, 1000, 3000);
	for (uint32_t i = 0; i < 10; i++) {
		look(f);
		if (f->plan.move_count > 0) {
			assert_int_equal(f->plan.verdict, PLAN_GROWING); /* the source may go */
			carry_out(f);
		}
	}
	assert_int_equal(f->plan.verdict, PLAN_STUCK);
	assert_int_equal(f->plan.scale_count, 1);
	assert_int_equal(f->plan.scale[0].op, OP_WORK);
	assert_int_equal(f->plan.scale[0].slices, 4);
	assert_non_null(strstr(f->plan.why, "a slice of work fills it"));
}

/* What is pinned stays, and its lcore is not given back. */
static void
test_fixed(void **state)
{
	struct fixture *f = *state;

	make_load(f, 12, 0.02, 1000, 1000);
	for (uint32_t i = 0; i < 13; i++) {
		f->load.slice[i].worker = i % 4;
	}
	f->load.slice[3].is_fixed = true;
	for (uint32_t i = 0; i < 6; i++) {
		look(f);
	}
	assert_int_equal(f->plan.verdict, PLAN_GIVING);
	carry_out(f);
	assert_int_equal(pack_used(&f->load), 1);
	assert_int_equal(f->load.slice[0].worker, 3);
}

/* No more than there may be, no fewer than there must. */
static void
test_bounds(void **state)
{
	struct fixture *f = *state;

	f->rules.lcores_min = 2;
	f->rules.lcores_max = 3;
	make_load(f, 40, 0.02, 1000, 8000);
	look(f);
	look(f);
	assert_int_equal(f->plan.lcores_wanted, 3);
	carry_out(f);
	for (uint32_t i = 0; i < 10; i++) {
		look(f);
		assert_int_equal(f->plan.move_count, 0);
	}
	assert_int_equal(f->plan.verdict, PLAN_STUCK);
	for (uint32_t i = 0; i < f->load.slice_count; i++) {
		f->load.slice[i].busy = 0.001;
		f->load.slice[i].offered = f->load.slice[i].rows = 1;
		f->load.slice[i].true_rate = 1000;
	}
	load_spread(&f->load);
	for (uint32_t i = 0; i < 6; i++) {
		look(f);
	}
	assert_int_equal(f->plan.verdict, PLAN_GIVING);
	assert_int_equal(f->plan.lcores_wanted, 2);
}

/* Nothing is planned for a static job, nor while nothing is known. */
static void
test_nothing(void **state)
{
	struct fixture *f = *state;

	make_load(f, 40, 0.02, 1000, 8000);
	f->load.seconds = 0;
	look(f);
	look(f);
	assert_int_equal(f->plan.move_count, 0);
	f->load.seconds = 0.1;
	f->rules.policy = LM_ELASTIC_STATIC;
	for (uint32_t i = 0; i < 10; i++) {
		look(f);
		assert_int_equal(f->plan.move_count, 0);
	}
	assert_true(f->plan.load > 6);
}

/* New lcores are of the NUMA node that is in use, as long as it has some. */
static void
test_near(void **state)
{
	struct fixture *f = *state;

	for (uint32_t w = 0; w < 16; w++) {
		f->load.worker[w].node = w % 2;
	}
	make_load(f, 20, 0.1, 1000, 1000);
	look(f);
	look(f);
	assert_int_equal(f->plan.verdict, PLAN_GROWING);
	for (uint32_t m = 0; m < f->plan.move_count; m++) {
		assert_int_equal(f->plan.move[m].to % 2, 0);
	}
}

/* The model knows at once how many slices each operator needs, and where they may go. */
static void
test_model_scales(void **state)
{
	struct fixture *f = *state;
	uint32_t takes = 0;

	make_load(f, 1, 0.5, 1000, 6000);
	f->load.op[OP_WORK].slices_least = 1;
	f->load.op[OP_WORK].slices_most = 8;
	look(f);
	assert_int_equal(f->plan.verdict, PLAN_WAITING);
	look(f);
	assert_int_equal(f->plan.verdict, PLAN_RESCALING);
	assert_int_equal(f->plan.move_count, 0);
	assert_int_equal(f->plan.scale_count, 1);
	assert_int_equal(f->plan.scale[0].op, OP_WORK);
	assert_int_equal(f->plan.scale[0].was, 1);
	/* 3.0 lcores at 0.7 each. */
	assert_int_equal(f->plan.scale[0].slices, 5);
	assert_true(f->plan.scale[0].is_planned);
	assert_non_null(strstr(f->plan.why, "work has 3.00 on 1 slices"));
	for (uint32_t w = 0; w < 16; w++) {
		takes += f->plan.takes[w] ? 1 : 0;
	}
	assert_int_equal(takes, 5);
}

/* Neither more than may be nor fewer than must be; one that keeps its number is only told of. */
static void
test_scale_bounds(void **state)
{
	struct fixture *f = *state;

	make_load(f, 2, 0.5, 1000, 9000);
	f->load.op[OP_WORK].slices_least = 2;
	f->load.op[OP_WORK].slices_most = 4;
	look(f);
	look(f);
	assert_int_equal(f->plan.scale[0].slices, 4);
	policy_changed(&f->memory, f->load.now_ns);
	f->load.now_ns += 1000000000;
	f->load.op[OP_WORK].slices_most = 0;
	for (uint32_t i = 0; i < 4; i++) {
		look(f);
		assert_true(f->plan.verdict != PLAN_RESCALING);
	}
	assert_false(f->plan.scale[0].is_planned);
	make_load(f, 4, 0.01, 100, 100);
	f->load.op[OP_WORK].slices_least = 2;
	f->load.op[OP_WORK].slices_most = 4;
	for (uint32_t i = 0; i < 6; i++) {
		look(f);
	}
	assert_int_equal(f->plan.verdict, PLAN_RESCALING);
	assert_int_equal(f->plan.scale[0].slices, 2);
}

/* Fewer slices only after long, if those then have the target at most, the busiest of them too; and
 * not while sources are behind. */
static void
test_merges(void **state)
{
	struct fixture *f = *state;

	make_load(f, 4, 0.3, 1000, 1000);
	f->load.op[OP_WORK].slices_least = 1;
	f->load.op[OP_WORK].slices_most = 8;
	for (uint32_t i = 0; i < 5; i++) {
		look(f);
		assert_true(f->plan.verdict != PLAN_RESCALING);
		f->load.slice[1].worker = 1; /* so that lcores are not too busy */
		f->load.slice[2].worker = 2;
	}
	look(f);
	assert_int_equal(f->plan.verdict, PLAN_RESCALING);
	assert_int_equal(f->plan.scale[0].slices, 2);
	policy_changed(&f->memory, f->load.now_ns);
	f->load.now_ns += 1000000000;
	/* One has twice what the others do: of two one might have 1.0. */
	f->load.slice[1].busy = 0.6;
	f->load.slice[1].true_rate = 1000.0 / 4 / 0.6;
	for (uint32_t i = 0; i < 10; i++) {
		look(f);
		assert_true(f->plan.verdict != PLAN_RESCALING);
	}
	make_load(f, 4, 0.1, 1000, 1500);
	f->rules.policy = LM_ELASTIC_THRESHOLD;
	for (uint32_t i = 0; i < 10; i++) {
		look(f);
		assert_true(f->plan.verdict != PLAN_RESCALING);
	}
	/* Nor where an lcore did not run. */
	make_load(f, 4, 0.1, 1000, 1000);
	f->load.has_stalled = true;
	for (uint32_t i = 0; i < 10; i++) {
		look(f);
		assert_true(f->plan.verdict != PLAN_RESCALING);
	}
	f->load.has_stalled = false;
	for (uint32_t i = 0; i < 6; i++) {
		look(f);
	}
	assert_int_equal(f->plan.verdict, PLAN_RESCALING);
}

/* Slots go to other slices where one has too much and all together have not; not twice at once. */
static void
test_levels(void **state)
{
	struct fixture *f = *state;

	make_load(f, 4, 0.3, 1000, 1000);
	f->load.slice[1].busy = 0.9;
	f->load.slice[1].true_rate = 1000.0 / 4 / 0.9;
	for (uint32_t i = 0; i < 5; i++) {
		f->load.slice[i].worker = i;
	}
	look(f);
	look(f);
	assert_true(f->plan.verdict != PLAN_LEVELLING); /* it has no slots */
	f->memory = (struct policy_memory){ 0 };
	f->load.op[OP_WORK].has_slots = true;
	look(f);
	assert_int_equal(f->plan.verdict, PLAN_WAITING);
	look(f);
	assert_int_equal(f->plan.verdict, PLAN_LEVELLING);
	assert_int_equal(f->plan.level_op, OP_WORK);
	assert_int_equal(f->plan.move_count, 0);
	policy_changed(&f->memory, f->load.now_ns);
	f->memory.level_ns[OP_WORK] = f->load.now_ns + 1000000000;
	for (uint32_t i = 0; i < 9; i++) {
		look(f);
		assert_true(f->plan.verdict != PLAN_LEVELLING);
	}
	/* All have too much: more slices, or nothing. */
	make_load(f, 4, 0.9, 1000, 1000);
	f->memory = (struct policy_memory){ 0 };
	for (uint32_t i = 0; i < 9; i++) {
		look(f);
		assert_true(f->plan.verdict != PLAN_LEVELLING);
	}
}

/* A number of slices that was just right for the target is kept from below it to above it. */
static void
test_scale_hysteresis(void **state)
{
	struct fixture *f = *state;

	for (double busy = 0.36; busy < 0.84; busy += 0.02) {
		make_load(f, 2, busy, 1000, 1000);
		f->load.op[OP_WORK].slices_least = 1;
		f->load.op[OP_WORK].slices_most = 8;
		for (uint32_t i = 0; i < 3; i++) {
			f->load.slice[i].worker = i;
		}
		for (uint32_t i = 0; i < 12; i++) {
			look(f);
			assert_int_not_equal(f->plan.verdict, PLAN_RESCALING);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_spread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_model_grows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threshold_grows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gives_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hysteresis, setup, teardown),
		cmocka_unit_test_setup_teardown(test_indivisible, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fixed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_near, setup, teardown),
		cmocka_unit_test_setup_teardown(test_model_scales, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scale_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_merges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scale_hysteresis, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
