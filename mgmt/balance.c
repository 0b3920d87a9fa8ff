/* SPDX-License-Identifier: BSD-3-Clause */
/* Which slices should go to other lcores. */
#include "mgmt/balance.h"

#include <stdbool.h>

#include "core/lm_engine.h"

/* Who was moved stays: its worker is marked so. */
#define MOVED (UINT32_C(1) << 31)

static uint32_t
worker_of(const struct balance_unit *unit)
{
	return unit->worker & ~MOVED;
}

static void
load(const struct balance_unit *unit, uint32_t count, double busy[LM_WORKERS_MAX])
{
	for (uint32_t i = 0; i < LM_WORKERS_MAX; i++) {
		busy[i] = 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		busy[worker_of(&unit[i])] += unit[i].busy;
	}
}

static void
extremes(const double busy[LM_WORKERS_MAX], uint32_t worker_count, uint32_t *fullest,
         uint32_t *emptiest)
{
	*fullest = *emptiest = 0;
	for (uint32_t i = 1; i < worker_count; i++) {
		*fullest = busy[i] > busy[*fullest] ? i : *fullest;
		*emptiest = busy[i] < busy[*emptiest] ? i : *emptiest;
	}
}

/* The largest unit of a worker whose going leaves the other one less full than it was. NULL: none.
 */
static struct balance_unit *
choose(struct balance_unit *unit, uint32_t count, uint32_t from, double gap)
{
	struct balance_unit *best = NULL;

	for (uint32_t i = 0; i < count; i++) {
		double gain = gap - unit[i].busy < unit[i].busy ? gap - unit[i].busy : unit[i].busy;

		if (unit[i].worker == from && gain >= BALANCE_GAIN &&
		    (best == NULL || unit[i].busy > best->busy)) {
			best = &unit[i];
		}
	}
	return best;
}

uint32_t
balance_plan(struct balance_unit *unit, uint32_t count, uint32_t worker_count,
             struct balance_move *move)
{
	double busy[LM_WORKERS_MAX];
	uint32_t moves = 0, from, to;
	struct balance_unit *chosen;

	if (worker_count < 2) {
		return 0;
	}
	do {
		load(unit, count, busy);
		extremes(busy, worker_count, &from, &to);
		chosen = choose(unit, count, from, busy[from] - busy[to]);
		if (chosen != NULL) {
			move[moves++] = (struct balance_move){
				.slice = chosen->slice, .from = from, .to = to, .busy = chosen->busy
			};
			chosen->worker = to | MOVED;
		}
	} while (chosen != NULL);
	for (uint32_t i = 0; i < count; i++) {
		unit[i].worker = worker_of(&unit[i]);
	}
	return moves;
}
