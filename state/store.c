/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's life: taking a folder, finding out what is in it, letting it go. */

#include "state/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/store_struct.h"

#define KEEP_DEFAULT 2u

int
store_say(struct store *store, int result, const char *what)
{
	if (result != 0) {
		snprintf(store->why, sizeof(store->why), "%.100s: %s", what, strerror(-result));
	}
	return result;
}

const char *
store_why(const struct store *store)
{
	return store->why;
}

const char *
store_folder(const struct store *store)
{
	return store->folder;
}

uint64_t
store_incarnation(const struct store *store)
{
	return store->incarnation;
}

uint64_t
store_epoch_next(const struct store *store)
{
	return store->list.newest + 1;
}

const char *
store_disk(const struct store *store)
{
	return env_disk_kind(store->disk);
}

const struct store_epoch *
store_epochs(const struct store *store, uint32_t *count)
{
	*count = store->list.count;
	return store->list.epoch;
}

/* The folder, and its name in the folder above. */
static int
make_folder(struct store *store)
{
	char above[STORE_FOLDER_MAX];
	char *slash;
	int result = env_dir_make(store->folder, 0700);

	if (result == -EEXIST) {
		return 0;
	}
	if (result != 0) {
		return store_say(store, result, store->folder);
	}
	snprintf(above, sizeof(above), "%s", store->folder);
	slash = strrchr(above, '/');
	if (slash == NULL) {
		snprintf(above, sizeof(above), ".");
	} else {
		slash[slash == above ? 1 : 0] = '\0';
	}
	return store_say(store, env_dir_sync(above), above);
}

static int
take_lock(struct store *store)
{
	char path[STORE_PATH_MAX];
	int result;

	store_path(path, store->folder, STORE_LOCK);
	store->lock = env_file_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (store->lock < 0) {
		return store_say(store, store->lock, path);
	}
	result = env_file_lock(store->lock);
	if (result == -EAGAIN) {
		snprintf(store->why, sizeof(store->why),
		         "%.120s is in use by another process that runs this job", store->folder);
		return result;
	}
	return store_say(store, result, path);
}

static int
check_job(struct store *store)
{
	for (uint32_t i = 0; i < store->list.count; i++) {
		const struct manifest *manifest = store->list.epoch[i].manifest;

		if (manifest != NULL && manifest->job != store->options.job) {
			snprintf(store->why, sizeof(store->why),
			         "%.80s belongs to job %016" PRIx64 ", not to %016" PRIx64,
			         store->folder, manifest->job, store->options.job);
			return -EPERM;
		}
	}
	return 0;
}

/* The number is in the name, so that there is nothing to read and nothing to be damaged. */
static int
take_incarnation(struct store *store)
{
	char name[MANIFEST_NAME_MAX], path[STORE_PATH_MAX];
	uint64_t last = store->list.incarnation;
	int file, result;

	for (uint32_t i = 0; i < store->list.count; i++) {
		const struct manifest *manifest = store->list.epoch[i].manifest;

		if (manifest != NULL && manifest->incarnation > last) {
			last = manifest->incarnation;
		}
	}
	store->incarnation = last + 1;
	incarnation_name(name, store->incarnation);
	store_path(path, store->folder, name);
	file = env_file_open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0) {
		return store_say(store, file, path);
	}
	result = env_file_sync(file);
	env_file_close(file);
	result = result == 0 ? env_dir_sync(store->folder) : result;
	if (result == 0 && store->list.incarnation > 0) {
		/* The one before has done its work; if it stays, nothing is wrong with that. */
		incarnation_name(name, store->list.incarnation);
		store_path(path, store->folder, name);
		env_file_unlink(path);
	}
	store->list.incarnation = store->incarnation;
	return store_say(store, result, name);
}

static int
take_folder(struct store *store)
{
	int result = make_folder(store);

	result = result == 0 ? take_lock(store) : result;
	if (result == 0) {
		result =
		    store_say(store, store_list_read(store->folder, &store->list), store->folder);
	}
	result = result == 0 ? check_job(store) : result;
	return result == 0 ? take_incarnation(store) : result;
}

int
store_open(const char *folder, const struct store_options *options, struct store **store,
           char why[MANIFEST_WHY])
{
	struct store *s;
	int result;

	*store = NULL;
	assert(options->job != 0);
	if (strlen(folder) >= STORE_FOLDER_MAX) {
		snprintf(why, MANIFEST_WHY, "the name of the folder is longer than %u bytes",
		         STORE_FOLDER_MAX - 1);
		return -ENAMETOOLONG;
	}
	if (!block_codec_has(options->codec)) {
		snprintf(why, MANIFEST_WHY, "this build has no %s",
		         block_codec_name(options->codec));
		return -ENOTSUP;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		snprintf(why, MANIFEST_WHY, "no memory");
		return -ENOMEM;
	}
	s->lock = -1;
	s->options = *options;
	s->options.keep = options->keep == 0 ? KEEP_DEFAULT : options->keep;
	snprintf(s->folder, sizeof(s->folder), "%s", folder);
	s->disk = env_disk_open();
	s->coder = block_coder_open(options->codec, options->level);
	result =
	    s->disk == NULL || s->coder == NULL ? store_say(s, -ENOMEM, folder) : take_folder(s);
	if (result != 0) {
		snprintf(why, MANIFEST_WHY, "%s", s->why);
		store_close(s);
		return result;
	}
	*store = s;
	return 0;
}

void
store_close(struct store *store)
{
	if (store == NULL) {
		return;
	}
	assert(store->parts_open == 0);
	env_disk_close(store->disk);
	for (uint32_t i = 0; i < store->unsynced_count; i++) {
		env_file_close(store->unsynced[i].file);
	}
	if (store->lock >= 0) {
		env_file_close(store->lock);
	}
	block_coder_close(store->coder);
	manifest_free(store->draft);
	store_list_free(&store->list);
	free(store);
}

int
store_pick(struct store *store, enum store_depth depth, struct store_pick *pick)
{
	assert(store->draft == NULL);
	memset(pick, 0, sizeof(*pick));
	for (uint32_t i = 0; pick->good == NULL && i < store->list.count; i++) {
		struct store_epoch *epoch = &store->list.epoch[i];
		int result = store_epoch_check(store->folder, depth, epoch);

		/* No memory, too many files: that says nothing about the epoch. */
		if (result != 0) {
			return store_say(store, result, "reading an epoch");
		}
		pick->good = epoch->is_damaged ? NULL : epoch;
	}
	pick->newest = store->list.count > 0 ? &store->list.epoch[0] : NULL;
	store->base = pick->good == NULL ? NULL : pick->good->manifest;
	store->is_picked = true;
	return 0;
}

void
store_mark_damaged(struct store *store, uint64_t epoch, const char *why)
{
	struct store_epoch *found = store_list_find(&store->list, epoch);

	if (found != NULL && !found->is_damaged) {
		found->is_damaged = true;
		snprintf(found->why, sizeof(found->why), "%s", why);
	}
}
