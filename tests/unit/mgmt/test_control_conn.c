/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/control_conn.c: lines out of bytes however they are cut, and bounds on both sides. */
#include "mgmt/control_conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mgmt/rpc_decode.h"

/* Gives bytes in pieces; returns how many fitted. */
static void
give(struct conn *conn, const char *bytes, size_t size)
{
	size_t room;
	char *to = conn_room(conn, &room);

	assert_true(room >= size);
	memcpy(to, bytes, size);
	conn_filled(conn, size);
}

static void
expect(struct conn *conn, const char *wanted)
{
	const char *line;
	size_t size;

	assert_int_equal(conn_line(conn, &line, &size), CONN_LINE);
	assert_int_equal(size, strlen(wanted));
	assert_memory_equal(line, wanted, size);
}

static void
expect_none(struct conn *conn)
{
	const char *line;
	size_t size;

	assert_int_equal(conn_line(conn, &line, &size), CONN_NONE);
}

static void
test_lines(void **state)
{
	static const char text[] = "first\n\nthird one\n";
	struct conn conn;

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		assert_int_equal(conn_init(&conn), 0);
		give(&conn, text, cut);
		give(&conn, text + cut, sizeof(text) - 1 - cut);
		expect(&conn, "first");
		expect(&conn, "");
		expect(&conn, "third one");
		expect_none(&conn);
		conn_free(&conn);
	}
}

/* The longest that is taken, one more that is not, and what comes behind it. */
static void
test_longest(void **state)
{
	char *bytes = malloc(RPC_LINE_MAX);
	const char *line;
	struct conn conn;
	size_t size;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 'x', RPC_LINE_MAX);
	assert_int_equal(conn_init(&conn), 0);
	bytes[RPC_LINE_MAX - 1] = '\n';
	give(&conn, bytes, RPC_LINE_MAX);
	assert_int_equal(conn_line(&conn, &line, &size), CONN_LINE);
	assert_int_equal(size, RPC_LINE_MAX - 1);
	bytes[RPC_LINE_MAX - 1] = 'x';
	give(&conn, bytes, RPC_LINE_MAX);
	assert_int_equal(conn_line(&conn, &line, &size), CONN_OVERSIZED);
	/* Said once, however long it goes on. */
	for (uint32_t i = 0; i < 3; i++) {
		expect_none(&conn);
		give(&conn, bytes, RPC_LINE_MAX);
	}
	expect_none(&conn);
	give(&conn, "rest\nnext\nhal", 13);
	expect(&conn, "next");
	expect_none(&conn);
	give(&conn, "f\n", 2);
	expect(&conn, "half");
	conn_free(&conn);
	free(bytes);
}

static void
test_out(void **state)
{
	const uint32_t piece = 100000;
	char *text = calloc(1, piece);
	struct conn conn;
	size_t size, put = 0;

	(void)state;
	assert_non_null(text);
	assert_int_equal(conn_init(&conn), 0);
	while (conn_put(&conn, text, piece)) {
		put += piece;
	}
	assert_true(put <= CONN_OUT_MAX && put + piece > CONN_OUT_MAX);
	conn_waiting(&conn, &size);
	assert_int_equal(size, put);
	conn_sent(&conn, piece + 1);
	assert_true(conn_put(&conn, "abc", 3));
	conn_waiting(&conn, &size);
	assert_int_equal(size, put - piece - 1 + 3);
	conn_sent(&conn, size - 3);
	assert_memory_equal(conn_waiting(&conn, &size), "abc", 3);
	conn_sent(&conn, 3);
	conn_waiting(&conn, &size);
	assert_int_equal(size, 0);
	/* An idle one keeps little. */
	assert_int_equal(conn.out_size, 0);
	conn_free(&conn);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
