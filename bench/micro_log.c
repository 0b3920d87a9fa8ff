/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the ingest log costs beside the least that is durable: rows go into a log and come out of it
 * once they are safe, as fast as they can; then a plain loop appends as many bytes to a file, in
 * groups of the same sizes, with fdatasync behind each; in turn. A JSON line for each round.
 *
 *     micro-log FOLDER MIB [ROUNDS]
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/env.h"
#include "core/lm_op.h"
#include "core/text.h"
#include "operators/ingest_rows.h"
#include "state/log.h"

#define PATH_BYTES 700u
#define GROUPS_MAX (1u << 20)
#define SEGMENT_BYTES (64u << 20)
#define MEMORY_BYTES (8u << 20)

enum { TIME, LENGTH, SRC, DST, FIELDS };

struct bench {
	char folder[PATH_BYTES];
	uint64_t bytes_wanted; /* of rows */
	struct lm_schema schema;
	struct lm_batch *in, *out;
	void *memory;
	uint32_t *group; /* [group]: bytes on disk */
	uint32_t groups;
	uint8_t *plain; /* what the plain loop writes */
	uint64_t put_sum, got_sum, rows, bytes;
	const char *disk;
};

static double
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int64_t
now_ns(void)
{
	return (int64_t)(now_s() * 1e9);
}

static void
note_group(void *arg, uint64_t bytes)
{
	struct bench *bench = arg;

	if (bench->groups < GROUPS_MAX) {
		bench->group[bench->groups++] = (uint32_t)bytes;
		bench->bytes += bytes;
	}
}

/* Packets, about: 44 bytes a row. */
static bool
make(struct bench *bench)
{
	static const struct lm_field fields[FIELDS] = {
		[TIME] = { "time", LM_TIME, 0 },
		[LENGTH] = { "length", LM_U32, 0 },
		[SRC] = { "src", LM_IP6, 0 },
		[DST] = { "dst", LM_IP6, 0 },
	};

	if (lm_schema_init(&bench->schema, fields, FIELDS, LM_BATCH_ROWS) != 0) {
		return false;
	}
	bench->in = aligned_alloc(64, bench->schema.size);
	bench->out = aligned_alloc(64, bench->schema.size);
	bench->memory = aligned_alloc(64, MEMORY_BYTES);
	bench->group = calloc(GROUPS_MAX, sizeof(*bench->group));
	bench->plain = malloc(LOG_GROUP_BYTES);
	if (bench->in == NULL || bench->out == NULL || bench->memory == NULL ||
	    bench->group == NULL || bench->plain == NULL) {
		return false;
	}
	memset(bench->in, 0, bench->schema.size);
	memset(bench->out, 0, bench->schema.size);
	memset(bench->plain, 0x5a, LOG_GROUP_BYTES);
	bench->in->schema = bench->out->schema = &bench->schema;
	bench->in->count = LM_BATCH_ROWS;
	for (uint32_t i = 0; i < LM_BATCH_ROWS; i++) {
		lm_batch_i64(bench->in, TIME)[i] = i;
		lm_batch_u32(bench->in, LENGTH)[i] = 64 + i % 1400;
		memset(&lm_batch_ip6(bench->in, SRC)[i], (int)(i * 7), 16);
		memset(&lm_batch_ip6(bench->in, DST)[i], (int)(i * 13), 16);
	}
	return true;
}

static void
unmake(struct bench *bench)
{
	free(bench->in);
	free(bench->out);
	free(bench->memory);
	free(bench->group);
	free(bench->plain);
}

static uint64_t
sum_of(const struct lm_batch *batch)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < batch->count; i++) {
		sum += lm_batch_u32(batch, LENGTH)[i] + (uint64_t)lm_batch_i64(batch, TIME)[i];
	}
	return sum;
}

static bool
put(struct bench *bench, struct log *log)
{
	uint32_t size = ingest_rows_size(bench->in);
	uint8_t *payload = log_reserve(log, size);

	if (payload == NULL) {
		return false;
	}
	ingest_rows_write(bench->in, payload);
	log_append(log, &(struct log_record){ .rows = bench->in->count, .size = size });
	bench->put_sum += sum_of(bench->in);
	bench->rows += bench->in->count;
	return true;
}

static void
take(struct bench *bench, struct log *log)
{
	struct log_record record;

	while (log_peek(log, &record)) {
		struct ingest_range range = { record.rows, record.skip, record.rows - record.skip };

		bench->out->count = ingest_rows_read(record.payload, &range, bench->out, 0);
		bench->got_sum += sum_of(bench->out);
		log_pass(log, bench->out->count);
	}
}

/* Seconds until all rows are through; negative: it failed. */
static double
run_log(struct bench *bench)
{
	char path[PATH_BYTES + 16], why[LOG_WHY];
	struct log_options options = { .folder = path,
		                       .slices = 1,
		                       .schema = "packets",
		                       .segment_bytes = SEGMENT_BYTES,
		                       .commit_ns = 2000000,
		                       .memory = bench->memory,
		                       .memory_size = MEMORY_BYTES };
	struct log_stats stats;
	struct log *log;
	double begun_s;

	snprintf(path, sizeof(path), "%s/log", bench->folder);
	if (log_open(&options, &log, why) != 0) {
		fprintf(stderr, "micro-log: %s\n", why);
		return -1;
	}
	bench->disk = log_disk(log);
	bench->groups = 0;
	bench->bytes = bench->rows = bench->put_sum = bench->got_sum = 0;
	log_watch(log, note_group, bench);
	begun_s = now_s();
	do {
		while (bench->rows * 44 < bench->bytes_wanted && put(bench, log)) {
		}
		log_step(log, now_ns(), bench->rows * 44 >= bench->bytes_wanted);
		take(bench, log);
		log_read_stats(log, &stats);
	} while (stats.failures == 0 &&
	         (log_has_rows(log) || bench->rows * 44 < bench->bytes_wanted));
	begun_s = now_s() - begun_s;
	if (stats.failures > 0 || bench->put_sum != bench->got_sum) {
		fprintf(stderr, "micro-log: %s\n",
		        stats.failures > 0 ? log_why(log) : "other rows came out than went in");
		begun_s = -1;
	}
	log_close(log);
	return begun_s;
}

static double
run_plain(const struct bench *bench)
{
	char path[PATH_BYTES + 16];
	double begun_s;
	int file, result = 0;

	snprintf(path, sizeof(path), "%s/plain", bench->folder);
	file = env_file_open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	begun_s = now_s();
	for (uint32_t i = 0; file >= 0 && result == 0 && i < bench->groups; i++) {
		if (env_file_write(file, bench->plain, bench->group[i]) !=
		    (ssize_t)bench->group[i]) {
			result = -1;
		}
		result = result == 0 ? env_file_sync(file) : result;
	}
	begun_s = now_s() - begun_s;
	if (file >= 0) {
		env_file_close(file);
	}
	unlink(path);
	return file < 0 || result != 0 ? -1 : begun_s;
}

struct removal {
	char folder[PATH_BYTES + 32];
};

static void
remove_one(void *arg, const char *name)
{
	const struct removal *removal = arg;
	char path[PATH_BYTES + 300];

	snprintf(path, sizeof(path), "%s/%s", removal->folder, name);
	unlink(path);
}

static void
clean(const struct bench *bench)
{
	static const char *const folders[] = { "/log/0", "/log" };
	struct removal removal;

	for (uint32_t i = 0; i < 2; i++) {
		snprintf(removal.folder, sizeof(removal.folder), "%s%s", bench->folder, folders[i]);
		env_dir_list(removal.folder, remove_one, &removal);
		rmdir(removal.folder);
	}
}

static int
compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

/* The first log of all tells how large the groups are; then each goes first in turn. */
static int
run_rounds(struct bench *bench, uint64_t rounds)
{
	double *ratio = calloc(rounds, sizeof(*ratio));
	double log_s = run_log(bench), plain_s = 0;

	clean(bench);
	for (uint64_t i = 0; ratio != NULL && log_s >= 0 && plain_s >= 0 && i < rounds; i++) {
		plain_s = i % 2 == 0 ? run_plain(bench) : 0;
		log_s = run_log(bench);
		clean(bench);
		plain_s = i % 2 == 0 ? plain_s : run_plain(bench);
		ratio[i] = plain_s / log_s;
		printf("{\"round\": %" PRIu64 ", \"rows\": %" PRIu64 ", \"bytes\": %" PRIu64
		       ", \"groups\": %u, \"log_s\": %.4f, \"plain_s\": %.4f, \"ratio\": %.3f, "
		       "\"disk\": \"%s\", \"sum\": \"%016" PRIx64 "\"}\n",
		       i, bench->rows, bench->bytes, bench->groups, log_s, plain_s, ratio[i],
		       bench->disk, bench->got_sum);
	}
	if (ratio != NULL && log_s >= 0 && plain_s >= 0) {
		qsort(ratio, rounds, sizeof(*ratio), compare);
		printf("{\"rounds\": %" PRIu64 ", \"ratio_median\": %.3f, \"ratio_min\": %.3f, "
		       "\"ratio_max\": %.3f}\n",
		       rounds, ratio[rounds / 2], ratio[0], ratio[rounds - 1]);
	}
	free(ratio);
	return log_s >= 0 && plain_s >= 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct bench bench = { 0 };
	uint64_t mib, rounds = 3;
	int result = 1;

	if (argc < 3 || text_u64(argv[2], &mib) != 0 || mib == 0 ||
	    (argc > 3 && (text_u64(argv[3], &rounds) != 0 || rounds == 0))) {
		fprintf(stderr, "usage: micro-log FOLDER MIB [ROUNDS]\n");
		return 2;
	}
	bench.bytes_wanted = mib << 20;
	snprintf(bench.folder, sizeof(bench.folder), "%.600s/micro-log-%d", argv[1], (int)getpid());
	if (env_dir_make(bench.folder, 0700) != 0) {
		perror(bench.folder);
		return 1;
	}
	if (make(&bench)) {
		result = run_rounds(&bench, rounds);
	}
	unmake(&bench);
	clean(&bench);
	rmdir(bench.folder);
	return result;
}
