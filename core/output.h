/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef OUTPUT_H
#define OUTPUT_H

/*
 * From a slice's output to the edges: choosing destinations, fused calls, copying what must be
 * copied. Threads: the slice's own lcore.
 */

#include "core/slice.h"

/* Sends a batch (rows of it) to everything wired to the output. The caller keeps its reference. */
void output_send(struct lm_op *slice, uint32_t output, struct lm_batch *batch,
                 const struct lm_select *select);
/* Sends what the running callback staged on every output. */
void output_send_staged(struct lm_op *slice);
/* Sends a control item everywhere. */
void output_send_control(struct lm_op *slice, enum edge_item_kind kind, int64_t value);

#endif
