/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BOTTLENECK_H
#define BOTTLENECK_H

/*
 * Which operator holds the job up: in two windows in a row the root of backpressure (mgmt/rates.h)
 * or, while a source is behind what it should send though nobody waits, whoever fills its lcore.
 * Pure but for what it remembers.
 *
 *     bottleneck_init(&bottleneck, &sample.shape);
 *     op = bottleneck_window(&bottleneck, &now, &before);     every half second
 *
 * Of slices that call each other directly the caller is named: its time is that of all of them.
 */

#include "mgmt/rates.h"

struct bottleneck {
	struct rates rates;
	uint32_t last;    /* of the last window alone; LM_NONE */
	uint32_t op;      /* LM_NONE: none */
	int64_t since_ns; /* that is so */
};

/* 0 or -ENOMEM. */
int bottleneck_init(struct bottleneck *bottleneck, const struct sample_shape *shape);
void bottleneck_free(struct bottleneck *bottleneck); /* a zeroed one is fine */
/* The operator, or LM_NONE. */
uint32_t bottleneck_window(struct bottleneck *bottleneck, const struct sample *now,
                           const struct sample *before);

#endif
