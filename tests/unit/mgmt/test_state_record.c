/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/state_record.c: whole records, and everything that a record can lie about. */
#include "mgmt/state_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct manifest_record record;

/* A record of its own exact size, so that a sanitizer sees an overread. */
static struct state_record
read_record(const char *name, const void *bytes, size_t size)
{
	free(record.bytes);
	memset(record.name, 0, sizeof(record.name));
	memcpy(record.name, name, strlen(name));
	record.bytes = malloc(size + (size == 0));
	memcpy(record.bytes, bytes, size);
	record.size = size;
	return state_record_read(&record);
}

static int
forget(void **state)
{
	(void)state;
	free(record.bytes);
	record.bytes = NULL;
	return 0;
}

static void
test_job(void **state)
{
	struct snapshot_job job = { .format = SNAPSHOT_FORMAT, .secret = 42 };
	struct state_record out = read_record("job", &job, sizeof(job));

	(void)state;
	assert_int_equal(out.kind, STATE_RECORD_JOB);
	assert_true(out.is_whole);
	assert_int_equal(out.format, SNAPSHOT_FORMAT);
	assert_false(read_record("job", &job, sizeof(job) - 1).is_whole);
	job.format++;
	assert_false(read_record("job", &job, sizeof(job)).is_whole);
	assert_int_equal(read_record("jobs", &job, sizeof(job)).kind, STATE_RECORD_OTHER);
}

static void
test_names(void **state)
{
	static const char *const bad[] = {
		"slice/",
		"slice/a",
		"slice/a/",
		"slice/a/b",
		"slice/a/1/2",
		"slice//1",
		"slice/a/4294967296",
		"slice/a/99999999999999999999999",
		"slice/a/1x",
		"slice/a/-1",
		"slice/a_name_of_more_than_31_characters/1",
		"txn/a/1",
		"txn/a/1/",
		"txn/a//1",
		"txn/a/1/x",
		"Slice/a/1",
		"",
	};
	struct state_record out;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(read_record(bad[i], "", 0).kind, STATE_RECORD_OTHER);
	}
	assert_int_equal(read_record("end", "", 0).kind, STATE_RECORD_END);
	assert_int_equal(read_record("topology", "{}\n", 3).kind, STATE_RECORD_TOPOLOGY);
	out = read_record("slice/flows/4294967295", "", 0);
	assert_int_equal(out.kind, STATE_RECORD_SLICE);
	assert_string_equal(out.op, "flows");
	assert_int_equal(out.slice, UINT32_MAX);
	assert_false(out.is_whole);
	out = read_record("txn/out/3/18446744073709551615", "x", 1);
	assert_int_equal(out.kind, STATE_RECORD_TXN);
	assert_string_equal(out.op, "out");
	assert_int_equal(out.slice, 3);
	assert_true(out.number == UINT64_MAX);
	assert_true(out.is_whole);
}

/* A slice's record: head, 3 bytes of the engine, 2 of the class, two shapes. */
static uint8_t whole[sizeof(struct snapshot_slice) + 5 + 2 * sizeof(struct snapshot_shape)];

static struct snapshot_slice
make_whole(void)
{
	struct snapshot_slice head = { .format = SNAPSHOT_FORMAT,
		                       .flags = SNAPSHOT_HAS_PART,
		                       .op = 7,
		                       .slice = 2,
		                       .slices = 4,
		                       .slots = 64,
		                       .engine_size = 3,
		                       .class_size = 2,
		                       .shape_size = 2 * sizeof(struct snapshot_shape) };
	struct snapshot_shape shape[2] = { { .arena_size = 4096, .arena_count = 64 },
		                           { .arena_size = 128, .arena_count = 1 } };

	memcpy(whole, &head, sizeof(head));
	memcpy(whole + sizeof(head), "engcl", 5);
	memcpy(whole + sizeof(head) + 5, shape, sizeof(shape));
	return head;
}

static void
test_slice(void **state)
{
	struct state_record out;

	(void)state;
	make_whole();
	out = read_record("slice/flows/2", whole, sizeof(whole));
	assert_true(out.is_whole);
	assert_int_equal(out.head.op, 7);
	assert_memory_equal(out.engine, "eng", 3);
	assert_memory_equal(out.class, "cl", 2);
	assert_int_equal(state_record_shapes(&out), 2);
	assert_int_equal(state_record_shape(&out, 0).arena_count, 64);
	assert_int_equal(state_record_shape(&out, 1).arena_size, 128);
}

static bool
is_whole_with(const struct snapshot_slice *head)
{
	memcpy(whole, head, sizeof(*head));
	return read_record("slice/flows/2", whole, sizeof(whole)).is_whole;
}

static void
test_slice_that_lies(void **state)
{
	struct snapshot_slice head = make_whole();

	(void)state;
	for (size_t size = 0; size < sizeof(whole); size++) {
		assert_false(read_record("slice/flows/2", whole, size).is_whole);
	}
	head.format++;
	assert_false(is_whole_with(&head));
	head = make_whole();
	head.engine_size = UINT32_MAX;
	assert_false(is_whole_with(&head));
	/* Sizes whose sum goes round. */
	head.class_size = UINT32_MAX;
	head.shape_size = UINT32_MAX;
	assert_false(is_whole_with(&head));
	head = make_whole();
	head.class_size = head.engine_size + head.class_size + (UINT32_MAX / 2 + 1);
	head.engine_size = UINT32_MAX / 2 + 1;
	assert_false(is_whole_with(&head));
	/* Right in all, but half a shape. */
	head = make_whole();
	head.class_size += 8;
	head.shape_size -= 8;
	assert_false(is_whole_with(&head));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_job, forget),
		cmocka_unit_test_teardown(test_names, forget),
		cmocka_unit_test_teardown(test_slice, forget),
		cmocka_unit_test_teardown(test_slice_that_lies, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
