/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LM_LIST_H
#define LM_LIST_H

/*
 * Lists by key: of each key a list of items of fixed size, oldest first, for one slice, kept by
 * snapshots. For the last rows of a key, what waits for a match, the way of something.
 *
 * The keys are a map (state/lm_map.h), cut into the operator's slots. Beside the keys of a slot
 * stands one block with the slot's items, whose size is known before start. `items_max` is of the
 * operator; a slot has its share, and as much more as chance may give it when all lists are as long
 * as may be, so a long length_max costs memory. A list whose items are all popped stays until its
 * key is erased.
 *
 * At a bound, that of the list or that of the slot, an item is refused, or the oldest of the same
 * list makes room. Either is counted; a list without items of its own takes none from others.
 *
 *     s->recent = lm_list_open(op, &(struct lm_list_shape){
 *             .keys = { .key_size = 8, .keys_max = 65536, .fields = …, .field_count = 1 },
 *             .item_size = sizeof(struct seen), .items_max = 1 << 20, .length_max = 16,
 *             .when_full = LM_LIST_DROP_OLDEST });
 *
 *     lm_list_upsert(s->recent, &rows, list, NULL);                the lists of a batch of keys
 *     refused = lm_list_append_all(s->recent, list, seen, count);  an item for each
 *
 *     for (seen = lm_list_first(s->recent, list[0]); seen != NULL;
 *          seen = lm_list_next(s->recent, list[0], seen))
 *
 * Lists and items may be kept until their key is erased, or they are popped or dropped. Items that
 * append returned may be written until the callback returns; later, after lm_list_touch.
 *
 * Threads: one at a time.
 */

#include "state/lm_map.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of an item, at most; items of a slot, at most. */
#define LM_LIST_ITEM_MAX 65528u
#define LM_LIST_ITEMS_MAX (1u << 30)

enum lm_list_full { LM_LIST_REFUSE, LM_LIST_DROP_OLDEST };

struct lm_list_shape {
	struct lm_map_shape keys; /* all but value_size */
	uint32_t item_size;       /* bytes, a multiple of 8, at most LM_LIST_ITEM_MAX */
	uint32_t items_max;       /* of all lists of the operator, 1 to LM_LIST_ITEMS_MAX */
	uint32_t length_max;      /* items of one list, 1 to items_max */
	enum lm_list_full when_full;
};

struct lm_lists;
struct lm_list; /* of one key */

/* In open: lists in memory of the slice, or NULL when there is none left or no such shape. */
struct lm_lists *lm_list_open(struct lm_op *op, const struct lm_list_shape *shape);

/* As the calls of a map: list[i] is the list of the i-th row's key, NULL where there is none. */
uint32_t lm_list_upsert(struct lm_lists *lists, const struct lm_map_rows *in, struct lm_list **list,
                        uint8_t *inserted);
uint32_t lm_list_find(const struct lm_lists *lists, const struct lm_map_rows *in,
                      struct lm_list **list);
struct lm_list *lm_list_put(struct lm_lists *lists, uint64_t hash, const void *key, uint32_t length,
                            bool *inserted);
struct lm_list *lm_list_get(const struct lm_lists *lists, uint64_t hash, const void *key,
                            uint32_t length);
/* The key and all its items. */
bool lm_list_erase(struct lm_lists *lists, uint64_t hash, const void *key, uint32_t length);
/* As lm_map_scan; `value` of an entry is the list. */
uint32_t lm_list_scan(const struct lm_lists *lists, uint64_t *cursor, struct lm_map_entry *entries,
                      uint32_t max);
/* As lm_map_entry_of. */
void lm_list_entry_of(const struct lm_lists *lists, struct lm_list *list,
                      struct lm_map_entry *entry);

/* A copy of the item at the end of the list; NULL: refused. */
void *lm_list_append(struct lm_lists *lists, struct lm_list *list, const void *item);
/* The same for a batch, in order: items[i], item_size bytes each, to list[i]. Returns how many were
 * refused; those whose list is NULL are. */
uint32_t lm_list_append_all(struct lm_lists *lists, struct lm_list *const *list, const void *items,
                            uint32_t count);
/* The oldest item, and the one behind another; NULL: none. */
void *lm_list_first(const struct lm_lists *lists, const struct lm_list *list);
void *lm_list_next(const struct lm_lists *lists, const struct lm_list *list, const void *item);
uint32_t lm_list_length(const struct lm_list *list);
/* Removes the oldest `count` items, or all; returns how many. */
uint32_t lm_list_pop(struct lm_lists *lists, struct lm_list *list, uint32_t count);
/* Removes the oldest until at most `length` are left; returns how many. */
uint32_t lm_list_trim(struct lm_lists *lists, struct lm_list *list, uint32_t length);
/* An item is about to be written, all of it: until the callback returns. */
void lm_list_touch(struct lm_lists *lists, struct lm_list *list, void *item);

/* Keys and items that are there; items that made room, over the life of the slots. */
uint32_t lm_list_keys(const struct lm_lists *lists);
uint64_t lm_list_items(const struct lm_lists *lists);
uint64_t lm_list_dropped(const struct lm_lists *lists);

#ifdef __cplusplus
}
#endif

#endif
