/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operators whose slots go from slice to slice: rows at random to up to eight slices, by key, with
 * all slots dealt anew now and then; what comes out together is what comes out of one slice.
 */
#include "tests/draw.h"
#include "tests/unit/operators/fake_op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/route.h"

#define SLICES 8u
#define SLOT_BITS 6u
#define SLOTS (1u << SLOT_BITS)
#define LINE 160u
#define STEPS 400u
#define PERIOD_NS 1000000

struct rescale_case {
	const char *class;
	struct fake_param param[10];
	const char *schema; /* time first, then the key columns, then a value */
	uint32_t key_count;
	uint64_t keys; /* below */
	bool is_text;
};

static const struct rescale_case cases[] = {
	/* Keys near each other, in tables; far apart; both; two columns that are one word. */
	{ "window_aggregate",
	  { { "window", NULL, "tumbling 100ns" }, { "by", NULL, "k" }, { "count", NULL, "n" } },
	  "t:time k:u64 v:i64",
	  1,
	  300,
	  false },
	{ "window_aggregate",
	  { { "window", NULL, "tumbling 100ns" },
	    { "by", NULL, "k" },
	    { "sum", "s", "v" },
	    { "min", "low", "v" },
	    { "lateness", NULL, "150ns" } },
	  "t:time k:u64 v:i64",
	  1,
	  5000,
	  false },
	{ "window_aggregate",
	  { { "window", NULL, "tumbling 60ns" },
	    { "by", NULL, "k" },
	    { "sum", "s", "v" },
	    { "windows", NULL, "9" } },
	  "t:time k:u64 v:i64",
	  1,
	  UINT64_C(1) << 40,
	  false },
	{ "window_aggregate",
	  { { "window", NULL, "tumbling 100ns" },
	    { "by", NULL, "k" },
	    { "by", NULL, "l" },
	    { "mean", "m", "v" } },
	  "t:time k:u16 l:u32 v:i64",
	  2,
	  40,
	  false },
	{ "window_aggregate",
	  { { "window", NULL, "tumbling 100ns" }, { "by", NULL, "k" }, { "count", NULL, "n" } },
	  "t:time k:string:4096 v:i64",
	  1,
	  2000,
	  true },
	{ "aggregate",
	  { { "by", NULL, "k" }, { "count", NULL, "n" }, { "emit", NULL, "end" } },
	  "t:time k:u64 v:i64",
	  1,
	  3000,
	  false },
	{ "aggregate",
	  { { "by", NULL, "k" }, { "sum", "s", "v" }, { "emit", NULL, "update" } },
	  "t:time k:u64 v:i64",
	  1,
	  500,
	  false },
	{ "aggregate",
	  { { "by", NULL, "k" },
	    { "sum", "s", "v" },
	    { "emit", NULL, "every" },
	    { "period", NULL, "1ms" } },
	  "t:time k:u64 v:i64",
	  1,
	  900,
	  false },
	{ "aggregate",
	  { { "by", NULL, "k" },
	    { "count", NULL, "n" },
	    { "emit", NULL, "end" },
	    { "ttl", NULL, "400ns" } },
	  "t:time k:string:4096 v:i64",
	  1,
	  100,
	  true },
};

static const struct rescale_case *now;
static struct lm_op *slice[SLICES], *alone;
static uint16_t slice_of[SLOTS];
static uint32_t heirs_from; /* slices from here on are added later */
static struct lm_schema schema;
static const uint32_t key_fields[] = { 1, 2 };
static uint64_t seed;
static int64_t time_ns, watermark_ns;

static uint64_t
draw_below(uint64_t below)
{
	return draw(&seed) % below;
}

static void
set_slots(struct lm_op *op)
{
	struct op_state *state = op_state(op);

	state->slot_bits = SLOT_BITS;
	state->key = key_fields;
	state->key_count = now->key_count;
	state->index = op->slice;
	if (op->subject->slices > 1) {
		state->slice_of = slice_of;
		state->is_heir = op->slice >= heirs_from;
	}
}

static struct fake_operator *
configure(uint32_t slices)
{
	return fake_make(now->class, now->param, &schema, slices);
}

/*
 * Steps.
 */

static void
add_row(struct lm_batch *batch)
{
	uint64_t key = draw_below(now->keys);
	char row[LINE];

	/* Of the last three windows, some of them late. */
	if (now->is_text) {
		snprintf(row, sizeof(row), "%lld|%0*llu|%lld",
		         (long long)(time_ns - (int64_t)draw_below(250)), (int)(key % 30),
		         (unsigned long long)key, (long long)draw_below(1000) - 500);
	} else if (now->key_count == 2) {
		snprintf(row, sizeof(row), "%lld|%llu|%llu|%lld",
		         (long long)(time_ns - (int64_t)draw_below(250)), (unsigned long long)key,
		         (unsigned long long)draw_below(50), (long long)draw_below(1000) - 500);
	} else {
		snprintf(row, sizeof(row), "%lld|%llu|%lld",
		         (long long)(time_ns - (int64_t)draw_below(250)), (unsigned long long)key,
		         (long long)draw_below(1000) - 500);
	}
	assert_true(fake_add(batch, row));
}

static void
step_rows(void)
{
	struct lm_batch *batch = fake_batch(&schema);
	uint32_t count = 1 + (uint32_t)draw_below(60);
	const uint64_t *hash;

	for (uint32_t i = 0; i < count; i++) {
		add_row(batch);
	}
	hash = lm_op_hash(alone, batch, NULL, key_fields, now->key_count);
	for (uint32_t s = 0; s < SLICES; s++) {
		struct lm_select select;
		struct lm_batch *part;

		lm_select_begin(&select, batch);
		for (uint32_t r = 0; r < count; r++) {
			if (slice_of[route_slot(hash[r], SLOT_BITS)] == s) {
				lm_select_add(&select, r);
			}
		}
		if (select.count > 0) {
			part = fake_gather(&select);
			fake_process(slice[s], part);
			free(part);
		}
	}
	fake_process(alone, batch);
	free(batch);
}

static void
step_watermark(void)
{
	time_ns += (int64_t)draw_below(80);
	watermark_ns = time_ns - 300 > watermark_ns ? time_ns - 300 : watermark_ns;
	for (uint32_t s = 0; s < SLICES; s++) {
		fake_watermark(slice[s], watermark_ns);
	}
	fake_watermark(alone, watermark_ns);
}

static void
step_timer(void)
{
	for (uint32_t s = 0; s < SLICES; s++) {
		fake_advance(slice[s], PERIOD_NS);
	}
	fake_advance(alone, PERIOD_NS);
}

/* As core/state_move.c has it. */
static void
give(struct lm_op *op, const uint16_t *to_of, uint32_t to, struct state_bundle *bundle)
{
	const struct lm_op_class *class = op->subject->class;

	bundle->move = (struct lm_move){ .slice_of = to_of, .slot_bits = SLOT_BITS, .to = to };
	if (class->give != NULL) {
		class->give(op, &bundle->move);
	}
	op->state.ops->give(op, to_of, to, bundle);
}

static void
take(struct lm_op *op, struct state_bundle *bundle)
{
	const struct lm_op_class *class = op->subject->class;

	op->state.ops->take(op, bundle);
	if (class->take != NULL) {
		class->take(op, &bundle->move);
	}
	assert_int_equal(bundle->move.lost, 0);
}

/* Now and then late: rows come before it has. */
static void
settle(void)
{
	for (uint32_t s = 0; s < SLICES; s++) {
		struct op_state *state = op_state(slice[s]);

		while (state->space != NULL && !state->ops->settle(slice[s])) {
		}
	}
}

static void
prepare(void)
{
	for (uint32_t s = 0; s < SLICES; s++) {
		struct op_state *state = op_state(slice[s]);

		slice[s]->callback = FAKE_OPEN; /* where memory may be had */
		if (state->space != NULL) {
			assert_int_equal(state->ops->prepare(slice[s], SLOTS, 2 * SLICES), 0);
		}
		slice[s]->callback = FAKE_NONE;
	}
}

static void
step_move(void)
{
	static struct state_bundle bundle[SLICES][SLICES];
	uint32_t slices = 1 + (uint32_t)draw_below(SLICES);
	uint16_t to[SLOTS];

	for (uint32_t s = 0; s < SLOTS; s++) {
		to[s] = (uint16_t)draw_below(slices);
	}
	settle();
	prepare();
	memset(bundle, 0, sizeof(bundle));
	for (uint32_t i = 0; i < SLICES * SLICES; i++) {
		bool some = false;

		for (uint32_t s = 0; s < SLOTS; s++) {
			some |= slice_of[s] == i / SLICES && to[s] == i % SLICES;
		}
		if (i / SLICES != i % SLICES && some) {
			give(slice[i / SLICES], to, i % SLICES, &bundle[i / SLICES][i % SLICES]);
		}
	}
	for (uint32_t i = 0; i < SLICES * SLICES; i++) {
		if (bundle[i % SLICES][i / SLICES].from != NULL) {
			take(slice[i / SLICES], &bundle[i % SLICES][i / SLICES]);
		}
	}
	memcpy(slice_of, to, sizeof(to));
	if (draw_below(2) == 0) {
		settle();
	}
}

/*
 * What came out.
 */

struct lines {
	char (*line)[LINE];
	uint64_t count;
};

static void
lines_add(struct lines *lines, const struct lm_op *op)
{
	for (uint32_t o = 0; o < op->subject->output_count; o++) {
		uint64_t rows = op->output[o].rows;

		lines->line = realloc(lines->line, (lines->count + rows + 1) * LINE);
		assert_non_null(lines->line);
		for (uint64_t r = 0; r < rows; r++) {
			char *line = lines->line[lines->count++];

			line[0] = (char)('0' + o);
			fake_output_text(op, o, r, line + 1, LINE - 1);
		}
	}
}

static int
compare_lines(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
check_output(void)
{
	struct lines want = { 0 }, got = { 0 };

	lines_add(&want, alone);
	for (uint32_t s = 0; s < SLICES; s++) {
		lines_add(&got, slice[s]);
		assert_int_equal(slice[s]->errors, 0);
		assert_int_equal(slice[s]->output[0].late,
		                 alone->output[0].late == 0 ? 0 : slice[s]->output[0].late);
	}
	qsort(want.line, want.count, LINE, compare_lines);
	qsort(got.line, got.count, LINE, compare_lines);
	for (uint64_t i = 0; i < want.count && i < got.count; i++) {
		assert_string_equal(got.line[i], want.line[i]);
	}
	assert_int_equal(got.count, want.count);
	free(want.line);
	free(got.line);
}

static void
run_case(uint32_t slices)
{
	struct fake_operator *many, *one;

	schema = fake_schema(now->schema);
	fake_before_open = set_slots;
	heirs_from = slices;
	for (uint32_t s = 0; s < SLOTS; s++) {
		slice_of[s] = (uint16_t)(s * slices / SLOTS);
	}
	many = configure(SLICES);
	one = configure(1);
	for (uint32_t s = 0; s < SLICES; s++) {
		slice[s] = fake_open(many, s);
		assert_non_null(slice[s]);
	}
	alone = fake_open(one, 0);
	time_ns = 1000;
	watermark_ns = INT64_MIN;
	for (uint32_t i = 0; i < STEPS; i++) {
		switch (draw_below(12)) {
		case 0:
			step_move();
			break;
		case 1 ... 3:
			step_watermark();
			break;
		case 4:
			step_timer();
			break;
		default:
			step_rows();
			break;
		}
	}
	step_timer();
	for (uint32_t s = 0; s < SLICES; s++) {
		fake_end(slice[s]);
	}
	fake_end(alone);
	check_output();
	settle();
	for (uint32_t s = 0; s < SLICES; s++) {
		fake_close(slice[s]);
	}
	fake_close(alone);
	fake_unconfigure(many);
	fake_unconfigure(one);
	fake_before_open = NULL;
}

static void
test_cases(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (uint32_t round = 0; round < 4; round++) {
			now = &cases[i];
			seed = i * 1000 + round;

			run_case(1 + round * 2);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
