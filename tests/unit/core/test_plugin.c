/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of core/plugin.c with the shared objects of plugin_sample.c, in the folder that the
 * environment variable LODEMILL_TEST_PLUGINS names; without it they are skipped.
 */
#include "core/plugin.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/plugin_lint.h"
#include "core/registry.h"
#include "tests/unit/core/plugin_samples.h"

static const struct lm_place place = { 3, 11, 4 };

/* How many are loaded, and how many are left. */
static void
counted(uint32_t loaded, uint32_t retired)
{
	struct plugin_counts counts = plugin_count();

	assert_int_equal(counts.loaded, loaded);
	assert_int_equal(counts.retired, retired);
}

static struct plugin *
load(const char *path)
{
	struct lm_errors errors = { 0 };
	struct plugin *plugin = plugin_load(path, place, &errors);

	if (errors.count > 0) {
		fail_msg("%s", errors.error[0].message);
	}
	assert_non_null(plugin);
	return plugin;
}

static void
test_count(void **state)
{
	struct plugin *once = load(sample("good"));
	struct plugin *again = load(sample("good"));

	(void)state;
	assert_ptr_equal(once, again);
	counted(1, 0);
	assert_non_null(plugin_class(once, "sample_one"));
	assert_ptr_equal(plugin_class(once, "sample_two"), plugin_class_at(once, 1));
	assert_null(plugin_class(once, "sample_three"));
	assert_null(plugin_class_at(once, 2));
	assert_string_equal(plugin_grouping_at(once, 0)->name, "sample_turns");
	assert_null(plugin_grouping_at(once, 1));
	assert_true(plugin_has(once, plugin_class_at(once, 0)));
	assert_false(plugin_has(once, once));
	assert_string_equal(plugin_path(once), sample("good"));
	/* What is built in is another matter. */
	assert_null(registry_find("sample_one"));
	plugin_release(once);
	counted(1, 0);
	assert_non_null(plugin_class(again, "sample_one"));
	plugin_release(again);
	counted(0, 0);
	plugin_release(NULL);
}

static char *
read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	char *bytes = malloc(1 << 20);

	assert_non_null(file);
	*size = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	return bytes;
}

static const char *
write_file(const void *bytes, size_t size)
{
	static char path[600];
	FILE *file;

	snprintf(path, sizeof(path), "%.500s/plugin_written_%d.so", getenv("LODEMILL_TEST_PLUGINS"),
	         (int)getpid());
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
	return path;
}

/* What is in a file counts, not where it stands. */
static void
test_content(void **state)
{
	struct plugin *good = load(sample("good")), *same, *newer;
	size_t size, newer_size;
	char *bytes = read_file(sample("good"), &size);
	char *newer_bytes = read_file(sample("newer"), &newer_size);
	const char *path = write_file(bytes, size);

	(void)state;
	same = load(path);
	assert_ptr_equal(good, same);
	/* The file is written over, in place: what runs is not touched. */
	write_file(newer_bytes, newer_size);
	newer = load(path);
	assert_ptr_not_equal(good, newer);
	counted(2, 0);
	assert_string_equal(plugin_class(good, "sample_one")->version, "1.0");
	assert_string_equal(plugin_class(newer, "sample_one")->version, "1.1");
	assert_string_equal(plugin_path(same), sample("good"));
	plugin_release(good);
	assert_string_equal(plugin_class(same, "sample_one")->version, "1.0");
	plugin_release(same);
	counted(1, 0);
	assert_string_equal(plugin_class(newer, "sample_one")->version, "1.1");
	plugin_release(newer);
	counted(0, 0);
	remove(path);
	free(bytes);
	free(newer_bytes);
}

/* A table of an older minor is filled up, for each plugin by itself. */
static void
test_older(void **state)
{
	struct plugin *older = load(sample("older"));
	const struct lm_op_class *class = plugin_class(older, "sample_one");

	(void)state;
	assert_non_null(class->process);
	assert_null(class->serialize);
	assert_null(class->adopt);
	plugin_release(older);
}

/* Loading fails with one error that holds these words; nothing of the plugin stays. */
static void
refused(const char *path, const char *message, const char *hint)
{
	struct lm_errors errors = { 0 };

	assert_null(plugin_load(path, place, &errors));
	assert_int_equal(errors.count, 1);
	assert_int_equal(errors.error[0].place.line, place.line);
	if (strstr(errors.error[0].message, message) == NULL ||
	    strstr(errors.error[0].hint, hint) == NULL) {
		fail_msg("\"%s\" (%s)", errors.error[0].message, errors.error[0].hint);
	}
	counted(0, 0);
	lm_errors_free(&errors);
}

static void
test_refused(void **state)
{
	char minor[60], major[60];

	(void)state;
	snprintf(minor, sizeof(minor), "is of ABI %u.%u, this engine has %u.%u", LM_ABI_MAJOR,
	         LM_ABI_MINOR + 7, LM_ABI_MAJOR, LM_ABI_MINOR);
	snprintf(major, sizeof(major), "is of ABI %u.0, this engine has %u.%u", LM_ABI_MAJOR + 1,
	         LM_ABI_MAJOR, LM_ABI_MINOR);
	refused(sample("none"), "cannot load plugin", "check the path");
	refused(sample("none"), "No such file", "check the path");
	refused("/", "cannot load plugin", "check the path");
	refused("", "without a path", "name a shared object");
	refused(sample("entryless"), "has no function lm_plugin_class", "must export");
	refused(sample("major"), major, "build it again");
	refused(sample("minor"), minor, "newer engine");
	refused(sample("endless"), "more than 64 classes", "must return NULL");
	refused(sample("empty"), "has no class", "must return its first class");
	refused(sample("malformed"), "class 1: with inputs it needs process", "repair");
	refused(sample("twice"), "class 1: it has its name from another one", "rename");
	refused(sample("needy"), "undefined symbol: nobody_has_this", "link what it needs into it");
	refused(sample("stack"), "wants a stack that code can run on", "noexecstack");
}

/* ---- the lint ---- */

static void
unfit(const void *bytes, size_t size, const char *why)
{
	refused(write_file(bytes, size), why, "");
}

/* What is no shared object of this machine, or not all of it. */
static void
test_lint(void **state)
{
	size_t size;
	char *good = read_file(sample("good"), &size), *bytes = malloc(size);
	Elf64_Ehdr *head = (void *)bytes;

	(void)state;
	unfit("", 0, "no ELF file");
	unfit("#!/bin/sh\n", 10, "no ELF file");
	unfit(good, 40, "is cut off: it has 40 bytes");
	unfit(good, size / 2, "is cut off");
	unfit(good, size - 1, "is cut off");
	memcpy(bytes, good, size);
	head->e_machine = EM_S390;
	unfit(bytes, size, "is for another machine (ELF number 22)");
	memcpy(bytes, good, size);
	head->e_type = ET_REL;
	unfit(bytes, size, "is not a shared object (ELF type 1)");
	memcpy(bytes, good, size);
	bytes[EI_CLASS] = ELFCLASS32;
	unfit(bytes, size, "is not for a 64-bit");
	memcpy(bytes, good, size);
	head->e_phnum = 0;
	unfit(bytes, size, "has headers that cannot be right");
	remove(write_file("", 0));
	free(bytes);
	free(good);
}

/* What it was is wanted, and it is another one by now. */
static void
test_load_declared(void **state)
{
	char *path = strdup(sample("good")), *other = strdup(sample("newer"));
	struct topology_plugin declared = { .text = path, .place = place };
	struct plugin *plugin = load(path), *same;
	struct lm_errors errors = { 0 };
	char digest[PLUGIN_DIGEST];
	size_t size, file_size;
	char *content = plugin_content(plugin, &size), *file = read_file(path, &file_size);

	(void)state;
	assert_int_equal(size, file_size);
	assert_memory_equal(content, file, size);
	plugin_digest(plugin, declared.digest);
	assert_true(plugin_digest_at(path, digest));
	assert_string_equal(digest, declared.digest);
	assert_true(plugin_digest_at(other, digest));
	assert_string_not_equal(digest, declared.digest);
	assert_false(plugin_digest_at("/nowhere.so", digest));

	/* From the copy, from the path, from neither. */
	declared.text = other;
	declared.copy = path;
	same = plugin_load_declared(&declared, &errors);
	assert_ptr_equal(same, plugin);
	plugin_release(same);
	declared.text = path;
	declared.copy = other;
	same = plugin_load_declared(&declared, &errors);
	assert_ptr_equal(same, plugin);
	plugin_release(same);
	assert_int_equal(errors.count, 0);
	declared.text = other;
	assert_null(plugin_load_declared(&declared, &errors));
	assert_int_equal(errors.count, 1);
	assert_non_null(strstr(errors.error[0].message, "is not the one that ran"));
	lm_errors_free(&errors);
	plugin_release(plugin);
	free(content);
	free(file);
	free(path);
	free(other);
}

/* The first dynamic entry of this tag becomes another one. */
static void
exchange_dynamic(char *bytes, int64_t tag, int64_t becomes, uint64_t value)
{
	const Elf64_Ehdr *head = (const void *)bytes;
	const Elf64_Phdr *segment = (const void *)(bytes + head->e_phoff);
	Elf64_Dyn *entry;

	while (segment->p_type != PT_DYNAMIC) {
		segment++;
	}
	entry = (void *)(bytes + segment->p_offset);
	while (entry->d_tag != tag) {
		assert_int_not_equal(entry->d_tag, DT_NULL);
		entry++;
	}
	entry->d_tag = becomes;
	entry->d_un.d_val = value;
}

static void
test_lint_dynamic(void **state)
{
	struct plugin_lint lint;
	size_t size;
	char *good = read_file(sample("good"), &size), *bytes = malloc(size);

	(void)state;
	assert_true(plugin_lint(good, size, &lint));
	assert_null(lint.why_stay);
	memcpy(bytes, good, size);
	exchange_dynamic(bytes, DT_RELACOUNT, DT_TEXTREL, 0);
	assert_false(plugin_lint(bytes, size, &lint));
	assert_non_null(strstr(lint.why, "TEXTREL"));
	assert_non_null(strstr(lint.hint, "-fPIC"));
	memcpy(bytes, good, size);
	exchange_dynamic(bytes, DT_RELACOUNT, DT_FLAGS_1, DF_1_NODELETE);
	assert_true(plugin_lint(bytes, size, &lint));
	assert_non_null(strstr(lint.why_stay, "nodelete"));
	free(good);
	good = read_file(sample("beside"), &size);
	assert_false(plugin_lint(good, size, &lint));
	assert_non_null(strstr(lint.why, "$ORIGIN"));
	free(good);
	free(bytes);
}

/* Whatever the bytes say, none is read that is not there (a build with ASan would tell). */
static void
test_lint_noise(void **state)
{
	size_t size;
	char *good = read_file(sample("good"), &size);
	uint64_t random = 88172645463325252u;

	(void)state;
	for (uint32_t round = 0; round < 20000; round++) {
		struct plugin_lint lint;
		size_t length, changes;
		char *bytes;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		length = random % 4 == 0 ? random / 4 % size : size;
		bytes = malloc(length + 1);
		memcpy(bytes, good, length);
		changes = random % 7;
		for (uint32_t i = 0; i < changes && length > 0; i++) {
			/* Where headers stand, for the most part. */
			size_t at = (random >> 8 * i) % (i % 2 == 0 ? 512 : length);

			if (at < length) {
				bytes[at] = (char)(random >> (5 * i + 3));
			}
		}
		plugin_lint(bytes, length, &lint);
		free(bytes);
	}
	free(good);
}

/* ---- what cannot be unloaded ---- */

static void
test_retired(void **state)
{
	struct plugin *stays = load(sample("stays")), *again;

	(void)state;
	counted(1, 0);
	plugin_release(stays);
	counted(0, 1);
	/* The same content is the same plugin: it comes back, once. */
	again = load(sample("stays"));
	assert_ptr_equal(again, stays);
	counted(1, 0);
	assert_non_null(plugin_class(again, "sample_one"));
	plugin_release(again);
	counted(0, 1);
}

/* ---- topologies ---- */

static struct lm_topology *
topology_of(const char *first, const char *second)
{
	struct lm_topology *topology = lm_topology_create("t");

	lm_topology_plugin(topology, sample(first));
	if (second != NULL) {
		lm_topology_plugin(topology, sample(second));
	}
	lm_topology_operator(topology, "a", "sample_one");
	lm_topology_wire(topology, &(struct lm_wire){ .from = "a", .to = "a" });
	return topology;
}

/* The topology is a cycle and so refused; what else is wrong comes first. */
static void
says(struct lm_topology *topology, const char *first, const char *second)
{
	struct lm_errors errors = { 0 };
	bool found[2] = { false, false };

	assert_null(lm_graph_check(topology, &errors));
	for (uint32_t i = 0; i < errors.count; i++) {
		found[0] |= strstr(errors.error[i].message, first) != NULL;
		found[1] |= strstr(errors.error[i].message, second) != NULL;
	}
	if (!found[0] || !found[1]) {
		fail_msg("\"%s\" and %u more", errors.error[0].message, errors.count - 1);
	}
	lm_errors_free(&errors);
	lm_topology_free(topology);
}

static void
test_graph(void **state)
{
	(void)state;
	/* The type is known; what is wrong is the cycle. The plugin is unloaded with the graph. */
	says(topology_of("good", NULL), "a -> a", "");
	/* The same one twice is one. */
	says(topology_of("good", "good"), "a -> a", "");
	says(topology_of("good", "newer"), "both have the operator type \"sample_one\"",
	     "plugin_newer.so\"");
	says(topology_of("good", "newer"), "plugin_good.so\"", "");
	says(topology_of("good", "turns"), "both have the grouping \"sample_turns\"", "");
	says(topology_of("other", NULL), "no operator type \"sample_one\"", "");
	assert_int_equal(plugin_count().loaded, 0);
}

static void
one_process(struct lm_op *op, const struct lm_batch *in)
{
	(void)op;
	(void)in;
}

/* What a topology names goes before what is built in. */
static void
test_before_builtin(void **state)
{
	static const char *const in[] = { "in", NULL };
	static const struct lm_op_class builtin = { .abi_version = LM_ABI_VERSION,
		                                    .name = "sample_one",
		                                    .inputs = in,
		                                    .rows = LM_ROWS_ABSORB,
		                                    .process = one_process };
	const char *why;

	(void)state;
	assert_int_equal(registry_add(&builtin, &why), 0);
	/* The built-in one has no output to make a cycle with. */
	says(topology_of("other", NULL), "output", "");
	says(topology_of("good", NULL), "a -> a", "");
	registry_remove(&builtin);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),          cmocka_unit_test(test_content),
		cmocka_unit_test(test_older),          cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lint),           cmocka_unit_test(test_lint_dynamic),
		cmocka_unit_test(test_lint_noise),     cmocka_unit_test(test_load_declared),
		cmocka_unit_test(test_graph),          cmocka_unit_test(test_retired),
		cmocka_unit_test(test_before_builtin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
