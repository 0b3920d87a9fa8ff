/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * window_aggregate: the groups of one window. Where keys have a place in its table they stand
 * there, the others in its map.
 */

#include "operators/window_aggregate.h"

#include <string.h>

/* Groups in the table by key. */
static uint32_t
window_near_count(const struct window_config *c, const struct window *window)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < LM_NEAR_KEYS; i++) {
		count += *window_count_of(c, window->near + (size_t)i * c->near_size) != 0;
	}
	return count;
}

/* Some keys are not in the table: those go to the map, which has room for all of them. */
static void
window_find_mixed(struct lm_op *op, struct window *window, const struct lm_batch *in,
                  const struct lm_map_rows *packed)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	const uint64_t *key = packed->keys;
	struct lm_map_rows far = *packed;
	uint32_t count = 0;

	for (uint32_t i = 0; i < packed->count; i++) {
		uint32_t row = packed->rows == NULL ? i : packed->rows[i];

		w->far.row[count] = (uint16_t)row;
		w->far_place[count] = (uint16_t)i;
		count += key[row] - w->near_first >= LM_NEAR_KEYS;
	}
	w->far.batch = in;
	w->far.count = count;
	far.rows = w->far.row;
	far.count = count;
	far.hash = lm_op_hash(op, in, &w->far, c->group.key.field, c->group.key.field_count);
	(void)lm_map_upsert(window->map, &far, w->far_value, NULL);
	for (uint32_t i = 0; i < count; i++) {
		w->rows.value[w->far_place[i]] = w->far_value[i];
	}
}

/*
 * The bound on keys is near: row by row, so that it is kept exactly. Returns how many rows were
 * refused.
 */
static uint32_t
window_find_last(struct lm_op *op, struct window *window, const struct lm_batch *in,
                 const struct lm_select *rows, struct lm_map_rows *packed)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	const struct lm_key *key = &c->group.key;
	uint32_t groups = window_near_count(c, window) + lm_map_count(window->map), refused = 0;

	packed->hash = lm_op_hash(op, in, rows, key->field, key->field_count);
	for (uint32_t i = 0; i < packed->count; i++) {
		uint32_t row = packed->rows == NULL ? i : packed->rows[i];
		const uint64_t *word = (const uint64_t *)packed->keys + row;
		bool is_near = *word - w->near_first < LM_NEAR_KEYS, is_new;
		void *value = w->rows.value[i];

		if (is_near) {
			is_new = *window_count_of(c, value) == 0;
		} else {
			is_new =
			    lm_map_get(window->map, packed->hash[row], word, sizeof(*word)) == NULL;
		}
		if (is_new && groups == c->group.keys_max) {
			value = NULL;
		} else if (!is_near) {
			value =
			    lm_map_put(window->map, packed->hash[row], word, sizeof(*word), NULL);
		}
		groups += is_new && value != NULL;
		refused += value == NULL;
		w->rows.value[i] = value;
		/* A group in the table is there from its first row on, not from the next batch. */
		if (is_near && is_new && value != NULL) {
			*window_count_of(c, value) = 1;
			w->mask[i] = 1;
		} else {
			w->mask[i] = 0;
		}
	}
	for (uint32_t i = 0; i < packed->count; i++) {
		if (w->mask[i] != 0) {
			*window_count_of(c, w->rows.value[i]) = 0;
		}
	}
	return refused;
}

/* Whether all of these groups have rows already. */
static bool
window_all_known(const struct window_config *c, void *const *value, uint32_t count)
{
	uint32_t unknown = 0;

	for (uint32_t i = 0; i < count; i++) {
		unknown += *window_count_of(c, value[i]) == 0;
	}
	return unknown == 0;
}

/* The groups of rows in the table by key, or in the map; returns how many rows were refused. */
static uint32_t
window_find_near(struct lm_op *op, struct window *window, const struct lm_batch *in,
                 const struct lm_select *rows, const struct lm_near_rows *near)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	struct lm_map_rows packed;
	bool all_near, has_room;

	w->rows.rows = near->rows;
	w->rows.count = near->count;
	w->near_count += !window->near_used;
	window->near_used = true;
	all_near = lm_near_values(near, w->near_first, window->near, c->near_size, w->rows.value);
	lm_value_touch_all(window->near_value, w->rows.value, near->count, c->near_size);
	has_room = lm_map_count(window->map) + (all_near ? 0 : near->count) + LM_NEAR_KEYS <=
	           c->group.keys_max;
	if (all_near && (has_room || window_all_known(c, w->rows.value, near->count))) {
		return 0;
	}
	lm_key_pack(&c->group.key, w->scratch, in, rows, &packed);
	if (has_room) {
		window_find_mixed(op, window, in, &packed);
		return 0;
	}
	return window_find_last(op, window, in, rows, &packed);
}

/* The key words of rows as they stand in a column, or packed. */
static struct lm_near_rows
window_near_rows(const struct window_config *c, struct window_aggregate *w,
                 const struct lm_batch *in, const struct lm_select *rows)
{
	const struct lm_key *key = &c->group.key;
	struct lm_near_rows near = { .rows = rows == NULL ? NULL : rows->row,
		                     .count = rows == NULL ? in->count : rows->count };
	struct lm_map_rows packed;

	if (key->field_count == 1) {
		near.keys = lm_batch_column(in, key->field[0]);
		near.width = key->width[0];
	} else {
		lm_key_pack(key, w->scratch, in, rows, &packed);
		near.keys = packed.keys;
		near.width = sizeof(uint64_t);
	}
	return near;
}

/* Adds rows that have groups, in w->rows. */
static void
window_reduce(struct lm_op *op, const struct lm_batch *in)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);

	lm_reduce_rows(&c->group.reduce, in, w->rows.rows, w->rows.count, w->rows.value);
	for (uint32_t i = 0; c->counts && i < w->rows.count; i++) {
		++*window_count_of(c, w->rows.value[i]);
	}
	lm_op_absorb(op, w->rows.count);
}

/* Rows of a window whose keys may have a place in its table; false: tables are not used now. */
static bool
window_add_near(struct lm_op *op, struct window *window, const struct lm_batch *in,
                const struct lm_select *rows)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	struct lm_near_rows near = window_near_rows(c, w, in, rows);
	uint32_t refused;

	if (w->near_count == 0 && lm_map_count(window->map) == 0) {
		w->near_on = lm_near_settle(&near, &w->near_first);
	}
	if (!w->near_on) {
		window->far_only = true;
		return false;
	}
	refused = window_find_near(op, window, in, rows, &near);
	if (refused > 0) {
		lm_group_pack(&w->rows);
		lm_op_drop(op, DROP_KEYS_FULL, refused);
	}
	window_reduce(op, in);
	return true;
}

/* The keys of the groups in ready, as columns of the batch that they are hashed in. */
static const uint64_t *
window_hash_ready(struct lm_op *op)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	const struct lm_key *key = &c->group.key;

	w->hashed->schema = lm_op_input_schema(op, 0);
	w->hashed->count = w->ready.count;
	for (uint32_t i = 0; i < key->field_count; i++) {
		char *to = lm_batch_column(w->hashed, key->field[i]);

		for (uint32_t r = 0; r < w->ready.count; r++) {
			memcpy(to + (size_t)r * key->width[i],
			       (const char *)&w->ready_key[r] + key->offset[i], key->width[i]);
		}
	}
	return lm_op_hash(op, w->hashed, NULL, key->field, key->field_count);
}

/* The groups in ready, from a table, into the map. Returns how many had no room. */
static uint64_t
window_put_ready(struct lm_op *op, struct window *window, const struct lm_adoption *from)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	const uint64_t *hash = window_hash_ready(op);
	struct lm_map_rows rows = { .hash = hash, .keys = w->ready_key, .rows = w->far.row };
	uint64_t refused;

	for (uint32_t i = 0; i < w->ready.count; i++) {
		w->far.row[rows.count] = (uint16_t)i;
		rows.count += from == NULL || lm_adopts(from, hash[i]);
	}
	refused = lm_map_upsert(window->map, &rows, w->far_value, NULL);
	for (uint32_t i = 0; i < rows.count; i++) {
		if (w->far_value[i] != NULL) {
			memcpy(w->far_value[i], w->ready.entry[w->far.row[i]].value, c->near_size);
		}
	}
	w->ready.count = 0;
	return refused;
}

uint64_t
window_dissolve(struct lm_op *op, struct window *window, const struct window_table *table)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	uint32_t rows = lm_op_input_schema(op, 0)->capacity;
	uint64_t refused = 0;

	rows = rows < LM_GROUP_READY ? rows : LM_GROUP_READY;
	w->ready.count = 0;
	for (uint32_t place = 0; place < LM_NEAR_KEYS; place++) {
		char *state = table->near + (size_t)place * c->near_size;

		if (*window_count_of(c, state) != 0) {
			w->ready_key[w->ready.count] = table->first + place;
			w->ready.entry[w->ready.count++].value = state;
		}
		if (w->ready.count == rows || place == LM_NEAR_KEYS - 1) {
			refused += window_put_ready(op, window, table->from);
		}
	}
	return refused;
}

void
window_add(struct lm_op *op, struct window *window, const struct lm_batch *in,
           const struct lm_select *rows)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	uint32_t refused;

	if (window->map == NULL) {
		uint32_t count = rows == NULL ? in->count : rows->count;

		lm_value_touch(window->near_value, window->near, c->group.reduce.size);
		lm_reduce_one(&c->group.reduce, in, rows == NULL ? NULL : rows->row, count,
		              window->near);
		lm_op_absorb(op, count);
		return;
	}
	if (c->near_size > 0 && !window->far_only && window_add_near(op, window, in, rows)) {
		return;
	}
	refused = lm_group_find(&c->group, op, window->map, w->scratch, in, rows, &w->rows);
	if (refused > 0) {
		lm_op_drop(op, DROP_KEYS_FULL, refused);
	}
	window_reduce(op, in);
}

uint32_t
window_count(struct lm_op *op, struct window *window, const struct lm_batch *in,
             const struct lm_select *rows)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	struct lm_near_times times = { .time_ns = lm_batch_time(in),
		                       .start = window->start,
		                       .size = (uint64_t)c->window.size_ns };
	struct lm_near_rows near;
	uint32_t count;

	if (!c->only_counts || !window->near_used || window->is_mixed ||
	    lm_map_count(window->map) + LM_NEAR_KEYS > c->group.keys_max) {
		return 0;
	}
	near = window_near_rows(c, w, in, rows);
	lm_value_touch(window->near_value, window->near, LM_NEAR_KEYS * sizeof(uint64_t));
	count = lm_near_count(&near, &times, w->near_first, (uint64_t *)(void *)window->near);
	window->is_mixed = count < near.count / 2;
	lm_op_absorb(op, count);
	return count;
}
