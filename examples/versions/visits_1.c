/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * visits, version 1: puts out with each row which visit of its user it is. Each row is a visit.
 * visits_2.c is the next version, which a running job goes over to, with the counts that there are:
 *
 *     cc -O3 -shared -fPIC $(pkg-config --cflags lodemill) -o visits.so visits_1.c
 *     lodemill run visits.yaml
 *     cc -O3 -shared -fPIC $(pkg-config --cflags lodemill) -o visits.so visits_2.c
 *     lodectl apply visits.yaml
 */

#include <errno.h>

#include "core/lm_op.h"
#include "state/lm_map.h"

#define USERS 65536u

enum { OUT_USER, OUT_VISIT };
enum { DROP_TOO_MANY };

struct visits_config {
	uint32_t by; /* column */
};

struct visits {
	struct lm_map *count; /* user -> uint64_t */
	void *value[LM_BATCH_ROWS];
};

static int
visits_configure(struct lm_setup *setup, void *context)
{
	static const struct lm_field out[] = { { "user", LM_U64, 0 }, { "visit", LM_U64, 0 } };
	struct visits_config *config = context;

	config->by = lm_setup_column(setup, "by");
	if (lm_setup_input(setup, 0)->field[config->by].type != LM_U64) {
		return lm_setup_error(setup, "by", LM_NONE, LM_NONE, NULL, "users are u64");
	}
	lm_setup_keys(setup, USERS);
	return lm_setup_output(setup, 0, out, 2);
}

static int
visits_open(struct lm_op *op)
{
	const struct visits_config *config = lm_op_config(op);
	struct visits *v = lm_op_context(op);

	v->count = lm_map_open(op, &(struct lm_map_shape){ .key_size = sizeof(uint64_t),
	                                                   .value_size = sizeof(uint64_t),
	                                                   .keys_max = USERS,
	                                                   .fields = &config->by,
	                                                   .field_count = 1 });
	return v->count == NULL ? -ENOMEM : 0;
}

static void
visits_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct visits_config *config = lm_op_config(op);
	struct visits *v = lm_op_context(op);
	const uint64_t *user = lm_batch_u64(in, config->by);
	struct lm_map_rows rows = { .hash = lm_op_hash(op, in, NULL, &config->by, 1),
		                    .keys = user,
		                    .count = in->count };
	uint32_t first, refused = 0;
	struct lm_batch *out;

	lm_map_upsert(v->count, &rows, v->value, NULL);
	out = lm_op_reserve(op, 0, in->count, &first);
	for (uint32_t i = 0; i < in->count; i++) {
		uint64_t *count = v->value[i];
		uint32_t to = first + i - refused;

		if (count == NULL) {
			refused++;
			continue;
		}
		lm_batch_u64(out, OUT_USER)[to] = user[i];
		lm_batch_u64(out, OUT_VISIT)[to] = ++*count;
	}
	lm_op_drop(op, DROP_TOO_MANY, refused);
	lm_op_emit(op, 0, in->count - refused);
}

static const struct lm_param params[] = {
	{ "by", LM_PARAM_COLUMN, true, NULL, 0, 0, NULL, "the user" },
	{ 0 },
};
static const char *const inputs[] = { "in", NULL };
static const char *const outputs[] = { "out", NULL };
static const char *const drops[] = { "too_many", NULL };

static const struct lm_op_class visits_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_KEYED | LM_OP_RESCALES,
	.name = "visits",
	.version = "1.0",
	.state_version = 1,
	.summary = "which visit of its user a row is",
	.params = params,
	.inputs = inputs,
	.outputs = outputs,
	.drops = drops,
	.rows = LM_ROWS_PASS,
	.config_size = sizeof(struct visits_config),
	.context_size = sizeof(struct visits),
	.configure = visits_configure,
	.open = visits_open,
	.process = visits_process,
};

const struct lm_op_class *
lm_plugin_class(uint32_t index)
{
	return index == 0 ? &visits_class : NULL;
}
