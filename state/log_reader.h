/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef LOG_READER_H
#define LOG_READER_H

/*
 * Reading a segment of the log back, record by record, with everything checked.
 *
 *     result = log_reader_open(reader, path, &walk);
 *     while ((result = log_reader_next(reader, &item)) > 0) …
 *     0: it ends here, or what follows is no good: reader->fault says which
 *
 * Blocks; a control thread, or a slice that has just begun and has nothing else to do.
 */

#include "state/log_segment.h"

#define LOG_READ_BYTES (512u << 10)

enum log_item_kind { LOG_ITEM_BEGIN, LOG_ITEM_RECORD, LOG_ITEM_GROUP_END };

struct log_item {
	enum log_item_kind kind;
	uint64_t row;                    /* of a record: its first; else the next one to come */
	struct log_record_header header; /* of a record */
	const uint8_t *payload; /* of a record: its rows; BEGIN: the schema, header.size bytes */
};

/* A place between two groups, to come back to. */
struct log_mark {
	struct log_walk walk;
	uint64_t offset;
};

struct log_reader {
	int file; /* negative: none */
	struct log_walk walk;
	enum block_fault fault; /* why it stopped; FAULT_FINE: the file has ended */
	uint64_t offset;        /* in the file, of the next block */
	uint64_t read;          /* in the file, up to where it was read */
	size_t begin, end;      /* of what was read and not used, in `bytes` */
	uint32_t record_size;
	uint8_t record[LOG_RECORD_MAX];
	uint8_t bytes[LOG_READ_BYTES];
};
static_assert(LOG_READ_BYTES >= 2 * BLOCK_SIZE_MAX, "a block fits with what was read before it");

/* NULL: no memory. Freed by log_reader_free. */
struct log_reader *log_reader_new(void);
void log_reader_free(struct log_reader *reader);
/* Opens a segment; what was open is closed. 0 or -errno. */
int log_reader_open(struct log_reader *reader, const char *path, const struct log_walk *walk);
void log_reader_close(struct log_reader *reader);
/* 1: an item, valid until the next call; 0: no more; -errno: the disk says so. */
int log_reader_next(struct log_reader *reader, struct log_item *item);
/* Between two groups: here; and back here. */
void log_reader_mark(const struct log_reader *reader, struct log_mark *mark);
void log_reader_return(struct log_reader *reader, const struct log_mark *mark);
/*
 * Behind a stop: whether a later group begins further on. The one at which it stopped was then
 * durable once, and has been damaged since. 1, 0, -errno.
 */
int log_reader_is_followed(struct log_reader *reader, const struct log_mark *group);

#endif
