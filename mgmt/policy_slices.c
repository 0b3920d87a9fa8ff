/* SPDX-License-Identifier: BSD-3-Clause */
/* From the demand of slices to how many of them there should be. */
#include "mgmt/policy_slices.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/canary.h"

/* A slice with so much more than the others, as a factor, is not so by chance. */
#define SLICES_SKEWED 1.2
/* Differences below this are rounding. */
#define SLICES_EPSILON 1e-9

static uint32_t
between(double number, uint32_t least, uint32_t most)
{
	return number < least ? least : number > most ? most : (uint32_t)number;
}

/* How far the busiest slice is above the others, as a factor. */
static double
unevenness(const struct plan_need *need, uint32_t slices)
{
	return need->all <= 0 ? 1 : need->busiest * slices / need->all;
}

/* The smallest number at which no slice has more than the target; as many as there are if it is
 * not smaller. */
static uint32_t
fewest(const struct load_operator *op, const struct plan_need *need, double target)
{
	uint32_t slices =
	    between(ceil(need->all / target - SLICES_EPSILON), op->slices_least, op->slices_most);

	while (slices < op->slices &&
	       need->all / slices * (slices == 1 ? 1 : unevenness(need, op->slices)) >
	           target + SLICES_EPSILON) {
		slices++;
	}
	return slices < op->slices ? slices : op->slices;
}

static uint32_t
needed(const struct load_operator *op, const struct plan_need *need,
       const struct slices_marks *marks)
{
	uint32_t enough = between(ceil(need->all / marks->target - SLICES_EPSILON),
	                          op->slices_least, op->slices_most);

	if (op->slices_most == 0) {
		return op->slices;
	}
	if (enough > op->slices && need->busiest > marks->high) {
		return CANARY(CANARY_FEW_SLICES) ? op->slices : enough;
	}
	return marks->is_behind ? op->slices : fewest(op, need, marks->target);
}

static bool
is_skewed(const struct load_operator *op, const struct plan_need *need,
          const struct slices_marks *marks)
{
	return op->has_slots && op->slices > 1 && need->slices <= op->slices &&
	       need->busiest > marks->high && unevenness(need, op->slices) > SLICES_SKEWED;
}

void
slices_look(const struct load *load, const double *demand, const struct slices_marks *marks,
            struct policy_memory *memory, struct plan_need *need)
{
	memset(need, 0, load->op_count * sizeof(*need));
	for (uint32_t i = 0; i < load->slice_count; i++) {
		struct plan_need *of = &need[load->slice[i].op];

		of->all += demand[i];
		of->busiest = demand[i] > of->busiest ? demand[i] : of->busiest;
	}
	for (uint32_t o = 0; o < load->op_count; o++) {
		const struct load_operator *op = &load->op[o];

		need[o].slices = needed(op, &need[o], marks);
		memory->op_above[o] = need[o].slices > op->slices ? memory->op_above[o] + 1 : 0;
		memory->op_below[o] = need[o].slices < op->slices ? memory->op_below[o] + 1 : 0;
		memory->op_skewed[o] =
		    is_skewed(op, &need[o], marks) ? memory->op_skewed[o] + 1 : 0;
	}
}

static void
add(struct plan *plan, const struct load *load, const struct plan_need *need, uint32_t op)
{
	if (plan->scale_count < PLAN_SCALES_MAX) {
		plan->scale[plan->scale_count++] = (struct plan_scale){ .op = op,
			                                                .was = load->op[op].slices,
			                                                .slices = need[op].slices,
			                                                .is_planned = true };
	}
}

/* Of the first of them, and how many there are. */
static void
say_why(const struct load *load, const struct plan_need *need, const char *mark, uint32_t looks,
        double target, struct plan *plan)
{
	const struct plan_scale *first = &plan->scale[0];
	char more[40] = "";

	if (plan->scale_count > 1) {
		snprintf(more, sizeof(more), "; so do %u more operators", plan->scale_count - 1);
	}
	snprintf(plan->why, sizeof(plan->why),
	         "%s has %.2f on %u slices, the busiest at %.2f, %s, for %u looks; it takes %u at "
	         "%.2f at most%s",
	         load->op[first->op].name, need[first->op].all, first->was, need[first->op].busiest,
	         mark, looks, first->slices, target, more);
}

bool
slices_more(const struct load *load, const struct slices_marks *marks,
            const struct policy_memory *memory, const struct plan_need *need, struct plan *plan)
{
	char mark[40];
	bool is_time = false;

	for (uint32_t o = 0; o < load->op_count; o++) {
		is_time |= memory->op_above[o] >= marks->hold;
	}
	if (!is_time) {
		return false;
	}
	plan->scale_count = 0;
	for (uint32_t o = 0; o < load->op_count; o++) {
		if (need[o].slices > load->op[o].slices) {
			add(plan, load, need, o);
		}
	}
	snprintf(mark, sizeof(mark), "above %.2f", marks->high);
	say_why(load, need, mark, marks->hold, marks->target, plan);
	return true;
}

bool
slices_skewed(const struct load *load, const struct slices_marks *marks,
              const struct policy_memory *memory, const struct plan_need *need, struct plan *plan)
{
	for (uint32_t o = 0; o < load->op_count; o++) {
		if (memory->op_skewed[o] < marks->hold || load->now_ns < memory->level_ns[o]) {
			continue;
		}
		plan->verdict = PLAN_LEVELLING;
		plan->level_op = o;
		snprintf(plan->why, sizeof(plan->why),
		         "the busiest slice of %s was at %.2f, above %.2f, for %u looks, all %u "
		         "together at %.2f: slots of it go to the others",
		         load->op[o].name, need[o].busiest, marks->high, marks->hold,
		         load->op[o].slices, need[o].all);
		return true;
	}
	return false;
}

bool
slices_fewer(const struct load *load, const struct slices_marks *marks,
             const struct policy_memory *memory, const struct plan_need *need, struct plan *plan)
{
	uint32_t hold = marks->hold * POLICY_GIVE_HOLDS;
	bool is_time = false;

	for (uint32_t o = 0; o < load->op_count; o++) {
		is_time |= memory->op_below[o] >= hold;
	}
	if (!is_time) {
		return false;
	}
	plan->scale_count = 0;
	for (uint32_t o = 0; o < load->op_count; o++) {
		if (memory->op_below[o] >= hold) {
			add(plan, load, need, o);
		}
	}
	say_why(load, need, "which fewer could do", hold, marks->target, plan);
	return true;
}
