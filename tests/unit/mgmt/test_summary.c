/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/summary.c: the whole text and the whole line, as people and programs get them. */
#include "mgmt/summary.h"
#include "tests/unit/mgmt/fake_engine.h"
#include "tests/unit/mgmt/print_to_text.h"

#include <jansson.h>

#define SECOND INT64_C(1000000000)

struct fixture {
	struct lm_engine *engine;
	struct sample sample;
	struct summary summary;
};

static int
setup(void **state)
{
	static struct lm_placement placement = {
		.worker_count = 2, .worker = { { .numa_node = 0 }, { .numa_node = 1 } }
	};
	struct sample_about about = fake_about;
	struct fixture *f = calloc(1, sizeof(*f));

	about.placement = &placement; /* the third lcore's node is not known */
	f->engine = fake_engine_chain();
	f->engine->gauge_name[2][1] = "held";
	f->engine->gauge_name[3][1] = "held";
	assert_int_equal(sample_init(&f->sample, f->engine, &about), 0);
	f->summary = (struct summary){ .topology = "top-talkers",
		                       .version = "0.1.0",
		                       .isa = "avx2",
		                       .status = SUMMARY_COMPLETE,
		                       .seconds = 10,
		                       .sample = &f->sample };
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sample_free(&f->sample);
	free(f->engine);
	free(f);
	return 0;
}

/* Ten seconds of 2 million rows, with every kind of loss. */
static void
run_ten_seconds(struct fixture *f)
{
	static const struct sample_counter counters[] = { { "port0.ipackets", 20000000 },
		                                          { "port0.imissed", 12 },
		                                          { "port0.ierrors", 0 } };

	for (uint32_t i = 0; i < 10; i++) {
		fake_engine_second(f->engine, 1000000);
	}
	lm_hist_record(&f->engine->latency, 14200, 97);
	lm_hist_record(&f->engine->latency, 85000, 2);
	lm_hist_record(&f->engine->latency, 1200000, 1);
	f->engine->slice[4].drops[0] = 7;
	f->engine->slice[2].gauges[1] = 30;
	f->engine->slice[3].gauges[1] = 12;
	sample_read(&f->sample, f->engine, NULL, 11 * SECOND, counters, 3);
}

static void
test_for_people(void **state)
{
	static const char *const warnings[] = { "lcores 1 and 2 share a CPU", "no hugepages" };
	struct fixture *f = *state;
	struct print_to_text print;

	run_ten_seconds(f);
	f->summary.packets = 20000012;
	f->summary.bytes = 1234567890;
	f->summary.warnings = warnings;
	f->summary.warning_count = 2;
	assert_int_equal(summary_print(print_to_text_begin(&print), &f->summary, false), 0);
	print_to_text_expect(
	    &print, "top-talkers: complete after 10.0 s  (lodemill 0.1.0, avx2)\n"
		    "\n"
		    "  packets  20,000,012     2.0M/s\n"
		    "  bytes       1.1 GiB  118 MiB/s\n"
		    "  rows     20,000,000     2.0M/s\n"
		    "  latency  p50 14.2 µs, p99 86.0 µs, p99.9 1.2 ms, max 1.2 ms\n"
		    "\n"
		    "  OPERATOR  TYPE              SLICES     ROWS IN    ROWS OUT    ABSORBED"
		    "  DROPPED    FILL\n"
		    "  packets   port_source            2           0  20,000,000           0"
		    "        0   100 %\n"
		    "  flows     packet_decode          2  20,000,000  19,800,000           0"
		    "  200,000   100 %\n"
		    "  talkers   window_aggregate       1  19,800,000         100  19,800,000"
		    "        7  49.5 %\n"
		    "  out       print                  1         100           0           0"
		    "        0   1.0 %\n"
		    "\n"
		    "  DROPPED BY       COUNT\n"
		    "  flows.not_ip   200,000  rows\n"
		    "  talkers.late         7  rows\n"
		    "  port0.imissed       12  packets\n"
		    "\n"
		    "  LCORE  NODE    BUSY      TURNS  LONGEST TURN\n"
		    "      1     0  41.0 %  1,000,000       45.0 µs\n"
		    "      2     1  41.0 %  1,000,000       45.0 µs\n"
		    "      3        86.0 %  1,000,000       45.0 µs\n"
		    "\n"
		    "  warning: lcores 1 and 2 share a CPU\n"
		    "  warning: no hugepages\n");
}

static void
test_a_run_without_anything(void **state)
{
	struct fixture *f = *state;
	struct print_to_text print;

	f->engine->slice[3].errors = 2;
	f->summary.seconds = 0;
	f->summary.status = SUMMARY_FAILED;
	sample_read(&f->sample, f->engine, NULL, SECOND, NULL, 0);
	assert_int_equal(summary_print(print_to_text_begin(&print), &f->summary, false), 0);
	print_to_text_expect(
	    &print, "top-talkers: failed after 0 ns  (lodemill 0.1.0, avx2)\n"
		    "\n"
		    "  rows  0  0/s\n"
		    "\n"
		    "  OPERATOR  TYPE              SLICES  ROWS IN  ROWS OUT  ABSORBED  DROPPED"
		    "  ERRORS   FILL\n"
		    "  packets   port_source            2        0         0         0        0"
		    "       0  0.0 %\n"
		    "  flows     packet_decode          2        0         0         0        0"
		    "       2  0.0 %\n"
		    "  talkers   window_aggregate       1        0         0         0        0"
		    "       0  0.0 %\n"
		    "  out       print                  1        0         0         0        0"
		    "       0  0.0 %\n"
		    "\n"
		    "  nothing was dropped\n"
		    "\n"
		    "  LCORE  NODE   BUSY  TURNS  LONGEST TURN\n"
		    "      1     0  0.0 %      0          0 ns\n"
		    "      2     1  0.0 %      0          0 ns\n"
		    "      3        0.0 %      0          0 ns\n");
}

static void
test_colour_only_when_asked(void **state)
{
	struct fixture *f = *state;
	struct print_to_text print;
	char *text;

	run_ten_seconds(f);
	f->summary.status = SUMMARY_STOPPED;
	summary_print(print_to_text_begin(&print), &f->summary, true);
	text = print_to_text_end(&print);
	assert_non_null(strstr(text, "\033[33mstopped\033[0m"));
	free(text);
	summary_print(print_to_text_begin(&print), &f->summary, false);
	text = print_to_text_end(&print);
	assert_null(strchr(text, '\033'));
	free(text);
}

static void
test_for_programs(void **state)
{
	static const char *const warnings[] = { "bad \377 byte" };
	struct fixture *f = *state;
	struct print_to_text print;

	run_ten_seconds(f);
	f->summary.packets = 20000012;
	f->summary.bytes = 1234567890;
	f->summary.warnings = warnings;
	f->summary.warning_count = 1;
	assert_int_equal(summary_json(print_to_text_begin(&print), &f->summary), 0);
	print_to_text_expect(
	    &print,
	    "{\"status\":\"complete\",\"topology\":\"top-talkers\",\"version\":\"0.1.0\","
	    "\"isa\":\"avx2\",\"seconds\":10.0,\"packets\":20000012,\"bytes\":1234567890,"
	    "\"rows\":20000000,\"rows_per_s\":2000000.0,"
	    "\"drops\":{\"flows.not_ip\":200000,\"talkers.late\":7,\"port0.imissed\":12},"
	    "\"latency_ns\":{\"p50\":14207,\"p90\":14207,\"p99\":86015,\"p99_9\":1200000,"
	    "\"p99_99\":1200000,\"max\":1200000,\"count\":100},"
	    "\"operators\":["
	    "{\"name\":\"packets\",\"type\":\"port_source\",\"slices\":2,\"rows_in\":0,"
	    "\"rows_out\":20000000,\"absorbed\":0,\"drops\":{},\"batches_in\":0,"
	    "\"fill\":0.999552201,\"errors\":0},"
	    "{\"name\":\"flows\",\"type\":\"packet_decode\",\"slices\":2,\"rows_in\":20000000,"
	    "\"rows_out\":19800000,\"absorbed\":0,\"drops\":{\"not_ip\":200000},"
	    "\"batches_in\":19540,\"fill\":0.999552201,\"errors\":0,\"gauges\":{\"held\":42}},"
	    "{\"name\":\"talkers\",\"type\":\"window_aggregate\",\"slices\":1,"
	    "\"rows_in\":19800000,\"rows_out\":100,\"absorbed\":19800000,"
	    "\"drops\":{\"late\":7},\"batches_in\":39060,\"fill\":0.495031682,\"errors\":0},"
	    "{\"name\":\"out\",\"type\":\"print\",\"slices\":1,\"rows_in\":100,\"rows_out\":0,"
	    "\"absorbed\":0,\"drops\":{},\"batches_in\":10,\"fill\":0.009765625,\"errors\":0}"
	    "],"
	    "\"lcores\":["
	    "{\"lcore\":1,\"numa_node\":0,\"busy_share\":0.41,\"turns\":1000000,"
	    "\"longest_turn_ns\":45000},"
	    "{\"lcore\":2,\"numa_node\":1,\"busy_share\":0.41,\"turns\":1000000,"
	    "\"longest_turn_ns\":45001},"
	    "{\"lcore\":3,\"busy_share\":0.86,\"turns\":1000000,\"longest_turn_ns\":45002}"
	    "],"
	    "\"warnings\":[\"bad ? byte\"]}\n");
}

/* What a change of the graph took out is told, and what such a source had sent counts. */
static void
test_removed_operators(void **state)
{
	struct fixture *f = *state;
	const struct sample_operator gone[] = {
		{ .name = "old", .type = "generator", .is_source = 1, .slices = 2, .rows_out = 5 },
		{ .name = "pass", .type = "filter", .slices = 3, .rows_in = 4, .rows_out = 3 },
	};
	struct print_to_text print;
	json_t *value, *removed;
	char *text;

	run_ten_seconds(f);
	f->summary.gone = gone;
	f->summary.gone_count = 2;
	assert_int_equal(summary_json(print_to_text_begin(&print), &f->summary), 0);
	text = print_to_text_end(&print);
	value = json_loads(text, 0, NULL);
	removed = json_object_get(value, "removed");
	assert_int_equal(json_array_size(removed), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(removed, 1), "name")),
	                    "pass");
	assert_int_equal(
	    json_integer_value(json_object_get(json_array_get(removed, 1), "rows_out")), 3);
	assert_int_equal(json_integer_value(json_object_get(value, "rows")),
	                 sample_rows(&f->sample) + 5);
	json_decref(value);
	free(text);
	assert_int_equal(summary_print(print_to_text_begin(&print), &f->summary, false), 0);
	text = print_to_text_end(&print);
	assert_non_null(strstr(text, "removed"));
	free(text);
}

static void
test_json_is_always_json(void **state)
{
	struct fixture *f = *state;
	struct print_to_text print;
	json_t *value;
	char *text;

	f->engine->slice[4].rows_in = UINT64_MAX;
	f->engine->slice[2].drops[31] = 3;
	f->summary.seconds = 0.0 / 0.0;
	f->summary.topology = "\377\"\\\n";
	sample_read(&f->sample, f->engine, NULL, SECOND, NULL, 0);
	assert_int_equal(summary_json(print_to_text_begin(&print), &f->summary), 0);
	text = print_to_text_end(&print);
	value = json_loads(text, 0, NULL);
	assert_non_null(value);
	assert_true(json_is_null(json_object_get(value, "seconds")));
	assert_int_equal(
	    json_integer_value(json_object_get(json_object_get(value, "drops"), "flows.other")), 3);
	assert_int_equal(strchr(text, '\n') - text, strlen(text) - 1);
	json_decref(value);
	free(text);
}

static void
test_a_full_disk_is_noticed(void **state)
{
	struct fixture *f = *state;
	FILE *full = fopen("/dev/full", "w");

	if (full == NULL) {
		skip();
	}
	setvbuf(full, NULL, _IONBF, 0);
	sample_read(&f->sample, f->engine, NULL, SECOND, NULL, 0);
	assert_int_not_equal(summary_json(full, &f->summary), 0);
	assert_int_not_equal(summary_print(full, &f->summary, false), 0);
	fclose(full);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_for_people),
		TEST(test_a_run_without_anything),
		TEST(test_colour_only_when_asked),
		TEST(test_for_programs),
		TEST(test_removed_operators),
		TEST(test_json_is_always_json),
		TEST(test_a_full_disk_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
