/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dedup: passes the first row of each key per quiet time and drops the repeats. A whole operator,
 * as its author writes it: threads, rings and lcores do not appear, because state hangs off `op`.
 *
 *     cc -O3 -shared -fPIC $(pkg-config --cflags lodemill) -o dedup.so dedup.c
 *
 * and in a topology file:
 *
 *     plugins: [./dedup.so]
 *     operators:
 *       first: {type: dedup, input: events by user, by: user, quiet: 10s, slices: 4}
 */

#include <errno.h>

#include "core/lm_op.h"
#include "state/lm_key.h"
#include "state/lm_map.h"

enum { DROP_REPEAT, DROP_KEYS_FULL };

struct dedup_config {
	struct lm_key key;
	int64_t quiet_ns;
	uint32_t keys_max;
};

struct dedup {
	struct lm_map *quiet_until; /* key -> ns since 1970 */
	void *scratch;
	void *value[LM_BATCH_ROWS];
};

static int
dedup_configure(struct lm_setup *setup, void *context)
{
	struct dedup_config *config = context;
	const struct lm_schema *input = lm_setup_input(setup, 0);
	uint32_t fields[LM_KEY_COLUMNS_MAX], count = lm_setup_count(setup, "by");

	if (input->time_field == LM_NONE) {
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE,
		                      "give the rows a column of type time",
		                      "dedup needs the event time of its rows");
	}
	for (uint32_t i = 0; i < count && i < LM_KEY_COLUMNS_MAX; i++) {
		fields[i] = lm_setup_item_column(setup, "by", i);
	}
	if (lm_key_init(&config->key, input, fields, count) != 0) {
		return lm_setup_error(setup, "by", LM_NONE, LM_NONE, "use fewer or smaller columns",
		                      "these columns cannot be a key");
	}
	config->quiet_ns = (int64_t)lm_setup_u64(setup, "quiet");
	config->keys_max = (uint32_t)lm_setup_u64(setup, "keys");
	lm_setup_keys(setup, config->keys_max);
	return lm_setup_output_like(setup, 0, input);
}

static int
dedup_open(struct lm_op *op)
{
	const struct dedup_config *config = lm_op_config(op);
	struct dedup *d = lm_op_context(op);
	struct lm_map_shape shape = {
		.key_size = config->key.size,
		.value_size = sizeof(int64_t),
		.keys_max = config->keys_max,
		.bytes_max = config->key.size == 0 ? config->keys_max * 64ul : 0,
		.fields = config->key.field,
		.field_count = config->key.field_count,
	};

	d->quiet_until = lm_map_open(op, &shape);
	d->scratch = lm_op_alloc(op, lm_key_scratch_size(&config->key));
	return d->quiet_until == NULL || d->scratch == NULL ? -ENOMEM : 0;
}

static void
dedup_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct dedup_config *config = lm_op_config(op);
	struct dedup *d = lm_op_context(op);
	const int64_t *time_ns = lm_batch_time(in);
	struct lm_select keep;

	lm_select_begin(&keep, in);
	lm_key_upsert(&config->key, op, d->quiet_until, d->scratch, in, NULL, d->value, NULL);
	for (uint32_t i = 0; i < in->count; i++) {
		int64_t *until_ns = d->value[i];

		if (until_ns == NULL) {
			lm_op_drop(op, DROP_KEYS_FULL, 1);
		} else if (time_ns[i] < *until_ns) {
			lm_op_drop(op, DROP_REPEAT, 1);
		} else {
			*until_ns = time_ns[i] + config->quiet_ns;
			lm_select_add(&keep, i);
		}
	}
	lm_op_forward_select(op, &keep);
}

static const struct lm_param params[] = {
	{ "by", LM_PARAM_COLUMNS, true, NULL, 0, 0, NULL,
	  "the columns that make two rows repeats" },
	{ "quiet", LM_PARAM_DURATION, false, "1s", 0, 0, NULL,
	  "event time until a key may pass again" },
	{ "keys", LM_PARAM_U64, false, "65536", 1, LM_MAP_KEYS_MAX, NULL,
	  "keys that are remembered" },
	{ 0 },
};
static const char *const inputs[] = { "in", NULL };
static const char *const outputs[] = { "out", NULL };
static const char *const drops[] = { "repeat", "keys_full", NULL };

static const struct lm_op_class dedup_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_KEYED,
	.name = "dedup",
	.version = "1.0",
	.summary = "the first row of each key per quiet time",
	.params = params,
	.inputs = inputs,
	.outputs = outputs,
	.drops = drops,
	.rows = LM_ROWS_PASS,
	.config_size = sizeof(struct dedup_config),
	.context_size = sizeof(struct dedup),
	.configure = dedup_configure,
	.open = dedup_open,
	.process = dedup_process,
};

const struct lm_op_class *
lm_plugin_class(uint32_t index)
{
	return index == 0 ? &dedup_class : NULL;
}
