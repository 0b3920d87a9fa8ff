/* SPDX-License-Identifier: BSD-3-Clause */
/* A model to compare the log with. */

#include "tests/sim/log_model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/disk_sim.h"
#include "tests/sim/sim.h"

#define TURN_NS 100000
#define DRAIN_TURNS 200000u
/* Rows of a record of rows that come, at most. */
#define ROWS_MOST 1024u

void
log_model_begin(struct log_model *model)
{
	memset(model, 0, sizeof(*model));
	model->memory = aligned_alloc(64, LOG_MEMORY_MIN);
	model->value = calloc(LOG_MODEL_ROWS, sizeof(model->value[0]));
	if (model->memory == NULL || model->value == NULL) {
		abort();
	}
	model->options = (struct log_options){ .folder = LOG_MODEL_FOLDER,
		                               .slices = 1,
		                               .schema = "number:u64",
		                               .segment_bytes = 4u << 20,
		                               .commit_ns = 2000000,
		                               .memory = model->memory,
		                               .memory_size = LOG_MEMORY_MIN };
	model->now_ns = 1;
	model->more_max = 700000;
}

void
log_model_end(struct log_model *model)
{
	log_model_close(model);
	free(model->memory);
	free(model->value);
}

static bool
wrong(const char *what, uint64_t row)
{
	fprintf(stderr, "log: %s (row %" PRIu64 ")\n", what, row);
	return false;
}

int
log_model_open(struct log_model *model, uint64_t row)
{
	uint64_t must = model->options.eager ? model->safe : model->shown;
	int result = log_open(&model->options, &model->log, model->why);

	if (result != 0) {
		return result;
	}
	if (log_end_row(model->log) < must) {
		wrong("rows that were there are not any more", log_end_row(model->log));
		return 1;
	}
	result = log_seek(model->log, log_id(model->log), row, model->why);
	if (result != 0) {
		return result;
	}
	model->next = row;
	return 0;
}

void
log_model_close(struct log_model *model)
{
	log_close(model->log);
	model->log = NULL;
}

/* The bytes behind the rows. */
static uint8_t
filler(uint64_t row, uint32_t at)
{
	return (uint8_t)(row * 31 + at * 7);
}

bool
log_model_put(struct log_model *model, uint32_t rows, uint32_t more)
{
	uint32_t size = rows * (uint32_t)sizeof(uint64_t) + more;
	uint64_t row = log_end_row(model->log);
	uint8_t *payload;

	if (row + rows > LOG_MODEL_ROWS) {
		abort();
	}
	payload = log_reserve(model->log, size);
	if (payload == NULL) {
		return false;
	}
	for (uint32_t i = 0; i < rows; i++) {
		model->value[row + i] = (row + i) << 32 | ++model->nonce;
	}
	memcpy(payload, model->value + row, rows * sizeof(uint64_t));
	for (uint32_t i = 0; i < more; i++) {
		payload[rows * sizeof(uint64_t) + i] = filler(row, i);
	}
	log_append(model->log, &(struct log_record){ .rows = rows,
	                                             .size = size,
	                                             .watermark = (int64_t)row,
	                                             .ingress_ns = model->now_ns });
	return true;
}

void
log_model_put_some(struct log_model *model)
{
	for (uint64_t i = sim_below(5); i > 0; i--) {
		uint32_t more = sim_below(8) == 0 ? (uint32_t)sim_below(model->more_max)
		                                  : (uint32_t)sim_below(300);

		if (!log_model_put(model, 1 + (uint32_t)sim_below(ROWS_MOST), more)) {
			return;
		}
	}
}

static bool
check_record(const struct log_model *model, const struct log_record *record)
{
	uint64_t row = model->next - record->skip;
	uint32_t rows_size = record->rows * (uint32_t)sizeof(uint64_t);
	const uint8_t *bytes = record->payload;

	if (log_row(model->log) != model->next || record->skip >= record->rows) {
		return wrong("not the row that should come", log_row(model->log));
	}
	if (!model->options.eager && !record->is_from_disk &&
	    log_durable_row(model->log) < row + record->rows) {
		return wrong("it comes before it is durable", row);
	}
	if (memcmp(bytes, model->value + row, rows_size) != 0) {
		return wrong("its rows are not those that were put", row);
	}
	if (record->watermark != (int64_t)row || log_watermark(model->log) != record->watermark) {
		return wrong("it has another event time", row);
	}
	for (uint32_t i = rows_size; i < record->size; i++) {
		if (bytes[i] != filler(row, i - rows_size)) {
			return wrong("its bytes are not those that were put", row);
		}
	}
	return true;
}

/* Takes what there is, now and then only a part of it. */
static bool
take(struct log_model *model)
{
	struct log_record record;

	while (log_peek(model->log, &record)) {
		uint32_t rows = record.rows - record.skip;

		if (!check_record(model, &record)) {
			return false;
		}
		rows = sim_below(3) == 0 ? 1 + (uint32_t)sim_below(rows) : rows;
		log_pass(model->log, rows);
		model->next += rows;
		model->shown = model->next > model->shown ? model->next : model->shown;
		if (sim_below(20) == 0) {
			break;
		}
	}
	if (log_durable_row(model->log) > model->safe) {
		model->safe = log_durable_row(model->log);
	}
	return true;
}

bool
log_model_run(struct log_model *model, uint32_t turns, bool flush)
{
	bool good = true;

	for (uint32_t i = 0; good && i < turns && !disk_is_down(); i++) {
		log_step(model->log, model->now_ns, flush);
		good = disk_is_down() || take(model);
		model->now_ns += TURN_NS;
	}
	return good;
}

bool
log_model_drain(struct log_model *model)
{
	for (uint32_t i = 0; i < DRAIN_TURNS; i++) {
		if (disk_is_down()) {
			return true;
		}
		if (!log_step(model->log, model->now_ns, true) && !log_has_rows(model->log)) {
			return model->next == log_end_row(model->log) ||
			       wrong("it says that nothing waits", model->next);
		}
		if (!disk_is_down() && !take(model)) {
			return false;
		}
		model->now_ns += TURN_NS;
	}
	return wrong("it does not come to an end", model->next);
}
