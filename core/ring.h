/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RING_H
#define RING_H

/* rte_rings over the engine's own memory, so that they also exist without EAL (the simulator). */

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "core/env.h"

/* Bytes of a ring that holds at least `count` elements. */
static inline size_t
ring_size(uint32_t count, uint32_t element_size)
{
	ssize_t size = rte_ring_get_memsize_elem(element_size, rte_align32pow2(count + 1));

	return size < 0 ? 0 : (size_t)size;
}

/* Freed by env_free. NULL when there is no memory. */
static inline struct rte_ring *
ring_create(uint32_t count, uint32_t element_size, unsigned int flags, int numa_node)
{
	struct rte_ring *ring = env_alloc(ring_size(count, element_size), 128, numa_node);

	if (ring != NULL &&
	    rte_ring_init(ring, "lodemill", rte_align32pow2(count + 1), flags) != 0) {
		env_free(ring);
		ring = NULL;
	}
	return ring;
}

/*
 * Elements in the ring: for who alone adds at most these, for who alone takes at least these. As
 * DPDK's own count, but read in a way that others may write meanwhile.
 */
static inline uint32_t
ring_count(const struct rte_ring *ring)
{
	uint32_t put = __atomic_load_n(&ring->prod.tail, __ATOMIC_RELAXED);
	uint32_t taken = __atomic_load_n(&ring->cons.tail, __ATOMIC_RELAXED);
	uint32_t count = (put - taken) & ring->mask;

	return count > ring->capacity ? ring->capacity : count;
}

/*
 * The element that the next dequeue gives, or NULL: for the only consumer of a ring of the
 * single-producer, single-consumer kind.
 */
static inline const void *
ring_peek(const struct rte_ring *ring, uint32_t element_size)
{
	uint32_t put = __atomic_load_n(&ring->prod.tail, __ATOMIC_ACQUIRE);
	uint32_t taken = ring->cons.head;

	return put == taken
	           ? NULL
	           : (const char *)(ring + 1) + (size_t)(taken & ring->mask) * element_size;
}

#endif
