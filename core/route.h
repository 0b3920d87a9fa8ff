/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ROUTE_H
#define ROUTE_H

/*
 * Groupings: which slice of the receiver gets a row. Keys go hash -> slot -> slice through one
 * table per graph version, immutable and shared by all producers; the same slot numbers the state
 * behind it.
 *
 * Threads: a table is read by any worker; a struct route belongs to one slice's output.
 */

#include "core/graph.h"

/* The slot of a hash among 2^bits of them: its top bits. The router and the state use this one. */
static inline uint32_t
route_slot(uint64_t hash, uint32_t bits)
{
	return (uint32_t)(hash >> 1 >> (63u - bits));
}

/* Slot -> slice of one receiving operator. */
struct route_table {
	uint32_t slot_bits;
	uint16_t slice_of[]; /* [slot] */
};

/* `slots` (a power of two) over `slices`, in runs as equal as can be. NULL when out of memory. */
struct route_table *route_table_create(uint32_t slots, uint32_t slices);
/* The same slots over `slices`, so that as few as can be change their slice: those of slices that
 * are no more, and what others have above their share. NULL when out of memory. */
struct route_table *route_table_resize(const struct route_table *table, uint32_t slices);
/* The same number of slots, each to the slice that `slice_of` says. NULL when out of memory. */
struct route_table *route_table_deal(const struct route_table *table, const uint16_t *slice_of);
/*
 * The same number of slots for `slices` slices, of which the last `tried` are on trial: they get
 * `count` slots, every so many, whoever has them; the others stay where they are. Which slots these
 * are depends on how many there are alone, so a key is on trial in all operators that are tried
 * with it and have as many. NULL when out of memory.
 */
struct route_table *route_table_try(const struct route_table *table, uint32_t slices,
                                    uint32_t tried, uint32_t count);
void route_table_free(struct route_table *table); /* NULL is fine */

/* The rows of a batch sorted by destination: those of d are row[start[d]] to row[start[d + 1]]. */
struct route_split {
	uint16_t row[LM_BATCH_ROWS];
	uint32_t start[LM_SLICES_MAX + 1];
};

/* What a wire's producer side keeps for choosing. */
struct route {
	enum lm_grouping grouping;
	uint32_t destinations;
	const uint32_t *fields;
	uint32_t field_count;
	uint32_t key_id;
	uint64_t secret;
	const struct route_table *table; /* KEY, PARTIAL_KEY */
	graph_custom_fn *custom;
	uint32_t turn;  /* ROUND_ROBIN, SHUFFLE */
	uint64_t *load; /* PARTIAL_KEY: rows sent, [destination] */
};

/* Whether the grouping looks at rows; the others send a batch whole. */
bool route_is_by_row(enum lm_grouping grouping);
/*
 * Sorts the rows of `in` (all, or those of `rows`) by destination. `hash` is written for key
 * groupings (by row). `destination` is scratch for LM_BATCH_ROWS values. Returns the rows that have
 * no destination (DIRECT out of range): they are in no group.
 */
uint32_t route_rows(struct route *route, const struct lm_batch *in, const struct lm_select *rows,
                    uint64_t *hash, uint16_t *destination, struct route_split *split);

#endif
