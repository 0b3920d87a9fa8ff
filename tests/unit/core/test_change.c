/* SPDX-License-Identifier: BSD-3-Clause */
/* core/change.c, change_plan.c, change_diff.c, rewire.c, graph_resize.c: the graph changes while
 * rows are on their way. */
#include "core/change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/change_diff.h"
#include "core/lm_serial.h"
#include "core/past.h"
#include "core/registry.h"
#include "core/topology.h"
#include "tests/unit/core/engine_rig.h"

static struct rig rig;
static struct lm_errors errors;

/* in -> pass by key -> out. */
static void
begin_line(uint32_t slices, uint32_t workers)
{
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 1);
	rig_add(&rig, "pass", "rig_copy", slices);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_wire(&rig,
	         &(struct lm_wire){
		     .from = "in", .to = "pass", .grouping = LM_GROUP_KEY, .columns = { "key" } });
	rig_wire(&rig,
	         &(struct lm_wire){ .from = "pass", .to = "out", .grouping = LM_GROUP_GLOBAL });
	rig_build(&rig, workers);
	rig_log_rows(false);
	rig_feed(&rig, "in", 0)->keys = 50;
}

static struct lm_op *
slice_of(const char *name, uint32_t index)
{
	for (uint32_t i = 0; i < rig.engine->slice_count; i++) {
		struct lm_op *slice = rig.engine->slice[i];

		if (strcmp(slice->name, name) == 0 && slice->index == index) {
			return slice;
		}
	}
	return NULL;
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
finish(void)
{
	((struct rig_feed *)slice_of("in", 0)->context)->end = true;
	rounds(50);
	assert_true(engine_has_ended(rig.engine));
	assert_string_equal(rig_audit(&rig), "");
	lm_errors_free(&errors);
	rig_end(&rig);
}

static void
feed(uint64_t rows)
{
	((struct rig_feed *)slice_of("in", 0)->context)->until += rows;
}

/* It is refused, with these words. */
static void
refuses(uint32_t op, uint32_t slices, const char *words)
{
	assert_int_equal(engine_rescale(rig.engine, op, slices, NULL, &errors), 0);
	assert_int_equal(errors.count, 1);
	if (strstr(errors.error[0].message, words) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", errors.error[0].message, words);
	}
	lm_errors_free(&errors);
}

/* More slices, fewer slices, with rows on their way all the time: each row comes out once. */
static void
test_rescale(void **state)
{
	static const uint32_t slices[] = { 3, 5, 2, 6, 1, 4 };

	(void)state;
	begin_line(1, 3);
	for (uint32_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
		uint32_t before = rig.engine->graph->op[1].slices;
		uint64_t number;

		feed(100);
		rig_step(&rig, 0);
		number = engine_rescale(rig.engine, 1, slices[i], NULL, &errors);
		assert_int_equal(number, i + 1);
		rounds(8);
		assert_null(rig.engine->change);
		assert_int_equal(rig.engine->changed.number, number);
		assert_int_equal(rig.engine->changed.result, CHANGE_DONE);
		assert_int_equal(rig.engine->generation, i + 1);
		assert_int_equal(rig.engine->slice_count, slices[i] + 2);
		assert_int_equal(rig.engine->changed.added,
		                 slices[i] > before ? slices[i] - before : 0);
		assert_int_equal(rig.engine->changed.retired,
		                 slices[i] < before ? before - slices[i] : 0);
		rounds(8);
		assert_int_equal(slice_of("out", 0)->stats.rows_absorbed, 100 * (i + 1));
	}
	/* What slices counted that are no more, others have counted. */
	{
		uint64_t rows = 0;

		for (uint32_t i = 0; i < 4; i++) {
			rows += slice_of("pass", i)->stats.rows_in;
		}
		assert_int_equal(rows, 600);
	}
	finish();
}

/* Bytes that an operator took and gave, over all its slices. */
static struct lm_slice_load
load_of(const char *name)
{
	struct lm_slice_load all = { 0 };

	for (uint32_t i = 0; i < rig.engine->slice_count; i++) {
		struct lm_slice_load one;

		lm_engine_slice_load(rig.engine, i, &one);
		if (strcmp(rig.engine->slice[i]->name, name) == 0) {
			all.bytes_in += one.bytes_in;
			all.bytes_out += one.bytes_out;
		}
	}
	return all;
}

/* What went over edges that are gone is still counted, by those who were at their ends or by the
 * heirs of these. */
static void
test_bytes(void **state)
{
	static const uint32_t slices[] = { 2, 5, 3, 6, 4 };
	uint64_t bytes = 0;

	(void)state;
	begin_line(3, 3);
	for (uint32_t i = 0; i < sizeof(slices) / sizeof(slices[0]); i++) {
		feed(100);
		rounds(20);
		bytes = load_of("in").bytes_out;
		assert_int_equal(load_of("pass").bytes_in, bytes);
		assert_int_equal(load_of("pass").bytes_out, bytes);
		assert_int_equal(load_of("out").bytes_in, bytes);
		assert_true(bytes >= 100 * (i + 1) * RIG_FIELDS * 8);
		assert_int_not_equal(engine_rescale(rig.engine, 1, slices[i], NULL, &errors), 0);
		rounds(8);
		assert_null(rig.engine->change);
		assert_int_equal(load_of("in").bytes_out, bytes);
		assert_int_equal(load_of("pass").bytes_in, bytes);
		assert_int_equal(load_of("pass").bytes_out, bytes);
		assert_int_equal(load_of("out").bytes_in, bytes);
	}
	finish();
}

/* Slots go to other slices of as many: rows by key meet the new owner, each once, and the counts of
 * rows by slot add up to all that came. */
static void
test_deal(void **state)
{
	static uint16_t dealt[SLOTS_MAX];
	static uint32_t rows[SLOTS_MAX];
	uint64_t before[3], all = 0;
	uint32_t slots;

	(void)state;
	begin_line(3, 3);
	slots = rig.engine->graph->op[1].slots;
	feed(100);
	rounds(8);
	assert_true(engine_slot_rows(rig.engine, 1, rows));
	for (uint32_t s = 0; s < slots; s++) {
		all += rows[s];
		dealt[s] = 2;
	}
	assert_int_equal(all, 100);
	for (uint32_t i = 0; i < 3; i++) {
		before[i] = slice_of("pass", i)->stats.rows_in;
		assert_true(before[i] > 0);
	}
	feed(50);
	rig_step(&rig, 0);
	assert_int_equal(engine_deal(rig.engine, 1, dealt, &errors), 1);
	rounds(8);
	assert_int_equal(rig.engine->changed.result, CHANGE_DONE);
	assert_int_equal(rig.engine->generation, 1);
	assert_int_equal(rig.engine->changed.added + rig.engine->changed.retired, 0);
	before[0] = slice_of("pass", 0)->stats.rows_in;
	before[1] = slice_of("pass", 1)->stats.rows_in;
	feed(100);
	rounds(8);
	assert_int_equal(slice_of("pass", 0)->stats.rows_in, before[0]);
	assert_int_equal(slice_of("pass", 1)->stats.rows_in, before[1]);
	assert_int_equal(slice_of("out", 0)->stats.rows_absorbed, 250);
	assert_false(engine_slot_rows(rig.engine, 2, rows));
	assert_int_equal(engine_deal(rig.engine, 2, dealt, &errors), 0);
	assert_non_null(strstr(errors.error[0].message, "do not come by key"));
	lm_errors_free(&errors);
	finish();
}

/* A slice that was called gets turns of its own when its caller gets company. */
static void
test_fused(void **state)
{
	(void)state;
	begin_line(1, 1);
	assert_ptr_equal(slice_of("out", 0)->head, slice_of("in", 0));
	feed(20);
	rounds(4);
	assert_true(engine_rescale(rig.engine, 1, 2, NULL, &errors) != 0);
	rounds(8);
	assert_ptr_equal(slice_of("in", 0)->head, slice_of("in", 0));
	assert_int_equal(slice_of("in", 0)->chain_count, 1);
	assert_ptr_equal(slice_of("pass", 0)->head, slice_of("pass", 0));
	assert_ptr_equal(slice_of("out", 0)->head, slice_of("out", 0));
	assert_int_equal(rig.engine->worker[0]->slice_count, 4);
	feed(20);
	rounds(8);
	assert_int_equal(slice_of("out", 0)->stats.rows_absorbed, 40);
	assert_true(slice_of("pass", 0)->stats.rows_in > 20);
	assert_true(slice_of("pass", 1)->stats.rows_in > 0);
	finish();
}

/* New slices go where they are told to. */
static void
test_workers(void **state)
{
	static const uint16_t workers[] = { 2, 1 };

	(void)state;
	begin_line(1, 3);
	assert_true(engine_rescale(rig.engine, 1, 3, workers, &errors) != 0);
	rounds(8);
	assert_int_equal(slice_of("pass", 1)->worker->index, 2);
	assert_int_equal(slice_of("pass", 2)->worker->index, 1);
	finish();
}

static void
test_refused(void **state)
{
	(void)state;
	begin_line(2, 2);
	refuses(1, 2, "2 slices already");
	refuses(1, 0, "not 1 to");
	refuses(1, 257, "not 1 to");
	refuses(0, 2, "source");
	refuses(2, 2, "does not say that its state can move");
	assert_true(engine_migrate(rig.engine, 1, 1) != 0);
	refuses(1, 3, "being moved");
	rounds(4);
	assert_true(engine_rescale(rig.engine, 1, 3, NULL, &errors) != 0);
	refuses(1, 4, "another change");
	{
		struct move done;

		while (engine_collect(rig.engine, &done)) {
		}
		assert_true(engine_migrate(rig.engine, 1, 0) != 0);
		assert_true(engine_collect(rig.engine, &done));
		assert_int_equal(done.result, MOVE_CHANGING);
	}
	rounds(8);
	((struct rig_feed *)slice_of("in", 0)->context)->end = true;
	rounds(20);
	refuses(1, 2, "ending");
	finish();
}

/* Slices that belong to each other one to one have told event times of their own. */
static void
test_pairs(void **state)
{
	(void)state;
	rig_begin(&rig);
	rig_add(&rig, "in", "rig_source", 2);
	rig_add(&rig, "pass", "rig_copy", 2);
	rig_add(&rig, "out", "rig_sink", 1);
	rig_link(&rig, "in", "pass");
	rig_link(&rig, "pass", "out");
	rig_build(&rig, 1);
	refuses(1, 3, "one to one");
	rig_feed(&rig, "in", 1)->end = true;
	finish();
}

/* A job that ends before the change begins stays what it is; one that is cut off in the middle
 * leaves nothing behind. */
static void
test_cut(void **state)
{
	(void)state;
	begin_line(1, 2);
	assert_true(engine_rescale(rig.engine, 1, 3, NULL, &errors) != 0);
	(void)engine_suspend(rig.engine);
	rounds(4);
	assert_int_equal(rig.engine->changed.result, CHANGE_JOB_ENDS);
	rig.engine->suspending = false;
	assert_int_equal(rig.engine->slice_count, 3);
	finish();
	for (uint32_t steps = 0; steps < 8; steps++) {
		begin_line(2, 2);
		feed(100);
		assert_true(engine_rescale(rig.engine, 1, 1 + steps % 2 * 4, NULL, &errors) != 0);
		engine_tick(rig.engine);
		for (uint32_t i = 0; i < steps; i++) {
			rig_step(&rig, i % 2);
		}
		rig_end(&rig);
	}
}

/* ---- to another topology ---- */

static struct lm_topology *
with_detour(const char *type, uint32_t slices)
{
	struct lm_topology *topology = lm_topology_create("rig");

	*lm_topology_settings(topology) = *rig.settings;
	lm_topology_operator(topology, "in", "rig_source");
	lm_topology_operator(topology, "pass", "rig_copy");
	lm_topology_operator(topology, "more", type);
	lm_topology_operator(topology, "out", "rig_sink");
	lm_topology_slices(topology, "more", slices);
	lm_topology_wire(topology, &(struct lm_wire){ .from = "in",
	                                              .to = "pass",
	                                              .grouping = LM_GROUP_KEY,
	                                              .columns = { "key" } });
	lm_topology_wire(topology, &(struct lm_wire){ .from = "pass",
	                                              .to = "more",
	                                              .grouping = LM_GROUP_KEY,
	                                              .columns = { "key" } });
	lm_topology_wire(topology, &(struct lm_wire){
				       .from = "more", .to = "out", .grouping = LM_GROUP_GLOBAL });
	return topology;
}

static uint64_t
go_over(const struct lm_topology *from, const struct lm_topology *to, struct change_diff *diff)
{
	struct change_ask ask = { .kept = diff->kept, .heir_of = diff->heir_of };
	struct change_side was = { from, rig.engine->graph }, is = { to, NULL };

	ask.graph = lm_graph_check(to, &errors);
	assert_non_null(ask.graph);
	is.graph = ask.graph;
	change_compare(&was, &is, diff);
	return engine_change(rig.engine, &ask, &errors);
}

static void
test_detour(void **state)
{
	static struct change_diff diff;
	struct lm_topology *with, *other;

	(void)state;
	begin_line(1, 2);
	feed(50);
	rounds(3);
	with = with_detour("rig_copy", 2);
	assert_true(go_over(rig.topology, with, &diff) != 0);
	assert_int_equal(diff.count, 4);
	assert_int_equal(diff.item[0].kind, CHANGE_KEPT);
	assert_int_equal(diff.item[2].kind, CHANGE_ADDED);
	assert_int_equal(diff.wires_added, 2);
	assert_int_equal(diff.wires_removed, 1);
	rounds(8);
	feed(50);
	rounds(8);
	assert_int_equal(rig.engine->slice_count, 5);
	assert_int_equal(slice_of("more", 0)->stats.rows_in + slice_of("more", 1)->stats.rows_in,
	                 50);
	/* The same name, another type: others in its place. */
	other = with_detour("rig_odd", 2);
	assert_true(go_over(with, other, &diff) != 0);
	assert_int_equal(diff.item[2].kind, CHANGE_REPLACED);
	assert_non_null(strstr(diff.item[2].why, "type was rig_copy, is rig_odd"));
	rounds(8);
	feed(50);
	rounds(8);
	assert_int_equal(slice_of("out", 0)->stats.rows_absorbed, 125);
	/* And back. */
	assert_true(go_over(other, rig.topology, &diff) != 0);
	assert_int_equal(diff.item[3].kind, CHANGE_REMOVED);
	rounds(8);
	assert_null(slice_of("more", 0));
	feed(50);
	rounds(8);
	assert_int_equal(slice_of("out", 0)->stats.rows_absorbed, 175);
	finish();
	lm_topology_free(with);
	lm_topology_free(other);
}

/* An operator's only source ends while a change brings it another one: it goes on with that. */
static void
test_end_in_change(void **state)
{
	static const char *const wire[][2] = { { "in", "pass" },
		                               { "pass", "out" },
		                               { "second", "pass" } };
	struct lm_topology *to = lm_topology_create("rig");
	static struct change_diff diff;

	(void)state;
	begin_line(1, 2);
	*lm_topology_settings(to) = *rig.settings;
	lm_topology_operator(to, "in", "rig_source");
	lm_topology_operator(to, "pass", "rig_copy");
	lm_topology_operator(to, "out", "rig_sink");
	lm_topology_operator(to, "second", "rig_source");
	for (uint32_t i = 0; i < 3; i++) {
		lm_topology_wire(to, &(struct lm_wire){ .from = wire[i][0],
		                                        .to = wire[i][1],
		                                        .grouping = LM_GROUP_GLOBAL });
	}
	feed(10);
	assert_true(go_over(rig.topology, to, &diff) != 0);
	((struct rig_feed *)slice_of("in", 0)->context)->end = true;
	for (uint32_t i = 0; i < 20; i++) {
		rig_step(&rig, i % 2);
	}
	assert_true(slice_of("in", 0)->ending && !slice_of("in", 0)->ended);
	rounds(8);
	assert_true(slice_of("in", 0)->ended && !slice_of("pass", 0)->ended);
	((struct rig_feed *)slice_of("second", 0)->context)->until += 30;
	rounds(8);
	assert_int_equal(slice_of("pass", 0)->stats.rows_in, 40);
	((struct rig_feed *)slice_of("second", 0)->context)->end = true;
	finish();
	lm_topology_free(to);
}

/* ---- other code ---- */

/* What a source of other code goes on with: where the one before it was. */
static void
other_serialize(struct lm_op *op, struct lm_writer *writer)
{
	const struct rig_feed *feed = lm_op_context(op);

	lm_write_u64(writer, feed->next);
	lm_write_u64(writer, feed->until);
	lm_write_u64(writer, feed->keys);
}

static void
other_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	struct rig_feed *feed = lm_op_context(op);

	assert_int_equal(version, 7);
	feed->next = lm_read_u64(reader);
	feed->until = lm_read_u64(reader);
	feed->keys = lm_read_u64(reader);
}

static void
short_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	(void)op;
	(void)version;
	(void)lm_read_u64(reader);
}

/* The class of this name as somebody built it anew: in a place of its own. */
static struct lm_op_class
other_code(const char *name, const char *version)
{
	struct lm_op_class class = *registry_find(name);

	class.version = version;
	if (class.poll != NULL) {
		class.serialize = other_serialize;
		class.deserialize = other_deserialize;
		class.state_version = 7;
	}
	return class;
}

/* As if the topology named a plugin that has it: from here on the name means it. */
static void
put_in(const struct lm_op_class *class)
{
	const char *why;

	registry_remove(registry_find(class->name));
	assert_int_equal(registry_add(class, &why), 0);
}

/* The same topology, in which a name means another class. */
static void
apply_code(struct change_diff *diff, const struct lm_op_class *class)
{
	put_in(class);
	assert_true(go_over(rig.topology, rig.topology, diff) != 0);
	rounds(8);
	assert_null(rig.engine->change);
	assert_int_equal(rig.engine->changed.result, CHANGE_DONE);
}

/* A source goes on where the code before it was; counters go on, reasons by their names. */
static void
test_other_code(void **state)
{
	static const char *const drops[] = { "second", "first", NULL };
	static const char *const fewer[] = { "first", NULL };
	static struct change_diff diff;
	const struct lm_op_class *source = registry_find("rig_source");
	const struct lm_op_class *copy = registry_find("rig_copy");
	struct lm_op_class one = other_code("rig_source", "1"), two = other_code("rig_source", "2");
	struct lm_op_class reasons = other_code("rig_copy", "1"),
			   less = other_code("rig_copy", "2");

	(void)state;
	reasons.drops = drops;
	less.drops = fewer;
	put_in(&one);
	put_in(&reasons);
	begin_line(2, 2);
	feed(500);
	rounds(3);
	slice_of("pass", 0)->stats.drops[0] = 5;
	slice_of("pass", 0)->stats.drops[1] = 3;
	lm_op_timer_start(slice_of("in", 0), 1, 1000000000);
	put_in(&less);
	apply_code(&diff, &two);
	assert_int_equal(diff.item[0].kind, CHANGE_REPLACED);
	assert_true(diff.item[0].is_code);
	assert_string_equal(diff.item[0].why, "other code: version was 1, is 2");
	assert_true(diff.item[1].is_code);
	assert_int_equal(diff.item[2].kind, CHANGE_KEPT);
	assert_ptr_equal(slice_of("in", 0)->class, &two);
	assert_true(slice_of("in", 0)->timer[1].active);
	assert_int_equal(slice_of("pass", 0)->stats.drops[0], 3);
	assert_int_equal(slice_of("pass", 0)->stats.drops[LM_DROPS_MAX - 1], 5);
	memset(slice_of("pass", 0)->stats.drops, 0, sizeof(slice_of("pass", 0)->stats.drops));
	rounds(100);
	assert_int_equal(slice_of("in", 0)->stats.rows_out[0], 500);
	assert_int_equal(slice_of("out", 0)->stats.rows_absorbed, 500);
	feed(100);
	apply_code(&diff, &one);
	rounds(20);
	assert_int_equal(slice_of("out", 0)->stats.rows_absorbed, 600);
	put_in(&two);
	two.version = "1";
	apply_code(&diff, &two);
	assert_string_equal(diff.item[0].why, "other code: version 1, built anew");
	finish();
	put_in(source);
	put_in(copy);
}

/* What had ended in front of the marker does not begin again under other code. */
static void
test_other_code_ended(void **state)
{
	static struct change_diff diff;
	const struct lm_op_class *source = registry_find("rig_source");
	struct lm_op_class one = other_code("rig_source", "1"), two = other_code("rig_source", "2");

	(void)state;
	put_in(&one);
	begin_line(2, 2);
	feed(20);
	rounds(3);
	put_in(&two);
	assert_true(go_over(rig.topology, rig.topology, &diff) != 0);
	/* Its poll has said so, and the end itself comes behind the beginning of the change. */
	slice_of("in", 0)->ending = true;
	rounds(50);
	assert_int_equal(rig.engine->changed.result, CHANGE_DONE);
	assert_true(slice_of("in", 0)->ended);
	assert_int_equal(slice_of("out", 0)->stats.rows_absorbed, 20);
	assert_true(engine_has_ended(rig.engine));
	assert_string_equal(rig_audit(&rig), "");
	rig_end(&rig);
	put_in(source);
}

/* Other code that does not read all that was written down: nobody is told that all is well. */
static void
test_other_code_broken(void **state)
{
	static struct change_diff diff;
	const struct lm_op_class *source = registry_find("rig_source");
	struct lm_op_class one = other_code("rig_source", "1"), two = other_code("rig_source", "2");

	(void)state;
	two.deserialize = short_deserialize;
	put_in(&one);
	begin_line(2, 2);
	apply_code(&diff, &two);
	assert_true(rig.engine->change_failed);
	((struct rig_feed *)slice_of("in", 0)->context)->end = true;
	rounds(50);
	rig_end(&rig);
	put_in(source);
}

/* As few slots as can be change their slice, and all slices have equally many. */
static void
test_tables(void **state)
{
	struct route_table *table = route_table_create(64, 1);

	(void)state;
	for (uint32_t slices = 1; slices <= 8; slices++) {
		struct route_table *next = route_table_resize(table, slices);
		uint32_t count[8] = { 0 }, moved = 0;

		for (uint32_t slot = 0; slot < 64; slot++) {
			count[next->slice_of[slot]]++;
			moved += next->slice_of[slot] != table->slice_of[slot];
		}
		for (uint32_t i = 0; i < slices; i++) {
			assert_in_range(count[i], 64 / slices, 64 / slices + 1);
		}
		assert_true(moved <= (slices == 1 ? 0 : 64 / slices));
		route_table_free(table);
		table = next;
	}
	route_table_free(table);
}

/* Slices on trial get as many slots as they are to, whoever has them; the others keep theirs. */
static void
test_trial_table(void **state)
{
	struct route_table *table = route_table_create(64, 3);

	(void)state;
	for (uint32_t count = 1; count < 64; count++) {
		struct route_table *next = route_table_try(table, 4, 1, count);
		uint32_t tried = 0;

		for (uint32_t slot = 0; slot < 64; slot++) {
			tried += next->slice_of[slot] == 3;
			assert_true(next->slice_of[slot] == 3 ||
			            next->slice_of[slot] == table->slice_of[slot]);
		}
		assert_int_equal(tried, count);
		route_table_free(next);
	}
	route_table_free(table);
}

/* ---- on trial ---- */

static uint64_t
ask_same(struct lm_graph *graph)
{
	static const uint32_t same[] = { 0, 1, 2 };

	assert_non_null(graph);
	return engine_change(rig.engine,
	                     &(struct change_ask){ .graph = graph, .kept = same, .heir_of = same },
	                     &errors);
}

/* What was tried stays where it is, the others are exchanged for it. */
static void
go_on_with(const struct lm_graph *next, const uint32_t *slices)
{
	static struct change_diff diff;
	struct change_ask ask = { .kept = diff.kept, .heir_of = diff.heir_of };
	struct change_side was = { rig.topology, rig.engine->graph }, is = was;

	is.graph = ask.graph = graph_view(next, slices, &errors);
	change_compare(&was, &is, &diff);
	assert_true(engine_change(rig.engine, &ask, &errors) != 0);
	rounds(8);
	assert_int_equal(rig.engine->changed.result, CHANGE_DONE);
}

static void
test_trial(void **state)
{
	static const uint32_t slices[] = { 1, 3, 1 };
	const struct lm_op_class *copy = registry_find("rig_copy");
	struct lm_op_class other = other_code("rig_copy", "2");
	const struct graph_operator *trial[3] = { NULL };
	struct lm_op *tried;
	struct lm_graph *next;

	(void)state;
	begin_line(2, 3);
	feed(300);
	rounds(3);
	put_in(&other);
	next = lm_graph_check(rig.topology, &errors);
	trial[1] = &next->op[1];
	assert_true(ask_same(graph_try(rig.engine->graph, trial, 10, &errors)) != 0);
	past_add(rig.engine, next);
	past_keep(rig.engine, next);
	rounds(8);
	feed(300);
	rounds(8);
	assert_int_equal(rig.engine->changed.added, 1);
	assert_int_equal(rig.engine->graph->op[1].trial_slots, rig.engine->graph->op[1].slots / 10);
	tried = slice_of("pass", 2);
	assert_ptr_equal(tried->class, &other);
	assert_ptr_equal(slice_of("pass", 0)->class, copy);
	assert_ptr_equal(slice_of("pass", 1)->class, copy);
	refuses(1, 4, "it is on trial");
	go_on_with(next, slices);
	past_keep(rig.engine, NULL);
	assert_int_equal(rig.engine->changed.added, 2);
	assert_int_equal(rig.engine->changed.retired, 2);
	assert_ptr_equal(slice_of("pass", 2), tried);
	assert_ptr_equal(slice_of("pass", 0)->class, &other);
	assert_int_equal(engine_rescale(rig.engine, 1, 2, NULL, &errors), 3);
	rounds(8);
	feed(100);
	rounds(20);
	assert_int_equal(slice_of("out", 0)->stats.rows_absorbed, 700);
	finish();
	put_in(copy);
}

/* Whose rows do not come by key, or who cannot have more slices, cannot be tried. */
static void
test_trial_refused(void **state)
{
	const struct graph_operator *trial[3] = { NULL };

	(void)state;
	begin_line(2, 1);
	for (uint32_t op = 0; op < 3; op += 2) {
		trial[op] = &rig.graph->op[op];
		assert_null(graph_try(rig.engine->graph, trial, 50, &errors));
		assert_non_null(strstr(errors.error[0].message, "its rows do not come by key"));
		lm_errors_free(&errors);
		trial[op] = NULL;
	}
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rescale),
		cmocka_unit_test(test_deal),
		cmocka_unit_test(test_fused),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_workers),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_detour),
		cmocka_unit_test(test_end_in_change),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_trial_table),
		cmocka_unit_test(test_trial),
		cmocka_unit_test(test_trial_refused),
		cmocka_unit_test(test_other_code),
		cmocka_unit_test(test_other_code_ended),
		cmocka_unit_test(test_other_code_broken),
	};

	rig_classes_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
