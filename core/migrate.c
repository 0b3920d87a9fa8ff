/* SPDX-License-Identifier: BSD-3-Clause */
/* The hand-over of a slice from lcore to lcore: what each of the two does. */

#include "core/migrate.h"

#include "core/canary.h"
#include "core/env.h"
#include "core/worker.h"

void
move_complete(struct move *move, enum move_result result)
{
	move->result = result;
	__atomic_store_n(&move->is_done, true, __ATOMIC_RELEASE);
}

const char *
move_result_text(enum move_result result)
{
	static const char *const text[] = {
		[MOVE_DONE] = "done",
		[MOVE_NO_SLICE] = "there is no such slice",
		[MOVE_NO_WORKER] = "there is no such lcore",
		[MOVE_SAME_WORKER] = "the slice is on that lcore",
		[MOVE_ENDED] = "the slice has ended",
		[MOVE_UNDER_WAY] = "the slice is being moved",
		[MOVE_CHANGING] = "the graph is being changed",
		[MOVE_NOT_RUNNING] = "the engine does not run",
	};

	return text[result];
}

static bool
chain_has_ended(const struct lm_op *head)
{
	for (uint32_t i = 0; i < head->chain_count; i++) {
		if (!head->chain[i]->ended) {
			return false;
		}
	}
	return true;
}

/* On the receiver: the slice stays where it is. */
static void
migrate_decline(struct worker *self, void *arg, uint64_t value)
{
	(void)value;
	self->expected--;
	move_complete(arg, MOVE_ENDED);
}

/*
 * On the receiver: the slice is here. Its time must not go back, though this turn began before the
 * other lcore let go.
 */
static void
migrate_take(struct worker *self, void *arg, uint64_t value)
{
	struct move *move = arg;
	int64_t now_ns = env_now_ns();

	(void)value;
	self->expected--;
	self->now_ns = now_ns > move->released_ns ? now_ns : move->released_ns;
	self->wall_ns = env_wall_ns();
	move->head->move = move;
	worker_add(self, move->head);
}

/* On the lcore that has the slice: lets go of it, once no mail for it is under way. */
static void
migrate_give(struct worker *self, void *arg, uint64_t value)
{
	struct move *move = arg;
	struct lm_op *head = move->head;

	(void)value;
	if (chain_has_ended(head)) {
		mail_send(move->worker, migrate_decline, move, 0);
		return;
	}
	/* Else it might run after a slice that moves again and again. */
	if (mail_is_under_way(head) && !CANARY(CANARY_LOST_MAIL)) {
		mail_send_to_slice(head, migrate_give, move, 0);
		return;
	}
	if (!CANARY(CANARY_TWO_OWNERS)) {
		worker_remove(self, head);
	}
	move->released_ns = env_now_ns();
	/* From here on its mail goes there, and waits there if it comes before it. */
	for (uint32_t i = 0; i < head->chain_count; i++) {
		if (CANARY(CANARY_LOST_CALL)) {
			head->chain[i]->pending.call = CALL_NONE;
		}
		__atomic_store_n(&head->chain[i]->worker, move->worker, __ATOMIC_SEQ_CST);
		PREEMPT();
	}
	self->has_given = true;
	mail_send(move->worker, migrate_take, move, 0);
}

/*
 * The receiver is awake and stays so before the slice is let go, so that nobody waits for a
 * sleeping lcore. Who has the slice is found by mail: it cannot change but by this move.
 */
void
migrate_expect(struct worker *self, void *arg, uint64_t value)
{
	struct move *move = arg;

	(void)value;
	self->expected++;
	mail_send_to_slice(move->head, migrate_give, move, 0);
}

void
migrate_arrive(struct lm_op *head)
{
	struct move *move = head->move;

	head->move = NULL;
	move->pause_ns = env_now_ns() - move->released_ns;
	move_complete(move, MOVE_DONE);
}
