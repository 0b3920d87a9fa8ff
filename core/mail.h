/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MAIL_H
#define MAIL_H

/*
 * A function and a pointer to another lcore: how anything is changed that another lcore owns.
 * Pre-sized; sending cannot fail (a full mailbox means a bug and aborts).
 *
 * Threads: anyone sends; the worker that owns the mailbox runs what arrived.
 */

#include <stdbool.h>
#include <stdint.h>

struct worker;
struct rte_ring;

typedef void mail_fn(struct worker *self, void *arg, uint64_t value);

struct mailbox {
	struct rte_ring *ring;
};

/* 0 or -ENOMEM. */
int mailbox_open(struct mailbox *mailbox, int numa_node);
void mailbox_close(struct mailbox *mailbox);
void mail_send(struct worker *to, mail_fn *function, void *arg, uint64_t value);
/* Runs what has arrived; true if there was something. */
bool mail_run(struct worker *self);

#endif
