/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools of batches: taking, releasing, recycling. Copying rows is in core/gather.c. */

#include "core/batch.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "core/canary.h"
#include "core/env.h"
#include "core/ring.h"

static size_t
batch_stride(const struct lm_schema *schema)
{
	/* One line more than a multiple of 4 KiB, so that equal columns of batches do not share
	 * cache sets. */
	return ((schema->size + 4095u) & ~4095ul) + 64u;
}

size_t
pool_size(const struct lm_schema *schema, uint32_t count, uint32_t workers)
{
	return sizeof(struct lm_pool) + workers * sizeof(struct pool_stack) +
	       ring_size(count, sizeof(void *)) + count * batch_stride(schema);
}

struct lm_pool *
pool_create(const struct lm_schema *schema, uint32_t count, uint32_t workers, int numa_node)
{
	struct lm_pool *pool =
	    env_alloc(sizeof(*pool) + workers * sizeof(struct pool_stack), 64, numa_node);
	size_t stride = batch_stride(schema);

	if (pool == NULL) {
		return NULL;
	}
	pool->schema = schema;
	pool->count = count;
	pool->workers = workers;
	pool->numa_node = numa_node;
	for (uint32_t i = 0; i < schema->field_count; i++) {
		uint32_t width = lm_type_width(schema->field[i].type);

		pool->row_bytes += width;
		pool->strings |= width == 0 ? UINT32_C(1) << i : 0;
	}
	/* Relaxed tails: a worker that lost its CPU inside the ring does not hold up the others. */
	pool->ring =
	    ring_create(count, sizeof(void *), RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ, numa_node);
	pool->memory = env_alloc(count * stride, 64, numa_node);
	if (pool->ring == NULL || pool->memory == NULL) {
		pool_free(pool);
		return NULL;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct lm_batch *batch = (struct lm_batch *)((char *)pool->memory + i * stride);

		batch->schema = schema;
		batch->pool = pool;
		rte_ring_enqueue(pool->ring, batch);
	}
	return pool;
}

bool
pool_has_external(const struct lm_pool *pool,
                  bool (*is_it)(const struct lm_external *external, const void *arg),
                  const void *arg)
{
	size_t stride = batch_stride(pool->schema);
	bool has_frames = false;

	for (uint32_t i = 0; i < pool->schema->field_count; i++) {
		has_frames |= pool->schema->field[i].type == LM_FRAME;
	}
	for (uint32_t i = 0; has_frames && i < pool->count; i++) {
		const struct lm_batch *batch =
		    (const struct lm_batch *)((const char *)pool->memory + i * stride);
		const struct lm_external *external;

		if (__atomic_load_n(&batch->references, __ATOMIC_ACQUIRE) == 0) {
			continue;
		}
		external = __atomic_load_n(&batch->external, __ATOMIC_RELAXED);
		if (external != NULL && is_it(external, arg)) {
			return true;
		}
	}
	return false;
}

void
pool_free(struct lm_pool *pool)
{
	if (pool == NULL) {
		return;
	}
	env_free(pool->memory);
	env_free(pool->ring);
	env_free(pool);
}

uint32_t
pool_available(const struct lm_pool *pool)
{
	uint32_t count = ring_count(pool->ring);

	for (uint32_t i = 0; i < pool->workers; i++) {
		count += pool->stack[i].count;
	}
	return count;
}

struct lm_batch *
batch_take(struct lm_pool *pool, uint32_t worker)
{
	struct pool_stack *stack = &pool->stack[worker];
	struct lm_batch *batch;

	assert(worker < pool->workers);
	if (stack->count == 0) {
		stack->count =
		    rte_ring_dequeue_burst(pool->ring, (void **)stack->batch, POOL_CACHE / 2, NULL);
		/* Sized as the sum of all holders: running dry is a bug, not a load. */
		assert(stack->count > 0);
	}
	batch = stack->batch[--stack->count];
	batch->count = 0;
	batch->hash_key = 0;
	batch->ingress_ns = INT64_MAX;
	batch->epoch = 0;
	batch->external = NULL;
	__atomic_store_n(&batch->references, 1, __ATOMIC_RELAXED);
	return batch;
}

void
batch_release(struct lm_batch *batch, uint32_t worker)
{
	struct lm_pool *pool = batch->pool;
	struct pool_stack *stack = &pool->stack[worker];

	assert(worker < pool->workers);
	assert(__atomic_load_n(&batch->references, __ATOMIC_RELAXED) > 0);
	if (!batch_is_own(batch) &&
	    __atomic_sub_fetch(&batch->references, 1, __ATOMIC_ACQ_REL) != 0) {
		return;
	}
	PREEMPT_SELDOM();
	/* Nobody's now, so that giving it back twice is noticed. */
	__atomic_store_n(&batch->references, 0, __ATOMIC_RELAXED);
	if (batch->external != NULL && batch->count > 0) {
		batch->external->release(lm_batch_handles(batch), batch->count);
	}
	if (stack->count == POOL_CACHE) {
		/* The coldest half goes; the warm half stays. */
		rte_ring_enqueue_bulk(pool->ring, (void **)stack->batch, POOL_CACHE / 2, NULL);
		stack->count = POOL_CACHE / 2;
		for (uint32_t i = 0; i < POOL_CACHE / 2; i++) {
			stack->batch[i] = stack->batch[i + POOL_CACHE / 2];
		}
	}
	if (CANARY(CANARY_LEAK_BATCH) && batch->sequence % 97 == 96) {
		return;
	}
	stack->batch[stack->count++] = batch;
}
