/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WINDOW_AGGREGATE_H
#define WINDOW_AGGREGATE_H

/*
 * A slice of window_aggregate: its windows come and go in operators/window_aggregate.c, the groups
 * of one window are found and counted in operators/window_groups.c.
 */

#include "state/lm_group.h"
#include "state/lm_near.h"
#include "state/lm_value.h"
#include "state/lm_window.h"

enum { DROP_KEYS_FULL, DROP_WINDOWS_FULL };

struct window_config {
	struct lm_group group;
	struct lm_window window;
	uint64_t lateness_ns;
	uint32_t windows;
	uint32_t near_size;    /* bytes of a state in a table by key; 0: no such tables */
	uint32_t count_offset; /* in a state: rows of the group; 0 rows: there is no such group */
	bool counts;           /* no reducer keeps that count */
	bool only_counts;      /* a state is that count */
};

struct window {
	int64_t start;
	bool is_open;
	struct lm_map *map; /* NULL: one group */
	struct lm_value *near_value;
	char *near;     /* in it: states by key, or the state of the one group */
	bool near_used; /* the table has groups */
	bool far_only;  /* it gets none: they were all put into the map, or began there */
	bool is_mixed;  /* many rows have keys without a place, or come in no order */
};

/* What a snapshot keeps of it besides its groups. */
struct window_kept {
	int64_t start;
	uint32_t is_open, near_used, is_mixed, far_only;
};

struct window_aggregate {
	struct window *window;
	struct lm_value *kept;           /* [window], written when a snapshot is taken */
	uint32_t open_count, near_count; /* windows that are open; whose table is used */
	struct window *current;          /* the one of the last rows; may be closed */
	int64_t complete;                /* windows that start before this were emitted */
	int64_t held;                    /* event time passed on */
	void *scratch;
	uint64_t near_first;     /* the key at place 0 of the tables */
	bool near_on;            /* whether they are used at all */
	struct lm_batch *hashed; /* of key columns, to hash what stands in a table */
	uint64_t late, lost;

	/* The window on its way out. */
	struct window *leaving;
	uint32_t near_cursor;
	uint64_t map_cursor;
	uint64_t ready_key[LM_GROUP_READY];
	struct lm_group_ready ready;

	/* The batch in hand. */
	struct lm_group_rows rows;
	struct lm_select left, inside, far;
	uint16_t far_place[LM_BATCH_ROWS]; /* in rows.value */
	void *far_value[LM_BATCH_ROWS];
	uint8_t mask[LM_BATCH_ROWS];
};

static inline uint64_t *
window_count_of(const struct window_config *c, void *state)
{
	return (uint64_t *)(void *)((char *)state + c->count_offset);
}

/* Puts the groups that stand in the table into the map, those that `from` (NULL: all) has for this
 * slice. Returns how many had no room. */
struct window_table {
	char *near; /* states by key */
	uint64_t first;
	const struct lm_adoption *from;
};
uint64_t window_dissolve(struct lm_op *op, struct window *window, const struct window_table *table);

/* Rows that are all in `window`. */
void window_add(struct lm_op *op, struct window *window, const struct lm_batch *in,
                const struct lm_select *rows);
/*
 * Nothing but a count of rows: done in one go as far as keys have a place and rows are in this
 * window. Returns how many rows that were.
 */
uint32_t window_count(struct lm_op *op, struct window *window, const struct lm_batch *in,
                      const struct lm_select *rows);

#endif
