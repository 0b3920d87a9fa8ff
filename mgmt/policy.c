/* SPDX-License-Identifier: BSD-3-Clause */
/* From a picture of the load to a plan: whether lcores are too busy, or too many, and for how long.
 */
#include "mgmt/policy.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/canary.h"
#include "mgmt/policy_pack.h"
#include "mgmt/policy_slices.h"

/* What an lcore does besides its slices' calls is theirs, up to this much as a factor. */
#define OVERHEAD_MAX 1.5
/* Sources that send less than this of what they should are behind. */
#define BEHIND 0.97

/* What is worked out on the way to a plan. */
struct decision {
	const struct lm_elastic *rules;
	const struct load *load;
	struct plan *plan;
	struct pack pack;
	double *demand; /* [slice of the load] */
	double high, low;
	uint32_t hold;
	struct slices_marks marks;
	struct plan_need need[LM_OPERATORS_MAX];
};

const char *
plan_verdict_text(enum plan_verdict verdict)
{
	static const char *const text[] = {
#define PLAN_VERDICT_TEXT(suffix, text) [PLAN_##suffix] = text,
		PLAN_VERDICTS(PLAN_VERDICT_TEXT)
#undef PLAN_VERDICT_TEXT
	};

	assert(verdict < PLAN_VERDICT_COUNT);
	return text[verdict];
}

const char *
policy_name(uint32_t policy)
{
	static const char *const name[] = { "off", "static", "threshold", "model" };

	assert(policy <= LM_ELASTIC_MODEL);
	return name[policy];
}

uint32_t
policy_lcores_max(const struct lm_elastic *rules, uint32_t workers)
{
	return rules->lcores_max == 0 || rules->lcores_max > workers ? workers : rules->lcores_max;
}

int
plan_init(struct plan *plan, uint32_t slices)
{
	memset(plan, 0, sizeof(*plan));
	plan->move = calloc(slices + 1, sizeof(*plan->move));
	return plan->move == NULL ? -ENOMEM : 0;
}

void
plan_free(struct plan *plan)
{
	free(plan->move);
	memset(plan, 0, sizeof(*plan));
}

void
policy_changed(struct policy_memory *memory, int64_t now_ns)
{
	memory->above = memory->below = 0;
	memset(memory->op_above, 0, sizeof(memory->op_above));
	memset(memory->op_below, 0, sizeof(memory->op_below));
	memset(memory->op_skewed, 0, sizeof(memory->op_skewed));
	memory->changed_ns = now_ns;
	memory->has_changed = true;
}

/* What each slice takes of an lcore: threshold, as seen; else at the rate the sources want. */
static void
find_demand(struct decision *d)
{
	const struct load *load = d->load;
	double sum[LM_WORKERS_MAX] = { 0 }, on[LM_WORKERS_MAX] = { 0 };
	bool is_seen = d->rules->policy == LM_ELASTIC_THRESHOLD;

	for (uint32_t i = 0; i < load->slice_count; i++) {
		sum[load->slice[i].worker] += load->slice[i].busy;
	}
	for (uint32_t i = 0; i < load->slice_count; i++) {
		const struct load_slice *slice = &load->slice[i];
		double overhead = sum[slice->worker] <= 0
		                      ? 1
		                      : load->worker[slice->worker].busy / sum[slice->worker];

		overhead = overhead < 1 ? 1 : overhead > OVERHEAD_MAX ? OVERHEAD_MAX : overhead;
		d->demand[i] = (is_seen ? slice->busy : load_demand(load, slice)) * overhead;
		on[slice->worker] += d->demand[i];
		d->plan->load += d->demand[i];
	}
	for (uint32_t w = 0; w < load->worker_count; w++) {
		d->plan->busiest = on[w] > d->plan->busiest ? on[w] : d->plan->busiest;
	}
}

static void
add_scale(struct plan *plan, uint32_t op, uint32_t was, uint32_t slices)
{
	for (uint32_t i = 0; i < plan->scale_count; i++) {
		if (plan->scale[i].op == op) {
			return;
		}
	}
	if (plan->scale_count < PLAN_SCALES_MAX) {
		plan->scale[plan->scale_count++] =
		    (struct plan_scale){ .op = op, .was = was, .slices = slices };
	}
}

/* Operators of which one slice alone is too much for an lcore. */
static void
find_scales(struct decision *d)
{
	for (uint32_t i = 0; i < d->load->slice_count; i++) {
		uint32_t op = d->load->slice[i].op;
		double all = 0;

		if (d->demand[i] <= d->high || d->need[op].slices > d->load->op[op].slices) {
			continue;
		}
		for (uint32_t k = 0; k < d->load->slice_count; k++) {
			all += d->load->slice[k].op == op ? d->demand[k] : 0;
		}
		add_scale(d->plan, op, d->load->op[op].slices,
		          (uint32_t)fmin(ceil(all / d->rules->target), LM_SLICES_MAX));
	}
}

static void
write_moves(struct decision *d)
{
	struct plan *plan = d->plan;

	plan->move_count = 0;
	/* The largest first: with few of them most is gained. */
	for (uint32_t k = 0; k < d->load->slice_count; k++) {
		uint32_t i = d->pack.order[k];
		const struct load_slice *slice = &d->load->slice[i];

		if (d->pack.worker[i] != slice->worker) {
			plan->move[plan->move_count++] =
			    (struct plan_move){ .slice = slice->slice,
				                .from = slice->worker,
				                .to = d->pack.worker[i],
				                .demand = d->demand[i] };
		}
	}
}

/* Nothing that could be moved would help. */
static void
say_stuck(struct decision *d, uint32_t lcores_max)
{
	struct plan *plan = d->plan;

	plan->verdict = PLAN_STUCK;
	if (plan->scale_count > 0) {
		snprintf(plan->why, sizeof(plan->why),
		         "the busiest lcore is at %.2f, above %.2f, and a slice of %s fills it: "
		         "slices: %u would do",
		         plan->busiest, d->high, d->load->op[plan->scale[0].op].name,
		         plan->scale[0].slices);
	} else if (plan->lcores >= lcores_max) {
		snprintf(plan->why, sizeof(plan->why),
		         "the busiest lcore is at %.2f, above %.2f, and all %u are in use; the "
		         "load is %.2f",
		         plan->busiest, d->high, lcores_max, plan->load);
	} else {
		snprintf(plan->why, sizeof(plan->why),
		         "the busiest lcore is at %.2f, above %.2f; moving slices would bring it "
		         "to %.2f, which is not worth it (gain %.2f)",
		         plan->busiest, d->high, d->pack.busiest, d->rules->gain);
	}
}

/* Their new slices may go to the lcores in use, and to those that the load will need. */
static void
plan_rescaling(struct decision *d, uint32_t lcores_max)
{
	struct plan *plan = d->plan;
	double lcores = ceil(plan->load / d->rules->target);

	lcores = lcores > lcores_max ? lcores_max : lcores;
	pack_choose(&d->pack, lcores > plan->lcores ? (uint32_t)lcores : plan->lcores);
	memcpy(plan->takes, d->pack.is_kept, sizeof(plan->takes));
	plan->verdict = PLAN_RESCALING;
}

/* Fewer than that, if so many would be given back at once; it is packed for what comes out. */
static uint32_t
fewer_if_given_back(struct decision *d, uint32_t lcores)
{
	while (lcores > d->plan->lcores + 1 && d->plan->load < d->low * lcores) {
		pack_onto(&d->pack, lcores - 1, 0);
		if (d->pack.busiest > d->high) {
			break;
		}
		lcores--;
	}
	/* Evenly: nobody knows yet how much more there is. */
	pack_onto(&d->pack, lcores, 0);
	return lcores;
}

static void
plan_more(struct decision *d, uint32_t lcores_max)
{
	struct plan *plan = d->plan;
	uint32_t lcores = plan->lcores;
	uint32_t most = lcores_max > lcores ? lcores_max : lcores;

	lcores = pack_needed(&d->pack, lcores, most, d->rules->target);
	lcores = fewer_if_given_back(d, lcores);
	if (d->pack.busiest > plan->busiest * (1 - d->rules->gain)) {
		say_stuck(d, lcores_max);
		return;
	}
	write_moves(d);
	plan->verdict = lcores > plan->lcores ? PLAN_GROWING : PLAN_BALANCING;
	plan->lcores_wanted = lcores;
	snprintf(plan->why, sizeof(plan->why),
	         "the busiest lcore was at %.2f, above %.2f, for %u looks; the load of %.2f takes "
	         "%u lcores at %.2f at most, the busiest then has %.2f",
	         plan->busiest, d->high, d->hold, plan->load, lcores, d->rules->target,
	         d->pack.busiest);
}

static void
plan_fewer(struct decision *d, uint32_t lcores_min)
{
	struct plan *plan = d->plan;
	uint32_t lcores = pack_needed(&d->pack, lcores_min, plan->lcores - 1, d->rules->target);

	pack_onto(&d->pack, lcores, d->rules->target);
	write_moves(d);
	plan->verdict = PLAN_GIVING;
	plan->lcores_wanted = lcores;
	snprintf(plan->why, sizeof(plan->why),
	         "%u lcores were below %.2f, all together, for %u looks; the load of %.2f takes %u "
	         "at %.2f at most, the busiest then has %.2f",
	         plan->lcores, d->low, d->hold * POLICY_GIVE_HOLDS, plan->load, lcores,
	         d->rules->target, d->pack.busiest);
}

/* Whether sources send less than they would, or nobody knows: then it is not for want of load that
 * lcores rest. */
static bool
is_behind(const struct load *load)
{
	double rows = 0, offered = 0;

	for (uint32_t i = 0; i < load->slice_count; i++) {
		rows += load->slice[i].is_source ? load->slice[i].rows : 0;
		offered += load->slice[i].is_source ? load->slice[i].offered : 0;
	}
	return load->has_stalled || rows < offered * BEHIND;
}

/* Whether there are more lcores than the load needs. */
static bool
are_too_many(struct decision *d, uint32_t lcores_min)
{
	struct plan *plan = d->plan;
	double most = d->rules->target;

	if (plan->lcores <= lcores_min || d->marks.is_behind ||
	    plan->load >= d->low * plan->lcores || plan->load > most * (plan->lcores - 1)) {
		return false;
	}
	return pack_needed(&d->pack, lcores_min, plan->lcores, most) < plan->lcores &&
	       d->pack.busiest <= (plan->busiest > most ? plan->busiest : most);
}

/* True: it waits for that, and says so. */
static bool
waits_for_guard(const struct decision *d, const struct policy_memory *memory)
{
	int64_t since_ns = d->load->now_ns - memory->changed_ns;

	/* What is behind a full lcore is not seen: there is no waiting for what a change brings. */
	bool is_blind = d->rules->policy == LM_ELASTIC_THRESHOLD && memory->above >= d->hold &&
	                d->plan->busiest >= POLICY_FULL;

	if (!memory->has_changed || is_blind || since_ns >= (int64_t)d->rules->guard_ns) {
		return false;
	}
	d->plan->verdict = PLAN_WAITING;
	snprintf(d->plan->why, sizeof(d->plan->why),
	         "the last change is %.2f s old, the guard time %.2f s; the load is %.2f, the "
	         "busiest lcore at %.2f",
	         (double)since_ns / 1e9, (double)d->rules->guard_ns / 1e9, d->plan->load,
	         d->plan->busiest);
	return true;
}

static void
say_waits(struct decision *d, const struct policy_memory *memory)
{
	struct plan *plan = d->plan;

	plan->verdict = memory->above + memory->below > 0 ? PLAN_WAITING : PLAN_STEADY;
	if (memory->above > 0) {
		snprintf(plan->why, sizeof(plan->why),
		         "the busiest lcore is at %.2f, above %.2f, for %u of %u looks",
		         plan->busiest, d->high, memory->above, d->hold);
	} else if (memory->below > 0) {
		snprintf(plan->why, sizeof(plan->why),
		         "the load of %.2f would go on fewer than %u lcores, for %u of %u looks",
		         plan->load, plan->lcores, memory->below, d->hold * POLICY_GIVE_HOLDS);
	} else {
		snprintf(plan->why, sizeof(plan->why),
		         "the load is %.2f on %u lcores, the busiest at %.2f", plan->load,
		         plan->lcores, plan->busiest);
	}
}

static void
decide(struct decision *d, struct policy_memory *memory)
{
	uint32_t lcores_max = policy_lcores_max(d->rules, d->load->worker_count);
	uint32_t lcores_min = d->rules->lcores_min < lcores_max ? d->rules->lcores_min : lcores_max;
	bool is_above = d->plan->busiest > d->high;
	bool is_below;

	d->marks.is_behind = is_behind(d->load);
	is_below = !is_above && are_too_many(d, lcores_min);
	memory->above = is_above ? memory->above + 1 : 0;
	memory->below = is_below ? memory->below + 1 : 0;
	slices_look(d->load, d->demand, &d->marks, memory, d->need);
	find_scales(d);
	if (waits_for_guard(d, memory)) {
		return;
	}
	if (slices_more(d->load, &d->marks, memory, d->need, d->plan)) {
		plan_rescaling(d, lcores_max);
	} else if (slices_skewed(d->load, &d->marks, memory, d->need, d->plan)) {
		return;
	} else if (memory->above >= d->hold) {
		plan_more(d, lcores_max);
	} else if (slices_fewer(d->load, &d->marks, memory, d->need, d->plan)) {
		plan_rescaling(d, lcores_max);
	} else if (memory->below >= d->hold * POLICY_GIVE_HOLDS) {
		plan_fewer(d, lcores_min);
	} else {
		say_waits(d, memory);
	}
}

/* The marks; without hysteresis they are one. */
static struct decision
decision_of(const struct lm_elastic *rules, const struct load *load, struct plan *plan)
{
	bool is_planted = CANARY(CANARY_NO_HYSTERESIS);

	return (struct decision){ .rules = rules,
		                  .load = load,
		                  .plan = plan,
		                  .high = is_planted ? rules->target : rules->high,
		                  .low = is_planted ? 1 : rules->low,
		                  .hold = rules->hold,
		                  .marks = { .high = is_planted ? rules->target : rules->high,
		                             .target = rules->target,
		                             .hold = rules->hold } };
}

void
policy_plan(const struct lm_elastic *rules, const struct load *load, struct policy_memory *memory,
            struct plan *plan)
{
	struct decision d = decision_of(rules, load, plan);

	plan->verdict = PLAN_STEADY;
	plan->lcores = plan->lcores_wanted = pack_used(load);
	plan->load = plan->busiest = 0;
	plan->move_count = plan->scale_count = 0;
	plan->why[0] = '\0';
	d.demand = calloc(load->slice_count + 1, sizeof(*d.demand));
	if (d.demand == NULL || load->seconds <= 0) {
		snprintf(plan->why, sizeof(plan->why), "nothing is known yet");
		free(d.demand);
		return;
	}
	find_demand(&d);
	if (rules->policy == LM_ELASTIC_STATIC) {
		find_scales(&d);
		snprintf(plan->why, sizeof(plan->why),
		         "static: the load is %.2f on %u lcores, the busiest at %.2f", plan->load,
		         plan->lcores, plan->busiest);
	} else if (pack_init(&d.pack, load, d.demand) == 0) {
		decide(&d, memory);
	}
	pack_free(&d.pack);
	free(d.demand);
}
