/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists by key: the map's value is a list's head, its items stand in the block of the slot, each
 * with a link to the next. A block is all zeroes until its first item comes. Items are numbered
 * from 1 on; 0 is none.
 */

#include "state/lm_list.h"

#include <errno.h>
#include <stdio.h>

#include "state/lm_convert.h"
#include "state/map.h"
#include "state/space.h"

#define LIST_MAGIC 0x7473696c2e646f6cu
/* Lists whose last item is fetched ahead of the one in hand. */
#define LIST_AHEAD 12u
/* Links that are copied between two looks at the clock. */
#define LIST_LINKS 64u

struct lm_list {
	uint32_t first, last;
	uint32_t length;
	uint32_t slot; /* where its items are */
};
static_assert(sizeof(struct lm_list) == 16, "the value of a map");

/* The head of a block of items. */
struct list_block {
	uint64_t magic; /* 0: no item ever came */
	uint32_t item_size, items_max;
	uint32_t used; /* items that were handed out at some time: the rest is new */
	uint32_t free; /* the first of those given back */
	uint32_t count;
	uint32_t unused;
	uint64_t dropped;
	uint64_t unused_more[3];
};
static_assert(sizeof(struct list_block) == 64, "items start on a line of their own");

/* In front of each item. */
struct list_link {
	uint32_t next; /* in the list, or of those given back */
	uint32_t unused;
};

/* How far the items of a slot have come, whose heads are there; see struct map_progress. */
struct list_progress {
	const struct lm_lists *from; /* NULL: of none */
	uint32_t slot;
	uint32_t links;  /* so many stand where they stood */
	uint64_t cursor; /* lists in front of it have their items */
};

struct lm_lists {
	struct lm_map *map;
	struct state_space *space; /* NULL: no snapshot knows them */
	struct arena_part part;
	uint32_t item_size, block_items_max, length_max;
	enum lm_list_full when_full;
	uint64_t stride; /* from item to item */
	uint64_t count, dropped;
	struct list_progress progress;
	int64_t at[]; /* [slot], see struct arena_part */
};

/*
 * Opening.
 */

static bool
list_is_possible(const struct lm_list_shape *shape)
{
	return shape->item_size > 0 && shape->item_size % 8 == 0 &&
	       shape->item_size <= LM_LIST_ITEM_MAX && shape->items_max > 0 &&
	       shape->items_max <= LM_LIST_ITEMS_MAX && shape->length_max > 0 &&
	       shape->length_max <= shape->items_max;
}

/* Items of a slot, at most: as if all lists were as long as may be, then fewest make the bound. */
static uint32_t
list_share(const struct lm_list_shape *shape, uint32_t slots)
{
	uint32_t full = (shape->items_max + shape->length_max - 1) / shape->length_max;
	uint64_t items = (uint64_t)map_share(full, 1, slots) * shape->length_max;

	return items < shape->items_max ? (uint32_t)items : shape->items_max;
}

static bool
list_is_like(const struct lm_lists *lists, const struct list_block *block)
{
	return block->magic == LIST_MAGIC && block->item_size == lists->item_size &&
	       block->items_max == lists->block_items_max && block->used <= block->items_max &&
	       block->count <= block->used && block->free <= block->used;
}

static struct lm_lists *
lists_of_part(struct arena_part *part)
{
	return (struct lm_lists *)(void *)((char *)part - offsetof(struct lm_lists, part));
}

/* The blocks were filled from a snapshot. False: they are of another shape. */
static bool
list_restored(struct arena_part *part)
{
	struct lm_lists *lists = lists_of_part(part);

	lists->count = 0;
	lists->dropped = 0;
	for (uint32_t i = 0; i < part->arena_count; i++) {
		const struct list_block *block = (const void *)arena_nth(part, i)->memory;

		if (block->magic != 0 && !list_is_like(lists, block)) {
			return false;
		}
		lists->count += block->count;
		lists->dropped += block->dropped;
	}
	return true;
}

static void
list_found(struct arena_part *part, uint32_t slot)
{
	struct lm_lists *lists = lists_of_part(part);
	const struct list_block *block = (const void *)arena_at(part, slot)->memory;

	lists->count += block->count;
	lists->dropped += block->dropped;
}

/* Blocks come from another slice, or leave for one. */
static void
list_took(struct arena_part *part, struct arena_part *from, const struct arena_slots *slots)
{
	(void)from;
	for (uint32_t i = 0; i < slots->count; i++) {
		list_found(part, slots->slot[i]);
	}
}

static void
list_gave(struct arena_part *part, const struct arena_slots *slots)
{
	struct lm_lists *lists = lists_of_part(part);

	for (uint32_t i = 0; i < slots->count; i++) {
		const struct list_block *block =
		    (const void *)arena_at(part, slots->slot[i])->memory;

		lists->count -= block->count;
		lists->dropped -= block->dropped;
	}
}

static bool
list_agrees(const struct arena_part *part)
{
	const struct lm_lists *lists = lists_of_part((struct arena_part *)(uintptr_t)part);
	uint64_t count = 0, dropped = 0;

	for (uint32_t i = 0; i < part->arena_count; i++) {
		const struct list_block *block = (const void *)arena_nth(part, i)->memory;

		count += block->count;
		dropped += block->dropped;
	}
	return count == lists->count && dropped == lists->dropped;
}

static bool
list_alike(const struct arena_part *was, const struct arena_part *part)
{
	const struct lm_lists *a = lists_of_part((struct arena_part *)(uintptr_t)was);
	const struct lm_lists *b = lists_of_part((struct arena_part *)(uintptr_t)part);

	return a->item_size == b->item_size && a->block_items_max == b->block_items_max;
}

/* Its heads are emptied, too. */
static uint64_t
list_empty(struct arena_part *part, uint32_t slot)
{
	struct lm_lists *lists = lists_of_part(part);
	struct arena *arena = arena_at(part, slot);
	struct list_block *block = (void *)arena->memory;

	if (lists->space != NULL) {
		arena_touch(lists->space, part, arena, block, sizeof(*block));
	}
	lists->count -= block->count;
	lists->dropped -= block->dropped;
	memset(block, 0, sizeof(*block));
	return 0;
}

static const struct arena_part_ops list_part_ops = {
	.restored = list_restored,
	.gave = list_gave,
	.took = list_took,
	.found = list_found,
	.agrees = list_agrees,
	.alike = list_alike,
	.empty = list_empty,
};

/* The blocks of items, for the slots that the map has. */
static bool
list_open_blocks(struct lm_op *op, struct lm_lists *lists)
{
	const struct arena_part *keys = &lists->map->part;
	uint32_t *slot = lm_op_alloc(op, keys->arena_max * sizeof(*slot));
	struct space_shape shape = { .size = sizeof(struct list_block) +
		                             lists->block_items_max * lists->stride,
		                     .slot = slot,
		                     .count = keys->arena_count,
		                     .slots = keys->by_slot ? keys->arena_max : 0,
		                     .kind = PART_LIST,
		                     .owner = lists,
		                     .ops = &list_part_ops };

	if (slot == NULL) {
		return false;
	}
	for (uint32_t s = 0, i = 0; s < keys->arena_max; s++) {
		if (keys->at[s] != keys->nowhere) {
			slot[i++] = s;
		}
	}
	lists->part.at = lists->at;
	if (!space_open(op, &lists->part, &shape)) {
		return false;
	}
	lists->map->part.kind = PART_LIST_HEADS;
	lists->space = space_bypass ? NULL : space_of(op);
	return true;
}

struct lm_lists *
lm_list_open(struct lm_op *op, const struct lm_list_shape *shape)
{
	struct lm_map_shape keys = shape->keys;
	struct lm_lists *lists;
	struct lm_map *map;
	uint32_t slots;

	keys.value_size = sizeof(struct lm_list);
	map = list_is_possible(shape) ? lm_map_open(op, &keys) : NULL;
	if (map == NULL) {
		return NULL;
	}
	slots = 1u << map->slot_bits;
	lists = lm_op_alloc(op, sizeof(*lists) + slots * sizeof(int64_t));
	if (lists == NULL) {
		return NULL;
	}
	lists->map = map;
	lists->item_size = shape->item_size;
	lists->stride = sizeof(struct list_link) + shape->item_size;
	lists->length_max = shape->length_max;
	lists->when_full = shape->when_full;
	lists->block_items_max = list_share(shape, slots);
	return list_open_blocks(op, lists) ? lists : NULL;
}

/*
 * Items.
 */

static struct arena *
list_arena(const struct lm_lists *lists, const struct lm_list *list)
{
	return arena_at(&lists->part, list->slot);
}

static struct list_block *
list_block(const struct arena *arena)
{
	return (struct list_block *)(void *)arena->memory;
}

static struct list_link *
list_link(const struct lm_lists *lists, const struct arena *arena, uint32_t number)
{
	assert(number != 0);
	return (struct list_link *)(void *)(arena->memory + sizeof(struct list_block) +
	                                    (number - 1) * lists->stride);
}

static uint32_t
list_number(const struct lm_lists *lists, const struct arena *arena, const void *item)
{
	uint64_t offset = (uint64_t)((const char *)item - arena->memory) -
	                  sizeof(struct list_block) - sizeof(struct list_link);

	assert(offset % lists->stride == 0);
	return (uint32_t)(offset / lists->stride) + 1;
}

static void
list_touch(struct lm_lists *lists, struct arena *arena, const void *at, uint64_t size)
{
	if (lists->space != NULL) {
		arena_touch(lists->space, &lists->part, arena, at, size);
	}
}

/* A link alone, about to be written. */
static struct list_link *
list_write_link(struct lm_lists *lists, struct arena *arena, uint32_t number)
{
	struct list_link *link = list_link(lists, arena, number);

	if (!CANARY(CANARY_UNTOUCHED_LINK)) {
		list_touch(lists, arena, link, sizeof(*link));
	}
	return link;
}

/* The head of the block, about to be written. */
static struct list_block *
list_write_block(struct lm_lists *lists, struct arena *arena)
{
	struct list_block *block = list_block(arena);

	list_touch(lists, arena, block, sizeof(*block));
	if (block->magic == 0) {
		block->magic = LIST_MAGIC;
		block->item_size = lists->item_size;
		block->items_max = lists->block_items_max;
	}
	return block;
}

/* Gives the oldest item back. The list is touched. */
static void
list_pop_one(struct lm_lists *lists, struct arena *arena, struct lm_list *list)
{
	struct list_block *block = list_write_block(lists, arena);
	struct list_link *link = list_write_link(lists, arena, list->first);
	uint32_t number = list->first;

	list->first = link->next;
	list->last = list->first == 0 ? 0 : list->last;
	list->length--;
	link->next = block->free;
	block->free = number;
	block->count--;
	lists->count--;
}

/* Room for one item more. False: there is none. */
static bool
list_make_room(struct lm_lists *lists, struct arena *arena, struct lm_list *list)
{
	if (list->length < lists->length_max && list_block(arena)->count < lists->block_items_max) {
		return true;
	}
	if (lists->when_full == LM_LIST_REFUSE || list->length == 0) {
		return false;
	}
	list_pop_one(lists, arena, list);
	list_block(arena)->dropped++;
	lists->dropped++;
	return true;
}

/* An item that was given back, or else a new one; there is one. */
static uint32_t
list_take(struct lm_lists *lists, struct arena *arena)
{
	struct list_block *block = list_write_block(lists, arena);
	uint32_t number = block->free;

	if (number != 0) {
		block->free = list_link(lists, arena, number)->next;
	} else {
		assert(block->used < block->items_max);
		number = ++block->used;
	}
	block->count++;
	lists->count++;
	return number;
}

/* The head of a list, about to be written. */
static void
list_touch_head(const struct lm_lists *lists, const struct lm_list *list)
{
	map_touch(lists->map, map_block_at(lists->map, list->slot), list, sizeof(*list));
}

void *
lm_list_append(struct lm_lists *lists, struct lm_list *list, const void *item)
{
	struct arena *arena = list_arena(lists, list);
	struct list_link *link;
	uint32_t number;

	list_touch_head(lists, list);
	if (!list_make_room(lists, arena, list)) {
		return NULL;
	}
	number = list_take(lists, arena);
	link = list_link(lists, arena, number);
	list_touch(lists, arena, link, lists->stride);
	link->next = 0;
	memcpy(link + 1, item, lists->item_size);
	if (list->length == 0) {
		list->first = number;
	} else {
		list_write_link(lists, arena, list->last)->next = number;
	}
	list->last = number;
	list->length++;
	return link + 1;
}

/* Fetches what appending to a list reads and writes. */
static void
list_fetch(const struct lm_lists *lists, const struct lm_list *list)
{
	if (list != NULL && list->length > 0) {
		__builtin_prefetch(list_link(lists, list_arena(lists, list), list->last), 1);
	}
}

uint32_t
lm_list_append_all(struct lm_lists *lists, struct lm_list *const *list, const void *items,
                   uint32_t count)
{
	uint32_t refused = 0;

	for (uint32_t i = 0; i < count && i < LIST_AHEAD; i++) {
		list_fetch(lists, list[i]);
	}
	for (uint32_t i = 0; i < count; i++) {
		const char *item = (const char *)items + (size_t)i * lists->item_size;

		if (i + LIST_AHEAD < count) {
			list_fetch(lists, list[i + LIST_AHEAD]);
		}
		refused += list[i] == NULL || lm_list_append(lists, list[i], item) == NULL;
	}
	return refused;
}

void *
lm_list_first(const struct lm_lists *lists, const struct lm_list *list)
{
	return list->first == 0 ? NULL : list_link(lists, list_arena(lists, list), list->first) + 1;
}

void *
lm_list_next(const struct lm_lists *lists, const struct lm_list *list, const void *item)
{
	const struct arena *arena = list_arena(lists, list);
	uint32_t next = list_link(lists, arena, list_number(lists, arena, item))->next;

	return next == 0 ? NULL : list_link(lists, arena, next) + 1;
}

uint32_t
lm_list_length(const struct lm_list *list)
{
	return list->length;
}

uint32_t
lm_list_pop(struct lm_lists *lists, struct lm_list *list, uint32_t count)
{
	struct arena *arena = list_arena(lists, list);
	uint32_t popped = 0;

	if (count > 0 && list->length > 0) {
		list_touch_head(lists, list);
	}
	for (; popped < count && list->length > 0; popped++) {
		list_pop_one(lists, arena, list);
	}
	return popped;
}

uint32_t
lm_list_trim(struct lm_lists *lists, struct lm_list *list, uint32_t length)
{
	return list->length <= length ? 0 : lm_list_pop(lists, list, list->length - length);
}

void
lm_list_touch(struct lm_lists *lists, struct lm_list *list, void *item)
{
	list_touch(lists, list_arena(lists, list), item, lists->item_size);
}

/*
 * Keys.
 */

uint32_t
lm_list_upsert(struct lm_lists *lists, const struct lm_map_rows *in, struct lm_list **list,
               uint8_t *inserted)
{
	uint32_t refused = lm_map_upsert(lists->map, in, (void **)list, inserted);

	for (uint32_t i = 0; i < in->count; i++) {
		uint32_t r = in->rows == NULL ? in->first + i : in->rows[in->first + i];

		/* A new one is all zeroes. */
		if (list[i] != NULL && list[i]->length == 0) {
			list[i]->slot = route_slot(in->hash[r], lists->map->slot_bits);
		}
	}
	return refused;
}

uint32_t
lm_list_find(const struct lm_lists *lists, const struct lm_map_rows *in, struct lm_list **list)
{
	return lm_map_find(lists->map, in, (const void **)(void *)list);
}

struct lm_list *
lm_list_put(struct lm_lists *lists, uint64_t hash, const void *key, uint32_t length, bool *inserted)
{
	struct lm_list *list = lm_map_put(lists->map, hash, key, length, inserted);

	if (list != NULL) {
		list->slot = route_slot(hash, lists->map->slot_bits);
	}
	return list;
}

struct lm_list *
lm_list_get(const struct lm_lists *lists, uint64_t hash, const void *key, uint32_t length)
{
	/* What writes to a list touches it. */
	return (struct lm_list *)(uintptr_t)lm_map_get(lists->map, hash, key, length);
}

bool
lm_list_erase(struct lm_lists *lists, uint64_t hash, const void *key, uint32_t length)
{
	struct lm_list *list = lm_list_get(lists, hash, key, length);

	if (list == NULL) {
		return false;
	}
	(void)lm_list_trim(lists, list, 0);
	return lm_map_erase(lists->map, hash, key, length);
}

uint32_t
lm_list_scan(const struct lm_lists *lists, uint64_t *cursor, struct lm_map_entry *entries,
             uint32_t max)
{
	return lm_map_scan(lists->map, cursor, entries, max);
}

void
lm_list_entry_of(const struct lm_lists *lists, struct lm_list *list, struct lm_map_entry *entry)
{
	lm_map_entry_of(lists->map, list, entry);
}

uint32_t
lm_list_keys(const struct lm_lists *lists)
{
	return lm_map_count(lists->map);
}

uint64_t
lm_list_items(const struct lm_lists *lists)
{
	return lists->count;
}

uint64_t
lm_list_dropped(const struct lm_lists *lists)
{
	return lists->dropped;
}

/*
 * Another version's.
 */

uint32_t
lm_list_scan_slot(const struct lm_lists *lists, uint32_t slot, uint64_t *cursor,
                  struct lm_map_entry *entries, uint32_t max)
{
	return lm_map_scan_slot(lists->map, slot, cursor, entries, max);
}

void
lm_list_unchanged_since(struct lm_op *op, struct lm_lists *lists, uint32_t version)
{
	(void)op;
	space_part_unchanged(&lists->map->part, version);
	space_part_unchanged(&lists->part, version);
}

static int
list_copy_head(void *arg, const struct lm_map_entry *from, void *to)
{
	(void)arg;
	memcpy(to, from->value, sizeof(struct lm_list));
	return 0;
}

/* The head of the block. */
static void
list_copy_head_of_block(struct lm_lists *to, struct arena *arena, const struct list_block *was)
{
	struct list_block *block = list_write_block(to, arena);

	block->used = was->used;
	block->free = was->free;
	block->count = was->count;
	block->dropped = was->dropped;
	to->count += was->count;
	to->dropped += was->dropped;
}

static int
list_copy_links(struct lm_lists *to, struct arena *arena, const struct lm_lists *from,
                const struct arena *old, uint32_t *done)
{
	while (*done < list_block(old)->used) {
		struct list_link *link = list_link(to, arena, ++*done);

		list_touch(to, arena, link, to->stride);
		link->next = list_link(from, old, *done)->next;
		if (*done % LIST_LINKS == 0 && conversion_pauses(to->map->waits)) {
			return LM_CONVERSION_MORE;
		}
	}
	return 0;
}

static int
list_copy_items(struct lm_lists *to, const struct lm_lists *from, const struct lm_list *list,
                lm_conversion_item *one, void *arg)
{
	const struct arena *old = list_arena(from, list);
	struct arena *arena = list_arena(to, list);
	int result = 0;

	for (uint32_t number = list->first; number != 0 && result == 0;) {
		struct list_link *link = list_link(to, arena, number);

		memset(link + 1, 0, to->item_size);
		result = one(arg, list_link(from, old, number) + 1, link + 1);
		number = link->next;
	}
	return result;
}

/* List by list: one is not divided. */
static int
list_copy_lists(struct lm_lists *to, const struct lm_lists *from, struct list_progress *progress,
                lm_conversion_item *one, void *arg)
{
	struct lm_map_entry entry;
	int result = 0;

	while (result == 0 &&
	       lm_list_scan_slot(from, progress->slot, &progress->cursor, &entry, 1) > 0) {
		result = list_copy_items(to, from, entry.value, one, arg);
		if (result == 0 && conversion_pauses(to->map->waits)) {
			result = LM_CONVERSION_MORE;
		}
	}
	return result;
}

/* As find_progress in state/map_convert.c. */
static struct list_progress *
list_find_progress(const struct lm_lists *from, struct lm_lists *to, uint32_t slot,
                   struct list_progress *own)
{
	struct list_progress *progress = &to->progress;
	bool goes_on = progress->from == from && progress->slot == slot;

	if (!goes_on && !conversion_may_pause(to->map->waits)) {
		progress = own;
	}
	if (!goes_on) {
		*progress = (struct list_progress){ .from = from, .slot = slot };
	}
	return progress;
}

int
lm_conversion_items(struct lm_conversion *conversion, const struct lm_lists *from,
                    struct lm_lists *to, lm_conversion_item *one, void *arg)
{
	uint32_t slot = from->map->slot_bits == 0 ? 0 : conversion->slot;
	const struct arena *old;
	struct arena *arena;
	struct list_progress own, *progress;
	int result;

	if (from->block_items_max != to->block_items_max || from->length_max > to->length_max) {
		snprintf(conversion->why, sizeof(conversion->why),
		         "the bounds of the two lists differ");
		return -EINVAL;
	}
	result = lm_conversion_values(conversion, from->map, to->map, list_copy_head, NULL);
	if (result != 0) {
		return result;
	}
	old = arena_at(&from->part, slot);
	arena = arena_at(&to->part, slot);
	if (list_block(old)->magic == 0) {
		return 0;
	}
	list_copy_head_of_block(to, arena, list_block(old));
	progress = list_find_progress(from, to, slot, &own);
	result = list_copy_links(to, arena, from, old, &progress->links);
	return result != 0 ? result : list_copy_lists(to, from, progress, one, arg);
}
