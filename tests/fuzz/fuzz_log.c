/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target of what is read from the folder of an ingest log. Input: a byte that says what, the
 * bytes. 0: a segment; 1: the same with its places and checksums made right first, so that what
 * lies behind them is reached; 2: the rows of a record, how many in two bytes in front; 3: a file's
 * name.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "operators/ingest_rows.h"
#include "state/log_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define ID 0x1234u
#define SEGMENT 7u
#define ITEMS_MAX 100000u

#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static const struct lm_schema *
fuzz_schema(void)
{
	static const struct lm_field fields[] = {
		{ "time", LM_TIME, 0 }, { "word", LM_STRING, 3000 }, { "flag", LM_BOOL, 0 },
		{ "port", LM_U16, 0 },  { "more", LM_BYTES, 3000 },
	};
	static struct lm_schema schema;

	if (schema.field_count == 0) {
		FUZZ_CHECK(lm_schema_init(&schema, fields, 5, 64) == 0);
	}
	return &schema;
}

/* Rows that are called good can be read, in pieces, and are the same bytes when written again. */
static void
fuzz_rows(const uint8_t *bytes, uint32_t size, uint32_t rows)
{
	const struct lm_schema *schema = fuzz_schema();
	struct lm_batch *out;
	struct ingest_range range = { .rows = rows };
	uint8_t *again;

	if (!ingest_rows_check(schema, bytes, size, rows)) {
		return;
	}
	/* Each row takes bytes: so many rows as the bytes can be. */
	FUZZ_CHECK(rows > 0 && (uint64_t)rows * 19 <= size);
	out = aligned_alloc(64, (schema->size + 63) / 64 * 64);
	FUZZ_CHECK(out != NULL);
	memset(out, 0, sizeof(*out));
	out->schema = schema;
	while (range.from < rows) {
		uint32_t got;

		range.count = rows - range.from;
		range.count = range.count < schema->capacity ? range.count : schema->capacity;
		got = ingest_rows_read(bytes, &range, out, 0);
		FUZZ_CHECK(got <= range.count);
		if (got == 0) {
			break; /* a string that no batch has room for */
		}
		out->count = got;
		if (got == rows) {
			FUZZ_CHECK(ingest_rows_size(out) == size);
			again = malloc(size);
			FUZZ_CHECK(again != NULL);
			ingest_rows_write(out, again);
			FUZZ_CHECK(memcmp(again, bytes, size) == 0);
			free(again);
		}
		range.from += got;
	}
	free(out);
}

/* Right places and checksums on whatever stands there, as far as it has lengths that fit. */
static void
fuzz_seal(uint8_t *bytes, size_t size)
{
	uint32_t number = 0, group = 0;
	size_t at = 0;

	while (size - at >= BLOCK_HEADER) {
		struct block block;

		memcpy(&block, bytes + at, sizeof(block));
		block.magic = BLOCK_MAGIC;
		block.version = BLOCK_VERSION;
		block.job = ID;
		block.epoch = SEGMENT;
		block.op = group;
		block.slice = 0;
		block.number = number++;
		if (block.stored_size > size - at - BLOCK_HEADER) {
			return;
		}
		block.payload_crc = block_crc(bytes + at + BLOCK_HEADER, block.stored_size);
		block.header_crc = block_crc(&block, offsetof(struct block, header_crc));
		memcpy(bytes + at, &block, sizeof(block));
		at += BLOCK_HEADER + block.stored_size;
		if (block.kind == LOG_END) {
			group++;
			at = (at + LOG_SECTOR - 1) / LOG_SECTOR * LOG_SECTOR;
			at = at < size ? at : size;
		}
	}
}

/* In a file without a name. */
static const char *
fuzz_file(const uint8_t *bytes, size_t size)
{
	static char path[64];
	static int file = -1;

	if (file < 0) {
		file = memfd_create("segment", 0);
		FUZZ_CHECK(file >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	}
	FUZZ_CHECK(ftruncate(file, 0) == 0);
	FUZZ_CHECK(pwrite(file, bytes, size, 0) == (ssize_t)size);
	return path;
}

/* Items come in an order that makes sense; returns how many, and where the last group ended. */
static uint32_t
fuzz_read(struct log_reader *reader, struct log_mark *mark)
{
	struct log_item item;
	uint64_t row = 0;
	uint32_t items = 0;
	int result;

	log_reader_mark(reader, mark);
	while ((result = log_reader_next(reader, &item)) > 0) {
		FUZZ_CHECK(++items < ITEMS_MAX);
		FUZZ_CHECK(items > 1 || item.kind == LOG_ITEM_BEGIN);
		FUZZ_CHECK(items == 1 || item.row == row);
		row = item.row;
		if (item.kind == LOG_ITEM_RECORD) {
			FUZZ_CHECK(item.header.rows > 0);
			FUZZ_CHECK(item.header.size <= LOG_RECORD_MAX);
			fuzz_rows(item.payload, item.header.size, item.header.rows);
			row += item.header.rows;
		}
		if (item.kind == LOG_ITEM_GROUP_END) {
			log_reader_mark(reader, mark);
		}
	}
	FUZZ_CHECK(result == 0);
	FUZZ_CHECK(reader->fault < BLOCK_FAULT_COUNT);
	return items;
}

static void
fuzz_segment(const uint8_t *bytes, size_t size)
{
	static struct log_reader *reader;
	const char *path = fuzz_file(bytes, size);
	struct log_walk walk;
	struct log_mark mark;
	uint32_t items;
	int followed;

	if (reader == NULL) {
		reader = log_reader_new();
		FUZZ_CHECK(reader != NULL);
	}
	log_walk_begin(&walk, ID, SEGMENT, 0);
	FUZZ_CHECK(log_reader_open(reader, path, &walk) == 0);
	items = fuzz_read(reader, &mark);
	followed = log_reader_is_followed(reader, &mark);
	FUZZ_CHECK(followed == 0 || followed == 1);
	FUZZ_CHECK(log_reader_open(reader, path, &walk) == 0);
	FUZZ_CHECK(fuzz_read(reader, &mark) == items);
	log_reader_close(reader);
}

static void
fuzz_name(const uint8_t *bytes, size_t size)
{
	char name[100] = "", again[LOG_NAME_MAX];
	uint64_t segment, row;

	memcpy(name, bytes, size < sizeof(name) - 1 ? size : sizeof(name) - 1);
	if (log_name_read(name, &segment, &row)) {
		log_name(again, segment, row);
		FUZZ_CHECK(strcmp(again, name) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	uint8_t *copy;
	uint16_t rows;

	if (size == 0) {
		return 0;
	}
	/* In a piece of its own size, so that a sanitizer sees any overread. */
	copy = malloc(size);
	if (copy == NULL) {
		return 0;
	}
	memcpy(copy, bytes + 1, size - 1);
	copy = realloc(copy, size - 1 > 0 ? size - 1 : 1);
	switch (bytes[0] & 3) {
	case 0:
		fuzz_segment(copy, size - 1);
		break;
	case 1:
		fuzz_seal(copy, size - 1);
		fuzz_segment(copy, size - 1);
		break;
	case 2:
		if (size > sizeof(rows)) {
			memcpy(&rows, copy, sizeof(rows));
			fuzz_rows(copy + sizeof(rows), (uint32_t)(size - 1 - sizeof(rows)), rows);
		}
		break;
	default:
		fuzz_name(copy, size - 1);
		break;
	}
	free(copy);
	return 0;
}
