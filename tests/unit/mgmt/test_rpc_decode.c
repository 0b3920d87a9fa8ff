/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/rpc_decode.c: good calls with their parameters; bad ones with the field and the way out. */
#include "mgmt/rpc_decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct rpc_call
good(const char *line)
{
	struct rpc_call call;
	struct rpc_error error;

	if (!rpc_decode(line, strlen(line), &call, &error)) {
		fail_msg("%s: %s: %s", line, error.field, error.message);
	}
	return call;
}

static void
test_defaults(void **state)
{
	struct rpc_call call = good("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"snapshot\"}");

	(void)state;
	assert_int_equal(call.method, CONTROL_SNAPSHOT);
	assert_int_equal(call.params.snapshot.deadline_ms, 60000);
	assert_int_equal(json_integer_value(call.id), 1);
	assert_false(call.is_silent);
	rpc_call_free(&call);
	call = good("{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"stats\",\"params\":{}}");
	assert_string_equal(call.params.stats.operator, "");
	assert_string_equal(json_string_value(call.id), "a");
	rpc_call_free(&call);
	call = good("{\"jsonrpc\":\"2.0\",\"method\":\"subscribe\"}");
	assert_true(call.is_silent);
	assert_int_equal(call.params.subscribe.events, CONTROL_SUBSCRIBE_EVENTS_ACTION_COMPLETED |
	                                                   CONTROL_SUBSCRIBE_EVENTS_PROBE);
	rpc_call_free(&call);
}

static void
test_values(void **state)
{
	struct rpc_call call = good("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"stop\","
	                            "\"params\":{\"deadline_ms\":3600000}}");

	(void)state;
	assert_int_equal(call.params.stop.deadline_ms, 3600000);
	assert_false(call.is_silent);
	rpc_call_free(&call);
	call = good(" {\"params\":{\"operator\":\"out\"},\"jsonrpc\":\"2.0\",\"id\":-3,"
	            "\"method\":\"stats\"}\r");
	assert_string_equal(call.params.stats.operator, "out");
	rpc_call_free(&call);
	call = good("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"subscribe\","
	            "\"params\":{\"events\":[\"probe\",\"probe\"]}}");
	assert_int_equal(call.params.subscribe.events, CONTROL_SUBSCRIBE_EVENTS_PROBE);
	rpc_call_free(&call);
	call = good("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"subscribe\","
	            "\"params\":{\"events\":[]}}");
	assert_int_equal(call.params.subscribe.events, 0);
	rpc_call_free(&call);
	call = good("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"actions\","
	            "\"params\":{\"count\":256,\"id\":9007199254740991}}");
	assert_int_equal(call.params.actions.count, 256);
	assert_true(call.params.actions.id == UINT64_C(9007199254740991));
	rpc_call_free(&call);
}

static void
test_required(void **state)
{
	struct rpc_call call =
	    good("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"migrate\",\"params\":"
	         "{\"operator\":\"sums\",\"slice\":2,\"lcore\":3}}");

	(void)state;
	assert_string_equal(call.params.migrate.operator, "sums");
	assert_int_equal(call.params.migrate.slice, 2);
	assert_int_equal(call.params.migrate.lcore, 3);
	assert_int_equal(call.params.migrate.deadline_ms, 10000);
	rpc_call_free(&call);
	call = good("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rebalance\",\"params\":"
	            "{\"dry_run\":true}}");
	assert_true(call.params.rebalance.dry_run);
	rpc_call_free(&call);
}

#define CALL(more) "{\"jsonrpc\":\"2.0\",\"id\":5," more "}"
#define PARAMS(method, params) CALL("\"method\":\"" method "\",\"params\":" params)

static const struct {
	const char *line;
	enum control_error code;
	const char *field, *says, *hints;
	bool has_id;
} bad[] = {
	{ "", CONTROL_ERROR_PARSE, "", "no JSON", "one JSON object per line", false },
	{ "{", CONTROL_ERROR_PARSE, "", "no JSON", "", false },
	{ "{\"a\":1,\"a\":2}", CONTROL_ERROR_PARSE, "", "duplicate", "", false },
	{ "\xff", CONTROL_ERROR_PARSE, "", "no JSON", "", false },
	{ "[]", CONTROL_ERROR_INVALID, "", "a list", "batches", false },
	{ "7", CONTROL_ERROR_INVALID, "", "a whole number", "", false },
	{ "{}", CONTROL_ERROR_INVALID, "jsonrpc", "no call", "2.0", false },
	{ "{\"jsonrpc\":\"1.0\",\"id\":5}", CONTROL_ERROR_INVALID, "jsonrpc", "", "", true },
	{ CALL("\"x\":1"), CONTROL_ERROR_INVALID, "x", "no member", "members: jsonrpc", true },
	{ CALL("\"metod\":1"), CONTROL_ERROR_INVALID, "metod", "", "\"method\"", true },
	{ CALL("\"params\":{}"), CONTROL_ERROR_INVALID, "method", "missing", "status", true },
	{ CALL("\"method\":4"), CONTROL_ERROR_INVALID, "method", "a whole number", "", true },
	{ "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"status\"}", CONTROL_ERROR_INVALID, "id",
	  "an object", "whole number", false },
	{ "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"status\"}", CONTROL_ERROR_INVALID, "id",
	  "not whole", "", false },
	{ CALL("\"method\":\"statu\""), CONTROL_ERROR_UNKNOWN_METHOD, "method", "\"statu\"",
	  "\"status\"", true },
	{ CALL("\"method\":\"frobnicate\""), CONTROL_ERROR_UNKNOWN_METHOD, "method", "", "describe",
	  true },
	{ PARAMS("status", "[]"), CONTROL_ERROR_BAD_PARAMS, "params", "a list", "by name", true },
	{ PARAMS("status", "{\"a\":1}"), CONTROL_ERROR_BAD_PARAMS, "params.a", "no parameter",
	  "takes none", true },
	{ PARAMS("stop", "{\"deadline\":1}"), CONTROL_ERROR_BAD_PARAMS, "params.deadline",
	  "no parameter", "deadline_ms", true },
	{ PARAMS("stop", "{\"deadline_ms\":0}"), CONTROL_ERROR_BAD_PARAMS, "params.deadline_ms",
	  "out of bounds", "from 1 to 3600000", true },
	{ PARAMS("stop", "{\"deadline_ms\":3600001}"), CONTROL_ERROR_BAD_PARAMS,
	  "params.deadline_ms", "out of bounds", "", true },
	{ PARAMS("stop", "{\"deadline_ms\":-1}"), CONTROL_ERROR_BAD_PARAMS, "params.deadline_ms",
	  "is -1", "", true },
	{ PARAMS("stop", "{\"deadline_ms\":\"5\"}"), CONTROL_ERROR_BAD_PARAMS, "params.deadline_ms",
	  "a text", "whole number", true },
	{ PARAMS("stop", "{\"deadline_ms\":null}"), CONTROL_ERROR_BAD_PARAMS, "params.deadline_ms",
	  "null", "", true },
	{ PARAMS("stop", "{\"deadline_ms\":99999999999999999999}"), CONTROL_ERROR_PARSE, "",
	  "too big", "", false },
	{ PARAMS("migrate", "{\"operator\":\"a\",\"lcore\":1}"), CONTROL_ERROR_BAD_PARAMS,
	  "params.slice", "is missing", "cannot do without", true },
	{ CALL("\"method\":\"migrate\""), CONTROL_ERROR_BAD_PARAMS, "params.operator", "is missing",
	  "describe", true },
	{ PARAMS("rebalance", "{\"dry_run\":1}"), CONTROL_ERROR_BAD_PARAMS, "params.dry_run",
	  "a whole number", "true or false", true },
	{ PARAMS("stats", "{\"operator\":true}"), CONTROL_ERROR_BAD_PARAMS, "params.operator",
	  "true or false", "a text", true },
	{ PARAMS("stats",
	         "{\"operator\":\"0123456789012345678901234567890123456789012345678901234567890123"
	         "\"}"),
	  CONTROL_ERROR_BAD_PARAMS, "params.operator", "too long", "63 bytes", true },
	{ PARAMS("subscribe", "{\"events\":\"probe\"}"), CONTROL_ERROR_BAD_PARAMS, "params.events",
	  "a text", "a list", true },
	{ PARAMS("subscribe", "{\"events\":[\"prob\"]}"), CONTROL_ERROR_BAD_PARAMS, "params.events",
	  "\"prob\"", "\"probe\"", true },
	{ PARAMS("subscribe", "{\"events\":[1]}"), CONTROL_ERROR_BAD_PARAMS, "params.events", "",
	  "probe", true },
};

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rpc_call call;
		struct rpc_error error;

		if (rpc_decode(bad[i].line, strlen(bad[i].line), &call, &error)) {
			fail_msg("%s is taken", bad[i].line);
		}
		if (error.code != bad[i].code || strcmp(error.field, bad[i].field) != 0 ||
		    strstr(error.message, bad[i].says) == NULL ||
		    strstr(error.hint, bad[i].hints) == NULL) {
			fail_msg("%s: %d, %s: %s; %s", bad[i].line, (int)error.code, error.field,
			         error.message, error.hint);
		}
		assert_int_equal(call.id != NULL, bad[i].has_id);
		rpc_call_free(&call);
	}
}

/* The tables and the schema tell the same. */
static void
test_schema(void **state)
{
	json_t *schema = json_loads(control_schema, 0, NULL);
	const json_t *methods = json_object_get(schema, "methods");
	const json_t *method;
	size_t i;

	(void)state;
	assert_non_null(schema);
	assert_int_equal(json_array_size(methods), CONTROL_METHOD_COUNT);
	json_array_foreach(methods, i, method)
	{
		const char *role = json_string_value(json_object_get(method, "role"));

		assert_string_equal(json_string_value(json_object_get(method, "name")),
		                    control_methods[i].name);
		assert_string_equal(role, control_role_names[control_methods[i].role]);
		assert_int_equal(json_array_size(json_object_get(method, "params")),
		                 control_methods[i].param_count);
	}
	json_decref(schema);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_values),
		cmocka_unit_test(test_required), cmocka_unit_test(test_bad),
		cmocka_unit_test(test_schema),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
