/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * aggregate: keeps running aggregates per key and emits them with every row (update), now and then
 * those that changed (every), or all of them when the stream ends (end). A group that is removed,
 * for it had no row for long or to make room, is emitted then, unless it was as it is.
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
enum { GAUGE_EXPIRED, GAUGE_EVICTED };

/* Rounds of LM_GROUP_READY groups that may expire in one call. */
#define AGGREGATE_ROUNDS 4u

struct aggregate_config {
	struct lm_group group;
	struct lm_map_aging aging;
	bool ages; /* groups may be removed */
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
	bool under_way;         /* the batch was asked about before */
	uint32_t found;         /* rows of it whose groups were found */
	uint32_t done;          /* update: rows of a->rows that were emitted */
	void **changed;         /* every: values of the groups to emit */
	uint32_t changed_count, changed_done;
	struct lm_group_rows rows;
	struct lm_group_ready ready;

	/* Groups that are removed, until they are emitted: what the entries in `ready` point to. */
	char *leaving_key, *leaving_state;
	size_t leaving_used, leaving_size; /* of the keys */
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
	result |= lm_map_aging_configure(&c->aging, setup);
	c->ages = lm_map_aging_is_on(&c->aging);
	if (c->ages && lm_setup_count(setup, "by") == 0) {
		result = lm_setup_error(setup, c->aging.ttl_ns > 0 ? "ttl" : "when_full", LM_NONE,
		                        LM_NONE, "name the columns of the key in `by`",
		                        "without `by` there is one group, and it stays");
	}
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

/* Bytes of a group's state, and with `every` its place on the list, from 1; 0: not there. */
static uint32_t
aggregate_size(const struct aggregate_config *c)
{
	return c->group.reduce.size + (c->emit == EMIT_EVERY ? sizeof(uint64_t) : 0);
}

/*
 * Groups that go.
 */

/* Where a group stands on the list of those that changed, from 1; 0: it does not. */
static uint64_t *
aggregate_listed(const struct aggregate_config *c, void *value)
{
	return (uint64_t *)(void *)((char *)value + c->group.reduce.size);
}

/* Takes a group off the list: the last one moves to its place. */
static void
aggregate_unlist(const struct aggregate_config *c, struct aggregate *a, void *value)
{
	void *last = a->changed[--a->changed_count];
	uint64_t place = *aggregate_listed(c, value);

	lm_map_touch(a->map, last);
	lm_map_touch(a->map, value);
	a->changed[place - 1] = last;
	*aggregate_listed(c, last) = place;
	*aggregate_listed(c, value) = 0;
}

/* A group is about to be removed: keeps a copy to emit. False: there is no room for it now. */
static bool
aggregate_removed(void *arg, const struct lm_map_entry *entry, enum lm_map_removal why)
{
	struct lm_op *op = arg;
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);
	struct lm_map_entry *to = &a->ready.entry[a->ready.count];
	size_t key_size = (entry->length + 7) & ~(size_t)7;

	(void)why;
	if (c->emit == EMIT_EVERY && *aggregate_listed(c, entry->value) == 0) {
		return true;
	}
	if (a->ready.count == LM_GROUP_READY || key_size > a->leaving_size - a->leaving_used) {
		return false;
	}
	to->key = a->leaving_key + a->leaving_used;
	to->length = entry->length;
	to->value = a->leaving_state + (size_t)a->ready.count * c->group.reduce.size;
	memcpy(a->leaving_key + a->leaving_used, entry->key, entry->length);
	memcpy(to->value, entry->value, c->group.reduce.size);
	a->leaving_used += key_size;
	a->ready.count++;
	if (c->emit == EMIT_EVERY) {
		aggregate_unlist(c, a, entry->value);
	}
	return true;
}

static void
aggregate_count_removed(struct lm_op *op)
{
	const struct aggregate *a = lm_op_context(op);

	lm_op_gauge(op, GAUGE_EXPIRED, "expired", lm_map_removed(a->map, LM_MAP_EXPIRED));
	lm_op_gauge(op, GAUGE_EVICTED, "evicted", lm_map_removed(a->map, LM_MAP_EVICTED));
}

/*
 * Opening.
 */

/* The map of the groups, and what it takes to let groups go. NULL after lm_op_error. */
static struct lm_map *
aggregate_open_map(struct lm_op *op, uint32_t more)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);
	struct lm_map_aging aging = c->aging;

	if (c->ages && c->emit != EMIT_UPDATE) {
		/* Any number of short keys, and at least one that is as long as can be. */
		a->leaving_size = LM_GROUP_READY * LM_MAP_KEY_MAX + LM_MAP_KEY_MAX +
		                  c->group.key.bytes_max + LM_KEY_COLUMNS_MAX * sizeof(uint64_t);
		a->leaving_key = lm_op_alloc(op, a->leaving_size);
		a->leaving_state = lm_op_alloc(op, (size_t)LM_GROUP_READY * c->group.reduce.size);
		if (a->leaving_key == NULL || a->leaving_state == NULL) {
			lm_op_error(op, "no memory for the groups that are removed");
			return NULL;
		}
		aging.on_remove = aggregate_removed;
		aging.arg = op;
	}
	return lm_group_open_aging(&c->group, op, more, &aging);
}

static int
aggregate_open(struct lm_op *op)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);
	uint32_t more = aggregate_size(c) - c->group.reduce.size;
	uint32_t groups = c->group.key.field_count == 0 ? 1 : c->group.keys_max;

	if (c->group.key.field_count > 0) {
		a->map = aggregate_open_map(op, more);
		if (a->map == NULL) {
			return -ENOMEM;
		}
		groups = groups > lm_map_bound(a->map) ? groups : lm_map_bound(a->map);
		a->scratch = lm_op_alloc(op, lm_key_scratch_size(&c->group.key));
	} else {
		a->total = lm_value_open(op, c->group.reduce.size + more);
		a->one = a->total == NULL ? NULL : lm_value_data(a->total);
	}
	if (c->ages) {
		aggregate_count_removed(op);
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

/* Emits what was removed; false: the callback is to come again. */
static bool
aggregate_leave(struct lm_op *op)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);

	if (!lm_group_emit(&c->group, op, 0, NULL, &a->ready)) {
		return false;
	}
	a->ready.count = 0;
	a->ready.done = 0;
	a->leaving_used = 0;
	return true;
}

/* Groups that had no row for long go, a bounded number a call. */
static void
aggregate_watermark(struct lm_op *op, int64_t time_ns)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);
	bool is_through = false;

	if (!c->ages) {
		return;
	}
	for (uint32_t round = 0; round < AGGREGATE_ROUNDS; round++) {
		if (!aggregate_leave(op)) {
			return;
		}
		if (is_through) {
			aggregate_count_removed(op);
			return;
		}
		is_through = lm_map_expire(a->map, time_ns, LM_GROUP_READY);
	}
	lm_op_again(op);
}

/*
 * Rows.
 */

/* The groups of rows from a->found on, in a->rows; counts them. `packed`: where groups may go. */
static void
aggregate_find(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows,
               struct lm_map_rows *packed)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);
	uint32_t count = rows == NULL ? in->count : rows->count, refused = 0;

	if (c->ages) {
		packed->first = a->found;
		packed->count = count - a->found;
		a->found +=
		    lm_group_find_part(a->map, packed, lm_batch_time(in), &a->rows, &refused);
	} else if (a->map != NULL) {
		refused = lm_group_find(&c->group, op, a->map, a->scratch, in, rows, &a->rows);
		a->found = count;
	} else {
		a->one_left = true;
		lm_value_touch(a->total, a->one, aggregate_size(c));
		a->rows.rows = rows == NULL ? NULL : rows->row;
		a->rows.count = count;
		for (uint32_t i = 0; i < count; i++) {
			a->rows.value[i] = a->one;
		}
		a->found = count;
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

/* Emits the rows that have groups; false: the callback is to come again. */
static bool
aggregate_update(struct lm_op *op, const struct lm_batch *in)
{
	struct aggregate *a = lm_op_context(op);
	uint32_t capacity = lm_op_output_schema(op, 0)->capacity;

	while (a->done < a->rows.count) {
		uint32_t room = lm_op_room(op, 0), left = a->rows.count - a->done, emitted;

		room = room < capacity ? room : capacity;
		emitted = room == 0 ? 0 : aggregate_emit_rows(op, in, room < left ? room : left);
		a->done += emitted;
		if (emitted == 0) {
			lm_op_again(op);
			return false;
		}
	}
	return true;
}

/* The rows that aggregate_update is to emit. */
static void
aggregate_list_rows(struct aggregate *a)
{
	for (uint32_t i = 0; a->rows.rows != a->rows.row && i < a->rows.count; i++) {
		a->rows.row[i] = a->rows.rows == NULL ? (uint16_t)i : a->rows.rows[i];
	}
	a->done = 0;
}

/*
 * End, every: groups.
 */

/* Lists the groups that were not on the list yet. */
static void
aggregate_mark(const struct aggregate_config *c, struct aggregate *a)
{
	for (uint32_t i = 0; i < a->rows.count; i++) {
		uint64_t *listed = aggregate_listed(c, a->rows.value[i]);

		if (*listed == 0) {
			a->changed[a->changed_count++] = a->rows.value[i];
			*listed = a->changed_count;
		}
	}
}

/* Adds the rows that have groups. */
static void
aggregate_reduce(struct lm_op *op, const struct lm_batch *in)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);

	if (c->emit == EMIT_UPDATE) {
		aggregate_list_rows(a);
		return;
	}
	if (a->map != NULL) {
		lm_reduce_rows(&c->group.reduce, in, a->rows.rows, a->rows.count, a->rows.value);
	} else {
		lm_reduce_one(&c->group.reduce, in, a->rows.rows, a->rows.count, a->one);
	}
	if (c->emit == EMIT_EVERY) {
		aggregate_mark(c, a);
	}
}

/* Where groups may go, a part of the batch at a time: until one must go that the part has. */
static void
aggregate_rows(struct lm_op *op, const struct lm_batch *in, const struct lm_select *rows)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);
	const struct lm_key *key = &c->group.key;
	struct lm_map_rows packed;

	if (c->ages) {
		lm_key_pack(key, a->scratch, in, rows, &packed);
		packed.hash = lm_op_hash(op, in, rows, key->field, key->field_count);
	}
	if (!a->under_way) {
		a->under_way = true;
		a->found = 0;
		a->rows.count = 0;
		a->done = 0;
	}
	for (;;) {
		if ((c->ages && !aggregate_leave(op)) ||
		    (c->emit == EMIT_UPDATE && !aggregate_update(op, in))) {
			return;
		}
		if (a->found == (rows == NULL ? in->count : rows->count)) {
			break;
		}
		aggregate_find(op, in, rows, &packed);
		aggregate_reduce(op, in);
	}
	a->under_way = false;
	if (c->ages) {
		aggregate_count_removed(op);
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
aggregate_next_changed(const struct aggregate_config *c, struct aggregate *a)
{
	uint32_t count = 0;

	while (count < LM_GROUP_READY && a->changed_done < a->changed_count) {
		void *value = a->changed[a->changed_done++];
		uint64_t *listed = aggregate_listed(c, value);

		a->ready.entry[count].value = value;
		if (a->map != NULL) {
			lm_map_touch(a->map, value);
			lm_map_entry_of(a->map, value, &a->ready.entry[count]);
		} else {
			lm_value_touch(a->total, listed, sizeof(*listed));
		}
		*listed = 0;
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
		a->ready.count =
		    c->emit == EMIT_EVERY ? aggregate_next_changed(c, a) : aggregate_next(a);
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

/* Lists a group again that was on the list, at another place perhaps. */
static void
aggregate_list(const struct aggregate_config *c, struct aggregate *a, void *value)
{
	uint64_t *listed = aggregate_listed(c, value);

	if (*listed == 0) {
		return;
	}
	a->changed[a->changed_count++] = value;
	if (a->map != NULL) {
		lm_map_touch(a->map, value);
	} else {
		lm_value_touch(a->total, listed, sizeof(*listed));
	}
	*listed = a->changed_count;
}

static void
aggregate_list_all(struct lm_op *op)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);
	uint64_t cursor = 0;
	uint32_t count;

	if (c->ages) {
		aggregate_count_removed(op);
	}
	if (c->emit != EMIT_EVERY) {
		return;
	}
	if (a->map == NULL) {
		aggregate_list(c, a, a->one);
		return;
	}
	do {
		count = lm_map_scan(a->map, &cursor, a->ready.entry, LM_GROUP_READY);
		for (uint32_t i = 0; i < count; i++) {
			aggregate_list(c, a, a->ready.entry[i].value);
		}
	} while (count > 0);
}

static void
aggregate_deserialize(struct lm_op *op, struct lm_reader *reader, uint32_t version)
{
	struct aggregate *a = lm_op_context(op);

	(void)version;
	a->one_left = lm_read_u64(reader) != 0;
	aggregate_list_all(op);
}

/* What another number of slices wrote: keys alone, for with one group there is one slice. */
static void
aggregate_adopt(struct lm_op *op, struct lm_adoption *from)
{
	(void)lm_read_u64(from->reader);
	if (from->is_last) {
		aggregate_list_all(op);
	}
}

/*
 * Slots that go from slice to slice. Those of their groups that are on the list are taken off it,
 * and found again where they come to by a chain through the groups: where one says its place on the
 * list stands the next one then. Takes time by how many groups changed.
 */

static void
aggregate_give(struct lm_op *op, struct lm_move *move)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);

	for (uint32_t i = 0; i < a->changed_count;) {
		void *value = a->changed[i];

		if (!lm_moves(move, lm_map_slot(a->map, value))) {
			i++;
			continue;
		}
		aggregate_unlist(c, a, value);
		*aggregate_listed(c, value) = move->word[0];
		move->word[0] = (uint64_t)(uintptr_t)value;
	}
}

static void
aggregate_take(struct lm_op *op, struct lm_move *move)
{
	const struct aggregate_config *c = lm_op_config(op);
	struct aggregate *a = lm_op_context(op);

	for (void *value = (void *)(uintptr_t)move->word[0]; value != NULL;) {
		uint64_t *listed = aggregate_listed(c, value);
		void *next = (void *)(uintptr_t)*listed;

		lm_map_touch(a->map, value);
		a->changed[a->changed_count++] = value;
		*listed = a->changed_count;
		value = next;
	}
	if (c->ages) {
		aggregate_count_removed(op);
	}
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
	LM_MAP_AGING_PARAMS,
	{ .name = NULL },
};
static const char *const aggregate_inputs[] = { "in", NULL };
static const char *const aggregate_outputs[] = { "out", NULL };
static const char *const aggregate_drops[] = { "keys_full", NULL };

static const struct lm_op_class aggregate_class = {
	.abi_version = LM_ABI_VERSION,
	.flags = LM_OP_KEYED | LM_OP_AMPLIFIES | LM_OP_RESCALES,
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
	.watermark = aggregate_watermark,
	.timer = aggregate_timer,
	.end = aggregate_end,
	.serialize = aggregate_serialize,
	.deserialize = aggregate_deserialize,
	.give = aggregate_give,
	.take = aggregate_take,
	.adopt = aggregate_adopt,
};
REGISTER_CLASS(aggregate_class)
