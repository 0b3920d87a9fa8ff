/* SPDX-License-Identifier: BSD-3-Clause */
/* One turn of a slice: what it is asked, in which order, and what waits until there is room. */

#include "core/slice.h"

#include <stdlib.h>

#include "core/canary.h"
#include "core/env.h"
#include "core/epoch.h"
#include "core/output.h"
#include "core/rewire.h"
#include "core/worker.h"

static bool
chain_is_pending(const struct lm_op *slice, uint32_t from)
{
	for (uint32_t i = from; i < slice->chain_count; i++) {
		if (slice_is_pending(slice->chain[i])) {
			return true;
		}
	}
	return false;
}

static bool
wire_has_room(struct output_wire *wire, int64_t now_ns)
{
	for (uint32_t i = 0; i < wire->edge_count; i++) {
		if (edge_has_room(wire->edge[i], now_ns) == wire->any) {
			return wire->any;
		}
	}
	return !wire->any;
}

bool
slice_has_room(struct lm_op *slice)
{
	if (BUGGIFY(BUGGIFY_NO_ROOM)) {
		return false;
	}
	for (uint32_t i = 0; i < slice->exit_count; i++) {
		if (!wire_has_room(slice->exit[i], slice->worker->now_ns)) {
			return false;
		}
	}
	return !chain_is_pending(slice, 1);
}

static void
slice_record_latency(struct lm_op *slice, const struct lm_batch *batch, uint32_t rows)
{
	if (slice->latency != NULL && batch->ingress_ns != INT64_MAX) {
		int64_t latency_ns = env_now_ns() - batch->ingress_ns;

		lm_hist_record(slice->latency, latency_ns < 0 ? 0 : (uint64_t)latency_ns, rows);
	}
}

/* The end of a slice: nothing is delivered to it any more. */
static void
slice_finish_end(struct lm_op *slice)
{
	state_end(slice);
	PREEMPT();
	__atomic_store_n(&slice->ended, true, __ATOMIC_RELEASE);
	output_send_control(slice, EDGE_END, 0);
	PREEMPT();
	__atomic_add_fetch(&slice->shared->ended_slices, 1, __ATOMIC_RELEASE);
}

/* Event time goes on, but not past where the operator holds it, and never twice. */
static void
slice_tell_watermark(struct lm_op *slice, int64_t watermark)
{
	if (slice->class->hold != NULL) {
		watermark = slice->class->hold(slice, watermark);
	}
	if (watermark > slice->watermark_told) {
		slice->watermark_told = watermark;
		output_send_control(slice, EDGE_WATERMARK, watermark);
	}
}

static bool
slice_delays(const struct lm_op *slice)
{
	return (slice->class->flags & LM_OP_DELAYS) != 0;
}

/* Nothing comes for a while; rows that the class still keeps must come before it. */
static void
slice_tell_idle(struct lm_op *slice)
{
	slice->idle_waits = slice->class->hold(slice, INT64_MAX) != INT64_MAX;
	if (!slice->idle_waits) {
		output_send_control(slice, EDGE_IDLE, 0);
	}
}

/* A class that delays rows may have let some go: what waited for them follows. */
static void
slice_tell_what_waited(struct lm_op *slice)
{
	if (!slice_delays(slice)) {
		return;
	}
	if (slice->watermark_seen != INT64_MIN) {
		slice_tell_watermark(slice, slice->watermark_seen);
	}
	if (slice->idle_waits) {
		slice_tell_idle(slice);
	}
}

/* Who sees that the slice is through with the epoch also sees its part of the snapshot. */
static void
slice_finish_epoch(struct lm_op *slice, uint64_t epoch)
{
	if (CANARY(CANARY_EARLY_EPOCH)) {
		__atomic_store_n(&slice->stats.epoch, epoch, __ATOMIC_RELEASE);
		PREEMPT();
	}
	if (__atomic_load_n(&slice->shared->snapshot_epoch, __ATOMIC_RELAXED) == epoch) {
		(void)state_flip(slice, epoch);
	}
	PREEMPT();
	__atomic_store_n(&slice->stats.epoch, epoch, __ATOMIC_RELEASE);
	epoch_done(slice);
	output_send_control(slice, EDGE_MARKER, (int64_t)epoch);
}

/* What follows a control call that is through: it goes on downstream. */
static void
slice_finish(struct lm_op *slice, const struct slice_ask *ask)
{
	switch (ask->call) {
	case CALL_BATCH:
		slice_record_latency(slice, ask->batch,
		                     ask->selected ? ask->select.count : ask->batch->count);
		slice_tell_what_waited(slice);
		break;
	case CALL_WATERMARK:
		slice->watermark_seen = ask->value;
		slice_tell_watermark(slice, ask->value);
		break;
	case CALL_TIMER:
		slice_tell_what_waited(slice);
		break;
	case CALL_IDLE:
		slice_tell_idle(slice);
		break;
	case CALL_EPOCH:
		slice_finish_epoch(slice, (uint64_t)ask->value);
		break;
	case CALL_END:
		slice_finish_end(slice);
		break;
	default:
		break;
	}
}

/* Test builds: an operator that writes to its input stops the run, by name. */
static void
slice_check_input(const struct lm_op *slice, const struct lm_batch *batch, uint64_t digest)
{
	if (batch_digest(batch) != digest) {
		env_log(2, "%s: operators of class %s must not write to their input", slice->name,
		        slice->class->name);
		abort();
	}
}

static void
slice_process(struct lm_op *slice, const struct slice_ask *ask, const struct lm_select *select)
{
	bool checks = CANARY_BUILD;
	uint64_t digest = checks ? batch_digest(ask->batch) : 0;

	slice->current_input = ask->input;
	slice->ingress_ns = ask->batch->ingress_ns;
	if (select != NULL) {
		slice->class->process_select(slice, select);
	} else {
		slice->class->process(slice, ask->batch);
	}
	if (checks) {
		slice_check_input(slice, ask->batch, digest);
	}
}

static void
slice_call_class(struct lm_op *slice, const struct slice_ask *ask, const struct lm_select *select)
{
	const struct lm_op_class *class = slice->class;

	switch (ask->call) {
	case CALL_BATCH:
		slice->idle_waits = false;
		slice_process(slice, ask, select);
		break;
	case CALL_WATERMARK:
		slice->idle_waits = false;
		if (class->watermark != NULL) {
			class->watermark(slice, ask->value);
		}
		break;
	case CALL_TIMER:
		slice->ingress_ns = INT64_MAX;
		class->timer(slice, (uint32_t)ask->value);
		break;
	case CALL_EPOCH:
		if (class->epoch != NULL) {
			class->epoch(slice, (uint64_t)ask->value);
		}
		break;
	case CALL_LEAVE:
	case CALL_END:
		if (class->end != NULL) {
			class->end(slice);
		}
		break;
	default:
		break;
	}
}

/* Keeps a call that is not through, with a reference to its batch and a copy of its selection. */
static void
slice_keep(struct slice_ask *kept, const struct slice_ask *ask, const struct lm_select *select)
{
	kept->call = ask->call;
	kept->batch = ask->batch;
	kept->input = ask->input;
	kept->value = ask->value;
	kept->selected = select != NULL;
	if (select != NULL) {
		kept->select = *select;
	}
	if (ask->batch != NULL) {
		batch_retain(ask->batch);
	}
}

static void
slice_forget(struct lm_op *slice, struct slice_ask *ask)
{
	if (ask->batch != NULL) {
		batch_release(ask->batch, slice->worker->index);
		ask->batch = NULL;
	}
	ask->call = CALL_NONE;
}

/* The first time or again: returns true when the call is through. */
static bool
slice_call(struct lm_op *slice, const struct slice_ask *ask, const struct lm_select *select)
{
	slice->again = false;
	if (!slice->had_ended) {
		slice_call_class(slice, ask, select);
	}
	if (slice->output_count > 0) {
		output_send_staged(slice);
	}
	if (slice->again) {
		return false;
	}
	slice_finish(slice, ask);
	return true;
}

static void
slice_ask(struct lm_op *slice, const struct slice_ask *ask, const struct lm_select *select)
{
	if (!slice_call(slice, ask, select)) {
		slice_keep(&slice->pending, ask, select);
	}
}

static void
slice_count_in(struct lm_op *slice, uint32_t rows)
{
	count_up(&slice->stats.rows_in, rows);
	count_up(&slice->stats.batches_in, 1);
}

/* Calls the pending one again, then what waits behind it; true if anything was called. */
static bool
slice_resume(struct lm_op *slice)
{
	bool busy = false;

	while (slice_is_pending(slice) && slice_has_room(slice)) {
		busy = true;
		if (slice->pending.call != CALL_NONE) {
			struct slice_ask *ask = &slice->pending;

			if (slice_call(slice, ask, ask->selected ? &ask->select : NULL)) {
				if (CANARY(CANARY_DOUBLE_RESUME) && ask->call == CALL_BATCH) {
					slice_call(slice, ask, ask->selected ? &ask->select : NULL);
				}
				slice_forget(slice, ask);
			} else {
				break;
			}
		} else {
			struct slice_ask *ask = &slice->inbox[slice->inbox_first];

			slice_ask(slice, ask, ask->selected ? &ask->select : NULL);
			slice_forget(slice, ask);
			slice->inbox_first = (slice->inbox_first + 1) % SLICE_INBOX;
			slice->inbox_count--;
		}
	}
	return busy;
}

/* Whether the callback sends no more rows than it is given: for those the head's turn had room. */
static bool
slice_sends_what_it_gets(const struct lm_op *slice, const struct slice_ask *ask)
{
	return ask->call == CALL_BATCH && slice->class->rows == LM_ROWS_PASS &&
	       (slice->class->flags & LM_OP_AMPLIFIES) == 0;
}

/*
 * Asks a slice, or leaves the call in its inbox: behind one that is not through, its own or that of
 * a slice it calls, and where it may need more room than there is. So a slice's inbox never holds
 * more than what one callback of its caller sends.
 */
static void
slice_ask_or_wait(struct lm_op *slice, const struct slice_ask *ask, const struct lm_select *select)
{
	if (!chain_is_pending(slice, 0) &&
	    (slice_sends_what_it_gets(slice, ask) || slice_has_room(slice))) {
		slice_ask(slice, ask, select);
		return;
	}
	assert(slice->inbox_count < SLICE_INBOX);
	slice_keep(&slice->inbox[(slice->inbox_first + slice->inbox_count) % SLICE_INBOX], ask,
	           select);
	slice->inbox_count++;
}

/* A batch of only the selected rows, for a class that does not take selections. */
static struct lm_batch *
slice_gather(struct lm_op *slice, const struct lm_batch *batch, const struct lm_select *select)
{
	struct lm_batch *dense = batch_take(batch->pool, slice->worker->index);
	uint32_t count = batch_append(dense, batch, select->row, 0, select->count);

	assert(count == select->count);
	(void)count;
	dense->sequence = batch->sequence;
	dense->epoch = batch->epoch;
	return dense;
}

void
slice_deliver(struct lm_op *slice, uint32_t input, struct lm_batch *batch,
              const struct lm_select *select)
{
	struct slice_ask ask; /* not initialised whole: it holds a selection */

	ask.call = CALL_BATCH;
	ask.batch = batch;
	ask.input = input;
	ask.value = 0;
	ask.selected = select != NULL && slice->class->process_select != NULL;
	slice_count_in(slice, select == NULL ? batch->count : select->count);
	if (select == NULL || ask.selected) {
		if (ask.selected) {
			ask.select.count = select->count;
		}
		slice_ask_or_wait(slice, &ask, select);
		return;
	}
	ask.batch = slice_gather(slice, batch, select);
	slice_ask_or_wait(slice, &ask, NULL);
	batch_release(ask.batch, slice->worker->index);
}

static void
slice_ask_control(struct lm_op *slice, enum slice_call call, int64_t value)
{
	struct slice_ask ask;

	ask.call = call;
	ask.batch = NULL;
	ask.input = 0;
	ask.value = value;
	ask.selected = false;
	slice_ask_or_wait(slice, &ask, NULL);
}

/* Its inputs are idle: in order with its rows where it matters, else at once. */
static void
slice_hear_idle(struct lm_op *slice)
{
	if (slice_delays(slice)) {
		slice_ask_control(slice, CALL_IDLE, 0);
	} else {
		output_send_control(slice, EDGE_IDLE, 0);
	}
}

void
slice_deliver_control(struct lm_op *slice, enum edge_item_kind kind, int64_t value)
{
	/* Behind a change of the graph an operator that is new may call one that has ended. */
	if (slice->ended) {
		return;
	}
	switch (kind) {
	case EDGE_WATERMARK:
		slice->watermark = value;
		__atomic_store_n(&slice->stats.watermark_ns, value, __ATOMIC_RELAXED);
		slice_ask_control(slice, CALL_WATERMARK, value);
		break;
	case EDGE_MARKER:
		slice_ask_control(slice, CALL_EPOCH, value);
		break;
	case EDGE_END:
		slice_ask_control(slice, CALL_END, 0);
		break;
	case EDGE_IDLE:
		slice_hear_idle(slice);
		break;
	default:
		break;
	}
}

void
slice_leave(struct lm_op *slice)
{
	if (!slice->ended) {
		slice_ask_control(slice, CALL_LEAVE, 0);
	}
}

static bool
slice_waits_to_end(const struct lm_op *slice)
{
	return slice->is_source && __atomic_load_n(&slice->shared->ends_wait, __ATOMIC_ACQUIRE);
}

/* What a head owes before it takes anything new; true if it did something. */
static bool
slice_progress(struct lm_op *slice)
{
	if (slice->deferred_watermark != INT64_MIN) {
		int64_t watermark = slice->deferred_watermark;

		slice->deferred_watermark = INT64_MIN;
		slice_deliver_control(slice, EDGE_WATERMARK, watermark);
		return true;
	}
	if (epoch_is_aligned(slice)) {
		slice_ask_control(slice, CALL_EPOCH, (int64_t)slice->marker);
		return true;
	}
	if (slice->ending && !slice_waits_to_end(slice)) {
		slice_ask_control(slice, CALL_END, 0);
		return true;
	}
	if (slice->source_idle) {
		slice->source_idle = false;
		output_send_control(slice, EDGE_IDLE, 0);
		/* It took slots: what comes next in this turn needs room again. */
		return !slice_has_room(slice);
	}
	return false;
}

/* A watermark over all inputs: delivered now, or when what it must come after is through. */
static void
slice_advance(struct lm_op *slice, int64_t watermark)
{
	if (watermark <= slice->watermark && slice->watermark != INT64_MIN) {
		return;
	}
	if (watermark == INT64_MIN) {
		return;
	}
	if (chain_is_pending(slice, 0) || !slice_has_room(slice)) {
		slice->deferred_watermark = watermark;
		return;
	}
	slice_deliver_control(slice, EDGE_WATERMARK, watermark);
}

static bool
slice_poll(struct lm_op *slice)
{
	enum lm_poll result;

	if (slice->stopping) {
		slice->ending = true;
		return true;
	}
	slice->ingress_ns = slice->worker->now_ns;
	result = slice->class->poll(slice);
	output_send_staged(slice);
	slice->ending = result == LM_POLL_END;
	if (slice->source_watermark > slice->watermark) {
		slice_advance(slice, slice->source_watermark);
	}
	return result != LM_POLL_IDLE;
}

/* The row is another one from batch to batch: there may be an order in which keys come. */
static void
slice_sample_slot(struct lm_op *slice, uint32_t input, const struct lm_batch *batch)
{
	uint32_t turn = (uint32_t)slice->stats.batches_in * 2654435769u;
	uint32_t row = (uint32_t)((uint64_t)turn * batch->count >> 32), *rows;

	if (slice->slot_rows == NULL || batch->hash_key != slice->slot_key[input] ||
	    batch->hash_key == 0) {
		return;
	}
	rows = &slice->slot_rows[route_slot(lm_batch_hashes((struct lm_batch *)batch)[row],
	                                    slice->state.slot_bits)];
	__atomic_store_n(rows, *rows + batch->count, __ATOMIC_RELAXED);
}

static void
slice_take_data(struct lm_op *slice, struct edge *edge, const struct edge_item *item)
{
	struct lm_batch *batch = (struct lm_batch *)item->word;

	edge->idle = false;
	slice_sample_slot(slice, edge->input, batch);
	slice_deliver(slice, edge->input, batch, NULL);
	batch_release(batch, slice->worker->index);
	if (item->value != INT64_MIN && !edge->feedback) {
		edge->watermark_in = item->value;
		slice_advance(slice, epoch_watermark(slice));
	}
}

/* An input is not waited for any more: event time moves without it, or nothing is left to move it.
 */
static void
slice_rest(struct lm_op *slice)
{
	if (epoch_is_idle(slice) && !epoch_inputs_ended(slice)) {
		slice_hear_idle(slice);
	} else {
		slice_advance(slice, epoch_watermark(slice));
	}
}

void
slice_warm(const struct lm_op *slice, uint64_t epoch)
{
	if (__atomic_load_n(&slice->shared->snapshot_epoch, __ATOMIC_RELAXED) != epoch) {
		return;
	}
	for (uint32_t i = 0; i < slice->chain_count; i++) {
		state_warm(slice->chain[i]);
	}
}

static void
slice_take_item(struct lm_op *slice, struct edge *edge, const struct edge_item *item)
{
	switch (edge_item_kind(item)) {
	case EDGE_DATA:
		slice_take_data(slice, edge, item);
		break;
	case EDGE_WATERMARK:
		edge->idle = false;
		edge->watermark_in = item->value;
		if (!edge->feedback) {
			slice_advance(slice, epoch_watermark(slice));
		}
		break;
	case EDGE_MARKER:
		if (slice->marker == 0) {
			slice_warm(slice, (uint64_t)item->value);
		}
		epoch_mark(slice, edge, (uint64_t)item->value);
		break;
	case EDGE_IDLE:
		edge->idle = true;
		slice_rest(slice);
		break;
	case EDGE_END:
		edge->ended = true;
		slice_rest(slice);
		break;
	}
}

/* Takes one item from the inputs, in turn. Inputs that hold a marker wait for the others. */
static bool
slice_take(struct lm_op *slice)
{
	struct edge_item item;

	for (uint32_t i = 0; i < slice->input_count; i++) {
		uint32_t at = slice->cursor + i;
		struct edge *edge =
		    slice->input[at < slice->input_count ? at : at - slice->input_count];

		if (!edge->blocked && !edge->ended && edge_take(edge, &item)) {
			slice->cursor = (at + 1) % slice->input_count;
			slice_take_item(slice, edge, &item);
			return true;
		}
	}
	slice->ending = epoch_inputs_ended(slice);
	return slice->ending;
}

static bool
chain_resume(struct lm_op *slice)
{
	bool busy = false;

	/* Those called last come first: they make the room that their callers wait for. */
	for (uint32_t i = slice->chain_count; i-- > 0;) {
		if (slice_is_pending(slice->chain[i])) {
			busy |= slice_resume(slice->chain[i]);
		}
	}
	return busy;
}

void
slice_exchange_wiring(struct lm_op *slice, struct wiring *wiring)
{
	EXCHANGE(slice->number, wiring->number);
	EXCHANGE(slice->op, wiring->op);
	EXCHANGE(slice->slices, wiring->slices);
	EXCHANGE(slice->turn, wiring->turn);
	EXCHANGE(slice->head, wiring->head);
	EXCHANGE(slice->input, wiring->input);
	EXCHANGE(slice->input_count, wiring->input_count);
	for (uint32_t i = 0; i < LM_PORTS_MAX; i++) {
		EXCHANGE(slice->output[i].pool, wiring->output[i].pool);
		EXCHANGE(slice->output[i].wire, wiring->output[i].wire);
		EXCHANGE(slice->output[i].wire_count, wiring->output[i].wire_count);
		for (uint32_t w = 0; w < slice->output[i].wire_count; w++) {
			struct output_wire *wire = &slice->output[i].wire[w];

			for (uint32_t d = 0; d < wire->edge_count; d++) {
				wire->edge[d]->pool = slice->output[i].pool;
			}
		}
	}
	EXCHANGE(slice->exit, wiring->exit);
	EXCHANGE(slice->exit_count, wiring->exit_count);
	EXCHANGE(slice->chain, wiring->chain);
	EXCHANGE(slice->chain_count, wiring->chain_count);
	EXCHANGE(slice->state.slice_of, wiring->slice_of);
	slice->cursor = 0;
}

/* Whether a source is to be asked: for rows, or to end. */
static bool
slice_is_wanted(const struct lm_op *slice)
{
	bool is_active = slice->activity % 2 == 0 || CANARY(CANARY_DEAF_SOURCE);

	return !slice->pausing && !slice->ending && (is_active || slice->stopping);
}

bool
slice_turn(struct lm_op *slice)
{
	if (slice_rewire(slice) != NULL && !rewire_lets(slice)) {
		return slice->rewire->is_due && !slice->rewire->is_switched;
	}
	if (chain_is_pending(slice, 0)) {
		bool busy = chain_resume(slice);

		if (busy || chain_is_pending(slice, 0)) {
			return busy;
		}
	}
	if (slice->ended) {
		return false;
	}
	if (!slice_has_room(slice)) {
		count_up(&slice->stats.turns_blocked, 1);
		return false;
	}
	if (slice_progress(slice)) {
		return true;
	}
	if (slice->is_source) {
		return slice_is_wanted(slice) && slice_poll(slice);
	}
	return slice_take(slice);
}

void
slice_flush(struct lm_op *slice, enum edge_flush why)
{
	for (uint32_t i = 0; i < slice->exit_count; i++) {
		struct output_wire *wire = slice->exit[i];

		for (uint32_t d = 0; d < wire->edge_count; d++) {
			edge_flush(wire->edge[d], why, slice->worker->now_ns);
		}
	}
}

static bool
slice_timer_run(struct lm_op *slice, uint32_t timer, int64_t now_ns)
{
	struct slice_timer *t = &slice->timer[timer];

	/* From the due time, not from now, so that nothing drifts; what was missed is not made up.
	 */
	t->due_ns += (int64_t)t->period_ns;
	if (t->due_ns <= now_ns && t->period_ns == 0) {
		t->due_ns = now_ns;
	} else if (t->due_ns <= now_ns) {
		int64_t period_ns = (int64_t)t->period_ns;

		t->due_ns += ((now_ns - t->due_ns) / period_ns + 1) * period_ns;
	}
	slice_ask_control(slice, CALL_TIMER, timer);
	return true;
}

bool
slice_timers(struct lm_op *head, int64_t *next_ns)
{
	int64_t now_ns = head->worker->now_ns;
	bool busy = false;

	if (slice_rewire(head) != NULL && !rewire_lets(head)) {
		*next_ns = now_ns;
		return false;
	}
	for (uint32_t i = 0; i < head->chain_count; i++) {
		struct lm_op *slice = head->chain[i];

		for (uint32_t t = 0; t < slice->timer_count && !slice->ended; t++) {
			struct slice_timer *timer = &slice->timer[t];

			if (timer->active && timer->due_ns <= now_ns &&
			    !chain_is_pending(head, 0) && slice_has_room(slice)) {
				busy |= slice_timer_run(slice, t, now_ns);
			}
			if (timer->active && timer->due_ns < *next_ns) {
				*next_ns = timer->due_ns;
			}
		}
	}
	return busy;
}
