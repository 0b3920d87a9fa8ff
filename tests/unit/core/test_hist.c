/* SPDX-License-Identifier: BSD-3-Clause */
/* core/hist.c against an exact sorted array: error, merging, bounds, a reader beside the writer. */
#include "core/lm_stats.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VALUES 200000u

static const double shares[] = { 0.0, 0.001, 0.1,   0.25,   0.5,     0.75,
	                         0.9, 0.99,  0.999, 0.9999, 0.99999, 1.0 };

static uint64_t
random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int
compare_u64(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static struct lm_hist *
hist_new(void)
{
	struct lm_hist *hist = calloc(1, sizeof(*hist));

	assert_non_null(hist);
	return hist;
}

/* The exact value that a share of the sorted values lies at or below. */
static uint64_t
exact_quantile(const uint64_t *sorted, uint32_t count, double share)
{
	uint32_t rank = (uint32_t)(share * count + 0.999999);

	return sorted[rank == 0 ? 0 : rank - 1];
}

static void
check_against_exact(uint32_t bits_max, uint64_t seed)
{
	struct lm_hist *hist = hist_new();
	uint64_t *values = calloc(VALUES, sizeof(*values));
	uint64_t sum = 0;

	assert_non_null(values);
	for (uint32_t i = 0; i < VALUES; i++) {
		/* Any octave is as likely as any other. */
		values[i] = random_next(&seed) >> (64 - 1 - random_next(&seed) % bits_max);
		sum += values[i];
		lm_hist_record(hist, values[i], 1);
	}
	qsort(values, VALUES, sizeof(*values), compare_u64);
	for (uint32_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		uint64_t exact = exact_quantile(values, VALUES, shares[i]);
		uint64_t found = lm_hist_quantile(hist, shares[i]);

		assert_true(found >= exact);
		assert_true(found - exact <= exact / 64);
	}
	assert_int_equal(hist->count, VALUES);
	assert_int_equal(hist->sum, sum);
	assert_int_equal(hist->max, values[VALUES - 1]);
	free(values);
	free(hist);
}

static void
test_error_is_at_most_a_64th(void **state)
{
	(void)state;
	check_against_exact(42, 1);
	check_against_exact(20, 2);
	check_against_exact(7, 3);
}

static void
test_every_value_lands_in_its_bucket(void **state)
{
	(void)state;
	for (uint32_t bit = 0; bit < LM_HIST_BITS; bit++) {
		for (int64_t around = -1; around <= 1; around++) {
			uint64_t value = (UINT64_C(1) << bit) + (uint64_t)around;
			struct lm_hist *hist = hist_new();

			/* A larger one, so that the maximum does not cut the bucket's edge. */
			lm_hist_record(hist, value, 1);
			lm_hist_record(hist, (UINT64_C(1) << LM_HIST_BITS) - 1, 1);
			assert_true(lm_hist_quantile(hist, 0.5) >= value);
			assert_true(lm_hist_quantile(hist, 0.5) <= value + value / 64);
			free(hist);
		}
	}
}

static void
test_small_values_are_exact(void **state)
{
	struct lm_hist *hist = hist_new();

	(void)state;
	for (uint64_t value = 0; value < 128; value++) {
		lm_hist_record(hist, value, 1);
	}
	for (uint64_t value = 0; value < 128; value++) {
		assert_int_equal(lm_hist_quantile(hist, (double)(value + 1) / 128), value);
	}
	free(hist);
}

static void
test_rank_of_round_shares(void **state)
{
	struct lm_hist *hist = hist_new();

	(void)state;
	for (uint64_t value = 1; value <= 100; value++) {
		lm_hist_record(hist, value, 1);
	}
	for (uint64_t percent = 1; percent <= 100; percent++) {
		assert_int_equal(lm_hist_quantile(hist, (double)percent / 100), percent);
	}
	assert_int_equal(lm_hist_quantile(hist, -1), 1);
	assert_int_equal(lm_hist_quantile(hist, 7), 100);
	free(hist);
}

static void
test_empty(void **state)
{
	struct lm_hist *hist = hist_new();
	struct lm_hist_summary summary;

	(void)state;
	lm_hist_record(hist, 99, 0);
	lm_hist_summarize(hist, &summary);
	assert_int_equal(summary.count, 0);
	assert_int_equal(summary.mean, 0);
	assert_int_equal(summary.p50, 0);
	assert_int_equal(summary.max, 0);
	free(hist);
}

static void
test_times_weigh(void **state)
{
	struct lm_hist *hist = hist_new();
	struct lm_hist_summary summary;

	(void)state;
	lm_hist_record(hist, 10, 9899);
	lm_hist_record(hist, 50, 91);
	lm_hist_record(hist, 60, 9);
	lm_hist_record(hist, 63, 1);
	lm_hist_summarize(hist, &summary);
	assert_int_equal(summary.count, 10000);
	assert_int_equal(summary.mean, (10 * 9899 + 50 * 91 + 60 * 9 + 63) / 10000);
	assert_int_equal(summary.p50, 10);
	assert_int_equal(summary.p90, 10);
	assert_int_equal(summary.p99, 50);
	assert_int_equal(summary.p99_9, 50);
	assert_int_equal(summary.p99_99, 60);
	assert_int_equal(summary.max, 63);
	free(hist);
}

static void
test_what_is_too_large_is_in_the_last_bucket(void **state)
{
	struct lm_hist *hist = hist_new();

	(void)state;
	lm_hist_record(hist, 5, 1);
	lm_hist_record(hist, UINT64_C(1) << LM_HIST_BITS, 1);
	lm_hist_record(hist, UINT64_MAX, 1);
	assert_int_equal(hist->bucket[LM_HIST_BUCKETS - 1], 2);
	assert_int_equal(hist->max, UINT64_MAX);
	assert_int_equal(lm_hist_quantile(hist, 0.3), 5);
	assert_int_equal(lm_hist_quantile(hist, 1), UINT64_MAX);
	free(hist);
}

static void
test_mean_survives_a_sum_past_64_bits(void **state)
{
	struct lm_hist *hist = hist_new();
	struct lm_hist_summary summary;
	uint64_t value = UINT64_C(10000000000); /* 10 s, of 10^10 rows */

	(void)state;
	lm_hist_record(hist, value, UINT64_C(10000000000));
	lm_hist_summarize(hist, &summary);
	assert_true(summary.mean >= value - value / 64);
	assert_true(summary.mean <= value + value / 64);
	free(hist);
}

static void
test_adding_equals_recording_into_one(void **state)
{
	struct lm_hist *part[2] = { hist_new(), hist_new() };
	struct lm_hist *all = hist_new();
	struct lm_hist *sum = hist_new();
	uint64_t seed = 7;

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		uint64_t value = random_next(&seed) >> (24 + random_next(&seed) % 40);

		lm_hist_record(part[i % 2], value, i % 5);
		lm_hist_record(all, value, i % 5);
	}
	lm_hist_add(sum, part[0]);
	lm_hist_add(sum, part[1]);
	assert_memory_equal(sum, all, sizeof(*sum));
	free(part[0]);
	free(part[1]);
	free(all);
	free(sum);
}

struct writer {
	struct lm_hist *hist;
	bool stop;
};

static void *
writer_run(void *arg)
{
	struct writer *writer = arg;

	for (uint64_t i = 0; i < 50000000 && !__atomic_load_n(&writer->stop, __ATOMIC_RELAXED);
	     i++) {
		lm_hist_record(writer->hist, i & 0xfffff, 1);
	}
	return NULL;
}

/* Under TSan a plain store in the writer is reported here. */
static void
test_reading_beside_the_writer(void **state)
{
	struct writer writer = { .hist = hist_new() };
	struct lm_hist *copy = hist_new();
	uint64_t before = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, writer_run, &writer), 0);
	for (uint32_t i = 0; i < 500 || before < 100000; i++) {
		uint64_t buckets = 0;

		memset(copy, 0, sizeof(*copy));
		lm_hist_add(copy, writer.hist);
		for (uint32_t j = 0; j < LM_HIST_BUCKETS; j++) {
			buckets += copy->bucket[j];
		}
		assert_int_equal(buckets, copy->count);
		assert_true(copy->count >= before);
		before = copy->count;
		assert_true(lm_hist_quantile(writer.hist, 0.99) <= 0xfffff);
	}
	__atomic_store_n(&writer.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	free(writer.hist);
	free(copy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_is_at_most_a_64th),
		cmocka_unit_test(test_every_value_lands_in_its_bucket),
		cmocka_unit_test(test_small_values_are_exact),
		cmocka_unit_test(test_rank_of_round_shares),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_times_weigh),
		cmocka_unit_test(test_what_is_too_large_is_in_the_last_bucket),
		cmocka_unit_test(test_mean_survives_a_sum_past_64_bits),
		cmocka_unit_test(test_adding_equals_recording_into_one),
		cmocka_unit_test(test_reading_beside_the_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
