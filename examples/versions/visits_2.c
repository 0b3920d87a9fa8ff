/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * visits, version 2: a row within a second of the one before it belongs to the same visit. So more
 * is remembered of a user, and what version 1 has counted is converted: state_version is 2, and
 * below are `converts`, `convert` and the way back. See visits_1.c for how a job comes to it, and
 * docs/operator_guide.md, "Another version of the state".
 */

#include <errno.h>

#include "core/lm_op.h"
#include "state/lm_convert.h"
#include "state/lm_map.h"

#define USERS 65536u
#define AWAY_NS 1000000000

enum { OUT_USER, OUT_VISIT };
enum { DROP_TOO_MANY };

struct visits_config {
	uint32_t by; /* column */
};

/* What version 1 kept of a user is the first of the two. */
struct user {
	uint64_t visits;
	int64_t last_ns; /* 0: not known: version 1 did not remember it */
};

struct visits {
	struct lm_map *users;
	void *value[LM_BATCH_ROWS];
};

static int
visits_configure(struct lm_setup *setup, void *context)
{
	static const struct lm_field out[] = { { "user", LM_U64, 0 }, { "visit", LM_U64, 0 } };
	const struct lm_schema *input = lm_setup_input(setup, 0);
	struct visits_config *config = context;

	config->by = lm_setup_column(setup, "by");
	if (input->field[config->by].type != LM_U64) {
		return lm_setup_error(setup, "by", LM_NONE, LM_NONE, NULL, "users are u64");
	}
	if (input->time_field == LM_NONE) {
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE,
		                      "give the rows a column of type time",
		                      "visits needs the event time of its rows");
	}
	lm_setup_keys(setup, USERS);
	return lm_setup_output(setup, 0, out, 2);
}

static int
visits_open(struct lm_op *op)
{
	const struct visits_config *config = lm_op_config(op);
	struct visits *v = lm_op_context(op);

	v->users = lm_map_open(op, &(struct lm_map_shape){ .key_size = sizeof(uint64_t),
	                                                   .value_size = sizeof(struct user),
	                                                   .keys_max = USERS,
	                                                   .fields = &config->by,
	                                                   .field_count = 1 });
	return v->users == NULL ? -ENOMEM : 0;
}

static void
visits_process(struct lm_op *op, const struct lm_batch *in)
{
	const struct visits_config *config = lm_op_config(op);
	struct visits *v = lm_op_context(op);
	const uint64_t *key = lm_batch_u64(in, config->by);
	const int64_t *time_ns = lm_batch_time(in);
	struct lm_map_rows rows = { .hash = lm_op_hash(op, in, NULL, &config->by, 1),
		                    .keys = key,
		                    .count = in->count };
	uint32_t first, refused = 0;
	struct lm_batch *out;

	/* A user who is not found although version 1 knew him is converted in here, with his slot.
	 */
	lm_map_upsert(v->users, &rows, v->value, NULL);
	out = lm_op_reserve(op, 0, in->count, &first);
	for (uint32_t i = 0; i < in->count; i++) {
		struct user *user = v->value[i];
		uint32_t to = first + i - refused;

		if (user == NULL) {
			refused++;
			continue;
		}
		user->visits += user->visits == 0 || time_ns[i] - user->last_ns > AWAY_NS;
		user->last_ns = time_ns[i];
		lm_batch_u64(out, OUT_USER)[to] = key[i];
		lm_batch_u64(out, OUT_VISIT)[to] = user->visits;
	}
	lm_op_drop(op, DROP_TOO_MANY, refused);
	lm_op_emit(op, 0, in->count - refused);
}

/* ---- from version 1, and back to it ---- */

static bool
visits_converts(uint32_t from)
{
	return from == 1;
}

/* `to` is zeroed. */
static int
to_2(void *arg, const struct lm_map_entry *from, void *to)
{
	struct user *user = to;

	(void)arg;
	user->visits = *(const uint64_t *)from->value;
	return 0;
}

static int
to_1(void *arg, const struct lm_map_entry *from, void *to)
{
	const struct user *user = from->value;

	(void)arg;
	*(uint64_t *)to = user->visits;
	return 0;
}

/* Of slot LM_NONE there is nothing: no value, no map of another key, nothing serialized. */
static int
visits_convert(struct lm_op *op, struct lm_conversion *from)
{
	struct visits *v = lm_op_context(op);

	if (from->slot == LM_NONE) {
		return 0;
	}
	return lm_conversion_values(from, lm_conversion_map(from, 0), v->users, to_2, NULL);
}

static int
visits_convert_back(struct lm_op *op, struct lm_conversion *to)
{
	struct visits *v = lm_op_context(op);

	if (to->slot == LM_NONE) {
		return 0;
	}
	return lm_conversion_values(to, v->users, lm_conversion_map(to, 0), to_1, NULL);
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
	.version = "2.0",
	.state_version = 2,
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
	.converts = visits_converts,
	.convert = visits_convert,
	.convert_back = visits_convert_back,
};

const struct lm_op_class *
lm_plugin_class(uint32_t index)
{
	return index == 0 ? &visits_class : NULL;
}
