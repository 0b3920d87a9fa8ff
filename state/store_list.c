/* SPDX-License-Identifier: BSD-3-Clause */
/* What a folder holds: its names, its manifests, and whether what they name is whole. */

#include "state/store_list.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "state/part_reader.h"

void
store_path(char path[STORE_PATH_MAX], const char *folder, const char *name)
{
	int length = snprintf(path, STORE_PATH_MAX, "%s/%s", folder, name);

	assert(length > 0 && length < (int)STORE_PATH_MAX);
}

bool
store_is_damage(int result)
{
	return result == -EBADMSG || result == -EIO || result == -ENOENT || result == -ENODATA ||
	       result == -EUCLEAN;
}

/* A whole file; the caller frees it. 0 or -errno. */
static int
read_whole(const char *path, char **bytes, size_t *size)
{
	int file = env_file_open(path, O_RDONLY | O_CLOEXEC, 0);
	int64_t length = file < 0 ? file : env_file_size(file);
	int result = length < 0 ? (int)length : 0;

	*bytes = NULL;
	*size = 0;
	if (result == 0 && length > (int64_t)MANIFEST_BYTES_MAX) {
		result = -EBADMSG;
	}
	if (result == 0) {
		*bytes = malloc((size_t)length + 1);
		result = *bytes == NULL ? -ENOMEM : 0;
	}
	while (result == 0 && *size < (size_t)length) {
		ssize_t got = env_file_pread(file, *bytes + *size, (size_t)length - *size, *size);

		if (got == 0) {
			break;
		}
		*size += got > 0 ? (size_t)got : 0;
		result = got < 0 && got != -EINTR ? (int)got : 0;
	}
	if (file >= 0) {
		env_file_close(file);
	}
	if (result != 0) {
		free(*bytes);
		*bytes = NULL;
	}
	return result;
}

/* One copy: a manifest, or NULL and why not. 0, or -errno of this process. */
static int
read_copy(const char *folder, uint64_t number, char copy, struct manifest **manifest,
          char why[MANIFEST_WHY])
{
	char name[MANIFEST_NAME_MAX], path[STORE_PATH_MAX], reason[MANIFEST_WHY] = "";
	char *bytes;
	size_t size;
	int result;

	*manifest = NULL;
	manifest_name(name, number, copy);
	store_path(path, folder, name);
	result = read_whole(path, &bytes, &size);
	if (result == 0) {
		*manifest = manifest_read(bytes, size, reason);
		free(bytes);
	} else if (store_is_damage(result)) {
		snprintf(reason, sizeof(reason), "%s", strerror(-result));
		result = 0;
	}
	if (*manifest != NULL && (*manifest)->epoch != number) {
		snprintf(reason, sizeof(reason), "it is that of epoch %" PRIu64,
		         (*manifest)->epoch);
		manifest_free(*manifest);
		*manifest = NULL;
	}
	if (*manifest == NULL) {
		snprintf(why, MANIFEST_WHY, "%.60s: %.130s", name, reason);
	}
	return result;
}

int
store_epoch_read(const char *folder, uint64_t number, struct store_epoch *epoch)
{
	struct manifest *a, *b = NULL;
	int result;

	memset(epoch, 0, sizeof(*epoch));
	epoch->epoch = number;
	result = read_copy(folder, number, 'a', &a, epoch->why);
	if (result == 0) {
		result = read_copy(folder, number, 'b', &b, epoch->why);
	}
	if (result != 0) {
		manifest_free(a);
		return result;
	}
	epoch->copies = (a != NULL) + (b != NULL);
	if (a != NULL && b != NULL && !digest_equal(a->digest, b->digest)) {
		snprintf(epoch->why, sizeof(epoch->why), "its two manifests differ");
		manifest_free(a);
		a = NULL;
	} else if (a == NULL) {
		a = b;
		b = NULL;
	}
	manifest_free(b);
	epoch->manifest = a;
	epoch->is_damaged = a == NULL;
	return 0;
}

void
store_epoch_free(struct store_epoch *epoch)
{
	manifest_free(epoch->manifest);
	epoch->manifest = NULL;
}

void
store_list_free(struct store_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		store_epoch_free(&list->epoch[i]);
	}
	free(list->epoch);
	free(list->file);
	memset(list, 0, sizeof(*list));
}

struct store_epoch *
store_list_find(const struct store_list *list, uint64_t epoch)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (list->epoch[i].epoch == epoch) {
			return &list->epoch[i];
		}
	}
	return NULL;
}

int
store_list_insert(struct store_list *list, const struct store_epoch *epoch)
{
	struct store_epoch *memory =
	    realloc(list->epoch, (list->count + 1ul) * sizeof(list->epoch[0]));
	uint32_t at = 0;

	if (memory == NULL) {
		return -ENOMEM;
	}
	list->epoch = memory;
	while (at < list->count && memory[at].epoch > epoch->epoch) {
		at++;
	}
	assert(at == list->count || memory[at].epoch != epoch->epoch);
	memmove(memory + at + 1, memory + at, (list->count - at) * sizeof(memory[0]));
	memory[at] = *epoch;
	list->count++;
	return 0;
}

void
store_list_remove(struct store_list *list, uint32_t index)
{
	assert(index < list->count);
	store_epoch_free(&list->epoch[index]);
	list->count--;
	memmove(list->epoch + index, list->epoch + index + 1,
	        (list->count - index) * sizeof(list->epoch[0]));
}

/* The names of a folder while they come in. */
struct names {
	struct store_list *list;
	uint32_t file_room;
	uint64_t *manifest; /* epochs, one for each copy */
	uint32_t manifest_count, manifest_room;
	int result;
};

/* One more in an array that doubles. */
static int
names_grow(void *array, uint32_t count, uint32_t *room, size_t size)
{
	void *memory, *old;

	if (count < *room) {
		return 0;
	}
	memcpy(&old, array, sizeof(old));
	*room = *room == 0 ? 64 : 2 * *room;
	memory = realloc(old, *room * size);
	if (memory == NULL) {
		return -ENOMEM;
	}
	memcpy(array, &memory, sizeof(memory));
	return 0;
}

static void
names_add_file(struct names *names, const char *name)
{
	struct store_list *list = names->list;

	names->result =
	    names_grow(&list->file, list->file_count, &names->file_room, sizeof(list->file[0]));
	if (names->result == 0) {
		snprintf(list->file[list->file_count++], sizeof(list->file[0]), "%s", name);
	}
}

static void
names_add_manifest(struct names *names, uint64_t epoch)
{
	names->result = names_grow(&names->manifest, names->manifest_count, &names->manifest_room,
	                           sizeof(names->manifest[0]));
	if (names->result == 0) {
		names->manifest[names->manifest_count++] = epoch;
	}
}

static void
names_take(void *arg, const char *name)
{
	struct names *names = arg;
	struct part_id part;
	uint64_t number = 0;
	char base[MANIFEST_NAME_MAX], copy;
	size_t length = strlen(name);

	if (names->result != 0) {
		return;
	}
	if (file_name_read(name, &number, &part)) {
		names_add_file(names, name);
	} else if (manifest_name_read(name, &number, &copy)) {
		names_add_manifest(names, number);
	} else if (length > 4 && length < sizeof(base) + 4 &&
	           strcmp(name + length - 4, ".tmp") == 0) {
		snprintf(base, sizeof(base), "%.*s", (int)(length - 4), name);
		if (!manifest_name_read(base, &number, &copy)) {
			number = 0;
			names->list->strays++;
		}
	} else if (incarnation_name_read(name, &number)) {
		if (number > names->list->incarnation) {
			names->list->incarnation = number;
		}
		return;
	} else if (strcmp(name, STORE_LOCK) != 0 && strcmp(name, STORE_MANAGER) != 0 &&
	           strcmp(name, STORE_PLUGINS) != 0 &&
	           strncmp(name, STORE_INDEX, strlen(STORE_INDEX)) != 0) {
		names->list->strays++;
		return;
	}
	if (number > names->list->newest) {
		names->list->newest = number;
	}
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Reads the manifests that are not known; forgets those that are gone. */
static int
take_manifests(const char *folder, struct names *names)
{
	struct store_list *list = names->list;

	for (uint32_t i = 0; i < names->manifest_count; i++) {
		struct store_epoch epoch;
		int result;

		if (store_list_find(list, names->manifest[i]) != NULL) {
			continue;
		}
		result = store_epoch_read(folder, names->manifest[i], &epoch);
		result = result == 0 ? store_list_insert(list, &epoch) : result;
		if (result != 0) {
			store_epoch_free(&epoch);
			return result;
		}
	}
	for (uint32_t i = list->count; i-- > 0;) {
		bool found = false;

		for (uint32_t k = 0; k < names->manifest_count; k++) {
			found |= names->manifest[k] == list->epoch[i].epoch;
		}
		if (!found) {
			store_list_remove(list, i);
		}
	}
	return 0;
}

/* A manifest names the digest of the one before it: two that do not fit are of different stories.
 */
static void
check_links(struct store_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct store_epoch *epoch = &list->epoch[i];
		const struct store_epoch *previous;

		if (epoch->manifest == NULL || epoch->manifest->previous_epoch == 0) {
			continue;
		}
		previous = store_list_find(list, epoch->manifest->previous_epoch);
		if (previous != NULL && previous->manifest != NULL &&
		    !digest_equal(previous->manifest->digest, epoch->manifest->previous)) {
			epoch->is_damaged = true;
			snprintf(epoch->why, sizeof(epoch->why),
			         "it was built on another epoch %" PRIu64 " than the one here",
			         previous->epoch);
		}
	}
}

int
store_list_refresh(const char *folder, struct store_list *list)
{
	struct names names = { .list = list };
	int result;

	free(list->file);
	list->file = NULL;
	list->file_count = 0;
	list->strays = 0;
	result = env_dir_list(folder, names_take, &names);
	result = result == 0 ? names.result : result;
	result = result == 0 ? take_manifests(folder, &names) : result;
	free(names.manifest);
	if (result != 0) {
		return result;
	}
	if (list->file_count > 0) {
		qsort(list->file, list->file_count, sizeof(list->file[0]), by_name);
	}
	check_links(list);
	return 0;
}

int
store_list_read(const char *folder, struct store_list *list)
{
	int result;

	memset(list, 0, sizeof(*list));
	if (strlen(folder) >= STORE_FOLDER_MAX) {
		return -ENAMETOOLONG;
	}
	result = store_list_refresh(folder, list);
	if (result != 0) {
		store_list_free(list);
	}
	return result;
}

int
store_file_check(const char *folder, enum store_depth depth, uint64_t job,
                 const struct manifest_file *file, char why[MANIFEST_WHY])
{
	struct part_reader *reader;
	size_t size;
	int result = part_reader_open(folder, job, file, &reader, why);

	if (result != 0) {
		return result;
	}
	result = depth == STORE_ALL ? 1 : 0;
	while (result > 0) {
		result = part_reader_check(reader, &size);
	}
	part_reader_close(reader);
	return result;
}

int
store_epoch_check(const char *folder, enum store_depth depth, struct store_epoch *epoch)
{
	char why[MANIFEST_WHY];

	for (uint32_t i = 0; !epoch->is_damaged && i < epoch->manifest->file_count; i++) {
		int result = store_file_check(folder, depth, epoch->manifest->job,
		                              &epoch->manifest->file[i], why);

		if (result != 0 && !store_is_damage(result)) {
			return result;
		}
		if (result != 0) {
			epoch->is_damaged = true;
			snprintf(epoch->why, sizeof(epoch->why), "%s", why);
		}
	}
	return 0;
}

int
store_part_read(const char *folder, const struct manifest *manifest, struct part_id id,
                store_block_fn *block, void *arg, char why[MANIFEST_WHY])
{
	const struct manifest_part *part = manifest_part(manifest, id);
	int result = 0;

	if (part == NULL) {
		snprintf(why, MANIFEST_WHY,
		         "epoch %" PRIu64 " has no part of operator %u, slice %u", manifest->epoch,
		         id.op, id.slice);
		return -ENOENT;
	}
	for (uint32_t i = 0; result == 0 && i < part->chain_count; i++) {
		const struct block *header;
		const uint8_t *payload;
		struct part_reader *reader;

		result = part_reader_open(folder, manifest->job, &manifest->file[part->chain[i]],
		                          &reader, why);
		while (result == 0 && (result = part_reader_next(reader, &header, &payload)) > 0) {
			result = block(arg, header, payload);
		}
		part_reader_close(reader);
	}
	return result;
}
