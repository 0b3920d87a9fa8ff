/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MANAGER_FRAME_H
#define MANAGER_FRAME_H

/* Asking a manager, telling it what came of it, looking what it made of it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mgmt/manager.h"

#define SECOND INT64_C(1000000000)

static inline uint64_t
ask(struct manager *manager, enum action_kind kind, int64_t now_ns)
{
	enum manager_refusal refusal;
	uint64_t id = manager_submit(
	    manager, &(struct action_ask){ .kind = kind, .uid = 7, .limit_ns = 5 * SECOND }, now_ns,
	    &refusal);

	assert_int_equal(refusal, id == 0 ? REFUSED_FULL : REFUSED_NOT);
	return id;
}

/* What was carried out is done, or has failed. */
static inline void
report(struct manager *manager, uint64_t id, const char *failure, int64_t now_ns)
{
	struct manager_report report = { .id = id, .has_failed = failure != NULL, .pause_ns = 9 };

	strncpy(report.reason, failure == NULL ? "" : failure, sizeof(report.reason) - 1);
	manager_report(manager, &report, now_ns);
}

static inline enum action_state
state_of(const struct manager *manager, uint64_t id)
{
	const struct action *action = manager_find(manager, id);

	assert_non_null(action);
	return action->state;
}

static inline const char *
reason_of(const struct manager *manager, uint64_t id)
{
	return manager_find(manager, id)->reason;
}

/* A job whose epochs are at 10. */
static inline struct manager_facts
facts_at(int64_t now_ns)
{
	return (struct manager_facts){ .now_ns = now_ns,
		                       .has_snapshots = true,
		                       .has_epochs = true,
		                       .epoch = 10,
		                       .epoch_done = 9,
		                       .snapshot_epoch = 10,
		                       .durable = 9,
		                       .why = "the disk is full" };
}

#endif
