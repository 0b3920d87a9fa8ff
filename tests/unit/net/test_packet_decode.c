/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of net/packet_decode.c: columns, drops by name, selections, what is wrong with parameters.
 */
#include "tests/unit/operators/fake_op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/decode.h"
#include "tests/unit/net/frame_builder.h"

#define INPUT_SCHEMA "time:time frame:frame queue:u16"

static struct fake_operator *
configure(const struct fake_param *params, const struct lm_schema *schema)
{
	const struct lm_schema *inputs[] = { schema };

	return fake_configure(fake_class("packet_decode"), params, inputs, 1);
}

static struct fake_operator *
must_configure(const struct fake_param *params, const struct lm_schema *schema)
{
	struct fake_operator *subject = configure(params, schema);

	if (subject == NULL) {
		fail_msg("%s: %s", fake_failure.param, fake_failure.message);
	}
	return subject;
}

/* Adds a row; the frame is copied to a block of its own, freed by free_frames. */
static void
add_frame(struct lm_batch *batch, const struct frame *frame, int64_t time_ns)
{
	uint8_t *copy = malloc(frame->size + 1);

	assert_non_null(copy);
	memcpy(copy, frame->byte, frame->size);
	lm_batch_i64(batch, 0)[batch->count] = time_ns;
	lm_batch_frame(batch, 1)[batch->count] =
	    (struct lm_frame){ .data = copy, .contiguous = frame->size, .length = frame->size };
	lm_batch_u16(batch, 2)[batch->count] = 0;
	batch->count++;
}

static void
free_frames(struct lm_batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		free((void *)(uintptr_t)lm_batch_frame(batch, 1)[i].data);
	}
	free(batch);
}

static void
test_default_columns(void **state)
{
	static const struct fake_param params[] = { { 0 } };
	struct lm_schema schema = fake_schema(INPUT_SCHEMA);
	struct lm_schema wanted =
	    fake_schema("time:time length:u32 ip_version:u8 src:ip6 dst:ip6 proto:u8 sport:u16 "
	                "dport:u16");
	struct fake_operator *subject = must_configure(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_batch(&schema);
	struct frame frame = { 0 };

	(void)state;
	assert_true(lm_schema_equal(&subject->output[0], &wanted));
	assert_int_equal(subject->output[0].time_field, 0);
	frame_tcp4(&frame, 4000, 443, 5);
	add_frame(in, &frame, 1000);
	frame.size = 0;
	frame_ethernet(&frame, 0x86dd);
	frame_ip6(&frame, 17, 8);
	frame_udp(&frame, 7, 9, 0);
	add_frame(in, &frame, 2000);
	frame.size = 0;
	frame_ethernet(&frame, 0x88cc);
	add_frame(in, &frame, 3000);
	fake_process(op, in);
	assert_int_equal(op->output[0].rows, 3);
	fake_expect(op, 0, 0, "1000|59|4|::ffff:10.1.2.3|::ffff:192.0.2.77|6|4000|443");
	fake_expect(op, 0, 1, "2000|62|6|2001:db8::1|2001:db8::ff|17|7|9");
	fake_expect(op, 0, 2, "3000|14|0|::|::|0|0|0");
	fake_close(op);
	free_frames(in);
	fake_unconfigure(subject);
}

static void
test_every_column(void **state)
{
	static const struct fake_param params[] = { { "emit", NULL, "anomaly" },
		                                    { "emit", NULL, "tunnel" },
		                                    { "emit", NULL, "payload_length" },
		                                    { "emit", NULL, "ip_length" },
		                                    { "emit", NULL, "fragment" },
		                                    { "emit", NULL, "dscp" },
		                                    { "emit", NULL, "ttl" },
		                                    { "emit", NULL, "icmp_code" },
		                                    { "emit", NULL, "icmp_type" },
		                                    { "emit", NULL, "tcp_seq" },
		                                    { "emit", NULL, "tcp_flags" },
		                                    { "emit", NULL, "dport" },
		                                    { "emit", NULL, "sport" },
		                                    { "emit", NULL, "proto" },
		                                    { "emit", NULL, "dst4" },
		                                    { "emit", NULL, "src4" },
		                                    { "emit", NULL, "dst" },
		                                    { "emit", NULL, "src" },
		                                    { "emit", NULL, "ip_version" },
		                                    { "emit", NULL, "mpls" },
		                                    { "emit", NULL, "vlan" },
		                                    { "emit", NULL, "ethertype" },
		                                    { "emit", NULL, "eth_dst" },
		                                    { "emit", NULL, "eth_src" },
		                                    { "emit", NULL, "length" },
		                                    { "emit", NULL, "time" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema(INPUT_SCHEMA);
	struct fake_operator *subject = must_configure(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_batch(&schema);
	struct frame frame = { 0 };

	(void)state;
	assert_int_equal(subject->output[0].field_count, 26);
	frame_ethernet(&frame, 0x8100);
	frame_vlan(&frame, 5, 0x8847);
	frame_mpls(&frame, 77, 1);
	frame_ip4(&frame, 6, 23);
	frame_tcp(&frame, 4000, 443);
	frame_zeros(&frame, 3);
	add_frame(in, &frame, 1000);
	frame.size = 0;
	frame_ethernet(&frame, 0x0800);
	frame_ip4(&frame, 1, 2);
	frame_16(&frame, 0x0301);
	frame.byte[20] = 0x20;
	add_frame(in, &frame, 2000);
	fake_process(op, in);
	fake_expect(op, 0, 0,
	            "0|0|3|43|false|46|63|0|0|287454020|24|443|4000|6|192.0.2.77|10.1.2.3|"
	            "::ffff:192.0.2.77|::ffff:10.1.2.3|4|77|5|34887|02:00:00:00:00:02|"
	            "02:00:00:00:00:01|65|1000");
	fake_expect(op, 0, 1,
	            "0|0|2|22|true|46|63|1|3|0|0|0|0|1|192.0.2.77|10.1.2.3|"
	            "::ffff:192.0.2.77|::ffff:10.1.2.3|4|0|0|2048|02:00:00:00:00:02|"
	            "02:00:00:00:00:01|36|2000");
	fake_close(op);
	free_frames(in);
	fake_unconfigure(subject);
}

/* The index of a drop reason by its name. */
static uint32_t
drop_index(const char *name)
{
	const char *const *drops = fake_class("packet_decode")->drops;
	uint32_t index = 0;

	while (drops[index] != NULL && strcmp(drops[index], name) != 0) {
		index++;
	}
	assert_non_null(drops[index]);
	return index;
}

/* Fills a batch: row i is good and has port i, except that every fifth is cut and every seventh
 * bad. */
static uint32_t
fill_mixed(struct lm_batch *in, uint32_t count, uint32_t *cut, uint32_t *bad)
{
	uint32_t good = 0;

	*cut = 0;
	*bad = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct frame frame = { 0 };

		frame_tcp4(&frame, i, 443, 0);
		if (i % 5 == 4) {
			frame.size = 13;
			(*cut)++;
		} else if (i % 7 == 6) {
			frame.byte[14] = 0x41;
			(*bad)++;
		} else {
			good++;
		}
		add_frame(in, &frame, 1000 + i);
	}
	return good;
}

static void
test_drops_and_order(void **state)
{
	static const struct fake_param params[] = { { "emit", NULL, "sport" },
		                                    { "emit", NULL, "time" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema(INPUT_SCHEMA);
	struct fake_operator *subject = must_configure(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_batch(&schema);
	uint32_t cut, bad, good = fill_mixed(in, 1000, &cut, &bad), row = 0;

	(void)state;
	fake_process(op, in);
	assert_int_equal(op->output[0].rows, good);
	assert_int_equal(op->drops[drop_index("ethernet_truncated")], cut);
	assert_int_equal(op->drops[drop_index("ipv4_header_length")], bad);
	for (uint32_t i = 0; i < in->count; i++) {
		if (i % 5 != 4 && i % 7 != 6) {
			assert_int_equal(fake_output_u64(op, 0, row, 0), i);
			assert_int_equal(fake_output_u64(op, 0, row, 1), 1000 + i);
			row++;
		}
	}
	fake_close(op);
	free_frames(in);
	fake_unconfigure(subject);
}

static void
test_select(void **state)
{
	static const struct fake_param params[] = { { "emit", NULL, "sport" },
		                                    { "emit", NULL, "time" },
		                                    { 0 } };
	struct lm_schema schema = fake_schema(INPUT_SCHEMA);
	struct fake_operator *subject = must_configure(params, &schema);
	struct lm_op *op = fake_open(subject, 0);
	struct lm_batch *in = fake_batch(&schema);
	static struct lm_select select;
	uint32_t cut, bad, row = 0;

	(void)state;
	fill_mixed(in, 700, &cut, &bad);
	lm_select_begin(&select, in);
	for (uint32_t i = 2; i < 700; i += 3) {
		lm_select_add(&select, i);
	}
	fake_process_select(op, &select);
	for (uint32_t i = 2; i < 700; i += 3) {
		if (i % 5 != 4 && i % 7 != 6) {
			assert_int_equal(fake_output_u64(op, 0, row, 0), i);
			assert_int_equal(fake_output_u64(op, 0, row, 1), 1000 + i);
			row++;
		}
	}
	assert_int_equal(op->output[0].rows, row);
	assert_int_equal(op->drops[drop_index("ethernet_truncated")] +
	                     op->drops[drop_index("ipv4_header_length")],
	                 select.count - row);
	fake_close(op);
	free_frames(in);
	fake_unconfigure(subject);
}

static void
test_inner(void **state)
{
	static const struct fake_param outer[] = { { "emit", NULL, "dport" },
		                                   { "emit", NULL, "tunnel" },
		                                   { 0 } };
	static const struct fake_param inner[] = { { "emit", NULL, "dport" },
		                                   { "emit", NULL, "tunnel" },
		                                   { "inner", NULL, "true" },
		                                   { 0 } };
	const struct fake_param *const both[] = { outer, inner };
	struct lm_schema schema = fake_schema(INPUT_SCHEMA);
	struct lm_batch *in = fake_batch(&schema);
	struct frame frame = { 0 };

	(void)state;
	frame_ethernet(&frame, 0x0800);
	frame_ip4(&frame, 4, 48);
	frame_ip4(&frame, 17, 28);
	frame_udp(&frame, 7, 9, 20);
	frame_zeros(&frame, 20);
	add_frame(in, &frame, 0);
	for (uint32_t i = 0; i < 2; i++) {
		struct fake_operator *subject = must_configure(both[i], &schema);
		struct lm_op *op = fake_open(subject, 0);

		fake_process(op, in);
		fake_expect(op, 0, 0, i == 0 ? "0|0" : "9|1");
		fake_close(op);
		fake_unconfigure(subject);
	}
	free_frames(in);
}

static void
test_bad_setup(void **state)
{
	static const struct fake_param unknown[] = { { "emit", NULL, "src" },
		                                     { "emit", NULL, "dprot" },
		                                     { 0 } };
	static const struct fake_param twice[] = { { "emit", NULL, "src" },
		                                   { "emit", NULL, "src" },
		                                   { 0 } };
	static const struct fake_param none[] = { { 0 } };
	struct lm_schema schema = fake_schema(INPUT_SCHEMA);
	struct lm_schema no_frame = fake_schema("time:time k:u64");
	struct lm_schema no_time = fake_schema("frame:frame k:u64");

	(void)state;
	assert_null(configure(unknown, &schema));
	assert_string_equal(fake_failure.param, "emit");
	assert_int_equal(fake_failure.item, 1);
	assert_string_equal(fake_failure.message, "packets have no column \"dprot\"");
	assert_non_null(strstr(fake_failure.hint, "did you mean \"dport\""));
	assert_null(configure(twice, &schema));
	assert_string_equal(fake_failure.message, "column \"src\" is there twice");
	assert_null(configure(none, &no_frame));
	assert_string_equal(fake_failure.message, "the input has no column of frames");
	assert_null(configure(none, &no_time));
	assert_string_equal(fake_failure.message, "the input has no time");
}

/* The reasons are the decoder's, in its order: lm_op_drop takes an outcome less one. */
static void
test_drop_names(void **state)
{
	const char *const *drops = fake_class("packet_decode")->drops;

	(void)state;
	for (uint32_t i = 1; i < DECODE_OUTCOME_COUNT; i++) {
		assert_string_equal(drops[i - 1], decode_outcome_text((enum decode_outcome)i));
	}
	assert_null(drops[DECODE_OUTCOME_COUNT - 1]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_columns), cmocka_unit_test(test_every_column),
		cmocka_unit_test(test_drops_and_order), cmocka_unit_test(test_select),
		cmocka_unit_test(test_inner),           cmocka_unit_test(test_bad_setup),
		cmocka_unit_test(test_drop_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
