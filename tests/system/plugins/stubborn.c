/* SPDX-License-Identifier: BSD-3-Clause */
/* A plugin whose only class never opens: what its slices then say must reach the person. */
#include <errno.h>

#include "core/lm_op.h"

static int
stubborn_open(struct lm_op *op)
{
	lm_op_error(op, "slice %u of %u will not open; try another operator", lm_op_slice(op),
	            lm_op_slices(op));
	return -EPERM;
}

static void
stubborn_process(struct lm_op *op, const struct lm_batch *in)
{
	lm_op_forward(op, in);
}

static const char *const stubborn_inputs[] = { "in", NULL };
static const char *const stubborn_outputs[] = { "out", NULL };
static const struct lm_op_class stubborn_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "stubborn",
	.version = "1",
	.summary = "never opens",
	.inputs = stubborn_inputs,
	.outputs = stubborn_outputs,
	.rows = LM_ROWS_PASS,
	.open = stubborn_open,
	.process = stubborn_process,
};

const struct lm_op_class *
lm_plugin_class(uint32_t index)
{
	return index == 0 ? &stubborn_class : NULL;
}
