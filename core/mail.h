/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MAIL_H
#define MAIL_H

/*
 * A function and a pointer to another lcore: how anything is changed that another lcore owns.
 * Pre-sized; sending cannot fail (a full mailbox means a bug and aborts).
 *
 * Mail may be for a slice: then it is run where the slice is. A worker that has it no more passes
 * it on; one that does not have it yet keeps it for its next turn. A slice does not leave a worker
 * while mail for it is under way (mail_is_under_way; core/migrate.c asks), so mail is passed on at
 * most once: whoever moves it how often.
 * A slice that a change of the graph has retired gets no more of it.
 *
 * A worker without slices sleeps until there is mail.
 *
 * Threads: anyone sends; the worker that owns the mailbox runs what arrived.
 */

#include <stdbool.h>
#include <stdint.h>

struct lm_op;
struct worker;
struct rte_ring;

typedef void mail_fn(struct worker *self, void *arg, uint64_t value);

struct mailbox {
	struct rte_ring *ring;
	uint32_t parked; /* 1: the worker may sleep, who sends must wake it */
};

/* 0 or -ENOMEM. */
int mailbox_open(struct mailbox *mailbox, int numa_node);
void mailbox_close(struct mailbox *mailbox);
void mail_send(struct worker *to, mail_fn *function, void *arg, uint64_t value);
/* To the worker that runs the slice, whichever that is when the mail is read. */
void mail_send_to_slice(struct lm_op *slice, mail_fn *function, void *arg, uint64_t value);
/* The slice's worker: whether mail for it or the slices that it calls has been sent and not run. */
bool mail_is_under_way(const struct lm_op *head);
/* Runs what has arrived until now; true if there was something. */
bool mail_run(struct worker *self);
/* Sleeps until there is mail, or MAIL_WAIT_NS. */
void mail_wait(struct worker *self);

#endif
