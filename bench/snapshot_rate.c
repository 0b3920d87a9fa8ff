/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What snapshots cost the stream: rows a second over whole intervals between snapshots, with and
 * without them, and how long a batch of 64 updates takes while the copier is at work. Every
 * snapshot is full, packed as a job's is by default, and not paced.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/snap_job.h"
#include "core/state_ops.h"
#include "state/arena.h"

#define STATE_BYTES (UINT64_C(4) << 30)
#define STATE_SMALL (UINT64_C(8) << 20)
/* Of the series that shows what a pace does. */
#define PACE 1000000000u
#define EPOCH_NS UINT64_C(10000000000)
#define EPOCH_SMALL_NS 300000000u
#define TIMEOUT_NS UINT64_C(60000000000)
/* A batch of updates whose time is looked at. */
#define UPDATES 64u

static uint64_t
state_bytes(bool small)
{
	uint64_t wanted = bench_state_bytes != 0 ? bench_state_bytes : STATE_BYTES;

	return small && bench_state_bytes == 0 ? STATE_SMALL
	                                       : snap_bytes_that_fit(wanted, STATE_SMALL);
}

static struct snap_shape
shape_of(bool is_uniform, bool small, uint32_t batch_rows)
{
	return (struct snap_shape){ .keys = snap_keys(state_bytes(small)),
		                    .is_uniform = is_uniform,
		                    .batch_rows = batch_rows,
		                    .epoch_ns = small ? EPOCH_SMALL_NS : EPOCH_NS };
}

static struct snapshot_options
options_of(const char *folder, uint64_t pace)
{
	return (struct snapshot_options){ .folder = folder,
		                          .job = 1,
		                          .codec = BLOCK_ZEROES,
		                          .keep = 1,
		                          .pace = pace,
		                          .timeout_ns = TIMEOUT_NS,
		                          .full_after = 1,
		                          .has_thread = true };
}

/* What one run came to. */
struct rate {
	uint64_t state, bytes; /* of the state; of the last snapshot */
	uint64_t durable, lost;
	double flip_ns[SNAP_INTERVALS_MAX];
	uint32_t flips;
	char why[SNAPSHOT_WHY];
};

static void
note_flips(struct rate *rate)
{
	uint32_t count;
	const struct snap_interval *interval = snap_probe_intervals(&count);

	for (uint32_t i = 1; i < count && rate->flips < SNAP_INTERVALS_MAX; i++) {
		rate->flip_ns[rate->flips++] = (double)interval[i].flip_ns;
	}
}

/* What has come of the snapshots so far. */
static void
note_snapshots(const struct snap_job *job, struct rate *rate)
{
	struct snapshot_status status;

	snapshots_status(job->snapshots, &status);
	rate->state = snap_job_space(job)->size;
	rate->bytes = status.bytes;
	rate->durable = status.durable;
	rate->lost = status.lost;
	snprintf(rate->why, sizeof(rate->why), "%s", status.why);
}

/* From the start of an epoch to that of another one: whole intervals. */
static void
run_intervals(struct snap_job *job, uint32_t intervals, struct rate *rate)
{
	uint64_t first;

	snap_probe_reset();
	first = snap_job_epoch(job);
	while (job->engine->epoch < first + intervals) {
		snap_job_run(job, 5e-4);
	}
	job->engine->epoch_due_ns = INT64_MAX;
	note_snapshots(job, rate);
	note_flips(rate);
}

/*
 * Rows a second of an interval, at whose start a snapshot is begun or is not. One that is slow
 * makes its interval longer: none is under way behind it.
 */
static double
run_interval(struct snap_job *job, bool has_snapshot, struct rate *rate)
{
	double start, interval_s = (double)job->shape.epoch_ns / 1e9, now;
	uint64_t rows;

	snap_probe_reset();
	start = bench_seconds();
	rows = snap_job_rows(job);
	if (has_snapshot) {
		(void)snap_job_epoch(job);
		job->engine->epoch_due_ns = INT64_MAX;
	}
	do {
		snap_job_run(job, 5e-4);
		now = bench_seconds();
	} while (now - start < interval_s ||
	         !__atomic_load_n(&job->engine->snapshot_wanted, __ATOMIC_ACQUIRE));
	rows = snap_job_rows(job) - rows;
	note_flips(rate);
	return (double)rows / (now - start);
}

/* ---- through one snapshot ---- */

static void
write_series(FILE *out, uint64_t pace, double from_s, double to_s, bool was_lost)
{
	uint32_t count;
	const struct snap_bucket *bucket = snap_probe_buckets(&count);

	fprintf(out,
	        "{\"pace\": %" PRIu64 ", \"bucket_ms\": %u, \"snapshot_s\": [%.2f, %.2f], "
	        "\"lost\": %s, \"rows_s\": [",
	        pace, SNAP_BUCKET_MS, from_s, to_s, was_lost ? "true" : "false");
	for (uint32_t i = 0; i < count; i++) {
		fprintf(out, "%s%.0f", i == 0 ? "" : ", ",
		        (double)bucket[i].rows * 1000 / SNAP_BUCKET_MS);
	}
	fprintf(out, "], \"p99_9_us\": [");
	for (uint32_t i = 0; i < count; i++) {
		fprintf(out, "%s%.2f", i == 0 ? "" : ", ",
		        (double)lm_hist_quantile(&bucket[i].batch_ns, 0.999) / 1e3);
	}
	fprintf(out, "]}");
}

/* Two seconds, a snapshot, two seconds. */
static bool
run_series(const struct snap_shape *shape, uint64_t pace, bool small, FILE *out)
{
	char folder[STORE_FOLDER_MAX];
	struct snapshot_options options = options_of(folder, pace);
	double around_s = small ? 0.3 : 2, start, from, to;
	struct snapshot_status status;
	static struct snap_job job;
	bool good;

	if (!snap_folder_make(folder)) {
		return false;
	}
	good = snap_job_open(&job, shape, &options) && snap_job_fill(&job);
	if (good) {
		bool is_durable;

		snap_job_feed(&job, SNAP_KEYS, 0);
		snap_job_run(&job, around_s);
		snap_probe_reset();
		start = bench_seconds();
		snap_job_run(&job, around_s);
		from = bench_seconds() - start;
		is_durable = snap_job_snapshot(&job, &status);
		to = bench_seconds() - start;
		snap_job_run(&job, around_s);
		write_series(out, pace, from, to, !is_durable);
	}
	snap_job_close(&job);
	snap_folder_remove(folder);
	return good;
}

static bool
write_all_series(const struct snap_shape *wanted, bool small, FILE *out)
{
	struct snap_shape shape = *wanted;
	bool good;

	shape.batch_rows = UPDATES;
	fprintf(out, "\"series\": [");
	good = run_series(&shape, PACE, small, out);
	fprintf(out, ", ");
	good = good && run_series(&shape, 0, small, out);
	fprintf(out, "], ");
	return good;
}

/* ---- throughput ---- */

/* One job, its log armed throughout: with, without; without, with; … */
static void
run_pairs(struct snap_job *job, uint32_t pairs, struct bench_line *line, struct rate *rate)
{
	for (line->runs = 0; line->runs < pairs; line->runs++) {
		double rows_s[2];

		for (uint32_t i = 0; i < 2; i++) {
			bool has_snapshot = (i + line->runs) % 2 == 0;

			rows_s[has_snapshot] = run_interval(job, has_snapshot, rate);
		}
		line->value[line->runs] = rows_s[true];
		line->baseline[line->runs] = rows_s[false];
		line->ratio[line->runs] = rows_s[true] / rows_s[false];
	}
	note_snapshots(job, rate);
}

static bool
run_rates(const struct snap_shape *shape, uint32_t pairs, struct bench_line *line,
          struct rate *rate)
{
	char folder[STORE_FOLDER_MAX];
	struct snapshot_options options = options_of(folder, 0);
	static struct snap_job job;
	bool good;

	if (!snap_folder_make(folder)) {
		return false;
	}
	good = snap_job_open(&job, shape, &options) && snap_job_fill(&job);
	if (good) {
		snap_job_feed(&job, SNAP_KEYS, 0);
		(void)run_interval(&job, false, rate); /* caches and pages get warm for seconds */
		run_pairs(&job, pairs, line, rate);
	}
	snap_job_close(&job);
	snap_folder_remove(folder);
	return good;
}

static void
print_rates(struct bench_line *line, const struct rate *with, FILE *out, char **more)
{
	char note[SNAPSHOT_WHY + 160];

	fprintf(out,
	        "\"flip_us\": {\"median\": %.3f, \"max\": %.3f, \"flips\": %u}, "
	        "\"snapshots\": {\"durable\": %" PRIu64 ", \"lost\": %" PRIu64
	        ", \"bytes\": %" PRIu64 "}, ",
	        bench_quantile(with->flip_ns, with->flips, 0.5) / 1e3,
	        bench_quantile(with->flip_ns, with->flips, 1) / 1e3, with->flips, with->durable,
	        with->lost, with->bytes);
	fclose(out);
	snprintf(note, sizeof(note), "state of %.2f GiB, full snapshots, %" PRIu64 " lost%s%s",
	         (double)with->state / (double)(1u << 30), with->lost, with->lost > 0 ? ": " : "",
	         with->lost > 0 ? with->why : "");
	line->more = *more;
	line->note = note;
	bench_line_print(line);
}

static bool
compare_rates(const char *name, bool is_uniform, uint32_t runs, bool small)
{
	static struct bench_line line;
	static struct rate with;
	struct snap_shape shape = shape_of(is_uniform, small, LM_BATCH_ROWS);
	char *more = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&more, &size);
	bool good = out != NULL;

	line = (struct bench_line){ .name = name,
		                    .unit = "rows/s",
		                    .baseline_name = "intervals without a snapshot" };
	memset(&with, 0, sizeof(with));
	good = good && run_rates(&shape, runs, &line, &with);
	good = good && write_all_series(&shape, small, out);
	if (good) {
		print_rates(&line, &with, out, &more);
	} else if (out != NULL) {
		fclose(out);
	}
	free(more);
	return good;
}

bool
bench_snapshot_throughput(uint32_t runs, bool small)
{
	return compare_rates("snapshot_throughput", false, runs, small);
}

bool
bench_snapshot_throughput_uniform(uint32_t runs, bool small)
{
	return compare_rates("snapshot_throughput_uniform", true, runs, small);
}

/* ---- a batch while the copier is at work ---- */

static bool
compare_batches(struct snap_job *job, uint32_t runs, struct bench_line *line, struct rate *rate)
{
	const struct snap_interval *interval;
	uint32_t count;

	run_intervals(job, runs, rate);
	interval = snap_probe_intervals(&count);
	for (uint32_t i = 1; i < count && line->runs < runs; i++) {
		double busy = (double)lm_hist_quantile(&interval[i].copying, 0.99) / 1e3;
		double idle = (double)lm_hist_quantile(&interval[i].idle, 0.99) / 1e3;

		if (interval[i].copying.count > 0 && interval[i].idle.count > 0) {
			line->value[line->runs] = busy - idle;
			line->baseline[line->runs] = idle;
			line->ratio[line->runs++] = idle / busy;
		}
	}
	return line->runs > 0;
}

bool
bench_snapshot_p99(uint32_t runs, bool small)
{
	struct snap_shape shape = shape_of(false, small, UPDATES);
	char folder[STORE_FOLDER_MAX], note[200];
	struct snapshot_options options = options_of(folder, 0);
	static struct bench_line line;
	static struct snap_job job;
	static struct rate rate;
	bool good;

	if (!snap_folder_make(folder)) {
		return false;
	}
	memset(&rate, 0, sizeof(rate));
	line = (struct bench_line){ .name = "snapshot_p99_us",
		                    .unit = "us more in the p99 of 64 updates",
		                    .baseline_name = "p99 in us while no copier is at work",
		                    .digits = 3,
		                    .note = note };
	good = snap_job_open(&job, &shape, &options) && snap_job_fill(&job);
	if (good) {
		snap_job_feed(&job, SNAP_KEYS, 0);
		snap_job_run(&job, small ? 0.05 : 1);
		good = compare_batches(&job, runs, &line, &rate);
	}
	snprintf(note, sizeof(note),
	         "state of %.2f GiB, Zipf 1.0, full snapshots, %" PRIu64 " lost",
	         (double)rate.state / (double)(1u << 30), rate.lost);
	if (good) {
		bench_line_print(&line);
	} else {
		fprintf(stderr, "snapshot_p99_us: no batch came while a copier was at work\n");
	}
	snap_job_close(&job);
	snap_folder_remove(folder);
	return good;
}
