/* SPDX-License-Identifier: BSD-3-Clause */
/* Random schemas and batches for tests. */

#include "tests/unit/core/batch_rig.h"

#include <stdio.h>
#include <string.h>

#include "tests/draw.h"

static uint64_t random_state = 1;
int32_t batch_rig_holders[BATCH_RIG_FRAMES];
static uint32_t next_frame;

void
batch_rig_seed(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15u + 1;
	memset(batch_rig_holders, 0, sizeof(batch_rig_holders));
	next_frame = 0;
}

uint64_t
batch_rig_random(void)
{
	return draw(&random_state);
}

static void
retain_frames(void *const *handles, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		__atomic_add_fetch(&batch_rig_holders[(uintptr_t)handles[i]], 1, __ATOMIC_RELAXED);
	}
}

static void
release_frames(void *const *handles, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		__atomic_sub_fetch(&batch_rig_holders[(uintptr_t)handles[i]], 1, __ATOMIC_RELAXED);
	}
}

const struct lm_external batch_rig_external = { .retain = retain_frames,
	                                        .release = release_frames };

void
batch_rig_schema(struct lm_schema *schema, uint32_t rows, bool frames)
{
	struct lm_field field[9];
	uint32_t count = 1 + (uint32_t)(batch_rig_random() % 8);

	memset(field, 0, sizeof(field));
	for (uint32_t i = 0; i < count; i++) {
		snprintf(field[i].name, sizeof(field[i].name), "f%u", i);
		field[i].type = (enum lm_type)(batch_rig_random() % LM_FRAME);
		if (lm_type_width(field[i].type) == 0) {
			field[i].bytes_max = 64 + (uint32_t)(batch_rig_random() % 8192);
		}
	}
	if (frames) {
		field[0].type = LM_FRAME;
		field[0].bytes_max = 0;
	}
	if (lm_schema_init(schema, field, count, rows) != 0) {
		memset(schema, 0, sizeof(*schema));
	}
}

void
batch_rig_column(struct lm_schema *schema, enum lm_type type, uint32_t rows)
{
	struct lm_field field = { .name = "value", .type = type };

	lm_schema_init(schema, &field, 1, rows);
}

static void
fill_strings(struct lm_batch *batch, uint32_t field, uint32_t count)
{
	uint32_t most = lm_batch_bytes_max(batch->schema, field) / (count == 0 ? 1 : count);
	uint32_t *offsets = lm_batch_offsets(batch, field);

	offsets[0] = 0;
	for (uint32_t row = 0; row < count; row++) {
		uint32_t length = (uint32_t)(batch_rig_random() % (most + 1));

		for (uint32_t i = 0; i < length; i++) {
			lm_batch_bytes(batch, field)[offsets[row] + i] = (char)batch_rig_random();
		}
		offsets[row + 1] = offsets[row] + length;
	}
}

static void
fill_handles(struct lm_batch *batch, uint32_t count)
{
	for (uint32_t row = 0; row < count; row++) {
		next_frame = next_frame % (BATCH_RIG_FRAMES - 1) + 1;
		lm_batch_handles(batch)[row] = (void *)(uintptr_t)next_frame;
		batch_rig_holders[next_frame]++;
	}
	batch->external = &batch_rig_external;
}

void
batch_rig_fill(struct lm_batch *batch, uint32_t count)
{
	const struct lm_schema *schema = batch->schema;

	for (uint32_t field = 0; field < schema->field_count; field++) {
		uint32_t width = lm_type_width(schema->field[field].type);
		unsigned char *bytes = lm_batch_column(batch, field);

		if (width == 0) {
			fill_strings(batch, field, count);
			continue;
		}
		for (uint32_t i = 0; i < count * width; i++) {
			bytes[i] = (unsigned char)batch_rig_random();
		}
	}
	if (schema->frame_field != LM_NONE) {
		fill_handles(batch, count);
	}
	batch->count = count;
}

static bool
string_equal(const struct lm_batch *a, uint32_t a_row, const struct lm_batch *b, uint32_t b_row,
             uint32_t field)
{
	const uint32_t *a_offsets = lm_batch_offsets(a, field) + a_row;
	const uint32_t *b_offsets = lm_batch_offsets(b, field) + b_row;
	uint32_t length = a_offsets[1] - a_offsets[0];

	return b_offsets[1] - b_offsets[0] == length &&
	       memcmp(lm_batch_bytes(a, field) + a_offsets[0],
	              lm_batch_bytes(b, field) + b_offsets[0], length) == 0;
}

bool
batch_rig_row_equal(const struct lm_batch *a, uint32_t a_row, const struct lm_batch *b,
                    uint32_t b_row)
{
	const struct lm_schema *schema = a->schema;

	for (uint32_t field = 0; field < schema->field_count; field++) {
		uint32_t width = lm_type_width(schema->field[field].type);
		const char *a_bytes = lm_batch_column(a, field);
		const char *b_bytes = lm_batch_column(b, field);

		if (width == 0 ? !string_equal(a, a_row, b, b_row, field)
		               : memcmp(a_bytes + (size_t)a_row * width,
		                        b_bytes + (size_t)b_row * width, width) != 0) {
			return false;
		}
	}
	return schema->frame_field == LM_NONE ||
	       lm_batch_handles(a)[a_row] == lm_batch_handles(b)[b_row];
}
