/* SPDX-License-Identifier: BSD-3-Clause */
/* core/layout.c: edges, credit, what is fused, and pools that are the sum of what can hold a batch.
 */
#include "core/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/batch.h"
#include "core/edge.h"
#include "tests/unit/core/engine_rig.h"

static struct rig rig;
static struct layout *layout;

static void
lay_out(uint32_t workers)
{
	rig_check(&rig, workers);
	layout = layout_create(rig.graph, &rig.placement, NULL);
	assert_non_null(layout);
}

static void
finish(void)
{
	layout_free(layout);
	layout = NULL;
	rig_end(&rig);
}

static const struct layout_edge *
edge_of(uint32_t wire, uint32_t index)
{
	return &layout->edge[layout->first_edge[wire] + index];
}

static uint32_t
edges_of(uint32_t wire)
{
	uint32_t next =
	    wire + 1 < rig.graph->wire_count ? layout->first_edge[wire + 1] : layout->edge_count;

	return next - layout->first_edge[wire];
}

/* in (2) -> mid (2) -> wide (3) -> one (1) */
static void
declare_line(enum lm_grouping grouping)
{
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 2);
	rig_add(&rig, "mid", "rig_pass", 2);
	rig_add(&rig, "wide", "rig_pass", 3);
	rig_add(&rig, "one", "rig_sink", 1);
	rig_link(&rig, "in", "mid");
	rig_wire(&rig, &(struct lm_wire){ .from = "mid",
	                                  .to = "wide",
	                                  .grouping = grouping,
	                                  .columns = { grouping == LM_GROUP_KEY ? "key" : NULL } });
	rig_wire(&rig,
	         &(struct lm_wire){ .from = "wide", .to = "one", .grouping = LM_GROUP_GLOBAL });
}

static void
test_edges(void **state)
{
	(void)state;
	declare_line(LM_GROUP_KEY);
	lay_out(1);
	assert_int_equal(layout->edge_count, 2 + 6 + 3);
	assert_int_equal(edges_of(0), 2);
	assert_int_equal(edges_of(1), 6);
	assert_int_equal(edges_of(2), 3);
	/* Slices count operator by operator: in 0-1, mid 2-3, wide 4-6, one 7. */
	assert_int_equal(edge_of(0, 1)->from, 1);
	assert_int_equal(edge_of(0, 1)->to, 3);
	assert_int_equal(edge_of(1, 4)->from, 3);
	assert_int_equal(edge_of(1, 4)->to, 5);
	assert_int_equal(edge_of(2, 2)->from, 6);
	assert_int_equal(edge_of(2, 2)->to, 7);
	finish();
}

/* Only one producer, one lcore, no choice, no policy: then a call will do. */
static void
test_fused(void **state)
{
	(void)state;
	declare_line(LM_GROUP_KEY);
	rig_place(&rig, "mid", 1, 1);
	lay_out(2);
	assert_true(edge_of(0, 0)->fused);
	assert_false(edge_of(0, 1)->fused); /* another lcore */
	for (uint32_t i = 0; i < 6; i++) {
		assert_false(edge_of(1, i)->fused); /* a choice */
	}
	for (uint32_t i = 0; i < 3; i++) {
		assert_false(edge_of(2, i)->fused); /* three producers */
	}
	finish();
}

static bool
is_fused_with(const struct lm_wire *wire, bool fuse)
{
	bool fused;

	rig_begin(&rig);
	rig.settings->fuse = fuse;
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_wire(&rig, wire);
	lay_out(1);
	fused = edge_of(0, 0)->fused;
	finish();
	return fused;
}

static void
test_not_fused(void **state)
{
	struct lm_wire wire = { .from = "in", .to = "out" };

	(void)state;
	assert_true(is_fused_with(&wire, true));
	assert_false(is_fused_with(&wire, false));
	wire.grouping = LM_GROUP_KEY;
	wire.columns[0] = "key";
	assert_true(is_fused_with(&wire, true)); /* one slice: no choice */
	wire.policy = LM_POLICY_SHED_NEWEST;
	assert_false(is_fused_with(&wire, true));
	wire.policy = LM_POLICY_THROTTLE;
	wire.rate = 5;
	assert_false(is_fused_with(&wire, true));
}

/* Two wires into one slice, even from one producer: it has turns of its own. */
static void
test_two_inputs(void **state)
{
	(void)state;
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "merge", "rig_merge", 1);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_wire(&rig, &(struct lm_wire){ .from = "in", .to = "merge", .input = "left" });
	rig_wire(&rig, &(struct lm_wire){ .from = "in", .to = "merge", .input = "right" });
	rig_link(&rig, "merge", "out");
	lay_out(1);
	assert_false(edge_of(0, 0)->fused);
	assert_false(edge_of(1, 0)->fused);
	assert_true(edge_of(2, 0)->fused);
	finish();
}

/* The default credit of a slice's inputs is shared by its producers; what a person wrote stays. */
static void
check_credit(uint32_t producers, uint32_t setting, uint32_t written, uint32_t expected)
{
	rig_begin(&rig);
	if (setting != 0) {
		rig.settings->credit = setting;
	}
	rig_add(&rig, "in", "rig_source", producers);
	rig_add(&rig, "out", "rig_sink", 2);
	rig_wire(&rig,
	         &(struct lm_wire){
		     .from = "in", .to = "out", .grouping = LM_GROUP_SHUFFLE, .credit = written });
	lay_out(1);
	for (uint32_t i = 0; i < edges_of(0); i++) {
		assert_int_equal(edge_of(0, i)->credit, expected);
	}
	finish();
}

static void
test_credit(void **state)
{
	(void)state;
	check_credit(1, 0, 0, 64);
	check_credit(2, 0, 0, 32);
	check_credit(3, 0, 0, 32);
	check_credit(4, 0, 0, 16);
	check_credit(8, 0, 0, 8);
	check_credit(100, 0, 0, 8); /* not less */
	check_credit(100, 0, 64, 64);
	check_credit(1, 16, 0, 16);
	check_credit(2, 16, 0, 8);
	check_credit(2, 4, 0, 4);
}

/* One pool for each schema and NUMA node; equal schemas of different operators share it. */
static void
test_pools(void **state)
{
	(void)state;
	declare_line(LM_GROUP_KEY);
	lay_out(1);
	assert_int_equal(layout->pool_count, 1);
	for (uint32_t slice = 0; slice < 7; slice++) {
		assert_int_equal(layout->pool_of[slice * LM_PORTS_MAX], 0);
	}
	finish();
	declare_line(LM_GROUP_KEY);
	rig_place(&rig, "wide", 0, 1);
	rig_check(&rig, 2);
	rig.placement.worker[1].numa_node = 1;
	layout = layout_create(rig.graph, &rig.placement, NULL);
	assert_int_equal(layout->pool_count, 2);
	assert_int_equal(layout->pool_of[3 * LM_PORTS_MAX], 0);
	assert_int_equal(layout->pool_of[4 * LM_PORTS_MAX], 1);
	/* Batches travel from node to node: either pool has what either may need. */
	assert_int_equal(layout->pool[0].batches, layout->pool[1].batches);
	finish();
}

/* The sum, item by item, as core/limits.h has them. */
static void
test_pool_sum(void **state)
{
	uint32_t edges, slices;

	(void)state;
	declare_line(LM_GROUP_KEY);
	rig.settings->fuse = false;
	rig.settings->credit = 8;
	lay_out(2);
	edges =
	    2 * (8 + EDGE_OVERFLOW + 1) + 6 * (8 + EDGE_OVERFLOW + 1) + 3 * (8 + EDGE_OVERFLOW + 1);
	/* A slice holds for its output and for its input: 3, its inbox, 2 an output. */
	slices = 2 * (3 + SLICE_INBOX + 2) + 2 * 2 * (3 + SLICE_INBOX + 2) +
	         3 * 2 * (3 + SLICE_INBOX + 2) + (3 + SLICE_INBOX);
	assert_int_equal(layout->pool[0].batches, edges + slices + 2 * POOL_CACHE);
	assert_int_equal(layout->pool[0].bytes,
	                 pool_size(layout->pool[0].schema, layout->pool[0].batches, 2));
	finish();
}

/* What `plan` prints is what is taken: pools and edges, to the byte. */
static void
test_bytes(void **state)
{
	size_t before, edges = 0;

	(void)state;
	declare_line(LM_GROUP_SHUFFLE);
	lay_out(1);
	before = sim_memory();
	for (uint32_t i = 0; i < layout->pool_count; i++) {
		struct lm_pool *pool =
		    pool_create(layout->pool[i].schema, layout->pool[i].batches, 1, -1);

		assert_int_equal(sim_memory() - before, layout->pool[i].bytes);
		pool_free(pool);
	}
	for (uint32_t i = 0; i < layout->edge_count; i++) {
		if (!layout->edge[i].fused) {
			edges += sizeof(struct edge) + ring_size(edge_slots(layout->edge[i].credit),
			                                         sizeof(struct edge_item));
		}
	}
	assert_int_equal(layout->bytes, layout->pool[0].bytes + edges);
	finish();
}

/* A wide exchange stays affordable: the memory of 64 x 64 slices. */
static void
test_wide_exchange(void **state)
{
	(void)state;
	rig_begin(&rig);
	rig.settings->batch_rows = LM_BATCH_ROWS;
	rig_add(&rig, "in", "rig_source", 64);
	rig_add(&rig, "out", "rig_sink", 64);
	rig_wire(&rig,
	         &(struct lm_wire){
		     .from = "in", .to = "out", .grouping = LM_GROUP_KEY, .columns = { "key" } });
	lay_out(4);
	assert_int_equal(layout->edge_count, 4096);
	/* 13 batches of 33 KiB an edge: 1.8 GB; with full credit it would be 9 GB. */
	assert_true(layout->bytes < 2500000000u);
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),         cmocka_unit_test(test_fused),
		cmocka_unit_test(test_not_fused),     cmocka_unit_test(test_two_inputs),
		cmocka_unit_test(test_credit),        cmocka_unit_test(test_pools),
		cmocka_unit_test(test_pool_sum),      cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_wide_exchange),
	};

	rig_classes_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
