/* SPDX-License-Identifier: BSD-3-Clause */
/* The job that the benchmarks of snapshots run. */

#include "bench/snap_job.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/snap_classes.h"
#include "core/env.h"
#include "core/graph.h"
#include "core/state_ops.h"
#include "mgmt/config_load.h"
#include "state/arena.h"

/* A group of 15 entries of 16 bytes is 5/8 full, and tags and spare room come on top. */
#define KEY_BYTES 28u
#define DRAWS_MAX (64u << 20)
#define COUNT_SLICE 1u /* of the topology below */
#define STEP_NS 1000000u

uint64_t
snap_keys(uint64_t bytes)
{
	return bytes / KEY_BYTES;
}

uint64_t
snap_bytes_that_fit(uint64_t wanted, uint64_t least)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[120];
	uint64_t kib = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "MemAvailable:", 13) == 0) {
			kib = strtoull(line + 13, NULL, 10);
		}
	}
	if (file != NULL) {
		fclose(file);
	}
	while (wanted > least && wanted + wanted / 4 + (UINT64_C(1) << 30) > kib * 1024) {
		wanted /= 2;
	}
	return wanted;
}

/* ---- the probe ---- */

static bool
probe_open(bool is_traced)
{
	if (is_traced) {
		snap_probe.seen = aligned_alloc(64, SNAP_SEEN_MAX * sizeof(*snap_probe.seen));
		if (snap_probe.seen == NULL) {
			return false;
		}
		memset(snap_probe.seen, 0, SNAP_SEEN_MAX * sizeof(*snap_probe.seen));
	}
	snap_probe.interval = calloc(SNAP_INTERVALS_MAX, sizeof(*snap_probe.interval));
	snap_probe.bucket = calloc(SNAP_BUCKETS_MAX, sizeof(*snap_probe.bucket));
	return snap_probe.interval != NULL && snap_probe.bucket != NULL;
}

static void
probe_close(void)
{
	free(snap_probe.interval);
	free(snap_probe.bucket);
	free(snap_probe.seen);
	snap_probe = (struct snap_probe){ 0 };
}

void
snap_probe_reset(void)
{
	__atomic_store_n(&snap_probe.is_on, false, __ATOMIC_RELEASE);
	env_sleep_ns(STEP_NS); /* a batch that is under way */
	snap_probe.intervals = 0;
	memset(snap_probe.interval, 0, SNAP_INTERVALS_MAX * sizeof(*snap_probe.interval));
	memset(snap_probe.bucket, 0, SNAP_BUCKETS_MAX * sizeof(*snap_probe.bucket));
	snap_probe.start_ns = env_now_ns();
	__atomic_store_n(&snap_probe.is_on, true, __ATOMIC_RELEASE);
}

const struct snap_interval *
snap_probe_intervals(uint32_t *count)
{
	*count = snap_probe.intervals + 1;
	return snap_probe.interval;
}

const struct snap_bucket *
snap_probe_buckets(uint32_t *count)
{
	int64_t since_ns = env_now_ns() - snap_probe.start_ns;
	uint64_t whole = (uint64_t)since_ns / (SNAP_BUCKET_MS * 1000000u);

	*count = whole < SNAP_BUCKETS_MAX ? (uint32_t)whole : SNAP_BUCKETS_MAX;
	return snap_probe.bucket;
}

uint64_t
snap_seen_crossings(uint32_t slice)
{
	return __atomic_load_n(&snap_probe.seen[slice].crossings, __ATOMIC_ACQUIRE);
}

int64_t
snap_seen_last_end(uint32_t slice)
{
	return __atomic_load_n(&snap_probe.seen[slice].last_end_ns, __ATOMIC_ACQUIRE);
}

bool
snap_seen_crossed(uint32_t slice, uint64_t crossings, int64_t *before_ns, int64_t *first_ns)
{
	const struct snap_seen *seen = &snap_probe.seen[slice];

	if (snap_seen_crossings(slice) == crossings) {
		return false;
	}
	*before_ns = __atomic_load_n(&seen->before_ns, __ATOMIC_RELAXED);
	*first_ns = __atomic_load_n(&seen->first_ns, __ATOMIC_RELAXED);
	return true;
}

int64_t
snap_seen_longest_gap(void)
{
	int64_t longest_ns = 0;

	for (uint32_t i = 0; i < SNAP_SEEN_MAX; i++) {
		int64_t gap_ns =
		    __atomic_exchange_n(&snap_probe.seen[i].longest_gap_ns, 0, __ATOMIC_RELAXED);

		longest_ns = gap_ns > longest_ns ? gap_ns : longest_ns;
	}
	return longest_ns;
}

void
snap_steps_add(struct lm_hist *step_ns, struct lm_hist *slot_ns)
{
	lm_hist_add(step_ns, &snap_probe.step_ns);
	lm_hist_add(slot_ns, &snap_probe.slot_ns);
}

void
snap_seen_add(struct lm_hist *batch_ns)
{
	for (uint32_t i = 0; i < SNAP_SEEN_MAX; i++) {
		lm_hist_add(batch_ns, &snap_probe.seen[i].batch_ns);
	}
}

/* ---- life ---- */

static void
write_text(struct snap_job *job)
{
	uint32_t slots = job->shape.slots;
	char count[200];

	slots = slots == 0 ? (job->shape.windows > 0 ? 4096 : 1024) : slots;
	snprintf(count, sizeof(count), "type: bench_count, emit: end, count: rows");
	if (job->shape.is_tally) {
		snprintf(count, sizeof(count), "type: bench_tally");
	}
	if (job->shape.windows > 0) {
		snprintf(count, sizeof(count),
		         "type: window_aggregate, window: tumbling %uns, windows: %u, count: rows",
		         SNAP_WINDOW_NS, job->shape.windows);
	}
	snprintf(job->text, sizeof(job->text),
	         "name: snapshots\n"
	         "settings: {epoch: %" PRIu64 "ns, batch_rows: %u, seed: 11, slots: %u}\n"
	         "operators:\n"
	         "  events: {type: bench_keys}\n"
	         "  count:  {%s, input: events%s, by: key, keys: %" PRIu64 ", slices: %u}\n"
	         "  out:    {type: null_sink, input: count}\n",
	         job->shape.epoch_ns, job->shape.batch_rows, slots, count,
	         job->shape.is_shared_out ? " by key" : "", job->shape.keys, job->shape.slices);
}

static bool
open_engine(struct snap_job *job)
{
	struct engine_origin origin = { 0 };
	uint16_t worker_of[LM_SLICES_MAX] = { 0 };

	job->shape.workers += job->shape.workers == 0;
	job->shape.slices += job->shape.slices == 0;
	for (uint32_t i = 0; i < job->shape.slices; i++) {
		worker_of[COUNT_SLICE + i] = (uint16_t)(i % job->shape.workers);
	}
	write_text(job);
	job->topology =
	    config_load_text("bench.yaml", job->text, strlen(job->text), NULL, &job->errors);
	job->graph = job->topology == NULL ? NULL : lm_graph_check(job->topology, &job->errors);
	if (job->graph == NULL ||
	    !bench_place(&job->placement, worker_of, job->shape.workers, LM_SLICES_MAX)) {
		return false;
	}
	job->class = job->graph->op[SNAP_COUNT].class;
	if (job->snapshots != NULL) {
		snapshots_origin(job->snapshots, &origin);
	}
	job->engine = engine_create(job->graph, &job->placement, &origin, &job->errors);
	return job->engine != NULL;
}

bool
snap_job_open(struct snap_job *job, const struct snap_shape *shape,
              const struct snapshot_options *options)
{
	uint64_t draws = shape->keys < DRAWS_MAX ? shape->keys : DRAWS_MAX;
	bool good;

	memset(job, 0, sizeof(*job));
	job->shape = *shape;
	/* Off the worker's CPU, and the threads that come from here too. */
	bench_pin(1);
	good = probe_open(shape->is_traced) &&
	       snap_source_open(shape, (uint32_t)(draws + LM_BATCH_ROWS) & ~1023u);
	if (good && options != NULL) {
		good = snapshots_open(options, &job->snapshots, job->why) == 0;
	}
	good = good && open_engine(job);
	if (good && options != NULL) {
		good = snapshots_attach(job->snapshots, job->engine, job->why) == 0;
	}
	if (!good) {
		fprintf(stderr, "bench: the job cannot be made: %s\n", job->why);
		config_print_errors(stderr, "bench.yaml", job->text, strlen(job->text),
		                    &job->errors, false);
	}
	return good;
}

void
snap_job_close(struct snap_job *job)
{
	if (job->snapshots != NULL) {
		(void)snapshots_stop(job->snapshots);
	}
	if (job->engine != NULL) {
		lm_engine_join(job->engine);
	}
	snapshots_close(job->snapshots);
	lm_engine_free(job->engine);
	lm_graph_free(job->graph);
	lm_topology_free(job->topology);
	free(job->placement.worker_of);
	lm_errors_free(&job->errors);
	snap_source_close();
	probe_close();
	bench_pin(0);
}

/* ---- running ---- */

void
snap_job_feed(struct snap_job *job, enum snap_feed feed, uint64_t some)
{
	(void)job;
	__atomic_store_n(&snap_source.feed, SNAP_PAUSE, __ATOMIC_RELEASE);
	env_sleep_ns(STEP_NS);
	snap_source.some = some;
	snap_source.is_done = false;
	__atomic_store_n(&snap_source.feed, feed, __ATOMIC_RELEASE);
}

void
snap_job_run(struct snap_job *job, double seconds)
{
	(void)lm_engine_wait(job->engine, (uint64_t)(seconds * 1e9));
}

uint64_t
snap_job_rows(const struct snap_job *job)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < lm_engine_slice_count(job->engine); i++) {
		struct lm_slice_stats stats;

		if (lm_engine_slice_operator(job->engine, i) == SNAP_COUNT) {
			lm_engine_slice_stats(job->engine, i, &stats);
			rows += stats.rows_absorbed;
		}
	}
	return rows;
}

uint64_t
snap_job_update(struct snap_job *job, const struct lm_op_class *class)
{
	const struct graph_operator *was = &job->engine->graph->op[SNAP_COUNT];
	uint32_t kept[LM_OPERATORS_MAX], heir_of[LM_OPERATORS_MAX];
	struct lm_errors errors = { 0 };
	struct lm_graph *graph = lm_graph_check(job->topology, &errors);
	uint16_t workers[LM_SLICES_MAX];
	struct change_ask ask = {
		.graph = graph, .kept = kept, .heir_of = heir_of, .workers = workers
	};
	uint64_t number = 0;

	for (uint32_t i = 0; graph != NULL && i < graph->operator_count; i++) {
		heir_of[i] = i;
		kept[i] = i == SNAP_COUNT ? LM_NONE : i;
	}
	for (uint32_t i = 0; i < was->slices; i++) {
		workers[i] = (uint16_t)lm_engine_slice_worker(job->engine, was->first_slice + i);
	}
	if (graph != NULL) {
		graph->op[SNAP_COUNT].class = class;
		number = engine_change(job->engine, &ask, &errors);
	}
	if (number == 0) {
		fprintf(stderr, "bench: refused: %s\n", errors.error[0].message);
		lm_graph_free(graph);
	}
	lm_errors_free(&errors);
	return number;
}

void
snap_job_drain(struct snap_job *job)
{
	while (!__atomic_load_n(&snap_source.is_done, __ATOMIC_ACQUIRE) ||
	       snap_job_rows(job) < __atomic_load_n(&snap_source.sent, __ATOMIC_ACQUIRE)) {
		snap_job_run(job, 1e-3);
	}
}

bool
snap_job_start(struct snap_job *job)
{
	if (lm_engine_start(job->engine) != 0) {
		return false;
	}
	/* Epochs are started by hand until the first is. */
	job->engine->epoch_due_ns = INT64_MAX;
	return true;
}

bool
snap_job_fill(struct snap_job *job)
{
	if (!snap_job_start(job)) {
		return false;
	}
	snap_job_feed(job, SNAP_FILL, 0);
	snap_job_drain(job);
	return job->snapshots == NULL || snapshots_start(job->snapshots) == 0;
}

uint64_t
snap_job_epoch(struct snap_job *job)
{
	uint64_t before = job->engine->epoch;

	while (job->snapshots != NULL &&
	       !__atomic_load_n(&job->engine->snapshot_wanted, __ATOMIC_ACQUIRE)) {
		env_sleep_ns(STEP_NS);
	}
	job->engine->epoch_due_ns = env_now_ns();
	while (job->engine->epoch == before) {
		snap_job_run(job, 1e-4);
	}
	return job->engine->epoch;
}

bool
snap_job_snapshot(struct snap_job *job, struct snapshot_status *status)
{
	uint64_t lost, epoch;

	snapshots_status(job->snapshots, status);
	lost = status->lost;
	epoch = snap_job_epoch(job);
	while (status->epoch < epoch && status->lost == lost) {
		snap_job_run(job, 1e-3);
		snapshots_status(job->snapshots, status);
	}
	job->engine->epoch_due_ns = INT64_MAX;
	/* The thread asks for the next one when it has tidied up: then the disk is quiet. */
	while (!__atomic_load_n(&job->engine->snapshot_wanted, __ATOMIC_ACQUIRE)) {
		snap_job_run(job, 1e-3);
	}
	if (status->epoch < epoch) {
		fprintf(stderr, "bench: a snapshot was lost: %s\n", status->why);
	}
	return status->epoch >= epoch;
}

const struct state_space *
snap_job_space(const struct snap_job *job)
{
	return op_state(job->engine->slice[COUNT_SLICE])->space;
}

/* ---- folders ---- */

bool
snap_folder_make(char folder[STORE_FOLDER_MAX])
{
	const char *where = getenv("LODEMILL_BENCH_FOLDER");

	where = where == NULL ? getenv("TMPDIR") : where;
	snprintf(folder, STORE_FOLDER_MAX, "%s/lodemill-bench-XXXXXX",
	         where == NULL ? "/tmp" : where);
	if (mkdtemp(folder) == NULL) {
		perror(folder);
		return false;
	}
	return true;
}

typedef void entry_fn(const char *path, void *arg);

static void
for_entries(const char *folder, const char *prefix, entry_fn *entry, void *arg)
{
	char path[2 * STORE_FOLDER_MAX];
	DIR *dir = opendir(folder);
	struct dirent *found;

	while (dir != NULL && (found = readdir(dir)) != NULL) {
		if (found->d_name[0] != '.' &&
		    strncmp(found->d_name, prefix, strlen(prefix)) == 0) {
			snprintf(path, sizeof(path), "%s/%s", folder, found->d_name);
			entry(path, arg);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
}

static void
remove_entry(const char *path, void *arg)
{
	(void)arg;
	(void)unlink(path);
}

void
snap_folder_remove(const char *folder)
{
	for_entries(folder, "", remove_entry, NULL);
	(void)rmdir(folder);
}

static void
add_size(const char *path, void *arg)
{
	struct stat status;
	uint64_t *bytes = arg;

	*bytes += stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

uint64_t
snap_folder_bytes(const char *folder, const char *prefix)
{
	uint64_t bytes = 0;

	for_entries(folder, prefix, add_size, &bytes);
	return bytes;
}

struct largest {
	char *path;
	size_t size;
	uint64_t bytes;
};

static void
keep_largest(const char *path, void *arg)
{
	struct largest *largest = arg;
	struct stat status;

	if (stat(path, &status) == 0 && (uint64_t)status.st_size > largest->bytes) {
		largest->bytes = (uint64_t)status.st_size;
		snprintf(largest->path, largest->size, "%s", path);
	}
}

bool
snap_folder_largest(const char *folder, const char *prefix, char *path, size_t size)
{
	struct largest largest = { .path = path, .size = size };

	for_entries(folder, prefix, keep_largest, &largest);
	return largest.bytes > 0;
}
