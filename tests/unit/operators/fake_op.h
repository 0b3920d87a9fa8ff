/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FAKE_OP_H
#define FAKE_OP_H

/*
 * An engine for one operator alone: implements the lm_setup_* and lm_op_* functions of core/lm_op.h
 * for unit tests. It keeps every output row, counts as the engine counts, checks what the engine
 * would insist on (fails the running cmocka test), and can be stingy with room to provoke
 * lm_op_again. Link with fake_op.c, fake_run.c, fake_setup.c, fake_batch.c; core/schema.c,
 * core/registry.c and core/text.c; and what the operator itself needs. Register the class with
 * REGISTER_CLASS.
 *
 *     static const struct fake_param params[] = { { "where", NULL, "k > 3" }, { 0 } };
 *     struct lm_schema schema = fake_schema("time:time k:u64 word:string");
 *     struct fake_operator *subject = fake_configure(class, params, &(const struct lm_schema *){
 *             &schema }, 1);
 *     struct lm_op *op = fake_open(subject, 0);
 *     struct lm_batch *in = fake_batch(&schema);
 *     fake_add(in, "1000|7|seven");
 *     fake_process(op, in);
 *     fake_end(op);
 *     fake_expect(op, 0, 0, "1000|7|seven");
 *     assert_int_equal(op->drops[0], 0);
 *     fake_close(op);              checks rows in = rows out + absorbed + drops, by the class's
 * rule free(in); fake_unconfigure(subject);
 *
 * One thread.
 */

#include "core/lm_op.h"
#include "core/state_ops.h"

/*
 * A parameter as text. Items of a list repeat the name; entries of a map repeat it with a key. An
 * empty list is the name alone.
 */
struct fake_param {
	const char *name; /* NULL ends the table */
	const char *key;
	const char *text;
};

/* What lm_setup_error said last. */
struct fake_failure {
	uint32_t count;
	char param[LM_NAME_MAX];
	uint32_t item, column;
	char message[512];
	char hint[512];
};
extern struct fake_failure fake_failure;

/* A configured operator: what all of its slices share. */
struct fake_operator {
	const struct lm_op_class *class;
	const struct fake_param *params;
	const struct lm_schema *input[LM_PORTS_MAX];
	uint32_t input_count, output_count;
	struct lm_schema output[LM_PORTS_MAX];
	bool declared[LM_PORTS_MAX];
	uint32_t slices;
	void *config;
};

struct fake_output {
	struct lm_batch *
	    *batch; /* sealed ones and, last, the one being filled; `sequence` is dense */
	uint32_t batch_count, batch_capacity;
	int64_t *ingress_ns; /* of every row kept */
	uint64_t rows;       /* emitted and forwarded */
	uint64_t kept_capacity;
	uint32_t reserved, first; /* of the open reservation */
	uint32_t emitted;         /* in this callback */
	bool forwarded;           /* in this callback */
	bool was_short;           /* the last emission was less than reserved */
	uint64_t late;            /* rows emitted at or before the watermark */
};

enum fake_callback { FAKE_NONE, FAKE_OPEN, FAKE_RUN, FAKE_CLOSE };

/* A slice. Tests read and, before a call, may set the fields of the first group. */
struct lm_op {
	uint32_t room;  /* rows of each output at the start of a callback; LM_BATCH_ROWS */
	int64_t now_ns; /* the clock; a callback takes turn_ns, which stands still within it */
	int64_t wall_ns;
	int64_t turn_ns;      /* 1 us */
	uint64_t seed;        /* of lm_op_random */
	bool discard;         /* keep no output rows, only count them */
	uint64_t incarnation; /* 1 */
	bool had_ended;
	void (*seen)(struct lm_op *op, uint32_t output, const struct lm_batch *batch,
	             uint32_t first);
	void *seen_arg; /* `seen` is called for rows from `first` on as they are emitted */

	struct fake_output output[LM_PORTS_MAX];
	uint64_t rows_in, batches_in, absorbed, drops[LM_DROPS_MAX];
	uint64_t again_count, call_count, idle_count;
	uint64_t errors;
	char error[512]; /* the last one */
	uint64_t gauge[8];
	char gauge_name[8][LM_NAME_MAX];
	int64_t watermark_ns; /* INT64_MIN: none yet */
	uint64_t timer_period_ns[LM_TIMERS_MAX];
	int64_t timer_due_ns[LM_TIMERS_MAX];
	bool timer_on[LM_TIMERS_MAX];

	/* The fake's own. */
	struct fake_operator *subject;
	uint32_t slice, input;
	void *context;
	enum fake_callback callback;
	bool again, ended;
	int64_t ingress_ns;
	const struct lm_external *external;
	void **memory;
	uint32_t memory_count;
	struct op_state state;
	uint64_t hash[LM_BATCH_ROWS];
};

/* The class registered as `name`; fails the test when there is none. */
const struct lm_op_class *fake_class(const char *name);

/* Parses parameters and calls configure; NULL when that fails, see fake_failure. `inputs` may be
 * NULL. */
struct fake_operator *fake_configure(const struct lm_op_class *class,
                                     const struct fake_param *params,
                                     const struct lm_schema *const *inputs, uint32_t slices);
/* The same of the class of this name; fails the test when it fails. */
struct fake_operator *fake_make(const char *class, const struct fake_param *params,
                                const struct lm_schema *input, uint32_t slices);
void fake_unconfigure(struct fake_operator *subject); /* NULL is fine */

/* Called before a slice's open, to say which slots it has; NULL: all of 64. */
extern void (*fake_before_open)(struct lm_op *op);
/* Opens a slice; NULL when open fails, its sentence then stands in fake_failure.message. */
struct lm_op *fake_open(struct fake_operator *subject, uint32_t slice);
/* Calls close, checks the row accounting and frees the slice. */
void fake_close(struct lm_op *op);
/* Fails the test if rows in do not add up by the class's rule. */
void fake_check_rows(const struct lm_op *op);

/* Each runs the callback, and again as long as the operator asks for it. */
void fake_process(struct lm_op *op, const struct lm_batch *in);
void fake_process_input(struct lm_op *op, uint32_t input, const struct lm_batch *in);
void fake_process_select(struct lm_op *op, const struct lm_select *in); /* gathers if it has to */
enum lm_poll fake_poll(struct lm_op *op);
/* Polls until LM_POLL_END, then calls end; fails the test after `polls_max` polls. */
void fake_run(struct lm_op *op, uint64_t polls_max);
void fake_watermark(struct lm_op *op, int64_t time_ns);
void fake_timer(struct lm_op *op, uint32_t timer);
void fake_epoch(struct lm_op *op, uint64_t epoch);
void fake_end(struct lm_op *op); /* also when the class has no end */
/* Lets time pass and runs the timers that fall due, in order. */
void fake_advance(struct lm_op *op, uint64_t ns);

/* Called behind every callback that is through, but end; NULL: nothing is. */
extern void (*fake_after)(struct lm_op *op);

/* "time:time k:u64 word:string:128" (name:type:bytes_max); fails the test if it is not one. */
struct lm_schema fake_schema(const char *text);
struct lm_schema fake_schema_rows(const char *text, uint32_t rows);
/* An empty batch in a block of exactly its size, so that ASan sees a step over its end; free(). */
struct lm_batch *fake_batch(const struct lm_schema *schema);
/*
 * Adds a row written as values with '|' between them: integers (times and addresses, too, may be
 * numbers), 1.5, true, 10.0.0.1, ::1, 02:00:00:00:00:01, any text. False when the strings do not
 * fit.
 */
bool fake_add(struct lm_batch *batch, const char *row);
/* The same for a table of rows ended by NULL; fails the test when one does not fit. */
struct lm_batch *fake_rows(const struct lm_schema *schema, const char *const *rows);
/* A dense copy of the selected rows; free(). */
struct lm_batch *fake_gather(const struct lm_select *select);
/* Writes a row as fake_add reads it; times as a number. */
void fake_row_text(const struct lm_batch *batch, uint32_t row, char *text, size_t size);

/* Output row `row` (from 0, over all batches): where it stands, what it holds. */
const struct lm_batch *fake_output_row(const struct lm_op *op, uint32_t output, uint64_t row,
                                       uint32_t *index);
uint64_t fake_output_u64(const struct lm_op *op, uint32_t output, uint64_t row, uint32_t field);
void fake_output_text(const struct lm_op *op, uint32_t output, uint64_t row, char *text,
                      size_t size);
#define fake_expect(op, output, row, text) fake_expect_at(op, output, row, text, __FILE__, __LINE__)
void fake_expect_at(const struct lm_op *op, uint32_t output, uint64_t row, const char *text,
                    const char *file, int line);

#endif
