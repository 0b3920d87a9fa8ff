/* SPDX-License-Identifier: BSD-3-Clause */
/* The per-lcore loop: mail, timers, slices; the only caller of slice_turn. */

#include "core/worker.h"

#include <string.h>

#include "core/env.h"
#include "core/migrate.h"
#include "core/rewire.h"

/* A step of a slot that another version left, of any slice of the chain. True if there was one. */
static bool
worker_convert(struct lm_op *head)
{
	for (uint32_t i = 0; i < head->chain_count; i++) {
		if (head->chain[i]->state.slots_waiting > 0) {
			(void)state_convert_some(head->chain[i]);
			return true;
		}
	}
	head->converts = false;
	return false;
}

/* A head's share of a turn: a few batches, then what is partial goes if nothing more is there. */
static bool
worker_run_slice(struct lm_op *slice)
{
	bool busy = false, more = true;

	if (slice->move != NULL) {
		migrate_arrive(slice);
	}
	for (uint32_t i = 0; i < SLICE_BATCHES_PER_TURN && more; i++) {
		more = slice_turn(slice);
		busy |= more;
	}
	if (slice->converts) {
		busy |= worker_convert(slice);
	}
	slice_flush(slice, more ? EDGE_FLUSH_AGED : EDGE_FLUSH_IDLE);
	return busy;
}

static bool
worker_run_timers(struct worker *worker)
{
	int64_t next_ns = INT64_MAX;
	bool busy = false;

	if (worker->now_ns < worker->timer_due_ns) {
		return false;
	}
	/* Callbacks may start timers, of slices looked at already too. */
	worker->timer_due_ns = INT64_MAX;
	for (uint32_t i = 0; i < worker->slice_count; i++) {
		busy |= slice_timers(worker->slice[i], &next_ns);
	}
	if (next_ns < worker->timer_due_ns) {
		worker->timer_due_ns = next_ns;
	}
	return busy;
}

/* The simulator's choice of an order: any must do. */
static uint32_t
worker_first_slice(struct worker *worker)
{
	struct engine_shared *shared = worker->shared;

	if (!shared->shuffle || worker->slice_count == 0) {
		return 0;
	}
	shared->shuffle_seed = shared->shuffle_seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(shared->shuffle_seed >> 33) % worker->slice_count;
}

/* Busy and idle time add up to the whole: a turn lasts until the next one begins. */
static void
worker_account(struct worker *worker, bool busy, int64_t from_ns)
{
	struct lm_worker_stats *stats = &worker->stats;
	uint64_t turn_ns = (uint64_t)(env_now_ns() - from_ns);

	count_up(&stats->turns, 1);
	count_up(busy ? &stats->busy_ns : &stats->idle_ns, turn_ns);
	if (busy) {
		count_up(&stats->turns_busy, 1);
		if (turn_ns > stats->longest_turn_ns) {
			__atomic_store_n(&stats->longest_turn_ns, turn_ns, __ATOMIC_RELAXED);
		}
	}
}

/* Nothing was to do. True if it slept. */
static bool
worker_rest(struct worker *worker)
{
	if (worker->expected > 0) {
		worker->idle.shares_cpu ? env_yield() : env_pause();
		return false;
	}
	if (worker->slice_count == 0) {
		mail_wait(worker);
		return true;
	}
	return idle_wait(&worker->idle, worker->now_ns);
}

/* The new owner of a slice may wait for this very CPU. */
static void
worker_make_way(const struct worker *worker)
{
	if (worker->idle.shares_cpu) {
		env_yield();
	}
}

bool
worker_has(const struct worker *worker, const struct lm_op *slice)
{
	for (uint32_t i = 0; i < worker->slice_count; i++) {
		if (worker->slice[i] == slice->head) {
			return true;
		}
	}
	return false;
}

void
worker_add(struct worker *worker, struct lm_op *head)
{
	uint32_t at = worker->slice_count++;

	for (; at > 0 && worker->slice[at - 1]->turn > head->turn; at--) {
		worker->slice[at] = worker->slice[at - 1];
	}
	worker->slice[at] = head;
	/* Its timers are looked at with those of the others: in this turn. */
	worker->timer_due_ns = worker->now_ns;
	idle_reset(&worker->idle);
}

void
worker_remove(struct worker *worker, struct lm_op *head)
{
	uint32_t at = 0;

	while (worker->slice[at] != head) {
		at++;
		assert(at < worker->slice_count);
	}
	worker->slice_count--;
	memmove(&worker->slice[at], &worker->slice[at + 1],
	        (worker->slice_count - at) * sizeof(struct lm_op *));
}

bool
worker_step(void *arg)
{
	struct worker *worker = arg;
	uint32_t first = worker_first_slice(worker);
	int64_t from_ns = env_now_ns();
	bool busy;

	worker->now_ns = from_ns;
	worker->wall_ns = env_wall_ns();
	busy = mail_run(worker);
	if (worker->due != NULL) {
		rewire_switch_due(worker);
		busy = true;
	}
	busy |= worker_run_timers(worker);
	for (uint32_t i = 0; i < worker->slice_count; i++) {
		struct lm_op *slice = worker->slice[(first + i) % worker->slice_count];
		int64_t before_ns = worker->now_ns;

		assert(slice->worker == worker);
		if (worker_run_slice(slice)) {
			busy = true;
			worker->now_ns = env_now_ns();
			count_up(&slice->stats.busy_ns, (uint64_t)(worker->now_ns - before_ns));
		}
	}
	if (busy) {
		idle_reset(&worker->idle);
	} else if (worker_rest(worker)) {
		count_up(&worker->stats.sleeps, 1);
	}
	if (worker->has_given) {
		worker->has_given = false;
		worker_make_way(worker);
	}
	worker_account(worker, busy, from_ns);
	return !worker->quit;
}
