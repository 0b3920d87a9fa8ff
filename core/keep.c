/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices that are no more but for their state, which others have yet to convert. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/change.h"

static uint32_t
waiting(const struct lm_op *slice)
{
	return __atomic_load_n(&slice->state.slots_waiting, __ATOMIC_ACQUIRE);
}

static bool
has_failed(const struct lm_op *slice)
{
	return __atomic_load_n(&slice->state.convert_failed, __ATOMIC_ACQUIRE);
}

bool
keep_converts(const struct lm_op *slice)
{
	return waiting(slice) > 0 || has_failed(slice);
}

bool
keep_make_room(struct lm_engine *engine, const struct change *change)
{
	uint32_t count = engine->kept_count;
	struct engine_kept *grown;

	for (uint32_t i = 0; i < change->part_count; i++) {
		count += change->part[i].was != NULL;
	}
	if (count == engine->kept_count) {
		return true;
	}
	grown = realloc(engine->kept, count * sizeof(*grown));
	engine->kept = grown == NULL ? engine->kept : grown;
	return grown != NULL;
}

static bool
is_there(const struct lm_engine *engine, const struct lm_op *slice)
{
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		if (engine->slice[i] == slice) {
			return true;
		}
	}
	return false;
}

void
keep_sweep(struct lm_engine *engine)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < engine->kept_count; i++) {
		struct engine_kept *kept = &engine->kept[i];

		if (is_there(engine, kept->slice) && keep_converts(kept->slice)) {
			engine->kept[left++] = *kept;
		} else {
			engine_free_slice(kept->was);
			/* Its graph, and its code, may be the last of it. */
			engine->past_waits = true;
		}
	}
	engine->kept_count = left;
}

void
keep_what_was(struct lm_engine *engine, struct change *change)
{
	keep_sweep(engine);
	for (uint32_t i = 0; i < change->part_count; i++) {
		struct rewire *part = &change->part[i];

		if (part->was != NULL) {
			part->was->stays = true;
			engine->kept[engine->kept_count++] =
			    (struct engine_kept){ part->slice, part->was, change->report.number };
			part->was = NULL;
		}
	}
}

void
engine_conversion(const struct lm_engine *engine, uint64_t change, struct conversion_report *report)
{
	memset(report, 0, sizeof(*report));
	for (uint32_t i = 0; i < engine->kept_count; i++) {
		const struct lm_op *slice = engine->kept[i].slice;

		if (change != 0 && engine->kept[i].change != change) {
			continue;
		}
		report->slices++;
		report->slots_waiting += waiting(slice);
		report->slots_failed +=
		    __atomic_load_n(&slice->state.slots_failed, __ATOMIC_RELAXED);
		if (has_failed(slice) && !report->has_failed) {
			report->has_failed = true;
			report->op = slice->name;
			report->slice = slice->index;
			snprintf(report->why, sizeof(report->why), "%s", slice->state.convert_why);
		}
	}
}

uint32_t
engine_conversion_slices(const struct lm_engine *engine, uint32_t op)
{
	const struct graph_operator *of = &engine->graph->op[op];

	for (uint32_t i = 0; i < of->slices; i++) {
		if (keep_converts(engine->slice[of->first_slice + i])) {
			return of->slices;
		}
	}
	return 0;
}
