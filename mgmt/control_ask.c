/* SPDX-License-Identifier: BSD-3-Clause */
/* What calls ask of the manager. */
#include "mgmt/control_ask.h"

#include <stdio.h>
#include <string.h>

#include "mgmt/units.h"

#define NS_PER_MS 1000000

/* A checked parameter; NULL: the method has none of that name. */
static const void *
value_of(const struct rpc_call *call, const char *name)
{
	const struct rpc_method *method = &control_methods[call->method];

	for (uint32_t i = 0; i < method->param_count; i++) {
		if (strcmp(method->params[i].name, name) == 0) {
			return (const char *)&call->params + method->params[i].offset;
		}
	}
	return NULL;
}

static uint64_t
integer_of(const struct rpc_call *call, const char *name)
{
	const void *value = value_of(call, name);
	uint64_t number = 0;

	if (value != NULL) {
		memcpy(&number, value, sizeof(number));
	}
	return number;
}

static bool
flag_of(const struct rpc_call *call, const char *name)
{
	const bool *value = value_of(call, name);

	return value != NULL && *value;
}

static void
text_of(const struct rpc_call *call, const char *name, char *to, size_t size)
{
	const char *value = value_of(call, name);

	snprintf(to, size, "%s", value == NULL ? "" : value);
}

/* REHEARSE_COUNT: there is no such word. */
static enum action_rehearse
rehearse_of(const struct rpc_call *call)
{
	static const char *const words[] = {
#define ACTION_REHEARSE_TEXT(suffix, text) [REHEARSE_##suffix] = text,
		ACTION_REHEARSES(ACTION_REHEARSE_TEXT)
#undef ACTION_REHEARSE_TEXT
	};
	const char *value = value_of(call, "rehearse");
	enum action_rehearse found = REHEARSE_AUTO;

	while (value != NULL && found < REHEARSE_COUNT && strcmp(words[found], value) != 0) {
		found++;
	}
	return found;
}

/* The end of a path is what tells it from others. */
static const char *
end_of(const char *path, size_t most)
{
	size_t length = strlen(path);

	return length > most ? path + length - most : path;
}

/* For people: what the arguments say. */
static void
describe(const struct action_args *args, struct action_ask *ask)
{
	char canary[24] = "";

	if (args->canary != 0) {
		snprintf(canary, sizeof(canary), ", canary %u %%", args->canary);
	}
	switch (ask->kind) {
	case ACTION_MIGRATE:
		snprintf(ask->what, sizeof(ask->what), "%s/%u to lcore %u", args->operator,
		         args->slice, args->lcore);
		break;
	case ACTION_REBALANCE:
		snprintf(ask->what, sizeof(ask->what), "%s%s%s",
		         args->operator[0] == '\0' ? "" : "slots of ",
		         args->operator, !args->is_dry               ? ""
		                         : args->operator[0] == '\0' ? "dry run"
		                                                     : ", dry run");
		break;
	case ACTION_RESCALE:
		snprintf(ask->what, sizeof(ask->what), "%s to %u slices", args->operator,
		         args->slices);
		break;
	case ACTION_APPLY:
		snprintf(ask->what, sizeof(ask->what), "%.70s%s%s%s%s", end_of(args->file, 70),
		         args->is_dry ? ", dry run" : "", args->soak_ns == 0 ? "" : ", soak ",
		         args->soak_ns == 0 ? "" : units_ns(args->soak_ns).text, canary);
		break;
	default:
		break;
	}
}

bool
control_ask(const struct rpc_call *call, uint32_t uid, struct action_ask *ask)
{
	enum action_kind kind = action_kind_find(control_methods[call->method].name);
	if (kind == ACTION_KIND_COUNT) {
		return false;
	}
	*ask = (struct action_ask){ .kind = kind,
		                    .uid = uid,
		                    .limit_ns = integer_of(call, "deadline_ms") * NS_PER_MS,
		                    .args = { .slice = (uint32_t)integer_of(call, "slice"),
		                              .lcore = (uint32_t)integer_of(call, "lcore"),
		                              .slices = (uint32_t)integer_of(call, "slices"),
		                              .is_dry = flag_of(call, "dry_run"),
		                              .soak_ns = integer_of(call, "soak_ms") * NS_PER_MS,
		                              .canary = (uint32_t)integer_of(call, "canary"),
		                              .is_irreversible = flag_of(call, "irreversible"),
		                              .rehearse = rehearse_of(call) } };
	/* The deadline is for what is done, not for what is waited for. */
	ask->limit_ns += action_soaks_ns(&ask->args);
	text_of(call, "operator", ask->args.operator, sizeof(ask->args.operator));
	text_of(call, "file", ask->args.file, sizeof(ask->args.file));
	text_of(call, "drop_state", ask->args.drop_state, sizeof(ask->args.drop_state));
	describe(&ask->args, ask);
	return true;
}
