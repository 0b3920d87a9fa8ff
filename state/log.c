/* SPDX-License-Identifier: BSD-3-Clause */
/* The log's memory: rows that wait for the disk or for their reader, in order; and what a restart
 * gives again in front of them. */

#include "state/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "state/log_struct.h"

#define ENTRY_ALIGN 64u

int
log_say(char why[LOG_WHY], int result, const char *what)
{
	if (result != 0) {
		snprintf(why, LOG_WHY, "%.200s: %s", what, strerror(-result));
	}
	return result;
}

void
log_path(const struct log *log, char path[LOG_PATH_MAX], const char *name)
{
	snprintf(path, LOG_PATH_MAX, "%s/%s", log->folder, name);
}

uint64_t
log_id(const struct log *log)
{
	return log->id;
}

uint64_t
log_row(const struct log *log)
{
	return log->row;
}

uint64_t
log_end_row(const struct log *log)
{
	return log->end_row;
}

uint64_t
log_durable_row(const struct log *log)
{
	return log->durable_row;
}

uint64_t
log_first_row(const struct log *log)
{
	return log->first_row;
}

bool
log_has_rows(const struct log *log)
{
	return log->row < log->end_row;
}

const char *
log_why(const struct log *log)
{
	return log->why;
}

const char *
log_disk(const struct log *log)
{
	return env_disk_kind(log->disk);
}

void
log_read_stats(const struct log *log, struct log_stats *stats)
{
	stats->failures = log->failures;
	stats->groups = log->groups;
	stats->stops = log->stops;
	stats->bytes = log->bytes - __atomic_load_n(&log->trimmed_bytes, __ATOMIC_ACQUIRE);
	stats->is_failing = log->retry_ns > 0 || log->read_failed || log->is_stopped;
}

void
log_watch(struct log *log, void (*group)(void *arg, uint64_t bytes), void *arg)
{
	log->watch = group;
	log->watch_arg = arg;
}

/* ---- memory ---- */

struct log_entry *
log_entry_at(const struct log *log, uint64_t *at)
{
	struct log_entry *entry =
	    (struct log_entry *)(log->memory + *at % log->options.memory_size);

	assert(*at < log->tail);
	if (entry->is_padding) {
		*at += entry->whole;
		entry = (struct log_entry *)log->memory;
		assert(*at < log->tail);
	}
	return entry;
}

void
log_free_passed(struct log *log)
{
	log->head = log->durable < log->shown ? log->durable : log->shown;
}

/* Fills the end of the memory, so that what comes stands in one piece. */
static void
pad(struct log *log, uint64_t size)
{
	struct log_entry *entry =
	    (struct log_entry *)(log->memory + log->tail % log->options.memory_size);

	memset(entry, 0, sizeof(*entry));
	entry->whole = size;
	entry->is_padding = true;
	log->tail += size;
}

void *
log_reserve(struct log *log, uint32_t size)
{
	uint64_t memory_size = log->options.memory_size;
	uint64_t whole = (sizeof(struct log_entry) + (uint64_t)size + ENTRY_ALIGN - 1) /
	                 ENTRY_ALIGN * ENTRY_ALIGN;
	uint64_t at = log->tail % memory_size;
	uint64_t padding = at + whole > memory_size ? memory_size - at : 0;

	assert(size <= LOG_RECORD_MAX - sizeof(struct log_record_header));
	/* All of it is free: it may as well begin at the beginning. */
	if (log->head == log->tail && padding > 0) {
		log->tail += padding;
		log->head = log->shown = log->durable = log->sent = log->tail;
		padding = 0;
	}
	if (log->tail - log->head + padding + whole > memory_size) {
		return NULL;
	}
	if (padding > 0) {
		pad(log, padding);
	}
	return log->memory + log->tail % memory_size + sizeof(struct log_entry);
}

void
log_append(struct log *log, const struct log_record *put)
{
	uint64_t at = log->tail % log->options.memory_size;
	struct log_entry *entry = (struct log_entry *)(log->memory + at);

	assert(put->rows > 0);
	memset(entry, 0, sizeof(*entry));
	entry->row = log->end_row;
	entry->whole =
	    (sizeof(*entry) + (uint64_t)put->size + ENTRY_ALIGN - 1) / ENTRY_ALIGN * ENTRY_ALIGN;
	entry->ingress_ns = put->ingress_ns;
	entry->is_from_disk = put->is_from_disk;
	entry->header = (struct log_record_header){ .rows = put->rows,
		                                    .size = put->size,
		                                    .watermark = put->watermark };
	assert(at + entry->whole <= log->options.memory_size);
	log->end_row += put->rows;
	log->tail += entry->whole;
}

void
log_pass_new(struct log *log)
{
	uint64_t at = log->shown;
	const struct log_entry *entry = log_entry_at(log, &at);

	assert(log->options.eager);
	assert(at + entry->whole == log->tail);
	assert(log->row == entry->row);
	log->row = log->end_row;
	log->shown = log->tail;
	log_free_passed(log);
}

/* ---- coming again ---- */

static bool
read_fails(struct log *log, const struct log_found *found, const char *what)
{
	char name[LOG_NAME_MAX];

	log_name(name, found->number, found->first_row);
	snprintf(log->why, sizeof(log->why),
	         "cannot read row %" PRIu64 " again from %s, which was whole at the start: %s; "
	         "check the disk; it is tried again every second, and nothing passes before",
	         log->row, name, what);
	log->failures++;
	log->read_failed = true;
	log->read_retry_at_ns = INT64_MIN;
	log_reader_close(log->reader);
	return false;
}

/* The next record of the segment that has the row, or what keeps it from coming. */
static bool
read_record(struct log *log, const struct log_found *found)
{
	struct log_walk walk;
	char name[LOG_NAME_MAX], path[LOG_PATH_MAX];
	int result = 0;

	if (log->reader->file < 0) {
		log_name(name, found->number, found->first_row);
		log_path(log, path, name);
		log_walk_begin(&walk, log->id, found->number, log->options.slice);
		result = log_reader_open(log->reader, path, &walk);
	}
	result = result == 0 ? log_reader_next(log->reader, &log->item) : result;
	if (result <= 0) {
		return read_fails(log, found,
		                  result < 0 ? strerror(-result)
		                             : block_fault_text(log->reader->fault));
	}
	log->has_item =
	    log->item.kind == LOG_ITEM_RECORD && log->item.row + log->item.header.rows > log->row;
	return true;
}

static bool
read_again(struct log *log)
{
	while (!log->has_item && !log->read_failed) {
		const struct log_found *found = &log->found[log->found_at];

		assert(log->found_at < log->found_count);
		if (log->row >= found->end_row) {
			log_reader_close(log->reader);
			log->found_at++;
		} else if (!read_record(log, found)) {
			return false;
		}
	}
	return log->has_item;
}

static bool
peek_again(struct log *log, struct log_record *record)
{
	const struct log_found *found;
	uint64_t rows;

	if (!read_again(log)) {
		return false;
	}
	found = &log->found[log->found_at];
	rows = found->end_row - log->item.row;
	*record = (struct log_record){
		.rows = rows < log->item.header.rows ? (uint32_t)rows : log->item.header.rows,
		.size = log->item.header.size,
		.watermark = log->item.header.watermark,
		.ingress_ns = INT64_MAX,
		.payload = log->item.payload,
		.skip = (uint32_t)(log->row - log->item.row),
		.is_from_disk = true,
	};
	return true;
}

bool
log_peek(struct log *log, struct log_record *record)
{
	uint64_t limit = log->options.eager ? log->tail : log->durable;
	const struct log_entry *entry;

	if (log->row < log->memory_row) {
		return peek_again(log, record);
	}
	if (log->row == log->end_row || log->shown >= limit) {
		return false;
	}
	entry = log_entry_at(log, &log->shown);
	if (log->shown >= limit) {
		return false;
	}
	*record = (struct log_record){
		.rows = entry->header.rows,
		.size = entry->header.size,
		.watermark = entry->header.watermark,
		.ingress_ns = entry->ingress_ns,
		.payload = entry + 1,
		.skip = (uint32_t)(log->row - entry->row),
		.is_from_disk = entry->is_from_disk,
	};
	return true;
}

void
log_pass(struct log *log, uint32_t rows)
{
	log->row += rows;
	if (log->has_item) {
		uint64_t end = log->item.row + log->item.header.rows;

		log->read_watermark = log->item.header.watermark;
		log->has_item = log->row < end && log->row < log->found[log->found_at].end_row;
	} else {
		const struct log_entry *entry = log_entry_at(log, &log->shown);

		assert(log->row <= entry->row + entry->header.rows);
		if (log->row == entry->row + entry->header.rows) {
			log->shown += entry->whole;
			log_free_passed(log);
		}
	}
}

int64_t
log_watermark(const struct log *log)
{
	uint64_t at = log->shown;

	if (log->row == log->end_row) {
		return INT64_MAX;
	}
	if (log->row < log->memory_row) {
		return log->has_item ? log->item.header.watermark : log->read_watermark;
	}
	return log_entry_at(log, &at)->header.watermark;
}

int
log_seek(struct log *log, uint64_t id, uint64_t row, char why[LOG_WHY])
{
	if (id != log->id) {
		snprintf(why, LOG_WHY,
		         "the snapshot was taken with log %016" PRIx64
		         ", and in %.120s is log %016" PRIx64
		         "; bring back the one that belongs to it",
		         id, log->folder, log->id);
		return -ENOENT;
	}
	if (row < log->first_row || row > log->end_row) {
		snprintf(why, LOG_WHY,
		         "the snapshot goes on at row %" PRIu64 ", and %.120s has rows %" PRIu64
		         " to %" PRIu64
		         "; bring back its missing files, or go on from another snapshot",
		         row, log->folder, log->first_row, log->end_row);
		return -ERANGE;
	}
	assert(log->row == log->first_row && log->sent == 0);
	log->row = row;
	while (log->shown < log->tail) {
		const struct log_entry *entry = log_entry_at(log, &log->shown);

		if (entry->row + entry->header.rows > row) {
			break;
		}
		log->shown += entry->whole;
	}
	return 0;
}
