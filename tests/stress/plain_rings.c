/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Under the thread sanitizer all rings are of the plain kind. Relaxed-tail rings write both halves
 * of a tail at once and read one half; the sanitizer takes these for two variables, misses the
 * hand-over, and calls everything that went through such a ring a race. Linked by
 * -Wl,--wrap=rte_ring_init.
 */
#include <rte_ring.h>

int __wrap_rte_ring_init(struct rte_ring *ring, const char *name, unsigned int count,
                         unsigned int flags);
int __real_rte_ring_init(struct rte_ring *ring, const char *name, unsigned int count,
                         unsigned int flags);

int
__wrap_rte_ring_init(struct rte_ring *ring, const char *name, unsigned int count,
                     unsigned int flags)
{
	const unsigned int relaxed = RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ;

	return __real_rte_ring_init(ring, name, count, flags & ~relaxed);
}
