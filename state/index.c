/* SPDX-License-Identifier: BSD-3-Clause */
/* The catalogue of epochs and files in SQLite, derived from the manifests. */

#include "state/index.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"

#define SCHEMA_VERSION 1
/* Epochs that are remembered though they are gone. */
#define REMEMBERED "1000"

static const char schema[] =
    "CREATE TABLE epochs (epoch INTEGER PRIMARY KEY,"
    " state TEXT NOT NULL," /* open, complete, damaged, abandoned, removed */
    " wall_ns INTEGER,"     /* when it was committed */
    " incarnation INTEGER, topology TEXT, digest TEXT, previous_epoch INTEGER,"
    " files INTEGER, parts INTEGER,"
    " bytes INTEGER,"     /* of all its files */
    " own_bytes INTEGER," /* of those that it wrote itself */
    " why TEXT);"
    "CREATE TABLE files (name TEXT PRIMARY KEY, operator INTEGER, slice INTEGER, epoch INTEGER,"
    " length INTEGER, blocks INTEGER, raw_bytes INTEGER, digest TEXT);"
    "CREATE TABLE epoch_files (epoch INTEGER, name TEXT, PRIMARY KEY (epoch, name))"
    " WITHOUT ROWID;"
    "PRAGMA user_version = 1;";

struct index {
	sqlite3 *db;
	char why[MANIFEST_WHY];
};

const char *
index_why(const struct index *index)
{
	return index->why;
}

static int
say(struct index *index, int code)
{
	if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) {
		return 0;
	}
	snprintf(index->why, sizeof(index->why), STORE_INDEX ": %.150s", sqlite3_errmsg(index->db));
	return code == SQLITE_NOMEM ? -ENOMEM : code == SQLITE_BUSY ? -EBUSY : -EIO;
}

static int
run(struct index *index, const char *text)
{
	return say(index, sqlite3_exec(index->db, text, NULL, NULL, NULL));
}

/* The first value of a query as a number; -1 if it has none. */
static int64_t
ask(struct index *index, const char *text)
{
	sqlite3_stmt *query = NULL;
	int64_t value = -1;

	if (sqlite3_prepare_v2(index->db, text, -1, &query, NULL) == SQLITE_OK &&
	    sqlite3_step(query) == SQLITE_ROW) {
		value = sqlite3_column_int64(query, 0);
	}
	sqlite3_finalize(query);
	return value;
}

/* Whether it is a database of ours, or one with nothing in it that can become so. */
static bool
is_sound(struct index *index)
{
	if (ask(index, "SELECT quick_check = 'ok' FROM pragma_quick_check(1)") != 1) {
		return false;
	}
	if (ask(index, "SELECT count(*) FROM sqlite_master") == 0) {
		return run(index, schema) == 0;
	}
	return ask(index, "PRAGMA user_version") == SCHEMA_VERSION &&
	       ask(index, "SELECT count(*) FROM sqlite_master WHERE name IN "
	                  "('epochs', 'files', 'epoch_files')") == 3;
}

static int
open_db(struct index *index, const char *path)
{
	int result =
	    say(index, sqlite3_open_v2(
			   path, &index->db,
			   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));

	if (result == 0) {
		sqlite3_busy_timeout(index->db, 1000);
		result = run(index, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
	}
	return result == 0 && !is_sound(index) ? -EBADMSG : result;
}

static void
remove_db(const char *path)
{
	static const char *const endings[] = { "", "-wal", "-shm", "-journal" };
	char name[STORE_FOLDER_MAX + 100];

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, endings[i]);
		env_file_unlink(name);
	}
}

int
index_open(const char *folder, struct index **index, char why[MANIFEST_WHY])
{
	char path[STORE_FOLDER_MAX + 50];
	struct index *i = calloc(1, sizeof(*i));
	int result;

	*index = NULL;
	if (i == NULL) {
		snprintf(why, MANIFEST_WHY, "no memory");
		return -ENOMEM;
	}
	snprintf(path, sizeof(path), "%s/" STORE_INDEX, folder);
	result = open_db(i, path);
	if (result != 0 && result != -ENOMEM && result != -EBUSY) {
		/* Not ours, or damaged. All that it could say stands in the manifests. */
		sqlite3_close(i->db);
		i->db = NULL;
		remove_db(path);
		result = open_db(i, path);
	}
	if (result != 0) {
		snprintf(why, MANIFEST_WHY, "%s", i->why);
		index_close(i);
		return result;
	}
	*index = i;
	return 0;
}

void
index_close(struct index *index)
{
	if (index != NULL) {
		sqlite3_close(index->db);
		free(index);
	}
}

/* A statement with its values bound one after the other. */
struct statement {
	struct index *index;
	sqlite3_stmt *query;
	int next;
	int result;
};

static void
prepare(struct index *index, struct statement *statement, const char *text)
{
	memset(statement, 0, sizeof(*statement));
	statement->index = index;
	statement->result =
	    say(index, sqlite3_prepare_v2(index->db, text, -1, &statement->query, NULL));
}

static void
bind_number(struct statement *statement, uint64_t value)
{
	if (statement->result == 0) {
		statement->result =
		    say(statement->index, sqlite3_bind_int64(statement->query, ++statement->next,
		                                             (sqlite3_int64)value));
	}
}

static void
bind_text(struct statement *statement, const char *text)
{
	if (statement->result == 0) {
		statement->result =
		    say(statement->index, sqlite3_bind_text(statement->query, ++statement->next,
		                                            text, -1, SQLITE_TRANSIENT));
	}
}

static void
bind_digest(struct statement *statement, struct digest digest)
{
	char text[DIGEST_TEXT];

	digest_format(digest, text);
	bind_text(statement, text);
}

/* Runs it, and makes it ready for other values. */
static void
step(struct statement *statement)
{
	if (statement->result == 0) {
		statement->result = say(statement->index, sqlite3_step(statement->query));
		sqlite3_reset(statement->query);
	}
	statement->next = 0;
}

static int
finish(struct statement *statement)
{
	sqlite3_finalize(statement->query);
	return statement->result;
}

static int
put_epochs(struct index *index, const struct store_list *list)
{
	struct statement put;

	prepare(index, &put,
	        "INSERT OR REPLACE INTO epochs (epoch, state, why, wall_ns, incarnation, topology,"
	        " digest, previous_epoch, files, parts, bytes, own_bytes)"
	        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	for (uint32_t i = 0; i < list->count; i++) {
		const struct store_epoch *epoch = &list->epoch[i];
		const struct manifest *manifest = epoch->manifest;

		bind_number(&put, epoch->epoch);
		bind_text(&put, epoch->is_damaged ? "damaged" : "complete");
		bind_text(&put, epoch->why);
		if (manifest != NULL) {
			char topology[17];
			uint64_t own, all = manifest_bytes(manifest, &own);

			snprintf(topology, sizeof(topology), "%016" PRIx64, manifest->topology);
			bind_number(&put, (uint64_t)manifest->wall_ns);
			bind_number(&put, manifest->incarnation);
			bind_text(&put, topology);
			bind_digest(&put, manifest->digest);
			bind_number(&put, manifest->previous_epoch);
			bind_number(&put, manifest->file_count);
			bind_number(&put, manifest->part_count);
			bind_number(&put, all);
			bind_number(&put, own);
		}
		step(&put);
		sqlite3_clear_bindings(put.query);
	}
	return finish(&put);
}

static int
put_files(struct index *index, const struct store_list *list)
{
	struct statement file, link;

	prepare(index, &file, "INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
	prepare(index, &link, "INSERT OR IGNORE INTO epoch_files VALUES (?, ?)");
	for (uint32_t i = 0; i < list->count; i++) {
		const struct manifest *manifest = list->epoch[i].manifest;

		for (uint32_t k = 0; manifest != NULL && k < manifest->file_count; k++) {
			const struct manifest_file *f = &manifest->file[k];

			bind_text(&file, f->name);
			bind_number(&file, f->part.op);
			bind_number(&file, f->part.slice);
			bind_number(&file, f->epoch);
			bind_number(&file, f->length);
			bind_number(&file, f->blocks);
			bind_number(&file, f->raw_bytes);
			bind_digest(&file, f->digest);
			step(&file);
			bind_number(&link, manifest->epoch);
			bind_text(&link, f->name);
			step(&link);
		}
	}
	file.result = finish(&file);
	link.result = finish(&link);
	return file.result != 0 ? file.result : link.result;
}

int
index_refresh(struct index *index, const struct store_list *list)
{
	int result =
	    run(index, "BEGIN IMMEDIATE;"
	               "UPDATE epochs SET state = 'removed' WHERE state IN ('complete', 'damaged');"
	               "DELETE FROM epoch_files; DELETE FROM files;"
	               "DELETE FROM epochs WHERE epoch <= (SELECT max(epoch) FROM epochs)"
	               " - " REMEMBERED ";");

	result = result == 0 ? put_epochs(index, list) : result;
	result = result == 0 ? put_files(index, list) : result;
	if (result == 0) {
		return run(index, "COMMIT");
	}
	sqlite3_exec(index->db, "ROLLBACK", NULL, NULL, NULL);
	return result;
}

int
index_note(struct index *index, uint64_t epoch, enum index_state state, const char *why)
{
	struct statement note;

	prepare(index, &note,
	        "INSERT INTO epochs (epoch, state, wall_ns, why) VALUES (?1, ?2, ?3, ?4)"
	        " ON CONFLICT (epoch) DO UPDATE SET state = ?2, wall_ns = ?3, why = ?4");
	bind_number(&note, epoch);
	bind_text(&note, state == INDEX_OPEN ? "open" : "abandoned");
	bind_number(&note, (uint64_t)env_wall_ns());
	bind_text(&note, why);
	step(&note);
	return finish(&note);
}
