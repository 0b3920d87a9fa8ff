/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOAD_READ_H
#define LOAD_READ_H

/*
 * A picture of the load of a running engine: differences of its counters since the picture before.
 *
 * What a source would send: a gauge of the name LOAD_OFFERED counts the rows that were due, sent or
 * not. Of a port, what it lost is added. A source that has neither wants as much as it can make
 * while it is blocked, or while its lcore is full; else it sends what it wants.
 *
 * Threads: the control thread.
 */

#include "core/engine.h"
#include "mgmt/load.h"

/* The name of a source's gauge (lm_op_gauge): rows since its start that it should have sent. */
#define LOAD_OFFERED "offered"

/* What was read of a slice last. */
struct load_before {
	uint64_t busy_ns, rows, turns_blocked, offered;
	bool is_paused; /* a source: what it has said of rows that were due is of before that */
	uint64_t operator_in, operator_out;
	double busy_sum_ns, rows_sum; /* the older, the less they count */
};

struct load_reader {
	const struct lm_engine *engine;
	struct load load;           /* the picture */
	struct load_before *before; /* [slice] */
	struct lm_worker_stats worker_before[LM_WORKERS_MAX];
	uint64_t lost_before;
	int64_t now_ns; /* of the last reading; 0: there was none */
	uint32_t slice_count, operator_count;
	uint64_t *rows_in, *rows_out; /* [operator], of this interval */
};

int load_reader_open(struct load_reader *reader, const struct lm_engine *engine); /* or -ENOMEM */
void load_reader_close(struct load_reader *reader);
/* `lost`: packets that ports have lost since their start. The first picture knows nothing. */
void load_read(struct load_reader *reader, int64_t now_ns, uint64_t lost);

#endif
