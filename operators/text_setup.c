/* SPDX-License-Identifier: BSD-3-Clause */
/* What a topology says of rows of text, and the columns that it makes. */
#include "operators/text_rows.h"

#include <stdio.h>
#include <string.h>

/* Byte area of a column of lines, at least: some hundred lines a batch. */
#define TEXT_LINE_BYTES (64u * 1024u)
/* Byte areas of all string columns of a batch together. */
#define TEXT_STRING_BYTES (384u * 1024u)

/* Of the byte area of a string: the longest line fits. */
static uint32_t
text_bytes_max(const struct text_format *c)
{
	return c->line_max > TEXT_LINE_BYTES ? c->line_max : TEXT_LINE_BYTES;
}

static int
text_read_column(struct lm_setup *setup, uint32_t item, struct text_column *column)
{
	const char *text = lm_setup_item(setup, "fields", item), *at = text;
	const char *name = lm_setup_item_name(setup, "fields", item);
	const char *wrong = strlen(name) < LM_NAME_MAX ? NULL : "the name is too long";

	column->field = LM_NONE;
	column->skipped = strcmp(text, "skip") == 0;
	if (wrong == NULL) {
		snprintf(column->name, LM_NAME_MAX, "%s", name);
		wrong = column->skipped ? NULL : value_spec_read(&at, &column->spec);
	}
	return wrong == NULL ? 0
	                     : lm_setup_error(setup, "fields", item, (uint32_t)(at - text),
	                                      "write a type such as u64, f64, string, \"time ms\", "
	                                      "\"u32 = 0\" or skip",
	                                      "%s", wrong);
}

/* Names, types and byte areas: strings share what a batch can well hold. */
static void
text_declare_fields(const struct text_format *c, struct lm_field *field)
{
	uint32_t strings = 0, bytes;

	for (uint32_t i = 0; i < c->column_count; i++) {
		strings +=
		    c->column[i].field != LM_NONE && lm_type_width(c->column[i].spec.type) == 0;
	}
	bytes = TEXT_STRING_BYTES / (strings == 0 ? 1 : strings);
	bytes = bytes < text_bytes_max(c) ? bytes : text_bytes_max(c);
	for (uint32_t i = 0; i < c->column_count; i++) {
		if (c->column[i].field != LM_NONE) {
			struct lm_field *to = &field[c->column[i].field];

			snprintf(to->name, LM_NAME_MAX, "%s", c->column[i].name);
			to->type = c->column[i].spec.type;
			to->bytes_max = lm_type_width(to->type) == 0 ? bytes : 0;
		}
	}
}

/* Numbers the fields: the event time first, the others in the text's order. */
static int
text_number_fields(struct lm_setup *setup, struct text_format *c, struct lm_field *field,
                   uint32_t *field_count)
{
	const char *time = lm_setup_text(setup, "time");
	uint32_t count = 0, first = LM_NONE;

	for (uint32_t i = 0; time != NULL && i < c->column_count; i++) {
		if (strcmp(c->column[i].name, time) == 0 && !c->column[i].skipped &&
		    c->column[i].spec.type == LM_TIME) {
			c->column[i].field = count++;
			first = i;
		}
	}
	if (time != NULL && first == LM_NONE) {
		return lm_setup_error(setup, "time", LM_NONE, LM_NONE,
		                      "name a column of `fields` whose type is time",
		                      "no column \"%s\" of type time", time);
	}
	for (uint32_t i = 0; i < c->column_count; i++) {
		if (!c->column[i].skipped && i != first) {
			c->column[i].field = count++;
		}
	}
	if (count == 0 || count > LM_FIELDS_MAX) {
		return lm_setup_error(setup, "fields", LM_NONE, LM_NONE, NULL,
		                      "1 to %u columns can be kept, not %u", LM_FIELDS_MAX, count);
	}
	text_declare_fields(c, field);
	*field_count = count;
	return 0;
}

static int
text_configure_columns(struct lm_setup *setup, struct text_format *c)
{
	struct lm_field field[LM_FIELDS_MAX] = { 0 };
	const char *separator = lm_setup_text(setup, "separator");
	uint32_t count = lm_setup_count(setup, "fields");

	c->separator = strcmp(separator, "\\t") == 0 ? '\t' : separator[0];
	if ((strlen(separator) != 1 && c->separator != '\t') || c->separator == '"' ||
	    c->separator == '\n' || c->separator == '\r') {
		return lm_setup_error(setup, "separator", LM_NONE, LM_NONE,
		                      "write one character such as , or ; or \\t",
		                      "\"%s\" cannot separate cells", separator);
	}
	if (count == 0 || count > CSV_CELLS_MAX) {
		return lm_setup_error(setup, "fields", LM_NONE, LM_NONE,
		                      "write fields: {name: type, …} in the order of the text",
		                      "rows of columns need 1 to %u of them, not %u", CSV_CELLS_MAX,
		                      count);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (text_read_column(setup, i, &c->column[i]) != 0) {
			return -1;
		}
	}
	c->column_count = count;
	if (text_number_fields(setup, c, field, &count) != 0) {
		return -1;
	}
	return lm_setup_output(setup, 0, field, count);
}

static int
text_configure_lines(struct lm_setup *setup, const struct text_format *c)
{
	struct lm_field field = { .type = LM_STRING };
	const char *name = lm_setup_text(setup, "as");

	if (lm_setup_count(setup, "fields") > 0 || lm_setup_has(setup, "time")) {
		return lm_setup_error(setup, lm_setup_has(setup, "time") ? "time" : "fields",
		                      LM_NONE, LM_NONE, "write format: csv or jsonl",
		                      "a text read as lines has no columns");
	}
	if (strlen(name) >= LM_NAME_MAX) {
		return lm_setup_error(setup, "as", LM_NONE, LM_NONE, NULL, "the name is too long");
	}
	snprintf(field.name, LM_NAME_MAX, "%s", name);
	field.bytes_max = text_bytes_max(c);
	return lm_setup_output(setup, 0, &field, 1);
}

int
text_configure(struct lm_setup *setup, struct text_format *format)
{
	format->kind = (enum text_kind)lm_setup_choice(setup, "format");
	format->header = lm_setup_bool(setup, "header") && format->kind == TEXT_CSV;
	format->lag_ns = lm_setup_u64(setup, "lag");
	format->line_max = (uint32_t)lm_setup_u64(setup, "line_max");
	return format->kind == TEXT_LINES ? text_configure_lines(setup, format)
	                                  : text_configure_columns(setup, format);
}
