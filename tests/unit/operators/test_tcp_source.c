/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_source: rows of several connections, in whatever pieces they come; what is no row. */
#include "tests/unit/operators/fake_env.h"
#include "tests/unit/operators/fake_op.h"
#include "tests/unit/operators/fake_socket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DROP_LINE_TOO_LONG, DROP_COLUMN_COUNT, DROP_BAD_VALUE, DROP_BAD_QUOTES, DROP_BAD_JSON };

struct source {
	struct fake_operator *subject;
	struct lm_op *op;
};

static struct source
source_open(const struct fake_param *params)
{
	struct source s;

	s.subject = fake_configure(fake_class("tcp_source"), params, NULL, 1);
	if (s.subject == NULL) {
		fail_msg("%s: %s", fake_failure.param, fake_failure.message);
	}
	s.op = fake_open(s.subject, 0);
	if (s.op == NULL) {
		fail_msg("%s", fake_failure.message);
	}
	return s;
}

static void
source_close(struct source *s)
{
	fake_close(s->op);
	fake_unconfigure(s->subject);
	assert_int_equal(fake_socket.opened, fake_socket.closed);
}

/* Until it has nothing to do. */
static enum lm_poll
poll_all(struct source *s)
{
	enum lm_poll result;

	while ((result = fake_poll(s->op)) == LM_POLL_BUSY) {
	}
	return result;
}

/* In whatever row. */
static void
source_has(const struct source *s, const char *wanted)
{
	char text[64];

	for (uint64_t row = 0; row < s->op->output[0].rows; row++) {
		fake_output_text(s->op, 0, row, text, sizeof(text));
		if (strcmp(text, wanted) == 0) {
			return;
		}
	}
	fail_msg("no row %s", wanted);
}

static int
setup(void **state)
{
	(void)state;
	fake_env_reset();
	fake_socket_reset();
	return 0;
}

static void
test_lines(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" },
		                       { "listen", NULL, "true" },
		                       { "ends", NULL, "closed" },
		                       { 0 } };

	(void)state;
	for (uint32_t receive_max = 1; receive_max < 20; receive_max++) {
		struct source s = source_open(params);
		struct fake_peer *one = fake_peer_connect(), *two = fake_peer_connect();

		fake_socket.receive_max = receive_max;
		fake_peer_send(one, "first\nsecond\r\nwithout end");
		fake_peer_send(two, "\xef\xbb\xbfof another\n");
		assert_int_equal(poll_all(&s), LM_POLL_IDLE);
		assert_int_equal(s.op->output[0].rows, 3);
		assert_int_equal(fake_socket.opened, 3);
		fake_peer_close(one, 0);
		assert_int_equal(poll_all(&s), LM_POLL_IDLE);
		assert_int_equal(s.op->output[0].rows, 4);
		fake_expect(s.op, 0, 3, "without end");
		source_has(&s, "of another");
		fake_peer_close(two, 0);
		assert_int_equal(poll_all(&s), LM_POLL_END);
		assert_int_equal(s.op->gauge[0], 25 + 14);
		assert_int_equal(s.op->gauge[1], 2);
		source_close(&s);
		fake_socket_reset();
	}
}

static void
test_columns(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" },
		                       { "listen", NULL, "true" },
		                       { "format", NULL, "csv" },
		                       { "fields", "k", "u64" },
		                       { "fields", "w", "string" },
		                       { "header", NULL, "true" },
		                       { 0 } };
	struct source s = source_open(params);
	struct fake_peer *one = fake_peer_connect(), *two = fake_peer_connect();

	(void)state;
	/* Each has its own order of columns; one has none of them. */
	fake_peer_send(one, "k,w\n1,a\n");
	fake_peer_send(two, "w,x,k\n\"b\nb\",-,2\nx,y,z\n1\n");
	assert_int_equal(poll_all(&s), LM_POLL_IDLE);
	fake_expect(s.op, 0, 0, "1|a");
	fake_expect(s.op, 0, 1, "2|b\nb");
	assert_int_equal(s.op->drops[DROP_BAD_VALUE], 1);
	assert_int_equal(s.op->drops[DROP_COLUMN_COUNT], 1);
	fake_peer_send(fake_peer_connect(), "q,w\n1,2\n");
	assert_int_equal(poll_all(&s), LM_POLL_IDLE);
	assert_non_null(strstr(s.op->error, "the header has no column \"k\""));
	assert_int_equal(s.op->output[0].rows, 2);
	assert_int_equal(fake_socket.closed, 1);
	source_close(&s);
}

static void
test_json(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" },      { "listen", NULL, "true" },
		                       { "format", NULL, "jsonl" },   { "fields", "k", "u64 = 7" },
		                       { "fields", "at", "time ms" }, { "fields", "w", "string" },
		                       { "time", NULL, "at" },        { 0 } };
	struct source s = source_open(params);
	struct fake_peer *peer = fake_peer_connect();

	(void)state;
	fake_peer_send(peer, "{\"w\":\"x\\ty\",\"k\":1,\"at\":5}\n\n{\"at\":9}\n{\"at\":\"x\"}\n"
	                     "{\"at\":8\n[]\n{\"at\":1}");
	assert_int_equal(poll_all(&s), LM_POLL_IDLE);
	assert_int_equal(s.op->output[0].rows, 2);
	fake_expect(s.op, 0, 0, "5000000|1|x\ty");
	fake_expect(s.op, 0, 1, "9000000|7|");
	assert_int_equal(s.op->watermark_ns, 9000000 - 1);
	assert_int_equal(s.op->drops[DROP_BAD_VALUE], 1);
	assert_int_equal(s.op->drops[DROP_BAD_JSON], 2);
	/* A line that was cut off is no row. */
	fake_peer_close(peer, ECONNRESET);
	assert_int_equal(poll_all(&s), LM_POLL_IDLE);
	assert_int_equal(s.op->output[0].rows, 2);
	assert_int_equal(fake_socket.closed, 1);
	source_close(&s);
}

/* Batches whose strings are full, lines longer than allowed, more peers than places. */
static void
test_bounds(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" },     { "listen", NULL, "true" },
		                       { "ends", NULL, "closed" },   { "line_max", NULL, "1000" },
		                       { "connections", NULL, "2" }, { 0 } };
	struct source s = source_open(params);
	struct fake_peer *peer[3];
	char line[1103];
	uint64_t seen[3] = { 0 };

	(void)state;
	for (uint32_t p = 0; p < 3; p++) {
		peer[p] = fake_peer_connect();
		for (uint32_t i = 0; i < 1500; i++) {
			uint32_t length = i % 100 == 7 ? 1100 : 500 + i % 501;

			memset(line, 'a' + (int)p, length);
			line[length] = '\n';
			line[length + 1] = '\0';
			fake_peer_send(peer[p], line);
		}
		fake_peer_close(peer[p], 0);
	}
	assert_int_equal(poll_all(&s), LM_POLL_END);
	assert_int_equal(s.op->output[0].rows + s.op->drops[DROP_LINE_TOO_LONG], 4500);
	assert_int_equal(s.op->drops[DROP_LINE_TOO_LONG], 45);
	for (uint64_t row = 0; row < s.op->output[0].rows; row++) {
		uint32_t index;
		const struct lm_batch *batch = fake_output_row(s.op, 0, row, &index);
		const uint32_t *offsets = lm_batch_offsets(batch, 0);
		char first = lm_batch_bytes(batch, 0)[offsets[index]];
		uint32_t p = (uint32_t)(first - 'a');
		uint64_t number = seen[p] + seen[p] / 99 + (seen[p] % 99 >= 7);

		assert_in_range(p, 0, 2);
		assert_int_equal(offsets[index + 1] - offsets[index], 500 + number % 501);
		seen[p]++;
	}
	source_close(&s);
}

/* The last line of one that has closed waits while the lines of others fill batch after batch. */
static void
test_last_line_waits(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" },
		                       { "listen", NULL, "true" },
		                       { "ends", NULL, "closed" },
		                       { 0 } };
	struct source s = source_open(params);
	struct fake_peer *peer[4];
	char *line = malloc(65536 + 2);

	(void)state;
	assert_non_null(line);
	memset(line, 'w', 65536);
	memcpy(line + 65536, "\n", 2);
	for (uint32_t p = 0; p < 4; p++) {
		peer[p] = fake_peer_connect();
		for (uint32_t i = 0; p < 3 && i < 8; i++) {
			fake_peer_send(peer[p], line);
		}
	}
	fake_peer_send(peer[3], "without end");
	for (uint32_t p = 0; p < 4; p++) {
		fake_peer_close(peer[p], 0);
	}
	assert_int_equal(poll_all(&s), LM_POLL_END);
	assert_int_equal(s.op->output[0].rows, 25);
	source_close(&s);
	free(line);
}

static void
test_connects(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" }, { 0 } };
	struct source s;

	(void)state;
	fake_socket.refuse = ECONNREFUSED;
	s = source_open(params);
	assert_int_equal(poll_all(&s), LM_POLL_IDLE);
	assert_non_null(strstr(s.op->error, "Connection refused"));
	fake_socket.refuse = 0;
	s.op->now_ns += 100000000;
	assert_int_equal(poll_all(&s), LM_POLL_IDLE);
	fake_peer_send(fake_peer_last(), "one\n");
	fake_peer_close(fake_peer_last(), 0);
	assert_int_equal(poll_all(&s), LM_POLL_IDLE);
	s.op->now_ns += 300000000;
	assert_int_equal(poll_all(&s), LM_POLL_IDLE);
	fake_peer_send(fake_peer_last(), "two\n");
	assert_int_equal(poll_all(&s), LM_POLL_IDLE);
	fake_expect(s.op, 0, 1, "two");
	assert_int_equal(s.op->gauge[1], 2);
	/* Nothing comes: others need not wait for its event time; said once. */
	assert_int_equal(s.op->idle_count, 0);
	s.op->now_ns += 1000000000;
	assert_int_equal(poll_all(&s), LM_POLL_IDLE);
	assert_int_equal(poll_all(&s), LM_POLL_IDLE);
	assert_int_equal(s.op->idle_count, 1);
	source_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_lines, setup),
		cmocka_unit_test_setup(test_columns, setup),
		cmocka_unit_test_setup(test_json, setup),
		cmocka_unit_test_setup(test_bounds, setup),
		cmocka_unit_test_setup(test_last_line_waits, setup),
		cmocka_unit_test_setup(test_connects, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
