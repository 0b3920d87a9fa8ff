/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/top_frame.c: golden frames of an engine that runs, is held up, and is gone. */
#include "mgmt/top_frame.h"
#include "tests/unit/mgmt/fake_engine.h"
#include "tests/unit/mgmt/print_to_text.h"

#define SECOND INT64_C(1000000000)

struct fixture {
	struct lm_engine *engine;
	struct sample now, before;
	struct rates rates;
	struct stats_info info;
	struct top_view view;
};

static int
setup(void **state)
{
	static const struct sample_counter counters[] = { { "port0.ipackets", 20000000 },
		                                          { "port0.imissed", 12 },
		                                          { "port0.ierrors", 0 } };
	static struct lm_placement placement = {
		.worker_count = 2, .worker = { { .numa_node = 0 }, { .numa_node = 1 } }
	};
	struct sample_about about = fake_about;
	struct fixture *f = calloc(1, sizeof(*f));

	about.placement = &placement;
	f->engine = fake_engine_chain();
	f->engine->load[4] = (struct lm_slice_load){ .waiting = 32, .room = 64 };
	assert_int_equal(sample_init(&f->now, f->engine, &about), 0);
	assert_int_equal(sample_init(&f->before, f->engine, &about), 0);
	assert_int_equal(rates_init(&f->rates, &f->now.shape), 0);
	f->info = (struct stats_info){
		.prefix = "rte", .topology = "top-talkers", .version = "0.1.0", .pid = 4242
	};
	f->view = (struct top_view){ .info = &f->info, .now = &f->now, .rates = &f->rates };
	fake_engine_second(f->engine, 1024000);
	lm_hist_record(&f->engine->latency, 60, 1000);
	sample_read(&f->before, f->engine, NULL, 2 * SECOND, counters, 3);
	fake_engine_second(f->engine, 1024000);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	rates_free(&f->rates);
	sample_free(&f->now);
	sample_free(&f->before);
	free(f->engine);
	free(f);
	return 0;
}

static void
read_second(struct fixture *f)
{
	static const struct sample_counter counters[] = { { "port0.ipackets", 22048000 },
		                                          { "port0.imissed", 112 },
		                                          { "port0.ierrors", 0 } };

	lm_hist_record(&f->engine->latency, 14200, 99);
	lm_hist_record(&f->engine->latency, 1200000, 1);
	sample_read(&f->now, f->engine, &f->before, 3 * SECOND, counters, 3);
	rates_compute(&f->rates, &f->now, &f->before);
}

static void
test_running(void **state)
{
	struct fixture *f = *state;
	struct print_to_text print;

	read_second(f);
	assert_int_equal(top_frame_text(print_to_text_begin(&print), &f->view, false), 0);
	print_to_text_expect(
	    &print,
	    "top-talkers  running  up 2.0 s  2.0M rows/s"
	    "  (prefix rte, pid 4242, lodemill 0.1.0)\n"
	    "latency       p50 14.2 µs, p99 14.2 µs, p99.9 1.2 ms, max 1.2 ms\n"
	    "backpressure  none\n"
	    "\n"
	    "OPERATOR  TYPE              SLICES  IN/S  OUT/S  DROPS/S    BUSY    FILL   QUEUE"
	    "      P50      P99\n"
	    "packets   port_source            2     0   2.0M        0  40.0 %   100 %       -\n"
	    "flows     packet_decode          2  2.0M   2.0M    20.5k       -   100 %       -"
	    "                    runs in the one before it\n"
	    "talkers   window_aggregate       1  2.0M     10        0  85.0 %  49.5 %  50.0 %\n"
	    "out       print                  1    10      0        0   0.1 %   1.0 %   0.0 %"
	    "  14.2 µs  14.2 µs\n"
	    "\n"
	    "LCORE  NODE    BUSY              TURNS/S  LONGEST TURN\n"
	    "    1     0  41.0 %  ####......     100k       45.0 µs\n"
	    "    2     1  41.0 %  ####......     100k       45.0 µs\n"
	    "    3        86.0 %  #########.     100k       45.0 µs\n"
	    "\n"
	    "BUSY ON LCORE       1       2       3\n"
	    "packets        40.0 %  40.0 %       .\n"
	    "flows               -       -       .\n"
	    "talkers             .       .  85.0 %\n"
	    "out                 .       .   0.1 %\n"
	    "\n"
	    "PORT COUNTER         TOTAL  PER SECOND\n"
	    "port0.ipackets  22,048,000        2.0M\n"
	    "port0.imissed          112         100\n");
}

static void
test_held_up(void **state)
{
	struct fixture *f = *state;
	struct print_to_text print;
	char *text;

	f->engine->slice[0].turns_blocked += 50000;
	f->view.silent_s = 5;
	read_second(f);
	top_frame_text(print_to_text_begin(&print), &f->view, false);
	text = print_to_text_end(&print);
	assert_non_null(strstr(text, "\nbackpressure  talkers holds up what is before it: give it "
	                             "more slices\n"));
	assert_non_null(strstr(text, "40.0 %   100 %       -                    waits for room, "
	                             "50.0 % of turns\n"));
	assert_non_null(
	    strstr(text, "85.0 %  49.5 %  50.0 %                    holds up the others\n"));
	assert_non_null(strstr(text, "\nno news from the engine's manager for 5.0 s\n"));
	assert_null(strchr(text, '\033'));
	free(text);
	top_frame_text(print_to_text_begin(&print), &f->view, true);
	text = print_to_text_end(&print);
	assert_non_null(strstr(text, "\033[31mholds up the others\033[0m\n"));
	free(text);
}

static void
test_crashed_before_any_row(void **state)
{
	struct fixture *f = *state;
	struct print_to_text print;
	char *text;

	memset(f->engine->slice, 0, sizeof(f->engine->slice));
	memset(&f->engine->latency, 0, sizeof(f->engine->latency));
	f->view.life = STATS_CRASHED;
	sample_read(&f->now, f->engine, NULL, SECOND, NULL, 0);
	rates_compute(&f->rates, &f->now, NULL);
	top_frame_text(print_to_text_begin(&print), &f->view, false);
	text = print_to_text_end(&print);
	assert_non_null(strstr(text, "top-talkers  crashed  up 0 ns  0 rows/s"));
	assert_non_null(strstr(text, "latency       no rows reached a sink\n"));
	assert_null(strstr(text, "PORT COUNTER"));
	free(text);
}

static void
test_json(void **state)
{
	struct fixture *f = *state;
	struct print_to_text print;

	f->engine->slice[0].turns_blocked += 50000;
	read_second(f);
	assert_int_equal(top_frame_json(print_to_text_begin(&print), &f->view), 0);
	print_to_text_expect(
	    &print,
	    "{\"state\":\"running\",\"prefix\":\"rte\",\"pid\":4242,"
	    "\"topology\":\"top-talkers\",\"version\":\"0.1.0\",\"seconds\":2.0,"
	    "\"interval_s\":1.0,\"rows_per_s\":2048000.0,"
	    "\"latency_ns\":{\"p50\":14207,\"p90\":14207,\"p99\":14207,\"p99_9\":1200000,"
	    "\"p99_99\":1200000,\"max\":1200000,\"count\":100},"
	    "\"backpressure_root\":\"talkers\","
	    "\"operators\":["
	    "{\"name\":\"packets\",\"type\":\"port_source\",\"slices\":2,\"rows_in_per_s\":0.0,"
	    "\"rows_out_per_s\":2048000.0,\"drops_per_s\":0.0,\"busy_share\":0.4,"
	    "\"blocked_share\":0.5,\"fill\":1.0,\"queue_share\":0.0,\"lcores\":["
	    "{\"lcore\":1,\"slices\":1,\"busy_share\":0.4},"
	    "{\"lcore\":2,\"slices\":1,\"busy_share\":0.4}]},"
	    "{\"name\":\"flows\",\"type\":\"packet_decode\",\"slices\":2,"
	    "\"rows_in_per_s\":2048000.0,\"rows_out_per_s\":2027520.0,\"drops_per_s\":20480.0,"
	    "\"busy_share\":null,\"blocked_share\":0.0,\"fill\":1.0,\"queue_share\":0.0,"
	    "\"lcores\":[{\"lcore\":1,\"slices\":1,\"busy_share\":0.0},"
	    "{\"lcore\":2,\"slices\":1,\"busy_share\":0.0}]},"
	    "{\"name\":\"talkers\",\"type\":\"window_aggregate\",\"slices\":1,"
	    "\"rows_in_per_s\":2027520.0,\"rows_out_per_s\":10.0,\"drops_per_s\":0.0,"
	    "\"busy_share\":0.85,\"blocked_share\":0.0,\"fill\":0.495,\"queue_share\":0.5,"
	    "\"lcores\":[{\"lcore\":3,\"slices\":1,\"busy_share\":0.85}]},"
	    "{\"name\":\"out\",\"type\":\"print\",\"slices\":1,\"rows_in_per_s\":10.0,"
	    "\"rows_out_per_s\":0.0,\"drops_per_s\":0.0,\"busy_share\":0.001,"
	    "\"blocked_share\":0.0,\"fill\":0.009765625,\"queue_share\":0.0,"
	    "\"latency_ns\":{\"p50\":14207,\"p90\":14207,\"p99\":14207,\"p99_9\":1200000,"
	    "\"p99_99\":1200000,\"max\":1200000,\"count\":100},"
	    "\"lcores\":[{\"lcore\":3,\"slices\":1,\"busy_share\":0.001}]}"
	    "],"
	    "\"lcores\":["
	    "{\"lcore\":1,\"numa_node\":0,\"busy_share\":0.41,\"turns_per_s\":100000.0,"
	    "\"longest_turn_ns\":45000},"
	    "{\"lcore\":2,\"numa_node\":1,\"busy_share\":0.41,\"turns_per_s\":100000.0,"
	    "\"longest_turn_ns\":45001},"
	    "{\"lcore\":3,\"busy_share\":0.86,\"turns_per_s\":100000.0,"
	    "\"longest_turn_ns\":45002}"
	    "],"
	    "\"counters\":{"
	    "\"port0.ipackets\":{\"total\":22048000,\"per_s\":2048000.0},"
	    "\"port0.imissed\":{\"total\":112,\"per_s\":100.0},"
	    "\"port0.ierrors\":{\"total\":0,\"per_s\":0.0}}}\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_running),
		TEST(test_held_up),
		TEST(test_crashed_before_any_row),
		TEST(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
