/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Snapshots and the disk: how fast a full one is written beside fio, how much an increment writes,
 * how fast all of it is read back. fio does what the store does: 256 KiB, 16 at once, past the page
 * cache, synced at the end; where it is not installed, a bare queue of writes stands in for it.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/snap_job.h"
#include "core/env.h"
#include "state/arena.h"

#define STATE_BYTES (UINT64_C(1) << 30)
#define STATE_SMALL (UINT64_C(16) << 20)
#define TIMEOUT_NS UINT64_C(120000000000)
#define JOB_NUMBER 1u

static struct snap_shape
shape_of(bool small, uint64_t fallback)
{
	uint64_t bytes = bench_state_bytes != 0 ? bench_state_bytes
	                 : small                ? STATE_SMALL
	                                        : fallback;

	return (struct snap_shape){ .keys = snap_keys(bytes),
		                    .is_uniform = true,
		                    .batch_rows = LM_BATCH_ROWS,
		                    .epoch_ns = 1000000000 };
}

static struct snapshot_options
options_of(const char *folder, uint32_t full_after)
{
	return (struct snapshot_options){ .folder = folder,
		                          .job = JOB_NUMBER,
		                          .keep = 1,
		                          .timeout_ns = TIMEOUT_NS,
		                          .full_after = full_after,
		                          .has_thread = true };
}

/* ---- what the disk gives ---- */

static bool
has_fio(void)
{
	return system("command -v fio >/dev/null 2>&1") == 0;
}

/* Runs fio; bytes a second of what it did, 0 if it did not. */
static double
run_fio(const char *how, uint64_t bytes)
{
	char command[3 * STORE_FOLDER_MAX], text[4096];
	double ms = 0;
	FILE *out;

	snprintf(command, sizeof(command),
	         "fio --name=disk %s --bs=256k --iodepth=16 --direct=1 --ioengine=io_uring "
	         "--size=%" PRIu64 " --fallocate=none --output-format=json",
	         how, bytes);
	out = popen(command, "r");
	while (out != NULL && fgets(text, sizeof(text), out) != NULL) {
		const char *found = strstr(text, "\"job_runtime\" : ");

		ms = found == NULL ? ms : strtod(found + 16, NULL);
	}
	return out != NULL && pclose(out) == 0 && ms > 0 ? (double)bytes / (ms / 1e3) : 0;
}

/* The queue of writes alone; bytes a second. */
static double
write_bare(const char *path, uint64_t bytes)
{
	struct env_disk *disk = env_disk_open();
	int file = env_disk_create(path, 0600);
	struct env_disk_done done;
	double start = bench_seconds();
	uint64_t at = 0;
	bool good = disk != NULL && file >= 0;

	while (good && at < bytes) {
		void *buffer = env_disk_buffer(disk);

		if (buffer == NULL) {
			good = env_disk_reap(disk, true, &done) && done.result == 0;
		} else {
			env_disk_write(disk, file, buffer, ENV_DISK_BYTES, at, NULL);
			at += ENV_DISK_BYTES;
		}
	}
	while (good && env_disk_reap(disk, true, &done)) {
		good = done.result == 0;
	}
	good = good && env_file_sync(file) == 0;
	env_disk_close(disk);
	if (file >= 0) {
		env_file_close(file);
	}
	return good ? (double)at / (bench_seconds() - start) : 0;
}

static double
write_disk(const char *folder, uint64_t bytes)
{
	char path[STORE_FOLDER_MAX + 16], how[STORE_FOLDER_MAX + 64];
	double rate;

	bytes = (bytes + ENV_DISK_BYTES - 1) / ENV_DISK_BYTES * ENV_DISK_BYTES;
	snprintf(path, sizeof(path), "%s/disk", folder);
	snprintf(how, sizeof(how), "--filename=%s --rw=write --end_fsync=1", path);
	rate = has_fio() ? run_fio(how, bytes) : write_bare(path, bytes);
	(void)unlink(path);
	return rate;
}

/* ---- snapshot_write ---- */

/* A full snapshot; bytes a second from the marker until it is durable. */
static double
write_snapshot(struct snap_job *job, const char *folder, uint64_t *bytes)
{
	struct snapshot_status status;
	char prefix[40];

	if (!snap_job_snapshot(job, &status)) {
		return 0;
	}
	snprintf(prefix, sizeof(prefix), "E%" PRIu64 "-", status.epoch);
	*bytes = snap_folder_bytes(folder, prefix);
	return (double)*bytes / ((double)status.copy_ns / 1e9);
}

static bool
compare_writes(struct snap_job *job, const char *folder, uint32_t runs, struct bench_line *line,
               uint64_t *bytes)
{
	/* The first one also brings the log's pages and the files' blocks. */
	bool good = write_snapshot(job, folder, bytes) > 0;

	for (line->runs = 0; good && line->runs < runs; line->runs++) {
		uint32_t i = line->runs;

		if (i % 2 == 1) {
			line->baseline[i] = write_disk(folder, *bytes);
		}
		line->value[i] = write_snapshot(job, folder, bytes);
		if (i % 2 == 0) {
			line->baseline[i] = write_disk(folder, *bytes);
		}
		line->ratio[i] = line->value[i] / line->baseline[i];
		good = line->value[i] > 0 && line->baseline[i] > 0;
	}
	return good;
}

bool
bench_snapshot_write(uint32_t runs, bool small)
{
	struct snap_shape shape = shape_of(small, STATE_BYTES);
	char folder[STORE_FOLDER_MAX], note[120];
	struct snapshot_options options = options_of(folder, 1);
	static struct bench_line line;
	static struct snap_job job;
	uint64_t bytes = 0;
	bool good;

	if (!snap_folder_make(folder)) {
		return false;
	}
	line = (struct bench_line){ .name = "snapshot_write",
		                    .unit = "bytes/s",
		                    .baseline_name = has_fio() ? "fio" : "a bare queue of writes",
		                    .note = note };
	good = snap_job_open(&job, &shape, &options) && snap_job_fill(&job) &&
	       compare_writes(&job, folder, runs, &line, &bytes);
	snprintf(note, sizeof(note), "full, not paced, %.2f GiB, the stream pauses",
	         (double)bytes / (double)STATE_BYTES);
	if (good) {
		bench_line_print(&line);
	}
	snap_job_close(&job);
	snap_folder_remove(folder);
	return good;
}

/* ---- snapshot_incremental ---- */

struct touched {
	uint64_t all, fresh; /* chunks: that hold anything; written since the last flip */
};

static struct touched
count_touched(const struct state_space *space)
{
	struct touched touched = { 0 };

	for (const struct arena_part *part = space->part; part != NULL; part = part->next) {
		for (uint32_t i = 0; i < part->arena_count; i++) {
			const struct arena *arena = arena_nth(part, i);

			for (uint64_t c = 0; c * ARENA_CHUNK < arena->size; c++) {
				touched.all += arena->mark[c].stamp != 0;
				touched.fresh += arena->mark[c].stamp == space->epoch;
			}
		}
	}
	return touched;
}

/* One increment after so large a share of the chunks was written to. */
static bool
write_increment(struct snap_job *job, const char *folder, double share, uint64_t full, FILE *out,
                struct bench_line *line)
{
	uint64_t chunks = count_touched(snap_job_space(job)).all, bytes;
	/* So many random keys leave the others untouched; for all, each key once more and often. */
	double keys = share < 1 ? -log(1 - share) * (double)chunks : 20.0 * (double)chunks;
	struct touched touched;
	double wanted;

	snap_job_feed(job, SNAP_SOME, (uint64_t)ceil(keys));
	snap_job_drain(job);
	touched = count_touched(snap_job_space(job));
	if (write_snapshot(job, folder, &bytes) <= 0) {
		return false;
	}
	wanted = (double)full * (double)touched.fresh / (double)touched.all;
	fprintf(out,
	        "%s{\"share\": %.4f, \"chunks\": %" PRIu64 ", \"bytes\": %" PRIu64
	        ", \"to_share\": %.3f}",
	        line->runs == 0 ? "" : ", ", (double)touched.fresh / (double)touched.all,
	        touched.fresh, bytes, (double)bytes / wanted);
	line->value[line->runs] = (double)bytes;
	line->baseline[line->runs] = wanted;
	line->ratio[line->runs++] = wanted / (double)bytes;
	return true;
}

bool
bench_snapshot_incremental(uint32_t runs, bool small)
{
	static const double shares[] = { 0.001, 0.01, 0.1, 1 };
	struct snap_shape shape = shape_of(small, STATE_BYTES / 4);
	char folder[STORE_FOLDER_MAX], note[120], *more = NULL;
	struct snapshot_options options = options_of(folder, 100);
	static struct bench_line line;
	static struct snap_job job;
	uint64_t full = 0;
	size_t size;
	FILE *out = open_memstream(&more, &size);
	bool good = out != NULL && snap_folder_make(folder);

	(void)runs;
	if (!good) {
		return false;
	}
	line = (struct bench_line){ .name = "snapshot_incremental",
		                    .unit = "bytes written",
		                    .baseline_name = "the share of the chunks written to, of a "
		                                     "full one",
		                    .note = note };
	good = snap_job_open(&job, &shape, &options) && snap_job_fill(&job) &&
	       write_snapshot(&job, folder, &full) > 0;
	fprintf(out, "\"increments\": [");
	for (size_t i = 0; good && i < sizeof(shares) / sizeof(shares[0]); i++) {
		good = write_increment(&job, folder, shares[i], full, out, &line);
	}
	fprintf(out, "], ");
	fclose(out);
	line.more = more;
	snprintf(note, sizeof(note), "state of %.2f GiB; a run is an increment",
	         (double)full / (double)STATE_BYTES);
	if (good) {
		bench_line_print(&line);
	}
	free(more);
	snap_job_close(&job);
	snap_folder_remove(folder);
	return good;
}

/* ---- restore ---- */

struct restored {
	char file[2 * STORE_FOLDER_MAX]; /* the part */
	uint64_t file_bytes;
	double read, copy; /* bytes a second: of fio, of memcpy */
};

/* Of the page cache. */
static void
forget(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file >= 0) {
		(void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
		close(file);
	}
}

/* A job with its state, restored; bytes of state a second, 0: it failed. */
static double
restore_once(const struct snap_shape *shape, const char *folder, const char *file)
{
	struct snapshot_options options = options_of(folder, 1);
	struct snapshot_restored restored = { 0 };
	static struct snap_job job;

	forget(file);
	if (snap_job_open(&job, shape, &options)) {
		snapshots_restored(job.snapshots, &restored);
	}
	snap_job_close(&job);
	return restored.bytes > 0 ? (double)restored.bytes / ((double)restored.took_ns / 1e9) : 0;
}

/* Into memory whose pages are there, as a restored job's are. */
static double
copy_once(uint64_t bytes)
{
	char *from = env_alloc(bytes, 64, -1), *to = env_alloc(bytes, 64, -1);
	double start, took = 0;

	if (from != NULL && to != NULL) {
		memset(from, 1, bytes);
		memset(to, 0, bytes);
		start = bench_seconds();
		memcpy(to, from, bytes);
		took = bench_seconds() - start;
		took += to[bytes / 2] == 1 ? 0 : 1;
	}
	env_free(from);
	env_free(to);
	return took > 0 ? (double)bytes / took : 0;
}

static double
read_disk(struct restored *r)
{
	char how[2 * STORE_FOLDER_MAX + 64];

	if (has_fio()) {
		forget(r->file);
		snprintf(how, sizeof(how), "--filename=%s --rw=read --readonly", r->file);
		r->read = run_fio(how, r->file_bytes);
	}
	r->copy = copy_once(r->file_bytes);
	return r->read > 0 && r->read < r->copy ? r->read : r->copy;
}

static bool
make_snapshot(const struct snap_shape *shape, const char *folder, struct restored *r)
{
	struct snapshot_options options = options_of(folder, 1);
	struct snapshot_status status;
	static struct snap_job job;
	bool good = snap_job_open(&job, shape, &options) && snap_job_fill(&job) &&
	            snap_job_snapshot(&job, &status);

	if (good) {
		char prefix[40];

		snprintf(prefix, sizeof(prefix), "E%" PRIu64 "-", status.epoch);
		r->file_bytes = snap_folder_bytes(folder, prefix);
		good = snap_folder_largest(folder, prefix, r->file, sizeof(r->file));
	}
	snap_job_close(&job);
	return good;
}

bool
bench_restore(uint32_t runs, bool small)
{
	struct snap_shape shape = shape_of(small, STATE_BYTES);
	char folder[STORE_FOLDER_MAX], note[160], more[160];
	static struct bench_line line;
	struct restored r = { 0 };
	bool good;

	if (!snap_folder_make(folder)) {
		return false;
	}
	line =
	    (struct bench_line){ .name = "restore",
		                 .unit = "bytes/s",
		                 .baseline_name = "the lesser of fio's sequential read and memcpy",
		                 .more = more,
		                 .note = note };
	good = make_snapshot(&shape, folder, &r);
	for (line.runs = 0; good && line.runs < runs; line.runs++) {
		uint32_t i = line.runs;

		line.value[i] = restore_once(&shape, folder, r.file);
		line.baseline[i] = read_disk(&r);
		line.ratio[i] = line.value[i] / line.baseline[i];
		good = line.value[i] > 0 && line.baseline[i] > 0;
	}
	snprintf(more, sizeof(more), "\"fio_value\": %.0f, \"memcpy_value\": %.0f, ", r.read,
	         r.copy);
	snprintf(note, sizeof(note), "%.2f GiB in one file, not in the page cache",
	         (double)r.file_bytes / (double)STATE_BYTES);
	if (good) {
		bench_line_print(&line);
	}
	snap_folder_remove(folder);
	return good;
}
