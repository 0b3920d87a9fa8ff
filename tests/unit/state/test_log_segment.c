/* SPDX-License-Identifier: BSD-3-Clause */
/* state/log_segment.c: names, and which blocks may follow each other in a segment. */
#include "state/log_segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID 0x1234u
#define SEGMENT 7u
#define SLICE 3u
#define FIRST 100u

static struct block_coder *coder;
static uint8_t bytes[1u << 20];
static size_t size, group_at;
static uint32_t number, group;

static void
put(uint8_t kind, uint64_t row, uint32_t rest, const void *raw, uint32_t raw_size)
{
	struct block block = { .kind = kind,
		               .job = ID,
		               .epoch = SEGMENT,
		               .op = group,
		               .slice = SLICE,
		               .number = number++,
		               .slot = rest,
		               .offset = row,
		               .raw_size = raw_size };

	size += block_encode(coder, &block, raw, bytes + size);
}

static void
put_begin(uint64_t first_row, uint64_t schema_size)
{
	struct {
		struct log_begin begin;
		char schema[8];
	} raw = { { first_row, schema_size }, "k:u64" };

	put(LOG_BEGIN, FIRST, 0, &raw, (uint32_t)sizeof(raw.begin) + 5);
}

/* A record whose blocks have `piece` bytes. */
static void
put_record(uint64_t row, uint32_t rows, uint32_t rows_size, uint32_t piece)
{
	uint32_t whole = (uint32_t)sizeof(struct log_record_header) + rows_size;
	uint8_t *raw = calloc(1, whole);
	struct log_record_header header = { rows, rows_size, 5 };

	assert_non_null(raw);
	memcpy(raw, &header, sizeof(header));
	for (uint32_t at = 0; at < whole; at += piece) {
		uint32_t part = whole - at < piece ? whole - at : piece;

		put(LOG_ROWS, row, whole - at - part, raw + at, part);
	}
	free(raw);
}

static void
put_end(uint64_t row)
{
	put(LOG_END, row, 0, NULL, 0);
	group++;
	size = (size + LOG_SECTOR - 1) / LOG_SECTOR * LOG_SECTOR;
}

static int
begin(void **state)
{
	(void)state;
	memset(bytes, 0, sizeof(bytes));
	size = group_at = 0;
	number = group = 0;
	return 0;
}

/* Walks until something is wrong; returns the fault and through *rows how far it came. */
static enum block_fault
walk(uint64_t *row)
{
	struct log_walk walk;
	struct block block;
	enum block_fault fault = FAULT_FINE;
	size_t at = 0;

	log_walk_begin(&walk, ID, SEGMENT, SLICE);
	*row = 0;
	while (at < size && fault == FAULT_FINE) {
		fault = log_walk_next(&walk, bytes + at, size - at, &block);
		if (fault == FAULT_FINE) {
			at += BLOCK_HEADER + block.stored_size;
			*row = walk.row;
		}
		if (fault == FAULT_FINE && block.kind == LOG_END) {
			at = (at + LOG_SECTOR - 1) / LOG_SECTOR * LOG_SECTOR;
			group_at = at;
		}
	}
	return fault;
}

static void
test_names(void **state)
{
	static const char *const bad[] = {
		"",
		"LOCK",
		"ID.0000000000001234",
		"1-2.log",
		"0000000001-00000000000000000002.log2",
		"0000000001-00000000000000000002.lo",
		"0000000001-00000000000000000002",
		"0000000001-0000000000000000002.log",
		"000000000x-00000000000000000002.log",
		"0000000001_00000000000000000002.log",
		"-0000000001-00000000000000000002.log",
		"0x00000001-00000000000000000002.log",
		"0000000001-99999999999999999999.log",
		"00000000000000000000000000000000000001-2.log",
	};
	char name[LOG_NAME_MAX];
	uint64_t segment, row;

	(void)state;
	log_name(name, 17, 1048576);
	assert_string_equal(name, "0000000017-00000000000001048576.log");
	assert_true(log_name_read(name, &segment, &row));
	assert_int_equal(segment, 17);
	assert_int_equal(row, 1048576);
	log_name(name, 12345678901, UINT64_MAX);
	assert_true(log_name_read(name, &segment, &row));
	assert_int_equal(segment, 12345678901);
	assert_true(row == UINT64_MAX);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (log_name_read(bad[i], &segment, &row)) {
			fail_msg("%s is taken for a segment", bad[i]);
		}
	}
}

static void
test_walk(void **state)
{
	uint64_t row;

	(void)state;
	put_begin(FIRST, 5);
	put_record(FIRST, 10, 1000, BLOCK_RAW_MAX);
	put_record(FIRST + 10, 3, 200000, BLOCK_RAW_MAX);
	put_end(FIRST + 13);
	put_record(FIRST + 13, 1, 0, BLOCK_RAW_MAX);
	put_end(FIRST + 14);
	assert_int_equal(walk(&row), FAULT_FINE);
	assert_int_equal(row, FIRST + 14);
	assert_int_equal(log_record_space(16), 16 + 64);
	assert_int_equal(log_record_space(BLOCK_RAW_MAX), BLOCK_RAW_MAX + 64);
	assert_int_equal(log_record_space(BLOCK_RAW_MAX + 1), BLOCK_RAW_MAX + 1 + 128);
}

/* What stands at the end is wrong, and what comes before it is right. */
static void
expect(enum block_fault fault, uint64_t until)
{
	uint64_t row;

	assert_int_equal(walk(&row), fault);
	assert_int_equal(row, until);
}

static void
test_wrong_order(void **state)
{
	(void)state;
	put_record(FIRST, 10, 1000, BLOCK_RAW_MAX);
	expect(FAULT_FIELDS, 0);
	begin(NULL);
	put_end(FIRST);
	expect(FAULT_FIELDS, 0);
	begin(NULL);
	put_begin(FIRST + 1, 5);
	expect(FAULT_FIELDS, 0);
	begin(NULL);
	put_begin(FIRST, 6);
	expect(FAULT_FIELDS, 0);
	begin(NULL);
	put_begin(FIRST, 5);
	put_begin(FIRST, 5);
	expect(FAULT_FIELDS, FIRST);
	begin(NULL);
	put_begin(FIRST, 5);
	put_record(FIRST + 1, 10, 1000, BLOCK_RAW_MAX);
	expect(FAULT_FIELDS, FIRST);
	begin(NULL);
	put_begin(FIRST, 5);
	put_record(FIRST, 0, 1000, BLOCK_RAW_MAX);
	expect(FAULT_FIELDS, FIRST);
	begin(NULL);
	put_begin(FIRST, 5);
	put_record(FIRST, 10, 1000, BLOCK_RAW_MAX);
	put_end(FIRST + 11);
	expect(FAULT_FIELDS, FIRST + 10);
	begin(NULL);
	put_begin(FIRST, 5);
	put(9, FIRST, 0, "x", 1);
	expect(FAULT_FIELDS, FIRST);
}

/* Records whose blocks do not fit together. */
static void
test_wrong_pieces(void **state)
{
	struct log_record_header header = { 1, 100, 0 };
	uint8_t raw[116] = { 0 };

	(void)state;
	memcpy(raw, &header, sizeof(header));
	put_begin(FIRST, 5);
	put(LOG_ROWS, FIRST, 0, raw, 115);
	expect(FAULT_FIELDS, FIRST);
	begin(NULL);
	put_begin(FIRST, 5);
	put(LOG_ROWS, FIRST, 101, raw, 16);
	expect(FAULT_FIELDS, FIRST);
	begin(NULL);
	put_begin(FIRST, 5);
	put(LOG_ROWS, FIRST, 108, raw, 8);
	expect(FAULT_FIELDS, FIRST);
	begin(NULL);
	put_begin(FIRST, 5);
	put(LOG_ROWS, FIRST, 100, raw, 16);
	put(LOG_ROWS, FIRST, 51, raw + 16, 50);
	expect(FAULT_FIELDS, FIRST);
	begin(NULL);
	put_begin(FIRST, 5);
	put(LOG_ROWS, FIRST, 100, raw, 16);
	put_end(FIRST);
	expect(FAULT_FIELDS, FIRST);
	begin(NULL);
	header.size = LOG_RECORD_MAX;
	memcpy(raw, &header, sizeof(header));
	put_begin(FIRST, 5);
	put(LOG_ROWS, FIRST, LOG_RECORD_MAX, raw, 16);
	expect(FAULT_FIELDS, FIRST);
	/* Sizes that only fit when they are added up in 32 bits. */
	begin(NULL);
	put_begin(FIRST, 5);
	header.size = 100;
	memcpy(raw, &header, sizeof(header));
	put(LOG_ROWS, FIRST, 100, raw, 16);
	put(LOG_ROWS, FIRST, UINT32_MAX, raw, 101);
	expect(FAULT_FIELDS, FIRST);
	begin(NULL);
	header.size = 84;
	memcpy(raw, &header, sizeof(header));
	put_begin(FIRST, 5);
	put(LOG_ROWS, FIRST, UINT32_MAX - 15, raw, 116);
	expect(FAULT_FIELDS, FIRST);
}

/* Every byte of a segment but its padding is looked at. */
static void
test_any_bit(void **state)
{
	uint64_t row;
	size_t used;

	(void)state;
	put_begin(FIRST, 5);
	put_record(FIRST, 10, 300, 100);
	used = size + BLOCK_HEADER;
	put_end(FIRST + 10);
	for (size_t at = 0; at < used; at++) {
		bytes[at] ^= 0x10;
		assert_int_not_equal(walk(&row), FAULT_FINE);
		bytes[at] ^= 0x10;
	}
	assert_int_equal(walk(&row), FAULT_FINE);
}

static void
test_later_groups(void **state)
{
	struct log_walk walk;

	(void)state;
	put_begin(FIRST, 5);
	put_record(FIRST, 10, 300, 1000);
	put_end(FIRST + 10);
	group_at = size;
	put_record(FIRST + 10, 10, 300, 1000);
	put_end(FIRST + 20);
	log_walk_begin(&walk, ID, SEGMENT, SLICE);
	assert_false(log_walk_is_later(&walk, bytes, size));
	assert_true(log_walk_is_later(&walk, bytes + group_at, size - group_at));
	assert_false(log_walk_is_later(&walk, bytes + group_at, BLOCK_HEADER - 1));
	assert_false(log_walk_is_later(&walk, bytes + group_at + 64, size - group_at - 64));
	walk.group = 1;
	assert_false(log_walk_is_later(&walk, bytes + group_at, size - group_at));
	log_walk_begin(&walk, ID, SEGMENT + 1, SLICE);
	assert_false(log_walk_is_later(&walk, bytes + group_at, size - group_at));
	log_walk_begin(&walk, ID + 1, SEGMENT, SLICE);
	assert_false(log_walk_is_later(&walk, bytes + group_at, size - group_at));
	log_walk_begin(&walk, ID, SEGMENT, SLICE + 1);
	assert_false(log_walk_is_later(&walk, bytes + group_at, size - group_at));
}

static int
open_coder(void **state)
{
	(void)state;
	coder = block_coder_open(BLOCK_PLAIN, 0);
	return coder == NULL ? -1 : 0;
}

static int
close_coder(void **state)
{
	(void)state;
	block_coder_close(coder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test_setup(test_walk, begin),
		cmocka_unit_test_setup(test_wrong_order, begin),
		cmocka_unit_test_setup(test_wrong_pieces, begin),
		cmocka_unit_test_setup(test_any_bit, begin),
		cmocka_unit_test_setup(test_later_groups, begin),
	};

	return cmocka_run_group_tests(tests, open_coder, close_coder);
}
