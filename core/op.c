/* SPDX-License-Identifier: BSD-3-Clause */
/* The operator's side of a slice: every lm_op_* function of lm_op.h that runs on an lcore. */

#include "core/lm_op.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/hash.h"
#include "core/output.h"
#include "core/slice.h"
#include "core/worker.h"

const void *
lm_op_config(const struct lm_op *op)
{
	return op->config;
}

void *
lm_op_context(const struct lm_op *op)
{
	return op->context;
}

const char *
lm_op_name(const struct lm_op *op)
{
	return op->name;
}

uint32_t
lm_op_slice(const struct lm_op *op)
{
	return op->index;
}

uint32_t
lm_op_slices(const struct lm_op *op)
{
	return op->slices;
}

uint32_t
lm_op_input(const struct lm_op *op)
{
	return op->current_input;
}

uint64_t
lm_op_incarnation(const struct lm_op *op)
{
	return op->shared->incarnation;
}

bool
lm_op_had_ended(const struct lm_op *op)
{
	return op->had_ended;
}

const struct lm_schema *
lm_op_input_schema(const struct lm_op *op, uint32_t input)
{
	return op->input_schema[input];
}

const struct lm_schema *
lm_op_output_schema(const struct lm_op *op, uint32_t output)
{
	return op->output[output].schema;
}

int64_t
lm_op_now_ns(const struct lm_op *op)
{
	return op->worker->now_ns;
}

int64_t
lm_op_wall_ns(const struct lm_op *op)
{
	return op->worker->wall_ns;
}

int64_t
lm_op_ingress_ns(const struct lm_op *op)
{
	return op->ingress_ns;
}

/* SplitMix64 (S. Vigna), one stream per slice. */
uint64_t
lm_op_random(struct lm_op *op)
{
	uint64_t x = op->random += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

void
lm_op_error(struct lm_op *op, const char *format, ...)
{
	char text[400];
	va_list args;
	int64_t now_ns = env_now_ns();

	count_up(&op->stats.errors, 1);
	if (!op->opened) {
		va_start(args, format);
		vsnprintf(op->open_error, sizeof(op->open_error), format, args);
		va_end(args);
		return;
	}
	if (op->error_at_ns != 0 && now_ns - op->error_at_ns < 1000000000) {
		return;
	}
	op->error_at_ns = now_ns;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	env_log_of(op->name, 3, "%s: %s", op->name, text);
}

void *
lm_op_alloc(struct lm_op *op, size_t size)
{
	void **memory = realloc(op->memory, (op->memory_count + 1) * sizeof(*memory));
	int node = op->worker == NULL ? -1 : op->worker->numa_node;

	if (memory == NULL) {
		return NULL;
	}
	op->memory = memory;
	memory[op->memory_count] = env_alloc(size, 64, node);
	if (memory[op->memory_count] == NULL) {
		return NULL;
	}
	return memory[op->memory_count++];
}

static void
send_one_staged(struct lm_op *op, uint32_t output)
{
	struct output *out = &op->output[output];
	struct lm_batch *staged = out->staged;

	out->staged = NULL;
	out->was_short = false;
	output_send(op, output, staged, NULL);
	batch_release(staged, op->worker->index);
}

struct lm_batch *
lm_op_reserve(struct lm_op *op, uint32_t output, uint32_t rows, uint32_t *first)
{
	struct output *out = &op->output[output];

	assert(output < op->output_count);
	assert(rows <= out->schema->capacity);
	if (out->staged != NULL &&
	    (out->was_short || out->staged->count + rows > out->schema->capacity)) {
		send_one_staged(op, output);
	}
	if (out->staged == NULL) {
		out->staged = batch_take(out->pool, op->worker->index);
	}
	out->reserved = rows;
	*first = out->staged->count;
	return out->staged;
}

void
lm_op_emit(struct lm_op *op, uint32_t output, uint32_t rows)
{
	struct output *out = &op->output[output];
	struct lm_batch *staged = out->staged;

	assert(rows <= out->reserved);
	out->was_short = rows < out->reserved && staged->count + rows > 0;
	out->reserved = 0;
	staged->count += rows;
	staged->external = op->external;
	if (op->ingress_ns < staged->ingress_ns) {
		staged->ingress_ns = op->ingress_ns;
	}
}

uint32_t
lm_op_room(struct lm_op *op, uint32_t output)
{
	const struct output *out = &op->output[output];

	/* What is staged goes out before more is asked for: then the edges tell the truth. */
	if (out->staged != NULL && out->staged->count == out->schema->capacity) {
		send_one_staged(op, output);
	}
	if (!slice_has_room(op)) {
		return 0;
	}
	return out->schema->capacity - (out->staged == NULL ? 0 : out->staged->count);
}

void
lm_op_again(struct lm_op *op)
{
	op->again = true;
}

static void
forward(struct lm_op *op, uint32_t output, const struct lm_batch *in, const struct lm_select *rows)
{
	struct output *out = &op->output[output];

	assert(output < op->output_count);
	/* Rows keep their order: what was emitted before goes before. */
	if (out->staged != NULL) {
		send_one_staged(op, output);
	}
	/* The batch is read-only for operators, not for the engine that counts its references. */
	output_send(op, output, (struct lm_batch *)(uintptr_t)in, rows);
}

void
lm_op_forward(struct lm_op *op, const struct lm_batch *in)
{
	forward(op, 0, in, NULL);
}

void
lm_op_forward_to(struct lm_op *op, uint32_t output, const struct lm_batch *in)
{
	forward(op, output, in, NULL);
}

void
lm_op_forward_select(struct lm_op *op, const struct lm_select *in)
{
	lm_op_forward_select_to(op, 0, in);
}

void
lm_op_forward_select_to(struct lm_op *op, uint32_t output, const struct lm_select *in)
{
	forward(op, output, in->batch, in->count == in->batch->count ? NULL : in);
}

void
lm_op_drop(struct lm_op *op, uint32_t reason, uint64_t rows)
{
	assert(reason < LM_DROPS_MAX);
	count_up(&op->stats.drops[reason], rows);
}

void
lm_op_absorb(struct lm_op *op, uint64_t rows)
{
	count_up(&op->stats.rows_absorbed, rows);
}

const uint64_t *
lm_op_hash(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows,
           const uint32_t *fields, uint32_t field_count)
{
	if (in->hash_key == hash_key_id(fields, field_count)) {
		return lm_batch_hashes(in);
	}
	hash_rows(op->hash, in, rows, fields, field_count, op->shared->secret);
	return op->hash;
}

void
lm_op_watermark(struct lm_op *op, int64_t time_ns)
{
	if (time_ns > op->source_watermark) {
		op->source_watermark = time_ns;
	}
}

void
lm_op_idle(struct lm_op *op)
{
	op->source_idle = true;
}

void
lm_op_set_ingress(struct lm_op *op, int64_t ingress_ns)
{
	op->ingress_ns = ingress_ns;
}

void
lm_op_set_external(struct lm_op *op, const struct lm_external *external)
{
	op->external = external;
}

void
lm_op_timer_start(struct lm_op *op, uint32_t timer, uint64_t period_ns)
{
	struct slice_timer *t = &op->timer[timer];
	int64_t now_ns = op->worker->now_ns != 0 ? op->worker->now_ns : env_now_ns();

	assert(timer < LM_TIMERS_MAX);
	t->active = true;
	t->period_ns = period_ns;
	t->due_ns = now_ns + (int64_t)period_ns;
	op->timer_count = timer + 1 > op->timer_count ? timer + 1 : op->timer_count;
	if (t->due_ns < op->worker->timer_due_ns) {
		op->worker->timer_due_ns = t->due_ns;
	}
}

void
lm_op_timer_stop(struct lm_op *op, uint32_t timer)
{
	assert(timer < LM_TIMERS_MAX);
	op->timer[timer].active = false;
}

void
lm_op_gauge(struct lm_op *op, uint32_t gauge, const char *name, uint64_t value)
{
	if (gauge < sizeof(op->gauge_name) / sizeof(op->gauge_name[0])) {
		op->gauge_name[gauge] = name;
		__atomic_store_n(&op->stats.gauges[gauge], value + op->gauge_before[gauge],
		                 __ATOMIC_RELAXED);
	}
}
