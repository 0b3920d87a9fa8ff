/* SPDX-License-Identifier: BSD-3-Clause */
/* While a topology soaks its new operators look at their own state, again and again. */
#include <stdio.h>

#include "mgmt/carry_struct.h"

/* Between two looks: this long, and so long that they take at most 1 % of an lcore. */
#define EVERY_NS INT64_C(1000000000)
#define SHARE_OF 100

void
check_begin(struct carry *carry)
{
	carry->change.check = (struct carry_check){ 0 };
}

/* All have looked. False: one found something. */
static bool
take_report(struct carry *carry, int64_t now_ns)
{
	struct carry_change *change = &carry->change;
	struct carry_check *check = &change->check;
	struct check_report report;

	engine_checked(carry->engine, &report);
	check->is_asked = false;
	check->count++;
	check->due_ns =
	    now_ns + (report.took_ns * SHARE_OF > EVERY_NS ? report.took_ns * SHARE_OF : EVERY_NS);
	if (report.has_failed) {
		snprintf(change->bad, sizeof(change->bad), "%s/%u finds its state wrong: %.140s",
		         report.op, report.slice, report.why);
	}
	return !report.has_failed;
}

static void
ask(struct carry *carry)
{
	const struct soak *soak = carry->change.soak;
	bool wanted[LM_OPERATORS_MAX] = { 0 };

	for (uint32_t i = 0; i < soak->count; i++) {
		wanted[i] = soak->op[i].is_other;
	}
	carry->change.check.is_asked = engine_check(carry->engine, wanted);
}

enum check_state
check_step(struct carry *carry, int64_t now_ns, bool is_last)
{
	struct carry_check *check = &carry->change.check;

	if (engine_is_checking(carry->engine)) {
		return CHECK_WAITS;
	}
	if (check->is_asked && !take_report(carry, now_ns)) {
		return CHECK_BAD;
	}
	/* The last look begins behind all that was watched. */
	if (now_ns >= check->due_ns || (is_last && !check->is_last)) {
		check->is_last = is_last;
		ask(carry);
	}
	return check->is_asked ? CHECK_WAITS : CHECK_GOOD;
}
