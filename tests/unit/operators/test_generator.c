/* SPDX-License-Identifier: BSD-3-Clause */
/* generator: kinds of values, slices that add up to one sequence, open-loop pacing, watermarks. */
#include "tests/unit/operators/fake_op.h"
#include "tests/unit/operators/fake_restart.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct fake_operator *
make(const struct fake_param *params, uint32_t slices)
{
	return fake_make("generator", params, NULL, slices);
}

static void
test_kinds(void **state)
{
	static const struct fake_param params[] = {
		{ "rows", NULL, "4" },
		{ "fields", "i", "u64 = sequence" },
		{ "fields", "down", "i16 = sequence 5 -2" },
		{ "fields", "c", "u8 = constant 7" },
		{ "fields", "f", "f32 = constant 1.5" },
		{ "fields", "s", "string = constant two words" },
		{ "fields", "cy", "u32 = cycle 3" },
		{ "fields", "t", "time = time 1970-01-01T00:00:01Z 10us" },
		{ "fields", "ts", "string = text sequence 98" },
		{ "fields", "tc", "string = text cycle 2" },
		{ "fields", "ip", "ip4 = sequence 10.0.0.254" },
		{ "fields", "b", "bool = cycle 2" },
		{ "fields", "six", "ip6 = constant 2001:db8::1" },
		{ "fields", "mac", "mac = constant 02:00:00:00:00:01" },
		{ "fields", "d", "f64 = sequence 10" },
		{ 0 }
	};
	struct fake_operator *subject = make(params, 1);
	struct lm_op *op = fake_open(subject, 0);

	(void)state;
	fake_run(op, 10);
	assert_int_equal(op->output[0].rows, 4);
	fake_expect(op, 0, 0,
	            "0|5|7|1.5|two words|0|1000000000|98|0|10.0.0.254|false|2001:db8::1|"
	            "02:00:00:00:00:01|10");
	fake_expect(op, 0, 3,
	            "3|-1|7|1.5|two words|0|1000030000|101|1|10.0.1.1|true|2001:db8::1|"
	            "02:00:00:00:00:01|13");
	fake_close(op);
	fake_unconfigure(subject);
}

/* The rows that several slices make are, in turn, those that one makes. */
static void
test_slices_add_up(void **state)
{
	static const struct fake_param params[] = { { "rows", NULL, "5003" },
		                                    { "seed", NULL, "42" },
		                                    { "batch", NULL, "700" },
		                                    { "fields", "t", "time = time 0 1ms" },
		                                    { "fields", "u", "i32 = uniform -50 50" },
		                                    { "fields", "r", "f64 = uniform 0 1" },
		                                    { "fields", "z", "u16 = zipf 1000 1.1" },
		                                    { "fields", "cy", "u8 = cycle 7" },
		                                    { "fields", "w",
		                                      "string = text uniform 100000" },
		                                    { 0 } };
	struct fake_operator *one = make(params, 1), *three = make(params, 3);
	struct lm_op *whole = fake_open(one, 0), *part[3];
	char a[256], b[256];

	(void)state;
	fake_run(whole, 100);
	assert_int_equal(whole->output[0].rows, 5003);
	for (uint32_t k = 0; k < 3; k++) {
		part[k] = fake_open(three, k);
		fake_run(part[k], 100);
		assert_int_equal(part[k]->output[0].rows, (5003 - k + 2) / 3);
		assert_int_equal(part[k]->output[0].late, 0);
	}
	for (uint64_t row = 0; row < 5003; row++) {
		fake_output_text(whole, 0, row, a, sizeof(a));
		fake_output_text(part[row % 3], 0, row / 3, b, sizeof(b));
		assert_string_equal(a, b);
	}
	for (uint32_t k = 0; k < 3; k++) {
		fake_close(part[k]);
	}
	fake_close(whole);
	fake_unconfigure(one);
	fake_unconfigure(three);
}

static void
test_seed_matters(void **state)
{
	static const struct fake_param params[2][4] = {
		{ { "rows", NULL, "100" },
		  { "seed", NULL, "1" },
		  { "fields", "u", "u64 = uniform 0 0xffffffffffffffff" } },
		{ { "rows", NULL, "100" },
		  { "seed", NULL, "2" },
		  { "fields", "u", "u64 = uniform 0 0xffffffffffffffff" } },
	};
	struct fake_operator *a = make(params[0], 1), *b = make(params[1], 1);
	struct lm_op *x = fake_open(a, 0), *y = fake_open(b, 0);
	uint32_t same = 0;

	(void)state;
	fake_run(x, 2);
	fake_run(y, 2);
	for (uint64_t row = 0; row < 100; row++) {
		same += fake_output_u64(x, 0, row, 0) == fake_output_u64(y, 0, row, 0);
	}
	assert_int_equal(same, 0);
	fake_close(x);
	fake_close(y);
	fake_unconfigure(a);
	fake_unconfigure(b);
}

#define SAMPLES 400000u

/* Draws SAMPLES values of field 0 into a table of counts, which has to hold them. */
static void
sample(const char *kind, uint64_t *count, uint64_t values)
{
	struct fake_param params[] = { { "rows", NULL, "400000" }, { "fields", "v", kind }, { 0 } };
	struct fake_operator *subject = make(params, 1);
	struct lm_op *op = fake_open(subject, 0);

	fake_run(op, SAMPLES);
	for (uint64_t row = 0; row < SAMPLES; row++) {
		uint64_t value = fake_output_u64(op, 0, row, 0);

		assert_true(value < values);
		count[value]++;
	}
	fake_close(op);
	fake_unconfigure(subject);
}

static void
test_uniform_is_uniform(void **state)
{
	uint64_t count[100] = { 0 };
	double chi2 = 0;

	(void)state;
	sample("u32 = uniform 0 99", count, 100);
	for (uint32_t i = 0; i < 100; i++) {
		double off = (double)count[i] - SAMPLES / 100.0;

		chi2 += off * off / (SAMPLES / 100.0);
	}
	/* 99 degrees of freedom: beyond 160 once in 10000 seeds, and the seed is fixed. */
	assert_true(chi2 < 160);
}

/* Every one of the exponents against the exact probabilities of the ranks. */
static void
test_zipf_is_zipf(void **state)
{
	static const struct {
		const char *kind;
		double s;
	} cases[] = { { "u32 = zipf 50 1.0", 1.0 },
		      { "u32 = zipf 50 0.5", 0.5 },
		      { "u32 = zipf 50 1.5", 1.5 },
		      { "u32 = zipf 50 3", 3.0 } };

	(void)state;
	for (uint32_t c = 0; c < 4; c++) {
		uint64_t count[50] = { 0 };
		double sum = 0, chi2 = 0;
		uint32_t cells = 0;

		sample(cases[c].kind, count, 50);
		for (uint32_t i = 0; i < 50; i++) {
			sum += pow(i + 1, -cases[c].s);
		}
		for (uint32_t i = 0; i < 50; i++) {
			double expected = SAMPLES * pow(i + 1, -cases[c].s) / sum;
			double off = (double)count[i] - expected;

			chi2 += expected > 5 ? off * off / expected : 0;
			cells += expected > 5;
		}
		assert_true(cells > 10);
		assert_true(chi2 < 95);
	}
}

static void
test_rate_is_open_loop(void **state)
{
	static const struct fake_param params[] = { { "rate", NULL, "3000" },
		                                    { "fields", "t", "time = intended time" },
		                                    { "fields", "i", "u64 = sequence" },
		                                    { 0 } };
	struct fake_operator *subject = make(params, 1);
	struct lm_op *op = fake_open(subject, 0);
	int64_t start = op->now_ns, wall = op->wall_ns;

	(void)state;
	op->turn_ns = 0;
	assert_int_equal(fake_poll(op), LM_POLL_BUSY);
	assert_int_equal(op->output[0].rows, 1);
	assert_int_equal(fake_poll(op), LM_POLL_IDLE);
	/* Row 1 is due at 333333 ns, not before. */
	op->now_ns = start + 333332;
	assert_int_equal(fake_poll(op), LM_POLL_IDLE);
	op->now_ns = start + 333333;
	assert_int_equal(fake_poll(op), LM_POLL_BUSY);
	assert_int_equal(op->output[0].rows, 2);
	/* A stall of a second: everything due is made up for, with the time it was due. */
	op->now_ns = start + 1000000000;
	op->wall_ns = wall + 1000000000;
	while (fake_poll(op) == LM_POLL_BUSY) {
	}
	assert_int_equal(op->output[0].rows, 3001);
	assert_int_equal(op->output[0].ingress_ns[2], start + 666666);
	assert_int_equal(op->output[0].ingress_ns[3000], start + 666666 + 682666667);
	for (uint64_t row = 0; row < 3001; row++) {
		assert_int_equal(fake_output_u64(op, 0, row, 0),
		                 (uint64_t)wall + row * 1000000000 / 3000);
		assert_int_equal(fake_output_u64(op, 0, row, 1), row);
	}
	assert_int_equal(op->output[0].late, 0);
	assert_true(op->watermark_ns < wall + 1000000000);
	fake_close(op);
	fake_unconfigure(subject);
}

/* From a step on the new rate; every row is due at its moment, also in a stall over a step. */
static void
test_steps(void **state)
{
	static const struct fake_param params[] = { { "rate", NULL, "1000" },
		                                    { "steps", "a", "100ms 4000" },
		                                    { "steps", "b", "200ms 10" },
		                                    { "fields", "t", "time = intended time" },
		                                    { 0 } };
	struct fake_operator *subject = make(params, 1);
	struct lm_op *op = fake_open(subject, 0);
	int64_t start = op->now_ns, wall = op->wall_ns;

	(void)state;
	op->turn_ns = 0;
	assert_int_equal(fake_poll(op), LM_POLL_BUSY);
	op->now_ns = start + 99999999;
	while (fake_poll(op) == LM_POLL_BUSY) {
	}
	assert_int_equal(op->output[0].rows, 100);
	op->now_ns = start + 450000000;
	while (fake_poll(op) == LM_POLL_BUSY) {
	}
	assert_int_equal(op->output[0].rows, 100 + 400 + 3);
	assert_int_equal(fake_output_u64(op, 0, 99, 0), (uint64_t)wall + 99000000);
	assert_int_equal(fake_output_u64(op, 0, 100, 0), (uint64_t)wall + 100000000);
	assert_int_equal(fake_output_u64(op, 0, 101, 0), (uint64_t)wall + 100250000);
	assert_int_equal(fake_output_u64(op, 0, 499, 0), (uint64_t)wall + 199750000);
	assert_int_equal(fake_output_u64(op, 0, 500, 0), (uint64_t)wall + 200000000);
	assert_int_equal(fake_output_u64(op, 0, 502, 0), (uint64_t)wall + 400000000);
	assert_int_equal(op->output[0].ingress_ns[100], start + 100000000);
	fake_close(op);
	fake_unconfigure(subject);
}

static void
test_bad_steps(void **state)
{
	static const char *const bad[] = { "",      "5s",    "0s 100",  "5x 100", "5s 0",
		                           "5s -1", "5s 1z", "5s 1k 2", "5s 2T" };

	(void)state;
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fake_param params[] = { { "rate", NULL, "100" },
			                       { "steps", "a", bad[i] },
			                       { "fields", "v", "u64 = sequence" },
			                       { 0 } };

		assert_null(fake_configure(fake_class("generator"), params, NULL, 1));
		params[1].text = "5s 1.5k";
		params[0].text = "0";
		assert_null(fake_configure(fake_class("generator"), params, NULL, 1));
		assert_string_equal(fake_failure.message, "there is no rate to change");
	}
}

static void
test_slow_rate(void **state)
{
	static const struct fake_param params[] = { { "rate", NULL, "0.5" },
		                                    { "rows", NULL, "3" },
		                                    { "fields", "i", "u64 = sequence" },
		                                    { 0 } };
	struct fake_operator *subject = make(params, 1);
	struct lm_op *op = fake_open(subject, 0);
	enum lm_poll last = LM_POLL_BUSY;
	uint32_t polls;

	(void)state;
	op->turn_ns = 100000000;
	for (polls = 0; last != LM_POLL_END; polls++) {
		last = fake_poll(op);
	}
	/* The third row is due after four seconds. */
	assert_int_equal(polls, 41);
	assert_int_equal(op->output[0].rows, 3);
	fake_end(op);
	fake_close(op);
	fake_unconfigure(subject);
}

static void
test_watermark_lag(void **state)
{
	static const struct fake_param params[] = { { "rows", NULL, "100" },
		                                    { "lag", NULL, "5ms" },
		                                    { "fields", "t", "time = time 0 1ms" },
		                                    { 0 } };
	struct fake_operator *subject = make(params, 1);
	struct lm_op *op = fake_open(subject, 0);

	(void)state;
	fake_run(op, 2);
	/* The next row would be at 100 ms. */
	assert_int_equal(op->watermark_ns, 100000000 - 5000000 - 1);
	fake_close(op);
	fake_unconfigure(subject);
}

static void
test_mistakes(void **state)
{
	static const struct {
		const char *text;
		uint32_t column;
		const char *message;
	} cases[] = {
		{ "u65 = sequence", 0, "no such type" },
		{ "frame = constant 1", 0, "no such type" },
		{ "u64 sequence", 4, "\" = \" is missing behind the type" },
		{ "u64 = sequense", 6, "no such kind" },
		{ "u64 =", 5, "the kind is missing" },
		{ "u8 = constant 256", 14, "the constant is not a value of the type" },
		{ "u8 = cycle 257", 11, "N is not a count that the type can hold" },
		{ "u64 = cycle 0", 12, "N is not a count that the type can hold" },
		{ "u8 = uniform 0 300", 15, "HI is not a value of the type" },
		{ "u8 = uniform 9 3", 15, "HI is below LO" },
		{ "i8 = uniform 3 -3", 15, "HI is below LO" },
		{ "u64 = zipf 10 -1", 14, "S is not an exponent above 0, up to 20" },
		{ "u64 = zipf", 10, "N is not a count that the type can hold" },
		{ "u64 = uniform 1 2 3", 18, "there is more than the kind takes" },
		{ "u64 = time 0 1s", 0, "only a column of type time has times" },
		{ "time = time noon 1s", 12,
		  "START is not a time such as 2020-01-31T10:00:00Z or 0" },
		{ "time = time 0 1x", 14, "STEP is not a duration such as 10us" },
		{ "string = uniform 1 2", 9, "a string is constant V or text KIND" },
		{ "ip6 = sequence", 6, "a column of this type can only be constant" },
		{ "", 0, "the type is missing" },
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_param params[] = { { "fields", "v", cases[i].text }, { 0 } };

		assert_null(fake_configure(fake_class("generator"), params, NULL, 1));
		assert_string_equal(fake_failure.message, cases[i].message);
		assert_int_equal(fake_failure.column, cases[i].column);
		assert_int_equal(fake_failure.item, 0);
		assert_true(strlen(fake_failure.hint) > 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),        cmocka_unit_test(test_slices_add_up),
		cmocka_unit_test(test_seed_matters), cmocka_unit_test(test_uniform_is_uniform),
		cmocka_unit_test(test_zipf_is_zipf), cmocka_unit_test(test_rate_is_open_loop),
		cmocka_unit_test(test_slow_rate),    cmocka_unit_test(test_watermark_lag),
		cmocka_unit_test(test_steps),        cmocka_unit_test(test_bad_steps),
		cmocka_unit_test(test_mistakes),     FAKE_RESTARTED(test_slices_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
