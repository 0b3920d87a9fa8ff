/* SPDX-License-Identifier: BSD-3-Clause */
/* Aligning the inputs of a slice: markers, event time, idleness, the end. */

#include "core/epoch.h"

#include "core/canary.h"

void
epoch_mark(struct lm_op *slice, struct edge *edge, uint64_t epoch)
{
	if (edge->feedback) {
		return;
	}
	/* One epoch at a time is under way, and each edge delivers its marker once. */
	assert(slice->marker == 0 || slice->marker == epoch);
	assert(epoch > slice->stats.epoch);
	slice->marker = epoch;
	edge->blocked = true;
}

bool
epoch_is_aligned(const struct lm_op *slice)
{
	if (slice->marker == 0) {
		return false;
	}
	if (CANARY(CANARY_EARLY_MARKER)) {
		return true;
	}
	for (uint32_t i = 0; i < slice->input_count; i++) {
		const struct edge *edge = slice->input[i];

		if (!edge->feedback && !edge->blocked && !edge->ended) {
			return false;
		}
	}
	return true;
}

void
epoch_done(struct lm_op *slice)
{
	slice->marker = 0;
	for (uint32_t i = 0; i < slice->input_count; i++) {
		slice->input[i]->blocked = false;
	}
}

int64_t
epoch_watermark(const struct lm_op *slice)
{
	int64_t least = INT64_MAX;

	for (uint32_t i = 0; i < slice->input_count; i++) {
		const struct edge *edge = slice->input[i];

		if (!edge->feedback && !edge->idle && !edge->ended && edge->watermark_in < least) {
			least = edge->watermark_in;
		}
		if (CANARY(CANARY_EARLY_WATERMARK) && edge->watermark_in != INT64_MIN) {
			return edge->watermark_in;
		}
	}
	/* All ended or idle: the end tells the rest, idleness tells nothing. */
	return least == INT64_MAX ? INT64_MIN : least;
}

bool
epoch_is_idle(const struct lm_op *slice)
{
	for (uint32_t i = 0; i < slice->input_count; i++) {
		const struct edge *edge = slice->input[i];

		if (!edge->feedback && !edge->idle && !edge->ended) {
			return false;
		}
	}
	return true;
}

bool
epoch_inputs_ended(const struct lm_op *slice)
{
	for (uint32_t i = 0; i < slice->input_count; i++) {
		const struct edge *edge = slice->input[i];

		if (edge->feedback ? edge_count(edge) > 0 : !edge->ended) {
			return false;
		}
	}
	return true;
}
