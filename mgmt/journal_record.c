/* SPDX-License-Identifier: BSD-3-Clause */
/* Records of the journal as JSON, and back. */
#include "mgmt/journal_record.h"

#include <stdio.h>
#include <string.h>

#include "mgmt/json_put.h"

static int
put_time(json_t *record, const char *key, int64_t at_ns, const struct journal_clock *clock)
{
	return json_object_set_new(
	    record, key, json_integer(at_ns == 0 ? 0 : clock->wall_ns - (clock->now_ns - at_ns)));
}

static int
put_action(json_t *record, const struct action *action, const struct journal_clock *clock)
{
	int failed = 0;

	failed += json_put_u64(record, "id", action->id);
	failed += json_put_text(record, "kind", action_kind_text(action->kind));
	failed += json_put_text(record, "state", action_state_text(action->state));
	failed += json_put_u64(record, "uid", action->uid);
	failed += json_put_u64(record, "limit", action->limit_ns);
	failed += put_time(record, "asked", action->asked_ns, clock);
	failed += put_time(record, "begun", action->begun_ns, clock);
	failed += put_time(record, "ended", action->ended_ns, clock);
	failed += json_put_text(record, "what", action->what);
	failed += json_put_u64(record, "epoch", action->epoch);
	failed += json_put_u64(record, "step", action->step);
	failed += json_put_u64(record, "steps", action->steps);
	failed += json_put_u64(record, "pause", action->pause_ns);
	failed += json_put_text(record, "reason", action->reason);
	failed += json_put_text(record, "phase", action_phase_text(action->phase));
	return failed;
}

char *
journal_record_write(const struct manager *manager, const struct action *action,
                     const struct journal_clock *clock)
{
	json_t *record = json_object();
	char *text = NULL;
	int failed = 0;

	failed += json_put_u64(record, "next", manager->next_id);
	failed += json_object_set_new(record, "inactive", json_boolean(manager->is_inactive));
	failed += action == NULL ? 0 : put_action(record, action, clock);
	if (failed == 0) {
		text = json_dumps(record, JSON_COMPACT);
	}
	json_decref(record);
	return text;
}

/* What a record must hold to be one. */
struct record_fields {
	json_int_t id, uid, limit, asked, begun, ended, epoch, step, steps, pause;
	const char *kind, *state, *what, *reason;
	const char *phase; /* NULL: it was written before there were any */
};

static int64_t
time_of(json_int_t wall_ns, const struct journal_clock *clock)
{
	return wall_ns == 0 ? 0 : clock->now_ns - (clock->wall_ns - wall_ns);
}

static bool
are_sound(const struct record_fields *f, uint64_t next_id)
{
	return f->id > 0 && (uint64_t)f->id < next_id && f->uid >= 0 && f->uid <= UINT32_MAX &&
	       f->limit >= 0 && f->asked >= 0 && f->begun >= 0 && f->ended >= 0 && f->epoch >= 0 &&
	       f->step >= 0 && f->step <= UINT32_MAX && f->steps >= 0 && f->steps <= UINT32_MAX &&
	       f->pause >= 0;
}

static bool
state_find(const char *text, enum action_state *state)
{
	for (*state = 0; *state < ACTION_STATE_COUNT; (*state)++) {
		if (strcmp(action_state_text(*state), text) == 0) {
			return true;
		}
	}
	return false;
}

/* Phases are for people: one that this version does not know is none. */
static enum action_phase
phase_find(const char *text)
{
	enum action_phase phase = 0;

	while (text != NULL && phase < ACTION_PHASE_COUNT &&
	       strcmp(action_phase_text(phase), text) != 0) {
		phase++;
	}
	return phase < ACTION_PHASE_COUNT ? phase : PHASE_NONE;
}

/* The action of a record; false: it is none. */
static bool
take_action(json_t *record, const struct journal_clock *clock, uint64_t next_id,
            struct action *action)
{
	struct record_fields f = { .phase = NULL };
	enum action_state state;
	enum action_kind kind;

	if (json_unpack(record,
	                "{s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:s, "
	                "s?s}",
	                "id", &f.id, "kind", &f.kind, "state", &f.state, "uid", &f.uid, "limit",
	                &f.limit, "asked", &f.asked, "begun", &f.begun, "ended", &f.ended, "what",
	                &f.what, "epoch", &f.epoch, "step", &f.step, "steps", &f.steps, "pause",
	                &f.pause, "reason", &f.reason, "phase", &f.phase) != 0 ||
	    !are_sound(&f, next_id) || !state_find(f.state, &state)) {
		return false;
	}
	kind = action_kind_find(f.kind);
	*action = (struct action){ .id = kind == ACTION_KIND_COUNT ? 0 : (uint64_t)f.id,
		                   .kind = kind,
		                   .state = state,
		                   .uid = (uint32_t)f.uid,
		                   .limit_ns = (uint64_t)f.limit,
		                   .asked_ns = time_of(f.asked, clock),
		                   .begun_ns = time_of(f.begun, clock),
		                   .ended_ns = time_of(f.ended, clock),
		                   .epoch = (uint64_t)f.epoch,
		                   .step = (uint32_t)f.step,
		                   .steps = (uint32_t)f.steps,
		                   .phase = phase_find(f.phase),
		                   .pause_ns = (uint64_t)f.pause };
	snprintf(action->what, sizeof(action->what), "%s", f.what);
	snprintf(action->reason, sizeof(action->reason), "%s", f.reason);
	return true;
}

/* What stands in front of the action, or alone. */
static bool
take_past(json_t *record, struct manager_past *past)
{
	static const json_int_t most = INT64_C(1) << 53;
	json_int_t next;
	int is_inactive;

	if (json_unpack(record, "{s:I, s:b}", "next", &next, "inactive", &is_inactive) != 0 ||
	    next <= 0 || next >= most) {
		return false;
	}
	past->next_id = (uint64_t)next;
	past->is_inactive = is_inactive != 0;
	return true;
}

bool
journal_record_read(const char *text, size_t size, const struct journal_clock *clock,
                    struct action *action, struct manager_past *past)
{
	json_t *record = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	bool good = record != NULL && take_past(record, past);

	action->id = 0;
	if (good && json_object_get(record, "id") != NULL) {
		good = take_action(record, clock, past->next_id, action);
	}
	json_decref(record);
	return good;
}
