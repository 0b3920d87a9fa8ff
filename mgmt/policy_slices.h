/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POLICY_SLICES_H
#define POLICY_SLICES_H

/*
 * How many slices each operator needs. Pure: the demand of slices in, numbers out.
 *
 * An operator whose busiest slice is above `high` needs as many as have `target` each at most (with
 * the demand of the model that is its number at once, whoever else is in its way: V. Kalavri et
 * al., Three steps is all you need, OSDI 2018). It needs fewer if those then have `target` at most,
 * the busiest of them too, if it is as far above the others as now. In between its number is right.
 */

#include "mgmt/policy.h"

struct slices_marks {
	double high, target;
	uint32_t hold;
	bool is_behind; /* sources send less than they would: nothing is given back */
};

/* Of each operator: what it needs, now; and for how many looks it has. */
void slices_look(const struct load *load, const double *demand, const struct slices_marks *marks,
                 struct policy_memory *memory, struct plan_need *need);
/*
 * Whether an operator has needed more for long enough, or fewer: then the plan has all that need
 * more now, or those that have needed fewer for long enough, with the reason.
 */
bool slices_more(const struct load *load, const struct slices_marks *marks,
                 const struct policy_memory *memory, const struct plan_need *need,
                 struct plan *plan);
/* Whether an operator has had a slice above `high` for long enough though all together have not too
 * much: then the plan is to level it. */
bool slices_skewed(const struct load *load, const struct slices_marks *marks,
                   const struct policy_memory *memory, const struct plan_need *need,
                   struct plan *plan);
bool slices_fewer(const struct load *load, const struct slices_marks *marks,
                  const struct policy_memory *memory, const struct plan_need *need,
                  struct plan *plan);

#endif
