/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a segment of the log back. */

#include "state/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"

static_assert(LOG_SECTOR == ENV_DISK_ALIGN, "a group begins where the disk writes");

struct log_reader *
log_reader_new(void)
{
	struct log_reader *reader = malloc(sizeof(*reader));

	if (reader != NULL) {
		memset(reader, 0, offsetof(struct log_reader, record));
		reader->file = -1;
	}
	return reader;
}

void
log_reader_close(struct log_reader *reader)
{
	if (reader->file >= 0) {
		env_file_close(reader->file);
		reader->file = -1;
	}
}

void
log_reader_free(struct log_reader *reader)
{
	if (reader != NULL) {
		log_reader_close(reader);
		free(reader);
	}
}

int
log_reader_open(struct log_reader *reader, const char *path, const struct log_walk *walk)
{
	log_reader_close(reader);
	memset(reader, 0, offsetof(struct log_reader, record));
	reader->walk = *walk;
	reader->file = env_file_open(path, O_RDONLY | O_CLOEXEC, 0);
	return reader->file < 0 ? reader->file : 0;
}

/* Reads until `wanted` bytes lie ahead or the file ends. */
static int
fill(struct log_reader *reader, size_t wanted)
{
	if (reader->end - reader->begin >= wanted) {
		return 0;
	}
	memmove(reader->bytes, reader->bytes + reader->begin, reader->end - reader->begin);
	reader->end -= reader->begin;
	reader->begin = 0;
	while (reader->end < wanted) {
		ssize_t got = env_file_pread(reader->file, reader->bytes + reader->end,
		                             sizeof(reader->bytes) - reader->end, reader->read);

		if (got == -EINTR) {
			continue;
		}
		if (got < 0) {
			return (int)got;
		}
		if (got == 0) {
			return 0;
		}
		reader->end += (size_t)got;
		reader->read += (size_t)got;
	}
	return 0;
}

static void
use(struct log_reader *reader, size_t size)
{
	size_t there = reader->end - reader->begin;

	size = size < there ? size : there;
	reader->begin += size;
	reader->offset += size;
}

/* Zeros up to the next sector; what they are is nobody's business, they are in no checksum. */
static int
skip_to_sector(struct log_reader *reader)
{
	size_t rest = (LOG_SECTOR - reader->offset % LOG_SECTOR) % LOG_SECTOR;
	int result = fill(reader, rest);

	use(reader, rest);
	return result;
}

/* Adds a block's payload to the record; true when that is whole. */
static bool
add_to_record(struct log_reader *reader, const struct block *block, const uint8_t *payload,
              struct log_item *item)
{
	memcpy(reader->record + reader->record_size, payload, block->raw_size);
	reader->record_size += block->raw_size;
	if (block->slot > 0) {
		return false;
	}
	memcpy(&item->header, reader->record, sizeof(item->header));
	item->kind = LOG_ITEM_RECORD;
	item->row = block->offset;
	item->payload = reader->record + sizeof(item->header);
	reader->record_size = 0;
	return true;
}

static bool
take_block(struct log_reader *reader, const struct block *block, struct log_item *item)
{
	const uint8_t *payload = reader->bytes + reader->begin + BLOCK_HEADER;

	switch (block->kind) {
	case LOG_BEGIN:
		memset(item, 0, sizeof(*item));
		item->kind = LOG_ITEM_BEGIN;
		item->row = block->offset;
		item->header.size = block->raw_size - (uint32_t)sizeof(struct log_begin);
		memcpy(reader->record, payload + sizeof(struct log_begin), item->header.size);
		item->payload = reader->record;
		return true;
	case LOG_ROWS:
		return add_to_record(reader, block, payload, item);
	default:
		memset(item, 0, sizeof(*item));
		item->kind = LOG_ITEM_GROUP_END;
		item->row = block->offset;
		return true;
	}
}

/* The next block, checked. 1, 0, -errno. */
static int
next_block(struct log_reader *reader, struct block *block)
{
	int result = fill(reader, BLOCK_SIZE_MAX);

	if (result != 0) {
		return result;
	}
	if (reader->end == reader->begin) {
		reader->fault = FAULT_FINE;
		return 0;
	}
	reader->fault = log_walk_next(&reader->walk, reader->bytes + reader->begin,
	                              reader->end - reader->begin, block);
	return reader->fault == FAULT_FINE ? 1 : 0;
}

int
log_reader_next(struct log_reader *reader, struct log_item *item)
{
	struct block block;
	bool is_whole;
	int result;

	do {
		result = next_block(reader, &block);
		if (result <= 0) {
			return result;
		}
		is_whole = take_block(reader, &block, item);
		use(reader, BLOCK_HEADER + block.stored_size);
		result = block.kind == LOG_END ? skip_to_sector(reader) : 0;
	} while (!is_whole && result == 0);
	return result < 0 ? result : 1;
}

void
log_reader_mark(const struct log_reader *reader, struct log_mark *mark)
{
	assert(reader->record_size == 0);
	mark->walk = reader->walk;
	mark->offset = reader->offset;
}

void
log_reader_return(struct log_reader *reader, const struct log_mark *mark)
{
	reader->walk = mark->walk;
	reader->offset = mark->offset;
	reader->read = mark->offset;
	reader->begin = 0;
	reader->end = 0;
	reader->record_size = 0;
	reader->fault = FAULT_FINE;
}

int
log_reader_is_followed(struct log_reader *reader, const struct log_mark *group)
{
	log_reader_return(reader, group);
	for (;;) {
		int result = fill(reader, LOG_SECTOR);

		if (result != 0) {
			return result;
		}
		if (reader->end - reader->begin < BLOCK_HEADER) {
			return 0;
		}
		if (log_walk_is_later(&reader->walk, reader->bytes + reader->begin,
		                      reader->end - reader->begin)) {
			return 1;
		}
		use(reader, LOG_SECTOR);
	}
}
