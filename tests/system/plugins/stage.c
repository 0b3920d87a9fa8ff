/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plugin whose only class, stage, passes rows on, or does what a new version should not do: when
 * it is opened, or from some row on. Built once for each of the variants below, -DSTAGE=STAGE_fine
 * and so on, to stage_fine.so and so on: those that differ when they are loaded.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/lm_op.h"

#define STAGE_fine 1
#define STAGE_crash 2      /* in a constructor */
#define STAGE_leave 3      /* the same with exit, as if all were well */
#define STAGE_abi 4        /* of the next major one */
#define STAGE_unresolved 5 /* calls what is nowhere */

enum {
	DOES_WELL,
	DOES_CRASH,
	DOES_LEAVE,
	DOES_HANG,
	DOES_FAIL,
	DOES_SLOW,
	DOES_ERRORS,
	DOES_DROPS
};
static const char *const stage_does[] = { "well", "crash",  "leave", "hang", "fail",
	                                  "slow", "errors", "drops", NULL };

enum { DROP_LOST };

struct stage_config {
	uint32_t opened, does;
	uint64_t after; /* rows of a slice */
};

struct stage {
	uint64_t rows;
};

#if STAGE == STAGE_unresolved
void nobody_has_this(void);
#endif

#if STAGE == STAGE_crash || STAGE == STAGE_leave
static void __attribute__((constructor)) stage_load(void)
{
	STAGE == STAGE_crash ? abort() : _exit(0);
}
#endif

static int
stage_configure(struct lm_setup *setup, void *context)
{
	struct stage_config *config = context;

	config->opened = lm_setup_choice(setup, "opened");
	config->does = lm_setup_choice(setup, "does");
	config->after = lm_setup_u64(setup, "after");
	return lm_setup_output_like(setup, 0, lm_setup_input(setup, 0));
}

static int
stage_open(struct lm_op *op)
{
	const struct stage_config *config = lm_op_config(op);
	volatile int *nowhere = NULL;

#if STAGE == STAGE_unresolved
	nobody_has_this();
#endif
	switch (config->opened) {
	case DOES_CRASH:
		*nowhere = 1;
		return 0;
	case DOES_LEAVE:
		exit(0);
	case DOES_HANG:
		for (;;) {
			pause();
		}
	case DOES_FAIL:
		lm_op_error(op, "it does not like this machine");
		return -EINVAL;
	default:
		return 0;
	}
}

static void
spend(uint64_t ns)
{
	struct timespec now;
	uint64_t until_ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	until_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + ns;
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec < until_ns);
}

static void
stage_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct stage_config *config = lm_op_config(op);
	struct stage *stage = lm_op_context(op);

	stage->rows += in->count;
	if (stage->rows >= config->after) {
		switch (config->does) {
		case DOES_CRASH:
			abort();
		case DOES_SLOW:
			spend(in->count * UINT64_C(5000));
			break;
		case DOES_ERRORS:
			lm_op_error(op, "it does not like these rows");
			break;
		case DOES_DROPS:
			lm_op_drop(op, DROP_LOST, in->count);
			return;
		default:
			break;
		}
	}
	lm_op_forward(op, in);
}

static const struct lm_param stage_params[] = {
	{ "opened", LM_PARAM_CHOICE, false, "well", 0, 0, stage_does, "what it does then" },
	{ "does", LM_PARAM_CHOICE, false, "well", 0, 0, stage_does, "what it does with rows" },
	{ "after", LM_PARAM_U64, false, "0", 0, 0, NULL, "so many of them" },
	{ 0 },
};
static const char *const stage_inputs[] = { "in", NULL };
static const char *const stage_outputs[] = { "out", NULL };
static const char *const stage_drops[] = { "lost", NULL };
static const struct lm_op_class stage_class = {
	.abi_version = STAGE == STAGE_abi ? (LM_ABI_MAJOR + 1) << 16 : LM_ABI_VERSION,
	.name = "stage",
	.version = "1",
	.summary = "passes rows on, or does what it should not",
	.params = stage_params,
	.inputs = stage_inputs,
	.outputs = stage_outputs,
	.drops = stage_drops,
	.rows = LM_ROWS_PASS,
	.config_size = sizeof(struct stage_config),
	.context_size = sizeof(struct stage),
	.configure = stage_configure,
	.open = stage_open,
	.process = stage_process,
};

const struct lm_op_class *
lm_plugin_class(uint32_t index)
{
	return index == 0 ? &stage_class : NULL;
}
