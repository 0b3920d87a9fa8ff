/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups of rows: key columns and reducers together, from parameters to output rows. */

#include "state/lm_group.h"

#include <assert.h>
#include <errno.h>

static int
group_configure_key(struct lm_group *group, struct lm_setup *setup)
{
	uint32_t count = lm_setup_count(setup, "by"), fields[LM_KEY_COLUMNS_MAX];

	if (count == 0 && lm_setup_slices(setup) > 1) {
		return lm_setup_error(setup, NULL, LM_NONE, LM_NONE,
		                      "name the columns that make up the key in `by`, or run it as "
		                      "one slice",
		                      "without `by` all rows are one group, but it has %u slices",
		                      lm_setup_slices(setup));
	}
	if (count == 0) {
		group->key = (struct lm_key){ 0 };
		return 0;
	}
	if (count > LM_KEY_COLUMNS_MAX) {
		return lm_setup_error(setup, "by", LM_KEY_COLUMNS_MAX, LM_NONE, NULL,
		                      "a key is of up to %u columns", LM_KEY_COLUMNS_MAX);
	}
	for (uint32_t i = 0; i < count; i++) {
		fields[i] = lm_setup_item_column(setup, "by", i);
	}
	switch (lm_key_init(&group->key, lm_setup_input(setup, 0), fields, count)) {
	case 0:
		return 0;
	case -E2BIG:
		return lm_setup_error(setup, "by", LM_NONE, LM_NONE, "name fewer columns",
		                      "the columns are wider than %u bytes together",
		                      LM_MAP_KEY_MAX);
	default:
		return lm_setup_error(setup, "by", LM_NONE, LM_NONE, NULL,
		                      "a frame cannot be part of a key");
	}
}

int
lm_group_configure(struct lm_group *group, struct lm_setup *setup)
{
	int result = group_configure_key(group, setup);

	result |= lm_reduce_configure(&group->reduce, setup);
	group->keys_max = (uint32_t)lm_setup_u64(setup, "keys");
	group->bytes_max = group->keys_max * lm_setup_u64(setup, "key_bytes");
	if (group->key.field_count > 0) {
		lm_setup_keys(setup, group->keys_max);
	}
	return result;
}

uint32_t
lm_group_fields(const struct lm_group *group, struct lm_field *fields)
{
	for (uint32_t i = 0; i < group->key.field_count; i++) {
		fields[i] = group->key.column[i];
	}
	return group->key.field_count +
	       lm_reduce_fields(&group->reduce, fields + group->key.field_count);
}

static struct lm_map *
group_open(const struct lm_group *group, struct lm_op *op, uint32_t more, struct lm_map *alike,
           const struct lm_map_aging *aging)
{
	struct lm_map_shape shape = {
		.key_size = group->key.size,
		.value_size = group->reduce.size + more,
		.keys_max = group->keys_max,
		.bytes_max = group->bytes_max,
		.fields = group->key.field,
		.field_count = group->key.field_count,
		.alike = alike,
	};
	struct lm_map *map = lm_map_open_aging(op, &shape, aging);

	if (map == NULL) {
		lm_op_error(op, "no memory for %u groups (%zu MiB): lower `keys`", group->keys_max,
		            lm_map_size(&shape) >> 20);
	}
	return map;
}

struct lm_map *
lm_group_open(const struct lm_group *group, struct lm_op *op, uint32_t more)
{
	return group_open(group, op, more, NULL, &(struct lm_map_aging){ 0 });
}

struct lm_map *
lm_group_open_alike(const struct lm_group *group, struct lm_op *op, uint32_t more,
                    struct lm_map *alike)
{
	return group_open(group, op, more, alike, &(struct lm_map_aging){ 0 });
}

struct lm_map *
lm_group_open_aging(const struct lm_group *group, struct lm_op *op, uint32_t more,
                    const struct lm_map_aging *aging)
{
	return group_open(group, op, more, NULL, aging);
}

void
lm_group_pack(struct lm_group_rows *rows)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < rows->count; i++) {
		rows->row[kept] = rows->rows == NULL ? (uint16_t)i : rows->rows[i];
		rows->value[kept] = rows->value[i];
		kept += rows->value[i] != NULL;
	}
	rows->rows = rows->row;
	rows->count = kept;
}

uint32_t
lm_group_find(const struct lm_group *group, struct lm_op *op, struct lm_map *map, void *scratch,
              const struct lm_batch *in, const struct lm_select *rows, struct lm_group_rows *to)
{
	uint32_t refused = lm_key_upsert(&group->key, op, map, scratch, in, rows, to->value, NULL);

	to->rows = rows == NULL ? NULL : rows->row;
	to->count = rows == NULL ? in->count : rows->count;
	if (refused > 0) {
		lm_group_pack(to);
	}
	return refused;
}

uint32_t
lm_group_find_part(struct lm_map *map, const struct lm_map_rows *packed, const int64_t *time_ns,
                   struct lm_group_rows *to, uint32_t *refused)
{
	uint32_t first = packed->first;

	to->count = lm_map_upsert_part(map, packed, time_ns, to->value, NULL, refused);
	to->rows = packed->rows == NULL ? to->row : packed->rows + first;
	for (uint32_t i = 0; packed->rows == NULL && i < to->count; i++) {
		to->row[i] = (uint16_t)(first + i);
	}
	if (packed->rows == NULL && first == 0) {
		to->rows = NULL;
	}
	if (*refused > 0) {
		uint32_t done = to->count;

		lm_group_pack(to);
		return done;
	}
	return to->count;
}

static uint32_t
group_rows(const struct lm_group_ready *ready, uint32_t capacity, uint32_t room)
{
	uint32_t rows = ready->count - ready->done;

	rows = rows < capacity ? rows : capacity;
	return rows < room ? rows : room;
}

bool
lm_group_emit(const struct lm_group *group, struct lm_op *op, uint32_t output,
              const int64_t *time_ns, struct lm_group_ready *ready)
{
	uint32_t capacity = lm_op_output_schema(op, output)->capacity;
	uint32_t column = time_ns == NULL ? 0 : 1;

	while (ready->done < ready->count) {
		const struct lm_map_entry *entries = ready->entry + ready->done;
		uint32_t rows = group_rows(ready, capacity, lm_op_room(op, output));
		uint32_t first, written = rows;
		struct lm_batch *out;

		if (rows == 0) {
			lm_op_again(op);
			return false;
		}
		out = lm_op_reserve(op, output, rows, &first);
		if (group->key.field_count > 0) {
			written = lm_key_unpack(&group->key, entries, rows, out, column, first);
		}
		lm_reduce_write(&group->reduce, entries, written, out,
		                column + group->key.field_count, first);
		for (uint32_t i = 0; time_ns != NULL && i < written; i++) {
			lm_batch_i64(out, 0)[first + i] = *time_ns;
		}
		lm_op_emit(op, output, written);
		ready->done += written;
		/* The strings of the staged rows leave no space: it is sent when the call is over.
		 */
		if (written == 0) {
			lm_op_again(op);
			return false;
		}
	}
	return true;
}
