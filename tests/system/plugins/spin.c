/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plugin whose only class, spin, keeps its lcore busy for a time with each row and passes it on:
 * a load that is known, on a machine of any speed.
 */
#include <stdint.h>
#include <time.h>

#include "core/lm_op.h"

struct spin_config {
	uint64_t ns; /* per row */
};

static int
spin_configure(struct lm_setup *setup, void *context)
{
	struct spin_config *config = context;

	config->ns = lm_setup_u64(setup, "time");
	return lm_setup_output_like(setup, 0, lm_setup_input(setup, 0));
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
spin_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct spin_config *config = lm_op_config(op);
	uint64_t until_ns = now_ns() + in->count * config->ns;

	while (now_ns() < until_ns) {
	}
	lm_op_forward(op, in);
}

static const struct lm_param spin_params[] = {
	{ "time", LM_PARAM_DURATION, true, NULL, 0, 0, NULL, "that a row takes" },
	{ 0 },
};
static const char *const spin_inputs[] = { "in", NULL };
static const char *const spin_outputs[] = { "out", NULL };
static const struct lm_op_class spin_class = {
	.abi_version = LM_ABI_VERSION,
	.name = "spin",
	.version = "1",
	.summary = "takes its time with each row",
	.params = spin_params,
	.inputs = spin_inputs,
	.outputs = spin_outputs,
	.flags = LM_OP_RESCALES,
	.rows = LM_ROWS_PASS,
	.config_size = sizeof(struct spin_config),
	.configure = spin_configure,
	.process = spin_process,
};

const struct lm_op_class *
lm_plugin_class(uint32_t index)
{
	return index == 0 ? &spin_class : NULL;
}
