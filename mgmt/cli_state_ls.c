/* SPDX-License-Identifier: BSD-3-Clause */
/* lodemill state ls: the epochs of a folder, and what else is in it. */
#include "mgmt/cli_state.h"

#include <inttypes.h>

#include "core/env.h"
#include "mgmt/cli.h"
#include "mgmt/json_put.h"
#include "mgmt/text_table.h"
#include "mgmt/units.h"

/* An epoch as a line shows it; all but the first fields are of its manifest, 0 without one. */
struct ls_epoch {
	uint64_t number;
	enum state_health health;
	const char *why;
	uint32_t copies;
	bool is_known, is_gone; /* gone: it was removed in the meantime */
	int64_t wall_ns;
	uint64_t own, all;
	uint32_t files, parts, records, chain;
};

/* Looks at the lengths of its files, too. */
static struct ls_epoch
ls_look(const char *folder, struct store_epoch *epoch)
{
	const struct manifest *manifest = epoch->manifest;
	struct ls_epoch line = { .number = epoch->epoch, .copies = epoch->copies };
	int result = store_epoch_check(folder, STORE_LENGTHS, epoch);

	line.health = result == 0 ? state_health_of(epoch) : STATE_UNKNOWN;
	line.why = result == 0 ? epoch->why : "its files cannot be looked at by this user";
	line.is_gone = line.health != STATE_COMPLETE && state_folder_is_gone(folder, epoch->epoch);
	if (manifest == NULL) {
		return line;
	}
	line.is_known = true;
	line.wall_ns = manifest->wall_ns;
	line.all = manifest_bytes(manifest, &line.own);
	line.files = manifest->file_count;
	line.parts = manifest->part_count;
	line.records = manifest->record_count;
	for (uint32_t i = 0; i < manifest->part_count; i++) {
		uint32_t count = manifest->part[i].chain_count;

		line.chain = count > line.chain ? count : line.chain;
	}
	return line;
}

static void
ls_row(struct text_table *table, const struct ls_epoch *line, int64_t now_ns)
{
	static const enum text_style styles[] = { [STATE_COMPLETE] = TEXT_GREEN,
		                                  [STATE_UNKNOWN] = TEXT_YELLOW,
		                                  [STATE_DAMAGED] = TEXT_RED,
		                                  [STATE_UNREADABLE] = TEXT_RED };
	char text[STATE_TIME_MAX];

	text_table_cell(table, TEXT_BOLD, "%" PRIu64, line->number);
	if (line->is_known) {
		text_table_cell(table, TEXT_PLAIN, "%s", state_time(line->wall_ns, text));
		text_table_cell(table, TEXT_PLAIN, "%s", state_age(line->wall_ns, now_ns, text));
	} else {
		text_table_cell(table, TEXT_DIM, "-");
		text_table_cell(table, TEXT_DIM, "-");
	}
	text_table_cell(table, styles[line->health], "%s", state_health_name(line->health));
	if (line->is_known) {
		text_table_cell(table, TEXT_PLAIN, "%s", units_bytes((double)line->own).text);
		text_table_cell(table, TEXT_PLAIN, "%s", units_bytes((double)line->all).text);
		text_table_cell(table, TEXT_PLAIN, "%u", line->files);
		text_table_cell(table, TEXT_PLAIN, "%u", line->parts);
		text_table_cell(table, TEXT_PLAIN, "%u", line->records);
		text_table_cell(table, TEXT_PLAIN, "%u", line->chain);
	} else {
		for (uint32_t i = 0; i < 6; i++) {
			text_table_cell(table, TEXT_DIM, "-");
		}
	}
	text_table_cell(table, TEXT_PLAIN, "%s", line->why);
}

static int
ls_table(const struct cli_state *self, const struct store_list *list)
{
	struct text_table *table = text_table_create(text_colour(self->out));
	int64_t now_ns = env_wall_ns();
	int error;

	text_table_column(table, TEXT_RIGHT, "EPOCH");
	text_table_column(table, TEXT_LEFT, "COMMITTED");
	text_table_column(table, TEXT_RIGHT, "AGO");
	text_table_column(table, TEXT_LEFT, "STATE");
	text_table_column(table, TEXT_RIGHT, "ITS OWN");
	text_table_column(table, TEXT_RIGHT, "IN ALL");
	text_table_column(table, TEXT_RIGHT, "FILES");
	text_table_column(table, TEXT_RIGHT, "PARTS");
	text_table_column(table, TEXT_RIGHT, "RECORDS");
	text_table_column(table, TEXT_RIGHT, "CHAIN");
	text_table_column(table, TEXT_LEFT, "WHY");
	for (uint32_t i = 0; i < list->count; i++) {
		struct ls_epoch line = ls_look(self->folder, &list->epoch[i]);

		if (!line.is_gone) {
			ls_row(table, &line, now_ns);
		}
	}
	error = text_table_print(table, "", self->out);
	text_table_free(table);
	return error;
}

/* Bytes of all parts' files that are there, and files that no epoch names. */
struct ls_files {
	uint64_t bytes;
	uint32_t unnamed;
};

static struct ls_files
ls_count(const char *folder, const struct store_list *list)
{
	struct ls_files files = { 0 };

	for (uint32_t i = 0; i < list->file_count; i++) {
		bool is_named = false;

		for (uint32_t k = 0; !is_named && k < list->count; k++) {
			is_named = list->epoch[k].manifest != NULL &&
			           manifest_has_file(list->epoch[k].manifest, list->file[i]);
		}
		files.bytes += state_folder_file_size(folder, list->file[i]);
		files.unnamed += is_named ? 0 : 1;
	}
	return files;
}

static int
ls_print(const struct cli_state *self, const struct store_list *list)
{
	struct ls_files files = ls_count(self->folder, list);
	int error = list->count == 0 ? 0 : ls_table(self, list);

	fprintf(self->out, "%s%s: %s, incarnation %" PRIu64 ", files of parts: %u with %s",
	        list->count == 0 ? "" : "\n", self->folder,
	        state_folder_in_use(self->folder) ? "in use by a process" : "not in use",
	        list->incarnation, list->file_count, units_bytes((double)files.bytes).text);
	if (list->count == 0) {
		fprintf(self->out, "; no epoch was committed yet");
	}
	fprintf(self->out, "\n");
	if (files.unnamed > 0) {
		fprintf(
		    self->out,
		    "files that no epoch names: %u, of an epoch that is being written or left by "
		    "a crash; they go when they are old\n",
		    files.unnamed);
	}
	if (list->strays > 0) {
		fprintf(self->out, "names that are not the store's and are left alone: %u\n",
		        list->strays);
	}
	return error;
}

static json_t *
ls_json_epoch(const struct ls_epoch *line)
{
	json_t *one = json_object();
	int failed = json_put_u64(one, "epoch", line->number);

	failed += json_put_text(one, "state", state_health_name(line->health));
	failed += json_put_text(one, "why", line->why[0] == '\0' ? NULL : line->why);
	failed += json_put_u64(one, "manifest_copies", line->copies);
	if (line->is_known) {
		failed += json_object_set_new(one, "committed_ns", json_integer(line->wall_ns));
		failed += json_put_u64(one, "own_bytes", line->own);
		failed += json_put_u64(one, "bytes", line->all);
		failed += json_put_u64(one, "files", line->files);
		failed += json_put_u64(one, "parts", line->parts);
		failed += json_put_u64(one, "records", line->records);
		failed += json_put_u64(one, "chain", line->chain);
	}
	if (failed != 0) {
		json_decref(one);
		return NULL;
	}
	return one;
}

static int
ls_json(const struct cli_state *self, const struct store_list *list)
{
	json_t *whole = json_object(), *epochs = json_array();
	struct ls_files files = ls_count(self->folder, list);
	int failed = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		struct ls_epoch line = ls_look(self->folder, &list->epoch[i]);

		if (!line.is_gone) {
			failed += json_array_append_new(epochs, ls_json_epoch(&line));
		}
	}
	failed += json_put_text(whole, "folder", self->folder);
	failed +=
	    json_object_set_new(whole, "in_use", json_boolean(state_folder_in_use(self->folder)));
	failed += json_put_u64(whole, "incarnation", list->incarnation);
	failed += json_object_set_new(whole, "epochs", epochs);
	failed += json_put_u64(whole, "files", list->file_count);
	failed += json_put_u64(whole, "file_bytes", files.bytes);
	failed += json_put_u64(whole, "unnamed_files", files.unnamed);
	failed += json_put_u64(whole, "strays", list->strays);
	return json_put_line(self->out, whole, failed);
}

int
cli_state_ls(const struct cli_state *self)
{
	struct state_trouble trouble;
	struct store_list list;
	int error;

	if (state_folder_read(self->folder, &list, &trouble) != 0) {
		return cli_state_trouble(&trouble);
	}
	error = self->json ? ls_json(self, &list) : ls_print(self, &list);
	store_list_free(&list);
	return cli_state_end(self, error, CLI_OK);
}
