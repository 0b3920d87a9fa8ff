/* SPDX-License-Identifier: BSD-3-Clause */
/* mgmt/resume_note.c: a note written and read, and no other bytes taken for one. */
#include "mgmt/resume_note.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "name: one\n# \xff and \"more\"\noperators: {}\n";

/* Of a text, which need not be sound, and a graph of two operators. */
static char *
write_note(const char *file, uint64_t changed_by, const char *const *set, size_t *size)
{
	struct lm_topology topology = { .file = (char *)"/jobs/one.yaml",
		                        .source = (char *)text,
		                        .source_size = sizeof(text) - 1 };
	struct graph_operator op[] = { { .name = (char *)"flows", .slices = 4 },
		                       { .name = (char *)"out", .slices = 1 } };
	char code[2][PLUGIN_DIGEST] = { "0123456789abcdef0123456789abcdef",
		                        "ffffffffffffffff0000000000000000" };
	struct lm_graph graph = { .op = op, .operator_count = 2, .code = code, .code_count = 2 };
	struct resume_running running = { .topology = &topology,
		                          .graph = &graph,
		                          .set = set,
		                          .file = file,
		                          .changed_by = changed_by };
	char *note = resume_write(&running, size);

	assert_non_null(note);
	return note;
}

static void
test_written(void **state)
{
	static const char *const set[] = { "a=1", "b=2", NULL };
	static const char *const other[] = { "a=1b=2", NULL };
	char digest[3][DIGEST_TEXT];

	(void)state;
	for (int i = 0; i < 3; i++) {
		size_t size;
		char *note = write_note("abc", 7, i == 0 ? NULL : i == 1 ? set : other, &size);
		struct resume_read read;

		assert_true(resume_read(note, size, &read));
		assert_string_equal(read.name, "/jobs/one.yaml");
		assert_string_equal(read.file, "abc");
		assert_int_equal(read.changed_by, 7);
		assert_int_equal(read.text_size, sizeof(text) - 1);
		assert_memory_equal(read.text, text, read.text_size);
		assert_int_equal(read.slices_count, 2);
		assert_string_equal(read.slices[0].op, "flows");
		assert_int_equal(read.slices[0].slices, 4);
		assert_int_equal(read.code_count, 2);
		assert_string_equal(read.code[1], "ffffffffffffffff0000000000000000");
		memcpy(digest[i], read.digest, DIGEST_TEXT);
		resume_read_free(&read);
		free(note);
	}
	/* Variables are part of what was read. */
	assert_string_not_equal(digest[0], digest[1]);
	assert_string_not_equal(digest[1], digest[2]);
}

static void
test_no_note(void **state)
{
	static const char *const wrong[] = {
		"",
		"{}",
		"{}\n",
		"name: one\n",
		"{\"name\":\"n\",\"file\":\"f\",\"digest\":\"d\",\"action\":-1,\"slices\":{}}\n",
		"{\"name\":\"n\",\"file\":\"f\",\"digest\":\"d\",\"action\":1,\"slices\":{\"a\":0}}"
		"\n",
		"{\"name\":\"n\",\"file\":\"f\",\"digest\":\"d\",\"action\":1,\"slices\":{\"a\":"
		"70000}}\n",
		"{\"name\":\"n\",\"file\":\"f\",\"digest\":\"0123456789012345678901234567890123\","
		"\"action\":1,\"slices\":{}}\n",
		"{\"name\":\"n\",\"file\":\"f\",\"digest\":\"d\",\"action\":1,\"slices\":{},"
		"\"code\":[\"../../x\"]}\n",
	};
	struct resume_read read;
	char *note;
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_false(resume_read(wrong[i], strlen(wrong[i]), &read));
		resume_read_free(&read);
	}
	note = write_note("abc", 0, NULL, &size);
	for (size_t cut = 0; cut < size - (sizeof(text) - 1); cut++) {
		assert_false(resume_read(note, cut, &read));
		resume_read_free(&read);
	}
	free(note);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_no_note),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
