/* SPDX-License-Identifier: BSD-3-Clause */
/* filter: passes the rows for which an expression is true, with no copy, and drops the others. */
#include <errno.h>

#include "core/lm_expr.h"
#include "core/lm_op.h"
#include "core/registry_builtin.h"

enum { DROP_FILTERED };

struct filter_config {
	struct lm_expr *where;
};

struct filter {
	struct lm_expr_scratch *scratch;
	struct lm_select keep;
};

static const struct lm_param filter_params[] = {
	{ .name = "where",
	  .type = LM_PARAM_EXPR,
	  .required = true,
	  .summary = "what is true of the rows that pass, as in \"bytes > 1500 and proto == 6\"" },
	{ 0 }
};

static const char *const filter_inputs[] = { "rows", NULL };
static const char *const filter_outputs[] = { "rows", NULL };
static const char *const filter_drops[] = { "filtered", NULL };

static void
filter_unconfigure(void *config)
{
	lm_expr_free(((struct filter_config *)config)->where);
}

static int
filter_configure(struct lm_setup *setup, void *config)
{
	struct filter_config *c = config;
	struct lm_expr_error error;

	c->where = lm_expr_parse(lm_setup_text(setup, "where"), lm_setup_input(setup, 0), &error);
	if (c->where == NULL) {
		return lm_setup_error(setup, "where", LM_NONE, error.column, error.hint, "%s",
		                      error.message);
	}
	if (lm_expr_type(c->where) != LM_BOOL) {
		lm_setup_error(setup, "where", LM_NONE, LM_NONE,
		               "compare it with something, as in \"bytes > 1500\"",
		               "the expression is of type %s, not true or false",
		               lm_type_text(lm_expr_type(c->where)));
		filter_unconfigure(c);
		return -1;
	}
	if (lm_setup_output_like(setup, 0, lm_setup_input(setup, 0)) != 0) {
		filter_unconfigure(c);
		return -1;
	}
	return 0;
}

static int
filter_open(struct lm_op *op)
{
	const struct filter_config *c = lm_op_config(op);
	struct filter *f = lm_op_context(op);

	f->scratch = lm_expr_scratch_create(c->where);
	if (f->scratch == NULL) {
		lm_op_error(op, "no memory left to evaluate the expression");
		return -ENOMEM;
	}
	return 0;
}

static void
filter_close(struct lm_op *op)
{
	struct filter *f = lm_op_context(op);

	lm_expr_scratch_free(f->scratch);
}

/* `rows` NULL: all rows of the batch. */
static void
filter_rows(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows)
{
	const struct filter_config *c = lm_op_config(op);
	struct filter *f = lm_op_context(op);
	uint32_t count = rows == NULL ? in->count : rows->count;

	lm_select_begin(&f->keep, in);
	lm_expr_select(c->where, f->scratch, in, rows, &f->keep);
	lm_op_drop(op, DROP_FILTERED, count - f->keep.count);
	if (f->keep.count == in->count) {
		lm_op_forward(op, in);
	} else if (f->keep.count > 0) {
		lm_op_forward_select(op, &f->keep);
	}
}

static void
filter_process(struct lm_op *op, const struct lm_batch *in)
{
	filter_rows(op, in, NULL);
}

static void
filter_process_select(struct lm_op *op, const struct lm_select *in)
{
	filter_rows(op, in->batch, in);
}

static const struct lm_op_class filter_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_RESCALES,
	.name = "filter",
	.version = "1.0.0",
	.summary = "passes the rows for which an expression is true",
	.params = filter_params,
	.inputs = filter_inputs,
	.outputs = filter_outputs,
	.drops = filter_drops,
	.rows = LM_ROWS_PASS,
	.config_size = sizeof(struct filter_config),
	.context_size = sizeof(struct filter),
	.configure = filter_configure,
	.unconfigure = filter_unconfigure,
	.open = filter_open,
	.close = filter_close,
	.process = filter_process,
	.process_select = filter_process_select,
};

REGISTER_CLASS(filter_class)
