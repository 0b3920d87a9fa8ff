/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Below the engine: batches that four threads take, write, hand to each other and give back, with
 * one holder or two; and mail that all of them send to all. Nothing is lost, nothing comes twice,
 * and what was written is what is read.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/batch.h"
#include "core/ring.h"
#include "core/worker.h"

#define THREADS 4u
#define ROUNDS 20000u
#define RING_SLOTS 31u /* of the ring from one thread to another */
#define LETTERS 100u   /* that each sends to each, at a time */

/* Frames: how many holders each has, and how often the last one let go. */
static uint32_t holders[1024], returned[1024];

static void
retain_frames(void *const *handles, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		__atomic_add_fetch(&holders[(uintptr_t)handles[i]], 1, __ATOMIC_RELAXED);
	}
}

static void
release_frames(void *const *handles, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uintptr_t frame = (uintptr_t)handles[i];

		if (__atomic_sub_fetch(&holders[frame], 1, __ATOMIC_ACQ_REL) == 0) {
			__atomic_add_fetch(&returned[frame], 1, __ATOMIC_RELAXED);
		}
	}
}

static const struct lm_external external = { .retain = retain_frames, .release = release_frames };

static struct lm_pool *pool;
static struct rte_ring *ring[THREADS][THREADS]; /* [from][to] */
static pthread_barrier_t barrier;

struct partner {
	uint32_t index;
	uint64_t random;
	uint64_t sent[THREADS], got[THREADS];
	uint64_t copied;
};

static uint64_t
next_random(struct partner *self)
{
	self->random ^= self->random << 13;
	self->random ^= self->random >> 7;
	self->random ^= self->random << 17;
	return self->random;
}

/* Row by row what its number and its sender give. */
static void
write_batch(struct lm_batch *batch, uint32_t from, uint64_t number)
{
	for (uint32_t row = 0; row < batch->schema->capacity; row++) {
		lm_batch_u64(batch, 0)[row] = number * 64 + row + ((uint64_t)from << 48);
		lm_batch_handles(batch)[row] = (void *)(uintptr_t)((number + row) % 1024);
	}
	retain_frames(lm_batch_handles(batch), batch->schema->capacity);
	batch->count = batch->schema->capacity;
	batch->external = &external;
}

static void
check_batch(const struct lm_batch *batch, uint32_t from, uint64_t number)
{
	assert_int_equal(batch->count, batch->schema->capacity);
	for (uint32_t row = 0; row < batch->count; row++) {
		assert_int_equal(lm_batch_u64(batch, 0)[row],
		                 number * 64 + row + ((uint64_t)from << 48));
	}
}

static void
send_one(struct partner *self)
{
	uint32_t to = (uint32_t)(next_random(self) % THREADS);
	struct rte_ring *way = ring[self->index][to];
	bool keeps = next_random(self) % 2 == 0;
	struct lm_batch *batch;

	if (self->sent[to] == ROUNDS || ring_count(way) >= RING_SLOTS) {
		return;
	}
	batch = batch_take(pool, self->index);
	write_batch(batch, self->index, self->sent[to]);
	if (keeps) {
		batch_retain(batch);
	}
	assert_int_equal(rte_ring_sp_enqueue(way, batch), 0);
	if (keeps) {
		/* Read by both, written by none. */
		check_batch(batch, self->index, self->sent[to]);
		batch_release(batch, self->index);
	}
	self->sent[to]++;
}

static void
take_one(struct partner *self, uint32_t from)
{
	static __thread uint16_t odd[64];
	struct lm_batch *batch, *copy;
	void *taken;

	if (rte_ring_sc_dequeue(ring[from][self->index], &taken) != 0) {
		return;
	}
	batch = taken;
	check_batch(batch, from, self->got[from]);
	if (self->got[from] % 7 == 0) {
		copy = batch_take(pool, self->index);
		for (uint16_t i = 0; i < batch->count / 2; i++) {
			odd[i] = (uint16_t)(2 * i + 1);
		}
		self->copied += batch_append(copy, batch, odd, 0, batch->count / 2);
		batch_release(copy, self->index);
	}
	batch_release(batch, self->index);
	self->got[from]++;
}

static bool
is_through(const struct partner *self)
{
	for (uint32_t i = 0; i < THREADS; i++) {
		if (self->sent[i] < ROUNDS || self->got[i] < ROUNDS) {
			return false;
		}
	}
	return true;
}

static void *
exchange(void *arg)
{
	struct partner *self = arg;

	pthread_barrier_wait(&barrier);
	while (!is_through(self)) {
		for (uint32_t i = 0; i < 8; i++) {
			send_one(self);
		}
		for (uint32_t from = 0; from < THREADS; from++) {
			take_one(self, from);
			take_one(self, from);
		}
		env_yield();
	}
	return NULL;
}

static void
run_threads(void *(*run)(void *arg), void *args, size_t size)
{
	pthread_t thread[THREADS];

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (uint32_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&thread[i], NULL, run, (char *)args + i * size), 0);
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
	}
	pthread_barrier_destroy(&barrier);
}

static void
test_exchange(void **state)
{
	static const struct lm_field fields[] = { { "number", LM_U64, 0 },
		                                  { "frame", LM_FRAME, 0 } };
	struct lm_schema schema;
	struct partner partner[THREADS];

	(void)state;
	assert_int_equal(lm_schema_init(&schema, fields, 2, 16), 0);
	/* The sum of what can hold a batch: rings, two hands each, stacks. */
	pool = pool_create(&schema, THREADS * THREADS * RING_SLOTS + THREADS * (3 + POOL_CACHE),
	                   THREADS, -1);
	memset(partner, 0, sizeof(partner));
	for (uint32_t i = 0; i < THREADS; i++) {
		partner[i].index = i;
		partner[i].random = i + 1;
		for (uint32_t to = 0; to < THREADS; to++) {
			ring[i][to] = ring_create(RING_SLOTS, sizeof(void *),
			                          RING_F_SP_ENQ | RING_F_SC_DEQ, -1);
		}
	}
	run_threads(exchange, partner, sizeof(partner[0]));
	assert_int_equal(pool_available(pool), pool->count);
	for (uint32_t i = 0; i < 1024; i++) {
		assert_int_equal(holders[i], 0);
		assert_true(returned[i] > 0);
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		assert_true(partner[i].copied > 0);
		for (uint32_t to = 0; to < THREADS; to++) {
			env_free(ring[i][to]);
		}
	}
	pool_free(pool);
}

/* Mail: everybody to everybody, in bursts that a mailbox is large enough for. */
static struct worker worker[THREADS];

struct reader {
	uint32_t index;
	uint64_t next[THREADS]; /* [sender] */
	uint64_t answers;
};
static struct reader reader[THREADS];
static uint32_t readers_done;

static void
answered(struct worker *self, void *arg, uint64_t value)
{
	(void)value;
	assert_ptr_equal(self, &worker[((struct reader *)arg)->index]);
	((struct reader *)arg)->answers++;
}

/* A letter from `value >> 32`, its number below; every hundredth is answered. */
static void
arrived(struct worker *self, void *arg, uint64_t value)
{
	struct reader *to = arg;
	uint32_t from = (uint32_t)(value >> 32);

	assert_ptr_equal(self, &worker[to->index]);
	assert_int_equal((uint32_t)value, to->next[from]);
	to->next[from]++;
	if (to->next[from] % LETTERS == 0) {
		mail_send(&worker[from], answered, &reader[from], 0);
	}
}

static void *
correspond(void *arg)
{
	struct reader *self = arg;
	uint64_t number = 0;

	pthread_barrier_wait(&barrier);
	for (uint32_t burst = 0; burst < 200; burst++) {
		for (uint32_t i = 0; i < LETTERS; i++, number++) {
			for (uint32_t to = 0; to < THREADS; to++) {
				mail_send(&worker[to], arrived, &reader[to],
				          (uint64_t)self->index << 32 | number);
			}
		}
		/* All have read this burst before the next is sent. */
		while (self->answers < (uint64_t)(burst + 1) * THREADS) {
			if (!mail_run(&worker[self->index])) {
				env_yield();
			}
		}
	}
	/* The others still wait for answers. */
	__atomic_add_fetch(&readers_done, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&readers_done, __ATOMIC_ACQUIRE) < THREADS) {
		mail_run(&worker[self->index]);
		env_yield();
	}
	mail_run(&worker[self->index]);
	return NULL;
}

static void
test_mail(void **state)
{
	(void)state;
	static_assert(LETTERS * THREADS + THREADS < MAIL_SLOTS / 2, "a mailbox holds two bursts");
	for (uint32_t i = 0; i < THREADS; i++) {
		reader[i].index = i;
		assert_int_equal(mailbox_open(&worker[i].mailbox, -1), 0);
	}
	run_threads(correspond, reader, sizeof(reader[0]));
	for (uint32_t i = 0; i < THREADS; i++) {
		for (uint32_t from = 0; from < THREADS; from++) {
			assert_int_equal(reader[i].next[from], 200 * LETTERS);
		}
		assert_int_equal(reader[i].answers, 200 * THREADS);
		mailbox_close(&worker[i].mailbox);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
