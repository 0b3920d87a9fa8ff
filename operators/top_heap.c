/* SPDX-License-Identifier: BSD-3-Clause */
/* top: packed rows, and the heap of the best of them with the worst on top. */

#include "operators/top_heap.h"

#include <string.h>

#include "state/lm_order.h"

bool
top_pack_row(const struct top_config *c, char *to, const struct lm_batch *in, uint32_t row)
{
	char *string = to + c->fixed_size, *end = string + c->string_size;

	for (uint32_t i = 0; i < c->field_count; i++) {
		const char *column = lm_batch_column(in, i);
		const uint32_t *offsets = (const void *)column;
		uint32_t length;

		if (c->width[i] != 0) {
			memcpy(to + c->offset[i], column + (size_t)row * c->width[i], c->width[i]);
			continue;
		}
		length = offsets[row + 1] - offsets[row];
		if (length > (size_t)(end - string)) {
			return false;
		}
		memcpy(to + c->offset[i], &length, sizeof(length));
		memcpy(string, lm_batch_bytes(in, i) + offsets[row], length);
		string += length;
	}
	return true;
}

bool
top_unpack_row(const struct top_config *c, const char *from, struct lm_batch *out, uint32_t row)
{
	const char *string = from + c->fixed_size;

	for (uint32_t i = 0; i < c->field_count; i++) {
		uint32_t length;

		if (c->width[i] != 0) {
			memcpy((char *)lm_batch_column(out, i) + (size_t)row * c->width[i],
			       from + c->offset[i], c->width[i]);
			continue;
		}
		memcpy(&length, from + c->offset[i], sizeof(length));
		if (!lm_batch_put_string(out, i, row, string, length)) {
			return false;
		}
		string += length;
	}
	return true;
}

/* A value of up to 8 bytes as an unsigned number of the same order among its type. */
static uint64_t
top_order_of(const char *value, enum lm_type type, uint32_t width)
{
	uint64_t word = 0;

	memcpy(&word, value, width);
	word <<= 64 - 8 * width;
	if (lm_order_is_real(type)) {
		return word ^ ((uint64_t)((int64_t)word >> 63) | LM_ORDER_SIGN);
	}
	return lm_order_is_signed(type) ? word ^ LM_ORDER_SIGN : word;
}

/* Column by column, as memcmp. */
static int
top_compare_rows(const struct top_config *c, const char *a, const char *b)
{
	const char *string_a = a + c->fixed_size, *string_b = b + c->fixed_size;
	int result = 0;

	for (uint32_t i = 0; result == 0 && i < c->field_count; i++) {
		const char *value_a = a + c->offset[i], *value_b = b + c->offset[i];

		if (c->width[i] == 0) {
			uint32_t length_a, length_b;

			memcpy(&length_a, value_a, sizeof(length_a));
			memcpy(&length_b, value_b, sizeof(length_b));
			result =
			    memcmp(string_a, string_b, length_a < length_b ? length_a : length_b);
			result =
			    result != 0 ? result : (length_a > length_b) - (length_a < length_b);
			string_a += length_a;
			string_b += length_b;
		} else if (c->width[i] > 8) {
			result = memcmp(value_a, value_b, c->width[i]);
		} else {
			uint64_t order_a = top_order_of(value_a, c->type[i], c->width[i]);
			uint64_t order_b = top_order_of(value_b, c->type[i], c->width[i]);

			result = (order_a > order_b) - (order_a < order_b);
		}
	}
	return result;
}

/*
 * The heap of a group.
 */

/* Whether a stands before b in the result: the greater value, then the smaller row. */
static bool
top_is_better(const struct top_config *c, uint64_t order_a, const char *row_a, uint64_t order_b,
              const char *row_b)
{
	return order_a != order_b ? order_a > order_b : top_compare_rows(c, row_a, row_b) < 0;
}

static bool
top_entry_is_better(const struct top_config *c, struct top_group *group, uint32_t a, uint32_t b)
{
	const struct top_entry *entries = top_entries(group);

	return top_is_better(c, entries[a].order, top_row(c, group, entries[a].place),
	                     entries[b].order, top_row(c, group, entries[b].place));
}

static void
top_swap(struct top_heap *heap, uint32_t a, uint32_t b)
{
	struct top_entry *entries = top_entries(heap->group), entry = entries[a];

	lm_value_touch(heap->value, &entries[a], sizeof(entries[a]));
	lm_value_touch(heap->value, &entries[b], sizeof(entries[b]));
	entries[a] = entries[b];
	entries[b] = entry;
}

/* Moves entry i up, past those that are better: the worst is on top. */
static void
top_sift_up(const struct top_config *c, struct top_heap *heap, uint32_t i)
{
	while (i > 0 && top_entry_is_better(c, heap->group, (i - 1) / 2, i)) {
		top_swap(heap, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

static void
top_sift_down(const struct top_config *c, struct top_heap *heap, uint32_t i, uint32_t count)
{
	for (;;) {
		uint32_t worst = i;

		for (uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < count; child++) {
			if (top_entry_is_better(c, heap->group, worst, child)) {
				worst = child;
			}
		}
		if (worst == i) {
			return;
		}
		top_swap(heap, i, worst);
		i = worst;
	}
}

void
top_sort(const struct top_config *c, struct top_heap *heap)
{
	for (uint32_t count = heap->group->count; count > 1; count--) {
		top_swap(heap, 0, count - 1);
		top_sift_down(c, heap, 0, count - 1);
	}
	lm_value_touch(heap->value, heap->group, sizeof(*heap->group));
	heap->group->is_sorted = true;
}

static void
top_keep_row(const struct top_config *c, const char *row, struct top_heap *heap, uint32_t place)
{
	char *to = top_row(c, heap->group, place);

	lm_value_touch(heap->value, to, c->row_size);
	memcpy(to, row, c->row_size);
}

void
top_offer(const struct top_config *c, const char *row, struct top_heap *heap, uint64_t order)
{
	struct top_group *group = heap->group;
	struct top_entry *entries = top_entries(group);
	uint32_t i = group->count;

	if (i < c->k) {
		lm_value_touch(heap->value, group, sizeof(*group));
		lm_value_touch(heap->value, &entries[i], sizeof(entries[i]));
		group->count++;
		entries[i] = (struct top_entry){ .order = order, .place = i };
		top_keep_row(c, row, heap, i);
		top_sift_up(c, heap, i);
		return;
	}
	if (top_is_better(c, order, row, entries[0].order, top_row(c, group, entries[0].place))) {
		lm_value_touch(heap->value, &entries[0], sizeof(entries[0]));
		entries[0].order = order;
		top_keep_row(c, row, heap, entries[0].place);
		top_sift_down(c, heap, 0, c->k);
	}
}
