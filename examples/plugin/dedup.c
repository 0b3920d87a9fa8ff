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
#include "state/lm_map_aging.h"

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
	uint8_t is_new[LM_BATCH_ROWS];
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

	/* A key that had no row for the quiet time may pass: nothing needs to be known of it. */
	d->quiet_until = lm_map_open_aging(
	    op, &shape, &(struct lm_map_aging){ .ttl_ns = (uint64_t)config->quiet_ns });
	d->scratch = lm_op_alloc(op, lm_key_scratch_size(&config->key));
	return d->quiet_until == NULL || d->scratch == NULL ? -ENOMEM : 0;
}

/* Rows from `first` on whose keys were looked up. */
static void
dedup_rows(struct lm_op *op, const struct lm_batch *in, uint32_t first, uint32_t count,
           struct lm_select *keep)
{
	const struct dedup_config *config = lm_op_config(op);
	struct dedup *d = lm_op_context(op);
	const int64_t *time_ns = lm_batch_time(in) + first;

	for (uint32_t i = 0; i < count; i++) {
		int64_t *until_ns = d->value[i];

		if (until_ns == NULL) {
			lm_op_drop(op, DROP_KEYS_FULL, 1);
		} else if (!d->is_new[i] && time_ns[i] < *until_ns) {
			lm_op_drop(op, DROP_REPEAT, 1);
		} else {
			*until_ns = time_ns[i] + config->quiet_ns;
			lm_select_add(keep, first + i);
		}
	}
}

static void
dedup_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct dedup_config *config = lm_op_config(op);
	const struct lm_key *key = &config->key;
	struct dedup *d = lm_op_context(op);
	struct lm_map_rows rows;
	struct lm_select keep;
	uint32_t done, refused;

	lm_select_begin(&keep, in);
	lm_key_pack(key, d->scratch, in, NULL, &rows);
	rows.hash = lm_op_hash(op, in, NULL, key->field, key->field_count);
	for (; rows.first < in->count; rows.first += done) {
		rows.count = in->count - rows.first;
		done = lm_map_upsert_part(d->quiet_until, &rows, lm_batch_time(in), d->value,
		                          d->is_new, &refused);
		dedup_rows(op, in, rows.first, done, &keep);
	}
	lm_op_forward_select(op, &keep);
}

/* Room for new keys; more than a batch can bring. */
static void
dedup_watermark(struct lm_op *op, int64_t time_ns)
{
	struct dedup *d = lm_op_context(op);

	(void)lm_map_expire(d->quiet_until, time_ns, 2 * LM_BATCH_ROWS);
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
	.flags = LM_OP_KEYED | LM_OP_RESCALES,
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
	.watermark = dedup_watermark,
};

const struct lm_op_class *
lm_plugin_class(uint32_t index)
{
	return index == 0 ? &dedup_class : NULL;
}
