/* SPDX-License-Identifier: BSD-3-Clause */
/* state/snapshot_note.c: which note a start gets to see, and that no other epoch is gone on from.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "state/snapshot_format.h"
#include "state/snapshot_run.h"

#define JOB 77u

static char above[64], folder[80];

static int
begin(void **state)
{
	(void)state;
	snprintf(above, sizeof(above), "/tmp/lodemill-note-XXXXXX");
	assert_non_null(mkdtemp(above));
	snprintf(folder, sizeof(folder), "%s/state", above);
	return 0;
}

static int
end(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", above);
	return system(command);
}

/* An epoch for each note, with a part; NULL: it has none. */
static void
write_epochs(const char *const *notes, uint32_t count)
{
	struct store_options options = { .job = JOB, .keep = 10 };
	struct snapshot_job job = { .format = SNAPSHOT_FORMAT, .secret = 5 };
	struct part_id id = { .op = 0, .slice = 0 };
	char why[MANIFEST_WHY];
	struct store_pick pick;
	struct store *store;
	struct part *part;

	assert_int_equal(store_open(folder, &options, &store, why), 0);
	assert_int_equal(store_pick(store, STORE_ALL, &pick), 0);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(store_begin(store, store_epoch_next(store)), 0);
		assert_int_equal(part_begin(store, id, PART_FULL, &part), 0);
		assert_int_equal(part_put(part, SNAPSHOT_BYTES, 0, 0, "some bytes", 10), 0);
		assert_int_equal(part_finish(part), 0);
		assert_int_equal(store_record(store, SNAPSHOT_RECORD_JOB, &job, sizeof(job)), 0);
		if (notes[i] != NULL) {
			assert_int_equal(
			    store_record(store, SNAPSHOT_RECORD_NOTE, notes[i], strlen(notes[i])),
			    0);
		}
		assert_int_equal(store_commit(store, 1), 0);
	}
	store_close(store);
}

/* A bit in the payload of the part that the epoch wrote. */
static void
damage(uint64_t epoch)
{
	char name[MANIFEST_NAME_MAX], path[200];
	FILE *file;

	file_name(name, epoch, (struct part_id){ 0 }, 1);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, BLOCK_HEADER + 2, SEEK_SET), 0);
	assert_int_equal(fputc('#', file), '#');
	assert_int_equal(fclose(file), 0);
}

static void
is_note(uint64_t job, uint64_t epoch, const char *text)
{
	char why[SNAPSHOT_WHY];
	struct snapshot_note note;

	assert_int_equal(snapshots_read_note(folder, job, &note, why), 0);
	assert_int_equal(note.epoch, epoch);
	if (text == NULL) {
		assert_null(note.bytes);
	} else {
		assert_int_equal(note.size, strlen(text));
		assert_memory_equal(note.bytes, text, note.size);
	}
	free(note.bytes);
}

static void
test_newest(void **state)
{
	static const char *const notes[] = { NULL, "first", "second" };

	(void)state;
	is_note(JOB, 0, NULL);
	write_epochs(notes, 1);
	is_note(JOB, 1, NULL);
	write_epochs(notes + 1, 2);
	is_note(JOB, 3, "second");
	is_note(JOB + 1, 0, NULL);
}

/* All bytes are read where it matters: what is gone on from and its note belong together. */
static void
test_damaged(void **state)
{
	static const char *const notes[] = { "same", "same", "other", "other" };

	(void)state;
	write_epochs(notes, 2);
	damage(2);
	is_note(JOB, 2, "same");
	write_epochs(notes + 2, 1);
	is_note(JOB, 3, "other");
	damage(3);
	/* Nobody has looked whether 2 is whole: 1 has the same. */
	is_note(JOB, 2, "same");
}

/* Opened with another note than that of the epoch: refused, whichever the two are. */
static void
test_expected(void **state)
{
	static const char *const notes[] = { "mine" };
	static const struct {
		const char *note;
		int result;
	} wants[] = { { "mine", 0 }, { "min", -ENOENT }, { "mint", -ENOENT }, { NULL, -ENOENT } };
	struct snapshot_options options = { .folder = folder, .job = JOB };

	(void)state;
	write_epochs(notes, 1);
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		char text[8], why[SNAPSHOT_WHY] = "";
		struct snapshot_note note = { .epoch = 1 };
		struct snapshots *snapshots;

		if (wants[i].note != NULL) {
			snprintf(text, sizeof(text), "%s", wants[i].note);
			note.bytes = text;
			note.size = strlen(text);
		}
		options.note = &note;
		assert_int_equal(snapshots_open(&options, &snapshots, why), wants[i].result);
		assert_int_equal(strstr(why, "of another topology") != NULL, wants[i].result != 0);
		snapshots_close(snapshots);
		options.note = NULL;
		assert_int_equal(snapshots_open(&options, &snapshots, why), 0);
		snapshots_close(snapshots);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_newest, begin, end),
		cmocka_unit_test_setup_teardown(test_damaged, begin, end),
		cmocka_unit_test_setup_teardown(test_expected, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
