/* SPDX-License-Identifier: BSD-3-Clause */
/* core/env.h on Linux: pages that move from NUMA node to NUMA node. */

#define _GNU_SOURCE
#include "core/env.h"

#include <assert.h>
#include <errno.h>
#include <numaif.h>

/* Runs of a call that moved nothing at all, behind which the rest is left for later. */
#define FRUITLESS_MAX 2u
/* A run and what ends it. */
#define RUN (ENV_PAGES_HELD + 1)
#define WORDS_MAX (ENV_PAGES_MAX / ENV_PAGES_HELD * RUN)

#ifndef MPOL_LOCAL
#define MPOL_LOCAL 4
#endif

int
env_pages_follow(const struct env_pages *pages)
{
	assert(pages->first % pages->page == 0);
	return mbind((void *)pages->first, pages->end - pages->first, MPOL_LOCAL, NULL, 0, 0) == 0
	           ? 0
	           : -errno;
}

/* Where they are. */
static int
look(const uintptr_t *page, uint32_t count, int *where)
{
	void *address[ENV_PAGES_MAX];

	for (uint32_t i = 0; i < count; i++) {
		address[i] = (void *)page[i];
		where[i] = -EFAULT;
	}
	return move_pages(0, count, address, NULL, where, 0) < 0 ? -errno : 0;
}

/*
 * One call for many pages, since each one makes every CPU of the machine look at its lists of
 * pages. But the kernel first takes all pages away that it is told in a row, then copies them, and
 * only then gives the first of them back (6.3 and later). An address that there is not ends a row.
 */
static int
move_rows(const uintptr_t *page, uint32_t count, int node, int *where)
{
	void *address[WORDS_MAX];
	int nodes[WORDS_MAX], status[WORDS_MAX];
	uint32_t words = 0;
	long result;
	int looked;

	for (uint32_t i = 0; i < count; i++) {
		if (i > 0 && i % ENV_PAGES_HELD == 0) {
			address[words] = NULL;
			nodes[words++] = node;
		}
		address[words] = (void *)page[i];
		nodes[words++] = node;
	}
	for (uint32_t i = 0; i < words; i++) {
		status[i] = -EFAULT;
	}
	result = move_pages(0, words, address, nodes, status, MPOL_MF_MOVE);
	/* What it cannot move ends the call, with or without a reason. */
	result = result < 0 ? -errno : result > 0 ? -EBUSY : 0;
	for (uint32_t i = 0, at = 0; i < count && result == -EBUSY; i++, at++) {
		at += i > 0 && i % ENV_PAGES_HELD == 0;
		result = status[at] == -ENOMEM || status[at] == -EACCES ? status[at] : result;
	}
	looked = look(page, count, where);
	return looked < 0 ? looked : (int)result;
}

static bool
is_away(int where, int node)
{
	return where >= 0 && where != node;
}

int
env_pages_move(const uintptr_t *page, uint32_t count, int node, int *where)
{
	uint32_t from = 0, fruitless = 0;
	int first = 0;

	assert(count <= ENV_PAGES_MAX);
	if (node < 0) {
		return look(page, count, where);
	}
	while (from < count && fruitless < FRUITLESS_MAX) {
		int result = move_rows(&page[from], count - from, node, &where[from]);
		uint32_t stuck = from;

		while (stuck < count && !is_away(where[stuck], node)) {
			stuck++;
		}
		if (stuck == count) {
			break;
		}
		first = first == 0 ? (result == 0 ? -EBUSY : result) : first;
		fruitless = stuck == from ? fruitless + 1 : 0;
		/* The rest of its row is left for later. */
		from += (stuck - from) / ENV_PAGES_HELD * ENV_PAGES_HELD + ENV_PAGES_HELD;
	}
	/* What the last call was not told of. */
	if (from < count && fruitless == FRUITLESS_MAX) {
		(void)look(&page[from], count - from, &where[from]);
	}
	return first;
}
