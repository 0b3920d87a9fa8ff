/* SPDX-License-Identifier: BSD-3-Clause */
/* A digest of a batch's rows: test builds prove by it that no operator writes to its input. */

#include "core/batch.h"

#include "core/xxh.h"

uint64_t
batch_digest(const struct lm_batch *batch)
{
	uint64_t digest = batch->count;

	for (uint32_t field = 0; field < batch->schema->field_count; field++) {
		uint32_t width = lm_type_width(batch->schema->field[field].type);
		const char *column = lm_batch_column(batch, field);
		size_t size = (size_t)batch->count * width;

		if (width == 0) {
			const uint32_t *offsets = lm_batch_offsets(batch, field);
			const char *bytes = lm_batch_bytes(batch, field);

			size = (batch->count + 1ul) * sizeof(*offsets);
			digest = XXH3_64bits_withSeed(bytes + offsets[0],
			                              offsets[batch->count] - offsets[0], digest);
		}
		digest = XXH3_64bits_withSeed(column, size, digest);
	}
	return digest;
}
