/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/state_part.c: blocks in any order, summed up slot by slot. */
#include "mgmt/state_part.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "state/snapshot_format.h"

static void
put_bytes(struct state_part *part, uint32_t opened, uint32_t slot, uint32_t size)
{
	struct block block = { .kind = SNAPSHOT_BYTES,
		               .slot = slot,
		               .offset = SNAPSHOT_PLACE(opened, 4096),
		               .raw_size = size };
	uint8_t bytes[64] = { 0 };

	assert_int_equal(state_part_block(part, &block, bytes), 0);
}

static void
test_order(void **state)
{
	struct state_part part = { 0 };

	(void)state;
	/* 300 slots backwards, each three times; and a value in between. */
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t slot = 300; slot-- > 0;) {
			put_bytes(&part, 1, slot, 10 + round);
		}
		put_bytes(&part, 0, 5, 1);
	}
	assert_int_equal(part.slot_count, 301);
	assert_int_equal(part.blocks, 903);
	assert_int_equal(part.bytes, 300 * 33 + 3);
	assert_int_equal(part.slot[0].opened, 0);
	assert_int_equal(part.slot[0].slot, 5);
	for (uint32_t i = 1; i < 301; i++) {
		assert_int_equal(part.slot[i].opened, 1);
		assert_int_equal(part.slot[i].slot, i - 1);
		assert_int_equal(part.slot[i].blocks, 3);
		assert_int_equal(part.slot[i].bytes, 33);
	}
	state_part_free(&part);
	assert_int_equal(part.slot_count, 0);
}

static void
test_granules(void **state)
{
	struct snapshot_granule granule[3] = { { .part = 2, .slot = 9 },
		                               { .part = 0, .slot = 1 },
		                               { .part = 2, .slot = 9 } };
	struct block block = { .kind = SNAPSHOT_GRANULES, .raw_size = sizeof(granule) };
	struct state_part part = { 0 };

	(void)state;
	put_bytes(&part, 2, 9, 64);
	assert_int_equal(state_part_block(&part, &block, (const uint8_t *)granule), 0);
	assert_int_equal(part.slot_count, 2);
	assert_int_equal(part.slot[0].granules, 1);
	assert_int_equal(part.slot[0].blocks, 0);
	assert_int_equal(part.slot[1].granules, 2);
	assert_int_equal(part.slot[1].blocks, 1);
	assert_int_equal(part.slot[1].bytes, 3 * 64);
	assert_int_equal(part.unknown, 0);
	state_part_free(&part);
}

static void
test_unknown(void **state)
{
	uint8_t bytes[200] = { 0 };
	struct block block = { .kind = 9, .raw_size = 100 };
	struct state_part part = { 0 };

	(void)state;
	assert_int_equal(state_part_block(&part, &block, bytes), 0);
	block.kind = SNAPSHOT_GRANULES; /* not a whole number of them */
	assert_int_equal(state_part_block(&part, &block, bytes), 0);
	assert_int_equal(part.unknown, 2);
	assert_int_equal(part.blocks, 2);
	assert_int_equal(part.bytes, 200);
	assert_int_equal(part.slot_count, 0);
	state_part_free(&part);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_granules),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
