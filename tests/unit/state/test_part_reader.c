/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a part's file: whole it is read, and each way in which it can be wrong is named. */
#include "state/part_reader.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/env.h"
#include "state/store.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/sim.h"
#include "tests/sim/store_model.h"

#define BYTES 300000u

static struct store *store;
static struct manifest_file file;
static char path[200], why[MANIFEST_WHY];
static uint8_t bytes[BYTES];

/* One part of several blocks, some of a kind that packs. */
static int
write_part(void **state)
{
	struct store_pick pick;
	struct part *part;
	uint32_t count;

	(void)state;
	sim_reset(1);
	disk_reset();
	for (uint32_t i = 0; i < BYTES; i++) {
		bytes[i] = i < BYTES / 2 ? (uint8_t)sim_random() : (uint8_t)(i / 1000);
	}
	assert_int_equal(model_open(&store, 2, BLOCK_LZ4), 0);
	assert_int_equal(store_pick(store, STORE_ALL, &pick), 0);
	assert_int_equal(store_begin(store, 1), 0);
	assert_int_equal(part_begin(store, (struct part_id){ 1, 1 }, PART_FULL, &part), 0);
	assert_int_equal(part_put(part, 3, 0, 0, bytes, BYTES), 0);
	assert_int_equal(part_finish(part), 0);
	assert_int_equal(store_commit(store, 0), 0);
	file = store_epochs(store, &count)->manifest->file[0];
	snprintf(path, sizeof(path), MODEL_FOLDER "/%s", file.name);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	store_close(store);
	disk_reset();
	return 0;
}

/* What reading it all comes to. */
static int
read_all(void)
{
	struct part_reader *reader;
	const struct block *block;
	const uint8_t *payload;
	int result = part_reader_open(MODEL_FOLDER, MODEL_JOB, &file, &reader, why);

	if (result != 0) {
		return result;
	}
	while ((result = part_reader_next(reader, &block, &payload)) > 0) {
		assert_true(block->offset + block->raw_size <= BYTES);
		assert_memory_equal(payload, bytes + block->offset, block->raw_size);
	}
	part_reader_close(reader);
	return result;
}

static void
test_whole(void **state)
{
	(void)state;
	assert_int_equal(file.blocks, (BYTES + BLOCK_RAW_MAX - 1) / BLOCK_RAW_MAX);
	assert_int_equal(file.raw_bytes, BYTES);
	assert_true(file.length < BYTES);
	assert_int_equal(read_all(), 0);
	assert_int_equal(store_file_check(MODEL_FOLDER, STORE_ALL, MODEL_JOB, &file, why), 0);
}

static void
test_every_byte_counts(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < file.length; i += i < 200 || i + 4200 > file.length ? 1 : 997) {
		disk_bytes(path)[i] ^= 0x10;
		assert_int_equal(read_all(), -EBADMSG);
		assert_non_null(strstr(why, file.name));
		disk_bytes(path)[i] ^= 0x10;
	}
	assert_int_equal(read_all(), 0);
}

static void
expect(const char *reason)
{
	assert_int_equal(read_all(), -EBADMSG);
	if (strstr(why, reason) == NULL) {
		fail_msg("%s instead of %s", why, reason);
	}
}

static void
test_what_is_wrong_is_named(void **state)
{
	struct manifest_file right = file;

	(void)state;
	disk_bytes(path)[100] ^= 1;
	expect("block 0 has a damaged payload");
	disk_bytes(path)[100] ^= 1;
	disk_bytes(path)[20] ^= 1;
	expect("block 0 has a damaged header");
	disk_bytes(path)[20] ^= 1;
	disk_bytes(path)[file.length - 1] = 1;
	expect("what fills its end is not zero");
	disk_bytes(path)[file.length - 1] = 0;
	file.epoch = 2;
	expect("block 0 belongs elsewhere");
	file = right;
	file.blocks--;
	expect("more stands behind its last block");
	file = right;
	file.blocks++;
	expect("block 5 is no block");
	file = right;
	file.digest.low++;
	expect("not those that were written");
	file = right;
	file.length += 4096;
	expect("bytes and should have");
	file = right;
	disk_truncate(path, file.length - 1);
	expect("bytes and should have");
}

/* The first block where the second should be: right in all its checksums. */
static void
test_misdirected_block(void **state)
{
	(void)state;
	memcpy(disk_bytes(path) + BLOCK_SIZE_MAX, disk_bytes(path), BLOCK_SIZE_MAX);
	expect("block 1 belongs elsewhere");
}

static void
test_disk_errors(void **state)
{
	(void)state;
	disk_fail_at(3, DISK_EIO);
	assert_int_equal(read_all(), -EIO);
	assert_non_null(strstr(why, "Input/output error"));
	disk_lose(path);
	assert_int_equal(read_all(), -ENOENT);
}

static void
test_short_reads(void **state)
{
	uint32_t one_in[DISK_FAULT_COUNT] = { 0 };

	(void)state;
	one_in[DISK_SHORT] = 1;
	disk_faults(one_in);
	assert_int_equal(read_all(), 0);
}

/* A file of more reads than are under way at once; they come back in any order. */
static void
test_many_reads(void **state)
{
	const uint32_t size = (3 * ENV_DISK_DEPTH / 2) * ENV_DISK_BYTES + 5000;
	uint8_t *large = malloc(size);
	struct part_reader *reader;
	const struct block *block;
	const uint8_t *payload;
	struct part *part;
	uint32_t count, seen = 0;

	(void)state;
	for (uint32_t i = 0; i < size; i += 8) {
		uint64_t value = sim_random();

		memcpy(large + i, &value, size - i < 8 ? size - i : 8);
	}
	assert_int_equal(store_begin(store, 2), 0);
	assert_int_equal(part_begin(store, (struct part_id){ 2, 1 }, PART_FULL, &part), 0);
	assert_int_equal(part_put(part, 3, 0, 0, large, size), 0);
	assert_int_equal(part_finish(part), 0);
	assert_int_equal(store_commit(store, 0), 0);
	file = store_epochs(store, &count)->manifest->file[0];
	assert_int_equal(part_reader_open(MODEL_FOLDER, MODEL_JOB, &file, &reader, why), 0);
	while (part_reader_next(reader, &block, &payload) > 0) {
		assert_int_equal(block->offset, seen);
		assert_memory_equal(payload, large + seen, block->raw_size);
		seen += block->raw_size;
	}
	assert_int_equal(seen, size);
	part_reader_close(reader);
	assert_int_equal(store_file_check(MODEL_FOLDER, STORE_ALL, MODEL_JOB, &file, why), 0);
	free(large);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, write_part, end)
	const struct CMUnitTest tests[] = {
		CASE(test_whole),
		CASE(test_every_byte_counts),
		CASE(test_what_is_wrong_is_named),
		CASE(test_misdirected_block),
		CASE(test_disk_errors),
		CASE(test_short_reads),
		CASE(test_many_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
