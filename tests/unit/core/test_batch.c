/* SPDX-License-Identifier: BSD-3-Clause */
/* core/batch.c: what a pool hands out and takes back, whoever holds it, and that nothing is lost.
 */
#include "core/batch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ring.h"
#include "tests/sim/sim.h"
#include "tests/unit/core/batch_rig.h"
#include "tests/unit/core/engine_rig.h"

#define BATCHES 100u
#define WORKERS 3u

static struct lm_schema schema;

static struct lm_pool *
make_pool(uint32_t batches, uint32_t workers)
{
	struct lm_pool *pool;

	batch_rig_seed(1);
	batch_rig_column(&schema, LM_U64, 16);
	pool = pool_create(&schema, batches, workers, -1);
	assert_non_null(pool);
	return pool;
}

static void
test_last_in_first_out(void **state)
{
	struct lm_pool *pool = make_pool(BATCHES, WORKERS);
	struct lm_batch *a = batch_take(pool, 1), *b = batch_take(pool, 1);

	(void)state;
	assert_ptr_not_equal(a, b);
	batch_release(a, 1);
	assert_ptr_equal(batch_take(pool, 1), a);
	batch_release(b, 1);
	batch_release(a, 1);
	assert_ptr_equal(batch_take(pool, 1), a);
	assert_ptr_equal(batch_take(pool, 1), b);
	/* Freed on another worker it is that worker's next. */
	batch_release(a, 2);
	assert_ptr_equal(batch_take(pool, 2), a);
	batch_release(a, 2);
	batch_release(b, 1);
	assert_int_equal(pool_available(pool), BATCHES);
	pool_free(pool);
}

static void
test_fresh(void **state)
{
	struct lm_pool *pool = make_pool(BATCHES, WORKERS);
	struct lm_batch *batch = batch_take(pool, 0);

	(void)state;
	batch->count = 5;
	batch->hash_key = 7;
	batch->ingress_ns = 3;
	batch->epoch = 2;
	batch_release(batch, 0);
	assert_ptr_equal(batch_take(pool, 0), batch);
	assert_int_equal(batch->count, 0);
	assert_int_equal(batch->hash_key, 0);
	assert_int_equal(batch->ingress_ns, INT64_MAX);
	assert_int_equal(batch->epoch, 0);
	assert_null(batch->external);
	assert_true(batch_is_own(batch));
	assert_ptr_equal(batch->schema, &schema);
	assert_ptr_equal(batch->pool, pool);
	batch_release(batch, 0);
	pool_free(pool);
}

/* Values and the bytes of strings, of the rows that are there. */
static void
test_bytes(void **state)
{
	const struct lm_field fields[] = { { "text", LM_STRING, 0 },
		                           { "number", LM_U32, 0 },
		                           { "flag", LM_BOOL, 0 },
		                           { "more", LM_BYTES, 0 } };
	struct lm_schema strings;
	struct lm_batch *batch;
	struct lm_pool *pool;

	(void)state;
	assert_int_equal(lm_schema_init(&strings, fields, 4, 16), 0);
	pool = pool_create(&strings, 2, 1, -1);
	assert_non_null(pool);
	batch = batch_take(pool, 0);
	assert_int_equal(batch_bytes(batch), 0);
	for (uint32_t row = 0; row < 3; row++) {
		assert_true(lm_batch_put_string(batch, 0, row, "abcdefgh", row));
		assert_true(lm_batch_put_string(batch, 3, row, "abcdefgh", 8));
	}
	batch->count = 3;
	assert_int_equal(batch_bytes(batch), 3 * (4 + 1) + (0 + 1 + 2) + 3 * 8);
	batch->count = 2;
	assert_int_equal(batch_bytes(batch), 2 * (4 + 1) + (0 + 1) + 2 * 8);
	batch_release(batch, 0);
	pool_free(pool);
}

/* All batches at once: each its own memory, all of it writable. */
static void
test_apart(void **state)
{
	struct lm_pool *pool = make_pool(BATCHES, WORKERS);
	struct lm_batch *batch[BATCHES];

	(void)state;
	for (uint32_t i = 0; i < BATCHES; i++) {
		batch[i] = batch_take(pool, 0);
		memset(lm_batch_hashes(batch[i]), (int)i, schema.size - sizeof(struct lm_batch));
	}
	assert_int_equal(pool_available(pool), 0);
	for (uint32_t i = 0; i < BATCHES; i++) {
		const unsigned char *bytes = (const unsigned char *)lm_batch_hashes(batch[i]);

		for (uint32_t k = 0; k < schema.size - sizeof(struct lm_batch); k++) {
			assert_int_equal(bytes[k], i);
		}
		assert_int_equal((uintptr_t)batch[i] % 64, 0);
	}
	for (uint32_t i = 0; i < BATCHES; i++) {
		batch_release(batch[i], 0);
		assert_true(pool->stack[0].count <= POOL_CACHE);
		assert_int_equal(pool_available(pool), i + 1);
	}
	pool_free(pool);
}

/* Other workers keep at most a stack each; what is beyond is there for anyone. */
static void
test_worst_case(void **state)
{
	struct lm_pool *pool = make_pool(BATCHES, WORKERS);
	struct lm_batch *batch[BATCHES];
	uint32_t most = BATCHES - (WORKERS - 1) * POOL_CACHE;

	(void)state;
	for (uint32_t i = 0; i < BATCHES; i++) {
		batch[i] = batch_take(pool, 0);
	}
	for (uint32_t i = 0; i < BATCHES; i++) {
		batch_release(batch[i], 1 + i % 2);
	}
	for (uint32_t i = 0; i < most; i++) {
		batch[i] = batch_take(pool, 0);
	}
	for (uint32_t i = 0; i < most; i++) {
		batch_release(batch[i], 0);
	}
	assert_int_equal(pool_available(pool), BATCHES);
	pool_free(pool);
}

static void
take_one_too_many(void *arg)
{
	struct lm_pool *pool = arg;

	for (uint32_t i = 0; i <= pool->count; i++) {
		batch_take(pool, 0);
	}
}

static void
release_twice(void *arg)
{
	struct lm_batch *batch = batch_take(arg, 0);

	batch_retain(batch);
	batch_release(batch, 0);
	batch_release(batch, 0);
	batch_release(batch, 0);
	batch_release(batch, 0);
}

static void
test_bugs_are_caught(void **state)
{
	struct lm_pool *pool = make_pool(4, 1);

	(void)state;
	assert_true(rig_aborts(take_one_too_many, pool));
	assert_true(rig_aborts(release_twice, pool));
	pool_free(pool);
}

static void
test_size(void **state)
{
	size_t before = sim_memory(), taken;
	struct lm_pool *pool = make_pool(BATCHES, WORKERS);

	(void)state;
	taken = sim_memory() - before;
	/* `plan` prints it before anything runs: it must be what is taken. */
	assert_int_equal(pool_size(&schema, BATCHES, WORKERS), taken);
	pool_free(pool);
	assert_int_equal(sim_memory(), before);
	pool_free(NULL);
}

static void
test_no_memory(void **state)
{
	size_t before = sim_memory();

	(void)state;
	batch_rig_column(&schema, LM_U64, 16);
	for (uint64_t left = 0; left < 3; left++) {
		sim_fail_after(left, UINT64_MAX);
		assert_null(pool_create(&schema, BATCHES, WORKERS, -1));
		assert_int_equal(sim_memory(), before);
	}
	sim_fail_after(UINT64_MAX, UINT64_MAX);
}

static void
expect_holders(uint32_t from, uint32_t to, int32_t holders)
{
	for (uint32_t i = from; i <= to; i++) {
		assert_int_equal(batch_rig_holders[i], holders);
	}
}

static void
test_frames(void **state)
{
	struct lm_pool *pool;
	struct lm_batch *batch;

	(void)state;
	batch_rig_seed(1);
	batch_rig_column(&schema, LM_FRAME, 16);
	pool = pool_create(&schema, 4, 1, -1);
	batch = batch_take(pool, 0);
	batch_rig_fill(batch, 10);
	expect_holders(1, 10, 1);
	batch_retain(batch);
	batch_release(batch, 0);
	expect_holders(1, 10, 1);
	batch_release(batch, 0);
	expect_holders(1, 10, 0);
	/* What the next owner of the batch holds is nobody's frames. */
	batch = batch_take(pool, 0);
	batch->count = 10;
	batch_release(batch, 0);
	expect_holders(1, 10, 0);
	/* No rows, no frames. */
	batch = batch_take(pool, 0);
	batch->external = &batch_rig_external;
	batch_release(batch, 0);
	expect_holders(1, 10, 0);
	assert_int_equal(pool_available(pool), 4);
	pool_free(pool);
}

/* Two threads that hand each other batches, each with a reference of its own. */
struct partner {
	struct lm_pool *pool;
	struct rte_ring *in, *out;
	uint32_t worker;
	uint32_t rounds;
};

static void
release_what_came(struct partner *self, uint32_t *got)
{
	void *batch;

	while (rte_ring_dequeue(self->in, &batch) == 0) {
		batch_release(batch, self->worker);
		(*got)++;
	}
}

static void *
exchange(void *arg)
{
	struct partner *self = arg;
	uint32_t sent = 0, got = 0;

	while (sent < self->rounds || got < self->rounds) {
		if (sent < self->rounds && rte_ring_free_count(self->out) > 0) {
			struct lm_batch *batch = batch_take(self->pool, self->worker);

			lm_batch_handles(batch)[0] = (void *)(uintptr_t)(1 + sent % 100);
			__atomic_add_fetch(&batch_rig_holders[1 + sent % 100], 1, __ATOMIC_RELAXED);
			batch->external = &batch_rig_external;
			batch->count = 1;
			batch_retain(batch);
			rte_ring_enqueue(self->out, batch);
			batch_release(batch, self->worker);
			sent++;
		}
		release_what_came(self, &got);
	}
	return NULL;
}

static void
test_two_threads(void **state)
{
	struct lm_pool *pool;
	struct rte_ring *there = ring_create(15, sizeof(void *), RING_F_SP_ENQ | RING_F_SC_DEQ, -1);
	struct rte_ring *back = ring_create(15, sizeof(void *), RING_F_SP_ENQ | RING_F_SC_DEQ, -1);
	struct partner a, b;
	pthread_t thread;

	(void)state;
	batch_rig_seed(1);
	batch_rig_column(&schema, LM_FRAME, 4);
	/* Two rings of 15 at most (rounded up), a stack each, one in each hand. */
	pool = pool_create(&schema, 2 * 31 + 2 * POOL_CACHE + 2, 2, -1);
	a = (struct partner){
		.pool = pool, .in = back, .out = there, .worker = 0, .rounds = 20000
	};
	b = (struct partner){
		.pool = pool, .in = there, .out = back, .worker = 1, .rounds = 20000
	};
	assert_int_equal(pthread_create(&thread, NULL, exchange, &a), 0);
	exchange(&b);
	pthread_join(thread, NULL);
	assert_int_equal(pool_available(pool), pool->count);
	expect_holders(1, 100, 0);
	pool_free(pool);
	env_free(there);
	env_free(back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_in_first_out),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_apart),
		cmocka_unit_test(test_worst_case),
		cmocka_unit_test(test_bugs_are_caught),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
