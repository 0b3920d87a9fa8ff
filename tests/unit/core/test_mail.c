/* SPDX-License-Identifier: BSD-3-Clause */
/* core/mail.c: every message is run once, in the order of its sender, on the worker it was sent to.
 */
#include "core/mail.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/limits.h"
#include "core/worker.h"
#include "tests/sim/sim.h"
#include "tests/unit/core/engine_rig.h"

#define SENDERS 3u

static struct worker worker;
static uint64_t got[3 * MAIL_SLOTS];
static uint32_t got_count;

static void
keep(struct worker *self, void *arg, uint64_t value)
{
	assert_ptr_equal(self, &worker);
	assert_ptr_equal(arg, got);
	got[got_count++] = value;
}

static void
keep_and_send(struct worker *self, void *arg, uint64_t value)
{
	keep(self, arg, value);
	if (value < 5) {
		mail_send(self, keep_and_send, arg, value + 1);
	}
}

static void
begin(void)
{
	memset(&worker, 0, sizeof(worker));
	got_count = 0;
	assert_int_equal(mailbox_open(&worker.mailbox, -1), 0);
}

static void
test_order(void **state)
{
	(void)state;
	begin();
	assert_false(mail_run(&worker));
	/* As many as a mailbox is sized for. */
	for (uint32_t i = 0; i < MAIL_SLOTS; i++) {
		mail_send(&worker, keep, got, i);
	}
	assert_int_equal(got_count, 0);
	assert_true(mail_run(&worker));
	assert_int_equal(got_count, MAIL_SLOTS);
	for (uint32_t i = 0; i < MAIL_SLOTS; i++) {
		assert_int_equal(got[i], i);
	}
	assert_false(mail_run(&worker));
	mailbox_close(&worker.mailbox);
}

/* What a message sends to the same worker is run, but not in the same turn. */
static void
test_from_within(void **state)
{
	(void)state;
	begin();
	mail_send(&worker, keep_and_send, got, 0);
	for (uint32_t i = 1; i <= 6; i++) {
		assert_true(mail_run(&worker));
		assert_int_equal(got_count, i);
	}
	assert_false(mail_run(&worker));
	mailbox_close(&worker.mailbox);
}

static void
fill(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < 4 * MAIL_SLOTS; i++) {
		mail_send(&worker, keep, got, i);
	}
}

/* A full mailbox is a bug, not a load. */
static void
test_full(void **state)
{
	(void)state;
	begin();
	assert_true(rig_aborts(fill, NULL));
	mailbox_close(&worker.mailbox);
}

static void
test_no_memory(void **state)
{
	size_t before = sim_memory();

	(void)state;
	sim_fail_after(0, UINT64_MAX);
	assert_true(mailbox_open(&worker.mailbox, -1) < 0);
	sim_fail_after(UINT64_MAX, UINT64_MAX);
	mailbox_close(&worker.mailbox);
	assert_int_equal(sim_memory(), before);
}

static void *
send_many(void *arg)
{
	uint64_t sender = (uintptr_t)arg;

	for (uint64_t i = 0; i < MAIL_SLOTS / SENDERS; i++) {
		mail_send(&worker, keep, got, sender << 32 | i);
	}
	return NULL;
}

static void
test_many_senders(void **state)
{
	uint64_t next[SENDERS] = { 0 };
	pthread_t thread[SENDERS];
	uint32_t all = SENDERS * (MAIL_SLOTS / SENDERS);

	(void)state;
	begin();
	for (uintptr_t i = 0; i < SENDERS; i++) {
		assert_int_equal(pthread_create(&thread[i], NULL, send_many, (void *)i), 0);
	}
	while (got_count < all) {
		mail_run(&worker);
	}
	for (uint32_t i = 0; i < SENDERS; i++) {
		pthread_join(thread[i], NULL);
	}
	assert_false(mail_run(&worker));
	for (uint32_t i = 0; i < all; i++) {
		uint64_t sender = got[i] >> 32;

		assert_true(sender < SENDERS);
		assert_int_equal(got[i] & UINT32_MAX, next[sender]++);
	}
	mailbox_close(&worker.mailbox);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),        cmocka_unit_test(test_from_within),
		cmocka_unit_test(test_full),         cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_many_senders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
