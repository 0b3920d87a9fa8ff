/* SPDX-License-Identifier: BSD-3-Clause */
/* Manifests: what is written is read, and what is no manifest is refused with a reason. */
#include "state/manifest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char why[MANIFEST_WHY];

static uint32_t
add_file(struct manifest *manifest, uint64_t epoch, struct part_id part)
{
	struct manifest_file file = { .part = part, .epoch = epoch, .length = 4096, .blocks = 3 };
	uint32_t index;

	file.raw_bytes = 1234;
	file.digest = (struct digest){ 0x0123456789abcdef, epoch };
	file_name(file.name, epoch, part, 5);
	assert_int_equal(manifest_add_file(manifest, &file, &index), 0);
	return index;
}

static struct manifest *
sample(void)
{
	struct manifest *manifest = manifest_new();
	struct manifest_part part = { .id = { 3, 4 }, .chain_count = 2 };

	manifest->job = 0xfedcba9876543210;
	manifest->epoch = 9;
	manifest->incarnation = 2;
	manifest->topology = UINT64_MAX;
	manifest->wall_ns = 1600000000000000000;
	manifest->previous_epoch = 8;
	manifest->previous = (struct digest){ 1, UINT64_MAX };
	part.chain[0] = add_file(manifest, 7, part.id);
	part.chain[1] = add_file(manifest, 9, part.id);
	assert_int_equal(manifest_add_part(manifest, &part), 0);
	assert_int_equal(manifest_add_record(manifest, "source/packets/0", "\0\x80\xff", 3), 0);
	assert_int_equal(manifest_add_record(manifest, "empty", NULL, 0), 0);
	return manifest;
}

static void
test_round_trip(void **state)
{
	struct manifest *manifest = sample(), *read;
	const struct manifest_part *part;
	const struct manifest_record *record;
	uint64_t own;
	size_t size;
	char *text = manifest_write(manifest, &size);

	(void)state;
	assert_non_null(text);
	read = manifest_read(text, size, why);
	assert_non_null(read);
	assert_true(digest_equal(read->digest, manifest->digest));
	assert_int_equal(read->job, manifest->job);
	assert_int_equal(read->topology, UINT64_MAX);
	assert_int_equal(read->epoch, 9);
	assert_int_equal(read->previous_epoch, 8);
	assert_true(digest_equal(read->previous, manifest->previous));
	assert_int_equal(read->wall_ns, manifest->wall_ns);
	part = manifest_part(read, (struct part_id){ 3, 4 });
	assert_non_null(part);
	assert_int_equal(part->chain_count, 2);
	assert_string_equal(read->file[part->chain[0]].name, "E7-O3-S4-5.part");
	assert_memory_equal(&read->file[1], &manifest->file[1], sizeof(read->file[1]));
	assert_null(manifest_part(read, (struct part_id){ 3, 5 }));
	record = manifest_record(read, "source/packets/0");
	assert_int_equal(record->size, 3);
	assert_memory_equal(record->bytes, "\0\x80\xff", 3);
	assert_int_equal(manifest_record(read, "empty")->size, 0);
	assert_null(manifest_record(read, "other"));
	assert_int_equal(manifest_bytes(read, &own), 8192);
	assert_int_equal(own, 4096);
	assert_true(manifest_has_file(read, "E7-O3-S4-5.part"));
	assert_false(manifest_has_file(read, "E7-O3-S4-6.part"));
	manifest_free(read);
	manifest_free(manifest);
	free(text);
}

/* Any bit, any length: refused. */
static void
test_damage(void **state)
{
	struct manifest *manifest = sample();
	size_t size;
	char *text = manifest_write(manifest, &size);

	(void)state;
	for (size_t bit = 0; bit < 8 * size; bit++) {
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
		assert_null(manifest_read(text, size, why));
		assert_true(strlen(why) > 5);
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
	}
	for (size_t cut = 0; cut < size; cut++) {
		assert_null(manifest_read(text, cut, why));
	}
	manifest_free(manifest);
	free(text);
}

/* Text that is JSON and has a right digest, and makes no sense. */
static void
expect_refused(const char *from, const char *to, const char *reason)
{
	struct manifest *manifest = sample();
	size_t size;
	char *text = manifest_write(manifest, &size);
	char *at = strstr(text, from), *other;
	size_t length;

	assert_non_null(at);
	*strstr(text, "xxh3-128") = '\0';
	length = strlen(text) + strlen(to) + 1;
	other = malloc(length);
	snprintf(other, length, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	assert_null(manifest_read_json(other, strlen(other), why));
	if (strstr(why, reason) == NULL) {
		fail_msg("%s instead of %s", why, reason);
	}
	free(other);
	free(text);
	manifest_free(manifest);
}

static void
test_nonsense(void **state)
{
	(void)state;
	expect_refused("\"format\": 1", "\"format\": 2", "format 2; this build reads 1");
	expect_refused("\"format\": 1", "\"format\": \"1\"", "\"format\" is not a number");
	expect_refused("E9-O3-S4-5.part", "E10-O3-S4-5.part", "younger than its manifest");
	expect_refused("\"epoch\": 9", "\"epoch\": 7", "not behind the previous");
	expect_refused("\"epoch\": 9", "\"epoch\": -9", "not a number from 0");
	expect_refused("fedcba98", "fedcba9", "16 hexadecimal digits");
	expect_refused("fedcba98", "fedcbaXX", "16 hexadecimal digits");
	expect_refused("E7-O3-S4-5.part", "../E7-O3-S4-5.part", "no name that a file of a part");
	expect_refused("E7-O3-S4-5.part", "E07-O3-S4-5.part", "no name that a file of a part");
	expect_refused("E7-O3-S4-5.part", "E7-O3-S5-5.part", "not in its place");
	expect_refused("E7-O3-S4-5.part", "E9-O3-S4-5.part", "not in its place");
	expect_refused("\"operator\": 3", "\"operator\": 4294967296", "not a number from 0");
	expect_refused("    1\n", "    2\n", "a file that is not there");
	expect_refused("    1\n", "    0\n", "not there or taken");
	expect_refused("    1\n", "    0.5\n", "not there or taken");
	expect_refused("    0,\n    1\n", "", "not of 1 to");
	expect_refused("    0,\n    1\n", "    0\n", "belongs to no part");
	expect_refused("0080ff", "0080f", "no name and hexadecimal");
	expect_refused("0080ff", "0080fg", "not hexadecimal");
	expect_refused("\"empty\"", "\"source/packets/0\"", "exists");
	expect_refused("\"empty\"", "\"\"", "Invalid");
	expect_refused("{", "[", "line");
}

static void
test_names(void **state)
{
	char name[MANIFEST_NAME_MAX], copy;
	struct part_id part;
	uint64_t epoch;

	(void)state;
	file_name(name, INT64_MAX, (struct part_id){ UINT32_MAX, UINT32_MAX }, UINT32_MAX);
	assert_true(file_name_read(name, &epoch, &part));
	assert_int_equal(epoch, INT64_MAX);
	assert_int_equal(part.op, UINT32_MAX);
	assert_false(file_name_read("E0-O1-S1-1.part", &epoch, &part));
	assert_false(file_name_read("E1-O1-S1-1.part.tmp", &epoch, &part));
	assert_false(file_name_read("E1-O1-S01-1.part", &epoch, &part));
	assert_false(file_name_read("E9223372036854775808-O1-S1-1.part", &epoch, &part));
	assert_false(file_name_read("E1-O4294967296-S1-1.part", &epoch, &part));
	assert_false(file_name_read("", &epoch, &part));
	manifest_name(name, 12, 'b');
	assert_string_equal(name, "MANIFEST.12.b");
	assert_true(manifest_name_read(name, &epoch, &copy));
	assert_int_equal(copy, 'b');
	assert_false(manifest_name_read("MANIFEST.12.c", &epoch, &copy));
	assert_false(manifest_name_read("MANIFEST.12.a.tmp", &epoch, &copy));
	assert_false(manifest_name_read("MANIFEST.012.a", &epoch, &copy));
	assert_true(incarnation_name_read("INCARNATION.7", &epoch));
	assert_int_equal(epoch, 7);
	assert_false(incarnation_name_read("INCARNATION.", &epoch));
	assert_false(incarnation_name_read("INCARNATION.7x", &epoch));
	assert_false(incarnation_name_read("INCARNATION.0", &epoch));
}

static void
test_records(void **state)
{
	struct manifest *manifest = manifest_new();
	char name[MANIFEST_RECORD_MAX + 1];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[MANIFEST_RECORD_MAX] = '\0';
	assert_int_equal(manifest_add_record(manifest, name, "", 0), -EINVAL);
	name[MANIFEST_RECORD_MAX - 1] = '\0';
	assert_int_equal(manifest_add_record(manifest, name, "", 0), 0);
	assert_int_equal(manifest_add_record(manifest, name, "", 0), -EEXIST);
	assert_int_equal(manifest_add_record(manifest, "a\nb", "", 0), -EINVAL);
	assert_int_equal(manifest_add_record(manifest, "", "", 0), -EINVAL);
	manifest_free(manifest);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_damage),
		cmocka_unit_test(test_nonsense),   cmocka_unit_test(test_names),
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
