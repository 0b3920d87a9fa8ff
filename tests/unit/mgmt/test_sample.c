/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/sample.c: what is read of an engine, sums, recent latency, and blocks from elsewhere. */
#include "mgmt/sample.h"
#include "tests/unit/mgmt/fake_engine.h"
#include "tests/unit/mgmt/print_to_text.h"

#include <errno.h>

#define SECOND INT64_C(1000000000)

struct fixture {
	struct lm_engine *engine;
	struct sample now, before;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->engine = fake_engine_chain();
	assert_int_equal(sample_init(&f->now, f->engine, &fake_about), 0);
	assert_int_equal(sample_init(&f->before, f->engine, &fake_about), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sample_free(&f->now);
	sample_free(&f->before);
	free(f->engine);
	free(f);
	return 0;
}

static void
test_what_stays_the_same(void **state)
{
	struct fixture *f = *state;
	const struct sample *now = &f->now;

	assert_int_equal(now->shape.count[SAMPLE_OPERATORS], 4);
	assert_int_equal(now->shape.count[SAMPLE_SLICES], 6);
	assert_int_equal(now->shape.count[SAMPLE_DROPS], 7); /* 3 with a name, 4 without */
	assert_string_equal(now->op[FAKE_FLOWS].name, "flows");
	assert_string_equal(now->op[FAKE_FLOWS].type, "packet_decode");
	assert_int_equal(now->op[FAKE_FLOWS].slices, 2);
	assert_true(now->op[FAKE_PACKETS].is_source);
	assert_false(now->op[FAKE_PACKETS].is_sink);
	assert_true(now->op[FAKE_OUT].is_sink);
	assert_int_equal(now->worker[2].lcore, 3);
	assert_int_equal(now->worker[2].numa_node, -1);
	assert_int_equal(now->head->batch_rows, LM_BATCH_ROWS);
	assert_int_equal(now->wire[2].to, FAKE_OUT);
	assert_true(sample_valid(now));
}

static void
test_sums_over_slices(void **state)
{
	struct fixture *f = *state;

	fake_engine_second(f->engine, 1000);
	f->engine->slice[2].drops[1] = 3;
	f->engine->slice[3].drops[31] = 5; /* no name in the class */
	f->engine->slice[3].errors = 2;
	f->engine->slice[4].rows_out[7] = 6;
	f->engine->slice[4].rows_unwired[7] = 6;
	f->engine->load[4] = (struct lm_slice_load){ 8, 9, 10, 3, 64 };
	/* Twice: nothing may be added to what an earlier reading left. */
	sample_read(&f->now, f->engine, NULL, 2 * SECOND, NULL, 0);
	sample_read(&f->now, f->engine, NULL, 2 * SECOND, NULL, 0);
	assert_int_equal(f->now.op[FAKE_PACKETS].rows_out, 2000);
	assert_int_equal(f->now.op[FAKE_FLOWS].rows_in, 2000);
	assert_int_equal(f->now.op[FAKE_FLOWS].rows_out, 1980);
	assert_int_equal(f->now.op[FAKE_FLOWS].rows_dropped, 28);
	assert_int_equal(f->now.op[FAKE_FLOWS].errors, 2);
	assert_int_equal(f->now.op[FAKE_TALKERS].rows_absorbed, 1980);
	assert_int_equal(f->now.op[FAKE_TALKERS].rows_out, 16);
	assert_int_equal(f->now.op[FAKE_TALKERS].rows_unwired, 6);
	assert_int_equal(f->now.slice[3].rows_dropped, 15);
	assert_int_equal(f->now.slice[4].bytes_in, 8);
	assert_int_equal(f->now.slice[4].bytes_out, 9);
	assert_int_equal(f->now.slice[4].state_bytes, 10);
	assert_int_equal(f->now.slice[4].waiting, 3);
	assert_int_equal(f->now.slice[4].room, 64);
	assert_int_equal(f->now.worker[0].turns, 100000);
	assert_int_equal(sample_rows(&f->now), 2000);
	assert_true(sample_seconds(&f->now) == 1.0);
}

static void
test_drops_by_name(void **state)
{
	struct fixture *f = *state;
	const struct sample_drop *drop = &f->now.drop[1];

	f->engine->slice[2].drops[0] = 7;
	f->engine->slice[3].drops[0] = 1;
	f->engine->slice[3].drops[1] = 2;
	f->engine->slice[3].drops[31] = 5;
	sample_read(&f->now, f->engine, NULL, 2 * SECOND, NULL, 0);
	assert_string_equal(drop[0].name, "not_ip");
	assert_int_equal(drop[0].op, FAKE_FLOWS);
	assert_int_equal(drop[0].rows, 8);
	assert_string_equal(drop[1].name, "bad_checksum");
	assert_int_equal(drop[1].rows, 2);
	assert_string_equal(drop[2].name, "other");
	assert_int_equal(drop[2].rows, 5);
	assert_string_equal(drop[3].name, "late");
	assert_int_equal(drop[3].op, FAKE_TALKERS);
}

static void
test_counters_are_copied(void **state)
{
	struct fixture *f = *state;
	struct sample_counter counters[9] = { { .name = "port0.imissed", .value = 7 } };

	memset(counters[8].name, 'x', SAMPLE_NAME);
	sample_read(&f->now, f->engine, NULL, 2 * SECOND, counters, 9);
	assert_int_equal(f->now.head->counter_count, 8); /* the room there is */
	assert_string_equal(f->now.counter[0].name, "port0.imissed");
	assert_int_equal(f->now.counter[0].value, 7);
	sample_read(&f->now, f->engine, NULL, 2 * SECOND, &counters[8], 1);
	assert_int_equal(f->now.head->counter_count, 1);
	assert_int_equal(strlen(f->now.counter[0].name), SAMPLE_NAME - 1);
	assert_true(sample_valid(&f->now));
}

static void
test_recent_latency(void **state)
{
	struct fixture *f = *state;

	lm_hist_record(&f->engine->latency, 60, 100);
	sample_read(&f->before, f->engine, NULL, 2 * SECOND, NULL, 0);
	assert_int_equal(f->before.head->recent.p50, 60);
	lm_hist_record(&f->engine->latency, 20, 50);
	lm_hist_record(&f->engine->latency, 30, 50);
	sample_read(&f->now, f->engine, &f->before, 3 * SECOND, NULL, 0);
	assert_int_equal(f->now.head->latency.count, 200);
	assert_int_equal(f->now.head->latency.max, 60);
	assert_int_equal(f->now.head->recent.count, 100);
	assert_int_equal(f->now.head->recent.p50, 20);
	assert_int_equal(f->now.head->recent.p99, 30);
	assert_int_equal(f->now.head->recent.max, 30);
	assert_int_equal(f->now.head->recent.mean, 25);
	assert_int_equal(f->now.op[FAKE_OUT].recent.count, 100);
	assert_int_equal(f->now.op[FAKE_TALKERS].latency.count, 0);
	sample_swap(&f->now, &f->before);
	sample_read(&f->now, f->engine, &f->before, 4 * SECOND, NULL, 0);
	assert_int_equal(f->now.head->recent.count, 0);
	assert_int_equal(f->now.head->recent.max, 0);
}

static void
test_shapes_have_bounds(void **state)
{
	struct sample sample;
	struct sample_shape shape = { .count = { [SAMPLE_HEAD] = 1 } };
	struct sample_about about = fake_about;
	struct fixture *f = *state;

	assert_int_equal(sample_alloc(&sample, &shape), 0);
	sample_free(&sample);
	shape.count[SAMPLE_HEAD] = 2;
	assert_int_equal(sample_alloc(&sample, &shape), -E2BIG);
	shape.count[SAMPLE_HEAD] = 0;
	assert_int_equal(sample_alloc(&sample, &shape), -E2BIG);
	shape.count[SAMPLE_HEAD] = 1;
	for (uint32_t part = SAMPLE_OPERATORS; part < SAMPLE_PARTS; part++) {
		shape.count[part] = UINT32_MAX;
		assert_int_equal(sample_alloc(&sample, &shape), -E2BIG);
		shape.count[part] = 0;
	}
	about.counters_max = SAMPLE_COUNTERS_MAX + 1;
	assert_int_equal(sample_init(&sample, f->engine, &about), -E2BIG);
}

/* A copy takes the shape of what it is of; what is of another graph compares with nothing. */
static void
test_copies_follow_the_graph(void **state)
{
	struct fixture *f = *state;
	struct sample_about about = fake_about;
	struct sample copy;

	assert_int_equal(sample_alloc(&copy, &f->now.shape), 0);
	assert_int_equal(sample_copy(&copy, &f->now), 0);
	assert_memory_equal(copy.block, f->now.block, copy.size);
	assert_true(sample_compares(&copy, &f->now));
	sample_free(&f->now);
	f->engine->slice_count--;
	about.generation = 1;
	assert_int_equal(sample_init(&f->now, f->engine, &about), 0);
	assert_false(sample_compares(&copy, &f->now));
	assert_int_equal(sample_copy(&copy, &f->now), 0);
	assert_int_equal(copy.shape.count[SAMPLE_SLICES], FAKE_SLICES - 1);
	assert_memory_equal(copy.block, f->now.block, copy.size);
	f->engine->slice_count++;
	sample_free(&f->now);
	about.generation = 2;
	assert_int_equal(sample_init(&f->now, f->engine, &about), 0);
	assert_int_equal(f->now.size, f->before.size);
	assert_false(sample_compares(&f->before, &f->now));
	sample_free(&copy);
}

/* Each of these is something a block from elsewhere may hold. */
static void
test_bad_blocks_are_refused(void **state)
{
	struct fixture *f = *state;
	struct sample *now = &f->now;
	struct {
		void *at;
		size_t size;
	} bad[] = {
		{ &now->head->counter_count, 4 }, { &now->head->start_ns, 8 },
		{ now->op[1].name, 64 },          { now->op[3].type, 64 },
		{ &now->slice[5].op, 4 },         { &now->slice[0].worker, 4 },
		{ now->drop[2].name, 64 },        { &now->drop[6].op, 4 },
		{ &now->wire[0].from, 4 },        { &now->wire[2].to, 4 },
	};

	sample_read(now, f->engine, NULL, 2 * SECOND, NULL, 0);
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		unsigned char kept[64];

		memcpy(kept, bad[i].at, bad[i].size);
		memset(bad[i].at, 0xff, bad[i].size);
		assert_false(sample_valid(now));
		memcpy(bad[i].at, kept, bad[i].size);
		assert_true(sample_valid(now));
	}
	now->head->batch_rows = 0;
	assert_false(sample_valid(now));
	now->head->batch_rows = 1;
	now->head->counter_count = 1;
	memset(now->counter[0].name, 'x', SAMPLE_NAME);
	assert_false(sample_valid(now));
}

static void
test_losses(void **state)
{
	(void)state;
	assert_true(sample_counter_is_loss("port0.imissed"));
	assert_true(sample_counter_is_loss("imissed"));
	assert_false(sample_counter_is_loss("port0.ipackets"));
	assert_false(sample_counter_is_loss("port0.rx_missed_errors"));
	assert_false(sample_counter_is_loss(""));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_stays_the_same),    TEST(test_sums_over_slices),
		TEST(test_drops_by_name),          TEST(test_counters_are_copied),
		TEST(test_recent_latency),         TEST(test_shapes_have_bounds),
		TEST(test_bad_blocks_are_refused), TEST(test_copies_follow_the_graph),
		cmocka_unit_test(test_losses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
