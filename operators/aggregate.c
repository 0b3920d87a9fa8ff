/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * aggregate: keeps running aggregates per key and emits them with every row (update), now and then
 * those that changed (every), or all of them when the stream ends (end).
 */
#include "core/lm_op.h"
#include "core/lm_serial.h"
#include "core/registry_builtin.h"
#include "state/lm_group.h"
#include "state/lm_value.h"

#include <errno.h>
#include <string.h>

enum { DROP_KEYS_FULL };
enum aggregate_emit { EMIT_UPDATE, EMIT_END, EMIT_EVERY };

struct aggregate_config {
	struct lm_group group;
	enum aggregate_emit emit;
	uint64_t period_ns;
	uint32_t time_field; /* of the input, passed on with update; LM_NONE: none, or it is in the
	                        key */
};

struct aggregate {
	struct lm_map *map; /* NULL: one group */
	void *scratch;
	struct lm_value *total; /* one group: */
	void *one;              /* its state */
	uint64_t cursor;        /* end: how far the map was walked */
	bool one_left;          /* end: it has rows and was not emitted */
	bool under_way;         /* update: the batch was asked about before */
	uint32_t done;          /* update: rows of it that were emitted */
	void **changed;         /* every: values of the groups to emit */
	uint32_t changed_count, changed_done;
	struct lm_group_rows rows;
	struct lm_group_ready ready;
};

static int
aggregate_configure(struct lm_setup *setup, void *config)
{
	struct aggregate_config *c = config;
	const struct lm_schema *schema = lm_setup_input(setup, 0);
	struct lm_field fields[LM_KEY_COLUMNS_MAX + LM_REDUCERS_MAX + 1];
	uint32_t count;
	int result;

	c->emit = (enum aggregate_emit)lm_setup_choice(setup, "emit");
	c->period_ns = lm_setup_u64(setup, "period");
	result = lm_group_configure(&c->group, setup);
	if (c->emit != EMIT_EVERY && lm_setup_has(setup, "period")) {
		result = lm_setup_error(setup, "period", LM_NONE, LM_NONE,
		                        "leave it out, or write `emit: every`",
		                        "it is only for `emit: every`");
	}
	if (c->emit == EMIT_EVERY && c->period_ns == 0) {
		result = lm_setup_error(setup, "emit", LM_NONE, LM_NONE,
		                        "say how often, for example `period: 1s`",
		                        "`every` needs a period above zero");
	}
	if (result != 0) {
		return -1;
	}
	count = lm_group_fields(&c->group, fields);
	c->time_field = c->emit == EMIT_UPDATE ? schema->time_field : LM_NONE;
	for (uint32_t i = 0; i < c->group.key.field_count; i++) {
		if (c->group.key.field[i] == c->time_field) {
			c->time_field = LM_NONE;
		}
	}
	if (c->time_field != LM_NONE) {
		fields[count++] = schema->field[c->time_field];
	}
	return lm_setup_output(setup, 0, fields, count);
}

/* Bytes of a group's state, and with `every` whether it is on the list. */
static uint32_t
aggregate_size(const struct aggregate_config *c)
{
	return c->group.reduce.size + (c->emit == EMIT_EVERY ? sizeof(uint64_t) : 0);
}

static int
aggregate_open(struct lm_op *op)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);
	uint32_t more = aggregate_size(c) - c->group.reduce.size;
	uint32_t groups = c->group.key.field_count == 0 ? 1 : c->group.keys_max;

	if (c->group.key.field_count > 0) {
		a->map = lm_group_open(&c->group, op, more);
		if (a->map == NULL) {
			return -ENOMEM;
		}
		a->scratch = lm_op_alloc(op, lm_key_scratch_size(&c->group.key));
	} else {
		a->total = lm_value_open(op, c->group.reduce.size + more);
		a->one = a->total == NULL ? NULL : lm_value_data(a->total);
	}
	if (c->emit == EMIT_EVERY) {
		a->changed = lm_op_alloc(op, groups * sizeof(*a->changed));
		lm_op_timer_start(op, 0, c->period_ns);
	}
	if ((a->scratch == NULL && a->one == NULL) ||
	    (c->emit == EMIT_EVERY && a->changed == NULL)) {
		lm_op_error(op, "no memory for the working space of %u groups", groups);
		return -ENOMEM;
	}
	return 0;
}

/* The groups of the rows, in a->rows; counts them. */
static void
aggregate_find(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);
	uint32_t refused = 0;

	if (a->map != NULL) {
		refused = lm_group_find(&c->group, op, a->map, a->scratch, in, rows, &a->rows);
	} else {
		a->one_left = true;
		lm_value_touch(a->total, a->one, aggregate_size(c));
		a->rows.rows = rows == NULL ? NULL : rows->row;
		a->rows.count = rows == NULL ? in->count : rows->count;
		for (uint32_t i = 0; i < a->rows.count; i++) {
			a->rows.value[i] = a->one;
		}
	}
	if (refused > 0) {
		lm_op_drop(op, DROP_KEYS_FULL, refused);
	}
	lm_op_absorb(op, a->rows.count);
}

/*
 * Update: a row out for every row in.
 */

/* Emits up to `count` rows from a->done on; returns how many. */
static uint32_t
aggregate_emit_rows(struct lm_op *op, const struct lm_batch *in, uint32_t count)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);
	const struct lm_group *group = &c->group;
	const uint16_t *rows = a->rows.row + a->done;
	uint32_t column = group->key.field_count, first;
	struct lm_batch *out = lm_op_reserve(op, 0, count, &first);

	if (column > 0) {
		count = lm_key_copy(&group->key, in, rows, count, out, 0, first);
	}
	lm_reduce_running(&group->reduce, in, rows, count, a->rows.value + a->done, out, column,
	                  first);
	column += group->reduce.count;
	for (uint32_t i = 0; c->time_field != LM_NONE && i < count; i++) {
		lm_batch_i64(out, column)[first + i] = lm_batch_i64(in, c->time_field)[rows[i]];
	}
	lm_op_emit(op, 0, count);
	return count;
}

static void
aggregate_update(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows)
{
	struct aggregate *a = lm_op_context(op);
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity;

	if (!a->under_way) {
		aggregate_find(op, in, rows);
		for (uint32_t i = 0; a->rows.rows != a->rows.row && i < a->rows.count; i++) {
			a->rows.row[i] = rows == NULL ? (uint16_t)i : rows->row[i];
		}
		a->under_way = true;
		a->done = 0;
	}
	while (a->done < a->rows.count) {
		uint32_t room = lm_op_room(op, 0), left = a->rows.count - a->done, emitted;

		room = room < capacity ? room : capacity;
		emitted = room == 0 ? 0 : aggregate_emit_rows(op, in, room < left ? room : left);
		a->done += emitted;
		if (emitted == 0) {
			lm_op_again(op);
			return;
		}
	}
	a->under_way = false;
}

/*
 * End, every: groups.
 */

/* Lists the groups that were not on the list yet. */
static void
aggregate_mark(struct aggregate *a, uint32_t state_size)
{
	for (uint32_t i = 0; i < a->rows.count; i++) {
		uint64_t *is_listed = (uint64_t *)(void *)((char *)a->rows.value[i] + state_size);

		if (*is_listed == 0) {
			*is_listed = 1;
			a->changed[a->changed_count++] = a->rows.value[i];
		}
	}
}

static void
aggregate_rows(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);

	if (c->emit == EMIT_UPDATE) {
		aggregate_update(op, in, rows);
		return;
	}
	aggregate_find(op, in, rows);
	if (a->map != NULL) {
		lm_reduce_rows(&c->group.reduce, in, a->rows.rows, a->rows.count, a->rows.value);
	} else {
		lm_reduce_one(&c->group.reduce, in, a->rows.rows, a->rows.count, a->one);
	}
	if (c->emit == EMIT_EVERY) {
		aggregate_mark(a, c->group.reduce.size);
	}
}

static void
aggregate_process(struct lm_op *op, const struct lm_batch *in)
{
	aggregate_rows(op, in, NULL);
}

static void
aggregate_process_select(struct lm_op *op, const struct lm_select *in)
{
	aggregate_rows(op, in->batch, in);
}

/* The next groups that changed; they are off the list then. Returns how many. */
static uint32_t
aggregate_next_changed(struct aggregate *a, uint32_t state_size)
{
	uint32_t count = 0;

	while (count < LM_GROUP_READY && a->changed_done < a->changed_count) {
		void *value = a->changed[a->changed_done++];
		uint64_t *is_listed = (uint64_t *)(void *)((char *)value + state_size);

		a->ready.entry[count].value = value;
		if (a->map != NULL) {
			lm_map_touch(a->map, value);
			lm_map_entry_of(a->map, value, &a->ready.entry[count]);
		} else {
			lm_value_touch(a->total, is_listed, sizeof(*is_listed));
		}
		*is_listed = 0;
		count++;
	}
	return count;
}

/* The next groups of all. Returns how many. */
static uint32_t
aggregate_next(struct aggregate *a)
{
	if (a->map != NULL) {
		return lm_map_scan(a->map, &a->cursor, a->ready.entry, LM_GROUP_READY);
	}
	if (!a->one_left) {
		return 0;
	}
	a->ready.entry[0].value = a->one;
	a->one_left = false;
	return 1;
}

/* Emits the groups that changed, or all; false: the callback is to come again. */
static bool
aggregate_flush(struct lm_op *op)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);

	do {
		if (!lm_group_emit(&c->group, op, 0, NULL, &a->ready)) {
			return false;
		}
		a->ready.done = 0;
		a->ready.count = c->emit == EMIT_EVERY
		                     ? aggregate_next_changed(a, c->group.reduce.size)
		                     : aggregate_next(a);
	} while (a->ready.count > 0);
	a->changed_count = 0;
	a->changed_done = 0;
	return true;
}

static void
aggregate_timer(struct lm_op *op, uint32_t timer)
{
	(void)timer;
	(void)aggregate_flush(op);
}

static void
aggregate_end(struct lm_op *op)
{
	const struct aggregate_config *c = lm_op_config(op);

	if (c->emit != EMIT_UPDATE) {
		(void)aggregate_flush(op);
	}
}

/*
 * Snapshots. What changed stands in the groups; the list of it is made anew.
 */

static void
aggregate_serialize(struct lm_op *op, struct lm_writer *writer)
{
	const struct aggregate *a = lm_op_context(op);

	lm_write_u64(writer, a->one_left);
}

/* Lists a group again that was on the list. */
static void
aggregate_list(struct aggregate *a, void *value, uint32_t state_size)
{
	if (*(uint64_t *)(void *)((char *)value + state_size) != 0) {
		a->changed[a->changed_count++] = value;
	}
}

static void
aggregate_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);
	uint64_t cursor = 0;
	uint32_t count;

	(void)version;
	a->one_left = lm_read_u64(reader) != 0;
	if (c->emit != EMIT_EVERY) {
		return;
	}
	if (a->map == NULL) {
		aggregate_list(a, a->one, c->group.reduce.size);
		return;
	}
	do {
		count = lm_map_scan(a->map, &cursor, a->ready.entry, LM_GROUP_READY);
		for (uint32_t i = 0; i < count; i++) {
			aggregate_list(a, a->ready.entry[i].value, c->group.reduce.size);
		}
	} while (count > 0);
}

static const char *const aggregate_emits[] = { "update", "end", "every", NULL };
static const struct lm_param aggregate_params[] = {
	LM_GROUP_PARAMS("65536"),
	{ .name = "emit",
	  .type = LM_PARAM_CHOICE,
	  .fallback = "end",
	  .choices = aggregate_emits,
	  .summary = "with every row, all when the stream ends, or every `period` what changed" },
	{ .name = "period", .type = LM_PARAM_DURATION, .summary = "how often, for `emit: every`" },
	{ .name = NULL },
};
static const char *const aggregate_inputs[] = { "in", NULL };
static const char *const aggregate_outputs[] = { "out", NULL };
static const char *const aggregate_drops[] = { "keys_full", NULL };

static const struct lm_op_class aggregate_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_KEYED | LM_OP_AMPLIFIES,
	.name = "aggregate",
	.version = "1.0.0",
	.summary = "running counts, sums, means, minima and maxima per key",
	.params = aggregate_params,
	.inputs = aggregate_inputs,
	.outputs = aggregate_outputs,
	.drops = aggregate_drops,
	.rows = LM_ROWS_ABSORB,
	.config_size = sizeof(struct aggregate_config),
	.context_size = sizeof(struct aggregate),
	.configure = aggregate_configure,
	.open = aggregate_open,
	.process = aggregate_process,
	.process_select = aggregate_process_select,
	.timer = aggregate_timer,
	.end = aggregate_end,
	.serialize = aggregate_serialize,
	.deserialize = aggregate_deserialize,
};
REGISTER_CLASS(aggregate_class)
