/* SPDX-License-Identifier: BSD-3-Clause */
/* The bounded path between two slices: credit, partial batches, policies, sequence. */

#include "core/edge.h"

#include <rte_ring_peek.h>

#include "core/canary.h"
#include "core/slice.h"
#include "core/worker.h"

uint32_t
edge_slots(uint32_t credit)
{
	return credit + EDGE_OVERFLOW + EDGE_CONTROL;
}

static uint32_t
edge_worker(const struct edge *edge)
{
	return edge->from->worker->index;
}

/* A token bucket that holds at most 10 ms worth of rows or one batch. */
static bool
edge_may_pass(struct edge *edge, int64_t now_ns)
{
	double most = (double)edge->rate / 100.0;

	most = most < LM_BATCH_ROWS ? LM_BATCH_ROWS : most;
	edge->tokens += (double)(now_ns - edge->tokens_at_ns) * 1e-9 * (double)edge->rate;
	edge->tokens = edge->tokens > most ? most : edge->tokens;
	edge->tokens_at_ns = now_ns;
	return edge->tokens > 0;
}

bool
edge_has_room(struct edge *edge, int64_t now_ns)
{
	switch (edge->policy) {
	case LM_POLICY_SHED_NEWEST:
	case LM_POLICY_SHED_OLDEST:
		return true;
	case LM_POLICY_THROTTLE:
		if (!edge_may_pass(edge, now_ns)) {
			return false;
		}
		break;
	default:
		break;
	}
	return ring_count(edge->ring) < edge->credit;
}

/*
 * Discards the oldest waiting batch so that there is room. A control item is never discarded: with
 * one at the head the caller sheds the newest rows instead.
 */
static bool
edge_discard_oldest(struct edge *edge)
{
	struct edge_item item;

	if (rte_ring_dequeue_bulk_elem_start(edge->ring, &item, sizeof(item), 1, NULL) == 0) {
		return true;
	}
	if (edge_item_kind(&item) != EDGE_DATA) {
		rte_ring_dequeue_elem_finish(edge->ring, 0);
		return false;
	}
	rte_ring_dequeue_elem_finish(edge->ring, 1);
	edge->rows_discarded += ((struct lm_batch *)item.word)->count;
	if (item.value > edge->watermark) {
		edge_tell_watermark(edge, item.value);
	}
	batch_release((struct lm_batch *)item.word, edge_worker(edge));
	return true;
}

/* Room for one more batch, made if the policy allows. False: the rows at hand are shed. */
static bool
edge_make_room(struct edge *edge)
{
	while (ring_count(edge->ring) >= edge->credit) {
		switch (edge->policy) {
		case LM_POLICY_SHED_NEWEST:
			return false;
		case LM_POLICY_SHED_OLDEST:
			/* Control items count as well: one batch less may not be enough. */
			if (!edge_discard_oldest(edge)) {
				return false;
			}
			break;
		default:
			return true; /* the overflow slots: see EDGE_OVERFLOW */
		}
	}
	return true;
}

/* Hands a batch over; gives up the caller's reference either way. What is not sent has no number.
 */
static void
edge_put_batch(struct edge *edge, struct lm_batch *batch)
{
	struct edge_item item = { .word = (uintptr_t)batch };
	uint32_t rows = batch->count;
	uint64_t bytes = batch_bytes(batch);

	if (!edge_make_room(edge)) {
		edge->rows_shed += rows;
		batch_release(batch, edge_worker(edge));
		return;
	}
	batch->sequence = edge->sequence;
	item.value = edge->watermark; /* that of a batch which was discarded for this one, too */
	PREEMPT_SELDOM();
	/* The pool counts on this bound; the ring may be larger. */
	if (ring_count(edge->ring) >= edge->credit + EDGE_OVERFLOW ||
	    rte_ring_sp_enqueue_elem(edge->ring, &item, sizeof(item)) != 0) {
		/* An operator sent more than its room: its rows go, counted, the engine stays. */
		edge->rows_overflow += rows;
		batch_release(batch, edge_worker(edge));
		return;
	}
	edge->watermark = INT64_MIN;
	edge->idle_told = false;
	edge->idle_waits = false;
	edge->sequence += rows;
	edge->rows_sent += rows;
	edge->batches_sent++;
	__atomic_store_n(&edge->bytes_sent, edge->bytes_sent + bytes, __ATOMIC_RELAXED);
	edge->tokens -= rows;
}

static void
edge_close_open(struct edge *edge)
{
	struct lm_batch *batch = edge->open;

	edge->open = NULL;
	edge_put_batch(edge, batch);
}

/* Whether a batch is worth its own slot: else its rows are copied behind those that wait. */
static bool
edge_takes_whole(const struct edge *edge, const struct lm_batch *batch)
{
	if (edge->open == NULL) {
		return batch->count >= batch->schema->capacity / 2 || edge_count(edge) == 0;
	}
	return batch->count >= batch->schema->capacity / 2;
}

static void
edge_append(struct edge *edge, const struct lm_batch *batch, const uint16_t *rows, uint32_t count,
            const uint64_t *hash, uint32_t hash_key, int64_t now_ns)
{
	uint32_t done = 0;

	while (done < count) {
		struct lm_batch *open = edge->open;
		uint32_t before, fitted, key_before;

		if (open == NULL) {
			open = edge->open = batch_take(edge->pool, edge_worker(edge));
			edge->open_since_ns = now_ns;
		}
		before = open->count;
		key_before = open->hash_key;
		fitted = batch_append(open, batch, rows == NULL ? NULL : rows + done, done,
		                      count - done);
		if (hash != NULL && fitted > 0 && (before == 0 || key_before == hash_key)) {
			for (uint32_t i = 0; i < fitted; i++) {
				uint32_t row = rows == NULL ? done + i : rows[done + i];

				lm_batch_hashes(open)[before + i] = hash[row];
			}
			open->hash_key = hash_key;
		}
		done += fitted;
		if (done < count || open->count == open->schema->capacity) {
			edge_close_open(edge);
		}
	}
}

/*
 * A batch that goes out whole by reference carries the sequence of this edge, so it must have no
 * other holder who sends it on an edge of its own.
 */
void
edge_send(struct edge *edge, struct lm_batch *batch, const uint16_t *rows, uint32_t count,
          const uint64_t *hash, uint32_t hash_key, int64_t now_ns)
{
	if (edge->closed) {
		edge->rows_shed += count;
		return;
	}
	if (rows == NULL && batch_is_own(batch) && edge_takes_whole(edge, batch)) {
		if (edge->open != NULL) {
			edge_close_open(edge);
		}
		batch_retain(batch);
		edge_put_batch(edge, batch);
		return;
	}
	edge_append(edge, batch, rows, count, hash, hash_key, now_ns);
}

void
edge_tell_watermark(struct edge *edge, int64_t watermark)
{
	edge->watermark = watermark > edge->watermark ? watermark : edge->watermark;
}

/* With no credit left a partial batch stays open: more rows may still join it. */
static bool
edge_should_go(struct edge *edge, enum edge_flush why, int64_t now_ns)
{
	switch (why) {
	case EDGE_FLUSH_FORCE:
		return true;
	case EDGE_FLUSH_IDLE:
		/* A consumer on the same lcore is as idle as its producer: it is next. */
		if (edge_count(edge) == 0 || edge->from->worker == slice_worker(edge->to)) {
			return edge_has_room(edge, now_ns);
		}
		break;
	default:
		break;
	}
	return now_ns - edge->open_since_ns >= edge->partial_ns && edge_has_room(edge, now_ns);
}

void
edge_flush(struct edge *edge, enum edge_flush why, int64_t now_ns)
{
	if (edge->open != NULL) {
		if (edge_should_go(edge, why, now_ns)) {
			edge_close_open(edge);
		}
		return;
	}
	/* A busy producer tells it as well: no batch may come this way for long. */
	if (edge->watermark != INT64_MIN && edge_count(edge) == 0) {
		edge_send_control(edge, EDGE_WATERMARK, 0);
	}
	if (edge->idle_waits && edge_count(edge) < edge->credit) {
		edge_send_control(edge, EDGE_IDLE, 0);
	}
}

/*
 * Where rows are shed a producer goes on, and may fall idle again and again, in front of a consumer
 * that stands still.
 */
static bool
edge_idle_must_wait(const struct edge *edge)
{
	return (edge->policy == LM_POLICY_SHED_NEWEST || edge->policy == LM_POLICY_SHED_OLDEST) &&
	       edge_count(edge) >= edge->credit + EDGE_OVERFLOW;
}

void
edge_send_control(struct edge *edge, enum edge_item_kind kind, int64_t value)
{
	struct edge_item item = { .word = EDGE_WATERMARK, .value = INT64_MIN };
	int failed = 0;

	if (edge->closed || (kind == EDGE_IDLE && edge->idle_told && edge->open == NULL)) {
		return;
	}
	if (edge->open != NULL && !CANARY(CANARY_LOSE_PARTIAL)) {
		edge_close_open(edge);
	}
	if (kind == EDGE_IDLE && edge_idle_must_wait(edge)) {
		edge->idle_waits = true;
		return;
	}
	edge->idle_waits &= kind != EDGE_IDLE;
	/* A watermark that waits for a batch goes before anything it must not come after. */
	if (edge->watermark != INT64_MIN) {
		item.value = edge->watermark;
		edge->watermark = INT64_MIN;
		edge->idle_told = false;
		failed = rte_ring_sp_enqueue_elem(edge->ring, &item, sizeof(item));
	}
	PREEMPT_SELDOM();
	if (kind != EDGE_WATERMARK) {
		item.word = kind;
		item.value = value;
		failed |= rte_ring_sp_enqueue_elem(edge->ring, &item, sizeof(item));
	}
	/* Of what waits without credit there is room for each: see EDGE_CONTROL. */
	assert(failed == 0);
	(void)failed;
	edge->idle_told |= kind == EDGE_IDLE;
	edge->closed = kind == EDGE_END;
}

/* The batch that will be taken next was written on another lcore: it may come while this one is
 * worked on. */
static void
edge_prefetch_next(const struct edge *edge)
{
	const struct edge_item *next = ring_peek(edge->ring, sizeof(*next));

	if (next != NULL && edge_item_kind(next) == EDGE_DATA) {
		lm_batch_prefetch((const struct lm_batch *)next->word, edge->schema);
	}
}

bool
edge_take(struct edge *edge, struct edge_item *item)
{
	if (rte_ring_dequeue_elem(edge->ring, item, sizeof(*item)) != 0) {
		return false;
	}
	if (edge_item_kind(item) == EDGE_DATA) {
		const struct lm_batch *batch = (const struct lm_batch *)item->word;

		if (edge->policy == LM_POLICY_SHED_OLDEST) {
			assert(batch->sequence >= edge->expected);
			edge->rows_missed += batch->sequence - edge->expected;
		} else {
			assert(batch->sequence == edge->expected);
			edge_prefetch_next(edge);
		}
		edge->expected = batch->sequence + batch->count;
		edge->rows_taken += batch->count;
	}
	return true;
}
