/* SPDX-License-Identifier: BSD-3-Clause */
/* Loading operator classes and groupings from shared objects, unloading them by count. */
#include "core/plugin.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "core/registry.h"

/* Classes of a plugin, groupings of a plugin. */
#define PLUGIN_ENTRIES_MAX 64u

struct plugin {
	void *object; /* from dlopen: the same for the same file */
	uint32_t holders;
	const struct lm_op_class *class[PLUGIN_ENTRIES_MAX];
	uint32_t class_count;
	const struct lm_grouping_function *grouping[PLUGIN_ENTRIES_MAX];
	uint32_t grouping_count;
	struct plugin *next;
};

static struct plugin *plugin_first;

typedef const struct lm_op_class *plugin_class_fn(uint32_t index);
typedef const struct lm_grouping_function *plugin_grouping_fn(uint32_t index);

/* What a load needs to say something about its plugin. */
struct plugin_report {
	const char *path;
	struct lm_place place;
	struct lm_errors *errors;
};

static void
plugin_unload(struct plugin *plugin)
{
	for (uint32_t i = 0; i < plugin->class_count; i++) {
		registry_remove(plugin->class[i]);
	}
	for (uint32_t i = 0; i < plugin->grouping_count; i++) {
		registry_remove_grouping(plugin->grouping[i]);
	}
	dlclose(plugin->object);
	free(plugin);
}

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
	const char *why;

	if (!plugin_check_abi(report, class)) {
		return false;
	}
	if (registry_add(class, &why) != 0) {
		lm_errors_add(report->errors, report->place,
		              "rename or repair the class, or leave the plugin out",
		              "plugin \"%s\", class %u: %s", report->path, plugin->class_count,
		              why);
		return false;
	}
	plugin->class[plugin->class_count++] = class;
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

		if (plugin->grouping_count == PLUGIN_ENTRIES_MAX ||
		    registry_add_grouping(grouping, &why) != 0) {
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

/* The plugin that is loaded from this object already, or NULL. */
static struct plugin *
plugin_loaded(const void *object)
{
	struct plugin *plugin = plugin_first;

	while (plugin != NULL && plugin->object != object) {
		plugin = plugin->next;
	}
	return plugin;
}

static void *
plugin_open(const struct plugin_report *report)
{
	void *object = dlopen(report->path, RTLD_NOW | RTLD_LOCAL);

	if (object == NULL) {
		const char *why = dlerror();

		lm_errors_add(report->errors, report->place,
		              "check the path (relative ones start at the topology file's folder), "
		              "and that it was built with -shared -fPIC for this engine",
		              "cannot load plugin \"%s\": %s", report->path,
		              why == NULL ? "unknown reason" : why);
	}
	return object;
}

struct plugin *
plugin_load(const char *path, struct lm_place place, struct lm_errors *errors)
{
	struct plugin_report report = { path, place, errors };
	struct plugin *plugin;
	void *object;

	/* An empty path would be the program itself. */
	if (path[0] == '\0') {
		lm_errors_add(errors, place, "name a shared object", "a plugin without a path");
		return NULL;
	}
	object = plugin_open(&report);
	if (object == NULL) {
		return NULL;
	}
	plugin = plugin_loaded(object);
	if (plugin != NULL) {
		dlclose(object); /* its own count */
		plugin->holders++;
		return plugin;
	}
	plugin = calloc(1, sizeof(*plugin));
	if (plugin == NULL) {
		dlclose(object);
		lm_errors_add(errors, place, NULL, "plugin \"%s\": no memory left", path);
		return NULL;
	}
	plugin->object = object;
	plugin->holders = 1;
	if (!plugin_add_entries(plugin, &report)) {
		plugin_unload(plugin);
		return NULL;
	}
	plugin->next = plugin_first;
	plugin_first = plugin;
	return plugin;
}

bool
plugin_is_loaded(const char *path)
{
	void *object = path[0] == '\0' ? NULL : dlopen(path, RTLD_NOW | RTLD_NOLOAD);

	if (object != NULL) {
		dlclose(object);
	}
	return object != NULL;
}

void
plugin_release(struct plugin *plugin)
{
	struct plugin **link = &plugin_first;

	if (plugin == NULL || --plugin->holders > 0) {
		return;
	}
	while (*link != plugin) {
		link = &(*link)->next;
	}
	*link = plugin->next;
	plugin_unload(plugin);
}
