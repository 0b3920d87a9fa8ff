/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_sink: what goes over the wire, what is sent again, when the stream waits, what is dropped. */
#include "tests/unit/operators/fake_op.h"
#include "tests/unit/operators/fake_socket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lm_serial.h"
#include "tests/unit/operators/fake_env.h"

enum { DROP_ROW_TOO_LONG, DROP_PEER_SLOW, DROP_PEER_GONE };

/* fake_env's env_random. */
#define RUN "123456789abcdef1"
#define START(behind, next)                                                                        \
	"{\"_control\":\"start\",\"sink\":\"under_test\",\"slice\":0,\"incarnation\":1,"           \
	"\"epoch\":" behind ",\"run\":\"" RUN "\",\"next\":" next "}\n"
#define CONTROL(word, id) "{\"_control\":\"" word "\",\"_id\":\"0-1-" id "\"}\n"

static struct lm_schema schema;

struct sink {
	struct fake_operator *subject;
	struct lm_op *op;
	struct lm_batch *in;
};

static struct sink
sink_open(const struct fake_param *params)
{
	struct sink s;

	s.subject = fake_configure(fake_class("tcp_sink"), params,
	                           &(const struct lm_schema *){ &schema }, 1);
	if (s.subject == NULL) {
		fail_msg("%s: %s", fake_failure.param, fake_failure.message);
	}
	s.op = fake_open(s.subject, 0);
	if (s.op == NULL) {
		fail_msg("%s", fake_failure.message);
	}
	s.in = fake_rows(&schema, (const char *[]){ "1|one", "2|t,wo", NULL });
	return s;
}

static void
sink_close(struct sink *s)
{
	fake_close(s->op);
	fake_unconfigure(s->subject);
	free(s->in);
	assert_int_equal(fake_socket.opened, fake_socket.closed);
}

static void
call(struct lm_op *op, void (*callback)(struct lm_op *op, uint64_t epoch), uint64_t epoch)
{
	op->again = false;
	op->callback = FAKE_RUN;
	op->now_ns += op->turn_ns;
	callback(op, epoch);
	op->callback = FAKE_NONE;
}

/* Once only: whether it asks to be called again. */
static bool
epoch_waits(struct lm_op *op, uint64_t epoch)
{
	call(op, op->subject->class->epoch, epoch);
	return op->again;
}

static bool
process_waits(struct lm_op *op, const struct lm_batch *in)
{
	op->again = false;
	op->callback = FAKE_RUN;
	op->now_ns += op->turn_ns;
	op->subject->class->process(op, in);
	op->callback = FAKE_NONE;
	return op->again;
}

static bool
end_waits(struct lm_op *op)
{
	op->again = false;
	op->callback = FAKE_RUN;
	op->now_ns += op->turn_ns;
	op->subject->class->end(op);
	op->callback = FAKE_NONE;
	return op->again;
}

static void
commit(struct sink *s, uint64_t number)
{
	char bytes[LM_SERIAL_MAX];
	struct lm_writer writer = { .bytes = bytes, .max = sizeof(bytes) };
	struct lm_transaction txn = { .op = "under_test", .bytes = bytes };
	const struct lm_op_class *class = s->subject->class;

	class->prepare(s->op, number, &writer);
	txn.size = writer.size;
	if (writer.size > 0) {
		assert_int_equal(class->secure(s->subject->config, &txn), 0);
		assert_int_equal(class->commit(s->subject->config, &txn), 0);
	}
}

static int
setup(void **state)
{
	(void)state;
	fake_env_reset();
	fake_socket_reset();
	schema = fake_schema("k:u64 word:string");
	return 0;
}

static void
test_plain(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" },
		                       { "mode", NULL, "plain" },
		                       { "format", NULL, "csv" },
		                       { "header", NULL, "true" },
		                       { 0 } };
	struct sink s = sink_open(params);

	(void)state;
	fake_process(s.op, s.in);
	fake_peer_expect(fake_peer_last(), "k,word\n1,one\n2,\"t,wo\"\n");
	assert_int_equal(s.op->absorbed, 2);
	/* It breaks in the middle of a line: that one comes again, whole. */
	fake_socket.send_budget = 3;
	fake_process(s.op, s.in);
	fake_peer_expect(fake_peer_last(), "1,o");
	assert_int_equal(s.op->absorbed, 2);
	fake_peer_close(fake_peer_last(), ECONNRESET);
	fake_advance(s.op, 10000000);
	assert_non_null(strstr(s.op->error, "Connection reset by peer"));
	fake_socket.send_budget = -1;
	fake_advance(s.op, 60000000);
	fake_peer_expect(fake_peer_last(), "k,word\n1,one\n2,\"t,wo\"\n");
	fake_end(s.op);
	assert_int_equal(s.op->absorbed, 4);
	commit(&s, 1);
	sink_close(&s);
	assert_int_equal(fake_socket.connects, 2);
}

static void
test_eager(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" }, { 0 } };
	struct sink s = sink_open(params);
	struct fake_peer *peer;

	(void)state;
	fake_socket.send_max = 7;
	fake_process(s.op, s.in);
	peer = fake_peer_last();
	fake_peer_expect(peer, START("0", "1") "{\"_id\":\"0-1-0-1\",\"k\":1,\"word\":\"one\"}\n"
	                                       "{\"_id\":\"0-1-0-2\",\"k\":2,\"word\":\"t,wo\"}\n");
	assert_int_equal(s.op->absorbed, 0);
	fake_peer_send(peer, "ack 1\na");
	fake_advance(s.op, 10000000);
	assert_int_equal(s.op->absorbed, 1);
	fake_peer_send(peer, "ck 2\r\n");
	fake_advance(s.op, 10000000);
	assert_int_equal(s.op->absorbed, 2);
	/* An epoch: its line is waited for, rows behind it belong to it. */
	assert_true(epoch_waits(s.op, 7));
	fake_peer_expect(peer, CONTROL("epoch", "7-3"));
	assert_true(epoch_waits(s.op, 7));
	fake_peer_expect(peer, "");
	fake_peer_send(peer, "ack 3\n");
	assert_false(epoch_waits(s.op, 7));
	commit(&s, 7);
	fake_process(s.op, s.in);
	fake_peer_expect(peer, "{\"_id\":\"0-1-7-4\",\"k\":1,\"word\":\"one\"}\n"
	                       "{\"_id\":\"0-1-7-5\",\"k\":2,\"word\":\"t,wo\"}\n"
	                       "{\"_control\":\"durable\",\"_id\":\"0-1-7-6\",\"epoch\":7}\n");
	/* Another connection: what was not acknowledged comes again. */
	fake_peer_send(peer, "ack 4\n");
	fake_peer_close(peer, 0);
	fake_advance(s.op, 200000000);
	assert_true(fake_peer_last() != peer);
	assert_false(fake_peer_is_open(peer));
	peer = fake_peer_last();
	fake_peer_expect(
	    peer, START("0", "5") "{\"_id\":\"0-1-7-5\",\"k\":2,\"word\":\"t,wo\"}\n"
				  "{\"_control\":\"durable\",\"_id\":\"0-1-7-6\",\"epoch\":7}\n");
	/* The end is waited for. */
	assert_true(end_waits(s.op));
	fake_peer_expect(peer, CONTROL("end", "7-7"));
	fake_peer_send(peer, "ack 7\n");
	assert_false(end_waits(s.op));
	commit(&s, 8);
	fake_peer_send(peer, "ack complete\n");
	fake_close(s.op);
	fake_peer_expect(peer, "{\"_control\":\"complete\",\"sink\":\"under_test\",\"slice\":0,"
	                       "\"incarnation\":1}\n");
	fake_unconfigure(s.subject);
	free(s.in);
}

static void
test_goes_on(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" }, { "format", NULL, "csv" }, { 0 } };
	struct sink s = sink_open(params);
	char bytes[64];
	struct lm_writer writer = { .bytes = bytes, .max = sizeof(bytes) };
	struct lm_reader reader = { .bytes = bytes };

	(void)state;
	s.op->incarnation = 4;
	lm_write_u64(&writer, 40);
	reader.size = writer.size;
	s.subject->class->deserialize(s.op, &reader, 0);
	assert_false(reader.failed);
	assert_int_equal(reader.at, reader.size);
	fake_process(s.op, s.in);
	fake_peer_expect(fake_peer_last(), "#start,under_test,0,4,40," RUN ",1\n"
	                                   "0-4-40-1,1,one\n0-4-40-2,2,\"t,wo\"\n");
	assert_true(epoch_waits(s.op, 45));
	fake_peer_send(fake_peer_last(), "ack 3\n");
	assert_false(epoch_waits(s.op, 45));
	writer.size = 0;
	s.subject->class->serialize(s.op, &writer);
	assert_int_equal(*(uint64_t *)(void *)bytes, 45);
	/* Suspended: what has become durable is said at the end. */
	commit(&s, 45);
	sink_close(&s);
	fake_peer_expect(fake_peer_last(), "#epoch,0-4-45-3\n#durable,0-4-45-4,45\n");
}

static void
test_no_snapshots(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" }, { 0 } };
	struct sink s = sink_open(params);

	(void)state;
	s.op->incarnation = 0;
	assert_false(epoch_waits(s.op, 1));
	assert_true(end_waits(s.op));
	fake_peer_send(fake_peer_last(), "ack 2\n");
	assert_false(end_waits(s.op));
	sink_close(&s);
}

/* The peer is not there, or does not read: the slice waits, and nothing is lost. */
static void
test_waits(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" },
		                       { "buffer", NULL, "128KiB" },
		                       { "listen", NULL, "true" },
		                       { 0 } };
	struct sink s = sink_open(params);
	struct fake_peer *peer;
	uint32_t turns = 0, rows = 0;
	char ack[32];

	(void)state;
	while (!process_waits(s.op, s.in)) {
		rows += 2;
		assert_true(++turns < 10000);
	}
	assert_true(process_waits(s.op, s.in));
	assert_int_equal(s.op->absorbed, 0);
	peer = fake_peer_connect();
	assert_true(process_waits(s.op, s.in));
	assert_non_null(strstr(fake_peer_got(peer), "\"next\":1}"));
	snprintf(ack, sizeof(ack), "ack %u\n", rows);
	fake_peer_send(peer, ack);
	assert_true(process_waits(s.op, s.in) == false || process_waits(s.op, s.in) == false);
	assert_int_equal(s.op->absorbed, rows);
	s.op->rows_in = rows + 2;
	fake_peer_close(peer, 0);
	fake_advance(s.op, 10000000);
	/* Who comes next gets the rest. */
	peer = fake_peer_connect();
	fake_advance(s.op, 200000000);
	assert_non_null(strstr(fake_peer_got(peer), "\"word\":\"t,wo\""));
	snprintf(ack, sizeof(ack), "ack %u\n", rows + 3);
	assert_true(end_waits(s.op));
	fake_peer_send(peer, ack);
	assert_false(end_waits(s.op));
	assert_int_equal(s.op->absorbed, rows + 2);
	sink_close(&s);
}

static void
test_drops(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" },
		                       { "buffer", NULL, "128KiB" },
		                       { "when_slow", NULL, "drop" },
		                       { 0 } };
	struct sink s = sink_open(params);
	uint64_t gone;

	(void)state;
	fake_socket.send_budget = 0;
	for (uint32_t i = 0; i < 3000; i++) {
		fake_process(s.op, s.in);
	}
	assert_true(s.op->drops[DROP_PEER_SLOW] > 1000);
	fake_peer_close(fake_peer_last(), EPIPE);
	fake_socket.refuse = ECONNREFUSED;
	fake_process(s.op, s.in);
	fake_process(s.op, s.in);
	gone = s.op->drops[DROP_PEER_GONE];
	assert_in_range(gone, 2, 4);
	assert_false(epoch_waits(s.op, 2));
	/* It waits for a while at its end. */
	assert_true(end_waits(s.op));
	s.op->now_ns += 4000000000;
	assert_true(end_waits(s.op));
	s.op->now_ns += 1100000000;
	assert_false(end_waits(s.op));
	assert_int_equal(s.op->drops[DROP_PEER_SLOW] + s.op->drops[DROP_PEER_GONE], 6004);
	sink_close(&s);
}

static void
test_long_rows(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" }, { 0 } };
	struct lm_schema wide = fake_schema("word:string:100000");
	struct lm_batch *in = fake_batch(&wide);
	char *word = malloc(70001);
	struct sink s;

	(void)state;
	schema = wide;
	s.subject = fake_configure(fake_class("tcp_sink"), params,
	                           &(const struct lm_schema *){ &schema }, 1);
	s.op = fake_open(s.subject, 0);
	s.in = in;
	memset(word, 'w', 70000);
	word[70000] = '\0';
	assert_true(fake_add(in, word));
	assert_true(fake_add(in, "short"));
	fake_process(s.op, in);
	assert_int_equal(s.op->drops[DROP_ROW_TOO_LONG], 1);
	assert_non_null(strstr(fake_peer_got(fake_peer_last()), "\"word\":\"short\"}\n"));
	fake_peer_send(fake_peer_last(), "ack 1\n");
	fake_advance(s.op, 10000000);
	sink_close(&s);
	free(word);
}

/* Answers that make no sense: the connection is given up. */
static void
test_bad_answers(void **state)
{
	static const char *const bad[] = {
		"ack 3\n",
		"ack\n",
		"ack x\n",
		"nack 1\n",
		"HTTP/1.1 400 Bad Request\r\n",
		"ack 18446744073709551615\n",
		"0123456789012345678901234567890123456789012345678901234567890123456789"
	};
	struct fake_param params[] = { { "port", NULL, "9000" }, { 0 } };

	(void)state;
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sink s = sink_open(params);
		struct fake_peer *peer;

		fake_process(s.op, s.in);
		peer = fake_peer_last();
		fake_peer_send(peer, bad[i]);
		fake_advance(s.op, 10000000);
		if (fake_peer_is_open(peer)) {
			fail_msg("%s was taken", bad[i]);
		}
		fake_advance(s.op, 1000000000);
		fake_peer_send(fake_peer_last(), "ack 2\n");
		fake_advance(s.op, 10000000);
		sink_close(&s);
		fake_socket_reset();
	}
}

/* Connecting again takes its time, and ever more. */
static void
test_back_off(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" }, { "mode", NULL, "plain" }, { 0 } };
	struct sink s = sink_open(params);

	(void)state;
	fake_socket.refuse = ECONNREFUSED;
	fake_advance(s.op, 1000000000);
	assert_in_range(fake_socket.connects, 4, 6);
	assert_non_null(strstr(s.op->error, "127.0.0.1 port 9000: Connection refused"));
	fake_advance(s.op, 60000000000);
	assert_in_range(fake_socket.connects, 14, 20);
	/* One that never answers is given up, too. */
	fake_socket.refuse = 0;
	fake_socket.is_pending = true;
	fake_advance(s.op, 16000000000);
	assert_non_null(strstr(s.op->error, "timed out"));
	fake_socket.is_pending = false;
	fake_advance(s.op, 6000000000);
	assert_int_equal(s.op->gauge[1], 1);
	fake_end(s.op);
	sink_close(&s);
}

static void
test_mistakes(void **state)
{
	struct fake_param params[] = {
		{ "port", NULL, "65535" }, { "listen", NULL, "true" }, { 0 }, { 0 }
	};
	const struct lm_schema *input = &schema;
	struct fake_operator *subject;

	(void)state;
	assert_null(fake_configure(fake_class("tcp_sink"), params, &input, 2));
	assert_string_equal(fake_failure.param, "port");
	subject = fake_configure(fake_class("tcp_sink"), params, &input, 1);
	fake_socket.refuse = EADDRINUSE;
	assert_null(fake_open(subject, 0));
	assert_non_null(strstr(fake_failure.message, "cannot listen on 127.0.0.1 port 65535"));
	fake_unconfigure(subject);
	params[2] = (struct fake_param){ "host", NULL, "nowhere" };
	subject = fake_configure(fake_class("tcp_sink"), params, &input, 1);
	assert_null(fake_open(subject, 0));
	assert_non_null(strstr(fake_failure.message, "no address is known for the host nowhere"));
	fake_unconfigure(subject);
}

/* The job had ended: a slice that was never called tells its peer. */
static void
test_had_ended(void **state)
{
	struct fake_param params[] = { { "port", NULL, "9000" }, { 0 } };
	struct sink s = sink_open(params);

	(void)state;
	s.op->had_ended = true;
	sink_close(&s);
	fake_peer_expect(fake_peer_last(), "{\"_control\":\"complete\",\"sink\":\"under_test\","
	                                   "\"slice\":0,\"incarnation\":1}\n");
	assert_int_equal(fake_socket.connects, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_plain, setup),
		cmocka_unit_test_setup(test_eager, setup),
		cmocka_unit_test_setup(test_goes_on, setup),
		cmocka_unit_test_setup(test_no_snapshots, setup),
		cmocka_unit_test_setup(test_waits, setup),
		cmocka_unit_test_setup(test_drops, setup),
		cmocka_unit_test_setup(test_long_rows, setup),
		cmocka_unit_test_setup(test_bad_answers, setup),
		cmocka_unit_test_setup(test_back_off, setup),
		cmocka_unit_test_setup(test_mistakes, setup),
		cmocka_unit_test_setup(test_had_ended, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
