/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log-linear histograms: one lcore records, anyone reads.
 *
 * A value v in [2^k, 2^(k+1)), k >= 6, falls in one of 64 equal parts of that octave; values under
 * 64 have a bucket each. Both are one formula: with shift = max(k, 6) - 6, the bucket is (shift <<
 * 6) + (v >> shift).
 */
#include "core/lm_stats.h"

#include <assert.h>
#include <float.h>

#define HIST_SUB (UINT64_C(1) << LM_HIST_SUB_BITS)
#define HIST_VALUE_MAX ((UINT64_C(1) << LM_HIST_BITS) - 1)

static_assert(LM_HIST_BUCKETS == (LM_HIST_BITS - LM_HIST_SUB_BITS + 1) * HIST_SUB,
              "the last value falls in the last bucket");

static inline uint32_t
hist_bucket(uint64_t value)
{
	uint64_t bounded = value < HIST_VALUE_MAX ? value : HIST_VALUE_MAX;
	uint32_t octave = 63u - (uint32_t)__builtin_clzll(bounded | HIST_SUB);
	uint32_t shift = octave - LM_HIST_SUB_BITS;

	return (shift << LM_HIST_SUB_BITS) + (uint32_t)(bounded >> shift);
}

/* The smallest value of a bucket, and how many values it holds. */
static inline uint64_t
hist_bucket_low(uint32_t bucket, uint64_t *width)
{
	uint32_t shift = bucket < HIST_SUB ? 0 : (bucket >> LM_HIST_SUB_BITS) - 1;

	*width = UINT64_C(1) << shift;
	return (bucket - ((uint64_t)shift << LM_HIST_SUB_BITS)) << shift;
}

/* One writer: a load and a store are enough, and a reader elsewhere sees whole values. */
static inline void
hist_count(uint64_t *counter, uint64_t more)
{
	__atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

static inline uint64_t
hist_load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void
lm_hist_record(struct lm_hist *hist, uint64_t value, uint64_t times)
{
	hist_count(&hist->bucket[hist_bucket(value)], times);
	hist_count(&hist->count, times);
	hist_count(&hist->sum, value * times);
	if (value > hist->max && times != 0) {
		__atomic_store_n(&hist->max, value, __ATOMIC_RELAXED);
	}
}

void
lm_hist_add(struct lm_hist *to, const struct lm_hist *from)
{
	uint64_t count = 0;
	uint64_t max;

	for (uint32_t i = 0; i < LM_HIST_BUCKETS; i++) {
		uint64_t times = hist_load(&from->bucket[i]);

		to->bucket[i] += times;
		count += times;
	}
	/* Not from->count: it may be of a later moment, and a quantile needs the sum of the
	 * buckets. */
	to->count += count;
	to->sum += hist_load(&from->sum);
	max = hist_load(&from->max);
	if (max > to->max) {
		to->max = max;
	}
}

/* How many of `count` values make up `share` of them: at least one, at most all. */
static uint64_t
hist_rank(uint64_t count, double share)
{
	/* A little less, so that 0.99 of 100, which may come out above 99, is 99 and not 100. */
	double wanted = share * (1.0 - DBL_EPSILON) * (double)count;
	uint64_t rank;

	if (wanted <= 1.0) {
		return 1;
	}
	if (share >= 1.0 || wanted >= (double)count) {
		return count;
	}
	rank = (uint64_t)wanted;
	return (double)rank < wanted ? rank + 1 : rank;
}

uint64_t
lm_hist_quantile(const struct lm_hist *hist, double share)
{
	uint64_t total = hist_load(&hist->count);
	uint64_t max = hist_load(&hist->max);
	uint64_t rank, seen = 0;

	if (total == 0) {
		return 0;
	}
	rank = hist_rank(total, share);
	for (uint32_t i = 0; i + 1 < LM_HIST_BUCKETS; i++) {
		seen += hist_load(&hist->bucket[i]);
		if (seen >= rank) {
			uint64_t width;
			uint64_t edge = hist_bucket_low(i, &width) + width - 1;

			return edge < max ? edge : max;
		}
	}
	return max;
}

/* The sum as the buckets tell it: known to 1/128, but never wrapped around. */
static double
hist_sum(const struct lm_hist *hist)
{
	double sum = 0;

	for (uint32_t i = 0; i < LM_HIST_BUCKETS; i++) {
		uint64_t times = hist_load(&hist->bucket[i]);

		if (times != 0) {
			uint64_t width;
			uint64_t low = hist_bucket_low(i, &width);

			sum += ((double)low + (double)(width - 1) / 2) * (double)times;
		}
	}
	return sum;
}

static uint64_t
hist_mean(const struct lm_hist *hist)
{
	uint64_t count = hist_load(&hist->count);
	double sum = hist_sum(hist);

	if (count == 0) {
		return 0;
	}
	/* Hours of heavy traffic in ns can pass 2^64: then the exact sum has wrapped around. */
	return sum < 0x1p63 ? hist_load(&hist->sum) / count : (uint64_t)(sum / (double)count);
}

void
lm_hist_summarize(const struct lm_hist *hist, struct lm_hist_summary *summary)
{
	summary->count = hist_load(&hist->count);
	summary->mean = hist_mean(hist);
	summary->p50 = lm_hist_quantile(hist, 0.5);
	summary->p90 = lm_hist_quantile(hist, 0.9);
	summary->p99 = lm_hist_quantile(hist, 0.99);
	summary->p99_9 = lm_hist_quantile(hist, 0.999);
	summary->p99_99 = lm_hist_quantile(hist, 0.9999);
	summary->max = hist_load(&hist->max);
}
