/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOG_MODEL_H
#define LOG_MODEL_H

/*
 * A log and, beside it in memory, every row that was put into it: what comes out is compared with
 * that, row by row, over crashes and restarts. On the simulator's disk.
 */

#include "state/log.h"

#define LOG_MODEL_FOLDER "disk:log"
#define LOG_MODEL_ROWS (1u << 20)

struct log_model {
	struct log *log; /* NULL: it is closed */
	struct log_options options;
	void *memory;
	int64_t now_ns;
	uint64_t *value; /* [row] */
	uint64_t shown;  /* rows below have come out at least once, over all restarts */
	uint64_t safe;   /* rows below were durable before they were lost from memory */
	uint64_t next;   /* the row that must come next */
	uint64_t nonce;
	uint32_t more_max; /* bytes of log_model_put_some's records */
	char why[LOG_WHY];
};

/* 2 ms, segments of 4 MiB, records up to 700 KB; to be changed before log_model_open. */
void log_model_begin(struct log_model *model);
void log_model_end(struct log_model *model);
/*
 * Opens it, and goes on from `row`. What is there must be all that was ever shown. 0 or -errno; or
 * 1 after saying what is wrong.
 */
int log_model_open(struct log_model *model, uint64_t row);
void log_model_close(struct log_model *model);
/* A record of so many rows with `more` bytes behind them. False: no room. */
bool log_model_put(struct log_model *model, uint32_t rows, uint32_t more);
/* Steps it and takes what comes, for so many turns of 100 us. False: something wrong came. */
bool log_model_run(struct log_model *model, uint32_t turns, bool flush);
/* Until nothing waits; false: something wrong, or it does not end. */
bool log_model_drain(struct log_model *model);
/* A few records of random sizes. */
void log_model_put_some(struct log_model *model);

#endif
