/* SPDX-License-Identifier: BSD-3-Clause */
/* The catalogue: it says what the manifests say, and is made anew when it is lost or damaged. */
#include "state/index.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/operators/fake_env.h"

static char why[MANIFEST_WHY];

static struct index *
open_index(void)
{
	struct index *index;

	assert_int_equal(index_open(fake_env_folder(), &index, why), 0);
	return index;
}

/* The first column of all rows, with commas; by a connection of its own, as people do it. */
static const char *
ask(const char *query)
{
	static char text[500];
	sqlite3 *db;
	sqlite3_stmt *statement;

	text[0] = '\0';
	assert_int_equal(
	    sqlite3_open_v2(fake_env_path(STORE_INDEX), &db, SQLITE_OPEN_READONLY, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		size_t length = strlen(text);
		const unsigned char *value = sqlite3_column_text(statement, 0);

		snprintf(text + length, sizeof(text) - length, "%s%s", length > 0 ? "," : "",
		         value == NULL ? "-" : (const char *)value);
	}
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return text;
}

/* Epochs of two files each, one of their own; the last one damaged beyond reading. */
static struct store_epoch epochs[3];

static void
make_list(struct store_list *list)
{
	memset(list, 0, sizeof(*list));
	list->epoch = epochs;
	list->count = 3;
	for (uint32_t i = 0; i < 3; i++) {
		struct manifest *manifest = manifest_new();
		struct manifest_file file = { .part = { 1, 2 }, .length = 4096, .blocks = 2 };
		uint32_t index;

		epochs[i] = (struct store_epoch){ .epoch = 9 - i };
		if (i == 2) {
			manifest_free(manifest);
			epochs[i].is_damaged = true;
			snprintf(epochs[i].why, sizeof(epochs[i].why), "it's 'spoilt'");
			continue;
		}
		manifest->epoch = 9 - i;
		manifest->job = 1;
		manifest->topology = 0xabc;
		for (uint32_t k = 0; k < 2; k++) {
			file.epoch = k == 0 ? 5 : 9 - i;
			file_name(file.name, file.epoch, file.part, 1);
			assert_int_equal(manifest_add_file(manifest, &file, &index), 0);
		}
		epochs[i].manifest = manifest;
	}
}

static void
free_list(void)
{
	for (uint32_t i = 0; i < 3; i++) {
		manifest_free(epochs[i].manifest);
	}
}

static void
check_rows(void)
{
	assert_string_equal(ask("SELECT epoch || ' ' || state FROM epochs ORDER BY epoch DESC"),
	                    "9 complete,8 complete,7 damaged");
	assert_string_equal(ask("SELECT bytes FROM epochs ORDER BY epoch"), "-,8192,8192");
	assert_string_equal(ask("SELECT own_bytes FROM epochs WHERE epoch = 9"), "4096");
	assert_string_equal(ask("SELECT topology FROM epochs WHERE epoch = 9"), "0000000000000abc");
	assert_string_equal(ask("SELECT why FROM epochs WHERE epoch = 7"), "it's 'spoilt'");
	assert_string_equal(ask("SELECT name FROM files ORDER BY name"),
	                    "E5-O1-S2-1.part,E8-O1-S2-1.part,E9-O1-S2-1.part");
	assert_string_equal(ask("SELECT epoch FROM epoch_files WHERE name = 'E5-O1-S2-1.part'"
	                        " ORDER BY epoch"),
	                    "8,9");
}

static void
test_says_what_manifests_say(void **state)
{
	struct index *index = open_index();
	struct store_list list;

	(void)state;
	make_list(&list);
	assert_int_equal(index_refresh(index, &list), 0);
	check_rows();
	assert_int_equal(index_refresh(index, &list), 0);
	check_rows();
	/* What is gone is remembered. */
	list.count = 1;
	assert_int_equal(index_refresh(index, &list), 0);
	assert_string_equal(ask("SELECT state FROM epochs ORDER BY epoch"),
	                    "removed,removed,complete");
	assert_string_equal(ask("SELECT count(*) FROM files"), "2");
	index_close(index);
	free_list();
}

static void
test_notes(void **state)
{
	struct index *index = open_index();

	(void)state;
	assert_int_equal(index_note(index, 20, INDEX_OPEN, ""), 0);
	assert_string_equal(ask("SELECT state FROM epochs WHERE epoch = 20"), "open");
	assert_int_equal(index_note(index, 20, INDEX_ABANDONED, "no room"), 0);
	assert_string_equal(ask("SELECT state || why FROM epochs WHERE epoch = 20"),
	                    "abandonedno room");
	index_close(index);
}

/* Any rubbish in its place: it is replaced and filled again. */
static void
test_made_anew(void **state)
{
	static const char *const rubbish[] = { "", "this is no database, and it is long enough",
		                               "SQLite format 3" };

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		struct store_list list;
		struct index *index;
		sqlite3 *db;

		if (i < 3) {
			remove(fake_env_path(STORE_INDEX "-wal"));
			remove(fake_env_path(STORE_INDEX "-shm"));
			fake_env_write(STORE_INDEX, rubbish[i], -1);
		} else {
			/* A database of somebody else. */
			assert_int_equal(sqlite3_open(fake_env_path(STORE_INDEX), &db), SQLITE_OK);
			assert_int_equal(
			    sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL),
			    SQLITE_OK);
			sqlite3_close(db);
		}
		index = open_index();
		make_list(&list);
		assert_int_equal(index_refresh(index, &list), 0);
		check_rows();
		index_close(index);
		free_list();
	}
}

static void
test_no_folder(void **state)
{
	struct index *index;

	(void)state;
	assert_int_not_equal(index_open("/nothing/here", &index, why), 0);
	assert_null(index);
	assert_non_null(strstr(why, STORE_INDEX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_says_what_manifests_say),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_made_anew),
		cmocka_unit_test(test_no_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
