/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * state/log*.c on the simulator's disk: what comes out, in which order and when; what a restart
 * finds; disks that fail and get well; damage, gaps and folders of others; what log_trim removes.
 */
#include "state/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "state/log_segment.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/log_model.h"
#include "tests/sim/sim.h"

#define SLICE_FOLDER LOG_MODEL_FOLDER "/0"

static struct log_model model;

static int
begin(void **state)
{
	(void)state;
	sim_reset(1);
	disk_reset();
	log_model_begin(&model);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	log_model_end(&model);
	disk_reset();
	return 0;
}

static void
open_at(uint64_t row)
{
	int result = log_model_open(&model, row);

	if (result != 0) {
		fail_msg("%d: %s", result, model.why);
	}
}

static void
reopen_at(uint64_t row)
{
	log_model_close(&model);
	open_at(row);
}

/* Segments in the folder, the oldest first. */
static char paths[64][128];
static uint32_t path_count;

static void
note_path(void *arg, const char *path)
{
	(void)arg;
	if (strstr(path, ".log") != NULL) {
		snprintf(paths[path_count++], sizeof(paths[0]), "%s", path);
	}
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static uint32_t
segments(void)
{
	path_count = 0;
	disk_walk(SLICE_FOLDER, note_path, NULL);
	qsort(paths, path_count, sizeof(paths[0]), by_text);
	return path_count;
}

static void
test_rows_come_when_they_are_durable(void **state)
{
	struct log_record record;
	struct log_stats stats;

	(void)state;
	open_at(0);
	assert_false(log_has_rows(model.log));
	assert_true(log_watermark(model.log) == INT64_MAX);
	assert_true(log_model_put(&model, 10, 0));
	assert_true(log_has_rows(model.log));
	assert_int_equal(log_watermark(model.log), 0);
	/* They wait for others for 2 ms. */
	assert_true(log_step(model.log, 0, false));
	assert_true(log_step(model.log, 1999999, false));
	assert_int_equal(segments(), 0);
	assert_true(log_step(model.log, 2000000, false));
	assert_int_equal(segments(), 1);
	assert_false(log_peek(model.log, &record));
	for (uint32_t i = 0; i < 100 && !log_peek(model.log, &record); i++) {
		log_step(model.log, 2000000, false);
	}
	assert_int_equal(log_durable_row(model.log), 10);
	assert_int_equal(record.rows, 10);
	assert_false(record.is_from_disk);
	assert_int_equal(record.ingress_ns, model.now_ns);
	log_read_stats(model.log, &stats);
	assert_int_equal(stats.groups, 1);
	assert_int_equal(stats.bytes, 4096);
	assert_int_equal(stats.failures, 0);
	assert_true(log_model_drain(&model));
	assert_int_equal(model.next, 10);
}

/* A lot does not wait; so many small records are one group. */
static void
test_groups(void **state)
{
	struct log_stats stats;

	(void)state;
	open_at(0);
	assert_true(log_model_put(&model, 1, 300000));
	log_step(model.log, 0, false);
	assert_int_equal(segments(), 1);
	assert_true(log_model_drain(&model));
	for (uint32_t i = 0; i < 500; i++) {
		assert_true(log_model_put(&model, 3, 5));
	}
	assert_true(log_model_drain(&model));
	log_read_stats(model.log, &stats);
	assert_int_equal(stats.groups, 2);
	reopen_at(0);
	assert_true(log_model_drain(&model));
	assert_int_equal(model.next, 1501);
}

/* From any row on, once and again; what is new comes behind it. */
static void
test_restarts(void **state)
{
	(void)state;
	open_at(0);
	for (uint32_t i = 0; i < 40; i++) {
		log_model_put_some(&model);
		assert_true(log_model_run(&model, 50, false));
	}
	assert_true(log_model_drain(&model));
	for (uint64_t row = 0; row <= model.shown; row += 1 + model.shown / 37) {
		reopen_at(row);
		if (row % 3 == 0) {
			log_model_put_some(&model);
		}
		if (row % 2 == 0) {
			assert_true(log_model_drain(&model));
			assert_int_equal(model.next, log_end_row(model.log));
		}
	}
	reopen_at(model.shown);
	reopen_at(0);
	assert_true(log_model_drain(&model));
	assert_true(segments() > 3);
}

static void
test_seek_refuses(void **state)
{
	char why[LOG_WHY];

	(void)state;
	open_at(0);
	assert_true(log_model_put(&model, 10, 0));
	assert_true(log_model_drain(&model));
	log_model_close(&model);
	assert_int_equal(log_model_open(&model, 11), -ERANGE);
	assert_non_null(strstr(model.why, "rows 0 to 10"));
	assert_int_equal(log_seek(model.log, log_id(model.log) + 1, 5, why), -ENOENT);
	assert_non_null(strstr(why, "bring back"));
	reopen_at(10);
}

static void
test_folders(void **state)
{
	struct log *other;
	char why[LOG_WHY], longer[LOG_FOLDER_MAX];

	(void)state;
	open_at(0);
	assert_int_equal(log_open(&model.options, &other, why), -EAGAIN);
	assert_non_null(strstr(why, "in use"));
	assert_true(log_model_put(&model, 10, 0));
	assert_true(log_model_drain(&model));
	log_model_close(&model);
	/* Rows of other columns. */
	model.options.schema = "number:u32";
	assert_int_equal(log_model_open(&model, 0), -EINVAL);
	assert_non_null(strstr(model.why, "\"number:u64\""));
	assert_non_null(strstr(model.why, "\"number:u32\""));
	model.options.schema = "number:u64";
	/* A slice that there is no more. */
	model.options.slices = 3;
	model.options.slice = 2;
	assert_int_equal(log_open(&model.options, &other, why), 0);
	log_close(other);
	model.options.slices = 2;
	model.options.slice = 0;
	assert_int_equal(log_model_open(&model, 0), -EINVAL);
	assert_non_null(strstr(model.why, "3 slices"));
	model.options.slices = 3;
	open_at(0);
	log_model_close(&model);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	model.options.folder = longer;
	assert_int_equal(log_model_open(&model, 0), -ENAMETOOLONG);
}

static void
note_id(void *arg, const char *path)
{
	if (strstr(path, "ID.") != NULL) {
		snprintf(arg, 128, "%s", path);
	}
}

static void
test_id(void **state)
{
	char path[128];
	uint64_t id;

	(void)state;
	open_at(0);
	id = log_id(model.log);
	assert_int_not_equal(id, 0);
	reopen_at(0);
	assert_true(log_id(model.log) == id);
	assert_true(log_model_put(&model, 10, 0));
	assert_true(log_model_drain(&model));
	log_model_close(&model);
	disk_walk(SLICE_FOLDER, note_id, path);
	disk_lose(path);
	assert_int_equal(log_model_open(&model, 0), -EBADMSG);
	assert_non_null(strstr(model.why, "no file ID"));
	assert_true(disk_open(SLICE_FOLDER "/ID.0000000000000005", 0101) >= 0);
	/* Segments of another log. */
	assert_int_equal(log_model_open(&model, 0), -EBADMSG);
	assert_non_null(strstr(model.why, "belongs elsewhere"));
	assert_true(disk_open(SLICE_FOLDER "/ID.0000000000000006", 0101) >= 0);
	assert_int_equal(log_model_open(&model, 0), -EBADMSG);
	assert_non_null(strstr(model.why, "more than one"));
}

/* Some groups in one segment. */
static void
put_groups(uint32_t groups)
{
	for (uint32_t i = 0; i < groups; i++) {
		assert_true(log_model_put(&model, 100, 9000));
		assert_true(log_model_drain(&model));
	}
}

/* A torn last group was never shown; one in the middle was, and is refused. */
static void
test_torn_and_damaged(void **state)
{
	uint8_t *bytes;

	(void)state;
	open_at(0);
	put_groups(5);
	log_model_close(&model);
	assert_int_equal(segments(), 1);
	bytes = disk_bytes(paths[0]);
	for (uint32_t group = 0; group < 4; group++) {
		bytes[group * 12288 + 5000] ^= 1;
		assert_int_equal(log_model_open(&model, 0), -EBADMSG);
		assert_non_null(strstr(model.why, "damaged payload"));
		assert_non_null(strstr(model.why, "0000000001-00000000000000000000.log"));
		bytes[group * 12288 + 5000] ^= 1;
	}
	bytes[4 * 12288 + 5000] ^= 1;
	model.shown = 400;
	open_at(0);
	assert_int_equal(log_end_row(model.log), 400);
	/* What is new stands in a new segment, which makes the torn one whole up to there. */
	assert_true(log_model_put(&model, 50, 0));
	assert_true(log_model_drain(&model));
	reopen_at(10);
	assert_true(log_model_drain(&model));
	assert_int_equal(model.next, 450);
}

/* A file that ends early, and one that is not there, where later ones go on. */
static void
test_gaps(void **state)
{
	(void)state;
	open_at(0);
	put_groups(3);
	reopen_at(300);
	put_groups(3);
	reopen_at(600);
	put_groups(1);
	log_model_close(&model);
	assert_int_equal(segments(), 3);
	disk_truncate(paths[1], 12288);
	assert_int_equal(log_model_open(&model, 0), -EBADMSG);
	assert_non_null(strstr(model.why, "behind a gap"));
	disk_lose(paths[1]);
	assert_int_equal(log_model_open(&model, 0), -EBADMSG);
	assert_non_null(strstr(model.why, "row 300"));
	/* Those up to the gap may be taken away on purpose. */
	disk_lose(paths[0]);
	open_at(500);
	assert_int_equal(log_first_row(model.log), 500);
	assert_true(log_model_drain(&model));
	assert_int_equal(model.next, 700);
}

/* Each call of the disk's fails for a while; nothing is lost, and the order stays. */
static void
test_failing_disk(void **state)
{
	static const enum disk_fault faults[] = { DISK_EIO, DISK_ENOSPC, DISK_SYNC_LOST };
	struct log_stats stats;

	(void)state;
	open_at(0);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t one_in[DISK_FAULT_COUNT] = { 0 };
		uint64_t next = model.next, rows = 0;

		one_in[faults[i]] = 1;
		put_groups(2);
		disk_faults(one_in);
		while (log_model_put(&model, 1000, 0)) {
			rows += 1000;
			assert_true(log_model_run(&model, 3, false));
		}
		/* The memory is full: rows must wait outside. */
		assert_true(rows > 300000);
		assert_true(log_model_run(&model, 50000, false));
		assert_int_equal(model.next, next + 200);
		log_read_stats(model.log, &stats);
		assert_true(stats.is_failing);
		/* Five seconds of it: more often at first, then every second. */
		assert_in_range(stats.failures, 8, 20);
		assert_non_null(strstr(log_why(model.log), "new file"));
		assert_non_null(strstr(log_why(model.log), faults[i] == DISK_ENOSPC
		                                               ? "free some space"
		                                               : "check the disk"));
		memset(one_in, 0, sizeof(one_in));
		disk_faults(one_in);
		assert_true(log_model_drain(&model));
		assert_int_equal(model.next, next + 200 + rows);
		log_read_stats(model.log, &stats);
		assert_false(stats.is_failing);
		disk_crash();
		reopen_at(next);
		assert_true(log_model_drain(&model));
		log_model_end(&model);
		disk_reset();
		log_model_begin(&model);
		open_at(0);
	}
}

/* What cannot be read again at first can be later. */
static void
test_failing_reads(void **state)
{
	uint32_t one_in[DISK_FAULT_COUNT] = { 0 };
	struct log_record record;
	struct log_stats stats;

	(void)state;
	open_at(0);
	put_groups(4);
	reopen_at(50);
	one_in[DISK_EIO] = 1;
	disk_faults(one_in);
	assert_false(log_peek(model.log, &record));
	log_read_stats(model.log, &stats);
	assert_int_equal(stats.failures, 1);
	assert_non_null(strstr(log_why(model.log), "row 50"));
	assert_false(log_peek(model.log, &record));
	log_step(model.log, model.now_ns, false);
	assert_false(log_peek(model.log, &record));
	one_in[DISK_EIO] = 0;
	disk_faults(one_in);
	log_step(model.log, model.now_ns + 1000000000, false);
	assert_true(log_peek(model.log, &record));
	assert_true(log_model_drain(&model));
	assert_int_equal(model.next, 400);
}

static void
test_max_bytes(void **state)
{
	struct log_stats stats;
	char why[LOG_WHY];

	(void)state;
	model.options.max_bytes = 8u << 20;
	open_at(0);
	while (log_model_put(&model, 100, 500000)) {
		assert_true(log_model_run(&model, 100, false));
	}
	assert_true(log_model_run(&model, 1000, false));
	log_read_stats(model.log, &stats);
	assert_in_range(stats.bytes, 6u << 20, 8u << 20);
	assert_int_equal(stats.stops, 1);
	assert_true(stats.is_failing);
	assert_non_null(strstr(log_why(model.log), "max_bytes"));
	assert_true(model.next < log_end_row(model.log));
	/* Room is made, and it goes on. */
	assert_int_equal(log_trim(model.log, model.next, why), 0);
	assert_true(log_model_run(&model, 1000, false));
	assert_int_equal(model.next, log_end_row(model.log));
	log_read_stats(model.log, &stats);
	assert_false(stats.is_failing);
	assert_true(stats.bytes <= 8u << 20);
}

static void
test_trim(void **state)
{
	struct log_stats stats;
	char why[LOG_WHY];
	uint64_t first_row[64], number;
	uint32_t count, left;

	(void)state;
	open_at(0);
	for (uint32_t i = 0; i < 40; i++) {
		assert_true(log_model_put(&model, 100, 600000));
		assert_true(log_model_drain(&model));
	}
	count = segments();
	assert_true(count >= 5);
	for (uint32_t i = 0; i < count; i++) {
		assert_true(log_name_read(strrchr(paths[i], '/') + 1, &number, &first_row[i]));
	}
	assert_int_equal(log_trim(model.log, 0, why), 0);
	assert_int_equal(log_trim(model.log, first_row[1] - 1, why), 0);
	assert_int_equal(segments(), count);
	assert_int_equal(log_trim(model.log, first_row[1], why), 0);
	assert_int_equal(segments(), count - 1);
	assert_int_equal(log_trim(model.log, first_row[3] + 50, why), 0);
	assert_int_equal(segments(), count - 3);
	/* Going back brings nothing back. */
	assert_int_equal(log_trim(model.log, 0, why), 0);
	left = segments();
	assert_int_equal(left, count - 3);
	log_read_stats(model.log, &stats);
	assert_int_equal(stats.bytes, disk_used());
	log_model_close(&model);
	assert_int_equal(log_model_open(&model, first_row[3] - 1), -ERANGE);
	reopen_at(first_row[3]);
	assert_true(log_model_drain(&model));
	/* The last segment of before the restart is needed until the new one has what it has. */
	assert_int_equal(log_trim(model.log, UINT64_MAX, why), 0);
	assert_int_equal(segments(), 1);
	assert_true(log_name_read(strrchr(paths[0], '/') + 1, &number, &first_row[0]));
	reopen_at(first_row[0]);
	assert_int_equal(log_trim(model.log, UINT64_MAX, why), 0);
	assert_int_equal(segments(), 1);
	assert_true(log_model_put(&model, 1, 0));
	assert_true(log_model_drain(&model));
	assert_int_equal(log_trim(model.log, UINT64_MAX, why), 0);
	assert_int_equal(segments(), 1);
}

/* A segment whose only group may not be safe does not stand in for the one before it. */
static void
test_trim_keeps_what_is_proven(void **state)
{
	char why[LOG_WHY];

	(void)state;
	open_at(0);
	put_groups(2);
	reopen_at(0);
	assert_true(log_model_drain(&model));
	log_model_close(&model);
	assert_int_equal(segments(), 2);
	open_at(150);
	assert_int_equal(log_trim(model.log, UINT64_MAX, why), 0);
	assert_int_equal(segments(), 2);
	assert_true(log_model_drain(&model));
	assert_int_equal(log_trim(model.log, UINT64_MAX, why), 0);
	assert_int_equal(segments(), 1);
}

/* Rows show at once, and a restart has those that were durable. */
static void
test_eager(void **state)
{
	struct log_record record;
	uint64_t durable;

	(void)state;
	model.options.eager = true;
	open_at(0);
	assert_true(log_model_put(&model, 10, 0));
	assert_true(log_peek(model.log, &record));
	assert_int_equal(log_durable_row(model.log), 0);
	log_pass(model.log, 10);
	model.next = model.shown = 10;
	assert_true(log_model_put(&model, 5, 0));
	log_pass_new(model.log);
	model.next = model.shown = 15;
	assert_false(log_has_rows(model.log));
	assert_true(log_step(model.log, 0, false));
	assert_true(log_model_drain(&model));
	durable = log_durable_row(model.log);
	assert_int_equal(durable, 15);
	assert_true(log_model_put(&model, 7, 0));
	log_pass_new(model.log);
	reopen_at(3);
	assert_int_equal(log_end_row(model.log), 15);
	assert_true(log_model_drain(&model));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows_come_when_they_are_durable, begin, end),
		cmocka_unit_test_setup_teardown(test_groups, begin, end),
		cmocka_unit_test_setup_teardown(test_restarts, begin, end),
		cmocka_unit_test_setup_teardown(test_seek_refuses, begin, end),
		cmocka_unit_test_setup_teardown(test_folders, begin, end),
		cmocka_unit_test_setup_teardown(test_id, begin, end),
		cmocka_unit_test_setup_teardown(test_torn_and_damaged, begin, end),
		cmocka_unit_test_setup_teardown(test_gaps, begin, end),
		cmocka_unit_test_setup_teardown(test_failing_disk, begin, end),
		cmocka_unit_test_setup_teardown(test_failing_reads, begin, end),
		cmocka_unit_test_setup_teardown(test_max_bytes, begin, end),
		cmocka_unit_test_setup_teardown(test_trim, begin, end),
		cmocka_unit_test_setup_teardown(test_trim_keeps_what_is_proven, begin, end),
		cmocka_unit_test_setup_teardown(test_eager, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
