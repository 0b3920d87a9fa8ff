/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a key waits while the job changes, for three sizes of state. */

#include "bench/pause.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/snap_classes.h"

#define MIB (UINT64_C(1) << 20)
#define STATE_SMALL (8 * MIB) /* the largest of a test */
#define SIZES_MAX 3u
#define THREADS_MAX 16u
/* Whose threads waited longer for their CPUs shows what else ran there. */
#define DISTURBED_NS UINT64_C(500000)
#define BATCH_ROWS 64u
#define STEP_S 1e-4
#define WINDOW_S 3e-4 /* about as long as a change takes */

/* All that was seen of one thing, in ns. */
struct series {
	double *value;
	uint32_t count;
};

/* A state of one size. */
struct size {
	uint64_t bytes;
	struct series key, pause, align;
	struct series own;             /* key without align: what the change itself takes */
	struct series quiet;           /* the longest wait in a window without a change */
	struct series calm;            /* `own` of changes in which no thread waited for its CPU */
	double p99_us[BENCH_RUNS_MAX]; /* of `own`, run by run */
	struct lm_hist batch_ns;
	struct lm_hist step_ns, slot_ns; /* of conversions: steps, slots that rows waited for */
	uint64_t rows;
};

/* ---- what a key saw ---- */

void
pause_look(struct pause_look *look, uint32_t before)
{
	look->before = before;
	for (uint32_t i = 0; i < PAUSE_SLICES_MAX; i++) {
		look->crossings[i] = snap_seen_crossings(i);
	}
}

int64_t
pause_key(struct snap_job *job, const struct pause_look *look, uint32_t now)
{
	int64_t last_ns = INT64_MAX, first_ns = INT64_MIN;

	for (uint32_t i = 0; i < now; i++) {
		int64_t before_ns, behind_ns;

		while (!snap_seen_crossed(i, look->crossings[i], &before_ns, &behind_ns)) {
			snap_job_run(job, STEP_S);
		}
		first_ns = behind_ns > first_ns ? behind_ns : first_ns;
		last_ns = i < look->before && before_ns < last_ns ? before_ns : last_ns;
	}
	for (uint32_t i = now; i < look->before; i++) {
		int64_t end_ns = snap_seen_last_end(i);

		last_ns = end_ns < last_ns ? end_ns : last_ns;
	}
	return first_ns - last_ns;
}

bool
pause_change(struct snap_job *job, uint64_t number, const struct pause_look *look, uint32_t now,
             struct pause_seen *seen)
{
	const struct change_report *report = &job->engine->changed;

	while (report->number != number) {
		snap_job_run(job, STEP_S);
	}
	/* No epoch comes but with a change. */
	job->engine->epoch_due_ns = INT64_MAX;
	if (report->result != CHANGE_DONE) {
		return false;
	}
	seen->pause_ns = report->pause_ns;
	seen->align_ns = report->align_ns;
	seen->key_ns = pause_key(job, look, now);
	return true;
}

/* ---- the machine ---- */

/* The other threads of this program: /proc/self/task/N/schedstat. */
static int schedstat[THREADS_MAX];
static uint32_t schedstats;

static void
schedstat_close(void)
{
	while (schedstats > 0) {
		close(schedstat[--schedstats]);
	}
}

static void
schedstat_open(void)
{
	DIR *dir = opendir("/proc/self/task");
	char path[300], own[20];
	struct dirent *entry;

	snprintf(own, sizeof(own), "%d", (int)gettid());
	while (dir != NULL && (entry = readdir(dir)) != NULL && schedstats < THREADS_MAX) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat", entry->d_name);
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, own) != 0) {
			schedstat[schedstats] = open(path, O_RDONLY | O_CLOEXEC);
			schedstats += schedstat[schedstats] >= 0;
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
}

/* How long they have been ready to run and did not, so far. */
static uint64_t
waited_ns(void)
{
	uint64_t sum = 0;
	char text[100], *behind;

	for (uint32_t i = 0; i < schedstats; i++) {
		ssize_t size = pread(schedstat[i], text, sizeof(text) - 1, 0);

		text[size < 0 ? 0 : size] = '\0';
		/* How long it ran, then how long it waited. */
		(void)strtoull(text, &behind, 10);
		sum += strtoull(behind, NULL, 10);
	}
	return sum;
}

/* ---- series ---- */

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
quantile_us(const struct series *series, uint32_t first, double share)
{
	uint32_t count = series->count - first;
	uint32_t at = (uint32_t)(share * count);

	if (count == 0) {
		return 0;
	}
	return series->value[first + (at < count ? at : count - 1)] / 1e3;
}

static void
sort(struct series *series, uint32_t first)
{
	qsort(series->value + first, series->count - first, sizeof(*series->value), compare);
}

static bool
size_open(struct size *size, uint64_t bytes, uint32_t samples)
{
	struct series *all[] = { &size->key, &size->pause, &size->align,
		                 &size->own, &size->quiet, &size->calm };

	*size = (struct size){ .bytes = bytes };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		all[i]->value = calloc(samples, sizeof(*all[i]->value));
		if (all[i]->value == NULL) {
			return false;
		}
	}
	return true;
}

static void
size_close(struct size *size)
{
	free(size->key.value);
	free(size->pause.value);
	free(size->align.value);
	free(size->own.value);
	free(size->quiet.value);
	free(size->calm.value);
}

/* ---- runs ---- */

/* What a key sees in as long a time when nothing changes. */
static void
be_quiet(struct snap_job *job, struct size *size)
{
	(void)snap_seen_longest_gap();
	snap_job_run(job, WINDOW_S);
	size->quiet.value[size->quiet.count++] = (double)snap_seen_longest_gap();
}

static bool
change_often(const struct pause_kind *kind, struct snap_job *job, uint32_t changes,
             struct size *size, uint32_t run)
{
	uint32_t first = size->own.count;

	for (uint32_t i = 0; i < changes; i++) {
		struct pause_seen seen = { 0 };
		uint64_t waited = waited_ns();

		be_quiet(job, size);
		if (!kind->change(job, i, &seen)) {
			return false;
		}
		size->key.value[size->key.count++] = (double)seen.key_ns;
		size->pause.value[size->pause.count++] = (double)seen.pause_ns;
		size->align.value[size->align.count++] = (double)seen.align_ns;
		size->own.value[size->own.count++] = (double)(seen.key_ns - seen.align_ns);
		if (waited_ns() - waited < DISTURBED_NS) {
			size->calm.value[size->calm.count++] =
			    (double)(seen.key_ns - seen.align_ns);
		}
	}
	sort(&size->own, first);
	size->p99_us[run] = quantile_us(&size->own, first, 0.99);
	return true;
}

/* Every row that was sent is counted, however often it was on its way when something changed. */
static bool
rows_are_right(const struct pause_kind *kind, struct snap_job *job, struct size *size)
{
	uint64_t sent;

	snap_job_feed(job, SNAP_SOME, job->shape.keys);
	snap_job_drain(job);
	sent = __atomic_load_n(&snap_source.sent, __ATOMIC_ACQUIRE);
	size->rows = snap_job_rows(job);
	if (size->rows != sent) {
		fprintf(stderr, "%s: %" PRIu64 " rows sent, %" PRIu64 " counted\n", kind->name,
		        sent, size->rows);
	}
	return size->rows == sent;
}

static bool
run_size(const struct pause_kind *kind, struct size *size, uint32_t runs, uint32_t changes)
{
	static struct snap_job job;
	struct snap_shape shape = { .keys = snap_keys(size->bytes),
		                    .is_uniform = true,
		                    .is_shared_out = kind->is_shared_out,
		                    .is_tally = kind->is_tally,
		                    .slots = kind->slots,
		                    .batch_rows = BATCH_ROWS,
		                    .epoch_ns = 1000000000,
		                    .is_traced = true,
		                    .workers = 2 };
	bool good = snap_job_open(&job, &shape, NULL) && snap_job_fill(&job);

	schedstat_open();
	snap_job_feed(&job, SNAP_KEYS, 0);
	for (uint32_t run = 0; good && run < runs; run++) {
		good = change_often(kind, &job, changes, size, run);
	}
	if (good) {
		snap_seen_add(&size->batch_ns);
		snap_steps_add(&size->step_ns, &size->slot_ns);
	}
	good = good && rows_are_right(kind, &job, size);
	schedstat_close();
	snap_job_close(&job);
	return good;
}

/* ---- the line ---- */

static void
add_quantiles(char *to, size_t room, const char *what, struct series *series)
{
	size_t used = strlen(to);

	sort(series, 0);
	snprintf(to + used, room - used,
	         "\"%s_p50_us\": %.3f, \"%s_p99_us\": %.3f, \"%s_max_us\": %.3f, ", what,
	         quantile_us(series, 0, 0.5), what, quantile_us(series, 0, 0.99), what,
	         quantile_us(series, 0, 1));
}

/* Of state that became another version's, if any did. */
static void
add_hist(char *to, size_t room, const char *what, const struct lm_hist *hist)
{
	size_t used = strlen(to);

	if (hist->count > 0) {
		snprintf(to + used, room - used,
		         "\"%ss\": %" PRIu64 ", \"%s_p50_us\": %.3f, \"%s_p99_us\": %.3f, "
		         "\"%s_p99_9_us\": %.3f, \"%s_max_us\": %.3f, ",
		         what, hist->count, what, (double)lm_hist_quantile(hist, 0.5) / 1e3, what,
		         (double)lm_hist_quantile(hist, 0.99) / 1e3, what,
		         (double)lm_hist_quantile(hist, 0.999) / 1e3, what,
		         (double)hist->max / 1e3);
	}
}

static void
add_size(char *to, size_t room, struct size *size, bool is_first, bool is_last)
{
	size_t used = strlen(to);

	snprintf(to + used, room - used,
	         "%s{\"mib\": %.0f, \"changes\": %u, \"calm\": %u, \"rows\": %" PRIu64 ", ",
	         is_first ? "\"sizes\": [" : "", (double)size->bytes / (double)MIB, size->key.count,
	         size->calm.count, size->rows);
	add_quantiles(to, room, "key", &size->key);
	add_quantiles(to, room, "own", &size->own);
	add_quantiles(to, room, "calm", &size->calm);
	add_quantiles(to, room, "pause", &size->pause);
	add_quantiles(to, room, "align", &size->align);
	add_quantiles(to, room, "quiet", &size->quiet);
	add_hist(to, room, "step", &size->step_ns);
	add_hist(to, room, "slot", &size->slot_ns);
	used = strlen(to);
	snprintf(to + used, room - used, "\"batch_p99_us\": %.3f}%s",
	         (double)lm_hist_quantile(&size->batch_ns, 0.99) / 1e3, is_last ? "], " : ", ");
}

static void
print_line(const struct pause_kind *kind, struct size *size, uint32_t sizes, uint32_t runs)
{
	static struct bench_line line;
	static char more[4000];
	struct size *least = &size[0], *most = &size[sizes - 1];
	char note[200];

	line = (struct bench_line){ .name = kind->name,
		                    .unit = "us, p99 of what a key sees",
		                    .baseline_name = "the same with 1 MiB of state",
		                    .digits = 3,
		                    .runs = runs,
		                    .note = note,
		                    .more = more };
	for (uint32_t run = 0; run < runs; run++) {
		line.value[run] = most->p99_us[run];
		line.baseline[run] = least->p99_us[run];
		line.ratio[run] = least->p99_us[run] / most->p99_us[run];
	}
	more[0] = '\0';
	for (uint32_t i = 0; i < sizes; i++) {
		add_size(more, sizeof(more), &size[i], i == 0, i == sizes - 1);
	}
	snprintf(note, sizeof(note), "state of %.2f GiB, batches of %u, %u %s under full load",
	         (double)most->bytes / (double)(1u << 30), BATCH_ROWS, most->key.count, kind->what);
	bench_line_print(&line);
}

static uint32_t
choose_sizes(uint64_t bytes[SIZES_MAX], bool small, uint32_t halves)
{
	uint64_t wanted = bench_state_bytes != 0 ? bench_state_bytes : 8192 * MIB;
	uint32_t count = 0;

	wanted = small && bench_state_bytes == 0
	             ? STATE_SMALL
	             : snap_bytes_that_fit(wanted * halves / 2, STATE_SMALL) / halves * 2;
	bytes[count++] = MIB;
	if (wanted > 1024 * MIB) {
		bytes[count++] = 1024 * MIB;
	}
	bytes[count++] = wanted;
	return count;
}

bool
pause_bench(const struct pause_kind *kind, uint32_t runs, bool small)
{
	static struct size size[SIZES_MAX];
	uint64_t bytes[SIZES_MAX];
	uint32_t sizes =
	    choose_sizes(bytes, small, kind->memory_halves == 0 ? 2 : kind->memory_halves);
	uint32_t changes = small ? kind->changes_few : kind->changes;
	bool good = true;

	runs = runs < BENCH_RUNS_MAX ? runs : BENCH_RUNS_MAX;
	memset(size, 0, sizeof(size));
	for (uint32_t i = 0; good && i < sizes; i++) {
		good = size_open(&size[i], bytes[i], runs * changes) &&
		       run_size(kind, &size[i], runs, changes);
	}
	if (good) {
		print_line(kind, size, sizes, runs);
	} else {
		fprintf(stderr, "%s: a change failed\n", kind->name);
	}
	for (uint32_t i = 0; i < sizes; i++) {
		size_close(&size[i]);
	}
	return good;
}
