/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BATCH_H
#define BATCH_H

/*
 * Pools of batches, references, copying rows from batch to batch.
 *
 * A pool holds batches of one schema on one NUMA node, all taken before start. Every worker has a
 * small stack of its own in it, so that the batch handed out next is the one freed last, still
 * warm; what a stack has too many or too few of moves through a shared ring, half a stack at a
 * time. A pool is sized as the sum of everything that can hold a batch (core/layout.c), stacks
 * included: it cannot run dry.
 *
 * Threads: `worker` is the caller's own index; batches may be freed on any worker.
 */

#include "core/limits.h"

struct rte_ring;

struct pool_stack {
	struct lm_batch *batch[POOL_CACHE];
	uint32_t count;
} __attribute__((aligned(64)));

struct lm_pool {
	const struct lm_schema *schema;
	uint32_t count; /* batches */
	uint32_t workers;
	int numa_node;
	uint32_t row_bytes;    /* of a row's values, without strings */
	uint32_t strings;      /* bit i: field i is strings or bytes */
	struct rte_ring *ring; /* what no stack holds */
	void *memory;
	struct pool_stack stack[]; /* [worker] */
};

/* Bytes that a pool of `count` batches takes. */
size_t pool_size(const struct lm_schema *schema, uint32_t count, uint32_t workers);
/* NULL when there is no memory. */
struct lm_pool *pool_create(const struct lm_schema *schema, uint32_t count, uint32_t workers,
                            int numa_node);
void pool_free(struct lm_pool *pool); /* NULL is fine */
/* Batches that are in the pool now; exact only while nothing runs. */
uint32_t pool_available(const struct lm_pool *pool);
/*
 * Whether a batch that somebody holds has frames of an owner for whom is_it says so. Any thread,
 * while others take and release: exact for owners whose frames come no more.
 */
bool pool_has_external(const struct lm_pool *pool,
                       bool (*is_it)(const struct lm_external *external, const void *arg),
                       const void *arg);

/* An empty batch with one reference. */
struct lm_batch *batch_take(struct lm_pool *pool, uint32_t worker);
/* Gives up one reference; the last one returns frames to their owner and the batch to its pool. */
void batch_release(struct lm_batch *batch, uint32_t worker);

/* One more holder. */
static inline void
batch_retain(struct lm_batch *batch)
{
	__atomic_add_fetch(&batch->references, 1, __ATOMIC_RELAXED);
}

/* Whether the caller is the only holder. */
static inline bool
batch_is_own(const struct lm_batch *batch)
{
	return __atomic_load_n(&batch->references, __ATOMIC_ACQUIRE) == 1;
}

/* Bytes of the values that its rows have, strings included; frames count as what stands in for
 * them. */
static inline uint64_t
batch_bytes(const struct lm_batch *batch)
{
	uint64_t bytes = (uint64_t)batch->pool->row_bytes * batch->count;

	for (uint32_t left = batch->pool->strings; left != 0; left &= left - 1) {
		const uint32_t *offset = lm_batch_offsets(batch, (uint32_t)__builtin_ctz(left));

		bytes += offset[batch->count] - offset[0];
	}
	return bytes;
}

/* Equal for equal rows. Test builds only: it reads all of them. */
uint64_t batch_digest(const struct lm_batch *batch);

/*
 * Appends rows of `from` (those in `rows`, or `count` rows from `first` when rows is NULL) to `to`,
 * of an equal schema, hashes included. Returns how many fitted: `to` may run out of rows or of
 * string bytes.
 */
uint32_t batch_append(struct lm_batch *to, const struct lm_batch *from, const uint16_t *rows,
                      uint32_t first, uint32_t count);

#endif
