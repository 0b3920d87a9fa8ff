/* SPDX-License-Identifier: BSD-3-Clause */
/* map: new columns from expressions, beside the input's columns or instead of them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/lm_expr.h"
#include "core/lm_op.h"
#include "core/registry_builtin.h"
#include "operators/row_copy.h"

/* An output column: a copy of `field`, or the value of `expr`. */
struct map_column {
	uint32_t field; /* LM_NONE: computed */
	struct lm_expr *expr;
};

struct map_config {
	struct map_column column[LM_FIELDS_MAX];
	uint32_t column_count;
	bool has_strings;
};

struct map {
	struct lm_expr_scratch *scratch[LM_FIELDS_MAX];
	struct lm_select part;
};

static const struct lm_param map_params[] = {
	{ .name = "set",
	  .type = LM_PARAM_MAP,
	  .summary =
	      "columns to compute: name to expression; a kept column of that name is replaced" },
	{ .name = "keep",
	  .type = LM_PARAM_COLUMNS,
	  .summary = "columns of the input to keep; all (frames excepted) if absent, [] for none" },
	{ 0 }
};

static const char *const map_inputs[] = { "rows", NULL };
static const char *const map_outputs[] = { "rows", NULL };

/* While configuring: the columns so far. */
struct map_build {
	struct lm_setup *setup;
	const struct lm_schema *in;
	struct map_config *config;
	struct lm_field field[LM_FIELDS_MAX];
};

static void
map_unconfigure(void *config)
{
	struct map_config *c = config;

	for (uint32_t i = 0; i < c->column_count; i++) {
		lm_expr_free(c->column[i].expr);
	}
}

/* Declares column `index` as a copy of `field`; its name stays as it is set by the caller. */
static void
map_copy_field(struct map_build *build, uint32_t index, uint32_t field)
{
	build->config->column[index].field = field;
	build->field[index].type = build->in->field[field].type;
	build->field[index].bytes_max = build->in->field[field].bytes_max;
}

static int
map_keep(struct map_build *build)
{
	struct map_config *c = build->config;
	bool all = !lm_setup_has(build->setup, "keep");
	uint32_t count = all ? build->in->field_count : lm_setup_count(build->setup, "keep");

	for (uint32_t i = 0; i < count; i++) {
		uint32_t field = all ? i : lm_setup_item_column(build->setup, "keep", i);

		if (build->in->field[field].type == LM_FRAME && all) {
			continue;
		}
		if (build->in->field[field].type == LM_FRAME) {
			return lm_setup_error(
			    build->setup, "keep", i, LM_NONE,
			    "leave it out; packets pass filter and the groupings, "
			    "not map",
			    "\"%s\" is a frame, which map cannot copy",
			    build->in->field[field].name);
		}
		if (c->column_count == LM_FIELDS_MAX) {
			return lm_setup_error(build->setup, "keep", i, LM_NONE, NULL,
			                      "more than %u columns", LM_FIELDS_MAX);
		}
		memcpy(build->field[c->column_count].name, build->in->field[field].name,
		       LM_NAME_MAX);
		map_copy_field(build, c->column_count++, field);
	}
	return 0;
}

/* The column called `name`, a new one at the end if need be; LM_NONE when there is no room. */
static uint32_t
map_place(struct map_build *build, const char *name)
{
	struct map_config *c = build->config;

	for (uint32_t i = 0; i < c->column_count; i++) {
		if (strcmp(build->field[i].name, name) == 0 && c->column[i].expr == NULL) {
			return i;
		}
	}
	if (c->column_count == LM_FIELDS_MAX) {
		return LM_NONE;
	}
	snprintf(build->field[c->column_count].name, LM_NAME_MAX, "%s", name);
	return c->column_count++;
}

static int
map_set(struct map_build *build, uint32_t item)
{
	const char *name = lm_setup_item_name(build->setup, "set", item);
	struct map_config *c = build->config;
	struct lm_expr_error error;
	struct lm_expr *expr;
	uint32_t index;

	if (strlen(name) >= LM_NAME_MAX) {
		return lm_setup_error(build->setup, "set", item, LM_NONE, NULL,
		                      "the name is longer than %u characters", LM_NAME_MAX - 1);
	}
	expr = lm_expr_parse(lm_setup_item(build->setup, "set", item), build->in, &error);
	if (expr == NULL) {
		return lm_setup_error(build->setup, "set", item, error.column, error.hint, "%s",
		                      error.message);
	}
	if (lm_expr_type(expr) == LM_FRAME) {
		lm_expr_free(expr);
		return lm_setup_error(build->setup, "set", item, LM_NONE, NULL,
		                      "a frame cannot be copied");
	}
	index = map_place(build, name);
	if (index == LM_NONE) {
		lm_expr_free(expr);
		return lm_setup_error(build->setup, "set", item, LM_NONE,
		                      "keep fewer columns with `keep`", "more than %u columns",
		                      LM_FIELDS_MAX);
	}
	/* Kept also where the column is only copied: it marks the column as set. */
	c->column[index].expr = expr;
	if (lm_expr_field(expr) != LM_NONE) {
		map_copy_field(build, index, lm_expr_field(expr));
		return 0;
	}
	c->column[index].field = LM_NONE;
	build->field[index].type = lm_expr_type(expr);
	build->field[index].bytes_max = 0;
	return 0;
}

static int
map_configure_columns(struct map_build *build)
{
	struct map_config *c = build->config;

	if (map_keep(build) != 0) {
		return -1;
	}
	for (uint32_t i = 0; i < lm_setup_count(build->setup, "set"); i++) {
		if (map_set(build, i) != 0) {
			return -1;
		}
	}
	for (uint32_t i = 0; i < c->column_count; i++) {
		c->has_strings |= lm_type_width(build->field[i].type) == 0;
	}
	return lm_setup_output(build->setup, 0, build->field, c->column_count);
}

static int
map_configure(struct lm_setup *setup, void *config)
{
	struct map_build build = { .setup = setup,
		                   .in = lm_setup_input(setup, 0),
		                   .config = config };

	if (map_configure_columns(&build) != 0) {
		map_unconfigure(config);
		return -1;
	}
	return 0;
}

static void
map_close(struct lm_op *op)
{
	struct map *m = lm_op_context(op);

	for (uint32_t i = 0; i < LM_FIELDS_MAX; i++) {
		lm_expr_scratch_free(m->scratch[i]);
		m->scratch[i] = NULL;
	}
}

static int
map_open(struct lm_op *op)
{
	const struct map_config *c = lm_op_config(op);
	struct map *m = lm_op_context(op);

	for (uint32_t i = 0; i < c->column_count; i++) {
		if (c->column[i].field != LM_NONE) {
			continue;
		}
		m->scratch[i] = lm_expr_scratch_create(c->column[i].expr);
		if (m->scratch[i] == NULL) {
			map_close(op);
			lm_op_error(op, "no memory left to evaluate the expressions");
			return -ENOMEM;
		}
	}
	return 0;
}

/* The columns of all rows of the batch (`rows` NULL) or of the selected ones: an output batch's
 * worth. */
static void
map_part(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows)
{
	const struct map_config *c = lm_op_config(op);
	struct map *m = lm_op_context(op);
	struct row_range range = { rows == NULL ? NULL : rows->row, 0,
		                   rows == NULL ? in->count : rows->count };
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity;
	uint32_t first;
	struct lm_batch *out;

	/* With strings a whole batch is asked for: in an empty one the bytes of any input fit. */
	out = lm_op_reserve(op, 0, c->has_strings ? capacity : range.count, &first);
	for (uint32_t i = 0; i < c->column_count; i++) {
		const struct map_column *column = &c->column[i];
		char *values = lm_batch_column(out, i);

		if (column->field != LM_NONE) {
			row_copy(in, column->field, &range, out, i, first);
		} else {
			values += (size_t)first * lm_type_width(out->schema->field[i].type);
			lm_expr_eval(column->expr, m->scratch[i], in, rows, values);
		}
	}
	lm_op_emit(op, 0, range.count);
}

/* Wider rows out than in may need two batches where one came in. */
static void
map_rows(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows)
{
	struct map *m = lm_op_context(op);
	uint32_t count = rows == NULL ? in->count : rows->count;
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity;

	if (count <= capacity) {
		map_part(op, in, rows);
		return;
	}
	for (uint32_t start = 0; start < count; start += capacity) {
		uint32_t end = start + capacity < count ? start + capacity : count;

		lm_select_begin(&m->part, in);
		for (uint32_t i = start; i < end; i++) {
			lm_select_add(&m->part, rows == NULL ? i : rows->row[i]);
		}
		map_part(op, in, &m->part);
	}
}

static void
map_process(struct lm_op *op, const struct lm_batch *in)
{
	map_rows(op, in, NULL);
}

static void
map_process_select(struct lm_op *op, const struct lm_select *in)
{
	map_rows(op, in->batch, in);
}

static const struct lm_op_class map_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_RESCALES,
	.name = "map",
	.version = "1.0.0",
	.summary = "computes columns by expressions",
	.params = map_params,
	.inputs = map_inputs,
	.outputs = map_outputs,
	.rows = LM_ROWS_PASS,
	.config_size = sizeof(struct map_config),
	.context_size = sizeof(struct map),
	.configure = map_configure,
	.unconfigure = map_unconfigure,
	.open = map_open,
	.close = map_close,
	.process = map_process,
	.process_select = map_process_select,
};

REGISTER_CLASS(map_class)
