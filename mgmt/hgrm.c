/* SPDX-License-Identifier: BSD-3-Clause */
/* A histogram as HdrHistogram's percentile text, in the layout its Java tools write. */
#include "mgmt/hgrm.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <unistd.h>

/* Lines per halving of the distance to 100 %: what HdrHistogram's own tools use. */
#define HGRM_TICKS 5

/* The smallest value of a bucket and the largest one. */
static uint64_t
hgrm_bucket_low(uint32_t bucket)
{
	uint32_t shift = bucket >> LM_HIST_SUB_BITS == 0 ? 0 : (bucket >> LM_HIST_SUB_BITS) - 1;

	return (bucket - ((uint64_t)shift << LM_HIST_SUB_BITS)) << shift;
}

static uint64_t
hgrm_bucket_high(const struct lm_hist *hist, uint32_t bucket)
{
	uint64_t high = hgrm_bucket_low(bucket + 1) - 1;

	return bucket + 1 == LM_HIST_BUCKETS || high > hist->max ? hist->max : high;
}

/* The share that line `tick` tells: 0, 0.1, … 0.5, 0.55, … 0.75, 0.775, … */
static double
hgrm_share(uint32_t tick)
{
	double left = exp2(-(double)(tick / HGRM_TICKS));

	return 1 - left * (1 - (double)(tick % HGRM_TICKS) / (2 * HGRM_TICKS));
}

static void
hgrm_line(FILE *out, const struct lm_hist *hist, uint32_t bucket, double share, uint64_t seen,
          double scale)
{
	fprintf(out, "%12.3f %2.12f %10llu", (double)hgrm_bucket_high(hist, bucket) / scale, share,
	        (unsigned long long)seen);
	if (share < 1) {
		fprintf(out, " %14.2f", 1 / (1 - share));
	}
	fputc('\n', out);
}

/* The last share that is told before 100 %: of one value, or what a double can still tell from 1.
 */
static double
hgrm_share_max(uint64_t total)
{
	double last = 1 - 1 / (double)total;

	return last < 1 - 1e-10 ? last : 1 - 1e-10;
}

static void
hgrm_lines(FILE *out, const struct lm_hist *hist, uint64_t total, double scale)
{
	double share_max = hgrm_share_max(total);
	uint32_t tick = 0;
	uint64_t seen = 0;

	for (uint32_t bucket = 0; bucket < LM_HIST_BUCKETS && seen < total; bucket++) {
		if (hist->bucket[bucket] == 0) {
			continue;
		}
		seen += hist->bucket[bucket];
		/* One line for every share that this bucket reaches; the last one is 100 %. */
		while (hgrm_share(tick) <= share_max &&
		       (double)seen >= hgrm_share(tick) * (double)total) {
			hgrm_line(out, hist, bucket, hgrm_share(tick), seen, scale);
			tick++;
		}
		if (seen == total) {
			hgrm_line(out, hist, bucket, 1, seen, scale);
		}
	}
}

/* Mean and deviation, from the middle of each bucket. */
static double
hgrm_middle(const struct lm_hist *hist, uint32_t bucket)
{
	return ((double)hgrm_bucket_low(bucket) + (double)hgrm_bucket_high(hist, bucket)) / 2;
}

static void
hgrm_moments(const struct lm_hist *hist, uint64_t total, double *mean, double *deviation)
{
	double sum = 0, squares = 0;

	*mean = 0;
	*deviation = 0;
	if (total == 0) {
		return;
	}
	for (uint32_t i = 0; i < LM_HIST_BUCKETS; i++) {
		sum += hgrm_middle(hist, i) * (double)hist->bucket[i];
	}
	*mean = sum / (double)total;
	for (uint32_t i = 0; i < LM_HIST_BUCKETS; i++) {
		double off = hgrm_middle(hist, i) - *mean;

		squares += off * off * (double)hist->bucket[i];
	}
	*deviation = sqrt(squares / (double)total);
}

/* A text from a person in a comment: one line. */
static void
hgrm_comment(FILE *out, const char *name, const char *text)
{
	fprintf(out, "# %s: ", name);
	for (; *text != '\0'; text++) {
		fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
	}
	fputc('\n', out);
}

int
hgrm_write(FILE *out, const struct lm_hist *hist, const char *title, const char *unit, double scale)
{
	uint64_t total = 0;
	double mean, deviation;

	for (uint32_t i = 0; i < LM_HIST_BUCKETS; i++) {
		total += hist->bucket[i];
	}
	hgrm_moments(hist, total, &mean, &deviation);
	if (title != NULL) {
		hgrm_comment(out, "title", title);
	}
	hgrm_comment(out, "unit", unit);
	fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
	        "1/(1-Percentile)");
	hgrm_lines(out, hist, total, scale);
	fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean / scale,
	        deviation / scale);
	fprintf(out, "#[Max     = %12.3f, Total count    = %12llu]\n", (double)hist->max / scale,
	        (unsigned long long)total);
	fprintf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n",
	        LM_HIST_BUCKETS >> LM_HIST_SUB_BITS, 1u << LM_HIST_SUB_BITS);
	return ferror(out) != 0 ? -EIO : 0;
}

int
hgrm_write_file(const char *path, const struct lm_hist *hist, const char *title, const char *unit,
                double scale)
{
	char temporary[PATH_MAX];
	int error;
	FILE *out;

	if (snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, (int)getpid()) >=
	    (int)sizeof(temporary)) {
		return -ENAMETOOLONG;
	}
	out = fopen(temporary, "wxe");
	if (out == NULL) {
		return -errno;
	}
	error = hgrm_write(out, hist, title, unit, scale);
	if (fclose(out) != 0 && error == 0) {
		error = -errno;
	}
	if (error == 0 && rename(temporary, path) != 0) {
		error = -errno;
	}
	if (error != 0) {
		unlink(temporary);
	}
	return error;
}
