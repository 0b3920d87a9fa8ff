/* SPDX-License-Identifier: BSD-3-Clause */
/* What a manager that was loaded may call. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/env.h"
#include "mgmt/control_ask.h"
#include "mgmt/host_struct.h"

/* As often as the control thread looks. */
#define PERIOD_MIN_NS 10000000u

void *
lm_manager_context(const struct lm_manager *manager)
{
	return manager->context;
}

const char *
lm_manager_argument(const struct lm_manager *manager)
{
	return manager->argument;
}

const char *
lm_manager_topology(const struct lm_manager *manager)
{
	return manager->job.topology;
}

int64_t
lm_manager_now_ns(const struct lm_manager *manager)
{
	(void)manager;
	return env_now_ns();
}

void
lm_manager_timer(struct lm_manager *manager, uint64_t period_ns)
{
	manager->period_ns =
	    period_ns != 0 && period_ns < PERIOD_MIN_NS ? PERIOD_MIN_NS : period_ns;
	manager->due_ns = env_now_ns() + (int64_t)manager->period_ns;
}

void
lm_manager_save(struct lm_manager *manager)
{
	manager->is_changed = true;
}

void
lm_manager_log(struct lm_manager *manager, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	env_log_of(manager->class->name, 5, "manager %s: %s", manager->class->name, text);
}

static uint64_t
refuse(struct lm_manager *manager, char *why, size_t why_size, const char *text, const char *hint)
{
	manager->counts.refused++;
	if (why != NULL && why_size > 0) {
		snprintf(why, why_size, "%s%s%s", text, hint[0] == '\0' ? "" : "; ", hint);
	}
	return 0;
}

/* A call as a client would send it, so that it is checked as a client's is. */
static bool
decode(const char *method, const char *params, struct rpc_call *call, struct rpc_error *error)
{
	json_t *line = json_object(), *given = NULL;
	char *text = NULL;
	bool good;

	if (params != NULL) {
		given = json_loads(params, JSON_REJECT_DUPLICATES, NULL);
	}
	if (params != NULL && given == NULL) {
		json_decref(line);
		return rpc_refuse(error, CONTROL_ERROR_PARSE, "params",
		                  "give an object: {\"deadline_ms\": 5000}",
		                  "the parameters are no JSON");
	}
	json_object_set_new(line, "jsonrpc", json_string("2.0"));
	json_object_set_new(line, "method", json_string(method));
	if (given != NULL) {
		json_object_set_new(line, "params", given);
	}
	text = json_dumps(line, JSON_COMPACT);
	json_decref(line);
	good = text != NULL ? rpc_decode(text, strlen(text), call, error)
	                    : rpc_refuse(error, CONTROL_ERROR_INTERNAL, "", "", "no memory");
	if (text != NULL) {
		rpc_call_free(call);
	}
	free(text);
	return good;
}

uint64_t
lm_manager_submit(struct lm_manager *manager, const char *method, const char *params, char *why,
                  size_t why_size)
{
	enum manager_refusal refusal;
	struct action action;
	struct action_ask ask;
	struct rpc_error error;
	struct rpc_call call;

	manager->counts.asked++;
	if (!manager->is_open) {
		return refuse(manager, why, why_size, "the job does not run", "");
	}
	if (!decode(method, params, &call, &error)) {
		return refuse(manager, why, why_size, error.message, error.hint);
	}
	if (!control_ask(&call, (uint32_t)geteuid(), &ask)) {
		return refuse(manager, why, why_size, method, "it is a method, but no action");
	}
	if (control_submit(manager->job.control, &ask, &action, &refusal) == 0) {
		return refuse(manager, why, why_size,
		              refusal == REFUSED_FULL ? "too many actions wait"
		                                      : "it could not be written into the journal",
		              "try again later");
	}
	env_log(6, "manager %s: %s %s is action %" PRIu64, manager->class->name, method, ask.what,
	        action.id);
	return action.id;
}
