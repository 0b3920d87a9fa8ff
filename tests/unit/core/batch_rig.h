/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BATCH_RIG_H
#define BATCH_RIG_H

/* Schemas of all sorts, batches filled at random, and frames whose holders are counted: for tests.
 */

#include "core/batch.h"

/* Starts over what batch_rig_random gives. */
void batch_rig_seed(uint64_t seed);
uint64_t batch_rig_random(void);

/* A random schema of 1 to 8 fields, at most one of them frames, or none. */
void batch_rig_schema(struct lm_schema *schema, uint32_t rows, bool frames);
/* One column of this type. */
void batch_rig_column(struct lm_schema *schema, enum lm_type type, uint32_t rows);
/* Fills `count` rows at random; strings are short enough to fit, some are empty. */
void batch_rig_fill(struct lm_batch *batch, uint32_t count);
/* Whether a row of a batch has the same values as a row of another one, handles included. */
bool batch_rig_row_equal(const struct lm_batch *a, uint32_t a_row, const struct lm_batch *b,
                         uint32_t b_row);

/* Frames: handles are small numbers, from 1; how many holders each has. */
#define BATCH_RIG_FRAMES 4096u
extern const struct lm_external batch_rig_external;
extern int32_t batch_rig_holders[BATCH_RIG_FRAMES];

#endif
