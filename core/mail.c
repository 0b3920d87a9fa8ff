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
	uint64_t padding;
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

void
mail_send(struct worker *to, mail_fn *function, void *arg, uint64_t value)
{
	struct mail mail = { .function = function, .arg = arg, .value = value };

	if (rte_ring_enqueue_elem(to->mailbox.ring, &mail, sizeof(mail)) != 0) {
		env_log(2, "the mailbox of lcore %u is full: stopping", to->lcore);
		abort();
	}
}

bool
mail_run(struct worker *self)
{
	struct mail mail;
	bool busy = false;

	while (rte_ring_dequeue_elem(self->mailbox.ring, &mail, sizeof(mail)) == 0) {
		PREEMPT();
		mail.function(self, mail.arg, mail.value);
		busy = true;
	}
	return busy;
}
