/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef INGEST_ROWS_H
#define INGEST_ROWS_H

/*
 * Rows of a batch as the bytes of a log's record, and back. Column by column, without gaps: values
 * as they are, little-endian; of strings first where each ends in the bytes that follow. No frames.
 * Pure.
 */

#include "core/lm_batch.h"

#define INGEST_SCHEMA_MAX 2048u

/* What the rows are: "time:time src:ip6"; at most INGEST_SCHEMA_MAX bytes. */
void ingest_rows_schema(const struct lm_schema *schema, char text[INGEST_SCHEMA_MAX]);
uint32_t ingest_rows_size(const struct lm_batch *batch);
void ingest_rows_write(const struct lm_batch *batch, uint8_t *bytes);
/* Whether these bytes are so many rows of the schema. */
bool ingest_rows_check(const struct lm_schema *schema, const uint8_t *bytes, uint32_t size,
                       uint32_t rows);
/*
 * Of a record with `rows` rows, those from `from` on, `count` at most, to `out` from row `first`
 * on, which has room for them but perhaps not for their strings. Returns how many were written.
 */
struct ingest_range {
	uint32_t rows, from, count;
};
uint32_t ingest_rows_read(const uint8_t *bytes, const struct ingest_range *range,
                          struct lm_batch *out, uint32_t first);

#endif
