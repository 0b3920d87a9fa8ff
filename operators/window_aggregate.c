/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * window_aggregate: aggregates per key and tumbling window of event time. A window is emitted when
 * the watermark passes its end and the lateness allowed; rows that come later still go to `late`.
 *
 * Most batches fall into one window and have few keys. So the first question is whether all rows
 * are in the window of the batch before; and where keys are one word and near each other, their
 * states stand in a table by key, found without a hash. Which keys do is settled whenever no window
 * is open.
 */
#include "core/lm_op.h"
#include "core/registry_builtin.h"
#include "state/lm_group.h"
#include "state/lm_near.h"
#include "state/lm_window.h"

#include <errno.h>
#include <string.h>

enum { DROP_KEYS_FULL, DROP_WINDOWS_FULL };
enum { OUT, LATE };

#define GAUGE_LATE 0u

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
	char *near;         /* states by key, or the state of the one group */
	bool near_used;     /* the table has groups */
	bool is_mixed;      /* many rows have keys without a place, or come in no order */
};

struct window_aggregate {
	struct window *window;
	uint32_t open_count;
	struct window *current; /* the one of the last rows; may be closed */
	int64_t complete;       /* windows that start before this were emitted */
	int64_t held;           /* event time passed on */
	void *scratch;
	uint64_t near_first; /* the key at place 0 of the tables */
	bool near_on;        /* whether they are used at all */
	uint64_t late;

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

/*
 * Setting up.
 */

/* For tables by key: which part of a state tells that the group has rows. */
static void
window_settle_count(struct window_config *c)
{
	const struct lm_reduce *reduce = &c->group.reduce;

	c->counts = true;
	c->count_offset = reduce->size;
	for (uint32_t i = 0; i < reduce->count; i++) {
		if (reduce->reducer[i].reduction == LM_REDUCE_COUNT) {
			c->counts = false;
			c->count_offset = reduce->reducer[i].offset;
		}
	}
	c->near_size = reduce->size + (c->counts ? sizeof(uint64_t) : 0);
	c->only_counts = !c->counts && reduce->count == 1;
}

static int
window_configure(struct lm_setup *setup, void *config)
{
	struct window_config *c = config;
	const struct lm_schema *schema = lm_setup_input(setup, 0);
	struct lm_field fields[LM_KEY_COLUMNS_MAX + LM_REDUCERS_MAX + 1];
	int result = lm_group_configure(&c->group, setup);

	result |= lm_window_configure(&c->window, setup, "window");
	c->lateness_ns = lm_setup_u64(setup, "lateness");
	c->windows = (uint32_t)lm_setup_u64(setup, "windows");
	if (schema->time_field == LM_NONE) {
		result = lm_setup_error(setup, NULL, LM_NONE, LM_NONE,
		                        "have the operator before it add one, or use `aggregate`",
		                        "windows go by event time, and the input has no column of "
		                        "type time");
	}
	if (result != 0) {
		return -1;
	}
	if (c->group.key.size == 8) {
		window_settle_count(c);
	}
	fields[0] = (struct lm_field){ .name = "time", .type = LM_TIME };
	if (lm_setup_output(setup, OUT, fields, 1 + lm_group_fields(&c->group, fields + 1)) != 0) {
		return -1;
	}
	return lm_setup_output_like(setup, LATE, schema);
}

static int
window_open_one(struct lm_op *op, const struct window_config *c, struct window *window)
{
	size_t near_size = (size_t)LM_NEAR_KEYS * c->near_size;

	if (c->group.key.field_count > 0) {
		window->map = lm_group_open(&c->group, op, c->counts ? sizeof(uint64_t) : 0);
		if (window->map == NULL) {
			return -ENOMEM;
		}
	} else {
		near_size = c->group.reduce.size + sizeof(uint64_t);
	}
	window->near = near_size == 0 ? NULL : lm_op_alloc(op, near_size);
	if (near_size > 0 && window->near == NULL) {
		lm_op_error(op, "no memory for %u windows: lower `windows` or `keys`", c->windows);
		return -ENOMEM;
	}
	return 0;
}

static int
window_open(struct lm_op *op)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);

	w->complete = INT64_MIN;
	w->held = INT64_MIN;
	w->window = lm_op_alloc(op, c->windows * sizeof(*w->window));
	w->scratch = lm_op_alloc(op, lm_key_scratch_size(&c->group.key));
	if (w->window == NULL || w->scratch == NULL) {
		lm_op_error(op, "no memory for %u windows: lower `windows`", c->windows);
		return -ENOMEM;
	}
	w->current = w->window;
	for (uint32_t i = 0; i < c->windows; i++) {
		int result = window_open_one(op, c, &w->window[i]);

		if (result != 0) {
			return result;
		}
	}
	lm_op_gauge(op, GAUGE_LATE, "late", 0);
	return 0;
}

/*
 * Groups of one window.
 */

static uint64_t *
window_count_of(const struct window_config *c, void *state)
{
	return (uint64_t *)(void *)((char *)state + c->count_offset);
}

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
			value = lm_map_get(window->map, packed->hash[row], word, sizeof(*word));
			is_new = value == NULL;
		}
		if (is_new && groups == c->group.keys_max) {
			value = NULL;
		} else if (!is_near && is_new) {
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
	window->near_used = true;
	all_near = lm_near_values(near, w->near_first, window->near, c->near_size, w->rows.value);
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

	if (w->open_count == 1 && !window->near_used && lm_map_count(window->map) == 0) {
		w->near_on = lm_near_settle(&near, &w->near_first);
	}
	if (!w->near_on) {
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

/* Rows that are all in `window`. */
static void
window_add(struct lm_op *op, struct window *window, const struct lm_batch *in,
           const struct lm_select *rows)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	uint32_t refused;

	if (window->map == NULL) {
		uint32_t count = rows == NULL ? in->count : rows->count;

		lm_reduce_one(&c->group.reduce, in, rows == NULL ? NULL : rows->row, count,
		              window->near);
		lm_op_absorb(op, count);
		return;
	}
	if (c->near_size > 0 && window_add_near(op, window, in, rows)) {
		return;
	}
	refused = lm_group_find(&c->group, op, window->map, w->scratch, in, rows, &w->rows);
	if (refused > 0) {
		lm_op_drop(op, DROP_KEYS_FULL, refused);
	}
	window_reduce(op, in);
}

/*
 * Nothing but a count of rows: done in one go as far as keys have a place and rows are in this
 * window. Returns how many rows that were.
 */
static uint32_t
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
	count = lm_near_count(&near, &times, w->near_first, (uint64_t *)(void *)window->near);
	window->is_mixed = count < near.count / 2;
	lm_op_absorb(op, count);
	return count;
}

/*
 * Rows to windows.
 */

/* True: all of these times are in [start, start + size). */
static bool
window_holds(const int64_t *restrict time_ns, uint32_t count, int64_t start, uint64_t size)
{
	uint64_t outside = 0;

	for (uint32_t i = 0; i < count; i++) {
		outside |= (uint64_t)time_ns[i] - (uint64_t)start >= size;
	}
	return outside == 0;
}

/* Moves the rows of w->left whose mask is set to `to`. */
static void
window_split(struct window_aggregate *w, struct lm_select *to)
{
	uint32_t count = w->left.count;

	lm_select_begin(to, w->left.batch);
	lm_select_mask(to, w->mask, w->left.row, count);
	for (uint32_t i = 0; i < count; i++) {
		w->mask[i] = w->mask[i] == 0;
	}
	w->left.count = 0;
	lm_select_mask(&w->left, w->mask, w->left.row, count);
}

/* Takes the rows in [start, start + size) out of w->left, into w->inside. */
static void
window_take(struct window_aggregate *w, const int64_t *time_ns, int64_t start, uint64_t size)
{
	for (uint32_t i = 0; i < w->left.count; i++) {
		w->mask[i] = (uint64_t)time_ns[w->left.row[i]] - (uint64_t)start < size;
	}
	window_split(w, &w->inside);
}

/* Passes on the rows whose window was emitted. */
static void
window_take_late(struct lm_op *op, struct window_aggregate *w, const int64_t *time_ns)
{
	uint32_t late = 0;

	for (uint32_t i = 0; i < w->left.count; i++) {
		w->mask[i] = time_ns[w->left.row[i]] < w->complete;
		late += w->mask[i];
	}
	if (late == 0) {
		return;
	}
	window_split(w, &w->inside);
	lm_op_forward_select_to(op, LATE, &w->inside);
	lm_op_absorb(op, late);
	w->late += late;
	lm_op_gauge(op, GAUGE_LATE, "late", w->late);
}

/* The open window that starts then, opened if need be; NULL when as many are open as may be. */
static struct window *
window_at(struct window_aggregate *w, uint32_t windows, int64_t start)
{
	struct window *unused = NULL;

	for (uint32_t i = 0; i < windows; i++) {
		struct window *window = &w->window[i];

		if (window->is_open && window->start == start) {
			return window;
		}
		if (!window->is_open && unused == NULL) {
			unused = window;
		}
	}
	if (unused != NULL) {
		unused->start = start;
		unused->is_open = true;
		w->open_count++;
	}
	return unused;
}

/* Rows of more than one window, a window at a time. */
static void
window_distribute(struct lm_op *op, const int64_t *time_ns)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	const struct lm_batch *in = w->left.batch;
	uint64_t size = (uint64_t)c->window.size_ns;

	window_take_late(op, w, time_ns);
	while (w->left.count > 0) {
		int64_t start = lm_window_start(&c->window, time_ns[w->left.row[0]]);
		struct window *window = window_at(w, c->windows, start);

		if (window == NULL) {
			break;
		}
		window_take(w, time_ns, start, size);
		window_add(op, window, in, &w->inside);
		w->current = window;
	}
	/* No window can be opened: what is in an open one still counts. */
	for (uint32_t i = 0; w->left.count > 0 && i < c->windows; i++) {
		window_take(w, time_ns, w->window[i].start, size);
		if (w->inside.count > 0) {
			window_add(op, &w->window[i], in, &w->inside);
		}
	}
	if (w->left.count > 0) {
		lm_op_drop(op, DROP_WINDOWS_FULL, w->left.count);
	}
}

static void
window_rows(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	const int64_t *time_ns = lm_batch_time(in);
	uint32_t count = rows == NULL ? in->count : rows->count, done = 0;
	struct window *current = w->current;

	if (current->is_open) {
		done = window_count(op, current, in, rows);
	}
	if (done == count) {
		return;
	}
	if (done == 0 && current->is_open &&
	    window_holds(time_ns, in->count, current->start, (uint64_t)c->window.size_ns)) {
		window_add(op, current, in, rows);
		return;
	}
	lm_select_begin(&w->left, in);
	for (uint32_t i = done; i < count; i++) {
		lm_select_add(&w->left, rows == NULL ? i : rows->row[i]);
	}
	window_distribute(op, time_ns);
}

static void
window_process(struct lm_op *op, const struct lm_batch *in)
{
	window_rows(op, in, NULL);
}

static void
window_process_select(struct lm_op *op, const struct lm_select *in)
{
	window_rows(op, in->batch, in);
}

/*
 * Windows that leave.
 */

/* The next groups of the window on its way out: the table first, then the map. */
static uint32_t
window_next(const struct window_config *c, struct window_aggregate *w)
{
	const struct window *window = w->leaving;
	uint32_t count = 0;
	uint32_t near = window->map == NULL ? 1 : window->near_used ? LM_NEAR_KEYS : 0;

	for (; w->near_cursor < near && count < LM_GROUP_READY; w->near_cursor++) {
		char *state = window->near + (size_t)w->near_cursor * c->near_size;

		if (window->map != NULL && *window_count_of(c, state) == 0) {
			continue;
		}
		w->ready_key[count] = w->near_first + w->near_cursor;
		w->ready.entry[count].key = &w->ready_key[count];
		w->ready.entry[count].length = sizeof(w->ready_key[count]);
		w->ready.entry[count].value = state;
		count++;
	}
	if (count == 0 && window->map != NULL) {
		count = lm_map_scan(window->map, &w->map_cursor, w->ready.entry, LM_GROUP_READY);
	}
	return count;
}

static void
window_close(const struct window_config *c, struct window_aggregate *w, struct window *window)
{
	if (window->map == NULL) {
		memset(window->near, 0, c->group.reduce.size);
	} else {
		lm_map_clear(window->map);
	}
	if (window->near_used) {
		memset(window->near, 0, (size_t)LM_NEAR_KEYS * c->near_size);
	}
	window->near_used = false;
	window->is_mixed = false;
	window->is_open = false;
	w->open_count--;
}

/* Emits what is left of the window on its way out; false: the callback is to come again. */
static bool
window_leave(struct lm_op *op)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);

	do {
		if (!lm_group_emit(&c->group, op, OUT, &w->leaving->start, &w->ready)) {
			return false;
		}
		w->ready.done = 0;
		w->ready.count = window_next(c, w);
	} while (w->ready.count > 0);
	window_close(c, w, w->leaving);
	w->leaving = NULL;
	return true;
}

/* The oldest open window that starts before `complete`, or NULL. */
static struct window *
window_oldest(const struct window_config *c, struct window_aggregate *w, int64_t complete)
{
	struct window *oldest = NULL;

	for (uint32_t i = 0; w->open_count > 0 && i < c->windows; i++) {
		struct window *window = &w->window[i];

		if (window->is_open && window->start < complete &&
		    (oldest == NULL || window->start < oldest->start)) {
			oldest = window;
		}
	}
	return oldest;
}

static void
window_emit_complete(struct lm_op *op, int64_t complete)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);

	for (;;) {
		if (w->leaving == NULL) {
			w->leaving = window_oldest(c, w, complete);
			w->near_cursor = 0;
			w->map_cursor = 0;
		}
		if (w->leaving == NULL) {
			break;
		}
		if (!window_leave(op)) {
			return;
		}
	}
	w->complete = complete > w->complete ? complete : w->complete;
}

static void
window_watermark(struct lm_op *op, int64_t time_ns)
{
	const struct window_config *c = lm_op_config(op);

	window_emit_complete(op, lm_window_complete(&c->window, time_ns, c->lateness_ns));
}

/* Rows to come carry the start of a window that is not complete: event time stays before it. */
static int64_t
window_hold(struct lm_op *op, int64_t time_ns)
{
	struct window_aggregate *w = lm_op_context(op);
	int64_t before = w->complete == INT64_MIN ? INT64_MIN : w->complete - 1;

	before = before < time_ns ? before : time_ns;
	w->held = before > w->held ? before : w->held;
	return w->held;
}

static void
window_end(struct lm_op *op)
{
	window_emit_complete(op, INT64_MAX);
}

static const struct lm_param window_params[] = {
	{ .name = "window",
	  .type = LM_PARAM_TEXT,
	  .required = true,
	  .summary = "kind and size of the windows, as in `tumbling 1s`" },
	LM_GROUP_PARAMS("16384"),
	{ .name = "lateness",
	  .type = LM_PARAM_DURATION,
	  .fallback = "0s",
	  .max = 1e17,
	  .summary = "how long after the watermark passed its end a window still takes rows" },
	{ .name = "windows",
	  .type = LM_PARAM_U64,
	  .fallback = "64",
	  .min = 1,
	  .max = 4096,
	  .summary = "windows open at a time, at most; rows of more are dropped as windows_full" },
	{ .name = NULL },
};
static const char *const window_inputs[] = { "in", NULL };
static const char *const window_outputs[] = { "out", "late", NULL };
static const char *const window_drops[] = { "keys_full", "windows_full", NULL };

static const struct lm_op_class window_aggregate_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_KEYED | LM_OP_AMPLIFIES,
	.name = "window_aggregate",
	.version = "1.0.0",
	.summary = "counts, sums, means, minima and maxima per key and window of event time",
	.params = window_params,
	.inputs = window_inputs,
	.outputs = window_outputs,
	.drops = window_drops,
	.rows = LM_ROWS_ABSORB,
	.config_size = sizeof(struct window_config),
	.context_size = sizeof(struct window_aggregate),
	.configure = window_configure,
	.open = window_open,
	.process = window_process,
	.process_select = window_process_select,
	.watermark = window_watermark,
	.end = window_end,
	.hold = window_hold,
};

REGISTER_CLASS(window_aggregate_class)
