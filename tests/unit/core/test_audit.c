/* SPDX-License-Identifier: BSD-3-Clause */
/* core/audit.c: a run that adds up passes; one count that is off by one is found, and named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/engine.h"
#include "tests/unit/core/engine_rig.h"

static struct rig rig;

/* in -> odd -> burst -> out (3), run to its end; 100 rows, 50 odd ones, 150 out. */
static void
begin(void)
{
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "odd", "rig_odd", 1);
	rig_add(&rig, "burst", "rig_burst", 1);
	rig_add(&rig, "out", "rig_sink", 3);
	rig_link(&rig, "in", "odd");
	rig_link(&rig, "odd", "burst");
	rig_wire(&rig, &(struct lm_wire){ .from = "burst", .to = "out", .grouping = LM_GROUP_ALL });
	rig_place(&rig, "burst", 0, 1);
	rig_build(&rig, 2);
	rig_log_rows(false);
	rig_feed(&rig, "in", 0)->until = 100;
	rig_feed(&rig, "in", 0)->end = true;
	rig_run(&rig, 1000);
	assert_string_equal(rig_audit(&rig), "");
	assert_int_equal(rig_rows(&rig, "out", 2), 150);
}

/* Off by one: found, with these words; put right again: nothing. */
static void
check(uint64_t *count, const char *words)
{
	(*count)++;
	assert_non_null(strstr(rig_audit(&rig), words));
	(*count) -= 2;
	assert_non_null(strstr(rig_audit(&rig), words));
	(*count)++;
	assert_string_equal(rig_audit(&rig), "");
}

static void
test_slices(void **state)
{
	(void)state;
	begin();
	check(&rig_slice(&rig, "odd", 0)->stats.rows_in,
	      " rows in, but 50 accounted for and 50 dropped");
	check(&rig_slice(&rig, "odd", 0)->stats.drops[0], "odd slice 0");
	check(&rig_slice(&rig, "odd", 0)->stats.rows_out[0], "odd slice 0");
	check(&rig_slice(&rig, "burst", 0)->stats.rows_absorbed, "burst slice 0");
	check(&rig_slice(&rig, "out", 2)->stats.rows_absorbed, "out slice 2");
	/* A source has no rows in; one that tells what it took from outside must account for it. */
	rig_slice(&rig, "in", 0)->stats.rows_absorbed = 100;
	check(&rig_slice(&rig, "in", 0)->stats.rows_absorbed, "in slice 0: ");
	check(&rig_slice(&rig, "in", 0)->stats.drops[0],
	      "in slice 0: 100 rows in, but 100 accounted for");
	rig_end(&rig);
}

static void
test_edges(void **state)
{
	struct edge *edge;

	(void)state;
	begin();
	edge = rig_edge(&rig, "odd", 0, "burst", 0);
	check(&edge->rows_taken, "edge odd.0 to burst.0: 50 rows sent");
	check(&edge->rows_missed, "edge odd.0 to burst.0");
	check(&edge->rows_discarded, "edge odd.0 to burst.0");
	check(&rig_edge(&rig, "burst", 0, "out", 1)->rows_taken, "edge burst.0 to out.1");
	/* Discarded last, behind the consumer's back. */
	edge->rows_sent += 5;
	edge->rows_discarded += 5;
	edge->sequence += 5;
	rig_slice(&rig, "odd", 0)->stats.rows_out[0] += 5;
	rig_slice(&rig, "odd", 0)->stats.rows_in += 5;
	assert_string_equal(rig_audit(&rig), "");
	edge_tell_watermark(edge, 1);
	edge->closed = false;
	edge_send_control(edge, EDGE_WATERMARK, 0);
	assert_non_null(strstr(rig_audit(&rig), "1 items left"));
	rig_end(&rig);
}

/* Rows that an output emitted and no edge got. */
static void
test_outputs(void **state)
{
	(void)state;
	begin();
	check(&rig_slice(&rig, "in", 0)->stats.rows_out[0], "in slice 0 output \"out\"");
	check(&rig_slice(&rig, "burst", 0)->stats.rows_out[0], "rows times 3 copies emitted");
	check(&rig_slice(&rig, "burst", 0)->stats.rows_unwired[0], "burst slice 0 output");
	check(&rig_edge(&rig, "burst", 0, "out", 0)->rows_shed, "burst slice 0 output \"out\"");
	rig_end(&rig);
}

static void
test_overflow(void **state)
{
	struct edge *edge;

	(void)state;
	begin();
	edge = rig_edge(&rig, "burst", 0, "out", 0);
	edge->rows_overflow = 3;
	edge->rows_sent -= 3;
	edge->rows_taken -= 3;
	assert_non_null(
	    strstr(rig_audit(&rig), "burst slice 0 emitted 3 rows more than it had room"));
	rig_end(&rig);
}

static void
test_pools(void **state)
{
	struct lm_batch *batch;

	(void)state;
	begin();
	batch = batch_take(rig.engine->pool[0], 0);
	assert_non_null(strstr(rig_audit(&rig), "batches back"));
	batch_release(batch, 0);
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
}

/* Everything that is wrong is said, not only the first. */
static void
test_all_at_once(void **state)
{
	(void)state;
	begin();
	rig_slice(&rig, "odd", 0)->stats.rows_in++;
	rig_edge(&rig, "odd", 0, "burst", 0)->rows_taken++;
	batch_take(rig.engine->pool[0], 0);
	assert_false(lm_engine_audit(rig.engine, &rig.errors));
	assert_int_equal(rig.errors.count, 3);
	rig_end(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slices),  cmocka_unit_test(test_edges),
		cmocka_unit_test(test_outputs), cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_pools),   cmocka_unit_test(test_all_at_once),
	};

	rig_classes_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
