/* SPDX-License-Identifier: BSD-3-Clause */
/* What two samples say about the time between them, and who holds the others up. */
#include "mgmt/rates.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A slice is busy from here on; the lcore is full from here on, so that even a part of it is a
 * limit. */
#define RATES_BUSY 0.7
#define RATES_LCORE_FULL 0.9
#define RATES_PART 0.1
/* A slice that loses more of its turns than this for want of room waits. */
#define RATES_BLOCKED 0.05

/* The two samples, and what is derived from them for every value. */
struct rates_span {
	const struct sample *now, *before;
	double seconds;
};

int
rates_init(struct rates *rates, const struct sample_shape *shape)
{
	memset(rates, 0, sizeof(*rates));
	rates->root = LM_NONE;
	rates->operator_count = shape->count[SAMPLE_OPERATORS];
	rates->worker_count = shape->count[SAMPLE_WORKERS];
	rates->counter_count = shape->count[SAMPLE_COUNTERS];
	rates->op = calloc(rates->operator_count + 1, sizeof(*rates->op));
	rates->worker = calloc(rates->worker_count + 1, sizeof(*rates->worker));
	rates->slice = calloc(shape->count[SAMPLE_SLICES] + 1, sizeof(*rates->slice));
	rates->counter = calloc(rates->counter_count + 1, sizeof(*rates->counter));
	if (rates->op == NULL || rates->worker == NULL || rates->slice == NULL ||
	    rates->counter == NULL) {
		rates_free(rates);
		return -ENOMEM;
	}
	return 0;
}

void
rates_free(struct rates *rates)
{
	free(rates->op);
	free(rates->worker);
	free(rates->slice);
	free(rates->counter);
	memset(rates, 0, sizeof(*rates));
}

/* A counter that went back belongs to something that began anew: it counts from 0. */
static uint64_t
rates_more(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

static double
rates_ratio(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

static double
rates_share(double part, double whole)
{
	double share = rates_ratio(part, whole);

	return share < 1 ? share : 1;
}

static void
rates_of_worker(struct rates_worker *rate, const struct rates_span *span, uint32_t index)
{
	static const struct sample_worker none;
	const struct sample_worker *now = &span->now->worker[index];
	const struct sample_worker *before =
	    span->before == NULL ? &none : &span->before->worker[index];

	rate->busy =
	    rates_share((double)rates_more(now->busy_ns, before->busy_ns) / 1e9, span->seconds);
	rate->turns = rates_ratio((double)rates_more(now->turns, before->turns), span->seconds);
}

static void
rates_of_operator(struct rates_operator *rate, const struct rates_span *span, uint32_t index)
{
	static const struct sample_operator none;
	const struct sample_operator *now = &span->now->op[index];
	const struct sample_operator *before =
	    span->before == NULL ? &none : &span->before->op[index];
	uint64_t in = rates_more(now->rows_in, before->rows_in);
	uint64_t out = rates_more(now->rows_out, before->rows_out);
	uint64_t dropped = rates_more(now->rows_dropped, before->rows_dropped);
	uint64_t rows = now->is_source ? out : in;
	uint64_t batches = now->is_source ? rates_more(now->batches_out, before->batches_out)
	                                  : rates_more(now->batches_in, before->batches_in);

	*rate = (struct rates_operator){
		.rows_in = rates_ratio((double)in, span->seconds),
		.rows_out = rates_ratio((double)out, span->seconds),
		.rows_dropped = rates_ratio((double)dropped, span->seconds),
		.fill = rates_share((double)rows, (double)batches * span->now->head->batch_rows),
		.is_fused = !now->is_source && now->busy_ns == 0 && now->rows_in != 0,
	};
}

/* The busiest and the most blocked slice speak for their operator. */
static void
rates_of_slice(struct rates *rates, const struct rates_span *span, uint32_t index)
{
	static const struct sample_slice no_slice;
	static const struct sample_worker no_worker;
	const struct sample_slice *now = &span->now->slice[index];
	const struct sample_slice *before =
	    span->before == NULL ? &no_slice : &span->before->slice[index];
	const struct sample_worker *worker_before =
	    span->before == NULL ? &no_worker : &span->before->worker[now->worker];
	uint64_t turns = rates_more(span->now->worker[now->worker].turns, worker_before->turns);
	double busy =
	    rates_share((double)rates_more(now->busy_ns, before->busy_ns) / 1e9, span->seconds);
	double blocked = rates_share((double)rates_more(now->turns_blocked, before->turns_blocked),
	                             (double)turns);
	double queue = rates_share(now->waiting, now->room);
	struct rates_operator *rate = &rates->op[now->op];

	rates->slice[index] = busy;
	rate->queue = queue > rate->queue ? queue : rate->queue;
	rate->busy = busy > rate->busy ? busy : rate->busy;
	rate->blocked = blocked > rate->blocked ? blocked : rate->blocked;
}

/*
 * Goes over the wires until nothing changes, at most once per operator, which is enough where there
 * is no cycle and an end where a cycle was not declared as feedback.
 */
static void
rates_spread(struct rates *rates, const struct sample *now)
{
	bool changed = true;

	for (uint32_t round = 0; round < rates->operator_count && changed; round++) {
		changed = false;
		for (uint32_t i = 0; i < now->shape.count[SAMPLE_WIRES]; i++) {
			const struct sample_wire *wire = &now->wire[i];
			struct rates_operator *from = &rates->op[wire->from];
			struct rates_operator *to = &rates->op[wire->to];

			if (wire->feedback) {
				continue;
			}
			if (to->depth <= from->depth) {
				to->depth = from->depth + 1;
				changed = true;
			}
			if (from->waits && to->is_fused && !to->waits) {
				to->waits = true;
				changed = true;
			}
		}
	}
}

/* Busy, or all that is left of a full lcore. */
static bool
rates_is_limit(const struct rates *rates, const struct sample *now, uint32_t op)
{
	const struct rates_operator *rate = &rates->op[op];

	if (rate->busy >= RATES_BUSY) {
		return true;
	}
	for (uint32_t i = 0; i < now->shape.count[SAMPLE_SLICES]; i++) {
		const struct sample_slice *slice = &now->slice[i];
		uint32_t of = slice->op;

		if (of == op && rates->worker[slice->worker].busy >= RATES_LCORE_FULL &&
		    rate->busy >= RATES_PART) {
			return true;
		}
	}
	return false;
}

static bool
rates_is_before(const struct rates_operator *a, const struct rates_operator *b)
{
	return a->depth != b->depth ? a->depth > b->depth : a->busy > b->busy;
}

/* The most downstream operator that is a limit while one right before it waits for room. */
static uint32_t
rates_root(const struct rates *rates, const struct sample *now)
{
	uint32_t root = LM_NONE;

	for (uint32_t i = 0; i < now->shape.count[SAMPLE_WIRES]; i++) {
		const struct sample_wire *wire = &now->wire[i];

		if (wire->feedback || !rates->op[wire->from].waits ||
		    !rates_is_limit(rates, now, wire->to)) {
			continue;
		}
		if (root == LM_NONE || rates_is_before(&rates->op[wire->to], &rates->op[root])) {
			root = wire->to;
		}
	}
	return root;
}

void
rates_compute(struct rates *rates, const struct sample *now, const struct sample *before)
{
	int64_t from_ns = before == NULL ? now->head->start_ns : before->head->now_ns;
	struct rates_span span = { .now = now, .before = before };
	uint64_t rows_before = before == NULL ? 0 : sample_rows(before);

	assert(rates->operator_count == now->shape.count[SAMPLE_OPERATORS]);
	assert(rates->worker_count == now->shape.count[SAMPLE_WORKERS]);
	span.seconds =
	    now->head->now_ns > from_ns ? (double)(now->head->now_ns - from_ns) / 1e9 : 0;
	rates->seconds = span.seconds;
	rates->rows = rates_ratio((double)rates_more(sample_rows(now), rows_before), span.seconds);
	for (uint32_t i = 0; i < rates->worker_count; i++) {
		rates_of_worker(&rates->worker[i], &span, i);
	}
	for (uint32_t i = 0; i < rates->operator_count; i++) {
		rates_of_operator(&rates->op[i], &span, i);
	}
	for (uint32_t i = 0; i < now->shape.count[SAMPLE_SLICES]; i++) {
		rates_of_slice(rates, &span, i);
	}
	for (uint32_t i = 0; i < rates->operator_count; i++) {
		rates->op[i].waits = rates->op[i].blocked >= RATES_BLOCKED;
	}
	for (uint32_t i = 0; i < now->head->counter_count; i++) {
		bool known = before != NULL && i < before->head->counter_count;
		uint64_t was = known ? before->counter[i].value : 0;

		rates->counter[i] =
		    rates_ratio((double)rates_more(now->counter[i].value, was), span.seconds);
	}
	rates_spread(rates, now);
	rates->root = rates_root(rates, now);
}
