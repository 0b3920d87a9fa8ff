/* SPDX-License-Identifier: BSD-3-Clause */
/* Mailboxes: a multi-producer ring of (function, pointer, value) per worker. */

#include "core/mail.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/canary.h"
#include "core/limits.h"
#include "core/ring.h"
#include "core/worker.h"

struct mail {
	mail_fn *function;
	void *arg;
	uint64_t value;
	struct lm_op *slice; /* that it is for; NULL: for the worker */
	uint64_t hops;       /* workers that have passed it on */
};

int
mailbox_open(struct mailbox *mailbox, int numa_node)
{
	/* Relaxed tail: a sender that lost its CPU does not hold up the others. */
	mailbox->ring = ring_create(MAIL_SLOTS, sizeof(struct mail),
	                            RING_F_MP_RTS_ENQ | RING_F_SC_DEQ, numa_node);
	return mailbox->ring == NULL ? -ENOMEM : 0;
}

void
mailbox_close(struct mailbox *mailbox)
{
	env_free(mailbox->ring);
	mailbox->ring = NULL;
}

/*
 * The exchange is after the mail in the order of all exchanges: either the worker that is about to
 * sleep sees the mail, or it is seen here that it sleeps.
 */
static void
mail_put(struct worker *to, struct mail *mail)
{
	if (rte_ring_enqueue_elem(to->mailbox.ring, mail, sizeof(*mail)) != 0) {
		env_log(2, "the mailbox of lcore %u is full: stopping", to->lcore);
		abort();
	}
	PREEMPT();
	if (__atomic_exchange_n(&to->mailbox.parked, 0, __ATOMIC_SEQ_CST) != 0) {
		env_wake(&to->mailbox.parked);
	}
}

void
mail_send(struct worker *to, mail_fn *function, void *arg, uint64_t value)
{
	struct mail mail = { .function = function, .arg = arg, .value = value };

	mail_put(to, &mail);
}

static struct worker *
mail_target(const struct lm_op *slice)
{
	return __atomic_load_n(&slice->worker, __ATOMIC_SEQ_CST);
}

void
mail_send_to_slice(struct lm_op *slice, mail_fn *function, void *arg, uint64_t value)
{
	struct mail mail = {
		.function = function,
		.arg = arg,
		.value = value,
		.slice = slice,
	};

	/*
	 * In one order with what migrate.c does: either who would let go of the slice sees that
	 * there is mail, or the worker that it goes to is seen here, or the one that it was at.
	 */
	__atomic_add_fetch(&slice->letters, 1, __ATOMIC_SEQ_CST);
	PREEMPT();
	mail_put(mail_target(slice), &mail);
}

bool
mail_is_under_way(const struct lm_op *head)
{
	for (uint32_t i = 0; i < head->chain_count; i++) {
		if (__atomic_load_n(&head->chain[i]->letters, __ATOMIC_SEQ_CST) > 0) {
			return true;
		}
	}
	return false;
}

/* The worker has the slice no more; or, if it is to have it, not yet: then its own mailbox. */
static void
mail_pass_on(const struct worker *self, struct mail *mail)
{
	struct worker *to = mail_target(mail->slice);

	mail->hops += to != self;
	assert(mail->hops <= MAIL_HOPS_MAX);
	mail_put(to, mail);
}

bool
mail_run(struct worker *self)
{
	/* Not more: mail for a slice that is on its way here comes back to this mailbox. */
	uint32_t count = ring_count(self->mailbox.ring);
	struct mail mail;
	bool busy = false;

	while (count-- > 0 && rte_ring_dequeue_elem(self->mailbox.ring, &mail, sizeof(mail)) == 0) {
		PREEMPT();
		if (mail.slice == NULL) {
			mail.function(self, mail.arg, mail.value);
		} else if (worker_has(self, mail.slice)) {
			__atomic_sub_fetch(&mail.slice->letters, 1, __ATOMIC_SEQ_CST);
			mail.function(self, mail.arg, mail.value);
		} else if (mail.slice->retired) {
			__atomic_sub_fetch(&mail.slice->letters, 1, __ATOMIC_SEQ_CST);
		} else if (!CANARY(CANARY_LOST_MAIL)) {
			mail_pass_on(self, &mail);
		}
		busy = true;
	}
	return busy;
}

void
mail_wait(struct worker *self)
{
	struct mailbox *mailbox = &self->mailbox;

	__atomic_exchange_n(&mailbox->parked, 1, __ATOMIC_SEQ_CST);
	PREEMPT();
	if (ring_count(mailbox->ring) == 0) {
		env_park(&mailbox->parked, 1, MAIL_WAIT_NS);
	}
}
