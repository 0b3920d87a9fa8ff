/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RATES_H
#define RATES_H

/*
 * Rates: what two samples of one engine say about the time between them, per second and as shares,
 * and which operator is the root of backpressure. Pure.
 *
 *     rates_init(&rates, &now.shape);
 *     rates_compute(&rates, &now, &before);   or NULL: since the start
 */

#include "mgmt/sample.h"

struct rates_operator {
	double rows_in, rows_out, rows_dropped; /* per second */
	double fill;    /* rows per batch, as a share of a full one; of a source's output */
	double busy;    /* time in callbacks of its busiest slice, 0 to 1 */
	double queue;   /* its fullest slice's rings: items that wait, as a share of their credit */
	double blocked; /* turns its most blocked slice lost for want of room, as a share of all
	                   turns */
	bool is_fused;  /* called by the operator before it, whose time includes this one's */
	bool waits;     /* it, or the one that calls it, is blocked */
	uint32_t depth; /* wires from the farthest source */
};

struct rates_worker {
	double busy;  /* 0 to 1 */
	double turns; /* per second */
};

struct rates {
	double seconds;
	double rows;   /* by the sources, per second */
	uint32_t root; /* of backpressure, an operator; LM_NONE: nobody waits for room */
	uint32_t operator_count, worker_count, counter_count;
	struct rates_operator *op;
	struct rates_worker *worker;
	double *slice;   /* time in callbacks, those it calls directly included, 0 to 1 */
	double *counter; /* per second */
};

/* 0 or -ENOMEM. */
int rates_init(struct rates *rates, const struct sample_shape *shape);
void rates_free(struct rates *rates); /* a zeroed one is fine */
/* `now` and `before` (may be NULL) have the shape given to rates_init. */
void rates_compute(struct rates *rates, const struct sample *now, const struct sample *before);

#endif
