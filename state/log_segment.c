/* SPDX-License-Identifier: BSD-3-Clause */
/* The format of a segment: names, and the order in which blocks may follow each other. */

#include "state/log_segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

void
log_name(char name[LOG_NAME_MAX], uint64_t segment, uint64_t first_row)
{
	snprintf(name, LOG_NAME_MAX, "%010" PRIu64 "-%020" PRIu64 ".log", segment, first_row);
}

/* Digits up to `end`, and behind them `rest`. */
static const char *
read_digits(const char *text, char end, uint64_t *value)
{
	char digits[24];
	const char *stop = strchr(text, end);

	if (stop == NULL || stop == text || (size_t)(stop - text) >= sizeof(digits)) {
		return NULL;
	}
	snprintf(digits, sizeof(digits), "%.*s", (int)(stop - text), text);
	for (const char *digit = digits; *digit != '\0'; digit++) {
		if (*digit < '0' || *digit > '9') {
			return NULL;
		}
	}
	return text_u64(digits, value) == 0 ? stop + 1 : NULL;
}

bool
log_name_read(const char *name, uint64_t *segment, uint64_t *first_row)
{
	char again[LOG_NAME_MAX];
	const char *rest = read_digits(name, '-', segment);

	rest = rest == NULL ? NULL : read_digits(rest, '.', first_row);
	if (rest == NULL || strcmp(rest, "log") != 0) {
		return false;
	}
	/* One spelling each: else two names might be one segment. */
	log_name(again, *segment, *first_row);
	return strcmp(again, name) == 0;
}

void
log_walk_begin(struct log_walk *walk, uint64_t id, uint64_t segment, uint32_t slice)
{
	memset(walk, 0, sizeof(*walk));
	walk->id = id;
	walk->segment = segment;
	walk->slice = slice;
}

static enum block_fault
walk_begin(struct log_walk *walk, const struct block *block, const uint8_t *payload)
{
	struct log_begin begin;

	if (walk->number != 0 || block->raw_size < sizeof(begin) || block->slot != 0) {
		return FAULT_FIELDS;
	}
	memcpy(&begin, payload, sizeof(begin));
	if (begin.first_row != block->offset || begin.schema_size > LOG_SCHEMA_MAX ||
	    begin.schema_size != block->raw_size - sizeof(begin)) {
		return FAULT_FIELDS;
	}
	walk->row = begin.first_row;
	return FAULT_FINE;
}

/* The first block of a record says how long it is and how many rows it has. */
static enum block_fault
walk_record(struct log_walk *walk, const struct block *block, const uint8_t *payload)
{
	struct log_record_header header;

	if (block->raw_size < sizeof(header) || block->slot > LOG_RECORD_MAX) {
		return FAULT_FIELDS;
	}
	memcpy(&header, payload, sizeof(header));
	if (header.rows == 0 || header.size > LOG_RECORD_MAX - sizeof(header) ||
	    header.size + sizeof(header) != block->raw_size + block->slot) {
		return FAULT_FIELDS;
	}
	walk->rows = header.rows;
	walk->rest = block->slot;
	return FAULT_FINE;
}

static enum block_fault
walk_rows(struct log_walk *walk, const struct block *block, const uint8_t *payload)
{
	enum block_fault fault = FAULT_FINE;

	if (walk->number == 0 || block->offset != walk->row || block->raw_size == 0) {
		return FAULT_FIELDS;
	}
	if (walk->rest == 0) {
		fault = walk_record(walk, block, payload);
	} else if (block->raw_size > walk->rest || block->slot != walk->rest - block->raw_size) {
		return FAULT_FIELDS;
	} else {
		walk->rest = block->slot;
	}
	if (fault == FAULT_FINE && walk->rest == 0) {
		walk->row += walk->rows;
	}
	return fault;
}

static enum block_fault
walk_end(struct log_walk *walk, const struct block *block)
{
	if (walk->number == 0 || walk->rest != 0 || block->offset != walk->row ||
	    block->raw_size != 0 || block->slot != 0) {
		return FAULT_FIELDS;
	}
	walk->group++;
	return FAULT_FINE;
}

enum block_fault
log_walk_next(struct log_walk *walk, const uint8_t *bytes, size_t size, struct block *block)
{
	struct block_place place = { .job = walk->id,
		                     .epoch = walk->segment,
		                     .op = walk->group,
		                     .slice = walk->slice,
		                     .number = walk->number };
	enum block_fault fault = block_check(bytes, size, &place, block);
	const uint8_t *payload = bytes + BLOCK_HEADER;

	if (fault != FAULT_FINE) {
		return fault;
	}
	if (block->codec != BLOCK_PLAIN) {
		return FAULT_CODEC;
	}
	switch (block->kind) {
	case LOG_BEGIN:
		fault = walk_begin(walk, block, payload);
		break;
	case LOG_ROWS:
		fault = walk_rows(walk, block, payload);
		break;
	case LOG_END:
		fault = walk_end(walk, block);
		break;
	default:
		return FAULT_FIELDS;
	}
	walk->number += fault == FAULT_FINE ? 1 : 0;
	return fault;
}

bool
log_walk_is_later(const struct log_walk *walk, const uint8_t *bytes, size_t size)
{
	struct block block;

	return block_check_header(bytes, size, &block) == FAULT_FINE && block.job == walk->id &&
	       block.epoch == walk->segment && block.slice == walk->slice && block.op > walk->group;
}
