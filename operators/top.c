/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * top: the k rows of each window, that is of each event time, with the greatest values in a column.
 * A window is emitted, best row first, when the watermark reaches its time; or when it is the
 * oldest and one more is to be opened than may be. Equal values are told apart by the rest of the
 * row, column by column, so that what is kept does not depend on the order of arrival.
 */
#include "core/lm_op.h"

#include <errno.h>
#include <string.h>

#include "core/lm_serial.h"
#include "core/registry_builtin.h"
#include "operators/top_heap.h"
#include "state/lm_order.h"

enum { DROP_LATE, DROP_KEYS_FULL, DROP_ROW_TOO_LONG };

struct top_window {
	int64_t time_ns;
	bool is_open;
	struct lm_map *map; /* key -> index of its group; NULL: one group */
	struct lm_value *groups_value;
	char *groups; /* in it */
	uint32_t group_count;
};

/* What a snapshot keeps of it besides its groups. */
struct top_kept {
	int64_t time_ns;
	uint32_t is_open, group_count;
};

struct top {
	struct top_window *window;
	struct lm_value *kept; /* [window], written when a snapshot is taken */
	size_t group_size;
	uint32_t open_count;
	struct top_window *current; /* the one of the last row; may be closed */
	int64_t emitted;            /* the latest time that was */
	bool any_emitted;
	char *row; /* one, packed */
	void *scratch;

	/* The batch in hand, when its callback comes again. */
	bool under_way;
	uint32_t done;

	/* The window on its way out. */
	struct top_window *leaving;
	uint32_t group_done, row_done;
	uint64_t order[LM_BATCH_ROWS];
};

/*
 * Setting up.
 */

static int
top_configure_key(struct lm_setup *setup, struct top_config *c)
{
	uint32_t fields[LM_KEY_COLUMNS_MAX], count = lm_setup_count(setup, "per");

	c->groups = count == 0 ? 1 : (uint32_t)lm_setup_u64(setup, "keys");
	if (count == 0) {
		return 0;
	}
	if (count > LM_KEY_COLUMNS_MAX) {
		return lm_setup_error(setup, "per", LM_KEY_COLUMNS_MAX, LM_NONE, NULL,
		                      "a key is of up to %u columns", LM_KEY_COLUMNS_MAX);
	}
	for (uint32_t i = 0; i < count; i++) {
		fields[i] = lm_setup_item_column(setup, "per", i);
	}
	if (lm_key_init(&c->key, lm_setup_input(setup, 0), fields, count) != 0) {
		return lm_setup_error(setup, "per", LM_NONE, LM_NONE, "name fewer columns",
		                      "the columns are wider than %u bytes together",
		                      LM_MAP_KEY_MAX);
	}
	return 0;
}

/* Where the columns stand in a kept row. */
static void
top_lay_out(struct top_config *c, const struct lm_schema *schema, uint32_t string_size)
{
	c->field_count = schema->field_count;
	for (uint32_t i = 0; i < schema->field_count; i++) {
		c->type[i] = schema->field[i].type;
		c->width[i] = lm_type_width(c->type[i]);
		c->offset[i] = c->fixed_size;
		c->fixed_size += c->width[i] == 0 ? sizeof(uint32_t) : c->width[i];
		c->string_size = c->width[i] == 0 ? string_size : c->string_size;
	}
	c->row_size = (c->fixed_size + c->string_size + 7) & ~7u;
}

static int
top_configure(struct lm_setup *setup, void *config)
{
	struct top_config *c = config;
	const struct lm_schema *schema = lm_setup_input(setup, 0);
	enum lm_type type;
	uint32_t width;
	int result;

	c->by = lm_setup_column(setup, "by");
	c->k = (uint32_t)lm_setup_u64(setup, "k");
	c->windows = (uint32_t)lm_setup_u64(setup, "windows");
	type = schema->field[c->by].type;
	width = lm_type_width(type);
	result = top_configure_key(setup, c);
	if (width == 0 || width > 8) {
		result = lm_setup_error(setup, "by", LM_NONE, LM_NONE, "take a column of numbers",
		                        "rows cannot be ranked by \"%s\": it is of type %s",
		                        schema->field[c->by].name, lm_type_text(type));
	}
	if (schema->frame_field != LM_NONE) {
		result = lm_setup_error(setup, NULL, LM_NONE, LM_NONE,
		                        "have the operator before it leave it out",
		                        "frames (column \"%s\") cannot be kept",
		                        schema->field[schema->frame_field].name);
	}
	if (result != 0) {
		return -1;
	}
	top_lay_out(c, schema, (uint32_t)lm_setup_u64(setup, "string_bytes"));
	return lm_setup_output_like(setup, 0, schema);
}

static int
top_open(struct lm_op *op)
{
	const struct top_config *c = lm_op_config(op);
	struct top *t = lm_op_context(op);
	struct lm_map_shape shape = { .key_size = c->key.size,
		                      .value_size = sizeof(uint64_t),
		                      .keys_max = c->groups,
		                      .bytes_max = (uint64_t)c->groups * 256 };
	bool failed;

	t->group_size =
	    sizeof(struct top_group) + (size_t)c->k * (sizeof(struct top_entry) + c->row_size);
	t->window = lm_op_alloc(op, c->windows * sizeof(*t->window));
	t->row = lm_op_alloc(op, c->row_size);
	t->scratch = lm_op_alloc(op, lm_key_scratch_size(&c->key));
	t->kept = lm_value_open(op, c->windows * sizeof(struct top_kept));
	failed = t->window == NULL || t->row == NULL || t->scratch == NULL || t->kept == NULL;
	for (uint32_t i = 0; !failed && i < c->windows; i++) {
		struct top_window *window = &t->window[i];

		window->groups_value = lm_value_open(op, c->groups * t->group_size);
		failed = window->groups_value == NULL;
		window->groups = failed ? NULL : lm_value_data(window->groups_value);
		if (!failed && c->key.field_count > 0) {
			window->map = lm_map_open(op, &shape);
			failed = window->map == NULL;
		}
	}
	if (failed) {
		lm_op_error(op,
		            "no memory for %u windows of %u groups of %u rows of %u bytes: lower "
		            "`windows`, `keys`, `k` or `string_bytes`",
		            c->windows, c->groups, c->k, c->row_size);
		return -ENOMEM;
	}
	t->current = t->window;
	return 0;
}

/*
 * Windows.
 */

static struct top_group *
top_group_at(const struct top *t, const struct top_window *window, uint32_t index)
{
	return (struct top_group *)(void *)(window->groups + index * t->group_size);
}

static struct top_window *
top_oldest(const struct top_config *c, const struct top *t)
{
	struct top_window *oldest = NULL;

	for (uint32_t i = 0; t->open_count > 0 && i < c->windows; i++) {
		struct top_window *window = &t->window[i];

		if (window->is_open && (oldest == NULL || window->time_ns < oldest->time_ns)) {
			oldest = window;
		}
	}
	return oldest;
}

static void
top_close(struct top *t, struct top_window *window)
{
	for (uint32_t i = 0; i < window->group_count; i++) {
		struct top_group *group = top_group_at(t, window, i);

		lm_value_touch(window->groups_value, group, sizeof(*group));
		memset(group, 0, sizeof(*group));
	}
	if (window->map != NULL) {
		lm_map_clear(window->map);
	}
	window->group_count = 0;
	window->is_open = false;
	t->open_count--;
	t->emitted = window->time_ns;
	t->any_emitted = true;
}

/* Emits up to `count` rows of a group from t->row_done on; returns how many. */
static uint32_t
top_emit_rows(struct lm_op *op, struct top_group *group, uint32_t count)
{
	const struct top_config *c = lm_op_config(op);
	const struct top *t = lm_op_context(op);
	const struct top_entry *entry = top_entries(group) + t->row_done;
	uint32_t first, emitted = 0;
	struct lm_batch *out = lm_op_reserve(op, 0, count, &first);

	while (emitted < count &&
	       top_unpack_row(c, top_row(c, group, entry[emitted].place), out, first + emitted)) {
		emitted++;
	}
	lm_op_emit(op, 0, emitted);
	return emitted;
}

/* Emits what is left of the window on its way out; false: the callback is to come again. */
static bool
top_leave(struct lm_op *op)
{
	const struct top_config *c = lm_op_config(op);
	struct top *t = lm_op_context(op);
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity;

	while (t->group_done < t->leaving->group_count) {
		struct top_group *group = top_group_at(t, t->leaving, t->group_done);
		struct top_heap heap = { t->leaving->groups_value, group };

		if (!group->is_sorted) {
			top_sort(c, &heap);
		}
		while (t->row_done < group->count) {
			uint32_t room = lm_op_room(op, 0), left = group->count - t->row_done;
			uint32_t emitted;

			room = room < capacity ? room : capacity;
			emitted =
			    room == 0 ? 0 : top_emit_rows(op, group, room < left ? room : left);
			t->row_done += emitted;
			if (emitted == 0) {
				lm_op_again(op);
				return false;
			}
		}
		t->row_done = 0;
		t->group_done++;
	}
	top_close(t, t->leaving);
	t->leaving = NULL;
	t->group_done = 0;
	return true;
}

/* Emits the open windows up to a time, oldest first; false: the callback is to come again. */
static bool
top_leave_until(struct lm_op *op, int64_t time_ns)
{
	const struct top_config *c = lm_op_config(op);
	struct top *t = lm_op_context(op);

	for (;;) {
		if (t->leaving == NULL) {
			t->leaving = top_oldest(c, t);
		}
		if (t->leaving == NULL || t->leaving->time_ns > time_ns) {
			t->leaving = NULL;
			return true;
		}
		if (!top_leave(op)) {
			return false;
		}
	}
}

static struct top_window *
top_find_window(const struct top_config *c, const struct top *t, int64_t time_ns)
{
	for (uint32_t i = 0; i < c->windows; i++) {
		if (t->window[i].is_open && t->window[i].time_ns == time_ns) {
			return &t->window[i];
		}
	}
	return NULL;
}

/* A window for rows of a time that has none; there is an unused one. */
static struct top_window *
top_open_window(struct top *t, int64_t time_ns)
{
	struct top_window *window = t->window;

	while (window->is_open) {
		window++;
	}
	window->is_open = true;
	window->time_ns = time_ns;
	t->open_count++;
	return window;
}

/*
 * Rows.
 */

/* The group of a row, or NULL when there are as many as may be. */
static struct top_group *
top_find_group(const struct top_config *c, struct top *t, struct top_window *window,
               const struct lm_map_rows *packed, uint32_t row)
{
	const char *key = packed->keys;
	uint32_t length = c->key.size;
	uint64_t *index;
	bool is_new;

	if (window->map == NULL) {
		window->group_count = 1;
		return top_group_at(t, window, 0);
	}
	if (length == 0) {
		key += packed->offsets[row];
		length = packed->offsets[row + 1] - packed->offsets[row];
	} else {
		key += (size_t)row * length;
	}
	index = lm_map_put(window->map, packed->hash[row], key, length, &is_new);
	if (index == NULL) {
		return NULL;
	}
	if (is_new) {
		*index = window->group_count++;
	}
	return top_group_at(t, window, (uint32_t)*index);
}

static void
top_take_row(struct lm_op *op, struct top_window *window, const struct lm_batch *in,
             const struct lm_map_rows *packed, uint32_t row, uint64_t order)
{
	const struct top_config *c = lm_op_config(op);
	struct top *t = lm_op_context(op);
	struct top_group *group = top_find_group(c, t, window, packed, row);

	if (group == NULL) {
		lm_op_drop(op, DROP_KEYS_FULL, 1);
		return;
	}
	/* Most rows are worse than the worst that is kept. */
	if (group->count == c->k && order < top_entries(group)[0].order) {
		lm_op_absorb(op, 1);
		return;
	}
	if (!top_pack_row(c, t->row, in, row)) {
		lm_op_drop(op, DROP_ROW_TOO_LONG, 1);
		return;
	}
	top_offer(c, t->row, &(struct top_heap){ window->groups_value, group }, order);
	lm_op_absorb(op, 1);
}

/* The window of a time in *window, NULL if rows of that time are late; false: come again. */
static bool
top_window_of(struct lm_op *op, int64_t time_ns, struct top_window **window)
{
	const struct top_config *c = lm_op_config(op);
	struct top *t = lm_op_context(op);

	*window = top_find_window(c, t, time_ns);
	if (*window != NULL || (t->any_emitted && time_ns <= t->emitted)) {
		return true;
	}
	if (t->open_count == c->windows) {
		int64_t oldest_ns = top_oldest(c, t)->time_ns;

		if (time_ns < oldest_ns) {
			return true;
		}
		if (!top_leave_until(op, oldest_ns)) {
			return false;
		}
	}
	*window = top_open_window(t, time_ns);
	return true;
}

static void
top_rows(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows)
{
	const struct top_config *c = lm_op_config(op);
	struct top *t = lm_op_context(op);
	const int64_t *time_ns = lm_batch_time(in);
	uint32_t count = rows == NULL ? in->count : rows->count;
	struct lm_map_rows packed;

	if (c->key.field_count > 0) {
		lm_key_pack(&c->key, t->scratch, in, rows, &packed);
		packed.hash = lm_op_hash(op, in, rows, c->key.field, c->key.field_count);
	}
	if (!t->under_way) {
		lm_order_words(t->order, in, c->by, rows == NULL ? NULL : rows->row, count);
		lm_order_keys(t->order, c->type[c->by], count, false, true);
		t->under_way = true;
		t->done = 0;
	}
	for (; t->done < count; t->done++) {
		uint32_t row = rows == NULL ? t->done : rows->row[t->done];
		int64_t now_ns = time_ns == NULL ? 0 : time_ns[row];
		struct top_window *window = t->current;

		if ((!window->is_open || window->time_ns != now_ns) &&
		    !top_window_of(op, now_ns, &window)) {
			return;
		}
		if (window == NULL) {
			lm_op_drop(op, DROP_LATE, 1);
			continue;
		}
		t->current = window;
		top_take_row(op, window, in, &packed, row, t->order[t->done]);
	}
	t->under_way = false;
}

static void
top_process(struct lm_op *op, const struct lm_batch *in)
{
	top_rows(op, in, NULL);
}

static void
top_process_select(struct lm_op *op, const struct lm_select *in)
{
	top_rows(op, in->batch, in);
}

static void
top_watermark(struct lm_op *op, int64_t time_ns)
{
	if (lm_op_input_schema(op, 0)->time_field != LM_NONE) {
		(void)top_leave_until(op, time_ns);
	}
}

static void
top_end(struct lm_op *op)
{
	(void)top_leave_until(op, INT64_MAX);
}

/*
 * Snapshots. Which windows are open is written down when one is taken, not whenever it changes.
 */

static void
top_serialize(struct lm_op *op, struct lm_writer *writer)
{
	const struct top_config *c = lm_op_config(op);
	struct top *t = lm_op_context(op);
	struct top_kept *kept = lm_value_data(t->kept);

	for (uint32_t i = 0; i < c->windows; i++) {
		struct top_kept now = { .time_ns = t->window[i].time_ns,
			                .is_open = t->window[i].is_open,
			                .group_count = t->window[i].group_count };

		if (memcmp(&now, &kept[i], sizeof(now)) != 0) {
			lm_value_touch(t->kept, &kept[i], sizeof(kept[i]));
			kept[i] = now;
		}
	}
	lm_write_i64(writer, t->emitted);
	lm_write_u64(writer, t->any_emitted);
}

static void
top_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	const struct top_config *c = lm_op_config(op);
	struct top *t = lm_op_context(op);
	const struct top_kept *kept = lm_value_data(t->kept);

	(void)version;
	t->open_count = 0;
	for (uint32_t i = 0; i < c->windows; i++) {
		t->window[i].time_ns = kept[i].time_ns;
		t->window[i].is_open = kept[i].is_open != 0;
		t->window[i].group_count = kept[i].group_count;
		t->open_count += t->window[i].is_open;
	}
	t->emitted = lm_read_i64(reader);
	t->any_emitted = lm_read_u64(reader) != 0;
}

static const struct lm_param top_params[] = {
	{ .name = "by",
	  .type = LM_PARAM_COLUMN,
	  .required = true,
	  .summary = "the column whose greatest values are wanted" },
	{ .name = "k",
	  .type = LM_PARAM_U64,
	  .fallback = "10",
	  .min = 1,
	  .max = 65536,
	  .summary = "rows of a window that are passed on" },
	{ .name = "per",
	  .type = LM_PARAM_COLUMNS,
	  .summary = "columns of a key: k rows for each key, not for the whole window" },
	{ .name = "keys",
	  .type = LM_PARAM_U64,
	  .fallback = "256",
	  .min = 1,
	  .max = 1 << 20,
	  .summary = "keys of a window at most; rows of more are dropped as keys_full" },
	{ .name = "windows",
	  .type = LM_PARAM_U64,
	  .fallback = "64",
	  .min = 1,
	  .max = 4096,
	  .summary = "event times open at once; one more and the oldest is passed on" },
	{ .name = "string_bytes",
	  .type = LM_PARAM_SIZE,
	  .fallback = "256",
	  .min = 1,
	  .max = 1 << 20,
	  .summary = "bytes of a row's strings together; longer rows are row_too_long" },
	{ .name = NULL },
};
static const char *const top_inputs[] = { "in", NULL };
static const char *const top_outputs[] = { "out", NULL };
static const char *const top_drops[] = { "late", "keys_full", "row_too_long", NULL };

static const struct lm_op_class top_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_GLOBAL | LM_OP_AMPLIFIES,
	.name = "top",
	.version = "1.0.0",
	.summary = "the k rows with the greatest values of each window",
	.params = top_params,
	.inputs = top_inputs,
	.outputs = top_outputs,
	.drops = top_drops,
	.rows = LM_ROWS_ABSORB,
	.config_size = sizeof(struct top_config),
	.context_size = sizeof(struct top),
	.configure = top_configure,
	.open = top_open,
	.process = top_process,
	.process_select = top_process_select,
	.watermark = top_watermark,
	.end = top_end,
	.serialize = top_serialize,
	.deserialize = top_deserialize,
};

REGISTER_CLASS(top_class)
