/* SPDX-License-Identifier: BSD-3-Clause */
/* Who holds the job up, once two windows agree. */
#include "mgmt/bottleneck.h"

#include <string.h>

#include "mgmt/load_read.h"

/* An lcore is full from here on. A source is behind if it sends less than this of what it should.
 */
#define LCORE_FULL 0.9
#define SOURCE_BEHIND 0.98

int
bottleneck_init(struct bottleneck *bottleneck, const struct sample_shape *shape)
{
	bottleneck->last = bottleneck->op = LM_NONE;
	bottleneck->since_ns = 0;
	return rates_init(&bottleneck->rates, shape);
}

void
bottleneck_free(struct bottleneck *bottleneck)
{
	rates_free(&bottleneck->rates);
}

/* Whether a port has lost packets in the window. */
static bool
has_lost(const struct bottleneck *bottleneck, const struct sample *now)
{
	for (uint32_t i = 0; i < now->head->counter_count; i++) {
		if (sample_counter_is_loss(now->counter[i].name) &&
		    bottleneck->rates.counter[i] > 0) {
			return true;
		}
	}
	return false;
}

/* Whether a source sends less than it should. */
static bool
is_behind(const struct bottleneck *bottleneck, const struct sample *now,
          const struct sample *before, uint32_t op)
{
	const struct sample_operator *source = &now->op[op];

	for (uint32_t g = 0; g < SAMPLE_GAUGES; g++) {
		if (strcmp(source->gauge_name[g], LOAD_OFFERED) == 0) {
			uint64_t offered = source->gauges[g] - before->op[op].gauges[g];
			uint64_t sent = source->rows_out - before->op[op].rows_out;

			return (double)sent < SOURCE_BEHIND * (double)offered;
		}
	}
	return strcmp(source->type, "port_source") == 0 && has_lost(bottleneck, now);
}

/* The busiest operator on a full lcore that runs a slice of `source`; LM_NONE: none is full. */
static uint32_t
busiest_beside(const struct bottleneck *bottleneck, const struct sample *now, uint32_t source)
{
	uint32_t slices = now->shape.count[SAMPLE_SLICES], found = LM_NONE;

	for (uint32_t i = 0; i < slices; i++) {
		uint32_t worker = now->slice[i].worker;

		if (now->slice[i].op != source ||
		    bottleneck->rates.worker[worker].busy < LCORE_FULL) {
			continue;
		}
		for (uint32_t k = 0; k < slices; k++) {
			uint32_t op = now->slice[k].op;

			if (now->slice[k].worker == worker &&
			    (found == LM_NONE ||
			     bottleneck->rates.op[op].busy > bottleneck->rates.op[found].busy)) {
				found = op;
			}
		}
	}
	return found;
}

/*
 * A source that is behind though nobody else is the limit does not get its turns: whoever takes
 * most of its lcore is the one, which may be itself.
 */
static uint32_t
find_source(const struct bottleneck *bottleneck, const struct sample *now,
            const struct sample *before)
{
	for (uint32_t o = 0; o < now->shape.count[SAMPLE_OPERATORS]; o++) {
		if (now->op[o].is_source && is_behind(bottleneck, now, before, o)) {
			uint32_t found = busiest_beside(bottleneck, now, o);

			if (found != LM_NONE) {
				return found;
			}
		}
	}
	return LM_NONE;
}

uint32_t
bottleneck_window(struct bottleneck *bottleneck, const struct sample *now,
                  const struct sample *before)
{
	uint32_t found;

	rates_compute(&bottleneck->rates, now, before);
	found = bottleneck->rates.root;
	if (found == LM_NONE) {
		found = find_source(bottleneck, now, before);
	}
	if (found != bottleneck->last) {
		bottleneck->since_ns = now->head->now_ns;
	}
	bottleneck->op = found == bottleneck->last ? found : LM_NONE;
	bottleneck->last = found;
	return bottleneck->op;
}
