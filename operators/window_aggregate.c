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
#include "operators/window_aggregate.h"

#include <errno.h>
#include <string.h>

#include "core/lm_serial.h"
#include "core/registry_builtin.h"

enum { OUT, LATE };

#define GAUGE_LATE 0u
#define GAUGE_LOST 1u

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
		struct window_aggregate *w = lm_op_context(op);

		window->map = lm_group_open_alike(&c->group, op, c->counts ? sizeof(uint64_t) : 0,
		                                  w->window[0].map);
		if (window->map == NULL) {
			return -ENOMEM;
		}
	} else {
		near_size = c->group.reduce.size + sizeof(uint64_t);
	}
	if (near_size == 0) {
		return 0;
	}
	window->near_value = lm_value_open(op, near_size);
	if (window->near_value == NULL) {
		lm_op_error(op, "no memory for %u windows: lower `windows` or `keys`", c->windows);
		return -ENOMEM;
	}
	window->near = lm_value_data(window->near_value);
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
	w->kept = lm_value_open(op, c->windows * sizeof(struct window_kept));
	if (c->near_size > 0) {
		w->hashed = lm_op_alloc(op, lm_op_input_schema(op, 0)->size);
	}
	if (w->window == NULL || w->scratch == NULL || w->kept == NULL ||
	    (c->near_size > 0 && w->hashed == NULL)) {
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

static void
window_begin(struct window_aggregate *w, struct window *window, int64_t start)
{
	window->start = start;
	window->is_open = true;
	w->open_count++;
	if (window->map != NULL) {
		lm_map_set_label(window->map, start);
	}
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
		window_begin(w, unused, start);
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

/* The table has no groups any more. */
static void
window_empty_table(const struct window_config *c, struct window_aggregate *w, struct window *window)
{
	if (window->near_used) {
		lm_value_touch(window->near_value, window->near,
		               (size_t)LM_NEAR_KEYS * c->near_size);
		memset(window->near, 0, (size_t)LM_NEAR_KEYS * c->near_size);
		window->near_used = false;
		w->near_count--;
	}
}

static void
window_close(const struct window_config *c, struct window_aggregate *w, struct window *window)
{
	if (window->map == NULL) {
		lm_value_touch(window->near_value, window->near, c->group.reduce.size);
		memset(window->near, 0, c->group.reduce.size);
	} else {
		lm_map_clear(window->map);
		lm_map_drop_label(window->map);
	}
	window_empty_table(c, w, window);
	window->far_only = false;
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

/*
 * Snapshots. Which windows are open is written down when one is taken, not whenever it changes.
 */

static void
window_serialize(struct lm_op *op, struct lm_writer *writer)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	struct window_kept *kept = lm_value_data(w->kept);

	for (uint32_t i = 0; i < c->windows; i++) {
		const struct window *window = &w->window[i];
		struct window_kept now = { .start = window->start,
			                   .is_open = window->is_open,
			                   .near_used = window->near_used,
			                   .is_mixed = window->is_mixed,
			                   .far_only = window->far_only };

		if (memcmp(&now, &kept[i], sizeof(now)) != 0) {
			lm_value_touch(w->kept, &kept[i], sizeof(kept[i]));
			kept[i] = now;
		}
	}
	lm_write_i64(writer, w->complete);
	lm_write_i64(writer, w->held);
	lm_write_u64(writer, w->near_first);
	lm_write_u64(writer, w->near_on);
	lm_write_u64(writer, w->late);
	lm_write_u64(writer, w->lost);
}

static void
window_count_lost(struct lm_op *op, uint64_t lost)
{
	struct window_aggregate *w = lm_op_context(op);

	w->lost += lost;
	if (w->lost > 0) {
		lm_op_gauge(op, GAUGE_LOST, "lost_groups", w->lost);
	}
}

static void
window_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	const struct window_kept *kept = lm_value_data(w->kept);

	(void)version;
	for (uint32_t i = 0; i < c->windows; i++) {
		w->window[i].start = kept[i].start;
		w->window[i].near_used = kept[i].near_used != 0;
		w->window[i].is_mixed = kept[i].is_mixed != 0;
		w->window[i].far_only = kept[i].far_only != 0;
		w->near_count += w->window[i].near_used;
		if (kept[i].is_open != 0) {
			window_begin(w, &w->window[i], kept[i].start);
		}
	}
	w->complete = lm_read_i64(reader);
	w->held = lm_read_i64(reader);
	w->near_first = lm_read_u64(reader);
	w->near_on = lm_read_u64(reader) != 0;
	w->late = lm_read_u64(reader);
	lm_op_gauge(op, GAUGE_LATE, "late", w->late);
	window_count_lost(op, lm_read_u64(reader));
}

/*
 * Slots that go from slice to slice. Their groups are in the maps then: what stands in tables by
 * key goes there, a bounded number for each window that is open. Its maps find the windows of the
 * same start by their labels.
 */

static void
window_dissolve_all(struct lm_op *op)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);

	for (uint32_t i = 0; i < c->windows; i++) {
		struct window *window = &w->window[i];

		if (window->near_used) {
			struct window_table table = { .near = window->near,
				                      .first = w->near_first };

			w->lost += window_dissolve(op, window, &table);
			window_empty_table(c, w, window);
		}
		window->far_only = window->is_open;
	}
}

/* Windows that others opened. */
static void
window_meet(struct lm_op *op)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	int64_t start;

	for (uint32_t i = 0; i < c->windows; i++) {
		struct window *window = &w->window[i];

		if (!window->is_open && window->map != NULL && lm_map_label(window->map, &start)) {
			window_begin(w, window, start);
			window->far_only = true;
		}
	}
}

static void
window_settle(struct window_aggregate *w, int64_t complete, int64_t held)
{
	w->complete = complete > w->complete ? complete : w->complete;
	w->held = held > w->held ? held : w->held;
}

static void
window_give(struct lm_op *op, struct lm_move *move)
{
	struct window_aggregate *w = lm_op_context(op);

	window_dissolve_all(op);
	window_count_lost(op, 0);
	move->word[0] = (uint64_t)w->complete;
	move->word[1] = (uint64_t)w->held;
}

static void
window_come(struct lm_op *op, struct lm_move *move)
{
	struct window_aggregate *w = lm_op_context(op);

	window_meet(op);
	window_dissolve_all(op);
	window_count_lost(op, move->lost);
	window_settle(w, (int64_t)move->word[0], (int64_t)move->word[1]);
	if (move->lost > 0) {
		lm_op_error(op,
		            "%llu groups of windows are lost: slices had more than `windows` open "
		            "together when keys moved between them; raise `windows`",
		            (unsigned long long)move->lost);
	}
}

/* What another number of slices wrote; values are opened in the order of `kept`, then the tables.
 */
static void
window_adopt(struct lm_op *op, struct lm_adoption *from)
{
	const struct window_config *c = lm_op_config(op);
	struct window_aggregate *w = lm_op_context(op);
	const struct window_kept *kept = from->value[0];
	int64_t complete = lm_read_i64(from->reader), held = lm_read_i64(from->reader);
	uint64_t first = lm_read_u64(from->reader), late, lost;

	(void)lm_read_u64(from->reader); /* near_on */
	late = lm_read_u64(from->reader);
	lost = lm_read_u64(from->reader);
	window_settle(w, complete, held);
	window_meet(op);
	for (uint32_t i = 0; i < c->windows; i++) {
		struct window_table table = { .first = first, .from = from };
		struct window *window;

		if (kept[i].near_used == 0) {
			continue;
		}
		window = window_at(w, c->windows, kept[i].start);
		if (window == NULL) {
			from->lost++;
			continue;
		}
		window->far_only = true;
		table.near = (char *)(uintptr_t)from->value[1 + i];
		from->lost += window_dissolve(op, window, &table);
	}
	w->late += lm_op_slice(op) == 0 ? late : 0;
	lm_op_gauge(op, GAUGE_LATE, "late", w->late);
	window_count_lost(op, lm_op_slice(op) == 0 ? lost : 0);
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
	.flags = LM_OP_KEYED | LM_OP_AMPLIFIES | LM_OP_RESCALES,
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
	.serialize = window_serialize,
	.deserialize = window_deserialize,
	.give = window_give,
	.take = window_come,
	.adopt = window_adopt,
};

REGISTER_CLASS(window_aggregate_class)
