/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory follows slices from NUMA node to NUMA node. */

#include "core/pages.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/canary.h"
#include "core/env.h"

/* How long it sleeps where it is ahead of its pace; between two looks at what could not be moved,
 * at first and at last; how long it sleeps at a time then. */
#define LOOK_NS 1000000u
#define RETRY_NS INT64_C(100000000)
#define RETRY_MAX_NS INT64_C(60000000000)
#define WAIT_NS 20000000u
#define PARK_NS UINT64_C(1000000000)
/* Passes that leave something behind before people are told. */
#define TELL_PASSES 6u
/* Pages that are as large as these are moved one at a time. */
#define LARGE_PAGE ((size_t)64 << 10)

/* ---- what is to be moved ---- */

/* A stretch of a slice's memory: the pages that begin in it go to `node`. */
struct stretch {
	uintptr_t first, end;
	struct env_pages pages; /* of the block that it is in */
	int node;
};

struct list {
	struct stretch *stretch;
	uint32_t count, max;
	uint64_t bytes;
	int node; /* of what is added */
	bool failed;
};

enum hold { HOLD_NONE, HOLD_ASKED, HOLD_HELD };

struct pages {
	struct env_thread *thread; /* NULL: nothing had to be moved so far */
	/* Control's. */
	uint64_t generation; /* of the graph that the list is of */
	bool is_stale;       /* the list is not what is to be moved */
	/* Of whoever `hold` says: HELD: control, else the thread. */
	struct list list;
	uint32_t at;      /* stretch that is looked at */
	uintptr_t next;   /* page of it; 0: its first */
	uint64_t far;     /* bytes of this pass that are elsewhere and stay there */
	int why;          /* they do; published with them, when the pass is over */
	bool is_followed; /* new pages of these blocks come from where they should */
	bool is_through;  /* nothing is left to do */
	bool may_retry;
	uint32_t passes; /* that left something behind */
	int64_t retry_ns, began_ns;
	uint64_t paced;  /* bytes moved since began_ns */
	int64_t list_ns; /* when the list was made */
	uint64_t list_moved;
	uint32_t told; /* reasons: a bit for each */

	uint32_t hold;  /* enum hold: by control, HELD by the thread */
	uint32_t order; /* grows with everything that control says; what the thread parks on */
	bool stopping;  /* by control */
	struct engine_pages now; /* read by others; written by whoever has the list */
};

static void
put(uint64_t *to, uint64_t value)
{
	__atomic_store_n(to, value, __ATOMIC_RELAXED);
}

/* ---- why something stays ---- */

enum why { WHY_FULL, WHY_BUSY, WHY_DENIED, WHY_ADDRESSES, WHY_LARGE, WHY_SHARED };

static enum why
why_of(int result)
{
	switch (result) {
	case -ENOMEM:
		return WHY_FULL;
	case -ENOTSUP:
		return WHY_ADDRESSES;
	case -E2BIG:
		return WHY_LARGE;
	case -EDOM:
		return WHY_SHARED;
	case -EPERM:
	case -ENOSYS:
		return WHY_DENIED;
	default:
		return WHY_BUSY;
	}
}

const char *
engine_pages_why(int result)
{
	static const char *const text[] = {
		[WHY_FULL] = "that node has no free pages of their size: free some there "
			     "(lodemill doctor shows how many each node has)",
		[WHY_BUSY] = "something holds them, such as a device of vfio-pci that may use all "
			     "of EAL's memory: pin slices with much state to lcores of one node",
		[WHY_DENIED] = "this process may move no pages: in a container allow move_pages "
			       "and mbind (docker: --cap-add SYS_NICE)",
		[WHY_ADDRESSES] = "EAL works with physical addresses: start with --iova-mode=va",
		[WHY_LARGE] = "hugepages of 1 GiB are not moved: use those of 2 MiB",
		[WHY_SHARED] = "they share pages with memory of others",
	};

	return result == 0 ? "" : text[why_of(result)];
}

/* Of this pass. Of several reasons one is told that something can be done about. */
static void
leave(struct pages *pages, uint64_t bytes, int result)
{
	bool is_first = pages->far == 0;

	pages->far += bytes;
	pages->may_retry |= why_of(result) == WHY_FULL || why_of(result) == WHY_BUSY;
	if (is_first || why_of(result) != WHY_SHARED) {
		pages->why = result;
	}
}

/* ---- the thread ---- */

/* The pages of a stretch: those that begin in it. */
static uintptr_t
first_page(const struct stretch *stretch)
{
	return (stretch->first + stretch->pages.page - 1) & ~(stretch->pages.page - 1);
}

/* What of the stretch stands in a page that begins in front of it. */
static void
look_at_shared(struct pages *pages, const struct stretch *stretch)
{
	uintptr_t page = first_page(stretch);
	uintptr_t end = page < stretch->end ? page : stretch->end;
	int where;

	if (page == stretch->first) {
		return;
	}
	page -= stretch->pages.page;
	(void)env_pages_move(&page, 1, -1, &where);
	if (where >= 0 && where != stretch->node) {
		leave(pages, end - stretch->first, -EDOM);
	}
}

static uint32_t
away(const int *where, uint32_t count, int node)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < count; i++) {
		found += where[i] >= 0 && where[i] != node;
	}
	return found;
}

static void
move_some(struct pages *pages, const struct stretch *stretch, const uintptr_t *page, uint32_t count)
{
	uint64_t size = stretch->pages.page;
	int where[ENV_PAGES_MAX], result;
	uint32_t before, left;

	result = env_pages_move(page, count, -1, where);
	if (result != 0) {
		leave(pages, count * size, result);
		return;
	}
	before = away(where, count, stretch->node);
	if (before == 0) {
		return;
	}
	if (stretch->pages.fixed != 0) {
		leave(pages, before * size, stretch->pages.fixed);
		return;
	}
	PREEMPT();
	result = env_pages_move(page, count, stretch->node, where);
	left = away(where, count, stretch->node);
	if (left > 0) {
		leave(pages, left * size, result == 0 ? -EBUSY : result);
	}
	/* A page that came in between is moved, too. */
	left = left < before ? left : before;
	pages->paced += (before - left) * size;
	put(&pages->now.moved, pages->now.moved + (before - left) * size);
}

/* What has been tried before is not told as what is to be looked at. */
static void
count_down(struct pages *pages, uint64_t bytes)
{
	put(&pages->now.left, pages->now.left > bytes ? pages->now.left - bytes : 0);
}

/* Whether the kernel may have made one large page of this one and the next, which moves whole. */
static bool
goes_with_next(const struct env_pages *pages, uintptr_t page)
{
	return pages->group == 0 || page / pages->group == (page + pages->page) / pages->group;
}

/* The pages of the stretch from pages->next on, as many as are moved at a time. */
static void
step_stretch(struct pages *pages, const struct stretch *stretch)
{
	uint32_t count = 0, max = stretch->pages.page >= LARGE_PAGE ? 1 : ENV_PAGES_MAX;
	uintptr_t page[ENV_PAGES_MAX], at = pages->next, from = at;

	if (at == 0) {
		look_at_shared(pages, stretch);
		at = first_page(stretch);
		from = stretch->first;
		at += CANARY(CANARY_PAGE_LEFT) ? stretch->pages.page : 0;
	}
	for (; at < stretch->end && count < max; at += stretch->pages.page) {
		page[count++] = at;
		if (!goes_with_next(&stretch->pages, at)) {
			at += stretch->pages.page;
			break;
		}
	}
	if (count > 0) {
		move_some(pages, stretch, page, count);
	}
	at = at < stretch->end ? at : stretch->end;
	assert(at >= from);
	count_down(pages, at - from);
	pages->next = at;
	if (at == stretch->end) {
		pages->next = 0;
		pages->at++;
	}
}

/* New pages first, all of them: else some might come on the old node behind the mover's back. */
static void
follow(struct pages *pages)
{
	const struct list *list = &pages->list;

	for (uint32_t i = 0; i < list->count; i++) {
		const struct env_pages *block = &list->stretch[i].pages;

		if (block->first != block->end &&
		    (i == 0 || list->stretch[i - 1].pages.first != block->first)) {
			int result = env_pages_follow(block);

			if (result != 0) {
				pages->why = result;
			}
		}
	}
	pages->is_followed = true;
}

static void
tell_left(struct pages *pages)
{
	uint32_t bit = 1u << why_of(pages->why);

	if (pages->passes >= TELL_PASSES || !pages->may_retry) {
		if ((pages->told & bit) == 0) {
			env_log(4,
			        "%" PRIu64 " KiB of state stay on another NUMA node than their "
			        "slices, which is slower: %s",
			        pages->far >> 10, engine_pages_why(pages->why));
		}
		pages->told |= bit;
	}
}

static void
end_pass(struct pages *pages)
{
	int64_t now_ns = env_now_ns(), wait_ns = RETRY_NS;

	__atomic_store_n(&pages->now.why, pages->why, __ATOMIC_RELAXED);
	put(&pages->now.far, pages->far);
	pages->passes++;
	if (pages->far > 0) {
		tell_left(pages);
	}
	pages->is_through = pages->far == 0 || !pages->may_retry;
	if (pages->is_through && pages->now.moved > pages->list_moved) {
		env_log(6,
		        "%" PRIu64 " KiB of state followed their slices to other NUMA nodes in "
		        "%.3f s",
		        (pages->now.moved - pages->list_moved) >> 10,
		        (double)(now_ns - pages->list_ns) / 1e9);
	}
	for (uint32_t i = 1; i < pages->passes && wait_ns < RETRY_MAX_NS; i++) {
		wait_ns *= 2;
	}
	pages->retry_ns = now_ns + (wait_ns < RETRY_MAX_NS ? wait_ns : RETRY_MAX_NS);
	__atomic_store_n(&pages->now.is_through, pages->is_through, __ATOMIC_RELEASE);
}

static void
begin_pass(struct pages *pages)
{
	pages->at = 0;
	pages->next = 0;
	pages->far = 0;
	pages->why = 0;
	pages->may_retry = false;
	pages->paced = 0;
	pages->began_ns = env_now_ns();
	put(&pages->now.left, pages->passes == 0 ? pages->list.bytes : 0);
}

/* Whether moving is ahead of its pace. */
static bool
is_ahead(const struct pages *pages)
{
	double seconds = (double)(env_now_ns() - pages->began_ns) / 1e9;

	return (double)pages->paced > seconds * (double)PAGES_PACE;
}

static void
work(struct pages *pages)
{
	const struct list *list = &pages->list;

	if (!pages->is_followed) {
		follow(pages);
	}
	if (pages->at == list->count) {
		/* What could not be moved is tried again, seldom. */
		if (env_now_ns() < pages->retry_ns) {
			env_sleep_ns(WAIT_NS);
			return;
		}
		begin_pass(pages);
	}
	if (is_ahead(pages)) {
		env_sleep_ns(LOOK_NS);
		return;
	}
	step_stretch(pages, &list->stretch[pages->at]);
	if (pages->at == list->count) {
		end_pass(pages);
	}
}

static bool
pages_step(void *arg)
{
	struct pages *pages = arg;
	uint32_t order = __atomic_load_n(&pages->order, __ATOMIC_ACQUIRE);
	uint32_t hold = HOLD_ASKED;

	if (__atomic_load_n(&pages->stopping, __ATOMIC_ACQUIRE)) {
		return false;
	}
	PREEMPT();
	/* Unless it is not asked for any more. */
	if (__atomic_compare_exchange_n(&pages->hold, &hold, HOLD_HELD, false, __ATOMIC_ACQ_REL,
	                                __ATOMIC_ACQUIRE)) {
		hold = HOLD_HELD;
	}
	if (hold == HOLD_HELD || pages->is_through) {
		env_park(&pages->order, order, PARK_NS);
	} else {
		work(pages);
	}
	return true;
}

/* ---- control ---- */

static void
order(struct pages *pages)
{
	__atomic_add_fetch(&pages->order, 1, __ATOMIC_RELEASE);
	env_wake(&pages->order);
}

bool
pages_hold(struct lm_engine *engine)
{
	struct pages *pages = engine->pages;
	uint32_t hold = HOLD_NONE;

	if (pages == NULL) {
		return true;
	}
	if (__atomic_compare_exchange_n(&pages->hold, &hold,
	                                pages->thread == NULL ? HOLD_HELD : HOLD_ASKED, false,
	                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		hold = pages->thread == NULL ? HOLD_HELD : HOLD_ASKED;
		order(pages);
	}
	return hold == HOLD_HELD;
}

static void
go_on(struct pages *pages)
{
	__atomic_store_n(&pages->hold, HOLD_NONE, __ATOMIC_RELEASE);
	order(pages);
}

static void
add(void *arg, void *block, uintptr_t first, size_t size)
{
	struct list *list = arg;
	struct stretch *stretch;

	if (list->count == list->max) {
		uint32_t max = list->max == 0 ? 64 : 2 * list->max;

		stretch = realloc(list->stretch, max * sizeof(*stretch));
		if (stretch == NULL) {
			list->failed = true;
			return;
		}
		list->stretch = stretch;
		list->max = max;
	}
	stretch = &list->stretch[list->count++];
	*stretch = (struct stretch){ .first = first, .end = first + size, .node = list->node };
	env_pages_of(block, &stretch->pages);
	/* What env_alloc has in front of the block goes with its beginning. */
	if (first == (uintptr_t)block && stretch->pages.first != stretch->pages.end) {
		stretch->first = stretch->pages.first;
	}
	list->bytes += stretch->end - stretch->first;
}

static int
node_of(struct lm_op *slice)
{
	return slice_worker(slice)->numa_node;
}

/* All memory of slices that is not known to be where it should be. False: no memory. */
static bool
make_list(struct lm_engine *engine, struct list *list)
{
	list->count = 0;
	list->bytes = 0;
	list->failed = false;
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		struct lm_op *slice = engine->slice[i];
		const struct op_state *state = &slice->state;

		if (slice->pages_home || node_of(slice) < 0) {
			continue;
		}
		list->node = slice->pages_node;
		if (state->space != NULL) {
			state->ops->stretches(state->space, add, list);
		}
	}
	return !list->failed;
}

/* What the thread is through with is where it should be. */
static void
note_home(struct lm_engine *engine)
{
	const struct pages *pages = engine->pages;

	if (pages->is_stale || !__atomic_load_n(&pages->now.is_through, __ATOMIC_ACQUIRE) ||
	    pages->now.far > 0) {
		return;
	}
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		engine->slice[i]->pages_home = true;
	}
}

/* Slices that have come to another node; behind a change of the graph all may have got slots. */
static void
note_away(struct lm_engine *engine)
{
	struct pages *pages = engine->pages;

	for (uint32_t i = 0; i < engine->slice_count; i++) {
		struct lm_op *slice = engine->slice[i];
		int node = node_of(slice);

		if (pages->generation != engine->generation || node != slice->pages_node) {
			slice->pages_node = node;
			slice->pages_home = false;
			pages->is_stale = true;
		}
	}
	pages->generation = engine->generation;
}

/* The thread stands back. */
static void
renew(struct lm_engine *engine)
{
	struct pages *pages = engine->pages;

	if (!make_list(engine, &pages->list)) {
		return;
	}
	pages->is_stale = false;
	pages->is_followed = false;
	pages->passes = 0;
	pages->retry_ns = 0;
	pages->list_ns = env_now_ns();
	pages->list_moved = pages->now.moved;
	begin_pass(pages);
	put(&pages->now.far, 0);
	__atomic_store_n(&pages->now.why, 0, __ATOMIC_RELAXED);
	pages->is_through = pages->list.count == 0;
	__atomic_store_n(&pages->now.is_through, pages->is_through, __ATOMIC_RELEASE);
}

void
pages_tick(struct lm_engine *engine)
{
	struct pages *pages = engine->pages;

	/* In a change, or as long as slots are converted, nobody but their owners knows them. */
	if (pages == NULL || engine->state != ENGINE_RUNNING || engine->change != NULL ||
	    engine->kept_count > 0) {
		return;
	}
	note_home(engine);
	note_away(engine);
	if (pages->is_stale && pages_hold(engine)) {
		renew(engine);
	}
	if (__atomic_load_n(&pages->hold, __ATOMIC_ACQUIRE) != HOLD_HELD || pages->is_stale) {
		return;
	}
	if (pages->thread == NULL && !pages->is_through &&
	    env_thread_start(&pages->thread, "lm-pages", pages_step, pages) != 0) {
		return;
	}
	go_on(pages);
}

struct pages *
pages_open(struct lm_engine *engine)
{
	struct pages *pages;
	bool is_one = true;

	for (uint32_t i = 0; i < engine->worker_count; i++) {
		is_one &= engine->worker[i]->numa_node == engine->worker[0]->numa_node;
	}
	pages = is_one ? NULL : env_alloc(sizeof(*pages), 64, -1);
	for (uint32_t i = 0; pages != NULL && i < engine->slice_count; i++) {
		engine->slice[i]->pages_node = node_of(engine->slice[i]);
		engine->slice[i]->pages_home = true;
	}
	if (pages != NULL) {
		pages->is_through = pages->now.is_through = true;
		pages->now.is_there = true;
		pages->generation = engine->generation;
	}
	return pages;
}

void
pages_stop(struct lm_engine *engine)
{
	struct pages *pages = engine->pages;

	if (pages != NULL && pages->thread != NULL) {
		__atomic_store_n(&pages->stopping, true, __ATOMIC_RELEASE);
		order(pages);
		env_thread_join(pages->thread);
		pages->thread = NULL;
	}
}

void
pages_close(struct lm_engine *engine)
{
	if (engine->pages != NULL) {
		pages_stop(engine);
		free(engine->pages->list.stretch);
		env_free(engine->pages);
		engine->pages = NULL;
	}
}

bool
pages_are_through(const struct lm_engine *engine)
{
	const struct pages *pages = engine->pages;

	if (pages == NULL) {
		return true;
	}
	for (uint32_t i = 0; i < engine->slice_count; i++) {
		if (node_of(engine->slice[i]) != engine->slice[i]->pages_node) {
			return false;
		}
	}
	return pages->generation == engine->generation && !pages->is_stale &&
	       __atomic_load_n(&pages->now.is_through, __ATOMIC_ACQUIRE);
}

void
engine_pages(const struct lm_engine *engine, struct engine_pages *report)
{
	const struct pages *pages = engine->pages;

	*report = (struct engine_pages){ 0 };
	if (pages != NULL) {
		report->is_there = true;
		report->left = __atomic_load_n(&pages->now.left, __ATOMIC_RELAXED);
		report->moved = __atomic_load_n(&pages->now.moved, __ATOMIC_RELAXED);
		report->far = __atomic_load_n(&pages->now.far, __ATOMIC_RELAXED);
		report->why = __atomic_load_n(&pages->now.why, __ATOMIC_RELAXED);
		report->is_through = __atomic_load_n(&pages->now.is_through, __ATOMIC_ACQUIRE);
	}
}
