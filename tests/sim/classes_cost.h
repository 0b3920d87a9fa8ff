/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLASSES_COST_H
#define CLASSES_COST_H

/*
 * Operators that take time in the simulator (sim_run_timed), for each row as much as they are told:
 * sim_offer, a source with a load that changes, which like a NIC drops what it cannot send in time;
 * sim_work, which passes rows on; sim_done, a sink.
 */

#include <stdint.h>

/* Rows per second that all slices of sim_offer together should send at a time of the run. */
typedef double sim_load_fn(double seconds, void *arg);

void sim_cost_register(void);
void sim_offer_load(sim_load_fn *load, void *arg);
/* Since sim_offer_load: rows that were due, sent, dropped before they were sent, taken by a sink;
 * and the sums of the numbers of those sent and taken. */
struct sim_offered {
	uint64_t due, sent, dropped, done;
	uint64_t sent_sum, done_sum;
};
struct sim_offered sim_offered(void);

#endif
