/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/control_ask.c: which methods are actions, and what their parameters become. */
#include "mgmt/control_ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct rpc_call
call(const char *method, const char *params)
{
	struct rpc_error error;
	struct rpc_call call;
	char line[400];

	snprintf(line, sizeof(line),
	         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method, params);
	if (!rpc_decode(line, strlen(line), &call, &error)) {
		fail_msg("%s: %s", line, error.message);
	}
	rpc_call_free(&call);
	return call;
}

/* Every kind of action is a method, with a deadline. */
static void
test_all_kinds(void **state)
{
	(void)state;
	for (enum action_kind kind = 0; kind < ACTION_KIND_COUNT; kind++) {
		static const char *const params[ACTION_KIND_COUNT] = {
			[ACTION_MIGRATE] =
			    "{\"operator\":\"a\",\"slice\":0,\"lcore\":1,\"deadline_ms\":9}",
			[ACTION_RESCALE] = "{\"operator\":\"a\",\"slices\":2,\"deadline_ms\":9}",
			[ACTION_APPLY] = "{\"file\":\"a\",\"deadline_ms\":9}",
		};
		struct action_ask ask;
		struct rpc_call made =
		    call(action_kind_text(kind),
		         params[kind] == NULL ? "{\"deadline_ms\":9}" : params[kind]);

		assert_true(control_ask(&made, 5, &ask));
		assert_int_equal(ask.kind, kind);
		assert_int_equal(ask.uid, 5);
		assert_int_equal(ask.limit_ns, 9000000);
	}
}

static void
test_arguments(void **state)
{
	struct rpc_call made =
	    call("migrate", "{\"operator\":\"sums\",\"slice\":1,\"lcore\":65535}");
	struct action_ask ask;

	(void)state;
	assert_true(control_ask(&made, 0, &ask));
	assert_string_equal(ask.args.operator, "sums");
	assert_int_equal(ask.args.slice, 1);
	assert_int_equal(ask.args.lcore, 65535);
	assert_string_equal(ask.what, "sums/1 to lcore 65535");
	made = call("rebalance", "{\"dry_run\":true}");
	assert_true(control_ask(&made, 0, &ask));
	assert_true(ask.args.is_dry);
	assert_string_equal(ask.what, "dry run");
	made = call("rebalance", "{}");
	assert_true(control_ask(&made, 0, &ask));
	assert_false(ask.args.is_dry);
	made = call("rescale", "{\"operator\":\"sums\",\"slices\":256}");
	assert_true(control_ask(&made, 0, &ask));
	assert_string_equal(ask.args.operator, "sums");
	assert_int_equal(ask.args.slices, 256);
	assert_string_equal(ask.what, "sums to 256 slices");
	made = call("apply", "{\"file\":\"/a/b.yaml\",\"drop_state\":\"x,y\",\"dry_run\":true}");
	assert_true(control_ask(&made, 0, &ask));
	assert_string_equal(ask.args.file, "/a/b.yaml");
	assert_string_equal(ask.args.drop_state, "x,y");
	assert_true(ask.args.is_dry);
	assert_string_equal(ask.what, "/a/b.yaml, dry run");
	made = call("stats", "{\"operator\":\"sums\"}");
	assert_false(control_ask(&made, 0, &ask));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_kinds),
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
