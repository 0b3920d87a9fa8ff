/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/control_peer.c: who gets which role, and grants that are no grants. */
#include "mgmt/control_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void
grant(struct peer_grants *grants, const char *text)
{
	char why[256];

	if (peer_grant_add(grants, text, why) != 0) {
		fail_msg("%s: %s", text, why);
	}
}

static void
test_roles(void **state)
{
	struct peer_grants grants = { 0 };
	struct peer peer = { .uid = 1000, .group = { 5, 6 }, .group_count = 2 };

	(void)state;
	assert_int_equal(peer_role(&peer, &grants, 0), CONTROL_ROLE_NONE);
	assert_int_equal(peer_role(&peer, &grants, 1000), CONTROL_ROLE_DEPLOY);
	grant(&grants, "@6=view");
	grant(&grants, "1001=deploy");
	grant(&grants, "@7=deploy");
	assert_int_equal(peer_role(&peer, &grants, 0), CONTROL_ROLE_VIEW);
	grant(&grants, "1000=operate");
	assert_int_equal(peer_role(&peer, &grants, 0), CONTROL_ROLE_OPERATE);
	/* The number of a user is none of a group. */
	peer.uid = 7;
	assert_int_equal(peer_role(&peer, &grants, 0), CONTROL_ROLE_VIEW);
	peer.uid = 0;
	assert_int_equal(peer_role(&peer, &grants, 1000), CONTROL_ROLE_DEPLOY);
	grant(&grants, "root=view");
	assert_int_equal(grants.grant[4].number, 0);
	assert_false(grants.grant[4].is_group);
}

static void
test_bad_grants(void **state)
{
	static const char *const bad[][2] = {
		{ "alice", "USER=ROLE" },
		{ "0=king", "no role" },
		{ "0=none", "no role" },
		{ "nobody-of-this-name=view", "no user" },
		{ "@no-such-group=view", "no group" },
		{ "=view", "no user" },
		{ "-1=view", "no user" },
		{ "4294967295=view", "no user" },
	};
	struct peer_grants grants = { 0 };
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(peer_grant_add(&grants, bad[i][0], why), 0);
		if (strstr(why, bad[i][1]) == NULL) {
			fail_msg("%s: %s", bad[i][0], why);
		}
	}
	assert_int_not_equal(peer_grant_add(&grants, NULL, why), 0);
	assert_int_equal(grants.count, 0);
	for (uint32_t i = 0; i < PEER_GRANTS_MAX; i++) {
		grant(&grants, "1=view");
	}
	assert_int_not_equal(peer_grant_add(&grants, "1=view", why), 0);
}

/* The kernel tells who it is. */
static void
test_kernel(void **state)
{
	struct peer peer;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(peer_of(pair[0], &peer), 0);
	assert_int_equal(peer.uid, geteuid());
	assert_int_equal(peer.pid, getpid());
	assert_int_equal(peer.group[0], getegid());
	close(pair[0]);
	close(pair[1]);
	assert_true(peer_of(-1, &peer) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_bad_grants),
		cmocka_unit_test(test_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
