/* SPDX-License-Identifier: BSD-3-Clause */
/* After the end: rows, batches and epochs must add up. What is found is a bug, said with its
 * numbers. */

#include "core/audit.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/engine.h"
#include "core/env.h"

static struct lm_place nowhere;

static uint64_t
drops_of(const struct lm_op *slice)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < LM_DROPS_MAX; i++) {
		sum += slice->stats.drops[i];
	}
	return sum;
}

/* enum lm_rows says what must be equal. */
bool
audit_slice(const struct lm_op *slice, struct lm_errors *errors)
{
	uint64_t in = slice->stats.rows_in, drops = drops_of(slice);
	uint64_t out = slice->stats.rows_absorbed;

	if (slice->class->rows == LM_ROWS_SOURCE) {
		if (out == 0) {
			return true;
		}
		in = out;
		out = 0;
	}
	if (slice->class->rows != LM_ROWS_ABSORB && slice->class->rows != LM_ROWS_SPLIT) {
		out += slice->stats.rows_out[0];
	}
	if (in != out + drops) {
		lm_errors_add(errors, nowhere, "this is a bug of the operator or of the engine",
		              "%s slice %u: %" PRIu64 " rows in, but %" PRIu64
		              " accounted for and %" PRIu64 " dropped",
		              slice->name, slice->index, in, out, drops);
		return false;
	}
	return true;
}

/* Copies that are made of a row. */
static uint64_t
copies_of(const struct output *out)
{
	uint64_t copies = out->wire_count == 0 ? 1 : 0;

	for (uint32_t w = 0; w < out->wire_count; w++) {
		const struct output_wire *wire = &out->wire[w];

		copies += wire->route.grouping == LM_GROUP_ALL ? wire->edge_count : 1;
	}
	return copies;
}

/* Rows that went to the wires there are, as long as these have been there. */
static uint64_t
handed_on(const struct lm_op *slice, uint32_t output)
{
	const struct output *out = &slice->output[output];
	uint64_t handed = slice->stats.rows_unwired[output];

	for (uint32_t w = 0; w < out->wire_count; w++) {
		for (uint32_t d = 0; d < out->wire[w].edge_count; d++) {
			const struct edge *edge = out->wire[w].edge[d];

			handed += edge->rows_sent + edge->rows_shed + edge->rows_overflow +
			          (edge->open == NULL ? 0 : edge->open->count);
		}
	}
	return handed;
}

/* What an output emitted was handed to every wire of it, once a copy; what was shed is told apart.
 */
static bool
audit_output(const struct lm_op *slice, uint32_t output, struct lm_errors *errors)
{
	const struct output *out = &slice->output[output];
	uint64_t rows = slice->stats.rows_out[output] - out->rows_before;
	uint64_t handed = handed_on(slice, output) - out->handed_before;
	uint64_t copies = copies_of(out);

	if (handed == rows * copies) {
		return true;
	}
	lm_errors_add(errors, nowhere, "this is a bug of the engine",
	              "%s slice %u output \"%s\": %" PRIu64 " rows times %" PRIu64
	              " copies emitted, but %" PRIu64 " handed on",
	              slice->name, slice->index, slice->class->outputs[output], rows, copies,
	              handed);
	return false;
}

bool
audit_edge(const struct edge *edge, struct lm_errors *errors)
{
	/* Of rows discarded last the consumer has seen nothing. */
	uint64_t missed = edge->rows_missed + (edge->sequence - edge->expected);
	/* Nobody reads what is told on an edge that came behind the end of its receiver. */
	bool unread = edge->to->ended && !edge->ended;

	/* Rows that a feedback wire brings after the end of its receiver stay on the edge. */
	if (edge->fused || edge->feedback ||
	    (edge->rows_sent == edge->rows_taken + edge->rows_discarded &&
	     missed == edge->rows_discarded && (unread || edge_count(edge) == 0))) {
		return true;
	}
	lm_errors_add(errors, nowhere, "this is a bug of the engine",
	              "edge %s.%u to %s.%u: %" PRIu64 " rows sent, %" PRIu64 " taken, %" PRIu64
	              " discarded, %u items left",
	              edge->from->name, edge->from->index, edge->to->name, edge->to->index,
	              edge->rows_sent, edge->rows_taken, edge->rows_discarded, edge_count(edge));
	return false;
}

void
audit_before_change(const struct lm_op *slice)
{
	for (uint32_t i = 0; i < slice->output_count; i++) {
		const struct output *out = &slice->output[i];
		uint64_t rows = slice->stats.rows_out[i] - out->rows_before;

		if (handed_on(slice, i) - out->handed_before != rows * copies_of(out)) {
			env_log(2, "%s slice %u: rows of an output are lost: stopping", slice->name,
			        slice->index);
			abort();
		}
	}
}

void
audit_behind_change(struct lm_op *slice)
{
	for (uint32_t i = 0; i < slice->output_count; i++) {
		slice->output[i].rows_before = slice->stats.rows_out[i];
		slice->output[i].handed_before = handed_on(slice, i);
	}
}

static bool
audit_overflow(const struct edge *edge, struct lm_errors *errors)
{
	if (edge->rows_overflow == 0) {
		return true;
	}
	lm_errors_add(
	    errors, nowhere, "the operator must be flagged LM_OP_AMPLIFIES and ask lm_op_room",
	    "%s slice %u emitted %" PRIu64 " rows more than it had room for; they are lost",
	    edge->from->name, edge->from->index, edge->rows_overflow);
	return false;
}

static bool
audit_pool(const struct lm_pool *pool, struct lm_errors *errors)
{
	if (pool_available(pool) == pool->count) {
		return true;
	}
	lm_errors_add(errors, nowhere, "this is a bug of the engine",
	              "a pool has %u of its %u batches back", pool_available(pool), pool->count);
	return false;
}

bool
lm_engine_audit(const struct lm_engine *engine, struct lm_errors *errors)
{
	bool good = !engine->change_failed, feedback = false;

	if (!engine_has_ended(engine)) {
		return true;
	}
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		good &= audit_slice(engine->slice[i], errors);
		for (uint32_t k = 0; k < engine->slice[i]->output_count; k++) {
			good &= audit_output(engine->slice[i], k, errors);
		}
	}
	for (uint32_t i = 0; i < engine->layout->edge_count; i++) {
		feedback |= engine->edge[i]->feedback;
		good &= audit_edge(engine->edge[i], errors);
		good &= audit_overflow(engine->edge[i], errors);
	}
	for (uint32_t i = 0; !feedback && i < engine->layout->pool_count; i++) {
		good &= audit_pool(engine->pool[i], errors);
	}
	for (uint32_t i = 0; !feedback && i < engine->spare_count; i++) {
		good &= audit_pool(engine->spare[i], errors);
	}
	return good;
}
