/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log on two threads: one that writes and takes rows, as a slice does, and one that trims what
 * has been taken, as snapshots do. All rows come, in order, and what is not needed has gone.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/env.h"
#include "state/log.h"

#define ROWS 200000u
#define LONGEST_NS INT64_C(60000000000)
#define ROWS_AT_ONCE 20u
#define ROW_BYTES 200u

struct race {
	struct log *log;
	char folder[100];
	void *memory;
	uint64_t taken; /* rows below were taken: one writes, one reads */
	uint64_t trims;
	bool stop;
	int failed, trim_failed;
};

static void *
trim(void *arg)
{
	struct race *race = arg;
	char why[LOG_WHY];

	while (!__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE)) {
		uint64_t row = __atomic_load_n(&race->taken, __ATOMIC_ACQUIRE);

		race->trim_failed |= log_trim(race->log, row, why);
		race->trims++;
		env_sleep_ns(1000000);
	}
	return NULL;
}

static bool
put(struct log *log, uint64_t row)
{
	uint32_t size = ROWS_AT_ONCE * ROW_BYTES;
	uint64_t *payload = log_reserve(log, size);

	if (payload == NULL) {
		return false;
	}
	memset(payload, 0, size);
	payload[0] = row;
	log_append(log, &(struct log_record){ .rows = ROWS_AT_ONCE, .size = size });
	return true;
}

static void
take(struct race *race)
{
	struct log_record record;

	while (log_peek(race->log, &record)) {
		uint64_t row;

		memcpy(&row, record.payload, sizeof(row));
		race->failed |= row != log_row(race->log);
		log_pass(race->log, record.rows);
		__atomic_store_n(&race->taken, log_row(race->log), __ATOMIC_RELEASE);
	}
}

static void
open_log(struct race *race)
{
	struct log_options options = { .folder = race->folder,
		                       .slices = 1,
		                       .schema = "row:u64",
		                       .segment_bytes = LOG_SEGMENT_MIN,
		                       .max_bytes = 6u << 20,
		                       .commit_ns = 100000,
		                       .memory = race->memory,
		                       .memory_size = LOG_MEMORY_MIN };
	char why[LOG_WHY] = "";

	if (log_open(&options, &race->log, why) != 0) {
		fail_msg("%s", why);
	}
}

static void
count_name(void *arg, const char *name)
{
	*(uint32_t *)arg += strstr(name, ".log") != NULL ? 1 : 0;
}

static void
remove_name(void *arg, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
	unlink(path);
}

static void
test_trim_while_writing(void **state)
{
	const char *root = getenv("TMPDIR");
	struct race race = { .memory = aligned_alloc(64, LOG_MEMORY_MIN) };
	struct log_stats stats;
	char slice[128];
	pthread_t thread;
	int64_t begun_ns = env_now_ns();
	uint64_t row = 0;
	uint32_t segments = 0;

	(void)state;
	assert_non_null(race.memory);
	snprintf(race.folder, sizeof(race.folder), "%.50s/lodemill-log-XXXXXX",
	         root == NULL ? "/tmp" : root);
	assert_non_null(mkdtemp(race.folder));
	open_log(&race);
	assert_int_equal(pthread_create(&thread, NULL, trim, &race), 0);
	/* With max_bytes below what is written, it only goes on because old segments go. */
	while (log_row(race.log) < ROWS && env_now_ns() - begun_ns < LONGEST_NS) {
		while (row < ROWS && put(race.log, row)) {
			row += ROWS_AT_ONCE;
		}
		log_step(race.log, env_now_ns(), false);
		take(&race);
	}
	__atomic_store_n(&race.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	log_read_stats(race.log, &stats);
	assert_int_equal(log_row(race.log), ROWS);
	log_close(race.log);
	assert_int_equal(race.failed, 0);
	assert_int_equal(race.trim_failed, 0);
	assert_int_equal(stats.failures, 0);
	assert_true(stats.bytes <= 6u << 20);
	snprintf(slice, sizeof(slice), "%s/0", race.folder);
	env_dir_list(slice, count_name, &segments);
	printf("# %u groups, %u trims, %u stops, %u segments left\n", (unsigned int)stats.groups,
	       (unsigned int)race.trims, (unsigned int)stats.stops, segments);
	env_dir_list(slice, remove_name, slice);
	rmdir(slice);
	rmdir(race.folder);
	free(race.memory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trim_while_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
