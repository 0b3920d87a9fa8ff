/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOAK_H
#define SOAK_H

/*
 * Whether a topology that has just come does worse than the one before it. Watched are the
 * operators that are others now, and all behind them: errors, rows dropped by reason, and, of those
 * that are others, time per row. Pure but for soak_read.
 *
 *     soak_read(engine, op, &count)                    what an operator has counted, now
 *     soak_expect(&soak->op[i], &before, &now)         of the graph before
 *     soak_begin(soak, length_ns, now_ns, counts)      behind the change, of the graph that is
 *     if (soak_look(soak, now_ns, counts, why)) …      it does worse: why says what
 *     soak_is_over(soak, now_ns)
 *
 * Time per row is that of the operator with all that it is fused to, as that is what is measured;
 * it counts as worse when it is SOAK_SLOWER times what it was, for half of the time on end, or over
 * all of it but the worst tenth: once a thread may have waited for its CPU. Where all rows take
 * longer, also those of operators that are what they were and run elsewhere, the machine has less
 * to give: that much is allowed for, up to SOAK_MACHINE times.
 *
 * Threads: the control thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/lm_op.h"

struct lm_engine;

#define SOAK_SLOWER 10.0
#define SOAK_MACHINE 3.0
#define SOAK_WHY 200u

struct soak_count {
	uint64_t rows; /* in; of a source out */
	uint64_t busy_ns, errors;
	uint64_t drops[LM_DROPS_MAX];
	uint32_t head; /* who calls its first slice */
};

struct soak_op {
	bool is_watched, is_other;
	const char *name;
	const char *const *drops; /* reasons, ended by NULL; may be NULL */
	/* Before: nothing, where it is new. */
	double cost_ns; /* per row; 0: unknown */
	double errors;  /* share of the rows */
	double dropped[LM_DROPS_MAX];
	/* Since then. */
	struct soak_count start, window;
	uint32_t slow;                 /* windows in a row */
	uint64_t worst_ns, worst_rows; /* busy and rows of the window with most time */
};

struct soak {
	int64_t start_ns, end_ns, window_ns;
	uint64_t length_ns; /* of a window */
	uint32_t count;
	struct soak_op *op; /* [operator] of the new graph */
};

/* All that its slices have counted, those before them included; if some are on trial, these alone.
 */
void soak_read(const struct lm_engine *engine, uint32_t op, struct soak_count *count);
/*
 * What is to be expected: `drops` are the reasons of the operator as it was, `then` and `now` two
 * readings of it.
 */
void soak_expect(struct soak_op *op, const char *const *drops, const struct soak_count *then,
                 const struct soak_count *now);
/* `count` is one for each operator. */
void soak_begin(struct soak *soak, uint64_t length_ns, int64_t now_ns,
                const struct soak_count *count);
/* Often; true: it does worse. With `is_last` all of the time is looked at once more. */
bool soak_look(struct soak *soak, int64_t now_ns, const struct soak_count *count, bool is_last,
               char why[SOAK_WHY]);
bool soak_is_over(const struct soak *soak, int64_t now_ns);

#endif
