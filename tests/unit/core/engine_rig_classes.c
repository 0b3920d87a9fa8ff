/* SPDX-License-Identifier: BSD-3-Clause */
/* Operator classes of the rig: their behaviour is told by the test, and they tell what reached
 * them. */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/registry.h"
#include "tests/unit/core/engine_rig.h"

static char log_text[1u << 20];
static size_t log_size;
static bool log_rows = true;

static const struct lm_field rig_fields[RIG_FIELDS] = {
	{ "number", LM_U64, 0 },
	{ "key", LM_U64, 0 },
	{ "time", LM_TIME, 0 },
};

const char *
rig_log(void)
{
	return log_text;
}

void
rig_log_clear(void)
{
	log_size = 0;
	log_text[0] = '\0';
}

void
rig_log_rows(bool wanted)
{
	log_rows = wanted;
}

static void
log_put(const char *format, va_list arguments)
{
	int length = vsnprintf(log_text + log_size, sizeof(log_text) - log_size, format, arguments);

	log_size += (size_t)length;
	assert_true(log_size < sizeof(log_text));
}

static void
log_print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_put(format, arguments);
	va_end(arguments);
}

void
rig_log_add(const struct lm_op *op, const char *format, ...)
{
	va_list arguments;

	log_print(lm_op_slices(op) > 1 ? "%s.%u " : "%s ", lm_op_name(op), lm_op_slice(op));
	va_start(arguments, format);
	log_put(format, arguments);
	va_end(arguments);
	log_print("; ");
}

static void
copy_row(struct lm_batch *out, uint32_t to, const struct lm_batch *in, uint32_t from)
{
	for (uint32_t field = 0; field < RIG_FIELDS; field++) {
		lm_batch_u64(out, field)[to] = lm_batch_u64(in, field)[from];
	}
}

static void
emit_copies(struct lm_op *op, const struct lm_batch *in, uint32_t from, uint32_t count)
{
	uint32_t first;
	struct lm_batch *out = lm_op_reserve(op, 0, count, &first);

	for (uint32_t i = 0; i < count; i++) {
		copy_row(out, first + i, in, from + i);
	}
	lm_op_emit(op, 0, count);
}

/* rig_source. */

struct rig_feed *
rig_feed(const struct rig *rig, const char *name, uint32_t slice)
{
	return lm_op_context(rig_slice(rig, name, slice));
}

static int
source_configure(struct lm_setup *setup, void *config)
{
	(void)config;
	return lm_setup_output(setup, 0, rig_fields, RIG_FIELDS);
}

static int
source_open(struct lm_op *op)
{
	struct rig_feed *feed = lm_op_context(op);

	feed->keys = 1;
	feed->watermark = INT64_MIN;
	return 0;
}

static void
source_emit(struct lm_op *op, struct rig_feed *feed, uint32_t count)
{
	uint32_t first;
	struct lm_batch *out = lm_op_reserve(op, 0, count, &first);

	for (uint32_t i = 0; i < count; i++, feed->next++) {
		lm_batch_u64(out, RIG_NUMBER)[first + i] = feed->next;
		lm_batch_u64(out, RIG_KEY)[first + i] = feed->next % feed->keys;
		lm_batch_i64(out, RIG_TIME)[first + i] = (int64_t)feed->next;
	}
	lm_op_emit(op, 0, count);
	if (feed->follow) {
		lm_op_watermark(op, (int64_t)feed->next - 1);
	}
}

static enum lm_poll
source_poll(struct lm_op *op)
{
	struct rig_feed *feed = lm_op_context(op);
	uint64_t left = feed->until - feed->next;
	uint32_t most = feed->per_poll != 0 ? feed->per_poll : lm_op_output_schema(op, 0)->capacity;

	if (left > 0) {
		source_emit(op, feed, left < most ? (uint32_t)left : most);
	}
	if (feed->watermark != INT64_MIN) {
		lm_op_watermark(op, feed->watermark);
		feed->watermark = INT64_MIN;
	}
	if (feed->idle) {
		lm_op_idle(op);
		feed->idle = false;
	}
	if (left > 0) {
		return LM_POLL_BUSY;
	}
	return feed->end ? LM_POLL_END : LM_POLL_IDLE;
}

/* rig_pass, rig_copy, rig_halves, rig_odd. */

static void
pass_process(struct lm_op *op, const struct lm_batch *in)
{
	lm_op_forward(op, in);
}

static void
pass_process_select(struct lm_op *op, const struct lm_select *in)
{
	lm_op_forward_select(op, in);
}

static void
copy_process(struct lm_op *op, const struct lm_batch *in)
{
	emit_copies(op, in, 0, in->count);
}

static void
halves_process(struct lm_op *op, const struct lm_batch *in)
{
	struct lm_select half;

	lm_select_begin(&half, in);
	for (uint32_t row = 0; row < in->count / 2; row++) {
		lm_select_add(&half, row);
	}
	if (half.count > 0) {
		lm_op_forward_select(op, &half);
	}
	emit_copies(op, in, half.count, in->count - half.count);
}

enum { DROP_EVEN };
static const char *const odd_drops[] = { "even", NULL };

static void
odd_process(struct lm_op *op, const struct lm_batch *in)
{
	struct lm_select odd;

	lm_select_begin(&odd, in);
	for (uint32_t row = 0; row < in->count; row++) {
		if (lm_batch_u64(in, RIG_NUMBER)[row] % 2 == 1) {
			lm_select_add(&odd, row);
		}
	}
	lm_op_drop(op, DROP_EVEN, in->count - odd.count);
	if (odd.count > 0) {
		lm_op_forward_select(op, &odd);
	}
}

/* rig_burst. */

struct burst {
	uint32_t row;
	uint64_t copy;
	uint64_t stops;
};

static int
burst_configure(struct lm_setup *setup, void *config)
{
	*(uint64_t *)config = lm_setup_u64(setup, "copies");
	return lm_setup_output_like(setup, 0, lm_setup_input(setup, 0));
}

static void
burst_process(struct lm_op *op, const struct lm_batch *in)
{
	const uint64_t *copies = lm_op_config(op);
	struct burst *burst = lm_op_context(op);

	for (; burst->row < in->count; burst->row++, burst->copy = 0) {
		for (; burst->copy < *copies; burst->copy++) {
			if (lm_op_room(op, 0) == 0) {
				lm_op_again(op);
				return;
			}
			emit_copies(op, in, burst->row, 1);
		}
	}
	burst->row = 0;
	lm_op_absorb(op, in->count);
}

/* rig_sink, rig_select, rig_tap, rig_merge. */

struct sink {
	uint64_t rows;
};

uint64_t
rig_rows(const struct rig *rig, const char *name, uint32_t slice)
{
	return ((const struct sink *)lm_op_context(rig_slice(rig, name, slice)))->rows;
}

static void
log_batch(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows)
{
	uint32_t count = rows == NULL ? in->count : rows->count;
	const uint64_t *number = lm_batch_u64(in, RIG_NUMBER);
	char text[8192];
	size_t used = 0;
	uint64_t first = 0, last = 0;

	((struct sink *)lm_op_context(op))->rows += count;
	if (!log_rows) {
		return;
	}
	for (uint32_t i = 0; i <= count; i++) {
		uint64_t value = i == count ? 0 : number[rows == NULL ? i : rows->row[i]];

		if (i > 0 && i < count && value == last + 1) {
			last = value;
			continue;
		}
		if (i > 0) {
			used += (size_t)snprintf(text + used, sizeof(text) - used,
			                         first == last ? "%s%" PRIu64
			                                       : "%s%" PRIu64 "-%" PRIu64,
			                         used == 0 ? "" : ",", first, last);
			assert_true(used < sizeof(text));
		}
		first = last = value;
	}
	rig_log_add(op, "%s", text);
}

static void
sink_process(struct lm_op *op, const struct lm_batch *in)
{
	log_batch(op, in, NULL);
	lm_op_absorb(op, in->count);
}

static void
sink_process_select(struct lm_op *op, const struct lm_select *in)
{
	log_batch(op, in->batch, in);
	lm_op_absorb(op, in->count);
}

static void
sink_watermark(struct lm_op *op, int64_t time_ns)
{
	rig_log_add(op, "w %" PRId64, time_ns);
}

static void
sink_epoch(struct lm_op *op, uint64_t epoch)
{
	rig_log_add(op, "epoch %" PRIu64, epoch);
}

static void
sink_end(struct lm_op *op)
{
	rig_log_add(op, "end");
}

static void
merge_process(struct lm_op *op, const struct lm_batch *in)
{
	log_batch(op, in, NULL);
	lm_op_forward(op, in);
}

static const char *const port_in[] = { "in", NULL };
static const char *const port_out[] = { "out", NULL };
static const char *const ports_in[] = { "left", "right", NULL };
static const struct lm_param burst_params[] = {
	{ "copies", LM_PARAM_U64, false, "3", 0, 0, NULL, "rows out of one" },
	{ 0 },
};

#define RIG_CLASS(title)                                                                           \
	.abi_version = LM_ABI_VERSION, .name = title, .version = "1", .summary = title

static const struct lm_op_class classes[] = {
	{ RIG_CLASS("rig_source"), .outputs = port_out, .rows = LM_ROWS_SOURCE,
	  .context_size = sizeof(struct rig_feed), .configure = source_configure,
	  .open = source_open, .poll = source_poll },
	{ RIG_CLASS("rig_pass"), .inputs = port_in, .outputs = port_out, .rows = LM_ROWS_PASS,
	  .process = pass_process, .process_select = pass_process_select },
	{ RIG_CLASS("rig_copy"), .flags = LM_OP_RESCALES, .inputs = port_in, .outputs = port_out,
	  .rows = LM_ROWS_PASS, .process = copy_process },
	{ RIG_CLASS("rig_halves"), .inputs = port_in, .outputs = port_out, .rows = LM_ROWS_PASS,
	  .process = halves_process },
	{ RIG_CLASS("rig_odd"), .inputs = port_in, .outputs = port_out, .drops = odd_drops,
	  .rows = LM_ROWS_PASS, .process = odd_process },
	{ RIG_CLASS("rig_burst"), .flags = LM_OP_AMPLIFIES, .params = burst_params,
	  .inputs = port_in, .outputs = port_out, .rows = LM_ROWS_SPLIT,
	  .config_size = sizeof(uint64_t), .context_size = sizeof(struct burst),
	  .configure = burst_configure, .process = burst_process },
	{ RIG_CLASS("rig_sink"), .flags = LM_OP_SINK, .inputs = port_in, .rows = LM_ROWS_ABSORB,
	  .context_size = sizeof(struct sink), .process = sink_process, .watermark = sink_watermark,
	  .epoch = sink_epoch, .end = sink_end },
	{ RIG_CLASS("rig_select"), .flags = LM_OP_SINK, .inputs = port_in, .rows = LM_ROWS_ABSORB,
	  .context_size = sizeof(struct sink), .process = sink_process,
	  .process_select = sink_process_select, .watermark = sink_watermark, .epoch = sink_epoch,
	  .end = sink_end },
	{ RIG_CLASS("rig_tap"), .inputs = port_in, .outputs = port_out, .rows = LM_ROWS_PASS,
	  .context_size = sizeof(struct sink), .process = merge_process,
	  .watermark = sink_watermark, .epoch = sink_epoch, .end = sink_end },
	{ RIG_CLASS("rig_merge"), .inputs = ports_in, .outputs = port_out, .rows = LM_ROWS_PASS,
	  .context_size = sizeof(struct sink), .process = merge_process,
	  .watermark = sink_watermark, .epoch = sink_epoch, .end = sink_end },
};

void
rig_classes_register(void)
{
	const char *why = "";

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (registry_add(&classes[i], &why) != 0) {
			fprintf(stderr, "%s: %s\n", classes[i].name, why);
			abort();
		}
	}
}
