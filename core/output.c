/* SPDX-License-Identifier: BSD-3-Clause */
/* From a slice's output to the edges. */

#include "core/output.h"

#include "core/hash.h"
#include "core/worker.h"

static void
send_to_edge(struct edge *edge, struct lm_batch *batch, const struct lm_select *select)
{
	if (edge->fused) {
		edge->rows_sent += select == NULL ? batch->count : select->count;
		slice_deliver(edge->to, edge->input, batch, select);
		return;
	}
	edge_send(edge, batch, select == NULL ? NULL : select->row,
	          select == NULL ? batch->count : select->count, NULL, 0,
	          edge->from->worker->now_ns);
}

/* Rows sorted by destination, each group to its edge; rows without one are counted. */
static void
send_by_row(struct lm_op *slice, uint32_t output, struct output_wire *wire, struct lm_batch *batch,
            const struct lm_select *select)
{
	struct worker *worker = slice->worker;
	struct worker_scratch *scratch = worker->scratch;
	bool hashed = wire->route.grouping == LM_GROUP_KEY;
	uint32_t lost = route_rows(&wire->route, batch, select, scratch->hash, scratch->destination,
	                           &scratch->split);

	for (uint32_t d = 0; d < wire->edge_count; d++) {
		uint32_t start = scratch->split.start[d];
		uint32_t count = scratch->split.start[d + 1] - start;

		if (count > 0) {
			edge_send(wire->edge[d], batch, scratch->split.row + start, count,
			          hashed ? scratch->hash : NULL, wire->route.key_id,
			          worker->now_ns);
		}
	}
	count_up(&slice->stats.rows_unwired[output], lost);
}

/* Rows that wait on an edge, roughly: what load-aware shuffling compares. */
static uint32_t
edge_load(const struct edge *edge)
{
	return edge_count(edge) * LM_BATCH_ROWS + (edge->open == NULL ? 0 : edge->open->count);
}

/* How good a choice an edge is: room before nearness before load. */
static uint64_t
edge_rank(struct edge *edge, const struct lm_op *slice, bool local)
{
	uint64_t rank = UINT32_MAX - edge_load(edge);

	if (local && slice_worker(edge->to) == slice->worker) {
		rank |= 1ul << 32;
	}
	if (edge_has_room(edge, slice->worker->now_ns)) {
		rank |= 1ul << 33;
	}
	return rank;
}

/* The least loaded edge, those on the same lcore first where the grouping says so; ties go in turn.
 */
static struct edge *
choose_edge(struct output_wire *wire, const struct lm_op *slice)
{
	bool local = wire->route.grouping == LM_GROUP_LOCAL;
	struct edge *best = NULL;
	uint64_t best_rank = 0;

	wire->route.turn = (wire->route.turn + 1) % wire->edge_count;
	if (wire->route.grouping == LM_GROUP_ROUND_ROBIN) {
		return wire->edge[wire->route.turn];
	}
	for (uint32_t i = 0; i < wire->edge_count; i++) {
		struct edge *edge = wire->edge[(wire->route.turn + i) % wire->edge_count];
		uint64_t rank = edge_rank(edge, slice, local);

		if (best == NULL || rank > best_rank) {
			best = edge;
			best_rank = rank;
		}
	}
	return best;
}

static void
send_to_wire(struct lm_op *slice, uint32_t output, struct output_wire *wire, struct lm_batch *batch,
             const struct lm_select *select)
{
	if (wire->edge_count == 1) {
		send_to_edge(wire->edge[0], batch, select);
	} else if (route_is_by_row(wire->route.grouping)) {
		send_by_row(slice, output, wire, batch, select);
	} else if (wire->route.grouping == LM_GROUP_ALL) {
		for (uint32_t d = 0; d < wire->edge_count; d++) {
			send_to_edge(wire->edge[d], batch, select);
		}
	} else {
		send_to_edge(choose_edge(wire, slice), batch, select);
	}
}

void
output_send(struct lm_op *slice, uint32_t output, struct lm_batch *batch,
            const struct lm_select *select)
{
	struct output *out = &slice->output[output];
	uint32_t count = select == NULL ? batch->count : select->count;

	if (count == 0) {
		return;
	}
	count_up(&slice->stats.rows_out[output], count);
	count_up(&slice->stats.batches_out[output], 1);
	if (out->wire_count == 0) {
		count_up(&slice->stats.rows_unwired[output], count);
		return;
	}
	for (uint32_t i = 0; i < out->wire_count; i++) {
		send_to_wire(slice, output, &out->wire[i], batch, select);
	}
}

void
output_send_staged(struct lm_op *slice)
{
	for (uint32_t i = 0; i < slice->output_count; i++) {
		struct output *out = &slice->output[i];
		struct lm_batch *staged = out->staged;

		if (staged != NULL) {
			out->staged = NULL;
			out->was_short = false;
			output_send(slice, i, staged, NULL);
			batch_release(staged, slice->worker->index);
		}
	}
}

void
output_send_control(struct lm_op *slice, enum edge_item_kind kind, int64_t value)
{
	for (uint32_t i = 0; i < slice->output_count; i++) {
		for (uint32_t w = 0; w < slice->output[i].wire_count; w++) {
			struct output_wire *wire = &slice->output[i].wire[w];

			for (uint32_t d = 0; d < wire->edge_count; d++) {
				struct edge *edge = wire->edge[d];

				if (edge->feedback && kind != EDGE_END) {
					continue; /* not waited for, and perhaps not taken any more
					           */
				}
				if (edge->fused) {
					slice_deliver_control(edge->to, kind, value);
				} else if (kind == EDGE_WATERMARK) {
					edge_tell_watermark(edge, value);
				} else {
					edge_send_control(edge, kind, value);
				}
			}
		}
	}
}
