/* SPDX-License-Identifier: BSD-3-Clause */
/* The nodes of the simulated machine, behind core/env.h. */

#include "tests/sim/pages_sim.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/worker.h"
#include "tests/sim/sim.h"

struct block {
	uintptr_t first, end;
	const void *memory;
	int8_t node[]; /* [page] */
};

static struct {
	void *blocks;       /* by where they are */
	struct block *last; /* that a page was found in */
	unsigned int nodes;
	uint64_t busy_one_in; /* 0: none is */
	uint64_t full_left;   /* pages that find no room */
	bool shares;          /* blocks count as if they shared their pages */
} machine;

/* What has bytes in common counts as the same. */
static int
compare(const void *a, const void *b)
{
	const struct block *one = a, *other = b;

	return one->end <= other->first ? -1 : one->first >= other->end;
}

/* NULL: there is none. */
static struct block *
block_of(uintptr_t address)
{
	struct block at = { .first = address, .end = address + 1 };
	struct block **found;

	if (machine.last == NULL || compare(&at, machine.last) != 0) {
		found = tfind(&at, &machine.blocks, compare);
		machine.last = found == NULL ? NULL : *found;
	}
	return machine.last;
}

void
sim_set_nodes(unsigned int nodes)
{
	machine.nodes = nodes;
	machine.busy_one_in = nodes > 1 && sim_below(2) == 0 ? 2 + sim_below(20) : 0;
	machine.full_left = nodes > 1 && sim_below(4) == 0 ? sim_below(300) : 0;
	machine.shares = nodes > 1 && sim_below(4) == 0;
}

unsigned int
sim_nodes(void)
{
	return machine.nodes;
}

void
pages_sim_ease(void)
{
	machine.busy_one_in = 0;
	machine.full_left = 0;
}

void
pages_sim_add(void *base, size_t size, void *memory, int node)
{
	size_t pages = size / SIM_PAGE;
	struct block *block = malloc(sizeof(*block) + pages);

	assert(block != NULL);
	*block = (struct block){ .first = (uintptr_t)base,
		                 .end = (uintptr_t)base + size,
		                 .memory = memory };
	memset(block->node, node < 0 ? 0 : node, pages);
	if (tsearch(block, &machine.blocks, compare) == NULL) {
		abort();
	}
}

void
pages_sim_remove(const void *memory)
{
	struct block *block = block_of((uintptr_t)memory);

	if (block != NULL) {
		tdelete(block, &machine.blocks, compare);
		machine.last = NULL;
		free(block);
	}
}

/* Memory that is not there any more is nobody's business. */
static int8_t *
node_of(uintptr_t page)
{
	struct block *block = block_of(page);

	assert(page % SIM_PAGE == 0);
	assert(block != NULL);
	return &block->node[(page - block->first) / SIM_PAGE];
}

void
env_pages_of(void *memory, struct env_pages *pages)
{
	const struct block *block = block_of((uintptr_t)memory);

	*pages = (struct env_pages){ .page = SIM_PAGE };
	assert(block != NULL);
	assert(block->memory == memory);
	if (!machine.shares) {
		pages->first = block->first;
		pages->end = block->end;
	}
}

int
env_pages_follow(const struct env_pages *pages)
{
	const struct block *block = block_of(pages->first);

	assert(block != NULL);
	assert(block->first == pages->first && block->end == pages->end);
	return 0;
}

/* Why a page does not move; 0: it does. */
static int
refuse(void)
{
	if (machine.full_left > 0) {
		machine.full_left--;
		return -ENOMEM;
	}
	return machine.busy_one_in > 0 && sim_below(machine.busy_one_in) == 0 ? -EBUSY : 0;
}

int
env_pages_move(const uintptr_t *page, uint32_t count, int node, int *where)
{
	int first = 0;

	assert(count <= ENV_PAGES_MAX);
	for (uint32_t i = 0; i < count; i++) {
		int8_t *now = node_of(page[i]);
		int result = node < 0 || *now == node ? 0 : refuse();

		first = first == 0 ? result : first;
		*now = (int8_t)(node < 0 || result != 0 ? *now : node);
		where[i] = *now;
	}
	return first;
}

struct wanted {
	int node;
	uint64_t pages, away;
};

static void
check_stretch(void *arg, void *block, uintptr_t first, size_t size)
{
	struct wanted *wanted = arg;
	uintptr_t from = (first + SIM_PAGE - 1) & ~(uintptr_t)(SIM_PAGE - 1);

	(void)block;
	for (uintptr_t page = from; page < first + size; page += SIM_PAGE) {
		wanted->pages++;
		wanted->away += *node_of(page) != wanted->node;
	}
}

bool
pages_sim_check(struct lm_engine *engine)
{
	bool good = true;

	for (uint32_t i = 0; i < engine->slice_count; i++) {
		const struct lm_op *slice = engine->slice[i];
		struct wanted wanted = { .node = slice_worker(slice)->numa_node };

		if (slice->state.space == NULL) {
			continue;
		}
		slice->state.ops->stretches(slice->state.space, check_stretch, &wanted);
		if (wanted.away > 0) {
			fprintf(stderr,
			        "%s/%u is on node %d, %" PRIu64 " of its %" PRIu64
			        " pages are not\n",
			        slice->name, slice->index, wanted.node, wanted.away, wanted.pages);
			good = false;
		}
	}
	return good;
}
