/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EDGE_H
#define EDGE_H

/*
 * Edge: the bounded, ordered path from one slice to another. Its capacity is its credit: with none
 * left the producer does not run, so backpressure needs no message. Rows collect in `open`, the
 * batch under construction, until it is full, old enough, or the consumer has nothing else to do.
 *
 * What travels is an item: a batch with the watermark that holds after it, or a control item in
 * order with the batches (watermark, marker, end, idle). Rows carry dense sequence numbers per
 * edge, and the consumer checks them.
 *
 * Threads: the producer's fields belong to the lcore of `from`, the consumer's to the lcore of
 * `to`; everything else is constant while the engine runs. The ring is the only meeting place.
 */

#include "core/batch.h"
#include "core/graph.h"
#include "core/ring.h"

enum edge_item_kind { EDGE_DATA, EDGE_WATERMARK, EDGE_MARKER, EDGE_END, EDGE_IDLE };

/* 16 bytes, the element of the ring. */
struct edge_item {
	uintptr_t word; /* a batch, or a control kind below EDGE_KINDS */
	int64_t value;  /* DATA, WATERMARK: event time, INT64_MIN for none; MARKER: epoch */
};
#define EDGE_KINDS 16u

static inline enum edge_item_kind
edge_item_kind(const struct edge_item *item)
{
	return item->word < EDGE_KINDS ? (enum edge_item_kind)item->word : EDGE_DATA;
}

struct edge {
	/* Constant. */
	struct rte_ring *ring;
	struct lm_op *from, *to;
	const struct lm_schema *schema;
	uint32_t credit;
	uint32_t input; /* of `to` */
	enum lm_policy policy;
	bool fused; /* direct calls instead of the ring */
	bool feedback;
	bool stays;    /* control's: in a change of the graph, it is in both */
	uint64_t rate; /* rows per second, THROTTLE */
	int64_t partial_ns;

	/* The producer's. */
	struct lm_batch *open __attribute__((aligned(64)));
	struct lm_pool *pool; /* where the next open batch comes from */
	int64_t open_since_ns;
	int64_t watermark; /* to tell; INT64_MIN: nothing new */
	uint64_t sequence; /* of the next row */
	double tokens;     /* THROTTLE: rows that may pass */
	int64_t tokens_at_ns;
	uint64_t rows_sent, batches_sent;
	uint64_t bytes_sent;     /* anyone may read it */
	uint64_t rows_shed;      /* by policy, before they were sent */
	uint64_t rows_discarded; /* by policy, after: SHED_OLDEST */
	uint64_t rows_overflow;  /* emitted beyond the room there was */
	bool idle_told;
	bool idle_waits; /* to be told, until there is credit */
	bool closed;     /* the end was sent */

	/* The consumer's. */
	uint64_t expected __attribute__((aligned(64))); /* sequence */
	int64_t watermark_in;
	uint64_t rows_taken;
	uint64_t rows_missed; /* gaps in the sequence: shed behind its back (SHED_OLDEST) */
	bool blocked; /* holds the marker of an epoch that other inputs have not delivered */
	bool idle;
	bool ended;
} __attribute__((aligned(64)));

/* Slots of the ring of an edge with this credit, overflow and control included. */
uint32_t edge_slots(uint32_t credit);

/* Producer: whether a callback may start that sends here. */
bool edge_has_room(struct edge *edge, int64_t now_ns);
/* Producer: sends `batch` whole (takes a reference) or `rows` of it (copied), hashes as they are.
 */
void edge_send(struct edge *edge, struct lm_batch *batch, const uint16_t *rows, uint32_t count,
               const uint64_t *hash, uint32_t hash_key, int64_t now_ns);
/* Producer: tells a watermark with the next batch, or on its own at the next flush. */
void edge_tell_watermark(struct edge *edge, int64_t watermark);
/* Why a partial batch may go: it is old enough; the producer is idle and the consumer too; it must.
 */
enum edge_flush { EDGE_FLUSH_AGED, EDGE_FLUSH_IDLE, EDGE_FLUSH_FORCE };
/*
 * Producer: lets the open batch go if the reason holds; without one, tells a watermark on its own
 * to a consumer that has nothing waiting.
 */
void edge_flush(struct edge *edge, enum edge_flush why, int64_t now_ns);
/* Producer: a control item, after everything sent before. */
void edge_send_control(struct edge *edge, enum edge_item_kind kind, int64_t value);

/* Consumer: takes the next item; false when there is none. Checks the sequence. */
bool edge_take(struct edge *edge, struct edge_item *item);
/* Either side: items waiting. */
static inline uint32_t
edge_count(const struct edge *edge)
{
	return ring_count(edge->ring);
}

#endif
