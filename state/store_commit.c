/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of an epoch: it is committed, or it will never have been; and what is old goes. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/canary.h"
#include "state/store_struct.h"

static const char copies[] = { 'a', 'b' };

static void
copy_names(const struct store *store, uint64_t epoch, char copy, char path[STORE_PATH_MAX],
           char temporary[STORE_PATH_MAX + 4])
{
	char name[MANIFEST_NAME_MAX];

	manifest_name(name, epoch, copy);
	store_path(path, store->folder, name);
	snprintf(temporary, STORE_PATH_MAX + 4, "%s.tmp", path);
}

static int
write_whole(int file, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t written = env_file_write(file, bytes, size);

		if (written == -EINTR) {
			continue;
		}
		if (written <= 0) {
			return written < 0 ? (int)written : -ENOSPC;
		}
		bytes += written;
		size -= (size_t)written;
	}
	return 0;
}

/* A copy of the manifest under its temporary name; it is synced with the parts' files. */
static int
write_copy(struct store *store, char copy, const char *bytes, size_t size)
{
	char path[STORE_PATH_MAX], temporary[STORE_PATH_MAX + 4];
	struct unsynced *unsynced = &store->unsynced[store->unsynced_count];
	int file, result;

	assert(store->unsynced_count < STORE_UNSYNCED_MAX + sizeof(copies));
	copy_names(store, store->draft->epoch, copy, path, temporary);
	file = env_file_open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0) {
		return store_say(store, file, temporary);
	}
	result = write_whole(file, bytes, size);
	if (result != 0 || CANARY(CANARY_EARLY_RENAME)) {
		env_file_close(file);
		return store_say(store, result, temporary);
	}
	*unsynced = (struct unsynced){ .file = file };
	manifest_name(unsynced->name, store->draft->epoch, copy);
	store->unsynced_count++;
	return 0;
}

static int
rename_copy(struct store *store, char copy)
{
	char path[STORE_PATH_MAX], temporary[STORE_PATH_MAX + 4];

	copy_names(store, store->draft->epoch, copy, path, temporary);
	return store_say(store, env_file_rename(temporary, path), path);
}

static int
sync_folder(struct store *store)
{
	return CANARY(CANARY_SKIP_DIR_SYNC)
	           ? 0
	           : store_say(store, env_dir_sync(store->folder), store->folder);
}

/* The order is everything here: each step is safe before the next one builds on it. */
static int
make_durable(struct store *store)
{
	size_t size = 0;
	char *bytes = manifest_write(store->draft, &size);
	int result = bytes == NULL ? store_say(store, -ENOMEM, "the manifest") : 0;

	for (uint32_t i = 0; result == 0 && i < sizeof(copies); i++) {
		result = write_copy(store, copies[i], bytes, size);
	}
	free(bytes);
	/* Bytes, then names, then the names that make it an epoch. */
	result = result == 0 ? store_sync_files(store) : result;
	result = result == 0 ? sync_folder(store) : result;
	for (uint32_t i = 0; result == 0 && i < sizeof(copies); i++) {
		result = rename_copy(store, copies[i]);
	}
	return result == 0 ? sync_folder(store) : result;
}

int
store_commit(struct store *store, uint64_t topology)
{
	struct store_epoch epoch = { .copies = 2 };
	int result;

	if (store->draft == NULL || store->parts_open > 0) {
		return store_say(store, -EINVAL, "no epoch, or one with open parts");
	}
	if (store->failed != 0) {
		return store->failed;
	}
	store->draft->topology = topology;
	store->draft->wall_ns = env_wall_ns();
	if (store->base != NULL) {
		store->draft->previous_epoch = store->base->epoch;
		store->draft->previous = store->base->digest;
	}
	epoch.epoch = store->draft->epoch;
	epoch.manifest = store->draft;
	result = make_durable(store);
	/* The place in the list is taken last; without memory for it the epoch counts as failed. */
	result = result == 0 ? store_list_insert(&store->list, &epoch) : result;
	if (result != 0) {
		store->failed = result;
		return result;
	}
	store->base = store->draft;
	store->draft = NULL;
	if (!store->options.prunes_later) {
		store_prune_old(store);
	}
	return 0;
}

/* What is old and cannot go now goes with the next epoch. */
void
store_prune_old(struct store *store)
{
	struct store_pruned pruned;

	if (store_prune(store, store->options.keep, &pruned) != 0) {
		env_log(4, "old epochs stay until the next one: %s", store->why);
	} else if (pruned.blocked_by != store->blocked_by) {
		env_log(4, "nothing up to epoch %" PRIu64 " is removed: its manifest is damaged",
		        pruned.blocked_by);
	}
	store->blocked_by = pruned.blocked_by;
}

static int
unlink_name(struct store *store, const char *name)
{
	char path[STORE_PATH_MAX];
	int result;

	store_path(path, store->folder, name);
	result = env_file_unlink(path);
	return result == -ENOENT ? 0 : store_say(store, result, name);
}

/* Both copies, and what they are called before they have their names. */
static int
unlink_manifest(struct store *store, uint64_t epoch)
{
	int result = 0;

	for (uint32_t i = 0; i < sizeof(copies); i++) {
		char name[MANIFEST_NAME_MAX], temporary[MANIFEST_NAME_MAX + 4];
		int removed;

		manifest_name(name, epoch, copies[i]);
		snprintf(temporary, sizeof(temporary), "%s.tmp", name);
		removed = unlink_name(store, name);
		result = result == 0 ? removed : result;
		removed = unlink_name(store, temporary);
		result = result == 0 ? removed : result;
	}
	return result;
}

int
store_abandon(struct store *store)
{
	struct manifest *draft = store->draft;
	int result;

	if (draft == NULL || store->parts_open > 0) {
		return store_say(store, -EINVAL, "no epoch, or one with open parts");
	}
	for (uint32_t i = 0; i < store->unsynced_count; i++) {
		env_file_close(store->unsynced[i].file);
	}
	store->unsynced_count = 0;
	/* The manifest first, and for good: files go only when nothing can name them any more. */
	result = unlink_manifest(store, draft->epoch);
	result =
	    result == 0 ? store_say(store, env_dir_sync(store->folder), store->folder) : result;
	if (result != 0) {
		return result;
	}
	for (uint32_t i = 0; i < draft->file_count; i++) {
		if (draft->file[i].epoch == draft->epoch) {
			unlink_name(store, draft->file[i].name);
		}
	}
	manifest_free(draft);
	store->draft = NULL;
	store->failed = 0;
	return 0;
}

/* The names of all files that an epoch needs, sorted. */
struct needed {
	const char **name;
	size_t count;
};

static int
by_text(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;

	return strcmp(*left, *right);
}

static int
needed_collect(const struct store_list *list, struct needed *needed)
{
	size_t room = 1;

	for (uint32_t i = 0; i < list->count; i++) {
		const struct manifest *manifest = list->epoch[i].manifest;

		room += manifest == NULL ? 0 : manifest->file_count;
	}
	needed->count = 0;
	needed->name = malloc(room * sizeof(needed->name[0]));
	if (needed->name == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < list->count; i++) {
		const struct manifest *manifest = list->epoch[i].manifest;

		for (uint32_t k = 0; manifest != NULL && k < manifest->file_count; k++) {
			needed->name[needed->count++] = manifest->file[k].name;
		}
	}
	qsort(needed->name, needed->count, sizeof(needed->name[0]), by_text);
	return 0;
}

/* Files in the range that no manifest left needs. */
static int
prune_files(struct store *store, const struct store_range *range, struct store_pruned *pruned)
{
	const struct store_list *list = &store->list;
	struct needed needed;
	int result = store_say(store, needed_collect(list, &needed), "pruning");

	for (uint32_t i = 0; result == 0 && i < list->file_count; i++) {
		const char *name = list->file[i];
		struct part_id part;
		uint64_t epoch = 0;

		if (!file_name_read(name, &epoch, &part) || epoch <= range->above ||
		    epoch >= range->below) {
			continue;
		}
		if (bsearch(&name, needed.name, needed.count, sizeof(needed.name[0]), by_text) !=
		        NULL &&
		    !CANARY(CANARY_PRUNE_REFERENCED)) {
			continue;
		}
		result = unlink_name(store, name);
		pruned->files += result == 0 ? 1 : 0;
	}
	free(needed.name);
	return result;
}

static bool
is_within(const struct store_range *range, const struct store_epoch *epoch)
{
	return epoch->epoch > range->above && epoch->epoch < range->below;
}

static int
prune_manifests(struct store *store, const struct store_range *range, struct store_pruned *pruned)
{
	struct store_list *list = &store->list;
	int result = 0;

	for (uint32_t i = 0; result == 0 && i < list->count; i++) {
		if (is_within(range, &list->epoch[i])) {
			result = unlink_manifest(store, list->epoch[i].epoch);
		}
	}
	/* Before a file goes it must be certain that no manifest comes back to ask for it. */
	result =
	    result == 0 ? store_say(store, env_dir_sync(store->folder), store->folder) : result;
	for (uint32_t i = list->count; result == 0 && i-- > 0;) {
		if (is_within(range, &list->epoch[i])) {
			assert(list->epoch[i].manifest != store->base);
			store_list_remove(list, i);
			pruned->epochs++;
		}
	}
	return result;
}

bool
store_prune_range(const struct store_list *list, uint32_t keep, struct store_range *range)
{
	uint32_t good = 0;

	assert(keep > 0);
	*range = (struct store_range){ .above = 0 };
	for (uint32_t i = 0; i < list->count; i++) {
		const struct store_epoch *epoch = &list->epoch[i];

		good += epoch->is_damaged ? 0 : 1;
		range->below = !epoch->is_damaged && good == keep ? epoch->epoch : range->below;
		/* It may need any file that is not younger. */
		range->above =
		    epoch->manifest == NULL && range->above == 0 ? epoch->epoch : range->above;
	}
	return good >= keep;
}

int
store_prune(struct store *store, uint32_t keep, struct store_pruned *pruned)
{
	struct store_range range;
	int result;

	memset(pruned, 0, sizeof(*pruned));
	assert(keep > 0);
	if (store->draft != NULL) {
		return store_say(store, -EBUSY, "pruning while an epoch is open");
	}
	result = store_list_refresh(store->folder, &store->list);
	if (result != 0) {
		return store_say(store, result, store->folder);
	}
	if (!store_prune_range(&store->list, keep, &range)) {
		return 0;
	}
	pruned->blocked_by = range.above;
	result = prune_manifests(store, &range, pruned);
	return result == 0 ? prune_files(store, &range, pruned) : result;
}
