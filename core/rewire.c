/* SPDX-License-Identifier: BSD-3-Clause */
/* A slice's part in a change of the graph: what its lcore does. */

#include "core/rewire.h"

#include <string.h>

#include "core/audit.h"
#include "core/canary.h"
#include "core/env.h"
#include "core/epoch.h"
#include "core/worker.h"

static void
is_through(struct rewire *part)
{
	struct lm_op *slice = part->slice;

	__atomic_store_n(&slice->rewire, NULL, __ATOMIC_RELAXED);
	PREEMPT();
	__atomic_sub_fetch(part->left, 1, __ATOMIC_RELEASE);
}

/* ---- before ---- */

/* What a sink that nobody goes on for has in hand: no more comes, so it is put out now. */
static void
put_out(const struct lm_op *head)
{
	for (uint32_t i = 0; i < head->chain_count; i++) {
		struct rewire *part = head->chain[i]->rewire;

		if (part->leaves) {
			part->leaves = false;
			slice_leave(part->slice);
		}
	}
}

/* Whether nothing more goes over the edges that there are: the marker has, or the end. */
static bool
has_passed(const struct lm_op *head, uint64_t epoch)
{
	for (uint32_t i = 0; i < head->chain_count; i++) {
		const struct lm_op *slice = head->chain[i];

		if (slice_is_pending(slice) ||
		    (!slice->ended && slice->stats.epoch < epoch && !CANARY(CANARY_EARLY_SWITCH))) {
			return false;
		}
	}
	return true;
}

/* ---- giving ---- */

static void
put_in_hand(struct rewire_hand *hand)
{
	struct rewire_hand **arrived = &slice_rewire(hand->to)->arrived;
	struct rewire_hand *first = __atomic_load_n(arrived, __ATOMIC_RELAXED);

	do {
		hand->next = first;
		PREEMPT();
	} while (!__atomic_compare_exchange_n(arrived, &first, hand, false, __ATOMIC_RELEASE,
	                                      __ATOMIC_RELAXED));
}

/* One that has ended has told all that was in its state. */
static void
give(const struct rewire *part)
{
	struct lm_op *slice = part->slice;

	for (uint32_t i = 0; i < part->hand_count; i++) {
		struct rewire_hand *hand = part->hand[i];

		hand->watermark = slice->watermark;
		hand->began_ns = part->began_ns;
		hand->with_state &= !slice->ended;
		if (hand->with_state && hand->is_whole) {
			hand->is_broken = !state_hand_over(slice, &hand->text);
		} else if (hand->with_state) {
			state_give(slice, part->wiring.slice_of, hand->to->index, &hand->bundle);
		}
		put_in_hand(hand);
	}
}

/* ---- taking ---- */

/* Where a name stands in a table that NULL ends; its length: nowhere. */
static uint32_t
find_name(const char *const *table, const char *name)
{
	uint32_t i = 0;

	while (table != NULL && table[i] != NULL && (name == NULL || strcmp(table[i], name) != 0)) {
		i++;
	}
	return i;
}

/* Where other code counts what was dropped for this reason: the last place if it has none such. */
static uint32_t
drop_of(const struct lm_op *slice, const struct lm_op *from, uint32_t reason)
{
	const char *const *is = slice->class->drops, *const *was = from->class->drops;
	uint32_t at;

	if (slice->class == from->class) {
		return reason;
	}
	at = reason < find_name(was, NULL) ? find_name(is, was[reason]) : UINT32_MAX;
	return at < find_name(is, NULL) ? at : LM_DROPS_MAX - 1;
}

/* What a slice has counted that is no more: as if its heir had. */
static void
take_counters(struct lm_op *slice, const struct rewire_hand *hand)
{
	const struct lm_op *from = hand->from;
	struct lm_slice_stats *to = &slice->stats;
	const struct lm_slice_stats *more = &from->stats;

	count_up(&to->rows_in, more->rows_in);
	count_up(&to->batches_in, more->batches_in);
	count_up(&to->rows_absorbed, more->rows_absorbed);
	count_up(&to->busy_ns, more->busy_ns);
	count_up(&to->errors, more->errors);
	count_up(&to->turns_blocked, more->turns_blocked);
	for (uint32_t i = 0; i < LM_DROPS_MAX; i++) {
		if (more->drops[i] != 0) {
			count_up(&to->drops[drop_of(slice, from, i)], more->drops[i]);
		}
	}
	/* Code that has read all of another one's state says by itself where the other one's own
	 * gauges were, as behind a restart; slots say nothing of them. */
	for (uint32_t i = 0; i < LM_OP_GAUGES; i++) {
		uint64_t before = hand->is_whole ? from->gauge_before[i] : more->gauges[i];

		slice->gauge_before[i] += before;
		count_up(&to->gauges[i], before);
	}
	for (uint32_t i = 0; i < slice->output_count; i++) {
		count_up(&to->rows_out[i], more->rows_out[i]);
		count_up(&to->batches_out[i], more->batches_out[i]);
		count_up(&to->rows_unwired[i], more->rows_unwired[i]);
		slice->output[i].rows_before += more->rows_out[i];
		slice->output[i].handed_before += more->rows_unwired[i];
	}
	if (slice->latency != NULL && from->latency != NULL) {
		lm_hist_add(slice->latency, from->latency);
	}
}

/* Event time is what it was: the class has seen it, and nobody is told the same again. */
static void
take_time(struct lm_op *slice, const struct lm_op *from)
{
	slice->watermark = from->watermark;
	slice->source_watermark = from->source_watermark;
	slice->watermark_told = from->watermark_told;
	slice->watermark_seen = from->watermark_seen;
	slice->stats.watermark_ns = from->watermark;
	slice->source_idle = from->source_idle;
}

/* Other code goes on where `from` was; if that had ended, or was to, so does it. */
static void
take_over(struct rewire *part, struct rewire_hand *hand)
{
	struct lm_op *slice = part->slice;

	if (!hand->with_state) {
		slice->had_ended = true;
		slice->stopping = slice->is_source;
		return;
	}
	part->took_over = true;
	part->was_idle = hand->from->source_idle;
	slice->ending = slice->is_source && hand->from->ending;
	take_time(slice, hand->from);
	if (slice->class->state_version != hand->from->class->state_version) {
		state_convert(slice, hand->from, &hand->text);
	} else if (!CANARY(CANARY_LOST_HAND) && !state_take_over(slice, hand->from, &hand->text)) {
		hand->is_broken = true;
	}
}

/* The twin has all slots that the slice is to have: it gives its place to it. */
static void
take_from_twin(struct rewire *part)
{
	struct lm_op *twin = part->was;

	if (part->last_ns == 0) {
		/* All that gave had ended. */
		part->slice->had_ended = true;
		return;
	}
	(void)state_hand_over(twin, &part->was_text);
	state_convert(part->slice, twin, &part->was_text);
}

static void
take(struct rewire *part, struct rewire_hand *hand)
{
	struct lm_op *slice = part->slice;

	/* Slices that share out state by key have the same inputs, others need not. */
	if (hand->with_state) {
		part->first_ns = part->first_ns == 0 || hand->began_ns < part->first_ns
		                     ? hand->began_ns
		                     : part->first_ns;
		part->last_ns = hand->began_ns > part->last_ns ? hand->began_ns : part->last_ns;
		if (!hand->is_whole) {
			state_take(part->is_twin ? part->was : slice, &hand->bundle);
		}
		part->watermark =
		    hand->watermark > part->watermark ? hand->watermark : part->watermark;
	}
	if (hand->is_whole) {
		take_over(part, hand);
	}
	if (hand->from_retires) {
		take_counters(slice, hand);
	}
	part->awaits--;
}

/* Late is late: what the givers had passed on is over for their rows, here as well. */
static void
hear_watermark(struct lm_op *slice, int64_t watermark)
{
	if (watermark <= slice->watermark || slice->ended) {
		return;
	}
	if (slice->head != slice) {
		slice_deliver_control(slice, EDGE_WATERMARK, watermark);
	} else if (watermark > slice->deferred_watermark) {
		slice->deferred_watermark = watermark;
	}
}

static void
take_arrived(struct lm_op *head)
{
	struct rewire *whole = head->rewire;

	for (uint32_t i = 0; i < head->chain_count; i++) {
		struct rewire *part = head->chain[i]->rewire;
		struct rewire_hand *hand;

		if (part->awaits == 0) {
			continue;
		}
		hand = __atomic_exchange_n(&part->arrived, NULL, __ATOMIC_ACQUIRE);
		while (hand != NULL) {
			struct rewire_hand *next = hand->next;

			take(part, hand);
			hand = next;
		}
		if (part->awaits == 0) {
			whole->chain_awaits--;
			if (part->is_twin) {
				take_from_twin(part);
			}
		}
	}
}

/* ---- behind ---- */

/* A new edge begins with what the old ones had told. */
static void
tell_edge(const struct rewire *part, struct edge *edge)
{
	const struct lm_op *slice = part->slice;

	if (edge->feedback) {
		return;
	}
	if (edge->fused) {
		if (slice->ended) {
			slice_deliver_control(edge->to, EDGE_END, 0);
		} else if (slice->watermark_told > edge->to->watermark) {
			slice_deliver_control(edge->to, EDGE_WATERMARK, slice->watermark_told);
		}
		return;
	}
	if (slice->watermark_told != INT64_MIN) {
		edge_tell_watermark(edge, slice->watermark_told);
	}
	if (slice->ended) {
		edge_send_control(edge, EDGE_END, 0);
	} else if (part->was_idle) {
		edge_send_control(edge, EDGE_IDLE, 0);
	}
}

/* All edges of one that goes on where another was are new, and that one had told things. */
static void
tell_edges(const struct rewire *part)
{
	struct lm_op *slice = part->slice;

	for (uint32_t o = 0; o < slice->output_count; o++) {
		const struct output *out = &slice->output[o];

		for (uint32_t w = 0; w < out->wire_count; w++) {
			for (uint32_t d = 0; d < out->wire[w].edge_count; d++) {
				tell_edge(part, out->wire[w].edge[d]);
			}
		}
	}
}

/* How long keys waited: for the last of who had them, and from then on. */
static void
note_pause(struct rewire *part)
{
	int64_t first_ns = part->first_ns, last_ns = part->last_ns;

	if (last_ns == 0) {
		return;
	}
	if (part->began_ns != 0) {
		first_ns = part->began_ns < first_ns ? part->began_ns : first_ns;
		last_ns = part->began_ns > last_ns ? part->began_ns : last_ns;
	}
	part->align_ns = last_ns - first_ns;
	part->pause_ns = env_now_ns() - last_ns;
}

/* The chain has all it awaited. */
static void
go_on(struct lm_op *head)
{
	bool converts = false;

	for (uint32_t i = 0; i < head->chain_count; i++) {
		struct rewire *part = head->chain[i]->rewire;

		note_pause(part);
		converts |= part->slice->state.slots_waiting > 0;
		hear_watermark(part->slice, part->watermark);
	}
	head->converts = converts;
	for (uint32_t i = 0; i < head->chain_count; i++) {
		struct rewire *part = head->chain[i]->rewire;

		for (uint32_t e = 0; e < part->fresh_count; e++) {
			tell_edge(part, part->fresh[e]);
		}
		if (part->took_over) {
			tell_edges(part);
		}
	}
	head->rewire->is_settling = true;
}

/* A step of what giving and taking state left for later; the head is the last that is through. */
static void
settle(struct lm_op *head)
{
	for (uint32_t i = head->chain_count; i-- > 0;) {
		struct lm_op *slice = head->chain[i];

		if (slice->rewire != NULL) {
			if (!state_settle(slice)) {
				return;
			}
			is_through(slice->rewire);
		}
	}
}

/* ---- the switch ---- */

static void
count_awaits(struct lm_op *head)
{
	for (uint32_t i = 0; i < head->chain_count; i++) {
		head->rewire->chain_awaits += head->chain[i]->rewire->awaits > 0;
	}
}

/* Its old chain is `chain`: of those some go on as they are, some become heads, some retire. */
static void
switch_chain(struct worker *worker, struct lm_op *head, struct lm_op **chain, uint32_t count)
{
	/* One whose inputs have all ended is about to end, and may still send. */
	bool was_idle = !head->is_source && epoch_is_idle(head) && !epoch_inputs_ended(head);

	int64_t now_ns = env_now_ns();

	worker_remove(worker, head);
	for (uint32_t i = 0; i < count; i++) {
		struct rewire *part = chain[i]->rewire;

		part->began_ns = now_ns;

		part->was_idle = was_idle;
		part->is_switched = true;
		give(part);
		audit_before_change(chain[i]);
		slice_exchange_wiring(chain[i], &part->wiring);
		if (part->text.bytes != NULL) {
			chain[i]->state.engine_text = part->text;
		}
		audit_behind_change(chain[i]);
		chain[i]->state.is_alone = chain[i]->slices == 1;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct lm_op *slice = chain[i];

		if (slice->rewire->retires) {
			slice->retired = true;
			is_through(slice->rewire);
		} else if (slice->head == slice) {
			count_awaits(slice);
			worker_add(worker, slice);
		}
	}
}

void
rewire_switch_due(struct worker *worker)
{
	struct rewire *part = worker->due;

	worker->due = NULL;
	while (part != NULL) {
		struct rewire *next = part->next_due;
		struct lm_op *head = part->slice;

		/* The arrays are part of what is exchanged; they stay until all are through. */
		switch_chain(worker, head, head->chain, head->chain_count);
		part = next;
	}
}

bool
rewire_lets(struct lm_op *head)
{
	struct rewire *part = head->rewire;

	if (!part->is_switched) {
		if (!part->is_due && has_passed(head, part->epoch)) {
			put_out(head);
		}
		if (!part->is_due && has_passed(head, part->epoch)) {
			part->is_due = true;
			part->next_due = head->worker->due;
			head->worker->due = part;
		}
		return !part->is_due;
	}
	if (part->is_settling) {
		settle(head);
		return true;
	}
	if (part->chain_awaits > 0) {
		take_arrived(head);
	}
	if (part->chain_awaits > 0 && !CANARY(CANARY_EARLY_TURN)) {
		return false;
	}
	go_on(head);
	settle(head);
	return true;
}

void
rewire_add_heads(struct worker *self, void *arg, uint64_t value)
{
	struct rewire_heads *heads = arg;
	struct lm_op **old = self->slice;

	(void)value;
	memcpy(heads->list, old, self->slice_count * sizeof(*old));
	self->slice = heads->list;
	heads->list = old;
	for (uint32_t i = 0; i < heads->count; i++) {
		count_awaits(heads->head[i]);
		worker_add(self, heads->head[i]);
	}
	__atomic_sub_fetch(heads->left, 1, __ATOMIC_RELEASE);
}
