/* SPDX-License-Identifier: BSD-3-Clause */
/* Loading operator classes and groupings from shared objects, unloading them by count. */
#define _GNU_SOURCE /* memfd_create, dl_iterate_phdr */
#include "core/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/env.h"
#include "core/plugin_lint.h"
#include "core/registry.h"
#include "core/xxh.h"

/* Classes of a plugin, groupings of a plugin. */
#define PLUGIN_ENTRIES_MAX 64u

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

struct plugin {
	/* What is in its file, and the copy that it is loaded from. The copy stays open: its path
	 * is the loader's name for the object. */
	XXH128_hash_t digest;
	size_t size;
	int copy;
	char *path; /* the first */
	void *object;
	uintptr_t first, end; /* addresses of the object */
	uint32_t holders;
	const struct lm_op_class *class[PLUGIN_ENTRIES_MAX];
	/* Tables of an older minor, which are shorter, filled up. */
	struct lm_op_class *longer[PLUGIN_ENTRIES_MAX];
	uint32_t class_count;
	const struct lm_grouping_function *grouping[PLUGIN_ENTRIES_MAX];
	uint32_t grouping_count;
	struct plugin *next;
};

/* Those with holders, and those that cannot be unloaded. */
static struct plugin *plugin_first;
/* That could not even be used. */
static uint32_t plugins_left;

typedef const struct lm_op_class *plugin_class_fn(uint32_t index);
typedef const struct lm_grouping_function *plugin_grouping_fn(uint32_t index);

/* What a load needs to say something about its plugin. */
struct plugin_report {
	const char *path;
	struct lm_place place;
	struct lm_errors *errors;
};

/* By the number of the process, so that a debugger finds the copy, and its symbols, too. */
static void
copy_path(int copy, char path[PLUGIN_COPY_PATH])
{
	snprintf(path, PLUGIN_COPY_PATH, "/proc/%d/fd/%d", (int)getpid(), copy);
}

/* ---- what is in it ---- */

const struct lm_op_class *
plugin_class_at(const struct plugin *plugin, uint32_t index)
{
	return index < plugin->class_count ? plugin->class[index] : NULL;
}

const struct lm_grouping_function *
plugin_grouping_at(const struct plugin *plugin, uint32_t index)
{
	return index < plugin->grouping_count ? plugin->grouping[index] : NULL;
}

const struct lm_op_class *
plugin_class(const struct plugin *plugin, const char *name)
{
	for (uint32_t i = 0; i < plugin->class_count; i++) {
		if (strcmp(plugin->class[i] -> name, name) == 0) {
			return plugin->class[i];
		}
	}
	return NULL;
}

static bool
plugin_has_grouping(const struct plugin *plugin, const char *name)
{
	for (uint32_t i = 0; i < plugin->grouping_count; i++) {
		if (strcmp(plugin->grouping[i]->name, name) == 0) {
			return true;
		}
	}
	return false;
}

bool
plugin_has(const struct plugin *plugin, const void *address)
{
	return (uintptr_t)address >= plugin->first && (uintptr_t)address < plugin->end;
}

bool
plugin_is_last(const struct plugin *plugin)
{
	return plugin->holders == 1;
}

void
plugin_copy_path(const struct plugin *plugin, char path[PLUGIN_COPY_PATH])
{
	copy_path(plugin->copy, path);
}

const char *
plugin_path(const struct plugin *plugin)
{
	return plugin->path;
}

struct plugin_counts
plugin_count(void)
{
	struct plugin_counts counts = { .retired = plugins_left };

	for (const struct plugin *plugin = plugin_first; plugin != NULL; plugin = plugin->next) {
		counts.loaded += plugin->holders > 0;
		counts.retired += plugin->holders == 0;
	}
	return counts;
}

/* ---- its tables ---- */

static bool
plugin_check_abi(const struct plugin_report *report, const struct lm_op_class *class)
{
	uint32_t major = class->abi_version >> 16, minor = class->abi_version & 0xffffu;

	if (major == LM_ABI_MAJOR && minor <= LM_ABI_MINOR) {
		return true;
	}
	lm_errors_add(report->errors, report->place,
	              major == LM_ABI_MAJOR ? "run it with a newer engine, or build it with the "
	                                      "headers of this one"
	                                    : "build it again with the headers of this engine",
	              "plugin \"%s\" is of ABI %u.%u, this engine has %u.%u", report->path, major,
	              minor, LM_ABI_MAJOR, LM_ABI_MINOR);
	return false;
}

static bool
plugin_add_class(struct plugin *plugin, const struct plugin_report *report,
                 const struct lm_op_class *class)
{
	struct lm_op_class *longer;
	const char *why;

	if (!plugin_check_abi(report, class)) {
		return false;
	}
	if (registry_check(class, &why) == 0) {
		why = plugin_class(plugin, class->name) == NULL
		          ? NULL
		          : "it has its name from another one";
	}
	longer = why == NULL ? malloc(sizeof(*longer)) : NULL;
	if (longer == NULL) {
		lm_errors_add(report->errors, report->place,
		              "rename or repair the class, or leave the plugin out",
		              "plugin \"%s\", class %u: %s", report->path, plugin->class_count,
		              why == NULL ? "no memory left" : why);
		return false;
	}
	plugin->longer[plugin->class_count] = longer;
	plugin->class[plugin->class_count++] = registry_at_length(class, longer);
	return true;
}

static bool
plugin_add_classes(struct plugin *plugin, const struct plugin_report *report)
{
	plugin_class_fn *entry;
	uint32_t index = 0;

	*(void **)&entry = dlsym(plugin->object, LM_PLUGIN_ENTRY);
	if (entry == NULL) {
		lm_errors_add(report->errors, report->place,
		              "it must export `const struct lm_op_class *" LM_PLUGIN_ENTRY
		              "(uint32_t index)`, see core/lm_op.h",
		              "plugin \"%s\" has no function %s", report->path, LM_PLUGIN_ENTRY);
		return false;
	}
	for (const struct lm_op_class *class = entry(0); class != NULL; class = entry(++index)) {
		if (index == PLUGIN_ENTRIES_MAX) {
			lm_errors_add(report->errors, report->place,
			              LM_PLUGIN_ENTRY " must return NULL past its last class",
			              "plugin \"%s\" has more than %u classes", report->path,
			              PLUGIN_ENTRIES_MAX);
			return false;
		}
		if (!plugin_add_class(plugin, report, class)) {
			return false;
		}
	}
	return true;
}

static bool
plugin_add_groupings(struct plugin *plugin, const struct plugin_report *report)
{
	const struct lm_grouping_function *grouping;
	plugin_grouping_fn *entry;

	*(void **)&entry = dlsym(plugin->object, LM_PLUGIN_GROUPINGS);
	if (entry == NULL) {
		return true; /* it need not have any */
	}
	while ((grouping = entry(plugin->grouping_count)) != NULL) {
		const char *why = "it has too many groupings, or no NULL ends them";

		if (plugin->grouping_count < PLUGIN_ENTRIES_MAX &&
		    registry_check_grouping(grouping, &why) == 0) {
			why = plugin_has_grouping(plugin, grouping->name)
			          ? "it has its name from another one"
			          : NULL;
		}
		if (why != NULL) {
			lm_errors_add(report->errors, report->place,
			              "rename or repair the grouping, or leave the plugin out",
			              "plugin \"%s\", grouping %u: %s", report->path,
			              plugin->grouping_count, why);
			return false;
		}
		plugin->grouping[plugin->grouping_count++] = grouping;
	}
	return true;
}

static bool
plugin_add_entries(struct plugin *plugin, const struct plugin_report *report)
{
	if (!plugin_add_classes(plugin, report) || !plugin_add_groupings(plugin, report)) {
		return false;
	}
	if (plugin->class_count == 0 && plugin->grouping_count == 0) {
		lm_errors_add(report->errors, report->place,
		              LM_PLUGIN_ENTRY "(0) must return its first class",
		              "plugin \"%s\" has no class", report->path);
		return false;
	}
	return true;
}

/* ---- its file ---- */

static void
cannot_load(const struct plugin_report *report, const char *hint, const char *why)
{
	lm_errors_add(report->errors, report->place, hint, "cannot load plugin \"%s\": %s",
	              report->path, why);
}

static bool
read_all(int file, char *bytes, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t result = read(file, bytes + at, size - at);

		if (result < 0 && errno == EINTR) {
			continue;
		}
		if (result <= 0) {
			errno = result == 0 ? EBUSY : errno; /* somebody is writing it */
			return false;
		}
		at += (size_t)result;
	}
	return true;
}

/* The bytes of the file, to be freed; NULL after reporting. */
static char *
plugin_read(const struct plugin_report *report, size_t *size)
{
	int file = open(report->path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	char *bytes = NULL;
	bool good = file >= 0 && fstat(file, &status) == 0;

	if (good && (!S_ISREG(status.st_mode) || status.st_size > PLUGIN_SIZE_MAX)) {
		errno = S_ISREG(status.st_mode) ? EFBIG : EINVAL;
		good = false;
	}
	if (good) {
		*size = (size_t)status.st_size;
		bytes = malloc(*size + 1);
		good = bytes != NULL && read_all(file, bytes, *size);
	}
	if (!good) {
		cannot_load(report,
		            "check the path (relative ones start at the topology file's folder) "
		            "and who may read it",
		            strerror(errno));
		free(bytes);
		bytes = NULL;
	}
	if (file >= 0) {
		close(file);
	}
	return bytes;
}

static bool
write_all(int file, const char *bytes, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t result = write(file, bytes + at, size - at);

		if (result < 0 && errno != EINTR) {
			return false;
		}
		at += result < 0 ? 0 : (size_t)result;
	}
	return true;
}

/*
 * A copy in memory that cannot be changed any more, under the name that it shows in
 * /proc/PID/maps; -1 after reporting.
 */
static int
plugin_copy(const struct plugin_report *report, const char *bytes, size_t size)
{
	const char *slash = strrchr(report->path, '/');
	char name[128];
	int copy;

	snprintf(name, sizeof(name), "%s", slash == NULL ? report->path : slash + 1);
	copy = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy < 0 && errno == EINVAL) {
		/* A kernel before 6.3: all of them may be executed. */
		copy = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	}
	if (copy < 0 || !write_all(copy, bytes, size) ||
	    fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) !=
	        0) {
		cannot_load(report,
		            "it is loaded from a copy in memory (memfd_create): see "
		            "vm.memfd_noexec, and that there is memory",
		            strerror(errno));
		if (copy >= 0) {
			close(copy);
		}
		return -1;
	}
	return copy;
}

/* ---- the object ---- */

static bool
plugin_open(struct plugin *plugin, const struct plugin_report *report)
{
	char path[PLUGIN_COPY_PATH];
	const char *why;
	size_t length;

	copy_path(plugin->copy, path);
	plugin->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (plugin->object != NULL) {
		return true;
	}
	why = dlerror();
	why = why == NULL ? "unknown reason" : why;
	length = strlen(path);
	/* People know it by another path. */
	if (strncmp(why, path, length) == 0 && strncmp(why + length, ": ", 2) == 0) {
		why += length + 2;
	}
	cannot_load(report,
	            strstr(why, "undefined symbol") != NULL
	                ? "link what it needs into it, or build it with the headers of this engine"
	                : "check that it was built with -shared -fPIC for this engine",
	            why);
	return false;
}

/* dl_iterate_phdr: where the object of `plugin`, an address of which is in `first`, stands. */
static int
find_range(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct plugin *plugin = arg;
	uintptr_t first = UINTPTR_MAX, end = 0;

	(void)size;
	for (uint32_t i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type == PT_LOAD) {
			first = at < first ? at : first;
			end = at + info->dlpi_phdr[i].p_memsz > end
			          ? at + info->dlpi_phdr[i].p_memsz
			          : end;
		}
	}
	if (plugin->first < first || plugin->first >= end) {
		return 0;
	}
	plugin->first = first;
	plugin->end = end;
	return 1;
}

/* Gives the object up. False: the loader keeps it for good, and it is held again. */
static bool
plugin_close(struct plugin *plugin)
{
	char path[PLUGIN_COPY_PATH];

	dlclose(plugin->object);
	copy_path(plugin->copy, path);
	plugin->object = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	if (plugin->object == NULL) {
		return true;
	}
	env_log(4, "plugin \"%s\" cannot be unloaded: its code stays, unused", plugin->path);
	return false;
}

static void
plugin_free(struct plugin *plugin)
{
	if (plugin->copy >= 0) {
		close(plugin->copy);
	}
	for (uint32_t i = 0; i < plugin->class_count; i++) {
		free(plugin->longer[i]);
	}
	free(plugin->path);
	free(plugin);
}

/* ---- all of it ---- */

/* The plugin with this content that is loaded already, or NULL. */
static struct plugin *
plugin_loaded(XXH128_hash_t digest, size_t size)
{
	struct plugin *plugin = plugin_first;

	while (plugin != NULL &&
	       (plugin->size != size || !XXH128_isEqual(plugin->digest, digest))) {
		plugin = plugin->next;
	}
	return plugin;
}

/* A new one, not in the list yet; NULL after reporting. */
static struct plugin *
plugin_create(const struct plugin_report *report, const char *bytes, size_t size)
{
	struct plugin *plugin = calloc(1, sizeof(*plugin));

	if (plugin != NULL) {
		plugin->path = strdup(report->path);
	}
	if (plugin == NULL || plugin->path == NULL) {
		free(plugin);
		cannot_load(report, NULL, "no memory left");
		return NULL;
	}
	plugin->size = size;
	plugin->holders = 1;
	plugin->copy = plugin_copy(report, bytes, size);
	if (plugin->copy < 0 || !plugin_open(plugin, report)) {
		plugin_free(plugin);
		return NULL;
	}
	if (!plugin_add_entries(plugin, report)) {
		if (!plugin_close(plugin)) {
			/* Its copy stays open, so that no other one gets its path. */
			plugin->copy = -1;
			plugins_left++;
		}
		plugin_free(plugin);
		return NULL;
	}
	plugin->first = (uintptr_t)dlsym(plugin->object, LM_PLUGIN_ENTRY);
	dl_iterate_phdr(find_range, plugin);
	return plugin;
}

static struct plugin *
plugin_load_bytes(const struct plugin_report *report, const char *bytes, size_t size)
{
	XXH128_hash_t digest = XXH3_128bits(bytes, size);
	struct plugin *plugin = plugin_loaded(digest, size);
	struct plugin_lint lint;

	if (plugin != NULL) {
		plugin->holders++;
		return plugin;
	}
	if (!plugin_lint(bytes, size, &lint)) {
		lm_errors_add(report->errors, report->place, lint.hint,
		              "cannot load plugin \"%s\": it %s", report->path, lint.why);
		return NULL;
	}
	plugin = plugin_create(report, bytes, size);
	if (plugin == NULL) {
		return NULL;
	}
	if (lint.why_stay != NULL) {
		env_log(4, "plugin \"%s\" %s: once loaded, its code stays", report->path,
		        lint.why_stay);
	}
	plugin->digest = digest;
	plugin->next = plugin_first;
	plugin_first = plugin;
	return plugin;
}

struct plugin *
plugin_load(const char *path, struct lm_place place, struct lm_errors *errors)
{
	struct plugin_report report = { path, place, errors };
	struct plugin *plugin;
	size_t size = 0;
	char *bytes;

	if (path[0] == '\0') {
		lm_errors_add(errors, place, "name a shared object", "a plugin without a path");
		return NULL;
	}
	bytes = plugin_read(&report, &size);
	plugin = bytes == NULL ? NULL : plugin_load_bytes(&report, bytes, size);
	free(bytes);
	return plugin;
}

static void
format_digest(XXH128_hash_t hash, char digest[PLUGIN_DIGEST])
{
	snprintf(digest, PLUGIN_DIGEST, "%016" PRIx64 "%016" PRIx64, (uint64_t)hash.high64,
	         (uint64_t)hash.low64);
}

void
plugin_digest(const struct plugin *plugin, char digest[PLUGIN_DIGEST])
{
	format_digest(plugin->digest, digest);
}

/* What stands there, if it can be read; to be freed. */
static char *
read_quietly(const char *path, size_t *size, char digest[PLUGIN_DIGEST])
{
	struct lm_errors errors = { 0 };
	struct plugin_report report = { .path = path, .errors = &errors };
	char *bytes = plugin_read(&report, size);

	lm_errors_free(&errors);
	if (bytes != NULL) {
		format_digest(XXH3_128bits(bytes, *size), digest);
	}
	return bytes;
}

bool
plugin_digest_at(const char *path, char digest[PLUGIN_DIGEST])
{
	size_t size = 0;
	char *bytes = read_quietly(path, &size, digest);

	free(bytes);
	return bytes != NULL;
}

char *
plugin_content(const struct plugin *plugin, size_t *size)
{
	char *bytes = malloc(plugin->size + 1);

	*size = plugin->size;
	for (size_t at = 0; bytes != NULL && at < plugin->size;) {
		ssize_t result = pread(plugin->copy, bytes + at, plugin->size - at, (off_t)at);

		if (result <= 0 && errno != EINTR) {
			free(bytes);
			return NULL;
		}
		at += result < 0 ? 0 : (size_t)result;
	}
	return bytes;
}

struct plugin *
plugin_load_declared(const struct topology_plugin *declared, struct lm_errors *errors)
{
	struct plugin_report report = { declared->text, declared->place, errors };
	const char *const from[] = { declared->copy, declared->text };
	struct plugin *plugin = NULL;
	char digest[PLUGIN_DIGEST];
	bool is_found = false;
	size_t size = 0;

	if (declared->copy == NULL) {
		return plugin_load(declared->text, declared->place, errors);
	}
	for (uint32_t i = 0; i < 2 && !is_found; i++) {
		char *bytes = read_quietly(from[i], &size, digest);

		is_found = bytes != NULL && strcmp(digest, declared->digest) == 0;
		plugin = is_found ? plugin_load_bytes(&report, bytes, size) : NULL;
		free(bytes);
	}
	if (!is_found) {
		lm_errors_add(errors, declared->place,
		              "put the file that ran back there, or begin with another one",
		              "plugin \"%s\" is not the one that ran, and the copy of that, %s, is "
		              "damaged or gone",
		              declared->text, declared->copy);
	}
	return plugin;
}

bool
plugin_is_loaded(const char *path, uint64_t *content)
{
	struct lm_errors errors = { 0 };
	struct plugin_report report = { .path = path, .errors = &errors };
	size_t size = 0;
	char *bytes = plugin_read(&report, &size);
	XXH128_hash_t digest = { 0 };

	if (bytes != NULL) {
		digest = XXH3_128bits(bytes, size);
	}
	*content = bytes == NULL ? 0 : digest.low64 | 1;
	free(bytes);
	lm_errors_free(&errors);
	return *content != 0 && plugin_loaded(digest, size) != NULL;
}

void
plugin_release(struct plugin *plugin)
{
	struct plugin **link = &plugin_first;

	if (plugin == NULL || --plugin->holders > 0 || !plugin_close(plugin)) {
		return;
	}
	while (*link != plugin) {
		link = &(*link)->next;
	}
	*link = plugin->next;
	plugin_free(plugin);
}
