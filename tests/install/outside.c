/* SPDX-License-Identifier: BSD-3-Clause */
/* A plugin as somebody outside the tree writes it: built against the installed headers only. */
#include "core/lm_op.h"
#include "state/lm_map.h"

static const char *const outside_inputs[] = { "in", NULL };
static const char *const outside_outputs[] = { "out", NULL };

struct outside {
	uint64_t rows;
};

static void
outside_process(struct lm_op *op, const struct lm_batch *in)
{
	struct outside *outside = lm_op_context(op);

	outside->rows += in->count;
	lm_op_gauge(op, 0, "rows_seen", outside->rows);
	lm_op_forward(op, in);
}

static const struct lm_op_class outside_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "outside",
	.version = "1",
	.summary = "passes rows on and counts them",
	.inputs = outside_inputs,
	.outputs = outside_outputs,
	.rows = LM_ROWS_PASS,
	.context_size = sizeof(struct outside),
	.process = outside_process,
};

const struct lm_op_class *
lm_plugin_class(uint32_t index)
{
	return index == 0 ? &outside_class : NULL;
}
