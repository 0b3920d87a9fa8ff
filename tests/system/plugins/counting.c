/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plugin in several versions, -DCOUNTING=1 and so on: what they say tells which of them saw a
 * row. The state of the first ones is of one form; 5 keeps beside each number its double, and
 * converts what the others left, and back; 6 cannot do that for one slot. counting puts out each
 * row's key, the how many-th row of its key it is, and the version; totals counts rows in each way
 * in which an operator can remember something, and says so at the end. Built once more each, with
 * one of these:
 *
 *     -DCOUNTING_SLOW, _CRASH     is slow from some row on, crashes there, or behind it once there
 *                                 is the file that COUNTING_CRASH_WHEN names
 *     _CONVERT_CRASH, _HANG       crashes, or does not return, in the conversion of one slot
 *     _WRONG                      converts a slot into what makes no sense, which its check finds
 *     _WORN                       whose check finds something wrong from some row on
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/lm_op.h"
#include "core/lm_serial.h"
#include "state/lm_convert.h"
#include "state/lm_map.h"
#include "state/lm_value.h"

/* 3: built anew under the version text of 2. 4: of another form, and does not say so. */
#if COUNTING == 1
#define VERSION "1.0"
#elif COUNTING >= 5
#define VERSION "2.0"
#else
#define VERSION "1.1"
#endif
#define KEYS 8192u
#define ROWS_GOOD 3000u /* of a slice */

static const struct lm_field counting_out[] = {
	{ .name = "key", .type = LM_U64 },
	{ .name = "seen", .type = LM_U64 },
	{ .name = "version", .type = LM_U64 },
};

/* A number as the version keeps it. */
struct seen {
	uint64_t rows;
#if COUNTING == 4 || COUNTING >= 5
	uint64_t more;
#endif
};

static void
count(struct seen *seen, uint64_t rows)
{
	seen->rows += rows;
#if COUNTING >= 5
	seen->more += 2 * rows;
#endif
}

/* What it is; nothing that anybody expects if it is of another form. */
static uint64_t
counted(const struct seen *seen)
{
#if COUNTING >= 5
	return seen->more == 2 * seen->rows ? seen->rows : UINT64_MAX;
#else
	return seen->rows;
#endif
}

#if COUNTING >= 5
#define STATE_VERSION 2
/* The slot that 6 cannot convert. */
#define BAD_SLOT 3u

static bool
converts(uint32_t from)
{
	return from == 0;
}

static int
to_this(void *arg, const struct lm_map_entry *from, void *to)
{
	struct seen *seen = to;

	count(seen, *(const uint64_t *)from->value);
#ifdef COUNTING_WRONG
	seen->more += *(const uint32_t *)arg == BAD_SLOT;
#endif
	(void)arg;
	return 0;
}

static int
to_that(void *arg, const struct lm_map_entry *from, void *to)
{
	(void)arg;
	*(uint64_t *)to = counted(from->value);
	return 0;
}
#else
#define STATE_VERSION 0
#endif

struct counting {
	struct lm_map *seen;
	uint64_t rows; /* since it was opened */
	void *value[LM_BATCH_ROWS];
};

static int
counting_configure(struct lm_setup *setup, void *config)
{
	uint32_t *key = config;

	*key = lm_setup_column(setup, "by");
	lm_setup_keys(setup, KEYS);
	return lm_setup_output(setup, 0, counting_out, 3);
}

static int
counting_open(struct lm_op *op)
{
	struct counting *c = lm_op_context(op);

	c->seen = lm_map_open(op, &(struct lm_map_shape){ .key_size = 8,
	                                                  .value_size = sizeof(struct seen),
	                                                  .keys_max = KEYS,
	                                                  .fields = lm_op_config(op),
	                                                  .field_count = 1 });
	return c->seen == NULL ? -ENOMEM : 0;
}

#ifdef COUNTING_SLOW
static void
go_wrong(uint32_t rows)
{
	struct timespec now;
	int64_t until_ns = 0, now_ns;

	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
		now_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
		until_ns = until_ns == 0 ? now_ns + rows * INT64_C(20000) : until_ns;
	} while (now_ns < until_ns);
}
#elif defined(COUNTING_CRASH)
static void
go_wrong(uint32_t rows)
{
	const char *when = getenv("COUNTING_CRASH_WHEN");

	(void)rows;
	if (when == NULL || access(when, F_OK) == 0) {
		abort();
	}
}
#else
static void
go_wrong(uint32_t rows)
{
	(void)rows;
}
#endif

static void
counting_process(struct lm_op *op, const struct lm_batch *in)
{
	const uint32_t *key = lm_op_config(op);
	struct counting *c = lm_op_context(op);
	const uint64_t *keys = lm_batch_column(in, *key);
	uint64_t *out[3];
	struct lm_batch *to;
	uint32_t first, refused = 0;

	c->rows += in->count;
	if (c->rows >= ROWS_GOOD) {
		go_wrong(in->count);
	}
	lm_map_upsert(c->seen,
	              &(struct lm_map_rows){ .hash = lm_op_hash(op, in, NULL, key, 1),
	                                     .keys = keys,
	                                     .count = in->count },
	              c->value, NULL);
	to = lm_op_reserve(op, 0, in->count, &first);
	for (uint32_t i = 0; i < 3; i++) {
		out[i] = (uint64_t *)lm_batch_column(to, i) + first;
	}
	for (uint32_t i = 0; i < in->count; i++) {
		struct seen *seen = c->value[i];

		if (seen == NULL) {
			refused++;
			continue;
		}
		count(seen, 1);
		out[0][i - refused] = keys[i];
		out[1][i - refused] = counted(seen);
		out[2][i - refused] = COUNTING;
	}
	lm_op_drop(op, 0, refused);
	lm_op_emit(op, 0, in->count - refused);
}

#if COUNTING >= 5
static void
convert_wrong(void)
{
#ifdef COUNTING_CONVERT_CRASH
	abort();
#elif defined(COUNTING_CONVERT_HANG)
	for (;;) {
		pause();
	}
#endif
}

static int
counting_convert(struct lm_op *op, struct lm_conversion *from)
{
	struct counting *c = lm_op_context(op);

	if (from->slot == LM_NONE) {
		return 0;
	}
	if (COUNTING == 6 && from->slot == BAD_SLOT) {
		snprintf(from->why, sizeof(from->why), "it is told not to");
		return -EINVAL;
	}
	if (from->slot == BAD_SLOT) {
		convert_wrong();
	}
	return lm_conversion_values(from, lm_conversion_map(from, 0), c->seen, to_this,
	                            &from->slot);
}

static int
counting_convert_back(struct lm_op *op, struct lm_conversion *to)
{
	struct counting *c = lm_op_context(op);

	return to->slot == LM_NONE
	           ? 0
	           : lm_conversion_values(to, c->seen, lm_conversion_map(to, 0), to_that, NULL);
}

static int
counting_check(struct lm_op *op, char *why, size_t size)
{
	struct counting *c = lm_op_context(op);
	struct lm_map_entry entry;
	uint64_t cursor = 0;

#ifdef COUNTING_WORN
	if (c->rows >= ROWS_GOOD) {
		snprintf(why, size, "it is worn");
		return -EINVAL;
	}
#endif
	while (lm_map_scan(c->seen, &cursor, &entry, 1) == 1) {
		const struct seen *seen = entry.value;

		if (seen->more != 2 * seen->rows) {
			snprintf(why, size, "the double of %u is %u", (unsigned int)seen->rows,
			         (unsigned int)seen->more);
			return -EINVAL;
		}
	}
	return 0;
}
#endif

static const struct lm_field totals_out[] = {
	{ .name = "version", .type = LM_U64 }, { .name = "in_value", .type = LM_U64 },
	{ .name = "in_text", .type = LM_U64 }, { .name = "in_map", .type = LM_U64 },
	{ .name = "timer", .type = LM_U64 },
};

struct totals {
	struct lm_value *value;
	struct lm_map *map; /* not by what rows are routed by */
	uint64_t rows;
	uint64_t ticks;
};

static int
totals_configure(struct lm_setup *setup, void *config)
{
	(void)config;
	return lm_setup_output(setup, 0, totals_out, 5);
}

static int
totals_open(struct lm_op *op)
{
	struct totals *t = lm_op_context(op);

	t->value = lm_value_open(op, sizeof(struct seen));
	t->map =
	    lm_map_open(op, &(struct lm_map_shape){
				.key_size = 8, .value_size = sizeof(struct seen), .keys_max = 16 });
	/* Only the first version starts it: it goes on under the others. */
	if (COUNTING == 1) {
		lm_op_timer_start(op, 0, 1000000);
	}
	return t->value == NULL || t->map == NULL ? -ENOMEM : 0;
}

static void
totals_process(struct lm_op *op, const struct lm_batch *in)
{
	struct totals *t = lm_op_context(op);
	struct seen *value = lm_value_data(t->value);
	uint64_t key = 7, hash = 7;

	lm_value_touch(t->value, value, sizeof(*value));
	count(value, in->count);
	count(lm_map_put(t->map, hash, &key, 8, NULL), in->count);
	t->rows += in->count;
	lm_op_absorb(op, in->count);
}

static void
totals_timer(struct lm_op *op, uint32_t timer)
{
	struct totals *t = lm_op_context(op);

	(void)timer;
	t->ticks++;
}

static void
totals_end(struct lm_op *op)
{
	struct totals *t = lm_op_context(op);
	uint64_t key = 7, hash = 7;
	const struct seen *in_map = lm_map_get(t->map, hash, &key, 8);
	const uint64_t said[5] = { COUNTING, counted(lm_value_data(t->value)), t->rows,
		                   in_map == NULL ? 0 : counted(in_map), t->ticks };
	uint32_t first;
	struct lm_batch *to = lm_op_reserve(op, 0, 1, &first);

	for (uint32_t i = 0; i < 5; i++) {
		((uint64_t *)lm_batch_column(to, i))[first] = said[i];
	}
	lm_op_emit(op, 0, 1);
}

/* What is read back is what the same code wrote, or other code of the same form. */
static void
totals_serialize(struct lm_op *op, struct lm_writer *writer)
{
	const struct totals *t = lm_op_context(op);

	lm_write_u64(writer, t->rows);
#if COUNTING >= 5
	lm_write_u64(writer, 2 * t->rows);
#endif
}

static void
totals_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	struct totals *t = lm_op_context(op);

	t->rows = lm_read_u64(reader);
	if (version == 2 && lm_read_u64(reader) != 2 * t->rows) {
		t->rows = UINT64_MAX;
	}
}

#if COUNTING >= 5
static int
totals_convert(struct lm_op *op, struct lm_conversion *from)
{
	struct totals *t = lm_op_context(op);
	struct seen *value = lm_value_data(t->value);

	lm_value_touch(t->value, value, sizeof(*value));
	count(value, *(const uint64_t *)lm_value_data(lm_conversion_value(from, 0)));
	return lm_conversion_values(from, lm_conversion_map(from, 0), t->map, to_this, &from->slot);
}

static int
totals_convert_back(struct lm_op *op, struct lm_conversion *to)
{
	struct totals *t = lm_op_context(op);
	struct lm_value *value = lm_conversion_value(to, 0);

	lm_value_touch(value, lm_value_data(value), sizeof(uint64_t));
	*(uint64_t *)lm_value_data(value) = counted(lm_value_data(t->value));
	lm_write_u64(to->writer, t->rows);
	return lm_conversion_values(to, t->map, lm_conversion_map(to, 0), to_that, NULL);
}
#endif

static const struct lm_param counting_params[] = {
	{ "by", LM_PARAM_COLUMN, true, NULL, 0, 0, NULL, "the key, u64" },
	{ 0 },
};
static const char *const inputs[] = { "in", NULL };
static const char *const outputs[] = { "out", NULL };
static const char *const drops[] = { "refused", NULL };

static const struct lm_op_class classes[] = {
	{ .abi_version = LM_ABI_VERSION,
	  .flags = LM_OP_KEYED | LM_OP_RESCALES,
	  .name = "counting",
	  .version = VERSION,
	  .state_version = STATE_VERSION,
	  .drops = drops,
#if COUNTING >= 5
	  .converts = converts,
	  .convert = counting_convert,
	  .convert_back = counting_convert_back,
	  .check = counting_check,
#endif
	  .summary = "which row of its key a row is",
	  .params = counting_params,
	  .inputs = inputs,
	  .outputs = outputs,
	  .rows = LM_ROWS_PASS,
	  .config_size = sizeof(uint32_t),
	  .context_size = sizeof(struct counting),
	  .configure = counting_configure,
	  .open = counting_open,
	  .process = counting_process },
	{ .abi_version = LM_ABI_VERSION,
	  .flags = LM_OP_GLOBAL,
	  .name = "totals",
	  .version = VERSION,
	  .state_version = STATE_VERSION,
#if COUNTING >= 5
	  .converts = converts,
	  .convert = totals_convert,
	  .convert_back = totals_convert_back,
#endif
	  .summary = "how many rows, remembered in several ways",
	  .inputs = inputs,
	  .outputs = outputs,
	  .rows = LM_ROWS_ABSORB,
	  .context_size = sizeof(struct totals),
	  .configure = totals_configure,
	  .open = totals_open,
	  .process = totals_process,
	  .timer = totals_timer,
	  .end = totals_end,
	  .serialize = totals_serialize,
	  .deserialize = totals_deserialize },
};

const struct lm_op_class *
lm_plugin_class(uint32_t index)
{
	return index < 2 ? &classes[index] : NULL;
}
