/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POLICY_PACK_H
#define POLICY_PACK_H

/*
 * Packing: slices onto a number of lcores, the largest first, as few of them moved as do. Pure.
 */

#include "mgmt/load.h"

struct pack {
	const struct load *load;
	const double *demand;         /* [slice of the load] */
	uint32_t *worker;             /* [slice of the load]: where it goes */
	uint32_t *order;              /* scratch: the largest first */
	double on[LM_WORKERS_MAX];    /* demand on each worker, packed */
	bool is_kept[LM_WORKERS_MAX]; /* slices may be there */
	uint32_t kept;
	double busiest;
};

int pack_init(struct pack *pack, const struct load *load, const double *demand);
void pack_free(struct pack *pack);

/* How many workers have slices. */
uint32_t pack_used(const struct load *load);
/* Chooses the workers that pack_onto would keep: is_kept. */
void pack_choose(struct pack *pack, uint32_t lcores);
/*
 * Onto `lcores` workers, more where slices are fixed on more. Those in use are kept, the fullest
 * first; new ones are of the same NUMA node if there is one. A worker keeps its slices up to
 * `limit`, or up to the fair share if that is more.
 */
void pack_onto(struct pack *pack, uint32_t lcores, double limit);
/* The smallest number of lcores from `min` to `max` at which no more than `limit` is on any, or on
 * none more than a slice that cannot be divided; the packing is left for it. */
uint32_t pack_needed(struct pack *pack, uint32_t min, uint32_t max, double limit);

#endif
