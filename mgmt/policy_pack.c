/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices onto lcores: the largest first, and whoever can stay does. */
#include "mgmt/policy_pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A worker keeps a little more than the fair share before slices move for it. */
#define PACK_SLACK 1.05
/* Differences below this are rounding. */
#define PACK_EPSILON 1e-9
#define PACK_NOWHERE UINT32_MAX

int
pack_init(struct pack *pack, const struct load *load, const double *demand)
{
	memset(pack, 0, sizeof(*pack));
	pack->load = load;
	pack->demand = demand;
	pack->worker = calloc(load->slice_count + 1, sizeof(*pack->worker));
	pack->order = calloc(load->slice_count + 1, sizeof(*pack->order));
	if (pack->worker == NULL || pack->order == NULL) {
		pack_free(pack);
		return -ENOMEM;
	}
	/* The largest first; of equals the one that comes first. */
	for (uint32_t i = 0; i < load->slice_count; i++) {
		uint32_t at = i;

		while (at > 0 && demand[pack->order[at - 1]] < demand[i]) {
			pack->order[at] = pack->order[at - 1];
			at--;
		}
		pack->order[at] = i;
	}
	return 0;
}

void
pack_free(struct pack *pack)
{
	free(pack->worker);
	free(pack->order);
	pack->worker = pack->order = NULL;
}

uint32_t
pack_used(const struct load *load)
{
	bool is_used[LM_WORKERS_MAX] = { false };
	uint32_t used = 0;

	for (uint32_t i = 0; i < load->slice_count; i++) {
		used += is_used[load->slice[i].worker] ? 0 : 1;
		is_used[load->slice[i].worker] = true;
	}
	return used;
}

/* The node of the fullest worker: new ones come from there, if they can. */
static int
home_node(const struct load *load, const double *demand)
{
	uint32_t best = 0;

	for (uint32_t w = 1; w < load->worker_count; w++) {
		best = demand[w] > demand[best] ? w : best;
	}
	return load->worker[best].node;
}

static void
keep(struct pack *pack, uint32_t worker)
{
	pack->is_kept[worker] = true;
	pack->kept++;
}

/* Those with fixed slices, then the fullest of those in use, then new ones near by. */
void
pack_choose(struct pack *pack, uint32_t lcores)
{
	const struct load *load = pack->load;
	double on[LM_WORKERS_MAX] = { 0 };
	bool is_used[LM_WORKERS_MAX] = { false };
	int home;

	memset(pack->is_kept, 0, sizeof(pack->is_kept));
	pack->kept = 0;
	for (uint32_t i = 0; i < load->slice_count; i++) {
		const struct load_slice *slice = &load->slice[i];

		on[slice->worker] += pack->demand[i];
		is_used[slice->worker] = true;
		if (slice->is_fixed && !pack->is_kept[slice->worker]) {
			keep(pack, slice->worker);
		}
	}
	home = home_node(load, on);
	while (pack->kept < lcores && pack->kept < load->worker_count) {
		uint32_t best = PACK_NOWHERE;

		for (uint32_t w = 0; w < load->worker_count; w++) {
			int is_near = load->worker[w].node == home;

			if (pack->is_kept[w]) {
				continue;
			}
			if (best == PACK_NOWHERE || is_used[w] > is_used[best] ||
			    (is_used[w] == is_used[best] &&
			     (is_used[w] ? on[w] > on[best] + PACK_EPSILON
			                 : is_near > (load->worker[best].node == home)))) {
				best = w;
			}
		}
		keep(pack, best);
	}
}

/* The slice that leaves a worker which has `excess` too much: the largest that is no more than
 * that, else the smallest. PACK_NOWHERE: none can. */
static uint32_t
choose_leaver(const struct pack *pack, uint32_t worker, double excess)
{
	uint32_t smallest = PACK_NOWHERE;

	for (uint32_t k = 0; k < pack->load->slice_count; k++) {
		uint32_t i = pack->order[k];

		if (pack->worker[i] != worker || pack->load->slice[i].is_fixed ||
		    pack->demand[i] <= PACK_EPSILON) {
			continue;
		}
		if (pack->demand[i] <= excess + PACK_EPSILON) {
			return i;
		}
		smallest = i;
	}
	return smallest;
}

/* The emptiest of those kept; where it is now if that is no fuller. */
static uint32_t
choose_place(const struct pack *pack, uint32_t i)
{
	uint32_t was = pack->load->slice[i].worker;
	uint32_t best = pack->is_kept[was] ? was : PACK_NOWHERE;

	for (uint32_t w = 0; w < pack->load->worker_count; w++) {
		if (pack->is_kept[w] &&
		    (best == PACK_NOWHERE || pack->on[w] < pack->on[best] - PACK_EPSILON)) {
			best = w;
		}
	}
	return best;
}

static void
take_out(struct pack *pack, uint32_t i)
{
	pack->on[pack->worker[i]] -= pack->demand[i];
	pack->worker[i] = PACK_NOWHERE;
}

/* Each worker that has too much gives slices away. */
static void
shed(struct pack *pack, double limit)
{
	for (uint32_t w = 0; w < pack->load->worker_count; w++) {
		while (pack->is_kept[w] && pack->on[w] > limit + PACK_EPSILON) {
			uint32_t i = choose_leaver(pack, w, pack->on[w] - limit);

			if (i == PACK_NOWHERE) {
				break;
			}
			take_out(pack, i);
		}
	}
}

void
pack_onto(struct pack *pack, uint32_t lcores, double limit)
{
	const struct load *load = pack->load;
	double all = 0, fair;

	pack_choose(pack, lcores);
	memset(pack->on, 0, sizeof(pack->on));
	for (uint32_t i = 0; i < load->slice_count; i++) {
		uint32_t worker = load->slice[i].worker;

		all += pack->demand[i];
		pack->worker[i] = pack->is_kept[worker] ? worker : PACK_NOWHERE;
		if (pack->is_kept[worker]) {
			pack->on[worker] += pack->demand[i];
		}
	}
	fair = all / pack->kept * PACK_SLACK;
	shed(pack, fair > limit ? fair : limit);
	for (uint32_t k = 0; k < load->slice_count; k++) {
		uint32_t i = pack->order[k];

		if (pack->worker[i] == PACK_NOWHERE) {
			pack->worker[i] = choose_place(pack, i);
			pack->on[pack->worker[i]] += pack->demand[i];
		}
	}
	pack->busiest = 0;
	for (uint32_t w = 0; w < load->worker_count; w++) {
		pack->busiest = pack->on[w] > pack->busiest ? pack->on[w] : pack->busiest;
	}
}

/* What one worker has however many there are: the largest slice, or those that are fixed there. */
static double
indivisible(const struct pack *pack)
{
	double fixed[LM_WORKERS_MAX] = { 0 }, most = 0;

	for (uint32_t i = 0; i < pack->load->slice_count; i++) {
		const struct load_slice *slice = &pack->load->slice[i];

		most = pack->demand[i] > most ? pack->demand[i] : most;
		fixed[slice->worker] += slice->is_fixed ? pack->demand[i] : 0;
		most = fixed[slice->worker] > most ? fixed[slice->worker] : most;
	}
	return most;
}

uint32_t
pack_needed(struct pack *pack, uint32_t min, uint32_t max, double limit)
{
	double most = indivisible(pack), all = 0;
	double bound = most > limit ? most : limit;
	uint32_t lcores = min;

	for (uint32_t i = 0; i < pack->load->slice_count; i++) {
		all += pack->demand[i];
	}
	while (lcores < max && all > bound * lcores + PACK_EPSILON) {
		lcores++;
	}
	pack_onto(pack, lcores, limit);
	while (lcores < max && pack->busiest > bound + PACK_EPSILON) {
		lcores++;
		pack_onto(pack, lcores, limit);
	}
	return pack->kept > lcores ? pack->kept : lcores;
}
