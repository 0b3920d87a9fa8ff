/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * micro_mail: functions sent to a mailbox and run, on one lcore, beside the same pointer through a
 * raw rte_ring of many producers and one consumer.
 */

#include <stdio.h>

#include "bench/bench.h"
#include "core/limits.h"
#include "core/ring.h"
#include "core/worker.h"

/* Waiting at a time. */
#define DEPTH 8u

static struct worker worker;
static struct rte_ring *ring;
static uint64_t rounds;

static bool
prepare(struct bench *bench, bool small)
{
	rounds = small ? 1000 : 1000000;
	ring = ring_create(MAIL_SLOTS, sizeof(void *), RING_F_SC_DEQ, -1);
	snprintf(bench->note, sizeof(bench->note), "%u sent, then run", DEPTH);
	return ring != NULL && mailbox_open(&worker.mailbox, -1) == 0;
}

static void
discard(struct bench *bench)
{
	(void)bench;
	mailbox_close(&worker.mailbox);
	env_free(ring);
}

static void
add(struct worker *self, void *arg, uint64_t value)
{
	(void)self;
	*(uint64_t *)arg += value;
}

static bool
run_mail(void *context, struct bench_run *run)
{
	double start = bench_seconds();

	(void)context;
	for (uint64_t r = 0; r < rounds; r++) {
		for (uint32_t i = 0; i < DEPTH; i++) {
			mail_send(&worker, add, &run->checksum, 1);
		}
		mail_run(&worker);
	}
	run->seconds = bench_seconds() - start;
	run->items = rounds * DEPTH;
	return true;
}

static bool
run_ring(void *context, struct bench_run *run)
{
	double start = bench_seconds();

	(void)context;
	for (uint64_t r = 0; r < rounds; r++) {
		void *arg;

		for (uint32_t i = 0; i < DEPTH; i++) {
			rte_ring_mp_enqueue(ring, &run->checksum);
		}
		while (rte_ring_sc_dequeue(ring, &arg) == 0) {
			++*(uint64_t *)arg;
		}
	}
	run->seconds = bench_seconds() - start;
	run->items = rounds * DEPTH;
	return true;
}

struct bench bench_micro_mail = {
	.name = "micro_mail",
	.unit = "cycles/mail",
	.baseline_name = "raw rte_ring, same pointer",
	.is_cycles = true,
	.engine = run_mail,
	.baseline = run_ring,
	.prepare = prepare,
	.discard = discard,
	.lcores = 1,
};
