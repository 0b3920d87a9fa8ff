/* SPDX-License-Identifier: BSD-3-Clause */
/* What calls of the control interface do: a checked call in, a line of JSON out. */
#include <stdlib.h>
#include <string.h>

#include "core/log_level.h"
#include "core/text.h"
#include "mgmt/control_ask.h"
#include "mgmt/control_struct.h"
#include "mgmt/json_put.h"

#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(9) | JSON_ENCODE_ANY)

static const char reply_head[] = "{\"jsonrpc\":\"2.0\",\"id\":";

/* The text of an id; "null" for none. To be freed; NULL: no memory. */
static char *
id_text(const json_t *id)
{
	return id == NULL ? strdup("null") : json_dumps(id, DUMP_FLAGS);
}

/* A line out of what an answer has: its id, its kind ("result", "error"), the value's text. */
static bool
put_reply(struct control_client *client, const json_t *id, const char *kind, const char *text,
          size_t size)
{
	char *name = id_text(id);
	char *line = NULL;
	size_t length;
	FILE *out = name == NULL ? NULL : open_memstream(&line, &length);
	bool good = false;

	if (out != NULL) {
		fprintf(out, "%s%s,\"%s\":", reply_head, name, kind);
		fwrite(text, 1, size, out);
		fputs("}\n", out);
		good = fclose(out) == 0 && conn_put(&client->conn, line, length);
	}
	free(line);
	free(name);
	return good;
}

static json_t *
error_value(const struct rpc_error *error)
{
	json_t *data = json_object(), *value = json_object();
	int failed = 0;

	failed += json_put_text(data, "field", error->field);
	failed += json_put_text(data, "hint", error->hint);
	failed += json_object_set_new(value, "code", json_integer((json_int_t)error->code));
	failed += json_put_text(value, "message", error->message);
	failed += json_object_set_new(value, "data", data);
	if (failed != 0) {
		json_decref(value);
		return NULL;
	}
	return value;
}

bool
control_refuse(struct control_client *client, const json_t *id, const struct rpc_error *error)
{
	json_t *value = error_value(error);
	char *text = value == NULL ? NULL : json_dumps(value, DUMP_FLAGS);
	bool good = text != NULL && put_reply(client, id, "error", text, strlen(text));

	free(text);
	json_decref(value);
	return good;
}

char *
control_note(const char *method, json_t *params, size_t *size)
{
	json_t *note = params == NULL ? NULL
	                              : json_pack("{sssssO}", "jsonrpc", "2.0", "method", method,
	                                          "params", params);
	char *text = note == NULL ? NULL : json_dumps(note, DUMP_FLAGS);

	json_decref(params);
	json_decref(note);
	if (text != NULL) {
		/* The place of the end becomes the newline: it is sent by its size. */
		*size = strlen(text) + 1;
		text[*size - 1] = '\n';
	}
	return text;
}

static void
count_refusal(struct view_counts *counts, enum control_error code)
{
	switch (code) {
	case CONTROL_ERROR_PARSE:
	case CONTROL_ERROR_INVALID:
		counts->malformed++;
		break;
	case CONTROL_ERROR_UNKNOWN_METHOD:
		counts->unknown++;
		break;
	case CONTROL_ERROR_BAD_PARAMS:
		counts->wrong_params++;
		break;
	case CONTROL_ERROR_FORBIDDEN:
		counts->forbidden++;
		break;
	case CONTROL_ERROR_OVERSIZED:
		counts->oversized++;
		break;
	default:
		counts->failed++;
		break;
	}
}

static struct view
view_of(const struct control *control)
{
	return (struct view){ .about = &control->about,
		              .sample = &control->mine.sample,
		              .snapshots = &control->mine.snapshots,
		              .loaded = &control->mine.loaded,
		              .plugins = control->mine.plugins,
		              .pages = control->mine.pages,
		              .manager = &control->mine.manager,
		              .counts = &control->counts,
		              .elastic = &control->mine.elastic,
		              .bottleneck = control->mine.bottleneck,
		              .now_ns = env_now_ns() };
}

/* The text of an answer, made once for all who ask before something new is published. */
static const char *
cached(struct control *control, struct control_cache *cache, json_t *(*make)(const struct view *),
       size_t *size)
{
	uint64_t actions = control_actions_version(&control->mine.manager);

	if (cache->text == NULL || cache->version != control->mine.version ||
	    cache->actions != actions) {
		struct view view = view_of(control);
		json_t *value = make(&view);

		free(cache->text);
		cache->text = value == NULL ? NULL : json_dumps(value, DUMP_FLAGS);
		cache->size = cache->text == NULL ? 0 : strlen(cache->text);
		cache->version = control->mine.version;
		cache->actions = actions;
		json_decref(value);
	}
	*size = cache->size;
	return cache->text;
}

static json_t *
stats_of_all(const struct view *view)
{
	return view_stats(view, LM_NONE);
}

static bool
too_large(struct rpc_error *error)
{
	return rpc_refuse(error, CONTROL_ERROR_OVERSIZED, "params.operator",
	                  "ask for one operator: {\"operator\": \"…\"}",
	                  "the answer would be larger than 1 MiB");
}

static bool
no_memory(struct rpc_error *error)
{
	return rpc_refuse(error, CONTROL_ERROR_INTERNAL, "", "try again later",
	                  "no memory for the answer");
}

/* Puts the text of a result if it may be so large. */
static bool
put_text(struct control_client *client, const struct rpc_call *call, const char *text, size_t size,
         struct rpc_error *error, bool *is_fine)
{
	if (text == NULL) {
		return no_memory(error);
	}
	if (size > CONTROL_REPLY_MAX) {
		return too_large(error);
	}
	*is_fine = call->is_silent || put_reply(client, call->id, "result", text, size);
	return true;
}

/* Takes the value. */
static bool
put_value(struct control_client *client, const struct rpc_call *call, json_t *value,
          struct rpc_error *error, bool *is_fine)
{
	char *text = value == NULL ? NULL : json_dumps(value, DUMP_FLAGS);
	bool good = put_text(client, call, text, text == NULL ? 0 : strlen(text), error, is_fine);

	free(text);
	json_decref(value);
	return good;
}

static bool
call_describe(struct control_client *client, const struct rpc_call *call, struct rpc_error *error,
              bool *is_fine)
{
	char *text;
	int size = asprintf(&text, "{\"schema\":%s,\"role\":\"%s\"}", control_schema,
	                    control_role_names[client->role]);
	bool good = put_text(client, call, size < 0 ? NULL : text, size < 0 ? 0 : (size_t)size,
	                     error, is_fine);

	if (size >= 0) {
		free(text);
	}
	return good;
}

static bool
call_stats(struct control *control, struct control_client *client, const struct rpc_call *call,
           struct rpc_error *error, bool *is_fine)
{
	const struct sample *sample = &control->mine.sample;
	const char *wanted = call->params.stats.operator;
	const char *names[LM_OPERATORS_MAX];
	uint32_t count = sample->shape.count[SAMPLE_OPERATORS], op = 0;
	struct view view = view_of(control);
	char hint[200];

	if (wanted[0] == '\0') {
		size_t size;
		const char *text = cached(control, &control->stats, stats_of_all, &size);

		return put_text(client, call, text, size, error, is_fine);
	}
	while (op < count && strcmp(sample->op[op].name, wanted) != 0) {
		names[op] = sample->op[op].name;
		op++;
	}
	if (op == count) {
		return rpc_refuse(error, CONTROL_ERROR_BAD_PARAMS, "params.operator",
		                  text_hint(wanted, "operators", names, count, hint, sizeof(hint)),
		                  "there is no operator \"%.63s\"", wanted);
	}
	return put_value(client, call, view_stats(&view, op), error, is_fine);
}

static bool
not_taken_in(enum manager_refusal refusal, struct rpc_error *error)
{
	if (refusal == REFUSED_UNWRITTEN) {
		return rpc_refuse(error, CONTROL_ERROR_UNWRITTEN, "",
		                  "see what the job says on its standard error, and make room on "
		                  "the disk of its state folder",
		                  "the action could not be written into the journal");
	}
	return rpc_refuse(error, CONTROL_ERROR_BUSY, "",
	                  "wait for one to be completed: see actions", "%u actions wait already",
	                  MANAGER_QUEUE_MAX);
}

static bool
call_action(struct control *control, struct control_client *client, const struct rpc_call *call,
            struct rpc_error *error, bool *is_fine)
{
	enum manager_refusal refusal;
	struct action_ask ask;
	struct action action;

	if (!control_ask(call, client->peer.uid, &ask)) {
		return rpc_refuse(error, CONTROL_ERROR_INTERNAL, "method", "",
		                  "%s is in the schema, but nobody does it",
		                  control_methods[call->method].name);
	}
	if (control_submit(control, &ask, &action, &refusal) == 0) {
		return not_taken_in(refusal, error);
	}
	if (ask.kind != ACTION_SNAPSHOT && ask.kind != ACTION_SYNCHRONIZE) {
		env_log(6, "control: uid %u, process %d: %s%s%s", client->peer.uid,
		        (int)client->peer.pid, action_kind_text(ask.kind),
		        ask.what[0] == '\0' ? "" : " ", ask.what);
	}
	return put_value(client, call,
	                 json_pack("{so}", "action", view_action(&action, env_now_ns())), error,
	                 is_fine);
}

static bool
call_actions(struct control *control, struct control_client *client, const struct rpc_call *call,
             struct rpc_error *error, bool *is_fine)
{
	const struct manager *manager = &control->mine.manager;
	uint64_t id = call->params.actions.id, left = call->params.actions.count;
	uint64_t last = id != 0 ? id : manager->next_id - 1;
	int64_t now_ns = env_now_ns();
	json_t *list = json_array();
	const struct action *action;

	/* Numbers may be missing: those that a damaged journal held. */
	for (uint32_t i = 0; i < MANAGER_LOG && left > 0 && last > 0; i++, last--) {
		action = manager_find(manager, last);
		if (action != NULL) {
			json_array_append_new(list, view_action(action, now_ns));
			left--;
		}
		left = id != 0 ? 0 : left;
	}
	return put_value(client, call, json_pack("{so}", "actions", list), error, is_fine);
}

static bool
call_subscribe(struct control *control, struct control_client *client, const struct rpc_call *call,
               struct rpc_error *error, bool *is_fine)
{
	uint64_t events = call->params.subscribe.events;
	json_t *list = json_array();

	if ((events & CONTROL_SUBSCRIBE_EVENTS_ACTION_COMPLETED) != 0) {
		json_array_append_new(list, json_string(CONTROL_EVENT_ACTION_COMPLETED));
	}
	if ((events & CONTROL_SUBSCRIBE_EVENTS_PROBE) != 0) {
		json_array_append_new(list, json_string(CONTROL_EVENT_PROBE));
	}
	client->events = events;
	client->told = control->mine.manager.completed_count;
	return put_value(client, call, json_pack("{so}", "events", list), error, is_fine);
}

static json_t *
log_levels(int64_t now_ns)
{
	struct log_level level[LOG_LEVELS_MAX];
	uint32_t count = log_level_list(level, now_ns);
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++) {
		json_array_append_new(
		    list, json_pack("{sssssI}", "module", level[i].module, "level",
		                    log_level_text(level[i].level), "left_ms",
		                    (json_int_t)((level[i].until_ns - now_ns) / 1000000)));
	}
	return list;
}

/* Whether there can be lines of this module. */
static bool
is_module(const struct control *control, const char *name)
{
	static const char *const folders[] = { "all", "core", "state", "net", "operators", "mgmt" };
	const struct sample *sample = &control->mine.sample;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (strcmp(folders[i], name) == 0) {
			return true;
		}
	}
	for (uint32_t i = 0; i < sample->shape.count[SAMPLE_OPERATORS]; i++) {
		if (strcmp(sample->op[i].name, name) == 0) {
			return true;
		}
	}
	return name[0] != '\0' && strcmp(control->about.manager, name) == 0;
}

static bool
call_log_level(struct control *control, struct control_client *client, const struct rpc_call *call,
               struct rpc_error *error, bool *is_fine)
{
	const struct control_log_level *asked = &call->params.log_level;
	bool is_default = strcmp(asked->level, "default") == 0;
	int level = is_default ? LOG_LEVEL_INFO : log_level_find(asked->level);
	int64_t now_ns = env_now_ns();
	int64_t until_ns = is_default ? now_ns : now_ns + (int64_t)asked->for_ms * 1000000;

	if (level < LOG_LEVEL_ERROR) {
		return rpc_refuse(error, CONTROL_ERROR_BAD_PARAMS, "params.level",
		                  "levels: error, warning, notice, info, debug, default",
		                  "there is no level \"%s\"", asked->level);
	}
	if (!is_module(control, asked->module)) {
		return rpc_refuse(error, CONTROL_ERROR_BAD_PARAMS, "params.module",
		                  "modules: all, core, state, net, operators, mgmt, and operators "
		                  "of the topology by name",
		                  "there is no module \"%s\"", asked->module);
	}
	if (log_level_set(asked->module, level, now_ns, until_ns) != 0) {
		return rpc_refuse(error, CONTROL_ERROR_BUSY, "params.module",
		                  "set one of them to default",
		                  "%u modules have a level of their own already", LOG_LEVELS_MAX);
	}
	control_levels(control);
	return put_value(client, call, json_pack("{so}", "levels", log_levels(now_ns)), error,
	                 is_fine);
}

static bool
call_elastic(struct control *control, struct control_client *client, const struct rpc_call *call,
             struct rpc_error *error, bool *is_fine)
{
	struct view view;

	control_look(control);
	view = view_of(control);
	return put_value(client, call, view_elastic(&view, call->params.elastic.count), error,
	                 is_fine);
}

static bool
call_freeze(struct control *control, struct control_client *client, const struct rpc_call *call,
            struct rpc_error *error, bool *is_fine)
{
	bool is_frozen = call->method == CONTROL_FREEZE;

	if (!control_freeze(control, is_frozen)) {
		return rpc_refuse(
		    error, CONTROL_ERROR_NOT_ELASTIC, "method",
		    "start it with --elastic model, or write elastic: in its topology",
		    "the job moves no slices by itself");
	}
	return put_value(client, call, json_pack("{sb}", "frozen", (int)is_frozen), error, is_fine);
}

/* False: refused, see `error`. `is_fine`: the answer was put, or nobody waits for one. */
static bool
dispatch(struct control *control, struct control_client *client, const struct rpc_call *call,
         struct rpc_error *error, bool *is_fine)
{
	size_t size;
	const char *text;

	switch (call->method) {
	case CONTROL_DESCRIBE:
		return call_describe(client, call, error, is_fine);
	case CONTROL_STATUS:
		text = cached(control, &control->status, view_status, &size);
		return put_text(client, call, text, size, error, is_fine);
	case CONTROL_STATS:
		return call_stats(control, client, call, error, is_fine);
	case CONTROL_ACTIONS:
		control_look(control);
		return call_actions(control, client, call, error, is_fine);
	case CONTROL_LOG_LEVEL:
		return call_log_level(control, client, call, error, is_fine);
	case CONTROL_ELASTIC:
		return call_elastic(control, client, call, error, is_fine);
	case CONTROL_FREEZE:
	case CONTROL_UNFREEZE:
		return call_freeze(control, client, call, error, is_fine);
	case CONTROL_SUBSCRIBE:
		return call_subscribe(control, client, call, error, is_fine);
	default:
		return call_action(control, client, call, error, is_fine);
	}
}

static bool
check_role(const struct control_client *client, enum control_method method, struct rpc_error *error)
{
	const struct rpc_method *called = &control_methods[method];

	if ((uint32_t)client->role >= called->role) {
		return true;
	}
	return rpc_refuse(error, CONTROL_ERROR_FORBIDDEN, "method",
	                  "ask who runs the job to start it with --control-role USER=ROLE",
	                  "%s takes the role %s; yours is %s", called->name,
	                  control_role_names[called->role], control_role_names[client->role]);
}

bool
control_line(struct control *control, struct control_client *client, const char *line, size_t size)
{
	struct rpc_call call;
	struct rpc_error error;
	bool is_fine = true;

	if (rpc_decode(line, size, &call, &error) && check_role(client, call.method, &error) &&
	    dispatch(control, client, &call, &error, &is_fine)) {
		control->counts.calls++;
	} else {
		count_refusal(&control->counts, error.code);
		is_fine = call.is_silent || control_refuse(client, call.id, &error);
	}
	rpc_call_free(&call);
	return is_fine;
}

bool
control_oversized(struct control *control, struct control_client *client)
{
	struct rpc_error error;

	control->counts.oversized++;
	rpc_refuse(&error, CONTROL_ERROR_OVERSIZED, "",
	           "send one call per line, with a newline behind each",
	           "a line may have %u bytes at most", RPC_LINE_MAX - 1);
	return control_refuse(client, NULL, &error);
}
