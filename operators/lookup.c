/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lookup: adds columns from a table that does not change, found by a key column. The table comes
 * from a CSV file or stands in the topology; it is read once, before anything runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/lm_op.h"
#include "core/registry_builtin.h"
#include "operators/csv.h"
#include "operators/lookup_table.h"
#include "operators/row_copy.h"

/* Of the table's file. */
#define LOOKUP_FILE_MAX (1u << 30)

enum { DROP_MISSING_KEY };

struct lookup_config {
	uint32_t key;
	bool drop; /* rows whose key is missing */
	uint32_t keep[LM_FIELDS_MAX];
	uint32_t keep_count; /* the first columns of the output; those of the table follow */
	bool has_strings;
	struct lookup_table table;
};

struct lookup {
	uint32_t entry[LM_BATCH_ROWS];
	uint16_t row[LM_BATCH_ROWS];
};

static const char *const lookup_missing[] = { "drop", "default", NULL };

static const struct lm_param lookup_params[] = {
	{ .name = "key",
	  .type = LM_PARAM_COLUMN,
	  .required = true,
	  .summary = "column of the input that is looked up" },
	{ .name = "table",
	  .type = LM_PARAM_TEXT,
	  .summary = "a CSV file whose first row holds the names of its columns" },
	{ .name = "table_key",
	  .type = LM_PARAM_TEXT,
	  .summary = "the table's column of keys; called like the input's if absent" },
	{ .name = "values", .type = LM_PARAM_MAP, .summary = "the table itself: key to value" },
	{ .name = "add",
	  .type = LM_PARAM_MAP,
	  .required = true,
	  .summary = "new columns: name to \"TABLE_COLUMN TYPE\", or \"TYPE\" with `values`; "
	             "\"... = V\" gives the value of empty cells and missing keys" },
	{ .name = "keep",
	  .type = LM_PARAM_COLUMNS,
	  .summary = "columns of the input to keep; all (frames excepted) if absent, [] for none" },
	{ .name = "missing",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "drop",
	  .choices = lookup_missing,
	  .summary = "rows whose key is not in the table: drop them, or add default values" },
	{ 0 }
};

static const char *const lookup_inputs[] = { "rows", NULL };
static const char *const lookup_outputs[] = { "rows", NULL };
static const char *const lookup_drops[] = { "missing_key", NULL };

/* ---- reading the table ---- */

/* While configuring. */
struct lookup_build {
	struct lm_setup *setup;
	struct lookup_config *config;
	const char *path; /* NULL: inline */
	struct lm_field field[LM_FIELDS_MAX];
	char source[LM_FIELDS_MAX][64]; /* [added column]: its name in the table */
	uint32_t cell[LM_FIELDS_MAX];   /* and its place in the table's rows */
	uint32_t key_cell;
};

/* Why an entry could not be added. `item` is that of `values`, or LM_NONE for a file's line. */
static int
lookup_wrong_entry(struct lookup_build *build, enum lookup_result result, uint32_t column,
                   struct lookup_text text, uint32_t line)
{
	const struct lookup_table *table = &build->config->table;
	const char *param = build->path == NULL ? "values" : "table";
	uint32_t item = build->path == NULL ? line : LM_NONE;
	char place[200] = "";
	int length = text.length < 40 ? (int)text.length : 40;

	if (build->path != NULL) {
		snprintf(place, sizeof(place), "%.150s:%u: ", build->path, line);
	}
	switch (result) {
	case LOOKUP_BAD_KEY:
		return lm_setup_error(build->setup, param, item, LM_NONE,
		                      "the keys have the type of the column `key`",
		                      "%sthe key \"%.*s\" is not a value of type %s", place, length,
		                      text.text, lm_type_text(table->key_type));
	case LOOKUP_BAD_VALUE:
		return lm_setup_error(build->setup, param, item, LM_NONE,
		                      "correct it, or give `add` another type",
		                      "%s\"%.*s\" is not a value of type %s", place, length,
		                      text.text, lm_type_text(table->column[column].spec.type));
	case LOOKUP_TOO_LONG:
		return lm_setup_error(build->setup, param, item, LM_NONE, NULL,
		                      "%s\"%.*s...\" is longer than %u bytes", place, length,
		                      text.text, LOOKUP_STRING_MAX);
	case LOOKUP_TWICE:
		return lm_setup_error(build->setup, param, item, LM_NONE,
		                      "a key may stand in the table once",
		                      "%sthe key was there before", place);
	case LOOKUP_TOO_MANY:
		return lm_setup_error(build->setup, param, item, LM_NONE, NULL,
		                      "%smore than %u entries", place, LOOKUP_ENTRIES_MAX);
	default:
		return lm_setup_error(build->setup, param, item, LM_NONE, NULL,
		                      "no memory left for the table");
	}
}

static int
lookup_add_entry(struct lookup_build *build, struct lookup_text key,
                 const struct lookup_text *values, uint32_t line)
{
	uint32_t wrong = 0;
	enum lookup_result result =
	    lookup_table_add(&build->config->table, key, values, line, &wrong);

	return result == LOOKUP_OK
	           ? 0
	           : lookup_wrong_entry(build, result, wrong,
	                                result == LOOKUP_BAD_KEY ? key : values[wrong], line);
}

static int
lookup_read_values(struct lookup_build *build)
{
	uint32_t count = lm_setup_count(build->setup, "values");

	for (uint32_t i = 0; i < count; i++) {
		const char *key = lm_setup_item_name(build->setup, "values", i);
		const char *value = lm_setup_item(build->setup, "values", i);

		if (lookup_add_entry(build, (struct lookup_text){ key, (uint32_t)strlen(key) },
		                     &(struct lookup_text){ value, (uint32_t)strlen(value) },
		                     i) != 0) {
			return -1;
		}
	}
	return 0;
}

/* The cell of the header that has this name, LM_NONE after reporting that there is none. */
static uint32_t
lookup_header_cell(struct lookup_build *build, const struct csv_row *row, const char *name,
                   const char *param, uint32_t item)
{
	for (uint32_t i = 0; i < row->cell_count && i < CSV_CELLS_MAX; i++) {
		if (value_word_is(row->cell[i].text, row->cell[i].length, name)) {
			return i;
		}
	}
	lm_setup_error(build->setup, param, item, LM_NONE,
	               "write a name that stands in the first row of the table",
	               "%.150s has no column \"%s\"", build->path, name);
	return LM_NONE;
}

static int
lookup_read_header(struct lookup_build *build, const struct csv_row *row)
{
	const struct lookup_config *c = build->config;
	bool named = lm_setup_has(build->setup, "table_key");
	const char *key = named ? lm_setup_text(build->setup, "table_key")
	                        : lm_setup_input(build->setup, 0)->field[c->key].name;

	build->key_cell = lookup_header_cell(build, row, key, named ? "table_key" : "key", LM_NONE);
	if (build->key_cell == LM_NONE) {
		return -1;
	}
	for (uint32_t i = 0; i < c->table.column_count; i++) {
		build->cell[i] = lookup_header_cell(build, row, build->source[i], "add", i);
		if (build->cell[i] == LM_NONE) {
			return -1;
		}
	}
	return 0;
}

static int
lookup_read_row(struct lookup_build *build, const struct csv_row *row, uint32_t cells,
                uint32_t line)
{
	struct lookup_text value[LM_FIELDS_MAX];

	if (row->cell_count == 1 && row->cell[0].length == 0 && cells > 1) {
		return 0; /* a blank line */
	}
	if (row->cell_count != cells) {
		return lm_setup_error(build->setup, "table", LM_NONE, LM_NONE,
		                      "write as many cells as there are names in the first row",
		                      "%.150s:%u: %u cells instead of %u", build->path, line,
		                      row->cell_count, cells);
	}
	for (uint32_t i = 0; i < build->config->table.column_count; i++) {
		value[i].text = row->cell[build->cell[i]].text;
		value[i].length = row->cell[build->cell[i]].length;
	}
	return lookup_add_entry(build,
	                        (struct lookup_text){ row->cell[build->key_cell].text,
	                                              row->cell[build->key_cell].length },
	                        value, line);
}

static int
lookup_read_rows(struct lookup_build *build, char *bytes, size_t size, struct csv_row *row)
{
	uint32_t line = 1, cells = 0;

	for (size_t at = 0; at < size; at += row->consumed) {
		int result;

		if (csv_take(bytes + at, size - at, true, ',', row) != CSV_ROW) {
			return lm_setup_error(build->setup, "table", LM_NONE, LM_NONE,
			                      "close the quote, and double quotes within quotes",
			                      "%.150s:%u: the quotes are wrong", build->path, line);
		}
		if (line == 1) {
			cells = row->cell_count;
			result = lookup_read_header(build, row);
		} else {
			result = lookup_read_row(build, row, cells, line);
		}
		if (result != 0) {
			return -1;
		}
		line += row->lines;
	}
	return cells > 0 ? 0
	                 : lm_setup_error(build->setup, "table", LM_NONE, LM_NONE, NULL,
	                                  "%.150s is empty", build->path);
}

/* The whole file; its size in *size, negative errno when that fails. The caller frees *bytes. */
static int
lookup_read_whole(int file, char **bytes, size_t *size)
{
	size_t room = 64 * 1024;

	*size = 0;
	*bytes = malloc(room);
	while (*bytes != NULL) {
		ssize_t got = env_file_read(file, *bytes + *size, room - *size);

		if (got <= 0) {
			return (int)got;
		}
		*size += (size_t)got;
		if (*size == room) {
			char *grown = room < LOOKUP_FILE_MAX ? realloc(*bytes, room * 2) : NULL;

			if (grown == NULL) {
				return room < LOOKUP_FILE_MAX ? -ENOMEM : -EFBIG;
			}
			*bytes = grown;
			room *= 2;
		}
	}
	return -ENOMEM;
}

static int
lookup_read_file(struct lookup_build *build)
{
	int file = env_file_open(build->path, O_RDONLY | O_CLOEXEC, 0);
	struct csv_row *row = malloc(sizeof(*row));
	char *bytes = NULL;
	size_t size, mark;
	int result = file < 0 ? file : lookup_read_whole(file, &bytes, &size);

	if (file >= 0) {
		env_file_close(file);
	}
	if (result < 0 || row == NULL) {
		lm_setup_error(build->setup, "table", LM_NONE, LM_NONE,
		               "check the path and its permissions", "cannot read %.150s: %s",
		               build->path, strerror(row == NULL ? ENOMEM : -result));
		result = -1;
	} else {
		mark = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
		result = lookup_read_rows(build, bytes + mark, size - mark, row);
	}
	free(row);
	free(bytes);
	return result;
}

/* ---- configure ---- */

static void
lookup_unconfigure(void *config)
{
	lookup_table_free(&((struct lookup_config *)config)->table);
}

static int
lookup_configure_keep(struct lookup_build *build)
{
	struct lookup_config *c = build->config;
	const struct lm_schema *in = lm_setup_input(build->setup, 0);
	bool all = !lm_setup_has(build->setup, "keep");
	uint32_t count = all ? in->field_count : lm_setup_count(build->setup, "keep");

	for (uint32_t i = 0; i < count; i++) {
		uint32_t index = all ? i : lm_setup_item_column(build->setup, "keep", i);

		if (in->field[index].type == LM_FRAME && all) {
			continue;
		}
		if (in->field[index].type == LM_FRAME || c->keep_count == LM_FIELDS_MAX) {
			return lm_setup_error(build->setup, "keep", i, LM_NONE, "leave it out",
			                      "\"%s\" cannot be kept: %s", in->field[index].name,
			                      c->keep_count == LM_FIELDS_MAX
			                          ? "there are too many columns"
			                          : "it is a frame");
		}
		c->has_strings |= lm_type_width(in->field[index].type) == 0;
		build->field[c->keep_count] = in->field[index];
		c->keep[c->keep_count++] = index;
	}
	return 0;
}

/* "campaign_id u32 = 0", or without the name where there is but one column. */
static int
lookup_configure_column(struct lookup_build *build, uint32_t item)
{
	struct lookup_config *c = build->config;
	struct lookup_column *column = &c->table.column[item];
	const char *text = lm_setup_item(build->setup, "add", item), *at = text, *wrong;
	const char *name = lm_setup_item_name(build->setup, "add", item);
	struct lm_field *field = &build->field[c->keep_count + item];

	if (build->path != NULL) {
		size_t length;
		const char *source = value_word(&at, &length);

		if (source == NULL || length >= sizeof(build->source[item])) {
			return lm_setup_error(build->setup, "add", item, 0,
			                      "write it as in \"campaign_id u32\"",
			                      "the name of a column of the table is missing");
		}
		memcpy(build->source[item], source, length);
	}
	wrong = strlen(name) < LM_NAME_MAX ? value_spec_read(&at, &column->spec)
	                                   : "the name of the new column is too long";
	if (wrong != NULL) {
		return lm_setup_error(build->setup, "add", item, (uint32_t)(at - text),
		                      build->path != NULL
		                          ? "write a column of the table and its type, as in "
		                            "\"campaign_id u32\" or \"price f64 = 0\""
		                          : "write a type, as in \"u32\" or \"f64 = 0\"",
		                      "%s", wrong);
	}
	memset(field, 0, sizeof(*field));
	snprintf(field->name, LM_NAME_MAX, "%s", name);
	field->type = column->spec.type;
	c->has_strings |= lm_type_width(field->type) == 0;
	c->table.column_count = item + 1;
	return 0;
}

static int
lookup_configure_add(struct lookup_build *build)
{
	uint32_t count = lm_setup_count(build->setup, "add");

	if (count == 0 || (build->path == NULL && count != 1)) {
		return lm_setup_error(build->setup, "add", LM_NONE, LM_NONE,
		                      "with `values`, write one column, as in add: {name: u32}",
		                      "%u columns to add", count);
	}
	if (build->config->keep_count + count > LM_FIELDS_MAX) {
		return lm_setup_error(build->setup, "add", LM_NONE, LM_NONE,
		                      "keep fewer columns with `keep`", "more than %u columns",
		                      LM_FIELDS_MAX);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (lookup_configure_column(build, i) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
lookup_configure_table(struct lookup_build *build)
{
	struct lookup_config *c = build->config;
	uint32_t wrong = 0;
	enum lookup_result result;

	if ((build->path == NULL ? lookup_read_values(build) : lookup_read_file(build)) != 0) {
		return -1;
	}
	result = lookup_table_index(&c->table, &wrong);
	if (result != LOOKUP_OK) {
		return lookup_wrong_entry(build, result, 0, (struct lookup_text){ "", 0 },
		                          c->table.count > 0 ? c->table.line[wrong] : 0);
	}
	for (uint32_t i = 0; i < c->table.column_count; i++) {
		/* A full batch of the longest always fits. */
		build->field[c->keep_count + i].bytes_max =
		    lm_type_width(c->table.column[i].spec.type) != 0
			? 0
			: c->table.column[i].strings.longest * LM_BATCH_ROWS + 1;
	}
	return lm_setup_output(build->setup, 0, build->field,
	                       c->keep_count + c->table.column_count);
}

static int
lookup_configure(struct lm_setup *setup, void *config)
{
	struct lookup_config *c = config;
	struct lookup_build build = { .setup = setup,
		                      .config = c,
		                      .path = lm_setup_text(setup, "table") };

	c->key = lm_setup_column(setup, "key");
	c->drop = lm_setup_choice(setup, "missing") == 0;
	c->table.key_type = lm_setup_input(setup, 0)->field[c->key].type;
	if (!lookup_key_type(c->table.key_type)) {
		return lm_setup_error(setup, "key", LM_NONE, LM_NONE,
		                      "name a column of whole numbers, addresses or strings",
		                      "keys of type %s cannot be looked up",
		                      lm_type_text(c->table.key_type));
	}
	if ((build.path == NULL) == (lm_setup_count(setup, "values") == 0)) {
		return lm_setup_error(setup, "table", LM_NONE, LM_NONE,
		                      "write table: FILE, or values: {key: value, …}",
		                      "one of `table` and `values` is needed, not both");
	}
	if (lookup_configure_keep(&build) != 0 || lookup_configure_add(&build) != 0 ||
	    lookup_configure_table(&build) != 0) {
		lookup_unconfigure(c);
		return -1;
	}
	return 0;
}

/* ---- rows ---- */

/* Narrows the range to the rows whose key is there, their entries with them. Returns how many. */
static uint32_t
lookup_drop_missing(const struct lookup_table *table, struct lookup *l, struct row_range *range)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < range->count; i++) {
		uint32_t entry = l->entry[i];

		l->row[kept] = range->rows == NULL ? (uint16_t)i : range->rows[i];
		l->entry[kept] = entry;
		kept += table->present[entry];
	}
	if (kept < range->count) {
		*range = (struct row_range){ l->row, 0, kept };
	}
	return kept;
}

static void
lookup_emit(struct lm_op *op, const struct lookup_config *c, const struct lm_batch *in,
            const struct row_range *range, const uint32_t *entry)
{
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity;
	uint32_t first;
	struct lm_batch *out;

	/* With strings a whole batch is asked for: in an empty one the bytes always fit. */
	out = lm_op_reserve(op, 0, c->has_strings ? capacity : range->count, &first);
	for (uint32_t i = 0; i < c->keep_count; i++) {
		row_copy(in, c->keep[i], range, out, i, first);
	}
	for (uint32_t i = 0; i < c->table.column_count; i++) {
		lookup_table_put(&c->table, i, entry, range->count, out, c->keep_count + i, first);
	}
	lm_op_emit(op, 0, range->count);
}

static void
lookup_rows(struct lm_op *op, const struct lm_batch *in, struct row_range range)
{
	const struct lookup_config *c = lm_op_config(op);
	struct lookup *l = lm_op_context(op);
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity;
	uint32_t count = range.count;

	lookup_table_find(&c->table, in, c->key, range.rows, count, l->entry);
	if (c->drop) {
		lm_op_drop(op, DROP_MISSING_KEY, count - lookup_drop_missing(&c->table, l, &range));
	}
	for (uint32_t start = 0; start < range.count; start += capacity) {
		uint32_t left = range.count - start;
		struct row_range part =
		    row_range_part(&range, start, left < capacity ? left : capacity);

		lookup_emit(op, c, in, &part, l->entry + start);
	}
}

static void
lookup_process(struct lm_op *op, const struct lm_batch *in)
{
	lookup_rows(op, in, (struct row_range){ NULL, 0, in->count });
}

static void
lookup_process_select(struct lm_op *op, const struct lm_select *in)
{
	lookup_rows(op, in->batch, (struct row_range){ in->row, 0, in->count });
}

static const struct lm_op_class lookup_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_RESCALES,
	.name = "lookup",
	.version = "1.0.0",
	.summary = "adds columns from a table, found by a key",
	.params = lookup_params,
	.inputs = lookup_inputs,
	.outputs = lookup_outputs,
	.drops = lookup_drops,
	.rows = LM_ROWS_PASS,
	.config_size = sizeof(struct lookup_config),
	.context_size = sizeof(struct lookup),
	.configure = lookup_configure,
	.unconfigure = lookup_unconfigure,
	.process = lookup_process,
	.process_select = lookup_process_select,
};

REGISTER_CLASS(lookup_class)
