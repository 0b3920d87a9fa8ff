/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sim_recent: passes on the key and number of each row with what its list of the key's last numbers
 * then holds: how many, and the oldest. Every seventh number leaves only one behind.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/registry.h"
#include "state/lm_key.h"
#include "state/lm_list.h"
#include "tests/sim/classes.h"

enum { OUT_KEY, OUT_NUMBER, OUT_HELD, OUT_OLDEST };

struct recent_config {
	struct lm_key key;
	uint32_t number, keys, length;
};

struct recent {
	struct lm_lists *lists;
	void *scratch;
	struct lm_list *list[LM_BATCH_ROWS];
};

static int
recent_configure(struct lm_setup *setup, void *context)
{
	static const struct lm_field fields[] = { { "key", LM_U64, 0 },
		                                  { "number", LM_U64, 0 },
		                                  { "held", LM_U32, 0 },
		                                  { "oldest", LM_U64, 0 } };
	struct recent_config *config = context;
	uint32_t by = lm_setup_column(setup, "by");

	config->number = lm_setup_column(setup, "number");
	config->keys = (uint32_t)lm_setup_u64(setup, "keys");
	config->length = (uint32_t)lm_setup_u64(setup, "length");
	if (lm_key_init(&config->key, lm_setup_input(setup, 0), &by, 1) != 0) {
		return lm_setup_error(setup, "by", LM_NONE, LM_NONE, NULL, "this is no key");
	}
	lm_setup_keys(setup, config->keys);
	return lm_setup_output(setup, 0, fields, 4);
}

static int
recent_open(struct lm_op *op)
{
	const struct recent_config *config = lm_op_config(op);
	struct recent *recent = lm_op_context(op);

	recent->lists =
	    lm_list_open(op, &(struct lm_list_shape){ .keys = { .key_size = config->key.size,
	                                                        .keys_max = config->keys,
	                                                        .fields = config->key.field,
	                                                        .field_count = 1 },
	                                              .item_size = sizeof(uint64_t),
	                                              .items_max = config->keys * config->length,
	                                              .length_max = config->length,
	                                              .when_full = LM_LIST_DROP_OLDEST });
	recent->scratch = lm_op_alloc(op, lm_key_scratch_size(&config->key));
	return recent->lists == NULL || recent->scratch == NULL ? -ENOMEM : 0;
}

static void
recent_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct recent_config *config = lm_op_config(op);
	struct recent *recent = lm_op_context(op);
	const uint64_t *key = lm_batch_u64(in, config->key.field[0]);
	const uint64_t *number = lm_batch_u64(in, config->number);
	struct lm_map_rows packed;
	struct lm_batch *out;
	uint32_t first;

	lm_key_pack(&config->key, recent->scratch, in, NULL, &packed);
	packed.hash = lm_op_hash(op, in, NULL, config->key.field, 1);
	(void)lm_list_upsert(recent->lists, &packed, recent->list, NULL);
	out = lm_op_reserve(op, 0, in->count, &first);
	for (uint32_t i = 0; i < in->count; i++) {
		struct lm_list *list = recent->list[i];

		(void)lm_list_append(recent->lists, list, &number[i]);
		if (number[i] % 7 == 0) {
			(void)lm_list_trim(recent->lists, list, 1);
		}
		lm_batch_u64(out, OUT_KEY)[first + i] = key[i];
		lm_batch_u64(out, OUT_NUMBER)[first + i] = number[i];
		lm_batch_u32(out, OUT_HELD)[first + i] = lm_list_length(list);
		lm_batch_u64(out, OUT_OLDEST)[first + i] =
		    *(const uint64_t *)lm_list_first(recent->lists, list);
	}
	lm_op_emit(op, 0, in->count);
}

static const struct lm_param recent_params[] = {
	{ "by", LM_PARAM_COLUMN, true, NULL, 0, 0, NULL, "the key" },
	{ "number", LM_PARAM_COLUMN, true, NULL, 0, 0, NULL, "what is remembered" },
	{ "keys", LM_PARAM_U64, true, NULL, 1, 100000, NULL, "keys that there are" },
	{ "length", LM_PARAM_U64, true, NULL, 1, 1000, NULL, "numbers of a key" },
	{ 0 },
};
static const char *const recent_in[] = { "in", NULL };
static const char *const recent_out[] = { "out", NULL };

static const struct lm_op_class recent_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_KEYED | LM_OP_RESCALES,
	.name = "sim_recent",
	.version = "1.0",
	.summary = "the last numbers of each key",
	.params = recent_params,
	.inputs = recent_in,
	.outputs = recent_out,
	.rows = LM_ROWS_PASS,
	.config_size = sizeof(struct recent_config),
	.context_size = sizeof(struct recent),
	.configure = recent_configure,
	.open = recent_open,
	.process = recent_process,
};

void
sim_recent_register(void)
{
	const char *why = "";

	if (registry_add(&recent_class, &why) != 0) {
		fprintf(stderr, "%s: %s\n", recent_class.name, why);
		abort();
	}
}
