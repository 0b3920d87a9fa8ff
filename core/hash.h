/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HASH_H
#define HASH_H

/*
 * Hashes of key columns: one function for routing and for the state behind it. Keyed by the job's
 * secret, so that the keys which collide cannot be known from outside. Bits: the top ones choose
 * the slot (core/route.h), the lower ones belong to tables.
 */

#include "core/lm_batch.h"

/* Names a list of key fields of one schema; never 0. */
uint32_t hash_key_id(const uint32_t *fields, uint32_t field_count);

/*
 * Hashes the key of every row of `in`, or of those in `rows` (may be NULL). hash[row] is written,
 * where row is the row's index in `in`.
 */
void hash_rows(uint64_t *hash, const struct lm_batch *in, const struct lm_select *rows,
               const uint32_t *fields, uint32_t field_count, uint64_t secret);

#endif
