/* SPDX-License-Identifier: BSD-3-Clause */
/* Elasticity and its log of decisions as JSON. */
#include "mgmt/control_view.h"

#include "mgmt/json_put.h"

/* Takes the value; NULL if anything failed. */
static json_t *
checked(json_t *value, int failed)
{
	if (failed != 0) {
		json_decref(value);
		return NULL;
	}
	return value;
}

static double
seconds_at(const struct view *view, int64_t at_ns)
{
	return (double)(at_ns - view->sample->head->start_ns) / 1e9;
}

static json_t *
view_move(const struct view *view, const struct elastic_move *move)
{
	const struct sample *sample = view->sample;
	json_t *entry;
	int failed = 0;

	if (move->op >= sample->shape.count[SAMPLE_OPERATORS] ||
	    move->from >= sample->shape.count[SAMPLE_WORKERS] ||
	    move->to >= sample->shape.count[SAMPLE_WORKERS]) {
		return json_null(); /* of an operator that this picture does not have yet */
	}
	entry = json_object();
	failed += json_put_text(entry, "operator", sample->op[move->op].name);
	failed += json_put_u64(entry, "slice", move->index);
	failed += json_put_u64(entry, "from", sample->worker[move->from].lcore);
	failed += json_put_u64(entry, "to", sample->worker[move->to].lcore);
	failed += json_put_real(entry, "demand", move->demand);
	failed +=
	    json_put_text(entry, "result", move->is_done ? move_result_text(move->result) : NULL);
	failed += json_put_u64(entry, "pause_ns", (uint64_t)move->pause_ns);
	return checked(entry, failed);
}

/* Those that are not forgotten yet. */
static json_t *
view_moves(const struct view *view, const struct elastic_decision *decision)
{
	const struct elastic_view *elastic = view->elastic;
	json_t *list = json_array();
	int failed = 0;

	for (uint64_t i = 0; i < decision->move_count; i++) {
		uint64_t n = decision->first_move + i;

		if (n < elastic->move_count && elastic->move_count - n <= ELASTIC_MOVES) {
			failed += json_array_append_new(
			    list, view_move(view, &elastic->move[n % ELASTIC_MOVES]));
		}
	}
	return checked(list, failed);
}

static json_t *
view_scales(const struct view *view, const struct elastic_decision *decision)
{
	json_t *list = json_array();
	int failed = 0;

	for (uint32_t i = 0; i < decision->scale_count; i++) {
		const struct plan_scale *scale = &decision->scale[i];
		json_t *entry;

		if (scale->op >= view->sample->shape.count[SAMPLE_OPERATORS]) {
			continue;
		}
		entry = json_object();
		failed += json_put_text(entry, "operator", view->sample->op[scale->op].name);
		failed += json_put_u64(entry, "was", scale->was);
		failed += json_put_u64(entry, "slices", scale->slices);
		failed += json_object_set_new(entry, "planned", json_boolean(scale->is_planned));
		failed += json_array_append_new(list, entry);
	}
	return checked(list, failed);
}

static json_t *
view_decision(const struct view *view, const struct elastic_decision *decision)
{
	json_t *entry = json_object();
	int failed = 0;

	failed += json_put_u64(entry, "number", decision->number);
	failed += json_put_real(entry, "seconds", seconds_at(view, decision->first_ns));
	failed += json_put_real(entry, "until", seconds_at(view, decision->last_ns));
	failed += json_put_u64(entry, "looks", decision->looks);
	failed += json_put_text(entry, "verdict", plan_verdict_text(decision->verdict));
	failed += json_put_u64(entry, "lcores", decision->lcores);
	failed += json_put_u64(entry, "lcores_wanted", decision->lcores_wanted);
	failed += json_put_real(entry, "load", decision->load);
	failed += json_put_real(entry, "busiest", decision->busiest);
	failed += json_put_text(entry, "why", decision->why);
	failed += json_put_text(entry, "outcome", decision->outcome);
	failed += json_object_set_new(entry, "moves", view_moves(view, decision));
	failed += json_object_set_new(entry, "scale", view_scales(view, decision));
	return checked(entry, failed);
}

json_t *
view_elastic(const struct view *view, uint64_t count)
{
	const struct elastic_view *elastic = view->elastic;
	uint64_t last = elastic->decision_count;
	json_t *object = json_object(), *list = json_array();
	int failed = 0;

	for (uint64_t i = 0; i < count && i < last && i < ELASTIC_LOG; i++) {
		failed += json_array_append_new(
		    list, view_decision(view, &elastic->decision[(last - i) % ELASTIC_LOG]));
	}
	failed += json_put_text(object, "policy", policy_name(elastic->rules.policy));
	failed += json_object_set_new(object, "dry_run", json_boolean(elastic->rules.dry_run));
	failed += json_object_set_new(object, "frozen", json_boolean(elastic->is_frozen));
	failed += json_put_u64(object, "lcores", elastic->lcores);
	failed += json_put_u64(object, "lcores_min", elastic->rules.lcores_min);
	failed += json_put_u64(object, "lcores_max", elastic->lcores_max);
	failed += json_put_u64(object, "by_hand", elastic->by_hand);
	failed += json_put_u64(object, "scaled_by_hand", elastic->scaled_by_hand);
	failed += json_put_u64(object, "changes", elastic->changes);
	failed += json_put_text(
	    object, "bottleneck",
	    view->bottleneck == LM_NONE ? NULL : view->sample->op[view->bottleneck].name);
	failed += json_object_set_new(object, "decisions", list);
	return checked(object, failed);
}
