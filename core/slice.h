/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SLICE_H
#define SLICE_H

/*
 * Slice: an instance of an operator, run by one lcore at a time. A slice whose only input is a
 * forward edge from a slice on the same lcore is fused: its producer calls it, and it has no turn
 * of its own. The slices that are called, directly or not, by one that has turns (the head) are the
 * head's chain; the edges that leave the chain are its exits.
 *
 * A head's turn starts only if all exits that the chain can reach have room. A callback that could
 * not finish (lm_op_again) is pending: its chain gets nothing new until it was called again and is
 * through.
 *
 * Threads: everything here belongs to the lcore of `worker`, which may become another one between
 * two turns (core/migrate.h); counters may be read by anyone, and by slice_worker which lcore it
 * is.
 */

#include "core/edge.h"
#include "core/route.h"
#include "core/state_ops.h"

struct move;
struct rewire;
struct worker;
struct engine_shared;

/* What a slice can be asked. */
enum slice_call {
	CALL_NONE,
	CALL_BATCH,
	CALL_WATERMARK,
	CALL_TIMER,
	CALL_IDLE, /* of classes that delay rows; they are not called */
	CALL_EPOCH,
	CALL_LEAVE, /* `end` of one that is no more behind a change */
	CALL_END
};

/* A call with its argument, kept while it is pending or waits in the inbox. */
struct slice_ask {
	enum slice_call call;
	struct lm_batch *batch; /* BATCH: a reference of its own */
	uint32_t input;
	bool selected;
	int64_t value; /* WATERMARK, EPOCH, TIMER */
	struct lm_select select;
};

/* One wire that leaves an output, as its producer sees it. */
struct output_wire {
	struct route route;
	struct edge **edge; /* [destination] */
	uint32_t edge_count;
	bool any; /* room on one edge is enough: the grouping chooses among them */
};

struct output {
	const struct lm_schema *schema;
	struct lm_pool *pool;
	struct lm_batch *staged; /* rows reserved and emitted in the running callback */
	uint32_t reserved;
	bool was_short; /* fewer rows came than were reserved: its bytes may be full */
	struct output_wire *wire;
	uint32_t wire_count;
	uint64_t rows_before, handed_before; /* the audit's: when the wires were put in */
};

/*
 * What a slice is connected to, and what it is called for it. Made on the control thread, put in
 * all at once: before the slice runs, or between two turns when the graph changes (core/rewire.h).
 */
struct wiring {
	uint32_t number, op, slices, turn;
	struct lm_op *head;
	struct edge **input;
	uint32_t input_count;
	struct {
		struct lm_pool *pool;
		struct output_wire *wire;
		uint32_t wire_count;
	} output[LM_PORTS_MAX];
	struct output_wire **exit;
	uint32_t exit_count;
	struct lm_op **chain;
	uint32_t chain_count;
	const uint16_t *slice_of; /* of op_state */
};

struct slice_timer {
	bool active;
	uint64_t period_ns;
	int64_t due_ns;
};

struct lm_op {
	/* Constant while the engine runs. */
	const struct lm_op_class *class;
	const void *config;
	void *context;
	const char *name;
	struct engine_shared *shared;
	uint32_t index; /* among those of its operator */

	/* Of its wiring: constant between two changes of the graph. */
	uint32_t number; /* of the slice in the graph */
	uint32_t slices;
	uint32_t op;
	struct lm_op *head; /* of its chain; itself if it has turns */
	struct edge **input;
	uint32_t input_count;
	const struct lm_schema *input_schema[LM_PORTS_MAX];
	struct output output[LM_PORTS_MAX];
	uint32_t output_count;
	struct output_wire **exit; /* wires with a ring that calls to this slice can reach */
	uint32_t exit_count;
	struct lm_op **chain; /* this slice and those it calls, callers first */
	uint32_t chain_count;
	uint32_t turn; /* heads: their place among all that have turns */

	struct worker *worker;
	bool converts;         /* heads: a slice of the chain has slots that wait, perhaps */
	struct move *move;     /* heads: that has brought it here, and is not complete */
	uint32_t letters;      /* mail for it that was sent and not run; atomic */
	struct rewire *rewire; /* its part in a change of the graph; NULL: none is under way */

	/* State of the turn. */
	uint32_t cursor; /* input looked at next */
	uint32_t current_input;
	int64_t ingress_ns;
	int64_t watermark; /* over all inputs */
	int64_t source_watermark;
	int64_t watermark_told; /* downstream */
	int64_t watermark_seen; /* by the class: the call is through */
	uint64_t marker;        /* epoch being aligned, 0: none */
	uint32_t markers;       /* inputs that delivered it */
	bool stopping;          /* sources: asked to end */
	uint64_t activity;      /* sources: as in the engine; control looks at it */
	bool pausing;           /* sources: behind the next epoch nothing more is wanted */
	bool had_ended; /* in the snapshot that it goes on from: its class is called no more */
	bool ending;    /* poll said end, or all inputs ended */
	bool ended;
	bool again; /* set by lm_op_again in the running callback */
	bool source_idle;
	bool idle_waits; /* to be told once the class has passed on all rows (LM_OP_DELAYS) */
	bool is_source;
	const struct lm_external *external;
	struct slice_ask pending;
	struct slice_ask *inbox; /* [SLICE_INBOX] */
	uint32_t inbox_first, inbox_count;
	int64_t
	    deferred_watermark; /* heads: to deliver once the chain is through; INT64_MIN: none */
	struct slice_timer timer[LM_TIMERS_MAX];
	uint32_t timer_count;
	uint64_t random;
	uint64_t *hash; /* scratch of lm_op_hash */
	int64_t error_at_ns;
	void **memory; /* lm_op_alloc, freed with the engine */
	uint32_t memory_count;

	struct lm_slice_stats stats;
	const char *gauge_name[LM_OP_GAUGES];
	uint64_t gauge_before[LM_OP_GAUGES]; /* of slices that it has taken the place of */
	struct lm_hist *latency;             /* sinks */
	struct op_state state;
	uint32_t key[LM_KEY_FIELDS_MAX]; /* of its state */
	/* Rows by slot, a sample: one row of a batch stands for all of it. NULL: nothing is keyed.
	 */
	uint32_t *slot_rows;
	uint32_t slot_key[LM_PORTS_MAX]; /* of the hash that an input's rows come with; 0: none */
	bool opened;
	uint64_t bytes_in_before, bytes_out_before; /* control's: over edges that are gone */
	/* Control's: the NUMA node that its state is to be on; all of it is known to be there. */
	int pages_node;
	bool pages_home;
	bool retired;         /* in a change of the graph: it is no more, and hears nothing */
	bool stays;           /* control's: in a change of the graph, it is in both */
	char open_error[240]; /* what open said */
};

/* One turn of a head: takes work if there is some and room for what comes of it. True if busy. */
bool slice_turn(struct lm_op *slice);
/* A head has the first marker of the epoch: if it is a snapshot, the flips of its chain are near.
 */
void slice_warm(const struct lm_op *slice, uint64_t epoch);
/* Lets partial batches go for which the reason holds. */
void slice_flush(struct lm_op *slice, enum edge_flush why);
/* Calls the timers that are due; true if there was one. Returns the next due time through *next_ns.
 */
bool slice_timers(struct lm_op *slice, int64_t *next_ns);
/* Whether a callback may start: every exit has room and nothing below is pending. */
bool slice_has_room(struct lm_op *slice);

/* Fused calls: what an output hands to a slice on the same lcore. */
void slice_deliver(struct lm_op *slice, uint32_t input, struct lm_batch *batch,
                   const struct lm_select *select);
void slice_deliver_control(struct lm_op *slice, enum edge_item_kind kind, int64_t value);
/* It is told that its input is over, as at the end of the job; it may be pending then. Not of one
 * with outputs: nobody hears of it. */
void slice_leave(struct lm_op *slice);

/* Two variables of one type get each other's values. */
#define EXCHANGE(a, b)                                                                             \
	do {                                                                                       \
		__typeof__(a) exchanged = (a);                                                     \
		(a) = (b);                                                                         \
		(b) = exchanged;                                                                   \
	} while (0)

/* Exchanges what the slice is connected to for `wiring`, which then holds what was. */
void slice_exchange_wiring(struct lm_op *slice, struct wiring *wiring);

/* The worker of a slice, for others than that worker: it may be another one by now. */
static inline struct worker *
slice_worker(const struct lm_op *slice)
{
	return __atomic_load_n(&slice->worker, __ATOMIC_RELAXED);
}

/* Whether a call of it is not through, or waits. */
static inline bool
slice_is_pending(const struct lm_op *slice)
{
	return slice->pending.call != CALL_NONE || slice->inbox_count > 0;
}

/* Plain counters that others read: one writer, whole values. */
static inline void
count_up(uint64_t *counter, uint64_t by)
{
	__atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

#endif
