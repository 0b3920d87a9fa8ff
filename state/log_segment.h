/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOG_SEGMENT_H
#define LOG_SEGMENT_H

/*
 * How a segment of the log (log.h) stands on disk. It is blocks (block.h), one behind the other:
 * first LOG_BEGIN, then records, each in as many LOG_ROWS blocks as it takes, and at the end of
 * each group LOG_END, behind which zeros fill the sector; the next group begins on a new one. What
 * is behind the last LOG_END may be torn and does not count.
 *
 * In the header of a block `job` is the log's id, `epoch` the segment's number, `op` the number of
 * the group in the segment, `number` that of the block in the segment, `slot` how many bytes of the
 * record stand in the blocks behind this one, and `offset` the number of the record's first row, or
 * of the row behind the last one.
 *
 * Pure functions over memory; nothing read is believed before it is checked.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state/block.h"

/* Where a group begins, and what the disk writes at once; of files, ENV_DISK_ALIGN. */
#define LOG_SECTOR 4096u
/* A record, its header included. A batch is smaller. */
#define LOG_RECORD_MAX (768u << 10)
#define LOG_SCHEMA_MAX 4096u
#define LOG_NAME_MAX 48u

enum log_kind { LOG_BEGIN = 1, LOG_ROWS, LOG_END };

/* In front of the rows of a record. */
struct log_record_header {
	uint32_t rows;
	uint32_t size;     /* of what follows */
	int64_t watermark; /* event time when they came; INT64_MIN: none yet */
};
static_assert(sizeof(struct log_record_header) == 16, "it is written as it is");

/* The payload of LOG_BEGIN; the schema's text follows. */
struct log_begin {
	uint64_t first_row;
	uint64_t schema_size;
};

/* "0000000017-00000000000001048576.log": segment 17 begins with this row. */
void log_name(char name[LOG_NAME_MAX], uint64_t segment, uint64_t first_row);
bool log_name_read(const char *name, uint64_t *segment, uint64_t *first_row);

/* Where in a segment one is: what the next block must say. */
struct log_walk {
	uint64_t id, segment;
	uint32_t slice;
	uint32_t number, group; /* of the next block */
	uint64_t row;           /* the next record's first */
	uint32_t rows;          /* of the record that is under way */
	uint32_t rest;          /* bytes of it that are still to come */
};
void log_walk_begin(struct log_walk *walk, uint64_t id, uint64_t segment, uint32_t slice);
/*
 * The block that begins at `bytes`: FAULT_FINE, and the walk is behind it; FAULT_SHORT: more than
 * `size` bytes are needed. After a LOG_END the next block is on the next sector.
 */
enum block_fault log_walk_next(struct log_walk *walk, const uint8_t *bytes, size_t size,
                               struct block *block);
/* Whether a block of a later group than the walk's begins here. */
bool log_walk_is_later(const struct log_walk *walk, const uint8_t *bytes, size_t size);

/* The bytes of a segment that a record with `size` bytes, header included, takes. */
static inline uint32_t
log_record_space(uint32_t size)
{
	return size + (size + BLOCK_RAW_MAX - 1) / BLOCK_RAW_MAX * BLOCK_HEADER;
}

#endif
