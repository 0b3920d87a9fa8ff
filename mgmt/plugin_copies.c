/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of plugins beside the snapshots that need them. */
#define _GNU_SOURCE /* memmem */
#include "mgmt/plugin_copies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/plugin.h"
#include "state/snapshot_format.h"
#include "state/store.h"

#define FOLDER "plugins"
#define END ".so"
#define FRESH ".tmp"

void
plugin_copies_path(const char *folder, const char *digest, char path[PLUGIN_COPIES_PATH])
{
	snprintf(path, PLUGIN_COPIES_PATH, "%s/" FOLDER "/%s" END, folder, digest);
}

/* ---- writing ---- */

static int
write_all(int file, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t done = env_file_write(file, bytes, size);

		if (done <= 0) {
			return done == 0 ? -EIO : (int)done;
		}
		bytes += done;
		size -= (size_t)done;
	}
	return 0;
}

/* Whole under its name, or not there. */
static int
write_copy(const char *path, const char *place, const char *bytes, size_t size)
{
	char fresh[PLUGIN_COPIES_PATH + sizeof(FRESH)];
	int file, result;

	snprintf(fresh, sizeof(fresh), "%s" FRESH, path);
	file = env_file_open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (file < 0) {
		return file;
	}
	result = write_all(file, bytes, size);
	result = result != 0 ? result : env_file_sync(file);
	env_file_close(file);
	result = result != 0 ? result : env_file_rename(fresh, path);
	if (result != 0) {
		(void)env_file_unlink(fresh);
		return result;
	}
	return env_dir_sync(place);
}

static int
put_one(const char *folder, const char *place, const struct plugin *plugin)
{
	char path[PLUGIN_COPIES_PATH], digest[PLUGIN_DIGEST], there[PLUGIN_DIGEST];
	size_t size;
	char *bytes;
	int result;

	plugin_digest(plugin, digest);
	plugin_copies_path(folder, digest, path);
	if (plugin_digest_at(path, there) && strcmp(there, digest) == 0) {
		/* Who wrote it may have been killed before it was safe. */
		return env_dir_sync(place);
	}
	bytes = plugin_content(plugin, &size);
	result = bytes == NULL ? -ENOMEM : write_copy(path, place, bytes, size);
	free(bytes);
	return result;
}

int
plugin_copies_put(const char *folder, const struct lm_graph *graph, char why[PLUGIN_COPIES_WHY])
{
	char place[PLUGIN_COPIES_PATH];
	int result = 0;

	if (graph->plugin_count == 0) {
		return 0;
	}
	snprintf(place, sizeof(place), "%s/" FOLDER, folder);
	result = env_dir_make(place, 0700);
	result = result == -EEXIST ? 0 : result;
	result = result != 0 ? result : env_dir_sync(folder);
	for (uint32_t i = 0; result == 0 && i < graph->plugin_count; i++) {
		result = put_one(folder, place, graph->plugin[i]);
	}
	if (result != 0) {
		snprintf(
		    why, PLUGIN_COPIES_WHY,
		    "no copy of the plugins can be kept in %.200s: %s; free some space there, or "
		    "let this user write",
		    place, strerror(-result));
	}
	return result;
}

/* ---- pruning ---- */

struct prune {
	const char *place;
	const struct lm_graph *graph;
	const struct store_list *list;
	int spare;
};

static bool
is_in_graph(const struct lm_graph *graph, const char *digest)
{
	char its[PLUGIN_DIGEST];

	for (uint32_t i = 0; i < graph->plugin_count; i++) {
		plugin_digest(graph->plugin[i], its);
		if (strcmp(its, digest) == 0) {
			return true;
		}
	}
	return false;
}

/* A digest stands in a note in one place only. */
static bool
is_in_snapshot(const struct store_list *list, const char *digest)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct manifest_record *note =
		    manifest_record(list->epoch[i].manifest, SNAPSHOT_RECORD_NOTE);

		if (note != NULL &&
		    memmem(note->bytes, note->size, digest, PLUGIN_DIGEST - 1) != NULL) {
			return true;
		}
	}
	return false;
}

static void
prune_name(void *arg, const char *name)
{
	struct prune *prune = arg;
	char digest[PLUGIN_DIGEST], path[PLUGIN_COPIES_PATH];
	const char *end = name + PLUGIN_DIGEST - 1;

	if (strlen(name) < PLUGIN_DIGEST - 1 ||
	    (strcmp(end, END) != 0 && strcmp(end, END FRESH) != 0)) {
		return; /* not ours */
	}
	snprintf(digest, sizeof(digest), "%.*s", (int)PLUGIN_DIGEST - 1, name);
	if (strcmp(end, END) == 0 && is_in_graph(prune->graph, digest)) {
		return;
	}
	if (strcmp(end, END) == 0 && is_in_snapshot(prune->list, digest)) {
		prune->spare++;
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", prune->place, name);
	if (env_file_unlink(path) != 0) {
		prune->spare++;
	}
}

int
plugin_copies_prune(const char *folder, const struct lm_graph *graph)
{
	char place[PLUGIN_COPIES_PATH];
	struct store_list list;
	struct prune prune = { .place = place, .graph = graph, .list = &list };
	int result = store_list_read(folder, &list);

	if (result != 0) {
		return result;
	}
	for (uint32_t i = 0; i < list.count; i++) {
		result = list.epoch[i].manifest == NULL ? -EBADMSG : result;
	}
	if (result == 0) {
		snprintf(place, sizeof(place), "%s/" FOLDER, folder);
		result = env_dir_list(place, prune_name, &prune);
		result = result == -ENOENT ? 0 : result;
	}
	store_list_free(&list);
	return result != 0 ? result : prune.spare;
}
