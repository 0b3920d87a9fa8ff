/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TOP_HEAP_H
#define TOP_HEAP_H

/*
 * The rows that operators/top.c keeps: how one is packed, and the heap of the k best of a group.
 */

#include "state/lm_key.h"
#include "state/lm_value.h"

struct top_config {
	struct lm_key key; /* no field: one group a window */
	uint32_t by;
	uint32_t k, groups, windows;
	uint32_t field_count;
	uint32_t offset[LM_FIELDS_MAX]; /* of a kept row: the value, or the length of the string */
	uint32_t width[LM_FIELDS_MAX];  /* 0: string */
	enum lm_type type[LM_FIELDS_MAX];
	uint32_t fixed_size;  /* strings stand behind, in order */
	uint32_t string_size; /* together, at most */
	uint32_t row_size;
};

/* One of the k. */
struct top_entry {
	uint64_t order; /* key of the value, see state/lm_order.h */
	uint32_t place; /* of the row */
	uint32_t padding;
};

/* Of a key: a heap with the worst on top. Followed by k entries, then k rows. */
struct top_group {
	uint32_t count;
	bool is_sorted; /* on its way out: best first */
};

struct top_heap {
	struct lm_value *value; /* where the group stands */
	struct top_group *group;
};

static inline struct top_entry *
top_entries(struct top_group *group)
{
	return (struct top_entry *)(void *)(group + 1);
}

static inline char *
top_row(const struct top_config *c, struct top_group *group, uint32_t place)
{
	return (char *)(top_entries(group) + c->k) + (size_t)place * c->row_size;
}

/* False: its strings do not fit. */
bool top_pack_row(const struct top_config *c, char *to, const struct lm_batch *in, uint32_t row);
/* False: a string does not fit the output batch. */
bool top_unpack_row(const struct top_config *c, const char *from, struct lm_batch *out,
                    uint32_t row);
/* Keeps the packed row if it is among the k best of the group. */
void top_offer(const struct top_config *c, const char *row, struct top_heap *heap, uint64_t order);
/* Best first. */
void top_sort(const struct top_config *c, struct top_heap *heap);

#endif
