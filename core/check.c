/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices look at their own state while the job runs. */

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/canary.h"
#include "core/engine.h"
#include "core/env.h"

struct slice_check {
	struct engine_check *all;
	struct lm_op *slice;
	int result;
	int64_t took_ns;
	char why[CHECK_WHY];
};

struct engine_check {
	uint32_t left; /* that have not looked yet */
	uint32_t count;
	struct slice_check slice[];
};

/* Mail to the slice: between two turns of its lcore, so between two callbacks. */
static void
look(struct worker *self, void *arg, uint64_t value)
{
	struct slice_check *check = arg;
	struct lm_op *slice = check->slice;
	int64_t from_ns = env_now_ns();

	(void)self;
	(void)value;
	if (!slice->ended && !slice->had_ended) {
		check->result = slice->class->check(slice, check->why, sizeof(check->why));
	}
	check->took_ns = env_now_ns() - from_ns;
	__atomic_sub_fetch(&check->all->left, 1, __ATOMIC_RELEASE);
}

static bool
can_look(const struct lm_op *slice, const bool *wanted)
{
	return wanted[slice->op] && slice->class->check != NULL;
}

bool
engine_check(struct lm_engine *engine, const bool *wanted)
{
	uint32_t count = 0;
	struct engine_check *check;

	assert(engine->change == NULL && !engine_is_checking(engine));
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		count += can_look(engine->slice[i], wanted);
	}
	check = count == 0 ? NULL : calloc(1, sizeof(*check) + count * sizeof(check->slice[0]));
	if (check == NULL || engine->kept_count > 0) {
		free(check);
		return false;
	}
	free(engine->check);
	engine->check = check;
	check->left = count;
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		if (can_look(engine->slice[i], wanted)) {
			check->slice[check->count++] =
			    (struct slice_check){ .all = check, .slice = engine->slice[i] };
		}
	}
	/* All are in place: the first may be through before the last is sent. */
	for (uint32_t i = 0; i < count; i++) {
		if (CANARY(CANARY_EARLY_CHECK)) {
			look(NULL, &check->slice[i], 0);
			continue;
		}
		mail_send_to_slice(check->slice[i].slice, look, &check->slice[i], 0);
	}
	return true;
}

bool
engine_is_checking(const struct lm_engine *engine)
{
	return engine->check != NULL && __atomic_load_n(&engine->check->left, __ATOMIC_ACQUIRE) > 0;
}

void
engine_checked(const struct lm_engine *engine, struct check_report *report)
{
	const struct engine_check *check = engine->check;

	memset(report, 0, sizeof(*report));
	for (uint32_t i = 0; check != NULL && i < check->count; i++) {
		const struct slice_check *one = &check->slice[i];

		if (one->took_ns > report->took_ns) {
			report->took_ns = one->took_ns;
		}
		if (one->result != 0 && !report->has_failed) {
			report->has_failed = true;
			report->op = one->slice->name;
			report->slice = one->slice->index;
			snprintf(report->why, sizeof(report->why), "%s",
			         one->why[0] == '\0' ? "no reason given" : one->why);
		}
	}
}
