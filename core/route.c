/* SPDX-License-Identifier: BSD-3-Clause */
/* Groupings that look at rows: the destination of each, then a counting sort by destination. */

#include "core/route.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/canary.h"
#include "core/hash.h"

#define NOWHERE UINT16_MAX

struct route_table *
route_table_create(uint32_t slots, uint32_t slices)
{
	struct route_table *table = calloc(1, sizeof(*table) + slots * sizeof(uint16_t));

	if (table == NULL) {
		return NULL;
	}
	assert((slots & (slots - 1)) == 0);
	table->slot_bits = (uint32_t)__builtin_ctz(slots);
	for (uint32_t slot = 0; slot < slots; slot++) {
		table->slice_of[slot] = (uint16_t)((uint64_t)slot * slices / slots);
	}
	return table;
}

struct route_table *
route_table_resize(const struct route_table *table, uint32_t slices)
{
	uint32_t slots = 1u << table->slot_bits, next = 0;
	struct route_table *resized = route_table_create(slots, slices);
	uint32_t room[LM_SLICES_MAX];

	if (resized == NULL) {
		return NULL;
	}
	for (uint32_t i = 0; i < slices; i++) {
		room[i] = slots / slices + (i < slots % slices);
	}
	for (uint32_t slot = 0; slot < slots; slot++) {
		uint16_t owner = table->slice_of[slot];
		bool stays = owner < slices && room[owner] > 0;

		resized->slice_of[slot] = stays ? owner : NOWHERE;
		if (stays) {
			room[owner]--;
		}
	}
	for (uint32_t slot = 0; slot < slots; slot++) {
		if (resized->slice_of[slot] == NOWHERE) {
			while (room[next] == 0) {
				next++;
			}
			resized->slice_of[slot] = (uint16_t)next;
			room[next]--;
		}
	}
	return resized;
}

struct route_table *
route_table_deal(const struct route_table *table, const uint16_t *slice_of)
{
	uint32_t slots = 1u << table->slot_bits;
	struct route_table *dealt = route_table_create(slots, 1);

	if (dealt != NULL) {
		memcpy(dealt->slice_of, slice_of, slots * sizeof(*slice_of));
	}
	return dealt;
}

struct route_table *
route_table_try(const struct route_table *table, uint32_t slices, uint32_t tried, uint32_t count)
{
	uint32_t slots = 1u << table->slot_bits, on_trial = 0;
	struct route_table *dealt = route_table_deal(table, table->slice_of);

	for (uint32_t slot = 0; dealt != NULL && slot < slots; slot++) {
		if ((uint64_t)(slot + 1) * count / slots > (uint64_t)slot * count / slots &&
		    !(CANARY(CANARY_TRIAL_FEW) && on_trial + 1 == count)) {
			dealt->slice_of[slot] =
			    (uint16_t)(slices - tried + on_trial++ * tried / count);
		}
	}
	return dealt;
}

void
route_table_free(struct route_table *table)
{
	free(table);
}

bool
route_is_by_row(enum lm_grouping grouping)
{
	return grouping == LM_GROUP_KEY || grouping == LM_GROUP_PARTIAL_KEY ||
	       grouping == LM_GROUP_DIRECT || grouping == LM_GROUP_CUSTOM;
}

static void
by_key(uint16_t *destination, const uint64_t *hash, const uint16_t *rows, uint32_t count,
       const struct route_table *table)
{
	uint32_t bits = table->slot_bits;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t h = hash[rows == NULL ? i : rows[i]];

		destination[i] = table->slice_of[route_slot(h, bits)];
		if (CANARY(CANARY_WRONG_SLOT) && i % 64 == 63) {
			destination[i] = table->slice_of[0];
		}
	}
}

/*
 * The less loaded of two candidates, from two halves of the hash (M. A. U. Nasir et al., "The power
 * of both choices", ICDE 2015). The load is what this producer has sent.
 */
static void
by_partial_key(struct route *route, uint16_t *destination, const uint64_t *hash,
               const uint16_t *rows, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t h = hash[rows == NULL ? i : rows[i]];
		uint32_t a = (uint32_t)(((h >> 32) * route->destinations) >> 32);
		uint32_t b = (uint32_t)(((h & UINT32_MAX) * route->destinations) >> 32);
		uint32_t chosen;

		if (a == b) {
			b = (b + 1) % route->destinations;
		}
		chosen = route->load[b] < route->load[a] ? b : a;
		route->load[chosen]++;
		destination[i] = (uint16_t)chosen;
	}
}

/* An integer field of any width as an index; what is negative or too large is nowhere. */
static void
by_value(const struct route *route, uint16_t *destination, const struct lm_batch *in,
         const uint16_t *rows, uint32_t count)
{
	uint32_t field = route->fields[0];
	enum lm_type type = in->schema->field[field].type;
	uint32_t width = lm_type_width(type);
	const char *column = lm_batch_column(in, field);
	/* Negative values come out too large; a byte's are 128 to 255. */
	uint32_t end = type == LM_I8 && route->destinations > 128 ? 128 : route->destinations;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t value = 0;

		/* Little endian: the low bytes come first. */
		memcpy(&value, column + (size_t)(rows == NULL ? i : rows[i]) * width, width);
		destination[i] = value < end ? (uint16_t)value : NOWHERE;
	}
}

/* Counting sort, stable: rows keep their order within a destination. */
static uint32_t
sort_rows(struct route_split *split, const uint16_t *destination, const uint16_t *rows,
          uint32_t count, uint32_t destinations)
{
	uint32_t at[LM_SLICES_MAX];
	uint32_t sum = 0;

	memset(at, 0, destinations * sizeof(at[0]));
	for (uint32_t i = 0; i < count; i++) {
		if (destination[i] < destinations) {
			at[destination[i]]++;
		}
	}
	for (uint32_t d = 0; d < destinations; d++) {
		split->start[d] = sum;
		sum += at[d];
		at[d] = split->start[d];
	}
	split->start[destinations] = sum;
	for (uint32_t i = 0; i < count; i++) {
		if (destination[i] < destinations) {
			split->row[at[destination[i]]++] = rows == NULL ? (uint16_t)i : rows[i];
		}
	}
	return count - sum;
}

uint32_t
route_rows(struct route *route, const struct lm_batch *in, const struct lm_select *rows,
           uint64_t *hash, uint16_t *destination, struct route_split *split)
{
	const uint16_t *row = rows == NULL ? NULL : rows->row;
	uint32_t count = rows == NULL ? in->count : rows->count;

	switch (route->grouping) {
	case LM_GROUP_KEY:
		hash_rows(hash, in, rows, route->fields, route->field_count, route->secret);
		by_key(destination, hash, row, count, route->table);
		break;
	case LM_GROUP_PARTIAL_KEY:
		hash_rows(hash, in, rows, route->fields, route->field_count, route->secret);
		by_partial_key(route, destination, hash, row, count);
		break;
	case LM_GROUP_DIRECT:
		by_value(route, destination, in, row, count);
		break;
	default:
		assert(route->grouping == LM_GROUP_CUSTOM);
		route->custom(in, rows, route->destinations, destination);
		break;
	}
	return sort_rows(split, destination, row, count, route->destinations);
}
