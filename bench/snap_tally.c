/* SPDX-License-Identifier: BSD-3-Clause */
/* A keyed count in two versions: 8 bytes for a key, and 16. Each step of a conversion is timed. */

#include <errno.h>

#include "bench/snap_classes.h"
#include "core/env.h"
#include "core/slice.h"
#include "state/lm_convert.h"

struct tally_config {
	uint32_t key; /* the column */
	uint32_t keys;
};

struct tally {
	struct lm_map *counts;
	void *value[LM_BATCH_ROWS];
};

/* A slot that is converted now is so for the rows of a batch. */
static bool rows_wait;

static const struct lm_field tally_out[] = { { "key", LM_U64, 0 }, { "rows", LM_U64, 0 } };

static int
tally_configure(struct lm_setup *setup, void *context)
{
	struct tally_config *config = context;

	config->key = lm_setup_column(setup, "by");
	config->keys = (uint32_t)lm_setup_u64(setup, "keys");
	lm_setup_keys(setup, config->keys);
	return lm_setup_output(setup, 0, tally_out, 2);
}

static int
tally_open(struct lm_op *op)
{
	const struct tally_config *config = lm_op_config(op);
	struct tally *tally = lm_op_context(op);

	tally->counts = lm_map_open(
	    op, &(struct lm_map_shape){ .key_size = 8,
	                                .value_size = op->class->state_version == 0 ? 8 : 16,
	                                .keys_max = config->keys,
	                                .fields = &config->key,
	                                .field_count = 1 });
	return tally->counts == NULL ? -ENOMEM : 0;
}

static void
tally_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct tally_config *config = lm_op_config(op);
	struct tally *tally = lm_op_context(op);
	int64_t start_ns = env_now_ns();

	rows_wait = true;
	(void)lm_map_upsert(
	    tally->counts,
	    &(struct lm_map_rows){ .hash = lm_op_hash(op, in, NULL, &config->key, 1),
	                           .keys = lm_batch_column(in, config->key),
	                           .count = in->count },
	    tally->value, NULL);
	rows_wait = false;
	for (uint32_t i = 0; i < in->count; i++) {
		if (tally->value[i] != NULL) {
			++*(uint64_t *)tally->value[i];
		}
	}
	lm_op_absorb(op, in->count);
	snap_note_batch(op, start_ns, env_now_ns());
}

static bool
tally_converts(uint32_t from)
{
	return from == 0;
}

static int
one(void *arg, const struct lm_map_entry *from, void *to)
{
	(void)arg;
	*(uint64_t *)to = *(const uint64_t *)from->value;
	return 0;
}

static int
convert_slot(struct lm_conversion *call, const struct lm_map *from, struct lm_map *to)
{
	struct lm_hist *hist = rows_wait ? &snap_probe.slot_ns : &snap_probe.step_ns;
	int64_t start_ns = env_now_ns();
	int result = 0;

	if (call->slot != LM_NONE) {
		result = lm_conversion_values(call, from, to, one, NULL);
		lm_hist_record(hist, (uint64_t)(env_now_ns() - start_ns), 1);
	}
	return result;
}

static int
tally_convert(struct lm_op *op, struct lm_conversion *from)
{
	struct tally *tally = lm_op_context(op);

	return convert_slot(from, lm_conversion_map(from, 0), tally->counts);
}

static int
tally_convert_back(struct lm_op *op, struct lm_conversion *to)
{
	struct tally *tally = lm_op_context(op);

	return convert_slot(to, tally->counts, lm_conversion_map(to, 0));
}

static const struct lm_param params[] = {
	{ "by", LM_PARAM_COLUMN, true, NULL, 0, 0, NULL, "the key, u64" },
	{ "keys", LM_PARAM_U64, true, NULL, 1, LM_MAP_KEYS_MAX, NULL, "how many there are" },
	{ 0 },
};
static const char *const inputs[] = { "in", NULL };
static const char *const outputs[] = { "out", NULL };
#define TALLY                                                                                      \
	.abi_version = LM_ABI_VERSION, .flags = LM_OP_KEYED | LM_OP_RESCALES,                      \
	.name = "bench_tally", .version = "1.0", .summary = "counts rows by key",                  \
	.params = params, .inputs = inputs, .outputs = outputs, .rows = LM_ROWS_ABSORB,            \
	.config_size = sizeof(struct tally_config), .context_size = sizeof(struct tally),          \
	.configure = tally_configure, .open = tally_open, .process = tally_process
const struct lm_op_class snap_tally[2] = {
	{ TALLY },
	{ TALLY, .state_version = 1, .converts = tally_converts, .convert = tally_convert,
	  .convert_back = tally_convert_back },
};
